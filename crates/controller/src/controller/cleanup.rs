//! Clean-up: failures are forgotten, and what a failed operation has left behind is looked at
//! again.
//!
//! Pacemaker has the node forget the resource's history, and probes it. Here the agent forgets
//! nothing: its history is what it stops services by when its lease ends, and what a later DPE
//! learns from. Instead a durable mark says up to where the history is not believed
//! ([`FailureFacts::disbelieved`](crate::machines::facts::FailureFacts)): the policy engine sees
//! nothing of it, and demands a probe. Of a resource that the document does not name (any more)
//! nothing would demand a probe: there only failed stops are not believed, so that it is stopped
//! once more. What follows from not knowing is not begun before it was looked at, as of a refresh:
//! see `refresh.rs`.
//!
//! What guests have banned may run again, too: whoever cleans up has seen to what was wrong.

use std::collections::BTreeSet;

use super::Controller;
use crate::machines::assembly::Assembly;
use crate::vocabulary::{AssemblyId, Refusal, ServiceId, Time};

/// Resources, each in an assembly.
pub(super) type Targets = Vec<(AssemblyId, String)>;

impl Controller {
    /// Forgets failures of a service (or of all) in an assembly (or in all), and has what failed
    /// last looked at again.
    pub(crate) fn cleanup(
        &mut self,
        now: Time,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
        by: &str,
    ) -> Result<(), Refusal> {
        self.known_deployment()?;
        if let Some(name) = assembly {
            self.known_assembly(name)?;
        }
        // An instance stands for its service.
        let service = service.map(|id| (id, ServiceId::of_resource(id.as_str())));
        if let Some((asked, id)) = &service
            && let Err(refusal) = self.known_service(asked, id)
        {
            // What contains services may have been banned as a whole.
            return match self.lift_bans_of(asked, assembly, by) {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(refusal),
            };
        }
        let service = service.map(|(_, id)| id);
        self.lift_bans(service.as_ref(), assembly);
        let names: Vec<AssemblyId> = self.assemblies.keys().cloned().collect();
        for name in names
            .iter()
            .filter(|name| assembly.is_none_or(|assembly| assembly == *name))
        {
            self.give_fencing_up(now, name);
        }
        for (name, resource) in self.cleanup_targets(service.as_ref(), assembly) {
            if self.is_worth_a_look(&name, &resource) {
                self.look_again(&name, &resource);
            }
            self.forget_failure(&name, &resource);
        }
        let known = self.store.services().keys();
        let services: Vec<ServiceId> = known
            .filter(|id| service.as_ref().is_none_or(|service| service == *id))
            .cloned()
            .collect();
        for id in services {
            self.store.service_mut(&id).forgive(assembly);
        }
        if service.is_none() {
            self.forgive_assemblies(assembly);
        }
        self.world_changed(&format!("failures were cleaned up{by}"));
        Ok(())
    }

    /// Ends bans of a group, a clone or a bundle. `true`: there were some.
    fn lift_bans_of(
        &mut self,
        asked: &ServiceId,
        assembly: Option<&AssemblyId>,
        by: &str,
    ) -> Result<bool, Refusal> {
        let name = self.known_resource(asked)?;
        let lifted = self.lift_bans(Some(&name), assembly);
        if lifted {
            self.world_changed(&format!("bans of {name} were lifted{by}"));
        }
        Ok(lifted)
    }

    /// Where all failures are cleaned up, those of the assemblies no longer count against the
    /// deployment.
    fn forgive_assemblies(&mut self, assembly: Option<&AssemblyId>) {
        let facts = self.store.assemblies().iter();
        let failed = facts.filter(|(name, facts)| {
            assembly.is_none_or(|assembly| assembly == *name) && !facts.failed_at.is_empty()
        });
        let failed: Vec<AssemblyId> = failed.map(|(name, _)| name.clone()).collect();
        for name in failed {
            self.store.assembly_mut(&name).failed_at.clear();
        }
    }

    /// Refuses a service that neither the document nor a fact knows; `asked` may be an instance.
    pub(crate) fn known_service(&self, asked: &ServiceId, id: &ServiceId) -> Result<(), Refusal> {
        let services = || self.document.services().iter();
        if services().any(|service| service.id == *id) || self.store.services().contains_key(id) {
            return Ok(());
        }
        let known: Vec<&str> = services().map(|service| service.id.as_str()).collect();
        Err(Refusal::NotFound {
            kind: "service",
            name: asked.as_str().to_owned(),
            known: known.join(", "),
        })
    }

    /// Assemblies and resources there that have a history or failures.
    pub(crate) fn cleanup_targets(
        &self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> BTreeSet<(AssemblyId, String)> {
        let known = self.assemblies.iter().flat_map(|(name, own)| {
            own.history()
                .resources()
                .map(move |(resource, _)| (name.clone(), resource.to_owned()))
        });
        let failed = self
            .store
            .failures()
            .keys()
            .filter(|(name, _)| self.assemblies.contains_key(name))
            .cloned();
        known
            .chain(failed)
            .filter(|(name, _)| assembly.is_none_or(|assembly| assembly == name))
            .filter(|(_, resource)| {
                service.is_none_or(|service| ServiceId::of_resource(resource) == *service)
            })
            .collect()
    }

    /// Its last operation failed, or a recurring one does; none is under way, and its agent can be
    /// asked.
    pub(super) fn is_worth_a_look(&self, name: &AssemblyId, resource: &str) -> bool {
        let failed = |own: &Assembly| own.history().fails(resource);
        self.may_be_looked_at(name, resource).is_some_and(failed)
    }

    /// The assembly, if nothing is under way there on a resource, and its agent can be asked.
    pub(crate) fn may_be_looked_at(&self, name: &AssemblyId, resource: &str) -> Option<&Assembly> {
        let own = self.assemblies.get(name);
        own.filter(|own| own.reachable() && !self.execution.works_on(name, resource))
    }

    /// See [`Controller::look_again`].
    pub(super) fn disbelieve(&mut self, name: &AssemblyId, resource: &str) {
        let own = self.assemblies.get_mut(name);
        let last = own.and_then(|own| own.history_mut().forget_made_up(resource));
        self.store.failure_mut(name, resource).disbelieve(last);
    }
}
