//! The order in which instances are assigned, and their order by number (scheduler-spec/04 §5).

use std::cmp::Ordering;

use super::colocations;
use super::preferences::{self, Mode, Negative, WithoutUsableNode};
use super::reference_quirks::merge_sort;
use crate::constraints::colocation::Side;
use crate::model::{Cluster, NodeId, NodeTable, ResourceId, Score, instance_number};

/// Instances in order of assignment: those that can stay where they are first.
pub(super) fn for_assignment(cluster: &Cluster, instances: &[ResourceId]) -> Vec<ResourceId> {
    let mut order = InstanceOrder::new(cluster, instances);
    order.sort(|order, a, b| order.compare(a, b))
}

/// Instances in order of promotion: promotion priority, then current role, then the order of
/// assignment.
pub(super) fn for_promotion(cluster: &Cluster, instances: &[ResourceId]) -> Vec<ResourceId> {
    let claims: Vec<_> = instances
        .iter()
        .map(|id| {
            let priority = cluster.resource(*id).promotion_priority;
            (priority, cluster.role_of(*id))
        })
        .collect();
    let mut order = InstanceOrder::new(cluster, instances);
    order.sort(|order, a, b| claims[b].cmp(&claims[a]).then_with(|| order.compare(a, b)))
}

/// What the comparison needs to know about each instance; the colocation scores are expensive and
/// rarely needed.
struct InstanceOrder<'c> {
    cluster: &'c Cluster,
    facts: Vec<Facts>,
}

struct Facts {
    id: ResourceId,
    active: usize,
    current: Option<NodeId>,
    /// The current node is in its table with a score that is not negative (or there is none).
    may_stay: bool,
    current_available: bool,
    in_parents_table: bool,
    priority: i32,
    failed: bool,
    colocation_score: Option<Score>,
    number: i64,
}

impl<'c> InstanceOrder<'c> {
    fn new(cluster: &'c Cluster, instances: &[ResourceId]) -> Self {
        let facts = instances.iter().map(|id| facts(cluster, *id)).collect();
        InstanceOrder { cluster, facts }
    }

    /// Sorts by a comparison of positions in `facts`.
    fn sort(
        &mut self,
        mut compare: impl FnMut(&mut Self, usize, usize) -> Ordering,
    ) -> Vec<ResourceId> {
        let mut positions: Vec<usize> = (0..self.facts.len()).collect();
        merge_sort(&mut positions, &mut |a, b| compare(self, a, b));
        positions.into_iter().map(|i| self.facts[i].id).collect()
    }

    /// 04 §5.1; the rules' numbers are behind them.
    fn compare(&mut self, a: usize, b: usize) -> Ordering {
        let (x, y) = (&self.facts[a], &self.facts[b]);
        if x.active > 0 && y.active > 0 && x.active != y.active {
            return x.active.cmp(&y.active); // 1
        }
        let preference = y
            .may_stay
            .cmp(&x.may_stay) // 2
            .then(y.priority.cmp(&x.priority)); // 3
        if preference.is_ne() {
            return preference;
        }
        match (x.current, y.current) {
            (None, None) => return Ordering::Equal, // 4
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), Some(_)) => {}
        }
        let place = y.current_available.cmp(&x.current_available); // 5
        if place.is_ne() {
            return place;
        }
        if !x.in_parents_table && !y.in_parents_table {
            return Ordering::Equal; // 6
        }
        let health = y
            .in_parents_table
            .cmp(&x.in_parents_table) // 6
            .then(x.failed.cmp(&y.failed)); // 8
        if health.is_ne() {
            return health;
        }
        let (score_a, score_b) = (self.colocation_score(a), self.colocation_score(b));
        let numbers = self.facts[a].number.cmp(&self.facts[b].number);
        score_b.cmp(&score_a).then(numbers) // 9, 10
    }

    fn colocation_score(&mut self, i: usize) -> Score {
        if let Some(score) = self.facts[i].colocation_score {
            return score;
        }
        let facts = &self.facts[i];
        let score = match facts.current {
            Some(node) => colocation_score(self.cluster, facts.id, node),
            None => Score::ZERO,
        };
        self.facts[i].colocation_score = Some(score);
        score
    }
}

fn facts(cluster: &Cluster, id: ResourceId) -> Facts {
    let resource = cluster.resource(id);
    let current = cluster.current_node(id);
    let may_stay = current.is_none_or(|node| {
        resource
            .allowed
            .get(node)
            .is_some_and(|entry| entry.score >= Score::ZERO)
    });
    let current = current.filter(|_| may_stay);
    Facts {
        id,
        active: resource.active_on.len(),
        current,
        may_stay,
        current_available: current.is_some_and(|node| cluster.node(node).is_available()),
        in_parents_table: current.is_some_and(|node| {
            resource
                .parent
                .is_some_and(|parent| cluster.resource(parent).allowed.contains(node))
        }),
        priority: resource.effective_priority,
        failed: cluster.any_below(id, |resource| resource.failed),
        colocation_score: None,
        number: instance_number(&resource.id),
    }
}

/// The score that an instance's colocations give to its current node (rule 9).
fn colocation_score(cluster: &Cluster, id: ResourceId, node: NodeId) -> Score {
    let mode = |negative| Mode {
        side: Side::WithThis,
        negative,
        without_usable_node: WithoutUsableNode::Keep,
    };
    let mut table = NodeTable::new();
    table.insert(node, cluster.fresh_entry(node));
    for via in colocations::this_with(cluster, id) {
        let primary = cluster.colocation(via).primary;
        preferences::merge(cluster, primary, id, &mut table, via, mode(Negative::Kept));
    }
    for via in colocations::with_this(cluster, id) {
        let colocation = cluster.colocation(via);
        if !colocations::has_influence(cluster, colocation, id) {
            continue;
        }
        let mode = mode(Negative::Avoided);
        preferences::merge(cluster, colocation.dependent, id, &mut table, via, mode);
    }
    table.get(node).map_or(Score::ZERO, |entry| entry.score)
}
