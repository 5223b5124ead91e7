//! What the log says of the time before the gateway: when the state of each deployment changed.

use std::sync::Arc;

use cpe_bus::fields::put;
use cpe_bus::{Fields, Result};

use super::Mirror;
use crate::bus::{Link, PAGE};

/// Reads the kept part of the log once, until a cursor.
pub(super) async fn run(mirror: Arc<Mirror>, link: Link, log: String, until: u64) {
    if let Err(error) = read(&mirror, &link, &log, until).await {
        // The next event of each deployment tells it.
        tracing::debug!("older events cannot be read: {}", error.message());
    }
}

async fn read(mirror: &Mirror, link: &Link, log: &str, until: u64) -> Result<()> {
    let mut cursor = 0;
    while cursor < until {
        let mut filter = Fields::new();
        put(&mut filter, "kind", "deployment.*");
        let (events, next) = link.query(log, cursor, PAGE, filter).await?;
        let mut state = mirror.write();
        for event in &events {
            state.tally.look_back(event);
        }
        drop(state);
        if next == cursor {
            break;
        }
        cursor = next;
    }
    Ok(())
}
