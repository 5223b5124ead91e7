//! Location constraints and node health (scheduler-spec/03 §4, §7.3): from XML to [`Location`]
//! entries. `assignment` applies them.

use std::cell::OnceCell;
use std::sync::Arc;

use regex::bytes::Regex;

use super::{caches, references};
use crate::configuration::rules::{self, RuleContext};
use crate::configuration::{parameters, pattern};
use crate::model::{
    Cluster, HealthStrategy, Level, Location, LocationId, NodeId, ProbeMode, ResourceId, Role,
    Score, Text,
};
use crate::xml::Element;

/// Reads one constraint: its resource sets, else its resource, and independently of that its
/// pattern of resource names.
pub(crate) fn unpack(cluster: &mut Cluster, element: Element<'_>) {
    let mut constraint = Constraint {
        element,
        id: element.get("id").unwrap_or_default().into(),
        role: element.get("role"),
        score: element.get("score"),
        pattern: None,
    };
    match references::sets(cluster, element, &[("rsc", "role", "role")]) {
        Err(ignored) => constraint.ignore(cluster, &ignored.0),
        Ok(Some(sets)) => {
            for set in &sets {
                constraint.role = set.role.as_deref().or(element.get("role"));
                constraint.score = set.score.as_deref().or(element.get("score"));
                let mut members = Vec::with_capacity(set.members.len());
                let mut missing = None;
                for member in &set.members {
                    match references::resource(cluster, member) {
                        Some(resource) => members.push(resource),
                        None => {
                            missing = Some(member);
                            break;
                        }
                    }
                }
                constraint.apply_to(cluster, &members);
                if let Some(member) = missing {
                    let why = format!("set {} names no resource: {member}", set.id);
                    return constraint.ignore(cluster, &why);
                }
            }
        }
        Ok(None) => {
            if let Some(name) = element.get("rsc") {
                match references::resource(cluster, name) {
                    Some(resource) => constraint.apply_to(cluster, &[resource]),
                    None => constraint.ignore(cluster, &format!("there is no resource {name}")),
                }
            }
            if let Some(pattern) = element.get("rsc-pattern") {
                constraint.apply_to_matching(cluster, pattern);
            }
        }
    }
}

/// A constraint that is being read.
struct Constraint<'c> {
    element: Element<'c>,
    id: Text,
    /// Of the resource set, else of the constraint.
    role: Option<&'c str>,
    /// Of the resource set, else of the constraint.
    score: Option<&'c str>,
    /// What the names of its resources match.
    pattern: Option<Pattern<'c>>,
}

/// Role filter, and nodes with their scores.
type Entry = (Option<Role>, Arc<[(NodeId, Score)]>);

impl<'c> Constraint<'c> {
    fn ignore(&self, cluster: &mut Cluster, why: &str) {
        let id = &self.id;
        let text = format!("Ignoring location constraint {id}: {why}");
        cluster.say(Level::Error, text);
    }

    /// Every top-level resource whose id matches, or does not match if the pattern starts with `!`.
    fn apply_to_matching(&mut self, cluster: &mut Cluster, text: &'c str) {
        let (expression, inverted) = match text.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let matching = match matching(cluster, expression) {
            Ok(matching) => matching,
            Err(error) => {
                let why = format!("rsc-pattern is not a regular expression: {error}");
                return self.ignore(cluster, &why);
            }
        };
        if inverted {
            let mut all = cluster.top_level.clone();
            let mut matching = matching.iter().peekable();
            all.retain(|resource| matching.next_if_eq(&resource).is_none());
            self.apply_to(cluster, &all);
        } else {
            self.pattern = Some(Pattern::of(expression));
            self.apply_to(cluster, &matching);
        }
    }

    /// One entry for each resource: in node form if the constraint has a node and a score, else by
    /// its rule (03 §4.2).
    fn apply_to(&self, cluster: &mut Cluster, resources: &[ResourceId]) {
        let by_node = match (self.element.get("node"), self.score) {
            (Some(node), Some(score)) => Some(self.by_node(cluster, node, score)),
            _ => None,
        };
        let mode = probe_mode(self.element.get("resource-discovery"));
        for resource in resources.iter().copied() {
            let entry = by_node
                .clone()
                .unwrap_or_else(|| self.by_rule(cluster, resource));
            let (role, nodes) = match entry {
                Ok(entry) => entry,
                Err(why) => {
                    self.ignore(cluster, &why);
                    continue;
                }
            };
            if mode == ProbeMode::Exclusive {
                cluster.resource_mut(resource).exclusive_discovery = true;
            }
            let id = self.id.clone();
            store(
                cluster,
                Location {
                    id,
                    resource,
                    role,
                    mode,
                    nodes,
                },
            );
        }
    }

    fn by_node(&self, cluster: &Cluster, node: &str, score: &str) -> Result<Entry, String> {
        let role = role_filter(self.role)?;
        let score = score_of(cluster, score)?;
        let node = cluster
            .find_node(node)
            .ok_or_else(|| format!("there is no node {node}"))?;
        Ok((role, Arc::new([(node, score)])))
    }

    fn by_rule(&self, cluster: &Cluster, resource: ResourceId) -> Result<Entry, String> {
        let rule = self
            .element
            .child("rule")
            .and_then(|rule| self.element.document().referenced(rule))
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
        let nodes = match (rule.get("score"), rule.get("score-attribute")) {
            (Some(score), _) => {
                let score = score_of(cluster, score)?;
                self.passing(cluster, rule, resource, score)
            }
            (None, Some(name)) => {
                let name = with_submatches(name, &self.submatches(cluster, resource));
                let passing = self.passing(cluster, rule, resource, Score::ZERO);
                let score = |node: NodeId| {
                    let value = cluster.attribute_where_active(node, &name, resource)?;
                    Some((node, cluster.options.score(value)?))
                };
                passing
                    .iter()
                    .filter_map(|(node, _)| score(*node))
                    .collect()
            }
            (None, None) => return Err("its rule has neither score nor score-attribute".into()),
        };
        Ok((role, nodes))
    }

    /// The nodes where a rule passes, with the score that it gives them. Cached if the answer
    /// is the same for all resources.
    fn passing(
        &self,
        cluster: &Cluster,
        rule: Element<'_>,
        resource: ResourceId,
        score: Score,
    ) -> Arc<[(NodeId, Score)]> {
        parameters::note_rechecks(cluster, resource);
        if let Some(known) = caches::of(cluster).rules.borrow().get(&rule.id()) {
            return known.clone();
        }
        let looks_at = LooksAt::of(rule);
        let submatches = match looks_at {
            LooksAt::Node => Vec::new(),
            LooksAt::Resource | LooksAt::Parameters => self.submatches(cluster, resource),
        };
        let passes = |node: NodeId| {
            let parameters = (looks_at == LooksAt::Parameters)
                .then(|| parameters::of_resource(cluster, resource, Some(node)));
            let context = RuleContext {
                node_attributes: Some(&cluster.node(node).attributes),
                parameters: parameters.as_deref(),
                meta: Some(&cluster.resource(resource).meta),
                submatches: (!submatches.is_empty()).then_some(&submatches),
                ..RuleContext::default()
            };
            rules::passes(cluster, rule, &context)
        };
        let nodes = cluster.node_order.iter().copied();
        let passing: Arc<[_]> = nodes
            .filter(|node| passes(*node))
            .map(|node| (node, score))
            .collect();
        if looks_at == LooksAt::Node {
            let mut cache = caches::of(cluster).rules.borrow_mut();
            cache.insert(rule.id(), passing.clone());
        }
        passing
    }

    /// What of the name of a resource matched the pattern.
    fn submatches(&self, cluster: &Cluster, resource: ResourceId) -> Vec<String> {
        let name = &cluster.resource(resource).id;
        let pattern = self.pattern.as_ref();
        pattern.map_or_else(Vec::new, |pattern| pattern.submatches(name))
    }
}

/// The top-level resources whose ids match, in their order. Cached: constraints may have a
/// pattern in common.
fn matching(cluster: &Cluster, expression: &str) -> Result<Arc<[ResourceId]>, String> {
    if let Some(known) = caches::of(cluster).patterns.borrow().get(expression) {
        return Ok(known.clone());
    }
    let regex = pattern::parse(expression)?;
    let resources = cluster.top_level.iter().copied();
    let matching: Arc<[ResourceId]> = resources
        .filter(|resource| regex.is_match(cluster.resource(*resource).id.as_bytes()))
        .collect();
    let mut cache = caches::of(cluster).patterns.borrow_mut();
    cache.insert(expression.into(), matching.clone());
    Ok(matching)
}

/// A pattern that names are known to match. The matching parts are rarely needed, and expensive to
/// find.
struct Pattern<'p> {
    expression: &'p str,
    regex: OnceCell<Option<Regex>>,
}

impl<'p> Pattern<'p> {
    fn of(expression: &'p str) -> Pattern<'p> {
        Pattern {
            expression,
            regex: OnceCell::new(),
        }
    }

    /// What matched as a whole, and then what matched each group.
    fn submatches(&self, name: &str) -> Vec<String> {
        let regex = self
            .regex
            .get_or_init(|| pattern::parse(self.expression).ok());
        let captures = regex
            .as_ref()
            .and_then(|regex| regex.captures(name.as_bytes()));
        let groups = captures.iter().flat_map(|captures| captures.iter());
        groups
            .map(|group| group.map_or(&[][..], |group| group.as_bytes()))
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect()
    }
}

fn score_of(cluster: &Cluster, text: &str) -> Result<Score, String> {
    cluster
        .options
        .score(text)
        .ok_or_else(|| format!("expected a score, found {text:?}"))
}

/// What a rule looks at to decide about a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LooksAt {
    /// Nothing but the node and the time.
    Node,
    /// The resource's meta-attributes, or what of its name matched the constraint's pattern, too.
    Resource,
    /// The resource's parameters, too: evaluating those for every node is expensive.
    Parameters,
}

impl LooksAt {
    pub(crate) fn of(rule: Element<'_>) -> LooksAt {
        let of_child = |child: Element<'_>| {
            let source = child.get("value-source");
            let source_is = |name: &str| source.is_some_and(|own| own.eq_ignore_ascii_case(name));
            // a rule reached through id-ref: assume the worst
            if source_is("param") || child.get("id-ref").is_some() {
                LooksAt::Parameters
            } else if child.name() == "rule" {
                LooksAt::of(child)
            } else if source_is("meta") || child.get("attribute").is_some_and(|a| a.contains('%')) {
                LooksAt::Resource
            } else {
                LooksAt::Node
            }
        };
        let children = rule.children().map(of_child);
        children.max().unwrap_or(LooksAt::Node)
    }
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
pub(crate) fn health(cluster: &mut Cluster) {
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
            .filter_map(|(_, value)| cluster.options.score(value))
            .fold(cluster.options.health_base, Score::add);
        if health == Score::ZERO {
            continue;
        }
        let nodes: Arc<[_]> = Arc::new([(node, health)]);
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
                    nodes: nodes.clone(),
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
