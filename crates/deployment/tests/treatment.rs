//! The tables of what becomes of everything that a configuration can say, held against the code: of
//! the policy engine, of the tests, and of the reader.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use deployment::treatment::{
    CLUSTER_OPTIONS, DEVICE_PARAMETERS, ELEMENTS, NODE_ATTRIBUTES, OPERATION_ATTRIBUTES,
    OPERATION_OPTIONS, RESOURCE_OPTIONS, RULE_ATTRIBUTES, Row, Rows, Treatment, Values,
    documentation, find,
};
use deployment::{Problem, Severity, read_with_warnings};
use tidy::{File, Tree};

const ALL: [Rows; 8] = [
    CLUSTER_OPTIONS,
    RESOURCE_OPTIONS,
    OPERATION_ATTRIBUTES,
    OPERATION_OPTIONS,
    NODE_ATTRIBUTES,
    RULE_ATTRIBUTES,
    DEVICE_PARAMETERS,
    ELEMENTS,
];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const BEGIN: &str = "<!-- tables: RECORD_TABLES=1 cargo test -p deployment --test treatment -->\n";
const END: &str = "\n<!-- end of the tables -->";

#[test]
fn the_reference_has_the_tables() {
    let page = project().join("docs/deployment-document.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let begin = text.find(BEGIN).unwrap() + BEGIN.len();
    let end = text.find(END).unwrap();
    if std::env::var_os("RECORD_TABLES").is_some() {
        let text = format!("{}{}{}", &text[..begin], documentation(), &text[end..]);
        return std::fs::write(&page, text).unwrap();
    }
    assert!(
        text[begin..end] == documentation(),
        "docs/deployment-document.md is not up to date: RECORD_TABLES=1 cargo test -p deployment --test treatment writes it"
    );
}

#[test]
fn no_name_is_in_a_table_twice() {
    for rows in ALL {
        let names: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), rows.len());
    }
}

/// A function of a source: its name, and its text from `fn` to the closing brace.
struct Function {
    name: String,
    text: String,
    is_test: bool,
}

fn functions(source: &str) -> Vec<Function> {
    let lines: Vec<&str> = source.lines().collect();
    let is_test = |line: &&str| {
        let line = line.trim();
        line == "#[test]"
            || line.starts_with("#[tokio::test]")
            || line.starts_with("#[tokio::test(")
    };
    let all = tidy::rust::functions(&tidy::rust::parts(source).code).into_iter();
    all.map(|function| {
        let before = lines[..function.line - 1].iter().rev();
        let mut attributes = before.take_while(|line| line.trim().starts_with("#["));
        Function {
            is_test: attributes.any(is_test),
            text: lines[function.line - 1..function.end].join("\n"),
            name: function.name,
        }
    })
    .collect()
}

/// What a test says: its text, that of what it calls in its own file and in these helpers, and that
/// of the constants there.
fn says(test: &str, sources: &[&str]) -> String {
    let all: Vec<Function> = sources
        .iter()
        .flat_map(|source| functions(source))
        .collect();
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.map(str::to_owned).collect()
    };
    let (mut wanted, mut told) = (vec![test.to_owned()], BTreeSet::new());
    let mut said = String::new();
    while let Some(name) = wanted.pop() {
        if !told.insert(name.clone()) {
            continue;
        }
        // Another test is not what this one says.
        let own = all
            .iter()
            .filter(|it| it.name == name && (it.is_test == (name == test)));
        for function in own {
            said += &function.text;
            wanted.extend(words(&function.text));
        }
    }
    let named = words(&said);
    let lines = sources.iter().flat_map(|source| source.lines());
    let constants = lines.filter(|line| {
        let name = line
            .strip_prefix("const ")
            .and_then(|rest| rest.split(':').next());
        name.is_some_and(|name| named.contains(name))
    });
    constants.fold(said.clone(), |said, line| said + line)
}

/// The tests of the repository that have a name; each is an attribute and a function, not a word
/// somewhere.
fn tests_by_name(tree: &Tree) -> BTreeMap<String, Vec<&File>> {
    let mut tests: BTreeMap<String, Vec<&File>> = BTreeMap::new();
    for file in tree.rust() {
        // Looking at each function takes its time.
        if !file.text.contains("test]") && !file.text.contains("tokio::test(") {
            continue;
        }
        for function in functions(&file.text).into_iter().filter(|it| it.is_test) {
            tests.entry(function.name).or_default().push(file);
        }
    }
    tests
}

/// What is wrong with the rows' tests: such as there are not, are several, or do not speak of it.
fn wrong_tests(tree: &Tree) -> Vec<String> {
    let tests = tests_by_name(tree);
    let mut wrong = Vec::new();
    for row in ALL.iter().copied().flatten() {
        let Treatment::CarriedOut { test } = row.treatment else {
            continue;
        };
        let file = match tests.get(test).map(Vec::as_slice) {
            None => {
                wrong.push(format!("{}: there is no test {test}", row.name));
                continue;
            }
            Some([file]) => *file,
            Some(files) => {
                let count = files.len();
                wrong.push(format!("{}: {count} tests are called {test}", row.name));
                continue;
            }
        };
        // What the helpers of a folder of tests write counts too.
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let helpers = tree.get(&format!("{folder}/lab.rs"));
        let files = [Some(file), helpers].into_iter().flatten();
        let sources: Vec<&str> = files.map(|file| file.text.as_str()).collect();
        let name = row.name.trim_end_matches('*').rsplit(' ').next().unwrap();
        if !says(test, &sources).contains(name) {
            wrong.push(format!("{}: {test} does not speak of {name}", file.path));
        }
    }
    wrong
}

#[test]
fn what_is_carried_out_names_a_test_that_speaks_of_it() {
    let tree = Tree::read(&project()).unwrap();
    assert_eq!(wrong_tests(&tree), [""; 0]);
}

#[test]
fn a_test_that_is_removed_or_hollowed_out_is_missed() {
    let speaks = "#[test]\nfn it_moves() {\n    helper();\n}\nfn helper() {\n    set(\"resource-stickiness\");\n}\n";
    let names = |source: &str| -> Vec<String> {
        let tests = functions(source).into_iter().filter(|it| it.is_test);
        tests.map(|it| it.name).collect()
    };
    assert_eq!(names(speaks), ["it_moves"]);
    assert!(says("it_moves", &[speaks]).contains("resource-stickiness"));
    for gone in [
        speaks.replace("#[test]\n", ""),
        speaks.replace("#[test]\nfn it_moves", "// #[test]\nfn it_moves"),
        speaks.replace("fn it_moves", "fn it_stays") + "// it_moves\n",
        "/*".to_owned() + speaks + "*/",
    ] {
        assert!(!names(&gone).contains(&"it_moves".to_owned()), "{gone}");
    }
    // The name stands in the file, but in another test.
    let hollow = speaks.replace("    helper();\n", "")
        + "#[tokio::test]\nasync fn it_sticks() {\n    helper();\n}\n";
    assert_eq!(names(&hollow), ["it_moves", "it_sticks"]);
    assert!(!says("it_moves", &[&hollow]).contains("resource-stickiness"));
    assert!(says("it_sticks", &[&hollow]).contains("resource-stickiness"));
}

/// A document with two assemblies; the first has these attributes.
fn document(attributes: &str, configuration: &str) -> String {
    format!(
        "<deployable name=\"x\"><assemblies>\n<assembly name=\"a\" address=\"unix:/a\">{attributes}</assembly>\n\
         <assembly name=\"b\" address=\"unix:/b\"/></assemblies>\n<configuration>\n{configuration}\n</configuration></deployable>"
    )
}

fn pair(name: &str, value: &str) -> String {
    format!("\n<nvpair id=\"n\" name=\"{name}\" value=\"{value}\"/>\n")
}

fn primitive(inner: &str) -> String {
    format!(
        "<resources><primitive id=\"p\" class=\"ocf\" provider=\"p\" type=\"t\">{inner}</primitive></resources>"
    )
}

/// A document that says it, in the line of its own that is line 6 of all but attributes.
fn saying(rows: Rows, row: &Row, value: &str) -> String {
    let name = row.name.replace('*', "x");
    let element = row.within.first().copied().unwrap_or_default();
    let set = |kind: &str| format!("<{kind} id=\"s\">{}</{kind}>", pair(&name, value));
    if rows == CLUSTER_OPTIONS {
        let set = set("cluster_property_set");
        // Some are for fencing devices only.
        let device =
            "<resources><primitive id=\"d\" class=\"stonith\" type=\"fence_x\"/></resources>";
        return document("", &format!("<crm_config>{set}</crm_config>{device}"));
    }
    if rows == RESOURCE_OPTIONS {
        let set = set("meta_attributes");
        return document(
            "",
            &match element {
                "" => primitive(&set),
                "group" => format!(
                    "<resources><group id=\"g\">{set}<primitive id=\"p\" class=\"lsb\" type=\"t\"/></group></resources>"
                ),
                _ => clone_with(&name, &set),
            },
        );
    }
    if rows == OPERATION_OPTIONS {
        let set = set("meta_attributes");
        return document("", &format!("<op_defaults>{set}</op_defaults>"));
    }
    if rows == OPERATION_ATTRIBUTES {
        let base = [("name", "monitor"), ("interval", "10s")];
        let base = base.into_iter().filter(|(own, _)| *own != name);
        let base: String = base
            .map(|(own, said)| format!(" {own}=\"{said}\""))
            .collect();
        let op = format!("<operations>\n<op id=\"o\"{base}\n{name}=\"{value}\"/></operations>");
        return document("", &primitive(&op));
    }
    if rows == NODE_ATTRIBUTES {
        let own =
            format!("<attributes>\n<attribute name=\"{name}\" value=\"{value}\"/></attributes>");
        return document(&own, "");
    }
    if rows == RULE_ATTRIBUTES {
        let rule = format!(
            "<constraints><rsc_location id=\"l\" rsc=\"p\"><rule id=\"r\" score=\"1\">\n\
             <expression id=\"e\" operation=\"defined\" attribute=\"{name}\"/></rule></rsc_location></constraints>"
        );
        return document("", &(primitive("") + &rule));
    }
    if rows == DEVICE_PARAMETERS {
        let own = pair("pcmk_host_list", "a b").replace("\"n\"", "\"m\"") + &pair(&name, value);
        return document(
            "",
            &format!(
                "<resources><primitive id=\"d\" class=\"stonith\" type=\"fence_x\"><instance_attributes id=\"i\">{own}</instance_attributes></primitive></resources>"
            ),
        );
    }
    document("", &element_document(&name))
}

/// A clone with a set, promotable if only such a clone reads that.
fn clone_with(name: &str, set: &str) -> String {
    let promotes = ["promoted", "master"].iter().any(|it| name.starts_with(it));
    let promotable = match promotes {
        true => {
            "<meta_attributes id=\"p-m\"><nvpair id=\"p-n\" name=\"promotable\" value=\"true\"/></meta_attributes>"
        }
        false => "",
    };
    format!(
        "<resources><clone id=\"c\">{set}{promotable}<primitive id=\"p\" class=\"ocf\" provider=\"pacemaker\" type=\"t\"/></clone></resources>"
    )
}

/// A configuration with an element that is refused, or that has what means nothing.
fn element_document(name: &str) -> String {
    let primitive = "<primitive id=\"p\" class=\"lsb\" type=\"t\"/>";
    let resource = |inner: &str| format!("<resources>\n{inner}</resources>");
    match name {
        "bundle <primitive>" => resource(&format!(
            "<bundle id=\"b\"><podman image=\"i\"/>{primitive}</bundle>"
        )),
        "primitive ocf:pacemaker:remote" => {
            resource("<primitive id=\"p\" class=\"ocf\" provider=\"Pacemaker\" type=\"Remote\"/>")
        }
        "network control-port" => resource(
            "<bundle id=\"b\"><podman image=\"i\"/><network\ncontrol-port=\"9\"/></bundle>",
        ),
        "master" => resource(&format!("<master id=\"m\">{primitive}</master>")),
        "rkt" => resource("<bundle id=\"b\"><rkt image=\"i\"/></bundle>"),
        "lifetime" => format!(
            "{}<constraints>\n<rsc_location id=\"l\" rsc=\"p\" node=\"a\" score=\"1\"><lifetime/></rsc_location></constraints>",
            resource(primitive)
        ),
        _ => format!("\n<{name}/>"),
    }
}

/// The problems of a severity that say this, each with its place.
fn told(text: &str, severity: Severity, hint: &str) -> Vec<String> {
    let outcome = read_with_warnings(text.as_bytes());
    let problems = outcome.problems.into_iter();
    problems
        .filter(|it| it.severity == severity && it.text().contains(hint))
        .map(|it| {
            assert!(it.line > 1 && it.column >= 1, "{it}");
            it.to_string()
        })
        .collect()
}

#[test]
fn what_is_refused_is_refused_and_what_means_nothing_is_warned_about() {
    for rows in ALL {
        for row in rows {
            let value = match rows == DEVICE_PARAMETERS {
                true => "9",
                false => "true",
            };
            let text = saying(rows, row, value);
            let outcome = read_with_warnings(text.as_bytes());
            match row.treatment {
                Treatment::Refused { hint } => {
                    let told = told(&text, Severity::Error, hint);
                    assert_eq!(told.len(), 1, "{}: {:?}", row.name, outcome.problems);
                }
                Treatment::NoMeaning { reason } => {
                    let told = told(&text, Severity::Warning, reason);
                    assert_eq!(told.len(), 1, "{}: {:?}", row.name, outcome.problems);
                    assert!(outcome.deployment.is_some(), "{:?}", outcome.problems);
                }
                Treatment::CarriedOut { .. } => {
                    let mut problems = outcome.problems.iter();
                    let in_vain = problems.any(|it| {
                        ["means nothing", "has no effect", "cannot be carried"]
                            .iter()
                            .any(|words| it.message.contains(words))
                    });
                    assert!(!in_vain, "{}: {:?}", row.name, outcome.problems);
                }
            }
            for value in row.except.iter().flat_map(|(values, _)| values.iter()) {
                let told = told(
                    &saying(rows, row, value),
                    Severity::Error,
                    row.refuses(value).unwrap(),
                );
                assert_eq!(told.len(), 1, "{}={value}", row.name);
            }
        }
    }
}

/// Values that the policy engine would not understand, each with one that it does.
fn wrong_and_right(values: Values) -> (&'static [&'static str], &'static [&'static str]) {
    const DURATIONS: &[&str] = &["10s", "10", "0", "5min", "5 minutes", "2h", "500ms", "1.5s"];
    match values {
        Values::Text => (&[], &["ture"]),
        Values::Boolean => (
            &["ture", "flase", "oui", "", "2", " true"],
            &["TRUE", "yes", "On", "1", "y", "no", "0", "#default"],
        ),
        Values::BooleanOrDefault => (&["flase", "#defualt"], &["default", "false"]),
        Values::Integer => (
            &["many", "5x", "INFINITY ", ""],
            &["5", " 5 ", "-1", "INFINITY"],
        ),
        Values::Count => (&["two", "-1", "INFINITY", "1.5"], &["0", "2", "2.0"]),
        Values::Positive => (&["0", "x"], &["1"]),
        Values::Score => (
            &["much", "INFINTY", "infinity", "1e3"],
            &[
                "INFINITY",
                "-INFINITY",
                "+INFINITY",
                "-5",
                "1.0",
                "red",
                "#Default",
            ],
        ),
        Values::Threshold => (&["-1", "x", "red"], &["3", "INFINITY"]),
        Values::Duration => (&["soon", "-5s", "1d", "", "５s", "Pnow"], DURATIONS),
        Values::PositiveDuration => (&["soon", "0", "0s", "1d"], &["PT10S", "60"]),
        Values::Timeout => (&["soon", "0", "PT10S", "1 day"], &["10s", "10"]),
        Values::Delay => (&["soon", "-5s", "PT10S"], DURATIONS),
        Values::Moment => (&["now", "2026-02-30"], &["2026-12-01 08:00:00"]),
        Values::Words(words) => (&["Stoped", "greedy", ""], words),
        // the older name's `poweroff` is upgraded
        Values::Exactly(words) => (&["powerof", "Reboot", "OFF"], words),
    }
}

/// Names whose value may be any text.
const TEXTS: [&str; 5] = [
    "cluster-name",
    "container",
    "name",
    "site-name",
    "#site-name",
];

#[test]
fn what_the_policy_engine_would_not_understand_is_refused_with_its_place() {
    for rows in [
        CLUSTER_OPTIONS,
        RESOURCE_OPTIONS,
        OPERATION_ATTRIBUTES,
        OPERATION_OPTIONS,
        NODE_ATTRIBUTES,
    ] {
        let decide = |row: &&Row| matches!(row.treatment, Treatment::CarriedOut { .. });
        for row in rows.iter().filter(decide) {
            let is_text = row.values == Values::Text;
            assert_eq!(is_text, TEXTS.contains(&row.name), "{}", row.name);
            let (wrong, right) = wrong_and_right(row.values);
            let wrong = wrong.iter().filter(|it| row.refuses(it).is_none());
            for value in wrong.filter(|it| !row.values.contain_pair(it)) {
                let text = saying(rows, row, value);
                let told = told(&text, Severity::Error, "' is not a valid ");
                assert_eq!(told.len(), 1, "{}={value:?}: {told:?}", row.name);
                assert!(told[0].contains("expected "), "{told:?}");
                let accepted = deployment::read_accepted(text.as_bytes());
                let problems = &accepted.problems;
                assert!(accepted.deployment.is_some(), "{}: {problems:?}", row.name);
            }
            for value in right.iter().filter(|it| row.refuses(it).is_none()) {
                let is_attribute = [OPERATION_ATTRIBUTES, NODE_ATTRIBUTES].contains(&rows);
                if is_attribute && value.starts_with('#') {
                    continue;
                }
                let text = saying(rows, row, value);
                let told = told(&text, Severity::Error, "not a valid");
                assert_eq!(told, [""; 0], "{}={value:?}", row.name);
            }
        }
    }
}

#[test]
fn a_misspelt_value_is_told_with_the_one_that_was_meant() {
    let options = |name: &str, value: &str| {
        let set = format!(
            "<cluster_property_set id=\"s\">{}</cluster_property_set>",
            pair(name, value)
        );
        let text = document("", &format!("<crm_config>{set}</crm_config>"));
        told(&text, Severity::Error, "").join("\n")
    };
    assert_eq!(
        options("maintenance-mode", "ture"),
        "6:47: error: 'ture' is not a valid value of the option 'maintenance-mode'; did you mean 'true'? expected 'true' or 'false'"
    );
    let placement = options("placement-strategy", "blanced");
    assert!(
        placement.contains("did you mean 'balanced'? expected one of: default, "),
        "{placement}"
    );
}

#[test]
fn a_response_that_the_operation_cannot_have_is_warned_about() {
    let warnings = |attributes: &str, inner: &str| {
        let op = format!("<operations><op id=\"o\" {attributes}>{inner}</op></operations>");
        told(
            &document("", &primitive(&op)),
            Severity::Warning,
            "has no effect for the operation",
        )
    };
    let meta = "<meta_attributes id=\"s\"><nvpair id=\"n\" name=\"on-fail\" value=\"Standby\"/></meta_attributes>";
    let stop = "name=\"stop\" interval=\"0\"";
    let monitor = "name=\"monitor\" interval=\"10s\" on-fail=\"demote\"";
    for response in ["standby", "demote", "stop"] {
        let of_stop = warnings(&format!("{stop} on-fail=\"{response}\""), "");
        assert_eq!(of_stop.len(), 1, "{response}");
        assert!(of_stop[0].ends_with("expected one of: fence, block, ignore"));
    }
    assert_eq!(warnings(stop, meta).len(), 1);
    assert_eq!(warnings(monitor, "").len(), 1);
    assert_eq!(
        warnings(&format!("{monitor} role=\"Promoted\""), ""),
        [""; 0]
    );
    assert_eq!(warnings(&format!("{stop} on-fail=\"block\""), ""), [""; 0]);
    assert_eq!(
        warnings("name=\"promote\" interval=\"0\" on-fail=\"demote\"", ""),
        [""; 0]
    );
}

#[test]
fn amounts_of_capacities_are_numbers() {
    let errors = |value: &str| {
        let set = format!("<utilization id=\"s\">{}</utilization>", pair("cpu", value));
        told(
            &document("", &primitive(&set)),
            Severity::Error,
            "is not a valid amount of 'cpu'",
        )
    };
    assert_eq!(errors("two").len(), 1);
    assert_eq!(errors("2"), [""; 0]);
}

/// Attributes that stand in no table: those of constraints, bundles and sets.
#[test]
fn misspelt_attributes_of_constraints_and_containers_are_refused() {
    let constraint = |attributes: &str| {
        document(
            "",
            &format!("{}<constraints>{attributes}</constraints>", primitive("")),
        )
    };
    let bundle = |attributes: &str| {
        let bundle = format!("<bundle id=\"b\"><podman image=\"i\" {attributes}/></bundle>");
        document("", &format!("<resources>{bundle}</resources>"))
    };
    for text in [
        constraint("<rsc_location id=\"l\" rsc=\"p\" node=\"a\" score=\"INFINTY\"/>"),
        constraint("<rsc_location id=\"l\" rsc=\"p\" node=\"a\" score=\"1\" role=\"Startde\"/>"),
        constraint(
            "<rsc_location id=\"l\" rsc=\"p\" node=\"a\" score=\"1\" resource-discovery=\"nver\"/>",
        ),
        constraint(
            "<rsc_colocation id=\"l\" rsc=\"p\" with-rsc=\"p\" score=\"1\" influence=\"flase\"/>",
        ),
        constraint("<rsc_order id=\"l\" first=\"p\" then=\"p\" kind=\"Optinal\"/>"),
        constraint("<rsc_order id=\"l\" first=\"p\" then=\"p\" symmetrical=\"ture\"/>"),
        constraint("<rsc_order id=\"l\" first=\"p\" then=\"p\" first-action=\"strat\"/>"),
        constraint("<rsc_ticket id=\"l\" rsc=\"p\" ticket=\"t\" loss-policy=\"stopp\"/>"),
        bundle("replicas=\"two\""),
        bundle("replicas=\"0\""),
        bundle("replicas-per-host=\"-1\""),
        bundle("promoted-max=\"INFINITY\""),
    ] {
        let told = told(&text, Severity::Error, "' is not a valid ");
        assert_eq!(told.len(), 1, "{text}");
    }
}

#[test]
fn what_means_something_in_some_elements_only_is_warned_about_in_others() {
    for row in RESOURCE_OPTIONS.iter().filter(|row| !row.within.is_empty()) {
        let set = format!(
            "<meta_attributes id=\"s\">{}</meta_attributes>",
            pair(row.name, "1")
        );
        let text = document("", &primitive(&set));
        let told = told(
            &text,
            Severity::Warning,
            "has no effect in <primitive>; write it in <",
        );
        assert_eq!(told.len(), 1, "{}", row.name);
    }
}

#[test]
fn unknown_names_are_warned_about_unless_somebody_reads_them() {
    let warnings = |text: &str| told(text, Severity::Warning, "has no effect");
    let options = document(
        "",
        &format!(
            "<crm_config><cluster_property_set id=\"s\">{}</cluster_property_set></crm_config>",
            pair("my-note", "1")
        ),
    );
    assert_eq!(
        warnings(&options),
        ["6:22: warning: the option 'my-note' has no effect; nothing reads it: remove it"]
    );
    let own = |name: &str| {
        let set = format!(
            "<meta_attributes id=\"s\">{}</meta_attributes>",
            pair(name, "1")
        );
        primitive(&set)
    };
    let misspelt = document("", &own("resource-stickyness"));
    assert!(warnings(&misspelt)[0].ends_with("did you mean 'resource-stickiness'?"));
    assert_eq!(warnings(&document("", &own("rack"))).len(), 1);
    let rule = "<constraints><rsc_location id=\"l\" rsc=\"p\"><rule id=\"r\" score=\"1\">
        <expression id=\"e\" attribute=\"rack\" operation=\"eq\" value-source=\"meta\" value=\"rack\"/></rule></rsc_location></constraints>";
    assert_eq!(warnings(&document("", &(own("rack") + rule))), [""; 0]);
    // Agents are told the meta attributes of operations.
    let of_operation = |name: &str| {
        let set = format!(
            "<meta_attributes id=\"s\">{}</meta_attributes>",
            pair(name, "1")
        );
        document("", &format!("<op_defaults>{set}</op_defaults>"))
    };
    assert_eq!(warnings(&of_operation("my-agents-own")), [""; 0]);
    assert_eq!(warnings(&of_operation("timeuot")).len(), 1);
}

#[test]
fn a_parameter_may_have_the_name_of_a_meta_attribute() {
    let set = format!(
        "<instance_attributes id=\"s\">{}</instance_attributes>",
        pair("remote-node", "1")
    );
    let outcome = read_with_warnings(document("", &primitive(&set)).as_bytes());
    assert_eq!(outcome.problems, []);
}

/// What the policy engine reads beside configurations: states, histories and graphs, parameters
/// of agents.
const NOT_OF_DOCUMENTS: &[&str] = &[
    // of the CIB, of its state and of histories
    "call-id",
    "clone",
    "crm_feature_set",
    "crmd",
    "dc-uuid",
    "expected",
    "have-quorum",
    "in_ccm",
    "join",
    "last-granted",
    "lrm",
    "lrm_resource",
    "lrm_resources",
    "lrm_rsc_op",
    "migrate_source",
    "migrate_target",
    "no-quorum-panic",
    "node_fenced",
    "node_state",
    "on_node",
    "op-digest",
    "op-force-restart",
    "op-restart-digest",
    "op-secure-digest",
    "op-secure-params",
    "op-status",
    "operation_key",
    "rc-code",
    "ticket_state",
    "transient_attributes",
    "transition-key",
    "transition-magic",
    "last-rc-change",
    "execution-date",
    "granted",
    "uname",
    "exit-reason",
    "status",
    "node_in_maintenance",
    // parameters of agents that the policy engine knows
    "addr",
    "port",
    "reconnect_interval",
    // of Pacemaker's default set
    "cib-bootstrap-options",
];

/// The names that the policy engine asks for: the arguments of calls that read.
fn names_read(file: &File) -> BTreeSet<String> {
    const CALLS: [&str; 16] = [
        "get(",
        "text(",
        "is_true(",
        "contains(",
        "child(",
        "children_named(",
        "attribute(",
        "boolean(",
        "interval(",
        "score(",
        "choice(",
        "number(&[",
        "promoted(",
        "flag(",
        "section(",
        "has(",
    ];
    let mut names = BTreeSet::new();
    let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    for call in CALLS {
        for (at, _) in code.match_indices(call) {
            let mut rest = code[at + call.len()..].trim_start_matches(['&', '[', ' ']);
            while let Some((name, after)) = rest.strip_prefix('"').and_then(|it| it.split_once('"'))
            {
                names.insert(name.to_owned());
                rest = after.trim_start_matches([',', ' ']);
            }
        }
    }
    // Options with an older name.
    for (at, _) in code.match_indices("let names = [") {
        let list = code[at..].split(']').next().unwrap_or_default();
        names.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    names
}

#[test]
fn every_name_that_the_policy_engine_reads_is_in_a_table() {
    const STAGES: [&str; 9] = [
        "configuration",
        "constraints",
        "status",
        "model",
        "assignment",
        "actions",
        "transition",
        "ordering",
        "graph",
    ];
    let tree = Tree::read(&project()).unwrap();
    let grammar = &tree.get("docs/deployment.rng").unwrap().text;
    let mut unknown = Vec::new();
    let mut read = BTreeSet::new();
    for stage in STAGES {
        let folder = format!("crates/policy-engine/src/{stage}/");
        let files = tree.rust().filter(|file| file.path.starts_with(&folder));
        for file in files.filter(|file| !file.path.ends_with("tests.rs")) {
            for name in names_read(file) {
                let in_table = ALL.iter().any(|rows| find(rows, &name).is_some());
                let in_grammar = grammar.contains(&format!("name=\"{name}\""));
                let elsewhere = NOT_OF_DOCUMENTS.contains(&name.as_str());
                if !in_table && !in_grammar && !elsewhere {
                    unknown.push(format!("{}: {name}", file.path));
                }
                read.insert(name);
            }
        }
    }
    assert!(unknown.is_empty(), "in no table: {unknown:#?}");
    // What is said to be decided is decided: the policy engine, or the reader, asks for it.
    let of_options = CLUSTER_OPTIONS.iter().chain(RESOURCE_OPTIONS);
    for row in of_options.filter(|row| matches!(row.treatment, Treatment::CarriedOut { .. })) {
        assert!(read.contains(row.name), "nobody reads {}", row.name);
    }
}

/// What an earlier version accepted is managed on: nothing of it stops running by an upgrade.
#[test]
fn what_is_refused_now_is_read_in_a_document_that_was_accepted_before() {
    let document = r#"<deployable name="d" uuid="0b1c9a52-8a44-4f0c-9f6e-5d0f1b6a7e21">
  <assemblies><assembly name="a" address="unix:/a"><fencing mode="lease"/></assembly></assemblies>
  <configuration>
    <crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
    <resources><primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/></resources>
    <constraints><rsc_location id="l" rsc="p"><rule id="r" score="100">
      <date_expression id="t" operation="date_spec"><date_spec id="t1" hours="24"/></date_expression>
    </rule></rsc_location></constraints>
  </configuration>
</deployable>"#;
    let refused = deployment::read(document.as_bytes()).unwrap_err();
    let is_error = |problem: &&Problem| problem.severity == Severity::Error;
    assert_eq!(refused.iter().filter(is_error).count(), 2, "{refused:?}");
    let outcome = deployment::read_accepted(document.as_bytes());
    assert_eq!(outcome.problems.iter().filter(is_error).count(), 0);
    assert!(outcome.deployment.is_some(), "{:?}", outcome.problems);
}
