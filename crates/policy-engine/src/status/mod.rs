//! Chapter 2: the `status` section. What runs where, what failed, which nodes are usable.
//!
//! ```text
//! tickets and node_state (nodes) → histories, repeatedly, as nodes become ready (remote) →
//!   resource of a history (lookup) →
//!   its entries in call order (history, entry: expiry, remap, roles, migration) →
//!   consequences on the node (closing) → where it is active (active)
//! ```
//!
//! Stage interface: [`unpack`] (step A7), [`failures`] for fail counts, and [`history`] for the
//! order of entries.

mod active;
mod closing;
mod entry;
mod expiry;
pub(crate) mod failures;
pub(crate) mod history;
mod lookup;
mod migration;
mod nodes;
mod remote;
mod reports;
mod roles;

use crate::model::{Cluster, Level, NodeId, QuorumPolicy, ResourceId, Task, Ticket};
use crate::scalar;
use crate::transition::actions;
use crate::xml::{Document, Element};

/// Step A7: tickets, node states, histories. Creates actions (02 §2) in the order that the
/// specification demands.
pub(crate) fn unpack(cluster: &mut Cluster) {
    if !cluster.options.quorate && cluster.options.no_quorum_policy != QuorumPolicy::Ignore {
        let text = "Fencing and resource management disabled due to lack of quorum";
        cluster.say(Level::State, text);
    }
    let document = cluster.document.clone();
    if let Some(status) = document.section("status") {
        for child in status.children() {
            match child.name() {
                "tickets" => child
                    .children_named("ticket_state")
                    .for_each(|state| ticket(cluster, state)),
                "node_state" => nodes::first_pass(cluster, child),
                _ => {}
            }
        }
        histories(cluster, &document, status);
    }
    stop_remembered_containers(cluster);
    remote::after_histories(cluster);
}

/// Reads the state of a ticket (02 §5.1).
fn ticket(cluster: &mut Cluster, state: Element<'_>) {
    let Some(id) = state.get("id").filter(|id| !id.is_empty()) else {
        return;
    };
    let position = cluster.tickets.iter().position(|ticket| &*ticket.id == id);
    let position = position.unwrap_or_else(|| {
        cluster.tickets.push(Ticket {
            id: id.into(),
            granted: false,
            standby: false,
            last_granted: -1,
            state: Default::default(),
        });
        cluster.tickets.len() - 1
    });
    let ticket = &mut cluster.tickets[position];
    for (name, value) in state.attributes().filter(|(name, _)| *name != "id") {
        ticket.state.set(name, value);
    }
    ticket.granted = ticket.state.is_true("granted");
    if let Some(last) = ticket.state.text("last-granted") {
        ticket.last_granted = scalar::integer(last).unwrap_or(0);
    }
    ticket.standby = ticket.state.is_true("standby");
}

/// 02 §6: histories are read as soon as their node is ready; with fencing, the rest comes last.
fn histories(cluster: &mut Cluster, document: &Document, status: Element<'_>) {
    // Looked up once: connections found in one history make other nodes ready, but never change a
    // node's name.
    let mut waiting: Vec<Element<'_>> = status
        .children_named("node_state")
        .filter(|state| state.get("id").is_some() && state.get("uname").is_some())
        .collect();
    loop {
        let before = waiting.len();
        waiting.retain(|state| !try_history(cluster, document, *state, Walk::Early));
        if waiting.len() == before {
            break;
        }
    }
    for state in waiting {
        try_history(cluster, document, state, Walk::Last);
    }
}

/// Which walk over the histories it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walk {
    /// One of those that read the histories of nodes that are ready.
    Early,
    /// The last one, which reads what is left.
    Last,
}

/// Reads a node's history if it may be read now; true if nothing is left to do for this element.
fn try_history(cluster: &mut Cluster, document: &Document, state: Element<'_>, walk: Walk) -> bool {
    let Some(node) = nodes::find(cluster, state) else {
        // Removed remote connections make their node when their history is read: it may come into
        // being later.
        return walk == Walk::Last;
    };
    if cluster.node(node).unpacked {
        return true;
    }
    if !((walk == Walk::Last && cluster.options.fencing_enabled) || is_ready(cluster, node)) {
        return false;
    }
    if cluster.is_remote_kind(node) {
        remote::determine_online(cluster, node);
        remote::read_flags(cluster, node, state);
    }
    cluster.node_mut(node).unpacked = true;
    node_history(cluster, document, state, node);
    true
}

fn is_ready(cluster: &Cluster, node: NodeId) -> bool {
    let started = |id: ResourceId| cluster.resource(id).role == crate::model::Role::Started;
    let connection = cluster.node(node).connection;
    if let Some(launcher) = cluster.guest_launcher(node) {
        connection.is_some_and(started) && cluster.role_of(launcher) == crate::model::Role::Started
    } else if cluster.is_remote_kind(node) {
        connection.is_some_and(|c| cluster.options.shutdown_lock || started(c))
    } else {
        cluster.options.fencing_enabled
            || cluster.options.shutdown_lock
            || cluster.node(node).online
    }
}

/// 02 §6 steps 3 and 4: all `lrm_resource` elements of one node.
fn node_history(cluster: &mut Cluster, document: &Document, state: Element<'_>, node: NodeId) {
    let Some(resources) = state
        .child("lrm")
        .and_then(|lrm| lrm.child("lrm_resources"))
    else {
        return;
    };
    let mut removed_launched = false;
    for lrm_resource in resources.children_named("lrm_resource") {
        if let Some(resource) = entry::resource_history(cluster, document, lrm_resource, node) {
            removed_launched |= cluster.resource(resource).removed_launched;
        }
    }
    if !removed_launched {
        return;
    }
    for lrm_resource in resources.children_named("lrm_resource") {
        let (Some(container), Some(id)) = (lrm_resource.get("container"), lrm_resource.get("id"))
        else {
            continue;
        };
        let (Some(container), Some(resource)) =
            (cluster.find_resource(container), cluster.find_resource(id))
        else {
            continue;
        };
        let dangling = cluster.resource(resource);
        if dangling.launcher.is_none() && dangling.removed_launched {
            cluster.resource_mut(resource).launcher = Some(container);
            cluster.resource_mut(container).launched.push(resource);
        }
    }
}

/// Stops the containers of failed resources inside bundles (02 §18.3 step 1).
fn stop_remembered_containers(cluster: &mut Cluster) {
    for container in std::mem::take(&mut cluster.containers_to_stop)
        .into_iter()
        .rev()
    {
        if let Some(node) = cluster.current_node(container) {
            actions::required_once(cluster, container, Task::Stop, node);
        }
    }
}
