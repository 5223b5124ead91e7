//! The simulation's model of the agent beside the agent: made-up scripts of inputs to both, and the
//! same outputs. What the simulation proves about the controller holds for real guests only as far
//! as this does.

use std::time::{Duration, Instant};

use controller::{Record, RecordState, Task};
use controller_sim::Random;
use controller_sim::agent_model::{AgentModel, Answer};
use cpe_bus::{
    Configure, Error, HelloSettings, Operation, OperationRecord, OperationState, Result,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::guest::{Dpe, Guest, holds, operation, until};

/// Services of a script.
const SERVICES: [&str; 2] = ["db", "web"];
/// Interval of its monitors, milliseconds.
const INTERVAL_MS: u32 = 100;
/// A start delay that is over when the model is at rest, and one that is not, milliseconds.
const SHORT_MS: u32 = 200;
const LONG_MS: u32 = 2_000_000;
/// Virtual seconds after which the model is at rest.
const REST_S: u64 = 10;
/// The agent is at rest when it has said nothing for this time.
const SILENCE: Duration = Duration::from_millis(100);
/// A lease that is not renewed, and the time to stop then. Milliseconds.
const LEASE_MS: u32 = 500;
const GRACE_MS: u32 = 5_000;
/// A lease that lasts for as long as a step, milliseconds.
const LONG_LEASE_MS: u32 = 60_000;
/// Virtual seconds within which a guest has gone down and booted.
const BOOT_S: u64 = 60;
/// Within this time an agent has noticed that a connection is gone.
const NOTICED: Duration = Duration::from_millis(100);

/// One input.
#[derive(Clone, Debug)]
enum Step {
    /// An operation, once (interval 0) or again and again.
    Execute(&'static str, &'static str, u32),
    /// A start after a script, of which there are several; the last one fails.
    Configure(&'static str, usize),
    /// An operation that waits for its start delay for longer than its script lasts.
    Delay(&'static str, &'static str, u32),
    /// An operation with a start delay, until it is done.
    Later(&'static str, &'static str, u32),
    /// It is looked for, or stopped, while its resource agent is not there.
    Blind(&'static str, &'static str),
    /// The processes of a service die.
    Kill(&'static str),
    /// A monitor is no longer wanted.
    Cancel(&'static str),
    /// A resource is to be forgotten.
    Forget(&'static str),
    /// The agent's process is killed.
    Restart,
    /// The DPE connects again, with the next epoch.
    Hello,
    /// An older DPE connects, and asks for an operation on the way that it still has.
    Older(&'static str),
    /// A lease is given and not renewed; the resource agents are not there, or they are.
    Lapse(bool),
    /// The DPE lets go, and services stay or not; then another one comes.
    Release(bool),
    /// The guest is shut down and boots again. The DPE stops what may run, or is not there.
    Leave(bool),
    /// The guest's power is cut, and it boots again.
    Boot,
    /// A lease is given, and renewed for longer than it lasts.
    Renew,
    /// The agent's state cannot be written: a start is asked for, and the DPE connects again.
    Full(&'static str),
    /// The DPE of another assembly, or of another deployment, connects; beside its own one, or when
    /// that has gone.
    Stranger(bool, bool),
}

/// What is run before a start. Each notes in the real guest that it was run.
const SCRIPTS: [&str; 3] = [
    "echo configure >> \"$HA_RSCTMP/actions\"\n",
    "echo configure >> \"$HA_RSCTMP/actions\"\ntrue\n",
    "exit 1\n",
];

/// A start after one of them.
fn configured(service: &str, script: usize) -> Operation {
    Operation {
        configure: Some(Configure::Content {
            interpreter: "/bin/sh".into(),
            text: SCRIPTS[script].into(),
        }),
        ..operation(service, "start")
    }
}

/// The operation that a step has done.
fn asked(step: &Step) -> Option<Operation> {
    Some(match step {
        Step::Blind(service, action) => operation(service, action),
        Step::Execute(service, action, interval_ms) => {
            repeated(operation(service, action), *interval_ms)
        }
        Step::Configure(service, script) => configured(service, *script),
        Step::Delay(service, action, interval_ms) => {
            delayed(repeated(operation(service, action), *interval_ms), LONG_MS)
        }
        Step::Later(service, action, interval_ms) => {
            delayed(repeated(operation(service, action), *interval_ms), SHORT_MS)
        }
        _ => return None,
    })
}

/// A script of a seed.
fn script(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let length = random.between(6, 12);
    (0..length).map(|_| some_step(&mut random)).collect()
}

fn some_step(random: &mut Random) -> Step {
    let service = SERVICES[random.index(SERVICES.len())];
    match random.index(30) {
        24 | 25 => Step::Leave(random.percent(50)),
        26 => Step::Boot,
        27 => Step::Renew,
        28 => Step::Full(service),
        29 => Step::Stranger(random.percent(50), random.percent(50)),
        20..24 => Step::Configure(service, random.index(SCRIPTS.len())),
        19 if random.percent(50) => Step::Blind(service, "stop"),
        19 => Step::Blind(service, "monitor"),
        16 => Step::Delay(service, "start", 0),
        17 => Step::Delay(service, "monitor", INTERVAL_MS),
        18 if random.percent(50) => Step::Later(service, "start", 0),
        18 => Step::Later(service, "monitor", INTERVAL_MS),
        0..5 => Step::Execute(service, "start", 0),
        5..7 => Step::Execute(service, "stop", 0),
        7 => Step::Execute(service, "monitor", 0),
        8..10 => Step::Execute(service, "monitor", INTERVAL_MS),
        10 => Step::Kill(service),
        11 => Step::Cancel(service),
        12 if random.percent(50) => Step::Forget(service),
        12 => Step::Release(random.percent(50)),
        13 => Step::Restart,
        14 if random.percent(50) => Step::Hello,
        14 => Step::Older(service),
        _ => Step::Lapse(random.percent(50)),
    }
}

/// What is compared of an operation: resource, action, interval, state, status, exit code.
type Seen = (String, String, u32, &'static str, i32, i32);

/// What both must agree about after a step.
#[derive(Debug, Default, PartialEq, Eq)]
struct Observed {
    answer: String,
    completions: Vec<Seen>,
    history: Vec<Seen>,
    running: Vec<String>,
    /// How often a script was run that does not fail.
    scripts: usize,
}

#[tokio::test]
async fn the_model_and_the_agent_do_the_same() {
    for seed in 1..=25 {
        compare(seed).await;
    }
}

async fn compare(seed: u64) {
    let steps = script(seed);
    let mut model = Model::new(seed);
    let mut real = Real::new().await;
    for (index, step) in steps.iter().enumerate() {
        let may_run = model.agent.may_run();
        let (expected, blind) = model.take(step);
        let completions = expected.completions.len() - blind;
        let seen = real.take(step, &may_run, [blind, completions]).await;
        assert_eq!(
            seen, expected,
            "left: the agent, right: the model; seed {seed}, step {index} ({step:?}) of {steps:?}"
        );
    }
}

struct Model {
    agent: AgentModel,
    epoch: u64,
}

impl Model {
    fn new(seed: u64) -> Model {
        let mut agent = AgentModel::new(seed);
        assert_eq!(agent.hello(2, 0, GRACE_MS), Answer::Welcome);
        Model { agent, epoch: 2 }
    }

    /// Gives also how many completions come while resource agents are not there.
    fn take(&mut self, step: &Step) -> (Observed, usize) {
        let mut answer = String::new();
        let mut blind = 0;
        let completions = match (asked(step), step) {
            (Some(operation), Step::Blind(..)) => {
                let (agent, probe) = (&mut self.agent, twin(&operation));
                let mut completions = agent.execute_without_program(self.epoch, probe, REST_S);
                blind = completions.len();
                // Its monitors see their services again.
                completions.extend(agent.wait(REST_S));
                completions
            }
            (Some(operation), _) => self.agent.execute(self.epoch, twin(&operation), REST_S),
            (None, _) => self.take_other(step, &mut answer),
        };
        let observed = Observed {
            answer,
            completions: sorted(completions.iter().map(of_model)),
            history: sorted(self.agent.history().iter().map(of_model)),
            running: self.agent.running(),
            scripts: self.agent.scripts_run(),
        };
        (observed, blind)
    }

    /// What is not an operation. Gives the completions, and what is answered.
    fn take_other(&mut self, step: &Step, answer: &mut String) -> Vec<Record> {
        let mut completions = Vec::new();
        match step {
            Step::Kill(service) => return self.agent.kill_service(service, REST_S),
            Step::Cancel(service) => return self.agent.cancel(service, Task::Monitor, INTERVAL_MS),
            Step::Forget(service) => {
                self.agent.forget(service);
                return completions;
            }
            Step::Restart => self.agent.restart_agent(),
            Step::Hello => self.epoch += 1,
            Step::Older(service) => {
                let late = twin(&operation(service, "start"));
                let completions = self.agent.execute(self.epoch - 1, late, REST_S);
                *answer += name(self.agent.hello(self.epoch - 1, 0, GRACE_MS));
                return completions;
            }
            Step::Lapse(blind) => {
                let reset = self.agent.lapse(*blind, LEASE_MS, GRACE_MS, BOOT_S);
                *answer += if reset { "reset " } else { "" };
            }
            Step::Release(keep) => self.agent.release(*keep),
            Step::Leave(asked) => {
                completions = self.leave(*asked);
                let words = self.agent.words();
                answer.extend(words.iter().map(|word| format!("{word:?} ")));
            }
            Step::Boot => self.agent.power_cut(BOOT_S),
            Step::Renew => {
                self.agent.hello(self.epoch, LEASE_MS, GRACE_MS);
                self.agent.renew_for(2 * u64::from(LEASE_MS));
            }
            Step::Full(service) => {
                self.agent.fill_run(true);
                let start = twin(&operation(service, "start"));
                completions = self.agent.execute(self.epoch, start, REST_S);
                let stop = twin(&operation(service, "stop"));
                completions.extend(self.agent.execute(self.epoch, stop, REST_S));
                self.epoch += 1;
            }
            Step::Stranger(_, beside) => {
                if !*beside {
                    self.agent.disconnect();
                }
                let told = self.agent.hello_as("another", self.epoch, 0, GRACE_MS);
                *answer += &format!("{} ", name(told));
                if told == Answer::Welcome {
                    self.agent.disconnect();
                }
            }
            _ => {}
        }
        *answer += name(self.agent.hello(self.epoch, 0, GRACE_MS));
        self.agent.fill_run(false);
        if matches!(step, Step::Restart) {
            completions = self.agent.wait(REST_S);
        }
        completions
    }

    fn leave(&mut self, asked: bool) -> Vec<Record> {
        self.agent.hello(self.epoch, LONG_LEASE_MS, GRACE_MS);
        let may_run = self.agent.may_run();
        let stop = |service: &String| twin(&operation(service, "stop"));
        let stops = may_run.iter().filter(|_| asked).map(stop).collect();
        if !asked {
            self.agent.disconnect();
        }
        self.agent.shut_down(stops, BOOT_S)
    }
}

struct Real {
    guest: Guest,
    dpe: Dpe,
    /// Completions that have come over a connection that is gone.
    early: Vec<Seen>,
}

impl Real {
    async fn new() -> Real {
        let guest = Guest::start();
        let dpe = guest.dpe(2).await;
        let early = Vec::new();
        Real { guest, dpe, early }
    }

    /// `may_run`: what may run before, as the model says. `expected`: how many completions, while
    /// resource agents are not there and while they are.
    async fn take(&mut self, step: &Step, may_run: &[String], expected: [usize; 2]) -> Observed {
        let mut answer = String::new();
        if matches!(step, Step::Blind(..)) {
            self.guest.take_agent_away(true);
        }
        if let Some(operation) = asked(step) {
            self.dpe.execute(&operation).await.unwrap();
        }
        match step {
            Step::Kill(service) => self.kill_service(service).await,
            Step::Cancel(service) => {
                let (agent, epoch) = (&self.dpe.agent, self.dpe.epoch);
                // Whether there is such a monitor is not the question.
                let _ = agent.cancel(epoch, service, "monitor", INTERVAL_MS).await;
            }
            Step::Forget(service) => {
                self.dpe
                    .agent
                    .forget(self.dpe.epoch, service)
                    .await
                    .unwrap();
            }
            Step::Restart => {
                self.guest.kill_agent();
                self.guest.start_agent();
                answer = self.connect(self.dpe.epoch).await;
            }
            Step::Hello => answer = self.connect(self.dpe.epoch + 1).await,
            Step::Older(service) => answer = self.older(service).await,
            Step::Lapse(blind) => answer = self.lapse(*blind).await,
            Step::Release(keep) => {
                self.dpe.agent.release(self.dpe.epoch, *keep).await.unwrap();
                answer = self.connect(self.dpe.epoch).await;
            }
            Step::Leave(asked) => answer = self.leave(*asked, may_run).await,
            Step::Boot => {
                self.guest.power_cut();
                answer = self.connect(self.dpe.epoch).await;
            }
            Step::Renew => answer = self.renew().await,
            Step::Full(service) => answer = self.full(service).await,
            Step::Stranger(deployment, beside) => {
                answer = self.stranger(*deployment, *beside).await;
            }
            _ => {}
        }
        let missing = expected[1].saturating_sub(self.early.len());
        let mut completions = std::mem::take(&mut self.early);
        if matches!(step, Step::Blind(..)) {
            completions.extend(self.completions(expected[0]).await);
            self.guest.take_agent_away(false);
        }
        completions.extend(self.completions(missing).await);
        let completions = sorted(completions.into_iter());
        Observed {
            answer,
            completions,
            history: sorted(self.dpe.history().await.iter().map(of_agent)),
            running: self.running(),
            scripts: self.guest.count("configure"),
        }
    }

    /// A new connection takes the place of the old one, if the agent lets it.
    async fn connect(&mut self, epoch: u64) -> String {
        let mut dpe = self.guest.connect().await;
        let answer = dpe.hello(epoch, settings(0)).await;
        let name = name_of(&answer);
        if answer.is_ok() {
            self.dpe = dpe;
        }
        name.to_owned()
    }

    async fn leave(&mut self, asked: bool, may_run: &[String]) -> String {
        self.lease(LONG_LEASE_MS).await;
        if !asked {
            self.disconnect().await;
        }
        self.guest.signal(Signal::TERM);
        let mut words = String::new();
        if asked && !may_run.is_empty() {
            self.dpe.leaving().await;
            words += "Leaving ";
            for service in may_run {
                let stop = self.dpe.run(&operation(service, "stop")).await;
                self.early.push(of_agent(&stop));
            }
        }
        if asked {
            self.dpe.left().await;
            words += "Left ";
        }
        assert!(self.guest.agent_ended().await.success());
        while let Some(record) = self.dpe.completion_within(Duration::ZERO).await {
            self.early.push(of_agent(&record));
        }
        self.guest.power_cut();
        words + &self.connect(self.dpe.epoch).await
    }

    async fn renew(&mut self) -> String {
        self.lease(LEASE_MS).await;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(2 * u64::from(LEASE_MS)) {
            let stamp = self.dpe.heartbeat().await.unwrap();
            self.dpe.agent.renew(self.dpe.epoch, stamp).await.unwrap();
        }
        self.connect(self.dpe.epoch).await
    }

    async fn full(&mut self, service: &str) -> String {
        self.guest.fill_state(true);
        let refused = self.dpe.execute(&operation(service, "start")).await;
        assert!(matches!(refused, Err(Error::TooLarge(_))), "{refused:?}");
        self.dpe.execute(&operation(service, "stop")).await.unwrap();
        let mut stopped = false;
        while !stopped {
            let record = self.dpe.completion().await;
            stopped = record.operation.action == "stop";
            let seen = (!lost_its_script(&record)).then(|| of_agent(&record));
            self.early.extend(seen);
        }
        let answer = self.connect(self.dpe.epoch + 1).await;
        self.guest.fill_state(false);
        // With the next one it records what it could not.
        self.dpe.heartbeat().await.unwrap();
        self.dpe.heartbeat().await.unwrap();
        answer
    }

    async fn stranger(&mut self, deployment: bool, beside: bool) -> String {
        if !beside {
            self.disconnect().await;
        }
        let epoch = self.dpe.epoch;
        let dpe = self.guest.connect().await;
        let (of, assembly) = match deployment {
            true => ("another", "web1"),
            false => ("shop", "another"),
        };
        let hello = dpe
            .agent
            .hello(epoch, of, assembly, settings(0).to_fields());
        let told = hello.await;
        drop(dpe);
        tokio::time::sleep(NOTICED).await;
        format!("{} {}", name_of(&told), self.connect(epoch).await)
    }

    /// The DPE connects again, with a lease.
    async fn lease(&mut self, lease_ms: u32) {
        let mut dpe = self.guest.connect().await;
        dpe.hello(self.dpe.epoch, settings(lease_ms)).await.unwrap();
        self.dpe = dpe;
    }

    /// The DPE goes, and the agent has noticed.
    async fn disconnect(&mut self) {
        let (other, epoch) = (self.guest.connect().await, self.dpe.epoch);
        self.dpe = other;
        self.dpe.epoch = epoch;
        tokio::time::sleep(NOTICED).await;
    }

    async fn kill_service(&self, service: &str) {
        let Some(pid) = self.guest.service_pid(service) else {
            return;
        };
        let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        until("the service is dead", || {
            holds(self.guest.service_pid(service).is_none())
        })
        .await;
    }

    async fn older(&self, service: &str) -> String {
        let epoch = self.dpe.epoch - 1;
        let late = operation(service, "start").to_fields();
        let late = self.dpe.agent.execute(epoch, late).await;
        let mut other = self.guest.connect().await;
        let answer = other.hello(epoch, settings(0)).await;
        assert_eq!(name_of(&answer), name_of(&late));
        name_of(&answer).to_owned()
    }

    async fn lapse(&mut self, blind: bool) -> String {
        if blind {
            self.guest.take_agent_away(true);
        }
        let mut dpe = self.guest.connect().await;
        dpe.hello(self.dpe.epoch, settings(LEASE_MS)).await.unwrap();
        // The agent ends the connection with the lease.
        while dpe.heartbeat().await.is_some() {}
        loop {
            let reset = self.guest.path("rebooted").exists();
            if reset {
                std::fs::remove_file(self.guest.path("rebooted")).unwrap();
                self.guest.power_cut();
            }
            let mut answer = self.connect(self.dpe.epoch).await;
            if answer != "busy" {
                if blind {
                    self.guest.take_agent_away(false);
                }
                if reset {
                    answer.insert_str(0, "reset ");
                }
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// As many completions as are expected, and those that should not be.
    async fn completions(&mut self, expected: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.len() < expected {
            let record = self.dpe.completion().await;
            seen.extend((!lost_its_script(&record)).then(|| of_agent(&record)));
        }
        while let Some(record) = self.dpe.completion_within(SILENCE).await {
            seen.push(of_agent(&record));
        }
        sorted(seen.into_iter())
    }

    fn running(&self) -> Vec<String> {
        let running = |service: &&str| self.guest.service_pid(service).is_some();
        let running = SERVICES.into_iter().filter(running);
        running.map(str::to_owned).collect()
    }
}

fn settings(lease_ms: u32) -> HelloSettings {
    HelloSettings {
        heartbeat_interval_ms: 50,
        lease_ms,
        grace_ms: GRACE_MS,
        stop_timeout_ms: GRACE_MS,
        answers: false,
        number: 0,
        process: 0,
    }
}

/// A monitor had just begun when its resource agent was taken away: the shell no longer found its
/// script, which is its exit code 2. The next look tells what the step is about.
fn lost_its_script(record: &OperationRecord) -> bool {
    record.operation.interval_ms > 0 && record.rc == 2
}

fn name(answer: Answer) -> &'static str {
    match answer {
        Answer::Welcome => "welcome",
        Answer::Stale => "stale",
        Answer::Busy => "busy",
        Answer::Occupied => "occupied",
    }
}

fn name_of<T>(answer: &Result<T>) -> &'static str {
    match answer {
        Ok(_) => "welcome",
        Err(Error::StaleEpoch(_)) => "stale",
        Err(Error::Busy(_)) => "busy",
        Err(Error::Occupied(_)) => "occupied",
        Err(Error::Failed(_)) => "failed",
        Err(error) => panic!("{error}"),
    }
}

/// What is done once is as an administrator has it done: all that it writes is told.
fn repeated(operation: Operation, interval_ms: u32) -> Operation {
    Operation {
        interval_ms,
        verbose: interval_ms == 0,
        ..operation
    }
}

fn delayed(mut operation: Operation, delay_ms: u32) -> Operation {
    let meta = &mut operation.meta;
    meta.insert("CRM_meta_start_delay".into(), delay_ms.to_string());
    operation
}

/// The same operation, as the simulation knows it.
fn twin(operation: &Operation) -> controller::Operation {
    controller::Operation {
        id: operation.id.clone(),
        resource: operation.resource.clone(),
        action: operation.action.as_str().into(),
        interval_ms: operation.interval_ms,
        timeout_ms: operation.timeout_ms,
        meta: operation.meta.clone(),
        configure: operation.configure.clone().map(Box::new),
        verbose: operation.verbose,
        ..controller::Operation::default()
    }
}

fn sorted(seen: impl Iterator<Item = Seen>) -> Vec<Seen> {
    let mut seen: Vec<Seen> = seen.collect();
    seen.sort();
    seen
}

fn of_model(record: &Record) -> Seen {
    let state = match record.state {
        RecordState::Pending => "pending",
        RecordState::Complete => "complete",
        RecordState::Cancelled => "cancelled",
    };
    let operation = &record.operation;
    let (resource, action) = (operation.resource.clone(), operation.action.to_string());
    (
        resource,
        action,
        operation.interval_ms,
        state,
        record.status,
        record.rc,
    )
}

fn of_agent(record: &OperationRecord) -> Seen {
    let state = match record.state {
        OperationState::Pending => "pending",
        OperationState::Complete => "complete",
        OperationState::Cancelled => "cancelled",
    };
    let operation = &record.operation;
    let (resource, action) = (operation.resource.clone(), operation.action.clone());
    let status = record.status.number();
    (
        resource,
        action,
        operation.interval_ms,
        state,
        status,
        record.rc,
    )
}
