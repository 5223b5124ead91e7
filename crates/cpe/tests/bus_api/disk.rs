//! A disk that takes nothing more: DPEs are kept running all the same, and nothing is left out of
//! the event log in the end.
//!
//! The limit of a process's file sizes stands for the full disk: with it at 0, no write to a file
//! succeeds, for any user and on any file system.

use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, Cpe, until};

/// Waits until the daemon has started the DPE as often as this, and has seen it running.
async fn await_start(systemd: &FakeSystemd, cpe: &Cpe, times: usize) {
    let deployment = cpe.deployment("shop").await;
    until("the DPE to be started again", async || {
        let calls = systemd.calls();
        let starts = calls.iter().filter(|call| call.starts_with("StartUnit"));
        let seen = starts.count() == times && deployment.dpe_pid().await.ok()? != 0;
        seen.then_some(())
    })
    .await;
}

async fn kinds(cpe: &Cpe) -> Vec<String> {
    let events = cpe.all_events().await.into_iter();
    events.map(|event| event.kind).collect()
}

async fn await_kinds(cpe: &Cpe, wanted: &[&str]) {
    until(&format!("the events {wanted:?}"), async || {
        (kinds(cpe).await == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_dead_dpe_is_started_on_a_full_disk_and_recorded_when_there_is_room() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_kinds(&cpe, &["deployment.created", "dpe.started"]).await;

    cpe.fill_disk();
    for times in 2..=3 {
        systemd.kill("shop").await;
        await_start(&systemd, &cpe, times).await;
    }
    let refused = cpe.create("store").await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(kinds(&cpe).await, ["deployment.created", "dpe.started"]);

    cpe.empty_disk();
    let all = [
        "deployment.created",
        "dpe.started",
        "dpe.died",
        "dpe.restarted",
        "dpe.died",
        "dpe.restarted",
    ];
    await_kinds(&cpe, &all).await;
    cpe.create("store").await.unwrap();
}

#[tokio::test]
async fn the_daemon_starts_on_a_full_disk_and_keeps_the_dpes_running() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_kinds(&cpe, &["deployment.created", "dpe.started"]).await;
    cpe.kill();
    systemd.kill("shop").await;

    let cpe = bus.cpe_on_a_full_disk().await;
    await_start(&systemd, &cpe, 2).await;
    cpe.empty_disk();
    let all = [
        "deployment.created",
        "dpe.started",
        "dpe.died",
        "dpe.restarted",
    ];
    await_kinds(&cpe, &all).await;
}
