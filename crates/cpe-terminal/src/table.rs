//! Columns under their heads.

use std::borrow::Cow;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::line::wrapping;
use crate::{Line, escape_line};

/// Blanks between two columns.
const GAP: usize = 2;
/// No column becomes narrower than this many cells so that a table fits.
const NARROWEST: usize = 8;

/// One cell of a table. Its text is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text in a style.
    pub fn new(text: impl AsRef<str>, style: Style) -> Cell {
        Cell {
            text: escape_line(text.as_ref()).into_owned(),
            style,
        }
    }

    /// The text without style.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The style.
    pub fn style(&self) -> Style {
        self.style
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(text, Style::new())
    }
}

/// A table with `N` columns.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    heads: [Cell; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    /// The heads of the columns in a style, and the rows under them.
    pub fn new(
        heads: [&str; N],
        style: Style,
        rows: impl IntoIterator<Item = [Cell; N]>,
    ) -> Table<N> {
        Table {
            heads: heads.map(|head| Cell::new(head, style)),
            rows: rows.into_iter().collect(),
        }
    }

    /// The table in lines, the heads first. Columns are as wide as their widest cell; the last one
    /// is not padded. If that is wider than `limit` cells, the widest column with blanks in its
    /// texts becomes narrower, and the texts wrap; if that is not enough, the next one, and then
    /// columns of names. A column becomes neither narrower than its head nor than 8 cells: where
    /// that is still too wide, the terminal breaks the lines.
    pub fn lines(&self, limit: Option<usize>) -> Vec<Line> {
        let mut widths = self.natural_widths();
        if let Some(limit) = limit {
            self.fit(&mut widths, limit);
        }
        let rows = [&self.heads].into_iter().chain(&self.rows);
        rows.flat_map(|row| row_lines(row, &widths)).collect()
    }

    fn natural_widths(&self) -> [usize; N] {
        let mut widths = self.heads.each_ref().map(|head| head.text.width());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.text.width().max(*width);
            }
        }
        widths
    }

    fn fit(&self, widths: &mut [usize; N], limit: usize) {
        let narrowest = self
            .heads
            .each_ref()
            .map(|head| head.text.width().max(NARROWEST));
        let has_blanks = |at: &usize| self.rows.iter().any(|row| row[*at].text.contains(' '));
        loop {
            let total = widths.iter().sum::<usize>() + GAP * N.saturating_sub(1);
            let excess = total.saturating_sub(limit);
            let may_shrink = (0..N).filter(|at| widths[*at] > narrowest[*at]);
            let Some(widest) = may_shrink.max_by_key(|at| (has_blanks(at), widths[*at])) else {
                return;
            };
            if excess == 0 {
                return;
            }
            widths[widest] = widths[widest].saturating_sub(excess).max(narrowest[widest]);
        }
    }
}

/// The lines of a row: one, or more if the text of a cell is wider than its column.
fn row_lines<const N: usize>(row: &[Cell; N], widths: &[usize; N]) -> Vec<Line> {
    let mut parts: [Vec<Cow<'_, str>>; N] = [const { Vec::new() }; N];
    for (at, cell) in row.iter().enumerate() {
        parts[at] = if cell.text.width() <= widths[at] {
            vec![Cow::Borrowed(cell.text.as_str())]
        } else {
            textwrap::wrap(&cell.text, wrapping(widths[at]))
        };
    }
    let height = parts.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|number| {
            let mut line = Line::new();
            let mut padding = 0;
            for (at, cell) in row.iter().enumerate() {
                let part = parts[at].get(number).map_or("", |part| &**part);
                // Blanks are written before the next text only: no line ends with blanks.
                if !part.is_empty() {
                    line = line.plain(" ".repeat(padding)).styled(part, cell.style);
                    padding = 0;
                }
                padding += widths[at].saturating_sub(part.width()) + GAP;
            }
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;

    use super::*;

    fn texts<const N: usize>(table: &Table<N>, limit: Option<usize>) -> Vec<String> {
        let lines = table.lines(limit);
        lines.iter().map(|line| line.as_str().to_owned()).collect()
    }

    fn services() -> Table<4> {
        let row = |cells: [&str; 4]| cells.map(Cell::from);
        Table::new(
            ["SERVICE", "STATE", "FAILURES", "REMARK"],
            Style::new(),
            [
                row(["db", "started", "-", ""]),
                row([
                    "web:0",
                    "failed",
                    "3",
                    "not running, exit code 7 of its agent",
                ]),
            ],
        )
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            texts(&services(), None),
            [
                "SERVICE  STATE    FAILURES  REMARK",
                "db       started  -",
                "web:0    failed   3         not running, exit code 7 of its agent",
            ]
        );
        assert_eq!(texts(&services(), Some(80)), texts(&services(), None));
    }

    #[test]
    fn on_a_narrower_terminal_the_widest_column_wraps() {
        assert_eq!(
            texts(&services(), Some(50)),
            [
                "SERVICE  STATE    FAILURES  REMARK",
                "db       started  -",
                "web:0    failed   3         not running, exit code",
                "                            7 of its agent",
            ]
        );
    }

    #[test]
    fn names_wrap_only_if_texts_cannot_become_narrower() {
        let row = ["ocf:heartbeat:anything", "it runs again"].map(Cell::from);
        let table = Table::new(["AGENT", "REMARK"], Style::new(), [row]);
        assert_eq!(
            texts(&table, Some(32))[1..],
            [
                "ocf:heartbeat:anything  it runs",
                "                        again"
            ]
        );
        assert_eq!(
            texts(&table, Some(22))[1..],
            ["ocf:heartbea  it runs", "t:anything    again"]
        );
        assert_eq!(texts(&table, Some(5)), texts(&table, Some(18)));
    }

    #[test]
    fn wide_characters_count_as_the_two_cells_that_they_are() {
        let rows = [["漢字", "1"], ["ab", "2"], ["é", "3"]];
        let rows = rows.map(|row| row.map(Cell::from));
        let table = Table::new(["A", "B"], Style::new(), rows);
        assert_eq!(
            texts(&table, None),
            ["A     B", "漢字  1", "ab    2", "é     3"]
        );
    }

    #[test]
    fn styles_cover_the_text_and_not_the_blanks_beside_it() {
        let red = AnsiColor::Red.on_default();
        let row = [Cell::new("a", red), Cell::from("b\n")];
        let table = Table::new(["LONG", "B"], Style::new(), [row]);
        assert_eq!(
            table.lines(None)[1].to_string(),
            "\x1b[31ma\x1b[0m     b\\n"
        );
    }
}
