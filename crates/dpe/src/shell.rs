//! The event loop: one controller, its inputs, its effects.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use controller::{
    AssemblyId, Controller, DebugOrder, Decision, Durable, Effect, EngineInput, FenceDevice, Input,
    LeasesHeld, Reply, Request, RoomQuestion, Why,
};
use cpe_bus::peer::{Credentials, Side};
use cpe_bus::{BusSelection, Error};
use cpe_daemon::Watchdog;
use cpe_permit::May;
use cpe_status::{DebugReport, DeploymentStatus, DpeState};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use zbus::Connection;

use crate::agents::{Agents, Call, Wants};
use crate::bus::{self, BusRequest, Public, Requests};
use crate::catalogue::Catalogue;
use crate::clock::now;
use crate::explain::Basis;
use crate::fencing::{self, Gate, LettingIn, Places, SeenUnits};
use crate::kept_inputs::{Keeper, Kept, KeptInputs, Shelf};
use crate::newest::Newest;
use crate::outbox::{self, Outbox};
use crate::permit::{LastEpoch, NoRight, Permit, SILENT};
use crate::room::Answers;
use crate::saving::{News, Saving, Step};
use crate::spans::Spans;
use crate::store::Place;
use crate::{clock, convert, saving};

/// Inputs that may wait for the loop: heartbeats of a thousand assemblies in a second. The loop
/// takes all of them in one turn. While the queue is full the tasks that fill it wait, and the
/// agents behind them; the loop itself never puts anything in.
const INPUTS: usize = 1024;
/// systemd has not said by then whether a unit is active: it is asked again with the next stream.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a DPE that is to end has to save what is not saved yet: its successor has to be there
/// before the shortest lease ends. A disk that takes longer loses nothing that anything follows
/// from.
const LAST_WRITE: Duration = Duration::from_millis(500);
/// Lateness of a deadline that is worth a line in the journal.
const NOTEWORTHY_STALL: Duration = Duration::from_secs(1);

/// How long the loop may stand still: with the restart it is back within a third of the shortest
/// lease. Not less than a busy host needs, and not more than any daemon. `None`: what the unit
/// says.
fn watchdog_limit(leases: LeasesHeld) -> Option<Duration> {
    let lease = match leases {
        LeasesHeld::Unknown => return None,
        LeasesHeld::None => Duration::MAX,
        LeasesHeld::Shortest(lease_ms) => Duration::from_millis(lease_ms.into()),
    };
    Some((lease / 4).clamp(Duration::from_millis(500), Duration::from_secs(30)))
}

/// Says that a deadline was missed because this process did not run: the controller does not count
/// the silence of that time, so the journal explains why.
fn report_stall(name: &str, deadline: Option<u64>) {
    let late = Duration::from_micros(
        now()
            .boottime_us
            .saturating_sub(deadline.unwrap_or(u64::MAX)),
    );
    if late >= NOTEWORTHY_STALL {
        tracing::warn!(
            cpe_deployment = name,
            "this DPE did not run for {:.1} s (stopped, or its host suspended or overloaded); heartbeats of that time are not missed",
            late.as_secs_f64()
        );
    }
}

/// Runs a deployment until a signal asks it to end.
///
/// # Errors
/// If another DPE has the saved state or the name on the bus, or a newer version wrote that state.
pub(crate) async fn run(
    name: &str,
    bus: BusSelection,
    (place, newest): (Arc<dyn Place>, Newest),
    (kept, shelf): (KeptInputs, Shelf),
    (certificates, fence_socket): (&Path, &Path),
    (permit, last_epoch): (Permit, LastEpoch),
) -> anyhow::Result<()> {
    let end = Termination::listen()?;
    let (saving, durable) = Saving::open(place, newest)?;
    let controller = begin(name, durable, &permit, &last_epoch)?;

    let credentials = credentials_in(certificates, name);
    let (inputs, queue) = mpsc::channel(INPUTS);
    let (requests, asked) = Requests::new(name);
    let (outbox, events) = Outbox::new();
    let (public, public_view) = watch::channel(Public::default());
    let (connection_sender, connection) = watch::channel(None);

    let mut shell = Shell {
        name: name.to_owned(),
        controller,
        saving,
        keeper: Keeper::new(kept),
        agents: agents_of(&inputs, &connection, &credentials, &permit),
        outbox,
        unloaded: false,
        inputs: inputs.clone(),
        public,
        summary: String::new(),
        connection: connection.clone(),
        gate: Gate {
            socket: fence_socket.to_owned(),
            deployment: name.to_owned(),
            permit: permit.clone(),
            places: Places::default(),
        },
        permit,
        acts: true,
        seen_units: SeenUnits::default(),
        letting_in: LettingIn::default(),
        thinking: JoinSet::new(),
        room: Answers::default(),
        spans: Spans::of(name),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(clock::watch(inputs.clone()));
    tasks.spawn(outbox::deliver(events, connection, inputs));
    let (name, catalogue) = (name.to_owned(), Catalogue::new(name, credentials));
    let (known, owner) = ((catalogue, shelf), Arc::new(connection_sender));
    let serving = bus::serve(name.clone(), bus, requests, known, public_view, owner);
    // With or without a bus: the agents are looked after from now on.
    cpe_daemon::notify(&[cpe_daemon::State::Ready]);
    let ended = tokio::select! {
        result = serving => return result,
        result = shell.turn(queue, asked, end) => result,
    };
    if ended.as_ref().is_err_and(|error| !error.is::<NoRight>()) {
        return ended;
    }
    cpe_daemon::notify(&[cpe_daemon::State::Stopping]);
    // Also without the right to run it: what is known is saved, and nothing is sent.
    shell.finish().await;
    tracing::info!(cpe_deployment = name, "ending; services run on");
    ended
}

/// The controller of a start, with an epoch that no other start has.
///
/// # Errors
/// [`NoRight`] if the grant has none left.
fn begin(
    name: &str,
    durable: Durable,
    permit: &Permit,
    last_epoch: &LastEpoch,
) -> anyhow::Result<Controller> {
    let rule = last_epoch.above(permit.rule());
    let begun = Controller::ruled(name, durable, now(), rule);
    let mut controller = begun.map_err(NoRight::because)?;
    last_epoch.note(controller.epoch());
    controller.handle(now(), Input::HostTimeZone(cpe_daemon::host_time_zone()))?;
    tracing::info!(
        cpe_deployment = name,
        "managing generation {} in epoch {}",
        controller.generation(),
        controller.epoch()
    );
    Ok(controller)
}

/// The streams to agents, and what each of them needs.
fn agents_of(
    inputs: &mpsc::Sender<Input>,
    connection: &watch::Receiver<Option<Connection>>,
    credentials: &Arc<Credentials>,
    permit: &Permit,
) -> Agents {
    let (inputs, connection) = (inputs.clone(), connection.clone());
    Agents::new(inputs, connection, Arc::clone(credentials), permit.clone())
}

/// What the DPE of a deployment has to show to agents on networks.
fn credentials_in(directory: &Path, deployment: &str) -> Arc<Credentials> {
    let side = Side::Dpe {
        deployment: deployment.to_owned(),
    };
    Credentials::new(directory, side)
}

/// SIGTERM and SIGINT.
struct Termination {
    terminate: Signal,
    interrupt: Signal,
}

impl Termination {
    fn listen() -> std::io::Result<Termination> {
        Ok(Termination {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn sleep_until(deadline: Option<u64>) {
    match deadline {
        Some(deadline) => {
            let left = deadline.saturating_sub(now().boottime_us);
            tokio::time::sleep(Duration::from_micros(left)).await;
        }
        None => std::future::pending().await,
    }
}

async fn reached(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Has the policy engine answer. A panic of it ends the answer, not this process: a DPE that
/// decides nothing still renews the leases of its guests.
fn decide(input: EngineInput) -> Decision {
    let question = input.clone();
    cpe_daemon::confine(|| question.answer_in(clock::zone))
        .unwrap_or_else(|panicked| Decision::failed(input, panicked.to_string()))
}

/// Whether it may act. Else whatever is about to let a guest in is ended at once.
///
/// # Errors
/// If this DPE has lost its right for ever.
fn may_act(may: May, letting_in: &LettingIn) -> Result<bool, NoRight> {
    if !matches!(may, May::Send(_)) {
        letting_in.end_all();
    }
    match may {
        May::Send(_) => Ok(true),
        May::Wait => Ok(false),
        May::Exit => {
            let text = "this host has joined its cluster again since it was granted this deployment: another host may run it now";
            Err(NoRight::because(text))
        }
    }
}

struct Shell {
    name: String,
    controller: Controller,
    saving: Saving,
    keeper: Keeper,
    agents: Agents,
    outbox: Outbox,
    unloaded: bool,
    inputs: mpsc::Sender<Input>,
    public: watch::Sender<Public>,
    /// The controller's word for people; what is published also says what the disk does.
    summary: String,
    connection: watch::Receiver<Option<Connection>>,
    /// The way to fence agents.
    gate: Gate,
    permit: Permit,
    /// It may send, as of the last look.
    acts: bool,
    seen_units: SeenUnits,
    /// What lets assemblies in.
    letting_in: LettingIn,
    /// The policy engine, on a thread of its own while there is an open question.
    thinking: JoinSet<Decision>,
    /// Whether there is room after a loss, for status and events.
    room: Answers,
    /// What takes how long, for whoever wants to be told.
    spans: Spans,
}

impl Shell {
    /// Turns until a signal asks for the end.
    async fn turn(
        &mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut requests: mpsc::Receiver<BusRequest>,
        mut end: Termination,
    ) -> anyhow::Result<()> {
        let mut watchdog = Watchdog::wanted();
        loop {
            let may = self.look()?;
            let acts = self.acts;
            if acts {
                // What the last run left undone is begun before anybody can ask for more.
                self.perform();
            } else {
                self.save();
            }
            if let Some(watchdog) = &mut watchdog {
                if let Some(limit) = watchdog_limit(self.controller.leases_held()) {
                    watchdog.set_limit(limit);
                }
                watchdog.turn();
            }
            let deadline = self.controller.deadline();
            let due = watchdog.as_ref().map(Watchdog::due);
            tokio::select! {
                () = end.asked() => return Ok(()),
                Some(input) = inputs.recv(), if acts => self.take_all(input, &mut inputs),
                Some(request) = requests.recv() => self.answer(request),
                // The timer stands still while the host sleeps: then the tick comes late, and the
                // controller notices.
                () = sleep_until(deadline), if acts => {
                    report_stall(&self.name, deadline);
                    self.take(Input::Tick);
                }
                Some(decision) = self.thinking.join_next(), if acts => {
                    let decision = decision.context("the policy engine failed")?;
                    self.take(Input::Decided(Box::new(decision)));
                }
                Some(answer) = self.room.next(), if acts => {
                    self.take(Input::RoomChecked(Box::new(answer)));
                }
                saved = self.saving.turn() => saved?,
                () = self.keeper.turn() => {}
                () = self.outbox.pass_on() => {}
                Some(()) = self.agents.next_release() => {}
                () = reached(due) => {}
                () = self.permit.changed(may) => {}
            }
        }
    }

    /// Looks whether it may send. While it may not, it is as if this process stood still: nothing
    /// is decided, what guests say waits in its queue, and the controller finds out, as after any
    /// other standstill, that what it has not heard in this time says nothing. Only people are
    /// answered, and what was begun before is saved.
    ///
    /// # Errors
    /// If this DPE has lost its right for ever.
    fn look(&mut self) -> Result<May, NoRight> {
        let may = self.permit.look();
        let acts = may_act(may, &self.letting_in)?;
        if acts != self.acts {
            self.acts = acts;
            match acts {
                true => tracing::info!(
                    cpe_deployment = self.name,
                    "the permit goes on: this host acts again"
                ),
                false => tracing::warn!(cpe_deployment = self.name, "{SILENT}"),
            }
        }
        Ok(may)
    }

    /// Saves what is unsaved, and does what follows from it, if the disk is in order.
    async fn finish(&mut self) {
        self.letting_in.end_all();
        let controller = &self.controller;
        let saved = self.saving.finish(|| controller.facts().rows());
        if tokio::time::timeout(LAST_WRITE, saved).await.is_err() {
            tracing::warn!(cpe_deployment = self.name, "the last changes are not saved");
        }
        self.perform();
        self.spans.finish();
    }

    /// Takes an input and all that wait behind it, for one look at the world. What comes in
    /// meanwhile has to wait: the clock and the watchdog have their turn before.
    fn take_all(&mut self, first: Input, inputs: &mut mpsc::Receiver<Input>) {
        let waiting = inputs.len();
        self.take(first);
        for _ in 0..waiting {
            let Ok(input) = inputs.try_recv() else { break };
            self.perform();
            self.take(input);
        }
    }

    /// The controller has not asked for another stream since.
    fn is_wanted(&self, assembly: &AssemblyId, number: u64) -> bool {
        let wanted = self.controller.wanted(assembly);
        wanted.is_some_and(|connect| connect.number == number)
    }

    /// Gives the controller an input that it cannot refuse.
    fn take(&mut self, input: Input) {
        let input = match self.saving.admit(input) {
            Ok(input) => input,
            Err((asker, reply)) => return self.agents.answer(&asker, reply),
        };
        let mut withdrawn = None;
        match &input {
            Input::EventRecorded { .. } => self.outbox.acknowledge(),
            Input::AgentConnected {
                assembly, number, ..
            } if self.is_wanted(assembly, *number) => {
                self.saving.forget_orders(assembly);
                withdrawn = self.saving.withdraw_fencing(assembly);
                self.seen_units.heard(assembly.as_str());
                self.check_unit(assembly);
            }
            Input::AgentDisconnected { assembly, .. } => self.saving.forget_orders(assembly),
            Input::Heartbeat { assembly, .. } => self.seen_units.heard(assembly.as_str()),
            _ => {}
        }
        let ended = withdrawn.map(|request| Input::FencingResult {
            assembly: request.assembly,
            attempt: request.attempt,
            result: Err("its agent was there again before its device was asked".to_owned()),
        });
        for input in std::iter::once(input).chain(ended) {
            self.spans.told(&input);
            if let Err(refusal) = self.controller.handle(now(), input) {
                tracing::error!(cpe_deployment = self.name, "refused: {refusal}");
            }
        }
    }

    /// Does what the controller wants, in its order, as far as what it follows from is durable.
    /// Nothing here waits, not even for the disk.
    fn perform(&mut self) {
        while let Some(effect) = self.controller.poll_effect() {
            if let Effect::EndUnfencing { attempt, .. } = effect
                && self.withdraw_unfencing(attempt)
            {
                continue;
            }
            if let Some(effect) = self.saving.take(effect) {
                self.carry_out(effect);
            }
        }
        while let Some(step) = self.saving.next_step() {
            match step {
                Step::Effect(effect) => self.carry_out(effect),
                Step::Reply(reply) => drop(reply.send(Ok(()))),
            }
        }
        self.save();
        while let Some(news) = self.saving.next_news() {
            self.report(&news);
        }
        self.publish();
    }

    /// Begins to save what is unsaved.
    fn save(&mut self) {
        let controller = &self.controller;
        self.saving.begin(|| controller.facts().rows());
    }

    /// Tells the event log what the disk does. This event is not durable: how could it be.
    fn report(&mut self, news: &News) {
        let (kind, reason) = match news {
            News::Failed(reason) => (cpe_bus::EventKind::DpeStorageFailed, reason.clone()),
            News::Recovered => (cpe_bus::EventKind::DpeStorageRecovered, String::new()),
        };
        let event = cpe_bus::Event::new(kind, &self.name, now().wall_us);
        self.outbox.push(cpe_bus::Event { reason, ..event });
        self.show_summary();
    }

    fn show_summary(&self) {
        let summary = self
            .saving
            .trouble()
            .unwrap_or_else(|| self.summary.clone());
        // systemd tells everybody, and who may know how the deployment is only the CPE knows.
        let hint = format!("`cpectl status {}` says how it is", self.name);
        cpe_daemon::notify(&[cpe_daemon::State::Status(&hint)]);
        self.public.send_modify(|public| public.summary = summary);
    }

    fn carry_out(&mut self, effect: Effect) {
        self.spans.begun(&effect);
        match effect {
            // Taken by what saves.
            Effect::Persist(_) => {}
            Effect::Connect(connect) => self.agents.connect(connect),
            Effect::Disconnect { assembly } => self.agents.disconnect(&assembly),
            Effect::Renew { assembly, stamp_us } => self.agents.renew(&assembly, stamp_us),
            Effect::Execute {
                assembly,
                operation,
            } => self.agents.call(&assembly, Call::Execute(operation)),
            Effect::Cancel {
                assembly,
                resource,
                action,
                interval_ms,
            } => {
                let call = Call::Cancel {
                    resource,
                    action,
                    interval_ms,
                };
                self.agents.call(&assembly, call);
            }
            Effect::Forget { assembly, resource } => {
                self.agents.call(&assembly, Call::Forget(resource));
            }
            Effect::Restart { assembly, reason } => {
                self.agents.call(&assembly, Call::Restart(reason));
            }
            Effect::Answer { asker, reply } => self.agents.answer(&asker, reply),
            Effect::Relay {
                assembly,
                asker,
                question,
            } => self.agents.ask(&assembly, Wants::Guest(asker), question),
            Effect::Release {
                assembly,
                keep_services,
            } => self.agents.release(&assembly, keep_services),
            Effect::Fence(request) => self.fence(request),
            Effect::PowerOn(order) => self.power_on(order),
            Effect::Unfence(request) => self.unfence(request),
            Effect::EndUnfencing { attempt, .. } => self.letting_in.end(attempt),
            Effect::CheckDevice(check) => self.check_device(check),
            Effect::Decide(question) => {
                self.thinking.spawn_blocking(|| decide(question));
            }
            Effect::CheckRoom(number) => {
                let input = self.controller.plan_room(now(), &RoomQuestion::Any);
                self.room.begin(number, input);
            }
            Effect::Event(event) => self.outbox.push(convert::event(event)),
            Effect::KeepInput { .. } if self.saving.trouble().is_some() => {}
            Effect::KeepInput { name, cib, graph } => self.keeper.keep(Kept { name, cib, graph }),
            Effect::StatusChanged { state, summary } => {
                tracing::info!(cpe_deployment = self.name, "{state}: {summary}");
                self.summary = summary;
                self.show_summary();
            }
            Effect::Unloaded => self.unloaded = true,
            // Nothing gives the controller the input that this follows from.
        }
    }

    /// Shows the state. "Unloaded" is shown only when the agents are released and the log has all
    /// events: whoever waits for it may end this process and delete what is saved here.
    fn publish(&self) {
        let ended = self.unloaded && self.agents.are_released() && self.outbox.is_delivered();
        let state = match self.controller.state() {
            DpeState::Unloaded if !ended => DpeState::Unloading,
            state => state,
        };
        let (generation, epoch) = (self.controller.generation(), self.controller.epoch());
        self.public.send_if_modified(|public| {
            let same =
                public.state == state && (public.generation, public.epoch) == (generation, epoch);
            if !same {
                public.state = state;
                (public.generation, public.epoch) = (generation, epoch);
            }
            !same
        });
    }

    /// Looks at the unit by which an assembly that answers is fenced, beside the loop.
    fn check_unit(&self, assembly: &AssemblyId) {
        let device = self.controller.fence_device(assembly);
        let (Some(FenceDevice::Unit { unit }), Some(bus)) =
            (device.cloned(), self.connection.borrow().clone())
        else {
            return;
        };
        let (assembly, inputs) = (assembly.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let check = fencing::check_unit(&bus, &unit, assembly.as_str());
            if let Ok(true) = tokio::time::timeout(CHECK_TIMEOUT, check).await {
                let _ = inputs.send(Input::UnitSeen { assembly, unit }).await;
            }
        });
    }

    /// The units of all assemblies that answer: a document may name others.
    fn check_units(&self) {
        for assembly in self.controller.online() {
            self.check_unit(&assembly);
        }
    }

    /// Makes an assembly safe beside the loop; the controller has one attempt at each assembly at a
    /// time.
    fn fence(&self, request: controller::FenceRequest) {
        let (bus, inputs) = (self.connection.borrow().clone(), self.inputs.clone());
        let (gate, seen) = (self.gate.clone(), self.seen_units.clone());
        tokio::spawn(async move {
            let (result, again) = match fencing::fence(&gate, &request, bus, &seen).await {
                Ok(again) => (Ok(()), again),
                Err(error) => (Err(error), fencing::Again::default()),
            };
            let result = Input::FencingResult {
                assembly: request.assembly,
                attempt: request.attempt,
                result,
            };
            let _ = inputs.send(result).await;
            // It is safe by now: nobody waits for this.
            again.switch_on().await;
        });
    }

    /// Switches an assembly's power on beside the loop. Its agent shows when it is back.
    fn power_on(&self, order: controller::PowerOn) {
        let (gate, bus) = (self.gate.clone(), self.connection.borrow().clone());
        tokio::spawn(async move {
            let assembly = order.assembly.as_str();
            match fencing::power_on(&gate, &order, bus).await {
                Ok(()) => tracing::info!(cpe_assembly = assembly, "{assembly} is switched on"),
                Err(error) => tracing::warn!(
                    cpe_assembly = assembly,
                    "{assembly} cannot be switched on: {error}"
                ),
            }
        });
    }

    /// Lets an assembly in beside the loop.
    fn unfence(&mut self, request: controller::UnfenceRequest) {
        let ends = self.letting_in.begin(request.attempt);
        let (gate, inputs) = (self.gate.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let result = fencing::unfence(&gate, &request, ends).await;
            let (assembly, attempt) = (request.assembly, request.attempt);
            let ended = Input::UnfencingResult {
                assembly,
                attempt,
                result,
            };
            let _ = inputs.send(ended).await;
        });
    }

    /// What is to let an assembly in and waits for the disk is not begun any more. `false`: nothing
    /// waits.
    fn withdraw_unfencing(&mut self, attempt: u64) -> bool {
        let Some(request) = self.saving.withdraw_unfencing(attempt) else {
            return false;
        };
        let inputs = self.inputs.clone();
        let ended = Input::UnfencingResult {
            assembly: request.assembly,
            attempt,
            result: Err("it was ended before it began".to_owned()),
        };
        // Not in the middle of carrying out what the controller has wanted.
        tokio::spawn(async move { inputs.send(ended).await });
        true
    }

    /// Asks a fencing device whether it is well, beside the loop.
    fn check_device(&self, check: Box<controller::DeviceCheck>) {
        let (gate, inputs) = (self.gate.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let result = fencing::check_device(&gate, &check).await;
            let question = check.question;
            let _ = inputs.send(Input::DeviceChecked { question, result }).await;
        });
    }

    /// Why a change must be refused, if so: nothing may be sent, or it could not be saved. A DPE
    /// without a document takes one though it cannot save it: without it no lease is renewed.
    fn refuses(&self, request: &Request) -> Option<String> {
        let is_first =
            matches!(request, Request::LoadRead { .. }) && self.controller.document().is_none();
        let saving = || self.saving.trouble().filter(|_| !is_first);
        self.silence().or_else(saving)
    }

    /// Why it may not send, as of the last look.
    fn silence(&self) -> Option<String> {
        (!self.acts).then(|| SILENT.to_owned())
    }

    fn change(&mut self, request: Request, by: String, reply: saving::Reply) {
        if let Some(trouble) = self.refuses(&request) {
            let _ = reply.send(Err(Error::NotReady(trouble)));
            return;
        }
        let is_document = matches!(request, Request::LoadRead { .. });
        match self.controller.handle(now(), Input::Order { request, by }) {
            Ok(()) => {
                self.perform();
                if is_document {
                    self.check_units();
                }
                // What was asked for is durable, and done, by then.
                self.saving.answer(reply);
            }
            Err(refusal) => drop(reply.send(Err(bus::refused(refusal)))),
        }
    }

    /// Has an operation run once; tells what is known of it when it has begun.
    fn debug(&mut self, order: DebugOrder, by: String) -> cpe_bus::Result<DebugReport> {
        // What it starts must be found by a later DPE: that is its agent's to keep. But what is
        // looked at afterwards is noted here.
        if let Some(trouble) = self.silence().or_else(|| self.saving.trouble()) {
            return Err(Error::NotReady(trouble));
        }
        let order = Box::new(order);
        let input = Input::Debug { order, by };
        self.controller.handle(now(), input).map_err(bus::refused)?;
        self.perform();
        let controller = &self.controller;
        let id = controller.last_debugged().unwrap_or_default();
        let report = controller.debugged(id);
        report.ok_or_else(|| Error::OutcomeUnknown("nothing is known of it".to_owned()))
    }

    fn status(&self) -> DeploymentStatus {
        let mut status = self.controller.status(now());
        for trouble in self.saving.trouble().into_iter().chain(self.silence()) {
            status.problems.insert(0, trouble.clone());
            status.summary = trouble;
        }
        status
    }

    fn answer(&mut self, request: BusRequest) {
        match request {
            BusRequest::Change(request, by, reply) => self.change(request, by, reply),
            BusRequest::Ask(assembly, question, reply) => {
                match self.controller.may_ask_agent(&assembly) {
                    Ok(()) => {
                        let wants = Wants::Administrator(reply);
                        self.agents.ask(&assembly, wants, question);
                    }
                    Err(refusal) => {
                        let (why, text) = (Why::NotNow, refusal.to_string());
                        let _ = reply.send(Reply::Refused { why, text });
                    }
                }
            }
            BusRequest::Status(reply) => drop(reply.send(self.status())),
            BusRequest::Operations(service, assembly, reply) => {
                let known = self
                    .controller
                    .operations(service.as_ref(), assembly.as_ref());
                let _ = reply.send(known);
            }
            BusRequest::Input(reply) => {
                let _ = reply.send(self.controller.input(now()));
            }
            BusRequest::Basis(reply) => {
                let _ = reply.send(Basis::of(&self.controller, now()));
            }
            BusRequest::Document(reply) => {
                let (document, generation) = self.controller.document().unwrap_or(("", 0));
                let _ = reply.send((document.to_owned(), generation));
            }
            BusRequest::Plan(proposal, reply) => {
                let _ = reply.send(self.controller.plan_proposal(now(), &proposal));
            }
            BusRequest::PlanService(service, order, reply) => {
                let _ = reply.send(self.controller.plan_service(now(), &service, &order));
            }
            BusRequest::PlanDebug(task, service, assembly, reply) => {
                let plan = self.controller.plan_debug(now(), task, &service, &assembly);
                let _ = reply.send(plan);
            }
            BusRequest::Debug(order, by, reply) => {
                let begun = self.debug(*order, by);
                let _ = reply.send(begun);
            }
            BusRequest::Debugged(id, reply) => {
                let all_known = self.controller.everything_known();
                let known = self.controller.debugged(&id);
                let _ = reply.send(known.ok_or_else(|| bus::unknown(&id, all_known)));
            }
            BusRequest::Room(question, reply) => {
                let _ = reply.send(self.controller.plan_room(now(), &question));
            }
            BusRequest::RoomOf(proposal, reply) => {
                let _ = reply.send(self.controller.plan_room_of(now(), &proposal));
            }
            BusRequest::PlanStandby(assembly, on, reply) => {
                let plan = self.controller.plan_standby(now(), assembly.as_ref(), on);
                let _ = reply.send(plan);
            }
            BusRequest::PlanUpkeep(request, reply) => {
                let _ = reply.send(self.controller.plan_upkeep(now(), &request));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RestartSec=` of the unit, and a start.
    const RESTART: Duration = Duration::from_millis(200);

    #[test]
    fn a_loop_that_stands_still_is_back_within_a_third_of_the_lease() {
        for seconds in [3, 5, 10, 30, 60, 3600] {
            let lease = Duration::from_secs(seconds.into());
            let limit = watchdog_limit(LeasesHeld::Shortest(seconds * 1000)).unwrap();
            assert!(limit + RESTART < lease / 3, "{lease:?}");
        }
        let longest = Some(Duration::from_secs(30));
        assert_eq!(watchdog_limit(LeasesHeld::None), longest);
        assert_eq!(watchdog_limit(LeasesHeld::Unknown), None);
    }

    #[test]
    fn who_may_not_act_ends_what_is_about_to_let_a_guest_in() {
        for (may, ends) in [(May::Send(9), false), (May::Wait, true), (May::Exit, true)] {
            let mut letting_in = LettingIn::default();
            let told = letting_in.begin(1);
            let acts = may_act(may, &letting_in).is_ok_and(|acts| acts);
            assert_eq!((acts, *told.borrow()), (!ends, ends), "{may:?}");
        }
    }
}
