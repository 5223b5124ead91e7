//! The lease holds whatever fails in the guest: a service whose lease is over is down, or the guest
//! is reset, although the agent cannot start as it should, hangs, or is gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cpe_bus::HelloSettings;
use rustix::process::Signal;

use crate::guest::{Dpe, Guest, holds, operation, until, with, write_program};

/// Short, so that tests are.
const LEASE: HelloSettings = HelloSettings {
    heartbeat_interval_ms: 50,
    lease_ms: 600,
    grace_ms: 600,
    stop_timeout_ms: 10_000,
    answers: false,
    number: 0,
    process: 0,
};

/// A guest whose service `db` runs under a lease that nobody renews, and whose agent is dead.
async fn orphaned() -> Guest {
    let mut guest = Guest::start();
    let mut dpe = guest.connect().await;
    dpe.hello(1, LEASE).await.unwrap();
    dpe.run(&operation("db", "start")).await;
    guest.kill_agent();
    guest
}

async fn is_stopped_in_order(guest: &Guest) {
    until("the service is stopped", || {
        holds(guest.service_pid("db").is_none())
    })
    .await;
    assert_eq!(guest.count("stop db"), 1, "it is stopped, not killed");
    // As long as a reset would have taken.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!guest.path("rebooted").exists());
}

async fn is_reset(guest: &Guest) {
    until("the guest is reset", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
}

#[tokio::test]
async fn an_agent_whose_socket_cannot_be_opened_stops_its_services() {
    let mut guest = orphaned().await;
    guest.start_agent_without("--listen", |agent| {
        agent.arg("--listen").arg("unix:/nonexistent/agent.sock");
    });
    is_stopped_in_order(&guest).await;
}

#[tokio::test]
async fn an_agent_with_wrong_settings_stops_its_services() {
    let mut guest = orphaned().await;
    guest.start_agent_without("--listen", |agent| {
        agent.env("CPE_AGENT_LISTEN", "tcp:1.2.3:5");
        agent.env("CPE_AGENT_SOCKET_MODE", "rw-rw-rw-");
        agent.env("CPE_AGENT_SOCKET_GROUP", "dpe");
        agent.env("CPE_AGENT_ALLOW_UID", "root");
    });
    is_stopped_in_order(&guest).await;
    for variable in ["LISTEN", "SOCKET_MODE", "SOCKET_GROUP", "ALLOW_UID"] {
        let said = format!("CPE_AGENT_{variable} is left out");
        assert!(guest.log().contains(&said), "{said}");
    }
}

#[tokio::test]
async fn an_agent_that_does_not_know_who_may_connect_keeps_strangers_out() {
    let mut guest = orphaned().await;
    let socket = guest.path("agent.sock");
    fs::remove_file(&socket).unwrap();
    guest.start_agent_without("--allow-uid", |agent| {
        agent.env("CPE_AGENT_SOCKET_MODE", "0666");
        agent.env("CPE_AGENT_ALLOW_UID", "root");
    });
    until("it listens", || holds(mode(&socket) == Some(0o660))).await;
    let said = "CPE_AGENT_SOCKET_MODE is 0660 instead of 0666";
    assert!(guest.log().contains(said), "{}", guest.log());
}

fn mode(path: &Path) -> Option<u32> {
    let found = fs::metadata(path).ok()?;
    Some(found.permissions().mode() & 0o777)
}

#[tokio::test]
async fn an_agent_without_a_boot_id_stops_its_services() {
    let mut guest = orphaned().await;
    fs::remove_file(guest.path("boot_id")).unwrap();
    guest.start_agent();
    is_stopped_in_order(&guest).await;
}

#[tokio::test]
async fn an_agent_that_can_make_no_file_stops_its_services() {
    let mut guest = orphaned().await;
    guest.fill_state(true);
    guest.start_agent();
    is_stopped_in_order(&guest).await;
}

#[tokio::test]
async fn an_agent_that_cannot_read_its_lease_stops_its_services() {
    let mut guest = orphaned().await;
    fs::remove_file(guest.path("state/lease.json")).unwrap();
    fs::create_dir(guest.path("state/lease.json")).unwrap();
    guest.start_agent();
    is_stopped_in_order(&guest).await;
}

#[tokio::test]
async fn an_agent_that_cannot_read_a_record_resets_the_guest_when_the_lease_ends() {
    let mut guest = Guest::start();
    let mut dpe = guest.connect().await;
    dpe.hello(1, LEASE).await.unwrap();
    let unknown = dpe.run(&operation("web", "start")).await;
    dpe.run(&operation("db", "start")).await;
    guest.kill_agent();
    let file = format!("state/operation-{}.json", unknown.call_id);
    fs::write(guest.path(&file), "{").unwrap();
    guest.start_agent();
    // Killed again, it knows that there was something that it does not know.
    until("the file is put aside", || {
        holds(!guest.path(&file).exists())
    })
    .await;
    guest.kill_agent();
    guest.start_agent();
    is_reset(&guest).await;
    assert_eq!(guest.count("stop db"), 1);
    until("what was not known is killed", || {
        holds(guest.service_pid("web").is_none())
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_neither_ends_the_lease_nor_keeps_services_from_being_stopped() {
    let guest = Guest::start();
    let mut dpe = guest.connect().await;
    dpe.hello(1, LEASE).await.unwrap();
    dpe.run(&operation("db", "start")).await;
    guest.fill_state(true);
    for _ in 0..20 {
        let stamp = dpe.heartbeat().await.unwrap();
        dpe.agent.renew(1, stamp).await.unwrap();
    }
    assert_eq!(guest.count("stop db"), 0, "the lease was renewed");
    is_stopped_in_order(&guest).await;
}

#[tokio::test]
async fn what_does_not_stop_within_the_grace_is_killed_whatever_its_stop_timeout() {
    let guest = Guest::start();
    let mut dpe = guest.connect().await;
    dpe.hello(1, LEASE).await.unwrap();
    dpe.run(&with(operation("db", "start"), "stubborn", "1000"))
        .await;
    let begin = Instant::now();
    is_reset(&guest).await;
    until("it is killed", || holds(guest.service_pid("db").is_none())).await;
    // Lease, grace and the two seconds that the DPE adds.
    assert!(begin.elapsed() < Duration::from_millis(600 + 600 + 2000));
}

#[tokio::test]
async fn the_guard_resets_the_guest_when_the_agent_hangs() {
    let mut guest = Guest::start();
    guest.start_guard();
    let _dpe = leased(&guest).await;
    guest.signal(Signal::STOP);
    is_reset(&guest).await;
    guest.signal(Signal::CONT);
}

#[tokio::test]
async fn the_guard_resets_the_guest_when_there_is_no_agent_and_its_state_is_gone() {
    let mut guest = Guest::start();
    guest.start_guard();
    let _dpe = leased(&guest).await;
    // As long as the guard takes to see the lease.
    tokio::time::sleep(Duration::from_millis(400)).await;
    guest.kill_agent();
    fs::remove_dir_all(guest.path("state")).unwrap();
    is_reset(&guest).await;
}

#[tokio::test]
async fn the_guard_leaves_a_guest_alone_whose_agent_does_its_work() {
    let mut guest = Guest::start();
    guest.start_guard();
    let _dpe = leased(&guest).await;
    is_stopped_in_order(&guest).await;
}

async fn leased(guest: &Guest) -> Dpe {
    let mut dpe = guest.connect().await;
    dpe.hello(1, LEASE).await.unwrap();
    dpe.run(&operation("db", "start")).await;
    dpe
}

/// The script that keeps the lease while the guard cannot run, as its unit runs it, but without the
/// kernel: a reset is a file. Its systemctl is a fake that says this of the guard.
fn start_script(guest: &Guest, guard: &str) -> Script {
    fs::create_dir(guest.path("bin")).unwrap();
    let fake = format!("#!/bin/sh\necho {guard}\n");
    write_program(&guest.path("bin/systemctl"), &fake);
    let path = std::env::var("PATH").unwrap();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../systemd/usr/lib/cpe-agent/lapse.sh"
    );
    let rebooted = guest.path("rebooted");
    let child = Command::new("sh")
        .arg(script)
        .args([guest.path("state"), guest.path("boot_id")])
        .env("PATH", format!("{}:{path}", guest.path("bin").display()))
        .env(
            "CPE_AGENT_REBOOT_COMMAND",
            format!("touch {}", rebooted.display()),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Script(child.unwrap())
}

/// Killed when dropped: it would reset for ever.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_script_resets_a_guest_in_which_neither_agent_nor_guard_can_be_executed() {
    let begin = Instant::now();
    let guest = orphaned().await;
    let script = start_script(&guest, "activating");
    is_reset(&guest).await;
    let took = begin.elapsed();
    // Not before lease and grace are over, nor after what the DPE adds.
    assert!(took >= Duration::from_millis(600 + 600), "{took:?}");
    drop(script);
}

#[tokio::test]
async fn what_the_script_has_seen_counts_when_the_state_is_gone() {
    let mut guest = Guest::start();
    let _dpe = leased(&guest).await;
    let script = start_script(&guest, "failed");
    tokio::time::sleep(Duration::from_millis(300)).await;
    guest.kill_agent();
    fs::remove_dir_all(guest.path("state")).unwrap();
    is_reset(&guest).await;
    drop(script);
}

#[tokio::test]
async fn the_script_leaves_a_guest_alone_that_is_of_another_boot_or_whose_agent_does_its_work() {
    let guest = Guest::start();
    let mut dpe = guest.connect().await;
    let patient = HelloSettings {
        grace_ms: 3_000,
        ..LEASE
    };
    dpe.hello(1, patient).await.unwrap();
    dpe.run(&operation("db", "start")).await;
    let script = start_script(&guest, "activating");
    is_stopped_in_order(&guest).await;
    // Until lease and grace would be over, and the script had acted.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!guest.path("rebooted").exists());
    drop(script);
    let guest = orphaned().await;
    guest.new_boot();
    let script = start_script(&guest, "activating");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(!guest.path("rebooted").exists());
    drop(script);
}

#[tokio::test]
async fn the_script_ends_when_the_guard_runs_again_or_was_stopped_on_purpose() {
    for said in ["active", "inactive"] {
        let guest = Guest::start();
        let mut script = start_script(&guest, said);
        until("it ends", || holds(script.0.try_wait().unwrap().is_some())).await;
        assert!(script.0.wait().unwrap().success(), "{said}");
    }
}
