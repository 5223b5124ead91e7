//! What connections ask the engine for, and how it answers.

use std::sync::Arc;

use cpe_bus::records::agent::ATTRIBUTES;
use cpe_bus::{
    Error, HelloReply, HelloSettings, NodeAttributes, Operation, OperationRecord, OperationState,
    Result,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::stopping::{Cause, Phase};
use super::{DEFAULT_HEARTBEAT_MS, DEFAULT_STOP_TIMEOUT_MS, Engine};
use crate::activity::active_services;
use crate::attributes::{Answer, Request};
use crate::clock::boottime_us;

/// How many operations may run and wait.
const MAX_UNFINISHED: usize = 4096;
/// How many records the history may have.
const MAX_RECORDS: usize = 16_384;

/// A connection, as the engine sees it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Counts up: a later connection has a higher number.
    pub id: u64,
    /// Signals to send.
    pub outbox: mpsc::Sender<Outgoing>,
    /// Closes the connection.
    pub close: Arc<Notify>,
}

/// A signal to send.
#[derive(Debug)]
pub enum Outgoing {
    /// Heartbeat.
    Heartbeat {
        /// CLOCK_BOOTTIME in µs.
        stamp: u64,
        /// Operations that run or wait.
        running: u32,
        /// What is left of the lease.
        lease_remaining_ms: u64,
    },
    /// OperationCompleted.
    Completed(Box<OperationRecord>),
    /// AttributesChanged.
    Attributes(Box<NodeAttributes>),
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T>>;

/// A request. Those of DPEs name their connection by its id.
#[derive(Debug)]
pub enum Command {
    /// Hello.
    Hello {
        peer: Peer,
        epoch: u64,
        deployment: String,
        assembly: String,
        settings: HelloSettings,
        reply: Reply<HelloReply>,
    },
    /// Renew.
    Renew {
        peer: u64,
        epoch: u64,
        stamp: u64,
        reply: Reply<()>,
    },
    /// Execute.
    Execute {
        peer: u64,
        epoch: u64,
        operation: Box<Operation>,
        reply: Reply<()>,
    },
    /// Cancel.
    Cancel {
        peer: u64,
        epoch: u64,
        resource: String,
        action: String,
        interval_ms: u32,
        reply: Reply<bool>,
    },
    /// Forget.
    Forget {
        peer: u64,
        epoch: u64,
        resource: String,
        reply: Reply<()>,
    },
    /// History.
    History {
        peer: u64,
        epoch: u64,
        reply: Reply<Vec<OperationRecord>>,
    },
    /// Attributes.
    Attributes {
        peer: u64,
        epoch: u64,
        reply: Reply<NodeAttributes>,
    },
    /// A tool's, not a DPE's: see [`crate::attributes`].
    Attribute {
        request: Request,
        reply: oneshot::Sender<Answer>,
    },
    /// Release.
    Release {
        peer: u64,
        epoch: u64,
        keep_services: bool,
        reply: Reply<()>,
    },
    /// The connection is gone.
    Disconnected { peer: u64 },
}

impl Engine {
    pub(super) fn handle(&mut self, command: Command) {
        // A caller that does not wait for its answer any more is no error.
        match command {
            Command::Hello {
                peer,
                epoch,
                deployment,
                assembly,
                settings,
                reply,
            } => {
                let _ = reply.send(self.hello(peer, epoch, deployment, assembly, settings));
            }
            Command::Renew {
                peer,
                epoch,
                stamp,
                reply,
            } => {
                let _ = reply.send(self.authorise(peer, epoch).and_then(|()| self.renew(stamp)));
            }
            Command::Execute {
                peer,
                epoch,
                operation,
                reply,
            } => {
                let _ = reply.send(
                    self.authorise(peer, epoch)
                        .and_then(|()| self.execute(*operation)),
                );
            }
            Command::Cancel {
                peer,
                epoch,
                resource,
                action,
                interval_ms,
                reply,
            } => {
                let answer = self
                    .authorise(peer, epoch)
                    .map(|()| self.cancel(&resource, &action, interval_ms));
                let _ = reply.send(answer);
            }
            Command::Forget {
                peer,
                epoch,
                resource,
                reply,
            } => {
                let _ = reply.send(self.authorise(peer, epoch).map(|()| self.forget(&resource)));
            }
            Command::History { peer, epoch, reply } => {
                let history = || self.records.values().cloned().collect();
                let _ = reply.send(self.authorise(peer, epoch).map(|()| history()));
            }
            Command::Attributes { peer, epoch, reply } => {
                let told = || self.attributes.set.told();
                let _ = reply.send(self.authorise(peer, epoch).map(|()| told()));
            }
            Command::Attribute { request, reply } => {
                let _ = reply.send(self.attribute(&request));
            }
            Command::Release {
                peer,
                epoch,
                keep_services,
                reply,
            } => match self.authorise(peer, epoch) {
                Err(error) => drop(reply.send(Err(error))),
                Ok(()) => self.release(keep_services, reply),
            },
            Command::Disconnected { peer } => {
                if self.peer.as_ref().is_some_and(|active| active.id == peer) {
                    tracing::info!(
                        deployment = self.identity.deployment,
                        "the DPE has gone; operations go on"
                    );
                    self.drop_peer();
                }
            }
        }
    }

    fn hello(
        &mut self,
        peer: Peer,
        epoch: u64,
        deployment: String,
        assembly: String,
        settings: HelloSettings,
    ) -> Result<HelloReply> {
        self.must_serve()?;
        if deployment.is_empty() || assembly.is_empty() || epoch == 0 {
            return Err(Error::InvalidArgument(format!(
                "Hello needs a deployment, an assembly and an epoch from 1; found `{deployment}`, `{assembly}`, {epoch}"
            )));
        }
        let mut identity = self.identity.clone();
        let other = !identity.deployment.is_empty() && identity.deployment != deployment;
        if other {
            let active = active_services(&self.records).len();
            if self.peer.is_some() || active > 0 {
                return Err(Error::Busy(format!(
                    "this guest is an assembly of deployment {} ({active} active services), not of {deployment}: \
                     destroy that deployment first",
                    identity.deployment
                )));
            }
            identity.epoch = 0;
        }
        if epoch < identity.epoch {
            return Err(Error::StaleEpoch(format!(
                "this agent obeys epoch {}; Hello has epoch {epoch}, so another DPE has taken over",
                identity.epoch
            )));
        }
        let default = |value: u32, default: u32| if value == 0 { default } else { value };
        identity.deployment = deployment;
        identity.assembly = assembly;
        identity.epoch = epoch;
        identity.heartbeat_interval_ms =
            default(settings.heartbeat_interval_ms, DEFAULT_HEARTBEAT_MS);
        identity.stop_timeout_ms = default(settings.stop_timeout_ms, DEFAULT_STOP_TIMEOUT_MS);
        let now = boottime_us();
        let lease_remaining_ms = self.lease.remaining_ms(now);
        let lease = self
            .lease
            .with_length(u64::from(settings.lease_ms) * 1000, now);
        self.store
            .write_lease(&lease)
            .and_then(|()| self.store.write_identity(&identity))
            .map_err(not_durable)?;
        if other {
            self.forget_everything();
        }
        self.lease = lease;
        tracing::info!(
            deployment = identity.deployment,
            assembly = identity.assembly,
            epoch,
            lease_ms = settings.lease_ms,
            "a DPE has taken over"
        );
        self.identity = identity;
        if self
            .peer
            .as_ref()
            .is_some_and(|active| active.id != peer.id)
        {
            self.drop_peer();
        }
        let deployment = self.identity.deployment.clone();
        self.drop_attributes_unless(Some(&deployment));
        self.peer = Some(peer);
        self.heartbeat_due = Some(Instant::now());
        Ok(HelloReply {
            boot_id: self.identity.boot_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: ["ocf", "lsb", "systemd", "service"]
                .map(|class| format!("class:{class}"))
                .into_iter()
                .chain([ATTRIBUTES.to_owned()])
                .collect(),
            lease_remaining_ms,
            now_boottime_us: now,
        })
    }

    fn renew(&mut self, stamp: u64) -> Result<()> {
        self.must_serve()?;
        let now = boottime_us();
        let mut lease = self.lease;
        lease.renew(stamp, now).map_err(|_| {
            Error::InvalidArgument(format!(
                "stamp {stamp} lies in the future: this guest's clock is at {now}"
            ))
        })?;
        if lease != self.lease {
            self.store.write_lease(&lease).map_err(not_durable)?;
            self.lease = lease;
        }
        Ok(())
    }

    fn execute(&mut self, operation: Operation) -> Result<()> {
        self.must_serve()?;
        if self.terminating.is_some() {
            return Err(Error::Busy(
                "this agent is ending; try again when it is back".into(),
            ));
        }
        let known = self
            .records
            .values()
            .find(|record| record.operation.id == operation.id);
        if let Some(record) = known.cloned() {
            // The same request again. Its sender may have missed the result.
            if record.state == OperationState::Complete {
                self.report(&record);
            }
            return Ok(());
        }
        let unfinished = self.unfinished();
        if unfinished >= MAX_UNFINISHED || self.records.len() >= MAX_RECORDS {
            return Err(Error::TooLarge(format!(
                "{unfinished} operations wait and the history has {} records; at most {MAX_UNFINISHED} and {MAX_RECORDS} \
                 are kept: wait, or forget resources that are gone",
                self.records.len()
            )));
        }
        let call_id = self.accept(operation).map_err(not_durable)?;
        self.enqueue(call_id);
        Ok(())
    }

    fn release(&mut self, keep_services: bool, reply: Reply<()>) {
        if let Err(error) = self.must_serve() {
            let _ = reply.send(Err(error));
        } else if keep_services {
            let _ = reply.send(self.give_up());
        } else {
            self.begin_stopping(Cause::Release(reply));
        }
    }

    /// Refuses what would begin something while services are being stopped.
    fn must_serve(&self) -> Result<()> {
        match &self.phase {
            Phase::Serving if self.lease.has_ended(boottime_us()) => Err(Error::Busy(
                "the lease has ended: services are about to be stopped; try again".into(),
            )),
            Phase::Serving => Ok(()),
            Phase::Stopping(stopping) => Err(Error::Busy(format!(
                "{}: {} services are being stopped; try again",
                stopping.cause,
                stopping.remaining()
            ))),
            Phase::Rebooting => Err(Error::Busy(
                "the lease has ended and this guest is being rebooted".into(),
            )),
        }
    }
}

/// What cannot be made durable is not accepted.
pub(super) fn not_durable(error: anyhow::Error) -> Error {
    Error::Failed(format!(
        "nothing was done, since it cannot be recorded: {error:#}"
    ))
}
