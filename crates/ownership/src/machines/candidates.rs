//! Deployments that nobody runs, and when this host may claim them.

use std::collections::{BTreeMap, BTreeSet};

use crate::vocabulary::DeploymentId;

#[derive(Clone, Copy, Debug)]
struct Candidate {
    since_us: u64,
    due_us: u64,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    all: BTreeMap<DeploymentId, Candidate>,
    due: BTreeSet<(u64, DeploymentId)>,
}

impl Candidates {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Since when a deployment is one.
    pub(crate) fn since_us(&self, deployment: &DeploymentId) -> Option<u64> {
        self.all.get(deployment).map(|it| it.since_us)
    }

    /// A deployment is to be looked at at that time, not at another one.
    pub(crate) fn plan(&mut self, now_us: u64, deployment: &DeploymentId, due_us: u64) {
        let since_us = self.since_us(deployment).unwrap_or(now_us);
        self.remove(deployment);
        let candidate = Candidate { since_us, due_us };
        self.all.insert(deployment.clone(), candidate);
        self.due.insert((due_us, deployment.clone()));
    }

    /// Somebody has it.
    pub(crate) fn remove(&mut self, deployment: &DeploymentId) {
        if let Some(candidate) = self.all.remove(deployment) {
            self.due.remove(&(candidate.due_us, deployment.clone()));
        }
    }

    /// The first one that is due.
    pub(crate) fn first_due(&self, now_us: u64) -> Option<DeploymentId> {
        let (due_us, deployment) = self.due.first()?;
        (*due_us <= now_us).then(|| deployment.clone())
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.due.clear();
    }

    /// When the first one is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.due.first().map(|(due_us, _)| *due_us)
    }
}
