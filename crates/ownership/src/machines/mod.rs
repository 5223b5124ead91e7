//! Parts with a state of their own. None of them sends anything.

pub(crate) mod candidates;
pub(crate) mod changes;
pub(crate) mod guard;
pub(crate) mod holdings;
pub(crate) mod jitter;
pub(crate) mod membership;
pub(crate) mod pending;
pub(crate) mod rendezvous;
pub(crate) mod seen;
pub(crate) mod view;
