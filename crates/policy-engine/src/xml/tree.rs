//! The tree: [`Document`] owns everything, [`Element`] is a cheap handle for reading.
//!
//! Elements are linked by index (parent, first and last child, next sibling); the attributes of an
//! element lie side by side; values are ranges of one text buffer, which begins with the text that
//! was parsed. An attribute that is set later appends its value.

mod edit;

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::names::{Mark, NameId, Names};

/// An element of a [`Document`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ElementId(pub u32);

impl ElementId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// No element: end of a list, parent of the root.
const NONE: u32 = u32::MAX;
/// What a text is expected to have: so many names, and each element and each attribute in so many
/// bytes. Room for elements and attributes that is not needed is given back.
const MOST_NAMES: usize = 128;
const BYTES_OF_ELEMENT: usize = 100;
const BYTES_OF_ATTRIBUTE: usize = 24;

/// A parsed document.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The parsed text, then values that had to be unescaped or were set later.
    pub(super) text: String,
    /// Length of the parsed text.
    parsed: u32,
    pub(super) names: Names,
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
    /// By [`NameId`]: how many attached elements have the name, and one of them (exact if the count
    /// is 1).
    sections: Vec<Section>,
    /// Offsets at which the lines of the parsed text begin; collected at the first use.
    lines: OnceLock<Vec<u32>>,
    /// Targets of `id-ref`; collected at the first use, dropped on a change.
    targets: OnceLock<Targets>,
}

/// One element of the arena.
#[derive(Clone, Debug)]
struct Node {
    name: NameId,
    /// Offset of the start tag in the parsed text, [`NONE`] for appended elements.
    offset: u32,
    first_attribute: u32,
    attribute_count: u32,
    parent: u32,
    first_child: u32,
    last_child: u32,
    next: u32,
}

/// One attribute; `value` is a range of the text buffer.
#[derive(Clone, Debug)]
struct Attribute {
    name: NameId,
    start: u32,
    length: u32,
}

#[derive(Clone, Copy, Debug)]
struct Section {
    count: u32,
    one: u32,
}

/// (element name, `id`) → the only such element, or none if there are several. Only for names that
/// occur with an `id-ref`.
type Targets = FxHashMap<(NameId, Box<str>), Option<ElementId>>;

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
    /// Number of elements ever made.
    pub fn element_count(&self) -> usize {
        self.nodes.len()
    }
    /// The only element called `name` anywhere in the document; `None` if there is none or several
    /// (01 §2.1).
    pub fn section(&self, name: &str) -> Option<Element<'_>> {
        let name = self.names.find(name)?;
        let section = self.sections.get(name.index())?;
        if section.count != 1 {
            return None;
        }
        let known = self.element(ElementId(section.one));
        if known.node().name == name && self.is_attached(known.id) {
            return Some(known);
        }
        // the cached one has been removed since
        self.root()
            .descendants()
            .find(|element| element.node().name == name)
    }
    /// The target of the `id-ref` of `element`: the only one of the same name with that
    /// id (01 §16.3); an element without `id-ref` is its own target.
    pub fn referenced<'d>(&'d self, element: Element<'d>) -> Option<Element<'d>> {
        let Some(target) = element.get("id-ref") else {
            return Some(element);
        };
        let targets = self.targets.get_or_init(|| self.find_targets());
        let found = (*targets.get(&(element.node().name, target.into()))?)?;
        Some(self.element(found))
    }

    fn find_targets(&self) -> Targets {
        let mut referring = vec![false; self.names.len()];
        for element in self.root().descendants() {
            if element.get("id-ref").is_some() {
                referring[element.node().name.index()] = true;
            }
        }
        let mut targets = Targets::default();
        for element in self.root().descendants() {
            let name = element.node().name;
            if referring[name.index()]
                && let Some(id) = element.get("id")
            {
                targets
                    .entry((name, id.into()))
                    .and_modify(|several| *several = None)
                    .or_insert(Some(element.id));
            }
        }
        targets
    }

    /// Appends a new empty element to `parent`.
    pub fn append(&mut self, parent: ElementId, name: &str) -> ElementId {
        let name = self.names.intern(name);
        self.targets.take();
        let id = self.push(parent.0, name, NONE);
        if self.is_attached(id) {
            self.count_section(id);
        }
        id
    }
    /// Sets an attribute: in place if it exists, else appended.
    pub fn set(&mut self, id: ElementId, name: &str, value: &str) {
        self.targets.take();
        let name = self.names.intern(name);
        let start = self.text.len() as u32;
        self.text.push_str(value);
        let length = value.len() as u32;
        let range = self.nodes[id.index()].attribute_range();
        match self.attributes[range].iter_mut().find(|a| a.name == name) {
            Some(attribute) => (attribute.start, attribute.length) = (start, length),
            None => {
                self.make_room(id);
                self.push_attribute(id.0, name, start, length);
            }
        }
    }
    /// Moves the attributes of an element to the end of the arena, so that one more can follow.
    fn make_room(&mut self, id: ElementId) {
        let range = self.nodes[id.index()].attribute_range();
        if range.end == self.attributes.len() {
            return;
        }
        self.nodes[id.index()].first_attribute = self.attributes.len() as u32;
        self.attributes.extend_from_within(range);
    }
    /// Removes an attribute.
    pub fn unset(&mut self, id: ElementId, name: &str) {
        let Some(name) = self.names.find(name) else {
            return;
        };
        self.targets.take();
        let range = self.nodes[id.index()].attribute_range();
        let own = &mut self.attributes[range];
        if let Some(position) = own.iter().position(|a| a.name == name) {
            own[position..].rotate_left(1);
            self.nodes[id.index()].attribute_count -= 1;
        }
    }
    /// Takes an element out of its parent. The root stays.
    pub fn remove(&mut self, id: ElementId) {
        let parent = self.nodes[id.index()].parent;
        if parent == NONE {
            return;
        }
        self.targets.take();
        self.uncount(id);
        let next = self.nodes[id.index()].next;
        let mut before = NONE;
        let mut child = self.nodes[parent as usize].first_child;
        while child != id.0 && child != NONE {
            before = child;
            child = self.nodes[child as usize].next;
        }
        match before {
            NONE => self.nodes[parent as usize].first_child = next,
            before => self.nodes[before as usize].next = next,
        }
        if self.nodes[parent as usize].last_child == id.0 {
            self.nodes[parent as usize].last_child = before;
        }
        let node = &mut self.nodes[id.index()];
        (node.parent, node.next) = (NONE, NONE);
    }

    /// No longer counts an element, and all that is below it, among the sections.
    fn uncount(&mut self, id: ElementId) {
        if !self.is_attached(id) {
            return;
        }
        let gone: Vec<NameId> = self
            .element(id)
            .descendants()
            .map(|element| element.node().name)
            .collect();
        for name in gone {
            self.sections[name.index()].count -= 1;
        }
    }

    fn is_attached(&self, id: ElementId) -> bool {
        let mut at = id.0;
        while self.nodes[at as usize].parent != NONE {
            at = self.nodes[at as usize].parent;
        }
        at == 0
    }

    /// Adds an element behind the last child of `parent` ([`NONE`]: the root).
    fn push(&mut self, parent: u32, name: NameId, offset: u32) -> ElementId {
        let id = self.nodes.len() as u32;
        self.nodes.push(Node {
            name,
            offset,
            first_attribute: self.attributes.len() as u32,
            attribute_count: 0,
            parent,
            first_child: NONE,
            last_child: NONE,
            next: NONE,
        });
        if parent != NONE {
            let node = &mut self.nodes[parent as usize];
            let last = std::mem::replace(&mut node.last_child, id);
            match last {
                NONE => node.first_child = id,
                last => self.nodes[last as usize].next = id,
            }
        }
        self.make_section(name);
        ElementId(id)
    }

    fn make_section(&mut self, name: NameId) {
        if self.sections.len() <= name.index() {
            let unused = Section {
                count: 0,
                one: NONE,
            };
            self.sections.resize(name.index() + 1, unused);
        }
    }

    fn count_section(&mut self, id: ElementId) {
        let section = &mut self.sections[self.nodes[id.index()].name.index()];
        section.count += 1;
        section.one = id.0;
    }

    /// A document without elements, for the parser to fill with ranges of `text`.
    pub(super) fn over(text: &str) -> Document {
        Document {
            text: text.to_owned(),
            parsed: text.len() as u32,
            names: Names::with_capacity(MOST_NAMES.min(text.len() / 64)),
            nodes: Vec::with_capacity(text.len() / BYTES_OF_ELEMENT),
            attributes: Vec::with_capacity(text.len() / BYTES_OF_ATTRIBUTE),
            ..Document::default()
        }
    }

    /// The name of the last child of an element.
    pub(super) fn name_of_last_child(&self, id: ElementId) -> Option<NameId> {
        let last = self.nodes[id.index()].last_child;
        (last != NONE).then(|| self.nodes[last as usize].name)
    }

    /// The name of an element's attribute of that number.
    pub(super) fn name_of_attribute(&self, id: ElementId, number: usize) -> Option<NameId> {
        let own = &self.attributes[self.nodes[id.index()].attribute_range()];
        own.get(number).map(|attribute| attribute.name)
    }

    /// The parser's way to add an element.
    pub(super) fn push_parsed(
        &mut self,
        parent: Option<ElementId>,
        name: NameId,
        offset: usize,
    ) -> ElementId {
        let id = self.push(parent.map_or(NONE, |id| id.0), name, offset as u32);
        self.count_section(id);
        id
    }

    /// Adds an attribute to the element whose attributes lie at the end of the arena.
    pub(super) fn push_attribute(&mut self, id: u32, name: NameId, start: u32, length: u32) {
        self.attributes.push(Attribute {
            name,
            start,
            length,
        });
        self.nodes[id as usize].attribute_count += 1;
    }

    /// Frees memory that was allocated in advance.
    pub(super) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        self.attributes.shrink_to_fit();
    }

    fn value(&self, attribute: &Attribute) -> &str {
        let start = attribute.start as usize;
        &self.text[start..start + attribute.length as usize]
    }

    fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let parsed = &self.text.as_bytes()[..self.parsed as usize];
            let breaks = parsed.iter().enumerate().filter(|(_, c)| **c == b'\n');
            std::iter::once(0)
                .chain(breaks.map(|(offset, _)| offset as u32 + 1))
                .collect()
        })
    }
}

impl Node {
    fn attribute_range(&self) -> std::ops::Range<usize> {
        let first = self.first_attribute as usize;
        first..first + self.attribute_count as usize
    }
}

impl<'d> Element<'d> {
    fn node(self) -> &'d Node {
        &self.document.nodes[self.id.index()]
    }
    fn at(self, index: u32) -> Option<Element<'d>> {
        (index != NONE).then(|| self.document.element(ElementId(index)))
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
        self.document.names.text(self.node().name)
    }
    /// The value of an attribute.
    pub fn get(self, name: &str) -> Option<&'d str> {
        let document = self.document;
        let mark = Mark::of(name);
        document.attributes[self.node().attribute_range()]
            .iter()
            .find(|attribute| document.names.is(attribute.name, mark, name))
            .map(|attribute| document.value(attribute))
    }
    /// All attributes in document order.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str)> {
        let document = self.document;
        document.attributes[self.node().attribute_range()]
            .iter()
            .map(move |attribute| {
                (
                    document.names.text(attribute.name),
                    document.value(attribute),
                )
            })
    }
    /// Parent element.
    pub fn parent(self) -> Option<Element<'d>> {
        self.at(self.node().parent)
    }
    /// Child elements in document order.
    pub fn children(self) -> impl Iterator<Item = Element<'d>> {
        std::iter::successors(self.at(self.node().first_child), |child| {
            child.at(child.node().next)
        })
    }
    /// Child elements called `name`.
    pub fn children_named(self, name: &str) -> impl Iterator<Item = Element<'d>> {
        let name = self.document.names.find(name);
        self.children()
            .filter(move |child| Some(child.node().name) == name)
    }
    /// The first child element called `name`.
    pub fn child(self, name: &str) -> Option<Element<'d>> {
        self.children_named(name).next()
    }
    /// The element itself and everything below it, in document order.
    pub fn descendants(self) -> impl Iterator<Item = Element<'d>> {
        let top = self.id;
        std::iter::successors(Some(self), move |element| {
            if let Some(child) = element.at(element.node().first_child) {
                return Some(child);
            }
            let mut at = *element;
            while at.id != top {
                if let Some(next) = at.at(at.node().next) {
                    return Some(next);
                }
                at = at.parent()?;
            }
            None
        })
    }
    /// Line and column (in bytes) of the element's start, from 1; (0, 0) for elements that were
    /// appended.
    pub fn position(self) -> (u32, u32) {
        let offset = self.node().offset;
        if offset == NONE {
            return (0, 0);
        }
        let lines = self.document.line_starts();
        let line = lines.partition_point(|start| *start <= offset);
        (line as u32, offset - lines[line - 1] + 1)
    }
}
