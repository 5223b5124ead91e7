//! What of a configuration is not read as it is written: values instead of which, as in Pacemaker,
//! a default counts or only the number that they begin with; names that nothing reads; rules that
//! never hold. Whoever wrote them should hear of it. The crate `deployment` checks its documents
//! with tables of its own, since it refuses most of that.

mod kinds;
mod names;
mod rules;

use std::collections::BTreeSet;

use crate::configuration::date_specs::is_possible_range;
use crate::configuration::dates::parse_interval;
use crate::scalar;
use crate::xml::{Document, Element};
use kinds::Kind;
use names::{ELEMENTS, Names, OF_CLONES, OF_NODES, OF_OPERATIONS, OF_RESOURCES, OPTIONS};

/// Something that is not read as it is written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Its line.
    pub line: u32,
    /// Its column.
    pub column: u32,
    /// What it is, what was expected and what was found, and what counts instead.
    pub text: String,
}

/// Operations that are done once, whatever their interval.
pub const DONE_ONCE: [&str; 7] = [
    "start",
    "stop",
    "promote",
    "demote",
    "migrate_to",
    "migrate_from",
    "reload-agent",
];

/// What of a configuration is not read as it is written, in its order.
pub fn misread(document: &Document) -> Vec<Misread> {
    let configuration = document.root().child("configuration");
    let all = || configuration.into_iter().flat_map(Element::descendants);
    let by_meta = |it: &Element<'_>| {
        let source = it.get("value-source");
        source.is_some_and(|source| source.eq_ignore_ascii_case("meta"))
    };
    let compared: BTreeSet<&str> = all()
        .filter(by_meta)
        .filter_map(|it| it.get("value"))
        .collect();
    let attributes = rules::known_attributes(document);
    let mut found: Vec<Misread> = all()
        .flat_map(|it| of_element(it, &compared))
        .chain(all().filter_map(|it| rules::never(it, &attributes)))
        .collect();
    found.sort_by_key(|it| (it.line, it.column));
    found
}

fn of_element(element: Element<'_>, compared: &BTreeSet<&str>) -> Vec<Misread> {
    let known = ELEMENTS.iter().find(|(name, _)| *name == element.name());
    let mut found = known.map_or_else(Vec::new, |(_, names)| of_attributes(element, names));
    match element.name() {
        "nvpair" => found.extend(of_pair(element, compared)),
        "op" => {
            found.extend(repeated(element));
            found.extend(of_response(element, element, element.get("on-fail")));
        }
        "operations" => found.extend(doubles(element)),
        "rsc_colocation" => found.extend(without_score(element)),
        "date_spec" => {
            let fields = element.attributes().filter(|(name, _)| *name != "id");
            let wrong = fields.filter(|(name, value)| !is_possible_range(name, value));
            found.extend(wrong.map(|(name, value)| {
                let expected = "a number or a range such as 9-17 that can occur";
                let what = format!("{name} of <date_spec>");
                told(element, &what, expected, value, "it never holds")
            }));
        }
        _ => {}
    }
    found
}

/// What a set of pairs is read as.
struct Set {
    names: Names,
    /// What a name in it is called.
    what: fn(&str, &str) -> String,
    /// Whether somebody else than the scheduler may read other names.
    open: bool,
}

/// What the set means that a pair is in, and whose it is.
fn set_of<'d>(set: Element<'d>, owner: Element<'d>) -> Option<(Set, &'d str)> {
    let plain: fn(&str, &str) -> String = |name, _| name.to_owned();
    let named: fn(&str, &str) -> String = |name, of| format!("{name} of {of}");
    let id = owner.get("id").unwrap_or_default();
    let (names, what, open, of): (_, fn(&str, &str) -> String, _, _) =
        match (owner.name(), set.name()) {
            // Agents keep what they want to remember in sets of their own.
            ("crm_config", _) => {
                let mut pairs = set.children_named("nvpair");
                let own = pairs.any(|it| {
                    let name = it.get("name").unwrap_or_default();
                    names::find(OPTIONS, name).is_some()
                });
                (OPTIONS, |name, _| format!("option {name}"), !own, "")
            }
            ("rsc_defaults", "meta_attributes") => (OF_RESOURCES, plain, false, ""),
            ("op_defaults", "meta_attributes") => (OF_OPERATIONS, plain, true, ""),
            ("op", "meta_attributes") => (
                OF_OPERATIONS,
                |name, of| format!("{name} of operation {of}"),
                true,
                id,
            ),
            ("node", "instance_attributes") => (
                OF_NODES,
                |name, of| format!("attribute {name} of node {of}"),
                true,
                owner.get("uname").unwrap_or_default(),
            ),
            (_, "meta_attributes") => (OF_RESOURCES, named, false, id),
            _ => return None,
        };
    Some((Set { names, what, open }, of))
}

/// What the name of a pair means where it stands.
fn of_pair(pair: Element<'_>, compared: &BTreeSet<&str>) -> Option<Misread> {
    let (name, value) = (pair.get("name")?, pair.get("value")?);
    let set = pair.parent()?;
    let owner = set.parent()?;
    let (read, of) = set_of(set, owner)?;
    let what = (read.what)(name, of);
    if let Some(first) = before(pair, set, name) {
        return Some(say(pair, format!("{what}: {first}")));
    }
    let Some((kind, instead)) = names::find(read.names, name) else {
        let meant = names::meant(read.names, name);
        let is_read = compared.contains(name) || read.open && meant.is_none();
        let hint = match meant {
            Some(meant) => format!("did you mean {meant}?"),
            None => "remove it".to_owned(),
        };
        return (!is_read).then(|| say(pair, format!("{what}: nothing reads it: {hint}")));
    };
    if matches!(owner.name(), "primitive" | "group" | "template") && OF_CLONES.contains(&name) {
        let text = format!("{what}: only a clone has it, so nothing reads it: write it there");
        return Some(say(pair, text));
    }
    if !kind.holds(value) {
        return Some(misread_value(pair, &what, kind, value, instead));
    }
    if owner.name() == "op" && name == "on-fail" {
        return of_response(pair, owner, Some(value));
    }
    None
}

/// That another pair of a set has the same name, and comes first.
fn before(pair: Element<'_>, set: Element<'_>, name: &str) -> Option<String> {
    let mut pairs = set.children_named("nvpair");
    let first = pairs.find(|it| it.get("name") == Some(name))?;
    let value = first.get("value").unwrap_or_default();
    (first.id() != pair.id() && pair.get("value") != first.get("value"))
        .then(|| format!("it is there before in the same set, and \"{value}\" counts: remove one"))
}

fn of_attributes(element: Element<'_>, names: Names) -> Vec<Misread> {
    let known = names.iter().filter_map(|(name, kind, instead)| {
        let value = element.get(name).filter(|value| !kind.holds(value))?;
        let id = element.get("id").unwrap_or_default();
        let what = format!("{name} of <{}> {id}", element.name());
        Some(misread_value(
            element,
            what.trim_end(),
            *kind,
            value,
            instead,
        ))
    });
    known.collect()
}

/// The interval of an operation that is done once, whatever its interval.
fn repeated(op: Element<'_>) -> Option<Misread> {
    let (name, interval) = (op.get("name")?, op.get("interval")?);
    (DONE_ONCE.contains(&name) && parse_interval(interval).is_some_and(|ms| ms > 0)).then(|| {
        let what = format!("interval of the {name}");
        let instead = "it is not repeated, and what this <op> says does not count";
        told(
            op,
            &what,
            "0: a monitor is what is repeated",
            interval,
            instead,
        )
    })
}

/// A response that an operation cannot have (scheduler-spec/01 §17.3).
fn of_response(at: Element<'_>, op: Element<'_>, response: Option<&str>) -> Option<Misread> {
    let (name, response) = (op.get("name")?, response?);
    let is = |text: Option<&str>, words: &[&str]| {
        text.is_some_and(|text| words.iter().any(|word| word.eq_ignore_ascii_case(text)))
    };
    let interval = op.get("interval").and_then(parse_interval);
    let of_promoted = name == "monitor"
        && is(op.get("role"), &["Promoted", "Master"])
        && interval.is_some_and(|ms| ms > 0);
    let (expected, instead) = match name {
        "stop" if is(Some(response), &["standby", "demote", "stop"]) => (
            "fence, block or ignore",
            "fence counts, or block without fencing",
        ),
        "stop" | "promote" => return None,
        _ if is(Some(response), &["demote"]) && !of_promoted => (
            "another response: this one is for promotions and for repeated monitors with role=Promoted",
            "the default counts",
        ),
        _ => return None,
    };
    let what = format!("on-fail of the {name}");
    Some(told(at, &what, expected, response, instead))
}

/// Operations that have the same name and the same interval: none of them is repeated.
fn doubles(operations: Element<'_>) -> Vec<Misread> {
    let mut seen: Vec<(&str, u32, &str)> = Vec::new();
    let mut found = Vec::new();
    for operation in operations.children_named("op") {
        let off = operation.get("enabled").and_then(scalar::boolean) == Some(false);
        let text = operation.get("interval").unwrap_or("0");
        let (Some(name), Some(ms)) = (operation.get("name"), parse_interval(text)) else {
            continue;
        };
        if off || ms == 0 {
            continue;
        }
        if let Some((_, _, other)) = seen.iter().find(|it| it.0 == name && it.1 == ms) {
            let what = format!("interval of the {name}");
            let expected = format!("another one than that of operation {other}");
            let instead = "neither of the two is done";
            found.push(told(operation, &what, &expected, text, instead));
        }
        seen.push((name, ms, operation.get("id").unwrap_or_default()));
    }
    found
}

/// A colocation without a score has the score 0.
fn without_score(colocation: Element<'_>) -> Option<Misread> {
    let sets: Vec<Element<'_>> = colocation.children_named("resource_set").collect();
    let is_said = |set: &Element<'_>| set.get("score").or(set.get("id-ref")).is_some();
    let of_set = sets.len() == 1 && sets.iter().all(is_said);
    (colocation.get("score").is_none() && !of_set).then(|| {
        let id = colocation.get("id").unwrap_or_default();
        let text = format!("<rsc_colocation> {id} has no score: it binds nothing: add one");
        say(colocation, text)
    })
}

fn misread_value(at: Element<'_>, what: &str, kind: Kind, found: &str, instead: &str) -> Misread {
    let instead = match (kind.beginning(found), instead.split_once(": ")) {
        (Some(number), _) => format!("{number} is read"),
        // What follows a colon says what that means.
        (None, Some((counts, effect))) => format!("{counts} counts: {effect}"),
        (None, None) => format!("{instead} counts"),
    };
    told(at, what, &kind.said(), found, &instead)
}

fn told(at: Element<'_>, what: &str, expected: &str, found: &str, instead: &str) -> Misread {
    let text = format!("{what}: expected {expected}, found \"{found}\": {instead}");
    say(at, text)
}

fn say(at: Element<'_>, text: String) -> Misread {
    let (line, column) = at.position();
    Misread { line, column, text }
}

#[cfg(test)]
mod tests {
    use super::misread;
    use crate::xml;

    fn told(options: &str, resources: &str, constraints: &str) -> Vec<String> {
        let text = format!(
            "<cib><configuration><crm_config><cluster_property_set id=\"o\">\n{options}</cluster_property_set></crm_config><nodes/><resources>\n{resources}</resources><constraints>\n{constraints}</constraints></configuration><status/></cib>"
        );
        let document = xml::parse(&text).unwrap();
        let found = misread(&document).into_iter();
        found
            .map(|it| format!("{}:{}: {}", it.line, it.column, it.text))
            .collect()
    }

    fn option(name: &str, value: &str) -> Vec<String> {
        let pair = format!("<nvpair id=\"p\" name=\"{name}\" value=\"{value}\"/>");
        told(&pair, "", "")
    }

    #[test]
    fn what_is_read_as_it_is_written_is_not_told() {
        for (name, value) in [
            ("no-quorum-policy", "FREEZE"),
            ("stonith-timeout", "5min"),
            ("batch-limit", "-1"),
            ("node-health-red", "-INFINITY"),
            ("maintenance-mode", "#default"),
            ("SAPHanaSR", "anything"),
        ] {
            assert!(option(name, value).is_empty(), "{name}={value}");
        }
    }

    #[test]
    fn what_is_not_is_told_with_its_place_and_what_was_expected() {
        assert_eq!(
            option("no-quorum-policy", "bogus"),
            [
                "2:1: option no-quorum-policy: expected one of stop, freeze, ignore, demote, fence, suicide, found \"bogus\": stop counts"
            ]
        );
        for (name, value) in [
            ("stonith-timeout", "-5"),
            ("stonith-timeout", "5 parsecs"),
            ("stonith-timeout", "99999999999h"),
            ("batch-limit", "many"),
            ("maintenance-mode", "perhaps"),
            ("node-health-red", "99999999999999"),
        ] {
            assert_eq!(option(name, value).len(), 1, "{name}={value}");
        }
    }

    #[test]
    fn values_of_resources_operations_and_rules_are_told_too() {
        let resource = r#"<primitive id="a"><meta_attributes id="m"><nvpair id="s" name="resource-stickiness" value="1e5"/></meta_attributes>
<operations><op id="x" name="monitor" interval="10s" timeout="soon"/>
<op id="y" name="monitor" interval="10s"/>
<op id="z" name="stop" interval="5"/></operations></primitive>"#;
        assert_eq!(
            told("", resource, ""),
            [
                "3:43: resource-stickiness of a: expected a whole number, INFINITY or -INFINITY, found \"1e5\": 1 is read",
                "4:13: timeout of <op> x: expected a time longer than 0, such as 10s, 5min or 2h, found \"soon\": 20s counts",
                "5:1: interval of the monitor: expected another one than that of operation x, found \"10s\": neither of the two is done",
                "6:1: interval of the stop: expected 0: a monitor is what is repeated, found \"5\": it is not repeated, and what this <op> says does not count",
            ]
        );
        let rule = r#"<rsc_location id="l" rsc="a"><rule id="r" score="5"><date_expression id="e" operation="lt" end="tomorrow"/><date_expression id="f" operation="date_spec"><date_spec id="g" hours="25-30"/></date_expression></rule></rsc_location>"#;
        let lines = told("", "", rule);
        assert!(lines[0].contains("end of <date_expression> e: expected a date"));
        assert!(lines[1].contains("hours of <date_spec>: expected a number"));
    }

    fn resource(inside: &str) -> Vec<String> {
        told("", &format!("<primitive id=\"a\">{inside}</primitive>"), "")
    }

    fn meta(name: &str, value: &str) -> String {
        format!(
            "<meta_attributes id=\"m\"><nvpair id=\"p\" name=\"{name}\" value=\"{value}\"/></meta_attributes>"
        )
    }

    #[track_caller]
    fn one(found: &[String], text: &str) {
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(text), "{found:?}");
    }

    #[test]
    fn what_only_other_parts_of_a_cluster_read_is_told_with_what_counts_instead() {
        for (name, value, counts) in [
            ("load-threshold", "high", "80%"),
            ("dc-deadtime", "soon", "20s"),
            ("enable-acl", "perhaps", "false"),
            ("fence-reaction", "reboot", "stop"),
            ("stonith-action", "Off", "reboot"),
        ] {
            one(
                &option(name, value),
                &format!("found \"{value}\": {counts} counts"),
            );
        }
        assert!(option("load-threshold", "80%").is_empty());
    }

    #[test]
    fn names_that_nothing_reads_are_told_with_what_was_meant() {
        let known = "<nvpair id=\"k\" name=\"stonith-enabled\" value=\"true\"/>";
        let beside = |name: &str| {
            let pair = format!("{known}<nvpair id=\"p\" name=\"{name}\" value=\"1\"/>");
            told(&pair, "", "")
        };
        one(
            &beside("require_quorum"),
            "option require_quorum: nothing reads it: remove it",
        );
        one(
            &option("no_quorum-policy", "stop"),
            "nothing reads it: did you mean no-quorum-policy?",
        );
        // An agent's own set.
        assert!(option("redis_REPL_INFO", "n1").is_empty());
        one(
            &resource(&meta("inteleave", "true")),
            "did you mean interleave?",
        );
        one(
            &resource(&meta("restart-type", "ignore")),
            "nothing reads it: remove it",
        );
        let rule = r#"<rsc_location id="l" rsc="a"><rule id="r" score="5"><expression id="e" attribute="rack" operation="eq" value-source="meta" value="rack"/></rule></rsc_location>"#;
        let own = format!("<primitive id=\"a\">{}</primitive>", meta("rack", "1"));
        assert!(told("", &own, rule).is_empty());
        one(
            &resource(&meta("interleave", "true")),
            "only a clone has it, so nothing reads it: write it there",
        );
        // Resource agents are told the meta attributes of their operations.
        let op = |name: &str| {
            let set = meta(name, "1");
            resource(&format!(
                "<operations><op id=\"x\" name=\"monitor\" interval=\"10s\">{set}</op></operations>"
            ))
        };
        assert!(op("trace").is_empty());
        one(&op("start-dela"), "did you mean start-delay?");
    }

    #[test]
    fn responses_that_an_operation_cannot_have_are_told() {
        let op = |attributes: &str| {
            resource(&format!(
                "<operations><op id=\"x\" {attributes}/></operations>"
            ))
        };
        one(
            &op(r#"name="stop" interval="0" on-fail="demote""#),
            "on-fail of the stop: expected fence, block or ignore, found \"demote\": fence counts, or block without fencing",
        );
        one(
            &op(r#"name="monitor" interval="10s" on-fail="demote""#),
            "the default counts",
        );
        assert!(op(r#"name="monitor" interval="10s" role="Promoted" on-fail="demote""#).is_empty());
        assert!(op(r#"name="promote" interval="0" on-fail="demote""#).is_empty());
    }

    #[test]
    fn attributes_of_nodes_and_second_pairs_are_told() {
        let text = r#"<cib><configuration><nodes><node id="1" uname="n1"><instance_attributes id="i"><nvpair id="p" name="terminate" value="soon"/><nvpair id="q" name="standby" value="off"/><nvpair id="r" name="standby" value="on"/></instance_attributes></node></nodes></configuration><status/></cib>"#;
        let document = xml::parse(text).unwrap();
        let found: Vec<String> = misread(&document).into_iter().map(|it| it.text).collect();
        assert_eq!(
            found,
            [
                "attribute terminate of node n1: expected true or false, found \"soon\": false counts",
                "attribute standby of node n1: it is there before in the same set, and \"off\" counts: remove one",
            ]
        );
    }

    #[test]
    fn a_colocation_without_a_score_is_told() {
        let with = |rest: &str| told("", "", &format!("<rsc_colocation id=\"c\" {rest}"));
        one(
            &with(r#"rsc="a" with-rsc="b"/>"#),
            "<rsc_colocation> c has no score: it binds nothing: add one",
        );
        assert!(with(r#"rsc="a" with-rsc="b" score="5"/>"#).is_empty());
        assert!(with(r#"><resource_set id="s" score="5"/></rsc_colocation>"#).is_empty());
    }

    #[test]
    fn rules_that_never_hold_are_told() {
        let in_location = |rule: &str| {
            let location = format!("<rsc_location id=\"l\" rsc=\"a\">{rule}</rsc_location>");
            told("", "<primitive id=\"a\"/>", &location)
        };
        one(
            &in_location(
                "<rule id=\"r\" score-attribute=\"pingd\"><expression id=\"e\" attribute=\"#uname\" operation=\"eq\" value=\"n1\"/></rule>",
            ),
            "no node has the attribute pingd (score-attribute), so it gives no score",
        );
        let rule = |inside: &str| format!("<rule id=\"r\" score=\"1\">{inside}</rule>");
        for (inside, text) in [
            (
                r#"<expression id="e" attribute="x" operation="defined" value="1"/>"#,
                "operation=defined with a value never holds: remove the value",
            ),
            (
                r#"<expression id="e" attribute="x" operation="eq"/>"#,
                "operation=eq without a value never holds: add one",
            ),
            (
                r#"<date_expression id="e" operation="gt" end="2030-01-01"/>"#,
                "operation=gt without start never holds",
            ),
            (
                r#"<op_expression id="e" name="monitor"/>"#,
                "it holds in meta attributes of operations only, and never here",
            ),
        ] {
            one(&in_location(&rule(inside)), text);
        }
        let by_node =
            rule(r##"<expression id="e" attribute="#uname" operation="eq" value="n1"/>"##);
        let set = |kind: &str| {
            resource(&format!(
                "<{kind} id=\"m\">{by_node}<nvpair id=\"p\" name=\"priority\" value=\"1\"/></{kind}>"
            ))
        };
        one(
            &set("meta_attributes"),
            "attributes of nodes are not known here, so #uname counts as not set: a rule of a location constraint, or of parameters, knows them",
        );
        assert!(set("instance_attributes").is_empty());
        assert!(in_location(&by_node).is_empty());
    }
}
