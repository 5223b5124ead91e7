//! Preferences (scheduler-spec/03 §14): before a resource gets a node, the scores of the resources
//! that are colocated with it flow into its table, attenuated by the factor of each colocation on
//! the way; mostly those of its dependents, of their dependents, and so on.
//!
//! ```text
//! merge ─ merges the preferences behind a colocation into a table, step by step or by a sum
//! summed ─ what a resource and all resources behind it add to each score
//! cache ─ the sums that are known, until a resource that they were computed from changes
//! own ─ what a single resource adds to each score
//! saturating_sum ─ a sequence of score additions as one value
//! ```

mod cache;
mod merge;
mod own;
mod saturating_sum;
mod summed;
#[cfg(test)]
mod tests;

pub(super) use cache::PreferenceCache;
pub(super) use merge::{
    Mode, Negative, WithoutUsableNode, add_dependent_preferences, has_usable, merge, with_primaries,
};
pub(super) use summed::work_for;
