//! The execution of one transition graph: what may begin now, and when it is over
//! (scheduler-spec/05 §18).
//!
//! Only bookkeeping: it does not know what an action is, nor who does it. An action begins when all
//! its inputs are confirmed; a failed action satisfies no input, except those of synapses with
//! priority INFINITY. After an abort only what has at least the abort's priority begins, and what
//! runs is awaited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy_engine::{ActionHead, ActionKind, GraphAction, Synapse, TransitionGraph};

use super::moves::Moves;
use crate::vocabulary::{AssemblyId, Limits, ServiceId};

/// Priority that no action's priority reaches: nothing more begins. Pacemaker's INFINITY.
pub(crate) const INFINITY: i32 = 1_000_000;

/// How far a synapse is. A synapse holds exactly one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Waiting,
    Running,
    Done,
    Failed,
}

/// A graph under execution.
#[derive(Debug)]
pub(crate) struct Transition {
    number: u64,
    graph: TransitionGraph,
    limits: Limits,
    progress: Vec<Progress>,
    /// Nobody has to do anything for it, per synapse.
    pseudo: Vec<bool>,
    /// The assembly whose agent does it, per synapse: an index into `places`.
    place: Vec<Option<usize>>,
    /// The assemblies whose agents have something to do.
    places: Vec<AssemblyId>,
    counts: Counts,
    /// Inputs that are not satisfied yet, per synapse.
    missing: Vec<usize>,
    /// Synapses that wait for an action, by the number of the action.
    dependents: BTreeMap<u32, Vec<usize>>,
    by_action: BTreeMap<u32, usize>,
    /// All inputs satisfied, not begun.
    ready: BTreeSet<usize>,
    running: BTreeSet<usize>,
    /// What was taken over, and has ended well before all its inputs were satisfied: what waits for
    /// it waits for these too.
    ended_early: BTreeSet<usize>,
    /// What waits beside that until it is known what is where it goes.
    moves: Moves,
    abort_priority: i32,
    /// Why it was aborted, if it was.
    aborted: Option<String>,
    started_wall_us: u64,
}

/// Counts of actions, pseudo-actions left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub actions: u32,
    pub done: u32,
    pub failed: u32,
    pub skipped: u32,
}

impl Transition {
    pub(crate) fn new(
        number: u64,
        graph: TransitionGraph,
        limits: Limits,
        started_wall_us: u64,
    ) -> Transition {
        let count = graph.synapses.len();
        let mut dependents: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let mut by_action = BTreeMap::new();
        let (mut missing, mut ready) = (Vec::with_capacity(count), BTreeSet::new());
        let (mut pseudo, mut place) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut places: Vec<AssemblyId> = Vec::new();
        let mut counts = Counts::default();
        let wanted: BTreeSet<u32> = graph.synapses.iter().map(|it| it.action).collect();
        for (index, synapse) in graph.synapses.iter().enumerate() {
            by_action.insert(synapse.action, index);
            let head = graph.head(synapse.action);
            let is_pseudo = head.is_none_or(|head| head.kind == ActionKind::Pseudo);
            counts.actions += u32::from(!is_pseudo);
            pseudo.push(is_pseudo);
            let node = head
                .filter(|head| head.kind == ActionKind::Resource)
                .and_then(|head| head.router_node.as_ref().or(head.on_node.as_ref()));
            place.push(node.map(|node| {
                let known = places.iter().position(|known| *known == **node);
                known.unwrap_or_else(|| {
                    places.push(AssemblyId::from(&**node));
                    places.len() - 1
                })
            }));
            let mut awaited = 0;
            for input in inputs(&graph, synapse, &wanted) {
                dependents.entry(input).or_default().push(index);
                awaited += 1;
            }
            missing.push(awaited);
            if awaited == 0 {
                ready.insert(index);
            }
        }
        for (probe, promotion) in unseen(&graph) {
            ready.remove(&promotion);
            missing[promotion] += 1;
            dependents.entry(probe).or_default().push(promotion);
        }
        Transition {
            number,
            moves: Moves::of(&graph),
            graph,
            limits,
            progress: vec![Progress::Waiting; count],
            pseudo,
            place,
            places,
            counts,
            missing,
            dependents,
            by_action,
            ready,
            running: BTreeSet::new(),
            ended_early: BTreeSet::new(),
            abort_priority: 0,
            aborted: None,
            started_wall_us,
        }
    }

    /// The guests of these assemblies go down: what leaves them waits for nothing but the graph.
    pub(crate) fn let_go(&mut self, gone: &BTreeSet<AssemblyId>) {
        self.moves.let_go(gone);
    }

    /// Its number, which its operations carry.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What is carried out.
    pub(crate) fn graph(&self) -> &TransitionGraph {
        &self.graph
    }

    /// How many operations may be under way.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// The assemblies whose agents have something to do.
    pub(crate) fn places(&self) -> &[AssemblyId] {
        &self.places
    }

    /// Why it was aborted, if it was.
    pub(crate) fn aborted(&self) -> Option<&str> {
        self.aborted.as_deref()
    }

    /// Wall clock of its beginning, µs.
    pub(crate) fn started_wall_us(&self) -> u64 {
        self.started_wall_us
    }

    /// Synapses whose turn it is, in graph order. Pseudo-actions always; others unless an abort
    /// forbids it.
    pub(crate) fn ready(&self) -> Vec<usize> {
        let ready = self.ready.iter().copied();
        ready.filter(|index| self.is_ready(*index)).collect()
    }

    /// It is its turn: see [`Transition::ready`].
    pub(crate) fn is_ready(&self, index: usize) -> bool {
        self.ready.contains(&index)
            && (self.is_pseudo(index) || (self.may_begin(index) && !self.moves.hold(index)))
    }

    /// No abort forbids it.
    pub(crate) fn may_begin(&self, index: usize) -> bool {
        self.graph.synapses[index].priority >= self.abort_priority
    }

    pub(crate) fn is_pseudo(&self, index: usize) -> bool {
        self.pseudo[index]
    }

    /// The assembly whose agent does it, as an index into `places`. `None`: no agent.
    pub(crate) fn place(&self, index: usize) -> Option<usize> {
        self.place[index]
    }

    /// The synapse of an action.
    pub(crate) fn synapse_of(&self, action: u32) -> Option<usize> {
        self.by_action.get(&action).copied()
    }

    pub(crate) fn progress(&self, index: usize) -> Progress {
        self.progress[index]
    }

    /// Edge waiting → running.
    pub(crate) fn begin(&mut self, index: usize) {
        assert!(
            self.is_ready(index),
            "invariant: action {index} begins in its turn"
        );
        self.ready.remove(&index);
        self.progress[index] = Progress::Running;
        self.running.insert(index);
    }

    /// Edge waiting → running, of what a former transition has begun: it may be before its turn.
    pub(crate) fn take_over(&mut self, index: usize) {
        assert!(
            self.progress[index] == Progress::Waiting,
            "invariant: action {index} is taken over once, and before anything of it"
        );
        self.ready.remove(&index);
        self.progress[index] = Progress::Running;
        self.running.insert(index);
    }

    /// Whether something has not ended for which an action would have waited.
    pub(crate) fn is_early(&self, index: usize) -> bool {
        self.missing.get(index).is_some_and(|missing| *missing > 0)
    }

    /// Something that is not a mark in the order waits, and the abort does not forbid it.
    pub(crate) fn may_still_begin(&self) -> bool {
        let waits = |index: &usize| self.progress[*index] == Progress::Waiting;
        let mut all = 0..self.progress.len();
        all.any(|index| waits(&index) && !self.pseudo[index] && self.may_begin(index))
    }

    /// Edges waiting → failed, running → done and running → failed. An action of a lost node ends
    /// without having begun.
    pub(crate) fn end(&mut self, index: usize, succeeded: bool) {
        if matches!(self.progress[index], Progress::Done | Progress::Failed) {
            return;
        }
        self.ready.remove(&index);
        self.running.remove(&index);
        self.progress[index] = if succeeded {
            Progress::Done
        } else {
            Progress::Failed
        };
        match (self.pseudo[index], succeeded) {
            (true, _) => {}
            (false, true) => self.counts.done += 1,
            (false, false) => self.counts.failed += 1,
        }
        self.moves.ended(self.graph.synapses[index].action);
        if succeeded && self.missing[index] > 0 {
            self.ended_early.insert(index);
        } else {
            self.satisfy_dependents(index, succeeded);
        }
    }

    /// An action has ended, and all that it had to wait for.
    fn satisfy_dependents(&mut self, index: usize, succeeded: bool) {
        let mut ended = vec![(index, succeeded)];
        while let Some((index, succeeded)) = ended.pop() {
            let action = self.graph.synapses[index].action;
            for dependent in self.dependents.get(&action).into_iter().flatten() {
                if !succeeded && self.graph.synapses[*dependent].priority < INFINITY {
                    continue;
                }
                self.missing[*dependent] -= 1;
                if self.missing[*dependent] > 0 {
                    continue;
                }
                if self.progress[*dependent] == Progress::Waiting {
                    self.ready.insert(*dependent);
                } else if self.ended_early.remove(dependent) {
                    ended.push((*dependent, true));
                }
            }
        }
    }

    /// Edge running → waiting, and it stays so: nothing of it was done. Only in a transition that
    /// was aborted.
    pub(crate) fn take_back(&mut self, index: usize) {
        assert!(
            self.aborted.is_some(),
            "invariant: what is carried out is awaited"
        );
        if self.running.remove(&index) {
            self.progress[index] = Progress::Waiting;
        }
    }

    /// Begin nothing with a lower priority any more. The first reason is kept.
    pub(crate) fn abort(&mut self, priority: i32, reason: &str) {
        self.abort_priority = self.abort_priority.max(priority);
        self.aborted.get_or_insert_with(|| reason.to_owned());
    }

    /// Synapses under way, in graph order.
    pub(crate) fn running(&self) -> impl Iterator<Item = usize> + '_ {
        self.running.iter().copied()
    }

    pub(crate) fn counts(&self) -> Counts {
        let running = self.running().filter(|index| !self.pseudo[*index]).count();
        let begun = self.counts.done + self.counts.failed + u32::try_from(running).unwrap_or(0);
        Counts {
            skipped: self.counts.actions - begun,
            ..self.counts
        }
    }
}

/// What a synapse waits for. `wanted`: all actions that are to be done.
///
/// A stop may wait for the demotion of the same instance, and nobody is to demote it: Pacemaker's
/// scheduler decides that where the demotion would wait for the end of a monitor that is not ended
/// either. Such a graph is never finished, and what has lost its ticket would run on. A stop ends
/// the promoted role too.
fn inputs<'g>(
    graph: &'g TransitionGraph,
    synapse: &'g Synapse,
    wanted: &'g BTreeSet<u32>,
) -> impl Iterator<Item = u32> + 'g {
    let stopped = instance(graph, synapse.action, "stop");
    synapse.inputs.iter().copied().filter(move |input| {
        stopped.is_none() || wanted.contains(input) || instance(graph, *input, "demote") != stopped
    })
}

/// The instance that an action is about, and its assembly, if its task is that one.
fn instance(graph: &TransitionGraph, action: u32, task: &str) -> Option<(String, Arc<str>)> {
    let head = graph.head(action).filter(|head| &*head.operation == task)?;
    let key = head.internal_operation_key.as_ref();
    let key = key.unwrap_or(&head.operation_key);
    let instance = key.strip_suffix("_0")?.strip_suffix(task)?;
    Some((instance.to_owned(), head.on_node.clone()?))
}

/// Pairs of a probe, by its action, and a promotion of the same service, by its synapse, that does
/// not wait for it. An instance of which nothing is known may have the promoted role: nobody else
/// gets it before it was looked for. The graph orders starts after probes, but not promotions.
fn unseen(graph: &TransitionGraph) -> Vec<(u32, usize)> {
    let is = |action: u32, wanted: fn(&ActionHead) -> bool| {
        let head = graph.head(action);
        head.is_some_and(|head| head.kind == ActionKind::Resource && wanted(head))
    };
    let service = |action: &GraphAction| {
        let resource = action.resource.as_ref();
        resource.map(|resource| ServiceId::of_resource(&resource.id))
    };
    let mut promotions: BTreeMap<ServiceId, Vec<usize>> = BTreeMap::new();
    for (index, (synapse, action)) in graph.described().enumerate() {
        if is(synapse.action, |head| &*head.operation == "promote")
            && let Some(service) = service(action)
        {
            promotions.entry(service).or_default().push(index);
        }
    }
    let mut unseen = Vec::new();
    if promotions.is_empty() {
        return unseen;
    }
    for (synapse, action) in graph.described() {
        let probe = synapse.action;
        if !is(probe, |head| head.operation_key.ends_with("_monitor_0")) {
            continue;
        }
        let promoted = service(action).and_then(|service| promotions.get(&service));
        for promotion in promoted.into_iter().flatten() {
            if !graph.synapses[*promotion].inputs.contains(&probe) {
                unseen.push((probe, *promotion));
            }
        }
    }
    unseen
}

#[cfg(test)]
mod tests {
    use policy_engine::ResourceIdentity;

    use super::*;

    /// `id: priority <- inputs`
    fn graph(synapses: &[(u32, i32, &[u32])]) -> TransitionGraph {
        let head = |id: u32| ActionHead {
            id,
            kind: ActionKind::Resource,
            mode: None,
            operation: "start".into(),
            operation_key: format!("r{id}_start_0").into(),
            internal_operation_key: None,
            on_node: Some("n".into()),
            on_node_uuid: Some("n".into()),
            router_node: None,
        };
        TransitionGraph {
            attributes: Vec::new(),
            synapses: synapses
                .iter()
                .map(|(id, priority, inputs)| Synapse {
                    action: *id,
                    priority: *priority,
                    inputs: inputs.to_vec(),
                })
                .collect(),
            actions: vec![GraphAction::default(); synapses.len()],
            heads: synapses.iter().map(|(id, ..)| head(*id)).collect(),
        }
    }

    fn transition(synapses: &[(u32, i32, &[u32])]) -> Transition {
        Transition::new(1, graph(synapses), Limits::default(), 0)
    }

    #[test]
    fn an_action_begins_when_its_inputs_are_done() {
        let mut transition = transition(&[(1, 0, &[]), (2, 0, &[1, 3]), (3, 0, &[])]);
        assert_eq!(transition.ready(), [0, 2]);
        transition.begin(0);
        transition.begin(2);
        transition.end(0, true);
        assert!(transition.ready().is_empty());
        transition.end(2, true);
        assert_eq!(transition.ready(), [1]);
    }

    #[test]
    fn what_was_taken_over_ends_for_others_with_what_it_would_have_waited_for() {
        // 3 waits for 2, and 2 for 1. 2 has begun before.
        let all: [(u32, i32, &[u32]); 3] = [(1, 0, &[]), (2, 0, &[1]), (3, 0, &[2])];
        let mut early = transition(&all);
        early.take_over(1);
        assert_eq!(early.ready(), [0]);
        early.end(1, true);
        assert!(!early.is_ready(2), "the first has not ended");
        early.begin(0);
        early.end(0, true);
        assert_eq!(early.ready(), [2]);
        let mut late = transition(&all);
        late.take_over(1);
        late.begin(0);
        late.end(0, true);
        assert!(late.ready().is_empty());
        late.end(1, true);
        assert_eq!(late.ready(), [2]);
        let mut failed = transition(&all);
        failed.take_over(1);
        failed.begin(0);
        failed.end(0, false);
        failed.end(1, true);
        assert!(failed.ready().is_empty(), "the first has failed");
    }

    #[test]
    fn what_an_abort_does_not_forbid_may_still_begin() {
        let mut transition = transition(&[(1, 0, &[]), (2, INFINITY, &[1])]);
        transition.begin(0);
        transition.abort(INFINITY, "world changed");
        assert!(transition.may_still_begin());
        transition.end(0, true);
        transition.begin(1);
        assert!(!transition.may_still_begin());
    }

    #[test]
    fn a_failed_action_holds_back_what_waits_for_it_unless_that_has_priority_infinity() {
        let mut transition = transition(&[(1, 0, &[]), (2, 0, &[1]), (3, INFINITY, &[1])]);
        transition.begin(0);
        transition.end(0, false);
        assert_eq!(transition.ready(), [2]);
    }

    #[test]
    fn a_stop_does_not_wait_for_a_demotion_that_is_not_to_be_done() {
        let of = |graph: &mut TransitionGraph, index: usize, task: &str, key: &str| {
            let head = &mut graph.heads[index];
            (head.operation, head.operation_key) = (task.into(), key.into());
        };
        let mut stop = graph(&[(1, 0, &[2, 3]), (2, 0, &[]), (3, 0, &[])]);
        of(&mut stop, 0, "stop", "db_stop_0");
        of(&mut stop, 2, "demote", "db_demote_0");
        // It waits for one that is to be done, and for that of another service.
        let mut awaited = stop.clone();
        assert_eq!(
            Transition::new(1, awaited.clone(), Limits::default(), 0).ready(),
            [1, 2]
        );
        awaited.synapses.truncate(2);
        awaited.actions.truncate(2);
        of(&mut awaited, 2, "demote", "other_demote_0");
        let mut transition = Transition::new(1, awaited, Limits::default(), 0);
        transition.begin(1);
        transition.end(1, true);
        assert!(transition.ready().is_empty());
        stop.synapses.truncate(2);
        stop.actions.truncate(2);
        let mut transition = Transition::new(1, stop, Limits::default(), 0);
        assert_eq!(transition.ready(), [1]);
        transition.begin(1);
        transition.end(1, true);
        assert_eq!(transition.ready(), [0]);
    }

    #[test]
    fn nobody_is_promoted_before_each_instance_was_looked_for() {
        let mut graph = graph(&[(1, 0, &[]), (2, 0, &[]), (3, 0, &[])]);
        let keys = [("monitor", "a:0"), ("promote", "a:1"), ("promote", "b")];
        for (index, (operation, resource)) in keys.into_iter().enumerate() {
            let head = &mut graph.heads[index];
            head.operation = operation.into();
            head.operation_key = format!("{resource}_{operation}_0").into();
            graph.actions[index].resource = Some(Arc::new(ResourceIdentity {
                element: "primitive".into(),
                id: resource.into(),
                long_id: None,
                class: None,
                provider: None,
                kind: None,
            }));
        }
        let mut transition = Transition::new(1, graph, Limits::default(), 0);
        assert_eq!(transition.ready(), [0, 2]);
        transition.begin(0);
        transition.end(0, true);
        assert_eq!(transition.ready(), [1, 2]);
    }

    #[test]
    fn after_an_abort_only_what_is_important_enough_begins_and_what_runs_is_awaited() {
        let mut transition = transition(&[(1, 0, &[]), (2, 10, &[]), (3, 0, &[])]);
        transition.begin(0);
        transition.abort(5, "world changed");
        assert_eq!(transition.ready(), [1]);
        transition.abort(INFINITY, "again");
        assert!(transition.ready().is_empty());
        assert_eq!(transition.running().collect::<Vec<_>>(), [0]);
        assert_eq!(transition.aborted(), Some("world changed"));
    }
}
