//! Operations: what is done, when, and what follows a failure.

use crate::lab::*;

#[test]
fn operations_are_done_as_their_elements_say() {
    let operations = r#"<instance_attributes id="p"><nvpair id="p1" name="ip" value="10.0.0.1"/></instance_attributes>
        <operations>
          <op id="a" name="start" interval="0" timeout="33s">
            <instance_attributes id="q"><nvpair id="q1" name="OCF_CHECK_LEVEL" value="10"/></instance_attributes></op>
          <op id="b" name="monitor" interval="7s" timeout="11s"/>
          <op id="c" name="monitor" interval="9s" enabled="false"/>
          <op id="d" name="monitor" interval="13s" role="Promoted"/>
        </operations>"#;
    let lab = Lab::new(1, &resources(&primitive_with("web", "", operations)));
    let start = lab.operation("start web n1");
    assert_eq!(start.timeout_ms, 33_000);
    assert_eq!(start.parameters["ip"], "10.0.0.1");
    assert_eq!(start.parameters["OCF_CHECK_LEVEL"], "10");
    assert_eq!(lab.monitors("web"), [(7_000, 11_000)].into());
    let stopped = monitored("web", "").replace("/></op", r#" role="Stopped"/></op"#);
    let preference = constraints(&location("web", "n1", "10"));
    let lab = Lab::new(2, &(resources(&stopped) + &preference));
    let orders = lab.orders.iter().filter(|(_, own)| own.interval_ms > 0);
    let monitors: Vec<&str> = orders.map(|(agent, _)| agent.as_str()).collect();
    assert_eq!(monitors, ["n2"], "where it does not run");
}

#[test]
fn a_failure_has_the_effect_that_the_operation_says() {
    let after = |on_fail: &str| {
        let web = monitored("web", "");
        let web = web.replace(
            "/></operations>",
            &format!(" on-fail=\"{on_fail}\"/></operations>"),
        );
        let text = resources(&(web + &primitive("db", "")))
            + &constraints(&(location("web", "n1", "10") + &location("db", "n1", "10")));
        let mut lab = Lab::new(2, &text);
        let before = lab.told().len();
        lab.monitor_fails("web");
        lab.wait(3);
        let fenced = lab.fenced.iter().map(|it| format!("fence {}", it.assembly));
        let mut told: Vec<String> = lab.told_since(before).into_iter().chain(fenced).collect();
        told.sort();
        told
    };
    assert_eq!(after("ignore"), [""; 0]);
    assert_eq!(after("block"), [""; 0]);
    assert_eq!(after("stop"), ["stop web n1"]);
    assert_eq!(after("restart"), ["start web n1", "stop web n1"]);
    let moved = ["start db n2", "start web n2", "stop db n1", "stop web n1"];
    assert_eq!(after("standby"), moved);
    let fenced = after("fence");
    assert!(fenced.contains(&"fence n1".to_owned()), "{fenced:?}");
    assert!(fenced.contains(&"start db n2".to_owned()), "{fenced:?}");
}

#[test]
fn operations_take_what_they_do_not_say_from_the_defaults() {
    let defaults = r#"<rsc_defaults><meta_attributes id="r">
          <rule id="rr" score="1"><rsc_expression id="re" type="Other"/></rule>
          <nvpair id="r1" name="target-role" value="Stopped"/></meta_attributes></rsc_defaults>
        <op_defaults>
          <meta_attributes id="s"><nvpair id="s1" name="timeout" value="44s"/><nvpair id="s2" name="on-fail" value="ignore"/></meta_attributes>
          <meta_attributes id="t" score="5">
            <rule id="tr" score="1"><op_expression id="te" name="monitor" interval="10s"/></rule>
            <nvpair id="t1" name="timeout" value="55s"/></meta_attributes>
        </op_defaults>"#;
    let other = primitive("db", "").replace("Simulated", "Other");
    let text = defaults.to_owned() + &resources(&(monitored("web", "") + &other));
    let mut lab = Lab::new(1, &text);
    assert_eq!(lab.operation("start web n1").timeout_ms, 44_000);
    assert_eq!(lab.monitors("web"), [(10_000, 55_000)].into());
    assert_eq!(lab.places("db"), [""; 0]);
    let before = lab.told().len();
    lab.monitor_fails("web");
    assert_eq!(lab.told_since(before), [""; 0], "it is ignored");
}

/// A service whose operation with that line has an unknown result, once and then again and again.
fn unknown(line: &str) -> (Lab, usize) {
    let text = resources(&monitored("web", "")) + &constraints(&location("web", "n1", "20"));
    let mut lab = Lab::of(&assemblies(&["", ""]), &text).hold(line);
    lab.all_answer();
    if line.starts_with("stop") {
        lab.monitor_fails("web");
    }
    assert_eq!(lab.told().last().unwrap(), line);
    let before = lab.told().len();
    lab.unknown(line);
    (lab, before)
}

#[test]
fn a_stop_whose_agent_was_killed_is_asked_for_again_and_nothing_is_fenced() {
    let (mut lab, before) = unknown("stop web n1");
    assert_eq!(lab.told_since(before), ["stop web n1"]);
    lab.ends("stop web n1", 0);
    assert_eq!(lab.told().last().unwrap(), "start web n1");
    assert!(lab.fenced.is_empty());
    assert!(
        lab.status()
            .failures
            .iter()
            .all(|own| own.operation != "stop")
    );
}

#[test]
fn a_start_whose_agent_was_killed_is_looked_at_and_begun_again() {
    let (mut lab, before) = unknown("start web n1");
    assert_eq!(lab.looked_for("web"), ["n1", "n1", "n2"]);
    assert_eq!(lab.told_since(before), ["start web n1"]);
    lab.ends("start web n1", 0);
    assert_eq!(lab.places("web"), ["n1"]);
    assert_eq!(lab.status().failures, []);
}

#[test]
fn what_kills_its_agent_again_and_again_has_failed() {
    let (mut lab, _) = unknown("stop web n1");
    for _ in 0..3 {
        assert!(lab.fenced.is_empty());
        lab.unknown("stop web n1");
    }
    assert_eq!(lab.fenced.len(), 1);
    let (mut lab, _) = unknown("start web n1");
    for _ in 0..3 {
        assert_eq!(lab.told().last().unwrap(), "start web n1");
        lab.unknown("start web n1");
    }
    assert_eq!(lab.places("web"), ["n2"]);
}

#[test]
fn an_operation_whose_result_does_not_come_has_timed_out_a_minute_later() {
    let start = r#"<operations><op id="a" name="start" interval="0" timeout="20s"/></operations>"#;
    let text = resources(&primitive_with("web", "", start));
    let mut lab = Lab::of(&assemblies(&["", ""]), &text).hold("start web n1");
    lab.all_answer();
    let before = lab.told().len();
    lab.wait(79);
    assert_eq!(lab.told_since(before), [""; 0], "it may still come");
    lab.wait(2);
    let told = lab.told_since(before);
    assert_eq!(told.first().map(String::as_str), Some("stop web n1"));
}
