//! What nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cluster_keys as keys;
use cpe_daemon::now;
use cpe_etcd::{Compare, Operation, Txn};
use cpe_store::Result;
use uuid::Uuid;

use crate::calls::Calls;
use crate::deployments::Deployments;
use crate::log::Log;

/// Uploads that no generation names, and events that every host may have copied, stay so long.
const LIFE: Duration = Duration::from_secs(3600);
/// Keys that one transaction deletes.
const AT_ONCE: usize = 100;
/// Events that are swept at a time.
const EVENTS: u32 = 10_000;

/// Uploads of a deployment that no generation named when that was looked at.
#[derive(Debug)]
pub(crate) struct Unnamed {
    name: String,
    /// Its row as it was before. Whatever turns to an upload changes it.
    row: Compare,
    ids: BTreeSet<String>,
}

/// Deletes uploads that are older than an hour and that no generation names. A transaction that is
/// about to turn to one compares that it is there, and this one that nothing has turned since.
pub(crate) async fn uploads(deployments: &Deployments) -> Result<usize> {
    let mut count = 0;
    for unnamed in unnamed(deployments, oldest()).await? {
        count += delete_uploads(&deployments.calls, &unnamed).await?;
    }
    Ok(count)
}

/// Those that were begun before that, µs since the Unix epoch.
pub(crate) async fn unnamed(deployments: &Deployments, before: u64) -> Result<Vec<Unnamed>> {
    let calls = &deployments.calls;
    // First what is there, then what is named: what comes between is young.
    let mut old: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for key in calls.keys(keys::DOCUMENT).await? {
        let mut parts = key[keys::DOCUMENT.len()..].split('/');
        if let (Some(name), Some(id)) = (parts.next(), parts.next())
            && time_of(id).is_none_or(|time| time < before)
        {
            let ids = old.entry(name.to_owned()).or_default();
            ids.insert(id.to_owned());
        }
    }
    let mut all = Vec::new();
    for (name, mut ids) in old {
        let key = keys::row(&name);
        let row = match calls.get(&key).await? {
            Some(entry) => Compare::Revision(key, entry.revision),
            None => Compare::Absent(key),
        };
        for (_, record) in deployments.generations(&name).await? {
            ids.remove(&record.upload);
        }
        all.push(Unnamed { name, row, ids });
    }
    Ok(all)
}

/// Deletes them, if nothing has turned to one of them since. Gives how many.
pub(crate) async fn delete_uploads(calls: &Calls, unnamed: &Unnamed) -> Result<usize> {
    let ids: Vec<&String> = unnamed.ids.iter().collect();
    for some in ids.chunks(AT_ONCE) {
        let delete = |id: &&String| Operation::DeleteAll(keys::upload(&unnamed.name, id));
        let txn = Txn {
            compare: vec![unnamed.row.clone()],
            then: some.iter().map(delete).collect(),
            otherwise: Vec::new(),
        };
        if !calls.decide(txn).await?.reply.succeeded {
            // They are looked at again another time.
            return Ok(0);
        }
    }
    Ok(ids.len())
}

/// Deletes events of which this host has had a copy for an hour; gives how many. Nothing is
/// compared: whatever is under an event's id is that event.
pub(crate) async fn events(log: &Log, after: u64) -> Result<(usize, u64)> {
    let old = log.copy.older(oldest(), after, EVENTS).await?;
    let last = old.last().map_or(after, |(cursor, _)| *cursor);
    for some in old.chunks(AT_ONCE) {
        let delete = |(_, id): &(u64, String)| Operation::Delete(keys::event(id));
        let txn = Txn {
            then: some.iter().map(delete).collect(),
            ..Txn::default()
        };
        log.calls.decide(txn).await?;
    }
    Ok((old.len(), last))
}

fn oldest() -> u64 {
    now().saturating_sub(u64::try_from(LIFE.as_micros()).unwrap_or(u64::MAX))
}

/// When an upload was begun, µs since the Unix epoch.
fn time_of(id: &str) -> Option<u64> {
    let (seconds, nanos) = Uuid::parse_str(id).ok()?.get_timestamp()?.to_unix();
    Some(seconds * 1_000_000 + u64::from(nanos) / 1_000)
}
