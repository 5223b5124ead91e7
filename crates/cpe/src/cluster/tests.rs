//! DPEs of a host of a cluster. The service manager is played, over a connection of its own, and
//! runs nothing; etcd is real.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cpe_bus::proxies::systemd::UnitRow;
use etcd_lab::{Lab, Rights};
use membership::{Guard, Handle, May, OWN, READ, Runner, WRITE, grant_of};
use ownership::{Answer, Change, ChangeId, DeploymentId, Grant, Needs, Session, What};
use tokio::task::JoinHandle;
use zbus::{Connection, OwnedObjectPath};

use super::*;
use crate::sync::lock;
use crate::systemd::{JobResult, unit_path};

/// What it is asked, and how its one unit is.
#[derive(Default)]
struct Played {
    state: Mutex<&'static str>,
    said: Mutex<Vec<String>>,
    /// Where the grant has to be when it is started.
    grant: Mutex<Option<PathBuf>>,
    /// Who hears how jobs end.
    hears: Mutex<Option<Arc<Systemd>>>,
}

const UNIT: &str = "dpe@shop.service";
const JOB: &str = "/org/freedesktop/systemd1/job/1";

impl Played {
    fn job(&self, what: String, state: &'static str) -> OwnedObjectPath {
        lock(&self.said).push(what);
        *lock(&self.state) = state;
        if let Some(systemd) = &*lock(&self.hears) {
            systemd.job_removed(JOB, JobResult::Done);
        }
        path(JOB)
    }
}

fn path(text: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(text).unwrap()
}

struct Manager(Arc<Played>);

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn start_unit(&self, name: String, _mode: String) -> OwnedObjectPath {
        let grant = lock(&self.0.grant).clone();
        let has_none = grant.is_some_and(|grant| !grant.exists());
        let how = if has_none { " without a grant" } else { "" };
        self.0.job(format!("start {name}{how}"), "active")
    }

    fn stop_unit(&self, name: String, _mode: String) -> OwnedObjectPath {
        self.0.job(format!("stop {name}"), "inactive")
    }

    fn reset_failed_unit(&self, name: String) {
        lock(&self.0.said).push(format!("reset {name}"));
    }

    fn list_units_by_patterns(&self, states: Vec<String>, _patterns: Vec<String>) -> Vec<UnitRow> {
        let state = *lock(&self.0.state);
        let is_one = states.iter().any(|it| it == state);
        let row = || {
            let text = String::new;
            let unit = path(&unit_path(UNIT));
            let name = UNIT.to_owned();
            let (active, job) = (state.to_owned(), path("/"));
            (
                name,
                text(),
                text(),
                active,
                text(),
                text(),
                unit,
                0,
                text(),
                job,
            )
        };
        is_one.then(row).into_iter().collect()
    }
}

struct Unit(Arc<Played>);

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        (*lock(&self.0.state)).to_owned()
    }

    /// It has no properties of a service then.
    #[zbus(property)]
    fn load_state(&self) -> String {
        "not-found".to_owned()
    }

    #[zbus(property, name = "InvocationID")]
    fn invocation_id(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// What the unit sets in its environment.
struct Service(Vec<String>);

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl Service {
    #[zbus(property)]
    fn environment(&self) -> Vec<String> {
        self.0.clone()
    }
}

/// The played one, its connection, and what is said to it.
async fn played(folder: &Path) -> (Arc<Played>, Connection, Units) {
    let environment = format!("CPE_CLUSTER={}", folder.display());
    played_with(folder, vec![environment]).await
}

async fn played_with(folder: &Path, environment: Vec<String>) -> (Arc<Played>, Connection, Units) {
    let played = Arc::new(Played::default());
    let (ours, its) = std::os::unix::net::UnixStream::pair().unwrap();
    let served = zbus::connection::Builder::unix_stream(its)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at("/org/freedesktop/systemd1", Manager(Arc::clone(&played)))
        .serve_at(unit_path(UNIT), Unit(Arc::clone(&played)))
        .serve_at(unit_path(UNIT), Service(environment));
    let ours = zbus::connection::Builder::unix_stream(ours).p2p();
    let (served, ours) = tokio::join!(served.build(), ours.build());
    let systemd = Arc::new(Systemd::new(&ours.unwrap()).await.unwrap());
    *lock(&played.hears) = Some(Arc::clone(&systemd));
    // Its sender may go: who waits for a bus has one.
    let (_, current) = watch::channel(Some(systemd));
    (played, served.unwrap(), Units::new(current, folder))
}

fn grant(revision: u64) -> Grant {
    Grant {
        session: Session { boot: 1, number: 1 },
        incarnation: 1,
        revision,
    }
}

#[tokio::test]
async fn without_a_bus_nothing_is_known_and_nothing_has_ended() {
    let (_now, current) = watch::channel(None);
    let folder = tempfile::tempdir().unwrap();
    let units = Units::new(current, folder.path());
    let shop = DeploymentId::new("shop");
    assert!(units.start(&shop, grant(7)).await.is_err());
    assert!(units.stop(&shop).await.is_err());
    lock(&units.running).insert("shop".to_owned(), 7);
    assert_eq!(units.ended().await, []);
    let waits = tokio::time::timeout(Duration::from_millis(50), units.running());
    assert!(waits.await.is_err(), "it waits for the bus");
}

#[tokio::test]
async fn a_unit_that_asks_for_no_grant_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    for set in ["", "CPE_CLUSTER=/elsewhere", "CPE_CLUSTER="] {
        let environment = vec!["A=b".to_owned(), set.to_owned()];
        let (played, _connection, units) = played_with(folder.path(), environment).await;
        let shop = DeploymentId::new("shop");
        let refused = units.start(&shop, grant(7)).await.unwrap_err();
        assert!(refused.contains("80-cluster-dpe.conf"), "{refused}");
        assert!(lock(&played.said).is_empty());
    }
}

#[tokio::test]
async fn a_unit_that_ends_by_itself_is_told_once_and_one_that_is_restarted_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (played, _connection, units) = played(folder.path()).await;
    let shop = DeploymentId::new("shop");
    units.start(&shop, grant(7)).await.unwrap();
    assert_eq!(
        *lock(&played.said),
        ["reset dpe@shop.service", "start dpe@shop.service"]
    );
    for state in ["active", "activating", "deactivating", "reloading"] {
        *lock(&played.state) = state;
        assert_eq!(units.ended().await, [], "{state}");
    }
    *lock(&played.state) = "failed";
    assert_eq!(units.ended().await, [("shop".to_owned(), 7)]);
    assert_eq!(units.ended().await, []);
    units.start(&shop, grant(8)).await.unwrap();
    units.stop(&shop).await.unwrap();
    assert_eq!(units.ended().await, [], "it was stopped");
}

#[tokio::test]
async fn what_an_earlier_process_has_started_is_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let (played, _connection, units) = played(folder.path()).await;
    std::fs::create_dir(folder.path().join("unit")).unwrap();
    let text = r#"{"session":{"boot":1,"number":1},"incarnation":1,"revision":5}"#;
    std::fs::write(folder.path().join("unit/shop"), text).unwrap();
    *lock(&played.state) = "deactivating";
    let found = units.running().await.unwrap();
    assert_eq!(found, [DeploymentId::new("shop")], "something of it runs");
    *lock(&played.state) = "inactive";
    assert_eq!(units.ended().await, [("shop".to_owned(), 5)]);
    assert_eq!(units.running().await.unwrap(), []);
}

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process of cpe, as far as the cluster is concerned.
async fn process(lab: &Lab, folder: &Path, units: Units) -> (JoinHandle<()>, Handle) {
    let cluster = Cluster {
        host: "a".to_owned(),
        version: VERSION,
        address: String::new(),
        capacity: 10,
        labels: Default::default(),
        boot: 7,
        store: lab.settings("a").unwrap(),
        folder: folder.to_owned(),
    };
    let (to_ends, ends) = mpsc::channel(ENDS);
    let tells = tokio::spawn(units.clone().tell_ends(to_ends));
    let (driver, handle) = Driver::new(cluster, units, ends).await.unwrap();
    let runs = tokio::spawn(async move {
        let Err(error) = driver.run().await;
        tells.abort();
        panic!("{error}");
    });
    let status = handle.clone();
    eventually("it may act", || status.status().host.may_act).await;
    (runs, handle)
}

#[tokio::test]
async fn a_deployment_is_started_with_its_grant_and_the_next_process_finds_it() {
    let rights = Rights {
        read: READ,
        write: WRITE,
        own: OWN,
    };
    let lab = Lab::start(1, &["a"], rights).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (played, _connection, units) = played(folder.path()).await;
    let grant = folder.path().join("grant/shop");
    *lock(&played.grant) = Some(grant.clone());
    let started = || {
        let said = lock(&played.said);
        said.iter()
            .filter(|it| **it == format!("start {UNIT}"))
            .count()
    };

    let (runs, handle) = process(&lab, folder.path(), units.clone()).await;
    let change = Change {
        id: ChangeId(1),
        deployment: DeploymentId::new("shop"),
        what: What::Create(Needs::default(), 30_000),
    };
    assert_eq!(handle.change(change).await, Some(Answer::Done(1)));
    eventually("it is started", || started() == 1).await;
    let first = grant_of(&grant).unwrap().unwrap();
    let guard = Guard::new(&folder.path().join("permit"), first);
    assert!(matches!(guard.may(), May::Send(_)));

    // Its DPE goes on when cpe dies, and under the same grant when it is there again.
    runs.abort();
    let _ = runs.await;
    let units = Units::new(units.systemd.clone(), folder.path());
    let (runs, handle) = process(&lab, folder.path(), units).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(started(), 1);
    assert_eq!(grant_of(&grant).unwrap(), Some(first));
    assert!(matches!(guard.may(), May::Send(_)));

    // One that has ended for want of epochs, or of a right, gets another grant.
    *lock(&played.state) = "failed";
    eventually("it is started again", || started() == 2).await;
    let second = grant_of(&grant).unwrap().unwrap();
    assert!(second.revision > first.revision, "{second:?}");

    // So does one that is of no use, which is stopped before.
    handle.renew(&DeploymentId::new("shop")).await;
    eventually("it is started once more", || started() == 3).await;
    let third = grant_of(&grant).unwrap().unwrap();
    assert!(third.revision > second.revision, "{third:?}");
    let said = lock(&played.said).clone();
    let stops = said.iter().filter(|it| **it == format!("stop {UNIT}"));
    assert_eq!(stops.count(), 1, "{said:?}");
    runs.abort();
}
