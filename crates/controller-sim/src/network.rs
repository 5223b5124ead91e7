//! Streams between the DPE and the agents: in order, with delays; a link can be slow, stall (what
//! was sent arrives later), or be cut (the streams over it end, and what is on the way to the agent
//! may still arrive).

use std::collections::BTreeMap;

use controller::{Asker, AssemblyId, Attributes, Hello, Operation, Question, Record, Reply, Task};

/// To an agent.
#[derive(Clone, Debug)]
pub enum ToAgent {
    /// First call on a stream; answered with the history.
    Hello(HelloCall),
    /// Echo of a heartbeat's stamp.
    Renew {
        /// Of the DPE.
        epoch: u64,
        /// Guest clock, µs.
        stamp_us: u64,
    },
    /// An operation.
    Execute {
        /// Of the DPE.
        epoch: u64,
        /// What.
        operation: Box<Operation>,
    },
    /// End a recurring operation.
    Cancel {
        /// Of the DPE.
        epoch: u64,
        /// Which.
        resource: String,
        /// Which.
        action: Task,
        /// Which.
        interval_ms: u32,
    },
    /// Forget a resource.
    Forget {
        /// Of the DPE.
        epoch: u64,
        /// Which.
        resource: String,
    },
    /// The answer to a question.
    Answer {
        /// Of the DPE.
        epoch: u64,
        /// Of the question.
        number: u64,
        /// The answer.
        reply: Reply,
    },
    /// A question of another guest.
    Ask {
        /// Of the DPE.
        epoch: u64,
        /// Who asks.
        asker: Asker,
        /// What.
        question: Question,
    },
    /// End the lease now, and reset the guest.
    Restart {
        /// Of the DPE.
        epoch: u64,
    },
    /// End of service.
    Release {
        /// Of the DPE.
        epoch: u64,
        /// Leave services running.
        keep: bool,
    },
}

/// Arguments of Hello.
#[derive(Clone, Debug)]
pub struct HelloCall {
    /// Of the DPE.
    pub epoch: u64,
    /// Which assembly it takes the guest for.
    pub assembly: AssemblyId,
    /// µs.
    pub heartbeat_us: u64,
    /// µs; 0: none.
    pub lease_us: u64,
    /// Time to stop services after the lease, µs.
    pub grace_us: u64,
}

/// To the DPE.
#[derive(Clone, Debug)]
pub enum ToDpe {
    /// Hello, History and Attributes.
    Welcome(Hello, Vec<Record>, Attributes),
    /// Hello was refused: the agent has obeyed a DPE with this epoch.
    Stale(u64),
    /// Hello was refused: not now, or not this DPE.
    Busy,
    /// Hello was refused: the guest belongs to another deployment or assembly.
    Occupied,
    /// Signal OperationCompleted.
    Completed(Box<Record>),
    /// Signal AttributesChanged.
    Attributes(Attributes),
    /// Signal FactsChanged.
    Facts(BTreeMap<String, String>),
    /// Signal Question.
    Asked(u64, Question),
    /// Reply of Ask.
    Relayed(Asker, Reply),
    /// Signal Leaving, of that boot.
    Leaving(String),
    /// Signal Left, of that boot.
    Left(String),
    /// Signal Heartbeat.
    Heartbeat(u64),
    /// Execute was refused: not now.
    ExecuteBusy,
    /// Execute failed.
    ExecuteRefused(String, String),
    /// Reply of Cancel.
    Cancelled(String, Task, u32),
}

/// A stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Which assembly the DPE takes it for.
    pub assembly: AssemblyId,
    /// That of the [`Connect`](controller::Connect) for which it was made.
    pub number: u64,
    /// With which epoch.
    pub epoch: u64,
    /// Index of the guest at the other end.
    pub guest: usize,
    /// Start of the DPE that made it.
    pub start: u64,
    /// The DPE has it open.
    pub open: bool,
    /// What is on the way to the agent arrives although it is closed.
    pub drains: bool,
    /// The agent has answered Hello.
    pub welcomed: bool,
    /// The agent has said that it leaves.
    pub leaving: bool,
    /// Time of the last delivery planned, each way: order is kept.
    pub last_to_agent_us: u64,
    /// See `last_to_agent_us`.
    pub last_to_dpe_us: u64,
}

/// State of the link to a guest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    /// Nothing passes until then, µs.
    pub stalled_until_us: u64,
    /// No new streams until then, µs.
    pub cut_until_us: u64,
    /// Additional delay, µs.
    pub slow_us: u64,
}

impl Link {
    /// Nothing passes until then, µs, nor before the end of an earlier stall.
    pub(crate) fn stall(&mut self, until_us: u64) {
        self.stalled_until_us = self.stalled_until_us.max(until_us);
    }
}
