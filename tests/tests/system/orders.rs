//! What administrators and cloud managers ask for, each order over the death of the DPE that took
//! it: standby, with a live migration and notifications by a real agent; maintenance; cleanup;
//! confirming that a lost assembly is down.

use std::collections::BTreeMap;
use std::time::Duration;

use end_to_end::{Event, Lab, System};

use crate::walker;

const DOCUMENT: &str = r#"<deployable name="shop" heartbeat_interval="500ms" heartbeat_timeout="3s" lease="6s">
  <assemblies>
    <assembly name="a" address="unix:/run/cpe/guests/a/agent.sock"><fencing mode="manager"/></assembly>
    <assembly name="b" address="unix:/run/cpe/guests/b/agent.sock"><fencing mode="manager"/></assembly>
  </assemblies>
  <configuration>
    <resources>
      <primitive id="walker" class="ocf" provider="test" type="walker">
        <meta_attributes id="walker-meta"><nvpair id="walker-migrates" name="allow-migrate" value="true"/></meta_attributes>
        <operations><op id="walker-monitor" name="monitor" interval="1s" timeout="20s"/></operations>
      </primitive>
      <clone id="watched-clone">
        <meta_attributes id="watched-meta">
          <nvpair id="watched-promotable" name="promotable" value="true"/><nvpair id="watched-notify" name="notify" value="true"/>
        </meta_attributes>
        <primitive id="watched" class="ocf" provider="test" type="walker">
          <operations><op id="watched-monitor" name="monitor" interval="2s" timeout="20s"/></operations>
        </primitive>
      </clone>
    </resources>
    <constraints>
      <rsc_location id="walker-at-a" rsc="walker" node="a" score="50"/>
      <rsc_location id="watched-at-a" rsc="watched-clone" node="a" score="100" role="Promoted"/>
      <rsc_location id="watched-at-b" rsc="watched-clone" node="b" score="50" role="Promoted"/>
    </constraints>
  </configuration>
</deployable>"#;

/// What the agents were asked for, in order: all guests write into one file.
fn walked(lab: &Lab) -> Vec<String> {
    let lines = lab.sh("cat /srv/shared/walked").ok();
    lines.lines().map(str::to_owned).collect()
}

/// Where the process of the walker is: `(guest, pid)`.
fn walkers(lab: &Lab) -> Vec<(String, u32)> {
    lab.processes("^/bin/bash /srv/shared/count walker ")
}

fn told(lab: &Lab, after: usize, kind: &str) -> Vec<Event> {
    let events = lab.events().into_iter().skip(after);
    events.filter(|event| event.kind() == kind).collect()
}

#[track_caller]
fn settle(lab: &Lab, why: &str, home: &str) {
    lab.wait(why, 90, || {
        let status = lab.status("shop");
        status.assembly_of("walker").as_deref() == Some(home)
            && status.0["transition"]["state"] != "running"
            && walkers(lab).len() == 1
            && walkers(lab)[0].0 == home
    });
}

/// Kills the DPE; the next one knows of both assemblies.
#[track_caller]
fn kill_dpe(lab: &Lab) {
    let pid = lab.main_pid("dpe@shop.service");
    lab.manage(&["kill", "--signal=KILL", "dpe@shop.service"])
        .ok();
    lab.wait("another DPE manages the deployment", 60, || {
        let status = lab.status("shop");
        ![0, pid].contains(&lab.main_pid("dpe@shop.service"))
            && !status.services().is_empty()
            && status.state() != "loading"
    });
}

/// Guest, `pre promote` and the like, and what else a notification says, without white space
/// around it.
type Notification = (String, String, BTreeMap<String, String>);

fn notifications(lines: &[String]) -> Vec<Notification> {
    let notified = lines.iter().filter_map(|line| {
        let (guest, said) = line.split_once(" notify watched ")?;
        let pairs = said.split('|').filter_map(|pair| pair.split_once('='));
        let mut said: BTreeMap<String, String> = pairs
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut take = |name: &str| said.remove(name).unwrap_or_default();
        let of = format!("{} {}", take("type"), take("operation"));
        Some((guest.to_owned(), of, said))
    });
    notified.collect()
}

/// All that a notification says, by the specification (scheduler-spec/04 §16.2).
fn said(lists: &[(&str, &str, &str)]) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    let empty = [
        "start",
        "stop",
        "promote",
        "demote",
        "active",
        "promoted",
        "master",
        "unpromoted",
        "slave",
    ];
    for name in empty {
        said.insert(format!("{name}_resource"), String::new());
        said.insert(format!("{name}_uname"), String::new());
    }
    said.insert("inactive_resource".into(), String::new());
    said.insert("available_uname".into(), "a b".into());
    said.insert("all_uname".into(), "a b".into());
    for (name, resources, nodes) in lists {
        said.insert(format!("{name}_resource"), (*resources).to_owned());
        if *name != "inactive" {
            said.insert(format!("{name}_uname"), (*nodes).to_owned());
        }
    }
    said
}

/// Every notification says that, and of which step of which action it is.
#[track_caller]
fn expect_said(all: &[Notification], expected: &BTreeMap<String, String>) {
    for (guest, of, found) in all {
        let mut expected = expected.clone();
        let key = match of.as_str() {
            "post start" => "running",
            "post stop" => "stopped",
            "post promote" => "promoted",
            "post demote" => "demoted",
            before => before.trim_start_matches("pre "),
        };
        let when = of.split(' ').next().unwrap_or_default();
        expected.insert("key_operation".into(), key.into());
        expected.insert("key_type".into(), when.into());
        assert_eq!(found, &expected, "{of} in {guest}");
    }
}

/// Every line is there, each after the one before.
#[track_caller]
fn in_order(lines: &[String], expected: &[&str]) {
    let short: Vec<String> = lines
        .iter()
        .map(
            |line| match notifications(std::slice::from_ref(line)).pop() {
                Some((guest, of, _)) => format!("{guest} {of} watched"),
                None => line.clone(),
            },
        )
        .collect();
    let mut rest = short.iter();
    for wanted in expected {
        let found = rest.any(|line| line == wanted);
        assert!(found, "{wanted} is missing, or too early, in {short:#?}");
    }
}

/// The first start: the one promoted instance runs in `a`.
#[track_caller]
fn check_first_start(lab: &Lab) {
    let lines = walked(lab);
    in_order(
        &lines,
        &[
            "a start watched",
            "a post start watched",
            "a pre promote watched",
            "a promote watched",
            "a post promote watched",
        ],
    );
    in_order(
        &lines,
        &[
            "b start watched",
            "b post start watched",
            "b pre promote watched",
            "a promote watched",
            "b post promote watched",
        ],
    );
    let all = notifications(&lines);
    // Instances are numbered as they are given places: which is where, the first one tells.
    let (starts, at_a) = match all[0].2["start_uname"].as_str() {
        "a b" => ("a b", "watched:0"),
        _ => ("b a", "watched:1"),
    };
    let expected = said(&[
        ("inactive", "watched:0 watched:1", ""),
        ("start", "watched:0 watched:1", starts),
        ("promote", at_a, "a"),
    ]);
    expect_said(&all, &expected);
    assert_eq!(all.len(), 6, "{all:#?}");
}

/// `a` is emptied: the walker moves live, the promoted instance is replaced.
#[track_caller]
fn check_standby(lab: &Lab, lines: &[String], told_before: usize) {
    in_order(
        lines,
        &[
            "a migrate_to walker",
            "b migrate_from walker",
            "a stop walker",
        ],
    );
    in_order(
        lines,
        &[
            "b pre demote watched",
            "a demote watched",
            "b post demote watched",
            "b pre stop watched",
            "a stop watched",
            "b post stop watched",
            "b pre promote watched",
            "b promote watched",
            "b post promote watched",
        ],
    );
    let all = notifications(lines);
    let at = |guest: &str| {
        let names = all[0].2["active_uname"].split(' ');
        let mut pairs = all[0].2["active_resource"].split(' ').zip(names);
        pairs.find(|(_, name)| *name == guest).unwrap().0
    };
    let (a, b) = (at("a"), at("b"));
    let expected = said(&[
        (
            "active",
            "watched:0 watched:1",
            all[0].2["active_uname"].as_str(),
        ),
        ("demote", a, "a"),
        ("stop", a, "a"),
        ("promote", b, "b"),
        ("promoted", a, "a"),
        ("master", a, "a"),
        ("unpromoted", b, "b"),
        ("slave", b, "b"),
    ]);
    expect_said(&all, &expected);
    // Both hear of the demotion and before the stop, the one that is left of the rest.
    assert_eq!(all.len(), 9, "{all:#?}");
    let moved = told(lab, told_before, "service.moved");
    let moved = moved
        .iter()
        .find(|event| event.field("service") == "walker");
    assert_eq!(moved.unwrap().field("assembly"), "b");
    assert_eq!(told(lab, told_before, "service.failed").len(), 0);
}

#[test]
fn orders_hold_over_the_death_of_the_dpe() {
    let lab = walker::boot("orders", DOCUMENT);
    settle(&lab, "all is at rest", "a");
    check_first_start(&lab);
    standby(&lab);
    maintenance(&lab);
    cleanup(&lab);
    confirm(&lab);
}

/// Standby, with a live migration there and back; the process's count goes along.
#[track_caller]
fn standby(lab: &Lab) {
    let (before, told_before) = (walked(lab).len(), lab.events().len());
    lab.cpectl(&["standby", "shop", "a"]).ok();
    settle(lab, "the walker moved", "b");
    lab.wait("nothing is left in a", 60, || {
        lab.processes("^/bin/bash /srv/shared/count ")
            .iter()
            .all(|(guest, _)| guest == "b")
    });
    check_standby(lab, &walked(lab)[before..], told_before);
    let count = check_count(lab, "b");

    kill_dpe(lab);
    std::thread::sleep(Duration::from_secs(3));
    settle(lab, "it stays where it was moved to", "b");
    assert_eq!(lab.status("shop").assembly_state("a"), "standby");
    lab.cpectl(&["unstandby", "shop", "a"]).ok();
    settle(lab, "it is back", "a");
    assert!(check_count(lab, "a") > count, "it counted in b");
    let starts = walked(lab);
    let starts = starts.iter().filter(|line| line.ends_with(" start walker"));
    assert_eq!(starts.count(), 1, "it was never started again");
}

/// How far the process came before it moved; the one that runs now has begun with that.
#[track_caller]
fn check_count(lab: &Lab, home: &str) -> u64 {
    let text = lab.sh("cat /srv/shared/walker.count").ok();
    let count: u64 = text.trim().parse().unwrap();
    let found = lab.processes(&format!("^/bin/bash /srv/shared/count walker {count}$"));
    assert!(
        count > 0 && found.len() == 1 && found[0].0 == home,
        "{count} {found:?}"
    );
    count
}

/// Hands off, until the order is taken back.
#[track_caller]
fn maintenance(lab: &Lab) {
    lab.cpectl(&["maintenance", "shop", "on"]).ok();
    kill_dpe(lab);
    let pid = walkers(lab)[0].1;
    lab.sh(&format!("kill -9 {pid}")).ok();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(walkers(lab), [], "it was started under maintenance");
    let told_before = lab.events().len();
    lab.cpectl(&["maintenance", "shop", "off"]).ok();
    settle(lab, "it runs again", "a");
    lab.wait("that is told", 60, || {
        !told(lab, told_before, "service.recovered").is_empty()
    });
}

/// What failed everywhere is tried again when a person says so, not before.
#[track_caller]
fn cleanup(lab: &Lab) {
    let told_before = lab.events().len();
    lab.sh("touch /srv/shared/walker.broken").ok();
    lab.sh(&format!("kill -9 {}", walkers(lab)[0].1)).ok();
    lab.wait("it can run nowhere", 90, || {
        !told(lab, told_before, "service.unrecoverable").is_empty()
    });
    lab.sh("rm /srv/shared/walker.broken").ok();
    kill_dpe(lab);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(walkers(lab), [], "its failures were forgotten");
    assert_eq!(lab.status("shop").state(), "degraded");
    lab.cpectl(&["cleanup", "shop", "walker"]).ok();
    settle(lab, "it runs again", "a");
}

/// A lost assembly is safe when the cloud manager says so, about this loss.
#[track_caller]
fn confirm(lab: &Lab) {
    let told_before = lab.events().len();
    lab.cut("a");
    lab.wait("the cloud manager is asked", 90, || {
        !told(lab, told_before, "assembly.fencing-requested").is_empty()
    });
    let requested = told(lab, told_before, "assembly.fencing-requested").remove(0);
    let details = &requested.0["details"];
    let attempt = details["attempt"].as_str().unwrap().to_owned();
    assert_eq!(
        (
            requested.field("assembly").as_str(),
            details["mode"].as_str()
        ),
        ("a", Some("manager"))
    );
    kill_dpe(lab);
    let confirm =
        |attempt: &str| lab.cpectl(&["confirm-fenced", "shop", "a", "--attempt", attempt]);
    lab.wait("the loss is known to the next DPE", 60, || {
        lab.status("shop").assembly_state("a") == "fencing"
    });
    let refused = confirm("1-999");
    assert!(
        refused.code != 0 && refused.stderr.contains(&attempt),
        "{refused:?}"
    );
    std::thread::sleep(Duration::from_secs(8)); // longer than the lease
    assert_eq!(
        walkers(lab),
        [],
        "it runs elsewhere, and nobody confirmed anything"
    );
    assert_eq!(
        told(lab, told_before, "assembly.fencing-succeeded").len(),
        0
    );
    confirm(&attempt).ok();
    settle(lab, "it runs elsewhere", "b");
    assert_eq!(
        told(lab, told_before, "assembly.fencing-succeeded").len(),
        1
    );
    lab.guest("start", "a");
    settle(lab, "it is back where it should be", "a");
}
