//! From a record of ownership to the epochs of a DPE.

use super::ids::Session;

/// Bits of an epoch for starts of the DPE within one grant, and for the store's revision.
const RESTART_BITS: u32 = 12;
const REVISION_BITS: u32 = 44;

/// The last start of a DPE that one grant has an epoch for.
pub const MOST_RESTARTS: u64 = (1 << RESTART_BITS) - 1;

/// The right of one host to run one deployment: the revision of the record `own` that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose right it is. A DPE sends nothing under the permit of another session.
    pub session: Session,
    /// How often the store was restored: revisions go back then, epochs must not.
    pub incarnation: u8,
    /// Of the record.
    pub revision: u64,
}

impl Grant {
    /// The epoch of the DPE's start with this number: `incarnation:7 | revision:44 | restart:12`.
    /// `None` if the grant has no such epoch: all its restarts are used up.
    pub fn epoch(self, restart: u64) -> Option<u64> {
        let fits = self.incarnation < 1 << 7
            && self.revision < 1 << REVISION_BITS
            && restart <= MOST_RESTARTS;
        let high = u64::from(self.incarnation) << (REVISION_BITS + RESTART_BITS);
        fits.then_some(high | self.revision << RESTART_BITS | restart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(incarnation: u8, revision: u64) -> Grant {
        let session = Session { boot: 1, number: 1 };
        Grant {
            session,
            incarnation,
            revision,
        }
    }

    #[test]
    fn a_later_record_and_a_restored_store_have_higher_epochs() {
        let last = grant(1, 7).epoch(MOST_RESTARTS);
        assert!(last < grant(1, 8).epoch(0));
        assert!(grant(1, (1 << 44) - 1).epoch(MOST_RESTARTS) < grant(2, 1).epoch(0));
        // Above every epoch that a host without a store has made of its wall clock, until 2106.
        assert!(grant(1, 0).epoch(0) > Some(u64::from(u32::MAX)));
    }

    #[test]
    fn what_does_not_fit_has_no_epoch() {
        assert_eq!(grant(1, 7).epoch(MOST_RESTARTS + 1), None);
        assert_eq!(grant(1, 1 << 44).epoch(0), None);
        assert_eq!(grant(128, 7).epoch(0), None);
    }
}
