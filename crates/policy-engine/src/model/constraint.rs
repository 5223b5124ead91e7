//! Stored constraints: location entries, colocations, tickets, orderings, and resource sets after
//! expansion.

use super::*;

/// A location entry (scheduler-spec/03 §4). Written by `constraints`, read by `assignment`.
#[derive(Clone, Debug)]
pub struct Location {
    /// Id of the constraint (or the health strategy's name).
    pub id: Text,
    /// The constrained resource.
    pub resource: ResourceId,
    /// Role filter; `None` = always.
    pub role: Option<Role>,
    /// Probe mode that it sets.
    pub mode: ProbeMode,
    /// Nodes with their scores, shared by the entries of a constraint.
    pub nodes: Arc<[(NodeId, Score)]>,
}

/// A stored colocation (scheduler-spec/03 §5.1).
#[derive(Clone, Debug)]
pub struct Colocation {
    /// Id.
    pub id: Text,
    /// The resource that is placed relative to the primary.
    pub dependent: ResourceId,
    /// The resource relative to which the dependent is placed.
    pub primary: ResourceId,
    /// Score, never 0.
    pub score: Score,
    /// Role of the dependent; `None` = any.
    pub dependent_role: Option<Role>,
    /// Role of the primary; `None` = any.
    pub primary_role: Option<Role>,
    /// Node attribute, default `#uname`.
    pub attribute: Text,
    /// It comes from the configuration; otherwise it is built in.
    pub explicit: bool,
    /// Whether the preferences of the dependent count for an active primary (03 §5.3).
    pub influence: bool,
}

/// A ticket (scheduler-spec/02 §5.1).
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Id.
    pub id: Text,
    /// Granted.
    pub granted: bool,
    /// Standby.
    pub standby: bool,
    /// Epoch seconds; -1 = never given.
    pub last_granted: i64,
    /// All other attributes of its state.
    pub state: Table,
}

/// What happens to a resource that depends on a ticket when the ticket is lost (`loss-policy`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LossPolicy {
    /// It is stopped.
    Stop,
    /// It is demoted.
    Demote,
    /// It becomes unmanaged and blocked.
    Freeze,
    /// The nodes where it is active are fenced.
    Fence,
}

/// A ticket constraint (scheduler-spec/03 §6).
#[derive(Clone, Debug)]
pub struct TicketConstraint {
    /// Id.
    pub id: Text,
    /// The ticket.
    pub ticket: TicketId,
    /// The resource.
    pub resource: ResourceId,
    /// Role; `None` = any.
    pub role: Option<Role>,
    /// Effective policy.
    pub loss_policy: LossPolicy,
}

/// One side of an [`Ordering`]: an action, or whatever actions of a resource have a key.
#[derive(Clone, Copy, Debug)]
pub struct OrderingSide {
    /// The resource.
    pub resource: Option<ResourceId>,
    /// The key within the resource ([`Cluster::ordering_key`]), of the explicit action if there is
    /// one.
    pub key: KeyId,
    /// An explicit action.
    pub action: Option<ActionId>,
}

/// An abstract ordering "first before then" (scheduler-spec/05 §11.1). Written through
/// `transition::orderings`.
#[derive(Clone, Copy, Debug)]
pub struct Ordering {
    /// What comes first.
    pub first: OrderingSide,
    /// What comes then.
    pub then: OrderingSide,
    /// How the two affect each other.
    pub flags: OrderFlags,
}

/// A `resource_set` after tag and template expansion (03 §3.3), as texts.
#[derive(Clone, Debug, Default)]
pub struct ResourceSet {
    /// `id`.
    pub id: ShortText,
    /// Names of the members.
    pub members: Vec<Text>,
    /// `sequential`, if it is a valid boolean.
    pub sequential: Option<bool>,
    /// `require-all`, if it is a valid boolean.
    pub require_all: Option<bool>,
    /// `role`.
    pub role: Option<Text>,
    /// `action`.
    pub action: Option<Text>,
    /// `score`.
    pub score: Option<Text>,
    /// `kind`.
    pub kind: Option<Text>,
    /// `symmetrical`.
    pub symmetrical: Option<Text>,
    /// `ordering` (deprecated).
    pub ordering: Option<Text>,
}
