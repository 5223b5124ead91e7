//! What goes out: effects in the order in which a shell does them.
//!
//! ```text
//!  push ──▶ effects of the present input ──▶ flush ──▶ queue ──▶ poll
//! ```
//!
//! While an input is taken in, its effects are collected. At its end the changed facts go into the
//! queue first, as one [`Effect::Persist`], and then the collected effects: nothing follows from a
//! fact that is not durable.

use std::collections::VecDeque;

use cpe_status::DpeState;

use crate::vocabulary::{Change, Effect, Event};

/// Effects that a shell has still to do, and the numbers and texts that only they carry.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Effects of the present input, apart from Persist.
    present: Vec<Effect>,
    /// Effects of the inputs before, which the shell has not taken yet.
    queue: VecDeque<Effect>,
    /// Events since the start: their ids are made of it.
    events: u64,
    /// Fencing attempts since the start.
    fence_attempts: u64,
    /// Streams to agents that were asked for since the start.
    connects: u64,
    /// State and summary as the shell learned them last.
    published: (DpeState, String),
}

impl Outgoing {
    /// Nothing goes out yet.
    pub(crate) fn new() -> Outgoing {
        Outgoing {
            present: Vec::new(),
            queue: VecDeque::new(),
            events: 0,
            fence_attempts: 0,
            connects: 0,
            published: (DpeState::Empty, String::new()),
        }
    }

    /// Adds an effect to those of the present input.
    pub(crate) fn push(&mut self, effect: Effect) {
        self.present.push(effect);
    }

    /// The number of the next event, from 1.
    pub(crate) fn number_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    /// The number of the next fencing attempt, from 1.
    pub(crate) fn number_fence_attempt(&mut self) -> u64 {
        self.fence_attempts += 1;
        self.fence_attempts
    }

    /// The number of the next stream to an agent, from 1.
    pub(crate) fn number_connect(&mut self) -> u64 {
        self.connects += 1;
        self.connects
    }

    /// The shell may have to learn that state, or a new summary. A summary alone is no reason to
    /// wake the shell: what is waited for changes every second.
    pub(crate) fn publishes(&self, state: DpeState) -> bool {
        state != self.published.0 || !self.present.is_empty()
    }

    /// Has the shell learn the state, or a new summary of the same state.
    pub(crate) fn publish(&mut self, state: DpeState, summary: String) {
        let (old_state, old_summary) = &self.published;
        if !self.publishes(state) || state == *old_state && summary == *old_summary {
            return;
        }
        self.published = (state, summary.clone());
        self.present.push(Effect::StatusChanged { state, summary });
    }

    /// Ends the present input: the changed facts, then its effects.
    pub(crate) fn flush(&mut self, changes: Vec<Change>) {
        let facts = (!changes.is_empty()).then_some(Effect::Persist(changes));
        self.queue.extend(facts);
        self.queue.extend(self.present.drain(..));
    }

    /// Events of an earlier start which the log does not have yet. They are facts already, so
    /// they need no flush.
    pub(crate) fn tell_again(&mut self, events: impl IntoIterator<Item = Event>) {
        self.queue.extend(events.into_iter().map(Effect::Event));
    }

    /// The next effect for the shell.
    pub(crate) fn poll(&mut self) -> Option<Effect> {
        self.queue.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> Change {
        Change {
            key: "epoch".into(),
            value: Some("1".into()),
        }
    }

    #[test]
    fn facts_go_before_everything_that_follows_from_them() {
        let mut outgoing = Outgoing::new();
        outgoing.push(Effect::Unloaded);
        assert_eq!(outgoing.poll(), None, "nothing before the input's end");
        outgoing.flush(vec![change()]);
        assert_eq!(outgoing.poll(), Some(Effect::Persist(vec![change()])));
        assert_eq!(outgoing.poll(), Some(Effect::Unloaded));
        assert_eq!(outgoing.poll(), None);
    }

    #[test]
    fn without_changed_facts_nothing_is_to_be_saved() {
        let mut outgoing = Outgoing::new();
        outgoing.flush(Vec::new());
        assert_eq!(outgoing.poll(), None);
    }

    #[test]
    fn a_state_is_published_at_once_and_a_summary_beside_other_effects() {
        let mut outgoing = Outgoing::new();
        let summary = |text: &str| Effect::StatusChanged {
            state: DpeState::Active,
            summary: text.into(),
        };
        outgoing.publish(DpeState::Active, "one".into());
        outgoing.publish(DpeState::Active, "one".into());
        outgoing.flush(Vec::new());
        assert_eq!(outgoing.poll(), Some(summary("one")));
        outgoing.publish(DpeState::Active, "two".into());
        outgoing.flush(Vec::new());
        assert_eq!(outgoing.poll(), None, "nothing else happened");
        outgoing.push(Effect::Unloaded);
        outgoing.publish(DpeState::Active, "two".into());
        outgoing.flush(Vec::new());
        assert_eq!(outgoing.poll(), Some(Effect::Unloaded));
        assert_eq!(outgoing.poll(), Some(summary("two")));
    }

    #[test]
    fn numbers_count_from_one_each_for_itself() {
        let mut outgoing = Outgoing::new();
        assert_eq!((outgoing.number_event(), outgoing.number_event()), (1, 2));
        assert_eq!(outgoing.number_fence_attempt(), 1);
        assert_eq!(outgoing.number_connect(), 1);
    }
}
