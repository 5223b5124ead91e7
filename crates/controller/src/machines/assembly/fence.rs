//! Making one assembly safe: what that waits for, attempt after attempt.
//!
//! ```text
//!             ┌─▶ lease ──────────────────────────▶ safe
//!  demanded ──┼─▶ requested ──▶ pause ─┐    the device says so: safe
//!             │       ▲────────────────┘
//!             └─▶ manager                   a person says so: safe
//! ```
//!
//! Before it is requested it may wait for the end of what lets the assembly in. If devices have
//! only cut its guest off, it goes on with the lease.

use crate::vocabulary::SECOND;

/// First pause after a failed attempt; doubled by each further one. Microseconds.
const FIRST_PAUSE_US: u64 = 2 * SECOND;
/// Longest pause between attempts. Microseconds.
const LONGEST_PAUSE_US: u64 = 300 * SECOND;
/// After this number of failed attempts help is needed, as far as one can see.
const HOPELESS: u32 = 3;

/// Fencing under way.
#[derive(Debug)]
pub(crate) struct Fence {
    phase: Phase,
    lost: bool,
    reboot: bool,
    /// A device was asked that cuts its guest off, which was heard. It may run on, and is of no use
    /// before it has booted.
    may_be_cut_off: bool,
    /// The newest attempt whose success only cuts it off; 0: there was none.
    cuts_by: u64,
    reason: String,
    failed: u32,
    /// Which level of devices is next, from 0.
    level: usize,
    /// How long to wait before the first device is asked, milliseconds.
    delay_ms: u32,
    /// Number of its first attempt with a device; 0: none yet.
    first_attempt: u64,
    /// Since when a person is waited for, boot time, µs.
    waits_since_us: u64,
    /// How often they were reminded.
    reminders: u32,
}

/// What fencing waits for. Times are boot time, µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The end of the lease, and of what may follow it.
    Lease { until_us: u64 },
    /// The shell's answer.
    Requested { attempt: u64, until_us: u64 },
    /// The next attempt.
    Pause { until_us: u64 },
    /// The end of what lets it in; then its devices are asked.
    Unfencing { until_us: u64 },
    /// A person, or the cloud manager; they are reminded then.
    Manager { remind_us: u64 },
}

/// What devices have done that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Success {
    /// It belongs to an earlier fencing, or does not tell enough.
    Nothing,
    /// The guest is cut off, and runs on.
    CutOff,
    /// Nothing runs there.
    Safe,
}

impl Fence {
    /// Fencing that waits for a person, until it is told what else to wait for. `lost`: the
    /// assembly is not heard. `reboot`: it is to be started again afterwards.
    pub(super) fn new(lost: bool, reboot: bool, reason: &str) -> Fence {
        Fence {
            phase: Phase::Manager {
                remind_us: u64::MAX,
            },
            lost,
            reboot,
            may_be_cut_off: false,
            cuts_by: 0,
            reason: reason.to_owned(),
            failed: 0,
            level: 0,
            delay_ms: 0,
            first_attempt: 0,
            waits_since_us: 0,
            reminders: 0,
        }
    }

    /// The policy wants a wait before the first device is asked.
    pub(crate) fn delay(&mut self, delay_ms: u32) {
        self.delay_ms = delay_ms;
    }

    /// How long to wait before the devices of the next attempt are asked, milliseconds: the wait of
    /// the policy once.
    pub(crate) fn take_delay_ms(&mut self) -> u32 {
        std::mem::take(&mut self.delay_ms)
    }

    /// Which level of devices is asked, or next, from 0.
    pub(crate) fn level(&self) -> usize {
        self.level
    }

    /// An administrator says whether it is to stay off.
    pub(crate) fn take_order(&mut self, off: bool) {
        self.reboot = !off;
    }

    /// The next attempt begins now.
    pub(crate) fn end_pause(&mut self, now_us: u64) {
        if matches!(self.phase, Phase::Pause { .. }) {
            self.phase = Phase::Pause { until_us: now_us };
        }
    }

    /// An attempt failed, and there is a further level of devices to be tried at once.
    pub(crate) fn step_down(&mut self, now_us: u64) {
        self.level += 1;
        self.phase = Phase::Pause { until_us: now_us };
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// It was begun because the assembly was lost, not because it has to be restarted.
    pub(crate) fn lost(&self) -> bool {
        self.lost
    }

    /// Start the assembly again afterwards.
    pub(crate) fn reboot(&self) -> bool {
        self.reboot
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Attempts that failed.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// Boot time at which it goes on by itself, µs.
    pub(crate) fn deadline_us(&self) -> Option<u64> {
        match self.phase {
            Phase::Lease { until_us }
            | Phase::Requested { until_us, .. }
            | Phase::Pause { until_us }
            | Phase::Unfencing { until_us } => Some(until_us),
            Phase::Manager { remind_us } => Some(remind_us).filter(|us| *us < u64::MAX),
        }
    }

    /// A device was asked and has not answered.
    pub(crate) fn is_requested(&self) -> bool {
        matches!(self.phase, Phase::Requested { .. })
    }

    /// Goes on although the assembly's agent is back.
    pub(crate) fn outlives_return(&self) -> bool {
        !self.lost || self.is_requested() || self.may_be_cut_off
    }

    /// Whether its devices were asked to cut its guest off, which may run on.
    pub(crate) fn may_be_cut_off(&self) -> bool {
        self.may_be_cut_off
    }

    /// Cannot end without somebody's help, as far as one can see.
    pub(crate) fn stuck(&self) -> bool {
        matches!(self.phase, Phase::Manager { .. })
            || (self.failed >= HOPELESS && matches!(self.phase, Phase::Pause { .. }))
    }

    /// Waits for the end of a lease and of what follows it.
    pub(crate) fn wait_for_lease(&mut self, until_us: u64) {
        assert!(
            !self.is_requested(),
            "invariant: no device was asked about an assembly under lease"
        );
        self.phase = Phase::Lease { until_us };
    }

    /// It waits for that, with or without a device that has cut it off.
    pub(crate) fn waits_for_lease_end(&self) -> bool {
        matches!(self.phase, Phase::Lease { .. })
    }

    /// Waits until nothing lets it in any more.
    pub(crate) fn wait_for_unfencing(&mut self, until_us: u64) {
        assert!(
            !self.is_requested(),
            "invariant: nothing lets in an assembly that a device makes safe"
        );
        self.phase = Phase::Unfencing { until_us };
    }

    /// It waits for that.
    pub(crate) fn waits_for_unfencing(&self) -> bool {
        matches!(self.phase, Phase::Unfencing { .. })
    }

    /// Its devices have succeeded, and its guest runs on: that ends with its lease.
    pub(crate) fn cut_off(&mut self, until_us: u64) {
        self.phase = Phase::Lease { until_us };
    }

    /// It is to be ended by its agent at once, if that is there: it is of no use any more.
    pub(crate) fn is_to_end(&self) -> bool {
        match self.phase {
            Phase::Lease { .. } => !self.lost || self.may_be_cut_off,
            Phase::Pause { .. } => self.may_be_cut_off,
            _ => false,
        }
    }

    /// Waits for a person, or the cloud manager, who is reminded after `within_us`.
    pub(crate) fn wait_for_manager(&mut self, now_us: u64, within_us: u64) {
        assert!(
            !self.is_requested(),
            "invariant: an attempt ends before the next way is taken"
        );
        self.waits_since_us = now_us;
        self.phase = Phase::Manager {
            remind_us: now_us.saturating_add(within_us),
        };
    }

    /// Whoever is waited for is reminded now. Gives how often that was done, and how long it is
    /// waited for, µs. The next time comes after as long again, five minutes at most.
    pub(crate) fn remind(&mut self, now_us: u64) -> (u32, u64) {
        self.reminders += 1;
        let waited_us = now_us.saturating_sub(self.waits_since_us);
        let pause_us = waited_us.clamp(SECOND, LONGEST_PAUSE_US);
        self.phase = Phase::Manager {
            remind_us: now_us.saturating_add(pause_us),
        };
        (self.reminders, waited_us)
    }

    /// Waits for the answer of a device.
    pub(crate) fn request(&mut self, attempt: u64, until_us: u64) {
        assert!(
            !self.is_requested(),
            "invariant: one attempt of a device at a time"
        );
        if self.first_attempt == 0 {
            self.first_attempt = attempt;
        }
        self.phase = Phase::Requested { attempt, until_us };
    }

    /// As [`Fence::request`], of devices that cut it off. `only`: of none that switches its power.
    /// `ran`: its guest was heard, and may have done something for us.
    pub(crate) fn request_cut(&mut self, attempt: u64, until_us: u64, only: bool, ran: bool) {
        self.request(attempt, until_us);
        self.may_be_cut_off |= ran;
        if only {
            self.cuts_by = attempt;
        }
    }

    /// An attempt failed. Gives the pause before the next one, µs.
    pub(crate) fn fail(&mut self, now_us: u64) -> u64 {
        self.failed += 1;
        self.level = 0;
        let pause_us = (FIRST_PAUSE_US << (self.failed - 1).min(10)).min(LONGEST_PAUSE_US);
        self.phase = Phase::Pause {
            until_us: now_us + pause_us,
        };
        pause_us
    }

    /// This attempt is the one whose answer is waited for.
    pub(crate) fn awaits(&self, attempt: u64) -> bool {
        matches!(self.phase, Phase::Requested { attempt: own, .. } if own == attempt)
    }

    /// What the success of an attempt does. By what was asked then, whatever the document says by
    /// now. Where it switches the power, nothing that ran when it was asked for runs any more, and
    /// an assembly that is being fenced gets nothing to do: so a late success counts too. Not
    /// beside attempts that only cut it off: of those one may follow that is not waited for.
    pub(crate) fn success_of(&self, attempt: u64) -> Success {
        let counts = match self.cuts_by {
            0 => self.first_attempt > 0 && attempt >= self.first_attempt,
            _ => self.awaits(attempt),
        };
        match counts {
            false => Success::Nothing,
            true if attempt == self.cuts_by => Success::CutOff,
            true => Success::Safe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let mut fence = Fence::new(true, true, "lost");
        let pauses: Vec<u64> = (0..12).map(|_| fence.fail(0) / SECOND).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
    }

    #[test]
    fn it_is_stuck_when_it_waits_for_a_person_or_has_failed_often() {
        let mut fence = Fence::new(true, true, "lost");
        assert!(fence.stuck());
        for failed in 1..=HOPELESS {
            fence.request(failed.into(), 10);
            assert!(!fence.stuck());
            fence.fail(0);
            assert_eq!(fence.stuck(), failed == HOPELESS);
        }
    }

    #[test]
    fn after_the_last_level_it_begins_with_the_first_again() {
        let mut fence = Fence::new(true, true, "lost");
        fence.delay(5_000);
        assert_eq!((fence.take_delay_ms(), fence.take_delay_ms()), (5_000, 0));
        fence.request(1, 10);
        fence.step_down(7);
        assert_eq!((fence.level(), fence.failed()), (1, 0));
        assert_eq!(fence.deadline_us(), Some(7));
        fence.request(2, 20);
        fence.fail(20);
        assert_eq!((fence.level(), fence.failed()), (0, 1));
        assert_eq!(
            fence.success_of(1),
            Success::Safe,
            "a late success of the first level counts"
        );
    }

    #[test]
    fn who_is_waited_for_is_reminded_at_growing_intervals() {
        let mut fence = Fence::new(true, true, "lost");
        assert_eq!(fence.deadline_us(), None);
        fence.wait_for_manager(10 * SECOND, 60 * SECOND);
        let mut reminded = Vec::new();
        while reminded.len() < 6 {
            let at_us = fence.deadline_us().unwrap();
            let (number, waited_us) = fence.remind(at_us);
            assert_eq!(number as usize, reminded.len() + 1);
            reminded.push(waited_us / SECOND);
        }
        assert_eq!(reminded, [60, 120, 240, 480, 780, 1_080]);
    }

    #[test]
    fn a_late_success_counts_unless_it_belongs_to_an_earlier_fencing() {
        let mut fence = Fence::new(true, true, "lost");
        assert_eq!(fence.success_of(7), Success::Nothing);
        fence.request(7, 10);
        fence.fail(10);
        fence.request(8, 20);
        let found = [6, 7, 8].map(|attempt| fence.success_of(attempt));
        assert_eq!(found, [Success::Nothing, Success::Safe, Success::Safe]);
        assert!(fence.awaits(8) && !fence.awaits(7));
    }

    #[test]
    fn a_success_counts_as_what_was_asked_then() {
        let mut fence = Fence::new(true, true, "lost");
        fence.request(7, 10);
        fence.step_down(10);
        fence.request_cut(8, 20, true, true);
        let found = [7, 8].map(|attempt| fence.success_of(attempt));
        assert_eq!(found, [Success::Nothing, Success::CutOff]);
        fence.step_down(20);
        fence.request_cut(9, 30, false, true);
        let found = [7, 8, 9].map(|attempt| fence.success_of(attempt));
        assert_eq!(
            found,
            [Success::Nothing, Success::Nothing, Success::Safe],
            "beside a power switch"
        );
    }

    #[test]
    fn a_guest_that_may_be_cut_off_is_to_boot_though_its_agent_is_back() {
        let mut fence = Fence::new(true, true, "lost");
        fence.request_cut(1, 10, true, false);
        fence.fail(10);
        assert!(!fence.outlives_return(), "nothing of ours ran there");
        fence.request_cut(2, 10, true, true);
        assert!(!fence.is_to_end(), "the device is at work");
        fence.fail(10);
        assert!(fence.outlives_return() && fence.is_to_end());
    }

    #[test]
    fn it_ends_with_a_return_only_if_it_was_for_a_loss_and_no_device_was_asked() {
        let mut lost = Fence::new(true, true, "lost");
        assert!(!lost.outlives_return());
        lost.request(1, 10);
        assert!(lost.outlives_return());
        assert!(Fence::new(false, true, "failed stop").outlives_return());
    }

    #[test]
    #[should_panic(expected = "one attempt")]
    fn a_device_is_not_asked_twice_at_once() {
        let mut fence = Fence::new(true, true, "lost");
        fence.request(1, 10);
        fence.request(2, 20);
    }
}
