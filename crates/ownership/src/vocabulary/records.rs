//! What the store keeps under each kind of key.

use std::collections::BTreeSet;

use super::ids::{ChangeId, HostId, Session};

/// Of the store as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// How often the store was restored, from 1.
    pub incarnation: u8,
    /// Hosts with an older version do not join.
    pub least: u32,
}

/// What a host is, alive or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRecord {
    /// Of its programs.
    pub version: u32,
    /// Where other hosts and people reach it; empty: it does not say.
    pub address: String,
    /// How many deployments it may run.
    pub capacity: u32,
    /// What deployments may ask for.
    pub labels: BTreeSet<String>,
    /// What administrators want of it.
    pub state: HostState,
    /// Its last session.
    pub session: Session,
    /// An administrator has said that this session of it is over: the herd guard does not wait for
    /// it.
    pub confirmed_lost: Option<Session>,
}

/// What administrators want of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It takes deployments.
    Active,
    /// It takes none and hands over those that it has.
    Draining,
}

/// What a deployment asks of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// All of these.
    pub labels: BTreeSet<String>,
    /// This version or a later one.
    pub version: u32,
}

impl Needs {
    /// Whether that host has what is asked for.
    pub fn are_met_by(&self, host: &HostRecord) -> bool {
        host.version >= self.version && self.labels.is_subset(&host.labels)
    }
}

/// What a deployment is, whoever runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRecord {
    /// Of its document, from 1.
    pub generation: u64,
    /// The change that made it so.
    pub change: ChangeId,
    /// Where it may run.
    pub needs: Needs,
    /// The shortest lease of its guests, ms: what is started first where several are taken over.
    pub lease_ms: u32,
    /// It is to be ended: its owner stops its DPE and removes both records.
    pub destroying: bool,
}

/// Who runs a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRecord {
    /// The host.
    pub host: HostId,
    /// Its session: with another one it is not the owner any more.
    pub session: Session,
    /// How it came to it.
    pub origin: Origin,
}

/// How a host came to a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody has run it before.
    New,
    /// This host has handed it over, after the end of its DPE.
    Handed(HostId),
    /// The host that had it before let go of it itself, or ran it in an earlier session of this
    /// boot, and its DPE has ended.
    Again,
    /// It was taken from a session of this host that is over: a DPE may act until that session's
    /// permit is. The record stays so when the wait is over.
    Taken(HostId),
}

impl Origin {
    /// Whether somebody else's permit has to be waited for.
    pub fn waits(&self) -> bool {
        matches!(self, Origin::Taken(_))
    }
}
