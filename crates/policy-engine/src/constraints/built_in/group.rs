//! Built-in orderings of a group (scheduler-spec/05 §11.6 "Group", 03 §8.1).

use super::{GATE, PULL, PUSH, SEQ, SHOW_FIRST, SHOW_THEN, implicit, order_all, unpack_resource};
use crate::constraints::colocation;
use crate::model::Task::{Demote, Demoted, Promote, Promoted, Running, Start, Stop, Stopped};
use crate::model::*;

/// The group's own pseudo-actions around its members', and members one after the other.
pub(super) fn unpack(cluster: &mut Cluster, id: ResourceId) {
    let Some(GroupData { ordered, colocated }) = cluster.resource(id).group_data().cloned() else {
        return;
    };
    let group = Group {
        id,
        ordered,
        colocated,
        promotable: cluster.resource(cluster.top(id)).promotable,
    };
    let rows = [
        (id, Stop, id, Stopped, GATE),
        (id, Stopped, id, Start, SEQ),
        (id, Start, id, Running, GATE),
    ];
    order_all(cluster, rows);
    let (mut previous, mut last_active) = (None, None);
    for member in cluster.resource(id).children.clone() {
        unpack_resource(cluster, member);
        if let Some(previous) = previous.filter(|_| group.colocated) {
            let with_previous = Colocation {
                influence: cluster.resource(member).critical,
                ..implicit("#group-members", member, previous, Score::INFINITY)
            };
            colocation::store(cluster, with_previous);
        }
        group.around(cluster, member, previous.is_none());
        match previous {
            _ if !group.ordered => group.start_directly(cluster, member),
            None => {}
            Some(previous) => group.in_turn(cluster, previous, member),
        }
        if is_active(cluster, member) {
            if let (true, Some(previous), Some(last)) = (group.ordered, previous, last_active)
                && !is_active(cluster, previous)
            {
                order_all(cluster, [(member, Stop, last, Stop, SEQ)]);
            }
            last_active = Some(member);
        }
        previous = Some(member);
    }
}

fn is_active(cluster: &Cluster, id: ResourceId) -> bool {
    !cluster.resource(id).active_on.is_empty()
}

struct Group {
    id: ResourceId,
    ordered: bool,
    colocated: bool,
    /// It is an instance of a promotable clone.
    promotable: bool,
}

impl Group {
    /// The group's pseudo-actions before and after those of a member.
    fn around(&self, cluster: &mut Cluster, member: ResourceId, is_first: bool) {
        let group = self.id;
        let up = GATE | PUSH | SHOW_THEN;
        let (down, after) = match is_first && self.ordered {
            true => (SHOW_FIRST | SEQ, PUSH),
            false => (SHOW_FIRST, SHOW_THEN),
        };
        if self.promotable {
            let rows = [
                (group, Demote, member, Demote, down),
                (member, Demote, group, Demoted, after),
                (member, Promote, group, Promoted, up),
                (group, Promote, member, Promote, SHOW_FIRST),
            ];
            order_all(cluster, rows);
        }
        let rows = [
            (group, Stop, member, Stop, down),
            (member, Stop, group, Stopped, after),
            (group, Start, member, Start, SHOW_FIRST),
            (member, Start, group, Running, up),
        ];
        order_all(cluster, rows);
    }

    /// A member of a group without order waits for the group alone.
    fn start_directly(&self, cluster: &mut Cluster, member: ResourceId) {
        let flags = PUSH | GATE | SHOW_FIRST;
        order_all(cluster, [(self.id, Start, member, Start, flags)]);
        if self.promotable {
            order_all(cluster, [(self.id, Promote, member, Promote, flags)]);
        }
    }

    /// A member after the one before it.
    fn in_turn(&self, cluster: &mut Cluster, previous: ResourceId, member: ResourceId) {
        let restart = SEQ | OrderFlags::RESTART;
        let rows = [
            (previous, Start, member, Start, PUSH | GATE),
            (member, Stop, previous, Stop, restart),
        ];
        order_all(cluster, rows);
        // a member that runs although the one before it does not must stop first
        if is_active(cluster, member) && !is_active(cluster, previous) {
            order_all(cluster, [(member, Stop, previous, Start, PULL | GATE)]);
        }
        if self.promotable {
            let rows = [
                (previous, Promote, member, Promote, PUSH | GATE),
                (member, Demote, previous, Demote, SEQ),
            ];
            order_all(cluster, rows);
        }
    }
}
