//! Live migrations whose source forgets what it has sent: see [`crate::machines::arrivals`].

use super::Controller;
use crate::machines::arrivals::Source;
use crate::machines::assembly::Life;
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

    /// Forgets what is known by now, and finds out what only a look can tell.
    pub(crate) fn settle_arrivals(&mut self) {
        let now = Asked::new(self.store.epoch, self.execution.last_number());
        let targets = self.store.assemblies.iter();
        let targets = targets.filter(|(_, facts)| !facts.arrivals.is_empty());
        let mut settled = Vec::new();
        for (name, facts) in targets {
            let Some(target) = self.assemblies.get(name) else {
                continue;
            };
            let mut arrivals = facts.arrivals.clone();
            arrivals.settle(&target.history, |source| self.source(source), &now);
            if arrivals != facts.arrivals {
                settled.push((name.clone(), arrivals));
            }
        }
        for (name, arrivals) in settled {
            self.store.assembly_mut(&name).arrivals = arrivals;
        }
    }

    /// What the source of a live migration says.
    fn source(&self, name: &AssemblyId) -> Source<'_> {
        match self.assemblies.get(name) {
            None => Source::Gone,
            Some(source) if source.course.life() == Life::Safe => Source::Gone,
            Some(source) if source.heard_wall_us == 0 => Source::Unheard,
            Some(source) => Source::Heard(&source.history),
        }
    }

    /// The life of an assembly has another name from now on.
    pub(crate) fn rename_source(&mut self, old: &AssemblyId, new: &AssemblyId) {
        let targets = self.store.assemblies.iter();
        let targets = targets.filter(|(_, facts)| !facts.arrivals.is_empty());
        let targets: Vec<AssemblyId> = targets.map(|(name, _)| name.clone()).collect();
        for target in targets {
            let arrivals = &mut self.store.assembly_mut(&target).arrivals;
            arrivals.rename_source(old, new);
        }
    }
}
