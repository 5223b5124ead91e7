//! The [`Controller`] itself: what it knows, how an input goes through it, and when it wants to be
//! called again.

mod arrivals;
mod attributes;
mod cib;
mod cleanup;
mod cleanup_operation;
mod cut_off;
mod debug;
mod debug_results;
mod decide;
mod devices;
mod ending;
mod engine_input;
mod execute;
mod failures;
mod fencing;
mod hand_over;
mod in_use;
mod incarnations;
mod initiate;
mod kept_out;
mod leases;
mod leaving;
mod liveness;
mod living;
mod migrations;
mod operation_for;
mod outlook;
mod overlaid;
mod overlay;
mod overlay_ends;
mod plan;
mod power;
mod questions;
mod refresh;
mod refusal;
mod requests;
mod resolve;
mod results;
mod room;
mod service_events;
mod service_plan;
mod settled;
mod standby;
mod status;
mod suspension;
mod terms;
mod tickets;
mod unfencing;
mod upkeep_plan;
mod values;

pub use plan::PlanInput;
pub use service_plan::ServicePlanInput;
pub use upkeep_plan::UpkeepPlanInput;

use std::collections::BTreeMap;

use crate::machines::assembly::Assembly;
use crate::machines::attributes::Dampening;
use crate::machines::deciding::Deciding;
use crate::machines::document::Document;
use crate::machines::execution::Execution;
use crate::machines::facts::{Durable, Store};
use crate::machines::outgoing::Outgoing;
use crate::machines::outlook::Outlook;
use crate::machines::phase::Phase;
use crate::vocabulary::{
    AssemblyId, EVENTS_KEPT, Effect, EpochRule, EpochsUsedUp, Event, EventDraft, Input, Refusal,
    Time, event_id,
};

/// One deployment's brain. See the crate's documentation.
#[derive(Debug)]
pub struct Controller {
    name: String,
    phase: Phase,
    document: Document,
    /// Durable facts.
    store: Store,
    assemblies: BTreeMap<AssemblyId, Assembly>,
    /// Node attributes whose changes wait for further ones.
    dampening: Dampening,
    deciding: Deciding,
    execution: Execution,
    outlook: Outlook,
    effects: Outgoing,
}

/// Heartbeat and lease settings in force.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub heartbeat_interval_ms: u32,
    pub heartbeat_timeout_ms: u32,
    pub lease_ms: u32,
    pub grace_ms: u32,
    pub stop_timeout_ms: u32,
}

impl Controller {
    /// Starts over from what was saved: takes the next epoch, tells the events that the log does
    /// not have yet, and takes the saved document up again, if there is one.
    ///
    /// It takes its epoch by [`EpochRule::Standalone`].
    pub fn new(name: &str, durable: Durable, now: Time) -> Controller {
        let rule = EpochRule::Standalone;
        let begun = Controller::ruled(name, durable, now, rule);
        begun.expect("invariant: a host that stands alone has an epoch for every start")
    }

    /// The same, with an epoch by that rule.
    ///
    /// # Errors
    /// If the rule has none left. Nothing has begun then.
    pub fn ruled(
        name: &str,
        durable: Durable,
        now: Time,
        rule: EpochRule,
    ) -> Result<Controller, EpochsUsedUp> {
        let epoch = rule.next(durable.epoch(), now)?;
        let mut controller = Controller {
            name: name.to_owned(),
            phase: Phase::Serving,
            document: Document::None,
            store: Store::new(durable).up_to(rule.last()),
            assemblies: BTreeMap::new(),
            dampening: Dampening::default(),
            deciding: Deciding::new(),
            execution: Execution::default(),
            outlook: Outlook::unknown(now),
            effects: Outgoing::new(),
        };
        let waiting: Vec<Event> = controller.store.outbox().cloned().collect();
        controller.store.set_epoch(epoch);
        controller.doubt_tickets(now);
        controller.store.drop_what_is_outdated();
        controller.resume(now);
        controller.doubt_overlay(now);
        controller.age_overlay(now);
        controller.flush();
        controller.effects.tell_again(waiting);
        Ok(controller)
    }

    /// Takes something in that happened now.
    ///
    /// # Errors
    /// Only for [`Input::Request`], [`Input::Order`] and [`Input::Debug`]: a [`Refusal`] that says
    /// what to do.
    /// Nothing has changed then.
    pub fn handle(&mut self, now: Time, input: Input) -> Result<(), Refusal> {
        let now = Time {
            boottime_us: now.boottime_us.max(self.outlook.last_time().boottime_us),
            wall_us: now.wall_us,
        };
        self.notice_suspension(now);
        self.outlook.pass(now);
        if let Input::Heartbeat { assembly, stamp_us } = &input
            && self.only_renews(now, assembly)
        {
            self.renew(now, assembly, *stamp_us);
            return Ok(());
        }
        let outcome = self.take(now, input);
        self.pass_time(now);
        self.flush();
        outcome
    }

    fn take(&mut self, now: Time, input: Input) -> Result<(), Refusal> {
        match input {
            Input::Tick => {}
            Input::HostTimeZone(zone) => self.host_time_zone_is(zone),
            Input::Request(request) => return self.request(now, request, ""),
            Input::Order { request, by } => {
                return self.request(now, request, &format!(", asked for by {by}"));
            }
            Input::Debug { order, by } => return self.debug(now, *order, by),
            Input::AgentConnected {
                assembly,
                number,
                hello,
                history,
                attributes,
            } if self.is_present(&assembly, number) => {
                self.agent_connected(now, &assembly, hello, history, attributes);
            }
            Input::AgentOccupied {
                assembly,
                number,
                occupant,
            } if self.is_present(&assembly, number) => self.occupied(now, &assembly, occupant),
            refused @ (Input::IdentityRefused { .. } | Input::AgentUnusable { .. }) => {
                self.not_reached(now, refused);
            }
            Input::AgentConnected { .. } | Input::AgentOccupied { .. } => {}
            Input::UnitSeen { assembly, unit } => self.unit_seen(&assembly, unit),
            Input::AgentDisconnected { assembly, .. } => self.agent_disconnected(&assembly),
            Input::AgentLeaving {
                assembly,
                boot_id,
                reason,
            } => self.agent_leaving(now, &assembly, &boot_id, &reason),
            Input::AgentLeft { assembly, boot_id } => self.agent_left(now, &assembly, &boot_id),
            Input::Heartbeat { assembly, stamp_us } => self.heartbeat(now, &assembly, stamp_us),
            Input::OperationCompleted { assembly, record } => {
                self.operation_completed(now, &assembly, *record);
            }
            Input::AttributesChanged {
                assembly,
                attributes,
            } => self.attributes_changed(now, &assembly, attributes),
            Input::FactsChanged { assembly, facts } => self.facts_changed(now, &assembly, facts),
            Input::Asked { asker, question } => self.asked(now, asker, question),
            Input::Relayed { asker, reply } => self.relayed(asker, reply),
            Input::ExecuteRefused {
                assembly,
                id,
                reason,
            } => self.execute_refused(now, &assembly, &id, &reason),
            Input::Cancelled {
                assembly,
                resource,
                action,
                interval_ms,
            } => self.cancelled(&assembly, &resource, &action, interval_ms),
            answer @ (Input::FencingResult { .. }
            | Input::UnfencingResult { .. }
            | Input::DeviceChecked { .. }) => self.devices_answer(now, answer),
            Input::EventRecorded { id } => self.store.remove_event(&id),
            Input::Decided(decision) => self.decided(now, *decision),
            Input::RoomChecked(answer) => self.room_checked(now, *answer),
        }
        Ok(())
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.poll()
    }

    /// Boot time, µs, at which [`Input::Tick`] is due, if nothing comes before. `None`: nothing
    /// happens by itself.
    pub fn deadline(&self) -> Option<u64> {
        self.outlook.deadline()
    }

    /// Everything that time alone brings, and everything that follows. After every input the whole
    /// of it, but for heartbeats that only renew: that costs a look at every assembly, and spares
    /// a list of what can follow from what.
    fn pass_time(&mut self, now: Time) {
        if self.phase.is_final() {
            return;
        }
        self.age_assemblies(now);
        self.age_actions(now);
        self.age_devices(now);
        self.age_power(now);
        self.age_unfencing(now);
        self.age_told(now);
        self.age_decision(now);
        self.deciding.end_pause();
        self.advance(now);
        self.age_values(now);
        self.age_overlay(now);
        self.age_debugging(now);
        self.drop_retired(now);
        self.end_idle_attempts(now);
        self.announce(now);
        self.age_room(now);
        self.finish_unload(now);
        self.check();
    }

    /// What must always hold. A violation is a mistake of this crate, and worse than a crash: so it
    /// is a crash.
    fn check(&self) {
        self.execution.check();
        for (name, assembly) in &self.assemblies {
            assembly.check(name);
        }
    }

    /// Ends an input: what is to be done goes out, facts first.
    fn flush(&mut self) {
        let state = self.state();
        if self.effects.publishes(state) {
            self.effects.publish(state, self.summary());
        }
        self.effects.flush(self.store.changes());
        self.look_ahead();
    }

    /// Tells an event: a durable fact until the log has it.
    pub(crate) fn tell(&mut self, now: Time, draft: EventDraft) {
        let number = self.effects.number_event();
        let spec = self.document.spec();
        let key = spec.map_or("", |spec| spec.uuid.as_str());
        let event = Event {
            id: event_id(
                now.wall_us,
                &format!("{}/{key}", self.name),
                self.store.epoch(),
                number,
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
        self.store.push_event(number, event.clone(), EVENTS_KEPT);
        self.effects.push(Effect::Event(event));
    }

    pub(crate) fn settings(&self) -> Settings {
        let spec = self.document.spec();
        spec.map_or_else(Settings::default, |spec| Settings {
            heartbeat_interval_ms: spec.heartbeat_interval_ms,
            heartbeat_timeout_ms: spec.heartbeat_timeout_ms,
            lease_ms: spec.lease_ms,
            grace_ms: spec.grace_ms,
            stop_timeout_ms: spec.stop_timeout_ms,
        })
    }
}
