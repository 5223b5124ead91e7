//! The agent on the wire: connections, and interface `org.cloudpolicy.Agent1` on each of them.
//!
//! Nothing is decided here: calls become commands of the engine, and the engine's signals go out
//! through a bounded outbox, so that a DPE that reads nothing cannot hold the engine up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cpe_bus::fields::Fields;
use cpe_bus::peer::{HANDSHAKE_TIMEOUT, PeerListener, server_builder};
use cpe_bus::{Error, HelloSettings, Operation, Result, names};
use tokio::net::UnixStream;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use zbus::object_server::SignalEmitter;

use crate::classes::Classes;
use crate::engine::commands::{Command, Outgoing, Peer, Reply};

/// How many connections there may be at a time: the DPE's, its successor's, and a few who look.
const MAX_CONNECTIONS: usize = 16;
/// How many signals wait for a slow DPE before it is cut off.
const OUTBOX: usize = 1024;

/// One connection's object.
struct Agent {
    peer: Peer,
    engine: mpsc::Sender<Command>,
    classes: Arc<Classes>,
}

impl Agent {
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let gone = || Error::NotReady("this agent is ending".to_owned());
        let (reply, answer) = oneshot::channel();
        self.engine.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[zbus::interface(name = "org.cloudpolicy.Agent1", introspection_docs = false)]
impl Agent {
    #[zbus(out_args("reply"))]
    async fn hello(
        &self,
        epoch: u64,
        deployment: String,
        assembly: String,
        settings: Fields,
    ) -> Result<Fields> {
        let settings = HelloSettings::from_fields(&settings)?;
        let peer = self.peer.clone();
        let reply = self
            .ask(|reply| Command::Hello {
                peer,
                epoch,
                deployment,
                assembly,
                settings,
                reply,
            })
            .await?;
        Ok(reply.to_fields())
    }

    async fn renew(&self, epoch: u64, stamp: u64) -> Result<()> {
        self.ask(|reply| Command::Renew {
            peer: self.peer.id,
            epoch,
            stamp,
            reply,
        })
        .await
    }

    async fn execute(&self, epoch: u64, operation: Fields) -> Result<()> {
        let operation = Box::new(Operation::from_fields(&operation)?);
        self.ask(|reply| Command::Execute {
            peer: self.peer.id,
            epoch,
            operation,
            reply,
        })
        .await
    }

    #[zbus(out_args("found"))]
    async fn cancel(
        &self,
        epoch: u64,
        resource: String,
        action: String,
        interval_ms: u32,
    ) -> Result<bool> {
        let peer = self.peer.id;
        self.ask(|reply| Command::Cancel {
            peer,
            epoch,
            resource,
            action,
            interval_ms,
            reply,
        })
        .await
    }

    async fn forget(&self, epoch: u64, resource: String) -> Result<()> {
        self.ask(|reply| Command::Forget {
            peer: self.peer.id,
            epoch,
            resource,
            reply,
        })
        .await
    }

    #[zbus(out_args("records"))]
    async fn history(&self, epoch: u64) -> Result<Vec<Fields>> {
        let records = self
            .ask(|reply| Command::History {
                peer: self.peer.id,
                epoch,
                reply,
            })
            .await?;
        Ok(records
            .iter()
            .map(cpe_bus::OperationRecord::to_fields)
            .collect())
    }

    #[zbus(out_args("version", "attributes"))]
    async fn attributes(&self, epoch: u64) -> Result<(u64, Vec<Fields>)> {
        let peer = self.peer.id;
        let all = self
            .ask(|reply| Command::Attributes { peer, epoch, reply })
            .await?;
        Ok((all.version, all.to_fields()))
    }

    #[zbus(out_args("xml"))]
    async fn metadata(&self, class: String, provider: String, r#type: String) -> Result<String> {
        self.classes.metadata(&class, &provider, &r#type).await
    }

    async fn release(&self, epoch: u64, keep_services: bool) -> Result<()> {
        self.ask(|reply| Command::Release {
            peer: self.peer.id,
            epoch,
            keep_services,
            reply,
        })
        .await
    }

    #[zbus(signal)]
    async fn operation_completed(emitter: &SignalEmitter<'_>, record: Fields) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn attributes_changed(
        emitter: &SignalEmitter<'_>,
        version: u64,
        attributes: Vec<Fields>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn heartbeat(
        emitter: &SignalEmitter<'_>,
        stamp: u64,
        running_operations: u32,
        info: Fields,
    ) -> zbus::Result<()>;
}

/// Takes connections until the listener fails.
///
/// # Errors
/// Those of accept(2) that do not concern one connection.
pub async fn serve(
    listener: PeerListener,
    engine: mpsc::Sender<Command>,
    classes: Arc<Classes>,
) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let last_id = AtomicU64::new(0);
    loop {
        let stream = listener.accept().await?;
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!(
                connections = MAX_CONNECTIONS,
                "refused a connection: there are too many"
            );
            continue;
        };
        let id = last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (engine, classes) = (engine.clone(), Arc::clone(&classes));
        tokio::spawn(async move {
            if let Err(error) = converse(stream, id, &engine, classes).await {
                tracing::warn!(%error, "a connection failed");
            }
            let _ = engine.send(Command::Disconnected { peer: id }).await;
            drop(slot);
        });
    }
}

/// One connection from handshake to end.
async fn converse(
    stream: UnixStream,
    id: u64,
    engine: &mpsc::Sender<Command>,
    classes: Arc<Classes>,
) -> anyhow::Result<()> {
    let (outbox, mut signals) = mpsc::channel(OUTBOX);
    let close = Arc::new(Notify::new());
    let peer = Peer {
        id,
        outbox,
        close: Arc::clone(&close),
    };
    let agent = Agent {
        peer,
        engine: engine.clone(),
        classes,
    };
    let build = server_builder(stream)?
        .serve_at(names::AGENT_PATH, agent)
        .build();
    let connection = tokio::time::timeout(HANDSHAKE_TIMEOUT, build)
        .await
        .map_err(|_| anyhow::anyhow!("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs()))??;
    let emitter = SignalEmitter::new(&connection, names::AGENT_PATH)?;
    let send = async {
        while let Some(signal) = signals.recv().await {
            match signal {
                Outgoing::Heartbeat {
                    stamp,
                    running,
                    lease_remaining_ms,
                } => {
                    let info = Fields::from([(
                        "lease_remaining_ms".to_owned(),
                        lease_remaining_ms.into(),
                    )]);
                    emitter.heartbeat(stamp, running, info).await?;
                }
                Outgoing::Completed(record) => {
                    emitter.operation_completed(record.to_fields()).await?
                }
                Outgoing::Attributes(all) => {
                    emitter
                        .attributes_changed(all.version, all.to_fields())
                        .await?
                }
            }
        }
        zbus::Result::Ok(())
    };
    tokio::select! {
        sent = send => sent?,
        () = connection.closed() => {}
        () = close.notified() => {}
    }
    // Not graceful: whoever is cut off here does not read.
    let _ = tokio::time::timeout(HANDSHAKE_TIMEOUT, connection.close()).await;
    Ok(())
}
