//! The actions of one resource. A resource has an action per node and operation, and most questions
//! are about one of them: a fingerprint beside each id answers "not this one" without touching the
//! action.

use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use super::{ActionId, NodeId, OperationKey, Task};

/// Actions of a resource, oldest first; dereferences to their ids.
#[derive(Clone, Debug, Default)]
pub struct ActionList {
    ids: Vec<ActionId>,
    tags: Vec<Tag>,
    /// Where the newest action with each task is.
    newest: SmallVec<[(u8, u32); 4]>,
    /// Positions by key, once there are [`MANY`].
    by_key: FxHashMap<u32, Vec<u32>>,
}

/// From this number on, actions are found by an index: a history of thousands of recurring
/// operations makes as many actions.
const MANY: usize = 64;

/// The facts about an action that stay as they were created: its key never changes, its node only
/// from none to one.
#[derive(Clone, Copy, Debug)]
struct Tag {
    key: u32,
    node: Option<NodeId>,
    /// Where the next older one with that task is.
    older: Option<u32>,
}

impl Tag {
    fn may_be_on(&self, node: Option<NodeId>) -> bool {
        node.is_none() || self.node.is_none() || self.node == node
    }
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
        let position = self.ids.len() as u32;
        self.ids.push(id);
        let task = task_tag(task);
        let known = self.newest.iter_mut().find(|(other, _)| *other == task);
        let older = known.map(|(_, newest)| std::mem::replace(newest, position));
        if older.is_none() {
            self.newest.push((task, position));
        }
        self.tags.push(Tag {
            key: key_tag(key),
            node,
            older,
        });
        let count = self.tags.len();
        let unindexed = match count {
            ..MANY => return,
            MANY => 0..count,
            _ => count - 1..count,
        };
        for position in unindexed {
            let positions = self.by_key.entry(self.tags[position].key).or_default();
            positions.push(position as u32);
        }
    }

    /// Actions that may have that key, and may be on that node (if one is given); oldest first. The
    /// caller looks closer.
    pub fn with_key<'a>(
        &'a self,
        key: &OperationKey,
        node: Option<NodeId>,
    ) -> impl DoubleEndedIterator<Item = ActionId> + use<'a> {
        let key = key_tag(key);
        let positions = if self.tags.len() < MANY {
            Positions::All(0..self.tags.len())
        } else {
            Positions::Some(self.by_key.get(&key).map_or(&[][..], Vec::as_slice).iter())
        };
        self.select(positions, move |tag| tag.key == key && tag.may_be_on(node))
    }

    /// Actions that may have that task, and may be on that node (if one is given); newest first.
    /// The caller looks closer.
    pub fn newest_with_task(
        &self,
        task: &Task,
        node: Option<NodeId>,
    ) -> impl Iterator<Item = ActionId> {
        // a recurring action may become a cancellation
        let any = *task == Task::Cancel;
        let task = task_tag(task);
        let newest = if any {
            (self.tags.len() as u32).checked_sub(1)
        } else {
            let known = self.newest.iter().find(|(other, _)| *other == task);
            known.map(|(_, position)| *position)
        };
        let older = move |position: &u32| {
            if any {
                position.checked_sub(1)
            } else {
                self.tags[*position as usize].older
            }
        };
        std::iter::successors(newest, older)
            .filter(move |position| self.tags[*position as usize].may_be_on(node))
            .map(|position| self.ids[position as usize])
    }

    fn select<'a>(
        &'a self,
        positions: Positions<'a>,
        wanted: impl Fn(&Tag) -> bool + 'a,
    ) -> impl DoubleEndedIterator<Item = ActionId> + 'a {
        positions
            .filter(move |position| wanted(&self.tags[*position]))
            .map(|position| self.ids[position])
    }
}

/// Positions to look at, ascending.
enum Positions<'a> {
    All(Range<usize>),
    Some(std::slice::Iter<'a, u32>),
}

impl Iterator for Positions<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Positions::All(range) => range.next(),
            Positions::Some(list) => list.next().map(|position| *position as usize),
        }
    }
}

impl DoubleEndedIterator for Positions<'_> {
    fn next_back(&mut self) -> Option<usize> {
        match self {
            Positions::All(range) => range.next_back(),
            Positions::Some(list) => list.next_back().map(|position| *position as usize),
        }
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

    #[test]
    fn one_of_thousands_is_found_by_its_key() {
        let mut list = ActionList::default();
        for n in 0..3000 {
            let key = OperationKey::every(Task::Monitor, n % 1000);
            list.push(ActionId::new(n as usize), &key, &Task::Monitor, None);
        }
        let key = OperationKey::every(Task::Monitor, 7);
        let found: Vec<_> = list
            .with_key(&key, None)
            .rev()
            .map(ActionId::index)
            .collect();
        assert_eq!(found, [2007, 1007, 7]);
    }
}
