//! Refresh: failures are forgotten, and everything is looked at again.
//!
//! A clean-up looks at what has failed; this looks at what is well, too, and at what is known not
//! to run. As there, agents forget nothing: durable marks say which records the policy engine does
//! not see until something newer is known.
//!
//! ```text
//!  a person asks ── marks ── asked ──▶ of the graph only the probes, and fencing ──┐
//!                              ▲                                                   │
//!                              └──── until everything that can be was looked at ◀──┘
//! ```
//!
//! To the policy engine, what is not seen does not run. It would have some of it started, and what
//! needs that stopped. What is under way would be seen half done: the looks wait for its end. Then
//! nothing but looks is carried out until there is an answer of each place.
//! Where no look is possible (it is forbidden to run there), the records are believed again: what
//! was known to run is never taken for stopped. Only that a stop has failed is not, so that it is
//! stopped once more.

use std::collections::BTreeSet;

use super::Controller;
use super::cleanup::Targets;
use crate::machines::assembly::Assembly;
use crate::machines::look::{self, Looks};
use crate::vocabulary::{AssemblyId, EngineInput, Outcome, Refusal, ServiceId, Time};

impl Controller {
    /// Forgets failures of a service or of what contains services (or of all) in an assembly (or in
    /// all), and has everything looked at again.
    pub(crate) fn refresh(
        &mut self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
        by: &str,
    ) -> Result<(), Refusal> {
        let (service, targets) = self.refresh_targets(service, assembly)?;
        let what = match &service {
            Some(service) => service.to_string(),
            None => "everything".to_owned(),
        };
        self.world_changed(&format!("{what} is looked at again{by}"));
        let mut services = BTreeSet::new();
        let waits = !self.execution.is_idle();
        for (name, resource) in targets {
            if waits || self.is_being_debugged(&resource) {
                self.store.failure_mut(&name, &resource).look_later_anyway();
            } else if self.can_be_looked_for(&name, &resource) {
                self.look_again(&name, &resource);
            }
            self.forget_failure(&name, &resource);
            services.insert(ServiceId::of_resource(&resource));
        }
        for id in services {
            if self.store.services().contains_key(&id) {
                self.store.service_mut(&id).forgive(assembly);
            }
        }
        Ok(())
    }

    /// The service that is meant (`None`: all), and what is forgotten and looked at.
    pub(super) fn refresh_targets(
        &self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> Result<(Option<ServiceId>, Targets), Refusal> {
        self.must_be_in_force()?;
        if let Some(name) = assembly {
            self.known_assembly(name)?;
        }
        let service = service.map(|asked| self.known_resource(asked));
        let service = service.transpose()?;
        self.may_refresh()?;
        let targets = self.cleanup_targets(None, assembly).into_iter();
        let targets = targets.filter(|(_, resource)| {
            let service = service.as_ref();
            service.is_none_or(|service| self.is_or_contains(service, resource))
        });
        let targets = targets.collect();
        Ok((service, targets))
    }

    /// What is known of a resource is not believed until it was looked at. Where nobody will look,
    /// it is seen to otherwise. While something is under way all that is known counts: what fails
    /// meanwhile must not wait for the looks, nor they for it.
    pub(crate) fn look_again(&mut self, name: &AssemblyId, resource: &str) {
        if !self.execution.is_idle() || self.is_being_debugged(resource) {
            self.store.failure_mut(name, resource).look_later();
            return;
        }
        let can = self.can_be_looked_for(name, resource);
        self.disbelieve(name, resource);
        if can {
            self.store.failure_mut(name, resource).look();
        }
    }

    /// Something is to be looked at when nothing is under way. What somebody has an agent do by
    /// hand ends first.
    pub(crate) fn looks_wait(&self) -> bool {
        let mut marked = self.store.failures().iter();
        marked.any(|((_, resource), facts)| facts.is_due() && !self.is_being_debugged(resource))
    }

    /// Nothing is under way: what was to wait for that is looked at.
    pub(crate) fn look_at_what_waited(&mut self) {
        let due = self.store.failures().iter();
        let due = due
            .filter(|((_, resource), facts)| facts.is_due() && !self.is_being_debugged(resource));
        for (name, resource) in due.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            let anyway = self.store.failure_mut(&name, &resource).end_wait();
            let can = anyway && self.can_be_looked_for(&name, &resource);
            // Of what has failed a newer result says how it is.
            if can || self.is_worth_a_look(&name, &resource) {
                self.look_again(&name, &resource);
            }
        }
    }

    fn may_refresh(&self) -> Result<(), Refusal> {
        match self.store.loaded().is_some_and(|own| own.unload.is_some()) {
            true => Err(Refusal::NotReady("the deployment is being ended".into())),
            false => Ok(()),
        }
    }

    /// The policy engine demands probes of services of the document, in its assemblies. What is not
    /// named there is stopped by what is known.
    pub(super) fn can_be_looked_for(&self, name: &AssemblyId, resource: &str) -> bool {
        let id = ServiceId::of_resource(resource);
        let spec = self.document.spec();
        let in_document = spec.is_some_and(|spec| spec.assemblies.contains_key(name));
        let of_agent = |own: &Assembly| {
            let mut records = own.history().of(resource);
            records.all(|record| !record.operation.is_of_device())
        };
        in_document
            && self.document.service(&id).is_some()
            && self.may_be_looked_at(name, resource).is_some_and(of_agent)
    }

    /// Assemblies and resources of which a look is awaited. `true`: nothing is known of it yet.
    fn looked_for(&self) -> impl Iterator<Item = (&(AssemblyId, String), bool)> {
        let marked = self.store.failures().iter();
        marked
            .filter(|(_, facts)| facts.is_looked_for())
            .filter_map(|(key, facts)| {
                let own = self.assemblies.get(&key.0).filter(|own| own.is_heard())?;
                let after = facts.disbelieved().unwrap_or(0);
                let awaited = !own.history().has_looked_since(&key.1, after);
                Some((key, awaited))
            })
    }

    /// Something is still to be looked at, or was looked at since the policy engine was asked.
    pub(crate) fn is_looking(&self) -> bool {
        self.looked_for().next().is_some()
    }

    /// All that was to be looked at was, while something else is under way still: an assembly may
    /// wait for a person.
    pub(crate) fn has_looked(&self) -> bool {
        let mut looked_for = self.looked_for().peekable();
        looked_for.peek().is_some() && looked_for.all(|(_, awaited)| !awaited)
    }

    /// Takes a decision in while it is looked at what runs. Gives it back if all was looked at.
    pub(crate) fn decided_while_looking(
        &mut self,
        now: Time,
        input: &EngineInput,
        mut outcome: Outcome,
        asked_for: &str,
    ) -> Option<Outcome> {
        let (open, over): (Vec<_>, Vec<_>) = self
            .looked_for()
            .map(|(key, awaited)| (key.clone(), awaited))
            .partition(|(_, awaited)| *awaited);
        for ((name, resource), _) in &over {
            self.store.failure_mut(name, resource).end_look();
        }
        if open.is_empty() {
            return Some(outcome);
        }
        let Looks { graph, places } = look::looks(std::mem::take(&mut outcome.graph));
        for ((name, resource), _) in open {
            let place = (name.clone(), ServiceId::of_resource(&resource));
            if !places.contains(&place) {
                self.believe_again(&name, &resource);
            }
        }
        if places.is_empty() {
            self.world_changed("what cannot be looked at is as it was");
            return None;
        }
        outcome.graph_text = policy_engine::graph::write(&graph);
        outcome.graph = graph;
        self.begin_transition(now, asked_for, &input.cib, outcome);
        None
    }

    /// No look is possible there. Where another instance of the service was found in the assembly,
    /// that has told all.
    fn believe_again(&mut self, name: &AssemblyId, resource: &str) {
        let id = ServiceId::of_resource(resource);
        let after = self.store.failure(name, resource).disbelieved();
        let found = self.assemblies.get(name).is_some_and(|own| {
            let mut instances = own.history().of_service(&id);
            instances.any(|(instance, _)| {
                instance != resource
                    && own
                        .history()
                        .has_looked_since(instance, after.unwrap_or(u32::MAX))
            })
        });
        let facts = self.store.failure_mut(name, resource);
        facts.end_look();
        if !found {
            facts.believe_but_stops();
        }
    }
}
