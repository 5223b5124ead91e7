//! What is kept, and what is said of it: plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cpe_bus::Event;
use cpe_status::DeploymentState;

/// Bounds of what is kept of orders.
pub mod orders {
    /// They are kept for a week, microseconds.
    pub const LIFE: u64 = 7 * 24 * 3600 * 1_000_000;
    /// Orders of one principal that are kept.
    pub const MOST_EACH: u64 = 5_000;
    /// Orders that are kept in all.
    pub const MOST: u64 = 20_000;
}

/// Who asked, as a principal: a detail of events, and the owner of what is created.
pub const CALLER_PRINCIPAL: &str = "caller_principal";

/// Details of an event, by name.
pub type Details = BTreeMap<String, String>;

/// Whose a deployment is. Empty: nobody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// A principal, as `user:alice`.
    pub owner: String,
    /// A group's name.
    pub group: String,
}

/// What the store knows of one deployment; its documents are read when needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Another deployment of the same name has another, unless both documents say the same.
    pub uuid: String,
    /// Generation of the current document.
    pub generation: u64,
    /// Microseconds since the Unix epoch.
    pub created: u64,
    /// It is to be destroyed.
    pub destroying: Option<Destroying>,
    /// Its DPE has finished unloading: what is left is to stop the unit and to forget.
    pub unloaded: bool,
    /// Last generation that its DPE has taken; 0: none yet.
    pub loaded: u64,
    /// The unit's run that the event log told of last.
    pub invocation: String,
    /// Whether that run is going on as far as the event log knows.
    pub alive: bool,
    /// The host of that run; empty in a store of one host.
    pub host: String,
    /// The state as the host that runs it has told last; a store of one host does not keep it.
    pub state: DeploymentState,
    /// Whose it is: of who created it, until an administrator says otherwise.
    pub owned: Ownership,
}

/// What becomes of the services of a deployment that is being destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destroying {
    /// They are stopped.
    StopServices,
    /// They run on.
    LeaveServices,
}

/// What came of a request to create.
#[derive(Debug, PartialEq)]
pub enum Created {
    /// It is there now.
    New(Row),
    /// The same document was there already.
    Same(Row),
    /// Another document has that name; its generation.
    Other(u64),
    /// One of that name is not gone yet.
    BeingDestroyed,
    /// The limit of deployments is reached.
    TooMany,
}

/// What came of a request to change.
#[derive(Debug, PartialEq)]
pub enum Updated {
    /// It is done.
    New(Row),
    /// The document is the current one already.
    Same(u64),
    /// The current generation is not the expected one.
    Conflict(u64),
    /// Its uuid is another: a different deployment under the same name.
    OtherUuid(String),
    /// It is not changed any more.
    BeingDestroyed,
    /// There is none.
    NotFound,
}

/// What came of marking a deployment as to be destroyed.
#[derive(Debug, PartialEq)]
pub enum Marked {
    /// It is.
    Now(Row),
    /// The current generation is not the expected one.
    Conflict(u64),
    /// There is none.
    NotFound,
}

/// What systemd says of the unit, as far as the event log cares.
#[derive(Debug, Clone, PartialEq)]
pub enum Run {
    /// This run of the unit is going on.
    Alive {
        /// Which.
        invocation: String,
        /// The process that serves it.
        pid: u32,
        /// Whether the one before was stopped by somebody, if nobody has seen it end.
        after_stop: bool,
    },
    /// No run is going on.
    Ended {
        /// Why the last one ended,
        cause: String,
        /// and whether somebody has stopped it.
        stopped: bool,
    },
}

/// How many documents of a deployment are kept, the newest first. The current one always is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keep {
    /// So many,
    pub generations: u64,
    /// and bytes of all of them together.
    pub bytes: u64,
}

/// A document that is to be kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// As it was written.
    pub text: String,
    /// What it claims, in the words of who stores it; empty: that is not known. It is there also
    /// when the text cannot be read any more.
    pub claims: String,
    /// Where it may run, for a store that several hosts share.
    pub needs: Needs,
}

/// What a deployment asks of its host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The host has all of these.
    pub labels: BTreeSet<String>,
    /// Its programs have this version or a later one.
    pub version: u32,
    /// The shortest lease of its guests, milliseconds: what is started first.
    pub lease_ms: u32,
}

impl From<&str> for Document {
    /// Of which nothing else is known.
    fn from(text: &str) -> Document {
        Document {
            text: text.to_owned(),
            ..Document::default()
        }
    }
}

/// What is known of one generation, without its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Which.
    pub number: u64,
    /// Microseconds since the Unix epoch.
    pub accepted: u64,
    /// Of its text.
    pub bytes: u64,
    /// Who asked, as details of an event; empty if nobody did, or nobody knows.
    pub who: Details,
    /// How it came to be if nobody asked.
    pub remark: String,
}

/// Which events a query is about; empty fields match everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Of this deployment.
    pub deployment: String,
    /// Of this assembly.
    pub assembly: String,
    /// Of this service.
    pub service: String,
    /// A pattern with `*`, `?` and `[…]`, such as `service.*`.
    pub kind: String,
    /// Microseconds since the Unix epoch, inclusive.
    pub since: Option<u64>,
    /// Microseconds since the Unix epoch, exclusive.
    pub until: Option<u64>,
}

/// A part of the log.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// Oldest first.
    pub events: Vec<Event>,
    /// Where the next query goes on: nothing up to here was left out that fits the filter.
    pub next: u64,
}

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was done.
    Done,
    /// It was begun, and was not done.
    Failed,
    /// Nothing was done: the same order with the same id is tried again.
    NotNow,
    /// It was begun, and nobody knows whether it was done.
    Unknown,
}

/// An order that was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Who gave it.
    pub principal: String,
    /// Of that principal.
    pub id: String,
    /// What it is about.
    pub deployment: String,
    /// Of the deployment.
    pub uuid: String,
    /// The order: JSON.
    pub request: String,
    /// Who gave it, as details of an event.
    pub who: Details,
    /// The newest event before it.
    pub cursor: u64,
    /// Microseconds since the Unix epoch.
    pub begun: u64,
    /// The same; 0: it has not ended.
    pub ended: u64,
    /// `None`: it is being done.
    pub ending: Option<Ending>,
    /// JSON; empty: nothing.
    pub result: String,
}

/// Which order it is. The same principal may give one with the same id to the next deployment of
/// that name, and what becomes of the first one is nothing of the second. That one may have the
/// same uuid, if its document says it; but its order has a later cursor, since the log tells of the
/// first one's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderKey {
    /// Who gave it.
    pub principal: String,
    /// Of that principal.
    pub id: String,
    /// Of the deployment.
    pub uuid: String,
    /// The newest event before it.
    pub cursor: u64,
}

impl OrderKey {
    /// Whether this is that order.
    pub fn is_of(&self, given: &Given) -> bool {
        *self == given.key()
    }
}

impl Given {
    /// Which order it is.
    pub fn key(&self) -> OrderKey {
        OrderKey {
            principal: self.principal.clone(),
            id: self.id.clone(),
            uuid: self.uuid.clone(),
            cursor: self.cursor,
        }
    }

    /// Whether the same is to be done. Another order must have another id.
    pub fn asks_the_same_as(&self, other: &Given) -> bool {
        (&self.deployment, &self.request) == (&other.deployment, &other.request)
    }
}

/// What came of taking an order.
#[derive(Debug, PartialEq)]
pub enum Taken {
    /// It is to be done now.
    New(Given),
    /// It was given before.
    Known(Given),
    /// Another order was given with that id.
    Other,
    /// The deployment that it is for is not there any more. What is kept of an order could be
    /// deleted with no deployment then.
    Gone,
    /// So many are kept already, of this principal or in all.
    TooMany(u64),
}

/// A database that could not be trusted, and where it lies now.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptAside {
    /// Its new name.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// What somebody has changed: this host, or another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// This deployment is new, or another one than before, or gone: read it.
    Deployment(String),
    /// Much may have changed: read everything.
    All,
}
