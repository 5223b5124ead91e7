//! Explanations name what decided, and add up to the scores that were used.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use policy_engine::explain::{self, Cause, Detail, Question, Terms};
use policy_engine::model::Score;
use policy_engine::{Cib, RunOptions, Schedule, schedule};

/// Three nodes (n3 in standby), and the given resources, constraints and histories per node.
fn run(resources: &str, constraints: &str, histories: [&str; 3]) -> Schedule {
    let state = |index: usize| {
        format!(
            r#"<node_state id="{n}" uname="n{n}" in_ccm="true" crmd="online" join="member" expected="member">
                 <lrm id="{n}"><lrm_resources>{}</lrm_resources></lrm></node_state>"#,
            histories[index],
            n = index + 1
        )
    };
    let text = format!(
        r#"<cib validate-with="pacemaker-3.9" have-quorum="true" dc-uuid="1"><configuration>
             <crm_config><cluster_property_set id="o"><nvpair id="o-f" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
             <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/><node id="3" uname="n3">
               <instance_attributes id="n3-a"><nvpair id="n3-s" name="standby" value="on"/></instance_attributes></node></nodes>
             <resources>{resources}</resources><constraints>{constraints}</constraints></configuration>
           <status>{}{}{}</status></cib>"#,
        state(0),
        state(1),
        state(2)
    );
    let cib = Cib::parse(&text).expect("the CIB is readable");
    let options = RunOptions {
        explain: true,
        ..RunOptions::default()
    };
    schedule(&cib, 1_700_000_000, options)
}

fn dummy(id: &str, stickiness: u32) -> String {
    format!(
        r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="{id}-m">
             <nvpair id="{id}-s" name="resource-stickiness" value="{stickiness}"/></meta_attributes></primitive>"#
    )
}

fn result(id: &str, task: &str, code: u8) -> String {
    let key = format!(
        "4:1:{}:5c5b2d0a-1111-4222-8333-444455556666",
        if task == "monitor" { 7 } else { 0 }
    );
    format!(
        r#"<lrm_resource id="{id}" class="ocf" provider="pacemaker" type="Dummy"><lrm_rsc_op id="{id}_last_0" operation_key="{id}_{task}_0"
             operation="{task}" transition-key="{key}" transition-magic="0:{code};{key}" call-id="4" rc-code="{code}" op-status="0"
             interval="0" last-rc-change="1699999000"/></lrm_resource>"#
    )
}

fn question<'q>(resource: &'q str, node: Option<&'q str>) -> Question<'q> {
    Question {
        resource: Some(resource),
        node,
    }
}

fn explanation(schedule: &Schedule, resource: &str) -> String {
    let told = explain::answer(schedule, question(resource, None), &Terms::CLUSTER)
        .expect("the resource is known");
    explain::to_text(&told, Detail::Scores)
}

#[test]
fn it_says_which_constraint_and_which_stickiness_made_a_score() {
    let location = r#"<rsc_location id="likes-n2" rsc="web" node="n2" score="50"/>"#;
    let schedule = run(
        &dummy("web", 100),
        location,
        [&result("web", "start", 0), "", ""],
    );
    let explanation = explanation(&schedule, "web");
    assert!(
        explanation.contains(
            "web is started on n1 and will be restarted there, because its definition has changed"
        ),
        "{explanation}"
    );
    assert!(explanation.contains("score: 100"), "{explanation}");
    assert!(
        explanation.contains("+100  resource-stickiness=100"),
        "{explanation}"
    );
    assert!(
        explanation.contains("+50  location constraint likes-n2 prefers n2"),
        "{explanation}"
    );
    assert!(
        explanation.contains("n3: n3 is in standby"),
        "{explanation}"
    );
}

#[test]
fn it_says_with_whom_a_resource_must_be() {
    let colocation = r#"<rsc_colocation id="with-db" rsc="web" with-rsc="db" score="INFINITY"/>"#;
    let location = r#"<rsc_location id="db-on-n2" rsc="db" node="n2" score="50"/>"#;
    let resources = dummy("web", 0) + &dummy("db", 0);
    let schedule = run(&resources, &format!("{colocation}{location}"), ["", "", ""]);
    let explanation = explanation(&schedule, "web");
    assert!(
        explanation.contains("will be started on n2"),
        "{explanation}"
    );
    assert!(
        explanation.contains("colocation with-db wants it where db is: on n2"),
        "{explanation}"
    );
    assert!(explanation.contains("start on n2: after"), "{explanation}");
}

#[test]
fn it_says_which_failure_bans_a_node() {
    let schedule = run(&dummy("web", 0), "", [&result("web", "monitor", 5), "", ""]);
    let explanation = explanation(&schedule, "web");
    assert!(explanation.contains("score: -INFINITY"), "{explanation}");
    assert!(
        explanation.contains("probe failed with exit code 5 (not installed) on n1"),
        "{explanation}"
    );
}

#[test]
fn it_says_what_is_not_known() {
    let schedule = run(&dummy("web", 0), "", ["", "", ""]);
    let error = explain::answer(&schedule, question("nope", None), &Terms::CLUSTER)
        .expect_err("there is no such resource");
    assert!(
        error
            .to_string()
            .contains("\"nope\"; the resources are: web"),
        "{error}"
    );
    let error = explain::answer(&schedule, question("web", Some("n9")), &Terms::CLUSTER)
        .expect_err("there is no such node");
    assert!(error.to_string().contains("n1 n2 n3"));
}

#[test]
fn the_noted_changes_add_up_to_the_scores_that_were_used() {
    let group = format!(
        r#"<group id="g">{}{}</group>"#,
        dummy("a", 5),
        dummy("b", 7)
    );
    let clone = format!(
        r#"<clone id="c"><meta_attributes id="c-m"><nvpair id="c-max" name="clone-max" value="1"/></meta_attributes>{}</clone>"#,
        dummy("d", 1)
    );
    let colocation = r#"<rsc_colocation id="c-with-g" rsc="c" with-rsc="g" score="-20"/>"#;
    let schedule = run(
        &(group + &clone),
        colocation,
        [&result("a", "start", 0), "", ""],
    );
    let journal = schedule
        .cluster
        .journal
        .as_ref()
        .expect("there is a journal");
    for id in schedule
        .cluster
        .top_level
        .iter()
        .flat_map(|top| schedule.cluster.leaves(*top))
    {
        let resource = schedule.cluster.resource(id);
        for node in &schedule.cluster.node_order {
            let mut score: Option<Score> = None;
            for entry in journal
                .entries
                .iter()
                .filter(|e| e.resource == id && e.node == *node)
            {
                assert_eq!(
                    entry.before, score,
                    "{} on {node:?}: a change was missed",
                    resource.id
                );
                assert_ne!(entry.cause, Cause::Other, "{} on {node:?}", resource.id);
                score = entry.after;
            }
            assert_eq!(
                score,
                resource.allowed.get(*node).map(|entry| entry.score),
                "{}",
                resource.id
            );
        }
    }
}
