//! Causes of scores in words: constraints, stickiness, states, what others prefer.

use super::answer::{Statement, Value, constraint};
use super::places::weight;
use super::{Explainer, codes, time_text};
use crate::model::{
    Cause, ColocationId, Entry, Location, LocationId, NodeId, ProbeMode, ResourceId, Role, Score,
    is_of_ban, is_of_move,
};
use crate::scalar;
use crate::xml::Element;

/// A role as an adjective; none if any active instance is meant.
pub(super) fn role_text(role: Option<Role>) -> Option<&'static str> {
    Some(match role? {
        Role::Promoted => "promoted",
        Role::Unpromoted => "unpromoted",
        Role::Stopped => "stopped",
        Role::Started | Role::Unknown => return None,
    })
}

impl Explainer<'_> {
    /// A change of a score in words.
    pub(super) fn cause(&self, id: ResourceId, entry: &Entry) -> Statement {
        let resource = self.cluster.resource(id);
        match &entry.cause {
            Cause::Base => match self.node_problem(entry.node) {
                Some(problem) if entry.after.is_some_and(Score::is_minus_infinity) => problem,
                None if entry.after.is_some_and(Score::is_minus_infinity) => {
                    self.plain(&codes::NO_CANDIDATE)
                }
                _ => self.plain(&codes::BASE),
            },
            Cause::Failure(element) => self.failure_bans(id, *element, entry.node),
            Cause::State => self.state(id, entry),
            Cause::Ticket(_) => {
                let lost = self.lost_ticket(id, |_| true);
                lost.unwrap_or_else(|| self.plain(&codes::STATE))
            }
            Cause::ShutdownLock => match resource.lock_node {
                Some(node) => self.shutdown_lock(id, node),
                None => self.plain(&codes::STATE),
            },
            Cause::Location(location) => self.location(*location, entry.node),
            Cause::Stickiness => {
                let value = resource.stickiness.to_string();
                self.say(&codes::STICKINESS, vec![("value", value.into())])
            }
            Cause::MigrationThreshold => self.too_often(id, entry.node),
            Cause::ExclusiveDiscovery => self.exclusive(id),
            Cause::Container => self.contained(id),
            Cause::PromotionScore => self.plain(&codes::PROMOTION_PLACE),
            Cause::Primary(colocation) => self.primary(id, *colocation, entry),
            Cause::Dependent(colocation) => self.dependent(id, *colocation, entry),
            Cause::RoleStopped => self.not_to_run(id),
            Cause::Utilization => self.capacity(id, entry.node),
            Cause::EnoughInstances => self.enough(id),
            Cause::InstanceLimit => self.limit(id, entry.node),
            Cause::Bundle => self.in_bundle(id),
            Cause::Other => self.plain(&codes::BUILT_IN),
        }
    }

    /// The history or the state of the node.
    fn state(&self, id: ResourceId, entry: &Entry) -> Statement {
        let resource = self.cluster.resource(id);
        let speaks_for = entry.after.is_some_and(|score| score > Score::ZERO);
        if !resource.managed && speaks_for && resource.active_on.contains(&entry.node) {
            let reason = self.unmanaged(id);
            let reason = reason.map(|reason| ("reason", Value::from(reason)));
            return self.say(&codes::LEFT_THERE, reason.into_iter().collect());
        }
        let failures = self.failures(id);
        let here = failures.iter().find(|failure| failure.node == entry.node);
        match here {
            Some(failure) => self.failure_bans(id, failure.entry.id(), entry.node),
            None => self
                .node_problem(entry.node)
                .or_else(|| self.failure_beside(id, entry.node))
                .or_else(|| self.multiply_active(id))
                .unwrap_or_else(|| self.plain(&codes::STATE)),
        }
    }

    pub(super) fn shutdown_lock(&self, id: ResourceId, node: NodeId) -> Statement {
        let resource = self.cluster.resource(id);
        let limit = self.cluster.options.shutdown_lock_limit_ms;
        let end = resource.lock_time.saturating_add(scalar::seconds(limit));
        let until = match time_text(end).filter(|_| limit > 0) {
            Some(time) => format!("until {time} (shutdown-lock-limit)"),
            None => "without a limit (shutdown-lock-limit is not set)".to_owned(),
        };
        let mut parameters = vec![
            ("node", Value::from(self.node_name(node))),
            ("until", until.into()),
            ("resource", self.cleanup_name(id).into()),
        ];
        if let Some(time) = time_text(resource.lock_time).filter(|_| resource.lock_time > 1) {
            parameters.push(("time", time.into()));
        }
        self.say(&codes::SHUTDOWN_LOCK, parameters)
    }

    fn exclusive(&self, id: ResourceId) -> Statement {
        let mut holder = Some(id);
        while let Some(at) = holder {
            let resource = self.cluster.resource(at);
            for location in &resource.locations {
                let location = self.cluster.location(*location);
                if let Some(pinned) = self.pinned(location) {
                    return pinned;
                }
            }
            holder = resource.parent;
        }
        self.plain(&codes::EXCLUSIVE)
    }

    fn pinned(&self, location: &Location) -> Option<Statement> {
        let is_pin = self.terms.deployment.is_some() && location.id.starts_with("pinned.");
        let (node, _) = location.nodes.first().filter(|_| is_pin)?;
        Some(self.say(&codes::PINNED, vec![("node", self.node_name(*node).into())]))
    }

    /// A location constraint, or what stands for one.
    pub(super) fn location(&self, location: LocationId, node: NodeId) -> Statement {
        let location = self.cluster.location(location);
        if let Some(pinned) = self.pinned(location) {
            return pinned;
        }
        let scores = location.nodes.iter().filter(|(other, _)| *other == node);
        let score = scores.fold(Score::ZERO, |sum, (_, score)| sum.add(*score));
        let owner = &self.cluster.resource(location.resource).config_id;
        let mut parameters = vec![
            ("constraint", constraint(&location.id)),
            ("owner", (&**owner).into()),
            ("score", score.to_string().into()),
            ("effect", effect(score).into()),
            ("node", self.node_name(node).into()),
        ];
        let health = self.cluster.options.health_strategy.name();
        if *location.id == *health && health != "none" {
            parameters.push(("strategy", health.into()));
            parameters.push(("attributes", self.health_attributes(node).into()));
            parameters.push(("worst", self.worst_health(node).into()));
            return self.say(&codes::HEALTH, parameters);
        }
        if let Some(known) = self.terms.temporary.get(&*location.id) {
            parameters.push(("entry", known.text.as_str().into()));
            parameters.push(("end", known.remedy.as_str().into()));
            return self.say(&codes::TEMPORARY, parameters);
        }
        if is_of_ban(&location.id) && score < Score::ZERO {
            return self.say(&codes::LEFTOVER_BAN, parameters);
        }
        if is_of_move(&location.id) && score > Score::ZERO {
            return self.say(&codes::LEFTOVER_PREFER, parameters);
        }
        if score < Score::ZERO {
            parameters.push(("undo", "away".into()));
        }
        if location.mode == ProbeMode::Never && score.is_minus_infinity() {
            parameters.push(("discovery", "resource-discovery=never".into()));
        }
        if let Some(rule) = self.rule_text(&location.id, node) {
            parameters.push(("rule", rule.into()));
        }
        self.say(&codes::LOCATION, parameters)
    }

    fn health_attributes(&self, node: NodeId) -> String {
        let attributes = self.cluster.node(node).attributes.iter();
        let health: Vec<String> = attributes
            .filter(|(name, _)| name.starts_with("#health"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        health.join(", ")
    }

    /// The name of the health attribute with the lowest score.
    fn worst_health(&self, node: NodeId) -> String {
        let attributes = self.cluster.node(node).attributes.iter();
        let health = attributes.filter(|(name, _)| name.starts_with("#health"));
        let worst = health.min_by_key(|(_, value)| self.cluster.options.score(value));
        let name = worst.map(|(name, _)| name.to_string());
        // A shell takes a bare # for a comment.
        name.map_or_else(String::new, |name| format!("'{name}'"))
    }

    /// Where a primary is, in the role that a colocation means.
    pub(super) fn places_of(&self, id: ResourceId, role: Option<Role>) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        for leaf in self.cluster.leaves(id) {
            let resource = self.cluster.resource(leaf);
            let in_role = role.is_none_or(|role| resource.next_role == role);
            if let Some(node) = resource.assigned.filter(|_| in_role)
                && !nodes.contains(&node)
            {
                nodes.push(node);
            }
        }
        nodes.sort_by_key(|node| self.cluster.node_order.iter().position(|it| it == node));
        nodes
    }

    /// A colocation in which the resource is the dependent.
    fn primary(&self, id: ResourceId, colocation: ColocationId, entry: &Entry) -> Statement {
        let colocation = self.cluster.colocation(colocation);
        if !colocation.explicit {
            return self.follows_built_in(id, colocation.primary, entry.node);
        }
        let primary = &self.cluster.resource(colocation.primary).config_id;
        let places = self.places_of(colocation.primary, colocation.primary_role);
        let mut parameters = vec![
            (
                "constraint",
                constraint(&self.constraint_of_set(&colocation.id)),
            ),
            ("primary", Value::from(&**primary)),
        ];
        if let Some(role) = role_text(colocation.primary_role) {
            parameters.push(("role", role.into()));
        }
        let mandatory = colocation.score.is_infinity() || colocation.score.is_minus_infinity();
        if !mandatory {
            parameters.push(("score", colocation.score.to_string().into()));
        }
        if *colocation.attribute != *"#uname" {
            parameters.push(("attribute", (&*colocation.attribute).into()));
        }
        if places.is_empty() {
            let leaf = self.cluster.leaves(colocation.primary).first().copied();
            let reason = leaf.and_then(|leaf| self.behind(leaf, || self.short_reason(leaf)));
            let part = leaf.filter(|leaf| *leaf != colocation.primary);
            let reason = reason.map(|reason| match part {
                Some(leaf) if reason.text.starts_with("its ") => self.of(leaf, reason),
                _ => reason,
            });
            parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
            return self.say(&codes::COLOCATION_NO_PRIMARY, parameters);
        }
        if colocation.score > Score::ZERO && !places.contains(&entry.node) {
            let missing = self.missing_there(colocation.primary, entry.node);
            parameters.extend(missing.map(|missing| ("missing", Value::from(missing))));
            parameters.push(("node", self.node_name(entry.node).into()));
        }
        let idle = self.idle_primary(colocation.primary, entry);
        let mut places = places;
        if let Some(reason) = idle {
            places.retain(|node| *node != entry.node);
            parameters.push(("there", self.node_name(entry.node).into()));
            parameters.push(("idle", reason.into()));
        }
        let names = places.iter().map(|node| {
            let name = self.node_name(*node);
            match &*colocation.attribute {
                "#uname" => name,
                attribute => {
                    let value = self.cluster.node(*node).attributes.text(attribute);
                    format!("{name} ({attribute}={})", value.unwrap_or("not set"))
                }
            }
        });
        parameters.push(("places", names.collect::<Vec<_>>().into()));
        match colocation.score < Score::ZERO {
            true => self.say(&codes::APART, parameters),
            false => self.say(&codes::COLOCATION, parameters),
        }
    }

    /// Why what is on a node is nothing that a dependent there can be with: it has failed and is
    /// left alone.
    fn idle_primary(&self, primary: ResourceId, entry: &Entry) -> Option<Statement> {
        let dependent = self.cluster.resource(entry.resource);
        if weight(entry) >= 0 || !dependent.active_on.contains(&entry.node) {
            return None;
        }
        let leaves = self.cluster.leaves(primary).into_iter();
        let mut idle = leaves.filter(|leaf| {
            let leaf = self.cluster.resource(*leaf);
            leaf.active_on.contains(&entry.node) && leaf.failed && !leaf.managed
        });
        let leaf = idle.next()?;
        let reason = self.behind(leaf, || self.unmanaged(leaf))?;
        Some(self.of(leaf, reason))
    }

    /// Why no instance of a clone is on a node.
    fn missing_there(&self, clone: ResourceId, node: NodeId) -> Option<Statement> {
        if !self.cluster.resource(clone).is_collective() {
            return None;
        }
        let leaves = self.cluster.leaves(clone).into_iter();
        let mut idle = leaves.filter(|leaf| {
            let leaf = self.cluster.resource(*leaf);
            leaf.assigned.is_none() && !leaf.removed
        });
        let leaf = idle.next()?;
        let reason = self.behind(leaf, || Some(self.not_there(leaf, node)))?;
        let minor = [
            &codes::NO_CANDIDATE,
            &codes::INSTANCE_THERE,
            &codes::NOT_TO_RUN,
        ];
        (!minor.contains(&reason.code)).then_some(reason)
    }

    /// A reason with whose it is.
    pub(super) fn of(&self, part: ResourceId, reason: Statement) -> Statement {
        let name = self.name(part);
        self.say(
            &codes::OF_PART,
            vec![("name", name.into()), ("reason", reason.into())],
        )
    }

    /// The id of the constraint that a colocation comes from: those of resource sets have the ids
    /// of the sets.
    pub(super) fn constraint_of_set(&self, id: &str) -> String {
        let section = self.cluster.document.section("constraints");
        let mut all = section.into_iter().flat_map(Element::children);
        let holder = all.find_map(|element| {
            let mut sets = element.children_named("resource_set");
            sets.find(|set| set.get("id") == Some(id))?;
            element.get("id")
        });
        holder.unwrap_or(id).to_owned()
    }

    /// A built-in colocation: with the member before it in the group, or with its container.
    fn follows_built_in(&self, id: ResourceId, member: ResourceId, node: NodeId) -> Statement {
        let parent = self.cluster.resource(id).parent;
        let group = parent.map(|parent| self.cluster.resource(parent));
        let Some(group) = group.filter(|parent| parent.is_group()) else {
            return self.in_bundle(id);
        };
        let mut parameters = vec![
            ("member", Value::from(self.name(member))),
            ("group", (&*group.config_id).into()),
        ];
        if self.cluster.resource(member).assigned.is_some() {
            let leader = self.leader(id).unwrap_or(member);
            let reason = self.behind(leader, || Some(self.not_there(leader, node)));
            let reason = reason.filter(|reason| reason.code != &codes::EQUAL);
            parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
            return self.say(&codes::GROUP_FOLLOWS, parameters);
        }
        let reason = self.behind(member, || self.short_reason(member));
        parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
        self.say(&codes::GROUP_STOPPED, parameters)
    }

    /// What a dependent prefers.
    fn dependent(&self, id: ResourceId, colocation: ColocationId, entry: &Entry) -> Statement {
        let colocation = self.cluster.colocation(colocation);
        let dependent = self.cluster.resource(colocation.dependent);
        let avoids = weight(entry) < 0;
        if let Some((kept, reason)) = avoids
            .then(|| self.kept_away(colocation.dependent, id, entry.node))
            .flatten()
        {
            let name = self.cleanup_name(kept);
            let node = self.node_name(entry.node);
            let mut parameters = vec![
                ("dependent", Value::from(name)),
                ("node", node.into()),
                ("reason", reason.into()),
            ];
            match dependent.parent.filter(|_| !colocation.explicit) {
                Some(group) => {
                    let group = self.cleanup_name(group);
                    parameters.push(("via", format!("group {group}").into()));
                }
                None => {
                    let id = self.constraint_of_set(&colocation.id);
                    let id = self.terms.constraint(&id).into_owned();
                    parameters.push(("via", format!("colocation {id}").into()));
                }
            }
            return self.say(&codes::DEPENDENT_AVOIDS, parameters);
        }
        if !colocation.explicit {
            let group = dependent
                .parent
                .map(|it| self.cluster.resource(it).config_id.clone());
            let member = self.name(colocation.dependent);
            let group = group.unwrap_or_default();
            return self.say(
                &codes::GROUP_STICKINESS,
                vec![("member", member.into()), ("group", (&*group).into())],
            );
        }
        let id = self.constraint_of_set(&colocation.id);
        self.say(
            &codes::DEPENDENT,
            vec![
                ("dependent", (&*dependent.config_id).into()),
                ("constraint", constraint(&id)),
            ],
        )
    }

    fn in_bundle(&self, id: ResourceId) -> Statement {
        match self.cluster.bundle_of(id) {
            Some(bundle) => {
                let bundle = self.name(bundle);
                self.say(&codes::IN_BUNDLE, vec![("bundle", bundle.into())])
            }
            None => self.contained(id),
        }
    }

    /// The connection to a guest goes where the guest runs.
    fn contained(&self, id: ResourceId) -> Statement {
        let Some(guest) = self.cluster.resource(id).launcher else {
            return self.plain(&codes::CONTAINER);
        };
        let name = ("guest", Value::from(self.name(guest)));
        if let Some(node) = self.cluster.resource(guest).assigned {
            let node = self.node_name(node);
            return self.say(&codes::GOES_WITH_GUEST, vec![name, ("node", node.into())]);
        }
        let reason = self.behind(guest, || self.short_reason(guest));
        let mut parameters = vec![name];
        parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
        self.say(&codes::GUEST_STOPPED, parameters)
    }
}

/// What a score does.
fn effect(score: Score) -> &'static str {
    if score.is_minus_infinity() {
        "forbids"
    } else if score < Score::ZERO {
        "avoids"
    } else if score.is_infinity() {
        "wants"
    } else {
        "prefers"
    }
}
