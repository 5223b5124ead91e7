//! One resource's history on one node, entry by entry (scheduler-spec/02 §10, §14, §18).

use std::sync::Arc;

use super::history::{self, TransitionKey, number};
use super::migration::Half;
use super::{closing, expiry, lookup, migration, reports, roles};
use crate::configuration::operations;
use crate::model::{
    Cause, Cluster, FailedOperation, NodeId, OnFail, OperationOptions, ResourceId, Role, Score,
    Task, Text,
};
use crate::transition::{actions, fencing};
use crate::xml::{Document, Element};

/// An entry that counts, with its result as it is interpreted.
#[derive(Clone, Debug)]
pub(super) struct Entry<'d> {
    pub element: Element<'d>,
    pub operation: &'d str,
    pub interval_ms: u32,
    /// Result code; degraded results are mapped to healthy ones.
    pub rc: i64,
    /// Execution status; remapped by §10.3.
    pub status: i64,
    /// From the transition key; -1 if there is none.
    pub expected_rc: i64,
    /// A probe whose raw result says that the resource cannot run here (§1.3).
    pub maskable_probe: bool,
}

impl<'d> Entry<'d> {
    /// §10.1: entries that say nothing about state are `None`.
    fn read(element: Element<'d>) -> Option<Entry<'d>> {
        const OPERATIONS: [&str; 8] = [
            "monitor",
            "start",
            "stop",
            "promote",
            "demote",
            "migrate_to",
            "migrate_from",
            "asyncmon",
        ];
        element.get("id")?;
        let operation = element
            .get("operation")
            .filter(|op| OPERATIONS.contains(op))?;
        let status = number(element, "op-status", i64::MAX);
        let rc = number(element, "rc-code", i64::MAX);
        if !(-1..=11).contains(&status) || status == 1 || !(0..=255).contains(&rc) {
            return None;
        }
        let interval_ms = u32::try_from(number(element, "interval", 0)).unwrap_or(0);
        let key = element.get("transition-key").and_then(TransitionKey::parse);
        let probe = operation == "monitor" && interval_ms == 0;
        Some(Entry {
            element,
            operation,
            interval_ms,
            rc,
            status,
            expected_rc: key.map_or(-1, |key| key.expected_rc),
            maskable_probe: probe && (matches!(rc, 5 | 2) || status == 7),
        })
    }

    pub(super) fn is_probe(&self) -> bool {
        self.operation == "monitor" && self.interval_ms == 0
    }

    /// `operation_key` if present and not empty, else `id`.
    pub(super) fn history_key(&self) -> &'d str {
        self.element
            .get("operation_key")
            .filter(|key| !key.is_empty())
            .or_else(|| self.element.get("id"))
            .unwrap_or("")
    }

    pub(super) fn task(&self) -> Task {
        Task::parse(self.operation)
    }

    /// Id ends in `_last_failure_0`.
    pub(super) fn is_last_failure(&self) -> bool {
        self.element
            .get("id")
            .is_some_and(|id| id.ends_with("_last_failure_0"))
    }

    /// Its exit code is not the expected one.
    pub(super) fn is_unexpected(&self) -> bool {
        self.raw_rc() != self.expected_rc
    }

    fn raw_rc(&self) -> i64 {
        number(self.element, "rc-code", 0)
    }
}

/// The state of reading a resource's history on a node.
pub(super) struct Reader<'d> {
    pub document: &'d Document,
    pub resource: ResourceId,
    pub node: NodeId,
    /// Strongest failure response so far.
    pub on_fail: OnFail,
    /// The last entry handled as a failure.
    pub last_failure: Option<Entry<'d>>,
}

/// Reads one `lrm_resource`; the resource it belongs to, if any.
pub(super) fn resource_history(
    cluster: &mut Cluster,
    document: &Document,
    lrm_resource: Element<'_>,
    node: NodeId,
) -> Option<ResourceId> {
    let operations = history::sorted_operations(cluster, lrm_resource);
    if operations.is_empty() && !cluster.options.shutdown_lock {
        return None;
    }
    let resource = lookup::resource_of(cluster, lrm_resource, node, !operations.is_empty())?;
    let saved_role = std::mem::replace(&mut cluster.resource_mut(resource).role, Role::Unknown);
    if cluster.options.shutdown_lock {
        expiry::shutdown_lock(cluster, lrm_resource, resource, node);
    }
    let mut reader = Reader {
        document,
        resource,
        node,
        on_fail: OnFail::Ignore,
        last_failure: None,
    };
    for id in &operations {
        if let Some(entry) = Entry::read(document.element(*id)) {
            reader.read(cluster, entry);
        }
    }
    history::create_recurring(cluster, resource, node, &operations);
    closing::close(cluster, resource, node, reader.on_fail);

    if let Some(role) = cluster.target_role(resource) {
        let resource = cluster.resource_mut(resource);
        if resource.next_role == Role::Unknown || role < resource.next_role {
            resource.next_role = role;
        }
    }
    let role = &mut cluster.resource_mut(resource).role;
    *role = saved_role.max(*role);
    Some(resource)
}

impl<'d> Reader<'d> {
    fn read(&mut self, cluster: &mut Cluster, mut entry: Entry<'d>) {
        let expired = expiry::expired(cluster, self.resource, self.node, &entry);
        self.remap(cluster, &mut entry, expired);
        if expired && self.skip_expired(cluster, &entry) {
            return;
        }
        if entry.maskable_probe && !cluster.in_bundle(self.resource) {
            let mut masked = entry.clone();
            masked.rc = entry.expected_rc;
            roles::success(cluster, self, &masked);
            self.record_failure(cluster, &entry);
            let banned = self.resource_or_clone(cluster);
            cluster.adjust(banned, self.node, Score::MINUS_INFINITY);
            cluster.note(banned, Cause::Failure(entry.element.id()));
            return;
        }
        match entry.status {
            -1 => self.pending(cluster, &entry),
            0 => roles::success(cluster, self, &entry),
            7 => self.not_installed(cluster, entry),
            status => {
                if status == 8 {
                    self.not_connected(cluster);
                }
                self.error(cluster, entry);
            }
        }
    }

    /// The resource, or the clone that all its equals are instances of (P of §10.4).
    fn resource_or_clone(&self, cluster: &Cluster) -> ResourceId {
        if cluster.resource(self.resource).unique {
            self.resource
        } else {
            cluster.top(self.resource)
        }
    }

    /// Records a failed operation for the status, once for each node and key (§22.2).
    pub(super) fn record_failure(&self, cluster: &mut Cluster, entry: &Entry<'_>) {
        if !cluster.node(self.node).online {
            return;
        }
        let key = entry.history_key();
        if cluster
            .failed_operations
            .iter()
            .any(|failed| failed.node == self.node && &*failed.key == key)
        {
            return;
        }
        cluster.failed_operations.push(FailedOperation {
            entry: entry.element.id(),
            node: self.node,
            resource: self.resource,
            key: Text::from(key),
            masked_probe: entry.maskable_probe,
        });
    }

    /// Derives an operation's status from its exit code: a result that is not the expected one is a
    /// failure, except for probes that find out the state (§10.3).
    fn remap(&mut self, cluster: &mut Cluster, entry: &mut Entry<'d>, expired: bool) {
        let healthy = match entry.rc {
            190 => 0,
            191 => 8,
            rc => rc,
        };
        if healthy != entry.rc {
            entry.rc = healthy;
            let node = cluster.node(self.node);
            if !expired && (!node.shutdown || node.online) {
                self.record_failure(cluster, entry);
            }
        }
        if entry.maskable_probe
            && !cluster.in_bundle(self.resource)
            && (entry.status != 0 || entry.rc != 7)
        {
            (entry.status, entry.rc) = (0, 7);
        }
        match entry.status {
            10 | 11 => {
                entry.status = 5;
                return;
            }
            0 | 4 => {}
            _ => return,
        }
        let (rc, expected) = (entry.rc, entry.expected_rc);
        entry.status = if expected >= 0 && rc == expected {
            0
        } else {
            4
        };
        match rc {
            0 if entry.is_probe() && expected == 7 => entry.status = 0,
            7 if entry.is_probe() || expected == 7 || !cluster.resource(self.resource).managed => {
                entry.status = 0;
                self.on_fail = OnFail::Ignore;
                let resource = cluster.resource_mut(self.resource);
                resource.role = Role::Stopped;
                resource.next_role = Role::Unknown;
            }
            8 => {
                if entry.is_probe() && expected != 8 {
                    entry.status = 0;
                }
                if !expired || expected == 8 {
                    cluster.resource_mut(self.resource).role = Role::Promoted;
                }
            }
            9 => {
                if !expired {
                    cluster.resource_mut(self.resource).role = Role::Promoted;
                }
                entry.status = 4;
            }
            6 => entry.status = 6,
            3 if entry.interval_ms > 0 => entry.status = 3,
            2..=5 => {
                if !expired {
                    self.block_if_unrecoverable(cluster, entry);
                }
                entry.status = 5;
            }
            0 | 7 => {}
            _ => entry.status = 4,
        }
    }

    fn block_if_unrecoverable(&self, cluster: &mut Cluster, entry: &Entry<'_>) {
        if entry.operation == "stop" && !fencing::can_fence(cluster, self.node) {
            let resource = cluster.resource_mut(self.resource);
            resource.managed = false;
            resource.blocked = true;
            reports::unrecoverable(cluster, self.resource, self.node, entry);
        }
    }

    /// §10.4 step 1; true if the entry is finished with.
    fn skip_expired(&self, cluster: &mut Cluster, entry: &Entry<'_>) -> bool {
        if entry.maskable_probe && entry.is_unexpected() && !cluster.in_bundle(self.resource) {
            let role = &mut cluster.resource_mut(self.resource).role;
            if *role <= Role::Stopped {
                *role = Role::Unknown;
            }
            return true;
        }
        if entry.rc == entry.expected_rc {
            return false;
        }
        if entry.interval_ms == 0 {
            return true;
        }
        let node = cluster.node(self.node);
        if node.online && !node.unclean {
            cluster.poisoned_digests.insert(entry.element.id());
            return true;
        }
        false
    }

    /// Takes a pending operation into account: the resource may be in either state (§14).
    fn pending(&mut self, cluster: &mut Cluster, entry: &Entry<'d>) {
        if let Some(failure) = &self.last_failure
            && failure.operation == entry.operation
            && failure.interval_ms == entry.interval_ms
        {
            let failed = number(failure.element, "last-rc-change", -1);
            let begun = number(entry.element, "last-rc-change", -1);
            if begun >= 0 && failed >= begun {
                return;
            }
        }
        match entry.operation {
            "start" => {
                let role = roles::active_role(cluster, self.resource);
                let resource = cluster.resource_mut(self.resource);
                resource.start_pending = true;
                resource.role = role;
            }
            "promote" => cluster.resource_mut(self.resource).role = Role::Promoted,
            "migrate_to" if cluster.node(self.node).unclean => {
                let target = entry.element.get("migrate_target");
                if let Some(target) = target.and_then(|name| cluster.find_node(name)) {
                    actions::required_once(cluster, self.resource, Task::Stop, target);
                }
            }
            _ => {}
        }
        let resource = cluster.resource_mut(self.resource);
        if resource.pending_task.is_none() && !entry.is_probe() {
            resource.pending_task = Some(entry.task());
            resource.pending_interval_ms = entry.interval_ms;
            resource.pending_node = Some(self.node);
        }
    }

    fn configured(&self, cluster: &Cluster, entry: &Entry<'_>) -> Arc<OperationOptions> {
        let (task, interval) = (entry.task(), entry.interval_ms);
        operations::options(cluster, self.resource, &task, interval, Some(self.node))
    }

    /// §10.4 step 3, status 7.
    fn not_installed(&mut self, cluster: &mut Cluster, entry: Entry<'d>) {
        let options = self.configured(cluster, &entry);
        if options.on_fail == OnFail::Ignore {
            self.on_fail = OnFail::Ban;
        }
        let banned = self.resource_or_clone(cluster);
        cluster.adjust(banned, self.node, Score::MINUS_INFINITY);
        cluster.note(banned, Cause::Failure(entry.element.id()));
        self.failure(cluster, entry, options.on_fail, options.role_after_failure);
    }

    /// §10.4 step 3, status 8.
    fn not_connected(&self, cluster: &mut Cluster) {
        if !cluster.is_remote_kind(self.node) {
            return;
        }
        if let Some(connection) = cluster.node(self.node).connection
            && cluster.resource(connection).managed
        {
            let connection = cluster.resource_mut(connection);
            connection.failed = true;
            connection.stop_if_failed = true;
        }
    }

    /// §10.4 step 3, other statuses.
    fn error(&mut self, cluster: &mut Cluster, entry: Entry<'d>) {
        let options = self.configured(cluster, &entry);
        let handling = options.on_fail;
        if handling == OnFail::Ignore
            || (handling == OnFail::RestartContainer && entry.operation == "stop")
        {
            let mut pretended = entry.clone();
            pretended.rc = entry.expected_rc;
            reports::ignored(cluster, self.resource, self.node, &entry);
            roles::success(cluster, self, &pretended);
            cluster.resource_mut(self.resource).failure_ignored = true;
            self.record_failure(cluster, &entry);
            if handling == OnFail::RestartContainer && self.on_fail <= OnFail::Restart {
                self.on_fail = OnFail::RestartContainer;
            }
            return;
        }
        let failed = entry.clone();
        self.failure(cluster, entry, handling, options.role_after_failure);
        let banned = self.resource_or_clone(cluster);
        if failed.status == 5 {
            reports::hard(cluster, banned, self.node, &failed);
            cluster.adjust(banned, self.node, Score::MINUS_INFINITY);
        } else if failed.status == 6 {
            reports::fatal(cluster, banned, &failed);
            cluster.adjust_everywhere(banned, Score::MINUS_INFINITY);
        }
        cluster.note(banned, Cause::Failure(failed.element.id()));
    }

    /// Takes a failure into account: its response, and the role after it (§12.2).
    fn failure(
        &mut self,
        cluster: &mut Cluster,
        entry: Entry<'d>,
        handling: OnFail,
        role_after_failure: Role,
    ) {
        reports::unexpected(cluster, self.resource, self.node, &entry);
        if cluster.options.symmetric || entry.rc != 5 {
            self.record_failure(cluster, &entry);
        }
        self.on_fail = self.on_fail.max(handling);
        match entry.operation {
            "stop" => {
                cluster.adjust(self.resource, self.node, Score::MINUS_INFINITY);
                cluster.note(self.resource, Cause::Failure(entry.element.id()));
            }
            "migrate_to" => migration::failed(cluster, self, &entry, Half::To),
            "migrate_from" => migration::failed(cluster, self, &entry, Half::From),
            "promote" => cluster.resource_mut(self.resource).role = Role::Promoted,
            "demote" => {
                let resource = cluster.resource_mut(self.resource);
                if handling == OnFail::Block {
                    resource.role = Role::Promoted;
                    resource.next_role = Role::Stopped;
                } else if entry.rc == 7 {
                    resource.role = Role::Stopped;
                } else {
                    resource.role = Role::Unpromoted;
                }
            }
            _ => {}
        }
        let active = roles::active_role(cluster, self.resource);
        let resource = cluster.resource_mut(self.resource);
        if entry.is_probe() && entry.rc == 5 {
            resource.role = Role::Stopped;
        } else if resource.role < Role::Started {
            resource.role = active;
        }
        if role_after_failure != Role::Started && resource.next_role < role_after_failure {
            resource.next_role = role_after_failure;
        }
        if role_after_failure == Role::Stopped {
            let banned = if cluster.in_anonymous_clone(self.resource) {
                cluster.top(self.resource)
            } else {
                self.resource
            };
            cluster.ban_own_table(banned);
            cluster.note(banned, Cause::Failure(entry.element.id()));
        }
        self.last_failure = Some(entry);
    }
}
