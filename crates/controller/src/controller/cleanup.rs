//! Clean-up: failures are forgotten, and what a failed operation has left behind is looked at anew.
//!
//! Pacemaker has the node forget the resource's history, and probes it. Here the agent forgets
//! nothing: its history is what it stops services by when its lease ends, and what a later DPE
//! learns from. Instead a durable mark says up to where the history is not believed
//! ([`FailureFacts::disbelieved`](crate::machines::facts::FailureFacts)): the policy engine sees nothing of
//! it, and demands a probe. Of a resource that the document does not name (any more) nothing would
//! demand a probe: there only failed stops are not believed, so that it is stopped once more.

use std::collections::BTreeSet;

use super::Controller;
use super::execute::Work;
use crate::vocabulary::{Refusal, Time, base_name};

impl Controller {
    /// Forgets failures of a service (or of all) in an assembly (or in all), and has what failed
    /// last looked at again.
    pub(crate) fn cleanup(
        &mut self,
        now: Time,
        service: Option<&str>,
        assembly: Option<&str>,
    ) -> Result<(), Refusal> {
        self.known_deployment()?;
        if let Some(name) = assembly {
            self.known_assembly(name)?;
        }
        if let Some(id) = service {
            self.known_service(id)?;
        }
        let names: Vec<String> = self.assemblies.keys().cloned().collect();
        for name in names
            .iter()
            .filter(|name| assembly.is_none_or(|assembly| assembly == *name))
        {
            self.give_fencing_up(now, name);
        }
        for (name, resource) in self.cleanup_targets(service, assembly) {
            if self.is_worth_a_look(&name, &resource) {
                self.disbelieve(&name, &resource);
            }
            self.forget_failure(&name, &resource);
        }
        let services: Vec<String> = self
            .store
            .services
            .keys()
            .filter(|id| service.is_none_or(|service| base_name(id) == base_name(service)))
            .cloned()
            .collect();
        for id in services {
            self.store.service_mut(&id).unrecoverable = false;
        }
        self.world_changed("failures were cleaned up");
        Ok(())
    }

    fn known_service(&self, id: &str) -> Result<(), Refusal> {
        let services = || self.spec.iter().flat_map(|spec| &spec.services);
        if services().any(|service| service.id == base_name(id))
            || self.store.services.contains_key(id)
        {
            return Ok(());
        }
        let known: Vec<&str> = services().map(|service| service.id.as_str()).collect();
        Err(Refusal::NotFound {
            kind: "service",
            name: id.to_owned(),
            known: known.join(", "),
        })
    }

    /// Assemblies and resources there that have a history or failures.
    fn cleanup_targets(
        &self,
        service: Option<&str>,
        assembly: Option<&str>,
    ) -> BTreeSet<(String, String)> {
        let told = self.assemblies.iter().flat_map(|(name, own)| {
            own.history
                .resources()
                .map(move |(resource, _)| (name.clone(), resource.to_owned()))
        });
        let failed = self
            .store
            .failures
            .keys()
            .filter(|(name, _)| self.assemblies.contains_key(name))
            .cloned();
        told.chain(failed)
            .filter(|(name, _)| assembly.is_none_or(|assembly| assembly == name))
            .filter(|(_, resource)| {
                service.is_none_or(|service| base_name(resource) == base_name(service))
            })
            .collect()
    }

    /// Its last operation failed, none is under way, and its agent can be asked.
    fn is_worth_a_look(&self, name: &str, resource: &str) -> bool {
        let busy = self.runs.values().any(|run| {
            run.assembly == name
                && matches!(&run.work, Work::Operation(operation) if operation.resource == resource)
        });
        let failed = |assembly: &super::liveness::Assembly| {
            assembly.reachable() && assembly.history.last_single_failed(resource)
        };
        !busy && self.assemblies.get(name).is_some_and(failed)
    }

    fn disbelieve(&mut self, name: &str, resource: &str) {
        let records = self
            .assemblies
            .get(name)
            .and_then(|assembly| assembly.history.resource(resource));
        let last = records
            .into_iter()
            .flat_map(|records| records.values())
            .map(|record| record.call_id)
            .max();
        self.store.failure_mut(name, resource).disbelieved = last;
    }
}
