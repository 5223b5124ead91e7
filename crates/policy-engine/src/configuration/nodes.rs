//! Nodes of the `nodes` section and the attributes of nodes (scheduler-spec/01 §8).

use super::{nvset, rules::RuleContext};
use crate::model::*;
use crate::xml::Element;

/// Creates the configured nodes (step A3).
pub(super) fn unpack(cluster: &mut Cluster) {
    let document = cluster.document.clone();
    let Some(section) = document.section("nodes") else {
        return;
    };
    cluster
        .nodes
        .reserve(section.children_named("node").count());
    for element in section.children_named("node") {
        let Some(id) = element.get("id").filter(|id| !id.is_empty()) else {
            let (line, column) = element.position();
            let message = format!(
                "line {line}, column {column}: expected an id, found none: <node> is ignored"
            );
            cluster.say(Level::Error, message);
            continue;
        };
        let kind = match element.get("type") {
            None => NodeKind::Cluster,
            Some(kind) if kind.eq_ignore_ascii_case("member") => NodeKind::Cluster,
            Some(kind) if kind.eq_ignore_ascii_case("remote") => NodeKind::Remote,
            Some(kind) => {
                let (line, column) = element.position();
                let message = format!(
                    "line {line}, column {column}: expected node type member or remote, found \"{kind}\": \
                     this node and those behind it are ignored"
                );
                cluster.say(Level::Error, message);
                return;
            }
        };
        let name = element.get("uname").unwrap_or(id);
        let score = element
            .get("score")
            .and_then(|text| cluster.options.score(text))
            .unwrap_or(Score::ZERO);
        let node = create(cluster, id, name, kind, score);
        read_attributes(cluster, node, Some(element), Existing::Kept);
    }
}

/// Creates a node with the attributes of every new node (§8.3, §8.4).
pub(crate) fn create(
    cluster: &mut Cluster,
    id: &str,
    name: &str,
    kind: NodeKind,
    base_score: Score,
) -> NodeId {
    let mut node = Node::new(id, name, kind, base_score);
    let kind_name = match kind {
        NodeKind::Cluster => "cluster",
        NodeKind::Remote => "remote",
    };
    node.attributes.set("#kind", kind_name);
    node.unclean = kind == NodeKind::Cluster && cluster.options.startup_fencing;
    cluster.add_node(node)
}

/// Finds the remote node called `name` or creates it.
pub(crate) fn remote(cluster: &mut Cluster, name: &str) -> NodeId {
    cluster
        .find_node(name)
        .unwrap_or_else(|| create(cluster, name, name, NodeKind::Remote, Score::ZERO))
}

/// What becomes of the attributes that a node has already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// They are kept.
    Kept,
    /// They are replaced: transient attributes replace permanent ones.
    Replaced,
}

/// Sets the built-in attributes of a node and adds the `instance_attributes` and `utilization`
/// below `element` (§8.3).
///
/// `element`: the `node`, or the `transient_attributes` of its state. Without an element only the
/// built-in attributes are set.
pub(crate) fn read_attributes(
    cluster: &mut Cluster,
    node: NodeId,
    element: Option<Element<'_>>,
    existing: Existing,
) {
    let is_dc = cluster.dc.is_none() && {
        let dc = cluster.options.dc_uuid.as_deref();
        dc.is_some_and(|dc| dc.eq_ignore_ascii_case(&cluster.node(node).id))
    };
    if is_dc {
        cluster.dc = Some(node);
    }
    let dc = cluster.dc;
    let cluster_name = cluster.options.cluster_name.clone();
    let entry = cluster.node_mut(node);
    let (name, id) = (entry.name.clone(), entry.id.clone());
    let attributes = &mut entry.attributes;
    attributes.set("#uname", name);
    attributes.set("#id", id);
    attributes.set("#is_dc", if dc == Some(node) { "true" } else { "false" });
    if let Some(name) = &cluster_name {
        attributes.set("#cluster-name", name.clone());
    }
    if let Some(element) = element {
        let context = RuleContext::default();
        let sets = nvset::read(cluster, element, "instance_attributes", None);
        let mut found = Table::new();
        nvset::evaluate(cluster, &sets, &context, &mut found);
        let sets = nvset::read(cluster, element, "utilization", None);
        let mut capacity = Table::new();
        nvset::evaluate(cluster, &sets, &context, &mut capacity);
        let entry = cluster.node_mut(node);
        for (name, value) in found.iter() {
            let (name, value) = (name.clone(), value.clone());
            match existing {
                Existing::Replaced => entry.attributes.set(name, value),
                Existing::Kept => entry.attributes.set_if_absent(name, value),
            }
        }
        for (name, value) in capacity.iter() {
            entry.utilization.set_if_absent(name.clone(), value.clone());
        }
    }
    let attributes = &mut cluster.node_mut(node).attributes;
    if !attributes.contains("#site-name") {
        let site = attributes.get("site-name").cloned().or(cluster_name);
        if let Some(site) = site {
            attributes.set("#site-name", site);
        }
    }
}
