//! Time as the controller sees it: handed in with every input, never read.

use serde::{Deserialize, Serialize};

/// One instant on the two clocks that matter.
///
/// Everything that waits (heartbeats, leases, timeouts) is counted on the boot-time clock, which
/// runs while the machine sleeps and never jumps. The wall clock is used for what people and guests
/// read, and for periods that outlive the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// `CLOCK_BOOTTIME` of the host, microseconds. Must never go back.
    pub boottime_us: u64,
    /// `CLOCK_REALTIME`, microseconds since the Unix epoch. May jump.
    pub wall_us: u64,
}

impl Time {
    /// Wall clock in whole seconds, as the policy engine counts.
    pub fn wall_s(self) -> i64 {
        i64::try_from(self.wall_us / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// Microseconds in a millisecond.
pub(crate) const MS: u64 = 1_000;
/// Microseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000;
