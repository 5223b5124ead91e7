//! Node attributes: what the policy engine hears of them, when, and for how long; in a simulated
//! world without other faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller_sim::faults::Fault;
use controller_sim::scenario::{Form, Mode, Scenario};
use controller_sim::{MS, SECOND, World};
use controller_sim::{at_rest, expect_well};

const SCORE: &str = "master-service1";

/// A promotable service in two assemblies, at rest.
fn promotable() -> World {
    let mut scenario = Scenario::plain(2, 1, Mode::Unit);
    scenario.services[0].form = Form::Promotable(1);
    at_rest(scenario)
}

/// What the policy engine would be told about an attribute, by assembly.
fn in_force(world: &World, attribute: &str) -> Vec<String> {
    let status = world
        .controller()
        .expect("the DPE lives")
        .status(world.time());
    let assemblies = status.assemblies.iter();
    assemblies
        .map(|assembly| {
            assembly
                .attributes
                .get(attribute)
                .cloned()
                .unwrap_or_default()
        })
        .collect()
}

#[test]
fn the_instance_with_the_highest_score_is_promoted() {
    let mut world = promotable();
    let first = world.promoted_in("service1")[0].to_owned();
    let other = if first == "node1" { "node2" } else { "node1" };
    let (executed, guest) = (world.executed().len(), world.guest(other));
    world.set_attribute(guest, SCORE, Some("1000"), 0);
    world.run_for(15);
    assert_eq!(world.promoted_in("service1"), [other]);
    let expected = [
        format!("demote service1 {first}"),
        format!("promote service1 {other}"),
    ];
    assert_eq!(world.executed()[executed..], expected);
    expect_well(&world);
}

#[test]
fn the_input_of_the_policy_engine_has_them_as_transient_attributes() {
    let mut world = promotable();
    let controller = world.controller().expect("the DPE lives");
    let cib = controller.input(world.time());
    let nvpair = |node: &str, value: u32| {
        format!("id=\"status-{node}-{SCORE}\" name=\"{SCORE}\" value=\"{value}\"")
    };
    let (promoted, other) = match world.promoted_in("service1")[0] {
        "node1" => ("node1", "node2"),
        _ => ("node2", "node1"),
    };
    assert!(cib.contains(&nvpair(promoted, 10)), "{cib}");
    assert!(cib.contains(&nvpair(other, 5)), "{cib}");
    world.set_attribute(world.guest(other), "site", Some("<\"a\" & b>"), 0);
    world.run_for(1);
    let cib = world
        .controller()
        .expect("the DPE lives")
        .input(world.time());
    assert!(
        cib.contains("value=\"&lt;&quot;a&quot; &amp; b&gt;\""),
        "{cib}"
    );
}

#[test]
fn they_are_gone_when_their_assembly_is_made_safe_and_come_back_with_it() {
    let mut world = promotable();
    world.set_attribute(0, "pingd", Some("1000"), 0);
    world.run_for(1);
    assert_eq!(in_force(&world, "pingd"), ["1000", ""]);
    world.inject(Fault::Stall(0, 60 * SECOND));
    world.run_for(15);
    // Fencing has rebooted the guest, so nobody has set it again.
    assert_eq!(in_force(&world, "pingd"), ["", ""]);
    assert_eq!(world.promoted_in("service1"), ["node2"]);
    world.run_for(120);
    assert_eq!(in_force(&world, SCORE), ["5", "10"]);
    expect_well(&world);
}

#[test]
fn a_dpe_that_was_restarted_hears_them_again() {
    let mut world = promotable();
    world.set_attribute(0, "pingd", Some("1000"), 5000);
    world.inject(Fault::KillDpe);
    world.run_for(10);
    assert_eq!(in_force(&world, "pingd"), ["1000", ""]);
    let executed = world.executed().len();
    world.run_for(10);
    assert_eq!(world.executed().len(), executed);
    expect_well(&world);
}

#[test]
fn changes_of_a_dampened_attribute_count_together() {
    let mut world = promotable();
    for guest in [0, 1] {
        world.set_attribute(guest, "pingd", Some("1000"), 5000);
    }
    world.run_for(10);
    assert_eq!(in_force(&world, "pingd"), ["1000", "1000"]);
    let begin_us = world.now_us;
    world.set_attribute(0, "pingd", Some("0"), 5000);
    world.run_until(begin_us + 4 * SECOND);
    world.set_attribute(1, "pingd", Some("0"), 5000);
    world.run_until(begin_us + 4900 * MS);
    assert_eq!(in_force(&world, "pingd"), ["1000", "1000"]);
    world.run_until(begin_us + 5100 * MS);
    assert_eq!(in_force(&world, "pingd"), ["0", "0"]);
    // What comes back meanwhile has never been away.
    let told = world.logged().len();
    world.set_attribute(0, "pingd", Some("1000"), 5000);
    world.run_for(2);
    world.set_attribute(0, "pingd", Some("0"), 5000);
    world.run_for(10);
    assert_eq!(in_force(&world, "pingd"), ["0", "0"]);
    // Deleting is a change like others.
    world.set_attribute(0, "pingd", None, 0);
    world.run_for(4);
    assert_eq!(in_force(&world, "pingd"), ["0", "0"]);
    world.run_for(2);
    assert_eq!(in_force(&world, "pingd"), ["", "0"]);
    assert_eq!(world.logged().len(), told, "nothing was decided otherwise");
    expect_well(&world);
}
