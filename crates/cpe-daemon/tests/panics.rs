//! A panic that nobody confined ends the process, so this test starts itself as one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

const ROLE: &str = "CPE_DAEMON_TEST_PANICS";

#[test]
fn only_a_panic_that_nobody_confined_ends_the_process() {
    match std::env::var(ROLE).as_deref() {
        Ok("confined") => {
            cpe_daemon::abort_on_panic();
            assert!(cpe_daemon::confine(|| -> () { panic!("in confined work") }).is_err());
        }
        Ok("loose") => {
            cpe_daemon::abort_on_panic();
            // The thread's end alone would go unnoticed.
            let _ = std::thread::spawn(|| panic!("in a thread that nobody watches")).join();
        }
        _ => {
            assert!(runs_to_its_end("confined"));
            assert!(!runs_to_its_end("loose"));
        }
    }
}

fn runs_to_its_end(role: &str) -> bool {
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program)
        .env(ROLE, role)
        .args([
            "--exact",
            "only_a_panic_that_nobody_confined_ends_the_process",
        ])
        .output()
        .unwrap()
        .status;
    status.success()
}
