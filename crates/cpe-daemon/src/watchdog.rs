//! systemd's watchdog: it restarts a daemon whose event loop has stopped turning.
//!
//! A loop that has other things to do notifies systemd while it is awake anyway, so that an idle
//! daemon is not woken for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::notify::{State, notify};

/// What systemd expects of this process, and when it was notified.
#[derive(Debug)]
pub struct Watchdog {
    /// systemd ends the process this long after the last notification.
    limit: Duration,
    notified: Option<Instant>,
}

impl Watchdog {
    /// The watchdog of this process; `None` if systemd did not ask for one.
    pub fn wanted() -> Option<Watchdog> {
        sd_notify::watchdog_enabled().map(|limit| Watchdog {
            limit,
            notified: None,
        })
    }

    /// Has systemd end the process this long after the last notification from now on. For daemons
    /// that learn only later how long they may be away.
    pub fn set_limit(&mut self, limit: Duration) {
        if self.limit == limit {
            return;
        }
        let limit_us = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
        // A systemd that does not read keeps to the limit that it knows, and so do we.
        if notify(&[State::WatchdogUsec(limit_us), State::Watchdog]) {
            self.limit = limit;
            self.notified = Some(Instant::now());
        }
    }

    /// To be called whenever the loop turns: tells systemd so, at most four times within its limit.
    pub fn turn(&mut self) {
        let now = Instant::now();
        if self
            .notified
            .is_none_or(|notified| now - notified >= self.limit / 4)
        {
            notify(&[State::Watchdog]);
            self.notified = Some(now);
        }
    }

    /// When the loop must turn at the latest.
    pub fn due(&self) -> Instant {
        self.notified
            .map_or_else(Instant::now, |notified| notified + self.limit / 2)
    }

    /// Turns for as long as the event loop does, for daemons without another beat.
    pub async fn run() {
        let Some(mut watchdog) = Watchdog::wanted() else {
            return;
        };
        loop {
            watchdog.turn();
            tokio::time::sleep_until(watchdog.due()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_at_once_and_then_only_when_a_quarter_of_the_limit_is_over() {
        let limit = Duration::from_secs(40);
        let mut watchdog = Watchdog {
            limit,
            notified: None,
        };
        let start = Instant::now();
        assert_eq!(watchdog.due(), start);
        watchdog.turn();
        assert_eq!(watchdog.due(), start + limit / 2);
        tokio::time::advance(Duration::from_secs(9)).await;
        watchdog.turn();
        assert_eq!(
            watchdog.due(),
            start + limit / 2,
            "notified again too early"
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        watchdog.turn();
        assert_eq!(watchdog.due(), start + Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_limit_counts_at_once() {
        let mut watchdog = Watchdog {
            limit: Duration::from_secs(40),
            notified: None,
        };
        watchdog.turn();
        let limit = Duration::from_secs(4);
        watchdog.set_limit(limit);
        assert_eq!(watchdog.due(), Instant::now() + limit / 2);
    }
}
