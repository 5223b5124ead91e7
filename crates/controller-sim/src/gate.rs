//! What devices do that cut guests off and let them in: what is under way, over starts of the DPE.

use std::collections::BTreeMap;

use controller::AssemblyId;

/// What is under way.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// By the DPE's start and the number of the attempt.
    pub letting_in: BTreeMap<(u64, u64), LettingIn>,
    /// By guest: when the device acts that was asked to make it safe, µs.
    pub cuts_at_us: BTreeMap<usize, u64>,
    /// By guest: until when its port cannot be opened, µs.
    pub broken_until_us: BTreeMap<usize, u64>,
}

/// A guest is being let in.
#[derive(Clone, Debug)]
pub(crate) struct LettingIn {
    pub assembly: AssemblyId,
    pub guest: usize,
    /// Its boot when that was asked for.
    pub boot: u64,
}

impl Gate {
    /// Some device may still let that guest in.
    pub(crate) fn may_let_in(&self, guest: usize) -> bool {
        self.letting_in.values().any(|own| own.guest == guest)
    }

    /// No device can let that guest in.
    pub(crate) fn is_broken(&self, guest: usize, now_us: u64) -> bool {
        let until_us = self.broken_until_us.get(&guest);
        until_us.is_some_and(|until_us| *until_us > now_us)
    }

    /// Some device is about to make that guest safe.
    pub(crate) fn is_about_to_cut(&self, guest: usize, now_us: u64) -> bool {
        self.cuts_at_us
            .get(&guest)
            .is_some_and(|at_us| *at_us > now_us)
    }
}
