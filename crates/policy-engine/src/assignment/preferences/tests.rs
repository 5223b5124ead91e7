//! Sums of preferences against the steps that they stand for, on random colocations.

use std::fmt::Write;

use proptest::prelude::*;

use super::merge::Merger;
use super::{Mode, Negative, WithoutUsableNode, merge};
use crate::assignment::caches;
use crate::constraints::colocation::Side;
use crate::model::{Cluster, ColocationId, NodeId, ResourceId, RunOptions, Score};
use crate::{Cib, assignment, constraints, load, schedule};

const NODES: usize = 4;

/// More work than one merge can be.
const WORK: u64 = 1_000_000_000;

const NOW: i64 = 1_700_000_000;

/// Resources by kind, with the constraints that place them.
#[derive(Clone, Debug)]
struct Input {
    kinds: Vec<&'static str>,
    standby: Option<usize>,
    locations: Vec<(usize, usize, i32)>,
    colocations: Vec<(usize, usize, i32)>,
}

fn score() -> impl Strategy<Value = i32> {
    prop_oneof![
        4 => Just(1_000_000),
        1 => Just(-1_000_000),
        2 => -100..100,
        2 => prop_oneof![Just(500_000), Just(-500_000), Just(1000), Just(999_999)],
    ]
}

prop_compose! {
    fn input()(kinds in prop::collection::vec(prop::sample::select(vec!["primitive", "primitive", "group", "clone"]), 2..9))
        (standby in prop::option::of(0..NODES),
         locations in prop::collection::vec((0..kinds.len(), 0..NODES, score()), 0..10),
         colocations in prop::collection::vec((0..kinds.len(), 0..kinds.len(), score()), 1..12),
         kinds in Just(kinds))
        -> Input {
        Input { kinds, standby, locations, colocations }
    }
}

impl Input {
    fn xml(&self) -> String {
        let primitive =
            |id: &str| format!("<primitive id='{id}' class='ocf' provider='x' type='y'/>");
        let (mut resources, mut constraints) = (String::new(), String::new());
        for (i, kind) in self.kinds.iter().enumerate() {
            let one = primitive(&format!("p{i}"));
            resources += &match *kind {
                "group" => format!(
                    "<group id='r{i}'>{one}{}</group>",
                    primitive(&format!("q{i}"))
                ),
                "clone" => format!("<clone id='r{i}'>{one}</clone>"),
                _ => primitive(&format!("r{i}")),
            };
        }
        for (i, (rsc, node, score)) in self.locations.iter().enumerate() {
            let _ = write!(
                constraints,
                "<rsc_location id='l{i}' rsc='r{rsc}' node='n{node}' score='{score}'/>"
            );
        }
        for (i, (rsc, with, score)) in self.colocations.iter().enumerate() {
            let _ = write!(
                constraints,
                "<rsc_colocation id='c{i}' rsc='r{rsc}' with-rsc='r{with}' score='{score}'/>"
            );
        }
        cib(NODES, self.standby, &resources, &constraints)
    }
}

fn cib(nodes: usize, standby: Option<usize>, resources: &str, constraints: &str) -> String {
    let (mut configured, mut states) = (String::new(), String::new());
    for i in 0..nodes {
        let standby = standby == Some(i);
        let _ = write!(
            configured,
            "<node id='{i}' uname='n{i}'><instance_attributes id='a{i}'><nvpair id='s{i}' name='standby' value='{standby}'/>\
             </instance_attributes></node>"
        );
        let _ = write!(
            states,
            "<node_state id='{i}' uname='n{i}' in_ccm='true' crmd='online' join='member' expected='member'/>"
        );
    }
    format!(
        "<cib crm_feature_set='3.0' have-quorum='1'><configuration><crm_config><cluster_property_set id='o'>\
         <nvpair id='f' name='stonith-enabled' value='false'/></cluster_property_set></crm_config><nodes>{configured}</nodes><resources>{resources}</resources>\
         <constraints>{constraints}</constraints></configuration><status>{states}</status></cib>"
    )
}

/// The cluster as it is before the assignment.
fn unassigned(xml: &str) -> Cluster {
    let cib = Cib::parse(xml).expect("the CIB is well-formed");
    let mut cluster = load(&cib, NOW, RunOptions::default());
    constraints::unpack(&mut cluster);
    assignment::apply_criteria(&mut cluster);
    constraints::built_in::unpack(&mut cluster);
    let available = cluster.nodes.iter().filter(|node| node.is_available());
    assert!(available.count() + 1 >= cluster.nodes.len());
    cluster
}

fn assert_sums_are_right(cluster: &Cluster) {
    for target in 0..cluster.resources.len() {
        for via in 0..cluster.colocations.len() {
            for (without_usable_node, negative) in [
                (WithoutUsableNode::Undo, Negative::Kept),
                (WithoutUsableNode::Undo, Negative::Avoided),
                (WithoutUsableNode::Keep, Negative::Kept),
            ] {
                let (target, via) = (ResourceId::new(target), ColocationId::new(via));
                let mode = Mode {
                    side: Side::WithThis,
                    negative,
                    without_usable_node,
                };
                let source = cluster.colocation(via).dependent;
                caches::of(cluster).work_left.set(Some(WORK));
                let mut summed = cluster.resource(target).allowed.clone();
                let mut stepped = summed.clone();
                merge(cluster, source, target, &mut summed, via, mode);
                let merger = Merger::new(cluster, target, &stepped, mode).step_by_step();
                merger.merge_into(source, &mut stepped, via);
                assert!(caches::work_left(cluster) > 0, "all steps were taken");
                assert!(
                    summed.iter().eq(stepped.iter()),
                    "{mode:?}: {summed:?} is not {stepped:?}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn a_sum_of_preferences_is_what_the_steps_add(input in input(), changes in prop::collection::vec((0..20usize, 0..NODES, score()), 0..4)) {
        let mut cluster = unassigned(&input.xml());
        assert_sums_are_right(&cluster);
        for (resource, node, score) in changes {
            let resource = ResourceId::new(resource % cluster.resources.len());
            cluster.adjust(resource, NodeId::new(node), Score(score));
            assert_sums_are_right(&cluster);
        }
    }
}

/// How much work the merges of a chain of colocated primitives are.
fn work_for_chain(length: usize) -> u64 {
    let (mut resources, mut constraints) = (String::new(), String::new());
    for i in 0..length {
        let _ = write!(
            resources,
            "<primitive id='r{i}' class='ocf' provider='x' type='y'/>"
        );
        if i > 0 {
            let _ = write!(
                constraints,
                "<rsc_colocation id='c{i}' rsc='r{i}' with-rsc='r{}' score='INFINITY'/>",
                i - 1
            );
        }
    }
    let cib = Cib::parse(&cib(3, None, &resources, &constraints)).expect("the CIB is well-formed");
    let before = caches::work_left(&unassigned(&cib.to_xml()));
    let schedule = schedule(&cib, NOW, RunOptions::default());
    before - caches::work_left(&schedule.cluster)
}

#[test]
fn a_chain_of_twice_the_length_takes_twice_the_work() {
    let (once, twice) = (work_for_chain(100), work_for_chain(200));
    assert!(once > 0 && twice <= 2 * once + once / 10, "{once}, {twice}");
}
