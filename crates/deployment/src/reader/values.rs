//! Attributes and parameters as the document gives them: a value, or a reference to one.
//!
//! Attributes and parameters of assemblies, parameters of services and of fencing are *slots*. A
//! slot has a value or refers to one other slot.

use std::collections::{BTreeMap, HashSet};

use cpe_status::GuestSecret;

use super::form::Form;
use super::original;
use crate::live::{self, LiveSource, OnChange};
use crate::problem::{Problems, quote, suggest};
use crate::tree::Element;
use crate::uses::Places;
use crate::{secret, value};

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
    /// Its value is for nobody but who may read the document.
    pub(super) secret: bool,
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
            let mut known = vec!["name", "value"];
            known.extend(original::parameter_type(&mut form).then_some("type"));
            known.extend(elsewhere(owner));
            known.extend((!matches!(owner, Owner::Assembly(_))).then_some("secret"));
            form.attributes(&known);
            let name = form.required("name", key);
            let marked = form.optional("secret", value::boolean);
            let content = content(&mut form, owner);
            let Some(name) = name else { continue };
            let secret = marked.unwrap_or_else(|| secret::is_secret(&name));
            if !seen.insert(name.clone()) {
                let message = format!("<{}> has {} twice", element.name, quote(&name));
                let hint = "remove one of them".to_owned();
                form.problems.error(child.place("name"), message, hint);
            }
            self.slots.push(Slot {
                owner,
                name,
                content,
                secret,
                offset: child.offset,
            });
        }
    }
}

/// The attributes by which a parameter says that its value is not in the document: of fence agents
/// in a file of the host, of services in their guest.
fn elsewhere(owner: Owner) -> &'static [&'static str] {
    match owner {
        Owner::Fencing(_) => &["file", "path_of"],
        Owner::Service(_) => &["file", "credential"],
        Owner::Assembly(_) | Owner::AssemblyParameters(_) => &[],
    }
}

/// The value that such an attribute stands for.
fn reference_to(attribute: &str, text: &str, owner: Owner) -> String {
    let text = text.to_owned();
    match (attribute, owner) {
        ("credential", _) => GuestSecret::Credential(text).to_value(),
        ("file", Owner::Service(_)) => GuestSecret::File(text).to_value(),
        ("file", _) => secret::content_of(&text),
        _ => secret::path_of(&text),
    }
}

/// `value="…"`, `<value>…</value>`, `<reference …/>`, or one of the attributes of [`elsewhere`]:
/// exactly one of them.
fn content(form: &mut Form<'_, '_, '_>, owner: Owner) -> Content {
    let (element, elsewhere) = (form.element, elsewhere(owner));
    let mut contents = Vec::new();
    if let Some(attribute) = element.attribute("value") {
        let value = attribute.value.clone().into_owned();
        contents.push((attribute.offset, Content::Value(value)));
    }
    for name in elsewhere {
        if let Some(attribute) = element.attribute(name) {
            let value = reference_to(name, &attribute.value, owner);
            contents.push((attribute.offset, Content::Value(value)));
        }
    }
    for child in form.children(&["value", "reference"]) {
        let form = Form {
            element: child,
            problems: form.problems,
        };
        let content = match child.name {
            "value" => Content::Value(text(form)),
            _ => reference(form),
        };
        contents.push((child.offset, content));
    }
    if let Some((offset, _)) = contents.get(1) {
        let message = format!("<{}> has more than one value", element.name);
        let more = elsewhere.iter().map(|name| format!("{name}=\"…\", "));
        let more: String = more.collect();
        let hint = format!("keep one of value=\"…\", {more}<value>…</value> and <reference …/>");
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
fn text(mut form: Form<'_, '_, '_>) -> String {
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
