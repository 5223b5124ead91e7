//! A private bus, a `cpe` on it, and short words for what the tests ask.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cpe_bus::names::{CPE_NAME, deployment_path};
use cpe_bus::proxies::{CpeDeploymentProxy, CpeEventsProxy, CpeManagerProxy};
use cpe_bus::{Event, Fields};
use tempfile::TempDir;
use zbus::Connection;
use zbus::proxy::CacheProperties;

/// Users that every system has, with groups of the same number and name.
pub(crate) const DAEMON: u32 = 1;
pub(crate) const BIN: u32 = 2;
pub(crate) const SYS: u32 = 3;
/// Another group.
pub(crate) const MAIL: u32 = 8;

/// Patience with the machine, not a measure of speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A `dbus-daemon` of our own, on an address that survives its restarts.
pub(crate) struct Bus {
    pub directory: TempDir,
    daemon: Option<Child>,
}

impl Bus {
    pub(crate) fn start() -> Bus {
        Bus::start_with("")
    }

    /// With further elements in the bus's configuration.
    pub(crate) fn start_with(more: &str) -> Bus {
        let directory = tempfile::Builder::new()
            .prefix("cpe-bus")
            .tempdir()
            .expect("a temporary directory");
        make_public(directory.path());
        let configuration = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
               <busconfig>
                 <type>session</type>
                 <listen>unix:path={}/bus</listen>
                 <auth>EXTERNAL</auth><auth>ANONYMOUS</auth><allow_anonymous/>
                 <policy context="default">
                   <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
                 </policy>
                 {more}
               </busconfig>"#,
            directory.path().display()
        );
        std::fs::write(directory.path().join("bus.conf"), configuration)
            .expect("the bus configuration");
        let mut bus = Bus {
            directory,
            daemon: None,
        };
        bus.start_daemon();
        bus
    }

    pub(crate) fn start_daemon(&mut self) {
        let _ = std::fs::remove_file(self.directory.path().join("bus"));
        let daemon = Command::new("dbus-daemon")
            .arg(format!(
                "--config-file={}/bus.conf",
                self.directory.path().display()
            ))
            .arg("--nofork")
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon (package dbus-daemon or dbus)");
        self.daemon = Some(daemon);
        let socket = self.directory.path().join("bus");
        let since = Instant::now();
        // The file is there before anybody listens behind it.
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(since.elapsed() < PATIENCE, "the bus did not come up");
            std::thread::sleep(Duration::from_millis(5));
        }
        make_public(&socket);
    }

    pub(crate) fn kill_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:path={}/bus", self.directory.path().display())
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) async fn connect(&self) -> Connection {
        let builder = zbus::connection::Builder::address(self.address().as_str());
        builder
            .build()
            .await
            .expect("a connection to the private bus")
    }

    /// A connection of another user, with that group and no others; only root can have it.
    pub(crate) async fn connect_as(&self, uid: u32, gid: u32) -> Connection {
        let path = self.directory.path().join("bus");
        // The bus asks the kernel who connects, and that is the thread.
        let connected = std::thread::spawn(move || {
            let (user, group) = (
                rustix::process::Uid::from_raw(uid),
                rustix::process::Gid::from_raw(gid),
            );
            rustix::thread::set_thread_groups(&[group]).expect("root");
            rustix::thread::set_thread_res_gid(group, group, group).expect("root");
            rustix::thread::set_thread_res_uid(user, user, user).expect("root");
            std::os::unix::net::UnixStream::connect(path).expect("the bus")
        });
        let stream = connected.join().expect("a connection");
        let builder = zbus::connection::Builder::unix_stream(stream);
        let connection = builder.user_id(uid).build().await;
        connection.expect("a connection of another user")
    }

    /// Writes `access.toml`.
    pub(crate) fn write_access(&self, text: &str) {
        let path = self.directory.path().join("access.toml");
        std::fs::write(path, text).expect("access.toml");
    }

    /// Starts a daemon whose `access.toml` says this.
    pub(crate) async fn cpe_with_access(&self, text: &str) -> Cpe {
        self.write_access(text);
        let path = self.directory.path().join("access.toml");
        self.cpe_with(&format!("[access]\nfile = {path:?}\n")).await
    }

    /// Changes the database of a daemon that does not run.
    pub(crate) fn tamper(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.state().join("cpe.db")).expect("a database");
        assert!(database.execute(sql, []).expect("a change") > 0, "{sql}");
    }

    /// Starts a daemon and waits for its name.
    pub(crate) async fn cpe(&self) -> Cpe {
        self.cpe_with("").await
    }

    pub(crate) async fn cpe_with(&self, configuration: &str) -> Cpe {
        self.served(self.spawn_cpe(configuration)).await
    }

    /// Starts a daemon that cannot write to any file.
    pub(crate) async fn cpe_on_a_full_disk(&self) -> Cpe {
        let process = self.spawn("ulimit -S -f 0", "");
        self.served(process).await
    }

    async fn served(&self, process: Child) -> Cpe {
        let connection = self.connect().await;
        await_name(&connection, CPE_NAME).await;
        Cpe {
            process,
            connection,
        }
    }

    pub(crate) fn spawn_cpe(&self, configuration: &str) -> Child {
        self.spawn("true", configuration)
    }

    /// Starts a daemon from a shell that has run `before`. A write beyond the limit of file sizes
    /// fails, as on a full disk, instead of ending the process.
    fn spawn(&self, before: &str, configuration: &str) -> Child {
        let file = self.directory.path().join("cpe.toml");
        std::fs::write(&file, configuration).expect("the configuration");
        Command::new("sh")
            .arg("-c")
            .arg(format!("trap '' XFSZ; {before}; exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_cpe"))
            .args(["--bus", &self.address(), "--state-dir"])
            .arg(self.state())
            .arg("--config")
            .arg(file)
            .env_remove("JOURNAL_STREAM")
            .env("RUNTIME_DIRECTORY", self.directory.path().join("cluster"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon")
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.kill_daemon();
    }
}

/// A running daemon and a connection to its bus; killed when dropped.
pub(crate) struct Cpe {
    process: Child,
    pub connection: Connection,
}

impl Cpe {
    pub(crate) async fn manager(&self) -> CpeManagerProxy<'static> {
        CpeManagerProxy::builder(&self.connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .expect("a proxy")
    }

    pub(crate) async fn events(&self) -> CpeEventsProxy<'static> {
        CpeEventsProxy::new(&self.connection)
            .await
            .expect("a proxy")
    }

    pub(crate) async fn deployment(&self, name: &str) -> CpeDeploymentProxy<'static> {
        deployment(&self.connection, name).await
    }

    pub(crate) async fn create(&self, name: &str) -> cpe_bus::Result<(String, u64)> {
        self.manager()
            .await
            .create_deployment(&document(name, ""), Fields::new())
            .await
    }

    /// All events, oldest first.
    pub(crate) async fn all_events(&self) -> Vec<Event> {
        let (events, _) = self
            .events()
            .await
            .query(0, 0, Fields::new())
            .await
            .expect("events");
        events
            .iter()
            .map(|fields| Event::from_fields(fields).expect("an event"))
            .collect()
    }

    /// Waits for an event of that kind and deployment.
    pub(crate) async fn await_event(&self, kind: &str, deployment: &str) -> Event {
        let what = format!("{kind} of {deployment}");
        let found = until(&what, async || {
            let events = self.all_events().await;
            events
                .into_iter()
                .find(|event| event.kind == kind && event.deployment == deployment)
        });
        found.await
    }

    /// Asks it to read its files again.
    pub(crate) fn hang_up(&self) {
        let process = i32::try_from(self.process.id()).expect("a process");
        let process = rustix::process::Pid::from_raw(process).expect("a process");
        rustix::process::kill_process(process, rustix::process::Signal::HUP).expect("a signal");
    }

    /// From now on no write to a file succeeds.
    pub(crate) fn fill_disk(&self) {
        self.limit_files("0");
    }

    pub(crate) fn empty_disk(&self) {
        self.limit_files("unlimited");
    }

    fn limit_files(&self, limit: &str) {
        let set = Command::new("prlimit")
            .arg(format!("--pid={}", self.process.id()))
            .arg(format!("--fsize={limit}:"))
            .status()
            .expect("prlimit (package util-linux)");
        assert!(set.success());
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Cpe {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking()
            && let Some(mut stderr) = self.process.stderr.take()
        {
            let mut text = String::new();
            let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
            eprintln!("--- cpe said:\n{text}");
        }
    }
}

/// A deployment, as whoever has this connection reaches it.
pub(crate) async fn deployment(connection: &Connection, name: &str) -> CpeDeploymentProxy<'static> {
    CpeDeploymentProxy::builder(connection)
        .destination(CPE_NAME)
        .path(deployment_path(name))
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .expect("a proxy")
}

/// A small valid document.
pub(crate) fn document(name: &str, comment: &str) -> String {
    format!(
        r#"<deployable name="{name}"><!--{comment}-->
  <assemblies><assembly name="web1" address="unix:/run/cpe/guests/{name}/agent.sock"/></assemblies>
  <services><service name="web" class="ocf" provider="heartbeat" type="Dummy"/></services>
</deployable>"#
    )
}

pub(crate) async fn has_owner(connection: &Connection, name: &str) -> bool {
    let bus = zbus::fdo::DBusProxy::new(connection)
        .await
        .expect("the bus");
    let name = zbus::names::BusName::try_from(name).expect("a bus name");
    bus.name_has_owner(name).await.unwrap_or(false)
}

pub(crate) async fn await_name(connection: &Connection, name: &str) {
    until(&format!("{name} on the bus"), async || {
        has_owner(connection, name).await.then_some(())
    })
    .await;
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn make_public(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("permissions");
}
