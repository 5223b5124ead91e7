//! Tests of what a transition takes over.

use std::sync::Arc;

use policy_engine::{ResourceIdentity, Synapse, TransitionGraph};

use super::*;
use crate::machines::run::Work;
use crate::vocabulary::Limits;

/// A graph, in lines: `ID: OPERATION RESOURCE NODE <- INPUTS`, where `-` is a mark in the order.
fn transition(lines: &[&str]) -> Transition {
    let mut graph = TransitionGraph {
        attributes: Vec::new(),
        synapses: Vec::new(),
        actions: Vec::new(),
        heads: Vec::new(),
    };
    for line in lines {
        let (what, inputs) = line.split_once(" <- ").unwrap_or((line, ""));
        let words: Vec<&str> = what.split_whitespace().collect();
        let [id, operation, resource, node] = words[..] else {
            panic!("{line}");
        };
        let id = id.trim_end_matches(':').parse().unwrap();
        let kind = match operation {
            "-" => ActionKind::Pseudo,
            "stonith" => ActionKind::Cluster,
            _ => ActionKind::Resource,
        };
        graph.synapses.push(Synapse {
            action: id,
            priority: 0,
            inputs: inputs
                .split_whitespace()
                .map(|it| it.parse().unwrap())
                .collect(),
        });
        graph.heads.push(ActionHead {
            id,
            kind,
            mode: None,
            operation: operation.into(),
            operation_key: format!("{resource}_{operation}_0").into(),
            internal_operation_key: None,
            on_node: Some(node.into()),
            on_node_uuid: Some(node.into()),
            router_node: None,
        });
        let (name, several) = match resource.split_once('*') {
            Some((name, _)) => (name, true),
            None => (resource, false),
        };
        let identity = ResourceIdentity {
            element: "primitive".into(),
            id: name.into(),
            long_id: several.then(|| resource.into()),
            class: None,
            provider: None,
            kind: None,
        };
        graph.actions.push(GraphAction {
            resource: (kind == ActionKind::Resource).then(|| Arc::new(identity)),
            ..GraphAction::default()
        });
    }
    Transition::new(2, graph, Limits::default(), 0)
}

fn run(action: Task, resource: &str, node: &str) -> Run {
    Run {
        assembly: node.into(),
        deadline_us: None,
        since_wall_us: 0,
        delayed_until_us: 0,
        waits: false,
        work: Work::Operation(Box::new(Operation {
            action,
            resource: resource.into(),
            ..Operation::default()
        })),
    }
}

/// The synapse that a start of `db` in `n1` goes on as.
fn start_goes_on(lines: &[&str]) -> Option<usize> {
    heir(&transition(lines), &run(Task::Start, "db", "n1"))
}

#[test]
fn what_would_be_begun_first_goes_on() {
    assert_eq!(
        start_goes_on(&["1: start web n2", "2: start db n1"]),
        Some(1)
    );
    let marked = ["1: - db n1", "2: start db n1 <- 1", "3: monitor db n1 <- 2"];
    assert_eq!(start_goes_on(&marked), Some(1));
}

#[test]
fn what_would_wait_for_fencing_and_probes_goes_on() {
    let waits = [
        "1: stonith - n3",
        "2: monitor db n2 <- 1",
        "3: start db n1 <- 1 2",
    ];
    assert_eq!(start_goes_on(&waits), Some(2));
}

#[test]
fn what_is_wanted_elsewhere_or_not_at_all_does_not_go_on() {
    assert_eq!(start_goes_on(&["1: start db n2"]), None);
    assert_eq!(start_goes_on(&["1: stop db n1"]), None);
    assert_eq!(start_goes_on(&["1: start web n1"]), None);
    assert_eq!(start_goes_on(&[]), None);
}

#[test]
fn what_would_come_after_something_else_does_not_go_on() {
    assert_eq!(
        start_goes_on(&["1: stop web n1", "2: start db n1 <- 1"]),
        None
    );
    let behind = ["1: stop web n1", "2: - db n1 <- 1", "3: start db n1 <- 2"];
    assert_eq!(start_goes_on(&behind), None);
    assert_eq!(
        start_goes_on(&["1: stop db n1", "2: start db n1 <- 1"]),
        None
    );
}

#[test]
fn all_else_that_is_done_with_a_resource_must_follow() {
    assert_eq!(start_goes_on(&["1: start db n1", "2: stop db n2"]), None);
    assert_eq!(
        start_goes_on(&["1: start db n1", "2: promote db n1 <- 1"]),
        Some(0)
    );
    assert_eq!(start_goes_on(&["1: start db n1", "2: promote db n1"]), None);
    assert_eq!(start_goes_on(&["1: start db n1", "2: start db n1"]), None);
    // Instances that have one name.
    assert_eq!(
        start_goes_on(&["1: start db*0 n1", "2: stop db*1 n2"]),
        Some(0)
    );
    assert_eq!(
        start_goes_on(&["1: start db*0 n1", "2: stop db*1 n1"]),
        None
    );
}

#[test]
fn a_stop_goes_on_before_a_start_elsewhere_and_a_look_beside_it() {
    let moves = transition(&["1: stop db n1", "2: start db n2 <- 1"]);
    assert_eq!(heir(&moves, &run(Task::Stop, "db", "n1")), Some(0));
    let looks = transition(&["1: monitor db n1", "2: stop db n2"]);
    assert_eq!(heir(&looks, &run(Task::Monitor, "db", "n1")), Some(0));
}

#[test]
fn promotions_and_notifications_do_not_go_on() {
    for (action, word) in [
        (Task::Promote, "promote"),
        (Task::Demote, "demote"),
        (Task::Notify, "notify"),
        (Task::MigrateTo, "migrate_to"),
    ] {
        let next = transition(&[&format!("1: {word} db n1")]);
        assert_eq!(heir(&next, &run(action, "db", "n1")), None, "{word}");
    }
}

#[test]
fn fencing_comes_first_that_waits_for_marks_only() {
    let next = transition(&[
        "1: - x n1",
        "2: stonith - n1 <- 1",
        "3: stonith - n2 <- 2",
        "4: start db n3 <- 3",
    ]);
    assert_eq!(first_fencing(&next), [1]);
}
