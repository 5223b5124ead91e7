//! When the policy engine is asked, and what its answer begins.
//!
//! One question is open at a time. If the world changes meanwhile, the answer is worth nothing, and
//! the question is asked again about the world as it is then.

use super::Controller;
use crate::machines::transition::{INFINITY, Transition};
use crate::vocabulary::{
    Decision, Effect, EngineInput, EventDraft, EventKind, InputName, SECOND, Time,
};

/// The policy engine is asked this often in a row before the controller slows down: something is
/// wrong then.
const BUSY_LIMIT: u32 = 24;
/// Longest pause between two transitions of a controller that does not come to rest. Microseconds.
const LONGEST_PAUSE_US: u64 = 30 * SECOND;

/// The question that is open.
#[derive(Debug)]
pub(crate) struct Asked {
    number: u64,
    /// Why it was asked.
    reason: String,
}

impl Controller {
    /// Something that the policy engine should know has changed: what is planned is not continued.
    pub(crate) fn world_changed(&mut self, reason: &str) {
        self.changed.get_or_insert_with(|| reason.to_owned());
        if let Some(transition) = &mut self.transition {
            transition.abort(INFINITY, reason);
        }
    }

    /// There is nothing to do and nothing to decide.
    pub(crate) fn idle(&self) -> bool {
        self.transition.is_none() && self.changed.is_none() && self.asked.is_none()
    }

    /// Puts the question what is to be done now, if there is reason to.
    pub(crate) fn ask(&mut self, now: Time) {
        let may = self.asked.is_none() && self.everything_known();
        if self.changed.is_none() || !may || self.paused(now) {
            return;
        }
        self.questions += 1;
        self.asked = Some(Asked {
            number: self.questions,
            reason: self.changed.take().unwrap_or_default(),
        });
        self.last_question_us = now.boottime_us;
        self.effects.push(Effect::Decide(EngineInput {
            number: self.questions,
            cib: self.cib(now),
            now_s: now.wall_s(),
        }));
    }

    /// A controller that does not come to rest takes a pause before it asks again.
    fn paused(&mut self, now: Time) -> bool {
        if self.busy < BUSY_LIMIT {
            return false;
        }
        let pause = ((SECOND / 10) << (self.busy - BUSY_LIMIT).min(9)).min(LONGEST_PAUSE_US);
        let until_us = self.last_question_us + pause;
        self.resume_at_us = (until_us > now.boottime_us).then_some(until_us);
        self.resume_at_us.is_some()
    }

    /// Takes a decision in.
    pub(crate) fn decided(&mut self, now: Time, decision: Decision) {
        let number = decision.number;
        let Some(asked) = self.asked.take_if(|asked| asked.number == number) else {
            return;
        };
        if self.changed.is_some() {
            // the first reason is still the one that nothing was done about
            self.changed = Some(asked.reason);
            return;
        }
        let outcome = match decision.outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                self.engine_error = Some(error);
                return;
            }
        };
        if self.refuses(now, &asked.reason, &outcome) {
            return;
        }
        self.engine_error = None;
        self.start_failure_is_fatal = outcome.start_failure_is_fatal;
        self.goal = outcome.goal;
        self.recheck_at_s = outcome.recheck_at_s;
        let graph = outcome.graph;
        if graph.synapses.is_empty() {
            self.busy = 0;
            self.deadlocked = false;
            self.settle_services(now);
            return;
        }
        self.busy += 1;
        self.transitions += 1;
        self.reasons = outcome.reasons;
        self.effects.push(Effect::KeepInput {
            name: InputName::Transition(self.transitions),
            cib: outcome.cib,
            graph: outcome.graph_text,
        });
        let transition = Transition::new(self.transitions, graph, outcome.limits, now.wall_us);
        let actions = transition.counts().actions;
        if actions > 0 {
            self.tell(
                now,
                EventDraft::new(EventKind::TransitionStarted)
                    .reason(&asked.reason)
                    .detail("transition", self.transitions)
                    .detail("actions", actions),
            );
        }
        self.transition = Some(transition);
    }
}
