//! Epochs of DPEs whose deployments several hosts share.

use controller::{Controller, Durable, EpochRule, EpochsUsedUp, Time};

/// Of the grants below: those of 2026 are far above the seconds of a wall clock.
const FIRST: u64 = 1 << 56;

fn at(wall_s: u64) -> Time {
    Time {
        boottime_us: 1,
        wall_us: wall_s * 1_000_000,
    }
}

fn granted(revision: u64) -> EpochRule {
    let first = FIRST + (revision << 12);
    let last = first + 0xfff;
    EpochRule::Granted { first, last }
}

fn start(durable: Durable, wall_s: u64, rule: EpochRule) -> Controller {
    Controller::ruled("shop", durable, at(wall_s), rule).expect("it has an epoch")
}

/// What a start leaves for the next one.
fn saved(controller: &Controller) -> Durable {
    controller.facts().clone()
}

#[test]
fn a_former_owner_does_not_outbid_its_successor_by_its_clock() {
    let former = start(Durable::default(), 1_800_000_000, granted(7));
    let successor = start(Durable::default(), 1_800_000_000, granted(8));
    // It is cut off, is started again and again, and its clock is far ahead.
    let mut again = former;
    for _ in 0..100 {
        again = start(saved(&again), u64::from(u32::MAX), granted(7));
        assert!(again.epoch() < successor.epoch());
    }
    assert_eq!(again.epoch(), FIRST + (7 << 12) + 100);
}

#[test]
fn a_grant_has_its_epochs_and_no_more() {
    let EpochRule::Granted { first, last } = granted(7) else {
        unreachable!("it is granted");
    };
    let mut now = start(Durable::default(), 1, granted(7));
    assert_eq!(now.epoch(), first);
    for _ in first..last {
        now = start(saved(&now), 1, granted(7));
    }
    assert_eq!(now.epoch(), last);
    let none = Controller::ruled("shop", saved(&now), at(1), granted(7)).map(|it| it.epoch());
    assert_eq!(none, Err(EpochsUsedUp { saved: last, last }));
    // What a later one has saved is no less.
    let later = start(saved(&now), 1, granted(9));
    let none = Controller::ruled("shop", saved(&later), at(1), granted(7));
    assert!(none.is_err(), "a later owner has run it");
}

#[test]
fn who_stands_alone_goes_by_the_clock_as_before() {
    let first = Controller::new("shop", Durable::default(), at(1_800_000_000));
    assert_eq!(first.epoch(), 1_800_000_000);
    let again = Controller::new("shop", saved(&first), at(1_700_000_000));
    assert_eq!(again.epoch(), 1_800_000_001);
    let same = start(saved(&first), 1_900_000_000, EpochRule::Standalone);
    assert_eq!(same.epoch(), 1_900_000_000);
}
