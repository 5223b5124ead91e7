//! What the controller says about itself: state, summary, status.

use cpe_status::{
    AssemblyState, AssemblyStatus, DeploymentStatus, DpeState, FailureStatus, ServiceState,
    ServiceStatus,
};

use super::Controller;
use crate::machines::announcement::Announced;
use crate::machines::assembly::{Assembly, Life};
use crate::machines::facts::Departure;
use crate::machines::failures;
use crate::machines::history::{Activity, Records, Slot};
use crate::machines::phase::Phase;
use crate::vocabulary::{
    AssemblyId, FenceDevice, Fencing, Occupant, RecordState, ServiceId, Task, Time,
};

impl Controller {
    /// The state.
    pub fn state(&self) -> DpeState {
        if self.phase == Phase::Ended {
            return DpeState::Unloaded;
        }
        let Some(loaded) = self.store.loaded() else {
            return DpeState::Empty;
        };
        if loaded.unload.is_some() {
            return DpeState::Unloading;
        }
        if self.error().is_some() {
            return DpeState::Failed;
        }
        if !self.everything_known() {
            return DpeState::Loading;
        }
        match self.store.deployment().announced {
            Announced::Nothing => DpeState::Loading,
            Announced::Active => DpeState::Active,
            Announced::Degraded => DpeState::Degraded,
            Announced::Failed => DpeState::Failed,
        }
    }

    /// The state in a sentence, for people.
    pub(crate) fn summary(&self) -> String {
        if self.phase == Phase::Ended {
            return "the deployment has ended".into();
        }
        if let Some(error) = self.error() {
            return error.clone();
        }
        let Some(loaded) = self.store.loaded() else {
            return "no document is loaded".into();
        };
        if loaded.unload.is_some() {
            return if loaded.unload == Some(true) {
                "stopping all services"
            } else {
                "letting go of all services"
            }
            .into();
        }
        let unknown: Vec<&str> = self
            .assemblies
            .iter()
            .filter(|(_, assembly)| matches!(assembly.life(), Life::Unknown { .. }))
            .map(|(name, _)| name.as_str())
            .collect();
        if !unknown.is_empty() {
            return format!("waiting for the agents of {}", unknown.join(", "));
        }
        let mut problems = self.problems();
        match (problems.next(), self.execution.transition()) {
            (None, None) => "everything runs that should".into(),
            (None, Some(transition)) => {
                format!(
                    "{} actions are being carried out",
                    transition.counts().actions
                )
            }
            (Some(first), _) => match problems.count() {
                0 => first.to_string(),
                more => format!("{first} (and {more} more)"),
            },
        }
    }

    /// Why nothing is decided, or nothing done about the last change.
    fn error(&self) -> Option<&String> {
        self.document.error().or(self.deciding.error())
    }

    /// The generation in force; 0: none.
    pub fn generation(&self) -> u64 {
        self.store.loaded().map_or(0, |loaded| loaded.generation)
    }

    /// The epoch of this start.
    pub fn epoch(&self) -> u64 {
        self.store.epoch()
    }

    /// All that a shell is to keep, as the changes of
    /// [`Effect::Persist`](crate::Effect::Persist) so far amount to.
    pub fn facts(&self) -> &crate::Durable {
        &self.store
    }

    /// The device by which an assembly is made safe, if it is by one.
    pub fn fence_device(&self, assembly: &AssemblyId) -> Option<&FenceDevice> {
        match &self.assemblies.get(assembly)?.spec().fencing {
            Fencing::Device(device) => Some(device),
            _ => None,
        }
    }

    /// The document in force and its generation.
    pub fn document(&self) -> Option<(&str, u64)> {
        self.store
            .loaded()
            .map(|loaded| (loaded.document.as_str(), loaded.generation))
    }

    /// The CIB that the policy engine would be asked about now; empty if no document is loaded.
    pub fn input(&self, now: Time) -> String {
        self.cib(now)
    }

    /// Events that the log does not have yet.
    pub fn waiting_events(&self) -> usize {
        self.store.outbox().len()
    }

    /// What runs where, what failed, what is being done about it.
    pub fn status(&self, now: Time) -> DeploymentStatus {
        let spec = self.document.spec();
        DeploymentStatus {
            name: self.name.clone(),
            uuid: spec.map(|spec| spec.uuid.clone()).unwrap_or_default(),
            state: self.state().into(),
            summary: self.summary(),
            generation: self.generation(),
            epoch: self.epoch(),
            time: now.wall_us,
            maintenance: self.store.deployment().maintenance,
            assemblies: self.assembly_statuses(now),
            services: self.service_statuses(),
            deciding: !self.deciding.is_settled(),
            transition: self.execution.status(),
            failures: self.failure_statuses(),
        }
    }

    fn assembly_statuses(&self, now: Time) -> Vec<AssemblyStatus> {
        let order = self
            .document
            .spec()
            .map(|spec| spec.order.as_slice())
            .unwrap_or_default();
        let retired = self.assemblies.keys().filter(|name| !order.contains(name));
        order
            .iter()
            .chain(retired)
            .filter_map(|name| Some(self.assembly_status(now, name, self.assemblies.get(name)?)))
            .collect()
    }

    fn assembly_status(&self, now: Time, name: &AssemblyId, assembly: &Assembly) -> AssemblyStatus {
        let facts = self.store.assembly(name);
        let maintenance = self.in_maintenance(name);
        let (state, reason) = match (assembly.life(), assembly.fence()) {
            (_, Some(fence)) => {
                let phase = self.fence_phase_text(fence, &assembly.spec().fencing, now);
                (
                    AssemblyState::Fencing,
                    format!("{}: {phase}", fence.reason()),
                )
            }
            (Life::Unknown { .. }, _) => (
                AssemblyState::Unknown,
                "its agent was not heard of yet".into(),
            ),
            (Life::Lost, _) => (AssemblyState::Lost, "no heartbeats".into()),
            (Life::Safe, _) if facts.occupant.is_some() => (
                AssemblyState::Occupied,
                facts.occupant.as_ref().map(Occupant::text).unwrap_or_default(),
            ),
            (Life::Safe, _) if self.is_held(name) => (
                AssemblyState::Offline,
                "waiting until its address is free: the guest there still belongs to a former assembly".into(),
            ),
            (Life::Safe, _) if assembly.spec().address.is_none() => (
                AssemblyState::Offline,
                "the document gives no address for its agent".into(),
            ),
            (Life::Safe, _) if facts.departure == Departure::Left => (
                AssemblyState::Offline,
                "its guest went down as planned; waiting for its agent".into(),
            ),
            (Life::Safe, _) => (
                AssemblyState::Offline,
                "it was made safe; waiting for its agent".into(),
            ),
            (Life::Online | Life::Missed, _) if facts.departure == Departure::Leaving => (
                AssemblyState::Leaving,
                "it goes down as planned: its services move or stop".into(),
            ),
            (Life::Online | Life::Missed, _) if facts.standby => {
                (AssemblyState::Standby, String::new())
            }
            (Life::Online | Life::Missed, _) if maintenance => {
                (AssemblyState::Maintenance, String::new())
            }
            (Life::Missed, _) => (AssemblyState::Online, "its heartbeats are late".into()),
            (Life::Online, _) => (AssemblyState::Online, String::new()),
        };
        AssemblyStatus {
            name: name.to_string(),
            uuid: assembly.spec().uuid.clone(),
            state,
            reason,
            standby: facts.standby,
            maintenance,
            last_heartbeat: assembly.contact().heard_wall_us(),
            fencing: assembly.spec().fencing.word().to_owned(),
            fencing_attempt: facts.fencing_attempt,
            address: assembly.spec().address.clone().unwrap_or_default(),
            agent_version: assembly.hello().version.clone(),
            boot_id: assembly.hello().boot_id.clone(),
            attributes: assembly.attributes().in_force().clone(),
        }
    }

    fn service_statuses(&self) -> Vec<ServiceStatus> {
        let mut statuses = Vec::new();
        for service in self.document.services() {
            let failures = self.store.failures().iter();
            let is_own = |resource: &str| ServiceId::of_resource(resource) == service.id;
            let own = failures.filter(|((_, resource), _)| is_own(resource));
            let facts = self.store.service(&service.id);
            let goal = self
                .deciding
                .goal()
                .get(&service.id)
                .copied()
                .unwrap_or_default();
            let base = ServiceStatus {
                name: service.id.to_string(),
                service: service.id.to_string(),
                agent: service.agent.clone(),
                assembly: String::new(),
                state: ServiceState::Stopped,
                since: facts.since(),
                failures: failures::total(own.map(|(_, facts)| facts)),
                reason: facts.failure().unwrap_or_default().to_owned(),
                pid: None,
            };
            let before = statuses.len();
            for (name, assembly) in &self.assemblies {
                if !assembly.is_heard() {
                    continue;
                }
                for (resource, records) in assembly.history().of_service(&service.id) {
                    let activity = assembly.history().activity(resource);
                    statuses.extend(instance_state(records, activity, goal.unmanaged).map(
                        |state| ServiceStatus {
                            name: resource.to_owned(),
                            assembly: name.to_string(),
                            state,
                            ..base.clone()
                        },
                    ));
                }
            }
            if statuses.len() == before {
                let state = match () {
                    () if !self.everything_known() => ServiceState::Unknown,
                    () if facts.is_unrecoverable() => ServiceState::Blocked,
                    () if facts.failure().is_some() => ServiceState::Failed,
                    () => ServiceState::Stopped,
                };
                statuses.push(ServiceStatus { state, ..base });
            }
        }
        statuses
    }

    fn failure_statuses(&self) -> Vec<FailureStatus> {
        let mut failures: Vec<FailureStatus> = self
            .store
            .failures()
            .iter()
            .filter_map(|((assembly, resource), facts)| {
                let (record, when_s) = facts.last()?;
                let operation = &record.operation;
                let when_s = when_s.unwrap_or(0);
                Some(FailureStatus {
                    service: resource.clone(),
                    assembly: assembly.to_string(),
                    operation: format!("{}/{}", operation.action, operation.interval_ms),
                    rc: record.rc,
                    time: u64::try_from(when_s).unwrap_or(0).saturating_mul(1_000_000),
                    reason: record.describe(),
                })
            })
            .collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.time));
        failures
    }
}

/// The state of an instance of a service in one assembly. `None`: it is not there.
fn instance_state(
    records: &Records,
    activity: Option<Activity>,
    unmanaged: bool,
) -> Option<ServiceState> {
    let pending = records
        .values()
        .find(|r| r.state == RecordState::Pending)
        .map(|r| &r.operation.action);
    match (activity, pending) {
        (_, Some(Task::Start | Task::MigrateFrom)) => Some(ServiceState::Starting),
        (Some(Activity::Active | Activity::Failed), Some(Task::Stop | Task::MigrateTo)) => {
            Some(ServiceState::Stopping)
        }
        (Some(Activity::Active), _) if unmanaged => Some(ServiceState::Unmanaged),
        (Some(Activity::Active), _) if promoted(records) => Some(ServiceState::Promoted),
        (Some(Activity::Active), _) => Some(ServiceState::Started),
        (Some(Activity::Failed), _) => Some(ServiceState::Failed),
        (Some(Activity::Inactive) | None, _) => None,
    }
}

/// The last word on the role was a promotion.
fn promoted(records: &Records) -> bool {
    let call_id = |action: Task| {
        records
            .get(&Slot::Of(action, 0))
            .filter(|r| !r.failed())
            .map(|r| r.call_id)
    };
    let found = records
        .get(&Slot::Of(Task::Monitor, 0))
        .filter(|record| record.rc == 8)
        .map(|record| record.call_id);
    let up = call_id(Task::Promote).max(found);
    up.is_some() && up > call_id(Task::Demote) && up > call_id(Task::Start)
}
