//! How a primary that has a node changes the scores of a dependent (scheduler-spec/03 §13, §17; 04
//! §8.7): it attracts or repels the dependent, or affects its role.

use super::{Attempt, assign_resource, collective_primaries, preferences};
use crate::model::{
    AttributeLookup, Cause, Cluster, Colocation, ColocationId, Level, NodeId, ResourceId, Role,
    Score, Variant, same_value,
};

/// Applies a "this with" colocation to a dependent that is being placed; assigns the primary first
/// (§13.1).
pub(super) fn follow_primary(cluster: &mut Cluster, dependent: ResourceId, id: ColocationId) {
    let colocation = cluster.colocation(id).clone();
    let may_be_undone = colocation.dependent_role == Some(Role::Promoted)
        || (colocation.score < Score::ZERO && !colocation.score.is_minus_infinity());
    let backup = may_be_undone.then(|| cluster.resource(dependent).allowed.clone());
    if cluster.resource(colocation.primary).unassigned {
        assign_resource(cluster, colocation.primary, None, Attempt::Final);
    }
    apply(cluster, dependent, colocation.primary, &colocation);
    if let Some(backup) = backup
        && !preferences::has_usable(cluster, &cluster.resource(dependent).allowed)
    {
        cluster.resource_mut(dependent).allowed = backup;
    }
    cluster.note(dependent, Cause::Primary(id));
}

/// Applies a colocation to a dependent on behalf of (part of) its primary. Returns by how much the
/// dependent's priority changed.
pub(super) fn apply(
    cluster: &mut Cluster,
    dependent: ResourceId,
    primary: ResourceId,
    colocation: &Colocation,
) -> i32 {
    if cluster.resource(dependent).is_group() {
        return apply_to_group(cluster, dependent, primary, colocation);
    }
    match &cluster.resource(primary).variant {
        Variant::Primitive => match effect(cluster, dependent, primary, colocation) {
            Effect::Nothing => 0,
            Effect::Location => {
                apply_location(cluster, dependent, primary, colocation);
                0
            }
            Effect::Role => apply_role(cluster, dependent, primary, colocation),
        },
        Variant::Group(group) => {
            let colocated = group.colocated;
            apply_group(cluster, dependent, primary, colocation, colocated)
        }
        Variant::Clone(_) => {
            collective_primaries::apply_clone(cluster, dependent, primary, colocation)
        }
        Variant::Bundle(_) => {
            collective_primaries::apply_bundle(cluster, dependent, primary, colocation)
        }
    }
}

/// A group, as an instance whose role is chosen: its first member stands for it.
fn apply_to_group(
    cluster: &mut Cluster,
    dependent: ResourceId,
    primary: ResourceId,
    colocation: &Colocation,
) -> i32 {
    let group = cluster.resource(dependent);
    let colocated = group.group_data().is_some_and(|data| data.colocated);
    let Some(first) = group.children.first().copied().filter(|_| colocated) else {
        return 0;
    };
    let delta = apply(cluster, first, primary, colocation);
    let group = cluster.resource_mut(dependent);
    group.effective_priority = Score(group.effective_priority).add(Score(delta)).0;
    delta
}

fn apply_group(
    cluster: &mut Cluster,
    dependent: ResourceId,
    group: ResourceId,
    colocation: &Colocation,
    colocated: bool,
) -> i32 {
    if cluster.resource(group).unassigned {
        // its first members may have a node already, if this is about a later one of its own
        return 0;
    }
    let members = cluster.resource(group).children.clone();
    let mandatory = colocation.score.is_infinity();
    if colocated {
        let member = if mandatory {
            members.last()
        } else {
            members.first()
        };
        return member.map_or(0, |member| apply(cluster, dependent, *member, colocation));
    }
    if mandatory {
        let text = format!(
            "Colocation {} with score INFINITY needs {} to be colocated itself",
            colocation.id,
            cluster.resource(group).id
        );
        cluster.say(Level::Error, text);
        return 0;
    }
    let mut delta = Score::ZERO;
    for member in members {
        delta = delta.add(Score(apply(cluster, dependent, member, colocation)));
    }
    delta.0
}

/// What a colocation can affect now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// Nothing.
    Nothing,
    /// Where the dependent goes.
    Location,
    /// Which role the dependent gets.
    Role,
}

/// What a colocation of two primitives affects now (§13.3).
fn effect(
    cluster: &Cluster,
    dependent: ResourceId,
    primary: ResourceId,
    colocation: &Colocation,
) -> Effect {
    if cluster.resource(primary).unassigned {
        return Effect::Nothing;
    }
    match possible_effect(cluster, dependent, primary, colocation) {
        Effect::Location if !cluster.resource(dependent).unassigned => Effect::Nothing,
        effect => effect,
    }
}

/// What a colocation of two primitives would affect if neither had a node yet (§13.3, as a
/// preview).
pub(super) fn possible_effect(
    cluster: &Cluster,
    dependent: ResourceId,
    primary: ResourceId,
    colocation: &Colocation,
) -> Effect {
    let dependent_role = cluster.resource(role_resource(cluster, dependent));
    let chooses_role = matches!(
        colocation.dependent_role,
        Some(Role::Unpromoted | Role::Promoted)
    );
    if chooses_role
        && !dependent_role.unassigned
        && dependent_role
            .parent
            .is_some_and(|parent| cluster.resource(parent).promotable)
    {
        return Effect::Role;
    }
    if colocation
        .dependent_role
        .is_some_and(|role| role != dependent_role.next_role)
    {
        return Effect::Nothing;
    }
    let primary_role = cluster.resource(role_resource(cluster, primary)).next_role;
    if colocation
        .primary_role
        .is_some_and(|role| role != primary_role)
    {
        return Effect::Nothing;
    }
    Effect::Location
}

/// The resource whose role counts: for a bundle's container the resource inside, else the resource
/// itself.
fn role_resource(cluster: &Cluster, id: ResourceId) -> ResourceId {
    if !cluster.resource(id).replica_container {
        return id;
    }
    cluster
        .replica_of(id)
        .and_then(|(_, replica)| replica.child)
        .unwrap_or(id)
}

/// Attracts the dependent to the primary's node, or repels it (§13.4).
fn apply_location(
    cluster: &mut Cluster,
    dependent: ResourceId,
    primary: ResourceId,
    colocation: &Colocation,
) {
    let score = colocation.score;
    let assigned = cluster.resource(primary).assigned;
    if assigned.is_none() && score < Score::ZERO {
        return;
    }
    let mut table = std::mem::take(&mut cluster.resource_mut(dependent).allowed);
    let attribute = &colocation.attribute;
    let of_dependent = AttributeLookup::for_colocation(cluster, attribute, dependent);
    let wanted = assigned
        .and_then(|node| AttributeLookup::for_colocation(cluster, attribute, primary).value(node));
    let changed = |node: NodeId, old: Score| {
        if old.is_minus_infinity() {
            old
        } else if assigned.is_none() {
            score.negated().add(old)
        } else if same_value(of_dependent.value(node), wanted) {
            if score.is_infinity() {
                old
            } else {
                score.add(old)
            }
        } else if score.is_infinity() {
            Score::MINUS_INFINITY
        } else {
            old
        }
    };
    let mandatory = score.is_infinity() || score.is_minus_infinity();
    let may_go_on = mandatory
        || table
            .iter()
            .any(|(node, entry)| cluster.is_usable_at(node, changed(node, entry.score)));
    if may_go_on {
        for (node, entry) in table.iter_mut() {
            entry.score = changed(node, entry.score);
        }
    }
    cluster.resource_mut(dependent).allowed = table;
}

/// Raises or lowers the dependent's promotion priority (04 §8.7).
fn apply_role(
    cluster: &mut Cluster,
    dependent: ResourceId,
    primary: ResourceId,
    colocation: &Colocation,
) -> i32 {
    let Some(dependent_node) = cluster.resource(dependent).assigned else {
        return 0;
    };
    let primary_node = cluster.resource(primary).assigned;
    let primary_role = cluster.resource(role_resource(cluster, primary)).next_role;
    if primary_node.is_some()
        && colocation
            .primary_role
            .is_some_and(|role| role != primary_role)
    {
        return 0;
    }
    let value = |resource, node| {
        AttributeLookup::for_colocation(cluster, &colocation.attribute, resource).value(node)
    };
    let dependent_value = value(dependent, dependent_node);
    let primary_value = primary_node.and_then(|node| value(primary, node));
    let delta = if same_value(dependent_value, primary_value) {
        if colocation.dependent_role == Some(Role::Unpromoted) {
            colocation.score.negated()
        } else {
            colocation.score
        }
    } else if colocation.score.is_infinity() && colocation.dependent_role == Some(Role::Promoted) {
        colocation.score.negated()
    } else {
        return 0;
    };
    let resource = cluster.resource_mut(dependent);
    resource.effective_priority = delta.add(Score(resource.effective_priority)).0;
    delta.0
}
