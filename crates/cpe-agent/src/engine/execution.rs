//! Queues, recurring operations, results.
//!
//! A resource has one lane: one operation runs, the others wait in order. A recurring operation
//! stands in the lane like any other when its time has come; while it waits for that, its record
//! shows its last result.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::{Operation, OperationRecord, OperationState, OperationStatus, name_secrets};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Engine;
use super::delay::is_overtaken;
use super::log::log;
use super::stopping::Phase;
use crate::activity::is_look_by_hand;
use crate::classes::OperationOutcome;
use crate::clock::{boottime_us, wall_us};
use crate::store::Identity;

/// Annotation that this agent adds to what it ran: see the bus interface.
const FORCE_RESTART: &str = "op-force-restart";

/// One resource's operations.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// What runs.
    pub running: Option<Running>,
    /// What waits, and since when. Bounded by the history: a request waits once, and no more than
    /// `MAX_UNFINISHED` are accepted; a recurring operation has one turn at a time.
    pub queue: VecDeque<(u32, Instant)>,
}

/// An operation that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub call_id: u32,
    cancel: Option<oneshot::Sender<()>>,
}

/// The end of an operation, from its task.
#[derive(Debug)]
pub(super) struct Completion {
    call_id: u32,
    resource: String,
    outcome: OperationOutcome,
    elapsed: Duration,
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.queue.len() + usize::from(self.running.is_some())
    }
}

impl Running {
    /// Kills it; its completion follows.
    pub(super) fn interrupt(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            let _ = cancel.send(());
        }
    }
}

impl Engine {
    /// Makes an operation durable; it waits to be enqueued. `not_before_us`: the end of its start
    /// delay, µs of CLOCK_BOOTTIME; 0: it has none.
    pub(super) fn accept(
        &mut self,
        operation: Operation,
        not_before_us: u64,
    ) -> anyhow::Result<u32> {
        let call_id = self
            .store
            .take_call_id(&mut self.next_call_id, &mut self.identity)?;
        let record = OperationRecord {
            not_before_us,
            ..pending(operation, call_id)
        };
        self.store.write_record(&record)?;
        self.take_in(record);
        Ok(call_id)
    }

    /// The same for a stop that the agent has decided, which must not fail because it cannot be
    /// recorded: the record is for the next process, the stop is for the service.
    pub(super) fn accept_stop(&mut self, operation: Operation) -> u32 {
        let taken = self
            .store
            .take_call_id(&mut self.next_call_id, &mut self.identity);
        let call_id = taken.unwrap_or_else(|error| {
            log!(
                warn,
                self.identity,
                "a call id cannot be recorded: {error:#}"
            );
            let call_id = self.next_call_id;
            self.next_call_id = call_id.saturating_add(1);
            call_id
        });
        self.take_in(pending(operation, call_id));
        self.keep(call_id);
        call_id
    }

    /// Puts a new record into the history, and ends what it makes obsolete: monitors, and what
    /// waits for its start delay.
    fn take_in(&mut self, record: OperationRecord) {
        let call_id = record.call_id;
        let operation = &record.operation;
        // What is watched is about to change, or to be watched by another monitor.
        let obsolete: Vec<u32> = self
            .records
            .values()
            .filter(|other| other.operation.resource == operation.resource)
            .filter(|other| match other.operation.interval_ms {
                0 => is_overtaken(other, operation),
                _ => ends_monitors(&operation.action) || is_same(&other.operation, operation),
            })
            .map(|other| other.call_id)
            .collect();
        self.records.insert(call_id, record);
        for other in obsolete {
            self.interrupt(other);
            self.cancel_record(other);
        }
    }

    /// Puts an operation into its resource's lane.
    pub(super) fn enqueue(&mut self, call_id: u32) {
        let Some(record) = self.records.get(&call_id) else {
            return;
        };
        let resource = record.operation.resource.clone();
        self.lanes
            .entry(resource.clone())
            .or_default()
            .queue
            .push_back((call_id, Instant::now()));
        self.start_next(&resource);
    }

    pub(super) fn start_all(&mut self) {
        let resources: Vec<String> = self.lanes.keys().cloned().collect();
        for resource in resources {
            self.start_next(&resource);
        }
    }

    /// Starts what waits first, if nothing runs.
    fn start_next(&mut self, resource: &str) {
        // The timer will fire: after the end of the lease only the stops begin that it demands.
        let ending = self.terminating.is_some() && self.leaving.is_none();
        let halted = ending || self.lease.has_ended(boottime_us());
        if matches!(self.phase, Phase::Serving) && halted {
            return;
        }
        let Some(lane) = self.lanes.get_mut(resource) else {
            return;
        };
        if lane.running.is_some() {
            return;
        }
        let next = std::iter::from_fn(|| lane.queue.pop_front())
            .find(|(id, _)| self.records.contains_key(id));
        let Some((call_id, since)) = next else {
            self.lanes.remove(resource);
            return;
        };
        let (sender, cancel) = oneshot::channel();
        lane.running = Some(Running {
            call_id,
            cancel: Some(sender),
        });
        let mark = self.mark(call_id);
        let Some(record) = self.records.get_mut(&call_id) else {
            return;
        };
        record.last_run = wall_us();
        record.queue_ms = millis(since.elapsed());
        if record.state == OperationState::Pending {
            // On disk before its first process exists: an agent that comes after this one knows
            // that it may have begun.
            record.started = record.last_run;
            self.keep(call_id);
            self.note_services();
        }
        let Some(record) = self.records.get(&call_id) else {
            return;
        };
        let operation = &record.operation;
        log!(
            debug,
            self.identity,
            cpe_service = operation.resource,
            operation = operation.label(),
            call_id,
            "begins"
        );
        let operation = operation.clone();
        let classes = Arc::clone(&self.classes);
        let configured = Arc::clone(&self.configured);
        let completed = self.completed.clone();
        let resource = resource.to_owned();
        tokio::spawn(async move {
            let began = Instant::now();
            let outcome = configured.run(&classes, operation, mark, cancel).await;
            let completion = Completion {
                call_id,
                resource,
                outcome,
                elapsed: began.elapsed(),
            };
            // The engine is gone only when the process ends.
            let _ = completed.send(completion).await;
        });
    }

    /// Takes in the end of an operation.
    pub(super) fn complete(&mut self, completion: Completion) {
        let Completion {
            call_id,
            resource,
            outcome,
            elapsed,
        } = completion;
        if let Some(lane) = self.lanes.get_mut(&resource) {
            lane.running = None;
        }
        let outcome = self.doubt(call_id, outcome);
        let cut_short = outcome.status == OperationStatus::Cancelled && self.terminating.is_some();
        // A record that is gone was cancelled; a monitor cut short by this agent's end has found
        // nothing.
        if let Some(record) = self.records.get_mut(&call_id)
            && !cut_short
        {
            let first = record.state == OperationState::Pending;
            record.operation.configure = None;
            let changed = first || (record.status, record.rc) != (outcome.status, outcome.rc);
            record.state = OperationState::Complete;
            record.status = outcome.status;
            record.rc = outcome.rc;
            record.exec_ms = millis(elapsed);
            record.completed = wall_us();
            record.exit_reason = outcome.exit_reason.clone();
            record.output = outcome.output.clone();
            let said = outcome.said.clone();
            let annotations = &mut record.operation.annotations;
            if let Some(names) = outcome.force_restart.clone() {
                annotations.insert(FORCE_RESTART.into(), names);
            }
            let private = outcome.private.iter().map(String::as_str);
            name_secrets(annotations, private);
            if changed {
                record.last_rc_change = record.last_run;
                let record = record.clone();
                let said = said.filter(|_| record.operation.verbose);
                log_result(&self.identity, &record);
                self.keep(call_id);
                self.drop_superseded(&record);
                // It may be much, and is for who asked for it now.
                self.report(&OperationRecord { said, ..record });
            }
        }
        if let Some(record) = self.records.get(&call_id)
            && record.operation.interval_ms > 0
        {
            let interval = Duration::from_millis(u64::from(record.operation.interval_ms));
            self.due.insert(call_id, Instant::now() + interval);
        }
        self.settle_left(call_id);
        self.stop_completed(call_id, &outcome);
        self.start_next(&resource);
    }

    /// Of completed operations with the same resource, action and interval, only the last counts.
    /// A look by hand tells nothing, and takes the place of none that does.
    fn drop_superseded(&mut self, record: &OperationRecord) {
        let superseded: Vec<u32> = self
            .records
            .range(..record.call_id)
            .filter(|(_, other)| {
                other.state == OperationState::Complete
                    && is_same(&other.operation, &record.operation)
                    && is_look_by_hand(&other.operation) == is_look_by_hand(&record.operation)
            })
            .map(|(call_id, _)| *call_id)
            .collect();
        for call_id in superseded {
            self.forget_record(call_id);
        }
    }

    /// Ends a recurring operation, or takes a waiting one out of its lane; false if there is none.
    pub(super) fn cancel(&mut self, resource: &str, action: &str, interval_ms: u32) -> bool {
        let running = |call_id: u32| {
            self.lanes
                .get(resource)
                .and_then(|lane| lane.running.as_ref())
                .is_some_and(|run| run.call_id == call_id)
        };
        let matching: Vec<u32> = self
            .records
            .values()
            .filter(|record| {
                let operation = &record.operation;
                operation.resource == resource
                    && operation.action == action
                    && operation.interval_ms == interval_ms
            })
            .filter(|record| {
                interval_ms > 0
                    || (record.state == OperationState::Pending && !running(record.call_id))
            })
            .map(|record| record.call_id)
            .collect();
        for &call_id in &matching {
            self.interrupt(call_id);
            self.cancel_record(call_id);
        }
        !matching.is_empty()
    }

    /// Ends a resource's recurring and waiting operations and deletes its history; what runs goes
    /// on.
    pub(super) fn forget_history(&mut self, resource: &str) {
        let running = self
            .lanes
            .get(resource)
            .and_then(|lane| lane.running.as_ref())
            .map(|run| run.call_id);
        let doomed: Vec<u32> = self
            .records
            .values()
            .filter(|record| record.operation.resource == resource)
            .filter(|record| record.operation.interval_ms > 0 || Some(record.call_id) != running)
            .map(|record| record.call_id)
            .collect();
        for call_id in doomed {
            self.interrupt(call_id);
            self.forget_record(call_id);
        }
    }

    /// Kills an operation if it runs.
    fn interrupt(&mut self, call_id: u32) {
        let lanes = self.lanes.values_mut();
        if let Some(running) = lanes
            .filter_map(|lane| lane.running.as_mut())
            .find(|run| run.call_id == call_id)
        {
            running.interrupt();
        }
    }

    /// The mark of an operation's processes: of this folder's life, so that two agents on one
    /// machine keep apart.
    pub(super) fn mark(&self, call_id: u32) -> String {
        format!("{}.{call_id}", self.identity.instance)
    }
}

fn pending(operation: Operation, call_id: u32) -> OperationRecord {
    OperationRecord {
        operation,
        state: OperationState::Pending,
        status: OperationStatus::Pending,
        rc: cpe_bus::records::rc::UNKNOWN,
        call_id,
        ..OperationRecord::default()
    }
}

/// Actions after which a resource's monitors watch for the wrong thing. (Pacemaker's executor does
/// the same.)
fn ends_monitors(action: &str) -> bool {
    matches!(
        action,
        "stop" | "promote" | "demote" | "migrate_to" | "migrate_from"
    )
}

pub(super) fn is_same(a: &Operation, b: &Operation) -> bool {
    (&a.resource, &a.action, a.interval_ms) == (&b.resource, &b.action, b.interval_ms)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn log_result(identity: &Identity, record: &OperationRecord) {
    log!(
        info,
        identity,
        cpe_service = record.operation.resource,
        operation = record.operation.label(),
        call_id = record.call_id,
        status = record.status.number(),
        rc = record.rc,
        exec_ms = record.exec_ms,
        reason = record.exit_reason,
        "{} of {}: {:?}, rc {}",
        record.operation.action,
        record.operation.resource,
        record.status,
        record.rc,
    );
}
