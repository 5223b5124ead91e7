//! Tickets: who waits for them, what becomes of those who lose them, and what outlives what; in a
//! simulated world without other faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{Controller, Durable, Effect, Input, Refusal, Request, TicketOrder, Time};
use controller_sim::faults::Fault;
use controller_sim::policies::Loss;
use controller_sim::scenario::{Form, Mode, Scenario};
use controller_sim::{World, at_rest, expect_well};
use cpe_status::{DpeState, TicketStatus};

/// Two assemblies and two services, of which the first needs the ticket.
fn scenario(mode: Mode, loss: Loss) -> Scenario {
    let mut scenario = Scenario::plain(2, 2, mode);
    scenario.services[0].policies.ticket = Some(loss);
    scenario
}

fn order(world: &mut World, order: TicketOrder) {
    let ticket = "sim".into();
    world.scenario.ticket = match order {
        TicketOrder::Grant | TicketOrder::Activate => true,
        TicketOrder::Revoke | TicketOrder::Standby => false,
    };
    world.ask(Request::Ticket { ticket, order });
    world.run_for(20);
}

/// At rest, with the ticket.
fn granted(scenario: Scenario) -> World {
    let mut world = at_rest(scenario);
    order(&mut world, TicketOrder::Grant);
    world
}

fn ticket(world: &World) -> TicketStatus {
    let status = world.controller().unwrap().status(world.time());
    assert_eq!(status.tickets.len(), 1);
    status.tickets[0].clone()
}

/// Events of tickets, as `KIND REASON`.
fn told(world: &World) -> Vec<String> {
    let events = world.log_order.iter().map(|id| &world.log[id]);
    let own = events.filter(|event| event.kind.as_str().starts_with("ticket."));
    own.map(|event| format!("{} {}", event.kind.as_str(), event.reason))
        .collect()
}

#[test]
fn it_starts_a_service_when_its_ticket_is_granted_and_is_well_before() {
    let mut world = at_rest(scenario(Mode::Lease, Loss::Stop));
    assert!(world.runs_in("service1").is_empty());
    assert_eq!(world.runs_in("service2").len(), 1);
    let status = world.controller().unwrap().status(world.time());
    let waits = "it waits for ticket sim, which is not granted";
    assert_eq!(status.services[0].reason, waits);
    assert_eq!(world.controller().unwrap().state(), DpeState::Active);
    order(&mut world, TicketOrder::Grant);
    assert_eq!(world.runs_in("service1").len(), 1);
    let status = ticket(&world);
    assert!(status.granted && !status.standby && status.since == status.last_granted);
    assert_eq!(status.uses[0].services, ["service1"]);
    assert_eq!(told(&world), ["ticket.granted ticket sim is granted"]);
    order(&mut world, TicketOrder::Grant);
    assert_eq!(told(&world).len(), 1, "once more is no change");
    expect_well(&world);
}

#[test]
fn it_stops_a_service_whose_ticket_is_revoked() {
    let mut world = granted(scenario(Mode::Lease, Loss::Stop));
    order(&mut world, TicketOrder::Revoke);
    assert!(world.runs_in("service1").is_empty());
    assert_eq!(world.runs_in("service2").len(), 1, "which needs none");
    let service = "service.stopped service1";
    assert!(world.logged().iter().any(|line| line.starts_with(service)));
    expect_well(&world);
}

#[test]
fn it_demotes_what_needs_the_ticket_for_its_promotion() {
    let mut scenario = scenario(Mode::Unit, Loss::Demote);
    scenario.services[0].form = Form::Promotable(1);
    let mut world = granted(scenario);
    assert_eq!(world.promoted_in("service1").len(), 1);
    order(&mut world, TicketOrder::Revoke);
    assert_eq!(world.runs_in("service1").len(), 2);
    assert!(world.promoted_in("service1").is_empty());
    expect_well(&world);
}

/// The promoted instance has to stop, since it follows what has lost the same ticket. Pacemaker's
/// scheduler has the stop wait for a demotion that it then leaves out.
#[test]
fn a_promoted_instance_stops_without_the_demotion_that_the_graph_leaves_out() {
    let mut scenario = scenario(Mode::Lease, Loss::Stop);
    scenario.services[0].form = Form::Everywhere;
    scenario.services[1].form = Form::Promotable(1);
    scenario.services[1].policies.ticket = Some(Loss::Demote);
    scenario.order = vec![(0, 1)];
    let mut world = granted(scenario);
    assert_eq!(world.promoted_in("service2").len(), 1);
    order(&mut world, TicketOrder::Revoke);
    assert!(world.runs_in("service1").is_empty() && world.runs_in("service2").is_empty());
    expect_well(&world);
}

#[test]
fn it_leaves_what_is_frozen_and_does_not_start_it_again() {
    let mut world = granted(scenario(Mode::Lease, Loss::Freeze));
    let before = world.executed().len();
    order(&mut world, TicketOrder::Revoke);
    let place = world.runs_in("service1")[0].to_owned();
    let stops = |line: &String| line.starts_with("stop") || line.starts_with("start");
    assert!(!world.executed()[before..].iter().any(stops));
    let guest = world.guest(&place);
    world.inject(Fault::KillService(guest, 0));
    world.run_for(30);
    assert!(world.runs_in("service1").is_empty());
}

#[test]
fn it_fences_where_a_service_runs_whose_ticket_is_lost() {
    let mut world = granted(scenario(Mode::Unit, Loss::Fence));
    let place = world.runs_in("service1")[0].to_owned();
    order(&mut world, TicketOrder::Revoke);
    let fenced = format!("assembly.fencing-succeeded {place}");
    let logged = world.logged();
    assert!(
        logged.iter().any(|line| line.starts_with(&fenced)),
        "{logged:?}"
    );
    world.run_for(120);
    assert!(world.runs_in("service1").is_empty());
    let again = world
        .logged()
        .iter()
        .filter(|line| line.starts_with(&fenced))
        .count();
    assert_eq!(again, 1, "once is enough");
    expect_well(&world);
}

#[test]
fn in_standby_a_service_is_stopped_in_order_whatever_its_loss_policy() {
    for loss in [Loss::Stop, Loss::Freeze, Loss::Fence] {
        let mut world = granted(scenario(Mode::Unit, loss));
        order(&mut world, TicketOrder::Standby);
        assert!(world.runs_in("service1").is_empty(), "{loss:?}");
        assert!(ticket(&world).granted);
        let fencing = |line: &String| line.starts_with("assembly.fencing");
        assert!(!world.logged().iter().any(fencing), "{loss:?}");
        order(&mut world, TicketOrder::Activate);
        assert_eq!(world.runs_in("service1").len(), 1, "{loss:?}");
        expect_well(&world);
    }
}

#[test]
fn a_ticket_outlives_the_dpe_and_a_document_that_still_names_it() {
    let mut world = granted(scenario(Mode::Lease, Loss::Stop));
    let before = ticket(&world);
    world.inject(Fault::KillDpe);
    world.run_for(30);
    world.scenario.services[1].parameter += 1;
    world.scenario.generation += 1;
    let request = world.load_request();
    world.ask(request);
    world.run_for(20);
    assert_eq!(ticket(&world), before);
    assert_eq!(world.runs_in("service1").len(), 1);
    expect_well(&world);
}

#[test]
fn a_ticket_that_no_constraint_names_any_more_is_forgotten() {
    let mut world = granted(scenario(Mode::Lease, Loss::Stop));
    for loss in [None, Some(Loss::Stop)] {
        world.scenario.services[0].policies.ticket = loss;
        world.scenario.generation += 1;
        let request = world.load_request();
        world.ask(request);
        world.run_for(20);
        assert_eq!(world.runs_in("service1").len(), usize::from(loss.is_none()));
    }
    assert_eq!(ticket(&world).since, 0);
    let gone = "ticket.revoked ticket sim is revoked: no constraint of generation 2 names it";
    assert_eq!(told(&world)[1..], [gone]);
}

#[test]
fn a_ticket_is_not_granted_after_the_state_was_lost_or_comes_from_a_backup() {
    for fault in [Fault::LoseState, Fault::Restore] {
        let mut world = granted(scenario(Mode::Unit, Loss::Stop));
        world.inject(Fault::BackUp);
        world.run_for(10);
        order(&mut world, TicketOrder::Standby);
        order(&mut world, TicketOrder::Activate);
        world.inject(fault.clone());
        world.run_for(120);
        assert!(!ticket(&world).granted, "{fault:?}");
        assert!(world.runs_in("service1").is_empty(), "{fault:?}");
        order(&mut world, TicketOrder::Grant);
        assert_eq!(world.runs_in("service1").len(), 1, "{fault:?}");
    }
}

const NOW: Time = Time {
    boottime_us: 1_000_000,
    wall_us: 1_795_000_000_000_000,
};

/// A controller alone, with a document.
fn alone(document: String) -> Controller {
    let mut controller = Controller::new("sim", Durable::default(), NOW);
    load(&mut controller, document, 1);
    controller
}

fn load(controller: &mut Controller, document: String, generation: u64) {
    let load = Request::Load {
        document,
        generation,
        in_doubt: Default::default(),
    };
    assert_eq!(controller.handle(NOW, Input::Request(load)), Ok(()));
}

fn ask(controller: &mut Controller, ticket: &str, order: TicketOrder) -> Result<(), Refusal> {
    let request = Request::Ticket {
        ticket: ticket.into(),
        order,
    };
    let by = "alice (uid 1000)".into();
    controller.handle(NOW, Input::Order { request, by })
}

#[test]
fn an_order_is_durable_first_and_its_event_names_the_caller() {
    let mut controller = alone(scenario(Mode::Lease, Loss::Stop).document());
    while controller.poll_effect().is_some() {}
    assert_eq!(ask(&mut controller, "sim", TicketOrder::Grant), Ok(()));
    let first = controller.poll_effect();
    assert!(
        matches!(&first, Some(Effect::Persist(changes)) if changes.iter().any(|change| change.key == "ticket/sim")),
        "{first:?}"
    );
    let event = std::iter::from_fn(|| controller.poll_effect()).find_map(|effect| match effect {
        Effect::Event(event) => Some(event),
        _ => None,
    });
    let event = event.unwrap();
    assert_eq!(
        event.reason,
        "ticket sim is granted, asked for by alice (uid 1000)"
    );
    assert_eq!(event.details["ticket"], "sim");
    let input = controller.input(NOW);
    let state =
        r#"<ticket_state id="sim" granted="true" standby="false" last-granted="1795000000"/>"#;
    assert!(input.contains(state), "{input}");
    let saved = Durable::from_rows(controller.facts().rows()).unwrap();
    let again = Controller::new("sim", saved, NOW);
    assert!(again.status(NOW).tickets[0].granted);
}

#[test]
fn an_unknown_ticket_is_refused_with_the_known_ones() {
    let document = scenario(Mode::Lease, Loss::Stop).document();
    let mut controller = alone(document.replace("ticket=\"sim\"", "ticket=\"east\""));
    for (asked, expected) in [
        (
            "esat",
            "there is no ticket \"esat\" in this deployment: it has east; did you mean 'east'?",
        ),
        (
            "a\u{1b}[2Jb\n",
            "there is no ticket \"a\\u{1b}[2Jb\\n\" in this deployment: it has east",
        ),
        (
            "",
            "there is no ticket \"\" in this deployment: it has east",
        ),
    ] {
        let refusal = ask(&mut controller, asked, TicketOrder::Grant).unwrap_err();
        assert_eq!(refusal.to_string(), expected);
    }
    let long = ask(&mut controller, &"x".repeat(1_000_000), TicketOrder::Revoke).unwrap_err();
    assert!(long.to_string().len() < 300, "{long}");
    load(
        &mut controller,
        Scenario::plain(2, 1, Mode::Lease).document(),
        2,
    );
    let refusal = ask(&mut controller, "east", TicketOrder::Grant).unwrap_err();
    assert!(
        refusal.to_string().ends_with("it has no <rsc_ticket>"),
        "{refusal}"
    );
}

#[test]
fn what_is_being_ended_may_lose_a_ticket_and_not_get_one() {
    let mut controller = Controller::new("sim", Durable::default(), NOW);
    let empty = ask(&mut controller, "sim", TicketOrder::Grant).unwrap_err();
    assert!(
        empty.to_string().contains("no document is loaded"),
        "{empty}"
    );
    let mut controller = alone(scenario(Mode::Lease, Loss::Stop).document());
    assert_eq!(ask(&mut controller, "sim", TicketOrder::Grant), Ok(()));
    assert_eq!(ask(&mut controller, "sim", TicketOrder::Standby), Ok(()));
    let stop_services = true;
    let end = Input::Request(Request::Unload { stop_services });
    assert_eq!(controller.handle(NOW, end), Ok(()));
    for order in [TicketOrder::Grant, TicketOrder::Activate] {
        let refusal = ask(&mut controller, "sim", order).unwrap_err();
        assert!(matches!(refusal, Refusal::NotReady(_)), "{refusal}");
    }
    assert_eq!(ask(&mut controller, "sim", TicketOrder::Revoke), Ok(()));
}

#[test]
fn ten_thousand_tickets_are_no_more_work_than_their_text() {
    let constraints: String = (0..10_000)
        .map(|at| format!("<rsc_ticket id=\"t{at}\" rsc=\"service1\" ticket=\"ticket{at}\"/>"))
        .collect();
    let one = scenario(Mode::Lease, Loss::Stop).document();
    let at = one.find("<rsc_ticket").unwrap();
    let mut many = one.clone();
    many.insert_str(at, &constraints);
    let mut controller = alone(many);
    for at in 0..10_000 {
        let ticket = format!("ticket{at}");
        assert_eq!(ask(&mut controller, &ticket, TicketOrder::Grant), Ok(()));
    }
    assert_eq!(controller.status(NOW).tickets.len(), 10_001);
    load(&mut controller, one, 2);
    assert_eq!(controller.status(NOW).tickets.len(), 1);
    let rows = controller.facts().rows();
    assert!(!rows.keys().any(|key| key.starts_with("ticket/")));
}

#[test]
fn in_maintenance_a_revocation_waits_for_its_end() {
    for loss in [Loss::Stop, Loss::Fence] {
        let mut world = granted(scenario(Mode::Unit, loss));
        let maintenance = |on| Request::Maintenance { assembly: None, on };
        world.ask(maintenance(true));
        world.run_for(5);
        order(&mut world, TicketOrder::Revoke);
        let fencing = |line: &String| line.starts_with("assembly.fencing");
        assert_eq!(world.runs_in("service1").len(), 1, "{loss:?}");
        assert!(!world.logged().iter().any(fencing), "{loss:?}");
        world.ask(maintenance(false));
        world.run_for(60);
        assert!(world.runs_in("service1").is_empty(), "{loss:?}");
    }
}
