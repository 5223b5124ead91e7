//! The [`Controller`] itself: what it knows, how an input goes through it, and when it wants to be
//! called again.

mod attributes;
mod cib;
mod cleanup;
mod decide;
mod execute;
mod failures;
mod fencing;
mod limits;
mod liveness;
mod operation_for;
mod plan;
mod refusal;
mod requests;
mod results;
mod service_events;
mod status;
mod suspension;

pub use plan::PlanInput;

use std::collections::{BTreeMap, VecDeque};

use cpe_status::{DpeState, TransitionStatus};

use self::execute::Run;
use self::liveness::{Assembly, Life};
use crate::controller::decide::Asked;
use crate::machines::facts::{Durable, Store};
use crate::machines::transition::Transition;
use crate::vocabulary::{
    AssemblyId, EVENTS_KEPT, Effect, Event, EventDraft, Goal, Input, Refusal, SECOND, ServiceId,
    Spec, Time, event_id,
};

/// The end of a deployment waits so long for the event log to take the last events. Microseconds.
const LAST_EVENTS_US: u64 = 10 * SECOND;

/// One deployment's brain. See the crate's documentation.
#[derive(Debug)]
pub struct Controller {
    pub(crate) name: String,
    pub(crate) store: Store,
    pub(crate) spec: Option<Spec>,
    /// Why the saved document cannot be used.
    pub(crate) load_error: Option<String>,
    pub(crate) engine_error: Option<String>,
    pub(crate) assemblies: BTreeMap<AssemblyId, Assembly>,
    /// Dampened node attributes, by name: boot time at which their changes count, µs.
    pub(crate) settling: BTreeMap<String, u64>,
    /// The reason why the policy engine has to be asked again.
    pub(crate) changed: Option<String>,
    /// The question to it that is open.
    pub(crate) asked: Option<Asked>,
    /// Questions so far, which have their numbers from this.
    pub(crate) questions: u64,
    pub(crate) transition: Option<Transition>,
    /// Actions under way, by synapse.
    pub(crate) runs: BTreeMap<usize, Run>,
    /// Reasons of the present transition's actions, by number.
    pub(crate) reasons: BTreeMap<u32, String>,
    pub(crate) transitions: u64,
    /// Decisions that were refused.
    pub(crate) refusals: u64,
    pub(crate) last_transition: Option<TransitionStatus>,
    /// What the last decision wants, by service.
    pub(crate) goal: BTreeMap<ServiceId, Goal>,
    /// Wall clock, epoch seconds: the policy engine may decide otherwise from then on.
    pub(crate) recheck_at_s: Option<i64>,
    pub(crate) start_failure_is_fatal: bool,
    pub(crate) fence_attempts: u64,
    /// Transitions since the controller last came to rest.
    pub(crate) busy: u32,
    /// The actions of the last transition wait for each other: nothing is to migrate live until one
    /// is carried out.
    pub(crate) deadlocked: bool,
    pub(crate) last_question_us: u64,
    pub(crate) resume_at_us: Option<u64>,
    pub(crate) superseded: bool,
    /// Boot time until which the end waits for the event log, µs.
    ending_until_us: Option<u64>,
    ended: bool,
    event_counter: u64,
    /// When it was last called.
    pub(crate) last_time: Time,
    published_status: (DpeState, String),
    pub(crate) effects: Effects,
    queue: VecDeque<Effect>,
}

/// Effects of the present input, apart from Persist and events.
pub(crate) type Effects = Vec<Effect>;

/// Heartbeat and lease settings in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub heartbeat_interval_ms: u32,
    pub heartbeat_timeout_ms: u32,
    pub lease_ms: u32,
    pub stop_timeout_ms: u32,
}

impl Controller {
    /// Starts over from what was saved: takes the next epoch, tells the events that the log does
    /// not have yet, and takes the saved document up again, if there is one.
    ///
    /// The epoch is at least the number of seconds of the wall clock, so that it is higher than any
    /// that agents have seen even if what was saved is lost.
    pub fn new(name: &str, durable: Durable, now: Time) -> Controller {
        let epoch = (durable.epoch + 1).max(now.wall_us / SECOND);
        let mut controller = Controller {
            name: name.to_owned(),
            store: Store::new(durable),
            spec: None,
            load_error: None,
            engine_error: None,
            assemblies: BTreeMap::new(),
            settling: BTreeMap::new(),
            changed: None,
            asked: None,
            questions: 0,
            transition: None,
            runs: BTreeMap::new(),
            reasons: BTreeMap::new(),
            transitions: 0,
            refusals: 0,
            last_transition: None,
            goal: BTreeMap::new(),
            recheck_at_s: None,
            start_failure_is_fatal: true,
            fence_attempts: 0,
            busy: 0,
            deadlocked: false,
            last_question_us: 0,
            resume_at_us: None,
            superseded: false,
            ending_until_us: None,
            ended: false,
            event_counter: 0,
            last_time: now,
            published_status: (DpeState::Empty, String::new()),
            effects: Vec::new(),
            queue: VecDeque::new(),
        };
        let waiting: Vec<Event> = controller.store.outbox.values().cloned().collect();
        controller.store.set_epoch(epoch);
        controller.resume(now);
        controller.flush(now);
        controller
            .queue
            .extend(waiting.into_iter().map(Effect::Event));
        controller
    }

    /// Takes something in that happened now.
    ///
    /// # Errors
    /// Only for [`Input::Request`]: a [`Refusal`] that says what to do. Nothing has changed then.
    pub fn handle(&mut self, now: Time, input: Input) -> Result<(), Refusal> {
        let now = Time {
            boottime_us: now.boottime_us.max(self.last_time.boottime_us),
            wall_us: now.wall_us,
        };
        self.notice_stall(now);
        self.last_time = now;
        if self.superseded {
            return Err(Refusal::NotReady(
                "a newer DPE manages this deployment".into(),
            ));
        }
        let outcome = match input {
            Input::Tick => Ok(()),
            Input::Request(request) => self.request(now, request),
            Input::AgentConnected {
                assembly,
                hello,
                history,
                attributes,
            } => {
                self.agent_connected(now, &assembly, hello, history, attributes);
                Ok(())
            }
            Input::StaleEpoch { assembly } => {
                self.superseded = true;
                self.effects.push(Effect::Superseded { assembly });
                Ok(())
            }
            Input::AgentDisconnected { assembly, .. } => {
                self.agent_disconnected(&assembly);
                Ok(())
            }
            Input::Heartbeat { assembly, stamp_us } => {
                self.heartbeat(now, &assembly, stamp_us);
                Ok(())
            }
            Input::OperationCompleted { assembly, record } => {
                self.operation_completed(now, &assembly, *record);
                Ok(())
            }
            Input::AttributesChanged {
                assembly,
                attributes,
            } => {
                self.attributes_changed(now, &assembly, attributes);
                Ok(())
            }
            Input::ExecuteRefused {
                assembly,
                id,
                reason,
            } => {
                self.execute_refused(now, &assembly, &id, &reason);
                Ok(())
            }
            Input::Cancelled {
                assembly,
                resource,
                action,
                interval_ms,
            } => {
                self.cancelled(&assembly, &resource, &action, interval_ms);
                Ok(())
            }
            Input::FencingResult {
                assembly,
                attempt,
                result,
            } => {
                self.fencing_result(now, &assembly, attempt, result);
                Ok(())
            }
            Input::EventRecorded { id } => {
                self.store.remove_event(&id);
                Ok(())
            }
            Input::Decided(decision) => {
                self.decided(now, *decision);
                Ok(())
            }
        };
        self.pass_time(now);
        self.flush(now);
        outcome
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.queue.pop_front()
    }

    /// Boot time, µs, at which [`Input::Tick`] is due, if nothing comes before. `None`: nothing
    /// happens by itself.
    pub fn deadline(&self) -> Option<u64> {
        if self.superseded || self.ended {
            return None;
        }
        let assemblies = self
            .assemblies
            .keys()
            .flat_map(|name| [self.life_deadline(name), self.fence_deadline(name)]);
        let recheck = self.recheck_at_s.map(|at_s| {
            let left_s = u64::try_from(at_s.saturating_sub(self.last_time.wall_s())).unwrap_or(0);
            self.last_time.boottime_us + (left_s + 1) * SECOND
        });
        assemblies
            .chain([
                self.actions_deadline(),
                self.attributes_deadline(),
                self.resume_at_us,
                self.ending_until_us,
                recheck,
            ])
            .flatten()
            .min()
    }

    /// Everything that time alone brings, and everything that follows.
    fn pass_time(&mut self, now: Time) {
        if self.superseded || self.ended {
            return;
        }
        self.age_assemblies(now);
        self.age_actions(now);
        self.age_attributes(now);
        if self.recheck_at_s.is_some_and(|at_s| now.wall_s() >= at_s) {
            self.recheck_at_s = None;
            self.world_changed("the time has come that the policy engine named");
        }
        self.resume_at_us = None;
        self.advance(now);
        self.drop_retired();
        self.announce(now);
        self.finish_unload(now);
        self.check();
    }

    /// What must always hold. A violation is a mistake of this crate, and worse than a crash: so it
    /// is a crash.
    fn check(&self) {
        for (index, run) in &self.runs {
            let transition = self
                .transition
                .as_ref()
                .expect("invariant: what is under way belongs to a transition");
            assert!(
                transition.progress(*index) == crate::machines::transition::Progress::Running,
                "invariant: action {index} on {} is under way",
                run.assembly
            );
        }
        for (name, assembly) in &self.assemblies {
            assert!(
                assembly.life != Life::Safe || assembly.fence.is_none(),
                "invariant: {name} is safe, so not being fenced"
            );
            assert!(
                assembly.life != Life::Safe || assembly.history.records().next().is_none(),
                "invariant: nothing runs in {name}"
            );
        }
    }

    /// Puts the effects of this input into the queue: facts first.
    fn flush(&mut self, now: Time) {
        self.publish_status(now);
        let changes = self.store.changes();
        let effects = std::mem::take(&mut self.effects);
        self.queue
            .extend((!changes.is_empty()).then_some(Effect::Persist(changes)));
        self.queue.extend(effects);
    }

    /// Tells an event: a durable fact until the log has it.
    pub(crate) fn tell(&mut self, now: Time, draft: EventDraft) {
        self.event_counter += 1;
        let key = self.spec.as_ref().map_or("", |spec| spec.uuid.as_str());
        let event = Event {
            id: event_id(
                now.wall_us,
                &format!("{}/{key}", self.name),
                self.store.epoch,
                self.event_counter,
            ),
            time: now.wall_us,
            kind: draft.kind,
            deployment: self.name.clone(),
            assembly: draft.assembly,
            service: draft.service,
            state: draft.state.to_owned(),
            reason: draft.reason,
            details: draft.details,
        };
        self.store
            .push_event(self.event_counter, event.clone(), EVENTS_KEPT);
        self.effects.push(Effect::Event(event));
    }

    /// The CIB that the policy engine would get now.
    pub(crate) fn cib(&self, now: Time) -> String {
        match &self.spec {
            Some(spec) => cib::write(&self.cib_input(now, spec)),
            None => String::new(),
        }
    }

    pub(crate) fn cib_input<'a>(&'a self, now: Time, spec: &'a Spec) -> cib::Input<'a> {
        use cib::NodeState;
        let ending = self
            .store
            .loaded
            .as_ref()
            .is_some_and(|loaded| loaded.unload == Some(true));
        let everywhere = self.store.deployment.maintenance;
        let nodes = self
            .assemblies
            .iter()
            .map(|(name, assembly)| {
                let facts = self.store.assemblies.get(name);
                cib::Node {
                    name,
                    state: match assembly.life {
                        Life::Unknown { .. } => NodeState::Unknown,
                        Life::Online | Life::Missed => NodeState::Online,
                        Life::Lost => NodeState::Lost,
                        Life::Safe => NodeState::Safe,
                    },
                    standby: ending || facts.is_some_and(|facts| facts.standby),
                    maintenance: !ending
                        && (everywhere || facts.is_some_and(|facts| facts.maintenance)),
                    terminate: assembly.fence.is_some()
                        || facts.is_some_and(|facts| facts.restart.is_some()),
                    retired: !spec.assemblies.contains_key(name),
                    history: &assembly.history,
                    attributes: assembly.attributes.in_force(),
                }
            })
            .collect();
        cib::Input {
            configuration: &spec.configuration,
            nodes,
            failures: &self.store.failures,
            live_migration: !self.deadlocked,
            services: spec.services.iter().map(|service| &service.id).collect(),
            now_s: now.wall_s(),
        }
    }

    /// Ends a deployment when there is nothing left to do for it, and the log has its events.
    fn finish_unload(&mut self, now: Time) {
        let Some(unload) = self.store.loaded.as_ref().and_then(|loaded| loaded.unload) else {
            return;
        };
        if self.ending_until_us.is_none() {
            // What is not under way may only wait for an assembly that is late.
            let stuck = !self.runs.is_empty()
                && self.runs.values().all(|run| {
                    let fence = self
                        .assemblies
                        .get(&run.assembly)
                        .and_then(|assembly| assembly.fence.as_ref());
                    fence.is_some_and(fencing::Fence::stuck)
                });
            let rest =
                self.everything_known() && (self.idle() || (self.transition.is_some() && stuck));
            if unload && !rest {
                return;
            }
            for (name, assembly) in &self.assemblies {
                if assembly.connected {
                    self.effects.push(Effect::Release {
                        assembly: name.clone(),
                        keep_services: !unload,
                    });
                }
                self.effects.push(Effect::Disconnect {
                    assembly: name.clone(),
                });
            }
            self.ending_until_us = Some(now.boottime_us + LAST_EVENTS_US);
            self.transition = None;
            self.runs.clear();
            self.changed = None;
            self.asked = None;
            self.assemblies.clear();
            self.settling.clear();
        }
        let due = self
            .ending_until_us
            .is_some_and(|until_us| until_us <= now.boottime_us);
        if self.store.outbox.is_empty() || due {
            self.store.end();
            self.spec = None;
            self.ended = true;
            self.effects.push(Effect::Unloaded);
        }
    }

    /// The deployment is ending or has ended: no operations any more.
    pub(crate) fn ending(&self) -> bool {
        self.ended || self.ending_until_us.is_some()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    fn publish_status(&mut self, now: Time) {
        let published = (self.state(), self.summary(now));
        // What is waited for changes every second, and who wants to know asks.
        if published.0 != self.published_status.0
            || (published.1 != self.published_status.1 && !self.effects.is_empty())
        {
            self.effects.push(Effect::StatusChanged {
                state: published.0,
                summary: published.1.clone(),
            });
            self.published_status = published;
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        let default = Spec::default();
        let spec = self.spec.as_ref().unwrap_or(&default);
        Settings {
            heartbeat_interval_ms: spec.heartbeat_interval_ms,
            heartbeat_timeout_ms: spec.heartbeat_timeout_ms,
            lease_ms: spec.lease_ms,
            stop_timeout_ms: spec.stop_timeout_ms,
        }
    }
}
