//! A model of a DPE: it renews leases while it may act, and starts the service in a guest when no
//! other guest can run it. It knows nothing when it starts.

use deployment::failover;
use ownership::Grant;

/// A DPE's process.
#[derive(Clone, Debug)]
pub(crate) struct Dpe {
    pub(crate) deployment: usize,
    pub(crate) host: usize,
    pub(crate) grant: Grant,
    pub(crate) epoch: u64,
    pub(crate) alive: bool,
    /// By its host's clock.
    pub(crate) started_us: u64,
    pub(crate) contacts: Vec<Contact>,
}

/// What it knows of one guest.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub(crate) guest: usize,
    pub(crate) stream: u32,
    /// Hello was answered on it.
    pub(crate) open: bool,
    pub(crate) hello_us: u64,
    pub(crate) heard_us: Option<u64>,
    /// The service runs there, or may.
    pub(crate) runs: bool,
    /// A start was asked for and is not answered.
    pub(crate) asked_us: Option<u64>,
}

/// A guest that was not heard for so long is lost.
pub(crate) const LOST_US: u64 = 3_000_000;
/// A guest has this long to stop its service after its lease.
pub(crate) const GRACE_US: u64 = 2_000_000;

impl Contact {
    pub(crate) fn is_heard(&self, now_us: u64) -> bool {
        self.open && self.heard_us.is_some_and(|at_us| now_us < at_us + LOST_US)
    }

    /// Whether the service does not run there for certain.
    fn is_free(&self, now_us: u64, started_us: u64, lease_us: u64) -> bool {
        let micros = std::time::Duration::from_micros;
        let safe = failover::safe_after(micros(lease_us), micros(GRACE_US));
        let since_us = self.heard_us.unwrap_or(started_us);
        self.is_heard(now_us) && !self.runs || now_us >= since_us + safe.as_micros() as u64
    }
}

impl Dpe {
    /// The guest in which the service is to be started now.
    pub(crate) fn choice(&self, now_us: u64, lease_us: u64) -> Option<usize> {
        let free = |it: &Contact| it.is_free(now_us, self.started_us, lease_us);
        let fits = |it: &&Contact| it.is_heard(now_us) && !it.runs;
        let all_free = self.contacts.iter().all(free);
        self.contacts.iter().position(|it| all_free && fits(&it))
    }
}
