//! Values beyond the document that parameters of services follow: what guests tell of themselves,
//! and node attributes.
//!
//! What is known of an assembly is a durable fact, and stays in force until another value is:
//! that a guest is away, or does not say something any more, does not make a value unknown. What a
//! guest tells counts at once if nothing was known; a change counts when it has lasted for
//! [`SETTLES_US`], so that an address that comes and goes restarts nothing.
//!
//! ```text
//!            first value, or the same for 5 s
//!  ┌──────┐ ────────────────────────────────▶ ┌───────┐
//!  │ told │                                   │ known │
//!  └──────┘ ◀── another value: from the start └───────┘
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocabulary::SECOND;

/// How long a guest's name or address must stay what it is before it counts, µs: longer than a
/// network takes to renew a lease or to fail over.
pub(crate) const SETTLES_US: u64 = 5 * SECOND;

/// How often a guest is listened to, µs: an agent looks every two seconds, and what a guest tells
/// is saved.
const LISTENS_US: u64 = SECOND;

/// Names that are kept of a guest at most, whether it still tells them or not.
const MOST_KEPT: usize = 128;

/// A known value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KnownValue {
    pub value: String,
    /// Since when it counts, wall clock, µs.
    pub since: u64,
    /// Of an attribute: a permanent one, which may be taken away.
    pub permanent: bool,
}

/// What is known of an assembly, by name. Durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KnownFacts {
    /// What its guest has told.
    guest: BTreeMap<String, KnownValue>,
    /// Node attributes that references name.
    attributes: BTreeMap<String, KnownValue>,
}

impl KnownFacts {
    /// What its guest has told, by name.
    pub(crate) fn guest(&self) -> &BTreeMap<String, KnownValue> {
        &self.guest
    }

    /// Node attributes that references name.
    pub(crate) fn attributes(&self) -> &BTreeMap<String, KnownValue> {
        &self.attributes
    }

    /// A node attribute has this value from now on; `None`: it has none.
    pub(crate) fn put_attribute(&mut self, name: String, value: Option<KnownValue>) {
        match value {
            Some(value) => drop(self.attributes.insert(name, value)),
            None => drop(self.attributes.remove(&name)),
        }
    }

    /// Forgets node attributes, but for some names.
    pub(crate) fn forget_attributes(&mut self, stays: impl Fn(&str) -> bool) {
        self.attributes.retain(|name, _| stays(name));
    }

    /// No further name is kept.
    pub(crate) fn is_full(&self) -> bool {
        self.guest.len() >= MOST_KEPT
    }

    /// Forgets what the guest has told, but for some names.
    pub(crate) fn forget_guests(&mut self, stays: impl Fn(&str) -> bool) {
        self.guest.retain(|name, _| stays(name));
    }

    /// A value of the guest counts from now on.
    pub(crate) fn learn(&mut self, name: &str, value: &str, since: u64) {
        if self.is_full() && !self.guest.contains_key(name) {
            return;
        }
        let known = KnownValue {
            value: value.to_owned(),
            since,
            permanent: false,
        };
        self.guest.insert(name.to_owned(), known);
    }
}

/// What a guest has told and what does not count yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// By name: the value, and the boot time at which it counts, µs.
    settling: BTreeMap<String, (String, u64)>,
    /// What was told too early after the last time.
    held: Option<BTreeMap<String, String>>,
    /// Boot time from which the guest is listened to again, µs.
    open_us: u64,
}

impl Told {
    /// A guest tells something now (boot time, µs): what of that is to be taken in now. Else the
    /// last of it waits.
    pub(crate) fn hear(
        &mut self,
        facts: BTreeMap<String, String>,
        now_us: u64,
    ) -> Option<BTreeMap<String, String>> {
        self.held = Some(facts);
        self.take_held(now_us)
    }

    /// What has waited and is to be taken in now (boot time, µs).
    pub(crate) fn take_held(&mut self, now_us: u64) -> Option<BTreeMap<String, String>> {
        if now_us < self.open_us {
            return None;
        }
        let held = self.held.take()?;
        self.open_us = now_us.saturating_add(LISTENS_US);
        Some(held)
    }

    /// Takes in what a guest tells now (boot time, µs), in place of what it told before. Gives what
    /// counts at once.
    pub(crate) fn take(
        &mut self,
        facts: &BTreeMap<String, String>,
        known: &KnownFacts,
        now_us: u64,
    ) -> Vec<(String, String)> {
        // What was heard before, and waits to be taken in, is older than this.
        self.held = None;
        self.settling.retain(|name, _| facts.contains_key(name));
        let mut first = Vec::new();
        for (name, value) in facts {
            match known.guest.get(name) {
                None => first.push((name.clone(), value.clone())),
                Some(known) if known.value == *value => drop(self.settling.remove(name)),
                Some(_) => {
                    let same = |(settling, _): &(String, u64)| settling == value;
                    if !self.settling.get(name).is_some_and(same) {
                        let due_us = now_us.saturating_add(SETTLES_US);
                        self.settling.insert(name.clone(), (value.clone(), due_us));
                    }
                }
            }
        }
        first
    }

    /// Boot time at which the next value counts, µs.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let settling = self.settling.values().map(|(_, due_us)| *due_us);
        settling
            .chain(self.held.as_ref().map(|_| self.open_us))
            .min()
    }

    /// What counts from now on (boot time, µs).
    pub(crate) fn take_due(&mut self, now_us: u64) -> Vec<(String, String)> {
        if self.settling.values().all(|(_, due_us)| *due_us > now_us) {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.settling);
        let (due, settling) = all
            .into_iter()
            .partition(|(_, (_, due_us))| *due_us <= now_us);
        self.settling = settling;
        let due: BTreeMap<String, (String, u64)> = due;
        due.into_iter()
            .map(|(name, (value, _))| (name, value))
            .collect()
    }

    /// The value of that name that does not count yet.
    pub(crate) fn settling(&self, name: &str) -> Option<&str> {
        self.settling.get(name).map(|(value, _)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(address: &str) -> BTreeMap<String, String> {
        [("ipaddress".to_owned(), address.to_owned())].into()
    }

    fn known(address: &str) -> KnownFacts {
        let mut known = KnownFacts::default();
        known.learn("ipaddress", address, 1);
        known
    }

    #[test]
    fn what_is_told_first_counts_at_once() {
        let mut told = Told::default();
        let first = told.take(&facts("10.0.0.1"), &KnownFacts::default(), 7);
        assert_eq!(first, [("ipaddress".to_owned(), "10.0.0.1".to_owned())]);
        assert_eq!(told.deadline(), None);
    }

    #[test]
    fn a_change_counts_when_it_has_lasted() {
        let (mut told, known) = (Told::default(), known("10.0.0.1"));
        assert!(told.take(&facts("10.0.0.2"), &known, 0).is_empty());
        assert!(told.take(&facts("10.0.0.2"), &known, SECOND).is_empty());
        assert_eq!(told.deadline(), Some(SETTLES_US), "it has not begun again");
        assert_eq!(told.settling("ipaddress"), Some("10.0.0.2"));
        assert!(told.take_due(SETTLES_US - 1).is_empty());
        let due = told.take_due(SETTLES_US);
        assert_eq!(due, [("ipaddress".to_owned(), "10.0.0.2".to_owned())]);
        assert_eq!(told, Told::default());
    }

    #[test]
    fn an_address_that_comes_and_goes_does_not_count() {
        let (mut told, known) = (Told::default(), known("10.0.0.1"));
        for turn in 0..100 {
            let now_us = turn * 2 * SECOND;
            let address = format!("10.0.0.{}", turn % 3 + 1);
            assert!(told.take(&facts(&address), &known, now_us).is_empty());
            assert!(told.take_due(now_us).is_empty(), "{turn}");
        }
        told.take(&facts("10.0.0.1"), &known, 0);
        assert_eq!(told.deadline(), None, "what is in force again");
        told.take(&facts("10.0.0.2"), &known, 0);
        told.take(&BTreeMap::new(), &known, 0);
        assert_eq!(told.deadline(), None, "what is told no more");
        assert_eq!(known.guest["ipaddress"].value, "10.0.0.1");
    }

    #[test]
    fn a_guest_is_listened_to_once_in_a_second() {
        let mut told = Told::default();
        assert_eq!(told.hear(facts("10.0.0.1"), 5), Some(facts("10.0.0.1")));
        assert_eq!(told.deadline(), None);
        for number in 2..100 {
            assert_eq!(told.hear(facts(&format!("10.0.0.{number}")), 6), None);
        }
        assert_eq!(told.deadline(), Some(5 + LISTENS_US));
        assert_eq!(told.take_held(4 + LISTENS_US), None);
        assert_eq!(told.take_held(5 + LISTENS_US), Some(facts("10.0.0.99")));
        assert_eq!((told.take_held(u64::MAX), told.deadline()), (None, None));
    }

    #[test]
    fn a_guest_cannot_have_any_number_of_names_kept() {
        let mut known = KnownFacts::default();
        for number in 0..1000 {
            known.learn(&format!("ipaddress.eth{number}"), "10.0.0.1", 1);
        }
        assert_eq!(known.guest.len(), MOST_KEPT);
        known.learn("ipaddress.eth1", "10.0.0.2", 2);
        assert_eq!(known.guest["ipaddress.eth1"].value, "10.0.0.2");
    }
}
