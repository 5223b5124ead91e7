//! What an answer must not say: each of these was said once, and was not so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod small_cluster;

use policy_engine::explain::{Question, Temporary, Terms};

use small_cluster::{
    Input, STOPPED, answer_to, clone, failed, history, holds, lacks, runs, several, with_meta,
};

const DEVICE: &str = r#"<primitive id="f" class="stonith" type="fence_x"/>"#;

#[test]
fn a_member_of_a_cloned_group_is_not_restarted_because_of_interleave() {
    let group = several(
        "group",
        "g",
        &[],
        &(with_meta("a", &[], "") + &with_meta("b", &[], "")),
    );
    let input = Input {
        resources: several("clone", "c", &[], &group),
        histories: [failed("a") + &runs("b"), runs("a") + &runs("b")],
        ..Input::default()
    };
    let answer = input.answer("b:0");
    holds(&answer, "(group g)");
    lacks(&answer, "interleave");
}

#[test]
fn interleave_is_not_blamed_where_the_instance_beside_it_changes() {
    for interleave in ["true", "false"] {
        let meta = [("interleave", interleave)];
        let input = Input {
            resources: clone("fs", &meta) + &clone("web", &meta),
            constraints: r#"<rsc_order id="o" first="fs-clone" then="web-clone"/>"#,
            histories: [failed("fs") + &runs("web"), runs("fs") + &runs("web")],
            ..Input::default()
        };
        let answer = input.answer("web:0");
        holds(
            &answer,
            "fs:0 will be started, and what comes after it is restarted (order constraint o)",
        );
        lacks(&answer, "--set-parameter interleave");
        lacks(answer.lines().next().unwrap(), "interleave");
    }
}

#[test]
fn an_optional_order_is_not_said_to_bind_starts() {
    let input = Input {
        resources: with_meta("db", STOPPED, "") + &with_meta("app", &[], ""),
        constraints: r#"<rsc_order id="o" first="db" then="app" kind="Optional" symmetrical="false"/>"#,
        histories: [runs("db"), runs("app")],
        ..Input::default()
    };
    lacks(&input.answer("app"), "binds starts only");
    lacks(&input.answer("db"), "binds starts only");
}

#[test]
fn an_order_in_one_direction_says_which_actions_it_binds() {
    let input = |constraints: &'static str| Input {
        resources: with_meta("db", STOPPED, "") + &with_meta("app", &[], ""),
        constraints,
        histories: [runs("db"), runs("app")],
        ..Input::default()
    };
    // It does hold for this stop: nothing has to be said.
    let stops = input(
        r#"<rsc_order id="o" first="db" first-action="stop" then="app" then-action="start" symmetrical="false"/>"#,
    );
    lacks(&stops.answer("db"), "binds starts only");
    lacks(&stops.answer("app"), "binds starts only");
    let promoted = Input {
        resources: several(
            "clone",
            "c",
            &[("promotable", "true"), ("target-role", "Unpromoted")],
            &with_meta("d", &[], ""),
        ) + &with_meta("app", &[], ""),
        constraints: r#"<rsc_order id="o" first="c" first-action="promote" then="app" then-action="start" symmetrical="false"/>"#,
        attribute: Some(("master-d", "10")),
        histories: [
            history(
                "d",
                &[
                    ("start", 0, 0, 0),
                    ("promote", 0, 0, 0),
                    ("monitor", 10_000, 8, 8),
                ],
            ) + &runs("app"),
            runs("d"),
        ],
        ..Input::default()
    };
    holds(
        &promoted.answer("app"),
        "Order constraint o has symmetrical=false, so it binds the promotion of c and the start of app only: app is not stopped because c is demoted.",
    );
}

fn not_critical(meta: &[(&str, &str)], constraints: &'static str) -> Input<'static> {
    Input {
        resources: with_meta("a", &[], "")
            + &with_meta("b", &[&[("critical", "false")], meta].concat(), ""),
        constraints,
        histories: [runs("a") + &runs("b"), String::new()],
        ..Input::default()
    }
}

#[test]
fn what_does_not_run_for_another_reason_is_not_called_uncritical() {
    let with_a = r#"<rsc_colocation id="k" rsc="b" with-rsc="a" score="INFINITY"/>"#;
    lacks(
        &not_critical(STOPPED, with_a).answer("b"),
        "critical=false is set",
    );
    // There is no other node where b could run.
    let nowhere = r#"<rsc_colocation id="k" rsc="b" with-rsc="a" score="INFINITY"/><rsc_location id="n1" rsc="b" node="n1" score="-INFINITY"/><rsc_location id="n2" rsc="b" node="n2" score="-INFINITY"/>"#;
    lacks(
        &not_critical(&[], nowhere).answer("b"),
        "critical=false is set",
    );
    let elsewhere = r#"<rsc_colocation id="k" rsc="b" with-rsc="a" score="INFINITY"/><rsc_location id="n1" rsc="b" node="n1" score="-INFINITY"/>"#;
    holds(
        &not_critical(&[], elsewhere).answer("b"),
        "critical=false is set for b, so a stays where it is",
    );
}

#[test]
fn the_first_of_several_primaries_is_not_called_what_b_waits_for() {
    let input = Input {
        resources: with_meta("z", STOPPED, "")
            + &with_meta("a", &[], "")
            + &with_meta("b", &[("critical", "false")], ""),
        constraints: r#"<rsc_colocation id="apart" rsc="b" with-rsc="z" score="-INFINITY"/><rsc_colocation id="k" rsc="b" with-rsc="a" score="INFINITY"/><rsc_location id="n1" rsc="b" node="n1" score="-INFINITY"/>"#,
        histories: [runs("a") + &runs("b"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("b"),
        "critical=false is set for b, so a stays where it is",
    );
}

#[test]
fn a_ban_for_a_while_is_not_called_left_behind_for_a_role_either() {
    let input = Input {
        resources: several(
            "clone",
            "c",
            &[("promotable", "true")],
            &with_meta("d", &[], ""),
        ),
        constraints: r#"<rsc_location id="cli-ban-c-on-n1" rsc="c" role="Promoted" node="n1" score="-INFINITY"/>"#,
        attribute: Some(("master-d", "10")),
        histories: [runs("d"), runs("d")],
        ..Input::default()
    };
    let mut terms = Terms::deployment("shop");
    let known = Temporary {
        text: "c is banned from n1 until tomorrow".into(),
        remedy: "cpectl clear shop c".into(),
    };
    terms.temporary.insert("cli-ban-c-on-n1".into(), known);
    let question = Question {
        resource: Some("d:0"),
        node: None,
    };
    let answer = input.asked_in(question, &terms);
    holds(
        &answer,
        "-INFINITY because c is banned from n1 until tomorrow",
    );
    holds(&answer, "    cpectl clear shop c\n");
    lacks(&answer, "left behind");
    lacks(&answer, "from the document");
}

#[test]
fn a_policy_without_quorum_that_is_not_known_is_said_not_to_be() {
    let input = Input {
        resources: with_meta("a", &[], ""),
        histories: [runs("a"), String::new()],
        options: &[("no-quorum-policy", "Continue")],
        no_quorum: true,
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "no-quorum-policy=Continue, which is not one of stop, freeze, ignore, demote and fence and so acts like stop, allows nothing to run without it",
    );
}

#[test]
fn what_blocks_is_the_failure_with_that_response_and_not_another_stop() {
    let monitor = r#"<op id="a-m" name="monitor" interval="10s" on-fail="block"/><op id="a-s" name="stop" interval="0" on-fail="ignore"/>"#;
    let a = format!(
        r#"<primitive id="a" class="ocf" provider="pacemaker" type="Stateful"><operations>{monitor}</operations></primitive>"#
    );
    let input = Input {
        resources: a + DEVICE,
        options: &[("stonith-enabled", "true")],
        histories: [history("a", &[("stop", 0, 1, 0)]), failed("a")],
        ..Input::default()
    };
    let answer = input.answer("a");
    holds(
        &answer,
        "because its monitor every 10 s failed with exit code 7 (not running) on n2",
    );
    holds(
        &answer,
        "mend it on n2, then: crm_resource --cleanup --resource a --node n2",
    );
}

fn of_node(node: &str) -> Question<'_> {
    Question {
        resource: None,
        node: Some(node),
    }
}

#[test]
fn a_node_that_joins_has_not_left() {
    let input = Input {
        resources: with_meta("a", &[], ""),
        ..Input::default()
    };
    let joining = input
        .text()
        .replacen("join=\"member\"", "join=\"pending\"", 1);
    let answer = answer_to(&joining, of_node("n1"), &Terms::CLUSTER);
    holds(&answer, "n1 is joining the cluster and takes nothing yet.");
    lacks(&answer, "left the cluster");
}

#[test]
fn a_node_takes_nothing_where_the_whole_cluster_starts_nothing() {
    let input = |options: &'static [(&'static str, &'static str)], no_quorum| Input {
        resources: with_meta("a", &[], ""),
        options,
        no_quorum,
        ..Input::default()
    };
    for (options, no_quorum, words) in [
        (
            &[("maintenance-mode", "true")],
            false,
            "the whole cluster is in maintenance (maintenance-mode=true)",
        ),
        (
            &[("stonith-enabled", "true")],
            false,
            "fencing is enabled, but there is neither a fencing device nor a watchdog",
        ),
        (
            &[("stop-all-resources", "true")],
            false,
            "stop-all-resources=true stops all resources",
        ),
        (
            &[("no-quorum-policy", "freeze")],
            true,
            "the cluster has no quorum, and no-quorum-policy=freeze starts and promotes nothing",
        ),
    ] {
        let answer = input(options, no_quorum).about_node("n1");
        holds(
            &answer,
            &format!("n1 is online, but takes no resources now: {words}"),
        );
    }
    let answer = input(&[("no-quorum-policy", "ignore")], true).about_node("n1");
    holds(&answer, "n1 is online and takes resources.");
}

#[test]
fn a_failure_whose_time_is_over_is_not_forgotten_in_the_past() {
    let input = Input {
        resources: with_meta("a", &[("failure-timeout", "1min")], ""),
        attribute: Some(("fail-count-a#monitor_10000", "1")),
        histories: [failed("a"), String::new()],
        ..Input::default()
    };
    let text = input.text().replacen(
        "</instance_attributes></transient_attributes>",
        "<nvpair id=\"last\" name=\"last-failure-a#monitor_10000\" value=\"1699999000\"/></instance_attributes></transient_attributes>",
        1,
    );
    let question = Question {
        resource: Some("a"),
        node: None,
    };
    let answer = answer_to(&text, question, &Terms::CLUSTER);
    holds(
        &answer,
        "its time is over, and it is forgotten now (failure-timeout).",
    );
    lacks(&answer, "to forget it");
}

#[test]
fn a_standby_until_the_next_restart_is_ended_as_such() {
    let input = Input {
        resources: with_meta("a", &[], ""),
        attribute: Some(("standby", "on")),
        ..Input::default()
    };
    holds(
        &input.about_node("n1"),
        "    end the standby: crm_standby --node n1 --delete --lifetime=reboot\n",
    );
    let input = Input {
        nodes: [
            r#"<instance_attributes id="i"><nvpair id="s" name="standby" value="on"/></instance_attributes>"#,
            "",
        ],
        ..input
    };
    let input = Input {
        attribute: None,
        ..input
    };
    holds(
        &input.about_node("n1"),
        "    end the standby: crm_standby --node n1 --delete (or: pcs node unstandby n1)\n",
    );
}

#[test]
fn a_setting_that_counts_by_a_rule_is_told_with_the_rule() {
    let a = r#"<primitive id="a" class="ocf" provider="pacemaker" type="Stateful"><meta_attributes id="night"><rule id="r" score="1"><date_expression id="d" operation="date_spec"><date_spec id="s" hours="20-23"/></date_expression></rule><nvpair id="p" name="target-role" value="Stopped"/></meta_attributes></primitive>"#;
    let input = Input {
        resources: a.into(),
        histories: [runs("a"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "target-role=Stopped is set for a (meta_attributes night; its rule asks for a date (date_spec: hours 20-23), and it is 2023-11-14 22:13:20 UTC).",
    );
}

#[test]
fn a_connection_goes_with_its_guest_for_one_reason() {
    let input = Input {
        resources: with_meta("vm", &[("remote-node", "gn")], ""),
        histories: [runs("vm"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("gn"),
        "gn is stopped and will be started on n1, because it goes where vm runs: on n1.",
    );
}

#[test]
fn a_level_that_names_no_device_is_told() {
    let input = Input {
        resources: with_meta("a", &[], "") + DEVICE,
        options: &[("stonith-enabled", "true")],
        ..Input::default()
    };
    let level = r#"<fencing-topology><fencing-level id="l1" target="n1" index="1" devices="f,gone"/></fencing-topology></configuration>"#;
    let text = input.text().replace("</configuration>", level);
    let answer = answer_to(&text, of_node("n1"), &Terms::CLUSTER);
    holds(
        &answer,
        "Fencing level l1 for n1 names gone, and no fencing device is called that: fencing by this level fails.",
    );
    lacks(
        &answer_to(&text, of_node("n2"), &Terms::CLUSTER),
        "Fencing level",
    );
}

#[test]
fn a_replica_of_a_bundle_is_explained_as_a_whole() {
    let input = Input {
        resources: r#"<bundle id="B"><podman image="i" replicas="1"/><network ip-range-start="10.0.0.9" control-port="3121"/><primitive id="w" class="ocf" provider="pacemaker" type="Stateful"/></bundle>"#.into(),
        ..Input::default()
    };
    let answer = input.answer("B-0");
    for part in ["w:0", "B-podman-0", "B-0", "B-ip-10.0.0.9"] {
        holds(
            &answer,
            &format!("{part} is stopped and will be started on"),
        );
    }
    assert!(answer.starts_with("w:0 is stopped"), "{answer}");
}
