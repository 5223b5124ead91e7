//! The check of decisions is silent on every right decision, and finds every mistake that is put
//! into one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod corpora;
#[allow(
    dead_code,
    reason = "the language of the cases; here they are only read"
)]
mod fixture;

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::lint::Finding;
use policy_engine::{ActionHead, ActionKind, Schedule, Synapse, TransitionGraph, lint};

/// How many mistakes of a kind are made in one graph.
const EACH: usize = 8;

#[test]
fn it_is_silent_on_every_right_decision() {
    let mut wrong = Vec::new();
    let count = corpora::for_each_decision(|name, decided| {
        let findings = lint(&decided);
        wrong.extend(findings.iter().map(|finding| format!("{name}: {finding}")));
    });
    assert!(count >= 400, "only {count} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn it_finds_every_mistake_that_is_put_into_a_right_decision() {
    let (mut missed, mut made) = (Vec::new(), BTreeMap::new());
    corpora::for_each_decision(|name, mut decided| {
        for mistake in mistakes(&decided) {
            *made.entry(mistake.kind).or_insert(0usize) += 1;
            let right = decided.graph.clone();
            (mistake.make)(&mut decided.graph);
            let findings = lint(&decided);
            decided.graph = right;
            if !findings.iter().any(&mistake.is_it) {
                missed.push(format!("{name}: {}: {findings:?}", mistake.kind));
            }
        }
    });
    println!("{made:#?}");
    for (kind, least) in KINDS {
        let made = made.get(kind).copied().unwrap_or(0);
        assert!(made >= *least, "'{kind}' was made {made} times only");
    }
    assert!(
        missed.is_empty(),
        "{} mistakes were missed:\n{}",
        missed.len(),
        missed.join("\n")
    );
}

/// Kinds of mistakes, and how often each is made at least in the cases of this crate alone.
const KINDS: &[(&str, usize)] = &[
    ("a start forgets the stop", 60),
    ("a start forgets the fencing", 25),
    ("a fenced node's stop forgets the fencing", 12),
    ("an edge is turned round", 60),
    ("an edge goes both ways", 400),
    ("a start is done twice", 500),
    ("an input does not exist", 1000),
    ("a stop is left out", 50),
    ("something is done on a node before its fencing", 20),
    ("something is done on an unclean node", 1),
    ("a start forgets what it is ordered after", 50),
    ("a migration forgets its source", 4),
    ("an action is in the graph twice", 300),
    ("an action is not described", 500),
];

/// A mistake to make in a graph.
struct Mistake {
    kind: &'static str,
    make: Box<dyn Fn(&mut TransitionGraph)>,
    /// Whether a finding is about it.
    is_it: Box<dyn Fn(&Finding) -> bool>,
}

impl Mistake {
    fn new(
        kind: &'static str,
        make: impl Fn(&mut TransitionGraph) + 'static,
        is_it: impl Fn(&Finding) -> bool + 'static,
    ) -> Mistake {
        Mistake {
            kind,
            make: Box::new(make),
            is_it: Box::new(is_it),
        }
    }
}

fn mistakes(decided: &Schedule) -> Vec<Mistake> {
    let graph = Graph::new(decided);
    let mut mistakes = Vec::new();
    for made in [
        forgotten_stops,
        forgotten_fencings,
        turned_edges,
        repeated_starts,
        unknown_inputs,
        left_out_stops,
        work_on_lost_nodes,
        forgotten_orders,
        forgotten_sources,
    ] {
        mistakes.extend(spread(made(&graph)));
    }
    mistakes
}

/// Some of many, from everywhere.
fn spread<T>(all: Vec<T>) -> impl Iterator<Item = T> {
    let step = all.len().div_ceil(EACH).max(1);
    all.into_iter().step_by(step)
}

/// A right graph, and questions about it.
struct Graph<'s> {
    decided: &'s Schedule,
    /// Places of synapses by number.
    places: BTreeMap<u32, usize>,
}

impl<'s> Graph<'s> {
    fn new(decided: &'s Schedule) -> Graph<'s> {
        let synapses = decided.graph.synapses.iter().enumerate();
        Graph {
            decided,
            places: synapses.map(|(at, synapse)| (synapse.action, at)).collect(),
        }
    }

    fn synapses(&self) -> impl Iterator<Item = (&'s Synapse, &'s ActionHead)> {
        let graph = &self.decided.graph;
        graph
            .synapses
            .iter()
            .filter_map(|synapse| Some((synapse, graph.head(synapse.action)?)))
    }

    fn input_heads(&self, synapse: &'s Synapse) -> impl Iterator<Item = &'s ActionHead> {
        let graph = &self.decided.graph;
        synapse.inputs.iter().filter_map(|input| graph.head(*input))
    }

    /// A number that no action has.
    fn free_number(&self) -> u32 {
        self.decided
            .graph
            .heads
            .last()
            .map_or(1, |head| head.id + 1)
    }

    /// Whether `then` waits for `first`, if the inputs in `without` (then, first) are left out.
    fn waits(&self, then: u32, first: u32, without: &[(u32, u32)]) -> bool {
        let (mut open, mut reached) = (vec![then], BTreeSet::new());
        while let Some(number) = open.pop() {
            let Some(place) = self.places.get(&number) else {
                continue;
            };
            for input in &self.decided.graph.synapses[*place].inputs {
                if without.contains(&(number, *input)) {
                    continue;
                }
                if *input == first {
                    return true;
                }
                if reached.insert(*input) {
                    open.push(*input);
                }
            }
        }
        false
    }

    /// Whether an action waits for one that is not in the graph: neither is ever done.
    fn waits_in_vain(&self, number: u32) -> bool {
        let (mut open, mut reached) = (vec![number], BTreeSet::new());
        while let Some(number) = open.pop() {
            let Some(place) = self.places.get(&number) else {
                return true;
            };
            let inputs = &self.decided.graph.synapses[*place].inputs;
            open.extend(inputs.iter().filter(|input| reached.insert(**input)));
        }
        false
    }
}

fn key(head: &ActionHead) -> &str {
    head.internal_operation_key
        .as_ref()
        .unwrap_or(&head.operation_key)
}

/// The resource of a one-off `task`.
fn resource_of<'h>(head: &'h ActionHead, task: &str) -> Option<&'h str> {
    let resource = key(head).strip_suffix("_0")?.strip_suffix(task)?;
    resource
        .strip_suffix('_')
        .filter(|_| *head.operation == *task)
}

fn is_primitive(decided: &Schedule, id: &str) -> bool {
    let mut resources = decided.cluster.resources.iter();
    resources.any(|resource| resource.is_primitive() && *resource.id == *id)
}

fn is_fencing(graph: &TransitionGraph, head: &ActionHead) -> bool {
    let mut action = graph.described();
    let action = action.find(|(synapse, _)| synapse.action == head.id);
    *head.operation == *"stonith"
        && head.kind == ActionKind::Cluster
        && action
            .is_some_and(|(_, action)| action.attribute("CRM_meta_stonith_action") != Some("on"))
}

fn synapse_mut(graph: &mut TransitionGraph, number: u32) -> &mut Synapse {
    let mut synapses = graph.synapses.iter_mut();
    let found = synapses.find(|synapse| synapse.action == number);
    found.expect("the action is in the graph")
}

/// Takes inputs (then, first) out of the graph.
fn forget(graph: &mut TransitionGraph, inputs: &[(u32, u32)]) {
    for (then, first) in inputs {
        synapse_mut(graph, *then)
            .inputs
            .retain(|input| input != first);
    }
}

/// Adds an input in its place.
fn add_input(graph: &mut TransitionGraph, then: u32, first: u32) {
    let inputs = &mut synapse_mut(graph, then).inputs;
    let at = inputs.partition_point(|input| *input < first);
    inputs.insert(at, first);
}

/// Adds a copy of an action with another number and node. Its inputs stay.
fn add_copy(graph: &mut TransitionGraph, number: u32, copy: u32, node: &str) {
    let mut head = graph.head(number).cloned().expect("the action has a head");
    (head.id, head.on_node) = (copy, Some(node.into()));
    graph.heads.push(head);
    push_again(graph, number);
    if let Some(synapse) = graph.synapses.last_mut() {
        synapse.action = copy;
    }
}

/// Adds an action once more.
fn push_again(graph: &mut TransitionGraph, number: u32) {
    let found = graph.described().find(|(own, _)| own.action == number);
    let (synapse, action) = found.expect("the action is in the graph");
    let (synapse, action) = (synapse.clone(), action.clone());
    graph.synapses.push(synapse);
    graph.actions.push(action);
}

fn forgotten_stops(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (synapse, head) in graph.synapses() {
        let Some(resource) = resource_of(head, "start") else {
            continue;
        };
        let start = head.id;
        for stop in graph.input_heads(synapse) {
            let forgotten = [(start, stop.id)];
            if resource_of(stop, "stop") == Some(resource)
                && is_primitive(graph.decided, resource)
                && !graph.waits(start, stop.id, &forgotten)
            {
                let stop = stop.id;
                mistakes.push(Mistake::new(
                    "a start forgets the stop",
                    move |graph| forget(graph, &forgotten),
                    move |finding| {
                        matches!(finding, Finding::StartBeforeStop { start: then, stop: first }
                            if then.number == start && first.number == stop)
                    },
                ));
            }
        }
    }
    mistakes
}

/// Of a start or a stop: neither it nor what it waits for waits for the fencing any more.
fn forgotten_fencings(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let all = &graph.decided.graph;
    for (synapse, head) in graph.synapses() {
        let kind = match (&*head.operation, head.kind) {
            ("start", ActionKind::Resource) => "a start forgets the fencing",
            ("stop", ActionKind::Pseudo) => "a fenced node's stop forgets the fencing",
            _ => continue,
        };
        let resource = resource_of(head, &head.operation).unwrap_or_default();
        for fencing in graph.input_heads(synapse) {
            if !is_fencing(all, fencing) || !is_primitive(graph.decided, resource) {
                continue;
            }
            // Inside a bundle only the start waits; and the last stop of a resource that is active
            // on several nodes waits for the fencing of all of them, but needs only its own.
            let cluster = &graph.decided.cluster;
            let id = cluster.find_resource(resource);
            let several = graph
                .input_heads(synapse)
                .filter(|head| is_fencing(all, head))
                .count()
                > 1;
            if head.kind == ActionKind::Pseudo
                && (several || id.is_some_and(|id| cluster.in_bundle(id)))
            {
                continue;
            }
            let (action, fencing) = (head.id, fencing.id);
            let forgotten: Vec<(u32, u32)> = all
                .synapses
                .iter()
                .map(|synapse| (synapse.action, fencing))
                .filter(|(then, _)| *then == action || graph.waits(action, *then, &[]))
                .collect();
            mistakes.push(Mistake::new(
                kind,
                move |graph| forget(graph, &forgotten),
                move |finding| {
                    matches!(finding, Finding::BeforeFencing { action: then, fencing: first }
                        if then.number == action && first.number == fencing)
                },
            ));
        }
    }
    mistakes
}

fn turned_edges(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (synapse, _) in graph.synapses() {
        let then = synapse.action;
        for first in synapse.inputs.iter().copied() {
            if graph.waits_in_vain(then) || graph.waits_in_vain(first) {
                continue;
            }
            let in_circle = move |finding: &Finding| {
                matches!(finding, Finding::Circle { actions }
                    if actions.iter().any(|action| action.number == then))
            };
            mistakes.push(Mistake::new(
                "an edge goes both ways",
                move |graph| add_input(graph, first, then),
                in_circle,
            ));
            // without another way this does not make a circle
            if graph.waits(then, first, &[(then, first)]) {
                mistakes.push(Mistake::new(
                    "an edge is turned round",
                    move |graph| {
                        forget(graph, &[(then, first)]);
                        add_input(graph, first, then);
                    },
                    in_circle,
                ));
            }
        }
    }
    mistakes
}

fn repeated_starts(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let copy = graph.free_number();
    for (_, head) in graph.synapses() {
        let start = head.id;
        let resource = resource_of(head, "start").unwrap_or_default();
        if head.kind != ActionKind::Resource || !is_primitive(graph.decided, resource) {
            continue;
        }
        for node in &graph.decided.cluster.nodes {
            let node = node.name.clone();
            mistakes.push(Mistake::new(
                "a start is done twice",
                move |graph| add_copy(graph, start, copy, &node),
                move |finding| {
                    matches!(finding, Finding::StartedTwice { starts, .. }
                        if starts.iter().any(|action| action.number == copy))
                },
            ));
        }
        mistakes.push(Mistake::new(
            "an action is in the graph twice",
            move |graph| push_again(graph, start),
            move |finding| {
                matches!(finding, Finding::Repeated { action } if action.number == start)
            },
        ));
    }
    mistakes
}

fn unknown_inputs(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for unknown in [graph.free_number(), u32::MAX] {
        for (synapse, _) in graph.synapses() {
            let number = synapse.action;
            mistakes.push(Mistake::new(
                "an input does not exist",
                move |graph| add_input(graph, number, unknown),
                move |finding| {
                    matches!(finding, Finding::UnknownInput { action, input }
                        if action.number == number && *input == unknown)
                },
            ));
        }
    }
    for (synapse, _) in graph.synapses() {
        let gone = synapse.action;
        mistakes.push(Mistake::new(
            "an action is not described",
            move |graph| graph.heads.retain(|head| head.id != gone),
            move |finding| matches!(finding, Finding::Undescribed { number } if *number == gone),
        ));
    }
    if let Some(last) = graph.decided.graph.synapses.last() {
        let gone = last.action;
        mistakes.push(Mistake::new(
            "an action is not described",
            |graph| graph.actions.truncate(graph.synapses.len() - 1),
            move |finding| matches!(finding, Finding::Undescribed { number } if *number == gone),
        ));
    }
    mistakes
}

/// The stop of a resource that starts on another node is not in the graph at all.
fn left_out_stops(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (_, head) in graph.synapses() {
        let id = resource_of(head, "start").unwrap_or_default();
        let resources = graph.decided.cluster.resources.iter();
        let resource = resources
            .filter(|resource| resource.is_primitive())
            .find(|resource| *resource.id == *id);
        let Some(resource) = resource.filter(|_| head.kind == ActionKind::Resource) else {
            continue;
        };
        let node = |id| &graph.decided.cluster.node(id).name;
        let mut active = resource.active_on.iter().map(|id| node(*id));
        if active.all(|name| head.on_node.as_ref() == Some(name)) {
            continue;
        }
        let (id, start) = (id.to_owned(), head.id);
        mistakes.push(Mistake::new(
            "a stop is left out",
            move |graph| {
                let stops = graph.heads.iter();
                let stops: Vec<u32> = stops
                    .filter(|head| resource_of(head, "stop") == Some(&id))
                    .map(|head| head.id)
                    .collect();
                let (synapses, actions) = graph
                    .described()
                    .filter(|(synapse, _)| !stops.contains(&synapse.action))
                    .map(|(synapse, action)| (synapse.clone(), action.clone()))
                    .unzip();
                (graph.synapses, graph.actions) = (synapses, actions);
                for synapse in &mut graph.synapses {
                    synapse.inputs.retain(|input| !stops.contains(input));
                }
            },
            move |finding| {
                matches!(finding, Finding::ActiveElsewhere { start: action, .. }
                    if action.number == start)
            },
        ));
    }
    mistakes
}

/// A monitor or whatever else is done somewhere is done on an unclean node, too.
fn work_on_lost_nodes(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let (all, copy) = (&graph.decided.graph, graph.free_number());
    let real = |(_, head): &(&Synapse, &ActionHead)| head.kind == ActionKind::Resource;
    let Some((synapse, _)) = graph.synapses().find(real) else {
        return mistakes;
    };
    let work = synapse.action;
    for node in graph
        .decided
        .cluster
        .nodes
        .iter()
        .filter(|node| node.unclean)
    {
        let fencing = graph
            .synapses()
            .find(|(_, head)| head.on_node.as_ref() == Some(&node.name) && is_fencing(all, head))
            .map(|(_, head)| head.id);
        let name = node.name.clone();
        let make = move |graph: &mut TransitionGraph| {
            add_copy(graph, work, copy, &name);
            synapse_mut(graph, copy).inputs.clear();
        };
        mistakes.push(match fencing {
            Some(fencing) => Mistake::new(
                "something is done on a node before its fencing",
                make,
                move |finding| {
                    matches!(finding, Finding::BeforeFencing { action, fencing: first }
                        if action.number == copy && first.number == fencing)
                },
            ),
            None => Mistake::new(
                "something is done on an unclean node",
                make,
                move |finding| {
                    matches!(finding, Finding::OnUncleanNode { action, .. }
                        if action.number == copy)
                },
            ),
        });
    }
    mistakes
}

/// A start forgets the start of another resource.
fn forgotten_orders(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (synapse, head) in graph.synapses() {
        let Some(resource) = resource_of(head, "start") else {
            continue;
        };
        for required in graph.input_heads(synapse) {
            let forgotten = [(head.id, required.id)];
            let other = resource_of(required, "start").unwrap_or(resource);
            if other == resource
                || !is_primitive(graph.decided, other)
                || !is_primitive(graph.decided, resource)
                || graph.waits(head.id, required.id, &forgotten)
            {
                continue;
            }
            let (then, first) = (head.id, required.id);
            mistakes.push(Mistake::new(
                "a start forgets what it is ordered after",
                move |graph| forget(graph, &forgotten),
                move |finding| {
                    matches!(finding, Finding::BeforeRequired { action, required }
                        if action.number == then && required.number == first)
                },
            ));
        }
    }
    mistakes
}

fn forgotten_sources(graph: &Graph<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (synapse, head) in graph.synapses() {
        let Some(resource) = resource_of(head, "migrate_from") else {
            continue;
        };
        for source in graph.input_heads(synapse) {
            if resource_of(source, "migrate_to") == Some(resource) {
                let (then, first) = (head.id, source.id);
                mistakes.push(Mistake::new(
                    "a migration forgets its source",
                    move |graph| forget(graph, &[(then, first)]),
                    move |finding| {
                        matches!(finding, Finding::MigrationOutOfOrder { first: one, then: other }
                            if one.number == first && other.number == then)
                    },
                ));
            }
        }
    }
    mistakes
}
