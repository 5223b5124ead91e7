//! CIBs of clusters as deployment documents: what is kept, what is left out, and that the policy
//! engine decides on a document as on the CIB that it was made of.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod corpora;

use std::collections::BTreeMap;

use deployment::{Deployment, Imported, Problem, import, treatment};
use policy_engine::xml::{Document, Element, Writer};
use policy_engine::{Cib, RunOptions, graph, output::summary};
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000;

fn imported(cib: &str) -> Imported {
    import(cib.as_bytes(), Some("x")).unwrap_or_else(|problems| panic!("{}", report(&problems)))
}

fn refused(cib: &str) -> Vec<String> {
    let problems = import(cib.as_bytes(), Some("x")).expect_err("it is refused");
    problems.iter().map(ToString::to_string).collect()
}

fn report(problems: &[Problem]) -> String {
    problems.iter().map(|it| format!("{it}\n")).collect()
}

/// The deployment of a document that is valid.
fn valid(imported: &Imported) -> &Deployment {
    let outcome = &imported.outcome;
    let deployment = outcome.deployment.as_ref();
    deployment.unwrap_or_else(|| panic!("{}{}", imported.document, report(&outcome.problems)))
}

/// A cluster with these nodes and resources.
fn cib(nodes: &str, resources: &str) -> String {
    format!(
        r#"<cib validate-with="pacemaker-3.9" epoch="4"><configuration><crm_config/><nodes>{nodes}</nodes>
           <resources>{resources}</resources><constraints/></configuration><status/></cib>"#
    )
}

/// The CIB with the names of the assemblies as names and ids of the nodes.
fn with_names_of(assemblies: &Deployment, document: &Document) -> String {
    let nodes = document.root().descendants();
    let nodes = nodes.filter(|it| it.name() == "node" && it.get("type") != Some("remote"));
    let mut names = Names::default();
    for (node, assembly) in nodes.zip(&assemblies.assemblies) {
        let of = |name: &str| node.get(name).unwrap().to_lowercase();
        names.ids.insert(of("id"), &assembly.name);
        if node.get("uname") != Some(&assembly.name) {
            names.unames.insert(of("uname"), &assembly.name);
        }
    }
    let mut xml = Writer::new();
    names.write(document.root(), &mut xml);
    xml.finish()
}

/// The names of assemblies, by the ids of nodes and by their names in the cluster.
#[derive(Default)]
struct Names<'n> {
    ids: BTreeMap<String, &'n str>,
    unames: BTreeMap<String, &'n str>,
}

impl Names<'_> {
    fn write<'d>(&self, element: Element<'d>, xml: &mut Writer<'d>) {
        const NODES: [&str; 4] = ["node", "node_state", "lrm", "transient_attributes"];
        xml.open(element.name());
        let is_about_id = element.get("attribute") == Some("#id");
        for (attribute, value) in element.attributes() {
            let is_id = match attribute {
                "id" => NODES.contains(&element.name()),
                "dc-uuid" => true,
                "value" => is_about_id,
                _ => false,
            };
            let names = if is_id { &self.ids } else { &self.unames };
            let name = names.get(&value.to_lowercase()).copied();
            xml.attribute(attribute, name.unwrap_or(value));
        }
        for child in element.children() {
            if !is_left_out(element, child) {
                self.write(child, xml);
            }
        }
        xml.close();
    }
}

/// Whether it is what a document must not have: some cluster options, and what hangs on the DC.
fn is_left_out(outer: Element<'_>, inner: Element<'_>) -> bool {
    let name = inner.get("name").unwrap_or_default().replace('_', "-");
    let row = treatment::find(treatment::CLUSTER_OPTIONS, &name);
    let value = inner.get("value").unwrap_or_default();
    let is_option = outer.name() == "cluster_property_set" && inner.name() == "nvpair";
    let holds_rules = inner.name() == "rsc_location" || inner.name().ends_with("_attributes");
    is_option && row.is_some_and(|row| row.refuses(value).is_some() || row.misunderstands(value))
        || holds_rules
            && inner
                .descendants()
                .any(|it| it.get("attribute") == Some("#is_dc"))
}

/// The element of that name with all in it, as it stands in the text.
fn part<'t>(text: &'t str, name: &str) -> &'t str {
    let begin = text.find(&format!("<{name}>")).unwrap();
    let close = format!("</{name}>");
    &text[begin..text.find(&close).unwrap() + close.len()]
}

/// What is decided: in words, and as the graph of actions.
fn decided(cib: &str, now: i64) -> String {
    let cib = Cib::parse(cib).unwrap();
    let schedule = policy_engine::schedule(&cib, now, RunOptions::default());
    let lines = summary::lines(&schedule.summary).join("\n");
    format!("{lines}\n{}", graph::write(&schedule.graph))
}

/// What is decided on a CIB, with the options that every deployment has in the first place, and on
/// the document that was made of it, in the same state.
fn both(text: &str, deployment: &Deployment) -> (String, String) {
    let cib = Cib::parse(text).unwrap();
    let now = cib.execution_date().unwrap_or(NOW);
    let cluster = with_names_of(deployment, cib.document());
    let lowered = deployment.configuration();

    let options = part(&lowered, "crm_config");
    let end = options.find("</cluster_property_set>").unwrap();
    let options = &options["<crm_config>".len()..end];
    let options = format!("<crm_config>{options}</cluster_property_set>");
    let cluster = cluster.replacen("<crm_config/>", "<crm_config></crm_config>", 1);
    let original = cluster.replacen("<crm_config>", &options, 1);
    let document = cluster.replacen(part(&cluster, "configuration"), &lowered, 1);
    (decided(&original, now), decided(&document, now))
}

/// Whether the document leaves something out that the policy engine would see, and says so.
fn leaves_out(document: &str) -> bool {
    [
        "Decide: the node ",
        "Decide: the values of ",
        "Pacemaker Remote nodes",
        "the ping nodes ",
    ]
    .iter()
    .any(|words| document.contains(words))
}

#[test]
fn the_policy_engine_decides_on_documents_as_on_the_cibs_that_they_were_made_of() {
    for (corpus, floor) in corpora::FLOORS {
        let Some(files) = corpora::files(corpus) else {
            continue;
        };
        let (all, mut valid, mut same, mut different) = (files.len(), 0, 0, Vec::new());
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let imported = imported(&text);
            let Some(deployment) = &imported.outcome.deployment else {
                let mut problems = imported.outcome.problems.iter();
                // all say what to do
                let errors = problems.all(|it| it.hint.is_some());
                assert!(errors, "{}", file.display());
                continue;
            };
            valid += 1;
            if leaves_out(&imported.document) {
                continue;
            }
            let (original, document) = both(&text, deployment);
            match original == document {
                true => same += 1,
                false => different.push(file),
            }
        }
        println!(
            "{corpus}: {valid} of {all} CIBs become valid documents, {same} of these decide the same"
        );
        assert!(different.is_empty(), "{corpus}: {different:?}");
        assert!(valid >= floor, "{corpus}: {valid} of {all} are valid");
    }
}

#[test]
fn what_a_cluster_is_becomes_a_document_and_the_rest_is_commented() {
    let nodes = r##"<node id="1" uname="Web_1.lan" description="left &lt;rack--"><instance_attributes id="a">
          <nvpair id="a-1" name="site" value="a &quot;b&quot;"/><nvpair id="a-2" name="standby" value="on"/>
        </instance_attributes><utilization id="u"><nvpair id="u-1" name="cpu" value="4"/>
          <nvpair id="u-2" name="ram" value="4G"/></utilization></node>
        <node id="7c1f0e52-9b1d-4a55-8f0e-2f4f6f0c9d11" uname="web2" score="100"/>
        <node id="far" uname="far" type="remote"/>"##;
    let text = cib(
        nodes,
        r#"<primitive id="f" class="stonith" type="fence_virsh"><instance_attributes id="f-i">
             <nvpair id="f-h" name="pcmk_host_list" value="web_1.lan web2"/>
             <nvpair id="f-p" name="passwd" value="secret"/></instance_attributes></primitive>"#,
    );
    let text = text.replace(
        "<constraints/>",
        r##"<constraints><rsc_location id="l" rsc="f" node="WEB_1.lan" score="5"/>
            <rsc_location id="m" rsc="f"><rule id="r" score="1"><expression id="e" attribute="#id" operation="eq" value="1"/></rule></rsc_location>
            </constraints><alerts><alert id="x" path="/x"/></alerts>"##,
    );
    let imported = imported(&text);
    valid(&imported);
    insta::assert_snapshot!(imported.document);
    assert_eq!(
        imported.decisions,
        imported.document.matches("Decide: ").count()
    );
}

#[test]
fn an_import_names_the_secrets_that_are_withheld_elsewhere() {
    let nodes = r#"<node id="a" uname="a"/>"#;
    let names = ["community", "db_pwd", "ssh_private_key", "password_file"];
    let pairs = names.map(|name| format!(r#"<nvpair id="i-{name}" name="{name}" value="x"/>"#));
    let resource = format!(
        r#"<primitive id="p" class="ocf" provider="heartbeat" type="Dummy"><instance_attributes id="i">{}</instance_attributes></primitive>"#,
        pairs.concat()
    );
    let made = imported(&cib(nodes, &resource));
    let told = "it has secrets in it ('community', 'db_pwd', 'ssh_private_key')";
    assert!(made.document.contains(told), "{}", made.document);
}

#[test]
fn what_a_document_must_not_say_is_left_out_and_commented() {
    let nodes = r#"<node id="a" uname="a"><instance_attributes id="s"><nvpair id="s1" name="terminate" value="true"/>
        <nvpair id="s2" name="fail-count-p" value="3"/><nvpair id="s3" name="rack" value="1"/></instance_attributes></node>"#;
    let text = cib(nodes, r#"<primitive id="p" class="lsb" type="t"/>"#);
    let options = [
        "shutdown-lock",
        "stonith-enabled",
        "have-watchdog",
        "maintenance-mode",
    ];
    let pairs = options.map(|it| format!("<nvpair id=\"o-{it}\" name=\"{it}\" value=\"false\"/>"));
    let options = format!(
        "<crm_config><cluster_property_set id=\"o\">{}</cluster_property_set></crm_config>",
        pairs.concat()
    );
    let location = r##"<constraints><rsc_location id="dc" rsc="p"><rule id="r" score="1">
        <expression id="e" attribute="#is_dc" operation="eq" value="true"/></rule></rsc_location></constraints>"##;
    let text = text.replace("<crm_config/>", &options);
    let imported = imported(&text.replace("<constraints/>", location));
    let deployment = valid(&imported);
    assert_eq!(deployment.assemblies[0].attributes.len(), 1);
    let document = imported.document.split_whitespace();
    let document = document.collect::<Vec<_>>().join(" ");
    for expected in [
        "Decide: the cluster option 'shutdown-lock'='false', which is left out: nothing keeps",
        "Decide: the cluster option 'stonith-enabled'='false', which is left out: services of a lost",
        "<!-- Left out: the cluster option 'have-watchdog'='false'. Here the DPE says itself",
        "Decide: <rsc_location> 'dc', whose rule reads '#is_dc', which is left out: no assembly is a DC",
        "Decide: the node had an attribute 'terminate' with the value 'true', which is left out: the",
        "'fail-count-p' with the value '3', which is left out: the DPE counts",
        "name=\"maintenance-mode\"",
    ] {
        assert!(document.contains(expected), "{expected}\n{document}");
    }
    for gone in [
        "name=\"have-watchdog\"",
        "<rsc_location id",
        "name=\"terminate\"",
    ] {
        assert!(!document.contains(gone), "{gone}\n{document}");
    }
}

#[test]
fn a_value_that_the_cluster_did_not_understand_is_left_out_or_refused() {
    let option = |name: &str, value: &str| {
        format!(
            "<cluster_property_set id=\"o\"><nvpair id=\"n\" name=\"{name}\" value=\"{value}\"/></cluster_property_set>"
        )
    };
    let cib = |options: &str, meta: &str, of_operations: &str| {
        format!(
            "<cib><configuration><crm_config>{options}</crm_config><nodes><node id=\"1\" uname=\"a\"/></nodes>\
             <resources><primitive id=\"p\" class=\"ocf\" provider=\"p\" type=\"t\">{meta}</primitive></resources>\
             <constraints/><op_defaults><meta_attributes id=\"d\">{of_operations}</meta_attributes></op_defaults></configuration></cib>"
        )
    };
    let timeout = "<nvpair id=\"d1\" name=\"timeout\" value=\"soon\"/>";
    let text = cib(&option("maintenance-mode", "ture"), "", timeout);
    let with_comments = imported(&text);
    valid(&with_comments);
    let document = with_comments
        .document
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for comment in [
        "Decide: the cluster option 'maintenance-mode'='ture', which is left out: no value that means something",
        "Decide: the meta attribute 'timeout' of operations='soon', which is left out: no value that means something",
    ] {
        assert!(document.contains(comment), "{document}");
    }
    for name in ["name=\"maintenance-mode\"", "name=\"timeout\""] {
        assert!(!document.contains(name), "{document}");
    }
    // The cluster counts it as false: leaving it out would start the service.
    let meta = "<meta_attributes id=\"m\"><nvpair id=\"m1\" name=\"is-managed\" value=\"ture\"/></meta_attributes>";
    let outcome = imported(&cib("", meta, "")).outcome;
    assert!(outcome.deployment.is_none());
    let problems = report(&outcome.problems);
    assert!(
        problems.contains(
            "'ture' is not a valid value of the meta attribute 'is-managed'; did you mean 'true'?"
        ),
        "{problems}"
    );
}

#[test]
fn comments_of_the_cib_stay_beside_what_they_are_about() {
    let text = r#"<?xml version="1.0"?><!-- of the file --><cib validate-with="pacemaker-3.9"><configuration>
<!-- options --><crm_config/>
<nodes><!-- the old one --><node id="1" uname="n1"><!-- rack 7 --></node><!-- no others --></nodes>
<!-- what runs --><resources>
  <!-- since the move:
       ask Anna -->
  <primitive id="web" class="lsb" type="web"><!-- inside --><meta_attributes id="m"><!-- why --><nvpair id="n" name="priority" value="1"/></meta_attributes></primitive>
  <!-- behind -->
</resources><constraints/>
<acls><!-- not here --></acls></configuration><status><!-- nor here --></status></cib>"#;
    let made = imported(text);
    valid(&made);
    let lines: Vec<&str> = made.document.lines().map(str::trim).collect();
    let next = |comment: &str| {
        let at = lines.iter().position(|line| *line == comment);
        let at = at.unwrap_or_else(|| panic!("{comment} is not in {}", made.document));
        lines[at + 1]
    };
    assert!(next("<!-- options -->").starts_with("<crm_config"));
    assert!(next("<!-- the old one -->").starts_with("<assembly name=\"n1\""));
    assert!(next("<!-- no others -->").starts_with("</assemblies>"));
    assert!(next("<!-- what runs -->").starts_with("<resources"));
    assert!(next("ask Anna -->").starts_with("<primitive id=\"web\""));
    assert!(next("<!-- inside -->").starts_with("<meta_attributes"));
    assert!(next("<!-- why -->").starts_with("<nvpair"));
    assert!(next("<!-- behind -->").starts_with("</resources>"));
    let before = made.document.split("<assemblies>").next().unwrap();
    assert!(before.contains("<!-- of the file -->"));
    let assembly = made.document.split("<assembly ").nth(1).unwrap();
    assert!(
        assembly
            .split("</assembly>")
            .next()
            .unwrap()
            .contains("<!-- rack 7 -->")
    );
    for gone in ["not here", "nor here"] {
        assert!(
            !made.document.contains(gone),
            "{gone} is with what is left out"
        );
    }
    // Imported again, all of it is as it was.
    let configuration = |document: &str| {
        let own = document.split_once("<configuration").unwrap().1;
        let own = own.split_once("</configuration>").unwrap().0;
        format!("<configuration{own}</configuration>")
    };
    let first = configuration(&made.document);
    let again = import(first.as_bytes(), Some("x")).unwrap();
    assert_eq!(configuration(&again.document), first);
}

#[test]
fn a_comment_has_nothing_in_it_that_xml_has_not() {
    let text = cib(
        "<!--a\u{9b}2Jb--><node id=\"1\" uname=\"n1\"/>",
        "<!-- --><!--é-->",
    );
    let made = imported(&text);
    valid(&made);
    assert!(
        made.document.contains(r"<!--a\u{9b}2Jb-->"),
        "{}",
        made.document
    );
    assert!(made.document.contains("<!--é-->"));
}

#[test]
fn a_configuration_alone_is_enough_and_gives_its_name() {
    let text = r#"<?xml version="1.0"?><!-- cluster --><configuration><crm_config><cluster_property_set id="o">
        <nvpair id="n" name="cluster-name" value="My Shop"/></cluster_property_set></crm_config>
        <nodes><node id="a" uname="a"/></nodes></configuration>"#;
    let imported = import(text.as_bytes(), None).unwrap();
    assert_eq!(valid(&imported).name, "my-shop");
    let nameless = import(b"<cib><configuration/></cib>", None).unwrap();
    assert_eq!(valid(&nameless).name, "imported");
    assert!(
        nameless
            .document
            .contains("Decide: the name of the deployment")
    );
    assert!(nameless.document.contains("names no node"));
}

#[test]
fn an_old_configuration_keeps_its_schema_and_is_read_by_it() {
    let text = cib(
        r#"<node id="a" uname="a" type="normal"/>"#,
        r#"<master id="m"><primitive id="p" class="ocf" provider="pacemaker" type="Stateful"/></master>"#,
    );
    let text = text.replace("pacemaker-3.9", "pacemaker-1.2");
    let imported = imported(&text);
    let configuration = valid(&imported).configuration();
    assert!(
        configuration.contains(r#"<clone id="m">"#),
        "{configuration}"
    );
    assert!(
        imported
            .document
            .contains(r#"<configuration validate-with="pacemaker-1.2">"#)
    );
}

#[test]
fn of_a_nodes_sets_the_one_counts_that_counts_in_a_cluster() {
    let set = |id: &str, score: &str, value: &str| {
        format!(
            r#"<instance_attributes id="{id}"{score}><nvpair id="{id}-1" name="x" value="{value}"/></instance_attributes>"#
        )
    };
    let attribute = |sets: String| {
        let text = cib(&format!(r#"<node id="a" uname="a">{sets}</node>"#), "");
        let imported = imported(&text);
        let assembly = &valid(&imported).assemblies[0];
        assembly.attributes.get("x").cloned()
    };
    let plain = [set("s", "", "first"), set("t", "", "last")].concat();
    assert_eq!(attribute(plain.clone()).as_deref(), Some("last"));
    let scored = [
        set("s", " score=\"5\"", "high"),
        plain.replace("\"s", "\"u"),
    ]
    .concat();
    assert_eq!(attribute(scored).as_deref(), Some("high"));
    let unset = [set("s", "", "#default"), set("t", "", "x")].concat();
    assert_eq!(attribute(unset), None);
}

#[test]
fn what_is_not_a_cib_is_refused_with_place_and_remedy() {
    let node = |name: &str| format!(r#"<node id="{name}" uname="{name}"/>"#);
    for (text, expected) in [
        (
            "".to_owned(),
            "1:1: error: the document is empty; give one CIB, as `cibadmin -Q` prints it",
        ),
        (
            "status: offline".to_owned(),
            "1:1: error: there is text outside the root element; give one CIB, as `cibadmin -Q` prints it",
        ),
        (
            "<deployable name=\"x\"/>".to_owned(),
            "1:1: error: the root element is <deployable>; expected <cib>, as `cibadmin -Q` prints it, or its <configuration>",
        ),
        (
            "<cib/>".to_owned(),
            "1:1: error: <cib> has no <configuration>; give the whole CIB, as `cibadmin -Q` prints it",
        ),
        (
            "<!DOCTYPE cib [<!ENTITY a \"b\">]><cib/>".to_owned(),
            "1:1: error: document type declarations are refused; remove <!DOCTYPE …>; entities are not available",
        ),
        (
            cib(&[node("a"), node("A")].concat(), ""),
            "1:115: error: there are two nodes with the id 'A'; remove the one that is not there any more (crm_node --remove)",
        ),
        (
            cib("<node id=\"1\"/>", ""),
            "1:81: error: <node> lacks the attribute 'uname'; add uname=\"…\"",
        ),
        (
            cib("<node id=\"1\" uname=\"a\" type=\"gone\"/>", ""),
            "1:110: error: 'gone' is not a valid type of <node>; expected one of: member, remote, ping",
        ),
        (cib("text", ""), ""),
        (cib("<node id=\"1\" uname=\"a&b;\"/>", ""), ""),
        (
            cib("<nude/>", ""),
            "1:81: error: <nodes> must not contain <nude>; expected <node>",
        ),
    ] {
        let problems = refused(&text);
        match expected {
            "" => assert!(!problems.is_empty(), "{text}"),
            _ => assert_eq!(problems[0], expected, "{text}"),
        }
    }
}

#[test]
fn large_and_deep_input_is_bounded() {
    let nodes: String = (0..1000)
        .map(|n| format!(r#"<node id="{n}" uname="Node_{n}"/>"#))
        .collect();
    assert_eq!(valid(&imported(&cib(&nodes, ""))).assemblies.len(), 1000);
    let alike: String = (0..20_000)
        .map(|n| format!("<node id=\"{n}\" uname=\"é{}\"/>", "é".repeat(n % 40)))
        .collect();
    assert!(refused(&cib(&alike, "")).len() > 1); // names that occur twice
    let unlike: String = (0..5_000)
        .map(|n| {
            format!(
                "<node id=\"{n}\" uname=\"{}\"/>",
                char::from_u32(0x4e00 + n).unwrap()
            )
        })
        .collect();
    assert_eq!(valid(&imported(&cib(&unlike, ""))).assemblies.len(), 5_000);
    let deep = cib("", &"<group id=\"g\">".repeat(100_000));
    assert!(refused(&deep)[0].contains("nested more than 64 deep"));
    let pairs: String = (0..60_000)
        .map(|n| format!("<nvpair id=\"n{n}\" name=\"a{n}\" value=\"1\"/><nvpair id=\"m{n}\" name=\"a{n}\" value=\"#default\"/>"))
        .collect();
    let unset = format!(
        "<node id=\"a\" uname=\"a\"><instance_attributes id=\"s\">{pairs}</instance_attributes></node>"
    );
    assert!(
        valid(&imported(&cib(&unset, ""))).assemblies[0]
            .attributes
            .is_empty()
    );
    let huge = cib("", &" ".repeat(9 << 20));
    assert!(refused(&huge)[0].contains("bytes, more than the"));
    assert!(refused(&huge)[0].contains("--scope configuration"));
}

#[test]
fn no_value_can_break_out_of_the_document() {
    let nasty = "--&gt;&lt;x&gt;&#10;&#x7f;\u{200b}&quot;'--";
    let nodes = format!(
        r#"<node id="{nasty}" uname="{nasty}" description="{nasty}" other="{nasty}"><instance_attributes id="{nasty}">
             <nvpair id="b" name="{nasty}" value="{nasty}"/><nvpair id="c" name="ok" value="{nasty}"/><nvpair id="d" value="x"/>
             </instance_attributes><utilization id="v"><nvpair id="e" name="{nasty}" value="{nasty}"/></utilization></node>
           <node id="p" uname="{nasty}2" type="remote"/>"#
    );
    let secret = format!(
        r#"<primitive id="p" class="ocf" provider="x" type="y"><instance_attributes id="i">
        <nvpair id="n" name="password{nasty}" value="{nasty}"/></instance_attributes></primitive>"#
    );
    let imported = imported(&cib(&nodes, &secret));
    let assembly = &valid(&imported).assemblies[0];
    assert_eq!(assembly.attributes["ok"], "--><x>\n\u{7f}\u{200b}\"'--");
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_there_is_an_answer(cib in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = cib.into_iter().map(|piece| PIECES[piece]).collect();
        match import(text.as_bytes(), Some("x")) {
            Ok(imported) => prop_assert!(imported.document.starts_with("<?xml")),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
}

/// Pieces of CIBs, right and wrong.
const PIECES: [&str; 22] = [
    "<cib>",
    "<cib validate-with=\"pacemaker-1.0\">",
    "<configuration>",
    "<nodes>",
    "<node id=\"a\" uname=\"A\">",
    "<node id=\"b\" uname=\"b\"/>",
    "</node>",
    "<instance_attributes id=\"i\">",
    "<utilization id=\"u\" score=\"5\">",
    "<nvpair id=\"n\" name=\"pcmk_host_map\" value=\"a:1;A\\;:;=\"/>",
    "<nvpair id=\"m\" name=\"pcmk_host_list\" value=\"a,,A;\"/>",
    "</instance_attributes>",
    "</utilization>",
    "</nodes>",
    "<crm_config>",
    "</crm_config>",
    "<acls/>",
    "</configuration>",
    "<status/>",
    "</cib>",
    "&amp;",
    "\u{1}",
];
