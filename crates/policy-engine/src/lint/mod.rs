//! An independent check of a decision: whether its graph may be carried out.
//!
//! The stages build a graph step by step, and each trusts the flags that earlier ones have set.
//! This module trusts none of them. It reads the finished graph and the facts (which resources are
//! active where, which nodes are unclean, which resources require fencing, which actions are
//! ordered), and looks for faults that must never be in a graph. [`Finding`] lists them.
//!
//! It is silent on every right decision: a finding means that a stage has a defect, so a caller
//! should not carry the decision out. The one exception is [`Finding::Circle`]: a configuration can
//! order its resources in a circle, and Pacemaker's scheduler then puts the circle into the graph.
//! Nothing of it is ever executed, so it is safe ([`Finding::is_unsafe`]), but the graph cannot be
//! finished.
//!
//! Each rule looks at each action, each input and each ordering a fixed number of times, and at
//! each score of a resource that is started at most once. Only where an input that should be there
//! is not, the graph is searched for a longer way; all searches together take a number of steps in
//! proportion to the graph.

mod circles;
mod doing;
mod fences;
mod finding;
mod places;
mod requirements;
#[cfg(test)]
mod tests;
mod view;

pub use finding::{Finding, Named};

use crate::schedule::Schedule;
use view::View;

/// Checks a decision before it is carried out. Returns all faults; without any it may be carried
/// out.
pub fn lint(schedule: &Schedule) -> Vec<Finding> {
    counted(schedule).0
}

/// [`lint`], with the number of actions, inputs, orderings and scores that were looked at.
fn counted(schedule: &Schedule) -> (Vec<Finding>, usize) {
    let (view, mut findings) = View::new(&schedule.cluster, &schedule.graph);
    circles::check(&view, &mut findings);
    places::check(&view, &mut findings);
    fences::check(&view, &mut findings);
    requirements::check(&view, &mut findings);
    (findings, view.work.get())
}
