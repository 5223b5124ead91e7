//! The journal: which score changed when, and why, recorded as it happens.
//!
//! A stage that has changed the scores of a resource calls [`Cluster::note`] with the cause. The
//! journal compares the tables with those of the last call and records the differences, so it shows
//! every change. Without `RunOptions::explain` there is no journal, and the calls do nothing.

use super::{
    Amounts, Cluster, ColocationId, LocationId, NodeId, NodeTable, ResourceId, Score, Text,
};
use crate::xml::ElementId;

/// Why scores changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The base score of the node.
    Base,
    /// A recorded result of an operation.
    Failure(ElementId),
    /// Any other part of the cluster's state.
    State,
    /// A constraint on a ticket that is not granted: its id.
    Ticket(Text),
    /// A shutdown lock.
    ShutdownLock,
    /// A location constraint.
    Location(LocationId),
    /// Stickiness.
    Stickiness,
    /// Too many failures.
    MigrationThreshold,
    /// `resource-discovery=exclusive`: location constraints name the only candidates.
    ExclusiveDiscovery,
    /// Built-in rules for containers and remote nodes.
    Container,
    /// Promotion scores, which agents set.
    PromotionScore,
    /// A primary attracts or repels it.
    Primary(ColocationId),
    /// The preferences of a dependent count for it.
    Dependent(ColocationId),
    /// It must not run.
    RoleStopped,
    /// It does not fit, or other nodes have more capacity.
    Utilization,
    /// The clone has all its instances.
    EnoughInstances,
    /// The clone does not allow (another) instance there.
    InstanceLimit,
    /// Part of a bundle: it goes where its container is.
    Bundle,
    /// Anything else.
    Other,
}

/// A change of one score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose score.
    pub resource: ResourceId,
    /// For which node.
    pub node: NodeId,
    /// Before; `None`: the node was not a candidate.
    pub before: Option<Score>,
    /// After; `None`: the node is not a candidate any more.
    pub after: Option<Score>,
    /// Why.
    pub cause: Cause,
}

/// Why a resource got the node that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is not managed, so it stays as it is.
    Unmanaged,
    /// All resources are to be stopped.
    StopAll,
    /// The best of the candidates.
    Best,
    /// As good as the best, and it is there now.
    Stays,
    /// As good as the best, and preferred (where an instance is now, a migration goes, or most
    /// capacity is free).
    Preferred,
    /// No node is left.
    Nowhere,
}

/// What a part of a promotion score comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromotionCause {
    /// The agent gave a score.
    Agent,
    /// No agent gave a score, which counts as -1.
    NoAgentScore,
    /// The instance must not be promoted, whatever its agent says: its role is given.
    Role,
    /// A location constraint with role Promoted.
    Location(LocationId),
    /// The promoted instance is to be with a primary, or away from it.
    Primary(ColocationId),
    /// The scores of the clone for the node: location constraints without a role.
    Placement,
    /// What a dependent of the promoted instance prefers.
    Dependent(ColocationId),
    /// The ticket of the promoted role is not granted.
    Ticket,
}

/// A part of the promotion score of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromotionPart {
    /// The instance.
    pub instance: ResourceId,
    /// What it adds.
    pub score: Score,
    /// Where it comes from.
    pub cause: PromotionCause,
}

/// Why a clone allows no (further) instance on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The instance is not configured any more.
    Removed,
    /// The node takes no resources now.
    Unavailable,
    /// The clone is banned there, or not allowed.
    Banned,
    /// As many instances as allowed are there.
    Full,
}

/// A node that had not enough capacity for a resource when it was placed.
#[derive(Clone, Debug)]
pub struct TooFull {
    /// The resource.
    pub resource: ResourceId,
    /// The node.
    pub node: NodeId,
    /// What the resource needs, with those that must be with it.
    pub needed: Amounts,
    /// What was free.
    pub free: Amounts,
    /// Who had been placed there before.
    pub taken_by: Vec<ResourceId>,
}

/// An operation that is defined otherwise than when it was done, which takes a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redefinition {
    /// The resource.
    pub resource: ResourceId,
    /// Where it was done.
    pub node: NodeId,
    /// Its entry in the history.
    pub entry: ElementId,
    /// Its agent reloads parameters, but not all that have changed.
    pub reloads_others: bool,
}

/// The journal of a run.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Changes in order.
    pub entries: Vec<Entry>,
    /// Choices of nodes, in order; the last choice for a resource counts.
    pub choices: Vec<(ResourceId, Option<NodeId>, Choice)>,
    /// Promotion: instance, node, priority.
    pub promotions: Vec<(ResourceId, Option<NodeId>, Score)>,
    /// What these priorities consist of.
    pub promotion_parts: Vec<PromotionPart>,
    /// Why clones allow no further instance on nodes; the last answer for an instance counts.
    pub limits: Vec<(ResourceId, NodeId, Limit)>,
    /// Nodes without enough capacity.
    pub too_full: Vec<TooFull>,
    /// Definitions that have changed: the reason of an action may be erased later.
    pub redefined: Vec<Redefinition>,
    /// Tables as last seen, by resource.
    seen: Vec<NodeTable>,
}

impl Journal {
    fn compare(&mut self, cluster: &Cluster, id: ResourceId, cause: &Cause) {
        if self.seen.len() <= id.index() {
            self.seen.resize_with(id.index() + 1, NodeTable::new);
        }
        let now = &cluster.resource(id).allowed;
        let seen = &mut self.seen[id.index()];
        for node in &cluster.node_order {
            let (before, after) = (
                seen.get(*node).map(|entry| entry.score),
                now.get(*node).map(|entry| entry.score),
            );
            if before != after {
                self.entries.push(Entry {
                    resource: id,
                    node: *node,
                    before,
                    after,
                    cause: cause.clone(),
                });
            }
        }
        *seen = now.clone();
    }
}

impl Cluster {
    /// Records why the scores of a resource, and of everything below it, have changed since the
    /// last call.
    pub fn note(&mut self, id: ResourceId, cause: Cause) {
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        for id in self.subtree(id) {
            journal.compare(self, id, &cause);
        }
        self.journal = Some(journal);
    }

    /// The same for every resource.
    pub fn note_all(&mut self, cause: Cause) {
        if self.journal.is_some() {
            for index in 0..self.top_level.len() {
                self.note(self.top_level[index], cause.clone());
            }
        }
    }

    /// The position in the journal; for [`Cluster::forget_since`].
    pub fn journal_mark(&self) -> usize {
        self.journal
            .as_ref()
            .map_or(0, |journal| journal.entries.len())
    }

    /// Removes the entries of a resource and of everything below it that were recorded since
    /// `mark`: their tables were restored.
    pub fn forget_since(&mut self, mark: usize, id: ResourceId) {
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        let undone = self.subtree(id);
        let mut index = 0;
        journal.entries.retain(|entry| {
            index += 1;
            index <= mark || !undone.contains(&entry.resource)
        });
        for id in undone {
            if let Some(seen) = journal.seen.get_mut(id.index()) {
                *seen = self.resource(id).allowed.clone();
            }
        }
        self.journal = Some(journal);
    }

    /// Records an operation that is defined otherwise than when it was done.
    pub fn note_redefinition(&mut self, redefinition: Redefinition) {
        if let Some(journal) = &mut self.journal {
            journal.redefined.push(redefinition);
        }
    }

    /// Records why a primitive got its node.
    pub fn note_choice(&mut self, id: ResourceId, choice: Choice) {
        let node = self.resource(id).assigned;
        if let Some(journal) = &mut self.journal {
            let choice = if node.is_none() && matches!(choice, Choice::Best | Choice::Preferred) {
                Choice::Nowhere
            } else {
                choice
            };
            journal.choices.push((id, node, choice));
        }
    }

    /// Records the promotion priority of an instance.
    pub fn note_promotion(&mut self, id: ResourceId, node: Option<NodeId>, priority: Score) {
        if let Some(journal) = &mut self.journal {
            journal.promotions.push((id, node, priority));
        }
    }

    /// Records what a part of an instance's promotion score comes from.
    pub fn note_promotion_part(
        &mut self,
        instance: ResourceId,
        score: Score,
        cause: PromotionCause,
    ) {
        if let Some(journal) = &mut self.journal {
            journal.promotion_parts.push(PromotionPart {
                instance,
                score,
                cause,
            });
        }
    }
}
