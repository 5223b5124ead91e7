//! The last operations: what agents have told of what they did, and what failed of it.

use std::cmp::Reverse;

use cpe_status::limits::bounded;
use cpe_status::{OperationList, OperationOutcome, OperationStatus};
use policy_engine::model::base_name;

use super::places::number;
use crate::controller::Controller;
use crate::machines::failures::FailureFacts;
use crate::machines::history::{Records, each};
use crate::vocabulary::{
    AssemblyId, Record, RecordState, Refusal, SECOND, STATUS_DONE, STATUS_TIMEOUT, ServiceId,
    exit_code_name,
};

/// Operations that are listed at most: a page to look through, and some hundred kilobytes on the
/// bus. Who wants others names a service or an assembly.
const MOST_OPERATIONS: usize = 1000;
/// Bytes of a reason that are shown at most: it comes from a guest.
const LONGEST_REASON: usize = 256;

impl Controller {
    /// The last operations of a service (`None`: of all, and of fencing devices) in an assembly
    /// (`None`: in all): of each kind the last. A group, a clone or a bundle stands for the
    /// services in it.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] without a document; [`Refusal::NotFound`]: there is no such service or
    /// assembly.
    pub fn operations(
        &self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> Result<OperationList, Refusal> {
        self.known_deployment()?;
        if let Some(assembly) = assembly {
            self.known_assembly(assembly)?;
        }
        let known = service
            .map(|asked| self.known_resource(asked))
            .transpose()?;
        let is_meant = |resource: &str| match (service, &known) {
            (Some(asked), Some(known)) => {
                let base = base_name(resource);
                // Of a service its instances too; of an instance that one.
                let own = base == known.as_str() && (asked == known || resource == asked.as_str());
                own || self.contains(known, &ServiceId::from(base))
            }
            _ => true,
        };
        let mut found: Vec<(&AssemblyId, &Record)> = Vec::new();
        let places = self.assemblies.iter();
        for (name, own) in places.filter(|(name, _)| assembly.is_none_or(|it| it == *name)) {
            let resources = own.history().resources();
            let meant = resources.filter(|(resource, _)| is_meant(resource));
            found.extend(
                meant.flat_map(|(_, records)| told_once(records).map(move |it| (name, it))),
            );
        }
        let left_out = found.len().saturating_sub(MOST_OPERATIONS);
        if left_out > 0 {
            let pending = |record: &Record| record.state == RecordState::Pending;
            found.sort_by_key(|(_, record)| {
                (!failed(record) && !pending(record), Reverse(time(record)))
            });
            found.truncate(MOST_OPERATIONS);
        }
        found.sort_by_cached_key(|(assembly, record)| {
            let resource = &record.operation.resource;
            // `web:10` comes after `web:9`.
            let service = (base_name(resource).to_owned(), number(resource));
            // What was sent and not heard of yet has no number: it is the last.
            let order = record.call_id.wrapping_sub(1);
            (service, (*assembly).clone(), order)
        });
        let operations = found.into_iter();
        Ok(OperationList {
            deployment: self.name.clone(),
            operations: operations
                .map(|(assembly, record)| self.operation_status(assembly, record))
                .collect(),
            left_out,
        })
    }

    fn operation_status(&self, assembly: &AssemblyId, record: &Record) -> OperationStatus {
        let operation = &record.operation;
        let key = (assembly.clone(), operation.resource.clone());
        let facts = self.store.failures().get(&key);
        let (failures, last_failure) = facts.map_or((0, 0), |facts| counted(facts, record));
        let outcome = outcome(record);
        let ended = outcome != OperationOutcome::Pending;
        OperationStatus {
            service: operation.resource.clone(),
            assembly: assembly.to_string(),
            operation: match operation.interval_ms {
                0 => operation.action.to_string(),
                interval_ms => format!("{}/{interval_ms}", operation.action),
            },
            outcome,
            failed: failed(record),
            rc: (outcome == OperationOutcome::Done).then_some(record.rc),
            meaning: match record.is_debug() {
                true => format!("{}; run by hand", meaning(record)),
                false => meaning(record),
            },
            reason: bounded(&record.exit_reason, LONGEST_REASON),
            time: time(record),
            took_ms: ended.then_some(record.exec_ms),
            // What was never begun has not waited for a known time.
            waited_ms: (record.started > 0).then_some(record.queue_ms),
            failures,
            last_failure,
        }
    }
}

/// What became of an operation, in words.
fn meaning(record: &Record) -> String {
    if record.state != RecordState::Pending {
        return came_to(record);
    }
    let remark = record.waits_for_its_start_delay();
    remark.unwrap_or_else(|| "has not ended".to_owned())
}

/// What an operation came to that has ended, in words.
pub(crate) fn came_to(record: &Record) -> String {
    match record.status {
        STATUS_DONE => exit_code_name(record.rc).to_owned(),
        STATUS_TIMEOUT => format!("timed out after {} ms", record.operation.timeout_ms),
        3 => "the agent does not have it".to_owned(),
        7 => "the agent is not installed".to_owned(),
        status => format!("could not be run, status {status}"),
    }
}

/// The records of a resource; an operation that was sent and that its agent has told of since is
/// one.
fn told_once(records: &Records) -> impl Iterator<Item = &Record> {
    let is_told = |id: &str| each(records).any(|it| it.call_id > 0 && it.operation.id == id);
    each(records).filter(move |it| it.call_id > 0 || !is_told(&it.operation.id))
}

fn outcome(record: &Record) -> OperationOutcome {
    match (record.state, record.status) {
        (RecordState::Pending, _) => OperationOutcome::Pending,
        (_, STATUS_DONE) => OperationOutcome::Done,
        (_, STATUS_TIMEOUT) => OperationOutcome::TimedOut,
        _ => OperationOutcome::Error,
    }
}

/// Whether it ended otherwise than it should. That a probe finds something, or nothing, is news.
fn failed(record: &Record) -> bool {
    let found = record.is_probe()
        && record.status == STATUS_DONE
        && matches!(record.rc, 0 | 7 | 8 | 190 | 191);
    record.failed() && !found && !record.is_debug()
}

/// When it ended, or began if it has not ended, µs; 0: unknown.
fn time(record: &Record) -> u64 {
    let times = match record.state {
        RecordState::Pending => [record.started, 0],
        _ if record.operation.interval_ms > 0 => [record.last_rc_change, record.completed],
        _ => [record.completed, record.last_rc_change],
    };
    times.into_iter().find(|time| *time > 0).unwrap_or(0)
}

/// How many failures of an operation count, and when it failed last, µs.
fn counted(facts: &FailureFacts, record: &Record) -> (u32, u64) {
    let operation = &record.operation;
    let name = format!("{}_{}", operation.action, operation.interval_ms);
    let mut counts = facts.counts();
    let own = counts.find(|(counted, _)| *counted == name);
    own.map_or((0, 0), |(_, count)| {
        let last_s = u64::try_from(count.last_failure).unwrap_or(0);
        (count.count, last_s.saturating_mul(SECOND))
    })
}
