//! A pretended systemd on the test's bus, which runs pretended DPEs, or real ones in this process:
//! just enough of both APIs for the daemon to do its work, with a record of what it asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cpe_bus::fields::Reader;
use cpe_bus::names::{deployment_of_unit, dpe_name, dpe_unit, escape_label};
use cpe_bus::proxies::systemd::UnitRow;
use cpe_bus::{BusSelection, Error, Fields};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedObjectPath};

use super::harness::Bus;

/// The pretended service manager; knows the units of the deployments that it was told of.
pub(crate) struct FakeSystemd {
    world: Arc<World>,
    _connection: Connection,
}

struct World {
    address: String,
    /// Where real DPEs keep their state; without it they are pretended.
    real: Option<PathBuf>,
    units: Mutex<BTreeMap<String, FakeUnit>>,
    calls: Mutex<Vec<String>>,
    /// What is told instead of the process that the pretended DPEs live in.
    other_pid: Mutex<Option<u32>>,
    /// Where the sockets of fence agents are.
    sockets: Mutex<PathBuf>,
    /// Units that are to stop go on, and their jobs do not end.
    stops_hang: AtomicBool,
}

#[derive(Default)]
struct FakeUnit {
    active: String,
    runs: u8,
    /// Automatic ones.
    restarts: u32,
    dpe: Arc<Mutex<FakeDpeState>>,
    connection: Option<Connection>,
    real: Option<tokio::task::AbortHandle>,
}

/// What a pretended DPE keeps over its restarts, as the real one does in its state directory.
#[derive(Default, Clone)]
pub(crate) struct FakeDpeState {
    pub document: String,
    pub generation: u64,
    pub state: String,
    pub loads: Vec<(u64, String)>,
    pub unloads: Vec<bool>,
    /// Who asked for standby.
    pub asked_by: Vec<String>,
    /// What it has done of fencing and cleaning up, each time: `fence web1`, `cleanup web`.
    pub done: Vec<String>,
    /// What the last document was loaded with.
    pub in_doubt: BTreeSet<String>,
    /// What it says of its assemblies: the elements of the list in its status.
    pub assemblies: String,
}

impl FakeSystemd {
    pub(crate) async fn start(bus: &Bus, deployments: &[&str]) -> FakeSystemd {
        FakeSystemd::start_with(bus, deployments, None).await
    }

    /// One that runs real DPEs.
    pub(crate) async fn start_with_real_dpes(bus: &Bus, deployments: &[&str]) -> FakeSystemd {
        let state = bus.directory.path().join("dpe");
        FakeSystemd::start_with(bus, deployments, Some(state)).await
    }

    async fn start_with(bus: &Bus, deployments: &[&str], real: Option<PathBuf>) -> FakeSystemd {
        let connection = bus.connect().await;
        let world = Arc::new(World {
            address: bus.address(),
            real,
            units: Mutex::default(),
            calls: Mutex::default(),
            other_pid: Mutex::default(),
            sockets: Mutex::default(),
            stops_hang: AtomicBool::new(false),
        });
        let server = connection.object_server();
        server
            .at(
                "/org/freedesktop/systemd1",
                FakeManager {
                    world: Arc::clone(&world),
                },
            )
            .await
            .expect("manager");
        for name in deployments {
            let unit = dpe_unit(name);
            let path = path_of(&unit);
            let fresh = FakeUnit {
                active: "inactive".into(),
                ..FakeUnit::default()
            };
            world.units.lock().unwrap().insert(unit.clone(), fresh);
            let object = FakeUnitObject {
                world: Arc::clone(&world),
                unit: unit.clone(),
            };
            server.at(path.clone(), object).await.expect("unit");
            server
                .at(
                    path,
                    FakeServiceObject {
                        world: Arc::clone(&world),
                        unit,
                    },
                )
                .await
                .expect("service");
        }
        connection
            .request_name("org.freedesktop.systemd1")
            .await
            .expect("the name");
        FakeSystemd {
            world,
            _connection: connection,
        }
    }

    /// What the daemon asked for, as `StartUnit dpe@shop.service`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.world.calls.lock().unwrap().clone()
    }

    /// Has the units run under another process than the owner of the DPEs' names.
    pub(crate) fn tell_main_pid(&self, pid: Option<u32>) {
        *self.world.other_pid.lock().unwrap() = pid;
    }

    /// Has a unit of a socket listen below this folder: where, says [`socket_in`].
    pub(crate) async fn listen(&self, unit: &str, folder: &Path) {
        let unit = unit.to_owned();
        let active = FakeUnit {
            active: "active".into(),
            ..FakeUnit::default()
        };
        folder.clone_into(&mut self.world.sockets.lock().unwrap());
        self.world.make_socket(&unit);
        let path = path_of(&unit);
        self.world
            .units
            .lock()
            .unwrap()
            .insert(unit.clone(), active);
        let socket = FakeSocketObject(socket_in(folder, &unit));
        let object = FakeUnitObject {
            world: Arc::clone(&self.world),
            unit,
        };
        let server = self._connection.object_server();
        let added = server.at(path.as_str(), object).await;
        added.expect("a unit");
        server.at(path, socket).await.expect("a socket");
    }

    /// From now on no unit stops.
    pub(crate) fn hang_stops(&self) {
        self.world.stops_hang.store(true, Ordering::Relaxed);
    }

    pub(crate) fn dpe(&self, deployment: &str) -> FakeDpeState {
        let units = self.world.units.lock().unwrap();
        let state = units[&dpe_unit(deployment)].dpe.lock().unwrap();
        state.clone()
    }

    /// The DPE dies, and its state is gone.
    pub(crate) async fn lose_state(&self, deployment: &str) {
        self.world.end(&dpe_unit(deployment), "failed").await;
        {
            let units = self.world.units.lock().unwrap();
            *units[&dpe_unit(deployment)].dpe.lock().unwrap() = FakeDpeState::default();
        }
        self.world
            .announce(&self._connection, &dpe_unit(deployment))
            .await;
    }

    /// What a DPE says of its assemblies from now on.
    pub(crate) fn tell_assemblies(&self, deployment: &str, assemblies: &str) {
        let units = self.world.units.lock().unwrap();
        let mut state = units[&dpe_unit(deployment)].dpe.lock().unwrap();
        state.assemblies = assemblies.into();
    }

    pub(crate) fn active(&self, deployment: &str) -> String {
        self.world.units.lock().unwrap()[&dpe_unit(deployment)]
            .active
            .clone()
    }

    /// Starts a unit behind the daemon's back.
    pub(crate) async fn run(&self, deployment: &str) {
        self.world.start(&dpe_unit(deployment)).await;
    }

    /// Somebody restarts the unit (`systemctl restart`), so fast that nobody sees it end.
    pub(crate) async fn restart(&self, deployment: &str) {
        self.begin_again(deployment, "deactivating", |_| 0).await;
    }

    /// The DPE dies, and systemd has it back so fast that nobody sees it end.
    pub(crate) async fn die(&self, deployment: &str) {
        let count = |restarts| restarts + 1;
        self.begin_again(deployment, "activating", count).await;
    }

    async fn begin_again(
        &self,
        deployment: &str,
        meanwhile: &str,
        restarts: impl FnOnce(u32) -> u32,
    ) {
        let unit = dpe_unit(deployment);
        self.world.end(&unit, meanwhile).await;
        {
            let mut units = self.world.units.lock().unwrap();
            let unit = units.get_mut(&unit).expect("a unit");
            unit.restarts = restarts(unit.restarts);
        }
        self.world.start(&unit).await;
        self.world.announce(&self._connection, &unit).await;
    }

    /// The DPE dies, and systemd has given up restarting it.
    pub(crate) async fn kill(&self, deployment: &str) {
        self.world.end(&dpe_unit(deployment), "failed").await;
        self.world
            .announce(&self._connection, &dpe_unit(deployment))
            .await;
    }
}

impl World {
    /// As systemd does when it begins to listen.
    fn make_socket(&self, unit: &str) {
        let path = socket_in(&self.sockets.lock().unwrap(), unit);
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(path, "").expect("a file");
    }

    async fn start(&self, unit: &str) {
        let name = deployment_of_unit(unit)
            .expect("a unit of a DPE")
            .to_owned();
        let state = {
            let mut units = self.units.lock().unwrap();
            let unit = units.get_mut(unit).expect("a unit that the test announced");
            if unit.active == "active" {
                return;
            }
            unit.active = "active".into();
            unit.runs += 1;
            Arc::clone(&unit.dpe)
        };
        if let Some(folder) = &self.real {
            let address = BusSelection::Address(self.address.clone());
            let folder = folder.join(&name);
            let dpe = tokio::spawn(async move {
                let fence = folder.join("fence.sock");
                let run = dpe::run(&name, address, &folder, None, 5, (&folder, &fence), None);
                if let Err(error) = run.await {
                    eprintln!("the DPE of {name} ended: {error:#}");
                }
            });
            let mut units = self.units.lock().unwrap();
            units.get_mut(unit).expect("a unit").real = Some(dpe.abort_handle());
            return;
        }
        {
            let mut state = state.lock().unwrap();
            if state.state.is_empty() {
                state.state = "empty".into();
            }
        }
        let connection = zbus::connection::Builder::address(self.address.as_str())
            .build()
            .await
            .expect("the bus");
        connection
            .object_server()
            .at("/org/cloudpolicy/dpe1", FakeDpe { state })
            .await
            .expect("the DPE's object");
        connection
            .request_name(dpe_name(&name))
            .await
            .expect("the DPE's name");
        self.units
            .lock()
            .unwrap()
            .get_mut(unit)
            .expect("a unit")
            .connection = Some(connection);
    }

    async fn end(&self, unit: &str, active: &str) {
        let connection = {
            let mut units = self.units.lock().unwrap();
            let unit = units.get_mut(unit).expect("a unit that the test announced");
            unit.active = active.into();
            if let Some(dpe) = unit.real.take() {
                dpe.abort();
            }
            unit.connection.take()
        };
        if let Some(connection) = connection {
            connection.close().await.expect("closing");
        }
    }

    async fn announce(&self, connection: &Connection, unit: &str) {
        let object = connection
            .object_server()
            .interface::<_, FakeUnitObject>(path_of(unit))
            .await
            .expect("the unit");
        object
            .get()
            .await
            .active_state_changed(object.signal_emitter())
            .await
            .expect("a signal");
    }

    fn call(&self, text: String) {
        self.calls.lock().unwrap().push(text);
    }

    async fn job(
        &self,
        connection: &Connection,
        emitter: &SignalEmitter<'_>,
        unit: &str,
    ) -> OwnedObjectPath {
        let calls = self.calls.lock().unwrap().len();
        let (number, job) = (u32::try_from(calls).expect("few calls"), path_of_job(calls));
        // Before the reply, as the real one may.
        FakeManager::job_removed(emitter, number, job.clone(), unit, "done")
            .await
            .expect("a signal");
        self.announce(connection, unit).await;
        job
    }
}

fn path_of(unit: &str) -> String {
    format!("/org/freedesktop/systemd1/unit/{}", escape_label(unit))
}

fn path_of_job(number: usize) -> OwnedObjectPath {
    OwnedObjectPath::try_from(format!("/org/freedesktop/systemd1/job/{number}")).expect("a path")
}

struct FakeManager {
    world: Arc<World>,
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl FakeManager {
    async fn subscribe(&self) {
        self.world.call("Subscribe".into());
    }

    async fn start_unit(
        &self,
        name: String,
        _mode: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> OwnedObjectPath {
        self.world.call(format!("StartUnit {name}"));
        self.world.start(&name).await;
        self.world.job(connection, &emitter, &name).await
    }

    async fn restart_unit(
        &self,
        name: String,
        _mode: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> OwnedObjectPath {
        self.world.call(format!("RestartUnit {name}"));
        if name.ends_with(".socket") {
            self.world.make_socket(&name);
        } else {
            self.world.end(&name, "deactivating").await;
            self.world.start(&name).await;
        }
        self.world.job(connection, &emitter, &name).await
    }

    async fn stop_unit(
        &self,
        name: String,
        _mode: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> OwnedObjectPath {
        self.world.call(format!("StopUnit {name}"));
        if self.world.stops_hang.load(Ordering::Relaxed) {
            let number = self.world.calls.lock().unwrap().len();
            return path_of_job(number);
        }
        self.world.end(&name, "inactive").await;
        self.world.job(connection, &emitter, &name).await
    }

    #[zbus(name = "GetUnitByPID")]
    async fn get_unit_by_pid(&self, _pid: u32) -> OwnedObjectPath {
        OwnedObjectPath::try_from(path_of("session-3.scope")).expect("a path")
    }

    async fn reset_failed_unit(&self, name: String) {
        self.world.call(format!("ResetFailedUnit {name}"));
    }

    async fn clean_unit(&self, name: String, what: Vec<String>) {
        self.world
            .call(format!("CleanUnit {name} {}", what.join(" ")));
        let units = self.world.units.lock().unwrap();
        *units[&name].dpe.lock().unwrap() = FakeDpeState::default();
    }

    async fn list_units_by_patterns(
        &self,
        states: Vec<String>,
        _patterns: Vec<String>,
    ) -> Vec<UnitRow> {
        let units = self.world.units.lock().unwrap();
        let rows = units
            .iter()
            .filter(|(name, unit)| name.starts_with("dpe@") && states.contains(&unit.active));
        rows.map(|(name, unit)| {
            let path = OwnedObjectPath::try_from(path_of(name)).expect("a path");
            let none = OwnedObjectPath::try_from("/").expect("a path");
            let text = String::new;
            (
                name.clone(),
                text(),
                "loaded".into(),
                unit.active.clone(),
                text(),
                text(),
                path,
                0,
                text(),
                none,
            )
        })
        .collect()
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
}

struct FakeUnitObject {
    world: Arc<World>,
    unit: String,
}

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl FakeUnitObject {
    #[zbus(property)]
    async fn active_state(&self) -> String {
        self.world.units.lock().unwrap()[&self.unit].active.clone()
    }

    #[zbus(property)]
    async fn load_state(&self) -> String {
        "loaded".into()
    }

    #[zbus(property, name = "InvocationID")]
    async fn invocation_id(&self) -> Vec<u8> {
        // No two runs have the same, wherever they are.
        let mut hasher = std::hash::DefaultHasher::new();
        self.world.address.hash(&mut hasher);
        let mut id = hasher.finish().to_be_bytes().to_vec();
        id.resize(16, self.world.units.lock().unwrap()[&self.unit].runs);
        id
    }
}

/// Where it listens.
/// Where the socket of a unit is, below a folder: `shop/sock` of `cpe-fence@shop.socket`.
pub(crate) fn socket_in(folder: &Path, unit: &str) -> PathBuf {
    let name = unit.strip_suffix(".socket").expect("a socket");
    let name = name.strip_prefix("cpe-fence@").unwrap_or(name);
    folder.join(name).join("sock")
}

struct FakeSocketObject(PathBuf);

#[zbus::interface(name = "org.freedesktop.systemd1.Socket")]
impl FakeSocketObject {
    #[zbus(property)]
    async fn listen(&self) -> Vec<(String, String)> {
        vec![("Stream".into(), self.0.display().to_string())]
    }
}

struct FakeServiceObject {
    world: Arc<World>,
    unit: String,
}

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl FakeServiceObject {
    #[zbus(property, name = "MainPID")]
    async fn main_pid(&self) -> u32 {
        match self.world.units.lock().unwrap()[&self.unit].active.as_str() {
            // The pretended DPEs live in this process.
            "active" => {
                let other = *self.world.other_pid.lock().unwrap();
                other.unwrap_or_else(std::process::id)
            }
            _ => 0,
        }
    }

    /// As the drop-in for a host of a cluster has it.
    #[zbus(property)]
    async fn environment(&self) -> Vec<String> {
        let bus = self.world.address.strip_prefix("unix:path=");
        let folder = bus.and_then(|bus| Path::new(bus).parent());
        let folder = folder.expect("a bus in a folder").join("cluster");
        vec![format!("CPE_CLUSTER={}", folder.display())]
    }

    #[zbus(property, name = "NRestarts")]
    async fn restarts(&self) -> u32 {
        self.world.units.lock().unwrap()[&self.unit].restarts
    }

    #[zbus(property)]
    async fn result(&self) -> String {
        "signal".into()
    }

    #[zbus(property)]
    async fn exec_main_code(&self) -> i32 {
        2
    }

    #[zbus(property)]
    async fn exec_main_status(&self) -> i32 {
        9
    }
}

/// A pretended DPE: takes what it is given and calls it active.
struct FakeDpe {
    state: Arc<Mutex<FakeDpeState>>,
}

#[zbus::interface(name = "org.cloudpolicy.Dpe1")]
impl FakeDpe {
    async fn load(
        &self,
        document: String,
        generation: u64,
        mut options: Fields,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Error> {
        {
            let mut state = self.state.lock().unwrap();
            let names = options.remove("in-doubt").map(Vec::<String>::try_from);
            state.in_doubt = names.unwrap().unwrap().into_iter().collect();
            if generation < state.generation {
                return Err(Error::GenerationConflict(format!(
                    "generation {} is loaded",
                    state.generation
                )));
            }
            state.loads.push((generation, document.clone()));
            (state.document, state.generation, state.state) =
                (document, generation, "active".into());
        }
        Ok(FakeDpe::status_changed(&emitter, "active", "").await?)
    }

    async fn unload(
        &self,
        stop_services: bool,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Error> {
        {
            let mut state = self.state.lock().unwrap();
            state.unloads.push(stop_services);
            state.state = "unloaded".into();
        }
        Ok(FakeDpe::status_changed(&emitter, "unloaded", "").await?)
    }

    async fn get_document(&self) -> (String, u64) {
        let state = self.state.lock().unwrap();
        (state.document.clone(), state.generation)
    }

    async fn get_status(&self) -> String {
        let assemblies = &self.state.lock().unwrap().assemblies;
        format!(
            r#"{{"name": "shop", "uuid": "9e0bd9e0-6b1c-4a2e-8f7d-0b6c7b1f3a55", "state": "active", "assemblies": [{assemblies}]}}"#
        )
    }

    /// It believes whoever says so.
    async fn confirm_fenced(&self, assembly: String, attempt: String, _options: Fields) {
        let done = format!("confirm {assembly} {attempt}");
        self.state.lock().unwrap().done.push(done);
    }

    /// Its guests do not answer.
    async fn plan(&self, _document: String) -> String {
        std::future::pending().await
    }

    async fn cleanup_operation(
        &self,
        _service: String,
        _assembly: String,
        operation: String,
        options: Fields,
    ) -> Result<(), Error> {
        let reader = Reader::new("options", &options);
        let interval_ms = reader.optional_u64("interval_ms")?;
        let by = reader.text("by", 1024)?;
        self.state.lock().unwrap().asked_by.push(by);
        match (operation.as_str(), interval_ms) {
            ("monitor", Some(10_000)) => Ok(()),
            found => Err(Error::InvalidArgument(format!("{found:?}"))),
        }
    }

    async fn refresh(
        &self,
        _service: String,
        _assembly: String,
        options: Fields,
    ) -> Result<(), Error> {
        let by = Reader::new("options", &options).text("by", 1024)?;
        self.state.lock().unwrap().asked_by.push(by);
        Err(Error::NotReady("transition 3 is under way".into()))
    }

    /// It does it, and of `mute` it never says so. `slow` takes a while. The disk does not take
    /// `kept`.
    async fn fence(
        &self,
        assembly: String,
        _action: String,
        _options: Fields,
    ) -> Result<(), Error> {
        let done = format!("fence {assembly}");
        self.state.lock().unwrap().done.push(done);
        match assembly.as_str() {
            "mute" => std::future::pending().await,
            "slow" => {
                tokio::time::sleep(std::time::Duration::from_secs(4)).await;
                Ok(())
            }
            "kept" => Err(Error::OutcomeUnknown("it is kept in memory".into())),
            _ => Ok(()),
        }
    }

    /// It does it, and the first time of `mute` and `torn` it never says so. The first time the
    /// disk does not take `kept`. A second time there is no `torn`.
    async fn cleanup(
        &self,
        service: String,
        _assembly: String,
        _options: Fields,
    ) -> Result<(), Error> {
        let done = format!("cleanup {service}");
        let is_first = {
            let mut state = self.state.lock().unwrap();
            state.done.push(done.clone());
            state.done.iter().filter(|it| **it == done).count() == 1
        };
        match service.as_str() {
            "mute" | "torn" if is_first => std::future::pending().await,
            "torn" => Err(Error::NotFound("there is no service `torn`".into())),
            "kept" if is_first => Err(Error::OutcomeUnknown("it is kept in memory".into())),
            _ => Ok(()),
        }
    }

    /// A resource agent that never ends.
    async fn debug(
        &self,
        verb: String,
        service: String,
        _assembly: String,
        _options: Fields,
    ) -> String {
        self.state
            .lock()
            .unwrap()
            .done
            .push(format!("{verb} {service}"));
        r#"{"id": "7-1", "state": "running"}"#.into()
    }

    async fn get_debug(&self, id: String) -> String {
        format!(r#"{{"id": "{id}", "state": "running"}}"#)
    }

    async fn set_standby_of_all(&self, _on: bool, options: Fields) -> Result<(), Error> {
        let by = Reader::new("options", &options).text("by", 1024)?;
        self.state.lock().unwrap().asked_by.push(by);
        Ok(())
    }

    async fn set_standby(&self, assembly: String, _on: bool, options: Fields) -> Result<(), Error> {
        let by = Reader::new("options", &options).text("by", 1024)?;
        self.state.lock().unwrap().asked_by.push(by);
        match assembly.as_str() {
            "web1" => Ok(()),
            // A guest that says nothing, say.
            "never" => std::future::pending().await,
            other => Err(Error::NotFound(format!("there is no assembly `{other}`"))),
        }
    }

    #[zbus(property)]
    async fn state(&self) -> String {
        self.state.lock().unwrap().state.clone()
    }

    #[zbus(property)]
    async fn generation(&self) -> u64 {
        self.state.lock().unwrap().generation
    }

    #[zbus(signal)]
    async fn status_changed(
        emitter: &SignalEmitter<'_>,
        state: &str,
        summary: &str,
    ) -> zbus::Result<()>;
}
