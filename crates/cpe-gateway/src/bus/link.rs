//! The gateway's own connection: deployments, their status and their events, as everybody on the
//! bus may see them.

use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::names::deployment_path;
use cpe_bus::news::News;
use cpe_bus::proxies::{CpeDeploymentProxy, CpeEventsProxy, CpeManagerProxy, NotifyProxy};
use cpe_bus::{BusSelection, DeploymentEntry, Event, Fields, Result, json};
use cpe_status::{DeploymentStatus, SinkNumbers, SinkNumbersList};
use zbus::Connection;
use zbus::proxy::CacheProperties;

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
        News::listen(&self.connection).await
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

    /// How the delivery of events stands, as cpe-notify tells.
    pub(crate) async fn sink_numbers(&self) -> Result<Vec<SinkNumbers>> {
        let notify = NotifyProxy::builder(&self.connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        let list: SinkNumbersList = json::from_json(&notify.numbers().await?)?;
        Ok(list.sinks)
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
