//! What is wrong with a document, where, and what would be right.
//!
//! While reading, a position is a byte offset; lines and columns are computed at the end, in one
//! sweep over the text, so that a document of one long line with many problems costs no more than
//! any other.

use std::cell::Cell;
use std::fmt;

use strsim::osa_distance;

/// More problems than this are counted, not listed.
const MAX_PROBLEMS: usize = 500;

/// More problems than this are not even kept. It is more than are listed, because they are found in
/// another order than they are listed in.
const MAX_KEPT: usize = 10 * MAX_PROBLEMS;

/// The most words that are compared for suggestions in one document, so that a large document in
/// which everything is wrong costs no more than a valid one.
const MAX_COMPARED: usize = 100_000;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The document is accepted, but does something that its author should know.
    Warning,
    /// The document is refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Whether the document is refused for it.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// What would be right, or what to do.
    pub hint: Option<String>,
}

impl Problem {
    /// Message and hint in one line.
    pub fn text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message),
            None => self.message.clone(),
        }
    }
}

/// `12:7: error: <service> has an unknown attribute 'tpye'; did you mean 'type'?`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.line,
            self.column,
            self.severity,
            self.text()
        )
    }
}

impl std::error::Error for Problem {}

/// Collects problems by byte offset.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Found>,
    /// How many problems were found, including those that are not kept.
    count: usize,
    errors: bool,
    /// The document was accepted before: see [`Problems::refuse`].
    accepted: bool,
    /// Words compared for suggestions.
    compared: Cell<usize>,
}

#[derive(Debug)]
struct Found {
    offset: usize,
    severity: Severity,
    message: String,
    hint: Option<String>,
}

impl Problems {
    pub(crate) fn error(
        &mut self,
        offset: usize,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.errors = true;
        self.push(offset, Severity::Error, message.into(), hint.into());
    }

    /// For a document that was accepted before, maybe by an earlier version.
    pub(crate) fn of_accepted() -> Problems {
        Problems {
            accepted: true,
            ..Problems::default()
        }
    }

    /// An error of what can be read, though nothing would carry it out: a document that was
    /// accepted with it is managed on, as it was.
    pub(crate) fn refuse(&mut self, offset: usize, message: String, hint: String) {
        match self.accepted {
            true => self.warning(offset, message, hint),
            false => self.error(offset, message, hint),
        }
    }

    pub(crate) fn warning(
        &mut self,
        offset: usize,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.push(offset, Severity::Warning, message.into(), hint.into());
    }

    fn push(&mut self, offset: usize, severity: Severity, message: String, hint: Option<String>) {
        self.count += 1;
        if self.found.len() < MAX_KEPT {
            self.found.push(Found {
                offset,
                severity,
                message,
                hint,
            });
        }
    }

    /// As [`suggest`], until the document has used up its share of work for suggestions.
    pub(crate) fn suggest<'k>(
        &self,
        found: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Option<String> {
        if !self.may_suggest() {
            return None;
        }
        let mut compared = 0;
        let known = known.into_iter().inspect(|_| compared += 1);
        let suggestion = suggest(found, known);
        self.compared.set(self.compared.get() + compared);
        suggestion
    }

    /// Whether [`Problems::suggest`] still compares words, so that collecting them is of use.
    pub(crate) fn may_suggest(&self) -> bool {
        self.compared.get() < MAX_COMPARED && self.count < MAX_KEPT
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors
    }

    /// The problems with their lines and columns in `document`, in the order of the document.
    pub(crate) fn locate(mut self, document: &[u8]) -> Vec<Problem> {
        self.found.sort_by_key(|found| found.offset);
        let total = self.count;
        let mut problems = Vec::with_capacity(total.min(MAX_PROBLEMS + 1));
        let (mut at, mut line, mut column) = (0, 1, 1);
        for found in self.found {
            let offset = found.offset.min(document.len());
            for &byte in &document[at..offset] {
                match byte {
                    b'\n' => (line, column) = (line + 1, 1),
                    0x80..=0xbf => {} // inside a character
                    _ => column += 1,
                }
            }
            at = offset;
            if problems.len() < MAX_PROBLEMS {
                problems.push(Problem {
                    line,
                    column,
                    severity: found.severity,
                    message: found.message,
                    hint: found.hint,
                });
            } else if problems.len() == MAX_PROBLEMS {
                problems.push(Problem {
                    line,
                    column,
                    severity: match self.errors {
                        true => Severity::Error,
                        false => Severity::Warning,
                    },
                    message: format!(
                        "{} more problems from here on are not listed",
                        total - MAX_PROBLEMS
                    ),
                    hint: Some("correct those above first".into()),
                });
                break;
            }
        }
        problems
    }
}

/// `did you mean 'type'?` if one of the known words is close, else a list of them.
pub fn suggest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    const LISTED: usize = 24;
    let limit = match found.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    // long words are not mistyped names, and the distance costs the product of their lengths
    let comparable = found.len() <= 128;
    let found_lower = found.to_ascii_lowercase();
    let (mut best, mut listed, mut count): (Option<(usize, &str)>, Vec<&str>, usize) =
        (None, Vec::new(), 0);
    for word in known {
        count += 1;
        if count <= LISTED {
            listed.push(word);
        }
        if comparable && word.len().abs_diff(found.len()) <= limit {
            // restricted Damerau-Levenshtein: insert, delete, replace, swap two neighbours
            let distance = osa_distance(&found_lower, &word.to_ascii_lowercase());
            if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, word));
            }
        }
    }
    match (best, count) {
        (Some((_, word)), _) => Some(format!("did you mean '{word}'?")),
        (None, 0) => None,
        (None, 1) => Some(format!("expected '{}'", listed[0])),
        (None, 2..=LISTED) => Some(format!("expected one of: {}", listed.join(", "))),
        (None, _) => None,
    }
}

/// A word of the document as messages show it: bounded, in quotes, control characters escaped.
pub fn quote(word: &str) -> String {
    const SHOWN: usize = 64;
    let mut out = String::from("'");
    for (count, c) in word.chars().enumerate() {
        if count == SHOWN {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_columns_in_characters_and_lines_from_one() {
        let text = "äöü<a/>\nx<b/>";
        let mut problems = Problems::default();
        problems.error(text.find("<b").unwrap(), "second", None);
        problems.warning(text.find("<a").unwrap(), "first", None);
        let located = problems.locate(text.as_bytes());
        assert_eq!(
            located
                .iter()
                .map(|p| (p.line, p.column))
                .collect::<Vec<_>>(),
            [(1, 4), (2, 2)]
        );
    }

    #[test]
    fn it_suggests_the_word_that_was_meant() {
        assert_eq!(
            suggest("tpye", ["class", "type"]).as_deref(),
            Some("did you mean 'type'?")
        );
        assert_eq!(
            suggest("monitor_intervall", ["monitor_interval", "monitor_timeout"]).as_deref(),
            Some("did you mean 'monitor_interval'?")
        );
        assert_eq!(
            suggest("zzz", ["class", "type"]).as_deref(),
            Some("expected one of: class, type")
        );
        assert_eq!(suggest("zzz", []), None);
    }

    #[test]
    fn it_lists_a_bounded_number_of_problems() {
        let mut problems = Problems::default();
        (0..MAX_PROBLEMS + 7).for_each(|_| problems.error(0, "x", None));
        let located = problems.locate(b"");
        assert_eq!(located.len(), MAX_PROBLEMS + 1);
        assert!(located[MAX_PROBLEMS].message.starts_with("7 more problems"));
    }
}
