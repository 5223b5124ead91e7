//! Tests of an assembly's life.

use super::*;

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
