//! How time and memory grow with the input: generated inputs of rising size, measured one after
//! the other, as a table and a drawing.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use policy_engine::{Cib, RunOptions, graph};

use crate::inputs::{self, State};
use crate::measure;
use crate::plot::{self, Series};
use crate::table::Program;

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

/// The cost of one input.
#[derive(Clone, Copy, Debug)]
struct Sample {
    state: State,
    nodes: usize,
    resources: usize,
    /// Actions in the working set. Most of them are in the graph of a fresh cluster, few in the
    /// graph of a cluster with a failed node.
    actions: usize,
    input_bytes: usize,
    graph_bytes: usize,
    /// Processor time to read the input, to schedule and to write the graph, in seconds.
    seconds: f64,
    /// Highest memory of a process that does the same.
    peak_kib: u64,
}

impl Sample {
    fn size(&self) -> f64 {
        (self.nodes * self.resources) as f64
    }
}

/// Measures all sizes and writes `PREFIX.csv` and `PREFIX.svg`. Returns the results in a few lines.
/// `program` is `policy-simulate`; its memory is measured.
///
/// # Errors
///
/// The program cannot be run, or a file cannot be written.
pub fn run(program: &Program, prefix: &Path) -> Result<Vec<String>> {
    let mut samples = Vec::new();
    for state in State::ALL {
        for (nodes, resources) in SIZES {
            samples.push(sample(program, nodes, resources, state)?);
        }
    }
    write(&prefix.with_extension("csv"), &csv(&samples))?;
    let series = State::ALL.map(|state| series(state, &samples));
    let title = "Processor time to read a CIB, schedule, and write the graph";
    let drawing = plot::draw(title, "nodes × resources", "seconds", &series);
    write(&prefix.with_extension("svg"), &drawing)?;

    let times = series.iter().map(|one| {
        format!(
            "growth, {}: time ∝ (nodes × resources)^{:.2}",
            one.name, one.power.exponent
        )
    });
    let memory = State::ALL.map(|state| memory(state, &samples));
    Ok(times.chain(memory.into_iter().flatten()).collect())
}

/// The times of a state's samples, and the power law that fits them.
fn series(state: State, samples: &[Sample]) -> Series {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .filter(|sample| sample.state == state)
        .map(|sample| (sample.size(), sample.seconds))
        .collect();
    Series {
        name: state.name(),
        power: plot::fit(&points),
        points,
    }
}

/// The memory that a state's samples need, as a line.
fn memory(state: State, samples: &[Sample]) -> Option<String> {
    let mut of_state = samples.iter().filter(|sample| sample.state == state);
    let (first, last) = (of_state.next()?, of_state.next_back()?);
    // Between two sizes, so that the memory that the program always needs does not count.
    let grown = |of: fn(&Sample) -> f64| (of(last) - of(first)).max(1.0);
    let bytes = grown(|sample| sample.peak_kib as f64 * 1024.0);
    Some(format!(
        "memory, {}: {:.0} MB for {} actions and {:.1} MB of input: {:.0} bytes per action, {:.1} per byte of input",
        state.name(),
        last.peak_kib as f64 * 1024.0 / 1e6,
        last.actions,
        last.input_bytes as f64 / 1e6,
        bytes / grown(|sample| sample.actions as f64),
        bytes / grown(|sample| sample.input_bytes as f64),
    ))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
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

fn sample(program: &Program, nodes: usize, resources: usize, state: State) -> Result<Sample> {
    let text = inputs::cib(nodes, resources, state);
    let name = format!("{}-{nodes}x{resources}", state.name());
    let mut sample = Sample {
        state,
        nodes,
        resources,
        actions: 0,
        input_bytes: text.len(),
        graph_bytes: 0,
        seconds: f64::MAX,
        peak_kib: peak(program, &name, &text)?,
    };
    // The clock of the processor moves in steps of milliseconds: short runs are repeated, and the
    // best of three counts.
    for _ in 0..3 {
        let (mut runs, mut spent) = (0, Duration::ZERO);
        while spent < Duration::from_millis(100) {
            let started = measure::own_cpu();
            let cib = Cib::parse(&text)?;
            let schedule = policy_engine::schedule(&cib, crate::NOW, RunOptions::default());
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

/// The highest memory of a process that schedules the input, in KiB.
fn peak(program: &Program, name: &str, text: &str) -> Result<u64> {
    crate::with_file(name, text, |file| {
        let file = file.to_string_lossy();
        let arguments = ["-x", &file, "-R", "-Q", "-G", "/dev/null"];
        let cost = program.measure(&arguments, Duration::from_secs(600))?;
        Ok(cost.memory_kib)
    })
}
