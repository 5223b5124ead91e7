//! The deployments of all hosts, as the store has them: what another host changes is in the
//! registry at once.
//!
//! News only say where to look. Under the lock of changes the row is read again before it is taken:
//! what this host itself has changed meanwhile is not overwritten by what was read before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cpe_store::{News, Result, Row};
use tokio::sync::broadcast::error::RecvError;

use crate::core::Core;

/// Pause before the store is asked again that did not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// Follows the store for as long as it is there. Of a store of one host there are no news.
pub(crate) async fn run(core: Arc<Core>) {
    let mut news = core.store.news();
    // Whatever has changed since the start was read.
    let mut next = News::All;
    loop {
        while let Err(error) = take(&core, &next).await {
            tracing::debug!("what other hosts have changed is not known: {error}");
            tokio::time::sleep(AGAIN).await;
        }
        next = match news.recv().await {
            Ok(news) => news,
            Err(RecvError::Lagged(_)) => News::All,
            Err(RecvError::Closed) => return,
        };
    }
}

async fn take(core: &Core, news: &News) -> Result<()> {
    match news {
        News::Deployment(name) => one(core, name).await,
        News::All => {
            let rows = core.store.deployments().await?;
            let there: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
            let known = core.registry.all().into_iter();
            let gone = known.filter(|it| !there.contains(it.name.as_str()));
            for deployment in gone {
                one(core, &deployment.name).await?;
            }
            for row in rows.iter().filter(|row| !is_known(core, row)) {
                one(core, &row.name).await?;
            }
            Ok(())
        }
    }
}

fn is_known(core: &Core, row: &Row) -> bool {
    let known = core.registry.get(&row.name);
    known.is_some_and(|known| known.row() == *row)
}

async fn one(core: &Core, name: &str) -> Result<()> {
    // Without the lock first: while the store does not answer, nobody waits for it.
    match core.store.deployment(name).await? {
        Some(row) if is_known(core, &row) => return Ok(()),
        None if core.registry.get(name).is_none() => return Ok(()),
        _ => {}
    }
    let _changes = core.changes.lock().await;
    let row = core.store.deployment(name).await?;
    let known = core.registry.get(name);
    // One that was destroyed and created again is another one of the same name.
    let is_same = |row: &Row| {
        known
            .as_ref()
            .is_none_or(|it| it.row().created == row.created)
    };
    if !row.as_ref().is_some_and(is_same) {
        core.forget(name);
    }
    if let Some(row) = row {
        core.registry.put(row);
    }
    Ok(())
}
