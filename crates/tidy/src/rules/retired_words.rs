//! Words and phrasings that this project no longer uses, and what it says instead: in code,
//! messages, documents and examples.
//!
//! A pattern is a row of words; `a|b` is one of two. It is retired everywhere, so it has to be one
//! that is wrong everywhere. What is right in some places and wrong in others is for a reader to
//! see, not for this list.

use crate::words::{Word, words};
use crate::{Finding, Tree};

struct Retired {
    pattern: &'static str,
    /// Next words that make it right.
    unless: &'static [&'static str],
    instead: &'static str,
}

const fn retired(pattern: &'static str, instead: &'static str) -> Retired {
    Retired {
        pattern,
        unless: &[],
        instead,
    }
}

const RETIRED: &[Retired] = &[
    retired("wish|wishes|wished", "preference; of a person: want"),
    retired("heed|heeds|heeded", "influence"),
    retired("speaker|speakers", "first member"),
    retired("goes smoothly", "keeps a usable node"),
    retired("anew", "again"),
    retired("so many|much of", "the number's meaning"),
    retired("is|are told of", "gets, learns, hears of"),
    Retired {
        pattern: "what|which|who|that is|are no",
        unless: &["longer", "more", "way", "reason", "better", "worse"],
        instead: "is not a",
    },
    retired(
        "if it is none",
        "what it is then: if the text is not a number",
    ),
    retired("hardly meant", "probably not what was intended"),
    retired("be let stop|start|run", "be allowed to"),
    retired("kernel's word", "verified with SO_PEERCRED"),
    retired("slept through", "missed because the process did not run"),
    retired("executed itself", "was re-executed"),
    retired("means more than can", "exceeds the limits"),
];

/// This list itself, and what records how things were.
const EXEMPT: &[&str] = &["CHANGELOG.md", "crates/tidy/src/rules/retired_words.rs"];

/// Files of other makers, and data.
const FOREIGN: &[&str] = &["Cargo.lock", "LICENSE"];

/// Finds retired words.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files() {
        let path = file.path.as_str();
        if EXEMPT.contains(&path) || FOREIGN.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let words = words(&file.text);
        for start in 0..words.len() {
            for entry in RETIRED {
                if let Some(phrase) = reads(&words[start..], entry) {
                    let what = format!("\"{phrase}\" is retired");
                    let remedy = format!("write: {}", entry.instead);
                    found.push(Finding::new(path, words[start].line, what, remedy));
                }
            }
        }
    }
    found
}

/// The phrase, if the words begin with a retired one.
fn reads(words: &[Word], entry: &Retired) -> Option<String> {
    let mut rest = words.iter();
    let mut phrase = Vec::new();
    for wanted in entry.pattern.split(' ') {
        let word = &rest.next()?.text;
        if !wanted.split('|').any(|wanted| wanted == word) {
            return None;
        }
        phrase.push(word.as_str());
    }
    let next = rest.next().map_or("", |word| &word.text);
    (!entry.unless.contains(&next)).then(|| phrase.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String)> {
        check(&Tree::of(&[("a.rs", text)]))
            .into_iter()
            .map(|found| (found.line, found.what))
            .collect()
    }

    #[test]
    fn a_retired_word_is_found_in_names_and_texts() {
        assert_eq!(
            found("struct MyWish;\n// done anew\n"),
            [
                (1, "\"wish\" is retired".to_owned()),
                (2, "\"anew\" is retired".to_owned())
            ]
        );
    }

    #[test]
    fn a_phrase_is_found_over_the_end_of_a_line() {
        assert_eq!(
            found("/// Drops what is\n/// no group.\n"),
            [(1, "\"what is no\" is retired".to_owned())]
        );
    }

    #[test]
    fn what_reads_alike_is_left_alone() {
        assert_eq!(
            found("// what is no longer there. It is told. Of course.\n"),
            []
        );
    }
}
