//! Generated inputs for measuring: many primitives (a fifth of them in groups of five), one fence
//! device, a colocation, an order and a location constraint per twenty stand-alone primitives.

use std::fmt::Write;

/// The state that a generated cluster is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// All nodes are online, nothing is known about resources: everything is probed and started.
    Fresh,
    /// Everything runs and was probed everywhere; the last node is lost and must be fenced.
    Failed,
}

impl State {
    /// Every state.
    pub const ALL: [State; 2] = [State::Fresh, State::Failed];

    /// The state in a word.
    pub fn name(self) -> &'static str {
        match self {
            State::Fresh => "fresh",
            State::Failed => "failed",
        }
    }
}

const TRANSITION: &str = "5c5b2d0a-1111-4222-8333-444455556666";
/// Digest of no parameters.
const EMPTY_DIGEST: &str = "f2317cad3d54cec5d7d7aa7d0bf35cf8";
/// Digest of a monitor with nothing but its timeout.
const MONITOR_DIGEST: &str = "4811cef7f7f94e3a35a70be7916cb2fd";

/// A CIB with this number of nodes and of primitives.
pub fn cib(nodes: usize, resources: usize, state: State) -> String {
    let mut shape = Shape::new(nodes, resources);
    let mut out = String::new();
    shape.configuration(&mut out);
    shape.place();
    shape.status(state, &mut out);
    out
}

struct Shape {
    nodes: Vec<String>,
    resources: Vec<String>,
    /// Groups of five come first; the rest stands alone.
    groups: usize,
    /// Where each resource runs.
    homes: Vec<usize>,
    calls: usize,
}

/// Every twentieth stand-alone primitive has a constraint of each kind, at these offsets.
const EVERY: usize = 20;
const ORDERED: usize = 5;
const LOCATED: usize = 10;

impl Shape {
    fn new(nodes: usize, resources: usize) -> Shape {
        Shape {
            nodes: (1..=nodes).map(|n| format!("node{n:03}")).collect(),
            resources: (1..=resources).map(|n| format!("rsc{n:05}")).collect(),
            groups: resources / 25,
            homes: vec![0; resources],
            calls: 1,
        }
    }

    fn configuration(&self, out: &mut String) {
        out.push_str(concat!(
            "<cib validate-with=\"pacemaker-3.9\" crm_feature_set=\"3.20.0\" epoch=\"10\" num_updates=\"1\" admin_epoch=\"0\" ",
            "have-quorum=\"1\" dc-uuid=\"1\" execution-date=\"1700000000\">\n<configuration>\n<crm_config>",
            "<cluster_property_set id=\"options\"><nvpair id=\"o-fencing\" name=\"stonith-enabled\" value=\"true\"/>",
            "</cluster_property_set></crm_config>\n<nodes>"
        ));
        for (index, node) in self.nodes.iter().enumerate() {
            let _ = write!(out, "<node id=\"{}\" uname=\"{node}\"/>", index + 1);
        }
        out.push_str(concat!(
            "</nodes>\n<rsc_defaults><meta_attributes id=\"rd\">",
            "<nvpair id=\"rd-s\" name=\"resource-stickiness\" value=\"1000\"/></meta_attributes></rsc_defaults>\n<resources>\n",
            "<primitive id=\"fencing\" class=\"stonith\" type=\"fence_xvm\"><operations>",
            "<op id=\"fencing-m\" name=\"monitor\" interval=\"120s\" timeout=\"20s\"/></operations></primitive>\n"
        ));
        let (grouped, alone) = self.resources.split_at(self.groups * 5);
        for (index, members) in grouped.chunks(5).enumerate() {
            let _ = writeln!(out, "<group id=\"grp{:04}\">", index + 1);
            members.iter().for_each(|resource| primitive(resource, out));
            out.push_str("</group>\n");
        }
        alone.iter().for_each(|resource| primitive(resource, out));
        out.push_str("</resources>\n<constraints>\n");
        for pair in alone.chunks(EVERY).filter(|chunk| chunk.len() > 1) {
            let (first, second) = (&pair[0], &pair[1]);
            let _ = writeln!(
                out,
                "<rsc_colocation id=\"col-{second}\" rsc=\"{second}\" with-rsc=\"{first}\" score=\"INFINITY\"/>"
            );
        }
        for at in (ORDERED..alone.len().saturating_sub(1)).step_by(EVERY) {
            let (first, then) = (&alone[at], &alone[at + 1]);
            let _ = writeln!(
                out,
                "<rsc_order id=\"ord-{at}\" first=\"{first}\" then=\"{then}\" kind=\"Mandatory\"/>"
            );
        }
        for at in (LOCATED..alone.len()).step_by(EVERY) {
            let (resource, node) = (&alone[at], &self.nodes[at / EVERY % self.nodes.len()]);
            let _ = writeln!(
                out,
                "<rsc_location id=\"loc-{at}\" rsc=\"{resource}\" node=\"{node}\" score=\"100\"/>"
            );
        }
        out.push_str("</constraints>\n</configuration>\n");
    }

    /// Spreads groups and stand-alone resources over the nodes; colocated ones stay together,
    /// located ones where they should be.
    fn place(&mut self) {
        let nodes = self.nodes.len();
        let grouped = self.groups * 5;
        let mut unit = 0;
        for members in self.homes[..grouped].chunks_mut(5) {
            members.fill(unit % nodes);
            unit += 1;
        }
        for (at, home) in self.homes[grouped..].iter_mut().enumerate() {
            if at % EVERY == 1 {
                unit -= 1;
            }
            *home = if at % EVERY == LOCATED {
                at / EVERY % nodes
            } else {
                unit % nodes
            };
            unit += 1;
        }
    }

    fn status(&mut self, state: State, out: &mut String) {
        out.push_str("<status>\n");
        for at in 0..self.nodes.len() {
            let lost = state == State::Failed && at == self.nodes.len() - 1;
            let _ = write!(
                out,
                "<node_state id=\"{id}\" uname=\"{}\" in_ccm=\"{}\" crmd=\"{}\" join=\"member\" expected=\"member\"><lrm id=\"{id}\"><lrm_resources>",
                self.nodes[at],
                !lost,
                if lost { "offline" } else { "online" },
                id = at + 1,
            );
            if state == State::Failed {
                let fencing = "type=\"fence_xvm\" class=\"stonith\"";
                self.history("fencing", fencing, 120_000, at, at == 0, out);
                for index in 0..self.resources.len() {
                    let resource = self.resources[index].clone();
                    let active = self.homes[index] == at;
                    let agent = "type=\"Dummy\" class=\"ocf\" provider=\"pacemaker\"";
                    self.history(&resource, agent, 10_000, at, active, out);
                }
            }
            out.push_str("</lrm_resources></lrm></node_state>\n");
        }
        out.push_str("</status>\n</cib>\n");
    }

    fn history(
        &mut self,
        resource: &str,
        agent: &str,
        interval: u32,
        node: usize,
        active: bool,
        out: &mut String,
    ) {
        let _ = write!(out, "<lrm_resource id=\"{resource}\" {agent}>");
        if active {
            self.result(resource, ("start", 0, 0), EMPTY_DIGEST, node, out);
            self.result(
                resource,
                ("monitor", interval, 0),
                MONITOR_DIGEST,
                node,
                out,
            );
        } else {
            self.result(resource, ("monitor", 0, 7), EMPTY_DIGEST, node, out);
        }
        out.push_str("</lrm_resource>\n");
    }

    /// A result that was expected: (task, interval in ms, exit code).
    fn result(
        &mut self,
        resource: &str,
        (task, interval, code): (&str, u32, u8),
        digest: &str,
        node: usize,
        out: &mut String,
    ) {
        self.calls += 1;
        let (call, node) = (self.calls, &self.nodes[node]);
        let entry = match interval {
            0 => format!("{resource}_last_0"),
            _ => format!("{resource}_{task}_{interval}"),
        };
        let key = format!("{call}:1:{code}:{TRANSITION}");
        let _ = write!(
            out,
            "<lrm_rsc_op id=\"{entry}\" operation_key=\"{resource}_{task}_{interval}\" operation=\"{task}\" crm_feature_set=\"3.20.0\" transition-key=\"{key}\" transition-magic=\"0:{code};{key}\" exit-reason=\"\" on_node=\"{node}\" call-id=\"{call}\" rc-code=\"{code}\" op-status=\"0\" interval=\"{interval}\" last-rc-change=\"1699999000\" exec-time=\"10\" queue-time=\"0\" op-digest=\"{digest}\"/>"
        );
    }
}

fn primitive(resource: &str, out: &mut String) {
    let _ = writeln!(
        out,
        "<primitive id=\"{resource}\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"><operations><op id=\"{resource}-m10\" name=\"monitor\" interval=\"10s\" timeout=\"20s\"/></operations></primitive>"
    );
}

#[cfg(test)]
mod tests {
    use policy_engine::{Cib, RunOptions, schedule};

    use super::*;

    fn tasks(state: State, task: &str) -> usize {
        let cib = Cib::parse(&cib(4, 50, state)).expect("a generated CIB is readable");
        let schedule = schedule(&cib, crate::NOW, RunOptions::default());
        let heads = schedule.graph.synapses.iter();
        heads
            .filter_map(|synapse| schedule.graph.head(synapse.action))
            .filter(|head| &*head.operation == task)
            .count()
    }

    #[test]
    fn a_fresh_cluster_starts_everything() {
        // 50 primitives, the fence device, and two groups.
        assert_eq!(tasks(State::Fresh, "start"), 53);
    }

    #[test]
    fn a_failed_cluster_fences_the_lost_node_once() {
        assert_eq!(tasks(State::Failed, "stonith"), 1);
    }
}
