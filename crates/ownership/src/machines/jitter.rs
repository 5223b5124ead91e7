//! Delays that differ from host to host.

use crate::vocabulary::{HostId, STEP, mixed};

/// A sequence of numbers, SplitMix64: chance enough to keep hosts apart.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    /// The sequence of that start of that host.
    pub(crate) fn new(host: &HostId, entropy: u64) -> Jitter {
        Jitter(host.hash() ^ entropy)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let bits = mixed(self.0);
        self.0 = self.0.wrapping_add(STEP);
        bits % bound.max(1)
    }
}
