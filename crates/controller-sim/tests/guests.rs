//! A guest is known by who it is: what the controller makes of other addresses, other guests and
//! guests that belong to somebody else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{
    AssemblyId, Attributes, Controller, Durable, Effect, Hello, Input, Occupant, Operation, Record,
    RecordState, Request, SAVES, Task, Time, TransitionKey,
};
use controller_sim::scenario::{Mode, Scenario};
use cpe_status::{AssemblyState, DpeState};

const SECOND: u64 = 1_000_000;
const BEGIN: Time = Time {
    boottime_us: SECOND,
    wall_us: 1_795_000_000_000_000,
};
/// Longer than the heartbeat timeout and the wait for any lease of these tests.
const LONG: u64 = 120 * SECOND;

/// A controller, and its guests as far as they answer.
struct World {
    controller: Controller,
    now: Time,
    call_id: u32,
    /// What was sent: a start, a stop and so on of a service, or `release`.
    done: Vec<(String, AssemblyId)>,
    /// What the controller wants to be connected, with the address.
    wanted: Vec<(AssemblyId, String)>,
    fenced: Vec<AssemblyId>,
    /// Numbers of these attempts.
    attempts: Vec<u64>,
    /// The devices that were asked for that.
    devices: Vec<String>,
    /// What agents have done, in order.
    records: Vec<(AssemblyId, Record)>,
}

impl World {
    /// Two assemblies and one service, nothing heard yet.
    fn new(document: String) -> World {
        let mut world = World::with(Durable::default());
        world.load(document, 1);
        world
    }

    fn with(facts: Durable) -> World {
        World::at(facts, BEGIN)
    }

    fn at(facts: Durable, now: Time) -> World {
        World {
            controller: Controller::new("sim", facts, now),
            now,
            call_id: 10,
            done: Vec::new(),
            wanted: Vec::new(),
            fenced: Vec::new(),
            attempts: Vec::new(),
            devices: Vec::new(),
            records: Vec::new(),
        }
    }

    /// One service of ours runs in guest m1, which is node1.
    fn running() -> World {
        let mut world = World::new(document());
        world.hear("node1", "m1", "b1", vec![]);
        world.hear("node2", "m2", "b2", vec![]);
        world.settle();
        assert_eq!(world.starts(), ["node1"]);
        world.take_done();
        world
    }

    fn load(&mut self, document: String, generation: u64) {
        let load = Request::Load {
            document,
            generation,
            in_doubt: Default::default(),
        };
        self.input(Input::Request(load));
    }

    #[track_caller]
    fn input(&mut self, input: Input) {
        assert_eq!(self.controller.handle(self.now, input), Ok(()));
    }

    /// That of the stream that the controller wants to an assembly now.
    fn number(&self, assembly: &str) -> u64 {
        let wanted = self.controller.wanted(&assembly.into());
        wanted.map_or(0, |connect| connect.number)
    }

    fn hear(&mut self, assembly: &str, machine: &str, boot: &str, history: Vec<Record>) {
        let number = self.number(assembly);
        self.hear_over(number, assembly, machine, boot, history);
    }

    /// An answer over the stream of that number.
    fn hear_over(
        &mut self,
        number: u64,
        assembly: &str,
        machine: &str,
        boot: &str,
        history: Vec<Record>,
    ) {
        self.input(Input::AgentConnected {
            assembly: assembly.into(),
            number,
            hello: Hello {
                machine_id: machine.into(),
                boot_id: boot.into(),
                ..Hello::default()
            },
            history,
            attributes: Attributes::default(),
        });
    }

    /// A person vouches for a lost assembly.
    fn confirm(&mut self, assembly: &str) {
        let status = self.controller.status(self.now);
        let lost = status.assemblies.iter().find(|own| own.name == assembly);
        self.input(Input::Request(Request::ConfirmFenced {
            assembly: assembly.into(),
            attempt: lost.unwrap().fencing_attempt.clone(),
        }));
    }

    /// Lets time pass; these go on sending heartbeats.
    fn pass(&mut self, microseconds: u64, alive: &[&str]) {
        let end = self.now.boottime_us + microseconds;
        while self.now.boottime_us < end {
            self.now.boottime_us += SECOND;
            self.now.wall_us += SECOND;
            for assembly in alive {
                self.input(Input::Heartbeat {
                    assembly: (*assembly).into(),
                    stamp_us: self.now.boottime_us,
                });
            }
            self.input(Input::Tick);
            self.settle();
        }
    }

    /// Answers questions, and tells that what was sent is done, until nothing is left to do.
    fn settle(&mut self) {
        while let Some(effect) = self.controller.poll_effect() {
            match effect {
                Effect::Decide(question) => {
                    self.input(Input::Decided(Box::new(question.answer())));
                }
                Effect::Execute {
                    assembly,
                    operation,
                } => self.execute(assembly, operation),
                Effect::Release { assembly, .. } => self.done.push(("release".into(), assembly)),
                Effect::Connect(connect) => {
                    self.wanted.retain(|(name, _)| *name != connect.assembly);
                    let address = connect.address.unwrap_or_default();
                    self.wanted.push((connect.assembly, address));
                }
                Effect::Disconnect { assembly } => {
                    self.wanted.retain(|(name, _)| *name != assembly);
                }
                Effect::Fence(request) => {
                    self.devices.push(format!("{:?}", request.device));
                    self.attempts.push(request.attempt);
                    self.fenced.push(request.assembly);
                }
                _ => {}
            }
        }
    }

    fn execute(&mut self, assembly: AssemblyId, operation: Box<Operation>) {
        if operation.action != Task::Monitor {
            let task = format!("{:?}", operation.action);
            self.done.push((task.to_lowercase(), assembly.clone()));
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
        self.records.push((assembly.clone(), (*record).clone()));
        self.input(Input::OperationCompleted { assembly, record });
    }

    /// The history of the agent that is, or was, called that.
    fn ran(&self, assembly: &str) -> Vec<Record> {
        let own = self.records.iter().filter(|(name, _)| name == assembly);
        own.map(|(_, record)| record.clone()).collect()
    }

    fn take_done(&mut self) -> Vec<(String, AssemblyId)> {
        std::mem::take(&mut self.done)
    }

    fn starts(&self) -> Vec<&AssemblyId> {
        let starts = self.done.iter().filter(|(task, _)| task == "start");
        starts.map(|(_, assembly)| assembly).collect()
    }

    fn state(&self, assembly: &str) -> (AssemblyState, String) {
        let status = self.controller.status(self.now);
        let mut all = status.assemblies.into_iter();
        let own = all.find(|own| own.name == assembly).unwrap();
        (own.state, own.reason)
    }

    /// No two connections to one address are ever wanted at a time.
    #[track_caller]
    fn expect_one_life_per_address(&self) {
        let mut addresses: Vec<_> = self.wanted.iter().map(|(_, address)| address).collect();
        addresses.sort();
        let all = addresses.len();
        addresses.dedup();
        assert_eq!(addresses.len(), all, "{:?}", self.wanted);
    }
}

fn scenario() -> Scenario {
    Scenario::plain(2, 1, Mode::Lease)
}

fn document() -> String {
    scenario().document()
}

/// The document with changes to its assemblies.
fn changed(change: impl FnOnce(&mut Scenario)) -> String {
    let mut scenario = scenario();
    change(&mut scenario);
    scenario.document()
}

#[test]
fn another_address_is_another_guest_and_the_former_one_is_left_first() {
    let mut world = World::running();
    world.load(
        changed(|scenario| scenario.assemblies[0].address = Some("elsewhere".into())),
        2,
    );
    // The new guest answers at once, but the former one has not been left yet.
    let mut order = Vec::new();
    world.settle();
    order.extend(world.take_done());
    let history = world.ran("node1");
    world.hear("node1~1", "m1", "b1", history);
    world.settle();
    order.extend(world.take_done());
    let first = order.first().cloned();
    assert_eq!(first, Some(("stop".into(), "node1~1".into())), "{order:?}");
    assert!(
        order.contains(&("release".into(), "node1~1".into())),
        "{order:?}"
    );
    assert!(
        world.wanted.iter().any(|(name, _)| name == "node1"),
        "{:?}",
        world.wanted
    );
}

#[test]
fn a_guest_that_was_left_silently_keeps_its_services_from_starting_elsewhere() {
    let mut world = World::running();
    world.load(
        changed(|scenario| scenario.assemblies[0].address = Some("elsewhere".into())),
        2,
    );
    world.pass(5 * SECOND, &["node2"]);
    assert_eq!(world.starts(), [] as [&AssemblyId; 0]);
    // Its lease is over in the end.
    world.pass(LONG, &["node2"]);
    assert_eq!(world.starts(), ["node2"]);
}

#[test]
fn another_guest_at_the_address_is_no_reboot() {
    let mut world = World::running();
    world.hear("node1", "m9", "b9", vec![]);
    world.settle();
    world.pass(5 * SECOND, &["node2"]);
    assert_eq!(world.starts(), [] as [&AssemblyId; 0]);
    assert_ne!(world.state("node1~1").0, AssemblyState::Offline);
    world.pass(LONG, &["node2"]);
    assert_eq!(world.starts(), ["node2"]);
}

#[test]
fn a_reboot_of_the_same_guest_frees_its_services_at_once() {
    let mut world = World::running();
    world.hear("node1", "m1", "b9", vec![]);
    world.settle();
    assert_eq!(world.starts().len(), 1, "{:?}", world.done);
}

#[test]
fn a_guest_of_unknown_machine_is_learned_at_its_next_hello() {
    let mut world = World::new(document());
    world.hear("node1", "", "b1", vec![]);
    world.hear("node2", "m2", "b2", vec![]);
    world.settle();
    assert_eq!(world.starts(), ["node1"]);
    let history = world.ran("node1");
    world.hear("node1", "m1", "b1", history);
    world.settle();
    world.take_done();
    assert_eq!(world.state("node1").0, AssemblyState::Online);
    world.hear("node1", "m9", "b9", vec![]);
    world.settle();
    assert_eq!(world.starts(), [] as [&AssemblyId; 0]);
}

#[test]
fn a_renamed_assembly_waits_for_its_address() {
    let mut world = World::running();
    let before = AssemblyId::from("node1");
    world.load(
        changed(|scenario| scenario.assemblies[0].name = "db".into()),
        2,
    );
    world.input(Input::Tick);
    assert!(!world.wanted.iter().any(|(name, _)| name == "db"));
    world.settle();
    world.expect_one_life_per_address();
    let order = world.take_done();
    assert_eq!(order.first(), Some(&("stop".into(), before.clone())));
    assert!(order.contains(&("release".into(), before)), "{order:?}");
    assert!(world.wanted.iter().any(|(name, _)| name == "db"));
}

#[test]
fn swapped_addresses_stop_what_runs_before_anything_starts() {
    let mut world = World::running();
    world.load(
        changed(|scenario| {
            let first = scenario.assemblies[0].address.clone();
            let second = scenario.assemblies[1].address.clone();
            scenario.assemblies[0].address = second;
            scenario.assemblies[1].address = first;
        }),
        2,
    );
    world.settle();
    world.expect_one_life_per_address();
    world.hear("node2~1", "m2", "b2", vec![]);
    world.settle();
    world.expect_one_life_per_address();
    let history = world.ran("node1");
    world.hear("node1~1", "m1", "b1", history);
    world.settle();
    world.expect_one_life_per_address();
    world.hear("node1", "m2", "b2", vec![]);
    world.hear("node2", "m1", "b1", vec![]);
    world.settle();
    let order = world.take_done();
    let at = |task: &str| order.iter().position(|(done, _)| done == task);
    assert!(
        at("stop").is_some() && at("stop") < at("start"),
        "{order:?}"
    );
    let starts = order.iter().filter(|(task, _)| task == "start");
    assert_eq!(starts.count(), 1, "{order:?}");
}

#[test]
fn an_address_that_is_dropped_over_a_restart_leaves_the_assembly_in_doubt() {
    let world = World::running();
    let facts = world.controller.facts().clone();
    let mut world = World::with(facts);
    world.load(changed(|scenario| scenario.assemblies[0].address = None), 2);
    world.hear("node2", "m2", "b2", vec![]);
    world.settle();
    world.pass(5 * SECOND, &["node2"]);
    assert_eq!(world.starts(), [] as [&AssemblyId; 0]);
    world.pass(LONG, &["node2"]);
    assert_eq!(world.starts(), ["node2"]);
}

/// The guest at node1's address belongs to another deployment.
fn taken(number: u64, machine: &str) -> Input {
    Input::AgentOccupied {
        assembly: "node1".into(),
        number,
        occupant: Occupant {
            machine_id: machine.into(),
            deployment: "theirs".into(),
            assembly: "app1".into(),
        },
    }
}

#[test]
fn a_guest_of_another_deployment_is_left_alone_and_shown() {
    let devices = || Scenario::plain(2, 1, Mode::Unit).document();
    let mut world = World::new(devices());
    world.input(taken(world.number("node1"), "m1"));
    world.hear("node2", "m2", "b2", vec![]);
    world.settle();
    let (state, reason) = world.state("node1");
    assert_eq!(state, AssemblyState::Occupied);
    assert!(
        reason.contains("theirs") && reason.contains("app1"),
        "{reason}"
    );
    world.pass(LONG, &["node2"]);
    assert!(world.fenced.is_empty(), "{:?}", world.fenced);
    assert_eq!(world.starts(), ["node2"]);

    // Also after a restart of the DPE, and when it does not answer any more.
    let history = world.ran("node2");
    let mut world = World::with(world.controller.facts().clone());
    world.hear("node2", "m2", "b2", history);
    world.pass(LONG, &["node2"]);
    assert_eq!(world.state("node1").0, AssemblyState::Occupied);
    assert!(world.fenced.is_empty(), "{:?}", world.fenced);

    // It is ours when the others have let it go.
    world.hear("node1", "m1", "b1", vec![]);
    world.settle();
    assert_eq!(world.state("node1").0, AssemblyState::Online);
}

#[test]
fn an_answer_over_an_earlier_stream_is_another_guests() {
    // The disk is slow: the shell has not done yet what the document's new address means.
    let mut world = World::new(Scenario::plain(2, 1, Mode::Unit).document());
    let before = world.number("node1");
    let mut elsewhere = Scenario::plain(2, 1, Mode::Unit);
    elsewhere.assemblies[0].address = Some("elsewhere".into());
    elsewhere.assemblies[0].device = "elsewhere".into();
    world.load(elsewhere.document(), 2);
    world.hear_over(before, "node1", "m1", "b1", vec![]);
    assert_eq!(world.state("node1").0, AssemblyState::Unknown);
    world.hear("node2", "m2", "b2", vec![]);

    // So the guest at the new address is nobody's that was heard, and is left to the others.
    world.input(taken(before, "m3"));
    assert_eq!(world.state("node1").0, AssemblyState::Unknown);
    world.input(taken(world.number("node1"), "m3"));
    world.pass(LONG, &["node2"]);
    assert_eq!(world.state("node1").0, AssemblyState::Occupied);
    assert!(world.fenced.is_empty(), "{:?}", world.fenced);
}

#[test]
fn who_is_in_doubt_without_an_address_is_not_switched_off_unasked() {
    let mut world = World::with(Durable::default());
    let mut nowhere = Scenario::plain(2, 1, Mode::Unit);
    nowhere.assemblies[0].address = None;
    nowhere.assemblies[0].device = "theirs".into();
    world.input(Input::Request(Request::Load {
        document: nowhere.document(),
        generation: 7,
        in_doubt: ["node1".into(), "node2".into()].into(),
    }));
    world.hear("node2", "m2", "b2", vec![]);
    world.pass(LONG, &["node2"]);
    assert!(world.fenced.is_empty(), "{:?}", world.devices);
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new());
    let (state, reason) = world.state("node1");
    assert_eq!(state, AssemblyState::Fencing);
    assert!(reason.contains("ConfirmFenced"), "{reason}");

    // Nor is it when it gets an address: what was there before must still be confirmed.
    world.load(Scenario::plain(2, 1, Mode::Unit).document(), 8);
    world.hear("node1", "m1", "b1", vec![]);
    world.pass(LONG, &["node1", "node2"]);
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new());
    assert!(
        !world.devices.iter().any(|device| device.contains("theirs")),
        "{:?}",
        world.devices
    );
    world.confirm("node1~1");
    world.pass(SECOND, &["node1", "node2"]);
    assert_eq!(world.starts(), ["node1"]);
}

#[test]
fn a_known_guest_is_not_taken_for_gone_because_another_one_is_occupied() {
    let mut world = World::running();
    world.input(Input::AgentDisconnected {
        assembly: "node1".into(),
        reason: "closed".into(),
    });
    world.input(taken(world.number("node1"), "m9"));
    world.pass(5 * SECOND, &["node2"]);
    assert_eq!(world.starts(), [] as [&AssemblyId; 0]);
    assert_ne!(world.state("node1").0, AssemblyState::Occupied);
}

#[test]
fn a_plan_says_what_another_address_means() {
    let world = World::running();
    let other = changed(|scenario| scenario.assemblies[0].address = Some("elsewhere".into()));
    let plan = world.controller.plan(world.now, &other).unwrap();
    let plan = plan.answer().unwrap();
    let said = |warning: &String| warning.contains("node1 becomes another guest");
    assert!(plan.warnings.iter().any(said), "{:?}", plan.warnings);
}

#[test]
fn a_lost_assembly_is_made_safe_by_the_device_that_it_was_accepted_with() {
    let with_device = |device: &str| {
        let mut scenario = Scenario::plain(2, 1, Mode::Unit);
        scenario.assemblies[0].device = device.into();
        scenario.document()
    };
    let mut world = World::new(with_device("node1"));
    world.hear("node1", "m1", "b1", vec![]);
    world.hear("node2", "m2", "b2", vec![]);
    world.settle();
    assert_eq!(world.starts(), ["node1"]);
    world.input(Input::AgentDisconnected {
        assembly: "node1".into(),
        reason: "closed".into(),
    });
    world.load(with_device("nowhere"), 2);
    world.pass(10 * SECOND, &["node2"]);
    assert!(!world.devices.is_empty());
    let former = |device: &String| device.contains("node1") && !device.contains("nowhere");
    assert!(world.devices.iter().all(former), "{:?}", world.devices);
}

#[test]
fn a_guest_that_comes_back_with_its_former_boot_stops_first() {
    let mut world = World::running();
    world.pass(LONG, &["node2"]);
    assert_eq!(world.starts(), ["node2"]);
    world.take_done();
    // From a snapshot: the same boot, and what ran then runs.
    let history = world.ran("node1");
    world.hear("node1", "m1", "b1", history);
    world.settle();
    let order = world.take_done();
    let first = order
        .iter()
        .position(|done| *done == ("stop".into(), "node1".into()));
    let start = order.iter().position(|(task, _)| task == "start");
    assert!(first.is_some(), "{order:?}");
    assert!(start.is_none_or(|start| first < Some(start)), "{order:?}");
}

#[test]
fn a_guest_that_comes_back_as_the_assembly_that_it_was_is_left_as_that_first() {
    let mut scenario = Scenario::plain(2, 1, Mode::Unit);
    let mut world = World::new(scenario.document());
    world.hear("node1", "m1", "b1", vec![]);
    world.hear("node2", "m2", "b2", vec![]);
    world.settle();
    let before = world.ran("node1");
    scenario.assemblies[0].name = "renamed".into();
    world.load(scenario.document(), 2);
    world.pass(10 * SECOND, &["node1", "node2"]);
    world.hear("renamed", "m1", "b1", vec![]);
    world.pass(LONG, &["node2"]);
    assert_eq!(world.fenced[0], "renamed");
    world.input(Input::FencingResult {
        assembly: "renamed".into(),
        attempt: world.attempts[0],
        result: Ok(()),
    });
    world.settle();
    assert_eq!(world.state("renamed").0, AssemblyState::Offline);
    world.take_done();
    // From a snapshot of the time before it was renamed: what ran then runs.
    let occupied = Input::AgentOccupied {
        assembly: "renamed".into(),
        number: world.number("renamed"),
        occupant: Occupant {
            machine_id: "m1".into(),
            deployment: "sim".into(),
            assembly: "node1".into(),
        },
    };
    world.input(occupied);
    world.settle();
    world.expect_one_life_per_address();
    world.hear("node1", "m1", "b1", before);
    world.pass(10 * SECOND, &["node1", "node2"]);
    let done = world.take_done();
    let stop = ("stop".into(), "node1".into());
    let release = ("release".into(), "node1".into());
    assert!(done.contains(&stop) && done.contains(&release), "{done:?}");
    world.expect_one_life_per_address();
    world.hear("renamed", "m1", "b1", vec![]);
    world.settle();
    assert_eq!(world.state("renamed").0, AssemblyState::Online);
}

#[test]
fn one_agent_that_is_never_reached_is_lost_and_the_others_go_on() {
    let mut world = World::running();
    world.input(Input::AgentDisconnected {
        assembly: "node1".into(),
        reason: "this agent obeys epoch 9".into(),
    });
    world.pass(LONG, &["node2"]);
    assert_eq!(world.state("node2").0, AssemblyState::Online);
    assert_eq!(world.state("node1").0, AssemblyState::Offline);
    assert_eq!(world.starts(), ["node2"]);
}

#[test]
fn a_guest_that_says_to_be_another_one_each_time_makes_few_lives_and_moves_nothing() {
    let mut world = World::running();
    for number in 0..50 {
        let (machine, boot) = (format!("liar{number}"), format!("boot{number}"));
        world.hear("node1", &machine, &boot, vec![]);
    }
    let lives = world.controller.status(world.now).assemblies.len();
    assert!(lives <= 2 + 4, "{lives} lives");
    world.pass(5 * SECOND, &["node2"]);
    let elsewhere: Vec<_> = world
        .starts()
        .into_iter()
        .filter(|a| *a == "node2")
        .collect();
    assert_eq!(elsewhere, [] as [&AssemblyId; 0]);
}

#[test]
fn a_guest_that_names_ever_other_assemblies_of_ours_makes_one_life() {
    let mut world = World::new(document());
    for number in 0..50 {
        let names: Vec<String> = (world.controller.status(world.now).assemblies.iter())
            .map(|assembly| assembly.name.clone())
            .collect();
        for name in names {
            for belongs_to in [format!("former{number}"), "no name".repeat(100)] {
                let number = world.number(&name);
                world.input(Input::AgentOccupied {
                    assembly: name.as_str().into(),
                    number,
                    occupant: Occupant {
                        machine_id: "m1".into(),
                        deployment: "sim".into(),
                        assembly: belongs_to,
                    },
                });
            }
        }
    }
    let lives = world.controller.status(world.now).assemblies;
    let names: Vec<&str> = lives
        .iter()
        .map(|assembly| assembly.name.as_str())
        .collect();
    assert!(names.len() <= 4, "{names:?}");
    assert!(names.iter().all(|name| !name.contains(' ')), "{names:?}");
}

#[test]
fn a_new_guest_that_was_heard_is_unknown_after_a_restart_though_the_former_one_is_not_over() {
    let mut scenario = Scenario::plain(2, 1, Mode::Manager);
    let mut world = World::new(scenario.document());
    world.hear("node1", "m1", "b1", vec![]);
    world.hear("node2", "m2", "b2", vec![]);
    world.settle();
    scenario.assemblies[0].address = Some("elsewhere".into());
    world.load(scenario.document(), 2);
    // The former guest is lost, and nobody confirms that it is down; the new one answers.
    world.pass(LONG, &["node2"]);
    world.hear("node1", "m9", "b9", vec![]);
    world.settle();
    let world = World::with(world.controller.facts().clone());
    assert_eq!(world.state("node1").0, AssemblyState::Unknown);
    assert_eq!(world.state("node1~1").0, AssemblyState::Unknown);
}

/// A DPE that lost its state gets the document again; nobody has answered yet.
fn without_state() -> World {
    let mut world = World::with(Durable::default());
    world.input(Input::Request(Request::Load {
        document: document(),
        generation: 7,
        in_doubt: ["node1".into(), "node2".into()].into(),
    }));
    world.settle();
    world
}

#[test]
fn what_an_agent_in_doubt_does_not_know_to_run_is_looked_for() {
    let before = World::running();
    let told = |name| {
        let mut records = before.ran(name);
        for record in &mut records {
            let mut key = TransitionKey::parse(&record.operation.id).unwrap();
            key.uuid = "00000000-0000-8000-8000-000000000000".to_owned();
            record.operation.id = key.to_string();
        }
        records
    };
    let mut world = without_state();
    world.hear("node1", "m1", "b1", told("node1"));
    world.hear("node2", "m2", "b2", told("node2"));
    world.settle();
    // A live migration may have brought it there since its agent looked.
    let looks = |name| {
        let records = world.ran(name).into_iter();
        let probes = records.filter(|own| own.operation.interval_ms == 0);
        probes.count()
    };
    assert_eq!((looks("node1"), looks("node2")), (0, 1));
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new());
}

#[test]
fn a_lease_makes_nobody_safe_who_is_in_doubt() {
    let mut world = without_state();
    world.hear("node2", "m2", "b2", vec![]);
    world.pass(LONG, &["node2"]);
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new());
    let (state, reason) = world.state("node1");
    assert_eq!(state, AssemblyState::Fencing);
    assert!(reason.contains("ConfirmFenced"), "{reason}");
    world.confirm("node1");
    world.pass(SECOND, &["node2"]);
    assert_eq!(world.starts(), ["node2"], "a person vouches for it");
}

#[test]
fn who_was_in_doubt_has_a_lease_like_others_when_all_services_were_looked_for() {
    let mut world = without_state();
    world.hear("node1", "m1", "b1", vec![]);
    world.hear("node2", "m2", "b2", vec![]);
    world.pass(LONG, &["node1", "node2"]);
    assert_eq!(world.starts(), ["node1"]);
    world.take_done();
    world.pass(LONG, &["node2"]);
    assert_eq!(
        world.starts(),
        ["node2"],
        "its lease and all after it are over"
    );
}

#[test]
fn a_guest_that_knows_of_nothing_may_have_had_a_predecessor_while_the_state_was_lost() {
    let mut world = without_state();
    world.hear("node1", "m1", "b1", vec![]);
    world.hear("node2", "m2", "b2", vec![]);
    world.settle();
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new());
    let (state, reason) = world.state("node1~1");
    assert_eq!(state, AssemblyState::Fencing, "{reason}");
    // What is awaited is kept in mind over a restart.
    let again = World::with(world.controller.facts().clone());
    assert_eq!(again.state("node1~1").0, AssemblyState::Unknown);
    world.pass(LONG, &["node1", "node2"]);
    assert_eq!(world.starts(), ["node1"]);
}

#[test]
fn an_address_that_changes_while_in_doubt_leaves_a_guest_that_must_be_made_safe() {
    let mut world = without_state();
    world.load(
        changed(|scenario| scenario.assemblies[0].address = Some("elsewhere".into())),
        8,
    );
    world.hear("node1", "m3", "b3", vec![]);
    world.hear("node2", "m2", "b2", vec![]);
    world.pass(LONG, &["node1", "node2"]);
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new());
    assert_eq!(world.state("node1~1").0, AssemblyState::Fencing);
}

#[test]
fn a_state_from_a_backup_takes_nobody_for_safe() {
    let mut world = World::running();
    world.pass(LONG, &["node2"]);
    assert_eq!(world.starts(), ["node2"]);
    let backup = world.controller.facts().clone();
    let mut later = World::with(backup.clone());
    later.load(document(), 2);
    let newest = later.controller.facts().rows()[SAVES].clone();
    for (newest, believed) in [("", true), (newest.as_str(), false)] {
        let mut world = World::with(backup.clone().compared_with(newest));
        world.load(document(), 2);
        world.hear("node2", "m2", "b2", vec![]);
        world.settle();
        let offline = world.state("node1").0 == AssemblyState::Offline;
        assert_eq!(offline, believed, "the newest save is {newest}");
    }
}

#[test]
fn services_that_are_being_left_can_still_be_stopped_until_the_deployment_has_ended() {
    let mut world = World::running();
    let unload = |stop_services| Input::Request(Request::Unload { stop_services });
    // The event log does not answer, so the end has to wait for it.
    world.input(unload(false));
    world.settle();
    assert_eq!(world.controller.state(), DpeState::Unloading);
    assert_eq!(world.take_done(), []);
    world.input(unload(true));
    world.settle();
    let done = world.take_done();
    let stop = done.iter().position(|(what, _)| what == "stop");
    let release = done.iter().position(|(what, _)| what == "release");
    assert!(stop.is_some() && stop < release, "{done:?}");
}

#[test]
fn a_guest_in_doubt_that_leaves_is_not_safe_by_that() {
    let mut world = without_state();
    world.hear("node2", "m2", "b2", vec![]);
    world.hear("node1", "m1", "b1", vec![]);
    let (assembly, boot_id) = (AssemblyId::from("node1"), "b1".to_owned());
    world.input(Input::AgentLeaving {
        assembly: assembly.clone(),
        boot_id: boot_id.clone(),
        reason: "shutdown".into(),
    });
    world.input(Input::AgentLeft { assembly, boot_id });
    assert_ne!(world.state("node1").0, AssemblyState::Offline);
}

#[test]
fn a_pinned_service_is_looked_for_everywhere_while_in_doubt() {
    let mut pinned = scenario();
    pinned.services[0].pinned = Some(1);
    let mut world = World::with(Durable::default());
    world.input(Input::Request(Request::Load {
        document: pinned.document(),
        generation: 7,
        in_doubt: ["node1".into(), "node2".into()].into(),
    }));
    world.hear("node1", "m1", "b1", vec![]);
    world.hear("node2", "m2", "b2", vec![]);
    world.pass(LONG, &["node1", "node2"]);
    assert!(!world.ran("node1").is_empty(), "it was left there, perhaps");
    assert_eq!(world.starts(), ["node2"]);
}

#[test]
fn a_state_from_a_backup_keeps_those_in_mind_that_the_document_has_dropped_since() {
    let world = World::running();
    let backup = world.controller.facts().clone();
    let mut later = World::with(backup.clone());
    later.load(document(), 2);
    let newest = later.controller.facts().rows()[SAVES].clone();

    let mut world = World::with(backup.compared_with(&newest));
    world.load(
        changed(|scenario| scenario.assemblies[0].present = false),
        2,
    );
    world.hear("node2", "m2", "b2", vec![]);
    world.pass(LONG, &["node2"]);
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new());
    assert_eq!(world.state("node1").0, AssemblyState::Fencing);
}

#[test]
fn a_deployment_does_not_end_while_a_guest_in_doubt_waits_for_a_person() {
    let mut world = without_state();
    world.hear("node2", "m2", "b2", vec![]);
    world.pass(LONG, &["node2"]);
    world.input(Input::Request(Request::Unload {
        stop_services: true,
    }));
    world.pass(LONG, &["node2"]);
    assert_eq!(world.controller.state(), DpeState::Unloading);
    world.confirm("node1");
    world.pass(LONG, &["node2"]);
    assert_eq!(world.controller.state(), DpeState::Unloaded);
}

#[test]
fn what_is_looked_for_counts_though_the_state_was_lost_and_the_clock_put_back() {
    let before = World::running();
    let hour = 3_600 * SECOND;
    let mut world = World::at(
        Durable::default(),
        Time {
            boottime_us: SECOND,
            wall_us: BEGIN.wall_us - hour,
        },
    );
    assert!(world.controller.epoch() < before.controller.epoch());
    world.input(Input::Request(Request::Load {
        document: document(),
        generation: 7,
        in_doubt: ["node1".into(), "node2".into()].into(),
    }));
    world.hear("node1", "m1", "b1", before.ran("node1"));
    world.hear("node2", "m2", "b2", before.ran("node2"));
    world.settle();
    assert_eq!(world.controller.epoch(), before.controller.epoch() + 1);
    world.pass(5 * SECOND, &["node1", "node2"]);
    let asked = world.call_id;
    world.pass(LONG, &["node1", "node2"]);
    assert_eq!(world.call_id, asked, "it has looked, and looks no more");
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new(), "it runs");
}

#[test]
fn a_guest_that_knows_of_nothing_does_not_end_the_fencing_of_whoever_was_there() {
    let mut world = World::with(Durable::default());
    world.input(Input::Request(Request::Load {
        document: Scenario::plain(2, 1, Mode::Manager).document(),
        generation: 7,
        in_doubt: ["node1".into(), "node2".into()].into(),
    }));
    world.hear("node2", "m2", "b2", vec![]);
    world.pass(LONG, &["node2"]);
    assert_eq!(world.state("node1").0, AssemblyState::Fencing);
    // Another guest has got its address since; the first one may run the service still.
    world.hear("node1", "m9", "b9", vec![]);
    world.pass(LONG, &["node1", "node2"]);
    assert_eq!(world.starts(), Vec::<&AssemblyId>::new());
    world.confirm("node1~1");
    world.pass(SECOND, &["node1", "node2"]);
    assert_eq!(world.starts().len(), 1);
}

#[test]
fn services_that_were_left_are_not_said_to_be_stopped() {
    let mut world = World::running();
    let unload = |stop_services| Input::Request(Request::Unload { stop_services });
    world.input(unload(false));
    world.pass(LONG, &[]);
    assert_eq!(world.controller.state(), DpeState::Unloaded);
    let refused = world
        .controller
        .handle(world.now, unload(true))
        .unwrap_err();
    assert!(refused.to_string().contains("left running"), "{refused}");
    world.input(unload(false));
}
