//! Explanations whose reason lies with another resource: beside it, inside it, before it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod small_cluster;

use small_cluster::{Input, STOPPED, clone, failed, holds, runs, several, with_meta};

const STICKY: &[(&str, &str)] = &[("resource-stickiness", "100")];

#[test]
fn an_agent_that_was_exchanged_is_named() {
    let input = Input {
        resources: r#"<primitive id="a" class="ocf" provider="pacemaker" type="Dummy"/>"#.into(),
        histories: [runs("a"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "a is started on n1 and will be restarted there, because its agent has changed: it was started by ocf:pacemaker:Stateful, and ocf:pacemaker:Dummy is configured.",
    );
}

#[test]
fn an_order_between_stops_is_named() {
    let input = Input {
        resources: with_meta("a", STICKY, "") + &with_meta("b", STICKY, ""),
        constraints: r#"<rsc_order id="o" first="a" first-action="stop" then="b" then-action="stop"/>"#,
        histories: [failed("a") + &runs("b"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("b"),
        "b is started on n1 and will be restarted there, because a will be stopped, and order constraint o stops it then.",
    );
}

#[test]
fn a_clone_of_no_instances_says_so() {
    let input = Input {
        resources: clone("d", &[("clone-max", "0")]),
        ..Input::default()
    };
    holds(
        &input.answer("d"),
        "because clone-max=0 is set for d-clone, so it has no instances.",
    );
}

#[test]
fn an_instance_without_a_partner_says_so() {
    let meta = &[("interleave", "true")];
    let input = Input {
        resources: clone("fs", meta) + &clone("web", meta),
        constraints: r#"<rsc_order id="o" first="fs-clone" then="web-clone"/><rsc_location id="no" rsc="fs-clone" node="n1" score="-INFINITY"/>"#,
        ..Input::default()
    };
    holds(
        &input.answer("web"),
        "is stopped and stays so, because web-clone has interleave=true, so an instance starts only beside one of fs-clone (order constraint o), and that is only on n2.",
    );
}

#[test]
fn what_failed_inside_a_container_is_named() {
    let monitor = r#"<operations><op id="i-m" name="monitor" interval="10s" on-fail="restart-container"/></operations>"#;
    let inside = format!(
        r#"<primitive id="i" class="ocf" provider="pacemaker" type="Stateful"><meta_attributes id="i-a"><nvpair id="i-c" name="container" value="box"/></meta_attributes>{monitor}</primitive>"#
    );
    let input = Input {
        resources: with_meta("box", &[], "") + &inside,
        histories: [runs("box") + &failed("i"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("box"),
        "because i, which is inside it, has failed (monitor every 10 s failed with exit code 7 (not running) on n1",
    );
}

#[test]
fn what_it_has_to_be_with_and_cannot_be_had_is_named() {
    let input = Input {
        resources: with_meta("first", STOPPED, "")
            + &several("group", "g", &[], &with_meta("a", &[], ""))
            + &with_meta("ip", &[], ""),
        constraints: r#"<rsc_order id="o" first="first" then="g"/><rsc_colocation id="k" rsc="ip" with-rsc="g" score="INFINITY"/>"#,
        ..Input::default()
    };
    let answer = input.answer("ip");
    holds(
        &answer,
        "it should be started on n1, but cannot be, because it has to be where g is (colocation k), and g cannot be had now: first has to be started first, which is not possible now (order constraint o): target-role=Stopped is set for first",
    );
    holds(&answer, "set target-role=Started there (first-meta)");
}

#[test]
fn a_member_beside_one_that_is_blocked_says_which() {
    let block = &[("multiple-active", "block")];
    let input = Input {
        resources: several(
            "group",
            "g",
            block,
            &(with_meta("a", &[], "") + &with_meta("b", &[], "")),
        ),
        histories: [runs("a"), runs("a") + &runs("b")],
        ..Input::default()
    };
    let answer = input.answer("b");
    holds(
        &answer,
        "b is started on n2 and is left alone, because a, which is with it in g, is blocked: it is active on n1 and n2 at once, and multiple-active=block",
    );
    holds(&answer, "crm_resource --refresh --resource a");
}
