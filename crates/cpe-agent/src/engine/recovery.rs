//! What an agent does about the work of the process before it.
//!
//! | the record says | then |
//! | --- | --- |
//! | waiting | it waits again, in the same order, and for the rest of its start delay |
//! | recurring | whatever of it runs is killed; it runs at once and then at its interval |
//! | begun, once | whatever of it runs is killed; its result is unknown, so that the DPE looks |
//!
//! Services that operations have started are left alone: daemons are not in the session of their
//! operation any more (see [`crate::process`]).

use std::collections::BTreeSet;

use cpe_bus::records::rc;
use cpe_bus::{OperationState, OperationStatus};
use tokio::time::Instant;

use super::Engine;
use super::log::log;
use crate::clock::wall_us;
use crate::process;

impl Engine {
    pub(super) fn recover(&mut self) {
        let interrupted: BTreeSet<String> = self
            .records
            .values()
            .filter(|record| record.started > 0)
            .filter(|record| {
                record.state == OperationState::Pending || record.operation.interval_ms > 0
            })
            .map(|record| self.mark(record.call_id))
            .collect();
        process::kill_left_over(&interrupted, self.identity.session);
        self.identity.session = process::own_session();
        if let Err(error) = self.store.write_identity(&self.identity) {
            log!(warn, self.identity, %error, "who this agent obeys cannot be written");
        }
        let calls: Vec<u32> = self.records.keys().copied().collect();
        for call_id in calls {
            let Some(record) = self.records.get_mut(&call_id) else {
                continue;
            };
            let recurring = record.operation.interval_ms > 0;
            match record.state {
                OperationState::Pending if record.started == 0 || recurring => {
                    record.started = 0;
                    self.wait_again(call_id);
                }
                OperationState::Pending => {
                    record.state = OperationState::Complete;
                    record.status = OperationStatus::Error;
                    record.rc = rc::UNKNOWN;
                    record.operation.configure = None;
                    record.completed = wall_us();
                    record.last_rc_change = record.completed;
                    record.exit_reason =
                        "the guest agent was restarted while this ran, so its result is unknown"
                            .to_owned();
                    log!(
                        warn,
                        self.identity,
                        cpe_service = record.operation.resource,
                        operation = record.operation.label(),
                        "interrupted by the restart of the agent; its result is unknown"
                    );
                    self.keep(call_id);
                }
                OperationState::Complete if recurring => {
                    self.due.insert(call_id, Instant::now());
                }
                OperationState::Complete => {}
                OperationState::Cancelled => {
                    self.forget_record(call_id);
                }
            }
        }
        if !self.records.is_empty() {
            log!(
                info,
                self.identity,
                epoch = self.identity.epoch,
                records = self.records.len(),
                monitors = self.due.len(),
                "took up the history of an earlier process"
            );
        }
    }
    /// Has an operation of the process before wait as it did, or for the rest of its start delay.
    fn wait_again(&mut self, call_id: u32) {
        if let Some(left) = self.left_of_delay(call_id) {
            self.due.insert(call_id, Instant::now() + left);
        } else if let Some(record) = self.records.get(&call_id) {
            let lane = self.lanes.entry(record.operation.resource.clone());
            let queue = &mut lane.or_default().queue;
            queue.push_back((call_id, Instant::now()));
        }
    }
}
