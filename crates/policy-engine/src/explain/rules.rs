//! Rules of location constraints in words, with what they find.

use super::answer::{Statement, constraint};
use super::{Explainer, codes, time_text};
use crate::model::{Location, NodeId, ResourceId, Zone};
use crate::xml::Element;

/// Rules that hold nowhere which an answer tells of, at most.
const RULES: usize = 3;

impl Explainer<'_> {
    /// Location constraints for a resource whose rules ask for another time, so that they do not
    /// count now.
    pub(super) fn rules_that_do_not_hold(&self, id: ResourceId) -> Vec<Statement> {
        let mut names: Vec<&str> = Vec::new();
        let mut at = Some(id);
        while let Some(id) = at {
            let resource = self.cluster.resource(id);
            names.extend([&*resource.id, &*resource.config_id]);
            at = resource.parent;
        }
        let section = self.cluster.document.section("constraints").into_iter();
        let locations = section.flat_map(|section| section.children_named("rsc_location"));
        let told = locations.filter_map(|element| {
            let name = element.get("id")?;
            let concerned = element.get("rsc").is_some_and(|rsc| names.contains(&rsc));
            let timed = |element: Element<'_>| element.name() == "date_expression";
            let counts = |location: &Location| *location.id == *name && !location.nodes.is_empty();
            if !concerned
                || !element.descendants().any(timed)
                || self.cluster.locations.iter().any(counts)
            {
                return None;
            }
            let node = self.cluster.node_order.first()?;
            let rule = self.rule_text(name, *node)?;
            let parameters = vec![("constraint", constraint(name)), ("rule", rule.into())];
            Some(self.say(&codes::LOCATION_NOT_NOW, parameters))
        });
        told.take(RULES).collect()
    }

    /// The rules of a location constraint, with the values of their attributes on a node.
    pub(super) fn rule_text(&self, id: &str, node: NodeId) -> Option<String> {
        let constraints = self.cluster.document.section("constraints")?;
        let element = constraints
            .children_named("rsc_location")
            .find(|element| element.get("id") == Some(id))?;
        let rules: Vec<String> = element
            .children_named("rule")
            .filter_map(|rule| self.cluster.document.referenced(rule))
            .map(|rule| self.one_rule(rule, node))
            .collect();
        (!rules.is_empty()).then(|| rules.join("; "))
    }

    pub(super) fn one_rule(&self, rule: Element<'_>, node: NodeId) -> String {
        let word = match rule.get("boolean-op") {
            Some(operator) if operator.eq_ignore_ascii_case("or") => " or ",
            _ => " and ",
        };
        let conditions: Vec<String> = rule
            .children()
            .map(|child| self.condition(child, node))
            .collect();
        let mut text = format!("its rule asks for {}", conditions.join(word));
        let mut names: Vec<&str> = Vec::new();
        for name in rule.children().filter_map(|child| child.get("attribute")) {
            if name != "#uname" && !names.contains(&name) {
                names.push(name);
                text.push_str(&format!("; {name} is {}", self.value_of(name, node)));
            }
        }
        if let Some(name) = rule.get("score-attribute") {
            let value = self.value_of(name, node);
            text.push_str(&format!(
                "; the score is attribute {name}, which is {value}"
            ));
        }
        text
    }

    fn condition(&self, element: Element<'_>, node: NodeId) -> String {
        let get = |name| element.get(name).unwrap_or_default();
        match element.name() {
            "expression" => {
                let wanted = [get("attribute"), get("operation"), get("value")].join(" ");
                format!("\"{}\"", wanted.trim_end())
            }
            "rule" => format!("({})", self.one_rule(element, node)),
            "date_expression" => self.date(element),
            other => format!("<{other}>"),
        }
    }

    /// A condition on the date, and the date: what it is in the zone of the rules.
    fn date(&self, element: Element<'_>) -> String {
        let bounds = ["operation", "start", "end"].iter();
        let bounds = bounds.filter_map(|name| Some((name, element.get(name)?)));
        let bounds = bounds.filter(|(_, value)| *value != "date_spec");
        let bounds = bounds.map(|(name, value)| format!("{name} {value}"));
        let mut said: Vec<String> = bounds.collect();
        for child in element.children() {
            let named = child.attributes().filter(|(name, _)| *name != "id");
            let named: Vec<String> = named
                .map(|(name, value)| format!("{name} {value}"))
                .collect();
            said.push(format!("{}: {}", child.name(), named.join(", ")));
        }
        let now = self.cluster.now;
        let run = &self.cluster.run;
        let named = run.utc_offset_s.map(Zone::at_offset);
        let time = match named.as_ref().unwrap_or(&run.zone).offset_s(now) {
            0 => time_text(now),
            offset_s => clock_text(now, offset_s),
        };
        let time = time.unwrap_or_default();
        format!("a date ({}), and it is {time}", said.join(", "))
    }

    fn value_of(&self, name: &str, node: NodeId) -> String {
        let here = self.node_name(node);
        match self.cluster.node(node).attributes.text(name) {
            Some(_) if self.terms.hides_values => format!("set on {here}"),
            Some(value) => format!("{value} on {here}"),
            None => format!("not set on {here}"),
        }
    }
}

/// A time as a clock shows it that is so many seconds ahead of UTC.
fn clock_text(now: i64, offset_s: i64) -> Option<String> {
    let shown = jiff::Timestamp::from_second(now.checked_add(offset_s)?).ok()?;
    let sign = if offset_s < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset_s.abs() / 3600, offset_s.abs() / 60 % 60);
    let shown = shown.strftime("%Y-%m-%d %H:%M:%S");
    Some(format!("{shown} {sign}{hours:02}:{minutes:02}"))
}
