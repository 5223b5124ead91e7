//! `org.cloudpolicy.Cpe1.Deployment`: one object per deployment. What only the DPE can answer or do
//! is passed on to it.

use std::sync::Arc;

use cpe_bus::fields::{Reader, put};
use cpe_bus::json;
use cpe_bus::names::dpe_unit;
use cpe_bus::orders::Ordered;
use cpe_bus::{Error, Fields, Result};
use cpe_status::{DeploymentState, DeploymentStatus};
use tokio::sync::{Semaphore, watch};
use zbus::message::Header;
use zbus::object_server::InterfaceRef;

use super::commands::{self, Command, What};
use super::link::{Look, Permit};
use super::{About, Link, given, history, hosts, not_found, owner, stored};
use crate::audit;
use crate::core::Core;
use crate::dpe::DpeCall;
use crate::host::Host;
use crate::registry::{Current, Deployment, Place};
use crate::rights::{Interface, Strangers};
use crate::sync::turn;

pub(super) struct DeploymentObject {
    link: Link,
    deployment: Arc<Deployment>,
    status: Semaphore,
}

impl DeploymentObject {
    pub(super) fn new(host: &Arc<Host>, deployment: &Arc<Deployment>) -> DeploymentObject {
        DeploymentObject {
            link: Link::new(host, Interface::Deployment),
            deployment: Arc::clone(deployment),
            status: Semaphore::new(1),
        }
    }

    /// The host, for a caller who may do this with this deployment.
    async fn permit(&self, header: &Header<'_>) -> Result<Permit> {
        let about = About::Deployment(&self.deployment.name);
        self.link.permit(header, about).await
    }

    /// The DPE; while none runs, the caller should try again.
    async fn dpe(&self, host: &Host) -> Result<DpeCall> {
        commands::reach(host, &self.deployment).await
    }

    /// The DPE, for a look that anybody may have.
    async fn reader(&self, host: &Host) -> Result<DpeCall> {
        self.deployment.must_be_here()?;
        let pid = self.deployment.view().pid;
        if pid == 0 {
            return Err(self.away(&"it does not run"));
        }
        let client = host.dpes.reader(&self.deployment.name, pid).await;
        client.map_err(|error| self.away(&error))
    }

    /// The DPE, for a caller who may do this.
    async fn administered(&self, header: &Header<'_>) -> Result<DpeCall> {
        let permit = self.permit(header).await?;
        self.dpe(&permit.host).await
    }

    /// The DPE, for who may have things explained, and whether values are to be left out.
    async fn explaining(&self, header: &Header<'_>) -> Result<(DpeCall, bool)> {
        let permit = self.permit(header).await?;
        let hides_values = !permit.sees_values(&self.deployment.name);
        Ok((self.dpe(&permit.host).await?, hides_values))
    }

    /// The DPE, for a question that it asks its guests, for a caller who may do this.
    async fn asked(&self, header: &Header<'_>) -> Result<DpeCall> {
        let host = self.permit(header).await?.host;
        self.deployment.must_be_here()?;
        let pid = self.deployment.view().pid;
        let client = host.dpes.asker(&self.deployment.name, pid).await;
        client.map_err(|error| self.away(&error))
    }

    /// Has the DPE do what an administrator asks for. What it answers: a text, or nothing.
    async fn command(&self, header: &Header<'_>, command: Command) -> Result<String> {
        let permit = self.permit(header).await?;
        let Permit { host, caller, .. } = &permit;
        let who = audit::details(host, caller).await;
        let by = (Some(&permit), &who);
        let outcome = commands::carry_out(host, &self.deployment, by, &command).await;
        Ok(outcome?)
    }

    fn away(&self, error: &impl std::fmt::Display) -> Error {
        commands::away(&self.deployment, error)
    }

    fn passed_on<T>(&self, answer: Result<T>) -> Result<T> {
        commands::passed_on(&self.deployment, answer)
    }

    /// A look at this deployment.
    async fn look(&self, header: &Header<'_>) -> Result<Look> {
        let about = About::Deployment(&self.deployment.name);
        self.link.look(header, about).await
    }

    /// Says in a status whose the deployment is, and which host runs its DPE, which that does not
    /// know.
    fn put_own(&self, host: &Host, status: &mut DeploymentStatus) {
        let Current { row, place, .. } = self.deployment.current();
        (status.owner, status.group) = (row.owned.owner, row.owned.group);
        (status.host, status.host_since) = ran_by(host, place);
    }

    /// The same in a status that is passed on as it is: a large one is not read for that.
    fn with_own(&self, host: &Host, text: &str) -> Result<String> {
        let Current { row, place, .. } = self.deployment.current();
        let place = match ran_by(host, place) {
            (host, Some(since)) => {
                format!("\"host\":{},\"host_since\":{since},", json::to_json(&host)?)
            }
            _ => String::new(),
        };
        match text.strip_prefix('{') {
            Some(rest) if !rest.starts_with('}') => Ok(format!(
                "{{\"owner\":{},\"group\":{},{place}{rest}",
                json::to_json(&row.owned.owner)?,
                json::to_json(&row.owned.group)?
            )),
            _ => Ok(text.to_owned()),
        }
    }

    /// What is known here, for when no DPE answers.
    fn own_status(&self, host: &Host) -> DeploymentStatus {
        let current = self.deployment.current();
        let (host, host_since) = ran_by(host, current.place.clone());
        DeploymentStatus {
            state: current.state(),
            host,
            host_since,
            name: current.row.name,
            uuid: current.row.uuid,
            summary: current.view.remark,
            generation: current.row.generation,
            owner: current.row.owned.owner,
            group: current.row.owned.group,
            time: cpe_daemon::now(),
            ..DeploymentStatus::default()
        }
    }
}

/// The host that runs a DPE, and since when if it is this one; empty on a host that shares none.
fn ran_by(host: &Host, place: Place) -> (String, Option<u64>) {
    match place {
        Place::Here { since, .. } if since > 0 => {
            (host.core.config.cluster.name.clone(), Some(since))
        }
        Place::There(host) => (host, None),
        _ => (String::new(), None),
    }
}

/// What is passed on of an explanation without values.
#[derive(serde::Deserialize)]
struct Explained {
    text: String,
}

/// Leaves out what attributes and options are set to. Their names stay: they say what agents use.
fn withhold_values(status: &mut DeploymentStatus) {
    status.values_mut().for_each(String::clear);
    for configured in &mut status.configured {
        configured.program.clear();
    }
    status.values_withheld = true;
}

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Deployment", introspection_docs = false)]
impl DeploymentObject {
    #[zbus(out_args("document", "found_generation"))]
    async fn get_document(
        &self,
        generation: u64,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(String, u64)> {
        let host = self.permit(&header).await?.host;
        let (store, name) = (&host.core.store, &self.deployment.name);
        let found = stored(store.document(name, generation)).await?;
        if let Some(found) = found {
            return Ok(found);
        }
        Err(match generation {
            0 => not_found(name),
            _ => history::not_kept(&host, &self.deployment.row(), generation).await,
        })
    }

    #[zbus(out_args("generations"))]
    async fn list_generations(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<Fields>> {
        let host = self.permit(&header).await?.host;
        history::list(&host, &self.deployment.row()).await
    }

    #[zbus(out_args("status_json"))]
    async fn get_status(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let host = self.look(&header).await?;
        let view = self.deployment.view();
        // Without a process there is nobody to ask; asking would wait for the bus.
        if view.pid == 0 {
            return json::to_json(&self.own_status(&host));
        }
        // Whoever asks, and however often: a DPE is asked one status at a time.
        let _turn = turn(&self.status).await;
        let client = host.dpes.reader(&self.deployment.name, view.pid).await;
        let answer = match client {
            Ok(dpe) => dpe.get_status().await,
            Err(error) => Err(self.away(&error)),
        };
        let sees_values = host.sees_values();
        let destroying = self.deployment.row().destroying.is_some();
        match answer {
            Ok(text) if sees_values && !destroying => self.with_own(&host, &text),
            Ok(text) => {
                let mut status: DeploymentStatus = json::from_json(&text)?;
                if destroying {
                    status.state = DeploymentState::Destroying;
                }
                if !sees_values {
                    withhold_values(&mut status);
                }
                self.put_own(&host, &mut status);
                json::to_json(&status)
            }
            Err(error) if error.is_temporary() => json::to_json(&self.own_status(&host)),
            Err(error) => Err(error),
        }
    }

    #[zbus(out_args("operations_json"))]
    async fn get_operations(
        &self,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let host = self.look(&header).await?;
        // As a status: one at a time, whoever asks.
        let _turn = turn(&self.status).await;
        let dpe = self.reader(&host).await?;
        self.passed_on(dpe.get_operations(options).await)
    }

    #[zbus(out_args("cib"))]
    async fn get_input(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let dpe = self.administered(&header).await?;
        self.passed_on(dpe.get_input().await)
    }

    #[zbus(out_args("inputs_json"))]
    async fn list_inputs(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let dpe = self.administered(&header).await?;
        self.passed_on(dpe.list_inputs().await)
    }

    #[zbus(out_args("cib"))]
    async fn get_kept_input(
        &self,
        name: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let dpe = self.administered(&header).await?;
        self.passed_on(dpe.get_kept_input(&name).await)
    }

    #[zbus(out_args("text"))]
    async fn explain(
        &self,
        service: String,
        assembly: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let (dpe, hides_values) = self.explaining(&header).await?;
        if !hides_values {
            return self.passed_on(dpe.explain(&service, &assembly).await);
        }
        let mut options = Fields::new();
        put(&mut options, "service", service);
        put(&mut options, "assembly", assembly);
        put(&mut options, "hide_values", true);
        let told = self.passed_on(dpe.get_explanation(options).await)?;
        Ok(json::from_json::<Explained>(&told)?.text)
    }

    #[zbus(out_args("explanation_json"))]
    async fn get_explanation(
        &self,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let (dpe, hides_values) = self.explaining(&header).await?;
        let mut options = options;
        options.remove("hide_values");
        if hides_values {
            put(&mut options, "hide_values", true);
        }
        self.passed_on(dpe.get_explanation(options).await)
    }

    #[zbus(out_args("room_json"))]
    async fn check_room(
        &self,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let dpe = self.administered(&header).await?;
        self.passed_on(dpe.check_room(options).await)
    }

    #[zbus(out_args("agents_json"))]
    async fn list_agents(
        &self,
        class: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let dpe = self.asked(&header).await?;
        self.passed_on(dpe.list_agents(&class).await)
    }

    #[zbus(out_args("descriptions_json"))]
    async fn describe_agent(
        &self,
        agent: String,
        assembly: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let dpe = self.asked(&header).await?;
        self.passed_on(dpe.describe_agent(&agent, &assembly).await)
    }

    #[zbus(out_args("check_json"))]
    async fn check_agents(
        &self,
        document: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let dpe = self.asked(&header).await?;
        self.passed_on(dpe.check_agents(&document).await)
    }

    async fn cleanup(
        &self,
        service: String,
        assembly: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let command = Command::new(What::Cleanup, service, assembly);
        self.command(&header, command).await.map(drop)
    }

    #[zbus(out_args("plan_json"))]
    async fn plan_service(
        &self,
        verb: String,
        service: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let dpe = self.administered(&header).await?;
        self.passed_on(dpe.plan_service(&verb, &service, options).await)
    }

    #[zbus(out_args("plan_json"))]
    async fn order_service(
        &self,
        verb: String,
        service: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let command = Command::new(What::Service(verb, options), service, String::new());
        self.command(&header, command).await
    }

    #[zbus(out_args("report_json"))]
    async fn debug(
        &self,
        verb: String,
        service: String,
        assembly: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let command = Command::new(What::Debug(verb), service, assembly);
        self.command(&header, command).await
    }

    #[zbus(out_args("report_json"))]
    async fn get_debug(&self, id: String, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let dpe = self.administered(&header).await?;
        self.passed_on(dpe.get_debug(&id).await)
    }

    async fn cleanup_operation(
        &self,
        service: String,
        assembly: String,
        operation: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.permit(&header).await?;
        let interval_ms = Reader::new("options", &options).optional_u64("interval_ms")?;
        let what = What::CleanupOperation(operation, interval_ms);
        let command = Command::new(what, service, assembly);
        self.command(&header, command).await.map(drop)
    }

    async fn refresh(
        &self,
        service: String,
        assembly: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let command = Command::new(What::Refresh, service, assembly);
        self.command(&header, command).await.map(drop)
    }

    async fn set_standby_of_all(&self, on: bool, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let command = Command::whole(What::StandbyOfAll(on));
        self.command(&header, command).await.map(drop)
    }

    #[zbus(out_args("plan_json"))]
    async fn plan_upkeep(
        &self,
        verb: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let dpe = self.administered(&header).await?;
        self.passed_on(dpe.plan_upkeep(&verb, options).await)
    }

    async fn order_upkeep(
        &self,
        verb: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        // To whom the deployment is hidden nothing else is said.
        self.permit(&header).await?;
        let command = Command::upkeep(&verb, &options)?;
        self.command(&header, command).await.map(drop)
    }

    #[zbus(out_args("plan_json"))]
    async fn plan_standby(
        &self,
        assembly: String,
        on: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let dpe = self.administered(&header).await?;
        self.passed_on(dpe.plan_standby(&assembly, on).await)
    }

    async fn set_standby(
        &self,
        assembly: String,
        on: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let command = Command::at(What::Standby(on), assembly);
        self.command(&header, command).await.map(drop)
    }

    async fn set_maintenance(
        &self,
        assembly: String,
        on: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let command = Command::at(What::Maintenance(on), assembly);
        self.command(&header, command).await.map(drop)
    }

    async fn confirm_fenced(
        &self,
        assembly: String,
        attempt: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let command = Command::at(What::ConfirmFenced(attempt), assembly);
        self.command(&header, command).await.map(drop)
    }

    async fn fence(
        &self,
        assembly: String,
        action: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let command = Command::at(What::Fence(action), assembly);
        self.command(&header, command).await.map(drop)
    }

    async fn grant_ticket(&self, ticket: String, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let command = Command::whole(What::GrantTicket(ticket));
        self.command(&header, command).await.map(drop)
    }

    async fn revoke_ticket(
        &self,
        ticket: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let command = Command::whole(What::RevokeTicket(ticket));
        self.command(&header, command).await.map(drop)
    }

    async fn set_ticket_standby(
        &self,
        ticket: String,
        on: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let command = Command::whole(What::TicketStandby(ticket, on));
        self.command(&header, command).await.map(drop)
    }

    async fn set_attribute(
        &self,
        assembly: String,
        lifetime: String,
        name: String,
        value: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let what = What::SetAttribute {
            lifetime,
            name,
            value,
        };
        let command = Command::at(what, assembly);
        self.command(&header, command).await.map(drop)
    }

    async fn delete_attribute(
        &self,
        assembly: String,
        lifetime: String,
        name: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let what = What::DeleteAttribute { lifetime, name };
        let command = Command::at(what, assembly);
        self.command(&header, command).await.map(drop)
    }

    #[zbus(out_args("report_json"))]
    async fn give_order(
        &self,
        id: String,
        order: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let permit = self.permit(&header).await?;
        let order = Ordered::read(&order)?;
        given::give(&permit, &self.deployment, &id, order).await
    }

    #[zbus(out_args("report_json"))]
    async fn get_order(&self, id: String, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let permit = self.permit(&header).await?;
        given::get(&permit, &self.deployment, &id).await
    }

    async fn set_owner(
        &self,
        owner: String,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let permit = self.permit(&header).await?;
        owner::set(&permit, &self.deployment, owner, &options).await
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn name(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<String> {
        self.link.property(header, &self.deployment.name).await?;
        Ok(self.deployment.name.clone())
    }

    #[zbus(property)]
    async fn uuid(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<String> {
        self.link.property(header, &self.deployment.name).await?;
        Ok(self.deployment.row().uuid)
    }

    #[zbus(property)]
    async fn generation(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<u64> {
        self.link.property(header, &self.deployment.name).await?;
        Ok(self.deployment.row().generation)
    }

    #[zbus(property(emits_changed_signal = "false"))]
    async fn host(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<String> {
        self.link.property(header, &self.deployment.name).await?;
        let owner = hosts::owner(&*self.link.host()?, &self.deployment.name).await;
        Ok(owner.map_or_else(String::new, |(host, _)| host))
    }

    #[zbus(property(emits_changed_signal = "false"))]
    async fn since(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<u64> {
        self.link.property(header, &self.deployment.name).await?;
        let owner = hosts::owner(&*self.link.host()?, &self.deployment.name).await;
        Ok(owner.and_then(|(_, since)| since).unwrap_or(0))
    }

    #[zbus(property)]
    async fn state(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<String> {
        self.link.property(header, &self.deployment.name).await?;
        Ok(self.deployment.state().as_str().into())
    }

    #[zbus(property)]
    async fn dpe_pid(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<u32> {
        self.link.property(header, &self.deployment.name).await?;
        Ok(self.deployment.view().pid)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn unit(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<String> {
        self.link.property(header, &self.deployment.name).await?;
        Ok(dpe_unit(&self.deployment.name))
    }
}

/// The properties that change, as the bus was told last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Announced {
    state: DeploymentState,
    pid: u32,
    generation: u64,
}

impl Announced {
    pub(super) fn of(current: &Current) -> Announced {
        Announced {
            state: current.state(),
            pid: current.view.pid,
            generation: current.row.generation,
        }
    }
}

/// Sends PropertiesChanged for every change of the deployment from `announced` on. Of changes that
/// follow each other at once, the bus may see the last one only.
pub(super) async fn announce(
    core: Arc<Core>,
    object: InterfaceRef<DeploymentObject>,
    mut current: watch::Receiver<Current>,
    mut announced: Announced,
) {
    loop {
        let now = Announced::of(&current.borrow_and_update());
        // A signal goes to everybody on the bus.
        let public = core.policy().strangers == Strangers::Look;
        if public && let Err(error) = send(&object, announced, now).await {
            let path = object.signal_emitter().path();
            tracing::debug!("changed properties of {path} could not be announced: {error}");
        }
        announced = now;
        if current.changed().await.is_err() {
            return;
        }
    }
}

async fn send(
    object: &InterfaceRef<DeploymentObject>,
    before: Announced,
    now: Announced,
) -> zbus::Result<()> {
    let emitter = object.signal_emitter();
    let object = object.get().await;
    if now.state != before.state {
        object.state_changed(emitter).await?;
    }
    if now.pid != before.pid {
        object.dpe_pid_changed(emitter).await?;
    }
    if now.generation != before.generation {
        object.generation_changed(emitter).await?;
    }
    Ok(())
}
