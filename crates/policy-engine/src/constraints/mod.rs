//! Steps B1 and B2: node health and the `constraints` section, in document order, whatever their
//! type.

pub(crate) mod built_in;
mod caches;
pub(crate) mod colocation;
pub(crate) mod location;
pub(crate) mod order;
pub(crate) mod references;
pub(crate) mod ticket;

use crate::model::Cluster;

/// B1 (health location entries, [`location::health`]), then B2: each child of `constraints` in
/// document order.
pub(crate) fn unpack(cluster: &mut Cluster) {
    location::health(cluster);
    let document = cluster.document.clone();
    let Some(section) = document.section("constraints") else {
        return;
    };
    for element in section.children() {
        match element.name() {
            "rsc_location" => location::unpack(cluster, element),
            "rsc_colocation" => colocation::unpack(cluster, element),
            "rsc_order" => order::unpack(cluster, element),
            "rsc_ticket" => ticket::unpack(cluster, element),
            _ => {}
        }
    }
}
