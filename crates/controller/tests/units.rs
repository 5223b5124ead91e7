//! An assembly that is fenced by a unit of the host: what is known of that unit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use controller::{
    Attributes, Controller, Durable, Effect, FenceRequest, Hello, Input, PowerOrder, Request, Time,
};

fn document(unit: &str) -> String {
    format!(
        r#"<deployable name="sim"><assemblies><assembly name="a" address="unix:/run/a"><fencing mode="unit" unit="{unit}"/></assembly></assemblies>
<services><service name="db" class="ocf" provider="x" type="y"/></services></deployable>"#
    )
}

const NOW: Time = Time {
    boottime_us: 1_000_000,
    wall_us: 1_800_000_000_000_000,
};

/// The controller after these inputs, which asks for nothing but fencing; and what it asks for.
fn give(controller: &mut Controller, input: Input) -> Vec<FenceRequest> {
    controller.handle(NOW, input).unwrap();
    let mut fenced = Vec::new();
    while let Some(effect) = controller.poll_effect() {
        match effect {
            Effect::Decide(question) => {
                let answer = Input::Decided(Box::new(question.answer()));
                controller.handle(NOW, answer).unwrap();
            }
            Effect::Fence(request) => fenced.push(request),
            _ => {}
        }
    }
    fenced
}

fn load(controller: &mut Controller, unit: &str, generation: u64) {
    let load = Request::Load {
        document: document(unit),
        generation,
        in_doubt: Default::default(),
    };
    give(controller, Input::Request(load));
}

fn answer(controller: &mut Controller) {
    let number = controller.wanted(&"a".into()).unwrap().number;
    let hello = Hello {
        boot_id: "b".to_owned(),
        machine_id: "m".to_owned(),
        ..Hello::default()
    };
    let connected = Input::AgentConnected {
        assembly: "a".into(),
        number,
        hello,
        history: Vec::new(),
        attributes: Attributes::default(),
    };
    give(controller, connected);
}

fn seen(controller: &mut Controller, unit: &str) {
    let (assembly, unit) = ("a".into(), unit.to_owned());
    give(controller, Input::UnitSeen { assembly, unit });
}

/// Whether the unit by which it is to be fenced now is known to have been active.
fn is_known(controller: &mut Controller) -> bool {
    let fence = Request::Fence {
        assembly: "a".into(),
        order: PowerOrder::Reboot,
    };
    let fenced = give(controller, Input::Request(fence));
    assert_eq!(fenced.len(), 1);
    fenced[0].unit_seen
}

fn with(unit: &str) -> Controller {
    let mut controller = Controller::new("sim", Durable::default(), NOW);
    load(&mut controller, unit, 1);
    answer(&mut controller);
    controller
}

#[test]
fn a_unit_is_its_guests_if_it_was_active_while_that_answered() {
    let mut controller = with("g@a.service");
    assert!(!is_known(&mut controller));
    let mut controller = with("g@a.service");
    seen(&mut controller, "g@other.service");
    assert!(!is_known(&mut controller));
    let mut controller = with("g@a.service");
    seen(&mut controller, "g@a.service");
    assert!(is_known(&mut controller));
}

#[test]
fn a_restart_remembers_it_and_another_document_does_not_mean_another_unit() {
    let mut controller = with("g@a.service");
    seen(&mut controller, "g@a.service");
    let rows = controller.facts().rows();
    let saved = Durable::from_rows(&rows).unwrap();
    let mut next = Controller::new("sim", saved, NOW);
    answer(&mut next);
    assert!(is_known(&mut next));

    load(&mut controller, "g@b.service", 2);
    answer(&mut controller);
    assert!(!is_known(&mut controller));
}
