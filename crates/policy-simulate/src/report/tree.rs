//! The content of the structured formats: a tree of elements, written as XML or as JSON.

use policy_engine::xml::Writer;
use serde_json::{Map, Value};

/// How the children of an element appear in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// An object with the attributes; child lists are members under their own names.
    Object,
    /// An object whose other children are an array with this name.
    Members(&'static str),
    /// An array of the children.
    List,
}

/// An element.
#[derive(Clone, Debug)]
pub(super) struct Element {
    name: &'static str,
    shape: Shape,
    attributes: Vec<(&'static str, Value)>,
    children: Vec<Element>,
}

impl Element {
    /// An empty element.
    pub(super) fn new(name: &'static str, shape: Shape) -> Element {
        Element {
            name,
            shape,
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    /// A list of elements.
    pub(super) fn list(name: &'static str, children: impl IntoIterator<Item = Element>) -> Element {
        let mut list = Element::new(name, Shape::List);
        list.children.extend(children);
        list
    }

    /// With an attribute.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Element {
        self.attributes.push((name, value.into()));
        self
    }

    /// With an attribute, if there is a value.
    pub(super) fn with_some<T: ToString>(self, name: &'static str, value: Option<T>) -> Element {
        match value {
            Some(value) => self.with(name, value.to_string()),
            None => self,
        }
    }

    /// Adds a child.
    pub(super) fn push(&mut self, child: Element) {
        self.children.push(child);
    }

    /// With children.
    pub(super) fn containing(mut self, children: impl IntoIterator<Item = Element>) -> Element {
        self.children.extend(children);
        self
    }

    /// As JSON. Members of mixed lists have their element name under `kind`.
    pub(super) fn to_json(&self) -> Value {
        if self.shape == Shape::List {
            return Value::Array(self.children.iter().map(|c| c.to_member()).collect());
        }
        let mut object = Map::new();
        for (name, value) in &self.attributes {
            object.insert((*name).to_owned(), value.clone());
        }
        let mut members = Vec::new();
        for child in &self.children {
            match (child.shape, self.shape) {
                (Shape::List, _) | (_, Shape::Object) => {
                    object.insert(child.name.to_owned(), child.to_json());
                }
                _ => members.push(child.to_member()),
            }
        }
        if let Shape::Members(name) = self.shape {
            object.insert(name.to_owned(), Value::Array(members));
        }
        Value::Object(object)
    }

    fn to_member(&self) -> Value {
        let mut value = self.to_json();
        if let Value::Object(object) = &mut value {
            object.insert("kind".to_owned(), self.name.into());
        }
        value
    }

    /// Appends the element as XML.
    pub(super) fn write_xml(&self, xml: &mut Writer<'_>) {
        xml.open(self.name);
        for (name, value) in &self.attributes {
            match value {
                Value::String(text) => xml.attribute(name, text),
                other => xml.attribute(name, &other.to_string()),
            };
        }
        for child in &self.children {
            child.write_xml(xml);
        }
        xml.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tree_is_written_in_both_formats() {
        let node = Element::new("node", Shape::Object)
            .with("name", "a\"b")
            .with("online", true);
        let tree =
            Element::new("status", Shape::Object).containing([Element::list("nodes", [node])]);
        let mut xml = Writer::new();
        tree.write_xml(&mut xml);
        assert_eq!(
            xml.finish(),
            "<status>\n  <nodes>\n    <node name=\"a&quot;b\" online=\"true\"/>\n  </nodes>\n</status>\n"
        );
        assert_eq!(
            tree.to_json().to_string(),
            r#"{"nodes":[{"kind":"node","name":"a\"b","online":true}]}"#
        );
    }
}
