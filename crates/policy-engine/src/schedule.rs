//! The run, step by step. The numbers are those of the steps in scheduler-spec/05 §1 and 00.

use crate::cib::Cib;
use crate::graph::TransitionGraph;
use crate::model::{Cause, Cluster, RunOptions};
use crate::{actions, assignment, configuration, constraints, graph, ordering, output, status};

/// A scheduled cluster.
#[derive(Debug)]
pub struct Schedule {
    /// The working set after all stages: where everything is assigned, all actions with their
    /// reasons, score lines, messages.
    pub cluster: Cluster,
    /// What has to be done.
    pub graph: TransitionGraph,
    /// The transition summary: what changes, in words with [`output::summary::lines`].
    pub summary: Vec<output::summary::Change>,
}

/// Reads configuration and status (stages A1–A8), without scheduling: what runs where now. `now`:
/// epoch seconds.
pub fn load(cib: &Cib, now: i64, run: RunOptions) -> Cluster {
    let mut cluster = Cluster::new(cib.document().clone(), now, run);
    configuration::unpack(&mut cluster);
    cluster.note_all(Cause::Base);
    status::unpack(&mut cluster);
    cluster.note_all(Cause::State);
    cluster
}

/// Schedules a loaded cluster (stages B1–D7).
pub fn schedule_loaded(mut cluster: Cluster) -> Schedule {
    constraints::unpack(&mut cluster);
    assignment::apply_criteria(&mut cluster);
    constraints::built_in::unpack(&mut cluster);
    cluster.note_all(Cause::Container);
    actions::definitions::check(&mut cluster);
    assignment::assign(&mut cluster);
    actions::schedule(&mut cluster);
    ordering::remote::order(&mut cluster);
    actions::nodes::schedule(&mut cluster);
    let mut memory = ordering::apply(&mut cluster);
    actions::settle::settle(&mut cluster);
    let summary = output::summary::transition(&cluster);
    let graph = graph::build(&mut cluster, &mut memory);
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
