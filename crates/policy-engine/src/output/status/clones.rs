//! Clones: instances in full where there is something to say, else collapsed to lists of nodes
//! (scheduler-spec/06 §B.7).

use super::{View, in_brackets, in_parentheses};
use crate::model::{CloneData, NodeId, ResourceId, Role, Where, natural_compare};
use crate::output::{Item, failures};

/// How one instance is shown.
enum Shown {
    InFull,
    Promoted(NodeId),
    Started(NodeId),
    /// Not active, so it may be among the stopped.
    Inactive,
}

impl<'c> View<'c> {
    /// A clone.
    pub(super) fn collective(self, id: ResourceId, clone: &CloneData) -> Item {
        let resource = self.cluster.resource(id);
        let (mut items, mut inactive) = (Vec::new(), Vec::new());
        let (mut promoted, mut started) = (Vec::new(), Vec::new());
        for instance in &resource.children {
            match self.instance(id, *instance) {
                Shown::InFull => items.extend(self.resource(*instance)),
                Shown::Promoted(node) => promoted.push(node),
                Shown::Started(node) => started.push(node),
                Shown::Inactive => inactive.push(*instance),
            }
        }
        let active = promoted.len() + started.len();
        if !promoted.is_empty() {
            items.push(in_brackets("Promoted", &self.sorted_names(&promoted)));
        }
        if !started.is_empty() {
            let target = self.configured_role(id);
            let title = match (resource.promotable, target) {
                (true, Some(Role::Unpromoted)) => "Unpromoted (target-role)",
                (true, _) => "Unpromoted",
                (false, _) => "Started",
            };
            items.push(in_brackets(title, &self.sorted_names(&started)));
        }
        if !resource.unique {
            if usize::try_from(clone.clone_max).is_ok_and(|max| max > active) {
                items.extend(self.stopped_on(id));
            } else {
                let ids: Vec<_> = inactive
                    .iter()
                    .map(|instance| self.cluster.resource(*instance))
                    .filter(|instance| !instance.removed)
                    .map(|instance| &*instance.id)
                    .collect();
                if !ids.is_empty() {
                    items.push(in_brackets("Stopped", &ids));
                }
            }
        }
        Item::List(self.clone_title(id, clone), items)
    }

    fn clone_title(self, id: ResourceId, clone: &CloneData) -> String {
        let resource = self.cluster.resource(id);
        let mut flags = Vec::new();
        if resource.promotable {
            flags.push("promotable");
        }
        if resource.unique {
            flags.push("unique");
        }
        if self.cluster.target_role(id).is_some() {
            flags.push("disabled");
        }
        flags.extend(self.management(id));
        format!(
            "Clone Set: {} [{}]{}",
            resource.id,
            clone.child_config_id.as_deref().unwrap_or_default(),
            in_parentheses(&flags)
        )
    }

    fn instance(self, clone: ResourceId, instance: ResourceId) -> Shown {
        let cluster = self.cluster;
        let clone = cluster.resource(clone);
        let partially_active = cluster.is_partly_active(instance);
        if clone.unique && (partially_active || !clone.removed) {
            return Shown::InFull;
        }
        if self.pending && cluster.resource(instance).pending_task.is_some() {
            return Shown::InFull;
        }
        if !partially_active {
            return Shown::Inactive;
        }
        if cluster.any_below(instance, |r| r.removed || !r.managed || r.failed)
            || !cluster.is_fully_active(instance)
        {
            return Shown::InFull;
        }
        let Some(host) = cluster.location_of(instance, Where::Active) else {
            return Shown::InFull;
        };
        if !cluster.node(host).online && cluster.node(host).unclean {
            return Shown::InFull;
        }
        if cluster.role_of(instance) == Role::Promoted {
            Shown::Promoted(host)
        } else {
            Shown::Started(host)
        }
    }

    /// `Stopped`, per reason, with the nodes on which the clone could be but is not.
    fn stopped_on(self, id: ResourceId) -> Vec<Item> {
        let cluster = self.cluster;
        let resource = cluster.resource(id);
        let candidates: Vec<NodeId> = if resource.allowed.is_empty() {
            self.known_on(id)
        } else {
            resource.allowed.iter().map(|(node, _)| node).collect()
        };
        let disabled = self.configured_role(id) == Some(Role::Stopped);
        let mut texts: std::collections::BTreeMap<String, Vec<NodeId>> = Default::default();
        for node in candidates {
            if resource.active_on.contains(&node) {
                continue;
            }
            let text = match failures::masked_probe(cluster, id, Some(node)) {
                Some(text) => format!("Stopped ({text})"),
                None if disabled => "Stopped (disabled)".to_owned(),
                None => "Stopped".to_owned(),
            };
            texts.entry(text).or_default().push(node);
        }
        texts
            .iter()
            .map(|(text, nodes)| in_brackets(text, &self.sorted_names(nodes)))
            .collect()
    }

    /// Nodes on which a probe result of the clone, or of anything in it, is known.
    fn known_on(self, id: ResourceId) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        for part in self.cluster.subtree(id) {
            for node in self.cluster.resource(part).known_on.iter() {
                if !nodes.contains(&node) {
                    nodes.push(node);
                }
            }
        }
        nodes
    }

    /// The configured target role of a clone, else of its first instance.
    fn configured_role(self, id: ResourceId) -> Option<Role> {
        let role = |id: ResourceId| {
            let text = self.cluster.resource(id).meta.text("target-role")?;
            Role::parse(text)
        };
        role(id).or_else(|| role(*self.cluster.resource(id).children.first()?))
    }

    fn sorted_names(self, nodes: &[NodeId]) -> Vec<&'c str> {
        let cluster = self.cluster;
        let mut names: Vec<&'c str> = nodes
            .iter()
            .map(|node| &*cluster.node(*node).name)
            .collect();
        names.sort_by(|a, b| natural_compare(a, b));
        names
    }
}
