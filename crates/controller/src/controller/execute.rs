//! From a decision to operations in guests: carries the policy engine's graph out.

use cpe_status::{TransitionState, TransitionStatus};
use policy_engine::ActionKind;

use super::Controller;
use super::liveness::Life;
use super::operation_for::number;
use crate::vocabulary::{
    AssemblyId, Effect, EventDraft, EventKind, MS, Operation, Record, RecordState, SECOND, Task,
    Time,
};

/// An agent has this much longer than the operation's own timeout to tell its result. Microseconds.
const NETWORK_DELAY_US: u64 = 60 * SECOND;
/// Exit code of an operation that has not ended.
const RC_PENDING: i32 = 193;

/// An action under way.
#[derive(Debug)]
pub(crate) struct Run {
    pub assembly: AssemblyId,
    pub deadline_us: Option<u64>,
    pub since_wall_us: u64,
    pub work: Work,
}

/// What is under way.
#[derive(Debug)]
pub(crate) enum Work {
    Operation(Box<Operation>),
    Cancel {
        resource: String,
        action: Task,
        interval_ms: u32,
    },
    Fence,
}

impl Controller {
    /// No assembly is unknown.
    pub(crate) fn everything_known(&self) -> bool {
        self.assemblies
            .values()
            .all(|assembly| !matches!(assembly.life, Life::Unknown { .. }))
    }

    /// Goes on as far as possible now: carries out what was decided, and asks what is next.
    pub(crate) fn advance(&mut self, now: Time) {
        if self.spec.is_none() || self.superseded {
            return;
        }
        if self.transition.is_some() {
            if !self.carry_out(now) {
                return;
            }
            self.finish_transition(now);
        }
        self.ask(now);
    }

    /// Begins what may begin. `true`: the transition is over.
    fn carry_out(&mut self, now: Time) -> bool {
        loop {
            let Some(transition) = &self.transition else {
                return true;
            };
            let ready = transition.ready();
            let (mut begun, mut room) = (false, self.rooms());
            for index in ready {
                // Thousands may be ready: what cannot be sent is not looked at.
                let place = self
                    .transition
                    .as_ref()
                    .and_then(|transition| transition.place(index));
                if place.is_some_and(|place| !room[place]) {
                    continue;
                }
                let under_way = self.runs.len();
                begun |= self.initiate(now, index);
                if self.runs.len() != under_way {
                    room = self.rooms();
                }
            }
            if !begun {
                break;
            }
        }
        let Some(transition) = &self.transition else {
            return true;
        };
        // Fencing belongs to its assembly: an aborted transition need not wait for it.
        let awaited = transition.running().any(|index| {
            transition.aborted.is_none()
                || !matches!(
                    self.runs.get(&index),
                    Some(Run {
                        work: Work::Fence,
                        ..
                    })
                )
        });
        !awaited && transition.ready().is_empty()
    }

    /// Which of the transition's places take an operation now.
    fn rooms(&self) -> Vec<bool> {
        let places = self
            .transition
            .iter()
            .flat_map(|transition| &transition.places);
        places.map(|place| self.can_send(place)).collect()
    }

    /// Begins an action, if it may. `true`: it did.
    fn initiate(&mut self, now: Time, index: usize) -> bool {
        let Some(transition) = &self.transition else {
            return false;
        };
        let Some(synapse) = transition.graph.synapses.get(index) else {
            return false;
        };
        let action = &synapse.action;
        let Some(head) = transition.graph.head(action.id) else {
            self.end(index, false);
            return true;
        };
        let node = head
            .router_node
            .as_ref()
            .or(head.on_node.as_ref())
            .map_or_else(|| AssemblyId::from(""), |node| AssemblyId::from(&**node));
        let task = Task::from(&*head.operation);
        let resource = action
            .resource
            .as_ref()
            .map(|resource| resource.id.to_string())
            .unwrap_or_default();
        match (head.kind, &task) {
            (ActionKind::Pseudo, _) => self.done_at_once(index),
            (ActionKind::Cluster, Task::Stonith) => {
                let how = action
                    .attribute("CRM_meta_stonith_action")
                    .unwrap_or("reboot")
                    .to_owned();
                let id = action.id;
                self.initiate_fencing(now, index, &node, &how, id);
                true
            }
            (ActionKind::Cluster, Task::ClearFailcount) => {
                self.forget_failure(&node, &resource);
                self.done_at_once(index)
            }
            (ActionKind::Cluster, Task::LrmDelete) | (ActionKind::Resource, Task::Delete) => {
                if !self.can_send(&node) {
                    return false;
                }
                self.forget_resource(&node, &resource);
                self.done_at_once(index)
            }
            (ActionKind::Cluster, _) => self.done_at_once(index),
            (ActionKind::Resource, Task::Cancel) => {
                if !self.can_send(&node) {
                    return false;
                }
                let work = Work::Cancel {
                    resource,
                    action: action
                        .attribute("CRM_meta_operation")
                        .map_or(Task::Monitor, Task::from),
                    interval_ms: number(action, "CRM_meta_interval"),
                };
                self.begin(now, index, node, NETWORK_DELAY_US, work);
                true
            }
            (ActionKind::Resource, _) => {
                let several = action
                    .resource
                    .as_ref()
                    .is_some_and(|resource| resource.long_id.is_some());
                let held = task.starts() && !several && self.may_run_elsewhere(&resource, &node);
                if held || !self.can_send(&node) || !self.can_migrate(action) {
                    return false;
                }
                let operation = self.operation(transition.number, action, &task, &node);
                let timeout = u64::from(operation.timeout_ms) * MS
                    + u64::from(number(action, "CRM_meta_start_delay")) * MS;
                self.begin(
                    now,
                    index,
                    node,
                    timeout + NETWORK_DELAY_US,
                    Work::Operation(Box::new(operation)),
                );
                true
            }
        }
    }

    fn initiate_fencing(
        &mut self,
        now: Time,
        index: usize,
        node: &AssemblyId,
        how: &str,
        action: u32,
    ) {
        if how == "on" {
            self.done_at_once(index);
            return;
        }
        let restart = self.store.assembly(node).restart;
        let silent = self
            .assemblies
            .get(node)
            .is_some_and(|assembly| assembly.life == Life::Lost);
        // The policy engine would call it a peer that is no longer part of the cluster.
        let reason = restart
            .or_else(|| silent.then(|| "its agent is not heard any more".into()))
            .or_else(|| self.reasons.get(&action).cloned())
            .unwrap_or_else(|| "the policy demands it".into());
        let run = Run {
            assembly: node.clone(),
            deadline_us: None,
            since_wall_us: now.wall_us,
            work: Work::Fence,
        };
        if let Some(transition) = &mut self.transition {
            transition.begin(index);
        }
        self.runs.insert(index, run);
        if self.fence(now, node, how != "off", &reason) {
            self.end(index, true);
        }
    }

    /// The resource may be running in an assembly of which nobody knows, or is just being started
    /// in another one: an earlier DPE may have asked for that. The policy engine has starts wait
    /// for fencing, and for stops of what is being started; this makes sure, whatever the engine
    /// says.
    fn may_run_elsewhere(&self, resource: &str, node: &AssemblyId) -> bool {
        self.assemblies.iter().any(|(name, assembly)| {
            let unknown = match assembly.life {
                Life::Safe => false,
                Life::Online | Life::Missed => assembly.fence.is_some(),
                Life::Lost | Life::Unknown { .. } => true,
            };
            let gone =
                unknown && (assembly.heard_wall_us == 0 || assembly.history.may_run(resource));
            name != node && (gone || assembly.history.is_being_started(resource))
        })
    }

    fn begin(&mut self, now: Time, index: usize, assembly: AssemblyId, within_us: u64, work: Work) {
        if let Some(transition) = &mut self.transition {
            transition.begin(index);
        }
        self.send(&assembly, &work);
        let run = Run {
            assembly,
            deadline_us: Some(now.boottime_us + within_us),
            since_wall_us: now.wall_us,
            work,
        };
        self.runs.insert(index, run);
    }

    pub(crate) fn send(&mut self, assembly: &AssemblyId, work: &Work) {
        match work {
            Work::Operation(operation) => {
                let pending = Record {
                    operation: (**operation).clone(),
                    state: RecordState::Pending,
                    rc: RC_PENDING,
                    ..Record::default()
                };
                if let Some(own) = self.assemblies.get_mut(assembly) {
                    own.history.sent(pending);
                }
                self.effects.push(Effect::Execute {
                    assembly: assembly.clone(),
                    operation: operation.clone(),
                });
            }
            Work::Cancel {
                resource,
                action,
                interval_ms,
            } => self.effects.push(Effect::Cancel {
                assembly: assembly.clone(),
                resource: resource.clone(),
                action: action.clone(),
                interval_ms: *interval_ms,
            }),
            Work::Fence => {}
        }
    }

    /// Has an agent forget a resource, and forgets it here.
    pub(crate) fn forget_resource(&mut self, assembly: &AssemblyId, resource: &str) {
        self.forget_failure(assembly, resource);
        if let Some(own) = self.assemblies.get_mut(assembly) {
            own.history.forget(resource);
            if own.connected {
                self.effects.push(Effect::Forget {
                    assembly: assembly.clone(),
                    resource: resource.to_owned(),
                });
            }
        }
    }

    fn done_at_once(&mut self, index: usize) -> bool {
        if let Some(transition) = &mut self.transition {
            transition.begin(index);
            transition.end(index, true);
        }
        true
    }

    pub(crate) fn end(&mut self, index: usize, succeeded: bool) {
        if let Some(run) = self.runs.remove(&index)
            && let Work::Operation(operation) = &run.work
            && let Some(assembly) = self.assemblies.get_mut(&run.assembly)
        {
            assembly.history.settled(&operation.resource);
        }
        if let Some(transition) = &mut self.transition {
            transition.end(index, succeeded);
        }
    }

    /// Ends all fencing actions for an assembly. `true`: there were some.
    pub(crate) fn fencing_ended(&mut self, name: &AssemblyId, succeeded: bool) -> bool {
        let done: Vec<usize> = self
            .runs
            .iter()
            .filter(|(_, run)| run.assembly == *name && matches!(run.work, Work::Fence))
            .map(|(index, _)| *index)
            .collect();
        for index in &done {
            self.end(*index, succeeded);
        }
        !done.is_empty()
    }

    /// Whatever was under way in an assembly will not be heard of.
    pub(crate) fn actions_lost(&mut self, name: &AssemblyId, reason: &str) {
        let lost: Vec<usize> = self
            .runs
            .iter()
            .filter(|(_, run)| run.assembly == *name && !matches!(run.work, Work::Fence))
            .map(|(index, _)| *index)
            .collect();
        for index in &lost {
            // What was sent may have been begun: that stays noted in the history of the lost
            // assembly.
            self.runs.remove(index);
            if let Some(transition) = &mut self.transition {
                transition.end(*index, false);
            }
        }
        if !lost.is_empty() {
            self.world_changed(&format!("operations under way were lost: {reason}"));
        }
    }

    fn finish_transition(&mut self, now: Time) {
        let Some(transition) = self.transition.take() else {
            return;
        };
        self.runs.clear();
        let counts = transition.counts();
        let unfinished = transition.aborted.is_none() && counts.failed + counts.skipped > 0;
        if transition.aborted.is_none() {
            self.deadlocked = unfinished && counts.failed == 0;
        }
        let aborted = transition
            .aborted
            .clone()
            .or_else(|| unfinished.then(|| "it cannot be finished".to_owned()));
        if counts.actions > 0 {
            let event = match &aborted {
                Some(reason) => EventDraft::new(EventKind::TransitionAborted).reason(reason),
                None => {
                    EventDraft::new(EventKind::TransitionCompleted).reason("everything is done")
                }
            };
            let event = event
                .detail("transition", transition.number)
                .detail("actions", counts.actions)
                .detail("done", counts.done)
                .detail("failed", counts.failed)
                .detail("skipped", counts.skipped);
            self.tell(now, event);
        }
        self.last_transition = Some(TransitionStatus {
            number: transition.number,
            state: if aborted.is_some() {
                TransitionState::Aborted
            } else {
                TransitionState::Completed
            },
            started: transition.started_wall_us,
            completed: now.wall_us,
            actions: counts.actions,
            done: counts.done,
            failed: counts.failed,
            running: Vec::new(),
        });
        if unfinished {
            self.changed
                .get_or_insert_with(|| "the last transition could not be finished".into());
        }
        if self.changed.is_none() {
            self.busy = 0;
            self.settle_services(now);
        }
    }
}
