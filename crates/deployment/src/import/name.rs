//! Names that a document accepts, of those that a cluster has.

use std::collections::{HashMap, HashSet};

use crate::tree::Element;
use crate::value;

/// The longest name.
const LONGEST: usize = 63;

/// Names that are given, each once.
#[derive(Default)]
pub(super) struct Given {
    names: HashSet<String>,
    /// How many names were made of one.
    made: HashMap<String, usize>,
}

impl Given {
    /// Gives a name that is valid as it is.
    pub(super) fn keep(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    /// A valid name that is not given yet, like the one that is not valid.
    pub(super) fn make(&mut self, name: &str) -> String {
        let mut base = value::proposed_name(name);
        if base.is_empty() {
            base.push_str("node");
        }
        loop {
            let made = self.made.entry(base.clone()).or_insert(0);
            *made += 1;
            let candidate = match *made {
                1 => base.clone(),
                number => numbered(&base, number),
            };
            if self.names.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}

/// `web-2`, of at most as many characters as a name has.
fn numbered(base: &str, number: usize) -> String {
    let suffix = format!("-{number}");
    let length = base.len().min(LONGEST - suffix.len());
    let base = base.get(..length).unwrap_or(base);
    format!("{}{suffix}", base.trim_end_matches('-'))
}

/// What the cluster is called, as a name; and whether that is a guess.
pub(super) fn of_deployment(configuration: &Element<'_>) -> (String, bool) {
    let mut called = None;
    let options = configuration.children.iter();
    for section in options.filter(|child| child.name == "crm_config") {
        section.visit(&mut |pair| {
            if pair.name == "nvpair" && pair.value("name") == Some("cluster-name") {
                called = called.or(pair.value("value"));
            }
        });
    }
    match called.map(value::proposed_name).as_deref() {
        None | Some("") => ("imported".to_owned(), true),
        Some(name) => (name.to_owned(), called != Some(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_valid_and_told_apart() {
        let mut given = Given::default();
        given.keep("web-1");
        assert_eq!(given.make("Web_1"), "web-1-2");
        assert_eq!(given.make("WEB.1"), "web-1-3");
        assert_eq!(given.make("…"), "node");
        let long = "X".repeat(80);
        assert_eq!(given.make(&long).len(), LONGEST);
        let second = given.make(&long);
        assert!(
            value::name(&second).is_ok() && second.ends_with("-2"),
            "{second}"
        );
    }
}
