//! What guests run before services start.

use controller::{CONFIGURE, CONFIGURE_PARAMETER, Configure, Operation, Request};

use crate::lab::*;

/// Assemblies, the first with a service that has something run before its start, beside one that
/// has not.
fn placed(inner: &str) -> String {
    let service = |name: &str, inner: &str| {
        format!(
            r#"<service name="{name}" class="ocf" provider="sim" type="Simulated">{inner}</service>"#
        )
    };
    let services = service("web", inner) + &service("other", "");
    assemblies(&[&format!("<services>{services}</services>"), ""])
}

fn lab(inner: &str, not_reloadable: &str) -> Lab {
    let mut lab = Lab::of(&placed(inner), "");
    lab.not_reloadable = not_reloadable.to_owned();
    lab.all_answer();
    lab
}

const PORT: &str = r#"<parameters><parameter name="port" value="80"/></parameters>"#;

/// What it carries, and what says which that is.
fn carries(operation: &Operation) -> (Option<&Configure>, Option<&str>) {
    assert!(!operation.parameters.contains_key(CONFIGURE_PARAMETER));
    let which = operation.annotations.get(CONFIGURE).map(String::as_str);
    (operation.configure.as_deref(), which)
}

#[test]
fn a_start_carries_it_and_nothing_else_does() {
    let inner = format!(r#"<configure path="/opt/x"/>{PORT}"#);
    let mut lab = lab(&inner, "");
    let path = Configure::Path("/opt/x".into());
    let start = lab.operation("start web n1");
    assert_eq!(carries(start), (Some(&path), Some("/opt/x")));
    assert_eq!(start.parameters["port"], "80");
    assert_eq!(carries(lab.operation("monitor web n1")).0, None);
    assert_eq!(carries(lab.operation("start other n1")), (None, None));
    // A start in the same guest carries it again: its agent knows whether it was run.
    lab.monitor_fails("web");
    assert_eq!(carries(lab.operation("stop web n1")).0, None);
    assert_eq!(carries(lab.operation("start web n1")).0, Some(&path));
    let status = lab.status();
    assert_eq!(status.configured[0].text(), "before web starts: /opt/x");
    assert_eq!(status.configured.len(), 1);
}

#[test]
fn another_program_restarts_the_service_and_so_does_each_parameter() {
    let restart = ["stop web n1", "start web n1"];
    let inner = format!("<configure>exit 0</configure>{PORT}");
    // The agent would take any parameter over while the service runs.
    let mut lab = lab(&inner, " ");
    let changes = [
        (r#"value="80""#, r#"value="81""#),
        ("exit 0", "exit 1"),
        ("<configure>exit 1</configure>", r#"<configure path="/x"/>"#),
        (r#"<configure path="/x"/>"#, ""),
    ];
    for (before, after) in changes {
        let told = lab.told().len();
        lab.changes(before, after);
        lab.wait(2);
        assert_eq!(lab.told_since(told), restart, "{after}");
    }
    assert_eq!(carries(lab.operation("start web n1")), (None, None));
    // Without it, the agent is asked to take a parameter over; with it, there is a start first.
    let told = lab.told().len();
    lab.changes(r#"value="81""#, r#"value="82""#);
    lab.wait(2);
    assert_eq!(lab.told_since(told), ["reload-agent web n1"]);
    let told = lab.told().len();
    lab.changes(r#"value="82"/>"#, r#"value="83"/>"#);
    lab.changes("</parameters>", r#"</parameters><configure path="/y"/>"#);
    lab.wait(2);
    assert_eq!(lab.told_since(told).last().unwrap(), "start web n1");
    let path = Configure::Path("/y".into());
    assert_eq!(carries(lab.operation("start web n1")).0, Some(&path));
}

#[test]
fn what_goes_on_after_a_stop_that_failed_is_restarted_for_another_program() {
    let assemblies = placed("<configure>exit 0</configure>");
    let unit = r#"mode="unit" unit="n1.service""#;
    let lab = Lab::of(&assemblies.replace(unit, r#"mode="none""#), "");
    let mut lab = lab.fail(&["stop web n1"]);
    lab.all_answer();
    lab.changes("exit 0", "exit 1");
    lab.wait(2);
    assert_eq!(lab.told().last().unwrap(), "stop web n1");
    let told = lab.told().len();
    lab.mended("web n1");
    lab.ask(Request::Cleanup {
        service: None,
        assembly: None,
    });
    assert_eq!(lab.told_since(told), ["stop web n1", "start web n1"]);
    let (given, _) = carries(lab.operation("start web n1"));
    assert!(matches!(given, Some(Configure::Content { text, .. }) if text == "exit 1\n"));
}

#[test]
fn it_comes_before_services_of_every_class() {
    for class in ["lsb", "systemd", "service"] {
        let inner = format!("<configure>exit 0</configure>{PORT}");
        let service = format!(
            r#"<services><service name="web" class="{class}" type="x">{inner}</service></services>"#
        );
        let mut lab = Lab::with(&[&service, ""], "");
        let start = lab.operation("start web n1");
        assert!(start.configure.is_some() && start.parameters["port"] == "80");
        for (before, after) in [("exit 0", "exit 1"), (r#""80""#, r#""81""#)] {
            let told = lab.told().len();
            lab.changes(before, after);
            lab.wait(2);
            let restart = ["stop web n1", "start web n1"];
            assert_eq!(lab.told_since(told), restart, "{class} {after}");
        }
    }
}

#[test]
fn a_plan_says_what_will_be_run_before() {
    let lab = lab("<configure>exit 0</configure>", "");
    let plan = lab.plan(&lab.document.replace("exit 0", "exit 1"));
    let actions: Vec<_> = plan.actions.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(actions, ["restart"]);
    let text = plan.configured[0].text();
    assert!(
        text.starts_with("before web starts: content of 7 bytes, run by /bin/sh, sha256 "),
        "{text}"
    );
    assert_ne!(plan.configured, lab.status().configured);
}

#[test]
fn a_plan_warns_of_guests_that_would_not_start_again_what_the_change_stops() {
    let mut lab = lab("", "");
    let document =
        lab.document
            .replacen("</service>", "<configure>exit 0</configure></service>", 1);
    assert!(document != lab.document, "{document}");
    assert_eq!(lab.plan(&document).warnings, [] as [String; 0]);
    // An agent of an earlier version says nothing of it.
    lab.capabilities.clear();
    lab.answers("n1", Vec::new());
    let warnings = lab.plan(&document).warnings;
    assert_eq!(
        warnings,
        [
            "the cpe-agent of n1 is of a version that does not run what <configure> of web says: a service with one is \
             stopped by this change and does not start again there; install this version there first"
        ]
    );
    assert_eq!(lab.plan(&lab.document).warnings, [] as [String; 0]);
}

#[test]
fn a_summary_and_a_warning_name_some_of_very_many_guests() {
    let mut lab = Lab::of(&assemblies(&[""; 12]), "");
    let names = "n1, n10, n11, n12, n2, n3, n4, n5 and 4 more";
    assert_eq!(
        lab.status().summary,
        format!("waiting for the agents of {names}")
    );
    lab.capabilities.clear();
    for number in 1..=12 {
        lab.answers(&format!("n{number}"), Vec::new());
    }
    let document = lab.document.replacen(
        "</assembly>",
        r#"<services><service name="web" class="ocf" provider="sim" type="Simulated"><configure>exit 0</configure></service></services></assembly>"#,
        1,
    );
    let warnings = lab.plan(&document).warnings;
    assert!(
        warnings[0].starts_with(&format!("the cpe-agent of {names} is of a version")),
        "{warnings:?}"
    );
}
