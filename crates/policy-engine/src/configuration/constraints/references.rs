//! Names in constraints: resources, templates, tags, and the expansion of resource sets (scheduler-spec/03 §3, 05 §11.3).

use crate::model::{Cluster, ResourceId, ResourceSet};
use crate::xml::Element;

/// The resource that a constraint means by `name` (03 §3.1).
pub fn resource(_cluster: &Cluster, _name: &str) -> Option<ResourceId> {
    None
}

/// The resource sets of a constraint after expansion of templates and tags (03 §3.3, §3.4). `None`: the constraint is simple, each of
/// `sides` names a resource (or is absent). `Err`: the constraint must be ignored.
///
/// `sides`: (attribute with the name, attribute that moves to the set, set attribute it becomes), e.g.
/// `("rsc", "rsc-role", "role")`.
pub fn sets(
    _cluster: &Cluster,
    _element: Element<'_>,
    _sides: &[(&str, &str, &str)],
) -> Result<Option<Vec<ResourceSet>>, Ignored> {
    Ok(None)
}

/// Why a constraint is ignored.
#[derive(Clone, Debug)]
pub struct Ignored(pub String);
