//! Actions and the links between them (scheduler-spec/05 §1.2, §2).
//!
//! Written by `actions` (creation), `ordering` (links and propagation) and `graph` (selection).
//! `configuration` and `status` create actions only through `transition::actions`.

use smallvec::SmallVec;

use super::*;

/// An action. Its number in the graph is its id plus one.
#[derive(Clone, Debug)]
pub struct Action {
    /// Identity within the resource, or (without resource) the whole key as `Task::Other`,
    /// `Task::Stonith`, …
    pub key: OperationKey,
    /// The task: `notify`/`notified` for notification keys, `cancel` after a cancellation, else
    /// the key's task.
    pub task: Task,
    /// For `cancel`: the recurring operation that is cancelled.
    pub cancelled_task: Option<Task>,
    /// The resource.
    pub resource: Option<ResourceId>,
    /// The node; may be filled in later.
    pub node: Option<NodeId>,
    /// Shared operation options: `CRM_meta_*` of configuration and defaults, timeout, on-fail.
    pub options: Arc<OperationOptions>,
    /// Entries on top of `options.meta` (they win).
    pub own_meta: OwnMeta,
    /// Instance attributes of the `op`, once the node is known.
    pub extra: Option<Arc<Table>>,
    /// The condition under which it may run.
    pub needs: Needs,
    /// For the synapse priority.
    pub priority: i32,
    /// Why it is done, for the summary.
    pub reason: Option<Text>,
    /// For one-or-more pseudo-actions: how many firsts must be runnable.
    pub min_required: u32,
    /// How many runnable firsts were counted.
    pub seen: u32,
    /// Fencing actions and pseudo-actions without resource: the full key's text.
    pub text_key: Option<Text>,

    /// No agent is invoked.
    pub pseudo: bool,
    /// May be executed.
    pub runnable: bool,
    /// Need not be executed.
    pub optional: bool,
    /// In the graph even if optional.
    pub always_in_graph: bool,
    /// May be part of a live migration.
    pub migratable: bool,
    /// Executed by the DC (`lrm_delete`).
    pub on_dc: bool,
    /// Stop that cleans up a dangling migration.
    pub migration_abort: bool,
    /// Recurring operation whose parameters changed.
    pub reschedule: bool,
    /// `on_node` and `on_node_uuid` were written, so they appear among the meta-attributes too.
    pub node_in_meta: bool,
    /// Before-list was deduplicated.
    pub deduplicated: bool,
    /// In the graph.
    pub in_graph: bool,
    /// Loop guard.
    pub visiting: bool,

    /// Links in which this is "then". Newest **last**: "head first" iterates in reverse.
    /// Deduplication sorts it by first's id.
    pub before: Vec<InLink>,
    /// Links in which this is "first". Newest **last**.
    pub after: Vec<OutLink>,
}

/// Name of a meta-attribute.
pub type MetaName = std::borrow::Cow<'static, str>;

/// Meta-attributes of one action; most actions have at most one.
pub type OwnMeta = SmallVec<[(MetaName, Text); 1]>;

/// A link as seen from its "then".
#[derive(Clone, Copy, Debug)]
pub struct InLink {
    /// The first action.
    pub first: ActionId,
    /// Flags; propagation and graph building change them.
    pub flags: OrderFlags,
    /// The first action is a trigger in the graph.
    pub graphed: bool,
}

/// A link as seen from its "first".
#[derive(Clone, Copy, Debug)]
pub struct OutLink {
    /// The then action.
    pub then: ActionId,
    /// Flags as created.
    pub flags: OrderFlags,
}

impl Action {
    /// The value of a meta-attribute, own entries first.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.own_meta
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| &**value)
            .or_else(|| self.options.meta.text(name))
    }
    /// Sets a meta-attribute, replacing an older value.
    pub fn set_meta(&mut self, name: impl Into<MetaName>, value: impl Into<Text>) {
        let (name, value) = (name.into(), value.into());
        match self.own_meta.iter_mut().find(|(own, _)| *own == name) {
            Some(entry) => entry.1 = value,
            None => self.own_meta.push((name, value)),
        }
    }
    /// Sets the reason, if there is none yet.
    pub fn set_reason(&mut self, reason: impl Into<Text>) {
        if self.reason.is_none() {
            self.reason = Some(reason.into());
        }
    }
    /// Sets the reason, whether there is one or not.
    pub fn replace_reason(&mut self, reason: impl Into<Text>) {
        self.reason = Some(reason.into());
    }
    /// Interval in ms of a recurring action (cancellations included).
    pub fn interval_ms(&self) -> u32 {
        self.key.interval_ms
    }
}

/// How two ordered actions, "first" and "then", affect each other (scheduler-spec/05 §11.1): a set
/// of flags, named as there.
///
/// "Required" is the opposite of [`Action::optional`]. The frequent combinations: `PUSH | GATE` is
/// a mandatory ordering, `SEQ | GATE` one whose first need not happen; `PULL` is added where the
/// then has to be undone before the first. Some rules ask for exactly one flag, and are then
/// written `==`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct OrderFlags(pub u32);

macro_rules! order_flags {
    ($($(#[$doc:meta])* $name:ident = $bit:expr;)*) => {
        impl OrderFlags {
            $($(#[$doc])* pub const $name: OrderFlags = OrderFlags(1 << $bit);)*
        }
        const FLAG_NAMES: &[(&str, OrderFlags)] = &[$((stringify!($name), OrderFlags::$name)),*];
    };
}

order_flags! {
    /// If both happen, first comes before then. Nothing else.
    SEQ = 0;
    /// A required first makes then required: what depends on a restarted resource restarts too.
    PUSH = 1;
    /// A required then makes first required: before a resource is stopped, what depends on it is
    /// stopped.
    PULL = 2;
    /// [`OrderFlags::PULL`], only if the resource of then is promoted now.
    PULL_PROMOTED = 3;
    /// [`OrderFlags::PUSH`], only for actions on the node of first: unfencing.
    PUSH_LOCAL = 4;
    /// A first that is not runnable makes then not runnable: no start without what it depends on.
    GATE = 5;
    /// Then is runnable only if enough of its firsts are ([`Action::min_required`]).
    MIN_GATE = 6;
    /// First is only done if then is migratable and runnable: the steps of a live migration.
    MIG_GATE = 7;
    /// If first is not runnable, then becomes a real action that does not migrate: the start of a
    /// resource that cannot be migrated live.
    FALLBACK = 8;
    /// First is the stop in the middle of a restart.
    RESTART = 9;
    /// The probe of a bundle's connection waits for the start of its container.
    CONN_PROBE = 10;
    /// A mandatory ordering of the configuration that is not symmetrical.
    ONE_WAY = 11;
    /// `kind=Serialize` of the configuration. It has no effect of its own, but the set is not
    /// exactly [`OrderFlags::SEQ`].
    SERIAL = 12;
    /// A required then makes first optional.
    CANCELS = 13;
    /// A required and runnable first brings then into the graph.
    SHOW_THEN = 14;
    /// A required then brings first into the graph.
    SHOW_FIRST = 15;
    /// The link counts only if both are on the same node.
    SAME_NODE = 16;
    /// Capacity: first frees what then uses, so the link counts only if both are on the same node.
    LOAD = 17;
    /// Negative colocation: the link counts only if first is required and on the same node.
    SWAP = 18;
    /// The link counts only if first is not migratable.
    FIRST_NOT_MIGRATING = 19;
    /// The link also counts between a guest and what runs in it.
    INTERNAL = 20;
}

impl OrderFlags {
    /// No flag: a disabled link.
    pub const NONE: OrderFlags = OrderFlags(0);

    /// Contains all of `other`.
    pub const fn has(self, other: OrderFlags) -> bool {
        self.0 & other.0 == other.0
    }
    /// Contains at least one of `other`.
    pub const fn any(self, other: OrderFlags) -> bool {
        self.0 & other.0 != 0
    }
    /// Without `other`.
    pub const fn without(self, other: OrderFlags) -> OrderFlags {
        OrderFlags(self.0 & !other.0)
    }
    /// No flag at all.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOr for OrderFlags {
    type Output = OrderFlags;
    fn bitor(self, other: OrderFlags) -> OrderFlags {
        OrderFlags(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for OrderFlags {
    fn bitor_assign(&mut self, other: OrderFlags) {
        self.0 |= other.0;
    }
}

impl std::fmt::Debug for OrderFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = FLAG_NAMES
            .iter()
            .filter(|(_, flag)| self.has(*flag))
            .map(|(name, _)| *name)
            .collect();
        f.write_str(&names.join("+"))
    }
}

/// Options of one operation of one resource, shared by all actions that use them.
#[derive(Clone, Debug, Default)]
pub struct OperationOptions {
    /// The option table of 01 §17.2 after normalisation: `timeout` in ms, `interval` in ms or
    /// absent, `start-delay` in ms, validated `on-fail`; no `id`. Every entry becomes `CRM_meta_*`.
    pub meta: Table,
    /// `timeout` in ms.
    pub timeout_ms: u32,
    /// Failure response after defaults (01 §17.3).
    pub on_fail: OnFail,
    /// Role after failure (01 §17.3).
    pub role_after_failure: Role,
    /// There is an `op` for it.
    pub configured: bool,
    /// The `op` has instance attributes.
    pub has_parameters: bool,
}
