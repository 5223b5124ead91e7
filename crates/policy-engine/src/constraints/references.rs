//! Names in constraints: resources, templates, tags, and the expansion of resource sets
//! (scheduler-spec/03 §3, 05 §11.3).

use crate::model::{Cluster, Names, ResourceId, ResourceSet, Text};
use crate::scalar;
use crate::xml::Element;

/// Why a constraint is ignored.
#[derive(Clone, Debug)]
pub(crate) struct Ignored(pub String);

/// The resource to which a constraint refers as `name` (03 §3.1): the one with that id, or if only
/// the history knows the name, the topmost ancestor (normally the clone) of the one that it is the
/// history of.
pub(crate) fn resource(cluster: &Cluster, name: &str) -> Option<ResourceId> {
    let found = cluster.find_resource(name)?;
    if &*cluster.resource(found).id == name {
        Some(found)
    } else {
        Some(cluster.top(found))
    }
}

/// The target of a name.
enum Reference<'c> {
    Resource,
    /// A template with users, or a tag: the ids of its users or members.
    Many(&'c Names),
    /// Nothing, or an unused template, or an empty tag.
    Invalid,
}

fn resolve<'c>(cluster: &'c Cluster, name: &str) -> Reference<'c> {
    if resource(cluster, name).is_some() {
        return Reference::Resource;
    }
    match cluster
        .templates
        .get(name)
        .or_else(|| cluster.tags.get(name))
    {
        Some(members) if !members.is_empty() => Reference::Many(members),
        _ => Reference::Invalid,
    }
}

/// The `resource_set` elements of a constraint. One with `id-ref` stands for another constraint's
/// set, and for the sets that follow that one there: reading continues after the set that was
/// referred to (03 §3.4), so elements after the `id-ref` itself are never read.
pub(crate) fn elements(constraint: Element<'_>) -> Vec<Element<'_>> {
    let document = constraint.document();
    let mut rest: Vec<_> = constraint.children_named("resource_set").collect();
    let (mut found, mut led_to) = (Vec::new(), Vec::new());
    let mut next = 0;
    while let Some(set) = rest.get(next).copied() {
        next += 1;
        if set.get("id-ref").is_none() {
            found.push(set);
            continue;
        }
        let Some(meant) = document.referenced(set) else {
            continue;
        };
        if led_to.contains(&meant.id()) {
            // references in a circle: Pacemaker's scheduler does not end here
            break;
        }
        led_to.push(meant.id());
        found.push(meant);
        rest = meant.parent().map_or_else(Vec::new, |parent| {
            let siblings = parent.children_named("resource_set");
            siblings
                .skip_while(|sibling| sibling.id() != meant.id())
                .skip(1)
                .collect()
        });
        next = 0;
    }
    found
}

/// The resource sets of a constraint after expansion of templates and tags (03 §3.3, §3.4). `None`:
/// the constraint is simple, each of `sides` names a resource (or is absent). `Err`: the constraint
/// must be ignored.
///
/// `sides`: (attribute with the name, attribute that moves to the set, set attribute it becomes:
/// `role` or `action`), e.g. `("rsc", "rsc-role", "role")`.
///
/// # Errors
/// A side names nothing valid, or (colocations) both sides are tags.
pub(crate) fn sets(
    cluster: &Cluster,
    element: Element<'_>,
    sides: &[(&str, &str, &str)],
) -> Result<Option<Vec<ResourceSet>>, Ignored> {
    let sets = elements(element);
    if !sets.is_empty() {
        let sets = sets.into_iter().map(read).collect();
        return Ok(Some(expand(cluster, sets)));
    }
    let id = element.get("id").unwrap_or_default();
    let mut found = Vec::new();
    for (attribute, ..) in sides {
        let Some(name) = element.get(attribute) else {
            continue;
        };
        match resolve(cluster, name) {
            Reference::Invalid => {
                return Err(Ignored(format!(
                    "constraint '{id}' is ignored: {attribute}=\"{name}\" names no resource, template in use, or tag"
                )));
            }
            reference => found.push(reference),
        }
    }
    let many = found
        .iter()
        .filter(|r| matches!(r, Reference::Many(_)))
        .count();
    if many == 0 {
        return Ok(None);
    }
    if many > 1 && element.name() == "rsc_colocation" {
        return Err(Ignored(format!(
            "colocation '{id}' is ignored: both sides are tags or templates, expected one"
        )));
    }
    let mut out = Vec::new();
    for (attribute, moved, becomes) in sides {
        let Some(name) = element.get(attribute) else {
            continue;
        };
        let mut set = ResourceSet {
            id: name.to_owned().into(),
            ..ResourceSet::default()
        };
        match resolve(cluster, name) {
            Reference::Many(members) => {
                set.members = members.iter().cloned().collect();
                set.sequential = Some(false);
            }
            _ => set.members = vec![name.into()],
        }
        let moved = element.get(moved).map(Text::from);
        match *becomes {
            "action" => set.action = moved,
            _ => set.role = moved,
        }
        out.push(set);
    }
    Ok(Some(out))
}

/// Replaces templates and tags by their members; all sets stay as they are if any name is not valid
/// (03 §3.3).
fn expand(cluster: &Cluster, sets: Vec<ResourceSet>) -> Vec<ResourceSet> {
    let mut expanded = sets.clone();
    for set in &mut expanded {
        let mut members = Vec::with_capacity(set.members.len());
        for name in &set.members {
            match resolve(cluster, name) {
                Reference::Resource => members.push(name.clone()),
                Reference::Many(many) => members.extend(many.iter().cloned()),
                Reference::Invalid => return sets,
            }
        }
        set.members = members;
    }
    expanded
}

fn read(element: Element<'_>) -> ResourceSet {
    let text = |name: &str| element.get(name).map(Text::from);
    let truth = |name: &str| element.get(name).and_then(scalar::boolean);
    ResourceSet {
        id: element.get("id").unwrap_or_default().to_owned().into(),
        members: element
            .children_named("resource_ref")
            .filter_map(|r| r.get("id"))
            .map(Text::from)
            .collect(),
        sequential: truth("sequential"),
        require_all: truth("require-all"),
        role: text("role"),
        action: text("action"),
        score: text("score"),
        kind: text("kind"),
        symmetrical: text("symmetrical"),
        ordering: text("ordering"),
    }
}
