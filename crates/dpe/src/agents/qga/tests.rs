//! Streams to a guest agent that is played here: it speaks the protocol, and its guest is this
//! machine, in a folder of the test. What the helper does is done for real.

mod network;

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controller::{Operation, Record, RecordState, Task};
use cpe_bus::peer::{Credentials, Side};
use deployment::Configure;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::wire::Wire;
use super::*;
use crate::permit::Permit;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A resource agent that writes down what it is asked, and answers what a file says.
const THING: &str = "#!/bin/sh
echo \"$1\" >> \"$OCF_RESKEY_folder/asked\"
n=0
while [ $n -lt ${OCF_RESKEY_lines:-0} ]; do n=$((n + 1)); echo \"line $n\"; done
[ -z \"${OCF_RESKEY_daemon:-}\" ] || setsid sleep \"$OCF_RESKEY_daemon\" &
echo \"said $1\"
case $1 in
  start) sleep \"$OCF_RESKEY_wait\"; exit 0 ;;
  monitor) echo 'ocf-exit-reason:as it was told' >&2; exit $(cat \"$OCF_RESKEY_folder/answer\") ;;
esac
";

type Programs = Arc<Mutex<HashMap<u64, Option<std::process::Output>>>>;

/// A guest agent that is played.
#[derive(Clone, Default)]
struct PlayedGuestAgent {
    programs: Programs,
    blocks: bool,
    /// What it sends to whoever connects, before anything is asked.
    left_over: Vec<u8>,
    /// What it answers to a ping, as it is.
    ping: Option<Vec<u8>>,
    /// Its name and its interfaces. `None`: that call is blocked.
    network: Arc<Mutex<(Option<String>, Option<Value>)>>,
}

impl PlayedGuestAgent {
    async fn listen(self, listener: UnixListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // One at a time, as the real one.
            self.serve(stream).await;
        }
    }

    async fn serve(&self, stream: UnixStream) {
        let (reading, mut writing) = stream.into_split();
        let _ = writing.write_all(&self.left_over).await;
        let mut lines = BufReader::new(reading);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
            let text: Vec<u8> = line.drain(..).filter(|byte| *byte != 0xff).collect();
            let call: Value = serde_json::from_slice(&text).unwrap();
            let mut reply = self.answer(&call);
            if call["execute"] == "guest-sync-delimited" {
                reply.insert(0, 0xff);
            }
            if writing.write_all(&reply).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, call: &Value) -> Vec<u8> {
        let arguments = &call["arguments"];
        let result = match call["execute"].as_str().unwrap() {
            "guest-sync-delimited" => arguments["id"].clone(),
            "guest-ping" => match &self.ping {
                Some(bytes) => return bytes.clone(),
                None => json!({}),
            },
            "guest-info" => {
                let (name, interfaces) = &*self.network.lock().unwrap();
                let command = |(name, enabled)| json!({"name": name, "enabled": enabled});
                let commands = [
                    ("guest-exec", !self.blocks),
                    ("guest-exec-status", !self.blocks),
                    ("guest-get-host-name", name.is_some()),
                    ("guest-network-get-interfaces", interfaces.is_some()),
                ];
                json!({"version": "played", "supported_commands": commands.map(command)})
            }
            "guest-get-host-name" => json!({"host-name": self.network.lock().unwrap().0}),
            "guest-network-get-interfaces" => match &self.network.lock().unwrap().1 {
                Some(Value::Null) | None => return b"{\"error\": {\"desc\": \"no\"}}\n".to_vec(),
                Some(interfaces) => interfaces.clone(),
            },
            "guest-exec" => json!({"pid": self.exec(arguments)}),
            "guest-exec-status" => self.status(arguments),
            other => panic!("{other}"),
        };
        format!("{}\n", json!({"return": result})).into_bytes()
    }

    fn exec(&self, arguments: &Value) -> u64 {
        let words = arguments["arg"].as_array().unwrap().iter();
        let mut child = tokio::process::Command::new(arguments["path"].as_str().unwrap())
            .args(words.map(|word| word.as_str().unwrap()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let number = u64::from(child.id().unwrap());
        let programs = Arc::clone(&self.programs);
        programs.lock().unwrap().insert(number, None);
        let input = STANDARD.decode(arguments["input-data"].as_str().unwrap());
        tokio::spawn(async move {
            let mut stdin = child.stdin.take().unwrap();
            let _ = stdin.write_all(&input.unwrap()).await;
            drop(stdin);
            let output = child.wait_with_output().await.unwrap();
            programs.lock().unwrap().insert(number, Some(output));
        });
        number
    }

    fn status(&self, arguments: &Value) -> Value {
        let mut programs = self.programs.lock().unwrap();
        let number = arguments["pid"].as_u64().unwrap();
        match programs.remove(&number).unwrap() {
            None => {
                programs.insert(number, None);
                json!({"exited": false})
            }
            Some(output) => json!({
                "exited": true,
                "exitcode": output.status.code(),
                "out-data": STANDARD.encode(&output.stdout),
                "err-data": STANDARD.encode(&output.stderr),
            }),
        }
    }
}

/// A guest, which is a folder.
struct World {
    folder: tempfile::TempDir,
    place: Place,
    listening: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl World {
    fn new(played: PlayedGuestAgent) -> World {
        let folder = tempfile::tempdir().unwrap();
        let leaked = |name: &str| -> &'static str {
            Box::leak(folder.path().join(name).display().to_string().into())
        };
        let place = Place {
            socket: folder.path().join("qga.sock"),
            folder: leaked("kept"),
            ocf_root: leaked("ocf"),
        };
        let agents = folder.path().join("ocf/resource.d/own");
        std::fs::create_dir_all(&agents).unwrap();
        std::fs::write(agents.join("Thing"), THING).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(agents.join("Thing"), mode).unwrap();
        let listener = UnixListener::bind(&place.socket).unwrap();
        World {
            place,
            folder,
            listening: tokio::spawn(played.listen(listener)),
        }
    }

    fn connect(&self, deployment: &str, epoch: u64) -> Connect {
        Connect {
            number: 7,
            assembly: "web1".into(),
            address: Some(format!("qemu-ga:{}", self.place.socket.display())),
            epoch,
            deployment: deployment.into(),
            heartbeat_interval_ms: 200,
            heartbeat_timeout_ms: 5000,
            lease_ms: 0,
            grace_ms: 0,
            stop_timeout_ms: 0,
        }
    }

    fn stream(&self, deployment: &str, epoch: u64) -> Stream {
        self.allowed(Permit::default(), deployment, epoch)
    }

    /// Of a DPE with that right to send.
    fn allowed(&self, permit: Permit, deployment: &str, epoch: u64) -> Stream {
        let (calls, waiting) = mpsc::channel(16);
        let (asks, asked) = mpsc::channel(1);
        let (sender, inputs) = mpsc::channel(64);
        let (connect, place) = (self.connect(deployment, epoch), self.place.clone());
        let side = Side::Dpe {
            deployment: "shop".into(),
        };
        let mut orders = Orders {
            calls: waiting,
            asks: asked,
            stamp: watch::channel(0).1,
            meter: cpe_bus::peer::Meter::default(),
            credentials: Credentials::new(Path::new("/nonexistent"), side),
            permit,
            refusals: Arc::default(),
        };
        let task = tokio::spawn(async move {
            let _asks = asks;
            let mut up = false;
            let Err(end) = converse(&connect, &place, &mut orders, &sender, &mut up).await;
            end
        });
        Stream {
            calls,
            inputs,
            task,
        }
    }

    fn operation(&self, id: &str, action: Task, interval_ms: u32) -> Box<Operation> {
        let folder = self.folder.path().display().to_string();
        Box::new(Operation {
            id: id.into(),
            resource: "web:0".into(),
            class: "ocf".into(),
            provider: "own".into(),
            kind: "Thing".into(),
            action,
            interval_ms,
            timeout_ms: 30_000,
            parameters: BTreeMap::from([("folder".into(), folder), ("wait".into(), "3".into())]),
            ..Operation::default()
        })
    }

    /// A start after what is run before it.
    fn start(&self, id: &str, configure: Configure) -> Box<Operation> {
        let mut start = self.operation(id, Task::Start, 0);
        start.parameters.insert("wait".into(), "0".into());
        start.configure = Some(Box::new(configure));
        start
    }

    fn answers(&self, code: &str) {
        std::fs::write(self.folder.path().join("answer"), code).unwrap();
    }

    /// How often the resource agent was asked for this.
    fn asked(&self, action: &str) -> usize {
        let asked = std::fs::read_to_string(self.folder.path().join("asked"));
        let asked = asked.unwrap_or_default();
        asked.lines().filter(|line| *line == action).count()
    }
}

struct Stream {
    calls: mpsc::Sender<Call>,
    inputs: mpsc::Receiver<Input>,
    task: JoinHandle<End>,
}

impl Stream {
    /// The next input but for heartbeats.
    async fn input(&mut self) -> Input {
        let next = async {
            loop {
                match self.inputs.recv().await.expect("the stream has ended") {
                    Input::Heartbeat { .. } => {}
                    input => return input,
                }
            }
        };
        tokio::time::timeout(PATIENCE, next)
            .await
            .expect("nothing is said")
    }

    async fn connected(&mut self) -> Vec<Record> {
        match self.input().await {
            Input::AgentConnected { hello, history, .. } => {
                assert!(!hello.boot_id.is_empty() && hello.machine_id.len() == 32);
                history
            }
            other => panic!("{other:?}"),
        }
    }

    async fn completed(&mut self) -> Record {
        match self.input().await {
            Input::OperationCompleted { record, .. } => *record,
            other => panic!("{other:?}"),
        }
    }

    async fn execute(&self, operation: Box<Operation>) {
        self.calls.send(Call::Execute(operation)).await.unwrap();
    }

    async fn end(self) -> End {
        let end = tokio::time::timeout(PATIENCE, self.task).await;
        end.expect("the stream does not end").unwrap()
    }
}

impl Stream {
    /// Has an operation done to its end.
    async fn done(&mut self, operation: Box<Operation>) -> Record {
        let id = operation.id.clone();
        self.execute(operation).await;
        let record = self.completed().await;
        assert_eq!(record.operation.id, id);
        record
    }
}

fn script(text: &str) -> Configure {
    Configure::Content {
        interpreter: "/bin/sh -u".into(),
        text: text.into(),
    }
}

/// A script that notes that it ran, and in which file.
const CONFIGURE_WEB: &str = "#!/bin/sh
echo \"configure $OCF_RESOURCE_INSTANCE ${CPE_QGA-}\" >> \"$OCF_RESKEY_folder/asked\"
stat -c '%a' \"$0\" > \"$OCF_RESKEY_folder/mode\"
echo \"it's noise\"
";

/// The files of the guest's record that have this in them.
fn files_with(folder: &Path, what: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(what)
            {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn nothing_is_run_in_a_guest_without_a_permit() {
    let world = World::new(PlayedGuestAgent::default());
    let folder = tempfile::tempdir().unwrap();
    let (writer, permit) = crate::permit::played::permit(folder.path());
    let mut stream = world.allowed(permit, "shop", 1);
    stream.connected().await;
    writer.lasts(false);
    stream.execute(world.start("1:1:0:u", script("true"))).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.asked("start"), 0);
    let meanwhile = std::iter::from_fn(|| stream.inputs.try_recv().ok());
    let heard: Vec<Input> = meanwhile.collect();
    assert!(!heard.is_empty(), "that it is there is heard");
    let is_beat = |input: &Input| matches!(input, Input::Heartbeat { .. });
    assert!(heard.iter().all(is_beat), "{heard:?}");
    writer.lasts(true);
    assert_eq!(stream.completed().await.rc, 0);
    assert_eq!(world.asked("start"), 1);
}

#[tokio::test]
async fn what_is_run_before_a_start_is_run_once_until_something_changes() {
    let world = World::new(PlayedGuestAgent::default());
    let mut stream = world.stream("shop", 1);
    stream.connected().await;
    let started = stream
        .done(world.start("1:1:0:u", script(CONFIGURE_WEB)))
        .await;
    assert_eq!((started.status, started.rc), (0, 0), "{}", started.output);
    assert_eq!(started.output, "said start");
    assert_eq!(
        (world.asked("configure web:0 "), world.asked("start")),
        (1, 1)
    );
    let mode = std::fs::read_to_string(world.folder.path().join("mode")).unwrap();
    assert_eq!(mode.trim(), "600");
    assert_eq!(
        files_with(&world.folder.path().join("kept"), "it's noise"),
        [""; 0].map(std::path::PathBuf::from)
    );
    // Not again, also for the next DPE.
    stream
        .done(world.start("2:1:0:u", script(CONFIGURE_WEB)))
        .await;
    stream.task.abort();
    let mut stream = world.stream("shop", 2);
    assert_eq!(stream.connected().await.len(), 1);
    stream
        .done(world.start("3:1:0:v", script(CONFIGURE_WEB)))
        .await;
    assert_eq!(
        (world.asked("configure web:0 "), world.asked("start")),
        (1, 3)
    );
    // For another parameter, and for another script.
    let mut other = world.start("4:1:0:v", script(CONFIGURE_WEB));
    other.parameters.insert("odd-name".into(), "a'b".into());
    assert_eq!(stream.done(other.clone()).await.rc, 0);
    assert_eq!(world.asked("configure web:0 "), 2);
    other.id = "5:1:0:v".into();
    other.configure = Some(Box::new(script(&format!("{CONFIGURE_WEB}true\n"))));
    assert_eq!(stream.done(other.clone()).await.rc, 0);
    assert_eq!(world.asked("configure web:0 "), 3);
    // One that failed has left the guest half configured: the former one is run again.
    let failed = world.start("6:1:0:v", script("exit 3"));
    assert_eq!(stream.done(failed).await.rc, 1);
    other.id = "7:1:0:v".into();
    assert_eq!(stream.done(other).await.rc, 0);
    assert_eq!(world.asked("configure web:0 "), 4);
    // A deployment that has let the guest go begins again.
    let (done, released) = tokio::sync::oneshot::channel();
    let release = Call::Release {
        keep_services: true,
        done,
    };
    stream.calls.send(release).await.unwrap();
    released.await.unwrap();
    stream.task.abort();
    let mut stream = world.stream("shop", 3);
    stream.connected().await;
    stream
        .done(world.start("8:1:0:w", script(CONFIGURE_WEB)))
        .await;
    assert_eq!(world.asked("configure web:0 "), 5);
}

#[tokio::test]
async fn a_failure_of_what_is_run_before_a_start_is_the_starts() {
    let world = World::new(PlayedGuestAgent::default());
    let mut stream = world.stream("shop", 1);
    stream.connected().await;
    let folder = world.folder.path();
    let locked = folder.join("locked");
    std::fs::write(&locked, "#!/bin/sh\nexit 9\n").unwrap();
    let path = |path: &Path| Configure::Path(path.to_str().unwrap().into());
    let (absent, locked) = (path(&folder.join("absent")), path(&locked));
    let (no_file, no_right) = (
        format!(
            "configure executable {0}: {0} cannot be executed: there is no such file",
            absent.mark()
        ),
        format!(
            "configure executable {0}: {0} cannot be executed: permission denied",
            locked.mark()
        ),
    );
    let of_document = "configure executable of the document: ";
    for (number, (configure, status, rc, reason)) in [
        (
            script("echo a; echo 'no such site' >&2; exit 3"),
            0,
            1,
            &*format!("{of_document}exit code 3: no such site"),
        ),
        (
            script("echo 'ocf-exit-reason:no disk'; echo more; exit 7"),
            0,
            1,
            &format!("{of_document}exit code 7: no disk"),
        ),
        (
            script("kill -9 $$"),
            4,
            1,
            &format!("{of_document}died of signal 9"),
        ),
        (
            script("exec sleep 100"),
            2,
            1,
            &format!("{of_document}did not end within 1 s and was killed"),
        ),
        (absent, 7, 5, &no_file),
        (locked, 5, 4, &no_right),
    ]
    .into_iter()
    .enumerate()
    {
        let mut start = world.start(&format!("{number}:1:0:u"), configure);
        start.timeout_ms = if status == 2 { 1000 } else { 30_000 };
        let record = stream.done(start).await;
        assert_eq!(
            (record.status, record.rc, &*record.exit_reason),
            (status, rc, reason)
        );
    }
    assert_eq!(world.asked("start"), 0);
    assert_eq!(
        stream
            .done(world.start("9:1:0:u", script("exit 0")))
            .await
            .rc,
        0
    );
    assert_eq!(world.asked("start"), 1);
}

async fn until(mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "it does not come to that");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_operation_that_outlives_its_stream_is_found_again_and_not_begun_twice() {
    let world = World::new(PlayedGuestAgent::default());
    let mut stream = world.stream("shop", 1);
    assert_eq!(stream.connected().await, []);
    stream
        .execute(world.operation("1:1:0:u", Task::Start, 0))
        .await;
    until(|| world.asked("start") > 0).await;
    // As kill -9 of the DPE.
    stream.task.abort();
    let mut next = world.stream("shop", 2);
    let history = next.connected().await;
    let [record] = history.as_slice() else {
        panic!("{history:?}");
    };
    assert_eq!((record.state, record.rc), (RecordState::Pending, 193));
    assert_eq!(
        record.operation,
        *world.operation("1:1:0:u", Task::Start, 0)
    );
    // Asked for again by another decision, it is the same one.
    next.execute(world.operation("2:2:0:v", Task::Start, 0))
        .await;
    let record = next.completed().await;
    assert_eq!((record.status, record.rc, record.call_id), (0, 0, 1));
    assert!(
        record.exec_ms >= 2900 && record.output == "said start",
        "{record:?}"
    );
    assert_eq!(world.asked("start"), 1);
    assert_eq!(record.operation.id, "2:2:0:v");
    let mut last = world.stream("shop", 2);
    next.task.abort();
    assert_eq!(last.connected().await, [record]);
}

#[tokio::test]
async fn the_last_lines_of_much_output_are_kept_however_it_was_written() {
    let world = World::new(PlayedGuestAgent::default());
    world.answers("0");
    let mut stream = world.stream("shop", 1);
    stream.connected().await;
    // Many small pieces, and more than is kept while it runs.
    for (id, lines) in [("1:1:0:u", 600), ("1:2:0:u", 20_000)] {
        let mut operation = world.operation(id, Task::Monitor, 0);
        let talks = ("lines".to_owned(), lines.to_string());
        operation.parameters.extend([talks]);
        stream.execute(operation).await;
        let record = stream.completed().await;
        let last = format!("line {lines}\nsaid monitor\nocf-exit-reason:as it was told");
        assert!(record.output.ends_with(&last), "{}", record.output);
    }
    // A daemon keeps it open: what was said is there nevertheless.
    let mut operation = world.operation("1:3:0:u", Task::Monitor, 0);
    let daemon = ("daemon".to_owned(), "2".to_owned());
    operation.parameters.extend([daemon]);
    stream.execute(operation).await;
    let record = stream.completed().await;
    assert_eq!(
        record.output,
        "said monitor\nocf-exit-reason:as it was told"
    );
}

#[tokio::test]
async fn a_recurring_operation_is_told_at_first_and_when_it_changes_and_goes_on_afterwards() {
    let world = World::new(PlayedGuestAgent::default());
    world.answers("0");
    let mut stream = world.stream("shop", 1);
    stream.connected().await;
    stream
        .execute(world.operation("1:1:0:u", Task::Monitor, 200))
        .await;
    assert_eq!(stream.completed().await.rc, 0);
    until(|| world.asked("monitor") >= 3).await;
    world.answers("7");
    let record = stream.completed().await;
    assert_eq!(
        (record.rc, record.exit_reason.as_str()),
        (7, "as it was told")
    );
    stream.task.abort();
    let mut next = world.stream("shop", 1);
    let history = next.connected().await;
    assert_eq!((history.len(), history[0].rc), (1, 7));
    assert_eq!(history[0].last_rc_change, record.last_rc_change);
    let before = world.asked("monitor");
    until(|| world.asked("monitor") >= before + 2).await;
    // A stop ends it.
    next.execute(world.operation("2:1:0:u", Task::Stop, 0))
        .await;
    assert_eq!(next.completed().await.state, RecordState::Cancelled);
    assert_eq!(next.completed().await.operation.action, Task::Stop);
    let before = world.asked("monitor");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.asked("monitor"), before);
}

#[tokio::test]
async fn a_monitor_that_waits_to_be_begun_does_not_outlive_a_stop() {
    let world = World::new(PlayedGuestAgent::default());
    world.answers("0");
    let mut stream = world.stream("shop", 1);
    stream.connected().await;
    // The start takes 3 s, and holds its resource's other operations up.
    stream
        .execute(world.operation("1:1:0:u", Task::Start, 0))
        .await;
    stream
        .execute(world.operation("2:1:0:u", Task::Monitor, 200))
        .await;
    stream
        .execute(world.operation("3:1:0:u", Task::Stop, 0))
        .await;
    let waiting = stream.completed().await;
    assert_eq!(
        (waiting.operation.id.as_str(), waiting.state),
        ("2:1:0:u", RecordState::Cancelled)
    );
    for id in ["1:1:0:u", "3:1:0:u"] {
        assert_eq!(stream.completed().await.operation.id, id);
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.asked("monitor"), 0);
}

#[tokio::test]
async fn a_guest_obeys_the_latest_dpe_of_one_deployment() {
    let world = World::new(PlayedGuestAgent::default());
    let mut stream = world.stream("shop", 5);
    stream.connected().await;
    stream
        .execute(world.operation("1:1:0:u", Task::Start, 0))
        .await;
    stream.completed().await;
    stream.task.abort();
    let end = world.stream("shop", 4).end().await;
    assert_eq!(end.seen_epoch, Some(5), "{end:?}");
    let end = world.stream("blog", 9).end().await;
    let occupant = end.occupant.expect("it is occupied");
    assert_eq!(
        (occupant.deployment.as_str(), occupant.assembly.as_str()),
        ("shop", "web1")
    );
    // A service may run: only its own deployment may give the guest up, with the service or after
    // its end.
    let mut stream = world.stream("shop", 6);
    stream.connected().await;
    for keep_services in [false, true] {
        let (done, released) = tokio::sync::oneshot::channel();
        let release = Call::Release {
            keep_services,
            done,
        };
        stream.calls.send(release).await.unwrap();
        released.await.unwrap();
        stream.task.abort();
        if keep_services {
            break;
        }
        stream = world.stream("shop", 6);
        assert_eq!(stream.connected().await.len(), 1);
    }
    let mut other = world.stream("blog", 9);
    assert_eq!(other.connected().await, []);
}

#[tokio::test]
async fn one_that_was_killed_with_what_ran_it_has_an_unknown_result() {
    let world = World::new(PlayedGuestAgent::default());
    let mut stream = world.stream("shop", 1);
    stream.connected().await;
    stream
        .execute(world.operation("1:1:0:u", Task::Start, 0))
        .await;
    until(|| world.asked("start") > 0).await;
    let run = std::fs::read_to_string(Path::new(world.place.folder).join("op/1/run")).unwrap();
    let runner: i32 = run.split(' ').next().unwrap().parse().unwrap();
    let runner = rustix::process::Pid::from_raw(runner).unwrap();
    rustix::process::kill_process(runner, rustix::process::Signal::KILL).unwrap();
    let record = stream.completed().await;
    assert_eq!((record.status, record.rc), (4, 193), "{record:?}");
    assert!(record.exit_reason.contains("unknown"), "{record:?}");
}

#[tokio::test]
async fn a_guest_agent_that_runs_no_programs_is_told_with_what_to_change() {
    let world = World::new(PlayedGuestAgent {
        blocks: true,
        ..PlayedGuestAgent::default()
    });
    let end = world.stream("shop", 1).end().await;
    assert!(end.unusable, "{end:?}");
    assert!(
        end.reason.contains("guest-exec and guest-exec-status"),
        "{end:?}"
    );
    assert!(end.reason.contains("/etc/sysconfig/qemu-ga"), "{end:?}");
}

#[tokio::test]
async fn what_was_left_over_is_thrown_away_and_a_reply_is_bounded() {
    let mut left_over = b"{\"return\": {}}\n\xff{\"return\": 1}\n".to_vec();
    left_over.extend(vec![b'x'; 3 << 20]);
    left_over.extend(b"\n\xffnonsense\n");
    let world = World::new(PlayedGuestAgent {
        left_over,
        ping: Some(vec![b'['; 2 << 20]),
        ..PlayedGuestAgent::default()
    });
    let mut wire = Wire::connect(&world.place.socket).await.unwrap();
    wire.call("guest-info", json!({})).await.unwrap();
    let End { reason, .. } = wire.call("guest-ping", json!({})).await.unwrap_err().into();
    assert!(reason.contains("more than 1048576 bytes"), "{reason}");
}
