//! What the policy engine is asked, and what it answers. The controller only asks and hears: the
//! shell runs the engine beside it, because for thousands of services it may think for seconds, and
//! heartbeats cannot wait for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cpe_status::BanStatus;
use policy_engine::lint::Finding;
use policy_engine::model::{
    Cluster, LossPolicy, NodeId, ResourceId, Role, Turn, is_of_ban, is_of_move,
};
use policy_engine::{ActionKind, Cib, RunOptions, Schedule, TransitionGraph, Zone, lint};

use super::ids::{ServiceId, TicketId};
use super::limits::Limits;
use super::overlay::OverlayKey;

/// What the policy engine is asked: what is to be done in this world?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInput {
    pub(crate) number: u64,
    /// Shared, since it may be long and a failed answer needs it still.
    pub(crate) cib: Arc<str>,
    pub(crate) now_s: i64,
    /// If nothing is to be done: would there be, without one of these?
    pub(crate) without: Vec<Without>,
}

/// The same world without one entry of the overlay, which has done what it was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Without {
    pub entry: OverlayKey,
    pub cib: Arc<str>,
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
    pub terms: Terms,
    pub reasons: BTreeMap<u32, String>,
    /// Epoch seconds from which on the policy engine may decide otherwise, and why.
    pub recheck_at_s: Option<(i64, Turn)>,
    /// How often it is to be asked though nothing has changed; 0: never.
    pub recheck_interval_ms: u32,
    pub start_failure_is_fatal: bool,
    /// What is wrong with the graph.
    pub findings: Vec<Finding>,
    /// Entries of the overlay without which nothing would be to be done either.
    pub spent: Vec<OverlayKey>,
}

/// What the policy engine wants of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Goal {
    /// Its configuration does not say that it is to be stopped, and it has the tickets that it
    /// needs.
    pub enabled: bool,
    /// For how many of its instances there is an assembly.
    pub placed: u32,
    /// How many of these are promoted.
    pub promoted: u32,
    /// It is left alone.
    pub unmanaged: bool,
    /// Why it waits, if it does: for a ticket, or for a value.
    pub waits: Option<Waits>,
    /// `migration-threshold`; 0: failures never ban it.
    pub threshold: u32,
    /// `failure-timeout`; 0: failures are not forgotten by themselves.
    pub failure_timeout_ms: u32,
}

/// What a service needs and does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// A ticket.
    Ticket {
        ticket: TicketId,
        /// It is granted, but in standby.
        standby: bool,
    },
    /// A value that a parameter follows, for people.
    Value(String),
}

impl Waits {
    /// Why it runs on without what it needs (`loss-policy="freeze"`), for people.
    pub(crate) fn freezes(&self) -> String {
        match self {
            Waits::Ticket { ticket, standby } => {
                let state = state(*standby);
                format!("it is left as it is: ticket {ticket} is {state}")
            }
            Waits::Value(what) => format!("it is left as it is: {what} is not known"),
        }
    }
}

fn state(standby: bool) -> &'static str {
    match standby {
        true => "in standby",
        false => "not granted",
    }
}

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Waits::Ticket { ticket, standby } => {
                write!(
                    f,
                    "it waits for ticket {ticket}, which is {}",
                    state(*standby)
                )
            }
            Waits::Value(what) => write!(f, "it waits for {what}, which is not known yet"),
        }
    }
}

/// By which terms a decision was made, as far as a status tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Assemblies and resources whose failures are not forgotten although there is a
    /// `failure-timeout`: one of them has `on-fail=block`.
    pub kept_failures: BTreeSet<(String, String)>,
    /// What moves have left in the configuration.
    pub bans: Vec<BanStatus>,
}

/// The rules of time zones, by their names. A shell reads them from its host; the controller only
/// passes names on.
pub type Zones = fn(&str) -> Option<Zone>;

/// What knows no zone.
pub(crate) fn only_utc(_name: &str) -> Option<Zone> {
    None
}

/// There is nothing to do: what a graph has, if anything, are pseudo-actions, which only order
/// others. Those that tell when an assembly has room (`load_stopped_…`) are in a graph whenever
/// something has a utilization.
pub(crate) fn does_nothing(graph: &TransitionGraph) -> bool {
    let mut heads = graph.synapses.iter().map(|it| graph.head(it.action));
    heads.all(|head| head.is_none_or(|head| head.kind == ActionKind::Pseudo))
}

/// The decision about a CIB, in the time zone that it names.
///
/// # Errors
/// Why there is none.
pub(crate) fn scheduled(cib: &str, now_s: i64, zones: Zones) -> Result<Schedule, String> {
    let cib = Cib::parse_accepted(cib).map_err(|error| error.to_string())?;
    let run = RunOptions {
        zone: cib.zone(zones)?,
        ..RunOptions::default()
    };
    Ok(policy_engine::schedule(&cib, now_s, run))
}

impl EngineInput {
    /// A question about a configuration and its state, given as a CIB; `now_s` is the wall clock
    /// in epoch seconds.
    pub fn new(number: u64, cib: Arc<str>, now_s: i64) -> EngineInput {
        EngineInput {
            number,
            cib,
            now_s,
            without: Vec::new(),
        }
    }

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
            let mut outcome = Outcome::new(schedule);
            if does_nothing(&outcome.graph) {
                outcome.spent = self.spent(zones);
            }
            outcome
        });
        Decision {
            input: self,
            outcome,
        }
    }
}

impl EngineInput {
    /// Entries of the overlay that can go, and nothing happens.
    fn spent(&self, zones: Zones) -> Vec<OverlayKey> {
        let stays = |without: &&Without| {
            scheduled(&without.cib, self.now_s, zones)
                .is_ok_and(|schedule| does_nothing(&schedule.graph))
        };
        let spent = self.without.iter().filter(stays);
        spent.map(|without| without.entry.clone()).collect()
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
            terms: Terms {
                kept_failures: kept_failures(&schedule),
                bans: bans(&schedule),
            },
            reasons: reasons(&schedule),
            recheck_at_s: schedule.cluster.turns_at.get(),
            recheck_interval_ms: schedule.cluster.options.recheck_interval_ms,
            start_failure_is_fatal: schedule.graph.attribute("failed-start-offset") != Some("1"),
            findings: lint(&schedule),
            spent: Vec::new(),
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
        let waits = waits(cluster, id);
        let left_alone = !resource.managed && !resource.active_on.is_empty();
        goal.enabled |= !disabled && waits.is_none();
        if !disabled && goal.waits.is_none() {
            goal.waits = waits;
        }
        if resource.assigned.is_some() || left_alone {
            goal.placed += 1;
            let role = match left_alone {
                true => resource.role,
                false => resource.next_role,
            };
            goal.promoted += u32::from(role == Role::Promoted);
        }
        goal.unmanaged |= !resource.managed;
        goal.threshold = u32::try_from(resource.migration_threshold.0).unwrap_or(0);
        goal.failure_timeout_ms = resource.failure_timeout_ms.max(goal.failure_timeout_ms);
    }
    goals
}

/// A ticket without which a resource does not run (scheduler-spec/03 §6); what only its promotion
/// waits for does not count.
fn waits(cluster: &Cluster, id: ResourceId) -> Option<Waits> {
    let mut holder = Some(id);
    while let Some(id) = holder {
        let resource = cluster.resource(id);
        for known in &resource.tickets {
            let needs = &cluster.ticket_constraints[known.index()];
            let ticket = &cluster.tickets[needs.ticket.index()];
            let of_role = needs.role == Some(Role::Promoted);
            let missing = !ticket.granted || ticket.standby;
            if missing && (!of_role || needs.loss_policy == LossPolicy::Stop) {
                return Some(Waits::Ticket {
                    ticket: TicketId::from(&*ticket.id),
                    standby: ticket.granted,
                });
            }
        }
        holder = resource.parent;
    }
    None
}

/// Failures that `on-fail=block` keeps (scheduler-spec/02 §19.2): there the policy engine has taken
/// the timeout away.
fn kept_failures(schedule: &Schedule) -> BTreeSet<(String, String)> {
    let cluster = &schedule.cluster;
    let mut kept = BTreeSet::new();
    for resource in cluster.resources.iter().filter(|it| it.is_primitive()) {
        let configured = resource.meta.text("failure-timeout");
        let has_timeout = configured.is_some_and(|text| !matches!(text, "0" | "0s"));
        if resource.failure_timeout_ms > 0 || !has_timeout {
            continue;
        }
        let one_of_many = !resource.unique;
        for (index, node) in cluster.nodes.iter().enumerate() {
            if !one_of_many || resource.active_on.contains(&NodeId::new(index)) {
                kept.insert((node.name.to_string(), resource.known_as().to_string()));
            }
        }
    }
    kept
}

/// Location constraints whose ids are those of moves.
fn bans(schedule: &Schedule) -> Vec<BanStatus> {
    let cluster = &schedule.cluster;
    let by_move = |id: &str| is_of_ban(id) || is_of_move(id);
    let locations = cluster.locations.iter().filter(|it| by_move(&it.id));
    let bans: BTreeSet<BanStatus> = locations
        .flat_map(|location| {
            location.nodes.iter().map(|(node, score)| BanStatus {
                constraint: location.id.to_string(),
                service: cluster.resource(location.resource).config_id.to_string(),
                assembly: cluster.node(*node).name.to_string(),
                role: location.role.map_or("", Role::name).to_owned(),
                score: score.to_string(),
                set_by_guest: false,
            })
        })
        .collect();
    bans.into_iter().collect()
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
