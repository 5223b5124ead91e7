//! Clone notifications (scheduler-spec/04 §16): before and after anything happens to an instance,
//! all instances are notified.
//!
//! The pseudo-actions around a start, stop, promote or demote of a clone are made with the clone's
//! actions; the notify actions of the instances, and what these say, when the clone is added to
//! the graph.

use super::collective::COMPLETION_PRIORITY;
use crate::model::*;
use crate::transition::actions::{self, Pseudo};
use crate::transition::orderings::link;

/// What a notification says: meta-attributes in order.
type Content = Vec<(&'static str, Text)>;

/// Creates the notification pseudo-actions for `task` of a clone, whose pseudo-action is `action`
/// and completion `done` (§16.1).
pub(crate) fn create_for(
    cluster: &mut Cluster,
    clone: ResourceId,
    task: &Task,
    action: ActionId,
    done: ActionId,
) {
    let before = Pseudo {
        optional: cluster.action(action).optional,
        runnable: true,
    };
    let after = Pseudo {
        optional: cluster.action(done).optional,
        runnable: cluster.action(done).runnable,
    };
    let done_task = cluster.action(done).task.clone();
    let pseudo = |cluster: &mut Cluster, phase: NotifyPhase| {
        let (key_task, kind, flags) = match phase {
            NotifyPhase::Pre | NotifyPhase::ConfirmedPre => (task, "pre", before),
            NotifyPhase::Post | NotifyPhase::ConfirmedPost => (&done_task, "post", after),
        };
        let key = OperationKey::notification(phase, key_task.clone());
        let id = actions::collective_pseudo(cluster, clone, key, flags);
        describe(cluster, id, phase, key_task, kind, task);
        id
    };
    let pre = pseudo(cluster, NotifyPhase::Pre);
    let pre_done = pseudo(cluster, NotifyPhase::ConfirmedPre);
    let post = pseudo(cluster, NotifyPhase::Post);
    let post_done = pseudo(cluster, NotifyPhase::ConfirmedPost);
    cluster.action_mut(post).priority = COMPLETION_PRIORITY;
    cluster.action_mut(post_done).priority = COMPLETION_PRIORITY;

    link(cluster, pre, pre_done, OrderFlags::SEQ);
    link(cluster, pre_done, action, OrderFlags::SEQ);
    link(cluster, done, post, OrderFlags::PUSH);
    link(cluster, post, post_done, OrderFlags::PUSH);
    link(cluster, pre_done, post, OrderFlags::SEQ);
    let notification = Notification {
        task: task.clone(),
        pre: Some((pre, pre_done)),
        post: Some((post, post_done)),
    };
    if let Variant::Clone(data) = &mut cluster.resource_mut(clone).variant {
        data.notifications
            .get_or_insert_default()
            .about
            .push(notification);
    }
}

fn describe(
    cluster: &mut Cluster,
    id: ActionId,
    phase: NotifyPhase,
    key_task: &Task,
    kind: &str,
    task: &Task,
) {
    let action = cluster.action_mut(id);
    action.set_meta("notify_key_type", phase.name());
    action.set_meta("notify_key_operation", key_task.name());
    action.set_meta("notify_type", kind);
    action.set_meta("notify_operation", task.name());
}

fn find(cluster: &Cluster, clone: ResourceId, task: &Task) -> Option<Notification> {
    let data = cluster.resource(clone).clone_data()?;
    data.notifications
        .as_ref()?
        .about
        .iter()
        .find(|n| n.task == *task)
        .cloned()
}

/// Links the confirmation that `first` happened before the announcement of `then`.
fn in_turn(cluster: &mut Cluster, clone: ResourceId, first: Task, then: Task) {
    let post = find(cluster, clone, &first).and_then(|n| n.post);
    let pre = find(cluster, clone, &then).and_then(|n| n.pre);
    if let (Some((_, confirmed)), Some((announced, _))) = (post, pre) {
        link(cluster, confirmed, announced, OrderFlags::SEQ);
    }
}

/// Starts are announced after stops are confirmed.
pub(crate) fn order_start_after_stop(cluster: &mut Cluster, clone: ResourceId) {
    in_turn(cluster, clone, Task::Stop, Task::Start);
}

/// Promotions are announced after everything else is confirmed, everything else after demotions.
pub(crate) fn order_promotion(cluster: &mut Cluster, clone: ResourceId) {
    in_turn(cluster, clone, Task::Stop, Task::Promote);
    in_turn(cluster, clone, Task::Start, Task::Promote);
    in_turn(cluster, clone, Task::Demote, Task::Promote);
    in_turn(cluster, clone, Task::Demote, Task::Start);
    in_turn(cluster, clone, Task::Demote, Task::Stop);
}

/// Creates the notify actions of a clone's instances (§16.2–16.4); done when the clone is added to
/// the graph.
pub(crate) fn create_for_instances(cluster: &mut Cluster, clone: ResourceId) {
    let Some(data) = cluster.resource(clone).clone_data() else {
        return;
    };
    let Some(notifications) = data.notifications.clone() else {
        return;
    };
    for notification in notifications.about {
        let (content, happens) = collect(cluster, clone, &notification.task);
        if happens {
            for id in notification
                .pre
                .into_iter()
                .chain(notification.post)
                .flat_map(|(a, b)| [a, b])
            {
                cluster.action_mut(id).optional = false;
            }
        }
        let message = Message {
            about: &notification,
            content: &content,
            happens,
        };
        for leaf in cluster.leaves(clone) {
            notify_leaf(cluster, leaf, message);
        }
    }
}

/// Notifications about a stop that fencing implies (§16.5).
pub(crate) fn order_after_fencing(
    cluster: &mut Cluster,
    id: ResourceId,
    stop: ActionId,
    fence: ActionId,
) {
    let (optional, runnable) = (
        cluster.action(fence).optional,
        cluster.action(fence).runnable,
    );
    let pseudo = |cluster: &mut Cluster, phase: NotifyPhase| {
        let key = OperationKey::notification(phase, Task::Stonith);
        let id = actions::collective_pseudo(cluster, id, key, Pseudo { optional, runnable });
        describe(cluster, id, phase, &Task::Stonith, "post", &Task::Stop);
        cluster.action_mut(id).priority = COMPLETION_PRIORITY;
        id
    };
    let post = pseudo(cluster, NotifyPhase::Post);
    let confirmed = pseudo(cluster, NotifyPhase::ConfirmedPost);
    link(cluster, fence, post, OrderFlags::PUSH);
    link(cluster, post, confirmed, OrderFlags::PUSH);
    let node = cluster.action(stop).node;
    let node_name = node.map_or_else(|| " ".into(), |n| cluster.node(n).name.clone());
    let content: Content = vec![
        ("notify_stop_resource", cluster.resource(id).id.clone()),
        ("notify_stop_uname", node_name),
    ];
    let notification = Notification {
        task: Task::Stop,
        pre: None,
        post: Some((post, confirmed)),
    };
    let message = Message {
        about: &notification,
        content: &content,
        happens: true,
    };
    for leaf in cluster.leaves(cluster.top(id)) {
        notify_leaf(cluster, leaf, message);
    }
}

/// One instance on one node, or nowhere.
type Entry = (Text, Option<NodeId>);

/// Names of a list of resources and of the list of their nodes.
type Names = (&'static str, &'static str);

const STOP: Names = ("notify_stop_resource", "notify_stop_uname");
const START: Names = ("notify_start_resource", "notify_start_uname");
const DEMOTE: Names = ("notify_demote_resource", "notify_demote_uname");
const PROMOTE: Names = ("notify_promote_resource", "notify_promote_uname");
const ACTIVE: Names = ("notify_active_resource", "notify_active_uname");
const UNPROMOTED: Names = ("notify_unpromoted_resource", "notify_unpromoted_uname");
const SLAVE: Names = ("notify_slave_resource", "notify_slave_uname");
const PROMOTED: Names = ("notify_promoted_resource", "notify_promoted_uname");
const MASTER: Names = ("notify_master_resource", "notify_master_uname");

/// What happens to the instances of a clone, and where they are (§16.2).
#[derive(Default)]
struct Instances {
    stop: Vec<Entry>,
    start: Vec<Entry>,
    demote: Vec<Entry>,
    promote: Vec<Entry>,
    active: Vec<Entry>,
    unpromoted: Vec<Entry>,
    promoted: Vec<Entry>,
    inactive: Vec<Entry>,
}

/// What notifications about `task` say, and whether that happens to any of them (§16.2).
fn collect(cluster: &Cluster, clone: ResourceId, task: &Task) -> (Content, bool) {
    let mut instances = Instances::default();
    for leaf in cluster.leaves(clone) {
        instances.add_place(cluster.resource(leaf));
        instances.add_actions(cluster, leaf);
    }
    let happens = match task {
        Task::Stop => !instances.stop.is_empty(),
        Task::Start => !instances.start.is_empty(),
        Task::Demote => !instances.demote.is_empty(),
        _ => !instances.promote.is_empty(),
    };
    let mut content = instances.content(cluster);
    add_nodes(cluster, clone, &mut content);
    (content, happens)
}

impl Instances {
    /// Where an instance is, by its role.
    fn add_place(&mut self, resource: &Resource) {
        let entry = (resource.id.clone(), resource.active_on.first().copied());
        match resource.role {
            Role::Stopped => self.inactive.push(entry),
            Role::Started => self.active.push(entry),
            Role::Unpromoted => {
                self.unpromoted.push(entry.clone());
                self.active.push(entry);
            }
            Role::Promoted => {
                self.promoted.push(entry.clone());
                self.active.push(entry);
            }
            Role::Unknown => {}
        }
    }

    /// What happens to an instance.
    fn add_actions(&mut self, cluster: &Cluster, leaf: ResourceId) {
        let resource = cluster.resource(leaf);
        for action in resource.actions.iter().map(|a| cluster.action(*a)) {
            let (false, Some(node)) = (action.optional, action.node) else {
                continue;
            };
            let fenced = action.task == Task::Stop && cluster.node(node).unclean;
            if !action.runnable && !fenced {
                continue;
            }
            let list = match action.task {
                Task::Stop => &mut self.stop,
                Task::Start => &mut self.start,
                Task::Demote => &mut self.demote,
                Task::Promote => &mut self.promote,
                _ => continue,
            };
            list.push((resource.id.clone(), Some(node)));
        }
    }

    /// The lists under their names, the older names too.
    fn content(self, cluster: &Cluster) -> Content {
        let mut content = Content::new();
        let mut tell = |mut entries: Vec<Entry>, names: &[Names]| {
            let (resources, nodes) = render(cluster, &mut entries);
            for (resource_name, node_name) in names {
                content.push((resource_name, resources.clone()));
                content.push((node_name, nodes.clone()));
            }
        };
        tell(self.stop, &[STOP]);
        tell(self.start, &[START]);
        tell(self.demote, &[DEMOTE]);
        tell(self.promote, &[PROMOTE]);
        tell(self.active, &[ACTIVE]);
        tell(self.unpromoted, &[UNPROMOTED, SLAVE]);
        tell(self.promoted, &[PROMOTED, MASTER]);
        let (inactive, _) = render(cluster, &mut { self.inactive });
        content.push(("notify_inactive_resource", inactive));
        content
    }
}

/// Nodes that the clone may be on, all nodes, and where the latter run if agents ask for that.
fn add_nodes(cluster: &Cluster, clone: ResourceId, content: &mut Content) {
    let clone = cluster.resource(clone);
    let names = |nodes: &mut dyn Iterator<Item = NodeId>| {
        let names: Vec<&str> = nodes.map(|n| &*cluster.node(n).name).collect();
        if names.is_empty() {
            Text::from(" ")
        } else {
            names.join(" ").into()
        }
    };
    let order = &cluster.node_order;
    let is_available = |node: &NodeId| clone.allowed.contains(*node);
    let available = names(&mut order.iter().copied().filter(is_available));
    content.push(("notify_available_uname", available));
    content.push(("notify_all_uname", names(&mut order.iter().copied())));
    let target = clone.meta.text("container-attribute-target");
    if target.is_some_and(|target| target.eq_ignore_ascii_case("host")) {
        let host = |node: &NodeId| {
            let launcher = cluster.guest_launcher(*node);
            let host = launcher.and_then(|launcher| cluster.current_node(launcher));
            host.unwrap_or(*node)
        };
        content.push(("notify_all_hosts", names(&mut order.iter().map(host))));
    }
}

/// Sorted by resource id, then node id; each resource once; an empty list is one blank.
fn render(cluster: &Cluster, entries: &mut Vec<Entry>) -> (Text, Text) {
    if entries.is_empty() {
        return (" ".into(), " ".into());
    }
    let node_id = |entry: &Entry| entry.1.map(|n| cluster.node(n).id.clone());
    entries.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| node_id(a).cmp(&node_id(b))));
    entries.dedup_by(|later, earlier| later.0 == earlier.0);
    let resources: Vec<&str> = entries.iter().map(|(id, _)| &**id).collect();
    let nodes: Vec<&str> = entries
        .iter()
        .filter_map(|(_, node)| node.map(|n| &*cluster.node(n).name))
        .collect();
    (resources.join(" ").into(), nodes.join(" ").into())
}

/// A notification with its content.
#[derive(Clone, Copy)]
struct Message<'m> {
    about: &'m Notification,
    content: &'m Content,
    /// Whether the task happens to any instance.
    happens: bool,
}

/// §16.3: notifies one instance.
fn notify_leaf(cluster: &mut Cluster, leaf: ResourceId, message: Message<'_>) {
    let actions = cluster.resource(leaf).actions.to_vec();
    for id in actions {
        let action = cluster.action_mut(id);
        let concerned = matches!(
            action.task,
            Task::Start | Task::Stop | Task::Promote | Task::Demote
        );
        if concerned && !action.optional && action.node.is_some() {
            add(action, message.content);
        }
    }
    match message.about.task {
        Task::Stop => notify_where_active(cluster, leaf, message),
        Task::Demote if message.happens => notify_where_active(cluster, leaf, message),
        _ if message.happens => notify_where_assigned(cluster, leaf, message),
        _ => {}
    }
}

/// Stops and demotes: the instance is notified where it is.
fn notify_where_active(cluster: &mut Cluster, leaf: ResourceId, message: Message<'_>) {
    if cluster.resource(leaf).role == Role::Stopped {
        return;
    }
    let stop = actions::newest_task(cluster, leaf, &Task::Stop, None);
    for node in cluster.resource(leaf).active_on.clone() {
        let host = cluster.node(node);
        let gone = host.unclean || host.remote_reset;
        if gone && stop.is_some_and(|s| cluster.action(s).pseudo) {
            continue;
        }
        notify(cluster, leaf, node, NotifyPhase::Pre, message);
        let stays = stop.is_none_or(|s| cluster.action(s).optional);
        if message.about.task == Task::Demote || stays {
            notify(cluster, leaf, node, NotifyPhase::Post, message);
        }
    }
}

/// Starts and promotes: the instance is notified where it will be, if its node can be reached.
fn notify_where_assigned(cluster: &mut Cluster, leaf: ResourceId, message: Message<'_>) {
    if cluster.resource(leaf).next_role == Role::Stopped {
        return;
    }
    let start = actions::newest_task(cluster, leaf, &Task::Start, None);
    let connection = start
        .and_then(|s| cluster.action(s).node)
        .filter(|n| cluster.is_remote_kind(*n))
        .and_then(|n| cluster.node(n).connection);
    let unreachable = connection
        .and_then(|c| actions::newest_task(cluster, c, &Task::Start, None))
        .is_some_and(|s| !cluster.action(s).runnable);
    if unreachable {
        return;
    }
    let Some(node) = cluster.resource(leaf).assigned else {
        return;
    };
    let runs = start.is_none_or(|s| cluster.action(s).optional);
    if message.about.task == Task::Promote || runs {
        notify(cluster, leaf, node, NotifyPhase::Pre, message);
    }
    notify(cluster, leaf, node, NotifyPhase::Post, message);
}

fn add(action: &mut Action, content: &Content) {
    for (name, value) in content {
        action.set_meta(*name, value.clone());
    }
}

/// §16.4: one notify action.
fn notify(
    cluster: &mut Cluster,
    leaf: ResourceId,
    node: NodeId,
    phase: NotifyPhase,
    message: Message<'_>,
) {
    let Message { about, content, .. } = message;
    let pair = if phase == NotifyPhase::Pre {
        about.pre
    } else {
        about.post
    };
    let Some((pseudo, confirmed)) = pair else {
        return;
    };
    if cluster.node(node).online && cluster.action(pseudo).runnable {
        let optional = cluster.action(pseudo).optional;
        let key = OperationKey::notification(phase, about.task.clone());
        let id = actions::action(cluster, leaf, key, Some(node), optional);
        let announced = cluster.action(pseudo);
        let mut inherited = announced.own_meta.clone();
        inherited.extend(
            announced
                .options
                .meta
                .iter()
                .map(|(k, v)| (MetaName::Owned(k.to_string()), v.clone())),
        );
        let action = cluster.action_mut(id);
        for (name, value) in inherited {
            if action.meta(&name).is_none() {
                action.set_meta(name, value);
            }
        }
        add(action, content);
        if phase == NotifyPhase::Post {
            action.priority = COMPLETION_PRIORITY;
        }
        link(cluster, pseudo, id, OrderFlags::SEQ);
        link(cluster, id, confirmed, OrderFlags::SEQ);
    }
    if phase == NotifyPhase::Post {
        let actions = cluster.resource(leaf).actions.to_vec();
        for id in actions {
            let action = cluster.action(id);
            if action.key.interval_ms > 0 && action.task != Task::Cancel {
                link(cluster, confirmed, id, OrderFlags::SEQ);
            }
        }
    }
}
