//! Nodes (scheduler-spec/01 §8, 02 §1.2). Written by `configuration` and `status`; `assignment`
//! keeps load and capacity here.

use super::{Amounts, ProbeMode, ResourceId, Score, Table, Text};

/// What a node is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// Full member of the cluster.
    Cluster,
    /// Reached through a connection resource: a remote node, or a guest or bundle node if the
    /// connection has a launcher.
    Remote,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// `id` of the node.
    pub id: Text,
    /// `uname` of the node.
    pub name: Text,
    /// Kind; see `Cluster::is_guest` to tell guest from remote nodes.
    pub kind: NodeKind,
    /// The connection resource of a remote, guest or bundle node.
    pub connection: Option<ResourceId>,
    /// Base score: what a new entry in a score table starts from (01 §8.1, 02 §5.5; -INFINITY for
    /// bundle nodes).
    pub base_score: Score,
    /// Cluster-wide probe mode (`Never` for bundle nodes).
    pub probe_mode: ProbeMode,
    /// Node attributes, permanent and transient.
    pub attributes: Table,
    /// Capacity as configured.
    pub utilization: Table,

    /// Online.
    pub online: bool,
    /// Must be fenced before its resources are safe.
    pub unclean: bool,
    /// Joining, not usable yet.
    pub pending: bool,
    /// Shutdown requested.
    pub shutdown: bool,
    /// Standby by attribute, pending state or failure.
    pub standby: bool,
    /// Standby because of `on-fail=standby`.
    pub fail_standby: bool,
    /// Maintenance.
    pub maintenance: bool,
    /// Has a usable `node_state`.
    pub seen: bool,
    /// `expected="member"` and no shutdown requested.
    pub expected_up: bool,
    /// Probes may run here (`resource-discovery-enabled`).
    pub probes_allowed: bool,
    /// Guest or remote node that must be recovered (fenced).
    pub remote_reset: bool,
    /// `node_fenced` is nonzero.
    pub remote_fenced: bool,
    /// `node_in_maintenance` is nonzero.
    pub remote_maintenance: bool,
    /// Its history was processed.
    pub unpacked: bool,
    /// Sum for `priority-fencing-delay` (02 §17).
    pub priority: i32,
    /// Primitives active here, in order of registration (02 §17).
    pub running: Vec<ResourceId>,

    /// Number of primitives assigned here in this run (assignment).
    pub assigned_count: u32,
    /// Primitives assigned here in this run (assignment).
    pub assigned: Vec<ResourceId>,
    /// Remaining capacity (assignment; filled from `utilization` when assignment begins).
    pub capacity: Amounts,
}

impl Node {
    /// A node as it is before anything is known about it.
    pub fn new(
        id: impl Into<Text>,
        name: impl Into<Text>,
        kind: NodeKind,
        base_score: Score,
    ) -> Node {
        Node {
            id: id.into(),
            name: name.into(),
            kind,
            connection: None,
            base_score,
            probe_mode: ProbeMode::Always,
            attributes: Table::new(),
            utilization: Table::new(),
            online: false,
            unclean: false,
            pending: false,
            shutdown: false,
            standby: false,
            fail_standby: false,
            maintenance: false,
            seen: false,
            expected_up: false,
            probes_allowed: true,
            remote_reset: false,
            remote_fenced: false,
            remote_maintenance: false,
            unpacked: false,
            priority: 0,
            running: Vec::new(),
            assigned_count: 0,
            assigned: Vec::new(),
            capacity: Amounts::default(),
        }
    }

    /// Online, not shutting down, not unclean, not standby, not in maintenance (03 §1.1 "usable",
    /// 04 "available").
    pub fn is_available(&self) -> bool {
        self.online && !self.shutdown && !self.unclean && !self.standby && !self.maintenance
    }
}
