//! The status display: node list and resource list (scheduler-spec/06 §B.2–B.8).
//!
//! [`display`] for the two lists, [`counts`] and `is_in_maintenance` for the lines above them.

mod bundles;
mod clones;
pub mod details;
mod nodes;
mod primitives;

use super::Item;
use crate::model::{Cluster, ResourceId, Role, Variant};
pub use nodes::{Health, health};

/// What the status display needs besides a resource.
#[derive(Clone, Copy)]
struct View<'c> {
    cluster: &'c Cluster,
    /// Show pending operations.
    pending: bool,
}

/// Numbers of resource instances (06 §B.2 step 2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// All instances.
    pub instances: usize,
    /// Instances that must not run (or not be promoted).
    pub disabled: usize,
    /// Instances that are blocked by a failure.
    pub blocked: usize,
}

/// Node list and resource list of a loaded cluster. `pending`: show pending operations.
pub fn display(cluster: &Cluster, pending: bool) -> Vec<Item> {
    let view = View { cluster, pending };
    let mut items = Vec::new();
    let nodes = nodes::list(cluster);
    // also where all that there is are guests, which are not shown while they are offline
    if !cluster.node_order.is_empty() {
        items.push(Item::List("Node List".into(), nodes));
        items.push(Item::Spacer);
    }
    let mut resources: Vec<Item> = cluster
        .top_level
        .iter()
        .filter(|id| is_shown(cluster, **id))
        .filter_map(|id| view.resource(*id))
        .collect();
    if resources.is_empty() {
        resources.push(Item::Line("No resources".into()));
    }
    items.push(Item::List("Full List of Resources".into(), resources));
    items
}

/// Counts the instances of a loaded cluster.
pub fn counts(cluster: &Cluster) -> Counts {
    let mut counts = Counts::default();
    let leaves = cluster
        .top_level
        .iter()
        .flat_map(|top| cluster.leaves(*top));
    for leaf in leaves {
        let resource = cluster.resource(leaf);
        if resource.removed && resource.role <= Role::Stopped {
            continue;
        }
        counts.instances += 1;
        counts.disabled += usize::from(cluster.target_role(leaf).is_some());
        counts.blocked += usize::from(resource.blocked);
    }
    counts
}

/// Whether a top-level resource is shown at all (06 §B.4).
pub fn is_shown(cluster: &Cluster, id: ResourceId) -> bool {
    let resource = cluster.resource(id);
    if resource.removed && !cluster.is_fully_active(id) {
        return false;
    }
    !(cluster.is_partly_active(id) && resource.active_on.is_empty())
}

/// Whether a resource was made by the engine itself (`internal_rsc`): those are never shown.
pub fn is_internal(cluster: &Cluster, id: ResourceId) -> bool {
    cluster.resource(id).meta.is_true("internal_rsc")
}

/// The role of a primitive, as the status shows it.
pub fn role_text(cluster: &Cluster, id: ResourceId) -> &'static str {
    let view = View {
        cluster,
        pending: false,
    };
    view.displayed_role(id).name()
}

/// The pending operation of a primitive in words, if there is one.
pub fn pending_text(cluster: &Cluster, id: ResourceId) -> Option<&'static str> {
    let view = View {
        cluster,
        pending: true,
    };
    view.pending_state(id)
}

impl View<'_> {
    /// A resource of any variant; `None` if there is nothing to show.
    fn resource(self, id: ResourceId) -> Option<Item> {
        match &self.cluster.resource(id).variant {
            Variant::Primitive => self.primitive(id).map(Item::Line),
            Variant::Group(_) => self.group(id),
            Variant::Clone(clone) => Some(self.collective(id, clone)),
            Variant::Bundle(bundle) => self.bundle(id, bundle),
        }
    }

    /// 06 §B.6.
    fn group(self, id: ResourceId) -> Option<Item> {
        let group = self.cluster.resource(id);
        let mut flags = Vec::new();
        if self.cluster.target_role(id).is_some() {
            flags.push("disabled");
        }
        flags.extend(self.management(id));
        let members: Vec<Item> = group
            .children
            .iter()
            .filter_map(|member| self.resource(*member))
            .collect();
        let title = format!("Resource Group: {}{}", group.id, in_parentheses(&flags));
        (!members.is_empty()).then_some(Item::List(title, members))
    }

    /// `maintenance` or `unmanaged`.
    fn management(self, id: ResourceId) -> Option<&'static str> {
        let resource = self.cluster.resource(id);
        if resource.maintenance {
            Some("maintenance")
        } else if !resource.managed {
            Some("unmanaged")
        } else {
            None
        }
    }
}

/// ` (a, b)`, or nothing.
fn in_parentheses<T: AsRef<str>>(flags: &[T]) -> String {
    if flags.is_empty() {
        return String::new();
    }
    let flags: Vec<&str> = flags.iter().map(AsRef::as_ref).collect();
    format!(" ({})", flags.join(", "))
}

/// `TITLE: [ a b ]`
fn in_brackets<T: AsRef<str>>(title: &str, names: &[T]) -> Item {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    Item::Line(format!("{title}: [ {} ]", names.join(" ")))
}
