//! The [`Cluster`]: everything that a run knows.

use std::cell::Cell;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::*;
use crate::xml::{Document, ElementId};

/// The names to which one name refers, each once, in order.
pub type Names = indexmap::IndexSet<Text, rustc_hash::FxBuildHasher>;

/// The working set of one run.
#[derive(Debug)]
pub struct Cluster {
    /// The input document.
    pub document: Arc<Document>,
    /// Effective time, epoch seconds.
    pub now: i64,
    /// Options of the run.
    pub run: RunOptions,
    /// Cluster options (configuration; status may set `have_fencing_device`).
    pub options: ClusterOptions,
    /// `rsc_defaults` sets in processing order.
    pub resource_defaults: Vec<NvSet>,
    /// `op_defaults` sets in processing order.
    pub operation_defaults: Vec<NvSet>,
    /// Nodes by id.
    pub nodes: Vec<Node>,
    /// The node list: sorted by name (natural comparison). Insert through `Cluster::add_node`.
    pub node_order: Vec<NodeId>,
    /// The DC.
    pub dc: Option<NodeId>,
    /// Some node of kind remote exists (01 §10).
    pub has_remote_nodes: bool,
    /// Resources by id.
    pub resources: Vec<Resource>,
    /// The resource list: top-level resources in current order (priority descending, document
    /// order; removed ones appended).
    pub top_level: Vec<ResourceId>,
    /// Templates: id → ids of resources using it, in order of unpacking (empty list: unused
    /// template).
    pub templates: FxHashMap<Text, Names>,
    /// Tags: id → object ids.
    pub tags: FxHashMap<Text, Names>,
    /// Tickets.
    pub tickets: Vec<Ticket>,
    /// Location entries, oldest first; 03 §7.5 applies them newest first.
    pub locations: Vec<Location>,
    /// Colocations.
    pub colocations: Vec<Colocation>,
    /// Ticket constraints.
    pub ticket_constraints: Vec<TicketConstraint>,
    /// Orderings in order of creation.
    pub orderings: Vec<Ordering>,
    /// Keys of the orderings' sides: few, while orderings may be millions.
    pub ordering_keys: indexmap::IndexSet<OperationKey, rustc_hash::FxBuildHasher>,
    /// Actions; `ActionId` is the index. "The global list, newest first" iterates in reverse.
    pub actions: Vec<Action>,
    /// Actions without resource by key text.
    pub singletons: FxHashMap<Text, ActionId>,
    /// Recorded failed operations (02 §22.2), in order of recording.
    pub failed_operations: Vec<FailedOperation>,
    /// Containers to be stopped after the last history (02 §18.3), oldest first.
    pub containers_to_stop: Vec<ResourceId>,
    /// Bundle connections whose definition checks wait for the assignment, in order of registration
    /// (05 §4.7).
    pub deferred_checks: Vec<DeferredCheck>,
    /// History entries whose restart digest counts as different from any calculated one, even if
    /// they have none (02 §10.4 1d). Written by `status`, read by
    /// `configuration::digests::compare`.
    pub poisoned_digests: rustc_hash::FxHashSet<ElementId>,
    /// Earliest instant later than now at which something may change.
    pub recheck_by: Cell<Option<i64>>,
    /// The same for executors, complete: also when a `date_spec` turns, which Pacemaker's scheduler
    /// does not say. Not later than [`LOOK_AHEAD_S`] from now if there is such a one. With what
    /// changes then.
    pub turns_at: Cell<Option<(i64, Turn)>>,
    /// Which scores changed and why, if `run.explain`.
    pub journal: Option<Box<Journal>>,
    /// Resources that may have changed.
    pub changed: ChangedResources,
    /// How often a resource was committed to a node, or taken from one (assignment): what was found
    /// out about places holds as long as this stays the same.
    pub commitments: u64,
    /// Score lines in order of computation, if `run.scores`.
    pub score_lines: Vec<ScoreLine>,
    /// Lines that the run prints or logs.
    pub messages: Vec<Message>,
    /// Ids and history names → resources (kept by `add_resource` and `set_history_name`).
    pub by_name: FxHashMap<Text, SmallVec<[ResourceId; 1]>>,
    /// Lower-cased node names → nodes, and lower-cased node ids → nodes (kept by `add_node`).
    pub node_names: FxHashMap<String, NodeId>,
    /// See `node_names`.
    pub node_ids: FxHashMap<String, NodeId>,
    /// The exit codes that actions expect.
    pub expected_codes: ExpectedCodes,
    /// The caches of the stages.
    pub caches: Caches,
}

/// How far a run looks for the turn of a `date_spec`, seconds: an executor asks again by then.
pub const LOOK_AHEAD_S: i64 = 40 * 86_400;

/// What time alone may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A rule begins to hold, or ends to.
    Rule,
    /// A failure expires.
    Failure,
    /// A node was waited for, or a resource kept for it, for long enough.
    Wait,
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Turn::Rule => "a rule may turn",
            Turn::Failure => "a failure expires",
            Turn::Wait => "a wait for an assembly ends",
        })
    }
}

fn note_earlier(noted: &Cell<Option<i64>>, now: i64, instant: i64) {
    if instant > now && noted.get().is_none_or(|earlier| instant < earlier) {
        noted.set(Some(instant));
    }
}

/// What a caller wants from a run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Record score lines.
    pub scores: bool,
    /// Record utilization lines.
    pub utilization: bool,
    /// Keep a journal of decisions, for [`crate::explain`].
    pub explain: bool,
    /// Compare secure digests, as simulations do (05 §4.3 step 4).
    pub sanitized: bool,
    /// The zone in which rules read the clock.
    pub zone: Zone,
    /// At which offset from UTC (seconds to the east) date specifications read the clock instead
    /// (01 §2.3).
    pub utc_offset_s: Option<i64>,
}

/// A recorded failed operation (02 §22.2).
#[derive(Clone, Debug)]
pub struct FailedOperation {
    /// The history entry.
    pub entry: ElementId,
    /// The node.
    pub node: NodeId,
    /// The resource.
    pub resource: ResourceId,
    /// History key.
    pub key: Text,
    /// A probe whose failure is masked.
    pub masked_probe: bool,
}

/// A definition check of a bundle connection that waits until the container's node is known (05
/// §4.7).
#[derive(Clone, Debug)]
pub struct DeferredCheck {
    /// The history entry.
    pub entry: ElementId,
    /// The connection.
    pub resource: ResourceId,
    /// The node of the history.
    pub node: NodeId,
    /// Registered for a last failure (status), not for an active operation (actions).
    pub last_failure: bool,
}

/// One line of the score output (06 §A.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreLine {
    /// `FUNC: RSC allocation score on NODE: SCORE`
    Allocation {
        /// `pcmk__primitive_assign`, …
        function: &'static str,
        /// The resource.
        resource: ResourceId,
        /// The node.
        node: NodeId,
        /// The score.
        score: Score,
    },
    /// `RSC promotion score on NODE: SCORE`, or `(inactive)` without node.
    Promotion {
        /// The instance.
        resource: ResourceId,
        /// Where it is assigned.
        node: Option<NodeId>,
        /// The promotion priority.
        score: Score,
    },
    /// A line of the utilization output.
    Utilization(String),
    /// What else was found out on the way, for people.
    Info(String),
}

/// Importance of a [`Message`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// A doubtful state: failures, bans, fencing.
    State,
    /// A doubtful configuration.
    Warning,
    /// A configuration error (what was ignored and why), or a state that nothing leads out of.
    Error,
    /// What an administrator asked for cannot be done.
    Critical,
}

/// A message of the run.
#[derive(Clone, Debug)]
pub struct Message {
    /// Importance.
    pub level: Level,
    /// The text.
    pub text: String,
}

/// Exit codes as texts, which the thousands of probes share.
#[derive(Clone, Debug)]
pub struct ExpectedCodes {
    /// Not running.
    pub not_running: Text,
    /// Running in the promoted role.
    pub promoted: Text,
}

impl Default for ExpectedCodes {
    fn default() -> ExpectedCodes {
        ExpectedCodes {
            not_running: "7".into(),
            promoted: "8".into(),
        }
    }
}

impl Cluster {
    /// An empty cluster over `document`.
    pub fn new(document: Arc<Document>, now: i64, run: RunOptions) -> Cluster {
        let journal = run.explain.then(Box::default);
        Cluster {
            document,
            now,
            run,
            options: ClusterOptions::default(),
            resource_defaults: Vec::new(),
            operation_defaults: Vec::new(),
            nodes: Vec::new(),
            node_order: Vec::new(),
            dc: None,
            has_remote_nodes: false,
            resources: Vec::new(),
            top_level: Vec::new(),
            templates: Default::default(),
            tags: Default::default(),
            tickets: Vec::new(),
            locations: Vec::new(),
            colocations: Vec::new(),
            ticket_constraints: Vec::new(),
            orderings: Vec::new(),
            ordering_keys: Default::default(),
            actions: Vec::new(),
            singletons: FxHashMap::default(),
            failed_operations: Vec::new(),
            containers_to_stop: Vec::new(),
            deferred_checks: Vec::new(),
            poisoned_digests: Default::default(),
            recheck_by: Cell::new(None),
            turns_at: Cell::new(None),
            journal,
            changed: ChangedResources::default(),
            commitments: 0,
            score_lines: Vec::new(),
            messages: Vec::new(),
            by_name: FxHashMap::default(),
            node_names: FxHashMap::default(),
            node_ids: FxHashMap::default(),
            expected_codes: ExpectedCodes::default(),
            caches: Caches::default(),
        }
    }

    /// The node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }
    /// The node, to change it.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }
    /// The resource.
    pub fn resource(&self, id: ResourceId) -> &Resource {
        &self.resources[id.index()]
    }
    /// The resource, to change it; which is noted ([`Cluster::for_each_changed`]).
    pub fn resource_mut(&mut self, id: ResourceId) -> &mut Resource {
        let resource = &mut self.resources[id.index()];
        self.changed.note(id, &mut resource.changed_in);
        resource
    }
    /// The action.
    pub fn action(&self, id: ActionId) -> &Action {
        &self.actions[id.index()]
    }
    /// The action, to change it.
    pub fn action_mut(&mut self, id: ActionId) -> &mut Action {
        &mut self.actions[id.index()]
    }
    /// The colocation.
    pub fn colocation(&self, id: ColocationId) -> &Colocation {
        &self.colocations[id.index()]
    }
    /// A key of an ordering's side.
    pub fn ordering_key(&self, id: KeyId) -> &OperationKey {
        &self.ordering_keys[id.index()]
    }
    /// The location entry.
    pub fn location(&self, id: LocationId) -> &Location {
        &self.locations[id.index()]
    }

    /// Adds a node and sorts it into the node list.
    pub fn add_node(&mut self, node: Node) -> NodeId {
        let id = NodeId::new(self.nodes.len());
        self.has_remote_nodes |= node.kind == NodeKind::Remote;
        self.node_names
            .entry(node.name.to_ascii_lowercase())
            .or_insert(id);
        self.node_ids
            .entry(node.id.to_ascii_lowercase())
            .or_insert(id);
        let position = self.node_order.partition_point(|other| {
            natural_compare(&self.nodes[other.index()].name, &node.name).is_lt()
        });
        self.node_order.insert(position, id);
        self.nodes.push(node);
        id
    }

    /// Adds a resource to the arena (not to the resource list, nor to its parent's children).
    pub fn add_resource(&mut self, resource: Resource) -> ResourceId {
        let id = ResourceId::new(self.resources.len());
        self.by_name
            .entry(resource.id.clone())
            .or_default()
            .push(id);
        if let Some(name) = resource.history_name.clone() {
            self.by_name.entry(name).or_default().push(id);
        }
        self.resources.push(resource);
        id
    }

    /// Sets or forgets the name under which the history knows a resource.
    pub fn set_history_name(&mut self, id: ResourceId, name: Option<Text>) {
        let old = self.resources[id.index()].history_name.take();
        if let Some(list) = old.and_then(|old| self.by_name.get_mut(&old)) {
            list.retain(|other| *other != id);
        }
        if let Some(name) = &name {
            self.by_name.entry(name.clone()).or_default().push(id);
        }
        self.resources[id.index()].history_name = name;
    }

    /// Notes that something may change at `instant` (epoch seconds), where Pacemaker's scheduler
    /// does.
    pub fn recheck_at(&self, instant: i64, what: Turn) {
        note_earlier(&self.recheck_by, self.now, instant);
        self.turn_at(instant, what);
    }

    /// Notes that something may change at `instant` (epoch seconds): for executors only.
    pub fn turn_at(&self, instant: i64, what: Turn) {
        let noted = self.turns_at.get();
        if instant > self.now && noted.is_none_or(|(earlier, _)| instant < earlier) {
            self.turns_at.set(Some((instant, what)));
        }
    }

    /// Nobody needs to know of later changes: an executor asks again before.
    pub(crate) fn looks_ahead_until(&self) -> i64 {
        let limit = self.now.saturating_add(LOOK_AHEAD_S);
        self.turns_at.get().map_or(limit, |(at, _)| at.min(limit))
    }

    /// Adds a line to the scores, if they are asked for.
    pub fn inform(&mut self, text: impl Into<String>) {
        if self.run.scores || self.run.utilization {
            self.score_lines.push(ScoreLine::Info(text.into()));
        }
    }

    /// Adds a message.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        self.messages.push(Message {
            level,
            text: text.into(),
        });
    }
}

/// The natural comparison of names (scheduler-spec/01 §3.7): digit runs by value, letters without
/// case.
pub fn natural_compare(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering::*;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (mut i, mut j) = (0, 0);
    loop {
        match (a.get(i), b.get(j)) {
            (None, None) => return Equal,
            (None, Some(_)) => return Less,
            (Some(_), None) => return Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let run = |text: &[u8], from: usize| {
                    let end = text[from..]
                        .iter()
                        .position(|c| !c.is_ascii_digit())
                        .map_or(text.len(), |n| from + n);
                    let first = text[from..end]
                        .iter()
                        .position(|c| *c != b'0')
                        .map_or(end, |n| from + n);
                    (first, end)
                };
                let ((af, ae), (bf, be)) = (run(a, i), run(b, j));
                let value = (ae - af)
                    .cmp(&(be - bf))
                    .then_with(|| a[af..ae].cmp(&b[bf..be]));
                let order = value.then((ae - i).cmp(&(be - j)));
                if order != Equal {
                    return order;
                }
                (i, j) = (ae, be);
            }
            (Some(x), Some(y)) => {
                let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
                if order != Equal {
                    return order;
                }
                (i, j) = (i + 1, j + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::natural_compare;

    #[test]
    fn names_are_compared_with_numbers_by_value() {
        let mut names = ["n10", "n9", "N1", "n007", "n7", "n"];
        names.sort_by(|a, b| natural_compare(a, b));
        assert_eq!(names, ["n", "N1", "n7", "n007", "n9", "n10"]);
    }
}
