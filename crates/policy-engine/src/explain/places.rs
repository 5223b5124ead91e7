//! Nodes: what speaks for a resource on a node and against it, from the journal of its scores.

use super::answer::{NodeLine, Part, Statement, Value};
use super::{Explainer, codes};
use crate::model::{Cause, Choice, Entry, NodeId, ResourceId, Score};

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
pub(super) fn weight(entry: &Entry) -> i64 {
    let value = |score: Option<Score>| score.map_or(-2_000_000, |score| i64::from(score.0));
    let before = match entry.before {
        None if entry.after.is_some() => 0,
        before => value(before),
    };
    value(entry.after) - before
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
        if resource.remote_connection && cluster.is_remote_kind(node)
            || cluster.guest_launcher(node) == Some(id)
        {
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
            return self.negative(id, node, score);
        }
        if let Some(problem) = self.node_problem(node) {
            return problem;
        }
        self.worse(id, node, score)
    }

    /// A node with a negative score, and what speaks most against it.
    pub(super) fn negative(&self, id: ResourceId, node: NodeId, score: Score) -> Statement {
        let worst = self.notes.at(id, node).min_by_key(|entry| weight(entry));
        let reason = worst.map(|entry| self.cause(id, entry));
        let mut parameters = vec![
            ("node", Value::from(self.node_name(node))),
            ("score", score.to_string().into()),
        ];
        parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
        self.say(&codes::NEGATIVE, parameters)
    }

    /// A usable node that is not the chosen one.
    fn worse(&self, id: ResourceId, node: NodeId, score: Score) -> Statement {
        let resource = self.cluster.resource(id);
        let Some(chosen) = resource.assigned else {
            return self.not_to_run(id);
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
    pub(super) fn score_at(&self, id: ResourceId, node: NodeId) -> Option<Score> {
        let score = self.cluster.resource(id).allowed.get(node)?.score;
        if !score.is_minus_infinity() || self.ban(id, node).is_some() {
            return Some(score);
        }
        let last = self.notes.at(id, node).next_back();
        Some(last.and_then(|entry| entry.after).unwrap_or(score))
    }

    /// The entry that has excluded a node.
    pub(super) fn ban(&self, id: ResourceId, node: NodeId) -> Option<&'s Entry> {
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
            return self.better(id, node, rival);
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
            self.equals(id, (node, own), rival, code == &codes::EQUAL_STAYS),
        )
    }

    /// That one node is better than another, and by what most of all.
    pub(super) fn better(&self, id: ResourceId, node: NodeId, other: NodeId) -> Statement {
        let score = |node: NodeId| self.score_at(id, node).unwrap_or(Score::ZERO);
        let reason = self.difference(id, node, other);
        let reason = reason.unwrap_or_else(|| self.plain(&codes::BUILT_IN));
        let parameters = vec![
            ("node", Value::from(self.node_name(node))),
            ("other", self.node_name(other).into()),
            ("score", score(node).to_string().into()),
            ("other_score", score(other).to_string().into()),
            ("reason", reason.into()),
        ];
        self.say(&codes::BEST, parameters)
    }

    /// What to say of nodes with equal scores; in full: what speaks for each of them.
    fn equals(
        &self,
        id: ResourceId,
        (node, own): (NodeId, Score),
        rival: NodeId,
        in_full: bool,
    ) -> Vec<(&'static str, Value)> {
        let mut parameters = vec![
            ("node", Value::from(self.node_name(node))),
            ("score", own.to_string().into()),
        ];
        if in_full
            && let Some((speaks, against)) = self.strongest(id, node).zip(self.strongest(id, rival))
        {
            parameters.push(("speaks", speaks.into()));
            parameters.push(("against", against.into()));
            parameters.push(("other", self.node_name(rival).into()));
        }
        parameters
    }

    /// What speaks for a node most of all.
    fn strongest(&self, id: ResourceId, node: NodeId) -> Option<Statement> {
        let entries = self.notes.at(id, node).filter(|it| it.cause != Cause::Base);
        let entry = entries.max_by_key(|entry| weight(entry))?;
        (weight(entry) > 0).then(|| self.cause(id, entry))
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
            let binding: [&codes::Code; 7] = [
                &codes::GOES_WITH_GUEST,
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
        let minor = [&codes::NO_CANDIDATE, &codes::CONTAINER];
        let major = reasons.into_iter();
        let major = major.filter(|(_, reason)| !minor.contains(&reason.code));
        let told = self.grouped(major.collect());
        if told.is_empty() {
            return self.plain(&codes::SINGLE_NODE);
        }
        self.say(&codes::ONLY_NODE, vec![("reasons", told.into())])
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
