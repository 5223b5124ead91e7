//! An operation with the values that only this guest has, and what of them its programs may not
//! say.

use std::sync::Arc;
use std::time::Duration;

use cpe_bus::{GuestSecret, Operation, SECRET_NAMES, names_secret};
use cpe_daemon::Hidden;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Classes, OperationOutcome, outcome};
use crate::process::{self, Program};

/// How long files are waited for: they may lie on a file system that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most files that are read at once, those that nobody waits for any more among them: each
/// takes a thread, for as long as its file system hangs.
pub(super) const MAX_READERS: usize = 16;

/// An operation as its programs get it.
pub(super) struct Given {
    /// With all its values.
    operation: Operation,
    hidden: Hidden,
}

impl Classes {
    /// The operation with all its values.
    ///
    /// What stops a service is not kept from it by a value that is gone: its agent gets what there
    /// is.
    ///
    /// # Errors
    /// The outcome of an operation that lacks one: "not installed", since another guest may have
    /// it.
    pub(super) async fn with_secrets(
        &self,
        operation: &Operation,
    ) -> Result<Given, OperationOutcome> {
        let mut operation = operation.clone();
        let end = Instant::now() + PATIENCE;
        let marked = operation.annotations.get(SECRET_NAMES).cloned();
        let marked = marked.unwrap_or_default();
        let mut secret: Vec<String> = Vec::new();
        for (name, value) in operation.parameters.clone() {
            let Some(place) = GuestSecret::of_value(&value) else {
                secret.extend(names_secret(&marked, &name).then_some(value));
                continue;
            };
            match self.read_secret(place, end).await {
                Ok(value) => {
                    secret.push(value.clone());
                    operation.parameters.insert(name, value);
                }
                Err(why) if goes_on_without(&operation.action) => {
                    tracing::warn!(
                        cpe_service = operation.resource,
                        "{} goes on without the parameter {name}: {why}",
                        operation.label()
                    );
                    operation.parameters.remove(&name);
                }
                Err(why) => {
                    let reason =
                        format!("the value of parameter {name} is not in this guest: {why}");
                    return Err(OperationOutcome::not_installed(reason));
                }
            }
        }
        let hidden = Hidden::new(secret.iter().map(String::as_str));
        Ok(Given { operation, hidden })
    }

    /// Runs a program for an operation, in the environment of an OCF agent. Its agent is asked
    /// beside that what it says of its parameters: the first start must not wait for it.
    pub(super) async fn run_given(
        &self,
        program: Program,
        given: Given,
        cancel: &mut oneshot::Receiver<()>,
    ) -> OperationOutcome {
        let operation = &given.operation;
        let program = Program {
            environment: self.ocf_environment(operation, program.timeout),
            hidden: given.hidden,
            ..program
        };
        let (finished, described) =
            tokio::join!(process::run(&program, cancel), self.described(operation));
        let private = described.private.iter();
        let private = private.filter_map(|name| operation.parameters.get(name));
        let private = Hidden::new(private.map(String::as_str));
        let finished = finished.map(|finished| finished.without(&private));
        OperationOutcome {
            force_restart: described.force_restart,
            private: described.private,
            ..outcome(&program, finished, |code| code)
        }
    }

    /// Reads a value, on a thread of its own: the engine must not wait for a disk, nor the end of
    /// this process.
    async fn read_secret(&self, place: GuestSecret, end: Instant) -> Result<String, String> {
        let (credentials, name) = (self.credentials.clone(), place.to_string());
        let read = async {
            let turn = Arc::clone(&self.reading).acquire_owned().await;
            let turn = turn.map_err(|error| format!("{name} cannot be read: {error}"))?;
            let (told, answer) = oneshot::channel();
            let thread = std::thread::Builder::new().name("secret".to_owned());
            let begun = thread.spawn(move || {
                let _turn = turn;
                let _ = told.send(credentials.read(&place));
            });
            begun.map_err(|error| format!("{name} cannot be read: {error}"))?;
            let read = answer.await;
            read.unwrap_or_else(|_| Err(format!("{name} cannot be read")))
        };
        let late = || {
            let seconds = PATIENCE.as_secs();
            Err(format!("{name} cannot be read within {seconds} s"))
        };
        let read = tokio::time::timeout_at(end, read).await;
        read.unwrap_or_else(|_| late())
    }
}

/// Whether an action is better done without a value than not at all.
fn goes_on_without(action: &str) -> bool {
    matches!(action, "stop" | "demote" | "notify")
}
