//! Changes of documents that are not answered yet.

use std::collections::BTreeMap;

use crate::vocabulary::{Change, ChangeId, Refusal};

/// How far one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is to be done.
    Try,
    /// It cannot be done. Before its caller hears that, the store notes it: an attempt that is
    /// still under way must fail.
    Refuse(Refusal),
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Ongoing {
    pub(crate) change: Change,
    pub(crate) step: Step,
    /// Then its caller has waited for long enough.
    pub(crate) until_us: u64,
    /// When the next attempt is made; `None`: one is under way.
    pub(crate) next_us: Option<u64>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    all: BTreeMap<ChangeId, Ongoing>,
}

impl Changes {
    pub(crate) fn add(&mut self, ongoing: Ongoing) {
        self.all.insert(ongoing.change.id, ongoing);
    }

    pub(crate) fn get_mut(&mut self, id: ChangeId) -> Option<&mut Ongoing> {
        self.all.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: ChangeId) -> bool {
        self.all.remove(&id).is_some()
    }

    /// Those to attempt now.
    pub(crate) fn due(&self, now_us: u64) -> Vec<Ongoing> {
        let is_due = |it: &&Ongoing| it.next_us.is_some_and(|at_us| at_us <= now_us);
        self.all.values().filter(is_due).cloned().collect()
    }

    /// Those whose callers have waited for long enough.
    pub(crate) fn overdue(&self, now_us: u64) -> Vec<ChangeId> {
        let is_over = |it: &&Ongoing| it.until_us <= now_us;
        let over = self.all.values().filter(is_over);
        over.map(|it| it.change.id).collect()
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let times = |it: &Ongoing| it.until_us.min(it.next_us.unwrap_or(u64::MAX));
        self.all.values().map(times).min()
    }
}
