//! Bundles: one line per replica (scheduler-spec/06 §B.8).

use super::{View, in_parentheses};
use crate::model::{BundleData, Replica, ResourceId};
use crate::output::Item;

impl View<'_> {
    /// A bundle; `None` without replicas.
    pub(super) fn bundle(self, id: ResourceId, bundle: &BundleData) -> Option<Item> {
        if bundle.replicas.is_empty() {
            return None;
        }
        let set = if bundle.replicas.len() > 1 {
            " set"
        } else {
            ""
        };
        let unique = if self.cluster.resource(id).unique {
            " (unique)"
        } else {
            ""
        };
        let management: Vec<&str> = self.management(id).into_iter().collect();
        let title = format!(
            "Container bundle{set}: {} [{}]{unique}{}",
            self.cluster.resource(id).id,
            bundle.image.as_deref().unwrap_or_default(),
            in_parentheses(&management)
        );
        let replicas = bundle.replicas.iter();
        let lines = replicas.map(|replica| Item::Line(self.replica(replica)));
        Some(Item::List(title, lines.collect()))
    }

    /// The inner service (or else the container) under the name of the replica, on the container's
    /// host.
    fn replica(self, replica: &Replica) -> String {
        let shown = replica.child.unwrap_or(replica.container);
        let named = replica.connection.unwrap_or(replica.container);
        let mut name = self.cluster.resource(named).id.to_string();
        if let Some(address) = &replica.address {
            name.push_str(&format!(" ({address})"));
        }
        let resource = self.cluster.resource(shown);
        let node = if resource.active_on.len() > 1 {
            None
        } else {
            self.cluster
                .current_node(replica.container)
                .or(resource.lock_node)
        };
        self.primitive_line(shown, &name, node)
    }
}
