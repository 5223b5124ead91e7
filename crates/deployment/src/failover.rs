//! How long an assembly of fencing mode `lease` must be waited for: the one place where that is
//! derived.
//!
//! The agent counts by its own clock, the DPE by its own. Let `h` be the moment at which the DPE
//! received the last heartbeat that it answered.
//!
//! 1. The heartbeat was stamped before it was received, and the answer echoes the stamp. The lease
//!    runs from the stamp: it ends before `h + lease`, by whichever clock, however late the answer
//!    arrives. An answer that is lost makes the lease end earlier.
//! 2. When the lease has ended the agent stops the services in order, for `grace` at most. Then it
//!    kills what is left and resets the guest at once.
//! 3. The agent's clock may be slower than the DPE's by one part in [`DRIFT_PARTS`]. It counts
//!    `lease + grace`, so that it may be late by that part of both.
//! 4. From the decision to reset until no process runs, [`RESET_MARGIN`] may pass.
//!
//! So nothing of ours runs there after `h + lease + grace + drift + margin`. The stop timeouts of
//! the services are not in it: they hold where nothing is lost. The time in which the DPE notices
//! the loss (`heartbeat_timeout`) is not added either, since it runs from the same `h`.

use std::time::Duration;

/// A clock may be slower than another by one part in this many. Real clocks drift a hundred times
/// less.
pub const DRIFT_PARTS: u32 = 50;

/// What may pass from an agent's decision to reset its guest until no process runs in it.
pub const RESET_MARGIN: Duration = Duration::from_secs(2);

/// How long after the last heartbeat that was answered nothing runs any more in a guest whose
/// agent holds a lease. `lease`: its length; `grace`: how long stopping in order may take
/// afterwards.
pub fn safe_after(lease: Duration, grace: Duration) -> Duration {
    let counted = lease.saturating_add(grace);
    counted
        .saturating_add(counted / DRIFT_PARTS)
        .saturating_add(RESET_MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_lease_and_grace_by_the_slowest_clock_and_the_reset() {
        let seconds = Duration::from_secs;
        assert_eq!(
            safe_after(seconds(10), seconds(5)),
            Duration::from_millis(17_300)
        );
        assert_eq!(
            safe_after(seconds(3), seconds(2)),
            Duration::from_millis(7_100)
        );
    }

    #[test]
    fn the_longest_durations_do_not_overflow() {
        assert_eq!(safe_after(Duration::MAX, Duration::MAX), Duration::MAX);
    }
}
