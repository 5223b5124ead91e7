//! A controller without a simulated world: what it makes of single inputs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{
    AssemblyId, Attributes, Controller, Durable, Effect, EngineInput, EventKind, Hello, Input,
    InputName, Operation, Record, RecordState, Request, Task, Time, TransitionKey,
};
use controller_sim::guest::Mode;
use controller_sim::scenario::Scenario;
use cpe_status::DpeState;

const NOW: Time = Time {
    boottime_us: 1_000_000,
    wall_us: 1_795_000_000_000_000,
};

/// A controller with a document and agents that have told these histories.
fn alone(scenario: &Scenario, histories: [Vec<Record>; 2]) -> Controller {
    with_document(scenario.document(), histories)
}

fn with_document(document: String, histories: [Vec<Record>; 2]) -> Controller {
    let mut controller = Controller::new("sim", Durable::default(), NOW);
    let load = Request::Load {
        document,
        generation: 1,
    };
    assert_eq!(controller.handle(NOW, Input::Request(load)), Ok(()));
    for (assembly, history) in ["node1", "node2"].into_iter().zip(histories) {
        let connected = Input::AgentConnected {
            assembly: assembly.into(),
            hello: Hello::default(),
            history,
            attributes: Attributes::default(),
        };
        assert_eq!(controller.handle(NOW, connected), Ok(()));
    }
    controller
}

/// Questions to the policy engine, and which actions were sent where, since the last call.
fn asked_and_sent(controller: &mut Controller) -> (Vec<EngineInput>, Vec<(Task, AssemblyId)>) {
    let (mut asked, mut sent) = (Vec::new(), Vec::new());
    while let Some(effect) = controller.poll_effect() {
        match effect {
            Effect::Decide(question) => asked.push(question),
            Effect::Execute {
                assembly,
                operation,
            } => sent.push((operation.action, assembly)),
            _ => {}
        }
    }
    (asked, sent)
}

/// What an agent tells about an operation of the only service.
fn record(action: Task, state: RecordState, call_id: u32, rc: i32) -> Record {
    Record {
        operation: Operation {
            id: format!("{call_id}:1:{rc}:00006afd-86c0-8000-8000-000000000000"),
            resource: "service1".into(),
            class: "ocf".into(),
            provider: "sim".into(),
            kind: "Simulated".into(),
            action,
            ..Operation::default()
        },
        state,
        call_id,
        rc,
        ..Record::default()
    }
}

/// What an agent tells about a service that it started.
fn started() -> Vec<Record> {
    vec![record(Task::Start, RecordState::Complete, 1, 0)]
}

/// Answers questions, and tells that what was sent is done, until nothing is left to do.
fn carry_out(controller: &mut Controller) {
    let mut call_id = 10;
    while let Some(effect) = controller.poll_effect() {
        let input = match effect {
            Effect::Decide(question) => Input::Decided(Box::new(question.answer())),
            Effect::Execute {
                assembly,
                operation,
            } => {
                call_id += 1;
                let expected = TransitionKey::parse(&operation.id).map(|key| key.expected_rc);
                let record = Record {
                    operation: *operation,
                    ..record(
                        Task::default(),
                        RecordState::Complete,
                        call_id,
                        expected.unwrap_or(0),
                    )
                };
                let record = Box::new(record);
                Input::OperationCompleted { assembly, record }
            }
            _ => continue,
        };
        assert_eq!(controller.handle(NOW, input), Ok(()));
    }
}

#[track_caller]
fn expect_active(controller: &Controller) {
    let summary = controller.status(NOW).summary;
    assert_eq!(controller.state(), DpeState::Active, "{summary}");
}

#[test]
fn the_status_says_when_the_last_change_is_not_decided_about_yet() {
    let scenario = Scenario::plain(2, 1, Mode::Lease);
    let mut controller = alone(&scenario, [started(), vec![]]);
    assert!(controller.status(NOW).deciding);
    carry_out(&mut controller);
    expect_active(&controller);
    assert!(!controller.status(NOW).deciding);

    let load = Request::Load {
        document: scenario.document().replace("service1", "service2"),
        generation: 2,
    };
    assert_eq!(controller.handle(NOW, Input::Request(load)), Ok(()));
    let status = controller.status(NOW);
    assert!(status.generation == 2 && status.deciding, "{status:?}");
}

#[test]
fn a_question_that_the_policy_engine_cannot_answer_changes_nothing_that_runs() {
    let scenario = Scenario::plain(2, 1, Mode::Lease);
    let mut controller = alone(&scenario, [started(), vec![]]);
    let (mut asked, _) = asked_and_sent(&mut controller);
    let number = asked.remove(0).number();
    let failed = controller::Decision::failed(number, "it panicked".into());
    let failed = Input::Decided(Box::new(failed));
    assert_eq!(controller.handle(NOW, failed), Ok(()));
    let (asked, sent) = asked_and_sent(&mut controller);
    assert_eq!((asked.len(), sent), (0, vec![]));
    assert_eq!(controller.state(), DpeState::Failed);
    assert_eq!(controller.status(NOW).summary, "it panicked");
}

#[test]
fn what_was_decided_about_a_world_that_has_changed_since_is_not_done() {
    let scenario = Scenario::plain(2, 1, Mode::Lease);

    let mut controller = alone(&scenario, [vec![], vec![]]);
    let (mut asked, sent) = asked_and_sent(&mut controller);
    assert_eq!((asked.len(), sent), (1, vec![]));
    let question = asked.remove(0);

    let standby = Request::Standby {
        assembly: "node1".into(),
        on: true,
    };
    assert_eq!(controller.handle(NOW, Input::Request(standby)), Ok(()));
    let (asked, _) = asked_and_sent(&mut controller);
    assert_eq!(asked, [], "one question at a time");

    let answer = question.answer();
    let decided = Input::Decided(Box::new(answer.clone()));
    assert_eq!(controller.handle(NOW, decided), Ok(()));
    let (mut asked, sent) = asked_and_sent(&mut controller);
    assert_eq!(
        (asked.len(), sent),
        (1, vec![]),
        "asked again, nothing done"
    );

    let again = Input::Decided(Box::new(answer));
    assert_eq!(controller.handle(NOW, again), Ok(()));
    let (none, sent) = asked_and_sent(&mut controller);
    assert_eq!((none, sent), (vec![], vec![]), "an old answer is no answer");

    let decided = Input::Decided(Box::new(asked.remove(0).answer()));
    assert_eq!(controller.handle(NOW, decided), Ok(()));
    let (_, sent) = asked_and_sent(&mut controller);
    assert!(!sent.is_empty(), "the probes of the world as it is");
}

#[test]
fn a_start_under_way_counts_whatever_its_agent_says_about_its_time() {
    let mut scenario = Scenario::plain(2, 1, Mode::Lease);
    scenario.services[0].prefers = Some(1);
    let probed = |call_id| record(Task::Monitor, RecordState::Complete, call_id, 7);
    // accepted, and not begun: it has no time yet
    let start = record(Task::Start, RecordState::Pending, 2, 0);

    let mut controller = alone(&scenario, [vec![probed(1), start], vec![probed(1)]]);
    let (mut asked, _) = asked_and_sent(&mut controller);
    let decided = Input::Decided(Box::new(asked.remove(0).answer()));
    assert_eq!(controller.handle(NOW, decided), Ok(()));
    let (_, sent) = asked_and_sent(&mut controller);
    assert!(
        !sent.contains(&(Task::Start, "node2".into())),
        "it may run in node1 already: {sent:?}"
    );
}

#[test]
fn a_service_that_runs_elsewhere_does_not_stay_failed() {
    let done = |action, call_id, rc| record(action, RecordState::Complete, call_id, rc);
    let scenario = Scenario::plain(2, 1, Mode::Lease);
    let histories = [
        vec![done(Task::Monitor, 1, 7)],
        vec![done(Task::Start, 1, 0)],
    ];
    let mut controller = alone(&scenario, histories);
    carry_out(&mut controller);
    expect_active(&controller);

    // A stop that was left from before fails, and another one, sent behind it, does not.
    for (call_id, rc) in [(21, 1), (22, 0)] {
        let assembly = "node1".into();
        let mut record = Box::new(done(Task::Stop, call_id, 0));
        record.rc = rc;
        let completed = Input::OperationCompleted { assembly, record };
        assert_eq!(controller.handle(NOW, completed), Ok(()));
        assert_eq!(controller.state(), DpeState::Degraded);
    }
    let cleanup = Request::Cleanup {
        service: None,
        assembly: None,
    };
    assert_eq!(controller.handle(NOW, Input::Request(cleanup)), Ok(()));
    carry_out(&mut controller);
    expect_active(&controller);
}

#[test]
fn a_superseded_dpe_does_nothing_any_more() {
    let mut old = alone(&Scenario::plain(2, 1, Mode::Lease), [vec![], vec![]]);
    while old.poll_effect().is_some() {}
    assert_eq!(
        old.handle(
            NOW,
            Input::StaleEpoch {
                assembly: "node1".into()
            }
        ),
        Ok(())
    );
    let effects: Vec<_> = std::iter::from_fn(|| old.poll_effect()).collect();
    assert!(
        effects.contains(&Effect::Superseded {
            assembly: "node1".into()
        }),
        "{effects:?}"
    );
    assert_eq!(old.deadline(), None);
    let heartbeat = Input::Heartbeat {
        assembly: "node1".into(),
        stamp_us: 1,
    };
    assert!(old.handle(NOW, heartbeat).is_err());
    assert_eq!(old.poll_effect(), None);
}

#[test]
fn a_wrong_decision_is_refused_and_nothing_of_it_is_done() {
    let scenario = Scenario::plain(2, 1, Mode::Lease);
    let stopped = || vec![record(Task::Monitor, RecordState::Complete, 1, 7)];
    let mut controller = alone(&scenario, [started(), stopped()]);
    carry_out(&mut controller);
    expect_active(&controller);

    let standby = |on| {
        let assembly = "node1".into();
        Input::Request(Request::Standby { assembly, on })
    };
    assert_eq!(controller.handle(NOW, standby(true)), Ok(()));
    let (mut asked, _) = asked_and_sent(&mut controller);
    let answer = asked.remove(0).answer_changed(|graph| {
        for synapse in &mut graph.synapses {
            synapse.inputs.clear();
        }
    });
    let decided = Input::Decided(Box::new(answer));
    assert_eq!(controller.handle(NOW, decided), Ok(()));
    let effects: Vec<Effect> = std::iter::from_fn(|| controller.poll_effect()).collect();
    let sent = |effect: &Effect| matches!(effect, Effect::Execute { .. } | Effect::Decide(_));
    assert!(!effects.iter().any(sent), "{effects:?}");
    let kept = effects.iter().any(|effect| {
        matches!(effect, Effect::KeepInput { name: InputName::Refused(0), cib, .. } if cib.contains("service1"))
    });
    assert!(kept, "{effects:?}");
    let told = effects.iter().find_map(|effect| match effect {
        Effect::Event(event) if event.kind == EventKind::DecisionRefused => Some(event),
        _ => None,
    });
    let told = told.expect("the refusal is told");
    assert_eq!(told.details["input"], "refused-input-00.xml");
    let wrong = "service1_start_0 on node2 does not wait for service1_stop_0 on node1";
    assert!(told.reason.contains(wrong), "{}", told.reason);
    assert_eq!(controller.state(), DpeState::Failed);
    assert!(controller.status(NOW).summary.contains(wrong));

    assert_eq!(
        controller.handle(NOW, standby(false)),
        Ok(()),
        "the world changes"
    );
    carry_out(&mut controller);
    expect_active(&controller);
}

#[test]
fn services_that_are_ordered_in_a_circle_do_not_keep_others_from_running() {
    let scenario = Scenario::plain(2, 3, Mode::Lease);
    let circle = concat!(
        r#"<rsc_order id="there" first="service1" then="service2"/>"#,
        r#"<rsc_order id="back" first="service2" then="service1"/>"#,
        "</constraints></configuration>"
    );
    let document = scenario
        .document()
        .replace("</constraints></configuration>", circle);
    let mut controller = with_document(document, [vec![], vec![]]);

    let (mut call_id, mut started, mut refused) = (0, Vec::new(), 0);
    for _ in 0..200 {
        let input = match controller.poll_effect() {
            Some(Effect::Decide(question)) => Input::Decided(Box::new(question.answer())),
            Some(Effect::Execute {
                assembly,
                operation,
            }) => {
                call_id += 1;
                if operation.action == Task::Start {
                    started.push(operation.resource.clone());
                }
                let rc = TransitionKey::parse(&operation.id).map_or(0, |key| key.expected_rc);
                let record = Record {
                    operation: *operation,
                    ..record(Task::default(), RecordState::Complete, call_id, rc)
                };
                let record = Box::new(record);
                Input::OperationCompleted { assembly, record }
            }
            Some(Effect::Event(event)) => {
                refused += usize::from(event.kind == EventKind::DecisionRefused);
                continue;
            }
            _ => continue,
        };
        assert_eq!(controller.handle(NOW, input), Ok(()));
    }
    assert_eq!(started, ["service3"]);
    assert_eq!(refused, 1, "asked once more, without live migrations");
}
