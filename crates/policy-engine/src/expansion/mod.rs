//! The size of a configuration after expansion. A few elements can expand to very many constraints:
//! two resource sets to an ordering of every member of one with every member of the other, a
//! pattern to a score of each resource, a reference to the whole content of its target. The
//! expansion of the whole configuration is counted here, before anything is expanded. A
//! configuration that exceeds the limits is refused, with the place where it does.
//!
//! Only the `configuration` section is counted; the state of the nodes does not matter. The count
//! is an upper bound. A configuration that was accepted once is not counted again
//! ([`Cib::parse_accepted`](crate::Cib::parse_accepted)), so it is never refused later. Work in
//! proportion to the number of elements, or of nodes alone, is not counted; but an expansion that
//! is repeated for each node is counted for each node.

mod constraints;
mod resources;
#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;

use crate::configuration::rules;
use crate::xml::{Document, Element, ElementId};

/// The limit for a configuration of any size, in microseconds of [`Kind::cost`]: a million
/// orderings.
const ALLOWED_US: u64 = 1_000_000;
/// What each element of the configuration adds to the limit.
const ALLOWED_PER_ELEMENT_US: u64 = 100;

/// The expansion of a configuration exceeds the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {}: {}", self.what(), self.advice())]
pub struct TooLarge {
    /// Line of the element that exceeds the limit, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
    /// The element's name.
    pub element: String,
    /// Its `id`, or `id-ref`.
    pub id: Option<String>,
    /// What it expands to.
    pub kind: Kind,
    /// How many of them.
    pub count: u64,
    /// The limit, if the whole configuration expanded to nothing else.
    pub allowed: u64,
}

/// What elements expand to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An ordering of two resources.
    Ordering,
    /// A colocation of two resources.
    Colocation,
    /// A score of a resource, for up to sixteen nodes.
    Score,
    /// A comparison of a byte of a pattern with a byte of a name.
    PatternStep,
    /// A condition of a rule, for a node or a resource.
    Condition,
    /// A name with its value, or 64 bytes of a long one, for a node.
    Parameter,
    /// An operation of a resource.
    Operation,
}

impl TooLarge {
    /// What exceeds the limit, without its place.
    pub fn what(&self) -> String {
        let id = self.id.as_ref();
        let id = id.map_or_else(String::new, |id| format!(" id=\"{id}\""));
        format!(
            "<{}{id}> expands to {} {}; with everything before it, this exceeds {}, the limit for a configuration of this size",
            self.element,
            self.count,
            self.kind.words().0,
            self.allowed
        )
    }

    /// What to do instead.
    pub fn advice(&self) -> &'static str {
        self.kind.words().1
    }
}

impl Kind {
    /// What one of them counts: about the nanoseconds that it takes to process it.
    fn cost(self) -> u64 {
        match self {
            Kind::Ordering => 1_000,
            Kind::Colocation => 1_000,
            Kind::Score => 250,
            Kind::PatternStep => 5,
            Kind::Condition | Kind::Parameter => 50,
            Kind::Operation => 8_000,
        }
    }

    /// The name in messages, and what to do if there are too many.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Ordering => (
                "orderings of two resources",
                "order groups or clones instead of their members, or put a resource that does nothing between the sets: \
                 it waits for one set, and the other set waits for it",
            ),
            Kind::Colocation => (
                "colocations of two resources",
                "use groups, or colocate the members of both sets with one resource",
            ),
            Kind::Score => (
                "scores of resources",
                "use fewer patterns and smaller tags, or a default that holds for all resources (symmetric-cluster, rsc_defaults)",
            ),
            Kind::PatternStep => (
                "comparisons of a byte of a pattern with one of a name",
                "use fewer, shorter patterns with fewer repetitions, or tags",
            ),
            Kind::Condition => (
                "conditions to be evaluated",
                "use fewer and simpler rules, or refer to them less often",
            ),
            Kind::Parameter => (
                "parameters of actions",
                "use fewer references, mappings, replicas or instances, or shorter values",
            ),
            Kind::Operation => (
                "operations of resources",
                "use fewer operations in templates and sets that are referred to often",
            ),
        }
    }
}

/// Counts the expansion of a configuration.
///
/// # Errors
/// It exceeds the limit.
pub(crate) fn check(document: &Document) -> Result<(), TooLarge> {
    let Some(configuration) = document.section("configuration") else {
        return Ok(());
    };
    let elements = configuration.descendants().count() as u64;
    let allowed = (ALLOWED_US + ALLOWED_PER_ELEMENT_US * elements) * 1_000;
    let mut meter = Meter {
        left: allowed,
        allowed,
    };
    let mut reach = Reach::of(document);
    resources::check(&mut reach, &mut meter)?;
    constraints::check(&mut reach, &mut meter)
}

/// The unused part of the limit.
struct Meter {
    left: u64,
    allowed: u64,
}

impl Meter {
    /// Charges what `element` expands to: `count` of some kind.
    fn charge(&mut self, element: Element<'_>, kind: Kind, count: u64) -> Result<(), TooLarge> {
        let cost = count.saturating_mul(kind.cost());
        if let Some(left) = self.left.checked_sub(cost) {
            self.left = left;
            return Ok(());
        }
        let (line, column) = element.position();
        let id = element.get("id").or_else(|| element.get("id-ref"));
        Err(TooLarge {
            line,
            column,
            element: element.name().to_owned(),
            id: id.map(str::to_owned),
            kind,
            count,
            allowed: self.allowed / kind.cost(),
        })
    }
}

/// The targets of names and references.
struct Reach<'d> {
    document: &'d Document,
    /// Number of nodes, at least 1.
    nodes: u64,
    /// Resources of the resource list, without implied ones.
    names: u64,
    /// Bytes of their names.
    name_bytes: u64,
    templates: FxHashMap<&'d str, Element<'d>>,
    /// How many resources a template or tag has.
    members: FxHashMap<&'d str, u64>,
    /// Parameters in an element and what it refers to, by how many references are still followed.
    parameters: FxHashMap<(ElementId, u8), u64>,
    /// Conditions that a rule leads to.
    conditions: FxHashMap<ElementId, u64>,
}

/// Deepest chain of references to parameters: a template, a set of it that refers to another, of
/// which a pair refers to a third.
const MOST_REFERENCES: u8 = 3;
/// Bytes of a parameter that count as one.
const PARAMETER_BYTES: usize = 64;

impl<'d> Reach<'d> {
    fn of(document: &'d Document) -> Reach<'d> {
        let mut reach = Reach {
            document,
            nodes: 0,
            names: 0,
            name_bytes: 0,
            templates: FxHashMap::default(),
            members: FxHashMap::default(),
            parameters: FxHashMap::default(),
            conditions: FxHashMap::default(),
        };
        let children = |name: &str| {
            document
                .section(name)
                .into_iter()
                .flat_map(Element::children)
        };
        reach.nodes = children("nodes").count() as u64;
        for tag in children("tags") {
            if let Some(id) = tag.get("id") {
                *reach.members.entry(id).or_default() += tag.children().count() as u64;
            }
        }
        let mut users: FxHashMap<&str, u64> = FxHashMap::default();
        for resource in children("resources") {
            let Some(id) = resource.get("id") else {
                continue;
            };
            if resource.name() == "template" {
                reach.templates.entry(id).or_insert(resource);
                continue;
            }
            reach.names += 1;
            reach.name_bytes += id.len() as u64;
            for part in resource.descendants() {
                let is_node =
                    part.get("type") == Some("remote") || part.get("name") == Some("remote-node");
                reach.nodes += u64::from(is_node);
                if let Some(template) = part.get("template") {
                    *users.entry(template).or_default() += 1;
                }
            }
        }
        reach.members.extend(users);
        reach.nodes = reach.nodes.max(1);
        reach
    }

    /// How many resources a name in a constraint refers to.
    fn resources_called(&self, name: &str) -> u64 {
        self.members
            .get(name)
            .map_or(1, |members| (*members).max(1))
    }

    /// Parameters in an element, those that it refers to included.
    fn parameters(&mut self, element: Element<'d>, references: u8) -> u64 {
        let key = (element.id(), references);
        if let Some(known) = self.parameters.get(&key) {
            return *known;
        }
        let bytes: usize = element
            .attributes()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let mut parameters = (bytes / PARAMETER_BYTES) as u64 + 1;
        for child in element.children() {
            parameters = parameters.saturating_add(self.parameters(child, references));
        }
        for target in self
            .targets(element)
            .into_iter()
            .flatten()
            .filter(|_| references > 0)
        {
            parameters = parameters.saturating_add(self.parameters(target, references - 1));
        }
        self.parameters.insert(key, parameters);
        parameters
    }

    /// The template of a resource, and the target of an element with `id-ref`.
    fn targets(&self, element: Element<'d>) -> [Option<Element<'d>>; 2] {
        let template = element
            .get("template")
            .and_then(|name| self.templates.get(name))
            .copied();
        let referenced = element
            .get("id-ref")
            .and_then(|_| self.document.referenced(element));
        [template, referenced]
    }

    /// Conditions that the evaluation of a rule leads to, up to the limit of an evaluation.
    fn conditions(&mut self, rule: Element<'d>) -> u64 {
        let most = u64::from(rules::MAX_CONDITIONS);
        let Some(rule) = self.document.referenced(rule) else {
            return 0;
        };
        // a rule that leads back to itself has no end
        if let Some(known) = self.conditions.insert(rule.id(), most) {
            self.conditions.insert(rule.id(), known);
            return known;
        }
        let mut conditions = 0;
        for child in rule.children() {
            conditions += 1;
            if child.name() == "rule" {
                conditions +=
                    stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.conditions(child));
            }
            if conditions >= most {
                break;
            }
        }
        let conditions = conditions.min(most);
        self.conditions.insert(rule.id(), conditions);
        conditions
    }
}
