//! A controller with agents that do at once what they are told, unless a test has them fail or
//! wait.

use std::collections::{BTreeMap, BTreeSet};

use controller::{
    AssemblyId, Attribute, Attributes, CONFIGURE, Controller, DebugOrder, DebugTask, Decision,
    Durable, Effect, Event, EventKind, FORCE_RESTART, FenceRequest, Hello, Input, OP_DIGEST,
    Operation, Record, RecordState, Refusal, Request, RoomAnswer, RoomQuestion, STATUS_ERROR, Task,
    Time, TransitionKey, dispatcher_uuid,
};
use cpe_status::ServiceRole;

/// 2027-01-15 08:00:00 UTC.
const BEGIN_US: u64 = 1_800_000_000_000_000;

/// A deployment and its agents.
pub(crate) struct Lab {
    pub(crate) controller: Controller,
    now: Time,
    calls: u32,
    agents: Vec<String>,
    /// Agents that send no heartbeats any more.
    silent: BTreeSet<String>,
    /// What agents were told, with the agent.
    pub(crate) orders: Vec<(String, Operation)>,
    /// Operations that fail, as `ACTION RESOURCE ASSEMBLY`.
    failing: BTreeSet<String>,
    /// Resources that a look finds running, as `RESOURCE ASSEMBLY`.
    found: BTreeSet<String>,
    /// Operations that do not end, as the beginning of `ACTION RESOURCE ASSEMBLY`.
    waiting: Vec<String>,
    /// What is to be fenced.
    pub(crate) fenced: Vec<FenceRequest>,
    /// Fencing succeeds at once.
    pub(crate) fences: bool,
    /// Recurring operations that were ended, as `ACTION RESOURCE INTERVAL ASSEMBLY`.
    pub(crate) cancelled: Vec<String>,
    /// How often the policy engine was asked.
    pub(crate) questions: usize,
    /// Parameters that resource agents cannot take over while they run, between blanks; empty: they
    /// can take over none.
    pub(crate) not_reloadable: String,
    /// What agents say that they can do.
    pub(crate) capabilities: Vec<String>,
    /// The policy engine gives no answer.
    pub(crate) undecided: bool,
    /// What was told.
    events: Vec<Event>,
    pub(crate) document: String,
}

/// Names with values, as `NAME=VALUE NAME=VALUE`.
fn pairs(of: &str, given: &str) -> String {
    let pairs = given.split_whitespace().enumerate();
    pairs
        .map(|(number, pair)| {
            let (name, value) = pair.split_once('=').unwrap();
            format!(r#"<nvpair id="{of}-{number}" name="{name}" value="{value}"/>"#)
        })
        .collect()
}

pub(crate) fn options(given: &str) -> String {
    let pairs = pairs("o", given);
    format!(
        r#"<crm_config><cluster_property_set id="o">{pairs}</cluster_property_set></crm_config>"#
    )
}

pub(crate) fn meta(of: &str, given: &str) -> String {
    let (id, pairs) = (format!("{of}.meta"), pairs(&format!("{of}.m"), given));
    format!(r#"<meta_attributes id="{id}">{pairs}</meta_attributes>"#)
}

/// A `<primitive>` with these meta attributes.
pub(crate) fn primitive(id: &str, given: &str) -> String {
    primitive_with(id, given, "")
}

pub(crate) fn primitive_with(id: &str, given: &str, inner: &str) -> String {
    let meta = meta(id, given);
    format!(
        r#"<primitive id="{id}" class="ocf" provider="sim" type="Simulated">{meta}{inner}</primitive>"#
    )
}

/// A `<primitive>` that is monitored.
pub(crate) fn monitored(id: &str, given: &str) -> String {
    let operations =
        format!(r#"<operations><op id="{id}-10" name="monitor" interval="10s"/></operations>"#);
    primitive_with(id, given, &operations)
}

pub(crate) fn clone(id: &str, given: &str, of: &str) -> String {
    format!(r#"<clone id="{id}">{}{of}</clone>"#, meta(id, given))
}

pub(crate) fn group(id: &str, given: &str, members: &str) -> String {
    format!(r#"<group id="{id}">{}{members}</group>"#, meta(id, given))
}

pub(crate) fn resources(elements: &str) -> String {
    format!("<resources>{elements}</resources>")
}

pub(crate) fn constraints(elements: &str) -> String {
    format!("<constraints>{elements}</constraints>")
}

/// A resource prefers an assembly, or avoids it.
pub(crate) fn location(resource: &str, assembly: &str, score: &str) -> String {
    format!(
        r#"<rsc_location id="l.{resource}.{assembly}" rsc="{resource}" node="{assembly}" score="{score}"/>"#
    )
}

/// `n1` and so on, each with a unit that fences it and with what is in it.
pub(crate) fn assemblies(inner: &[&str]) -> String {
    let all = (1..).zip(inner);
    all.map(|(number, inner)| {
        format!(
            r#"<assembly name="n{number}" address="unix:/run/n{number}"><fencing mode="unit" unit="n{number}.service"/>{inner}</assembly>"#
        )
    })
    .collect()
}

/// An operation that ended well, as an agent remembers it.
pub(crate) fn done(resource: &str, action: Task, interval_ms: u32, call_id: u32) -> Record {
    let without_parameters = policy_engine::operation_digest(&Default::default());
    let operation = Operation {
        annotations: [(OP_DIGEST.to_owned(), without_parameters)].into(),
        id: format!("{call_id}:1:0:{}", dispatcher_uuid(7)),
        resource: resource.to_owned(),
        class: "ocf".into(),
        provider: "sim".into(),
        kind: "Simulated".into(),
        action,
        interval_ms,
        ..Operation::default()
    };
    let ended = BEGIN_US - 1_000_000_000 + u64::from(call_id) * 1_000_000;
    Record {
        operation,
        call_id,
        completed: ended,
        last_rc_change: ended,
        ..Record::default()
    }
}

/// A resource that an agent has started.
pub(crate) fn started(resource: &str) -> Vec<Record> {
    vec![done(resource, Task::Start, 0, 1)]
}

impl Lab {
    /// Assemblies in which nothing runs.
    pub(crate) fn new(count: usize, configuration: &str) -> Lab {
        let mut lab = Lab::of(&assemblies(&vec![""; count]), configuration);
        lab.all_answer();
        lab
    }

    /// Assemblies that say more, and in which nothing runs.
    pub(crate) fn with(inner: &[&str], configuration: &str) -> Lab {
        let mut lab = Lab::of(&assemblies(inner), configuration);
        lab.all_answer();
        lab
    }

    /// Two assemblies in which this runs.
    pub(crate) fn running(configuration: &str, histories: [Vec<Record>; 2]) -> Lab {
        let mut lab = Lab::of(&assemblies(&["", ""]), configuration);
        for (agent, history) in ["n1", "n2"].into_iter().zip(histories) {
            lab.answers(agent, history);
        }
        lab
    }

    /// No agent was heard yet.
    pub(crate) fn of(assemblies: &str, configuration: &str) -> Lab {
        Lab::beside(assemblies, "<services/>", configuration)
    }

    /// The same, with services of the deployment.
    pub(crate) fn beside(assemblies: &str, services: &str, configuration: &str) -> Lab {
        let now = Time {
            boottime_us: 1_000_000,
            wall_us: BEGIN_US,
        };
        let names = assemblies.split("name=\"").skip(1);
        let names = names.filter_map(|rest| rest.split('"').next());
        let mut lab = Lab {
            controller: Controller::new("sim", Durable::default(), now),
            now,
            calls: 100,
            agents: names
                .filter(|name| name.starts_with('n') && name.len() == 2)
                .map(str::to_owned)
                .collect(),
            silent: BTreeSet::new(),
            orders: Vec::new(),
            failing: BTreeSet::new(),
            found: BTreeSet::new(),
            waiting: Vec::new(),
            fenced: Vec::new(),
            fences: true,
            cancelled: Vec::new(),
            questions: 0,
            not_reloadable: String::new(),
            capabilities: vec![CONFIGURE.to_owned()],
            undecided: false,
            events: Vec::new(),
            document: String::new(),
        };
        let document = format!(
            "<deployable name=\"sim\"><assemblies>{assemblies}</assemblies>{services}<configuration>{configuration}</configuration></deployable>"
        );
        lab.document.clone_from(&document);
        lab.ask(Request::Load {
            document,
            generation: 1,
            in_doubt: BTreeSet::new(),
        });
        lab
    }

    /// The state of the DPE is lost. Who gives it the document knows that services may run there.
    pub(crate) fn loses_state(&mut self, in_doubt: &str) {
        self.controller = Controller::new("sim", Durable::default(), self.now);
        self.ask(Request::Load {
            document: self.document.clone(),
            generation: 1,
            in_doubt: [in_doubt.into()].into(),
        });
    }

    pub(crate) fn ask(&mut self, request: Request) {
        self.give(Input::Request(request));
    }

    fn give(&mut self, input: Input) {
        self.now.boottime_us += 1_000;
        self.now.wall_us += 1_000;
        self.controller.handle(self.now, input).unwrap();
        self.perform();
    }

    fn perform(&mut self) {
        while let Some(effect) = self.controller.poll_effect() {
            if let Some(answer) = self.answer(effect) {
                self.controller.handle(self.now, answer).unwrap();
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Decide(question) => {
                self.questions += 1;
                let decision = match self.undecided {
                    true => Decision::failed(question, "it broke".into()),
                    false => question.answer(),
                };
                Some(Input::Decided(Box::new(decision)))
            }
            Effect::CheckRoom(number) => {
                let input = self.controller.plan_room(self.now, &RoomQuestion::Any);
                let outcome = input.unwrap().answer().map_err(|it| it.to_string());
                let answer = RoomAnswer { number, outcome };
                Some(Input::RoomChecked(Box::new(answer)))
            }
            Effect::Event(event) => {
                self.events.push(event);
                None
            }
            Effect::Execute {
                assembly,
                operation,
            } => self.execute(assembly, *operation),
            Effect::Cancel {
                assembly,
                resource,
                action,
                interval_ms,
            } => {
                let line = format!("{} {resource} {interval_ms} {assembly}", action.as_str());
                self.cancelled.push(line);
                Some(Input::Cancelled {
                    assembly,
                    resource,
                    action,
                    interval_ms,
                })
            }
            Effect::Fence(request) => {
                self.fenced.push(request.clone());
                let (assembly, attempt) = (request.assembly, request.attempt);
                let result = Ok(());
                self.fences.then_some(Input::FencingResult {
                    assembly,
                    attempt,
                    result,
                })
            }
            Effect::CheckDevice(check) => Some(Input::DeviceChecked {
                question: check.question,
                result: Ok(()),
            }),
            _ => None,
        }
    }

    fn execute(&mut self, assembly: AssemblyId, operation: Operation) -> Option<Input> {
        self.orders.push((assembly.to_string(), operation.clone()));
        let line = line(assembly.as_str(), &operation);
        if self.waiting.iter().any(|begin| line.starts_with(begin)) {
            return None;
        }
        let key = TransitionKey::parse(&operation.id).unwrap();
        let looks = operation.action == Task::Monitor && operation.interval_ms == 0;
        let rc = match self.failing.contains(&line) {
            true => 1,
            false
                if looks
                    && self
                        .found
                        .contains(&format!("{} {assembly}", operation.resource)) =>
            {
                0
            }
            false => key.expected_rc,
        };
        Some(self.ended(assembly, operation, rc))
    }

    fn ended(&mut self, assembly: AssemblyId, mut operation: Operation, rc: i32) -> Input {
        self.calls += 1;
        if !self.not_reloadable.is_empty() {
            let names = self.not_reloadable.clone();
            operation.annotations.insert(FORCE_RESTART.into(), names);
        }
        let record = Record {
            operation,
            call_id: self.calls,
            rc,
            completed: self.now.wall_us,
            last_rc_change: self.now.wall_us,
            ..Record::default()
        };
        Input::OperationCompleted {
            assembly,
            record: Box::new(record),
        }
    }

    /// Has a resource agent do something once. Gives the id of the operation.
    pub(crate) fn debug(
        &mut self,
        task: DebugTask,
        service: &str,
        assembly: &str,
    ) -> Result<String, Refusal> {
        let asked = self
            .controller
            .plan_debug(self.now, task, &service.into(), &assembly.into());
        self.order_debug(asked?.answer()?)?;
        Ok(self.controller.last_debugged().unwrap().to_owned())
    }

    pub(crate) fn order_debug(&mut self, order: DebugOrder) -> Result<(), Refusal> {
        self.now.boottime_us += 1_000;
        self.now.wall_us += 1_000;
        let (order, by) = (Box::new(order), "root".to_owned());
        self.controller
            .handle(self.now, Input::Debug { order, by })?;
        self.perform();
        Ok(())
    }

    /// Operations that fail from now on.
    pub(crate) fn fail(mut self, lines: &[&str]) -> Lab {
        self.failing.extend(lines.iter().map(|it| (*it).to_owned()));
        self
    }

    /// Everything goes well from now on, and a look finds a resource running.
    pub(crate) fn mended(&mut self, running: &str) {
        self.failing.clear();
        self.found.insert(running.to_owned());
    }

    /// Operations whose result does not come from now on, by how their lines begin.
    pub(crate) fn hold(mut self, begin: &str) -> Lab {
        self.waiting.push(begin.to_owned());
        self
    }

    /// Every agent answers, and remembers nothing.
    pub(crate) fn all_answer(&mut self) {
        for agent in self.agents.clone() {
            self.answers(&agent, Vec::new());
        }
    }

    pub(crate) fn answers(&mut self, agent: &str, history: Vec<Record>) {
        self.answers_as(agent, agent, history);
    }

    /// A guest answers at the address of an assembly.
    pub(crate) fn answers_as(&mut self, agent: &str, guest: &str, history: Vec<Record>) {
        self.answers_in(agent, guest, &format!("boot of {guest}"), history);
    }

    /// The guest of an agent was booted again, and its agent answers.
    pub(crate) fn reboots(&mut self, agent: &str) {
        self.silent.remove(agent);
        self.answers_in(agent, agent, &format!("next boot of {agent}"), Vec::new());
    }

    fn answers_in(&mut self, agent: &str, guest: &str, boot: &str, history: Vec<Record>) {
        let hello = Hello {
            boot_id: boot.to_owned(),
            machine_id: format!("machine of {guest}"),
            capabilities: self.capabilities.clone(),
            ..Hello::default()
        };
        let wanted = self.controller.wanted(&agent.into());
        let number = wanted.map_or(0, |connect| connect.number);
        self.give(Input::AgentConnected {
            assembly: agent.into(),
            number,
            hello,
            history,
            attributes: Default::default(),
        });
    }

    /// A guest tells these names and addresses, as `NAME=VALUE NAME=VALUE`.
    pub(crate) fn tells(&mut self, agent: &str, given: &str) {
        let pairs = given.split_whitespace();
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
        let facts = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.give(Input::FactsChanged {
            assembly: agent.into(),
            facts: facts.collect(),
        });
    }

    /// A tool in a guest sets an attribute, whose change waits for further ones for so long.
    pub(crate) fn sets(&mut self, agent: &str, name: &str, value: &str, dampening_ms: u32) {
        let attribute = Attribute {
            value: value.to_owned(),
            dampening_ms,
        };
        self.give(Input::AttributesChanged {
            assembly: agent.into(),
            attributes: Attributes {
                version: self.now.boottime_us,
                values: [(name.to_owned(), attribute)].into(),
            },
        });
    }

    /// The DPE is started again with what it has saved.
    pub(crate) fn restarts(&mut self) {
        let saved = Durable::from_rows(self.controller.facts().rows()).unwrap();
        self.controller = Controller::new("sim", saved, self.now);
        while self.controller.poll_effect().is_some() {}
    }

    /// Now.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Time passes, and nobody notices.
    pub(crate) fn passes(&mut self, seconds: u64) {
        self.now.boottime_us += seconds * 1_000_000;
        self.now.wall_us += seconds * 1_000_000;
    }

    /// Somebody sets the wall clock, by so many seconds.
    pub(crate) fn sets_clock(&mut self, by_s: i64) {
        self.now.wall_us = self.now.wall_us.saturating_add_signed(by_s * 1_000_000);
        self.give(Input::Tick);
    }

    /// What a document would bring.
    pub(crate) fn plan(&self, document: &str) -> cpe_status::Plan {
        let input = self.controller.plan(self.now, document).unwrap();
        input.answer().unwrap()
    }

    /// What a status says now.
    pub(crate) fn status(&self) -> cpe_status::DeploymentStatus {
        self.controller.status(self.now)
    }

    /// The guest of an agent goes down as planned.
    pub(crate) fn leaves(&mut self, agent: &str) {
        self.give(Input::AgentLeaving {
            assembly: agent.into(),
            boot_id: format!("boot of {agent}"),
            reason: "shutdown".into(),
        });
    }

    /// Nothing of ours runs there any more.
    pub(crate) fn left(&mut self, agent: &str) {
        self.give(Input::AgentLeft {
            assembly: agent.into(),
            boot_id: format!("boot of {agent}"),
        });
    }

    /// The document says something else from now on.
    pub(crate) fn changes(&mut self, before: &str, after: &str) {
        let document = self.document.replace(before, after);
        assert_ne!(document, self.document);
        self.document.clone_from(&document);
        let generation = self.status().generation + 1;
        self.ask(Request::Load {
            document,
            generation,
            in_doubt: BTreeSet::new(),
        });
    }

    /// An agent is not heard any more.
    pub(crate) fn falls_silent(&mut self, agent: &str) {
        self.silent.insert(agent.to_owned());
    }

    /// Time passes; agents send heartbeats.
    pub(crate) fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.now.boottime_us += 500_000;
            self.now.wall_us += 500_000;
            for agent in self.agents.clone() {
                if !self.silent.contains(&agent) {
                    self.give(Input::Heartbeat {
                        assembly: agent.as_str().into(),
                        stamp_us: self.now.boottime_us,
                    });
                }
            }
            self.give(Input::Tick);
        }
    }

    /// What carried out an order that is held was killed.
    pub(crate) fn unknown(&mut self, line: &str) {
        let operation = self.operation(line).clone();
        let (_, agent) = line.rsplit_once(' ').unwrap();
        let mut ended = self.ended(agent.into(), operation, 193);
        if let Input::OperationCompleted { record, .. } = &mut ended {
            record.status = STATUS_ERROR;
        }
        self.give(ended);
    }

    /// What an agent says of an order that is held.
    pub(crate) fn under_way(&self, line: &str) -> Record {
        Record {
            operation: self.operation(line).clone(),
            state: RecordState::Pending,
            status: -1,
            rc: 193,
            call_id: self.calls,
            started: self.now.wall_us,
            ..Record::default()
        }
    }

    /// The operation of that line that was ordered last ends, which was held.
    pub(crate) fn ends(&mut self, wanted: &str, rc: i32) {
        let operation = self.operation(wanted).clone();
        let (_, agent) = wanted.rsplit_once(' ').unwrap();
        let ended = self.ended(agent.into(), operation, rc);
        self.give(ended);
    }

    /// A recurring monitor finds that a resource does not run any more.
    pub(crate) fn monitor_fails(&mut self, resource: &str) {
        let mut orders = self.orders.iter().rev();
        let is_monitor = |it: &&(String, Operation)| {
            it.1.resource == resource && it.1.action == Task::Monitor && it.1.interval_ms > 0
        };
        let (agent, operation) = orders.find(is_monitor).unwrap().clone();
        let ended = self.ended(agent.as_str().into(), operation, 7);
        self.give(ended);
    }

    /// The reasons of events of a kind.
    pub(crate) fn reasons(&self, kind: EventKind) -> Vec<&str> {
        let events = self.events.iter().filter(|event| event.kind == kind);
        events.map(|event| event.reason.as_str()).collect()
    }

    /// Where a resource runs.
    pub(crate) fn places(&self, resource: &str) -> Vec<String> {
        let rows = self.controller.status(self.now).services.into_iter();
        let own = rows.filter(|row| row.name == resource && row.role != ServiceRole::Stopped);
        own.map(|row| row.assembly).collect()
    }

    /// Where a resource is promoted.
    pub(crate) fn promoted(&self, resource: &str) -> Vec<String> {
        let rows = self.controller.status(self.now).services.into_iter();
        let own =
            rows.filter(|row| row.name.starts_with(resource) && row.role == ServiceRole::Promoted);
        own.map(|row| row.assembly).collect()
    }

    /// What was ordered beside monitors, as `ACTION RESOURCE ASSEMBLY`.
    pub(crate) fn told(&self) -> Vec<String> {
        let orders = self.orders.iter();
        let others = orders.filter(|(_, operation)| operation.action != Task::Monitor);
        others.map(|(agent, own)| line(agent, own)).collect()
    }

    /// What was ordered beside monitors since that many orders.
    pub(crate) fn told_since(&self, before: usize) -> Vec<String> {
        self.told().into_iter().skip(before).collect()
    }

    /// Where a resource was looked for.
    pub(crate) fn looked_for(&self, resource: &str) -> Vec<String> {
        let orders = self.orders.iter();
        let probes = orders.filter(|(_, it)| {
            it.action == Task::Monitor && it.interval_ms == 0 && it.resource == resource
        });
        let mut agents: Vec<String> = probes.map(|(agent, _)| agent.clone()).collect();
        agents.sort();
        agents
    }

    /// The operation of that line that was ordered last.
    pub(crate) fn operation(&self, wanted: &str) -> &Operation {
        let mut orders = self.orders.iter().rev();
        let found = orders.find(|(agent, own)| line(agent, own) == wanted);
        &found
            .unwrap_or_else(|| panic!("{wanted}: {:?}", self.told()))
            .1
    }

    /// Recurring monitors that were ordered of a resource: intervals with timeouts.
    pub(crate) fn monitors(&self, resource: &str) -> BTreeMap<u32, u32> {
        let orders = self.orders.iter().map(|(_, operation)| operation);
        let monitors = orders.filter(|it| it.resource == resource && it.interval_ms > 0);
        monitors.map(|it| (it.interval_ms, it.timeout_ms)).collect()
    }
}

fn line(agent: &str, operation: &Operation) -> String {
    format!(
        "{} {} {agent}",
        operation.action.as_str(),
        operation.resource
    )
}
