//! The gateway's own connection: deployments, their status and their events, as everybody on the
//! bus may see them.

use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::names::{CPE_NAME, deployment_path};
use cpe_bus::proxies::{CpeDeploymentProxy, CpeEventsProxy, CpeManagerProxy};
use cpe_bus::{BusSelection, DeploymentEntry, Event, Fields, Result, json};
use cpe_status::DeploymentStatus;
use futures_util::StreamExt;
use tokio::sync::watch;
use zbus::fdo::{DBusProxy, NameOwnerChangedStream};
use zbus::proxy::CacheProperties;
use zbus::{Connection, MessageStream};

/// A call that is not answered by then is given up.
const REPLY: Duration = Duration::from_secs(30);
/// Events that are asked for at once.
pub(crate) const PAGE: u32 = 1000;

/// The connection.
#[derive(Debug, Clone)]
pub struct Link {
    connection: Connection,
    events: CpeEventsProxy<'static>,
    manager: CpeManagerProxy<'static>,
}

/// That something has arrived on it by itself. What it was is read from the log.
pub(crate) struct News {
    heard: watch::Receiver<Heard>,
    known: Heard,
}

/// How much was heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Heard {
    /// Events that were recorded.
    events: u64,
    /// Comings and goings of cpe.
    owners: u64,
}

/// What is new.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum New {
    /// Events were recorded.
    Events,
    /// cpe has come or gone.
    Owner,
    /// The connection has ended.
    End,
}

impl News {
    /// What is new since the last call; may be dropped while it waits.
    pub(crate) async fn next(&mut self) -> New {
        if self.heard.changed().await.is_err() {
            return New::End;
        }
        let heard = *self.heard.borrow_and_update();
        let before = std::mem::replace(&mut self.known, heard);
        match heard.owners == before.owners {
            true => New::Events,
            false => New::Owner,
        }
    }
}

/// Takes signals at once, whatever else is being done: as long as one is not taken, no answer
/// arrives on its connection either.
async fn hear(
    mut recorded: MessageStream,
    mut owners: NameOwnerChangedStream,
    heard: watch::Sender<Heard>,
) {
    loop {
        tokio::select! {
            message = recorded.next() => match message {
                Some(_) => heard.send_modify(|heard| heard.events += 1),
                None => return,
            },
            change = owners.next() => match change {
                Some(_) => heard.send_modify(|heard| heard.owners += 1),
                None => return,
            },
            () = heard.closed() => return,
        }
    }
}

impl Link {
    /// Connects.
    pub(crate) async fn open(bus: &BusSelection) -> Result<Link> {
        let connection = cpe_bus::connect(bus, REPLY).await?;
        // The log's id is another one after a restart of cpe, perhaps.
        let events = CpeEventsProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        let manager = CpeManagerProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        Ok(Link {
            connection,
            events,
            manager,
        })
    }

    pub(crate) async fn listen(&self) -> Result<News> {
        let rule = format!(
            "type='signal',sender='{CPE_NAME}',interface='org.cloudpolicy.Cpe1.Events',member='Recorded'"
        );
        let recorded = MessageStream::for_match_rule(rule.as_str(), &self.connection, None).await?;
        let bus = DBusProxy::new(&self.connection).await?;
        let owners = bus
            .receive_name_owner_changed_with_args(&[(0, CPE_NAME)])
            .await?;
        let (heard, news) = watch::channel(Heard::default());
        tokio::spawn(hear(recorded, owners, heard));
        Ok(News {
            heard: news,
            known: Heard::default(),
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    pub(crate) async fn log_id(&self) -> Result<String> {
        self.events.log_id().await
    }

    pub(crate) async fn version(&self) -> Result<String> {
        self.manager.version().await
    }

    /// Where the log ends.
    pub(crate) async fn newest_cursor(&self) -> Result<u64> {
        let mut cursor = 0;
        loop {
            // No event is of this kind: the reply is only how far was looked.
            let mut filter = Fields::new();
            put(&mut filter, "kind", "none.such");
            let (_, next) = self.events.query(cursor, 1, filter).await?;
            if next == cursor {
                return Ok(cursor);
            }
            cursor = next;
        }
    }

    /// Events after a cursor of a log, and the cursor to go on from.
    pub(crate) async fn query(
        &self,
        log: &str,
        cursor: u64,
        limit: u32,
        mut filter: Fields,
    ) -> Result<(Vec<Event>, u64)> {
        put(&mut filter, "log", log);
        let (page, next) = self.events.query(cursor, limit, filter).await?;
        let events: Result<Vec<Event>> = page.iter().map(Event::from_fields).collect();
        Ok((events?, next))
    }

    pub(crate) async fn list(&self) -> Result<Vec<DeploymentEntry>> {
        let entries = self.manager.list_deployments().await?;
        entries.iter().map(DeploymentEntry::from_fields).collect()
    }

    pub(crate) async fn status(&self, name: &str) -> Result<DeploymentStatus> {
        let deployment = CpeDeploymentProxy::builder(&self.connection)
            .path(deployment_path(name))
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        json::from_json(&deployment.get_status().await?)
    }
}
