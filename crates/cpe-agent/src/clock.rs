//! The guest's clocks.
//!
//! The lease is measured by CLOCK_BOOTTIME, which goes on while the guest is suspended and never
//! jumps. Tokio's timers run on CLOCK_MONOTONIC, which stands still in suspend, so the lease has a
//! timer of its own: a timerfd that fires at once when a guest wakes up after its lease has ended.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::Context;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

pub use cpe_daemon::{boottime_us, now as wall_us};

/// The id of the guest's boot.
///
/// # Errors
/// If the file cannot be read or is empty.
pub fn boot_id(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!(
            "cannot read the boot id from {}: is /proc mounted?",
            file.display()
        )
    })?;
    let id = text.trim();
    anyhow::ensure!(
        !id.is_empty() && id.len() <= 64,
        "{} must hold a boot id of 1 to 64 characters, found {}",
        file.display(),
        id.len()
    );
    Ok(id.to_owned())
}

/// A timer on CLOCK_BOOTTIME.
#[derive(Debug)]
pub struct BootTimer {
    timer: AsyncFd<OwnedFd>,
    /// What it is set to, to spare system calls.
    armed: Option<u64>,
}

impl BootTimer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// Those of timerfd_create(2).
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(
            TimerfdClockId::Boottime,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        // Deprecated because a generic owner might close its descriptor early; OwnedFd cannot.
        #[allow(deprecated)]
        let timer = AsyncFd::new(fd)?;
        Ok(BootTimer { timer, armed: None })
    }

    /// Sets it to fire at a time (µs of CLOCK_BOOTTIME), or never.
    ///
    /// # Errors
    /// Those of timerfd_settime(2).
    pub fn arm(&mut self, at: Option<u64>) -> io::Result<()> {
        if self.armed == at {
            return Ok(());
        }
        // A value of zero would disarm it; the first microsecond after boot has passed anyway.
        let us = at.map_or(0, |us| us.max(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(us / 1_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(us % 1_000_000 * 1000).unwrap_or(0),
        };
        let it_interval = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        timerfd_settime(
            self.timer.get_ref(),
            TimerfdTimerFlags::ABSTIME,
            &Itimerspec {
                it_interval,
                it_value,
            },
        )?;
        self.armed = at;
        Ok(())
    }

    /// Waits until it fires; forever if it is not set. May be dropped and called again.
    ///
    /// # Errors
    /// Those of the reactor.
    pub async fn fired(&mut self) -> io::Result<()> {
        loop {
            let mut guard = self.timer.readable().await?;
            let mut count = [0u8; 8];
            match rustix::io::read(guard.get_inner(), &mut count) {
                Ok(_) => {
                    self.armed = None;
                    return Ok(());
                }
                Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_fires_at_once_for_a_time_that_has_passed() {
        let mut timer = BootTimer::new().unwrap();
        timer
            .arm(Some(boottime_us().saturating_sub(1_000_000)))
            .unwrap();
        timer.fired().await.unwrap();
        timer.arm(Some(boottime_us() + 2_000)).unwrap();
        timer.fired().await.unwrap();
    }

    #[test]
    fn it_refuses_an_empty_boot_id() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("boot_id");
        assert!(boot_id(&file).unwrap_err().to_string().contains("boot id"));
        std::fs::write(&file, "\n").unwrap();
        assert!(boot_id(&file).is_err());
        std::fs::write(&file, "abc\n").unwrap();
        assert_eq!(boot_id(&file).unwrap(), "abc");
    }
}
