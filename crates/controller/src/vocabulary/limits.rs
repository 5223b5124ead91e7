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

use policy_engine::Schedule;

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
    /// While there is no transition.
    pub(crate) const NONE: Limits = Limits {
        batch: usize::MAX,
        node: usize::MAX,
        migrations: usize::MAX,
    };

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
