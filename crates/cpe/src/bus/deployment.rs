//! `org.cloudpolicy.Cpe1.Deployment`: one object per deployment. What only the DPE can answer or do
//! is passed on to it.

use std::sync::Arc;

use cpe_bus::fields::{Reader, bounded, put};
use cpe_bus::json;
use cpe_bus::names::dpe_unit;
use cpe_bus::{Error, Fields, Result};
use cpe_status::{DeploymentState, DeploymentStatus};
use tokio::sync::{Semaphore, watch};
use zbus::message::Header;
use zbus::object_server::InterfaceRef;

use super::link::{Look, Permit};
use super::{About, Link, history, not_found, orders, owner, store};
use crate::audit::{self, Order};
use crate::core::Core;
use crate::dpe::DpeCall;
use crate::host::Host;
use crate::registry::{Current, Deployment};
use crate::rights::{Interface, Strangers};
use crate::sync::turn;

/// Bytes of an attribute's name and value that an event has at most.
pub(super) const LONGEST_SHOWN: usize = 255;

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
        let pid = self.deployment.view().pid;
        let client = host.dpes.client(&self.deployment.name, pid).await;
        client.map_err(|error| self.away(&error))
    }

    /// The DPE, for a look that anybody may have.
    async fn reader(&self, host: &Host) -> Result<DpeCall> {
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
        let pid = self.deployment.view().pid;
        let client = host.dpes.asker(&self.deployment.name, pid).await;
        client.map_err(|error| self.away(&error))
    }

    /// Has the DPE do what an administrator asks for, with options that name the caller, and the
    /// event log tell of it and of what came of it.
    async fn command<T>(
        &self,
        header: &Header<'_>,
        order: Order<'_>,
        give: impl AsyncFnOnce(DpeCall, Fields) -> Result<T>,
    ) -> Result<T> {
        let order = Order {
            deployment: &self.deployment.name,
            ..order
        };
        let Permit { host, caller, .. } = self.permit(header).await?;
        let mut options = Fields::new();
        put(&mut options, "by", audit::name(&host, &caller).await);
        let dpe = self.dpe(&host).await?;
        let outcome = self.passed_on(give(dpe, options).await);
        audit::record(&host, &caller, order, &outcome).await;
        outcome
    }

    fn away(&self, error: &impl std::fmt::Display) -> Error {
        let remark = match self.deployment.view().remark {
            remark if remark.is_empty() => error.to_string(),
            remark => remark,
        };
        Error::NotReady(format!(
            "the DPE of `{}` does not answer ({remark})",
            self.deployment.name
        ))
    }

    /// An answer of the DPE; if there is none, in words for our caller, who knows nothing of the
    /// DPE's bus name.
    fn passed_on<T>(&self, answer: Result<T>) -> Result<T> {
        answer.map_err(|error| {
            if !matches!(error, Error::ZBus(_)) || !error.is_temporary() {
                return error;
            }
            self.away(&"try again")
        })
    }

    /// A look at this deployment.
    async fn look(&self, header: &Header<'_>) -> Result<Look> {
        let about = About::Deployment(&self.deployment.name);
        self.link.look(header, about).await
    }

    /// Says in a status whose the deployment is, which the DPE does not know.
    fn put_owner(&self, status: &mut DeploymentStatus) {
        let owned = self.deployment.row().owned;
        (status.owner, status.group) = (owned.owner, owned.group);
    }

    /// The same in a status that is passed on as it is: a large one is not read for that.
    fn with_owner(&self, text: &str) -> Result<String> {
        let owned = self.deployment.row().owned;
        match text.strip_prefix('{') {
            Some(rest) if !rest.starts_with('}') => Ok(format!(
                "{{\"owner\":{},\"group\":{},{rest}",
                json::to_json(&owned.owner)?,
                json::to_json(&owned.group)?
            )),
            _ => Ok(text.to_owned()),
        }
    }

    /// What is known here, for when no DPE answers.
    fn own_status(&self) -> DeploymentStatus {
        let current = self.deployment.current();
        DeploymentStatus {
            state: current.state(),
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
        let name = self.deployment.name.clone();
        let found = store(&host, move |store| store.document(&name, generation)).await?;
        if let Some(found) = found {
            return Ok(found);
        }
        Err(match generation {
            0 => not_found(&self.deployment.name),
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
            return json::to_json(&self.own_status());
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
            Ok(text) if sees_values && !destroying => self.with_owner(&text),
            Ok(text) => {
                let mut status: DeploymentStatus = json::from_json(&text)?;
                if destroying {
                    status.state = DeploymentState::Destroying;
                }
                if !sees_values {
                    withhold_values(&mut status);
                }
                self.put_owner(&mut status);
                json::to_json(&status)
            }
            Err(error) if error.is_temporary() => json::to_json(&self.own_status()),
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
        let order = Order {
            action: "cleanup",
            service: &service,
            assembly: &assembly,
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.cleanup(&service, &assembly, by).await;
        self.command(&header, order, give).await
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
        let told = orders::told(&options);
        let more: Vec<(&str, &str)> = told
            .more
            .iter()
            .map(|(key, text)| (*key, &**text))
            .collect();
        let order = Order {
            action: orders::action(&verb),
            service: &service,
            assembly: &told.assembly,
            more: &more,
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| {
            let mut options = options.clone();
            options.extend::<Fields>(by);
            dpe.order_service(&verb, &service, options).await
        };
        self.command(&header, order, give).await
    }

    #[zbus(out_args("report_json"))]
    async fn debug(
        &self,
        verb: String,
        service: String,
        assembly: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let order = Order {
            action: orders::debug_action(&verb),
            service: &service,
            assembly: &assembly,
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.debug(&verb, &service, &assembly, by).await;
        self.command(&header, order, give).await
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
        let interval_ms = Reader::new("options", &options).optional_u64("interval_ms")?;
        let interval = interval_ms.map_or_else(|| "any".to_owned(), |it| it.to_string());
        let shown = bounded(&operation, LONGEST_SHOWN);
        let order = Order {
            action: "cleanup-operation",
            service: &service,
            assembly: &assembly,
            more: &[("operation", &shown), ("interval_ms", &interval)],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, mut by| {
            if let Some(interval_ms) = interval_ms {
                put(&mut by, "interval_ms", interval_ms);
            }
            let cleaned = dpe.cleanup_operation(&service, &assembly, &operation, by);
            cleaned.await
        };
        self.command(&header, order, give).await
    }

    async fn refresh(
        &self,
        service: String,
        assembly: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let order = Order {
            action: "refresh",
            service: &service,
            assembly: &assembly,
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.refresh(&service, &assembly, by).await;
        self.command(&header, order, give).await
    }

    async fn set_standby_of_all(&self, on: bool, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let order = Order {
            action: "standby-of-all",
            more: &[("switch", if on { "on" } else { "off" })],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.set_standby_of_all(on, by).await;
        self.command(&header, order, give).await
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
        let order = Order {
            action: "standby",
            assembly: &assembly,
            more: &[("switch", if on { "on" } else { "off" })],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.set_standby(&assembly, on, by).await;
        self.command(&header, order, give).await
    }

    async fn set_maintenance(
        &self,
        assembly: String,
        on: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let order = Order {
            action: "maintenance",
            assembly: &assembly,
            more: &[("switch", if on { "on" } else { "off" })],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.set_maintenance(&assembly, on, by).await;
        self.command(&header, order, give).await
    }

    async fn confirm_fenced(
        &self,
        assembly: String,
        attempt: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let order = Order {
            action: "confirm-fenced",
            assembly: &assembly,
            more: &[("attempt", &attempt)],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.confirm_fenced(&assembly, &attempt, by).await;
        self.command(&header, order, give).await
    }

    async fn fence(
        &self,
        assembly: String,
        action: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let order = Order {
            action: "fence",
            assembly: &assembly,
            more: &[("power", &action)],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.fence(&assembly, &action, by).await;
        self.command(&header, order, give).await
    }

    async fn grant_ticket(&self, ticket: String, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let order = Order {
            action: "grant-ticket",
            more: &[("ticket", &ticket)],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.grant_ticket(&ticket, by).await;
        self.command(&header, order, give).await
    }

    async fn revoke_ticket(
        &self,
        ticket: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let order = Order {
            action: "revoke-ticket",
            more: &[("ticket", &ticket)],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.revoke_ticket(&ticket, by).await;
        self.command(&header, order, give).await
    }

    async fn set_ticket_standby(
        &self,
        ticket: String,
        on: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let order = Order {
            action: "ticket-standby",
            more: &[
                ("ticket", &ticket),
                ("switch", if on { "on" } else { "off" }),
            ],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, by| dpe.set_ticket_standby(&ticket, on, by).await;
        self.command(&header, order, give).await
    }

    async fn set_attribute(
        &self,
        assembly: String,
        lifetime: String,
        name: String,
        value: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let shown = bounded(&name, LONGEST_SHOWN);
        // Not the value: more people read the event log than may read values.
        let order = Order {
            action: "set-attribute",
            assembly: &assembly,
            more: &[("name", &shown), ("lifetime", &lifetime)],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, mut options| {
            put(&mut options, "lifetime", lifetime.as_str());
            let set = dpe.set_attribute(&assembly, &name, &value, options);
            set.await
        };
        self.command(&header, order, give).await
    }

    async fn delete_attribute(
        &self,
        assembly: String,
        lifetime: String,
        name: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let shown = bounded(&name, LONGEST_SHOWN);
        let order = Order {
            action: "delete-attribute",
            assembly: &assembly,
            more: &[("name", &shown), ("lifetime", &lifetime)],
            ..Order::default()
        };
        let give = async |dpe: DpeCall, mut options| {
            put(&mut options, "lifetime", lifetime.as_str());
            dpe.delete_attribute(&assembly, &name, options).await
        };
        self.command(&header, order, give).await
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
