//! The deployments of this host in memory: what is wanted (the store's row) and what is seen (the
//! view).
//!
//! The store is the truth and is written first; this mirror saves a disk read per question. It
//! outlives connections to the bus, so that a new connection finds everything that the last one
//! knew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cpe_status::DeploymentState;
use tokio::sync::Notify;

use crate::store::Row;
use crate::sync::lock;

/// One deployment.
pub(crate) struct Deployment {
    pub name: String,
    row: Mutex<Row>,
    view: Mutex<View>,
    /// Something that concerns it happened: its supervisor should look again.
    pub wake: Notify,
}

/// What the supervisor saw last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub state: DeploymentState,
    /// The DPE's process; 0 if there is none.
    pub pid: u32,
    /// What stands in the way, or is being done, for people; empty if all is well.
    pub remark: String,
}

impl Deployment {
    pub(crate) fn row(&self) -> Row {
        lock(&self.row).clone()
    }

    /// Takes over what the store says now, and has the supervisor look.
    pub(crate) fn set_row(&self, row: Row) {
        *lock(&self.row) = row;
        self.wake.notify_one();
    }

    pub(crate) fn view(&self) -> View {
        lock(&self.view).clone()
    }

    /// Its state as the bus tells it: from the moment that a destroy is stored, it is being
    /// destroyed.
    pub(crate) fn state(&self) -> DeploymentState {
        match lock(&self.row).destroying {
            Some(_) => DeploymentState::Destroying,
            None => lock(&self.view).state,
        }
    }

    /// True if that changed anything.
    pub(crate) fn set_view(&self, view: View) -> bool {
        let mut current = lock(&self.view);
        let changed = *current != view;
        *current = view;
        changed
    }
}

/// All of them, by name.
#[derive(Default)]
pub(crate) struct Registry {
    deployments: Mutex<BTreeMap<String, Arc<Deployment>>>,
}

impl Registry {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Deployment>> {
        lock(&self.deployments).get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Deployment>> {
        lock(&self.deployments).values().cloned().collect()
    }

    /// Adds a deployment, or updates the one of that name.
    pub(crate) fn put(&self, row: Row) -> Arc<Deployment> {
        let mut deployments = lock(&self.deployments);
        if let Some(known) = deployments.get(&row.name) {
            known.set_row(row);
            return Arc::clone(known);
        }
        let state = match row.destroying {
            Some(_) => DeploymentState::Destroying,
            None => DeploymentState::Stored,
        };
        let deployment = Arc::new(Deployment {
            name: row.name.clone(),
            row: Mutex::new(row),
            view: Mutex::new(View {
                state,
                pid: 0,
                remark: String::new(),
            }),
            wake: Notify::new(),
        });
        deployments.insert(deployment.name.clone(), Arc::clone(&deployment));
        deployment
    }

    pub(crate) fn remove(&self, name: &str) {
        lock(&self.deployments).remove(name);
    }
}
