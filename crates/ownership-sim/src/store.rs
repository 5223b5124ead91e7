//! A model of etcd's state: keys, revisions, leases, history. One copy for all members: what a
//! quorum has taken. Who may write to it, and when, is for `members.rs`.

use std::collections::{BTreeMap, VecDeque};

use ownership::{
    Changed, Compare, Entry, Key, LeaseId, Operation, StoreError, Txn, TxnReply, Value,
};

/// A key's value.
#[derive(Clone, Debug)]
struct Stored {
    value: Value,
    revision: u64,
    lease: Option<LeaseId>,
}

/// See above.
#[derive(Debug, Default)]
pub(crate) struct ModelStore {
    keys: BTreeMap<Key, Stored>,
    revision: u64,
    /// When each lease ends, true time.
    leases: BTreeMap<LeaseId, (u64, u64)>,
    last_lease: u64,
    history: VecDeque<Changed>,
    compacted: u64,
}

impl ModelStore {
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<(&Value, u64)> {
        self.keys.get(key).map(|it| (&it.value, it.revision))
    }

    /// The lease that a key ends with.
    pub(crate) fn lease(&self, key: &Key) -> Option<LeaseId> {
        self.keys.get(key)?.lease
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Value, u64)> {
        self.keys
            .iter()
            .map(|(key, it)| (key, &it.value, it.revision))
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let listed = self
            .keys
            .iter()
            .filter(|(key, _)| !matches!(key, Key::Change(_)));
        listed.map(|(key, it)| entry(key, it)).collect()
    }

    /// Applies a transaction. Gives what has changed beside the reply.
    pub(crate) fn apply(&mut self, txn: &Txn) -> Result<(TxnReply, Vec<Changed>), StoreError> {
        let succeeded = txn.compare.iter().all(|compare| self.holds(compare));
        let branch = if succeeded { &txn.then } else { &txn.otherwise };
        let has_lease = |it: &Operation| match it {
            Operation::Put(_, _, Some(lease)) => self.leases.contains_key(lease),
            _ => true,
        };
        if !branch.iter().all(has_lease) {
            return Err(StoreError::NoLease);
        }
        let mut found = Vec::new();
        let mut writes = Vec::new();
        for operation in branch {
            match operation {
                Operation::Get(key) => {
                    found.extend(self.keys.get(key).map(|it| entry(key, it)));
                }
                Operation::Put(key, value, lease) => {
                    writes.push((key.clone(), Some(value.clone()), *lease));
                }
                Operation::Delete(key) => writes.push((key.clone(), None, None)),
            }
        }
        let changes = self.write(writes);
        let revision = self.revision;
        let reply = TxnReply {
            succeeded,
            revision,
            found,
        };
        Ok((reply, changes))
    }

    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::Absent(key) => !self.keys.contains_key(key),
            Compare::Revision(key, revision) => self
                .keys
                .get(key)
                .is_some_and(|it| it.revision == *revision),
            Compare::Holds(key, value) => self.keys.get(key).is_some_and(|it| it.value == *value),
        }
    }

    fn write(&mut self, writes: Vec<(Key, Option<Value>, Option<LeaseId>)>) -> Vec<Changed> {
        let mut changes = Vec::new();
        let revision = self.revision + 1;
        for (key, value, lease) in writes {
            match &value {
                Some(value) => {
                    let value = value.clone();
                    let stored = Stored {
                        value,
                        revision,
                        lease,
                    };
                    self.keys.insert(key.clone(), stored);
                }
                None if self.keys.remove(&key).is_none() => continue,
                None => {}
            }
            changes.push(Changed {
                key,
                value,
                revision,
                lease,
            });
        }
        if !changes.is_empty() {
            self.revision = revision;
            self.history.extend(changes.iter().cloned());
        }
        changes
    }

    pub(crate) fn put(&mut self, key: Key, value: Value) {
        self.write(vec![(key, Some(value), None)]);
    }

    pub(crate) fn grant(&mut self, now_us: u64, ttl_us: u64) -> LeaseId {
        self.last_lease += 1;
        let lease = LeaseId(self.last_lease);
        self.leases.insert(lease, (now_us + ttl_us, ttl_us));
        lease
    }

    pub(crate) fn keep_alive(&mut self, now_us: u64, lease: LeaseId) -> Result<(), StoreError> {
        let (end_us, ttl_us) = self.leases.get_mut(&lease).ok_or(StoreError::NoLease)?;
        *end_us = now_us + *ttl_us;
        Ok(())
    }

    /// A new leader gives every lease its whole time again.
    pub(crate) fn restart_leases(&mut self, now_us: u64) {
        for (end_us, ttl_us) in self.leases.values_mut() {
            *end_us = now_us + *ttl_us;
        }
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = LeaseId> {
        self.leases.keys().copied()
    }

    pub(crate) fn expired(&self, now_us: u64) -> Vec<LeaseId> {
        let ended = self
            .leases
            .iter()
            .filter(|(_, (end_us, _))| *end_us <= now_us);
        ended.map(|(lease, _)| *lease).collect()
    }

    /// Ends a lease and deletes its keys.
    pub(crate) fn revoke(&mut self, lease: LeaseId) -> Vec<Changed> {
        self.leases.remove(&lease);
        let bound = self.keys.iter().filter(|(_, it)| it.lease == Some(lease));
        let deletes = bound.map(|(key, _)| (key.clone(), None, None)).collect();
        self.write(deletes)
    }

    /// All changes from a revision on; `None`: they are not all there any more.
    pub(crate) fn since(&self, revision: u64) -> Option<Vec<Changed>> {
        if revision <= self.compacted {
            return None;
        }
        let from = self.history.partition_point(|it| it.revision < revision);
        let new = self.history.range(from..);
        Some(
            new.filter(|it| !matches!(it.key, Key::Change(_)))
                .cloned()
                .collect(),
        )
    }

    /// Forgets all but the last changes.
    pub(crate) fn compact(&mut self, keep: u64) {
        self.compacted = self.compacted.max(self.revision.saturating_sub(keep));
        while self
            .history
            .front()
            .is_some_and(|it| it.revision <= self.compacted)
        {
            self.history.pop_front();
        }
    }
}

fn entry(key: &Key, stored: &Stored) -> Entry {
    Entry {
        key: key.clone(),
        value: stored.value.clone(),
        revision: stored.revision,
        lease: stored.lease,
    }
}
