//! The power of assemblies: by an administrator's word, on again after a fencing, and by the cloud
//! manager, who is reminded.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{
    Attributes, Controller, Durable, Effect, Event, EventKind, FenceRequest, Hello, Input,
    PowerOrder, Record, RecordState, Refusal, Request, Task, Time, TransitionKey,
};
use controller_sim::scenario::{Mode, Scenario};
use cpe_status::AssemblyState;

const SECOND: u64 = 1_000_000;
const BEGIN: Time = Time {
    boottime_us: SECOND,
    wall_us: 1_795_000_000_000_000,
};

/// A controller with two assemblies and one service, whose devices answer by hand.
struct World {
    controller: Controller,
    now: Time,
    call_id: u32,
    /// Where the service was started.
    starts: Vec<String>,
    fences: Vec<FenceRequest>,
    /// Seconds at which an assembly was to be switched on.
    powered_on: Vec<u64>,
    events: Vec<Event>,
    /// The saved facts.
    table: std::collections::BTreeMap<String, String>,
}

impl World {
    fn new(mode: Mode) -> World {
        let mut world = World {
            controller: Controller::new("sim", Durable::default(), BEGIN),
            now: BEGIN,
            call_id: 10,
            starts: Vec::new(),
            fences: Vec::new(),
            powered_on: Vec::new(),
            events: Vec::new(),
            table: Default::default(),
        };
        world.input(Input::Request(Request::Load {
            document: Scenario::plain(2, 1, mode).document(),
            generation: 1,
            in_doubt: Default::default(),
        }));
        world.hear("node1", "b1");
        world.hear("node2", "b2");
        world.pass(5, &["node1", "node2"]);
        assert_eq!(world.starts, ["node1"]);
        world
    }

    #[track_caller]
    fn input(&mut self, input: Input) {
        assert_eq!(self.controller.handle(self.now, input), Ok(()));
        self.settle();
    }

    fn hear(&mut self, assembly: &str, boot: &str) {
        let wanted = self.controller.wanted(&assembly.into());
        self.input(Input::AgentConnected {
            assembly: assembly.into(),
            number: wanted.map_or(0, |connect| connect.number),
            hello: Hello {
                machine_id: format!("machine of {assembly}"),
                boot_id: boot.into(),
                ..Hello::default()
            },
            history: Vec::new(),
            attributes: Attributes::default(),
        });
    }

    fn order(&mut self, assembly: &str, order: PowerOrder) -> Result<(), Refusal> {
        let request = Request::Fence {
            assembly: assembly.into(),
            order,
        };
        let by = "alice (uid 1000)".to_owned();
        let order = Input::Order { request, by };
        let outcome = self.controller.handle(self.now, order);
        self.settle();
        outcome
    }

    /// The device answers to the last request.
    fn answer(&mut self, result: Result<(), &str>) {
        let request = self.fences.last().unwrap();
        self.input(Input::FencingResult {
            assembly: request.assembly.clone(),
            attempt: request.attempt,
            result: result.map_err(str::to_owned),
        });
    }

    /// Lets seconds pass; these go on sending heartbeats.
    fn pass(&mut self, seconds: u64, alive: &[&str]) {
        for _ in 0..seconds {
            self.now.boottime_us += SECOND;
            self.now.wall_us += SECOND;
            for assembly in alive {
                self.input(Input::Heartbeat {
                    assembly: (*assembly).into(),
                    stamp_us: self.now.boottime_us,
                });
            }
            self.input(Input::Tick);
        }
    }

    fn settle(&mut self) {
        while let Some(effect) = self.controller.poll_effect() {
            match effect {
                Effect::Persist(changes) => {
                    for change in changes {
                        match change.value {
                            Some(value) => self.table.insert(change.key, value),
                            None => self.table.remove(&change.key),
                        };
                    }
                }
                Effect::Decide(question) => {
                    self.input(Input::Decided(Box::new(question.answer())));
                }
                Effect::Execute {
                    assembly,
                    operation,
                } => {
                    if operation.action == Task::Start {
                        self.starts.push(assembly.to_string());
                    }
                    self.call_id += 1;
                    let expected = TransitionKey::parse(&operation.id).map(|key| key.expected_rc);
                    let record = Box::new(Record {
                        operation: *operation,
                        state: RecordState::Complete,
                        call_id: self.call_id,
                        rc: expected.unwrap_or(0),
                        ..Record::default()
                    });
                    self.input(Input::OperationCompleted { assembly, record });
                }
                Effect::Fence(request) => self.fences.push(request),
                Effect::PowerOn(order) => {
                    assert_eq!(order.assembly.as_str(), "node1");
                    self.powered_on.push(self.now.boottime_us / SECOND);
                }
                Effect::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn restart(&mut self) {
        let facts = Durable::from_rows(&self.table).unwrap();
        self.controller = Controller::new("sim", facts, self.now);
        self.settle();
        self.hear("node2", "b2");
    }

    fn state(&self, assembly: &str) -> (AssemblyState, String) {
        let status = self.controller.status(self.now);
        let mut all = status.assemblies.into_iter();
        let own = all.find(|own| own.name == assembly).unwrap();
        (own.state, own.reason)
    }

    fn told(&self, kind: EventKind) -> Vec<&Event> {
        let events = self.events.iter();
        events.filter(|event| event.kind == kind).collect()
    }
}

fn refused(outcome: Result<(), Refusal>) -> String {
    outcome.unwrap_err().to_string()
}

#[test]
fn an_administrator_has_an_assembly_restarted_that_is_online() {
    let mut world = World::new(Mode::Unit);
    world.order("node1", PowerOrder::Reboot).unwrap();
    let [request] = &world.fences[..] else {
        panic!("{:?}", world.fences)
    };
    assert!(request.reboot);
    let requested = world.told(EventKind::AssemblyFencingRequested);
    let reason = &requested[0].reason;
    assert!(
        reason.contains("it is to be restarted, asked for by alice"),
        "{reason}"
    );
    assert_eq!(world.starts, ["node1"], "not before it is safe");
    world.answer(Ok(()));
    world.pass(1, &["node2"]);
    assert_eq!(world.starts, ["node1", "node2"]);
    // It boots in time.
    world.hear("node1", "b9");
    world.pass(400, &["node1", "node2"]);
    assert_eq!(world.powered_on, [0; 0]);
    assert_eq!(world.fences.len(), 1);
}

#[test]
fn an_assembly_that_does_not_come_back_is_switched_on_again_and_again() {
    let mut world = World::new(Mode::Unit);
    world.pass(20, &["node2"]);
    let begun = world.now.boottime_us / SECOND;
    world.answer(Ok(()));
    world.pass(130, &["node2"]);
    // Also by the DPE that comes after this one, which begins to wait again.
    let after = world.powered_on.iter().map(|at| at - begun);
    assert_eq!(after.collect::<Vec<_>>(), [60, 120]);
    let (_, reason) = world.state("node1");
    assert!(
        reason.contains("its device is to switch it on in"),
        "{reason}"
    );
    world.restart();
    world.pass(61, &["node2"]);
    assert_eq!(world.powered_on.len(), 3);
    world.hear("node1", "b9");
    world.pass(900, &["node1", "node2"]);
    assert_eq!(world.powered_on.len(), 3);
}

#[test]
fn an_assembly_that_is_switched_off_stays_off_until_it_is_to_be_on() {
    let mut world = World::new(Mode::Unit);
    world.order("node1", PowerOrder::Off).unwrap();
    assert!(!world.fences[0].reboot);
    world.answer(Ok(()));
    world.pass(900, &["node2"]);
    assert_eq!(world.starts, ["node1", "node2"]);
    assert_eq!(world.powered_on, [0; 0]);
    world.order("node1", PowerOrder::On).unwrap();
    assert_eq!(world.powered_on.len(), 1, "at once");
    world.pass(61, &["node2"]);
    assert_eq!(world.powered_on.len(), 2);
}

#[test]
fn what_an_order_wants_outlives_the_dpe() {
    let mut world = World::new(Mode::Unit);
    world.order("node1", PowerOrder::Off).unwrap();
    world.restart();
    world.hear("node1", "b1");
    world.pass(3, &["node1", "node2"]);
    let last = world.fences.last().unwrap();
    assert_eq!((last.assembly.as_str(), last.reboot), ("node1", false));
    assert!(world.fences.len() > 1, "the attempt is begun again");
}

#[test]
fn an_order_ends_the_pause_after_an_attempt_that_failed() {
    let mut world = World::new(Mode::Unit);
    world.pass(20, &["node2"]);
    for _ in 0..6 {
        world.answer(Err("no answer"));
        world.pass(1, &["node2"]);
        world.order("node1", PowerOrder::Reboot).unwrap();
        world.pass(1, &["node2"]);
    }
    assert_eq!(world.fences.len(), 7);
}

#[test]
fn what_no_device_can_do_is_refused() {
    for (mode, allowed) in [
        (Mode::Lease, Some(PowerOrder::Reboot)),
        (Mode::Manager, Some(PowerOrder::Reboot)),
        (Mode::None, None),
    ] {
        for order in [PowerOrder::Off, PowerOrder::On, PowerOrder::Reboot] {
            let mut world = World::new(mode);
            let outcome = world.order("node1", order);
            if allowed == Some(order) {
                assert_eq!(outcome, Ok(()), "{mode:?}");
                continue;
            }
            let why = refused(outcome);
            assert!(why.contains("has no device that could do that"), "{why}");
            world.pass(30, &["node1", "node2"]);
            assert_eq!(world.state("node1").0, AssemblyState::Online);
        }
    }
}

#[test]
fn what_makes_no_sense_now_is_refused() {
    let mut world = World::new(Mode::Unit);
    let why = refused(world.order("node1", PowerOrder::On));
    assert!(why.contains("answers, so its power is on"), "{why}");
    let why = refused(world.order("node9", PowerOrder::Off));
    assert!(why.contains("no assembly \"node9\""), "{why}");
    world.pass(20, &["node2"]);
    let why = refused(world.order("node1", PowerOrder::On));
    assert!(why.contains("not known to be down"), "{why}");
    world.answer(Ok(()));
    let why = refused(world.order("node1", PowerOrder::Reboot));
    assert!(why.contains("is safe already"), "{why}");
    assert_eq!(world.order("node1", PowerOrder::Off), Ok(()));
    world.pass(900, &["node2"]);
    assert_eq!(world.powered_on, [0; 0], "it stays off");

    let mut world = World::new(Mode::Unit);
    world.input(Input::Request(Request::Maintenance {
        assembly: Some("node1".into()),
        on: true,
    }));
    let why = refused(world.order("node1", PowerOrder::Reboot));
    assert!(why.contains("in maintenance"), "{why}");
}

#[test]
fn the_cloud_manager_is_reminded_of_what_nobody_has_confirmed() {
    let mut world = World::new(Mode::Manager);
    world.pass(400, &["node2"]);
    let requested = world.told(EventKind::AssemblyFencingRequested);
    let attempt = &requested[0].details["attempt"];
    let numbers: Vec<_> = requested[1..]
        .iter()
        .map(|event| {
            assert_eq!(&event.details["attempt"], attempt);
            assert_eq!(event.details["mode"], "manager");
            (
                event.details["reminder"].as_str(),
                event.details["waited_s"].as_str(),
            )
        })
        .collect();
    assert_eq!(numbers, [("1", "60"), ("2", "120"), ("3", "240")]);
    let attempt = attempt.clone();
    world.input(Input::Request(Request::ConfirmFenced {
        assembly: "node1".into(),
        attempt,
    }));
    world.pass(900, &["node2"]);
    assert_eq!(world.told(EventKind::AssemblyFencingRequested).len(), 4);
    assert_eq!(world.starts, ["node1", "node2"]);
    assert_eq!(world.powered_on, [0; 0]);
}
