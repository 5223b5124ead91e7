//! What the policy engine is asked, and what it answers. The controller only asks and hears: the
//! shell runs the engine beside it, because for thousands of services it may think for seconds, and
//! heartbeats cannot wait for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy_engine::lint::Finding;
use policy_engine::model::{ResourceId, Role};
use policy_engine::{Cib, RunOptions, Schedule, TransitionGraph, Zone, lint};

use super::ids::ServiceId;
use super::limits::Limits;

/// What the policy engine is asked: what is to be done in this world?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInput {
    pub(crate) number: u64,
    /// Shared, since it may be long and a failed answer needs it still.
    pub(crate) cib: Arc<str>,
    pub(crate) now_s: i64,
}

/// What the policy engine answers to an [`EngineInput`].
#[derive(Clone, Debug)]
pub struct Decision {
    /// To what.
    pub(crate) input: EngineInput,
    /// `Err`: why there is no answer.
    pub(crate) outcome: Result<Outcome, String>,
}

/// A decision, apart from the engine's model of the world.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub graph: TransitionGraph,
    pub graph_text: String,
    pub limits: Limits,
    pub goal: BTreeMap<ServiceId, Goal>,
    pub reasons: BTreeMap<u32, String>,
    /// Epoch seconds from which on the policy engine may decide otherwise.
    pub recheck_at_s: Option<i64>,
    /// How often it is to be asked though nothing has changed; 0: never.
    pub recheck_interval_ms: u32,
    pub start_failure_is_fatal: bool,
    /// What is wrong with the graph.
    pub findings: Vec<Finding>,
}

/// What the policy engine wants of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Goal {
    /// Its configuration does not say that it is to be stopped.
    pub enabled: bool,
    /// There is an assembly for it.
    pub placed: bool,
    /// It is left alone.
    pub unmanaged: bool,
}

/// The rules of time zones, by their names. A shell reads them from its host; the controller only
/// passes names on.
pub type Zones = fn(&str) -> Option<Zone>;

/// What knows no zone.
pub(crate) fn only_utc(_name: &str) -> Option<Zone> {
    None
}

/// The decision about a CIB, in the time zone that it names.
///
/// # Errors
/// Why there is none.
pub(crate) fn scheduled(cib: &str, now_s: i64, zones: Zones) -> Result<Schedule, String> {
    let cib = Cib::parse_accepted(cib).map_err(|error| error.to_string())?;
    let zone = match cib.time_zone() {
        None => Zone::default(),
        Some(name) => zones(name)
            .ok_or_else(|| format!("this host knows no time zone '{name}': see `time_zone`"))?,
    };
    let run = RunOptions {
        zone,
        ..RunOptions::default()
    };
    Ok(policy_engine::schedule(&cib, now_s, run))
}

impl EngineInput {
    /// Its number, which the answer carries.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// As [`EngineInput::answer_in`], where no zone is known but UTC.
    pub fn answer(self) -> Decision {
        self.answer_in(only_utc)
    }

    /// Asks the policy engine, and checks what it decides. Pure; takes some microseconds per
    /// service, and more where services are entangled. `zones` knows the rules of the time zone
    /// that the input names.
    pub fn answer_in(self, zones: Zones) -> Decision {
        self.answer_changed(zones, |_| {})
    }

    /// What a policy engine with a defect would answer: `change` is made to its decision before
    /// that is checked. Only for simulations, to see what becomes of a wrong decision.
    pub fn answer_changed(
        self,
        zones: Zones,
        change: impl FnOnce(&mut TransitionGraph),
    ) -> Decision {
        let outcome = scheduled(&self.cib, self.now_s, zones).map(|mut schedule| {
            change(&mut schedule.graph);
            Outcome::new(schedule)
        });
        Decision {
            input: self,
            outcome,
        }
    }
}

impl Decision {
    /// The answer when the policy engine could not give one: a defect ended it. Nothing is done,
    /// and the policy engine is asked again when the world has changed.
    pub fn failed(input: EngineInput, reason: String) -> Decision {
        Decision {
            input,
            outcome: Err(reason),
        }
    }

    /// Changes what is to be done after it was checked. Only for simulations: to see that they
    /// notice what is done wrong.
    pub fn change_graph(&mut self, change: impl FnOnce(&mut TransitionGraph)) {
        if let Ok(outcome) = &mut self.outcome {
            change(&mut outcome.graph);
        }
    }
}

impl Outcome {
    fn new(schedule: Schedule) -> Outcome {
        Outcome {
            graph_text: policy_engine::graph::write(&schedule.graph),
            limits: Limits::new(&schedule),
            goal: goal(&schedule),
            reasons: reasons(&schedule),
            recheck_at_s: schedule.cluster.turns_at.get(),
            recheck_interval_ms: schedule.cluster.options.recheck_interval_ms,
            start_failure_is_fatal: schedule.graph.attribute("failed-start-offset") != Some("1"),
            findings: lint(&schedule),
            graph: schedule.graph,
        }
    }
}

/// What the policy engine wants of each service.
pub(crate) fn goal(schedule: &Schedule) -> BTreeMap<ServiceId, Goal> {
    let cluster = &schedule.cluster;
    let mut goals: BTreeMap<ServiceId, Goal> = BTreeMap::new();
    for (index, resource) in cluster.resources.iter().enumerate() {
        if !resource.is_primitive() || resource.removed {
            continue;
        }
        let id = ResourceId::new(index);
        let goal = goals
            .entry(ServiceId::of_resource(&resource.config_id))
            .or_default();
        let disabled = cluster.target_role(id) == Some(Role::Stopped);
        goal.enabled |= !disabled;
        goal.placed |=
            resource.assigned.is_some() || (!resource.managed && !resource.active_on.is_empty());
        goal.unmanaged |= !resource.managed;
    }
    goals
}

/// Why actions are done, as the policy engine says, by their numbers in the graph.
fn reasons(schedule: &Schedule) -> BTreeMap<u32, String> {
    let actions = schedule.cluster.actions.iter().enumerate();
    actions
        .filter_map(|(index, action)| {
            Some((
                u32::try_from(index).ok()? + 1,
                action.reason.as_ref()?.to_string(),
            ))
        })
        .collect()
}
