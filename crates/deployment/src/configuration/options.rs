//! Names in `<configuration>` by what becomes of them: options and attributes that nothing carries
//! out are refused, those that mean nothing and unknown ones are warned about.

use std::collections::HashSet;

use crate::problem::{Problems, quote};
use crate::report;
use crate::treatment::{
    self, CLUSTER_OPTIONS, OPERATION_ATTRIBUTES, OPERATION_OPTIONS, RESOURCE_OPTIONS,
    RULE_ATTRIBUTES, Rows, Values,
};
use crate::tree::Element;

/// What a name is called in messages, what names there are, and whether others may be of use.
struct Names {
    called: &'static str,
    rows: Rows,
    /// Who reads names that are in no row; `None`: nobody.
    others: Option<Others>,
}

enum Others {
    /// Rules that compare with a meta attribute.
    Rules,
    /// Resource agents: all operations are told theirs.
    Agents,
}

const OPTIONS: Names = Names {
    called: "option",
    rows: CLUSTER_OPTIONS,
    others: None,
};
const OF_RESOURCES: Names = Names {
    called: "meta attribute",
    rows: RESOURCE_OPTIONS,
    others: Some(Others::Rules),
};
const OF_OPERATIONS: Names = Names {
    called: "meta attribute",
    rows: OPERATION_OPTIONS,
    others: Some(Others::Agents),
};

/// Reports what a `<configuration>` says in vain.
pub(super) fn check(configuration: &Element<'_>, problems: &mut Problems) {
    let mut compared = HashSet::new();
    configuration.visit(&mut |element| {
        let with_meta = element.value("value-source").unwrap_or_default();
        if element.name == "expression" && with_meta.eq_ignore_ascii_case("meta") {
            compared.extend(element.value("value"));
        }
    });
    configuration.visit(&mut |element| {
        let (set, names) = match element.name {
            "crm_config" => ("cluster_property_set", &OPTIONS),
            "op" | "op_defaults" => ("meta_attributes", &OF_OPERATIONS),
            "rsc_defaults" | "primitive" | "template" | "group" | "clone" | "bundle" => {
                ("meta_attributes", &OF_RESOURCES)
            }
            _ => ("", &OPTIONS),
        };
        check_element(element, problems);
        check_attributes(element, problems);
        check_amounts(element, problems);
        check_response(element, problems);
        let sets = element.children.iter().filter(|child| child.name == set);
        for pair in sets.flat_map(|set| &set.children) {
            if pair.name == "nvpair" {
                check_pair(element, pair, names, &compared, problems);
            }
        }
    });
}

fn check_pair(
    element: &Element<'_>,
    pair: &Element<'_>,
    names: &Names,
    compared: &HashSet<&str>,
    problems: &mut Problems,
) {
    let Some(name) = pair.value("name") else {
        return;
    };
    let at = pair.place("name");
    let Some(row) = treatment::find(names.rows, name) else {
        let hint = problems.suggest(name, names.rows.iter().map(|row| row.name));
        let is_meant = hint.as_ref().is_some_and(|it| it.starts_with("did you"));
        let is_read = match names.others {
            None => false,
            Some(Others::Rules) => compared.contains(name),
            Some(Others::Agents) => !is_meant,
        };
        if !is_read {
            let message = format!("the {} {} has no effect", names.called, quote(name));
            let hint = hint.filter(|_| is_meant);
            let nobody = || "nothing reads it: remove it".to_owned();
            problems.warning(at, message, hint.unwrap_or_else(nobody));
        }
        return;
    };
    let value = pair.value("value").unwrap_or_default();
    report::treated(row, (names.called, name, value), at, problems);
    // One that is given by `id-ref` has the value of another.
    if pair.has("value") && row.refuses(value).is_none() {
        let said = (names.called, name, value);
        report::misunderstood(row, said, pair.place("value"), problems);
    }
    if !row.within.is_empty() && !row.within.contains(&element.name) {
        let (name, own) = (quote(name), element.name);
        let message = format!("the {} {name} has no effect in <{own}>", names.called);
        let right = row.within.join("> or <");
        problems.warning(at, message, format!("write it in <{right}>"));
    }
}

/// XML attributes that are treated otherwise than their elements.
fn check_attributes(element: &Element<'_>, problems: &mut Problems) {
    for attribute in &element.attributes {
        let (name, value) = (attribute.name, &*attribute.value);
        let row = match element.name {
            "op" => treatment::find(OPERATION_ATTRIBUTES, name),
            "network" => treatment::of_element(element.name, name),
            "expression" if name == "attribute" => {
                if let Some(row) = treatment::find(RULE_ATTRIBUTES, value) {
                    let said = ("node attribute", value, "");
                    report::treated(row, said, attribute.value_offset, problems);
                }
                None
            }
            _ => None,
        };
        if let Some(row) = row {
            let said = ("attribute", name, value);
            report::treated(row, said, attribute.offset, problems);
        }
    }
}

/// What resources take up of the capacities of assemblies, as numbers.
fn check_amounts(element: &Element<'_>, problems: &mut Problems) {
    let pairs = element.children.iter();
    let pairs = pairs.filter(|pair| element.name == "utilization" && pair.name == "nvpair");
    for pair in pairs {
        let Some(value) = pair.value("value") else {
            continue;
        };
        if !Values::Integer.contain_pair(value) {
            let name = quote(pair.value("name").unwrap_or_default());
            let message = format!("{} is not a valid amount of {name}", quote(value));
            problems.refuse(pair.place("value"), message, Values::Integer.said());
        }
    }
}

/// Warns of what the policy engine does not do about a failure of such an operation: it goes by its
/// default instead (scheduler-spec/01 §17.3). Many clusters have it, and live with the default.
fn check_response(op: &Element<'_>, problems: &mut Problems) {
    if op.name != "op" {
        return;
    }
    let sets = op.children.iter().filter(|it| it.name == "meta_attributes");
    let pairs = sets.flat_map(|set| &set.children);
    let pairs = pairs.filter(|pair| pair.value("name") == Some("on-fail"));
    let said = pairs.filter_map(|pair| Some((pair.value("value")?, pair.place("value"))));
    let own = op.value("on-fail").map(|it| (it, op.place("on-fail")));
    let is = |said: &str, words: &[&str]| words.iter().any(|it| it.eq_ignore_ascii_case(said));
    let name = op.value("name").unwrap_or_default();
    let of_promoted = name == "monitor"
        && is(
            op.value("role").unwrap_or_default(),
            &["Promoted", "Master"],
        )
        && op.value("interval").and_then(policy_engine::parse_interval) > Some(0);
    for (response, at) in own.into_iter().chain(said) {
        let hint = match name {
            "stop" if is(response, &["standby", "demote", "stop"]) => {
                "expected one of: fence, block, ignore"
            }
            "stop" | "promote" | "demote" => continue,
            _ if is(response, &["demote"]) && !of_promoted => {
                "it is for promotions, and for recurring monitors with role=\"Promoted\""
            }
            _ => continue,
        };
        let (response, name) = (quote(response), quote(name));
        let message = format!("on-fail {response} has no effect for the operation {name}");
        problems.warning(at, message, hint.to_owned());
    }
}

/// Elements that nothing carries out because of what they are or have.
fn check_element(element: &Element<'_>, problems: &mut Problems) {
    let of = |name| element.value(name).unwrap_or_default();
    let (hint, found) = match element.name {
        "primitive" | "template" => (
            treatment::refuses_agent(of("class"), of("provider"), of("type")),
            "is the connection to a Pacemaker Remote node",
        ),
        "bundle" if element.children.iter().any(|it| it.name == "primitive") => (
            treatment::of_element("bundle", "<primitive>").and_then(|row| row.refuses("")),
            "has a <primitive>",
        ),
        _ => return,
    };
    if let Some(hint) = hint {
        let message = format!("<{}> {found}", element.name);
        problems.error(element.offset, message, hint.to_owned());
    }
}
