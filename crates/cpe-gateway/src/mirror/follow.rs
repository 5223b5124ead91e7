//! Following the event log, without a gap, whatever restarts meanwhile.
//!
//! A signal says that there is something new, no more: what it is, is read from the log, from the
//! last cursor on. So it does not matter which signals arrive, or when cpe or the bus restarts.

use std::sync::Arc;
use std::time::Duration;

use cpe_bus::news::New;
use cpe_bus::{BusSelection, Error, Event, Fields, Result};
use cpe_daemon::Pauses;
use tokio::time::timeout;

use super::{Logged, Mirror, look_back};
use crate::bus::{Link, PAGE};

/// Pauses before the bus is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Pause before a cpe that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// The log is looked at so often without a signal: cpe forgets to whom it sends them when it takes
/// up other rights.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// How far back events are read at the beginning, for those who look back.
const PAST: u64 = 1000;

/// Follows for as long as the process lives.
pub(super) async fn run(mirror: Arc<Mirror>, bus: BusSelection) {
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
    loop {
        match follow(&mirror, &bus, &mut pauses).await {
            Ok(()) => tracing::warn!("the connection to the {bus} bus is lost; connecting again"),
            Err(error) => tracing::warn!("{}; trying again", error.message()),
        }
        mirror.write().link = None;
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

/// Follows on one connection until it ends.
async fn follow(mirror: &Arc<Mirror>, bus: &BusSelection, pauses: &mut Pauses) -> Result<()> {
    let link = Link::open(bus).await?;
    // Before the log is read: what is recorded meanwhile is seen in either way.
    let mut news = link.listen().await?;
    pauses.reset();
    mirror.write().link = Some(link.clone());
    mirror.look_at_all();
    // Whether there may be more in the log, and whether another cpe may answer.
    let (mut is_behind, mut is_another) = (true, true);
    loop {
        if is_behind {
            match catch_up(mirror, &link).await {
                Ok(is_at_end) => {
                    is_behind = !is_at_end;
                    is_another = is_another && !ask_version(mirror, &link).await;
                    mirror.write().is_answering = true;
                }
                Err(_) if link.is_closed() => return Ok(()),
                Err(error) => {
                    mirror.write().is_answering = false;
                    tracing::debug!("the event log cannot be read: {}", error.message());
                    tokio::time::sleep(PAUSE).await;
                }
            }
            continue;
        }
        match timeout(LOOK_EVERY, news.next()).await {
            Ok(New::Events) | Err(_) => {}
            Ok(New::Owner) => {
                is_another = true;
                mirror.look_at_all();
            }
            Ok(New::End) => return Ok(()),
        }
        is_behind = true;
    }
}

/// Asks cpe for its version; whether it has told.
async fn ask_version(mirror: &Mirror, link: &Link) -> bool {
    match link.version().await {
        Ok(version) => {
            mirror.write().version = version;
            true
        }
        Err(error) => {
            tracing::debug!("cpe does not tell its version: {}", error.message());
            false
        }
    }
}

/// Reads on; whether the end is reached.
async fn catch_up(mirror: &Arc<Mirror>, link: &Link) -> Result<bool> {
    let (known, cursor) = mirror.with_ring(|ring| (ring.log().to_owned(), ring.end()));
    if known.is_empty() {
        let log = link.log_id().await?;
        let newest = link.newest_cursor().await?;
        let from = newest.saturating_sub(PAST);
        let (past, _) = link.query(&log, from, PAGE, Fields::new()).await?;
        mirror.begin(&log, newest);
        let past = past.into_iter().filter(|it| it.cursor <= newest);
        mirror.write().past = past.map(|it| Arc::new(Logged::from(it))).collect();
        tokio::spawn(look_back::run(
            Arc::clone(mirror),
            link.clone(),
            log,
            newest,
        ));
        return Ok(false);
    }
    match link.query(&known, cursor, PAGE, Fields::new()).await {
        Ok((events, next)) => {
            let is_at_end = events.is_empty() && next == cursor;
            mirror.append(events, next);
            Ok(is_at_end)
        }
        Err(Error::OtherLog(_)) => {
            tracing::warn!("cpe has another event log now; reading it from its beginning");
            mirror.begin(&link.log_id().await?, 0);
            mirror.write().tally.begin_other_log();
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

impl Mirror {
    fn begin(&self, log: &str, cursor: u64) {
        let mut state = self.write();
        state.ring.reset(log, cursor);
        // They are of another log.
        state.past.clear();
        drop(state);
        self.newest.send_replace(cursor);
    }

    fn append(&self, events: Vec<Event>, until: u64) {
        for event in &events {
            self.note(event);
        }
        let mut state = self.write();
        for event in events {
            state.tally.count(&event);
            state.ring.push(event);
        }
        state.ring.looked_until(until);
        drop(state);
        self.newest.send_replace(until);
    }
}
