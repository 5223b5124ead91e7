//! What the invariants have to remember, and what they found.

use std::collections::{BTreeMap, BTreeSet};

use controller::{AssemblyId, Change, Event, Task};

use crate::escalations::Escalations;

/// Notes of the invariants.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    pub violations: Vec<String>,
    /// Ids of events that were durable at any time.
    pub promised: BTreeSet<String>,
    /// Ids of events that were given to the shell, with their place in that order.
    pub emitted: BTreeMap<String, usize>,
    /// Operations that were sent: assembly, action, resource.
    pub executed: Vec<(AssemblyId, Task, String)>,
    /// Services that were asked to be sent to another guest, and in which transition: its number
    /// and the DPE's start.
    pub sent: BTreeMap<String, Option<(u64, String)>>,
    /// Guests and services whose processes there ended otherwise than by an operation: the
    /// controller may not know yet.
    pub vanished: BTreeSet<(usize, String)>,
    /// Guests that fencing mode `none` gave up, or that a snapshot brought back: they may run what
    /// runs elsewhere too.
    pub given_up: BTreeSet<usize>,
    /// Of these, those that were heard of again, and when, µs.
    pub returned: BTreeMap<usize, u64>,
    /// Assemblies that are lost or being fenced, by the events.
    pub lost: BTreeSet<AssemblyId>,
    /// Assemblies that have left, and whose agent did not answer since, with their guests.
    pub left: BTreeMap<AssemblyId, usize>,
    /// Guests under maintenance that have learned of it: their services are left alone.
    pub hands_off: BTreeSet<usize>,
    /// Guests that could not learn of the end of the deployment.
    pub out_of_reach: BTreeSet<usize>,
    /// The DPE's state was lost or restored: what it tells need not fit what it told before.
    pub state_lost: bool,
    /// Time of the next heartbeat, by guest and life.
    pub heartbeats: BTreeMap<(usize, u64), u64>,
    pub escalations: Escalations,
    /// What is known of rows that tools have asked for.
    pub kept: BTreeMap<String, Kept>,
}

/// What a row may hold that a tool writes.
#[derive(Debug)]
pub(crate) struct Kept {
    /// `None`: anything, since the DPE's state was another one.
    possible: Option<BTreeSet<Option<String>>>,
    /// Writes that were asked for.
    version: u64,
    /// Writes under way, by the number of the question. A tool writes one value after the other;
    /// there are several while a guest has another name than when they were asked for.
    open: BTreeMap<u64, Option<String>>,
}

impl Kept {
    /// Nothing was ever asked for.
    pub(crate) fn new(anything: bool) -> Kept {
        Kept {
            possible: (!anything).then(|| BTreeSet::from([None])),
            version: 0,
            open: BTreeMap::new(),
        }
    }

    /// A value is asked for.
    pub(crate) fn begin(&mut self, number: u64, value: Option<String>) {
        if let Some(possible) = &mut self.possible {
            possible.insert(value.clone());
        }
        self.version += 1;
        self.open.insert(number, value);
    }

    /// Nobody waits for it any more.
    pub(crate) fn end(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// The value was acknowledged.
    pub(crate) fn is(&mut self, value: Option<String>) {
        let mut possible = BTreeSet::from([value]);
        possible.extend(self.open.values().cloned());
        self.possible = Some(possible);
    }

    /// It is forgotten, or will be when there is room on the disk.
    fn goes(&mut self) {
        if let Some(possible) = &mut self.possible {
            possible.insert(None);
        }
    }

    /// Nothing is known.
    pub(crate) fn anything(&mut self) {
        self.possible = None;
    }

    pub(crate) fn may_be(&self, value: &Option<String>) -> bool {
        let possible = self.possible.as_ref();
        possible.is_none_or(|possible| possible.contains(value))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}

impl Checker {
    pub(crate) fn persisted(&mut self, change: &Change) {
        let mut is_new = false;
        if let Some(value) = change
            .value
            .as_ref()
            .filter(|_| change.key.starts_with("event/"))
            && let Some(id) = value
                .split("\"id\":\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next())
        {
            is_new = self.promised.insert(id.to_owned());
        }
        self.escalations.saved(change, is_new);
    }

    /// Everything that is saved at once is there.
    pub(crate) fn all_persisted(&mut self) {
        let wrong = self.escalations.judge();
        if !self.state_lost {
            self.violations.extend(wrong);
        }
    }

    /// A document is accepted: what belongs to assemblies that it does not name is forgotten. The
    /// next one may name them again before that is saved.
    pub(crate) fn values_go_with(&mut self, document: &str) {
        for (row, kept) in &mut self.kept {
            if !is_owner_in(document, row) {
                kept.goes();
            }
        }
    }

    /// An event leaves the controller: it must be durable by then.
    pub(crate) fn emitted(&mut self, event: &Event) {
        if !self.promised.contains(&event.id) {
            self.violations.push(format!(
                "event {} ({}) was emitted before it was durable",
                event.id,
                event.kind.as_str()
            ));
        }
        let place = self.emitted.len();
        self.emitted.entry(event.id.clone()).or_insert(place);
    }
}

/// The document names the assembly to which a row belongs, or the row belongs to none.
pub(crate) fn is_owner_in(document: &str, row: &str) -> bool {
    let mut parts = row.split('/');
    let owner = parts.nth(1).filter(|_| row.starts_with("attribute/"));
    owner.is_none_or(|owner| document.contains(&format!("<assembly name=\"{owner}\"")))
}
