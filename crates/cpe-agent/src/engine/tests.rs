//! What the engine does when a queue is full.

use std::sync::Arc;

use cpe_bus::{BusSelection, HelloReply, HelloSettings};
use tokio::sync::{Notify, oneshot};

use super::commands::{Call, Hello};
use super::*;

/// An engine in a folder of its own.
fn engine(folder: &tempfile::TempDir) -> Engine {
    let nowhere = || "/nonexistent".into();
    let classes = Classes::new(
        nowhere(),
        nowhere(),
        nowhere(),
        nowhere(),
        BusSelection::System,
    );
    let reset = Reset {
        command: Some("true".into()),
        kernel_too: false,
    };
    let (store, found) = StateFolder::open(folder.path(), "boot").unwrap();
    Engine::new(Arc::new(classes), reset, "machine".into(), store, found)
}

/// Has a DPE take over whose connection takes that many signals.
fn take_over(engine: &mut Engine, room: usize) -> (mpsc::Receiver<Outgoing>, Arc<Notify>) {
    take_over_as(engine, 1, room)
}

/// The same on a connection with that number.
fn take_over_as(
    engine: &mut Engine,
    id: u64,
    room: usize,
) -> (mpsc::Receiver<Outgoing>, Arc<Notify>) {
    let (outbox, signals) = mpsc::channel(room);
    let close = Arc::new(Notify::new());
    let peer = Peer {
        id,
        outbox,
        close: Arc::clone(&close),
    };
    greet(engine, peer).unwrap();
    (signals, close)
}

fn greet(engine: &mut Engine, peer: Peer) -> Result<HelloReply> {
    let hello = Hello {
        peer,
        epoch: 1,
        deployment: "shop".into(),
        assembly: "web1".into(),
        settings: HelloSettings::default(),
    };
    let (reply, mut answer) = oneshot::channel();
    engine.handle(Command::Hello { hello, reply });
    answer.try_recv().unwrap()
}

#[tokio::test]
async fn who_has_left_takes_no_hello() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(&folder);
    let (mut signals, close) = take_over(&mut engine, 8);
    engine.terminate(Ending::Shutdown);
    let said = std::iter::from_fn(|| signals.try_recv().ok());
    assert_eq!(
        said.filter(|said| matches!(said, Outgoing::Left(_)))
            .count(),
        1
    );
    let peer = Peer {
        id: 2,
        outbox: mpsc::channel(8).0,
        close,
    };
    assert!(matches!(greet(&mut engine, peer), Err(Error::Busy(_))));
}

fn operation(number: usize) -> cpe_bus::Operation {
    cpe_bus::Operation {
        id: number.to_string(),
        resource: format!("r{number}"),
        class: "ocf".into(),
        provider: "test".into(),
        agent: "Absent".into(),
        action: "monitor".into(),
        ..cpe_bus::Operation::default()
    }
}

/// Has an operation done.
fn execute(engine: &mut Engine, number: usize) {
    let (reply, mut answer) = oneshot::channel();
    let operation = Box::new(operation(number));
    engine.handle(Command::Call {
        peer: 1,
        epoch: 1,
        call: Call::Execute { operation, reply },
    });
    answer.try_recv().unwrap().unwrap();
}

#[tokio::test]
async fn a_dpe_that_reads_no_results_is_cut_off_and_finds_them_in_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(&folder);
    let (_signals, close) = take_over(&mut engine, 2);
    let records: Vec<OperationRecord> = (0..3).map(|_| OperationRecord::default()).collect();
    for record in &records[..2] {
        engine.report(record);
    }
    assert!(engine.peer.is_some());
    engine.report(&records[2]);
    assert!(engine.peer.is_none() && engine.heartbeat_due.is_none());
    close.notified().await;
}

#[tokio::test]
async fn a_heartbeat_that_finds_no_room_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(&folder);
    let (mut signals, _close) = take_over(&mut engine, 1);
    for _ in 0..3 {
        engine.heartbeat(Instant::now());
    }
    assert!(engine.peer.is_some());
    assert!(matches!(signals.try_recv(), Ok(Outgoing::Heartbeat { .. })));
    assert!(signals.try_recv().is_err());
}

#[tokio::test]
async fn more_ends_of_operations_than_the_queue_holds_are_all_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(&folder);
    let (_signals, _close) = take_over(&mut engine, 10 * COMPLETIONS);
    let count = 3 * COMPLETIONS;
    for number in 0..count {
        execute(&mut engine, number);
    }
    // The engine is busy; the queue fills up, and further tasks wait.
    while engine.completions.len() < COMPLETIONS {
        tokio::task::yield_now().await;
    }
    assert_eq!(engine.unfinished(), count);
    for _ in 0..count {
        let completion = engine.completions.recv().await.unwrap();
        engine.complete(completion);
    }
    assert_eq!(engine.unfinished(), 0);
    let is_complete = |record: &OperationRecord| record.state == OperationState::Complete;
    assert_eq!(
        engine.records.values().filter(|r| is_complete(r)).count(),
        count
    );
}

#[tokio::test]
async fn a_call_on_a_superseded_connection_is_not_taken_for_one_of_an_old_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(&folder);
    let (_old, _) = take_over_as(&mut engine, 1, 1);
    let (_new, _) = take_over_as(&mut engine, 2, 1);
    let mut renew = |peer, epoch| {
        let (reply, mut answer) = oneshot::channel();
        let call = Call::Renew { stamp: 1, reply };
        engine.handle(Command::Call { peer, epoch, call });
        answer.try_recv().unwrap()
    };
    assert!(matches!(renew(1, 1), Err(Error::Superseded(_))));
    assert!(matches!(renew(1, 0), Err(Error::StaleEpoch(_))));
    renew(2, 1).unwrap();
}

/// Has a resource agent look as an administrator wants it once, or as was decided. The guest's
/// resource agent is not installed.
async fn look(engine: &mut Engine, id: &str, by_hand: bool) {
    let (reply, mut answer) = oneshot::channel();
    let mut operation = Box::new(operation(0));
    operation.id = id.to_owned();
    if by_hand {
        operation.annotations.insert("debug".into(), "root".into());
    }
    engine.handle(Command::Call {
        peer: 1,
        epoch: 1,
        call: Call::Execute { operation, reply },
    });
    answer.try_recv().unwrap().unwrap();
    let completion = engine.completions.recv().await.unwrap();
    engine.complete(completion);
}

#[tokio::test]
async fn a_look_by_hand_takes_the_place_of_none_that_tells() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(&folder);
    let (_signals, _close) = take_over(&mut engine, 16);
    look(&mut engine, "0", false).await;
    look(&mut engine, "1", true).await;
    assert_eq!(engine.records.keys().collect::<Vec<_>>(), [&1, &2]);
    // Only the last of each is kept.
    look(&mut engine, "2", true).await;
    assert_eq!(engine.records.keys().collect::<Vec<_>>(), [&1, &3]);
}
