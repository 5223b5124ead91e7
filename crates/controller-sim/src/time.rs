//! Units of virtual time.

/// Microseconds in a second.
pub const SECOND: u64 = 1_000_000;
/// Microseconds in a millisecond.
pub const MS: u64 = 1_000;
/// Wall clock when the world begins, µs: 2026-11-18 11:06:40 UTC.
pub(crate) const EPOCH_US: u64 = 1_795_000_000 * SECOND;
