//! A real `dpe`, guests whose agents are fakes, and a private bus.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use controller::{Controller, Durable, Effect, Input, Request, Time};
use cpe_bus::names::{CPE_NAME, dpe_name};
use cpe_bus::peer::{Access, PeerListener, server_builder};
use cpe_bus::proxies::DpeProxy;
use cpe_bus::{
    AgentDescription, Error, Fields, HelloReply, Operation, OperationRecord, OperationState,
    OperationStatus, PeerAddress, Result,
};
use cpe_fence::{Callers, Confinement, Settings};
use tempfile::TempDir;
use zbus::Connection;
use zbus::object_server::SignalEmitter;
use zbus::proxy::CacheProperties;

/// Patience with the machine, not a measure of speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often a fake agent sends a heartbeat.
const BEAT: Duration = Duration::from_millis(100);

/// What a fake agent does, and what it has seen.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    /// It sends no heartbeats.
    pub silent: AtomicBool,
    /// It sends heartbeats as fast as it can.
    pub floods: AtomicBool,
    /// The highest epoch that it claims to have seen.
    pub highest: AtomicU64,
    /// Renewals so far.
    pub renewals: AtomicU64,
    /// Epoch of the last Hello.
    pub epoch: AtomicU64,
    /// Operations that it was given.
    pub executed: AtomicU64,
    /// It tells how operations end: they take so many milliseconds. 0: it does not.
    pub takes_ms: AtomicU64,
}

struct Agent(Arc<Fake>);

#[zbus::interface(name = "org.cloudpolicy.Agent1")]
impl Agent {
    fn hello(
        &self,
        epoch: u64,
        _deployment: String,
        _assembly: String,
        _settings: Fields,
    ) -> Result<Fields> {
        self.0.epoch.store(epoch, Ordering::Relaxed);
        if epoch < self.0.highest.load(Ordering::Relaxed) {
            return Err(Error::StaleEpoch("a newer DPE manages this guest".into()));
        }
        let reply = HelloReply {
            machine_id: "machine".into(),
            boot_id: "boot".into(),
            ..HelloReply::default()
        };
        Ok(reply.to_fields())
    }

    fn describe(&self) -> Fields {
        let description = AgentDescription {
            machine_id: "machine".into(),
            boot_id: "boot".into(),
            epoch: self.0.highest.load(Ordering::Relaxed),
            ..AgentDescription::default()
        };
        description.to_fields()
    }

    fn history(&self, _epoch: u64) -> Vec<Fields> {
        Vec::new()
    }

    fn renew(&self, _epoch: u64, _stamp: u64) {
        self.0.renewals.fetch_add(1, Ordering::Relaxed);
    }

    fn execute(
        &self,
        _epoch: u64,
        operation: Fields,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<()> {
        let call_id = self.0.executed.fetch_add(1, Ordering::Relaxed);
        let takes = Duration::from_millis(self.0.takes_ms.load(Ordering::Relaxed));
        if takes.is_zero() {
            return Ok(());
        }
        let operation = Operation::from_fields(&operation)?;
        let record = pretend(operation, u32::try_from(call_id).unwrap() + 1);
        let emitter = emitter.to_owned();
        tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            let _ = Agent::operation_completed(&emitter, record.to_fields()).await;
        });
        Ok(())
    }

    #[zbus(signal)]
    async fn operation_completed(emitter: &SignalEmitter<'_>, record: Fields) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn heartbeat(
        emitter: &SignalEmitter<'_>,
        stamp: u64,
        pending: u32,
        more: Fields,
    ) -> zbus::Result<()>;
}

/// The result of an operation that nobody has run: nothing runs at first, and what is called
/// `sick` does not start.
fn pretend(operation: Operation, call_id: u32) -> OperationRecord {
    let is_probe = operation.action == "monitor" && operation.interval_ms == 0;
    let is_sick = operation.action == "start" && operation.resource == "sick";
    let (rc, exit_reason) = match (is_probe, is_sick) {
        (true, _) => (7, ""),
        (_, true) => (1, "it is sick"),
        _ => (0, ""),
    };
    OperationRecord {
        operation,
        state: OperationState::Complete,
        status: OperationStatus::Done,
        call_id,
        rc,
        exec_ms: 42,
        exit_reason: exit_reason.into(),
        ..OperationRecord::default()
    }
}

impl Fake {
    /// Plays the agent that listens at a socket.
    async fn play(self: Arc<Fake>, address: PeerAddress) {
        let access = Access::default();
        let listener = PeerListener::bind(&address, &access).await.unwrap();
        loop {
            let stream = listener.accept().await.unwrap();
            let builder = server_builder(stream).unwrap();
            let agent = Agent(Arc::clone(&self));
            let built = builder.serve_at("/org/cloudpolicy/agent1", agent).build();
            if let Ok(connection) = built.await {
                tokio::spawn(Arc::clone(&self).beat(connection));
            }
        }
    }

    async fn beat(self: Arc<Fake>, connection: Connection) {
        let emitter = SignalEmitter::new(&connection, "/org/cloudpolicy/agent1").unwrap();
        for stamp in 1.. {
            if !self.floods.load(Ordering::Relaxed) {
                tokio::time::sleep(BEAT).await;
            }
            let beats = !self.silent.load(Ordering::Relaxed);
            if beats
                && Agent::heartbeat(&emitter, stamp, 0, Fields::new())
                    .await
                    .is_err()
            {
                return;
            }
        }
    }
}

/// A folder with the sockets of two guests, a DPE's state, and the place of a bus.
pub(crate) struct World {
    pub folder: TempDir,
    pub web1: Arc<Fake>,
    pub web2: Arc<Fake>,
    pub dpe: Option<Child>,
    /// Those of hosts that it has left, which run on.
    pub former: Vec<Child>,
    buses: Vec<Child>,
    /// What is on the disk and under `/run` of the host.
    home: PathBuf,
    /// Of the DPE's environment.
    pub variables: Vec<(&'static str, String)>,
    /// `<fencing>` of web1.
    fencing: &'static str,
}

impl Drop for World {
    fn drop(&mut self) {
        let own = self.dpe.take().into_iter();
        let others = self.former.drain(..).chain(self.buses.drain(..));
        for mut child in own.chain(others) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl World {
    /// Two guests, and the saved state of a DPE that has a document about them.
    pub(crate) fn new() -> World {
        World::fenced("")
    }

    /// The same, of which the first is made safe in this way.
    pub(crate) fn fenced(fencing: &'static str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let world = World {
            web1: Arc::default(),
            web2: Arc::default(),
            dpe: None,
            former: Vec::new(),
            buses: Vec::new(),
            home: folder.path().to_owned(),
            variables: Vec::new(),
            fencing,
            folder,
        };
        for (name, fake) in [("web1", &world.web1), ("web2", &world.web2)] {
            let address = PeerAddress::Unix(world.path(name));
            tokio::spawn(Arc::clone(fake).play(address));
        }
        world.save_document();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.join("state")
    }

    /// From now on it is about a DPE on another host, which has nothing. The one on the host before
    /// runs on.
    pub(crate) fn go_to(&mut self, host: &str) {
        self.home = self.path(host);
        std::fs::create_dir(&self.home).unwrap();
        self.former.extend(self.dpe.take());
    }

    pub(crate) fn document(&self) -> String {
        let socket = |name| self.path(name).display().to_string();
        format!(
            r#"<deployable name="shop" heartbeat_interval="100ms" heartbeat_timeout="1s" lease="10s"><assemblies>
                 <assembly name="web1" address="unix:{}">{}</assembly><assembly name="web2" address="unix:{}"/>
               </assemblies></deployable>"#,
            socket("web1"),
            self.fencing,
            socket("web2")
        )
    }

    /// Saves what a DPE saves that was given the document.
    fn save_document(&self) {
        let now = Time {
            boottime_us: 1,
            wall_us: 1,
        };
        let mut controller = Controller::new("shop", Durable::default(), now);
        let load = Request::Load {
            document: self.document(),
            generation: 1,
            in_doubt: Default::default(),
        };
        controller.handle(now, Input::Request(load)).unwrap();
        std::fs::create_dir(self.state()).unwrap();
        let database = rusqlite::Connection::open(self.state().join("state.sqlite")).unwrap();
        let table = "CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID; PRAGMA user_version = 1;";
        database.execute_batch(table).unwrap();
        while let Some(effect) = controller.poll_effect() {
            let Effect::Persist(changes) = effect else {
                continue;
            };
            for change in changes {
                let row = (&change.key, change.value.unwrap());
                let put = "INSERT OR REPLACE INTO facts VALUES (?1, ?2)";
                database.execute(put, row).unwrap();
            }
        }
    }

    /// Puts into the saved document what no version reads.
    pub(crate) fn spoil_document(&self) {
        let database = rusqlite::Connection::open(self.state().join("state.sqlite")).unwrap();
        let spoil = "UPDATE facts SET value = replace(value, '<assemblies>', '<refused/><assemblies>') WHERE key = 'loaded'";
        assert_eq!(database.execute(spoil, ()).unwrap(), 1);
    }

    pub(crate) fn bus_address(&self) -> String {
        format!("unix:path={}", self.home.join("bus").display())
    }

    /// Starts a bus that lets everybody do everything.
    pub(crate) fn start_bus(&mut self) {
        let configuration = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
               <busconfig><type>session</type><listen>{}</listen><auth>EXTERNAL</auth>
                 <policy context="default">
                   <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
                 </policy></busconfig>"#,
            self.bus_address()
        );
        let file = self.home.join("bus.conf");
        std::fs::write(&file, configuration).unwrap();
        let bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", file.display()))
            .arg("--nofork")
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon (package dbus-daemon or dbus)");
        self.buses.push(bus);
        let since = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.home.join("bus")).is_err() {
            assert!(since.elapsed() < PATIENCE, "the bus did not come up");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn start_dpe(&mut self) {
        self.start_dpe_after("");
    }

    /// Starts the DPE after a shell command that its process is to have obeyed.
    ///
    /// Writing beyond a limit on the size of files is to be an error, not the end: so the signal is
    /// ignored.
    pub(crate) fn start_dpe_after(&mut self, command: &str) {
        let script = format!("trap '' XFSZ; {command}\nexec \"$@\"");
        let dpe = Command::new("sh")
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_dpe"), "shop"])
            .args(["--bus", &self.bus_address(), "--state-dir"])
            .arg(self.state())
            .arg("--fence-socket")
            .arg(self.path("fence.sock"))
            .env("RUNTIME_DIRECTORY", &self.home)
            .env_remove("NOTIFY_SOCKET")
            .envs(self.variables.iter().cloned())
            .spawn();
        self.dpe = Some(dpe.unwrap());
    }

    /// Runs a fence agent that is this script as cpe-fence does, in threads of this process. `cd`
    /// goes to the folder.
    pub(crate) fn serve_fence_agent(&self, script: &str) {
        let folder = self.folder.path().to_owned();
        let text = format!("#!/bin/sh\ncd {}\n{script}\n", folder.display());
        std::fs::write(self.path("written"), text).unwrap();
        // By another process: an open file of this one could be inherited just now.
        let mut install = Command::new("install");
        install.args(["-m", "755"]);
        install.args([self.path("written"), self.path("fence_fake")]);
        assert!(install.status().unwrap().success());
        let listener = std::os::unix::net::UnixListener::bind(self.path("fence.sock")).unwrap();
        let settings = Settings {
            callers: Callers::Anyone,
            agents: vec![folder.clone()],
            secrets: folder.clone(),
            copies: folder.clone(),
            home: folder.clone(),
            scratch: vec![folder],
            user: None,
            confinement: Confinement::ProcessGroup,
        };
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let settings = settings.clone();
                std::thread::spawn(move || cpe_fence::serve(&stream, &settings));
            }
        });
    }

    /// Sets how large the DPE's files may get, in bytes: with 0 no write succeeds, as on a disk
    /// that fails.
    pub(crate) fn limit_files(&self, bytes: &str) {
        let dpe = self.dpe.as_ref().unwrap().id();
        let set = Command::new("prlimit")
            .args([
                "--pid",
                &dpe.to_string(),
                &format!("--fsize={bytes}:unlimited"),
            ])
            .status();
        assert!(set.unwrap().success());
    }

    /// Whether the DPE runs.
    pub(crate) fn lives(&mut self) -> bool {
        let dpe = self.dpe.as_mut().unwrap();
        dpe.try_wait().unwrap().is_none()
    }

    /// Ends the DPE as systemd does.
    pub(crate) fn stop_dpe(&mut self) {
        let mut dpe = self.dpe.take().unwrap();
        let pid = rustix::process::Pid::from_child(&dpe);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(dpe.wait().unwrap().success());
    }

    /// The DPE's object on the bus, once it has its name, for a caller that it takes for the CPE.
    pub(crate) async fn proxy(&self) -> DpeProxy<'static> {
        let address = self.bus_address();
        let connection = zbus::connection::Builder::address(address.as_str());
        let connection = connection.build().await.unwrap();
        connection.request_name(CPE_NAME).await.unwrap();
        let name = dpe_name("shop");
        let bus = zbus::fdo::DBusProxy::new(&connection).await.unwrap();
        eventually("the DPE has its name", async || {
            let name = name.as_str().try_into().unwrap();
            bus.name_has_owner(name).await.unwrap()
        })
        .await;
        let proxy = DpeProxy::builder(&connection).destination(name);
        proxy
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .unwrap()
    }

    /// What is in a row of the saved state now. `%` in the key stands for anything.
    pub(crate) fn saved(&self, key: &str) -> Option<String> {
        self.all_saved(key).into_iter().next()
    }

    /// The same, of all rows with such a key.
    pub(crate) fn all_saved(&self, key: &str) -> Vec<String> {
        let copy = tempfile::tempdir().unwrap();
        for file in ["state.sqlite", "state.sqlite-wal"] {
            if self.state().join(file).exists() {
                std::fs::copy(self.state().join(file), copy.path().join(file)).unwrap();
            }
        }
        let database = rusqlite::Connection::open(copy.path().join("state.sqlite")).unwrap();
        let values = "SELECT value FROM facts WHERE key LIKE ?1";
        let mut values = database.prepare(values).unwrap();
        let values = values.query_map((key,), |row| row.get(0)).unwrap();
        values.map(std::result::Result::unwrap).collect()
    }
}

/// Waits for something to become true.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !condition().await {
        assert!(since.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Fake {
    /// Waits until the lease was renewed as often again.
    pub(crate) async fn renewed(&self, times: u64) {
        let wanted = self.renewals.load(Ordering::Relaxed) + times;
        let renewed = async || self.renewals.load(Ordering::Relaxed) >= wanted;
        eventually("the lease is renewed", renewed).await;
    }
}

/// The files in a folder whose name contains a word.
pub(crate) fn files_with(folder: &Path, word: &str) -> usize {
    std::fs::read_dir(folder)
        .unwrap()
        .filter_map(std::result::Result::ok)
        .filter(|file| file.file_name().to_string_lossy().contains(word))
        .count()
}
