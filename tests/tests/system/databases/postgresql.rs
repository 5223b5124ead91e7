//! `examples/postgresql.xml`: a client writes while the primary's guest loses its power.

use std::collections::BTreeSet;

use end_to_end::{Ledger, System, longest_pause, now, two_at_once};

/// Rows that are written before and after.
const SOME: usize = 100;

#[test]
fn no_acknowledged_row_is_lost_when_the_primary_of_postgresql_is() {
    let ledger = Ledger::boot("postgresql");
    let lab = &ledger.lab;
    lab.cpectl(&["deploy", ledger.document()]).ok();
    let ready = lab.wait("a primary and two standbys", 90, || ledger.is_complete());
    ledger.use_it();
    lab.wait("the client writes", 30, || ledger.written().len() > SOME);
    lab.wait("the primary is watched", 30, || !ledger.reigns().is_empty());

    let first = ledger.primary().unwrap();
    let cut_at = now();
    lab.cut(&first);
    lab.wait(
        "a standby is promoted, and the client writes again",
        60,
        || {
            let rows = ledger.written();
            rows.iter().filter(|row| row.at > cut_at + 1.0).count() > SOME
        },
    );
    let second = ledger.primary().unwrap();
    assert_ne!(second, first);
    let paused = longest_pause(&ledger.written(), cut_at);

    let rejoined = bring_back(&ledger, &first, &second);
    assert!(rejoined.contains(&first), "nobody unlocked {first}");
    ledger.stop_client();

    let reigns = ledger.reigns();
    assert_eq!(two_at_once(&reigns), None);
    let seen: BTreeSet<&str> = reigns.iter().map(|reign| reign.guest.as_str()).collect();
    assert_eq!(seen, BTreeSet::from([first.as_str(), second.as_str()]));
    let written = ledger.written();
    nothing_is_missing(&ledger, &written.iter().map(|row| row.number).collect());
    eprintln!(
        "postgresql: complete {:.1} s after its deployment; {} rows; no acknowledgement for {paused:.1} s; from {first} to {second}; copied again: {rejoined:?}",
        ready.as_secs_f64(),
        written.len(),
    );
}

#[test]
fn a_standby_of_postgresql_that_was_ahead_is_banned_until_it_has_a_new_copy() {
    let ledger = Ledger::boot("postgresql-ahead");
    let lab = &ledger.lab;
    lab.cpectl(&["deploy", ledger.document()]).ok();
    lab.wait("a primary and two standbys", 90, || ledger.is_complete());
    ledger.use_it();
    lab.wait("the client writes", 30, || ledger.written().len() > SOME);
    let first = ledger.primary().unwrap();
    let (waited_for, others): (Vec<_>, Vec<_>) = ledger
        .standbys(&first)
        .into_iter()
        .partition(|(_, state)| state == "sync");
    let (second, ahead) = (&waited_for[0].0, &others[0].0);

    // A row reaches the standby that nobody waits for, and not the other one.
    lab.run(&["/srv/lab/guests.sh", "link", second, "down"])
        .ok();
    let row = "set synchronous_commit = local; insert into ledger values (0)";
    ledger.query(&first, row);
    lab.wait("a standby is ahead", 5, || {
        ledger.kept(ahead).len() > ledger.kept(second).len()
    });
    lab.cut(&first);
    // What the kernel has queued for the other one would still be sent, and would hold the cable.
    lab.run(&["ip", "link", "delete", &format!("vb-{first}")]);
    lab.run(&["/srv/lab/guests.sh", "link", second, "up"]).ok();
    lab.wait("it is banned, and the other one is promoted", 60, || {
        let bans = lab.status("ledger").0["bans"].clone();
        let banned = |ban: &serde_json::Value| {
            ban["set_by_guest"] == true && ban["assembly"] == ahead.as_str()
        };
        bans.as_array().is_some_and(|bans| bans.iter().any(banned))
            && ledger.primary().as_ref() == Some(second)
    });
    let rejoined = bring_back(&ledger, &first, second);
    assert_eq!(
        rejoined.into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([first, ahead.clone()])
    );
    ledger.stop_client();
    assert_eq!(two_at_once(&ledger.reigns()), None);
    let written = ledger.written();
    nothing_is_missing(&ledger, &written.iter().map(|row| row.number).collect());
}

/// What an operator does until there are two standbys again: the former primary must be unlocked,
/// and so must a standby that had more than the new primary. Gives whom it was done for.
fn bring_back(ledger: &Ledger, first: &str, second: &str) -> Vec<String> {
    let lab = &ledger.lab;
    lab.wait(
        "the former primary is locked, and the status says so",
        60,
        || ledger.is_locked(),
    );
    // What the failed start brings about still looks at the data that the operator replaces.
    lab.wait("nothing is under way", 60, || {
        let status = lab.status("ledger");
        status.0["deciding"] == false && status.0["transition"]["state"] != "running"
    });
    assert!(!ledger.standbys(second).contains_key(first));
    let mut rejoined = Vec::new();
    for guest in Ledger::GUESTS.iter().filter(|&&guest| guest != second) {
        if !ledger.standbys(second).contains_key(*guest) {
            ledger.rejoin(guest);
            rejoined.push((*guest).to_owned());
        }
    }
    lab.wait("two standbys again", 60, || ledger.is_complete());
    assert_eq!(ledger.primary().as_deref(), Some(second));
    rejoined
}

/// Every server has every acknowledged row, the standbys when they have caught up.
fn nothing_is_missing(ledger: &Ledger, written: &BTreeSet<u64>) {
    let count = written.len();
    assert!(count > SOME, "{count} rows");
    for guest in Ledger::GUESTS {
        let missing = || -> Vec<u64> {
            let kept = ledger.kept(guest);
            written.difference(&kept).copied().take(10).collect()
        };
        if ledger.primary().as_deref() == Some(guest) {
            assert_eq!(
                missing(),
                Vec::<u64>::new(),
                "acknowledged rows that the primary {guest} lost"
            );
        }
        let what = format!("the standby {guest} has every acknowledged row");
        ledger.lab.wait(&what, 20, || missing().is_empty());
    }
}
