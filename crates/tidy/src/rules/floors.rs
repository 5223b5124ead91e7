//! `docs/architecture.md` shows the floors of each crate as its test of layers has them.
//!
//! For the `FLOORS` of `crates/NAME/tests/layers.rs` the page has a block of code that begins with
//! ```` ```text NAME ```` and has a line for each floor: its stages with commas between them, two
//! blanks, what they are.

use crate::tree::File;
use crate::{Finding, Tree};

/// Where the floors are shown.
const PAGE: &str = "docs/architecture.md";

/// Finds crates whose floors are not shown, or shown otherwise.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let page = tree.get(PAGE).map_or("", |file| &file.text);
    let mut found = Vec::new();
    for file in tree.rust() {
        let name = file
            .path
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/tests/layers.rs"));
        let (Some(name), Some(floors)) = (name, floors(file)) else {
            continue;
        };
        let (line, shown) = shown(page, name);
        if shown != floors {
            let what = format!(
                "the floors of `{name}` are not shown as {} has them",
                file.path
            );
            let list: Vec<String> = floors.iter().map(|floor| floor.join(", ")).collect();
            let remedy = format!(
                "a block \"```text {name}\" with the lines: {}",
                list.join(" / ")
            );
            found.push(Finding::new(PAGE, line, what, remedy));
        }
    }
    found
}

/// The list `FLOORS` of a test of layers.
fn floors(file: &File) -> Option<Vec<Vec<String>>> {
    let parts = file.parts();
    let start = parts.code.find("const FLOORS")?;
    let end = start + parts.code[start..].find(';')?;
    let mut found = Vec::new();
    let mut at = start + parts.code[start..end].find("= &[")? + 4;
    while let Some(open) = parts.code[at..end].find('[') {
        let close = at + parts.code[at..end].find(']')?;
        let literals = &parts.literals[at + open..close];
        found.push(
            literals
                .split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect(),
        );
        at = close + 1;
    }
    Some(found)
}

/// The floors that the page shows of a crate, and the line where they begin.
fn shown(page: &str, name: &str) -> (usize, Vec<Vec<String>>) {
    let fence = format!("```text {name}");
    let mut lines = page.lines().enumerate();
    let Some((start, _)) = lines.find(|(_, line)| *line == fence) else {
        return (1, Vec::new());
    };
    let floors = lines
        .map(|(_, line)| line)
        .take_while(|line| !line.starts_with("```"))
        .map(|line| line.split("  ").next().unwrap_or(line))
        .map(|floor| floor.split(", ").map(str::to_owned).collect());
    (start + 1, floors.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_that_are_shown_otherwise_are_found() {
        let test = "const FLOORS: &[&[&str]] = &[\n    // values; and texts\n    &[\"a\", \"b\"],\n    &[\"c\"],\n];\n";
        let right = "x\n```text right\na, b  values\nc     more\n```\n";
        let tree = Tree::of(&[
            (PAGE, right),
            ("crates/right/tests/layers.rs", test),
            ("crates/wrong/tests/layers.rs", test),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            found[0].remedy,
            "a block \"```text wrong\" with the lines: a, b / c"
        );
    }
}
