//! What depends on time: rules turn in their second, in the zone of the deployment; failures are
//! forgotten when they expire; operations begin after their start delay. Each over the death of the
//! DPE.

use std::time::Duration;

use end_to_end::{Event, Lab, System};

/// Seconds that the sleepers sleep.
const TIMED: u32 = 310_001;
const FAILING: u32 = 310_002;
const SLOW: u32 = 310_003;
const AFTER: u32 = 310_004;

/// Ahead of UTC, seconds: the zone of the deployment, which no lab's host has.
const KOLKATA_S: i64 = 19_800;

/// A sleeper with its meta attributes and operations.
fn sleeper(name: &str, seconds: u32, meta: &[(&str, &str)], operations: &str) -> String {
    let pairs = |set: &str, pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| {
            format!(r#"<nvpair id="{name}-{set}-{key}" name="{key}" value="{value}"/>"#)
        });
        pairs.collect::<String>()
    };
    let (options, pid) = (seconds.to_string(), format!("/run/{name}.pid"));
    let parameters = [
        ("binfile", "/usr/bin/sleep"),
        ("cmdline_options", options.as_str()),
        ("pidfile", pid.as_str()),
    ];
    format!(
        r#"<primitive id="{name}" class="ocf" provider="heartbeat" type="anything">
        <meta_attributes id="{name}-meta">{}</meta_attributes>
        <instance_attributes id="{name}-parameters">{}</instance_attributes>
        <operations>{operations}</operations>
      </primitive>"#,
        pairs("meta", meta),
        pairs("parameters", &parameters)
    )
}

fn document(resources: &str, constraints: &str) -> String {
    let assembly = |name: &str| {
        format!(
            r#"<assembly name="{name}" address="unix:/run/cpe/guests/{name}/agent.sock"><fencing mode="lease"/></assembly>"#
        )
    };
    format!(
        r#"<deployable name="shop" uuid="6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a13" time_zone="Asia/Kolkata"
  heartbeat_interval="500ms" heartbeat_timeout="3s" lease="6s">
  <assemblies>{}{}</assemblies>
  <configuration><resources>{resources}</resources><constraints>{constraints}</constraints></configuration>
</deployable>"#,
        assembly("a"),
        assembly("b")
    )
}

fn now_s(lab: &Lab) -> i64 {
    lab.sh("date +%s").ok().trim().parse().unwrap()
}

/// A moment as a clock in Kolkata shows it.
fn in_kolkata(lab: &Lab, at_s: i64) -> String {
    let shown = at_s + KOLKATA_S;
    let text = lab.sh(&format!("date -u -d @{shown} '+%F %T'")).ok();
    text.trim().to_owned()
}

fn runs_in(lab: &Lab, seconds: u32, guest: &str) -> bool {
    let found = lab.sleepers(seconds);
    found.len() == 1 && found[0].0 == guest
}

/// When the first transition after that moment began, seconds since the epoch.
#[track_caller]
fn begun_after(lab: &Lab, at_s: i64) -> f64 {
    let events = lab.events();
    let seconds = |event: &Event| event.field("time").parse::<f64>().unwrap() / 1e6;
    let begun = events
        .iter()
        .filter(|event| event.kind() == "transition.started");
    let mut after = begun.map(seconds).filter(|time| *time >= at_s as f64);
    after
        .next()
        .unwrap_or_else(|| panic!("nothing was begun after {at_s}: {events:?}"))
}

/// Kills the DPE; the next one knows of both assemblies.
#[track_caller]
fn kill_dpe(lab: &Lab) {
    let pid = lab.main_pid("dpe@shop.service");
    lab.sh("systemctl kill -s KILL dpe@shop.service").ok();
    lab.wait("another DPE manages the deployment", 60, || {
        let status = lab.status("shop");
        ![0, pid].contains(&lab.main_pid("dpe@shop.service"))
            && status.assembly_state("a") == "online"
            && status.assembly_state("b") == "online"
    });
}

#[test]
fn a_rule_turns_in_its_second_in_the_zone_of_the_deployment() {
    let lab = Lab::boot("rule-by-time").with_guests(&["a", "b"]);
    let (begin_s, end_s) = (now_s(&lab) + 25, now_s(&lab) + 45);
    let resources = sleeper("timed", TIMED, &[], "");
    let (begin, end) = (in_kolkata(&lab, begin_s), in_kolkata(&lab, end_s));
    let constraints = format!(
        r##"<rsc_location id="timed-at-a" rsc="timed" node="a" score="50"/>
      <rsc_location id="timed-off-a" rsc="timed"><rule id="off-a" score="-INFINITY" boolean-op="and">
        <expression id="off-a-node" attribute="#uname" operation="eq" value="a"/>
        <date_expression id="off-a-time" operation="in_range" start="{begin}" end="{end}"/>
      </rule></rsc_location>"##
    );
    lab.write("/srv/document.xml", &document(&resources, &constraints));
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    assert!(now_s(&lab) < begin_s, "deploying has taken too long");
    assert!(runs_in(&lab, TIMED, "a"));
    let shown = lab.cpectl(&["status", "shop"]).ok();
    assert!(shown.contains("rules are looked at next: "), "{shown}");
    assert!(shown.contains("(a rule may turn)"), "{shown}");
    let look = &lab.status("shop").0["next_look"];
    assert_eq!(look["time"], begin_s * 1_000_000, "{look}");

    lab.wait("the rule holds", 60, || runs_in(&lab, TIMED, "b"));
    let begun = begun_after(&lab, begin_s);
    assert!(begun < begin_s as f64 + 1.0, "{begun} {begin_s}");
    kill_dpe(&lab);
    assert!(now_s(&lab) <= end_s, "the next DPE has taken too long");
    assert!(runs_in(&lab, TIMED, "b"));
    lab.wait("it holds no longer", 60, || runs_in(&lab, TIMED, "a"));
    // The last second belongs to it.
    let begun = begun_after(&lab, end_s);
    let turned = end_s as f64 + 1.0;
    assert!((turned..turned + 1.0).contains(&begun), "{begun} {end_s}");
}

#[test]
fn a_failure_that_expires_lets_its_service_back_by_itself() {
    let lab = Lab::boot("failure-timeout").with_guests(&["a", "b"]);
    let meta = [("migration-threshold", "1"), ("failure-timeout", "20s")];
    let monitor = r#"<op id="failing-monitor" name="monitor" interval="1s" timeout="20s"/>"#;
    let resources = sleeper("failing", FAILING, &meta, monitor);
    let constraints = r#"<rsc_location id="failing-at-a" rsc="failing" node="a" score="50"/>"#;
    lab.write("/srv/document.xml", &document(&resources, constraints));
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    assert!(runs_in(&lab, FAILING, "a"));

    let (_, pid) = lab.sleepers(FAILING)[0];
    lab.sh(&format!("kill -KILL {pid}")).ok();
    lab.wait("it has moved", 60, || runs_in(&lab, FAILING, "b"));
    let failures = lab.status("shop").0["failures"].clone();
    assert_eq!(failures[0]["assembly"], "a", "{failures}");
    assert_eq!(
        (&failures[0]["count"], &failures[0]["banned"]),
        (&1.into(), &true.into())
    );
    let forgotten_s = failures[0]["forgotten"].as_i64().unwrap() / 1_000_000;
    kill_dpe(&lab);
    assert!(now_s(&lab) < forgotten_s, "the next DPE has taken too long");
    let look = lab.status("shop").0["next_look"].clone();
    assert_eq!(look["reason"], "a failure expires", "{look}");
    assert!(
        runs_in(&lab, FAILING, "b"),
        "it does not move while that counts"
    );

    lab.wait("it is back", 60, || runs_in(&lab, FAILING, "a"));
    let begun = begun_after(&lab, forgotten_s - 2);
    let expected = forgotten_s as f64;
    assert!(
        (expected..expected + 2.0).contains(&begun),
        "{begun} {forgotten_s}"
    );
    lab.wait("the failure is forgotten", 30, || {
        let status = lab.status("shop");
        status.is_settled() && status.0["failures"].as_array().is_some_and(Vec::is_empty)
    });
    let text = lab.cpectl(&["status", "shop", "--check"]).ok();
    assert_eq!(text, "shop: all is well\n");
}

#[test]
fn an_operation_begins_after_its_start_delay() {
    let lab = Lab::boot("start-delay").with_guests(&["a", "b"]);
    // A first turn of the monitor that comes in a day keeps nobody waiting.
    let operations = r#"<op id="slow-start" name="start" interval="0" timeout="20s" start-delay="12s"/>
        <op id="slow-monitor" name="monitor" interval="1s" timeout="20s" start-delay="24h"/>"#;
    let daily = r#"<op id="after-monitor" name="monitor" interval="24h" timeout="20s" interval-origin="2026-01-01T00:00:00Z"/>"#;
    let resources = sleeper("slow", SLOW, &[], operations) + &sleeper("after", AFTER, &[], daily);
    let constraints = r#"<rsc_location id="slow-at-a" rsc="slow" node="a" score="50"/>
      <rsc_location id="after-at-b" rsc="after" node="b" score="50"/>
      <rsc_order id="slow-first" first="slow" then="after"/>"#;
    lab.write("/srv/document.xml", &document(&resources, constraints));
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    lab.wait("the agent has the start", 60, || {
        let status = lab.status("shop");
        let running = status.0["transition"]["running"].as_array().cloned();
        let mut running = running.unwrap_or_default().into_iter();
        running.any(|action| action["action"] == "start" && action["service"] == "slow")
    });
    let asked_s = now_s(&lab);
    std::thread::sleep(Duration::from_secs(1));
    // Neither the death of the agent nor that of the DPE makes it longer.
    lab.in_guest("a", "systemctl kill -s KILL cpe-agent.service")
        .ok();
    kill_dpe(&lab);
    assert_eq!(lab.sleepers(SLOW), []);
    lab.wait("it has begun", 60, || runs_in(&lab, SLOW, "a"));
    let waited_s = now_s(&lab) - asked_s;
    assert!((10..=16).contains(&waited_s), "{waited_s}");
    lab.wait("what comes after it has waited", 60, || {
        runs_in(&lab, AFTER, "b")
    });
    let waited_s = now_s(&lab) - asked_s;
    assert!(waited_s >= 11, "{waited_s}");
    lab.wait("nobody waits for monitors", 60, || {
        lab.status("shop").is_settled()
    });
    let before = lab.events().len();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(lab.events().len(), before, "it is at rest");
}
