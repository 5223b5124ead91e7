//! How far a check has come in an element: which children and which attributes are still to be
//! accounted for.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::xml::{Element, ElementId};

/// A way through the patterns of an element.
#[derive(Clone)]
pub(super) struct State<'d> {
    /// The element; its parent's children are those that are gone through.
    pub(super) element: ElementId,
    /// The children, or those of them that one part of an interleave gets.
    children: Rc<[ElementId]>,
    /// How many of them are accounted for.
    at: usize,
    /// It is still at the white space before the first child, so that reports name the element.
    before_first: bool,
    /// Names of the attributes, `None` once they are accounted for.
    pub(super) attributes: Vec<Option<&'d str>>,
}

impl<'d> State<'d> {
    /// Nothing is accounted for yet.
    pub(super) fn new(element: Element<'d>) -> State<'d> {
        let (line, _) = element.position();
        let first = element.children().next();
        State {
            element: element.id(),
            children: element.children().map(|child| child.id()).collect(),
            at: 0,
            before_first: first.is_some_and(|child| child.position().0 > line),
            attributes: element.attributes().map(|(name, _)| Some(name)).collect(),
        }
    }

    /// The child that comes next.
    pub(super) fn next(&self) -> Option<ElementId> {
        self.children.get(self.at).copied()
    }

    /// The child that reports name.
    pub(super) fn named(&self) -> Option<ElementId> {
        self.next().filter(|_| !self.before_first)
    }

    /// The children that are left.
    pub(super) fn rest(&self) -> &[ElementId] {
        &self.children[self.at.min(self.children.len())..]
    }

    /// Goes over some children.
    pub(super) fn skip(&mut self, count: usize) {
        self.at += count;
        self.before_first = false;
    }

    /// All children are accounted for.
    pub(super) fn finish(&mut self) {
        self.at = self.children.len();
        self.before_first = false;
    }

    /// The same with other children.
    pub(super) fn with_children(&self, children: &[ElementId]) -> State<'d> {
        State {
            children: children.into(),
            at: 0,
            before_first: false,
            ..self.clone()
        }
    }

    /// The children of another state, at its place.
    pub(super) fn take_place_of(&mut self, other: &State<'_>) {
        self.children = Rc::clone(&other.children);
        self.at = other.at;
        self.before_first = other.before_first;
    }

    pub(super) fn attributes_left(&self) -> usize {
        self.attributes.iter().flatten().count()
    }

    /// What makes two ways the same, but for the attributes.
    fn place(&self) -> (ElementId, Option<ElementId>, bool) {
        (self.element, self.next(), self.before_first)
    }
}

/// Ways without doubles, in the order in which they were found. There can be as many as an element
/// has children, so they are not compared one with each other.
#[derive(Default)]
pub(super) struct Found<'d> {
    states: Vec<State<'d>>,
    places: FxHashMap<(ElementId, Option<ElementId>, bool), Vec<usize>>,
}

impl<'d> Found<'d> {
    /// These ways as they are.
    pub(super) fn holding(states: Vec<State<'d>>) -> Found<'d> {
        let mut found = Found::default();
        for state in states {
            found.push(state);
        }
        found
    }

    fn push(&mut self, state: State<'d>) {
        let known = self.places.entry(state.place()).or_default();
        known.push(self.states.len());
        self.states.push(state);
    }

    /// Adds a way unless it is there already.
    pub(super) fn add(&mut self, state: State<'d>) {
        let known = self.places.get(&state.place()).into_iter().flatten();
        let mut same = known.map(|at| &self.states[*at]);
        if !same.any(|known| known.attributes == state.attributes) {
            self.push(state);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// The ways that were found after so many others.
    pub(super) fn after(&self, count: usize) -> Vec<State<'d>> {
        self.states[count..].to_vec()
    }

    pub(super) fn into_states(self) -> Vec<State<'d>> {
        self.states
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, State};
    use crate::xml;

    #[test]
    fn as_many_ways_as_there_are_children_take_little_time() {
        // If each way were compared with all others, this would take minutes.
        let count = 200_000;
        let text = format!("<all>{}</all>", "<one/>".repeat(count));
        let document = xml::parse(&text).unwrap();
        let (mut found, mut state) = (Found::default(), State::new(document.root()));
        for _ in 0..count {
            found.add(state.clone());
            found.add(state.clone());
            state.skip(1);
        }
        assert_eq!(found.len(), count);
    }
}
