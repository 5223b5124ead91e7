//! What must not end the leases of a deployment's guests: a disk, a bus, one of the guests.
//!
//! The guests' agents are fakes; the DPE is the real program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod harness;
mod permit;
mod shared;
#[cfg(feature = "otlp")]
mod spans;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use controller::Proposal;
use cpe_bus::Fields;
use cpe_bus::fields::put;
use cpe_status::DeploymentStatus;

use harness::{World, eventually, files_with};

/// Services of a document whose reading takes a second or more.
const LARGE: usize = 118_000;
/// Renewals that a DPE must go on with for a test to believe that it does: two seconds' worth.
const MANY: u64 = 20;

#[tokio::test]
async fn a_disk_that_takes_nothing_ends_no_lease_and_is_reported() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    world.web1.renewed(1).await;
    world.web2.renewed(1).await;

    world.limit_files("0");
    // Its loss is an event, which would have to be saved.
    world.web2.silent.store(true, Ordering::Relaxed);
    eventually("the status says so", async || {
        dpe.get_status().await.unwrap().contains("cannot be saved")
    })
    .await;
    world.web1.renewed(MANY).await;
    let error = dpe
        .set_standby("web1", true, Fields::new())
        .await
        .unwrap_err();
    assert!(error.message().contains("cannot be saved"), "{error:?}");
    assert!(!world.saved("assembly/web2").unwrap().contains("Missed"));

    world.limit_files("unlimited");
    eventually("everything goes on", async || {
        dpe.set_standby("web1", true, Fields::new()).await.is_ok()
    })
    .await;
    assert!(
        world
            .saved("assembly/web1")
            .unwrap()
            .contains("\"standby\":true")
    );
    world.web1.renewed(1).await;
    assert!(world.lives());
}

#[tokio::test]
async fn a_disk_that_does_not_answer_ends_no_lease() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    world.web1.renewed(1).await;
    // What it keeps in reserve is looked at with every write: the open of a pipe that nobody reads
    // takes as long as a disk that hangs.
    let pipe = world.state().join("ballast");
    let _ = std::fs::remove_file(&pipe);
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    let error = dpe
        .set_standby("web1", true, Fields::new())
        .await
        .unwrap_err();
    assert!(error.message().contains("does not answer"), "{error:?}");
    world.web1.renewed(MANY).await;
    world.web2.renewed(1).await;

    drop(std::fs::File::open(&pipe).unwrap());
    eventually("everything goes on", async || {
        dpe.set_standby("web1", false, Fields::new()).await.is_ok()
    })
    .await;
    assert!(world.lives());
}

#[tokio::test]
async fn a_dpe_that_starts_on_a_disk_that_takes_nothing_renews_leases() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    world.web1.renewed(1).await;
    let epoch = world.web1.epoch.load(Ordering::Relaxed);
    world.stop_dpe();

    let since = Instant::now();
    world.start_dpe_after("ulimit -Sf 0");
    world.web1.renewed(1).await;
    world.web2.renewed(1).await;
    // Before leases are over, which are ten seconds: it waits for nothing that the disk does.
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    world.web1.renewed(MANY).await;
    assert!(world.web1.epoch.load(Ordering::Relaxed) > epoch);
    let dpe = world.proxy().await;
    assert!(dpe.get_status().await.unwrap().contains("cannot be saved"));

    world.limit_files("unlimited");
    eventually("everything goes on", async || {
        !dpe.get_status().await.unwrap().contains("cannot be saved")
    })
    .await;
    let epoch = world.web1.epoch.load(Ordering::Relaxed);
    assert_eq!(world.saved("epoch"), Some(epoch.to_string()));
}

#[tokio::test]
async fn a_state_that_is_taken_away_is_written_again_whole() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    world.web1.renewed(1).await;
    std::fs::remove_dir_all(world.state()).unwrap();
    eventually("a change is saved", async || {
        let _ = dpe.set_standby("web1", false, Fields::new()).await;
        dpe.set_standby("web1", true, Fields::new()).await.is_ok()
    })
    .await;
    assert!(world.lives());
    world.web1.renewed(MANY).await;
    world.stop_dpe();
    world.start_dpe();
    world.web1.renewed(1).await;
    assert!(world.saved("loaded").unwrap().contains("web2"));
}

#[tokio::test]
async fn a_saved_document_that_this_version_does_not_read_ends_no_lease() {
    let mut world = World::new();
    world.spoil_document();
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    world.web1.renewed(MANY).await;
    world.web2.renewed(1).await;
    let status = dpe.get_status().await.unwrap();
    assert!(
        status.contains("does not read the saved document"),
        "{status}"
    );
    let event = world.saved("event/%").unwrap();
    assert!(
        event.contains("deployment.degraded") && event.contains("refused"),
        "{event}"
    );

    dpe.load(&world.document(), 2, Fields::new()).await.unwrap();
    eventually("it decides again", async || {
        dpe.get_status().await.unwrap().contains("\"active\"")
    })
    .await;
    world.web1.renewed(MANY).await;
}

#[tokio::test]
async fn heartbeats_are_answered_while_a_large_document_is_read() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    world.web1.renewed(1).await;
    // One that is refused at its end: nothing but the reading takes time.
    let services: String = (0..LARGE)
        .map(|n| format!(r#"<service name="s{n}" class="ocf" provider="heartbeat" type="Dummy"/>"#))
        .collect();
    let services = format!("<services>{services}<refused/></services></deployable>");
    let large = world.document().replace("</deployable>", &services);
    let since = Instant::now();
    Proposal::read("shop", large.clone()).unwrap_err();
    let reading = since.elapsed();

    let before = world.web1.renewals.load(Ordering::Relaxed);
    let error = dpe.load(&large, 2, Fields::new()).await.unwrap_err();
    assert!(error.message().contains("refused"), "{error:?}");
    let renewals = world.web1.renewals.load(Ordering::Relaxed) - before;
    // It is ten a second, and the machine may be busy.
    let expected = reading.as_millis() / 100 / 3;
    assert!(
        expected >= 3,
        "reading takes {reading:?}: too short to be noticed"
    );
    assert!(
        u128::from(renewals) >= expected,
        "{renewals} renewals in {reading:?}"
    );
}

#[tokio::test]
async fn what_follows_from_an_order_names_who_gave_it() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    world.web2.renewed(1).await;
    world.web2.silent.store(true, Ordering::Relaxed);
    // Its agent answers each time that the DPE connects again: it is lost for a moment only.
    eventually("somebody confirms that web2 is down", async || {
        let status = dpe.get_status().await.unwrap();
        let status: DeploymentStatus = serde_json::from_str(&status).unwrap();
        let web2 = status.assemblies.into_iter().find(|it| it.name == "web2");
        let attempt = web2.unwrap().fencing_attempt;
        let mut options = Fields::new();
        put(&mut options, "by", "alice (uid 1000)");
        !attempt.is_empty() && dpe.confirm_fenced("web2", &attempt, options).await.is_ok()
    })
    .await;
    let events = world.all_saved("event/%");
    let safe = events
        .iter()
        .find(|event| event.contains("assembly.fencing-succeeded"));
    assert!(
        safe.unwrap().contains("asked for by alice (uid 1000)"),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_fence_agent_ends_with_its_dpe_and_the_next_one_begins_again() {
    let mut world = World::fenced(
        r#"<services><service name="db" class="ocf" provider="heartbeat" type="anything"/></services>
           <fencing mode="agent" agent="fence_fake"/>"#,
    );
    world.serve_fence_agent(
        "case $(cat) in *action=metadata) echo '<action name=\"off\"/><action name=\"status\"/><action name=\"on\"/></resource-agent>' ;;
         *) echo off >> begun; sleep 4; touch later ;; esac",
    );
    // It needs neither a bus nor cpe for that.
    world.start_dpe();
    world.web1.renewed(1).await;
    // From now on it is not heard, and does not answer either.
    world.web1.highest.store(u64::MAX, Ordering::Relaxed);
    world.web1.silent.store(true, Ordering::Relaxed);
    let begun = |world: &World| {
        let text = std::fs::read_to_string(world.path("begun")).unwrap_or_default();
        text.lines().count()
    };
    for times in 1..=2 {
        eventually("the fence agent runs", async || begun(&world) >= times).await;
        let mut dpe = world.dpe.take().unwrap();
        dpe.kill().unwrap();
        dpe.wait().unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!world.path("later").exists(), "it ran on");
        world.start_dpe();
    }
}

#[tokio::test]
async fn a_damaged_state_is_set_aside_and_the_dpe_starts() {
    let mut world = World::new();
    world.start_bus();
    std::fs::write(world.state().join("state.sqlite"), [7; 8192]).unwrap();
    world.start_dpe();
    let dpe = world.proxy().await;
    assert_eq!(dpe.get_document().await.unwrap(), (String::new(), 0));
    assert_eq!(files_with(&world.state(), "damaged"), 1);
}

#[tokio::test]
async fn a_bus_that_is_not_there_yet_keeps_no_dpe_from_its_guests() {
    let mut world = World::new();
    world.start_dpe();
    world.web1.renewed(MANY).await;
    world.web2.renewed(1).await;
    world.start_bus();
    world.proxy().await;
    assert!(world.lives());
}

#[tokio::test]
async fn one_guest_that_tells_of_a_newer_dpe_ends_nothing() {
    let mut world = World::new();
    // There is none higher.
    world.web1.highest.store(u64::MAX, Ordering::Relaxed);
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    world.web2.renewed(MANY).await;
    assert!(world.lives());
    assert_eq!(world.web1.renewals.load(Ordering::Relaxed), 0);
    let status = dpe.get_status().await.unwrap();
    assert!(
        !status.contains("newer DPE manages this deployment"),
        "{status}"
    );
}

#[tokio::test]
async fn a_guest_that_has_seen_a_higher_epoch_gets_a_higher_one_and_no_other_does() {
    let mut world = World::new();
    let seen = 9_000_000_000;
    world.web1.highest.store(seen, Ordering::Relaxed);
    world.start_bus();
    world.start_dpe();
    world.web1.renewed(MANY).await;
    world.web2.renewed(1).await;
    assert_eq!(world.web1.epoch.load(Ordering::Relaxed), seen + 1);
    assert!(world.web2.epoch.load(Ordering::Relaxed) < seen);
}

#[tokio::test]
async fn a_guest_that_floods_takes_nothing_from_the_others() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    world.web1.renewed(1).await;
    world.web2.renewed(1).await;
    world.web1.floods.store(true, Ordering::Relaxed);
    world.web1.renewed(10 * MANY).await;
    let since = std::time::Instant::now();
    world.web2.renewed(MANY).await;
    // Its heartbeats are ten a second, its lease is ten seconds.
    assert!(since.elapsed().as_secs() < 10, "{:?}", since.elapsed());
    assert!(world.lives());
}

#[tokio::test]
async fn a_second_dpe_of_a_deployment_ends_and_touches_nothing() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    world.web1.renewed(1).await;
    let epoch = world.web1.epoch.load(Ordering::Relaxed);
    let first = world.dpe.take();
    world.start_dpe();
    let mut second = std::mem::replace(&mut world.dpe, first).unwrap();
    assert!(!second.wait().unwrap().success());
    world.web1.renewed(MANY).await;
    assert_eq!(world.web1.epoch.load(Ordering::Relaxed), epoch);
}

#[tokio::test]
async fn a_stranger_who_has_its_name_ends_no_dpe_of_a_unit() {
    let mut world = World::new();
    world.start_bus();
    let address = world.bus_address();
    let stranger = zbus::connection::Builder::address(address.as_str());
    let stranger = stranger.build().await.unwrap();
    let name = cpe_bus::names::dpe_name("shop");
    stranger.request_name(name.as_str()).await.unwrap();
    // As systemd begins it.
    world.start_dpe_after("export SYSTEMD_EXEC_PID=$$");
    world.web1.renewed(MANY).await;
    assert!(world.lives());
    stranger.release_name(name.as_str()).await.unwrap();
    let dpe = world.proxy().await;
    let answers = async || dpe.get_status().await.is_ok();
    eventually("it has its name on the bus", answers).await;
}

#[tokio::test]
async fn a_state_from_a_backup_is_found_out_and_the_document_is_asked_for() {
    let mut world = World::new();
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    dpe.set_standby("web1", true, Fields::new()).await.unwrap();
    world.stop_dpe();
    let backup = tempfile::tempdir().unwrap();
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let file = "state.sqlite";
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    };
    copy(&world.state(), backup.path());

    // The newest state is believed.
    world.start_dpe();
    let dpe = world.proxy().await;
    assert_eq!(dpe.generation().await.unwrap(), 1);
    dpe.set_standby("web1", false, Fields::new()).await.unwrap();
    world.stop_dpe();

    copy(backup.path(), &world.state());
    world.start_dpe();
    let dpe = world.proxy().await;
    assert_eq!(dpe.generation().await.unwrap(), 0);
    assert_eq!(dpe.state().await.unwrap(), "empty");
}
