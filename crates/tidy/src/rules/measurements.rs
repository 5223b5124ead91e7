//! What a document says was measured can be measured again: the section says when, and with which
//! command.
//!
//! The form is a line `Measured on 2026-11-28 with `make bench`` anywhere in the section. Plans
//! (`docs/dev`) and the scheduler's specification are left out: they report trials.

use crate::{Finding, Tree, markdown};

/// Words of a section that tells of a measurement.
const SIGNS: &[&str] = &["measured", "processor time", " µs", "PSS", "RSS"];

/// Documents whose numbers are of trials.
const TRIALS: &[&str] = &["docs/dev/", "docs/scheduler-spec/"];

/// Finds sections with a measurement that has no date or no command.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.markdown() {
        if TRIALS.iter().any(|folder| file.path.starts_with(folder)) {
            continue;
        }
        for (line, section) in sections(&file.text) {
            let tells = SIGNS.iter().any(|sign| section.contains(sign));
            if tells && !section.lines().any(says_how) {
                let what = "a section tells of a measurement, not when and how";
                let remedy = "add a line \"Measured on 2026-11-28 with `make bench`\"";
                found.push(Finding::new(&file.path, line, what, remedy));
            }
        }
    }
    found
}

/// The sections of a document, each with the line of its heading.
fn sections(text: &str) -> Vec<(usize, String)> {
    let starts: Vec<usize> = markdown::headings(text).iter().map(|it| it.line).collect();
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(lines.len(), |next| next - 1);
        found.push((*start, lines[start - 1..end].join("\n")));
    }
    found
}

/// Whether a line has the form `Measured on DATE with `COMMAND``.
fn says_how(line: &str) -> bool {
    let Some((_, rest)) = line.split_once("easured on ") else {
        return false;
    };
    let (date, rest) = rest.split_at(rest.len().min(10));
    let is_date = date.len() == 10
        && date.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_date && rest.contains("with `")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_without_date_or_command_is_found() {
        let text = "# A\nIt takes 5 µs.\n## B\nMeasured on 2026-11-28 with `make bench`: 5 µs.\n\
                    ## C\nIt was measured on a Monday with `x`.\n## D\nIt waits 5 s.\n";
        let tree = Tree::of(&[("docs/a.md", text), ("docs/dev/b.md", text)]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| found.line).collect();
        assert_eq!(found, [1, 5]);
    }
}
