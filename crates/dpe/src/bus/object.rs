//! Interface `org.cloudpolicy.Dpe1`. Documented in `docs/bus/org.cloudpolicy.Dpe1.xml`.

use std::sync::Arc;
use std::time::Duration;

use controller::{
    AssemblyId, Holder, Keeping, Place, PowerOrder, Proposal, Question, Request, ServiceId,
    ServiceOrder, TicketOrder, Whose,
};
use cpe_bus::fields::{Reader, bounded};
use cpe_bus::json;
use cpe_bus::names::{CPE_NAME, IN_DOUBT};
use cpe_bus::records::attribute;
use cpe_bus::{Error, Fields, Result};
use cpe_status::{AgentCheck, KeptInputList, Plan, ServicePlan, Unasked};
use deployment::{Deployment, Uses};
use tokio::sync::{Mutex, watch};
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use super::requests::{BusRequest, Requests, Turn, refused};
use super::{Public, debug, orders, room, upkeep};
use crate::catalogue::{self, Catalogue};
use crate::clock;
use crate::explain::{Answer, Inquiry};
use crate::kept_inputs::Shelf;

/// Bytes of a caller's name that are taken.
pub(super) const LONGEST_NAME: usize = 1024;
/// Assemblies that an error names.
const LISTED: usize = 24;
/// A bus that has not said by then who calls hangs.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// The object of a DPE.
pub(super) struct DpeObject {
    requests: Requests,
    catalogue: Catalogue,
    shelf: Shelf,
    public: watch::Receiver<Public>,
    /// Held from the plan of an order about a service until it is given: two that hold alone may
    /// not hold together.
    ordering: Mutex<()>,
}

impl DpeObject {
    pub(super) fn new(
        requests: Requests,
        catalogue: Catalogue,
        shelf: Shelf,
        public: watch::Receiver<Public>,
    ) -> DpeObject {
        DpeObject {
            requests,
            catalogue,
            shelf,
            public,
            ordering: Mutex::default(),
        }
    }

    /// What a document asks of agents; empty: the one in force.
    async fn uses(&self, document: String) -> Result<(Deployment, Uses)> {
        let document = match document.is_empty() {
            false => document,
            true => self.requests.ask(BusRequest::Document).await?.0,
        };
        if document.is_empty() {
            return Err(Error::NotReady(
                "no document is loaded: load one first".into(),
            ));
        }
        let found = catalogue::uses(document).await?;
        let (name, own) = (&found.0.name, self.requests.deployment());
        if name != own {
            return Err(Error::InvalidArgument(format!(
                "the document is of deployment `{name}`, not of `{own}`"
            )));
        }
        Ok(found)
    }

    /// Has the guests' agents say what they can about a document.
    async fn check(&self, document: String) -> Result<AgentCheck> {
        let _turn = self.requests.turn_to_ask().await?;
        let (deployment, uses) = self.uses(document).await?;
        self.catalogue.check(&deployment, uses).await
    }

    /// Whether there would be room with a document in force: one after another, off the loop.
    async fn room_of(&self, document: String) -> Result<String> {
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let name = self.requests.deployment().to_owned();
        let read = move || Proposal::read(&name, document).map_err(refused);
        let proposal = Box::new(off_the_loop(Arc::clone(&turn), read).await?);
        let ask = |reply| BusRequest::RoomOf(proposal, reply);
        let input = self.requests.ask(ask).await?.map_err(refused)?;
        let answer = move || crate::room::answer_first(&input).map_err(refused);
        json::to_json(&off_the_loop(turn, answer).await?)
    }

    /// Has a question answered: one after another, off the loop.
    async fn answer(&self, inquiry: Inquiry) -> Result<Answer> {
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let basis = self.requests.ask(BusRequest::Basis).await??;
        off_the_loop(turn, move || basis.explain(&inquiry)).await
    }

    async fn change(
        &self,
        connection: &Connection,
        header: &Header<'_>,
        request: Request,
        options: &Fields,
    ) -> Result<()> {
        let caller = require_administrator(connection, header).await?;
        let by = Reader::new("options", options).text("by", LONGEST_NAME)?;
        let by = if by.is_empty() { caller } else { by };
        let turn = Arc::new(self.requests.turn_to_change().await?);
        self.requests.change(turn, request, by).await
    }

    /// Has an order about a service planned: one after another, off the loop. Gives the order with
    /// what was left open in it, too.
    async fn planned(
        &self,
        service: &ServiceId,
        order: &ServiceOrder,
    ) -> Result<(ServicePlan, ServiceOrder)> {
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let (service, order) = (service.clone(), order.clone());
        let ask = |reply| BusRequest::PlanService(service, order, reply);
        let question = self.requests.ask(ask).await?.map_err(refused)?;
        let order = question.order().clone();
        let answer = move || question.answer_in(clock::zone).map_err(refused);
        Ok((off_the_loop(turn, answer).await?, order))
    }

    /// Has standby of an assembly (`None`: of all), or its end, planned: as an order about a
    /// service.
    async fn planned_standby(&self, assembly: Option<AssemblyId>, on: bool) -> Result<Plan> {
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let plan = |reply| BusRequest::PlanStandby(assembly, on, reply);
        let question = self.requests.ask(plan).await?.map_err(refused)?;
        let answer = move || question.answer_in(clock::zone).map_err(refused);
        off_the_loop(turn, answer).await
    }

    /// Has upkeep planned that is judged before it is done ([`upkeep::is_judged`]).
    async fn planned_upkeep(&self, request: Request) -> Result<ServicePlan> {
        if let Request::Standby { assembly, on } = request {
            let plan = self.planned_standby(Some(assembly.clone()), on).await?;
            return Ok(upkeep::of_standby(plan, &assembly));
        }
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let ask = |reply| BusRequest::PlanUpkeep(Box::new(request), reply);
        let question = self.requests.ask(ask).await?.map_err(refused)?;
        let answer = move || question.answer_in(clock::zone).map_err(refused);
        off_the_loop(turn, answer).await
    }

    /// Has upkeep done, if it holds: it is planned in this moment, whatever its caller has seen.
    /// What nobody can plan now is done all the same, unless a plan was seen and it is not forced:
    /// maintenance and a refresh are for when little is known.
    async fn keep_up(
        &self,
        connection: &Connection,
        header: &Header<'_>,
        request: Request,
        options: &Fields,
    ) -> Result<()> {
        require_administrator(connection, header).await?;
        let reader = Reader::new("options", options);
        let is_forced = reader.boolean("force")?;
        let was_seen = !reader.text("fingerprint", LONGEST_NAME)?.is_empty();
        if !upkeep::is_judged(&request) || (is_forced && !was_seen) {
            return self.change(connection, header, request, options).await;
        }
        let _ordering = self.ordering.lock().await;
        match self.planned_upkeep(request.clone()).await {
            Ok(plan) => orders::permit(&plan, options)?,
            Err(Error::NotReady(_)) if is_forced || !was_seen => {}
            Err(error) => return Err(error),
        }
        self.change(connection, header, request, options).await
    }

    /// Gives an attribute or an option a value, or takes it away.
    async fn put(
        &self,
        connection: &Connection,
        header: &Header<'_>,
        owner: Owner,
        name: String,
        value: Option<String>,
        options: &Fields,
    ) -> Result<()> {
        match owner {
            Owner::Holder(holder) => {
                let request = Request::Put {
                    holder,
                    name,
                    value,
                };
                self.change(connection, header, request, options).await
            }
            Owner::Boot(assembly) => {
                require_administrator(connection, header).await?;
                let question = Question::Put {
                    place: Place::Boot(Whose::Own),
                    name,
                    value,
                    keeping: Keeping::default(),
                };
                self.requests.ask_agent(assembly, question).await
            }
        }
    }
}

/// Whose an attribute is.
enum Owner {
    /// Somebody's over all boots.
    Holder(Holder),
    /// A boot's.
    Boot(AssemblyId),
}

/// Whose attribute is meant by an assembly (empty: the deployment) and option `lifetime`.
fn owner(assembly: String, options: &Fields) -> Result<Owner> {
    let lifetime = Reader::new("options", options).text("lifetime", LONGEST_NAME)?;
    let lifetime = match lifetime.as_str() {
        "" => "forever",
        given => given,
    };
    match (optional(bounded(&assembly, LONGEST_NAME)), lifetime) {
        (None, "forever") => Ok(Owner::Holder(Holder::Deployment)),
        (Some(name), "forever") => Ok(Owner::Holder(Holder::Assembly(name.into()))),
        (Some(name), "reboot") => Ok(Owner::Boot(name.into())),
        (None, "reboot") => Err(Error::InvalidArgument(
            "an option of the deployment lasts forever".into(),
        )),
        (_, other) => Err(Error::InvalidArgument(format!(
            "a lifetime is `forever` or `reboot`; found `{}`",
            bounded(other, LONGEST_NAME)
        ))),
    }
}

/// Does what takes long off the event loop, which has heartbeats to answer. The turn ends with the
/// work, if the caller does not wait for it.
async fn off_the_loop<T: Send + 'static>(
    turn: Arc<Turn>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        cpe_daemon::confine(work)
    });
    match work.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => Err(Error::Failed(panicked.to_string())),
        Err(error) => Err(Error::Failed(error.to_string())),
    }
}

/// Only root and the CPE may change a deployment here; everyone else asks the CPE. Not the user of
/// this daemon: all DPEs of a host are that user, and one must not command another. Gives the
/// caller as the bus knows it, for people.
async fn require_administrator(connection: &Connection, header: &Header<'_>) -> Result<String> {
    let check = check_administrator(connection, header);
    let outcome = tokio::time::timeout(CHECK_TIMEOUT, check).await;
    outcome.unwrap_or_else(|_| {
        let text = "the bus does not say who calls: it does not answer";
        Err(Error::AccessDenied(text.to_owned()))
    })
}

async fn check_administrator(connection: &Connection, header: &Header<'_>) -> Result<String> {
    let denied = |text: String| Error::AccessDenied(text);
    let sender = header
        .sender()
        .ok_or_else(|| denied("the call has no sender, so it cannot be checked".into()))?;
    let bus = DBusProxy::builder(connection)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await?;
    let uid = bus
        .get_connection_unix_user(sender.clone().into())
        .await
        .map_err(|error| denied(format!("the bus does not say who calls: {error}")))?;
    let cpe = zbus::names::BusName::try_from(CPE_NAME)?;
    let owner = bus.get_name_owner(cpe).await.ok();
    if is_administrator(
        uid,
        sender.as_str(),
        owner.as_ref().map(|owner| owner.as_str()),
    ) {
        return Ok(format!("uid {uid}, connection {sender}"));
    }
    Err(denied(format!(
        "user {uid} may not do this here: ask {CPE_NAME} (cpectl), which knows who may"
    )))
}

/// Whether a caller is root, or the connection that has the CPE's name.
fn is_administrator(uid: u32, sender: &str, cpe: Option<&str>) -> bool {
    uid == 0 || cpe == Some(sender)
}

fn ordered(ticket: String, order: TicketOrder) -> Request {
    let ticket = ticket.into();
    Request::Ticket { ticket, order }
}

fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[interface(name = "org.cloudpolicy.Dpe1", introspection_docs = false)]
impl DpeObject {
    /// Takes a generation of the document; returns when it is durable.
    async fn load(
        &self,
        document: String,
        generation: u64,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let caller = require_administrator(connection, &header).await?;
        // Others may be of a later CPE, for later DPEs.
        let in_doubt: Vec<String> = match options.get(IN_DOUBT) {
            None => Vec::new(),
            Some(names) => names.clone().try_into().map_err(|error| {
                Error::InvalidArgument(format!(
                    "option {IN_DOUBT} is not an array of names: {error}"
                ))
            })?,
        };
        let turn = Arc::new(self.requests.turn_to_change().await?);
        let name = self.requests.deployment().to_owned();
        let read = move || Proposal::read(&name, document).map_err(refused);
        let request = Request::LoadRead {
            proposal: Box::new(off_the_loop(Arc::clone(&turn), read).await?),
            generation,
            in_doubt: in_doubt.iter().map(|name| name.as_str().into()).collect(),
        };
        self.requests.change(turn, request, caller).await
    }

    /// Ends the deployment; returns when that is durable.
    async fn unload(
        &self,
        stop_services: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.change(
            connection,
            &header,
            Request::Unload { stop_services },
            &Fields::new(),
        )
        .await
    }

    /// What runs where, as JSON.
    #[zbus(out_args("status_json"))]
    async fn get_status(&self) -> Result<String> {
        let status = self.requests.ask(BusRequest::Status).await?;
        serde_json::to_string(&status).map_err(|error| Error::Failed(error.to_string()))
    }

    /// The last operations, as JSON.
    #[zbus(out_args("operations_json"))]
    async fn get_operations(&self, options: Fields) -> Result<String> {
        let reader = Reader::new("options", &options);
        let service = optional(reader.text("service", LONGEST_NAME)?).map(ServiceId::from);
        let assembly = optional(reader.text("assembly", LONGEST_NAME)?).map(AssemblyId::from);
        let ask = |reply| BusRequest::Operations(service, assembly, reply);
        let known = self.requests.ask(ask).await?.map_err(refused)?;
        json::to_json(&known)
    }

    /// The policy engine's input, CIB XML. It holds the services' parameters: for administrators.
    #[zbus(out_args("cib"))]
    async fn get_input(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        self.requests.ask(BusRequest::Input).await
    }

    /// The inputs that are kept, as JSON.
    #[zbus(out_args("inputs_json"))]
    async fn list_inputs(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let shelf = self.shelf.clone();
        let list = move || {
            let listed = shelf.list();
            listed.map_err(|error| Error::Failed(format!("cannot read kept inputs: {error}")))
        };
        json::to_json(&KeptInputList {
            deployment: self.requests.deployment().to_owned(),
            inputs: off_the_loop(turn, list).await?,
        })
    }

    /// One of them, CIB XML. For administrators, as the present one.
    #[zbus(out_args("cib"))]
    async fn get_kept_input(
        &self,
        name: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let shelf = self.shelf.clone();
        let read = move || shelf.read(&name).map_err(|error| error.told_of(&name));
        off_the_loop(turn, read).await
    }

    /// The document in force and its generation.
    #[zbus(out_args("document", "generation"))]
    async fn get_document(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(String, u64)> {
        require_administrator(connection, &header).await?;
        self.requests.ask(BusRequest::Document).await
    }

    /// What a document would change, as JSON.
    #[zbus(out_args("plan_json"))]
    async fn plan(&self, document: String) -> Result<String> {
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let name = self.requests.deployment().to_owned();
        let text = document.clone();
        let read = move || Proposal::read(&name, document).map_err(refused);
        let proposal = Box::new(off_the_loop(Arc::clone(&turn), read).await?);
        let plan = |reply| BusRequest::Plan(proposal, reply);
        let question = self.requests.ask(plan).await?.map_err(refused)?;
        let answer = move || question.answer_in(clock::zone).map_err(refused);
        let plan = off_the_loop(turn, answer).await?;
        // A plan is one without what the guests' agents say, too.
        let agents = self.check(text).await.unwrap_or_else(|error| AgentCheck {
            warnings: Vec::new(),
            unasked: vec![Unasked {
                reason: error.message(),
                ..Unasked::default()
            }],
        });
        json::to_json(&Plan { agents, ..plan })
    }

    /// Which resource agents the guests have, as JSON.
    #[zbus(out_args("agents_json"))]
    async fn list_agents(
        &self,
        class: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        catalogue::check_class(&class)?;
        let _turn = self.requests.turn_to_ask().await?;
        let (deployment, _) = self.uses(String::new()).await?;
        json::to_json(&self.catalogue.list(&deployment, &class).await)
    }

    /// What an agent says about itself, as JSON.
    #[zbus(out_args("descriptions_json"))]
    async fn describe_agent(
        &self,
        agent: String,
        assembly: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        let agent = catalogue::parse(&agent)?;
        let _turn = self.requests.turn_to_ask().await?;
        let (deployment, _) = self.uses(String::new()).await?;
        let assembly = optional(assembly);
        if let Some(assembly) = &assembly
            && deployment.assembly(assembly).is_none()
        {
            let names = deployment.assemblies.iter().map(|it| it.name.as_str());
            let names: Vec<&str> = names.take(LISTED).collect();
            return Err(Error::NotFound(format!(
                "there is no assembly `{}`; there are: {}",
                bounded(assembly, LONGEST_NAME),
                names.join(", ")
            )));
        }
        let catalogue = &self.catalogue;
        let found = catalogue.describe(&deployment, &agent, assembly.as_deref());
        json::to_json(&found.await)
    }

    /// What the guests' agents say about a document, as JSON.
    #[zbus(out_args("check_json"))]
    async fn check_agents(
        &self,
        document: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        json::to_json(&self.check(document).await?)
    }

    /// Why a service runs where it does, and not elsewhere.
    #[zbus(out_args("text"))]
    async fn explain(&self, service: String, assembly: String) -> Result<String> {
        let inquiry = Inquiry {
            service: optional(service),
            assembly: optional(assembly),
            scores: false,
            hides_values: false,
        };
        Ok(self.answer(inquiry).await?.text)
    }

    /// The same as data.
    #[zbus(out_args("explanation_json"))]
    async fn get_explanation(&self, options: Fields) -> Result<String> {
        let reader = Reader::new("options", &options);
        let inquiry = Inquiry {
            service: optional(reader.text("service", LONGEST_NAME)?),
            assembly: optional(reader.text("assembly", LONGEST_NAME)?),
            scores: reader.boolean("scores")?,
            hides_values: reader.boolean("hide_values")?,
        };
        let answer = self.answer(inquiry).await?;
        let text = serde_json::to_string(&answer.text);
        let text = text.map_err(|error| Error::Failed(error.to_string()))?;
        let explanations = answer.json;
        Ok(format!(
            "{{\"text\":{text},\"explanations\":{explanations}}}"
        ))
    }

    /// Whether there is room for every service after a loss, as JSON.
    #[zbus(out_args("room_json"))]
    async fn check_room(
        &self,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        if let Some(document) = room::document(&options)? {
            require_administrator(connection, &header).await?;
            return self.room_of(document).await;
        }
        let question = room::question(&options)?;
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let ask = |reply| BusRequest::Room(question, reply);
        let input = self.requests.ask(ask).await?.map_err(refused)?;
        let answer = move || crate::room::answer(&input).map_err(refused);
        json::to_json(&off_the_loop(turn, answer).await?)
    }

    /// What an order about a service would bring, as JSON.
    #[zbus(out_args("plan_json"))]
    async fn plan_service(
        &self,
        verb: String,
        service: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        let order = orders::order(&verb, &options)?;
        let service = bounded(&service, LONGEST_NAME).into();
        json::to_json(&self.planned(&service, &order).await?.0)
    }

    /// Gives it, if it holds.
    #[zbus(out_args("plan_json"))]
    async fn order_service(
        &self,
        verb: String,
        service: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        let order = orders::order(&verb, &options)?;
        let service: ServiceId = bounded(&service, LONGEST_NAME).into();
        let _ordering = self.ordering.lock().await;
        let (plan, order) = self.planned(&service, &order).await?;
        orders::permit(&plan, &options)?;
        // What is so already may still be on its way to the disk: that is waited for.
        let request = Request::Service { service, order };
        self.change(connection, &header, request, &options).await?;
        json::to_json(&plan)
    }

    /// Has a resource agent do something once, as JSON what is known when it has begun.
    #[zbus(out_args("report_json"))]
    async fn debug(
        &self,
        verb: String,
        service: String,
        assembly: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let caller = require_administrator(connection, &header).await?;
        let task = debug::task(&verb)?;
        let by = Reader::new("options", &options).text("by", LONGEST_NAME)?;
        let turn = Arc::new(self.requests.turn_to_think().await?);
        let service: ServiceId = bounded(&service, LONGEST_NAME).into();
        let assembly: AssemblyId = bounded(&assembly, LONGEST_NAME).into();
        let ask = |reply| BusRequest::PlanDebug(task, service, assembly, reply);
        let question = self.requests.ask(ask).await?.map_err(refused)?;
        let answer = move || question.answer_in(clock::zone).map_err(refused);
        let order = off_the_loop(turn, answer).await?;
        let by = if by.is_empty() { caller } else { by };
        json::to_json(&self.requests.debug(order, by).await?)
    }

    /// What is known of it by now, as JSON.
    #[zbus(out_args("report_json"))]
    async fn get_debug(
        &self,
        id: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        let ask = |reply| BusRequest::Debugged(id, reply);
        json::to_json(&self.requests.ask(ask).await??)
    }

    /// Forgets failures.
    async fn cleanup(
        &self,
        service: String,
        assembly: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let request = Request::Cleanup {
            service: optional(service).map(ServiceId::from),
            assembly: optional(assembly).map(AssemblyId::from),
        };
        self.keep_up(connection, &header, request, &options).await
    }

    /// Forgets failures of one operation.
    async fn cleanup_operation(
        &self,
        service: String,
        assembly: String,
        operation: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let request = Request::CleanupOperation {
            service: ServiceId::from(service),
            assembly: optional(assembly).map(AssemblyId::from),
            operation: upkeep::failed_operation(&operation, &options)?,
        };
        self.keep_up(connection, &header, request, &options).await
    }

    /// Forgets failures, and looks at everything again.
    async fn refresh(
        &self,
        service: String,
        assembly: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let request = Request::Refresh {
            service: optional(service).map(ServiceId::from),
            assembly: optional(assembly).map(AssemblyId::from),
        };
        self.keep_up(connection, &header, request, &options).await
    }

    /// Puts all assemblies into standby, or ends that.
    async fn set_standby_of_all(
        &self,
        on: bool,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let request = Request::StandbyOfAll { on };
        self.change(connection, &header, request, &options).await
    }

    /// What a clean-up, a refresh, maintenance or its end would bring, as JSON.
    #[zbus(out_args("plan_json"))]
    async fn plan_upkeep(
        &self,
        verb: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        let request = upkeep::request(&verb, &options)?;
        json::to_json(&self.planned_upkeep(request).await?)
    }

    /// What standby of an assembly would change, or of all, as JSON.
    #[zbus(out_args("plan_json"))]
    async fn plan_standby(
        &self,
        assembly: String,
        on: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        require_administrator(connection, &header).await?;
        let assembly = optional(assembly).map(AssemblyId::from);
        json::to_json(&self.planned_standby(assembly, on).await?)
    }

    /// Puts an assembly into standby, where it runs no services, or ends that.
    async fn set_standby(
        &self,
        assembly: String,
        on: bool,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let assembly = AssemblyId::from(assembly);
        let request = Request::Standby { assembly, on };
        self.keep_up(connection, &header, request, &options).await
    }

    /// Leaves services alone, or ends that.
    async fn set_maintenance(
        &self,
        assembly: String,
        on: bool,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let assembly = optional(assembly).map(AssemblyId::from);
        let request = Request::Maintenance { assembly, on };
        self.keep_up(connection, &header, request, &options).await
    }

    /// Confirms that an assembly is down.
    async fn confirm_fenced(
        &self,
        assembly: String,
        attempt: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let assembly = AssemblyId::from(assembly);
        self.change(
            connection,
            &header,
            Request::ConfirmFenced { assembly, attempt },
            &options,
        )
        .await
    }

    /// Switches the power of an assembly.
    async fn fence(
        &self,
        assembly: String,
        action: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let assembly = AssemblyId::from(assembly);
        let order = match action.as_str() {
            "off" => PowerOrder::Off,
            "on" => PowerOrder::On,
            "reboot" => PowerOrder::Reboot,
            other => {
                return Err(Error::InvalidArgument(format!(
                    "the power of an assembly cannot be \"{other}\": expected off, on or reboot"
                )));
            }
        };
        let request = Request::Fence { assembly, order };
        self.change(connection, &header, request, &options).await
    }

    /// Grants a ticket to the deployment.
    async fn grant_ticket(
        &self,
        ticket: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let request = ordered(ticket, TicketOrder::Grant);
        self.change(connection, &header, request, &options).await
    }

    /// Takes a ticket from the deployment.
    async fn revoke_ticket(
        &self,
        ticket: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let request = ordered(ticket, TicketOrder::Revoke);
        self.change(connection, &header, request, &options).await
    }

    /// Has what needs a ticket stopped although it may be granted, or ends that.
    async fn set_ticket_standby(
        &self,
        ticket: String,
        on: bool,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let order = if on {
            TicketOrder::Standby
        } else {
            TicketOrder::Activate
        };
        let request = ordered(ticket, order);
        self.change(connection, &header, request, &options).await
    }

    /// Gives an assembly an attribute, or the deployment an option.
    async fn set_attribute(
        &self,
        assembly: String,
        name: String,
        value: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let kept = cpe_bus::NodeAttribute {
            value: value.clone(),
            dampening_ms: 0,
        };
        attribute::check(&name, &kept)?;
        let owner = owner(assembly, &options)?;
        self.put(connection, &header, owner, name, Some(value), &options)
            .await
    }

    /// Takes it away.
    async fn delete_attribute(
        &self,
        assembly: String,
        name: String,
        options: Fields,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let owner = owner(assembly, &options)?;
        self.put(connection, &header, owner, name, None, &options)
            .await
    }

    /// The state in one word.
    #[zbus(property)]
    fn state(&self) -> &'static str {
        self.public.borrow().state.as_str()
    }

    /// The generation in force.
    #[zbus(property)]
    fn generation(&self) -> u64 {
        self.public.borrow().generation
    }

    /// This start's epoch.
    #[zbus(property(emits_changed_signal = "const"))]
    fn epoch(&self) -> u64 {
        self.public.borrow().epoch
    }

    /// The state, or what is said about it, changed.
    #[zbus(signal)]
    pub(super) async fn status_changed(
        emitter: &SignalEmitter<'_>,
        state: &str,
        summary: &str,
    ) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_cpe_are_obeyed_and_not_another_dpe_of_the_same_user() {
        let own = rustix::process::geteuid().as_raw().max(1);
        assert!(is_administrator(0, ":1.7", None));
        assert!(is_administrator(own, ":1.7", Some(":1.7")));
        assert!(!is_administrator(own, ":1.8", Some(":1.7")));
        assert!(!is_administrator(own, ":1.8", None));
    }
}
