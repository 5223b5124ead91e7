//! An operation that an administrator has a resource agent do once (`cpectl debug`): what it would
//! be, whether it may be run, and how it begins.
//!
//! It is an operation as any other to its agent, which keeps it in its history: what it starts is
//! stopped when the lease ends, and a later DPE finds it there. A mark tells it from what was
//! decided: the policy engine sees nothing of it, and it counts nowhere. When it has ended, it is
//! looked at again what runs: see `debug_results.rs`.
//!
//! What starts or stops something is done with what is left alone only. Nothing is started while it
//! is not known of each other assembly that it does not run there.

use cpe_status::{DebugReport, DebugState};
use policy_engine::{ActionKind, SingleOperation};

use super::debug_results::{LOOKED, agent};
use super::{Controller, cib};
use crate::machines::assembly::{Assembly, Life};
use crate::machines::debugging::{MOST_RUNNING, Session};
use crate::machines::execution::Step;
use crate::machines::facts::Departure;
use crate::machines::history::Activity;
use crate::vocabulary::{
    AssemblyId, DEBUG, DebugInput, DebugOrder, DebugTask, Effect, MS, Operation, RecordState,
    Refusal, SECOND, ServiceId, Time, TransitionKey, dispatcher_uuid, pending,
};

/// An agent has this much longer than the operation's own timeout to report its result, µs.
const NETWORK_DELAY_US: u64 = 60 * SECOND;
/// What is believed of what runs.
const RUNNING: &str = "running";

impl Controller {
    /// Asks what an operation of a service would be in an assembly, to run it once.
    ///
    /// # Errors
    /// Why it may not be run, as far as that is known already: see [`Input::Debug`](crate::Input).
    pub fn plan_debug(
        &self,
        now: Time,
        task: DebugTask,
        service: &ServiceId,
        assembly: &AssemblyId,
    ) -> Result<DebugInput, Refusal> {
        self.must_be_in_force()?;
        self.known_assembly(assembly)?;
        let id = self.known_resource(service)?;
        let id = ServiceId::of_resource(id.as_str());
        let members = self.services_of(&id);
        if !members.is_empty() {
            return Err(Refusal::InvalidArgument(format!(
                "{id} has no resource agent of its own: name one of its services: {}",
                members.join(", ")
            )));
        }
        if self
            .document
            .spec()
            .is_some_and(|spec| spec.device(&id).is_some())
        {
            return Err(Refusal::InvalidArgument(format!(
                "{id} is a fencing device, which no guest runs: cpectl fencing {} shows how it is",
                self.name
            )));
        }
        self.can_be_debugged(&id, assembly, task)?;
        Ok(DebugInput {
            cib: self.cib(now),
            now_s: now.wall_s(),
            task,
            service: service.clone(),
            assembly: assembly.clone(),
            basis: self.debug_basis(now, &id),
        })
    }

    /// What the answer to such a question holds for: what the document and administrators say, and
    /// what is known of each assembly.
    fn debug_basis(&self, now: Time, id: &ServiceId) -> String {
        let Some(spec) = self.document.spec() else {
            return String::new();
        };
        let input = self.cib_input(now, spec);
        let known: Vec<_> = self
            .assemblies
            .iter()
            .map(|(name, own)| (name, own.is_heard(), own.history().service_activity(id)))
            .collect();
        format!("{}{:?}{known:?}", cib::configuration(&input), input.tickets)
    }

    /// Has an operation run once. `by`: who asks.
    pub(crate) fn debug(
        &mut self,
        now: Time,
        order: DebugOrder,
        by: String,
    ) -> Result<(), Refusal> {
        let DebugOrder {
            task,
            assembly,
            single,
            ..
        } = &order;
        self.must_be_in_force()?;
        let operation = self.debug_operation(*task, assembly, single, &by);
        let id = ServiceId::of_resource(&operation.resource);
        if order.basis != self.debug_basis(now, &id) {
            return Err(Refusal::NotReady(
                "what is wanted, or known, has changed meanwhile: say it again".into(),
            ));
        }
        self.can_be_debugged(&id, assembly, *task)?;
        match task {
            DebugTask::Monitor => {}
            DebugTask::Start => {
                self.must_be_left_alone(&id, *task, single)?;
                self.runs_nowhere(&id, assembly, single)?;
            }
            DebugTask::Stop => {
                self.must_be_left_alone(&id, *task, single)?;
                self.must_be_of_its_agent(assembly, &operation)?;
            }
        }
        self.begin_debug(now, assembly, operation, by);
        Ok(())
    }

    /// Of an operation that was run once: how far it is, and what became of it. `None`: nothing is
    /// known of it.
    pub fn debugged(&self, id: &str) -> Option<DebugReport> {
        if let Some(session) = self.execution.debugging().find(id) {
            return Some(session.report.clone());
        }
        // Another DPE has had it run: what its agent keeps is known.
        let places = self.assemblies.iter();
        let records =
            places.flat_map(|(name, own)| own.history().records().map(move |it| (name, it)));
        let mut records = records.filter(|(_, record)| record.is_debug());
        let (name, record) = records.find(|(_, record)| record.operation.id == id)?;
        let mut report = self.report_of(name, record);
        let facts = self.store.failure(name, &record.operation.resource);
        if report.state == DebugState::Looking && !facts.is_looked_for() {
            report.state = DebugState::Done;
            report.remark = LOOKED.to_owned();
        }
        Some(report)
    }

    /// The id of the operation that was last run once. `None`: there was none.
    pub fn last_debugged(&self) -> Option<&str> {
        self.execution.debugging().last()
    }

    fn services_of(&self, id: &ServiceId) -> Vec<&str> {
        let services = self.document.services().iter().map(|own| own.id.as_str());
        services
            .filter(|own| self.contains(id, &ServiceId::from(*own)))
            .collect()
    }

    /// Whether an operation of a service can be run once in an assembly now.
    fn can_be_debugged(
        &self,
        id: &ServiceId,
        assembly: &AssemblyId,
        task: DebugTask,
    ) -> Result<(), Refusal> {
        let not_now = |text: String| Err(Refusal::NotReady(text));
        let facts = self.store.assemblies().get(assembly);
        let stays = facts.is_none_or(|facts| facts.departure == Departure::None);
        let stays = stays && self.to_be_restarted(assembly).is_none();
        let own = self.assemblies.get(assembly);
        if !stays || !own.is_some_and(Assembly::reachable) {
            return not_now(format!(
                "{assembly} is not online: its agent runs nothing now (cpectl status {} says why)",
                self.name
            ));
        }
        let waiting = |own: &Assembly| {
            let mut records = own
                .history()
                .of_service(id)
                .flat_map(|(_, all)| all.values());
            records.any(|record| record.waits_for_its_start_delay().is_some())
        };
        if own.is_some_and(waiting) {
            return not_now(format!(
                "an operation of {id} waits for its start delay on {assembly}, and would be taken back: try again when it has begun"
            ));
        }
        if self
            .execution
            .debugging()
            .open()
            .filter(|own| own.is_running())
            .count()
            >= MOST_RUNNING
        {
            return not_now(format!(
                "{MOST_RUNNING} operations are being run like that: try again when one has ended"
            ));
        }
        if task == DebugTask::Monitor {
            return Ok(());
        }
        if self.store.loaded().is_some_and(|own| own.unload.is_some()) {
            return not_now("the deployment is being ended".into());
        }
        match self.under_way(id) {
            Some(what) => not_now(format!("{what}: try again when that is over")),
            None => Ok(()),
        }
    }

    /// What is being done with a service anywhere, in words. `None`: nothing that may change it.
    fn under_way(&self, id: &ServiceId) -> Option<String> {
        for (name, own) in &self.assemblies {
            if own.is_safe() {
                continue;
            }
            let records = own.history().of_service(id);
            let mut records = records.flat_map(|(_, all)| all.values());
            let pending = records.find(|record| {
                record.state == RecordState::Pending && record.operation.interval_ms == 0
            });
            if let Some(record) = pending {
                return Some(format!(
                    "{} of {id} is under way on {name}",
                    record.operation.action
                ));
            }
        }
        let mut runs = self.execution.runs();
        let run = runs.find(|(_, run)| {
            let operation = run.operation();
            operation.is_some_and(|own| ServiceId::of_resource(&own.resource) == *id)
        });
        if let Some((_, run)) = run {
            return Some(format!("something is done with {id} on {}", run.assembly));
        }
        let mut marked = self.store.failures().iter();
        let looked_for = marked.any(|((name, resource), facts)| {
            let own = self.assemblies.get(name);
            facts.is_looked_for()
                && ServiceId::of_resource(resource) == *id
                && own.is_some_and(|own| !own.is_safe())
        });
        looked_for.then(|| format!("it is being looked at where {id} runs"))
    }

    /// What is managed is started and stopped by who manages it.
    fn must_be_left_alone(
        &self,
        id: &ServiceId,
        task: DebugTask,
        single: &SingleOperation,
    ) -> Result<(), Refusal> {
        if single.left_alone {
            return Ok(());
        }
        let (name, verb) = (&self.name, task.as_str());
        Err(Refusal::Refused(format!(
            "refused: {id} is managed, and what {verb} brings would be undone or done twice; nothing was run\n  cpectl unmanage {name} {id} leaves it alone first, and cpectl manage {name} {id} ends that"
        )))
    }

    /// What was started by another resource agent is not stopped by that of the document.
    fn must_be_of_its_agent(
        &self,
        assembly: &AssemblyId,
        operation: &Operation,
    ) -> Result<(), Refusal> {
        let resource = operation.resource.as_str();
        let own = self.assemblies.get(assembly);
        let history = own.map(Assembly::history);
        let may_run = history.filter(|own| own.activity(resource) != Some(Activity::Inactive));
        let started = may_run.and_then(|own| own.definition(resource));
        let Some(started) = started.filter(|own| agent(&own.operation) != agent(operation)) else {
            return Ok(());
        };
        let (before, now) = (agent(&started.operation), agent(operation));
        let name = &self.name;
        Err(Refusal::Refused(format!(
            "refused: {resource} was started on {assembly} by {before}, and the document names {now}, which cannot stop that; nothing was run\n  cpectl rollback {name} brings back the document with the former agent"
        )))
    }

    /// Known is not enough that is only likely: what runs, or may, is not started. Where it runs
    /// already it would run twice with other parameters.
    fn runs_nowhere(
        &self,
        id: &ServiceId,
        assembly: &AssemblyId,
        single: &SingleOperation,
    ) -> Result<(), Refusal> {
        let refuse = |why: String, hint: String| {
            Err(Refusal::Refused(format!(
                "refused: {why}; nothing was run\n  {hint}"
            )))
        };
        let name = &self.name;
        if single.collective {
            return refuse(
                format!(
                    "{id} may have several instances, and which of them are to run is decided for all"
                ),
                format!("cpectl manage {name} {id} has the engine start it"),
            );
        }
        if let Some(ticket) = &single.lacks_ticket {
            return refuse(
                format!(
                    "{id} needs ticket {ticket}, which is not granted: another site may run it"
                ),
                format!("cpectl ticket {name} grant {ticket} --force, if no other site holds it"),
            );
        }
        for (other, own) in &self.assemblies {
            let Some(why) = self.may_run_in(id, other, own, single) else {
                continue;
            };
            let hint = match own.life() {
                _ if other == assembly => {
                    format!("cpectl debug stop {name} {id} --on {other} stops it there first")
                }
                Life::Online if self.belief(other, id) == RUNNING => {
                    format!("cpectl debug stop {name} {id} --on {other} stops it there")
                }
                Life::Online | Life::Missed => format!(
                    "cpectl debug monitor {name} {id} --on {other} says what its agent finds; cpectl refresh {name} {id} has the engine look"
                ),
                _ => format!("cpectl status {name} says how {other} is made safe"),
            };
            return refuse(why, hint);
        }
        Ok(())
    }

    /// Why a service may run in another assembly. `None`: it is known that it does not.
    fn may_run_in(
        &self,
        id: &ServiceId,
        other: &AssemblyId,
        own: &Assembly,
        single: &SingleOperation,
    ) -> Option<String> {
        if own.is_safe() {
            return None;
        }
        let known = own.is_heard() && own.fence().is_none();
        if !known {
            return Some(format!(
                "{other} is not known to be down, and {id} may run there"
            ));
        }
        let resource = id.as_str();
        let facts = self.store.assemblies().get(other);
        let doubt = facts.is_some_and(|facts| {
            facts.in_doubt || facts.arrivals.may_have_come(resource) || facts.unseen.contains(id)
        });
        let unknown = single.unknown_on.iter().any(|node| other == node.as_str());
        let said = match own.history().service_activity(id) {
            _ if doubt => "it may run there, and has not been looked for yet",
            Some(Activity::Active) => "it runs there",
            Some(Activity::Failed) => "what was done last there has failed, and it may run",
            Some(Activity::Inactive) => return None,
            None if unknown => "nobody has looked for it there",
            None => return None,
        };
        Some(format!("{id} is not known to be down on {other}: {said}"))
    }

    /// The operation as the engine's own would be, with a mark.
    fn debug_operation(
        &self,
        task: DebugTask,
        assembly: &AssemblyId,
        single: &SingleOperation,
        by: &str,
    ) -> Operation {
        let identity = single.action.resource.as_ref();
        let step = Step {
            action: self.execution.debugging().next_action(),
            kind: ActionKind::Resource,
            task: task.task(),
            node: assembly.clone(),
            resource: identity.map_or_else(String::new, |own| own.id.to_string()),
        };
        let mut operation = self.operation(&single.action, &step);
        // No transition has this number: it begins with the next one.
        let key = TransitionKey {
            action: step.action,
            transition: self.execution.last_number(),
            expected_rc: 0,
            uuid: dispatcher_uuid(self.store.epoch()),
        };
        operation.id = key.to_string();
        operation.verbose = true;
        operation.annotations.insert(DEBUG.into(), by.to_owned());
        operation
    }

    fn begin_debug(&mut self, now: Time, assembly: &AssemblyId, operation: Operation, by: String) {
        let resource = operation.resource.clone();
        let id = ServiceId::of_resource(&resource);
        let before = self.belief(assembly, &id);
        let within_us = u64::from(operation.timeout_ms) * MS + NETWORK_DELAY_US;
        let pending = pending(&operation);
        let changes = pending.changes();
        let report = DebugReport {
            state: DebugState::Running,
            before: before.to_owned(),
            belief: before.to_owned(),
            ..self.report_of(assembly, &pending)
        };
        self.execution.debugging_mut().begin(Session {
            report,
            assembly: assembly.clone(),
            resource,
            changes,
            until_us: now.boottime_us + within_us,
            by,
        });
        if changes && let Some(own) = self.assemblies.get_mut(assembly) {
            own.history_mut().sent(pending);
        }
        self.effects.push(Effect::Execute {
            assembly: assembly.clone(),
            operation: Box::new(operation),
        });
    }

    /// What is believed of a service in an assembly, in words.
    pub(super) fn belief(&self, assembly: &AssemblyId, id: &ServiceId) -> &'static str {
        let own = self.assemblies.get(assembly);
        match own.and_then(|own| own.history().service_activity(id)) {
            Some(Activity::Active) => RUNNING,
            Some(Activity::Inactive) => "not running",
            Some(Activity::Failed) => "failed",
            None => "unknown",
        }
    }

    /// An operation of a service that was run once, and changes it, has not ended: nothing else is
    /// begun with it.
    pub(super) fn is_being_debugged(&self, resource: &str) -> bool {
        let mut places = self.assemblies.values();
        places.any(|own| is_debugged_in(own, resource))
    }

    /// The same in one assembly: a look there would say what was before, and take the place of the
    /// only trace of it.
    pub(super) fn is_debugged_on(&self, name: &AssemblyId, resource: &str) -> bool {
        let own = self.assemblies.get(name);
        own.is_some_and(|own| is_debugged_in(own, resource))
    }
}

fn is_debugged_in(own: &Assembly, resource: &str) -> bool {
    let id = ServiceId::of_resource(resource);
    let mut records = own
        .history()
        .of_service(&id)
        .flat_map(|(_, all)| all.values());
    !own.is_safe() && records.any(|it| it.state == RecordState::Pending && it.is_debug())
}
