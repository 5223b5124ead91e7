//! The colocated set of a resource: all resources that must be on the same node, and what those of
//! them that have no node yet demand together (scheduler-spec/03 §18.3, §18.4).
//!
//! Mandatory colocations tie resources into sets. Mostly all members have the same set: each can be
//! reached from every other. Such a set is found once and kept, and its demand is updated as its
//! members get their nodes ([`update_placement`]). Otherwise (a clone does not follow its
//! dependents) a resource's set is its own, and is found for it alone.

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::amounts;
use crate::assignment::apply::{Effect, possible_effect};
use crate::assignment::caches::{self, Caches};
use crate::assignment::colocations;
use crate::constraints::colocation::Side;
use crate::model::{Amounts, Cluster, ColocationId, Resource, ResourceId, Score, Text, Variant};

/// The sets that are kept during assignment.
#[derive(Debug, Default)]
pub(in crate::assignment) struct ColocatedSets {
    sets: Vec<ColocatedSet>,
    /// Members of sets, each with the position of its set.
    set_of: FxHashMap<ResourceId, usize>,
    /// The demands that count only while a resource is unassigned, by that resource: position of
    /// the set, and of the demand in it.
    demands_while_unassigned: FxHashMap<ResourceId, Vec<(usize, usize)>>,
}

impl ColocatedSets {
    /// Drops the set of a resource, because a colocation is new or has another effect now.
    pub(in crate::assignment) fn invalidate(&mut self, member: ResourceId) {
        let Some(position) = self.set_of.get(&member).copied() else {
            return;
        };
        let set = std::mem::take(&mut self.sets[position]);
        for member in &set.members {
            self.set_of.remove(member);
        }
        let demands = set.demands.iter();
        for resource in demands.flat_map(|demand| &demand.while_unassigned) {
            if let Some(demands) = self.demands_while_unassigned.get_mut(resource) {
                demands.retain(|(set, _)| *set != position);
            }
        }
    }

    fn insert(&mut self, set: ColocatedSet) {
        let position = self.sets.len();
        for member in &set.members {
            self.set_of.insert(*member, position);
        }
        for (i, demand) in set.demands.iter().enumerate() {
            for resource in &demand.while_unassigned {
                let demands = self.demands_while_unassigned.entry(*resource);
                demands.or_default().push((position, i));
            }
        }
        self.sets.push(set);
    }
}

/// Resources that must be on the same node.
#[derive(Debug, Default)]
struct ColocatedSet {
    members: Vec<ResourceId>,
    demands: Vec<Demand>,
    total: TotalDemand,
    /// Colocations between members whose effect depends on roles.
    role_conditions: Vec<RoleCondition>,
}

/// The utilization of one primitive. It counts as long as some resources are unassigned: the
/// primitive itself, or the collective for which it stands.
#[derive(Debug)]
struct Demand {
    primitive: ResourceId,
    while_unassigned: SmallVec<[ResourceId; 2]>,
    /// Whether it is part of the set's total now.
    counted: bool,
}

impl Demand {
    fn counts(&self, resources: &[Resource]) -> bool {
        let mut required = self.while_unassigned.iter();
        required.all(|resource| resources[resource.index()].unassigned)
    }
}

/// A colocation whose effect depends on roles, and whether it ties the resources as roles are now.
#[derive(Debug)]
struct RoleCondition {
    colocation: ColocationId,
    dependent: ResourceId,
    primary: ResourceId,
    ties: bool,
}

/// Sums by attribute, with the number of demands in each: an attribute that no resource uses is not
/// the same as one whose sum is 0.
#[derive(Debug, Default)]
struct TotalDemand(IndexMap<Text, (i64, u32), FxBuildHasher>);

impl TotalDemand {
    fn add(&mut self, amounts: &Amounts) {
        for (name, amount) in amounts {
            let (sum, demands) = self.0.entry(name.clone()).or_default();
            *sum += i64::from(*amount);
            *demands += 1;
        }
    }

    fn subtract(&mut self, amounts: &Amounts) {
        for (name, amount) in amounts {
            let Some((sum, demands)) = self.0.get_mut(name) else {
                continue;
            };
            *sum -= i64::from(*amount);
            *demands -= 1;
            if *demands == 0 {
                self.0.swap_remove(name);
            }
        }
    }

    fn amounts(&self) -> Amounts {
        let clamped = |sum: i64| sum.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        let entries = self.0.iter();
        entries
            .map(|(name, (sum, _))| (name.clone(), clamped(*sum)))
            .collect()
    }
}

/// What the unassigned members of a primitive's colocated set demand together, the primitive
/// included.
pub(super) fn demand(cluster: &mut Cluster, id: ResourceId) -> Amounts {
    if let Some(set) = known(cluster, id) {
        if set.role_conditions.iter().all(|it| it.holds(cluster)) {
            let demand = set.total.amounts();
            debug_assert_eq!(
                demand,
                Search::from(cluster, id).set(cluster).total.amounts()
            );
            return demand;
        }
        caches::of_mut(cluster).colocated_sets.invalidate(id);
    }
    let search = Search::from(cluster, id);
    let set = search.set(cluster);
    let demand = set.total.amounts();
    if search.is_the_same_for_all() {
        caches::of_mut(cluster).colocated_sets.insert(ColocatedSet {
            members: search.members,
            role_conditions: search.role_conditions,
            ..set
        });
    }
    demand
}

fn known(cluster: &Cluster, id: ResourceId) -> Option<&ColocatedSet> {
    let sets = &caches::of(cluster).colocated_sets;
    sets.set_of.get(&id).map(|position| &sets.sets[*position])
}

/// Updates the demand of colocated sets after a resource was assigned, or is unassigned again.
pub(in crate::assignment) fn update_placement(cluster: &mut Cluster, id: ResourceId) {
    let sets = &mut cluster.caches.get_mut::<Caches>().colocated_sets;
    let Some(demands) = sets.demands_while_unassigned.get(&id) else {
        return;
    };
    for (position, demand) in demands {
        let set = &mut sets.sets[*position];
        let demand = &mut set.demands[*demand];
        let counts = demand.counts(&cluster.resources);
        if std::mem::replace(&mut demand.counted, counts) != counts {
            let used = amounts(&cluster.resources[demand.primitive.index()].utilization);
            if counts {
                set.total.add(&used);
            } else {
                set.total.subtract(&used);
            }
        }
    }
}

impl RoleCondition {
    fn holds(&self, cluster: &Cluster) -> bool {
        let colocation = cluster.colocation(self.colocation);
        let effect = possible_effect(cluster, self.dependent, self.primary, colocation);
        (effect == Effect::Location) == self.ties
    }
}

/// A search for all resources that mandatory colocations tie to one.
#[derive(Default)]
struct Search {
    /// The resources found; the one where the search began is the first.
    members: Vec<ResourceId>,
    positions: FxHashMap<ResourceId, u32>,
    /// Which member leads to which, by position.
    ties: Vec<(u32, u32)>,
    role_conditions: Vec<RoleCondition>,
    /// Whether a member's colocations depend on what is assigned already: inside bundles.
    depends_on_placement: bool,
}

impl Search {
    fn from(cluster: &Cluster, id: ResourceId) -> Search {
        let mut search = Search::default();
        search.position(id);
        let mut next = 0;
        while let Some(member) = search.members.get(next) {
            search.follow(cluster, *member, next as u32);
            next += 1;
        }
        search
    }

    /// The position of a member, which may be new.
    fn position(&mut self, id: ResourceId) -> u32 {
        *self.positions.entry(id).or_insert_with(|| {
            self.members.push(id);
            (self.members.len() - 1) as u32
        })
    }

    fn tie(&mut self, from: u32, to: ResourceId) {
        let to = self.position(to);
        self.ties.push((from, to));
    }

    /// Adds what a member is tied to.
    fn follow(&mut self, cluster: &Cluster, member: ResourceId, position: u32) {
        self.depends_on_placement |= is_inside_bundle(cluster, member);
        if is_colocated_group(cluster, member) {
            for child in &cluster.resource(member).children {
                self.tie(position, *child);
            }
            return;
        }
        let is_clone = cluster.resource(member).is_clone();
        for side in [Side::ThisWith, Side::WithThis] {
            for id in colocations::list(cluster, member, side).iter() {
                let colocation = cluster.colocation(*id);
                let other = side.other(colocation);
                // a clone does not follow its dependents, except clones
                let follows =
                    side == Side::ThisWith || !is_clone || cluster.resource(other).is_clone();
                if colocation.score != Score::INFINITY || !follows {
                    continue;
                }
                let (dependent, primary) = match side {
                    Side::ThisWith => (member, other),
                    Side::WithThis => (other, member),
                };
                let effect = possible_effect(cluster, dependent, primary, colocation);
                let ties = effect == Effect::Location;
                if colocation.dependent_role.is_some() || colocation.primary_role.is_some() {
                    self.role_conditions.push(RoleCondition {
                        colocation: *id,
                        dependent,
                        primary,
                        ties,
                    });
                }
                if ties {
                    self.tie(position, other);
                }
            }
        }
    }

    /// Whether a search from any member finds the same, now and later: each leads back to the
    /// first.
    fn is_the_same_for_all(&self) -> bool {
        if self.depends_on_placement {
            return false;
        }
        let count = self.members.len();
        // the members that lead to a member, grouped by it: a group ends where the next one starts
        let mut starts = vec![0; count + 1];
        for (_, to) in &self.ties {
            starts[*to as usize] += 1;
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let mut leading = vec![0; self.ties.len()];
        for (from, to) in &self.ties {
            let start = &mut starts[*to as usize];
            *start -= 1;
            leading[*start] = *from;
        }
        let mut found = vec![false; count];
        found[0] = true;
        let mut reached = vec![0];
        let mut next = 0;
        while let Some(member) = reached.get(next).copied() {
            for from in &leading[starts[member]..starts[member + 1]] {
                if !std::mem::replace(&mut found[*from as usize], true) {
                    reached.push(*from as usize);
                }
            }
            next += 1;
        }
        reached.len() == count
    }

    fn contains(&self, id: ResourceId) -> bool {
        self.positions.contains_key(&id)
    }

    /// The demands of the members (§18.4), and the total of those that count now.
    fn set(&self, cluster: &Cluster) -> ColocatedSet {
        let mut set = ColocatedSet::default();
        for member in &self.members {
            self.add_demands(cluster, *member, &[*member], &mut set.demands);
        }
        for demand in &mut set.demands {
            demand.counted = demand.counts(&cluster.resources);
            if demand.counted {
                let used = &cluster.resource(demand.primitive).utilization;
                set.total.add(&amounts(used));
            }
        }
        set
    }

    /// Adds the demands of a resource. They count only while all of `unassigned` are.
    fn add_demands(
        &self,
        cluster: &Cluster,
        id: ResourceId,
        unassigned: &[ResourceId],
        demands: &mut Vec<Demand>,
    ) {
        let children = &cluster.resource(id).children;
        match &cluster.resource(id).variant {
            Variant::Primitive => demands.push(Demand {
                primitive: id,
                while_unassigned: unassigned.into(),
                counted: false,
            }),
            Variant::Group(_) => {
                let counting = if is_colocated_group(cluster, id) {
                    children.len()
                } else {
                    1
                };
                for member in children.iter().take(counting) {
                    if !self.contains(*member) {
                        let unassigned = [unassigned, &[*member]].concat();
                        self.add_demands(cluster, *member, &unassigned, demands);
                    }
                }
            }
            Variant::Clone(_) => {
                if children.iter().any(|instance| self.contains(*instance)) {
                    return;
                }
                let is_partly_in = |instance: &&ResourceId| {
                    let mut members = cluster.resource(**instance).children.iter();
                    members.any(|member| self.contains(*member))
                };
                let mut instances: Vec<&ResourceId> =
                    children.iter().filter(is_partly_in).collect();
                if instances.is_empty() {
                    instances.extend(children.first());
                }
                for instance in instances {
                    self.add_demands(cluster, *instance, unassigned, demands);
                }
            }
            Variant::Bundle(bundle) => {
                if let Some(replica) = bundle.replicas.first() {
                    self.add_demands(cluster, replica.container, unassigned, demands);
                }
            }
        }
    }
}

/// Whether a resource is a group whose members are all on one node.
fn is_colocated_group(cluster: &Cluster, id: ResourceId) -> bool {
    let resource = cluster.resource(id);
    let instance = |parent: ResourceId| cluster.resource(parent).is_clone();
    resource
        .group_data()
        .is_some_and(|group| group.colocated || resource.parent.is_some_and(instance))
}

fn is_inside_bundle(cluster: &Cluster, id: ResourceId) -> bool {
    let parent = |id: &ResourceId| cluster.resource(*id).parent;
    let mut above = std::iter::successors(parent(&id), parent);
    above.any(|ancestor| cluster.resource(ancestor).is_bundle())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use crate::assignment::caches;
    use crate::{Cib, RunOptions, schedule};

    /// A chain of primitives, each colocated with the one before it. All of them fit on the second
    /// node only.
    fn chain(length: usize) -> String {
        let (mut resources, mut constraints) = (String::new(), String::new());
        for i in 0..length {
            let _ = write!(
                resources,
                "<primitive id='r{i}' class='ocf' provider='x' type='y'><utilization id='u{i}'><nvpair id='c{i}' name='cpu' value='1'/>\
                 </utilization></primitive>"
            );
            if i > 0 {
                let with = i - 1;
                let _ = write!(
                    constraints,
                    "<rsc_colocation id='k{i}' rsc='r{i}' with-rsc='r{with}' score='INFINITY'/>"
                );
            }
        }
        let (mut nodes, mut states) = (String::new(), String::new());
        for (i, room) in [length - 1, length].into_iter().enumerate() {
            let _ = write!(
                nodes,
                "<node id='{i}' uname='n{i}'><utilization id='nu{i}'><nvpair id='nc{i}' name='cpu' value='{room}'/></utilization></node>"
            );
            let _ = write!(
                states,
                "<node_state id='{i}' uname='n{i}' in_ccm='true' crmd='online' join='member' expected='member'/>"
            );
        }
        format!(
            "<cib crm_feature_set='3.0' have-quorum='1'><configuration><crm_config><cluster_property_set id='o'>\
             <nvpair id='f' name='stonith-enabled' value='false'/><nvpair id='p' name='placement-strategy' value='utilization'/>\
             </cluster_property_set></crm_config><nodes>{nodes}</nodes><resources>{resources}</resources>\
             <constraints>{constraints}</constraints></configuration><status>{states}</status></cib>"
        )
    }

    #[test]
    fn a_chain_of_colocated_resources_is_found_once_and_goes_where_all_of_it_fits() {
        let cib = Cib::parse(&chain(40)).expect("the CIB is well-formed");
        let cluster = schedule(&cib, 1_700_000_000, RunOptions::default()).cluster;
        for resource in &cluster.resources {
            let node = resource.assigned.map(|node| &*cluster.node(node).name);
            assert_eq!(node, Some("n1"), "{}", resource.id);
        }
        let sets = &caches::of(&cluster).colocated_sets.sets;
        assert_eq!(sets.len(), 1);
        assert!(sets[0].total.0.is_empty(), "all of it is assigned");
    }
}
