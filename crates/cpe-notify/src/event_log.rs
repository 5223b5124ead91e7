//! Where events come from: the log of `cpe`, read by cursor over the bus.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::proxies::CpeEventsProxy;
use cpe_bus::{Error, Event, Fields};
use tokio::sync::{Semaphore, watch};
use zbus::Connection;
use zbus::proxy::CacheProperties;

/// Events of one page.
const PAGE: u32 = 200;
/// Calls under way at a time: `cpe` takes eight of a connection.
const CALLS: usize = 4;
/// A time after which nothing has happened, microseconds since the Unix epoch.
const NEVER: u64 = i64::MAX as u64;

/// A part of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Oldest first: all that are kept between the cursor that was asked for and `next`.
    pub events: Vec<Event>,
    /// Where to go on.
    pub next: u64,
}

/// Why the log cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// Not now.
    #[error("{0}")]
    Away(String),
    /// The cursor is of another log: that one was lost, or restored from a backup.
    #[error("{0}")]
    OtherLog(String),
}

/// A log of events, read by cursor.
pub trait EventLog: Clone + Send + Sync + 'static {
    /// The log's id, and the cursor of its newest event.
    fn end(&self) -> impl Future<Output = Result<(String, u64), Unread>> + Send;

    /// The events after a cursor of the log with that id.
    fn page(&self, after: u64, log: &str) -> impl Future<Output = Result<Page, Unread>> + Send;

    /// The cursor of the newest event that is known of. It may lag behind.
    fn head(&self) -> watch::Receiver<u64>;
}

/// The log of the `cpe` at the bus, over one connection after another.
#[derive(Debug, Clone)]
pub struct BusLog {
    connection: watch::Receiver<Option<Connection>>,
    head: Arc<watch::Sender<u64>>,
    calls: Arc<Semaphore>,
}

impl BusLog {
    /// `connection`: the one to the bus, while there is one.
    pub fn new(connection: watch::Receiver<Option<Connection>>) -> BusLog {
        BusLog {
            connection,
            head: Arc::new(watch::channel(0).0),
            calls: Arc::new(Semaphore::new(CALLS)),
        }
    }

    async fn proxy(&self) -> Result<CpeEventsProxy<'static>, Unread> {
        let connection = self.connection.borrow().clone();
        let connection = connection.ok_or_else(|| Unread::Away("the bus is away".to_owned()))?;
        proxy(&connection).await.map_err(away)
    }

    /// An event was recorded; 0: perhaps some were.
    pub(crate) fn recorded(&self, cursor: u64) {
        // Also a lower cursor is news: of another log.
        self.head.send_replace(cursor);
    }
}

/// A client of the log on a connection.
pub(crate) async fn proxy(connection: &Connection) -> cpe_bus::Result<CpeEventsProxy<'static>> {
    Ok(CpeEventsProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await?)
}

fn away(error: Error) -> Unread {
    match error {
        Error::OtherLog(text) => Unread::OtherLog(text),
        error if error.is_temporary() => {
            Unread::Away(format!("cpe is away or busy: {}", error.message()))
        }
        error => Unread::Away(error.message()),
    }
}

impl EventLog for BusLog {
    async fn end(&self) -> Result<(String, u64), Unread> {
        let _permit = self.calls.acquire().await;
        let proxy = self.proxy().await?;
        let log = proxy.log_id().await.map_err(away)?;
        let mut filter = of_log(&log);
        put(&mut filter, "since", NEVER);
        let mut after = 0;
        // A call looks at a part of a long log.
        loop {
            let asked = proxy.query(after, 1, filter.clone()).await;
            let (_, next) = asked.map_err(away)?;
            if next == after {
                return Ok((log, after));
            }
            after = next;
        }
    }

    async fn page(&self, after: u64, log: &str) -> Result<Page, Unread> {
        let _permit = self.calls.acquire().await;
        let proxy = self.proxy().await?;
        let asked = proxy.query(after, PAGE, of_log(log)).await;
        let (records, next) = asked.map_err(away)?;
        let mut events = Vec::with_capacity(records.len());
        for record in &records {
            let event = Event::from_fields(record);
            events.push(event.map_err(|error| Unread::Away(error.message()))?);
        }
        // An event may be newer than what the log held when it was asked how far it goes.
        let last = events.last().map_or(0, |event| event.cursor);
        Ok(Page {
            next: next.max(last),
            events,
        })
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}

fn of_log(log: &str) -> Fields {
    let mut filter = Fields::new();
    put(&mut filter, "log", log);
    filter
}

/// How long it is waited for news before the log is looked at anyway: a signal can get lost while
/// the connection to the bus is made.
pub const LOOK: Duration = Duration::from_secs(20);
