//! The graph as the rules read it: which resource and which node an action is about, what it waits
//! for, and which actions a resource has.
//!
//! A graph has tens of thousands of actions, and each is spread over several allocations. So it is
//! read once, front to back, into small arrays.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::doing::{Doing, Names};
use super::{Finding, Named};
use crate::graph::{ActionHead, ActionKind, TransitionGraph};
use crate::model::{Action, ActionId, Cluster, NodeId, ResourceId, Task, Text};

/// Steps that all searches together may take for each action and each input of the graph.
const SEARCH_FACTOR: usize = 4;

/// Up to this number, inputs are looked through one by one.
const FEW: usize = 32;

/// The place of an action that is not in the graph.
pub(super) const NOWHERE: u32 = u32::MAX;

/// One action of the graph.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Its number.
    pub number: u32,
    /// How it is executed. `None`: the graph does not say what it does.
    pub kind: Option<ActionKind>,
    pub doing: Doing,
    /// The resource, if this is a one-off action of one: not recurring, not a notification. Not
    /// read of a monitor on a node: [`View::actions`] finds those.
    pub resource: Option<ResourceId>,
    /// The node. Of a pseudo-action, where it would happen if it were real. Of a monitor it is not
    /// read: see [`View::node`].
    node: Option<NodeId>,
    /// Some input has a number that is not less than its own.
    pub waits_for_later: bool,
    /// The numbers of its inputs are ascending, so that one can be looked up.
    sorted: bool,
}

impl Entry {
    /// An operation of a resource agent.
    pub(super) fn is_operation(&self) -> bool {
        self.kind == Some(ActionKind::Resource)
    }
}

/// A graph beside the cluster that it was made for. Actions are called by their place in the graph.
pub(super) struct View<'s> {
    pub cluster: &'s Cluster,
    pub graph: &'s TransitionGraph,
    pub entries: Vec<Entry>,
    /// Places by number: of actions that the cluster knows, and of others.
    known: Vec<u32>,
    unknown: FxHashMap<u32, u32>,
    /// The numbers of what each action waits for.
    inputs: Vec<&'s [u32]>,
    /// Places of the actions that have a resource, by resource and task.
    by_resource: Vec<u32>,
    /// Where the actions of each resource with each task begin in it ([`slot`]).
    slots_begin: Vec<u32>,
    /// Places of the one-off monitors of each resource, if a rule asked for them.
    probes: OnceCell<FxHashMap<ResourceId, Vec<u32>>>,
    /// The nodes of monitors by place, if a rule asked for one.
    monitored: OnceCell<Vec<Option<NodeId>>>,
    /// All inputs are in the graph.
    pub complete: bool,
    /// Actions that confirm that a clone or bundle was notified of a completion.
    confirmations: FxHashMap<(ResourceId, Doing), u32>,
    /// Actions, inputs and orderings that were looked at.
    pub work: Cell<usize>,
    search: RefCell<Search>,
}

/// A search for longer ways.
struct Search {
    /// Steps that may still be taken.
    left: usize,
    round: u32,
    /// In which round an action was reached last.
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
            entries: Vec::new(),
            known: vec![NOWHERE; cluster.actions.len() + 1],
            unknown: FxHashMap::default(),
            inputs: Vec::new(),
            by_resource: Vec::new(),
            slots_begin: Vec::new(),
            probes: OnceCell::new(),
            monitored: OnceCell::new(),
            complete: false,
            confirmations: FxHashMap::default(),
            work: Cell::new(0),
            search: RefCell::new(Search {
                left: 0,
                round: 0,
                reached: Vec::new(),
            }),
        };
        let mut findings = Vec::new();
        view.read_synapses(&mut findings);
        view.read_heads(&mut findings);
        view.check_inputs(&mut findings);
        view.group();
        let size = view.entries.len() + view.count_inputs();
        view.search.get_mut().left = SEARCH_FACTOR * size;
        (view, findings)
    }

    /// Which actions there are, and what they wait for.
    fn read_synapses(&mut self, findings: &mut Vec<Finding>) {
        let synapses = self.graph.synapses.iter();
        // Nothing else meanwhile: the processor then waits for many synapses at a time.
        let parts = synapses.map(|synapse| (synapse.action, synapse.inputs.as_slice()));
        let numbers: Vec<u32>;
        (numbers, self.inputs) = parts.unzip();
        self.entries.reserve(numbers.len());
        for (place, (number, inputs)) in (0u32..).zip(numbers.into_iter().zip(&self.inputs)) {
            let old = match self.known.get_mut(number as usize) {
                Some(known) => std::mem::replace(known, place),
                None => self.unknown.insert(number, place).unwrap_or(NOWHERE),
            };
            if old != NOWHERE {
                findings.push(Finding::Repeated {
                    action: self.named(number),
                });
            }
            self.entries.push(Entry {
                number,
                kind: None,
                doing: Doing::Other,
                resource: None,
                node: None,
                // Both look at all inputs, without a branch for each.
                waits_for_later: inputs.iter().fold(0, |most, input| most.max(*input)) >= number,
                sorted: inputs
                    .windows(2)
                    .fold(true, |so_far, two| so_far & (two[0] <= two[1])),
            });
        }
        self.looked_at(self.entries.len() + self.count_inputs());
    }

    /// What the actions do. The heads are in the order of numbers, as are the cluster's actions.
    fn read_heads(&mut self, findings: &mut Vec<Finding>) {
        let (cluster, graph) = (self.cluster, self.graph);
        self.looked_at(graph.heads.len());
        let mut names = Names::default();
        let nodes = NodeNames::of(cluster);
        for head in &graph.heads {
            let place = self.find(head.id);
            if place == NOWHERE {
                continue;
            }
            let entry = &mut self.entries[place as usize];
            entry.kind = Some(head.kind);
            entry.doing = names.find(&head.operation);
            // Most actions are probes, and hardly a rule asks for more of them.
            if entry.doing == Doing::Monitor && head.on_node.is_some() {
                continue;
            }
            let action = action(cluster, head);
            entry.resource = resource(cluster, head, action);
            entry.node = match &head.on_node {
                Some(name) => nodes.find(name),
                None => pseudo_node(head, action, entry.resource),
            };
            if entry.doing == Doing::Notified
                && let Some(confirmed) = confirmed(cluster, head)
            {
                self.confirmations.insert(confirmed, place);
            }
        }
        let described = graph.actions.len();
        let entries = self.entries.iter().enumerate();
        for (_, entry) in entries.filter(|(at, own)| own.kind.is_none() || *at >= described) {
            findings.push(Finding::Undescribed {
                number: entry.number,
            });
        }
    }

    /// An input has to exist; it need not be in the graph.
    fn check_inputs(&mut self, findings: &mut Vec<Finding>) {
        self.looked_at(self.count_inputs());
        let is_here = |input: &u32| self.find(*input) != NOWHERE;
        self.complete = self.inputs.iter().copied().flatten().all(is_here);
        if self.complete {
            return;
        }
        for (place, entry) in (0u32..).zip(&self.entries) {
            for input in self.numbers(place) {
                if self.find(*input) == NOWHERE && self.graph.head(*input).is_none() {
                    findings.push(Finding::UnknownInput {
                        action: self.named(entry.number),
                        input: *input,
                    });
                }
            }
        }
    }

    /// Sorts the actions by resource and task, by counting them.
    fn group(&mut self) {
        let slots = self.cluster.resources.len() * Doing::COUNT;
        // First how many there are, at the slot after their own; then where their slot begins.
        let mut begin = vec![0u32; slots + 2];
        for entry in &self.entries {
            if let Some(resource) = entry.resource {
                begin[slot(resource, entry.doing) + 2] += 1;
            }
        }
        let mut sum = 0;
        for count in &mut begin {
            sum += *count;
            *count = sum;
        }
        let mut sorted = vec![0; sum as usize];
        for (place, entry) in (0u32..).zip(&self.entries) {
            if let Some(resource) = entry.resource {
                let at = &mut begin[slot(resource, entry.doing) + 1];
                sorted[*at as usize] = place;
                *at += 1;
            }
        }
        self.looked_at(self.entries.len() + self.cluster.resources.len());
        (self.by_resource, self.slots_begin) = (sorted, begin);
    }

    /// Counts work.
    pub(super) fn looked_at(&self, count: usize) {
        self.work.set(self.work.get() + count);
    }

    /// The one-off actions of a resource that do this.
    pub(super) fn actions(&self, resource: ResourceId, doing: Doing) -> &[u32] {
        if doing == Doing::Monitor {
            let probes = self.probes.get_or_init(|| self.read_probes());
            return probes.get(&resource).map_or(&[], Vec::as_slice);
        }
        let slot = slot(resource, doing);
        let (begin, end) = (self.slots_begin[slot], self.slots_begin[slot + 1]);
        &self.by_resource[begin as usize..end as usize]
    }

    /// Whose the one-off monitors are. Hardly any rule asks for that.
    fn read_probes(&self) -> FxHashMap<ResourceId, Vec<u32>> {
        self.looked_at(self.graph.heads.len());
        let mut probes: FxHashMap<ResourceId, Vec<u32>> = FxHashMap::default();
        for head in &self.graph.heads {
            let place = self.find(head.id);
            if place != NOWHERE
                && self.entry(place).doing == Doing::Monitor
                && let Some(resource) = resource(self.cluster, head, action(self.cluster, head))
            {
                probes.entry(resource).or_default().push(place);
            }
        }
        probes
    }

    /// The node of an action. Of a pseudo-action, where it would happen if it were real.
    pub(super) fn node(&self, place: u32) -> Option<NodeId> {
        let entry = self.entry(place);
        let monitored = || self.monitored.get_or_init(|| self.read_monitored());
        match entry.doing {
            Doing::Monitor => monitored()[place as usize].or(entry.node),
            _ => entry.node,
        }
    }

    /// Where the monitors are. Only where a node is fenced a rule asks for that.
    fn read_monitored(&self) -> Vec<Option<NodeId>> {
        self.looked_at(self.graph.heads.len());
        let names = NodeNames::of(self.cluster);
        let mut nodes = vec![None; self.entries.len()];
        for head in &self.graph.heads {
            let place = self.find(head.id);
            if place != NOWHERE
                && self.entry(place).doing == Doing::Monitor
                && let Some(name) = &head.on_node
            {
                nodes[place as usize] = names.find(name);
            }
        }
        nodes
    }

    /// The action that confirms that a clone or bundle was notified of a completion.
    pub(super) fn confirmation(&self, resource: ResourceId, completion: Doing) -> Option<u32> {
        self.confirmations.get(&(resource, completion)).copied()
    }

    pub(super) fn entry(&self, place: u32) -> &Entry {
        &self.entries[place as usize]
    }

    /// The numbers of what an action waits for.
    pub(super) fn numbers(&self, place: u32) -> &[u32] {
        self.inputs[place as usize]
    }

    fn count_inputs(&self) -> usize {
        self.inputs.iter().map(|inputs| inputs.len()).sum()
    }

    /// How many inputs an action has.
    pub(super) fn input_count(&self, place: u32) -> usize {
        self.numbers(place).len()
    }

    /// The place of an input of an action: [`NOWHERE`] if it is not in the graph.
    pub(super) fn input(&self, place: u32, index: usize) -> u32 {
        self.find(self.numbers(place)[index])
    }

    /// The places of the actions that an action waits for; [`NOWHERE`] for one that is not in the
    /// graph.
    pub(super) fn inputs(&self, place: u32) -> impl Iterator<Item = u32> + '_ {
        let numbers = self.numbers(place).iter();
        numbers.map(|number| self.find(*number))
    }

    /// The place of an action of the cluster.
    pub(super) fn place(&self, action: ActionId) -> Option<u32> {
        Some(self.find(action.number())).filter(|place| *place != NOWHERE)
    }

    fn find(&self, number: u32) -> u32 {
        match self.known.get(number as usize) {
            Some(place) => *place,
            None => self.unknown.get(&number).copied().unwrap_or(NOWHERE),
        }
    }

    /// Whether `first` is an input of `then`.
    pub(super) fn waits_directly(&self, then: u32, first: u32) -> bool {
        self.has_input(then, self.entry(first).number)
    }

    /// Whether the action with this number is an input of `then`.
    pub(super) fn has_input(&self, then: u32, number: u32) -> bool {
        self.looked_at(1);
        let inputs = self.numbers(then);
        if inputs.len() <= FEW || !self.entry(then).sorted {
            inputs.contains(&number)
        } else {
            inputs.binary_search(&number).is_ok()
        }
    }

    /// Whether `then` waits for `first`, itself or through others.
    pub(super) fn waits(&self, then: u32, first: u32) -> bool {
        self.waits_directly(then, first) || self.waits_indirectly(then, first)
    }

    /// Looks for a way from `then` over inputs to `first`. Right decisions hardly ever need it.
    /// After too many steps it says yes: then there are findings already, from the searches that
    /// used up the steps.
    pub(super) fn waits_indirectly(&self, then: u32, first: u32) -> bool {
        let search = &mut *self.search.borrow_mut();
        search.reached.resize(self.entries.len(), 0);
        search.round += 1;
        let mut open = vec![then];
        while let Some(place) = open.pop() {
            for input in self.inputs(place) {
                self.looked_at(1);
                let Some(left) = search.left.checked_sub(1) else {
                    return true;
                };
                search.left = left;
                if input == first {
                    return true;
                }
                if input != NOWHERE && search.reached[input as usize] != search.round {
                    search.reached[input as usize] = search.round;
                    open.push(input);
                }
            }
        }
        false
    }

    /// The action with its name.
    pub(super) fn name(&self, place: u32) -> Named {
        self.named(self.entry(place).number)
    }

    fn named(&self, number: u32) -> Named {
        let name = match self.graph.head(number) {
            Some(head) => match &head.on_node {
                Some(node) => format!("{} on {node}", key(head)),
                None => key(head).to_owned(),
            },
            None => format!("action {number}"),
        };
        Named { number, name }
    }
}

/// Where [`View::group`] counts the actions of a resource that do this.
fn slot(resource: ResourceId, doing: Doing) -> usize {
    resource.index() * Doing::COUNT + doing as usize
}

/// The names of nodes. A graph and its cluster mostly share their texts, which then need not be
/// compared.
struct NodeNames<'s> {
    cluster: &'s Cluster,
    shared: FxHashMap<*const u8, NodeId>,
}

impl<'s> NodeNames<'s> {
    fn of(cluster: &'s Cluster) -> Self {
        let nodes = cluster.nodes.iter().enumerate();
        NodeNames {
            cluster,
            shared: nodes
                .map(|(index, node)| (node.name.as_ptr(), NodeId::new(index)))
                .collect(),
        }
    }

    fn find(&self, name: &Text) -> Option<NodeId> {
        let shared = self.shared.get(&name.as_ptr()).copied();
        shared
            .filter(|node| Arc::ptr_eq(&self.cluster.node(*node).name, name))
            .or_else(|| self.cluster.find_node(name))
    }
}

fn key(head: &ActionHead) -> &str {
    head.internal_operation_key
        .as_ref()
        .unwrap_or(&head.operation_key)
}

/// The resource of a one-off action, by its key `RESOURCE_TASK_0`.
fn resource(cluster: &Cluster, head: &ActionHead, action: Option<&Action>) -> Option<ResourceId> {
    let key = key(head);
    let length = key.len().checked_sub(head.operation.len() + "__0".len())?;
    let (id, rest) = key.split_at_checked(length)?;
    let is_one_off = rest.strip_prefix('_')?.strip_suffix("_0")? == &*head.operation;
    if !is_one_off {
        return None;
    }
    action
        .and_then(|action| action.resource)
        .filter(|resource| *cluster.resource(*resource).id == *id)
        .or_else(|| find(cluster, id))
}

fn find(cluster: &Cluster, id: &str) -> Option<ResourceId> {
    let mut candidates = cluster.by_name.get(id)?.iter().copied();
    candidates.find(|resource| *cluster.resource(*resource).id == *id)
}

/// What an action confirms, by its key `RESOURCE_confirmed-post_notify_COMPLETION_0`.
fn confirmed(cluster: &Cluster, head: &ActionHead) -> Option<(ResourceId, Doing)> {
    let (id, completion) = key(head)
        .strip_suffix("_0")?
        .rsplit_once("_confirmed-post_notify_")?;
    Some((find(cluster, id)?, Doing::of(&Task::parse(completion))))
}

/// What the cluster has under the number of an action: where to look first. The texts decide.
fn action<'s>(cluster: &'s Cluster, head: &ActionHead) -> Option<&'s Action> {
    let index = (head.id as usize).checked_sub(1)?;
    cluster.actions.get(index)
}

/// Where a pseudo-action would happen if it were real.
fn pseudo_node(
    head: &ActionHead,
    action: Option<&Action>,
    resource: Option<ResourceId>,
) -> Option<NodeId> {
    let action = action.filter(|action| action.resource == resource)?;
    action.node.filter(|_| head.kind == ActionKind::Pseudo)
}
