//! Which actions get a synapse, in which order, with which inputs (scheduler-spec/05 §15.1, §15.4).

use crate::actions::notifications;
use crate::model::*;
use crate::ordering::{Propagation, PropagationCache, inputs};
use crate::transition::actions;

/// A selected action with its inputs, ascending.
pub(super) type Selected = Vec<(ActionId, Vec<ActionId>)>;

/// Selects the actions of every resource, then all others.
pub(super) fn select(cluster: &mut Cluster, cache: &mut PropagationCache) -> Selected {
    let mut selected = Selected::new();
    for top in cluster.top_level.clone() {
        add_resource(cluster, cache, top, &mut selected);
    }
    if maintenance_changed(cluster).next().is_some() {
        let action = actions::singleton(
            cluster,
            Task::MaintenanceNodes.name(),
            Task::MaintenanceNodes,
            None,
        );
        let action = cluster.action_mut(action);
        action.pseudo = true;
        action.runnable = true;
        action.always_in_graph = true;
    }
    for index in (0..cluster.actions.len()).rev() {
        add(cluster, ActionId::new(index), &mut selected);
    }
    report_hanging_shutdowns(cluster);
    selected
}

/// Says which stops keep nodes from shutting down, newest action first.
fn report_hanging_shutdowns(cluster: &mut Cluster) {
    if !cluster.nodes.iter().any(|node| node.shutdown) {
        return;
    }
    for index in (0..cluster.actions.len()).rev() {
        let id = ActionId::new(index);
        let action = cluster.action(id);
        let (Some(resource), Some(node)) = (action.resource, action.node) else {
            continue;
        };
        let keeps_up = action.task == Task::Stop
            && !action.pseudo
            && !action.optional
            && !action.in_graph
            && cluster.node(node).shutdown;
        if !keeps_up {
            continue;
        }
        let resource = cluster.resource(resource);
        let text = format!(
            "Cannot shut down {} because of {}: {}{} ({})",
            cluster.node(node).name,
            resource.id,
            if resource.managed {
                "blocked"
            } else {
                "unmanaged"
            },
            if resource.failed { " failed" } else { "" },
            actions::key_text(cluster, id),
        );
        cluster.say(Level::Critical, text);
    }
}

/// Remote, guest and bundle nodes whose maintenance state differs from what is recorded, in node
/// list order.
pub(super) fn maintenance_changed(cluster: &Cluster) -> impl Iterator<Item = NodeId> + '_ {
    cluster.node_order.iter().copied().filter(|id| {
        let node = cluster.node(*id);
        node.kind == NodeKind::Remote && node.maintenance != node.remote_maintenance
    })
}

fn add_resource(
    cluster: &mut Cluster,
    cache: &mut PropagationCache,
    id: ResourceId,
    selected: &mut Selected,
) {
    match cluster.resource(id).variant {
        Variant::Primitive | Variant::Group(_) => {
            add_own(cluster, id, selected);
            add_children(cluster, cache, id, selected);
        }
        Variant::Clone(_) => {
            for index in (0..cluster.resource(id).actions.len()).rev() {
                let action = cluster.resource(id).actions[index];
                Propagation::new(cluster, cache).flags_of_variant(action, None);
            }
            notifications::create_for_instances(cluster, id);
            add_children(cluster, cache, id, selected);
            add_own(cluster, id, selected);
        }
        Variant::Bundle(_) => {
            let Some(data) = cluster.resource(id).bundle_data().cloned() else {
                return;
            };
            if let Some(clone) = data.clone {
                add_resource(cluster, cache, clone, selected);
            }
            for replica in &data.replicas {
                for part in [replica.ip, Some(replica.container), replica.connection]
                    .into_iter()
                    .flatten()
                {
                    add_resource(cluster, cache, part, selected);
                }
            }
        }
    }
}

fn add_children(
    cluster: &mut Cluster,
    cache: &mut PropagationCache,
    id: ResourceId,
    selected: &mut Selected,
) {
    for child in cluster.resource(id).children.clone() {
        add_resource(cluster, cache, child, selected);
    }
}

fn add_own(cluster: &mut Cluster, id: ResourceId, selected: &mut Selected) {
    for index in (0..cluster.resource(id).actions.len()).rev() {
        let action = cluster.resource(id).actions[index];
        add(cluster, action, selected);
    }
}

/// Gives an action its synapse, unless it has one already or is not wanted.
fn add(cluster: &mut Cluster, id: ActionId, selected: &mut Selected) {
    inputs::deduplicate(cluster, id);
    if cluster.action(id).in_graph || !inputs::is_wanted(cluster, id) {
        return;
    }
    cluster.action_mut(id).in_graph = true;
    let mut triggers = Vec::new();
    for link in 0..cluster.action(id).before.len() {
        if inputs::is_wanted_input(cluster, id, link) {
            let input = &mut cluster.action_mut(id).before[link];
            input.graphed = true;
            triggers.push(input.first);
        }
    }
    selected.push((id, triggers));
}
