//! The time of this host.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since the Unix epoch.
pub fn now() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// CLOCK_BOOTTIME: microseconds since the boot, also those in which the machine was suspended.
/// Nobody can set it.
pub fn boottime_us() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest = u64::try_from(now.tv_nsec).unwrap_or(0) / 1000;
    seconds.saturating_mul(1_000_000).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test cannot suspend the host. But /proc/uptime counts the time of a suspend too.
    #[test]
    fn it_is_the_time_since_the_boot() {
        let before = boottime_us();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let after = boottime_us();
        // It has two digits after the point.
        let seconds = |us: u64| us as f64 / 1e6;
        assert!(seconds(before) - 0.02 <= uptime, "{before} {uptime}");
        assert!(uptime <= seconds(after) + 0.02, "{after} {uptime}");
    }
}
