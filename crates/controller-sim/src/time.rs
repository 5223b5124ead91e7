//! When the world begins.

use sim_kit::SECOND;

/// Wall clock when the world begins, µs: 2026-11-18 11:06:40 UTC.
pub(crate) const EPOCH_US: u64 = 1_795_000_000 * SECOND;
