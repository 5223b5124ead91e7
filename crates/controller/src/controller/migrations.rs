//! What live migrations that came to nothing mean for the policy engine's input.

use super::cib::{Input, Node, NodeState};
use crate::vocabulary::{AssemblyId, Record, RecordState};

/// A live migration that was given up.
pub(super) struct GivenUp<'a> {
    resource: &'a str,
    source: &'a AssemblyId,
    target: &'a str,
    attempt: &'a Record,
    /// Whether something is known of the resource at the target since.
    target_known: bool,
}

impl<'a> GivenUp<'a> {
    pub(super) fn all(input: &Input<'a>) -> Vec<GivenUp<'a>> {
        let mut all = Vec::new();
        for source in &input.nodes {
            for (resource, target, attempt) in source.history.given_up_migrations() {
                let mut nodes = input.nodes.iter();
                let node = nodes.find(|node| node.name.as_str() == target);
                all.push(GivenUp {
                    resource,
                    source: source.name,
                    target,
                    attempt,
                    target_known: node.is_some_and(|node| {
                        node.history.knows_since(resource, &attempt.operation.id)
                    }),
                });
            }
        }
        all
    }

    /// It went to this assembly, and nothing is known of the resource here since: it may have come
    /// or not. What was known before would have the policy engine take the migration for one that
    /// is half done, and finish it beside the copy that runs at the source.
    pub(super) fn may_have_come(&self, node: &Node<'_>, resource: &str) -> bool {
        node.state == NodeState::Online
            && self.source != node.name
            && self.target == node.name.as_str()
            && self.resource == resource
            && !self.target_known
    }

    /// This is its record, and its target is known since.
    pub(super) fn is_over(&self, node: &Node<'_>, record: &Record) -> bool {
        self.target_known && self.source == node.name && self.attempt == record
    }
}

/// A resource was sent from this assembly, and its target knows nothing of it: its guest was booted
/// since, or it is to be looked for there. So it may be nowhere. The policy engine, as Pacemaker's
/// scheduler, would look for it at the target only and meanwhile take it for running here, so that
/// what follows it would start too early. What is looked for here as well is found or not.
pub(super) fn may_be_nowhere(input: &Input<'_>, node: &Node<'_>, resource: &str) -> bool {
    let sent_to = node.history.sent_to(resource);
    let Some(target) = sent_to.filter(|_| node.state == NodeState::Online) else {
        return false;
    };
    let mut others = input.nodes.iter();
    let target = others.find(|other| other.name.as_str() == target && other.name != node.name);
    target.is_some_and(|target| target.state == NodeState::Online && is_unknown(target, resource))
}

/// Nothing of what an assembly's agent has told of a resource is in the input, and nothing is under
/// way.
fn is_unknown(node: &Node<'_>, resource: &str) -> bool {
    let records = || node.history.of(resource);
    let told = records().next().is_some() && !node.arrivals.must_be_looked_for(resource);
    !told && !records().any(|record| record.state == RecordState::Pending)
}
