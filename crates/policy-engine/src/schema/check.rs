//! Whether a configuration follows one version.

use super::pattern::{ANY, IMPOSSIBLE, PatternId, Patterns};
use super::{Invalid, Version, values};
use crate::xml::{Document, Element};

/// Where a configuration stops following a version.
pub(super) struct Failure {
    /// How many elements were right before.
    pub(super) seen: usize,
    pub(super) invalid: Invalid,
}

/// Checks the `configuration` section.
pub(super) fn check(document: &Document, version: Version) -> Result<(), Failure> {
    let Some(configuration) = document.root().child("configuration") else {
        let root = document.root();
        let text = "<cib> has no <configuration>".to_owned();
        return Err(failure(root, 0, text));
    };
    let mut check = Check {
        patterns: Patterns::new(super::grammar::Grammar::of(version)),
        version,
        seen: 0,
    };
    let content = check.patterns.named("configuration");
    check.content(configuration, content)
}

struct Check {
    patterns: Patterns,
    version: Version,
    seen: usize,
}

impl Check {
    /// Checks an element and all below it. The grammar limits the depth, but for rules, and the
    /// reader that of rules.
    fn element(&mut self, element: Element<'_>, number: u32) -> Result<(), Failure> {
        let whole = self.patterns.content(number);
        let mut left = whole;
        for (name, value) in element.attributes() {
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            left = match self.patterns.after_attribute(left, name, value) {
                IMPOSSIBLE => return Err(self.wrong_attribute(element, whole, name, value)),
                left => left,
            };
        }
        let closed = self.patterns.without_attributes(left);
        if closed == IMPOSSIBLE {
            let missing = self.patterns.missing(left).join(" or ");
            let text = format!("<{}> lacks the attribute {missing}", element.name());
            return Err(self.failure(element, text));
        }
        self.content(element, closed)
    }

    /// Checks the children of an element.
    fn content(&mut self, element: Element<'_>, content: PatternId) -> Result<(), Failure> {
        self.seen += 1;
        let mut left = content;
        if left == ANY {
            return Ok(());
        }
        for child in element.children() {
            let Some((after, number)) = self.patterns.after_child(left, child.name()) else {
                return Err(self.wrong_child(element, child, content, left));
            };
            self.element(child, number)?;
            left = after;
        }
        if !self.patterns.may_end(left) {
            let names = one_of(&self.patterns.element_names(left));
            let text = format!("<{}> ends too early: expected {names}", element.name());
            return Err(self.failure(element, text));
        }
        Ok(())
    }

    fn wrong_attribute(
        &self,
        element: Element<'_>,
        whole: PatternId,
        name: &str,
        value: &str,
    ) -> Failure {
        let accepted = self.patterns.values_of(whole, name);
        let tag = element.name();
        let text = if accepted.is_empty() {
            format!(
                "<{tag}> has the attribute {name}, which schema {} does not know there",
                self.version
            )
        } else if accepted.iter().any(|a| values::accepts(a, value)) {
            format!(
                "<{tag}> has {name}=\"{value}\", which schema {} does not allow beside its other attributes",
                self.version
            )
        } else {
            format!(
                "attribute {name} of <{tag}>: expected {}, found \"{value}\"",
                values::describe(&accepted)
            )
        };
        self.failure(element, text)
    }

    fn wrong_child(
        &self,
        element: Element<'_>,
        child: Element<'_>,
        content: PatternId,
        left: PatternId,
    ) -> Failure {
        let (tag, name) = (element.name(), child.name());
        let known = self.patterns.element_names(content).contains(&name);
        let text = if known {
            let others = self.patterns.element_names(left);
            let rest = if others.is_empty() {
                String::new()
            } else {
                format!(": expected {}", one_of(&others))
            };
            format!("<{tag}> has one <{name}> too many{rest}")
        } else {
            let names = self.patterns.element_names(content);
            let expected = if names.is_empty() {
                "no elements".to_owned()
            } else {
                one_of(&names)
            };
            format!(
                "<{tag}> has <{name}>, which schema {} does not know there: expected {expected}",
                self.version
            )
        };
        self.failure(child, text)
    }

    fn failure(&self, element: Element<'_>, text: String) -> Failure {
        failure(element, self.seen, text)
    }
}

fn failure(element: Element<'_>, seen: usize, text: String) -> Failure {
    let (line, column) = element.position();
    Failure {
        seen,
        invalid: Invalid { line, column, text },
    }
}

fn one_of(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing more".to_owned(),
    }
}
