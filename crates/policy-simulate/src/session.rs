//! One run: load, inject, schedule, execute, and report (scheduler-spec/06 §B.2).

use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use policy_engine::explain::{self, Detail, Question, Terms};
use policy_engine::output::dot;
use policy_engine::{Cib, Cluster, Level, RunOptions, Schedule, Zone, graph, simulation};

use crate::arguments::{Arguments, Explain};
use crate::failure::{Failure, INVALID_TRANSITION};
use crate::report::{self, Report, StatusKind};
use crate::{Streams, drawing, input};

/// The clock: epoch seconds.
pub(crate) fn real_time() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| {
        elapsed.as_secs().try_into().unwrap_or(i64::MAX)
    })
}

/// The time that the scheduler uses, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EffectiveTime {
    /// Epoch seconds.
    pub now: i64,
    /// The zone of the input.
    pub zone: Zone,
    /// The offset from UTC that the user gave, in seconds to the east.
    pub utc_offset_s: Option<i64>,
    /// The line that names its source, if it is not the current time.
    pub remark: Option<String>,
}

impl EffectiveTime {
    /// The options of a run at this time.
    pub(crate) fn at(&self, options: RunOptions) -> RunOptions {
        RunOptions {
            zone: self.zone.clone(),
            utc_offset_s: self.utc_offset_s,
            ..options
        }
    }
}

/// The rules of a time zone.
fn known(name: &str) -> Option<Zone> {
    jiff::tz::TimeZone::get(name).ok().map(Zone::from)
}

/// The time given by the user, else the time of the input, else the clock.
pub(crate) fn effective_time(given: Option<&str>, cib: &Cib) -> Result<EffectiveTime, Failure> {
    let zone = cib.zone(known).map_err(Failure::usage)?;
    if let Some(text) = given {
        let time = policy_engine::parse_clock_time(text, real_time(), &zone);
        let time = time.ok_or_else(|| {
            Failure::usage(format!(
                "--set-datetime: expected an ISO 8601 date and time such as 2026-01-31T12:30:00Z, found \"{text}\""
            ))
        })?;
        return Ok(EffectiveTime {
            now: time.instant,
            zone,
            utc_offset_s: time.names_offset.then_some(time.utc_offset_s),
            remark: Some(format!("Setting effective cluster time: {text}")),
        });
    }
    let original = cib.execution_date().and_then(|now| {
        let date = jiff::Timestamp::from_second(now).ok()?;
        let date = date.strftime("%Y-%m-%d %H:%M:%SZ");
        Some((now, format!("Using the original execution date of: {date}")))
    });
    let (now, remark) = match original {
        Some((now, remark)) => (now, Some(remark)),
        None => (real_time(), None),
    };
    Ok(EffectiveTime {
        now,
        zone,
        utc_offset_s: None,
        remark,
    })
}

/// Does what the arguments ask for. Returns the exit status.
pub(crate) fn run(arguments: &Arguments, streams: &mut Streams<'_>) -> Result<i32, Failure> {
    let source = arguments.source.file();
    let verbose = arguments.output.verbose > 0;
    let mut cib = input::read(&arguments.source, verbose, streams)?;
    let mut report = report::open(arguments, streams)?;
    if verbose {
        for it in policy_engine::misread(cib.document()) {
            let place = format!("line {}, column {}", it.line, it.column);
            report.warn(&format!("warning: {place}: {}", it.text));
        }
    }
    let session = Session {
        arguments,
        options: RunOptions {
            scores: arguments.operations.show_scores,
            utilization: arguments.operations.show_utilization,
            explain: false,
            sanitized: true,
            ..RunOptions::default()
        },
    };
    let code = session.run(&mut cib, report.as_mut(), source)?;
    report.finish(code)?;
    // The caller ends the process: freeing the tree would only cost time.
    std::mem::forget(cib);
    Ok(code)
}

/// Explains a resource, a node or the whole.
pub(crate) fn explain(arguments: &Explain, streams: &mut Streams<'_>) -> Result<i32, Failure> {
    let mut cib = input::read(&arguments.source, false, streams)?;
    let given = arguments.events.set_datetime.as_deref();
    let options = RunOptions {
        explain: true,
        sanitized: true,
        ..RunOptions::default()
    };
    let injections = arguments.events.injections();
    if !injections.is_empty() {
        let now = effective_time(given, &cib)?.now;
        let cluster = policy_engine::load(&cib, now, RunOptions::default());
        let injected = simulation::inject(&mut cib, &cluster, &injections, real_time());
        injected
            .problems
            .iter()
            .for_each(|problem| streams.warn(problem));
    }
    let time = effective_time(given, &cib)?;
    let schedule = policy_engine::schedule(&cib, time.now, time.at(options));
    let question = Question {
        resource: arguments.resource.as_deref(),
        node: arguments.of_node.as_deref().or(arguments.node.as_deref()),
    };
    let told = explain::answer(&schedule, question, &Terms::CLUSTER)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let text = match (arguments.json, arguments.scores) {
        (true, _) => explain::to_json(&told) + "\n",
        (false, true) => explain::to_text(&told, Detail::Scores),
        (false, false) => explain::to_text(&told, Detail::Reasons),
    };
    streams
        .out
        .write_all(text.as_bytes())
        .map_err(Failure::output)?;
    Ok(0)
}

struct Session<'a> {
    arguments: &'a Arguments,
    options: RunOptions,
}

impl Session<'_> {
    fn run(
        &self,
        cib: &mut Cib,
        report: &mut dyn Report,
        source: Option<&Path>,
    ) -> Result<i32, Failure> {
        let arguments = self.arguments;
        let mut cluster = self.load(cib, report)?;
        report.status(StatusKind::Current, &cluster)?;

        let injections = arguments.events.injections();
        if !injections.is_empty() {
            let injected = simulation::inject(cib, &cluster, &injections, real_time());
            report.injections(&injected)?;
            cluster = self.load(cib, report)?;
        }
        if let Some(path) = &arguments.artifacts.save_input {
            save(path, &cib.to_xml())?;
        }
        let mut code = 0;
        if arguments.schedules() {
            let schedule = policy_engine::schedule_loaded(cluster);
            self.report_decision(&schedule, report)?;
            self.save_graph(&schedule)?;
            report.changes(&schedule.summary)?;
            if arguments.simulates() {
                code = self.execute(cib, &schedule, report)?;
            }
            std::mem::forget(schedule);
        } else {
            std::mem::forget(cluster);
        }
        let artifacts = &arguments.artifacts;
        let in_place = source.filter(|_| arguments.operations.in_place);
        for path in in_place.into_iter().chain(artifacts.save_output.as_deref()) {
            save(path, &cib.to_xml())?;
        }
        Ok(code)
    }

    /// Loads the CIB at the effective time.
    fn load(&self, cib: &Cib, report: &mut dyn Report) -> Result<Cluster, Failure> {
        let given = self.arguments.events.set_datetime.as_deref();
        let time = effective_time(given, cib)?;
        if let Some(remark) = &time.remark {
            report.info(remark)?;
        }
        Ok(policy_engine::load(
            cib,
            time.now,
            time.at(self.options.clone()),
        ))
    }

    /// Reports the scores, and the scheduler's messages about the configuration.
    fn report_decision(&self, schedule: &Schedule, report: &mut dyn Report) -> Result<(), Failure> {
        let cluster = &schedule.cluster;
        if self.arguments.output.verbose > 0 {
            for message in &cluster.messages {
                let level = match message.level {
                    Level::State if self.arguments.output.verbose == 1 => continue,
                    Level::State | Level::Warning => "warning",
                    Level::Error => "error",
                    Level::Critical => "crit",
                };
                report.warn(&format!("{level}: {}", message.text));
            }
        }
        if self.options.scores || self.options.utilization {
            report.scores(cluster)?;
        }
        Ok(())
    }

    fn save_graph(&self, schedule: &Schedule) -> Result<(), Failure> {
        let artifacts = &self.arguments.artifacts;
        if let Some(path) = &artifacts.save_graph {
            save(path, &graph::write(&schedule.graph))?;
        }
        if artifacts.save_dotfile.is_none() && artifacts.save_svg.is_none() {
            return Ok(());
        }
        let ids = self.arguments.output.verbose > 0;
        let dot = dot::write(&schedule.cluster, artifacts.all_actions, ids);
        if let Some(path) = &artifacts.save_dotfile {
            save(path, &dot)?;
        }
        if let Some(path) = &artifacts.save_svg {
            drawing::save_svg(&dot, path)?;
        }
        Ok(())
    }

    /// Executes the graph virtually, and shows the state after it.
    fn execute(
        &self,
        cib: &mut Cib,
        schedule: &Schedule,
        report: &mut dyn Report,
    ) -> Result<i32, Failure> {
        let failures = &self.arguments.events.op_fail;
        let (cluster, graph) = (&schedule.cluster, &schedule.graph);
        let execution = simulation::execute(cib, cluster, graph, failures, real_time());
        report.execution(&execution)?;
        if !execution.complete {
            report.warn("Transition failed: terminated");
            report.warn("An invalid transition was produced");
        }
        // In quiet mode the state after it is not shown.
        if !self.arguments.output.quiet {
            let revised = self.load(cib, report)?;
            report.status(StatusKind::Revised, &revised)?;
            std::mem::forget(revised);
        }
        Ok(if execution.complete {
            0
        } else {
            INVALID_TRANSITION
        })
    }
}

/// Writes a file whole or not at all: first beside it, then renamed. A device or a pipe is written
/// directly.
fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| Failure::file(path, &error);
    if std::fs::symlink_metadata(path).is_ok_and(|existing| !existing.is_file()) {
        return std::fs::write(path, text).map_err(failed);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    std::fs::write(&beside, text).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}
