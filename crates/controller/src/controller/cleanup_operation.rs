//! Clean-up of one operation: only its failures are forgotten.
//!
//! What has failed last is looked at again if that is the operation, as after a whole clean-up. If
//! something else fails too, that is still so: nothing is looked at, since a look would be the last
//! word, and a failed stop would be forgotten with it.

use super::Controller;
use super::cleanup::Targets;
use crate::vocabulary::{AssemblyId, FailedOperation, Record, Refusal, ServiceId};

impl Controller {
    /// Forgets the failures of an operation of a service (or of what contains services) in an
    /// assembly (or in all). Bans, and failures of assemblies, stay.
    pub(crate) fn cleanup_operation(
        &mut self,
        service: &ServiceId,
        assembly: Option<&AssemblyId>,
        operation: &FailedOperation,
        by: &str,
    ) -> Result<(), Refusal> {
        let (service, targets) = self.operation_targets(service, assembly, operation)?;
        for (name, resource) in targets {
            if self.is_all_that_fails(&name, &resource, operation) {
                self.look_again(&name, &resource);
            }
            if self.store.has_failure(&name, &resource) {
                let facts = self.store.failure_mut(&name, &resource);
                facts.forget_operation(operation);
            }
        }
        self.world_changed(&format!(
            "failures of {operation} of {service} were cleaned up{by}"
        ));
        Ok(())
    }

    /// The service that is meant, and where failures of the operation are forgotten.
    pub(super) fn operation_targets(
        &self,
        service: &ServiceId,
        assembly: Option<&AssemblyId>,
        operation: &FailedOperation,
    ) -> Result<(ServiceId, Targets), Refusal> {
        self.known_deployment()?;
        if let Some(name) = assembly {
            self.known_assembly(name)?;
        }
        let service = self.known_resource(service)?;
        let targets: Targets = self
            .cleanup_targets(None, assembly)
            .into_iter()
            .filter(|(_, resource)| self.is_or_contains(&service, resource))
            .collect();
        let counted = |(name, resource): &(AssemblyId, String)| {
            let facts = self.store.failures().get(&(name.clone(), resource.clone()));
            facts.is_some_and(|facts| facts.counts().any(|(it, _)| operation.is_counted_as(it)))
        };
        if !operation.is_counted() && !targets.iter().any(counted) {
            return Err(Refusal::InvalidArgument(format!(
                "failures of \"{}\" are not counted: those of {} are",
                operation.action,
                FailedOperation::counted()
            )));
        }
        Ok((service, targets))
    }

    /// A resource is an instance of a service, or of one of those that are in a group, a clone or a
    /// bundle.
    pub(crate) fn is_or_contains(&self, service: &ServiceId, resource: &str) -> bool {
        let own = ServiceId::of_resource(resource);
        own == *service || self.contains(service, &own)
    }

    /// Nothing else of the resource fails there, and its agent can be asked.
    pub(super) fn is_all_that_fails(
        &self,
        name: &AssemblyId,
        resource: &str,
        operation: &FailedOperation,
    ) -> bool {
        let is_it = |record: &Record| operation.is(&record.operation);
        self.may_be_looked_at(name, resource).is_some_and(|own| {
            let mut failing = own.history().failing(resource).peekable();
            failing.peek().is_some() && failing.all(is_it)
        })
    }
}
