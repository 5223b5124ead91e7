//! What the policy engine decides on lowered documents: that the options, scores and pins are those
//! that users expect.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deployment::Deployment;
use policy_engine::{Cib, RunOptions, Schedule, output::summary};

/// What runs: id, agent, node.
type Running<'t> = &'t [(&'t str, &'t str, &'t str)];

fn schedule(deployment: &Deployment, status: &str) -> Schedule {
    let configuration = deployment.configuration();
    let cib = format!(r#"<cib have-quorum="true">{configuration}<status>{status}</status></cib>"#);
    let cib = Cib::parse(&cib).expect("a lowered document is a CIB");
    policy_engine::schedule(&cib, 1_700_000_000, RunOptions::default())
}

/// The state when these resources run, each started with the parameters of that digest, and this
/// node, if any, is lost.
fn status(
    deployment: &Deployment,
    running: Running,
    digests: &BTreeMap<String, String>,
    lost: Option<&str>,
) -> String {
    let mut status = String::new();
    for assembly in &deployment.assemblies {
        let node = &assembly.name;
        let state = match lost == Some(node) {
            true => r#"in_ccm="false" crmd="offline" join="down" expected="member""#,
            false => r#"in_ccm="true" crmd="online" join="member" expected="member""#,
        };
        let _ = write!(
            status,
            r#"<node_state id="{node}" uname="{node}" {state}><lrm id="{node}"><lrm_resources>"#
        );
        for (id, agent, _) in running.iter().filter(|(.., place)| place == node) {
            let agent: Vec<_> = agent.split(':').collect();
            let digest = &digests[*id];
            let _ = write!(
                status,
                r#"<lrm_resource id="{id}" class="{}" provider="{}" type="{}"><lrm_rsc_op id="{id}_last_0" operation="start"
                   operation_key="{id}_start_0" interval="0" call-id="1" rc-code="0" op-status="0" op-digest="{digest}"
                   transition-key="1:1:0:0d9c7f9a-40cf-4a0e-9c0c-58fd53b1a101"
                   transition-magic="0:0;1:1:0:0d9c7f9a-40cf-4a0e-9c0c-58fd53b1a101"/></lrm_resource>"#,
                agent[0], agent[1], agent[2]
            );
        }
        status += "</lrm_resources></lrm></node_state>";
    }
    status
}

/// The transition summary of a document that follows on another, whose resources run; this node, if
/// any, is lost.
fn decided_after(before: &str, document: &str, running: Running, lost: Option<&str>) -> String {
    let read = |text: &str| deployment::read(text.as_bytes()).expect("a valid document");
    let (before, now) = (read(before), read(document));
    let first = schedule(&before, &status(&before, &[], &BTreeMap::new(), None));
    let mut digests = BTreeMap::new();
    for (synapse, action) in first.graph.described() {
        let head = first
            .graph
            .head(synapse.action)
            .expect("an action has a head");
        if let (Some(resource), "start") = (&action.resource, &*head.operation) {
            digests.insert(
                resource.id.to_string(),
                policy_engine::operation_digest(action),
            );
        }
    }
    let schedule = schedule(&now, &status(&now, running, &digests, lost));
    let lines = summary::lines(&schedule.summary);
    let mut lines: Vec<_> = lines
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines.join("\n")
}

fn decided(document: &str, running: Running, lost: Option<&str>) -> String {
    decided_after(document, document, running, lost)
}

const SHOP: &str = include_str!("../../../examples/three-tier.xml");

const SHOP_RUNS: [(&str, &str, &str); 5] = [
    ("data-ip", "ocf:heartbeat:IPaddr2", "db1"),
    ("db", "ocf:heartbeat:redis", "db1"),
    ("app", "ocf:shop:app", "app1"),
    ("front-ip", "ocf:heartbeat:IPaddr2", "web1"),
    ("web", "ocf:heartbeat:nginx", "web1"),
];

#[test]
fn it_starts_each_tier_at_home() {
    insta::assert_snapshot!(decided(SHOP, &[], None), @r"
    Start app ( app1 )
    Start data-ip ( db1 )
    Start db ( db1 )
    Start front-ip ( web1 )
    Start web ( web1 )
    ");
}

#[test]
fn it_fences_a_lost_assembly_and_moves_its_tier_only() {
    insta::assert_snapshot!(decided(SHOP, &SHOP_RUNS, Some("web1")), @r"
    Fence (reboot) web1 'peer is no longer part of the cluster'
    Move front-ip ( web1 -> web2 )
    Move web ( web1 -> web2 )
    ");
}

#[test]
fn it_moves_the_database_and_restarts_what_depends_on_it() {
    insta::assert_snapshot!(decided(SHOP, &SHOP_RUNS, Some("db1")), @r"
    Fence (reboot) db1 'peer is no longer part of the cluster'
    Move data-ip ( db1 -> app1 )
    Move db ( db1 -> app1 )
    Restart app ( app1 ) due to required data running
    ");
}

#[test]
fn it_leaves_services_where_they_run() {
    // an equally good place is free again: moving there would be an interruption for nothing
    let mut moved = SHOP_RUNS;
    moved[3].2 = "web2";
    moved[4].2 = "web2";
    let text = SHOP.replace(
        r#"assembly="web1" score="200""#,
        r#"assembly="web1" score="100""#,
    );
    assert_ne!(text, SHOP);
    assert_eq!(decided(&text, &SHOP_RUNS, None), "");
    assert_eq!(decided(&text, &moved, None), "");
}

#[test]
fn it_restarts_only_what_a_modified_document_changes() {
    let modified = include_str!("../../../examples/three-tier-modified.xml");
    insta::assert_snapshot!(
        decided_after(SHOP, modified, &SHOP_RUNS, None),
        @"Restart app ( app1 ) due to resource definition change"
    );
}

#[test]
fn it_starts_pinned_services_in_their_assembly_or_not_at_all() {
    let text = include_str!("../../../examples/original-form.xml");
    insta::assert_snapshot!(decided(text, &[], None), @r"
    Start app ( app1 )
    Start db ( db1 )
    Start httpd-web1 ( web1 )
    Start httpd-web2 ( web2 )
    ");
    let running = [
        ("httpd-web1", "ocf:heartbeat:nginx", "web1"),
        ("httpd-web2", "ocf:heartbeat:nginx", "web2"),
        ("app", "ocf:shop:app", "app1"),
        ("db", "ocf:heartbeat:redis", "db1"),
    ];
    insta::assert_snapshot!(decided(text, &running, Some("web1")), @r"
    Fence (reboot) web1 'peer is no longer part of the cluster'
    Stop httpd-web1 ( web1 ) due to node availability
    ");
}

#[test]
fn it_spreads_instances_and_fills_assemblies_by_capacity() {
    let text = r#"<deployable name="x"><assemblies>
        <assembly name="a" address="unix:/a"><capacity memory="100"/></assembly>
        <assembly name="b" address="unix:/b"><capacity memory="300"/></assembly>
      </assemblies><services>
        <service name="one" class="ocf" provider="p" type="t"><utilization memory="90"/></service>
        <service name="two" class="ocf" provider="p" type="t"><utilization memory="90"/></service>
        <service name="big" class="ocf" provider="p" type="t" priority="5"><utilization memory="200"/></service>
        <service name="all" class="ocf" provider="p" type="t" instances="all"/>
      </services></deployable>"#;
    insta::assert_snapshot!(decided(text, &[], None), @r"
    Start all:0 ( a )
    Start all:1 ( b )
    Start big ( b )
    Start one ( a )
    Start two ( b )
    ");
}
