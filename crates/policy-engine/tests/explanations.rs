//! The documentation of explanations lists every code as it is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

use policy_engine::explain::{self, Question, Terms, codes, documentation};
use policy_engine::{Cib, RunOptions};

#[test]
fn the_documentation_lists_every_code() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/explanations.md");
    if std::env::var_os("UPDATE_EXPLANATIONS").is_some() {
        std::fs::write(&page, documentation()).unwrap();
    }
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text == documentation(),
        "docs/explanations.md is not up to date: UPDATE_EXPLANATIONS=1 cargo test -p policy-engine --test explanations writes it"
    );
}

#[test]
fn every_code_has_a_name_of_its_own_and_a_meaning() {
    let mut names = BTreeSet::new();
    for code in codes::CHAPTERS.iter().flat_map(|(_, codes)| codes.iter()) {
        assert!(names.insert(code.name), "{} twice", code.name);
        let plain = |letter: char| letter.is_ascii_lowercase() || letter == '-';
        assert!(code.name.chars().all(plain), "{}", code.name);
        assert!(code.meaning.ends_with('.'), "{}", code.name);
        let balanced = |text: &str| text.matches('{').count() == text.matches('}').count();
        assert!(
            balanced(code.sentence) && balanced(code.in_cluster),
            "{}",
            code.name
        );
        assert!(!code.sentence.ends_with('.'), "{}", code.name);
    }
}

/// A cluster of two nodes, the first with this attribute, and one resource with these meta
/// attributes that runs on the second, if it is `started`.
fn is_well(attribute: &str, meta: &str, started: bool) -> bool {
    let (call, rc) = if started {
        ("start", 0)
    } else {
        ("monitor", 7)
    };
    let digest = policy_engine::operation_digest(&Default::default());
    let operation = |node: &str, call: &str, rc: i32| {
        format!(
            "<node_state id='{node}' uname='{node}' in_ccm='true' crmd='online' join='member' expected='member'><lrm id='{node}'><lrm_resources>\
             <lrm_resource id='r' class='ocf' provider='p' type='t'><lrm_rsc_op id='{node}-r' operation='{call}' operation_key='r_{call}_0' \
             transition-key='1:1:{rc}:6a7d7d71-9f65-4b8c-9d8a-0f1a2b3c4d5e' transition-magic='0:{rc};1:1:{rc}:6a7d7d71-9f65-4b8c-9d8a-0f1a2b3c4d5e' call-id='1' rc-code='{rc}' op-digest='{digest}' crm_feature_set='3.20.5' op-status='0' interval='0' on_node='{node}'/>\
             </lrm_resource></lrm_resources></lrm></node_state>"
        )
    };
    let cib = format!(
        "<cib have-quorum='true' crm_feature_set='3.20.5' validate-with='pacemaker-4.0' epoch='1' num_updates='0' admin_epoch='0'><configuration>\
         <crm_config><cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='false'/></cluster_property_set></crm_config>\
         <nodes><node id='a' uname='a'>{attribute}</node><node id='b' uname='b'/></nodes>\
         <resources><primitive id='r' class='ocf' provider='p' type='t'><meta_attributes id='m'>{meta}</meta_attributes></primitive></resources>\
         <constraints/></configuration><status>{}{}</status></cib>",
        operation("a", "monitor", 7),
        operation("b", call, rc),
    );
    let options = RunOptions {
        explain: true,
        ..RunOptions::default()
    };
    let schedule = policy_engine::schedule(&Cib::parse(&cib).unwrap(), 1_800_000_000, options);
    let question = Question {
        resource: None,
        node: None,
    };
    let told = explain::answer(&schedule, question, &Terms::CLUSTER).unwrap();
    let text = explain::to_text(&told, explain::Detail::Reasons);
    text.contains("Everything is as it should be")
}

#[test]
fn what_was_ordered_is_well() {
    let meta = |name: &str, value: &str| format!("<nvpair id='m1' name='{name}' value='{value}'/>");
    let standby = "<instance_attributes id='s'><nvpair id='s1' name='standby' value='on'/></instance_attributes>";
    assert!(is_well("", "", true));
    assert!(is_well(standby, "", true));
    assert!(is_well("", &meta("target-role", "Stopped"), false));
    assert!(is_well("", &meta("is-managed", "false"), true));
    // Nobody has ordered these.
    assert!(!is_well("", "", false));
    assert!(!is_well("", &meta("target-role", "Stopped"), true));
    assert!(!is_well("", &meta("maintenance", "true"), true));
}

#[test]
fn who_may_not_see_values_of_attributes_hears_by_which_it_goes() {
    let cib = "<cib have-quorum='true' crm_feature_set='3.20.5' validate-with='pacemaker-4.0' epoch='1' num_updates='0' admin_epoch='0'><configuration>\
         <crm_config><cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='false'/></cluster_property_set></crm_config>\
         <nodes><node id='a' uname='a'><instance_attributes id='s'><nvpair id='s1' name='site' value='hunter2'/></instance_attributes></node></nodes>\
         <resources><primitive id='r' class='ocf' provider='p' type='t'/></resources>\
         <constraints><rsc_location id='l' rsc='r'><rule id='l1' score='-INFINITY'>\
         <expression id='l2' attribute='site' operation='ne' value='east'/></rule></rsc_location></constraints></configuration>\
         <status><node_state id='a' uname='a' in_ccm='true' crmd='online' join='member' expected='member'/></status></cib>";
    let options = RunOptions {
        explain: true,
        ..RunOptions::default()
    };
    let schedule = policy_engine::schedule(&Cib::parse(cib).unwrap(), 1_800_000_000, options);
    let question = Question {
        resource: Some("r"),
        node: None,
    };
    let told = |hides_values| {
        let terms = Terms {
            hides_values,
            ..Terms::CLUSTER
        };
        let told = explain::answer(&schedule, question, &terms).unwrap();
        explain::to_text(&told, explain::Detail::Scores) + &explain::to_json(&told)
    };
    assert!(
        told(false).contains("site is hunter2 on a"),
        "{}",
        told(false)
    );
    assert!(told(true).contains("site is set on a"), "{}", told(true));
    assert!(!told(true).contains("hunter2"));
}
