//! The deployments of this host in memory: what is wanted (the store's row) and what is seen (the
//! view).
//!
//! The store is the truth and is written first; this mirror saves a disk read per question. It
//! outlives connections to the bus, so that a new connection finds everything that the last one
//! knew. Whoever wants to know of changes watches: the registry for deployments that come and go, a
//! deployment for its row and its view.

use std::collections::BTreeMap;
use std::sync::Arc;

use cpe_status::DeploymentState;
use cpe_store::Row;
use tokio::sync::{Notify, watch};

/// One deployment.
pub(crate) struct Deployment {
    pub name: String,
    current: watch::Sender<Current>,
    /// Holds one wake-up at most: its supervisor looks at everything anyway.
    wake: Notify,
}

/// What is known about a deployment now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Current {
    pub row: Row,
    pub view: View,
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

impl Current {
    /// The state as the bus says it: from the moment that a destroy is stored, the deployment is
    /// being destroyed.
    pub(crate) fn state(&self) -> DeploymentState {
        match self.row.destroying {
            Some(_) => DeploymentState::Destroying,
            None => self.view.state,
        }
    }
}

impl Deployment {
    fn new(row: Row) -> Deployment {
        let state = match row.destroying {
            Some(_) => DeploymentState::Destroying,
            None => DeploymentState::Stored,
        };
        let view = View {
            state,
            pid: 0,
            remark: String::new(),
        };
        Deployment {
            name: row.name.clone(),
            current: watch::Sender::new(Current { row, view }),
            wake: Notify::new(),
        }
    }

    pub(crate) fn current(&self) -> Current {
        self.current.borrow().clone()
    }

    pub(crate) fn row(&self) -> Row {
        self.current.borrow().row.clone()
    }

    pub(crate) fn view(&self) -> View {
        self.current.borrow().view.clone()
    }

    pub(crate) fn state(&self) -> DeploymentState {
        self.current.borrow().state()
    }

    /// Changes whenever the row or the view does.
    pub(crate) fn watch(&self) -> watch::Receiver<Current> {
        self.current.subscribe()
    }

    /// Takes over what the store says now, and has the supervisor look.
    pub(crate) fn set_row(&self, row: Row) {
        self.current.send_if_modified(|current| {
            let changed = current.row != row;
            current.row = row;
            changed
        });
        self.wake();
    }

    pub(crate) fn set_view(&self, view: View) {
        self.current.send_if_modified(|current| {
            let changed = current.view != view;
            current.view = view;
            changed
        });
    }

    /// Something that concerns it happened: its supervisor should look again.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for a wake-up; returns at once if there was one since the last.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}

/// All of them, by name.
#[derive(Default)]
pub(crate) struct Registry {
    deployments: watch::Sender<BTreeMap<String, Arc<Deployment>>>,
}

impl Registry {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Deployment>> {
        self.deployments.borrow().get(name).cloned()
    }

    /// Whether a deployment is still there, and not another one of that name, which may have the
    /// same uuid.
    pub(crate) fn has(&self, deployment: &Arc<Deployment>) -> bool {
        let now = self.get(&deployment.name);
        now.is_some_and(|now| Arc::ptr_eq(&now, deployment))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Deployment>> {
        self.deployments.borrow().values().cloned().collect()
    }

    /// Changes whenever a deployment comes or goes.
    pub(crate) fn watch(&self) -> watch::Receiver<BTreeMap<String, Arc<Deployment>>> {
        self.deployments.subscribe()
    }

    /// Adds a deployment, or updates the one of that name.
    pub(crate) fn put(&self, row: Row) {
        self.deployments.send_if_modified(|deployments| {
            if let Some(known) = deployments.get(&row.name) {
                known.set_row(row);
                return false;
            }
            deployments.insert(row.name.clone(), Arc::new(Deployment::new(row)));
            true
        });
    }

    pub(crate) fn remove(&self, name: &str) {
        self.deployments
            .send_if_modified(|deployments| deployments.remove(name).is_some());
    }
}

#[cfg(test)]
mod tests {
    use cpe_store::Destroying;

    use super::*;

    fn row(name: &str) -> Row {
        Row {
            name: name.into(),
            uuid: "u1".into(),
            generation: 1,
            created: 0,
            destroying: None,
            unloaded: false,
            loaded: 0,
            invocation: String::new(),
            alive: false,
            owned: Default::default(),
        }
    }

    #[test]
    fn watchers_hear_of_changes_and_of_nothing_else() {
        let registry = Registry::default();
        let mut deployments = registry.watch();
        registry.put(row("shop"));
        assert!(deployments.has_changed().unwrap());
        deployments.mark_unchanged();
        registry.put(row("shop"));
        assert!(!deployments.has_changed().unwrap());

        let shop = registry.get("shop").unwrap();
        let mut current = shop.watch();
        shop.set_view(shop.view());
        shop.set_row(shop.row());
        assert!(!current.has_changed().unwrap());
        shop.set_view(View {
            pid: 7,
            ..shop.view()
        });
        assert!(current.has_changed().unwrap());
        assert_eq!(current.borrow_and_update().view.pid, 7);

        registry.remove("shop");
        assert!(deployments.has_changed().unwrap());
    }

    #[test]
    fn a_stored_destroy_is_seen_before_the_supervisor_has_looked() {
        let registry = Registry::default();
        registry.put(row("shop"));
        let shop = registry.get("shop").unwrap();
        shop.set_view(View {
            state: DeploymentState::Active,
            ..shop.view()
        });
        registry.put(Row {
            destroying: Some(Destroying::StopServices),
            ..row("shop")
        });
        assert_eq!(shop.state(), DeploymentState::Destroying);
        assert_eq!(shop.view().state, DeploymentState::Active);
    }

    #[tokio::test]
    async fn a_wake_up_that_comes_before_the_wait_is_not_lost() {
        let registry = Registry::default();
        registry.put(row("shop"));
        let shop = registry.get("shop").unwrap();
        shop.wake();
        shop.wake();
        shop.woken().await;
    }
}
