//! The power of an assembly that is to be on: when its device is asked next to switch it on. Its
//! agent shows when it is.

use crate::vocabulary::SECOND;

/// How long a guest has to boot before its device is asked. Microseconds.
const FIRST_PAUSE_US: u64 = 60 * SECOND;
/// Longest pause between two times that it is asked. Microseconds.
const LONGEST_PAUSE_US: u64 = 300 * SECOND;

/// When to ask next.
#[derive(Debug, Default)]
pub(crate) struct Power {
    /// Boot time, µs; `None`: nobody has begun to wait.
    next_us: Option<u64>,
    /// How often it was asked.
    asked: u32,
}

impl Power {
    /// Boot time at which the device is asked, µs.
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.next_us
    }

    /// It is to be on: ask `at_once`, or when the guest has had time to boot.
    pub(crate) fn begin(&mut self, now_us: u64, at_once: bool) {
        let pause_us = if at_once { 0 } else { FIRST_PAUSE_US };
        *self = Power {
            next_us: Some(now_us + pause_us),
            asked: 0,
        };
    }

    /// Whether the device is to be asked now; counts it.
    pub(crate) fn is_due(&mut self, now_us: u64) -> bool {
        let is_due = self.next_us.is_some_and(|next_us| next_us <= now_us);
        if is_due {
            let pause_us = (FIRST_PAUSE_US << self.asked.min(10)).min(LONGEST_PAUSE_US);
            self.asked += 1;
            self.next_us = Some(now_us + pause_us);
        }
        is_due
    }

    /// Nobody waits for it any more.
    pub(crate) fn end(&mut self) {
        *self = Power::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_between_two_questions_grow_up_to_the_longest() {
        let mut power = Power::default();
        assert!(!power.is_due(u64::MAX));
        power.begin(0, false);
        let mut asked = Vec::new();
        for second in 0..1_300 {
            if power.is_due(second * SECOND) {
                asked.push(second);
            }
        }
        assert_eq!(asked, [60, 120, 240, 480, 780, 1_080]);
        power.begin(5, true);
        assert!(power.is_due(5) && !power.is_due(6));
        power.end();
        assert_eq!(power.next_us(), None);
    }
}
