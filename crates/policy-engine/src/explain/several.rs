//! Resources that are active on several nodes at once, though they must run once.

use super::answer::{Statement, Value};
use super::{Explainer, codes};
use crate::model::{MultipleActive, ResourceId};

impl Explainer<'_> {
    /// What `multiple-active` does with a resource that is active on several nodes; `None`: it is
    /// not, or is left alone.
    pub(super) fn multiply_active(&self, id: ResourceId) -> Option<Statement> {
        let resource = self.cluster.resource(id);
        let migrates = resource.partial_source.is_some() || resource.partial_target.is_some();
        if resource.active_on.len() < 2 || migrates || !resource.managed {
            return None;
        }
        let (policy, effect) = match resource.multiple_active {
            MultipleActive::StopStart => (
                "stop_start",
                "stops it everywhere and starts it in one place",
            ),
            MultipleActive::StopOnly => ("stop_only", "stops it everywhere and starts it nowhere"),
            MultipleActive::StopUnexpected => {
                ("stop_unexpected", "stops it where it should not be")
            }
            MultipleActive::Block => return None,
        };
        let is_set = resource.meta.contains("multiple-active");
        let default = if is_set { "" } else { ", the default," };
        let nodes = self.node_names(&resource.active_on);
        Some(self.say(
            &codes::MULTIPLY_ACTIVE,
            vec![
                ("nodes", Value::from(nodes)),
                ("policy", policy.into()),
                ("default", default.into()),
                ("effect", effect.into()),
            ],
        ))
    }

    /// Whether a resource that is active on several nodes stays on one of them.
    pub(super) fn stays_on_one(&self, id: ResourceId) -> bool {
        let resource = self.cluster.resource(id);
        let stays = resource
            .assigned
            .is_some_and(|it| resource.active_on.contains(&it));
        let unexpected = resource.multiple_active == MultipleActive::StopUnexpected;
        stays && unexpected && self.multiply_active(id).is_some()
    }
}
