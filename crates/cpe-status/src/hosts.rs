//! Hosts that share deployments, and the store through which they do: what `cpe` says of them. It
//! crosses the bus as JSON, as a status does.

use serde::{Deserialize, Serialize};

/// All hosts, as one of them knows them: the answer of List.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostList {
    /// By name.
    pub hosts: Vec<HostStatus>,
    /// Whether deployments are shared; false: there is one host.
    pub shares: bool,
    /// Whether the host that answers knows all of them yet.
    pub complete: bool,
    /// Very many hosts are gone: nothing is taken from them before a person says that they are
    /// lost, or they are back.
    pub guard_holds: bool,
    /// The version of the programs of the host that answers is too old for the others: it takes
    /// part in nothing.
    pub too_old: bool,
    /// Deployments that no host owns.
    pub unowned: u64,
    /// Why the store does not answer the host; empty: it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trouble: String,
}

/// One host. Times are microseconds since the Unix epoch; 0: before the host that answers began to
/// look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostStatus {
    /// Its name.
    pub name: String,
    /// Where it is reached; empty: it does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Of its programs, as a number that deployments may ask for.
    pub version: u32,
    /// `active` (it takes deployments), `draining` (it takes none and hands over its own) or
    /// `removed` (it was taken out, and has deployments still).
    pub state: String,
    /// It has shown lately that it is there.
    pub alive: bool,
    /// Since when it is alive, or is not.
    pub since: u64,
    /// It is gone, with others, and nothing is taken from it before a person says that it is lost,
    /// or it is back.
    pub waited_for: bool,
    /// A person has said that it is lost.
    pub lost: bool,
    /// Most deployments that it runs.
    pub capacity: u32,
    /// How many it owns.
    pub deployments: u64,
    /// What deployments may ask for.
    pub labels: Vec<String>,
    /// It is the one that answers.
    pub answers: bool,
}

/// A host with what it owns: the answer of Get.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostDetails {
    /// How it is.
    pub host: HostStatus,
    /// What it owns, by name: as far as the caller may know of it.
    pub owned: Vec<OwnedDeployment>,
}

/// A deployment that a host owns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnedDeployment {
    /// Its name.
    pub name: String,
    /// Since when the host has it.
    pub since: u64,
    /// Where it would go if the host drained now, as far as is known; empty: no other host can take
    /// it, and it would stay.
    pub next: String,
}

/// The store: the answer of GetStore.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreStatus {
    /// `sqlite` (a file of this host) or `etcd` (what several hosts share).
    pub kind: String,
    /// Why it does not answer, or takes no changes; empty: all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trouble: String,
    /// The id of the event log.
    pub log: String,
    /// Cursor of its newest event, as this host knows it.
    pub cursor: u64,
    /// Of etcd: its revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The file of this host: the database, or its copy of the event log.
    pub file: String,
    /// Bytes of that file, and of what belongs to it.
    pub size: u64,
    /// Bytes that its file system has left for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    /// Of etcd: each member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<StoreMember>,
}

/// A member of etcd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreMember {
    /// Its endpoint.
    pub endpoint: String,
    /// Why it does not answer; empty: it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// It leads.
    pub leads: bool,
    /// etcd's version.
    pub version: String,
    /// Bytes of its database's file.
    pub size: u64,
    /// Bytes of that which are in use.
    pub used: u64,
    /// Most bytes that the file may have. Absent: it does not say (etcd before 3.6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    /// What it complains of, as `NOSPACE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
}
