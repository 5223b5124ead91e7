//! Whether an operation may be begun beside those under way: see [`Limits`].

use policy_engine::GraphAction;

use super::Controller;
use super::execute::{Run, Work};
use super::liveness::Assembly;
use crate::vocabulary::{AssemblyId, Limits, MIGRATE_SOURCE, MIGRATE_TARGET};

impl Controller {
    /// An operation may be sent to that assembly now.
    pub(crate) fn can_send(&self, node: &AssemblyId) -> bool {
        let limits = self.limits();
        let work = || {
            self.runs
                .values()
                .filter(|run| !matches!(run.work, Work::Fence))
        };
        self.assemblies.get(node).is_some_and(Assembly::reachable)
            && work().count() < limits.batch
            && work().filter(|run| counts_in(run, node.as_str())).count() < limits.node
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
            Some(transition) => transition.limits,
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
