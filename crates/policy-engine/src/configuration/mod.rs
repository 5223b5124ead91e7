//! Chapter 1: from the document to options, nodes, resources, templates and tags.
//!
//! Stage interface: [`unpack`] (steps A2–A6), and the evaluations that later stages need:
//! [`operations::options`], [`parameters::of_resource`], [`parameters::of_operation`],
//! [`digests`], [`dates`].

mod bundle_settings;
mod bundles;
mod caches;
pub(crate) mod clones;
pub(crate) mod date_specs;
pub(crate) mod dates;
pub(crate) mod defaults;
pub(crate) mod definition;
pub(crate) mod digests;
pub(crate) mod nodes;
pub(crate) mod nvset;
pub(crate) mod operations;
mod options;
pub(crate) mod parameters;
pub(crate) mod pattern;
pub(crate) mod remote;
mod resources;
pub(crate) mod rules;
mod settings;
#[cfg(test)]
mod tests;

use crate::model::{Arc, Cluster, Definition, Level, ResourceConfig, ResourceId, Text};

/// Steps A2–A6: options, nodes, implicit remote and guest nodes, resources, linking, sorting by
/// priority, tags.
pub(crate) fn unpack(cluster: &mut Cluster) {
    options::unpack(cluster);
    let document = cluster.document.clone();
    let defaults = |cluster: &Cluster, section: &str| {
        document
            .section(section)
            .map(|section| nvset::read(cluster, section, "meta_attributes", None))
            .unwrap_or_default()
    };
    cluster.resource_defaults = defaults(cluster, "rsc_defaults");
    cluster.operation_defaults = defaults(cluster, "op_defaults");
    nodes::unpack(cluster);
    resources::unpack_section(cluster);
    report_missing_device(cluster);
    unpack_tags(cluster);
}

/// Without a fencing device nothing is managed, which looks as if nothing worked.
fn report_missing_device(cluster: &mut Cluster) {
    if cluster.options.fencing_enabled && !cluster.options.have_fencing_device {
        for text in [
            "Resource start-up disabled since no fencing resources have been defined",
            "Either configure some or disable fencing with the fencing-enabled option",
            "NOTE: Clusters with shared data need fencing to ensure data integrity",
        ] {
            cluster.say(Level::Error, text);
        }
    }
}

/// Step A6 (01 §16.2).
fn unpack_tags(cluster: &mut Cluster) {
    let document = cluster.document.clone();
    let Some(section) = document.section("tags") else {
        return;
    };
    for tag in section.children_named("tag") {
        let Some(id) = tag.get("id") else { continue };
        let objects = cluster.tags.entry(id.into()).or_default();
        for reference in tag.children_named("obj_ref") {
            if let Some(object) = reference.get("id") {
                objects.insert(object.into());
            }
        }
    }
}

/// Creates one more instance of a clone, with the next number, appended to its children; flagged
/// removed with all descendants if it exceeds `clone-max` (01 §15.3). For the status stage. Returns
/// the instance.
pub(crate) fn create_instance(cluster: &mut Cluster, clone: ResourceId) -> ResourceId {
    match clones::create_instance(cluster, clone) {
        Ok(instance) => instance,
        Err(invalid) => unreachable!(
            "invariant: what made one instance makes another: {}",
            invalid.0
        ),
    }
}

/// Unpacks a primitive that only the history knows (02 §8.2): id and agent from the `lrm_resource`;
/// `rsc_defaults` and the symmetric default apply. Appended to the resource list, flagged removed.
pub(crate) fn create_removed(
    cluster: &mut Cluster,
    id: Text,
    class: &str,
    provider: Option<&str>,
    kind: &str,
) -> ResourceId {
    let config = ResourceConfig::default();
    let definition = Definition::implied(id, class, provider, kind, config);
    match resources::unpack(cluster, &Arc::new(definition), None, None) {
        Ok(id) => {
            cluster.resource_mut(id).removed = true;
            cluster.list_resource(id);
            id
        }
        Err(invalid) => unreachable!(
            "invariant: a primitive outside of clones is always valid: {}",
            invalid.0
        ),
    }
}
