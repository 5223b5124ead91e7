//! Following the event log without a gap and without a repetition, whatever restarts meanwhile.
//!
//! A signal only says that there is something new ([`cpe_bus::news`]): it is read from the log,
//! from the last cursor on.

use std::collections::VecDeque;
use std::time::Duration;

use cpe_bus::news::{New, News};
use cpe_bus::proxies::CpeEventsProxy;
use cpe_bus::{BusSelection, Error, Event, Fields};

use crate::client::Client;
use crate::failure::Failure;

/// Pause before the bus or the daemon is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// The log is looked at so often without a signal: cpe forgets to whom it sends them when it takes
/// up other rights.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Which events are wanted; empty texts match every event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub deployment: String,
    pub assembly: String,
    pub service: String,
    pub kind: String,
    /// In microseconds since the Unix epoch, inclusive.
    pub since: Option<u64>,
}

impl Filter {
    pub(crate) fn to_fields(&self) -> Fields {
        let texts = [
            ("deployment", &self.deployment),
            ("assembly", &self.assembly),
            ("service", &self.service),
            ("kind", &self.kind),
        ];
        let texts = texts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(key, text)| (key, zbus::Variant::from(text.clone())));
        let since = self.since.map(|time| ("since", zbus::Variant::from(time)));
        texts
            .chain(since)
            .filter_map(|(key, value)| Some((key.to_owned(), value.try_into_owned().ok()?)))
            .collect()
    }
}

/// Gives `each` what the log has from a cursor on; where it ends.
pub(crate) async fn past(
    client: &Client,
    filter: &Filter,
    mut cursor: u64,
    mut each: impl FnMut(Event) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let proxy = client.events().await?;
    loop {
        let (page, next) = proxy.query(cursor, 0, filter.to_fields()).await?;
        // An empty page is not the end: a call looks at a part of the log.
        if page.is_empty() && next == cursor {
            return Ok(cursor);
        }
        cursor = next;
        for fields in &page {
            each(Event::from_fields(fields)?)?;
        }
    }
}

/// Goes through the log from a cursor on.
pub(crate) struct Follower {
    bus: BusSelection,
    link: Option<Link>,
    filter: Filter,
    cursor: u64,
    /// The log that the cursor is of; empty until it is known.
    log: String,
    /// Another log took its place since the last look.
    replaced: bool,
    ready: VecDeque<Event>,
    /// The log may have events that were not read yet.
    behind: bool,
}

struct Link {
    events: CpeEventsProxy<'static>,
    news: News,
}

impl Link {
    async fn new(client: &Client) -> Result<Link, Failure> {
        Ok(Link {
            news: News::listen(&client.connection).await?,
            events: client.events().await?,
        })
    }

    /// A page of the log with that id, which is asked for if it is not known yet.
    async fn query(
        &self,
        log: &mut String,
        cursor: u64,
        filter: &Filter,
    ) -> cpe_bus::Result<(Vec<Fields>, u64)> {
        if log.is_empty() {
            *log = self.events.log_id().await?;
        }
        let mut fields = filter.to_fields();
        if let Ok(log) = zbus::Variant::from(log.as_str()).try_into_owned() {
            fields.insert("log".to_owned(), log);
        }
        self.events.query(cursor, 0, fields).await
    }
}

impl Follower {
    pub(crate) async fn new(
        client: &Client,
        filter: Filter,
        cursor: u64,
    ) -> Result<Follower, Failure> {
        let link = Link::new(client).await?;
        Ok(Follower {
            bus: client.bus.clone(),
            link: Some(link),
            filter,
            cursor,
            log: String::new(),
            replaced: false,
            ready: VecDeque::new(),
            behind: true,
        })
    }

    /// The next event; waits for it. May be dropped while it waits, without losing anything.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let Some(link) = &mut self.link else {
                tokio::time::sleep(PAUSE).await;
                if let Ok(client) = Client::connect(&self.bus).await {
                    self.link = Link::new(&client).await.ok();
                    self.behind = true;
                }
                continue;
            };
            if self.behind {
                match link.query(&mut self.log, self.cursor, &self.filter).await {
                    Ok((page, next)) => {
                        self.behind = !page.is_empty() || next != self.cursor;
                        self.ready.extend(
                            page.iter()
                                .filter_map(|fields| Event::from_fields(fields).ok()),
                        );
                        self.cursor = next;
                    }
                    Err(Error::OtherLog(_)) => {
                        (self.cursor, self.replaced) = (0, true);
                        self.log.clear();
                    }
                    Err(_) if link.events.inner().connection().is_closed() => self.link = None,
                    // The daemon is away. The bus announces its return, but perhaps before we
                    // listened.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
                continue;
            }
            match tokio::time::timeout(LOOK_EVERY, link.news.next()).await {
                Ok(New::End) => self.link = None,
                Ok(New::Events | New::Owner) | Err(_) => self.behind = true,
            }
        }
    }

    /// Whether the log was replaced by another since this was asked last: the events come from the
    /// beginning of that one.
    pub(crate) fn was_replaced(&mut self) -> bool {
        std::mem::take(&mut self.replaced)
    }

    /// The next event if there is one within that time.
    pub(crate) async fn next_within(&mut self, time: Duration) -> Option<Event> {
        tokio::time::timeout(time, self.next()).await.ok()
    }
}

#[cfg(test)]
mod tests;
