//! What may be carried out while it is looked again at what runs: only looks, and what makes
//! assemblies safe.
//!
//! To the policy engine nothing runs where it is looked for. What it would start and stop because
//! of that is not done: it is asked again when the looks are over.

use std::collections::BTreeSet;

use policy_engine::{ActionKind, TransitionGraph};

use super::execution::Step;
use crate::vocabulary::{AssemblyId, ServiceId, Task};

/// The looks of a graph.
#[derive(Debug)]
pub(crate) struct Looks {
    /// What is to be carried out.
    pub graph: TransitionGraph,
    /// What is looked for where.
    pub places: BTreeSet<(AssemblyId, ServiceId)>,
}

/// Leaves out of a graph what is neither a look nor fencing, and what waits for that.
pub(crate) fn looks(mut graph: TransitionGraph) -> Looks {
    let (mut kept, mut done) = (BTreeSet::new(), BTreeSet::new());
    let mut candidates: Vec<(usize, Step)> = (0..graph.synapses.len())
        .filter_map(|index| Some((index, Step::of(&graph, index)?)))
        .filter(|(index, step)| is_look(&graph, *index, step) || is_fencing(step))
        .collect();
    let mut places = BTreeSet::new();
    loop {
        let before = candidates.len();
        candidates.retain(|(index, step)| {
            let inputs = &graph.synapses[*index].inputs;
            if !inputs.iter().all(|input| done.contains(input)) {
                return true;
            }
            kept.insert(*index);
            done.insert(step.action);
            if !is_fencing(step) {
                places.insert((step.node.clone(), ServiceId::of_resource(&step.resource)));
            }
            false
        });
        if candidates.len() == before {
            break;
        }
    }
    graph.synapses = select(graph.synapses, &kept);
    graph.actions = select(graph.actions, &kept);
    Looks { graph, places }
}

fn select<T>(all: Vec<T>, kept: &BTreeSet<usize>) -> Vec<T> {
    let all = all.into_iter().enumerate();
    all.filter(|(index, _)| kept.contains(index))
        .map(|(_, one)| one)
        .collect()
}

fn is_look(graph: &TransitionGraph, index: usize, step: &Step) -> bool {
    let action = graph.actions.get(index);
    let interval = action.and_then(|action| action.attribute("CRM_meta_interval"));
    step.kind == ActionKind::Resource
        && step.task == Task::Monitor
        && interval.is_none_or(|interval| interval == "0")
}

fn is_fencing(step: &Step) -> bool {
    step.kind == ActionKind::Cluster && step.task == Task::Stonith
}
