//! Stopping everything: at the end of the lease, and when the DPE gives the guest up.
//!
//! ```text
//!            lease ended                    all stopped
//! Serving ───────────────► Stopping ──────────────────────► Serving (without a lease)
//!            Release           │ lease ended, and a service has not stopped in time;
//!            Restart           │ or the guest is to be restarted
//!                              └──────────────────────────► Rebooting
//! ```
//!
//! Services are stopped one after the other, last started first, as an orderly shutdown demands.
//! When half of the time is over, all that are left are stopped at once: each may need as long as
//! the longest.
//!
//! The deadline counts from the lease's end on CLOCK_BOOTTIME, both of which are on disk, so that
//! an agent that is restarted in between has the same deadline as the first one: at the deadline
//! the DPE assumes that the guest is down.

use std::collections::BTreeSet;
use std::fmt;

use cpe_bus::{Error, Operation, Result, SECRET_NAMES};

use super::commands::Reply;
use super::log::log;
use super::{Engine, not_durable};
use crate::activity::has_stopped;
use crate::classes::OperationOutcome;
use crate::classes::systemd::unit_name;
use crate::clock::boottime_us;
use crate::lease::Lease;
use crate::remains::Remains;

/// What the agent is doing as a whole.
#[derive(Debug)]
pub(super) enum Phase {
    /// It does what its DPE says.
    Serving,
    /// It stops everything.
    Stopping(Stopping),
    /// It takes the guest down.
    Rebooting,
}

/// Why everything is stopped.
#[derive(Debug)]
pub(super) enum Cause {
    /// Nothing came from the DPE for as long as the lease.
    LeaseEnded,
    /// The DPE asked for it.
    Release(Reply<()>),
    /// The agent is to end, and with it the watch over the lease.
    Ending,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::LeaseEnded => "the lease has ended",
            Cause::Release(_) => "this guest is being released",
            Cause::Ending => "this agent is to end while a lease is in force",
        })
    }
}

/// How far the stopping is.
#[derive(Debug)]
pub(super) struct Stopping {
    pub cause: Cause,
    /// Still to be stopped; the next one last.
    waiting: Vec<Operation>,
    /// The stops that are under way.
    current: BTreeSet<u32>,
    /// Services that did not stop.
    failed: Vec<String>,
    /// From then on, order does not count any more (µs of CLOCK_BOOTTIME).
    hurry_us: u64,
    /// Then all must be stopped (µs of CLOCK_BOOTTIME).
    deadline_us: u64,
}

impl Stopping {
    pub(super) fn remaining(&self) -> usize {
        self.waiting.len() + self.current.len()
    }

    /// Whether the end of the lease is the cause.
    pub(super) fn is_for_lease(&self) -> bool {
        matches!(self.cause, Cause::LeaseEnded)
    }

    /// Whether that the agent ends is the cause.
    pub(super) fn is_for_ending(&self) -> bool {
        matches!(self.cause, Cause::Ending)
    }
}

impl Engine {
    /// Looks at the clock: called before anything else is done, whatever woke the engine up.
    pub(super) fn watch_lease(&mut self) {
        let now = boottime_us();
        let lease_ended = self.lease.has_ended(now);
        match &self.phase {
            Phase::Serving if lease_ended => self.begin_stopping(Cause::LeaseEnded),
            Phase::Stopping(stopping)
                if lease_ended && !matches!(stopping.cause, Cause::LeaseEnded) =>
            {
                self.refuse_release("the lease ended meanwhile");
                self.begin_stopping(Cause::LeaseEnded);
            }
            Phase::Stopping(stopping) if now >= stopping.deadline_us => self.finish_stopping(),
            Phase::Stopping(stopping)
                if now >= stopping.hurry_us && !stopping.waiting.is_empty() =>
            {
                self.stop_next();
            }
            _ => {}
        }
    }

    pub(super) fn arm_timer(&mut self) {
        let at = match &self.phase {
            Phase::Serving => self.lease.end_us(),
            Phase::Stopping(stopping) => {
                let hurry = (!stopping.waiting.is_empty()).then_some(stopping.hurry_us);
                let lease_end = match stopping.cause {
                    Cause::LeaseEnded => None,
                    Cause::Release(_) | Cause::Ending => self.lease.end_us(),
                };
                [Some(stopping.deadline_us), hurry, lease_end]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Phase::Rebooting => None,
        };
        let armed = self.timer.as_mut().map_or(Ok(()), |timer| timer.arm(at));
        if let Err(error) = armed {
            log!(
                error,
                self.identity,
                %error,
                "the timer of the lease cannot be set; it is looked at often instead"
            );
            self.timer = None;
        }
        self.arm_deadman();
    }

    /// Tells the thread of the last resort when everything must be down, and what to kill.
    pub(super) fn arm_deadman(&self) {
        if !matches!(self.phase, Phase::Rebooting) {
            self.deadman.arm(self.lease.deadline_us());
        }
    }

    /// What would be left if the guest had to be reset now.
    pub(super) fn remains(&self) -> Remains {
        let units = self
            .active()
            .into_iter()
            .filter(|operation| matches!(operation.class.as_str(), "systemd" | "service"))
            .map(|operation| unit_name(&operation.agent));
        Remains {
            instance: self.identity.instance.clone(),
            units: units.collect(),
        }
    }

    /// Ends everything but stops, and stops the active services one after the other, last started
    /// first.
    pub(super) fn begin_stopping(&mut self, cause: Cause) {
        let budget_us = u64::from(self.identity.stop_timeout_ms) * 1000;
        let now = boottime_us();
        let (begin_us, deadline_us) = match (&cause, self.lease.end_us(), self.lease.deadline_us())
        {
            (Cause::LeaseEnded, Some(end), Some(deadline)) => (end, deadline),
            _ => (now, now.saturating_add(budget_us)),
        };
        self.deadman.set_remains(self.remains());
        if matches!(cause, Cause::LeaseEnded) {
            // The DPE learns the reason when it says Hello again.
            self.drop_peer();
        }
        let mut running = Vec::new();
        for lane in self.lanes.values_mut() {
            lane.queue.clear();
            if let Some(run) = &mut lane.running {
                running.push(run.call_id);
                if self
                    .records
                    .get(&run.call_id)
                    .is_some_and(|record| record.operation.action != "stop")
                {
                    run.interrupt();
                }
            }
        }
        let unwanted: Vec<u32> = self
            .records
            .values()
            .filter(|record| {
                let waits = record.state == cpe_bus::OperationState::Pending
                    && !running.contains(&record.call_id);
                record.operation.interval_ms > 0 || waits
            })
            .map(|record| record.call_id)
            .collect();
        for call_id in unwanted {
            self.cancel_record(call_id);
        }
        let mut waiting: Vec<Operation> = self.active().into_iter().cloned().collect();
        waiting.reverse();
        log!(
            warn,
            self.identity,
            services = waiting.len(),
            "{cause}: stopping {} services",
            waiting.len()
        );
        self.phase = Phase::Stopping(Stopping {
            cause,
            waiting,
            current: BTreeSet::new(),
            failed: Vec::new(),
            hurry_us: begin_us + (deadline_us - begin_us) / 2,
            deadline_us,
        });
        self.stop_next();
    }

    /// Stops the next service, or all that are left once time is short; when none are left, ends
    /// the stopping.
    fn stop_next(&mut self) {
        loop {
            let now = boottime_us();
            let Phase::Stopping(stopping) = &mut self.phase else {
                return;
            };
            if !stopping.current.is_empty() && now < stopping.hurry_us {
                return;
            }
            // Past the deadline there is nothing left to try.
            let next = if now < stopping.deadline_us {
                stopping.waiting.pop()
            } else {
                None
            };
            let Some(operation) = next else {
                if stopping.current.is_empty() || now >= stopping.deadline_us {
                    self.finish_stopping();
                }
                return;
            };
            let left_us = stopping.deadline_us.saturating_sub(now);
            let stop = stop_operation(operation, &stopping.cause, left_us);
            let call_id = self.accept_stop(stop);
            if let Phase::Stopping(stopping) = &mut self.phase {
                stopping.current.insert(call_id);
            }
            self.enqueue(call_id);
        }
    }

    /// Takes in the end of an operation while everything is being stopped.
    pub(super) fn stop_completed(&mut self, call_id: u32, outcome: &OperationOutcome) {
        let Phase::Stopping(stopping) = &mut self.phase else {
            return;
        };
        if !stopping.current.remove(&call_id) {
            return;
        }
        if !has_stopped(outcome.status, outcome.rc) {
            stopping.failed.extend(
                self.records
                    .get(&call_id)
                    .map(|record| record.operation.resource.clone()),
            );
        }
        self.stop_next();
    }

    /// Everything has been tried, or the time is over.
    fn finish_stopping(&mut self) {
        let Phase::Stopping(stopping) = std::mem::replace(&mut self.phase, Phase::Serving) else {
            return;
        };
        let unfinished = self.unfinished_stops(&stopping);
        match stopping.cause {
            Cause::Ending if unfinished.is_none() => {
                log!(info, self.identity, "all services are stopped; leaving");
                self.say_left();
            }
            Cause::LeaseEnded if unfinished.is_none() && !self.lease.resets() => {
                log!(
                    warn,
                    self.identity,
                    "all services are stopped; the lease is over"
                );
                self.lease = Lease::default();
                if let Err(error) = self.store.write_lease(&self.lease) {
                    // The next start finds an ended lease again, and nothing to stop.
                    log!(error, self.identity, %error, "the end of the lease cannot be recorded");
                }
            }
            Cause::Ending => {
                let services = unfinished.unwrap_or_default();
                log!(
                    error,
                    self.identity,
                    services,
                    "services did not stop; under a lease, this agent stays until that ends and then resets the guest"
                );
                self.stays_for_lease = self.lease.end_us().is_some();
            }
            Cause::LeaseEnded => {
                // First the deed: the log may hang.
                self.phase = Phase::Rebooting;
                self.deadman.now();
                match unfinished {
                    Some(services) => log!(
                        error,
                        self.identity,
                        services,
                        "the lease has ended and services did not stop: resetting the guest"
                    ),
                    None => log!(
                        warn,
                        self.identity,
                        "all services are stopped: resetting the guest, as its DPE wants it"
                    ),
                }
            }
            Cause::Release(reply) => match unfinished {
                None => {
                    self.drop_attributes_unless(None);
                    let _ = reply.send(self.give_up());
                }
                Some(services) => {
                    let _ = reply.send(Err(Error::Failed(format!(
                        "this guest is not released: {services} did not stop; see the history"
                    ))));
                }
            },
        }
    }

    /// The services that were not stopped, as a text; `None` if nothing runs any more.
    fn unfinished_stops(&self, stopping: &Stopping) -> Option<String> {
        let current = stopping
            .current
            .iter()
            .filter_map(|id| self.records.get(id))
            .map(|record| &record.operation);
        let mut unfinished: Vec<&str> = stopping
            .waiting
            .iter()
            .chain(current)
            .map(|operation| operation.resource.as_str())
            .chain(stopping.failed.iter().map(String::as_str))
            .collect();
        if self.incomplete {
            unfinished.push("what a damaged record named");
        }
        (!unfinished.is_empty()).then(|| unfinished.join(", "))
    }

    fn refuse_release(&mut self, why: &str) {
        if let Phase::Stopping(Stopping {
            cause: Cause::Release(reply),
            ..
        }) = std::mem::replace(&mut self.phase, Phase::Serving)
        {
            let _ = reply.send(Err(Error::Failed(format!(
                "this guest is not released: {why}"
            ))));
        }
    }

    /// Ends the service for this DPE: no lease, no heartbeats, no history, no epoch.
    pub(super) fn give_up(&mut self) -> Result<()> {
        let identity = crate::store::Identity {
            deployment: String::new(),
            assembly: String::new(),
            epoch: 0,
            hello: (0, 0),
            ..self.identity.clone()
        };
        self.leave_behind()?;
        self.store
            .write_lease(&Lease::default())
            .and_then(|()| self.store.write_identity(&identity))
            .map_err(not_durable)?;
        log!(info, self.identity, "released by the DPE");
        self.incomplete = false;
        self.store.forget_damaged();
        self.forget_everything();
        self.drop_note();
        self.lease = Lease::default();
        self.identity = identity;
        // The connection stays open for the answer; its DPE closes it.
        self.peer = None;
        self.heartbeat_due = None;
        Ok(())
    }

    pub(super) fn forget_everything(&mut self) {
        self.configured.forget();
        let resources: std::collections::BTreeSet<String> = self
            .records
            .values()
            .map(|record| record.operation.resource.clone())
            .collect();
        for resource in resources {
            self.forget_history(&resource);
        }
    }
}

/// The stop of a service, with the parameters that it was started with.
fn stop_operation(mut operation: Operation, cause: &Cause, left_us: u64) -> Operation {
    let prefix = match cause {
        Cause::LeaseEnded => "lease-expiry",
        Cause::Release(_) => "release",
        Cause::Ending => "agent-ending",
    };
    operation.id = format!("{prefix}/{}", uuid::Uuid::new_v4());
    operation.action = "stop".to_owned();
    operation.interval_ms = 0;
    operation.timeout_ms = u32::try_from(left_us.div_ceil(1000))
        .unwrap_or(u32::MAX)
        .max(1);
    operation.annotations.retain(|name, _| name == SECRET_NAMES);
    operation.configure = None;
    operation.verbose = false;
    for name in ["timeout", "interval", "name"] {
        operation.meta.remove(name);
        operation.meta.remove(&format!("CRM_meta_{name}"));
    }
    operation
}
