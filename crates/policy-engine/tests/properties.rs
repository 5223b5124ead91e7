//! What must hold for every cluster, tried on many small ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clusters;

use std::collections::BTreeSet;

use policy_engine::simulation::execute;
use policy_engine::{
    ActionHead, ActionKind, Cib, RunOptions, Schedule, Score, graph, lint, schedule,
};
use proptest::prelude::*;

use crate::clusters::{Kind, Setup, setup};

const NOW: i64 = 1_700_000_000;

fn run(xml: &str) -> (Cib, Schedule) {
    let cib = Cib::parse(xml).expect("the CIB is well-formed");
    let decided = schedule(
        &cib,
        NOW,
        RunOptions {
            scores: true,
            ..RunOptions::default()
        },
    );
    (cib, decided)
}

fn key(decided: &Schedule, id: u32) -> String {
    let head = decided.graph.head(id).expect("every action has a head");
    let key = head
        .internal_operation_key
        .as_ref()
        .unwrap_or(&head.operation_key);
    format!("{key} {}", head.on_node.as_deref().unwrap_or_default())
}

/// The actions that wait, themselves or through others, for one that is not in the graph: they
/// never happen. Pacemaker's scheduler leaves them in the graph, too: recurring monitors and
/// completions of groups whose start a colocation blocked late, and what is ordered after the
/// promotion of a clone that cannot start.
fn never_done(decided: &Schedule) -> BTreeSet<u32> {
    let synapses = &decided.graph.synapses;
    let ids: BTreeSet<u32> = synapses.iter().map(|synapse| synapse.action).collect();
    let mut never_done = BTreeSet::new();
    loop {
        let before = never_done.len();
        for synapse in synapses {
            let missing = |input: &u32| !ids.contains(input) || never_done.contains(input);
            if synapse.inputs.iter().any(missing) {
                never_done.insert(synapse.action);
            }
        }
        if never_done.len() == before {
            return never_done;
        }
    }
}

/// The actions in an order in which they can be executed; `None`: there is a loop or an input that
/// is not an action of the graph.
fn in_order(decided: &Schedule) -> Option<Vec<u32>> {
    let (mut done, mut order) = (BTreeSet::new(), Vec::new());
    let possible = decided.graph.synapses.len() - never_done(decided).len();
    while order.len() < possible {
        let before = order.len();
        for synapse in &decided.graph.synapses {
            let id = synapse.action;
            if !done.contains(&id) && synapse.inputs.iter().all(|input| done.contains(input)) {
                done.insert(id);
                order.push(id);
            }
        }
        if order.len() == before {
            return None;
        }
    }
    Some(order)
}

fn keys_in_order(decided: &Schedule) -> Vec<String> {
    let order = in_order(decided).unwrap_or_default();
    order.into_iter().map(|id| key(decided, id)).collect()
}

/// The actions that do something: the pseudo-actions of nodes' capacities (`load_stopped_NODE`) are
/// in every graph.
fn to_do(decided: &Schedule) -> impl Iterator<Item = &ActionHead> {
    heads(decided).filter(|head| head.kind != ActionKind::Pseudo)
}

fn heads(decided: &Schedule) -> impl Iterator<Item = &ActionHead> {
    let graph = &decided.graph;
    let numbers = graph.synapses.iter().map(|synapse| synapse.action);
    numbers.map(|number| graph.head(number).expect("every action has a head"))
}

/// Whether `key` is of the task of one of the primitives, or of an instance of one.
fn is_task_of(key: &str, primitives: &[String], task: &str) -> bool {
    let name = key.split(' ').next().unwrap_or_default();
    let Some(resource) = name.strip_suffix(&format!("_{task}_0")) else {
        return false;
    };
    let base = resource.split(':').next().unwrap_or_default();
    primitives.iter().any(|primitive| primitive == base)
}

fn starts(decided: &Schedule) -> impl Iterator<Item = &ActionHead> {
    to_do(decided).filter(|head| head.kind == ActionKind::Resource && &*head.operation == "start")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_check_of_decisions_is_silent(setup in setup()) {
        let (_, decided) = run(&setup.to_xml(false));
        let findings: Vec<String> = lint(&decided).iter().map(ToString::to_string).collect();
        prop_assert!(findings.is_empty(), "{findings:?}\n{}", graph::write(&decided.graph));
    }

    #[test]
    fn nothing_starts_before_what_it_is_ordered_after(setup in setup()) {
        let (_, decided) = run(&setup.to_xml(false));
        let order = keys_in_order(&decided);
        for (one, two, promote) in setup.orders() {
            let before = if promote { "promote" } else { "start" };
            let last = order.iter().rposition(|key| is_task_of(key, &setup.primitives(one), before));
            let first = order.iter().position(|key| is_task_of(key, &setup.primitives(two), "start"));
            if let (Some(last), Some(first)) = (last, first) {
                prop_assert!(last < first, "{order:?}");
            }
        }
    }

    #[test]
    fn members_of_a_group_start_in_order_and_on_one_node(setup in setup()) {
        let (_, decided) = run(&setup.to_xml(false));
        let order = keys_in_order(&decided);
        for number in 0..setup.resources.len() {
            let [first, second] = &setup.primitives(number)[..] else { continue };
            let start = |member: &str| order.iter().enumerate().find_map(|(at, key)| {
                Some((at, key.strip_prefix(&format!("{member}_start_0 "))?.to_owned()))
            });
            if let (Some((one, here)), Some((two, there))) = (start(first), start(second)) {
                prop_assert!(one < two && here == there, "{order:?}");
            }
        }
    }

    #[test]
    fn at_most_one_instance_is_promoted_and_not_before_the_other_is_demoted(setup in setup()) {
        let (_, decided) = run(&setup.to_xml(false));
        let order = keys_in_order(&decided);
        for number in 0..setup.resources.len() {
            let primitives = setup.primitives(number);
            let all = |task: &'static str| order.iter().enumerate().filter(|(_, key)| is_task_of(key, &primitives, task)).map(|(at, _)| at).collect::<Vec<_>>();
            let (promotions, demotions) = (all("promote"), all("demote"));
            prop_assert!(promotions.len() <= 1, "{order:?}");
            if let (Some(promotion), Some(demotion)) = (promotions.first(), demotions.last()) {
                prop_assert!(demotion < promotion, "{order:?}");
            }
        }
    }

    #[test]
    fn no_node_is_given_more_than_it_holds(mut setup in setup()) {
        if setup.strategy == "default" {
            setup.strategy = "utilization";
        }
        let (_, decided) = run(&setup.to_xml(false));
        for node in 0..setup.nodes {
            let name = format!("n{}", node + 1);
            let load: usize = decided
                .cluster
                .nodes
                .iter()
                .filter(|known| *known.name == *name)
                .flat_map(|known| &known.assigned)
                .map(|resource| {
                    let id = &decided.cluster.resource(*resource).id;
                    let number = id[1..].split(':').next().and_then(|number| number.parse().ok());
                    number.map_or(0, |number: usize| setup.resource(number).need)
                })
                .sum();
            prop_assert!(load <= setup.capacity[node], "{name} holds {} and is given {load}", setup.capacity[node]);
        }
    }

    #[test]
    fn nothing_runs_on_a_node_with_a_score_of_minus_infinity(setup in setup()) {
        let (_, decided) = run(&setup.to_xml(false));
        for (resource, node, score) in &setup.locations {
            let node = format!("n{}", node % setup.nodes + 1);
            // What is wrong for its first member is wrong for a group.
            let first = &setup.primitives(*resource)[..1];
            if Score::clamped(i64::from(*score)).is_minus_infinity() {
                for action in starts(&decided) {
                    let start = key(&decided, action.id);
                    prop_assert!(!(is_task_of(&start, first, "start") && start.ends_with(&format!(" {node}"))), "{start}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_nodes_and_attributes_does_not_matter(setup in setup()) {
        let (_, one) = run(&setup.to_xml(false));
        let (_, two) = run(&setup.to_xml(true));
        prop_assert_eq!(graph::write(&one.graph), graph::write(&two.graph));
    }

    #[test]
    fn after_everything_was_done_nothing_is_left_to_do(mut setup in setup()) {
        // Where the primary is a clone that prefers other nodes than its dependent, a stopped
        // instance comes before one on a bad node (04 §5.1 rule 2) and takes its node, and the next
        // run swaps them again. With utilization, the order of assignment depends on the current
        // nodes (03 §9), so that resources that do not fit together can take turns.
        let cloned = |setup: &Setup, primary: usize| matches!(setup.resource(primary).kind, Kind::Clone | Kind::Promotable);
        // So can resources whose colocations contradict each other, so colocations go from higher
        // to lower numbers only.
        let count = setup.resources.len();
        let mut colocations = std::mem::take(&mut setup.colocations);
        colocations.retain(|(dependent, primary, _)| dependent % count > primary % count && !cloned(&setup, *primary));
        setup.colocations = colocations;
        setup.strategy = "default";
        let (mut cib, mut decided) = run(&setup.to_xml(false));
        // A fenced node, a failure or freed capacity can change the best node a few times, but not
        // forever.
        for _ in 0..5 {
            if to_do(&decided).next().is_none() || !never_done(&decided).is_empty() {
                return Ok(());
            }
            let execution = execute(&mut cib, &decided.cluster, &decided.graph, &[], NOW + 1);
            prop_assert!(execution.complete);
            decided = schedule(&cib, NOW + 1, RunOptions::default());
        }
        prop_assert!(to_do(&decided).next().is_none(), "{}", graph::write(&decided.graph));
    }
}
