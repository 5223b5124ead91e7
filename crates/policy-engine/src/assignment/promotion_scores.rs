//! Promotion scores: what agents say about how well an instance would do as promoted (scheduler-spec/04 §9.1, §9.2).

use crate::configuration::scalar;
use crate::explain::Cause;
use crate::model::{AttributeLookup, Cluster, Host, NodeId, ResourceId, Score, Variant, base_name};

/// Adds the promotion scores of a clone's instances to their tables, once, so that they are placed where they can be promoted.
pub fn add_to_instances(cluster: &mut Cluster, clone: ResourceId) {
    match &mut cluster.resource_mut(clone).variant {
        Variant::Clone(data) if !data.promotion_scores_added => data.promotion_scores_added = true,
        _ => return,
    }
    for instance in cluster.resource(clone).children.clone() {
        let nodes: Vec<NodeId> = cluster
            .resource(instance)
            .allowed
            .iter()
            .map(|(node, _)| node)
            .filter(|node| cluster.node(*node).is_available())
            .collect();
        for node in nodes {
            let score = score(cluster, instance, node).unwrap_or(0);
            let resource = cluster.resource_mut(instance);
            if score > 0
                && let Some(entry) = resource.allowed.get_mut(node)
            {
                entry.score = entry.score.add(Score(score));
            }
            resource.priority = resource.priority.max(score);
        }
        cluster.note(instance, Cause::PromotionScore);
    }
}

/// The promotion score of an instance on a node; `None` if no agent gave one.
pub fn score(cluster: &Cluster, instance: ResourceId, node: NodeId) -> Option<i32> {
    let resource = cluster.resource(instance);
    if resource.is_primitive() {
        return primitive_score(cluster, instance, node);
    }
    let mut sum: Option<i32> = None;
    for member in &resource.children {
        if let Some(score) = score(cluster, *member, node) {
            sum = Some(sum.unwrap_or(0).saturating_add(score));
        }
    }
    sum
}

fn primitive_score(cluster: &Cluster, id: ResourceId, node: NodeId) -> Option<i32> {
    // the attribute first: it is the cheaper question, and without it the score is the default either way
    let value = attribute(cluster, id, node)?;
    if !applies(cluster, id, node) {
        return None;
    }
    let score = scalar::score(value, &cluster.options).unwrap_or(Score::ZERO);
    Some(score.0)
}

/// The node attribute `master-NAME`; for an anonymous instance also without instance number.
fn attribute(cluster: &Cluster, id: ResourceId, node: NodeId) -> Option<&str> {
    let resource = cluster.resource(id);
    let host = if resource.unassigned {
        Host::Current
    } else {
        Host::Assigned
    };
    let value = |name: &str| {
        let name = format!("master-{name}");
        let source = AttributeLookup::new(cluster, &name, id, host).source(node)?;
        cluster.node(source).attributes.text(&name)
    };
    let name = resource.known_as();
    value(name).or_else(|| {
        let base = base_name(name);
        (!resource.unique && base != &*resource.id)
            .then(|| value(base))
            .flatten()
    })
}

/// Whether the score on a node is this instance's (§9.1.1): of anonymous instances the one that is there counts.
fn applies(cluster: &Cluster, id: ResourceId, node: NodeId) -> bool {
    let resource = cluster.resource(id);
    let allowed = || {
        resource
            .allowed
            .get(node)
            .is_some_and(|entry| entry.score >= Score::ZERO)
    };
    if !resource.unique {
        let base = base_name(&resource.id);
        let same = |other: &ResourceId| {
            let other = cluster.resource(*other);
            &*other.id == base || &*other.config_id == base
        };
        let family = cluster.subtree(cluster.top(id));
        let active = family
            .iter()
            .find(|other| same(other) && cluster.resource(**other).active_on.contains(&node));
        if active == Some(&id) {
            return allowed();
        }
        if active.is_none()
            && family.iter().any(|other| {
                let other = cluster.resource(*other);
                &*other.config_id == base && other.known_on.contains(node)
            })
        {
            return allowed();
        }
    }
    if resource.active_on.is_empty() && resource.known_on.is_empty() {
        return allowed();
    }
    let here = resource.known_on.contains(node) || resource.active_on.contains(&node);
    here && allowed()
}
