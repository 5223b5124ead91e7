//! Live migrations in the history: where the resource is after `migrate_to` and `migrate_from`
//! (scheduler-spec/02 §13).

use super::active::{self, Health};
use super::entry::{Entry, Reader};
use super::history::{is_newer, number};
use crate::model::{Cluster, NodeId, ResourceId, Role};
use crate::xml::{Document, Element};

/// A resource's recorded operations anywhere in the cluster (§13.1).
#[derive(Clone, Copy)]
struct Histories<'d> {
    document: &'d Document,
    /// Internal id of the resource.
    id: &'d str,
}

impl<'d> Histories<'d> {
    /// The resource's `lrm_resource` elements on the node called `node`.
    fn on(self, node: &str) -> impl Iterator<Item = Element<'d>> {
        let named = move |state: &Element<'d>| state.get("uname") == Some(node);
        let status = self.document.section("status");
        let states: Vec<_> = status
            .into_iter()
            .flat_map(|status| status.children_named("node_state"))
            .filter(named)
            .collect();
        states
            .into_iter()
            .filter_map(|state| state.child("lrm")?.child("lrm_resources"))
            .flat_map(|resources| resources.children_named("lrm_resource"))
            .filter(move |lrm_resource| lrm_resource.get("id") == Some(self.id))
    }

    fn entries(self, node: &str) -> impl Iterator<Item = Element<'d>> {
        self.on(node)
            .flat_map(|lrm_resource| lrm_resource.children_named("lrm_rsc_op"))
    }

    /// The only entry of `operation` on `node` (with that migration partner), if it has the
    /// required result.
    fn entry(
        self,
        node: &str,
        operation: &str,
        partner: Option<(&str, &str)>,
        rc: Option<i64>,
    ) -> Option<Element<'d>> {
        let mut matching = self.entries(node).filter(|entry| {
            entry.get("operation") == Some(operation)
                && partner.is_none_or(|(attribute, name)| entry.get(attribute) == Some(name))
        });
        let only = matching.next()?;
        if matching.next().is_some() {
            return None;
        }
        let right = rc.is_none_or(|rc| {
            number(only, "rc-code", -1) == rc && number(only, "op-status", -1) == 0
        });
        right.then_some(only)
    }

    /// §13.1 "later non-monitor on X after e".
    fn later_non_monitor(self, node: &str, after: Element<'d>) -> bool {
        let mut histories = self.on(node);
        let (Some(only), None) = (histories.next(), histories.next()) else {
            return false;
        };
        only.children_named("lrm_rsc_op").any(|entry| {
            entry.id() != after.id()
                && matches!(
                    entry.get("operation"),
                    Some("start" | "stop" | "migrate_to" | "migrate_from")
                )
                && is_newer(entry, after)
        })
    }

    /// §13.1 "later not-running monitor on X after e".
    fn later_not_running(self, node: &str, after: Element<'d>) -> bool {
        self.entry(node, "monitor", None, Some(7))
            .is_some_and(|monitor| is_newer(monitor, after))
    }

    /// §13.1 "newer state on X".
    fn newer_state(
        self,
        node: &str,
        migrate_to: Option<Element<'d>>,
        migrate_from: Option<Element<'d>>,
    ) -> bool {
        let reference = match (migrate_to, migrate_from) {
            (Some(to), Some(from)) => {
                let is_source = from
                    .get("migrate_source")
                    .is_some_and(|source| source.eq_ignore_ascii_case(node));
                if is_source { to } else { from }
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return false,
        };
        self.later_non_monitor(node, reference) || self.later_not_running(node, reference)
    }

    /// §13.1 "unknown on X".
    fn unknown_on(self, node: &str) -> bool {
        !self
            .entries(node)
            .any(|entry| entry.get("rc-code").is_some() && number(entry, "rc-code", 193) != 193)
    }
}

/// Which half of a live migration an entry is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// `migrate_to`, recorded on the source.
    To,
    /// `migrate_from`, recorded on the target.
    From,
}

/// Source and target of a migration entry found on `node`, if they make sense there.
fn partners<'d>(
    cluster: &Cluster,
    node: NodeId,
    entry: Element<'d>,
    own_side: &str,
) -> Option<(&'d str, &'d str)> {
    let source = entry.get("migrate_source")?;
    let target = entry.get("migrate_target")?;
    let own = if own_side == "source" { source } else { target };
    own.eq_ignore_ascii_case(&cluster.node(node).name)
        .then_some((source, target))
}

fn online_node(cluster: &Cluster, name: &str) -> Option<NodeId> {
    cluster
        .find_node(name)
        .filter(|node| cluster.node(*node).online)
}

fn failed_beyond_migration(cluster: &mut Cluster, resource: ResourceId) {
    let resource = cluster.resource_mut(resource);
    resource.failed = true;
    resource.stop_if_failed = true;
    resource.migratable = false;
}

/// §13.2, for an entry on the source.
pub(super) fn successful_migrate_to<'d>(
    cluster: &mut Cluster,
    reader: &Reader<'d>,
    entry: &Entry<'d>,
) {
    let (id, this) = (reader.resource, entry.element);
    let Some((source, target)) = partners(cluster, reader.node, this, "source") else {
        return;
    };
    let name = cluster.resource(id).id.clone();
    let histories = Histories {
        document: reader.document,
        id: &name,
    };
    // The document outlives the borrow of the name only for as long as this function runs.
    let this = histories.document.element(this.id());
    let source_newer = histories.later_non_monitor(source, this);
    let from = histories.entry(
        target,
        "migrate_from",
        Some(("migrate_source", source)),
        None,
    );
    if from.is_some() && source_newer {
        return;
    }
    let from_rc = from.map_or(0, |from| number(from, "rc-code", 0));
    let from_status = from.map_or(-1, |from| number(from, "op-status", -1));
    let target_newer = histories.newer_state(target, Some(this), from);
    if source_newer && target_newer {
        return;
    }
    if from.is_some() && from_rc == 0 && from_status == 0 {
        let resource = cluster.resource_mut(id);
        resource.role = Role::Stopped;
        resource.dangling_sources.insert(0, reader.node);
        return;
    }
    cluster.resource_mut(id).role = Role::Started;
    let target_online = online_node(cluster, target);
    let on_target = target_online.filter(|_| !target_newer);
    if from_status != -1 {
        match on_target {
            Some(target) => active::register(cluster, id, target, Health::Failed),
            None => failed_beyond_migration(cluster, id),
        }
        return;
    }
    if target_online.is_some() && histories.unknown_on(target) {
        return;
    }
    if let Some(target) = on_target {
        active::register(cluster, id, target, Health::Sound);
        if let Some(source) = online_node(cluster, source) {
            let resource = cluster.resource_mut(id);
            resource.partial_target = Some(target);
            resource.partial_source = Some(source);
        }
    } else if !source_newer {
        failed_beyond_migration(cluster, id);
    }
}

/// §13.3 and §13.4: a failed half of a migration leaves the resource possibly active on both sides,
/// unless the other side has a newer result.
pub(super) fn failed<'d>(
    cluster: &mut Cluster,
    reader: &Reader<'d>,
    entry: &Entry<'d>,
    half: Half,
) {
    let id = reader.resource;
    let own_side = match half {
        Half::To => "source",
        Half::From => "target",
    };
    let Some((source, target)) = partners(cluster, reader.node, entry.element, own_side) else {
        return;
    };
    cluster.resource_mut(id).role = Role::Started;
    let name = cluster.resource(id).id.clone();
    let histories = Histories {
        document: reader.document,
        id: &name,
    };
    let this = histories.document.element(entry.element.id());
    let done = Some(0);
    let (other, newer_there) = match half {
        Half::To => {
            let partner = Some(("migrate_source", source));
            let from = histories.entry(target, "migrate_from", partner, done);
            let newer = histories.newer_state(target, Some(this), from);
            (target, newer)
        }
        Half::From => {
            let partner = Some(("migrate_target", target));
            let to = histories.entry(source, "migrate_to", partner, done);
            let newer = histories.newer_state(source, to, Some(this));
            (source, newer)
        }
    };
    if !histories.unknown_on(other) && !newer_there {
        if let Some(other) = online_node(cluster, other) {
            let health = match half {
                Half::To => Health::Sound,
                Half::From => Health::Failed,
            };
            active::register(cluster, id, other, health);
        }
    } else if half == Half::To && !histories.later_non_monitor(source, this) {
        let resource = cluster.resource_mut(id);
        resource.dangling_sources.insert(0, reader.node);
    }
}
