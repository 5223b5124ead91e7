//! The deployments in memory, of this host or of all that share them: what is wanted (the store's
//! row), what is seen (the view), and where each runs (the place).
//!
//! The store is the truth and is written first; this mirror saves a disk read per question. It
//! outlives connections to the bus, so that a new connection finds everything that the last one
//! knew. Whoever wants to know of changes watches: the registry for deployments that come and go, a
//! deployment for its row and its view.

use std::collections::BTreeMap;
use std::sync::Arc;

use cpe_bus::{Error, Result};
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
    pub place: Place,
}

/// Where its DPE runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this host, which sees to it.
    Here {
        /// Of its record, by which this host has it; 0 on a host that shares none.
        revision: u64,
        /// Since then, µs since the Unix epoch; 0 on a host that shares none.
        since: u64,
    },
    /// This host has it, and is about to run it, or lets go of it.
    Pending,
    /// Another host has it.
    There(String),
    /// No host has it yet, or any more.
    Nowhere,
    /// This host has not heard yet who has it.
    Unknown,
}

impl Place {
    /// What is seen of a deployment that does not run here.
    fn remark(&self) -> String {
        match self {
            Place::Here { .. } => String::new(),
            Place::Pending => "this host has it, and waits until it may run it".to_owned(),
            Place::There(host) => format!("it runs on host {host}"),
            Place::Nowhere => "no host has it yet".to_owned(),
            Place::Unknown => "this host has not heard yet which host runs it".to_owned(),
        }
    }
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
        match (self.row.destroying, &self.place) {
            (Some(_), _) => DeploymentState::Destroying,
            // As that host has told.
            (None, Place::There(_) | Place::Unknown) => self.row.state,
            (None, _) => self.view.state,
        }
    }
}

impl Deployment {
    fn new(row: Row, place: Place) -> Deployment {
        let state = match row.destroying {
            Some(_) => DeploymentState::Destroying,
            None => DeploymentState::Stored,
        };
        let view = View {
            state,
            pid: 0,
            remark: place.remark(),
        };
        Deployment {
            name: row.name.clone(),
            current: watch::Sender::new(Current { row, view, place }),
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

    /// The revision by which this host runs it, if it does.
    pub(crate) fn run_by(&self) -> Option<u64> {
        match self.current.borrow().place {
            Place::Here { revision, .. } => Some(revision),
            _ => None,
        }
    }

    /// Returns when this host does not run it by this revision any more.
    pub(crate) async fn leaves(&self, revision: u64) {
        let mut current = self.current.subscribe();
        let is_left = |current: &Current| !matches!(current.place, Place::Here { revision: now, .. } if now == revision);
        let _ = current.wait_for(is_left).await;
    }

    /// Refuses what takes its DPE, if that runs on another host.
    ///
    /// # Errors
    /// [`Error::NotReady`] names the host.
    pub(crate) fn must_be_here(&self) -> Result<()> {
        match &self.current.borrow().place {
            Place::There(host) => Err(Error::NotReady(format!(
                "deployment `{}` runs on host {host}: ask there",
                self.name
            ))),
            _ => Ok(()),
        }
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
pub(crate) struct Registry {
    deployments: watch::Sender<BTreeMap<String, Arc<Deployment>>>,
    /// Changes whenever one of them runs elsewhere than before.
    places: watch::Sender<()>,
    /// Where those run that come.
    place: Place,
}

impl Registry {
    /// Whether deployments are `shared` with other hosts: then it has to be told where each runs.
    pub(crate) fn new(shared: bool) -> Registry {
        let place = match shared {
            true => Place::Unknown,
            false => Place::Here {
                revision: 0,
                since: 0,
            },
        };
        Registry {
            deployments: watch::Sender::default(),
            places: watch::Sender::default(),
            place,
        }
    }

    /// Changes whenever a deployment runs elsewhere than before.
    pub(crate) fn places(&self) -> watch::Receiver<()> {
        self.places.subscribe()
    }

    /// A deployment runs there.
    pub(crate) fn place(&self, deployment: &Deployment, place: Place) {
        let is_new = deployment.current.send_if_modified(|current| {
            let is_new = current.place != place;
            if is_new {
                current.view.pid = 0;
                current.view.remark = place.remark();
                current.place = place;
            }
            is_new
        });
        if is_new {
            deployment.wake();
            self.places.send_replace(());
        }
    }

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
            let deployment = Deployment::new(row, self.place.clone());
            deployments.insert(deployment.name.clone(), Arc::new(deployment));
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
            host: String::new(),
            state: DeploymentState::Unknown,
            owned: Default::default(),
        }
    }

    #[test]
    fn watchers_hear_of_changes_and_of_nothing_else() {
        let registry = Registry::new(false);
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
        let registry = Registry::new(false);
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
        let registry = Registry::new(false);
        registry.put(row("shop"));
        let shop = registry.get("shop").unwrap();
        shop.wake();
        shop.wake();
        shop.woken().await;
    }
}
