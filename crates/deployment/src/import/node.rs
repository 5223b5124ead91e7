//! `<nodes>` to `<assemblies>`: who each is, what it has, what it offers.

use std::collections::{HashMap, HashSet};

use policy_engine::xml::Writer;

use super::comment::{Remark, comment};
use super::kept::Kept;
use super::name::Given;
use super::renames::Renames;
use crate::problem::{Problems, quote};
use crate::tree::Element;
use crate::{report, treatment, value};

/// An element has no more attributes than this.
const MAX_KINDS: usize = 100;

/// The nodes of a cluster.
pub(super) struct Nodes<'e, 't> {
    section: Option<&'e Element<'t>>,
    members: Vec<Node<'e, 't>>,
    /// Names of those that are reached through others, as Pacemaker Remote nodes.
    pub(super) remote: Vec<&'e str>,
    /// Names of those that only answer to pings.
    pub(super) ping: Vec<&'e str>,
    renames: Renames,
}

/// A node that becomes an assembly.
struct Node<'e, 't> {
    element: &'e Element<'t>,
    id: &'e str,
    uname: &'e str,
    /// Of the assembly.
    name: String,
    /// Of the assembly, if the id is one.
    uuid: Option<String>,
}

impl<'e, 't> Nodes<'e, 't> {
    /// Reads the section, and reports what is not a node, has no name, or not one of its own.
    pub(super) fn read(section: Option<&'e Element<'t>>, problems: &mut Problems) -> Self {
        let mut nodes = Nodes {
            section,
            members: Vec::new(),
            remote: Vec::new(),
            ping: Vec::new(),
            renames: Renames::default(),
        };
        let mut seen = (HashSet::new(), HashSet::new());
        if let Some(section) = section {
            report::text_in(section, problems);
        }
        for element in section.into_iter().flat_map(|section| &section.children) {
            element.visit(&mut |inner| report::text_in(inner, problems));
            if element.name != "node" {
                let hint = Some("expected <node>".to_owned());
                report::misplaced(section.unwrap_or(element), element, hint, problems);
            } else if let (Some(id), Some(uname)) = (
                required(element, "id", problems),
                required(element, "uname", problems),
            ) {
                is_new(element, "id", id, &mut seen.0, problems);
                is_new(element, "uname", uname, &mut seen.1, problems);
                nodes.add(element, id, uname, problems);
            }
        }
        nodes.give_names();
        nodes
    }

    fn add(
        &mut self,
        element: &'e Element<'t>,
        id: &'e str,
        uname: &'e str,
        problems: &mut Problems,
    ) {
        let kind = element.value("type").unwrap_or("member");
        match kind.to_ascii_lowercase().as_str() {
            // "normal": member, in the oldest schemas
            "member" | "normal" => self.members.push(Node {
                element,
                id,
                uname,
                name: String::new(), // given when all are known
                uuid: value::uuid(id).ok(),
            }),
            "remote" => self.remote.push(uname),
            "ping" => self.ping.push(uname),
            _ => {
                let message = format!("{} is not a valid type of <node>", quote(kind));
                let hint = "expected one of: member, remote, ping".to_owned();
                problems.error(element.place("type"), message, hint);
            }
        }
    }

    /// Names that are valid are kept, also if others come first that are like them.
    fn give_names(&mut self) {
        let mut given = Given::default();
        for node in &self.members {
            if value::name(node.uname).is_ok() {
                given.keep(node.uname);
            }
        }
        for node in &mut self.members {
            node.name = match value::name(node.uname) {
                Ok(name) => name,
                Err(_) => given.make(node.uname),
            };
            if node.name != node.uname {
                let (old, new) = (node.uname.to_lowercase(), node.name.clone());
                self.renames.names.insert(old, new);
            }
            if node.id != node.name {
                let (old, new) = (node.id.to_lowercase(), node.name.clone());
                self.renames.ids.insert(old, new);
            }
        }
    }

    pub(super) fn renames(&self) -> &Renames {
        &self.renames
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether a node has another name as an assembly.
    pub(super) fn is_renamed(&self) -> bool {
        !self.renames.names.is_empty()
    }

    /// Writes `<assemblies>`.
    pub(super) fn write(&self, kept: &Kept, xml: &mut Writer<'_>) {
        if let Some(section) = self.section {
            kept.write_before(section, 1, xml);
        }
        xml.open("assemblies");
        for node in &self.members {
            node.write(kept, xml);
        }
        if let Some(section) = self.section {
            kept.write_at_end(section, 2, xml);
        }
        xml.close();
    }
}

/// The value of an attribute that a node has to have, and not empty.
fn required<'e>(element: &'e Element<'_>, name: &str, problems: &mut Problems) -> Option<&'e str> {
    let value = element.value(name).filter(|value| !value.is_empty());
    if value.is_none() {
        report::missing_attribute(element, name, problems);
    }
    value
}

/// Reports a second node with that value. They are compared ignoring case.
fn is_new(
    element: &Element<'_>,
    name: &str,
    value: &str,
    seen: &mut HashSet<String>,
    problems: &mut Problems,
) {
    if !seen.insert(value.to_lowercase()) {
        let message = format!("there are two nodes with the {name} {}", quote(value));
        let hint = "remove the one that is not there any more (crm_node --remove)".to_owned();
        problems.error(element.place(name), message, hint);
    }
}

/// Why an assembly must not have that attribute.
fn refuses(attribute: &str) -> Option<&'static str> {
    treatment::find(treatment::NODE_ATTRIBUTES, attribute)?.refuses("")
}

impl Node<'_, '_> {
    fn write(&self, kept: &Kept, xml: &mut Writer<'_>) {
        kept.write_before(self.element, 2, xml);
        let mut remarks = Vec::new();
        let attributes = self.values("instance_attributes", &mut remarks);
        let (attributes, unusable): (Vec<_>, Vec<_>) = attributes
            .into_iter()
            .partition(|(name, _)| value::attribute_key(name).is_ok());
        remarks.extend(unusable.into_iter().map(|(name, value)| {
            let (name, value) = (quote(name), quote(value));
            Remark::Decide(format!(
                "the node had an attribute {name} with the value {value}, which is not a valid name here"
            ))
        }));
        let (attributes, refused) = attributes
            .into_iter()
            .partition::<Vec<_>, _>(|(name, _)| refuses(name).is_none());
        remarks.extend(refused.into_iter().map(|(name, value)| {
            let why = refuses(name).unwrap_or_default().replace(": remove it", "");
            let (name, value) = (quote(name), quote(value));
            Remark::Decide(format!(
                "the node had an attribute {name} with the value {value}, which is left out: {why}"
            ))
        }));
        let capacity = self.capacity(&mut remarks);
        self.say_the_rest(&attributes, &mut remarks);

        xml.open("assembly").attribute("name", &self.name);
        xml.optional("uuid", self.uuid.as_deref());
        let address = format!("unix:/run/cpe/guests/{}/agent.sock", self.name);
        xml.attribute("address", &address);
        kept.write_inside(self.element, 3, xml);
        for remark in &remarks {
            comment(xml, 3, remark);
        }
        if !attributes.is_empty() {
            xml.open("attributes");
            for (name, value) in attributes {
                xml.open("attribute").attribute("name", name);
                xml.attribute("value", value).close();
            }
            xml.close();
        }
        if !capacity.is_empty() {
            xml.open("capacity").attributes(capacity).close();
        }
        xml.close();
    }

    /// What the node's sets of one kind say (scheduler-spec/01 §4): the one of the highest score
    /// first, of equal ones the last; a name keeps the first value.
    fn values<'s>(&'s self, kind: &str, remarks: &mut Vec<Remark>) -> Vec<(&'s str, &'s str)> {
        let children = self.element.children.iter();
        let mut sets: Vec<&Element<'_>> = children.filter(|child| child.name == kind).collect();
        sets.reverse();
        let score = |set: &Element<'_>| set.value("score").and_then(|it| value::score(it).ok());
        sets.sort_by_key(|set| std::cmp::Reverse(score(set).map_or(0, |score| score.0)));
        // with the place of each in the order in which they came
        let mut values: HashMap<&str, (usize, &str)> = HashMap::new();
        let mut unset = 0;
        for set in sets {
            let id = quote(set.value("id").or(set.value("id-ref")).unwrap_or_default());
            if set.has("id-ref") || set.children.iter().any(|child| child.name != "nvpair") {
                remarks.push(Remark::Decide(format!(
                    "the values of <{kind}> {id} hang on a rule or stand elsewhere, and are left out: \
                     an assembly has values without conditions"
                )));
                continue;
            }
            for pair in &set.children {
                let place = values.len() + unset;
                match (pair.value("name"), pair.value("value")) {
                    (Some(name), Some(value)) if value.eq_ignore_ascii_case("#default") => {
                        unset += usize::from(values.remove(name).is_some());
                    }
                    (Some(name), Some(value)) => {
                        values.entry(name).or_insert((place, value));
                    }
                    _ => remarks.push(Remark::Decide(format!(
                        "a value of <{kind}> {id} has no name or stands elsewhere, and is left out"
                    ))),
                }
            }
        }
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by_key(|(_, (place, _))| *place);
        let values = values.into_iter();
        values.map(|(name, (_, value))| (name, value)).collect()
    }

    /// What can be a capacity. The rest is left out, and said.
    fn capacity(&self, remarks: &mut Vec<Remark>) -> Vec<(&str, &str)> {
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        for (kind, amount) in self.values("utilization", remarks) {
            let is_name = kind.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let valid = is_name
                && value::key(kind).is_ok()
                && value::integer(amount, 0, value::MAX_CAPACITY).is_ok();
            match valid && kept.len() < MAX_KINDS {
                true => kept.push((kind, amount)),
                false => left.push(format!("{}={}", quote(kind), quote(amount))),
            }
        }
        if !left.is_empty() {
            let left = left.join(", ");
            remarks.push(Remark::Decide(format!(
                "the node offered {left}, which is not a capacity here: whole numbers, from 0 on"
            )));
        }
        kept
    }

    /// What else a node of a cluster has.
    fn say_the_rest(&self, attributes: &[(&str, &str)], remarks: &mut Vec<Remark>) {
        if self.name != self.uname {
            let uname = quote(self.uname);
            remarks.push(Remark::Said(format!(
                "the node {uname}; it has a name here that assemblies can have, wherever the configuration \
                 names it"
            )));
        }
        for attribute in &self.element.attributes {
            match attribute.name {
                "id" | "uname" | "type" => {}
                "description" => {
                    remarks.push(Remark::Said(format!("description: {}", attribute.value)));
                }
                name => remarks.push(Remark::Decide(format!(
                    "the node had {}={}, which an assembly does not have: a <location> may say it",
                    quote(name),
                    quote(&attribute.value)
                ))),
            }
        }
        for child in &self.element.children {
            if !["instance_attributes", "utilization"].contains(&child.name) {
                let name = quote(child.name);
                remarks.push(Remark::Decide(format!(
                    "the node had {name}, which is left out"
                )));
            }
        }
        for (name, value) in attributes {
            let is_on = value::boolean(value) == Ok(true);
            if ["standby", "maintenance"].contains(name) && is_on {
                remarks.push(Remark::Decide(format!(
                    "'{name}' stays until the document changes: remove it, and use `cpectl {name}`"
                )));
            }
        }
    }
}
