//! References to what the document does not have: what guests tell, and node attributes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use deployment::{LiveSource, OnChange, read_with_warnings};

/// A document with assemblies `a` and `b`, and a service in a group whose parameter has this value.
fn document(of_a: &str, address: &str, content: &str) -> String {
    format!(
        r#"<deployable name="x"><assemblies>
<assembly name="a" address="{address}">{of_a}</assembly>
<assembly name="b" address="unix:/run/b"/></assemblies>
<services><group name="g" instances="2"><service name="s" class="lsb" type="s"><parameters><parameter name="p">
{content}</parameter></parameters></service></group></services></deployable>"#
    )
}

fn problems(of_a: &str, content: &str) -> Vec<String> {
    let text = document(of_a, "unix:/run/a", content);
    let outcome = read_with_warnings(text.as_bytes());
    outcome.problems.iter().map(ToString::to_string).collect()
}

/// The reference of the document, as `SOURCE NAME FALLBACK ON_CHANGE`, or the value.
fn followed(of_a: &str, address: &str, content: &str) -> String {
    let text = document(of_a, address, content);
    let outcome = read_with_warnings(text.as_bytes());
    assert_eq!(outcome.problems, []);
    let deployment = outcome.deployment.unwrap();
    let Some(live) = deployment.live.first() else {
        return deployment.services[0].parameters[0].value.clone();
    };
    assert_eq!(
        (live.service.as_str(), live.whole.as_str()),
        ("s", "g-clone")
    );
    assert_eq!(
        (live.assembly.as_str(), live.parameter.as_str()),
        ("a", "p")
    );
    let source = match live.source {
        LiveSource::Guest(_) => "guest",
        LiveSource::Attribute(_) => "attribute",
    };
    let fallback = live.fallback.as_deref().unwrap_or("-");
    let (name, change) = (live.source.name(), live.on_change.as_str());
    format!("{source} {name} {fallback} {change}")
}

#[test]
fn what_guests_tell_is_followed() {
    let unix = "unix:/run/a";
    for (content, expected) in [
        (
            r#"<reference assembly="a" parameter="ipaddress"/>"#,
            "guest ipaddress - restart",
        ),
        (
            r#"<reference assembly="a" parameter="ipaddress.eth1"/>"#,
            "guest ipaddress.eth1 - restart",
        ),
        (
            r#"<reference assembly="a" parameter="hostname" on_change="ignore"/>"#,
            "guest hostname - ignore",
        ),
        (
            r#"<reference assembly="a" attribute="pingd" on_change="reload"/>"#,
            "attribute pingd - reload",
        ),
        (r#"<reference assembly="a" parameter="name"/>"#, "a"),
    ] {
        assert_eq!(followed("", unix, content), expected, "{content}");
    }
}

#[test]
fn what_the_document_says_counts_until_there_is_another_value() {
    let reference = r#"<reference assembly="a" parameter="ipaddress"/>"#;
    assert_eq!(followed("", "tcp:10.0.0.5", reference), "10.0.0.5");
    assert_eq!(followed("", "tcp:[fd00::5]:99", reference), "fd00::5");
    let named = followed("", "tcp:db1.example", reference);
    assert_eq!(named, "guest ipaddress db1.example restart");
    let attribute = r#"<attributes><attribute name="ipaddress" value="10.0.0.7"/></attributes>"#;
    let own = followed(attribute, "tcp:10.0.0.5", reference);
    assert_eq!(own, "10.0.0.7", "nobody has asked to follow it");
    let asked = r#"<reference assembly="a" parameter="ipaddress" on_change="reload"/>"#;
    let own = followed(attribute, "tcp:10.0.0.5", asked);
    assert_eq!(own, "attribute ipaddress 10.0.0.7 reload");
    let parameter = r#"<parameters><parameter name="ipaddress" value="10.0.0.8"/></parameters>"#;
    assert_eq!(followed(parameter, "tcp:10.0.0.5", reference), "10.0.0.8");
    let by_attribute = r#"<reference assembly="a" attribute="ipaddress"/>"#;
    let own = followed(attribute, "unix:/run/a", by_attribute);
    assert_eq!(own, "attribute ipaddress 10.0.0.7 restart");
}

#[test]
fn a_service_follows_what_the_one_follows_to_which_it_refers() {
    let text = document(
        "",
        "unix:/run/a",
        r#"<reference assembly="a" parameter="hostname"/></parameter><parameter name="q"><reference service="s" parameter="p" on_change="ignore"/>"#,
    );
    let deployment = deployment::read(text.as_bytes()).unwrap();
    let changes: Vec<OnChange> = deployment.live.iter().map(|it| it.on_change).collect();
    assert_eq!(changes, [OnChange::Restart, OnChange::Ignore]);
    assert_eq!(
        deployment.live[1].source,
        LiveSource::Guest("hostname".into())
    );
}

#[test]
fn references_that_cannot_be_followed_are_refused_with_their_place() {
    for (of_a, content, expected) in [
        (
            "",
            r#"<reference assembly="c" parameter="hostname"/>"#,
            "5:22: error: there is no assembly 'c'; expected one of: a, b",
        ),
        (
            "",
            r#"<reference assembly="a" parameter="ipadress"/>"#,
            "5:36: error: assembly 'a' has no attribute or parameter 'ipadress'; did you mean 'ipaddress'?",
        ),
        (
            "",
            r#"<reference assembly="a" parameter="pingd"/>"#,
            "5:36: error: assembly 'a' has no attribute or parameter 'pingd'; expected one of: hostname, ipaddress, ipaddress4, ipaddress6, machine_id",
        ),
        (
            "",
            r#"<reference assembly="a" attribute="p q"/>"#,
            "5:36: error: 'p q' is not a valid attribute of <reference>; expected the name of a node attribute: 1 to 255 bytes without blanks",
        ),
        (
            "",
            r#"<reference assembly="a" attribute="p" parameter="q"/>"#,
            "5:36: error: <reference> has both 'attribute' and 'parameter'; a node attribute is an assembly's: keep assembly=\"…\" and attribute=\"…\"",
        ),
        (
            "",
            r#"<reference assembly="a" parameter="hostname" on_change="retsart"/>"#,
            "5:57: error: 'retsart' is not a valid on_change of <reference>; did you mean 'restart'?",
        ),
        (
            "",
            r#"<reference assembly="a" parameter="name" on_change="reload"/>"#,
            "5:1: warning: 'on_change' of this <reference> has no effect; the value is the document's, and changes with it: remove it",
        ),
        (
            r#"<attributes><attribute name="x"><reference assembly="b" parameter="hostname"/></attribute></attributes>"#,
            r#"<value/>"#,
            "2:74: error: 'x' of assembly 'a' refers to 'hostname' of assembly 'b', which is known only while the deployment runs; only parameters of services follow such values: write the value here, or refer to it from the service",
        ),
        (
            r#"<fencing mode="agent" agent="fence_x"><parameters><parameter name="ip"><reference assembly="a" attribute="ip"/></parameter></parameters></fencing>"#,
            r#"<value/>"#,
            "2:113: error: 'ip' of the fencing of assembly 'a' refers to 'ip' of assembly 'a', which is known only while the deployment runs; only parameters of services follow such values: write the value here, or refer to it from the service",
        ),
    ] {
        assert_eq!(problems(of_a, content), [expected], "{of_a}{content}");
    }
}
