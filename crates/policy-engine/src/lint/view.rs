//! The graph as the rules read it: which resource and which node an action is about, and which
//! actions a resource has.

use std::cell::{Cell, RefCell};

use rustc_hash::FxHashMap;

use super::{Finding, Named};
use crate::graph::{ActionHead, ActionKind, TransitionGraph};
use crate::model::{Action, Cluster, NodeId, ResourceId, Task};

/// Steps that all searches together may take for each action and each input of the graph.
const SEARCH_FACTOR: usize = 4;

/// One action of the graph.
pub(super) struct Entry {
    /// Its number.
    pub number: u32,
    pub kind: ActionKind,
    pub task: Task,
    /// The resource, if this is a one-off action of one: not recurring, not a notification.
    pub resource: Option<ResourceId>,
    /// The node. Of a pseudo-action, where it would happen if it were real.
    pub node: Option<NodeId>,
    /// Its inputs are ascending, so that one can be looked up.
    sorted: bool,
}

impl Entry {
    /// An operation of a resource agent.
    pub(super) fn is_operation(&self) -> bool {
        self.kind == ActionKind::Resource
    }
}

/// A graph beside the cluster that it was made for.
pub(super) struct View<'s> {
    pub cluster: &'s Cluster,
    pub graph: &'s TransitionGraph,
    /// By synapse.
    pub entries: Vec<Entry>,
    /// Entries by number: those that the cluster knows, and others.
    known: Vec<Option<u32>>,
    unknown: FxHashMap<u32, u32>,
    /// Entries with a resource, by resource and task; and where those of each resource begin.
    by_resource: Vec<u32>,
    begins: Vec<u32>,
    /// Entries that confirm that a clone or bundle was notified of a completion.
    confirmations: FxHashMap<(ResourceId, Task), u32>,
    /// Actions, inputs and orderings that were looked at.
    pub work: Cell<usize>,
    search: RefCell<Search>,
}

/// A search for longer ways.
struct Search {
    left: usize,
    round: u32,
    /// In which round an entry was reached last.
    reached: Vec<u32>,
}

impl<'s> View<'s> {
    /// Reads a graph. Also returns what is wrong with its numbers.
    pub(super) fn new(
        cluster: &'s Cluster,
        graph: &'s TransitionGraph,
    ) -> (View<'s>, Vec<Finding>) {
        let mut view = View {
            cluster,
            graph,
            entries: Vec::with_capacity(graph.synapses.len()),
            known: vec![None; cluster.actions.len() + 1],
            unknown: FxHashMap::default(),
            by_resource: Vec::new(),
            begins: Vec::new(),
            confirmations: FxHashMap::default(),
            work: Cell::new(0),
            search: RefCell::new(Search {
                left: 0,
                round: 0,
                reached: Vec::new(),
            }),
        };
        let findings = view.read();
        view.group();
        (view, findings)
    }

    fn read(&mut self) -> Vec<Finding> {
        let (cluster, graph) = (self.cluster, self.graph);
        let (mut findings, mut inputs) = (Vec::new(), 0);
        for (index, synapse) in graph.synapses.iter().enumerate() {
            let number = synapse.action.id;
            let head = graph.head(number);
            if head.is_none() {
                findings.push(Finding::Undescribed { number });
            }
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let place = match self.known.get_mut(number as usize) {
                Some(place) => place.replace(index),
                None => self.unknown.insert(number, index),
            };
            if place.is_some() {
                let action = self.named(number);
                findings.push(Finding::Repeated { action });
            }
            inputs += synapse.inputs.len();
            if let Some(confirmed) = head.and_then(|head| confirmed(cluster, head)) {
                self.confirmations.insert(confirmed, index);
            }
            self.entries
                .push(entry(cluster, number, head, &synapse.inputs));
        }
        self.looked_at(graph.synapses.len() + inputs);
        let search = self.search.get_mut();
        search.left = SEARCH_FACTOR * (graph.synapses.len() + inputs);
        findings
    }

    /// Sorts the entries by resource and task.
    fn group(&mut self) {
        let mut begins = vec![0u32; self.cluster.resources.len() + 1];
        for entry in &self.entries {
            if let Some(resource) = entry.resource {
                begins[resource.index() + 1] += 1;
            }
        }
        for index in 1..begins.len() {
            begins[index] += begins[index - 1];
        }
        let mut next = begins.clone();
        let mut sorted = vec![0; begins.last().map_or(0, |count| *count as usize)];
        for (index, entry) in (0u32..).zip(&self.entries) {
            if let Some(resource) = entry.resource {
                let place = &mut next[resource.index()];
                sorted[*place as usize] = index;
                *place += 1;
            }
        }
        for bounds in begins.windows(2) {
            let slice = &mut sorted[bounds[0] as usize..bounds[1] as usize];
            slice.sort_by(|a, b| {
                self.entries[*a as usize]
                    .task
                    .cmp(&self.entries[*b as usize].task)
            });
        }
        self.looked_at(self.entries.len());
        (self.by_resource, self.begins) = (sorted, begins);
    }

    /// Counts work.
    pub(super) fn looked_at(&self, count: usize) {
        self.work.set(self.work.get() + count);
    }

    /// The one-off actions of a resource with a task, as indices of entries.
    pub(super) fn actions(&self, resource: ResourceId, task: &Task) -> &[u32] {
        let index = resource.index();
        let all = &self.by_resource[self.begins[index] as usize..self.begins[index + 1] as usize];
        let task_of = |entry: &u32| &self.entries[*entry as usize].task;
        let begin = all.partition_point(|entry| task_of(entry) < task);
        let count = all[begin..].partition_point(|entry| task_of(entry) == task);
        &all[begin..begin + count]
    }

    /// The entry that confirms that a clone or bundle was notified of a completion.
    pub(super) fn confirmation(&self, resource: ResourceId, completion: &Task) -> Option<u32> {
        let key = (resource, completion.clone());
        self.confirmations.get(&key).copied()
    }

    pub(super) fn entry(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    /// What an entry waits for.
    pub(super) fn inputs(&self, index: u32) -> &'s [u32] {
        &self.graph.synapses[index as usize].inputs
    }

    /// The entry with that number, if it is in the graph.
    pub(super) fn find(&self, number: u32) -> Option<u32> {
        match self.known.get(number as usize) {
            Some(place) => *place,
            None => self.unknown.get(&number).copied(),
        }
    }

    /// Whether `first` is an input of `then`.
    pub(super) fn waits_directly(&self, then: u32, first: u32) -> bool {
        self.looked_at(1);
        let number = self.entry(first).number;
        let inputs = self.inputs(then);
        if self.entry(then).sorted {
            inputs.binary_search(&number).is_ok()
        } else {
            inputs.contains(&number)
        }
    }

    /// Whether `then` waits for `first`, itself or through others.
    pub(super) fn waits(&self, then: u32, first: u32) -> bool {
        self.waits_directly(then, first) || self.waits_indirectly(then, first)
    }

    /// Looks for a way from `then` over inputs to `first`. Right decisions hardly ever need it. After
    /// too many searches it says yes: what is not known to be wrong is no finding, and whatever made
    /// so many searches fail is among the findings already.
    fn waits_indirectly(&self, then: u32, first: u32) -> bool {
        let search = &mut *self.search.borrow_mut();
        search.reached.resize(self.entries.len(), 0);
        search.round += 1;
        let mut open = vec![then];
        while let Some(index) = open.pop() {
            for number in self.inputs(index) {
                self.looked_at(1);
                let Some(left) = search.left.checked_sub(1) else {
                    return true;
                };
                search.left = left;
                let Some(input) = self.find(*number) else {
                    continue;
                };
                if input == first {
                    return true;
                }
                if search.reached[input as usize] != search.round {
                    search.reached[input as usize] = search.round;
                    open.push(input);
                }
            }
        }
        false
    }

    /// An action with its name.
    pub(super) fn named(&self, number: u32) -> Named {
        let name = match self.graph.head(number) {
            Some(head) => {
                let key = key(head);
                match &head.on_node {
                    Some(node) => format!("{key} on {node}"),
                    None => key.to_owned(),
                }
            }
            None => format!("action {number}"),
        };
        Named { number, name }
    }

    /// An entry's action with its name.
    pub(super) fn name(&self, index: u32) -> Named {
        self.named(self.entry(index).number)
    }
}

fn key(head: &ActionHead) -> &str {
    head.internal_operation_key
        .as_ref()
        .unwrap_or(&head.operation_key)
}

fn entry(cluster: &Cluster, number: u32, head: Option<&ActionHead>, inputs: &[u32]) -> Entry {
    let sorted = inputs.is_sorted();
    let Some(head) = head else {
        return Entry {
            number,
            kind: ActionKind::Pseudo,
            task: Task::Other("".into()),
            resource: None,
            node: None,
            sorted,
        };
    };
    // What the cluster has under that number is where to look first; the texts decide.
    let action = (number as usize)
        .checked_sub(1)
        .and_then(|index| cluster.actions.get(index));
    let resource = resource(cluster, head, action);
    Entry {
        number,
        kind: head.kind,
        task: Task::parse(&head.operation),
        resource,
        node: node(
            cluster,
            head,
            action.filter(|action| action.resource == resource),
        ),
        sorted,
    }
}

/// The resource of a one-off action, by its key `RESOURCE_TASK_0`.
fn resource(cluster: &Cluster, head: &ActionHead, action: Option<&Action>) -> Option<ResourceId> {
    let id = key(head)
        .strip_suffix("_0")?
        .strip_suffix(&*head.operation)?
        .strip_suffix('_')?;
    let called = |resource: &ResourceId| *cluster.resource(*resource).id == *id;
    action
        .and_then(|action| action.resource)
        .filter(called)
        .or_else(|| find(cluster, id))
}

fn find(cluster: &Cluster, id: &str) -> Option<ResourceId> {
    let mut candidates = cluster.by_name.get(id)?.iter().copied();
    candidates.find(|resource| *cluster.resource(*resource).id == *id)
}

/// What an action confirms, by its key `RESOURCE_confirmed-post_notify_COMPLETION_0`.
fn confirmed(cluster: &Cluster, head: &ActionHead) -> Option<(ResourceId, Task)> {
    if head.kind != ActionKind::Pseudo || *head.operation != *Task::Notified.name() {
        return None;
    }
    let (id, completion) = key(head)
        .strip_suffix("_0")?
        .rsplit_once("_confirmed-post_notify_")?;
    Some((find(cluster, id)?, Task::parse(completion)))
}

fn node(cluster: &Cluster, head: &ActionHead, action: Option<&Action>) -> Option<NodeId> {
    let expected = action.and_then(|action| action.node);
    match &head.on_node {
        Some(name) => expected
            .filter(|node| cluster.node(*node).name == *name)
            .or_else(|| cluster.find_node(name)),
        None => expected.filter(|_| head.kind == ActionKind::Pseudo),
    }
}
