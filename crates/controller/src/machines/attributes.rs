//! Node attributes: what resource agents in the guests tell the policy engine, as promotion scores.
//!
//! The agents own them; here is what they reported last, and what of it is in force, that is, in
//! the policy engine's input. The two differ only while a change is dampened: an attribute with a
//! dampening waits for further changes, in any assembly, and then all values that it has by then
//! count at once. So when every guest loses its gateway within a few seconds, nothing moves.
//!
//! ```text
//!                  without dampening
//!  ┌──────────┐ ─────────────────────────────▶ ┌──────────┐
//!  │ reported │                                │ in force │
//!  └──────────┘ ──▶ dampened ──▶ time is up ─▶ └──────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::vocabulary::{AssemblyId, Attributes, MS};

/// The attributes of one assembly.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeAttributes {
    /// What its agent reported last. `None`: nothing since the assembly was empty.
    reported: Option<Attributes>,
    in_force: BTreeMap<String, String>,
}

impl NodeAttributes {
    /// What goes into the policy engine's input, by name.
    pub(crate) fn in_force(&self) -> &BTreeMap<String, String> {
        &self.in_force
    }

    /// Whether a report is newer than the last one. The first comes with the stream, so that one
    /// without it is from before.
    pub(crate) fn is_outdated_by(&self, report: &Attributes) -> bool {
        let last = self.reported.as_ref();
        last.is_some_and(|last| last.version < report.version)
    }

    /// Takes a report in, in place of the last one. Changes that need not wait come into force; for
    /// the others `dampening` waits from now (boot time, µs) on. Gives a sentence per change.
    pub(crate) fn report(
        &mut self,
        assembly: &AssemblyId,
        report: Attributes,
        dampening: &mut Dampening,
        now_us: u64,
    ) -> Vec<String> {
        let before = self.reported.replace(report.clone());
        let own = report.values.keys();
        let all: BTreeSet<String> = own.chain(self.in_force.keys()).cloned().collect();
        let mut changes = Vec::new();
        for name in all {
            let new = report.values.get(&name).map(|known| &known.value);
            if new == self.in_force.get(&name) {
                continue;
            }
            let known = |report: &Attributes| Some(report.values.get(&name)?.dampening_ms);
            // What is known first counts at once: there is nothing that could have changed.
            let dampening_ms = before
                .as_ref()
                .and_then(|before| known(&report).or_else(|| known(before)))
                .unwrap_or(0);
            if dampening_ms == 0 {
                changes.extend(self.settle(assembly, &name));
            } else {
                let wait_us = u64::from(dampening_ms) * MS;
                dampening.wait(name, now_us.saturating_add(wait_us));
            }
        }
        changes
    }

    /// Brings what was reported about an attribute into force; says so if that changes something.
    pub(crate) fn settle(&mut self, assembly: &AssemblyId, name: &str) -> Option<String> {
        let reported = self.reported.as_ref()?.values.get(name);
        let reported = reported.map(|known| known.value.clone());
        if reported.as_ref() == self.in_force.get(name) {
            return None;
        }
        Some(match reported {
            Some(value) => {
                // Not the value: reasons are in events, which more people read.
                let text = format!("node attribute {name} of {assembly} has another value");
                self.in_force.insert(name.to_owned(), value);
                text
            }
            None => {
                self.in_force.remove(name);
                format!("node attribute {name} of {assembly} is no longer set")
            }
        })
    }
}

/// Attributes whose changes wait for further ones, in whatever assembly.
#[derive(Debug, Default)]
pub(crate) struct Dampening {
    /// By name: boot time at which changes count, µs.
    due_us: BTreeMap<String, u64>,
}

impl Dampening {
    /// Edge to dampened. A change that waits already does not wait longer.
    fn wait(&mut self, name: String, due_us: u64) {
        self.due_us.entry(name).or_insert(due_us);
    }

    /// Boot time at which the next change counts, µs.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.due_us.values().min().copied()
    }

    /// Edge from dampened: the names of attributes that have waited long enough, which wait no
    /// more. `now_us`: boot time.
    pub(crate) fn take_due(&mut self, now_us: u64) -> Vec<String> {
        let (due, waiting) = std::mem::take(&mut self.due_us)
            .into_iter()
            .partition(|(_, due_us)| *due_us <= now_us);
        self.due_us = waiting;
        let due: BTreeMap<String, u64> = due;
        due.into_keys().collect()
    }

    /// Nothing waits any more.
    pub(crate) fn clear(&mut self) {
        self.due_us.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::Attribute;

    fn report(version: u64, values: &[(&str, &str, u32)]) -> Attributes {
        let value = |(name, value, dampening_ms): &(&str, &str, u32)| {
            let attribute = Attribute {
                value: (*value).to_owned(),
                dampening_ms: *dampening_ms,
            };
            ((*name).to_owned(), attribute)
        };
        Attributes {
            version,
            values: values.iter().map(value).collect(),
        }
    }

    #[test]
    fn what_is_reported_first_counts_at_once() {
        let (mut own, mut dampening) = (NodeAttributes::default(), Dampening::default());
        let node = "node1".into();
        let changes = own.report(&node, report(1, &[("ping", "1", 500)]), &mut dampening, 0);
        assert_eq!(changes, ["node attribute ping of node1 has another value"]);
        assert_eq!(own.in_force()["ping"], "1");
        assert_eq!(dampening.deadline(), None);
    }

    #[test]
    fn a_dampened_change_counts_with_what_is_reported_until_its_time() {
        let (mut own, mut dampening) = (NodeAttributes::default(), Dampening::default());
        let node = "node1".into();
        own.report(&node, report(1, &[("ping", "1", 500)]), &mut dampening, 0);
        for (version, value, now_us) in [(2, "0", 1_000), (3, "2", 400_000)] {
            let values = [("ping", value, 500)];
            let changes = own.report(&node, report(version, &values), &mut dampening, now_us);
            assert_eq!(changes, [""; 0]);
        }
        assert_eq!(own.in_force()["ping"], "1");
        assert_eq!(dampening.deadline(), Some(501_000), "the first change's");
        assert_eq!(dampening.take_due(500_999), [""; 0]);
        assert_eq!(dampening.take_due(501_000), ["ping"]);
        assert_eq!(dampening.deadline(), None);
        let change = own.settle(&node, "ping");
        assert_eq!(
            change.as_deref(),
            Some("node attribute ping of node1 has another value")
        );
        assert_eq!(own.settle(&node, "ping"), None, "it is in force");
    }

    #[test]
    fn what_is_no_longer_reported_is_dampened_as_before() {
        let (mut own, mut dampening) = (NodeAttributes::default(), Dampening::default());
        let node = "node1".into();
        own.report(&node, report(1, &[("ping", "1", 500)]), &mut dampening, 0);
        assert_eq!(
            own.report(&node, report(2, &[]), &mut dampening, 0),
            [""; 0]
        );
        assert_eq!(dampening.take_due(500_000), ["ping"]);
        let change = own.settle(&node, "ping");
        let expected = "node attribute ping of node1 is no longer set";
        assert_eq!(change.as_deref(), Some(expected));
        assert!(own.in_force().is_empty());
    }

    #[test]
    fn only_a_newer_report_than_the_streams_first_counts() {
        let mut own = NodeAttributes::default();
        assert!(!own.is_outdated_by(&report(5, &[])), "no stream yet");
        let (node, mut dampening) = ("node1".into(), Dampening::default());
        own.report(&node, report(5, &[]), &mut dampening, 0);
        assert!(!own.is_outdated_by(&report(5, &[])));
        assert!(own.is_outdated_by(&report(6, &[])));
    }
}
