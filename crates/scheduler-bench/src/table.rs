//! The speed table: `policy-simulate` beside `crm_simulate`, on the same inputs in the same run.
//!
//! Each line is one process per input, from start to end: reading, scheduling, writing the graph.
//! Before the table stand times without a process: of scheduling alone, and of
//! `policy_engine::lint` as a share of a DPE's decision and of its scheduling.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use controller::EngineInput;
use policy_engine::{Cib, RunOptions};

use crate::inputs::{self, State};
use crate::measure::{self, Cost};

/// Nodes times resources of the largest generated input that is also executed virtually.
const EXECUTED_UP_TO: usize = 8_000;

/// How often a decision and its check are measured.
const LINT_RUNS: u32 = 10;

/// A program that is measured. It has the options of `crm_simulate`.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    path: PathBuf,
}

impl Program {
    /// A program with its name in the table.
    pub fn new(name: impl Into<String>, path: PathBuf) -> Program {
        Program {
            name: name.into(),
            path,
        }
    }

    /// Tries to run the program.
    ///
    /// # Errors
    ///
    /// The program cannot be run.
    pub fn check(&self) -> Result<()> {
        let output = Command::new(&self.path).arg("--version").output();
        output.with_context(|| format!("cannot run {}", self.path.display()))?;
        Ok(())
    }

    /// Runs the program to its end, or kills it after `limit`.
    ///
    /// # Errors
    ///
    /// The program cannot be run.
    pub(crate) fn measure(&self, arguments: &[&str], limit: Duration) -> Result<Cost> {
        let mut command = Command::new(&self.path);
        measure::run(command.args(arguments).env("LC_ALL", "C"), limit)
            .with_context(|| format!("cannot run {}", self.path.display()))
    }
}

/// A kind of run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    state: State,
    /// Executed virtually too.
    executed: bool,
}

/// A run that was not done within the limit.
#[derive(Clone, Copy, Debug)]
struct Stopped {
    /// Index of the program.
    program: usize,
    run: Run,
    /// Nodes times resources of the input.
    size: usize,
}

/// The table, line by line.
#[derive(Debug)]
pub struct Table {
    limit: Duration,
    programs: Vec<Program>,
    stopped: Vec<Stopped>,
}

/// The best times of scheduling alone, without a process, on a small cluster.
///
/// # Errors
///
/// A generated input is not readable: a mistake of [`inputs`].
pub fn in_process() -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for state in State::ALL {
        let cib = Cib::parse(&inputs::cib(10, 50, state))?;
        let mut best = Duration::MAX;
        for _ in 0..100 {
            let started = Instant::now();
            let schedule = policy_engine::schedule(&cib, crate::NOW, RunOptions::default());
            best = best.min(started.elapsed());
            drop(schedule);
        }
        lines.push(format!(
            "in process, 10 nodes, 50 resources, {}: {:.3} ms (best of 100)",
            state.name(),
            best.as_secs_f64() * 1000.0
        ));
    }
    Ok(lines)
}

/// The cost of checking a decision beside the cost of the decision, which are measured in turns in
/// the same run: the best times, without a process. The decision is what a DPE makes of an engine
/// input, its check included.
///
/// # Errors
///
/// A generated input is not readable: a mistake of [`inputs`].
pub fn lint(nodes: usize, resources: usize, state: State) -> Result<String> {
    let input: Arc<str> = inputs::cib(nodes, resources, state).into();
    let [mut decision, mut scheduling, mut check] = [Duration::MAX; 3];
    for _ in 0..LINT_RUNS {
        let question = EngineInput::new(1, Arc::clone(&input), crate::NOW);
        let started = Instant::now();
        let answer = black_box(question.answer());
        decision = decision.min(started.elapsed());
        drop(answer);
        let cib = Cib::parse_accepted(&input)?;
        let started = Instant::now();
        let schedule = policy_engine::schedule(&cib, crate::NOW, RunOptions::default());
        scheduling = scheduling.min(started.elapsed());
        black_box(policy_engine::graph::write(&schedule.graph));
        let started = Instant::now();
        let findings = policy_engine::lint(&schedule);
        check = check.min(started.elapsed());
        ensure!(findings.is_empty(), "lint objects: {findings:?}");
    }
    let share = |whole: Duration| check.as_secs_f64() / whole.as_secs_f64() * 100.0;
    Ok(format!(
        "lint, {} {nodes}x{resources}: {:.3} ms, {:.1} % of the decision in {:.1} ms, {:.1} % of its scheduling (best of {LINT_RUNS})",
        state.name(),
        check.as_secs_f64() * 1e3,
        share(decision),
        decision.as_secs_f64() * 1e3,
        share(scheduling),
    ))
}

impl Table {
    /// A table with a column for each program. A run is stopped after `limit`.
    pub fn new(programs: Vec<Program>, limit: Duration) -> Table {
        Table {
            limit,
            programs,
            stopped: Vec::new(),
        }
    }

    /// The names of the columns.
    pub fn head(&self) -> String {
        let names = self.programs.iter().map(|program| program.name.clone());
        line("input", names)
    }

    /// All inputs of a folder, one process each: the processor time of all together.
    ///
    /// # Errors
    ///
    /// The folder has no readable XML files, or a program cannot be run.
    pub fn corpus(&self, folder: &Path) -> Result<String> {
        let files = xml_files(folder)?;
        let mut cells = Vec::new();
        for program in &self.programs {
            let (cpu, started) = (measure::children_cpu(), Instant::now());
            for file in &files {
                program.measure(&["-x", &file.to_string_lossy(), "-S"], self.limit)?;
            }
            let (cpu, wall) = (measure::children_cpu() - cpu, started.elapsed());
            cells.push(format!(
                "{:.2} s CPU, {:.2} s",
                cpu.as_secs_f64(),
                wall.as_secs_f64()
            ));
        }
        let name = format!("{} inputs, one process each", files.len());
        Ok(line(&name, cells))
    }

    /// A generated input: schedule it and write the graph; small ones are also executed.
    ///
    /// # Errors
    ///
    /// The input cannot be written to a file, or a program cannot be run.
    pub fn generated(
        &mut self,
        nodes: usize,
        resources: usize,
        state: State,
    ) -> Result<Vec<String>> {
        let text = inputs::cib(nodes, resources, state);
        let input = format!("{} {nodes}x{resources}", state.name());
        crate::with_file(&input.replace(' ', "-"), &text, |file| {
            let file = file.to_string_lossy();
            let mut runs = vec![("", vec!["-x", &file, "-R", "-G", "/dev/null", "-Q"])];
            if nodes * resources <= EXECUTED_UP_TO && state == State::Fresh {
                runs.push((" -S", vec!["-x", &file, "-S"]));
            }
            let mut lines = Vec::new();
            for (remark, arguments) in runs {
                let run = Run {
                    state,
                    executed: !remark.is_empty(),
                };
                let cells: Result<Vec<String>> = (0..self.programs.len())
                    .map(|program| self.cell(program, run, nodes * resources, &arguments))
                    .collect();
                let name = format!("{input}{remark} ({:.1} MB)", text.len() as f64 / 1e6);
                lines.push(line(&name, cells?));
            }
            Ok(lines)
        })
    }

    /// The cost of a run. It is skipped if a smaller one of its kind took too long.
    fn cell(
        &mut self,
        program: usize,
        run: Run,
        size: usize,
        arguments: &[&str],
    ) -> Result<String> {
        let limit = self.limit.as_secs();
        let mut stopped = self.stopped.iter();
        if stopped.any(|it| (it.program, it.run) == (program, run) && it.size <= size) {
            return Ok(format!("skipped: a smaller one took > {limit} s"));
        }
        let cpu = measure::children_cpu();
        let cost = self.programs[program].measure(arguments, self.limit)?;
        let cpu = measure::children_cpu() - cpu;
        Ok(if cost.succeeded {
            format!(
                "{:.2} s CPU, {:.2} s, {:.0} MB",
                cpu.as_secs_f64(),
                cost.wall.as_secs_f64(),
                cost.memory_kib as f64 / 1024.0
            )
        } else if cost.wall >= self.limit {
            self.stopped.push(Stopped { program, run, size });
            format!("not done in {limit} s")
        } else {
            "failed".to_owned()
        })
    }
}

/// A name and the cells beside it.
fn line(name: &str, cells: impl IntoIterator<Item = String>) -> String {
    let mut line = format!("{name:<34}");
    for cell in cells {
        line.push_str(&format!(" {cell:>34}"));
    }
    line
}

/// All regular `*.xml` files of a folder that are not hidden, by name.
fn xml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "xml") && path.is_file() {
            files.push(path);
        }
    }
    ensure!(
        !files.is_empty(),
        "{}: expected XML files in it, found none",
        folder.display()
    );
    files.sort();
    Ok(files)
}
