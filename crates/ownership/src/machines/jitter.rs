//! Delays that differ from host to host.

use crate::vocabulary::HostId;

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
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
