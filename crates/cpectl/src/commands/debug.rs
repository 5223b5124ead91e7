//! `cpectl debug`: a resource agent is had to do something once, and all that it said is shown.

use std::time::{Duration, Instant};

use cpe_bus::proxies::CpeDeploymentProxy;
use cpe_bus::{Error, json};
use cpe_status::{DebugReport, DebugState, Said};
use cpe_terminal::Line;

use crate::client::Client;
use crate::failure::{Failure, Kind, of_change};
use crate::options::{Debug, What, Where};
use crate::output::{FAINT, Output};

/// How often it is asked how far it is, at first.
const PAUSE: Duration = Duration::from_millis(100);
/// And at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a DPE that does not answer is waited for: a new one is there after some seconds, and
/// knows after some more what the guests say.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn run(
    client: &Client,
    arguments: &Debug,
    output: &Output,
) -> Result<(), Failure> {
    let (verb, at) = match &arguments.what {
        What::Monitor(at) => ("monitor", at),
        What::Start(at) => ("start", at),
        What::Stop(at) => ("stop", at),
    };
    let Where {
        name,
        service,
        assembly,
    } = at;
    let deployment = client.deployment(name).await?;
    let begun = deployment.debug(verb, service, assembly).await;
    let begun = begun.map_err(of_change)?;
    let begun: DebugReport = json::from_json(&begun)?;
    if !output.json {
        output.line(format!(
            "{verb} of {} on {assembly}: {}, at most {}",
            begun.service,
            begun.agent,
            shown(u64::from(begun.timeout_ms))
        ));
    }
    let report = followed(&deployment, begun).await?;
    match output.json {
        true => output.json(&report)?,
        false => print(&report, output),
    }
    judged(&report)
}

/// What is known when it is over.
async fn followed(
    deployment: &CpeDeploymentProxy<'_>,
    mut report: DebugReport,
) -> Result<DebugReport, Failure> {
    let (mut heard, mut pause) = (Instant::now(), PAUSE);
    while matches!(report.state, DebugState::Running | DebugState::Looking) {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match deployment.get_debug(&report.id).await {
            Ok(text) => {
                let before = std::mem::take(&mut report.before);
                report = json::from_json(&text)?;
                // Another DPE does not know that.
                if report.before.is_empty() {
                    report.before = before;
                }
                heard = Instant::now();
            }
            Err(error) if error.is_temporary() && heard.elapsed() < PATIENCE => {}
            Err(error) => return Err(lost(&report, &error)),
        }
    }
    Ok(report)
}

/// The DPE that has had it begun cannot tell any more.
fn lost(report: &DebugReport, error: &Error) -> Failure {
    let DebugReport {
        verb,
        service,
        assembly,
        deployment,
        ..
    } = report;
    let again = match verb.as_str() {
        "monitor" => "nothing is changed by it".to_owned(),
        _ => format!(
            "the engine looks again where its agent tells of it; cpectl debug monitor {deployment} {service} --on {assembly} says how it is"
        ),
    };
    Failure::new(
        Kind::Unknown,
        format!(
            "what became of {verb} of {service} on {assembly} is unknown ({}): {again}",
            error.message()
        ),
    )
}

fn print(report: &DebugReport, output: &Output) {
    let took = match report.took_ms {
        Some(took_ms) => format!(" after {}", shown(u64::from(took_ms))),
        None => String::new(),
    };
    match (report.state, report.rc) {
        (DebugState::NotRun, _) => output.line("it was not run"),
        (DebugState::Lost, _) => output.line("what became of it is unknown"),
        (_, Some(rc)) => output.line(format!("exit code {rc} ({}){took}", report.meaning)),
        (_, None) => output.line(format!("{}{took}", report.meaning)),
    }
    if !report.reason.is_empty() {
        output.line(format!("reason: {}", report.reason));
    }
    match &report.said {
        Some(said) => print_said(said, output),
        None if report.output.is_empty() => {}
        None => {
            output.line("the end of what it wrote, as far as its guest kept it:");
            print_text(&report.output, output);
        }
    }
    output.line(engine(report));
}

fn print_said(said: &Said, output: &Output) {
    for (name, text, cut) in [
        ("stdout", &said.out, said.out_cut),
        ("stderr", &said.err, said.err_cut),
    ] {
        match (text.is_empty(), cut) {
            (true, _) => output.line(format!("{name}: nothing")),
            (false, 0) => output.line(format!("{name}:")),
            (false, cut) => {
                output.line(format!(
                    "{name} (its end: {cut} bytes before that were not kept):"
                ));
            }
        }
        print_text(text, output);
    }
}

fn print_text(text: &str, output: &Output) {
    for line in text.lines() {
        output.line(Line::new().styled("  ", FAINT).plain(line));
    }
}

/// What the engine believes.
fn engine(report: &DebugReport) -> String {
    let DebugReport {
        service,
        assembly,
        before,
        belief,
        remark,
        ..
    } = report;
    let now = match belief.as_str() {
        "unknown" => format!("it is not known whether {service} runs on {assembly}"),
        belief => format!("{service} is {belief} on {assembly}"),
    };
    match (report.state, report.verb.as_str()) {
        (DebugState::NotRun | DebugState::Lost, _) => remark.clone(),
        (_, "monitor") => format!("{remark} (it believes: {now})"),
        _ if before == belief => format!("{remark}: it believes as before: {now}"),
        _ => format!("{remark}: it believes now: {now} (before: {before})"),
    }
}

/// Whether it went well.
fn judged(report: &DebugReport) -> Result<(), Failure> {
    let DebugReport {
        verb,
        service,
        assembly,
        ..
    } = report;
    let what = format!("{verb} of {service} on {assembly}");
    let well = match verb.as_str() {
        "monitor" => matches!(report.rc, Some(0 | 7 | 8 | 190 | 191)),
        _ => report.rc == Some(0),
    };
    match report.state {
        DebugState::NotRun => Err(Failure::new(
            Kind::Unreachable,
            format!("{what} was not run: {}", report.remark),
        )),
        DebugState::Lost => Err(Failure::new(
            Kind::Unknown,
            format!("what became of {what} is unknown: {}", report.remark),
        )),
        _ if well => Ok(()),
        _ => Err(Failure::failed(format!(
            "{what} failed: {}",
            report.meaning
        ))),
    }
}

fn shown(ms: u64) -> String {
    match (ms / 1000, ms % 1000) {
        (0, ms) => format!("{ms} ms"),
        (seconds, 0) => format!("{seconds} s"),
        (seconds, ms) => format!("{seconds}.{ms:03} s"),
    }
}
