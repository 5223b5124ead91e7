//! The journal of scores, found by resource and node: an answer about the whole asks for each pair.

use rustc_hash::FxHashMap;

use crate::model::{Cause, Entry, Journal, NodeId, ResourceId};

/// The entries of a journal.
#[derive(Debug, Default)]
pub(super) struct Notes<'j> {
    by_place: FxHashMap<(ResourceId, NodeId), Vec<&'j Entry>>,
    failures: Vec<&'j Entry>,
}

impl<'j> Notes<'j> {
    pub(super) fn of(journal: &'j Journal) -> Notes<'j> {
        let mut notes = Notes::default();
        for entry in &journal.entries {
            let place = (entry.resource, entry.node);
            notes.by_place.entry(place).or_default().push(entry);
            if matches!(entry.cause, Cause::Failure(_)) {
                notes.failures.push(entry);
            }
        }
        notes
    }

    /// What changed the score of a resource on a node, in order.
    pub(super) fn at(
        &self,
        resource: ResourceId,
        node: NodeId,
    ) -> impl DoubleEndedIterator<Item = &'j Entry> {
        let found = self.by_place.get(&(resource, node));
        found.into_iter().flatten().copied()
    }

    /// Changes that a failure has made, in order.
    pub(super) fn failures(&self) -> impl Iterator<Item = &'j Entry> {
        self.failures.iter().copied()
    }
}
