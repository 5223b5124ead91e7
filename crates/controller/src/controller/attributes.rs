//! What changed node attributes bring about.
//!
//! A change that comes into force aborts the transition, as it does in Pacemaker (scheduler-spec/05
//! §18.4). Attributes are gone when their assembly is made safe, or its guest rebooted.

use super::Controller;
use crate::vocabulary::{AssemblyId, Attributes, Time};

impl Controller {
    /// An agent has reported its guest's attributes without being asked.
    pub(crate) fn attributes_changed(
        &mut self,
        now: Time,
        name: &AssemblyId,
        attributes: Attributes,
    ) {
        let Some(assembly) = self.assemblies.get(name) else {
            return;
        };
        if assembly.contact().is_up() && assembly.attributes().is_outdated_by(&attributes) {
            self.take_attributes(now, name, attributes);
        }
    }

    /// What an agent reports of its guest's attributes, in place of all that it reported before.
    pub(crate) fn take_attributes(&mut self, now: Time, name: &AssemblyId, attributes: Attributes) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let changes = assembly.report(name, attributes, &mut self.dampening, now.boottime_us);
        if let Some(first) = changes.first() {
            self.value_changed(now, first);
        }
    }

    /// Brings into force what has been dampened long enough. `true`: something has changed.
    pub(crate) fn age_attributes(&mut self, now: Time) -> bool {
        let mut changes = Vec::new();
        for attribute in self.dampening.take_due(now.boottime_us) {
            for (name, assembly) in &mut self.assemblies {
                changes.extend(assembly.settle(name, &attribute));
            }
        }
        if let Some(first) = changes.first() {
            self.value_changed(now, first);
        }
        !changes.is_empty()
    }
}
