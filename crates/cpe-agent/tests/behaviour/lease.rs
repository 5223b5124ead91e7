//! The lease: services stop by themselves when the DPE is silent.

use std::time::{Duration, Instant};

use cpe_bus::{Error, HelloSettings, Operation, OperationStatus};
use rustix::process::Signal;

use crate::guest::{Guest, PATIENCE, find, holds, operation, until, with};

#[tokio::test]
async fn it_stops_its_services_in_reverse_order_when_the_lease_ends() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 600).await;
    for resource in ["ip", "db", "web"] {
        dpe.execute(&operation(resource, "start")).await.unwrap();
    }
    dpe.execute(&Operation {
        interval_ms: 20,
        ..operation("web", "monitor")
    })
    .await
    .unwrap();
    // The connection lives, but nothing is renewed.
    until("all are stopped", || holds(guest.count("stop ip") == 1)).await;
    while dpe.heartbeat().await.is_some() {}
    let stops: Vec<String> = guest
        .actions()
        .into_iter()
        .filter(|line| line.starts_with("stop"))
        .collect();
    assert_eq!(stops, ["stop web", "stop db", "stop ip"]);
    let dpe = again(&guest, 2).await;
    let history = dpe.history().await;
    let stop = find(&history, "db", "stop").unwrap();
    assert!(
        stop.operation.id.starts_with("lease-expiry/") && stop.status == OperationStatus::Done,
        "{stop:?}"
    );
    assert!(find(&history, "web", "monitor").is_none());
    assert!(!guest.path("rebooted").exists());
}

#[tokio::test]
async fn it_keeps_its_services_while_the_lease_is_renewed() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 2000).await;
    dpe.run(&operation("db", "start")).await;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(3000) {
        let stamp = dpe.heartbeat().await.unwrap();
        dpe.agent.renew(1, stamp).await.unwrap();
    }
    assert!(guest.service_pid("db").is_some());
    assert_eq!(guest.count("stop db"), 0);
}

#[tokio::test]
async fn it_does_not_lengthen_a_lease_for_a_hello() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 500).await;
    dpe.run(&operation("db", "start")).await;
    let begin = Instant::now();
    while guest.service_pid("db").is_some() {
        assert!(
            begin.elapsed() < PATIENCE,
            "Hello alone keeps the service running"
        );
        let mut other = guest.connect().await;
        let settings = HelloSettings {
            heartbeat_interval_ms: 50,
            lease_ms: 500,
            grace_ms: 3000,
            stop_timeout_ms: 3000,
            answers: false,
            number: 0,
            process: 0,
        };
        match other.hello(1, settings).await {
            Ok(_) | Err(Error::Busy(_)) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn it_reboots_the_guest_when_a_service_does_not_stop() {
    let guest = Guest::start();
    let dpe = guest.dpe_with_lease(1, 300).await;
    dpe.execute(&with(operation("db", "start"), "stubborn", "0"))
        .await
        .unwrap();
    dpe.execute(&operation("web", "start")).await.unwrap();
    until("the guest is rebooted", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
    assert_eq!(guest.count("stop web"), 1, "the others are stopped before");
    let refused = guest
        .connect()
        .await
        .hello(2, HelloSettings::default())
        .await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
}

#[tokio::test]
async fn it_reboots_the_guest_when_a_stop_hangs_beyond_its_time() {
    let guest = Guest::start();
    let mut dpe = guest.connect().await;
    let settings = HelloSettings {
        heartbeat_interval_ms: 50,
        lease_ms: 300,
        grace_ms: 400,
        stop_timeout_ms: 400,
        answers: false,
        number: 0,
        process: 0,
    };
    dpe.hello(1, settings).await.unwrap();
    dpe.execute(&with(operation("db", "start"), "stubborn", "1000"))
        .await
        .unwrap();
    dpe.execute(&operation("web", "start")).await.unwrap();
    until("the guest is rebooted", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
}

#[tokio::test]
async fn it_reboots_the_guest_when_a_stop_says_that_the_running_service_is_not_installed() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 400).await;
    dpe.run(&with(operation("db", "start"), "unmounted", "1"))
        .await;
    until("the guest is rebooted", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
}

#[tokio::test]
async fn it_stops_the_rest_at_once_when_half_of_the_time_is_over() {
    let guest = Guest::start();
    let mut dpe = guest.connect().await;
    let settings = HelloSettings {
        heartbeat_interval_ms: 50,
        lease_ms: 400,
        grace_ms: 2000,
        stop_timeout_ms: 2000,
        answers: false,
        number: 0,
        process: 0,
    };
    dpe.hello(1, settings).await.unwrap();
    // Started first, hence to be stopped last, behind one that hangs.
    dpe.execute(&operation("ip", "start")).await.unwrap();
    dpe.execute(&with(operation("db", "start"), "stubborn", "1000"))
        .await
        .unwrap();
    until("the other one is stopped", || {
        holds(guest.count("stop ip") == 1)
    })
    .await;
    assert!(!guest.path("rebooted").exists());
}

#[tokio::test]
async fn it_finds_the_end_of_its_lease_when_it_is_restarted() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 500).await;
    dpe.run(&operation("db", "start")).await;
    guest.kill_agent();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(guest.service_pid("db").is_some());
    guest.start_agent();
    until("the service is stopped", || {
        holds(guest.service_pid("db").is_none())
    })
    .await;
    assert_eq!(guest.count("stop db"), 1);
}

#[tokio::test]
async fn it_stops_its_services_and_resets_the_guest_when_its_dpe_wants_it_restarted() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 60_000).await;
    for resource in ["db", "web"] {
        dpe.run(&operation(resource, "start")).await;
    }
    dpe.agent.restart(1, "a test").await.unwrap();
    until("the guest is rebooted", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
    let actions = guest.actions();
    let stops = actions.iter().filter(|line| line.starts_with("stop"));
    assert_eq!(stops.collect::<Vec<_>>(), ["stop web", "stop db"]);
    let refused = guest
        .connect()
        .await
        .hello(2, HelloSettings::default())
        .await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
}

#[tokio::test]
async fn a_restart_goes_on_when_the_agent_is_killed_and_comes_back() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 60_000).await;
    dpe.run(&with(operation("db", "start"), "stubborn", "1000"))
        .await;
    dpe.agent.restart(1, "a test").await.unwrap();
    guest.kill_agent();
    guest.start_agent();
    until("the guest is rebooted", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
}

#[tokio::test]
async fn it_is_not_restarted_without_a_lease_nor_by_an_older_dpe() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(2, 0).await;
    dpe.run(&operation("db", "start")).await;
    let refused = dpe.agent.restart(2, "a test").await;
    assert!(matches!(refused, Err(Error::NotReady(_))), "{refused:?}");
    let refused = dpe.agent.restart(1, "a test").await;
    assert!(matches!(refused, Err(Error::StaleEpoch(_))), "{refused:?}");
    assert!(guest.service_pid("db").is_some());
}

#[tokio::test]
async fn it_begins_nothing_after_a_pause_longer_than_its_lease() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 500).await;
    dpe.run(&operation("db", "start")).await;
    guest.signal(Signal::STOP);
    // Waits in the socket until the agent goes on, as the orders of a DPE would that has given this
    // guest up.
    let late = operation("web", "start");
    let order = dpe.execute(&late);
    let pause = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        guest.signal(Signal::CONT);
    };
    let (answer, ()) = tokio::join!(order, pause);
    assert!(answer.is_err(), "the order was accepted");
    until("the service is stopped", || {
        holds(guest.service_pid("db").is_none())
    })
    .await;
    assert_eq!(guest.count("start web"), 0);
}

#[tokio::test]
async fn it_kills_a_start_that_runs_when_the_lease_ends_and_stops_the_service() {
    let guest = Guest::start();
    let dpe = guest.dpe_with_lease(1, 300).await;
    dpe.execute(&with(operation("db", "start"), "hang", "1"))
        .await
        .unwrap();
    until("it is stopped", || holds(guest.count("stop db") == 1)).await;
    until("nothing is left", || {
        holds(guest.operation_processes().is_empty())
    })
    .await;
    assert!(!guest.path("rebooted").exists());
}

#[tokio::test]
async fn it_keeps_services_without_a_lease() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 400).await;
    dpe.run(&operation("db", "start")).await;
    // The mode was changed: no lease any more.
    dpe.hello(1, HelloSettings::default()).await.unwrap();
    drop(dpe);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(guest.service_pid("db").is_some());
}

#[tokio::test]
async fn it_stops_its_services_before_it_ends_for_good_while_a_lease_is_in_force() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 10_000).await;
    for resource in ["db", "web"] {
        dpe.run(&operation(resource, "start")).await;
    }
    guest.signal(Signal::TERM);
    assert!(guest.agent_ended().await.success());
    let stops: Vec<String> = guest
        .actions()
        .into_iter()
        .filter(|line| line.starts_with("stop"))
        .collect();
    assert_eq!(stops, ["stop web", "stop db"]);
}

#[tokio::test]
async fn it_does_not_end_for_good_before_its_services_are_down() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 1000).await;
    dpe.run(&with(operation("db", "start"), "stubborn", "0"))
        .await;
    guest.signal(Signal::TERM);
    until("the guest is rebooted", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
}

/// Hello as soon as the agent takes it.
pub(crate) async fn again(guest: &Guest, epoch: u64) -> crate::guest::Dpe {
    let begin = Instant::now();
    loop {
        let mut dpe = guest.connect().await;
        match dpe.hello(epoch, HelloSettings::default()).await {
            Ok(_) => return dpe,
            Err(Error::Busy(_)) if begin.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
            Err(error) => panic!("{error}"),
        }
    }
}
