//! Documents against what resource agents say about themselves: each warning, its place, and what
//! is not warned of.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::sync::Arc;

use deployment::{Agent, Answer, Answers, metadata, read_uses};

/// An agent with a parameter of each kind.
const DATABASE: &str = r#"<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="db" version="1.0">
  <version>1.1</version>
  <shortdesc lang="en">Manages a database</shortdesc>
  <parameters>
    <parameter name="pgdata" required="1"><content type="string"/></parameter>
    <parameter name="pgctl" required="1"><content type="string" default="/usr/bin/pg_ctl"/></parameter>
    <parameter name="pgport"><content type="integer" default="5432"/></parameter>
    <parameter name="check"><content type="boolean" default="false"/></parameter>
    <parameter name="wait"><content type="time" default="10s"/></parameter>
    <parameter name="fill"><content type="percentage"/></parameter>
    <parameter name="unit"><content type="select" default="M"><option value="K"/><option value="M"/></content></parameter>
    <parameter name="dampen"><content type="integer" default="5s"/></parameter>
    <parameter name="host"><shortdesc lang="en">Address (deprecated)</shortdesc><content/></parameter>
    <parameter name="db"><deprecated><replaced-with name="pgdata"/></deprecated><content/></parameter>
  </parameters>
  <actions>
    <action name="start" timeout="60s"/>
    <action name="stop" timeout="60s"/>
    <action name="monitor" timeout="30s" interval="10s"/>
  </actions>
</resource-agent>"#;

fn agent(kind: &str) -> Agent {
    Agent {
        class: "ocf".into(),
        provider: Some("test".into()),
        kind: kind.into(),
    }
}

fn described(text: &str) -> Answer {
    Answer::Described(Arc::new(metadata::read(text).unwrap()))
}

/// The agent `db` in each of these assemblies.
fn everywhere(assemblies: &[&str]) -> Answers {
    let answer = described(DATABASE);
    let assemblies = assemblies.iter();
    let known = assemblies.map(|name| (((*name).to_owned(), agent("db")), answer.clone()));
    known.collect()
}

fn warnings(document: &str, answers: &Answers) -> Vec<String> {
    let (_, uses) = read_uses(document.as_bytes()).expect("a valid document");
    let problems = uses.check(answers);
    problems.iter().map(ToString::to_string).collect()
}

/// A document with these parameters of a service `db`, each in a line of its own from line 5 on.
fn with_parameters(parameters: &str) -> String {
    format!(
        "<deployable name='shop'>\n\
         <assemblies><assembly name='a' address='unix:/a'/></assemblies>\n\
         <services>\n\
         <service name='db' class='ocf' provider='test' type='db'><parameters>\n\
         {parameters}</parameters></service>\n\
         </services></deployable>"
    )
}

fn parameter(name: &str, value: &str) -> String {
    format!("<parameter name='{name}' value='{value}'/>\n")
}

#[test]
fn it_warns_of_each_kind_of_mistake_at_its_place() {
    let given = [
        ("pgdta", "/data"),
        ("pgport", "53a2"),
        ("check", "maybe"),
        ("wait", "soon"),
        ("fill", "much"),
        ("unit", "T"),
        ("host", "x"),
        ("db", "y"),
    ];
    let parameters: String = given
        .iter()
        .map(|(name, value)| parameter(name, value))
        .collect();
    let found = warnings(&with_parameters(&parameters), &everywhere(&["a"]));
    assert_eq!(
        found,
        [
            "4:54: warning: service 'db' lacks the parameter 'pgdata', which ocf:test:db requires; it will not start without",
            "5:1: warning: ocf:test:db has no parameter 'pgdta'; did you mean 'pgdata'?",
            "6:1: warning: 'pgport' of ocf:test:db is not what the agent takes; expected a whole number",
            "7:1: warning: 'check' of ocf:test:db is not what the agent takes; expected 'true' or 'false'",
            "8:1: warning: 'wait' of ocf:test:db is not what the agent takes; expected a time such as '10s'",
            "9:1: warning: 'fill' of ocf:test:db is not what the agent takes; expected a percentage such as '10%'",
            "10:1: warning: 'unit' of ocf:test:db is not what the agent takes; expected one of: 'K', 'M'",
            "11:1: warning: the parameter 'host' of ocf:test:db is deprecated; the agent says: 'Address (deprecated)'",
            "12:1: warning: the parameter 'db' of ocf:test:db is deprecated; use 'pgdata'",
        ]
    );
}

#[test]
fn it_has_nothing_to_say_about_what_is_right() {
    let given = [
        ("pgdata", "/data"),
        ("pgport", " 5433 "),
        ("check", "Yes"),
        ("wait", "1500ms"),
        ("fill", "12.5%"),
        ("unit", "K"),
        // Its own default is no integer: the metadata is wrong.
        ("dampen", "10s"),
        ("trace_ra", "1"),
    ];
    let parameters: String = given
        .iter()
        .map(|(name, value)| parameter(name, value))
        .collect();
    let document = with_parameters(&parameters);
    assert_eq!(warnings(&document, &everywhere(&["a"])), [""; 0]);
    // Nothing is known.
    assert_eq!(warnings(&with_parameters(""), &Answers::new()), [""; 0]);
}

#[test]
fn a_value_is_checked_after_its_reference_is_followed_and_never_told() {
    let document = "<deployable name='shop'>
<assemblies><assembly name='a' address='unix:/a'>
<parameters><parameter name='port' value='s3cret'/></parameters></assembly></assemblies>
<services><service name='db' class='ocf' provider='test' type='db'><parameters>
<parameter name='pgdata' value=''/>
<parameter name='pgport'><reference assembly='a' parameter='port'/></parameter>
</parameters></service></services></deployable>";
    assert_eq!(
        warnings(document, &everywhere(&["a"])),
        [
            "5:1: warning: the parameter 'pgdata' of ocf:test:db is required, and empty; give it a value",
            "6:1: warning: 'pgport' of ocf:test:db is not what the agent takes; expected a whole number",
        ]
    );
}

#[test]
fn it_names_the_guests_of_which_a_warning_is_true_if_it_is_not_of_all() {
    let document = "<deployable name='shop'>
<assemblies><assembly name='a' address='unix:/a'/><assembly name='b' address='unix:/b'/>
<assembly name='c' address='unix:/c'/></assemblies>
<services><service name='db' class='ocf' provider='test' type='db'><parameters>
<parameter name='pgdata' value='/d'/>
<parameter name='new' value='1'/>
</parameters></service></services></deployable>";
    let newer = DATABASE.replace("name=\"host\"", "name=\"new\"");
    let mut answers = everywhere(&["a"]);
    answers.insert(("b".into(), agent("db")), described(&newer));
    assert_eq!(
        warnings(document, &answers),
        [
            "6:1: warning: ocf:test:db has no parameter 'new'; expected one of: pgdata, pgctl, pgport, check, wait, fill, unit, dampen, host, db (in a)",
            "6:1: warning: the parameter 'new' of ocf:test:db is deprecated; the agent says: 'Address (deprecated)' (in b)",
        ]
        .map(|text| {
            // The guests stand before what would be right.
            let (message, hint) = text.split_once("; ").unwrap();
            let (hint, guests) = hint.rsplit_once(" (").unwrap();
            format!("{message} ({guests}; {hint}")
        })
    );
    answers.insert(("c".into(), agent("db")), Answer::Absent);
    let found = warnings(document, &answers);
    assert_eq!(
        found[0],
        "4:64: warning: service 'db' cannot run in c: ocf:test:db is not installed there; \
         install it there, or keep the service away with <location score=\"-INFINITY\">"
    );
}

#[test]
fn a_guest_in_which_a_service_must_not_run_need_not_have_its_agent() {
    let document = |constraint: &str| {
        format!(
            "<deployable name='shop'>
<assemblies><assembly name='a' address='unix:/a'/><assembly name='b' address='unix:/b'/></assemblies>
<services><service name='ip' class='systemd' type='nginx' instances='all'/></services>
<constraints>{constraint}</constraints></deployable>"
        )
    };
    let nginx = Agent {
        class: "systemd".into(),
        provider: None,
        kind: "nginx".into(),
    };
    let answers = Answers::from([(("b".into(), nginx.clone()), Answer::Absent)]);
    assert_eq!(warnings(&document(""), &answers).len(), 1);
    let away = document("<location service='ip' assembly='b' score='-INFINITY'/>");
    assert_eq!(warnings(&away, &answers), [""; 0]);
    let (_, uses) = read_uses(away.as_bytes()).unwrap();
    assert_eq!(uses.questions(), [("a".to_owned(), vec![nginx])].into());
}

#[test]
fn it_checks_the_primitives_of_a_configuration_with_templates_sets_and_actions() {
    let document = "<deployable name='shop'>
<assemblies><assembly name='a' address='unix:/a'/><assembly name='b' address='unix:/b'/></assemblies>
<configuration><resources>
<template id='t' class='ocf' provider='test' type='db'>
<instance_attributes id='ti'><nvpair id='ti1' name='pgdata' value='/d'/></instance_attributes>
</template>
<clone id='c'><meta_attributes id='cm'><nvpair id='cm1' name='promotable' value='true'/>
<nvpair id='cm2' name='notify' value='true'/></meta_attributes>
<primitive id='p' template='t'>
<instance_attributes id='pi'>
<nvpair id='pi1' name='pgporr' value='1'/>
</instance_attributes>
<meta_attributes id='pm'><nvpair id='pm1' name='allow-migrate' value='true'/></meta_attributes>
<operations><op id='o1' name='monitor' interval='10s'/>
<op id='o2' name='montior' interval='20s'/></operations>
</primitive></clone>
<primitive id='f' class='stonith' type='fence_x'><instance_attributes id='fi'>
<nvpair id='fi1' name='pcmk_host_list' value='a'/></instance_attributes></primitive>
</resources></configuration></deployable>";
    assert_eq!(
        warnings(document, &everywhere(&["a", "b"])),
        [
            "9:1: warning: service 'p' has 'allow-migrate', and ocf:test:db has no action 'migrate_from'; it cannot be moved alive: remove 'allow-migrate'",
            "9:1: warning: service 'p' has 'allow-migrate', and ocf:test:db has no action 'migrate_to'; it cannot be moved alive: remove 'allow-migrate'",
            "9:1: warning: service 'p' has 'notify', and ocf:test:db has no action 'notify'; remove 'notify'",
            "9:1: warning: service 'p' is promotable, and ocf:test:db has no action 'demote'; it cannot be promoted: use an agent that can be, or a clone that is not promotable",
            "9:1: warning: service 'p' is promotable, and ocf:test:db has no action 'promote'; it cannot be promoted: use an agent that can be, or a clone that is not promotable",
            "11:1: warning: ocf:test:db has no parameter 'pgporr'; did you mean 'pgport'?",
            "15:19: warning: ocf:test:db has no action 'montior'; correct the name, or remove the operation",
        ]
    );
}

#[test]
fn an_agent_that_is_not_to_be_used_any_more_is_warned_of_unless_that_is_accepted() {
    let old = DATABASE.replace("Manages a database", "Manages a database (deprecated)");
    let answers = Answers::from([(("a".into(), agent("db")), described(&old))]);
    let data = parameter("pgdata", "/d");
    assert_eq!(
        warnings(&with_parameters(&data), &answers),
        [
            "4:54: warning: the agent ocf:test:db is deprecated; it says about itself: 'Manages a database (deprecated)'"
        ]
    );
    let accepted = data + &parameter("ignore_deprecation", "true");
    let found = warnings(&with_parameters(&accepted), &answers);
    assert!(
        found.iter().all(|text| !text.contains("the agent")),
        "{found:?}"
    );
}

#[test]
fn a_hostile_guest_cannot_make_the_check_expensive_or_its_messages_long() {
    let parameters: String = (0..5_000)
        .map(|n| format!("<parameter name='x{n}{}' required='1'/>", "y".repeat(60)))
        .collect();
    let hostile = format!("<resource-agent><parameters>{parameters}</parameters></resource-agent>");
    let services: String = (0..300)
        .map(|n| {
            let parameters: String = (0..30).map(|p| parameter(&format!("p{p}"), "1")).collect();
            format!(
                "<service name='s{n}' class='ocf' provider='test' type='db' instances='all'>\
                 <parameters>{parameters}</parameters></service>"
            )
        })
        .collect();
    let assemblies: String = (0..40)
        .map(|n| format!("<assembly name='a{n}' address='unix:/{n}'/>"))
        .collect();
    let document = format!(
        "<deployable name='shop'><assemblies>{assemblies}</assemblies><services>{services}</services></deployable>"
    );
    // Each guest says something else.
    let answers = (0..40).map(|n| {
        let text = hostile.replace("x7", &format!("z{n}\u{9b}2J"));
        ((format!("a{n}"), agent("db")), described(&text))
    });
    let found = warnings(&document, &answers.collect());
    assert!(found.len() <= 501, "{}", found.len());
    let longest = found.iter().map(String::len).max().unwrap();
    assert!(longest < 4_000, "{longest}");
}

/// The metadata of an agent that is installed in the roots of the end-to-end tests, or here.
fn installed(root: &Path, kind: &str) -> Option<String> {
    let program = root.join("resource.d/heartbeat").join(kind);
    let output = std::process::Command::new(program)
        .arg("meta-data")
        .env("OCF_ROOT", root)
        .env("OCF_FUNCTIONS_DIR", root.join("lib/heartbeat"))
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()
}

fn roots() -> Option<std::path::PathBuf> {
    let lab =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab/roots/guest/usr/lib/ocf");
    [lab, "/usr/lib/ocf".into()]
        .into_iter()
        .find(|root| root.join("resource.d/heartbeat/pgsql").exists())
}

#[test]
fn it_reads_all_agents_of_debian() {
    let Some(root) = roots() else {
        test_kit::not_tested_here("resource agents' own metadata; none are installed: `make lab`");
        return;
    };
    let mut read = 0;
    for entry in std::fs::read_dir(root.join("resource.d/heartbeat")).unwrap() {
        let kind = entry.unwrap().file_name().into_string().unwrap();
        // Some need an interpreter that is not there, and say nothing.
        let Some(text) = installed(&root, &kind).filter(|text| text.contains("</resource-agent>"))
        else {
            continue;
        };
        let agent = metadata::read(&text).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(agent.actions.len() > 2, "{kind}: {agent:?}");
        read += 1;
    }
    assert!(read > 50, "{read}");
}

#[test]
fn it_warns_of_debians_own_agents_as_they_are() {
    let Some(root) = roots() else {
        test_kit::not_tested_here("resource agents' own metadata; none are installed: `make lab`");
        return;
    };
    let text = installed(&root, "IPaddr2").unwrap();
    let address = Agent {
        provider: Some("heartbeat".into()),
        ..agent("IPaddr2")
    };
    let answers = Answers::from([(("a".into(), address), described(&text))]);
    let document = "<deployable name='shop'>
<assemblies><assembly name='a' address='unix:/a'/></assemblies>
<services><service name='ip' class='ocf' provider='heartbeat' type='IPaddr2'><parameters>
<parameter name='cidr_netmsak' value='24'/>
<parameter name='arp_count' value='many'/>
<parameter name='lvs_support' value='perhaps'/>
</parameters></service></services></deployable>";
    assert_eq!(
        warnings(document, &answers),
        [
            "3:69: warning: service 'ip' lacks the parameter 'ip', which ocf:heartbeat:IPaddr2 requires; it will not start without",
            "4:1: warning: ocf:heartbeat:IPaddr2 has no parameter 'cidr_netmsak'; did you mean 'cidr_netmask'?",
            "5:1: warning: 'arp_count' of ocf:heartbeat:IPaddr2 is not what the agent takes; expected a whole number",
            "6:1: warning: 'lvs_support' of ocf:heartbeat:IPaddr2 is not what the agent takes; expected 'true' or 'false'",
        ]
    );
}

#[test]
fn it_warns_of_what_the_agent_calls_private_and_nothing_marks() {
    let private = r#"<resource-agent name="db"><parameters><parameter name="pin" private="1"><content type="string"/></parameter></parameters>
        <actions><action name="start"/></actions></resource-agent>"#;
    let known = [(("a".to_owned(), agent("db")), described(private))];
    let known = Answers::from_iter(known);
    for (given, warned) in [
        ("value='canary'", true),
        ("value='canary' secret='true'", false),
        ("file='/etc/app/pin'", false),
    ] {
        let document = with_parameters(&format!("<parameter name='pin' {given}/>\n"));
        let found = warnings(&document, &known);
        let expected = "5:1: warning: ocf:test:db calls 'pin' private, and nothing here says so";
        assert_eq!(found.len(), usize::from(warned), "{found:?}");
        assert!(found.iter().all(|it| it.starts_with(expected)), "{found:?}");
    }
}
