//! Promotion scores: what agents say about how well an instance would do as promoted
//! (scheduler-spec/04 §9.1, §9.2).

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::model::{
    AttributeLookup, Cause, Cluster, Host, NodeId, NodeSet, Resource, ResourceId, Score, Text,
    Variant, base_name,
};

/// What the names of the attributes begin with.
const PREFIX: &str = "master-";

/// Adds the promotion scores of a clone's instances to their tables, once, so that they are placed
/// where they can be promoted.
pub(super) fn add_to_instances(cluster: &mut Cluster, clone: ResourceId) {
    match &mut cluster.resource_mut(clone).variant {
        Variant::Clone(data) if !data.promotion_scores_added => data.promotion_scores_added = true,
        _ => return,
    }
    let mut scores = PromotionScores::new(cluster);
    for instance in cluster.resource(clone).children.clone() {
        let allowed = cluster.resource(instance).allowed.iter();
        let nodes = allowed
            .map(|(node, _)| node)
            .filter(|node| cluster.node(*node).is_available());
        let found: Vec<(NodeId, i32)> = nodes
            .map(|node| (node, scores.of(cluster, instance, node).unwrap_or(0)))
            .collect();
        let resource = cluster.resource_mut(instance);
        for (node, score) in found {
            if score > 0
                && let Some(entry) = resource.allowed.get_mut(node)
            {
                entry.score = entry.score.add(Score(score));
            }
            resource.effective_priority = resource.effective_priority.max(score);
        }
        cluster.note(instance, Cause::PromotionScore);
    }
}

/// Finds the promotion scores of one clone's instances. What the answers have in common is worked
/// out once: an instance is asked about every node.
#[derive(Debug)]
pub(super) struct PromotionScores {
    /// Node attributes that hold scores of whatever resources.
    given: FxHashSet<Text>,
    /// By primitive: those of them that hold its score, the first of which counts.
    names: FxHashMap<ResourceId, SmallVec<[Text; 2]>>,
    /// By name without instance number.
    families: FxHashMap<String, Family>,
}

/// Where the instances of a primitive are.
#[derive(Debug, Default)]
struct Family {
    /// The first instance that is active on a node.
    active: FxHashMap<NodeId, ResourceId>,
    /// Nodes where the history knows one.
    known: NodeSet,
}

impl PromotionScores {
    /// Knows nothing of any instance yet.
    pub(super) fn new(cluster: &Cluster) -> PromotionScores {
        let attributes = cluster.nodes.iter().flat_map(|node| node.attributes.iter());
        let names = attributes.map(|(name, _)| name);
        PromotionScores {
            given: names
                .filter(|name| name.starts_with(PREFIX))
                .cloned()
                .collect(),
            names: FxHashMap::default(),
            families: FxHashMap::default(),
        }
    }

    /// The promotion score of an instance on a node; `None` if no agent gave one.
    pub(super) fn of(
        &mut self,
        cluster: &Cluster,
        instance: ResourceId,
        node: NodeId,
    ) -> Option<i32> {
        let resource = cluster.resource(instance);
        if resource.is_primitive() {
            return self.of_primitive(cluster, instance, node);
        }
        let mut sum: Option<i32> = None;
        for member in &resource.children {
            if let Some(score) = self.of(cluster, *member, node) {
                sum = Some(sum.unwrap_or(0).saturating_add(score));
            }
        }
        sum
    }

    fn of_primitive(&mut self, cluster: &Cluster, id: ResourceId, node: NodeId) -> Option<i32> {
        // the attribute first: it is the cheaper question, and without it the score is the default
        // either way
        let names = self.names.entry(id);
        let names = names.or_insert_with(|| names_of(cluster.resource(id), &self.given));
        let value = names
            .iter()
            .find_map(|name| value_of(cluster, name, id, node))?;
        if !self.applies(cluster, id, node) {
            return None;
        }
        let score = cluster.options.score(value).unwrap_or(Score::ZERO);
        Some(score.0)
    }

    /// Whether the score on a node is this instance's (§9.1.1): of anonymous instances the one that
    /// is there counts.
    fn applies(&mut self, cluster: &Cluster, id: ResourceId, node: NodeId) -> bool {
        let resource = cluster.resource(id);
        let entry = resource.allowed.get(node);
        if entry.is_none_or(|entry| entry.score < Score::ZERO) {
            return false;
        }
        if !resource.unique {
            let base = base_name(&resource.id);
            if !self.families.contains_key(base) {
                let family = Family::of(cluster, cluster.top(id), base);
                self.families.insert(base.to_owned(), family);
            }
            let family = &self.families[base];
            match family.active.get(&node) {
                Some(active) if *active == id => return true,
                None if family.known.contains(node) => return true,
                _ => {}
            }
        }
        let nowhere = resource.active_on.is_empty() && resource.known_on.is_empty();
        nowhere || resource.known_on.contains(node) || resource.active_on.contains(&node)
    }
}

impl Family {
    /// The instances called `base` below `top`.
    fn of(cluster: &Cluster, top: ResourceId, base: &str) -> Family {
        let mut family = Family::default();
        for id in cluster.subtree(top) {
            let resource = cluster.resource(id);
            let is_instance = &*resource.config_id == base;
            if is_instance || &*resource.id == base {
                for node in &resource.active_on {
                    family.active.entry(*node).or_insert(id);
                }
            }
            if is_instance {
                for node in resource.known_on.iter() {
                    family.known.insert(node);
                }
            }
        }
        family
    }
}

/// The node attributes that hold the score of a primitive: `master-NAME`; for an anonymous instance
/// also without instance number.
fn names_of(resource: &Resource, given: &FxHashSet<Text>) -> SmallVec<[Text; 2]> {
    let name = resource.known_as();
    let base = base_name(name);
    let of_all = !resource.unique && base != &*resource.id;
    [Some(&**name), of_all.then_some(base)]
        .into_iter()
        .flatten()
        .filter_map(|name| given.get(&*format!("{PREFIX}{name}")).cloned())
        .collect()
}

fn value_of<'c>(cluster: &'c Cluster, name: &str, id: ResourceId, node: NodeId) -> Option<&'c str> {
    let host = match cluster.resource(id).unassigned {
        true => Host::Current,
        false => Host::Assigned,
    };
    let source = AttributeLookup::new(cluster, name, id, host).source(node)?;
    cluster.node(source).attributes.text(name)
}
