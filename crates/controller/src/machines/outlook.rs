//! What time it is, and what lies ahead if nothing happens. Heartbeats are nearly all inputs of a
//! deployment at rest, and come once for each assembly and interval: a look at every assembly after
//! each of them would cost the square of their number. So what such a look finds is kept until it
//! can be otherwise.

use std::collections::BTreeSet;

use crate::vocabulary::{AssemblyId, LeasesHeld, MS, Time};

/// If the clocks have drifted apart by more than this since the last look, one of them was set.
/// Microseconds.
const DRIFT_US: u64 = 100 * MS;

/// What the last look at everything found, and what heartbeats have put off since. Times are boot
/// times, µs.
#[derive(Debug)]
pub(crate) struct Outlook {
    last_time: Time,
    looked_at: Time,
    /// When each assembly's life goes on by itself.
    lives: BTreeSet<(u64, AssemblyId)>,
    /// When something else happens by itself.
    others_us: Option<u64>,
    leases: LeasesHeld,
}

impl Outlook {
    /// Nothing is known: everything is to be looked at.
    pub(crate) fn unknown(now: Time) -> Outlook {
        Outlook {
            last_time: now,
            looked_at: now,
            lives: BTreeSet::new(),
            others_us: Some(now.boottime_us),
            leases: LeasesHeld::Unknown,
        }
    }

    /// When the controller was last called.
    pub(crate) fn last_time(&self) -> Time {
        self.last_time
    }

    /// The controller is called at that time.
    pub(crate) fn pass(&mut self, now: Time) {
        self.last_time = now;
    }

    /// Everything was looked at.
    pub(crate) fn look(
        &mut self,
        lives: impl Iterator<Item = (u64, AssemblyId)>,
        others_us: Option<u64>,
        leases: LeasesHeld,
    ) {
        self.looked_at = self.last_time;
        self.lives.clear();
        self.lives.extend(lives);
        self.others_us = others_us;
        self.leases = leases;
    }

    /// A heartbeat has put off what was due for that assembly.
    pub(crate) fn put_off(&mut self, name: &AssemblyId, due_us: u64, until_us: u64) {
        if self.lives.remove(&(due_us, name.clone())) {
            self.lives.insert((until_us, name.clone()));
        }
    }

    /// When something happens by itself; `None`: nothing ever does.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let life = self.lives.first().map(|(due_us, _)| *due_us);
        life.into_iter().chain(self.others_us).min()
    }

    pub(crate) fn leases(&self) -> LeasesHeld {
        self.leases
    }

    /// Time alone has brought nothing since everything was looked at.
    pub(crate) fn holds(&self, now: Time) -> bool {
        let since = self.looked_at;
        let passed_us = now.boottime_us.saturating_sub(since.boottime_us);
        let expected_us = since.wall_us.saturating_add(passed_us);
        let is_due = self.deadline().is_some_and(|due| due <= now.boottime_us);
        !is_due && now.wall_us.abs_diff(expected_us) <= DRIFT_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::SECOND;

    fn at(boottime_us: u64, wall_us: u64) -> Time {
        Time {
            boottime_us,
            wall_us,
        }
    }

    fn outlook(now: Time, lives: &[(u64, &str)], others_us: Option<u64>) -> Outlook {
        let mut outlook = Outlook::unknown(now);
        assert!(!outlook.holds(now));
        let lives = lives.iter();
        let lives = lives.map(|(due_us, name)| (*due_us, AssemblyId::from(*name)));
        outlook.look(lives, others_us, LeasesHeld::None);
        outlook
    }

    #[test]
    fn it_holds_until_something_is_due() {
        let now = at(0, SECOND);
        let one = outlook(now, &[], Some(10 * SECOND));
        assert!(one.holds(at(10 * SECOND - 1, 11 * SECOND)));
        assert!(!one.holds(at(10 * SECOND, 11 * SECOND)));
        let never = outlook(now, &[], None);
        assert!(never.holds(at(100 * SECOND, 101 * SECOND)));
    }

    #[test]
    fn heartbeats_put_off_what_is_due() {
        let mut outlook = outlook(at(0, 0), &[(2, "a"), (3, "b")], Some(9));
        outlook.put_off(&"a".into(), 2, 7);
        assert_eq!(outlook.deadline(), Some(3));
        outlook.put_off(&"b".into(), 3, 8);
        assert_eq!(outlook.deadline(), Some(7));
        outlook.put_off(&"a".into(), 7, 12);
        outlook.put_off(&"b".into(), 8, 13);
        assert_eq!(outlook.deadline(), Some(9));
    }

    #[test]
    fn it_holds_until_a_clock_is_set() {
        let outlook = outlook(at(0, 50 * SECOND), &[], Some(10 * SECOND));
        assert!(outlook.holds(at(SECOND, 51 * SECOND + DRIFT_US)));
        assert!(!outlook.holds(at(SECOND, 51 * SECOND + DRIFT_US + 1)));
        assert!(!outlook.holds(at(SECOND, 51 * SECOND - DRIFT_US - 1)));
    }
}
