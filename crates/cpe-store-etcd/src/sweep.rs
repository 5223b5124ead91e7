//! What nobody needs any more.

use std::collections::BTreeSet;
use std::time::Duration;

use cluster_keys as keys;
use cpe_daemon::now;
use cpe_etcd::{Operation, Txn};
use cpe_store::Result;
use uuid::Uuid;

use crate::deployments::Deployments;
use crate::log::Log;

/// Uploads that no generation names, and events that every host may have copied, stay so long.
const LIFE: Duration = Duration::from_secs(3600);
/// Keys that one transaction deletes.
const AT_ONCE: usize = 100;
/// Events that are swept at a time.
const EVENTS: u32 = 10_000;

/// Deletes uploads that are older than an hour and that no generation names. A transaction that is
/// about to turn to one compares that it is there.
pub(crate) async fn uploads(deployments: &Deployments) -> Result<usize> {
    let calls = &deployments.calls;
    let before = oldest();
    // First what is there, then what is named: what comes between is young.
    let mut old: BTreeSet<(String, String)> = BTreeSet::new();
    for key in calls.keys(keys::DOCUMENT).await? {
        let mut parts = key[keys::DOCUMENT.len()..].split('/');
        if let (Some(name), Some(id)) = (parts.next(), parts.next())
            && time_of(id).is_none_or(|time| time < before)
        {
            old.insert((name.to_owned(), id.to_owned()));
        }
    }
    let names: BTreeSet<String> = old.iter().map(|(name, _)| name.clone()).collect();
    for name in names {
        for (_, record) in deployments.generations(&name).await? {
            old.remove(&(name.clone(), record.upload));
        }
    }
    let deletes = old
        .iter()
        .map(|(name, id)| Operation::DeleteAll(keys::upload(name, id)));
    delete(&deployments.log, deletes.collect()).await
}

/// Deletes events of which this host has had a copy for an hour; gives how many.
pub(crate) async fn events(log: &Log, after: u64) -> Result<(usize, u64)> {
    let old = log.copy.older(oldest(), after, EVENTS).await?;
    let last = old.last().map_or(after, |(cursor, _)| *cursor);
    let deletes = old.iter().map(|(_, id)| Operation::Delete(keys::event(id)));
    let count = delete(log, deletes.collect()).await?;
    Ok((count, last))
}

async fn delete(log: &Log, all: Vec<Operation>) -> Result<usize> {
    for some in all.chunks(AT_ONCE) {
        let txn = Txn {
            then: some.to_vec(),
            ..Txn::default()
        };
        log.calls.decide(txn).await?;
    }
    Ok(all.len())
}

fn oldest() -> u64 {
    now().saturating_sub(u64::try_from(LIFE.as_micros()).unwrap_or(u64::MAX))
}

/// When an upload was begun, µs since the Unix epoch.
fn time_of(id: &str) -> Option<u64> {
    let (seconds, nanos) = Uuid::parse_str(id).ok()?.get_timestamp()?.to_unix();
    Some(seconds * 1_000_000 + u64::from(nanos) / 1_000)
}
