//! What a status says about values beyond the document that parameters of services follow.

use std::collections::BTreeMap;

use cpe_status::ReferenceStatus;
use deployment::{LiveReference, LiveSource, OnChange};

use crate::controller::Controller;
use crate::vocabulary::{AssemblyId, CONFIGURE, FORCE_RESTART};

impl Controller {
    /// What a guest tells of itself and counts, by name.
    pub(super) fn told_by(&self, name: &AssemblyId) -> BTreeMap<String, String> {
        let known = self.store.known().get(name).into_iter();
        let told = known.flat_map(|known| known.guest());
        told.map(|(name, known)| (name.clone(), known.value.clone()))
            .collect()
    }

    pub(super) fn reference_statuses(&self) -> Vec<ReferenceStatus> {
        let live = self.live().iter();
        live.map(|reference| self.reference_status(reference))
            .collect()
    }

    fn reference_status(&self, reference: &LiveReference) -> ReferenceStatus {
        let known = self.known_value(reference);
        let from = match (&reference.source, known) {
            (LiveSource::Guest(_), Some(_)) => "guest",
            (LiveSource::Attribute(_), Some(known)) if known.permanent => "permanent",
            (LiveSource::Attribute(_), Some(_)) => "attribute",
            (_, None) if reference.fallback.is_some() => "document",
            (_, None) => "",
        };
        let assembly = self.assemblies.get(reference.assembly.as_str());
        let settling = match &reference.source {
            LiveSource::Guest(name) => assembly.and_then(|own| own.told().settling(name)),
            LiveSource::Attribute(_) => None,
        };
        ReferenceStatus {
            service: reference.service.clone(),
            parameter: reference.parameter.clone(),
            assembly: reference.assembly.clone(),
            name: reference.source.name().to_owned(),
            from: from.to_owned(),
            value: self.value_of(reference).map(str::to_owned),
            since: known.map_or(0, |known| known.since),
            settling: settling.map(str::to_owned),
            on_change: reference.on_change.as_str().to_owned(),
            restarts: reference.on_change == OnChange::Reload && !self.may_reload(reference),
        }
    }

    /// The agent that runs a service says that it takes the parameter over. Where none runs it,
    /// nobody knows better.
    fn may_reload(&self, reference: &LiveReference) -> bool {
        let heard = self.assemblies.values().filter(|own| own.is_heard());
        let mut runs = heard.filter_map(|own| own.history().definition(&reference.service));
        runs.all(|record| {
            let annotations = &record.operation.annotations;
            let names = annotations.get(FORCE_RESTART);
            let names = names.filter(|_| !annotations.contains_key(CONFIGURE));
            names.is_some_and(|names| {
                let mut names = names.split_ascii_whitespace();
                names.all(|name| name != reference.parameter)
            })
        })
    }
}
