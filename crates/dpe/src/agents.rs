//! Streams to the guest agents: one task per assembly that connects again and again, says Hello,
//! and carries calls and signals.

use std::collections::HashMap;
use std::time::Duration;

use controller::{Connect, Input, Operation, Task};
use cpe_bus::proxies::AgentProxy;
use cpe_bus::records::agent::ATTRIBUTES;
use cpe_bus::{
    Error, HelloReply, HelloSettings, NodeAttributes, OperationRecord, PeerAddress, peer,
};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// First wait before a stream is made again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait: bounds how late a guest is noticed that comes back.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// An agent that has not answered a call by then is given up; the next History tells what became of
/// it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the controller wants of one agent, in order.
#[derive(Debug)]
pub(crate) enum Call {
    Renew(u64),
    Execute(Box<Operation>),
    Cancel {
        resource: String,
        action: Task,
        interval_ms: u32,
    },
    Forget(String),
    Release {
        keep_services: bool,
        done: tokio::sync::oneshot::Sender<()>,
    },
}

/// All streams.
#[derive(Debug)]
pub(crate) struct Agents {
    inputs: mpsc::UnboundedSender<Input>,
    links: HashMap<String, Link>,
}

#[derive(Debug)]
struct Link {
    calls: mpsc::UnboundedSender<Call>,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agents {
    /// No streams yet; what agents say goes to `inputs`.
    pub(crate) fn new(inputs: mpsc::UnboundedSender<Input>) -> Agents {
        Agents {
            inputs,
            links: HashMap::new(),
        }
    }

    /// Keeps a stream to an agent from now on, in place of an earlier one.
    pub(crate) fn connect(&mut self, connect: Connect) {
        let (calls, waiting) = mpsc::unbounded_channel();
        let assembly = connect.assembly.clone();
        // The old stream first, so that its last words do not come after the new one's first.
        self.links.remove(&assembly);
        let task = tokio::spawn(keep_connected(connect, waiting, self.inputs.clone()));
        self.links.insert(assembly, Link { calls, task });
    }

    /// Gives a stream up.
    pub(crate) fn disconnect(&mut self, assembly: &str) {
        self.links.remove(assembly);
    }

    /// Has an agent do something. Without stream nothing happens: the controller asks again after
    /// the next History.
    pub(crate) fn call(&self, assembly: &str, call: Call) {
        if let Some(link) = self.links.get(assembly) {
            let _ = link.calls.send(call);
        }
    }
}

/// Why a stream ended.
enum End {
    /// For this reason; another is made.
    Closed(String),
    /// Another DPE has taken over: none is made.
    Stale,
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        match error {
            Error::StaleEpoch(_) => End::Stale,
            error => End::Closed(error.message()),
        }
    }
}

async fn keep_connected(
    connect: Connect,
    mut calls: mpsc::UnboundedReceiver<Call>,
    inputs: mpsc::UnboundedSender<Input>,
) {
    let assembly = connect.assembly.clone();
    let mut pause = SHORTEST_PAUSE;
    let mut told: Option<String> = None;
    loop {
        let mut up = false;
        match stream(&connect, &mut calls, &inputs, &mut up).await {
            End::Stale => {
                let _ = inputs.send(Input::StaleEpoch { assembly });
                return;
            }
            End::Closed(reason) => {
                // While an agent stays away, saying so once is enough.
                if up || told.as_ref() != Some(&reason) {
                    told = Some(reason.clone());
                    tracing::info!(
                        cpe_deployment = connect.deployment,
                        cpe_assembly = assembly,
                        "no stream to the agent of {assembly}: {reason}"
                    );
                    let assembly = assembly.clone();
                    let _ = inputs.send(Input::AgentDisconnected { assembly, reason });
                }
            }
        }
        // Calls for the stream that is gone; who waits for an answer must not wait for the next
        // one.
        while calls.try_recv().is_ok() {}
        if up {
            pause = SHORTEST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One stream from its beginning to its end.
async fn stream(
    connect: &Connect,
    calls: &mut mpsc::UnboundedReceiver<Call>,
    inputs: &mpsc::UnboundedSender<Input>,
    up: &mut bool,
) -> End {
    match run_stream(connect, calls, inputs, up).await {
        Ok(end) | Err(end) => end,
    }
}

async fn run_stream(
    connect: &Connect,
    calls: &mut mpsc::UnboundedReceiver<Call>,
    inputs: &mpsc::UnboundedSender<Input>,
    up: &mut bool,
) -> Result<End, End> {
    let Some(address) = &connect.address else {
        return Ok(std::future::pending().await);
    };
    let address: PeerAddress = address.parse::<PeerAddress>()?;
    let connection = peer::connect(&address).await?;
    let agent = AgentProxy::builder(&connection)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .map_err(Error::from)?;
    // Before Hello, so that no signal is lost between History and the first read.
    let mut heartbeats = agent.receive_heartbeat().await.map_err(Error::from)?;
    let mut completions = agent
        .receive_operation_completed()
        .await
        .map_err(Error::from)?;

    let mut attributes = agent
        .receive_attributes_changed()
        .await
        .map_err(Error::from)?;

    let settings = HelloSettings {
        heartbeat_interval_ms: connect.heartbeat_interval_ms,
        lease_ms: connect.lease_ms,
        stop_timeout_ms: connect.stop_timeout_ms,
    };
    let hello = agent.hello(
        connect.epoch,
        &connect.deployment,
        &connect.assembly,
        settings.to_fields(),
    );
    let hello = HelloReply::from_fields(&within(hello).await?)?;
    let mut history = Vec::new();
    for fields in within(agent.history(connect.epoch)).await? {
        history.push(crate::convert::record(OperationRecord::from_fields(
            &fields,
        )?));
    }
    let knows_attributes = hello.capabilities.iter().any(|word| word == ATTRIBUTES);
    let known = if knows_attributes {
        let (version, records) = within(agent.attributes(connect.epoch)).await?;
        NodeAttributes::from_fields(version, &records)?
    } else {
        NodeAttributes::default()
    };
    *up = true;
    // Calls from before this stream: the controller decides anew, from the History.
    while calls.try_recv().is_ok() {}
    let assembly = &connect.assembly;
    let _ = inputs.send(Input::AgentConnected {
        assembly: assembly.clone(),
        hello: crate::convert::hello(hello),
        history,
        attributes: crate::convert::attributes(known),
    });

    let reading = async {
        loop {
            // In this order, where several have come in: an operation's end must not overtake what
            // its agent has set.
            tokio::select! {
                biased;
                changed = attributes.next() => {
                    let Some(changed) = changed else { return closed() };
                    let all = changed
                        .args()
                        .map_err(Error::from)
                        .and_then(|args| NodeAttributes::from_fields(args.version, &args.attributes));
                    match all {
                        Ok(all) => {
                            let _ = inputs.send(Input::AttributesChanged {
                                assembly: assembly.clone(),
                                attributes: crate::convert::attributes(all),
                            });
                        }
                        Err(error) => return End::Closed(format!("the agent sent bad attributes: {}", error.message())),
                    }
                }
                heartbeat = heartbeats.next() => {
                    let Some(heartbeat) = heartbeat else { return closed() };
                    let Ok(args) = heartbeat.args() else { continue };
                    let _ = inputs.send(Input::Heartbeat {
                        assembly: assembly.clone(),
                        stamp_us: args.stamp,
                    });
                }
                completion = completions.next() => {
                    let Some(completion) = completion else { return closed() };
                    let record = completion
                        .args()
                        .map_err(Error::from)
                        .and_then(|args| OperationRecord::from_fields(&args.record));
                    match record {
                        Ok(record) => {
                            let _ = inputs.send(Input::OperationCompleted {
                                assembly: assembly.clone(),
                                record: Box::new(crate::convert::record(record)),
                            });
                        }
                        // What it meant is in the History of the next stream, if it makes sense
                        // there.
                        Err(error) => return End::Closed(format!("the agent sent a bad record: {}", error.message())),
                    }
                }
            }
        }
    };
    let calling = async {
        while let Some(call) = calls.recv().await {
            if let Err(end) = perform(&agent, connect, call, inputs).await {
                return end;
            }
        }
        // The sender is gone with the link; the task is about to be aborted.
        std::future::pending().await
    };
    tokio::select! {
        end = reading => Ok(end),
        end = calling => Ok(end),
        () = connection.closed() => Ok(closed()),
    }
}

fn closed() -> End {
    End::Closed("the agent closed the connection, or its guest is gone".to_owned())
}

async fn within<T>(call: impl Future<Output = cpe_bus::Result<T>>) -> cpe_bus::Result<T> {
    tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .unwrap_or_else(|_| {
            Err(Error::NotReady(format!(
                "the agent did not answer within {} s",
                CALL_TIMEOUT.as_secs()
            )))
        })
}

async fn perform(
    agent: &AgentProxy<'static>,
    connect: &Connect,
    call: Call,
    inputs: &mpsc::UnboundedSender<Input>,
) -> Result<(), End> {
    let epoch = connect.epoch;
    match call {
        Call::Renew(stamp) => {
            // Without a reply, which would only wake both sides once more: the next heartbeat tells
            // whether the lease runs.
            let renewal = async { Ok(agent.inner().call_noreply("Renew", &(epoch, stamp)).await?) };
            within(renewal).await?;
        }
        Call::Execute(operation) => {
            let id = operation.id.clone();
            let fields = crate::convert::operation(*operation).to_fields();
            match within(agent.execute(epoch, fields)).await {
                Ok(()) => {}
                Err(Error::InvalidArgument(reason) | Error::TooLarge(reason)) => {
                    let assembly = connect.assembly.clone();
                    let _ = inputs.send(Input::ExecuteRefused {
                        assembly,
                        id,
                        reason,
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Call::Cancel {
            resource,
            action,
            interval_ms,
        } => {
            within(agent.cancel(epoch, &resource, action.as_str(), interval_ms)).await?;
            let _ = inputs.send(Input::Cancelled {
                assembly: connect.assembly.clone(),
                resource,
                action,
                interval_ms,
            });
        }
        Call::Forget(resource) => within(agent.forget(epoch, &resource)).await?,
        Call::Release {
            keep_services,
            done,
        } => {
            let released = within(agent.release(epoch, keep_services)).await;
            let _ = done.send(());
            released?;
        }
    }
    Ok(())
}
