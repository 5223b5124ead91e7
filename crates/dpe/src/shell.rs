//! The event loop: one controller, its inputs, its effects.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use controller::{Controller, Decision, Effect, Input, Time};
use cpe_bus::BusSelection;
use cpe_daemon::Watchdog;
use cpe_status::DpeState;
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use zbus::Connection;

use crate::agents::{Agents, Call};
use crate::bus::{self, Public, Question};
use crate::explain::Basis;
use crate::kept_inputs::KeptInputs;
use crate::store::Store;
use crate::{fencing, outbox};

/// How long an ending DPE waits for agents to acknowledge their release.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
/// A deadline that is seen so much later is worth a line in the journal.
const NOTEWORTHY_STALL: Duration = Duration::from_secs(1);

fn now() -> Time {
    let us = |clock| {
        let time = clock_gettime(clock);
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000
            + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000
    };
    Time {
        boottime_us: us(ClockId::Boottime),
        wall_us: us(ClockId::Realtime),
    }
}

/// Says that a deadline was slept through: the controller excuses the silence of that time, and who
/// reads the journal should know why.
fn tell_stall(name: &str, deadline: Option<u64>) {
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
/// If the saved state or the bus cannot be used, or another DPE has taken over.
pub(crate) async fn run(
    name: &str,
    bus: BusSelection,
    mut store: Store,
    kept: KeptInputs,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let durable = store.load().context("cannot read the saved state")?;
    let controller = Controller::new(name, durable, now());

    let (input_sender, mut inputs) = mpsc::unbounded_channel();
    let (question_sender, mut questions) = mpsc::unbounded_channel();
    let (event_sender, events) = mpsc::unbounded_channel();
    let (public, public_view) = watch::channel(Public::default());
    let (connection_sender, connection) = watch::channel(None);

    let mut shell = Shell {
        name: name.to_owned(),
        controller,
        store,
        kept,
        agents: Agents::new(input_sender.clone()),
        events: event_sender,
        undelivered: 0,
        unloaded: false,
        inputs: input_sender.clone(),
        public,
        connection: connection.clone(),
        releases: JoinSet::new(),
        thinking: JoinSet::new(),
    };
    // What the last run left undone is begun before anybody can ask for more.
    shell.perform().await?;

    let mut tasks = JoinSet::new();
    tasks.spawn(outbox::deliver(events, connection, input_sender));
    let serving = bus::serve(
        name.to_owned(),
        bus,
        question_sender,
        public_view,
        Arc::new(connection_sender),
    );
    tokio::pin!(serving);
    tracing::info!(
        cpe_deployment = name,
        "managing generation {} in epoch {}",
        shell.controller.generation(),
        shell.controller.epoch()
    );
    let mut watchdog = Watchdog::wanted();
    loop {
        if let Some(watchdog) = &mut watchdog {
            watchdog.turn();
        }
        let deadline = shell.controller.deadline();
        let due = watchdog.as_ref().map(Watchdog::due);
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            result = &mut serving => return result,
            Some(input) = inputs.recv() => {
                shell.take(input);
                // All that waits: one look at the world for many answers.
                while let Ok(input) = inputs.try_recv() {
                    shell.perform().await?;
                    shell.take(input);
                }
            }
            Some(question) = questions.recv() => shell.answer(question).await?,
            // The timer stands still while the host sleeps: then the tick comes late, and the
            // controller notices.
            () = sleep_until(deadline) => {
                tell_stall(name, deadline);
                shell.take(Input::Tick);
            }
            Some(decision) = shell.thinking.join_next() => {
                let decision = decision.context("the policy engine failed")?;
                shell.take(Input::Decided(Box::new(decision)));
            }
            () = reached(due) => {}
        }
        shell.perform().await?;
    }
    cpe_daemon::notify(&[cpe_daemon::State::Stopping]);
    tracing::info!(cpe_deployment = name, "ending; services run on");
    Ok(())
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

struct Shell {
    name: String,
    controller: Controller,
    store: Store,
    kept: KeptInputs,
    agents: Agents,
    events: mpsc::UnboundedSender<controller::Event>,
    /// Events that the log has not acknowledged yet.
    undelivered: usize,
    unloaded: bool,
    inputs: mpsc::UnboundedSender<Input>,
    public: watch::Sender<Public>,
    connection: watch::Receiver<Option<Connection>>,
    releases: JoinSet<()>,
    /// The policy engine, on a thread of its own while there is a question.
    thinking: JoinSet<Decision>,
}

impl Shell {
    /// Gives the controller an input that it cannot refuse.
    fn take(&mut self, input: Input) {
        if matches!(input, Input::EventRecorded { .. }) {
            self.undelivered = self.undelivered.saturating_sub(1);
        }
        if let Err(refusal) = self.controller.handle(now(), input) {
            tracing::error!(cpe_deployment = self.name, "refused: {refusal}");
        }
    }

    /// Does what the controller wants, in its order.
    async fn perform(&mut self) -> anyhow::Result<()> {
        while let Some(effect) = self.controller.poll_effect() {
            match effect {
                Effect::Persist(changes) => self.store.write(&changes)?,
                Effect::Connect(connect) => self.agents.connect(connect),
                Effect::Disconnect { assembly } => {
                    // An agent that is released must hear of it, or its lease would stop what is to
                    // run on.
                    self.finish_releases().await;
                    self.agents.disconnect(&assembly);
                }
                Effect::Renew { assembly, stamp_us } => {
                    self.agents.call(&assembly, Call::Renew(stamp_us));
                }
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
                Effect::Release {
                    assembly,
                    keep_services,
                } => self.release(&assembly, keep_services),
                Effect::Fence(request) => self.fence(request),
                Effect::Decide(question) => {
                    self.thinking.spawn_blocking(|| question.answer());
                }
                Effect::Event(event) => {
                    self.undelivered += 1;
                    let _ = self.events.send(event);
                }
                Effect::KeepInput { number, cib, graph } => self.kept.keep(number, &cib, &graph),
                Effect::StatusChanged { state, summary } => {
                    tracing::info!(cpe_deployment = self.name, "{state}: {summary}");
                    cpe_daemon::notify(&[cpe_daemon::State::Status(&summary)]);
                    self.public.send_modify(|public| public.summary = summary);
                }
                Effect::Unloaded => {
                    self.finish_releases().await;
                    self.unloaded = true;
                }
                Effect::Superseded { assembly } => bail!(
                    "the agent of {assembly} obeys a newer DPE of {}; this one ends and touches nothing",
                    self.name
                ),
            }
        }
        self.publish();
        Ok(())
    }

    /// Shows the state. "Unloaded" is shown only when the log has all events: whoever waits for it
    /// may delete what is saved here.
    fn publish(&self) {
        let state = match self.controller.state() {
            DpeState::Unloaded if !self.unloaded || self.undelivered > 0 => DpeState::Unloading,
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

    fn release(&mut self, assembly: &str, keep_services: bool) {
        let (done, released) = oneshot::channel();
        let call = Call::Release {
            keep_services,
            done,
        };
        self.agents.call(assembly, call);
        self.releases.spawn(async move {
            // Without a stream the sender is dropped at once.
            let _ = tokio::time::timeout(RELEASE_TIMEOUT, released).await;
        });
    }

    async fn finish_releases(&mut self) {
        while self.releases.join_next().await.is_some() {}
    }

    fn fence(&self, request: controller::FenceRequest) {
        let (bus, inputs) = (self.connection.borrow().clone(), self.inputs.clone());
        tokio::spawn(async move {
            let result = fencing::fence(&request, bus).await;
            let _ = inputs.send(Input::FencingResult {
                assembly: request.assembly,
                attempt: request.attempt,
                result,
            });
        });
    }

    async fn answer(&mut self, question: Question) -> anyhow::Result<()> {
        match question {
            Question::Change(request, reply) => {
                let outcome = self.controller.handle(now(), Input::Request(request));
                // What was asked for is durable when its effects are done.
                self.perform().await?;
                let _ = reply.send(outcome);
            }
            Question::Status(reply) => {
                let status = self.controller.status(now());
                let _ = reply.send(serde_json::to_string(&status)?);
            }
            Question::Input(reply) => {
                let _ = reply.send(self.controller.input(now()));
            }
            Question::Basis(reply) => {
                let _ = reply.send(Basis::of(&self.controller, now()));
            }
            Question::Document(reply) => {
                let (document, generation) = self.controller.document().unwrap_or(("", 0));
                let _ = reply.send((document.to_owned(), generation));
            }
            Question::Plan(document, reply) => {
                let _ = reply.send(self.controller.plan(now(), &document));
            }
        }
        Ok(())
    }
}
