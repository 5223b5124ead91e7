//! Requests go to etcd, and what it says goes back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpe_etcd::{Client, Error as StoreTrouble};
use cpe_permit::now_us;
use ownership::{
    Changed, Compare, Entry, Input, Key, LeaseId, Operation, Reply, Request, RequestId, StoreError,
    Txn, TxnReply, WatchEvent, timing,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::keys::{self, CLUSTER, PULSE};
use crate::seen::Seen;
use crate::values::{self, MetaText, SCHEMA};

const SOON: Duration = Duration::from_micros(timing::SOON_US);

/// What stands in the way, and since when, µs of CLOCK_BOOTTIME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since then.
    pub since_us: u64,
    /// A sentence.
    pub text: String,
}

/// What stands in the way of something, for status and for the log.
#[derive(Debug)]
struct Noted {
    what: &'static str,
    trouble: Mutex<Option<Trouble>>,
}

impl Noted {
    fn of(what: &'static str) -> Noted {
        let trouble = Mutex::default();
        Noted { what, trouble }
    }

    fn get(&self) -> Option<Trouble> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `None`: nothing any more. The log has where it begins and where it ends: each call fails in
    /// its own words.
    fn note(&self, text: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let what = self.what;
        let Some(text) = text else {
            if let Some(Trouble { since_us, .. }) = known.take() {
                let seconds = now_us().saturating_sub(since_us) / 1_000_000;
                tracing::info!("{what} is well again, after {seconds} s");
            }
            return;
        };
        if known.is_none() {
            tracing::warn!("{what}: {text}");
        }
        let since_us = known.as_ref().map_or_else(now_us, |it| it.since_us);
        *known = Some(Trouble { since_us, text });
    }
}

/// The store, for one driver.
#[derive(Debug)]
pub(crate) struct Store {
    calls: Calls,
    watch: Option<JoinHandle<()>>,
}

/// What every request has.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    client: Client,
    inputs: mpsc::Sender<Input>,
    trouble: Arc<Noted>,
    /// That of the watch is its own: calls are answered while it is refused, and what others do is
    /// not heard then.
    watch_trouble: Arc<Noted>,
    pub(crate) seen: Arc<Seen>,
}

impl Store {
    pub(crate) fn new(client: Client, inputs: mpsc::Sender<Input>) -> Store {
        let calls = Calls {
            client,
            inputs,
            trouble: Arc::new(Noted::of("the store")),
            watch_trouble: Arc::new(Noted::of("the watch of the store")),
            seen: Arc::default(),
        };
        Store { calls, watch: None }
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Why the store has not answered lately, if so.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let trouble = self.calls.trouble.get();
        trouble.or_else(|| self.calls.watch_trouble.get())
    }

    /// Sends a request. What is not answered in time is not answered at all.
    pub(crate) fn send(&mut self, id: RequestId, request: Request) {
        let calls = self.calls.clone();
        if let Request::Watch(from) = request {
            self.end_watch();
            self.watch = Some(tokio::spawn(async move { calls.watch(id, from).await }));
            return;
        }
        tokio::spawn(async move {
            if let Some(answer) = calls.answer(request).await {
                calls.tell(Input::Answer(id, answer)).await;
            }
        });
    }

    fn end_watch(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end_watch();
    }
}

impl Calls {
    async fn tell(&self, input: Input) {
        // Nobody hears it: the driver has ended.
        let _ = self.inputs.send(input).await;
    }

    /// Notes whether the store is well, and tells what came of a call.
    fn judged<T>(&self, answer: cpe_etcd::Result<T>) -> cpe_etcd::Result<T> {
        let text = match &answer {
            // It has answered.
            Ok(_) | Err(StoreTrouble::NoLease | StoreTrouble::Compacted) => None,
            Err(error) => Some(error.to_string()),
        };
        self.trouble.note(text);
        answer
    }

    /// `None`: nothing is known.
    async fn answer(&self, request: Request) -> Option<Result<Reply, StoreError>> {
        let answer = match request {
            Request::Txn(txn) => self.txn(txn).await.map(Reply::Txn),
            Request::LeaseGrant(ms) => {
                let seconds = u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX);
                let granted = self.client.grant(seconds).await;
                granted.map(|lease| Reply::Granted(LeaseId(lease)))
            }
            Request::LeaseKeepAlive(LeaseId(lease)) => {
                let renewed = self.client.keep_alive(lease).await;
                renewed.map(|()| Reply::KeptAlive)
            }
            Request::List => self.list().await,
            Request::Watch(_) => return None,
        };
        match self.judged(answer) {
            Ok(reply) => Some(Ok(reply)),
            Err(StoreTrouble::NoLease) => Some(Err(StoreError::NoLease)),
            Err(_) => None,
        }
    }

    async fn txn(&self, txn: Txn) -> cpe_etcd::Result<TxnReply> {
        let reply = self.client.txn(of_txn(txn)).await?;
        let found = reply.found.into_iter();
        Ok(TxnReply {
            succeeded: reply.succeeded,
            revision: reply.revision,
            found: found.filter_map(entry).collect(),
        })
    }

    /// Everything; as often as it takes.
    async fn list(&self) -> cpe_etcd::Result<Reply> {
        let until = Instant::now() + Duration::from_micros(timing::LIST_US);
        let mut last = StoreTrouble::Unavailable("there was no time".to_owned());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match timeout_at(until, self.list_once(left)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(error)) => last = error,
                Err(_) => return Err(last),
            }
            self.trouble.note(Some(last.to_string()));
            sleep(SOON).await;
        }
    }

    async fn list_once(&self, within: Duration) -> cpe_etcd::Result<Reply> {
        let mut listed = self.client.list(CLUSTER, within).await?;
        if !is_ours(&listed.entries)? {
            self.make().await?;
            listed = self.client.list(CLUSTER, within).await?;
        }
        for pair in listed.entries.iter().filter(|pair| pair.key == PULSE) {
            self.seen.pulse(pair.revision);
        }
        let entries = listed.entries.into_iter().filter_map(entry).collect();
        Ok(Reply::Listed(listed.revision, entries))
    }

    /// A store that nobody has used yet.
    async fn make(&self) -> cpe_etcd::Result<()> {
        let key = keys::text(&Key::Meta);
        let meta = MetaText {
            schema: SCHEMA,
            cluster: uuid::Uuid::new_v4().to_string(),
            incarnation: 1,
            least: 0,
        };
        let txn = cpe_etcd::Txn {
            compare: vec![cpe_etcd::Compare::Absent(key.clone())],
            then: vec![cpe_etcd::Operation::Put(
                key,
                values::json(&meta).into_bytes(),
                None,
            )],
            otherwise: Vec::new(),
        };
        self.client.txn(txn).await.map(drop)
    }

    async fn watch(&self, id: RequestId, from: u64) {
        let mut watch = match self.judged(self.client.watch(CLUSTER, from).await) {
            Ok(watch) => watch,
            Err(error) => {
                self.watch_trouble.note(Some(error.to_string()));
                return self.tell(Input::Watched(id, WatchEvent::Ended)).await;
            }
        };
        loop {
            let event = match watch.next().await {
                Ok(batch) => {
                    self.seen.told(now_us());
                    self.watch_trouble.note(None);
                    for change in batch.changes.iter().filter(|it| it.key == PULSE) {
                        self.seen.pulse(change.revision);
                    }
                    let changes = batch.changes.into_iter().filter_map(changed).collect();
                    WatchEvent::Changes(batch.revision, changes)
                }
                Err(error) => self.watch_ended(&error),
            };
            let is_last = !matches!(event, WatchEvent::Changes(..));
            self.tell(Input::Watched(id, event)).await;
            if is_last {
                return;
            }
        }
    }

    /// Notes why a watch has ended: it is begun again, and ends again where nobody mends that.
    fn watch_ended(&self, error: &StoreTrouble) -> WatchEvent {
        if *error == StoreTrouble::Compacted {
            return WatchEvent::Compacted;
        }
        self.watch_trouble.note(Some(error.to_string()));
        WatchEvent::Ended
    }

    /// Writes the pulse, unless somebody has.
    pub(crate) async fn beat(&self) {
        let key = PULSE.to_owned();
        let compare = match self.seen.last_pulse() {
            0 => cpe_etcd::Compare::Absent(key.clone()),
            revision => cpe_etcd::Compare::Revision(key.clone(), revision),
        };
        let txn = cpe_etcd::Txn {
            compare: vec![compare],
            then: vec![cpe_etcd::Operation::Put(key.clone(), Vec::new(), None)],
            otherwise: vec![cpe_etcd::Operation::Get(key)],
        };
        if let Ok(reply) = self.client.txn(txn).await {
            let found = reply.found.first().map(|entry| entry.revision);
            let written = reply.succeeded.then_some(reply.revision);
            self.seen.pulse(found.or(written).unwrap_or(0));
        }
    }
}

/// Whether somebody has made it, and in words that are understood.
fn is_ours(entries: &[cpe_etcd::Entry]) -> cpe_etcd::Result<bool> {
    let text = keys::text(&Key::Meta);
    let Some(meta) = entries.iter().find(|entry| entry.key == text) else {
        return Ok(false);
    };
    let broken = |error| StoreTrouble::Invalid(format!("{text} in the store: {error}"));
    let meta: MetaText = values::read(&meta.value).map_err(broken)?;
    if meta.schema > SCHEMA {
        return Err(StoreTrouble::Invalid(format!(
            "the store has records of schema {}, this host knows {SCHEMA}: upgrade it",
            meta.schema
        )));
    }
    Ok(true)
}

fn of_txn(txn: Txn) -> cpe_etcd::Txn {
    let operations = |all: Vec<Operation>| all.into_iter().map(of_operation).collect();
    cpe_etcd::Txn {
        compare: txn.compare.into_iter().map(of_compare).collect(),
        then: operations(txn.then),
        otherwise: operations(txn.otherwise),
    }
}

fn of_compare(compare: Compare) -> cpe_etcd::Compare {
    match compare {
        Compare::Absent(key) => cpe_etcd::Compare::Absent(keys::text(&key)),
        Compare::Revision(key, at) => cpe_etcd::Compare::Revision(keys::text(&key), at),
        Compare::Holds(key, value) => {
            cpe_etcd::Compare::Holds(keys::text(&key), values::bytes(&value))
        }
    }
}

fn of_operation(operation: Operation) -> cpe_etcd::Operation {
    match operation {
        Operation::Put(key, value, lease) => {
            let lease = lease.map(|LeaseId(lease)| lease);
            cpe_etcd::Operation::Put(keys::text(&key), values::bytes(&value), lease)
        }
        Operation::Delete(key) => cpe_etcd::Operation::Delete(keys::text(&key)),
        Operation::Get(key) => cpe_etcd::Operation::Get(keys::text(&key)),
    }
}

/// `None`: it is nothing that the machine knows. A record that cannot be read is as if it were not
/// there, which is safe: every write compares what the store has.
fn entry(pair: cpe_etcd::Entry) -> Option<Entry> {
    let key = keys::key(&pair.key)?;
    Some(Entry {
        value: readable(&key, &pair.value)?,
        key,
        revision: pair.revision,
        lease: pair.lease.map(LeaseId),
    })
}

fn changed(change: cpe_etcd::Change) -> Option<Changed> {
    let key = keys::key(&change.key)?;
    let value = change.value.map(|bytes| readable(&key, &bytes));
    Some(Changed {
        value: value.flatten(),
        key,
        revision: change.revision,
        lease: change.lease.map(LeaseId),
    })
}

fn readable(key: &Key, bytes: &[u8]) -> Option<ownership::Value> {
    match values::value(key, bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            let key = keys::text(key);
            tracing::error!("{key} in the store cannot be read, and is left alone: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(text: &str) -> Vec<cpe_etcd::Entry> {
        vec![cpe_etcd::Entry {
            key: keys::text(&Key::Meta),
            value: text.into(),
            revision: 1,
            lease: None,
        }]
    }

    #[tokio::test]
    async fn why_a_watch_ends_is_said() {
        // It may be opened, and is ended then: the host may read something else only.
        let rights = etcd_lab::Rights {
            read: &["/other/"],
            write: &[],
            own: &[],
        };
        let lab = etcd_lab::Lab::start(1, &["a"], rights).await;
        let lab = lab.expect("a store");
        let mut settings = lab.settings("a").expect("settings");
        settings.call = Duration::from_secs(10);
        let client = Client::new(&settings).await.expect("a client");
        let (to_inputs, mut inputs) = mpsc::channel(10);
        let mut store = Store::new(client, to_inputs);
        store.send(RequestId(1), Request::Watch(1));
        let told = inputs.recv().await.expect("it tells");
        let ended = matches!(told, Input::Watched(RequestId(1), WatchEvent::Ended));
        assert!(ended, "{told:?}");
        let text = store.trouble().expect("it is noted").text;
        assert!(text.contains("permission denied"), "{text}");
    }

    #[test]
    fn a_store_with_newer_records_is_left_alone() {
        assert_eq!(is_ours(&[]), Ok(false));
        let own = r#"{"schema":1,"cluster":"x","incarnation":1,"least":0}"#;
        assert_eq!(is_ours(&meta(own)), Ok(true));
        let newer = own.replace("\"schema\":1", "\"schema\":2");
        let error = is_ours(&meta(&newer)).expect_err("newer").to_string();
        assert_eq!(
            error,
            "the store has records of schema 2, this host knows 1: upgrade it"
        );
        let error = is_ours(&meta("rubbish")).expect_err("broken").to_string();
        assert!(
            error.starts_with("/cpe/v1/cluster/meta in the store: "),
            "{error}"
        );
    }
}
