//! What every part of the daemon shares, for as long as the process lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, OnceLock};

use cpe_bus::{BusSelection, Error, Result};
use cpe_store::{Keep, KeptAside, Ownership, Row, Store};
use membership::{Handle, now_us};
use ownership::DeploymentId;
use tokio::sync::{Mutex, watch};

use crate::access::{self, Seen};
use crate::config::{Access, Config};
use crate::documents::Reader;
use crate::facts::{Facts, Known};
use crate::refusals::Refusals;
use crate::registry::Registry;
use crate::rights::Policy;
use crate::stores;
use crate::sync::lock;

/// MESSAGE_ID of the line that tells of a database that was kept aside.
const DATABASE_KEPT_ASIDE: &str = "5c6f0d1f2b9d4c0fb6a3c1a7c7a4e0d9";

/// MESSAGE_ID of the lines that say that the database cannot be used, and that it can be again.
const DATABASE_FAILS: &str = "d723a4e57b7f49408d37303ec1f48fc1";
/// MESSAGE_ID of the line that says that a DPE runs and is not on the bus.
const DPE_NOT_ON_THE_BUS: &str = "b87c1e125b394c1aa4abd70adee256d3";

/// Deployments that were destroyed and whose owners are remembered, until the next start at most.
const MOST_FORMER: usize = 4096;

/// Which document of a name it is: when the deployment was created, and a generation.
type Version = (u64, u64);

pub(crate) struct Core {
    pub config: Config,
    pub bus: BusSelection,
    pub store: Arc<dyn Store>,
    /// This host's part among those that share deployments; not there on a host that shares none,
    /// and while it is joining them.
    pub cluster: OnceLock<Handle>,
    pub registry: Registry,
    pub documents: Reader,
    /// The rights that are in force.
    pub rights: watch::Sender<Arc<Policy>>,
    /// What was wrong with `access.toml` when it was read at the start.
    pub access_refused: Option<String>,
    /// What was there then.
    pub access_seen: Seen,
    pub refusals: Refusals,
    /// Whose deployments were that were destroyed: their events are theirs still.
    former: SyncMutex<HashMap<String, Ownership>>,
    /// By deployment: what its document says.
    facts: SyncMutex<HashMap<String, (Version, Arc<Facts>)>>,
    /// Held while a deployment is changed, so that store and registry change in the same order.
    pub changes: Mutex<()>,
    /// Cursor of the last event that was sent as a signal.
    pub signalled: AtomicU64,
    /// The database could not be used the last time.
    failing: AtomicBool,
    /// It was said that a DPE is not on the bus.
    nameless_reported: AtomicBool,
}

impl Core {
    /// Opens the state directory and takes up what is stored there.
    pub(crate) async fn open(
        config: Config,
        bus: BusSelection,
        directory: &std::path::Path,
    ) -> anyhow::Result<Core> {
        let access_seen = access::look(&config.access.file);
        let (policy, access_refused) = match access::read(&config.access) {
            Ok(policy) => (policy, None),
            Err(reason) => {
                let Access {
                    group,
                    recorder_group,
                    ..
                } = &config.access;
                (Policy::closed(group, recorder_group), Some(reason))
            }
        };
        let (store, kept_aside) = stores::open(&config, directory).await?;
        if let Some(kept_aside) = &kept_aside {
            report(kept_aside, config.shares_deployments());
        }
        let rows = stores::all(&*store).await?;
        let documents = Reader::new(&config.limits, config.shares_deployments());
        let signalled = AtomicU64::new(*store.head().borrow());
        let registry = Registry::new(config.shares_deployments());
        for row in rows {
            registry.put(row);
        }
        Ok(Core {
            config,
            bus,
            store,
            cluster: OnceLock::new(),
            registry,
            documents,
            rights: watch::Sender::new(Arc::new(policy)),
            access_refused,
            access_seen,
            refusals: Refusals::default(),
            former: SyncMutex::default(),
            facts: SyncMutex::default(),
            changes: Mutex::new(()),
            signalled,
            failing: AtomicBool::new(false),
            nameless_reported: AtomicBool::new(false),
        })
    }

    /// The rights that are in force now.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.rights.borrow())
    }

    /// Whose a deployment is, or was if it is not there any more.
    pub(crate) fn ownership(&self, name: &str) -> Option<Ownership> {
        match self.registry.get(name) {
            Some(deployment) => Some(deployment.row().owned),
            None => lock(&self.former).get(name).cloned(),
        }
    }

    /// The deployment is gone for good.
    pub(crate) fn forget(&self, name: &str) {
        if let Some(deployment) = self.registry.get(name) {
            let mut former = lock(&self.former);
            if former.len() >= MOST_FORMER {
                former.clear();
            }
            former.insert(name.to_owned(), deployment.row().owned);
        }
        self.registry.remove(name);
        lock(&self.facts).remove(name);
    }

    /// How many documents of each deployment are kept.
    pub(crate) fn keep(&self) -> Keep {
        let limits = &self.config.limits;
        Keep {
            generations: limits.generations,
            bytes: u64::try_from(limits.generations_size).unwrap_or(u64::MAX),
        }
    }

    /// Says loudly that what is on this host's disk was damaged.
    pub(crate) fn report(&self, kept_aside: &KeptAside) {
        report(kept_aside, self.config.shares_deployments());
    }

    /// Refuses to change anything while the store that several hosts share does not answer: to wait
    /// for it would take longer, and keep others waiting.
    ///
    /// # Errors
    /// [`Error::NotReady`] says since when.
    pub(crate) fn may_change(&self) -> Result<()> {
        let Some(status) = self.cluster.get().map(Handle::status) else {
            return Ok(());
        };
        let Some(trouble) = status.trouble.filter(|_| !status.host.may_act) else {
            return Ok(());
        };
        let seconds = now_us().saturating_sub(trouble.since_us) / 1_000_000;
        Err(Error::NotReady(format!(
            "the store has not answered for {seconds} s ({}): nothing was changed, try again when it does",
            trouble.text
        )))
    }

    /// The database cannot be used: says so loudly, once.
    pub(crate) fn store_fails(&self, error: &cpe_store::Error) {
        if self.failing.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.config.shares_deployments() {
            tracing::error!(
                message_id = DATABASE_FAILS,
                "{error}. DPEs act for as long as this host's permit lasts, and none is stopped; the events of that are recorded when \
                 the store answers again. Until then no deployment can be created, changed or destroyed"
            );
        } else {
            tracing::error!(
                message_id = DATABASE_FAILS,
                "{error}; is the disk full? DPEs are kept running all the same, and the events of that are recorded when it works again. \
                 Until then no deployment can be created, changed or destroyed"
            );
        }
    }

    /// The database was written to.
    pub(crate) fn store_works(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            let what = match self.config.shares_deployments() {
                true => "the store answers again",
                false => "the database works again",
            };
            tracing::warn!(message_id = DATABASE_FAILS, "{what}");
        }
    }

    /// The DPE of a deployment that this host is granted is of no use: it is stopped, and started
    /// again, by who has started it.
    pub(crate) async fn renew_grant(&self, deployment: &str) {
        if let Some(cluster) = self.cluster.get() {
            cluster.renew(&DeploymentId::new(deployment)).await;
        }
    }

    /// A DPE has run for long without appearing on the bus, and its unit is restarted. If one
    /// cannot connect, others cannot either, so this is said loudly once.
    pub(crate) fn dpe_not_on_the_bus(&self, unit: &str) {
        if self.nameless_reported.swap(true, Ordering::Relaxed) {
            tracing::info!(unit, "{unit} has not appeared on the bus: it is restarted");
            return;
        }
        tracing::error!(
            message_id = DPE_NOT_ON_THE_BUS,
            unit,
            "{unit} runs and has not appeared on the bus: it is restarted. Does the bus take no more connections of its user \
             (max_connections_per_user in the bus's configuration; `journalctl -u {unit}` says why)? This is said once"
        );
    }

    /// What the current document of a deployment says. It is read when it is first asked for.
    ///
    /// # Errors
    /// [`Error::Failed`] if the store cannot be read.
    pub(crate) async fn facts(&self, row: &Row) -> Result<Arc<Facts>> {
        let version = (row.created, row.generation);
        if let Some((known, facts)) = lock(&self.facts).get(&row.name)
            && *known == version
        {
            return Ok(Arc::clone(facts));
        }
        let found = self.store.document_and_claims(&row.name);
        let found = found
            .await
            .map_err(|error| Error::Failed(error.to_string()))?;
        // Forgotten meanwhile: it uses nothing any more.
        let Some((document, generation, claims)) = found else {
            return Ok(Arc::new(Facts::of_none()));
        };
        let facts = match document {
            Some(document) => self.documents.facts(document, &claims).await?,
            None => Facts::unread(&claims),
        };
        if facts.known != Known::All {
            tracing::error!(
                cpe_deployment = row.name,
                "the stored document of {} cannot be read by this version of cpe",
                row.name
            );
        }
        let facts = Arc::new(facts);
        if generation == row.generation {
            let mut all = lock(&self.facts);
            all.retain(|name, _| self.registry.get(name).is_some());
            all.insert(row.name.clone(), (version, Arc::clone(&facts)));
        }
        Ok(facts)
    }
}

/// Says loudly that the database is another one now.
fn report(kept_aside: &KeptAside, is_copy: bool) {
    if is_copy {
        tracing::error!(
            message_id = DATABASE_KEPT_ASIDE,
            path = %kept_aside.path.display(),
            reason = kept_aside.reason,
            "this host's copy of the event log is corrupt ({}); it is kept as {}, and what the store still has is copied again. \
             Deployments are in the store, and unharmed",
            kept_aside.reason,
            kept_aside.path.display()
        );
        return;
    }
    tracing::error!(
        message_id = DATABASE_KEPT_ASIDE,
        path = %kept_aside.path.display(),
        reason = kept_aside.reason,
        "the database is corrupt ({}); it is kept as {}, and an empty one is used. Running DPEs hold copies of \
         their documents and are taken over, none is stopped; the event log starts empty. To go back to a backup: stop cpe, \
         put the backup in place, start cpe",
        kept_aside.reason,
        kept_aside.path.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_forgotten_meanwhile_is_no_document_that_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::default();
        let core = Core::open(config, BusSelection::System, directory.path());
        let core = core.await.unwrap();
        let row = Row {
            name: "shop".into(),
            uuid: "u1".into(),
            generation: 1,
            created: 1,
            destroying: None,
            unloaded: false,
            loaded: 1,
            invocation: String::new(),
            alive: false,
            host: String::new(),
            state: cpe_status::DeploymentState::Unknown,
            owned: Ownership::default(),
        };
        let facts = core.facts(&row).await.unwrap();
        assert_eq!((facts.known, facts.claims.len()), (Known::All, 0));
    }
}
