//! What a transition may take over from the one before it.
//!
//! When the world changes, what was planned is not continued, and the policy engine is asked again.
//! A start may still take a minute then. The next transition need not wait for it if it would do
//! the very same: then it is as if that had been begun first. Here is what the graph must say for
//! that, of each operation under way:
//!
//! - It is a start, a stop or a monitor. Of promotions, live migrations and notifications more than
//!   one assembly must know.
//! - The graph has exactly one action of that kind for that resource in that assembly.
//! - That waits for nothing but fencing and probes, which change nothing where it is under way. To
//!   what waits for it, it ends when both it and these have ended.
//! - Whatever else the graph does with the resource waits for it: it is not, say, to be stopped
//!   first, and started again.
//!
//! Whether the operation itself is the same, and whether its assembly is one that carries on, says
//! the controller.

use std::collections::BTreeSet;

use policy_engine::{ActionHead, ActionKind, GraphAction};

use super::execution::Step;
use super::run::Run;
use super::transition::Transition;
use crate::vocabulary::{Operation, Task};

/// The synapse of the next transition that an operation under way is. `None`: it is none, or that
/// is not certain.
pub(crate) fn heir(next: &Transition, run: &Run) -> Option<usize> {
    let operation = run.operation()?;
    let kind = &operation.action;
    if !matches!(kind, Task::Start | Task::Stop | Task::Monitor) || run.migrates() {
        return None;
    }
    let all = about(next, &operation.resource);
    let mut same = all.filter(|index| does_the_same(next, *index, run, operation));
    let index = same.next()?;
    let is_certain = same.next().is_none()
        && waits_for_little(next, index)
        && rest_follows(next, index, run, operation);
    is_certain.then_some(index)
}

/// Fencing that waits for nothing.
pub(crate) fn first_fencing(next: &Transition) -> Vec<usize> {
    let real = |index: usize| !next.is_pseudo(index);
    fencing(next)
        .filter(|index| !any_before(next, *index, real))
        .collect()
}

/// All fencing.
pub(crate) fn fencing(next: &Transition) -> impl Iterator<Item = usize> {
    let all = 0..next.graph().synapses.len();
    all.filter(|index| is_fencing(next, *index))
}

fn is_fencing(next: &Transition, index: usize) -> bool {
    let head = head(next, index);
    head.is_some_and(|head| {
        head.kind == ActionKind::Cluster && Task::from(&*head.operation) == Task::Stonith
    })
}

fn head(next: &Transition, index: usize) -> Option<&ActionHead> {
    let synapse = next.graph().synapses.get(index)?;
    next.graph().head(synapse.action)
}

fn interval_ms(next: &Transition, index: usize) -> u32 {
    let action = next.graph().actions.get(index);
    let text = action.and_then(|action| action.attribute("CRM_meta_interval"));
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The synapses whose actions are about a resource.
fn about<'n>(next: &'n Transition, resource: &'n str) -> impl Iterator<Item = usize> + 'n {
    let actions = next.graph().actions.iter().enumerate();
    let is_it = |it: &GraphAction| it.resource.as_ref().is_some_and(|it| *it.id == *resource);
    actions.filter(move |(_, it)| is_it(it)).map(|it| it.0)
}

/// The action of a synapse is of the kind of an operation, in the same assembly.
fn does_the_same(next: &Transition, index: usize, run: &Run, operation: &Operation) -> bool {
    Step::of(next.graph(), index).is_some_and(|step| {
        step.kind == ActionKind::Resource
            && step.task == operation.action
            && step.node == run.assembly
            && interval_ms(next, index) == operation.interval_ms
    })
}

/// Beside marks in the order, it waits for fencing and probes only.
fn waits_for_little(next: &Transition, index: usize) -> bool {
    let probes = |index: usize| {
        let head = head(next, index).filter(|head| head.kind == ActionKind::Resource);
        let monitors = head.is_some_and(|head| Task::from(&*head.operation) == Task::Monitor);
        monitors && interval_ms(next, index) == 0
    };
    let is_little = |index| next.is_pseudo(index) || is_fencing(next, index) || probes(index);
    !any_before(next, index, |input| !is_little(input))
}

/// Whatever else is done with the resource waits for it. Only what is done in the same assembly
/// matters where instances share the name, and to a monitor, which changes nothing elsewhere.
fn rest_follows(next: &Transition, index: usize, run: &Run, operation: &Operation) -> bool {
    let resource = next.graph().actions.get(index);
    let resource = resource.and_then(|action| action.resource.as_ref());
    let several = resource.is_some_and(|resource| resource.long_id.is_some());
    let here_only = several || operation.action == Task::Monitor;
    about(next, &operation.resource).all(|other| {
        let step = Step::of(next.graph(), other);
        let concerns = step.is_some_and(|step| {
            other != index
                && (!here_only || step.node == run.assembly)
                && !matches!(step.task, Task::Monitor | Task::Notify | Task::Cancel)
        });
        !concerns || any_before(next, other, |input| input == index)
    })
}

/// Whether one of all synapses that come before one is such.
fn any_before(next: &Transition, index: usize, such: impl Fn(usize) -> bool) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![index]);
    while let Some(index) = open.pop() {
        let synapse = next.graph().synapses.get(index);
        let inputs = synapse.into_iter().flat_map(|synapse| &synapse.inputs);
        for input in inputs.filter_map(|input| next.synapse_of(*input)) {
            if such(input) {
                return true;
            }
            if seen.insert(input) {
                open.push(input);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
