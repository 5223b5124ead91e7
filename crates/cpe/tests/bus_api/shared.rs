//! Two hosts that share deployments: two daemons, each on a bus of its own with a pretended systemd
//! and pretended DPEs, and one real etcd.

use std::time::{Duration, Instant, UNIX_EPOCH};

use cluster_keys::{OWN, READ, WRITE};
use cpe_bus::{Error, Event, Fields, json};
use cpe_status::DeploymentStatus;
use etcd_lab::{Lab, Rights};

use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, Cpe, document, until};

async fn lab(hosts: &[&str]) -> Lab {
    let rights = Rights {
        read: READ,
        write: WRITE,
        own: OWN,
    };
    Lab::start(1, hosts, rights).await.expect("etcd")
}

/// A host: its bus, and its configuration.
struct Machine {
    bus: Bus,
    systemd: FakeSystemd,
    configuration: String,
}

impl Machine {
    async fn new(lab: &Lab, name: &str, deployments: &[&str]) -> Machine {
        let bus = Bus::start();
        let settings = lab.settings(name).expect("settings");
        let folder = bus.directory.path();
        let tls = settings.tls;
        let mut configuration = format!("[cluster]\nname = {name:?}\n[store]\nkind = \"etcd\"\n");
        for (key, text) in [
            ("ca", tls.authority),
            ("cert", tls.certificate),
            ("key", tls.key),
        ] {
            let path = folder.join(format!("{key}.pem"));
            std::fs::write(&path, text).expect("a file");
            configuration.push_str(&format!("{key} = {path:?}\n"));
        }
        configuration.push_str(&format!("endpoints = {:?}\n", settings.endpoints));
        Machine {
            systemd: FakeSystemd::start(&bus, deployments).await,
            bus,
            configuration,
        }
    }

    async fn cpe(&self) -> Cpe {
        self.bus.cpe_with(&self.configuration).await
    }
}

async fn state(cpe: &Cpe, name: &str) -> Option<String> {
    cpe.deployment(name).await.state().await.ok()
}

async fn summary(cpe: &Cpe, name: &str) -> String {
    let status = cpe.deployment(name).await.get_status().await;
    status.unwrap_or_else(|error| error.to_string())
}

async fn loads(machine: &Machine, count: usize) {
    until("the document is loaded", async || {
        (machine.systemd.dpe("shop").loads.len() == count).then_some(())
    })
    .await;
}

async fn is_active(cpe: &Cpe) {
    until("shop is active", async || {
        (state(cpe, "shop").await? == "active").then_some(())
    })
    .await;
}

fn told<'a>(events: &'a [Event], kind: &str) -> Vec<&'a Event> {
    events.iter().filter(|it| it.kind == kind).collect()
}

/// Calls of a daemon that start or stop the unit.
fn asked(machine: &Machine, what: &str) -> usize {
    let calls = machine.systemd.calls();
    let is_it = |call: &&String| call.starts_with(what) && call.ends_with(" dpe@shop.service");
    calls.iter().filter(is_it).count()
}

/// Two hosts, of which one runs the deployment.
struct Pair<'a> {
    /// The name of the one that runs it, and the other's.
    names: [&'static str; 2],
    owner: &'a Machine,
    at_owner: Cpe,
    other: &'a Machine,
    at_other: Cpe,
}

impl Pair<'_> {
    fn new<'a>(a: (&'a Machine, Cpe), b: (&'a Machine, Cpe)) -> Pair<'a> {
        let is_a = a.0.systemd.dpe("shop").loads.len() == 1;
        let names = if is_a { ["a", "b"] } else { ["b", "a"] };
        let ((owner, at_owner), (other, at_other)) = if is_a { (a, b) } else { (b, a) };
        Pair {
            names,
            owner,
            at_owner,
            other,
            at_other,
        }
    }

    /// Each says which host runs it, and what takes its DPE is done there.
    async fn both_know_who_runs_it(&self) {
        let started = |it: &Machine| asked(it, "StartUnit");
        assert_eq!((started(self.owner), started(self.other)), (1, 0));
        let name = self.names[0];
        let text = summary(&self.at_other, "shop").await;
        assert!(text.contains(&format!("it runs on host {name}")), "{text}");
        let status = self.at_owner.deployment("shop").await.get_status().await;
        let status = json::from_json::<DeploymentStatus>(&status.expect("a status"));
        let status = status.expect("a status");
        assert_eq!(status.host, name);
        let since = Duration::from_micros(status.host_since.expect("since when"));
        let age = (UNIX_EPOCH + since).elapsed().expect("in the past");
        assert!(age < Duration::from_secs(60), "{age:?}");
        let order = self.at_other.deployment("shop").await;
        let refused = order.set_standby("web1", true).await;
        let expected = format!("deployment `shop` runs on host {name}: ask there");
        assert!(
            matches!(&refused, Err(Error::NotReady(text)) if *text == expected),
            "{refused:?}"
        );
    }

    /// A change at either host is for whoever runs it.
    async fn a_change_at_the_other_host_reaches_it(&self, document: &str) {
        let manager = self.at_other.manager().await;
        let updated = manager.update_deployment("shop", 1, document, Fields::new());
        assert_eq!(updated.await.expect("updated"), 2);
        loads(self.owner, 2).await;
        let loaded = self.owner.systemd.dpe("shop").loads[1].clone();
        assert_eq!(loaded, (2, document.to_owned()));
    }

    /// Its host is gone: the other one takes it, and nothing has died.
    async fn it_moves_without_a_death(&mut self, document: &str) {
        self.at_owner.kill();
        loads(self.other, 1).await;
        let loaded = self.other.systemd.dpe("shop").loads[0].clone();
        assert_eq!(loaded, (2, document.to_owned()));
        is_active(&self.at_other).await;
        let log = self.at_other.all_events().await;
        assert_eq!(told(&log, "dpe.died").len(), 0, "{log:?}");
        let moved = told(&log, "deployment.moved");
        assert_eq!(moved.len(), 1, "{log:?}");
        assert_eq!(moved[0].details["from"], self.names[0]);
    }

    /// Its former host is back: its DPE is ended by membership, and it does not take the deployment
    /// back.
    async fn what_ran_before_is_stopped(&mut self) {
        self.at_owner = self.owner.cpe().await;
        until("what ran there is stopped", async || {
            (asked(self.owner, "StopUnit") == 1).then_some(())
        })
        .await;
        let elsewhere = format!("it runs on host {}", self.names[1]);
        until("it is known who runs it", async || {
            let text = summary(&self.at_owner, "shop").await;
            text.contains(&elsewhere).then_some(())
        })
        .await;
        let restarts = |it: &Machine| asked(it, "RestartUnit");
        assert_eq!(restarts(self.owner) + restarts(self.other), 0);
    }

    /// Destroyed at a host that does not run it: it is unloaded where it runs, and gone at both.
    async fn it_ends_everywhere(&self) {
        let manager = self.at_owner.manager().await;
        let destroyed = manager.destroy_deployment("shop", true);
        destroyed.await.expect("it ends");
        for cpe in [&self.at_owner, &self.at_other] {
            is_gone(cpe, "shop").await;
        }
        assert_eq!(asked(self.other, "StopUnit"), 1);
        until("what it has saved is deleted at both", async || {
            let is_clean = |it: &Machine| {
                let calls = it.systemd.calls();
                calls.iter().any(|it| it.starts_with("CleanUnit"))
            };
            (is_clean(self.owner) && is_clean(self.other)).then_some(())
        })
        .await;
        self.at_owner
            .await_event("deployment.destroyed", "shop")
            .await;
        let log = self.at_owner.all_events().await;
        assert_eq!(told(&log, "deployment.destroyed").len(), 1);
        assert_eq!(told(&log, "dpe.died").len(), 0, "{log:?}");
        // And the name is free.
        self.at_owner.create("shop").await.expect("another one");
        is_active(&self.at_owner).await;
    }
}

async fn is_gone(cpe: &Cpe, name: &str) {
    until("it is gone", async || {
        state(cpe, name).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_one_host_is_given_another_may_run_and_both_know_of_it() {
    let lab = lab(&["a", "b"]).await;
    let (a, b) = (
        Machine::new(&lab, "a", &["shop"]).await,
        Machine::new(&lab, "b", &["shop"]).await,
    );
    let (at_a, at_b) = (a.cpe().await, b.cpe().await);
    at_a.create("shop").await.expect("created");
    let since = Instant::now();
    until("the other host knows it", async || {
        state(&at_b, "shop").await
    })
    .await;
    assert!(since.elapsed() < Duration::from_secs(2), "{since:?}");
    until("one of them runs it", async || {
        let loaded = |machine: &Machine| machine.systemd.dpe("shop").loads.len();
        (loaded(&a) + loaded(&b) == 1).then_some(())
    })
    .await;
    is_active(&at_a).await;
    is_active(&at_b).await;
    let mut pair = Pair::new((&a, at_a), (&b, at_b));
    let second = document("shop", "second");
    pair.both_know_who_runs_it().await;
    pair.a_change_at_the_other_host_reaches_it(&second).await;
    pair.it_moves_without_a_death(&second).await;
    pair.what_ran_before_is_stopped().await;
    pair.it_ends_everywhere().await;
}

#[tokio::test]
async fn what_no_host_has_room_for_waits_and_can_be_destroyed() {
    let lab = lab(&["a"]).await;
    let mut machine = Machine::new(&lab, "a", &["shop", "wiki"]).await;
    let room = "[cluster]\ncapacity = 1\n";
    machine.configuration = machine.configuration.replacen("[cluster]\n", room, 1);
    let cpe = machine.cpe().await;
    cpe.create("shop").await.expect("created");
    is_active(&cpe).await;
    cpe.create("wiki").await.expect("created");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let text = summary(&cpe, "wiki").await;
    assert!(text.contains("no host has it yet"), "{text}");
    assert_eq!(state(&cpe, "wiki").await.as_deref(), Some("stored"));
    let manager = cpe.manager().await;
    let destroyed = manager.destroy_deployment("wiki", true);
    destroyed.await.expect("it ends");
    is_gone(&cpe, "wiki").await;
    assert_eq!(machine.systemd.active("wiki"), "inactive");
    assert_eq!(state(&cpe, "shop").await.as_deref(), Some("active"));
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_changes_are_refused_meanwhile() {
    let mut lab = lab(&["a"]).await;
    let machine = Machine::new(&lab, "a", &["shop", "wiki"]).await;
    lab.kill(0).expect("etcd ends");
    let mut waits = machine.bus.spawn_cpe(&machine.configuration);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(waits.try_wait().expect("a process"), None, "it waits");
    lab.restart(0).expect("etcd is back");
    let connection = machine.bus.connect().await;
    super::harness::await_name(&connection, cpe_bus::names::CPE_NAME).await;
    waits.kill().expect("it ends");
    waits.wait().expect("it ends");

    let cpe = machine.cpe().await;
    cpe.create("shop").await.expect("created");
    is_active(&cpe).await;
    lab.kill(0).expect("etcd ends");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let since = Instant::now();
    let refused = cpe.create("wiki").await;
    assert!(
        matches!(&refused, Err(Error::NotReady(text)) if text.contains("nothing was changed")),
        "{refused:?}"
    );
    assert!(since.elapsed() < Duration::from_secs(3), "{since:?}");
    // What is known is told, and nothing is stopped.
    assert_eq!(state(&cpe, "shop").await.as_deref(), Some("active"));
    let list = cpe.manager().await.list_deployments().await;
    assert_eq!(list.expect("a list").len(), 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        asked(&machine, "StopUnit") + asked(&machine, "RestartUnit"),
        0
    );
    lab.restart(0).expect("etcd is back");
    until("changes are taken again", async || {
        cpe.create("wiki").await.ok()
    })
    .await;
    assert_eq!(told(&cpe.all_events().await, "dpe.died").len(), 0);
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_said_plainly() {
    let (lab, other) = (lab(&["a"]).await, self::lab(&["a"]).await);
    let machine = Machine::new(&lab, "a", &[]).await;
    let foreign = other.settings("a").expect("settings").tls;
    let path = machine.bus.directory.path().join("ca.pem");
    std::fs::write(path, foreign.authority).expect("a file");
    let mut waits = machine.bus.spawn_cpe(&machine.configuration);
    tokio::time::sleep(Duration::from_secs(9)).await;
    waits.kill().expect("it ends");
    let mut text = String::new();
    let mut stderr = waits.stderr.take().expect("its log");
    std::io::Read::read_to_string(&mut stderr, &mut text).expect("its log");
    waits.wait().expect("it ends");
    assert!(text.contains("waiting for the store: "), "{text}");
    assert!(text.contains("`ca`, `cert` and `key` in [store]"), "{text}");
}

#[tokio::test]
async fn a_host_with_deployments_of_its_own_does_not_begin_to_share() {
    let lab = lab(&["a"]).await;
    let machine = Machine::new(&lab, "a", &["shop"]).await;
    let mut alone = machine.bus.cpe().await;
    alone.create("shop").await.expect("created");
    is_active(&alone).await;
    alone.kill();
    let refused = machine.bus.spawn_cpe(&machine.configuration);
    let ended = refused.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&ended.stderr);
    assert!(
        !ended.status.success() && text.contains("of this host (shop)"),
        "{text}"
    );
    assert_eq!(machine.systemd.active("shop"), "active");
    assert_eq!(asked(&machine, "StopUnit"), 0);
    // It was the store of one host that nothing is left in.
    let alone = machine.bus.cpe().await;
    let manager = alone.manager().await;
    manager
        .destroy_deployment("shop", true)
        .await
        .expect("it ends");
    is_gone(&alone, "shop").await;
    drop(alone);
    machine.cpe().await.create("shop").await.expect("created");
}
