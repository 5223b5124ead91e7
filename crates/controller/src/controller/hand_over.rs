//! What is decided while operations are under way.
//!
//! ```text
//!                      each operation under way is in the new graph
//!  aborted ── asked ──┬─────────────────────────────────────────────▶ the next transition begins
//!     ▲               │ one is not, or that is not certain             with them under way
//!     └───────────────┴──▶ what is to be fenced is fenced; the rest waits until one has ended
//! ```
//!
//! A start may take a minute, and an assembly may be lost meanwhile. What is wanted then is carried
//! out beside the start, if it is certain that the policy engine wants that start too:
//! [`crate::machines::hand_over`] says what the graph must be like. Fencing waits for nothing.

use std::collections::BTreeMap;

use super::Controller;
use crate::machines::assembly::Assembly;
use crate::machines::execution::{Finished, Step};
use crate::machines::facts::Departure;
use crate::machines::hand_over;
use crate::machines::run::Run;
use crate::machines::transition::Transition;
use crate::vocabulary::{AssemblyId, Decision, Operation, RecordState, Time};

impl Controller {
    /// Asks what is to be done now, although operations are under way.
    pub(crate) fn ask_beside_work(&mut self, now: Time) {
        let transition = self.execution.transition();
        let aborted = transition.is_some_and(|it| it.aborted().is_some());
        if aborted && self.deciding.is_due_beside_work() {
            self.ask_engine(now);
        }
    }

    /// Takes a decision in while operations are under way. One that cannot be carried out, or about
    /// which something is wrong, is made again when they have ended; what is wrong is told at once.
    pub(crate) fn decided_beside_work(&mut self, now: Time, decision: Decision, asked_for: &str) {
        let cib = &decision.input.cib;
        let outcome = match decision.outcome {
            Ok(outcome) if !self.is_unsafe(now, cib, &outcome) => Some(outcome),
            Ok(_) => None,
            Err(error) => {
                self.decision_failed(now, cib, error);
                None
            }
        };
        let Some(mut outcome) = outcome else {
            self.deciding.postpone(asked_for);
            return;
        };
        let graph = std::mem::take(&mut outcome.graph);
        let (limits, leaving) = (outcome.limits, self.leaving());
        let next = self.execution.prepare(graph, limits, &leaving, now.wall_us);
        let is_well = outcome.findings.is_empty();
        let may = is_well && !self.is_looking() && !self.fences_unlooked(&next);
        let Some(heirs) = self.heirs(&next).filter(|_| may) else {
            self.deciding.postpone(asked_for);
            self.fence_beside_work(now, &next, &outcome.reasons);
            return;
        };
        self.accept(&mut outcome);
        let reasons = std::mem::take(&mut outcome.reasons);
        let count = heirs.len();
        let ended = self.execution.hand_over(next, reasons, &heirs, now.wall_us);
        if let Some(ended) = ended {
            self.tell_taken_over(now, &ended, count);
        }
        self.tell_beginning(now, asked_for, cib, outcome.graph_text, count);
    }

    fn tell_taken_over(&mut self, now: Time, ended: &Finished, count: usize) {
        if ended.counts.actions > 0 {
            let event = super::execute::how_it_ended(ended);
            self.tell(now, event.detail("taken_over", count));
        }
    }

    /// The synapses of each operation under way, in the present transition and in the next one.
    /// `None`: not each is to go on in that, or that is not certain.
    fn heirs(&self, next: &Transition) -> Option<Vec<(usize, usize)>> {
        let present = self.execution.transition()?;
        if present.may_still_begin() || self.delays_are_awaited() {
            return None;
        }
        // What migrates live is settled between transitions.
        let mut facts = self.store.assemblies().values();
        if facts.any(|facts| !facts.arrivals.is_empty()) {
            return None;
        }
        let work = self
            .execution
            .runs()
            .filter(|(_, run)| !run.is_of_assembly());
        work.map(|(index, run)| {
            let heir = hand_over::heir(next, run)?;
            let goes_on = self.carries_on(&run.assembly) && self.is_same(next, heir, run);
            goes_on.then_some((index, heir))
        })
        .collect()
    }

    /// Some agent has an operation that waits for its start delay, and may take it back.
    fn delays_are_awaited(&self) -> bool {
        let mut records = self
            .assemblies
            .values()
            .flat_map(|it| it.history().records());
        records.any(|record| {
            record.state == RecordState::Pending
                && record.operation.interval_ms == 0
                && record.operation.start_delay_ms() > 0
        })
    }

    /// An assembly is there and stays there, as far as one knows.
    fn carries_on(&self, name: &AssemblyId) -> bool {
        let facts = self.store.assemblies().get(name);
        let stays = facts.is_none_or(|facts| facts.departure == Departure::None && !facts.in_doubt);
        let stays = stays && self.to_be_restarted(name).is_none();
        let own = self.assemblies.get(name);
        stays && own.is_some_and(|own| own.reachable())
    }

    /// What an agent does is what the synapse of the next transition would ask it for.
    fn is_same(&self, next: &Transition, heir: usize, run: &Run) -> bool {
        let (graph, under_way) = (next.graph(), run.operation());
        let (Some(step), Some(action)) = (Step::of(graph, heir), graph.actions.get(heir)) else {
            return false;
        };
        under_way.is_some_and(|under_way| {
            let wanted = Operation {
                id: under_way.id.clone(),
                ..self.operation(action, &step)
            };
            wanted == *under_way && under_way.start_delay_ms() == 0
        })
    }

    /// Begins the fencing of a decision that is not carried out yet: fencing belongs to the
    /// assembly, and the next decision finds it under way.
    fn fence_beside_work(&mut self, now: Time, next: &Transition, reasons: &BTreeMap<u32, String>) {
        for index in hand_over::first_fencing(next) {
            let graph = next.graph();
            if let (Some(step), Some(action)) = (Step::of(graph, index), graph.actions.get(index))
                && !self.is_to_be_looked_at(&step.node)
            {
                let reason = reasons.get(&step.action).cloned();
                self.fence_as_wanted(now, &step.node, action, reason);
            }
        }
    }

    /// A transition fences an assembly for what may be over.
    fn fences_unlooked(&self, next: &Transition) -> bool {
        let steps = hand_over::fencing(next).filter_map(|index| Step::of(next.graph(), index));
        let mut nodes = steps.map(|step| step.node);
        nodes.any(|node| self.is_to_be_looked_at(&node))
    }

    /// A person has said that what failed in an assembly is over, and that is looked at when
    /// nothing is under way. Until then the policy engine hears of it, and would have the assembly
    /// fenced once more: nothing could end that where its mode is `none`. One that is silent, or to
    /// be restarted, waits for no look.
    fn is_to_be_looked_at(&self, name: &AssemblyId) -> bool {
        let own = self.assemblies.get(name);
        let answers = own.is_some_and(Assembly::reachable) && self.to_be_restarted(name).is_none();
        let mut marked = self.store.failures().iter();
        answers && marked.any(|((assembly, _), facts)| assembly == name && facts.is_due())
    }
}
