//! Colocation constraints (scheduler-spec/03 §5): reading them, and storing them with both
//! resources.

use std::cmp::{Ordering, Reverse};

use super::references;
use crate::model::{
    Cluster, Colocation, ColocationId, Level, OrderFlags, ResourceId, ResourceSet, Role, Score,
    Task, Text,
};
use crate::scalar;
use crate::transition::orderings;
use crate::xml::Element;

/// Reads one constraint.
pub(crate) fn unpack(cluster: &mut Cluster, element: Element<'_>) {
    let sides = [
        ("rsc", "rsc-role", "role"),
        ("with-rsc", "with-rsc-role", "role"),
    ];
    let result = match references::sets(cluster, element, &sides) {
        Err(ignored) => Err(ignored.0),
        Ok(Some(sets)) => unpack_sets(cluster, element, &sets),
        Ok(None) => unpack_simple(cluster, element),
    };
    if let Err(why) = result {
        let id = element.get("id").unwrap_or_default();
        let text = format!("Ignoring colocation constraint {id}: {why}");
        cluster.say(Level::Error, text);
    }
}

/// The score of the constraint; absent or invalid: 0, which stores nothing.
fn score_of(cluster: &Cluster, text: Option<&str>) -> Score {
    text.and_then(|text| cluster.options.score(text))
        .unwrap_or(Score::ZERO)
}

fn named(cluster: &Cluster, name: &str) -> Result<ResourceId, String> {
    references::resource(cluster, name).ok_or_else(|| format!("there is no resource {name}"))
}

/// A constraint's role: absent or Started mean any.
fn role_of(text: Option<&str>) -> Result<Option<Role>, String> {
    let Some(text) = text else {
        return Ok(None);
    };
    match Role::parse(text) {
        Some(Role::Started) => Ok(None),
        None | Some(Role::Unknown) => Err(format!("expected a role, found {text:?}")),
        role => Ok(role),
    }
}

/// The constraint's `influence`, else whether `resource` is critical.
fn influence(cluster: &Cluster, element: Element<'_>, resource: ResourceId) -> bool {
    element
        .get("influence")
        .and_then(scalar::boolean)
        .unwrap_or(cluster.resource(resource).critical)
}

fn unpack_simple(cluster: &mut Cluster, element: Element<'_>) -> Result<(), String> {
    let dependent = named(cluster, element.get("rsc").ok_or("expected rsc")?)?;
    let primary = named(cluster, element.get("with-rsc").ok_or("expected with-rsc")?)?;
    let colocation = Colocation {
        id: element.get("id").unwrap_or_default().into(),
        dependent,
        primary,
        score: score_of(cluster, element.get("score")),
        dependent_role: role_of(element.get("rsc-role"))?,
        primary_role: role_of(element.get("with-rsc-role"))?,
        attribute: element.get("node-attribute").unwrap_or("#uname").into(),
        explicit: true,
        influence: influence(cluster, element, dependent),
    };
    store(cluster, colocation);
    Ok(())
}

fn unpack_sets(
    cluster: &mut Cluster,
    element: Element<'_>,
    sets: &[ResourceSet],
) -> Result<(), String> {
    for (i, set) in sets.iter().enumerate() {
        inside(cluster, element, set)?;
        if i > 0 {
            between(cluster, element, &sets[i - 1], set)?;
        }
    }
    Ok(())
}

/// The colocations among the members of one set.
fn inside(cluster: &mut Cluster, element: Element<'_>, set: &ResourceSet) -> Result<(), String> {
    let score = score_of(cluster, set.score.as_deref().or(element.get("score")));
    if score == Score::ZERO || set.sequential == Some(false) {
        return Ok(());
    }
    let role = role_of(set.role.as_deref())?;
    let reversed = set.ordering.as_deref().is_some_and(|text| text != "group");
    let (id, attribute): (Text, Text) = (set.id.as_ref().into(), "#uname".into());
    let mut seen: Vec<ResourceId> = Vec::new();
    for name in &set.members {
        let Some(resource) = references::resource(cluster, name) else {
            let text = format!("Colocation set {} names no resource: {name}", set.id);
            cluster.say(Level::Error, text);
            break;
        };
        let partners: &[ResourceId] = match seen.last() {
            Some(last) if score > Score::ZERO => std::slice::from_ref(last),
            _ => &seen,
        };
        let influence = influence(cluster, element, resource);
        for partner in partners {
            let (dependent, primary) = if score > Score::ZERO && reversed {
                (*partner, resource)
            } else {
                (resource, *partner)
            };
            let colocation = Colocation {
                id: id.clone(),
                dependent,
                primary,
                score,
                dependent_role: role,
                primary_role: role,
                attribute: attribute.clone(),
                explicit: true,
                influence,
            };
            store(cluster, colocation);
        }
        seen.push(resource);
    }
    Ok(())
}

/// The colocations of one set with the next: `previous` is the dependent side.
fn between(
    cluster: &mut Cluster,
    element: Element<'_>,
    previous: &ResourceSet,
    next: &ResourceSet,
) -> Result<(), String> {
    let score = score_of(cluster, element.get("score"));
    if score == Score::ZERO {
        return Ok(());
    }
    let dependent_role = role_of(previous.role.as_deref())?;
    let primary_role = role_of(next.role.as_deref())?;
    let sequential = |set: &ResourceSet| set.sequential != Some(false);
    let dependents: &[Text] = match previous.members.first() {
        Some(first) if sequential(previous) => std::slice::from_ref(first),
        _ => &previous.members,
    };
    let primaries: &[Text] = match next.members.last() {
        Some(last) if sequential(next) => std::slice::from_ref(last),
        _ => &next.members,
    };
    let resources = |names: &[Text]| -> Vec<ResourceId> {
        let found = names.iter();
        found
            .filter_map(|name| references::resource(cluster, name))
            .collect()
    };
    let (dependents, primaries) = (resources(dependents), resources(primaries));
    let (id, attribute): (Text, Text) = (
        element.get("id").unwrap_or_default().into(),
        "#uname".into(),
    );
    for dependent in dependents {
        let influence = influence(cluster, element, dependent);
        for primary in &primaries {
            let colocation = Colocation {
                id: id.clone(),
                dependent,
                primary: *primary,
                score,
                dependent_role,
                primary_role,
                attribute: attribute.clone(),
                explicit: true,
                influence,
            };
            store(cluster, colocation);
        }
    }
    Ok(())
}

/// Stores a colocation with both resources, and its orderings if the score is -INFINITY (03 §5.1,
/// 05 §11.8). The lists of the resources are not in order before [`sort`].
pub(crate) fn store(cluster: &mut Cluster, colocation: Colocation) {
    let (dependent, primary) = (colocation.dependent, colocation.primary);
    if let Some(id) = add(cluster, colocation) {
        cluster.resource_mut(dependent).this_with.push(id);
        cluster.resource_mut(primary).with_this.push(id);
    }
}

/// Sorts the lists of all resources by their partners, once all colocations are known: among equals
/// the later one comes first.
pub(crate) fn sort(cluster: &mut Cluster) {
    let resources = || (0..cluster.resources.len()).map(ResourceId::new);
    let mut order: Vec<ResourceId> = resources().collect();
    order.sort_by(|a, b| compare(cluster, *a, *b));
    let mut ranks = vec![0; order.len()];
    for pair in order.windows(2) {
        let apart = compare(cluster, pair[0], pair[1]) == Ordering::Less;
        ranks[pair[1].index()] = ranks[pair[0].index()] + u32::from(apart);
    }
    let colocations = &cluster.colocations;
    let mut keys = Vec::new();
    for resource in &mut cluster.resources {
        for (list, side) in [
            (&mut resource.this_with, Side::ThisWith),
            (&mut resource.with_this, Side::WithThis),
        ] {
            let key = |id: &ColocationId| {
                let partner = side.other(&colocations[id.index()]);
                (ranks[partner.index()], Reverse(*id))
            };
            keys.clear();
            keys.extend(list.iter().map(key));
            keys.sort_unstable();
            list.clear();
            list.extend(keys.iter().map(|(_, id)| id.0));
        }
    }
}

/// [`store`], in lists that are in order already.
pub(crate) fn store_late(cluster: &mut Cluster, colocation: Colocation) {
    let (dependent, primary) = (colocation.dependent, colocation.primary);
    if let Some(id) = add(cluster, colocation) {
        let mut list = std::mem::take(&mut cluster.resource_mut(dependent).this_with);
        insert(cluster, &mut list, id, Side::ThisWith);
        cluster.resource_mut(dependent).this_with = list;
        let mut list = std::mem::take(&mut cluster.resource_mut(primary).with_this);
        insert(cluster, &mut list, id, Side::WithThis);
        cluster.resource_mut(primary).with_this = list;
    }
}

fn add(cluster: &mut Cluster, colocation: Colocation) -> Option<ColocationId> {
    if colocation.score == Score::ZERO {
        return None;
    }
    let dependent = (colocation.dependent, colocation.dependent_role);
    let primary = (colocation.primary, colocation.primary_role);
    let anti = colocation.score.is_minus_infinity();
    let id = ColocationId::new(cluster.colocations.len());
    cluster.colocations.push(colocation);
    if anti {
        order_exchange(cluster, dependent, primary);
        order_exchange(cluster, primary, dependent);
    }
    Some(id)
}

/// `first` gives up its role before `then` takes its own (05 §11.8).
fn order_exchange(
    cluster: &mut Cluster,
    (first, first_role): (ResourceId, Option<Role>),
    (then, then_role): (ResourceId, Option<Role>),
) {
    let lose: &[Task] = match first_role {
        Some(Role::Promoted) => &[Task::Demote],
        Some(Role::Unpromoted) => &[Task::Stop, Task::Promote],
        _ => &[Task::Stop],
    };
    let gain: &[Task] = match then_role {
        Some(Role::Promoted) => &[Task::Promote],
        Some(Role::Unpromoted) => &[Task::Start, Task::Demote],
        _ => &[Task::Start],
    };
    for a in lose {
        for b in gain {
            orderings::order(cluster, first, a.clone(), then, b.clone(), OrderFlags::SWAP);
        }
    }
}

/// Which of a resource's two colocation lists.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Side {
    /// The resource is the dependent.
    ThisWith,
    /// The resource is the primary.
    WithThis,
}

impl Side {
    /// The other resource of a colocation in such a list.
    pub(crate) fn other(self, colocation: &Colocation) -> ResourceId {
        match self {
            Side::ThisWith => colocation.primary,
            Side::WithThis => colocation.dependent,
        }
    }
}

/// Inserts a colocation before the first that does not sort strictly before it: among equals the
/// later one comes first.
pub(crate) fn insert(
    cluster: &Cluster,
    list: &mut Vec<ColocationId>,
    id: ColocationId,
    side: Side,
) {
    let other = side.other(cluster.colocation(id));
    let position = list
        .iter()
        .position(|existing| {
            let existing = side.other(cluster.colocation(*existing));
            compare(cluster, existing, other) != Ordering::Less
        })
        .unwrap_or(list.len());
    list.insert(position, id);
}

/// The order of colocation partners: priority, then variant, then promotable clones, then id.
fn compare(cluster: &Cluster, a: ResourceId, b: ResourceId) -> Ordering {
    let (a, b) = (cluster.resource(a), cluster.resource(b));
    let promotable = |r: &crate::model::Resource| r.is_clone() && r.promotable;
    b.effective_priority
        .cmp(&a.effective_priority)
        .then(b.rank().cmp(&a.rank()))
        .then(promotable(b).cmp(&promotable(a)))
        .then_with(|| a.id.cmp(&b.id))
}
