//! The host's clocks: what time it is, which time zones it knows, and when somebody sets one.

use std::os::fd::OwnedFd;

use controller::{Input, Time, Zone};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// What time it is.
pub(crate) fn now() -> Time {
    let us = |clock| {
        let time = clock_gettime(clock);
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000
            + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000
    };
    Time {
        boottime_us: us(ClockId::Boottime),
        wall_us: us(ClockId::Realtime),
    }
}

/// CLOCK_MONOTONIC, by which systemd says when units change, in µs.
pub(crate) fn monotonic_us() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000
}

/// The rules of a time zone.
pub(crate) fn zone(name: &str) -> Option<Zone> {
    cpe_daemon::time_zone(name).map(Zone::from)
}

/// What becomes of a wait for the clock to be set that fails.
const LATER: &str = "that the clock is set is noticed with the next heartbeat only";

/// Tells the loop whenever the wall clock is set: what is to happen at a time of day may have to
/// happen now. Without a timer of the kernel that is noticed with the next heartbeat.
pub(crate) async fn watch(inputs: mpsc::Sender<Input>) {
    let failed = match timer() {
        Ok(timer) => tell(&timer, &inputs).await,
        Err(error) => Err(error),
    };
    if let Err(error) = failed {
        tracing::warn!(%error, "{LATER}");
    }
}

/// Tells the loop whenever the clock is set, until the loop has ended.
///
/// # Errors
/// What is wrong with the timer: it cannot be waited for any more.
async fn tell(timer: &AsyncFd<OwnedFd>, inputs: &mpsc::Sender<Input>) -> std::io::Result<()> {
    loop {
        let mut ready = timer.readable().await?;
        let mut expirations = [0_u8; 8];
        match rustix::io::read(timer, &mut expirations) {
            Err(Errno::CANCELED) => {
                // Armed first: what is set after the loop was told is told again.
                arm(timer.get_ref())?;
                if inputs.send(Input::Tick).await.is_err() {
                    return Ok(());
                }
            }
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            // In two thousand years.
            Ok(_) => arm(timer.get_ref())?,
        }
    }
}

fn timer() -> std::io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
    arm(&timer)?;
    // Deprecated because a generic owner might close its descriptor early; OwnedFd cannot.
    #[allow(deprecated)]
    AsyncFd::new(timer)
}

/// It never goes off; only a clock that is set ends the wait for it.
fn arm(timer: &OwnedFd) -> std::io::Result<()> {
    let never = Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: Timespec {
            tv_sec: i64::from(i32::MAX) * 16,
            tv_nsec: 0,
        },
    };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &never)?;
    Ok(())
}
