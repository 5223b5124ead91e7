//! The computed colocation lists of a resource (scheduler-spec/03 §11, 04 §8.1): its own
//! constraints, and those that groups, clones and bundles above it contribute on its behalf.

use std::borrow::Cow;

use crate::constraints::colocation::{Side, insert};
use crate::model::{Cluster, Colocation, ColocationId, ResourceId, Score, Variant};

/// "This with": colocations in which the resource (or an ancestor on its behalf) is the dependent.
pub(crate) fn this_with(cluster: &Cluster, resource: ResourceId) -> Vec<ColocationId> {
    list(cluster, resource, Side::ThisWith).into_owned()
}

/// "With this": colocations in which the resource (or an ancestor on its behalf) is the primary.
pub(crate) fn with_this(cluster: &Cluster, resource: ResourceId) -> Vec<ColocationId> {
    list(cluster, resource, Side::WithThis).into_owned()
}

/// The list of one side; borrowed if it is just a resource's own.
pub(crate) fn list(cluster: &Cluster, resource: ResourceId, side: Side) -> Cow<'_, [ColocationId]> {
    let mut collector = Collector {
        cluster,
        original: resource,
        side,
        list: Cow::default(),
    };
    collector.ask(resource);
    collector.list
}

/// Whether where the dependent wants to be matters to the primary (03 §5.3); `primary` is usually
/// the colocation's own.
pub(crate) fn has_influence(
    cluster: &Cluster,
    colocation: &Colocation,
    primary: ResourceId,
) -> bool {
    let primary = cluster.resource(primary);
    if cluster.resource(colocation.dependent).nesting_allowed
        && !primary.failed
        && primary.active_on.len() == 1
    {
        return false;
    }
    colocation.influence || primary.active_on.is_empty()
}

struct Collector<'c> {
    cluster: &'c Cluster,
    /// The resource that the list is for.
    original: ResourceId,
    side: Side,
    list: Cow<'c, [ColocationId]>,
}

impl<'c> Collector<'c> {
    fn own(&self, resource: ResourceId) -> &'c [ColocationId] {
        let resource = self.cluster.resource(resource);
        match self.side {
            Side::ThisWith => &resource.this_with,
            Side::WithThis => &resource.with_this,
        }
    }

    fn add_one(&mut self, id: ColocationId) {
        insert(self.cluster, self.list.to_mut(), id, self.side);
    }

    /// Adds a resource's own list. To a list that is not empty the **first** colocation is added as
    /// often as there are elements, and the others never: a defect of Pacemaker's scheduler that
    /// its results show.
    fn add_own(&mut self, resource: ResourceId) {
        if self.list.is_empty() {
            self.list = self.own(resource).into();
            return;
        }
        let own = self.own(resource);
        if let Some(first) = own.first().copied() {
            for _ in 0..own.len() {
                self.add_one(first);
            }
        }
    }

    /// Explicit colocations of a sibling (a group's member on behalf of another).
    fn add_explicit(&mut self, resource: ResourceId) {
        for i in 0..self.own(resource).len() {
            let id = self.own(resource)[i];
            if self.cluster.colocation(id).explicit {
                self.add_one(id);
            }
        }
    }

    fn ask_parent(&mut self, resource: ResourceId) {
        if let Some(parent) = self.cluster.resource(resource).parent {
            self.ask(parent);
        }
    }

    fn ask(&mut self, asked: ResourceId) {
        let cluster = self.cluster;
        match &cluster.resource(asked).variant {
            Variant::Primitive => {
                self.add_own(asked);
                self.ask_parent(asked);
            }
            Variant::Group(group) => self.ask_group(asked, group.colocated),
            Variant::Clone(_) => {
                self.add_own(asked);
                self.ask_parent(asked);
            }
            Variant::Bundle(bundle) => {
                let original = cluster.resource(self.original);
                let concerned = if self.original == asked || original.replica_container {
                    true
                } else if let Some(clone) = bundle.clone
                    && cluster.top(self.original) == clone
                    && cluster.resource(clone).promotable
                {
                    // a role can only depend on others once places are known
                    if self.original == clone {
                        original
                            .clone_data()
                            .is_some_and(|data| data.choosing_roles)
                    } else {
                        !original.unassigned
                    }
                } else {
                    false
                };
                if concerned {
                    self.add_own(asked);
                }
            }
        }
    }

    fn ask_group(&mut self, group: ResourceId, colocated: bool) {
        let cluster = self.cluster;
        let members = &cluster.resource(group).children;
        // the member whose list has the colocations of the group
        let representative = match self.side {
            Side::ThisWith => members.first(),
            Side::WithThis => members.last(),
        };
        let Some(representative) = representative else {
            return;
        };
        if self.original == group || self.original == *representative {
            self.add_own(group);
            self.ask_parent(group);
            if colocated {
                for member in members {
                    if *member != self.original {
                        self.add_explicit(*member);
                    }
                }
            }
            return;
        }
        if self.side == Side::ThisWith {
            let mut mandatory = cluster.resource(group).this_with.clone();
            mandatory.retain(|id| cluster.colocation(*id).score == Score::INFINITY);
            // behind an unmanaged member, which may stay where the group may not be
            let unmanaged = !mandatory.is_empty()
                && members
                    .iter()
                    .take_while(|member| **member != self.original)
                    .any(|member| !cluster.resource(*member).managed);
            if unmanaged {
                mandatory.into_iter().for_each(|id| self.add_one(id));
            }
        }
    }
}
