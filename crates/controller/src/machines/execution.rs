//! The carrying out of transitions: the present one with its actions under way, and how the last
//! one ended.
//!
//! ```text
//!          begin                     the world changed, or an action failed
//!  ┌──────┐ ───▶ ┌──────────────┐ ────────────────────────────────▶ ┌─────────┐
//!  │ idle │      │ carrying out │                                   │ aborted │
//!  └──────┘ ◀─── └──────────────┘  finish: nothing more may begin,  └────┬────┘
//!       ▲                          nothing is awaited                    │
//!       └────────────────────────────────────────────────────────────────┘
//! ```
//!
//! From *aborted* there is a second way: another transition takes over what is under way, if that
//! is what it would have done (see [`super::hand_over`]), and is carried out at once.
//!
//! [`Transition`] keeps the books of the graph; here are the runs, that is, who does what since
//! when and until when, and how many may be under way at a time.

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{RunningAction, TransitionState, TransitionStatus};
use policy_engine::{ActionKind, GraphAction, TransitionGraph};

use super::debugging::Debugging;
use super::devices::Devices;
use super::run::{Run, Work};
use super::transition::{Counts, INFINITY, Progress, Transition};
use crate::vocabulary::{AssemblyId, Digests, Limits, Task, TransitionKey};

/// Transitions of one start of the controller, and what they have begun on this host.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    /// Fencing devices that transitions have put to use. They outlive these.
    devices: Devices,
    /// What administrators have agents do once.
    debugging: Debugging,
    current: Option<Current>,
    /// Transitions so far, from which they have their numbers.
    count: u64,
    last: Option<TransitionStatus>,
}

/// A transition under way.
#[derive(Debug)]
struct Current {
    transition: Transition,
    /// Actions under way, by synapse.
    runs: BTreeMap<usize, Run>,
    /// An action was begun that is more than a mark in the order.
    worked: bool,
    /// Why actions are done, by their numbers.
    reasons: BTreeMap<u32, String>,
}

/// An action whose turn has come.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its number in the graph.
    pub action: u32,
    pub kind: ActionKind,
    pub task: Task,
    /// The assembly whose agent does it, or that is fenced; empty: it has no place.
    pub node: AssemblyId,
    /// Empty: it is about no resource.
    pub resource: String,
}

impl Step {
    /// What a synapse of a graph asks for. `None`: the graph does not say what its action is.
    pub(crate) fn of(graph: &TransitionGraph, index: usize) -> Option<Step> {
        let action = graph.synapses.get(index)?.action;
        let head = graph.head(action)?;
        let node = head.router_node.as_ref().or(head.on_node.as_ref());
        let resource = graph.actions.get(index)?.resource.as_ref();
        Some(Step {
            action,
            kind: head.kind,
            task: Task::from(&*head.operation),
            node: node.map_or_else(|| AssemblyId::from(""), |node| AssemblyId::from(&**node)),
            resource: resource.map_or_else(String::new, |resource| resource.id.to_string()),
        })
    }
}

/// How a transition ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub number: u64,
    pub counts: Counts,
    /// Anything was begun that may have changed the world.
    pub worked: bool,
    pub end: End,
}

/// Whether all of a transition was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    /// The world changed, or an action failed: why.
    Aborted(String),
    /// Something could not begin.
    Stuck,
}

impl Execution {
    pub(crate) fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Fencing devices, to put them to use and to take their answers in.
    pub(crate) fn devices_mut(&mut self) -> &mut Devices {
        &mut self.devices
    }

    /// What administrators have agents do once, beside transitions.
    pub(crate) fn debugging(&self) -> &Debugging {
        &self.debugging
    }

    /// The same, to begin and to end some.
    pub(crate) fn debugging_mut(&mut self) -> &mut Debugging {
        &mut self.debugging
    }

    /// No transition is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.current.is_none()
    }

    /// The transition under way.
    pub(crate) fn transition(&self) -> Option<&Transition> {
        Some(&self.current.as_ref()?.transition)
    }

    fn transition_mut(&mut self) -> Option<&mut Transition> {
        Some(&mut self.current.as_mut()?.transition)
    }

    /// Actions under way, by synapse.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (usize, &Run)> {
        let runs = self.current.iter().flat_map(|current| &current.runs);
        runs.map(|(index, run)| (*index, run))
    }

    /// The action under way of that synapse.
    pub(crate) fn run(&self, index: usize) -> Option<&Run> {
        self.current.as_ref()?.runs.get(&index)
    }

    /// Synapses of what is under way in an assembly.
    pub(crate) fn runs_in(&self, assembly: &AssemblyId) -> Vec<usize> {
        self.synapses(|run| run.assembly == *assembly)
    }

    /// Synapses of what is under way and is such.
    pub(crate) fn synapses(&self, such: impl Fn(&Run) -> bool) -> Vec<usize> {
        self.runs()
            .filter(|(_, run)| such(run))
            .map(|(index, _)| index)
            .collect()
    }

    /// The action under way whose operation has that id, in that assembly. What was taken over has
    /// the id that a former transition gave it.
    pub(crate) fn run_of(&self, assembly: &AssemblyId, id: &str) -> Option<usize> {
        let key = TransitionKey::parse(id)?;
        let transition = self.transition()?;
        let is_it = |run: &Run| {
            let same = run.operation().is_some_and(|operation| operation.id == id);
            same && run.assembly == *assembly
        };
        if key.transition == transition.number() {
            let index = transition.synapse_of(key.action)?;
            return self.run(index).filter(|run| is_it(run)).map(|_| index);
        }
        let mut runs = self.runs();
        runs.find(|(_, run)| is_it(run)).map(|(index, _)| index)
    }

    /// The number of the last transition; 0: there was none.
    pub(crate) fn last_number(&self) -> u64 {
        self.count
    }

    /// Edge idle → carrying out. Gives the transition. `leaving`: whose guests go down.
    pub(crate) fn begin(
        &mut self,
        graph: TransitionGraph,
        limits: Limits,
        reasons: BTreeMap<u32, String>,
        leaving: &BTreeSet<AssemblyId>,
        now_wall_us: u64,
    ) -> &Transition {
        assert!(
            self.current.is_none(),
            "invariant: one transition at a time"
        );
        let transition = self.prepare(graph, limits, leaving, now_wall_us);
        self.count = transition.number();
        let current = self.current.insert(Current {
            transition,
            runs: BTreeMap::new(),
            worked: false,
            reasons,
        });
        &current.transition
    }

    /// A transition that may come next. `leaving`: whose guests go down.
    pub(crate) fn prepare(
        &self,
        graph: TransitionGraph,
        limits: Limits,
        leaving: &BTreeSet<AssemblyId>,
        now_wall_us: u64,
    ) -> Transition {
        let mut transition = Transition::new(self.count + 1, graph, limits, now_wall_us);
        transition.let_go(leaving);
        transition
    }

    /// Edge aborted → carrying out: what is under way goes on in the next transition. `heirs`: the
    /// synapses of each operation under way, here and there. Gives how this one ended. Fencing goes
    /// on by itself.
    pub(crate) fn hand_over(
        &mut self,
        mut next: Transition,
        reasons: BTreeMap<u32, String>,
        heirs: &[(usize, usize)],
        now_wall_us: u64,
    ) -> Option<Finished> {
        let mut old = self.current.take()?;
        let mut runs = BTreeMap::new();
        for (from, to) in heirs {
            if let Some(run) = old.runs.remove(from) {
                next.take_over(*to);
                runs.insert(*to, run);
            }
        }
        assert!(
            old.transition.aborted().is_some() && old.runs.values().all(Run::is_of_assembly),
            "invariant: nothing that is under way is forgotten"
        );
        self.count = next.number();
        self.current = Some(Current {
            transition: next,
            worked: !runs.is_empty(),
            runs,
            reasons,
        });
        Some(self.note_end(&old, now_wall_us))
    }

    /// Edge carrying out → aborted: nothing more begins. If nothing is carried out, there is
    /// nothing to abort.
    pub(crate) fn abort(&mut self, reason: &str) {
        if let Some(transition) = self.transition_mut() {
            transition.abort(INFINITY, reason);
        }
    }

    /// Edge carrying out → aborted: an action failed, so that only what is more important than it
    /// still begins.
    pub(crate) fn abort_after(&mut self, index: usize, reason: &str) {
        if let Some(transition) = self.transition_mut() {
            let synapse = transition.graph().synapses.get(index);
            let priority = synapse.map_or(0, |synapse| synapse.priority);
            transition.abort(priority.saturating_add(1), reason);
        }
    }

    /// Whether what is under way has begun before its turn: it was taken over.
    pub(crate) fn is_early(&self, index: usize) -> bool {
        self.transition().is_some_and(|it| it.is_early(index))
    }

    /// What a synapse asks for. `None`: the graph does not say what its action is.
    pub(crate) fn step(&self, index: usize) -> Option<Step> {
        Step::of(self.transition()?.graph(), index)
    }

    /// The action of a synapse.
    pub(crate) fn action(&self, index: usize) -> Option<&GraphAction> {
        self.transition()?.graph().actions.get(index)
    }

    /// Why the policy engine wants the action of a synapse done.
    pub(crate) fn reason(&self, index: usize) -> Option<&String> {
        let current = self.current.as_ref()?;
        let synapse = self.transition()?.graph().synapses.get(index)?;
        current.reasons.get(&synapse.action)
    }

    /// An action begins.
    pub(crate) fn start(&mut self, index: usize, run: Run) {
        let current = self.current.as_mut();
        let current = current.expect("invariant: what begins belongs to a transition");
        current.transition.begin(index);
        current.runs.insert(index, run);
        current.worked = true;
    }

    /// An action is done as soon as it begins.
    pub(crate) fn pass(&mut self, index: usize) {
        if let Some(transition) = self.transition_mut() {
            transition.begin(index);
            transition.end(index, true);
        }
    }

    /// Ends an action, whether it was begun or not (an action of a lost node never will be). Gives
    /// what was under way.
    pub(crate) fn end(&mut self, index: usize, succeeded: bool) -> Option<Run> {
        let current = self.current.as_mut()?;
        current.transition.end(index, succeeded);
        current.runs.remove(&index)
    }

    /// The agent of an action has said that it waits for its start delay.
    pub(crate) fn wait(&mut self, index: usize) {
        let current = self.current.as_mut();
        if let Some(run) = current.and_then(|current| current.runs.get_mut(&index)) {
            run.waits = true;
        }
    }

    /// An action that was begun is not awaited: nothing of it was done. Gives what was under way.
    pub(crate) fn let_go(&mut self, index: usize) -> Option<Run> {
        let current = self.current.as_mut()?;
        let run = current.runs.remove(&index)?;
        current.transition.take_back(index);
        Some(run)
    }

    /// No abort forbids an action of the present transition.
    pub(crate) fn may_begin(&self, index: usize) -> bool {
        self.transition()
            .is_some_and(|transition| transition.may_begin(index))
    }

    /// An agent has an operation on a resource to do.
    pub(crate) fn works_on(&self, assembly: &AssemblyId, resource: &str) -> bool {
        self.runs().any(|(_, run)| {
            let operation = run.operation();
            run.assembly == *assembly
                && operation.is_some_and(|operation| operation.resource == resource)
        })
    }

    /// The transition is over: nothing may begin, and nothing is awaited. Fencing belongs to its
    /// assembly: an aborted transition need not wait for it.
    pub(crate) fn is_over(&self) -> bool {
        let Some(current) = &self.current else {
            return true;
        };
        let aborted = current.transition.aborted().is_some();
        let fences = |index| current.runs.get(&index).is_some_and(Run::is_of_assembly);
        let awaited = current
            .transition
            .running()
            .any(|index| !aborted || !fences(index));
        !awaited && current.transition.ready().is_empty()
    }

    /// By which definitions of its devices an assembly is to be let in. `None`: nobody waits.
    pub(crate) fn unfencing_of(&self, name: &AssemblyId) -> Option<&Digests> {
        let mut runs = self.runs().filter(|(_, run)| run.assembly == *name);
        runs.find_map(|(_, run)| run.unfences())
    }

    /// The transition goes on, and waits for nothing but assemblies that are being made safe, or
    /// let in.
    pub(crate) fn only_fences(&self) -> bool {
        let Some(current) = &self.current else {
            return false;
        };
        let mut running = current.transition.running().peekable();
        current.transition.aborted().is_none()
            && current.transition.ready().is_empty()
            && running.peek().is_some()
            && running.all(|index| current.runs.get(&index).is_some_and(Run::is_of_assembly))
    }

    /// Edges carrying out → idle and aborted → idle. `None`: it was idle already.
    pub(crate) fn finish(&mut self, now_wall_us: u64) -> Option<Finished> {
        assert!(
            self.is_over(),
            "invariant: a transition is over when nothing is awaited"
        );
        let current = self.current.take()?;
        Some(self.note_end(&current, now_wall_us))
    }

    /// Notes for the status how a transition ended.
    fn note_end(&mut self, current: &Current, now_wall_us: u64) -> Finished {
        let transition = &current.transition;
        let counts = transition.counts();
        let end = match transition.aborted() {
            Some(reason) => End::Aborted(reason.to_owned()),
            None if counts.failed + counts.skipped > 0 => End::Stuck,
            None => End::Completed,
        };
        let state = match end {
            End::Completed => TransitionState::Completed,
            End::Aborted(_) | End::Stuck => TransitionState::Aborted,
        };
        self.last = Some(TransitionStatus {
            completed: now_wall_us,
            ..status(transition, state)
        });
        Finished {
            number: transition.number(),
            counts,
            worked: current.worked,
            end,
        }
    }

    /// Edge from any state to idle: the deployment has ended, nothing is awaited any more.
    pub(crate) fn stop(&mut self) {
        self.current = None;
    }

    /// Boot time of the next action that is given up, µs.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.runs().filter_map(|(_, run)| run.deadline_us).min()
    }

    /// Gives all actions more time. `by_us`: how much, microseconds.
    pub(crate) fn extend_deadlines(&mut self, by_us: u64) {
        let current = self.current.iter_mut();
        for run in current.flat_map(|current| current.runs.values_mut()) {
            run.deadline_us = run.deadline_us.map(|deadline_us| deadline_us + by_us);
        }
    }

    /// An assembly takes one operation more (scheduler-spec/05 §18.4).
    pub(crate) fn has_room(&self, node: &AssemblyId) -> bool {
        let limits = self.limits();
        let work = || self.runs().filter(|(_, run)| !run.is_of_assembly());
        work().count() < limits.batch
            && work()
                .filter(|(_, run)| run.counts_in(node.as_str()))
                .count()
                < limits.node
    }

    /// A live migration may be under way at both its ends beside those that are.
    pub(crate) fn has_room_to_migrate(&self, action: &GraphAction) -> bool {
        let limits = self.limits();
        let ends = ["CRM_meta_migrate_source", "CRM_meta_migrate_target"];
        let mut nodes = ends.into_iter().filter_map(|end| action.attribute(end));
        nodes.all(|node| {
            let here = || self.runs().filter(|(_, run)| run.counts_in(node));
            let migrations = here().filter(|(_, run)| run.migrates()).count();
            migrations < limits.migrations && here().count() < limits.node
        })
    }

    fn limits(&self) -> Limits {
        self.transition()
            .map_or(Limits::NONE, |transition| transition.limits())
    }

    /// The transition under way, or else the last one, for people.
    pub(crate) fn status(&self) -> Option<TransitionStatus> {
        let Some(current) = &self.current else {
            return self.last.clone();
        };
        let running = current.runs.values().map(|run| {
            let (action, service) = match &run.work {
                Work::Operation(operation) => {
                    (operation.action.to_string(), operation.resource.clone())
                }
                Work::Cancel { resource, .. } => (Task::Cancel.to_string(), resource.clone()),
                Work::Fence => ("fence".into(), String::new()),
                Work::Unfence(_) => ("unfence".into(), String::new()),
            };
            RunningAction {
                action,
                service,
                assembly: run.assembly.to_string(),
                since: run.since_wall_us,
            }
        });
        Some(TransitionStatus {
            running: running.collect(),
            ..status(&current.transition, TransitionState::Running)
        })
    }

    /// What must always hold.
    pub(crate) fn check(&self) {
        let Some(current) = &self.current else { return };
        for (index, run) in &current.runs {
            assert!(
                current.transition.progress(*index) == Progress::Running,
                "invariant: action {index} on {} is under way",
                run.assembly
            );
        }
    }
}

fn status(transition: &Transition, state: TransitionState) -> TransitionStatus {
    let counts = transition.counts();
    TransitionStatus {
        number: transition.number(),
        state,
        started: transition.started_wall_us(),
        completed: 0,
        actions: counts.actions,
        done: counts.done,
        failed: counts.failed,
        running: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use policy_engine::{ActionHead, GraphAction, Synapse};

    use super::*;
    use crate::vocabulary::{MIGRATE_TARGET, Operation, dispatcher_uuid};

    /// A graph of starts, each in an assembly, without order between them.
    fn graph(nodes: &[&str]) -> TransitionGraph {
        let numbered = || (1_u32..).zip(nodes);
        let synapse = |(id, _): (u32, &&str)| Synapse {
            action: id,
            priority: 0,
            inputs: Vec::new(),
        };
        let head = |(id, node): (u32, &&str)| ActionHead {
            id,
            kind: ActionKind::Resource,
            mode: None,
            operation: "start".into(),
            operation_key: format!("r{id}_start_0").into(),
            internal_operation_key: None,
            on_node: Some((**node).into()),
            on_node_uuid: Some((**node).into()),
            router_node: None,
        };
        TransitionGraph {
            attributes: Vec::new(),
            synapses: numbered().map(synapse).collect(),
            actions: vec![GraphAction::default(); nodes.len()],
            heads: numbered().map(head).collect(),
        }
    }

    fn begun(nodes: &[&str], limits: Limits) -> Execution {
        let mut execution = Execution::default();
        let reasons = BTreeMap::from([(1, "it failed".to_owned())]);
        let transition = execution.begin(graph(nodes), limits, reasons, &BTreeSet::new(), 10);
        assert_eq!(transition.number(), 1);
        execution
    }

    fn run(assembly: &str, work: Work) -> Run {
        Run {
            assembly: assembly.into(),
            deadline_us: Some(100),
            since_wall_us: 0,
            delayed_until_us: 0,
            waits: false,
            work,
        }
    }

    fn operation(action: u32) -> Operation {
        let key = TransitionKey {
            action,
            transition: 1,
            expected_rc: 0,
            uuid: dispatcher_uuid(1),
        };
        Operation {
            id: key.to_string(),
            resource: format!("r{action}"),
            ..Operation::default()
        }
    }

    fn work(action: u32) -> Work {
        Work::Operation(Box::new(operation(action)))
    }

    #[test]
    fn a_transition_ends_when_all_is_done() {
        let mut execution = begun(&["a", "b"], Limits::default());
        assert_eq!(execution.reason(0).map(String::as_str), Some("it failed"));
        let step = execution.step(1).expect("the graph has it");
        assert_eq!((step.node.as_str(), step.task), ("b", Task::Start));
        execution.pass(1);
        execution.start(0, run("a", work(1)));
        let id = operation(1).id;
        assert_eq!(execution.run_of(&"a".into(), &id), Some(0));
        assert_eq!(execution.run_of(&"b".into(), &id), None);
        assert!(execution.works_on(&"a".into(), "r1"));
        assert!(!execution.is_over());
        execution.check();
        assert!(execution.end(0, true).is_some());
        assert!(execution.is_over());
        let finished = execution.finish(20).expect("it was under way");
        assert_eq!(finished.end, End::Completed);
        assert_eq!((finished.counts.actions, finished.counts.done), (2, 2));
        let status = execution.status().expect("the last one is remembered");
        assert_eq!((status.started, status.completed), (10, 20));
        assert!(execution.is_idle());
    }

    #[test]
    fn a_failure_leaves_it_stuck_and_an_abort_says_why() {
        let mut execution = begun(&["a"], Limits::default());
        execution.start(0, run("a", work(1)));
        execution.end(0, false);
        let finished = execution.finish(20).expect("it was under way");
        assert_eq!(finished.end, End::Stuck);

        let mut execution = begun(&["a", "b"], Limits::default());
        execution.start(0, run("a", work(1)));
        execution.abort_after(0, "it failed");
        assert!(!execution.may_begin(1));
        execution.end(0, false);
        let finished = execution.finish(20).expect("it was under way");
        assert_eq!(finished.end, End::Aborted("it failed".into()));
        assert_eq!(finished.counts.skipped, 1);
    }

    #[test]
    fn an_aborted_transition_waits_for_operations_and_not_for_fencing() {
        let mut execution = begun(&["a", "b"], Limits::default());
        execution.start(0, run("a", Work::Fence));
        execution.start(1, run("b", work(2)));
        execution.abort("node b is lost");
        assert!(!execution.is_over());
        execution.end(1, false);
        assert!(execution.is_over());
    }

    #[test]
    fn the_next_transition_takes_over_what_is_under_way() {
        let mut execution = begun(&["a", "b"], Limits::default());
        execution.start(0, run("a", work(1)));
        execution.start(1, run("b", Work::Fence));
        execution.abort("node b is lost");
        let next = execution.prepare(graph(&["c", "a"]), Limits::default(), &BTreeSet::new(), 30);
        let ended = execution.hand_over(next, BTreeMap::new(), &[(0, 1)], 30);
        let ended = ended.expect("one was under way");
        assert_eq!(ended.end, End::Aborted("node b is lost".into()));
        let number = execution.transition().map(Transition::number);
        assert_eq!(number, Some(2));
        assert_eq!(execution.run_of(&"a".into(), &operation(1).id), Some(1));
        assert_eq!(execution.runs().count(), 1, "fencing goes on by itself");
        execution.check();
        execution.pass(0);
        assert!(!execution.is_over());
        assert!(execution.end(1, true).is_some());
        let finished = execution.finish(40).expect("it was under way");
        assert_eq!(finished.end, End::Completed);
    }

    #[test]
    #[should_panic(expected = "nothing that is under way is forgotten")]
    fn it_forgets_nothing_that_is_under_way() {
        let mut execution = begun(&["a"], Limits::default());
        execution.start(0, run("a", work(1)));
        execution.abort("the document has changed");
        let next = execution.prepare(graph(&["b"]), Limits::default(), &BTreeSet::new(), 30);
        execution.hand_over(next, BTreeMap::new(), &[], 30);
    }

    #[test]
    #[should_panic(expected = "nothing is awaited")]
    fn it_does_not_finish_what_is_awaited() {
        let mut execution = begun(&["a"], Limits::default());
        execution.start(0, run("a", work(1)));
        execution.finish(20);
    }

    #[test]
    #[should_panic(expected = "one transition at a time")]
    fn it_does_not_begin_a_second_transition() {
        let mut execution = begun(&["a"], Limits::default());
        let (reasons, leaving) = (BTreeMap::new(), BTreeSet::new());
        execution.begin(graph(&["a"]), Limits::default(), reasons, &leaving, 0);
    }

    #[test]
    fn operations_are_limited_in_all_and_in_each_assembly_and_fencing_is_not() {
        let limits = Limits {
            batch: 2,
            node: 1,
            migrations: 1,
        };
        let mut execution = begun(&["a", "b", "c"], limits);
        let rooms =
            |execution: &Execution| ["a", "b", "c"].map(|node| execution.has_room(&node.into()));
        execution.start(2, run("c", Work::Fence));
        assert_eq!(rooms(&execution), [true, true, true]);
        execution.start(0, run("a", work(1)));
        assert_eq!(rooms(&execution), [false, true, true]);
        execution.start(1, run("b", work(2)));
        assert_eq!(rooms(&execution), [false, false, false]);
    }

    #[test]
    fn a_migration_counts_at_both_its_ends() {
        let mut migration = operation(1);
        let target = (MIGRATE_TARGET.to_owned(), "b".to_owned());
        migration.annotations.extend([target]);
        let migration = run("a", Work::Operation(Box::new(migration)));
        assert!(migration.migrates());
        assert!(migration.counts_in("a") && migration.counts_in("b"));
        assert!(!migration.counts_in("c"));
    }

    #[test]
    fn deadlines_can_be_extended() {
        let mut execution = begun(&["a"], Limits::default());
        assert_eq!(execution.deadline(), None);
        execution.start(0, run("a", work(1)));
        execution.extend_deadlines(50);
        assert_eq!(execution.deadline(), Some(150));
        execution.stop();
        assert_eq!(execution.deadline(), None);
    }
}
