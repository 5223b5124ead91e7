//! Explanations of capacities, rules, node health, opt-in clusters, and of clones that wait for all
//! instances.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use policy_engine::explain::{self, Detail, Question, Terms};
use policy_engine::{Cib, RunOptions, schedule};

/// Two nodes that are online.
#[derive(Default)]
struct Input<'i> {
    options: &'i [(&'i str, &'i str)],
    /// What the elements of the nodes hold.
    nodes: [&'i str; 2],
    resources: String,
    constraints: &'i str,
    /// A transient attribute of the first node.
    attribute: Option<(&'i str, &'i str)>,
}

impl Input<'_> {
    fn answer(&self, resource: &str) -> String {
        let pair = |(name, value): &(&str, &str)| {
            format!(r#"<nvpair id="p-{name}" name="{name}" value="{value}"/>"#)
        };
        let options: String = self.options.iter().map(pair).collect();
        let attribute = self.attribute.iter().map(pair).collect::<String>();
        let node = |n: usize| {
            format!(
                r#"<node id="{n}" uname="n{n}">{}</node>"#,
                self.nodes[n - 1]
            )
        };
        let state = |n: usize, attributes: &str| {
            format!(
                r#"<node_state id="{n}" uname="n{n}" in_ccm="true" crmd="online" join="member" expected="member">
                     <transient_attributes id="{n}"><instance_attributes id="t{n}">{attributes}</instance_attributes></transient_attributes></node_state>"#
            )
        };
        let text = format!(
            r#"<cib validate-with="pacemaker-3.9" have-quorum="true" dc-uuid="1"><configuration>
                 <crm_config><cluster_property_set id="o"><nvpair id="o-f" name="stonith-enabled" value="false"/>{options}</cluster_property_set></crm_config>
                 <nodes>{}{}</nodes><resources>{}</resources><constraints>{}</constraints></configuration>
               <status>{}{}</status></cib>"#,
            node(1),
            node(2),
            self.resources,
            self.constraints,
            state(1, &attribute),
            state(2, "")
        );
        let cib = Cib::parse(&text).unwrap();
        let run = RunOptions {
            explain: true,
            ..RunOptions::default()
        };
        let schedule = schedule(&cib, 1_700_000_000, run);
        let question = Question {
            resource: Some(resource),
            node: None,
        };
        let told = explain::answer(&schedule, question, &Terms::CLUSTER).unwrap();
        explain::to_text(&told, Detail::Reasons)
    }
}

fn primitive(id: &str, priority: u32, cores: u32) -> String {
    let utilization = match cores {
        0 => String::new(),
        cores => format!(
            r#"<utilization id="{id}-u"><nvpair id="{id}-c" name="cores" value="{cores}"/></utilization>"#
        ),
    };
    format!(
        r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="{id}-m"><nvpair id="{id}-p" name="priority" value="{priority}"/></meta_attributes>{utilization}</primitive>"#
    )
}

#[track_caller]
fn holds(answer: &str, sentence: &str) {
    assert!(
        answer.contains(sentence),
        "{sentence}\n--- is not in\n{answer}"
    );
}

#[test]
fn capacities_are_given_with_numbers_and_with_who_takes_them() {
    let input = Input {
        options: &[("placement-strategy", "balanced")],
        nodes: [
            r#"<utilization id="u1"><nvpair id="c1" name="cores" value="2"/></utilization>"#,
            r#"<utilization id="u2"><nvpair id="c2" name="cores" value="4"/></utilization>"#,
        ],
        resources: primitive("a", 0, 3) + &primitive("b", 10, 3),
        ..Input::default()
    };
    let answer = input.answer("a");
    holds(
        &answer,
        "there is not enough cores on n1: it needs 3, 2 of 2 are free",
    );
    holds(
        &answer,
        "there is not enough cores on n2: it needs 3, 1 of 4 are free, the rest is taken by b (3, priority 10)",
    );
    holds(&answer, "resources with a higher priority are placed first");
}

#[test]
fn rules_are_given_with_the_values_of_their_attributes() {
    let input = Input {
        nodes: [
            r#"<instance_attributes id="a1"><nvpair id="s1" name="site" value="x"/></instance_attributes>"#,
            "",
        ],
        resources: primitive("a", 0, 0),
        constraints: r#"<rsc_location id="only-y" rsc="a"><rule id="r" score="-INFINITY"><expression id="e" attribute="site" operation="ne" value="y"/></rule></rsc_location>"#,
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "location constraint only-y forbids n1 (score -INFINITY): its rule asks for \"site ne y\"; site is x on n1",
    );
}

#[test]
fn node_health_is_called_that() {
    let input = Input {
        options: &[("node-health-strategy", "only-green")],
        resources: primitive("a", 0, 0),
        attribute: Some(("#health-disk", "red")),
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "n1: the health of n1 forbids resources there: #health-disk=red (node-health-strategy=only-green).",
    );
}

#[test]
fn opt_in_clusters_are_called_that() {
    let input = Input {
        options: &[("symmetric-cluster", "false")],
        resources: primitive("a", 0, 0),
        ..Input::default()
    };
    holds(
        &input.answer("a"),
        "a is stopped and stays so, because the cluster is opt-in (symmetric-cluster=false), and no constraint allows it there.",
    );
}

#[test]
fn a_clone_that_waits_for_all_instances_says_that_interleave_makes_it() {
    let clone = |id: &str, interleave: bool| {
        let inner = primitive(id, 0, 0);
        format!(
            r#"<clone id="{id}-clone"><meta_attributes id="{id}-i"><nvpair id="{id}-in" name="interleave" value="{interleave}"/></meta_attributes>{inner}</clone>"#
        )
    };
    let input = Input {
        resources: clone("fs", true) + &clone("web", false),
        constraints: r#"<rsc_order id="fs-then-web" first="fs-clone" then="web-clone"/>"#,
        ..Input::default()
    };
    holds(
        &input.answer("web"),
        "order constraint fs-then-web (all instances of fs-clone, because interleave=false on web-clone)",
    );
}
