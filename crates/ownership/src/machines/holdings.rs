//! What this host runs, or is about to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::vocabulary::{DeploymentId, HostId};

/// The unit of a deployment. Each state names the revision of the record that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// It may be started then.
    Waiting {
        /// Of the record.
        revision: u64,
        /// When.
        until_us: u64,
    },
    /// It was started.
    Running(u64),
    /// It is being stopped.
    Ending(u64),
    /// It has ended, and is never started under this revision again: a request to give the record
    /// away may be under way for longer than anybody waits for it.
    LetGo {
        /// Of the record.
        revision: u64,
        /// Whether it ran under it, so that the permit of who had it before is over.
        waited: bool,
    },
}

/// What becomes of a deployment that this host lets go of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// That host gets it.
    HandOver(HostId),
    /// Its records are removed.
    Remove,
    /// This host claims it again, and gets another revision.
    Again,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub(crate) unit: Unit,
    pub(crate) intent: Option<Intent>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    all: BTreeMap<DeploymentId, Holding>,
    /// Those whose units run, with the revisions of their records. Who has a copy keeps it.
    running: Arc<BTreeMap<DeploymentId, u64>>,
    timers: BTreeSet<(u64, DeploymentId)>,
    /// Those that go to other hosts.
    handing: BTreeSet<DeploymentId>,
}

impl Holdings {
    pub(crate) fn get(&self, deployment: &DeploymentId) -> Option<&Holding> {
        self.all.get(deployment)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &DeploymentId> {
        self.all.keys()
    }

    /// Those whose units run and are to go on.
    pub(crate) fn steady(&self) -> impl Iterator<Item = &DeploymentId> {
        let is_steady = |(name, holding): &(&DeploymentId, &Holding)| {
            matches!(holding.unit, Unit::Running(_)) && !self.handing.contains(*name)
        };
        self.all.iter().filter(is_steady).map(|(name, _)| name)
    }

    pub(crate) fn running(&self) -> &Arc<BTreeMap<DeploymentId, u64>> {
        &self.running
    }

    pub(crate) fn set_unit(&mut self, deployment: &DeploymentId, unit: Unit) {
        let runs = match unit {
            Unit::Running(revision) => Some(revision),
            _ => None,
        };
        self.note_run(deployment, runs);
        if let Unit::Waiting { until_us, .. } = unit {
            self.timers.insert((until_us, deployment.clone()));
        }
        match self.all.get_mut(deployment) {
            Some(holding) => holding.unit = unit,
            None => {
                let intent = None;
                self.all
                    .insert(deployment.clone(), Holding { unit, intent });
            }
        }
    }

    fn note_run(&mut self, deployment: &DeploymentId, runs: Option<u64>) {
        if self.running.get(deployment).copied() == runs {
            return;
        }
        let running = Arc::make_mut(&mut self.running);
        match runs {
            Some(revision) => running.insert(deployment.clone(), revision),
            None => running.remove(deployment),
        };
    }

    pub(crate) fn set_intent(&mut self, deployment: &DeploymentId, intent: Option<Intent>) {
        if let Some(holding) = self.all.get_mut(deployment) {
            match intent {
                Some(Intent::HandOver(_)) => self.handing.insert(deployment.clone()),
                _ => self.handing.remove(deployment),
            };
            holding.intent = intent;
        }
    }

    pub(crate) fn remove(&mut self, deployment: &DeploymentId) {
        self.all.remove(deployment);
        self.note_run(deployment, None);
        self.handing.remove(deployment);
    }

    /// How many are on their way to other hosts.
    pub(crate) fn handed(&self) -> usize {
        self.handing.len()
    }

    /// Whether a process of any of them may be there.
    pub(crate) fn has_units(&self) -> bool {
        let is_there = |it: &Holding| matches!(it.unit, Unit::Running(_) | Unit::Ending(_));
        self.all.values().any(is_there)
    }

    pub(crate) fn clear(&mut self) {
        *self = Holdings::default();
    }

    /// Something is to be done with it at that time.
    pub(crate) fn plan(&mut self, at_us: u64, deployment: &DeploymentId) {
        self.timers.insert((at_us, deployment.clone()));
    }

    /// Takes those whose time has come.
    pub(crate) fn due(&mut self, now_us: u64) -> Vec<DeploymentId> {
        let mut found = Vec::new();
        while self
            .timers
            .first()
            .is_some_and(|(at_us, _)| *at_us <= now_us)
        {
            found.extend(self.timers.pop_first().map(|(_, name)| name));
        }
        found
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.timers.first().map(|(at_us, _)| *at_us)
    }
}
