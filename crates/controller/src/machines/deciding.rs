//! When the policy engine is asked, and what it decided last.
//!
//! ```text
//!               the world changes           ask             the world changes
//!  ┌─────────┐ ──────────────────▶ ┌─────┐ ─────▶ ┌───────┐ ────────────────▶ ┌───────┐
//!  │ settled │                     │ due │        │ asked │                   │ stale │
//!  └─────────┘ ◀────────────────┐  └─────┘        └───┬───┘                   └───┬───┘
//!                        answer │     ▲               │                    answer │
//!                               └─────┼───────────────┘                           │
//!                                     └───────────────────────────────────────────┘
//! ```
//!
//! One input is with the policy engine at a time. If the world changes meanwhile, its answer is
//! worth nothing, and it is asked again about the world as it is then. If nothing but values of
//! tools in guests changed, and that again and again, the answer is taken all the same, as if they
//! had changed after it: else a tool that sets values all the time would keep everything from being
//! decided. An answer that is refused,
//! or an error in its place, leads to *settled* as any other: the same input would bring the same
//! answer, so that the next question waits for a change, or for the recheck interval. Meanwhile
//! [`Deciding::error`] says what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::model::Turn;

use super::burst::Burst;
use super::room::RoomWatch;
use crate::vocabulary::{Goal, MS, Outcome, OverlayKey, SECOND, ServiceId, Terms, Time};

/// The policy engine is asked this often in a row before the controller slows down: something is
/// wrong then.
const BUSY_LIMIT: u32 = 24;
/// First pause of a controller that does not come to rest; doubled by each further transition.
/// Microseconds.
const FIRST_PAUSE_US: u64 = SECOND / 10;
/// Longest pause between two transitions of a controller that does not come to rest. Microseconds.
const LONGEST_PAUSE_US: u64 = 30 * SECOND;
/// The policy engine is asked again after this time although nothing has changed, unless the
/// document says otherwise: Pacemaker's default of `cluster-recheck-interval`. Microseconds.
const RECHECK_INTERVAL_US: u64 = 15 * 60 * SECOND;
/// No configuration can have it asked more often without a change. Microseconds.
const SHORTEST_RECHECK_US: u64 = SECOND;
/// So many answers in a row are worthless because of changed values; the next one is taken.
const MOST_DROPPED: u32 = 3;
/// Inputs of refused decisions that are kept.
const REFUSED_KEPT: u64 = 4;

/// Whether the policy engine is to be asked, and why.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// What was decided is still right.
    Settled,
    /// The world has changed: why.
    Due(String),
    /// An input is with the policy engine.
    Asked { number: u64, reason: String },
    /// As asked, but the world has changed since.
    Stale {
        number: u64,
        reason: String,
        /// Why, if only values have changed that tools in guests set.
        by_values: Option<String>,
    },
}

/// What an answer is worth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is about the world as it is. Why it was asked for.
    Fresh(String),
    /// It is about a world that has changed since, or nobody waits for it.
    Worthless,
}

/// When the policy engine may decide otherwise although nothing has changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recheck {
    /// From then on, epoch seconds, and why.
    pub at_s: Option<(i64, Turn)>,
    /// The interval in milliseconds; 0: never.
    pub interval_ms: u32,
}

impl Recheck {
    /// As a decision says.
    pub(crate) fn of(outcome: &Outcome) -> Recheck {
        Recheck {
            at_s: outcome.recheck_at_s,
            interval_ms: outcome.recheck_interval_ms,
        }
    }
}

/// Questions to the policy engine, and its last answer.
#[derive(Debug)]
pub(crate) struct Deciding {
    state: State,
    /// When changes of values count.
    burst: Burst,
    /// Answers in a row that were worthless.
    dropped: u32,
    /// The last answer could not be carried out beside what is under way: it is asked again when
    /// some of that has ended, or when the world changes.
    postponed: bool,
    /// The last answer was taken although values had changed: why it is to be asked again.
    overtaken: Option<String>,
    /// Inputs so far, from which they have their numbers.
    inputs: u64,
    /// An assembly was lost since it was last asked: no pause may delay that.
    urgent: bool,
    /// Boot time at which it was last asked, µs.
    last_asked_us: u64,
    /// Transitions since the controller last came to rest.
    busy: u32,
    /// Boot time at which a pause ends, µs.
    resume_at_us: Option<u64>,
    /// Wall clock of the last question, epoch seconds. `None`: that the clock was set back since is
    /// known.
    asked_at_s: Option<i64>,
    /// Where rules read the clock that the document leaves to the host.
    host_time_zone: Option<String>,
    /// Wall clock, epoch seconds: the policy engine may decide otherwise from then on. And why.
    recheck_at_s: Option<(i64, Turn)>,
    /// After this time the policy engine is asked again although nothing has changed, µs; 0: never.
    /// Everything that time changes is named by [`Deciding::recheck_at_s`]; this is for what
    /// documents expect of Pacemaker.
    recheck_interval_us: u64,
    /// The actions of the last transition wait for each other: nothing is to migrate live until a
    /// transition is carried out.
    deadlocked: bool,
    /// Why nothing is done about the last change.
    error: Option<String>,
    /// Decisions that were refused.
    refusals: u64,
    /// What the last decision wants, by service.
    goal: BTreeMap<ServiceId, Goal>,
    /// By which terms it was made.
    terms: Terms,
    start_failure_is_fatal: bool,
    /// Entries of the overlay of which was asked whether they can go since the world has changed.
    judged: BTreeSet<OverlayKey>,
    /// Whether there would be room after a loss.
    room: RoomWatch,
}

impl Deciding {
    /// Nothing was decided yet.
    pub(crate) fn new() -> Deciding {
        Deciding {
            state: State::Settled,
            burst: Burst::default(),
            dropped: 0,
            postponed: false,
            overtaken: None,
            inputs: 0,
            urgent: false,
            last_asked_us: 0,
            asked_at_s: None,
            host_time_zone: None,
            busy: 0,
            resume_at_us: None,
            recheck_at_s: None,
            recheck_interval_us: RECHECK_INTERVAL_US,
            deadlocked: false,
            error: None,
            refusals: 0,
            goal: BTreeMap::new(),
            terms: Terms::default(),
            start_failure_is_fatal: true,
            judged: BTreeSet::new(),
            room: RoomWatch::default(),
        }
    }

    /// Whether there would be room after a loss.
    pub(crate) fn room(&self) -> &RoomWatch {
        &self.room
    }

    /// The same, to ask and to hear.
    pub(crate) fn room_mut(&mut self) -> &mut RoomWatch {
        &mut self.room
    }

    /// The question is also whether these entries of the overlay can go.
    pub(crate) fn judges(&mut self, entries: BTreeSet<OverlayKey>) {
        self.judged.extend(entries);
    }

    /// As [`Deciding::world_changed`], but the world is as it was: only about entries of the
    /// overlay is more to be asked.
    pub(crate) fn judge_more(&mut self, reason: &str) {
        let judged = std::mem::take(&mut self.judged);
        self.world_changed(reason);
        self.judged = judged;
    }

    /// Whether that was asked of an entry since the world has changed.
    pub(crate) fn has_judged(&self, entry: &OverlayKey) -> bool {
        self.judged.contains(entry)
    }

    /// What was decided is still right: there is no reason to ask, and no answer to wait for.
    pub(crate) fn is_settled(&self) -> bool {
        self.state == State::Settled
    }

    /// There is a reason to ask, and no answer to wait for.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self.state, State::Due(_))
    }

    /// Edge from any state: the policy engine should know of a change. The first reason is kept,
    /// since it is the one that nothing was done about.
    pub(crate) fn world_changed(&mut self, reason: &str) {
        self.postponed = false;
        self.judged.clear();
        self.state = match std::mem::replace(&mut self.state, State::Settled) {
            State::Settled => State::Due(reason.to_owned()),
            State::Asked { number, reason } | State::Stale { number, reason, .. } => State::Stale {
                number,
                reason,
                by_values: None,
            },
            other @ State::Due(_) => other,
        };
    }

    /// Something that was under way has begun or ended as it was planned. That is no reason to ask,
    /// but an answer about the time before is worth nothing.
    pub(crate) fn work_changed(&mut self) {
        self.postponed = false;
        if let State::Asked { reason, .. } | State::Stale { reason, .. } = &self.state {
            let reason = reason.clone();
            self.world_changed(&reason);
        }
    }

    /// The answer about a change could not be carried out beside what is under way.
    pub(crate) fn postpone(&mut self, reason: &str) {
        self.world_changed(reason);
        self.postponed = true;
    }

    /// There is a reason to ask although operations are under way.
    pub(crate) fn is_due_beside_work(&self) -> bool {
        self.is_due() && !self.postponed
    }

    /// As [`Deciding::world_changed`], of a value that a tool in a guest has set. `now_us`: boot
    /// time. `false`: many have changed; this one counts later, with others.
    pub(crate) fn value_changed(&mut self, reason: &str, now_us: u64) -> bool {
        let counts = self.burst.comes(now_us, reason);
        if counts {
            self.values_changed(reason);
        }
        counts
    }

    /// Changes of values that have waited count now. Why, if there are any.
    pub(crate) fn take_due_values(&mut self, now_us: u64) -> Option<String> {
        let reason = self.burst.take_due(now_us)?;
        self.values_changed(&reason);
        Some(reason)
    }

    /// Boot time at which changes of values count that wait, µs.
    pub(crate) fn values_count_at_us(&self) -> Option<u64> {
        self.burst.deadline()
    }

    fn values_changed(&mut self, reason: &str) {
        match std::mem::replace(&mut self.state, State::Settled) {
            State::Asked {
                number,
                reason: asked_for,
            } => {
                self.state = State::Stale {
                    number,
                    reason: asked_for,
                    by_values: Some(reason.to_owned()),
                };
            }
            stale @ State::Stale { .. } => self.state = stale,
            other => {
                self.state = other;
                self.world_changed(reason);
            }
        }
    }

    /// The answer that was taken last is about values that have changed since: why it is to be
    /// asked again. It comes once.
    pub(crate) fn take_overtaken(&mut self) -> Option<String> {
        self.overtaken.take()
    }

    /// Edge due → asked. Gives the number of the input.
    pub(crate) fn ask(&mut self, now: Time) -> u64 {
        let reason = match std::mem::replace(&mut self.state, State::Settled) {
            State::Due(reason) => Some(reason),
            State::Settled | State::Asked { .. } | State::Stale { .. } => None,
        };
        let reason = reason.expect("invariant: the policy engine is asked only when that is due");
        self.inputs += 1;
        // The input has all values.
        self.burst.forget();
        self.overtaken = None;
        self.postponed = false;
        self.urgent = false;
        self.last_asked_us = now.boottime_us;
        self.asked_at_s = Some(now.wall_s());
        self.state = State::Asked {
            number: self.inputs,
            reason,
        };
        self.inputs
    }

    /// The answer to that input is about the world as it is: [`Answer::Fresh`].
    pub(crate) fn awaits(&self, number: u64) -> bool {
        matches!(self.state, State::Asked { number: own, .. } if own == number)
    }

    /// Edges asked → settled and stale → due: the answer to an input has come. Edge stale →
    /// settled: only values have changed, again and again ([`Deciding::take_overtaken`]).
    pub(crate) fn answered(&mut self, number: u64) -> Answer {
        match std::mem::replace(&mut self.state, State::Settled) {
            State::Asked {
                number: own,
                reason,
            } if own == number => {
                self.dropped = 0;
                Answer::Fresh(reason)
            }
            State::Stale {
                number: own,
                reason,
                by_values: Some(changed),
            } if own == number && self.dropped >= MOST_DROPPED => {
                self.dropped = 0;
                self.overtaken = Some(changed);
                Answer::Fresh(reason)
            }
            State::Stale {
                number: own,
                reason,
                ..
            } if own == number => {
                self.dropped = self.dropped.saturating_add(1);
                self.judged.clear();
                self.state = State::Due(reason);
                Answer::Worthless
            }
            // Of a deployment that has ended since.
            other => {
                self.state = other;
                Answer::Worthless
            }
        }
    }

    /// Edge from any state to settled: the deployment has ended, nothing is decided any more.
    pub(crate) fn stop(&mut self) {
        self.state = State::Settled;
        self.overtaken = None;
        self.burst.forget();
    }

    /// An assembly was lost: the next question does not wait for the end of a pause.
    pub(crate) fn hurry(&mut self) {
        self.urgent = true;
    }

    /// A controller that does not come to rest takes a pause before it asks again, except about an
    /// assembly that was lost. `now_us`: boot time. `true`: it takes one.
    pub(crate) fn pauses(&mut self, now_us: u64) -> bool {
        self.resume_at_us = None;
        if self.busy < BUSY_LIMIT || self.urgent {
            return false;
        }
        let pause_us = (FIRST_PAUSE_US << (self.busy - BUSY_LIMIT).min(9)).min(LONGEST_PAUSE_US);
        let until_us = self.last_asked_us + pause_us;
        self.resume_at_us = (until_us > now_us).then_some(until_us);
        self.resume_at_us.is_some()
    }

    /// Boot time at which the pause ends, µs.
    pub(crate) fn pause_ends_us(&self) -> Option<u64> {
        self.resume_at_us
    }

    /// Forgets the pause: whether there is one is to be seen again.
    pub(crate) fn end_pause(&mut self) {
        self.resume_at_us = None;
    }

    /// Epoch seconds from which on the policy engine may decide otherwise, and why.
    pub(crate) fn recheck_at_s(&self) -> Option<(i64, Turn)> {
        self.recheck_at_s
    }

    /// Whether the time has come that the policy engine named. It comes once. `now_s`: epoch
    /// seconds.
    pub(crate) fn recheck_is_due(&mut self, now_s: i64) -> bool {
        let due = |(at_s, _): &mut (i64, Turn)| now_s >= *at_s;
        self.recheck_at_s.take_if(due).is_some()
    }

    /// The host's time zone, by its name. `true`: that is new.
    pub(crate) fn set_host_time_zone(&mut self, zone: Option<String>) -> bool {
        let new = self.host_time_zone != zone;
        self.host_time_zone = zone;
        new
    }

    /// The host's time zone, by its name.
    pub(crate) fn host_time_zone(&self) -> Option<&str> {
        self.host_time_zone.as_deref()
    }

    /// Whether the clock shows an earlier time than when the policy engine was last asked: what
    /// has turned since may not hold yet. It comes once. `now_s`: epoch seconds.
    pub(crate) fn clock_was_set_back(&mut self, now_s: i64) -> bool {
        self.asked_at_s.take_if(|at_s| now_s < *at_s).is_some()
    }

    /// Boot time at which the policy engine is to be asked again although nothing has changed, µs.
    pub(crate) fn recheck_interval_ends_us(&self) -> Option<u64> {
        let asks_again = self.is_settled() && self.recheck_interval_us > 0;
        asks_again.then(|| self.last_asked_us + self.recheck_interval_us)
    }

    /// A decision is to be carried out, or shows that there is nothing to do.
    pub(crate) fn accept(
        &mut self,
        (goal, terms): (BTreeMap<ServiceId, Goal>, Terms),
        recheck: Recheck,
        start_failure_is_fatal: bool,
    ) {
        self.error = None;
        (self.goal, self.terms) = (goal, terms);
        self.recheck_at_s = recheck.at_s;
        self.recheck_interval_us = match u64::from(recheck.interval_ms) * MS {
            0 => 0,
            interval_us => interval_us.max(SHORTEST_RECHECK_US),
        };
        self.start_failure_is_fatal = start_failure_is_fatal;
    }

    /// A transition begins.
    pub(crate) fn transition_began(&mut self) {
        self.busy += 1;
        // There was something to do, so that it was not seen whether they can go.
        self.judged.clear();
    }

    /// There is nothing more to do.
    pub(crate) fn came_to_rest(&mut self) {
        self.busy = 0;
    }

    /// Nothing is to migrate live: actions wait for each other. Or it may do so again.
    pub(crate) fn set_deadlocked(&mut self, deadlocked: bool) {
        self.deadlocked = deadlocked;
    }

    /// Actions wait for each other, so that nothing is to migrate live.
    pub(crate) fn is_deadlocked(&self) -> bool {
        self.deadlocked
    }

    /// Nothing of an answer is done: why. `true`: that is new.
    pub(crate) fn fail(&mut self, error: String) -> bool {
        let new = self.error.as_ref() != Some(&error);
        self.error = Some(error);
        new
    }

    /// Why nothing is done about the last change, until a later decision is carried out.
    pub(crate) fn error(&self) -> Option<&String> {
        self.error.as_ref()
    }

    /// The slot in which the input of a refused decision is kept.
    pub(crate) fn refused_slot(&mut self) -> u64 {
        self.refusals += 1;
        (self.refusals - 1) % REFUSED_KEPT
    }

    /// What the last decision wants, by service.
    pub(crate) fn goal(&self) -> &BTreeMap<ServiceId, Goal> {
        &self.goal
    }

    /// By which terms the last decision was made.
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// One failed start bans a resource from an assembly.
    pub(crate) fn start_failure_is_fatal(&self) -> bool {
        self.start_failure_is_fatal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wall clock shows a minute more than the boot clock.
    fn at(boottime_us: u64) -> Time {
        Time {
            boottime_us,
            wall_us: boottime_us + 60 * SECOND,
        }
    }

    #[test]
    fn that_the_clock_was_set_back_is_noticed_once() {
        let mut deciding = Deciding::new();
        assert!(!deciding.clock_was_set_back(0), "nothing was asked");
        deciding.world_changed("first");
        deciding.ask(at(10 * SECOND));
        assert!(!deciding.clock_was_set_back(70));
        assert!(deciding.clock_was_set_back(69));
        assert!(!deciding.clock_was_set_back(69), "it comes once");
        deciding.answered(1);
        deciding.world_changed("the clock was set back");
        deciding.ask(at(0));
        assert!(!deciding.clock_was_set_back(60));
    }

    #[test]
    fn an_answer_about_the_world_as_it_is_settles_it() {
        let mut deciding = Deciding::new();
        assert!(deciding.is_settled() && !deciding.is_due());
        deciding.world_changed("first");
        deciding.world_changed("second");
        assert!(deciding.is_due());
        let number = deciding.ask(at(0));
        assert!(!deciding.is_due() && !deciding.is_settled());
        assert_eq!(deciding.answered(number), Answer::Fresh("first".into()));
        assert!(deciding.is_settled());
    }

    #[test]
    fn an_answer_about_a_world_that_has_changed_is_worth_nothing() {
        let mut deciding = Deciding::new();
        deciding.world_changed("first");
        let number = deciding.ask(at(0));
        deciding.world_changed("second");
        assert!(!deciding.is_due(), "one input at a time");
        assert_eq!(deciding.answered(number + 1), Answer::Worthless);
        assert!(!deciding.is_due(), "that was another input's answer");
        assert_eq!(deciding.answered(number), Answer::Worthless);
        assert!(deciding.is_due());
        let number = deciding.ask(at(0));
        assert_eq!(deciding.answered(number), Answer::Fresh("first".into()));
    }

    #[test]
    fn what_ends_while_it_is_asked_makes_the_answer_worthless_and_is_no_reason_to_ask() {
        let mut deciding = Deciding::new();
        deciding.work_changed();
        assert!(deciding.is_settled(), "nothing was asked");
        deciding.world_changed("first");
        let number = deciding.ask(at(0));
        deciding.work_changed();
        assert_eq!(deciding.answered(number), Answer::Worthless);
        let number = deciding.ask(at(0));
        assert_eq!(deciding.answered(number), Answer::Fresh("first".into()));
    }

    #[test]
    fn what_was_postponed_is_asked_again_when_something_has_ended_or_changed() {
        let changes: [fn(&mut Deciding); 2] = [
            |deciding| deciding.work_changed(),
            |deciding| deciding.world_changed("second"),
        ];
        for change in changes {
            let mut deciding = Deciding::new();
            deciding.world_changed("first");
            let number = deciding.ask(at(0));
            deciding.answered(number);
            deciding.postpone("first");
            assert!(deciding.is_due() && !deciding.is_due_beside_work());
            change(&mut deciding);
            assert!(deciding.is_due_beside_work());
        }
    }

    #[test]
    fn values_that_change_all_the_time_keep_no_answer_from_being_taken() {
        let mut deciding = Deciding::new();
        deciding.world_changed("a service failed");
        let mut now_us = SECOND;
        let mut answers = Vec::new();
        for _ in 0..8 {
            let number = deciding.ask(at(now_us));
            now_us += 3 * SECOND;
            assert!(deciding.value_changed("a value", now_us));
            answers.push(deciding.answered(number) != Answer::Worthless);
            if let Some(reason) = deciding.take_overtaken() {
                assert_eq!(reason, "a value");
                deciding.world_changed(&reason);
            }
            assert!(deciding.is_due(), "it is asked again");
        }
        let [no, yes] = [false, true];
        assert_eq!(answers, [no, no, no, yes, no, no, no, yes]);
    }

    #[test]
    fn an_entry_is_judged_by_an_answer_that_is_taken_while_the_world_is_as_it_was() {
        let key = |name: &str| OverlayKey::parse(&format!("{name}/ban/n1")).unwrap();
        let mut deciding = Deciding::new();
        deciding.world_changed("first");
        deciding.judges([key("db")].into());
        let number = deciding.ask(at(0));
        deciding.answered(number);
        deciding.judge_more("a move is done");
        deciding.judges([key("web")].into());
        assert!(deciding.has_judged(&key("db")) && deciding.has_judged(&key("web")));
        let number = deciding.ask(at(0));
        deciding.value_changed("a value", SECOND);
        assert_eq!(deciding.answered(number), Answer::Worthless);
        assert!(!deciding.has_judged(&key("web")), "nobody has said");
    }

    #[test]
    fn an_answer_is_worthless_if_more_than_values_has_changed() {
        let mut deciding = Deciding::new();
        deciding.world_changed("first");
        for _ in 0..8 {
            let number = deciding.ask(at(0));
            deciding.value_changed("a value", SECOND);
            deciding.world_changed("an assembly was lost");
            deciding.value_changed("a value", SECOND);
            assert_eq!(deciding.answered(number), Answer::Worthless);
            assert_eq!(deciding.take_overtaken(), None);
        }
    }

    #[test]
    fn what_waits_with_other_values_is_known_when_it_is_asked() {
        let mut deciding = Deciding::new();
        while deciding.value_changed("a value", SECOND) {}
        assert!(deciding.values_count_at_us().is_some());
        let number = deciding.ask(at(SECOND));
        assert_eq!(deciding.values_count_at_us(), None);
        assert_eq!(deciding.answered(number), Answer::Fresh("a value".into()));
        assert!(!deciding.value_changed("another value", SECOND + 1));
        assert!(deciding.is_settled(), "it counts later");
        assert_eq!(deciding.take_due_values(SECOND + 2), None);
        let due_us = deciding.values_count_at_us().unwrap_or_default();
        assert!(deciding.take_due_values(due_us).is_some());
        assert!(deciding.is_due());
    }

    #[test]
    #[should_panic(expected = "only when that is due")]
    fn it_is_not_asked_without_reason() {
        Deciding::new().ask(at(0));
    }

    #[test]
    fn what_stopped_waits_for_no_answer() {
        let mut deciding = Deciding::new();
        deciding.world_changed("first");
        let number = deciding.ask(at(0));
        deciding.stop();
        assert!(deciding.is_settled());
        assert_eq!(deciding.answered(number), Answer::Worthless);
        assert!(deciding.is_settled());
    }

    #[test]
    fn who_does_not_come_to_rest_pauses_ever_longer() {
        let mut deciding = Deciding::new();
        deciding.world_changed("again");
        deciding.ask(at(SECOND));
        for _ in 0..BUSY_LIMIT {
            assert!(!deciding.pauses(SECOND));
            deciding.transition_began();
        }
        assert!(deciding.pauses(SECOND));
        assert_eq!(deciding.pause_ends_us(), Some(SECOND + FIRST_PAUSE_US));
        assert!(!deciding.pauses(SECOND + FIRST_PAUSE_US));
        for _ in 0..20 {
            deciding.transition_began();
        }
        assert!(deciding.pauses(SECOND + LONGEST_PAUSE_US - 1));
        deciding.hurry();
        assert!(!deciding.pauses(SECOND), "an assembly was lost");
        deciding.stop();
        deciding.world_changed("again");
        deciding.ask(at(SECOND));
        assert!(deciding.pauses(SECOND), "once");
        deciding.came_to_rest();
        assert!(!deciding.pauses(SECOND));
    }

    #[test]
    fn an_error_lasts_until_a_decision_is_accepted() {
        let mut deciding = Deciding::new();
        assert!(deciding.fail("bad".into()));
        assert!(!deciding.fail("bad".into()), "the same is not news");
        assert_eq!(deciding.error(), Some(&"bad".to_owned()));
        let recheck = Recheck {
            at_s: Some((7, Turn::Rule)),
            interval_ms: 0,
        };
        deciding.accept(Default::default(), recheck, false);
        assert_eq!(deciding.error(), None);
        assert!(!deciding.start_failure_is_fatal());
        assert!(!deciding.recheck_is_due(6));
        assert!(deciding.recheck_is_due(7));
        assert!(!deciding.recheck_is_due(8), "it comes once");
    }

    #[test]
    fn it_is_asked_again_after_the_interval_while_nothing_changes() {
        let mut deciding = Deciding::new();
        deciding.world_changed("first");
        let number = deciding.ask(at(SECOND));
        assert_eq!(
            deciding.recheck_interval_ends_us(),
            None,
            "an answer is due"
        );
        deciding.answered(number);
        let default = Some(SECOND + RECHECK_INTERVAL_US);
        assert_eq!(deciding.recheck_interval_ends_us(), default);
        let mut ends_us = |interval_ms| {
            let recheck = Recheck {
                at_s: None,
                interval_ms,
            };
            deciding.accept(Default::default(), recheck, true);
            deciding.recheck_interval_ends_us()
        };
        assert_eq!(ends_us(5_000), Some(6 * SECOND));
        assert_eq!(ends_us(1), Some(SECOND + SHORTEST_RECHECK_US));
        assert_eq!(ends_us(0), None);
        assert!(ends_us(u32::MAX).is_some());
    }

    #[test]
    fn the_slots_of_refused_inputs_are_used_in_turn() {
        let mut deciding = Deciding::new();
        let slots: Vec<u64> = (0..6).map(|_| deciding.refused_slot()).collect();
        assert_eq!(slots, [0, 1, 2, 3, 0, 1]);
    }
}
