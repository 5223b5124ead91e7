//! What leaves an assembly only when it is known what is in the one that it goes to.
//!
//! The graph orders starts after the probes of the same resource, but not the stops before them: a
//! service that runs well would be stopped for an assembly that turns out to be unable to run it,
//! and be started again where it was. Pacemaker does so; here it stays until the probes are over.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::{ActionHead, ActionKind, GraphAction, TransitionGraph};

use crate::vocabulary::{AssemblyId, ServiceId};

/// The actions of one graph that wait.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// How many probes are not over, by the assembly that something goes to.
    looking: BTreeMap<AssemblyId, usize>,
    /// Where those probes look, by their actions.
    probes: BTreeMap<u32, AssemblyId>,
    /// Where what leaves goes to, by synapse.
    leaving: BTreeMap<usize, BTreeSet<AssemblyId>>,
}

impl Moves {
    /// Those of a graph. A probe counts if it waits for nothing, so that nothing can wait for
    /// itself, and if it is of what goes to that assembly too.
    pub(crate) fn of(graph: &TransitionGraph) -> Moves {
        let arrivals = arrivals(graph);
        let mut moves = Moves::default();
        if arrivals.is_empty() {
            return moves;
        }
        for (index, (synapse, action)) in graph.described().enumerate() {
            let Some((service, head)) = described(graph, synapse.action, action) else {
                continue;
            };
            let (Some(goes_to), Some(node)) = (arrivals.get(&service), &head.on_node) else {
                continue;
            };
            let node = AssemblyId::from(&**node);
            let is_probe = head.operation_key.ends_with("_monitor_0");
            if is_probe && synapse.inputs.is_empty() && goes_to.contains(&node) {
                *moves.looking.entry(node.clone()).or_default() += 1;
                moves.probes.insert(synapse.action, node);
            } else if matches!(&*head.operation, "stop" | "migrate_to") {
                let others = goes_to.iter().filter(|it| **it != node).cloned();
                moves.leaving.insert(index, others.collect());
            }
        }
        moves
    }

    /// Whether the action of a synapse waits.
    pub(crate) fn hold(&self, index: usize) -> bool {
        let goes_to = self.leaving.get(&index).into_iter().flatten();
        goes_to
            .filter_map(|node| self.looking.get(node))
            .any(|probes| *probes > 0)
    }

    /// An action is over.
    pub(crate) fn ended(&mut self, action: u32) {
        if let Some(node) = self.probes.remove(&action)
            && let Some(looking) = self.looking.get_mut(&node)
        {
            *looking -= 1;
        }
    }
}

/// Where services are started, or come to live.
fn arrivals(graph: &TransitionGraph) -> BTreeMap<ServiceId, BTreeSet<AssemblyId>> {
    let mut arrivals: BTreeMap<ServiceId, BTreeSet<AssemblyId>> = BTreeMap::new();
    for (synapse, action) in graph.described() {
        let Some((service, head)) = described(graph, synapse.action, action) else {
            continue;
        };
        let node = match &*head.operation {
            "start" | "migrate_from" => head.on_node.as_deref(),
            _ => None,
        };
        if let Some(node) = node {
            let places = arrivals.entry(service).or_default();
            places.insert(AssemblyId::from(node));
        }
    }
    arrivals
}

/// The service that an operation is of, and the operation; `None`: it is none.
fn described<'g>(
    graph: &'g TransitionGraph,
    action: u32,
    described: &GraphAction,
) -> Option<(ServiceId, &'g ActionHead)> {
    let head = graph.head(action)?;
    let resource = described.resource.as_ref()?;
    let is_operation = head.kind == ActionKind::Resource;
    is_operation.then(|| (ServiceId::of_resource(&resource.id), head))
}
