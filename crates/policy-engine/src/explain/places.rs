//! Nodes: what speaks for a resource on a node and against it, from the journal of its scores.

use super::answer::{NodeLine, Part, Statement, Value, constraint};
use super::{Explainer, codes, time_text};
use crate::model::{
    Cause, Choice, ColocationId, Entry, Limit, Location, LocationId, NodeId, ResourceId, Role,
    Score, TooFull, Where, is_of_ban, is_of_move,
};
use crate::scalar;
use crate::xml::Element;

/// The difference between two scores, as a reader adds it up.
fn change(before: Option<Score>, after: Option<Score>) -> String {
    let infinite = |score: Score| score.is_infinity() || score.is_minus_infinity();
    match (before, after) {
        (_, None) => "removed".to_owned(),
        (Some(before), Some(after)) if !infinite(before) && !infinite(after) => {
            format!("{:+}", after.0 - before.0)
        }
        (_, Some(after)) => format!("= {after}"),
    }
}

/// What an entry adds, in numbers that can be compared.
fn weight(entry: &Entry) -> i64 {
    let value = |score: Option<Score>| score.map_or(-2_000_000, |score| i64::from(score.0));
    let before = match entry.before {
        None if entry.after.is_some() => 0,
        before => value(before),
    };
    value(entry.after) - before
}

/// A role as an adjective; none if any active instance is meant.
pub(super) fn role_text(role: Option<Role>) -> Option<&'static str> {
    Some(match role? {
        Role::Promoted => "promoted",
        Role::Unpromoted => "unpromoted",
        Role::Stopped => "stopped",
        Role::Started | Role::Unknown => return None,
    })
}

impl<'s> Explainer<'s> {
    /// What is to be said about a resource on one node.
    pub(super) fn node_line(&self, id: ResourceId, node: NodeId) -> NodeLine {
        let resource = self.cluster.resource(id);
        let chosen = resource.assigned == Some(node) && resource.managed;
        let reason = if !resource.managed {
            match resource.active_on.contains(&node) {
                true => self.plain(&codes::LEFT_THERE),
                false => self.plain(&codes::NOT_CHOSEN),
            }
        } else if chosen {
            self.chosen(id, node)
        } else {
            self.not_there(id, node)
        };
        let parts = self
            .notes
            .at(id, node)
            .filter(|entry| !(entry.before.is_none() && entry.after == Some(Score::ZERO)))
            .map(|entry| Part {
                change: change(entry.before, entry.after),
                cause: self.cause(id, entry),
            });
        let score = self.score_at(id, node);
        NodeLine {
            node: self.node_name(node),
            score: score.map(|score| score.to_string()),
            chosen,
            reason,
            parts: parts.collect(),
        }
    }

    /// Why a resource is not on a node: the one reason that decides.
    pub(super) fn not_there(&self, id: ResourceId, node: NodeId) -> Statement {
        let (cluster, resource) = (self.cluster, self.cluster.resource(id));
        if resource.removed {
            return self.removed(id);
        }
        if resource.remote_connection && cluster.is_remote_kind(node) {
            return self.plain(&codes::NO_CANDIDATE);
        }
        if !cluster.node(node).is_available() && !cluster.is_guest(node) {
            let locked = resource.lock_node.is_some_and(|locked| locked != node);
            if !locked && let Some(problem) = self.node_problem(node) {
                return problem;
            }
        }
        let Some(entry) = resource.allowed.get(node) else {
            return match cluster.options.symmetric {
                true => self.plain(&codes::NO_CANDIDATE),
                false => self.say(&codes::OPT_IN, vec![("node", self.node_name(node).into())]),
            };
        };
        let score = self.score_at(id, node).unwrap_or(entry.score);
        if score.is_minus_infinity() {
            return match self.ban(id, node) {
                Some(entry) => self.cause(id, entry),
                None => self.plain(&codes::STATE),
            };
        }
        if score < Score::ZERO {
            let worst = self.notes.at(id, node).min_by_key(|entry| weight(entry));
            let reason = worst.map(|entry| self.cause(id, entry));
            let mut parameters = vec![
                ("node", Value::from(self.node_name(node))),
                ("score", score.to_string().into()),
            ];
            parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
            return self.say(&codes::NEGATIVE, parameters);
        }
        if let Some(problem) = self.node_problem(node) {
            return problem;
        }
        self.worse(id, node, score)
    }

    /// A usable node that is not the chosen one.
    fn worse(&self, id: ResourceId, node: NodeId, score: Score) -> Statement {
        let resource = self.cluster.resource(id);
        let Some(chosen) = resource.assigned else {
            return self.plain(&codes::NOT_TO_RUN);
        };
        let best = self.score_at(id, chosen).unwrap_or(Score::ZERO);
        let mut parameters = vec![
            ("chosen", Value::from(self.node_name(chosen))),
            ("chosen_score", best.to_string().into()),
            ("score", score.to_string().into()),
        ];
        if best <= score {
            return self.say(&codes::EQUAL, parameters);
        }
        if let Some(reason) = self.difference(id, chosen, node) {
            parameters.push(("reason", reason.into()));
        }
        self.say(&codes::LOWER, parameters)
    }

    /// The score by which a resource was placed, or not, on a node. What is done with scores after
    /// that, when it is decided which instance is promoted, places nothing.
    fn score_at(&self, id: ResourceId, node: NodeId) -> Option<Score> {
        let score = self.cluster.resource(id).allowed.get(node)?.score;
        if !score.is_minus_infinity() || self.ban(id, node).is_some() {
            return Some(score);
        }
        let last = self.notes.at(id, node).next_back();
        Some(last.and_then(|entry| entry.after).unwrap_or(score))
    }

    /// The entry that has excluded a node.
    fn ban(&self, id: ResourceId, node: NodeId) -> Option<&'s Entry> {
        let excluded = |score: Option<Score>| score.is_none_or(Score::is_minus_infinity);
        let first = |entry: &&Entry| {
            let was = entry.before.is_some() && excluded(entry.before);
            excluded(entry.after) && !was
        };
        self.notes.at(id, node).rfind(first)
    }

    /// What makes one node better than another, most of all.
    fn difference(&self, id: ResourceId, better: NodeId, worse: NodeId) -> Option<Statement> {
        let mut sums: Vec<(&Entry, i64)> = Vec::new();
        for (node, sign) in [(better, 1), (worse, -1)] {
            for entry in self.notes.at(id, node).filter(|it| it.cause != Cause::Base) {
                let weight = sign * weight(entry);
                match sums
                    .iter_mut()
                    .find(|(known, _)| known.cause == entry.cause)
                {
                    Some((_, sum)) => *sum += weight,
                    None => sums.push((entry, weight)),
                }
            }
        }
        let (entry, _) = sums.into_iter().max_by_key(|(_, sum)| *sum)?;
        Some(self.cause(id, entry))
    }

    /// Why a resource got its node.
    pub(super) fn chosen(&self, id: ResourceId, node: NodeId) -> Statement {
        let (cluster, resource) = (self.cluster, self.cluster.resource(id));
        if let Some(locked) = resource.lock_node
            && locked == node
        {
            return self.shutdown_lock(id, locked);
        }
        let others = cluster.node_order.iter().copied();
        let others: Vec<NodeId> = others
            .filter(|other| *other != node && resource.allowed.contains(*other))
            .collect();
        if others.is_empty() {
            return match cluster.options.symmetric {
                true => self.plain(&codes::SINGLE_NODE),
                false => self.say(
                    &codes::ONLY_NODE,
                    vec![("reasons", self.opted_out().into())],
                ),
            };
        }
        let score = |node: NodeId| self.score_at(id, node);
        let usable =
            |other: &NodeId| score(*other).is_some_and(|score| cluster.is_usable_at(*other, score));
        let rival = others
            .iter()
            .copied()
            .filter(usable)
            .max_by_key(|it| score(*it));
        let Some(rival) = rival else {
            return self.only_one(id, node, &others);
        };
        let (own, rivals) = (
            score(node).unwrap_or(Score::ZERO),
            score(rival).unwrap_or(Score::ZERO),
        );
        if own > rivals {
            let reason = self.difference(id, node, rival);
            let reason = reason.unwrap_or_else(|| self.plain(&codes::BUILT_IN));
            return self.say(
                &codes::BEST,
                vec![
                    ("node", self.node_name(node).into()),
                    ("other", self.node_name(rival).into()),
                    ("score", own.to_string().into()),
                    ("other_score", rivals.to_string().into()),
                    ("reason", reason.into()),
                ],
            );
        }
        let choice = self.journal.choices.iter().rev().find(|it| it.0 == id);
        let code = match choice.map(|choice| choice.2) {
            Some(Choice::Stays) => &codes::EQUAL_STAYS,
            Some(Choice::Preferred) if resource.partial_target == Some(node) => {
                &codes::MIGRATION_GOES_ON
            }
            Some(Choice::Preferred) if resource.active_on.contains(&node) => &codes::INSTANCE_STAYS,
            Some(Choice::Preferred) => &codes::MOST_CAPACITY,
            _ if own > Score::ZERO && resource.active_on.contains(&node) => &codes::EQUAL_STAYS,
            _ => &codes::EQUAL_FEWEST,
        };
        self.say(
            code,
            vec![
                ("node", self.node_name(node).into()),
                ("score", own.to_string().into()),
            ],
        )
    }

    fn opted_out(&self) -> Vec<Statement> {
        let node = Value::from(format!("all other {}", self.terms.nodes));
        vec![self.say(&codes::OPT_IN, vec![("node", node)])]
    }

    /// No other node is usable: why not.
    fn only_one(&self, id: ResourceId, node: NodeId, others: &[NodeId]) -> Statement {
        let reasons: Vec<(NodeId, Statement)> = others
            .iter()
            .map(|other| (*other, self.not_there(id, *other)))
            .collect();
        let binding = |code: &codes::Code| {
            let binding: [&codes::Code; 6] = [
                &codes::COLOCATION,
                &codes::GROUP_FOLLOWS,
                &codes::PINNED,
                &codes::SHUTDOWN_LOCK,
                &codes::IN_BUNDLE,
                &codes::ENOUGH_INSTANCES,
            ];
            binding.contains(&code)
        };
        if let Some((_, found)) = reasons.iter().find(|(_, it)| binding(it.code)) {
            if found.code == &codes::GROUP_FOLLOWS
                && let Some(leader) = self.leader(id)
                && let Some(reason) = self.behind(leader, || Some(self.chosen(leader, node)))
            {
                return self.with(found.clone(), "reason", reason);
            }
            return found.clone();
        }
        self.say(
            &codes::ONLY_NODE,
            vec![("reasons", self.grouped(reasons).into())],
        )
    }

    /// The first member of the group that a resource is a later member of.
    pub(super) fn leader(&self, id: ResourceId) -> Option<ResourceId> {
        let parent = self.cluster.resource(self.cluster.resource(id).parent?);
        let colocated = parent.group_data().is_some_and(|group| group.colocated);
        let first = parent.children.first().copied().filter(|_| colocated)?;
        (first != id).then_some(first)
    }

    /// Reasons by node, with equal ones told once.
    pub(super) fn grouped(&self, reasons: Vec<(NodeId, Statement)>) -> Vec<Statement> {
        let mut groups: Vec<(Vec<String>, Statement)> = Vec::new();
        for (node, reason) in reasons {
            let name = self.node_name(node);
            match groups.iter_mut().find(|(_, known)| {
                known.text == reason.text || is_the_same_elsewhere(known, &reason)
            }) {
                Some((nodes, _)) => nodes.push(name),
                None => groups.push((vec![name], reason)),
            }
        }
        let told = groups.into_iter().map(|(nodes, reason)| {
            let itself = nodes.len() == 1 && reason.names_node(&nodes[0]);
            let together = NAMES_NODES.contains(&reason.code);
            match itself || together && nodes.len() > 1 {
                true if together => self.with(reason, "node", nodes),
                true => reason,
                false => self.say(
                    &codes::AT,
                    vec![("nodes", nodes.into()), ("reason", reason.into())],
                ),
            }
        });
        told.collect()
    }

    /// A change of a score in words.
    fn cause(&self, id: ResourceId, entry: &Entry) -> Statement {
        let resource = self.cluster.resource(id);
        match &entry.cause {
            Cause::Base => match self.node_problem(entry.node) {
                Some(problem) if entry.after.is_some_and(Score::is_minus_infinity) => problem,
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
            Cause::Container => self.plain(&codes::CONTAINER),
            Cause::PromotionScore => self.plain(&codes::PROMOTION_PLACE),
            Cause::Primary(colocation) => self.primary(id, *colocation, entry),
            Cause::Dependent(colocation) => self.dependent(*colocation),
            Cause::RoleStopped => self.plain(&codes::NOT_TO_RUN),
            Cause::Utilization => self.capacity(id, entry.node),
            Cause::EnoughInstances => self.enough(id),
            Cause::InstanceLimit => self.limit(id, entry.node),
            Cause::Bundle => self.in_bundle(id),
            Cause::Other => self.plain(&codes::BUILT_IN),
        }
    }

    /// The history or the state of the node.
    fn state(&self, id: ResourceId, entry: &Entry) -> Statement {
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

    fn shutdown_lock(&self, id: ResourceId, node: NodeId) -> Statement {
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
            parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
            return self.say(&codes::COLOCATION_NO_PRIMARY, parameters);
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
            parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
            return self.say(&codes::GROUP_FOLLOWS, parameters);
        }
        let reason = self.behind(member, || self.short_reason(member));
        parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
        self.say(&codes::GROUP_STOPPED, parameters)
    }

    /// What a dependent prefers.
    fn dependent(&self, colocation: ColocationId) -> Statement {
        let colocation = self.cluster.colocation(colocation);
        let dependent = self.cluster.resource(colocation.dependent);
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
            None => self.plain(&codes::CONTAINER),
        }
    }

    /// Amounts that do not fit.
    fn capacity(&self, id: ResourceId, node: NodeId) -> Statement {
        let records = self.journal.too_full.iter().rev();
        let found = records
            .filter(|full| full.node == node && full.resource == id)
            .find_map(|full| Some((full, self.lacking(full)?)));
        let Some((full, (kind, needed, free))) = found else {
            return self.plain(&codes::STATE);
        };
        let own = self.cluster.resource(id).utilization.text(&kind);
        let own = own.and_then(scalar::integer).unwrap_or(0);
        let configured = self.cluster.node(node).utilization.text(&kind);
        let mut parameters = vec![
            ("node", Value::from(self.node_name(node))),
            ("kind", kind.clone().into()),
            ("needed", needed.into()),
            ("free", free.into()),
            ("capacity", configured.unwrap_or("0").into()),
        ];
        let takers: Vec<String> = full
            .taken_by
            .iter()
            .filter_map(|taker| {
                let taker = self.cluster.resource(*taker);
                let amount = taker.utilization.text(&kind)?;
                Some(format!(
                    "{} ({amount}, priority {})",
                    taker.id, taker.priority
                ))
            })
            .collect();
        if !takers.is_empty() {
            parameters.push(("takers", takers.into()));
        }
        if own != needed {
            let together = format!("{own} for itself");
            parameters.push(("together", together.into()));
        }
        let priority = self.cluster.resource(id).priority;
        parameters.push(("priority", i64::from(priority).into()));
        self.say(&codes::CAPACITY, parameters)
    }

    /// The first kind of amount of which there is not enough.
    fn lacking(&self, full: &TooFull) -> Option<(String, i64, i64)> {
        let free = |name: &str| full.free.get(name).copied().unwrap_or(0);
        full.needed.iter().find_map(|(name, needed)| {
            let free = free(name);
            (*needed > free).then(|| (name.to_string(), i64::from(*needed), i64::from(free)))
        })
    }

    fn clone_of(&self, id: ResourceId) -> Option<ResourceId> {
        let mut at = id;
        loop {
            if self.cluster.resource(at).is_collective() {
                return Some(at);
            }
            at = self.cluster.resource(at).parent?;
        }
    }

    /// How many instances a clone may have.
    fn clone_max(&self, clone: ResourceId) -> i64 {
        let data = self.cluster.resource(clone).clone_data();
        data.map_or(1, |data| i64::from(data.clone_max))
    }

    /// The clone has all its instances.
    fn enough(&self, id: ResourceId) -> Statement {
        let Some(clone) = self.clone_of(id) else {
            return self.plain(&codes::NOT_TO_RUN);
        };
        let places = self.cluster.locations_of(clone, Where::Assigned);
        let max = self.clone_max(clone);
        self.say(
            &codes::ENOUGH_INSTANCES,
            vec![
                ("clone", self.name(clone).into()),
                ("max", max.into()),
                ("places", self.node_names(&places).into()),
            ],
        )
    }

    /// Why a clone allows no (further) instance on a node.
    fn limit(&self, id: ResourceId, node: NodeId) -> Statement {
        let limits = self.journal.limits.iter().rev();
        let found = limits.clone().find(|(instance, at, _)| {
            *at == node && (*instance == id || self.cluster.is_ancestor(*instance, id))
        });
        let Some((instance, _, limit)) = found else {
            return self.plain(&codes::STATE);
        };
        let clone = self.clone_of(*instance);
        match (limit, clone) {
            (Limit::Removed, _) => self.removed(id),
            (Limit::Full, Some(clone)) => self.full(*instance, clone, node),
            (Limit::Banned, Some(clone)) => match self.ban(clone, node) {
                Some(entry) => self.cause(clone, entry),
                None => match self.cluster.resource(clone).allowed.contains(node) {
                    true => self.plain(&codes::STATE),
                    false if !self.cluster.options.symmetric => {
                        let node = self.node_name(node);
                        self.say(&codes::OPT_IN, vec![("node", node.into())])
                    }
                    false => self.plain(&codes::NO_CANDIDATE),
                },
            },
            _ => self
                .node_problem(node)
                .unwrap_or_else(|| self.plain(&codes::STATE)),
        }
    }

    fn full(&self, instance: ResourceId, clone: ResourceId, node: NodeId) -> Statement {
        let collective = self.cluster.resource(clone);
        let (siblings, option): (Vec<ResourceId>, _) = match collective.bundle_data() {
            Some(bundle) => {
                let containers = bundle.replicas.iter().map(|replica| replica.container);
                (containers.collect(), "replicas-per-host")
            }
            None => (collective.children.clone(), "clone-node-max"),
        };
        let others: Vec<String> = siblings
            .into_iter()
            .filter(|other| *other != instance)
            .filter(|other| {
                self.cluster
                    .locations_of(*other, Where::Assigned)
                    .contains(&node)
            })
            .map(|other| self.name(other))
            .collect();
        let max = self
            .cluster
            .resource(clone)
            .clone_data()
            .map(|data| data.clone_node_max);
        let verb = if others.len() == 1 { "is" } else { "are" };
        self.say(
            &codes::INSTANCE_THERE,
            vec![
                ("others", others.into()),
                ("verb", verb.into()),
                ("clone", self.name(clone).into()),
                ("max", i64::from(max.unwrap_or(1)).into()),
                ("option", option.into()),
            ],
        )
    }

    /// Why the history alone knows a resource.
    pub(super) fn removed(&self, id: ResourceId) -> Statement {
        let Some(clone) = self
            .clone_of(id)
            .filter(|it| !self.cluster.resource(*it).removed)
        else {
            return self.plain(&codes::REMOVED);
        };
        let max = self.clone_max(clone);
        self.say(
            &codes::ABOVE_CLONE_MAX,
            vec![("clone", self.name(clone).into()), ("max", max.into())],
        )
    }
}

/// Reasons that can name several nodes in the place of one.
const NAMES_NODES: &[&codes::Code] = &[
    &codes::LOCATION,
    &codes::LEFTOVER_BAN,
    &codes::LEFTOVER_PREFER,
];

/// Whether two reasons differ in nothing but their nodes, and can be told of both at once.
fn is_the_same_elsewhere(one: &Statement, other: &Statement) -> bool {
    fn rest(of: &Statement) -> impl Iterator<Item = &(&'static str, Value)> {
        of.parameters.iter().filter(|(name, _)| *name != "node")
    }
    one.code == other.code && NAMES_NODES.contains(&one.code) && rest(one).eq(rest(other))
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
