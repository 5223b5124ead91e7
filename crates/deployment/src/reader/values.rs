//! Attributes and parameters as the document gives them: a value, or a reference to one.
//!
//! Attributes and parameters of assemblies, parameters of services and of fencing are *slots*. A
//! slot has a value or refers to one other slot.

use std::collections::{BTreeMap, HashSet};

use super::form::Form;
use super::original;
use crate::live::{self, LiveSource, OnChange};
use crate::problem::{Problems, quote, suggest};
use crate::secret;
use crate::tree::Element;
use crate::uses::Places;

/// Whose slot it is, by index in the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// `<attributes>` of an assembly.
    Assembly(usize),
    /// `<parameters>` of an assembly: for references only.
    AssemblyParameters(usize),
    Service(usize),
    Fencing(usize),
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) owner: Owner,
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) offset: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Value(String),
    Reference(Reference),
    /// Beyond the document.
    Live(Live),
    /// Already reported.
    Broken,
}

/// A value beyond the document.
#[derive(Debug, Clone)]
pub(super) struct Live {
    /// Whose it is, by index in the deployment.
    pub(super) assembly: usize,
    pub(super) source: LiveSource,
    pub(super) fallback: Option<String>,
    pub(super) on_change: OnChange,
}

/// `<reference assembly="…" service="…" parameter="…"/>`, with at least one of the first two; with
/// `attribute="…"` in place of the last, of an assembly.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) offset: usize,
    pub(super) assembly: Option<Word>,
    pub(super) service: Option<Word>,
    pub(super) parameter: Word,
    /// It is a node attribute, which the document need not have.
    pub(super) is_attribute: bool,
    pub(super) on_change: Option<OnChange>,
}

/// An attribute's value, with its place.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) offset: usize,
}

/// Every slot of the document, in its order. The slots of one owner are neighbours.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) slots: Vec<Slot>,
}

impl Values {
    /// Adds the places of parameters: of services, and of assemblies' fence agents.
    pub(super) fn place_parameters(
        &self,
        services: &mut [Places],
        fencing: &mut BTreeMap<usize, Places>,
    ) {
        for slot in &self.slots {
            let places = match slot.owner {
                Owner::Service(index) => services.get_mut(index),
                Owner::Fencing(index) => fencing.get_mut(&index),
                Owner::Assembly(_) | Owner::AssemblyParameters(_) => None,
            };
            if let Some(places) = places {
                places.parameters.insert(slot.name.clone(), slot.offset);
            }
        }
    }

    /// Reads the children of `<parameters>` or `<attributes>`.
    pub(super) fn read(
        &mut self,
        element: &Element<'_>,
        child_name: &str,
        owner: Owner,
        key: fn(&str) -> Result<String, String>,
        problems: &mut Problems,
    ) {
        let mut form = Form { element, problems };
        form.attributes(&[]);
        let mut seen = HashSet::new();
        for child in form.children(&[child_name]) {
            let mut form = Form {
                element: child,
                problems: form.problems,
            };
            let of_agent = matches!(owner, Owner::Fencing(_));
            let mut known = vec!["name", "value"];
            known.extend(original::parameter_type(&mut form).then_some("type"));
            known.extend(IN_FILE.iter().filter(|_| of_agent));
            form.attributes(&known);
            let name = form.required("name", key);
            let content = content(&mut form, of_agent);
            let Some(name) = name else { continue };
            if !seen.insert(name.clone()) {
                let message = format!("<{}> has {} twice", element.name, quote(&name));
                let hint = "remove one of them".to_owned();
                form.problems.error(child.place("name"), message, hint);
            }
            self.slots.push(Slot {
                owner,
                name,
                content,
                offset: child.offset,
            });
        }
    }
}

/// How a parameter of a fence agent says that its value is in a file.
const IN_FILE: [&str; 2] = ["file", "path_of"];

/// The value that an attribute of [`IN_FILE`] stands for.
fn in_file(attribute: &str, path: &str) -> String {
    match attribute {
        "file" => secret::content_of(path),
        _ => secret::path_of(path),
    }
}

/// `value="…"`, `<value>…</value>` or `<reference …/>`, for fence agents (`of_agent`) also
/// `file="…"` or `path_of="…"`: exactly one of them.
fn content(form: &mut Form<'_, '_, '_>, of_agent: bool) -> Content {
    let element = form.element;
    let mut contents = Vec::new();
    if let Some(attribute) = element.attribute("value") {
        let value = attribute.value.clone().into_owned();
        contents.push((attribute.offset, Content::Value(value)));
    }
    for name in IN_FILE.iter().filter(|_| of_agent) {
        if let Some(attribute) = element.attribute(name) {
            let value = in_file(name, &attribute.value);
            contents.push((attribute.offset, Content::Value(value)));
        }
    }
    for child in form.children(&["value", "reference"]) {
        let form = Form {
            element: child,
            problems: form.problems,
        };
        let content = match child.name {
            "value" => Content::Value(value(form)),
            _ => reference(form),
        };
        contents.push((child.offset, content));
    }
    if let Some((offset, _)) = contents.get(1) {
        let message = format!("<{}> has more than one value", element.name);
        let hint = "keep one of value=\"…\", <value>…</value> and <reference …/>".to_owned();
        form.problems.error(*offset, message, hint);
    }
    if let Some((_, content)) = contents.into_iter().next() {
        return content;
    }
    // children of other names have been reported
    if element.children.is_empty() {
        let message = format!("<{}> has no value", element.name);
        let hint = "expected <value>…</value> or <reference …/> in it".to_owned();
        form.problems.error(element.offset, message, hint);
    }
    Content::Broken
}

/// The text of a `<value>`, without the white space around it.
fn value(mut form: Form<'_, '_, '_>) -> String {
    form.attributes(&[]);
    for inner in &form.element.children {
        let message = format!("<value> must not contain <{}>", inner.name);
        let hint = "to write '<' in text, use '&lt;'".to_owned();
        form.problems.error(inner.offset, message, hint);
    }
    let text = form.element.text.as_ref();
    text.map_or(String::new(), |text| text.value.trim_ascii().to_owned())
}

fn reference(mut form: Form<'_, '_, '_>) -> Content {
    form.attributes(&["assembly", "service", "parameter", "attribute", "on_change"]);
    form.children(&[]).for_each(drop);
    let element = form.element;
    let word = |name: &str| {
        element.attribute(name).map(|attribute| Word {
            text: attribute.value.clone().into_owned(),
            offset: attribute.value_offset,
        })
    };
    let (assembly, service) = (word("assembly"), word("service"));
    let attribute = word("attribute");
    match &attribute {
        Some(attribute) => {
            form.optional("attribute", live::attribute_name);
            let excess = ["service", "parameter"]
                .into_iter()
                .find(|it| element.has(it));
            if let Some(excess) = excess {
                let message = format!("<reference> has both 'attribute' and '{excess}'");
                let hint =
                    "a node attribute is an assembly's: keep assembly=\"…\" and attribute=\"…\"";
                form.problems
                    .error(attribute.offset, message, hint.to_owned());
            }
        }
        None => drop(form.required("parameter", |_| Ok(()))),
    }
    let on_change = form.optional("on_change", |text| {
        OnChange::read(text).ok_or_else(|| suggest(text, OnChange::WORDS).unwrap_or_default())
    });
    if assembly.is_none() && service.is_none() {
        let message = "<reference> lacks the attribute 'assembly'";
        let hint = "add assembly=\"…\" (or service=\"…\", for a parameter of a service)";
        form.problems
            .error(element.offset, message, hint.to_owned());
        return Content::Broken;
    }
    let is_attribute = attribute.is_some();
    match attribute.or_else(|| word("parameter")) {
        Some(parameter) => Content::Reference(Reference {
            offset: element.offset,
            assembly,
            service,
            parameter,
            is_attribute,
            on_change,
        }),
        None => Content::Broken,
    }
}
