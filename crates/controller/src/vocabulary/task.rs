//! What an action does.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an action of a transition graph, or an operation in a guest, does. On the bus and on disk
/// it is a word; tasks sort by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Task {
    /// Start a resource.
    Start,
    /// Stop a resource.
    Stop,
    /// Give an instance the promoted role.
    Promote,
    /// Take the promoted role from an instance.
    Demote,
    /// Check a resource, once (a probe) or at an interval.
    #[default]
    Monitor,
    /// Tell an instance what happens to the others.
    Notify,
    /// Let a resource leave for another assembly while it runs.
    MigrateTo,
    /// Take a resource in that comes from another assembly while it runs.
    MigrateFrom,
    /// Change the parameters of a resource while it runs (OCF 1.1).
    ReloadAgent,
    /// Have a service read its own configuration again.
    Reload,
    /// Ask a resource agent to describe itself.
    MetaData,
    /// Have an agent forget a resource.
    Delete,
    /// Have an agent forget a resource, as an action of the cluster.
    LrmDelete,
    /// End a recurring operation.
    Cancel,
    /// Forget the failures of a resource in an assembly.
    ClearFailcount,
    /// Make an assembly safe.
    Stonith,
    /// Another word: a resource agent's own action, or a pseudo-action.
    Other(Box<str>),
}

impl Task {
    /// All that have a word of their own.
    const NAMED: [Task; 16] = [
        Task::Start,
        Task::Stop,
        Task::Promote,
        Task::Demote,
        Task::Monitor,
        Task::Notify,
        Task::MigrateTo,
        Task::MigrateFrom,
        Task::ReloadAgent,
        Task::Reload,
        Task::MetaData,
        Task::Delete,
        Task::LrmDelete,
        Task::Cancel,
        Task::ClearFailcount,
        Task::Stonith,
    ];

    /// Its word.
    pub fn as_str(&self) -> &str {
        match self {
            Task::Start => "start",
            Task::Stop => "stop",
            Task::Promote => "promote",
            Task::Demote => "demote",
            Task::Monitor => "monitor",
            Task::Notify => "notify",
            Task::MigrateTo => "migrate_to",
            Task::MigrateFrom => "migrate_from",
            Task::ReloadAgent => "reload-agent",
            Task::Reload => "reload",
            Task::MetaData => "meta-data",
            Task::Delete => "delete",
            Task::LrmDelete => "lrm_delete",
            Task::Cancel => "cancel",
            Task::ClearFailcount => "clear_failcount",
            Task::Stonith => "stonith",
            Task::Other(word) => word,
        }
    }

    /// Whether it can make a resource active.
    pub fn starts(&self) -> bool {
        matches!(self, Task::Start | Task::Promote | Task::MigrateFrom)
    }
}

impl From<&str> for Task {
    /// The task of a word (case-sensitive).
    fn from(word: &str) -> Task {
        let named = Task::NAMED.iter().find(|task| task.as_str() == word);
        named.map_or_else(|| Task::Other(word.into()), Task::clone)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialOrd for Task {
    fn partial_cmp(&self, other: &Task) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Task {
    fn cmp(&self, other: &Task) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Task {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Task, D::Error> {
        let word = Cow::<str>::deserialize(deserializer)?;
        Ok(Task::from(&*word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_the_task_that_wrote_it() {
        for task in Task::NAMED {
            assert_eq!(Task::from(task.as_str()), task);
        }
        assert_eq!(Task::from("validate-all").as_str(), "validate-all");
        assert_eq!(
            Task::from("START"),
            Task::Other("START".into()),
            "words are case-sensitive"
        );
    }
}
