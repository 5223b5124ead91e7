//! What administrators want of single services beside the document.

use cpe_status::OverlayKind;

use super::ids::{AssemblyId, ServiceId};

/// What an administrator wants of one service, group, clone or bundle, beside the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceOrder {
    /// It is to run in another assembly.
    Move {
        /// In which; `None`: in any but the one where it runs.
        to: Option<AssemblyId>,
        /// If no place to go to is named, the one that it leaves, as a plan has found it; `None`:
        /// the only one where it runs.
        from: Option<AssemblyId>,
        /// Only its promoted instance.
        promoted: bool,
        /// How long.
        lifetime: Lifetime,
    },
    /// It is not to run in an assembly.
    Ban {
        /// In which.
        assembly: AssemblyId,
        /// It may run there, but not be promoted.
        promoted: bool,
        /// How long; [`Lifetime::Placed`] is no lifetime of a ban.
        lifetime: Lifetime,
    },
    /// Ends moves and bans of it, and all of them with a restart that is under way.
    Clear {
        /// Those of this assembly; `None`: all, and a restart.
        assembly: Option<AssemblyId>,
    },
    /// It is to be stopped.
    Disable,
    /// Ends that.
    Enable,
    /// It is to be left alone.
    Unmanage,
    /// Ends that.
    Manage,
    /// It is to be stopped, and started again.
    Restart,
}

impl ServiceOrder {
    /// Its word.
    pub fn verb(&self) -> &'static str {
        match self {
            ServiceOrder::Move { .. } => "move",
            ServiceOrder::Ban { .. } => "ban",
            ServiceOrder::Clear { .. } => "clear",
            ServiceOrder::Disable => "disable",
            ServiceOrder::Enable => "enable",
            ServiceOrder::Unmanage => "unmanage",
            ServiceOrder::Manage => "manage",
            ServiceOrder::Restart => "restart",
        }
    }
}

/// How long a move or a ban lasts, if nobody ends it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until the service is where it is wanted, and would stay there by itself.
    Placed,
    /// For so many milliseconds.
    For(u64),
    /// Until it is cleared.
    Cleared,
}

/// What one entry of the overlay is about: there is one entry for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OverlayKey {
    pub service: ServiceId,
    pub kind: OverlayKind,
    /// Of moves and bans.
    pub assembly: Option<AssemblyId>,
}

impl OverlayKey {
    /// As a part of the key of a row: no name has a slash.
    pub(crate) fn text(&self) -> String {
        let (service, kind) = (&self.service, self.kind);
        match &self.assembly {
            Some(assembly) => format!("{service}/{kind}/{assembly}"),
            None => format!("{service}/{kind}"),
        }
    }

    pub(crate) fn parse(text: &str) -> Option<OverlayKey> {
        let mut parts = text.split('/');
        let service = ServiceId::from(parts.next()?);
        let kind = OverlayKind::from_word(parts.next()?);
        let assembly = parts.next().map(AssemblyId::from);
        let known = kind != OverlayKind::Unknown && parts.next().is_none();
        known.then_some(OverlayKey {
            service,
            kind,
            assembly,
        })
    }
}
