//! Secrets of services: what agents hear of them.

use deployment::SECRET_NAMES;

use crate::lab::*;

/// An assembly with a service of these parameters, and one without it.
fn lab(parameters: &str) -> Lab {
    let service = format!(
        r#"<services><service name="web" class="ocf" provider="sim" type="Simulated">
           <parameters>{parameters}</parameters></service></services>"#
    );
    let mut lab = Lab::of(&assemblies(&[&service, ""]), "");
    lab.all_answer();
    lab
}

fn names<'l>(lab: &'l Lab, what: &str) -> Option<&'l str> {
    let annotations = &lab.operation(what).annotations;
    annotations.get(SECRET_NAMES).map(String::as_str)
}

#[test]
fn agents_are_told_which_parameters_nothing_may_tell() {
    let lab = lab(
        r#"<parameter name="dsn" value="canary" secret="true"/><parameter name="password" value="x"/>
           <parameter name="passwd_check" value="1" secret="false"/><parameter name="port" value="80"/>"#,
    );
    for what in ["start web n1", "monitor web n1"] {
        assert_eq!(names(&lab, what), Some(" dsn password "), "{what}");
    }
    let plain = Lab::new(1, &resources(&primitive("db", "")));
    assert_eq!(names(&plain, "start db n1"), None);
}

#[test]
fn of_pacemakers_elements_the_names_say_it() {
    let parameters = r#"<instance_attributes id="i"><nvpair id="i1" name="replication_passwd" value="x"/>
        <nvpair id="i2" name="port" value="1"/></instance_attributes>"#;
    let lab = Lab::new(1, &resources(&primitive_with("db", "", parameters)));
    assert_eq!(names(&lab, "start db n1"), Some(" replication_passwd "));
}

#[test]
fn what_runs_with_a_secret_is_stopped_with_it_marked_whatever_the_document_says_by_now() {
    let mut lab = lab(r#"<parameter name="dsn" value="canary" secret="true"/>"#);
    let before = lab.told().len();
    lab.changes(
        r#"name="dsn" value="canary" secret="true""#,
        r#"name="port" value="80""#,
    );
    assert_eq!(lab.told_since(before), ["stop web n1", "start web n1"]);
    assert_eq!(lab.operation("stop web n1").parameters["dsn"], "canary");
    assert_eq!(names(&lab, "stop web n1"), Some(" dsn "));
    assert_eq!(names(&lab, "start web n1"), None);
}

#[test]
fn a_mark_restarts_nothing_and_another_place_of_the_value_does() {
    let mut lab = lab(r#"<parameter name="dsn" value="canary"/>"#);
    let before = lab.told().len();
    lab.changes(r#"value="canary""#, r#"value="canary" secret="true""#);
    assert_eq!(lab.told_since(before), [""; 0]);
    lab.changes(r#"value="canary""#, r#"file="/etc/app/dsn""#);
    assert_eq!(lab.told_since(before), ["stop web n1", "start web n1"]);
    let start = lab.operation("start web n1");
    assert_eq!(start.parameters["dsn"], "cpe-guest-file:/etc/app/dsn");
}

#[test]
fn a_tool_in_a_guest_does_not_have_another_guest_read_a_file() {
    let mut lab = lab(
        r#"<parameter name="to"><reference assembly="n2" attribute="site" on_change="reload"/></parameter>"#,
    );
    lab.sets("n2", "site", "cpe-guest-file:/etc/shadow", 0);
    assert_eq!(lab.told(), [""; 0]);
    lab.sets("n2", "site", "east", 0);
    assert_eq!(lab.told(), ["start web n1"]);
    let before = lab.told().len();
    lab.sets("n2", "site", "cpe-guest-credential:db", 0);
    let operations = lab.told_since(before);
    assert!(
        operations.iter().all(|it| it != "start web n1"),
        "{operations:?}"
    );
}
