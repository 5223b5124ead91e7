//! Fence agents of documents: secrets in files and in the document, and what agents say about
//! themselves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use deployment::{
    Answer, Deployment, FenceAgents, FencingMode, SecretUse, metadata, read_uses,
    read_with_warnings, secret_use,
};

const METADATA: &str = r#"<?xml version="1.0" ?>
<resource-agent name="fence_test" shortdesc="Fence agent for tests">
  <parameters>
    <parameter name="action" unique="0" required="1"><content type="string" default="reboot"/></parameter>
    <parameter name="ip" unique="0" required="1"><content type="string"/></parameter>
    <parameter name="ipaddr" unique="0" required="1" deprecated="1"><content type="string"/></parameter>
    <parameter name="password" unique="0" required="0"><content type="string"/><shortdesc lang="en">Login password</shortdesc></parameter>
    <parameter name="pin" unique="0" required="0"><content type="string"/><shortdesc lang="en">Password of the card</shortdesc></parameter>
    <parameter name="ipport" unique="0" required="0"><content type="integer" default="623"/></parameter>
    <parameter name="plug" unique="0" required="1"><content type="string"/></parameter>
  </parameters>
  <actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/><action name="metadata"/></actions>
</resource-agent>"#;

fn document(parameters: &str) -> String {
    format!(
        "<deployable name='shop'><assemblies><assembly name='a' address='unix:/a'>\n\
         <fencing mode='agent' agent='fence_test'><parameters>\n{parameters}\n</parameters></fencing></assembly></assemblies></deployable>"
    )
}

fn device(pairs: &str) -> String {
    format!(
        "<deployable name='shop'><assemblies><assembly name='a' address='unix:/a'/></assemblies><configuration><resources>\n\
         <primitive id='d' class='stonith' type='fence_test'><instance_attributes id='i'>\n{pairs}\n</instance_attributes></primitive>\n\
         </resources></configuration></deployable>"
    )
}

fn problems(document: &str) -> Vec<String> {
    let found = read_with_warnings(document.as_bytes()).problems;
    found.iter().map(ToString::to_string).collect()
}

fn accepted(document: &str) -> Deployment {
    deployment::read(document.as_bytes()).unwrap()
}

#[test]
fn a_value_may_be_in_a_file_of_the_host() {
    let text = document(
        "<parameter name='password' file='/etc/cpe/secrets/shop/ipmi'/>\n\
         <parameter name='identity_file' path_of='/etc/cpe/secrets/key'/>",
    );
    assert_eq!(problems(&text), [""; 0]);
    let FencingMode::Agent { parameters, .. } = &accepted(&text).assemblies[0].fencing.mode else {
        panic!("{text}")
    };
    let uses: Vec<_> = parameters.iter().map(|it| secret_use(&it.value)).collect();
    let expected = [
        Some(SecretUse::Content("/etc/cpe/secrets/shop/ipmi")),
        Some(SecretUse::Copy("/etc/cpe/secrets/key")),
    ];
    assert_eq!(uses, expected);
    let text =
        device("<nvpair id='p' name='passwd' value='cpe-secret-file:/etc/cpe/secrets/ipmi'/>");
    assert_eq!(problems(&text), [""; 0]);
    let value = &accepted(&text).devices[0].parameters[0].1;
    assert_eq!(
        secret_use(value),
        Some(SecretUse::Content("/etc/cpe/secrets/ipmi"))
    );
}

#[test]
fn a_file_is_one_that_the_deployment_may_use() {
    for path in [
        "/etc/shadow",
        "/etc/cpe/secrets/other/ipmi",
        "/etc/cpe/secrets/../cpe.toml",
        "ipmi",
    ] {
        let found = problems(&document(&format!(
            "<parameter name='password' file='{path}'/>"
        )));
        let [found] = &found[..] else {
            panic!("{found:?}")
        };
        assert!(
            found.starts_with("3:1: error: 'password' must not have its value from that file"),
            "{found}"
        );
        let pair = format!("<nvpair id='p' name='passwd' value='cpe-secret-path:{path}'/>");
        let found = problems(&device(&pair));
        assert!(
            found[0].contains("error: 'passwd' must not have its value"),
            "{found:?}"
        );
    }
}

#[test]
fn only_fence_agents_have_copies_of_files() {
    let text = "<deployable name='shop'><assemblies><assembly name='a' address='unix:/a'/></assemblies><services>\
        <service name='db' class='ocf' provider='heartbeat' type='pgsql'><parameters>\
        <parameter name='password' path_of='/etc/cpe/secrets/db'/></parameters></service></services></deployable>";
    assert!(
        problems(text)
            .iter()
            .any(|it| it.contains("no attribute 'path_of'"))
    );
    let both = document("<parameter name='password' file='/etc/cpe/secrets/a' value='b'/>");
    let found = problems(&both);
    assert!(
        found.iter().any(|it| it.contains("more than one value")),
        "{found:?}"
    );
}

#[test]
fn a_secret_in_the_document_is_accepted_and_warned_of_without_being_shown() {
    let text = document("<parameter name='password' value='tops3cret'/>");
    let found = problems(&text);
    let [found] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(
        found.starts_with("3:1: warning: the secret 'password' is in the document itself"),
        "{found}"
    );
    assert!(
        found.contains("file=\"/etc/cpe/secrets/shop/password\"") && !found.contains("tops3cret")
    );
    let found = problems(&device(
        "<nvpair id='p' name='passwd' value='tops&#9;3cret'/>",
    ));
    assert!(found.iter().all(|it| !it.contains("3cret")), "{found:?}");
}

#[test]
fn the_policy_engine_sees_no_secret_of_a_device() {
    let text = device(
        "<nvpair id='p' name='passwd' value='tops3cret &amp; \"more\"'/><nvpair id='u' name='username' value='admin'/>",
    );
    let deployment = accepted(&text);
    assert_eq!(
        deployment.devices[0].parameters[0].1,
        "tops3cret & \"more\""
    );
    assert!(deployment.configuration().contains("tops3cret"));
    let shown = deployment.configuration_without_secrets();
    assert!(
        !shown.contains("tops3cret") && !shown.contains("more"),
        "{shown}"
    );
    assert!(shown.contains(r#"name="passwd" value="***"/>"#), "{shown}");
    assert!(
        shown.contains(r#"name="username" value="admin"/>"#),
        "{shown}"
    );
}

#[test]
fn parameters_of_clusters_are_refused_where_they_would_mean_nothing() {
    let found = problems(&document("<parameter name='pcmk_host_map' value='a:1'/>"));
    assert!(
        found[0].contains("only devices of <configuration> have such parameters"),
        "{found:?}"
    );
}

fn warnings(document: &str, known: Answer) -> Vec<String> {
    let (_, uses) = read_uses(document.as_bytes()).unwrap();
    assert_eq!(
        uses.fence_agents().into_iter().collect::<Vec<_>>(),
        ["fence_test"]
    );
    let known = FenceAgents::from([("fence_test".to_owned(), known)]);
    let found = uses.check_fencing(&known);
    found.iter().map(ToString::to_string).collect()
}

fn described(text: &str) -> Answer {
    Answer::Described(Arc::new(metadata::read(text).unwrap()))
}

#[test]
fn a_document_is_checked_by_what_the_fence_agent_says() {
    let right = "<parameter name='ip' value='10.0.0.1'/><parameter name='password' file='/etc/cpe/secrets/a'/>";
    assert_eq!(warnings(&document(right), described(METADATA)), [""; 0]);
    let wrong = "<parameter name='ipp' value='10.0.0.1'/>\n<parameter name='ipport' value='x'/>\n<parameter name='pin' value='1234'/>";
    for (text, line) in [
        (document(wrong), 3),
        (
            device(
                "<nvpair id='n1' name='ipp' value='10.0.0.1'/>\n<nvpair id='n2' name='ipport' value='x'/>\n<nvpair id='n3' name='pin' value='1234'/>\
                 <nvpair id='n4' name='pcmk_host_list' value='a'/><nvpair id='n5' name='priority' value='1'/>",
            ),
            3,
        ),
    ] {
        let found = warnings(&text, described(METADATA));
        let all = found.join("\n");
        assert!(
            all.contains("stonith:fence_test has no parameter 'ipp'; did you mean 'ip'?"),
            "{all}"
        );
        assert!(all.contains(&format!("{line}:")), "{all}");
        assert!(
            all.contains("'ipport' of stonith:fence_test is not what the agent takes"),
            "{all}"
        );
        assert!(all.contains("fence_test calls 'pin' a password"), "{all}");
        assert!(all.contains("fence_test requires 'ip'"), "{all}");
        assert_eq!(found.len(), 4, "{all}");
    }
}

#[test]
fn an_agent_that_cannot_show_that_a_device_is_off_is_warned_of() {
    let ip = "<parameter name='ip' value='10.0.0.1'/>";
    let without = |action: &str| METADATA.replace(&format!("<action name=\"{action}\"/>"), "");
    let found = warnings(&document(ip), described(&without("status")));
    assert!(
        found[0].contains("cannot be asked whether its device is off"),
        "{found:?}"
    );
    let found = warnings(&document(ip), described(&without("on")));
    assert!(found[0].contains("cannot switch on"), "{found:?}");
    let found = warnings(&document(ip), Answer::Absent);
    assert!(
        found[0].contains("fence_test is not installed on this host"),
        "{found:?}"
    );
}

#[test]
fn an_agent_that_has_to_be_asked_to_let_guests_in_is_warned_of_unless_it_is_asked() {
    let on = |attributes: &str| {
        let plain = "<action name=\"on\"/>";
        let text = METADATA.replace(plain, &format!("<action name=\"on\" {attributes}/>"));
        assert_ne!(text, METADATA);
        described(&text)
    };
    let pairs = "<nvpair id='n1' name='ip' value='10.0.0.1'/><nvpair id='n4' name='pcmk_host_list' value='a'/>";
    let silent = device(pairs);
    let meta = "<meta_attributes id='m'><nvpair id='mp' name='provides' value='unfencing'/></meta_attributes><instance_attributes";
    let says_so = silent.replacen("<instance_attributes", meta, 1);
    let found = warnings(&silent, on("automatic=\"1\"")).join("\n");
    assert!(found.contains("only when it is asked to"), "{found}");
    let old = warnings(&silent, on("required=\"1\"")).join("\n");
    assert_eq!(old, found, "an earlier word for it");
    assert_eq!(warnings(&says_so, on("automatic=\"1\"")), [""; 0]);
    assert_eq!(warnings(&silent, on("automatic=\"0\"")), [""; 0]);
    let found = warnings(&says_so, on("on_target=\"1\" automatic=\"1\"")).join("\n");
    assert!(found.contains("has to run in the guest"), "{found}");
}

fn without_agent(fencing: &str, configuration: &str) -> Vec<String> {
    problems(&format!(
        "<deployable name='shop'><assemblies>\n<assembly name='a' address='qemu-ga:/run/a/qga.sock'>{fencing}</assembly></assemblies>\n\
         <configuration><resources>{configuration}</resources></configuration></deployable>"
    ))
}

#[test]
fn a_guest_without_our_agent_needs_a_fencing_that_turns_its_power_off() {
    for leased in ["", "<fencing mode='lease'/>"] {
        let found = without_agent(leased, "");
        let [problem] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert!(
            problem.starts_with("2:29: error: assembly 'a' is reached"),
            "{problem}"
        );
        assert!(problem.contains("keeps no lease"), "{problem}");
        assert!(problem.contains("mode=\"unit\""), "{problem}");
    }
    for mode in [
        "<fencing mode='unit' unit='a.service'/>",
        "<fencing mode='agent' agent='fence_virsh'/>",
        "<fencing mode='manager'/>",
    ] {
        assert_eq!(without_agent(mode, ""), [""; 0], "{mode}");
    }
    // As everywhere: its author was warned.
    let found = without_agent("<fencing mode='none'/>", "");
    assert!(
        found.len() == 1 && found[0].contains("warning"),
        "{found:?}"
    );
    let device = "<primitive id='d' class='stonith' type='fence_test'><instance_attributes id='i'>\
        <nvpair id='h' name='pcmk_host_list' value='a'/></instance_attributes></primitive>";
    let found = without_agent("", device);
    assert!(!found.iter().any(|it| it.contains("error")), "{found:?}");
}

#[test]
fn promotion_scores_do_not_come_from_a_guest_without_our_agent() {
    let clone = "<clone id='c'><meta_attributes id='m'><nvpair id='p' name='promotable' value='true'/></meta_attributes>\
        <primitive id='r' class='ocf' provider='heartbeat' type='Stateful'/></clone>";
    let found = without_agent("<fencing mode='manager'/>", clone);
    assert!(
        found
            .iter()
            .any(|it| it.contains("cannot tell promotion scores")),
        "{found:?}"
    );
}
