//! What every store must do: [`CASES`], each on a store that other cases use too.
//!
//! A store's own tests run all of them, and beside that what only that store can do: be damaged, be
//! cut off, be shared.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cpe_bus::Event;

use crate::journal::new_event;
use crate::store::Store;
use crate::words::{
    Created, Destroying, Details, Document, Ending, Filter, Given, Keep, Marked, Ownership, Page,
    Row, Run, Taken, Updated,
};

/// A case. It panics, saying what the store does otherwise.
pub type Case = fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        /// All cases, by name. No two of them use the same deployment.
        pub const CASES: &[(&str, Case)] = &[$((stringify!($name), |store| Box::pin($name(store)))),+];
    };
}

cases![
    the_same_document_twice_is_one_deployment_one_generation_and_one_event,
    a_deployment_is_of_who_created_it_until_it_is_given_away,
    an_update_needs_the_expected_generation_and_may_be_repeated,
    one_that_is_being_destroyed_is_neither_created_nor_changed_until_it_is_gone,
    the_later_answer_counts_while_it_is_being_destroyed,
    where_services_were_left_is_remembered_until_a_deployment_has_stopped_them,
    there_is_a_limit_of_deployments,
    each_run_and_each_end_of_a_dpe_is_told_once,
    what_was_stored_after_a_loss_is_numbered_above_what_the_dpe_holds,
    a_restored_backup_takes_over_what_its_dpe_holds,
    a_running_deployment_that_is_not_known_is_adopted_once,
    what_a_dpe_has_taken_and_unloaded_is_kept,
    each_generation_says_who_stored_it,
    what_is_beyond_number_or_bytes_is_dropped_and_the_current_one_never,
    the_largest_documents_are_given_back_as_they_were,
    what_documents_claim_is_there_with_them,
    nothing_is_there_of_what_nobody_has_created,
    recording_the_same_id_again_changes_nothing,
    a_query_goes_on_where_the_last_one_ended,
    a_change_is_in_the_log_when_it_is_acknowledged,
    of_several_changes_at_once_one_is_done,
    of_several_creations_at_once_one_is_done,
    an_event_that_comes_several_times_at_once_is_one,
    an_order_is_new_once_and_its_id_is_its_givers,
    what_was_not_done_for_now_is_new_again,
    an_order_that_is_only_looked_for_is_not_taken,
    orders_go_with_their_deployment,
    nothing_that_is_young_is_dropped,
];

const KEEP: Keep = Keep {
    generations: 10,
    bytes: 1 << 20,
};

const MANY: usize = 100_000;

static NONE: Details = Details::new();

static ALICE: LazyLock<Details> = LazyLock::new(|| {
    Details::from([
        ("caller_user".to_owned(), "alice".to_owned()),
        ("caller_principal".to_owned(), "user:alice".to_owned()),
    ])
});

async fn create(store: &dyn Store, name: &str, text: &str) -> Created {
    let created = store.create(name, "u1", text.into(), MANY, &NONE);
    created.await.unwrap()
}

async fn is_new(store: &dyn Store, name: &str, text: &str) -> Row {
    match create(store, name, text).await {
        Created::New(row) => row,
        other => panic!("{other:?}"),
    }
}

async fn update(store: &dyn Store, name: &str, expected: u64, text: &str) -> Updated {
    let updated = store.update(name, None, expected, text.into(), KEEP, &NONE);
    updated.await.unwrap()
}

async fn gone(store: &dyn Store, name: &str, how: Destroying, addresses: &[String]) -> bool {
    store.destroy(name, 0, how).await.unwrap();
    store.forget(name, addresses).await.unwrap()
}

async fn query(store: &dyn Store, after: u64, limit: u32, name: &str) -> Page {
    let filter = Filter {
        deployment: name.to_owned(),
        ..Filter::default()
    };
    store.query(after, limit, filter).await.unwrap()
}

async fn kinds(store: &dyn Store, name: &str) -> Vec<String> {
    let page = query(store, 0, 1000, name).await;
    page.events.into_iter().map(|event| event.kind).collect()
}

async fn numbers(store: &dyn Store, name: &str) -> Vec<u64> {
    let all = store.generations(name).await.unwrap();
    all.iter().map(|generation| generation.number).collect()
}

async fn text(store: &dyn Store, name: &str, generation: u64) -> Option<(String, u64)> {
    store.document(name, generation).await.unwrap()
}

fn found(text: &str, generation: u64) -> Option<(String, u64)> {
    Some((text.to_owned(), generation))
}

async fn the_same_document_twice_is_one_deployment_one_generation_and_one_event(
    store: Arc<dyn Store>,
) {
    let (store, name) = (&*store, "twice");
    let row = is_new(store, name, "<a/>").await;
    assert_eq!((row.name.as_str(), row.generation), (name, 1));
    assert!(row.created > 0 && row.loaded == 0 && !row.unloaded);
    assert_eq!(
        create(store, name, "<a/>").await,
        Created::Same(row.clone())
    );
    assert_eq!(create(store, name, "<b/>").await, Created::Other(1));
    assert_eq!(store.deployment(name).await.unwrap(), Some(row.clone()));
    let all = store.deployments().await.unwrap();
    assert_eq!(all.iter().filter(|it| it.name == name).count(), 1);
    assert!(all.is_sorted_by(|a, b| a.name < b.name));
    let told = query(store, 0, 10, name).await.events;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, "deployment.created");
    assert_eq!(told[0].details["uuid"], "u1");
    assert_eq!(told[0].details["generation"], "1");
}

async fn a_deployment_is_of_who_created_it_until_it_is_given_away(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "owned");
    let owner = async || store.deployment(name).await.unwrap().unwrap().owned;
    let created = store.create(name, "u1", "<a/>".into(), MANY, &ALICE);
    assert!(matches!(created.await.unwrap(), Created::New(_)));
    assert_eq!(owner().await.owner, "user:alice");
    let bob = Details::from([("caller_principal".to_owned(), "user:bob".to_owned())]);
    let same = store.create(name, "u1", "<a/>".into(), MANY, &bob);
    assert!(matches!(same.await.unwrap(), Created::Same(_)));
    let changed = store.update(name, None, 0, "<b/>".into(), KEEP, &bob);
    assert!(matches!(changed.await.unwrap(), Updated::New(_)));
    assert_eq!(owner().await.owner, "user:alice");
    let given = Ownership {
        owner: "token:ci".to_owned(),
        group: "ops".to_owned(),
    };
    let row = store.set_owner(name, &given).await.unwrap().unwrap();
    assert_eq!(row.owned, given);
    assert_eq!(owner().await, given);
    assert_eq!(store.set_owner("owned-no", &given).await.unwrap(), None);
}

async fn an_update_needs_the_expected_generation_and_may_be_repeated(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "updated");
    is_new(store, name, "<a/>").await;
    let new = update(store, name, 1, "<b/>").await;
    assert!(matches!(new, Updated::New(row) if row.generation == 2));
    // The reply was lost, the caller asks again.
    assert_eq!(update(store, name, 1, "<b/>").await, Updated::Same(2));
    assert_eq!(update(store, name, 2, "<b/>").await, Updated::Same(2));
    assert_eq!(update(store, name, 1, "<c/>").await, Updated::Conflict(2));
    assert_eq!(update(store, name, 7, "<b/>").await, Updated::Conflict(2));
    let new = update(store, name, 0, "<c/>").await;
    assert!(matches!(new, Updated::New(row) if row.generation == 3));
    let other = store.update(name, Some("u2"), 0, "<c/>".into(), KEEP, &NONE);
    assert_eq!(other.await.unwrap(), Updated::OtherUuid("u1".into()));
    let same = store.update(name, Some("u1"), 3, "<d/>".into(), KEEP, &NONE);
    assert!(matches!(same.await.unwrap(), Updated::New(row) if row.generation == 4));
    assert_eq!(
        update(store, "updated-no", 0, "<c/>").await,
        Updated::NotFound
    );
    assert_eq!(text(store, name, 0).await, found("<d/>", 4));
    assert_eq!(text(store, name, 1).await, found("<a/>", 1));
    assert_eq!(text(store, name, 9).await, None);
    let told = query(store, 0, 10, name).await.events;
    let modified = "deployment.modified";
    let kinds: Vec<_> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["deployment.created", modified, modified, modified]);
    assert_eq!(told[3].details["previous"], "3");
}

async fn one_that_is_being_destroyed_is_neither_created_nor_changed_until_it_is_gone(
    store: Arc<dyn Store>,
) {
    let (store, name) = (&*store, "destroyed");
    let first = is_new(store, name, "<a/>").await;
    assert!(
        !store.forget(name, &[]).await.unwrap(),
        "only what was marked may be forgotten"
    );
    let other = store.destroy(name, 2, Destroying::LeaveServices).await;
    assert_eq!(other.unwrap(), Marked::Conflict(1));
    let marked = store.destroy(name, 1, Destroying::LeaveServices).await;
    let Marked::Now(row) = marked.unwrap() else {
        panic!("it is at generation 1");
    };
    assert_eq!(row.destroying, Some(Destroying::LeaveServices));
    assert_eq!(create(store, name, "<a/>").await, Created::BeingDestroyed);
    assert_eq!(
        update(store, name, 0, "<b/>").await,
        Updated::BeingDestroyed
    );
    let taken = store.take_over(name, "u1", 9, "<b/>".into(), KEEP);
    assert_eq!(taken.await.unwrap(), Some(row));
    let no = store.destroy("destroyed-no", 1, Destroying::StopServices);
    assert_eq!(no.await.unwrap(), Marked::NotFound);
    assert!(store.forget(name, &[]).await.unwrap());
    assert!(!store.forget(name, &[]).await.unwrap());
    assert_eq!(store.deployment(name).await.unwrap(), None);
    assert_eq!(text(store, name, 0).await, None);
    assert_eq!(text(store, name, 1).await, None);
    let again = is_new(store, name, "<a/>").await;
    assert!(again.created > first.created && again.generation == 1);
    let created = "deployment.created";
    let expected = [created, "deployment.destroyed", created];
    assert_eq!(kinds(store, name).await, expected);
}

async fn the_later_answer_counts_while_it_is_being_destroyed(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "answers");
    is_new(store, name, "<a/>").await;
    for how in [
        Destroying::StopServices,
        Destroying::LeaveServices,
        Destroying::StopServices,
    ] {
        let Marked::Now(row) = store.destroy(name, 0, how).await.unwrap() else {
            panic!("it is there");
        };
        assert_eq!(row.destroying, Some(how));
        assert_eq!(store.deployment(name).await.unwrap(), Some(row));
    }
}

async fn where_services_were_left_is_remembered_until_a_deployment_has_stopped_them(
    store: Arc<dyn Store>,
) {
    let (store, name) = (&*store, "left");
    let guests = ["unix:/left/a", "vsock:7:1"].map(str::to_owned);
    let destroy = async |loaded: u64, how, guests: &[String]| {
        is_new(store, name, "<a/>").await;
        store.loaded(name, loaded).await.unwrap();
        assert!(gone(store, name, how, guests).await);
    };
    let left = async || store.left_behind(&guests).await.unwrap();
    destroy(0, Destroying::LeaveServices, &guests).await;
    assert!(left().await.is_empty(), "no DPE has started anything");
    destroy(1, Destroying::LeaveServices, &guests).await;
    assert_eq!(left().await, guests);
    destroy(1, Destroying::StopServices, &guests[..1]).await;
    assert_eq!(left().await, guests[1..]);
    // Whoever wants them to be stopped after all may be too late.
    is_new(store, name, "<a/>").await;
    store.loaded(name, 1).await.unwrap();
    store
        .destroy(name, 0, Destroying::LeaveServices)
        .await
        .unwrap();
    assert!(gone(store, name, Destroying::StopServices, &guests).await);
    assert_eq!(left().await, guests);
}

async fn there_is_a_limit_of_deployments(store: Arc<dyn Store>) {
    let store = &*store;
    is_new(store, "limit-a", "<a/>").await;
    let limit = store.deployments().await.unwrap().len();
    let more = store.create("limit-b", "u2", "<b/>".into(), limit, &NONE);
    assert_eq!(more.await.unwrap(), Created::TooMany);
    let same = store.create("limit-a", "u1", "<a/>".into(), limit, &NONE);
    assert!(matches!(same.await.unwrap(), Created::Same(_)));
}

async fn each_run_and_each_end_of_a_dpe_is_told_once(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "runs");
    is_new(store, name, "<a/>").await;
    let began = |invocation: &str, after_stop| Run::Alive {
        invocation: invocation.into(),
        pid: 7,
        after_stop,
    };
    let alive = |invocation| began(invocation, false);
    let ended = Run::Ended {
        cause: "killed by signal 9".into(),
        stopped: false,
    };
    let stopped = Run::Ended {
        cause: "exited with status 0".into(),
        stopped: true,
    };
    let note = async |run: &Run| store.note_run(name, run, 7).await.unwrap();
    for run in [&ended, &alive("r1"), &alive("r1"), &ended, &ended] {
        note(run).await;
    }
    for run in [&alive("r2"), &alive("r2"), &alive("r3")] {
        note(run).await;
    }
    store.note_run("runs-no", &alive("r"), 7).await.unwrap();
    let (died, again) = ("dpe.died", "dpe.restarted");
    assert_eq!(
        kinds(store, name).await[1..],
        ["dpe.started", died, again, died, again]
    );
    let told = query(store, 0, 10, name).await.events;
    assert!(told.is_sorted_by(|a, b| a.cursor < b.cursor));
    assert!(told[4].reason.contains("was not seen"), "{:?}", told[4]);
    let row = store.deployment(name).await.unwrap().unwrap();
    assert_eq!((row.invocation.as_str(), row.alive), ("r3", true));
    // How the one before ended is known, and then it is not.
    for run in [&stopped, &began("r4", true), &began("r5", true)] {
        note(run).await;
    }
    // One that has died is not stopped by the one that somebody starts.
    for run in [&ended, &began("r6", true)] {
        note(run).await;
    }
    let stopped = "dpe.stopped";
    assert_eq!(
        kinds(store, name).await[6..],
        [stopped, again, stopped, again, died, again]
    );
}

async fn what_was_stored_after_a_loss_is_numbered_above_what_the_dpe_holds(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "renumbered");
    is_new(store, name, "<a/>").await;
    for _ in 0..2 {
        let row = store.renumber(name, 7, KEEP).await.unwrap().unwrap();
        assert_eq!(row.generation, 8);
    }
    assert_eq!(text(store, name, 0).await, found("<a/>", 8));
    assert_eq!(numbers(store, name).await, [1, 8]);
    let all = store.generations(name).await.unwrap();
    assert!(all[1].who.is_empty() && all[1].remark.contains("generation 7"));
    assert_eq!(
        store.renumber("renumbered-no", 7, KEEP).await.unwrap(),
        None
    );
}

async fn a_restored_backup_takes_over_what_its_dpe_holds(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "taken-over");
    is_new(store, name, "<a/>").await;
    store.loaded(name, 1).await.unwrap();
    let take = async |text: &str| {
        let taken = store.take_over(name, "u2", 7, text.into(), KEEP);
        taken.await.unwrap().unwrap()
    };
    let row = take("<g/>").await;
    assert_eq!(
        (row.generation, row.loaded, row.uuid.as_str()),
        (7, 7, "u2")
    );
    assert_eq!(text(store, name, 0).await, found("<g/>", 7));
    assert_eq!(take("<h/>").await.generation, 7);
    assert_eq!(text(store, name, 0).await, found("<g/>", 7));
    let no = store.take_over("taken-no", "u", 1, "<a/>".into(), KEEP);
    assert_eq!(no.await.unwrap(), None);
}

async fn a_running_deployment_that_is_not_known_is_adopted_once(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "adopted");
    let row = store.adopt(name, "u2", 7, "<c/>".into()).await.unwrap();
    let row = row.unwrap();
    assert_eq!((row.generation, row.loaded), (7, 7));
    // What nobody asked for is nobody's.
    assert_eq!(row.owned, Ownership::default());
    let again = store.adopt(name, "u3", 9, "<d/>".into()).await.unwrap();
    assert_eq!(again, None);
    assert_eq!(text(store, name, 0).await, found("<c/>", 7));
    assert_eq!(
        query(store, 0, 9, name).await.events[0].details["adopted"],
        "yes"
    );
}

async fn what_a_dpe_has_taken_and_unloaded_is_kept(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "loaded");
    is_new(store, name, "<a/>").await;
    store.loaded(name, 1).await.unwrap();
    store.loaded("loaded-no", 1).await.unwrap();
    let row = store.unloaded(name).await.unwrap().unwrap();
    assert!(
        row.loaded == 1 && !row.unloaded,
        "it is not to be destroyed"
    );
    store
        .destroy(name, 0, Destroying::StopServices)
        .await
        .unwrap();
    let row = store.unloaded(name).await.unwrap().unwrap();
    assert!(row.unloaded);
    assert_eq!(store.deployment(name).await.unwrap(), Some(row));
    assert_eq!(store.unloaded("loaded-no").await.unwrap(), None);
}

async fn each_generation_says_who_stored_it(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "who");
    let created = store.create(name, "u1", "<a/>".into(), MANY, &ALICE);
    created.await.unwrap();
    update(store, name, 0, "<ä/>").await;
    let all = store.generations(name).await.unwrap();
    assert_eq!(numbers(store, name).await, [1, 2]);
    assert_eq!((&all[0].who, all[0].bytes), (&*ALICE, 4));
    assert_eq!((&all[1].who, all[1].bytes), (&NONE, 5));
    assert!(all[0].accepted > 0 && all[0].remark.is_empty());
    assert!(store.generations("who-no").await.unwrap().is_empty());
}

async fn what_is_beyond_number_or_bytes_is_dropped_and_the_current_one_never(
    store: Arc<dyn Store>,
) {
    let (store, name) = (&*store, "dropped");
    is_new(store, name, "<a/>").await;
    let change = async |text: &str, keep| {
        let updated = store.update(name, None, 0, text.into(), keep, &NONE);
        assert!(matches!(updated.await.unwrap(), Updated::New(_)));
    };
    for n in 2..=6 {
        change(&format!("<b{n}/>"), KEEP).await;
    }
    let three = Keep {
        generations: 3,
        ..KEEP
    };
    change("<c/>", three).await;
    assert_eq!(numbers(store, name).await, [5, 6, 7]);
    // <b6/>, <c/> and <dd/> are 14 bytes.
    change("<dd/>", Keep { bytes: 14, ..KEEP }).await;
    assert_eq!(numbers(store, name).await, [6, 7, 8]);
    let nothing = Keep {
        generations: 0,
        bytes: 0,
    };
    change(&"<e/>".repeat(1000), nothing).await;
    assert_eq!(numbers(store, name).await, [9]);
    assert_eq!(text(store, name, 8).await, None);
    assert_eq!(text(store, name, 0).await.unwrap().1, 9);
}

async fn the_largest_documents_are_given_back_as_they_were(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "large");
    // 8 MiB that compress badly.
    let mut large = String::new();
    let mut state = 1_u64;
    while large.len() < 8 << 20 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        large.push_str(&format!("{state:x}"));
    }
    large.truncate(8 << 20);
    is_new(store, name, "<a/>").await;
    let keep = Keep {
        bytes: 20 << 20,
        ..KEEP
    };
    let updated = store.update(name, None, 1, large.as_str().into(), keep, &NONE);
    assert!(matches!(updated.await.unwrap(), Updated::New(_)));
    let (again, generation) = text(store, name, 0).await.unwrap();
    assert!(again == large && generation == 2);
    let all = store.generations(name).await.unwrap();
    assert_eq!(all[1].bytes, 8 << 20);
    let same = store.update(name, None, 2, large.as_str().into(), keep, &NONE);
    assert_eq!(same.await.unwrap(), Updated::Same(2));
}

async fn what_documents_claim_is_there_with_them(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "claims");
    let document = |text: &str, claims: &str| Document {
        claims: claims.to_owned(),
        ..Document::from(text)
    };
    let created = store.create(name, "u1", document("<a/>", "[1]"), MANY, &NONE);
    created.await.unwrap();
    let all = async || store.document_and_claims(name).await.unwrap().unwrap();
    assert_eq!(all().await, (Some("<a/>".into()), 1, "[1]".into()));
    let changed = store.update(name, None, 1, document("<b/>", ""), KEEP, &NONE);
    changed.await.unwrap();
    assert_eq!(all().await, (Some("<b/>".into()), 2, String::new()));
    let changed = store.update(name, None, 2, document("<c/>", "[3]"), KEEP, &NONE);
    changed.await.unwrap();
    store.renumber(name, 5, KEEP).await.unwrap();
    assert_eq!(all().await, (Some("<c/>".into()), 6, "[3]".into()));
}

async fn nothing_is_there_of_what_nobody_has_created(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "nobody");
    assert_eq!(store.deployment(name).await.unwrap(), None);
    assert_eq!(text(store, name, 0).await, None);
    assert_eq!(store.document_and_claims(name).await.unwrap(), None);
    assert!(!store.forget(name, &[]).await.unwrap());
    assert_eq!(store.order("user:a", "nobody").await.unwrap(), None);
}

fn sample(name: &str, kind: &str, service: &str) -> Event {
    Event {
        kind: kind.into(),
        service: service.into(),
        details: Details::from([("n".to_owned(), "1".to_owned())]),
        ..new_event(cpe_bus::EventKind::DpeDied, name)
    }
}

async fn recording_the_same_id_again_changes_nothing(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "recorded");
    let event = sample(name, "service.failed", "db");
    let first = store.record(event.clone()).await.unwrap();
    let other = Event {
        service: "web".into(),
        ..event.clone()
    };
    assert_eq!(store.record(other).await.unwrap(), first);
    let page = query(store, 0, 10, name).await;
    let expected = Event {
        cursor: first,
        ..event
    };
    assert_eq!(page.events, [expected]);
}

async fn a_query_goes_on_where_the_last_one_ended(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "queried");
    let mut last = 0;
    for n in 0..10 {
        let kind = match n % 2 {
            0 => "service.failed",
            _ => "transition.completed",
        };
        let event = sample(name, kind, &format!("s{n}"));
        last = store.record(event).await.unwrap();
    }
    let filter = Filter {
        deployment: name.into(),
        kind: "service.*".into(),
        ..Filter::default()
    };
    let services = |page: &Page| -> Vec<String> {
        let all = page.events.iter();
        all.map(|event| event.service.clone()).collect()
    };
    let first = store.query(0, 3, filter.clone()).await.unwrap();
    assert_eq!(services(&first), ["s0", "s2", "s4"]);
    let second = store.query(first.next, 3, filter.clone()).await.unwrap();
    assert_eq!(services(&second), ["s6", "s8"]);
    assert!(second.next >= last);
    let third = store.query(second.next, 3, filter).await.unwrap();
    assert!(third.events.is_empty() && third.next >= second.next);
    let nothing = Filter {
        service: "queried-no".into(),
        ..Filter::default()
    };
    let page = store.query(0, 3, nothing).await.unwrap();
    assert!(page.events.is_empty() && page.next >= last);
}

async fn a_change_is_in_the_log_when_it_is_acknowledged(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "acknowledged");
    let mut head = store.head();
    let before = *head.borrow_and_update();
    is_new(store, name, "<a/>").await;
    assert!(*head.borrow_and_update() > before);
    let page = query(store, before, 10, name).await;
    assert_eq!(page.events.len(), 1);
    assert!(page.events[0].cursor > before);
    let cursor = store.record(sample(name, "dpe.died", "")).await.unwrap();
    assert!(*head.borrow() >= cursor && cursor > page.events[0].cursor);
    assert!(!store.log().is_empty());
}

async fn of_several_changes_at_once_one_is_done(store: Arc<dyn Store>) {
    let name = "raced";
    is_new(&*store, name, "<a/>").await;
    let racers = (0..6).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { update(&*store, name, 1, &format!("<b{n}/>")).await })
    });
    let mut done = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Updated::New(row) => {
                assert_eq!(row.generation, 2);
                done += 1;
            }
            other => assert_eq!(other, Updated::Conflict(2)),
        }
    }
    assert_eq!(done, 1);
    assert_eq!(numbers(&*store, name).await, [1, 2]);
    assert_eq!(kinds(&*store, name).await.len(), 2);
}

async fn of_several_creations_at_once_one_is_done(store: Arc<dyn Store>) {
    let name = "raced-new";
    let racers = (0..6).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { create(&*store, name, &format!("<b{n}/>")).await })
    });
    let mut done = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Created::New(_) => done += 1,
            other => assert_eq!(other, Created::Other(1)),
        }
    }
    assert_eq!(done, 1);
    assert_eq!(kinds(&*store, name).await, ["deployment.created"]);
}

async fn an_event_that_comes_several_times_at_once_is_one(store: Arc<dyn Store>) {
    let name = "raced-event";
    let event = sample(name, "dpe.died", "");
    let racers = (0..6).map(|_| {
        let (store, event) = (Arc::clone(&store), event.clone());
        tokio::spawn(async move { store.record(event).await.unwrap() })
    });
    let mut cursors = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        cursors.push(racer.await.unwrap());
    }
    cursors.dedup();
    assert_eq!(cursors.len(), 1, "{cursors:?}");
    assert_eq!(kinds(&*store, name).await.len(), 1);
}

fn wanted(principal: &str, id: &str, request: &str) -> Given {
    Given {
        principal: principal.into(),
        id: id.into(),
        deployment: "orders".into(),
        uuid: "u1".into(),
        request: request.into(),
        who: [("caller_uid".to_owned(), "7".to_owned())].into(),
        cursor: 0,
        begun: 0,
        ended: 0,
        ending: None,
        result: String::new(),
    }
}

/// Takes an order that is new.
async fn taken(store: &dyn Store, wanted: Given) -> Given {
    match store.take_order(wanted).await.unwrap() {
        Taken::New(given) => given,
        other => panic!("{other:?}"),
    }
}

async fn end(store: &dyn Store, given: &Given, ending: Ending, result: &str) {
    let ended = store.end_order(&given.key(), ending, result).await;
    ended.unwrap();
}

async fn an_order_is_new_once_and_its_id_is_its_givers(store: Arc<dyn Store>) {
    let store = &*store;
    is_new(store, "orders", "<a/>").await;
    let take = async |given: Given| store.take_order(given).await.unwrap();
    let order = async |who: &str| store.order(who, "1").await.unwrap();
    // Principals may have any signs.
    let (a, b) = ("cert:CN=a/b%", "cert:CN=a");
    let given = taken(store, wanted(a, "1", "x")).await;
    assert!(given.begun > 0 && given.ending.is_none());
    let same = take(wanted(a, "1", "x")).await;
    assert_eq!(same, Taken::Known(given.clone()));
    assert_eq!(take(wanted(a, "1", "y")).await, Taken::Other);
    is_new(store, "orders-of-others", "<a/>").await;
    let elsewhere = Given {
        deployment: "orders-of-others".into(),
        ..wanted(a, "1", "x")
    };
    assert_eq!(take(elsewhere).await, Taken::Other);
    let of_other = taken(store, wanted(b, "1", "y")).await;
    assert_eq!(order("cert:CN=c").await, None);
    store.note_order(&given.key(), "{}").await.unwrap();
    assert_eq!(order(a).await.unwrap().result, "{}");
    end(store, &given, Ending::Done, "[]").await;
    let Taken::Known(ended) = take(wanted(a, "1", "x")).await else {
        panic!("it is known");
    };
    let (ending, result) = (Some(Ending::Done), "[]");
    assert_eq!((ended.ending, ended.result.as_str()), (ending, result));
    assert!(ended.ended >= ended.begun && ended.who == given.who);
    let all = store.orders_under_way().await.unwrap();
    let under_way = |who: &str| all.iter().any(|it| it.principal == who);
    assert!(under_way(b) && !under_way(a));
    // What has ended ends in no other way.
    end(store, &given, Ending::Unknown, "").await;
    store.note_order(&given.key(), "no").await.unwrap();
    assert_eq!(order(a).await, Some(ended));
    let unknown = Given {
        id: "none".into(),
        ..of_other.clone()
    };
    end(store, &unknown, Ending::Failed, "").await;
    end(store, &of_other, Ending::Failed, "").await;
}

async fn what_was_not_done_for_now_is_new_again(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "orders-again");
    is_new(store, name, "<a/>").await;
    let wanted = |request: &str| Given {
        deployment: name.into(),
        ..wanted("user:again", "1", request)
    };
    let take = async |request: &str| store.take_order(wanted(request)).await.unwrap();
    let given = taken(store, wanted("x")).await;
    end(store, &given, Ending::NotNow, "away").await;
    assert_eq!(take("y").await, Taken::Other);
    let given = taken(store, wanted("x")).await;
    assert!(given.result.is_empty());
    end(store, &given, Ending::Done, "").await;
    assert!(matches!(take("x").await, Taken::Known(_)));
}

async fn an_order_that_is_only_looked_for_is_not_taken(store: Arc<dyn Store>) {
    let (store, name, who) = (&*store, "orders-looked-for", "user:look");
    is_new(store, name, "<a/>").await;
    let wanted = || Given {
        deployment: name.into(),
        ..wanted(who, "1", "x")
    };
    let look = async || store.known_order(wanted()).await.unwrap();
    assert!(matches!(look().await, Taken::New(_)));
    assert!(matches!(look().await, Taken::New(_)));
    assert_eq!(store.order(who, "1").await.unwrap(), None);
    let given = taken(store, wanted()).await;
    assert!(matches!(look().await, Taken::Known(_)));
    end(store, &given, Ending::Done, "").await;
}

async fn orders_go_with_their_deployment(store: Arc<dyn Store>) {
    let (store, name, who) = (&*store, "ordered", "user:orders");
    is_new(store, name, "<a/>").await;
    let wanted = |uuid: &str| Given {
        deployment: name.into(),
        uuid: uuid.into(),
        ..wanted(who, "1", "x")
    };
    let of_another = store.take_order(wanted("another")).await.unwrap();
    assert_eq!(of_another, Taken::Gone);
    let first = taken(store, wanted("u1")).await;
    // Documents may say the same uuid for several deployments.
    is_new(store, "ordered-beside", "<a/>").await;
    let beside = Given {
        deployment: "ordered-beside".into(),
        id: "beside".into(),
        ..wanted("u1")
    };
    let beside = taken(store, beside).await;
    assert!(gone(store, name, Destroying::StopServices, &[]).await);
    assert_eq!(store.order(who, "1").await.unwrap(), None);
    assert_eq!(
        store.order(who, "beside").await.unwrap(),
        Some(beside.clone())
    );
    end(store, &beside, Ending::Done, "").await;
    let late = store.take_order(wanted("u1")).await.unwrap();
    assert_eq!(late, Taken::Gone);
    // The next one's document says the same uuid.
    is_new(store, name, "<a/>").await;
    let again = taken(store, wanted("u1")).await;
    // Whoever did the first one comes to an end now.
    store.note_order(&first.key(), "{}").await.unwrap();
    end(store, &first, Ending::Failed, "").await;
    assert_eq!(store.order(who, "1").await.unwrap(), Some(again.clone()));
    assert_eq!(store.taken_order(&first.key()).await.unwrap(), None);
    end(store, &again, Ending::Done, "").await;
    let ended = store.taken_order(&again.key()).await.unwrap().unwrap();
    assert_eq!(ended.ending, Some(Ending::Done));
}

async fn nothing_that_is_young_is_dropped(store: Arc<dyn Store>) {
    let (store, name) = (&*store, "young");
    store.record(sample(name, "dpe.died", "")).await.unwrap();
    let year = Duration::from_secs(365 * 86400);
    assert_eq!(store.prune(year, 1_000_000).await.unwrap(), 0);
    assert_eq!(kinds(store, name).await.len(), 1);
}
