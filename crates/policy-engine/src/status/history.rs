//! Reading operation histories (scheduler-spec/02 §9, §15): the parts that the actions stage uses too.

use crate::model::Cluster;
use crate::xml::{Element, ElementId};

/// The `lrm_rsc_op` children of an `lrm_resource` in call order (02 §9).
pub fn sorted_operations(_cluster: &Cluster, _lrm_resource: Element<'_>) -> Vec<ElementId> {
    Vec::new()
}

/// The active window of a sorted history (02 §15): (start index, stop index), -1 = none.
pub fn active_window(_cluster: &Cluster, _operations: &[ElementId]) -> (isize, isize) {
    (-1, -1)
}
