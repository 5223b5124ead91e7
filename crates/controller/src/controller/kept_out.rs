//! Assemblies that no device lets in, though it was tried: the others go on without them.
//!
//! What requires unfencing is looked for in an assembly when that is let in, and starts anywhere
//! only when it was looked for everywhere. So one broken device would hold up all starts. After the
//! first attempt that failed, the policy engine is told what it would find out by looking: that
//! nothing of that runs there, and that it is to be placed elsewhere (`cib.rs` has the constraint).
//! It goes on being tried to let the assembly in, beside whatever is carried out, and when that
//! succeeds the engine is asked without the constraint: then it is looked for there as ever.
//!
//! Not to look is safe only where it is known already, from what is durable and from what the guest
//! has told:
//!
//! - The assembly is heard, and neither in doubt nor to be made safe: its agent's history of this
//!   boot is whole. Nobody was to cut it off in it: that it was let in before is forgotten then.
//! - By that nothing of the service may run there, or is under way, and no live migration may have
//!   brought it.
//! - Nobody has let this boot in, so nothing that requires it was ever begun in it; or the service
//!   was looked for, or stopped, in it.
//!
//! Anything else waits, as it does where a device works.

use std::collections::BTreeSet;

use cpe_status::ResourceStatus;

use super::Controller;
use crate::machines::assembly::Assembly;
use crate::machines::facts::Departure;
use crate::machines::run::Run;
use crate::machines::transition::Transition;
use crate::vocabulary::{AssemblyId, Digests, ServiceId, Spec};

impl Controller {
    /// An attempt to let it in has failed.
    pub(super) fn keep_out(&mut self, name: &AssemblyId, digests: &Digests) {
        let digests = self.execution.unfencing_of(name).unwrap_or(digests).clone();
        let is_it = |run: &Run| run.assembly == *name && run.unfences().is_some();
        let runs = self.execution.synapses(is_it);
        let transition = self.execution.transition();
        let waiting: BTreeSet<String> = runs
            .into_iter()
            .flat_map(|index| transition.map_or_else(Vec::new, |it| wait_for(it, index)))
            .collect();
        let own = self.assemblies.get_mut(name).map(Assembly::unfencing_mut);
        if own.is_some_and(|own| own.keep_out(digests, waiting)) {
            self.world_changed(&format!("assembly {name} is not let in"));
        }
    }

    /// A new decision wants it to be let in, which has failed before: what waits for that may be
    /// more than it was.
    pub(super) fn still_kept_out(&mut self, name: &AssemblyId, index: usize) {
        let own = self.assemblies.get(name).map(Assembly::unfencing);
        let has_failed = own.is_some_and(|own| own.failures().0 > 0);
        let run = self.execution.run(index).filter(|_| has_failed);
        if let Some(digests) = run.and_then(|run| run.unfences()).cloned() {
            self.keep_out(name, &digests);
        }
    }

    /// It is tried again to let it in, by these definitions of its devices, though no transition
    /// waits for that.
    pub(super) fn wants_in(&self, name: &AssemblyId) -> Option<Digests> {
        let own = self.assemblies.get(name)?;
        let names = self.document.names(name) && !own.spec().unfenced_by.is_empty();
        let kept_out = own.unfencing().kept_out().filter(|_| names);
        kept_out.map(|own| own.digests.clone())
    }

    /// What is known not to run in an assembly that nobody lets in, and cannot start there.
    pub(super) fn all_kept_out(&self, spec: &Spec) -> Vec<(AssemblyId, ServiceId)> {
        let all = self.assemblies.keys().flat_map(|name| {
            let services = self.kept_out_of(spec, name).into_iter();
            services.map(|service| (name.clone(), service))
        });
        all.collect()
    }

    fn kept_out_of(&self, spec: &Spec, name: &AssemblyId) -> BTreeSet<ServiceId> {
        let own = self.assemblies.get(name);
        let out = own.and_then(|own| Some((own, own.unfencing().kept_out()?)));
        let Some((own, out)) = out.filter(|(own, _)| self.is_known_there(name, own)) else {
            return BTreeSet::new();
        };
        let facts = self.store.assembly(name);
        let boot = &own.hello().boot_id;
        let was_let_in = facts.unfenced.is_some_and(|it| it.boot_id == *boot);
        let known = |resource: &String| !was_let_in || own.history().activity(resource).is_some();
        let services = out.resources.iter().map(|it| ServiceId::of_resource(it));
        let services: BTreeSet<ServiceId> = services.collect();
        let names = |service: &ServiceId| {
            let mut services = spec.services.iter().map(|it| it.id.as_str());
            let mut devices = spec.devices.iter().map(|it| it.id.as_str());
            services.any(|id| *service == *id) || devices.any(|id| *service == *id)
        };
        services
            .into_iter()
            .filter(|service| {
                let of_it = |it: &&String| ServiceId::of_resource(it) == *service;
                names(service)
                    && out.resources.iter().filter(of_it).all(known)
                    && !self.is_one_with_what_runs(spec, name, service)
            })
            .collect()
    }

    /// What its guest has told is all that there is, and it stays as it is.
    fn is_known_there(&self, name: &AssemblyId, own: &Assembly) -> bool {
        let facts = self.store.assembly(name);
        own.usable()
            && !facts.in_doubt
            && facts.departure == Departure::None
            && facts.arrivals.is_empty()
            && self.document.names(name)
            && self.to_be_restarted(name).is_none()
            && !self.is_cut_off(name)
    }

    /// It, or what it is one with (a group, a clone), may run in that assembly, or is to be looked
    /// at there. To keep out one part would stop the others.
    fn is_one_with_what_runs(&self, spec: &Spec, name: &AssemblyId, service: &ServiceId) -> bool {
        let parts = |whole: &ResourceStatus| -> Vec<ServiceId> {
            let parts = whole.all().into_iter();
            parts.map(|it| it.name.as_str().into()).collect()
        };
        let mut all = spec.resources.iter().map(parts);
        let whole = all.find(|parts| parts.contains(service));
        let whole = whole.unwrap_or_else(|| vec![service.clone()]);
        let is_part = |resource: &str| whole.contains(&ServiceId::of_resource(resource));
        let history = self.assemblies.get(name).map(Assembly::history);
        let mut known = history.into_iter().flat_map(|own| own.resources());
        let may_run = |resource: &str| history.is_some_and(|own| own.may_run(resource));
        let mut failures = self.store.failures().iter();
        known.any(|(resource, _)| is_part(resource) && may_run(resource))
            || failures.any(|((assembly, resource), facts)| {
                assembly == name && is_part(resource) && facts.disbelieved().is_some()
            })
    }
}

/// The resources whose actions wait for that of a synapse itself.
fn wait_for(transition: &Transition, index: usize) -> Vec<String> {
    let graph = transition.graph();
    let Some(action) = graph.synapses.get(index).map(|it| it.action) else {
        return Vec::new();
    };
    let synapses = graph.synapses.iter().zip(&graph.actions);
    let waiting = synapses.filter(|(synapse, _)| synapse.inputs.contains(&action));
    let resources = waiting.filter_map(|(_, action)| action.resource.as_ref());
    resources.map(|resource| resource.id.to_string()).collect()
}
