//! Elements of `<configuration>` against the grammar.

use policy_engine::model::Task;

use super::grammar::{self, Kind, Rule};
use super::links::Links;
use super::requirements;
use crate::problem::Problems;
use crate::tree::{Attribute, Element, is_id};
use crate::{report, value};

/// The class of fencing devices.
pub(super) const FENCING: &str = "stonith";

/// Checks an element and everything in it; collects ids and what refers to them.
pub(super) fn check<'e>(
    element: &'e Element<'_>,
    rule: &'static Rule,
    links: &mut Links<'e>,
    problems: &mut Problems,
) {
    report::text_in(element, problems);
    // an element that is given by `id-ref` needs nothing else
    let referred = element.has("id-ref") && rule.attribute("id-ref").is_some();
    for required in rule.required {
        if !element.has(required) && !referred {
            report::missing_attribute(element, required, problems);
        }
    }
    for attribute in &element.attributes {
        match rule.attribute(attribute.name) {
            Some(kind) => check_attribute(element, attribute, kind, links, problems),
            None => {
                let known = rule.attributes.iter().map(|(name, _)| *name);
                report::unknown_attribute(element, attribute, known, problems);
            }
        }
    }
    if !referred {
        requirements::check(element, problems);
    }
    links.bring_nodes(element);
    for child in &element.children {
        match grammar::rule(child.name).filter(|_| rule.children.contains(&child.name)) {
            Some(rule) => check(child, rule, links, problems),
            None => {
                let hint = grammar::instead(child.name).map(str::to_owned);
                let hint =
                    hint.or_else(|| problems.suggest(child.name, rule.children.iter().copied()));
                report::misplaced(element, child, hint, problems);
            }
        }
    }
}

fn check_attribute<'e>(
    element: &'e Element<'_>,
    attribute: &Attribute<'_>,
    kind: Kind,
    links: &mut Links<'e>,
    problems: &mut Problems,
) {
    let (value, offset) = (&*attribute.value, attribute.value_offset);
    match kind {
        Kind::Id if is_id(value) => links.define(value, element, offset, problems),
        Kind::SameAs | Kind::Resource | Kind::Template | Kind::Object | Kind::Node => {
            links.refer(kind, element.name, value, offset);
        }
        _ => {
            if let Err(expected) = check_value(value, kind, problems) {
                // A document with such a value is read: a rule never holds, and elsewhere the
                // policy engine takes its default.
                let report = match matches!(kind, Kind::Is(_) | Kind::Range(_)) {
                    true => report::value_without_effect,
                    false => report::invalid_value,
                };
                report(element, attribute, expected, problems);
            }
        }
    }
}

/// Whether the value has the form of its kind. Err: what is expected.
fn check_value(value: &str, kind: Kind, problems: &Problems) -> Result<(), String> {
    let (holds, expected) = match kind {
        Kind::Id => (
            is_id(value),
            "expected an XML id: a letter or _, then letters, digits, '.', '-' and '_'",
        ),
        Kind::Ticket => (
            is_ticket(value),
            "expected the name of a ticket: 1 to 255 characters, without control characters",
        ),
        Kind::Is(values) if values.contain(value) => return Ok(()),
        Kind::Is(values) => return Err(values.expected(value, problems)),
        Kind::Range(field) => (
            policy_engine::is_possible_range(field, value),
            "no clock ever shows that: expected a number or a range such as '1-5', '1-' or '-5'",
        ),
        Kind::Class if value != FENCING && !value::CLASSES.contains(&value) => {
            let known = value::CLASSES.iter().copied().chain([FENCING]);
            return Err(problems.suggest(value, known).unwrap_or_default());
        }
        Kind::Operation => (
            !is_reserved(value),
            "the policy engine has a meaning of its own for this name; remove the operation, or \
             give the agent's action another name",
        ),
        _ => return Ok(()),
    };
    if holds {
        Ok(())
    } else {
        Err(expected.to_owned())
    }
}

/// The most characters of a ticket's name: it is said in events, and typed by people.
const LONGEST_TICKET: usize = 255;

/// Whether a ticket may have that name. One without a name could never be granted: its state is
/// ignored (scheduler-spec/02 §5.1).
fn is_ticket(name: &str) -> bool {
    (1..=LONGEST_TICKET).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// The policy engine's name for what is not an operation of a resource agent. As an operation it
/// would be carried out as that: `stonith` would fence the assembly.
fn is_reserved(operation: &str) -> bool {
    let task = Task::parse(operation);
    task.is_completion()
        || matches!(
            task,
            Task::Delete
                | Task::LrmDelete
                | Task::Cancel
                | Task::ClearFailcount
                | Task::Stonith
                | Task::DoShutdown
                | Task::MaintenanceNodes
        )
}
