//! Elements by their ids: which one another stands for, and which sets of one count first.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::tree::Element;
use crate::value;

/// Elements by name and id.
pub(super) type Index<'e> = HashMap<(&'e str, &'e str), &'e Element<'e>>;

/// The element itself, or the one that it stands for (`id-ref`).
pub(super) fn referred<'e>(element: &'e Element<'e>, index: &Index<'e>) -> &'e Element<'e> {
    let other = element.value("id-ref");
    let other = other.and_then(|id| index.get(&(element.name, id)).copied());
    other.unwrap_or(element)
}

/// Puts sets into the order in which they count (scheduler-spec/01 §4): by score, and of those with
/// the same score the last one first.
pub(super) fn by_score(sets: &mut [&Element<'_>]) {
    sets.reverse();
    sets.sort_by_key(|set| {
        let score = set.value("score").and_then(|text| value::score(text).ok());
        Reverse(score.map_or(0, |score| score.0))
    });
}
