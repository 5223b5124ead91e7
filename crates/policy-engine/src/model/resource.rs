//! Resources of all variants (scheduler-spec/01 §11.2, 02 §1.2, 03 §1.1).
//!
//! Each field names its writers; everything else only reads it.

use super::*;

/// A resource's class, provider and type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Agent {
    /// `ocf`, `stonith`, `systemd`, …; empty for groups, clones, bundles.
    pub class: ShortText,
    /// Only for `ocf`.
    pub provider: Option<Text>,
    /// Agent type.
    pub kind: ShortText,
}

/// One configured `op` (scheduler-spec/01 §17). Written by `configuration`.
#[derive(Clone, Debug)]
pub struct OperationConfig {
    /// `id`; an op without one is never recurring.
    pub id: Option<Text>,
    /// `name`.
    pub name: Text,
    /// Parsed `interval`, 0 if absent.
    pub interval_ms: u32,
    /// `enabled` is not explicitly false.
    pub enabled: bool,
    /// `role` text.
    pub role: Option<Text>,
    /// All XML attributes in document order.
    pub attributes: Vec<(Text, Text)>,
    /// `meta_attributes` sets, in processing order.
    pub meta: Vec<NvSet>,
    /// `instance_attributes` sets, in processing order.
    pub parameters: Vec<NvSet>,
}

/// The configuration of a resource after template expansion; shared by all instances
/// made from it.
#[derive(Clone, Debug, Default)]
pub struct ResourceConfig {
    /// Element name (`primitive`, `group`, …), as the graph writes it.
    pub element: ShortText,
    /// XML attributes of the expanded element, in document order (meta-attribute precedence 1, 01
    /// §12).
    pub attributes: Vec<(Text, Text)>,
    /// `meta_attributes` sets in processing order.
    pub meta: Vec<NvSet>,
    /// `instance_attributes` sets in processing order.
    pub parameters: Vec<NvSet>,
    /// `utilization` sets in processing order.
    pub utilization: Vec<NvSet>,
    /// Operations in document order, template's included.
    pub operations: Vec<OperationConfig>,
}

/// The variant of a resource, with what only that variant has.
#[derive(Clone, Debug, Default)]
pub enum Variant {
    /// One agent.
    #[default]
    Primitive,
    /// Ordered, colocated members.
    Group(GroupData),
    /// Instances of a primitive or a group.
    Clone(CloneData),
    /// Replicas of a container.
    Bundle(BundleData),
}

/// A resource.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    // --- identity: written by configuration (and status for removed resources and extra instances)
    // ---
    /// Internal id, with `:N` for instances.
    pub id: Text,
    /// Id in the configuration, without `:N`.
    pub config_id: Text,
    /// Variant.
    pub variant: Variant,
    /// Parent.
    pub parent: Option<ResourceId>,
    /// In the resource list (only resources without parent; `Cluster::list_resource`).
    pub listed: bool,
    /// Children in current order: members, instances, or for a bundle all of its parts (04 §13.4).
    /// `assignment` and the probe step re-sort instances (04 §5).
    pub children: Vec<ResourceId>,
    /// Expanded configuration.
    pub config: Arc<ResourceConfig>,
    /// Class, provider, type.
    pub agent: Arc<Agent>,
    /// Instance number (`clone` meta) for instances and their members.
    pub instance: Option<u32>,
    /// Effective meta-attributes (01 §12).
    pub meta: Table,
    /// Own utilization (01 §14).
    pub utilization: Table,

    // --- settings: configuration; status changes those marked ---
    /// `priority`.
    pub priority: i32,
    /// `resource-stickiness`.
    pub stickiness: Score,
    /// `migration-threshold`.
    pub migration_threshold: Score,
    /// `failure-timeout` in ms, 0 = none (status may set it to 0, 02 §19.2).
    pub failure_timeout_ms: u32,
    /// `reconnect_interval` of a remote connection in ms.
    pub reconnect_interval_ms: u32,
    /// `multiple-active`.
    pub multiple_active: MultipleActive,
    /// Launcher: the resource named by meta `container`.
    pub launcher: Option<ResourceId>,
    /// Resources launched by this one, in order.
    pub launched: Vec<ResourceId>,
    /// The node that this connection connects to.
    pub remote_node: Option<NodeId>,
    /// Managed (status: maintenance nodes, blocks, removed resources; assignment: no fence device).
    pub managed: bool,
    /// In maintenance (status: maintenance node).
    pub maintenance: bool,
    /// `critical`.
    pub critical: bool,
    /// `notify`.
    pub notify: bool,
    /// `ocf:pacemaker:remote` connection.
    pub remote_connection: bool,
    /// `allow-migrate` (status clears it after odd migrations).
    pub migratable: bool,
    /// Unique: not in a clone, or instance of a globally unique clone.
    pub unique: bool,
    /// Its topmost ancestor is a promotable clone.
    pub promotable: bool,
    /// Class `stonith`.
    pub fence_device: bool,
    /// `requires` demands quorum (and not fencing).
    pub needs_quorum: bool,
    /// `requires` demands fencing.
    pub needs_fencing: bool,
    /// `requires` demands unfencing.
    pub needs_unfencing: bool,
    /// Exclusive discovery (configuration: bundles; location constraints).
    pub exclusive_discovery: bool,
    /// Connection of a bundle replica.
    pub nesting_allowed: bool,
    /// Container of a bundle replica.
    pub replica_container: bool,

    // --- status ---
    /// Name under which the history knows it, if different from `id`. Set only through
    /// `Cluster::set_history_name`.
    pub history_name: Option<Text>,
    /// Role from the history. For collectives use `Cluster::role_of`.
    pub role: Role,
    /// Role wanted; `Unknown` = not decided. Written by configuration (target-role), status,
    /// assignment, actions.
    pub next_role: Role,
    /// Nodes where it is active, in order of registration.
    pub active_on: Vec<NodeId>,
    /// Nodes whose history has the state of the resource, so that no probe is needed.
    pub known_on: NodeSet,
    /// Nodes needing a stop after a completed migration, newest first.
    pub dangling_sources: Vec<NodeId>,
    /// Source of an unfinished migration (actions may forget it).
    pub partial_source: Option<NodeId>,
    /// Target of an unfinished migration (actions may forget it).
    pub partial_target: Option<NodeId>,
    /// First pending operation that is not a probe.
    pub pending_task: Option<Task>,
    /// Interval of `pending_task` in ms.
    pub pending_interval_ms: u32,
    /// Node of `pending_task`.
    pub pending_node: Option<NodeId>,
    /// Shutdown lock: node.
    pub lock_node: Option<NodeId>,
    /// Shutdown lock: epoch seconds.
    pub lock_time: i64,
    /// Removed from the configuration ("orphan").
    pub removed: bool,
    /// Removed, and the history says that a container launched it.
    pub removed_launched: bool,
    /// The cluster does nothing with it until an administrator cleans it up.
    pub blocked: bool,
    /// Failed.
    pub failed: bool,
    /// Failed in a way that recovery includes a stop.
    pub stop_if_failed: bool,
    /// A start is in flight.
    pub start_pending: bool,
    /// Failures are ignored (`on-fail=ignore`).
    pub failure_ignored: bool,

    // --- scores: configuration (base), status (bans), constraints, assignment ---
    /// Score table.
    pub allowed: NodeTable,
    /// Location entries for this resource, oldest first ("newest first" iterates in reverse).
    pub locations: Vec<LocationId>,
    /// Own "this with" colocations, kept sorted (03 §5.1).
    pub this_with: Vec<ColocationId>,
    /// Own "with this" colocations, kept sorted (03 §5.1).
    pub with_this: Vec<ColocationId>,
    /// Ticket constraints in document order.
    pub tickets: Vec<TicketConstraintId>,

    // --- assignment ---
    /// Not assigned yet.
    pub unassigned: bool,
    /// Being assigned (loop guard).
    pub assigning: bool,
    /// The node it was assigned to (primitives).
    pub assigned: Option<NodeId>,
    /// Copy of the table entry at the time of assignment (04 §8.5 reads its score).
    pub assigned_entry: Option<NodeEntry>,
    /// The priority that counts for the order of instances, for roles and in the graph. It begins
    /// as `priority`; promotion scores and colocations of roles change it while roles are chosen
    /// (04 §9), after which the instances of a promotable clone have that of the clone.
    pub effective_priority: i32,
    /// Promotion priority (04 §9).
    pub promotion_priority: i32,

    // --- actions ---
    /// Its actions, oldest first.
    pub actions: ActionList,
    /// Changes of its children's actions (`Cluster::set_optional`, `set_runnable`, `note_action`).
    pub child_actions: ChildActions,
    /// When it was noted last that it may have changed (`Cluster::resource_mut`).
    pub changed_in: u32,
    /// Being restarted (only during 05 §5.3).
    pub restarting: bool,
    /// Definition changed so that a reload suffices.
    pub reload: bool,
    /// `multiple-active=stop_unexpected` applies (05 §5.1 step 6).
    pub stop_unexpected: bool,
}

impl Resource {
    /// A resource with all defaults, not yet in any table.
    pub fn new(
        id: Text,
        config_id: Text,
        variant: Variant,
        config: Arc<ResourceConfig>,
        agent: Arc<Agent>,
    ) -> Resource {
        Resource {
            id,
            config_id,
            variant,
            config,
            agent,
            migration_threshold: Score::INFINITY,
            managed: true,
            critical: true,
            unique: true,
            role: Role::Stopped,
            unassigned: true,
            ..Resource::default()
        }
    }

    /// Primitive?
    pub fn is_primitive(&self) -> bool {
        matches!(self.variant, Variant::Primitive)
    }
    /// Group?
    pub fn is_group(&self) -> bool {
        matches!(self.variant, Variant::Group(_))
    }
    /// Clone?
    pub fn is_clone(&self) -> bool {
        matches!(self.variant, Variant::Clone(_))
    }
    /// Bundle?
    pub fn is_bundle(&self) -> bool {
        matches!(self.variant, Variant::Bundle(_))
    }
    /// Clone or bundle (04 §1 "collective").
    pub fn is_collective(&self) -> bool {
        self.is_clone() || self.is_bundle()
    }
    /// primitive 0 < group 1 < clone 2 < bundle 3.
    pub fn rank(&self) -> u8 {
        match self.variant {
            Variant::Primitive => 0,
            Variant::Group(_) => 1,
            Variant::Clone(_) => 2,
            Variant::Bundle(_) => 3,
        }
    }
    /// Clone data, if it is a clone.
    pub fn clone_data(&self) -> Option<&CloneData> {
        match &self.variant {
            Variant::Clone(data) => Some(data),
            _ => None,
        }
    }
    /// Bundle data, if it is a bundle.
    pub fn bundle_data(&self) -> Option<&BundleData> {
        match &self.variant {
            Variant::Bundle(data) => Some(data),
            _ => None,
        }
    }
    /// Group data, if it is a group.
    pub fn group_data(&self) -> Option<&GroupData> {
        match &self.variant {
            Variant::Group(data) => Some(data),
            _ => None,
        }
    }
    /// History name if there is one, else the internal id.
    pub fn known_as(&self) -> &Text {
        self.history_name.as_ref().unwrap_or(&self.id)
    }
}
