//! What must be together with a resource, and how much room all of it still needs
//! (scheduler-spec/03 §18.3, §18.4).
//!
//! Mandatory colocations tie resources into sets. Mostly all members of a set see the same one:
//! each can be reached from each other. Such a set is gathered once and remembered, and what it
//! needs is kept up to date as its members are placed ([`note`]). Elsewhere (a clone does not ask
//! what follows it) a resource's set is its own, and gathered for it alone.

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::apply::{Effect, effect};
use super::caches::{self, Caches};
use super::colocations;
use super::utilization::amounts;
use crate::constraints::colocation::Side;
use crate::model::{Amounts, Cluster, ColocationId, Resource, ResourceId, Score, Text, Variant};

/// The sets that are remembered during assignment.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sets: Vec<Set>,
    /// Members of sets, each with the position of its set.
    set_of: FxHashMap<ResourceId, usize>,
    /// Resources on whose placing shares depend: positions of sets and of their shares.
    gates: FxHashMap<ResourceId, Vec<(usize, usize)>>,
}

impl Sets {
    /// Forgets the set of a resource, because a colocation is new or means something else now.
    pub(super) fn forget(&mut self, member: ResourceId) {
        let Some(position) = self.set_of.get(&member).copied() else {
            return;
        };
        let set = std::mem::take(&mut self.sets[position]);
        for member in &set.members {
            self.set_of.remove(member);
        }
        for gate in set.shares.iter().flat_map(|share| &share.gates) {
            if let Some(gated) = self.gates.get_mut(gate) {
                gated.retain(|(set, _)| *set != position);
            }
        }
    }

    fn remember(&mut self, set: Set) {
        let position = self.sets.len();
        for member in &set.members {
            self.set_of.insert(*member, position);
        }
        for (i, share) in set.shares.iter().enumerate() {
            for gate in &share.gates {
                self.gates.entry(*gate).or_default().push((position, i));
            }
        }
        self.sets.push(set);
    }
}

/// Resources that must be together.
#[derive(Debug, Default)]
struct Set {
    members: Vec<ResourceId>,
    shares: Vec<Share>,
    need: Need,
    /// Colocations on which the set depends, and whose effect depends on roles.
    role_tests: Vec<RoleTest>,
}

/// The utilization of one primitive, needed as long as its gates are unassigned.
#[derive(Debug)]
struct Share {
    primitive: ResourceId,
    gates: SmallVec<[ResourceId; 2]>,
    /// Whether it is part of the set's need now.
    counted: bool,
}

impl Share {
    fn is_needed(&self, resources: &[Resource]) -> bool {
        let mut gates = self.gates.iter();
        gates.all(|gate| resources[gate.index()].unassigned)
    }
}

#[derive(Debug)]
struct RoleTest {
    colocation: ColocationId,
    dependent: ResourceId,
    primary: ResourceId,
    ties: bool,
}

/// Sums by attribute, with the number of shares in each: an attribute that nobody needs is not the
/// same as one of which 0 is needed.
#[derive(Debug, Default)]
struct Need(IndexMap<Text, (i64, u32), FxBuildHasher>);

impl Need {
    fn add(&mut self, amounts: &Amounts) {
        for (name, amount) in amounts {
            let (sum, shares) = self.0.entry(name.clone()).or_default();
            *sum += i64::from(*amount);
            *shares += 1;
        }
    }

    fn take(&mut self, amounts: &Amounts) {
        for (name, amount) in amounts {
            let Some((sum, shares)) = self.0.get_mut(name) else {
                continue;
            };
            *sum -= i64::from(*amount);
            *shares -= 1;
            if *shares == 0 {
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

/// What all that must be with a primitive needs, itself included, as far as it is unassigned.
pub(super) fn need(cluster: &mut Cluster, id: ResourceId) -> Amounts {
    if let Some(set) = remembered(cluster, id) {
        if set.role_tests.iter().all(|test| test.holds(cluster)) {
            let need = set.need.amounts();
            debug_assert_eq!(
                need,
                Gathered::around(cluster, id).set(cluster).need.amounts()
            );
            return need;
        }
        caches::of_mut(cluster).together.forget(id);
    }
    let gathered = Gathered::around(cluster, id);
    let set = gathered.set(cluster);
    let need = set.need.amounts();
    if gathered.is_the_same_for_all() {
        caches::of_mut(cluster).together.remember(Set {
            members: gathered.members,
            role_tests: gathered.role_tests,
            ..set
        });
    }
    need
}

fn remembered(cluster: &Cluster, id: ResourceId) -> Option<&Set> {
    let sets = &caches::of(cluster).together;
    sets.set_of.get(&id).map(|position| &sets.sets[*position])
}

/// Notes that a resource was assigned, or is unassigned again.
pub(super) fn note(cluster: &mut Cluster, id: ResourceId) {
    let sets = &mut cluster.caches.get_mut::<Caches>().together;
    let Some(gated) = sets.gates.get(&id) else {
        return;
    };
    for (position, share) in gated {
        let set = &mut sets.sets[*position];
        let share = &mut set.shares[*share];
        let needed = share.is_needed(&cluster.resources);
        if std::mem::replace(&mut share.counted, needed) != needed {
            let used = amounts(&cluster.resources[share.primitive.index()].utilization);
            if needed {
                set.need.add(&used);
            } else {
                set.need.take(&used);
            }
        }
    }
}

impl RoleTest {
    fn holds(&self, cluster: &Cluster) -> bool {
        let colocation = cluster.colocation(self.colocation);
        let effect = effect(cluster, self.dependent, self.primary, colocation, true);
        (effect == Effect::Location) == self.ties
    }
}

/// All that mandatory colocations tie to a resource.
#[derive(Default)]
struct Gathered {
    /// The resource itself first.
    members: Vec<ResourceId>,
    positions: FxHashMap<ResourceId, u32>,
    /// Which member leads to which, by position.
    ties: Vec<(u32, u32)>,
    role_tests: Vec<RoleTest>,
    /// Whether a member's colocations depend on what is placed: inside bundles.
    unsettled: bool,
}

impl Gathered {
    fn around(cluster: &Cluster, id: ResourceId) -> Gathered {
        let mut gathered = Gathered::default();
        gathered.position(id);
        let mut next = 0;
        while let Some(member) = gathered.members.get(next) {
            gathered.follow(cluster, *member, next as u32);
            next += 1;
        }
        gathered
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
        self.unsettled |= is_inside_bundle(cluster, member);
        if is_one(cluster, member) {
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
                let asks =
                    side == Side::ThisWith || !is_clone || cluster.resource(other).is_clone();
                if colocation.score != Score::INFINITY || !asks {
                    continue;
                }
                let (dependent, primary) = match side {
                    Side::ThisWith => (member, other),
                    Side::WithThis => (other, member),
                };
                let ties =
                    effect(cluster, dependent, primary, colocation, true) == Effect::Location;
                if colocation.dependent_role.is_some() || colocation.primary_role.is_some() {
                    self.role_tests.push(RoleTest {
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

    /// Whether every member would gather the same, now and later: each leads back to the first.
    fn is_the_same_for_all(&self) -> bool {
        if self.unsettled {
            return false;
        }
        let count = self.members.len();
        // who leads to a member, grouped by member: its group ends where the next one's starts
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

    /// What the members need (§18.4): their shares, and those that are needed now.
    fn set(&self, cluster: &Cluster) -> Set {
        let mut set = Set::default();
        for member in &self.members {
            self.add_shares(cluster, *member, &[*member], &mut set.shares);
        }
        for share in &mut set.shares {
            share.counted = share.is_needed(&cluster.resources);
            if share.counted {
                let used = &cluster.resource(share.primitive).utilization;
                set.need.add(&amounts(used));
            }
        }
        set
    }

    fn add_shares(
        &self,
        cluster: &Cluster,
        id: ResourceId,
        gates: &[ResourceId],
        shares: &mut Vec<Share>,
    ) {
        let children = &cluster.resource(id).children;
        match &cluster.resource(id).variant {
            Variant::Primitive => shares.push(Share {
                primitive: id,
                gates: gates.into(),
                counted: false,
            }),
            Variant::Group(_) => {
                let counting = if is_one(cluster, id) {
                    children.len()
                } else {
                    1
                };
                for member in children.iter().take(counting) {
                    if !self.contains(*member) {
                        let gates = [gates, &[*member]].concat();
                        self.add_shares(cluster, *member, &gates, shares);
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
                    self.add_shares(cluster, *instance, gates, shares);
                }
            }
            Variant::Bundle(bundle) => {
                if let Some(replica) = bundle.replicas.first() {
                    self.add_shares(cluster, replica.container, gates, shares);
                }
            }
        }
    }
}

/// Whether a resource is a group whose members are all in one place.
fn is_one(cluster: &Cluster, id: ResourceId) -> bool {
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

    use super::caches;
    use crate::{Cib, RunOptions, schedule};

    /// A row of primitives, each with the one before it, which all fit on the second node only.
    fn row(length: usize) -> String {
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
    fn a_row_of_colocated_resources_is_gathered_once_and_goes_where_all_of_it_fits() {
        let cib = Cib::parse(&row(40)).expect("the CIB is well-formed");
        let cluster = schedule(&cib, 1_700_000_000, RunOptions::default()).cluster;
        for resource in &cluster.resources {
            let node = resource.assigned.map(|node| &*cluster.node(node).name);
            assert_eq!(node, Some("n1"), "{}", resource.id);
        }
        let sets = &caches::of(&cluster).together.sets;
        assert_eq!(sets.len(), 1);
        assert!(sets[0].need.0.is_empty(), "all of it is placed");
    }
}
