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
        (event("x", "a.b", &"s".repeat(100_000)), "service"),
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
