//! How time and memory grow with the input: a range of made inputs, measured one after the other,
//! as a table and a drawing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use policy_engine::{Cib, RunOptions, graph};

use super::measure;
use super::plot::{self, Series};
use super::scale::{self, State};
use crate::failure::Failure;

/// Nodes and resources of the inputs: one of the two doubles from each to the next.
const SIZES: [(usize, usize); 10] = [
    (4, 125),
    (8, 125),
    (8, 250),
    (16, 250),
    (16, 500),
    (32, 500),
    (32, 1000),
    (64, 1000),
    (64, 2000),
    (128, 2000),
];

/// What one input took.
#[derive(Clone, Copy, Debug)]
struct Sample {
    state: State,
    nodes: usize,
    resources: usize,
    /// In the working set; most of them end up in the graph of a fresh cluster, few in that of one
    /// with a failed node.
    actions: usize,
    input_bytes: usize,
    graph_bytes: usize,
    /// Processor time to read the input, to schedule and to write the graph, in seconds.
    seconds: f64,
    /// Of a process that does the same.
    peak_kib: u64,
}

impl Sample {
    fn size(&self) -> f64 {
        (self.nodes * self.resources) as f64
    }
}

/// Measures all sizes; writes `PREFIX.csv` and `PREFIX.svg`; returns what there is to say about
/// them.
pub fn run(prefix: &Path) -> Result<Vec<String>, Failure> {
    let mut samples = Vec::new();
    for state in [State::Fresh, State::Failed] {
        for (nodes, resources) in SIZES {
            samples.push(sample(nodes, resources, state)?);
        }
    }
    write(&prefix.with_extension("csv"), &csv(&samples))?;
    let series: Vec<Series> = [State::Fresh, State::Failed]
        .iter()
        .map(|state| {
            let points: Vec<(f64, f64)> = samples
                .iter()
                .filter(|sample| sample.state == *state)
                .map(|sample| (sample.size(), sample.seconds))
                .collect();
            Series {
                name: state.name(),
                power: plot::fit(&points),
                points,
            }
        })
        .collect();
    let title = "Processor time to read a CIB, schedule, and write the graph";
    let drawing = plot::draw(title, "nodes × resources", "seconds", &series);
    write(&prefix.with_extension("svg"), &drawing)?;

    let mut lines = Vec::new();
    for one in &series {
        lines.push(format!(
            "growth, {}: time ∝ (nodes × resources)^{:.2}",
            one.name, one.power.exponent
        ));
    }
    for state in [State::Fresh, State::Failed] {
        let mut of_state = samples.iter().filter(|sample| sample.state == state);
        let (first, last) = (of_state.next(), of_state.next_back());
        if let (Some(first), Some(last)) = (first, last) {
            // between two sizes, so that what the program needs by itself does not count
            let grown = |of: fn(&Sample) -> f64| (of(last) - of(first)).max(1.0);
            let bytes = grown(|sample| sample.peak_kib as f64 * 1024.0);
            lines.push(format!(
                "memory, {}: {:.0} MB for {} actions and {:.1} MB of input: {:.0} bytes per action, {:.1} per byte of input",
                state.name(),
                last.peak_kib as f64 * 1024.0 / 1e6,
                last.actions,
                last.input_bytes as f64 / 1e6,
                bytes / grown(|sample| sample.actions as f64),
                bytes / grown(|sample| sample.input_bytes as f64),
            ));
        }
    }
    Ok(lines)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::file(path, &error))
}

fn csv(samples: &[Sample]) -> String {
    let mut out =
        "state,nodes,resources,actions,input_bytes,graph_bytes,cpu_seconds,peak_kib\n".to_owned();
    for s in samples {
        out.push_str(&format!(
            "{},{},{},{},{},{},{:.5},{}\n",
            s.state.name(),
            s.nodes,
            s.resources,
            s.actions,
            s.input_bytes,
            s.graph_bytes,
            s.seconds,
            s.peak_kib
        ));
    }
    out
}

fn sample(nodes: usize, resources: usize, state: State) -> Result<Sample, Failure> {
    let text = scale::cib(nodes, resources, state);
    let mut sample = Sample {
        state,
        nodes,
        resources,
        actions: 0,
        input_bytes: text.len(),
        graph_bytes: 0,
        seconds: f64::MAX,
        peak_kib: peak(&text, nodes, resources, state)?,
    };
    // The clock of the processor moves in steps of milliseconds: short runs are repeated, and the
    // best of three counts.
    for _ in 0..3 {
        let (mut runs, mut spent) = (0, Duration::ZERO);
        while spent < Duration::from_millis(100) {
            let started = measure::own_cpu();
            let cib = Cib::parse(&text).map_err(|error| Failure::data(error.to_string()))?;
            let schedule = policy_engine::schedule(&cib, 1_700_000_000, RunOptions::default());
            let graph = graph::write(&schedule.graph);
            spent += measure::own_cpu().saturating_sub(started);
            runs += 1;
            sample.actions = schedule.cluster.actions.len();
            sample.graph_bytes = graph.len();
        }
        sample.seconds = sample.seconds.min(spent.as_secs_f64() / f64::from(runs));
    }
    Ok(sample)
}

/// The highest memory of a process that schedules the input.
fn peak(text: &str, nodes: usize, resources: usize, state: State) -> Result<u64, Failure> {
    let own = std::env::current_exe().map_err(Failure::output)?;
    super::with_file(text, nodes, resources, state, |file| {
        let mut command = Command::new(&own);
        command.args(["-x", file, "-R", "-Q", "-G", "/dev/null"]);
        let cost = measure::run(&mut command, Duration::from_secs(600))
            .map_err(|error| Failure::usage(format!("cannot run {}: {error}", own.display())))?;
        Ok(cost.memory_kib)
    })
}
