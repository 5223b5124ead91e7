//! The tree: elements, attributes and texts, each with its byte offset in the document.

use std::borrow::Cow;

use policy_engine::xml::Writer;

/// An element with everything in it but comments, processing instructions and white space.
#[derive(Debug)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a str,
    /// Of its `<`.
    pub(crate) offset: usize,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) children: Vec<Element<'a>>,
    pub(crate) text: Option<Text<'a>>,
}

/// `name="value"`.
#[derive(Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    /// Of its name.
    pub(crate) offset: usize,
    pub(crate) value: Cow<'a, str>,
    /// Of its value, after the quote.
    pub(crate) value_offset: usize,
}

impl Attribute<'_> {
    /// Where its value is in the text that it was read from, begin and end.
    pub(crate) fn place(&self, text: &str) -> Option<(usize, usize)> {
        let begin = self.value_offset;
        // The quote before it is the one that ends it.
        let quote = text.get(..begin)?.chars().next_back()?;
        let length = text.get(begin..)?.find(quote)?;
        Some((begin, begin + length))
    }
}

/// The text directly in an element, in one piece. Text that is only white space does not count.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    pub(crate) value: Cow<'a, str>,
    /// Of the first character that is not white space.
    pub(crate) offset: usize,
}

impl<'a> Element<'a> {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// The value of an attribute.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|attribute| &*attribute.value)
    }

    /// Where to point for an attribute: at its value, or at the element if it does not have it.
    pub(crate) fn place(&self, name: &str) -> usize {
        self.attribute(name)
            .map_or(self.offset, |attribute| attribute.value_offset)
    }

    /// Calls `action` with the element and with all below it, in the order of the document.
    pub(crate) fn visit<'e>(&'e self, action: &mut impl FnMut(&'e Element<'a>)) {
        action(self);
        for child in &self.children {
            child.visit(action);
        }
    }

    /// Writes the element and all below it. Text is left out: only elements without are written.
    pub(crate) fn write<'e>(&'e self, xml: &mut Writer<'e>) {
        xml.open(self.name);
        for attribute in &self.attributes {
            xml.attribute(attribute.name, &attribute.value);
        }
        for child in &self.children {
            child.write(xml);
        }
        xml.close();
    }
}
