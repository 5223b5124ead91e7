//! What constraints expand to: pairs of resources, and scores.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Kind, Meter, Reach, TooLarge};
use crate::configuration::pattern;
use crate::constraints::{location::LooksAt, references};
use crate::scalar;
use crate::xml::{Element, ElementId};

/// Most nodes for which a score counts as one.
const NODES_PER_SCORE: u64 = 16;
/// Least comparisons that a name counts against a pattern: what matches gets a score.
const STEPS_PER_NAME: u64 = 50;

/// Counts what the constraints expand to.
pub(super) fn check(reach: &mut Reach<'_>, meter: &mut Meter) -> Result<(), TooLarge> {
    let mut counter = Counter {
        reach,
        meter,
        listed: FxHashMap::default(),
        patterns: FxHashSet::default(),
        rules: FxHashMap::default(),
    };
    let constraints = counter.reach.document.section("constraints");
    for constraint in constraints.into_iter().flat_map(Element::children) {
        match constraint.name() {
            "rsc_order" => counter.order(constraint)?,
            "rsc_colocation" => counter.colocation(constraint)?,
            "rsc_location" => counter.location(constraint)?,
            "rsc_ticket" => {
                let scores = counter.scores(constraint, 0);
                counter.charge(constraint, Kind::Score, scores)?;
            }
            _ => {}
        }
    }
    Ok(())
}

struct Counter<'c, 'd> {
    reach: &'c mut Reach<'d>,
    meter: &'c mut Meter,
    /// Members of resource sets.
    listed: FxHashMap<ElementId, u64>,
    /// Patterns that were counted: they are not matched again.
    patterns: FxHashSet<&'d str>,
    /// Rules that were counted: whether they are evaluated for each resource.
    rules: FxHashMap<ElementId, bool>,
}

/// A resource set, or the resources of one side of a constraint.
struct Set<'d> {
    element: Option<Element<'d>>,
    members: u64,
}

impl Set<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.element?.get(name)
    }

    /// `sequential`; a template or tag, which is not a set, has no sequence.
    fn sequential(&self) -> Option<bool> {
        match self.element {
            Some(set) => set.get("sequential").and_then(scalar::boolean),
            None => Some(false),
        }
    }

    /// Pairs of its members.
    fn pairs(&self) -> u64 {
        self.members.saturating_mul(self.members.saturating_sub(1)) / 2
    }
}

impl<'d> Counter<'_, 'd> {
    fn charge(&mut self, element: Element<'d>, kind: Kind, count: u64) -> Result<(), TooLarge> {
        self.meter.charge(element, kind, count)
    }

    /// The sets of a constraint; none if each of its `sides` is one resource.
    fn sets(&mut self, constraint: Element<'d>, sides: &[&str]) -> Vec<Set<'d>> {
        let sets = references::elements(constraint);
        if !sets.is_empty() {
            return sets
                .into_iter()
                .map(|set| Set {
                    element: Some(set),
                    members: self.members(set),
                })
                .collect();
        }
        let sides = sides.iter().filter_map(|side| constraint.get(side));
        let sets: Vec<_> = sides
            .map(|name| Set {
                element: None,
                members: self.reach.resources_called(name),
            })
            .collect();
        match sets.iter().any(|set| set.members > 1) {
            true => sets,
            false => Vec::new(),
        }
    }

    fn members(&mut self, set: Element<'d>) -> u64 {
        if let Some(known) = self.listed.get(&set.id()) {
            return *known;
        }
        let names = set.children().filter_map(|member| member.get("id"));
        let members = names.map(|name| self.reach.resources_called(name)).sum();
        self.listed.insert(set.id(), members);
        members
    }

    /// Counts the orderings of a `rsc_order` (05 §11.5).
    fn order(&mut self, constraint: Element<'d>) -> Result<(), TooLarge> {
        let sets = self.sets(constraint, &["first", "then"]);
        let ends = |set: &Set<'_>| match set.sequential() {
            Some(true) => 1,
            _ => set.members,
        };
        for (i, set) in sets.iter().enumerate() {
            let kind = set.get("kind").or(constraint.get("kind"));
            let inside = match set.sequential() {
                _ if set.element.is_some() && kind == Some("Serialize") => set.pairs(),
                Some(false) => 0,
                _ => set.members,
            };
            let before = i.checked_sub(1).map(|before| &sets[before]);
            let between = before.map_or(0, |before| ends(before).saturating_mul(ends(set)));
            self.charge(constraint, Kind::Ordering, inside.saturating_add(between))?;
        }
        Ok(())
    }

    /// Counts the colocations of a `rsc_colocation` (03 §5.2).
    fn colocation(&mut self, constraint: Element<'d>) -> Result<(), TooLarge> {
        let mut sets = self.sets(constraint, &["rsc", "with-rsc"]);
        if sets
            .iter()
            .all(|set| set.element.is_none() && set.members > 1)
        {
            // this constraint is ignored: two tags cannot be colocated
            sets.clear();
        }
        let ends = |set: &Set<'_>| match set.sequential() {
            Some(false) => set.members,
            _ => 1,
        };
        for (i, set) in sets.iter().enumerate() {
            let score = set.get("score").or(constraint.get("score"));
            let inside = match score {
                Some(score) if set.sequential() != Some(false) => match is_negative(score) {
                    true => set.pairs(),
                    false => set.members,
                },
                _ => 0,
            };
            let before = i.checked_sub(1).map(|before| &sets[before]);
            let before = before.filter(|_| constraint.get("score").is_some());
            let between = before.map_or(0, |before| ends(before).saturating_mul(ends(set)));
            self.charge(constraint, Kind::Colocation, inside.saturating_add(between))?;
        }
        Ok(())
    }

    fn location(&mut self, constraint: Element<'d>) -> Result<(), TooLarge> {
        let conditions = self.conditions(constraint)?;
        let scores = self.scores(constraint, conditions);
        self.charge(constraint, Kind::Score, scores)?;
        let Some(pattern) = constraint.get("rsc-pattern") else {
            return Ok(());
        };
        let names = self.reach.names;
        let places = match self.patterns.insert(pattern) {
            true => pattern::places(pattern),
            false => 0,
        };
        let steps = places.saturating_mul(self.reach.name_bytes);
        let steps = steps.max(names * STEPS_PER_NAME);
        self.charge(constraint, Kind::PatternStep, steps)?;
        let more = self.scores_by_node(constraint, conditions) - 1;
        self.charge(constraint, Kind::Score, names.saturating_mul(more))
    }

    /// Scores by a constraint for more resources than it names itself.
    fn scores(&mut self, constraint: Element<'d>, conditions: u64) -> u64 {
        let sets = self.sets(constraint, &["rsc"]);
        let expanded: u64 = sets.iter().map(|set| set.members).sum();
        let named = constraint.descendants().count() as u64;
        let by_node = self.scores_by_node(constraint, conditions);
        expanded.saturating_sub(named).saturating_mul(by_node)
    }

    /// Scores of one resource by a constraint: by a rule for all nodes, of which each evaluation
    /// counts.
    fn scores_by_node(&self, constraint: Element<'d>, conditions: u64) -> u64 {
        match constraint.get("node") {
            Some(_) => 1,
            None => 1 + self.reach.nodes * (1 + conditions) / NODES_PER_SCORE,
        }
    }

    /// Conditions that are evaluated for each resource.
    fn conditions(&mut self, constraint: Element<'d>) -> Result<u64, TooLarge> {
        let rule = constraint.child("rule");
        let Some(rule) = rule.and_then(|rule| self.reach.document.referenced(rule)) else {
            return Ok(0);
        };
        let known = self.rules.get(&rule.id()).copied();
        let for_each = known.unwrap_or_else(|| LooksAt::of(rule) != LooksAt::Node);
        self.rules.insert(rule.id(), for_each);
        let conditions = self.reach.conditions(rule);
        if known.is_none() || for_each {
            let written = constraint.descendants().count() as u64;
            let more = conditions.saturating_sub(written);
            let evaluated = more.saturating_mul(self.reach.nodes);
            self.charge(constraint, Kind::Condition, evaluated)?;
        }
        Ok(if for_each { conditions } else { 0 })
    }
}

/// Whether a score may be below zero, whatever the cluster's options say of colours.
fn is_negative(score: &str) -> bool {
    let colours = ["red", "yellow", "green"];
    score.trim_start().starts_with('-')
        || colours.iter().any(|name| score.eq_ignore_ascii_case(name))
}
