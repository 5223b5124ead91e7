//! The order in which Pacemaker's scheduler walks a score table (scheduler-spec/03 appendix A):
//! that of a hash table keyed by node id. It decides which of several equally free nodes counts as
//! the one with the most capacity (§18.2), which node comes first where the comparison of
//! capacities goes round in a circle (§10.2), and the order of attributes in utilization lines
//! (§19).

use crate::model::{Cluster, NodeId, NodeTable};

/// Size of the hash table, and the prime that hashes are taken modulo.
const MODULI: [(usize, u32); 20] = [
    (8, 7),
    (16, 13),
    (32, 31),
    (64, 61),
    (128, 127),
    (256, 251),
    (512, 509),
    (1024, 1021),
    (2048, 2039),
    (4096, 4093),
    (8192, 8191),
    (16_384, 16_381),
    (32_768, 32_749),
    (65_536, 65_521),
    (131_072, 131_071),
    (262_144, 262_139),
    (524_288, 524_287),
    (1_048_576, 1_048_573),
    (2_097_152, 2_097_143),
    (4_194_304, 4_194_301),
];

/// `nodes`, which are in `table`, in the order of the hash table into which the whole table was
/// inserted in node order.
pub(in crate::assignment) fn sorted(
    cluster: &Cluster,
    table: &NodeTable,
    nodes: Vec<NodeId>,
) -> Vec<NodeId> {
    let mut sorted = walked(cluster, table);
    sorted.retain(|node| nodes.contains(node));
    sorted
}

/// The nodes of a table as a list of its values has them: what is walked first comes last.
pub(in crate::assignment) fn listed(cluster: &Cluster, table: &NodeTable) -> Vec<NodeId> {
    let mut listed = walked(cluster, table);
    listed.reverse();
    listed
}

fn walked(cluster: &Cluster, table: &NodeTable) -> Vec<NodeId> {
    let all = cluster
        .node_order
        .iter()
        .copied()
        .filter(|node| table.contains(*node))
        .map(|node| (&*cluster.node(node).id, node));
    by_key(all)
}

/// Values in the order of a hash table into which they were inserted with these keys.
pub(in crate::assignment) fn by_key<'k, T: Copy>(
    entries: impl Iterator<Item = (&'k str, T)>,
) -> Vec<T> {
    let mut table = HashTable::new();
    for (key, value) in entries {
        table.insert(value, hash_of(key));
    }
    let slots = table.slots.into_iter().flatten();
    slots.map(|(value, _)| value).collect()
}

fn hash_of(key: &str) -> u32 {
    let hash = key.bytes().fold(0u32, |hash, c| {
        hash.wrapping_mul(31).wrapping_add(c as i8 as u32)
    });
    hash.max(2)
}

struct HashTable<T> {
    /// Position of its size in [`MODULI`].
    size: usize,
    count: usize,
    slots: Vec<Option<(T, u32)>>,
}

impl<T: Copy> HashTable<T> {
    fn new() -> Self {
        HashTable {
            size: 0,
            count: 0,
            slots: vec![None; MODULI[0].0],
        }
    }

    fn start(&self, hash: u32) -> usize {
        (hash.wrapping_mul(11) % MODULI[self.size].1) as usize
    }

    /// The first slot on the probe sequence of `hash` that is not `taken`.
    fn probe(&self, hash: u32, taken: impl Fn(usize) -> bool) -> usize {
        let mask = MODULI[self.size].0 - 1;
        let mut index = self.start(hash);
        let mut step = 0;
        while taken(index) {
            step += 1;
            index = (index + step) & mask;
        }
        index
    }

    fn insert(&mut self, value: T, hash: u32) {
        let index = self.probe(hash, |index| self.slots[index].is_some());
        self.slots[index] = Some((value, hash));
        self.count += 1;
        if MODULI[self.size].0 <= self.count + self.count / 16 {
            self.resize();
        }
    }

    /// Re-hashes in place, as Pacemaker's scheduler does.
    fn resize(&mut self) {
        let wanted = (self.count as f64 * 1.333) as usize;
        let bits = (usize::BITS - wanted.leading_zeros()).max(3) as usize;
        let old_size = MODULI[self.size].0;
        self.size = (bits - 3).min(MODULI.len() - 1);
        let new_size = MODULI[self.size].0;
        self.slots.resize(new_size.max(old_size), None);
        let mut placed = vec![false; self.slots.len()];
        for index in 0..old_size {
            if placed[index] {
                continue;
            }
            let Some(mut entry) = self.slots[index].take() else {
                continue;
            };
            loop {
                let to = self.probe(entry.1, |index| placed[index]);
                placed[to] = true;
                match self.slots[to].replace(entry) {
                    Some(displaced) => entry = displaced,
                    None => break,
                }
            }
        }
        self.slots.truncate(new_size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_in_pacemakers_order() {
        let order = |keys: &[&'static str]| by_key(keys.iter().map(|key| (*key, *key)));
        assert_eq!(order(&["cpu", "memory", "net"]), ["cpu", "net", "memory"]);
        let all = ["cpu", "memory", "disk", "gpu", "net"];
        assert_eq!(order(&all), ["cpu", "disk", "net", "gpu", "memory"]);
    }

    #[test]
    fn nothing_is_lost_when_the_table_grows() {
        let mut table = HashTable::new();
        for i in 0..1000 {
            table.insert(NodeId::new(i), hash_of(&format!("node{i}")));
        }
        let mut nodes: Vec<_> = table.slots.into_iter().flatten().map(|s| s.0).collect();
        nodes.sort();
        assert_eq!(nodes, (0..1000).map(NodeId::new).collect::<Vec<_>>());
    }
}
