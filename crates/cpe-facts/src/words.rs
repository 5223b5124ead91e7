//! What is said.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Rows that one request may change.
pub const MOST_CHANGES: usize = 100;
/// Bytes of their keys and values: etcd takes little more at once.
pub const MOST_BYTES: usize = 1 << 20;

/// Where cpe listens, below the folder of the host's part in its cluster.
pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join("store.sock")
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Which one.
    pub key: String,
    /// What it is. In a request: what it is to be; `None`: it is to be forgotten.
    pub value: Option<String>,
}

/// What a DPE asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Request {
    /// All facts of its deployment.
    Read,
    /// Write these, all or none, if the deployment is still owned under this grant, and if nothing
    /// was written since.
    Write {
        /// Revision of the grant under which the DPE runs.
        grant: u64,
        /// What the last answer said ([`Reply::Rows`], [`Reply::Written`]).
        after: u64,
        /// Who writes: another one for each process, and each time that it begins again.
        writer: String,
        /// In order; none: nobody who has read the same as the writer can write any more.
        rows: Vec<Row>,
    },
}

/// What cpe says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Reply {
    /// Some of the facts, or the last of them.
    Rows {
        /// In the order of keys.
        rows: Vec<Row>,
        /// Another reply follows.
        more: bool,
        /// The last write of all.
        at: u64,
    },
    /// It is written.
    Written {
        /// This write.
        at: u64,
    },
    /// Nothing is written: something was written since. It may be an earlier attempt of the same
    /// writer that was not answered.
    Overtaken {
        /// The last write of all.
        at: u64,
        /// Whose it was.
        writer: String,
    },
    /// Another host owns the deployment now, or the same one under a later grant.
    NotOwner,
    /// The store does not answer: it may be written, or be written later.
    Away(String),
    /// Nothing is written, and the same would not be at another time; why, for people.
    Refused(String),
}
