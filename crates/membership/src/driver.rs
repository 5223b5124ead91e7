//! Effects are carried out in their order, and what comes of them is told to the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cpe_etcd::Client;
use cpe_permit::now_us;
use ownership::{
    Answer, ChangeId, DeploymentId, Effect, Grant, Host, HostId, HostRecord, HostState, Input,
    Order, Outcome, Permit, Session, Settings,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::handle::{Asked, Handle, Owners, Status};
use crate::keys::is_name;
use crate::pulse;
use crate::runner::{Event, Runner};
use crate::store::Store;
use crate::units::Units;

/// Answers, events and orders that wait. Who has more waits itself.
const WAITING: usize = 1_024;

/// The status is told at least so often.
const STATUS: Duration = Duration::from_millis(500);

/// What a host is in a cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub host: String,
    /// Of its programs.
    pub version: u32,
    /// Where other hosts and people reach it; empty: it does not say.
    pub address: String,
    /// How many deployments it may run.
    pub capacity: u32,
    /// What deployments may ask for.
    pub labels: BTreeSet<String>,
    /// Of this boot of this machine: [`crate::boot`].
    pub boot: u64,
    /// Where the store is.
    pub store: cpe_etcd::Settings,
    /// A folder that a boot empties.
    pub folder: PathBuf,
}

/// A host's part in a cluster, of this process.
#[derive(Debug)]
pub struct Driver<R> {
    host: Host,
    folder: Folder,
    store: Store,
    units: Units<R>,
    inputs: mpsc::Receiver<Input>,
    events: mpsc::Receiver<Event>,
    asked: mpsc::Receiver<Asked>,
    answers: BTreeMap<ChangeId, oneshot::Sender<Answer>>,
    /// Each is answered once, so that there are no more than were asked.
    outcomes: Vec<(Order, oneshot::Sender<Outcome>)>,
    status: watch::Sender<Status>,
    owners: Owners,
    pulse: AbortHandle,
}

impl<R: Runner> Driver<R> {
    /// Takes over what an earlier process has left. `events` has what becomes of units, also of
    /// those that an earlier process has started.
    ///
    /// # Errors
    /// Says what is not as it must be.
    pub async fn new(
        cluster: Cluster,
        runner: R,
        events: mpsc::Receiver<Event>,
    ) -> Result<(Driver<R>, Handle)> {
        if !is_name(&cluster.host) {
            return Err(Error::Broken(format!(
                "“{}” is not a host's name in a cluster: use letters, digits, -, _ and .",
                cluster.host
            )));
        }
        let client = Client::new(&cluster.store).await?;
        let folder = Folder::open(&cluster.folder)?;
        let kept = found(&folder, &runner).await?;
        if let Some(session) = kept.session.filter(|session| session.boot != cluster.boot) {
            // CLOCK_BOOTTIME has begun again: some time what it says would be right.
            let until_us = 0;
            folder.publish(Permit { session, until_us })?;
        }
        let host = Host::new(settings(&cluster), kept, now_us());
        let (to_inputs, inputs) = mpsc::channel(WAITING);
        let (to_asked, asked) = mpsc::channel(WAITING);
        let store = Store::new(client, to_inputs);
        let (of_units, ends) = mpsc::channel(WAITING);
        let status = Status {
            host: host.status(now_us()),
            trouble: None,
            moves: 0,
        };
        let owners = Owners::default();
        let (status, to_status) = watch::channel(status);
        let pulse = tokio::spawn(pulse::keep(store.calls().clone())).abort_handle();
        let driver = Driver {
            host,
            folder,
            store,
            units: Units::new(Arc::new(runner), of_units.clone()),
            inputs,
            events: ends,
            asked,
            answers: BTreeMap::new(),
            outcomes: Vec::new(),
            status,
            owners: owners.clone(),
            pulse,
        };
        tokio::spawn(pass_on(events, of_units));
        let handle = Handle {
            asked: to_asked,
            status: to_status,
            owners,
        };
        Ok((driver, handle))
    }

    /// Goes on for as long as everything can be carried out.
    ///
    /// # Errors
    /// Says what could not. DPEs fall silent when their permit ends, unless another process goes on
    /// before.
    pub async fn run(mut self) -> Result<Infallible> {
        loop {
            while let Some(effect) = self.host.poll_effect() {
                self.carry_out(effect)?;
            }
            self.tell_status();
            let deadline_us = self.host.deadline().unwrap_or(u64::MAX);
            let pause = Duration::from_micros(deadline_us.saturating_sub(now_us()));
            tokio::select! {
                Some(input) = self.inputs.recv() => self.host.handle(now_us(), input),
                Some(event) = self.events.recv() => self.happened(event)?,
                Some(asked) = self.asked.recv() => self.asked(asked),
                () = sleep(pause.min(STATUS)) => {
                    if self.host.deadline().is_some_and(|at_us| at_us <= now_us()) {
                        self.host.handle(now_us(), Input::Tick);
                    }
                }
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Result<()> {
        match effect {
            Effect::Send(id, request) => self.store.send(id, request),
            Effect::Keep(session) => self.folder.keep(session)?,
            Effect::Publish(permit) => self.folder.publish(permit)?,
            Effect::Start(name, grant) => {
                tracing::info!(deployment = %name, revision = grant.revision, "starts its DPE");
                self.folder.grant(&name, grant)?;
                self.units.start(name, grant);
            }
            Effect::Stop(name, revision) => {
                tracing::info!(deployment = %name, revision, "stops its DPE");
                self.folder.revoke(&name)?;
                self.units.stop(name, revision);
            }
            Effect::Answer(id, answer) => {
                if let Some(asked) = self.answers.remove(&id) {
                    // Who does not wait any more asks again.
                    let _ = asked.send(answer);
                }
            }
            Effect::Ordered(order, outcome) => {
                let found = self.outcomes.iter().position(|(it, _)| *it == order);
                if let Some(found) = found {
                    let (_, asked) = self.outcomes.remove(found);
                    let _ = asked.send(outcome);
                }
            }
        }
        Ok(())
    }

    fn happened(&mut self, event: Event) -> Result<()> {
        let input = match event {
            Event::Ended(name, revision) => {
                self.units.give_up(&name, revision);
                self.folder.forget(&name, revision)?;
                Input::DpeEnded(name, revision)
            }
            Event::EpochsUsedUp(name, revision) => Input::EpochsUsedUp(name, revision),
        };
        self.host.handle(now_us(), input);
        Ok(())
    }

    fn asked(&mut self, asked: Asked) {
        let order = match asked {
            Asked::Overview(answer) => {
                let _ = answer.send(self.host.overview(now_us()));
                return;
            }
            Asked::Owner(name, answer) => {
                let _ = answer.send(self.host.owner(now_us(), &name));
                return;
            }
            Asked::Order(order, outcome) => {
                self.outcomes.push((order.clone(), outcome));
                order
            }
            Asked::Change(change, answer) => {
                // Two at a time with one id are one change: the later one hears of it.
                self.answers.insert(change.id, answer);
                Order::Change(change)
            }
            Asked::Renew(name) => return self.renew(name),
        };
        self.host.handle(now_us(), Input::Order(order));
    }

    fn renew(&mut self, name: DeploymentId) {
        let granted = self.host.status(now_us()).granted;
        if let Some(revision) = granted.get(&name) {
            tracing::info!(deployment = %name, revision, "its DPE gets another grant");
            let input = Input::EpochsUsedUp(name, *revision);
            self.host.handle(now_us(), input);
        }
    }

    fn tell_status(&mut self) {
        let moved = self.host.take_moved();
        let moves = self.status.borrow().moves + u64::from(!moved.is_empty());
        // Before the status tells of it.
        self.owners.note(moved);
        let status = Status {
            host: self.host.status(now_us()),
            trouble: self.store.trouble(),
            moves,
        };
        self.status.send_if_modified(|known| {
            let is_new = *known != status;
            *known = status;
            is_new
        });
    }
}

impl<R> Drop for Driver<R> {
    fn drop(&mut self) {
        self.pulse.abort();
    }
}

/// What an earlier process has left, and still is so.
async fn found(folder: &Folder, runner: &impl Runner) -> Result<ownership::Kept> {
    let mut kept = folder.kept()?;
    let failed = |error| Error::Broken(format!("it is not known which DPEs run: {error}"));
    let running = runner.running().await.map_err(failed)?;
    let mut known: BTreeMap<DeploymentId, Grant> =
        std::mem::take(&mut kept.units).into_iter().collect();
    for name in running {
        match known.remove(&name) {
            Some(grant) if folder.is_granted(&name)? => kept.units.push((name, grant)),
            // It was being stopped, or nobody knows under which grant it runs.
            grant => {
                let failed = |error| Error::Broken(format!("{name} cannot be stopped: {error}"));
                runner.stop(&name).await.map_err(failed)?;
                let revision = grant.map(|grant| grant.revision);
                folder.forget(&name, revision.unwrap_or_default())?;
            }
        }
    }
    // These have ended meanwhile.
    for (name, grant) in known {
        folder.forget(&name, grant.revision)?;
    }
    Ok(kept)
}

fn settings(cluster: &Cluster) -> Settings {
    let record = HostRecord {
        version: cluster.version,
        address: cluster.address.clone(),
        capacity: cluster.capacity,
        labels: cluster.labels.clone(),
        state: HostState::Active,
        session: Session { boot: 0, number: 0 },
        confirmed_lost: None,
    };
    Settings {
        host: HostId::new(&cluster.host),
        record,
        boot: cluster.boot,
        entropy: fastrand::u64(..),
    }
}

async fn pass_on(mut events: mpsc::Receiver<Event>, to: mpsc::Sender<Event>) {
    while let Some(event) = events.recv().await {
        if to.send(event).await.is_err() {
            return;
        }
    }
}
