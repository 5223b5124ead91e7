//! An assembly that devices only cut off, while its document changes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{
    Attributes, Controller, Durable, Effect, FenceRequest, Hello, Input, PowerOrder, Request, Time,
    UnfenceRequest,
};
use cpe_status::{AssemblyState, FencingResult};

/// One assembly with a service that requires unfencing by a switch.
fn document(provides: &str, agent: &str) -> String {
    let meta = match provides {
        "" => String::new(),
        _ => format!(
            r#"<meta_attributes id="m"><nvpair id="n" name="provides" value="{provides}"/></meta_attributes>"#
        ),
    };
    format!(
        r#"<deployable name="sim"><assemblies><assembly name="a" address="unix:/run/a"/></assemblies>
<services><service name="db" class="ocf" provider="x" type="y"/></services>
<configuration><resources><primitive id="d" class="stonith" type="{agent}">{meta}
<instance_attributes id="i"><nvpair id="h" name="pcmk_host_list" value="a"/></instance_attributes>
</primitive></resources></configuration></deployable>"#
    )
}

struct World {
    controller: Controller,
    now: Time,
    generation: u64,
    fenced: Vec<FenceRequest>,
    /// Lease of each connection that was asked for, milliseconds.
    leases: Vec<u32>,
    /// Why guests were asked to restart.
    restarts: Vec<String>,
    let_in: u32,
    /// How often that was to be ended.
    ended: u32,
    /// Attempts to let in of which the test tells what came.
    held: Option<Vec<UnfenceRequest>>,
}

impl World {
    fn new() -> World {
        let now = Time {
            boottime_us: 1_000_000,
            wall_us: 1_800_000_000_000_000,
        };
        let mut world = World {
            controller: Controller::new("sim", Durable::default(), now),
            now,
            generation: 0,
            fenced: Vec::new(),
            leases: Vec::new(),
            restarts: Vec::new(),
            let_in: 0,
            ended: 0,
            held: None,
        };
        world.load(document("unfencing", "fence_brocade"));
        world.answer("first");
        assert_eq!(world.let_in, 1);
        world.give(Input::Request(Request::Fence {
            assembly: "a".into(),
            order: PowerOrder::Reboot,
        }));
        assert_eq!(world.fenced.len(), 1);
        world
    }

    fn load(&mut self, document: String) {
        self.generation += 1;
        self.give(Input::Request(Request::Load {
            document,
            generation: self.generation,
            in_doubt: Default::default(),
        }));
    }

    /// Its agent answers, in that boot.
    fn answer(&mut self, boot: &str) {
        self.answers("m", boot);
    }

    /// The agent of that machine answers.
    fn answers(&mut self, machine: &str, boot: &str) {
        let number = self.controller.wanted(&"a".into()).unwrap().number;
        self.give(Input::AgentConnected {
            assembly: "a".into(),
            number,
            hello: Hello {
                boot_id: boot.to_owned(),
                machine_id: machine.to_owned(),
                ..Hello::default()
            },
            history: Vec::new(),
            attributes: Attributes::default(),
        });
    }

    fn give(&mut self, input: Input) {
        self.now.boottime_us += 1_000;
        self.now.wall_us += 1_000;
        self.controller.handle(self.now, input).unwrap();
        while let Some(effect) = self.controller.poll_effect() {
            let answer = match effect {
                Effect::Decide(question) => Input::Decided(Box::new(question.answer())),
                Effect::Unfence(request) => {
                    self.let_in += 1;
                    if let Some(held) = &mut self.held {
                        held.push(request);
                        continue;
                    }
                    Input::UnfencingResult {
                        assembly: request.assembly,
                        attempt: request.attempt,
                        result: Ok(()),
                    }
                }
                Effect::Fence(request) => {
                    self.fenced.push(request);
                    continue;
                }
                Effect::Connect(connect) => {
                    self.leases.push(connect.lease_ms);
                    continue;
                }
                Effect::EndUnfencing { .. } => {
                    self.ended += 1;
                    continue;
                }
                Effect::Restart { reason, .. } => {
                    self.restarts.push(reason);
                    continue;
                }
                _ => continue,
            };
            self.controller.handle(self.now, answer).unwrap();
        }
    }

    /// The device has done what it was asked for last.
    fn succeed(&mut self) {
        let request = self.fenced.last().unwrap();
        let (assembly, attempt) = (request.assembly.clone(), request.attempt);
        self.give(Input::FencingResult {
            assembly,
            attempt,
            result: Ok(()),
        });
    }

    fn state(&self) -> (AssemblyState, String) {
        let own = self.controller.status(self.now).assemblies.remove(0);
        (own.state, own.reason)
    }

    /// Its fencing waits for the end of its lease.
    #[track_caller]
    fn expect_wait(&self) {
        let (state, reason) = self.state();
        assert_eq!(state, AssemblyState::Fencing, "{reason}");
        assert!(reason.contains("for the end of its lease"), "{reason}");
    }
}

#[test]
fn a_cut_is_what_was_asked_for_whatever_the_document_says_since() {
    let mut world = World::new();
    world.load(document("", "fence_apc"));
    world.succeed();
    // By the new document it needs no lease: so it is not made safe by that either.
    assert_eq!(world.state().0, AssemblyState::Fencing);
    world.now.boottime_us += 3_000_000;
    world.give(Input::Tick);
    assert_eq!(world.fenced.len(), 2, "its power is switched off");
    world.succeed();
    assert_eq!(world.state().0, AssemblyState::Offline);
}

#[test]
fn who_is_made_safe_by_the_end_of_a_lease_keeps_it() {
    let mut world = World::new();
    world.succeed();
    world.expect_wait();
    let before = world.leases.len();
    world.load(document("", "fence_apc"));
    world.answer("first");
    world.expect_wait();
    let later = &world.leases[before..];
    assert!(later.iter().all(|lease_ms| *lease_ms > 0), "{later:?}");
    assert!(!world.restarts.is_empty(), "and is to end it at once");
}

#[test]
fn what_changed_meanwhile_is_asked_before_anything_starts() {
    let mut world = World::new();
    world.succeed();
    world.now.boottime_us += 60_000_000;
    world.give(Input::Tick);
    world.held = Some(Vec::new());
    world.answer("second");
    world.answer("second");
    assert_eq!(world.let_in, 2);
    let first = world.held.as_mut().unwrap().remove(0);
    world.load(document("unfencing", "fence_cisco_mds"));
    let done = |request: UnfenceRequest| Input::UnfencingResult {
        assembly: request.assembly,
        attempt: request.attempt,
        result: Ok(()),
    };
    world.give(done(first));
    assert_eq!(world.let_in, 3, "the device of the newer document");
    let (_, reason) = world.state();
    assert!(reason.contains("being unfenced"), "{reason}");
    let second = world.held.as_mut().unwrap().remove(0);
    assert_eq!(second.devices[0].device.agent, "fence_cisco_mds");
    world.give(done(second));
    assert_eq!((world.let_in, world.state().1), (3, String::new()));
}

#[test]
fn a_guest_is_let_in_in_another_boot_only() {
    let mut world = World::new();
    world.succeed();
    world.now.boottime_us += 60_000_000;
    world.give(Input::Tick);
    assert_eq!(world.state().0, AssemblyState::Offline);
    // Its agent was paused, and kept no lease.
    world.answer("first");
    assert_eq!(world.let_in, 1);
    assert_eq!(world.fenced.len(), 2, "it is cut off again");
    let (_, reason) = world.state();
    assert!(reason.contains("has to boot"), "{reason}");
    world.succeed();
    assert!(!world.restarts.is_empty());
    world.answer("second");
    world.answer("second");
    assert_eq!((world.let_in, world.state().1), (2, String::new()));
    let attempts = world.controller.status(world.now).fencing;
    let let_in = attempts.iter().filter(|own| own.unfences);
    let results: Vec<FencingResult> = let_in.map(|own| own.result).collect();
    assert_eq!(results, [FencingResult::Succeeded; 2]);
}

/// Its guest has booted, and the document names another address while a device lets it in; until
/// it is lost where it was.
fn moved_while_it_is_let_in() -> (World, UnfenceRequest) {
    let mut world = World::new();
    world.succeed();
    world.now.boottime_us += 60_000_000;
    world.give(Input::Tick);
    world.held = Some(Vec::new());
    world.answer("second");
    world.answer("second");
    let request = world.held.as_mut().unwrap().remove(0);
    world.load(document("unfencing", "fence_brocade").replace("unix:/run/a", "unix:/run/b"));
    assert_eq!(
        world.ended, 1,
        "who has the port next is not to be let in by that"
    );
    for _ in 0..30 {
        world.now.boottime_us += 1_000_000;
        world.give(Input::Tick);
    }
    (world, request)
}

fn was_ended(request: UnfenceRequest) -> Input {
    Input::UnfencingResult {
        assembly: request.assembly,
        attempt: request.attempt,
        result: Err("it was ended".to_owned()),
    }
}

#[test]
fn the_fencing_of_a_former_life_waits_for_what_was_to_let_it_in() {
    let (mut world, request) = moved_while_it_is_let_in();
    let former = world.controller.status(world.now).assemblies.remove(1);
    assert_eq!(former.name, "a~1");
    let waits = former
        .reason
        .contains("waiting for the end of its unfencing");
    assert!(waits, "{}", former.reason);
    assert_eq!(world.fenced.len(), 1);
    // The result names it as it was asked for.
    world.give(was_ended(request));
    assert_eq!(world.fenced.len(), 2);
}

#[test]
fn a_guest_that_is_found_at_its_new_address_is_let_in_when_the_old_attempt_has_ended() {
    let (mut world, request) = moved_while_it_is_let_in();
    world.answer("second");
    assert_eq!(world.controller.status(world.now).assemblies.len(), 1);
    assert_eq!(world.let_in, 2, "the old one has not ended");
    world.give(was_ended(request));
    assert_eq!(world.let_in, 3);
}

#[test]
fn what_was_to_let_a_former_life_in_ends_its_own_record_only() {
    let (mut world, former) = moved_while_it_is_let_in();
    world.answers("another", "its first");
    assert_eq!(world.let_in, 3, "who has the name now is let in");
    let own = world.held.as_mut().unwrap().remove(0);
    world.give(was_ended(former));
    // The newest first.
    let results = |world: &World| -> Vec<FencingResult> {
        let attempts = world.controller.status(world.now).fencing;
        let let_in = attempts.iter().filter(|own| own.unfences);
        let_in.map(|own| own.result).collect()
    };
    use FencingResult::{GivenUp, Pending, Succeeded};
    assert_eq!(results(&world), [Pending, GivenUp, Succeeded]);
    world.give(Input::UnfencingResult {
        assembly: own.assembly,
        attempt: own.attempt,
        result: Ok(()),
    });
    assert_eq!(results(&world), [Succeeded, GivenUp, Succeeded]);
}

#[test]
fn a_status_speaks_of_several_devices_as_of_several() {
    let mut world = World::new();
    let one = document("unfencing", "fence_brocade");
    let device = &one[one.find("<primitive").unwrap()..one.find("</resources>").unwrap()];
    let other = device
        .replace("\"d\"", "\"e\"")
        .replace("id=\"", "id=\"other-");
    let other = other.replace("other-e", "e");
    world.load(one.replace("</resources>", &format!("{other}</resources>")));
    world.succeed();
    world.now.boottime_us += 60_000_000;
    world.give(Input::Tick);
    world.answer("first");
    let (_, reason) = world.state();
    let told = "d, e were asked to cut it off, and do not let it in before that";
    assert!(reason.contains("has to boot"), "{reason}");
    let texts = world.controller.not_let_in(world.now);
    assert!(
        texts.iter().any(|(_, text)| text.contains(told)),
        "{texts:?} {reason}"
    );
}

#[test]
fn what_lets_in_one_boot_does_not_count_in_the_next() {
    let mut world = World::new();
    world.succeed();
    world.now.boottime_us += 60_000_000;
    world.give(Input::Tick);
    world.held = Some(Vec::new());
    world.answer("second");
    world.answer("second");
    let request = world.held.as_mut().unwrap().remove(0);
    world.answer("third");
    assert_eq!(world.ended, 1);
    world.give(Input::UnfencingResult {
        assembly: request.assembly,
        attempt: request.attempt,
        result: Ok(()),
    });
    assert_eq!(world.let_in, 3, "it is let in in this boot");
}
