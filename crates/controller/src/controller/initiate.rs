//! Beginning one action of a graph whose turn has come.

use policy_engine::{ActionKind, GraphAction};

use super::Controller;
use super::operation_for::number;
use crate::machines::assembly::Life;
use crate::machines::execution::Step;
use crate::machines::run::{Run, Work};
use crate::vocabulary::{AssemblyId, DEVICE_CLASS, MS, SECOND, Task, Time};

/// An agent has this much longer than the operation's own timeout to report its result.
/// Microseconds.
const NETWORK_DELAY_US: u64 = 60 * SECOND;

impl Controller {
    /// Begins an action, if it may begin. `true`: it did.
    pub(super) fn initiate(&mut self, now: Time, index: usize) -> bool {
        let Some(step) = self.execution.step(index) else {
            self.end(index, false);
            return true;
        };
        match (step.kind, &step.task) {
            (ActionKind::Cluster, Task::Stonith) => {
                self.initiate_fencing(now, index, &step.node);
                true
            }
            (ActionKind::Cluster, Task::ClearFailcount) => {
                self.forget_failure(&step.node, &step.resource);
                self.done_at_once(index)
            }
            (ActionKind::Cluster, Task::LrmDelete) | (ActionKind::Resource, Task::Delete) => {
                if self.is_being_debugged(&step.resource) || !self.can_send(&step.node) {
                    return false;
                }
                self.forget_resource(&step.node, &step.resource);
                self.done_at_once(index)
            }
            (ActionKind::Pseudo | ActionKind::Cluster, _) => self.done_at_once(index),
            (ActionKind::Resource, Task::Cancel) => self.initiate_cancel(now, index, step),
            (ActionKind::Resource, _) => self.initiate_operation(now, index, step),
        }
    }

    fn done_at_once(&mut self, index: usize) -> bool {
        self.execution.pass(index);
        true
    }

    fn initiate_cancel(&mut self, now: Time, index: usize, step: Step) -> bool {
        let Some(action) = self.execution.action(index) else {
            return false;
        };
        if !self.can_send(&step.node) {
            return false;
        }
        let cancelled = action.attribute("CRM_meta_operation");
        let of_device = is_of_device(action);
        let work = Work::Cancel {
            resource: step.resource,
            action: cancelled.map_or(Task::Monitor, Task::from),
            interval_ms: number(action, "CRM_meta_interval"),
        };
        if of_device {
            self.cancel_device_monitor(&step.node, &work);
            return self.done_at_once(index);
        }
        self.begin(now, index, step.node, NETWORK_DELAY_US, work);
        true
    }

    fn initiate_operation(&mut self, now: Time, index: usize, step: Step) -> bool {
        let Some(action) = self.execution.action(index) else {
            return false;
        };
        let resource = action.resource.as_ref();
        let several = resource.is_some_and(|resource| resource.long_id.is_some());
        let of_device = is_of_device(action);
        // A device runs on this host, wherever the policy engine counts it.
        let held = step.task.starts()
            && !several
            && !of_device
            && self.may_run_elsewhere(&step.resource, &step.node);
        let looks = step.task == Task::Monitor && number(action, "CRM_meta_interval") == 0;
        let by_hand = match looks {
            true => self.is_debugged_on(&step.node, &step.resource),
            false => self.is_being_debugged(&step.resource),
        };
        let held = held || (!of_device && by_hand);
        if held || !self.can_send(&step.node) || !self.execution.has_room_to_migrate(action) {
            return false;
        }
        let operation = self.operation(action, &step);
        let delay_us = u64::from(operation.start_delay_ms()) * MS;
        let timeout_us = u64::from(operation.timeout_ms) * MS + delay_us;
        let on_this_host = of_device.then(|| operation.clone());
        let work = Work::Operation(Box::new(operation));
        let within_us = timeout_us + NETWORK_DELAY_US;
        self.begin(now, index, step.node.clone(), within_us, work);
        if let Some(operation) = on_this_host {
            self.begin_device_operation(now, &step.node, operation);
        }
        true
    }

    /// The resource may be running in an assembly of which nobody knows, or may have come there by
    /// a live migration, or is just being started in another one: an earlier DPE may have asked for
    /// that. The policy engine has starts wait for fencing, and for stops of what is being started;
    /// this makes sure, whatever the engine says.
    fn may_run_elsewhere(&self, resource: &str, node: &AssemblyId) -> bool {
        self.assemblies.iter().any(|(name, assembly)| {
            let unknown = match assembly.life() {
                Life::Safe => false,
                Life::Online | Life::Missed => assembly.fence().is_some(),
                Life::Lost | Life::Unknown { .. } => true,
            };
            let gone =
                unknown && (!assembly.contact().was_made() || assembly.history().may_run(resource));
            let facts = self.store.assemblies().get(name);
            let may_have_come = facts.is_some_and(|facts| facts.arrivals.may_have_come(resource));
            name != node && (gone || may_have_come || assembly.history().is_being_started(resource))
        })
    }

    fn begin(&mut self, now: Time, index: usize, assembly: AssemblyId, within_us: u64, work: Work) {
        self.send(&assembly, &work);
        let delay_ms = match &work {
            Work::Operation(operation) => operation.start_delay_ms(),
            Work::Cancel { .. } | Work::Fence | Work::Unfence(_) => 0,
        };
        let run = Run {
            assembly,
            deadline_us: Some(now.boottime_us + within_us),
            since_wall_us: now.wall_us,
            delayed_until_us: now.boottime_us + u64::from(delay_ms) * MS,
            waits: false,
            work,
        };
        self.execution.start(index, run);
        self.deciding.work_changed();
    }

    fn initiate_fencing(&mut self, now: Time, index: usize, node: &AssemblyId) {
        let Some(action) = self.execution.action(index).cloned() else {
            return;
        };
        let reason = self.execution.reason(index).cloned();
        if switches_on(&action) {
            self.initiate_unfencing(now, index, node, &action);
            return;
        }
        let run = Run {
            assembly: node.clone(),
            deadline_us: None,
            since_wall_us: now.wall_us,
            delayed_until_us: 0,
            waits: false,
            work: Work::Fence,
        };
        self.execution.start(index, run);
        if self.fence_as_wanted(now, node, &action, reason) {
            self.end(index, true);
        }
    }

    /// Makes an assembly safe as an action of a graph says. `reason`: why, by the policy engine.
    /// `true`: it is.
    pub(super) fn fence_as_wanted(
        &mut self,
        now: Time,
        node: &AssemblyId,
        action: &GraphAction,
        reason: Option<String>,
    ) -> bool {
        if switches_on(action) {
            return false;
        }
        let off = action.attribute("CRM_meta_stonith_action") == Some("off");
        let delay_s = number(action, "CRM_meta_priority_fencing_delay");
        let off = off || self.store.assembly(node).stays_off;
        let restart = self.to_be_restarted(node);
        let silent = self
            .assemblies
            .get(node)
            .is_some_and(|assembly| assembly.life() == Life::Lost);
        // The policy engine would call it a peer that is no longer part of the cluster.
        let reason = restart
            .or_else(|| silent.then(|| "its agent is not heard any more".into()))
            .or(reason)
            .unwrap_or_else(|| "the policy demands it".into());
        self.fence(now, node, !off, &reason, delay_s.saturating_mul(1_000))
    }
}

/// An action that gives an assembly what fencing takes.
pub(super) fn switches_on(action: &GraphAction) -> bool {
    action.attribute("CRM_meta_stonith_action") == Some("on")
}

/// An operation on a fencing device.
fn is_of_device(action: &GraphAction) -> bool {
    let class = action.resource.as_ref();
    let class = class.and_then(|resource| resource.class.as_ref());
    class.is_some_and(|class| &**class == DEVICE_CLASS)
}
