//! What only groups, clones and bundles have (scheduler-spec/01 §15, 04 §2, §13). Written by
//! `configuration`.

use super::{ActionId, Definition, NodeEntry, NodeId, ResourceId, ShortText, Task, Text};

/// A group's settings.
#[derive(Clone, Debug)]
pub struct GroupData {
    /// Members start one after the other.
    pub ordered: bool,
    /// Members run on one node.
    pub colocated: bool,
}

/// A clone's settings and counters.
#[derive(Clone, Debug, Default)]
pub struct CloneData {
    /// `clone-max`, after adjustments.
    pub clone_max: i32,
    /// `clone-node-max`, after adjustments.
    pub clone_node_max: i32,
    /// `promoted-max` (promotable clones).
    pub promoted_max: i32,
    /// `promoted-node-max` (promotable clones).
    pub promoted_node_max: i32,
    /// `ordered`.
    pub ordered: bool,
    /// `interleave`.
    pub interleave: bool,
    /// Number of instances created so far (status: extra ones).
    pub created: u32,
    /// Id of the cloned element in the configuration (`Clone Set: C [CHILD]`).
    pub child_config_id: Option<Text>,
    /// The cloned resource: further instances are made from it.
    pub child: Option<std::sync::Arc<Definition>>,
    /// Promotion scores were added to the instances' tables (assignment, 04 §9.2).
    pub promotion_scores_added: bool,
    /// The instances were sorted for probes, after which nobody sorts them (actions, 04 §5).
    pub sorted_for_probes: bool,
    /// Role selection has begun (assignment, 04 §9.4 step 1).
    pub choosing_roles: bool,
    /// Notification data collected when the clone is added to the graph (graph).
    pub notifications: Option<Box<CloneNotifications>>,
}

/// The notification pseudo-actions of a clone, in the order start, stop, promote, demote.
#[derive(Clone, Debug, Default)]
pub struct CloneNotifications {
    /// One for each kind of action.
    pub about: Vec<Notification>,
}

/// The pseudo-actions that announce and confirm one kind of action.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The kind of action.
    pub task: Task,
    /// Announcement that it will happen, and the confirmation that all know.
    pub pre: Option<(ActionId, ActionId)>,
    /// The same after it has happened.
    pub post: Option<(ActionId, ActionId)>,
}

/// A bundle's settings.
#[derive(Clone, Debug, Default)]
pub struct BundleData {
    /// `docker` or `podman`.
    pub technology: ShortText,
    /// `image`.
    pub image: Option<Text>,
    /// `promoted-max`.
    pub promoted_max: i32,
    /// `replicas`.
    pub replica_count: i32,
    /// `replicas-per-host`.
    pub per_host: i32,
    /// Replicas in order.
    pub replicas: Vec<Replica>,
    /// Containers in the order last sorted by assignment (04 §14.1 step 2).
    pub sorted_containers: Vec<ResourceId>,
    /// The implicit clone, if there is an inner primitive.
    pub clone: Option<ResourceId>,
}

/// One replica of a bundle.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Number from 0.
    pub number: u32,
    /// Container primitive.
    pub container: ResourceId,
    /// IP primitive.
    pub ip: Option<ResourceId>,
    /// Address of `ip`.
    pub address: Option<Text>,
    /// Connection primitive.
    pub connection: Option<ResourceId>,
    /// Instance of the implicit clone.
    pub child: Option<ResourceId>,
    /// The bundle node, with the replica's private entry (score 500, exclusive).
    pub node: Option<(NodeId, NodeEntry)>,
    /// The containers of the others start after the probes of this one (actions).
    pub probes_awaited: bool,
}
