//! What several hosts share of a DPE's facts: SQLite in front, and a remote store behind it.
//!
//! What must be shared ([`durability`]) is in the remote store before it is on this host's disk,
//! with all that was changed before it: so this host never goes on, after whatever, from what other
//! hosts do not know. The rest is on this host's disk first, and is sent by a thread, half a second
//! later. The remote store takes changes only from the owner of the deployment: the DPE of a former
//! one ends.
//!
//! Changes are sent as a line, each after the one before. Who opens the store sends one at once,
//! also if there is nothing to send. From then on nothing that an earlier process has sent can be
//! carried out, and what was read is all.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::bail;
use controller::{Change, Durable, SAVES};
use cpe_facts::{MOST_BYTES, MOST_CHANGES};

use super::classes::{Durability, durability};
use super::local::{Local, Store, not_owner};
use super::{FactStore, Place};

/// So much later what need not be shared first is sent: within the second that the loss of a host
/// may cost.
const LATER: Duration = Duration::from_millis(500);
/// So often it is begun again when somebody else has written meanwhile.
const ATTEMPTS: usize = 5;

/// The row that says under which grant the rows of this host's disk were written. The controller
/// ignores rows of kinds that it does not know.
const GRANT: &str = "grant";
/// It ends so while something is sent that is not here yet: it may be there.
const SENDING: &str = " sending";

/// Why the remote store has not taken something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another host owns the deployment now.
    #[error("another host owns this deployment")]
    NotOwner,
    /// Something was written since. It may be an earlier attempt of the same writer that was not
    /// answered.
    #[error("the shared store has what {writer} has written since: it is read again")]
    Overtaken {
        /// The last write.
        at: u64,
        /// Whose it was.
        writer: String,
    },
    /// It may have been written, or be written later: it is sent again.
    #[error("the shared store does not answer: {0}")]
    Away(String),
}

/// All rows at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// By key.
    pub rows: BTreeMap<String, String>,
    /// The last write; 0: there was none.
    pub at: u64,
}

/// Where hosts share facts, as one owner of a deployment reaches it. Calls block, for a bounded
/// time.
pub trait Remote: fmt::Debug + Send + Sync {
    /// All rows.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn all(&self) -> Result<Known, Refusal>;

    /// Writes changes in order, all or none, if the last write is still that one. Gives this one.
    /// None is a write too. There are at most [`MOST_CHANGES`] of [`MOST_BYTES`], or one.
    ///
    /// # Errors
    /// Why it has not taken them.
    fn write(&self, after: u64, writer: &str, changes: &[Change]) -> Result<u64, Refusal>;
}

/// A directory of this host, and what is behind it.
#[derive(Debug)]
pub struct SharedPlace {
    local: Local,
    remote: Arc<dyn Remote>,
    grant: u64,
}

impl SharedPlace {
    /// Under the grant of this revision. What an earlier grant has left in the directory is
    /// dropped.
    pub fn new(directory: &std::path::Path, remote: Arc<dyn Remote>, grant: u64) -> SharedPlace {
        SharedPlace {
            local: Local::at(directory),
            remote,
            grant,
        }
    }

    /// Whether rows of this host's disk were written under this grant.
    fn is_of_grant(&self, rows: &BTreeMap<String, String>) -> bool {
        let grant = rows.get(GRANT).map(String::as_str).unwrap_or_default();
        grant.strip_suffix(SENDING).unwrap_or(grant) == self.grant.to_string()
    }

    /// Begins a line with what only this host's disk has. Gives all rows, and it.
    fn begin(
        &self,
        own: Option<&BTreeMap<String, String>>,
    ) -> Result<(BTreeMap<String, String>, Line), Refusal> {
        let mut last = Refusal::Away("others write all the time".to_owned());
        for _ in 0..ATTEMPTS {
            let Known { rows, at } = self.remote.all()?;
            // A disk that has less was restored from a backup, or a write was shared and the
            // process ended before it was here.
            let own = own.filter(|own| saves(own) >= saves(&rows));
            let unsent = own.map_or_else(Vec::new, |own| difference(&rows, own));
            let line = Line::new(Arc::clone(&self.remote), at, unsent);
            match line.begin() {
                Ok(()) => return Ok((own.cloned().unwrap_or(rows), line)),
                Err(refusal @ Refusal::Overtaken { .. }) => last = refusal,
                Err(refusal) => return Err(refusal),
            }
        }
        Err(last)
    }
}

impl Place for SharedPlace {
    fn open(&self) -> anyhow::Result<(Box<dyn FactStore>, Durable)> {
        let (mut local, found) = self.local.open_rows()?;
        let is_of_grant = self.is_of_grant(&found);
        let mut own = found.clone();
        own.remove(GRANT);
        let (rows, line) = self
            .begin(is_of_grant.then_some(&own))
            .map_err(Refusal::error)?;
        let durable = Durable::from_rows(&rows)?;
        let marked = marked(&rows, self.grant);
        if found != marked {
            FactStore::replace(&mut local, &marked)?;
        }
        let shared = Shared {
            local,
            rows,
            grant: self.grant,
            is_marked: false,
            line: Arc::new(line),
        };
        let line = Arc::clone(&shared.line);
        thread::Builder::new()
            .name("facts".to_owned())
            .spawn(move || line.send_later())?;
        Ok((Box::new(shared), durable))
    }

    /// What this host has written under this grant, if other hosts know no more. Of an earlier one
    /// it is not read: another host may know better.
    fn read(&self) -> anyhow::Result<Durable> {
        let rows = self.local.read_rows()?;
        if rows.get(GRANT) != Some(&self.grant.to_string()) {
            bail!("what other hosts have written of this deployment cannot be read");
        }
        Ok(Durable::from_rows(&rows)?)
    }

    fn read_late(&self) -> anyhow::Error {
        self.local.read_late()
    }

    fn waits_for(&self) -> &'static str {
        "the disk or the store that hosts share"
    }

    /// Other hosts believe the leases that the shared store has.
    fn connects_unread(&self) -> bool {
        false
    }
}

/// How often what these rows are of was saved. It is sent behind everything else, so that who has
/// it has all that was saved until then.
fn saves(rows: &BTreeMap<String, String>) -> u64 {
    let saves = rows.get(SAVES);
    let saves = saves.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let number = saves.and_then(|saves| saves.get("number")?.as_u64());
    number.unwrap_or(0)
}

/// As they are sent: see [`saves`].
fn in_order(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by_key(|change| change.key == SAVES);
    changes
}

fn marked(rows: &BTreeMap<String, String>, grant: u64) -> BTreeMap<String, String> {
    let mut rows = rows.clone();
    rows.insert(GRANT.to_owned(), grant.to_string());
    rows
}

/// What makes the second of the first.
fn difference(from: &BTreeMap<String, String>, to: &BTreeMap<String, String>) -> Vec<Change> {
    let gone = from.keys().filter(|key| !to.contains_key(*key));
    let gone = gone.map(|key| (key.clone(), None));
    let new = to
        .iter()
        .filter(|(key, value)| from.get(*key) != Some(value));
    let new = new.map(|(key, value)| (key.clone(), Some(value.clone())));
    let all = gone.chain(new);
    all.map(|(key, value)| Change { key, value }).collect()
}

impl Refusal {
    fn error(self) -> anyhow::Error {
        match self {
            Refusal::NotOwner => not_owner(),
            other => other.into(),
        }
    }
}

/// Whether an error says that the shared store does not answer, and nothing else.
pub(crate) fn is_away(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Refusal::Away(_)))
}

#[derive(Debug)]
struct Shared {
    local: Store,
    /// As they are on this host's disk.
    rows: BTreeMap<String, String>,
    grant: u64,
    /// This host's disk says that something is sent.
    is_marked: bool,
    line: Arc<Line>,
}

impl Shared {
    fn mark(&self, end: &str) -> Change {
        Change {
            key: GRANT.to_owned(),
            value: Some(format!("{}{end}", self.grant)),
        }
    }

    fn is_shared_first(&self, changes: &[Change]) -> bool {
        changes.iter().any(|change| {
            let old = self.rows.get(&change.key).map(String::as_str);
            durability(&change.key, old, change.value.as_deref()) == Durability::Shared
        })
    }

    /// Writes changes here and there, in the order that they need. `here` writes them here, with
    /// one that takes the mark away if they are shared first.
    fn save(
        &mut self,
        changes: Vec<Change>,
        here: impl FnOnce(&mut Store, Option<Change>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.is_shared_first(&changes) {
            if !self.is_marked {
                let mark = self.mark(SENDING);
                self.local.write(&[mark])?;
                self.is_marked = true;
            }
            self.line.put(changes.clone());
            self.line.send()?;
            let unmark = self.mark("");
            here(&mut self.local, Some(unmark))?;
            self.is_marked = false;
        } else {
            here(&mut self.local, None)?;
            self.line.put(changes.clone());
            self.line.outcome()?;
        }
        for change in changes {
            match change.value {
                Some(value) => self.rows.insert(change.key, value),
                None => self.rows.remove(&change.key),
            };
        }
        Ok(())
    }
}

impl FactStore for Shared {
    fn write(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        self.save(changes.to_vec(), |local, unmark| match unmark {
            Some(unmark) => local.write(&[changes, &[unmark]].concat()),
            None => local.write(changes),
        })
    }

    fn replace(&mut self, rows: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let marked = marked(rows, self.grant);
        let changes = difference(&self.rows, rows);
        self.save(changes, |local, _| local.replace(&marked))
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.line.try_send().map_err(Refusal::error)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.line.end();
    }
}

/// What is still to be sent, in order, each row once.
#[derive(Debug)]
struct Line {
    remote: Arc<dyn Remote>,
    /// Nobody else is called so.
    writer: String,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// Held while something is sent, so that nothing overtakes.
    sending: Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<Change>,
    /// The last write.
    at: u64,
    /// What was to be shared first could not be: until it is, nothing follows from anything.
    must_be_sent: bool,
    /// Nothing of this line is taken any more.
    over: Option<Refusal>,
    ended: bool,
}

/// A name that no other line of this deployment has: a grant ends with the boot.
fn new_writer() -> String {
    static LINES: AtomicU64 = AtomicU64::new(0);
    let (process, now_us) = (std::process::id(), cpe_permit::now_us());
    let line = LINES.fetch_add(1, Ordering::Relaxed);
    format!("{process}-{now_us}-{line}")
}

impl Line {
    fn new(remote: Arc<dyn Remote>, at: u64, changes: Vec<Change>) -> Line {
        Line {
            remote,
            writer: new_writer(),
            waiting: Mutex::new(Waiting {
                changes: in_order(changes).into(),
                at,
                ..Waiting::default()
            }),
            changed: Condvar::new(),
            sending: Mutex::new(()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, changes: Vec<Change>) {
        let mut waiting = self.waiting();
        for change in in_order(changes) {
            waiting.changes.retain(|older| older.key != change.key);
            waiting.changes.push_back(change);
        }
        self.changed.notify_all();
    }

    /// Whether what was written may be relied upon, where nothing new must be shared first.
    fn outcome(&self) -> anyhow::Result<()> {
        let waiting = self.waiting();
        let (over, must_be_sent) = (waiting.over.clone(), waiting.must_be_sent);
        drop(waiting);
        match (over, must_be_sent) {
            (Some(over), _) => Err(over.error()),
            (None, true) => self.send(),
            (None, false) => Ok(()),
        }
    }

    /// Sends everything that waits.
    fn send(&self) -> anyhow::Result<()> {
        let _sending = self.sending();
        self.waiting().must_be_sent = true;
        self.send_all().map_err(Refusal::error)
    }

    /// The first write, and all that waits.
    fn begin(&self) -> Result<(), Refusal> {
        let first = self.next();
        self.send_some(&first)?;
        self.try_send()
    }

    fn try_send(&self) -> Result<(), Refusal> {
        let _sending = self.sending();
        self.send_all()
    }

    fn sending(&self) -> MutexGuard<'_, ()> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only by who has [`Line::sending`].
    fn send_all(&self) -> Result<(), Refusal> {
        loop {
            let some = self.next();
            if some.is_empty() {
                self.waiting().must_be_sent = false;
                return Ok(());
            }
            self.send_some(&some)?;
        }
    }

    /// What is sent next, as much as is taken at once.
    fn next(&self) -> Vec<Change> {
        let size =
            |change: &Change| change.key.len() + change.value.as_ref().map_or(0, String::len);
        let (mut some, mut bytes) = (Vec::new(), 0);
        for change in self.waiting().changes.iter().take(MOST_CHANGES) {
            bytes += size(change);
            if bytes > MOST_BYTES && !some.is_empty() {
                break;
            }
            some.push(change.clone());
        }
        some
    }

    fn send_some(&self, some: &[Change]) -> Result<(), Refusal> {
        let mut attempts = 1..ATTEMPTS;
        loop {
            let after = self.waiting().at;
            let sent = self.remote.write(after, &self.writer, some);
            let mut waiting = self.waiting();
            match sent {
                Ok(at) => {
                    waiting.at = at;
                    // What has changed again meanwhile is sent again.
                    waiting.changes.retain(|change| !some.contains(change));
                    return Ok(());
                }
                // An attempt before this one was carried out. What it has written is known no more.
                Err(Refusal::Overtaken { at, writer })
                    if writer == self.writer && attempts.next().is_some() =>
                {
                    waiting.at = at;
                }
                Err(Refusal::Away(why)) => return Err(Refusal::Away(why)),
                Err(over) => {
                    waiting.over = Some(over.clone());
                    return Err(over);
                }
            }
        }
    }

    /// Sends what may come later, until the store is closed.
    fn send_later(&self) {
        let mut last = None;
        loop {
            let waiting = self.waiting();
            let idle = |it: &mut Waiting| it.changes.is_empty() && !it.ended;
            let waiting = self.changed.wait_while(waiting, idle);
            let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let open = |it: &mut Waiting| !it.ended;
            let waited = self.changed.wait_timeout_while(waiting, LATER, open);
            let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let ended = waiting.ended;
            drop(waiting);
            let refusal = self.try_send().err();
            if let Some(refusal) = &refusal
                && last.as_ref() != Some(refusal)
            {
                tracing::warn!("facts are not shared with other hosts yet: {refusal}");
            }
            if ended || self.waiting().over.is_some() {
                return;
            }
            last = refusal;
        }
    }

    fn end(&self) {
        self.waiting().ended = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::ends_process;
    use super::*;

    /// A fake, in memory.
    #[derive(Debug, Default)]
    struct Memory {
        known: Mutex<Known>,
        writer: Mutex<String>,
        refusal: Mutex<Option<Refusal>>,
        /// Writes are not answered, and are carried out later.
        is_late: Mutex<bool>,
        late: Mutex<Vec<(u64, String, Vec<Change>)>>,
        /// How many rows each write had.
        writes: Mutex<Vec<usize>>,
    }

    impl Memory {
        fn refuse(&self, refusal: Option<Refusal>) {
            *self.refusal.lock().unwrap() = refusal;
        }

        fn get(&self, key: &str) -> Option<String> {
            self.known.lock().unwrap().rows.get(key).cloned()
        }

        /// Another host writes it.
        fn set(&self, key: &str, value: &str) {
            let mut known = self.known.lock().unwrap();
            known.rows.insert(key.to_owned(), value.to_owned());
            known.at += 1;
        }

        fn has_soon(&self, key: &str, value: &str) -> bool {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(5) {
                if self.get(key).as_deref() == Some(value) {
                    return true;
                }
                thread::sleep(Duration::from_millis(20));
            }
            false
        }

        fn late(&self, is_late: bool) {
            *self.is_late.lock().unwrap() = is_late;
        }

        /// What was late arrives.
        fn arrive(&self) {
            for (after, writer, changes) in std::mem::take(&mut *self.late.lock().unwrap()) {
                let _ = self.apply(after, &writer, &changes);
            }
        }

        fn apply(&self, after: u64, writer: &str, changes: &[Change]) -> Result<u64, Refusal> {
            let mut known = self.known.lock().unwrap();
            let mut last = self.writer.lock().unwrap();
            if known.at != after {
                let (at, writer) = (known.at, last.clone());
                return Err(Refusal::Overtaken { at, writer });
            }
            for change in changes {
                match &change.value {
                    Some(value) => known.rows.insert(change.key.clone(), value.clone()),
                    None => known.rows.remove(&change.key),
                };
            }
            known.at += 1;
            writer.clone_into(&mut last);
            self.writes.lock().unwrap().push(changes.len());
            Ok(known.at)
        }
    }

    impl Remote for Memory {
        fn all(&self) -> Result<Known, Refusal> {
            match self.refusal.lock().unwrap().clone() {
                Some(refusal) => Err(refusal),
                None => Ok(self.known.lock().unwrap().clone()),
            }
        }

        fn write(&self, after: u64, writer: &str, changes: &[Change]) -> Result<u64, Refusal> {
            if let Some(refusal) = self.refusal.lock().unwrap().clone() {
                return Err(refusal);
            }
            if *self.is_late.lock().unwrap() {
                let late = (after, writer.to_owned(), changes.to_vec());
                self.late.lock().unwrap().push(late);
                return Err(Refusal::Away("no answer".to_owned()));
            }
            self.apply(after, writer, changes)
        }
    }

    fn change(key: &str, value: &str) -> Change {
        Change {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    fn cut() -> Refusal {
        Refusal::Away("cut".to_owned())
    }

    const SAFE: &str = r#"{"safe":true}"#;
    const UNSAFE: &str = r#"{"safe":false}"#;

    fn place(directory: &std::path::Path, remote: &Arc<Memory>, grant: u64) -> SharedPlace {
        SharedPlace::new(directory, Arc::clone(remote) as _, grant)
    }

    fn open(
        directory: &std::path::Path,
        remote: &Arc<Memory>,
        grant: u64,
    ) -> (Box<dyn FactStore>, Durable) {
        place(directory, remote, grant).open().unwrap()
    }

    #[test]
    fn what_must_be_shared_is_there_when_a_write_ends_and_the_rest_within_a_second() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        store.write(&[change("assembly/a", SAFE)]).unwrap();
        assert_eq!(remote.get("assembly/a"), None, "later");
        assert!(remote.has_soon("assembly/a", SAFE));
        store.write(&[change("epoch", "5")]).unwrap();
        store.finish().unwrap();
        assert_eq!(remote.get("epoch").as_deref(), Some("5"), "at the end");
        store.write(&[change("service/db", "{}")]).unwrap();
        store.write(&[change("assembly/a", UNSAFE)]).unwrap();
        assert_eq!(remote.get("assembly/a").as_deref(), Some(UNSAFE));
        assert_eq!(remote.get("service/db").as_deref(), Some("{}"), "in order");
        assert_eq!(remote.get(GRANT), None);
    }

    #[test]
    fn without_the_shared_store_only_what_must_be_shared_waits() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        store.write(&[change("assembly/a", SAFE)]).unwrap();
        assert!(remote.has_soon("assembly/a", SAFE));
        remote.refuse(Some(cut()));
        store.write(&[change("service/db", "{}")]).unwrap();
        let error = store.write(&[change("assembly/a", UNSAFE)]).unwrap_err();
        assert!(is_away(&error) && error.to_string().contains("cut"));
        assert!(!ends_process(&error));
        // It is tried again as it was.
        store.write(&[change("assembly/a", UNSAFE)]).unwrap_err();
        store.write(&[change("service/db", "[]")]).unwrap_err();
        remote.refuse(None);
        store.write(&[change("assembly/a", UNSAFE)]).unwrap();
        assert_eq!(remote.get("assembly/a").as_deref(), Some(UNSAFE));
        assert_eq!(remote.get("service/db").as_deref(), Some("[]"));
    }

    #[test]
    fn the_dpe_of_a_former_owner_ends() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        remote.refuse(Some(Refusal::NotOwner));
        let error = store.write(&[change("loaded", "1")]).unwrap_err();
        assert!(ends_process(&error), "{error}");
        let error = store.write(&[change("service/db", "{}")]).unwrap_err();
        assert!(ends_process(&error), "{error}");
    }

    #[test]
    fn what_an_earlier_grant_has_left_is_dropped_and_what_this_one_has_is_sent() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        store.write(&[change("epoch", "5")]).unwrap();
        drop(store);
        assert!(remote.has_soon("epoch", "5"), "also what waited at the end");
        // It was stopped before it could send this.
        remote.set("epoch", "4");
        let (store, durable) = open(directory.path(), &remote, 1);
        assert_eq!(durable.epoch(), 5);
        assert_eq!(remote.get("epoch").as_deref(), Some("5"));
        drop(store);
        // Another host had it meanwhile.
        remote.set("epoch", "9");
        let (mut store, durable) = open(directory.path(), &remote, 7);
        assert_eq!(durable.epoch(), 9);
        store
            .replace(&BTreeMap::from([("epoch".into(), "10".into())]))
            .unwrap();
        assert!(remote.has_soon("epoch", "10"));
        drop(store);
        assert_eq!(open(directory.path(), &remote, 7).1.epoch(), 10);
    }

    #[test]
    fn what_only_this_host_has_is_shared_before_the_store_is_open() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        store.write(&[change("new/row", "1")]).unwrap();
        drop(store);
        remote.set("new/row", "0");
        remote.late(true);
        let error = place(directory.path(), &remote, 1).open().unwrap_err();
        assert!(is_away(&error), "{error}");
        remote.late(false);
        let (_store, _) = open(directory.path(), &remote, 1);
        assert_eq!(remote.get("new/row").as_deref(), Some("1"));
    }

    #[test]
    fn what_arrives_late_does_not_take_the_place_of_what_is_newer() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        store.write(&[change("new/row", "1")]).unwrap();
        remote.late(true);
        store.write(&[change("new/row", "2")]).unwrap_err();
        remote.late(false);
        // It is not answered, and is done all the same: then the next one comes after it.
        remote.arrive();
        store.write(&[change("new/row", "3")]).unwrap();
        remote.late(true);
        store.write(&[change("new/row", "4")]).unwrap_err();
        remote.late(false);
        store.write(&[change("new/row", "5")]).unwrap();
        remote.arrive();
        assert_eq!(remote.get("new/row").as_deref(), Some("5"));
        // The process ends, and what it has sent arrives after the next one has begun.
        remote.late(true);
        store.write(&[change("new/row", "6")]).unwrap_err();
        std::mem::forget(store);
        remote.late(false);
        let other = tempfile::tempdir().unwrap();
        let (_store, _) = open(other.path(), &remote, 2);
        remote.arrive();
        assert_eq!(remote.get("new/row").as_deref(), Some("5"));
    }

    #[test]
    fn this_host_never_has_what_must_be_shared_and_is_not() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        let save = |number| change(SAVES, &format!(r#"{{"state":1,"number":{number}}}"#));
        let first = [change("new/row", "1"), change("epoch", "1"), save(1)];
        store.write(&first).unwrap();
        remote.refuse(Some(cut()));
        let second = [change("new/row", "2"), change("epoch", "2"), save(2)];
        store.write(&second).unwrap_err();
        drop(store);
        // Its thread tries once more.
        thread::sleep(LATER / 2);
        // The next process finds the shared store away, and what it has may be older.
        let place = place(directory.path(), &remote, 1);
        place.open().unwrap_err();
        place.read().unwrap_err();
        // Where nothing was under way, it goes on from this host's disk.
        remote.refuse(None);
        assert_eq!(place.open().unwrap().1.epoch(), 1);
        remote.refuse(Some(cut()));
        place.open().unwrap_err();
        assert_eq!(place.read().unwrap().epoch(), 1);
        // Under another grant it knows nothing.
        let other = SharedPlace::new(directory.path(), Arc::clone(&remote) as _, 2);
        other.read().unwrap_err();
        assert!(!other.connects_unread());
        // What was shared counts, also if the process ended before it was here.
        remote.refuse(None);
        remote.set("epoch", "2");
        remote.set(SAVES, r#"{"state":1,"number":2}"#);
        assert_eq!(place.open().unwrap().1.epoch(), 2);
    }

    #[test]
    fn many_rows_are_sent_some_at_a_time_and_how_often_they_were_saved_at_last() {
        let (directory, remote) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        let (mut store, _) = open(directory.path(), &remote, 1);
        let mut all = vec![change(SAVES, r#"{"state":1,"number":1}"#)];
        all.extend((0..250).map(|n| change(&format!("ticket/{n}"), "1")));
        let large = "x".repeat(MOST_BYTES);
        all.push(change("new/row", &large));
        store.write(&all).unwrap();
        assert_eq!(*remote.writes.lock().unwrap(), [0, 100, 100, 50, 1, 1]);
        assert_eq!(remote.get("new/row"), Some(large));
        assert!(remote.get(SAVES).is_some());
    }
}
