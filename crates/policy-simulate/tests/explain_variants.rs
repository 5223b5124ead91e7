//! Explanations of what constraints and options say in a variant that a reader overlooks: orders
//! that bind in one direction, rules with another time, policies without quorum, settings that come
//! from elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod small_cluster;

use small_cluster::{Input, STOPPED, failed, history, holds, lacks, runs, several, with_meta};

fn promotable(meta: &[(&str, &str)]) -> String {
    let meta = [&[("promotable", "true")], meta].concat();
    several("clone", "c", &meta, &with_meta("d", &[], ""))
}

#[test]
fn an_order_in_one_direction_is_said_not_to_hold_for_stops() {
    let input = Input {
        resources: with_meta("db", STOPPED, "") + &with_meta("app", &[], ""),
        constraints: r#"<rsc_order id="o" first="db" then="app" symmetrical="false"/>"#,
        histories: [runs("db"), runs("app")],
        ..Input::default()
    };
    let answer = input.answer("app");
    holds(
        &answer,
        "Order constraint o has symmetrical=false, so it binds starts only: app is not stopped because db is.",
    );
    let answer = input.answer("db");
    holds(&answer, "db is stopped without waiting for app");
    lacks(&answer, "not possible now");
}

#[test]
fn of_several_of_which_one_is_enough_each_is_told_why_it_does_not_run() {
    let input = Input {
        resources: with_meta("a", STOPPED, "")
            + &with_meta("b", STOPPED, "")
            + &with_meta("z", &[], ""),
        constraints: r#"<rsc_order id="any"><resource_set id="s1" sequential="false" require-all="false"><resource_ref id="a"/><resource_ref id="b"/></resource_set><resource_set id="s2"><resource_ref id="z"/></resource_set></rsc_order>"#,
        ..Input::default()
    };
    holds(
        &input.answer("z"),
        "because a or b (one is enough: require-all=false) has to be started first, which is not possible now (order constraint any): target-role=Stopped is set for a (meta_attributes a-meta); target-role=Stopped is set for b (meta_attributes b-meta).",
    );
}

#[test]
fn a_rule_for_another_time_is_said_not_to_count_now() {
    let input = Input {
        resources: with_meta("a", &[], ""),
        constraints: r##"<rsc_location id="office" rsc="a"><rule id="r" score="INFINITY"><expression id="x" attribute="#uname" operation="eq" value="n2"/><date_expression id="d" operation="date_spec"><date_spec id="ds" hours="0-5"/></date_expression></rule></rsc_location>"##,
        histories: [runs("a"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "Location constraint office does not count now: its rule asks for \"#uname eq n2\" and a date (date_spec: hours 0-5), and it is 2023-11-14 22:13:20 UTC.",
    );
}

#[test]
fn what_keeps_it_and_what_pulls_it_are_both_named_when_they_are_equal() {
    let input = Input {
        resources: with_meta("a", &[("resource-stickiness", "INFINITY")], ""),
        constraints: r#"<rsc_location id="pref" rsc="a" node="n2" score="INFINITY"/>"#,
        histories: [runs("a"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "no node is better than the one it is on: resource-stickiness=INFINITY keeps it where it runs; as much speaks for n2: location constraint pref wants n2 (score INFINITY).",
    );
}

#[test]
fn why_nothing_is_promoted_is_said_by_its_reason() {
    let input = |meta: &[(&str, &str)],
                 options: &'static [(&'static str, &'static str)],
                 no_quorum| Input {
        resources: promotable(meta),
        attribute: Some(("master-d", "10")),
        histories: [runs("d"), runs("d")],
        options,
        no_quorum,
        ..Input::default()
    };
    let none = input(&[("promoted-max", "0")], &[], false).answer("d:0");
    holds(
        &none,
        "because c may have no promoted instance (promoted-max=0), although its promotion score is 10.",
    );
    for (policy, words) in [
        (
            "freeze",
            "no-quorum-policy=freeze starts and promotes nothing without it",
        ),
        (
            "demote",
            "no-quorum-policy=demote allows nothing to be promoted without it",
        ),
    ] {
        let options: &'static [(&str, &str)] = match policy {
            "freeze" => &[("no-quorum-policy", "freeze")],
            _ => &[("no-quorum-policy", "demote")],
        };
        holds(&input(&[], options, true).answer("d:0"), words);
    }
}

#[test]
fn a_policy_that_acts_like_another_is_told_by_its_name() {
    let input = |options: &'static [(&'static str, &'static str)]| Input {
        resources: with_meta("a", &[], "")
            + r#"<primitive id="f" class="stonith" type="fence_x"/>"#,
        histories: [runs("a"), String::new()],
        options,
        no_quorum: true,
        ..Input::default()
    };
    let disabled = input(&[("no-quorum-policy", "suicide")]).answer("a");
    holds(
        &disabled,
        "no-quorum-policy=suicide, which acts like stop because fencing is disabled, allows nothing to run without it",
    );
    let never = input(&[("no-quorum-policy", "fence"), ("stonith-enabled", "true")]).answer("a");
    holds(
        &never,
        "no-quorum-policy=fence, which acts like stop because the cluster has had no quorum since it started, allows",
    );
}

#[test]
fn a_failed_stop_with_on_fail_block_does_not_ask_for_fencing_that_is_there() {
    let stop = r#"<op id="a-stop" name="stop" interval="0" on-fail="block"/>"#;
    let input = Input {
        resources: with_meta("a", &[], stop)
            + r#"<primitive id="f" class="stonith" type="fence_x"/>"#,
        histories: [
            history("a", &[("start", 0, 0, 0), ("stop", 0, 1, 0)]),
            String::new(),
        ],
        options: &[("stonith-enabled", "true")],
        ..Input::default()
    };
    let answer = input.answer("a");
    holds(
        &answer,
        "so it may still run there, and on-fail=block leaves it alone until an administrator has looked.",
    );
    holds(
        &answer,
        "to have n1 fenced instead, set on-fail=fence for its stop operation",
    );
    lacks(&answer, "without fencing");
}

#[test]
fn a_setting_of_a_template_is_told_as_such() {
    let input = Input {
        resources: r#"<template id="t" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="t-m"><nvpair id="t-r" name="target-role" value="Stopped"/></meta_attributes></template><primitive id="a" template="t"/>"#.into(),
        ..Input::default()
    };
    let answer = input.answer("a");
    holds(
        &answer,
        "target-role=Stopped is set in template t (meta_attributes t-m).",
    );
    holds(
        &answer,
        "or for a alone: crm_resource --resource a --meta --set-parameter target-role --parameter-value Started",
    );
}

#[test]
fn a_guest_is_not_said_to_be_up_before_it_is() {
    let input = |meta: &[(&str, &str)]| Input {
        resources: with_meta("vm", &[meta, &[("remote-node", "gn")]].concat(), "")
            + &with_meta("w", &[], ""),
        constraints: r#"<rsc_location id="no1" rsc="w" node="n1" score="-INFINITY"/><rsc_location id="no2" rsc="w" node="n2" score="-INFINITY"/>"#,
        ..Input::default()
    };
    let coming = input(&[]).about_node("gn");
    holds(
        &coming,
        "gn is not up yet: it takes resources once vm runs on n1 and is connected to.",
    );
    let stopped = input(STOPPED).answer("w");
    holds(
        &stopped,
        "gn does not run: vm, the guest that it connects to, does not run: target-role=Stopped is set for vm (meta_attributes vm-meta)",
    );
}

#[test]
fn tickets_are_granted_or_activated_as_they_need_it() {
    let input = |policy: &'static str| Input {
        resources: with_meta("a", &[], "")
            + r#"<primitive id="f" class="stonith" type="fence_x"/>"#,
        options: &[("stonith-enabled", "true")],
        constraints: policy,
        histories: [runs("a"), String::new()],
        ..Input::default()
    };
    let answer =
        input(r#"<rsc_ticket id="t" rsc="a" ticket="T" loss-policy="fence"/>"#).answer("a");
    holds(
        &answer,
        "ticket constraint t does not let it run, and loss-policy=fence fences the node where it runs.",
    );
    holds(&answer, "    crm_ticket --ticket T --grant\n");
}

#[test]
fn a_clone_that_restarts_for_another_instance_says_which_and_why() {
    let clone = |id: &str| {
        several(
            "clone",
            &format!("{id}-clone"),
            &[],
            &with_meta(id, &[], ""),
        )
    };
    let input = Input {
        resources: clone("fs") + &clone("web"),
        constraints: r#"<rsc_order id="o" first="fs-clone" then="web-clone"/>"#,
        histories: [failed("fs") + &runs("web"), runs("fs") + &runs("web")],
        ..Input::default()
    };
    holds(
        &input.answer("web:1"),
        "because fs:0 will be started, and what comes after it is restarted (order constraint o) (all instances of fs-clone, because interleave=false on web-clone): monitor every 10 s failed with exit code 7 (not running) on n1",
    );
    holds(
        &input.answer("fs:0"),
        "order constraint o (all instances of web-clone, because interleave=false on web-clone)",
    );
}

#[test]
fn a_clone_that_is_missing_somewhere_says_why() {
    let clone = |id: &str| {
        several(
            "clone",
            &format!("{id}-clone"),
            &[("interleave", "true")],
            &with_meta(id, &[], ""),
        )
    };
    let input = Input {
        resources: clone("fs") + &clone("web"),
        constraints: r#"<rsc_colocation id="k" rsc="web-clone" with-rsc="fs-clone" score="INFINITY"/>"#,
        histories: [history("fs", &[("monitor", 0, 5, 7)]), runs("fs")],
        ..Input::default()
    };
    holds(
        &input.answer("web:1"),
        "n1: colocation k wants it where fs-clone is: on n2; fs-clone is not on n1: the software that it needs is not installed there",
    );
}

#[test]
fn what_is_not_critical_stops_alone() {
    let input = Input {
        resources: several(
            "group",
            "g",
            &[],
            &(with_meta("a", &[], "")
                + &with_meta(
                    "b",
                    &[("critical", "false"), ("migration-threshold", "1")],
                    "",
                )),
        ),
        attribute: Some(("fail-count-b#monitor_10000", "1")),
        histories: [runs("a") + &failed("b"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("b"),
        "critical=false is set for b, so a stays where it is and does not move for its sake.",
    );
}

#[test]
fn a_promotion_that_is_not_possible_is_not_called_a_start() {
    let input = Input {
        resources: with_meta("ip", STOPPED, "") + &promotable(&[]),
        constraints: r#"<rsc_order id="o" first="ip" then="c" then-action="promote"/>"#,
        attribute: Some(("master-d", "10")),
        histories: [runs("d"), runs("d")],
        ..Input::default()
    };
    holds(
        &input.answer("d:0"),
        "it should be promoted on n1, but cannot be, because ip has to be started first, which is not possible now (order constraint o): target-role=Stopped is set for ip (meta_attributes ip-meta).",
    );
}

#[test]
fn a_ban_of_a_role_that_was_left_behind_is_called_that() {
    let input = Input {
        resources: promotable(&[]),
        constraints: r#"<rsc_location id="cli-ban-c-on-n1" rsc="c" role="Promoted" node="n1" score="-INFINITY"/>"#,
        attribute: Some(("master-d", "10")),
        histories: [runs("d"), runs("d")],
        ..Input::default()
    };
    let answer = input.answer("d:0");
    holds(
        &answer,
        "-INFINITY from location constraint cli-ban-c-on-n1 (role Promoted), which a move or ban has left behind.",
    );
    holds(&answer, "crm_resource --clear --resource c");
}

#[test]
fn a_remote_node_is_not_said_to_be_connected_before_it_is() {
    let remote = r#"<primitive id="rem" class="ocf" provider="pacemaker" type="remote"/>"#;
    let input = Input {
        resources: remote.to_owned() + &with_meta("w", &[], ""),
        ..Input::default()
    };
    holds(
        &input.about_node("rem"),
        "rem is not connected yet: it takes resources once its connection rem has been started on n1.",
    );
}
