//! A controller without a simulated world: what it makes of single inputs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{
    AssemblyId, Attributes, Controller, Durable, Effect, EngineInput, Event, EventKind, Hello,
    Input, InputName, Operation, Record, RecordState, Refusal, Request, Task, Time, TransitionKey,
};
use controller_sim::policies::{Delays, FirstTurn};
use controller_sim::scenario::{Form, Mode, Scenario};
use controller_sim::zones;
use cpe_status::{AssemblyState, DpeState, ServiceState, TransitionState};

const NOW: Time = Time {
    boottime_us: 1_000_000,
    wall_us: 1_795_000_000_000_000,
};

/// An agent answers Hello over the stream that the controller wants.
fn connected(controller: &Controller, assembly: &str, hello: Hello, history: Vec<Record>) -> Input {
    let assembly = AssemblyId::from(assembly);
    Input::AgentConnected {
        number: controller.wanted(&assembly).map_or(0, |own| own.number),
        assembly,
        hello,
        history,
        attributes: Attributes::default(),
    }
}

/// A controller with a document and agents that have told these histories.
fn alone(scenario: &Scenario, histories: [Vec<Record>; 2]) -> Controller {
    with_document(scenario.document(), histories)
}

fn with_document(document: String, histories: [Vec<Record>; 2]) -> Controller {
    let mut controller = Controller::new("sim", Durable::default(), NOW);
    let load = Request::Load {
        document,
        generation: 1,
        in_doubt: Default::default(),
    };
    assert_eq!(controller.handle(NOW, Input::Request(load)), Ok(()));
    for (assembly, history) in ["node1", "node2"].into_iter().zip(histories) {
        let connected = connected(&controller, assembly, Hello::default(), history);
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
            Effect::Decide(question) => Input::Decided(Box::new(question.answer_in(zones::find))),
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

/// The event of a decision that was refused. Its input is kept, nothing is sent and nothing asked.
#[track_caller]
fn refusal(controller: &mut Controller) -> Event {
    let effects: Vec<Effect> = std::iter::from_fn(|| controller.poll_effect()).collect();
    let sent = |effect: &Effect| matches!(effect, Effect::Execute { .. } | Effect::Decide(_));
    assert!(!effects.iter().any(sent), "{effects:?}");
    let kept = effects.iter().any(|effect| {
        matches!(effect, Effect::KeepInput { name: InputName::Refused(0), cib, .. } if cib.contains("service1"))
    });
    assert!(kept, "{effects:?}");
    let told = effects.into_iter().find_map(|effect| match effect {
        Effect::Event(event) if event.kind == EventKind::DecisionRefused => Some(event),
        _ => None,
    });
    told.expect("the refusal is told")
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
        in_doubt: Default::default(),
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
    let failed = controller::Decision::failed(asked.remove(0), "it panicked".into());
    let failed = Input::Decided(Box::new(failed));
    assert_eq!(controller.handle(NOW, failed), Ok(()));
    let told = refusal(&mut controller);
    assert_eq!(told.state, "failed");
    assert_eq!(controller.state(), DpeState::Failed);
    let summary = controller.status(NOW).summary;
    assert_eq!(summary, "the policy engine could not decide: it panicked");
    assert_eq!(told.reason, summary);
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

    let answer = question.answer_in(zones::find);
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
    let answer = asked.remove(0).answer_changed(zones::find, |graph| {
        for synapse in &mut graph.synapses {
            synapse.inputs.clear();
        }
    });
    let decided = Input::Decided(Box::new(answer));
    assert_eq!(controller.handle(NOW, decided), Ok(()));
    let told = refusal(&mut controller);
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
            Some(Effect::Decide(question)) => {
                Input::Decided(Box::new(question.answer_in(zones::find)))
            }
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

/// A document with a clone of three instances that are told apart, two of them in one assembly at
/// most.
fn document_with_a_unique_clone() -> String {
    let option = |name: &str, value: &str| {
        format!(r#"<nvpair id="three.{name}" name="{name}" value="{value}"/>"#)
    };
    let clone = [
        r#"<clone id="three"><meta_attributes id="three.meta">"#,
        &option("globally-unique", "true"),
        &option("clone-max", "3"),
        &option("clone-node-max", "2"),
        r#"</meta_attributes><primitive id="one" class="ocf" provider="sim" type="Simulated"/>"#,
        "</clone></resources><constraints>",
    ]
    .concat();
    let document = Scenario::plain(2, 0, Mode::Lease).document();
    document.replace("</resources><constraints>", &clone)
}

/// Of the clone's instances: those that the status shows, with their places and states.
fn instances(controller: &Controller) -> Vec<(String, String, ServiceState)> {
    let status = controller.status(NOW);
    let own = status.services.into_iter().filter(|it| it.service == "one");
    own.map(|it| (it.name, it.assembly, it.state)).collect()
}

#[test]
fn the_status_shows_the_instances_of_a_unique_clone() {
    let document = document_with_a_unique_clone();
    let mut controller = with_document(document, [vec![], vec![]]);
    carry_out(&mut controller);
    expect_active(&controller);
    let found = instances(&controller);
    assert_eq!(found.len(), 3, "{found:?}");
    let names = found.iter().map(|(name, ..)| name.as_str());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    assert_eq!(names, ["one:0", "one:1", "one:2"]);
    let started = |(_, assembly, state): &(String, String, ServiceState)| {
        !assembly.is_empty() && *state == ServiceState::Started
    };
    assert!(found.iter().all(started), "{found:?}");
}

#[test]
fn a_service_runs_in_an_assembly_while_one_of_its_instances_runs_there() {
    let document = document_with_a_unique_clone();
    let mut controller = with_document(document, [vec![], vec![]]);
    carry_out(&mut controller);
    let pair = instances(&controller);
    let both = |place: &str| pair.iter().filter(|(_, on, _)| on == place).count() == 2;
    let place = ["node1", "node2"].into_iter().find(|place| both(place));
    let place = place.expect("three instances in two assemblies");
    let first = pair.iter().find(|(_, on, _)| on == place);
    let mut stop = record(Task::Stop, RecordState::Complete, 900, 0);
    stop.operation.resource = first.expect("it has two").0.clone();
    let completed = Input::OperationCompleted {
        assembly: place.into(),
        record: Box::new(stop),
    };
    assert_eq!(controller.handle(NOW, completed), Ok(()));
    let told = std::iter::from_fn(|| controller.poll_effect()).find_map(|effect| match effect {
        Effect::Event(event) if event.service.is_some() => Some(event),
        _ => None,
    });
    assert_eq!(told, None, "the other instance runs there");
    let found = instances(&controller);
    let running = found.iter().filter(|(_, assembly, _)| !assembly.is_empty());
    assert_eq!(running.count(), 2, "{found:?}");
    assert_eq!(
        found.len(),
        3,
        "the one that runs nowhere is shown: {found:?}"
    );
}

#[test]
fn numbers_of_a_guest_may_be_anything() {
    let scenario = Scenario::plain(2, 1, Mode::Lease);
    let mut highest = record(Task::Monitor, RecordState::Complete, u32::MAX, 7);
    highest.last_rc_change = u64::MAX;
    (highest.started, highest.completed) = (u64::MAX, u64::MAX);
    (highest.exec_ms, highest.queue_ms) = (u32::MAX, u32::MAX);
    let mut other = record(Task::Monitor, RecordState::Complete, u32::MAX, i32::MIN);
    (other.status, other.operation.interval_ms) = (i32::MAX, u32::MAX);
    let history = vec![highest, other];
    let mut controller = alone(&scenario, [history.clone(), history]);
    let (mut asked, _) = asked_and_sent(&mut controller);
    let decided = Input::Decided(Box::new(asked.remove(0).answer()));
    assert_eq!(controller.handle(NOW, decided), Ok(()));
    while let Some(effect) = controller.poll_effect() {
        if let Effect::Execute {
            assembly,
            operation,
        } = effect
        {
            let refused = Input::ExecuteRefused {
                assembly,
                id: operation.id,
                reason: "no".into(),
            };
            assert_eq!(controller.handle(NOW, refused), Ok(()));
        }
    }
    let heartbeat = Input::Heartbeat {
        assembly: "node1".into(),
        stamp_us: u64::MAX,
    };
    assert_eq!(controller.handle(NOW, heartbeat), Ok(()));
    assert_ne!(controller.status(NOW).failures, [], "the refusals count");
}

/// What the controller asks for at that time, answered and done.
fn carry_out_at(
    controller: &mut Controller,
    now: Time,
    call_id: &mut u32,
) -> Vec<(Task, AssemblyId)> {
    let mut sent = Vec::new();
    while let Some(effect) = controller.poll_effect() {
        let input = match effect {
            Effect::Decide(question) => Input::Decided(Box::new(question.answer_in(zones::find))),
            Effect::Execute {
                assembly,
                operation,
            } => {
                *call_id += 1;
                sent.push((operation.action.clone(), assembly.clone()));
                let rc = TransitionKey::parse(&operation.id).map_or(0, |key| key.expected_rc);
                let record = Record {
                    operation: *operation,
                    ..record(Task::default(), RecordState::Complete, *call_id, rc)
                };
                let record = Box::new(record);
                Input::OperationCompleted { assembly, record }
            }
            _ => continue,
        };
        assert_eq!(controller.handle(now, input), Ok(()));
    }
    sent
}

/// Lets seconds pass, in which both agents are heard, and says what was done after how many of
/// them.
fn pass_seconds(controller: &mut Controller, seconds: u64) -> Vec<(u64, Task, AssemblyId)> {
    pass_from(controller, NOW.wall_us, seconds)
}

/// The same, from when the clock of the host shows that time.
fn pass_from(
    controller: &mut Controller,
    wall_us: u64,
    seconds: u64,
) -> Vec<(u64, Task, AssemblyId)> {
    let (mut call_id, mut done) = (100, Vec::new());
    for second in 0..=seconds {
        let now = Time {
            boottime_us: NOW.boottime_us + second * 1_000_000,
            wall_us: wall_us + second * 1_000_000,
        };
        for assembly in ["node1", "node2"] {
            let heartbeat = Input::Heartbeat {
                assembly: assembly.into(),
                stamp_us: now.boottime_us,
            };
            assert_eq!(controller.handle(now, heartbeat), Ok(()));
        }
        let sent = carry_out_at(controller, now, &mut call_id).into_iter();
        done.extend(sent.map(|(task, assembly)| (second, task, assembly)));
    }
    done
}

/// A document with one service, options of the cluster, and a rule by which the service may not run
/// in node1 from the seventh minute of an hour on, which begins 20 s after `NOW`.
fn document_with_a_rule_by_time(options: &str) -> String {
    let scenario = Scenario::plain(2, 1, Mode::Lease);
    let rule = concat!(
        r#"<rsc_location id="by-time" rsc="service1"><rule id="by-time.rule" score="-INFINITY">"#,
        r##"<expression id="by-time.node" attribute="#uname" operation="eq" value="node1"/>"##,
        r#"<date_expression id="by-time.date" operation="date_spec">"#,
        r#"<date_spec id="by-time.spec" minutes="7-59"/></date_expression></rule></rsc_location>"#,
        "</constraints></configuration>"
    );
    let document = scenario.document();
    let document = document.replace("</constraints></configuration>", rule);
    document.replace("<configuration>", &format!("<configuration>{options}"))
}

fn cluster_option(name: &str, value: &str) -> String {
    format!(
        r#"<crm_config><cluster_property_set id="own"><nvpair id="own-one" name="{name}" value="{value}"/></cluster_property_set></crm_config>"#
    )
}

/// The seconds in which something is done, but for the first.
fn busy_seconds(controller: &mut Controller, seconds: u64) -> Vec<u64> {
    let done = pass_seconds(controller, seconds);
    let mut busy: Vec<u64> = done.iter().map(|(second, ..)| *second).collect();
    busy.retain(|second| *second > 0);
    busy.dedup();
    busy
}

#[test]
fn what_a_rule_by_time_wants_is_done_in_its_second_whatever_the_recheck_interval() {
    let zero = cluster_option("cluster-recheck-interval", "0");
    let long = cluster_option("cluster-recheck-interval", "1h");
    for options in ["", &zero, &long] {
        let document = document_with_a_rule_by_time(options);
        let mut controller = with_document(document, [started(), vec![]]);
        let done = pass_seconds(&mut controller, 60);
        let moved = |(second, task, assembly): &(u64, Task, AssemblyId)| {
            (20..=21).contains(second) && *task == Task::Start && *assembly == "node2"
        };
        assert!(done.iter().any(moved), "{options}: {done:?}");
        expect_active(&controller);
    }
}

#[test]
fn a_rule_by_time_turns_in_the_zone_of_the_document_and_else_of_the_host() {
    // The seventh minute there is the 37th of UTC. In the second half of an hour it may run.
    let document = document_with_a_rule_by_time("");
    let named = document.replace("<deployable ", "<deployable time_zone=\"Asia/Kolkata\" ");
    let kolkata = || Input::HostTimeZone(Some("Asia/Kolkata".into()));
    let berlin = || Input::HostTimeZone(Some("Europe/Berlin".into()));
    for (document, host, second) in [
        (&named, berlin(), 20 + 30 * 60),
        (&document, kolkata(), 20 + 30 * 60),
        (&document, berlin(), 20),
    ] {
        let document = document.replace("\"7-59\"", "\"7-29\"");
        let mut controller = with_document(document, [started(), vec![]]);
        assert_eq!(controller.handle(NOW, host), Ok(()));
        let busy = busy_seconds(&mut controller, second + 60);
        let turned = busy.first();
        assert!(
            turned.is_some_and(|at| (second..=second + 1).contains(at)),
            "{second}: {busy:?}"
        );
    }
}

#[test]
fn a_rule_by_the_hour_turns_when_clocks_show_it_on_both_days_on_which_they_are_changed() {
    // 2026-03-29: 03:00 comes after 01:59. 2026-10-25: 02:00 comes twice.
    let (spring, autumn) = (1_774_746_000, 1_792_890_000);
    let hour = 3600;
    for (begins, wanted, turns) in [
        (spring, "3", true),
        (spring, "2", false),
        (autumn - hour, "2", true),
        (autumn, "2", false),
        (autumn, "3", false),
        (autumn + hour, "3", true),
    ] {
        let hours = format!("hours=\"{wanted}\"");
        let document = document_with_a_rule_by_time("").replace("minutes=\"7-59\"", &hours);
        let document = document.replace("<deployable ", "<deployable time_zone=\"Europe/Berlin\" ");
        let mut controller = with_document(document, [started(), vec![]]);
        let done = pass_from(&mut controller, (begins - 30) * 1_000_000, 60);
        let moved = done
            .iter()
            .filter(|(_, task, to)| *task == Task::Start && *to == "node2");
        let moved: Vec<u64> = moved.map(|(second, ..)| *second).collect();
        // Where it is 02:59 for the first time, the rule has held for an hour.
        let expected = match (turns, (begins, wanted) == (autumn, "2")) {
            (true, _) => vec![30],
            (false, true) => vec![0],
            (false, false) => vec![],
        };
        assert_eq!(moved, expected, "{begins} {wanted}: {done:?}");
    }
}

#[test]
fn nothing_but_the_option_of_the_cluster_names_the_zone() {
    // A parameter of the service has its name, too.
    let document = document_with_a_rule_by_time("").replace("\"7-59\"", "\"7-29\"");
    let own = r#"<parameter name="time-zone" value="UTC"/><parameter name="setting""#;
    let hiding = document.replacen(r#"<parameter name="setting""#, own, 1);
    assert_ne!(hiding, document);
    let mut controller = with_document(hiding, [started(), vec![]]);
    let kolkata = Input::HostTimeZone(Some("Asia/Kolkata".into()));
    assert_eq!(controller.handle(NOW, kolkata), Ok(()));
    let second = 20 + 30 * 60;
    let busy = busy_seconds(&mut controller, second + 60);
    assert!(
        busy.first()
            .is_some_and(|at| (second..=second + 1).contains(at)),
        "{busy:?}"
    );
}

#[test]
fn a_clock_that_is_set_is_noticed_with_the_next_input() {
    let document = document_with_a_rule_by_time("");
    let mut controller = with_document(document, [started(), vec![]]);
    assert_eq!(busy_seconds(&mut controller, 5), Vec::<u64>::new());
    let at = |second: u64, ahead_s: i64| Time {
        boottime_us: NOW.boottime_us + second * 1_000_000,
        wall_us: (NOW.wall_us + second * 1_000_000).saturating_add_signed(ahead_s * 1_000_000),
    };
    let is_asked = |controller: &mut Controller, now: Time| {
        assert_eq!(controller.handle(now, Input::Tick), Ok(()));
        let mut asked = false;
        while let Some(effect) = controller.poll_effect() {
            if let Effect::Decide(question) = effect {
                asked = true;
                let answer = Input::Decided(Box::new(question.answer_in(zones::find)));
                assert_eq!(controller.handle(now, answer), Ok(()));
            }
        }
        asked
    };
    assert!(!is_asked(&mut controller, at(6, 0)), "nothing has changed");
    assert!(is_asked(&mut controller, at(7, 30)), "the rule holds");
    let mut back = with_document(document_with_a_rule_by_time(""), [started(), vec![]]);
    assert_eq!(busy_seconds(&mut back, 5), Vec::<u64>::new());
    assert!(is_asked(&mut back, at(6, -600)), "it may hold again");
    assert!(!is_asked(&mut back, at(7, -600)), "it was seen");
}

#[test]
fn the_deadline_is_the_moment_itself() {
    let document = document_with_a_rule_by_time("");
    let mut controller = with_document(document, [started(), vec![]]);
    pass_seconds(&mut controller, 1);
    let heard = Time {
        boottime_us: NOW.boottime_us + 19_300_000,
        wall_us: NOW.wall_us + 19_300_000,
    };
    for assembly in ["node1", "node2"] {
        let heartbeat = Input::Heartbeat {
            assembly: assembly.into(),
            stamp_us: 1,
        };
        assert_eq!(controller.handle(heard, heartbeat), Ok(()));
    }
    assert_eq!(controller.deadline(), Some(NOW.boottime_us + 20_000_000));
}

/// Lets a silent assembly be lost, and gives the attempt that its fencing is named by.
fn lose_all(controller: &mut Controller, at: &mut Time) -> String {
    for _ in 0..60 {
        at.boottime_us += 1_000_000;
        at.wall_us += 1_000_000;
        assert_eq!(controller.handle(*at, Input::Tick), Ok(()));
        while let Some(effect) = controller.poll_effect() {
            if let Effect::Decide(question) = effect {
                let answer = Input::Decided(Box::new(question.answer_in(zones::find)));
                assert_eq!(controller.handle(*at, answer), Ok(()));
            }
        }
    }
    let status = controller.status(*at);
    status.assemblies[0].fencing_attempt.clone()
}

#[test]
fn a_late_confirmation_does_not_vouch_for_a_later_loss() {
    let scenario = Scenario::plain(2, 1, Mode::Manager);
    let mut controller = alone(&scenario, [started(), vec![]]);
    carry_out(&mut controller);
    let mut at = NOW;
    let first = lose_all(&mut controller, &mut at);
    assert!(!first.is_empty());
    let back = connected(&controller, "node1", Hello::default(), started());
    assert_eq!(controller.handle(at, back), Ok(()));
    let second = lose_all(&mut controller, &mut at);
    assert!(!second.is_empty() && second != first, "{first} {second}");
    let confirm = |attempt: &str| {
        Input::Request(Request::ConfirmFenced {
            assembly: "node1".into(),
            attempt: attempt.to_owned(),
        })
    };
    let refusal = controller.handle(at, confirm(&first)).unwrap_err();
    assert!(refusal.to_string().contains(&second), "{refusal}");
    assert_eq!(controller.handle(at, confirm(&second)), Ok(()));
    let status = controller.status(at);
    assert_eq!(status.assemblies[0].state, AssemblyState::Offline);
}

#[test]
fn a_loss_keeps_its_name_over_a_restart_of_the_dpe() {
    let scenario = Scenario::plain(2, 1, Mode::Manager);
    let mut controller = alone(&scenario, [started(), vec![]]);
    carry_out(&mut controller);
    let mut at = NOW;
    let before = lose_all(&mut controller, &mut at);
    let saved = Durable::from_rows(controller.facts().rows()).unwrap();
    let mut next = Controller::new("sim", saved, at);
    assert_eq!(lose_all(&mut next, &mut at), before);
}

#[test]
fn an_assembly_that_does_not_answer_may_be_confirmed_soon_and_one_that_does_may_not() {
    let scenario = Scenario::plain(2, 1, Mode::Manager);
    let mut controller = alone(&scenario, [started(), vec![]]);
    carry_out(&mut controller);
    let confirm = |controller: &mut Controller, at: Time| {
        let request = Request::ConfirmFenced {
            assembly: "node1".into(),
            attempt: String::new(),
        };
        let refusal = controller.handle(at, Input::Request(request));
        refusal.expect_err("it is not lost")
    };
    let refusal = confirm(&mut controller, NOW);
    assert!(matches!(refusal, Refusal::Refused(_)), "{refusal}");

    // Its heartbeats are late.
    let mut at = NOW;
    let missed = |controller: &Controller, at| {
        controller.status(at).assemblies[0].reason == "its heartbeats are late"
    };
    while !missed(&controller, at) {
        at.boottime_us += 100_000;
        at.wall_us += 100_000;
        assert_eq!(controller.handle(at, Input::Tick), Ok(()));
        assert!(at.boottime_us < NOW.boottime_us + 60_000_000);
    }
    let refusal = confirm(&mut controller, at);
    assert!(matches!(refusal, Refusal::NotReady(_)), "{refusal}");
    assert!(
        refusal.to_string().contains("may be lost soon"),
        "{refusal}"
    );

    // Its stream has ended, and it is not late yet.
    let mut controller = alone(&scenario, [started(), vec![]]);
    carry_out(&mut controller);
    let ended = Input::AgentDisconnected {
        assembly: "node1".into(),
        reason: "the connection ended".into(),
    };
    assert_eq!(controller.handle(NOW, ended), Ok(()));
    let refusal = confirm(&mut controller, NOW);
    assert!(matches!(refusal, Refusal::NotReady(_)), "{refusal}");
}

/// The lease of the last Connect to an assembly, and whether a fact that it runs without one was
/// saved before it.
fn last_lease(controller: &mut Controller, assembly: &str) -> Option<(u32, bool)> {
    let (mut lease, mut unleased) = (None, false);
    while let Some(effect) = controller.poll_effect() {
        match effect {
            Effect::Persist(changes) => {
                let key = format!("assembly/{assembly}");
                let values = changes.into_iter().filter(|change| change.key == key);
                for value in values.filter_map(|change| change.value) {
                    unleased = value.contains("\"unleased\":true");
                }
            }
            Effect::Connect(connect) if connect.assembly == *assembly => {
                lease = Some((connect.lease_ms, unleased));
            }
            _ => {}
        }
    }
    lease
}

#[test]
fn maintenance_suspends_the_lease_and_its_loss_is_not_safe_by_waiting() {
    let scenario = Scenario::plain(2, 1, Mode::Lease);
    let mut controller = alone(&scenario, [started(), vec![]]);
    carry_out(&mut controller);
    let maintenance = |on| {
        let assembly = Some("node1".into());
        Input::Request(Request::Maintenance { assembly, on })
    };
    let back =
        |controller: &Controller| connected(controller, "node1", Hello::default(), started());
    assert_eq!(controller.handle(NOW, maintenance(true)), Ok(()));
    assert_eq!(last_lease(&mut controller, "node1"), Some((0, true)));
    let answer = back(&controller);
    assert_eq!(controller.handle(NOW, answer), Ok(()));
    let mut at = NOW;
    lose_all(&mut controller, &mut at);
    let status = controller.status(at);
    assert_ne!(status.assemblies[0].state, AssemblyState::Offline);

    // Its agent is back: it is in maintenance again, without a lease.
    let answer = back(&controller);
    assert_eq!(controller.handle(at, answer), Ok(()));
    assert_eq!(last_lease(&mut controller, "node1"), Some((0, true)));
    assert_eq!(controller.handle(at, maintenance(false)), Ok(()));
    let lease = last_lease(&mut controller, "node1");
    assert!(lease.is_some_and(|(lease_ms, _)| lease_ms > 0), "{lease:?}");
}

fn leaving(assembly: &str) -> Input {
    Input::AgentLeaving {
        assembly: assembly.into(),
        boot_id: String::new(),
        reason: "shutdown".into(),
    }
}

fn left(assembly: &str, boot_id: &str) -> Input {
    Input::AgentLeft {
        assembly: assembly.into(),
        boot_id: boot_id.into(),
    }
}

fn state_of(controller: &Controller, name: &str) -> AssemblyState {
    let assemblies = controller.status(NOW).assemblies;
    let own = assemblies.iter().find(|own| own.name == name);
    own.expect("the assembly").state
}

#[test]
fn nothing_is_started_in_an_assembly_that_leaves() {
    for leaves in [false, true] {
        let mut controller = alone(&Scenario::plain(2, 1, Mode::Lease), [started(), Vec::new()]);
        if leaves {
            assert_eq!(controller.handle(NOW, leaving("node2")), Ok(()));
            assert_eq!(state_of(&controller, "node2"), AssemblyState::Leaving);
        }
        let standby = Request::Standby {
            assembly: "node1".into(),
            on: true,
        };
        assert_eq!(controller.handle(NOW, Input::Request(standby)), Ok(()));
        carry_out(&mut controller);
        let services = controller.status(NOW).services;
        let expected = if leaves { "" } else { "node2" };
        assert_eq!(services[0].assembly, expected);
    }
}

#[test]
fn left_counts_only_from_the_boot_and_over_the_stream_that_said_it() {
    let mut controller = alone(&Scenario::plain(2, 1, Mode::Lease), [started(), Vec::new()]);
    carry_out(&mut controller);
    assert_eq!(controller.handle(NOW, left("node2", "earlier")), Ok(()));
    assert_eq!(state_of(&controller, "node2"), AssemblyState::Online);
    let disconnected = Input::AgentDisconnected {
        assembly: "node2".into(),
        reason: "a test".into(),
    };
    assert_eq!(controller.handle(NOW, disconnected), Ok(()));
    assert_eq!(controller.handle(NOW, left("node2", "")), Ok(()));
    assert_eq!(state_of(&controller, "node2"), AssemblyState::Online);
}

#[test]
fn what_has_left_is_safe_until_its_agent_answers_again_even_of_the_same_boot() {
    let mut controller = alone(&Scenario::plain(2, 1, Mode::Lease), [started(), Vec::new()]);
    carry_out(&mut controller);
    for input in [leaving("node2"), left("node2", "")] {
        assert_eq!(controller.handle(NOW, input), Ok(()));
    }
    assert_eq!(state_of(&controller, "node2"), AssemblyState::Offline);
    // Also to a DPE that is started now.
    let durable = controller.facts().clone();
    let again = Controller::new("sim", durable, NOW);
    assert_eq!(state_of(&again, "node2"), AssemblyState::Offline);
    for _ in 0..2 {
        let connected = connected(&controller, "node2", Hello::default(), Vec::new());
        assert_eq!(controller.handle(NOW, connected), Ok(()));
        assert_eq!(state_of(&controller, "node2"), AssemblyState::Online);
    }
    // Its second word would have come over another stream.
    assert_eq!(controller.handle(NOW, leaving("node2")), Ok(()));
    assert_eq!(state_of(&controller, "node2"), AssemblyState::Leaving);
}

#[test]
fn that_a_guest_leaves_is_known_to_the_next_dpe() {
    let mut controller = alone(&Scenario::plain(2, 1, Mode::Lease), [started(), Vec::new()]);
    assert_eq!(controller.handle(NOW, leaving("node2")), Ok(()));
    let mut again = Controller::new("sim", controller.facts().clone(), NOW);
    let mut hello = Hello {
        leaving: true,
        ..Hello::default()
    };
    for (leaving, expected) in [
        (true, AssemblyState::Leaving),
        (false, AssemblyState::Online),
    ] {
        hello.leaving = leaving;
        let connected = connected(&again, "node2", hello.clone(), Vec::new());
        assert_eq!(again.handle(NOW, connected), Ok(()));
        assert_eq!(state_of(&again, "node2"), expected);
    }
    let told: Vec<EventKind> = again
        .facts()
        .rows()
        .into_iter()
        .filter(|(key, _)| key.starts_with("event/"))
        .map(|(_, row)| serde_json::from_str::<Event>(&row).unwrap().kind)
        .collect();
    let count = |kind| told.iter().filter(|told| **told == kind).count();
    assert_eq!(count(EventKind::AssemblyLeaving), 1, "{told:?}");
    assert_eq!(count(EventKind::AssemblyRecovered), 1, "{told:?}");
}

/// Two services; the first one's operations begin later.
fn document_with_delays(delays: Delays) -> String {
    let mut scenario = Scenario::plain(2, 2, Mode::Lease);
    scenario.services[0].form = Form::Migrates;
    scenario.services[0].policies.delays = delays;
    scenario.document()
}

/// Answers questions, and tells that what was sent is done, or waits for its start delay. Gives
/// what waits, with its assembly.
fn carry_out_with_delays(
    controller: &mut Controller,
    call_id: &mut u32,
) -> Vec<(AssemblyId, Record)> {
    let mut waiting = Vec::new();
    while let Some(effect) = controller.poll_effect() {
        let input = match effect {
            Effect::Decide(question) => Input::Decided(Box::new(question.answer())),
            Effect::Execute {
                assembly,
                operation,
            } => {
                *call_id += 1;
                let expected = TransitionKey::parse(&operation.id).map(|key| key.expected_rc);
                let (state, rc) = match operation.start_delay_ms() {
                    0 => (RecordState::Complete, expected.unwrap_or(0)),
                    _ => (RecordState::Pending, 193),
                };
                let record = Record {
                    operation: *operation,
                    ..record(Task::default(), state, *call_id, rc)
                };
                if state == RecordState::Pending {
                    waiting.push((assembly.clone(), record.clone()));
                }
                let record = Box::new(record);
                Input::OperationCompleted { assembly, record }
            }
            _ => continue,
        };
        assert_eq!(controller.handle(NOW, input), Ok(()));
    }
    waiting
}

#[test]
fn what_waits_for_its_start_delay_keeps_nothing_else_waiting() {
    let delays = Delays {
        start_s: 60,
        ..Delays::default()
    };
    let mut controller = with_document(document_with_delays(delays), [vec![], vec![]]);
    let mut call_id = 0;
    let waiting = carry_out_with_delays(&mut controller, &mut call_id);
    let [(home, start)] = &waiting[..] else {
        panic!("{waiting:?}");
    };
    assert_eq!(start.operation.action, Task::Start);
    let transition = controller.status(NOW).transition.unwrap();
    assert_eq!(transition.state, TransitionState::Running, "it is awaited");

    // The other service fails: that is seen to at once, and the start is asked for again.
    let failed = record(Task::Monitor, RecordState::Complete, 1_000, 7);
    let mut failed = Record { ..failed };
    failed.operation.id = "1000:1:0:00006afd-86c0-8000-8000-000000000000".into();
    failed.operation.resource = "service2".into();
    failed.operation.interval_ms = 4_000;
    let other = controller.status(NOW);
    let other = other
        .services
        .iter()
        .find(|it| it.name == "service2")
        .unwrap();
    let assembly = AssemblyId::from(other.assembly.as_str());
    let record = Box::new(failed);
    let input = Input::OperationCompleted { assembly, record };
    assert_eq!(controller.handle(NOW, input), Ok(()));
    call_id = 2_000;
    let again = carry_out_with_delays(&mut controller, &mut call_id);
    let transition = controller.status(NOW).transition.unwrap();
    assert!(transition.number > 1, "{transition:?}");
    let ids = |all: &[(AssemblyId, Record)]| -> Vec<String> {
        all.iter()
            .map(|(_, own)| own.operation.id.clone())
            .collect()
    };
    assert_eq!(again.iter().map(|(own, _)| own).collect::<Vec<_>>(), [home]);
    assert_ne!(ids(&again), ids(&waiting), "it is another request");

    // Its agent takes the first one back for that, and does the second one.
    let told = |state, (assembly, own): &(AssemblyId, Record)| Input::OperationCompleted {
        assembly: assembly.clone(),
        record: Box::new(Record {
            state,
            rc: 0,
            ..own.clone()
        }),
    };
    let cancelled = told(RecordState::Cancelled, &waiting[0]);
    assert_eq!(controller.handle(NOW, cancelled), Ok(()));
    let done = told(RecordState::Complete, &again[0]);
    assert_eq!(controller.handle(NOW, done), Ok(()));
    carry_out_with_delays(&mut controller, &mut call_id);
    let status = controller.status(NOW);
    let transition = status.transition.unwrap();
    assert_eq!(
        transition.state,
        TransitionState::Completed,
        "{transition:?}"
    );
    let started = status
        .services
        .iter()
        .all(|it| it.state == ServiceState::Started);
    assert!(started, "{:?}", status.services);
}

#[test]
fn nothing_waits_for_the_first_turn_of_a_monitor() {
    let delays = Delays {
        monitor: FirstTurn::After(86_400),
        ..Delays::default()
    };
    let mut controller = with_document(document_with_delays(delays), [vec![], vec![]]);
    let waiting = carry_out_with_delays(&mut controller, &mut 0);
    let [(_, monitor)] = &waiting[..] else {
        panic!("{waiting:?}");
    };
    assert!(monitor.operation.interval_ms > 0, "{monitor:?}");
    let status = controller.status(NOW);
    assert_eq!(status.transition.unwrap().state, TransitionState::Completed);
    assert_eq!(controller.state(), DpeState::Active);
    // It is in force: the policy engine does not want it begun again.
    let cleanup = Request::Cleanup {
        service: None,
        assembly: None,
    };
    assert_eq!(controller.handle(NOW, Input::Request(cleanup)), Ok(()));
    assert_eq!(carry_out_with_delays(&mut controller, &mut 100), []);
}
