//! One action under way.

use crate::vocabulary::{AssemblyId, Digests, MIGRATE_SOURCE, MIGRATE_TARGET, Operation, Task};

/// An action under way.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Where.
    pub assembly: AssemblyId,
    /// Boot time after which it is given up, µs. `None`: never.
    pub deadline_us: Option<u64>,
    /// Wall clock since when, µs.
    pub since_wall_us: u64,
    /// Boot time at which its start delay is over, µs.
    pub delayed_until_us: u64,
    /// Its agent has said that it waits for that.
    pub waits: bool,
    pub work: Work,
}

/// What is under way.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Operation(Box<Operation>),
    Cancel {
        resource: String,
        action: Task,
        interval_ms: u32,
    },
    Fence,
    /// By which definitions of the devices.
    Unfence(Digests),
}

impl Run {
    /// An assembly is made safe.
    pub(crate) fn is_fence(&self) -> bool {
        matches!(self.work, Work::Fence)
    }

    /// An assembly is let in again: by which definitions of the devices.
    pub(crate) fn unfences(&self) -> Option<&Digests> {
        match &self.work {
            Work::Unfence(digests) => Some(digests),
            _ => None,
        }
    }

    /// It belongs to the assembly, not to the transition that demanded it.
    pub(crate) fn is_of_assembly(&self) -> bool {
        self.is_fence() || self.unfences().is_some()
    }

    /// The operation that an agent does.
    pub(crate) fn operation(&self) -> Option<&Operation> {
        match &self.work {
            Work::Operation(operation) => Some(operation),
            Work::Cancel { .. } | Work::Fence | Work::Unfence(_) => None,
        }
    }

    /// Nothing of it has begun: its agent has said that it waits for its start delay, and that is
    /// not over. `now_us`: boot time.
    pub(crate) fn has_not_begun(&self, now_us: u64) -> bool {
        self.waits && now_us < self.delayed_until_us
    }

    /// It is part of a live migration.
    pub(crate) fn migrates(&self) -> bool {
        self.operation()
            .is_some_and(|operation| operation.annotations.contains_key(MIGRATE_TARGET))
    }

    /// It counts in the assembly whose agent does it, a migration at its other end too. Fencing
    /// counts nowhere.
    pub(crate) fn counts_in(&self, node: &str) -> bool {
        let at_end = |end: &str| {
            self.operation()
                .and_then(|operation| operation.annotations.get(end))
                .is_some_and(|name| name == node)
        };
        !self.is_of_assembly()
            && (self.assembly == node || at_end(MIGRATE_SOURCE) || at_end(MIGRATE_TARGET))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(work: Work) -> Run {
        Run {
            assembly: "n1".into(),
            deadline_us: None,
            since_wall_us: 0,
            delayed_until_us: 0,
            waits: false,
            work,
        }
    }

    fn operation(annotations: &[(&str, &str)]) -> Run {
        let annotation = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        run(Work::Operation(Box::new(Operation {
            annotations: annotations.iter().map(annotation).collect(),
            ..Operation::default()
        })))
    }

    #[test]
    fn an_operation_counts_where_it_is_done() {
        let run = operation(&[]);
        assert!(!run.migrates());
        assert!(run.counts_in("n1") && !run.counts_in("n2"));
    }

    #[test]
    fn a_migration_counts_at_both_ends() {
        let run = operation(&[(MIGRATE_SOURCE, "n1"), (MIGRATE_TARGET, "n2")]);
        assert!(run.migrates());
        assert!(run.counts_in("n1") && run.counts_in("n2") && !run.counts_in("n3"));
    }

    #[test]
    fn what_waits_has_not_begun_until_its_start_delay_is_over() {
        let mut run = operation(&[]);
        run.delayed_until_us = 7;
        assert!(!run.has_not_begun(6), "its agent has not said so");
        run.waits = true;
        assert!(run.has_not_begun(6) && !run.has_not_begun(7));
    }

    #[test]
    fn fencing_counts_nowhere() {
        let run = run(Work::Fence);
        assert!(run.is_fence() && run.operation().is_none());
        assert!(!run.counts_in("n1"));
    }
}
