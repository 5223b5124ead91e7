//! Two hosts with a real etcd. Their DPEs are fake: nothing runs, and every start and stop succeeds
//! at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use etcd_lab::{Lab, Rights};
use membership::{Cluster, Driver, OWN, READ, Runner, WRITE};
use ownership::{
    Answer, Change, ChangeId, DeploymentRecord, Grant, HostRecord, Needs, OwnedView, Session, What,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

/// It starts and stops nothing.
struct NoUnits;

impl Runner for NoUnits {
    async fn running(&self) -> std::result::Result<Vec<DeploymentId>, String> {
        Ok(Vec::new())
    }

    async fn start(&self, _: &DeploymentId, _: Grant) -> std::result::Result<(), String> {
        Ok(())
    }

    async fn stop(&self, _: &DeploymentId) -> std::result::Result<(), String> {
        Ok(())
    }
}

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until it is so.
async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !ask().await {
        assert!(since.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn host(lab: &Lab, name: &str, folder: &std::path::Path) -> (JoinHandle<()>, Handle) {
    let cluster = Cluster {
        host: name.to_owned(),
        version: 1,
        address: format!("{name}.example:7400"),
        capacity: 10,
        labels: BTreeSet::from([format!("rack={name}")]),
        boot: u64::from(name.as_bytes()[0]),
        store: lab.settings(name).unwrap(),
        folder: folder.join(name),
    };
    // Nothing ends by itself.
    let (ends, events) = mpsc::channel(1);
    let (driver, handle) = Driver::new(cluster, NoUnits, events).await.unwrap();
    let runs = tokio::spawn(async move {
        let _ends = ends;
        let _ = driver.run().await;
    });
    (runs, handle)
}

async fn owns(handle: &Handle, name: &str) -> u64 {
    let list = listed(handle).await.unwrap();
    let found = list.hosts.iter().find(|it| it.name == name);
    found.map_or(0, |it| it.deployments)
}

async fn is_alive(handle: &Handle, name: &str) -> bool {
    let list = listed(handle).await.unwrap();
    list.hosts.iter().any(|it| it.name == name && it.alive)
}

#[track_caller]
fn refused(answer: Result<()>, words: &str) {
    let Err(Error::Refused(text)) = answer else {
        panic!("{answer:?}");
    };
    assert!(text.contains(words), "{text}");
}

async fn create(handle: &Handle, name: &str) {
    let change = Change {
        id: ChangeId(1),
        deployment: DeploymentId::new(name),
        what: What::Create(Needs::default(), 30_000),
    };
    assert_eq!(handle.change(change).await, Some(Answer::Done(1)));
}

/// One lab for all, since it takes seconds.
#[tokio::test]
async fn administrators_see_move_drain_and_remove_hosts() {
    let rights = Rights {
        read: READ,
        write: WRITE,
        own: OWN,
    };
    let lab = Lab::start(1, &["a", "b"], rights).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (runs_a, a) = host(&lab, "a", folder.path()).await;
    let (runs_b, b) = host(&lab, "b", folder.path()).await;
    until("both see both", async || {
        is_alive(&a, "a").await && is_alive(&a, "b").await && is_alive(&b, "a").await
    })
    .await;
    until("a may act", async || a.status().host.may_act).await;
    create(&a, "shop").await;
    until("a host has it", async || {
        owns(&b, "a").await + owns(&b, "b").await == 1
    })
    .await;
    // From here on it is b's, whichever had it.
    ordered(&b, "a", Wanted::Drain).await.unwrap();
    until("b has it", async || owns(&a, "b").await == 1).await;
    what_is_seen(&a).await;
    what_cannot_be_done(&a, &b).await;

    // It goes where it is told to.
    ordered(&b, "a", Wanted::Activate).await.unwrap();
    until("b knows", async || {
        let list = listed(&b).await.unwrap();
        list.hosts.iter().all(|it| it.state == "active")
    })
    .await;
    until("b runs it", async || b.status().host.granted.len() == 1).await;
    moved(&b, "shop", "a").await.unwrap();
    until("a has it", async || owns(&b, "a").await == 1).await;

    runs_b.abort();
    until("b is gone", async || !is_alive(&a, "b").await).await;
    let list = listed(&a).await.unwrap();
    let gone = list.hosts.iter().find(|it| it.name == "b").unwrap();
    assert!(gone.since > 0 && !gone.waited_for && !gone.lost, "{gone:?}");
    ordered(&a, "b", Wanted::ConfirmLost).await.unwrap();
    until("that is seen", async || {
        let list = listed(&a).await.unwrap();
        list.hosts.iter().any(|it| it.name == "b" && it.lost)
    })
    .await;
    ordered(&a, "b", Wanted::Remove).await.unwrap();
    let list = listed(&a).await.unwrap();
    let names: Vec<&str> = list.hosts.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    runs_a.abort();
}

async fn what_is_seen(a: &Handle) {
    let list = listed(a).await.unwrap();
    assert!(list.shares && list.complete && list.unowned == 0 && list.trouble.is_empty());
    let told: Vec<(&str, &str, bool, u64)> = list
        .hosts
        .iter()
        .map(|it| {
            (
                it.name.as_str(),
                it.state.as_str(),
                it.answers,
                it.deployments,
            )
        })
        .collect();
    let expected = [("a", "draining", true, 0), ("b", "active", false, 1)];
    assert_eq!(told, expected);
    let own = &list.hosts[1];
    assert_eq!(
        (own.address.as_str(), own.capacity, own.labels.as_slice()),
        ("b.example:7400", 10, &["rack=b".to_owned()][..])
    );
    let seen = overview(a).await.unwrap();
    let found = details(&seen, &HostId::new("b"), |_| true).unwrap();
    let shop = &found.owned[0];
    // The other one drains.
    assert_eq!((shop.name.as_str(), shop.next.as_str()), ("shop", ""));
    assert!(shop.since > 0 && shop.since <= cpe_daemon::now());
    let hidden = details(&seen, &HostId::new("b"), |_| false).unwrap();
    assert!(hidden.owned.is_empty(), "{hidden:?}");
    let owner = a.owner(DeploymentId::new("shop")).await.flatten();
    assert_eq!(owner.unwrap().host.as_str(), "b");
}

async fn what_cannot_be_done(a: &Handle, b: &Handle) {
    until("b runs it", async || b.status().host.granted.len() == 1).await;
    refused(moved(b, "shop", "a").await, "it drains");
    refused(moved(a, "shop", "b").await, "host `b` owns `shop`");
    refused(ordered(a, "b", Wanted::Remove).await, "is alive");
    refused(ordered(a, "b", Wanted::ConfirmLost).await, "is alive");
    for absent in [
        ordered(a, "c", Wanted::Drain).await,
        moved(b, "shop", "c").await,
        moved(b, "wiki", "a").await,
    ] {
        assert!(matches!(absent, Err(Error::NotFound(_))), "{absent:?}");
    }
    let odd = ordered(a, "../c", Wanted::Drain).await;
    assert!(matches!(odd, Err(Error::InvalidArgument(_))), "{odd:?}");
}

/// `shop` on host `a`, and host `b` as it is given.
fn with_b(change: impl FnOnce(&mut HostRecord, &mut bool, &mut Needs)) -> Overview {
    let record = HostRecord {
        version: 1,
        address: String::new(),
        capacity: 1,
        labels: BTreeSet::new(),
        state: HostState::Active,
        session: Session { boot: 1, number: 1 },
        confirmed_lost: None,
    };
    let (mut other, mut is_alive, mut needs) = (record.clone(), true, Needs::default());
    change(&mut other, &mut is_alive, &mut needs);
    let deployment = DeploymentRecord {
        generation: 1,
        change: ChangeId(1),
        needs,
        lease_ms: 1,
        destroying: false,
    };
    let view = |name: &str, record: HostRecord, is_alive, owned| HostView {
        host: HostId::new(name),
        record: Some(record.into()),
        is_alive,
        since_us: None,
        is_waited_for: false,
        owned,
    };
    let shop = OwnedView {
        deployment: DeploymentId::new("shop"),
        record: Some(deployment.into()),
        since_us: None,
    };
    Overview {
        me: HostId::new("a"),
        now_us: 1,
        is_complete: true,
        revision: 1,
        may_act: true,
        guard_holds: false,
        too_old: false,
        hosts: vec![
            view("a", record, true, vec![shop]),
            view("b", other, is_alive, Vec::new()),
        ],
        unowned: Vec::new(),
    }
}

#[test]
fn why_a_host_cannot_take_a_deployment_is_said() {
    type Change = fn(&mut HostRecord, &mut bool, &mut Needs);
    let cases: [(Change, &str); 5] = [
        (|_, is_alive, _| *is_alive = false, "it is gone"),
        (
            |record, _, _| record.state = HostState::Draining,
            "it drains",
        ),
        (|record, _, _| record.capacity = 0, "it has room for 0"),
        (|_, _, needs| needs.version = 2, "it takes 2"),
        (
            |_, _, needs| needs.labels.extend(["ssd".to_owned()]),
            "the labels ssd",
        ),
    ];
    let (shop, b) = (DeploymentId::new("shop"), HostId::new("b"));
    for (change, words) in cases {
        let seen = with_b(change);
        let error = not_moved(&seen, &shop, &b, Some(Outcome::Unsuitable));
        assert!(error.message().contains(words), "{}", error.message());
        assert_eq!(seen.drained(&seen.me)[0].1, None, "{words}");
    }
    let seen = with_b(|_, _, _| {});
    assert_eq!(seen.drained(&seen.me)[0].1, Some(b.clone()));
    let error = not_moved(&seen, &shop, &b, Some(Outcome::NotHere));
    assert!(matches!(error, Error::NotReady(_)), "{error:?}");
}
