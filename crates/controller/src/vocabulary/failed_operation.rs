//! Which failures are meant by an operation.

use std::fmt;

use super::operation::Operation;
use super::task::Task;

/// An operation whose failures are meant, at one interval or at each that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedOperation {
    /// What it does.
    pub action: Task,
    /// 0: what is done once. `None`: whatever its interval.
    pub interval_ms: Option<u32>,
}

impl FailedOperation {
    /// Actions whose failures are counted.
    const COUNTED: [Task; 8] = [
        Task::Start,
        Task::Stop,
        Task::Monitor,
        Task::Promote,
        Task::Demote,
        Task::MigrateTo,
        Task::MigrateFrom,
        Task::ReloadAgent,
    ];

    /// Their words, for people.
    pub(crate) fn counted() -> String {
        FailedOperation::COUNTED
            .each_ref()
            .map(Task::as_str)
            .join(", ")
    }

    /// Whether failures of such an action are counted.
    pub(crate) fn is_counted(&self) -> bool {
        FailedOperation::COUNTED.contains(&self.action)
    }

    pub(crate) fn is(&self, operation: &Operation) -> bool {
        let interval = |wanted| wanted == operation.interval_ms;
        self.action == operation.action && self.interval_ms.is_none_or(interval)
    }

    /// Whether its failures are counted under a name, `OPERATION_INTERVAL`.
    pub(crate) fn is_counted_as(&self, name: &str) -> bool {
        let Some((action, interval_ms)) = name.rsplit_once('_') else {
            return false;
        };
        let interval = |wanted: u32| interval_ms.parse() == Ok(wanted);
        action == self.action.as_str() && self.interval_ms.is_none_or(interval)
    }
}

impl fmt::Display for FailedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.interval_ms {
            None | Some(0) => write!(f, "{}", self.action),
            Some(interval_ms) => write!(f, "{} (every {interval_ms} ms)", self.action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_action_and_interval() {
        let of = |action: Task, interval_ms| FailedOperation {
            action,
            interval_ms,
        };
        let every = of(Task::Monitor, None);
        assert!(every.is_counted_as("monitor_10000") && every.is_counted_as("monitor_0"));
        let one = of(Task::Monitor, Some(10_000));
        assert!(one.is_counted_as("monitor_10000"));
        for other in ["monitor_1000", "monitor_0", "start_10000", "monitor", ""] {
            assert!(!one.is_counted_as(other), "{other}");
        }
        assert!(of(Task::MigrateTo, Some(0)).is_counted_as("migrate_to_0"));
        assert!(of(Task::MigrateTo, None).is_counted());
        assert!(!of(Task::from("monitr"), None).is_counted());
        assert!(!of(Task::from("and"), None).is_counted());
        assert!(!of(Task::from(""), None).is_counted());
    }
}
