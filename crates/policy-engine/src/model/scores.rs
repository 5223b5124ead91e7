//! The basic operations on score tables (scheduler-spec/03 §7.0).

use super::*;

impl Cluster {
    /// A fresh table entry for `node`: its base score and cluster-wide probe mode.
    pub fn fresh_entry(&self, node: NodeId) -> NodeEntry {
        let node = self.node(node);
        NodeEntry {
            score: node.base_score,
            mode: node.probe_mode,
            count: 0,
        }
    }

    /// "adjust(R, node, s)": children first, then the resource: inserts a missing entry with the
    /// base score, then adds.
    pub fn adjust(&mut self, id: ResourceId, node: NodeId, score: Score) {
        for i in 0..self.resource(id).children.len() {
            let child = self.resource(id).children[i];
            self.adjust(child, node, score);
        }
        let fresh = self.fresh_entry(node);
        let table = &mut self.resource_mut(id).allowed;
        match table.get_mut(node) {
            Some(entry) => entry.score = entry.score.add(score),
            None => table.insert(
                node,
                NodeEntry {
                    score: fresh.score.add(score),
                    ..fresh
                },
            ),
        }
    }

    /// "adjust(R, all, s)": the same for every node of the cluster, in node order.
    pub fn adjust_everywhere(&mut self, id: ResourceId, score: Score) {
        for i in 0..self.node_order.len() {
            let node = self.node_order[i];
            self.adjust(id, node, score);
        }
    }

    /// Replaces the resource's own table (not its children's) by all nodes with -INFINITY.
    pub fn ban_own_table(&mut self, id: ResourceId) {
        let mut table = NodeTable::new();
        for node in self.node_order.clone() {
            table.insert(
                node,
                NodeEntry {
                    score: Score::MINUS_INFINITY,
                    ..self.fresh_entry(node)
                },
            );
        }
        self.resource_mut(id).allowed = table;
    }
}
