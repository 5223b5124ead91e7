//! Node attributes: what resource agents set with the tools, what the DPE gets of it, and how long
//! it lasts.

use std::process::{Command, Output};

use cpe_bus::records::agent::ATTRIBUTES;
use cpe_bus::{HelloSettings, Operation, OperationStatus};
use rustix::process::Signal;

use crate::guest::{Dpe, Guest, operation, with};

/// A resource agent that is told what to call.
const TELLING: &str = r#"#!/bin/sh
case "$1" in
meta-data) echo '<resource-agent name="Telling"/>'; exit 0 ;;
esac
eval "$OCF_RESKEY_call" > "$HA_RSCTMP/said" 2> "$HA_RSCTMP/complained"
"#;

fn guest() -> Guest {
    let guest = Guest::start();
    guest.add_resource_agent("Telling", TELLING);
    guest
}

/// An operation of an agent that calls this.
fn calling(what: &str) -> Operation {
    Operation {
        agent: "Telling".into(),
        ..with(operation("db", "monitor"), "call", what)
    }
}

/// Has a resource agent call this; its exit code and what it has printed.
async fn call(guest: &Guest, dpe: &mut Dpe, what: &str) -> (i32, String) {
    let record = dpe.run(&calling(what)).await;
    assert_eq!(record.status, OperationStatus::Done, "{record:?}");
    let read = |name: &str| std::fs::read_to_string(guest.path(name)).unwrap();
    (record.rc, read("tmp/said") + &read("tmp/complained"))
}

/// What the DPE is told when it asks.
async fn told(dpe: &Dpe) -> Vec<(String, String)> {
    let (version, records) = dpe.agent.attributes(dpe.epoch).await.unwrap();
    let all = cpe_bus::NodeAttributes::from_fields(version, &records).unwrap();
    let values = all.values.into_iter();
    values.map(|(name, known)| (name, known.value)).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn resource_agents_find_the_tools_by_path_and_by_ha_sbin_dir() {
    let guest = guest();
    let mut dpe = guest.dpe(1).await;
    let calls = [
        "crm_master -l reboot -v 5",
        "${HA_SBIN_DIR}/crm_attribute --promotion=cache -v -INFINITY",
        "${HA_SBIN_DIR}/crm_attribute -N $(uname -n) -l reboot --name lag -v 17",
        "attrd_updater -n pingd -B 1000 -d 5s",
    ];
    for what in calls {
        assert_eq!(
            call(&guest, &mut dpe, what).await,
            (0, String::new()),
            "{what}"
        );
    }
    let expected = [
        pair("lag", "17"),
        pair("master-cache", "-INFINITY"),
        pair("master-db", "5"),
        pair("pingd", "1000"),
    ];
    assert_eq!(told(&dpe).await, expected);
    for (what, answer) in [
        ("crm_attribute -l reboot -n lag -q", "17\n"),
        (
            "crm_attribute -p -G",
            "scope=status  name=master-db value=5\n",
        ),
        (
            "attrd_updater -n pingd -Q",
            "name=\"pingd\" host=\"web1\" value=\"1000\"\n",
        ),
        ("crm_node -n", "web1\n"),
        ("crm_attribute -l reboot -n none -G -q -d 3", "3\n"),
    ] {
        let expected = (0, answer.to_owned());
        assert_eq!(call(&guest, &mut dpe, what).await, expected, "{what}");
    }
    assert_eq!(call(&guest, &mut dpe, "crm_master -D").await.0, 0);
    assert_eq!(told(&dpe).await.len(), 3);
}

#[tokio::test]
async fn what_makes_no_sense_here_is_refused_with_a_reason() {
    let guest = guest();
    let mut dpe = guest.dpe(1).await;
    for (what, code, reason) in [
        (
            "crm_attribute -N web2 -l reboot -n x -v 1",
            102,
            "DPE of this deployment is of an earlier version",
        ),
        (
            "crm_attribute -t op_defaults -n x -v 1",
            65,
            "deployment document",
        ),
        ("crm_attribute -l reboot -n standby -v on", 65, "cpectl"),
        (
            "crm_attribute -l reboot -n none -G",
            105,
            "none has no value",
        ),
        ("attrd_updater -n x -U 1 -d soon", 64, "soon"),
        (
            "CPE_AGENT_STATE_DIR=/nowhere crm_master -v 1",
            102,
            "cpe-agent.service",
        ),
    ] {
        let (rc, said) = call(&guest, &mut dpe, what).await;
        assert_eq!(rc, code, "{what}: {said}");
        assert!(said.contains(reason), "{what}: {said}");
    }
    assert!(told(&dpe).await.is_empty());
}

#[tokio::test]
async fn a_dpe_hears_of_a_change_before_the_end_of_the_operation_that_made_it() {
    let guest = guest();
    let mut dpe = guest.connect().await;
    let hello = dpe.hello(1, HelloSettings::default()).await.unwrap();
    assert!(hello.capabilities.contains(&ATTRIBUTES.to_owned()));
    let three = "for n in 1 2 3; do crm_master -v $n; done; crm_attribute -l reboot -n lag -v 0";
    assert_eq!(call(&guest, &mut dpe, three).await.0, 0);
    // All signals before that of the completion have come in.
    let heard = dpe.attributes_heard().await;
    let last = heard.last().expect("the change was told");
    assert_eq!(last.values["master-db"].value, "3");
    assert_eq!(last.values["lag"].value, "0");
    assert_eq!(last.version, 4);
    // The same value again is not reported.
    assert_eq!(call(&guest, &mut dpe, "crm_master -v 3").await.0, 0);
    assert!(dpe.attributes_heard().await.is_empty());
}

#[tokio::test]
async fn attributes_outlive_the_agent_and_not_the_guest() {
    let mut guest = guest();
    let mut dpe = guest.dpe(1).await;
    call(&guest, &mut dpe, "crm_master -v 5").await;
    guest.kill_agent();
    guest.start_agent();
    let mut dpe = guest.dpe(2).await;
    assert_eq!(told(&dpe).await, [pair("master-db", "5")]);
    // Nobody connected: it is kept until somebody asks.
    drop(dpe.agent);
    assert!(
        by_hand(&guest, &["-l", "reboot", "-n", "lag", "-v", "9"])
            .status
            .success()
    );
    dpe = guest.dpe(3).await;
    assert_eq!(told(&dpe).await, [pair("lag", "9"), pair("master-db", "5")]);
    guest.kill_agent();
    guest.new_boot();
    guest.start_agent();
    dpe = guest.dpe(4).await;
    assert!(told(&dpe).await.is_empty());
}

#[tokio::test]
async fn another_deployment_does_not_inherit_them() {
    let guest = guest();
    let mut dpe = guest.dpe(1).await;
    call(&guest, &mut dpe, "crm_master -v 5").await;
    dpe.agent.release(1, true).await.unwrap();
    dpe = guest.dpe(1).await;
    assert_eq!(
        told(&dpe).await,
        [pair("master-db", "5")],
        "services run on"
    );
    dpe.agent.release(1, true).await.unwrap();
    dpe = guest.connect().await;
    dpe.hello_as("other", 1, HelloSettings::default())
        .await
        .unwrap();
    assert!(told(&dpe).await.is_empty());
    call(&guest, &mut dpe, "crm_master -v 6").await;
    dpe.agent.release(1, false).await.unwrap();
    dpe = guest.connect().await;
    dpe.hello_as("other", 1, HelloSettings::default())
        .await
        .unwrap();
    assert!(told(&dpe).await.is_empty(), "its services were stopped");
}

#[tokio::test]
async fn nonsense_on_the_socket_is_answered_and_harms_nothing() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    let guest = guest();
    let mut dpe = guest.dpe(1).await;
    for nonsense in ["", "{", "{\"want\":\"Gold\"}", "\u{0}"] {
        let mut stream = UnixStream::connect(guest.path("state/attributes.sock")).unwrap();
        stream.write_all(nonsense.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("Refused"), "{nonsense:?}: {answer}");
    }
    assert_eq!(call(&guest, &mut dpe, "crm_master -v 5").await.0, 0);
    assert_eq!(told(&dpe).await, [pair("master-db", "5")]);
}

#[tokio::test]
async fn the_agent_goes_on_with_a_damaged_file_and_keeps_its_services() {
    let mut guest = guest();
    let mut dpe = guest.dpe_with_lease(1, 60_000).await;
    dpe.run(&operation("web", "start")).await;
    call(&guest, &mut dpe, "crm_master -v 5").await;
    guest.kill_agent();
    std::fs::write(guest.path("state/attributes.json"), "{").unwrap();
    guest.start_agent();
    dpe = guest.dpe(2).await;
    assert!(told(&dpe).await.is_empty());
    assert!(guest.service_pid("web").is_some());
    assert_eq!(guest.count("stop web"), 0);
    guest.signal(Signal::TERM);
}

/// `crm_attribute`, called by an administrator.
fn by_hand(guest: &Guest, arguments: &[&str]) -> Output {
    Command::new(guest.path("state/bin/crm_attribute"))
        .args(arguments)
        .env("CPE_AGENT_STATE_DIR", guest.path("state"))
        .output()
        .unwrap()
}
