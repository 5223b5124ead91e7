//! Marks of actions, and who depends on them: a collective's actions amount to what its children's do, so it counts their changes.

use super::{ActionId, Cluster, ResourceId, Task};

/// What has happened to the actions of a collective's children. Whoever remembers something about them sees here when to look again.
#[derive(Clone, Debug, Default)]
pub struct ChildActions {
    /// How often one came into being, got its node, or changed whether it is optional.
    pub optional_changes: u32,
    /// How often one came into being, got its node, or changed whether it is runnable.
    pub runnable_changes: u32,
    /// One of them completes another (`running`, `stopped`, …), as only collectives' do.
    pub has_completion: bool,
}

impl Cluster {
    /// Sets whether an action is optional; true if it was otherwise before.
    pub fn set_optional(&mut self, id: ActionId, optional: bool) -> bool {
        let action = self.action_mut(id);
        if action.optional == optional {
            return false;
        }
        action.optional = optional;
        if let Some(counts) = self.counts_above(id) {
            counts.optional_changes = counts.optional_changes.wrapping_add(1);
        }
        true
    }

    /// Sets whether an action is runnable; true if it was otherwise before.
    pub fn set_runnable(&mut self, id: ActionId, runnable: bool) -> bool {
        let action = self.action_mut(id);
        if action.runnable == runnable {
            return false;
        }
        action.runnable = runnable;
        if let Some(counts) = self.counts_above(id) {
            counts.runnable_changes = counts.runnable_changes.wrapping_add(1);
        }
        true
    }

    /// To be told when a resource has a new action, or one of its actions got its node.
    pub fn note_action(&mut self, resource: ResourceId, task: &Task) {
        let Some(parent) = self.resource(resource).parent else {
            return;
        };
        let counts = &mut self.resource_mut(parent).child_actions;
        counts.optional_changes = counts.optional_changes.wrapping_add(1);
        counts.runnable_changes = counts.runnable_changes.wrapping_add(1);
        counts.has_completion |= task.is_completion();
    }

    fn counts_above(&mut self, id: ActionId) -> Option<&mut ChildActions> {
        let resource = self.action(id).resource?;
        let parent = self.resource(resource).parent?;
        Some(&mut self.resource_mut(parent).child_actions)
    }
}
