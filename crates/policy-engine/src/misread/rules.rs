//! Rules that never hold, or say something in vain, because of where they stand or of what they
//! lack (scheduler-spec/01 §5.2, §5.3, §5.6).

use std::collections::BTreeSet;

use super::{Misread, say};
use crate::xml::{Document, Element};

/// What a rule is read with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A location constraint: attributes of nodes, and the resource's own.
    Location,
    /// Options, utilization, attributes of nodes: the time alone.
    Time,
    /// Meta attributes of resources: their agents.
    Agent,
    /// Meta attributes of operations: their names too.
    Operation,
    /// Parameters: attributes of nodes.
    Node,
}

/// The names of all attributes that nodes have, now or for good.
pub(super) fn known_attributes(document: &Document) -> BTreeSet<&str> {
    let holds = |it: &Element<'_>| matches!(it.name(), "node" | "transient_attributes");
    let holders = document.root().descendants().filter(holds);
    let pairs = holders.flat_map(Element::descendants);
    let pairs = pairs.filter(|it| it.name() == "nvpair");
    pairs.filter_map(|it| it.get("name")).collect()
}

/// The place of what is inside a rule.
fn place_of(element: Element<'_>) -> Option<Place> {
    let mut at = element.parent()?;
    while at.name() == "rule" {
        at = at.parent()?;
    }
    let owner = at.parent()?.name();
    Some(match (at.name(), owner) {
        ("rsc_location", _) => Place::Location,
        ("meta_attributes", "op" | "op_defaults") => Place::Operation,
        ("meta_attributes", _) => Place::Agent,
        ("instance_attributes", "node") => Place::Time,
        ("instance_attributes", _) => Place::Node,
        ("cluster_property_set" | "utilization", _) => Place::Time,
        _ => return None,
    })
}

/// What is to be said of a part of a rule.
pub(super) fn never(part: Element<'_>, attributes: &BTreeSet<&str>) -> Option<Misread> {
    let place = place_of(part).filter(|_| part.get("id-ref").is_none())?;
    let id = part.get("id").unwrap_or_default();
    let what = format!("<{}> {id}", part.name());
    let text = match part.name() {
        "expression" => of_expression(part, place)?,
        "date_expression" => of_date(part)?.to_owned(),
        "rsc_expression" if !matches!(place, Place::Agent | Place::Operation) => {
            "it holds in meta attributes of resources and of operations only, and never here"
                .to_owned()
        }
        "op_expression" if place != Place::Operation => {
            "it holds in meta attributes of operations only, and never here".to_owned()
        }
        "rule" => {
            let name = part.get("score-attribute")?;
            let is_known = attributes.contains(name) || name.contains('%') || name.starts_with('#');
            if is_known || place != Place::Location || part.get("score").is_some() {
                return None;
            }
            format!("no node has the attribute {name} (score-attribute), so it gives no score")
        }
        _ => return None,
    };
    Some(say(part, format!("{what}: {text}")))
}

fn of_expression(expression: Element<'_>, place: Place) -> Option<String> {
    let attribute = expression.get("attribute").unwrap_or_default();
    if !matches!(place, Place::Location | Place::Node) {
        return Some(format!(
            "attributes of nodes are not known here, so {attribute} counts as not set: a rule of a location constraint, or of parameters, knows them"
        ));
    }
    let source = expression.get("value-source").unwrap_or("literal");
    if !source.eq_ignore_ascii_case("literal") && place != Place::Location {
        return Some(format!(
            "value-source={source} means something in location constraints only: it is compared with nothing"
        ));
    }
    let operation = expression.get("operation")?.to_ascii_lowercase();
    let alone = matches!(operation.as_str(), "defined" | "not_defined");
    match (alone, expression.get("value")) {
        (true, Some(_)) => Some(format!(
            "operation={operation} with a value never holds: remove the value"
        )),
        (false, None) => Some(format!(
            "operation={operation} without a value never holds: add one"
        )),
        _ => None,
    }
}

fn of_date(date: Element<'_>) -> Option<&'static str> {
    let operation = date.get("operation").unwrap_or("in_range");
    let (start, end) = (date.get("start"), date.get("end"));
    let has = |name: &str| date.child(name).is_some();
    match operation.to_ascii_lowercase().as_str() {
        "gt" if start.is_none() => Some("operation=gt without start never holds"),
        "lt" if end.is_none() => Some("operation=lt without end never holds"),
        "date_spec" if !has("date_spec") => {
            Some("operation=date_spec without a <date_spec> never holds")
        }
        "in_range" if start.is_none() && end.is_none() => {
            Some("operation=in_range without start and end never holds")
        }
        "in_range" if end.is_some() && has("duration") => {
            Some("end counts, and the <duration> does not")
        }
        _ => None,
    }
}
