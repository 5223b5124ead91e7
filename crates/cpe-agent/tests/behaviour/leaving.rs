//! The planned end of a guest: the DPE is told, moves the services, and knows that nothing runs.

use std::time::{Duration, Instant};

use cpe_bus::{Error, HelloSettings};
use rustix::process::Signal;

use crate::guest::{Dpe, Guest, operation, until, with};

const LEASE: HelloSettings = HelloSettings {
    heartbeat_interval_ms: 50,
    lease_ms: 2000,
    grace_ms: 500,
    stop_timeout_ms: 10_000,
    answers: false,
    number: 0,
    process: 0,
};

async fn leased(guest: &Guest) -> Dpe {
    let mut dpe = guest.connect().await;
    dpe.hello(1, LEASE).await.unwrap();
    dpe
}

#[tokio::test]
async fn it_says_that_it_leaves_and_leaves_the_services_to_the_dpe() {
    let mut guest = Guest::start();
    let mut dpe = leased(&guest).await;
    dpe.run(&operation("db", "start")).await;
    dpe.run(&operation("web", "start")).await;
    guest.signal(Signal::TERM);
    assert_eq!(dpe.leaving().await.reason, "stop");
    let refused = dpe.execute(&operation("other", "start")).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
    assert!(dpe.describe().await.leaving);
    for resource in ["web", "db"] {
        assert_eq!(guest.count(&format!("stop {resource}")), 0);
        dpe.run(&operation(resource, "stop")).await;
    }
    dpe.left().await;
    assert!(guest.agent_ended().await.success());
    assert!(!guest.path("rebooted").exists());
    // After the next boot, all is as usual.
    guest.new_boot();
    guest.start_agent();
    let mut dpe = guest.connect().await;
    let hello = dpe.hello(2, LEASE).await.unwrap();
    assert!(!hello.leaving && hello.lease_remaining_ms == 0);
}

#[tokio::test]
async fn it_stops_the_services_itself_when_the_dpe_does_not() {
    let mut guest = Guest::start();
    let mut dpe = leased(&guest).await;
    // Its stop takes longer than the lease and the grace: nothing is lost, so it may.
    let slow = with(operation("db", "start"), "slow_stop", "4");
    dpe.run(&slow).await;
    guest.signal(Signal::TERM);
    let wait = Duration::from_millis(u64::from(dpe.leaving().await.wait_ms));
    let begin = Instant::now();
    while let Some(stamp) = dpe.heartbeat().await {
        let _ = dpe.agent.renew(1, stamp).await;
    }
    assert!(guest.agent_ended().await.success());
    assert!(begin.elapsed() >= wait);
    dpe.left().await;
    assert_eq!(guest.count("stop db"), 1);
    assert!(guest.service_pid("db").is_none());
    assert!(!guest.path("rebooted").exists());
}

#[tokio::test]
async fn it_begins_nothing_that_waited_when_it_was_told_to_leave() {
    let mut guest = Guest::start();
    let mut dpe = leased(&guest).await;
    dpe.run(&with(operation("db", "start"), "slow_stop", "1"))
        .await;
    let slow = with(operation("db", "stop"), "slow_stop", "1");
    dpe.execute(&slow).await.unwrap();
    dpe.execute(&operation("db", "start")).await.unwrap();
    guest.signal(Signal::TERM);
    dpe.left().await;
    assert!(guest.agent_ended().await.success());
    assert_eq!(guest.count("start db"), 1);
    assert!(guest.service_pid("db").is_none());
}

#[tokio::test]
async fn it_says_so_at_once_where_nothing_runs() {
    let mut guest = Guest::start();
    let mut dpe = leased(&guest).await;
    guest.signal(Signal::TERM);
    dpe.left().await;
    assert!(guest.agent_ended().await.success());
}

#[tokio::test]
async fn a_dpe_that_comes_back_while_it_stops_them_hears_that_it_has_left() {
    let mut guest = Guest::start();
    let mut dpe = leased(&guest).await;
    dpe.run(&with(operation("db", "start"), "slow_stop", "3"))
        .await;
    drop(dpe);
    tokio::time::sleep(Duration::from_millis(200)).await;
    guest.signal(Signal::TERM);
    until("it stops the service", || {
        (guest.count("stop db") > 0).then_some(())
    })
    .await;
    let mut dpe = guest.connect().await;
    let hello = dpe.hello(2, LEASE).await.unwrap();
    assert!(hello.leaving);
    let refused = dpe.execute(&operation("other", "start")).await;
    assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
    while let Some(stamp) = dpe.heartbeat().await {
        let _ = dpe.agent.renew(2, stamp).await;
    }
    dpe.left().await;
    assert!(guest.agent_ended().await.success());
    assert!(guest.service_pid("db").is_none());
    assert!(!guest.path("rebooted").exists());
}

#[tokio::test]
async fn it_takes_no_renewal_once_a_stop_has_failed_and_lets_the_lease_run_out() {
    let guest = Guest::start();
    let mut dpe = leased(&guest).await;
    dpe.run(&with(operation("db", "start"), "stubborn", "0"))
        .await;
    guest.signal(Signal::TERM);
    dpe.leaving().await;
    let begin = Instant::now();
    // Renewed and greeted for as long as it is taken.
    while !guest.path("rebooted").exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(15),
            "the lease that it stays for is renewed"
        );
        let renewed = match dpe.heartbeat().await {
            Some(stamp) => dpe.agent.renew(1, stamp).await.is_ok(),
            None => false,
        };
        if !renewed {
            let mut again = guest.connect().await;
            let _ = again.hello(1, LEASE).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
