//! The event log over the bus.

use cpe_bus::{Error, Event, Fields};
use futures_util::StreamExt;
use zbus::Variant;

use super::harness::Bus;

fn event(id: &str, kind: &str, service: &str) -> Fields {
    Event {
        id: id.into(),
        time: 7,
        kind: kind.into(),
        deployment: "shop".into(),
        service: service.into(),
        ..Event::default()
    }
    .to_fields()
}

fn filter(pairs: &[(&str, Variant<'static>)]) -> Fields {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone().try_into_owned().unwrap()))
        .collect()
}

#[tokio::test]
async fn recording_is_idempotent_and_every_event_is_signalled_once_in_order() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let events = cpe.events().await;
    let mut signals = events.receive_recorded().await.unwrap();
    for n in 1..=50u64 {
        assert_eq!(
            events
                .record(event(&format!("e{n}"), "service.failed", "db"))
                .await
                .unwrap(),
            n
        );
        assert_eq!(
            events
                .record(event(&format!("e{n}"), "service.started", "web"))
                .await
                .unwrap(),
            n
        );
    }
    for n in 1..=50u64 {
        let signal = signals.next().await.unwrap();
        let received = Event::from_fields(signal.args().unwrap().event()).unwrap();
        assert_eq!((received.cursor, received.id), (n, format!("e{n}")));
        assert_eq!(received.service, "db");
    }
}

#[tokio::test]
async fn a_query_goes_on_from_its_cursor_and_filters() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let events = cpe.events().await;
    for n in 0..6 {
        let kind = if n % 2 == 0 {
            "service.failed"
        } else {
            "transition.completed"
        };
        events
            .record(event(&format!("e{n}"), kind, "db"))
            .await
            .unwrap();
    }
    let wanted = filter(&[("kind", "service.*".into()), ("deployment", "shop".into())]);
    let (first, next) = events.query(0, 2, wanted.clone()).await.unwrap();
    assert_eq!(first.len(), 2);
    let (second, next) = events.query(next, 2, wanted.clone()).await.unwrap();
    assert_eq!(Event::from_fields(&second[0]).unwrap().id, "e4");
    assert_eq!(second.len(), 1);
    assert_eq!(events.query(next, 2, wanted).await.unwrap(), (vec![], next));
    let (late, _) = events
        .query(0, 0, filter(&[("since", 8u64.into())]))
        .await
        .unwrap();
    assert!(late.is_empty());
    let (early, _) = events
        .query(0, 0, filter(&[("until", 8u64.into())]))
        .await
        .unwrap();
    assert_eq!(early.len(), 6);
    let unknown = events
        .query(0, 0, filter(&[("colour", "red".into())]))
        .await;
    assert!(
        matches!(&unknown, Err(Error::InvalidArgument(text)) if text.contains("colour")),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn what_is_not_an_event_is_refused_by_key() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let events = cpe.events().await;
    for (bad, key) in [
        (Fields::new(), "id"),
        (event("", "a.b", ""), "id"),
        (event("x", "", ""), "kind"),
        (event("x", "No Kind", ""), "kind"),
        (
            filter(&[
                ("id", "x".into()),
                ("kind", "a.b".into()),
                ("service", "s".repeat(100_000).into()),
            ]),
            "service",
        ),
        (filter(&[("id", 7u32.into()), ("kind", "a.b".into())]), "id"),
    ] {
        let refused = events.record(bad).await;
        assert!(
            matches!(&refused, Err(Error::InvalidArgument(text)) if text.contains(key)),
            "{key}: {refused:?}"
        );
    }
    assert!(cpe.all_events().await.is_empty());
}

#[tokio::test]
async fn a_cursor_of_a_lost_log_is_refused_with_what_to_do() {
    let bus = Bus::start();
    let mut cpe = bus.cpe().await;
    let events = cpe.events().await;
    for n in 0..3 {
        let event = event(&format!("e{n}"), "test.event", "db");
        events.record(event).await.unwrap();
    }
    let log = events.log_id().await.unwrap();
    let of_log = |log: &str| filter(&[("log", log.to_owned().into())]);
    assert_eq!(events.query(2, 0, of_log(&log)).await.unwrap().1, 3);
    let above = events.query(4, 0, Fields::new()).await;
    assert!(
        matches!(&above, Err(Error::OtherLog(text)) if text.contains("cursor 0")),
        "{above:?}"
    );
    cpe.kill();
    let cpe_again = bus.cpe().await;
    let same = cpe_again.events().await.log_id().await.unwrap();
    assert_eq!(same, log, "a restart is no loss");
    drop(cpe_again);

    // A backup that is copied over the file is the same file.
    let state = bus.state();
    let cpe = bus.cpe().await;
    let backup = state.join("backup");
    let connection = rusqlite::Connection::open(state.join("cpe.db")).unwrap();
    let copied = connection.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]);
    copied.unwrap();
    drop(connection);
    let late = event("late", "test.event", "db");
    cpe.events().await.record(late).await.unwrap();
    drop(cpe);
    for log in ["cpe.db-wal", "cpe.db-shm"] {
        let _ = std::fs::remove_file(state.join(log));
    }
    std::fs::copy(&backup, state.join("cpe.db")).unwrap();
    let cpe = bus.cpe().await;
    let events = cpe.events().await;
    let restored = events.log_id().await.unwrap();
    assert_ne!(restored, log);
    let other = events.query(2, 0, of_log(&log)).await;
    assert!(matches!(other, Err(Error::OtherLog(_))), "{other:?}");
    drop(cpe);
    let cpe = bus.cpe().await;
    let same = cpe.events().await.log_id().await.unwrap();
    assert_eq!(same, restored, "it is told once");
    drop(cpe);

    // The backup is a copy: another file with the same contents.
    std::fs::copy(state.join("cpe.db"), state.join("copy")).unwrap();
    std::fs::rename(state.join("copy"), state.join("cpe.db")).unwrap();
    let cpe = bus.cpe().await;
    let events = cpe.events().await;
    assert_ne!(events.log_id().await.unwrap(), log);
    let other = events.query(2, 0, of_log(&log)).await;
    assert!(matches!(other, Err(Error::OtherLog(_))), "{other:?}");
    events.query(2, 0, Fields::new()).await.unwrap();
}

#[tokio::test]
async fn a_stranger_who_asks_for_too_much_at_once_is_refused_and_others_are_answered() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let events = cpe.events().await;
    let large = filter(&[("kind", "x".repeat(100_000).into())]);
    let refused = events.query(0, 0, large).await;
    assert!(matches!(refused, Err(Error::TooLarge(_))), "{refused:?}");
    for n in 0..20 {
        let mut long = event(&format!("e{n}"), "test.event", "db");
        let reason = zbus::Variant::from("x".repeat(200));
        long.insert("reason".into(), reason.try_into_owned().unwrap());
        events.record(long).await.unwrap();
    }
    let stranger = bus.connect().await;
    let strange = cpe_bus::proxies::CpeEventsProxy::new(&stranger)
        .await
        .unwrap();
    let asked = (0..200).map(|_| strange.query(0, 0, Fields::new()));
    let asked = futures_util::future::join_all(asked);
    let others = async {
        for n in 0..20 {
            events.query(n, 1, Fields::new()).await.unwrap();
        }
    };
    let (answers, ()) = tokio::join!(asked, others);
    let busy = answers.iter().filter(|a| matches!(a, Err(Error::Busy(_))));
    let busy = busy.count();
    assert!(busy > 0 && busy < 200, "{busy} of 200 were refused");
}
