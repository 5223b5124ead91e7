//! Changes of values that tools in guests set: as many as come at once, and of those that come all
//! the time one in a second.
//!
//! A tool may set a value twenty times a second, in every guest. Each change would abort the
//! transition that is carried out, and make the decision worthless that is being made. Values are
//! in the policy engine's input at once; here it is only said when they are a reason to ask.

use crate::vocabulary::SECOND;

/// So many changes count at once: what resource agents set one after the other when a service
/// starts or is promoted.
const AT_ONCE: u64 = 8;
/// After these one counts in this time, µs.
const PAUSE_US: u64 = SECOND;

/// When changes of values count.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    /// Boot time at which as many may come at once as ever, µs.
    full_us: u64,
    /// The first change that has not counted yet.
    waiting: Option<String>,
}

impl Burst {
    /// A change comes now (boot time, µs). `true`: it counts at once. Otherwise it counts when its
    /// time comes: see [`Burst::deadline`].
    pub(crate) fn comes(&mut self, now_us: u64, reason: &str) -> bool {
        if self.waiting.is_some() {
            return false;
        }
        if self.next_us() <= now_us {
            self.count(now_us);
            return true;
        }
        self.waiting = Some(reason.to_owned());
        false
    }

    /// Boot time at which what waits counts, µs.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.waiting.as_ref().map(|_| self.next_us())
    }

    /// What waits and counts from now on.
    pub(crate) fn take_due(&mut self, now_us: u64) -> Option<String> {
        if self.next_us() > now_us {
            return None;
        }
        let due = self.waiting.take()?;
        self.count(now_us);
        Some(due)
    }

    /// What waits is known to the policy engine otherwise.
    pub(crate) fn forget(&mut self) {
        self.waiting = None;
    }

    /// When the next change may count.
    fn next_us(&self) -> u64 {
        self.full_us.saturating_sub((AT_ONCE - 1) * PAUSE_US)
    }

    fn count(&mut self, now_us: u64) {
        self.full_us = self.full_us.max(now_us).saturating_add(PAUSE_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_changes_count_at_once_and_of_many_one_in_a_second() {
        let mut burst = Burst::default();
        let start_us = 100 * SECOND;
        for at_us in start_us..start_us + AT_ONCE {
            assert!(burst.comes(at_us, "a"));
        }
        assert!(!burst.comes(start_us + 10, "first"));
        assert!(
            !burst.comes(start_us + 20, "second"),
            "it waits with the first"
        );
        let due_us = burst.deadline().expect("one waits");
        assert_eq!(due_us, start_us + PAUSE_US);
        assert_eq!(burst.take_due(due_us - 1), None);
        assert_eq!(burst.take_due(due_us).as_deref(), Some("first"));
        assert_eq!((burst.take_due(due_us), burst.deadline()), (None, None));
        // Twenty in a second, for a minute.
        let mut counted = 0;
        for at_us in (due_us..due_us + 60 * SECOND).step_by(50_000) {
            counted += u32::from(burst.take_due(at_us).is_some());
            counted += u32::from(burst.comes(at_us, "again"));
        }
        assert!((55..=61).contains(&counted), "{counted}");
    }

    #[test]
    fn who_was_quiet_may_change_some_at_once_again() {
        let mut burst = Burst::default();
        while burst.comes(SECOND, "a") {}
        burst.forget();
        assert_eq!(burst.deadline(), None);
        let later_us = (2 + AT_ONCE) * PAUSE_US;
        assert!((0..AT_ONCE).all(|_| burst.comes(later_us, "b")));
        assert!(!burst.comes(later_us, "b"));
    }
}
