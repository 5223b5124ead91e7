//! A guest for one test: folders, resource agents, the agent process; and a DPE's side of the
//! connection.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cpe_bus::proxies::AgentProxy;
use cpe_bus::proxies::agent::{
    AttributesChangedStream, HeartbeatStream, LeavingStream, LeftStream, OperationCompletedStream,
};
use cpe_bus::{
    AgentDescription, Error, Fields, HelloReply, HelloSettings, Leaving, NodeAttributes, Operation,
    OperationRecord, OperationState, PeerAddress, Result,
};
use futures_util::{FutureExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use zbus::proxy::CacheProperties;

/// How long anything may take before a test gives up. Generous: it only matters when something is
/// wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A resource agent of a service that is one process in a session of its own, as daemons are.
const SERVICE: &str = r#"#!/bin/sh
pidfile="$HA_RSCTMP/$OCF_RESOURCE_INSTANCE.pid"
runs() { [ -f "$pidfile" ] && grep -q '^State:.[^ZX]' "/proc/$(cat "$pidfile")/status" 2>/dev/null; }
env > "$HA_RSCTMP/$OCF_RESOURCE_INSTANCE.$1.env"
echo "$1 $OCF_RESOURCE_INSTANCE" >> "$HA_RSCTMP/actions"
case "$1" in
start)
    if [ -n "$OCF_RESKEY_hang" ]; then set -m; (sleep 1000; :) & sleep 1000; fi
    if [ -n "$OCF_RESKEY_fail" ]; then echo "ocf-exit-reason:$OCF_RESKEY_fail" >&2; exit 6; fi
    if [ -n "$OCF_RESKEY_meet" ]; then
        while [ ! -f "$HA_RSCTMP/$OCF_RESKEY_meet.start.env" ]; do sleep 0.01; done
    fi
    [ -z "$OCF_RESKEY_delay" ] || sleep "$OCF_RESKEY_delay"
    runs && exit 0
    setsid sleep 1000 </dev/null >/dev/null 2>&1 &
    echo $! > "$pidfile" ;;
stop)
    [ -z "$OCF_RESKEY_slow_stop" ] || sleep "$OCF_RESKEY_slow_stop"
    [ -z "$OCF_RESKEY_unmounted" ] || exit 5
    [ -z "$OCF_RESKEY_stubborn" ] || { sleep "$OCF_RESKEY_stubborn"; exit 1; }
    runs && kill -9 "$(cat "$pidfile")"
    while runs; do sleep 0.01; done
    rm -f "$pidfile" ;;
monitor)
    runs || exit 7 ;;
flood)
    i=0; while [ $i -lt 5000 ]; do echo "line $i"; i=$((i+1)); done ;;
reload-agent)
    runs || exit 7
    echo "$OCF_RESKEY_limit" > "$HA_RSCTMP/$OCF_RESOURCE_INSTANCE.limit" ;;
meta-data)
    echo '<?xml version="1.0"?><resource-agent name="Service"><version>1.1</version><!-- more --></resource-agent>' ;;
*)
    exit 3 ;;
esac
"#;

/// What another resource agent says of itself: it can take over one of its parameters while its
/// service runs.
const RELOADABLE: &str = r#"<parameters><parameter name="port"/><parameter name="limit" reloadable="1"/></parameters>
    <actions><action name="reload-agent" timeout="10s"/></actions>"#;

/// An init script whose codes are those of the LSB.
const INIT_SCRIPT: &str = r#"#!/bin/sh
### BEGIN INIT INFO
# Short-Description: A daemon <of old>
### END INIT INFO
flag="$(dirname "$0")/runs"
case "$1" in
start) touch "$flag" ;;
stop) rm -f "$flag" ;;
status) [ -f "$flag" ] && exit 0; exit 3 ;;
*) exit 3 ;;
esac
"#;

pub(crate) struct Guest {
    folder: tempfile::TempDir,
    bus: String,
    agent: Option<Child>,
    guard: Option<Child>,
}

impl Guest {
    /// A guest whose agent runs.
    pub(crate) fn start() -> Self {
        Self::start_with_bus(None)
    }

    /// One whose systemd is on this bus.
    pub(crate) fn start_with_bus(bus: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bus = bus.map_or_else(
            || format!("unix:path={}", folder.path().join("no-bus").display()),
            str::to_owned,
        );
        let mut guest = Guest {
            folder,
            bus,
            agent: None,
            guard: None,
        };
        for name in ["ocf/resource.d/test", "init.d", "tmp"] {
            fs::create_dir_all(guest.path(name)).unwrap();
        }
        write_program(&guest.path("ocf/resource.d/test/Service"), SERVICE);
        write_program(
            &guest.path("ocf/resource.d/test/Reloadable"),
            &SERVICE.replace("<!-- more -->", RELOADABLE),
        );
        write_program(&guest.path("init.d/olddaemon"), INIT_SCRIPT);
        guest.new_boot();
        guest.start_agent();
        guest
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One more resource agent of provider `test`.
    pub(crate) fn add_resource_agent(&self, name: &str, text: &str) {
        write_program(&self.path("ocf/resource.d/test").join(name), text);
    }

    /// Has the program of the resource agent away, or back.
    pub(crate) fn take_agent_away(&self, away: bool) {
        let folder = self.path("ocf/resource.d/test");
        let (from, to) = match away {
            true => ("Service", "Service.away"),
            false => ("Service.away", "Service"),
        };
        fs::rename(folder.join(from), folder.join(to)).unwrap();
    }

    /// As if the guest had been rebooted since the agent ended.
    pub(crate) fn new_boot(&self) {
        fs::write(self.path("boot_id"), uuid::Uuid::new_v4().to_string()).unwrap();
    }

    /// The guest's power is cut, and it boots again, with its agent.
    pub(crate) fn power_cut(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        self.kill_processes();
        // What lies under /run is gone with a boot.
        fs::remove_dir_all(self.path("state")).unwrap();
        for entry in fs::read_dir(self.path("tmp")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "pid") {
                fs::remove_file(path).unwrap();
            }
        }
        self.new_boot();
        self.start_agent();
    }

    /// As on a disk that is full, or has room again. While it is full, a file of the state that is
    /// there can be overwritten, and none can be made. (A folder lies where the agent would write
    /// the new one.)
    pub(crate) fn fill_state(&self, full: bool) {
        let names = (0..200).map(|number| format!("operation-{number}.json"));
        let others = ["identity.json", "attributes.json"].map(str::to_owned);
        for name in names.chain(others) {
            let blocker = self.path(&format!("state/{name}~"));
            match full {
                true => fs::create_dir(blocker).unwrap(),
                false => fs::remove_dir(blocker).unwrap(),
            }
        }
    }

    pub(crate) fn start_agent(&mut self) {
        self.agent = Some(self.command().spawn().unwrap());
    }

    /// The same without one of its options, and with what `change` adds.
    pub(crate) fn start_agent_without(&mut self, option: &str, change: impl FnOnce(&mut Command)) {
        let usual = self.command();
        let mut agent = Command::new(usual.get_program());
        let mut words = usual.get_args();
        while let Some(word) = words.next() {
            if word == option {
                words.next();
            } else {
                agent.arg(word);
            }
        }
        agent.stdin(Stdio::null()).stdout(Stdio::null());
        agent.stderr(self.log_file());
        change(&mut agent);
        self.agent = Some(agent.spawn().unwrap());
    }

    /// Starts the guard beside the agent.
    pub(crate) fn start_guard(&mut self) {
        self.start_guard_with(|_| {});
    }

    /// The same, with what `change` adds.
    pub(crate) fn start_guard_with(&mut self, change: impl FnOnce(&mut Command)) {
        let mut guard = self.command();
        guard.arg("guard");
        change(&mut guard);
        self.guard = Some(guard.spawn().unwrap());
    }

    fn log_file(&self) -> fs::File {
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).append(true).open(self.path("log"));
        file.unwrap()
    }

    /// The agent's usual command line. It has a reboot command and may not call the kernel, which
    /// would take this machine down.
    fn command(&self) -> Command {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_cpe-agent"));
        agent
            .arg("--listen")
            .arg(format!("unix:{}", self.path("agent.sock").display()))
            .arg("--state-dir")
            .arg(self.path("state"))
            .arg("--resource-agents")
            .arg(self.path("ocf"))
            .arg("--resource-tmp")
            .arg(self.path("tmp"))
            .arg("--init-scripts")
            .arg(self.path("init.d"))
            .arg("--boot-id-file")
            .arg(self.path("boot_id"))
            .arg("--machine-id-file")
            .arg(self.path("no-machine-id"))
            .arg("--persistent-dir")
            .arg(self.path("var"))
            .arg("--systemd-bus")
            .arg(&self.bus)
            // Never the real one: it would take the machine down.
            .arg("--reboot-command")
            .arg(format!("touch {}", self.path("rebooted").display()))
            .env("SECRET_OF_THE_AGENT", "1")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("INVOCATION_ID")
            .env_remove("JOURNAL_STREAM")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.log_file());
        agent
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.agent.as_ref().unwrap().id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    pub(crate) fn agent_pid(&self) -> u32 {
        self.agent.as_ref().unwrap().id()
    }

    /// kill -9.
    pub(crate) fn kill_agent(&mut self) {
        self.signal(Signal::KILL);
        self.agent.take().unwrap().wait().unwrap();
    }

    /// Waits for the agent's end by itself.
    pub(crate) async fn agent_ended(&mut self) -> std::process::ExitStatus {
        let mut agent = self.agent.take().unwrap();
        until("the agent ends", || agent.try_wait().unwrap()).await
    }

    /// A connection; waits until the agent listens.
    pub(crate) async fn connect(&self) -> Dpe {
        let address = PeerAddress::Unix(self.path("agent.sock"));
        let begin = Instant::now();
        let connection = loop {
            match cpe_bus::peer::connect(&address, &cpe_bus::peer::Meter::default()).await {
                Ok(connection) => break connection,
                Err(error) if begin.elapsed() > PATIENCE => panic!("{error}\n{}", self.log()),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let agent = AgentProxy::builder(&connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .unwrap();
        let completions = agent.receive_operation_completed().await.unwrap();
        let (heartbeats, listener) = listen(agent.receive_heartbeat().await.unwrap());
        let attributes = agent.receive_attributes_changed().await.unwrap();
        let agent_leaving = agent.receive_leaving().await.unwrap();
        let left = agent.receive_left().await.unwrap();
        Dpe {
            agent,
            epoch: 0,
            completions,
            heartbeats,
            _listener: listener,
            attributes,
            leaving: agent_leaving,
            left,
        }
    }

    /// A connection that has said Hello, without a lease.
    pub(crate) async fn dpe(&self, epoch: u64) -> Dpe {
        let mut dpe = self.connect().await;
        dpe.hello(
            epoch,
            HelloSettings {
                heartbeat_interval_ms: 50,
                ..HelloSettings::default()
            },
        )
        .await
        .unwrap();
        dpe
    }

    /// A connection with a lease that ends soon unless it is renewed.
    pub(crate) async fn dpe_with_lease(&self, epoch: u64, lease_ms: u32) -> Dpe {
        let mut dpe = self.connect().await;
        let settings = HelloSettings {
            heartbeat_interval_ms: 50,
            lease_ms,
            grace_ms: 3000,
            stop_timeout_ms: 3000,
            answers: false,
            number: 0,
            process: 0,
        };
        dpe.hello(epoch, settings).await.unwrap();
        dpe
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The lines that the resource agents have written about services, `ACTION RESOURCE`.
    pub(crate) fn actions(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("tmp/actions")).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with("meta-data"));
        lines.map(str::to_owned).collect()
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|line| *line == action).count()
    }

    /// The service's process, if it runs.
    pub(crate) fn service_pid(&self, resource: &str) -> Option<i32> {
        let pid = fs::read_to_string(self.path(&format!("tmp/{resource}.pid")))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status
            .lines()
            .any(|line| line.starts_with("State:") && !line.contains('Z'))
            .then_some(pid)
    }

    /// Processes of this guest but for its services: the resource agents that run, and what they
    /// have left.
    pub(crate) fn operation_processes(&self) -> Vec<Pid> {
        let services: Vec<i32> = fs::read_dir(self.path("tmp"))
            .unwrap()
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .into_string()
                    .ok()?
                    .strip_suffix(".pid")
                    .map(str::to_owned)
            })
            .filter_map(|resource| self.service_pid(&resource))
            .collect();
        self.processes()
            .into_iter()
            .filter(|pid| !services.contains(&pid.as_raw_nonzero().get()))
            .collect()
    }

    /// Again and again, because what is killed may just have started something.
    fn kill_processes(&self) {
        while let processes @ [_, ..] = self.processes().as_slice() {
            for pid in processes {
                let _ = kill_process(*pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Every process that a resource agent of this guest is or has started.
    fn processes(&self) -> Vec<Pid> {
        let mine = format!("HA_RSCTMP={}", self.path("tmp").display()).into_bytes();
        let is_mine = |pid: &str| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|&byte| byte == 0)
                .any(|variable| variable == mine)
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && is_mine(name))
            .filter_map(|name| Pid::from_raw(name.parse().ok()?))
            .collect()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        for mut process in self.guard.take().into_iter().chain(self.agent.take()) {
            let _ = process.kill();
            let _ = process.wait();
        }
        self.kill_processes();
        if std::thread::panicking() {
            eprintln!("--- log of the agent\n{}", self.log());
        }
    }
}

/// A DPE's end of a connection.
pub(crate) struct Dpe {
    pub agent: AgentProxy<'static>,
    pub epoch: u64,
    completions: OperationCompletedStream,
    /// Their stamps.
    heartbeats: UnboundedReceiver<u64>,
    /// It goes with the DPE, and the connection with both.
    _listener: JoinSet<()>,
    attributes: AttributesChangedStream,
    leaving: LeavingStream,
    left: LeftStream,
}

impl Dpe {
    pub(crate) async fn hello(
        &mut self,
        epoch: u64,
        settings: HelloSettings,
    ) -> Result<HelloReply> {
        self.hello_as("shop", epoch, settings).await
    }

    pub(crate) async fn hello_as(
        &mut self,
        deployment: &str,
        epoch: u64,
        settings: HelloSettings,
    ) -> Result<HelloReply> {
        self.epoch = epoch;
        let reply = self
            .agent
            .hello(epoch, deployment, "web1", settings.to_fields())
            .await?;
        HelloReply::from_fields(&reply)
    }

    pub(crate) async fn describe(&self) -> AgentDescription {
        AgentDescription::from_fields(&self.agent.describe().await.unwrap()).unwrap()
    }

    pub(crate) async fn execute(&self, operation: &Operation) -> Result<()> {
        self.agent.execute(self.epoch, operation.to_fields()).await
    }

    /// The next completion.
    pub(crate) async fn completion(&mut self) -> OperationRecord {
        let signal = tokio::time::timeout(PATIENCE, self.completions.next()).await;
        let signal = signal
            .expect("no operation completes")
            .expect("the connection is closed");
        let fields: &Fields = &signal.args().unwrap().record;
        OperationRecord::from_fields(fields).unwrap()
    }

    /// A completion that is there already.
    pub(crate) async fn completion_within(&mut self, time: Duration) -> Option<OperationRecord> {
        let signal = tokio::time::timeout(time, self.completions.next())
            .await
            .ok()??;
        Some(OperationRecord::from_fields(&signal.args().unwrap().record).unwrap())
    }

    /// Has an operation done and waits for its end.
    pub(crate) async fn run(&mut self, operation: &Operation) -> OperationRecord {
        self.execute(operation).await.unwrap();
        loop {
            let record = self.completion().await;
            if record.operation.id == operation.id && record.state == OperationState::Complete {
                return record;
            }
        }
    }

    /// The reports of node attributes that have come in since the last call.
    pub(crate) async fn attributes_heard(&mut self) -> Vec<NodeAttributes> {
        let mut heard = Vec::new();
        while let Some(Some(signal)) = self.attributes.next().now_or_never() {
            let args = signal.args().unwrap();
            heard.push(NodeAttributes::from_fields(args.version, &args.attributes).unwrap());
        }
        heard
    }

    pub(crate) async fn history(&self) -> Vec<OperationRecord> {
        let records = self.agent.history(self.epoch).await.unwrap();
        records
            .iter()
            .map(|fields| OperationRecord::from_fields(fields).unwrap())
            .collect()
    }

    /// The signal that the guest is about to go down.
    pub(crate) async fn leaving(&mut self) -> Leaving {
        let signal = tokio::time::timeout(PATIENCE, self.leaving.next()).await;
        let signal = signal.expect("it does not leave").expect("closed");
        Leaving::from_fields(&signal.args().unwrap().info).unwrap()
    }

    /// Waits for the signal that nothing runs there any more.
    pub(crate) async fn left(&mut self) {
        let signal = tokio::time::timeout(PATIENCE, self.left.next()).await;
        signal.expect("it does not say so").expect("closed");
    }

    /// The stamp of the next heartbeat; `None` when the connection is closed.
    pub(crate) async fn heartbeat(&mut self) -> Option<u64> {
        tokio::time::timeout(PATIENCE, self.heartbeats.recv())
            .await
            .expect("no heartbeat")
    }
}

/// Hears heartbeats as they come. A stream of signals holds 64 that nobody takes; then the whole
/// connection stands still.
fn listen(mut signals: HeartbeatStream) -> (UnboundedReceiver<u64>, JoinSet<()>) {
    let (sender, stamps) = unbounded_channel();
    let mut listener = JoinSet::new();
    listener.spawn(async move {
        while let Some(signal) = signals.next().await {
            let _ = sender.send(*signal.args().unwrap().stamp());
        }
    });
    (stamps, listener)
}

/// An operation of the test agent with an id of its own.
pub(crate) fn operation(resource: &str, action: &str) -> Operation {
    Operation {
        id: uuid::Uuid::new_v4().to_string(),
        resource: resource.into(),
        class: "ocf".into(),
        provider: "test".into(),
        agent: "Service".into(),
        action: action.into(),
        timeout_ms: 15_000,
        ..Operation::default()
    }
}

pub(crate) fn with(mut operation: Operation, name: &str, value: &str) -> Operation {
    operation.parameters.insert(name.into(), value.into());
    operation
}

pub(crate) fn monitor(resource: &str, interval_ms: u32) -> Operation {
    Operation {
        interval_ms,
        ..operation(resource, "monitor")
    }
}

/// The last record of an action in a history.
pub(crate) fn find<'a>(
    records: &'a [OperationRecord],
    resource: &str,
    action: &str,
) -> Option<&'a OperationRecord> {
    let is_it = |record: &&OperationRecord| {
        record.operation.resource == resource && record.operation.action == action
    };
    records.iter().rfind(is_it)
}

/// Waits until something is so.
pub(crate) async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < PATIENCE, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn holds(condition: bool) -> Option<()> {
    condition.then_some(())
}

/// The environment that a resource agent has had.
pub(crate) fn environment(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

pub(crate) fn is_stale(result: &Result<impl std::fmt::Debug>) -> bool {
    matches!(result, Err(Error::StaleEpoch(_)))
}

pub(crate) fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
