//! SQLite does what every store must do, and has it all after a restart.

use std::sync::Arc;

use cpe_bus::EventKind;
use cpe_store::conformance::CASES;
use cpe_store::sqlite::Sqlite;
use cpe_store::{
    CALLER_PRINCIPAL, Details, Filter, Given, Keep, Ownership, Run, Store, Taken, new_event,
};

#[tokio::test]
async fn sqlite_does_what_every_store_must_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, kept_aside) = Sqlite::open(directory.path()).expect("a database");
    assert_eq!(kept_aside, None);
    let store: Arc<dyn Store> = Arc::new(store);
    for (name, case) in CASES {
        eprintln!("{name}");
        case(Arc::clone(&store)).await;
    }
}

fn order(who: &Details) -> Given {
    Given {
        principal: "token:a".into(),
        id: "1".into(),
        deployment: "shop".into(),
        uuid: "u1".into(),
        request: "x".into(),
        who: who.clone(),
        cursor: 0,
        begun: 0,
        ended: 0,
        ending: None,
        result: String::new(),
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    const DONE: &str = "the database works";
    let directory = tempfile::tempdir().expect("a directory");
    let (store, _) = Sqlite::open(directory.path()).expect("a database");
    let alice = Details::from([(CALLER_PRINCIPAL.to_owned(), "user:alice".to_owned())]);
    let keep = Keep {
        generations: 10,
        bytes: 1 << 20,
    };
    let owned = Ownership {
        owner: "token:ci".to_owned(),
        group: "ops".to_owned(),
    };
    let run = Run::Alive {
        invocation: "r1".to_owned(),
        pid: 7,
        after_stop: false,
    };
    let event = new_event(EventKind::ServiceFailed, "shop");
    let created = store.create("shop", "u1", "<a/>".into(), 10, &alice);
    created.await.expect(DONE);
    let updated = store.update("shop", None, 1, "<ä/>".into(), keep, &alice);
    updated.await.expect(DONE);
    store.set_owner("shop", &owned).await.expect(DONE);
    store.note_run("shop", &run, 7).await.expect(DONE);
    let cursor = store.record(event.clone()).await.expect(DONE);
    let taken = store.take_order(order(&alice)).await.expect(DONE);
    let Taken::New(given) = taken else {
        panic!("{taken:?}");
    };
    let all = async |store: &Sqlite| {
        (
            store.deployments().await.expect(DONE),
            store.generations("shop").await.expect(DONE),
            store.document("shop", 1).await.expect(DONE),
            store.query(0, 100, Filter::default()).await.expect(DONE),
            store.orders_under_way().await.expect(DONE),
        )
    };
    let before = all(&store).await;
    assert_eq!(before.0[0].owned, owned);
    assert_eq!((before.1.len(), before.3.events.len()), (2, 4));
    drop(store);
    let (store, kept_aside) = Sqlite::open(directory.path()).expect("a database");
    assert_eq!(kept_aside, None);
    assert_eq!(all(&store).await, before);
    // What comes again is known.
    store.note_run("shop", &run, 8).await.expect(DONE);
    assert_eq!(store.record(event).await.expect(DONE), cursor);
    let again = store.take_order(order(&alice)).await.expect(DONE);
    assert_eq!(again, Taken::Known(given));
    assert_eq!(all(&store).await, before);
}
