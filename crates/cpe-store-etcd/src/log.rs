//! The event log: written to etcd, copied into a database of this host, read from there.

use std::time::{Duration, Instant};

use cluster_keys::{self as keys, EVENT};
use cpe_bus::Event;
use cpe_etcd::{Compare, Entry, Error as Unanswered, Operation, Txn};
use cpe_store::sqlite::Sqlite;
use cpe_store::{Result, Store as _, to_journal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::calls::{Calls, failed};
use crate::cursor::{cursor, revision};
use crate::records::{EventText, bytes, read};

/// So long somebody who has changed something waits for the copy to have it.
const COPIED: Duration = Duration::from_secs(2);
/// Pause before a broken watch is begun again.
const PAUSE: Duration = Duration::from_millis(200);

/// Who has copied the log for so long has had no trouble.
const WORKS: Duration = Duration::from_secs(5);

/// The log of all hosts.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) calls: Calls,
    pub(crate) copy: Sqlite,
    pub(crate) incarnation: u8,
    /// The revision up to which everything is in the copy.
    copied: watch::Sender<u64>,
}

/// Why the log is not copied, told once as long as it lasts: each attempt may fail for another
/// reason, as it asks another member.
#[derive(Debug, Default)]
struct Trouble {
    told: bool,
}

impl Trouble {
    /// An attempt has failed, after the log was copied for so long.
    fn is_new(&mut self, copied: Duration) -> bool {
        let is_new = !self.told || copied >= WORKS;
        self.told = true;
        is_new
    }
}

impl Log {
    pub(crate) fn new(calls: Calls, copy: Sqlite, incarnation: u8) -> Log {
        Log {
            calls,
            copy,
            incarnation,
            copied: watch::Sender::new(0),
        }
    }

    /// Does something and has the log tell of it, in one transaction. `None`: the compares do not
    /// hold, and nothing was or will be done.
    pub(crate) async fn commit(&self, txn: Txn, events: Vec<Event>) -> Result<Option<()>> {
        let Some(witness) = events.first().map(|event| keys::event(&event.id)) else {
            let decided = self.calls.decide(txn).await?;
            return Ok(decided.reply.succeeded.then_some(()));
        };
        let mut txn = txn;
        txn.compare.push(Compare::Absent(witness.clone()));
        txn.then.extend(puts(&events));
        txn.otherwise = vec![Operation::Get(witness.clone())];
        let decided = self.calls.decide(txn).await?;
        let done = match decided.reply.succeeded {
            true => Some(decided.reply.revision),
            false if decided.may_be_done => self.was_done(&witness, decided.reply.found).await?,
            false => None,
        };
        let Some(done) = done else {
            return Ok(None);
        };
        for (index, mut event) in events.into_iter().enumerate() {
            event.cursor = cursor(self.incarnation, done, index);
            to_journal(&event);
        }
        self.wait(done).await;
        Ok(Some(()))
    }

    /// Whether an attempt that was not answered was carried out, by the event that it has written;
    /// if not, it never will be.
    async fn was_done(&self, witness: &str, found: Vec<Entry>) -> Result<Option<u64>> {
        let found = match found.into_iter().next() {
            Some(entry) => Some(entry),
            None => {
                let never = EventText {
                    event: None,
                    index: 0,
                };
                let txn = Txn {
                    compare: vec![Compare::Absent(witness.to_owned())],
                    then: vec![Operation::Put(witness.to_owned(), bytes(&never), None)],
                    otherwise: vec![Operation::Get(witness.to_owned())],
                };
                let reply = self.calls.decide(txn).await?.reply;
                reply.found.into_iter().next()
            }
        };
        let Some(entry) = found else {
            return Ok(None);
        };
        let text: EventText = read(witness, &entry.value)?;
        Ok(text.event.is_some().then_some(entry.revision))
    }

    /// Records an event, once.
    pub(crate) async fn record(&self, event: Event) -> Result<u64> {
        if let Some(known) = self.copy.cursor_of(&event.id).await? {
            return Ok(known);
        }
        let key = keys::event(&event.id);
        let mut event = event;
        event.cursor = 0;
        let txn = Txn {
            compare: vec![Compare::Absent(key.clone())],
            then: puts(std::slice::from_ref(&event)),
            otherwise: vec![Operation::Get(key.clone())],
        };
        let reply = self.calls.decide(txn).await?.reply;
        let (at, index) = match reply.found.first() {
            Some(entry) => {
                let text: EventText = read(&key, &entry.value)?;
                (entry.revision, text.index)
            }
            None => {
                event.cursor = cursor(self.incarnation, reply.revision, 0);
                to_journal(&event);
                (reply.revision, 0)
            }
        };
        self.wait(at).await;
        Ok(cursor(self.incarnation, at, index))
    }

    /// Waits until the copy has what was written at this revision; not for ever.
    async fn wait(&self, written: u64) {
        let mut copied = self.copied.subscribe();
        let late = timeout(COPIED, copied.wait_for(|copied| *copied >= written)).await;
        if late.is_err() {
            tracing::debug!("the copy of the event log is late: revision {written} is not in it");
        }
    }

    /// Copies the log from now on.
    pub(crate) async fn follow(self) {
        let mut trouble = Trouble::default();
        loop {
            let begun = Instant::now();
            let Err(error) = self.follow_once().await;
            if trouble.is_new(begun.elapsed()) {
                tracing::warn!("the event log is not copied: {error}; trying again until it is");
            } else {
                tracing::debug!("the event log is not copied: {error}");
            }
            sleep(PAUSE).await;
        }
    }

    async fn follow_once(&self) -> Result<std::convert::Infallible> {
        let position = revision(self.copy.position().await?, self.incarnation);
        let from = match position {
            Some(at) => at,
            None => self.copy_all().await?,
        };
        let watch = self.calls.client.watch(EVENT, from + 1).await;
        let mut watch = watch.map_err(failed)?;
        self.copied.send_if_modified(|copied| {
            let later = from > *copied;
            *copied = from.max(*copied);
            later
        });
        loop {
            let batch = match watch.next().await {
                Ok(batch) => batch,
                Err(Unanswered::Compacted) => {
                    tracing::warn!(
                        "this host was away for so long that some events are not in its copy of the log"
                    );
                    self.copy_all().await?;
                    return Err(failed(Unanswered::Compacted));
                }
                Err(error) => return Err(failed(error)),
            };
            let written = batch.changes.into_iter().filter_map(|change| {
                let value = change.value?;
                self.event(&change.key, &value, change.revision)
            });
            self.copy(written.collect(), batch.revision).await?;
        }
    }

    /// Copies what is there; gives the revision at which that was.
    async fn copy_all(&self) -> Result<u64> {
        let listed = self.calls.list(EVENT).await?;
        let there = listed.entries.iter();
        let all = there.filter_map(|entry| self.event(&entry.key, &entry.value, entry.revision));
        self.copy(all.collect(), listed.revision).await?;
        Ok(listed.revision)
    }

    async fn copy(&self, mut events: Vec<Event>, at: u64) -> Result<()> {
        events.sort_by_key(|event| event.cursor);
        let position = cursor(self.incarnation, at, 0);
        self.copy.copy(events, position).await?;
        self.copied.send_replace(at);
        Ok(())
    }

    /// An event as it is in the log. `None`: it is none, or cannot be read.
    fn event(&self, key: &str, value: &[u8], at: u64) -> Option<Event> {
        match read::<EventText>(key, value) {
            Ok(EventText { event, index }) => event.map(|event| Event {
                cursor: cursor(self.incarnation, at, index),
                ..event
            }),
            Err(error) => {
                tracing::error!("{error}; it is left out");
                None
            }
        }
    }

    /// The newest event of the copy.
    pub(crate) fn head(&self) -> u64 {
        *self.copy.head().borrow()
    }
}

fn puts(events: &[Event]) -> Vec<Operation> {
    let put = |(index, event): (usize, &Event)| {
        let text = EventText {
            event: Some(event.clone()),
            index,
        };
        Operation::Put(keys::event(&event.id), bytes(&text), None)
    };
    events.iter().enumerate().map(put).collect()
}

#[cfg(test)]
mod tests {
    use cluster_keys::{OWN, READ, WRITE};
    use cpe_bus::EventKind;
    use cpe_etcd::Client;
    use cpe_store::{Error, new_event};
    use etcd_lab::{Lab, Rights};

    use super::*;

    fn put(address: &str) -> Txn {
        let key = keys::left(address);
        Txn {
            compare: vec![Compare::Absent(key.clone())],
            then: vec![Operation::Put(key, Vec::new(), None)],
            otherwise: Vec::new(),
        }
    }

    #[test]
    fn a_trouble_is_told_once_as_long_as_it_lasts() {
        let mut trouble = Trouble::default();
        let attempts = [100, 300, 9000, 0, 300].map(Duration::from_millis);
        let told = attempts.map(|copied| trouble.is_new(copied));
        assert_eq!(told, [true, false, true, false, false]);
    }

    /// At a real etcd: requests arrive, and answers do not.
    #[tokio::test]
    async fn a_change_whose_answer_is_lost_is_known_by_its_event() {
        let rights = Rights {
            read: READ,
            write: WRITE,
            own: OWN,
        };
        let lab = Lab::start(1, &["a"], rights).await.expect("a lab");
        let ways = lab.ways("a").expect("ways");
        let mut settings = lab.settings("a").expect("settings");
        settings.endpoints = ways.endpoints().to_vec();
        let client = Client::new(&settings).await.expect("a client");
        let calls = Calls {
            patient: client.clone(),
            client,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let (copy, _) = Sqlite::open_copy(folder.path()).expect("a copy");
        let log = Log::new(calls.clone(), copy, 1);
        let following = tokio::spawn(log.clone().follow());
        let cut = async |txn: Txn, event: &Event| -> std::result::Result<_, Error> {
            ways.cut_answers();
            let (log, event) = (log.clone(), event.clone());
            let work = tokio::spawn(async move { log.commit(txn, vec![event]).await });
            sleep(Duration::from_millis(900)).await;
            ways.heal();
            work.await.expect("no panic")
        };
        let [first, second, third] = [(); 3].map(|()| new_event(EventKind::DpeDied, "shop"));
        let done = log.commit(put("a"), vec![first]).await;
        assert_eq!(done.expect("an answer"), Some(()));
        // It was done by the attempt that was not answered, and once.
        assert_eq!(cut(put("b"), &second).await.expect("an answer"), Some(()));
        // Somebody else has done it: this one is not done, and never will be.
        assert_eq!(cut(put("a"), &third).await.expect("an answer"), None);
        let found = calls.get(&keys::event(&third.id)).await.expect("an answer");
        let text = found.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        assert_eq!(text.as_deref(), Some(r#"{"event":null,"index":0}"#));
        let late = log.commit(put("c"), vec![third.clone()]).await;
        assert_eq!(late.expect("an answer"), None);
        let page = log.copy.query(0, 10, Default::default()).await;
        let told: Vec<String> = page
            .expect("a page")
            .events
            .into_iter()
            .map(|it| it.id)
            .collect();
        assert!(told.len() == 2 && told[1] == second.id, "{told:?}");
        following.abort();
    }
}
