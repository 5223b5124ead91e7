//! Scores: for small clusters, what the score lines say about a resource just before it is placed.
//! The clusters are the worked examples of scheduler-spec/03 §20 (checked there against
//! Pacemaker's scheduler), and one per rule that no recorded case exercises.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use policy_engine::model::ScoreLine;
use policy_engine::{Cib, Cluster, RunOptions, schedule};

/// Schedules a cluster of online nodes `n1`…`nN` without fencing, in which everything is stopped.
fn scheduled(nodes: usize, options: &str, resources: &str, constraints: &str) -> Cluster {
    let node = |i| format!(r#"<node id="{i}" uname="n{i}"/>"#);
    let state = |i| {
        format!(
            r#"<node_state id="{i}" uname="n{i}" in_ccm="true" crmd="online" join="member" expected="member"/>"#
        )
    };
    let nodes_xml: String = (1..=nodes).map(node).collect();
    let states: String = (1..=nodes).map(state).collect();
    let text = format!(
        r#"<cib validate-with="pacemaker-3.9" have-quorum="1" dc-uuid="1"><configuration>
        <crm_config><cluster_property_set id="options">
          <nvpair id="o-0" name="stonith-enabled" value="false"/>{options}
        </cluster_property_set></crm_config>
        <nodes>{nodes_xml}</nodes>
        <resources>{resources}</resources>
        <constraints>{constraints}</constraints>
        </configuration><status>{states}</status></cib>"#
    );
    let cib = Cib::parse(&text).expect("a well-formed CIB");
    let run = RunOptions {
        scores: true,
        ..RunOptions::default()
    };
    schedule(&cib, 1_700_000_000, run).cluster
}

fn primitive(id: &str) -> String {
    format!(r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="Dummy"/>"#)
}

fn colocate(id: &str, dependent: &str, primary: &str, score: &str) -> String {
    format!(r#"<rsc_colocation id="{id}" rsc="{dependent}" with-rsc="{primary}" score="{score}"/>"#)
}

fn prefer(resource: &str, node: &str, score: &str) -> String {
    format!(
        r#"<rsc_location id="l-{resource}-{node}" rsc="{resource}" node="{node}" score="{score}"/>"#
    )
}

/// The last recorded table of a resource, as `n1=0 n2=-INFINITY`.
fn table(cluster: &Cluster, wanted: &str) -> String {
    let mut scores = std::collections::BTreeMap::new();
    for line in &cluster.score_lines {
        if let ScoreLine::Allocation {
            resource,
            node,
            score,
            ..
        } = line
            && &*cluster.resource(*resource).id == wanted
        {
            scores.insert(cluster.node(*node).name.clone(), *score);
        }
    }
    let texts: Vec<String> = scores
        .iter()
        .map(|(node, score)| format!("{node}={score}"))
        .collect();
    texts.join(" ")
}

/// Where a resource was placed.
fn place<'c>(cluster: &'c Cluster, resource: &str) -> Option<&'c str> {
    let id = cluster.find_resource(resource)?;
    Some(&cluster.node(cluster.resource(id).assigned?).name)
}

#[test]
fn a_group_s_second_outside_dependent_is_counted_as_the_first() {
    // a defect of Pacemaker's scheduler when lists of colocations are joined
    let resources = format!(
        r#"<group id="g">{}{}</group>{}{}{}"#,
        primitive("m1"),
        primitive("m2"),
        primitive("a"),
        primitive("b"),
        primitive("c")
    );
    let outside = colocate("k2", "a", "g", "100") + &colocate("k3", "b", "g", "100");
    let preferences =
        prefer("a", "n1", "10000") + &prefer("b", "n2", "20000") + &prefer("c", "n3", "50000");
    let with_member = colocate("k1", "c", "m2", "100") + &outside + &preferences;
    let cluster = scheduled(3, "", &resources, &with_member);
    assert_eq!(table(&cluster, "m1"), "n1=2 n2=0 n3=5");
    let without = scheduled(3, "", &resources, &(outside + &preferences));
    assert_eq!(table(&without, "m1"), "n1=1 n2=2 n3=0");
}

#[test]
fn an_instance_without_node_repels_what_wants_to_be_with_the_clone() {
    let resources = primitive("a")
        + r#"<clone id="cl"><meta_attributes id="cm"><nvpair id="cm1" name="clone-max" value="3"/></meta_attributes>"#
        + &primitive("c")
        + "</clone>";
    let constraints = colocate("k", "a", "cl", "300")
        + &prefer("cl", "n2", "-INFINITY")
        + &prefer("a", "n1", "50")
        + &prefer("a", "n3", "90");
    let cluster = scheduled(3, "", &resources, &constraints);
    assert_eq!(table(&cluster, "a"), "n1=50 n2=-300 n3=90");
}

#[test]
fn banning_what_can_only_be_elsewhere_draws_the_primary_away_from_there() {
    let resources = primitive("a") + &primitive("b");
    let apart = colocate("k", "b", "a", "-1000");
    let twice = apart.clone() + &prefer("b", "n1", "-INFINITY") + &prefer("b", "n2", "-INFINITY");
    let cluster = scheduled(3, "", &resources, &twice);
    assert_eq!(table(&cluster, "a"), "n1=1000 n2=1000 n3=0");
    let once = apart + &prefer("b", "n1", "-INFINITY");
    let cluster = scheduled(3, "", &resources, &once);
    assert_eq!(table(&cluster, "a"), "n1=0 n2=0 n3=0");
}

#[test]
fn a_clone_s_own_scores_do_not_become_negative_by_dependents() {
    let resources = primitive("a") + r#"<clone id="cl">"# + &primitive("c") + "</clone>";
    let constraints = colocate("k", "a", "cl", "-300") + &prefer("a", "n3", "90");
    let cluster = scheduled(3, "", &resources, &constraints);
    assert_eq!(table(&cluster, "cl"), "n1=0 n2=0 n3=0");
    // the preference counts for two instances; the last has only n3 left, and there it is undone
    let lines: Vec<String> = (0..3).map(|i| table(&cluster, &format!("c:{i}"))).collect();
    assert_eq!(
        lines,
        [
            "n1=0 n2=0 n3=-1",
            "n1=-INFINITY n2=0 n3=-1",
            "n1=-INFINITY n2=-INFINITY n3=0"
        ]
    );
}

#[test]
fn a_mandatory_colocation_with_a_stopped_resource_bans_everywhere() {
    let resources = primitive("b")
        + r#"<primitive id="a" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="am"><nvpair id="am1" name="target-role" value="Stopped"/></meta_attributes></primitive>"#;
    let constraints = colocate("k", "b", "a", "50") + &prefer("b", "n1", "70");
    let cluster = scheduled(3, "", &resources, &constraints);
    assert_eq!(table(&cluster, "b"), "n1=20 n2=-50 n3=-50");
    let constraints = colocate("k", "b", "a", "INFINITY") + &prefer("b", "n1", "70");
    let cluster = scheduled(3, "", &resources, &constraints);
    assert_eq!(
        table(&cluster, "b"),
        "n1=-INFINITY n2=-INFINITY n3=-INFINITY"
    );
    assert_eq!(place(&cluster, "b"), None);
}

#[test]
fn minus_infinity_beats_infinity() {
    let both = prefer("a", "n1", "INFINITY").replace("l-a-n1", "l-1")
        + &prefer("a", "n1", "-INFINITY").replace("l-a-n1", "l-2");
    let cluster = scheduled(2, "", &primitive("a"), &both);
    assert_eq!(table(&cluster, "a"), "n1=-INFINITY n2=0");
    assert_eq!(place(&cluster, "a"), Some("n2"));
}

#[test]
fn resources_spread_over_equally_good_nodes() {
    let resources: String = ["a", "b", "c", "d"].map(primitive).concat();
    let cluster = scheduled(2, "", &resources, "");
    let places: Vec<_> = ["a", "b", "c", "d"]
        .map(|r| place(&cluster, r))
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(places, ["n1", "n2", "n1", "n2"]);
}

#[test]
fn with_strategy_minimal_they_share_the_first_node() {
    let option = r#"<nvpair id="o-1" name="placement-strategy" value="minimal"/>"#;
    let resources: String = ["a", "b", "c"].map(primitive).concat();
    let cluster = scheduled(3, option, &resources, "");
    assert_eq!(place(&cluster, "b"), Some("n1"));
    assert_eq!(place(&cluster, "c"), Some("n1"));
}

#[test]
fn an_asymmetric_cluster_has_only_the_nodes_that_are_named() {
    let option = r#"<nvpair id="o-1" name="symmetric-cluster" value="false"/>"#;
    let resources = primitive("a") + &primitive("b");
    let cluster = scheduled(2, option, &resources, &prefer("a", "n2", "0"));
    assert_eq!(table(&cluster, "a"), "n2=0");
    assert_eq!(place(&cluster, "a"), Some("n2"));
    assert_eq!(place(&cluster, "b"), None);
}

#[test]
fn a_pattern_with_an_exclamation_mark_constrains_all_others() {
    let resources = primitive("db1") + &primitive("db2") + &primitive("web");
    let constraints =
        r#"<rsc_location id="l" rsc-pattern="!^db[0-9]$" node="n1" score="-INFINITY"/>"#;
    let cluster = scheduled(2, "", &resources, constraints);
    assert_eq!(table(&cluster, "db1"), "n1=0 n2=0");
    assert_eq!(table(&cluster, "web"), "n1=-INFINITY n2=0");
}

#[test]
fn a_constraint_that_makes_no_sense_is_ignored_and_reported() {
    let constraints = prefer("nobody", "n1", "5")
        + &prefer("a", "n9", "5")
        + &prefer("a", "n1", "many")
        + &colocate("k", "a", "nobody", "INFINITY")
        + r#"<rsc_location id="p" rsc-pattern="(" node="n1" score="1"/>"#
        + r#"<rsc_ticket id="t" rsc="nobody" ticket="T"/>"#;
    let cluster = scheduled(2, "", &primitive("a"), &constraints);
    assert_eq!(table(&cluster, "a"), "n1=0 n2=0");
    let texts: Vec<&str> = cluster.messages.iter().map(|m| &*m.text).collect();
    for id in ["l-nobody-n1", "l-a-n9", "l-a-n1", "k", "p", "t"] {
        let named =
            |text: &&str| text.contains(&format!(" {id}:")) || text.contains(&format!(" {id} "));
        assert!(texts.iter().any(named), "{id} is not reported: {texts:?}");
    }
}

#[test]
fn a_chain_of_colocations_may_be_as_long_as_the_configuration() {
    let ids: Vec<String> = (0..1200).map(|i| format!("r{i}")).collect();
    let resources: String = ids.iter().map(|id| primitive(id)).collect();
    let constraints: String = ids
        .windows(2)
        .map(|pair| colocate(&format!("k-{}", pair[0]), &pair[0], &pair[1], "INFINITY"))
        .collect();
    let cluster = scheduled(2, "", &resources, &constraints);
    assert_eq!(place(&cluster, "r0"), Some("n1"));
    assert_eq!(place(&cluster, "r1199"), Some("n1"));
}

/// Rows of three resources, each of them colocated with all of the row before it: three times as
/// many paths with each row.
fn rows() -> (String, String) {
    let ids: Vec<String> = (0..60).map(|i| format!("r{i}")).collect();
    let resources: String = ids.iter().map(|id| primitive(id)).collect();
    let mut constraints = String::new();
    for (i, row) in ids.chunks(3).zip(ids.chunks(3).skip(1)).enumerate() {
        for a in row.0 {
            for b in row.1 {
                constraints += &colocate(&format!("k{i}{a}{b}"), b, a, "100");
            }
        }
    }
    (resources, constraints)
}

fn is_too_entangled(cluster: &Cluster) -> bool {
    let mut messages = cluster.messages.iter();
    messages.any(|message| message.text.contains("too entangled"))
}

#[test]
fn dependents_behind_many_paths_are_all_heard() {
    let (resources, constraints) = rows();
    let cluster = scheduled(2, "", &resources, &constraints);
    assert!(!is_too_entangled(&cluster));
    assert!(place(&cluster, "r59").is_some());
}

#[test]
fn entangled_colocations_do_not_take_for_ever() {
    let (resources, constraints) = rows();
    let round = colocate("round", "r0", "r59", "100");
    let cluster = scheduled(2, "", &resources, &(constraints + &round));
    assert!(is_too_entangled(&cluster));
    assert!(place(&cluster, "r59").is_some());
}

#[test]
fn a_mandatorily_colocated_set_goes_where_all_of_it_fits() {
    let option = r#"<nvpair id="o-1" name="placement-strategy" value="utilization"/>"#;
    let of = |id: &str, need: &str| {
        format!(
            r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="Dummy"><utilization id="u-{id}"><nvpair id="u-{id}-1" name="memory" value="{need}"/></utilization></primitive>"#
        )
    };
    let resources = of("a", "2") + &of("b", "3");
    let together = colocate("k", "b", "a", "INFINITY");
    let cluster = scheduled(2, option, &resources, &together);
    // nodes without capacity: nothing fits anywhere
    assert_eq!(place(&cluster, "a"), None);
    assert_eq!(place(&cluster, "b"), None);
}
