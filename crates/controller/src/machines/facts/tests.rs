//! Tests of facts and of their rows.

use cpe_status::OverlayKind;

use super::*;
use crate::machines::overlay::{Ends, OverlayFacts};
use crate::machines::values::ValueFacts;
use crate::vocabulary::TicketOrder;

#[test]
fn an_epoch_is_passed_so_often_in_a_start() {
    let mut store = Store::new(Durable::default());
    store.set_epoch(7);
    store.pass_epoch(7);
    assert_eq!(store.epoch(), 7, "that is its own");
    for known in [8, 20, 30, 40] {
        store.pass_epoch(known);
        assert_eq!(store.epoch(), known + 1);
    }
    store.pass_epoch(50);
    assert_eq!(
        store.epoch(),
        41,
        "a guest that lies is not followed for ever"
    );
}

#[test]
fn it_reads_back_what_it_wrote() {
    let mut store = Store::new(Durable::default());
    store.set_epoch(7);
    *store.loaded_mut() = Some(Loaded {
        document: "<deployable/>".into(),
        generation: 3,
        unload: None,
    });
    store.assembly_mut(&"web1".into()).standby = true;
    store.failure_mut(&"web1".into(), "db").disbelieve(Some(3));
    store
        .service_mut(&"db".into())
        .fail(&"db".into(), &"web1".into(), "it returned 1", 5);
    let east = "east/1".into();
    let granted = store.ticket_mut(&east).obey(&east, TicketOrder::Grant, 5);
    assert!(granted.is_some());
    let value = ValueFacts {
        value: "LATEST".into(),
        since: 5,
    };
    let web1 = Holder::Assembly("web1".into());
    store.put_value(&web1, "db/data-status", Some(value.clone()));
    store.put_value(&Holder::Deployment, "db_REPL_INFO", Some(value));
    let ban = BanFacts {
        promoted: true,
        since: 5,
    };
    store.put_ban(&"web1".into(), &"db".into(), Some(ban));
    let disabled = OverlayKey {
        service: "db".into(),
        kind: OverlayKind::Disable,
        assembly: None,
    };
    let entry = OverlayFacts {
        promoted: false,
        by: "root".into(),
        created: 5,
        ends: Ends::At(7),
    };
    store.put_overlay(&disabled, Some(entry));
    let rows: Vec<_> = store
        .changes()
        .into_iter()
        .map(|c| (c.key, c.value.unwrap()))
        .collect();
    let read = Durable::from_rows(rows).unwrap();
    assert_eq!(read, *store);
    assert!(store.changes().is_empty());
    store.remove_assembly(&"web1".into());
    let deleted: Vec<_> = store
        .changes()
        .into_iter()
        .filter(|c| c.value.is_none())
        .map(|c| c.key)
        .collect();
    assert_eq!(deleted, ["assembly/web1", "failures/web1/db"]);
    let expected = Saves {
        state: 7,
        number: 2,
    };
    assert_eq!(store.saves, expected, "each set of changes counts");
}

#[test]
fn facts_are_outdated_if_newer_ones_were_saved() {
    let saved = |state, number| Durable {
        saves: Saves { state, number },
        ..Durable::default()
    };
    let newest = &saved(7, 5).rows()[SAVES];
    assert!(!saved(7, 5).compared_with("").outdated, "nothing is known");
    assert!(!saved(7, 5).compared_with(newest).outdated);
    let unnoted = saved(7, 6).compared_with(newest);
    assert!(!unnoted.outdated && unnoted.saves.number == 6);
    for backup in [saved(7, 4), saved(6, 9), saved(0, 0)] {
        let backup = backup.compared_with(newest);
        assert!(backup.outdated);
        assert_eq!(backup.saves.number, 5, "the next one is the newest");
    }
}

#[test]
fn an_epoch_of_another_grant_is_not_taken_whatever_a_guest_says() {
    let mut store = Store::new(Durable::default()).up_to(20);
    store.set_epoch(7);
    store.pass_epoch(12);
    assert_eq!(store.epoch(), 13, "its own");
    for known in [20, 21, u64::MAX] {
        store.pass_epoch(known);
        assert_eq!(store.epoch(), 13, "{known}");
    }
    store.pass_epoch(19);
    assert_eq!(store.epoch(), 20, "the last one of its own");
}

#[test]
fn a_damaged_row_is_named_and_an_unknown_one_ignored() {
    let error = Durable::from_rows([("assembly/web1", "{")]).unwrap_err();
    assert!(error.to_string().contains("assembly/web1"), "{error}");
    let error = Durable::from_rows([("ticket/east", "7")]).unwrap_err();
    assert!(error.to_string().contains("ticket/east"), "{error}");
    assert!(Durable::from_rows([("colour", "red")]).is_ok());
    let other_form = Durable::from_rows([("understood", "{}")]).unwrap();
    assert_eq!(other_form, Durable::default());
}

#[test]
fn what_an_earlier_version_understood_needs_not_all_that_this_one_knows() {
    let row = r#"{"generation":3,"spec":{"name":"shop","assemblies":{"web1":{"address":"unix:/a"}},"old":1}}"#;
    let read = Durable::from_rows([("understood", row)]).unwrap();
    let understood = read.understood.unwrap();
    assert_eq!(understood.generation, 3);
    let web1 = &understood.spec.assemblies["web1"];
    assert_eq!(web1.address.as_deref(), Some("unix:/a"));
}
