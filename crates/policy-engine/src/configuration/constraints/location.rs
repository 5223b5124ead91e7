//! Location constraints and node health (scheduler-spec/03 §4, §7.3): from XML to [`Location`] entries. `assignment` applies them.

use super::references;
use crate::configuration::rules::{self, RuleContext};
use crate::configuration::{parameters, pattern, scalar};
use crate::model::{
    Cluster, HealthStrategy, Level, Location, LocationId, NodeId, ProbeMode, ResourceId, Role,
    Score, Table, Text,
};
use crate::xml::Element;
use regex::bytes::Regex;
use std::sync::Arc;

/// Reads one constraint: its resource sets, else its resource, and independently of that its pattern of resource names.
pub fn unpack(cluster: &mut Cluster, element: Element<'_>) {
    let id: Text = element.get("id").unwrap_or_default().into();
    match references::sets(cluster, element, &[("rsc", "role", "role")]) {
        Err(ignored) => ignore(cluster, &id, &ignored.0),
        Ok(Some(sets)) => {
            for set in sets {
                let (role, score) = (set.role.as_deref(), set.score.as_deref());
                for member in &set.members {
                    let Some(resource) = references::resource(cluster, member) else {
                        let why = format!("set {} names no resource: {member}", set.id);
                        return ignore(cluster, &id, &why);
                    };
                    constrain(cluster, element, &id, resource, role, score, &[]);
                }
            }
        }
        Ok(None) => {
            if let Some(name) = element.get("rsc") {
                match references::resource(cluster, name) {
                    Some(resource) => {
                        constrain(cluster, element, &id, resource, None, None, &[]);
                    }
                    None => ignore(cluster, &id, &format!("there is no resource {name}")),
                }
            }
            if let Some(pattern) = element.get("rsc-pattern") {
                constrain_matching(cluster, element, &id, pattern);
            }
        }
    }
}

fn ignore(cluster: &mut Cluster, id: &str, why: &str) {
    cluster.say(
        Level::Error,
        format!("Ignoring location constraint {id}: {why}"),
    );
}

/// Every top-level resource whose id matches, or does not match if the pattern starts with `!`.
fn constrain_matching(cluster: &mut Cluster, element: Element<'_>, id: &Text, text: &str) {
    let (expression, inverted) = match text.strip_prefix('!') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let regex = match pattern::parse(expression) {
        Ok(regex) => regex,
        Err(error) => {
            let why = format!("rsc-pattern is no regular expression: {error}");
            return ignore(cluster, id, &why);
        }
    };
    for resource in cluster.top_level.clone() {
        let name = cluster.resource(resource).id.clone();
        // most do not match, and to find the submatches is dearer
        let matches = regex.is_match(name.as_bytes());
        if matches && !inverted {
            let submatches = submatches(&regex, &name);
            constrain(cluster, element, id, resource, None, None, &submatches);
        } else if !matches && inverted {
            constrain(cluster, element, id, resource, None, None, &[]);
        }
    }
}

/// What matched as a whole, and then what matched each group.
fn submatches(regex: &Regex, name: &str) -> Vec<String> {
    let captures = regex.captures(name.as_bytes());
    let groups = captures.iter().flat_map(|captures| captures.iter());
    groups
        .map(|group| group.map_or(&[][..], |group| group.as_bytes()))
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect()
}

/// One entry for one resource: in node form if the constraint has a node and a score, else by its rule (03 §4.2).
fn constrain(
    cluster: &mut Cluster,
    element: Element<'_>,
    id: &Text,
    resource: ResourceId,
    set_role: Option<&str>,
    set_score: Option<&str>,
    submatches: &[String],
) {
    let score = set_score.or_else(|| element.get("score"));
    let entry = match (element.get("node"), score) {
        (Some(node), Some(score)) => {
            let role = set_role.or_else(|| element.get("role"));
            by_node(cluster, node, score, role)
        }
        _ => by_rule(cluster, element, resource, submatches),
    };
    let (role, nodes) = match entry {
        Ok(entry) => entry,
        Err(why) => return ignore(cluster, id, &why),
    };
    let mode = probe_mode(element.get("resource-discovery"));
    if mode == ProbeMode::Exclusive {
        cluster.resource_mut(resource).exclusive_discovery = true;
    }
    store(
        cluster,
        Location {
            id: id.clone(),
            resource,
            role,
            mode,
            nodes,
        },
    );
}

/// Role filter, and nodes with their scores.
type Entry = (Option<Role>, Vec<(NodeId, Score)>);

fn by_node(
    cluster: &Cluster,
    node: &str,
    score: &str,
    role: Option<&str>,
) -> Result<Entry, String> {
    let role = role_filter(role)?;
    let score = scalar::score(score, &cluster.options)
        .ok_or_else(|| format!("expected a score, found {score:?}"))?;
    let node = cluster
        .find_node(node)
        .ok_or_else(|| format!("there is no node {node}"))?;
    Ok((role, vec![(node, score)]))
}

fn by_rule(
    cluster: &Cluster,
    element: Element<'_>,
    resource: ResourceId,
    submatches: &[String],
) -> Result<Entry, String> {
    let rule = element
        .child("rule")
        .and_then(|rule| element.document().referenced(rule))
        .ok_or("expected a node with a score, or a rule")?;
    let role = role_filter(rule.get("role"))?;
    if let Some(operator) = rule.get("boolean-op")
        && !operator.eq_ignore_ascii_case("and")
        && !operator.eq_ignore_ascii_case("or")
    {
        return Err(format!(
            "expected boolean-op \"and\" or \"or\", found {operator:?}"
        ));
    }
    let fixed = match (rule.get("score"), rule.get("score-attribute")) {
        (Some(score), _) => Some(
            scalar::score(score, &cluster.options)
                .ok_or_else(|| format!("expected a score, found {score:?}"))?,
        ),
        (None, Some(_)) => None,
        (None, None) => return Err("its rule has neither score nor score-attribute".into()),
    };
    let attribute = rule
        .get("score-attribute")
        .map(|name| with_submatches(name, submatches));
    let uses_parameters = mentions_parameters(rule, 0);
    let mut nodes = Vec::new();
    for node in cluster.node_order.iter().copied() {
        let of_node: Option<Arc<Table>> =
            uses_parameters.then(|| parameters::of_resource(cluster, resource, Some(node)));
        let context = RuleContext {
            node_attributes: Some(&cluster.node(node).attributes),
            parameters: of_node.as_deref(),
            meta: Some(&cluster.resource(resource).meta),
            submatches: (!submatches.is_empty()).then_some(submatches),
            ..RuleContext::default()
        };
        if !rules::passes(cluster, rule, &context) {
            continue;
        }
        let score = match (fixed, &attribute) {
            (Some(score), _) => Some(score),
            (None, Some(name)) => cluster
                .attribute_where_active(node, name, resource)
                .and_then(|value| scalar::score(value, &cluster.options)),
            (None, None) => None,
        };
        if let Some(score) = score {
            nodes.push((node, score));
        }
    }
    Ok((role, nodes))
}

/// Whether a rule looks at resource parameters: evaluating those for every node is expensive.
fn mentions_parameters(rule: Element<'_>, depth: usize) -> bool {
    rule.children().any(|child| {
        child.get("value-source").is_some_and(|source| source.eq_ignore_ascii_case("param"))
            // a rule reached through id-ref, or one nested beyond reason: assume that it does
            || child.get("id-ref").is_some()
            || (child.name() == "rule" && (depth > 32 || mentions_parameters(child, depth + 1)))
    })
}

/// `%0`…`%9` replaced by the sub-matches of the resource name (03 §4.3).
fn with_submatches(name: &str, submatches: &[String]) -> String {
    if submatches.is_empty() {
        return name.to_owned();
    }
    let mut out = String::new();
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        match rest.peek().and_then(|digit| digit.to_digit(10)) {
            Some(digit) if c == '%' => {
                rest.next();
                out.push_str(submatches.get(digit as usize).map_or("", String::as_str));
            }
            _ => out.push(c),
        }
    }
    out
}

/// A location's role filter: only Stopped and Promoted filter.
fn role_filter(text: Option<&str>) -> Result<Option<Role>, String> {
    let Some(text) = text else {
        return Ok(None);
    };
    match Role::parse(text) {
        Some(Role::Started | Role::Unpromoted) => Ok(None),
        Some(role @ (Role::Stopped | Role::Promoted)) => Ok(Some(role)),
        _ => Err(format!("expected a role, found {text:?}")),
    }
}

fn probe_mode(text: Option<&str>) -> ProbeMode {
    match text {
        Some(text) if text.eq_ignore_ascii_case("never") => ProbeMode::Never,
        Some(text) if text.eq_ignore_ascii_case("exclusive") => ProbeMode::Exclusive,
        _ => ProbeMode::Always,
    }
}

fn store(cluster: &mut Cluster, location: Location) {
    let id = LocationId::new(cluster.locations.len());
    cluster.resource_mut(location.resource).locations.push(id);
    cluster.locations.push(location);
}

/// Creates the location entries of the node health strategy (step B1).
pub fn health(cluster: &mut Cluster) {
    let strategy = cluster.options.health_strategy;
    if strategy == HealthStrategy::None {
        return;
    }
    let id: Text = strategy.name().into();
    for node in cluster.node_order.clone() {
        let health = cluster
            .node(node)
            .attributes
            .iter()
            .filter(|(name, _)| name.starts_with("#health"))
            .filter_map(|(_, value)| scalar::score(value, &cluster.options))
            .fold(cluster.options.health_base, Score::add);
        if health == Score::ZERO {
            continue;
        }
        for resource in cluster.top_level.clone() {
            let exempt = cluster
                .resource(resource)
                .meta
                .is_true("allow-unhealthy-nodes");
            if health < Score::ZERO && exempt {
                continue;
            }
            store(
                cluster,
                Location {
                    id: id.clone(),
                    resource,
                    role: None,
                    mode: ProbeMode::Always,
                    nodes: vec![(node, health)],
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submatches_replace_percent_digits() {
        let matches = ["db-7".to_owned(), "7".to_owned()];
        assert_eq!(with_submatches("load-%1-%2%", &matches), "load-7-%");
        assert_eq!(with_submatches("load-%1", &[]), "load-%1");
    }

    #[test]
    fn only_stopped_and_promoted_filter() {
        assert_eq!(role_filter(Some("slave")), Ok(None));
        assert_eq!(role_filter(Some("MASTER")), Ok(Some(Role::Promoted)));
        assert!(role_filter(Some("Running")).is_err());
    }
}
