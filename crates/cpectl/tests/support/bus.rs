//! A private bus for one test: a real `dbus-daemon`, which can be restarted.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cpe_bus::BusSelection;

/// A bus that always has the same address.
pub(crate) struct Bus {
    directory: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Bus {
    /// Starts a bus.
    pub(crate) fn start() -> Bus {
        let mut bus = Bus {
            directory: tempfile::tempdir().expect("a directory"),
            daemon: None,
        };
        bus.restart();
        bus
    }

    /// Ends the bus with all its connections, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let socket = self.directory.path().join("bus");
        let _ = std::fs::remove_file(&socket);
        let daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--address", &self.address()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon (package dbus-daemon or dbus)");
        self.daemon = Some(daemon);
        while UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Its D-Bus address.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}/bus", self.directory.path().display())
    }

    /// How to connect to it.
    pub(crate) fn selection(&self) -> BusSelection {
        BusSelection::Address(self.address())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.stop();
    }
}
