//! The connection to the daemon.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use cpe_bus::fields::put;
use cpe_bus::json;
use cpe_bus::names::{CPE_NAME, check_deployment_name, deployment_path};
use cpe_bus::proxies::{CpeDeploymentProxy, CpeEventsProxy, CpeHostsProxy, CpeManagerProxy};
use cpe_bus::{BusSelection, DeploymentEntry, Fields};
use cpe_status::{DeploymentStatus, OperationList};
use zbus::Connection;
use zbus::proxy::CacheProperties;

use crate::failure::{Failure, Kind};

/// A call that is not answered by then is given up. The daemon gives a DPE a minute.
const REPLY_TIMEOUT: Duration = Duration::from_secs(90);

pub(crate) struct Client {
    pub bus: BusSelection,
    pub connection: Connection,
}

impl Client {
    pub(crate) async fn connect(bus: &BusSelection) -> Result<Client, Failure> {
        Client::connect_within(bus, REPLY_TIMEOUT).await
    }

    /// For one whose calls are given up earlier.
    pub(crate) async fn connect_within(
        bus: &BusSelection,
        reply: Duration,
    ) -> Result<Client, Failure> {
        let connection = cpe_bus::connect(bus, reply)
            .await
            .map_err(|error| Failure::new(Kind::Unreachable, error.message()))?;
        Ok(Client {
            bus: bus.clone(),
            connection,
        })
    }

    pub(crate) async fn manager(&self) -> cpe_bus::Result<CpeManagerProxy<'static>> {
        Ok(CpeManagerProxy::builder(&self.connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?)
    }

    pub(crate) async fn events(&self) -> Result<CpeEventsProxy<'static>, Failure> {
        // The log's id is another one after a restart of the daemon, perhaps.
        Ok(CpeEventsProxy::builder(&self.connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?)
    }

    pub(crate) async fn hosts(&self) -> Result<CpeHostsProxy<'static>, Failure> {
        Ok(CpeHostsProxy::builder(&self.connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?)
    }

    pub(crate) async fn deployment(
        &self,
        name: &str,
    ) -> Result<CpeDeploymentProxy<'static>, Failure> {
        check_deployment_name(name).map_err(|error| Failure::new(Kind::Usage, error.message()))?;
        let proxy = CpeDeploymentProxy::builder(&self.connection)
            .destination(CPE_NAME)
            .path(deployment_path(name))
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        Ok(proxy)
    }

    pub(crate) async fn list(&self) -> Result<Vec<DeploymentEntry>, Failure> {
        let entries = self.manager().await?.list_deployments().await?;
        let entries: cpe_bus::Result<Vec<_>> =
            entries.iter().map(DeploymentEntry::from_fields).collect();
        Ok(entries?)
    }

    /// The status of every deployment.
    pub(crate) async fn statuses(&self) -> Result<Vec<DeploymentStatus>, Failure> {
        let mut statuses = Vec::new();
        for entry in self.list().await? {
            match self.status(&entry.name).await {
                Ok(status) => statuses.push(status),
                // Destroyed since the list was made.
                Err(failure) if failure.kind == Kind::NotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(statuses)
    }

    /// The failure of a call to a deployment; if there is no such deployment, it names those that
    /// there are.
    pub(crate) async fn with_deployments(&self, error: cpe_bus::Error) -> Failure {
        let absent =
            error.foreign_name().as_deref() == Some("org.freedesktop.DBus.Error.UnknownObject");
        let mut failure = Failure::from(error);
        if absent && let Ok(entries) = self.list().await {
            let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
            failure.message.push_str(&match names.as_slice() {
                [] => "; there are none".to_owned(),
                names => format!("; there are: {}", names.join(" ")),
            });
        }
        failure
    }

    pub(crate) async fn status(&self, name: &str) -> Result<DeploymentStatus, Failure> {
        let text = self.deployment(name).await?.get_status().await?;
        Ok(json::from_json(&text)?)
    }

    /// The status as the deployment's DPE tells it: for answers of which "there is none" is one.
    pub(crate) async fn complete_status(&self, name: &str) -> Result<DeploymentStatus, Failure> {
        let status = self.status(name).await?;
        if status.is_complete() {
            return Ok(status);
        }
        let text = match status.summary.as_str() {
            "" => format!("the DPE of `{name}` does not answer (try again)"),
            summary => format!("the DPE of `{name}` does not answer ({summary})"),
        };
        Err(Failure::new(Kind::Unreachable, text))
    }

    /// The last operations of a service; empty: of all.
    pub(crate) async fn operations(
        &self,
        name: &str,
        service: &str,
    ) -> Result<OperationList, Failure> {
        let mut options = Fields::new();
        if !service.is_empty() {
            put(&mut options, "service", service);
        }
        let text = self.deployment(name).await?.get_operations(options).await?;
        Ok(json::from_json(&text)?)
    }
}

/// Reads a document; `-` is standard input.
pub(crate) fn read_document(path: &Path) -> Result<String, Failure> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        Failure::new(
            Kind::Invalid,
            format!(
                "{}:{line}: error: byte {at} is not UTF-8; save the document as UTF-8",
                path.display()
            ),
        )
    })
}
