//! Small maps that the whole model shares: name/value tables, score tables, node sets.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::NodeId;
use crate::score::Score;

/// Shared immutable text: ids, names, values. Cloning it copies a pointer.
pub type Text = Arc<str>;

/// Text that is mostly a constant.
pub type ShortText = std::borrow::Cow<'static, str>;

/// Amounts by utilization attribute, in order of insertion.
pub type Amounts = IndexMap<Text, i32, FxBuildHasher>;

/// A name → value table in order of insertion (meta-attributes, node attributes, parameters,
/// utilization).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(IndexMap<Text, Text, FxBuildHasher>);

impl Table {
    /// An empty table.
    pub fn new() -> Table {
        Table::default()
    }
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.0.get(name)
    }
    /// The value of `name` as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }
    /// Whether there is a value for `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    /// Sets `name`, replacing an older value.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<Text>) {
        self.0.insert(name.into(), value.into());
    }
    /// Sets `name` only if it has no value yet.
    pub fn set_if_absent(&mut self, name: impl Into<Text>, value: impl Into<Text>) {
        self.0.entry(name.into()).or_insert_with(|| value.into());
    }
    /// Removes `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.shift_remove(name);
    }
    /// All entries in order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter()
    }
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Whether the value of `name` parses as boolean true (scheduler-spec/01 §3.3, "true-ish").
    pub fn is_true(&self, name: &str) -> bool {
        self.text(name).and_then(crate::scalar::boolean) == Some(true)
    }
}

/// Whether a resource is probed on a node (scheduler-spec/03 §1.1), in ascending order of strength.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum ProbeMode {
    /// Probed.
    #[default]
    Always,
    /// Not probed.
    Never,
    /// Probed only where the mode is exclusive.
    Exclusive,
}

/// One entry of a resource's score table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// The resource's score for this node.
    pub score: Score,
    /// Probe mode of the resource on this node.
    pub mode: ProbeMode,
    /// Scratch counter of instances placed on this node (scheduler-spec/04 §7).
    pub count: u32,
}

/// A resource's score table: node → [`NodeEntry`], dense by [`NodeId`]. Nodes that are not in the
/// table are not candidates.
#[derive(Debug, Default)]
pub struct NodeTable {
    entries: Vec<Option<NodeEntry>>,
}

impl Clone for NodeTable {
    fn clone(&self) -> NodeTable {
        NodeTable {
            entries: self.entries.clone(),
        }
    }

    /// Keeps the room that there is.
    fn clone_from(&mut self, source: &NodeTable) {
        self.entries.clone_from(&source.entries);
    }
}

impl NodeTable {
    /// An empty table.
    pub fn new() -> NodeTable {
        NodeTable::default()
    }
    /// The entry of `node`.
    pub fn get(&self, node: NodeId) -> Option<&NodeEntry> {
        self.entries.get(node.index())?.as_ref()
    }
    /// The entry of `node`, to change it.
    pub fn get_mut(&mut self, node: NodeId) -> Option<&mut NodeEntry> {
        self.entries.get_mut(node.index())?.as_mut()
    }
    /// Whether `node` is in the table.
    pub fn contains(&self, node: NodeId) -> bool {
        self.get(node).is_some()
    }
    /// Inserts or replaces the entry of `node`.
    pub fn insert(&mut self, node: NodeId, entry: NodeEntry) {
        if self.entries.len() <= node.index() {
            self.entries.resize(node.index() + 1, None);
        }
        self.entries[node.index()] = Some(entry);
    }
    /// Takes `node` out of the table.
    pub fn remove(&mut self, node: NodeId) {
        if let Some(slot) = self.entries.get_mut(node.index()) {
            *slot = None;
        }
    }
    /// All entries, by [`NodeId`] (not node list order).
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &NodeEntry)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(i, e)| e.as_ref().map(|e| (NodeId::new(i), e)))
    }
    /// All entries, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut NodeEntry)> {
        self.entries
            .iter_mut()
            .enumerate()
            .filter_map(|(i, e)| e.as_mut().map(|e| (NodeId::new(i), e)))
    }
    /// Number of nodes in the table.
    pub fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }
    /// Whether the table has no node.
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(Option::is_none)
    }
}

/// A set of nodes, one bit each, by [`NodeId`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet(smallvec::SmallVec<[u64; 2]>);

impl NodeSet {
    /// Adds `node`; true if it was not in the set.
    pub fn insert(&mut self, node: NodeId) -> bool {
        let (word, bit) = (node.index() / 64, node.index() % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let fresh = self.0[word] & (1 << bit) == 0;
        self.0[word] |= 1 << bit;
        fresh
    }
    /// Takes `node` out.
    pub fn remove(&mut self, node: NodeId) {
        if let Some(word) = self.0.get_mut(node.index() / 64) {
            *word &= !(1 << (node.index() % 64));
        }
    }
    /// Takes all members of `other` out.
    pub fn subtract(&mut self, other: &NodeSet) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= !other;
        }
    }
    /// Whether `node` is in the set.
    pub fn contains(&self, node: NodeId) -> bool {
        self.0
            .get(node.index() / 64)
            .is_some_and(|word| word & (1 << (node.index() % 64)) != 0)
    }
    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
    /// The members, by [`NodeId`].
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.iter().enumerate().flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(NodeId::new(i * 64 + bit))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nodes: &[usize]) -> NodeSet {
        let mut set = NodeSet::default();
        for node in nodes {
            set.insert(NodeId::new(*node));
        }
        set
    }

    fn members(set: &NodeSet) -> Vec<usize> {
        set.iter().map(NodeId::index).collect()
    }

    #[test]
    fn the_members_of_a_set_come_in_the_order_of_their_ids() {
        assert_eq!(members(&set(&[])), [0; 0]);
        assert_eq!(members(&set(&[200, 0, 63, 64, 127])), [0, 63, 64, 127, 200]);
    }

    #[test]
    fn a_set_without_another_keeps_what_only_it_has() {
        let mut long = set(&[0, 63, 64, 200]);
        long.subtract(&set(&[1, 63, 64]));
        assert_eq!(members(&long), [0, 200]);
        let mut short = set(&[3, 5]);
        short.subtract(&set(&[5, 200]));
        assert_eq!(members(&short), [3]);
    }
}
