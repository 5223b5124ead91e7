//! What leaves an assembly only when it is known what is in the one that it goes to.
//!
//! The graph orders starts after the probes of the same resource, but not the stops before them: a
//! service that runs well would be stopped for an assembly that turns out to be unable to run it,
//! and be started again where it was. Pacemaker does so; here it stays until the probes are over.
//!
//! Nothing waits that is to end anyway: what runs in two places, or is in a guest that leaves.

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
    /// What leaves, by synapse.
    leaving: BTreeMap<usize, Leave>,
}

/// The end of a service in one assembly, which is to go on in others.
#[derive(Debug)]
struct Leave {
    from: AssemblyId,
    to: BTreeSet<AssemblyId>,
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
        let doubles = doubles(graph);
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
            } else if is_end(head) && !doubles.contains(&instance(action)) {
                let others = goes_to.iter().filter(|it| **it != node).cloned();
                let to = others.collect();
                moves.leaving.insert(index, Leave { from: node, to });
            }
        }
        moves
    }

    /// Whether the action of a synapse waits.
    pub(crate) fn hold(&self, index: usize) -> bool {
        let leave = self.leaving.get(&index).into_iter();
        leave
            .flat_map(|leave| &leave.to)
            .filter_map(|node| self.looking.get(node))
            .any(|probes| *probes > 0)
    }

    /// The guests of these assemblies go down: nothing waits there.
    pub(crate) fn let_go(&mut self, gone: &BTreeSet<AssemblyId>) {
        self.leaving.retain(|_, leave| !gone.contains(&leave.from));
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

/// An operation by which a service leaves an assembly.
fn is_end(head: &ActionHead) -> bool {
    matches!(&*head.operation, "stop" | "migrate_to")
}

/// The instance of an action's resource: those of a clone may have one id.
fn instance(action: &GraphAction) -> Option<&str> {
    let resource = action.resource.as_ref()?;
    Some(resource.long_id.as_ref().unwrap_or(&resource.id))
}

/// What ends in more than one assembly: it runs, or may run, more than once.
fn doubles(graph: &TransitionGraph) -> BTreeSet<Option<&str>> {
    let mut places: BTreeMap<Option<&str>, BTreeSet<&str>> = BTreeMap::new();
    for (synapse, action) in graph.described() {
        if let Some((_, head)) = described(graph, synapse.action, action)
            && is_end(head)
            && let Some(node) = &head.on_node
        {
            places.entry(instance(action)).or_default().insert(node);
        }
    }
    places.retain(|_, nodes| nodes.len() > 1);
    places.into_keys().collect()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use policy_engine::{ResourceIdentity, Synapse};

    use super::*;

    /// Actions `INSTANCE OPERATION NODE`, numbered from 1, none of which waits for another.
    fn graph(actions: &[&str]) -> TransitionGraph {
        let mut graph = TransitionGraph {
            attributes: Vec::new(),
            synapses: Vec::new(),
            actions: Vec::new(),
            heads: Vec::new(),
        };
        for (action, text) in (1..).zip(actions) {
            let words: Vec<&str> = text.split(' ').collect();
            let [instance, operation, node] = words[..] else {
                panic!("{text}")
            };
            let base = instance.split(':').next().unwrap_or_default();
            graph.synapses.push(Synapse {
                action,
                priority: 0,
                inputs: Vec::new(),
            });
            graph.heads.push(ActionHead {
                id: action,
                kind: ActionKind::Resource,
                mode: None,
                operation: operation.into(),
                operation_key: format!("{base}_{operation}_0").into(),
                internal_operation_key: None,
                on_node: Some(node.into()),
                on_node_uuid: Some(node.into()),
                router_node: None,
            });
            graph.actions.push(GraphAction {
                resource: Some(Arc::new(ResourceIdentity {
                    element: "primitive".into(),
                    id: base.into(),
                    long_id: (base != instance).then(|| instance.into()),
                    class: None,
                    provider: None,
                    kind: None,
                })),
                ..GraphAction::default()
            });
        }
        graph
    }

    #[test]
    fn what_moves_stays_until_its_new_place_was_looked_at() {
        let mut moves = Moves::of(&graph(&["db monitor b", "db stop a", "db start b"]));
        assert!(moves.hold(1));
        moves.ended(1);
        assert!(!moves.hold(1));
    }

    #[test]
    fn what_runs_twice_ends_at_once() {
        let twice = ["db monitor c", "db stop a", "db stop b", "db start c"];
        let moves = Moves::of(&graph(&twice));
        assert!(!moves.hold(1) && !moves.hold(2));
        // Sent there and not known to have come: it is ended in both.
        let sent = ["db monitor b", "db stop a", "db stop b", "db start b"];
        let moves = Moves::of(&graph(&sent));
        assert!(!moves.hold(1) && !moves.hold(2));
    }

    #[test]
    fn two_instances_of_a_clone_run_once_each() {
        let both = ["w monitor c", "w:0 stop a", "w:1 stop b", "w:0 start c"];
        let moves = Moves::of(&graph(&both));
        assert!(moves.hold(1) && moves.hold(2));
    }

    #[test]
    fn nothing_waits_in_a_guest_that_leaves() {
        let actions = [
            "db monitor c",
            "db stop a",
            "db start c",
            "web monitor c",
            "web stop b",
            "web start c",
        ];
        let mut moves = Moves::of(&graph(&actions));
        assert!(moves.hold(1) && moves.hold(4));
        moves.let_go(&BTreeSet::from(["a".into()]));
        assert!(!moves.hold(1) && moves.hold(4));
    }
}
