//! Orders that mean nothing, but show in what Pacemaker's scheduler decides: how its hash tables
//! are walked, and how its lists are sorted (scheduler-spec/03 appendix A).

pub(super) mod hash_order;
mod merge_sort;

pub(super) use merge_sort::merge_sort;
