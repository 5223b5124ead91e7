//! Services that may be running though the history does not name them any more: see
//! [`crate::activity`].

use cpe_bus::records::rc;
use cpe_bus::{Error, Operation, OperationStatus, Result};

use super::log::log;
use super::{Engine, not_durable};
use crate::activity::{Left, LeftServices, active_services, cannot_tell, is_decisive, is_probe};
use crate::classes::OperationOutcome;

/// Services that are known so at most. A guest has far fewer.
const MAX_LEFT: usize = 1024;
/// What is known of them, at most, bytes: each has its parameters.
const MAX_LEFT_SIZE: usize = 4 << 20;

/// Why a probe counts as a failure.
const CANNOT_TELL: &str = "it may be running here since before, and its resource agent cannot tell";
/// Why another operation does.
const CANNOT_WORK: &str = "it may be running here, and its resource agent cannot work";
/// Why a resource agent counts as not installed.
const NOTHING_STARTED: &str =
    "nothing of it was started here, and its resource agent cannot work here";

impl Engine {
    /// The services that may be running and are this agent's to stop.
    pub(super) fn active(&self) -> Vec<&Operation> {
        active_services(&self.records, &self.left_behind)
    }

    /// Ends a resource's recurring and waiting operations and deletes its history; what runs goes
    /// on. That it may run stays known.
    ///
    /// # Errors
    /// If that cannot be recorded.
    pub(super) fn forget(&mut self, resource: &str) -> Result<()> {
        let active = self.active();
        let known = active.into_iter().find(|known| known.resource == resource);
        if let Some(operation) = known.cloned() {
            let mut left = self.left_behind.clone();
            let service = Left {
                operation: operation.without_configure(),
                released: false,
            };
            left.insert(resource.to_owned(), service);
            self.set_left(left)?;
        }
        self.forget_history(resource);
        Ok(())
    }

    /// What may be running when the deployment has ended is nobody's to stop from then on. None is
    /// dropped: a service that nobody knows of is started a second time.
    ///
    /// # Errors
    /// If it is too much, or cannot be recorded.
    pub(super) fn leave_behind(&mut self) -> Result<()> {
        let mut left = self.left_behind.clone();
        for operation in self.active() {
            let operation = operation.clone().without_configure();
            let resource = operation.resource.clone();
            let service = Left {
                operation,
                released: true,
            };
            left.insert(resource, service);
        }
        left.values_mut().for_each(|left| left.released = true);
        self.set_left(left)
    }

    fn set_left(&mut self, left: LeftServices) -> Result<()> {
        if left == self.left_behind {
            return Ok(());
        }
        // Less than before is never too much.
        let (size, before) = (size(&left), size(&self.left_behind));
        if (left.len() > MAX_LEFT || size > MAX_LEFT_SIZE) && size > before {
            return Err(Error::TooLarge(format!(
                "{} services may be running here that no deployment would know of, {size} bytes with their parameters; at most {MAX_LEFT} and {MAX_LEFT_SIZE} bytes can be kept: have services looked for or stopped first, or reboot this guest",
                left.len()
            )));
        }
        self.store.write_left(&left).map_err(not_durable)?;
        self.left_behind = left;
        Ok(())
    }

    /// The outcome of a probe, as its DPE may take it. A resource agent that cannot work says
    /// nothing about a service that may be running: that counts as a failure of what runs, and so
    /// does whatever was to be done to it, which has not happened. Where nothing of it was
    /// started in this boot, it is as one that is not installed: else a guest in which agents
    /// cannot work would be in the way of all others.
    pub(super) fn doubt(&self, call_id: u32, outcome: OperationOutcome) -> OperationOutcome {
        let record = self.records.get(&call_id);
        let Some(operation) = record.map(|record| &record.operation) else {
            return outcome;
        };
        if !cannot_tell(operation, outcome.status, outcome.rc) {
            return outcome;
        }
        let probe = is_probe(operation);
        let (code, text) = match outcome.rc {
            _ if !self.may_run(call_id, operation, &outcome) => match outcome.rc {
                rc::UNIMPLEMENTED | rc::PERM | rc::CONFIGURED if probe => {
                    (rc::INSTALLED, NOTHING_STARTED)
                }
                _ => return outcome,
            },
            _ if probe => (rc::GENERIC, CANNOT_TELL),
            _ => (rc::GENERIC, CANNOT_WORK),
        };
        let why = match outcome.exit_reason.as_str() {
            "" => format!("exit code {}", outcome.rc),
            reason => format!("exit code {}: {reason}", outcome.rc),
        };
        OperationOutcome {
            status: OperationStatus::Done,
            rc: code,
            exit_reason: format!("{text} ({why})"),
            ..outcome
        }
    }

    /// Whether the service of an operation may be running here, by what was before. One that a
    /// deployment has left may have another name now.
    fn may_run(&self, call_id: u32, operation: &Operation, outcome: &OperationOutcome) -> bool {
        let resource = &operation.resource;
        let mut before = self.records.clone();
        before.remove(&call_id);
        let active = active_services(&before, &self.left_behind);
        let agent = |of: &Operation| (of.class.clone(), of.provider.clone(), of.agent.clone());
        let absent = outcome.status == OperationStatus::NotInstalled || outcome.rc == rc::INSTALLED;
        let mut left = self.left_behind.values();
        self.incomplete
            || self.left_behind.contains_key(resource)
            || active.iter().any(|known| known.resource == *resource)
            || (absent
                && left.any(|left| left.released && agent(&left.operation) == agent(operation)))
    }

    /// Takes in what the end of an operation tells about what was left, and notes whether there may
    /// be services.
    pub(super) fn settle_left(&mut self, call_id: u32) {
        if let Some(record) = self.records.get(&call_id)
            && is_decisive(record)
            && self.left_behind.contains_key(&record.operation.resource)
        {
            let mut left = self.left_behind.clone();
            left.remove(&record.operation.resource);
            if let Err(error) = self.set_left(left) {
                log!(error, self.identity, "{error}");
            }
        }
        if self.noted {
            self.drop_note();
        }
    }

    /// Notes outside the state folder that there may be services that are this agent's to stop,
    /// before the first one starts.
    pub(super) fn note_services(&mut self) {
        if self.noted || self.active().is_empty() {
            return;
        }
        match self.store.note_services(Some(&self.identity.boot_id)) {
            Ok(()) => self.noted = true,
            Err(error) => log!(warn, self.identity, "{error:#}"),
        }
    }

    /// Takes that note back when there are none any more.
    pub(super) fn drop_note(&mut self) {
        if !self.active().is_empty() {
            return;
        }
        match self.store.note_services(None) {
            Ok(()) => self.noted = false,
            Err(error) => log!(warn, self.identity, "{error:#}"),
        }
    }
}

/// What it takes on disk, bytes.
fn size(left: &LeftServices) -> usize {
    serde_json::to_vec(left).map_or(usize::MAX, |bytes| bytes.len())
}
