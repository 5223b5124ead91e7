//! Which store is used: a file of this host, or etcd, which several hosts share.
//!
//! A store that cannot be reached is waited for, which is said: to end and start again would not
//! reach it sooner. What waiting cannot mend ends this program.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use cpe_daemon::{State, notify};
use cpe_store::sqlite::Sqlite;
use cpe_store::{Error, KeptAside, Row, Store};
use cpe_store_etcd::Etcd;

use crate::config::Config;

/// Deployments that a refusal names.
const MOST_NAMED: usize = 5;
/// Pause before it is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// systemd is told that the start takes so much longer, µs. An attempt takes seconds.
const LONGER: u32 = 60_000_000;

/// Opens the store that is configured. What belongs to this host alone lies in the directory.
///
/// # Errors
/// Says what stands in the way, if waiting does not help.
pub(crate) async fn open(
    config: &Config,
    directory: &Path,
) -> anyhow::Result<(Arc<dyn Store>, Option<KeptAside>)> {
    if !config.shares_deployments() {
        let (store, kept_aside) = Sqlite::open(directory)?;
        return Ok((Arc::new(store), kept_aside));
    }
    refuse_own(directory).await?;
    let settings = settings(config)?;
    let host = &config.cluster.name;
    let opened = patiently(async || Etcd::open(&settings, host, directory).await).await;
    let (store, kept_aside) = opened.context("the store in etcd cannot be used ([store])")?;
    Ok((Arc::new(store), kept_aside))
}

/// Refuses a host that has deployments of its own: the store of several does not have them, so that
/// their DPEs would have no grant, and be stopped.
async fn refuse_own(directory: &Path) -> anyhow::Result<()> {
    if !directory.join("cpe.db").exists() {
        return Ok(());
    }
    let (store, _) = Sqlite::open(directory)?;
    let rows = store.deployments().await?;
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row.name.as_str())
        .take(MOST_NAMED)
        .collect();
    bail!(
        "{} has {} deployments of this host ({}), which the store in etcd does not have: their DPEs would be stopped. Go back to kind = \"sqlite\" in [store], \
         and end them first; `cpectl destroy --keep-services NAME` leaves their services running",
        directory.join("cpe.db").display(),
        rows.len(),
        names.join(", ")
    )
}

/// All deployments that are stored.
///
/// # Errors
/// As above.
pub(crate) async fn all(store: &dyn Store) -> anyhow::Result<Vec<Row>> {
    Ok(patiently(async || store.deployments().await).await?)
}

/// How this host reaches etcd.
///
/// # Errors
/// Names the file that cannot be read.
pub(crate) fn settings(config: &Config) -> anyhow::Result<cpe_etcd::Settings> {
    let store = &config.store;
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path);
        text.with_context(|| format!("[store]: cannot read {}", path.display()))
    };
    let tls = cpe_etcd::Tls {
        authority: read(&store.ca)?,
        certificate: read(&store.cert)?,
        key: read(&store.key)?,
    };
    Ok(cpe_etcd::Settings {
        endpoints: store.endpoints.clone(),
        tls,
        call: cpe_etcd::CALL,
    })
}

/// Asks until it is answered, and says what it waits for.
async fn patiently<T>(ask: impl AsyncFn() -> cpe_store::Result<T>) -> cpe_store::Result<T> {
    let mut told = String::new();
    loop {
        let text = match ask().await {
            Err(Error::Unavailable(text) | Error::Unknown(text)) => text,
            answer => {
                if !told.is_empty() {
                    tracing::info!("the store answers now");
                }
                return answer;
            }
        };
        let text = format!("waiting for the store: {text}{}", hint(&text));
        notify(&[State::Status(&text), State::ExtendTimeoutUsec(LONGER)]);
        if text != told {
            tracing::warn!("{text}");
            told = text;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// What to look at, if that can be said.
fn hint(text: &str) -> &'static str {
    // What TLS libraries say of one, as this side or the other does.
    let is_refused = ["ertificate", "received fatal alert", "UnknownCA"]
        .iter()
        .any(|word| text.contains(word));
    match is_refused {
        true => {
            ". A certificate is refused: look at `ca`, `cert` and `key` in [store], and at etcd's own"
        }
        false => "",
    }
}
