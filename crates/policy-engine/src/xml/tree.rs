//! The tree: [`Document`] owns everything, [`Element`] is a cheap handle for reading.

use std::sync::Arc;

/// An element of a [`Document`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ElementId(pub u32);

/// A parsed document.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub(super) elements: Vec<Node>,
}

/// One element of the arena.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: Arc<str>,
    pub(super) attributes: Vec<(Arc<str>, Arc<str>)>,
    pub(super) parent: Option<ElementId>,
    pub(super) children: Vec<ElementId>,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A readable handle on an element.
#[derive(Clone, Copy, Debug)]
pub struct Element<'d> {
    document: &'d Document,
    id: ElementId,
}

impl Document {
    /// The root element.
    pub fn root(&self) -> Element<'_> {
        self.element(ElementId(0))
    }
    /// A handle on an element.
    pub fn element(&self, id: ElementId) -> Element<'_> {
        Element { document: self, id }
    }
    /// The only element called `name` anywhere in the document; `None` if there is none or several (01 §2.1).
    pub fn section(&self, name: &str) -> Option<Element<'_>> {
        let mut found = self
            .elements
            .iter()
            .enumerate()
            .filter(|(_, node)| &*node.name == name);
        let (index, _) = found.next()?;
        found
            .next()
            .is_none()
            .then(|| self.element(ElementId(index as u32)))
    }
    /// The element that `id-ref` of `element` stands for: the only one of the same name with that id (01 §16.3); an element
    /// without `id-ref` stands for itself.
    pub fn referenced<'d>(&'d self, element: Element<'d>) -> Option<Element<'d>> {
        let Some(target) = element.get("id-ref") else {
            return Some(element);
        };
        let mut found = (0..self.elements.len())
            .map(|i| self.element(ElementId(i as u32)))
            .filter(|e| e.name() == element.name() && e.get("id") == Some(target));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
    /// Appends a new empty element to `parent`.
    pub fn append(&mut self, parent: ElementId, name: &str) -> ElementId {
        let id = ElementId(self.elements.len() as u32);
        self.elements.push(Node {
            name: name.into(),
            attributes: Vec::new(),
            parent: Some(parent),
            children: Vec::new(),
            line: 0,
            column: 0,
        });
        self.elements[parent.0 as usize].children.push(id);
        id
    }
    /// Sets an attribute: in place if it exists, else appended.
    pub fn set(&mut self, id: ElementId, name: &str, value: &str) {
        let attributes = &mut self.elements[id.0 as usize].attributes;
        match attributes.iter_mut().find(|(own, _)| &**own == name) {
            Some(attribute) => attribute.1 = value.into(),
            None => attributes.push((name.into(), value.into())),
        }
    }
    /// Removes an attribute.
    pub fn unset(&mut self, id: ElementId, name: &str) {
        self.elements[id.0 as usize]
            .attributes
            .retain(|(own, _)| &**own != name);
    }
    /// Takes an element out of its parent.
    pub fn remove(&mut self, id: ElementId) {
        if let Some(parent) = self.elements[id.0 as usize].parent.take() {
            self.elements[parent.0 as usize]
                .children
                .retain(|child| *child != id);
        }
    }
}

impl<'d> Element<'d> {
    fn node(self) -> &'d Node {
        &self.document.elements[self.id.0 as usize]
    }
    /// Its id in the document.
    pub fn id(self) -> ElementId {
        self.id
    }
    /// The document.
    pub fn document(self) -> &'d Document {
        self.document
    }
    /// Element name.
    pub fn name(self) -> &'d str {
        &self.node().name
    }
    /// The value of an attribute.
    pub fn get(self, name: &str) -> Option<&'d str> {
        self.node()
            .attributes
            .iter()
            .find(|(own, _)| &**own == name)
            .map(|(_, value)| &**value)
    }
    /// All attributes in document order.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str)> {
        self.node()
            .attributes
            .iter()
            .map(|(name, value)| (&**name, &**value))
    }
    /// Parent element.
    pub fn parent(self) -> Option<Element<'d>> {
        self.node().parent.map(|id| self.document.element(id))
    }
    /// Child elements in document order.
    pub fn children(self) -> impl Iterator<Item = Element<'d>> {
        self.node()
            .children
            .iter()
            .map(move |id| self.document.element(*id))
    }
    /// Child elements called `name`.
    pub fn children_named(self, name: &str) -> impl Iterator<Item = Element<'d>> {
        self.children().filter(move |child| child.name() == name)
    }
    /// The first child element called `name`.
    pub fn child(self, name: &str) -> Option<Element<'d>> {
        self.children().find(|child| child.name() == name)
    }
    /// Line and column of the element's start, from 1; (0, 0) for elements that were appended.
    pub fn position(self) -> (u32, u32) {
        (self.node().line, self.node().column)
    }
}
