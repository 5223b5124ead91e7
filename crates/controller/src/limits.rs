//! How many operations may be under way at a time (scheduler-spec/05 §18.4).
//!
//! | option | what it limits | unless it says |
//! | --- | --- | --- |
//! | `batch-limit` | all operations of the deployment | 128, which is also the most |
//! | `node-action-limit` | those in one assembly | 16 |
//! | `migration-limit` | live migrations from and to one assembly | as many as of others |
//!
//! An operation counts in the assembly whose agent does it, a migration in its source and in its
//! target. Pseudo-actions and fencing are not limited. Pacemaker's limits without options follow
//! the load of its nodes; ours are fixed.

use policy_engine::{GraphAction, Schedule};

use crate::controller::Controller;
use crate::execute::{Run, Work};
use crate::liveness::Assembly;
use crate::operation::{MIGRATE_SOURCE, MIGRATE_TARGET};
use crate::sabotage::Sabotage;

/// Operations under way at a time, unless the configuration says less.
const BATCH_LIMIT: usize = 128;
/// Operations under way at a time in one assembly, unless the configuration says otherwise.
const NODE_LIMIT: usize = 16;

/// Limits of one transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub batch: usize,
    pub node: usize,
    pub migrations: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            batch: BATCH_LIMIT,
            node: NODE_LIMIT,
            migrations: usize::MAX,
        }
    }
}

impl Limits {
    /// From the options of a configuration. What is absent, 0 or negative means the default.
    pub(crate) fn new(schedule: &Schedule) -> Limits {
        let options = &schedule.cluster.options;
        let number = |text: &str| text.trim().parse().ok().filter(|limit| *limit > 0);
        let default = Limits::default();
        Limits {
            batch: number(&options.batch_limit)
                .map_or(default.batch, |limit: usize| limit.min(BATCH_LIMIT)),
            node: number(&options.node_action_limit).unwrap_or(default.node),
            migrations: number(&options.migration_limit).unwrap_or(default.migrations),
        }
    }
}

impl Controller {
    /// An operation may be sent to that assembly now.
    pub(crate) fn can_send(&self, node: &str) -> bool {
        let limits = self.limits();
        let work = || {
            self.runs
                .values()
                .filter(|run| !matches!(run.work, Work::Fence))
        };
        self.assemblies.get(node).is_some_and(Assembly::reachable)
            && work().count() < limits.batch
            && work().filter(|run| counts_in(run, node)).count() < limits.node
    }

    /// A live migration may be under way at its ends beside those that are.
    pub(crate) fn can_migrate(&self, action: &GraphAction) -> bool {
        let limits = self.limits();
        let ends = ["CRM_meta_migrate_source", "CRM_meta_migrate_target"];
        ends.into_iter()
            .filter_map(|end| action.attribute(end))
            .all(|node| {
                let here = |run: &&Run| counts_in(run, node);
                let migrations = self
                    .runs
                    .values()
                    .filter(|run| migrates(run))
                    .filter(here)
                    .count();
                migrations < limits.migrations
                    && self.runs.values().filter(here).count() < limits.node
            })
    }

    fn limits(&self) -> Limits {
        match &self.transition {
            Some(transition) if !self.makes(Sabotage::IgnoreLimits) => transition.limits,
            _ => Limits {
                batch: usize::MAX,
                node: usize::MAX,
                migrations: usize::MAX,
            },
        }
    }
}

fn migrates(run: &Run) -> bool {
    matches!(&run.work, Work::Operation(operation) if operation.annotations.contains_key(MIGRATE_TARGET))
}

/// A run counts in the assembly whose agent does it, a migration at its other end too.
fn counts_in(run: &Run, node: &str) -> bool {
    let at_end = |end: &str| match &run.work {
        Work::Operation(operation) => operation
            .annotations
            .get(end)
            .is_some_and(|name| name == node),
        Work::Cancel { .. } | Work::Fence => false,
    };
    !matches!(run.work, Work::Fence)
        && (run.assembly == node || at_end(MIGRATE_SOURCE) || at_end(MIGRATE_TARGET))
}
