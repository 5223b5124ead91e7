//! Guests of a lab: booted containers with `cpe-agent`, and what can happen to them.

use crate::lab::{Lab, Output};

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

    /// Processes in guests whose command line matches a pattern: `(guest, pid)`, the pid as the lab's host sees it.
    pub fn processes(&self, pattern: &str) -> Vec<(String, u32)> {
        // The guest is told by the process's cgroup: …/systemd-nspawn@web1.service/…
        let script = format!(
            r"for p in $(pgrep -f -- '{pattern}' || :); do echo $p $(sed -n 's/.*systemd-nspawn@\([a-z0-9-]*\).*/\1/p' /proc/$p/cgroup); done"
        );
        let mut found: Vec<(String, u32)> = self
            .sh(&script)
            .stdout
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(pid, guest)| Some((guest.to_owned(), pid.parse().ok()?)))
            .collect();
        found.sort();
        found
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
