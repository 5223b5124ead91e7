//! What resources, operations and nodes are read from a few lines of configuration.

use crate::configuration::operations;
use crate::model::*;

/// The cluster that a configuration with two nodes and these `resources` describes. `rest`: further
/// sections.
fn loaded(resources: &str, rest: &str) -> Cluster {
    let text = format!(
        "<cib have-quorum=\"1\"><configuration><nodes><node id=\"1\" uname=\"n1\" score=\"7\"/><node id=\"2\" uname=\"n2\"/></nodes>\
         <resources>{resources}</resources>{rest}</configuration><status/></cib>"
    );
    let document = crate::xml::parse(&text).expect("the test's text is XML");
    let mut cluster = Cluster::new(Arc::new(document), 1_000, RunOptions::default());
    super::unpack(&mut cluster);
    cluster
}

fn resource<'c>(cluster: &'c Cluster, name: &str) -> &'c Resource {
    let id = cluster.find_resource(name).expect(name);
    cluster.resource(id)
}

fn dummy(attributes: &str, content: &str) -> String {
    format!(
        "<primitive class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\" {attributes}>{content}</primitive>"
    )
}

fn meta(name: &str, value: &str) -> String {
    format!(
        "<meta_attributes id=\"m-{name}\"><nvpair id=\"m-{name}-1\" name=\"{name}\" value=\"{value}\"/></meta_attributes>"
    )
}

#[test]
fn an_explicit_value_of_the_group_beats_the_defaults_but_not_the_member() {
    let group = format!(
        "<group id=\"g\">{}{}{}</group>",
        meta("priority", "3"),
        dummy("id=\"a\"", ""),
        dummy("id=\"b\"", &meta("priority", "5")),
    );
    let defaults = format!("<rsc_defaults>{}</rsc_defaults>", meta("priority", "9"));
    let cluster = loaded(&group, &defaults);
    assert_eq!(resource(&cluster, "a").priority, 3);
    assert_eq!(resource(&cluster, "b").priority, 5);
}

#[test]
fn instances_are_sticky_by_default_and_know_the_base_scores() {
    let clone = format!("<clone id=\"c\">{}</clone>", dummy("id=\"a\"", ""));
    let cluster = loaded(&clone, "");
    let instance = resource(&cluster, "a:1");
    assert_eq!(instance.stickiness, Score(1));
    assert_eq!(resource(&cluster, "c").stickiness, Score::ZERO);
    assert_eq!(instance.meta.text("clone-max"), Some("2"));
    let n1 = cluster.find_node("N1").expect("names have no case");
    assert_eq!(
        instance.allowed.get(n1).map(|entry| entry.score),
        Some(Score(7))
    );
}

#[test]
fn a_clone_without_instances_keeps_a_removed_one_for_its_history() {
    let clone = format!(
        "<clone id=\"c\">{}{}</clone>",
        meta("clone-max", "0"),
        dummy("id=\"a\"", "")
    );
    let cluster = loaded(&clone, "");
    assert!(resource(&cluster, "a:0").removed);
    assert!(cluster.find_resource("a:1").is_none());
}

#[test]
fn agents_that_cannot_be_unique_make_the_clone_anonymous() {
    let clone = format!(
        "<clone id=\"c\">{}{}<primitive id=\"a\" class=\"lsb\" type=\"x\"/></clone>",
        meta("globally-unique", "true"),
        meta("clone-max", "5"),
    );
    let cluster = loaded(&clone, "");
    let clone = resource(&cluster, "c");
    assert!(!clone.unique);
    assert_eq!(clone.children.len(), 2, "limited to the number of nodes");
}

#[test]
fn a_promotable_clone_of_an_agent_that_cannot_be_promoted_is_refused_with_its_position() {
    let clone = format!(
        "<clone id=\"c\">{}<primitive id=\"a\" class=\"systemd\" type=\"x\"/></clone>",
        meta("promotable", "true")
    );
    let cluster = loaded(&clone, "");
    assert!(cluster.find_resource("c").is_none());
    assert!(cluster.resources.is_empty(), "nothing is left behind");
    let message = &cluster.messages[0].text;
    assert!(message.starts_with("line 1, column"), "{message}");
    assert!(message.contains("\"c\" is ignored"), "{message}");
}

#[test]
fn a_template_gives_what_the_resource_does_not_replace() {
    let resources = format!(
        "<template id=\"t\" class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\">{}<operations>\
           <op id=\"t1\" name=\"monitor\" interval=\"10\"/><op id=\"t2\" name=\"start\" interval=\"0\" timeout=\"9s\"/></operations></template>\
         <primitive id=\"a\" template=\"t\">{}<operations><op id=\"a1\" name=\"monitor\" interval=\"20s\"/></operations></primitive>",
        meta("priority", "1"),
        meta("priority", "2"),
    );
    let cluster = loaded(&resources, "");
    let a = resource(&cluster, "a");
    assert_eq!((&*a.agent.class, a.priority), ("ocf", 2));
    let operations: Vec<_> = a
        .config
        .operations
        .iter()
        .map(|op| (&*op.name, op.interval_ms))
        .collect();
    assert_eq!(operations, [("monitor", 20_000), ("start", 0)]);
    assert_eq!(cluster.templates["t"], Names::from_iter(["a".into()]));
}

#[test]
fn a_probe_without_timeout_takes_that_of_the_most_frequent_monitor() {
    let operations = "<operations><op id=\"1\" name=\"monitor\" interval=\"20s\" timeout=\"5s\"/>\
        <op id=\"2\" name=\"monitor\" interval=\"10s\" timeout=\"7s\"/><op id=\"3\" name=\"stop\" on-fail=\"standby\" timeout=\"P10S\"/></operations>";
    let cluster = loaded(&dummy("id=\"a\"", operations), "");
    let a = cluster.find_resource("a").expect("configured");
    let probe = operations::options(&cluster, a, &Task::Monitor, 0, None);
    assert_eq!(probe.timeout_ms, 7000);
    let stop = operations::options(&cluster, a, &Task::Stop, 0, None);
    assert_eq!(
        stop.timeout_ms, 20_000,
        "timeouts are not ISO 8601 durations"
    );
    assert_eq!(
        stop.on_fail,
        OnFail::Fence,
        "standby is not allowed for stop"
    );
}

#[test]
fn a_resource_with_a_remote_node_brings_a_connection_and_a_guest_node() {
    let cluster = loaded(&dummy("id=\"vm\"", &meta("remote-node", "guest")), "");
    let connection = resource(&cluster, "guest");
    assert!(connection.remote_connection && !connection.migratable);
    assert_eq!(connection.launcher, cluster.find_resource("vm"));
    let node = cluster.find_node("guest").expect("implied");
    assert!(cluster.is_guest(node));
    assert_eq!(
        cluster.node(node).attributes.text("#kind"),
        Some("container")
    );
}

#[test]
fn a_bundle_expands_to_containers_addresses_connections_and_a_clone() {
    let bundle = format!(
        "<bundle id=\"web\"><podman image=\"i\" replicas=\"2\"/><network ip-range-start=\"10.0.0.254\"/>{}</bundle>",
        dummy("id=\"httpd\"", "")
    );
    let cluster = loaded(&bundle, "");
    let ids: Vec<_> = resource(&cluster, "web")
        .children
        .iter()
        .map(|id| &*cluster.resource(*id).id)
        .collect();
    assert_eq!(
        ids,
        [
            "web-podman-0",
            "web-ip-10.0.0.254",
            "web-0",
            "web-podman-1",
            "web-ip-10.0.1.1",
            "web-1",
            "web-clone"
        ]
    );
    let instance = resource(&cluster, "httpd:1");
    let own = cluster.find_node("web-1").expect("implied");
    let nodes: Vec<_> = instance.allowed.iter().collect();
    assert_eq!(nodes.len(), 1);
    assert_eq!((nodes[0].0, nodes[0].1.score), (own, Score(500)));
}
