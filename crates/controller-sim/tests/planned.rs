//! What an order about a service was planned to do is what is done when it is given at once, in
//! made-up deployments without faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use controller::{AssemblyId, Lifetime, Request, ServiceId, ServiceOrder};
use controller_sim::scenario::{Form, Scenario, service_of};
use controller_sim::{Options, Random, World, zones};
use cpe_status::PlanAction;

/// Made-up deployments.
const DEPLOYMENTS: u64 = 60;
/// Orders in each, one after the other.
const ORDERS: u64 = 6;
/// Of all orders at least so many are planned and compared: others are refused, or change nothing.
const AT_LEAST: usize = 120;

fn some_order(world: &World, random: &mut Random) -> (ServiceId, ServiceOrder) {
    let services = &world.scenario.services;
    let service = &services[random.index(services.len())];
    let assemblies = &world.scenario.assemblies;
    let assembly = AssemblyId::from(&*assemblies[random.index(assemblies.len())].name);
    let promoted = matches!(service.form, Form::Promotable(_)) && random.percent(60);
    let lifetime = match random.index(2) {
        0 => Lifetime::Placed,
        _ => Lifetime::Cleared,
    };
    let order = match random.index(9) {
        0..=2 => ServiceOrder::Move {
            to: random.percent(70).then_some(assembly),
            from: None,
            promoted,
            lifetime,
        },
        3 | 4 => ServiceOrder::Ban {
            assembly,
            promoted,
            lifetime: Lifetime::Cleared,
        },
        5 => ServiceOrder::Clear { assembly: None },
        6 => ServiceOrder::Disable,
        7 => ServiceOrder::Enable,
        _ => ServiceOrder::Restart,
    };
    (service.name.as_str().into(), order)
}

/// The order with what was left open in it, and what it is planned to do. `None`: it would not
/// hold, or changes nothing.
fn planned(
    world: &World,
    service: &ServiceId,
    order: &ServiceOrder,
) -> Option<(ServiceOrder, Vec<PlanAction>)> {
    let controller = world.controller().unwrap();
    let input = controller.plan_service(world.time(), service, order).ok()?;
    let order = input.order().clone();
    let plan = input.answer_in(zones::find).unwrap();
    (plan.refused.is_empty() && !plan.unchanged).then_some((order, plan.actions))
}

/// What is to be begun and ended where, as `start SERVICE ASSEMBLY`, sorted.
fn begun_and_ended(plan: &[PlanAction]) -> Vec<String> {
    let mut lines = Vec::new();
    for action in plan {
        let service = service_of(&action.service);
        let (stops, starts) = match action.action.as_str() {
            "restart" | "move" => (true, true),
            "stop" => (true, false),
            "start" => (false, true),
            _ => (false, false),
        };
        lines.extend(stops.then(|| format!("stop {service} {}", action.from)));
        lines.extend(starts.then(|| format!("start {service} {}", action.to)));
    }
    lines.sort_unstable();
    lines
}

/// The same of what was executed. Who migrates live begins where it arrives.
fn executed(lines: &[String]) -> Vec<String> {
    let own = lines.iter().filter_map(|line| {
        let mut words = line.split(' ');
        let (action, service, assembly) = (words.next()?, words.next()?, words.next()?);
        let action = match action {
            "start" | "migrate_from" => "start",
            "stop" => "stop",
            _ => return None,
        };
        Some(format!("{action} {} {assembly}", service_of(service)))
    });
    let mut lines: Vec<String> = own.collect();
    lines.sort_unstable();
    lines
}

/// A change of role that was planned and not executed.
fn role_that_stayed<'p>(plan: &'p [PlanAction], done: &[String]) -> Option<&'p PlanAction> {
    let changes = |own: &&PlanAction| matches!(own.action.as_str(), "promote" | "demote");
    plan.iter().filter(changes).find(|own| {
        let service = service_of(&own.service);
        let wanted = format!("{} {service} {}", own.action, own.to);
        !done.contains(&wanted)
    })
}

#[test]
fn what_is_planned_is_done() {
    let (mut compared, mut roles) = (0, 0);
    for seed in 1..=DEPLOYMENTS {
        let mut random = Random::new(seed);
        let scenario = Scenario::new(&mut random);
        let mut world = World::new(scenario, random.clone(), Options::default());
        world.run_for(60);
        if world.missing().is_some() {
            continue;
        }
        for _ in 0..ORDERS {
            let (service, order) = some_order(&world, &mut random);
            let Some((order, plan)) = planned(&world, &service, &order) else {
                continue;
            };
            let before = world.executed().len();
            world.ask(Request::Service {
                service: service.clone(),
                order: order.clone(),
            });
            world.run_for(60);
            let done = world.executed().split_off(before);
            let context = format!("seed {seed}, {service}: {order:?}\n{plan:#?}\n{done:#?}");
            assert_eq!(executed(&done), begun_and_ended(&plan), "{context}");
            assert_eq!(role_that_stayed(&plan, &done), None, "{context}");
            assert!(world.violations().is_empty(), "{context}");
            let role = |own: &&PlanAction| matches!(&*own.action, "promote" | "demote");
            roles += plan.iter().filter(role).count();
            compared += 1;
        }
    }
    assert!(compared >= AT_LEAST, "{compared} orders were compared");
    assert!(roles > 0, "a role was to change");
}
