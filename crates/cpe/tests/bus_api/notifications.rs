//! `cpe-notify` at the event log of a real daemon: what restarts, retention and lost databases mean
//! for who follows it.

use std::path::PathBuf;

use cpe_bus::names::{NOTIFY_NAME, NOTIFY_PATH};
use cpe_bus::proxies::NotifyProxy;
use cpe_bus::{BusSelection, Error, Event, EventKind, json};
use cpe_notify::serve::{self, Settings};
use cpe_status::{SinkList, SinkStatus};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zbus::proxy::CacheProperties;

use super::harness::{Bus, Cpe, await_name, has_owner, until};
use super::introspection::{compare, introspect};

const NOTIFY: &str = include_str!("../../../../docs/bus/org.cloudpolicy.Notify1.xml");

/// A notifier with one sink: a program that writes the ids of events into a file. It ends when
/// nobody can tell it to any more.
struct Notifier {
    task: JoinHandle<anyhow::Result<()>>,
    stop: oneshot::Sender<()>,
    out: PathBuf,
}

impl Notifier {
    async fn start(bus: &Bus) -> Notifier {
        let folder = bus.directory.path();
        let (sinks, out) = (folder.join("sinks"), folder.join("out"));
        std::fs::create_dir_all(&sinks).unwrap();
        let write = format!("echo $CPE_EVENT_ID >> {}", out.display());
        let sink = format!(
            "type = \"exec\"\nall = true\nafter = 0\ncommand = [\"/bin/sh\", \"-c\", \"{write}\"]\n"
        );
        std::fs::write(sinks.join("a.toml"), sink).unwrap();
        let settings = Settings {
            bus: bus.address().parse::<BusSelection>().unwrap(),
            sinks,
            state: folder.join("notify"),
            group: "cpe".into(),
        };
        let connection = bus.connect().await;
        assert!(!has_owner(&connection, NOTIFY_NAME).await, "there is one");
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let task = tokio::spawn(serve::run_until(settings, stopped));
        await_name(&connection, NOTIFY_NAME).await;
        Notifier { task, stop, out }
    }

    /// Waits until it has ended, and nothing of it is left.
    async fn end(self) {
        let _ = self.stop.send(());
        self.task.await.expect("an end").expect("no failure");
    }

    fn ids(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.out).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until as many events have arrived.
    async fn await_ids(&self, count: usize) -> Vec<String> {
        until("the events", async || {
            Some(self.ids()).filter(|ids| ids.len() >= count)
        })
        .await
    }
}

async fn status(bus: &Bus) -> SinkStatus {
    let proxy = NotifyProxy::builder(&bus.connect().await)
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .unwrap();
    let list: SinkList = json::from_json(&proxy.list().await.unwrap()).unwrap();
    assert_eq!((list.log.as_str(), list.refused.len()), ("", 0));
    list.sinks[0].clone()
}

async fn record(cpe: &Cpe, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let event = Event::new(EventKind::ServiceFailed, "shop", 1);
        cpe.events().await.record(event.to_fields()).await.unwrap();
        ids.push(event.id);
    }
    ids
}

#[tokio::test]
async fn the_notifier_has_exactly_the_documented_members() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let _notifier = Notifier::start(&bus).await;
    compare(NOTIFY, &introspect(&cpe, NOTIFY_NAME, NOTIFY_PATH).await);
}

#[tokio::test]
async fn the_daemon_passes_on_what_the_notifier_says_of_its_sinks() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let away = manager.list_sinks().await;
    assert!(
        matches!(&away, Err(Error::NotReady(text)) if text.contains("cpe-notify is not there")),
        "{away:?}"
    );
    let notifier = Notifier::start(&bus).await;
    notifier.await_ids(record(&cpe, 1).await.len()).await;
    let list: SinkList = json::from_json(&manager.list_sinks().await.unwrap()).unwrap();
    assert_eq!((list.sinks.len(), list.sinks[0].name.as_str()), (1, "a"));
    assert_eq!(manager.redeliver("a", "").await.unwrap(), 0);
    let none = manager.redeliver("b", "").await;
    assert!(matches!(&none, Err(Error::NotFound(_))), "{none:?}");
}

#[tokio::test]
async fn sinks_go_on_over_restarts_of_the_daemon_and_of_the_bus() {
    let mut bus = Bus::start();
    let mut cpe = bus.cpe().await;
    let notifier = Notifier::start(&bus).await;
    let mut ids = record(&cpe, 3).await;
    assert_eq!(notifier.await_ids(3).await, ids);
    cpe.kill();
    let cpe = bus.cpe().await;
    ids.extend(record(&cpe, 3).await);
    assert_eq!(notifier.await_ids(6).await, ids);
    bus.kill_daemon();
    bus.start_daemon();
    let connection = bus.connect().await;
    await_name(&connection, cpe_bus::names::CPE_NAME).await;
    await_name(&connection, NOTIFY_NAME).await;
    for _ in 0..3 {
        let event = Event::new(EventKind::ServiceFailed, "shop", 1);
        let log = cpe_bus::proxies::CpeEventsProxy::new(&connection).await;
        log.unwrap().record(event.to_fields()).await.unwrap();
        ids.push(event.id);
    }
    assert_eq!(notifier.await_ids(9).await, ids);
    let status = status(&bus).await;
    assert_eq!((status.delivered, status.lost, status.lag), (9, 0, Some(0)));
}

#[tokio::test]
async fn a_sink_says_how_many_events_retention_has_removed_before_it_saw_them() {
    let bus = Bus::start();
    let mut cpe = bus.cpe().await;
    let notifier = Notifier::start(&bus).await;
    let before = record(&cpe, 2).await;
    assert_eq!(notifier.await_ids(2).await, before);
    notifier.end().await;
    let is_left = has_owner(&cpe.connection, NOTIFY_NAME).await;
    assert!(!is_left, "one that has ended is not on the bus");
    let later = record(&cpe, 20).await;
    cpe.kill();
    let cpe = bus.cpe_with("[events]\nkeep_count = 5\n").await;
    until("retention", async || {
        (cpe.all_events().await.len() == 5).then_some(())
    })
    .await;
    let notifier = Notifier::start(&bus).await;
    let ids = notifier.await_ids(7).await;
    assert_eq!(ids, [&before[..], &later[15..]].concat());
    let status = until("it is idle", async || {
        Some(status(&bus).await).filter(|status| status.lag == Some(0))
    })
    .await;
    assert_eq!((status.lost, status.delivered), (15, 7));
}

#[tokio::test]
async fn after_the_database_was_lost_sinks_begin_again() {
    let bus = Bus::start();
    let mut cpe = bus.cpe().await;
    let notifier = Notifier::start(&bus).await;
    let mut ids = record(&cpe, 4).await;
    notifier.await_ids(4).await;
    cpe.kill();
    std::fs::remove_dir_all(bus.state()).unwrap();
    let cpe = bus.cpe().await;
    ids.extend(record(&cpe, 6).await);
    assert_eq!(notifier.await_ids(10).await, ids);
    assert_eq!(status(&bus).await.lost, 0);
}
