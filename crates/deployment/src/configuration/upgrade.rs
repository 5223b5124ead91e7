//! A `<configuration>` of an older schema in the words of the newest, with the places of the old
//! ones. It may name its schema as a CIB does (`validate-with`). Then it has to follow it, and
//! anything that the schema has is read; otherwise only what is not refused here is.

use std::borrow::Cow;
use std::collections::HashMap;

use policy_engine::Change;
use policy_engine::xml::{self, Document, Writer};

use super::{grammar, topology};
use crate::problem::Problems;
use crate::tree::{Attribute, Element};

/// The attribute that names the schema.
const SCHEMA: &str = "validate-with";

/// Sections that a CIB always has.
const SECTIONS: &[&str] = &["crm_config", "nodes", "resources", "constraints"];

/// Which element of the document a line of the text is about.
type Places<'e> = HashMap<u32, &'e Element<'e>>;

/// What became of a configuration.
pub(super) enum Outcome<'e> {
    /// It has nothing old, or what is refused anyway.
    AsItIs,
    /// It had.
    Upgraded(Box<Upgraded<'e>>),
    /// It does not follow the schema that it names, which was reported.
    Refused,
}

/// An upgraded configuration.
pub(super) struct Upgraded<'e> {
    document: Document,
    places: Places<'e>,
    original: &'e Element<'e>,
}

/// Upgrades a configuration, and warns of what that changes.
pub(super) fn upgrade<'e>(element: &'e Element<'e>, problems: &mut Problems) -> Outcome<'e> {
    let schema = element.value(SCHEMA);
    if schema.is_none() && is_refused(element) {
        return Outcome::AsItIs;
    }
    let text = text(element, schema);
    let (mut document, places) = match xml::parse(&text) {
        Ok(document) => {
            let places = places(element, &document);
            (document, places)
        }
        Err(error) => {
            let message = format!("the policy engine cannot read this configuration: {error}");
            problems.error(element.offset, message, None);
            return Outcome::Refused;
        }
    };
    match policy_engine::upgrade_configuration(&mut document) {
        Ok(changes) if changes.is_empty() && schema.is_none() => Outcome::AsItIs,
        Ok(changes) => {
            for change in &changes {
                warn(change, &places, element, problems);
            }
            Outcome::Upgraded(Box::new(Upgraded {
                document,
                places,
                original: element,
            }))
        }
        Err(invalid) => {
            let place = places
                .get(&invalid.line)
                .map_or(element.offset, |e| e.offset);
            let hint = "it has to be as its schema or a later one says".to_owned();
            problems.error(place, invalid.text, hint);
            Outcome::Refused
        }
    }
}

/// Whether it has what is refused unless a schema that has it is named.
fn is_refused(element: &Element<'_>) -> bool {
    let mut refused = false;
    element.visit(&mut |inner| {
        refused |= grammar::instead(inner.name).is_some();
        refused |= matches!(inner.value("class"), Some("nagios" | "upstart"));
        // The upgrade drops a level that Pacemaker does not know: nobody wants that of a document.
        refused |= inner.name == "fencing-level" && !topology::has_index(inner);
    });
    refused
}

fn warn(change: &Change, places: &Places<'_>, element: &Element<'_>, problems: &mut Problems) {
    let place = places
        .get(&change.line)
        .map_or(element.offset, |e| e.offset);
    let hint = "this is how the old configuration is read".to_owned();
    problems.warning(place, change.text.clone(), hint);
}

/// The element as a CIB, each start tag in a line of its own.
fn text(element: &Element<'_>, schema: Option<&str>) -> String {
    let mut xml = Writer::new();
    xml.open("cib").optional(SCHEMA, schema);
    xml.open("configuration");
    for child in &element.children {
        child.write(&mut xml);
    }
    for section in SECTIONS {
        if !element.children.iter().any(|child| child.name == *section) {
            xml.open(section).close();
        }
    }
    xml.finish()
}

/// The elements below the configuration come in the same order in both.
fn places<'e>(element: &'e Element<'e>, document: &Document) -> Places<'e> {
    let mut originals = Vec::new();
    element.visit(&mut |original| originals.push(original));
    let written = document.root().descendants().skip(1);
    let lines = written.map(|written| written.position().0);
    lines.zip(originals).collect()
}

impl Upgraded<'_> {
    /// The upgraded element.
    pub(super) fn element(&self) -> Element<'_> {
        let root = self.document.root();
        let mut element = Element {
            name: self.original.name,
            offset: self.original.offset,
            attributes: Vec::new(),
            children: Vec::new(),
            text: None,
        };
        if let Some(configuration) = root.child("configuration") {
            element.children = configuration
                .children()
                .map(|child| self.copy(child, self.original))
                .filter(|child| !self.is_added(child))
                .collect();
        }
        element
    }

    /// A section that only the CIB needs.
    fn is_added(&self, section: &Element<'_>) -> bool {
        let mut originals = self.original.children.iter();
        section.children.is_empty() && !originals.any(|original| original.name == section.name)
    }

    /// An element of the upgraded configuration, with the places of the one that it was made of:
    /// without one, that of the nearest outer one.
    fn copy<'s>(&'s self, source: xml::Element<'s>, outer: &'s Element<'s>) -> Element<'s> {
        let known = self.places.get(&source.position().0).copied();
        let place = known.unwrap_or(outer);
        let attributes = source.attributes().map(|(name, value)| {
            let original = known.and_then(|known| known.attribute(name));
            Attribute {
                name,
                offset: original.map_or(place.offset, |original| original.offset),
                value: Cow::Borrowed(value),
                value_offset: original.map_or(place.offset, |original| original.value_offset),
            }
        });
        Element {
            name: source.name(),
            offset: place.offset,
            attributes: attributes.collect(),
            children: source
                .children()
                .map(|child| self.copy(child, place))
                .collect(),
            text: None,
        }
    }
}
