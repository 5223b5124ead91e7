//! The program that is run before a service starts: in the environment and within the time of the
//! start, of whatever class the service is.

use std::path::Path;
use std::time::Duration;

use cpe_bus::fields::bounded;
use cpe_bus::records::{MAX_OUTPUT, MAX_REASON, rc};
use cpe_bus::{Configure, Operation, OperationStatus};
use cpe_daemon::Hidden;
use tokio::sync::oneshot;

use super::{Classes, OperationOutcome, kept};
use crate::process::Program;

/// How much of its last line stands for a reason that it does not give, in bytes.
const MAX_LINE: usize = 300;

impl Classes {
    /// Runs what is to be run before an operation; `script` is the file that has its content.
    ///
    /// # Errors
    /// The outcome of the operation, which does not begin: why it is not configured.
    pub async fn configure(
        &self,
        (operation, configure): (&Operation, &Configure),
        script: &Path,
        mark: String,
        timeout: Duration,
        cancel: &mut oneshot::Receiver<()>,
    ) -> Result<(), OperationOutcome> {
        let (path, arguments) = match configure {
            Configure::Path(path) => (path.as_str(), Vec::new()),
            Configure::Content { interpreter, .. } => {
                let mut words = interpreter.split_whitespace();
                let program = words.next().unwrap_or_default();
                let script = script.to_string_lossy().into_owned();
                let words = words.map(str::to_owned);
                (program, words.chain([script]).collect())
            }
        };
        let given = self.with_secrets(operation).await?;
        let program = Program {
            path: path.into(),
            arguments,
            environment: Vec::new(),
            mark,
            timeout,
            keep: kept(operation, MAX_OUTPUT),
            most: None,
            hidden: Hidden::default(),
        };
        let outcome = self.run_given(program, given, cancel).await;
        match (outcome.status, outcome.rc) {
            (OperationStatus::Done, 0) => Ok(()),
            (OperationStatus::Cancelled, _) => Err(outcome),
            _ => Err(failure(configure.name(), outcome)),
        }
    }
}

/// The outcome of a start whose configure executable has failed.
fn failure(name: &str, outcome: OperationOutcome) -> OperationOutcome {
    let why = match outcome.exit_reason.as_str() {
        "" => bounded(outcome.output.lines().last().unwrap_or_default(), MAX_LINE),
        reason => reason.to_owned(),
    };
    let (done, code) = (OperationStatus::Done, outcome.rc);
    let why = match (outcome.status == done, why.as_str()) {
        (true, "") => format!("exit code {code}"),
        (true, why) => format!("exit code {code}: {why}"),
        (false, why) => why.to_owned(),
    };
    let reason = format!("configure executable {name}: {why}");
    OperationOutcome {
        // Its codes are not those of resource agents.
        rc: if outcome.status == done {
            rc::GENERIC
        } else {
            code
        },
        exit_reason: bounded(&reason, MAX_REASON),
        ..outcome
    }
}
