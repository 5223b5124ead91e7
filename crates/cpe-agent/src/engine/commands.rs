//! What connections and tools ask the engine for, and what it sends.

use std::sync::Arc;

use cpe_bus::{
    AgentDescription, GuestFacts, HelloReply, HelloSettings, Leaving, NodeAttributes, Operation,
    OperationRecord, Question, Result,
};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::attributes::socket::Asked;

/// Commands that may wait for the engine, which takes one after the other, each in less time than a
/// small file takes to write. Connections and tools beyond that wait, each with one command; the
/// engine never waits for them.
const QUEUE: usize = 64;

/// The way to the engine, and its end there.
pub fn queue() -> (mpsc::Sender<Command>, mpsc::Receiver<Command>) {
    mpsc::channel(QUEUE)
}

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
    /// FactsChanged.
    Facts(Box<GuestFacts>),
    /// Question, by its number.
    Question(u64, Box<Question>),
    /// Leaving.
    Leaving(Leaving),
    /// Left; the sender is used, or dropped, once it is on its way.
    Left(oneshot::Sender<()>),
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T>>;

/// A request.
#[derive(Debug)]
pub enum Command {
    /// A connection takes over.
    Hello {
        /// What it says.
        hello: Hello,
        /// Where the answer goes.
        reply: Reply<HelloReply>,
    },
    /// Somebody wants to know who this guest is.
    Describe {
        /// Where the answer goes.
        reply: Reply<AgentDescription>,
    },
    /// A connection that has taken over wants something.
    Call {
        /// The connection's id.
        peer: u64,
        /// Its epoch.
        epoch: u64,
        /// What it wants.
        call: Call,
    },
    /// A tool wants something of the node attributes.
    Attribute(Asked),
    /// A connection is gone.
    Disconnected {
        /// Its id.
        peer: u64,
    },
}

impl From<Asked> for Command {
    fn from(asked: Asked) -> Command {
        Command::Attribute(asked)
    }
}

/// What a DPE says when it takes over.
#[derive(Debug, Clone)]
pub struct Hello {
    /// Its connection.
    pub peer: Peer,
    /// Its epoch.
    pub epoch: u64,
    /// Its deployment.
    pub deployment: String,
    /// The assembly that this guest is, as it says.
    pub assembly: String,
    /// What it wants.
    pub settings: HelloSettings,
}

/// What a DPE that has taken over wants: the methods of the interface.
#[derive(Debug)]
pub enum Call {
    /// Renew.
    Renew {
        /// The stamp of the heartbeat.
        stamp: u64,
        /// Where the answer goes.
        reply: Reply<()>,
    },
    /// Execute.
    Execute {
        /// What to do.
        operation: Box<Operation>,
        /// Where the answer goes.
        reply: Reply<()>,
    },
    /// Cancel.
    Cancel {
        /// The resource.
        resource: String,
        /// The action.
        action: String,
        /// Its interval.
        interval_ms: u32,
        /// Where the answer goes: whether there was something to cancel.
        reply: Reply<bool>,
    },
    /// Forget.
    Forget {
        /// The resource.
        resource: String,
        /// Where the answer goes.
        reply: Reply<()>,
    },
    /// History.
    History {
        /// Where the answer goes.
        reply: Reply<Vec<OperationRecord>>,
    },
    /// Attributes.
    Attributes {
        /// Where the answer goes.
        reply: Reply<NodeAttributes>,
    },
    /// Answer.
    Answer {
        /// Of the question.
        number: u64,
        /// What is answered.
        answer: cpe_bus::Reply,
        /// Where the acknowledgement goes.
        reply: Reply<()>,
    },
    /// Ask.
    Ask {
        /// What another guest asks.
        question: Box<Question>,
        /// Where the answer goes.
        reply: Reply<cpe_bus::Reply>,
    },
    /// Restart.
    Restart {
        /// Why.
        reason: String,
        /// Where the answer goes.
        reply: Reply<()>,
    },
    /// Release.
    Release {
        /// Services go on running.
        keep_services: bool,
        /// Where the answer goes.
        reply: Reply<()>,
    },
}
