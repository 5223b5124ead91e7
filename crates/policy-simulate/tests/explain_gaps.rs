//! Answers find reasons that lie beside what was asked about: at a clone, a group, a connection or
//! in the history. They say what can be done about them, and call nothing wrong that is as it
//! should be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod small_cluster;

use policy_engine::explain::{Question, Terms};

use small_cluster::{
    Input, STOPPED, answer_to, clone, failed, history, holds, lacks, runs, several, with_meta,
};

#[test]
fn an_instance_is_kept_away_by_what_speaks_against_its_clone() {
    let input = Input {
        resources: clone("web", &[]),
        constraints: r#"<rsc_location id="not-n1" rsc="web-clone" node="n1" score="-50"/>"#,
        ..Input::default()
    };
    holds(
        &input.answer("web:0"),
        "no other node can run it (its score on n1 is negative (-50): location constraint not-n1 avoids n1 (score -50))",
    );
}

#[test]
fn a_member_follows_one_that_is_not_managed() {
    let unmanaged = [("is-managed", "false")];
    let members = with_meta("a", &unmanaged, "") + &with_meta("b", &[], "");
    let input = Input {
        resources: several("group", "g", &[], &members),
        histories: [runs("a") + &runs("b"), String::new()],
        ..Input::default()
    };
    holds(
        &input.answer("b"),
        "it is there, and is left alone: is-managed=false is set for a",
    );
}

#[test]
fn a_guest_is_kept_away_by_the_failures_of_its_connection() {
    let input = Input {
        resources: with_meta("vm", &[("remote-node", "guest")], ""),
        attribute: Some(("fail-count-guest#start_0", "INFINITY")),
        ..Input::default()
    };
    holds(
        &input.answer("vm"),
        "guest: start has failed on n1: fail count INFINITY, migration-threshold INFINITY",
    );
}

#[test]
fn a_node_that_joins_cannot_stop_anything() {
    let input = Input {
        resources: with_meta("a", STOPPED, ""),
        histories: [runs("a"), String::new()],
        ..Input::default()
    };
    let joining = input
        .text()
        .replacen("join=\"member\"", "join=\"pending\"", 1);
    let question = Question {
        resource: Some("a"),
        node: None,
    };
    let answer = answer_to(&joining, question, &Terms::CLUSTER);
    lacks(&answer, "the state of the cluster");
    holds(&answer, "n1 is joining the cluster and takes nothing yet");
}

#[test]
fn a_restart_for_a_new_definition_says_since_when_and_why_it_is_no_reload() {
    let web = |digests: &str| {
        let resources = r#"<primitive id="web" class="ocf" provider="pacemaker" type="Stateful"><instance_attributes id="web-i"><nvpair id="web-s" name="state" value="/run/new"/><nvpair id="web-f" name="fake" value="1"/></instance_attributes></primitive>"#;
        let input = Input {
            resources: resources.to_owned(),
            histories: [runs("web"), String::new()],
            ..Input::default()
        };
        let text = input.text();
        let at = text.find("op-digest=\"").unwrap() + "op-digest=\"".len();
        let digest = text[at..at + 32].to_owned();
        let recorded = format!("op-digest=\"{digest}\"");
        let text = text.replace(&recorded, &format!("op-digest=\"other\" {digests}"));
        let question = Question {
            resource: Some("web"),
            node: None,
        };
        answer_to(&text, question, &Terms::CLUSTER)
    };
    holds(
        &web(""),
        "its definition has changed since it was started at 2023-11-14 21:56:40 UTC, and the change takes a restart: its agent does not reload parameters.",
    );
    holds(
        &web("op-restart-digest=\"other\" op-force-restart=\" state \""),
        "and the change takes a restart: its agent reloads other parameters, but not state.",
    );
}

#[test]
fn what_is_stopped_by_order_says_so_for_each_node() {
    let input = Input {
        resources: with_meta("a", STOPPED, "") + &with_meta("b", &[], ""),
        constraints: r#"<rsc_colocation id="k" rsc="a" with-rsc="b" score="INFINITY"/>"#,
        histories: [runs("a") + &runs("b"), String::new()],
        ..Input::default()
    };
    let answer = input.answer("a");
    holds(&answer, "n1: for this reason.");
    lacks(&answer, "it must not run anywhere");
    lacks(&input.answer("b"), "it must not run anywhere");
}

#[test]
fn what_is_inside_a_bundle_is_started_though_a_constraint_names_it() {
    let bundle = r#"<bundle id="box"><podman image="i" replicas="1"/><network control-port="3121"/><primitive id="feed" class="ocf" provider="pacemaker" type="Dummy"/></bundle>"#;
    let input = Input {
        resources: bundle.to_owned() + &with_meta("other", &[], ""),
        constraints: r#"<rsc_colocation id="inside" rsc="feed" with-rsc="other" score="-1"/>"#,
        ..Input::default()
    };
    let answer = input.answer("feed:0");
    holds(&answer, "feed:0 is stopped and will be started on box-0");
    lacks(&answer, "it must not run anywhere");
}

#[test]
fn a_move_is_explained_by_the_node_that_is_left_and_says_what_keeps_it_there() {
    let input = Input {
        resources: with_meta("a", &[("resource-stickiness", "10")], ""),
        constraints: r#"<rsc_location id="home" rsc="a" node="n2" score="100"/>"#,
        histories: [runs("a"), String::new()],
        ..Input::default()
    };
    let answer = input.answer("a");
    holds(
        &answer,
        "a is started on n1 and will be moved to n2, because n2 is better for it than n1 (100 against 10): location constraint home prefers n2 (score 100).",
    );
    holds(
        &answer,
        "    if it should stay where it runs: crm_resource --resource a --meta --set-parameter resource-stickiness --parameter-value 101\n",
    );
}

#[test]
fn what_must_not_be_somewhere_is_told_with_what_lets_it() {
    let input = Input {
        resources: with_meta("a", &[], ""),
        constraints: r#"<rsc_location id="no1" rsc="a" node="n1" score="-INFINITY"/><rsc_location id="no2" rsc="a" node="n2" score="-INFINITY"/>"#,
        ..Input::default()
    };
    let answer = input.answer("a");
    holds(
        &answer,
        "if location constraint no1 should not keep it away: remove it (pcs constraint delete no1; crm configure delete no1), or change it",
    );
    let placed = Input {
        constraints: r#"<rsc_location id="no1" rsc="a" node="n1" score="-INFINITY"/>"#,
        ..input
    };
    lacks(&placed.answer("a"), "What you can do");
}

#[test]
fn a_guest_is_left_alone_with_its_connection() {
    let input = Input {
        resources: with_meta(
            "vm",
            &[("remote-node", "guest"), ("is-managed", "false")],
            "",
        ) + &with_meta("a", &[], ""),
        histories: [
            runs("vm")
                + &runs("guest")
                    .replace("Stateful", "remote")
                    .replace("heartbeat", "pacemaker"),
            String::new(),
        ],
        ..Input::default()
    };
    let state = format!(
        r#"<node_state id="guest" uname="guest" remote_node="true" in_ccm="true"><lrm id="guest"><lrm_resources>{}</lrm_resources></lrm></node_state></status>"#,
        runs("a")
    );
    let text = input.text().replace("</status>", &state);
    let question = Question {
        resource: Some("a"),
        node: None,
    };
    let answer = answer_to(&text, question, &Terms::CLUSTER);
    holds(
        &answer,
        "guest is left alone, because its connection guest is not managed: is-managed=false is set",
    );
}

#[test]
fn a_group_moves_because_of_the_member_that_failed_and_not_because_others_stay() {
    let members: String = ["a", "b", "c", "d"]
        .iter()
        .map(|id| {
            with_meta(
                id,
                &[
                    ("resource-stickiness", "INFINITY"),
                    ("migration-threshold", "1"),
                ],
                "",
            )
        })
        .collect();
    let input = Input {
        resources: several("group", "g", &[], &members),
        attribute: Some(("fail-count-d#monitor_10000", "1")),
        histories: [
            runs("a") + &runs("b") + &runs("c") + &failed("d"),
            String::new(),
        ],
        ..Input::default()
    };
    let answer = input.answer("a");
    lacks(&answer, "stay there");
    holds(
        &answer,
        "d, which is to be with it (group g), is kept from n1: monitor every 10 s failed with exit code 7 (not running) on n1",
    );
}

#[test]
fn nobody_has_asked_for_more_instances_than_the_nodes_can_take() {
    let pinned = r#"<rsc_location id="not-n2" rsc="web-clone" node="n2" score="-INFINITY"/>"#;
    let input = |meta: &[(&str, &str)]| Input {
        resources: clone("web", meta),
        constraints: pinned,
        histories: [runs("web"), String::new()],
        ..Input::default()
    };
    let whole = |input: &Input<'_>| answer_to(&input.text(), Question::default(), &Terms::CLUSTER);
    holds(&whole(&input(&[])), "Everything is as it should be");
    holds(
        &whole(&input(&[("clone-max", "2")])),
        "1 of 2 resources and 0 of 2 nodes are not as they should be",
    );
}

#[test]
fn what_has_failed_and_is_left_alone_is_nothing_to_be_with() {
    let blocking = r#"<op id="fs-b" name="monitor" interval="11s" on-fail="block"/>"#;
    let inner = with_meta("fs", &[], blocking);
    let failed_fs = history("fs", &[("start", 0, 0, 0), ("monitor", 11_000, 7, 0)]);
    let input = Input {
        resources: several("clone", "fs-clone", &[], &inner) + &with_meta("web", &[], ""),
        constraints: r#"<rsc_colocation id="k" rsc="web" with-rsc="fs-clone" score="INFINITY"/>"#,
        histories: [failed_fs + &runs("web"), runs("fs")],
        ..Input::default()
    };
    holds(
        &input.answer("web"),
        "colocation k wants it where fs-clone is: on n2; what is on n1 does not count: fs:0: its monitor every 11 s failed with exit code 7 (not running) on n1",
    );
}

#[test]
fn what_only_the_history_knows_and_does_not_run_is_as_it_should_be() {
    let stopped = history("gone", &[("start", 0, 0, 0), ("stop", 0, 0, 0)]);
    let input = Input {
        resources: with_meta("a", &[], ""),
        histories: [stopped + &runs("a"), String::new()],
        ..Input::default()
    };
    let whole = answer_to(&input.text(), Question::default(), &Terms::CLUSTER);
    holds(&whole, "Everything is as it should be");
}
