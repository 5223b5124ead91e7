//! Rules that never hold, or say something in vain, because of where they stand or of what they
//! lack (scheduler-spec/01 §5.2, §5.3, §5.6).

use std::collections::HashSet;

use crate::model::Deployment;
use crate::problem::{Problems, quote};
use crate::tree::Element;

/// What a rule is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A location constraint: attributes of assemblies, and the resource's own.
    Location,
    /// Options and amounts: the time alone.
    Time,
    /// Meta attributes of resources: their agents.
    Agent,
    /// Meta attributes of operations: their names too.
    Operation,
    /// Parameters: attributes of assemblies.
    Parameters,
}

/// Refuses rules that never hold, and warns of what they say in vain.
pub(super) fn check(configuration: &Element<'_>, deployment: &Deployment, problems: &mut Problems) {
    let assemblies = deployment.assemblies.iter();
    let assemblies: HashSet<String> = assemblies.map(|it| it.name.to_lowercase()).collect();
    configuration.visit(&mut |element| {
        for set in &element.children {
            let Some(place) = place_of(element, set) else {
                continue;
            };
            let rules = set.children.iter().filter(|it| it.name == "rule");
            for (at, rule) in rules.enumerate() {
                if at > 0 && place != Place::Location {
                    let message = format!("<{}> has more than one <rule>", set.name);
                    let hint = "only the first counts: put the others into it, with boolean-op=\"and\" or \"or\"";
                    problems.refuse(rule.offset, message, hint.to_owned());
                }
                of_rule(rule, place, problems);
                rule.visit(&mut |part| {
                    never(part, place, problems);
                    of_name(part, &assemblies, problems);
                    of_length(part, problems);
                });
            }
        }
    });
}

fn place_of(owner: &Element<'_>, set: &Element<'_>) -> Option<Place> {
    Some(match (set.name, owner.name) {
        ("rsc_location", _) => Place::Location,
        ("meta_attributes", "op" | "op_defaults") => Place::Operation,
        ("meta_attributes", _) => Place::Agent,
        ("instance_attributes", _) => Place::Parameters,
        ("cluster_property_set" | "utilization", _) => Place::Time,
        _ => return None,
    })
}

/// What the rule of a location gives.
fn of_rule(rule: &Element<'_>, place: Place, problems: &mut Problems) {
    if place != Place::Location || rule.has("id-ref") {
        return;
    }
    match (rule.has("score"), rule.has("score-attribute")) {
        (false, false) => {
            let message = "<rule> has neither 'score' nor 'score-attribute'".to_owned();
            let hint = "add score=\"INFINITY\", or what the location is worth where the rule holds";
            problems.refuse(rule.offset, message, hint.to_owned());
        }
        (true, true) => {
            let message = "score-attribute has no effect: the rule has a score".to_owned();
            let at = rule.place("score-attribute");
            problems.warning(at, message, "keep one of them".to_owned());
        }
        _ => {}
    }
}

/// A part of a rule that never holds.
fn never(part: &Element<'_>, place: Place, problems: &mut Problems) {
    if part.has("id-ref") {
        return;
    }
    let found = match part.name {
        "expression" => of_expression(part, place),
        "date_expression" => of_date(part),
        "rsc_expression" if !matches!(place, Place::Agent | Place::Operation) => Some((
            "never holds here",
            "it is for meta attributes of resources and of operations",
        )),
        "op_expression" if place != Place::Operation => Some((
            "never holds here",
            "it is for meta attributes of operations",
        )),
        _ => None,
    };
    if let Some((found, hint)) = found {
        let message = format!("<{}> {found}", part.name);
        problems.refuse(part.offset, message, hint.to_owned());
    }
}

fn of_expression(part: &Element<'_>, place: Place) -> Option<(&'static str, &'static str)> {
    if !matches!(place, Place::Location | Place::Parameters) {
        return Some((
            "asks for an attribute of assemblies, which is not known here and counts as not set",
            "rules of locations and of parameters know them: write a <rsc_location>, or decide by the agent or the time",
        ));
    }
    let source = part.value("value-source").unwrap_or("literal");
    if place != Place::Location && !source.eq_ignore_ascii_case("literal") {
        return Some((
            "compares with a value of the resource, which is not known here",
            "only rules of locations know it: write value-source=\"literal\", and the value",
        ));
    }
    let operation = part.value("operation").unwrap_or_default();
    let alone = ["defined", "not_defined"];
    let alone = alone.iter().any(|it| it.eq_ignore_ascii_case(operation));
    match (alone, part.has("value")) {
        (true, true) => Some((
            "never holds: it asks whether the attribute is set, and has a value",
            "remove the value, or write operation=\"eq\"",
        )),
        (false, false) => Some(("never holds: it compares with nothing", "add value=\"…\"")),
        _ => None,
    }
}

fn of_date(part: &Element<'_>) -> Option<(&'static str, &'static str)> {
    let has = |name: &str| part.children.iter().any(|child| child.name == name);
    let operation = part.value("operation").unwrap_or("in_range");
    match operation.to_ascii_lowercase().as_str() {
        "gt" if !part.has("start") => {
            Some(("never holds: gt compares with 'start'", "add start=\"…\""))
        }
        "lt" if !part.has("end") => Some(("never holds: lt compares with 'end'", "add end=\"…\"")),
        "date_spec" if !has("date_spec") => {
            Some(("never holds: it has no <date_spec>", "add a <date_spec>"))
        }
        "in_range" if !part.has("start") && !part.has("end") => Some((
            "never holds: it has neither 'start' nor 'end'",
            "add start=\"…\", end=\"…\" or both",
        )),
        _ => None,
    }
}

/// Warns of a length of time that does not count.
fn of_length(part: &Element<'_>, problems: &mut Problems) {
    let length = part.children.iter().find(|child| child.name == "duration");
    if let Some(length) = length.filter(|_| part.name == "date_expression" && part.has("end")) {
        let message = "<duration> has no effect: the range has an end".to_owned();
        problems.warning(length.offset, message, "keep one of them".to_owned());
    }
}

/// Warns of names that no assembly has.
fn of_name(part: &Element<'_>, assemblies: &HashSet<String>, problems: &mut Problems) {
    let by_name = part.name == "expression" && part.value("attribute") == Some("#uname");
    let literal = part
        .value("value-source")
        .is_none_or(|it| it.eq_ignore_ascii_case("literal"));
    let operation = part.value("operation").unwrap_or_default();
    let equals = ["eq", "ne"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(operation));
    let Some(name) = part.value("value").filter(|_| by_name && literal && equals) else {
        return;
    };
    if !assemblies.contains(&name.to_lowercase()) {
        let message = format!("there is no assembly {}", quote(name));
        let hint = problems.suggest(name, assemblies.iter().map(String::as_str));
        problems.warning(part.place("value"), message, hint);
    }
}
