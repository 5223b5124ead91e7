//! Whether a unit by which an assembly is fenced is that of its guest. A unit that is down says
//! nothing of the guest if it is another one's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::bail;

use crate::clock::now;

/// How long what a guest has said may have waited in this process before it is noted, µs.
const WAITED_US: u64 = 10_000_000;

/// What this process has heard of assemblies, and seen of their units. Its copies are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeenUnits(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// When agents were last heard, µs of CLOCK_BOOTTIME.
    heard_us: BTreeMap<String, u64>,
    /// Units that were active when their assemblies were to be made safe.
    cut: BTreeSet<(String, String)>,
}

/// A unit that is not active.
#[derive(Debug, Clone, Copy)]
pub(super) struct Down {
    /// It was active once while the assembly answered.
    pub seen: bool,
    /// For how long it has not been active, µs.
    pub since_us: u64,
}

impl SeenUnits {
    /// The agent of an assembly was heard.
    pub(crate) fn heard(&self, assembly: &str) {
        let now_us = now().boottime_us;
        let mut seen = self.lock();
        match seen.heard_us.get_mut(assembly) {
            Some(heard_us) => *heard_us = now_us,
            None => drop(seen.heard_us.insert(assembly.to_owned(), now_us)),
        }
    }

    /// The unit was active when its assembly was to be made safe.
    pub(super) fn note_cut(&self, assembly: &str, unit: &str) {
        let pair = (assembly.to_owned(), unit.to_owned());
        self.lock().cut.insert(pair);
    }

    /// Whether it may be believed that the guest is down since the unit is.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub(super) fn believe(&self, assembly: &str, unit: &str, down: Down) -> anyhow::Result<()> {
        let seen = self.lock();
        let remedy = "check the fencing element of the document; if the guest is down, say so (cpectl confirm-fenced)";
        let pair = (assembly.to_owned(), unit.to_owned());
        if !down.seen && !seen.cut.contains(&pair) {
            bail!(
                "{unit} is not active and was never seen active while {assembly} answered, so it may not be this guest's unit: {remedy}"
            );
        }
        let silent_us = seen.heard_us.get(assembly);
        let silent_us = silent_us.map(|heard_us| now().boottime_us.saturating_sub(*heard_us));
        if silent_us.is_some_and(|us| us.saturating_add(WAITED_US) < down.since_us) {
            bail!(
                "{unit} is not active, and was not while {assembly} still answered, so it is not this guest's unit: {remedy}"
            );
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
