//! Live migrations whose source forgets what it has sent: see [`crate::machines::arrivals`].

use super::Controller;
use crate::machines::arrivals::{Arrivals, Source};
use crate::vocabulary::{Asked, AssemblyId, MIGRATE_TARGET, Operation, Task};

impl Controller {
    /// An assembly is about to be asked for an operation: if that is to send a resource to another
    /// one, it is noted there.
    pub(crate) fn note_arrival(&mut self, source: &AssemblyId, operation: &Operation) {
        let target = operation.annotations.get(MIGRATE_TARGET);
        let target = target.filter(|_| operation.action == Task::MigrateTo);
        if let Some(target) = target.map(|name| AssemblyId::from(name.as_str())) {
            let arrivals = &mut self.store.assembly_mut(&target).arrivals;
            arrivals.note(&operation.resource, source, &operation.id);
        }
    }

    /// The state that was lost may have noted live migrations to an assembly that was in doubt
    /// until now. What its agent does not know to run is looked for.
    pub(crate) fn doubt_arrivals(&mut self, name: &AssemblyId) {
        let Some(own) = self.assemblies.get(name) else {
            return;
        };
        let resources = own.history().resources().map(|(resource, _)| resource);
        let stopped: Vec<String> = resources
            .filter(|resource| !own.history().may_run(resource))
            .map(str::to_owned)
            .collect();
        let now = Asked::new(self.store.epoch(), self.execution.last_number());
        let arrivals = &mut self.store.assembly_mut(name).arrivals;
        for resource in stopped {
            arrivals.doubt(&resource, &now);
        }
    }

    /// Forgets what is known by now.
    pub(crate) fn settle_arrivals(&mut self) {
        self.change_arrivals(|own, target, arrivals| {
            if let Some(target) = own.assemblies.get(target) {
                arrivals.settle(target.history(), |source| own.source(source));
            }
        });
    }

    /// Finds out what only a look can tell: no transition is under way.
    pub(crate) fn look_for_arrivals(&mut self) {
        self.settle_arrivals();
        let now = Asked::new(self.store.epoch(), self.execution.last_number());
        self.change_arrivals(|own, _, arrivals| arrivals.look(|source| own.source(source), &now));
    }

    /// The life of an assembly has another name from now on.
    pub(crate) fn rename_source(&mut self, old: &AssemblyId, new: &AssemblyId) {
        self.change_arrivals(|_, _, arrivals| arrivals.rename_source(old, new));
    }

    fn change_arrivals(&mut self, change: impl Fn(&Controller, &AssemblyId, &mut Arrivals)) {
        let mut changed = Vec::new();
        let targets = self.store.assemblies().iter();
        for (name, facts) in targets.filter(|(_, facts)| !facts.arrivals.is_empty()) {
            let mut arrivals = facts.arrivals.clone();
            change(self, name, &mut arrivals);
            if arrivals != facts.arrivals {
                changed.push((name.clone(), arrivals));
            }
        }
        for (name, arrivals) in changed {
            self.store.assembly_mut(&name).arrivals = arrivals;
        }
    }

    /// What the source of a live migration says.
    fn source(&self, name: &AssemblyId) -> Source<'_> {
        match self.assemblies.get(name) {
            None => Source::Gone,
            Some(source) if source.is_safe() => Source::Gone,
            Some(source) if !source.contact().was_made() => Source::Unheard,
            Some(source) => Source::Heard(source.history()),
        }
    }
}
