//! What patterns can begin with: choices that the name of an element decides.

use crate::schema::grammar::{Grammar, Rule};

/// The names of the elements that a pattern can have, without what is in them.
pub(super) fn elements(grammar: &Grammar, rule: &Rule) -> Vec<&'static str> {
    let mut names = Vec::new();
    collect(grammar, rule, &mut names);
    names
}

fn collect(grammar: &Grammar, rule: &Rule, names: &mut Vec<&'static str>) {
    match rule {
        Rule::Element(number) => names.push(grammar.elements[*number].0),
        Rule::Named(name) => collect(grammar, grammar.rule(name), names),
        Rule::Sequence(rules) | Rule::Interleaved(rules) | Rule::Choice(rules) => {
            rules.iter().for_each(|rule| collect(grammar, rule, names));
        }
        Rule::Optional(rule) | Rule::Repeated(rule) | Rule::AtLeastOnce(rule) => {
            collect(grammar, rule, names);
        }
        Rule::Attribute(_) | Rule::Value(_) | Rule::Empty | Rule::Any => {}
    }
}

/// Whether a pattern is about attributes alone.
pub(super) fn is_of_attributes(grammar: &Grammar, rule: &Rule) -> bool {
    match rule {
        Rule::Attribute(_) => true,
        Rule::Element(_) | Rule::Value(_) | Rule::Empty | Rule::Any => false,
        Rule::Named(name) => is_of_attributes(grammar, grammar.rule(name)),
        Rule::Sequence(rules) | Rule::Interleaved(rules) | Rule::Choice(rules) => {
            rules.iter().all(|rule| is_of_attributes(grammar, rule))
        }
        Rule::Optional(rule) | Rule::Repeated(rule) | Rule::AtLeastOnce(rule) => {
            is_of_attributes(grammar, rule)
        }
    }
}

/// Whether a pattern allows nothing.
fn allows_nothing(grammar: &Grammar, rule: &Rule) -> bool {
    match rule {
        Rule::Empty | Rule::Any | Rule::Optional(_) | Rule::Repeated(_) => true,
        Rule::Element(_) | Rule::Attribute(_) | Rule::Value(_) => false,
        Rule::Named(name) => allows_nothing(grammar, grammar.rule(name)),
        Rule::AtLeastOnce(rule) => allows_nothing(grammar, rule),
        Rule::Choice(rules) => rules.iter().any(|rule| allows_nothing(grammar, rule)),
        Rule::Sequence(rules) | Rule::Interleaved(rules) => {
            rules.iter().all(|rule| allows_nothing(grammar, rule))
        }
    }
}

/// The branch for an element of that name, if the name decides: `None` if it does not, `Some(None)`
/// if no branch is for it.
pub(super) fn branch<'r>(
    grammar: &Grammar,
    branches: &'r [Rule],
    name: &str,
) -> Option<Option<&'r Rule>> {
    if branches
        .iter()
        .any(|branch| allows_nothing(grammar, branch))
    {
        return None;
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut found = None;
    for branch in branches {
        let names = elements(grammar, branch);
        if names.is_empty() {
            return None;
        }
        for known in names {
            if seen.contains(&known) {
                return None;
            }
            seen.push(known);
            if known == name {
                found = Some(branch);
            }
        }
    }
    Some(found)
}
