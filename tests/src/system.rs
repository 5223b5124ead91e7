//! The interface to a system with `cpe` in it, for the demonstration and the tests.

use crate::status::{Event, Status};

/// The result of a command.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<std::process::Output> for Output {
    fn from(output: std::process::Output) -> Output {
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Output {
    /// Its standard output, or a panic that shows all of it if it failed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "a command failed: {self:#?}");
        self.stdout
    }
}

/// A system that can be commanded: a [`crate::Lab`], or the [`crate::Processes`] of a user.
pub trait System {
    /// Runs a program in it.
    fn run(&self, argv: &[&str]) -> Output;

    /// The command that controls its service manager.
    fn systemctl(&self) -> &[&str];

    /// `cpectl` with the options to use the `cpe` of this system.
    fn cpectl_program(&self) -> Vec<String>;

    /// The template of the units that are the guests, up to and with its `@`.
    fn guest_unit(&self) -> &str;

    /// Runs a shell script in it.
    fn sh(&self, script: &str) -> Output {
        self.run(&["bash", "-euo", "pipefail", "-c", script])
    }

    /// Runs `cpectl` in it.
    fn cpectl(&self, args: &[&str]) -> Output {
        let program = self.cpectl_program();
        let mut argv: Vec<&str> = program.iter().map(String::as_str).collect();
        argv.extend(args);
        self.run(&argv)
    }

    /// The deployment's status, as `cpectl status NAME --json` prints it; empty if there is none.
    fn status(&self, deployment: &str) -> Status {
        Status::parse(&self.cpectl(&["status", deployment, "--json"]).stdout)
    }

    /// All events of the log, oldest first.
    #[track_caller]
    fn events(&self) -> Vec<Event> {
        Event::parse_all(&self.cpectl(&["events", "--json"]).ok())
    }

    /// Runs `systemctl` in it.
    fn manage(&self, args: &[&str]) -> Output {
        self.run(&[self.systemctl(), args].concat())
    }

    /// The main process of a unit; 0 when it has none.
    fn main_pid(&self, unit: &str) -> u32 {
        self.manage(&["show", "-P", "MainPID", unit])
            .stdout
            .trim()
            .parse()
            .unwrap_or(0)
    }

    /// Cuts the power of a guest: everything in it is gone at once.
    #[track_caller]
    fn cut(&self, guest: &str) {
        let unit = format!("{}{guest}.service", self.guest_unit());
        self.manage(&["kill", "--signal=KILL", &unit]).ok();
    }

    /// Processes in guests whose command line matches a pattern: `(guest, pid)`, the pid as this
    /// system sees it.
    fn processes(&self, pattern: &str) -> Vec<(String, u32)> {
        // The process's control group names the guest: …/systemd-nspawn@web1.service/…
        let script = format!(
            r"for p in $(pgrep -f -- '{pattern}' || :); do echo $p $(sed -n 's/.*{unit}\([a-z0-9-]*\).*/\1/p' /proc/$p/cgroup); done",
            unit = self.guest_unit()
        );
        let mut found: Vec<(String, u32)> = self
            .sh(&script)
            .stdout
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, guest)| !guest.is_empty())
            .filter_map(|(pid, guest)| Some((guest.to_owned(), pid.parse().ok()?)))
            .collect();
        found.sort();
        found
    }
}
