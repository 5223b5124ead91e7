//! Change tracking, for the caches of later stages. The flags of a collective's action derive from
//! those of its children's actions, so each collective lists the children whose actions changed.
//! And resources that may have changed are listed, because caches have entries computed from them.

use std::cell::{Cell, RefCell};

use super::{ActionId, Cluster, ResourceId, Task};

/// Changes of the actions of a collective's children: they show when a cached answer about them is
/// no longer valid.
#[derive(Clone, Debug, Default)]
pub struct ChildActions {
    /// Children with an action that is new, got its node, or changed whether it is optional; in
    /// order.
    pub optional_changes: Vec<ResourceId>,
    /// Children with an action that is new, got its node, or changed whether it is runnable; in
    /// order.
    pub runnable_changes: Vec<ResourceId>,
    /// How many of these changes there have been at any depth below.
    pub changes_below: u32,
    /// One of them completes another (`running`, `stopped`, …), as only collectives' do.
    pub has_completion: bool,
}

/// Resources that may have changed since [`Cluster::for_each_changed`] was called, each once.
#[derive(Debug, Default)]
pub struct ChangedResources {
    /// How often the list was taken.
    round: Cell<u32>,
    list: RefCell<Vec<ResourceId>>,
}

impl ChangedResources {
    /// Notes a resource, unless it is noted already: `changed_in` is the round of its last note,
    /// counted from 1.
    #[inline]
    pub fn note(&mut self, id: ResourceId, changed_in: &mut u32) {
        let round = *self.round.get_mut() + 1;
        if *changed_in != round {
            *changed_in = round;
            self.list.get_mut().push(id);
        }
    }
}

impl Cluster {
    /// Calls `forget` for each resource that was given out to be changed since this was done last.
    pub fn for_each_changed(&self, forget: impl FnMut(ResourceId)) {
        let mut changed = self.changed.list.borrow_mut();
        if !changed.is_empty() {
            self.changed.round.update(|round| round + 1);
            changed.drain(..).for_each(forget);
        }
    }

    /// Sets whether an action is optional; true if that is a change.
    pub fn set_optional(&mut self, id: ActionId, optional: bool) -> bool {
        let action = self.action_mut(id);
        if action.optional == optional {
            return false;
        }
        action.optional = optional;
        let resource = self.action(id).resource;
        if let Some((resource, changes)) = self.changes_above(resource) {
            changes.optional_changes.push(resource);
        }
        true
    }

    /// Sets whether an action is runnable; true if that is a change.
    pub fn set_runnable(&mut self, id: ActionId, runnable: bool) -> bool {
        let action = self.action_mut(id);
        if action.runnable == runnable {
            return false;
        }
        action.runnable = runnable;
        let resource = self.action(id).resource;
        if let Some((resource, changes)) = self.changes_above(resource) {
            changes.runnable_changes.push(resource);
        }
        true
    }

    /// Notes that a resource has a new action, or that one of its actions got its node.
    pub fn note_action(&mut self, resource: ResourceId, task: &Task) {
        if let Some((resource, changes)) = self.changes_above(Some(resource)) {
            changes.optional_changes.push(resource);
            changes.runnable_changes.push(resource);
            changes.has_completion |= task.is_completion();
        }
    }

    /// Counts a change of a resource's action for all above it, and returns where its parent lists
    /// it.
    fn changes_above(
        &mut self,
        resource: Option<ResourceId>,
    ) -> Option<(ResourceId, &mut ChildActions)> {
        let resource = resource?;
        let parent = self.resource(resource).parent?;
        let mut above = Some(parent);
        while let Some(id) = above {
            let ancestor = self.resource_mut(id);
            let changes = &mut ancestor.child_actions.changes_below;
            *changes = changes.wrapping_add(1);
            above = ancestor.parent;
        }
        Some((resource, &mut self.resource_mut(parent).child_actions))
    }
}
