//! What an administrator may read on a screen or in a log, and what to do about it. The names come
//! from the code; a name without advice does not compile, or fails this crate's tests.

mod errors;
mod events;
mod exits;
mod messages;
mod problems;
mod states;

/// Names of one kind, with what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What marks its place in `docs/reference.md`.
    pub mark: String,
    /// What the columns have; the first is that of the names.
    pub head: Vec<&'static str>,
    /// A text for each column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn new<const N: usize>(mark: &str, head: [&'static str; N], rows: Vec<[String; N]>) -> Table {
        Table {
            mark: mark.to_owned(),
            head: head.to_vec(),
            rows: rows.into_iter().map(|row| row.to_vec()).collect(),
        }
    }

    /// The table in Markdown; names are code.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<String> = self.head.iter().map(|&text| text.to_owned()).collect();
        let rule = vec!["---".to_owned(); head.len()];
        let mut text = line(&head) + &line(&rule);
        for row in &self.rows {
            let mut cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            if let Some(name) = cells.first_mut() {
                *name = format!("`{name}`");
            }
            text += &line(&cells);
        }
        text
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter_map(|row| Some(row.first()?.as_str()))
    }
}

/// All tables, in the order of the page.
pub fn all() -> Vec<Table> {
    let mut tables = vec![events::table()];
    tables.extend(states::tables());
    tables.extend([
        errors::table(),
        problems::table(),
        exits::table(),
        exits::of_simulate(),
        messages::table(),
    ]);
    tables
}
