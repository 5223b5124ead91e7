//! Every citation of the scheduler's specification leads to a chapter and a section that exist.
//!
//! `scheduler-spec/03 §14.2` and `03 §14.2` name their chapter. A bare `§14.2` belongs to the
//! chapter that was named last in the same comment, else to the first one in the file's header.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::File;
use crate::{Finding, Tree, markdown};

/// Where the chapters are.
const FOLDER: &str = "docs/scheduler-spec/";

/// The sections of each chapter, by its number in two digits: `14`, `14.2`, and for the steps of a
/// section's list `14.2.3`.
type Chapters<'a> = BTreeMap<&'a str, BTreeSet<String>>;

/// Finds citations of what does not exist, and such without a chapter.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let chapters: Chapters<'_> = tree
        .markdown()
        .filter_map(|file| {
            let name = file.path.strip_prefix(FOLDER)?;
            let number = name.get(..2)?;
            is_chapter(number).then(|| (number, sections(&file.text)))
        })
        .collect();
    let mut found = Vec::new();
    for file in tree.files().filter(|file| !file.path.starts_with(FOLDER)) {
        let text = match file.path.rsplit('.').next() {
            Some("rs") => &file.parts().comments,
            Some("txt") => &file.text,
            _ => continue,
        };
        found.extend(check_text(file, text, &chapters));
    }
    found
}

fn is_chapter(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The sections of a chapter.
fn sections(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let headings = markdown::headings(text);
    let lines = markdown::lines(text);
    for (index, heading) in headings.iter().enumerate() {
        let title = heading.text.trim_start_matches("Appendix ");
        let number = title
            .split(' ')
            .next()
            .unwrap_or(title)
            .trim_end_matches('.');
        if !is_section(number) {
            continue;
        }
        let end = headings
            .get(index + 1)
            .map_or(lines.len(), |next| next.line - 1);
        for line in &lines[heading.line..end] {
            let item = line
                .text
                .trim_start()
                .split_once(". ")
                .map(|(item, _)| item);
            if let Some(item) = item.filter(|item| item.bytes().all(|b| b.is_ascii_digit())) {
                found.insert(format!("{number}.{item}"));
            }
        }
        found.insert(number.to_owned());
    }
    found
}

/// `14`, `14.2`, `A`, `D.3`.
fn is_section(text: &str) -> bool {
    let mut parts = text.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let first = parts.next().unwrap_or_default();
    let is_letter = first.len() == 1 && first.starts_with(|c: char| c.is_ascii_uppercase());
    (is_letter || is_number(first)) && parts.all(is_number)
}

fn check_text(file: &File, text: &str, chapters: &Chapters<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let header = first_chapter(text);
    let mut chapter = None;
    let mut last = "";
    let mut complain = |line: usize, what: String, remedy: &str| {
        found.push(Finding::new(&file.path, line, what, remedy));
    };
    for (index, line) in text.lines().enumerate() {
        if !line.trim_start().starts_with(['/', '#']) {
            chapter = None;
        } else if line
            .trim_start_matches(['/', '#', '!', ' '])
            .starts_with('§')
        {
            // A chapter at the end of a line has its section in the next one.
            chapter = last_chapter(last).or(chapter);
        }
        last = line.trim_end();
        for citation in citations(line) {
            let section = match citation {
                Citation::Chapter(number) if chapters.contains_key(number) => {
                    chapter = Some(number);
                    continue;
                }
                Citation::Chapter(number) => {
                    let what = format!("scheduler-spec has no chapter {number}");
                    complain(index + 1, what, "correct it: docs/scheduler-spec/README.md");
                    continue;
                }
                Citation::Section(section) => section,
            };
            let Some(number) = chapter.or(header) else {
                let what = format!("§{section} belongs to no chapter");
                complain(index + 1, what, "name the chapter, as in 03 §14.2");
                continue;
            };
            let is_there = chapters
                .get(number)
                .is_some_and(|sections| sections.contains(section));
            if !is_there {
                let what = format!("chapter {number} of scheduler-spec has no section {section}");
                complain(
                    index + 1,
                    what,
                    "correct it, or name the chapter that has it",
                );
            }
        }
    }
    found
}

/// The first chapter that the file's header names.
fn first_chapter(text: &str) -> Option<&str> {
    let header = text.lines().take_while(|line| line.starts_with(['/', '#']));
    header
        .flat_map(citations)
        .find_map(|citation| match citation {
            Citation::Chapter(number) => Some(number),
            Citation::Section(_) => None,
        })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Citation<'a> {
    Chapter(&'a str),
    Section(&'a str),
}

/// The citations in a line, in order.
fn citations(line: &str) -> Vec<Citation<'_>> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(['§', '/']) {
        let (before, after) = rest.split_at(at);
        if let Some(after) = after.strip_prefix('/') {
            rest = after;
            if before.ends_with("scheduler-spec")
                && let Some(number) = after.get(..2).filter(|it| is_chapter(it))
            {
                found.push(Citation::Chapter(number));
                rest = &after[2..];
            }
            continue;
        }
        found.extend(last_chapter(before.trim_end()).map(Citation::Chapter));
        let after = after.trim_start_matches('§');
        rest = after;
        // A range names two.
        for part in leading(after, "–-").split(['–', '-']) {
            let section = leading(part, "").trim_end_matches('.');
            if is_section(section) {
                found.push(Citation::Section(section));
            }
        }
    }
    found
}

/// The chapter with which a text ends.
fn last_chapter(text: &str) -> Option<&str> {
    let start = text.len().checked_sub(2)?;
    let number = text.get(start..).filter(|it| is_chapter(it))?;
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '/';
    (!text[..start].ends_with(goes_on)).then_some(number)
}

/// The part of a text that may be the number of a section.
fn leading<'a>(text: &'a str, further: &str) -> &'a str {
    let is_part =
        |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '.' || further.contains(c);
    &text[..text.find(|c| !is_part(c)).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str =
        "# 03 — A\n## 4. B\n1. One\n2. Two\n### 4.1 C\n## Appendix A. D\n### A.3 E\n";

    fn found(text: &str) -> Vec<(usize, String)> {
        let tree = Tree::of(&[
            ("docs/scheduler-spec/03-a.md", CHAPTER),
            ("docs/scheduler-spec/05-b.md", "## 7. B\n"),
            ("a.rs", text),
        ]);
        check(&tree)
            .into_iter()
            .map(|found| (found.line, found.what))
            .collect()
    }

    #[test]
    fn what_exists_may_be_cited() {
        let text = "//! A (scheduler-spec/03 §4, §4.1–A.3; 05 §7).\n\n/// §4.2. And (05\n/// §7).\n\
                    fn f() {}\n// §A.\n";
        assert_eq!(found(text), []);
    }

    #[test]
    fn what_does_not_exist_is_found() {
        let text =
            "//! A (scheduler-spec/03 §9).\n\n// scheduler-spec/08 §1.\nfn f() {}\n// 05 §7, §4.\n";
        assert_eq!(
            found(text),
            [
                (
                    1,
                    "chapter 03 of scheduler-spec has no section 9".to_owned()
                ),
                (3, "scheduler-spec has no chapter 08".to_owned()),
                (
                    3,
                    "chapter 03 of scheduler-spec has no section 1".to_owned()
                ),
                (
                    5,
                    "chapter 05 of scheduler-spec has no section 4".to_owned()
                )
            ]
        );
    }

    #[test]
    fn a_section_without_a_chapter_is_found() {
        let text = "//! A.\n\n/// §4.\n";
        assert_eq!(found(text), [(3, "§4 belongs to no chapter".to_owned())]);
    }
}
