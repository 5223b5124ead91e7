//! Node attributes: what resource agents in the guests tell the policy engine, as promotion scores.
//!
//! The agents own them; here is what they told last, and what of it is in force, that is, in the
//! policy engine's input. The two differ only while a change is dampened: an attribute with a
//! dampening waits for further changes, in any assembly, and then all values that it has by then
//! count at once. So when every guest loses its gateway within a few seconds, nothing moves.
//!
//! A change that comes into force aborts the transition, as it does in Pacemaker (scheduler-spec/05
//! §18.4). They are gone when their assembly is made safe, or its guest rebooted.

use std::collections::{BTreeMap, BTreeSet};

use super::Controller;
use crate::vocabulary::{AssemblyId, Attributes, MS, Time};

/// The attributes of one assembly.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeAttributes {
    /// What its agent reported last. `None`: nothing since the assembly was empty.
    reported: Option<Attributes>,
    in_force: BTreeMap<String, String>,
}

impl NodeAttributes {
    /// What the policy engine is told, by name.
    pub(crate) fn in_force(&self) -> &BTreeMap<String, String> {
        &self.in_force
    }

    /// Brings what was told about an attribute into force; says so if that changes something.
    fn settle(&mut self, assembly: &AssemblyId, attribute: &str) -> Option<String> {
        let reported = self.reported.as_ref()?.values.get(attribute);
        let reported = reported.map(|known| known.value.clone());
        if reported.as_ref() == self.in_force.get(attribute) {
            return None;
        }
        Some(match reported {
            Some(value) => {
                let text = format!("node attribute {attribute} of {assembly} is {value}");
                self.in_force.insert(attribute.to_owned(), value);
                text
            }
            None => {
                self.in_force.remove(attribute);
                format!("node attribute {attribute} of {assembly} is no longer set")
            }
        })
    }
}

impl Controller {
    /// An agent has told its guest's attributes unasked.
    pub(crate) fn attributes_changed(
        &mut self,
        now: Time,
        name: &AssemblyId,
        attributes: Attributes,
    ) {
        let Some(assembly) = self.assemblies.get(name) else {
            return;
        };
        let reported = assembly.attributes.reported.as_ref();
        // A report from before the answer with which the stream began.
        let old = reported.is_none_or(|reported| reported.version >= attributes.version);
        if assembly.connected && !old {
            self.take_attributes(now, name, attributes);
        }
    }

    /// What an agent tells of its guest's attributes, in place of all that it told before.
    pub(crate) fn take_attributes(&mut self, now: Time, name: &AssemblyId, attributes: Attributes) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        let before = assembly.attributes.reported.replace(attributes.clone());
        let all: BTreeSet<String> = attributes
            .values
            .keys()
            .chain(assembly.attributes.in_force.keys())
            .cloned()
            .collect();
        let mut changes = Vec::new();
        for attribute in all {
            let new = attributes.values.get(&attribute).map(|known| &known.value);
            if new == assembly.attributes.in_force.get(&attribute) {
                continue;
            }
            let known = |reported: &Attributes| Some(reported.values.get(&attribute)?.dampening_ms);
            let dampening_ms = known(&attributes)
                .or_else(|| known(before.as_ref()?))
                .filter(|_| before.is_some())
                .unwrap_or(0);
            if dampening_ms == 0 {
                changes.extend(assembly.attributes.settle(name, &attribute));
            } else {
                let due_us = now.boottime_us + u64::from(dampening_ms) * MS;
                self.settling.entry(attribute).or_insert(due_us);
            }
        }
        if let Some(first) = changes.first() {
            self.world_changed(first);
        }
    }

    /// Boot time at which the next dampened attribute counts, µs.
    pub(crate) fn attributes_deadline(&self) -> Option<u64> {
        self.settling.values().min().copied()
    }

    /// Brings into force what has been dampened long enough.
    pub(crate) fn age_attributes(&mut self, now: Time) {
        let due = |due_us: &u64| *due_us <= now.boottime_us;
        let settled: Vec<String> = self
            .settling
            .iter()
            .filter(|(_, due_us)| due(due_us))
            .map(|(attribute, _)| attribute.clone())
            .collect();
        let mut changes = Vec::new();
        for attribute in settled {
            self.settling.remove(&attribute);
            for (name, assembly) in &mut self.assemblies {
                changes.extend(assembly.attributes.settle(name, &attribute));
            }
        }
        if let Some(first) = changes.first() {
            self.world_changed(first);
        }
    }
}
