//! How far a check has come in an element: which children and which attributes are still to be
//! accounted for.

use std::rc::Rc;

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

    fn is_at_the_same(&self, other: &State<'_>) -> bool {
        self.element == other.element
            && self.next() == other.next()
            && self.before_first == other.before_first
            && self.attributes == other.attributes
    }
}

/// Adds a way unless it is there already; whether it was added.
pub(super) fn add<'d>(states: &mut Vec<State<'d>>, state: State<'d>) -> bool {
    let known = states.iter().any(|known| known.is_at_the_same(&state));
    if !known {
        states.push(state);
    }
    !known
}
