//! `org.cloudpolicy.Notify1`: how the delivery stands, and what did not arrive. Documented in
//! `docs/bus/org.cloudpolicy.Notify1.xml`, against which a test compares it.

mod caller;

use std::sync::{Arc, Weak};

use cpe_bus::names::NOTIFY_PATH;
use cpe_bus::{Error, Result, json};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::proxy::CacheProperties;

use crate::event_log::EventLog;
use crate::sinks::Sinks;

/// It hangs on the connection by which the sinks read the log: it may not hold them in turn, or
/// neither would ever end.
struct NotifyObject<L> {
    sinks: Weak<Sinks<L>>,
    bus: DBusProxy<'static>,
    group: String,
}

/// Puts the object up on a connection. `group`: its members may call it, besides root.
pub(crate) async fn publish<L: EventLog>(
    connection: &Connection,
    sinks: &Arc<Sinks<L>>,
    group: &str,
) -> zbus::Result<()> {
    let bus = DBusProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    let object = NotifyObject {
        sinks: Arc::downgrade(sinks),
        bus,
        group: group.to_owned(),
    };
    connection.object_server().at(NOTIFY_PATH, object).await?;
    Ok(())
}

#[zbus::interface(name = "org.cloudpolicy.Notify1", introspection_docs = false)]
impl<L: EventLog> NotifyObject<L> {
    #[zbus(out_args("json"))]
    async fn list(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        self.permit(&header).await?;
        json::to_json(&self.sinks()?.list().await?)
    }

    #[zbus(out_args("json"))]
    async fn numbers(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        caller::require_reader(&self.bus, &self.group, &header).await?;
        json::to_json(&self.sinks()?.numbers().await?)
    }

    #[zbus(out_args("json"))]
    async fn dead(&self, sink: &str, #[zbus(header)] header: Header<'_>) -> Result<String> {
        self.permit(&header).await?;
        json::to_json(&self.sinks()?.dead(sink).await?)
    }

    #[zbus(out_args("count"))]
    async fn redeliver(
        &self,
        sink: &str,
        id: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u32> {
        let user = self.permit(&header).await?;
        let count = self.sinks()?.redeliver(sink, id).await?;
        tracing::info!(
            sink,
            "sink {sink}: user {user} wants {count} dead letters delivered again"
        );
        Ok(count)
    }

    #[zbus(out_args("json"))]
    async fn test(&self, sink: &str, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let user = self.permit(&header).await?;
        tracing::info!(sink, "sink {sink}: user {user} tests it");
        json::to_json(&self.sinks()?.test(sink).await?)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }
}

impl<L: EventLog> NotifyObject<L> {
    async fn permit(&self, header: &Header<'_>) -> Result<u32> {
        caller::require(&self.bus, &self.group, header).await
    }

    fn sinks(&self) -> Result<Arc<Sinks<L>>> {
        let ending = || Error::NotReady("cpe-notify is ending; try again".into());
        self.sinks.upgrade().ok_or_else(ending)
    }
}
