//! What guests run before services start: both forms, what is refused, and what it becomes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use deployment::{
    Configure, MAX_CONFIGURE, MAX_PARAMETER, MAX_PARAMETERS, MAX_PARAMETERS_SIZE, changes, read,
    read_with_warnings,
};

/// A document with a service that has this in it, from line 3, column 1 on.
fn document(content: &str) -> String {
    format!(
        "<deployable name=\"x\"><assemblies><assembly name=\"a\" address=\"unix:/run/a\"/></assemblies>\n\
         <services><service name=\"s\" class=\"ocf\" provider=\"p\" type=\"t\">\n\
         {content}\n\
         </service></services></deployable>"
    )
}

fn problems(content: &str) -> Vec<String> {
    let outcome = read_with_warnings(document(content).as_bytes());
    outcome.problems.iter().map(ToString::to_string).collect()
}

fn configure(content: &str) -> Configure {
    let deployment = read(document(content).as_bytes()).unwrap();
    deployment.services[0].configure.clone().unwrap()
}

fn script(interpreter: &str, text: &str) -> Configure {
    Configure::Content {
        interpreter: interpreter.into(),
        text: text.into(),
    }
}

#[test]
fn it_reads_a_path_and_content() {
    let path = || Configure::Path("/usr/local/sbin/x y".into());
    for (content, expected) in [
        (r#"<configure path="/usr/local/sbin/x y"/>"#, path()),
        (
            "<configure>\n  echo a\n  echo b\n</configure>",
            script("/bin/sh", "echo a\n  echo b\n"),
        ),
        (
            "<configure>#!/usr/bin/env  python3\npass</configure>",
            script("/usr/bin/env python3", "#!/usr/bin/env  python3\npass\n"),
        ),
        (
            "<configure interpreter=\"/bin/bash -eu\"><![CDATA[\n#!/bin/sh\n[ 1 -lt 2 ] && <x\n]]></configure>",
            script("/bin/bash -eu", "#!/bin/sh\n[ 1 -lt 2 ] && <x\n"),
        ),
        (
            "<configure>a &lt; b &amp;&amp; c</configure>",
            script("/bin/sh", "a < b && c\n"),
        ),
    ] {
        assert_eq!(problems(content), Vec::<String>::new(), "{content}");
        assert_eq!(configure(content), expected, "{content}");
    }
    let longest = "x".repeat(MAX_CONFIGURE);
    let content = format!("<configure>{longest}</configure>");
    assert_eq!(problems(&content), Vec::<String>::new());
}

#[test]
fn it_refuses_more_than_goes_to_a_guest_with_its_place() {
    let parameter = |name: &str, size: usize| {
        let value = "x".repeat(size - name.len());
        format!("<parameter name=\"{name}\"><value>{value}</value></parameter>")
    };
    let hint = "put what is long into a file of the guest, and name the file";
    let of = |parameters: &str| problems(&format!("<parameters>{parameters}</parameters>"));
    let third = MAX_PARAMETERS_SIZE / 3;
    let most = [
        parameter("a", third),
        parameter("b", third),
        parameter("c", third),
    ]
    .concat();
    assert_eq!(of(&most), Vec::<String>::new());
    let more = of(&format!("{most}{}", parameter("d", 2)));
    let expected = format!(
        "2:26: error: the parameters of service 's' have 98306 bytes with their names: at most 98304 go to a guest; {hint}"
    );
    assert_eq!(more, [expected]);
    let long = of(&parameter("a", MAX_PARAMETER + 2));
    let expected = format!(
        "2:26: error: the parameter 'a' of service 's' has 65537 bytes: at most 65536 go to a guest; {hint}"
    );
    assert_eq!(long, [expected]);
    let one = |n| format!("<parameter name=\"p{n}\" value=\"\"/>");
    let many: String = (0..=MAX_PARAMETERS).map(one).collect();
    let expected =
        format!("2:26: error: service 's' has 401 parameters: at most 400 go to a guest; {hint}");
    assert_eq!(of(&many), [expected]);
    // So in a configuration that is copied.
    let value = "x".repeat(MAX_PARAMETER + 1);
    let copied = format!(
        "<deployable name=\"x\"><assemblies><assembly name=\"a\" address=\"unix:/run/a\"/></assemblies><configuration><resources>\n\
         <primitive id=\"p\" class=\"ocf\" provider=\"p\" type=\"t\"><instance_attributes id=\"i\"><nvpair id=\"n\" name=\"a\" value=\"{value}\"/>\
         </instance_attributes></primitive></resources></configuration></deployable>"
    );
    let outcome = read_with_warnings(copied.as_bytes());
    let said: Vec<String> = outcome.problems.iter().map(ToString::to_string).collect();
    let expected = format!(
        "2:1: error: the parameter 'a' of <primitive> 'p' has 65537 bytes: at most 65536 go to a guest; {hint}"
    );
    assert_eq!(said, [expected]);
    // What an earlier version accepted is managed on.
    assert!(
        deployment::read_accepted(copied.as_bytes())
            .deployment
            .is_some()
    );
}

#[test]
fn it_refuses_what_cannot_be_run_with_its_place() {
    let long = format!("<configure>{}</configure>", "x".repeat(MAX_CONFIGURE + 1));
    for (content, expected) in [
        (
            "<configure/>",
            "3:1: error: <configure> has neither 'path' nor content; add path=\"/…\", a program of the guest, or write a script as its text",
        ),
        (
            "<configure> </configure>",
            "3:1: error: <configure> has neither 'path' nor content; add path=\"/…\", a program of the guest, or write a script as its text",
        ),
        (
            r#"<configure path="/x">exit</configure>"#,
            "3:22: error: <configure> has content beside 'path'; remove one of them",
        ),
        (
            r#"<configure path="/x" interpreter="/bin/sh"/>"#,
            "3:22: error: <configure> has 'interpreter' beside 'path'; a program of the guest says itself what runs it: remove it",
        ),
        (
            r#"<configure path="sbin/x"/>"#,
            "3:18: error: 'sbin/x' is not a valid path of <configure>; expected the absolute path of a program in the guest, at most 1024 bytes, without '//', '.' and '..'",
        ),
        (
            r#"<configure path="/a/../x"/>"#,
            "3:18: error: '/a/../x' is not a valid path of <configure>; expected the absolute path of a program in the guest, at most 1024 bytes, without '//', '.' and '..'",
        ),
        (
            r#"<configure interpreter="sh">exit</configure>"#,
            "3:25: error: 'sh' is not a valid interpreter of <configure>; expected the absolute path of a program in the guest and arguments, 1024 bytes together: /bin/sh, /usr/bin/env python3",
        ),
        (
            "<configure>#! python\nexit</configure>",
            "3:12: error: '#! python' does not say what runs the script; expected the absolute path of a program in the guest and arguments, 1024 bytes together: /bin/sh, /usr/bin/env python3",
        ),
        (
            "<configure><script/></configure>",
            "3:12: error: <configure> must not contain <script>; write the content as text: '<' as '&lt;' and '&' as '&amp;', or all of it in <![CDATA[…]]>",
        ),
        (
            r#"<configure url="/x">exit</configure>"#,
            "3:12: error: <configure> has no attribute 'url'; expected one of: path, interpreter",
        ),
        (
            r#"<configure path="/x"/><configure path="/y"/>"#,
            "3:23: error: <service> contains <configure> twice; put everything into one of them",
        ),
        (
            r#"<configure path="/x"/><parameters><parameter name="cpe.configure" value="/y"/></parameters>"#,
            "3:52: error: the parameter 'cpe.configure' stands for <configure>; give it another name",
        ),
        (
            long.as_str(),
            "3:12: error: the content of <configure> has 65537 bytes; at most 65536 go to a guest with each start: put the program into the guest, and write path=\"/…\"",
        ),
    ] {
        assert_eq!(problems(content), [expected], "{content:.80}");
    }
}

#[test]
fn the_form_of_the_original_project_is_a_path() {
    for url in ["/opt/x", "file:///opt/x", "file://localhost/opt/x"] {
        let content = format!(r#"<configure_executable url="{url}"/>"#);
        assert_eq!(
            problems(&content),
            [
                "3:1: warning: <configure_executable> is read as <configure>; write <configure path=\"/opt/x\"/>"
            ]
        );
        assert_eq!(configure(&content), Configure::Path("/opt/x".into()));
    }
    let both = r#"<configure_executable url="/x"/><configure path="/y"/>"#;
    let found = problems(both);
    assert_eq!(
        found[1],
        "3:1: error: <service> has more than one program to run before it starts; write one <configure>, with a script that does it all"
    );
    let twice = r#"<configure_executable url="/x"/><configure_executable url="/y"/>"#;
    assert!(problems(twice)[2].starts_with("3:33: error: <service> has more"));
}

#[test]
fn a_document_that_was_accepted_with_a_download_is_managed_on() {
    let text = document(r#"<configure_executable url="http://x/y"/>"#);
    assert!(read(text.as_bytes()).is_err());
    let accepted = deployment::read_accepted(text.as_bytes());
    let service = &accepted.deployment.unwrap().services[0];
    assert_eq!(service.configure, None);
    assert!(accepted.problems[0].to_string().contains("is not run"));
}

#[test]
fn the_policy_engine_sees_another_program_as_another_definition() {
    let of = |content: &str| read(document(content).as_bytes()).unwrap();
    let parameter = |content: &str| {
        let configuration = of(content).configuration();
        let mut lines = configuration.lines();
        let line = lines.find(|line| line.contains("cpe.configure"));
        line.map(|line| line.trim().to_owned())
    };
    assert_eq!(parameter(""), None);
    assert_eq!(
        parameter(r#"<configure path="/x"/>"#).unwrap(),
        r#"<nvpair id="s.parameters.cpe.configure" name="cpe.configure" value="/x"/>"#
    );
    let content = parameter("<configure>exit 0</configure>").unwrap();
    let digest = "28d3b9e880a77975493dc7e359144c0295a4f694cfe0af4f928c22307bc5c320";
    assert!(
        content.contains(&format!("value=\"sha256:{digest} /bin/sh\"")),
        "{content}"
    );
    let interpreter = parameter("<configure interpreter=\"/bin/ash\">exit 0</configure>");
    assert_ne!(interpreter.unwrap(), content);
    // Its text is nowhere but in the document.
    assert!(
        !of("<configure>exit 0</configure>")
            .configuration()
            .contains("exit 0")
    );
}

#[test]
fn it_is_told_by_its_path_or_its_digest() {
    let (path, content) = (r#"<configure path="/x"/>"#, "<configure>exit 0</configure>");
    let of = |content: &str| read(document(content).as_bytes()).unwrap();
    let told = of(content).configured();
    assert_eq!(
        told[0].text(),
        "before s starts: content of 7 bytes, run by /bin/sh, sha256 28d3b9e880a77975493dc7e359144c0295a4f694cfe0af4f928c22307bc5c320"
    );
    assert_eq!(of("").configured(), []);
    let changed = changes(&of(path), &of(content));
    let detail = &changed[0].details[0];
    assert_eq!((changed.len(), detail.name.as_str()), (1, "configure"));
    assert_eq!(detail.from.as_deref(), Some("/x"));
    assert_eq!(detail.to.as_deref(), Some(told[0].program.as_str()));
}

#[test]
fn its_content_is_not_shown_where_values_are_not() {
    let text = document("<configure>password=x</configure>");
    let masked = deployment::mask(&text).unwrap();
    assert!(!masked.text.contains("password"), "{}", masked.text);
    let text = document("<configure><![CDATA[password=x]]></configure>");
    let masked = deployment::mask(&text).unwrap();
    assert!(!masked.text.contains("password"), "{}", masked.text);
}
