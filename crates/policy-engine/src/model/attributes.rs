//! Node attributes as seen on behalf of a resource: for some resources on guest and bundle nodes
//! the host's attributes count (scheduler-spec/03 §13.2, 04 §8.9).

use super::{Cluster, NodeId, NodeKind, ResourceId};

/// Which host of a guest node counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host {
    /// Where its launcher is assigned.
    Assigned,
    /// The first node where its launcher is active.
    Current,
}

/// Looks up one attribute on behalf of one resource.
#[derive(Clone, Copy)]
pub struct AttributeLookup<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    /// `container-attribute-target=host`.
    targets_host: bool,
    /// Part of what runs inside a bundle.
    inside_bundle: bool,
    host: Host,
}

impl<'a> AttributeLookup<'a> {
    /// Prepares the lookup of `name` on behalf of `resource`, as its meta-attribute
    /// `container-attribute-target` says.
    pub fn new(cluster: &'a Cluster, name: &'a str, resource: ResourceId, host: Host) -> Self {
        let targets_host = cluster.has_remote_nodes
            && cluster
                .resource(resource)
                .meta
                .text("container-attribute-target")
                .is_some_and(|target| target.eq_ignore_ascii_case("host"));
        AttributeLookup {
            cluster,
            name,
            targets_host,
            inside_bundle: false,
            host,
        }
    }

    /// The same for a colocation: what runs inside a bundle is where its container is, whatever its
    /// meta-attributes say.
    pub fn for_colocation(cluster: &'a Cluster, name: &'a str, resource: ResourceId) -> Self {
        // without guest nodes there are no hosts to ask
        let inside_bundle = cluster.has_remote_nodes
            && cluster.resource(cluster.top(resource)).is_clone()
            && cluster.bundle_of(resource).is_some();
        AttributeLookup {
            inside_bundle,
            ..AttributeLookup::new(cluster, name, resource, Host::Assigned)
        }
    }

    /// Whether it asks where the hosts of guest nodes are, which changes as resources are assigned.
    pub fn asks_hosts(&self) -> bool {
        self.targets_host || self.inside_bundle
    }

    /// The cluster in which it looks.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// The node whose own attributes count for `node`; `None` for a guest node without host.
    pub fn source(&self, node: NodeId) -> Option<NodeId> {
        if !self.asks_hosts() {
            return Some(node);
        }
        let Some(launcher) = self.cluster.guest_launcher(node) else {
            return Some(node);
        };
        if !self.targets_host && !self.cluster.is_bundle_node(node) {
            return Some(node);
        }
        let launcher = self.cluster.resource(launcher);
        match self.host {
            Host::Assigned => launcher.assigned,
            Host::Current => launcher.active_on.first().copied(),
        }
    }

    /// For `#uname`, which identifies a node: the node whose name counts; `None` for nodes without
    /// that attribute.
    pub fn named_source(&self, node: NodeId) -> Option<NodeId> {
        let source = self.source(node)?;
        let node = self.cluster.node(source);
        let named = node.kind == NodeKind::Cluster || node.attributes.contains("#uname");
        named.then_some(source)
    }

    /// The value for `node`.
    pub fn value(&self, node: NodeId) -> Option<&'a str> {
        let cluster: &'a Cluster = self.cluster;
        cluster.node(self.source(node)?).attributes.text(self.name)
    }
}

/// Whether two values match: without regard to case, missing equals missing.
pub fn same_value(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (None, None) => true,
        _ => false,
    }
}

impl Cluster {
    /// A node attribute on behalf of a resource, where guest nodes' hosts are the current ones.
    pub fn attribute_where_active(
        &self,
        node: NodeId,
        name: &str,
        resource: ResourceId,
    ) -> Option<&str> {
        let lookup = AttributeLookup::new(self, name, resource, Host::Current);
        let source = lookup.source(node)?;
        self.node(source).attributes.text(name)
    }
}
