//! Changes of documents that are not answered yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::view::Known;
use crate::vocabulary::{Change, ChangeId, Compare, DeploymentRecord, Refusal};

/// How far one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is to be done.
    Try,
    /// It cannot be done. Before its caller hears that, the store notes it: an attempt that is
    /// still under way must fail. It does so only where the reason holds in the store itself: what
    /// this host has seen may be older than what another one has acknowledged.
    Refuse(Refusal, Compare),
}

/// What the store itself has said of a deployment.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// When.
    pub(crate) revision: u64,
    /// `None`: there is none.
    pub(crate) record: Option<Known<Arc<DeploymentRecord>>>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Ongoing {
    pub(crate) change: Change,
    pub(crate) step: Step,
    /// What it goes by, if what is seen by the watch is older.
    pub(crate) read: Option<Read>,
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
