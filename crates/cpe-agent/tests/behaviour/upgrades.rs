//! An agent that follows one of a former version, whose state was where a setting said, while
//! services run.

use cpe_bus::HelloSettings;
use cpe_bus::records::rc;

use crate::guest::{Guest, find, holds, operation, until};

/// Where the setting of the former version has put its state.
const FORMER: &str = "elsewhere";

/// A lease that is over soon.
const LEASE: HelloSettings = HelloSettings {
    heartbeat_interval_ms: 50,
    lease_ms: 3_000,
    grace_ms: 5_000,
    stop_timeout_ms: 10_000,
    answers: false,
    number: 0,
    process: 0,
};

/// A guest in which `db` runs, and whose agent of a former version has just ended.
async fn upgraded(settings: HelloSettings) -> Guest {
    let mut guest = Guest::start();
    guest.kill_agent();
    // It may have been there already.
    let _ = std::fs::remove_dir_all(guest.path("state"));
    let former = guest.path(FORMER);
    guest.start_agent_without("--state-dir", |agent| {
        agent.arg("--state-dir").arg(former);
    });
    let mut dpe = guest.connect().await;
    dpe.hello(1, settings).await.unwrap();
    dpe.run(&operation("db", "start")).await;
    guest.kill_agent();
    guest
}

fn start(guest: &mut Guest, setting: &str) {
    let former = guest.path(setting);
    let own = guest.path("state");
    guest.start_agent_without("--state-dir", |agent| {
        agent.arg("--state-dir").arg(own);
        agent.env("CPE_AGENT_STATE_DIR", former);
    });
}

#[tokio::test]
async fn it_takes_up_the_state_where_the_former_setting_has_it() {
    let mut guest = upgraded(HelloSettings::default()).await;
    start(&mut guest, FORMER);
    let dpe = guest.dpe(2).await;
    assert_eq!(
        find(&dpe.history().await, "db", "start").unwrap().rc,
        rc::OK
    );
    assert_eq!(dpe.describe().await.active_services, 1);
    // The setting is taken away, as the log asks: the next agent knows all the same.
    guest.kill_agent();
    guest.start_agent();
    let dpe = guest.dpe(3).await;
    assert_eq!(dpe.describe().await.active_services, 1);
    // After a reboot, the state is in its place.
    guest.kill_agent();
    guest.new_boot();
    start(&mut guest, FORMER);
    let dpe = guest.dpe(1).await;
    assert_eq!(dpe.history().await, []);
    assert!(guest.path("state/identity.json").exists());
}

#[tokio::test]
async fn it_enforces_a_lease_that_the_former_setting_has_elsewhere() {
    let mut guest = upgraded(LEASE).await;
    start(&mut guest, FORMER);
    until("the service is stopped", || {
        holds(guest.service_pid("db").is_none())
    })
    .await;
    assert_eq!(guest.count("stop db"), 1);
}

#[tokio::test]
async fn the_guard_enforces_it_where_no_agent_follows() {
    let mut guest = upgraded(LEASE).await;
    let former = guest.path(FORMER);
    guest.start_guard_with(|guard| {
        guard.env("CPE_AGENT_STATE_DIR", former);
    });
    until("the guest is reset", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_setting_has_nobody_forget_the_state() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&operation("db", "start")).await;
    guest.kill_agent();
    start(&mut guest, "nowhere");
    let dpe = guest.dpe(2).await;
    assert_eq!(dpe.describe().await.active_services, 1);
}
