//! The order of the actions in a transition graph.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::graph::TransitionGraph;
use crate::model::ActionId;

/// Which actions of a graph come before which.
#[derive(Debug)]
pub(super) struct Sequence {
    before: FxHashMap<ActionId, Vec<ActionId>>,
    rank: FxHashMap<ActionId, usize>,
}

/// The action with a number in the graph.
fn action(number: u32) -> ActionId {
    ActionId::new(number.saturating_sub(1) as usize)
}

impl Sequence {
    /// The sequence of a graph. Actions that wait for themselves come last.
    pub(super) fn of(graph: &TransitionGraph) -> Sequence {
        let mut before: FxHashMap<ActionId, Vec<ActionId>> = FxHashMap::default();
        let mut after: FxHashMap<ActionId, Vec<ActionId>> = FxHashMap::default();
        let mut waiting: FxHashMap<ActionId, usize> = FxHashMap::default();
        for synapse in &graph.synapses {
            let then = action(synapse.action);
            let firsts: Vec<ActionId> = synapse.inputs.iter().map(|it| action(*it)).collect();
            waiting.insert(then, firsts.len());
            for first in &firsts {
                after.entry(*first).or_default().push(then);
            }
            before.insert(then, firsts);
        }
        let mut rank = FxHashMap::default();
        let mut ready: VecDeque<ActionId> = graph
            .synapses
            .iter()
            .filter(|synapse| synapse.inputs.is_empty())
            .map(|synapse| action(synapse.action))
            .collect();
        while let Some(next) = ready.pop_front() {
            rank.insert(next, rank.len());
            for then in after.get(&next).into_iter().flatten() {
                if let Some(left) = waiting.get_mut(then) {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        ready.push_back(*then);
                    }
                }
            }
        }
        Sequence { before, rank }
    }

    /// The inputs of an action.
    pub(super) fn before(&self, id: ActionId) -> impl Iterator<Item = ActionId> {
        self.before.get(&id).into_iter().flatten().copied()
    }

    /// Its place among all actions.
    pub(super) fn rank(&self, id: ActionId) -> usize {
        self.rank.get(&id).copied().unwrap_or(usize::MAX)
    }

    /// All actions that come before an action.
    pub(super) fn all_before(&self, id: ActionId) -> Vec<ActionId> {
        let mut seen: rustc_hash::FxHashSet<ActionId> = Default::default();
        let mut found: Vec<ActionId> = self.before(id).collect();
        let mut next = 0;
        while next < found.len() {
            let at = found[next];
            next += 1;
            if seen.insert(at) {
                found.extend(self.before(at).filter(|it| !seen.contains(it)));
            }
        }
        found
    }
}
