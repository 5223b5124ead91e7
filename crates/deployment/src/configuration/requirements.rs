//! What an element of `<configuration>` needs that the grammar cannot say: either this or that, and
//! this only with that.

use crate::problem::Problems;
use crate::tree::Element;

/// A condition on the elements of some names.
struct Requirement {
    elements: &'static [&'static str],
    holds: fn(&Element<'_>) -> bool,
    /// What is wrong if it does not hold, after the element's name.
    found: &'static str,
    expected: &'static str,
}

macro_rules! requirements {
    ($($($element:literal)|+: $holds:expr, $found:literal, $expected:literal;)*) => {
        &[$(Requirement {
            elements: &[$($element),+],
            holds: $holds,
            found: $found,
            expected: $expected,
        }),*]
    };
}

const REQUIREMENTS: &[Requirement] = requirements! {
    // resources
    "primitive": |it| !it.has("template") || !(it.has("class") || it.has("type")),
        "has a template and an agent of its own", "remove 'class', 'provider', 'type', or 'template'";
    "primitive" | "template": |it| is_templated(it) || it.has("class"),
        "lacks the attribute 'class'", "add class=\"ocf\", provider=\"…\", type=\"…\", or template=\"…\"";
    "primitive" | "template": |it| is_templated(it) || it.has("type"),
        "lacks the attribute 'type'", "add type=\"…\", the name of the agent";
    "primitive" | "template": |it| is_templated(it) || it.value("class") != Some("ocf") || it.has("provider"),
        "of class 'ocf' lacks the attribute 'provider'", "add provider=\"heartbeat\", or where the agent comes from";
    "group": |it| children(it, &["primitive"]) > 0,
        "has no member", "add a <primitive>";
    "clone": |it| children(it, &["primitive", "group"]) == 1,
        "does not have exactly one resource", "expected one <primitive> or one <group> in it";
    "bundle": |it| children(it, &["docker", "podman"]) == 1,
        "does not have exactly one container technology", "expected one <docker> or one <podman> in it";
    "storage-mapping": |it| attributes(it, &["source-dir", "source-dir-root"]) == 1,
        "does not have exactly one source", "expected one of 'source-dir' and 'source-dir-root'";
    "port-mapping": |it| attributes(it, &["port", "range"]) == 1,
        "does not have exactly one kind of ports", "expected one of 'port' and 'range'";

    // constraints
    "rsc_location": |it| attributes(it, &["rsc", "rsc-pattern"]) + usize::from(has_sets(it)) == 1,
        "does not say for which resources", "expected one of 'rsc', 'rsc-pattern' and <resource_set>";
    "rsc_location": |it| children(it, &["rule"]) > 0 || attributes(it, &["node", "score"]) == 2,
        "does not say where", "expected 'node' and 'score', or a <rule>";
    "rsc_location": |it| children(it, &["rule"]) == 0 || !it.has("node"),
        "has a node and a <rule>", "keep one of them";
    "rsc_location": |it| children(it, &["rule"]) <= 1,
        "has more than one <rule>", "write one constraint for each rule";
    "rsc_colocation": |it| names_resources(it, &["rsc", "with-rsc"]),
        "does not say for which resources", "expected 'rsc' and 'with-rsc', or <resource_set> elements";
    "rsc_order": |it| names_resources(it, &["first", "then"]),
        "does not say for which resources", "expected 'first' and 'then', or <resource_set> elements";
    "rsc_ticket": |it| names_resources(it, &["rsc"]),
        "does not say for which resources", "expected 'rsc', or <resource_set> elements";
    "fencing-level": |it| attributes(it, &["target", "target-pattern", "target-attribute"]) == 1,
        "does not say for which assemblies", "expected one of 'target', 'target-pattern' and 'target-attribute'";
    "fencing-level": |it| it.has("target-attribute") == it.has("target-value"),
        "has only one of 'target-attribute' and 'target-value'", "give both, or 'target'";
    "resource_set": |it| children(it, &["resource_ref"]) > 0,
        "names no resource", "add a <resource_ref id=\"…\"/>";
};

/// Reports what the element lacks.
pub(super) fn check(element: &Element<'_>, problems: &mut Problems) {
    for requirement in REQUIREMENTS {
        if requirement.elements.contains(&element.name) && !(requirement.holds)(element) {
            let message = format!("<{}> {}", element.name, requirement.found);
            problems.error(element.offset, message, requirement.expected.to_owned());
        }
    }
}

/// Whether its agent is that of a template. A template has none itself.
fn is_templated(element: &Element<'_>) -> bool {
    element.name == "primitive" && element.has("template")
}

/// How many children of these names the element has.
fn children(element: &Element<'_>, names: &[&str]) -> usize {
    let children = element.children.iter();
    children.filter(|child| names.contains(&child.name)).count()
}

/// How many of these attributes the element has.
fn attributes(element: &Element<'_>, names: &[&str]) -> usize {
    names.iter().filter(|name| element.has(name)).count()
}

fn has_sets(element: &Element<'_>) -> bool {
    children(element, &["resource_set"]) > 0
}

/// Whether the element has all of these attributes, or none of them and sets.
fn names_resources(element: &Element<'_>, names: &[&str]) -> bool {
    let expected = if has_sets(element) { 0 } else { names.len() };
    attributes(element, names) == expected
}
