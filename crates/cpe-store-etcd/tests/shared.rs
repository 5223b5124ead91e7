//! Against a real etcd of three members, with mutual TLS and a role for each host, that the test
//! starts itself.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cluster_keys::{OWN, READ, WRITE};
use cpe_bus::EventKind;
use cpe_etcd::{Compare, Operation, Txn};
use cpe_status::DeploymentState;
use cpe_store::conformance::CASES;
use cpe_store::{
    Created, Destroying, Details, Error, Filter, Given, Keep, Marked, News, Run, Store, Taken,
    Updated, new_event,
};
use cpe_store_etcd::{Etcd, FactChange, FactRows, FactWrite, Facts, FactsOf, GroupedFacts};
use etcd_lab::{Lab, Rights};

static NONE: Details = Details::new();

const HOSTS: &[&str] = &["a", "b"];

const KEEP: Keep = Keep {
    generations: 10,
    bytes: 1 << 20,
};

async fn lab() -> Lab {
    let rights = Rights {
        read: READ,
        write: WRITE,
        own: OWN,
    };
    Lab::start(3, HOSTS, rights).await.expect("a lab")
}

async fn open(lab: &Lab, host: &str, directory: &Path) -> Etcd {
    let settings = lab.settings(host).expect("settings");
    let opened = Etcd::open(&settings, host, directory).await;
    opened.expect("a store").0
}

async fn create(store: &dyn Store, name: &str, text: &str) -> Created {
    let created = store.create(name, "u1", text.into(), 1000, &NONE);
    created.await.expect("an answer")
}

async fn texts(store: &dyn Store) -> Vec<(u64, String)> {
    let page = store.query(0, 1000, Filter::default()).await;
    let events = page.expect("a page").events.into_iter();
    events.map(|event| (event.cursor, event.kind)).collect()
}

/// One lab for all, since it takes seconds.
#[tokio::test]
async fn hosts_share_one_store() {
    let mut lab = lab().await;
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let a: Arc<dyn Store> = Arc::new(open(&lab, "a", folders[0].path()).await);
    for (name, case) in CASES {
        let begun = std::time::Instant::now();
        case(Arc::clone(&a)).await;
        eprintln!("{:?} {name}", begun.elapsed());
    }
    let b: Arc<dyn Store> = Arc::new(open(&lab, "b", folders[1].path()).await);
    what_one_host_writes_all_read(&*a, &*b).await;
    membership_is_told_in_the_same_transaction(&lab, &*a).await;
    a_run_at_another_host_is_no_death(&*a, &*b).await;
    of_what_another_host_has_this_one_tells_nothing(&lab, &*a, &*b).await;
    an_order_is_carried_out_by_the_host_that_took_it(&*a, &*b).await;
    facts_are_written_by_the_owner_alone(&lab).await;
    a_late_duplicate_of_a_write_does_nothing(&lab).await;
    facts_of_many_are_written_together(&lab).await;
    fields_of_a_newer_version_are_kept(&lab, &*a).await;
    a_damaged_document_is_said_and_what_it_claims_is_there(&lab, &*a).await;
    an_answer_that_is_lost_is_asked_for_again(&lab, folders[0].path()).await;
    people_are_told_how_it_is(&*a).await;
    a_leader_that_dies_is_not_noticed(&mut lab, &*a).await;
    without_a_quorum_it_is_said_that_nothing_is_done(&mut lab, &*a, &*b).await;
}

async fn what_one_host_writes_all_read(a: &dyn Store, b: &dyn Store) {
    assert_eq!(a.log(), b.log());
    let mut news = b.news();
    assert!(matches!(create(a, "shared", "<a/>").await, Created::New(_)));
    assert!(matches!(
        create(b, "shared", "<a/>").await,
        Created::Same(_)
    ));
    let updated = b
        .update("shared", None, 1, "<b/>".into(), KEEP, &NONE)
        .await;
    assert!(matches!(updated, Ok(Updated::New(_))), "{updated:?}");
    let found = a.document("shared", 0).await.expect("an answer");
    assert_eq!(found, Some(("<b/>".to_owned(), 2)));
    // Whatever was told before it was asked for.
    while news.recv().await != Ok(News::Deployment("shared".to_owned())) {}
    // One order, with the same cursors: also of what was recorded before that host was there.
    let event = new_event(EventKind::DpeDied, "shared");
    let cursor = a.record(event.clone()).await.expect("a cursor");
    assert_eq!(b.record(event).await.expect("a cursor"), cursor);
    let mut head = b.head();
    let seen = head.wait_for(|head| *head >= cursor).await.map(drop);
    seen.expect("it is copied");
    let (of_a, of_b) = (texts(a).await, texts(b).await);
    assert!(of_a.len() > 20 && of_a == of_b, "{of_a:?} {of_b:?}");
    assert!(of_a.is_sorted_by(|x, y| x.0 < y.0));
}

fn run(invocation: &str) -> Run {
    Run::Alive {
        invocation: invocation.to_owned(),
        pid: 7,
        after_stop: false,
    }
}

async fn a_run_at_another_host_is_no_death(a: &dyn Store, b: &dyn Store) {
    let name = "moves";
    create(a, name, "<a/>").await;
    let ended = Run::Ended {
        cause: "killed".to_owned(),
        stopped: false,
    };
    a.note_run(name, &run("r1"), 7).await.expect("noted");
    let state = DeploymentState::Active;
    a.note_state(name, state).await.expect("noted");
    // Its unit does not run there yet, and the run elsewhere is not over for that.
    b.note_run(name, &ended, 8).await.expect("noted");
    b.note_run(name, &run("r2"), 9).await.expect("noted");
    let row = b.deployment(name).await.expect("an answer");
    let row = row.expect("a deployment");
    let found = (row.host.as_str(), row.alive, row.state);
    assert_eq!(found, ("b", true, state));
    b.note_run(name, &ended, 10).await.expect("noted");
    let filter = Filter {
        deployment: name.to_owned(),
        ..Filter::default()
    };
    let events = b.query(0, 10, filter).await.expect("a page").events;
    let kinds: Vec<&str> = events.iter().map(|it| it.kind.as_str()).collect();
    let (started, died) = ("dpe.started", "dpe.died");
    let moved = "deployment.moved";
    assert_eq!(kinds[1..], [started, moved, started, died]);
    let told = &events[2].details;
    assert_eq!((&*told["from"], &*told["to"]), ("a", "b"));
}

/// As a host that has stood still, and goes on where it was.
async fn of_what_another_host_has_this_one_tells_nothing(lab: &Lab, a: &dyn Store, b: &dyn Store) {
    let name = "late";
    create(a, name, "<a/>").await;
    let own = Operation::Put(
        cluster_keys::owner(name),
        br#"{"host":"b","session":{"boot":1,"number":1},"origin":"new"}"#.to_vec(),
        None,
    );
    let txn = Txn {
        then: vec![own],
        ..Txn::default()
    };
    let client = lab.client("b").await.expect("a client");
    client.txn(txn).await.expect("owned");
    b.loaded(name, 1).await.expect("noted");
    b.note_run(name, &run("r2"), 7).await.expect("noted");
    b.note_state(name, DeploymentState::Active)
        .await
        .expect("noted");
    let destroyed = b.destroy(name, 0, Destroying::StopServices).await;
    assert!(matches!(destroyed, Ok(Marked::Now(_))), "{destroyed:?}");
    let row = async || {
        let found = a.deployment(name).await.expect("an answer");
        found.expect("a deployment")
    };
    let before = row().await;
    assert_eq!((before.loaded, before.unloaded), (1, false));
    a.loaded(name, 7).await.expect("an answer");
    a.note_run(name, &run("r1"), 8).await.expect("an answer");
    let state = DeploymentState::Failed;
    a.note_state(name, state).await.expect("an answer");
    a.unloaded(name).await.expect("an answer");
    assert_eq!(row().await, before);
    b.unloaded(name).await.expect("an answer");
    assert!(row().await.unloaded);
}

async fn membership_is_told_in_the_same_transaction(lab: &Lab, a: &dyn Store) {
    let client = lab.client("a").await.expect("a client");
    let read = async |keys: &[String]| {
        let txn = Txn {
            then: keys.iter().cloned().map(Operation::Get).collect(),
            ..Txn::default()
        };
        client.txn(txn).await.expect("an answer").found
    };
    let name = "membership";
    let (row, record) = (cluster_keys::row(name), cluster_keys::deployment(name));
    let both = [row.clone(), record.clone()];
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    create(a, name, "<a/>").await;
    let found = read(&both).await;
    assert_eq!(found[0].revision, found[1].revision);
    let written = text(&found[1].value);
    assert!(
        written.starts_with(r#"{"generation":1,"change":""#),
        "{written}"
    );
    assert!(written.contains(r#""destroying":false"#), "{written}");
    let updated = a.update(name, None, 1, "<b/>".into(), KEEP, &NONE).await;
    assert!(matches!(updated, Ok(Updated::New(_))));
    let found = read(&both).await;
    assert_eq!(found[0].revision, found[1].revision);
    assert!(text(&found[1].value).contains(r#""generation":2"#));
    // Its DPE is needed until it has stopped what runs.
    let destroyed = a.destroy(name, 0, Destroying::StopServices).await;
    destroyed.expect("marked");
    assert!(text(&read(&both).await[1].value).contains(r#""destroying":false"#));
    a.unloaded(name).await.expect("unloaded");
    let found = read(&both).await;
    assert_eq!(found[0].revision, found[1].revision);
    assert!(text(&found[1].value).contains(r#""destroying":true"#));
    // While a host runs it, that host is to end it.
    let owner = cluster_keys::owner(name);
    let own = Txn {
        then: vec![Operation::Put(owner.clone(), b"{}".to_vec(), None)],
        ..Txn::default()
    };
    client.txn(own).await.expect("owned");
    assert!(a.forget(name, &[]).await.expect("an answer"));
    let found = read(&both).await;
    assert_eq!(found.len(), 1, "the row is gone, the record is the owner's");
    assert_eq!(create(a, name, "<c/>").await, Created::BeingDestroyed);
    let ended = Txn {
        then: vec![Operation::Delete(owner), Operation::Delete(record)],
        ..Txn::default()
    };
    client.txn(ended).await.expect("ended");
    assert!(matches!(create(a, name, "<c/>").await, Created::New(_)));
    for prefix in [cluster_keys::generations(name), cluster_keys::uploads(name)] {
        let left = client.keys(&prefix, Duration::from_secs(5)).await;
        assert_eq!(left.expect("a list").entries.len(), 1, "{prefix}");
    }
}

async fn an_order_is_carried_out_by_the_host_that_took_it(a: &dyn Store, b: &dyn Store) {
    let given = Given {
        principal: "user:both".into(),
        id: "1".into(),
        deployment: "shared".into(),
        uuid: "u1".into(),
        request: "x".into(),
        who: Details::new(),
        cursor: 0,
        begun: 0,
        ended: 0,
        ending: None,
        result: String::new(),
    };
    let taken = a.take_order(given.clone()).await.expect("taken");
    assert!(matches!(taken, Taken::New(_)));
    let taken = b.take_order(given).await.expect("an answer");
    assert!(matches!(taken, Taken::Known(_)));
    assert_eq!(a.orders_under_way().await.expect("orders").len(), 1);
    assert_eq!(b.orders_under_way().await.expect("orders").len(), 0);
}

async fn facts_are_written_by_the_owner_alone(lab: &Lab) {
    let facts = Facts::new(&lab.settings("a").expect("settings")).await;
    let facts = facts.expect("facts");
    let client = lab.client("a").await.expect("a client");
    let own = Txn {
        then: vec![Operation::Put(
            cluster_keys::owner("f"),
            b"{}".to_vec(),
            None,
        )],
        ..Txn::default()
    };
    let first = client.txn(own.clone()).await.expect("owned").revision;
    let write = async |(owner, after): (u64, u64), changes: &[FactChange]| {
        let write = FactsOf {
            deployment: "f".to_owned(),
            owner,
            after,
            writer: "w".to_owned(),
            changes: changes.to_vec(),
        };
        facts.write(&write).await.expect("an answer")
    };
    let done = async |line, changes: &[FactChange]| match write(line, changes).await {
        FactWrite::Done(at) => at,
        other => panic!("not written: {other:?}"),
    };
    let changes = [fact("safe/web1", Some("true")), fact("count", Some("1"))];
    let at = done((first, 0), &changes).await;
    let at = done((first, at), &[fact("count", None)]).await;
    let safe = FactRows {
        rows: vec![("safe/web1".to_owned(), "true".to_owned())],
        at,
    };
    assert_eq!(facts.all("f").await.expect("facts"), safe);
    // Another host has taken it.
    let second = client.txn(own).await.expect("owned").revision;
    let late = [fact("safe/web1", Some("false"))];
    assert_eq!(write((first, at), &late).await, FactWrite::NotOwner);
    assert_eq!(facts.all("f").await.expect("facts"), safe);
    let many: Vec<_> = (0..100)
        .map(|n| fact(&format!("n/{n}"), Some("1")))
        .collect();
    done((second, at), &many).await;
    assert_eq!(facts.all("f").await.expect("facts").rows.len(), 101);
}

fn fact(key: &str, value: Option<&str>) -> FactChange {
    FactChange {
        key: key.to_owned(),
        value: value.map(str::to_owned),
    }
}

/// What was not answered is carried out at another moment, or once more: not over what is newer.
async fn a_late_duplicate_of_a_write_does_nothing(lab: &Lab) {
    let facts = Facts::new(&lab.settings("a").expect("settings")).await;
    let facts = facts.expect("facts");
    let client = lab.client("a").await.expect("a client");
    let own = Txn {
        then: vec![Operation::Put(
            cluster_keys::owner("late"),
            b"{}".to_vec(),
            None,
        )],
        ..Txn::default()
    };
    let own = client.txn(own).await.expect("owned").revision;
    let try_it = async |after, writer: &str, changes: Vec<FactChange>| {
        let write = FactsOf {
            deployment: "late".to_owned(),
            owner: own,
            after,
            writer: writer.to_owned(),
            changes,
        };
        facts.write(&write).await.expect("an answer")
    };
    let write = async |after, writer: &str, value| {
        let change = fact("safe/web1", Some(value));
        try_it(after, writer, vec![change]).await
    };
    let FactWrite::Done(first) = write(0, "one", "true").await else {
        panic!("nothing was there");
    };
    let FactWrite::Done(second) = write(first, "one", "false").await else {
        panic!("it was the last one");
    };
    let overtaken = FactWrite::Overtaken {
        at: second,
        writer: "one".to_owned(),
    };
    // The duplicates of both.
    assert_eq!(write(0, "one", "true").await, overtaken);
    assert_eq!(write(first, "one", "false").await, overtaken);
    // The next process begins: what the one before has sent is over.
    let begun = try_it(second, "two", Vec::new()).await;
    let FactWrite::Done(third) = begun else {
        panic!("not begun: {begun:?}");
    };
    let overtaken = FactWrite::Overtaken {
        at: third,
        writer: "two".to_owned(),
    };
    assert_eq!(write(second, "one", "true").await, overtaken);
    let all = facts.all("late").await.expect("facts");
    assert_eq!(all.rows, [("safe/web1".to_owned(), "false".to_owned())]);
    assert_eq!(all.at, third);
}

/// One that fails keeps no other from being written.
async fn facts_of_many_are_written_together(lab: &Lab) {
    let client = lab.client("a").await.expect("a client");
    let names: Vec<String> = (0..30).map(|n| format!("many-{n}")).collect();
    let put = |name: &String| Operation::Put(cluster_keys::owner(name), b"{}".to_vec(), None);
    let own = Txn {
        then: names.iter().map(put).collect(),
        ..Txn::default()
    };
    let owner = client.txn(own).await.expect("owned").revision;
    let facts = Facts::new(&lab.settings("a").expect("settings")).await;
    let facts = GroupedFacts::new(facts.expect("facts"));
    let write = |name: &String, owner, after| {
        let facts = facts.clone();
        let write = FactsOf {
            deployment: name.clone(),
            owner,
            after,
            writer: "w".to_owned(),
            changes: vec![fact("count", Some("1"))],
        };
        tokio::spawn(async move { facts.write(write).await.expect("an answer") })
    };
    let mut first = Vec::new();
    for name in &names {
        first.push(write(name, owner, 0));
    }
    let mut last = Vec::new();
    for written in first {
        match written.await.expect("no panic") {
            FactWrite::Done(at) => last.push(at),
            other => panic!("not written: {other:?}"),
        }
    }
    let transactions: std::collections::BTreeSet<u64> = last.iter().copied().collect();
    assert!(transactions.len() < names.len(), "{transactions:?}");
    // The owner of one has changed, and another one has been written since.
    let mut second = Vec::new();
    for (number, (name, at)) in names.iter().zip(last).enumerate() {
        let owner = if number == 7 { owner + 1 } else { owner };
        let after = if number == 9 { at - 1 } else { at };
        second.push(write(name, owner, after));
    }
    for (number, written) in second.into_iter().enumerate() {
        let written = written.await.expect("no panic");
        let is_right = match number {
            7 => written == FactWrite::NotOwner,
            9 => matches!(written, FactWrite::Overtaken { .. }),
            _ => matches!(written, FactWrite::Done(_)),
        };
        assert!(is_right, "{number}: {written:?}");
    }
}

async fn fields_of_a_newer_version_are_kept(lab: &Lab, a: &dyn Store) {
    create(a, "newer", "<a/>").await;
    let client = lab.client("a").await.expect("a client");
    let key = cluster_keys::row("newer");
    let get = Txn {
        then: vec![Operation::Get(key.clone())],
        ..Txn::default()
    };
    let found = client.txn(get.clone()).await.expect("an answer").found;
    let text = String::from_utf8_lossy(&found[0].value).replacen('{', r#"{"new":[7],"#, 1);
    let put = Txn {
        compare: vec![Compare::Revision(key.clone(), found[0].revision)],
        then: vec![Operation::Put(key, text.into_bytes(), None)],
        ..Txn::default()
    };
    assert!(client.txn(put).await.expect("an answer").succeeded);
    a.loaded("newer", 1).await.expect("noted");
    let found = client.txn(get).await.expect("an answer").found;
    let text = String::from_utf8_lossy(&found[0].value).into_owned();
    assert!(
        text.contains(r#""new":[7]"#) && text.contains(r#""loaded":1"#),
        "{text}"
    );
}

async fn a_damaged_document_is_said_and_what_it_claims_is_there(lab: &Lab, a: &dyn Store) {
    let document = cpe_store::Document {
        claims: "[1]".to_owned(),
        ..cpe_store::Document::from("<a/>")
    };
    let created = a.create("damaged", "u1", document, 1000, &NONE);
    created.await.expect("created");
    let client = lab.client("a").await.expect("a client");
    let prefix = cluster_keys::uploads("damaged");
    let chunks = client.keys(&prefix, Duration::from_secs(5)).await;
    let key = chunks.expect("a list").entries[0].key.clone();
    let damage = Txn {
        then: vec![Operation::Put(key, b"rubbish".to_vec(), None)],
        ..Txn::default()
    };
    client.txn(damage).await.expect("damaged");
    let error = a.document("damaged", 0).await.expect_err("it is damaged");
    assert!(error.to_string().contains("cannot be read"), "{error}");
    let found = a.document_and_claims("damaged").await.expect("an answer");
    assert_eq!(found, Some((None, 1, "[1]".to_owned())));
}

/// Requests arrive, and answers do not: each is sent again, and done once.
async fn an_answer_that_is_lost_is_asked_for_again(lab: &Lab, directory: &Path) {
    let ways = lab.ways("b").expect("ways");
    let mut settings = lab.settings("b").expect("settings");
    settings.endpoints = ways.endpoints().to_vec();
    let store = Etcd::open(&settings, "b", &directory.join("cut")).await;
    let store: Arc<dyn Store> = Arc::new(store.expect("a store").0);
    create(&*store, "cut", "<a/>").await;
    let before = texts(&*store).await.len();
    ways.cut_answers();
    let changing = Arc::clone(&store);
    let change = tokio::spawn(async move {
        changing
            .update("cut", None, 1, "<b/>".into(), KEEP, &NONE)
            .await
    });
    tokio::time::sleep(Duration::from_millis(900)).await;
    ways.heal();
    let changed = change.await.expect("no panic");
    assert!(matches!(changed, Ok(Updated::New(_))), "{changed:?}");
    let all = texts(&*store).await;
    assert_eq!(all.len(), before + 1, "it was told once");
}

async fn a_leader_that_dies_is_not_noticed(lab: &mut Lab, a: &dyn Store) {
    let leader = lab.leader().await.expect("a leader");
    lab.kill(leader).expect("killed");
    let created = create(a, "leaderless", "<a/>").await;
    assert!(matches!(created, Created::New(_)), "{created:?}");
    let all = texts(a).await.into_iter();
    let last = all.last().map(|(_, kind)| kind);
    assert_eq!(last.as_deref(), Some("deployment.created"));
    lab.restart(leader).expect("restarted");
}

async fn without_a_quorum_it_is_said_that_nothing_is_done(
    lab: &mut Lab,
    a: &dyn Store,
    b: &dyn Store,
) {
    lab.leader().await.expect("a leader");
    for member in [1, 2] {
        lab.freeze(member).expect("frozen");
    }
    let told = a.status().await.expect("an answer");
    let silent = told.members[1..].iter().all(|it| !it.error.is_empty());
    assert!(silent && told.revision.is_none(), "{told:?}");
    assert!(!told.trouble.is_empty(), "{told:?}");
    let event = new_event(EventKind::DpeDied, "leaderless");
    let read = a.deployment("leaderless");
    let write = b.record(event.clone());
    let (read, write) = tokio::join!(read, write);
    let error = read.expect_err("nobody answers");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let error = write.expect_err("nobody answers");
    let is_said = matches!(error, Error::Unavailable(_) | Error::Unknown(_));
    assert!(is_said, "{error:?}");
    // The copy of the log is there all the same.
    assert!(texts(a).await.len() > 20);
    for member in [1, 2] {
        lab.thaw(member).expect("thawed");
    }
    lab.leader().await.expect("a leader");
    let cursor = b.record(event.clone()).await.expect("a cursor");
    assert_eq!(a.record(event).await.expect("a cursor"), cursor);
    let told = texts(a).await.into_iter();
    assert_eq!(told.filter(|(at, _)| *at == cursor).count(), 1);
}

async fn people_are_told_how_it_is(store: &dyn Store) {
    let told = store.status().await.expect("an answer");
    assert_eq!((told.kind.as_str(), told.trouble.as_str()), ("etcd", ""));
    assert!(told.revision.is_some_and(|revision| revision > 1));
    assert_eq!((told.log.as_str(), told.members.len()), (store.log(), 3));
    let leads = told.members.iter().filter(|it| it.leads);
    assert_eq!(leads.count(), 1, "{:?}", told.members);
    let well = told
        .members
        .iter()
        .all(|it| it.error.is_empty() && it.alarms.is_empty() && it.used > 0 && it.used <= it.size);
    assert!(well, "{:?}", told.members);
    assert!(told.file.ends_with("cpe.db") && told.size > 0, "{told:?}");
}
