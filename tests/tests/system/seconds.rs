//! Moments that are a second or two apart: each rule turns in its second, whatever the one before
//! has begun; a failure that counts for a second is forgotten after a second.
//!
//! What is measured are marks of the services themselves, and the times of events. Nothing may be
//! done before its moment; that it is begun within a second of it is asked of the decision, and of
//! the mark with room for a machine that has other work.

use end_to_end::{Event, Lab, System};

/// A machine under load starts a process so much later than it was told to, seconds.
const ROOM: f64 = 4.0;

/// A start or stop of a service, as it has written it down.
#[derive(Debug)]
struct Mark {
    at_s: f64,
    action: String,
    service: String,
    guest: String,
}

fn marks(lab: &Lab, service: &str) -> Vec<Mark> {
    let text = lab.sh("cat /srv/shared/marks 2> /dev/null || true").ok();
    let all = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Mark {
            at_s: words[0].parse().unwrap(),
            action: words[1].to_owned(),
            service: words[2].to_owned(),
            guest: words[3].to_owned(),
        }
    });
    all.filter(|mark| mark.service == service).collect()
}

fn now_s(lab: &Lab) -> i64 {
    lab.sh("date +%s").ok().trim().parse().unwrap()
}

fn moment(lab: &Lab, at_s: i64) -> String {
    let text = lab.sh(&format!("date -u -d @{at_s} '+%F %TZ'")).ok();
    text.trim().to_owned()
}

fn seconds(event: &Event) -> f64 {
    event.field("time").parse::<f64>().unwrap() / 1e6
}

/// When transitions began, seconds since the epoch.
fn begun(lab: &Lab) -> Vec<f64> {
    let events = lab.events();
    let begun = events.iter();
    let begun = begun.filter(|event| event.kind() == "transition.started");
    begun.map(seconds).collect()
}

/// That something was decided within the second that begins then.
#[track_caller]
fn decided_in(lab: &Lab, at_s: i64) {
    let begun = begun(lab);
    let second = at_s as f64..at_s as f64 + 1.0;
    let own = begun.iter().filter(|time| second.contains(*time));
    assert!(own.count() > 0, "nothing was begun in {at_s}: {begun:?}");
}

#[track_caller]
fn marked_after(mark: &Mark, at_s: i64) {
    let (from, end) = (at_s as f64, at_s as f64 + 1.0 + ROOM);
    assert!((from..end).contains(&mark.at_s), "{at_s}: {mark:?}");
}

fn boot(name: &str, resources: &str, constraints: &str) -> Lab {
    let lab = Lab::boot(name).with_guests(&["a", "b"]);
    lab.write("/srv/shared/marker", include_str!("marker.sh"));
    for guest in ["a", "b"] {
        lab.in_guest(guest, "mkdir -p /usr/lib/ocf/resource.d/test && install -m 755 /srv/shared/marker /usr/lib/ocf/resource.d/test/marker").ok();
    }
    lab.write("/srv/document.xml", &document(resources, constraints));
    deploy(&lab);
    lab
}

fn deploy(lab: &Lab) {
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    let settled = ["wait", "shop", "--for", "settled", "--timeout", "60s"];
    lab.cpectl(&settled).ok();
}

fn document(resources: &str, constraints: &str) -> String {
    let assembly = |name: &str| {
        format!(
            r#"<assembly name="{name}" address="unix:/run/cpe/guests/{name}/agent.sock"><fencing mode="manager"/></assembly>"#
        )
    };
    let (a, b) = (assembly("a"), assembly("b"));
    format!(
        r#"<deployable name="shop" time_zone="UTC" heartbeat_interval="500ms" heartbeat_timeout="3s" lease="30s">
  <assemblies>{a}{b}</assemblies>
  <configuration><resources>{resources}</resources><constraints>{constraints}</constraints></configuration>
</deployable>"#
    )
}

fn marker(name: &str) -> String {
    format!(r#"<primitive id="{name}" class="ocf" provider="test" type="marker"/>"#)
}

/// A service runs nowhere while one of the expressions holds.
fn kept_away(name: &str, expressions: &[String]) -> String {
    let expressions = expressions.concat();
    format!(
        r#"<rsc_location id="when-{name}" rsc="{name}"><rule id="rule-{name}" score="-INFINITY" boolean-op="or">{expressions}</rule></rsc_location>"#
    )
}

#[test]
fn rules_whose_moments_are_a_second_apart_turn_each_in_its_own() {
    let rows = ["first", "second", "third", "short"];
    let resources: String = rows.iter().map(|name| marker(name)).collect();
    let lab = boot("rules-by-the-second", &resources, &never(&rows));
    // It has been looked for everywhere: from now on there are only moments.
    let begin_s = now_s(&lab) + 15;
    let at = |offset_s: i64| moment(&lab, begin_s + offset_s);
    let before = |name: &str, offset_s: i64| {
        let end = at(offset_s);
        format!(r#"<date_expression id="before-{name}" operation="lt" end="{end}"/>"#)
    };
    let over = format!(
        r#"<date_expression id="over" operation="gt" start="{}"/>"#,
        at(6)
    );
    let constraints = [
        kept_away("first", &[before("first", 0)]),
        kept_away("second", &[before("second", 1)]),
        kept_away("third", &[before("third", 2)]),
        kept_away("short", &[before("short", 4), over]),
    ];
    lab.write(
        "/srv/document.xml",
        &document(&resources, &constraints.concat()),
    );
    deploy(&lab);
    assert!(now_s(&lab) < begin_s - 1, "deploying has taken too long");
    assert!(rows.iter().all(|name| marks(&lab, name).is_empty()));
    let look = lab.status("shop").0["next_look"].clone();
    assert_eq!(look["time"], begin_s * 1_000_000, "{look}");

    lab.wait("the last rule has turned", 60, || {
        marks(&lab, "short").len() == 2
    });
    for (name, offset_s) in [("first", 0), ("second", 1), ("third", 2), ("short", 4)] {
        let own = marks(&lab, name);
        assert_eq!(own[0].action, "start", "{own:?}");
        marked_after(&own[0], begin_s + offset_s);
        decided_in(&lab, begin_s + offset_s);
    }
    let own = marks(&lab, "short");
    assert_eq!(own[1].action, "stop", "{own:?}");
    // It is over from the second after the one that the document names.
    marked_after(&own[1], begin_s + 7);
    decided_in(&lab, begin_s + 7);
    let others = ["first", "second", "third"];
    assert!(others.iter().all(|name| marks(&lab, name).len() == 1));
}

/// Services that run nowhere.
fn never(names: &[&str]) -> String {
    let all = names.iter().flat_map(|name| {
        ["a", "b"].map(|node| {
            format!(
                r#"<rsc_location id="never-{name}-{node}" rsc="{name}" node="{node}" score="-INFINITY"/>"#
            )
        })
    });
    all.collect()
}

#[test]
fn a_failure_that_counts_for_a_second_is_forgotten_after_a_second() {
    let resources = r#"<primitive id="db" class="ocf" provider="test" type="marker">
        <meta_attributes id="db-meta">
          <nvpair id="db-threshold" name="migration-threshold" value="1"/>
          <nvpair id="db-timeout" name="failure-timeout" value="1s"/>
        </meta_attributes>
        <operations><op id="db-monitor" name="monitor" interval="1s" timeout="20s"/></operations>
      </primitive>"#;
    let constraints = r#"<rsc_location id="db-at-a" rsc="db" node="a" score="50"/>"#;
    let lab = boot("failure-of-a-second", resources, constraints);
    for round in 1..=3 {
        let before = marks(&lab, "db").len();
        let mark = marks(&lab, "db").pop().unwrap();
        assert_eq!((&*mark.action, &*mark.guest), ("start", "a"), "{round}");
        let killed_s = now_s(&lab) as f64;
        lab.in_guest("a", "kill -KILL $(cat /run/db.pid)").ok();
        lab.wait("it runs again where it is better", 60, || {
            let own = marks(&lab, "db");
            let back = own
                .last()
                .is_some_and(|it| it.action == "start" && it.guest == "a");
            own.len() > before && back && lab.status("shop").is_settled()
        });
        let told = lab.events();
        let failed = told.iter().filter(|event| event.kind() == "service.failed");
        let failed_s = failed.map(seconds).next_back().unwrap();
        assert!(failed_s > killed_s, "{failed_s} {killed_s}");
        let back_s = marks(&lab, "db").pop().unwrap().at_s;
        // A failure counts in whole seconds.
        let away_s = back_s - failed_s;
        assert!(
            (0.0..3.0 + 2.0 * ROOM).contains(&away_s),
            "{round}: {away_s}"
        );
        let forgotten_s = begun(&lab)
            .into_iter()
            .filter(|time| *time > failed_s + 0.5);
        let after_s = forgotten_s.fold(f64::MAX, f64::min) - failed_s;
        assert!(after_s < 2.0 + ROOM, "{round}: {after_s}");
        let failures = lab.status("shop").0["failures"].clone();
        assert_eq!(failures, serde_json::json!([]), "{round}");
    }
    let text = lab.cpectl(&["status", "shop", "--check"]).ok();
    assert_eq!(text, "shop: all is well\n");
}
