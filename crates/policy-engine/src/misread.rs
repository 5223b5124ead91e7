//! Values of a configuration that are not read as they are written: as Pacemaker does, the run
//! takes a default for them, or only the number that they begin with. Whoever wrote them should
//! hear of it. The crate `deployment` has tables of its own for documents, which it refuses for
//! such values.

use crate::configuration::date_specs::is_possible_range;
use crate::configuration::dates::{parse_clock_time, parse_interval};
use crate::model::{QuorumPolicy, Zone};
use crate::scalar;
use crate::xml::{Document, Element};

/// A value that is not read as it is written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Its line.
    pub line: u32,
    /// Its column.
    pub column: u32,
    /// What it is, what was expected, and what was found.
    pub text: String,
}

/// What a value may be.
#[derive(Clone, Copy)]
enum Kind {
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number from 0.
    Count,
    /// A whole number or an infinity, or a word of node health.
    Score,
    /// The same, from 0.
    Threshold,
    /// A time from 0.
    Interval,
    /// A time from 0, not in the form of ISO 8601.
    Delay,
    /// The same, longer than 0.
    Timeout,
    Moment,
    Words(&'static [&'static str]),
}
use Kind::{Boolean, Count, Delay, Integer, Interval, Moment, Score, Threshold, Timeout, Words};

type Names = &'static [(&'static str, Kind)];

const ON_FAIL: Kind = Words(&[
    "ignore",
    "block",
    "stop",
    "restart",
    "standby",
    "fence",
    "demote",
    "restart-container",
    "migrate",
    "nothing",
]);

const OPTIONS: Names = &[
    ("no-quorum-policy", Words(&QuorumPolicy::WORDS)),
    ("have-watchdog", Boolean),
    ("fencing-enabled", Boolean),
    ("stonith-enabled", Boolean),
    ("startup-fencing", Boolean),
    ("fencing-action", Words(&["reboot", "off", "poweroff"])),
    ("stonith-action", Words(&["reboot", "off", "poweroff"])),
    ("fencing-timeout", Interval),
    ("stonith-timeout", Interval),
    ("concurrent-fencing", Boolean),
    ("fence-remote-without-quorum", Boolean),
    ("priority-fencing-delay", Interval),
    ("node-pending-timeout", Interval),
    ("symmetric-cluster", Boolean),
    ("maintenance-mode", Boolean),
    ("stop-all-resources", Boolean),
    ("start-failure-is-fatal", Boolean),
    ("shutdown-lock", Boolean),
    ("shutdown-lock-limit", Interval),
    (
        "placement-strategy",
        Words(&["default", "utilization", "minimal", "balanced"]),
    ),
    ("enable-startup-probes", Boolean),
    ("live-migration", Boolean),
    ("stop-removed-resources", Boolean),
    ("stop-orphan-resources", Boolean),
    ("cancel-removed-actions", Boolean),
    ("stop-orphan-actions", Boolean),
    ("cluster-delay", Interval),
    ("batch-limit", Integer),
    ("migration-limit", Integer),
    ("node-action-limit", Integer),
    ("cluster-recheck-interval", Interval),
    (
        "node-health-strategy",
        Words(&[
            "none",
            "migrate-on-red",
            "only-green",
            "progressive",
            "custom",
        ]),
    ),
    ("node-health-red", Score),
    ("node-health-yellow", Score),
    ("node-health-green", Score),
    ("node-health-base", Score),
];

const OF_RESOURCES: Names = &[
    ("is-managed", Boolean),
    ("maintenance", Boolean),
    ("critical", Boolean),
    ("allow-migrate", Boolean),
    ("allow-unhealthy-nodes", Boolean),
    ("resource-stickiness", Score),
    ("priority", Score),
    ("migration-threshold", Threshold),
    ("failure-timeout", Interval),
    (
        "multiple-active",
        Words(&["block", "stop_only", "stop_start", "stop_unexpected"]),
    ),
    (
        "requires",
        Words(&["nothing", "quorum", "fencing", "unfencing"]),
    ),
    ("clone-max", Count),
    ("clone-node-max", Count),
    ("clone-min", Count),
    ("promoted-max", Count),
    ("promoted-node-max", Count),
    ("master-max", Count),
    ("master-node-max", Count),
    ("interleave", Boolean),
    ("ordered", Boolean),
    ("notify", Boolean),
    ("globally-unique", Boolean),
    ("promotable", Boolean),
];

const OF_OPERATIONS: Names = &[
    ("interval", Interval),
    ("timeout", Timeout),
    ("start-delay", Delay),
    ("interval-origin", Moment),
    ("on-fail", ON_FAIL),
];

const OF_NODES: Names = &[("standby", Boolean), ("maintenance", Boolean)];

/// Values of a configuration that are not read as they are written, in its order: of those options,
/// attributes and dates that the tables here name.
pub fn misread(document: &Document) -> Vec<Misread> {
    let configuration = document.root().child("configuration");
    let all = configuration.into_iter().flat_map(Element::descendants);
    let mut found: Vec<Misread> = all.flat_map(of_element).collect();
    found.sort_by_key(|it| (it.line, it.column));
    found
}

fn of_element(element: Element<'_>) -> Vec<Misread> {
    match element.name() {
        "nvpair" => of_pair(element).into_iter().collect(),
        "op" => of_attributes(element, OF_OPERATIONS),
        "operations" => doubles(element),
        "rsc_colocation" => of_attributes(element, &[("influence", Boolean)]),
        "date_expression" => of_attributes(element, &[("start", Moment), ("end", Moment)]),
        "date_spec" => {
            let fields = element.attributes().filter(|(name, _)| *name != "id");
            let wrong = fields.filter(|(name, value)| !is_possible_range(name, value));
            let told = wrong.map(|(name, value)| {
                let expected = "a number or a range such as 9-17 that can occur";
                told(element, &format!("{name} of <date_spec>"), expected, value)
            });
            told.collect()
        }
        _ => Vec::new(),
    }
}

/// What the name of a pair means where it stands.
fn of_pair(pair: Element<'_>) -> Option<Misread> {
    let (name, value) = (pair.get("name")?, pair.get("value")?);
    let set = pair.parent()?;
    let owner = set.parent()?;
    let known = |names: Names| names.iter().find(|(it, _)| *it == name);
    let (what, kind) = match (owner.name(), set.name()) {
        ("crm_config", _) => (format!("option {name}"), known(OPTIONS)?.1),
        ("rsc_defaults", "meta_attributes") => (name.to_owned(), known(OF_RESOURCES)?.1),
        ("op_defaults", "meta_attributes") => (name.to_owned(), known(OF_OPERATIONS)?.1),
        ("op", _) => {
            let of = owner.get("id").unwrap_or_default();
            (format!("{name} of operation {of}"), known(OF_OPERATIONS)?.1)
        }
        ("node", "instance_attributes") => {
            let of = owner.get("uname").unwrap_or_default();
            (format!("attribute {name} of node {of}"), known(OF_NODES)?.1)
        }
        (_, "meta_attributes") => {
            let of = owner.get("id").unwrap_or_default();
            (format!("{name} of {of}"), known(OF_RESOURCES)?.1)
        }
        _ => return None,
    };
    (!kind.holds(value)).then(|| told(pair, &what, &kind.said(), value))
}

fn of_attributes(element: Element<'_>, names: Names) -> Vec<Misread> {
    let known = names.iter().filter_map(|(name, kind)| {
        let value = element.get(name).filter(|value| !kind.holds(value))?;
        let id = element.get("id").unwrap_or_default();
        let what = format!("{name} of <{}> {id}", element.name());
        Some(told(element, what.trim_end(), &kind.said(), value))
    });
    let mut known: Vec<Misread> = known.collect();
    let (name, interval) = (element.get("name"), element.get("interval"));
    if let (Some(name @ ("start" | "stop" | "promote" | "demote")), Some(interval)) =
        (name, interval)
        && parse_interval(interval).is_some_and(|ms| ms > 0)
    {
        let what = format!("interval of the {name}");
        known.push(told(
            element,
            &what,
            "0: a monitor is what is repeated",
            interval,
        ));
    }
    known
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
            let expected =
                format!("another one than that of operation {other} (neither of the two is done)");
            found.push(told(operation, &what, &expected, text));
        }
        seen.push((name, ms, operation.get("id").unwrap_or_default()));
    }
    found
}

fn told(at: Element<'_>, what: &str, expected: &str, found: &str) -> Misread {
    let (line, column) = at.position();
    let text = format!("{what}: expected {expected}, found \"{found}\": correct it");
    Misread { line, column, text }
}

impl Kind {
    fn holds(self, text: &str) -> bool {
        // It takes away what another set says.
        if text.eq_ignore_ascii_case("#default") {
            return true;
        }
        let health = ["red", "yellow", "green"];
        match self {
            Boolean => scalar::boolean(text).is_some(),
            Integer => whole(text).is_some(),
            Count => whole(text).is_some_and(|it| it >= 0),
            Score => whole(text).is_some() || is_infinity(text) || health.contains(&text),
            Threshold => whole(text).is_some_and(|it| it >= 0) || text.ends_with("INFINITY"),
            Interval => parse_interval(text).is_some_and(|ms| ms < u32::MAX),
            Delay => scalar::milliseconds(text).is_some_and(|ms| ms >= 0),
            Timeout => scalar::milliseconds(text).is_some_and(|ms| ms > 0),
            Moment => parse_clock_time(text, 0, &Zone::default()).is_some(),
            Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
        }
    }

    fn said(self) -> String {
        let said = match self {
            Boolean => "true or false",
            Integer => "a whole number",
            Count => "a whole number from 0",
            Score => "a whole number, INFINITY or -INFINITY",
            Threshold => "a whole number from 0, or INFINITY",
            Interval => "a time from 0 to 49 days, such as 10s, 5min, 2h or PT10S",
            Delay => "a time from 0, such as 10s, 5min or 2h",
            Timeout => "a time longer than 0, such as 10s, 5min or 2h",
            Moment => "a date and time such as 2026-01-31T12:30:00Z",
            Words(words) => return format!("one of {}", words.join(", ")),
        };
        said.to_owned()
    }
}

fn is_infinity(text: &str) -> bool {
    matches!(text, "INFINITY" | "+INFINITY" | "-INFINITY")
}

/// A whole number of 32 bits; `1.0` is 1.
fn whole(text: &str) -> Option<i32> {
    let text = text.trim();
    let text = match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    text.parse().ok()
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
                "2:1: option no-quorum-policy: expected one of stop, freeze, ignore, demote, fence, suicide, found \"bogus\": correct it"
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
                "3:43: resource-stickiness of a: expected a whole number, INFINITY or -INFINITY, found \"1e5\": correct it",
                "4:13: timeout of <op> x: expected a time longer than 0, such as 10s, 5min or 2h, found \"soon\": correct it",
                "5:1: interval of the monitor: expected another one than that of operation x (neither of the two is done), found \"10s\": correct it",
                "6:1: interval of the stop: expected 0: a monitor is what is repeated, found \"5\": correct it",
            ]
        );
        let rule = r#"<rsc_location id="l" rsc="a"><rule id="r" score="5"><date_expression id="e" operation="lt" end="tomorrow"/><date_expression id="f" operation="date_spec"><date_spec id="g" hours="25-30"/></date_expression></rule></rsc_location>"#;
        let lines = told("", "", rule);
        assert!(lines[0].contains("end of <date_expression> e: expected a date"));
        assert!(lines[1].contains("hours of <date_spec>: expected a number"));
    }
}
