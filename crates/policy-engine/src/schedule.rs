//! The run, step by step: A2 to D7 are the steps of scheduler-spec/01 §1, P1 to P12 the phases of
//! 05 §1, which create actions and orderings. The order decides the numbers of actions, so it is
//! that of Pacemaker's scheduler.

use crate::cib::Cib;
use crate::graph::TransitionGraph;
use crate::model::{Cause, Cluster, RunOptions};
use crate::{actions, assignment, configuration, constraints, graph, ordering, output, status};

/// A scheduled cluster.
#[derive(Debug)]
pub struct Schedule {
    /// The working set after all stages: the node of each resource, all actions with their reasons,
    /// score lines, messages.
    pub cluster: Cluster,
    /// The actions to carry out, with their order.
    pub graph: TransitionGraph,
    /// The transition summary: what changes, in words with [`output::summary::lines`].
    pub summary: Vec<output::summary::Change>,
}

/// Reads configuration and status (steps A2–A7), without scheduling: what runs where now. `now`:
/// epoch seconds.
pub fn load(cib: &Cib, now: i64, run: RunOptions) -> Cluster {
    let mut cluster = Cluster::new(cib.document().clone(), now, run);
    configuration::unpack(&mut cluster); // A2–A6
    cluster.note_all(Cause::Base);
    status::unpack(&mut cluster); // A7
    cluster.note_all(Cause::State);
    cluster
}

/// Schedules a loaded cluster (steps B1–D7).
pub fn schedule_loaded(mut cluster: Cluster) -> Schedule {
    constraints::unpack(&mut cluster); // B1, B2
    assignment::apply_criteria(&mut cluster); // C1–C4
    constraints::built_in::unpack(&mut cluster); // D1, P5
    cluster.note_all(Cause::Container);
    actions::definitions::check(&mut cluster); // D2, P6
    assignment::assign(&mut cluster); // D3, P7
    actions::schedule(&mut cluster); // D4, P8
    ordering::remote::order(&mut cluster); // D5, P9
    actions::nodes::schedule(&mut cluster); // D6, P10
    let mut cache = ordering::apply(&mut cluster); // D7, P11
    actions::settle::settle(&mut cluster); // 06 §F trap 11
    let summary = output::summary::transition(&cluster); // 06 §B.9
    let graph = graph::build(&mut cluster, &mut cache); // D7, P12
    Schedule {
        cluster,
        graph,
        summary,
    }
}

/// Loads and schedules a CIB. `now`: epoch seconds.
pub fn schedule(cib: &Cib, now: i64, run: RunOptions) -> Schedule {
    schedule_loaded(load(cib, now, run))
}
