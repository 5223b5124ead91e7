//! Chapter 1: from the document to options, nodes, resources, templates and tags; and later in the run, constraints.
//!
//! Stage interface: [`unpack`] (steps A2–A6), [`constraints::unpack`] (steps B1, B2), and the evaluations that later stages need:
//! [`operations::options`], [`parameters::of_resource`], [`parameters::of_operation`], [`digests`], [`scalar`], [`dates`].

pub mod caches;
pub mod constraints;
pub mod dates;
pub mod digests;
pub mod nvset;
pub mod operations;
pub mod parameters;
pub mod rules;
pub mod scalar;

use crate::model::{Cluster, Resource, ResourceId, Text};

/// Steps A2–A6: options, nodes, implicit remote and guest nodes, resources, linking, sorting by priority, tags.
pub fn unpack(_cluster: &mut Cluster) {}

/// Creates one more instance of a clone, with the next number, appended to its children; flagged removed with all descendants
/// if it exceeds `clone-max` (01 §15.3). For the status stage. Returns the instance.
pub fn create_instance(_cluster: &mut Cluster, _clone: ResourceId) -> ResourceId {
    unimplemented!()
}

/// Unpacks a primitive that only the history knows (02 §8.2): id and agent from the `lrm_resource`; `rsc_defaults` and the
/// symmetric default apply. Appended to the resource list, flagged removed.
pub fn create_removed(
    _cluster: &mut Cluster,
    _id: Text,
    _class: &str,
    _provider: Option<&str>,
    _kind: &str,
) -> ResourceId {
    let _: Option<Resource> = None;
    unimplemented!()
}
