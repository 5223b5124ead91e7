//! Services that may run though the history does not name them any more: the agent stops them at
//! the end of its lease, and does not say that they are down because it cannot look.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cpe_bus::records::rc;
use cpe_bus::{HelloSettings, Operation, OperationStatus};

use crate::guest::{Dpe, Guest, holds, operation, until, with};

/// A lease that is over soon.
const LEASE: HelloSettings = HelloSettings {
    heartbeat_interval_ms: 50,
    lease_ms: 600,
    grace_ms: 5_000,
    stop_timeout_ms: 10_000,
    answers: false,
    number: 0,
    process: 0,
};

/// A guest in which `db` runs.
async fn running(settings: HelloSettings) -> (Guest, Dpe) {
    let guest = Guest::start();
    let mut dpe = guest.connect().await;
    dpe.hello(1, settings).await.unwrap();
    dpe.run(&operation("db", "start")).await;
    (guest, dpe)
}

async fn probe(dpe: &mut Dpe, probe: &Operation) -> (OperationStatus, i32, String) {
    let record = dpe.run(probe).await;
    (record.status, record.rc, record.exit_reason)
}

/// What a probe says that finds no resource agent where nothing was started.
const ABSENT: (OperationStatus, i32) = (OperationStatus::NotInstalled, rc::INSTALLED);

async fn may_run(dpe: &mut Dpe, resource: &str) {
    let (status, code, reason) = probe(dpe, &operation(resource, "monitor")).await;
    assert_eq!((status, code), (OperationStatus::Done, rc::GENERIC));
    assert!(reason.contains("cannot tell"), "{reason}");
}

#[tokio::test]
async fn a_service_that_was_forgotten_is_stopped_when_the_lease_ends() {
    let (guest, dpe) = running(LEASE).await;
    dpe.agent.forget(1, "db").await.unwrap();
    until("the service is stopped", || {
        holds(guest.service_pid("db").is_none())
    })
    .await;
    assert_eq!(guest.count("stop db"), 1);
    assert!(!guest.path("rebooted").exists());
}

#[tokio::test]
async fn a_service_that_was_forgotten_may_run_when_its_resource_agent_is_gone() {
    let (mut guest, mut dpe) = running(HelloSettings::default()).await;
    guest.take_agent_away(true);
    may_run(&mut dpe, "db").await;
    dpe.agent.forget(1, "db").await.unwrap();
    guest.kill_agent();
    guest.start_agent();
    let mut dpe = guest.dpe(2).await;
    assert_eq!(dpe.describe().await.active_services, 1);
    may_run(&mut dpe, "db").await;
    let (_, code, reason) = probe(&mut dpe, &operation("db", "stop")).await;
    assert_eq!(code, rc::GENERIC, "{reason}");
    for action in ["monitor", "stop"] {
        let (status, code, _) = probe(&mut dpe, &operation("web", action)).await;
        assert_eq!((status, code), ABSENT, "nothing was ever started of it");
    }
    guest.take_agent_away(false);
    dpe.run(&operation("db", "stop")).await;
    guest.take_agent_away(true);
    let (status, code, _) = probe(&mut dpe, &operation("db", "monitor")).await;
    assert_eq!((status, code), ABSENT, "it was stopped");
}

#[tokio::test]
async fn a_service_that_a_deployment_left_may_run_when_its_resource_agent_is_gone() {
    let (guest, dpe) = running(LEASE).await;
    dpe.agent.release(1, true).await.unwrap();
    guest.take_agent_away(true);
    let mut next = guest.dpe(1).await;
    assert_eq!(next.describe().await.active_services, 0);
    // Under another name too.
    may_run(&mut next, "database").await;
    may_run(&mut next, "db").await;
    guest.take_agent_away(false);
    let (_, code, _) = probe(&mut next, &operation("db", "monitor")).await;
    assert_eq!(code, rc::OK);
}

#[tokio::test]
async fn a_guest_whose_agent_has_lost_its_state_is_reset_if_there_may_be_services() {
    let (mut guest, _dpe) = running(HelloSettings::default()).await;
    guest.kill_agent();
    fs::remove_dir_all(guest.path("state")).unwrap();
    guest.start_agent();
    until("the guest is reset", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
}

#[tokio::test]
async fn a_guest_that_was_released_may_lose_the_state_of_its_agent() {
    let (mut guest, dpe) = running(HelloSettings::default()).await;
    dpe.agent.release(1, false).await.unwrap();
    guest.kill_agent();
    fs::remove_dir_all(guest.path("state")).unwrap();
    guest.start_agent();
    let mut dpe = guest.dpe(1).await;
    let (_, code, _) = probe(&mut dpe, &operation("db", "monitor")).await;
    assert_eq!(code, rc::NOT_RUNNING);
    assert!(!guest.path("rebooted").exists());
}

#[tokio::test]
async fn a_resource_agent_that_cannot_work_in_a_guest_where_nothing_was_started_is_as_if_not_there()
{
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let program = guest.path("ocf/resource.d/test/Service");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, code, reason) = probe(&mut dpe, &operation("db", "monitor")).await;
    assert_eq!(code, rc::INSTALLED);
    assert!(reason.contains("cannot work here"), "{reason}");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    dpe.run(&operation("db", "start")).await;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    may_run(&mut dpe, "db").await;
}

#[tokio::test]
async fn more_services_than_it_can_know_of_are_not_left_behind() {
    let guest = Guest::start();
    let mut dpe = guest.connect().await;
    // Nobody here reads heartbeats.
    let settings = HelloSettings {
        heartbeat_interval_ms: 60_000,
        ..HelloSettings::default()
    };
    dpe.hello(1, settings).await.unwrap();
    // Of each it knows the parameters, which are large.
    let large = "x".repeat(60_000);
    let names: Vec<String> = (0..40).map(|number| format!("r{number}")).collect();
    for name in &names {
        let start = with(operation(name, "start"), "first", &large);
        let start = with(start, "second", &large);
        assert_eq!(dpe.run(&start).await.rc, rc::OK);
    }
    let refused = dpe.agent.release(1, true).await.unwrap_err();
    assert!(refused.to_string().contains("can be kept"), "{refused}");
    // Nothing has changed: they are its to stop, and it obeys the same DPE.
    assert_eq!(dpe.describe().await.active_services, 40);
    for name in &names[30..] {
        dpe.run(&operation(name, "stop")).await;
    }
    dpe.agent.release(1, true).await.unwrap();
    guest.take_agent_away(true);
    let mut next = guest.dpe(1).await;
    may_run(&mut next, "r0").await;
    may_run(&mut next, "r29").await;
}
