//! The state of a cluster as a tree, with the element and attribute names of `crm_simulate
//! --output-as=xml`.

use policy_engine::Cluster;
use policy_engine::model::{NodeId, ResourceId, Role, Variant};
use policy_engine::output::failures;
use policy_engine::output::status::{self, details};

use super::tree::{Element, Shape};

/// Which optional parts are shown, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    /// Pending operations.
    pub pending: bool,
    /// Node attributes.
    pub attributes: bool,
    /// Fail counts and failed operations.
    pub failures: bool,
}

/// The tree of a loaded cluster.
pub(super) fn tree(name: &'static str, cluster: &Cluster, parts: Parts) -> Element {
    let nodes = || cluster.node_order.iter();
    let mut tree = Element::new(name, Shape::Object);
    tree.push(Element::list("nodes", nodes().map(|id| node(cluster, *id))));
    let shown = cluster
        .top_level
        .iter()
        .filter(|id| status::is_shown(cluster, **id));
    tree.push(Element::list(
        "resources",
        shown.filter_map(|id| resource(cluster, *id, parts.pending)),
    ));
    let online = || nodes().filter(|id| cluster.node(**id).online);
    if parts.attributes {
        let per_node = online().map(|id| {
            let attributes = details::attributes(cluster, *id);
            let attributes = attributes.iter().map(|(name, value)| {
                Element::new("attribute", Shape::Object)
                    .with("name", &**name)
                    .with("value", &**value)
            });
            Element::new("node", Shape::Members("attributes"))
                .with("name", &*cluster.node(*id).name)
                .containing(attributes)
        });
        tree.push(Element::list("node_attributes", per_node));
    }
    if parts.failures {
        let per_node = online().filter_map(|id| {
            let counts = details::fail_counts(cluster, *id);
            let node = Element::new("node", Shape::Members("resources"))
                .with("name", &*cluster.node(*id).name)
                .containing(counts.iter().map(fail_count));
            (!counts.is_empty()).then_some(node)
        });
        tree.push(Element::list("node_history", per_node));
        let failed = details::failed_operations(cluster);
        if !failed.is_empty() {
            tree.push(Element::list("failures", failed.iter().map(failure)));
        }
    }
    tree
}

fn node(cluster: &Cluster, id: NodeId) -> Element {
    let node = cluster.node(id);
    let launcher = cluster.guest_launcher(id);
    let kind = if cluster.is_remote_kind(id) {
        "remote"
    } else {
        "member"
    };
    let element = Element::new("node", Shape::Object)
        .with("name", &*node.name)
        .with("id", &*node.id)
        .with("online", node.online)
        .with("standby", node.standby)
        .with("standby_onfail", node.fail_standby)
        .with("maintenance", node.maintenance)
        .with("pending", node.pending)
        .with("unclean", node.unclean)
        .with("health", status::health(cluster, id).name())
        .with_some("feature_set", node.attributes.text("#feature-set"))
        .with("shutdown", node.shutdown)
        .with("expected_up", node.expected_up)
        .with("is_dc", cluster.dc == Some(id))
        .with("resources_running", node.running.len())
        .with("type", kind);
    element.with_some(
        "id_as_resource",
        launcher.map(|launcher| cluster.resource(launcher).id.clone()),
    )
}

fn resource(cluster: &Cluster, id: ResourceId, pending: bool) -> Option<Element> {
    let resource = cluster.resource(id);
    let failed = cluster.any_below(id, |r| r.failed);
    let disabled = cluster.target_role(id) == Some(Role::Stopped);
    let children = || {
        let children = resource.children.iter();
        children.filter_map(|child| self::resource(cluster, *child, pending))
    };
    Some(match &resource.variant {
        Variant::Primitive => return primitive(cluster, id, pending),
        Variant::Group(_) => Element::new("group", Shape::Members("members"))
            .with("id", &*resource.id)
            .with("number_resources", resource.children.len())
            .with("managed", resource.managed)
            .with("disabled", disabled)
            .containing(children()),
        Variant::Clone(_) => Element::new("clone", Shape::Members("instances"))
            .with("id", &*resource.id)
            .with("multi_state", resource.promotable)
            .with("unique", resource.unique)
            .with("managed", resource.managed)
            .with("disabled", disabled)
            .with("failed", failed)
            .with("failure_ignored", resource.failure_ignored)
            .with_some("target_role", resource.meta.text("target-role"))
            .containing(children()),
        Variant::Bundle(bundle) => {
            let replicas = bundle.replicas.iter().map(|replica| {
                let parts = [
                    replica.ip,
                    replica.child,
                    Some(replica.container),
                    replica.connection,
                ];
                let parts = parts.into_iter().flatten();
                Element::new("replica", Shape::Members("members"))
                    .with("id", replica.number)
                    .containing(parts.filter_map(|part| primitive(cluster, part, pending)))
            });
            Element::new("bundle", Shape::Members("replicas"))
                .with("id", &*resource.id)
                .with("type", &*bundle.technology)
                .with("image", bundle.image.as_deref().unwrap_or_default())
                .with("unique", resource.unique)
                .with("managed", resource.managed)
                .with("failed", failed)
                .containing(replicas)
        }
    })
}

fn primitive(cluster: &Cluster, id: ResourceId, pending: bool) -> Option<Element> {
    let resource = cluster.resource(id);
    if status::is_internal(cluster, id) && !cluster.in_bundle(id) {
        return None;
    }
    let agent = &resource.agent;
    let mut kind = agent.class.to_string();
    for part in [agent.provider.as_deref(), Some(&*agent.kind)]
        .into_iter()
        .flatten()
    {
        kind.push(':');
        kind.push_str(part);
    }
    let name = if resource.unique {
        &resource.id
    } else {
        &resource.config_id
    };
    let role = status::role_text(cluster, id);
    let pending = pending.then(|| status::pending_text(cluster, id)).flatten();
    let nodes = resource.active_on.iter().map(|node| {
        let node = cluster.node(*node);
        Element::new("node", Shape::Object)
            .with("name", &*node.name)
            .with("id", &*node.id)
            .with("cached", node.online)
    });
    let locked = resource
        .lock_node
        .map(|node| cluster.node(node).name.clone());
    Some(
        Element::new("resource", Shape::Members("nodes"))
            .with("id", &**name)
            .with("resource_agent", kind)
            .with("role", role)
            .with_some("target_role", resource.meta.text("target-role"))
            .with("active", cluster.is_fully_active(id))
            .with("orphaned", resource.removed)
            .with("blocked", resource.blocked)
            .with("managed", resource.managed)
            .with("failed", resource.failed)
            .with("failure_ignored", resource.failure_ignored)
            .with("nodes_running_on", resource.active_on.len())
            .with_some("pending", pending)
            .with_some("locked_to", locked)
            .containing(nodes),
    )
}

fn fail_count(count: &details::FailCount) -> Element {
    Element::new("resource_history", Shape::Object)
        .with("id", &*count.resource)
        .with("orphan", false)
        .with("migration-threshold", count.migration_threshold.0)
        .with("fail-count", count.count.to_string())
        .with_some("last-failure", count.last_failure.map(super::date))
}

fn failure(failure: &details::Failure) -> Element {
    let mut element = Element::new("failure", Shape::Object)
        .with("op_key", &*failure.key)
        .with("node", &*failure.node)
        .with("exitstatus", failures::exit_text(failure.code))
        .with("exitreason", &*failure.reason)
        .with("exitcode", failure.code)
        .with("call", failure.call)
        .with("status", failures::status_text(failure.status));
    let operation = policy_engine::simulation::specification::OperationName::parse(&failure.key);
    if let (Some(time), Some(operation)) = (failure.last_change, operation) {
        element = element
            .with("last-rc-change", super::date(time))
            .with("queued", failure.queued_ms.unwrap_or(0))
            .with("exec", failure.exec_ms.unwrap_or(0))
            .with("interval", operation.interval_ms)
            .with("task", operation.task);
    }
    element
}
