//! Resource classes: how one operation is carried out, and what its outcome means in OCF's terms.
//!
//! Every class takes an [`Operation`] and gives an [`OperationOutcome`]; nothing else of the agent
//! knows how a class works.

mod configure;
pub mod list;
pub mod lsb;
pub mod metadata;
pub mod ocf;
mod reload;
mod secrets;
mod service;
pub mod systemd;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::records::{MAX_OUTPUT, MAX_REASON, MAX_SAID, exit_reason, rc};
use cpe_bus::{BusSelection, Operation, OperationStatus, ResourceClass, Said};
use tokio::sync::{Semaphore, oneshot};

use self::systemd::Systemd;
use crate::process::{self, End, Finished, Program};
use crate::secrets::Credentials;

/// Timeout of operations that come without one.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// Search path of resource agents and init scripts.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the classes find their agents.
#[derive(Debug)]
pub struct Classes {
    /// OCF_ROOT.
    pub resource_agents: PathBuf,
    /// HA_RSCTMP.
    pub resource_tmp: PathBuf,
    /// Init scripts.
    pub init_scripts: PathBuf,
    /// Where the tools for node attributes find this agent.
    pub state_dir: PathBuf,
    /// The guest's service manager.
    pub systemd: Systemd,
    known: reload::Known,
    /// Values that only this guest has.
    credentials: Credentials,
    /// Held by who reads one of them.
    reading: Arc<Semaphore>,
    /// Held by who looks into the folders of agents.
    looking: Arc<Semaphore>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationOutcome {
    /// Whether the agent ran to its end.
    pub status: OperationStatus,
    /// OCF exit code.
    pub rc: i32,
    /// Why, where that is known.
    pub exit_reason: String,
    /// The end of the agent's output.
    pub output: String,
    /// All that it wrote, as far as that was kept. `None`: it is no program.
    pub said: Option<Said>,
    /// The parameters whose change needs a restart; `None`: all of them. See `reload.rs`.
    pub force_restart: Option<String>,
    /// The parameters that the agent calls private.
    pub private: Vec<String>,
}

impl OperationOutcome {
    /// The agent ran to its end.
    pub fn done(rc: i32) -> Self {
        OperationOutcome {
            status: OperationStatus::Done,
            rc,
            exit_reason: String::new(),
            output: String::new(),
            said: None,
            force_restart: None,
            private: Vec::new(),
        }
    }

    /// The agent did not run to its end.
    pub fn failed(status: OperationStatus, rc: i32, reason: impl Into<String>) -> Self {
        OperationOutcome {
            status,
            rc,
            exit_reason: reason.into(),
            output: String::new(),
            said: None,
            force_restart: None,
            private: Vec::new(),
        }
    }

    /// The resource agent does not exist here.
    pub fn not_installed(reason: impl Into<String>) -> Self {
        OperationOutcome::failed(OperationStatus::NotInstalled, rc::INSTALLED, reason)
    }

    /// The class does not have this action.
    pub fn not_supported(operation: &Operation) -> Self {
        OperationOutcome::failed(
            OperationStatus::NotSupported,
            rc::UNIMPLEMENTED,
            format!(
                "resources of class {} have no action `{}`",
                operation.class, operation.action
            ),
        )
    }

    /// It took too long.
    pub fn timed_out(timeout: Duration) -> Self {
        OperationOutcome::failed(
            OperationStatus::Timeout,
            rc::GENERIC,
            format!(
                "did not end within {} ms and was killed",
                timeout.as_millis()
            ),
        )
    }

    /// It was killed because it is no longer wanted.
    pub fn cancelled() -> Self {
        OperationOutcome::failed(
            OperationStatus::Cancelled,
            rc::UNKNOWN,
            "was cancelled while it ran",
        )
    }
}

impl Classes {
    /// Classes with the usual folders, and a connection to the guest's systemd that is made when it
    /// is needed.
    pub fn new(
        resource_agents: PathBuf,
        resource_tmp: PathBuf,
        init_scripts: PathBuf,
        state_dir: PathBuf,
        bus: BusSelection,
    ) -> Self {
        Classes {
            resource_agents,
            resource_tmp,
            init_scripts,
            state_dir,
            systemd: Systemd::new(bus),
            known: reload::Known::default(),
            credentials: Credentials::of_this_unit(),
            reading: Arc::new(Semaphore::new(secrets::MAX_READERS)),
            looking: Arc::new(Semaphore::new(1)),
        }
    }

    /// Carries an operation out. Never fails: whatever goes wrong is the outcome.
    pub async fn run(
        &self,
        operation: &Operation,
        mark: String,
        mut cancel: oneshot::Receiver<()>,
    ) -> OperationOutcome {
        let timeout = match operation.timeout_ms {
            0 => DEFAULT_TIMEOUT,
            ms => Duration::from_millis(u64::from(ms)),
        };
        match operation.class.parse() {
            Ok(ResourceClass::Ocf) => self.run_ocf(operation, mark, timeout, cancel).await,
            Ok(ResourceClass::Lsb) => self.run_lsb(operation, mark, timeout, &mut cancel).await,
            Ok(ResourceClass::Systemd) => self.systemd.run(operation, timeout, &mut cancel).await,
            Ok(ResourceClass::Service) => {
                self.run_service(operation, mark, timeout, &mut cancel)
                    .await
            }
            Err(error) => OperationOutcome::failed(
                OperationStatus::NotSupported,
                rc::UNIMPLEMENTED,
                error.message(),
            ),
        }
    }
}

/// Runs a program and reads its outcome: `code` maps its exit code to OCF's.
async fn run_program(
    program: Program,
    cancel: &mut oneshot::Receiver<()>,
    code: impl Fn(i32) -> i32,
) -> OperationOutcome {
    let finished = process::run(&program, cancel).await;
    outcome(&program, finished, code)
}

/// The outcome of a program that ran, or could not.
fn outcome(
    program: &Program,
    finished: std::io::Result<Finished>,
    code: impl Fn(i32) -> i32,
) -> OperationOutcome {
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => {
            let reason = format!("{} cannot be executed: {error}", program.path.display());
            return match error.kind() {
                std::io::ErrorKind::NotFound => OperationOutcome::not_installed(reason),
                std::io::ErrorKind::PermissionDenied => {
                    OperationOutcome::failed(OperationStatus::ErrorHard, rc::PERM, reason)
                }
                _ => OperationOutcome::failed(OperationStatus::Error, rc::GENERIC, reason),
            };
        }
    };
    let mut outcome = match finished.end {
        End::Exited(exit) => OperationOutcome::done(code(exit)),
        End::Signalled(signal) => OperationOutcome::failed(
            OperationStatus::Error,
            rc::GENERIC,
            format!("died of signal {signal}"),
        ),
        // Operations have no such limit.
        End::TimedOut | End::Flooded => OperationOutcome::timed_out(program.timeout),
        End::Cancelled => OperationOutcome::cancelled(),
    };
    if let Some(reason) = exit_reason(&finished.stderr) {
        outcome.exit_reason = cpe_bus::fields::bounded(&reason, MAX_REASON);
    }
    outcome.output = join_output(&finished.stdout, &finished.stderr);
    let (out, out_cut) = end_of(&finished.stdout);
    let (err, err_cut) = end_of(&finished.stderr);
    outcome.said = Some(Said {
        out,
        err,
        out_cut: out_cut + finished.left_out[0],
        err_cut: err_cut + finished.left_out[1],
    });
    outcome
}

/// The end of a text, fit for the bus, and how many bytes were before that.
fn end_of(text: &str) -> (String, u64) {
    let text = text.replace('\0', "\u{fffd}");
    let mut start = text.len().saturating_sub(MAX_SAID);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    (text[start..].to_owned(), start as u64)
}

/// How much of each stream is kept of an operation; `least`: in any case.
fn kept(operation: &Operation, least: usize) -> usize {
    match operation.verbose {
        true => MAX_SAID,
        false => least,
    }
}

/// Standard output, then standard error, both bounded so that neither hides the other.
fn join_output(stdout: &str, stderr: &str) -> String {
    let tail = |text: &str| {
        let mut start = text.len().saturating_sub(MAX_OUTPUT / 2 - 1);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        text[start..].trim_end().to_owned()
    };
    match (tail(stdout), tail(stderr)) {
        (out, err) if err.is_empty() => out,
        (out, err) if out.is_empty() => err,
        (out, err) => format!("{out}\n{err}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_end_of_both_outputs_within_the_bound() {
        let output = join_output(
            &"ä".repeat(10_000),
            &format!("{}the end\n", "x".repeat(10_000)),
        );
        assert!(
            output.len() <= MAX_OUTPUT && output.starts_with('ä') && output.ends_with("the end")
        );
        assert_eq!(join_output("out\n", ""), "out");
        let (end, cut) = end_of(&format!("{}\0", "ä".repeat(MAX_SAID)));
        assert!(end.len() <= MAX_SAID && end.ends_with("ä\u{fffd}"));
        assert_eq!(cut as usize + end.len(), 2 * MAX_SAID + 3);
    }
}
