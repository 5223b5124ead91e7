//! Against a real etcd of three members, with mutual TLS.

use std::time::{Duration, Instant};

use cpe_etcd::{Change, Client, Compare, Error, MOST_OPERATIONS, Operation, Settings, Txn};
use etcd_lab::{Lab, Rights};

const RIGHTS: Rights<'_> = Rights {
    read: &["/t/"],
    write: &["/t/all/"],
    own: &["/t/own/"],
};

const LIST: Duration = Duration::from_secs(5);

/// Longer than a call, on a busy machine.
const SOON: Duration = Duration::from_secs(2);

fn put(key: &str, value: &str) -> Txn {
    Txn {
        then: vec![Operation::Put(key.into(), value.into(), None)],
        ..Txn::default()
    }
}

/// One that waits longer: machines that test are busy, and their disks too.
async fn patient(lab: &Lab, user: &str) -> Client {
    let mut settings = lab.settings(user).expect("settings");
    settings.call = Duration::from_secs(10);
    Client::new(&settings).await.expect("a client")
}

/// Until it is done: an election takes its time.
async fn put_at_last(client: &Client, key: &str, value: &str) -> Duration {
    let begin = Instant::now();
    while let Err(error) = client.txn(put(key, value)).await {
        assert!(begin.elapsed() < Duration::from_secs(30), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begin.elapsed()
}

#[tokio::test]
async fn transactions_lists_leases_and_watches_work() {
    let lab = Lab::start(3, &["a", "b"], RIGHTS).await.expect("a store");
    let a = patient(&lab, "a").await;
    a_transaction_is_done_as_a_whole_or_not(&a).await;
    everything_is_listed_in_pages(&a).await;
    what_is_bound_to_a_lease_ends_with_it(&a).await;
    changes_come_in_order(&a).await;
    a_host_writes_only_what_is_its_own(&a, &lab).await;
    what_is_too_large_is_not_sent(&a).await;
    a_stranger_is_refused(&lab).await;
}

async fn a_transaction_is_done_as_a_whole_or_not(a: &Client) {
    let first = a.txn(put("/t/all/x", "1")).await.expect("done");
    let replace = |revision| Txn {
        compare: vec![
            Compare::Revision("/t/all/x".into(), revision),
            Compare::Absent("/t/all/y".into()),
            Compare::Holds("/t/all/x".into(), b"1".to_vec()),
        ],
        then: vec![Operation::Put("/t/all/y".into(), b"2".to_vec(), None)],
        otherwise: vec![Operation::Get("/t/all/x".into())],
    };
    let refused = a.txn(replace(first.revision + 1)).await.expect("answered");
    assert!(!refused.succeeded);
    let found = &refused.found[0];
    assert_eq!((&*found.value, found.revision), (&b"1"[..], first.revision));
    let done = a.txn(replace(first.revision)).await.expect("answered");
    assert!(done.succeeded && done.revision == first.revision + 1);
    let again = a.txn(replace(first.revision)).await.expect("answered");
    assert!(!again.succeeded);
}

async fn everything_is_listed_in_pages(a: &Client) {
    // More than two pages.
    for tens in 0..21 {
        let key = |it| format!("/t/all/list/{tens:03}/{it:03}");
        let write = |it| Operation::Put(key(it), b"v".to_vec(), None);
        let then = (0..100).map(write).collect();
        a.txn(Txn {
            then,
            ..Txn::default()
        })
        .await
        .expect("done");
    }
    let listed = a.list("/t/all/list/", LIST).await.expect("listed");
    assert_eq!(listed.entries.len(), 2_100);
    assert!(
        listed
            .entries
            .is_sorted_by(|one, other| one.key < other.key)
    );
    let delete = Txn {
        then: vec![Operation::DeleteAll("/t/all/list/".into())],
        ..Txn::default()
    };
    a.txn(delete).await.expect("done");
    let listed = a.list("/t/all/list/", LIST).await.expect("listed");
    assert!(listed.entries.is_empty());
}

async fn what_is_bound_to_a_lease_ends_with_it(a: &Client) {
    let lease = a.grant(3).await.expect("a lease");
    let bound = |lease| Txn {
        then: vec![Operation::Put(
            "/t/own/a".into(),
            b"s".to_vec(),
            Some(lease),
        )],
        ..Txn::default()
    };
    a.txn(bound(lease)).await.expect("done");
    let listed = a.list("/t/own/", LIST).await.expect("listed");
    assert_eq!(listed.entries[0].lease, Some(lease));
    a.keep_alive(lease).await.expect("renewed");
    a.revoke(lease).await.expect("revoked");
    let listed = a.list("/t/own/", LIST).await.expect("listed");
    assert!(listed.entries.is_empty());
    assert_eq!(a.keep_alive(lease).await, Err(Error::NoLease));
    assert_eq!(a.revoke(lease).await, Err(Error::NoLease));
    assert_eq!(a.txn(bound(lease)).await, Err(Error::NoLease));
}

async fn changes_come_in_order(a: &Client) {
    let first = a.txn(put("/t/all/w/1", "a")).await.expect("done").revision;
    let mut watch = a.watch("/t/all/w/", first).await.expect("a watch");
    let both = Txn {
        then: vec![
            Operation::Put("/t/all/w/2".into(), b"b".to_vec(), None),
            Operation::Delete("/t/all/w/1".into()),
        ],
        ..Txn::default()
    };
    a.txn(both).await.expect("done");
    let mut changes = Vec::new();
    while changes.len() < 3 {
        changes.extend(watch.next().await.expect("changes").changes);
    }
    let change = |key: &str, value: Option<&str>, revision| Change {
        key: key.into(),
        value: value.map(|text| text.as_bytes().to_vec()),
        revision,
        lease: None,
    };
    let expected = [
        change("/t/all/w/1", Some("a"), first),
        change("/t/all/w/2", Some("b"), first + 1),
        change("/t/all/w/1", None, first + 1),
    ];
    assert_eq!(changes, expected);
}

async fn a_host_writes_only_what_is_its_own(a: &Client, lab: &Lab) {
    let refused = a.txn(put("/t/own/b", "mine")).await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    let b = patient(lab, "b").await;
    b.txn(put("/t/own/b", "mine")).await.expect("done");
    let read = a.list("/t/own/", LIST).await.expect("listed");
    assert_eq!(read.entries.len(), 1);
    let outside = a.list("/u/", LIST).await;
    assert!(matches!(outside, Err(Error::Denied(_))), "{outside:?}");
    let mut watch = a.watch("/u/", 1).await.expect("a stream");
    let outside = watch.next().await;
    assert!(matches!(outside, Err(Error::Denied(_))), "{outside:?}");
}

async fn what_is_too_large_is_not_sent(a: &Client) {
    let get = Operation::Get("/t/all/x".into());
    let mut txn = Txn {
        then: vec![get; MOST_OPERATIONS],
        ..Txn::default()
    };
    a.txn(txn.clone()).await.expect("as many as there may be");
    txn.then.push(txn.then[0].clone());
    let many = a.txn(txn).await.expect_err("too many").to_string();
    assert!(many.contains("at most 128"), "{many}");
    let text = "x".repeat(1_400_000);
    let large = a.txn(put("/t/all/x", &text)).await.expect_err("too large");
    assert!(large.to_string().contains("at most 1400000"), "{large}");
    let text = &text[..1_399_000];
    a.txn(put("/t/all/x", text))
        .await
        .expect("as large as it may be");
}

async fn a_stranger_is_refused(lab: &Lab) {
    // A certificate of the authority, whose name is no user.
    let stranger = patient(lab, "stranger").await;
    let refused = stranger.txn(put("/t/all/x", "1")).await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    // One of another authority.
    let other = Lab::start(1, &["a"], RIGHTS).await.expect("a store");
    let mut settings = other.settings("a").expect("settings");
    settings.call = Duration::from_secs(10);
    settings.endpoints = lab.endpoints();
    let client = Client::new(&settings).await.expect("a client");
    let refused = client.txn(put("/t/all/x", "1")).await;
    let Err(Error::Unavailable(text)) = refused else {
        unreachable!("{refused:?}");
    };
    println!("{text}");
    assert!(text.contains("certificate"), "{text}");
}

#[tokio::test]
async fn it_goes_on_with_the_members_that_are_left() {
    let mut lab = Lab::start(3, &["a"], RIGHTS).await.expect("a store");
    let a = lab.client("a").await.expect("a client");
    put_at_last(&a, "/t/all/x", "0").await;

    let leader = lab.leader().await.expect("a leader");
    lab.kill(leader).expect("killed");
    let gap = put_at_last(&a, "/t/all/x", "1").await;
    println!("leader killed: {gap:?}");
    assert!(gap < Duration::from_secs(10), "{gap:?}");
    lab.restart(leader).expect("started");

    let leader = lab.leader().await.expect("a leader");
    put_at_last(&a, "/t/all/x", "2").await;
    lab.freeze(leader).expect("frozen");
    let gap = put_at_last(&a, "/t/all/x", "3").await;
    println!("leader frozen: {gap:?}");
    assert!(gap < Duration::from_secs(10), "{gap:?}");
    lab.thaw(leader).expect("thawed");
}

#[tokio::test]
async fn without_a_quorum_every_call_ends_in_time_and_a_watch_ends() {
    let mut lab = Lab::start(3, &["a"], RIGHTS).await.expect("a store");
    let a = lab.client("a").await.expect("a client");
    put_at_last(&a, "/t/all/x", "0").await;
    let watcher = patient(&lab, "a").await;
    let mut watch = watcher.watch("/t/all/", 1).await.expect("a watch");
    watch.next().await.expect("what has happened");
    lab.kill(0).expect("killed");
    lab.kill(1).expect("killed");
    for _ in 0..20 {
        let begin = Instant::now();
        let refused = a.txn(put("/t/all/x", "1")).await;
        let took = begin.elapsed();
        assert!(
            refused.is_err() && took < SOON,
            "{refused:?} after {took:?}"
        );
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
    let ended = ended.expect("the watch ends");
    assert!(matches!(ended, Err(Error::Unavailable(_))), "{ended:?}");
    lab.restart(0).expect("started");
    put_at_last(&a, "/t/all/x", "2").await;
}

#[tokio::test]
async fn who_is_cut_off_hears_so_in_time() {
    let lab = Lab::start(1, &["a"], RIGHTS).await.expect("a store");
    let ways = lab.ways("a").expect("ways");
    let mut settings = lab.settings("a").expect("settings");
    settings.endpoints = ways.endpoints().to_vec();
    let a = Client::new(&settings).await.expect("a client");
    put_at_last(&a, "/t/all/x", "0").await;

    ways.cut();
    let begin = Instant::now();
    let silent = a.txn(put("/t/all/x", "1")).await;
    assert!(matches!(silent, Err(Error::Unknown(_))), "{silent:?}");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    ways.heal();
    put_at_last(&a, "/t/all/x", "2").await;

    // What is asked is done, though nobody hears so.
    ways.cut_answers();
    let silent = a.txn(put("/t/all/x", "3")).await;
    assert!(matches!(silent, Err(Error::Unknown(_))), "{silent:?}");
    let root = patient(&lab, "root").await;
    let found = root.list("/t/all/x", LIST).await.expect("listed");
    assert_eq!(found.entries[0].value, b"3");
}

/// Of somebody who does not go by this project's rules.
async fn put_bytes(lab: &Lab, key: &[u8]) {
    let settings = lab.settings("root").expect("settings");
    let tls = etcd_client::TlsOptions::new()
        .ca_certificate(etcd_client::Certificate::from_pem(&settings.tls.authority))
        .identity(etcd_client::Identity::from_pem(
            &settings.tls.certificate,
            &settings.tls.key,
        ));
    let options = etcd_client::ConnectOptions::new().with_tls(tls);
    let client = etcd_client::Client::connect(&settings.endpoints, Some(options)).await;
    let mut client = client.expect("a client");
    client.put(key, "x", None).await.expect("written");
}

#[tokio::test]
async fn a_key_that_is_not_a_text_keeps_nobody_from_hearing_of_the_others() {
    let lab = Lab::start(1, &["a"], RIGHTS).await.expect("a store");
    let a = patient(&lab, "a").await;
    let first = a.txn(put("/t/all/x", "0")).await.expect("done").revision;
    let mut watch = a.watch("/t/all/", first + 1).await.expect("a watch");
    put_bytes(&lab, b"/t/all/\xff").await;
    a.txn(put("/t/all/y", "1")).await.expect("done");
    let listed = a.list("/t/all/", LIST).await.expect("listed");
    let keys: Vec<&str> = listed.entries.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["/t/all/x", "/t/all/y"]);
    let mut heard = Vec::new();
    let mut last = 0;
    while heard.is_empty() {
        let batch = watch.next().await.expect("it goes on");
        last = batch.revision;
        heard.extend(batch.changes.into_iter().map(|change| change.key));
    }
    assert_eq!((heard, last), (vec!["/t/all/y".to_owned()], first + 2));
}

#[tokio::test]
async fn a_watch_that_begins_before_what_is_remembered_says_so() {
    let lab = Lab::start(1, &["a"], RIGHTS).await.expect("a store");
    let a = patient(&lab, "a").await;
    let first = a.txn(put("/t/all/x", "0")).await.expect("done").revision;
    let last = a.txn(put("/t/all/x", "1")).await.expect("done").revision;
    lab.compact(last).await.expect("compacted");
    let mut watch = a.watch("/t/all/", first).await.expect("a stream");
    assert_eq!(watch.next().await, Err(Error::Compacted));
    let mut watch = a.watch("/t/all/", last).await.expect("a stream");
    let batch = watch.next().await.expect("changes");
    assert_eq!((batch.revision, batch.changes.len()), (last, 1));
}

#[tokio::test]
async fn nothing_outlives_a_lab() {
    let lab = Lab::start(1, &[], RIGHTS).await.expect("a store");
    let endpoint = lab.endpoints().remove(0);
    let address = endpoint.trim_start_matches("https://").to_owned();
    std::net::TcpStream::connect(&address).expect("it listens");
    drop(lab);
    let refused = std::net::TcpStream::connect(&address);
    assert!(refused.is_err(), "it listens still");
}

#[tokio::test]
async fn a_watch_that_has_nothing_to_tell_stays() {
    let lab = Lab::start(1, &["a"], RIGHTS).await.expect("a store");
    let a = patient(&lab, "a").await;
    let first = a.txn(put("/t/all/x", "0")).await.expect("done").revision;
    let mut watch = a.watch("/t/all/", first + 1).await.expect("a watch");
    // It is asked every second whether it lives: etcd calls that too often for some connections.
    let idle = tokio::time::timeout(Duration::from_secs(6), watch.next()).await;
    assert!(idle.is_err(), "{idle:?}");
    a.txn(put("/t/all/x", "1")).await.expect("done");
    watch.next().await.expect("it tells");
}

#[tokio::test]
async fn a_full_store_says_so_and_deletes_still() {
    let quota = Some(16 << 20);
    let lab = Lab::start_small(1, &["a"], RIGHTS, quota).await;
    let lab = lab.expect("a store");
    let a = patient(&lab, "a").await;
    let text = "x".repeat(1_000_000);
    let mut last = Ok(());
    for number in 0..40 {
        last = a
            .txn(put(&format!("/t/all/{number}"), &text))
            .await
            .map(drop);
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last, Err(Error::Full));
    let delete = Txn {
        then: vec![Operation::DeleteAll("/t/all/".into())],
        ..Txn::default()
    };
    a.txn(delete).await.expect("deleted");
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_where() {
    let lab = Lab::start(1, &["a"], RIGHTS).await.expect("a store");
    let endpoint = lab.endpoints().remove(0);
    let said = async |settings: &Settings| {
        let client = Client::new(settings).await.expect("a client");
        let refused = client.txn(put("/t/own/b", "1")).await;
        refused.expect_err("refused").to_string()
    };
    let mut settings = lab.settings("a").expect("settings");
    settings.call = Duration::from_secs(10);
    let denied = "the store refuses it: permission denied. Look at the user and the role of this \
                  host's certificate";
    assert_eq!(said(&settings).await, denied);
    let mut stranger = lab.settings("stranger").expect("settings");
    stranger.call = settings.call;
    assert!(said(&stranger).await.starts_with("the store refuses it: "));
    let mut other = settings.clone();
    let port = endpoint.rsplit(':').next().expect("a port");
    other.endpoints = vec![endpoint.replace(port, "1")];
    let text = said(&other).await;
    let begin = format!("the store cannot be reached: {}: ", other.endpoints[0]);
    assert!(
        text.starts_with(&begin) && text.contains("refused"),
        "{text}"
    );
}
