//! Bundles: what a bundle expands to (scheduler-spec/04 §13).

use super::definition::{Definition, Invalid};
use crate::model::*;
use crate::xml::ElementId;

/// Reads a bundle and creates its parts.
pub(super) fn unpack(
    _cluster: &mut Cluster,
    _id: ResourceId,
    _element: ElementId,
    _child: Option<&Arc<Definition>>,
) -> Result<(), Invalid> {
    Err(Invalid("bundles are not expanded yet".into()))
}
