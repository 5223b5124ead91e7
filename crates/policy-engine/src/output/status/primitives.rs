//! The line of a primitive (scheduler-spec/06 §B.5).

use super::{View, in_parentheses};
use crate::model::{NodeId, ResourceId, Role, Task};
use crate::output::failures;

impl View<'_> {
    /// The line of a primitive; `None` for resources that the engine made itself.
    pub(super) fn primitive(self, id: ResourceId) -> Option<String> {
        if super::is_internal(self.cluster, id) {
            return None;
        }
        let resource = self.cluster.resource(id);
        let name = if resource.unique {
            &resource.id
        } else {
            &resource.config_id
        };
        let node = if resource.active_on.len() > 1 {
            None
        } else {
            self.cluster
                .current_node(id)
                .or(resource.pending_node)
                .or(resource.lock_node)
        };
        Some(self.primitive_line(id, name, node))
    }

    /// The line of a primitive under a given name, as seen on `node`.
    pub(super) fn primitive_line(self, id: ResourceId, name: &str, node: Option<NodeId>) -> String {
        let cluster = self.cluster;
        let resource = cluster.resource(id);
        let role = self.displayed_role(id);
        let mut line = format!("{name}\t({}", resource.agent.class);
        if let Some(provider) = &resource.agent.provider {
            line.push(':');
            line.push_str(provider);
        }
        line.push_str(&format!(":{}):\t", resource.agent.kind));
        if resource.removed {
            line.push_str(" ORPHANED");
        }
        if resource.failed {
            line.push_str(" FAILED");
            if role == Role::Promoted {
                line.push_str(" Promoted");
            }
        } else {
            line.push(' ');
            line.push_str(self.pending_state(id).unwrap_or(role.name()));
        }
        if let Some(node) = node {
            line.push(' ');
            line.push_str(&cluster.node(node).name);
        }
        if role == Role::Stopped
            && let Some(text) = failures::masked_probe(cluster, id, node)
        {
            line.push_str(&format!(" ({text}) "));
        }
        line.push_str(&in_parentheses(&self.flags(id, node)));
        if resource.active_on.len() > 1 {
            if let Some((_, text)) = description(&resource.config.attributes) {
                line.push_str(&format!(" ({text})"));
            }
            let names: Vec<&str> = resource
                .active_on
                .iter()
                .map(|node| &*cluster.node(*node).name)
                .collect();
            line.push_str(&format!(" [ {} ]", names.join(" ")));
        }
        line
    }

    /// The role to show: instances of promotable clones are unpromoted rather than started.
    pub(super) fn displayed_role(self, id: ResourceId) -> Role {
        let role = self.cluster.resource(id).role;
        let promotable = self.cluster.resource(self.cluster.top(id)).promotable;
        if role == Role::Started && promotable {
            Role::Unpromoted
        } else {
            role
        }
    }

    /// The pending operation, if these are shown.
    pub(super) fn pending_state(self, id: ResourceId) -> Option<&'static str> {
        if !self.pending {
            return None;
        }
        Some(match self.cluster.resource(id).pending_task.as_ref()? {
            Task::Start => "Starting",
            Task::Stop => "Stopping",
            Task::MigrateTo | Task::MigrateFrom => "Migrating",
            Task::Promote => "Promoting",
            Task::Demote => "Demoting",
            _ => return None,
        })
    }

    fn flags(self, id: ResourceId, node: Option<NodeId>) -> Vec<String> {
        let cluster = self.cluster;
        let resource = cluster.resource(id);
        let mut flags: Vec<String> = Vec::new();
        if let Some(node) = node {
            if !cluster.node(node).online && cluster.node(node).unclean {
                flags.push("UNCLEAN".into());
            }
            if resource.lock_node == Some(node) {
                flags.push("LOCKED".into());
            }
        }
        let monitored = resource.pending_task == Some(Task::Monitor);
        if self.pending && monitored && resource.pending_interval_ms > 0 {
            flags.push("Monitoring".into());
        }
        match cluster.target_role(id) {
            Some(Role::Stopped) => flags.push("disabled".into()),
            Some(_) => flags.push(format!(
                "target-role:{}",
                resource.meta.text("target-role").unwrap_or_default()
            )),
            None => {}
        }
        if resource.blocked {
            flags.push("blocked".into());
        } else {
            flags.extend(self.management(id).map(str::to_owned));
        }
        if resource.failure_ignored {
            flags.push("failure ignored".into());
        }
        flags
    }
}

fn description(
    attributes: &[(crate::model::Text, crate::model::Text)],
) -> Option<&(crate::model::Text, crate::model::Text)> {
    attributes.iter().find(|(name, _)| &**name == "description")
}
