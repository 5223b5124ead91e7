//! The first pass over `node_state`: attributes, and which cluster nodes are online
//! (scheduler-spec/02 §5).

use crate::configuration;
use crate::configuration::nodes::Existing;
use crate::model::{Cluster, NodeId, QuorumPolicy, Score, Turn};
use crate::scalar;
use crate::transition::fencing;
use crate::xml::Element;

/// The node of a `node_state`: by `id`, then by `uname` (§5.2).
pub(super) fn find(cluster: &Cluster, state: Element<'_>) -> Option<NodeId> {
    let id = state.get("id")?;
    cluster
        .find_node_by_id(id)
        .or_else(|| cluster.find_node(state.get("uname")?))
}

/// §5.2–5.6 for one `node_state`.
pub(super) fn first_pass(cluster: &mut Cluster, state: Element<'_>) {
    let Some(node) = find(cluster, state) else {
        return;
    };
    if cluster.is_remote_kind(node) {
        let fenced = attribute_integer(state, "node_fenced") >= 1;
        cluster.node_mut(node).remote_fenced = fenced;
        return;
    }
    read_attributes(cluster, node, state);
    if cluster.node(node).attributes.is_true("standby") {
        cluster.node_mut(node).standby = true;
    }
    if cluster.node(node).attributes.is_true("maintenance") {
        cluster.node_mut(node).maintenance = true;
    }
    let shutdown = shutdown_requested(cluster, node);
    let expected_member = state
        .get("expected")
        .is_some_and(|expected| expected.eq_ignore_ascii_case("member"));
    let this = cluster.node_mut(node);
    this.unclean = false;
    this.seen = true;
    this.shutdown = shutdown;
    this.expected_up |= !shutdown && expected_member;

    let online = is_online(cluster, node, state);
    let this = cluster.node_mut(node);
    this.online = online;
    if !online || shutdown {
        this.base_score = Score::MINUS_INFINITY;
    }
    if online && !cluster.options.quorate && cluster.options.no_quorum_policy == QuorumPolicy::Fence
    {
        fencing::mark(cluster, node, "cluster does not have quorum");
    }
}

/// An integer attribute of an element; 0 if absent or invalid.
pub(super) fn attribute_integer(element: Element<'_>, name: &str) -> i64 {
    element.get(name).and_then(scalar::integer).unwrap_or(0)
}

/// The node attribute `shutdown` exists and is not `0` (§5.5 step 3).
pub(super) fn shutdown_requested(cluster: &Cluster, node: NodeId) -> bool {
    cluster
        .node(node)
        .attributes
        .text("shutdown")
        .is_some_and(|value| value != "0")
}

/// §5.4 steps 1–3.
pub(super) fn read_attributes(cluster: &mut Cluster, node: NodeId, state: Element<'_>) {
    let transient = state.child("transient_attributes");
    configuration::nodes::read_attributes(cluster, node, transient, Existing::Replaced);
}

/// The membership that a `node_state` records (§5.5 "Inputs").
struct Membership<'e> {
    /// Since when it is a member; 0 = not, -1 = never heard of.
    member: i64,
    /// Since when its controller is in the process group; 0 = not.
    online: i64,
    join: Option<&'e str>,
    expected: Option<&'e str>,
}

impl<'e> Membership<'e> {
    fn read(state: Element<'e>, now: i64) -> Membership<'e> {
        let member = match state.get("in_ccm") {
            None => -1,
            Some(text) => match scalar::boolean(text) {
                // whatever the clock says, it is a member
                Some(true) => now.max(1),
                Some(false) => 0,
                None => scalar::integer(text)
                    .filter(|time| *time >= 0)
                    .unwrap_or(-1),
            },
        };
        let online = match state.get("crmd") {
            None => 0,
            Some(text) if text.eq_ignore_ascii_case("offline") => 0,
            Some(text) if text.eq_ignore_ascii_case("online") => 1,
            Some(text) => scalar::integer(text).filter(|time| *time >= 0).unwrap_or(0),
        };
        Membership {
            member,
            online,
            join: state.get("join"),
            expected: state.get("expected"),
        }
    }
}

fn is_online(cluster: &mut Cluster, node: NodeId, state: Element<'_>) -> bool {
    let membership = Membership::read(state, cluster.now);
    if cluster.options.fencing_enabled {
        online_with_fencing(cluster, node, &membership)
    } else {
        online_without_fencing(cluster, node, &membership)
    }
}

/// §5.5, first table.
fn online_without_fencing(cluster: &mut Cluster, node: NodeId, is: &Membership<'_>) -> bool {
    if is.member <= 0 {
        return false;
    }
    if is.online > 0 {
        return is
            .join
            .is_some_and(|join| join.eq_ignore_ascii_case("member"));
    }
    if cluster.node(node).expected_up {
        fencing::mark(cluster, node, "peer is unexpectedly down");
    }
    false
}

/// §5.5, second table: its rows in order.
fn online_with_fencing(cluster: &mut Cluster, node: NodeId, is: &Membership<'_>) -> bool {
    let member = is.member > 0;
    if cluster.node(node).shutdown {
        return is.online > 0;
    }
    if is.member < 0 {
        fencing::mark(cluster, node, "peer has not been seen by the cluster");
        return false;
    }
    if is.join == Some("banned") {
        let reason = "peer failed Pacemaker membership criteria";
        fencing::mark(cluster, node, reason);
        return member;
    }
    if termination_requested(cluster, node) {
        if !member && is.online <= 0 && is.join == Some("down") {
            return false;
        }
        fencing::mark(cluster, node, "fencing was requested");
        return member;
    }
    if matches!(is.expected, None | Some("down")) {
        if pending_too_long(cluster, is) {
            let reason = "peer pending timed out on joining the process group";
            fencing::mark(cluster, node, reason);
        } else if member || is.online > 0 {
            set_pending(cluster, node);
        }
        return member;
    }
    if !member {
        let reason = "peer is no longer part of the cluster";
        fencing::mark_with_priority_delay(cluster, node, reason);
        return false;
    }
    if is.online <= 0 {
        let reason = "peer process is no longer available";
        fencing::mark(cluster, node, reason);
        return true;
    }
    match is.join {
        Some("member") => {}
        Some("pending" | "down") => set_pending(cluster, node),
        _ => fencing::mark(cluster, node, "peer was in an unknown state"),
    }
    true
}

fn set_pending(cluster: &mut Cluster, node: NodeId) {
    let node = cluster.node_mut(node);
    node.standby = true;
    node.pending = true;
}

fn termination_requested(cluster: &Cluster, node: NodeId) -> bool {
    cluster
        .node(node)
        .attributes
        .text("terminate")
        .is_some_and(|value| {
            scalar::boolean(value)
                .unwrap_or_else(|| scalar::integer(value).is_some_and(|number| number > 0))
        })
}

fn pending_too_long(cluster: &Cluster, is: &Membership<'_>) -> bool {
    let timeout = cluster.options.node_pending_timeout_ms;
    if timeout == 0 || is.member <= 0 || is.online > 0 {
        return false;
    }
    let end = is.member.saturating_add(scalar::seconds(timeout));
    if cluster.now >= end {
        return true;
    }
    cluster.recheck_at(end, Turn::Wait);
    false
}
