//! How long it takes to find out whether there is room after any one loss, and any two:
//! `cargo run --release -p controller --example room -- ASSEMBLIES SERVICES`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Instant;

use controller::{
    Controller, Durable, Effect, Hello, Input, Record, Request, RoomDetail, RoomQuestion, Time,
    TransitionKey, Zone,
};

const NOW: Time = Time {
    boottime_us: 1_000_000,
    wall_us: 1_800_000_000_000_000,
};

/// Services with a memory of 1, in assemblies that could take a quarter more than their share.
fn document(assemblies: usize, services: usize) -> String {
    let memory = (services * 5).div_ceil(assemblies * 4);
    let mut text = String::from("<deployable name=\"speed\"><assemblies>");
    for number in 0..assemblies {
        let _ = write!(
            text,
            r#"<assembly name="a{number}" address="unix:/run/a{number}"><fencing mode="lease"/><capacity memory="{memory}"/></assembly>"#
        );
    }
    text.push_str("</assemblies><services>");
    for number in 0..services {
        let _ = write!(
            text,
            r#"<service name="s{number}" class="ocf" provider="sim" type="Simulated"><utilization memory="1"/></service>"#
        );
    }
    text.push_str("</services></deployable>");
    text
}

/// What agents do that do at once what they are told.
fn answer(effect: Effect, calls: &mut u32) -> Option<Input> {
    match effect {
        Effect::Decide(question) => Some(Input::Decided(Box::new(question.answer()))),
        Effect::Execute {
            assembly,
            operation,
        } => {
            *calls += 1;
            let rc = TransitionKey::parse(&operation.id)?.expected_rc;
            let record = Record {
                operation: *operation,
                call_id: *calls,
                rc,
                completed: NOW.wall_us,
                last_rc_change: NOW.wall_us,
                ..Record::default()
            };
            let record = Box::new(record);
            Some(Input::OperationCompleted { assembly, record })
        }
        _ => None,
    }
}

fn give(controller: &mut Controller, input: Input, calls: &mut u32) {
    let mut inputs = vec![input];
    while let Some(input) = inputs.pop() {
        controller.handle(NOW, input).expect("it is not refused");
        while let Some(effect) = controller.poll_effect() {
            inputs.extend(answer(effect, calls));
        }
    }
}

fn only_utc(_name: &str) -> Option<Zone> {
    None
}

/// What this thread, which does everything, has had of the processors, on Linux.
fn processor_ms() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = told.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ns.unwrap_or(f64::NAN) / 1e6
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).flat_map(|it| it.parse()).collect();
    let (assemblies, services) = match numbers[..] {
        [assemblies, services] => (assemblies, services),
        _ => (16, 100),
    };
    let mut controller = Controller::new("speed", Durable::default(), NOW);
    let mut calls = 0;
    let load = Request::Load {
        document: document(assemblies, services),
        generation: 1,
        in_doubt: BTreeSet::new(),
    };
    give(&mut controller, Input::Request(load), &mut calls);
    for number in 0..assemblies {
        let assembly = format!("a{number}").as_str().into();
        let number = controller.wanted(&assembly).map_or(0, |it| it.number);
        let hello = Hello {
            boot_id: assembly.to_string(),
            machine_id: assembly.to_string(),
            ..Hello::default()
        };
        let connected = Input::AgentConnected {
            assembly,
            number,
            hello,
            history: Vec::new(),
            attributes: Default::default(),
        };
        give(&mut controller, connected, &mut calls);
    }
    let rows = controller.status(NOW).services;
    let running = rows.iter().filter(|it| !it.assembly.is_empty()).count();
    println!("{assemblies} assemblies, {services} services, {running} running");
    for (question, detail, what) in [
        (
            RoomQuestion::Any,
            RoomDetail::Services,
            "any one, for the status",
        ),
        (
            RoomQuestion::Any,
            RoomDetail::Advice,
            "any one, with advice",
        ),
        (RoomQuestion::Two, RoomDetail::Services, "any two"),
        (
            RoomQuestion::Two,
            RoomDetail::Advice,
            "any two, with advice",
        ),
    ] {
        let began = (Instant::now(), processor_ms());
        let input = controller.plan_room(NOW, &question).expect("it is ready");
        let asked = began.0.elapsed();
        let report = input.answer_in(only_utc, detail, &mut || true);
        let report = report.expect("it is decided");
        println!(
            "{what}: {} losses in {:.1} ms of processor time, {:.1} ms by the clock, of these {:.1} ms in the loop: {}",
            report.looked_at,
            processor_ms() - began.1,
            began.0.elapsed().as_secs_f64() * 1e3,
            asked.as_secs_f64() * 1e3,
            report.text()
        );
    }
}
