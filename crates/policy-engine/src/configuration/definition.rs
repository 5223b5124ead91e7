//! Resource definitions: a resource element with its template's parts, read once and shared by all
//! instances made from it (scheduler-spec/01 §16.1, §17).

use rustc_hash::FxHashMap;

use super::{caches, dates, nvset};
use crate::model::*;
use crate::scalar;
use crate::xml::Element;

/// Why an element does not define a resource: what was expected and what was found.
pub(super) struct Invalid(pub(super) String);

impl Definition {
    /// Reads a `primitive`, `group`, `clone` or `bundle`.
    pub(super) fn read(cluster: &mut Cluster, own: Element<'_>) -> Result<Definition, Invalid> {
        let id = own.get("id").unwrap_or_default();
        if id.is_empty() {
            return Err(Invalid(format!(
                "expected an id for <{}>, found none",
                own.name()
            )));
        }
        let document = cluster.document.clone();
        let template = match own.get("template") {
            None => None,
            Some(name) => Some(find_template(cluster, &document, name, id)?),
        };
        // the expanded element: the template's children, then its own
        let parts: smallvec::SmallVec<[Element<'_>; 2]> =
            template.into_iter().chain([own]).collect();
        let children = |names: &'static [&'static str]| {
            let parts = parts.clone();
            parts
                .into_iter()
                .flat_map(Element::children)
                .filter(|child| names.contains(&child.name()))
                .collect::<Vec<_>>()
        };
        let element = own.name();
        let content = if element.eq_ignore_ascii_case("primitive") {
            Content::Primitive
        } else if element.eq_ignore_ascii_case("group") {
            Content::Group(read_members(cluster, &children(&["primitive"])))
        } else if element.eq_ignore_ascii_case("clone") {
            let child = children(&["primitive", "group"]).into_iter().next();
            Content::Clone(read_child(cluster, child)?)
        } else if element.eq_ignore_ascii_case("bundle") {
            let child = children(&["primitive"]).into_iter().next();
            Content::Bundle(own.id(), read_child(cluster, child)?)
        } else {
            let message = format!("expected primitive, group, clone or bundle, found <{element}>");
            return Err(Invalid(message));
        };
        let head = template.unwrap_or(own);
        let text = |name: &str| head.get(name).map(Into::<Text>::into);
        Ok(Definition {
            id: id.into(),
            agent: Arc::new(Agent {
                class: owned(head.get("class")),
                provider: text("provider"),
                kind: owned(head.get("type")),
            }),
            config: Arc::new(ResourceConfig {
                element: element_name(element),
                attributes: head
                    .attributes()
                    .map(|(name, value)| match name {
                        "id" => (name.into(), id.into()),
                        _ => (name.into(), value.into()),
                    })
                    .collect(),
                meta: nvset::read_below(cluster, &parts, "meta_attributes", None),
                parameters: nvset::read_below(cluster, &parts, "instance_attributes", None),
                utilization: nvset::read_below(cluster, &parts, "utilization", None),
                operations: read_operations(cluster, template, own),
            }),
            template: template.and_then(|template| template.get("id").map(Into::into)),
            content,
        })
    }

    /// A primitive that the configuration implies.
    pub(super) fn implied(
        id: impl Into<Text>,
        class: &str,
        provider: Option<&str>,
        kind: &str,
        config: ResourceConfig,
    ) -> Definition {
        let id = id.into();
        let mut attributes: Vec<(Text, Text)> = vec![
            ("id".into(), id.clone()),
            ("class".into(), class.into()),
            ("type".into(), kind.into()),
        ];
        attributes.extend(provider.map(|provider| ("provider".into(), provider.into())));
        Definition {
            id,
            agent: Arc::new(Agent {
                class: class.to_owned().into(),
                provider: provider.map(Into::into),
                kind: kind.to_owned().into(),
            }),
            config: Arc::new(ResourceConfig {
                element: "primitive".into(),
                attributes,
                ..config
            }),
            template: None,
            content: Content::Primitive,
        }
    }
}

impl OperationConfig {
    /// An operation that the configuration implies.
    pub(super) fn implied(id: &str, name: &str, interval: &str, timeout: Option<&str>) -> Self {
        let mut attributes: Vec<(Text, Text)> = vec![
            ("id".into(), id.into()),
            ("name".into(), name.into()),
            ("interval".into(), interval.into()),
        ];
        attributes.extend(timeout.map(|timeout| ("timeout".into(), timeout.into())));
        OperationConfig {
            id: Some(id.into()),
            name: name.into(),
            interval_ms: dates::parse_interval(interval).unwrap_or(0),
            enabled: true,
            role: None,
            attributes,
            meta: Vec::new(),
            parameters: Vec::new(),
        }
    }
}

fn owned(text: Option<&str>) -> ShortText {
    match text {
        None => "".into(),
        Some("ocf") => "ocf".into(),
        Some(text) => text.to_owned().into(),
    }
}

fn element_name(name: &str) -> ShortText {
    match name {
        "primitive" => "primitive".into(),
        "group" => "group".into(),
        "clone" => "clone".into(),
        "bundle" => "bundle".into(),
        other => other.to_owned().into(),
    }
}

fn find_template<'d>(
    cluster: &Cluster,
    document: &'d crate::xml::Document,
    name: &str,
    id: &str,
) -> Result<Element<'d>, Invalid> {
    let templates = caches::of(cluster).templates.get_or_init(|| {
        let mut templates = FxHashMap::default();
        let resources = document.section("resources").into_iter();
        for template in resources.flat_map(|section| section.children_named("template")) {
            if let Some(id) = template.get("id") {
                templates.entry(id.into()).or_insert(template.id());
            }
        }
        templates
    });
    let found = templates.get(name).filter(|_| name != id);
    let found = found.map(|template| document.element(*template));
    found.ok_or_else(|| {
        Invalid(format!(
            "expected a <template id=\"{name}\"> below <resources>, found none: define it or remove template=\"{name}\""
        ))
    })
}

/// The members of a group that are valid; the others are reported and left out.
fn read_members(cluster: &mut Cluster, members: &[Element<'_>]) -> Vec<Arc<Definition>> {
    let mut valid = Vec::new();
    for member in members {
        match Definition::read(cluster, *member) {
            Ok(definition) => valid.push(Arc::new(definition)),
            Err(invalid) => report(cluster, *member, &invalid),
        }
    }
    valid
}

fn read_child(
    cluster: &mut Cluster,
    child: Option<Element<'_>>,
) -> Result<Option<Arc<Definition>>, Invalid> {
    match child {
        Some(child) => Definition::read(cluster, child).map(|child| Some(Arc::new(child))),
        None => Ok(None),
    }
}

/// Reports that an element is ignored, and why.
pub(super) fn report(cluster: &mut Cluster, element: Element<'_>, invalid: &Invalid) {
    let (line, column) = element.position();
    let id = element.get("id").unwrap_or_default();
    let message = format!(
        "line {line}, column {column}: {}: resource \"{id}\" is ignored",
        invalid.0
    );
    cluster.say(Level::Error, message);
}

/// The `op`s of a resource: its own and those of its template that it does not replace (01 §16.1
/// step 3).
fn read_operations(
    cluster: &Cluster,
    template: Option<Element<'_>>,
    own: Element<'_>,
) -> Vec<OperationConfig> {
    let of = |element: Element<'_>| -> Option<Vec<OperationConfig>> {
        let operations = element.child("operations")?;
        let operations = cluster.document.referenced(operations)?;
        Some(
            operations
                .children_named("op")
                .map(|op| read_operation(cluster, op))
                .collect(),
        )
    };
    let (inherited, own) = (template.and_then(of), of(own));
    let (Some(inherited), Some(mut own)) = (&inherited, own.clone()) else {
        return own.or(inherited).unwrap_or_default();
    };
    let replaced: Vec<_> = own.iter().map(operation_key).collect();
    own.extend(
        inherited
            .iter()
            .filter(|op| !replaced.contains(&operation_key(op)))
            .cloned(),
    );
    own
}

/// Name and role of an operation; the interval does not count.
fn operation_key(op: &OperationConfig) -> (Text, String) {
    let role = op.role.as_deref().unwrap_or_default().to_ascii_lowercase();
    let role = match &*role {
        "started" | "unpromoted" | "slave" => String::new(),
        _ => role,
    };
    (op.name.clone(), role)
}

fn read_operation(cluster: &Cluster, op: Element<'_>) -> OperationConfig {
    let text = |name: &str| op.get(name).map(Into::<Text>::into);
    OperationConfig {
        id: text("id"),
        name: op.get("name").unwrap_or_default().into(),
        interval_ms: op
            .get("interval")
            .and_then(dates::parse_interval)
            .unwrap_or(0),
        enabled: op.get("enabled").and_then(scalar::boolean) != Some(false),
        role: text("role"),
        attributes: op
            .attributes()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        meta: nvset::read(cluster, op, "meta_attributes", None),
        parameters: nvset::read(cluster, op, "instance_attributes", None),
    }
}
