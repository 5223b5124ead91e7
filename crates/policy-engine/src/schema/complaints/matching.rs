//! The check of a document against one version, in the order in which libxml2 tries patterns. A
//! pattern can leave several ways through an element, which all go on.

use super::report::{Kind, Place, Reports};
use super::state::{Found, State};
use super::{Ids, Reference, choices};
use crate::schema::grammar::{Accepted, Grammar, Rule};
use crate::schema::values;
use crate::xml::{Document, ElementId};

/// Patterns that a check tries at most: a document of strangers could have very many ways.
const TRIED: usize = 2_000_000;

/// How a pattern went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Went {
    Well,
    Wrong,
    /// An element in the right place is wrong inside: what comes after it is looked at all the
    /// same.
    WrongInside,
}

/// The ways through an element.
#[derive(Clone)]
enum Ways<'d> {
    None,
    One(State<'d>),
    Several(Vec<State<'d>>),
}

impl<'d> Ways<'d> {
    fn of(mut states: Vec<State<'d>>) -> Ways<'d> {
        match states.len() {
            0 => Ways::None,
            1 => states.pop().map_or(Ways::None, Ways::One),
            _ => Ways::Several(states),
        }
    }

    fn into_states(self) -> Vec<State<'d>> {
        match self {
            Ways::None => Vec::new(),
            Ways::One(state) => vec![state],
            Ways::Several(states) => states,
        }
    }

    fn take(&mut self) -> Ways<'d> {
        std::mem::replace(self, Ways::None)
    }
}

/// Checks the configuration, and returns what libxml2 would write about it.
pub(super) fn check<'d>(
    document: &'d Document,
    grammar: &'d Grammar,
    ids: &'d mut Ids,
) -> Vec<String> {
    let mut check = Check {
        document,
        grammar,
        ids,
        reports: Reports::new(document),
        right: rustc_hash::FxHashMap::default(),
        ways: Ways::None,
        unsure: false,
        tried: 0,
    };
    let root = document.root();
    let configuration: Vec<ElementId> = root
        .children_named("configuration")
        .map(|it| it.id())
        .collect();
    let state = State::new(root).with_children(&configuration);
    check.ways = Ways::One(state);
    check.pattern(grammar.rule("start"));
    check.reports.lines()
}

struct Check<'d> {
    document: &'d Document,
    grammar: &'d Grammar,
    ids: &'d mut Ids,
    reports: Reports<'d>,
    /// Elements that were right, and as which.
    right: rustc_hash::FxHashMap<ElementId, usize>,
    ways: Ways<'d>,
    /// There are other ways, so reports are put aside.
    unsure: bool,
    tried: usize,
}

impl<'d> Check<'d> {
    /// Where the one way is.
    fn place(&self) -> Option<Place> {
        match &self.ways {
            Ways::One(state) => Some(Place {
                element: Some(state.element),
                child: state.named(),
            }),
            _ => None,
        }
    }

    fn report(&mut self, kind: Kind, words: [&str; 2]) {
        let place = self.place();
        match self.unsure {
            true => self.reports.put_aside(kind, words, place),
            false => self.reports.show(kind, words, place.unwrap_or_default()),
        }
    }

    fn name(&self, element: ElementId) -> &'d str {
        self.document.element(element).name()
    }

    /// A pattern on all ways that there are.
    fn pattern(&mut self, rule: &'d Rule) -> Went {
        let states = match self.ways.take() {
            Ways::Several(states) if states.len() > 1 => states,
            ways => {
                self.ways = Ways::of(ways.into_states());
                let went = self.on_one_way(rule);
                let ways = self.ways.take();
                self.ways = Ways::of(ways.into_states());
                return went;
            }
        };
        let unsure = std::mem::replace(&mut self.unsure, true);
        let (mut kept, mut merged) = (Vec::new(), None::<Found<'d>>);
        for state in states {
            self.ways = Ways::One(state);
            if self.on_one_way(rule) != Went::Well {
                continue;
            }
            match (self.ways.take(), &mut merged) {
                (Ways::None, _) => {}
                (Ways::One(state), Some(merged)) => {
                    merged.add(state);
                }
                (Ways::One(state), None) => kept.push(state),
                (Ways::Several(states), Some(merged)) => {
                    states.into_iter().for_each(|state| merged.add(state));
                }
                (Ways::Several(states), None) => {
                    let mut states = Found::holding(states);
                    let kept = std::mem::take(&mut kept);
                    kept.into_iter().for_each(|state| states.add(state));
                    merged = Some(states);
                }
            }
        }
        self.unsure = unsure;
        self.ways = Ways::of(merged.map_or(kept, Found::into_states));
        match self.ways {
            Ways::None => Went::Wrong,
            _ => Went::Well,
        }
    }

    /// Patterns one after the other.
    fn patterns(&mut self, rules: impl IntoIterator<Item = &'d Rule>) -> Went {
        let mut all = Went::Well;
        for rule in rules {
            if matches!(self.ways, Ways::None) {
                self.report(Kind::NoState, ["", ""]);
                return Went::Wrong;
            }
            match self.pattern(rule) {
                Went::Well => {}
                Went::Wrong => return Went::Wrong,
                Went::WrongInside => all = Went::Wrong,
            }
        }
        all
    }

    fn on_one_way(&mut self, rule: &'d Rule) -> Went {
        self.tried += 1;
        if self.tried > TRIED {
            self.ways = Ways::None;
            return Went::Wrong;
        }
        match rule {
            Rule::Empty | Rule::Value(_) => Went::Well,
            Rule::Any => {
                if let Ways::One(state) = &mut self.ways {
                    state.finish();
                    state.attributes.fill(None);
                }
                Went::Well
            }
            Rule::Named(name) => self.patterns([self.grammar.rule(name)]),
            Rule::Sequence(rules) => self.patterns(rules),
            Rule::Element(number) => self.element(*number),
            Rule::Attribute(number) => self.attribute(*number),
            Rule::Optional(rule) => self.optional(rule),
            Rule::Repeated(rule) => self.repeated(rule),
            Rule::AtLeastOnce(rule) => {
                let before = self.reports.aside();
                match self.patterns([&**rule]) {
                    Went::Well => {
                        self.reports.take_back(before);
                        self.repeated(rule)
                    }
                    wrong => wrong,
                }
            }
            Rule::Choice(rules) => self.choice(rules),
            Rule::Interleaved(rules) => self.interleave(rules),
        }
    }

    fn optional(&mut self, rule: &'d Rule) -> Went {
        let before = self.reports.aside();
        let unsure = std::mem::replace(&mut self.unsure, true);
        let without = self.ways.clone();
        let went = self.patterns([rule]);
        self.unsure = unsure;
        self.reports.take_back(before);
        if went != Went::Well {
            self.ways = without;
            return Went::Well;
        }
        let states = match (self.ways.take(), without) {
            (Ways::Several(states), Ways::One(without)) => {
                let mut states = Found::holding(states);
                states.add(without);
                states
            }
            (Ways::One(with), Ways::One(without)) => {
                let mut states = Found::holding(vec![without]);
                states.add(with);
                states
            }
            (with, _) => Found::holding(with.into_states()),
        };
        self.ways = Ways::Several(states.into_states());
        Went::Well
    }

    /// Any number of times: every number is a way.
    fn repeated(&mut self, rule: &'d Rule) -> Went {
        let mut found = Found::default();
        let known = self.ways.clone().into_states();
        known.into_iter().for_each(|state| found.add(state));
        let unsure = std::mem::replace(&mut self.unsure, true);
        loop {
            let base = found.len();
            for state in self.ways.take().into_states() {
                self.ways = Ways::One(state);
                if self.patterns([rule]) == Went::Well {
                    for state in self.ways.take().into_states() {
                        found.add(state);
                    }
                }
            }
            if found.len() == base {
                break;
            }
            self.ways = Ways::of(found.after(base));
        }
        self.unsure = unsure;
        self.ways = Ways::Several(found.into_states());
        Went::Well
    }

    fn choice(&mut self, branches: &'d [Rule]) -> Went {
        let node = match &self.ways {
            Ways::One(state) => state.next(),
            _ => None,
        };
        let name = node.map(|node| self.name(node));
        if let Some(name) = name
            && let Some(branch) = choices::branch(self.grammar, branches, name)
        {
            let Some(branch) = branch else {
                self.report(Kind::ElementWrong, [name, ""]);
                return Went::Wrong;
            };
            return self.pattern(branch);
        }
        let before = self.reports.aside();
        let unsure = std::mem::replace(&mut self.unsure, true);
        let start = self.ways.take();
        let mut found: Option<Found<'d>> = None;
        let mut last = Went::Well;
        for branch in branches {
            self.ways = start.clone();
            last = self.pattern(branch);
            if last == Went::Well {
                let found = found.get_or_insert_default();
                for state in self.ways.take().into_states() {
                    found.add(state);
                }
            }
        }
        self.unsure = unsure;
        if let Some(found) = found {
            self.ways = Ways::Several(found.into_states());
            self.reports.take_back(before);
            return Went::Well;
        }
        self.ways = start;
        if !self.unsure {
            self.reports.show_aside();
        }
        last
    }

    fn interleave(&mut self, parts: &'d [Rule]) -> Went {
        let before = self.reports.aside();
        let Ways::One(mut state) = self.ways.take() else {
            return Went::Wrong;
        };
        let names: Vec<_> = parts
            .iter()
            .map(|part| choices::elements(self.grammar, part))
            .collect();
        let mut shares: Vec<Vec<ElementId>> = vec![Vec::new(); parts.len()];
        let mut count = 0;
        for child in state.rest() {
            let name = self.name(*child);
            let Some(part) = names.iter().position(|names| names.contains(&name)) else {
                break;
            };
            shares[part].push(*child);
            count += 1;
        }
        let mut end = state.clone();
        end.skip(count);
        let mut went = Went::Well;
        for (part, share) in parts.iter().zip(&shares) {
            self.ways = Ways::One(state.with_children(share));
            went = self.pattern(part);
            if went != Went::Well {
                break;
            }
            let mut states = self.ways.take().into_states();
            let done = states.iter().any(|state| state.next().is_none());
            let Some(last) = states.pop() else {
                went = Went::Wrong;
                break;
            };
            state = last;
            if !done {
                let extra = state.next().map_or("", |child| self.name(child));
                self.report(Kind::ExtraInInterleave, [extra, ""]);
                self.ways = Ways::One(state);
                return Went::Wrong;
            }
        }
        state.take_place_of(&end);
        self.ways = Ways::One(state);
        if went != Went::Well {
            self.report(Kind::Sequence, ["", ""]);
            return Went::Wrong;
        }
        self.reports.take_back(before);
        Went::Well
    }

    fn element(&mut self, number: usize) -> Went {
        let (expected, content) = &self.grammar.elements[number];
        let before = self.reports.aside();
        let Ways::One(state) = &self.ways else {
            return Went::Wrong;
        };
        let Some(node) = state.next() else {
            self.report(Kind::NoElement, [expected, ""]);
            return self.failed();
        };
        let name = self.name(node);
        if self.right.get(&node) == Some(&number) {
            self.step();
            self.forget(before, name);
            return Went::Well;
        }
        if name != *expected {
            self.report(Kind::ElementName, [expected, name]);
            return self.failed();
        }
        self.forget(before, name);
        let before = self.reports.aside();
        let unsure = self.unsure;
        let outer = self.ways.take();
        let is_right = self.inside(node, content, &outer);
        self.unsure = unsure;
        self.ways = outer;
        self.step();
        if is_right {
            self.right.insert(node, number);
            self.reports.take_back(before);
            return Went::Well;
        }
        if self.unsure {
            return Went::WrongInside;
        }
        self.reports.show_aside();
        Went::Well
    }

    /// Whether an element is right inside.
    fn inside(&mut self, node: ElementId, content: &'d Rule, outer: &Ways<'d>) -> bool {
        let element = self.document.element(node);
        let name = element.name();
        self.ways = Ways::One(State::new(element));
        let mut is_right = true;
        if choices::is_of_attributes(self.grammar, content) {
            if self.pattern(content) != Went::Well {
                is_right = false;
                self.report(Kind::AttributesInvalid, [name, ""]);
            }
        } else if self.patterns([content]) != Went::Well {
            is_right = false;
            let lost = matches!(self.ways, Ways::None);
            if lost {
                self.ways = outer.clone();
            }
            self.report(Kind::ContentInvalid, [name, ""]);
            if lost {
                self.ways = Ways::None;
            }
        }
        match self.ways.take() {
            Ways::Several(states) => {
                if states.iter().any(|state| self.left_over(state).is_none()) {
                    return is_right;
                }
                self.unsure = true;
                if let Some(best) = best(&states) {
                    self.ways = Ways::One(best.clone());
                    self.report_left_over();
                }
                false
            }
            Ways::One(state) if is_right => {
                self.ways = Ways::One(state);
                !self.report_left_over()
            }
            _ => is_right,
        }
    }

    /// What of an element is not accounted for.
    fn left_over(&self, state: &State<'d>) -> Option<(Kind, [&'d str; 2])> {
        let name = self.name(state.element);
        if let Some(child) = state.next() {
            return Some((Kind::ExtraContent, [name, self.name(child)]));
        }
        let attribute = state.attributes.iter().flatten().next()?;
        Some((Kind::InvalidAttribute, [attribute, name]))
    }

    /// Reports what is not accounted for on the one way; whether there is something.
    fn report_left_over(&mut self) -> bool {
        let Ways::One(state) = &mut self.ways else {
            return false;
        };
        state.skip(0);
        let state = state.clone();
        let left = self.left_over(&state);
        if let Some((kind, words)) = left {
            self.report(kind, words);
        }
        left.is_some()
    }

    /// The next child.
    fn step(&mut self) {
        if let Ways::One(state) = &mut self.ways {
            state.skip(1);
        }
    }

    fn failed(&mut self) -> Went {
        if !self.unsure {
            self.reports.show_aside();
        }
        Went::Wrong
    }

    /// Takes back what was put aside before it was known which element is meant.
    fn forget(&mut self, before: usize, name: &str) {
        if self.reports.aside() > 0 {
            self.reports.take_back(before);
            self.reports.take_back_names(name);
        }
    }

    fn attribute(&mut self, number: usize) -> Went {
        let (name, value) = &self.grammar.attributes[number];
        let Ways::One(state) = &self.ways else {
            return Went::Wrong;
        };
        let left = state.attributes.iter();
        let Some(at) = left.clone().position(|left| *left == Some(*name)) else {
            return Went::Wrong;
        };
        let element = self.document.element(state.element);
        let text = element.get(name).unwrap_or_default();
        if !self.value(value, text, (element.id(), name)) {
            return Went::Wrong;
        }
        if let Ways::One(state) = &mut self.ways {
            state.attributes[at] = None;
        }
        Went::Well
    }

    /// Whether a value is right.
    fn value(&mut self, rule: &'d Rule, text: &str, of: (ElementId, &'static str)) -> bool {
        match rule {
            Rule::Named(name) => self.value(self.grammar.rule(name), text, of),
            Rule::Choice(rules) => {
                let unsure = std::mem::replace(&mut self.unsure, true);
                let is_right = rules.iter().any(|rule| self.value(rule, text, of));
                self.unsure = unsure;
                if is_right {
                    self.reports.take_back(0);
                } else {
                    self.failed();
                }
                is_right
            }
            Rule::Value(accepted) => self.typed(accepted, text, of),
            _ => true,
        }
    }

    fn typed(
        &mut self,
        accepted: &Accepted,
        text: &str,
        (element, attribute): (ElementId, &'static str),
    ) -> bool {
        let is_right = values::accepts(accepted, text);
        let name = match accepted {
            Accepted::Id => "ID",
            Accepted::IdRef => "IDREF",
            Accepted::Integer => "integer",
            Accepted::Positive => "positiveInteger",
            Accepted::Boolean => "boolean",
            _ => return is_right,
        };
        if !is_right {
            self.report(Kind::TypeValue, [name, text]);
            return false;
        }
        let id = text.trim_matches([' ', '\t', '\n', '\r']).to_owned();
        match accepted {
            Accepted::Id => {
                let owner = *self.ids.known.entry(id).or_insert(element);
                if owner != element {
                    self.report(Kind::DuplicateId, [text, ""]);
                }
                owner == element
            }
            Accepted::IdRef => {
                self.ids.references.push(Reference {
                    element,
                    attribute,
                    id,
                });
                true
            }
            _ => true,
        }
    }
}

/// The way that comes closest: one that has gone over all children and has the fewest attributes
/// left, else the first.
fn best<'s, 'd>(states: &'s [State<'d>]) -> Option<&'s State<'d>> {
    let ended = states.iter().filter(|state| state.next().is_none());
    let ended = ended.min_by_key(|state| state.attributes_left());
    ended.or(states.first())
}
