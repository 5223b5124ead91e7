//! What an order about a service would bring, without doing it, and why it would not hold: the same
//! engine on a copy of the state, before and after.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{OverlayKind, PlanAction, ServicePlan};
use policy_engine::model::{Cluster, ResourceId, Role};
use policy_engine::xml::Writer;
use policy_engine::{Cib, RunOptions, Schedule, simulation};

use super::Controller;
use super::overlay::{Ordered, Target, path, sentence};
use super::plan::actions;
use super::settled::settled;
use crate::machines::assembly::Life;
use crate::machines::overlay::{EntryChange, changed};
use crate::vocabulary::{
    AssemblyId, Lifetime, Refusal, ServiceId, ServiceOrder, Time, Zones, fnv, only_utc, scheduled,
};

/// The most services that a refusal names.
const NAMED: usize = 8;

/// The policy engine's inputs for the plan of an order about a service. As with
/// [`EngineInput`](crate::EngineInput), a shell has them answered beside everything else.
#[derive(Clone, Debug)]
pub struct ServicePlanInput {
    deployment: String,
    ordered: Ordered,
    now_s: i64,
    /// Assemblies that have to be made safe.
    lost: BTreeSet<String>,
    /// The command that ends what holds the service beside its own entries.
    held_by: Option<String>,
    /// As it is.
    before: String,
    /// With what is ordered.
    with: String,
    /// All but what the policy engine says.
    plan: ServicePlan,
}

/// Where what is to run runs, by service.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seats {
    all: BTreeMap<ServiceId, BTreeSet<String>>,
    promoted: BTreeMap<ServiceId, BTreeSet<String>>,
    /// By resource: the node.
    by_resource: BTreeMap<String, String>,
}

impl Seats {
    /// Where things run in a state.
    fn of(cluster: &Cluster) -> Seats {
        let mut seats = Seats::default();
        for resource in cluster.resources.iter().filter(|own| own.is_primitive()) {
            let Some(node) = resource.active_on.first().filter(|_| !resource.removed) else {
                continue;
            };
            let node = cluster.node(*node).name.to_string();
            let service = ServiceId::of_resource(&resource.config_id);
            if resource.role == Role::Promoted {
                let promoted = seats.promoted.entry(service.clone()).or_default();
                promoted.insert(node.clone());
            }
            seats.all.entry(service).or_default().insert(node.clone());
            seats.by_resource.insert(resource.id.to_string(), node);
        }
        seats
    }

    /// The assemblies of some services, or (`promoted`) those where they are promoted.
    fn places(&self, services: &BTreeSet<ServiceId>, promoted: bool) -> BTreeSet<&str> {
        let seats = if promoted { &self.promoted } else { &self.all };
        let own = services.iter().filter_map(|service| seats.get(service));
        own.flatten().map(String::as_str).collect()
    }

    /// Services that have a place here and none there.
    pub(super) fn missing_in<'s>(
        &'s self,
        other: &'s Seats,
    ) -> impl Iterator<Item = &'s ServiceId> {
        let own = self.all.keys();
        own.filter(|service| !other.all.contains_key(*service))
    }
}

impl Controller {
    /// Asks what an order about a service would bring, and whether it would hold.
    ///
    /// # Errors
    /// As the order itself; and [`Refusal::NotReady`] while there are assemblies of which nothing
    /// is known.
    pub fn plan_service(
        &self,
        now: Time,
        asked: &ServiceId,
        order: &ServiceOrder,
    ) -> Result<ServicePlanInput, Refusal> {
        let ordered = self.ordered(now, asked, order, "")?;
        self.may_plan()?;
        let Some(spec) = self.document.spec() else {
            return Err(Refusal::NotReady("no document is in force".into()));
        };
        let overlay = self.store.overlay();
        let after = changed(overlay, &ordered.changes).map_err(Refusal::InvalidArgument)?;
        let told = ordered.changes.iter().filter_map(|(key, facts)| {
            let known = overlay.get(key);
            match facts {
                Some(facts) => Some(match known {
                    Some(known) => {
                        format!(
                            "{} (no longer: {})",
                            sentence(key, facts),
                            sentence(key, known)
                        )
                    }
                    None => sentence(key, facts),
                }),
                None => known.map(|facts| format!("no longer: {}", sentence(key, facts))),
            }
        });
        let plan = ServicePlan {
            deployment: self.name.clone(),
            generation: self.generation(),
            refused: self.refusals(&ordered),
            verb: ordered.order.verb().to_owned(),
            service: ordered.target.service.to_string(),
            unchanged: ordered.changes.is_empty(),
            changes: told.collect(),
            ..ServicePlan::default()
        };
        Ok(ServicePlanInput {
            deployment: self.name.clone(),
            lost: self.lost(),
            held_by: self.held_by(&ordered),
            now_s: now.wall_s(),
            before: self.cib(now),
            with: self.cib_with(now, spec, &after),
            ordered,
            plan,
        })
    }

    /// Why an order makes no sense now, as far as that is known without the policy engine.
    fn refusals(&self, ordered: &Ordered) -> Vec<String> {
        let services = &ordered.target.services;
        let is_restarted = || {
            let entries = self.store.overlay().keys();
            let mut restarts = entries.filter(|key| key.kind == OverlayKind::Restart);
            restarts.any(|key| {
                let own = self.target(&key.service, &ServiceOrder::Restart);
                own.is_ok_and(|own| !own.services.is_disjoint(services))
            })
        };
        if let Some(why) = self.weakens(ordered) {
            return vec![why];
        }
        let why = match ordered.order {
            ServiceOrder::Restart if self.rows(&ordered.target).is_empty() => {
                "it runs nowhere: there is nothing to restart"
            }
            ServiceOrder::Unmanage if is_restarted() => {
                "it is being restarted, and would stay down"
            }
            _ => return Vec::new(),
        };
        vec![why.to_owned()]
    }

    /// A ban takes the place of one that forbids more.
    fn weakens(&self, ordered: &Ordered) -> Option<String> {
        let ServiceOrder::Ban { assembly, .. } = &ordered.order else {
            return None;
        };
        let weaker = |(key, facts): &EntryChange| {
            let known = self.store.overlay().get(key);
            let forbids_less = facts.as_ref().is_some_and(|facts| facts.promoted);
            forbids_less && known.is_some_and(|known| !known.promoted)
        };
        let service = &ordered.target.service;
        ordered.changes.iter().any(weaker).then(|| {
            format!(
                "{service} is banned from {assembly} altogether, and could run there then: cpectl clear {} {service} {assembly} ends that first",
                self.name
            )
        })
    }

    /// Assemblies that have to be made safe.
    fn lost(&self) -> BTreeSet<String> {
        let all = self.assemblies.iter();
        let lost = all.filter(|(_, own)| own.life() == Life::Lost || own.fence().is_some());
        lost.map(|(name, _)| name.to_string()).collect()
    }

    /// What contains the service and keeps an order to enable or manage it from helping: the
    /// command that ends that.
    fn held_by(&self, ordered: &Ordered) -> Option<String> {
        let (kind, verb) = match ordered.order {
            ServiceOrder::Enable => (OverlayKind::Disable, "enable"),
            ServiceOrder::Manage => (OverlayKind::Unmanage, "manage"),
            _ => return None,
        };
        let own = &ordered.target.service;
        let resources = self.document.spec().map(|spec| &spec.resources[..]);
        let path = path(resources.unwrap_or_default(), own.as_str());
        let overlay = self.store.overlay().keys();
        let mut holding = overlay.filter(|key| key.kind == kind && key.service != *own);
        let held = holding.find(|key| path.iter().any(|outer| key.service == *outer.name))?;
        Some(format!("cpectl {verb} {} {}", self.name, held.service))
    }
}

impl ServicePlanInput {
    /// The order with what was left open in it: what is planned, and to be given then.
    pub fn order(&self) -> &ServiceOrder {
        &self.ordered.order
    }

    /// As [`ServicePlanInput::answer_in`], where no zone is known but UTC.
    ///
    /// # Errors
    /// As there.
    pub fn answer(self) -> Result<ServicePlan, Refusal> {
        self.answer_in(only_utc)
    }

    /// Asks the policy engine. Pure; takes as long as three decisions. `zones` knows the rules of
    /// the time zone that the input names.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] if it cannot decide.
    pub fn answer_in(self, zones: Zones) -> Result<ServicePlan, Refusal> {
        let (first, before, _) = self.outcome(&self.before, zones)?;
        let mut plan = self.plan.clone();
        if plan.unchanged {
            self.look_at_document(&first, &mut plan);
            plan.fingerprint = fingerprint(&plan, &self.ordered.changes);
            return Ok(plan);
        }
        let (then, with, done) = self.outcome(&self.with, zones)?;
        plan.actions = actions(&then);
        let comes_back = matches!(
            self.ordered.order,
            ServiceOrder::Restart
                | ServiceOrder::Move {
                    lifetime: Lifetime::Placed,
                    ..
                }
        );
        let after = match comes_back {
            true => Some(self.outcome(&self.ended(&done)?, zones)?.1),
            false => None,
        };
        self.look_at_document(&then, &mut plan);
        self.warn_of_what_stays(&with, &mut plan);
        self.judge_losses(&mut plan);
        self.judge(&before, &with, after.as_ref(), &mut plan);
        for action in &mut plan.actions {
            only_stops(action, &with);
        }
        if let (ServiceOrder::Restart, Some(after)) = (&self.ordered.order, &after) {
            plan.actions
                .iter_mut()
                .for_each(|action| again(action, after));
        }
        plan.fingerprint = fingerprint(&plan, &self.ordered.changes);
        Ok(plan)
    }

    /// What is decided about an input, and what the world is like when that is done, and what is
    /// under way now.
    fn outcome(&self, input: &str, zones: Zones) -> Result<(Schedule, Seats, String), Refusal> {
        outcome(input, self.now_s, zones)
    }

    /// A state in which the order has ended.
    fn ended(&self, text: &str) -> Result<String, Refusal> {
        let unread = |error: policy_engine::Error| Refusal::NotReady(error.to_string());
        let before = Cib::parse_accepted(&self.before).map_err(unread)?;
        let mut own = Writer::new();
        if let Some(configuration) = before.document().root().child("configuration") {
            own.element(configuration);
        }
        let (begin, end) = ("<configuration", "</configuration>");
        let (Some(from), Some(to)) = (text.find(begin), text.find(end)) else {
            return Err(Refusal::NotReady("there is no configuration".into()));
        };
        let rest = &text[to + end.len()..];
        Ok(format!("{}{}{rest}", &text[..from], own.finish()))
    }

    /// Why the order would not hold.
    fn judge(&self, before: &Seats, with: &Seats, after: Option<&Seats>, plan: &mut ServicePlan) {
        let target = &self.ordered.target;
        let (name, services) = (&self.deployment, &target.services);
        let service = &target.service;
        match &self.ordered.order {
            ServiceOrder::Move {
                to,
                promoted,
                lifetime,
                ..
            } => {
                self.judge_move(with, to.as_ref(), *promoted, plan);
                let stays = |own: &Seats| {
                    own.places(services, *promoted) == with.places(services, *promoted)
                };
                if plan.refused.is_empty()
                    && *lifetime == Lifetime::Placed
                    && let Some(after) = after.filter(|own| !stays(own))
                {
                    let place = listed(after.places(services, *promoted));
                    plan.refused
                        .push(format!("afterwards it would go back to {place}"));
                    plan.hints.extend([
                        "--for 2h keeps it there for two hours".to_owned(),
                        format!(
                            "--until-cleared keeps it there until cpectl clear {name} {service}"
                        ),
                    ]);
                }
            }
            ServiceOrder::Restart => self.judge_restart(before, with, after, plan),
            _ => {}
        }
        let expected = match &self.ordered.order {
            ServiceOrder::Disable | ServiceOrder::Restart => services.clone(),
            _ => BTreeSet::new(),
        };
        let other = after.filter(|_| matches!(self.ordered.order, ServiceOrder::Restart));
        let down = before.missing_in(other.unwrap_or(with));
        let down: BTreeSet<&str> = down
            .filter(|service| !expected.contains(*service))
            .map(ServiceId::as_str)
            .collect();
        if !down.is_empty() {
            let verb = if expected.is_empty() {
                "could run nowhere then"
            } else {
                "would stop too"
            };
            let down = listed(down);
            plan.refused.push(format!("{down} {verb}"));
        }
        if !plan.refused.is_empty() {
            plan.hints.push("--force does it nevertheless".to_owned());
        }
    }

    /// What is stopped starts only when all that is lost is safe, and that may take long.
    fn judge_losses(&self, plan: &mut ServicePlan) {
        let stops_first = matches!(
            self.ordered.order,
            ServiceOrder::Move { .. } | ServiceOrder::Restart
        );
        if !stops_first {
            return;
        }
        let fenced = plan.actions.iter().filter(|own| own.action == "fence");
        let mut lost = self.lost.clone();
        lost.extend(fenced.map(|own| own.from.clone()));
        if lost.is_empty() {
            return;
        }
        let (verb, whose, it) = match lost.len() {
            1 => ("assembly", "is lost, and its", "it is"),
            _ => ("assemblies", "are lost, and their", "they are"),
        };
        let names = listed(lost.iter().map(String::as_str).collect());
        plan.refused.push(format!(
            "{verb} {names} {whose} services start only when {it} safe"
        ));
        plan.hints
            .push(format!("cpectl status {} shows when {it}", self.deployment));
    }

    /// What is left alone stays where the order wants it away from.
    fn warn_of_what_stays(&self, with: &Seats, plan: &mut ServicePlan) {
        let Target {
            service, services, ..
        } = &self.ordered.target;
        let mut left = match &self.ordered.order {
            ServiceOrder::Disable => with.places(services, false),
            ServiceOrder::Ban { promoted, .. } => with.places(services, *promoted),
            _ => return,
        };
        if let ServiceOrder::Ban { assembly, .. } = &self.ordered.order {
            left.retain(|place| *place == assembly.as_str());
        }
        if !left.is_empty() {
            let left = listed(left);
            plan.warnings.push(format!(
                "{service} goes on running on {left}: it is left alone there (unmanaged, or in maintenance)"
            ));
        }
    }

    fn judge_move(
        &self,
        with: &Seats,
        to: Option<&AssemblyId>,
        promoted: bool,
        plan: &mut ServicePlan,
    ) {
        let target = &self.ordered.target;
        let seats = with.places(&target.services, promoted);
        let there = match (to, &self.ordered.leaves) {
            (Some(to), _) if target.many => seats.contains(to.as_str()),
            (Some(to), _) => seats.contains(to.as_str()) && seats.len() == 1,
            (None, Some(from)) => !seats.is_empty() && !seats.contains(from.as_str()),
            (None, None) => true,
        };
        if there {
            return;
        }
        let service = &target.service;
        let would = match seats.is_empty() {
            true => "it would run nowhere".to_owned(),
            false => format!("it would be on {}", listed(seats)),
        };
        let place = to.map(|to| format!(" {to}")).unwrap_or_default();
        let goal = to.map_or("anywhere else".to_owned(), |to| format!("to {to}"));
        plan.refused
            .push(format!("it would not get {goal}: {would}"));
        let name = &self.deployment;
        plan.hints
            .push(format!("cpectl explain {name} {service}{place} says why"));
    }

    fn judge_restart(
        &self,
        before: &Seats,
        with: &Seats,
        after: Option<&Seats>,
        plan: &mut ServicePlan,
    ) {
        let services = &self.ordered.target.services;
        let left = with.places(services, false);
        if !left.is_empty() {
            let left = listed(left);
            plan.refused.push(format!(
                "it would go on running on {left}: it is left alone there (unmanaged, or in maintenance)"
            ));
        }
        let lacks = |own: &&ServiceId| {
            let back = after.is_some_and(|after| after.all.contains_key(*own));
            before.all.contains_key(*own) && !back
        };
        let gone: BTreeSet<&str> = services
            .iter()
            .filter(lacks)
            .map(ServiceId::as_str)
            .collect();
        if !gone.is_empty() {
            let gone = listed(gone);
            plan.refused.push(format!("{gone} would not start again"));
        }
    }

    /// That an order does not help may have its cause in the document, or in what contains the
    /// service.
    fn look_at_document(&self, schedule: &Schedule, plan: &mut ServicePlan) {
        let cluster = &schedule.cluster;
        let service = &self.ordered.target.service;
        let found = cluster
            .resources
            .iter()
            .position(|own| *service == *own.config_id);
        let Some(id) = found.map(ResourceId::new) else {
            return;
        };
        let change = format!("change that there (cpectl edit {})", self.deployment);
        if let Some(command) = &self.held_by {
            let state = match self.ordered.order {
                ServiceOrder::Enable => "stopped",
                _ => "unmanaged",
            };
            plan.warnings.push(format!(
                "{service} stays {state}: so is what it is in; {command} ends that"
            ));
            return;
        }
        match self.ordered.order {
            ServiceOrder::Enable if cluster.target_role(id) == Some(Role::Stopped) => {
                plan.warnings.push(format!(
                    "{service} stays stopped: the document, or what it is in, says target-role=Stopped; {change}"
                ));
            }
            ServiceOrder::Manage if !cluster.resource(id).managed => plan.warnings.push(format!(
                "{service} stays unmanaged: the document says so, or it is in maintenance; {change}"
            )),
            _ => {}
        }
    }
}

/// What is decided about an input, and what the world is like when that is done, and what is under
/// way now.
pub(super) fn outcome(
    input: &str,
    now_s: i64,
    zones: Zones,
) -> Result<(Schedule, Seats, String), Refusal> {
    let unread = |error: policy_engine::Error| Refusal::NotReady(error.to_string());
    let schedule = scheduled(input, now_s, zones).map_err(Refusal::NotReady)?;
    let settled = settled(input).map_err(unread)?;
    let later = match &settled {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(scheduled(text, now_s, zones).map_err(Refusal::NotReady)?),
    };
    let mut cib = Cib::parse_accepted(&settled).map_err(unread)?;
    let Schedule { cluster, graph, .. } = later.as_ref().unwrap_or(&schedule);
    simulation::execute(&mut cib, cluster, graph, &[], now_s);
    let options = RunOptions {
        zone: cib.zone(zones).map_err(Refusal::NotReady)?,
        ..RunOptions::default()
    };
    let seats = Seats::of(&policy_engine::load(&cib, now_s, options));
    let text = cib.to_xml();
    Ok((schedule, seats, text))
}

/// What the policy engine would restart or move, and cannot start: it waits for what is stopped.
fn only_stops(action: &mut PlanAction, with: &Seats) {
    let starts = matches!(action.action.as_str(), "restart" | "move");
    if starts && !with.by_resource.contains_key(&action.service) {
        "stop".clone_into(&mut action.action);
        action.to.clear();
    }
}

/// A stop after which the same starts again.
fn again(action: &mut PlanAction, after: &Seats) {
    if action.action != "stop" {
        return;
    }
    if let Some(node) = after.by_resource.get(&action.service) {
        action.action = if *node == action.from {
            "restart"
        } else {
            "move"
        }
        .to_owned();
        action.to.clone_from(node);
    }
}

/// Names in a sentence.
pub(super) fn listed(names: BTreeSet<&str>) -> String {
    let all: Vec<&str> = names.into_iter().collect();
    match all.len() {
        count @ ..=NAMED => all[..count].join(", "),
        count => format!("{} and {} more", all[..NAMED].join(", "), count - NAMED),
    }
}

/// The same for the same actions and changes, and hardly for others.
pub(super) fn fingerprint(plan: &ServicePlan, changes: &[EntryChange]) -> String {
    let actions = plan.actions.iter();
    let actions = actions.map(|own| [&*own.action, &own.service, &own.from, &own.to].join(" "));
    let changes = changes.iter();
    let changes = changes.map(|(key, facts)| format!("{} {}", key.text(), facts.is_some()));
    let all: Vec<String> = actions.chain(changes).collect();
    format!("{:016x}", fnv(all.join("\n").bytes()))
}
