//! How many spans wait to be sent, and how many were lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts, for the loop and the thread that sends.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Ended and not sent yet.
    waiting: AtomicU64,
    /// Lost so far.
    lost: AtomicU64,
    /// The last attempt to send some has failed.
    fails: AtomicBool,
    /// What is wrong with the way there at this attempt, which the exporter does not pass on.
    trouble: Mutex<Option<String>>,
}

impl Losses {
    /// A span is to wait, where at most so many may. `false`: it may not, and is lost.
    pub(super) fn admit(&self, most: u64) -> bool {
        let add = |waiting: u64| (waiting < most).then(|| waiting + 1);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        let fits = self.waiting.fetch_update(set, get, add).is_ok();
        if !fits {
            self.lose(1);
        }
        fits
    }

    /// So many are lost.
    pub(super) fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// Notes what is wrong with the way there.
    pub(super) fn blame(&self, trouble: String) {
        let mut noted = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = Some(trouble);
    }

    /// How many were, so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// So many do not wait any more: they are sent, or lost, since sending failed. `true`: that is
    /// new; and what was wrong with the way there this time: a later failure has another cause.
    pub(super) fn sent(&self, count: u64, failed: bool) -> (bool, Option<String>) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        if failed {
            self.lose(count);
        }
        let mut noted = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = self.fails.swap(failed, Ordering::Relaxed) != failed;
        (is_new, noted.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_and_what_cannot_be_sent_is_counted() {
        let losses = Losses::default();
        assert_eq!([1, 2, 3].map(|_| losses.admit(2)), [true, true, false]);
        assert_eq!(losses.lost(), 1);
        assert!(losses.sent(1, true).0, "it begins to fail");
        assert!(losses.admit(2));
        assert!(!losses.sent(2, true).0, "it still does");
        assert_eq!(losses.lost(), 4);
        assert!(losses.admit(1));
        assert!(losses.sent(1, false).0, "it does no more");
        assert!(!losses.sent(0, false).0);
        assert_eq!(losses.lost(), 4);
    }

    #[test]
    fn a_failure_has_its_own_cause() {
        let losses = Losses::default();
        let refused = || Some("connection refused".to_owned());
        losses.blame("connection refused".into());
        assert_eq!(losses.sent(0, true), (true, refused()));
        losses.blame("connection refused".into());
        assert_eq!(losses.sent(0, true), (false, refused()));
        assert_eq!(losses.sent(0, false), (true, None));
        // The collector answers now, and takes nothing.
        assert_eq!(losses.sent(0, true), (true, None));
    }
}
