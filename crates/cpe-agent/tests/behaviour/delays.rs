//! Start delays: an operation begins that much later, whatever happens to the agent meanwhile, and
//! until then nothing of it runs.

use std::time::{Duration, Instant};

use cpe_bus::records::rc;
use cpe_bus::{Error, Operation, OperationRecord, OperationState};

use crate::guest::{Dpe, Guest, find, monitor, operation};

fn delayed(mut operation: Operation, delay_ms: u32) -> Operation {
    let meta = &mut operation.meta;
    meta.insert("CRM_meta_start_delay".into(), delay_ms.to_string());
    operation
}

/// The next report, which is of that operation and state.
async fn next(dpe: &mut Dpe, of: &Operation, state: OperationState) -> OperationRecord {
    let record = dpe.completion().await;
    assert_eq!((&record.operation.id, record.state), (&of.id, state));
    record
}

#[tokio::test]
async fn it_begins_an_operation_after_its_start_delay() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let asked = Instant::now();
    let start = delayed(operation("db", "start"), 400);
    dpe.execute(&start).await.unwrap();
    let waits = next(&mut dpe, &start, OperationState::Pending).await;
    assert_eq!((waits.started, waits.rc), (0, rc::UNKNOWN));
    // What only waits does not run.
    assert_eq!(dpe.describe().await.active_services, 0);
    assert_eq!(guest.actions(), Vec::<String>::new());
    // The same request again is the same request.
    dpe.execute(&start).await.unwrap();
    next(&mut dpe, &start, OperationState::Pending).await;
    let record = next(&mut dpe, &start, OperationState::Complete).await;
    assert_eq!(record.rc, rc::OK);
    assert!(asked.elapsed() >= Duration::from_millis(400));
    assert!(guest.service_pid("db").is_some());
    assert_eq!(guest.count("start db"), 1);
}

#[tokio::test]
async fn it_delays_the_first_turn_of_a_monitor_and_no_other() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&operation("db", "start")).await;
    let asked = Instant::now();
    let watch = delayed(monitor("db", 20), 300);
    dpe.execute(&watch).await.unwrap();
    next(&mut dpe, &watch, OperationState::Pending).await;
    // Its lane is free meanwhile.
    let looked = dpe.run(&operation("db", "monitor")).await;
    assert!(looked.rc == rc::OK && asked.elapsed() < Duration::from_millis(300));
    next(&mut dpe, &watch, OperationState::Complete).await;
    assert!(asked.elapsed() >= Duration::from_millis(300));
    let seen = guest.count("monitor db");
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(
        guest.count("monitor db") >= seen + 2,
        "its interval is 20 ms"
    );
}

#[tokio::test]
async fn it_keeps_the_moment_when_it_is_killed() {
    let mut guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let asked = Instant::now();
    let start = delayed(operation("db", "start"), 1_500);
    dpe.execute(&start).await.unwrap();
    next(&mut dpe, &start, OperationState::Pending).await;
    guest.kill_agent();
    guest.start_agent();
    let mut dpe = guest.dpe(2).await;
    let history = dpe.history().await;
    let waits = find(&history, "db", "start").unwrap();
    assert_eq!((waits.state, waits.started), (OperationState::Pending, 0));
    assert_eq!(guest.count("start db"), 0);
    next(&mut dpe, &start, OperationState::Complete).await;
    let elapsed = asked.elapsed();
    assert!(elapsed >= Duration::from_millis(1_500), "{elapsed:?}");
    assert!(
        elapsed < Duration::from_millis(2_900),
        "it counts from the request: {elapsed:?}"
    );
}

#[tokio::test]
async fn it_begins_what_it_is_asked_for_again_when_it_was_asked_first() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let asked = Instant::now();
    let first = delayed(operation("db", "start"), 600);
    dpe.execute(&first).await.unwrap();
    next(&mut dpe, &first, OperationState::Pending).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let again = delayed(operation("db", "start"), 600);
    dpe.execute(&again).await.unwrap();
    next(&mut dpe, &first, OperationState::Cancelled).await;
    next(&mut dpe, &again, OperationState::Pending).await;
    next(&mut dpe, &again, OperationState::Complete).await;
    let elapsed = asked.elapsed();
    assert!(elapsed >= Duration::from_millis(600) && elapsed < Duration::from_millis(1_000));
    assert_eq!(guest.count("start db"), 1);
}

#[tokio::test]
async fn it_takes_a_start_back_that_has_not_begun() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let start = delayed(operation("db", "start"), 300);
    dpe.execute(&start).await.unwrap();
    next(&mut dpe, &start, OperationState::Pending).await;
    let stop = operation("db", "stop");
    dpe.execute(&stop).await.unwrap();
    next(&mut dpe, &start, OperationState::Cancelled).await;
    next(&mut dpe, &stop, OperationState::Complete).await;

    let other = delayed(operation("web", "start"), 300);
    dpe.execute(&other).await.unwrap();
    next(&mut dpe, &other, OperationState::Pending).await;
    assert!(
        dpe.agent
            .cancel(dpe.epoch, "web", "start", 0)
            .await
            .unwrap()
    );
    next(&mut dpe, &other, OperationState::Cancelled).await;

    let third = delayed(operation("app", "start"), 300);
    dpe.execute(&third).await.unwrap();
    next(&mut dpe, &third, OperationState::Pending).await;
    dpe.agent.forget(dpe.epoch, "app").await.unwrap();

    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(guest.actions(), ["stop db"]);
    assert_eq!(dpe.history().await.len(), 1, "the stop");
}

#[tokio::test]
async fn it_begins_nothing_after_the_lease_that_has_waited() {
    let guest = Guest::start();
    let mut dpe = guest.dpe_with_lease(1, 400).await;
    let start = delayed(operation("db", "start"), 700);
    dpe.execute(&start).await.unwrap();
    next(&mut dpe, &start, OperationState::Pending).await;
    // The lease is not renewed.
    while dpe.heartbeat().await.is_some() {}
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(
        guest.actions(),
        Vec::<String>::new(),
        "there was nothing to stop"
    );
    let dpe = guest.dpe(2).await;
    assert_eq!(dpe.history().await, []);
}

#[tokio::test]
async fn it_refuses_a_delay_that_is_none() {
    let guest = Guest::start();
    let dpe = guest.dpe(1).await;
    let mut start = operation("db", "start");
    start
        .meta
        .insert("CRM_meta_start_delay".into(), "5s".into());
    let refused = dpe.execute(&start).await;
    assert!(
        matches!(refused, Err(Error::InvalidArgument(_))),
        "{refused:?}"
    );
    assert_eq!(dpe.history().await, []);
}
