//! What the gateway knows: the status of all deployments, and the newest events.
//!
//! One task follows the event log, another fetches what an event says has changed. Whoever looks
//! reads what is known here, with its age: many viewers cost the DPEs as much as one.

mod follow;
mod look_back;
mod refresh;
mod ring;
mod sinks;
mod tally;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use cpe_bus::{BusSelection, DeploymentEntry};
use cpe_status::{DeploymentStatus, SinkNumbers};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::bus::Link;
use crate::problem::Problem;

pub use ring::{Logged, Ring};
pub use tally::Tally;

/// Knowledge that is older is none.
const STALE: Duration = Duration::from_secs(90);

/// A deployment, as it was seen last.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What cpe says of it.
    pub entry: DeploymentEntry,
    /// Its status; absent until it has been fetched.
    pub status: Option<Arc<DeploymentStatus>>,
    /// When that was fetched.
    pub fetched: Option<Instant>,
}

impl Seen {
    /// How old that is.
    pub fn age(&self) -> Option<Duration> {
        self.fetched.map(|fetched| fetched.elapsed())
    }
}

/// All of it.
#[derive(Debug, Default)]
pub struct Mirror {
    state: RwLock<State>,
    /// The newest cursor, for those who wait for the next event.
    newest: watch::Sender<u64>,
    /// For the task that fetches.
    wanted: refresh::Wanted,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    link: Option<Link>,
    version: String,
    deployments: BTreeMap<String, Seen>,
    ring: Ring,
    /// Events from before the ring began, for those who look back.
    past: Vec<Arc<Logged>>,
    tally: Tally,
    sinks: sinks::Told,
    /// When cpe last answered.
    answered: Option<Instant>,
    /// It did when it was asked last.
    is_answering: bool,
    /// It has said which deployments there are.
    is_filled: bool,
}

/// Whether what is known can be relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// cpe answered when it was asked last.
    pub is_answering: bool,
    /// How long ago cpe answered.
    pub age: Option<Duration>,
}

impl Health {
    /// Whether cpe answers, and what is known is not old.
    pub fn is_ready(self) -> bool {
        self.is_answering && self.age.is_some_and(|age| age < STALE)
    }
}

impl Mirror {
    /// Begins to mirror what is on a bus, until it is dropped with the runtime.
    pub fn start(bus: BusSelection) -> Arc<Mirror> {
        let mirror = Arc::new(Mirror::default());
        tokio::spawn(follow::run(Arc::clone(&mirror), bus));
        tokio::spawn(refresh::run(Arc::clone(&mirror)));
        tokio::spawn(sinks::run(Arc::clone(&mirror)));
        mirror
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// All deployments by name: for pages, lists and metrics.
    pub fn snapshot(&self) -> Vec<Seen> {
        self.read().deployments.values().cloned().collect()
    }

    /// What events have added up to.
    pub fn tally(&self) -> Tally {
        self.read().tally.clone()
    }

    /// How the delivery of events stands; none: nobody has told.
    pub fn sinks(&self) -> Vec<SinkNumbers> {
        let state = self.read();
        state.sinks.at(state.ring.end())
    }

    /// Whether cpe has said which deployments there are.
    pub fn is_filled(&self) -> bool {
        self.read().is_filled
    }

    /// One of them.
    pub fn deployment(&self, name: &str) -> Option<Seen> {
        self.read().deployments.get(name).cloned()
    }

    /// Whether all that can be relied upon.
    pub fn health(&self) -> Health {
        let state = self.read();
        Health {
            is_answering: state.link.is_some() && state.is_answering,
            age: state.answered.map(|answered| answered.elapsed()),
        }
    }

    /// The version of cpe; empty until it has answered.
    pub fn version(&self) -> String {
        self.read().version.clone()
    }

    /// The connection that only looks; `None` while there is none.
    pub fn link(&self) -> Option<Link> {
        self.read().link.clone()
    }

    /// Looks at the newest events.
    pub fn with_ring<T>(&self, look: impl FnOnce(&Ring) -> T) -> T {
        look(&self.read().ring)
    }

    /// The newest events that fit, newest first.
    pub fn latest(&self, most: usize, fits: impl Fn(&Logged) -> bool) -> Vec<Arc<Logged>> {
        let state = self.read();
        let all = state.ring.backwards().chain(state.past.iter().rev());
        all.filter(|it| fits(it)).take(most).cloned().collect()
    }

    /// The event log, and where it ends.
    ///
    /// # Errors
    /// As long as cpe has not told.
    pub fn log(&self) -> Result<(String, u64), Problem> {
        let (log, end) = self.with_ring(|ring| (ring.log().to_owned(), ring.end()));
        match log.is_empty() {
            true => Err(Problem::unavailable("cpe has not told its event log yet")),
            false => Ok((log, end)),
        }
    }

    /// To wait for new ones.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Has a deployment looked at again, soon.
    pub fn look_again(&self, name: &str) {
        self.wanted.want(name);
        self.changed.notify_one();
    }
}
