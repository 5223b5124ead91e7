//! The scheduler's enumerations: roles, tasks, policies, and the operation key.

use std::fmt;

use super::Text;

/// Role of a resource, in ascending order (scheduler-spec/01 §3.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub enum Role {
    /// Not known, or (as next role) not decided.
    #[default]
    Unknown,
    /// Not running.
    Stopped,
    /// Running.
    Started,
    /// Running, instance of a promotable clone, not promoted.
    Unpromoted,
    /// Running and promoted.
    Promoted,
}

impl Role {
    /// Parses a role name, legacy names included, in any case; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Role> {
        const NAMES: [(&str, Role); 7] = [
            ("Started", Role::Started),
            ("Stopped", Role::Stopped),
            ("Promoted", Role::Promoted),
            ("Unpromoted", Role::Unpromoted),
            ("Master", Role::Promoted),
            ("Slave", Role::Unpromoted),
            ("Unknown", Role::Unknown),
        ];
        NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, role)| *role)
    }
    /// The role's name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Unknown => "Unknown",
            Role::Stopped => "Stopped",
            Role::Started => "Started",
            Role::Unpromoted => "Unpromoted",
            Role::Promoted => "Promoted",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an action does. Tasks that the scheduler does not know (agents' own actions) are
/// [`Task::Other`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Task {
    /// `start`.
    Start,
    /// `stop`.
    Stop,
    /// `promote`.
    Promote,
    /// `demote`.
    Demote,
    /// `monitor`: a probe if it is not recurring.
    Monitor,
    /// `notify`: tells an instance of a clone about other instances.
    Notify,
    /// `notified`: all instances of a clone were notified.
    Notified,
    /// `running`: all parts of a collective were started.
    Running,
    /// `stopped`: all parts of a collective were stopped.
    Stopped,
    /// `promoted`: all instances that should be are promoted.
    Promoted,
    /// `demoted`: all instances that should be are demoted.
    Demoted,
    /// `migrate_to`: the source's half of a live migration.
    MigrateTo,
    /// `migrate_from`: the target's half of a live migration.
    MigrateFrom,
    /// `reload-agent`: the agent reads its reloadable parameters again.
    ReloadAgent,
    /// `reload`: the service reads its configuration again.
    Reload,
    /// `delete`: a resource is removed from a node's history.
    Delete,
    /// `lrm_delete`: parts of a node's history are removed.
    LrmDelete,
    /// `cancel`: a recurring operation ends.
    Cancel,
    /// `clear_failcount`: the failures of a resource on a node are forgotten.
    ClearFailcount,
    /// `stonith`: a node is fenced or unfenced.
    Stonith,
    /// `do_shutdown`: a node is asked to leave the cluster.
    DoShutdown,
    /// `maintenance_nodes`: remote nodes learn whether they are in maintenance.
    MaintenanceNodes,
    /// Anything else: an agent's own recurring action, or the key of a pseudo-action without
    /// resource (`one-or-more:…`).
    Other(Text),
}

impl Task {
    const NAMED: [Task; 22] = [
        Task::Start,
        Task::Stop,
        Task::Promote,
        Task::Demote,
        Task::Monitor,
        Task::Notify,
        Task::Notified,
        Task::Running,
        Task::Stopped,
        Task::Promoted,
        Task::Demoted,
        Task::MigrateTo,
        Task::MigrateFrom,
        Task::ReloadAgent,
        Task::Reload,
        Task::Delete,
        Task::LrmDelete,
        Task::Cancel,
        Task::ClearFailcount,
        Task::Stonith,
        Task::DoShutdown,
        Task::MaintenanceNodes,
    ];

    /// The task called `name` (case-sensitive).
    pub fn parse(name: &str) -> Task {
        let named = Task::NAMED.iter().find(|task| task.name() == name);
        named.map_or_else(|| Task::Other(name.into()), Task::clone)
    }

    /// The task's name.
    pub fn name(&self) -> &str {
        match self {
            Task::Start => "start",
            Task::Stop => "stop",
            Task::Promote => "promote",
            Task::Demote => "demote",
            Task::Monitor => "monitor",
            Task::Notify => "notify",
            Task::Notified => "notified",
            Task::Running => "running",
            Task::Stopped => "stopped",
            Task::Promoted => "promoted",
            Task::Demoted => "demoted",
            Task::MigrateTo => "migrate_to",
            Task::MigrateFrom => "migrate_from",
            Task::ReloadAgent => "reload-agent",
            Task::Reload => "reload",
            Task::Delete => "delete",
            Task::LrmDelete => "lrm_delete",
            Task::Cancel => "cancel",
            Task::ClearFailcount => "clear_failcount",
            Task::Stonith => "stonith",
            Task::DoShutdown => "do_shutdown",
            Task::MaintenanceNodes => "maintenance_nodes",
            Task::Other(text) => text,
        }
    }

    /// start→running, stop→stopped, promote→promoted, demote→demoted, notify→notified; `None` for
    /// the rest.
    pub fn completion(&self) -> Option<Task> {
        Some(match self {
            Task::Start => Task::Running,
            Task::Stop => Task::Stopped,
            Task::Promote => Task::Promoted,
            Task::Demote => Task::Demoted,
            Task::Notify => Task::Notified,
            _ => return None,
        })
    }

    /// Whether this completes another task: what [`Task::completion`] returns.
    pub fn is_completion(&self) -> bool {
        matches!(
            self,
            Task::Running | Task::Stopped | Task::Promoted | Task::Demoted | Task::Notified
        )
    }

    /// The inverse of [`Task::completion`], for start, stop, promote and demote; any other task is
    /// returned as it is.
    pub fn folded(&self) -> Task {
        match self {
            Task::Running => Task::Start,
            Task::Stopped => Task::Stop,
            Task::Promoted => Task::Promote,
            Task::Demoted => Task::Demote,
            other => other.clone(),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which part of a clone notification a key belongs to (scheduler-spec/04 §16).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NotifyPhase {
    /// Instances are notified before the task.
    Pre,
    /// Instances are notified after the task.
    Post,
    /// All notifications before the task are done.
    ConfirmedPre,
    /// All notifications after the task are done.
    ConfirmedPost,
}

impl NotifyPhase {
    /// The text used in keys.
    pub fn name(self) -> &'static str {
        match self {
            NotifyPhase::Pre => "pre",
            NotifyPhase::Post => "post",
            NotifyPhase::ConfirmedPre => "confirmed-pre",
            NotifyPhase::ConfirmedPost => "confirmed-post",
        }
    }
}

/// The part of an action's key behind the resource id: `<task>_<interval>` or
/// `<phase>_notify_<task>_0`.
///
/// Together with the action's resource it is the action's identity (scheduler-spec/05 §2.1). For
/// actions without resource the whole key is `Task::Other(key)` with interval 0.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OperationKey {
    /// Set for notification keys only.
    pub notify: Option<NotifyPhase>,
    /// The task; for notification keys the operation that is notified about (`stop` in
    /// `rsc_pre_notify_stop_0`).
    pub task: Task,
    /// Interval in milliseconds.
    pub interval_ms: u32,
}

impl OperationKey {
    /// `<task>_0`.
    pub fn once(task: Task) -> OperationKey {
        OperationKey {
            notify: None,
            task,
            interval_ms: 0,
        }
    }
    /// `<task>_<interval>`.
    pub fn every(task: Task, interval_ms: u32) -> OperationKey {
        OperationKey {
            notify: None,
            task,
            interval_ms,
        }
    }
    /// `<phase>_notify_<task>_0`.
    pub fn notification(phase: NotifyPhase, task: Task) -> OperationKey {
        OperationKey {
            notify: Some(phase),
            task,
            interval_ms: 0,
        }
    }
    /// Whether this is a plain one-off `task`.
    pub fn is_once(&self, task: &Task) -> bool {
        self.notify.is_none() && self.interval_ms == 0 && self.task == *task
    }
    /// Whether the key's text ends in `_<task>_0`: also true for notifications about that task.
    pub fn ends_in(&self, task: &Task) -> bool {
        self.interval_ms == 0 && self.task == *task
    }
    /// The full key of an action of the resource called `resource`.
    pub fn of(&self, resource: &str) -> String {
        let mut key = String::with_capacity(resource.len() + 32);
        self.append(resource, &mut key);
        key
    }
    /// [`of`](Self::of), at the end of `key`.
    pub fn append(&self, resource: &str, key: &mut String) {
        key.push_str(resource);
        key.push('_');
        if let Some(phase) = self.notify {
            key.push_str(phase.name());
            key.push_str("_notify_");
        }
        key.push_str(self.task.name());
        match self.interval_ms {
            0 => key.push_str("_0"),
            interval => key.push_str(&format!("_{interval}")),
        }
    }
}

/// What an action needs to be allowed to run (scheduler-spec/05 §2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Needs {
    /// It may always run.
    #[default]
    Nothing,
    /// The cluster has quorum.
    Quorum,
    /// The cluster has quorum, and unclean nodes are fenced.
    Fencing,
}

/// Failure response, weakest first (scheduler-spec/01 §17.3, 02 §12.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum OnFail {
    /// Pretend success.
    #[default]
    Ignore,
    /// Demote and promote again.
    Demote,
    /// Stop and start.
    Restart,
    /// Drop and re-establish the remote connection (may fence the remote node).
    ResetRemote,
    /// Restart the launcher (container, VM).
    RestartContainer,
    /// Ban from the node (`migrate`).
    Ban,
    /// Do nothing with the resource any more.
    Block,
    /// Stop everywhere.
    Stop,
    /// Put the node in standby.
    Standby,
    /// Fence the node.
    Fence,
}

/// What to do with a resource found active on several nodes (`multiple-active`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MultipleActive {
    /// Stop it everywhere, then start it on one node.
    #[default]
    StopStart,
    /// Stop it everywhere.
    StopOnly,
    /// Stop it everywhere except on the node where it should be.
    StopUnexpected,
    /// Do nothing with it until an administrator decides.
    Block,
}

/// Option `no-quorum-policy` after validation (scheduler-spec/01 §7.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QuorumPolicy {
    /// Stop all resources.
    #[default]
    Stop,
    /// Start and promote nothing; what is active goes on.
    Freeze,
    /// Go on as with quorum.
    Ignore,
    /// Demote promoted instances, stop all other resources.
    Demote,
    /// Fence all nodes of the partition.
    Fence,
}

impl QuorumPolicy {
    /// The option's words. `suicide` is an older word for `fence`.
    pub const WORDS: [&str; 6] = ["stop", "freeze", "ignore", "demote", "fence", "suicide"];
}

/// Option `placement-strategy`: whether capacities matter, and which of equally good nodes is best
/// (scheduler-spec/03 §10, §18).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PlacementStrategy {
    /// Capacities do not matter; the node with the fewest resources is best.
    #[default]
    Default,
    /// Capacities matter; the node with the fewest resources is best.
    Utilization,
    /// Capacities matter; few nodes are used.
    Minimal,
    /// Capacities matter; the node with the most free capacity is best.
    Balanced,
}

/// Option `node-health-strategy`: what the health attributes of nodes mean for resources.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HealthStrategy {
    /// Nothing.
    #[default]
    None,
    /// Nodes with a red attribute are banned.
    MigrateOnRed,
    /// Nodes with a red or yellow attribute are banned.
    OnlyGreen,
    /// The values of the attributes are added to the scores of the node.
    Progressive,
    /// Nothing by itself: the configuration has rules for it.
    Custom,
}

impl HealthStrategy {
    /// The option's text, which is also the id of the location constraints that it makes.
    pub fn name(self) -> &'static str {
        match self {
            HealthStrategy::None => "none",
            HealthStrategy::MigrateOnRed => "migrate-on-red",
            HealthStrategy::OnlyGreen => "only-green",
            HealthStrategy::Progressive => "progressive",
            HealthStrategy::Custom => "custom",
        }
    }
}
