//! A `cpe` for sessions: the bus interface is served from a controller in a simulated world, whose
//! time passes only when the session says so.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use controller::{
    AssemblyId, Ban, DebugTask, FailedOperation, Holder, Lifetime, PowerOrder, Refusal, Request,
    RoomQuestion, ServiceId, ServiceOrder, TicketOrder, Whose,
};
use controller_sim::faults::Fault;
use controller_sim::policies::Loss;
use controller_sim::scenario::{Form, Mode, Scenario};
use controller_sim::{SECOND, World};
use cpe_bus::events::kind_matches;
use cpe_bus::fields::Reader;
use cpe_bus::names::{CPE_NAME, CPE_PATH, deployment_path};
use cpe_bus::{DeploymentEntry, Error, Event, Fields, GenerationEntry, Result, json};
use cpe_status::{
    AgentAction, AgentCheck, AgentDescriptions, AgentEntry, AgentList, AgentParameter,
    AgentVariant, DeploymentState, DeploymentStatus, DocumentWarning, KeptInput, KeptInputList,
    OverlayKind, ResourceAgent, Said, ServicePlan, Unasked,
};
use policy_engine::explain::{self, Detail, Question, Temporary, Terms};
use zbus::object_server::SignalEmitter;

use crate::bus::Bus;
use crate::hosts::FakeHosts;

/// Name of the only deployment, as the simulation calls it.
const NAME: &str = "sim";
/// Longest text of a filter.
const LONGEST: usize = 256;

/// A bus, a daemon on it, and a folder for the commands.
pub(crate) struct Daemon {
    bus: Bus,
    folder: tempfile::TempDir,
    world: Shared,
}

impl Daemon {
    /// Starts a daemon with a deployment that runs: three assemblies, two services of which the
    /// second follows the first.
    pub(crate) fn start() -> Daemon {
        let mut scenario = Scenario::plain(3, 3, Mode::Lease);
        scenario.order.push((0, 1));
        Daemon::of(scenario)
    }

    /// The same with clones: of instances that can be told apart, and of such that are promoted;
    /// and with a group.
    pub(crate) fn with_clones() -> Daemon {
        let mut scenario = Scenario::plain(2, 4, Mode::Lease);
        scenario.services[0].form = Form::Unique(3, 2);
        scenario.services[1].form = Form::Promotable(1);
        scenario.groups.push(vec![2, 3]);
        Daemon::of(scenario)
    }

    fn of(scenario: Scenario) -> Daemon {
        let world = controller_sim::at_rest(scenario);
        let versions = vec![world.scenario.clone()];
        let world = Shared {
            world: Arc::new(Mutex::new(world)),
            versions: Arc::new(Mutex::new(versions)),
            kept: Arc::default(),
            refuses: Arc::default(),
            unplanned: Arc::default(),
        };
        let bus = Bus::start();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (selection, served) = (bus.selection(), world.clone());
        // The thread serves until the test ends.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let connection = selection
                    .builder()
                    .serve_at(CPE_PATH, Manager(served.clone()))
                    .serve_at(CPE_PATH, Events(served.clone()))
                    .serve_at(CPE_PATH, FakeHosts::default())
                    .serve_at(deployment_path(NAME), Deployment(served.clone()))
                    .name(CPE_NAME)
                    .build()
                    .await
                    .unwrap();
                ready.send(()).unwrap();
                served.announce(&connection).await;
            });
        });
        is_ready.recv().unwrap();
        Daemon {
            bus,
            folder: tempfile::tempdir().unwrap(),
            world,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.bus.address()
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Makes something happen:
    ///
    /// - `run SECONDS`
    /// - `kill SERVICE`
    /// - `cut ASSEMBLY SECONDS`: nothing passes between it and the DPE
    /// - `kill-dpe`: it is back after the next `run`
    /// - `ban SERVICE`: a tool in its guest does
    /// - `ticket SERVICE LOSS`: the document says that it needs one
    /// - `change SERVICE` writes the changed document to `changed.xml`
    /// - `keep-input`: the DPE keeps what was decided on last
    /// - `refuse REASON`: no document is taken any more unless it is forced
    /// - `unplanned busy`, `unplanned not-ready`: nobody can say what upkeep would do
    pub(crate) fn direct(&self, direction: &str) {
        let words: Vec<&str> = direction.split(' ').collect();
        if let ["ban", service] = words[..] {
            return self.world.ban(service);
        }
        if direction == "keep-input" {
            return self.world.keep_input();
        }
        if let Some(reason) = direction.strip_prefix("refuse ") {
            *self.world.refuses.lock().unwrap() = Some(reason.to_owned());
            return;
        }
        if let ["unplanned", why] = words[..] {
            *self.world.unplanned.lock().unwrap() = Some(match why {
                "busy" => Error::Busy,
                "not-ready" => Error::NotReady,
                other => panic!("{other}"),
            });
            return;
        }
        let mut world = self.world.lock();
        match words[..] {
            ["run", seconds] => world.run_for(seconds.parse().unwrap()),
            ["kill-dpe"] => world.inject(Fault::KillDpe),
            ["kill", service] => {
                let home = world.runs_in(service)[0].to_owned();
                let guest = world.guest(&home);
                let service = self::service(&world, service);
                world.inject(Fault::KillService(guest, service));
            }
            ["cut", assembly, seconds] => {
                let guest = world.guest(assembly);
                let time_us = seconds.parse::<u64>().unwrap() * SECOND;
                world.inject(Fault::Stall(guest, time_us));
            }
            ["ticket", service, loss] => {
                let service = self::service(&world, service);
                let losses = [Loss::Stop, Loss::Demote, Loss::Fence, Loss::Freeze];
                let loss = losses.into_iter().find(|own| own.as_str() == loss);
                world.scenario.services[service].policies.ticket = loss;
                world.scenario.generation += 1;
                let request = world.load_request();
                world.ask(request);
                world.run_for(10);
            }
            ["change", service] => {
                let service = self::service(&world, service);
                world.scenario.services[service].parameter += 1;
                let document = world.scenario.document();
                std::fs::write(self.folder().join("changed.xml"), document).unwrap();
            }
            _ => panic!("not a direction: {direction}"),
        }
    }
}

fn service(world: &World, name: &str) -> usize {
    let mut services = world.scenario.services.iter();
    services.position(|service| service.name == name).unwrap()
}

/// Makes an error of its text.
type ToError = fn(String) -> Error;

/// The world, for the session and for the bus.
#[derive(Clone)]
struct Shared {
    world: Arc<Mutex<World>>,
    /// The scenarios whose documents were stored, by generation.
    versions: Arc<Mutex<Vec<Scenario>>>,
    /// Inputs: number of a transition, time, CIB.
    kept: Arc<Mutex<Vec<(u64, u64, String)>>>,
    /// Why no document is taken unless it is forced.
    refuses: Arc<Mutex<Option<String>>>,
    /// How it is said that nobody can say what upkeep would do.
    unplanned: Arc<Mutex<Option<ToError>>>,
}

impl Shared {
    /// Signals each event that the log gets, for ever.
    async fn announce(&self, connection: &zbus::Connection) {
        let emitter = SignalEmitter::new(connection, CPE_PATH).unwrap();
        let mut told = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let events: Vec<Event> = {
                let world = self.lock();
                let new = told + 1..=world.log_order.len();
                new.map(|cursor| recorded(&world, cursor)).collect()
            };
            told += events.len();
            for event in &events {
                Events::recorded(&emitter, event.to_fields()).await.unwrap();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn versions(&self) -> Vec<Scenario> {
        self.versions.lock().unwrap().clone()
    }

    fn kept(&self) -> Vec<(u64, u64, String)> {
        self.kept.lock().unwrap().clone()
    }

    /// Keeps what is decided on now as the input of the newest transition, as a DPE does by itself.
    fn keep_input(&self) {
        let status = self.status();
        let transition = status.transition.unwrap();
        let input = (transition.number, transition.started, self.input().0);
        self.kept.lock().unwrap().push(input);
    }

    /// As cpe has it: without a DPE it knows next to nothing.
    fn status(&self) -> DeploymentStatus {
        let world = self.lock();
        let told = world.controller().map(|dpe| dpe.status(world.time()));
        told.unwrap_or_else(|| DeploymentStatus {
            name: NAME.into(),
            state: DeploymentState::Starting,
            summary: "its DPE is being started".into(),
            generation: world.scenario.generation,
            ..DeploymentStatus::default()
        })
    }

    /// What the policy engine would be asked, and when.
    fn input(&self) -> (String, i64) {
        let world = self.lock();
        let time = world.time();
        (world.controller().unwrap().input(time), time.wall_s())
    }

    /// Has something become of a ticket that the document names.
    fn order(&self, ticket: &str, order: TicketOrder) -> Result<()> {
        let ticket = ticket.into();
        self.ask(Request::Ticket { ticket, order })
    }

    /// What an order about a service would bring.
    fn plan_order(
        &self,
        verb: &str,
        service: &str,
        options: &Fields,
    ) -> Result<(ServicePlan, ServiceOrder)> {
        let reader = cpe_bus::fields::Reader::new("options", options);
        let assembly = reader.text("assembly", 64)?;
        let lifetime = match (reader.u64("for_ms")?, verb) {
            (0, "move") => Lifetime::Placed,
            (0, _) => Lifetime::Cleared,
            (ms, _) => Lifetime::For(ms),
        };
        let promoted = reader.boolean("promoted")?;
        let order = match verb {
            "move" => ServiceOrder::Move {
                to: some(&assembly),
                from: None,
                promoted,
                lifetime,
            },
            "ban" => ServiceOrder::Ban {
                assembly: assembly.as_str().into(),
                promoted,
                lifetime,
            },
            "clear" => ServiceOrder::Clear {
                assembly: some(&assembly),
            },
            "disable" => ServiceOrder::Disable,
            "enable" => ServiceOrder::Enable,
            "unmanage" => ServiceOrder::Unmanage,
            "manage" => ServiceOrder::Manage,
            _ => ServiceOrder::Restart,
        };
        let world = self.lock();
        let now = world.time();
        let controller = world.controller().unwrap();
        let input = controller.plan_service(now, &service.into(), &order);
        let input = input.map_err(refused)?;
        Ok((input.answer().unwrap(), order))
    }

    /// Sets or deletes an attribute or an option.
    fn put(&self, assembly: &str, lifetime: &str, name: &str, value: Option<&str>) -> Result<()> {
        if lifetime == "reboot" {
            let mut world = self.lock();
            let guest = world.guest(assembly);
            world.set_attribute(guest, name, value, 0);
            world.run_for(1);
            return Ok(());
        }
        let holder = some(assembly).map_or(Holder::Deployment, Holder::Assembly);
        let (name, value) = (name.to_owned(), value.map(str::to_owned));
        self.ask(Request::Put {
            holder,
            name,
            value,
        })
    }

    /// Bans a service, as a tool in its guest does.
    fn ban(&self, service: &str) {
        let mut world = self.lock();
        let home = world.runs_in(service)[0].to_owned();
        let guest = world.guest(&home);
        let ban = Ban {
            service: service.into(),
            assembly: Whose::Own,
            promoted: false,
        };
        world.ask_in(guest, controller::Question::Ban(ban));
        world.run_for(10);
    }

    /// What upkeep would bring.
    fn plan_upkeep(&self, request: &Request) -> Result<ServicePlan> {
        let world = self.lock();
        let planned = world
            .controller()
            .unwrap()
            .plan_upkeep(world.time(), request);
        planned.and_then(|input| input.answer()).map_err(refused)
    }

    /// Hands a request to the controller and lets it act on it, if it is not refused.
    fn ask(&self, request: Request) -> Result<()> {
        let mut world = self.lock();
        let answer = world.try_ask(request);
        world.run_for(0);
        answer.map_err(refused)
    }
}

/// A refusal, as a real DPE names it on the bus.
fn refused(refusal: Refusal) -> Error {
    let text = refusal.to_string();
    match refusal {
        Refusal::InvalidDocument(_) => Error::InvalidDocument(text),
        Refusal::GenerationConflict { .. } => Error::GenerationConflict(text),
        Refusal::NotFound { .. } => Error::NotFound(text),
        Refusal::NotReady(_) => Error::NotReady(text),
        Refusal::Refused(_) => Error::Refused(text),
        Refusal::InvalidArgument(_) => Error::InvalidArgument(text),
    }
}

struct Manager(Shared);

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Manager")]
impl Manager {
    async fn list_deployments(&self) -> Vec<Fields> {
        let status = self.0.status();
        let is_gone = self.0.lock().unloaded();
        let entry = DeploymentEntry {
            name: status.name,
            uuid: status.uuid,
            generation: status.generation,
            state: status.state,
            path: deployment_path(NAME),
            owner: status.owner,
            group: status.group,
        };
        let entries = if is_gone { Vec::new() } else { vec![entry] };
        entries.iter().map(DeploymentEntry::to_fields).collect()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn version(&self) -> &str {
        "of this session"
    }

    async fn create_deployment(&self, _document: &str, _options: Fields) -> Result<(String, u64)> {
        Err(Error::Exists("it exists".into()))
    }

    async fn update_deployment(
        &self,
        _name: &str,
        expected_generation: u64,
        document: &str,
        options: Fields,
    ) -> Result<u64> {
        let reason = self.0.refuses.lock().unwrap().clone();
        if let Some(reason) = reason
            && !Reader::new("options", &options).boolean("force")?
        {
            return Err(Error::Refused(reason));
        }
        let mut world = self.0.lock();
        let generation = world.scenario.generation;
        if ![0, generation].contains(&expected_generation) {
            return Err(Error::GenerationConflict(format!(
                "generation {generation} is stored, not {expected_generation}"
            )));
        }
        let mut versions = self.0.versions.lock().unwrap();
        let known = versions
            .iter()
            .find(|version| version.document() == document);
        if let Some(known) = known {
            world.scenario.services.clone_from(&known.services);
        }
        assert_eq!(document, world.scenario.document(), "the simulation has it");
        world.scenario.generation += 1;
        versions.push(world.scenario.clone());
        let request = world.load_request();
        world.ask(request);
        Ok(world.scenario.generation)
    }

    async fn plan_deployment(&self, document: &str) -> Result<String> {
        let world = self.0.lock();
        let controller = world.controller().unwrap();
        let plan = controller.plan(world.time(), document);
        let plan = plan.and_then(|question| question.answer());
        let mut plan = plan.map_err(refused)?;
        plan.refused.extend(self.0.refuses.lock().unwrap().clone());
        json::to_json(&plan)
    }

    async fn check_room(&self, document: &str, _options: Fields) -> Result<String> {
        let world = self.0.lock();
        let proposal = controller::Proposal::read(NAME, document.to_owned()).unwrap();
        let controller = world.controller().unwrap();
        let input = controller.plan_room_of(world.time(), &proposal).unwrap();
        let report = input.answer_first(|_| None, &mut || true).unwrap();
        json::to_json(&report)
    }

    async fn destroy_deployment(&self, _name: &str, stop_services: bool) -> Result<()> {
        self.0.ask(Request::Unload { stop_services })
    }

    async fn destroy_deployment_at(
        &self,
        _name: &str,
        expected_generation: u64,
        stop_services: bool,
    ) -> Result<()> {
        let generation = self.0.lock().scenario.generation;
        if generation != expected_generation {
            return Err(Error::GenerationConflict(format!(
                "it is at generation {generation}"
            )));
        }
        self.0.ask(Request::Unload { stop_services })
    }
}

/// The agent of the simulation's services.
const SIMULATED: &str = "ocf:sim:Simulated";

fn entry(agent: &str, assemblies: &[&str], version: &str, deprecated: bool) -> AgentEntry {
    AgentEntry {
        agent: agent.into(),
        assemblies: assemblies.iter().map(|name| (*name).to_owned()).collect(),
        version: version.into(),
        // As a guest that would like to have the terminal.
        short: "Does \u{1b}[2Jnothing".into(),
        deprecated,
    }
}

fn hanging(agent: &str) -> Unasked {
    Unasked {
        assembly: "node3".into(),
        agent: agent.into(),
        reason: "it did not answer in time".into(),
    }
}

fn simulated(assembly: &str) -> AgentVariant {
    let parameter = |name: &str, kind: &str| AgentParameter {
        name: name.into(),
        kind: kind.into(),
        short: format!("What {name} is"),
        ..AgentParameter::default()
    };
    AgentVariant {
        assemblies: match assembly {
            "" => vec!["node1".into(), "node2".into()],
            assembly => vec![assembly.into()],
        },
        metadata: ResourceAgent {
            version: "1.0".into(),
            short: "Simulates a service".into(),
            long: "It runs, and nothing else.\n\u{1b}]0;title\u{7}It has two parameters.".into(),
            parameters: vec![
                AgentParameter {
                    required: true,
                    unique: true,
                    ..parameter("test", "string")
                },
                AgentParameter {
                    default: Some("M".into()),
                    options: vec!["K".into(), "M".into()],
                    ..parameter("unit", "select")
                },
            ],
            actions: vec![AgentAction {
                name: "monitor".into(),
                timeout: "20s".into(),
                interval: "10s".into(),
                ..AgentAction::default()
            }],
            ..ResourceAgent::default()
        },
    }
}

struct Deployment(Shared);

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Deployment")]
impl Deployment {
    async fn get_document(&self, generation: u64) -> Result<(String, u64)> {
        let versions = self.0.versions();
        let current = versions.len() as u64;
        let generation = if generation == 0 { current } else { generation };
        let found = usize::try_from(generation - 1).unwrap();
        let found = versions.get(found).map(Scenario::document);
        let found = found.map(|document| (document, generation));
        found.ok_or_else(|| Error::NotFound(format!("generation {generation} is not kept")))
    }

    async fn list_generations(&self) -> Vec<Fields> {
        let versions = self.0.versions();
        let entries = (1..).zip(&versions).map(|(generation, version)| {
            GenerationEntry {
                generation,
                time: 1_795_000_000_000_000 + generation * SECOND,
                bytes: version.document().len() as u64,
                current: generation == versions.len() as u64,
                by: "alice (uid 1000), process 7 cpectl".into(),
                caller: [("caller_user", "alice"), ("caller_program", "cpectl")]
                    .map(|(key, text)| (key.to_owned(), text.to_owned()))
                    .into(),
                remark: String::new(),
            }
            .to_fields()
        });
        entries.collect()
    }

    #[zbus(property)]
    async fn generation(&self) -> u64 {
        self.0.versions().len() as u64
    }

    async fn list_inputs(&self) -> Result<String> {
        let inputs = self
            .0
            .kept()
            .into_iter()
            .map(|(number, time, cib)| KeptInput {
                name: number.to_string(),
                transition: Some(number),
                time,
                bytes: cib.len() as u64,
            });
        json::to_json(&KeptInputList {
            deployment: NAME.into(),
            inputs: inputs.collect(),
        })
    }

    async fn get_kept_input(&self, name: &str) -> Result<String> {
        let mut kept = self.0.kept().into_iter();
        let found = kept.find(|(number, ..)| number.to_string() == name);
        let absent = || Error::NotFound(format!("input `{name}` is not kept"));
        found.map(|(.., cib)| cib).ok_or_else(absent)
    }

    async fn get_status(&self) -> Result<String> {
        json::to_json(&self.0.status())
    }

    async fn get_operations(&self, options: Fields) -> Result<String> {
        let service = Reader::new("options", &options).text("service", LONGEST)?;
        let service: Option<ServiceId> = some(&service);
        let world = self.0.lock();
        let known = world
            .controller()
            .unwrap()
            .operations(service.as_ref(), None);
        json::to_json(&known.map_err(refused)?)
    }

    async fn get_explanation(&self, options: Fields) -> Result<String> {
        let options = Reader::new("options", &options);
        let (service, assembly) = (
            options.text("service", LONGEST)?,
            options.text("assembly", LONGEST)?,
        );
        let question = Question {
            resource: some(&service),
            node: some(&assembly),
        };
        let input = self.0.input();
        let cib = policy_engine::Cib::parse(&input.0).unwrap();
        let run = policy_engine::RunOptions {
            explain: true,
            ..policy_engine::RunOptions::default()
        };
        let schedule = policy_engine::schedule(&cib, input.1, run);
        let mut terms = Terms::deployment(NAME);
        let wanted = self.0.status().overlay.into_iter();
        let named = wanted.map(|own| {
            let (text, remedy) = (own.text, own.remedy);
            let id = match own.kind {
                OverlayKind::Unmanage => format!("overlay.{}.is-managed", own.service),
                OverlayKind::Disable => format!("overlay.{}.target-role", own.service),
                _ => own.constraint,
            };
            (id, Temporary { text, remedy })
        });
        terms.temporary = named.collect();
        let told = explain::answer(&schedule, question, &terms);
        let told = told.map_err(|error| Error::NotFound(error.to_string()))?;
        let text = explain::to_text(&told, Detail::Reasons);
        let text = serde_json::to_string(&text).unwrap();
        let data = explain::to_json(&told);
        Ok(format!("{{\"text\":{text},\"explanations\":{data}}}"))
    }

    async fn list_agents(&self, class: &str) -> Result<String> {
        let agents = match class {
            "systemd" => Vec::new(),
            _ => vec![
                entry("ocf:heartbeat:Evmsd", &["node1"], "", true),
                entry(SIMULATED, &["node1", "node2", "node3"], "1.0", false),
            ],
        };
        json::to_json(&AgentList {
            deployment: NAME.into(),
            agents,
            cut_off: vec!["node2".into()],
            unasked: Vec::new(),
        })
    }

    async fn describe_agent(&self, agent: &str, assembly: &str) -> Result<String> {
        let mut found = AgentDescriptions {
            deployment: NAME.into(),
            agent: agent.into(),
            ..AgentDescriptions::default()
        };
        match agent {
            SIMULATED => found.variants = vec![simulated(assembly)],
            "ocf:sim:Hanging" => found.unasked = vec![hanging(agent)],
            _ => found.missing = vec!["node1".into(), "node2".into()],
        }
        json::to_json(&found)
    }

    async fn check_agents(&self, _document: &str) -> Result<String> {
        json::to_json(&AgentCheck {
            warnings: vec![DocumentWarning {
                line: 9,
                column: 5,
                message: "ocf:sim:Simulated has no parameter 'tset'; did you mean 'test'?".into(),
            }],
            unasked: vec![hanging("")],
        })
    }

    #[zbus(out_args("plan_json"))]
    async fn plan_service(&self, verb: &str, service: &str, options: Fields) -> Result<String> {
        let (plan, _) = self.0.plan_order(verb, service, &options)?;
        json::to_json(&plan)
    }

    #[zbus(out_args("plan_json"))]
    async fn order_service(&self, verb: &str, service: &str, options: Fields) -> Result<String> {
        let (plan, order) = self.0.plan_order(verb, service, &options)?;
        let service = service.into();
        self.0.ask(Request::Service { service, order })?;
        json::to_json(&plan)
    }

    #[zbus(out_args("report_json"))]
    async fn debug(&self, verb: &str, service: &str, assembly: &str) -> Result<String> {
        let mut tasks = DebugTask::ALL.into_iter();
        let task = tasks.find(|task| task.as_str() == verb).unwrap();
        let mut world = self.0.lock();
        let begun = world.ask_debug(task, &service.into(), &assembly.into());
        let id = begun.map_err(refused)?;
        json::to_json(&world.controller().unwrap().debugged(&id).unwrap())
    }

    /// Time passes while it is waited for.
    #[zbus(out_args("report_json"))]
    async fn get_debug(&self, id: &str) -> Result<String> {
        let mut world = self.0.lock();
        world.run_for(1);
        let mut report = world.controller().unwrap().debugged(id).unwrap();
        if report.rc.is_some() {
            report.said = Some(Said {
                err: "INFO: a simulated agent\nWARNING: it says little\n".into(),
                err_cut: 7,
                ..Said::default()
            });
        }
        json::to_json(&report)
    }

    #[zbus(out_args("plan_json"))]
    async fn plan_upkeep(&self, verb: &str, options: Fields) -> Result<String> {
        if let Some(error) = *self.0.unplanned.lock().unwrap() {
            return Err(error("nothing can be planned now".into()));
        }
        let plan = self.0.plan_upkeep(&upkeep(verb, &options)?)?;
        json::to_json(&plan)
    }

    /// As a real DPE, but for standby: what would not hold, or is not what was planned, is refused.
    async fn order_upkeep(&self, verb: &str, options: Fields) -> Result<()> {
        let request = upkeep(verb, &options)?;
        let options = Reader::new("options", &options);
        let (seen, force) = (
            options.text("fingerprint", LONGEST)?,
            options.boolean("force")?,
        );
        let is_judged = !matches!(
            request,
            Request::Standby { .. } | Request::StandbyOfAll { .. }
        );
        let planned = match is_judged && self.0.unplanned.lock().unwrap().is_none() {
            true => self.0.plan_upkeep(&request).map(Some),
            false => Ok(None),
        };
        match planned {
            Ok(Some(plan)) if !seen.is_empty() && seen != plan.fingerprint => {
                return Err(Error::Refused("something else would be done now".into()));
            }
            Ok(Some(plan)) if !force && !plan.refused.is_empty() => {
                return Err(Error::Refused(plan.refused.join("; ")));
            }
            Err(Error::NotReady(_)) if force || seen.is_empty() => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        self.0.ask(request)
    }

    async fn plan_standby(&self, assembly: &str, on: bool) -> Result<String> {
        if let Some(error) = *self.0.unplanned.lock().unwrap() {
            return Err(error("nothing can be planned now".into()));
        }
        let world = self.0.lock();
        let controller = world.controller().unwrap();
        let assembly: Option<AssemblyId> = some(assembly);
        let plan = controller.plan_standby(world.time(), assembly.as_ref(), on);
        let plan = plan.and_then(|question| question.answer());
        let plan = plan.map_err(refused)?;
        json::to_json(&plan)
    }

    async fn check_room(&self, options: Fields) -> Result<String> {
        let options = Reader::new("options", &options);
        let named = options.list("assemblies", 8, LONGEST)?;
        let question = match options.text("scope", LONGEST)?.as_str() {
            "any-host" => RoomQuestion::AnyHost,
            "two" => RoomQuestion::Two,
            "named" => RoomQuestion::These(named.into_iter().map(AssemblyId::from).collect()),
            _ => RoomQuestion::Any,
        };
        let world = self.0.lock();
        let input = world
            .controller()
            .unwrap()
            .plan_room(world.time(), &question);
        let report = input.and_then(|input| input.answer());
        json::to_json(&report.map_err(refused)?)
    }

    async fn set_standby(&self, assembly: &str, on: bool) -> Result<()> {
        let assembly = assembly.into();
        self.0.ask(Request::Standby { assembly, on })
    }

    async fn confirm_fenced(&self, assembly: &str, attempt: &str) -> Result<()> {
        self.0.ask(Request::ConfirmFenced {
            assembly: assembly.into(),
            attempt: attempt.into(),
        })
    }

    async fn fence(&self, assembly: &str, action: &str) -> Result<()> {
        let order = match action {
            "off" => PowerOrder::Off,
            "on" => PowerOrder::On,
            _ => PowerOrder::Reboot,
        };
        let assembly = assembly.into();
        self.0.ask(Request::Fence { assembly, order })
    }

    async fn grant_ticket(&self, ticket: &str) -> Result<()> {
        self.0.order(ticket, TicketOrder::Grant)
    }

    async fn revoke_ticket(&self, ticket: &str) -> Result<()> {
        self.0.order(ticket, TicketOrder::Revoke)
    }

    async fn set_ticket_standby(&self, ticket: &str, on: bool) -> Result<()> {
        let orders = [TicketOrder::Activate, TicketOrder::Standby];
        self.0.order(ticket, orders[usize::from(on)])
    }

    async fn set_attribute(
        &self,
        assembly: &str,
        lifetime: &str,
        name: &str,
        value: &str,
    ) -> Result<()> {
        self.0.put(assembly, lifetime, name, Some(value))
    }

    async fn delete_attribute(&self, assembly: &str, lifetime: &str, name: &str) -> Result<()> {
        self.0.put(assembly, lifetime, name, None)
    }
}

/// Upkeep in the words of the bus.
fn upkeep(verb: &str, options: &Fields) -> Result<Request> {
    let options = Reader::new("options", options);
    let name = |key| options.text(key, LONGEST);
    let (service, assembly, operation) = (name("service")?, name("assembly")?, name("operation")?);
    let on = options.boolean("on")?;
    let interval_ms = options.optional_u64("interval_ms")?;
    Ok(match verb {
        "cleanup" if operation.is_empty() => Request::Cleanup {
            service: some(&service),
            assembly: some(&assembly),
        },
        "cleanup" => Request::CleanupOperation {
            service: service.as_str().into(),
            assembly: some(&assembly),
            operation: FailedOperation {
                action: operation.as_str().into(),
                interval_ms: interval_ms.map(|it| u32::try_from(it).unwrap()),
            },
        },
        "refresh" => Request::Refresh {
            service: some(&service),
            assembly: some(&assembly),
        },
        "maintenance" => Request::Maintenance {
            assembly: some(&assembly),
            on,
        },
        _ if assembly.is_empty() => Request::StandbyOfAll { on },
        _ => Request::Standby {
            assembly: assembly.as_str().into(),
            on,
        },
    })
}

fn some<'a, Id: From<&'a str>>(text: &'a str) -> Option<Id> {
    (!text.is_empty()).then(|| text.into())
}

struct Events(Shared);

/// The event with that cursor: they count from 1.
fn recorded(world: &World, cursor: usize) -> Event {
    let event = &world.log[&world.log_order[cursor - 1]];
    let name = |name: Option<String>| name.unwrap_or_default();
    Event {
        id: event.id.clone(),
        cursor: cursor as u64,
        time: event.time,
        kind: event.kind.as_str().to_owned(),
        deployment: event.deployment.clone(),
        assembly: name(event.assembly.as_ref().map(ToString::to_string)),
        service: name(event.service.as_ref().map(ToString::to_string)),
        state: event.state.clone(),
        reason: event.reason.clone(),
        details: event.details.clone(),
    }
}

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Events")]
impl Events {
    async fn query(
        &self,
        after_cursor: u64,
        _limit: u32,
        filter: Fields,
    ) -> Result<(Vec<Fields>, u64)> {
        let filter = Reader::new("filter", &filter);
        let (kind, service) = (
            filter.text("kind", LONGEST)?,
            filter.text("service", LONGEST)?,
        );
        let since = filter.u64("since")?;
        let world = self.0.lock();
        let all = (1..=world.log_order.len()).map(|cursor| recorded(&world, cursor));
        let found = all
            .filter(|event| event.cursor > after_cursor)
            .filter(|event| kind.is_empty() || kind_matches(&kind, &event.kind))
            .filter(|event| service.is_empty() || service == event.service)
            .filter(|event| event.time >= since);
        let found = found.map(|event| event.to_fields()).collect();
        Ok((found, world.log_order.len() as u64))
    }

    #[zbus(signal)]
    async fn recorded(emitter: &SignalEmitter<'_>, event: Fields) -> zbus::Result<()>;

    #[zbus(property(emits_changed_signal = "const"))]
    async fn log_id(&self) -> &str {
        "the log of this session"
    }
}
