//! What is on disk after each step.

use cpe_bus::EventKind;
use tempfile::TempDir;

use super::*;

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.begin("a", "log", 10).unwrap();
    (folder, store)
}

fn event(cursor: u64) -> Event {
    Event {
        cursor,
        ..Event::new(EventKind::ServiceFailed, "shop", 5)
    }
}

fn step(cursor: u64, missing: u64) -> Step<'static> {
    Step {
        sink: "a",
        cursor,
        missing,
    }
}

#[test]
fn how_far_a_sink_is_outlives_the_process() {
    let (folder, mut store) = store();
    store.failed("a", "x", 2, "no answer").unwrap();
    drop(store);
    let mut store = Store::open(folder.path()).unwrap();
    let position = store.position("a").unwrap().unwrap();
    assert_eq!((position.cursor, position.failing), (10, ("x".into(), 2)));
    assert_eq!(position.last_error.0, "no answer");
    store.delivered(step(14, 3)).unwrap();
    store.pass(step(20, 0)).unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    let position = store.position("a").unwrap().unwrap();
    assert_eq!(
        (position.cursor, position.delivered, position.lost),
        (20, 1, 3)
    );
    assert_eq!(position.failing, (String::new(), 0));
    assert!(position.last_success > 0);
    assert_eq!(store.position("b").unwrap(), None);
}

#[test]
fn a_dead_letter_is_kept_until_it_arrives() {
    let (folder, mut store) = store();
    let (first, second) = (event(11), event(12));
    store.dead(step(11, 0), &first, 12, "status 400").unwrap();
    store.dead(step(12, 0), &second, 1, "status 400").unwrap();
    assert_eq!(store.position("a").unwrap().unwrap().cursor, 12);
    assert_eq!(store.wanted("a").unwrap(), None);
    assert_eq!(store.want_again("a", "unknown").unwrap(), 0);
    assert_eq!(store.want_again("a", &second.id).unwrap(), 1);
    drop(store);
    let mut store = Store::open(folder.path()).unwrap();
    assert_eq!(store.wanted("a").unwrap().as_ref(), Some(&second));
    store.still_dead("a", &second.id, "status 401").unwrap();
    assert_eq!(store.wanted("a").unwrap(), None);
    let list = store.dead_letters("a").unwrap();
    let told: Vec<_> = list
        .letters
        .iter()
        .map(|it| (it.cursor, it.attempts, it.error.as_str()))
        .collect();
    assert_eq!(told, [(11, 12, "status 400"), (12, 2, "status 401")]);
    assert_eq!(store.want_again("a", "").unwrap(), 2);
    store.revived("a", &first.id).unwrap();
    store.revived("a", &second.id).unwrap();
    assert_eq!(store.count_dead("a").unwrap(), 0);
    assert_eq!(store.position("a").unwrap().unwrap().delivered, 2);
}

#[test]
fn dead_letters_are_bounded_in_number_and_in_time() {
    let (_folder, mut store) = store();
    // Written by one statement, and not as dead() does, which syncs each.
    store.connection.execute_batch(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MAX_DEAD})
         INSERT INTO dead (sink, id, cursor, died, attempts, error, event) SELECT 'a', 'e' || i, i, 1, 1, '', '{{\"id\":\"e\",\"time\":1,\"kind\":\"a\"}}' FROM n"
    )).unwrap();
    store.dead(step(11, 0), &event(11), 1, "").unwrap();
    assert_eq!(store.count_dead("a").unwrap(), MAX_DEAD);
    let list = store.dead_letters("a").unwrap();
    assert_eq!(list.letters[0].id, "e2", "the oldest is forgotten");
    assert_eq!(list.left_out, MAX_DEAD - MAX_LISTED);
    assert_eq!(store.forget_old().unwrap() as u64, MAX_DEAD - 1);
    assert_eq!(store.count_dead("a").unwrap(), 1);
}

#[test]
fn an_enormous_dead_letter_is_kept_without_its_details() {
    let (_folder, mut store) = store();
    let mut large = event(11);
    for n in 0..100 {
        large.details.insert(format!("d{n}"), "x".repeat(16 << 10));
    }
    store.dead(step(11, 0), &large, 1, "").unwrap();
    store.want_again("a", "").unwrap();
    let kept = store.wanted("a").unwrap().unwrap();
    assert_eq!((kept.id, kept.details.len()), (large.id, 1));
    assert_eq!(kept.details["details_left_out"], "true");
}

#[test]
fn what_is_saved_late_does_not_take_a_sink_back() {
    let (_folder, mut store) = store();
    store.delivered(step(14, 0)).unwrap();
    store.delivered(step(12, 0)).unwrap();
    assert_eq!(store.position("a").unwrap().unwrap().cursor, 14);
}

#[test]
fn another_log_begins_again_and_keeps_what_was_counted() {
    let (_folder, mut store) = store();
    store.delivered(step(11, 4)).unwrap();
    store.begin("a", "other", 0).unwrap();
    let position = store.position("a").unwrap().unwrap();
    assert_eq!((position.log.as_str(), position.cursor), ("other", 0));
    assert_eq!((position.delivered, position.lost), (1, 4));
}

#[test]
fn two_programs_do_not_share_a_database_and_a_newer_one_is_refused() {
    let (folder, store) = store();
    let busy = Connection::open(folder.path().join(FILE)).unwrap();
    busy.busy_timeout(Duration::ZERO).unwrap();
    assert!(busy.execute("DELETE FROM sink", []).is_err());
    store
        .connection
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop((busy, store));
    let error = format!("{:#}", Store::open(folder.path()).unwrap_err());
    assert!(error.contains("a newer cpe-notify wrote it"), "{error}");
}
