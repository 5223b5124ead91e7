//! Questions whether there is room for every service if assemblies are lost.

use cpe_status::{RoomReport, RoomScope};

use super::ids::AssemblyId;

/// The loss of what?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomQuestion {
    /// Of any one assembly.
    Any,
    /// Of any one host, by what the document says (`host`).
    AnyHost,
    /// Of any two assemblies at once.
    Two,
    /// Of these at once.
    These(Vec<AssemblyId>),
}

impl RoomQuestion {
    /// Its word.
    pub(crate) fn scope(&self) -> RoomScope {
        match self {
            RoomQuestion::Any => RoomScope::Any,
            RoomQuestion::AnyHost => RoomScope::AnyHost,
            RoomQuestion::Two => RoomScope::Two,
            RoomQuestion::These(_) => RoomScope::Named,
        }
    }
}

/// The answer to [`Effect::CheckRoom`](crate::Effect::CheckRoom).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomAnswer {
    /// To which question.
    pub number: u64,
    /// `Err`: why there is none.
    pub outcome: Result<RoomReport, String>,
}

/// Assemblies that are lost together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    pub assemblies: Vec<AssemblyId>,
    /// The host that they are on, if a host is meant.
    pub host: String,
}
