//! Guests that devices have cut off (`provides="unfencing"`), which run on.
//!
//! To be cut off makes nobody safe: what runs there ends with its lease, and until then a guest
//! that is heard is only told to end it sooner. What a guest has under way when it is cut off, it
//! would write when it is let in again, beside whoever has its services by then. So it is let in
//! only in another boot: the boots in which guests were to be cut off are durable before a device
//! is asked, and one that answers in such a boot, whatever has become of its assembly or of the DPE
//! since, is restarted.

use std::collections::BTreeSet;

use super::Controller;
use crate::machines::assembly::Assembly;
use crate::vocabulary::{AssemblyId, Fencing, Time};

/// Why a guest is restarted that is back.
pub(super) const HAS_TO_BOOT: &str =
    "its devices were asked to cut it off, so it has to boot before they let it in again";

impl Controller {
    /// A device is about to be asked to cut its guest off, in the boot in which it was heard last.
    pub(super) fn note_cut(&mut self, name: &AssemblyId) {
        let boot_id = self.store.assembly(name).boot_id;
        if boot_id.is_empty() || self.store.deployment().cut_boots.has(&boot_id) {
            return;
        }
        let facts = self.store.assemblies().values();
        let last: BTreeSet<String> = facts.map(|facts| facts.boot_id.clone()).collect();
        let boots = &mut self.store.deployment_mut().cut_boots;
        boots.add(boot_id, |own| last.contains(own));
    }

    /// Its guest is cut off and runs on: what runs there ends with its lease.
    pub(super) fn cut_off(&mut self, now: Time, name: &AssemblyId) {
        let facts = self.store.assembly(name);
        if facts.in_doubt || facts.unleased {
            let reason = "its guest is cut off and may run on without a lease, so waiting does not make it safe: when it is down, \
                          say so with ConfirmFenced (cpectl confirm-fenced)";
            self.attempt_failed(now, name, reason);
            return;
        }
        let over_us = self.lease_over_us(name, &facts);
        if let Some(fence) = self.assemblies.get_mut(name).and_then(Assembly::fence_mut) {
            fence.cut_off(over_us);
        }
        self.have_restarted(name);
        self.age_fence(now, name);
    }

    /// Its guest runs in a boot in which it was to be cut off.
    pub(super) fn is_cut_off(&self, name: &AssemblyId) -> bool {
        let own = self.assemblies.get(name);
        let boots = &self.store.deployment().cut_boots;
        own.is_some_and(|own| boots.has(&own.hello().boot_id))
    }

    /// Why it is to be restarted through its fencing, if it is.
    pub(super) fn to_be_restarted(&self, name: &AssemblyId) -> Option<String> {
        let facts = self.store.assemblies().get(name);
        let wanted = facts.and_then(|facts| facts.restart.clone());
        wanted.or_else(|| self.has_to_boot(name).then(|| HAS_TO_BOOT.to_owned()))
    }

    /// Where nobody would let it in, or nothing restarts it, it is left alone.
    fn has_to_boot(&self, name: &AssemblyId) -> bool {
        let own = self.assemblies.get(name).map(Assembly::spec);
        own.is_some_and(|spec| !spec.unfenced_by.is_empty() && spec.fencing != Fencing::None)
            && self.is_cut_off(name)
    }
}
