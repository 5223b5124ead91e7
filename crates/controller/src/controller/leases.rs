//! How soon this daemon must be back if it stands still: before a lease ends that a guest may have.

use super::Controller;
use crate::machines::assembly::Assembly;
use crate::vocabulary::{AssemblyId, LeasesHeld};

impl Controller {
    /// The leases that guests may hold: those of guests that were heard, or may run services that
    /// nobody knows of, and are not safe.
    pub fn leases_held(&self) -> LeasesHeld {
        self.outlook.leases()
    }

    pub(crate) fn all_leases_held(&self) -> LeasesHeld {
        if self.assemblies.is_empty() {
            return LeasesHeld::Unknown;
        }
        let leases = self.assemblies.iter();
        let leases = leases.filter_map(|(name, assembly)| self.lease_held(name, assembly));
        leases.min().map_or(LeasesHeld::None, LeasesHeld::Shortest)
    }

    fn lease_held(&self, name: &AssemblyId, assembly: &Assembly) -> Option<u32> {
        let facts = self.store.assemblies().get(name)?;
        if assembly.is_safe() || facts.is_unheard() {
            return None;
        }
        let sent = assembly.sent_settings();
        let leases = [facts.lease_ms, sent.map_or(0, |settings| settings.lease_ms)];
        leases.into_iter().filter(|lease_ms| *lease_ms > 0).min()
    }
}
