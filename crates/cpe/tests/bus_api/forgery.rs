//! Signals that somebody else sends to the daemon, under the names of those whom it believes. A
//! signal that is addressed to a connection passes all of its match rules.

use std::time::Duration;

use cpe_bus::names::{CPE_NAME, CPE_PATH};
use cpe_bus::news::{New, News};
use zbus::{Connection, OwnedObjectPath};

use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, Cpe, until};

const SYSTEMD_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Tells the daemon, and returns when it has heard it, how the next jobs of systemd ended.
async fn forge_job_results(liar: &Connection, result: &str) {
    for job in 1..200_u32 {
        let path = OwnedObjectPath::try_from(format!("{SYSTEMD_PATH}/job/{job}")).unwrap();
        let body = (job, path, "dpe@shop.service", result);
        let signal = liar.emit_signal(Some(CPE_NAME), SYSTEMD_PATH, MANAGER, "JobRemoved", &body);
        signal.await.unwrap();
    }
    cpe_bus::proxies::CpeManagerProxy::new(liar)
        .await
        .unwrap()
        .version()
        .await
        .unwrap();
}

async fn await_active(cpe: &Cpe, name: &str) {
    let deployment = cpe.deployment(name).await;
    until(&format!("{name} to be active"), async || {
        (deployment.state().await.ok()? == "active").then_some(())
    })
    .await;
}

#[tokio::test]
async fn results_of_jobs_count_from_systemd_only() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_active(&cpe, "shop").await;
    systemd.hang_stops();
    forge_job_results(&bus.connect().await, "done").await;
    let manager = cpe.manager().await;
    manager.destroy_deployment("shop", true).await.unwrap();
    until("the unit to be told to stop", async || {
        let calls = systemd.calls();
        calls
            .contains(&"StopUnit dpe@shop.service".into())
            .then_some(())
    })
    .await;
    forge_job_results(&bus.connect().await, "done").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let calls = systemd.calls();
    assert!(
        !calls.iter().any(|call| call.starts_with("CleanUnit")),
        "the state of a DPE that runs: {calls:?}"
    );
    assert_eq!(systemd.active("shop"), "active");
    assert_eq!(manager.list_deployments().await.unwrap().len(), 1);
}

#[tokio::test]
async fn results_of_jobs_count_from_the_systemd_that_is_there_now() {
    let bus = Bus::start();
    let before = FakeSystemd::start(&bus, &["wiki"]).await;
    let cpe = bus.cpe().await;
    drop(before);
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    until("cpe to subscribe again", async || {
        systemd
            .calls()
            .contains(&"Subscribe".to_owned())
            .then_some(())
    })
    .await;
    cpe.create("shop").await.unwrap();
    await_active(&cpe, "shop").await;
}

#[tokio::test]
async fn news_are_those_of_the_daemon_only() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let listener = bus.connect().await;
    let mut news = News::listen(&listener).await.unwrap();
    let liar = bus.connect().await;
    let (name, interface) = (listener.unique_name(), "org.cloudpolicy.Cpe1.Events");
    let event = cpe_bus::Fields::new();
    let signal = liar.emit_signal(name, CPE_PATH, interface, "Recorded", &event);
    signal.await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(500), news.next()).await;
    assert!(heard.is_err(), "{heard:?}");
    cpe.create("shop").await.unwrap();
    assert_eq!(news.next().await, New::Events);
}
