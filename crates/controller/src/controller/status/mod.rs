//! What the controller says about itself: state, summary, status.

mod assemblies;
mod operations;
mod places;
mod references;
mod services;
mod trouble;
mod unfencing;

use cpe_status::{DeploymentStatus, DpeState, NextLook};

pub(super) use self::operations::came_to;
use super::Controller;
use crate::machines::announcement::Announced;
use crate::machines::assembly::Life;
use crate::vocabulary::{AssemblyId, FenceDevice, Fencing, Holder, SECOND, Spec, Time};

/// The most names of a list that a sentence has.
const NAMED: usize = 8;

/// Names in a sentence, which may be very many.
pub(super) fn some_of(names: &[&str]) -> String {
    match names.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => names.join(", "),
    }
}

impl Controller {
    /// The state.
    pub fn state(&self) -> DpeState {
        if self.phase.is_final() {
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
        if self.phase.is_final() {
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
            return format!("waiting for the agents of {}", some_of(&unknown));
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

    /// The epoch of this start; higher after a guest has told of one above it.
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

    /// The assemblies whose agents answer.
    pub fn online(&self) -> Vec<AssemblyId> {
        let all = self.assemblies.iter();
        let online = all.filter(|(_, assembly)| assembly.life() == Life::Online);
        online.map(|(name, _)| name.clone()).collect()
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
            values_withheld: false,
            // The CPE knows, and says it in the status.
            owner: String::new(),
            group: String::new(),
            host: String::new(),
            host_since: None,
            name: self.name.clone(),
            uuid: spec.map(|spec| spec.uuid.clone()).unwrap_or_default(),
            state: self.state().into(),
            summary: self.summary(),
            problems: self.problem_texts(),
            generation: self.generation(),
            epoch: self.epoch(),
            time: now.wall_us,
            maintenance: self.store.deployment().maintenance,
            assemblies: self.assembly_statuses(now),
            services: self.service_statuses(),
            resources: self.resource_statuses(),
            deciding: !self.deciding.is_settled(),
            transition: self.execution.status(),
            failures: self.failure_statuses(),
            bans: self.ban_statuses(),
            overlay: self.overlay_statuses(),
            fencing: self.fencing_statuses(),
            tickets: self.ticket_statuses(),
            references: self.reference_statuses(),
            configured: self
                .document
                .spec()
                .map(Spec::configured)
                .unwrap_or_default(),
            next_look: self.next_look(now),
            room: self.deciding.room().status(),
            options: self.kept_values(&Holder::Deployment),
        }
    }

    /// When the policy engine is asked again though nothing has changed.
    fn next_look(&self, now: Time) -> Option<NextLook> {
        let named = self.deciding.recheck_at_s().map(|(at_s, turn)| NextLook {
            time: u64::try_from(at_s).unwrap_or(0).saturating_mul(SECOND),
            reason: turn.to_string(),
            by_interval: false,
        });
        let interval = self.recheck_deadline().map(|at_us| NextLook {
            time: now.wall_us + at_us.saturating_sub(now.boottime_us),
            reason: "the recheck interval is over".into(),
            by_interval: true,
        });
        let looks = named.into_iter().chain(interval);
        looks.min_by_key(|look| look.time)
    }
}
