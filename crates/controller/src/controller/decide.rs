//! When the policy engine is asked, and what its answer begins.

use std::collections::BTreeSet;

use super::Controller;
use crate::machines::deciding::{Answer, Recheck};
use crate::machines::facts::Departure;
use crate::machines::phase::Phase;
use crate::vocabulary::{
    AssemblyId, Decision, Effect, EngineInput, EventDraft, EventKind, InputName, Outcome, Time,
    does_nothing,
};

impl Controller {
    /// Something that the policy engine should know has changed: what is planned is not continued.
    pub(crate) fn world_changed(&mut self, reason: &str) {
        self.deciding.world_changed(reason);
        self.execution.abort(reason);
    }

    /// The same of a value that a tool in a guest has set. Of values that change all the time only
    /// some abort what is carried out.
    pub(crate) fn value_changed(&mut self, now: Time, reason: &str) {
        if self.deciding.value_changed(reason, now.boottime_us) {
            self.execution.abort(reason);
        }
    }

    /// Changes of values that have waited long enough count, and those that came while it was
    /// decided: after what may begin has begun, so that a transition gets on at least by its next
    /// actions, however often values change.
    pub(crate) fn age_values(&mut self, now: Time) {
        let damped = self.age_attributes(now);
        let waited = self.deciding.take_due_values(now.boottime_us);
        let overtaken = self.deciding.take_overtaken();
        if let Some(reason) = overtaken.as_ref().or(waited.as_ref()) {
            match overtaken.is_some() {
                true => self.world_changed(reason),
                false => self.execution.abort(reason),
            }
        }
        if damped || waited.is_some() || overtaken.is_some() {
            self.advance(now);
        }
    }

    /// There is nothing to do and nothing to decide.
    pub(crate) fn idle(&self) -> bool {
        self.execution.is_idle() && self.deciding.is_settled()
    }

    /// Boot time at which the policy engine is asked again although nothing has changed, µs. Only
    /// what rests is rechecked: a transition under way ends first.
    pub(crate) fn recheck_deadline(&self) -> Option<u64> {
        let rests = self.phase == Phase::Serving && self.document.spec().is_some() && self.idle();
        let ends_us = self.deciding.recheck_interval_ends_us();
        ends_us.filter(|_| rests)
    }

    /// Has the policy engine asked again when the time has come.
    pub(crate) fn age_decision(&mut self, now: Time) {
        if self.deciding.recheck_is_due(now.wall_s()) {
            self.world_changed("the time has come that the policy engine named");
        }
        if self.deciding.clock_was_set_back(now.wall_s()) {
            self.world_changed("the clock was set back");
        }
        let due_us = self.recheck_deadline();
        if due_us.is_some_and(|due_us| due_us <= now.boottime_us) {
            self.world_changed("the recheck interval is over");
        }
    }

    /// The host has another time zone, in which rules may hold that did not, and the other way
    /// round.
    pub(crate) fn host_time_zone_is(&mut self, zone: Option<String>) {
        if self.deciding.set_host_time_zone(zone) {
            self.world_changed("the time zone of the host has changed");
        }
    }

    /// Asks what is to be done now, if there is reason to.
    pub(crate) fn ask(&mut self, now: Time) {
        if self.deciding.is_due() {
            self.ask_engine(now);
        }
    }

    /// Asks, if the policy engine may be asked now.
    pub(super) fn ask_engine(&mut self, now: Time) {
        let may = self.phase == Phase::Serving && self.everything_known();
        if !may || self.deciding.pauses(now.boottime_us) {
            return;
        }
        if self.execution.is_idle() {
            self.look_for_arrivals();
            self.look_at_what_waited();
        }
        self.note_attributes(now);
        self.correct_failures(now);
        let placed = self.placed_moves();
        let without = self.without(now, &placed);
        self.deciding.judges(placed);
        let number = self.deciding.ask(now);
        self.effects.push(Effect::Decide(EngineInput {
            number,
            cib: self.cib(now).into(),
            now_s: now.wall_s(),
            without,
        }));
    }

    /// The answer to that question is used if it comes now. Else the world has changed since, or
    /// the deployment has ended: any answer is dropped, so that it need not be found.
    pub fn awaits(&self, question: &EngineInput) -> bool {
        self.deciding.awaits(question.number())
    }

    /// Takes a decision in.
    pub(crate) fn decided(&mut self, now: Time, decision: Decision) {
        let Answer::Fresh(asked_for) = self.deciding.answered(decision.input.number) else {
            return;
        };
        if !self.execution.is_idle() {
            self.decided_beside_work(now, decision, &asked_for);
            return;
        }
        let mut outcome = match decision.outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                self.decision_failed(now, &decision.input.cib, error);
                return;
            }
        };
        if self.refuses(now, &asked_for, &decision.input.cib, &outcome) {
            return;
        }
        if self.is_looking() {
            match self.decided_while_looking(now, &decision.input, outcome, &asked_for) {
                Some(rest) => outcome = rest,
                None => return,
            }
        }
        self.accept(&mut outcome);
        if does_nothing(&outcome.graph) {
            self.deciding.came_to_rest();
            self.deciding.set_deadlocked(false);
            self.settle_services(now);
            self.end_spent(now, outcome.spent);
            return;
        }
        self.begin_transition(now, &asked_for, &decision.input.cib, outcome);
    }

    /// What was decided counts from now on.
    pub(super) fn accept(&mut self, outcome: &mut Outcome) {
        self.note_waiting(&mut outcome.goal);
        self.deciding.accept(
            (
                std::mem::take(&mut outcome.goal),
                std::mem::take(&mut outcome.terms),
            ),
            Recheck::of(outcome),
            outcome.start_failure_is_fatal,
        );
    }

    pub(super) fn begin_transition(
        &mut self,
        now: Time,
        asked_for: &str,
        cib: &str,
        outcome: Outcome,
    ) {
        let Outcome {
            graph,
            limits,
            reasons,
            graph_text,
            ..
        } = outcome;
        let leaving = self.leaving();
        self.execution
            .begin(graph, limits, reasons, &leaving, now.wall_us);
        self.tell_beginning(now, asked_for, cib, graph_text, 0);
    }

    /// Whose guests go down.
    pub(super) fn leaving(&self) -> BTreeSet<AssemblyId> {
        let facts = self.store.assemblies().iter();
        let leaving = facts.filter(|(_, facts)| facts.departure == Departure::Leaving);
        leaving.map(|(name, _)| name.clone()).collect()
    }

    /// A transition begins. `taken_over`: how many operations go on in it.
    pub(super) fn tell_beginning(
        &mut self,
        now: Time,
        asked_for: &str,
        cib: &str,
        graph: String,
        taken_over: usize,
    ) {
        self.deciding.transition_began();
        let Some(transition) = self.execution.transition() else {
            return;
        };
        let (number, actions) = (transition.number(), transition.counts().actions);
        self.effects.push(Effect::KeepInput {
            name: InputName::Transition(number),
            cib: cib.to_owned(),
            graph,
        });
        if actions == 0 {
            return;
        }
        let mut event = EventDraft::new(EventKind::TransitionStarted)
            .reason(asked_for)
            .detail("transition", number)
            .detail("actions", actions);
        if taken_over > 0 {
            event = event.detail("taken_over", taken_over);
        }
        self.tell(now, event);
    }
}
