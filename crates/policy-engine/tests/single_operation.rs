//! One operation that nobody has decided on is what a decision would have asked for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "only the inputs of the cases are used here")]
mod fixture;

use std::path::Path;

use policy_engine::model::{Task, Text};
use policy_engine::{Cib, RunOptions, load, schedule, single_operation};

use self::fixture::Case;

/// What actions of graphs have of the decision: notifications, what a probe expects, and where the
/// host of a guest will be.
const OF_THE_DECISION: [&str; 5] = [
    "CRM_meta_notify_",
    "CRM_meta_op_target_rc",
    "CRM_meta_op_no_wait",
    "CRM_meta_physical_host",
    "CRM_meta_container_attribute_target",
];

fn plain(all: &[(Text, Text)]) -> Vec<(Text, Text)> {
    let marks = |name: &str| OF_THE_DECISION.iter().any(|own| name.starts_with(own));
    let all = all.iter().filter(|(name, _)| !marks(name));
    all.cloned().collect()
}

/// How many actions of a decision are the same as those that nobody has decided on.
fn compared(cib: &Cib, now: i64) -> usize {
    let scheduled = schedule(cib, now, RunOptions::default());
    let mut compared = 0;
    for (synapse, action) in scheduled.graph.described() {
        let head = scheduled.graph.head(synapse.action).unwrap();
        let (Some(resource), Some(node)) = (&action.resource, &head.on_node) else {
            continue;
        };
        let task = Task::parse(&head.operation);
        let once = action
            .attribute("CRM_meta_interval")
            .is_none_or(|it| it == "0");
        if !matches!(task, Task::Start | Task::Stop | Task::Monitor) || !once {
            continue;
        }
        let id = resource.long_id.as_ref().unwrap_or(&resource.id);
        let mut cluster = load(cib, now, RunOptions::default());
        let single = single_operation(&mut cluster, id, node, task.clone());
        // What is not in the configuration any more is only stopped.
        let Some(single) = single else {
            assert_eq!(task, Task::Stop, "{id} on {node}");
            continue;
        };
        // The connection into a bundle's container goes where that is decided to go.
        if single.action.attribute("addr") == Some("#uname") {
            continue;
        }
        assert_eq!(
            plain(&single.action.attributes),
            plain(&action.attributes),
            "{} of {id} on {node}",
            head.operation
        );
        compared += 1;
    }
    compared
}

#[test]
fn it_is_what_a_decision_asks_for() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut all = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for case in Case::read_all(&text).1 {
            let (_, cib, now) = case.input();
            all += compared(&cib, now);
        }
    }
    assert!(all > 700, "{all}");
}

fn left_alone(configuration: &str) -> bool {
    let text = format!(
        r#"<cib crm_feature_set="3.16.2" validate-with="pacemaker-3.7" have-quorum="1" epoch="1" num_updates="0" admin_epoch="0"><configuration>{configuration}</configuration><status><node_state id="n1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/></status></cib>"#
    );
    let mut cluster = load(&Cib::parse(&text).unwrap(), 0, RunOptions::default());
    let single = single_operation(&mut cluster, "db", "n1", Task::Start);
    single.unwrap().left_alone
}

#[test]
fn it_says_whether_the_resource_is_left_alone() {
    let with = |options: &str, meta: &str| {
        format!(
            r#"<crm_config><cluster_property_set id="o"><nvpair id="f" name="stonith-enabled" value="false"/>{options}</cluster_property_set></crm_config><nodes><node id="n1" uname="n1"/></nodes><resources><primitive id="db" class="ocf" provider="x" type="y"><meta_attributes id="m">{meta}</meta_attributes></primitive></resources><constraints/>"#
        )
    };
    let pair =
        |name: &str, value: &str| format!(r#"<nvpair id="p" name="{name}" value="{value}"/>"#);
    assert!(!left_alone(&with("", "")));
    assert!(!left_alone(&with("", &pair("is-managed", "true"))));
    assert!(left_alone(&with("", &pair("is-managed", "false"))));
    assert!(left_alone(&with("", &pair("maintenance", "true"))));
    assert!(left_alone(&with(&pair("maintenance-mode", "true"), "")));
}
