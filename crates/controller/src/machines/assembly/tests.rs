//! Tests of an assembly's life.

use super::edges::{EDGES, State, Trigger};
use super::*;
use crate::vocabulary::{MS, Record};

/// A life in each state.
fn in_state(state: State) -> Course {
    let mut course = Course::unknown(5);
    if state == State::Unknown {
        return course;
    }
    course.answer();
    match state {
        State::Missed | State::MissedFencing => course.miss(),
        State::Lost | State::LostFencing | State::Safe => {
            course.miss();
            course.lose();
        }
        _ => {}
    }
    if matches!(
        state,
        State::OnlineFencing | State::MissedFencing | State::LostFencing
    ) {
        course.demand_fence(true, "a test");
    }
    if state == State::Safe {
        course.made_safe();
    }
    assert_eq!(course.state(), state);
    course
}

fn follow(course: &mut Course, trigger: Trigger) {
    match trigger {
        Trigger::Hello => course.answer(),
        Trigger::Late => course.miss(),
        Trigger::Heartbeat => course.resume(),
        Trigger::Silence => course.lose(),
        Trigger::Demand => course.demand_fence(true, "a test"),
        Trigger::Safe => course.made_safe(),
        Trigger::Left => course.leave(),
        Trigger::GivenUp => course.give_fence_up(),
        Trigger::Renamed => course.rename(),
        Trigger::Held => course.hold(),
        Trigger::Occupied => course.leave_to_others(),
    }
}

#[test]
fn every_edge_of_the_table_is_gone_by_its_function() {
    for (trigger, from, to) in EDGES {
        let mut course = in_state(*from);
        follow(&mut course, *trigger);
        assert_eq!(course.state(), *to, "{trigger:?} from {from:?}");
    }
}

#[test]
#[should_panic(expected = "Late does not lead from Lost to Missed")]
fn a_lost_assembly_is_not_late() {
    in_state(State::Lost).miss();
}

#[test]
#[should_panic(expected = "Safe does not lead from Online to Safe")]
fn what_runs_is_not_safe_without_fencing() {
    in_state(State::Online).made_safe();
}

#[test]
#[should_panic(expected = "Left does not lead from Lost to Safe")]
fn who_is_lost_has_not_left() {
    in_state(State::Lost).leave();
}

#[test]
#[should_panic(expected = "Hello does not lead from OnlineFencing to Online")]
fn an_answer_does_not_end_the_fencing_of_an_assembly_that_is_online() {
    in_state(State::OnlineFencing).answer();
}

#[test]
#[should_panic(expected = "Silence does not lead from Safe to Lost")]
fn silence_of_a_safe_assembly_is_no_loss() {
    in_state(State::Safe).lose();
}

#[test]
fn fencing_knows_whether_it_is_for_a_loss() {
    let lost = |state| {
        let mut course = in_state(state);
        course.demand_fence(false, "why");
        let fence = course.fence().expect("its fence");
        assert_eq!((fence.reason(), fence.reboot()), ("why", false));
        fence.lost()
    };
    assert!(lost(State::Lost) && lost(State::Unknown));
    assert!(!lost(State::Online) && !lost(State::Missed));
}

#[test]
fn only_the_end_of_unknown_is_put_off() {
    let mut course = Course::unknown(5);
    course.put_off(|until_us| until_us + 2);
    assert_eq!(course.life(), Life::Unknown { until_us: 7 });
    let mut course = in_state(State::Lost);
    course.put_off(|until_us| until_us + 2);
    assert_eq!(course.life(), Life::Lost);
}

const fn at(boottime_us: u64) -> Time {
    Time {
        boottime_us,
        wall_us: 1 + boottime_us,
    }
}

/// An assembly whose agent has answered at the start.
fn answered() -> Assembly {
    let spec = AssemblySpec::default();
    let mut assembly = Assembly::new(at(0), spec, Course::unknown(5), 0);
    assembly.connect(Connect {
        lease_ms: 10,
        ..connect()
    });
    assembly.greet(at(0), Hello::default());
    assembly.answer(at(0), 10, 10);
    assembly
}

fn connect() -> Connect {
    Connect {
        number: 1,
        assembly: "web1".into(),
        address: None,
        epoch: 1,
        deployment: "shop".into(),
        heartbeat_interval_ms: 1,
        heartbeat_timeout_ms: 5000,
        lease_ms: 0,
        grace_ms: 0,
        stop_timeout_ms: 0,
    }
}

#[test]
fn an_assembly_gets_work_while_its_stream_is_up_and_nothing_fences_it() {
    let mut assembly = answered();
    assert!(assembly.reachable());
    assembly.disconnect();
    assert!(assembly.usable() && !assembly.reachable());
    let mut assembly = answered();
    assembly.demand_fence(true, "a test", 7);
    assert!(assembly.is_heard() && !assembly.usable() && !assembly.reachable());
    assert_eq!(assembly.fence_mut().expect("its fence").take_delay_ms(), 7);
}

#[test]
fn a_heartbeat_tells_whether_the_ones_before_were_late() {
    let mut assembly = answered();
    assert!(!assembly.hear(at(1)));
    assert_eq!(assembly.deadline_us(3, 9), Some(4));
    assembly.miss();
    assert_eq!(assembly.deadline_us(3, 9), Some(10));
    assert!(assembly.hear(at(5)));
    assert_eq!(assembly.life(), Life::Online);
}

#[test]
fn a_lost_assembly_has_no_stream_and_no_deadline() {
    let mut assembly = answered();
    assembly.lose();
    assert!(!assembly.contact().is_up() && assembly.life() == Life::Lost);
    assert_eq!(assembly.deadline_us(3, 9), None);
}

#[test]
fn a_lease_is_as_long_as_the_settings_that_were_sent() {
    let mut assembly = answered();
    assert_eq!(assembly.renew_lease(at(5)), 10);
    assert_eq!(assembly.lease().until_us(), 5 + 10 * MS);
    assert!(assembly.forget_settings() && !assembly.forget_settings());
    assert_eq!(assembly.renew_lease(at(6)), 0);
    assert_eq!(assembly.lease().until_us(), 5 + 10 * MS, "it still runs");
}

#[test]
fn settings_that_are_sent_end_the_stream_that_there_is() {
    let mut assembly = answered();
    assembly.connect(connect());
    assert!(!assembly.contact().is_up());
    assert_eq!(assembly.sent_settings(), Some(&connect()));
}

#[test]
fn silence_does_not_count_while_nobody_listens_and_a_moment_is_given_once() {
    let mut assembly = answered();
    assembly.extend_silence(at(100), lost(90, 90), 20, 30);
    assert_eq!(assembly.contact().silent_since_us(), 90);
    assembly.extend_silence(at(200), lost(5, 5), 20, 30);
    assert_eq!(assembly.contact().silent_since_us(), 170, "no moment more");
    let spec = AssemblySpec::default();
    let mut unknown = Assembly::new(at(0), spec, Course::unknown(5), 0);
    unknown.extend_silence(at(100), lost(90, 90), 20, 30);
    assert_eq!(unknown.life(), Life::Unknown { until_us: 120 });
}

#[test]
fn who_was_not_heard_yet_has_its_whole_time_again_but_once() {
    let unknown = |until_us| {
        let spec = AssemblySpec::default();
        Assembly::new(at(0), spec, Course::unknown(until_us), 0)
    };
    // Nothing was heard since 10; that the process stood still was seen from 60 on.
    let mut assembly = unknown(60);
    assembly.extend_silence(at(100), lost(40, 90), 20, 30);
    assert_eq!(assembly.life(), Life::Unknown { until_us: 150 });
    assembly.extend_silence(at(200), lost(50, 100), 20, 30);
    let until_us = 200;
    assert_eq!(assembly.life(), Life::Unknown { until_us }, "given up now");
    // Another input came just now: as before, but for a moment.
    let mut assembly = unknown(60);
    assembly.extend_silence(at(65), lost(5, 1), 20, 30);
    assert_eq!(assembly.life(), Life::Unknown { until_us: 85 });
}

fn lost(lost_us: u64, unheard_us: u64) -> Lost {
    Lost {
        lost_us,
        unheard_us,
    }
}

#[test]
#[should_panic(expected = "nothing runs in web1")]
fn a_safe_assembly_has_no_history() {
    let mut assembly = answered();
    assembly.history_mut().insert(Record::default());
    assembly.check(&"web1".into());
    assembly.leave();
    assembly.check(&"web1".into());
}

#[test]
fn what_was_told_is_forgotten_with_its_boot() {
    let mut assembly = answered();
    assembly.history_mut().insert(Record::default());
    assembly.forget();
    assembly.leave();
    assembly.check(&"web1".into());
}
