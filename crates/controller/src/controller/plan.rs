//! What would be done with a document, without doing it: the same engine on a copy of the state.

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{GUEST_SECRETS, Plan, PlanAction, PlanBasis};
use deployment::{LiveReference, LiveSource};
use policy_engine::model::{NodeId, ResourceId, Role, Task};
use policy_engine::{ActionKind, Schedule, lint};

use super::Controller;
use super::cib::{self, Node, NodeState};
use super::initiate::switches_on;
use super::living::waits_of;
use super::resolve::{self, Given};
use super::service_plan::outcome;
use super::status::some_of;
use crate::machines::arrivals::NO_ARRIVALS;
use crate::machines::history::History;
use crate::vocabulary::{
    AssemblyId, AssemblySpec, CONFIGURE, Proposal, Refusal, ServiceId, ServiceSpec, Spec, Time,
    Waits, Zones, goal, only_utc, scheduled,
};

/// What a plan says where nothing is loaded and so no guest was heard.
const ASSUMED: &str =
    "the plan assumes that the guests tell what parameters follow of them: no agent was heard yet";

/// The policy engine's input for a plan: what would a document bring? As with
/// [`EngineInput`](crate::EngineInput), a shell has it answered beside everything else.
#[derive(Clone, Debug)]
pub struct PlanInput {
    cib: String,
    now_s: i64,
    /// Ids of the document's services.
    services: Vec<ServiceId>,
    /// Those of them that wait for a value, and for which.
    waiting: BTreeMap<ServiceId, Waits>,
    /// The input as it is now: what would run nowhere then, and has a place without it, is refused
    /// unless it is forced.
    keeps: Option<String>,
    /// All but what the policy engine says.
    plan: Plan,
}

/// What a document would be loaded into.
pub(super) struct Planned {
    /// The policy engine's input.
    pub cib: String,
    waiting: BTreeMap<ServiceId, Waits>,
    warnings: Vec<String>,
}

impl PlanInput {
    /// The same; refused unless it is forced, if what has a place by this input, when what is under
    /// way is done, would run nowhere then.
    pub(super) fn that_keeps_all_of(self, before: String) -> PlanInput {
        PlanInput {
            keeps: Some(before),
            ..self
        }
    }

    /// As [`PlanInput::answer_in`], where no zone is known but UTC.
    ///
    /// # Errors
    /// As there.
    pub fn answer(self) -> Result<Plan, Refusal> {
        self.answer_in(only_utc)
    }

    /// Asks the policy engine. Pure. `zones` knows the rules of the time zone that the input names.
    ///
    /// # Errors
    /// [`Refusal::InvalidDocument`] if it cannot read what the document amounts to;
    /// [`Refusal::NotReady`] if nobody can say whether it would hold.
    pub fn answer_in(self, zones: Zones) -> Result<Plan, Refusal> {
        let schedule = scheduled(&self.cib, self.now_s, zones).map_err(Refusal::InvalidDocument)?;
        let mut plan = self.plan;
        let findings = lint(&schedule).into_iter();
        plan.warnings
            .extend(findings.map(|finding| format!("this cannot be carried out: {finding}")));
        let actions = actions(&schedule);
        let blocked = blocked(&self.services, &self.waiting, &schedule);
        if let Some(before) = &self.keeps {
            let (_, before, _) = outcome(before, self.now_s, zones)?;
            let (_, with, _) = outcome(&self.cib, self.now_s, zones)?;
            let left_out = before.missing_in(&with);
            let left_out = left_out.map(|service| left_out_of(&blocked, service));
            plan.refused.extend(left_out);
        }
        Ok(Plan {
            actions,
            blocked,
            ..plan
        })
    }
}

impl Controller {
    /// Asks what loading this document would bring, from what runs now; if nothing is loaded, as if
    /// nothing ran and all agents answered.
    ///
    /// # Errors
    /// [`Refusal::InvalidDocument`] with all problems; [`Refusal::NotReady`] while there are
    /// assemblies of which nothing is known.
    pub fn plan(&self, now: Time, document: &str) -> Result<PlanInput, Refusal> {
        self.plan_proposal(now, &Proposal::read(&self.name, document.to_owned())?)
    }

    /// As [`Controller::plan`], of a document that is read already.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] while there are assemblies of which nothing is known.
    pub fn plan_proposal(&self, now: Time, proposal: &Proposal) -> Result<PlanInput, Refusal> {
        let spec = &proposal.spec;
        let Planned {
            cib,
            waiting,
            warnings,
        } = self.planned(now, spec)?;
        let live = self.store.loaded().is_some();
        Ok(PlanInput {
            waiting,
            keeps: None,
            cib,
            now_s: now.wall_s(),
            services: spec
                .services
                .iter()
                .map(|service| service.id.clone())
                .collect(),
            plan: Plan {
                deployment: self.name.clone(),
                generation: self.generation(),
                basis: if live {
                    PlanBasis::Live
                } else {
                    PlanBasis::Empty
                },
                warnings,
                failover: proposal.failover.clone(),
                configured: spec.configured(),
                ..Plan::default()
            },
        })
    }

    /// The state as it would be when a document was loaded, and nothing was done yet.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] while there are assemblies of which nothing is known.
    pub(super) fn planned(&self, now: Time, spec: &Spec) -> Result<Planned, Refusal> {
        let live = self.store.loaded().is_some();
        if live {
            self.may_plan()?;
        }
        let (nothing, none) = (History::default(), BTreeMap::new());
        let mut input = self.cib_input(now, spec);
        for (name, assembly) in &spec.assemblies {
            if !self.assemblies.contains_key(name) {
                let state = if assembly.address.is_some() {
                    NodeState::Online
                } else {
                    NodeState::Safe
                };
                input.nodes.push(Node {
                    name,
                    state,
                    standby: false,
                    maintenance: false,
                    terminate: false,
                    retired: false,
                    in_doubt: false,
                    arrivals: &NO_ARRIVALS,
                    unfenced: None,
                    history: &nothing,
                    attributes: &none,
                });
            }
        }
        let mut warnings = self.warnings(spec);
        let mut waiting = self.waiting(spec);
        if !live && !waiting.is_empty() {
            let given = spec.live.iter().map(assumed);
            let given: Vec<Given> = given.collect();
            input.configuration = resolve::configuration(spec, &given, false);
            let still = waits_of(spec, |it| assumed(it) == Given::Unknown);
            if waiting.len() > still.len() {
                warnings.push(ASSUMED.to_owned());
            }
            waiting = still;
        }
        Ok(Planned {
            cib: cib::write(&input),
            waiting,
            warnings,
        })
    }

    /// A plan tells from what is known.
    pub(super) fn may_plan(&self) -> Result<(), Refusal> {
        let why = if !self.everything_known() {
            "nothing is known yet about some assemblies"
        } else if self.is_looking() {
            "what runs is being looked at"
        } else {
            return Ok(());
        };
        Err(Refusal::NotReady(format!(
            "{why}: try again in some seconds"
        )))
    }

    /// Asks what would be done if something were otherwise in assemblies.
    pub(super) fn plan_with(
        &self,
        now: Time,
        change: impl Fn(&mut Node<'_>),
    ) -> Result<PlanInput, Refusal> {
        self.may_plan()?;
        let Some(spec) = self.document.spec() else {
            return Err(Refusal::NotReady(
                "no document is loaded: load one first".into(),
            ));
        };
        let mut input = self.cib_input(now, spec);
        input.nodes.iter_mut().for_each(change);
        let services = spec.services.iter().map(|service| service.id.clone());
        Ok(PlanInput {
            waiting: self.waiting(spec),
            keeps: None,
            cib: cib::write(&input),
            now_s: now.wall_s(),
            services: services.collect(),
            plan: Plan {
                deployment: self.name.clone(),
                generation: self.generation(),
                basis: PlanBasis::Live,
                ..Plan::default()
            },
        })
    }

    /// What a document brings besides actions: new assemblies, and assemblies that are another
    /// guest from then on.
    fn warnings(&self, spec: &Spec) -> Vec<String> {
        if self.document.spec().is_none() {
            return Vec::new();
        }
        let warning = |(name, new): (&AssemblyId, &AssemblySpec)| {
            let Some(own) = self.assemblies.get(name) else {
                return Some(format!(
                    "assembly {name} is new: the plan assumes that it answers and that nothing runs there"
                ));
            };
            Self::is_another_guest(own.spec(), new).then(|| {
                format!(
                    "assembly {name} becomes another guest: its services stop in the guest that it is now, which is then \
                     released, or made safe by its present fencing; only then do they start elsewhere or in the new guest"
                )
            })
        };
        let mut warnings: Vec<String> = spec.assemblies.iter().filter_map(warning).collect();
        let runs_first = |it: &ServiceSpec| it.configure.is_some();
        let what = "does not run what <configure> of";
        warnings.extend(self.too_old_agents(spec, runs_first, CONFIGURE, what));
        let what = "does not read in its guest what the parameters of";
        let reads = |it: &ServiceSpec| it.reads_guest;
        warnings.extend(self.too_old_agents(spec, reads, GUEST_SECRETS, what));
        warnings
    }

    /// What changes restarts its service, and a guest whose agent does not run what is to be run
    /// before would have stopped it by then.
    fn too_old_agents(
        &self,
        spec: &Spec,
        needs: impl Fn(&ServiceSpec) -> bool,
        capability: &str,
        what: &str,
    ) -> Option<String> {
        let service = spec.services.iter().find(|it| needs(it))?;
        let is_too_old = |name: &&AssemblyId| {
            let own = self.assemblies.get(*name);
            let own = own.filter(|own| own.contact().is_up());
            own.is_some_and(|own| !own.hello().capabilities.iter().any(|it| it == capability))
        };
        let old = spec.assemblies.keys().filter(is_too_old);
        let old: Vec<&str> = old.map(AssemblyId::as_str).collect();
        (!old.is_empty()).then(|| {
            format!(
                "the cpe-agent of {} is of a version that {what} {} says: a service with one is \
                 stopped by this change and does not start again there; install this version there first",
                some_of(&old),
                service.id
            )
        })
    }
}

/// What happens to each resource and assembly, in the order in which the graph lets it begin.
pub(super) fn actions(schedule: &Schedule) -> Vec<PlanAction> {
    let mut actions = Vec::new();
    let mut planned_for: BTreeSet<ResourceId> = BTreeSet::new();
    for index in order(schedule) {
        let action = schedule.graph.synapses[index].action;
        let Some(head) = schedule.graph.head(action) else {
            continue;
        };
        let Some(planned) = schedule.cluster.actions.get(action as usize - 1) else {
            continue;
        };
        let node = head
            .on_node
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let reason = planned
            .reason
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        if head.kind == ActionKind::Cluster && planned.task == Task::Stonith {
            let action = schedule.graph.actions.get(index);
            let lets_in = action.is_some_and(switches_on);
            actions.push(PlanAction {
                action: if lets_in { "unfence" } else { "fence" }.into(),
                from: node,
                reason,
                ..PlanAction::default()
            });
            continue;
        }
        let Some(resource) = planned.resource else {
            continue;
        };
        let changes = matches!(
            planned.task,
            Task::Start | Task::Stop | Task::Promote | Task::Demote | Task::ReloadAgent
        );
        if changes
            && schedule.cluster.resource(resource).is_primitive()
            && planned_for.insert(resource)
        {
            actions.extend(of_resource(schedule, resource, &reason));
        }
    }
    actions
}

fn of_resource(schedule: &Schedule, id: ResourceId, reason: &str) -> Option<PlanAction> {
    let resource = schedule.cluster.resource(id);
    let name = |node: Option<NodeId>| {
        node.map(|node| schedule.cluster.node(node).name.to_string())
            .unwrap_or_default()
    };
    let from = name(resource.active_on.first().copied());
    let to = if resource.next_role == Role::Stopped {
        String::new()
    } else {
        name(resource.assigned)
    };
    let action = match (from.as_str(), to.as_str()) {
        ("", "") => return None,
        ("", _) => "start",
        (_, "") => "stop",
        (from, to) if from != to => "move",
        _ if resource.reload => "reload",
        _ if resource.role < Role::Promoted && resource.next_role == Role::Promoted => "promote",
        _ if resource.role == Role::Promoted && resource.next_role < Role::Promoted => "demote",
        _ => "restart",
    };
    Some(PlanAction {
        action: action.into(),
        service: resource.id.to_string(),
        clone: clone_of(schedule, id),
        from,
        to,
        reason: reason.to_owned(),
    })
}

/// The clone that a resource is an instance of, or of a member of it; empty: of none.
fn clone_of(schedule: &Schedule, id: ResourceId) -> String {
    let cluster = &schedule.cluster;
    let top = cluster.resource(cluster.top(id));
    let name = top.is_clone().then(|| top.id.to_string());
    name.unwrap_or_default()
}

/// Synapses in an order in which they could begin.
fn order(schedule: &Schedule) -> Vec<usize> {
    let synapses = &schedule.graph.synapses;
    let mut missing: Vec<usize> = synapses
        .iter()
        .map(|synapse| synapse.inputs.len())
        .collect();
    let mut dependents: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, synapse) in synapses.iter().enumerate() {
        for input in &synapse.inputs {
            dependents.entry(*input).or_default().push(index);
        }
    }
    let mut order: Vec<usize> = (0..synapses.len())
        .filter(|index| missing[*index] == 0)
        .collect();
    let mut at = 0;
    while let Some(index) = order.get(at).copied() {
        at += 1;
        let dependent = dependents.get(&synapses[index].action);
        for dependent in dependent.into_iter().flatten() {
            missing[*dependent] -= 1;
            if missing[*dependent] == 0 {
                order.push(*dependent);
            }
        }
    }
    order
}

/// What a parameter has where nobody was asked yet: guests tell what they are, and nobody has set
/// an attribute.
fn assumed(reference: &LiveReference) -> Given {
    match (&reference.fallback, &reference.source) {
        (Some(fallback), _) => Given::Value(fallback.clone()),
        (None, LiveSource::Guest(_)) => Given::Value(String::new()),
        (None, LiveSource::Attribute(_)) => Given::Unknown,
    }
}

/// That a service would run nowhere, and why.
fn left_out_of(blocked: &[PlanAction], service: &ServiceId) -> String {
    let known = blocked.iter().find(|it| it.service == service.as_str());
    let reason = known.map_or("no assembly may run it", |it| &*it.reason);
    format!("{service} would run nowhere: {reason}")
}

/// Services that should run and have no place.
fn blocked(
    services: &[ServiceId],
    waiting: &BTreeMap<ServiceId, Waits>,
    schedule: &Schedule,
) -> Vec<PlanAction> {
    let goals = goal(schedule);
    let why = |id: &ServiceId| {
        let goal = goals.get(id).filter(|goal| goal.placed == 0)?;
        match waiting.get(id).or(goal.waits.as_ref()) {
            Some(waits) => Some(waits.to_string()),
            None => goal.enabled.then(|| "no assembly may run it".to_owned()),
        }
    };
    let homeless = |service: &ServiceId| {
        Some(PlanAction {
            action: "leave".into(),
            service: service.to_string(),
            reason: why(service)?,
            ..PlanAction::default()
        })
    };
    services.iter().filter_map(homeless).collect()
}
