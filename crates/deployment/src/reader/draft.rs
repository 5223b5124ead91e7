//! The deployment while its document is being read.

use std::collections::BTreeMap;

use super::names::Names;
use super::values::Values;
use crate::model::Deployment;
use crate::uses::Places;

/// What has been read so far. Names become ids, and references become values, at the end.
pub(super) struct Draft {
    pub(super) deployment: Deployment,
    pub(super) names: Names,
    pub(super) values: Values,
    /// Where the agents of the services stand, in the services' order.
    pub(super) places: Vec<Places>,
    /// Where the fence agents of assemblies stand, by index of the assembly.
    pub(super) fencing: BTreeMap<usize, Places>,
}
