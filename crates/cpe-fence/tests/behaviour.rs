//! Real runs of fence agents that are played here by scripts, over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cpe_fence::{Callers, Confinement, Parameter, Reply, Request, Settings, Value, serve};
use tempfile::TempDir;

/// A place with a fence agent that does what a script says with `$input` and `$action`.
fn place(script: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    std::fs::create_dir(path("secrets")).unwrap();
    std::fs::create_dir(path("copies")).unwrap();
    let text = format!(
        "#!/bin/sh\ncd {}\ninput=$(cat)\naction=${{input##*action=}}\n{script}\n",
        place.path().display()
    );
    std::fs::write(path("written"), text).unwrap();
    // By another process: one that another test begins just now would inherit the open file, and
    // a program that is open for writing cannot be run.
    let mut install = std::process::Command::new("install");
    install
        .args(["-m", "755"])
        .args([path("written"), path("fence_fake")]);
    assert!(install.status().unwrap().success());
    place
}

fn settings(place: &Path) -> Settings {
    Settings {
        callers: Callers::Anyone,
        agents: vec![place.to_owned()],
        secrets: place.join("secrets"),
        copies: place.join("copies"),
        home: place.join("home"),
        scratch: vec![place.to_owned()],
        user: None,
        confinement: Confinement::ProcessGroup,
    }
}

fn request(action: &str, parameters: &[(&str, Value)]) -> Request {
    let parameters = parameters.iter().map(|(name, value)| Parameter {
        name: (*name).to_owned(),
        value: value.clone(),
    });
    Request {
        deployment: "shop".into(),
        assembly: "web1".into(),
        agent: "fence_fake".into(),
        action: action.into(),
        parameters: parameters.collect(),
        timeout_ms: 20_000,
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn begin(place: &Path) -> (UnixStream, JoinHandle<anyhow::Result<()>>) {
    let (ours, its) = UnixStream::pair().unwrap();
    let settings = settings(place);
    (ours, std::thread::spawn(move || serve(&its, &settings)))
}

fn ask(place: &Path, request: &Request) -> Reply {
    let (mut stream, served) = begin(place);
    let mut line = serde_json::to_vec(request).unwrap();
    line.push(b'\n');
    stream.write_all(&line).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    served.join().unwrap().unwrap();
    serde_json::from_str(&reply).unwrap()
}

fn said(reply: Reply) -> String {
    match reply {
        Reply::Ended { said, .. } => said,
        other => panic!("{other:?}"),
    }
}

fn refused(reply: Reply) -> String {
    match reply {
        Reply::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_gets_its_parameters_and_last_its_action() {
    let place = place("echo \"$input\"; echo trouble >&2; exit 2");
    let request = request("status", &[("ip", text("10.0.0.1")), ("plug", text("a b"))]);
    let Reply::Ended {
        code,
        said,
        complained,
    } = ask(place.path(), &request)
    else {
        panic!("it was not run")
    };
    assert_eq!(code, Some(2));
    assert_eq!(said, "ip=10.0.0.1\nplug=a b\naction=status\n");
    assert_eq!(complained, "trouble\n");
}

#[test]
fn a_secret_is_read_from_its_file_and_is_not_in_what_the_agent_says() {
    let place = place("echo \"$input\"; cat \"$(echo \"$input\" | sed -n s/^key=//p)\" >&2");
    let secrets = place.path().join("secrets");
    std::fs::create_dir(secrets.join("shop")).unwrap();
    for (name, content) in [("pass", "tops3cret\n"), ("shop/key", "two\nlines\n")] {
        std::fs::write(secrets.join(name), content).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(secrets.join(name), mode).unwrap();
    }
    let parameters = [
        ("password", Value::File("/etc/cpe/secrets/pass".into())),
        ("token", Value::Secret("plain-one".into())),
        ("key", Value::Copy("/etc/cpe/secrets/shop/key".into())),
    ];
    let Reply::Ended {
        said, complained, ..
    } = ask(place.path(), &request("off", &parameters))
    else {
        panic!("it was not run")
    };
    assert!(said.starts_with("password=***\ntoken=***\nkey=/"), "{said}");
    assert_eq!(complained, "two\nlines\n", "the copy can be read");
}

#[test]
fn a_file_that_is_not_this_deployments_is_refused() {
    let place = place("touch ran");
    for path in [
        "/etc/cpe/secrets/other/key",
        "/etc/shadow",
        "/etc/cpe/secrets/missing",
    ] {
        let request = request("off", &[("password", Value::File(path.into()))]);
        let why = refused(ask(place.path(), &request));
        assert!(why.contains(path), "{why}");
    }
    assert!(!place.path().join("ran").exists());
}

#[test]
fn what_does_not_belong_to_fencing_is_refused() {
    let place = place("touch ran");
    for (request, why) in [
        (request("diag", &[]), "not asked for"),
        (
            request("off", &[("action", text("on"))]),
            "what the fence agent is to do",
        ),
        (
            request("off", &[("--Option", text("on"))]),
            "what the fence agent is to do",
        ),
        (request("off", &[("a\naction=on\nb", text("x"))]), "no name"),
        (
            request("off", &[("plug", text("x\naction=on"))]),
            "control character",
        ),
        (
            Request {
                agent: "../bin/sh".into(),
                ..request("off", &[])
            },
            "called fence_",
        ),
        (
            Request {
                agent: "fence_/x".into(),
                ..request("off", &[])
            },
            "called fence_",
        ),
        (
            Request {
                agent: "fence_none".into(),
                ..request("off", &[])
            },
            "not installed",
        ),
    ] {
        let said = refused(ask(place.path(), &request));
        assert!(said.contains(why), "{said}");
    }
    assert!(!place.path().join("ran").exists());
}

#[test]
fn an_agent_that_ignores_sigterm_ends_with_its_time() {
    let place = place("trap '' TERM INT HUP; (sleep 3; touch later) & while :; do sleep 1; done");
    let begun = Instant::now();
    let request = Request {
        timeout_ms: 300,
        ..request("off", &[])
    };
    assert_eq!(ask(place.path(), &request), Reply::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(3));
    std::thread::sleep(Duration::from_secs(4));
    assert!(!place.path().join("later").exists());
}

#[test]
fn an_agent_ends_with_its_dpe() {
    let place = place("touch begun; sleep 2; touch later");
    let (mut stream, served) = begin(place.path());
    let mut line = serde_json::to_vec(&request("off", &[])).unwrap();
    line.push(b'\n');
    stream.write_all(&line).unwrap();
    while !place.path().join("begun").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(stream);
    served.join().unwrap().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(!place.path().join("later").exists());
}

#[test]
fn nothing_of_an_agent_outlives_its_reply() {
    let place = place("(sleep 2; touch later) > /dev/null 2>&1 & exit 0");
    said(ask(place.path(), &request("off", &[])));
    std::thread::sleep(Duration::from_secs(3));
    assert!(!place.path().join("later").exists());
}

#[test]
fn an_agent_sees_nothing_of_the_programs_environment() {
    let place = place("env");
    let environment = said(ask(place.path(), &request("metadata", &[])));
    assert!(environment.contains("PATH=") && environment.contains("HOME="));
    assert!(!environment.contains("CARGO"), "{environment}");
}

#[test]
fn what_an_agent_says_is_bounded() {
    let place = place("head -c 3000000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero >&2");
    let Reply::Ended {
        said, complained, ..
    } = ask(place.path(), &request("list", &[]))
    else {
        panic!("it was not run")
    };
    assert_eq!((said.len(), complained.len()), (1 << 20, 64 << 10));
}

#[test]
fn a_caller_that_says_nothing_sensible_is_sent_away() {
    let place = place("touch ran");
    for line in [
        b"{}\n".to_vec(),
        b"off\n".to_vec(),
        vec![b'x'; 300 << 10],
        b"{\"cut\":".to_vec(),
    ] {
        let (mut stream, served) = begin(place.path());
        let _ = stream.write_all(&line);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        assert!(served.join().unwrap().is_err());
    }
    let (stream, served) = begin(place.path());
    drop(stream);
    assert!(
        served.join().unwrap().is_ok(),
        "whoever says nothing wants nothing"
    );
    assert!(!place.path().join("ran").exists());
}
