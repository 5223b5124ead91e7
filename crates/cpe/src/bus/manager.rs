//! `org.cloudpolicy.Cpe1.Manager`: create, change, destroy, check and list deployments.

use std::sync::Arc;

use cpe_bus::names::{check_deployment_name, deployment_path};
use cpe_bus::records::{DeploymentEntry, ProblemRecord};
use cpe_bus::{Error, Fields, Result};
use uuid::Uuid;
use zbus::message::Header;

use super::{Link, StoreFailed, no_options};
use crate::authorisation::Right;
use crate::bus::deployment::DeploymentObject;
use crate::documents;
use crate::session::Session;
use crate::store::{Created, Destroying, Updated};

pub(crate) struct ManagerObject {
    link: Link,
}

impl ManagerObject {
    pub(crate) fn new(session: &Arc<Session>) -> ManagerObject {
        ManagerObject {
            link: Link::new(session),
        }
    }
}

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Manager", introspection_docs = false)]
impl ManagerObject {
    #[zbus(out_args("name", "generation"))]
    async fn create_deployment(
        &self,
        document: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(String, u64)> {
        let session = self.link.permit(Right::Administer, &header).await?;
        no_options(&options)?;
        let accepted = session.core.documents.accept(document).await?;
        let name = accepted.name;
        let limit = session.core.config.limits.deployments;
        let created = {
            let _changes = session.core.changes.lock().await;
            let (stored, text) = (name.clone(), accepted.text);
            let uuid = accepted.uuid.unwrap_or_else(|| Uuid::new_v4().to_string());
            let created = session
                .core
                .store
                .run(move |store| store.create(&stored, &uuid, &text, limit))
                .await
                .map_err(StoreFailed)?;
            if let Created::New(row) = &created {
                session.add(row.clone()).await?;
            }
            created
        };
        match created {
            Created::New(row) | Created::Same(row) => Ok((name, row.generation)),
            Created::Other(generation) => Err(Error::Exists(format!(
                "deployment `{name}` exists with another document (generation {generation}); use UpdateDeployment to change it"
            ))),
            Created::BeingDestroyed => Err(being_destroyed(&name)),
            Created::TooMany => Err(Error::TooLarge(format!(
                "this host has {limit} deployments, the most that are taken (limits.deployments in cpe.toml)"
            ))),
        }
    }

    #[zbus(out_args("generation"))]
    async fn update_deployment(
        &self,
        name: String,
        expected_generation: u64,
        document: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64> {
        let session = self.link.permit(Right::Administer, &header).await?;
        no_options(&options)?;
        check_deployment_name(&name)?;
        let accepted = session.core.documents.accept(document).await?;
        if accepted.name != name {
            return Err(Error::InvalidArgument(format!(
                "the document is of deployment `{}`, not of `{name}`; a deployment cannot be renamed",
                accepted.name
            )));
        }
        let keep = session.core.config.limits.generations;
        let updated = {
            let _changes = session.core.changes.lock().await;
            let (stored, text, uuid) = (name.clone(), accepted.text, accepted.uuid);
            let updated = session
                .core
                .store
                .run(move |store| {
                    store.update(&stored, uuid.as_deref(), expected_generation, &text, keep)
                })
                .await
                .map_err(StoreFailed)?;
            if let (Updated::New(row), Some(deployment)) =
                (&updated, session.core.registry.get(&name))
            {
                deployment.set_row(row.clone());
            }
            updated
        };
        match updated {
            Updated::New(row) => {
                DeploymentObject::announce_generation(&session.connection, &name).await;
                Ok(row.generation)
            }
            Updated::Same(generation) => Ok(generation),
            Updated::Conflict(generation) => Err(Error::GenerationConflict(format!(
                "deployment `{name}` is at generation {generation}, expected {expected_generation}: \
                 somebody changed it in between; read it again and repeat the change"
            ))),
            Updated::OtherUuid(uuid) => Err(Error::InvalidArgument(format!(
                "deployment `{name}` has uuid {uuid}, the document another: it is another deployment. \
                 Give it another name, or destroy the existing one first"
            ))),
            Updated::BeingDestroyed => Err(being_destroyed(&name)),
            Updated::NotFound => Err(not_found(&name)),
        }
    }

    async fn destroy_deployment(
        &self,
        name: String,
        stop_services: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let session = self.link.permit(Right::Administer, &header).await?;
        check_deployment_name(&name)?;
        let how = if stop_services {
            Destroying::StopServices
        } else {
            Destroying::LeaveServices
        };
        let _changes = session.core.changes.lock().await;
        let stored = name.clone();
        let row = session
            .core
            .store
            .run(move |store| store.destroy(&stored, how))
            .await
            .map_err(StoreFailed)?;
        match (row, session.core.registry.get(&name)) {
            (Some(row), Some(deployment)) => {
                deployment.set_row(row);
                Ok(())
            }
            _ => Err(not_found(&name)),
        }
    }

    #[zbus(out_args("valid", "problems"))]
    async fn validate_deployment(&self, document: String) -> Result<(bool, Vec<ProblemRecord>)> {
        let session = self.link.session()?;
        let report = session.core.documents.report(document).await?;
        Ok((
            report.accepted.is_some(),
            report.problems.iter().map(documents::record).collect(),
        ))
    }

    #[zbus(out_args("plan_json"))]
    async fn plan_deployment(&self, document: String) -> Result<String> {
        let session = self.link.session()?;
        let accepted = session.core.documents.accept(document).await?;
        crate::plan::plan(&session, accepted).await
    }

    #[zbus(out_args("deployments"))]
    async fn list_deployments(&self) -> Result<Vec<Fields>> {
        let session = self.link.session()?;
        let entries = session.core.registry.all().into_iter().map(|deployment| {
            let row = deployment.row();
            DeploymentEntry {
                path: deployment_path(&row.name),
                state: deployment.state().as_str().into(),
                name: row.name,
                uuid: row.uuid,
                generation: row.generation,
            }
            .to_fields()
        });
        Ok(entries.collect())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }
}

pub(super) fn not_found(name: &str) -> Error {
    Error::NotFound(format!("there is no deployment `{name}` on this host"))
}

fn being_destroyed(name: &str) -> Error {
    Error::Busy(format!(
        "deployment `{name}` is being destroyed; wait for its event deployment.destroyed"
    ))
}
