//! `org.cloudpolicy.Cpe1.Manager`: create, change, destroy, check and list deployments.

use std::collections::BTreeMap;
use std::sync::Arc;

use cpe_bus::fields::Reader;
use cpe_bus::names::{check_deployment_name, deployment_path};
use cpe_bus::records::{DeploymentEntry, ProblemRecord};
use cpe_bus::{Error, Fields, Result};
use cpe_store::{Created, Destroying, Document, Marked, Needs, Updated};
use uuid::Uuid;
use zbus::message::Header;

use super::link::Permit;
use super::objects::Objects;
use super::{About, Link, assume, host_failure, no_options, not_found, sinks, stored};
use crate::admission;
use crate::audit::{self, Order};
use crate::authorisation::Caller;
use crate::conflicts;
use crate::documents::Accepted;
use crate::host::Host;
use crate::reconciliation::{self, Orphan};
use crate::rights::Interface;

pub(super) struct ManagerObject {
    link: Link,
    objects: Arc<Objects>,
}

impl ManagerObject {
    pub(super) fn new(host: &Arc<Host>, objects: &Arc<Objects>) -> ManagerObject {
        ManagerObject {
            link: Link::new(host, Interface::Manager),
            objects: Arc::clone(objects),
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
        let permit = self.link.permit(&header, About::Any).await?;
        let is_forced = is_forced(options)?;
        let Permit { host, caller, .. } = &permit;
        let who = &caller.who.principal;
        let accepted = host.core.documents.accept(who, document).await?;
        let name = accepted.name.clone();
        permit.narrow(&self.link, &header, &name).await?;
        if !is_forced && host.core.registry.get(&name).is_none() {
            admission::admit(host, who, &accepted).await?;
        }
        reconciliation::before_create(host, &name).await?;
        reconciliation::before_claims(host, |name| permit.sees(name)).await?;
        let limit = host.core.config.limits.deployments;
        let by = by(host, caller, is_forced).await;
        let created = {
            let _changes = host.core.changes.lock().await;
            host.core.may_change()?;
            // It may have been taken away, or given to somebody else, meanwhile.
            let about = About::Document(&name);
            let permit = self.link.permit(&header, about).await?;
            conflicts::check(host, &accepted, |name| permit.sees(name)).await?;
            let document = as_stored(&accepted);
            let uuid = accepted.uuid.unwrap_or_else(|| Uuid::new_v4().to_string());
            let store = &host.core.store;
            let created = stored(store.create(&name, &uuid, document, limit, &by)).await?;
            if let Created::New(row) = &created {
                host.core.registry.put(row.clone());
                // Who gets the reply finds the object.
                self.objects.synchronize(host).await?;
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
                "this host already has {limit} deployments, the limit (limits.deployments in cpe.toml)"
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
        check_deployment_name(&name)?;
        let permit = self.link.permit(&header, About::Deployment(&name)).await?;
        let is_forced = is_forced(options)?;
        let Permit { host, caller, .. } = &permit;
        let who = &caller.who.principal;
        let accepted = host.core.documents.accept(who, document).await?;
        if accepted.name != name {
            return Err(Error::InvalidArgument(format!(
                "the document is of deployment `{}`, not of `{name}`; a deployment cannot be renamed",
                accepted.name
            )));
        }
        reconciliation::before_claims(host, |name| permit.sees(name)).await?;
        if !is_forced && !is_late(host, &name, expected_generation) {
            admission::admit(host, who, &accepted).await?;
        }
        let keep = host.core.keep();
        let by = by(host, caller, is_forced).await;
        let updated = {
            let _changes = host.core.changes.lock().await;
            host.core.may_change()?;
            let about = About::Deployment(&name);
            let permit = self.link.permit(&header, about).await?;
            conflicts::check(host, &accepted, |name| permit.sees(name)).await?;
            let document = as_stored(&accepted);
            let (store, uuid) = (&host.core.store, accepted.uuid.as_deref());
            let updated = store.update(&name, uuid, expected_generation, document, keep, &by);
            let updated = stored(updated).await?;
            if let (Updated::New(row), Some(deployment)) = (&updated, host.core.registry.get(&name))
            {
                deployment.set_row(row.clone());
            }
            updated
        };
        match updated {
            Updated::New(row) => Ok(row.generation),
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
        self.end(&header, &name, 0, stop_services).await
    }

    async fn destroy_deployment_at(
        &self,
        name: String,
        expected_generation: u64,
        stop_services: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        if expected_generation == 0 {
            return Err(Error::InvalidArgument(
                "generations are counted from 1: DestroyDeployment takes any".into(),
            ));
        }
        self.end(&header, &name, expected_generation, stop_services)
            .await
    }

    #[zbus(out_args("valid", "problems"))]
    async fn validate_deployment(
        &self,
        document: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(bool, Vec<ProblemRecord>)> {
        let Permit { host, caller, .. } = self.link.permit(&header, About::Any).await?;
        let who = &caller.who.principal;
        let report = host.core.documents.report(who, document).await?;
        Ok((report.accepted.is_some(), report.records()))
    }

    #[zbus(out_args("plan_json"))]
    async fn plan_deployment(
        &self,
        document: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let permit = self.link.permit(&header, About::Any).await?;
        let Permit { host, caller, .. } = &permit;
        let who = &caller.who.principal;
        let accepted = host.core.documents.accept(who, document).await?;
        permit.narrow(&self.link, &header, &accepted.name).await?;
        reconciliation::before_claims(host, |name| permit.sees(name)).await?;
        conflicts::check(host, &accepted, |name| permit.sees(name)).await?;
        let mut plan = crate::plan::plan(host, who, accepted.clone()).await?;
        let found = admission::room(host, who, &accepted).await;
        admission::tell(host, &mut plan, found);
        cpe_bus::json::to_json(&plan)
    }

    #[zbus(out_args("room_json"))]
    async fn check_room(
        &self,
        document: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let permit = self.link.permit(&header, About::Any).await?;
        no_options(&options)?;
        let Permit { host, caller, .. } = &permit;
        let who = &caller.who.principal;
        let accepted = host.core.documents.accept(who, document).await?;
        permit.narrow(&self.link, &header, &accepted.name).await?;
        cpe_bus::json::to_json(&admission::room(host, who, &accepted).await?)
    }

    #[zbus(out_args("sinks_json"))]
    async fn list_sinks(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let permit = self.link.permit(&header, About::All).await?;
        sinks::list(&permit).await
    }

    #[zbus(out_args("count"))]
    async fn redeliver(
        &self,
        sink: String,
        id: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u32> {
        let permit = self.link.permit(&header, About::All).await?;
        sinks::redeliver(&permit, &sink, &id).await
    }

    #[zbus(out_args("results"))]
    async fn host_failed(
        &self,
        host: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<(String, String, String)>> {
        let permit = self.link.permit(&header, About::All).await?;
        let failed = host_failure::Failed::new(&host, &options)?;
        host_failure::confirm(&permit.host, &permit.caller, &failed).await
    }

    #[zbus(out_args("deployments"))]
    async fn list_deployments(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<Fields>> {
        let look = self.link.look(&header, About::All).await?;
        let all = look.core.registry.all().into_iter();
        let seen = all.filter(|deployment| look.sees(&deployment.name));
        let entries = seen.map(|deployment| {
            let current = deployment.current();
            DeploymentEntry {
                path: deployment_path(&deployment.name),
                state: current.state(),
                name: current.row.name,
                uuid: current.row.uuid,
                generation: current.row.generation,
                owner: current.row.owned.owner,
                group: current.row.owned.group,
            }
            .to_fields()
        });
        Ok(entries.collect())
    }

    #[zbus(out_args("roles"))]
    async fn assume(
        &self,
        principal: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<(String, String)>> {
        let permit = assume::may(&self.link, &header).await?;
        assume::assume(&permit, principal).await
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }
}

impl ManagerObject {
    /// Destroys a deployment that is at the expected generation (0: at any), and has the event log
    /// tell of it.
    async fn end(
        &self,
        header: &Header<'_>,
        name: &str,
        expected: u64,
        stop_services: bool,
    ) -> Result<()> {
        check_deployment_name(name)?;
        let permit = self.link.permit(header, About::Deployment(name)).await?;
        let Permit { host, caller, .. } = permit;
        let (how, services) = match stop_services {
            true => (Destroying::StopServices, "stop services"),
            false => (Destroying::LeaveServices, "keep services"),
        };
        let outcome = self.destroy(header, &host, name, (expected, how)).await;
        let order = Order {
            action: "destroy",
            deployment: name,
            more: &[("services", services)],
            ..Order::default()
        };
        audit::record(&host, &caller, order, &outcome).await;
        outcome
    }

    async fn destroy(
        &self,
        header: &Header<'_>,
        host: &Arc<Host>,
        name: &str,
        (expected, how): (u64, Destroying),
    ) -> Result<()> {
        let is_expected = expected != 0;
        if reconciliation::before_destroy(host, name, how, is_expected).await? == Orphan::Stopped {
            return Ok(());
        }
        let _changes = host.core.changes.lock().await;
        host.core.may_change()?;
        self.link.permit(header, About::Deployment(name)).await?;
        let marked = stored(host.core.store.destroy(name, expected, how)).await?;
        match (marked, host.core.registry.get(name)) {
            (Marked::Now(row), Some(deployment)) => {
                deployment.set_row(row);
                Ok(())
            }
            (Marked::Conflict(generation), _) => Err(Error::GenerationConflict(format!(
                "deployment `{name}` is at generation {generation}, expected {expected}: \
                 somebody changed it in between; nothing was ended"
            ))),
            _ => Err(not_found(name)),
        }
    }
}

/// Whether a change was made from an older document. Nothing is simulated for it: it is refused, or
/// it is stored already.
fn is_late(host: &Host, name: &str, expected: u64) -> bool {
    let present = host.core.registry.get(name);
    let present = present.map(|deployment| deployment.row().generation);
    expected > 0 && Some(expected) < present
}

/// Whether a document is also taken that would be refused for what would follow from it.
fn is_forced(mut options: Fields) -> Result<bool> {
    let is_forced = Reader::new("options", &options).boolean("force")?;
    options.remove("force");
    no_options(&options)?;
    Ok(is_forced)
}

/// A document as it is stored.
fn as_stored(accepted: &Accepted) -> Document {
    Document {
        text: accepted.text.to_string(),
        claims: accepted.facts.claims_to_store(),
        needs: Needs {
            lease_ms: u32::try_from(accepted.facts.lease.as_millis()).unwrap_or(u32::MAX),
            ..Needs::default()
        },
    }
}

/// Who stores a document, for the event of that.
async fn by(host: &Host, caller: &Caller, is_forced: bool) -> BTreeMap<String, String> {
    let mut by = audit::details(host, caller).await;
    if is_forced {
        by.insert("force".into(), "true".into());
    }
    by
}

fn being_destroyed(name: &str) -> Error {
    Error::Busy(format!(
        "deployment `{name}` is being destroyed; wait for its event deployment.destroyed"
    ))
}
