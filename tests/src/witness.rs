//! A service that leaves evidence, for the torture test: a resource agent and, as `witness --serve
//! NAME`, the process that it starts.
//!
//! The process holds a lock that all guests share, one for each service, and writes marks into a
//! file of its own: when it started, in which boot of which guest, and that it still runs. All
//! times are CLOCK_MONOTONIC in microseconds. The guests share one kernel, so the times can be
//! compared and the lock is one lock. A second process of the service cannot get the lock: it
//! writes that down and ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, setsid};
use rustix::time::{ClockId, clock_gettime};

/// Shared by all guests and read by the checker.
const FOLDER: &str = "/srv/shared/witness";
/// How often a witness marks that it runs.
const BEAT: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(20);

const OCF_SUCCESS: u8 = 0;
const OCF_ERR_GENERIC: u8 = 1;
const OCF_ERR_UNIMPLEMENTED: u8 = 3;
const OCF_NOT_RUNNING: u8 = 7;

const METADATA: &str = r#"<?xml version="1.0"?>
<resource-agent name="witness" version="1.0">
  <version>1.1</version>
  <longdesc lang="en">Writes down when it runs.</longdesc>
  <shortdesc lang="en">Writes down when it runs</shortdesc>
  <parameters>
    <parameter name="round"><longdesc lang="en">Any number; another one restarts the service.</longdesc>
      <shortdesc lang="en">any number</shortdesc><content type="integer"/></parameter>
  </parameters>
  <actions>
    <action name="start" timeout="20s"/>
    <action name="stop" timeout="20s"/>
    <action name="monitor" timeout="20s" interval="1s"/>
    <action name="meta-data" timeout="5s"/>
    <action name="validate-all" timeout="5s"/>
  </actions>
</resource-agent>"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let service = std::env::var("OCF_RESOURCE_INSTANCE").unwrap_or_default();
    let code = match arguments[..] {
        ["--serve", name] => serve(name),
        ["start"] => start(&service),
        ["stop"] => stop(&service),
        ["monitor"] if process_of(&service).is_some() => OCF_SUCCESS,
        ["monitor"] => OCF_NOT_RUNNING,
        ["meta-data"] => {
            println!("{METADATA}");
            OCF_SUCCESS
        }
        ["validate-all"] => OCF_SUCCESS,
        _ => OCF_ERR_UNIMPLEMENTED,
    };
    ExitCode::from(code)
}

fn now_us() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

fn line_of(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

/// The process of a service in this guest. Found by its command line, so that nothing has to be
/// kept on a disk that may be full.
fn process_of(service: &str) -> Option<Pid> {
    let tail = format!("\0--serve\0{service}\0");
    let processes = std::fs::read_dir("/proc").ok()?;
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .find(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.ends_with(tail.as_bytes())
        })
        .and_then(Pid::from_raw)
}

/// The file of the marks of one process.
fn marks_of(service: &str, pid: Pid) -> PathBuf {
    let boot = line_of("/proc/sys/kernel/random/boot_id");
    Path::new(FOLDER).join(format!("{service}.{boot}.{}.marks", pid.as_raw_nonzero()))
}

fn append(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o644).open(path)
}

fn start(service: &str) -> u8 {
    if process_of(service).is_some() {
        return OCF_SUCCESS;
    }
    let Ok(program) = std::env::current_exe() else {
        return OCF_ERR_GENERIC;
    };
    let spawned = Command::new(program)
        .args(["--serve", service])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            eprintln!("ocf-exit-reason:the witness cannot be started: {error}");
            return OCF_ERR_GENERIC;
        }
    };
    loop {
        let pid = Pid::from_child(&child);
        if std::fs::read_to_string(marks_of(service, pid)).is_ok_and(|text| text.contains("beat")) {
            return OCF_SUCCESS;
        }
        if let Ok(Some(status)) = child.try_wait() {
            eprintln!("ocf-exit-reason:the witness ended at once: {status}");
            return OCF_ERR_GENERIC;
        }
        std::thread::sleep(POLL);
    }
}

fn stop(service: &str) -> u8 {
    let Some(pid) = process_of(service) else {
        return OCF_SUCCESS;
    };
    if kill_process(pid, Signal::TERM).is_err() && process_of(service).is_some() {
        return OCF_ERR_GENERIC;
    }
    while process_of(service) == Some(pid) {
        std::thread::sleep(POLL);
    }
    if let Ok(mut marks) = append(&marks_of(service, pid)) {
        let _ = writeln!(marks, "stop {}", now_us());
    }
    OCF_SUCCESS
}

fn serve(service: &str) -> u8 {
    let _ = setsid();
    let began = now_us();
    let pid = rustix::process::getpid();
    let who = format!(
        "{began} {} {} {}",
        line_of("/proc/sys/kernel/hostname"),
        line_of("/proc/sys/kernel/random/boot_id"),
        pid.as_raw_nonzero()
    );
    let lock = match append(&Path::new(FOLDER).join(format!("{service}.lock"))) {
        Ok(lock) => lock,
        Err(_) => return OCF_ERR_GENERIC,
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            if let Ok(mut overlaps) = append(&Path::new(FOLDER).join("overlaps")) {
                let _ = writeln!(overlaps, "{service} {who}");
            }
            return OCF_ERR_GENERIC;
        }
        Err(TryLockError::Error(_)) => return OCF_ERR_GENERIC,
    }
    let Ok(mut marks) = append(&marks_of(service, pid)) else {
        return OCF_ERR_GENERIC;
    };
    // A service that cannot leave evidence must not count as running.
    let mut said = writeln!(marks, "start {who}");
    while said.is_ok() {
        said = writeln!(marks, "beat {}", now_us());
        std::thread::sleep(BEAT);
    }
    OCF_ERR_GENERIC
}
