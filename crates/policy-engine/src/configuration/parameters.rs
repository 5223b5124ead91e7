//! Parameters of resources and operations (scheduler-spec/01 §14, §17.5).

use std::sync::Arc;

use super::rules::RuleContext;
use super::{caches, nvset, operations};
use crate::model::{Cluster, NodeId, ResourceId, Table, Task};

/// A resource's parameters on a node (or without node): own sets, then its ancestors', never
/// overwriting. Cached; one evaluation for all nodes if no set has a rule.
pub(crate) fn of_resource(
    cluster: &Cluster,
    resource: ResourceId,
    node: Option<NodeId>,
) -> Arc<Table> {
    let key = (resource, node.filter(|_| have_rules(cluster, resource)));
    if let Some(known) = caches::of(cluster).parameters.borrow().get(&key) {
        return known.clone();
    }
    let context = RuleContext {
        node_attributes: key.1.map(|node| &cluster.node(node).attributes),
        ..RuleContext::default()
    };
    let mut table = Table::new();
    for id in lineage(cluster, resource) {
        let sets = &cluster.resource(id).config.parameters;
        nvset::evaluate(cluster, sets, &context, &mut table);
    }
    let table = Arc::new(table);
    let mut cache = caches::of(cluster).parameters.borrow_mut();
    cache.insert(key, table.clone());
    table
}

/// Whether some parameters of a resource hold only under conditions.
fn have_rules(cluster: &Cluster, resource: ResourceId) -> bool {
    lineage(cluster, resource).any(|id| {
        let config = &cluster.resource(id).config;
        nvset::depends_on_context(&config.parameters)
    })
}

/// The rule of a location constraint is evaluated with the resource's parameters on each node
/// (scheduler-spec/03 §4.2). So the graph says when those change, even if the rule does not look at
/// them.
pub(crate) fn note_rechecks(cluster: &Cluster, resource: ResourceId) {
    if have_rules(cluster, resource) {
        for node in &cluster.node_order {
            of_resource(cluster, resource, Some(*node));
        }
    }
}

/// The resource and its ancestors, nearest first.
fn lineage(cluster: &Cluster, resource: ResourceId) -> impl Iterator<Item = ResourceId> {
    std::iter::successors(Some(resource), |id| cluster.resource(*id).parent)
}

/// Instance attributes of the `op` that configures (task, interval) of a resource, evaluated for a
/// node; empty if there is none.
pub(crate) fn of_operation(
    cluster: &Cluster,
    resource: ResourceId,
    task: &Task,
    interval_ms: u32,
    node: Option<NodeId>,
) -> Arc<Table> {
    let found = operations::find(cluster, resource, task.name(), interval_ms);
    let Some(op) = found.filter(|op| !op.parameters.is_empty()) else {
        return caches::of(cluster).nothing.clone();
    };
    let context = RuleContext {
        node_attributes: node.map(|node| &cluster.node(node).attributes),
        ..RuleContext::default()
    };
    let mut table = Table::new();
    nvset::evaluate(cluster, &op.parameters, &context, &mut table);
    Arc::new(table)
}
