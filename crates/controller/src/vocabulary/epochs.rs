//! Where a DPE's epochs come from: guests obey the highest one.

use super::time::{SECOND, Time};

/// A rule for the epoch of a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EpochRule {
    /// One host alone runs the deployment: above the last epoch, and at least the seconds of the
    /// wall clock, so that it is higher than any that guests have seen even if what was saved is
    /// lost.
    #[default]
    Standalone,
    /// Several hosts share deployments, and the record of ownership gives its owner these. The wall
    /// clock has no part in it: with it a host that is cut off would outbid its successor whenever
    /// its DPE is started again.
    Granted {
        /// Above every epoch of an earlier grant.
        first: u64,
        /// Below every epoch of a later one.
        last: u64,
    },
}

/// A grant has no epoch left for another start: its host has to claim the deployment again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the grant has no epoch left: the last start had {saved}, and {last} is its last one")]
pub struct EpochsUsedUp {
    /// That of the last start.
    pub saved: u64,
    /// That of the grant.
    pub last: u64,
}

impl EpochRule {
    /// The epoch of a start; `saved`: that of the last one.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn next(self, saved: u64, now: Time) -> Result<u64, EpochsUsedUp> {
        let above = saved.saturating_add(1);
        match self {
            EpochRule::Standalone => Ok(above.max(now.wall_us / SECOND)),
            EpochRule::Granted { first, last } => Some(above.max(first))
                .filter(|epoch| *epoch <= last)
                .ok_or(EpochsUsedUp { saved, last }),
        }
    }

    /// The highest epoch that it gives.
    pub(crate) fn last(self) -> u64 {
        match self {
            EpochRule::Standalone => u64::MAX,
            EpochRule::Granted { last, .. } => last,
        }
    }
}
