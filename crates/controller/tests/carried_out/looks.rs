//! What runs with other parameters than the document has now, and was looked for since.

use controller::Request;

use crate::lab::*;

/// A service that can be stopped once somebody has mended it, and whose failures fence nobody.
fn lab(inner: &str, not_reloadable: &str) -> Lab {
    let operations =
        r#"<operations><op id="s" name="stop" interval="0" on-fail="block"/></operations>"#;
    let text = resources(&primitive_with("web", "", &(inner.to_owned() + operations)));
    let mut lab = Lab::of(&assemblies(&["", ""]), &text).fail(&["stop web n1"]);
    lab.not_reloadable = not_reloadable.to_owned();
    lab.all_answer();
    lab
}

fn parameters(given: &[&str]) -> String {
    let pairs = given.iter().map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        format!(r#"<nvpair id="p.{name}" name="{name}" value="{value}"/>"#)
    });
    let pairs: String = pairs.collect();
    format!(r#"<instance_attributes id="p">{pairs}</instance_attributes>"#)
}

/// What was ordered after the change, whose stop failed, was cleaned up, and a look followed.
fn told_after_a_look(before: &[&str], after: &[&str]) -> (Lab, Vec<String>) {
    let mut lab = lab(&parameters(before), "");
    let told = lab.told().len();
    lab.changes(&parameters(before), &parameters(after));
    lab.wait(2);
    assert_eq!(lab.told_since(told), ["stop web n1"]);
    lab.mended("web n1");
    lab.ask(Request::Cleanup {
        service: None,
        assembly: None,
    });
    assert!(lab.looked_for("web").len() > 2);
    let told = lab.told_since(told + 1);
    (lab, told)
}

#[test]
fn each_change_is_made_after_a_look_and_what_runs_is_stopped_as_it_was_started() {
    let changes: [[&[&str]; 2]; 4] = [
        [&["port=80"], &["port=81"]],
        [&["port=80"], &["port=80", "host=a"]],
        [&[], &["host=a"]],
        [&["port=80", "host=a"], &["port=80"]],
    ];
    for [before, after] in changes {
        let (mut lab, told) = told_after_a_look(before, after);
        assert_eq!(
            told,
            ["stop web n1", "start web n1"],
            "{before:?} {after:?}"
        );
        let given = |line: &str| {
            let parameters = lab.operation(line).parameters.iter();
            let parameters = parameters.map(|(name, value)| format!("{name}={value}"));
            parameters.collect::<std::collections::BTreeSet<_>>()
        };
        let as_set = |of: &[&str]| of.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(given("stop web n1"), as_set(before));
        assert_eq!(given("start web n1"), as_set(after));
        let told = lab.told().len();
        lab.ask(Request::Refresh {
            service: None,
            assembly: None,
        });
        lab.wait(2);
        assert_eq!(lab.told_since(told), [""; 0], "once");
    }
}

#[test]
fn what_its_agent_can_take_over_is_taken_over_after_a_look() {
    let before = ["port=80", "host=a"];
    let mut lab = lab(&parameters(&before), " port ");
    let told = lab.told().len();
    lab.changes(&parameters(&before), &parameters(&["port=81", "host=a"]));
    lab.wait(2);
    lab.mended("web n1");
    // What needed the restart is as it was again, but something else is not.
    let (given, wanted) = (["port=81", "host=a"], ["port=80", "host=b", "more=c"]);
    lab.changes(&parameters(&given), &parameters(&wanted));
    lab.ask(Request::Cleanup {
        service: None,
        assembly: None,
    });
    assert_eq!(lab.told_since(told), ["stop web n1", "reload-agent web n1"]);
}

#[test]
fn parameters_of_an_operation_alone_restart_nothing_that_is_looked_at() {
    let own = |name: &str| {
        format!(
            r#"<op id="{name}" name="{name}" interval="0"><instance_attributes id="{name}.i"><nvpair id="{name}.d" name="depth" value="1"/></instance_attributes></op>"#
        )
    };
    for name in ["start", "monitor"] {
        let operations = format!("<operations>{}</operations>", own(name));
        let text = resources(&primitive_with("web", "", &operations));
        let mut lab = Lab::of(&assemblies(&["", ""]), &text);
        lab.all_answer();
        lab.mended("web n1");
        let told = lab.told().len();
        lab.ask(Request::Refresh {
            service: None,
            assembly: None,
        });
        lab.wait(2);
        assert_eq!(lab.told_since(told), [""; 0], "{name}");
    }
}
