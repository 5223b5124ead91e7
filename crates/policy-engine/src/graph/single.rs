//! One operation of one resource, as an action of a graph would ask for it: the same options and
//! parameters, made by the same code, whether it is decided to do it or not.

use super::GraphAction;
use super::describe::describe_one;
use crate::actions::probes;
use crate::assignment;
use crate::constraints;
use crate::model::{Cluster, NodeId, OperationKey, Resource, ResourceId, Task, Ticket, base_name};
use crate::scalar;
use crate::transition::actions;

/// An operation that nobody has decided on.
#[derive(Clone, Debug)]
pub struct SingleOperation {
    /// What an agent would be asked for.
    pub action: GraphAction,
    /// The resource is left alone wherever it runs: its own settings, those of what contains it, or
    /// the options of the cluster say so. That a node is in maintenance is not meant.
    pub left_alone: bool,
    /// It is an instance of a clone, or in a bundle: there may be several.
    pub collective: bool,
    /// A ticket that it needs and that is not granted, or is in standby.
    pub lacks_ticket: Option<String>,
    /// Nodes that would be looked at first, since nothing is known of the resource there.
    pub unknown_on: Vec<String>,
}

/// The operation of a resource on a node, of a cluster that was loaded and not scheduled. Of a
/// clone: of the instance that is on the node, or that could be. `None`: there is no such resource
/// or node.
pub fn single_operation(
    cluster: &mut Cluster,
    resource: &str,
    node: &str,
    task: Task,
) -> Option<SingleOperation> {
    let node = cluster.find_node(node)?;
    let id = instance(cluster, resource, node)?;
    constraints::unpack(cluster);
    assignment::apply_criteria(cluster);
    let unknown_on = cluster.node_order.iter();
    let unknown_on = unknown_on.filter(|node| probes::is_due(cluster, id, **node));
    let unknown_on = unknown_on.map(|node| cluster.node(*node).name.to_string());
    let unknown_on = unknown_on.collect();
    let action = actions::required(cluster, id, OperationKey::once(task), Some(node));
    Some(SingleOperation {
        action: describe_one(cluster, action),
        left_alone: is_left_alone(cluster, id),
        collective: !is_alone(cluster, id),
        lacks_ticket: lacking_ticket(cluster, id),
        unknown_on,
    })
}

/// The primitive of that name: the instance that is active on the node, or known there, or free.
fn instance(cluster: &Cluster, name: &str, node: NodeId) -> Option<ResourceId> {
    let all = || {
        (0..cluster.resources.len())
            .map(ResourceId::new)
            .filter(|id| {
                let own = cluster.resource(*id);
                let named = *own.id == *name || base_name(&own.id) == name;
                own.is_primitive() && !own.removed && named
            })
    };
    let find = |wanted: &dyn Fn(&Resource) -> bool| all().find(|id| wanted(cluster.resource(*id)));
    find(&|own| own.active_on.contains(&node))
        .or_else(|| find(&|own| own.known_on.contains(node)))
        .or_else(|| find(&|own| own.active_on.is_empty()))
        .or_else(|| find(&|_| true))
}

fn is_left_alone(cluster: &Cluster, id: ResourceId) -> bool {
    let own = cluster.resource(id);
    let managed = own.meta.text("is-managed").and_then(scalar::boolean);
    let unmanaged = own.meta.is_true("maintenance") || managed == Some(false);
    !own.managed && (cluster.options.maintenance_mode || unmanaged)
}

fn is_alone(cluster: &Cluster, id: ResourceId) -> bool {
    let top = cluster.resource(cluster.top_including_bundle(id));
    !top.is_clone() && !top.is_bundle()
}

fn lacking_ticket(cluster: &Cluster, id: ResourceId) -> Option<String> {
    let mut level = Some(id);
    while let Some(id) = level {
        let own = cluster.resource(id);
        let needs = own.tickets.iter();
        let mut tickets = needs.map(|known| {
            let needs = &cluster.ticket_constraints[known.index()];
            &cluster.tickets[needs.ticket.index()]
        });
        if let Some(ticket) = tickets.find(|ticket: &&Ticket| !ticket.granted || ticket.standby) {
            return Some(ticket.id.to_string());
        }
        level = own.parent;
    }
    None
}
