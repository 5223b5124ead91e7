//! Class systemd on a real service manager: that of the user bus. `make test` runs these tests
//! under a private one; where a user is logged in, `cargo test -p cpe-agent --test systemd --
//! --ignored` uses theirs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "behaviour/guest.rs"]
#[allow(dead_code)]
mod guest;

use std::path::PathBuf;

use cpe_bus::records::rc;
use cpe_bus::{Operation, OperationRecord, OperationStatus, connect, proxies::SystemdManagerProxy};

use crate::guest::{Dpe, Guest, holds, operation, until};

/// How long systemd may take for an answer.
const REPLY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// How long a completion is waited for between two heartbeats.
const SHORT: std::time::Duration = std::time::Duration::from_millis(5);

/// A unit file for one test, gone at its end.
struct Unit {
    name: String,
    file: PathBuf,
}

impl Unit {
    async fn new(name: &str, service: &str) -> Self {
        let folder =
            PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR").expect("run under a user manager"))
                .join("systemd/user");
        std::fs::create_dir_all(&folder).unwrap();
        let name = format!("{name}-{}", std::process::id());
        let file = folder.join(format!("{name}.service"));
        std::fs::write(&file, format!("[Service]\n{service}\n")).unwrap();
        reload().await;
        Unit { name, file }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

async fn reload() {
    let connection = connect(&"user".parse().unwrap(), REPLY_TIMEOUT)
        .await
        .unwrap();
    SystemdManagerProxy::new(&connection)
        .await
        .unwrap()
        .reload()
        .await
        .unwrap();
}

fn unit_operation(unit: &str, class: &str, action: &str) -> Operation {
    Operation {
        class: class.into(),
        provider: String::new(),
        agent: unit.into(),
        ..operation("web", action)
    }
}

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn it_starts_watches_and_stops_a_unit() {
    let unit = Unit::new("watched", "ExecStart=/bin/sleep 1000").await;
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe(1).await;
    for class in ["systemd", "service"] {
        assert_eq!(
            dpe.run(&unit_operation(&unit.name, class, "monitor"))
                .await
                .rc,
            rc::NOT_RUNNING
        );
        assert_eq!(
            dpe.run(&unit_operation(&unit.name, class, "start"))
                .await
                .rc,
            rc::OK
        );
        assert_eq!(
            dpe.run(&unit_operation(&unit.name, class, "monitor"))
                .await
                .rc,
            rc::OK
        );
        assert_eq!(
            dpe.run(&unit_operation(&unit.name, class, "stop")).await.rc,
            rc::OK
        );
        assert_eq!(
            dpe.run(&unit_operation(&unit.name, class, "stop")).await.rc,
            rc::OK
        );
        assert_eq!(
            dpe.run(&unit_operation(&unit.name, class, "monitor"))
                .await
                .rc,
            rc::NOT_RUNNING
        );
    }
    let xml = dpe.agent.metadata("systemd", "", &unit.name).await.unwrap();
    assert!(xml.contains(&unit.name), "{xml}");
}

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn it_reports_a_unit_that_does_not_come_up() {
    let unit = Unit::new("broken", "Type=notify\nExecStart=/bin/false").await;
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe(1).await;
    let record = dpe
        .run(&unit_operation(&unit.name, "systemd", "start"))
        .await;
    assert_eq!(
        (record.status, record.rc),
        (OperationStatus::Done, rc::GENERIC)
    );
    assert!(
        record.exit_reason.contains("failed"),
        "{}",
        record.exit_reason
    );
    let record = dpe
        .run(&unit_operation(&unit.name, "systemd", "monitor"))
        .await;
    assert_eq!(record.rc, rc::NOT_RUNNING);
    assert!(
        record.exit_reason.contains("has failed"),
        "{}",
        record.exit_reason
    );
}

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn it_notices_that_a_units_process_has_died() {
    let unit = Unit::new("killed", "ExecStart=/bin/sleep 1000").await;
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe(1).await;
    dpe.run(&unit_operation(&unit.name, "systemd", "start"))
        .await;
    let watched = Operation {
        interval_ms: 50,
        ..unit_operation(&unit.name, "systemd", "monitor")
    };
    assert_eq!(dpe.run(&watched).await.rc, rc::OK);
    let connection = connect(&"user".parse().unwrap(), REPLY_TIMEOUT)
        .await
        .unwrap();
    let manager = SystemdManagerProxy::new(&connection).await.unwrap();
    manager
        .kill_unit(&format!("{}.service", unit.name), "all", 9)
        .await
        .unwrap();
    assert_eq!(dpe.completion().await.rc, rc::NOT_RUNNING);
}

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn it_gives_up_a_start_at_its_timeout_and_takes_the_job_back() {
    let unit = Unit::new(
        "slow",
        "Type=notify\nExecStart=/bin/sleep 1000\nTimeoutStartSec=infinity",
    )
    .await;
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe(1).await;
    let start = Operation {
        timeout_ms: 300,
        ..unit_operation(&unit.name, "systemd", "start")
    };
    assert_eq!(dpe.run(&start).await.status, OperationStatus::Timeout);
    assert_eq!(
        dpe.run(&unit_operation(&unit.name, "systemd", "stop"))
            .await
            .rc,
        rc::OK
    );
}

/// More jobs than zbus keeps for somebody who does not read them: 64.
const JOBS: usize = 80;

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn jobs_of_others_hold_nothing_up_while_a_unit_waits_for_its_restart() {
    let flapping = Unit::new(
        "flapping",
        "ExecStart=/bin/false\nRestart=always\nRestartSec=1h",
    )
    .await;
    let quick = Unit::new("quick", "Type=oneshot\nExecStart=/bin/true").await;
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe(1).await;
    let start = Operation {
        timeout_ms: 60_000,
        ..unit_operation(&flapping.name, "systemd", "start")
    };
    dpe.execute(&start).await.unwrap();
    let unit = |name: &str| format!("{name}.service");
    let systemctl = |arguments: &[&str]| {
        let output = std::process::Command::new("systemctl")
            .arg("--user")
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    until("it waits for its restart", || {
        let shown = systemctl(&["show", "--value", "-p", "SubState", &unit(&flapping.name)]);
        (shown.trim() == "auto-restart").then_some(())
    })
    .await;
    for _ in 0..JOBS {
        systemctl(&["start", &unit(&quick.name)]);
    }
    let other = Operation {
        resource: "other".into(),
        timeout_ms: 10_000,
        ..unit_operation(&quick.name, "systemd", "monitor")
    };
    let record = dpe.run(&other).await;
    assert_eq!((record.status, record.rc), (OperationStatus::Done, 7));
    systemctl(&["stop", &unit(&flapping.name)]);
}

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn it_says_that_a_unit_is_not_installed() {
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe(1).await;
    for class in ["systemd", "service"] {
        let record = dpe.run(&unit_operation("absent", class, "start")).await;
        assert_eq!(
            (record.status, record.rc),
            (OperationStatus::NotInstalled, rc::INSTALLED),
            "{class}"
        );
    }
    assert_eq!(
        dpe.run(&unit_operation("absent", "systemd", "monitor"))
            .await
            .rc,
        rc::INSTALLED
    );
    assert_eq!(
        dpe.run(&unit_operation("absent", "systemd", "stop"))
            .await
            .rc,
        rc::OK
    );
}

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn it_stops_units_when_the_lease_ends() {
    let unit = Unit::new("leased", "ExecStart=/bin/sleep 1000").await;
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe_with_lease(1, 400).await;
    dpe.run(&unit_operation(&unit.name, "systemd", "start"))
        .await;
    until("all is stopped", || {
        holds(guest.log().contains("all services are stopped"))
    })
    .await;
    let connection = connect(&"user".parse().unwrap(), REPLY_TIMEOUT)
        .await
        .unwrap();
    let manager = SystemdManagerProxy::new(&connection).await.unwrap();
    let name = format!("{}.service", unit.name);
    assert!(
        manager
            .list_units_by_patterns(&["active"], &[&name])
            .await
            .unwrap()
            .is_empty()
    );
}

/// Has an operation done that takes longer than unread heartbeats have room.
async fn run_slowly(dpe: &mut Dpe, operation: &Operation) -> OperationRecord {
    dpe.execute(operation).await.unwrap();
    loop {
        dpe.heartbeat().await.unwrap();
        let record = dpe.completion_within(SHORT).await;
        if let Some(record) = record.filter(|record| record.operation.id == operation.id) {
            return record;
        }
    }
}

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn a_unit_is_not_down_while_a_process_of_it_is_left() {
    let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR").unwrap());
    let pid_file = folder.join(format!("left-{}.pid", std::process::id()));
    let service = format!(
        "ExecStart=/bin/sh -c 'trap \"\" TERM; echo $$$$ > {}; while :; do sleep 1; done'\n\
         SendSIGKILL=no\nTimeoutStopSec=1",
        pid_file.display()
    );
    let unit = Unit::new("left", &service).await;
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe(1).await;
    for class in ["systemd", "service"] {
        let of = |action: &str| unit_operation(&unit.name, class, action);
        assert_eq!(dpe.run(&of("start")).await.rc, rc::OK);
        let pid = until("its process runs", || {
            let text = std::fs::read_to_string(&pid_file).ok()?;
            rustix::process::Pid::from_raw(text.trim().parse().ok()?)
        })
        .await;
        for action in ["stop", "monitor", "stop"] {
            let record = run_slowly(&mut dpe, &of(action)).await;
            let told = (record.status, record.rc);
            assert_eq!(told, (OperationStatus::Done, rc::GENERIC), "{action}");
            let reason = &record.exit_reason;
            assert!(reason.contains("of it are left"), "{action}: {reason}");
            // A command line may hold a password.
            let program = reason.contains(&format!("{} (sh)", pid.as_raw_nonzero()));
            assert!(program && !reason.contains("trap"), "{action}: {reason}");
        }
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_eq!(dpe.run(&of("stop")).await.rc, rc::OK);
        assert_eq!(dpe.run(&of("monitor")).await.rc, rc::NOT_RUNNING);
        std::fs::remove_file(&pid_file).unwrap();
    }
}

#[tokio::test]
#[ignore = "needs a user's service manager: `make test` runs it under a private one"]
async fn what_an_init_script_has_started_is_stopped_by_it_though_there_is_a_unit_since() {
    let guest = Guest::start_with_bus(Some("user"));
    let mut dpe = guest.dpe(1).await;
    let name = format!("late-{}", std::process::id());
    let scripts = guest.path("init.d");
    std::fs::copy(scripts.join("olddaemon"), scripts.join(&name)).unwrap();
    let of = |action: &str| unit_operation(&name, "service", action);
    assert_eq!(dpe.run(&of("start")).await.rc, rc::OK);
    assert!(guest.path("init.d/runs").exists());
    let unit = Unit::new("late", "ExecStart=/bin/sleep 1000").await;
    assert_eq!(unit.name, name);
    assert_eq!(dpe.run(&of("monitor")).await.rc, rc::OK);
    assert_eq!(dpe.run(&of("stop")).await.rc, rc::OK);
    assert!(!guest.path("init.d/runs").exists());
    assert_eq!(dpe.run(&of("monitor")).await.rc, rc::NOT_RUNNING);
    // What the unit starts is stopped too, whatever the script says.
    assert_eq!(dpe.run(&of("start")).await.rc, rc::OK);
    assert!(!guest.path("init.d/runs").exists());
    assert_eq!(dpe.run(&of("stop")).await.rc, rc::OK);
    assert_eq!(dpe.run(&of("monitor")).await.rc, rc::NOT_RUNNING);
}
