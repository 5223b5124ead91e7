//! The names of nodes wherever a configuration has them: in constraints, rules, fencing devices.

use std::borrow::Cow;
use std::collections::HashMap;

use policy_engine::xml::Writer;

use super::kept::Kept;
use crate::problem::quote;
use crate::treatment::{self, Row};
use crate::tree::{Attribute, Element};

/// What nodes are called in the document, where that differs from the CIB.
#[derive(Default)]
pub(super) struct Renames {
    /// Of names in lower case, since they are compared ignoring case.
    pub(super) names: HashMap<String, String>,
    /// Of ids, in lower case too.
    pub(super) ids: HashMap<String, String>,
}

/// Parameters of fencing devices that name nodes.
const HOSTS: &str = "pcmk_host_list";
const HOST_MAP: &str = "pcmk_host_map";
const DELAYS: &str = "pcmk_delay_base";

impl Renames {
    /// Writes an element, which is in another one, with the names that the document has and its
    /// comments, `depth` levels deep.
    pub(super) fn write<'e>(
        &self,
        (element, outer): (&'e Element<'_>, Option<&Element<'_>>),
        kept: &Kept,
        depth: usize,
        xml: &mut Writer<'e>,
    ) {
        xml.open(element.name);
        for attribute in &element.attributes {
            let value = self.value(element, outer, attribute);
            xml.attribute(attribute.name, &value);
        }
        for child in &element.children {
            if left_out(outer, element, child).is_none() {
                kept.write_before(child, depth + 1, xml);
                self.write((child, Some(element)), kept, depth + 1, xml);
            }
        }
        kept.write_at_end(element, depth + 1, xml);
        xml.close();
    }

    /// What is written as the value of an attribute.
    fn value<'v>(
        &self,
        element: &Element<'_>,
        outer: Option<&Element<'_>>,
        attribute: &'v Attribute<'_>,
    ) -> Cow<'v, str> {
        let value = &*attribute.value;
        let renamed = match (element.name, attribute.name) {
            ("rsc_location", "node") | ("fencing-level", "target") => self.name(value),
            ("expression", "value") => match element.value("attribute") {
                Some("#uname") => self.name(value),
                Some("#id") => self.ids.get(&value.to_lowercase()).cloned(),
                _ => None,
            },
            ("nvpair", "name") if value == HOSTS && self.becomes_map(element, outer) => {
                Some(HOST_MAP.to_owned())
            }
            ("nvpair", "value") => self.hosts(element, outer, value),
            _ => None,
        };
        renamed.map_or(Cow::Borrowed(value), Cow::Owned)
    }

    /// The name of a node, if it is another here.
    pub(super) fn name(&self, name: &str) -> Option<String> {
        self.names.get(&name.to_lowercase()).cloned()
    }

    /// Whether a list of hosts has to say what its device calls them: the agent is told the old
    /// name then, by which it knows the host. A device with a port of its own needs no name.
    fn becomes_map(&self, pair: &Element<'_>, set: Option<&Element<'_>>) -> bool {
        let mut pairs = set.into_iter().flat_map(|set| &set.children);
        let has_port = pairs.any(|other| {
            let name = other.value("name");
            name.is_some_and(|name| [HOST_MAP, "port", "plug"].contains(&name))
        });
        let mut hosts = words(pair.value("value").unwrap_or_default());
        !has_port && hosts.any(|host| self.name(host).is_some())
    }

    /// The value of a parameter that names hosts, if one of them has another name here.
    fn hosts(&self, pair: &Element<'_>, set: Option<&Element<'_>>, value: &str) -> Option<String> {
        let of = |word: &str| self.name(word).unwrap_or_else(|| word.to_owned());
        let hosts = match pair.value("name")? {
            HOSTS if self.becomes_map(pair, set) => {
                let port = |host: &str| host.replace('\\', "\\\\");
                let pairs = words(value).map(|host| format!("{}:{}", of(host), port(host)));
                pairs.collect::<Vec<_>>().join(";")
            }
            HOSTS if words(value).any(|word| self.name(word).is_some()) => {
                words(value).map(of).collect::<Vec<_>>().join(" ")
            }
            HOST_MAP | DELAYS => self.map(value),
            _ => return None,
        };
        (hosts != value).then_some(hosts)
    }

    /// `NAME:VALUE` pairs, separated by semicolons or blanks, with the names that hosts have here.
    fn map(&self, pairs: &str) -> String {
        let mut out = String::with_capacity(pairs.len());
        let mut rest = pairs;
        while !rest.is_empty() {
            let mut is_escaped = false;
            let end = rest.find(|c| {
                let ends = !is_escaped && matches!(c, ';' | ' ' | '\t');
                is_escaped = c == '\\' && !is_escaped;
                ends
            });
            let (pair, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            let host = pair.split([':', '=']).next().unwrap_or_default();
            match self.name(host).filter(|_| host.len() < pair.len()) {
                Some(name) => {
                    out.push_str(&name);
                    out.push_str(&pair[host.len()..]);
                }
                None => out.push_str(pair),
            }
            rest = after;
        }
        out
    }
}

/// What is not in the document, since it would be refused there, and why.
pub(super) struct LeftOut<'e> {
    /// In words, with its name.
    pub(super) what: String,
    /// The value, of an option or a meta attribute.
    pub(super) value: Option<&'e str>,
    pub(super) why: String,
}

/// Whether an element is left out, and why; it is in `outer`, which is in `around`.
pub(super) fn left_out<'e>(
    around: Option<&Element<'_>>,
    outer: &Element<'_>,
    child: &'e Element<'_>,
) -> Option<LeftOut<'e>> {
    const WITH_RULES: [&str; 5] = [
        "rsc_location",
        "meta_attributes",
        "instance_attributes",
        "utilization",
        "cluster_property_set",
    ];
    if (outer.name, child.name) == ("cluster_property_set", "nvpair") {
        let name = child.value("name")?;
        let value = child.value("value").unwrap_or_default();
        // in the oldest schemas names have underscores
        let row = treatment::find(treatment::CLUSTER_OPTIONS, &name.replace('_', "-"))?;
        return Some(LeftOut {
            what: format!("the cluster option {}", quote(name)),
            value: Some(value),
            why: why_not(row, value)?,
        });
    }
    let of_operations = around.is_some_and(|it| matches!(it.name, "op" | "op_defaults"));
    if of_operations && (outer.name, child.name) == ("meta_attributes", "nvpair") {
        let (name, value) = (child.value("name")?, child.value("value")?);
        let row = treatment::find(treatment::OPERATION_OPTIONS, name)?;
        return row.misunderstands(value).then(|| LeftOut {
            what: format!("the meta attribute {} of operations", quote(name)),
            value: Some(value),
            why: no_value(row),
        });
    }
    if !WITH_RULES.contains(&child.name) {
        return None;
    }
    let mut found = None;
    child.visit(&mut |inner| {
        let attribute = inner
            .value("attribute")
            .filter(|_| inner.name == "expression");
        let row = attribute.and_then(|it| treatment::find(treatment::RULE_ATTRIBUTES, it));
        let hint = row.and_then(|row| row.refuses(""));
        found = found.or(attribute.zip(hint));
    });
    let (attribute, why) = found?;
    let (name, id) = (child.name, quote(child.value("id").unwrap_or_default()));
    Some(LeftOut {
        what: format!("<{name}> {id}, whose rule reads {}", quote(attribute)),
        value: None,
        why: why.to_owned(),
    })
}

/// Why a cluster option is refused with that value; `None` if it is not.
fn why_not(row: &Row, value: &str) -> Option<String> {
    if let Some(hint) = row.refuses(value) {
        return Some(hint.to_owned());
    }
    // The upgrade of the oldest schemas knows it.
    let is_old = (row.name, value) == ("stonith-action", "poweroff");
    (row.misunderstands(value) && !is_old).then(|| no_value(row))
}

/// What is said of a value that the policy engine takes its default for.
fn no_value(row: &Row) -> String {
    let expected = row.values.said();
    format!("no value that means something ({expected}), so the cluster went by its default")
}

/// The words of a list of hosts.
fn words(list: &str) -> impl Iterator<Item = &str> {
    let is_separator = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | ';');
    list.split(is_separator).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames() -> Renames {
        let names = [("web_1", "web-1"), ("b.lan", "b-lan")];
        let names = names.map(|(old, new)| (old.to_owned(), new.to_owned()));
        Renames {
            names: names.into(),
            ids: HashMap::new(),
        }
    }

    fn rewritten(text: &str) -> String {
        let root = crate::tree::parse(text).unwrap();
        let mut xml = Writer::new();
        renames().write((&root, None), &Kept::of(text), 0, &mut xml);
        xml.finish().lines().map(str::trim).collect()
    }

    #[test]
    fn only_the_hosts_of_a_map_are_renamed() {
        let map = r"web_1:web_1,2;B.lan=x\ b.lan:y other:web_1 web_1";
        assert_eq!(
            renames().map(map),
            r"web-1:web_1,2;b-lan=x\ b.lan:y other:web_1 web_1"
        );
    }

    #[test]
    fn a_device_is_told_the_names_that_it_knows() {
        let list = r#"<s><nvpair id="a" name="pcmk_host_list" value="Web_1, c"/></s>"#;
        assert_eq!(
            rewritten(list),
            r#"<s><nvpair id="a" name="pcmk_host_map" value="web-1:Web_1;c:c"/></s>"#
        );
        let port = r#"<s><nvpair id="a" name="pcmk_host_list" value="web_1"/><nvpair id="b" name="port" value="1"/></s>"#;
        assert_eq!(rewritten(port), port.replace("web_1", "web-1"));
        let same = r#"<s><nvpair id="a" name="pcmk_host_list" value="c, d"/></s>"#;
        assert_eq!(rewritten(same), same);
    }

    #[test]
    fn comments_stay_where_they_are() {
        let text = "<s><!-- of a --><a><!-- in a --></a><b/><!-- behind b --></s>";
        assert_eq!(rewritten(text), text);
    }

    #[test]
    fn rules_and_constraints_name_the_assembly() {
        let rules = r##"<l><rsc_location id="x" rsc="web_1" node="WEB_1"/><expression id="y" attribute="#uname" value="b.lan"/></l>"##;
        assert_eq!(
            rewritten(rules),
            r##"<l><rsc_location id="x" rsc="web_1" node="web-1"/><expression id="y" attribute="#uname" value="b-lan"/></l>"##
        );
    }
}
