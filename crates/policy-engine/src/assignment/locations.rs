//! Applying location entries to score tables (scheduler-spec/03 §4.4, §4.5, §7.5).

use crate::model::{
    Cause, Cluster, Location, LocationId, NodeEntry, NodeTable, ProbeMode, ResourceId, Role, Score,
    Variant,
};

/// C2: all entries, newest first.
pub(super) fn apply_all(cluster: &mut Cluster) {
    let locations = std::mem::take(&mut cluster.locations);
    for (i, entry) in locations.iter().enumerate().rev() {
        apply(
            cluster,
            entry.resource,
            LocationId::new(i),
            entry,
            Strength::Full,
        );
        cluster.note(entry.resource, Cause::Location(LocationId::new(i)));
    }
    cluster.locations = locations;
}

/// How much of a location entry counts. For a colocated group only its first member gets the
/// scores; the later ones get the nodes with a score of 0.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Full,
    Zero,
}

fn apply(
    cluster: &mut Cluster,
    id: ResourceId,
    location: LocationId,
    entry: &Location,
    strength: Strength,
) {
    let mut table = std::mem::take(&mut cluster.resource_mut(id).allowed);
    let exclusive = apply_to_table(cluster, id, entry, &mut table, strength);
    let resource = cluster.resource_mut(id);
    resource.allowed = table;
    resource.exclusive_discovery |= exclusive;

    match &cluster.resource(id).variant {
        Variant::Primitive => {}
        Variant::Group(group) => {
            let colocated = group.colocated;
            for (i, member) in cluster
                .resource(id)
                .children
                .clone()
                .into_iter()
                .enumerate()
            {
                let strength = if colocated && i > 0 {
                    Strength::Zero
                } else {
                    strength
                };
                apply(cluster, member, location, entry, strength);
            }
        }
        Variant::Clone(_) => {
            for instance in cluster.resource(id).children.clone() {
                apply(cluster, instance, location, entry, strength);
            }
        }
        Variant::Bundle(bundle) => {
            let clone = bundle.clone;
            let parts: Vec<ResourceId> = bundle
                .replicas
                .iter()
                .flat_map(|replica| [Some(replica.container), replica.ip])
                .flatten()
                .collect();
            for part in parts {
                apply(cluster, part, location, entry, strength);
            }
            if let Some(clone) = clone
                && entry.role == Some(Role::Promoted)
            {
                apply(cluster, clone, location, entry, strength);
                cluster.resource_mut(clone).locations.push(location);
            }
        }
    }
}

/// Plain application to one table. True: the resource gets exclusive discovery.
fn apply_to_table(
    cluster: &Cluster,
    resource: ResourceId,
    entry: &Location,
    table: &mut NodeTable,
    strength: Strength,
) -> bool {
    if entry
        .role
        .is_some_and(|role| role != cluster.resource(resource).next_role)
    {
        return false;
    }
    for (node, score) in entry.nodes.iter() {
        let score = match strength {
            Strength::Full => *score,
            Strength::Zero => Score::ZERO,
        };
        match table.get_mut(*node) {
            Some(existing) => {
                existing.score = existing.score.add(score);
                existing.mode = existing.mode.max(entry.mode);
            }
            None => table.insert(
                *node,
                NodeEntry {
                    score,
                    mode: cluster.node(*node).probe_mode.max(entry.mode),
                    count: 0,
                },
            ),
        }
    }
    entry.mode == ProbeMode::Exclusive && !entry.nodes.is_empty()
}

/// Adds a group's own location entries to a copy of a later member's table, where they were
/// withheld (03 §14.3 step 2).
pub(super) fn add_group_locations(
    cluster: &Cluster,
    group: ResourceId,
    member: ResourceId,
    table: &mut NodeTable,
) {
    for location in cluster.resource(group).locations.iter().rev() {
        let entry = cluster.location(*location);
        apply_to_table(cluster, member, entry, table, Strength::Full);
    }
}
