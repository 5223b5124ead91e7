//! Order constraints (scheduler-spec/05 §11.2–11.5).

use super::references::{self, Ignored};
use crate::model::*;
use crate::scalar;
use crate::transition::actions;
use crate::transition::orderings::{self, order, side, side_of};
use crate::xml::Element;

/// Attribute `kind` of an order constraint or of one of its sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Mandatory,
    Optional,
    Serialize,
}

/// In which direction the actions of an ordering go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Symmetry {
    Asymmetric,
    Symmetric,
    /// The inverse of a symmetric ordering.
    Inverse,
}

/// Reads one constraint.
pub(crate) fn unpack(cluster: &mut Cluster, element: Element<'_>) {
    let sides = [
        ("first", "first-action", "action"),
        ("then", "then-action", "action"),
    ];
    match references::sets(cluster, element, &sides) {
        Err(Ignored(why)) => cluster.say(Level::Error, why),
        Ok(Some(sets)) => {
            if let Err(Ignored(why)) = unpack_sets(cluster, element, &sets) {
                cluster.say(Level::Error, why);
            }
        }
        Ok(None) => {
            if let Err(Ignored(why)) = unpack_simple(cluster, element) {
                cluster.say(Level::Error, why);
            }
        }
    }
}

fn kind_of(cluster: &Cluster, kind: Option<&str>, score: Option<&str>) -> Kind {
    match kind {
        Some("Optional") => Kind::Optional,
        Some("Serialize") => Kind::Serialize,
        Some(_) => Kind::Mandatory,
        // an invalid score counts as 0
        None => match score.map(|text| cluster.options.score(text)) {
            Some(None | Some(Score::ZERO)) => Kind::Optional,
            Some(Some(_)) | None => Kind::Mandatory,
        },
    }
}

fn symmetry_of(kind: Kind, symmetrical: Option<&str>) -> Symmetry {
    match symmetrical.and_then(scalar::boolean) {
        Some(true) if kind != Kind::Serialize => Symmetry::Symmetric,
        None if kind != Kind::Serialize => Symmetry::Symmetric,
        _ => Symmetry::Asymmetric,
    }
}

/// Flags of a constraint (05 §11.2).
fn flags(kind: Kind, first_action: &Task, symmetry: Symmetry) -> OrderFlags {
    match kind {
        Kind::Optional => OrderFlags::SEQ,
        Kind::Serialize => OrderFlags::SERIAL,
        Kind::Mandatory => match symmetry {
            Symmetry::Asymmetric => OrderFlags::SEQ | OrderFlags::ONE_WAY,
            Symmetry::Inverse => OrderFlags::SEQ | OrderFlags::PULL,
            Symmetry::Symmetric => {
                let gated = matches!(
                    first_action,
                    Task::Start | Task::Promote | Task::MigrateFrom
                );
                let gate = if gated {
                    OrderFlags::GATE
                } else {
                    OrderFlags::NONE
                };
                OrderFlags::SEQ | OrderFlags::PUSH | gate
            }
        },
    }
}

/// start↔stop, promote↔demote, running↔stopped, promoted↔demoted; anything else has no inverse.
fn inverse(task: &Task) -> Option<Task> {
    Some(match task {
        Task::Start => Task::Stop,
        Task::Stop => Task::Start,
        Task::Promote => Task::Demote,
        Task::Demote => Task::Promote,
        Task::Running => Task::Stopped,
        Task::Stopped => Task::Running,
        Task::Promoted => Task::Demoted,
        Task::Demoted => Task::Promoted,
        _ => return None,
    })
}

fn named(cluster: &Cluster, id: &str, name: Option<&str>) -> Result<ResourceId, Ignored> {
    let name = name.unwrap_or_default();
    references::resource(cluster, name).ok_or_else(|| {
        Ignored(format!(
            "ordering '{id}' is ignored: there is no resource '{name}'"
        ))
    })
}

/// `first` then `then` (05 §11.4).
fn unpack_simple(cluster: &mut Cluster, element: Element<'_>) -> Result<(), Ignored> {
    let id = element.get("id").unwrap_or_default();
    let first = named(cluster, id, element.get("first"))?;
    let then = named(cluster, id, element.get("then"))?;
    let first_action = Task::parse(element.get("first-action").unwrap_or("start"));
    let then_action = element
        .get("then-action")
        .map_or_else(|| first_action.clone(), Task::parse);
    let kind = kind_of(cluster, element.get("kind"), element.get("score"));
    let symmetry = symmetry_of(kind, element.get("symmetrical"));
    let direct = flags(kind, &first_action, symmetry);

    let minimum = minimum_instances(cluster, element, first);
    if minimum == 0 {
        order(
            cluster,
            first,
            first_action.clone(),
            then,
            then_action.clone(),
            direct,
        );
    } else {
        let gate = actions::pseudo(cluster, &format!("clone-one-or-more:{id}"));
        cluster.action_mut(gate).min_required = minimum;
        for instance in cluster.resource(first).children.clone() {
            let gate_side = side_of(cluster, gate);
            let flags = OrderFlags::MIN_GATE | OrderFlags::SHOW_THEN;
            orderings::create(
                cluster,
                side(instance, first_action.clone()),
                gate_side,
                flags,
            );
        }
        let gate_side = side_of(cluster, gate);
        orderings::create(
            cluster,
            gate_side,
            side(then, then_action.clone()),
            direct | OrderFlags::GATE,
        );
    }

    if symmetry != Symmetry::Symmetric {
        return Ok(());
    }
    let (Some(first_inverse), Some(then_inverse)) = (inverse(&first_action), inverse(&then_action))
    else {
        return Err(Ignored(format!(
            "ordering '{id}' has no inverse: actions {first_action} and {then_action} cannot both be undone"
        )));
    };
    let inverse_flags = flags(kind, &first_action, Symmetry::Inverse);
    order(
        cluster,
        then,
        then_inverse,
        first,
        first_inverse,
        inverse_flags,
    );
    Ok(())
}

/// How many instances of a clone must be runnable before `then` may be (0: the clone as a whole
/// counts).
fn minimum_instances(cluster: &Cluster, element: Element<'_>, first: ResourceId) -> u32 {
    let resource = cluster.resource(first);
    if !resource.is_clone() {
        return 0;
    }
    if let Some(text) = resource.meta.text("clone-min") {
        let value = scalar::integer(text).unwrap_or(0);
        return u32::try_from(value.clamp(0, i64::from(i32::MAX))).unwrap_or(0);
    }
    u32::from(element.get("require-all").and_then(scalar::boolean) == Some(false))
}

/// Resource sets: orderings within each, and between each and the previous one (05 §11.5).
fn unpack_sets(
    cluster: &mut Cluster,
    element: Element<'_>,
    sets: &[ResourceSet],
) -> Result<(), Ignored> {
    let constraint = Constraint {
        id: element.get("id").unwrap_or_default(),
        kind_text: element.get("kind"),
        score: element.get("score"),
        symmetrical: element.get("symmetrical"),
    };
    let kind = kind_of(cluster, constraint.kind_text, constraint.score);
    let symmetry = symmetry_of(kind, constraint.symmetrical);
    let mut previous: Option<&ResourceSet> = None;
    for set in sets {
        within_set(cluster, &constraint, set)?;
        if let Some(previous) = previous {
            between_sets(cluster, &constraint, kind, previous, set, symmetry)?;
            if symmetry == Symmetry::Symmetric {
                between_sets(cluster, &constraint, kind, set, previous, Symmetry::Inverse)?;
            }
        }
        previous = Some(set);
    }
    Ok(())
}

struct Constraint<'e> {
    id: &'e str,
    kind_text: Option<&'e str>,
    score: Option<&'e str>,
    symmetrical: Option<&'e str>,
}

fn action_of(set: &ResourceSet) -> Task {
    Task::parse(set.action.as_deref().unwrap_or("start"))
}

fn members(cluster: &Cluster, id: &str, set: &ResourceSet) -> Vec<Result<ResourceId, Ignored>> {
    set.members
        .iter()
        .map(|name| named(cluster, id, Some(name)))
        .collect()
}

fn within_set(
    cluster: &mut Cluster,
    constraint: &Constraint<'_>,
    set: &ResourceSet,
) -> Result<(), Ignored> {
    let own = set.kind.as_deref();
    let kind = match (own, set.score.as_deref()) {
        (None, None) => kind_of(cluster, constraint.kind_text, constraint.score),
        (own, score) => kind_of(cluster, own, score),
    };
    let symmetrical = set.symmetrical.as_deref().or(constraint.symmetrical);
    let symmetry = symmetry_of(kind, symmetrical);
    let action = action_of(set);
    let direct = flags(kind, &action, symmetry);
    let resources: Result<Vec<_>, _> = members(cluster, constraint.id, set).into_iter().collect();
    let resources = resources?;
    if resources.len() < 2 {
        return Ok(());
    }
    if kind == Kind::Serialize {
        for (i, first) in resources.iter().enumerate() {
            for then in &resources[i + 1..] {
                order(
                    cluster,
                    *first,
                    action.clone(),
                    *then,
                    action.clone(),
                    direct,
                );
            }
        }
        return Ok(());
    }
    if set.sequential == Some(false) {
        return Ok(());
    }
    for pair in resources.windows(2) {
        order(
            cluster,
            pair[0],
            action.clone(),
            pair[1],
            action.clone(),
            direct,
        );
    }
    if symmetry != Symmetry::Symmetric {
        return Ok(());
    }
    let Some(inverse) = inverse(&action) else {
        return Ok(());
    };
    let inverse_flags = flags(kind, &action, Symmetry::Inverse);
    for pair in resources.windows(2) {
        order(
            cluster,
            pair[1],
            inverse.clone(),
            pair[0],
            inverse.clone(),
            inverse_flags,
        );
    }
    Ok(())
}

fn between_sets(
    cluster: &mut Cluster,
    constraint: &Constraint<'_>,
    kind: Kind,
    set1: &ResourceSet,
    set2: &ResourceSet,
    symmetry: Symmetry,
) -> Result<(), Ignored> {
    let (mut a1, mut a2) = (action_of(set1), action_of(set2));
    if symmetry == Symmetry::Inverse {
        let (Some(i1), Some(i2)) = (inverse(&a1), inverse(&a2)) else {
            return Ok(());
        };
        (a1, a2) = (i1, i2);
    }
    let require_all = set1.require_all.unwrap_or(true) || matches!(a1, Task::Stop | Task::Demote);
    let direct = flags(kind, &a1, symmetry);

    if !require_all {
        let gate = actions::pseudo(cluster, &format!("one-or-more:{}", set1.id));
        cluster.action_mut(gate).min_required = 1;
        for member in members(cluster, constraint.id, set1) {
            let gate_side = side_of(cluster, gate);
            let flags = OrderFlags::MIN_GATE | OrderFlags::SHOW_THEN;
            orderings::create(cluster, side(member?, a1.clone()), gate_side, flags);
        }
        for member in members(cluster, constraint.id, set2) {
            let gate_side = side_of(cluster, gate);
            orderings::create(
                cluster,
                gate_side,
                side(member?, a2.clone()),
                direct | OrderFlags::GATE,
            );
        }
        return Ok(());
    }

    // A sequential set is represented by the member that is adjacent to the other set.
    let represented = |set: &ResourceSet, cluster: &Cluster, last: bool| {
        let mut all = members(cluster, constraint.id, set);
        if set.sequential == Some(true) {
            let one = if last {
                all.pop()
            } else {
                (!all.is_empty()).then(|| all.swap_remove(0))
            };
            return one.into_iter().collect::<Vec<_>>();
        }
        all
    };
    let inverse = symmetry == Symmetry::Inverse;
    let firsts = represented(set1, cluster, !inverse);
    let thens = represented(set2, cluster, inverse);
    for first in firsts {
        let first = first?;
        for then in &thens {
            let then = then.clone()?;
            order(cluster, first, a1.clone(), then, a2.clone(), direct);
        }
    }
    Ok(())
}
