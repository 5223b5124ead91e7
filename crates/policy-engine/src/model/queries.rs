//! Questions about the model that several stages ask.

use super::*;

/// Which nodes of a resource are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Where {
    /// Those on which it is active.
    Active,
    /// The one to which it was assigned.
    Assigned,
}

impl Resource {
    /// The nodes of a primitive.
    fn places(&self, at: Where) -> &[NodeId] {
        match at {
            Where::Active => &self.active_on,
            Where::Assigned => self.assigned.as_slice(),
        }
    }
}

impl Cluster {
    /// Topmost ancestor, not above a bundle's direct child (01 §11.5); may be the resource itself.
    pub fn top(&self, id: ResourceId) -> ResourceId {
        let mut top = id;
        while let Some(parent) = self.resource(top).parent {
            if self.resource(parent).is_bundle() {
                break;
            }
            top = parent;
        }
        top
    }

    /// Topmost ancestor, bundles included.
    pub fn top_including_bundle(&self, id: ResourceId) -> ResourceId {
        let mut top = id;
        while let Some(parent) = self.resource(top).parent {
            top = parent;
        }
        top
    }

    /// Whether the resource is part of a bundle (not the bundle itself).
    pub fn in_bundle(&self, id: ResourceId) -> bool {
        self.bundle_of(id).is_some()
    }

    /// The bundle that the resource is part of.
    pub fn bundle_of(&self, id: ResourceId) -> Option<ResourceId> {
        let top = self.top(id);
        self.resource(top).parent
    }

    /// Whether `ancestor` is a proper ancestor of `id`.
    pub fn is_ancestor(&self, ancestor: ResourceId, id: ResourceId) -> bool {
        let mut parent = self.resource(id).parent;
        while let Some(p) = parent {
            if p == ancestor {
                return true;
            }
            parent = self.resource(p).parent;
        }
        false
    }

    /// Whether the resource is in an anonymous clone (its topmost ancestor below a bundle is a
    /// clone that is not unique).
    pub fn in_anonymous_clone(&self, id: ResourceId) -> bool {
        let top = self.resource(self.top(id));
        top.is_clone() && !top.unique
    }

    /// The leaves below (or at) a resource, in current child order.
    pub fn leaves(&self, id: ResourceId) -> Vec<ResourceId> {
        fn walk(cluster: &Cluster, id: ResourceId, out: &mut Vec<ResourceId>) {
            let resource = cluster.resource(id);
            if resource.is_primitive() {
                out.push(id);
            }
            for child in &resource.children {
                walk(cluster, *child, out);
            }
        }
        let mut out = Vec::new();
        walk(self, id, &mut out);
        out
    }

    /// The resource and all its descendants, parents before children.
    pub fn subtree(&self, id: ResourceId) -> Vec<ResourceId> {
        let mut out = vec![id];
        let mut next = 0;
        while next < out.len() {
            // depth first: insert the children right behind their parent
            let children = self.resource(out[next]).children.clone();
            let at = next + 1;
            out.splice(at..at, children);
            next += 1;
        }
        out
    }

    /// What a collective consists of, as people read it: the children of a group or clone; of each
    /// replica of a bundle the address, the container, the connection and what runs inside.
    pub fn parts(&self, id: ResourceId) -> Vec<ResourceId> {
        let resource = self.resource(id);
        let Variant::Bundle(bundle) = &resource.variant else {
            return resource.children.clone();
        };
        let of_replica = |replica: &Replica| {
            let container = Some(replica.container);
            [replica.ip, container, replica.connection, replica.child]
        };
        let parts = bundle.replicas.iter().flat_map(of_replica);
        parts.flatten().collect()
    }

    /// Whether anything can happen to a primitive: it is managed, and is somewhere or will be.
    pub fn may_change(&self, id: ResourceId) -> bool {
        let (resource, current) = (self.resource(id), self.current_node(id));
        let somewhere = current.is_some() || !resource.removed && resource.assigned.is_some();
        resource.managed && somewhere
    }

    /// Finds a resource by id or history name: depth first through the resource list, parents
    /// before children (01 §11.6).
    pub fn find_resource(&self, name: &str) -> Option<ResourceId> {
        let candidates = self.by_name.get(name)?;
        if let [only] = candidates.as_slice() {
            return self.is_listed(*only).then_some(*only);
        }
        let mut tops: smallvec::SmallVec<[ResourceId; 1]> = Default::default();
        for candidate in candidates {
            let top = self.top_including_bundle(*candidate);
            if self.resource(top).listed && !tops.contains(&top) {
                tops.push(top);
            }
        }
        let top = match tops.as_slice() {
            [] => return None,
            [only] => *only,
            several => *self.top_level.iter().find(|top| several.contains(top))?,
        };
        self.first_in_subtree(top, candidates)
    }

    /// The first of `wanted` in a subtree, parents before children.
    fn first_in_subtree(&self, id: ResourceId, wanted: &[ResourceId]) -> Option<ResourceId> {
        if wanted.contains(&id) {
            return Some(id);
        }
        let children = &self.resource(id).children;
        children
            .iter()
            .find_map(|child| self.first_in_subtree(*child, wanted))
    }

    /// Whether a resource hangs in the tree below the resource list: not while its topmost ancestor
    /// is still being read.
    pub fn is_listed(&self, id: ResourceId) -> bool {
        self.resource(self.top_including_bundle(id)).listed
    }

    /// Appends a resource without parent to the resource list.
    pub fn list_resource(&mut self, id: ResourceId) {
        self.resource_mut(id).listed = true;
        self.top_level.push(id);
    }

    /// Finds a node by name, without regard to case.
    pub fn find_node(&self, name: &str) -> Option<NodeId> {
        self.node_names.get(&name.to_ascii_lowercase()).copied()
    }

    /// Finds a node by id, without regard to case.
    pub fn find_node_by_id(&self, id: &str) -> Option<NodeId> {
        self.node_ids.get(&id.to_ascii_lowercase()).copied()
    }

    /// Remote, guest or bundle node.
    pub fn is_remote_kind(&self, node: NodeId) -> bool {
        self.node(node).kind == NodeKind::Remote
    }

    /// Guest or bundle node: its connection has a launcher.
    pub fn is_guest(&self, node: NodeId) -> bool {
        self.guest_launcher(node).is_some()
    }

    /// Remote node: of kind remote, and not a guest node.
    pub fn is_remote_node(&self, node: NodeId) -> bool {
        self.is_remote_kind(node) && !self.is_guest(node)
    }

    /// Bundle node: a guest node whose connection belongs to a bundle.
    pub fn is_bundle_node(&self, node: NodeId) -> bool {
        self.node(node)
            .connection
            .is_some_and(|c| self.in_bundle(c))
            && self.is_guest(node)
    }

    /// The launcher of a guest or bundle node.
    pub fn guest_launcher(&self, node: NodeId) -> Option<ResourceId> {
        let node = self.node(node);
        if node.kind != NodeKind::Remote {
            return None;
        }
        self.resource(node.connection?).launcher
    }

    /// Usable for resources with the score of the given entry: available, and the score is not
    /// negative (03 §1.1 "usable⁺").
    pub fn is_usable_at(&self, node: NodeId, score: Score) -> bool {
        score >= Score::ZERO && self.node(node).is_available()
    }

    /// The current node of a primitive, group or clone: 02 §17.1, 03 §1.1.
    pub fn current_node(&self, id: ResourceId) -> Option<NodeId> {
        let resource = self.resource(id);
        let first = *resource.active_on.first()?;
        if let Some(source) = resource.partial_source {
            return Some(if resource.active_on.contains(&source) {
                source
            } else {
                first
            });
        }
        if resource.needs_fencing {
            return Some(first);
        }
        let clean = resource
            .active_on
            .iter()
            .copied()
            .find(|n| self.node(*n).online && !self.node(*n).unclean);
        Some(clean.unwrap_or(first))
    }

    /// Original role; for collectives the highest of their children, for bundles unknown (04 §1).
    pub fn role_of(&self, id: ResourceId) -> Role {
        self.combined_role(id, |r| r.role)
    }

    /// Next role; for collectives the highest of their children, for bundles unknown (04 §1).
    pub fn next_role_of(&self, id: ResourceId) -> Role {
        self.combined_role(id, |r| r.next_role)
    }

    fn combined_role(&self, id: ResourceId, role: fn(&Resource) -> Role) -> Role {
        let resource = self.resource(id);
        match resource.variant {
            Variant::Primitive => role(resource),
            Variant::Group(_) | Variant::Clone(_) => resource
                .children
                .iter()
                .map(|c| self.combined_role(*c, role))
                .max()
                .unwrap_or(Role::Unknown),
            Variant::Bundle(_) => Role::Unknown,
        }
    }

    /// Whether all parts of the resource are active (04 §1, 06 §B.4).
    pub fn is_fully_active(&self, id: ResourceId) -> bool {
        match self.resource(id).variant {
            Variant::Primitive => self.is_primitive_active(id),
            _ => self
                .parts(id)
                .iter()
                .all(|part| self.is_fully_active(*part)),
        }
    }

    /// Whether any part of the resource is active (04 §1, 06 §B.4).
    pub fn is_partly_active(&self, id: ResourceId) -> bool {
        match self.resource(id).variant {
            Variant::Primitive => self.is_primitive_active(id),
            _ => self
                .parts(id)
                .iter()
                .any(|part| self.is_partly_active(*part)),
        }
    }

    fn is_primitive_active(&self, id: ResourceId) -> bool {
        let resource = self.resource(id);
        resource.active_on.iter().any(|node| {
            let node = self.node(*node);
            node.unclean || node.online || !resource.managed
        })
    }

    /// Nodes of a resource, those of its primitives; without duplicates.
    pub fn locations_of(&self, id: ResourceId, at: Where) -> Vec<NodeId> {
        let mut out: Vec<NodeId> = Vec::new();
        for leaf in self.leaves(id) {
            let resource = self.resource(leaf);
            for node in resource.places(at) {
                if !out.contains(node) {
                    out.push(*node);
                }
            }
        }
        out
    }

    /// The single node of [`Cluster::locations_of`]; `None` if there is none or several.
    pub fn location_of(&self, id: ResourceId, at: Where) -> Option<NodeId> {
        let mut only = None;
        let single = self.is_within(id, at, &mut only);
        only.filter(|_| single)
    }

    /// Whether [`Cluster::location_of`] is this node; fast if it is not.
    pub fn is_at(&self, id: ResourceId, node: NodeId, at: Where) -> bool {
        self.is_within(id, at, &mut Some(node)) && self.location_of(id, at).is_some()
    }

    /// Whether all locations are one node: `only`, which the first location sets. Asked for every
    /// pair of instances: no allocation.
    fn is_within(&self, id: ResourceId, at: Where, only: &mut Option<NodeId>) -> bool {
        let resource = self.resource(id);
        if !resource.is_primitive() {
            return resource
                .children
                .iter()
                .all(|child| self.is_within(*child, at, only));
        }
        let mut nodes = resource.places(at).iter();
        nodes.all(|node| *only.get_or_insert(*node) == *node)
    }

    /// Whether `test` holds for the resource or for any descendant.
    pub fn any_below(&self, id: ResourceId, test: fn(&Resource) -> bool) -> bool {
        let resource = self.resource(id);
        test(resource) || resource.children.iter().any(|c| self.any_below(*c, test))
    }

    /// The replica of a bundle that a container, IP, connection or inner primitive belongs to.
    pub fn replica_of(&self, id: ResourceId) -> Option<(ResourceId, &Replica)> {
        let bundle = self.bundle_of(id)?;
        let data = self.resource(bundle).bundle_data()?;
        let replica = data.replicas.iter().find(|r| {
            r.container == id
                || r.ip == Some(id)
                || r.connection == Some(id)
                || r.child
                    .is_some_and(|child| child == id || self.is_ancestor(child, id))
        })?;
        Some((bundle, replica))
    }

    /// Effective role in `target-role`, if the resource is disabled or forced unpromoted (01
    /// §13.4); `None` = free.
    pub fn target_role(&self, id: ResourceId) -> Option<Role> {
        let resource = self.resource(id);
        let text = resource.meta.text("target-role")?;
        match Role::parse(text)? {
            Role::Stopped => Some(Role::Stopped),
            Role::Unpromoted if self.resource(self.top(id)).promotable => Some(Role::Unpromoted),
            _ => None,
        }
    }
}

/// The kinds of constraints that Pacemaker's tools leave behind when they ban and when they move.
const BY_BANS: &str = "cli-ban-";
const BY_MOVES: &str = "cli-prefer-";

/// The id of a location constraint is one that Pacemaker's tools give when they ban something.
pub fn is_of_ban(id: &str) -> bool {
    id.starts_with(BY_BANS)
}

/// The id of a location constraint is one that Pacemaker's tools give when they move something to
/// a node.
pub fn is_of_move(id: &str) -> bool {
    id.starts_with(BY_MOVES)
}

/// An id without its instance number: a trailing `:DIGITS` is stripped (02 §1.3).
pub fn base_name(id: &str) -> &str {
    match id.rsplit_once(':') {
        Some((base, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            base
        }
        _ => id,
    }
}

/// The instance number: the integer after the last `:` of the id, else after the last `-`.
pub fn instance_number(id: &str) -> i64 {
    let (_, number) = id
        .rsplit_once(':')
        .or_else(|| id.rsplit_once('-'))
        .unwrap_or_default();
    crate::scalar::integer(number).unwrap_or(0)
}

impl Cluster {
    /// Sorts the instance list of a clone by instance number (04 §5, points 1 and 4).
    pub fn sort_by_number(&mut self, clone: ResourceId) {
        let mut children = std::mem::take(&mut self.resource_mut(clone).children);
        children.sort_by_cached_key(|id| instance_number(&self.resource(*id).id));
        self.resource_mut(clone).children = children;
    }
}

#[cfg(test)]
mod tests {
    use super::instance_number;

    #[test]
    fn instance_numbers_are_behind_the_last_colon_or_dash() {
        assert_eq!(instance_number("a-1:12"), 12);
        assert_eq!(instance_number("web-docker-3"), 3);
        assert_eq!(instance_number("plain"), 0);
    }
}
