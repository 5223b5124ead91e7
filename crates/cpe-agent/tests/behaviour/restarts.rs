//! What the agent's own death leaves: services untouched, history whole.

use std::time::Duration;

use cpe_bus::records::rc;
use cpe_bus::{OperationState, OperationStatus};
use rustix::process::{Pid, Signal};

use crate::guest::{Guest, find, holds, monitor, operation, until, with};

#[tokio::test]
async fn it_keeps_history_services_and_monitors_when_it_is_killed() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let start = dpe.run(&operation("db", "start")).await;
    let watched = dpe.run(&monitor("db", 20)).await;
    let pid = guest.service_pid("db").unwrap();
    guest.kill_agent();
    assert_eq!(guest.service_pid("db"), Some(pid));

    guest.start_agent();
    let mut dpe = guest.dpe(2).await;
    let history = dpe.history().await;
    assert_eq!(find(&history, "db", "start"), Some(&start));
    let monitor = find(&history, "db", "monitor").unwrap();
    assert_eq!(
        (monitor.call_id, monitor.rc, monitor.last_rc_change),
        (watched.call_id, rc::OK, watched.last_rc_change)
    );
    assert_eq!(guest.service_pid("db"), Some(pid));
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL)
        .unwrap();
    let change = dpe.completion().await;
    assert_eq!(
        (change.rc, change.call_id),
        (rc::NOT_RUNNING, watched.call_id)
    );
}

#[tokio::test]
async fn it_records_what_it_was_killed_in_as_unknown_and_ends_it() {
    let mut guest = Guest::start();
    let dpe = guest.dpe(1).await;
    dpe.execute(&with(operation("db", "start"), "hang", "1"))
        .await
        .unwrap();
    // The first grandchild is there as well. (What is asked for the agent's metadata meanwhile does
    // not count.)
    let sleeps = |pid: &&Pid| {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
        name.is_ok_and(|name| name.trim() == "sleep")
    };
    until("the start hangs", || {
        holds(guest.operation_processes().iter().filter(sleeps).count() == 2)
    })
    .await;
    guest.kill_agent();
    assert!(guest.operation_processes().len() >= 3);

    guest.start_agent();
    let dpe = guest.dpe(2).await;
    let history = dpe.history().await;
    let start = find(&history, "db", "start").unwrap();
    assert_eq!(
        (start.state, start.status, start.rc),
        (
            OperationState::Complete,
            OperationStatus::Error,
            rc::UNKNOWN
        )
    );
    assert!(
        start.exit_reason.contains("restarted"),
        "{}",
        start.exit_reason
    );
    assert!(
        guest.operation_processes().is_empty(),
        "it still runs beside whatever comes next"
    );
}

#[tokio::test]
async fn it_takes_up_what_waited_when_it_was_killed() {
    let mut guest = Guest::start();
    let dpe = guest.dpe(1).await;
    dpe.execute(&with(operation("db", "start"), "hang", "1"))
        .await
        .unwrap();
    dpe.execute(&operation("db", "stop")).await.unwrap();
    until("the start hangs", || holds(guest.count("start db") == 1)).await;
    guest.kill_agent();
    guest.start_agent();
    until("the stop is done", || holds(guest.count("stop db") == 1)).await;
    assert_eq!(
        guest.count("start db"),
        1,
        "an operation that has begun is not repeated"
    );
}

#[tokio::test]
async fn it_loses_no_accepted_operation_whenever_it_is_killed() {
    let mut guest = Guest::start();
    let mut highest = 0;
    for round in 1..=12u64 {
        let mut dpe = guest.dpe(round).await;
        let mut accepted = Vec::new();
        // Killed after another number of requests each time, while the first ones run.
        for number in 0..round {
            let resource = format!("r{round}-{number}");
            dpe.execute(&operation(&resource, "start")).await.unwrap();
            accepted.push(resource);
        }
        tokio::time::sleep(Duration::from_millis(round * 3 % 17)).await;
        guest.kill_agent();
        guest.start_agent();
        dpe = guest.dpe(round).await;
        let history = dpe.history().await;
        for resource in &accepted {
            let record =
                find(&history, resource, "start").unwrap_or_else(|| panic!("{resource} is lost"));
            assert!(record.call_id > highest, "a call id was given twice");
        }
        let calls: Vec<u32> = history.iter().map(|record| record.call_id).collect();
        assert!(calls.is_sorted_by(|a, b| a < b), "{calls:?}");
        highest = calls.last().copied().unwrap_or(highest);
        for resource in &accepted {
            dpe.agent.forget(round, resource).await.unwrap();
        }
    }
}

#[tokio::test]
async fn it_knows_nothing_after_a_reboot_of_the_guest() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe(3).await;
    dpe.run(&operation("db", "start")).await;
    let boot = dpe.hello(3, Default::default()).await.unwrap().boot_id;
    guest.kill_agent();
    guest.new_boot();
    guest.start_agent();
    let mut dpe = guest.dpe(1).await;
    assert_eq!(dpe.history().await, []);
    assert_ne!(
        dpe.hello(1, Default::default()).await.unwrap().boot_id,
        boot
    );
}

#[tokio::test]
async fn it_ends_when_told_to_and_leaves_services_running() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&operation("db", "start")).await;
    dpe.run(&monitor("db", 20)).await;
    guest.signal(Signal::TERM);
    assert!(guest.agent_ended().await.success());
    assert!(guest.service_pid("db").is_some());
    guest.start_agent();
    assert_eq!(guest.dpe(2).await.history().await.len(), 2);
}

#[tokio::test]
async fn it_puts_damaged_state_aside_and_stops_what_may_run() {
    let mut guest = Guest::start();
    guest.dpe(1).await.run(&operation("db", "start")).await;
    guest.kill_agent();
    std::fs::write(guest.path("state/lease.json"), "{").unwrap();
    guest.start_agent();
    // What the lease was is not known any more; the safe assumption is that it has ended.
    until("the service is stopped", || {
        holds(guest.service_pid("db").is_none())
    })
    .await;
    assert!(guest.path("state/damaged-lease.json").exists());
}
