//! Many seeds hold; a controller that makes a mistake is found out.

use controller::Sabotage;
use controller_sim::{Options, run};

/// Runs seeds on two threads; gives those with violations.
fn violations(from: u64, count: u64, sabotage: Sabotage) -> Vec<(u64, String)> {
    let part = |offset: u64| {
        let mut bad = Vec::new();
        for seed in (from + offset..from + count).step_by(2) {
            let outcome = run(
                seed,
                Options {
                    trace: false,
                    shadow: seed % 8 < 2,
                    sabotage,
                },
            );
            bad.extend(
                outcome
                    .violations
                    .into_iter()
                    .next()
                    .map(|violation| (seed, violation)),
            );
        }
        bad
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| part(1));
        let mut bad = part(0);
        bad.extend(other.join().expect("the other half ran"));
        bad
    })
}

#[test]
fn two_hundred_seeds_hold() {
    let bad = violations(1, 200, Sabotage::default());
    assert!(
        bad.is_empty(),
        "replay with controller-sim --replay SEED: {bad:#?}"
    );
}

#[test]
fn a_controller_that_does_not_wait_for_leases_is_found_out() {
    let bad = violations(
        1,
        12,
        Sabotage {
            skip_lease_wait: true,
            ..Sabotage::default()
        },
    );
    assert!(
        bad.iter()
            .any(|(_, text)| text.contains("while it runs in")),
        "{bad:#?}"
    );
}

#[test]
fn a_controller_that_reckons_without_stops_and_drift_is_found_out() {
    let bad = violations(
        1,
        12,
        Sabotage {
            no_margins: true,
            ..Sabotage::default()
        },
    );
    assert!(
        bad.iter()
            .any(|(_, text)| text.contains("while it runs in")),
        "{bad:#?}"
    );
}

#[test]
fn a_controller_that_does_not_keep_events_is_found_out() {
    let bad = violations(
        1,
        2,
        Sabotage {
            forget_events: true,
            ..Sabotage::default()
        },
    );
    assert!(
        bad.iter()
            .any(|(_, text)| text.contains("before it was durable")),
        "{bad:#?}"
    );
}

#[test]
fn a_controller_that_saves_facts_too_late_is_found_out() {
    let bad = violations(
        1,
        2,
        Sabotage {
            persist_last: true,
            ..Sabotage::default()
        },
    );
    assert!(
        bad.iter()
            .any(|(_, text)| text.contains("before it was durable")),
        "{bad:#?}"
    );
}
