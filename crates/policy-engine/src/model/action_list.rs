//! The actions of one resource. A resource has an action per node and operation, and most questions are about one of them: a
//! fingerprint beside each id answers "not this one" without touching the action.

use super::{ActionId, NodeId, OperationKey, Task};
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Actions of a resource, oldest first; dereferences to their ids.
#[derive(Clone, Debug, Default)]
pub struct ActionList {
    ids: Vec<ActionId>,
    tags: Vec<Tag>,
}

/// What is known about an action since it was created: its key never changes, its node only from none to one.
#[derive(Clone, Copy, Debug)]
struct Tag {
    key: u32,
    task: u8,
    node: Option<NodeId>,
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

fn key_tag(key: &OperationKey) -> u32 {
    (hash(key) >> 32) as u32
}

fn task_tag(task: &Task) -> u8 {
    (hash(&std::mem::discriminant(task)) >> 56) as u8
}

impl ActionList {
    /// Adds an action as it is created.
    pub fn push(&mut self, id: ActionId, key: &OperationKey, task: &Task, node: Option<NodeId>) {
        self.ids.push(id);
        self.tags.push(Tag {
            key: key_tag(key),
            task: task_tag(task),
            node,
        });
    }

    /// Actions that may have that key, and may be on that node (if one is given); oldest first. The caller looks closer.
    pub fn with_key<'a>(
        &'a self,
        key: &OperationKey,
        node: Option<NodeId>,
    ) -> impl DoubleEndedIterator<Item = ActionId> + use<'a> {
        let key = key_tag(key);
        self.select(move |tag| {
            tag.key == key && (node.is_none() || tag.node.is_none() || tag.node == node)
        })
    }

    /// Actions that may have that task; oldest first. The caller looks closer.
    pub fn with_task<'a>(
        &'a self,
        task: &Task,
    ) -> impl DoubleEndedIterator<Item = ActionId> + use<'a> {
        // a recurring action may become a cancellation
        let any = *task == Task::Cancel;
        let task = task_tag(task);
        self.select(move |tag| any || tag.task == task)
    }

    fn select<'a>(
        &'a self,
        wanted: impl Fn(&Tag) -> bool + 'a,
    ) -> impl DoubleEndedIterator<Item = ActionId> + 'a {
        self.ids
            .iter()
            .zip(&self.tags)
            .filter(move |(_, tag)| wanted(tag))
            .map(|(id, _)| *id)
    }
}

impl Deref for ActionList {
    type Target = [ActionId];

    fn deref(&self) -> &[ActionId] {
        &self.ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_that_has_no_node_yet_may_be_on_any() {
        let key = OperationKey::once(Task::Start);
        let (a, b) = (NodeId::new(0), NodeId::new(1));
        let mut list = ActionList::default();
        list.push(ActionId::new(0), &key, &Task::Start, Some(a));
        list.push(ActionId::new(1), &key, &Task::Start, None);
        let found: Vec<_> = list.with_key(&key, Some(b)).collect();
        assert_eq!(found, [ActionId::new(1)]);
        assert_eq!(list.with_key(&key, None).count(), 2);
        let stop = OperationKey::once(Task::Stop);
        assert_eq!(list.with_key(&stop, None).count(), 0);
    }
}
