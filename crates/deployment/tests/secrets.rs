//! Secrets of services: marked ones, and those that only a guest has.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use deployment::{Deployment, GuestSecret, changes, read, read_with_warnings};

fn document(assembly: &str, parameters: &str, more: &str) -> String {
    format!(
        r#"<deployable name="shop"><assemblies>
<assembly name="web1" address="{assembly}"><fencing mode="unit" unit="web1.service"/>
<services><service name="db" class="ocf" provider="own" type="Db"><parameters>
{parameters}
</parameters></service></services></assembly></assemblies>{more}</deployable>"#
    )
}

fn shop(parameters: &str) -> Deployment {
    read(document("unix:/run/a.sock", parameters, "").as_bytes()).unwrap()
}

/// The errors of a document, as people see them.
fn errors(document: &str) -> Vec<String> {
    let outcome = read_with_warnings(document.as_bytes());
    let problems = outcome.problems.iter();
    problems.map(ToString::to_string).collect()
}

#[test]
fn a_parameter_is_secret_by_its_mark_its_name_or_what_it_refers_to() {
    let shop = shop(
        r#"<parameter name="dsn" value="a" secret="true"/>
           <parameter name="password" value="b"/>
           <parameter name="passwd_check" secret="no" value="c"/>
           <parameter name="port" value="1"/>
           <parameter name="url"><reference service="db" parameter="dsn"/></parameter>
           <parameter name="again"><reference service="db" parameter="url"/></parameter>"#,
    );
    let parameters = shop.services[0].parameters.iter();
    let secret: Vec<_> = parameters.map(|it| (it.name.as_str(), it.secret)).collect();
    let expected = [
        ("dsn", true),
        ("password", true),
        ("passwd_check", false),
        ("port", false),
        ("url", true),
        ("again", true),
    ];
    assert_eq!(secret, expected);
}

#[test]
fn the_policy_engine_gets_a_reference_for_what_the_guest_has() {
    let shop = shop(
        r#"<parameter name="password" file="/etc/app/password"/>
           <parameter name="token" credential="app.token"/>"#,
    );
    let values = shop.services[0].parameters.iter();
    let values: Vec<_> = values.map(|it| GuestSecret::of_value(&it.value)).collect();
    let expected = [
        GuestSecret::File("/etc/app/password".into()),
        GuestSecret::Credential("app.token".into()),
    ];
    assert_eq!(values, expected.map(Some));
    let configuration = shop.configuration();
    assert!(
        configuration.contains(r#"name="password" value="cpe-guest-file:/etc/app/password""#),
        "{configuration}"
    );
}

#[test]
fn what_nobody_could_read_is_refused_with_its_place() {
    let both = r#"<parameter name="password" value="x" file="/etc/a"/>"#;
    let relative = r#"<parameter name="password" file="password"/>"#;
    let name = r#"<parameter name="password" credential="../a"/>"#;
    let host = r#"<parameter name="password" value="cpe-secret-file:/etc/cpe/secrets/a"/>"#;
    let cibsecret = r#"<parameter name="password" value="lrm://"/>"#;
    let copy = r#"<parameter name="password" path_of="/etc/cpe/secrets/a"/>"#;
    for (parameter, expected) in [
        (
            both,
            "keep one of value=\"…\", file=\"…\", credential=\"…\"",
        ),
        (
            relative,
            "expected the absolute path of a file in the guest",
        ),
        (name, "expected the name of a credential"),
        (host, "only fence agents run there"),
        (cibsecret, "Pacemaker's cibsecret"),
        (copy, "'path_of'"),
    ] {
        let found = errors(&document("unix:/run/a.sock", parameter, ""));
        let mut own = found.iter().filter(|it| it.starts_with("4:"));
        assert!(own.any(|it| it.contains(expected)), "{found:?}");
    }
    let file = r#"<parameter name="password" file="/etc/a"/>"#;
    let without_agent = errors(&document("qemu-ga:/run/a.sock", file, ""));
    assert!(
        without_agent[0].starts_with("4:") && without_agent[0].contains("run cpe-agent in it"),
        "{without_agent:?}"
    );
}

#[test]
fn pacemakers_elements_have_the_same_places() {
    let resources = |class: &str, value: &str| {
        let raw = format!(
            "<configuration><resources><primitive id=\"p\" {class}>\n<instance_attributes id=\"p-i\"><nvpair id=\"p-v\" name=\"password\" \
             value=\"{value}\"/></instance_attributes></primitive></resources></configuration>"
        );
        errors(&document("unix:/run/a.sock", "", &raw))
    };
    let service = "class=\"ocf\" provider=\"own\" type=\"Db\"";
    let device = "class=\"stonith\" type=\"fence_own\"";
    let is_refused = |class: &str, value: &str| {
        let found = resources(class, value);
        found
            .iter()
            .any(|it| it.contains("error: the value of 'password' is "))
    };
    for (value, of_service, of_device) in [
        ("cpe-guest-file:/etc/a", false, true),
        ("cpe-guest-credential:a", false, true),
        ("cpe-guest-file:a", true, true),
        ("cpe-secret-file:/etc/cpe/secrets/a", true, false),
        ("lrm://", true, true),
        ("hunter2", false, false),
    ] {
        assert_eq!(is_refused(service, value), of_service, "{value}");
        assert_eq!(is_refused(device, value), of_device, "{value}");
    }
}

#[test]
fn an_assembly_has_no_value_of_a_guest() {
    let text = r#"<deployable name="shop"><assemblies><assembly name="a" address="unix:/a"><attributes>
<attribute name="x"><reference service="db" parameter="password"/></attribute></attributes></assembly></assemblies>
<services><service name="db" class="ocf" provider="own" type="Db"><parameters>
<parameter name="password" file="/etc/a"/></parameters></service></services></deployable>"#;
    let found = errors(text);
    assert!(
        found[0].starts_with("2:") && found[0].contains("where only services have it"),
        "{found:?}"
    );
}

#[test]
fn a_difference_shows_where_a_secret_is_and_never_what_it_is() {
    let marked = shop(r#"<parameter name="dsn" value="canary-1" secret="true"/>"#);
    let other = shop(r#"<parameter name="dsn" value="canary-2"/>"#);
    let file = |path: &str| {
        shop(&format!(
            r#"<parameter name="dsn" file="{path}" secret="true"/>"#
        ))
    };
    for (from, to, secret) in [
        (&marked, &other, true),
        (&marked, &file("/a"), true),
        (&file("/a"), &file("/b"), false),
    ] {
        let changes = changes(from, to);
        let details = &changes[0].details;
        assert_eq!(
            (details.len(), details[0].secret),
            (1, secret),
            "{details:?}"
        );
    }
}

/// Mistakes that somebody makes who writes a password into a document.
const MISTAKES: [&str; 12] = [
    r#"<parameter name="dsn">canary</parameter>"#,
    r#"<parameter name="dsn" value=canary/>"#,
    r#"<parameter name="dsn" value="canary" value="canary"/>"#,
    r#"<parameter name="dsn" value="canary<"/>"#,
    r#"<parameter name="dsn" value="canary&canary;"/>"#,
    r#"<parameter name="dsn" value="canary&#1;"/>"#,
    r#"<parameter name="dsn" secret="canary"/>"#,
    r#"<parameter name="dsn" file="canary"/>"#,
    r#"<parameter name="dsn" credential="canary canary"/>"#,
    r#"<parameter name="dsn" value="a">canary</parameter>"#,
    r#"<parameter name="dsn"><value>a<b>canary</b></value></parameter>"#,
    "canary",
];

#[test]
fn no_message_about_a_mistake_tells_a_password() {
    for mistake in MISTAKES {
        let found = errors(&document("unix:/run/a.sock", mistake, ""));
        assert!(!found.is_empty(), "{mistake}");
        assert!(
            found.iter().all(|it| !it.contains("canary")),
            "{mistake}: {found:?}"
        );
    }
    let pair = |pair: &str| {
        format!(
            r#"<configuration><resources><primitive id="p" class="ocf" provider="own" type="Db"><instance_attributes id="i">{pair}</instance_attributes></primitive></resources></configuration>"#
        )
    };
    for mistake in [
        r#"<nvpair id="n" name="dsn">canary</nvpair>"#,
        r#"<nvpair id="n" name="dsn" valeu="canary"/>"#,
        r#"canary"#,
    ] {
        let found = errors(&document("unix:/run/a.sock", "", &pair(mistake)));
        assert!(!found.is_empty(), "{mistake}");
        assert!(
            found.iter().all(|it| !it.contains("canary")),
            "{mistake}: {found:?}"
        );
    }
}

#[test]
fn a_parameter_of_a_fence_agent_is_secret_by_its_mark_or_by_its_name() {
    let document = |parameter: &str| {
        format!(
            r#"<deployable name="shop"><assemblies><assembly name="web1" address="unix:/run/a.sock">
<fencing mode="agent" agent="fence_board"><parameters>
{parameter}
</parameters></fencing></assembly></assemblies></deployable>"#
        )
    };
    for (parameter, warned) in [
        (
            r#"<parameter name="code" value="canary" secret="true"/>"#,
            true,
        ),
        (r#"<parameter name="password" value="canary"/>"#, true),
        (r#"<parameter name="code" value="canary"/>"#, false),
        (
            r#"<parameter name="community" value="public" secret="false"/>"#,
            false,
        ),
        (
            r#"<parameter name="code" file="/etc/cpe/secrets/code" secret="true"/>"#,
            false,
        ),
    ] {
        let outcome = read_with_warnings(document(parameter).as_bytes());
        let texts: Vec<_> = outcome.problems.iter().map(ToString::to_string).collect();
        let found = texts
            .iter()
            .any(|it| it.contains("is in the document itself"));
        assert_eq!(found, warned, "{parameter}: {texts:?}");
    }
}
