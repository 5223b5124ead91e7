//! How long a page of metrics takes: 1,000 deployments with 8 services and 4 assemblies each. It is
//! the time of the processor that counts: a machine that has other work too makes no page larger.

#![allow(clippy::print_stdout, reason = "it is for people")]

use std::sync::Arc;
use std::time::Duration;

use cpe_bus::DeploymentEntry;
use cpe_gateway::metrics::{Facts, Format, Page, Requests, Whole, page};
use cpe_gateway::mirror::{Seen, Tally};
use cpe_status::{AssemblyStatus, DeploymentStatus, ServiceState, ServiceStatus};
use rustix::time::{ClockId, clock_gettime};

fn seen(number: usize) -> Seen {
    let name = format!("deployment-{number:04}");
    let service = |number| ServiceStatus {
        name: format!("service-{number}"),
        service: format!("service-{number}"),
        state: ServiceState::Started,
        assembly: "assembly-1".into(),
        ..ServiceStatus::default()
    };
    let assembly = |number| AssemblyStatus {
        name: format!("assembly-{number}"),
        last_heartbeat: 1_700_000_000_000_000,
        ..AssemblyStatus::default()
    };
    let status = DeploymentStatus {
        name: name.clone(),
        generation: 1,
        epoch: 1,
        services: (0..8).map(service).collect(),
        assemblies: (0..4).map(assembly).collect(),
        ..DeploymentStatus::default()
    };
    Seen {
        entry: DeploymentEntry {
            name,
            ..DeploymentEntry::default()
        },
        status: Some(Arc::new(status)),
        fetched: None,
    }
}

/// Time of the processor that this thread has had.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, rest) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), rest.unwrap_or(0))
}

fn main() {
    let facts = Arc::new(Facts {
        cpe: "1.0".into(),
        age: Duration::ZERO,
        seen: (0..1000).map(seen).collect(),
        tally: Tally::default(),
        whole: Some(Whole {
            sinks: Vec::new(),
            requests: Requests::default(),
        }),
        max_series: 100_000,
    });
    for _ in 0..5 {
        let begun = processor_time();
        let made = page(Arc::clone(&facts), Page::Own, Format::Text);
        let took = processor_time().saturating_sub(begun);
        let text = made.unwrap_or_default();
        let series = text.lines().filter(|it| !it.starts_with('#')).count();
        println!("{series} series, {} bytes, {took:?}", text.len());
    }
}
