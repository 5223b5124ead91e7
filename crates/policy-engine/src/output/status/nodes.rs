//! The node list (scheduler-spec/06 §B.3).

use super::in_brackets;
use crate::model::{Cluster, HealthStrategy, NodeId};
use crate::output::Item;

/// How well a node is, for display.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Health {
    /// Some health attribute is as bad as `red`.
    Red,
    /// Some health attribute is as bad as `yellow`.
    Yellow,
    /// Neither.
    Green,
}

impl Health {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Health::Red => "red",
            Health::Yellow => "yellow",
            Health::Green => "green",
        }
    }
}

/// The health of a node, for display.
pub fn health(cluster: &Cluster, node: NodeId) -> Health {
    let options = &cluster.options;
    if options.health_strategy == HealthStrategy::None {
        return Health::Green;
    }
    let attributes = cluster.node(node).attributes.iter();
    let judged = attributes
        .filter(|(name, _)| name.starts_with("#health"))
        .filter_map(|(_, value)| {
            for health in [Health::Red, Health::Yellow, Health::Green] {
                if value.eq_ignore_ascii_case(health.name()) {
                    return Some(health);
                }
            }
            let score = options.score(value)?;
            Some(if score <= options.health_red {
                Health::Red
            } else if options.health_yellow != options.health_green
                && score <= options.health_yellow
            {
                Health::Yellow
            } else {
                Health::Green
            })
        });
    judged.min().unwrap_or(Health::Green)
}

/// The items of the node list.
pub(super) fn list(cluster: &Cluster) -> Vec<Item> {
    let mut items = Vec::new();
    let (mut online, mut offline) = (Vec::new(), Vec::new());
    let (mut remote_online, mut remote_offline) = (Vec::new(), Vec::new());
    let mut guest_online = Vec::new();
    for id in &cluster.node_order {
        let node = cluster.node(*id);
        if has_own_line(cluster, *id) {
            items.push(Item::Line(line(cluster, *id)));
            continue;
        }
        let (guest, remote) = (cluster.is_guest(*id), cluster.is_remote_kind(*id));
        let list = match (node.online, guest, remote) {
            (true, true, _) => &mut guest_online,
            (false, true, _) => continue,
            (true, false, true) => &mut remote_online,
            (false, false, true) => &mut remote_offline,
            (true, false, false) => &mut online,
            (false, false, false) => &mut offline,
        };
        list.push(node.name.clone());
    }
    for (title, names) in [
        ("Online", online),
        ("OFFLINE", offline),
        ("RemoteOnline", remote_online),
        ("RemoteOFFLINE", remote_offline),
        ("GuestOnline", guest_online),
    ] {
        if !names.is_empty() {
            items.push(in_brackets(title, &names));
        }
    }
    items
}

/// Whether there is more to say about a node than online or offline.
fn has_own_line(cluster: &Cluster, id: NodeId) -> bool {
    let node = cluster.node(id);
    node.unclean
        || node.pending
        || (node.fail_standby && node.online)
        || node.standby
        || node.maintenance
        || health(cluster, id) != Health::Green
}

fn line(cluster: &Cluster, id: NodeId) -> String {
    let node = cluster.node(id);
    let kind = if cluster.is_guest(id) {
        "GuestNode"
    } else if cluster.is_remote_kind(id) {
        "RemoteNode"
    } else {
        "Node"
    };
    let status = if node.unclean && node.online {
        "UNCLEAN (online)"
    } else if node.unclean && node.pending {
        "UNCLEAN (pending)"
    } else if node.unclean {
        "UNCLEAN (offline)"
    } else if node.pending {
        "pending"
    } else if node.fail_standby && node.online {
        "standby (on-fail)"
    } else if node.standby && !node.online {
        "OFFLINE (standby)"
    } else if node.standby && node.running.is_empty() {
        "standby"
    } else if node.standby {
        "standby (with active resources)"
    } else if node.maintenance && node.online {
        "maintenance"
    } else if node.maintenance {
        "OFFLINE (maintenance)"
    } else if node.online {
        "online"
    } else {
        "OFFLINE"
    };
    let health = match health(cluster, id) {
        Health::Red => " (health is RED)",
        Health::Yellow => " (health is YELLOW)",
        Health::Green => "",
    };
    format!("{kind} {}: {status}{health}", node.name)
}
