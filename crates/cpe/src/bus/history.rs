//! The generations of a deployment's document: who stored which, and which are kept.

use cpe_bus::fields::bounded;
use cpe_bus::records::{GenerationEntry, MAX_REASON};
use cpe_bus::{Error, Fields, Result};
use cpe_store::{Generation, Row};

use super::stored;
use crate::audit;
use crate::host::Host;

/// Those that are kept, oldest first.
pub(super) async fn list(host: &Host, row: &Row) -> Result<Vec<Fields>> {
    let kept = kept(host, row).await?;
    // The row may be older than the list.
    let current = kept.last().map_or(row.generation, |newest| newest.number);
    let entries = kept.into_iter().map(|generation| {
        let by = match generation.who.is_empty() {
            true => String::new(),
            false => audit::by(&generation.who),
        };
        GenerationEntry {
            generation: generation.number,
            time: generation.accepted,
            bytes: generation.bytes,
            current: generation.number == current,
            by: bounded(&by, MAX_REASON),
            caller: generation.who,
            remark: bounded(&generation.remark, MAX_REASON),
        }
        .to_fields()
    });
    Ok(entries.collect())
}

/// Why there is no document of that generation.
pub(super) async fn not_kept(host: &Host, row: &Row, generation: u64) -> Error {
    let kept = match kept(host, row).await {
        Ok(kept) => kept,
        Err(error) => return error,
    };
    let numbers: Vec<u64> = kept.iter().map(|generation| generation.number).collect();
    let kept = match numbers[..] {
        [] => "none is".to_owned(),
        [only] => format!("only {only} is"),
        [oldest, .., newest] => format!("those from {oldest} to {newest} are"),
    };
    Error::NotFound(format!(
        "generation {generation} of `{}` is not kept; {kept} (limits.generations and limits.generations_size in cpe.toml)",
        row.name
    ))
}

async fn kept(host: &Host, row: &Row) -> Result<Vec<Generation>> {
    stored(host.core.store.generations(&row.name)).await
}
