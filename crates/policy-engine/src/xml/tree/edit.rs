//! Changes of structure, for the upgrade of old configurations: copies, new siblings, other names.
//! Each takes time in proportion to what it touches, so that a long list can be changed element by
//! element.

use super::{Document, ElementId, NONE, Node};

impl Document {
    /// Gives an element another name.
    pub fn rename(&mut self, id: ElementId, name: &str) {
        self.targets.take();
        let attached = self.is_attached(id);
        let old = self.nodes[id.index()].name;
        let new = self.names.intern(name);
        self.nodes[id.index()].name = new;
        self.make_section(new);
        if attached {
            self.sections[old.index()].count -= 1;
            self.count_section(id);
        }
    }

    /// Adds an empty element behind `sibling`, which is not the root. It has the place of its
    /// sibling in the text.
    pub fn insert_after(&mut self, sibling: ElementId, name: &str) -> ElementId {
        let (parent, offset) = (
            self.nodes[sibling.index()].parent,
            self.nodes[sibling.index()].offset,
        );
        let id = self.detached(name, offset);
        let next = std::mem::replace(&mut self.nodes[sibling.index()].next, id.0);
        self.nodes[id.index()].next = next;
        self.nodes[id.index()].parent = parent;
        if parent != NONE && next == NONE {
            self.nodes[parent as usize].last_child = id.0;
        }
        if self.is_attached(id) {
            self.count_section(id);
        }
        id
    }

    /// Adds an empty element before all children of `parent`. It has the place of its parent in the
    /// text.
    pub fn prepend(&mut self, parent: ElementId, name: &str) -> ElementId {
        let offset = self.nodes[parent.index()].offset;
        let id = self.detached(name, offset);
        let node = &mut self.nodes[parent.index()];
        let next = std::mem::replace(&mut node.first_child, id.0);
        if next == NONE {
            node.last_child = id.0;
        }
        self.nodes[id.index()].next = next;
        self.nodes[id.index()].parent = parent.0;
        if self.is_attached(id) {
            self.count_section(id);
        }
        id
    }

    /// Adds a copy of an element, with its attributes and all that is below it, behind the children
    /// of `parent`. The copies have the places of the originals in the text.
    pub fn append_copy(&mut self, parent: ElementId, source: ElementId) -> ElementId {
        let (name, offset) = (
            self.nodes[source.index()].name,
            self.nodes[source.index()].offset,
        );
        self.targets.take();
        let id = self.push(parent.0, name, offset);
        if self.is_attached(id) {
            self.count_section(id);
        }
        self.copy_content(id, source);
        id
    }

    /// Gives an element the attributes of another one, and copies of all that is below it.
    fn copy_content(&mut self, id: ElementId, source: ElementId) {
        self.copy_attributes(id, source);
        // depth first, without recursion: pairs of a copy and its original
        let mut open = vec![(id, source)];
        while let Some((copy, original)) = open.pop() {
            let mut child = self.nodes[original.index()].first_child;
            while child != NONE {
                let Node { name, offset, .. } = self.nodes[child as usize];
                let new = self.push(copy.0, name, offset);
                if self.is_attached(new) {
                    self.count_section(new);
                }
                self.copy_attributes(new, ElementId(child));
                open.push((new, ElementId(child)));
                child = self.nodes[child as usize].next;
            }
        }
    }

    /// Gives an element without attributes those of another one.
    pub fn copy_attributes(&mut self, id: ElementId, source: ElementId) {
        let range = self.nodes[source.index()].attribute_range();
        let first = self.attributes.len() as u32;
        let node = &mut self.nodes[id.index()];
        node.attribute_count = range.len() as u32;
        node.first_attribute = first;
        self.attributes.extend_from_within(range);
    }

    /// Takes those children out of an element for which `gone` says so.
    pub fn remove_children(
        &mut self,
        parent: ElementId,
        mut gone: impl FnMut(super::Element<'_>) -> bool,
    ) {
        let all: Vec<ElementId> = self.element(parent).children().map(|c| c.id()).collect();
        let mut last = NONE;
        for child in all {
            if gone(self.element(child)) {
                self.uncount(child);
                let node = &mut self.nodes[child.index()];
                (node.parent, node.next) = (NONE, NONE);
                continue;
            }
            match last {
                NONE => self.nodes[parent.index()].first_child = child.0,
                last => self.nodes[last as usize].next = child.0,
            }
            self.nodes[child.index()].next = NONE;
            last = child.0;
        }
        if last == NONE {
            self.nodes[parent.index()].first_child = NONE;
        }
        self.nodes[parent.index()].last_child = last;
        self.targets.take();
    }

    /// An element without parent.
    fn detached(&mut self, name: &str, offset: u32) -> ElementId {
        self.targets.take();
        let name = self.names.intern(name);
        self.push(NONE, name, offset)
    }
}

#[cfg(test)]
mod tests {
    use crate::xml::{Document, Writer, parse};

    fn text(document: &Document) -> String {
        let mut xml = Writer::new();
        xml.element(document.root());
        let text = xml.finish();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn elements_come_behind_before_and_under_others() {
        let mut document = parse("<a><b/><c x=\"1\"><d/></c></a>").unwrap();
        let b = document.root().child("b").unwrap().id();
        let c = document.root().child("c").unwrap().id();
        let e = document.insert_after(b, "e");
        document.insert_after(c, "f");
        document.prepend(document.root().id(), "g");
        document.append_copy(e, c);
        document.append(document.root().id(), "h");
        let want =
            "<a> <g/> <b/> <e> <c x=\"1\"> <d/> </c> </e> <c x=\"1\"> <d/> </c> <f/> <h/> </a>";
        assert_eq!(text(&document), want);
        assert!(document.section("d").is_none(), "there are two of them");
        let copied = document.element(e).child("c").unwrap();
        assert_eq!(copied.position(), document.element(c).position());
    }

    #[test]
    fn a_renamed_element_is_found_by_its_new_name() {
        let mut document = parse("<a><b/></a>").unwrap();
        let b = document.section("b").unwrap().id();
        document.rename(b, "c");
        assert!(document.section("b").is_none());
        assert_eq!(document.section("c").map(|c| c.id()), Some(b));
        assert_eq!(text(&document), "<a> <c/> </a>");
    }

    #[test]
    fn the_first_the_last_and_all_children_can_go() {
        for (gone, want) in [
            ("b", "<a> <c/> <d/> </a>"),
            ("d", "<a> <b/> <c/> </a>"),
            ("bd", "<a> <c/> </a>"),
            ("bcd", "<a/>"),
        ] {
            let mut document = parse("<a><b/><c/><d/></a>").unwrap();
            document.remove_children(document.root().id(), |child| gone.contains(child.name()));
            assert_eq!(text(&document), want);
            assert_eq!(document.section("b").is_some(), !gone.contains('b'));
            document.append(document.root().id(), "e");
            assert!(text(&document).ends_with("<e/> </a>"));
        }
    }
}
