//! What may still come in an element: patterns, and what is left of them behind an attribute or a
//! child. Equal patterns have one number, so that each step is worked out once.

use rustc_hash::FxHashMap;

use super::grammar::{Accepted, Grammar, Rule};
use super::values;

/// The number of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct PatternId(u32);

/// Nothing can be right.
pub(super) const IMPOSSIBLE: PatternId = PatternId(0);
/// Nothing more may come.
const EMPTY: PatternId = PatternId(1);
/// Whatever comes is right.
pub(super) const ANY: PatternId = PatternId(2);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Pattern {
    Impossible,
    Empty,
    Any,
    Element(u32),
    Attribute(u32),
    Choice(PatternId, PatternId),
    Sequence(PatternId, PatternId),
    Interleaved(PatternId, PatternId),
    AtLeastOnce(PatternId),
}

/// What is left behind an attribute.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// This, whatever its value.
    Always(PatternId),
    /// This, if its value is right for this attribute of the grammar.
    IfRight(u32, PatternId),
    /// Its value decides.
    ByValue,
}

/// The patterns of one version.
#[derive(Debug)]
pub(super) struct Patterns {
    grammar: Grammar,
    all: Vec<Pattern>,
    ids: FxHashMap<Pattern, PatternId>,
    /// By number of the element: its content.
    contents: Vec<Option<PatternId>>,
    /// By number of the attribute: its values.
    accepted: Vec<Vec<Accepted>>,
    /// Numbers of the names that the grammar knows.
    names: FxHashMap<&'static str, u32>,
    after_attribute: FxHashMap<(PatternId, u32), Step>,
    after_child: FxHashMap<(PatternId, u32), Option<(PatternId, u32)>>,
    closed: FxHashMap<PatternId, PatternId>,
}

impl Patterns {
    pub(super) fn new(grammar: Grammar) -> Patterns {
        let mut patterns = Patterns {
            all: Vec::new(),
            ids: FxHashMap::default(),
            contents: vec![None; grammar.elements.len()],
            accepted: Vec::new(),
            names: FxHashMap::default(),
            after_attribute: FxHashMap::default(),
            after_child: FxHashMap::default(),
            closed: FxHashMap::default(),
            grammar,
        };
        for fixed in [Pattern::Impossible, Pattern::Empty, Pattern::Any] {
            patterns.intern(fixed);
        }
        let grammar = &patterns.grammar;
        for (name, _) in grammar.elements.iter().chain(&grammar.attributes) {
            let next = patterns.names.len() as u32;
            patterns.names.entry(name).or_insert(next);
        }
        for (_, values) in &patterns.grammar.attributes {
            let mut accepted = Vec::new();
            flatten(&patterns.grammar, values, &mut accepted);
            patterns.accepted.push(accepted);
        }
        patterns
    }

    /// The pattern of a named rule.
    pub(super) fn named(&mut self, name: &str) -> PatternId {
        let rule = self.grammar.rule(name).clone();
        self.compile(&rule)
    }

    /// The content of an element.
    pub(super) fn content(&mut self, element: u32) -> PatternId {
        if let Some(known) = self.contents[element as usize] {
            return known;
        }
        let rule = self.grammar.elements[element as usize].1.clone();
        let pattern = self.compile(&rule);
        self.contents[element as usize] = Some(pattern);
        pattern
    }

    fn compile(&mut self, rule: &Rule) -> PatternId {
        match rule {
            Rule::Named(name) => self.named(name),
            Rule::Element(number) => self.intern(Pattern::Element(*number as u32)),
            Rule::Attribute(number) => self.intern(Pattern::Attribute(*number as u32)),
            Rule::Sequence(items) => self.fold(items, EMPTY, Self::sequence),
            Rule::Interleaved(items) => self.fold(items, EMPTY, Self::interleaved),
            Rule::Choice(items) => self.fold(items, IMPOSSIBLE, Self::choice),
            Rule::Optional(inner) => {
                let inner = self.compile(inner);
                self.choice(inner, EMPTY)
            }
            Rule::Repeated(inner) => {
                let inner = self.compile(inner);
                self.repeated(inner)
            }
            Rule::AtLeastOnce(inner) => {
                let inner = self.compile(inner);
                self.intern(Pattern::AtLeastOnce(inner))
            }
            Rule::Empty | Rule::Value(_) => EMPTY,
            Rule::Any => ANY,
        }
    }

    fn fold(
        &mut self,
        items: &[Rule],
        neutral: PatternId,
        join: fn(&mut Self, PatternId, PatternId) -> PatternId,
    ) -> PatternId {
        let mut all = neutral;
        for item in items.iter().rev() {
            let item = self.compile(item);
            all = join(self, item, all);
        }
        all
    }

    fn intern(&mut self, pattern: Pattern) -> PatternId {
        let next = PatternId(self.all.len() as u32);
        let id = *self.ids.entry(pattern).or_insert(next);
        if id == next {
            self.all.push(pattern);
        }
        id
    }

    fn get(&self, id: PatternId) -> Pattern {
        self.all[id.0 as usize]
    }

    fn choice(&mut self, a: PatternId, b: PatternId) -> PatternId {
        let mut options = Vec::new();
        self.options(a, &mut options);
        self.options(b, &mut options);
        options.sort_unstable();
        options.dedup();
        let mut all = IMPOSSIBLE;
        for option in options.into_iter().rev() {
            all = match all {
                IMPOSSIBLE => option,
                all => self.intern(Pattern::Choice(option, all)),
            };
        }
        all
    }

    /// What a pattern is a choice of.
    fn options(&self, id: PatternId, out: &mut Vec<PatternId>) {
        match self.get(id) {
            Pattern::Choice(a, b) => {
                self.options(a, out);
                self.options(b, out);
            }
            Pattern::Impossible => {}
            _ => out.push(id),
        }
    }

    fn sequence(&mut self, a: PatternId, b: PatternId) -> PatternId {
        match (a, b) {
            (IMPOSSIBLE, _) | (_, IMPOSSIBLE) => IMPOSSIBLE,
            (EMPTY, other) | (other, EMPTY) => other,
            _ => self.intern(Pattern::Sequence(a, b)),
        }
    }

    fn interleaved(&mut self, a: PatternId, b: PatternId) -> PatternId {
        match (a, b) {
            (IMPOSSIBLE, _) | (_, IMPOSSIBLE) => IMPOSSIBLE,
            (EMPTY, other) | (other, EMPTY) => other,
            _ => self.intern(Pattern::Interleaved(a, b)),
        }
    }

    fn repeated(&mut self, inner: PatternId) -> PatternId {
        let more = self.intern(Pattern::AtLeastOnce(inner));
        self.choice(more, EMPTY)
    }

    /// Whether an element may end here.
    pub(super) fn may_end(&self, id: PatternId) -> bool {
        match self.get(id) {
            Pattern::Empty | Pattern::Any => true,
            Pattern::Impossible | Pattern::Element(_) | Pattern::Attribute(_) => false,
            Pattern::Choice(a, b) => self.may_end(a) || self.may_end(b),
            Pattern::Sequence(a, b) | Pattern::Interleaved(a, b) => {
                self.may_end(a) && self.may_end(b)
            }
            Pattern::AtLeastOnce(inner) => self.may_end(inner),
        }
    }

    /// What is left behind an attribute.
    pub(super) fn after_attribute(&mut self, id: PatternId, name: &str, value: &str) -> PatternId {
        let Some(key) = self.names.get(name).map(|name| (id, *name)) else {
            return if id == ANY { ANY } else { IMPOSSIBLE };
        };
        let step = match self.after_attribute.get(&key) {
            Some(known) => *known,
            None => {
                let step = self.step(id, name);
                self.after_attribute.insert(key, step);
                step
            }
        };
        match step {
            Step::Always(left) => left,
            Step::IfRight(number, left) if self.is_right(number, value) => left,
            Step::IfRight(..) => IMPOSSIBLE,
            Step::ByValue => self.attribute(id, name, Some(value)),
        }
    }

    fn step(&mut self, id: PatternId, name: &str) -> Step {
        let mut numbers = Vec::new();
        self.walk(id, &mut |pattern| {
            if let Pattern::Attribute(number) = pattern
                && self.grammar.attributes[number as usize].0 == name
            {
                numbers.push(number);
            }
        });
        numbers.dedup();
        match numbers[..] {
            [] => Step::Always(self.attribute(id, name, None)),
            [number] => {
                let left = self.attribute(id, name, None);
                if self.accepted[number as usize] == [Accepted::Text] {
                    Step::Always(left)
                } else {
                    Step::IfRight(number, left)
                }
            }
            _ => Step::ByValue,
        }
    }

    fn is_right(&self, number: u32, value: &str) -> bool {
        let mut accepted = self.accepted[number as usize].iter();
        accepted.any(|accepted| values::accepts(accepted, value))
    }

    /// What is left behind an attribute of this value, or of one that is right.
    fn attribute(&mut self, id: PatternId, name: &str, value: Option<&str>) -> PatternId {
        match self.get(id) {
            Pattern::Any => ANY,
            Pattern::Impossible | Pattern::Empty | Pattern::Element(_) => IMPOSSIBLE,
            Pattern::Attribute(number) => {
                let matches = self.grammar.attributes[number as usize].0 == name
                    && value.is_none_or(|value| self.is_right(number, value));
                if matches { EMPTY } else { IMPOSSIBLE }
            }
            Pattern::Choice(a, b) => {
                let a = self.attribute(a, name, value);
                let b = self.attribute(b, name, value);
                self.choice(a, b)
            }
            Pattern::Sequence(a, b) | Pattern::Interleaved(a, b) => {
                let in_order = matches!(self.get(id), Pattern::Sequence(..));
                let join = if in_order {
                    Self::sequence
                } else {
                    Self::interleaved
                };
                let in_a = self.attribute(a, name, value);
                let in_b = self.attribute(b, name, value);
                let first = join(self, in_a, b);
                let second = join(self, a, in_b);
                self.choice(first, second)
            }
            Pattern::AtLeastOnce(inner) => {
                let first = self.attribute(inner, name, value);
                let more = self.choice(id, EMPTY);
                self.sequence(first, more)
            }
        }
    }

    /// What is left behind all attributes.
    pub(super) fn without_attributes(&mut self, id: PatternId) -> PatternId {
        if let Some(known) = self.closed.get(&id) {
            return *known;
        }
        let closed = match self.get(id) {
            Pattern::Attribute(_) => IMPOSSIBLE,
            Pattern::Choice(a, b) => {
                let (a, b) = (self.without_attributes(a), self.without_attributes(b));
                self.choice(a, b)
            }
            Pattern::Sequence(a, b) => {
                let (a, b) = (self.without_attributes(a), self.without_attributes(b));
                self.sequence(a, b)
            }
            Pattern::Interleaved(a, b) => {
                let (a, b) = (self.without_attributes(a), self.without_attributes(b));
                self.interleaved(a, b)
            }
            Pattern::AtLeastOnce(inner) => match self.without_attributes(inner) {
                IMPOSSIBLE => IMPOSSIBLE,
                inner => self.intern(Pattern::AtLeastOnce(inner)),
            },
            _ => id,
        };
        self.closed.insert(id, closed);
        closed
    }

    /// What is left behind a child, and which element it is.
    pub(super) fn after_child(&mut self, id: PatternId, name: &str) -> Option<(PatternId, u32)> {
        let key = (id, *self.names.get(name)?);
        if let Some(known) = self.after_child.get(&key) {
            return *known;
        }
        let mut element = None;
        let left = self.child(id, name, &mut element);
        let found = element.filter(|_| left != IMPOSSIBLE);
        let found = found.map(|element| (left, element));
        self.after_child.insert(key, found);
        found
    }

    fn child(&mut self, id: PatternId, name: &str, element: &mut Option<u32>) -> PatternId {
        match self.get(id) {
            Pattern::Any => ANY,
            Pattern::Impossible | Pattern::Empty | Pattern::Attribute(_) => IMPOSSIBLE,
            Pattern::Element(number) => {
                if self.grammar.elements[number as usize].0 != name {
                    return IMPOSSIBLE;
                }
                element.get_or_insert(number);
                EMPTY
            }
            Pattern::Choice(a, b) => {
                let a = self.child(a, name, element);
                let b = self.child(b, name, element);
                self.choice(a, b)
            }
            Pattern::Sequence(a, b) => {
                let in_a = self.child(a, name, element);
                let first = self.sequence(in_a, b);
                if !self.may_end(a) {
                    return first;
                }
                let second = self.child(b, name, element);
                self.choice(first, second)
            }
            Pattern::Interleaved(a, b) => {
                let in_a = self.child(a, name, element);
                let in_b = self.child(b, name, element);
                let first = self.interleaved(in_a, b);
                let second = self.interleaved(a, in_b);
                self.choice(first, second)
            }
            Pattern::AtLeastOnce(inner) => {
                let first = self.child(inner, name, element);
                let more = self.choice(id, EMPTY);
                self.sequence(first, more)
            }
        }
    }

    /// Names of the elements that a pattern allows anywhere.
    pub(super) fn element_names(&self, id: PatternId) -> Vec<&'static str> {
        let mut names = Vec::new();
        self.walk(id, &mut |pattern| {
            if let Pattern::Element(number) = pattern {
                names.push(self.grammar.elements[number as usize].0);
            }
        });
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The values that an attribute may have anywhere in a pattern.
    pub(super) fn values_of(&self, id: PatternId, name: &str) -> Vec<&Accepted> {
        let mut values = Vec::new();
        self.walk(id, &mut |pattern| {
            if let Pattern::Attribute(number) = pattern
                && self.grammar.attributes[number as usize].0 == name
            {
                values.extend(&self.accepted[number as usize]);
            }
        });
        values
    }

    fn walk(&self, id: PatternId, see: &mut impl FnMut(Pattern)) {
        see(self.get(id));
        match self.get(id) {
            Pattern::Choice(a, b) | Pattern::Sequence(a, b) | Pattern::Interleaved(a, b) => {
                self.walk(a, see);
                self.walk(b, see);
            }
            Pattern::AtLeastOnce(inner) => self.walk(inner, see),
            _ => {}
        }
    }

    /// Names of attributes of which one is missing, since a pattern without attributes is
    /// impossible.
    pub(super) fn missing(&mut self, id: PatternId) -> Vec<&'static str> {
        if self.without_attributes(id) != IMPOSSIBLE {
            return Vec::new();
        }
        match self.get(id) {
            Pattern::Attribute(number) => vec![self.grammar.attributes[number as usize].0],
            Pattern::Choice(a, b) => {
                let mut names = self.missing(a);
                names.extend(self.missing(b));
                names.sort_unstable();
                names.dedup();
                names
            }
            Pattern::Sequence(a, b) | Pattern::Interleaved(a, b) => {
                let first = self.missing(a);
                if first.is_empty() {
                    self.missing(b)
                } else {
                    first
                }
            }
            Pattern::AtLeastOnce(inner) => self.missing(inner),
            _ => Vec::new(),
        }
    }
}

fn flatten(grammar: &Grammar, rule: &Rule, out: &mut Vec<Accepted>) {
    match rule {
        Rule::Value(accepted) => out.push(accepted.clone()),
        Rule::Choice(items) => items.iter().for_each(|item| flatten(grammar, item, out)),
        Rule::Named(name) => flatten(grammar, grammar.rule(name), out),
        _ => {}
    }
}
