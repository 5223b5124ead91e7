//! Name/value sets and how several of them combine (scheduler-spec/01 §4).

use std::cmp::Reverse;

use super::rules::{self, RuleContext};
use crate::model::{Cluster, NvSet, Score, Table, Text};
use crate::xml::Element;

/// Reads the sets called `kind` below `parent` in processing order: `first_id` first, then by
/// score, then last in document first.
pub(crate) fn read(
    cluster: &Cluster,
    parent: Element<'_>,
    kind: &str,
    first_id: Option<&str>,
) -> Vec<NvSet> {
    read_below(cluster, &[parent], kind, first_id)
}

/// The same for an element that consists of several, one after the other (a resource and its
/// template, 01 §16.1).
pub(crate) fn read_below(
    cluster: &Cluster,
    parents: &[Element<'_>],
    kind: &str,
    first_id: Option<&str>,
) -> Vec<NvSet> {
    let document = &*cluster.document;
    let mut sets: Vec<NvSet> = parents
        .iter()
        .flat_map(|parent| parent.children_named(kind))
        .filter_map(|set| read_set(cluster, document.referenced(set)?))
        .collect();
    sets.reverse();
    sets.sort_by_key(|set| (first_id != Some(&*set.id), Reverse(set.score)));
    sets
}

fn read_set(cluster: &Cluster, set: Element<'_>) -> Option<NvSet> {
    let first = set.children().next();
    let holder = first.filter(|child| child.name() == "attributes");
    let pairs = holder
        .unwrap_or(set)
        .children_named("nvpair")
        .filter_map(|pair| {
            let meant = cluster.document.referenced(pair)?;
            let name = pair.get("name").or_else(|| meant.get("name"))?;
            Some((name.into(), meant.get("value")?.into()))
        })
        .collect();
    Some(NvSet {
        id: set.get("id").unwrap_or_default().into(),
        score: set
            .get("score")
            .and_then(|text| cluster.options.score(text))
            .unwrap_or(Score::ZERO),
        rule: set.child("rule").map(Element::id),
        pairs,
    })
}

/// Evaluates sets in order into `table`: never overwrites, `#default` removes (§4 step 3). Reports
/// recheck times to the cluster.
pub(crate) fn evaluate(
    cluster: &Cluster,
    sets: &[NvSet],
    context: &RuleContext<'_>,
    table: &mut Table,
) {
    for set in holding(cluster, sets, context) {
        apply(&set.pairs, table);
    }
}

/// The sets that have no rule, or one that passes.
pub(super) fn holding<'s>(
    cluster: &Cluster,
    sets: &'s [NvSet],
    context: &RuleContext<'_>,
) -> impl Iterator<Item = &'s NvSet> {
    sets.iter().filter(|set| {
        set.rule
            .is_none_or(|rule| rules::passes(cluster, cluster.document.element(rule), context))
    })
}

/// Takes pairs into a table in their order.
pub(super) fn apply(pairs: &[(Text, Text)], table: &mut Table) {
    for (name, value) in pairs {
        if removes(value) {
            table.remove(name);
        } else {
            table.set_if_absent(name.clone(), value.clone());
        }
    }
}

/// Whether a value takes away the one that there is.
pub(super) fn removes(value: &str) -> bool {
    value.eq_ignore_ascii_case("#default")
}

/// Whether the result of some sets may differ between contexts.
pub(crate) fn depends_on_context(sets: &[NvSet]) -> bool {
    sets.iter().any(|set| set.rule.is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::RunOptions;

    fn evaluated(
        xml: &str,
        before: &[(&str, &str)],
        first_id: Option<&str>,
    ) -> Vec<(String, String)> {
        let document = Arc::new(crate::xml::parse(xml).unwrap());
        let cluster = Cluster::new(document.clone(), 0, RunOptions::default());
        let sets = read(&cluster, document.root(), "m", first_id);
        let mut table = Table::new();
        for (name, value) in before {
            table.set(*name, *value);
        }
        evaluate(&cluster, &sets, &RuleContext::default(), &mut table);
        let mut entries: Vec<_> = table
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        entries.sort();
        entries
    }

    #[test]
    fn the_last_of_equal_sets_and_the_first_pair_of_a_set_win() {
        let xml = r#"<r><m id="1"><nvpair name="a" value="1"/></m><m id="2"><nvpair name="a" value="2"/><nvpair name="a" value="3"/></m></r>"#;
        assert_eq!(evaluated(xml, &[], None), [("a".into(), "2".into())]);
        assert_eq!(evaluated(xml, &[], Some("1")), [("a".into(), "1".into())]);
        assert_eq!(
            evaluated(xml, &[("a", "0")], None),
            [("a".into(), "0".into())]
        );
    }

    #[test]
    fn a_higher_score_wins_and_default_removes() {
        let xml = r##"<r><m id="1" score="5"><nvpair name="a" value="1"/></m><m id="2"><nvpair name="a" value="2"/><nvpair name="b" value="#DEFAULT"/></m></r>"##;
        assert_eq!(
            evaluated(xml, &[("b", "x")], None),
            [("a".into(), "1".into())]
        );
    }
}
