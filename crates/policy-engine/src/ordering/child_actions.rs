//! Whether a child of a collective has an action of some kind (scheduler-spec/05 §13.3).
//! Propagation needs that for every link of the collective.
//!
//! Looking at each child each time would take quadratic time. So an answer is kept: the child that
//! showed it, which is looked at first the next time; or that no child did, which stays true for
//! all children whose actions have not changed since.

use rustc_hash::FxHashMap;

use super::propagate::Propagation;
use crate::model::*;
use crate::transition::actions;

/// A kind of action that a child may have; the last: that it has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    /// Not optional.
    Required,
    /// Runnable.
    Runnable,
    /// Not runnable.
    Unrunnable,
    /// No such action.
    Missing,
}

/// Which action of each child is meant: the newest with that task, on that node if one is given.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Wanted {
    /// The task.
    pub task: Task,
    /// The node.
    pub node: Option<NodeId>,
}

/// Known answers, by collective and question.
pub(super) type Answers = FxHashMap<(ResourceId, Kind, Wanted), Answer>;

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// Position of the child that shows it.
    child: Option<usize>,
    /// Number of changes of children's actions at that time.
    as_of: usize,
}

/// With fewer children, looking at each is faster than the cache. Debug builds always use the
/// cache, and check it.
const MANY: usize = if cfg!(debug_assertions) { 1 } else { 24 };

impl Propagation<'_> {
    /// Whether a collective has a child with (or without) such an action.
    pub(super) fn any_child(
        &mut self,
        collective: ResourceId,
        kind: Kind,
        wanted: &Wanted,
    ) -> bool {
        let cluster = &*self.cluster;
        let resource = cluster.resource(collective);
        let count = resource.children.len();
        let is_so = |child: ResourceId| is_kind(cluster, child, kind, wanted);
        if count < MANY {
            return resource.children.iter().any(|child| is_so(*child));
        }
        let changes = match kind {
            Kind::Required => &resource.child_actions.optional_changes,
            _ => &resource.child_actions.runnable_changes,
        };
        let as_of = changes.len();
        let key = (collective, kind, wanted.clone());
        let known = self.cache.answers.get(&key).copied();
        let shows = |position: &usize| is_so(resource.children[*position]);
        let child = match known {
            Some(known) if known.as_of == as_of => {
                debug_assert_eq!(
                    known.child.is_some(),
                    (0..count).any(|n| shows(&n)),
                    "{key:?}"
                );
                return known.child.is_some();
            }
            // none did: only one whose actions have changed since may do so now
            Some(Answer { child: None, as_of })
                if !changes[as_of..].iter().any(|child| is_so(*child)) =>
            {
                debug_assert!(!(0..count).any(|n| shows(&n)), "{key:?}");
                None
            }
            // flags rarely change back: children before the one that showed it last are
            // unlikely to show it now
            _ => {
                let start = known.and_then(|known| known.child).unwrap_or(0);
                (start..count).chain(0..start).find(shows)
            }
        };
        self.cache.answers.insert(key, Answer { child, as_of });
        child.is_some()
    }
}

fn is_kind(cluster: &Cluster, child: ResourceId, kind: Kind, wanted: &Wanted) -> bool {
    let action = actions::newest_task(cluster, child, &wanted.task, wanted.node);
    let action = action.map(|action| cluster.action(action));
    match kind {
        Kind::Required => action.is_some_and(|action| !action.optional),
        Kind::Runnable => action.is_some_and(|action| action.runnable),
        Kind::Unrunnable => action.is_some_and(|action| !action.runnable),
        Kind::Missing => action.is_none(),
    }
}

/// Whether a child of a collective may have an action with that task.
pub(super) fn may_have(cluster: &Cluster, collective: ResourceId, task: &Task) -> bool {
    !task.is_completion() || cluster.resource(collective).child_actions.has_completion
}
