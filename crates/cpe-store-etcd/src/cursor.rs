//! The place of an event in the log of all hosts.

/// Bits of the place in a transaction.
const INDEX: u32 = 12;
/// Bits of the revision.
const REVISION: u32 = 44;

/// `incarnation:7 | revision:44 | index:12`. SQLite's integers are signed.
pub(crate) fn cursor(incarnation: u8, revision: u64, index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let low = |value: u64, bits: u32| value & ((1 << bits) - 1);
    low(incarnation.into(), 7) << (REVISION + INDEX)
        | low(revision, REVISION) << INDEX
        | low(index, INDEX)
}

/// The revision of a cursor, if it is of that incarnation.
pub(crate) fn revision(cursor: u64, incarnation: u8) -> Option<u64> {
    let of = cursor >> (REVISION + INDEX);
    let revision = (cursor >> INDEX) & ((1 << REVISION) - 1);
    (of == u64::from(incarnation)).then_some(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_rise_with_the_log() {
        let all = [
            cursor(1, 1, 0),
            cursor(1, 1, 1),
            cursor(1, 2, 0),
            cursor(1, (1 << REVISION) - 1, 4095),
            cursor(2, 1, 0),
            cursor(127, 7, 7),
        ];
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        assert!(i64::try_from(all[5]).is_ok());
        assert_eq!(revision(all[2], 1), Some(2));
        assert_eq!(revision(all[4], 1), None);
    }
}
