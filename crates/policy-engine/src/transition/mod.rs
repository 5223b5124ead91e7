//! The transition under construction: how actions and orderings come into being, are found and are
//! linked. All stages above write it through here; the rules of what has to be done are theirs.
//!
//! Interface: [`actions`], [`orderings`], [`fencing`] (which nodes, with which action),
//! [`connections`] (through which node an action goes).

pub(crate) mod actions;
pub(crate) mod connections;
pub(crate) mod fencing;
pub(crate) mod orderings;
