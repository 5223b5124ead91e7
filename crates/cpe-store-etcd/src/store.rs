//! The store.

use std::fs::File;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cluster_keys::{self as keys, is_name};
use cpe_bus::Event;
use cpe_daemon::Ages;
use cpe_etcd::{Client, Compare, MemberStatus, Operation, Settings, Txn};
use cpe_status::{DeploymentState, StoreMember, StoreStatus};
use cpe_store::sqlite::Sqlite;
use cpe_store::{
    Answer, Created, Destroying, Details, Document, Ending, Error, Filter, Generation, Given, Keep,
    KeptAside, Marked, News, OrderKey, Ownership, Page, Result, Row, Run, Store, Taken, Updated,
    orders,
};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use uuid::Uuid;

use crate::calls::{Calls, failed};
use crate::deployments::Deployments;
use crate::log::Log;
use crate::orders::Orders;
use crate::records::{MetaText, SCHEMA, bytes, read};
use crate::sweep;

/// For what is large: a chunk of a document, a list.
const PATIENT: Duration = Duration::from_secs(2);
/// News that somebody may be behind. Who is further behind reads everything.
const NEWS: usize = 1024;
/// Pause before a broken watch is begun again.
const PAUSE: Duration = Duration::from_millis(200);

/// The store of several hosts, as one of them uses it.
#[derive(Debug)]
pub struct Etcd {
    deployments: Deployments,
    orders: Orders,
    log: Log,
    cluster: String,
    news: broadcast::Sender<News>,
    ages: Mutex<Ages>,
    /// The newest event that was swept.
    swept: AtomicU64,
    tasks: Vec<AbortHandle>,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Etcd {
    /// Opens the store as this host. Its copy of the event log lies in `directory`.
    ///
    /// # Errors
    /// Says what stands in the way.
    pub async fn open(
        settings: &Settings,
        host: &str,
        directory: &Path,
    ) -> Result<(Etcd, Option<KeptAside>)> {
        if !is_name(host) {
            return Err(Error::Refused(format!(
                "“{host}” is not a host's name in a cluster: use letters, digits, -, _ and ."
            )));
        }
        let slow = Settings {
            call: settings.call.max(PATIENT),
            ..settings.clone()
        };
        let calls = Calls {
            client: Client::new(settings).await.map_err(failed)?,
            patient: Client::new(&slow).await.map_err(failed)?,
        };
        let meta = meta(&calls).await?;
        // The copy of another store's log is no copy of this one's.
        let directory = directory.join(format!("log-{}", keys::part(&meta.cluster)));
        let (copy, kept_aside) = Sqlite::open_copy(&directory)?;
        let log = Log::new(calls.clone(), copy, meta.incarnation);
        let news = broadcast::Sender::new(NEWS);
        let tasks = vec![
            tokio::spawn(log.clone().follow()).abort_handle(),
            tokio::spawn(tell(calls.clone(), news.clone())).abort_handle(),
        ];
        let etcd = Etcd {
            deployments: Deployments {
                calls: calls.clone(),
                log: log.clone(),
                host: host.to_owned(),
            },
            orders: Orders {
                calls,
                log: log.clone(),
                host: host.to_owned(),
            },
            log,
            cluster: meta.cluster,
            news,
            ages: Mutex::new(Ages::new(None)),
            swept: AtomicU64::new(0),
            tasks,
        };
        Ok((etcd, kept_aside))
    }

    /// How it is. Members are asked, and the store as a whole.
    async fn condition(&self) -> StoreStatus {
        let calls = &self.deployments.calls;
        let members = calls.client.status().await.into_iter().map(member);
        // A read that only the store as a whole can answer.
        let read = Txn {
            then: vec![Operation::Get(keys::META.to_owned())],
            ..Txn::default()
        };
        let (revision, mut trouble) = match calls.client.txn(read).await {
            Ok(reply) => (Some(reply.revision), String::new()),
            // It was a question: nothing is done by it.
            Err(cpe_etcd::Error::Unknown(text)) => (None, text),
            Err(error) => (None, error.to_string()),
        };
        let members: Vec<StoreMember> = members.collect();
        let full = members.iter().find(|it| !it.alarms.is_empty());
        if let Some(full) = full.filter(|_| trouble.is_empty()) {
            let alarms = full.alarms.join(", ");
            trouble = format!("{} complains of {alarms}", full.endpoint);
        }
        let copy = self.log.copy.condition().await;
        StoreStatus {
            kind: "etcd".to_owned(),
            log: self.cluster.clone(),
            revision,
            trouble,
            members,
            ..copy
        }
    }

    async fn prune_all(&self, keep_for: Duration, keep_count: u64) -> Result<usize> {
        let life = Duration::from_micros(orders::LIFE);
        let oldest = {
            let mut ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
            ages.oldest(life)
        };
        if let Some(before) = oldest {
            self.orders.prune(before).await?;
            sweep::uploads(&self.deployments).await?;
            let after = self.swept.load(Ordering::Relaxed);
            let (count, last) = sweep::events(&self.log, after).await?;
            self.swept.store(last, Ordering::Relaxed);
            tracing::debug!("{count} events are not in the shared log any more");
        }
        self.log.copy.prune(keep_for, keep_count).await
    }
}

fn member((endpoint, answer): (String, cpe_etcd::Result<MemberStatus>)) -> StoreMember {
    match answer {
        Ok(it) => StoreMember {
            endpoint,
            error: String::new(),
            leads: it.leads,
            version: it.version,
            size: it.size,
            used: it.used,
            quota: it.quota,
            alarms: it.alarms,
        },
        Err(error) => StoreMember {
            endpoint,
            error: error.to_string(),
            ..StoreMember::default()
        },
    }
}

/// The record of the store as a whole, which whoever comes first makes.
async fn meta(calls: &Calls) -> Result<MetaText> {
    let key = keys::META.to_owned();
    let new = MetaText::new(Uuid::new_v4().to_string());
    let txn = Txn {
        compare: vec![Compare::Absent(key.clone())],
        then: vec![Operation::Put(key.clone(), bytes(&new), None)],
        otherwise: vec![Operation::Get(key.clone())],
    };
    let found = calls.decide(txn).await?.reply.found;
    let meta = match found.first() {
        Some(entry) => read(&key, &entry.value)?,
        None => new,
    };
    match meta.schema <= SCHEMA {
        true => Ok(meta),
        false => Err(Error::Refused(format!(
            "the store has records of schema {}, this host knows {SCHEMA}: upgrade it",
            meta.schema
        ))),
    }
}

/// Tells what changes, for as long as somebody keeps the store.
async fn tell(calls: Calls, news: broadcast::Sender<News>) {
    loop {
        if let Ok(reply) = calls.read(vec![keys::META.to_owned()]).await
            && let Ok(mut watch) = calls.client.watch(keys::ROW, reply.revision + 1).await
        {
            // Whatever was missed before it.
            let _ = news.send(News::All);
            while let Ok(batch) = watch.next().await {
                for change in batch.changes {
                    let name = change.key[keys::ROW.len()..].to_owned();
                    let _ = news.send(News::Deployment(name));
                }
            }
        }
        sleep(PAUSE).await;
    }
}

/// Finishes what was begun also if the caller goes away.
fn whole<'a, T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Answer<'a, T> {
    Box::pin(async move {
        let done = tokio::spawn(work).await;
        done.unwrap_or_else(|error| {
            Err(Error::Unknown(format!(
                "the daemon is shutting down ({error})"
            )))
        })
    })
}

impl Store for Etcd {
    fn deployments(&self) -> Answer<'_, Vec<Row>> {
        Box::pin(self.deployments.all())
    }

    fn deployment<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Row>> {
        Box::pin(self.deployments.one(name))
    }

    fn create<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        document: Document,
        limit: usize,
        by: &'a Details,
    ) -> Answer<'a, Created> {
        let (all, by) = (self.deployments.clone(), by.clone());
        let [name, uuid] = [name, uuid].map(str::to_owned);
        whole(async move { all.create(&name, &uuid, &document, limit, &by).await })
    }

    fn update<'a>(
        &'a self,
        name: &'a str,
        uuid: Option<&'a str>,
        expected: u64,
        document: Document,
        keep: Keep,
        by: &'a Details,
    ) -> Answer<'a, Updated> {
        let (all, by) = (self.deployments.clone(), by.clone());
        let (name, uuid) = (name.to_owned(), uuid.map(str::to_owned));
        whole(async move {
            all.update(&name, uuid.as_deref(), expected, &document, keep, &by)
                .await
        })
    }

    fn renumber<'a>(&'a self, name: &'a str, above: u64, keep: Keep) -> Answer<'a, Option<Row>> {
        let (all, name) = (self.deployments.clone(), name.to_owned());
        whole(async move { all.renumber(&name, above, keep).await })
    }

    fn adopt<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        generation: u64,
        document: Document,
    ) -> Answer<'a, Option<Row>> {
        let all = self.deployments.clone();
        let [name, uuid] = [name, uuid].map(str::to_owned);
        whole(async move { all.adopt(&name, &uuid, generation, &document).await })
    }

    fn take_over<'a>(
        &'a self,
        name: &'a str,
        uuid: &'a str,
        generation: u64,
        document: Document,
        keep: Keep,
    ) -> Answer<'a, Option<Row>> {
        let all = self.deployments.clone();
        let [name, uuid] = [name, uuid].map(str::to_owned);
        whole(async move {
            all.take_over(&name, &uuid, generation, &document, keep)
                .await
        })
    }

    fn destroy<'a>(&'a self, name: &'a str, expected: u64, how: Destroying) -> Answer<'a, Marked> {
        let (all, name) = (self.deployments.clone(), name.to_owned());
        whole(async move { all.destroy(&name, expected, how).await })
    }

    fn set_owner<'a>(&'a self, name: &'a str, owned: &'a Ownership) -> Answer<'a, Option<Row>> {
        let (all, name, owned) = (self.deployments.clone(), name.to_owned(), owned.clone());
        whole(async move {
            let row = all.edit(&name, |row| row.give_to(&owned)).await?;
            Ok(row.map(|row| row.row(&name)))
        })
    }

    fn unloaded<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Row>> {
        let (all, name) = (self.deployments.clone(), name.to_owned());
        whole(async move {
            let row = all.edit_here(&name, |row| row.unloaded |= row.destroying != 0);
            Ok(row.await?.map(|row| row.row(&name)))
        })
    }

    fn loaded<'a>(&'a self, name: &'a str, generation: u64) -> Answer<'a, ()> {
        let (all, name) = (self.deployments.clone(), name.to_owned());
        whole(async move {
            let row = all.edit_here(&name, |row| row.loaded = generation);
            row.await.map(drop)
        })
    }

    fn forget<'a>(&'a self, name: &'a str, addresses: &'a [String]) -> Answer<'a, bool> {
        let (all, name) = (self.deployments.clone(), name.to_owned());
        let addresses = addresses.to_owned();
        whole(async move { all.forget(&name, &addresses).await })
    }

    fn left_behind<'a>(&'a self, addresses: &'a [String]) -> Answer<'a, Vec<String>> {
        Box::pin(self.deployments.left_behind(addresses))
    }

    fn note_run<'a>(&'a self, name: &'a str, run: &'a Run, time: u64) -> Answer<'a, ()> {
        let (all, name, run) = (self.deployments.clone(), name.to_owned(), run.clone());
        whole(async move { all.note_run(&name, &run, time).await })
    }

    fn note_state<'a>(&'a self, name: &'a str, state: DeploymentState) -> Answer<'a, ()> {
        let (all, name) = (self.deployments.clone(), name.to_owned());
        whole(async move {
            let row = all.edit_here(&name, |row| state.as_str().clone_into(&mut row.state));
            row.await.map(drop)
        })
    }

    fn document<'a>(&'a self, name: &'a str, generation: u64) -> Answer<'a, Option<(String, u64)>> {
        Box::pin(async move {
            let found = self.deployments.document(name, generation).await?;
            Ok(found.map(|(text, number, _)| (text, number)))
        })
    }

    fn document_and_claims<'a>(
        &'a self,
        name: &'a str,
    ) -> Answer<'a, Option<(Option<String>, u64, String)>> {
        Box::pin(self.deployments.document_and_claims(name))
    }

    fn generations<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Generation>> {
        Box::pin(async move {
            let all = self.deployments.generations(name).await?;
            Ok(all.iter().map(|(n, it)| it.generation(*n)).collect())
        })
    }

    fn record(&self, event: Event) -> Answer<'_, u64> {
        let log = self.log.clone();
        whole(async move { log.record(event).await })
    }

    fn query(&self, after: u64, limit: u32, filter: Filter) -> Answer<'_, Page> {
        self.log.copy.query(after, limit, filter)
    }

    fn prune(&self, keep_for: Duration, keep_count: u64) -> Answer<'_, usize> {
        Box::pin(self.prune_all(keep_for, keep_count))
    }

    fn take_order(&self, wanted: Given) -> Answer<'_, Taken> {
        let orders = self.orders.clone();
        whole(async move { orders.take(wanted).await })
    }

    fn known_order(&self, wanted: Given) -> Answer<'_, Taken> {
        Box::pin(self.orders.look(wanted, false))
    }

    fn note_order<'a>(&'a self, order: &'a OrderKey, result: &'a str) -> Answer<'a, ()> {
        let orders = self.orders.clone();
        let (order, result) = (order.clone(), result.to_owned());
        whole(async move { orders.note(&order, &result).await })
    }

    fn end_order<'a>(
        &'a self,
        order: &'a OrderKey,
        ending: Ending,
        result: &'a str,
    ) -> Answer<'a, ()> {
        let orders = self.orders.clone();
        let (order, result) = (order.clone(), result.to_owned());
        whole(async move { orders.end(&order, ending, &result).await })
    }

    fn taken_order<'a>(&'a self, order: &'a OrderKey) -> Answer<'a, Option<Given>> {
        Box::pin(self.orders.taken(order))
    }

    fn order<'a>(&'a self, principal: &'a str, id: &'a str) -> Answer<'a, Option<Given>> {
        Box::pin(self.orders.one(principal, id))
    }

    fn orders_under_way(&self) -> Answer<'_, Vec<Given>> {
        Box::pin(self.orders.under_way())
    }

    fn status(&self) -> Answer<'_, StoreStatus> {
        Box::pin(async move { Ok(self.condition().await) })
    }

    fn back_up(&self, _to: File) -> Answer<'_, u64> {
        let text = "deployments are in etcd, which several hosts share: back that up (etcdctl snapshot save FILE)";
        Box::pin(async move { Err(Error::Refused(text.to_owned())) })
    }

    fn log(&self) -> &str {
        &self.cluster
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.log.copy.head()
    }

    fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    fn lost(&self) -> Pin<Box<dyn Future<Output = KeptAside> + Send + '_>> {
        self.log.copy.lost()
    }
}

#[cfg(test)]
mod tests {
    use cluster_keys::{OWN, READ, WRITE};
    use cpe_daemon::now;
    use etcd_lab::{Lab, Rights};

    use super::*;
    use crate::documents;
    use crate::records::OrderText;

    async fn open(directory: &Path) -> (Lab, Etcd) {
        let rights = Rights {
            read: READ,
            write: WRITE,
            own: OWN,
        };
        let lab = Lab::start(1, &["a"], rights).await.expect("a lab");
        let settings = lab.settings("a").expect("settings");
        let opened = Etcd::open(&settings, "a", directory).await;
        let etcd = opened.expect("a store").0;
        let (document, nobody) = (Document::from("<a/>"), Details::new());
        let created = etcd.create("shop", "u1", document, 10, &nobody);
        created.await.expect("created");
        (lab, etcd)
    }

    /// One lab for all, since it takes seconds.
    #[tokio::test]
    async fn what_comes_between_is_seen() {
        let directory = tempfile::tempdir().expect("a folder");
        let (_lab, etcd) = open(directory.path()).await;
        a_sweep_leaves_what_was_turned_to_meanwhile(&etcd).await;
        an_order_that_nobody_knows_of_is_given_back(&etcd).await;
    }

    async fn a_sweep_leaves_what_was_turned_to_meanwhile(etcd: &Etcd) {
        let all = &etcd.deployments;
        let (document, nobody) = (Document::from("<b/>"), Details::new());
        let upload = documents::upload(&all.calls, "shop", &document, (&nobody, "")).await;
        let upload = upload.expect("uploaded");
        let swept = sweep::unnamed(all, u64::MAX).await.expect("an answer");
        // Somebody turns to it.
        let row = all.calls.get(&keys::row("shop")).await.expect("an answer");
        let row = row.expect("a row");
        let turn = Txn {
            compare: upload.chunks.clone(),
            then: vec![
                Operation::Put(row.key, row.value, None),
                Operation::Put(keys::generation("shop", 2), bytes(&upload.record), None),
            ],
            otherwise: Vec::new(),
        };
        let turned = all.calls.decide(turn).await.expect("an answer");
        assert!(turned.reply.succeeded);
        for unnamed in &swept {
            let deleted = sweep::delete_uploads(&all.calls, unnamed).await;
            assert_eq!(deleted.expect("an answer"), 0, "{unnamed:?}");
        }
        let found = etcd.document("shop", 2).await.expect("an answer");
        assert_eq!(found, Some(("<b/>".to_owned(), 2)));
        // What nothing names goes.
        let upload = documents::upload(&all.calls, "shop", &document, (&nobody, "")).await;
        upload.expect("uploaded");
        let swept = sweep::unnamed(all, u64::MAX).await.expect("an answer");
        let mut count = 0;
        for unnamed in &swept {
            let deleted = sweep::delete_uploads(&all.calls, unnamed).await;
            count += deleted.expect("an answer");
        }
        assert_eq!(count, 1);
    }

    async fn an_order_that_nobody_knows_of_is_given_back(etcd: &Etcd) {
        let given = |id: &str| Given {
            principal: "user:a".into(),
            id: id.into(),
            deployment: "shop".into(),
            uuid: "u1".into(),
            request: "x".into(),
            who: Details::new(),
            cursor: 0,
            begun: now(),
            ended: 0,
            ending: None,
            result: String::new(),
        };
        // It was taken, and this was not answered.
        let taken = etcd.take_order(given("1")).await;
        assert!(matches!(taken, Ok(Taken::New(_))), "{taken:?}");
        let found = etcd
            .deployments
            .calls
            .get(&keys::order("user:a", "1"))
            .await;
        let found = found.expect("an answer").expect("it is there");
        let lost: OrderText = read(&found.key, &found.value).expect("an order");
        etcd.orders.clone().give_back(lost.clone()).await;
        let order = etcd.order("user:a", "1").await.expect("an answer");
        let order = order.expect("it is there");
        assert_eq!(order.ending, Some(Ending::NotNow));
        assert!(order.result.contains("give it again"), "{}", order.result);
        // It is given again, and that is left alone.
        let taken = etcd.take_order(given("1")).await;
        assert!(matches!(taken, Ok(Taken::New(_))), "{taken:?}");
        etcd.orders.clone().give_back(lost).await;
        let under_way = etcd.orders_under_way().await.expect("an answer");
        assert_eq!(under_way.len(), 1);
        // It is about to be taken: that does not happen any more.
        let row = etcd.deployments.calls.get(&keys::row("shop")).await;
        let row = row.expect("an answer").expect("a row").revision;
        let late = OrderText::new(&given("2"), "a");
        let key = keys::order("user:a", "2");
        let txn = Txn {
            compare: vec![
                Compare::Revision(keys::row("shop"), row),
                Compare::Absent(key.clone()),
            ],
            then: vec![Operation::Put(key, bytes(&late), None)],
            otherwise: Vec::new(),
        };
        etcd.orders.clone().give_back(late).await;
        let decided = etcd.deployments.calls.decide(txn).await.expect("an answer");
        assert!(!decided.reply.succeeded);
        let under_way = etcd.orders_under_way().await.expect("an answer");
        assert_eq!(under_way.len(), 1);
    }
}
