//! A double of cpe's bus service. It keeps documents and events in memory, carries out nothing, and
//! checks the roles of those for whom `Assume` was called; nothing here decides about services.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cpe_bus::fields::Reader;
use cpe_bus::names::{CPE_NAME, CPE_PATH, deployment_path};
use cpe_bus::orders::{OrderError, OrderReport, OrderState, Ordered};
use cpe_bus::{
    DeploymentEntry, Error, Event, Fields, GenerationEntry, ProblemRecord, Result, json,
};
use cpe_status::{
    AssemblyState, AssemblyStatus, DeploymentState, DeploymentStatus, FailureStatus, FencingResult,
    FencingStatus, HostList, HostStatus, OverlayStatus, Plan, PlanAction, PlanBasis, RefusedSink,
    RoomLoss, RoomOutcome, RoomReport, RoomService, ServicePlan, ServiceState, ServiceStatus,
    SinkList, SinkStatus,
};
use zbus::Connection;
use zbus::message::Header;

/// What it knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub documents: BTreeMap<String, Vec<String>>,
    pub events: Vec<Event>,
    pub log: String,
    /// Roles of principals.
    pub roles: BTreeMap<String, Vec<(String, String)>>,
    /// Whose a connection is.
    pub assumed: BTreeMap<String, String>,
    /// What a plan does.
    pub action: String,
    /// Calls of GetStatus.
    pub looks: usize,
    /// Calls of Manager.CheckRoom, each of which takes seconds.
    pub simulations: usize,
    /// Orders and standby that were given.
    pub orders: Vec<String>,
    /// Orders with an id, by who gave them: what they say, and what has become of them.
    pub given: BTreeMap<(String, String), (String, OrderReport)>,
    /// It has no Assume, as an old cpe.
    pub is_old: bool,
    /// It takes nobody's word for who calls.
    pub is_wary: bool,
    /// What is wanted beside the documents.
    pub overlay: Vec<OverlayStatus>,
    /// With any document, the loss of `web1` leaves `web` out; `true`: such a document is refused.
    pub is_tight: Option<bool>,
    /// The notifier is away.
    pub is_silent: bool,
    /// Plans are made from this generation; `None`: from the present one.
    pub planned_from: Option<u64>,
}

/// The double; all copies know the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct CpeDouble(pub Arc<Mutex<Known>>);

const RANKS: [&str; 4] = ["viewer", "operator", "owner", "admin"];

/// A document that can be stored.
pub(crate) fn document(name: &str, remark: &str) -> String {
    format!(
        "<deployable name=\"{name}\"><!-- {remark} -->\
         <assemblies><assembly name=\"web1\" address=\"unix:/run/cpe/guests/web1/agent.sock\"/></assemblies></deployable>"
    )
}

impl CpeDouble {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    /// Serves on a bus until the connection is dropped.
    pub(crate) async fn serve(&self, address: &str) -> Connection {
        self.lock().assumed.clear();
        let builder = zbus::connection::Builder::address(address)
            .serve_at(CPE_PATH, Events(self.clone()))
            .serve_at(CPE_PATH, Hosts(self.clone()));
        let builder = match self.lock().is_old {
            true => builder.serve_at(CPE_PATH, OldManager(self.clone())),
            false => builder.serve_at(CPE_PATH, Manager(self.clone())),
        };
        let connection = builder.build().await.unwrap();
        let names: Vec<String> = self.lock().documents.keys().cloned().collect();
        for name in names {
            publish(self, connection.object_server(), &name).await;
        }
        connection.request_name(CPE_NAME).await.unwrap();
        connection
    }

    /// Records an event and tells of it.
    pub(crate) async fn record(
        &self,
        connection: &Connection,
        kind: &str,
        deployment: &str,
    ) -> u64 {
        let event = self.note(kind, deployment);
        let told = (event.to_fields(),);
        let interface = "org.cloudpolicy.Cpe1.Events";
        let signal = connection.emit_signal(None::<&str>, CPE_PATH, interface, "Recorded", &told);
        signal.await.unwrap();
        event.cursor
    }

    /// Records an event of which nobody is told.
    pub(crate) fn note(&self, kind: &str, deployment: &str) -> Event {
        let mut known = self.lock();
        let cursor = known.events.last().map_or(0, |it| it.cursor) + 1;
        let event = Event {
            id: format!("event-{cursor}"),
            cursor,
            time: 1_700_000_000_000_000 + cursor,
            kind: kind.to_owned(),
            deployment: deployment.to_owned(),
            ..Event::default()
        };
        known.events.push(event.clone());
        event
    }

    /// Refuses whoever has not at least that role for a deployment.
    fn require(&self, role: &str, name: &str, header: &Header<'_>) -> Result<()> {
        let known = self.lock();
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let who = known.assumed.get(&sender);
        let rank = |role: &str| RANKS.iter().position(|it| *it == role);
        let grants = who.and_then(|who| known.roles.get(who));
        let has = grants.into_iter().flatten().any(|(held, pattern)| {
            cpe_bus::events::kind_matches(pattern, name) && rank(held) >= rank(role)
        });
        match has {
            true => Ok(()),
            false => Err(Error::AccessDenied(format!("this takes role {role}"))),
        }
    }

    fn status(&self, name: &str) -> DeploymentStatus {
        let mut known = self.lock();
        known.looks += 1;
        DeploymentStatus {
            name: name.to_owned(),
            state: DeploymentState::Active,
            generation: known.documents[name].len() as u64,
            epoch: 1,
            assemblies: vec![
                AssemblyStatus {
                    name: "web1".into(),
                    state: AssemblyState::Online,
                    ..AssemblyStatus::default()
                },
                AssemblyStatus {
                    name: "web2".into(),
                    state: AssemblyState::Fencing,
                    fencing_attempt: "1-1".into(),
                    ..AssemblyStatus::default()
                },
            ],
            failures: vec![FailureStatus {
                service: "web".into(),
                assembly: "web1".into(),
                operation: "monitor/10000".into(),
                ..FailureStatus::default()
            }],
            fencing: vec![FencingStatus {
                assembly: "web2".into(),
                attempt: "1-1".into(),
                result: FencingResult::Pending,
                ..FencingStatus::default()
            }],
            services: vec![ServiceStatus {
                name: "web".into(),
                state: ServiceState::Started,
                ..ServiceStatus::default()
            }],
            overlay: known.overlay.clone(),
            ..DeploymentStatus::default()
        }
    }

    fn read(&self, document: &str) -> Result<String> {
        match deployment::read(document.as_bytes()) {
            Ok(read) => Ok(read.name),
            Err(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Err(Error::InvalidDocument(lines.join("\n")))
            }
        }
    }

    fn planned_from(&self, name: &str) -> u64 {
        let known = self.lock();
        let present = known.documents.get(name).map_or(0, Vec::len) as u64;
        known.planned_from.unwrap_or(present)
    }

    fn room(&self, name: &str) -> RoomReport {
        let lost = RoomLoss {
            assemblies: vec!["web1".into()],
            services: vec![RoomService {
                service: "web".into(),
                outcome: RoomOutcome::Down,
                ..RoomService::default()
            }],
            ..RoomLoss::default()
        };
        let is_tight = self.lock().is_tight.is_some();
        RoomReport {
            deployment: name.to_owned(),
            planned: true,
            holds: !is_tight,
            looked_at: 1,
            losses: if is_tight { vec![lost] } else { Vec::new() },
            ..RoomReport::default()
        }
    }

    /// Refuses what leaves no room, if it does so, and it is not forced.
    fn admit(&self, name: &str, options: &Fields) -> Result<()> {
        let is_forced = Reader::new("options", options).boolean("force")?;
        match self.lock().is_tight {
            Some(true) if !is_forced => Err(Error::Refused(format!("no room in {name}"))),
            _ => Ok(()),
        }
    }

    fn plan(&self) -> Vec<PlanAction> {
        vec![PlanAction {
            action: self.lock().action.clone(),
            service: "web".into(),
            ..PlanAction::default()
        }]
    }

    fn list(&self) -> Vec<Fields> {
        let known = self.lock();
        let entries = known
            .documents
            .iter()
            .map(|(name, generations)| DeploymentEntry {
                name: name.clone(),
                uuid: format!("uuid-of-{name}"),
                generation: generations.len() as u64,
                state: DeploymentState::Active,
                path: deployment_path(name),
                owner: "root".into(),
                group: String::new(),
            });
        entries.map(|entry| entry.to_fields()).collect()
    }
}

async fn publish(double: &CpeDouble, server: &zbus::ObjectServer, name: &str) {
    let object = Deployment(double.clone(), name.to_owned());
    server.at(deployment_path(name), object).await.unwrap();
}

struct OldManager(CpeDouble);

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Manager")]
impl OldManager {
    async fn list_deployments(&self) -> Vec<Fields> {
        self.0.list()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn version(&self) -> &str {
        "old"
    }

    /// It does as it is told by anybody, to show that nobody tells it.
    async fn destroy_deployment_at(&self, name: &str, _generation: u64, _stop_services: bool) {
        self.0.lock().documents.remove(name);
    }
}

struct Hosts(CpeDouble);

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Hosts")]
impl Hosts {
    async fn list(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        self.0.require("viewer", "shop", &header)?;
        let host = |name: &str, state: &str| HostStatus {
            name: name.into(),
            state: state.into(),
            alive: true,
            ..HostStatus::default()
        };
        let (mut a, mut b) = (host("a", "active"), host("b", "draining"));
        a.answers = true;
        (b.since, b.address) = (1_700_000_000_000_000, "b.example:7400".into());
        json::to_json(&HostList {
            hosts: vec![a, b],
            shares: true,
            complete: true,
            ..HostList::default()
        })
    }
}

struct Manager(CpeDouble);

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Manager")]
impl Manager {
    async fn assume(
        &self,
        principal: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<(String, String)>> {
        let mut known = self.0.lock();
        if known.is_wary {
            return Err(Error::AccessDenied("you are no delegate".into()));
        }
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let is_new = known.assumed.insert(sender, principal.to_owned()).is_none();
        assert!(is_new, "a connection is told once whose it is");
        Ok(known.roles.get(principal).cloned().unwrap_or_default())
    }

    async fn list_deployments(&self) -> Vec<Fields> {
        self.0.list()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn version(&self) -> &str {
        "double"
    }

    async fn create_deployment(
        &self,
        document: &str,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
        #[zbus(object_server)] server: &zbus::ObjectServer,
    ) -> Result<(String, u64)> {
        let name = self.0.read(document)?;
        self.0.require("owner", &name, &header)?;
        self.0.admit(&name, &options)?;
        let documents = vec![document.to_owned()];
        self.0.lock().documents.insert(name.clone(), documents);
        publish(&self.0, server, &name).await;
        Ok((name, 1))
    }

    async fn update_deployment(
        &self,
        name: &str,
        expected_generation: u64,
        document: &str,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64> {
        self.0.require("owner", name, &header)?;
        self.0.read(document)?;
        self.0.admit(name, &options)?;
        let mut known = self.0.lock();
        let Some(generations) = known.documents.get_mut(name) else {
            return Err(Error::NotFound(format!("no deployment {name}")));
        };
        let now = generations.len() as u64;
        if now != expected_generation {
            return Err(Error::GenerationConflict(format!("it is at {now}")));
        }
        generations.push(document.to_owned());
        Ok(now + 1)
    }

    async fn destroy_deployment_at(
        &self,
        name: &str,
        expected_generation: u64,
        _stop_services: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.0.require("owner", name, &header)?;
        let mut known = self.0.lock();
        let Some(generations) = known.documents.get(name) else {
            return Err(Error::NotFound(format!("no deployment {name}")));
        };
        let now = generations.len() as u64;
        if now != expected_generation {
            return Err(Error::GenerationConflict(format!("it is at {now}")));
        }
        known.documents.remove(name);
        Ok(())
    }

    async fn validate_deployment(&self, document: &str) -> (bool, Vec<ProblemRecord>) {
        let read = deployment::read_with_warnings(document.as_bytes());
        let problems = read.problems.iter().map(|problem| ProblemRecord {
            severity: problem.severity.to_string(),
            message: problem.text(),
            ..ProblemRecord::default()
        });
        (read.deployment.is_some(), problems.collect())
    }

    async fn plan_deployment(
        &self,
        document: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let deployment = self.0.read(document)?;
        self.0.require("viewer", &deployment, &header)?;
        let room = self.0.room(&deployment);
        let is_refused = self.0.lock().is_tight == Some(true);
        let (refused, warnings) = match is_refused {
            true => (room.warnings(), Vec::new()),
            false => (Vec::new(), room.warnings()),
        };
        json::to_json(&Plan {
            generation: self.0.planned_from(&deployment),
            deployment,
            basis: PlanBasis::Live,
            actions: self.0.plan(),
            refused,
            warnings,
            room: Some(Box::new(room)),
            ..Plan::default()
        })
    }

    async fn check_room(
        &self,
        document: &str,
        _options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let deployment = self.0.read(document)?;
        self.0.require("owner", &deployment, &header)?;
        self.0.lock().simulations += 1;
        json::to_json(&self.0.room(&deployment))
    }

    async fn list_sinks(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        self.0.require("admin", "*", &header)?;
        if self.0.lock().is_silent {
            return Err(Error::NotReady("the notifier is away".into()));
        }
        json::to_json(&SinkList {
            sinks: vec![SinkStatus {
                name: "pager".into(),
                r#type: "http".into(),
                state: "waiting".into(),
                lag: Some(3),
                dead: 1,
                last_error: "503".into(),
                last_error_time: 1_700_000_000_000_000,
                ..SinkStatus::default()
            }],
            refused: vec![RefusedSink {
                file: "/etc/cpe/sinks.d/odd.toml".into(),
                reason: "1:1: no sink".into(),
            }],
            log: String::new(),
        })
    }

    async fn redeliver(
        &self,
        sink: &str,
        id: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<u32> {
        self.0.require("admin", "*", &header)?;
        match (sink, id) {
            ("pager", "" | "event-1") => Ok(1),
            ("pager", "event-2") => die(connection).await,
            _ => Err(Error::NotFound(format!("sink {sink} has no `{id}`"))),
        }
    }
}

/// Ends before it answers.
async fn die<T>(connection: &Connection) -> T {
    let _ = connection.clone().close().await;
    std::future::pending().await
}

struct Deployment(CpeDouble, String);

impl Deployment {
    fn generations(&self) -> Vec<String> {
        let known = self.0.lock();
        known.documents.get(&self.1).cloned().unwrap_or_default()
    }
}

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Deployment")]
impl Deployment {
    async fn get_document(
        &self,
        generation: u64,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(String, u64)> {
        self.0.require("owner", &self.1, &header)?;
        let generations = self.generations();
        let number = match generation {
            0 => generations.len() as u64,
            number => number,
        };
        let found = generations.get(usize::try_from(number).unwrap_or(0).wrapping_sub(1));
        let found = found.ok_or_else(|| Error::NotFound(format!("no generation {number}")))?;
        Ok((found.clone(), number))
    }

    async fn list_generations(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<Fields>> {
        self.0.require("owner", &self.1, &header)?;
        let generations = self.generations();
        let entries = generations.iter().zip(1..).map(|(text, generation)| {
            let entry = GenerationEntry {
                generation,
                bytes: text.len() as u64,
                current: generation == generations.len() as u64,
                by: "alice".into(),
                ..GenerationEntry::default()
            };
            entry.to_fields()
        });
        Ok(entries.collect())
    }

    async fn get_status(&self) -> Result<String> {
        json::to_json(&self.0.status(&self.1))
    }

    async fn get_explanation(
        &self,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        self.0.require("viewer", &self.1, &header)?;
        match Reader::new("options", &options)
            .text("service", 99)?
            .as_str()
        {
            "web" => Ok(r#"{"text": "web runs on web1", "explanations": [{}]}"#.to_owned()),
            other => Err(Error::NotFound(format!(
                "no service {other}; there is: web"
            ))),
        }
    }

    async fn list_inputs(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        self.0.require("owner", &self.1, &header)?;
        let inputs = r#"[{"name": "7", "transition": 7, "time": 1, "bytes": 9}]"#;
        Ok(format!(r#"{{"deployment": "shop", "inputs": {inputs}}}"#))
    }

    async fn get_kept_input(
        &self,
        name: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        self.0.require("owner", &self.1, &header)?;
        match name {
            "7" => Ok("<cib/>".to_owned()),
            other => Err(Error::NotFound(format!("{other} is not kept"))),
        }
    }

    async fn get_input(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        self.0.require("owner", &self.1, &header)?;
        Ok("<cib/>".to_owned())
    }

    async fn plan_service(
        &self,
        verb: &str,
        service: &str,
        _options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        self.0.require("viewer", &self.1, &header)?;
        let action = self.0.lock().action.clone();
        json::to_json(&ServicePlan {
            deployment: self.1.clone(),
            generation: 1,
            verb: verb.to_owned(),
            service: service.to_owned(),
            fingerprint: format!("of {action}"),
            ..ServicePlan::default()
        })
    }

    async fn order_service(
        &self,
        verb: &str,
        service: &str,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String> {
        self.0.require("operator", &self.1, &header)?;
        let fingerprint = Reader::new("options", &options).text("fingerprint", 99)?;
        let action = self.0.lock().action.clone();
        if fingerprint != format!("of {action}") || verb == "ban" {
            return Err(Error::Refused("it would not hold".into()));
        }
        {
            let mut known = self.0.lock();
            known.orders.push(format!("{verb} {service}"));
            known.overlay.retain(|entry| entry.service != service);
        }
        match service {
            "lost" => die(connection).await,
            "mute" => Err(Error::OutcomeUnknown("its DPE has not answered".into())),
            _ => Ok("{}".to_owned()),
        }
    }

    async fn plan_standby(
        &self,
        _assembly: &str,
        _on: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        self.0.require("viewer", &self.1, &header)?;
        json::to_json(&Plan {
            deployment: self.1.clone(),
            actions: self.0.plan(),
            refused: match self.0.lock().is_tight {
                Some(_) => vec!["web would run nowhere".into()],
                None => Vec::new(),
            },
            ..Plan::default()
        })
    }

    /// `tight` would run nowhere after a clean-up, and something else would be planned then.
    async fn plan_upkeep(
        &self,
        verb: &str,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        self.0.require("viewer", &self.1, &header)?;
        let service = Reader::new("options", &options).text("service", 99)?;
        let action = self.0.lock().action.clone();
        json::to_json(&ServicePlan {
            deployment: self.1.clone(),
            generation: 1,
            verb: verb.to_owned(),
            actions: self.0.plan(),
            fingerprint: format!("of {action}"),
            refused: match service.as_str() {
                "tight" => vec!["web could run nowhere then".into()],
                _ => Vec::new(),
            },
            service,
            ..ServicePlan::default()
        })
    }

    async fn order_upkeep(
        &self,
        verb: &str,
        options: Fields,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.0.require("operator", &self.1, &header)?;
        let reader = Reader::new("options", &options);
        let fingerprint = reader.text("fingerprint", 99)?;
        let mut known = self.0.lock();
        let is_other = !fingerprint.is_empty() && fingerprint != format!("of {}", known.action);
        let service = reader.text("service", 99)?;
        if is_other || (service == "tight" && !reader.boolean("force")?) {
            return Err(Error::Refused("it would not hold".into()));
        }
        let assembly = reader.text("assembly", 99)?;
        let words = match options.contains_key("on") {
            true => format!("{verb} {assembly} {}", reader.boolean("on")?),
            false => format!("{verb} {service} {}", reader.text("operation", 99)?),
        };
        known.orders.push(words.trim_end().to_owned());
        Ok(())
    }

    /// Service `slow` is under way until it is asked about, `wrong` is not there, `away` is not to
    /// be had now, and of `mute` nobody knows.
    async fn give_order(
        &self,
        id: &str,
        order: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        let ordered = Ordered::read(order)?;
        let role = match ordered {
            Ordered::Fence { .. } => "owner",
            _ => "operator",
        };
        self.0.require(role, &self.1, &header)?;
        let mut known = self.0.lock();
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let key = (known.assumed[&sender].clone(), id.to_owned());
        if let Some((text, report)) = known.given.get(&key)
            && !report.may_repeat
        {
            return match text == order {
                true => json::to_json(report),
                false => Err(Error::Exists("another order".into())),
            };
        }
        known.orders.push(order.to_owned());
        let (state, error) = match ordered.place().0.as_str() {
            "slow" => (OrderState::Running, None),
            "wrong" => (
                OrderState::Failed,
                Some(Error::NotFound("no such service".into())),
            ),
            "away" => (
                OrderState::Failed,
                Some(Error::NotReady("it is away".into())),
            ),
            "mute" => (OrderState::Unknown, Some(Error::Failed("no answer".into()))),
            _ => (OrderState::Done, None),
        };
        let report = OrderReport {
            id: id.to_owned(),
            deployment: self.1.clone(),
            order: json::from_json(order)?,
            state,
            begun: 1_700_000_000_000_000,
            ended: 1_700_000_000_000_000,
            cursor: 7,
            output: None,
            may_repeat: matches!(error, Some(Error::NotReady(_))),
            error: error.as_ref().map(OrderError::of),
        };
        known.given.insert(key, (order.to_owned(), report.clone()));
        json::to_json(&report)
    }

    async fn get_order(&self, id: &str, #[zbus(header)] header: Header<'_>) -> Result<String> {
        self.0.require("operator", &self.1, &header)?;
        let mut known = self.0.lock();
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let key = (known.assumed[&sender].clone(), id.to_owned());
        let given = known.given.get_mut(&key);
        let (_, report) = given.ok_or_else(|| Error::NotFound("you gave none".into()))?;
        let told = json::to_json(report)?;
        if report.state == OrderState::Running {
            report.state = OrderState::Done;
        }
        Ok(told)
    }

    #[zbus(property)]
    async fn generation(&self) -> zbus::fdo::Result<u64> {
        match self.generations().len() as u64 {
            0 => Err(zbus::fdo::Error::UnknownObject("it is gone".into())),
            generation => Ok(generation),
        }
    }
}

struct Events(CpeDouble);

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Events")]
impl Events {
    async fn query(
        &self,
        after_cursor: u64,
        limit: u32,
        filter: Fields,
    ) -> Result<(Vec<Fields>, u64)> {
        let reader = Reader::new("filter", &filter);
        let (log, kind) = (reader.text("log", 99)?, reader.text("kind", 99)?);
        let known = self.0.lock();
        let newest = known.events.last().map_or(0, |it| it.cursor);
        if (!log.is_empty() && log != known.log) || after_cursor > newest {
            return Err(Error::OtherLog("another log".into()));
        }
        let most = if limit == 0 { 1000 } else { limit as usize };
        let after = known.events.iter().filter(|it| it.cursor > after_cursor);
        if kind == "none.such" {
            return Ok((Vec::new(), newest));
        }
        let fits = |it: &&Event| kind.is_empty() || cpe_bus::events::kind_matches(&kind, &it.kind);
        let page: Vec<&Event> = after.filter(fits).take(most).collect();
        let next = match page.len() == most {
            true => page.last().map_or(newest, |it| it.cursor),
            false => newest,
        };
        Ok((page.iter().map(|it| it.to_fields()).collect(), next))
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn log_id(&self) -> String {
        self.0.lock().log.clone()
    }
}
