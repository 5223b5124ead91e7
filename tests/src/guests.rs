//! Guests of a lab: booted containers with `cpe-agent`, and what can happen to them.

use crate::lab::Lab;
use crate::system::{Output, System};

impl Lab {
    /// Makes and boots guests; returns when all have booted.
    #[track_caller]
    pub fn with_guests(self, names: &[&str]) -> Lab {
        let adds: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(i, name)| format!("/srv/lab/guests.sh add {name} {}", 11 + i))
            .collect();
        self.sh(&format!(
            "{}; /srv/lab/guests.sh start {}",
            adds.join("; "),
            names.join(" ")
        ))
        .ok();
        self
    }

    /// A fault or command of `tests/lab/guests.sh`: `cut`, `pause`, `resume`, `start`, ….
    #[track_caller]
    pub fn guest(&self, verb: &str, name: &str) {
        self.run(&["/srv/lab/guests.sh", verb, name]).ok();
    }

    /// The processes of a [`crate::Document::sleeper`].
    pub fn sleepers(&self, seconds: u32) -> Vec<(String, u32)> {
        self.processes(&format!("^/usr/bin/sleep {seconds}$"))
    }

    /// Runs a shell script in a guest, as a transient unit of its own manager.
    pub fn in_guest(&self, name: &str, script: &str) -> Output {
        self.run(&["/srv/lab/guests.sh", "run", name, "/bin/bash", "-c", script])
    }
}
