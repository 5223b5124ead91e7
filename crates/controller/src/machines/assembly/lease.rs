//! Until when an assembly's agent may hold a lease, as this DPE has to reckon with it.

use crate::vocabulary::{MS, Time};

/// The lease of one agent. All times are boot times of the host, µs.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Its agent may hold one until then.
    until_us: u64,
    /// A lease by the agent's earlier settings is over then.
    old_until_us: u64,
}

impl Lease {
    /// An earlier DPE may have answered a heartbeat just now.
    pub(crate) fn inherited(now: Time, lease_ms: u32) -> Lease {
        Lease {
            until_us: end_us(now, lease_ms),
            old_until_us: now.boottime_us,
        }
    }

    /// Its agent has begun one, or another. `longest_ms`: the longest that it was ever told.
    pub(crate) fn begin(&mut self, now: Time, lease_ms: u32, longest_ms: u32) {
        self.renew(now, lease_ms);
        self.old_until_us = end_us(now, longest_ms);
    }

    /// It is renewed. One that was longer may still run.
    pub(crate) fn renew(&mut self, now: Time, lease_ms: u32) {
        self.until_us = self.until_us.max(end_us(now, lease_ms));
    }

    /// The same guest may hold that of its former name, too.
    pub(crate) fn join(&mut self, other: &Lease) {
        self.until_us = self.until_us.max(other.until_us);
    }

    /// Boot time until which its agent may hold one, µs.
    pub(crate) fn until_us(&self) -> u64 {
        self.until_us
    }

    /// The last one by earlier settings is over.
    pub(crate) fn old_one_is_over(&self, now: Time) -> bool {
        now.boottime_us >= self.old_until_us
    }
}

fn end_us(now: Time, lease_ms: u32) -> u64 {
    now.boottime_us + u64::from(lease_ms) * MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(boottime_us: u64) -> Time {
        Time {
            boottime_us,
            wall_us: 0,
        }
    }

    #[test]
    fn a_lease_never_becomes_shorter_by_a_renewal() {
        let mut lease = Lease::inherited(at(0), 10_000);
        lease.renew(at(1), 1_000);
        assert_eq!(lease.until_us(), 10_000 * MS);
        lease.renew(at(9_500 * MS), 1_000);
        assert_eq!(lease.until_us(), 10_500 * MS);
    }

    #[test]
    fn a_longer_lease_of_the_past_is_reckoned_with_until_it_is_over() {
        let mut lease = Lease::inherited(at(0), 0);
        lease.begin(at(0), 1_000, 10_000);
        assert!(!lease.old_one_is_over(at(9_999 * MS)));
        assert!(lease.old_one_is_over(at(10_000 * MS)));
    }

    #[test]
    fn a_guest_under_two_names_has_the_longer_one() {
        let mut lease = Lease::inherited(at(0), 1_000);
        lease.join(&Lease::inherited(at(0), 3_000));
        assert_eq!(lease.until_us(), 3_000 * MS);
    }
}
