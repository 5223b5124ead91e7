//! What the controller says about itself: state, summary, status.

use crate::controller::Controller;
use crate::durable::Announced;
use crate::execute::Work;
use crate::history::Activity;
use crate::liveness::{Assembly, Life};
use crate::operation::RecordState;
use crate::status::{
    AssemblyStatus, FailureStatus, RunningAction, ServiceStatus, Status, TransitionStatus,
};
use crate::time::Time;

impl Controller {
    /// The state in one word: `empty`, `loading`, `active`, `degraded`, `failed`, `unloading`,
    /// `unloaded`.
    pub fn state(&self) -> &'static str {
        if self.has_ended() {
            return "unloaded";
        }
        let Some(loaded) = &self.store.loaded else {
            return "empty";
        };
        if loaded.unload.is_some() {
            return "unloading";
        }
        if self.load_error.is_some() || self.engine_error.is_some() {
            return "failed";
        }
        if !self.everything_known() {
            return "loading";
        }
        match self.store.deployment.announced {
            Announced::Nothing => "loading",
            Announced::Active => "active",
            Announced::Degraded => "degraded",
            Announced::Failed => "failed",
        }
    }

    /// The state in a sentence, for people.
    pub(crate) fn summary(&self, now: Time) -> String {
        if self.superseded {
            return "a newer DPE manages this deployment".into();
        }
        if self.has_ended() {
            return "the deployment has ended".into();
        }
        if let Some(error) = self.load_error.as_ref().or(self.engine_error.as_ref()) {
            return error.clone();
        }
        let Some(loaded) = &self.store.loaded else {
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
            .filter(|(_, assembly)| matches!(assembly.life, Life::Unknown { .. }))
            .map(|(name, _)| name.as_str())
            .collect();
        if !unknown.is_empty() {
            return format!("waiting for the agents of {}", unknown.join(", "));
        }
        let _ = now;
        let mut problems = self.problems();
        match (problems.next(), &self.transition) {
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

    /// The generation in force; 0: none.
    pub fn generation(&self) -> u64 {
        self.store
            .loaded
            .as_ref()
            .map_or(0, |loaded| loaded.generation)
    }

    /// The epoch of this start.
    pub fn epoch(&self) -> u64 {
        self.store.epoch
    }

    /// The document in force and its generation.
    pub fn document(&self) -> Option<(&str, u64)> {
        self.store
            .loaded
            .as_ref()
            .map(|loaded| (loaded.document.as_str(), loaded.generation))
    }

    /// The CIB that the policy engine would be asked about now; empty if no document is loaded.
    pub fn input(&self, now: Time) -> String {
        self.cib(now)
    }

    /// Events that the log does not have yet.
    pub fn waiting_events(&self) -> usize {
        self.store.outbox.len()
    }

    /// What runs where, what failed, what is being done about it.
    pub fn status(&self, now: Time) -> Status {
        Status {
            name: self.name.clone(),
            uuid: self
                .spec
                .as_ref()
                .map(|spec| spec.uuid.clone())
                .unwrap_or_default(),
            state: self.state(),
            summary: self.summary(now),
            generation: self.generation(),
            epoch: self.epoch(),
            time: now.wall_us,
            maintenance: self.store.deployment.maintenance,
            assemblies: self.assembly_statuses(now),
            services: self.service_statuses(),
            transition: self.transition_status(),
            failures: self.failure_statuses(),
        }
    }

    fn assembly_statuses(&self, now: Time) -> Vec<AssemblyStatus> {
        let order = self
            .spec
            .as_ref()
            .map(|spec| spec.order.as_slice())
            .unwrap_or_default();
        let retired = self.assemblies.keys().filter(|name| !order.contains(name));
        order
            .iter()
            .chain(retired)
            .filter_map(|name| Some(self.assembly_status(now, name, self.assemblies.get(name)?)))
            .collect()
    }

    fn assembly_status(&self, now: Time, name: &str, assembly: &Assembly) -> AssemblyStatus {
        let facts = self.store.assembly(name);
        let maintenance = facts.maintenance || self.store.deployment.maintenance;
        let (state, reason) = match (assembly.life, &assembly.fence) {
            (_, Some(fence)) => {
                let phase = self.fence_phase_text(fence, &assembly.spec.fencing, now);
                ("fencing", format!("{}: {phase}", fence.reason))
            }
            (Life::Unknown { .. }, _) => ("unknown", "its agent was not heard of yet".into()),
            (Life::Lost, _) => ("lost", "no heartbeats".into()),
            (Life::Safe, _) if assembly.spec.address.is_none() => (
                "offline",
                "the document gives no address for its agent".into(),
            ),
            (Life::Safe, _) => ("offline", "it was made safe; waiting for its agent".into()),
            (Life::Online | Life::Missed, _) if facts.standby => ("standby", String::new()),
            (Life::Online | Life::Missed, _) if maintenance => ("maintenance", String::new()),
            (Life::Missed, _) => ("online", "its heartbeats are late".into()),
            (Life::Online, _) => ("online", String::new()),
        };
        AssemblyStatus {
            name: name.to_owned(),
            uuid: assembly.spec.uuid.clone(),
            state,
            reason,
            standby: facts.standby,
            maintenance,
            last_heartbeat: assembly.heard_wall_us,
            fencing: assembly.spec.fencing.word().to_owned(),
            address: assembly.spec.address.clone().unwrap_or_default(),
            agent_version: assembly.hello.version.clone(),
            boot_id: assembly.hello.boot_id.clone(),
            attributes: assembly.attributes.in_force().clone(),
        }
    }

    fn service_statuses(&self) -> Vec<ServiceStatus> {
        let mut statuses = Vec::new();
        let services = self.spec.iter().flat_map(|spec| &spec.services);
        for service in services {
            let count: u32 = self
                .store
                .failures
                .iter()
                .filter(|((_, resource), _)| *resource == service.id)
                .flat_map(|(_, facts)| facts.counts.values())
                .fold(0, |sum, count| sum.saturating_add(count.count));
            let facts = self
                .store
                .services
                .get(&service.id)
                .cloned()
                .unwrap_or_default();
            let goal = self.goal.get(&service.id).copied().unwrap_or_default();
            let base = ServiceStatus {
                name: service.id.clone(),
                service: service.id.clone(),
                agent: service.agent.clone(),
                assembly: String::new(),
                state: "stopped",
                since: facts.since,
                failures: count.min(1_000_000),
                reason: facts.failed.clone().unwrap_or_default(),
            };
            let before = statuses.len();
            for (name, assembly) in &self.assemblies {
                let Some(state) = instance_state(assembly, &service.id, goal.unmanaged) else {
                    continue;
                };
                statuses.push(ServiceStatus {
                    assembly: name.clone(),
                    state,
                    ..base.clone()
                });
            }
            if statuses.len() == before {
                let state = match () {
                    () if !self.everything_known() => "unknown",
                    () if facts.unrecoverable => "blocked",
                    () if facts.failed.is_some() => "failed",
                    () => "stopped",
                };
                statuses.push(ServiceStatus { state, ..base });
            }
        }
        statuses
    }

    fn transition_status(&self) -> Option<TransitionStatus> {
        let Some(transition) = &self.transition else {
            return self.last_transition.clone();
        };
        let counts = transition.counts();
        let running = self.runs.values().map(|run| {
            let (action, service) = match &run.work {
                Work::Operation(operation) => {
                    (operation.action.clone(), operation.resource.clone())
                }
                Work::Cancel { resource, .. } => ("cancel".into(), resource.clone()),
                Work::Fence => ("fence".into(), String::new()),
            };
            RunningAction {
                action,
                service,
                assembly: run.assembly.clone(),
                since: run.since_wall_us,
            }
        });
        Some(TransitionStatus {
            number: transition.number,
            state: "running",
            started: transition.started_wall_us,
            completed: 0,
            actions: counts.actions,
            done: counts.done,
            failed: counts.failed,
            running: running.collect(),
        })
    }

    fn failure_statuses(&self) -> Vec<FailureStatus> {
        let mut failures: Vec<FailureStatus> = self
            .store
            .failures
            .iter()
            .filter_map(|((assembly, resource), facts)| {
                let record = facts.last.as_ref()?;
                let operation = &record.operation;
                let when = facts
                    .counts
                    .get(&format!("{}_{}", operation.action, operation.interval_ms));
                let when_s = when.map_or(0, |count| count.last_failure);
                Some(FailureStatus {
                    service: resource.clone(),
                    assembly: assembly.clone(),
                    operation: format!("{}/{}", operation.action, operation.interval_ms),
                    rc: record.rc,
                    time: u64::try_from(when_s).unwrap_or(0) * 1_000_000,
                    reason: record.describe(),
                })
            })
            .collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.time));
        failures
    }
}

/// The state of a service in one assembly. `None`: it is not there.
fn instance_state(assembly: &Assembly, resource: &str, unmanaged: bool) -> Option<&'static str> {
    if !matches!(assembly.life, Life::Online | Life::Missed) {
        return None;
    }
    let records = assembly.history.resource(resource)?;
    let pending = records
        .values()
        .find(|r| r.state == RecordState::Pending)
        .map(|r| r.operation.action.as_str());
    match (assembly.history.activity(resource), pending) {
        (_, Some("start" | "migrate_from")) => Some("starting"),
        (Some(Activity::Active | Activity::Failed), Some("stop" | "migrate_to")) => {
            Some("stopping")
        }
        (Some(Activity::Active), _) if unmanaged => Some("unmanaged"),
        (Some(Activity::Active), _) if promoted(records) => Some("promoted"),
        (Some(Activity::Active), _) => Some("started"),
        (Some(Activity::Failed), _) => Some("failed"),
        (Some(Activity::Inactive) | None, _) => None,
    }
}

/// The last word on the role was a promotion.
fn promoted(records: &crate::history::Records) -> bool {
    let call_id = |action: &str| {
        records
            .get(&(action.to_owned(), 0))
            .filter(|r| !r.failed())
            .map(|r| r.call_id)
    };
    let found = records
        .get(&("monitor".to_owned(), 0))
        .filter(|record| record.rc == 8)
        .map(|record| record.call_id);
    let up = call_id("promote").max(found);
    up.is_some() && up > call_id("demote") && up > call_id("start")
}
