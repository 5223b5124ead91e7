//! Name/value sets and how several of them combine (scheduler-spec/01 §4).

use super::rules::RuleContext;
use crate::model::{Cluster, Score, Table, Text};
use crate::xml::{Element, ElementId};

/// A `cluster_property_set`, `meta_attributes`, `instance_attributes` or `utilization` element, or an implied one.
#[derive(Clone, Debug)]
pub struct NvSet {
    /// `id`.
    pub id: Text,
    /// `score`, 0 if absent or invalid.
    pub score: Score,
    /// First `rule` child, already followed through `id-ref`.
    pub rule: Option<ElementId>,
    /// Pairs in document order, `id-ref` resolved.
    pub pairs: Vec<(Text, Text)>,
}

/// Reads the sets called `kind` below `parent` in processing order: `first_id` first, then by score, then last in document first.
pub fn read(
    _cluster: &Cluster,
    _parent: Element<'_>,
    _kind: &str,
    _first_id: Option<&str>,
) -> Vec<NvSet> {
    Vec::new()
}

/// Evaluates sets in order into `table`: never overwrites, `#default` removes (§4 step 3). Reports recheck times to the cluster.
pub fn evaluate(
    _cluster: &Cluster,
    _sets: &[NvSet],
    _context: &RuleContext<'_>,
    _table: &mut Table,
) {
}
