//! What upkeep would bring (a clean-up, a refresh, maintenance and its end), without doing it, and
//! why it would not hold: the same engine on a copy of the state, before and after.
//!
//! Whoever looks may find something else than is known. The plan goes by what is known of what is
//! well, and of what has failed last it assumes that a look finds that it does not run.

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::ServicePlan;

use super::Controller;
use super::cib;
use super::plan::actions;
use super::service_plan::{fingerprint, listed, outcome};
use crate::machines::failures::FailureFacts;
use crate::machines::values::BanFacts;
use crate::vocabulary::{
    AssemblyId, FailedOperation, Refusal, Request, ServiceId, Time, Zones, only_utc,
};

/// The most sentences about what is forgotten.
const TOLD: usize = 16;

/// The policy engine's inputs for the plan of upkeep. As with
/// [`EngineInput`](crate::EngineInput), a shell has them answered beside everything else.
#[derive(Clone, Debug)]
pub struct UpkeepPlanInput {
    now_s: i64,
    /// As it is.
    before: String,
    /// With what is ordered.
    with: String,
    /// It switches maintenance on.
    leaves_alone: bool,
    /// All but what the policy engine says.
    plan: ServicePlan,
}

/// What is known to the policy engine when failures are forgotten.
struct Forgotten {
    failures: BTreeMap<(AssemblyId, String), FailureFacts>,
    bans: BTreeMap<(AssemblyId, ServiceId), BanFacts>,
    told: Vec<String>,
}

/// Maintenance as it would be.
struct LeftAlone<'a> {
    assembly: Option<&'a AssemblyId>,
    on: bool,
}

impl Controller {
    /// Asks what upkeep would bring, and whether it would hold: a clean-up (also of one operation),
    /// a refresh, maintenance.
    ///
    /// # Errors
    /// As the request itself; [`Refusal::NotReady`] while there are assemblies of which nothing is
    /// known; [`Refusal::InvalidArgument`] if the request is another one.
    pub fn plan_upkeep(&self, now: Time, request: &Request) -> Result<UpkeepPlanInput, Refusal> {
        self.must_be_in_force()?;
        match request {
            Request::Cleanup { service, assembly } => {
                let (service, assembly) = (service.as_ref(), assembly.as_ref());
                let forgotten = self.after_cleanup(service, assembly)?;
                let plan = self.upkeep("cleanup", service, assembly);
                self.forgetting(now, forgotten, plan)
            }
            Request::CleanupOperation {
                service,
                assembly,
                operation,
            } => {
                let forgotten = self.after_one(service, assembly.as_ref(), operation)?;
                let plan = self.upkeep("cleanup", Some(service), assembly.as_ref());
                self.forgetting(now, forgotten, plan)
            }
            Request::Refresh { service, assembly } => {
                let (service, assembly) = (service.as_ref(), assembly.as_ref());
                let forgotten = self.after_refresh(service, assembly)?;
                let plan = self.upkeep("refresh", service, assembly);
                self.forgetting(now, forgotten, plan)
            }
            Request::Maintenance { assembly, on } => {
                if let Some(name) = assembly {
                    self.known_assembly(name)?;
                }
                let assembly = assembly.as_ref();
                let plan = self.upkeep("maintenance", None, assembly);
                self.leaving_alone(now, &LeftAlone { assembly, on: *on }, plan)
            }
            _ => Err(Refusal::InvalidArgument(
                "this is not upkeep: expected a clean-up, a refresh or maintenance".into(),
            )),
        }
    }

    fn upkeep(
        &self,
        verb: &str,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> ServicePlan {
        ServicePlan {
            deployment: self.name.clone(),
            generation: self.generation(),
            verb: verb.to_owned(),
            service: service.map(ToString::to_string).unwrap_or_default(),
            assembly: assembly.map(ToString::to_string).unwrap_or_default(),
            ..ServicePlan::default()
        }
    }

    /// The input as it is, if a plan can tell from it.
    fn known_input(&self, now: Time) -> Result<cib::Input<'_>, Refusal> {
        self.may_plan()?;
        let spec = self.document.spec();
        let spec = spec.ok_or_else(|| Refusal::NotReady("no document is in force".into()))?;
        Ok(self.cib_input(now, spec))
    }

    fn forgetting(
        &self,
        now: Time,
        forgotten: Forgotten,
        plan: ServicePlan,
    ) -> Result<UpkeepPlanInput, Refusal> {
        let mut input = self.known_input(now)?;
        let before = cib::write(&input);
        input.failures = &forgotten.failures;
        input.bans = &forgotten.bans;
        let with = cib::write(&input);
        let mut changes = forgotten.told;
        if let Some(more) = changes.len().checked_sub(TOLD).filter(|more| *more > 0) {
            changes.truncate(TOLD);
            changes.push(format!("and {more} more of that kind"));
        }
        Ok(UpkeepPlanInput {
            now_s: now.wall_s(),
            before,
            with,
            leaves_alone: false,
            plan: ServicePlan {
                unchanged: changes.is_empty(),
                changes,
                ..plan
            },
        })
    }

    /// As [`Controller::cleanup`] leaves it.
    fn after_cleanup(
        &self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> Result<Forgotten, Refusal> {
        if let Some(name) = assembly {
            self.known_assembly(name)?;
        }
        let mut forgotten = self.remembered();
        let own = service.map(|asked| ServiceId::of_resource(asked.as_str()));
        if let (Some(asked), Some(own)) = (service, &own)
            && let Err(refusal) = self.known_service(asked, own)
        {
            let name = self.known_resource(asked)?;
            self.lift(&mut forgotten, Some(&name), assembly);
            return match forgotten.told.is_empty() {
                true => Err(refusal),
                false => Ok(forgotten),
            };
        }
        self.lift(&mut forgotten, own.as_ref(), assembly);
        for (name, resource) in self.cleanup_targets(own.as_ref(), assembly) {
            self.forget_in(&mut forgotten, &name, &resource);
        }
        Ok(forgotten)
    }

    /// As [`Controller::cleanup_operation`] leaves it.
    fn after_one(
        &self,
        service: &ServiceId,
        assembly: Option<&AssemblyId>,
        operation: &FailedOperation,
    ) -> Result<Forgotten, Refusal> {
        let (_, targets) = self.operation_targets(service, assembly, operation)?;
        let mut forgotten = self.remembered();
        for (name, resource) in targets {
            let is_looked_at = self.is_all_that_fails(&name, &resource, operation);
            if is_looked_at {
                self.look_in(&mut forgotten, &name, &resource);
            }
            let facts = forgotten
                .failures
                .get_mut(&(name.clone(), resource.clone()));
            let forgets = facts.is_some_and(|facts| facts.forget_operation(operation));
            if forgets {
                let told = format!("failures of {operation} of {resource} on {name} are forgotten");
                forgotten.told.push(told);
            }
        }
        Ok(forgotten)
    }

    /// As [`Controller::refresh`] leaves it, when all has been looked at.
    fn after_refresh(
        &self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> Result<Forgotten, Refusal> {
        let (service, targets) = self.refresh_targets(service, assembly)?;
        let mut forgotten = self.remembered();
        let looked = |(name, resource): &(AssemblyId, String)| {
            let can = self.can_be_looked_for(name, resource);
            can.then(|| name.clone())
        };
        let looked: BTreeSet<AssemblyId> = targets.iter().filter_map(looked).collect();
        let places = listed(looked.iter().map(AssemblyId::as_str).collect());
        let what = match &service {
            Some(service) => service.to_string(),
            None => "everything".to_owned(),
        };
        forgotten.told.push(match looked.is_empty() {
            true => format!("nothing of {what} can be looked at now: it stays as it is known"),
            false => format!(
                "{what} is looked at again on {places}: until each has answered, nothing is started or stopped"
            ),
        });
        for (name, resource) in targets {
            self.forget_in(&mut forgotten, &name, &resource);
        }
        Ok(forgotten)
    }

    /// Nothing is forgotten yet.
    fn remembered(&self) -> Forgotten {
        Forgotten {
            failures: self.store.failures().clone(),
            bans: self.store.bans().clone(),
            told: Vec::new(),
        }
    }

    fn lift(
        &self,
        forgotten: &mut Forgotten,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) {
        for key in self.bans_of(service, assembly) {
            let (at, of) = &key;
            let told = format!("the ban of {of} from {at} that its guest has set is lifted");
            forgotten.told.push(told);
            forgotten.bans.remove(&key);
        }
    }

    /// All failures of a resource in an assembly are forgotten.
    fn forget_in(&self, forgotten: &mut Forgotten, name: &AssemblyId, resource: &str) {
        let key = (name.clone(), resource.to_owned());
        if let Some(facts) = forgotten.failures.get_mut(&key) {
            let counts = facts.counts().filter(|(_, count)| count.count > 0);
            let counts = counts.map(|(operation, count)| {
                let action = operation.rsplit_once('_').map_or(operation, |it| it.0);
                format!("{action} {}", count.text())
            });
            let counts: Vec<String> = counts.collect();
            if !counts.is_empty() {
                forgotten.told.push(format!(
                    "failures of {resource} on {name} are forgotten: {}",
                    counts.join(", ")
                ));
            }
            facts.forget();
        }
        if self.is_worth_a_look(name, resource) {
            self.look_in(forgotten, name, resource);
        }
    }

    /// What failed last is looked at: it is taken for not running until then.
    fn look_in(&self, forgotten: &mut Forgotten, name: &AssemblyId, resource: &str) {
        let own = self.assemblies.get(name);
        let records = own.into_iter().flat_map(|own| own.history().of(resource));
        let last = records.map(|record| record.call_id).max();
        let key = (name.clone(), resource.to_owned());
        let facts = forgotten.failures.entry(key).or_default();
        facts.disbelieve(last);
        let told = match self.can_be_looked_for(name, resource) {
            true => "is looked at again: what is found there decides",
            false => {
                facts.believe_but_stops();
                "cannot be looked at: if its stop has failed, it is stopped once more"
            }
        };
        forgotten.told.push(format!("{resource} on {name} {told}"));
    }

    fn leaving_alone(
        &self,
        now: Time,
        wanted: &LeftAlone<'_>,
        plan: ServicePlan,
    ) -> Result<UpkeepPlanInput, Refusal> {
        let mut input = self.known_input(now)?;
        let LeftAlone { assembly, on } = *wanted;
        let own = |name: &AssemblyId| {
            let facts = self.store.assemblies().get(name.in_document());
            facts.is_some_and(|facts| facts.maintenance)
        };
        let whole = self.store.deployment().maintenance;
        let is_so = assembly.map_or(whole, own) == on;
        let before = cib::write(&input);
        for node in &mut input.nodes {
            let is_meant = assembly.is_some_and(|it| it.as_str() == node.name.in_document());
            node.maintenance = match assembly {
                None => on || own(node.name),
                Some(_) if is_meant => on || whole,
                Some(_) => node.maintenance,
            };
        }
        let with = cib::write(&input);
        let of = assembly.map_or(self.name.as_str(), AssemblyId::as_str);
        let change = match on {
            true => format!(
                "{of} is in maintenance: its services are left alone, whatever happens to them, and its leases are suspended"
            ),
            false => format!("{of} is managed again, and its leases count"),
        };
        Ok(UpkeepPlanInput {
            now_s: now.wall_s(),
            before,
            with,
            leaves_alone: on,
            plan: ServicePlan {
                unchanged: is_so,
                changes: if is_so { Vec::new() } else { vec![change] },
                warnings: self.still_left_alone(wanted),
                ..plan
            },
        })
    }

    /// Where maintenance goes on although it is switched off.
    fn still_left_alone(&self, wanted: &LeftAlone<'_>) -> Vec<String> {
        let name = &self.name;
        match wanted {
            LeftAlone { on: true, .. } => Vec::new(),
            LeftAlone {
                assembly: Some(own),
                ..
            } => {
                let whole = self.store.deployment().maintenance;
                let told = format!(
                    "{own} stays in maintenance, since all of {name} is: cpectl maintenance {name} off ends that"
                );
                whole.then_some(told).into_iter().collect()
            }
            LeftAlone { assembly: None, .. } => {
                let all = self.store.assemblies().iter();
                let own = all.filter(|(_, facts)| facts.maintenance);
                let told = own.map(|(own, _)| {
                    format!(
                        "{own} stays in maintenance: cpectl maintenance {name} off {own} ends that"
                    )
                });
                told.collect()
            }
        }
    }
}

impl UpkeepPlanInput {
    /// As [`UpkeepPlanInput::answer_in`], where no zone is known but UTC.
    ///
    /// # Errors
    /// As there.
    pub fn answer(self) -> Result<ServicePlan, Refusal> {
        self.answer_in(only_utc)
    }

    /// Asks the policy engine. Pure; takes as long as two decisions, or four while something is
    /// under way. `zones` knows the rules of the time zone that the input names.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] if it cannot decide.
    pub fn answer_in(self, zones: Zones) -> Result<ServicePlan, Refusal> {
        let mut plan = self.plan;
        if !plan.unchanged {
            let (_, before, _) = outcome(&self.before, self.now_s, zones)?;
            let (then, with, _) = outcome(&self.with, self.now_s, zones)?;
            plan.actions = actions(&then);
            let down: BTreeSet<&str> = before.missing_in(&with).map(ServiceId::as_str).collect();
            if !down.is_empty() {
                let down = listed(down);
                plan.refused.push(match self.leaves_alone {
                    true => format!("{down} would stay down: nothing is started in maintenance"),
                    false => format!("{down} could run nowhere then"),
                });
                if self.leaves_alone {
                    let name = &plan.deployment;
                    let wait = format!("cpectl wait {name} --for settled waits until it is up");
                    plan.hints.push(wait);
                }
                plan.hints.push("--force does it nevertheless".to_owned());
            }
        }
        plan.fingerprint = fingerprint(&plan, &[]);
        Ok(plan)
    }
}
