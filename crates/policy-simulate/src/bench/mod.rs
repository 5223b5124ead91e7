//! The speed table: this program beside `crm_simulate`, on the same inputs in the same run.
//!
//! Each line is one process per input, from start to end: reading, scheduling, writing the graph.

pub mod growth;
pub mod measure;
mod plot;
pub mod scale;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use measure::Cost;
use policy_engine::{Cib, RunOptions};
use scale::State;

use crate::Streams;
use crate::failure::Failure;

/// What is measured.
#[derive(Args, Debug)]
pub struct Options {
    /// Folder with inputs (*.xml), all of which are measured together
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Program to compare with
    #[arg(long, value_name = "PROGRAM", default_value = "crm_simulate")]
    peer: PathBuf,
    /// Do not compare
    #[arg(long)]
    no_peer: bool,
    /// Sizes of made inputs, as NODESxRESOURCES
    #[arg(long, value_name = "SIZE", value_delimiter = ',', value_parser = size,
          default_values = ["16x500", "32x1000", "64x2000"])]
    sizes: Vec<(usize, usize)>,
    /// Seconds after which a run is given up, and larger inputs of its kind are not tried
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    limit: u64,
    /// Measure only how time and memory grow; write PREFIX.csv and PREFIX.svg
    #[arg(long, value_name = "PREFIX")]
    growth: Option<PathBuf>,
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('x').and_then(|(nodes, resources)| {
        let (nodes, resources) = (nodes.parse().ok()?, resources.parse().ok()?);
        (nodes > 0 && resources > 0).then_some((nodes, resources))
    });
    numbers.ok_or_else(|| "expected NODESxRESOURCES, such as 16x500".to_owned())
}

/// One program that is measured.
struct Program {
    name: String,
    path: PathBuf,
}

/// Measures and prints the table.
pub fn run(options: &Options, streams: &mut Streams<'_>) -> Result<i32, Failure> {
    if let Some(prefix) = &options.growth {
        for line in growth::run(prefix)? {
            writeln!(streams.out, "{line}").map_err(Failure::output)?;
        }
        return Ok(0);
    }
    let own = std::env::current_exe().map_err(Failure::output)?;
    let mut programs = vec![Program {
        name: crate::arguments::NAME.to_owned(),
        path: own,
    }];
    let peer = Program {
        name: options.peer.display().to_string(),
        path: options.peer.clone(),
    };
    if options.no_peer {
    } else if Command::new(&peer.path).arg("--version").output().is_ok() {
        programs.push(peer);
    } else {
        streams.complain(&format!(
            "{} cannot be run: nothing to compare with",
            peer.name
        ));
    }
    let mut table = Table {
        streams,
        limit: Duration::from_secs(options.limit),
        programs,
        given_up: Vec::new(),
    };
    table.in_process()?;
    table.head()?;
    if let Some(corpus) = &options.corpus {
        table.corpus(corpus)?;
    }
    for (nodes, resources) in &options.sizes {
        for state in [State::Fresh, State::Failed] {
            table.scale(*nodes, *resources, state)?;
        }
    }
    Ok(0)
}

struct Table<'t, 's> {
    streams: &'t mut Streams<'s>,
    limit: Duration,
    programs: Vec<Program>,
    /// Which program was not done in time with which kind of run, and the product of nodes and
    /// resources then.
    given_up: Vec<(usize, Run, usize)>,
}

/// A kind of run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    state: State,
    /// Executed too.
    executed: bool,
}

impl Table<'_, '_> {
    fn print(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.streams.out, "{line}")
            .and_then(|()| self.streams.out.flush())
            .map_err(Failure::output)
    }

    fn head(&mut self) -> Result<(), Failure> {
        let mut head = format!("{:<34}", "input");
        for program in &self.programs {
            head.push_str(&format!(" {:>34}", program.name));
        }
        self.print(&head)
    }

    /// Scheduling alone, without a process, on a small cluster.
    fn in_process(&mut self) -> Result<(), Failure> {
        for state in [State::Fresh, State::Failed] {
            let text = scale::cib(10, 50, state);
            let cib = Cib::parse(&text).map_err(|error| Failure::data(error.to_string()))?;
            let mut best = Duration::MAX;
            for _ in 0..100 {
                let started = Instant::now();
                let schedule = policy_engine::schedule(&cib, 1_700_000_000, RunOptions::default());
                best = best.min(started.elapsed());
                drop(schedule);
            }
            let line = format!(
                "in process, 10 nodes, 50 resources, {}: {:.3} ms (best of 100)",
                state.name(),
                best.as_secs_f64() * 1000.0
            );
            self.print(&line)?;
        }
        Ok(())
    }

    /// All inputs of a folder, one process each: processor time of all together.
    fn corpus(&mut self, folder: &Path) -> Result<(), Failure> {
        let files = crate::profile::inputs(folder)?;
        let mut line = format!(
            "{:<34}",
            format!("{} inputs, one process each", files.len())
        );
        for index in 0..self.programs.len() {
            let (cpu, started) = (measure::children_cpu(), Instant::now());
            for file in &files {
                self.measure(index, &["-x", &file.to_string_lossy(), "-S"])?;
            }
            let (cpu, wall) = (measure::children_cpu() - cpu, started.elapsed());
            line.push_str(&format!(
                " {:>34}",
                format!(
                    "{:.2} s CPU, {:.2} s",
                    cpu.as_secs_f64(),
                    wall.as_secs_f64()
                )
            ));
        }
        self.print(&line)
    }

    /// A made input: schedule and write the graph; for the smallest also execute it.
    fn scale(&mut self, nodes: usize, resources: usize, state: State) -> Result<(), Failure> {
        let text = scale::cib(nodes, resources, state);
        with_file(&text, nodes, resources, state, |file| {
            self.scale_file(file, nodes, resources, state, text.len())
        })
    }

    fn scale_file(
        &mut self,
        file: &str,
        nodes: usize,
        resources: usize,
        state: State,
        bytes: usize,
    ) -> Result<(), Failure> {
        let mut runs = vec![("", vec!["-x", file, "-R", "-G", "/dev/null", "-Q"])];
        if nodes * resources <= 8000 && state == State::Fresh {
            runs.push((" -S", vec!["-x", file, "-S"]));
        }
        for (remark, arguments) in runs {
            let name = format!(
                "{} {nodes}x{resources}{remark} ({:.1} MB)",
                state.name(),
                bytes as f64 / 1e6
            );
            let run = Run {
                state,
                executed: !remark.is_empty(),
            };
            let mut line = format!("{name:<34}");
            for index in 0..self.programs.len() {
                let cell = self.cell(index, run, nodes * resources, &arguments)?;
                line.push_str(&format!(" {cell:>34}"));
            }
            self.print(&line)?;
        }
        Ok(())
    }

    /// What a program took for a run; it does not get a run that is larger than one that took it
    /// too long.
    fn cell(
        &mut self,
        program: usize,
        run: Run,
        size: usize,
        arguments: &[&str],
    ) -> Result<String, Failure> {
        let limit = self.limit.as_secs();
        let too_large = |(p, r, s): &(usize, Run, usize)| (*p, *r) == (program, run) && *s <= size;
        if self.given_up.iter().any(too_large) {
            return Ok(format!("skipped: a smaller one took > {limit} s"));
        }
        let cpu = measure::children_cpu();
        let cost = self.measure(program, arguments)?;
        let cpu = measure::children_cpu() - cpu;
        Ok(if cost.succeeded {
            format!(
                "{:.2} s CPU, {:.2} s, {:.0} MB",
                cpu.as_secs_f64(),
                cost.wall.as_secs_f64(),
                cost.memory_kib as f64 / 1024.0
            )
        } else if cost.wall >= self.limit {
            self.given_up.push((program, run, size));
            format!("not done in {limit} s")
        } else {
            "failed".to_owned()
        })
    }

    fn measure(&self, program: usize, arguments: &[&str]) -> Result<Cost, Failure> {
        let program = &self.programs[program];
        let mut command = Command::new(&program.path);
        measure::run(command.args(arguments).env("LC_ALL", "C"), self.limit)
            .map_err(|error| Failure::usage(format!("cannot run {}: {error}", program.name)))
    }
}

/// Does something with a made input as a file.
fn with_file<T>(
    text: &str,
    nodes: usize,
    resources: usize,
    state: State,
    work: impl FnOnce(&str) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let file = std::env::temp_dir().join(format!(
        "policy-simulate-{}-{nodes}x{resources}-{}.xml",
        std::process::id(),
        state.name()
    ));
    std::fs::write(&file, text).map_err(|error| Failure::file(&file, &error))?;
    let result = work(&file.to_string_lossy());
    let _ = std::fs::remove_file(&file);
    result
}
