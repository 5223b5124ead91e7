//! What tools in guests and administrators set beside the document: permanent attributes, options,
//! and bans.
//!
//! Such a value is stronger than the document's of the same name, until it is deleted. It goes with
//! what it belongs to: an attribute or a ban with its assembly, a ban with its service, when the
//! document names them no more; everything with a lost state.

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{BanStatus, ResourceStatus};
use deployment::quote;

use super::Controller;
use crate::machines::values::{self, BanFacts, MOST_BANS, ValueFacts, ban_ids};
use crate::vocabulary::{AssemblyId, Ban, Holder, Refusal, ServiceId, Spec, Time};

impl Controller {
    /// Gives somebody a value, or takes it away. `by`: who wants it, as the end of a sentence.
    pub(crate) fn put_value(
        &mut self,
        now: Time,
        holder: &Holder,
        name: &str,
        value: Option<String>,
        by: &str,
    ) -> Result<(), Refusal> {
        self.must_be_in_force()?;
        match holder {
            Holder::Deployment => {
                values::check_option(name).map_err(Refusal::InvalidArgument)?;
            }
            Holder::Assembly(assembly) => self.in_document(assembly)?,
        }
        if let Some(value) = &value {
            values::check(self.store.values(), holder, name, value)
                .map_err(Refusal::InvalidArgument)?;
        }
        let key = (holder.clone(), name.to_owned());
        let before = self.store.values().get(&key).map(|facts| &facts.value);
        if before == value.as_ref() {
            return Ok(());
        }
        let since = now.wall_us;
        let facts = value.clone().map(|value| ValueFacts { value, since });
        self.store.put_value(holder, name, facts);
        // Of options only those can be set of which the policy engine knows nothing.
        if let Holder::Assembly(assembly) = holder {
            // Not the value: reasons are in events, which more people read.
            let what = match value {
                Some(_) => "has another value",
                None => "is no longer set",
            };
            let name = quote(name);
            let reason = format!("permanent attribute {name} of {assembly} {what}{by}");
            self.value_changed(now, &reason);
        }
        Ok(())
    }

    /// Keeps a service off an assembly, or from being promoted there.
    pub(crate) fn ban(
        &mut self,
        now: Time,
        ban: &Ban,
        assembly: &AssemblyId,
        by: &str,
    ) -> Result<(), Refusal> {
        self.must_be_in_force()?;
        self.in_document(assembly)?;
        let service = self.known_resource(&ban.service)?;
        let key = (assembly.clone(), service.clone());
        let known = self.store.bans().get(&key);
        if known.is_some_and(|known| known.promoted == ban.promoted) {
            return Ok(());
        }
        if known.is_none() && self.store.bans().len() >= MOST_BANS {
            return Err(Refusal::InvalidArgument(format!(
                "{MOST_BANS} bans are in force: lift some that are not needed (cpectl cleanup)"
            )));
        }
        let facts = BanFacts {
            promoted: ban.promoted,
            since: now.wall_us,
        };
        self.store.put_ban(assembly, &service, Some(facts));
        let what = if ban.promoted {
            "must not be promoted in"
        } else {
            "must not run in"
        };
        self.value_changed(now, &format!("{service} {what} {assembly}{by}"));
        Ok(())
    }

    /// Lifts bans of a service (or of all) in an assembly (or in all). `true`: there were some.
    pub(crate) fn lift_bans(
        &mut self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> bool {
        let lifted = self.bans_of(service, assembly);
        for (at, of) in &lifted {
            self.store.put_ban(at, of, None);
        }
        !lifted.is_empty()
    }

    /// The bans of a service (or of all) in an assembly (or in all).
    pub(crate) fn bans_of(
        &self,
        service: Option<&ServiceId>,
        assembly: Option<&AssemblyId>,
    ) -> Vec<(AssemblyId, ServiceId)> {
        let bans = self.store.bans().keys();
        let concerned = bans.filter(|(at, of)| {
            assembly.is_none_or(|assembly| assembly == at)
                && service.is_none_or(|service| {
                    service == of || self.contains(of, service) || self.contains(service, of)
                })
        });
        concerned.cloned().collect()
    }

    /// Forgets what belongs to assemblies and services that the next document does not name.
    pub(crate) fn forget_values(&mut self, next: &Spec) {
        let values = self.store.values().keys();
        let gone = values.filter(|(holder, _)| match holder {
            Holder::Deployment => false,
            Holder::Assembly(name) => !next.assemblies.contains_key(name),
        });
        for (holder, name) in gone.cloned().collect::<Vec<_>>() {
            self.store.put_value(&holder, &name, None);
        }
        if self.store.bans().is_empty() {
            return;
        }
        let names = names(next);
        let bans = self.store.bans().keys();
        let gone = bans.filter(|(assembly, service)| {
            !next.assemblies.contains_key(assembly) || !names.contains(service.as_str())
        });
        for (assembly, service) in gone.cloned().collect::<Vec<_>>() {
            self.store.put_ban(&assembly, &service, None);
        }
    }

    /// Bans that were in force at the last decision.
    pub(crate) fn ban_statuses(&self) -> Vec<BanStatus> {
        let own = self.store.bans().keys();
        let own: BTreeSet<String> = own.flat_map(|(at, of)| ban_ids(of, at)).collect();
        let configuration = self.document.spec().map(|spec| spec.configuration.as_str());
        let mut bans = self.deciding.terms().bans.clone();
        // Those of the overlay are told as such.
        let of_document = |id: &str| {
            let text = configuration.unwrap_or_default();
            text.contains(&format!("\"{id}\"")) || text.contains(&format!("'{id}'"))
        };
        bans.retain(|ban| own.contains(&ban.constraint) || of_document(&ban.constraint));
        for ban in &mut bans {
            ban.set_by_guest = own.contains(&ban.constraint);
        }
        bans
    }

    /// What was set beside the document, by name.
    pub(crate) fn kept_values(&self, holder: &Holder) -> BTreeMap<String, String> {
        values::of(self.store.values(), holder)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// What is accepted is acted on.
    pub(crate) fn must_be_in_force(&self) -> Result<(), Refusal> {
        self.known_deployment()?;
        if !self.document.is_in_force() {
            return Err(Refusal::NotReady(
                "this version does not read the saved document, so nothing is decided: deploy a document that it reads first"
                    .into(),
            ));
        }
        Ok(())
    }

    /// The document names the assembly: a former incarnation has no attributes of its own.
    pub(crate) fn in_document(&self, assembly: &AssemblyId) -> Result<(), Refusal> {
        let spec = self.document.spec();
        match spec.is_some_and(|spec| spec.assemblies.contains_key(assembly)) {
            true => Ok(()),
            false => Err(self.no_assembly(assembly)),
        }
    }

    /// The service, group, clone or bundle that is meant by the name of one, or of an instance.
    pub(crate) fn known_resource(&self, asked: &ServiceId) -> Result<ServiceId, Refusal> {
        let base = ServiceId::of_resource(asked.as_str());
        let names = self.document.spec().map(names).unwrap_or_default();
        for name in [asked, &base] {
            if names.contains(name.as_str()) {
                return Ok(name.clone());
            }
        }
        match self.known_service(asked, &base) {
            Err(Refusal::NotFound { kind, name, .. }) => {
                let known: Vec<&str> = names.into_iter().collect();
                let known = known.join(", ");
                Err(Refusal::NotFound { kind, name, known })
            }
            other => other.map(|()| base),
        }
    }

    /// A group, a clone or a bundle contains the service.
    pub(crate) fn contains(&self, whole: &ServiceId, service: &ServiceId) -> bool {
        let resources = self.document.spec().map(|spec| spec.resources.as_slice());
        let whole = resources.and_then(|resources| find(resources, whole.as_str()));
        whole.is_some_and(|whole| find(&whole.members, service.as_str()).is_some())
    }
}

/// An element of a tree of resources.
pub(crate) fn find<'a>(resources: &'a [ResourceStatus], name: &str) -> Option<&'a ResourceStatus> {
    let mut all = resources.iter().flat_map(ResourceStatus::all);
    all.find(|own| own.name == name)
}

/// The names of all that a document has services in.
pub(crate) fn names(spec: &Spec) -> BTreeSet<&str> {
    let services = spec.services.iter().map(|service| service.id.as_str());
    let all = spec.resources.iter().flat_map(ResourceStatus::all);
    services.chain(all.map(|own| own.name.as_str())).collect()
}
