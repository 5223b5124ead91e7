//! Name/value sets, as the configuration has them (scheduler-spec/01 §4). Written by
//! `configuration`.

use super::{Score, Text};
use crate::xml::ElementId;

/// A `cluster_property_set`, `meta_attributes`, `instance_attributes` or `utilization` element, or
/// an implied one.
#[derive(Clone, Debug)]
pub struct NvSet {
    /// `id`.
    pub id: Text,
    /// `score`, 0 if absent or invalid.
    pub score: Score,
    /// First `rule` child.
    pub rule: Option<ElementId>,
    /// Pairs in document order, `id-ref` resolved.
    pub pairs: Vec<(Text, Text)>,
}

impl NvSet {
    /// A set that the configuration implies.
    pub fn implied<'a>(
        id: impl Into<Text>,
        pairs: impl IntoIterator<Item = (&'a str, Text)>,
    ) -> NvSet {
        NvSet {
            id: id.into(),
            score: Score::ZERO,
            rule: None,
            pairs: pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        }
    }
}
