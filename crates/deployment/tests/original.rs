//! The words of the original project, each with its warning and the place of that.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use deployment::read_with_warnings;

/// The problems of a document with these attributes of the deployable and of assembly a, this
/// content of a service in it, and these constraints.
fn of_the_original(
    deployable: &str,
    assembly: &str,
    service: &str,
    constraints: &str,
) -> Vec<String> {
    let document = format!(
        r#"<deployable name="x"{deployable}>
<assemblies>
<assembly name="a" address="unix:/run/a"{assembly}>
<services>
<service name="s" class="lsb" type="s">
{service}
</service>
</services>
</assembly>
<assembly name="b" address="unix:/run/b"><services><service name="t" class="lsb" type="t"/></services></assembly>
</assemblies>
<constraints>
{constraints}
</constraints>
</deployable>"#
    );
    let outcome = read_with_warnings(document.as_bytes());
    outcome.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn it_warns_of_attributes_of_the_original_project() {
    for (deployable, assembly, expected) in [
        (
            r#" monitor="matahari""#,
            "",
            "1:22: warning: the attribute 'monitor' of <deployable> has no effect; cpe-agent observes every assembly from inside its guest: remove it",
        ),
        (
            r#" username="root""#,
            "",
            "1:22: warning: the attribute 'username' of <deployable> has no effect; guests are started by the cloud manager, so no cloud is asked in anybody's name: remove it",
        ),
        (
            r#" uuid="dep 1""#,
            "",
            "1:28: warning: the uuid 'dep 1' is not a UUID; expected a UUID such as '7c1f0e52-9b1d-4a55-8f0e-2f4f6f0c9d11'; the attribute may also be left out",
        ),
        (
            r#" uuid="""#,
            "",
            "1:28: error: '' is not a valid uuid of <deployable>; expected a UUID such as '7c1f0e52-9b1d-4a55-8f0e-2f4f6f0c9d11', or another text of 1 to 128 bytes in one line",
        ),
        (
            "",
            r#" escalation_failures="-1""#,
            "3:63: warning: escalation_failures='-1' is read as: its failures never escalate; leave escalation_failures and escalation_period out for that",
        ),
        (
            "",
            r#" escalation_failures="3" escalation_period="INFINITY""#,
            "3:85: warning: escalation_period='INFINITY' is read as: its failures never escalate; leave escalation_failures and escalation_period out for that",
        ),
        (
            "",
            r#" monitor="x""#,
            "3:42: error: <assembly> has no attribute 'monitor'; expected one of: name, uuid, address, host, escalation_failures, escalation_period",
        ),
        (
            "",
            r#" escalation_failures="-2" escalation_period="1m""#,
            "3:63: error: '-2' is not a valid escalation_failures of <assembly>; expected a whole number from 1 to 1000000",
        ),
    ] {
        let found = of_the_original(deployable, assembly, "", "");
        assert_eq!(found, [expected], "{deployable}{assembly}");
    }
    let both = of_the_original(
        "",
        r#" escalation_failures="INFINITY" escalation_period="soon""#,
        "",
        "",
    );
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(
        both[1].contains("error: 'soon' is not a valid escalation_period"),
        "{both:?}"
    );
}

#[test]
fn it_warns_of_elements_of_the_original_project() {
    let parameter = |content: &str| format!("<parameters>{content}</parameters>");
    for (service, constraints, expected) in [
        (
            parameter(r#"<parameter name="p" type="scalar" value="1"/>"#),
            "",
            r#"6:33: warning: type="scalar" of <parameter> has no effect; every value is a text: remove it"#,
        ),
        (
            parameter(r#"<parameter name="p" type="list" value="1"/>"#),
            "",
            "6:33: error: <parameter> has no attribute 'type'; expected one of: name, value, file, credential, secret",
        ),
        (
            r#"<configure_executable url="http://x/y"/>"#.to_owned(),
            "",
            "6:1: error: <configure_executable> is not run: nothing is downloaded into a guest; put the program into the guest when that is made, and write <configure path=\"/…\"/>; or put it into the document: <configure>…</configure>",
        ),
        (
            String::new(),
            r#"<service_dependancy id="1" first="s" then="t"/>"#,
            "13:1: warning: <service_dependancy> is read as <service_dependency>; write <service_dependency first=\"…\" then=\"…\"/>, without an id",
        ),
        (
            String::new(),
            r#"<service_dependency first="rsc_a_s" then="t"/>"#,
            "13:28: warning: 'rsc_a_s' is read as service 's'; write 's'",
        ),
        (
            String::new(),
            r#"<service_dependency first="rsc_b_s" then="t"/>"#,
            "13:28: error: there is no service or group 'rsc_b_s'; expected one of: s, t",
        ),
        (
            String::new(),
            r#"<service_dependency id="1" first="s" then="t"/>"#,
            "13:21: error: <service_dependency> has no attribute 'id'; expected one of: first, then, kind",
        ),
    ] {
        let found = of_the_original("", "", &service, constraints);
        assert_eq!(found, [expected], "{service}{constraints}");
    }
    let script = of_the_original("", "", r#"<configure_executable path="/x"/>"#, "");
    assert_eq!(script.len(), 2, "{script:?}");
    assert!(
        script[1].contains("error: <configure_executable> has no attribute 'path'"),
        "{script:?}"
    );
}

#[test]
fn an_attribute_hostname_of_an_assembly_is_what_a_reference_to_it_means() {
    let attributes = r#"<attributes><attribute name="hostname" value="a.example"/></attributes>"#;
    let document = format!(
        r#"<deployable name="x"><assemblies><assembly name="a" address="unix:/run/a">{attributes}</assembly></assemblies>
           <services><service name="s" class="lsb" type="s"><parameters><parameter name="h">
           <reference assembly="a" parameter="hostname"/></parameter></parameters></service></services></deployable>"#
    );
    let outcome = read_with_warnings(document.as_bytes());
    assert_eq!(outcome.problems, []);
    assert_eq!(
        outcome.deployment.unwrap().services[0].parameters[0].value,
        "a.example"
    );
}
