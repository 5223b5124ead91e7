//! What is remembered to judge by.

use std::collections::{BTreeMap, BTreeSet};

use ownership::{Answer, Change, ChangeId, DeploymentId, HostId, Order, Session};

/// A client's change.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) change: Change,
    pub(crate) answers: Vec<Answer>,
    /// How often the store has done it.
    pub(crate) done: u32,
}

/// What an operator has ordered, which was not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    pub(crate) host: usize,
    /// Of its cpe.
    pub(crate) life: u64,
    pub(crate) order: Order,
    pub(crate) at_us: u64,
}

/// See above.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    pub(crate) violations: Vec<String>,
    /// When anything last went wrong or was mended.
    pub(crate) disturbed_us: u64,
    /// Since when a host's session is over, and which.
    pub(crate) vanished: BTreeMap<HostId, (u64, Session)>,
    /// Since when so many are gone that nothing may be taken from them.
    pub(crate) herd_us: Option<u64>,
    /// How many sessions have ended.
    pub(crate) losses: u64,
    pub(crate) changes: Vec<Asked>,
    pub(crate) by_id: BTreeMap<ChangeId, usize>,
    pub(crate) orders: Vec<Ordered>,
    /// When each host has heard by its watch that another one is gone.
    pub(crate) heard_us: BTreeMap<(usize, HostId), u64>,
    /// Whose each deployment was last.
    pub(crate) owners: BTreeMap<DeploymentId, HostId>,
    /// Records given away, and taken from lost sessions; claims and other starts.
    pub(crate) handed: u64,
    pub(crate) taken: u64,
    /// Those that a host has taken.
    pub(crate) taken_by: BTreeMap<HostId, u64>,
    /// How many each host had when the fault of the style came.
    pub(crate) loads: BTreeMap<HostId, u64>,
    /// Deployments that were ended once: their generations begin with 1 again.
    pub(crate) ended: BTreeSet<DeploymentId>,
    /// Leases that have ended while a service ran.
    pub(crate) lease_stops: u64,
    /// The longest time without a DPE that could act, while nothing was wrong, µs.
    pub(crate) longest_us: u64,
}
