//! This host's part among hosts that share deployments: carries out what `membership` wants, with
//! DPEs that systemd runs.
//!
//! What a process leaves is under `/run`, also its session: the next one goes on within a second,
//! and the permit that the DPEs go by still lasts. What cannot be carried out ends this process.

mod facts;
mod places;
#[cfg(test)]
mod tests;
mod units;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use membership::{Cluster, Driver, boot};
use tokio::sync::{mpsc, watch};

use self::places::Places;
use self::units::Units;
use crate::config::Config;
use crate::core::Core;
use crate::stores;
use crate::systemd::Systemd;

/// Where DPEs find their grants and the permit: `CPE_CLUSTER` of their units says the same. The
/// unit of cpe has systemd make it.
const FOLDER: &str = "/run/cpe/cluster";
/// Of this program, as other hosts see it: a deployment may need a later one.
pub(crate) const VERSION: u32 = 1;
/// Ends of units that wait.
const ENDS: usize = 1024;

/// systemd on the connection to the bus that there is now.
pub(crate) type Current = watch::Receiver<Option<Arc<Systemd>>>;

/// Keeps this host's part, for as long as everything can be carried out. On a host that shares
/// nothing it never ends.
///
/// # Errors
/// Says what could not be. The next process takes up what this one leaves.
pub(crate) async fn run(core: &Arc<Core>, systemd: Current) -> anyhow::Result<Infallible> {
    if !core.config.shares_deployments() {
        return std::future::pending().await;
    }
    let name = &core.config.cluster.name;
    let folder = folder();
    let cluster = cluster(&core.config, &folder)?;
    let store = cluster.store.clone();
    let (to_ends, ends) = mpsc::channel(ENDS);
    let units = Units::new(systemd, &folder);
    tokio::spawn(units.clone().tell_ends(to_ends));
    let begun = Driver::new(cluster, units, ends).await;
    let (driver, handle) = begun.with_context(|| format!("host {name} cannot join the others"))?;
    facts::serve(&store, &folder).await?;
    let places = Places {
        handle: handle.clone(),
        host: name.clone(),
        folder,
    };
    tokio::spawn(places.follow(Arc::clone(core)));
    // Set once: this runs once in a process.
    let _ = core.cluster.set(handle);
    let ended = driver.run().await;
    ended.with_context(|| format!("host {name} has no part among the others any more"))
}

fn folder() -> PathBuf {
    let folder = std::env::var_os("RUNTIME_DIRECTORY");
    folder.map_or_else(|| FOLDER.into(), PathBuf::from)
}

fn cluster(config: &Config, folder: &Path) -> anyhow::Result<Cluster> {
    let host = &config.cluster;
    Ok(Cluster {
        host: host.name.clone(),
        version: VERSION,
        address: host.address.clone(),
        capacity: host.capacity,
        labels: host.labels.clone(),
        boot: boot()?,
        store: stores::settings(config)?,
        folder: folder.to_owned(),
    })
}
