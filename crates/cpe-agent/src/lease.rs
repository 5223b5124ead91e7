//! The lease: how long this guest may keep its services running without hearing from its DPE.
//!
//! The arithmetic makes it safe without synchronised clocks. A heartbeat carries the guest's own
//! CLOCK_BOOTTIME; the DPE echoes that stamp; the lease runs from the *stamp*. The DPE received the
//! heartbeat after it was stamped and counts the lease from then, so the DPE's end of the lease is
//! never before the guest's, however long the answer was under way. Pure: the clock is an argument.

use serde::{Deserialize, Serialize};

/// How long after the deadline a watchdog device has reset the guest at the latest, µs. The agent
/// and its guard come first; the DPE adds two seconds.
const DEVICE_AFTER_US: u64 = 1_000_000;

/// A lease. All times are µs of CLOCK_BOOTTIME.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its length; 0 means that there is no lease.
    pub length_us: u64,
    /// The latest stamp that has been echoed.
    pub stamp_us: u64,
    /// When it ends.
    end_us: u64,
    /// How long services may take to stop in order after its end. Then the guest is reset.
    #[serde(default)]
    grace_us: u64,
    /// The guest is reset when it is over, even if all services have stopped in order.
    #[serde(default)]
    resets: bool,
}

/// A renewal with a stamp that no heartbeat can have carried yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromTheFuture;

impl Lease {
    /// A lease that begins now; of length 0, none.
    pub fn starting(length_us: u64, now_us: u64) -> Self {
        match length_us {
            0 => Lease::default(),
            _ => Lease {
                length_us,
                stamp_us: now_us,
                end_us: now_us.saturating_add(length_us),
                grace_us: 0,
                resets: false,
            },
        }
    }

    /// The lease after a Hello that asks for another length. A lease that runs keeps its end: Hello
    /// carries no stamp, so its sender cannot know when, or whether, the agent got it.
    pub fn with_length(self, length_us: u64, now_us: u64) -> Self {
        match (self.end_us(), length_us) {
            (Some(end_us), 1..) => Lease {
                length_us,
                end_us,
                ..self
            },
            _ => Lease::starting(length_us, now_us),
        }
    }

    /// The same lease with this grace after its end.
    pub fn with_grace(self, grace_us: u64) -> Self {
        Lease { grace_us, ..self }
    }

    /// The lease of a guest that is to be restarted: over now, if it was not before. `None` without
    /// a lease: nothing says then until when services must be down.
    pub fn restarting(self, now_us: u64) -> Option<Self> {
        let end_us = self.end_us()?.min(now_us);
        Some(Lease {
            end_us,
            resets: true,
            ..self
        })
    }

    /// Whether its guest is reset when it is over, even if all services have stopped in order.
    pub fn resets(&self) -> bool {
        self.resets
    }

    /// Where a lease was in force that cannot be read: one that has just ended.
    pub fn unreadable(grace_us: u64, now_us: u64) -> Self {
        Lease::starting(1, now_us.saturating_sub(1)).with_grace(grace_us)
    }

    /// When everything must be down that the lease was for: nothing of it may run after this.
    /// `None` without a lease.
    pub fn deadline_us(&self) -> Option<u64> {
        self.end_us().map(|end| end.saturating_add(self.grace_us))
    }

    /// The timeout that a watchdog device is to have, in seconds: fed for as long as half of the
    /// lease is left, it resets the guest a second after the deadline. `None` without a lease.
    pub fn device_timeout_s(&self) -> Option<u64> {
        let us = (self.length_us / 2)
            .saturating_add(self.grace_us)
            .saturating_add(DEVICE_AFTER_US);
        self.end_us().map(|_| us / 1_000_000)
    }

    /// Until when a device with this timeout may be fed: so that it resets the guest a second after
    /// the deadline, neither later nor while services may still stop in order. One whose timeout is
    /// too long for that, or not known, is fed while half of the lease is left. `None` without a
    /// lease.
    pub fn feed_device_until_us(&self, timeout_s: Option<u64>) -> Option<u64> {
        let half = self.end_us()?.saturating_sub(self.length_us / 2);
        let latest = self.deadline_us()?.saturating_add(DEVICE_AFTER_US);
        let in_time =
            timeout_s.map(|timeout| latest.saturating_sub(timeout.saturating_mul(1_000_000)));
        Some(in_time.unwrap_or(0).max(half))
    }

    /// When it ends; `None` without a lease.
    pub fn end_us(&self) -> Option<u64> {
        (self.length_us > 0).then_some(self.end_us)
    }

    /// True when it has ended.
    pub fn has_ended(&self, now_us: u64) -> bool {
        self.end_us().is_some_and(|end| now_us >= end)
    }

    /// What is left of it, in ms; 0 without a lease.
    pub fn remaining_ms(&self, now_us: u64) -> u64 {
        self.end_us()
            .map_or(0, |end| end.saturating_sub(now_us) / 1000)
    }

    /// Runs from a later stamp; an earlier one changes nothing.
    ///
    /// # Errors
    /// [`FromTheFuture`] for a stamp that no heartbeat can have carried yet.
    pub fn renew(&mut self, stamp_us: u64, now_us: u64) -> Result<(), FromTheFuture> {
        if stamp_us > now_us {
            return Err(FromTheFuture);
        }
        if self.length_us > 0 && stamp_us > self.stamp_us {
            self.stamp_us = stamp_us;
            self.end_us = stamp_us.saturating_add(self.length_us);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_from_the_stamp_and_not_from_the_renewals_arrival() {
        let mut lease = Lease::starting(10_000_000, 0);
        // The answer to the heartbeat of second 2 arrives in second 9: the lease ends in second 12.
        lease.renew(2_000_000, 9_000_000).unwrap();
        assert!(!lease.has_ended(11_999_999));
        assert!(lease.has_ended(12_000_000));
        assert_eq!(lease.remaining_ms(9_000_000), 3000);
    }

    #[test]
    fn it_is_not_shortened_by_an_old_stamp_nor_lengthened_by_a_future_one() {
        let mut lease = Lease::starting(10, 100);
        lease.renew(50, 105).unwrap();
        assert_eq!(lease.end_us(), Some(110));
        assert_eq!(lease.renew(106, 105), Err(FromTheFuture));
        assert_eq!(lease.end_us(), Some(110));
    }

    #[test]
    fn it_keeps_its_end_when_a_hello_asks_for_another_length() {
        let mut lease = Lease::starting(10, 100).with_length(60, 105);
        assert_eq!(lease.end_us(), Some(110));
        lease.renew(106, 107).unwrap();
        assert_eq!(lease.end_us(), Some(166));
        assert_eq!(lease.with_grace(5).deadline_us(), Some(171));
        assert_eq!(lease.with_length(0, 108), Lease::default());
        assert_eq!(Lease::unreadable(5, 108).deadline_us(), Some(113));
        assert_eq!(
            Lease::default().with_length(10, 108),
            Lease::starting(10, 108)
        );
    }

    #[test]
    fn a_restart_ends_it_now_and_never_later() {
        let mut lease = Lease::starting(10, 100).with_grace(5);
        lease = lease.restarting(104).unwrap();
        assert_eq!(
            (lease.end_us(), lease.deadline_us()),
            (Some(104), Some(109))
        );
        assert!(lease.resets() && !Lease::starting(10, 100).resets());
        assert_eq!(lease.restarting(107).unwrap().end_us(), Some(104));
        assert_eq!(Lease::default().restarting(107), None);
    }

    #[test]
    fn a_device_that_is_not_fed_any_more_resets_the_guest_a_second_after_the_deadline() {
        // (lease, grace) in ms
        for (length, grace) in [
            (10_000, 5000),
            (3000, 2000),
            (600, 600),
            (60_000, 5000),
            (1, 0),
        ] {
            let (length_us, grace_us) = (length * 1000, grace * 1000);
            let lease = Lease::starting(length_us, 70_000_000).with_grace(grace_us);
            let deadline = lease.deadline_us().unwrap();
            let wanted = lease.device_timeout_s().unwrap();
            for timeout in 1..=wanted {
                let until = lease.feed_device_until_us(Some(timeout)).unwrap();
                let reset = until + timeout * 1_000_000;
                assert!(reset <= deadline + DEVICE_AFTER_US, "{length} {timeout}");
                assert!(
                    reset > deadline,
                    "{length} {timeout}: services may still stop"
                );
            }
            let until = lease.feed_device_until_us(Some(wanted)).unwrap();
            assert!(
                until >= lease.end_us().unwrap() - length_us / 2,
                "a renewal may be late"
            );
        }
        let usual = Lease::starting(10_000_000, 0).with_grace(5_000_000);
        assert_eq!(usual.device_timeout_s(), Some(11));
    }

    #[test]
    fn a_device_whose_timeout_is_too_long_or_unknown_is_fed_while_half_of_the_lease_is_left() {
        let lease = Lease::starting(10_000_000, 0).with_grace(5_000_000);
        for timeout in [Some(60), Some(u64::MAX), None] {
            assert_eq!(lease.feed_device_until_us(timeout), Some(5_000_000));
        }
        assert_eq!(Lease::default().device_timeout_s(), None);
        assert_eq!(Lease::default().feed_device_until_us(Some(5)), None);
    }

    #[test]
    fn it_never_ends_where_there_is_none() {
        let lease = Lease::default();
        assert!(!lease.has_ended(u64::MAX));
        assert_eq!(lease.end_us(), None);
    }
}
