//! Explanations of capacities, rules, node health, opt-in clusters, and of clones that wait for all
//! instances.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod small_cluster;

use small_cluster::{Input, holds, primitive};

#[test]
fn capacities_are_given_with_numbers_and_with_who_takes_them() {
    let input = Input {
        options: &[("placement-strategy", "balanced")],
        nodes: [
            r#"<utilization id="u1"><nvpair id="c1" name="cores" value="2"/></utilization>"#,
            r#"<utilization id="u2"><nvpair id="c2" name="cores" value="4"/></utilization>"#,
        ],
        resources: primitive("a", 0, 3) + &primitive("b", 10, 3),
        ..Input::default()
    };
    let answer = input.answer("a");
    holds(
        &answer,
        "there is not enough cores on n1: it needs 3, 2 of 2 are free",
    );
    holds(
        &answer,
        "there is not enough cores on n2: it needs 3, 1 of 4 are free, the rest is taken by b (3, priority 10)",
    );
    holds(&answer, "resources with a higher priority are placed first");
}

#[test]
fn rules_are_given_with_the_values_of_their_attributes() {
    let input = Input {
        nodes: [
            r#"<instance_attributes id="a1"><nvpair id="s1" name="site" value="x"/></instance_attributes>"#,
            "",
        ],
        resources: primitive("a", 0, 0),
        constraints: r#"<rsc_location id="only-y" rsc="a"><rule id="r" score="-INFINITY"><expression id="e" attribute="site" operation="ne" value="y"/></rule></rsc_location>"#,
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "location constraint only-y forbids n1 (score -INFINITY): its rule asks for \"site ne y\"; site is x on n1",
    );
}

#[test]
fn node_health_is_called_that() {
    let input = Input {
        options: &[("node-health-strategy", "only-green")],
        resources: primitive("a", 0, 0),
        attribute: Some(("#health-disk", "red")),
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "n1: the health of n1 forbids resources there: #health-disk=red (node-health-strategy=only-green).",
    );
}

#[test]
fn opt_in_clusters_are_called_that() {
    let input = Input {
        options: &[("symmetric-cluster", "false")],
        resources: primitive("a", 0, 0),
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "a is stopped and stays so, because the cluster is opt-in (symmetric-cluster=false), and no constraint allows it there.",
    );
}

#[test]
fn a_clone_that_waits_for_all_instances_says_that_interleave_makes_it() {
    let clone = |id: &str, interleave: bool| {
        let inner = primitive(id, 0, 0);
        format!(
            r#"<clone id="{id}-clone"><meta_attributes id="{id}-i"><nvpair id="{id}-in" name="interleave" value="{interleave}"/></meta_attributes>{inner}</clone>"#
        )
    };
    let input = Input {
        resources: clone("fs", true) + &clone("web", false),
        constraints: r#"<rsc_order id="fs-then-web" first="fs-clone" then="web-clone"/>"#,
        ..Input::default()
    };
    holds(
        &input.answer("web"),
        "order constraint fs-then-web (all instances of fs-clone, because interleave=false on web-clone)",
    );
}
