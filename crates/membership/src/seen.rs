//! What the store's watch has told, and when.

use std::sync::atomic::{AtomicU64, Ordering};

use cpe_permit::now_us;

/// What a watch has told.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    told_us: AtomicU64,
    pulse: AtomicU64,
}

impl Seen {
    /// The watch has told something.
    pub(crate) fn told(&self, now_us: u64) {
        self.told_us.store(now_us, Ordering::Relaxed);
    }

    /// The pulse was written at this revision.
    pub(crate) fn pulse(&self, revision: u64) {
        self.pulse.fetch_max(revision, Ordering::Relaxed);
    }

    pub(crate) fn last_pulse(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    pub(crate) fn silent_us(&self) -> u64 {
        now_us().saturating_sub(self.told_us.load(Ordering::Relaxed))
    }
}
