//! Making one assembly safe: what that waits for, attempt after attempt.
//!
//! ```text
//!             ┌─▶ lease ──────────────────────────▶ safe
//!  demanded ──┼─▶ requested ──▶ pause ─┐    the device says so: safe
//!             │       ▲────────────────┘
//!             └─▶ manager                   a person says so: safe
//! ```

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
    /// Its devices have cut it off, and it may run on until its lease is over.
    is_cut_off: bool,
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
            is_cut_off: false,
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
        !self.lost || self.is_requested() || self.is_cut_off
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
        self.is_cut_off = true;
        self.phase = Phase::Lease { until_us };
    }

    /// It is to be ended by its agent at once, if that is there: it is of no use any more.
    pub(crate) fn is_to_end(&self) -> bool {
        matches!(self.phase, Phase::Lease { .. }) && (!self.lost || self.is_cut_off)
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

    /// The success of this attempt makes the assembly safe: nothing that ran when it was asked for
    /// runs any more, and an assembly that is being fenced gets nothing to do.
    pub(crate) fn is_done_by(&self, attempt: u64) -> bool {
        self.first_attempt > 0 && attempt >= self.first_attempt
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
        assert!(
            fence.is_done_by(1),
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
        assert!(!fence.is_done_by(7));
        fence.request(7, 10);
        fence.fail(10);
        fence.request(8, 20);
        assert!(fence.is_done_by(7) && fence.is_done_by(8) && !fence.is_done_by(6));
        assert!(fence.awaits(8) && !fence.awaits(7));
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
