//! Class `service`: a unit of the guest's systemd, or an init script where there is no unit.
//!
//! There may be both of one name, and not at all times: systemd makes a unit of an init script when
//! it reads its files again. What was started before by the script is nothing that the unit knows.
//! So a service is down only if neither of them shows that it runs, and a stop is done by both.

use std::time::{Duration, Instant};

use cpe_bus::records::rc;
use cpe_bus::{Operation, OperationStatus};
use tokio::sync::oneshot;

use super::{Classes, OperationOutcome, lsb};

impl Classes {
    pub(super) async fn run_service(
        &self,
        operation: &Operation,
        mark: String,
        timeout: Duration,
        cancel: &mut oneshot::Receiver<()>,
    ) -> OperationOutcome {
        let began = Instant::now();
        let asked = self.systemd.has_unit(&operation.agent);
        let has_unit = match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(has_unit)) => has_unit,
            Ok(Err(error)) => {
                let reason = format!(
                    "systemd cannot be asked whether it has a unit named {}: {error}",
                    operation.agent
                );
                return OperationOutcome::failed(OperationStatus::Error, rc::GENERIC, reason);
            }
            Err(_) => return OperationOutcome::timed_out(timeout),
        };
        let has_script = lsb::script(self, &operation.agent).is_some();
        match (has_unit, has_script) {
            (true, false) => self.systemd.run(operation, timeout, cancel).await,
            // Only where systemd says that it has no such unit. What its unit has started is
            // nothing that the script knows: its stop would find nothing to stop.
            (false, true) => self.run_lsb(operation, mark, timeout, cancel).await,
            (false, false) => OperationOutcome::not_installed(format!(
                "there is neither a systemd unit nor an init script named {}",
                operation.agent
            )),
            (true, true) => {
                let by_unit = self.systemd.run(operation, timeout, cancel).await;
                let script = ByScript {
                    classes: self,
                    operation,
                    mark,
                    until: began + timeout,
                };
                match operation.action.as_str() {
                    "monitor" | "status" if is(&by_unit, rc::NOT_RUNNING) => {
                        let found = script.run("status", cancel).await;
                        match is(&found, rc::NOT_RUNNING) {
                            true => by_unit,
                            false => found,
                        }
                    }
                    "stop" if is(&by_unit, rc::OK) => script.stop(by_unit, cancel).await,
                    _ => by_unit,
                }
            }
        }
    }
}

/// Whether an operation ran to its end with that code.
fn is(outcome: &OperationOutcome, code: i32) -> bool {
    (outcome.status, outcome.rc) == (OperationStatus::Done, code)
}

/// The init script beside a unit.
struct ByScript<'a> {
    classes: &'a Classes,
    operation: &'a Operation,
    mark: String,
    until: Instant,
}

impl ByScript<'_> {
    async fn run(&self, action: &str, cancel: &mut oneshot::Receiver<()>) -> OperationOutcome {
        let operation = Operation {
            action: action.to_owned(),
            ..self.operation.clone()
        };
        let left = self.until.saturating_duration_since(Instant::now());
        let mark = self.mark.clone();
        self.classes.run_lsb(&operation, mark, left, cancel).await
    }

    /// Stops what the unit has not started. A script that says that nothing runs is not asked to
    /// stop it: many find processes by their names, and could take down those of another service.
    async fn stop(
        &self,
        by_unit: OperationOutcome,
        cancel: &mut oneshot::Receiver<()>,
    ) -> OperationOutcome {
        if is(&self.run("status", cancel).await, rc::NOT_RUNNING) {
            return by_unit;
        }
        let stopped = self.run("stop", cancel).await;
        if !is(&stopped, rc::OK) || !is(&self.run("status", cancel).await, rc::OK) {
            return stopped;
        }
        let name = &self.operation.agent;
        OperationOutcome {
            exit_reason: format!(
                "unit and init script {name} were stopped, and the script says that it still runs"
            ),
            ..OperationOutcome::done(rc::GENERIC)
        }
    }
}
