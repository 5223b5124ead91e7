//! How much work the check is. Its findings are tested in `tests/lint.rs`.

use std::fmt::Write;

use super::counted;
use crate::cib::Cib;
use crate::model::RunOptions;
use crate::schedule::{Schedule, schedule};

const NOW: i64 = 1_700_000_000;

const HEAD: &str = r#"<cib have-quorum="1" dc-uuid="1"><configuration><crm_config><cluster_property_set id="o">
    <nvpair id="o-w" name="have-watchdog" value="true"/><nvpair id="o-t" name="stonith-watchdog-timeout" value="10"/>
    </cluster_property_set></crm_config><nodes>"#;

/// The decision about a cluster whose last node is lost: `chains` chains of four ordered
/// resources, each of which runs on any of the nodes, and a clone that runs on all of them.
fn decided(nodes: usize, chains: usize) -> Schedule {
    let mut text = String::from(HEAD);
    write(&mut text, nodes, chains).expect("a text grows");
    scheduled(&text)
}

fn scheduled(text: &str) -> Schedule {
    let cib = Cib::parse(text).expect("a CIB");
    schedule(&cib, NOW, RunOptions::default())
}

/// The decision about a cluster that has lost half of its nodes. A clone that requires quorum
/// only was active on all of those, and starts on the others.
fn decided_with_quorum_only(nodes: usize) -> Schedule {
    let mut text = String::from(HEAD);
    write_lost_half(&mut text, nodes).expect("a text grows");
    scheduled(&text)
}

fn write_lost_half(text: &mut String, nodes: usize) -> std::fmt::Result {
    for node in 1..=nodes {
        write!(text, r#"<node id="{node}" uname="n{node}"/>"#)?;
    }
    text.push_str(
        r#"</nodes><resources><clone id="c"><primitive id="p" class="ocf" provider="x" type="X"><meta_attributes id="m">
        <nvpair id="m-r" name="requires" value="quorum"/></meta_attributes></primitive></clone></resources></configuration><status>"#,
    );
    for node in 1..=nodes {
        let (crmd, code, call) = match node % 2 {
            0 => ("online", 7, "monitor"),
            _ => ("offline", 0, "start"),
        };
        write!(
            text,
            r#"<node_state id="{node}" uname="n{node}" in_ccm="true" crmd="{crmd}" join="member" expected="member"><lrm id="{node}"><lrm_resources>
            <lrm_resource id="p" class="ocf" provider="x" type="X"><lrm_rsc_op id="p_last_0" operation_key="p_{call}_0" operation="{call}" interval="0" call-id="1" rc-code="{code}" op-status="0" transition-key="1:1:{code}:x" transition-magic="0:{code};1:1:{code}:x"/></lrm_resource></lrm_resources></lrm></node_state>"#
        )?;
    }
    text.push_str("</status></cib>");
    Ok(())
}

fn write(text: &mut String, nodes: usize, chains: usize) -> std::fmt::Result {
    for node in 1..=nodes {
        write!(text, r#"<node id="{node}" uname="n{node}"/>"#)?;
    }
    text.push_str(r#"</nodes><resources><clone id="c"><primitive id="p" class="ocf" provider="x" type="X"/></clone>"#);
    for number in 0..chains * 4 {
        write!(
            text,
            r#"<primitive id="r{number}" class="ocf" provider="x" type="X"><operations><op id="m{number}" name="monitor" interval="10s"/></operations></primitive>"#
        )?;
    }
    text.push_str("</resources><constraints>");
    for number in (0..chains * 4).filter(|number| number % 4 != 0) {
        let before = number - 1;
        write!(
            text,
            r#"<rsc_order id="q{number}" first="r{before}" then="r{number}"/>"#
        )?;
    }
    text.push_str("</constraints></configuration><status>");
    for node in 1..=nodes {
        let crmd = if node == nodes { "offline" } else { "online" };
        write!(
            text,
            r#"<node_state id="{node}" uname="n{node}" in_ccm="true" crmd="{crmd}" join="member" expected="member"><lrm id="{node}"><lrm_resources>"#
        )?;
        for number in (0..chains * 4).filter(|number| number % nodes == node - 1) {
            write!(
                text,
                r#"<lrm_resource id="r{number}" class="ocf" provider="x" type="X"><lrm_rsc_op id="r{number}_last_0" operation_key="r{number}_start_0" operation="start" interval="0" call-id="1" rc-code="0" op-status="0" transition-key="1:1:0:x" transition-magic="0:0;1:1:0:x"/></lrm_resource>"#
            )?;
        }
        text.push_str("</lrm_resources></lrm></node_state>");
    }
    text.push_str("</status></cib>");
    Ok(())
}

/// The size that the work must be in proportion to: actions, inputs, orderings and resources.
fn size(schedule: &Schedule) -> usize {
    let graph = &schedule.graph;
    let inputs: usize = graph
        .synapses
        .iter()
        .map(|synapse| synapse.inputs.len())
        .sum();
    let cluster = &schedule.cluster;
    graph.synapses.len() + inputs + cluster.orderings.len() + cluster.resources.len()
}

#[test]
fn its_work_is_in_proportion_to_the_graph() {
    for (nodes, chains) in [(3, 5), (3, 80), (24, 20), (24, 80)] {
        let decided = decided(nodes, chains);
        assert!(decided.graph.synapses.len() > nodes * chains);
        let (findings, work) = counted(&decided);
        assert_eq!(findings, []);
        let size = size(&decided);
        assert!(
            work < 4 * size,
            "{nodes} nodes, {chains} chains: {work} steps for a size of {size}"
        );
    }
}

#[test]
fn its_work_does_not_grow_with_starts_times_fencings() {
    for nodes in [20, 160] {
        let decided = decided_with_quorum_only(nodes);
        let heads = decided.graph.heads.iter();
        let count = |task: &str| {
            heads
                .clone()
                .filter(|head| &*head.operation == task)
                .count()
        };
        assert_eq!(count("stonith"), nodes / 2);
        assert!(count("start") > nodes / 2, "{} starts", count("start"));
        let (findings, work) = counted(&decided);
        assert_eq!(findings, []);
        let size = size(&decided);
        assert!(
            work < 4 * size,
            "{nodes} nodes: {work} steps for a size of {size}"
        );
    }
}

#[test]
fn its_work_is_in_proportion_to_the_graph_when_everything_is_wrong() {
    for (nodes, chains) in [(3, 80), (24, 80)] {
        // no start waits for anything that it should wait for, but for much else
        let mut decided = decided(nodes, chains);
        let numbers: Vec<u32> = decided.graph.synapses.iter().map(|s| s.action).collect();
        for synapse in &mut decided.graph.synapses {
            let head = decided
                .graph
                .heads
                .iter()
                .find(|head| head.id == synapse.action);
            let inputs: Vec<u32> = match head {
                Some(head) if &*head.operation == "start" => {
                    let other = |number: &u32| !synapse.inputs.contains(number);
                    let others = numbers.iter().copied().filter(other);
                    others
                        .filter(|number| *number < synapse.action)
                        .take(20)
                        .collect()
                }
                _ => synapse.inputs.clone(),
            };
            synapse.inputs = inputs;
        }
        let (findings, work) = counted(&decided);
        assert!(findings.len() > chains, "{}", findings.len());
        let size = size(&decided);
        assert!(
            work < 8 * size,
            "{nodes} nodes, {chains} chains: {work} steps for a size of {size}"
        );
    }
}
