//! Built-in orderings of a group (scheduler-spec/05 §11.6 "Group", 03 §8.1).

use super::{colocate, unpack_resource};
use crate::model::*;
use crate::transition::orderings::order;

/// The group's own pseudo-actions around its members', and members one after the other.
pub(super) fn unpack(cluster: &mut Cluster, group: ResourceId) {
    let Some(GroupData { ordered, colocated }) = cluster.resource(group).group_data().cloned()
    else {
        return;
    };
    let promotable = cluster.resource(cluster.top(group)).promotable;
    order(
        cluster,
        group,
        Task::Stop,
        group,
        Task::Stopped,
        OrderFlags::GATE,
    );
    order(
        cluster,
        group,
        Task::Stopped,
        group,
        Task::Start,
        OrderFlags::SEQ,
    );
    order(
        cluster,
        group,
        Task::Start,
        group,
        Task::Running,
        OrderFlags::GATE,
    );

    let mut previous: Option<ResourceId> = None;
    let mut last_active: Option<ResourceId> = None;
    for member in cluster.resource(group).children.clone() {
        unpack_resource(cluster, member);
        let (mut down, mut post) = (OrderFlags::SHOW_FIRST, OrderFlags::SHOW_THEN);
        match previous {
            None if ordered => {
                down |= OrderFlags::SEQ;
                post = OrderFlags::PUSH;
            }
            None => {}
            Some(previous) if colocated => {
                let critical = cluster.resource(member).critical;
                colocate(
                    cluster,
                    "#group-members",
                    member,
                    previous,
                    Score::INFINITY,
                    critical,
                );
            }
            Some(_) => {}
        }
        let up = OrderFlags::GATE | OrderFlags::PUSH | OrderFlags::SHOW_THEN;
        if promotable {
            order(cluster, group, Task::Demote, member, Task::Demote, down);
            order(cluster, member, Task::Demote, group, Task::Demoted, post);
            order(cluster, member, Task::Promote, group, Task::Promoted, up);
            order(
                cluster,
                group,
                Task::Promote,
                member,
                Task::Promote,
                OrderFlags::SHOW_FIRST,
            );
        }
        order(cluster, group, Task::Stop, member, Task::Stop, down);
        order(cluster, member, Task::Stop, group, Task::Stopped, post);
        order(
            cluster,
            group,
            Task::Start,
            member,
            Task::Start,
            OrderFlags::SHOW_FIRST,
        );
        order(cluster, member, Task::Start, group, Task::Running, up);

        let follows = OrderFlags::PUSH | OrderFlags::GATE;
        let active = |cluster: &Cluster, id: ResourceId| !cluster.resource(id).active_on.is_empty();
        match previous {
            _ if !ordered => {
                let flags = follows | OrderFlags::SHOW_FIRST;
                order(cluster, group, Task::Start, member, Task::Start, flags);
                if promotable {
                    order(cluster, group, Task::Promote, member, Task::Promote, flags);
                }
            }
            None => {}
            Some(previous) => {
                order(cluster, previous, Task::Start, member, Task::Start, follows);
                let restart = OrderFlags::SEQ | OrderFlags::RESTART;
                order(cluster, member, Task::Stop, previous, Task::Stop, restart);
                // A member that runs although the one before it does not must stop first.
                if active(cluster, member) && !active(cluster, previous) {
                    let flags = OrderFlags::PULL | OrderFlags::GATE;
                    order(cluster, member, Task::Stop, previous, Task::Start, flags);
                }
                if promotable {
                    order(
                        cluster,
                        previous,
                        Task::Promote,
                        member,
                        Task::Promote,
                        follows,
                    );
                    order(
                        cluster,
                        member,
                        Task::Demote,
                        previous,
                        Task::Demote,
                        OrderFlags::SEQ,
                    );
                }
            }
        }
        if active(cluster, member) {
            if let (true, Some(previous), Some(last)) = (ordered, previous, last_active)
                && !active(cluster, previous)
            {
                order(
                    cluster,
                    member,
                    Task::Stop,
                    last,
                    Task::Stop,
                    OrderFlags::SEQ,
                );
            }
            last_active = Some(member);
        }
        previous = Some(member);
    }
}
