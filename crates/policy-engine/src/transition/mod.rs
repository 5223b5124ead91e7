//! The transition under construction: actions and orderings are created, found and linked here. All
//! stages above write them through these functions; which ones are needed is decided there.
//!
//! Interface: [`actions`], [`orderings`], [`fencing`] (which nodes, with which action),
//! [`connections`] (through which node an action goes).

pub(crate) mod actions;
pub(crate) mod connections;
pub(crate) mod fencing;
pub(crate) mod orderings;
