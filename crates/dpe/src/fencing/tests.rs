//! Devices that are played here: fake fence agents, run as real ones are, and a fake systemd with
//! one unit.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use controller::UnfenceRequest;
use cpe_fence::{Callers, Confinement, Settings};

use super::*;
use crate::permit::Permit;

const METADATA: &str = r#"metadata) echo '<parameter name="plug" /><action name="on"/><action name="off"/><action name="status"/></resource-agent>' ;;"#;

/// A fake fence agent that writes down what it is told, then does what `cases` say for the
/// action; and who runs it.
fn fake(folder: &Path, cases: &str) -> Gate {
    let program = folder.join("fence_fake");
    let written = folder.join("written");
    let script = format!(
        "#!/bin/sh\ncd {}\ninput=$(cat)\nprintf '%s\\n' \"$input\" >> told\ncase ${{input##*action=}} in\n{cases}\nesac\n",
        folder.display()
    );
    std::fs::write(&written, script).unwrap();
    // By another process: one that another test begins just now would inherit the open file, and
    // a program that is open for writing cannot be run.
    let installed = std::process::Command::new("install")
        .args(["-m", "755"])
        .args([&written, &program])
        .status();
    assert!(installed.unwrap().success());
    gate(folder)
}

/// Runs fence agents as cpe-fence does, in threads of this process.
fn gate(folder: &Path) -> Gate {
    let socket = folder.join("fence.sock");
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let settings = Settings {
        callers: Callers::Anyone,
        agents: vec![folder.to_owned()],
        secrets: folder.to_owned(),
        copies: folder.to_owned(),
        home: folder.to_owned(),
        scratch: vec![folder.to_owned()],
        user: None,
        confinement: Confinement::ProcessGroup,
    };
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let settings = settings.clone();
            std::thread::spawn(move || cpe_fence::serve(&stream, &settings));
        }
    });
    Gate {
        socket,
        deployment: "shop".to_owned(),
        permit: Permit::default(),
        places: Places::default(),
    }
}

/// Makes web1 safe with the fake agent, and switches on what is to be switched on.
async fn power(gate: &Gate, parameters: &[(&str, &str)], reboot: bool) -> Result<(), String> {
    let parameters = parameters.iter();
    let request = FenceRequest {
        assembly: "web1".into(),
        attempt: 1,
        device: FenceDevice::Agent {
            agent: "fence_fake".to_owned(),
            parameters: parameters
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            marked: ["pin".to_owned()].into(),
        },
        unit_seen: false,
        reboot,
        timeout_ms: 3_000,
        delay_ms: 0,
    };
    let again = fence(gate, &request, None, &SeenUnits::default()).await?;
    again.switch_on().await;
    Ok(())
}

fn told(folder: &Path) -> Vec<String> {
    let told = std::fs::read_to_string(folder.join("told")).unwrap();
    let actions = told.lines().filter_map(|line| line.strip_prefix("action="));
    actions.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_device_is_off_when_its_status_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let gate = fake(
        folder.path(),
        &format!("{METADATA}\noff) touch is-off ;;\nstatus) test -e is-off && exit 2 ;;"),
    );
    power(&gate, &[("ip", "10.0.0.1")], true).await.unwrap();
    assert_eq!(told(folder.path()), ["metadata", "off", "status", "on"]);
    let told = std::fs::read_to_string(folder.path().join("told")).unwrap();
    assert!(
        told.starts_with("action=metadata\nip=10.0.0.1\nplug=web1\naction=off\n"),
        "{told}"
    );
}

#[tokio::test]
async fn an_agent_is_told_the_plug_of_the_document_where_it_says_one() {
    let folder = tempfile::tempdir().unwrap();
    let gate = fake(folder.path(), &format!("{METADATA}\nstatus) exit 2 ;;"));
    power(&gate, &[("plug", "vm-17")], false).await.unwrap();
    let told = std::fs::read_to_string(folder.path().join("told")).unwrap();
    assert!(told.contains("plug=vm-17\naction=off\n"), "{told}");
    assert!(!told.contains("plug=web1"), "{told}");
}

#[tokio::test]
async fn a_secret_in_a_file_reaches_the_agent_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("ipmi");
    std::fs::write(&secret, "tops3cret\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let cases = format!("{METADATA}\noff) echo \"bad: $input\" | tr '\\n' ' ' >&2; exit 1 ;;");
    let gate = fake(folder.path(), &cases);
    let file = ("password", "cpe-secret-file:/etc/cpe/secrets/ipmi");
    let plain = ("secret_key", "also-s3cret");
    // The document marks this one.
    let marked = ("pin", "third-s3cret");
    let error = power(&gate, &[file, plain, marked], false)
        .await
        .unwrap_err();
    assert!(
        error.contains("password=*** secret_key=*** pin=***"),
        "{error}"
    );
    let told = std::fs::read_to_string(folder.path().join("told")).unwrap();
    assert!(
        told.contains("password=tops3cret\nsecret_key=also-s3cret\n"),
        "{told}"
    );
}

#[tokio::test]
async fn documents_name_the_secrets_that_are_read() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    for (file, text) in [("ipmi", "tops3cret\n"), ("shop/key", "the\nkey\n")] {
        let path = folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    // As a document says it, its reader understands it, and cpe-fence reads it.
    let document = br#"<deployable name="shop">
  <assemblies>
    <assembly name="web1" address="unix:/run/cpe/guests/web1/agent.sock">
      <fencing mode="agent" agent="fence_fake"><parameters>
        <parameter name="password" file="/etc/cpe/secrets/ipmi"/>
        <parameter name="identity" path_of="/etc/cpe/secrets/shop/key"/>
      </parameters></fencing>
    </assembly>
  </assemblies>
</deployable>"#;
    let read = deployment::read(document).unwrap();
    let deployment::FencingMode::Agent { parameters, .. } = &read.assemblies[0].fencing.mode else {
        panic!("{read:?}")
    };
    let parameters = parameters.iter();
    let parameters: Vec<(&str, &str)> = parameters
        .map(|it| (it.name.as_str(), it.value.as_str()))
        .collect();
    // Run once: copies are for one run, in whose unit they lie.
    let cases = r#"metadata) echo '<action name="off"/></resource-agent>' ;;
off) cat "$(echo "$input" | sed -n s/^identity=//p)" >> told ;;"#;
    let gate = fake(folder.path(), cases);
    power(&gate, &parameters, false).await.unwrap();
    let told = std::fs::read_to_string(folder.path().join("told")).unwrap();
    assert!(told.contains("password=tops3cret\nidentity=/"), "{told}");
    assert!(told.contains("action=off\nthe\nkey\n"), "{told}");
}

#[tokio::test]
async fn power_is_switched_on_with_every_level() {
    let folder = tempfile::tempdir().unwrap();
    let gate = fake(
        folder.path(),
        &format!("{METADATA}\nstatus) exit 2 ;;\non) ;;"),
    );
    let level = |agent: &str| {
        let level = vec![use_of("web1", agent, &[], &BTreeSet::new())];
        FenceDevice::Level(level)
    };
    let mut order = PowerOn {
        assembly: "web1".into(),
        devices: vec![level("fence_gone"), level("fence_fake")],
        timeout_ms: 3_000,
    };
    // The first one is of no use: it may be what has not switched off, either.
    power_on(&gate, &order, None).await.unwrap();
    assert_eq!(told(folder.path()), ["metadata", "status", "on"]);
    order.devices.truncate(1);
    let error = power_on(&gate, &order, None).await.unwrap_err();
    assert!(error.contains("not installed"), "{error}");
}

#[tokio::test]
async fn a_device_that_lies_about_its_off_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let gate = fake(
        folder.path(),
        &format!("{METADATA}\noff) exit 0 ;;\nstatus) exit 0 ;;"),
    );
    let error = power(&gate, &[], false).await.unwrap_err();
    assert!(
        error.contains("\"status\" ends with exit status 0"),
        "{error}"
    );
}

#[tokio::test]
async fn an_agent_that_knows_no_status_is_asked_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let gate = fake(
        folder.path(),
        "metadata) echo '<action name=\"reboot\"/></resource-agent>' ;;\nreboot) ;;\n*) exit 1 ;;",
    );
    power(&gate, &[], true).await.unwrap();
    assert_eq!(told(folder.path()), ["metadata", "reboot"]);
    let error = power(&gate, &[], false).await.unwrap_err();
    assert!(error.contains("exit status 1"), "{error}");
}

#[tokio::test]
async fn an_agent_that_does_not_say_what_it_can_do_is_not_believed() {
    for cases in [
        "metadata) exit 1 ;;\n*) ;;",
        "metadata) echo '<action name=\"reboot\"/>' ;;\n*) ;;",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let gate = fake(folder.path(), cases);
        let error = power(&gate, &[], true).await.unwrap_err();
        assert!(error.contains("does not say what it can do"), "{error}");
        assert_eq!(told(folder.path()), ["metadata"]);
    }
}

#[tokio::test]
async fn nothing_of_an_attempt_that_is_given_up_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let cases = format!("{METADATA}\n*) (sleep 5; touch given-up-later) & sleep 5 ;;");
    let gate = fake(folder.path(), &cases);
    let error = power(&gate, &[], false).await.unwrap_err();
    assert!(error.contains("not done within 3 s"), "{error}");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!folder.path().join("given-up-later").exists());
}

#[tokio::test]
async fn an_attempt_fails_where_nobody_runs_agents() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate {
        socket: folder.path().join("nobody.sock"),
        deployment: "shop".to_owned(),
        permit: Permit::default(),
        places: Places::default(),
    };
    let error = power(&gate, &[], false).await.unwrap_err();
    assert!(
        error.contains("is cpe-fence@shop.socket active?"),
        "{error}"
    );
    // Whoever hangs up is asked again, but is no answer.
    let listener = UnixListener::bind(&gate.socket).unwrap();
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let error = power(&gate, &[], false).await.unwrap_err();
    assert!(error.contains("not done within 3 s"), "{error}");
}

#[tokio::test]
async fn a_run_that_found_no_place_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let ready = fake(folder.path(), &format!("{METADATA}\nstatus) exit 2 ;;"));
    let crowded = Gate {
        socket: folder.path().join("crowded.sock"),
        ..ready.clone()
    };
    let listener = UnixListener::bind(&crowded.socket).unwrap();
    let (socket, from) = (ready.socket.clone(), crowded.socket.clone());
    std::thread::spawn(move || {
        drop(listener.accept());
        std::fs::rename(socket, from).unwrap();
    });
    power(&crowded, &[], false).await.unwrap();
    assert_eq!(told(folder.path()), ["metadata", "off", "status"]);
}

/// A fake systemd with one unit.
struct Systemd(Arc<FakeUnit>);

struct FakeUnit {
    running: Mutex<bool>,
    down_us: u64,
    killable: bool,
    stoppable: bool,
}

impl FakeUnit {
    fn is_running(&self) -> bool {
        *self.running.lock().unwrap()
    }
}

const UNIT: &str = "/org/freedesktop/systemd1/unit/fake";

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn load_unit(&self, _name: &str) -> zbus::OwnedObjectPath {
        zbus::ObjectPath::try_from(UNIT).unwrap().into()
    }

    fn kill_unit(&self, _name: &str, _whom: &str, _signal: i32) -> zbus::fdo::Result<()> {
        match self.0.killable {
            true => Ok(()),
            false => Err(zbus::fdo::Error::AccessDenied("no".into())),
        }
    }

    fn stop_unit(&self, name: &str, _mode: &str) -> zbus::OwnedObjectPath {
        if self.0.stoppable {
            *self.0.running.lock().unwrap() = false;
        }
        self.load_unit(name)
    }
}

struct Unit(Arc<FakeUnit>);

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn load_state(&self) -> &'static str {
        "loaded"
    }

    #[zbus(property)]
    fn active_state(&self) -> &'static str {
        if self.0.is_running() {
            "active"
        } else {
            "inactive"
        }
    }

    #[zbus(property)]
    fn inactive_enter_timestamp_monotonic(&self) -> u64 {
        self.0.down_us
    }
}

/// The connections of the fake and to it.
async fn systemd(unit: &Arc<FakeUnit>) -> (Connection, Connection) {
    let (ours, its) = std::os::unix::net::UnixStream::pair().unwrap();
    let served = zbus::connection::Builder::unix_stream(its)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at("/org/freedesktop/systemd1", Systemd(Arc::clone(unit)))
        .serve_at(UNIT, Unit(Arc::clone(unit)));
    let ours = zbus::connection::Builder::unix_stream(ours).p2p();
    let (served, ours) = tokio::join!(served.build(), ours.build());
    (served.unwrap(), ours.unwrap())
}

async fn fence_unit(unit: &Arc<FakeUnit>, unit_seen: bool, seen: &SeenUnits) -> Result<(), String> {
    fence_unit_if(Permit::default(), unit, unit_seen, seen).await
}

async fn fence_unit_if(
    permit: Permit,
    unit: &Arc<FakeUnit>,
    unit_seen: bool,
    seen: &SeenUnits,
) -> Result<(), String> {
    let (_served, bus) = systemd(unit).await;
    let request = FenceRequest {
        assembly: "web1".into(),
        attempt: 1,
        device: FenceDevice::Unit {
            unit: "guest@web1.service".into(),
        },
        unit_seen,
        reboot: false,
        timeout_ms: 300,
        delay_ms: 0,
    };
    let nobody = Gate {
        socket: PathBuf::new(),
        deployment: String::new(),
        permit,
        places: Places::default(),
    };
    fence(&nobody, &request, Some(bus), seen).await.map(drop)
}

#[test]
fn whoever_may_not_act_lets_nobody_in_any_more() {
    let mut letting_in = LettingIn::default();
    let (first, second) = (letting_in.begin(1), letting_in.begin(2));
    letting_in.end(1);
    assert!(*first.borrow() && !*second.borrow());
    letting_in.end_all();
    assert!(*second.borrow());
}

#[tokio::test]
async fn no_device_is_asked_for_anything_without_a_permit() {
    let folder = tempfile::tempdir().unwrap();
    let cases = format!("{METADATA}\noff) touch is-off ;;\nstatus) test -e is-off && exit 2 ;;");
    let (writer, permit) = crate::permit::played::permit(folder.path());
    let gate = Gate {
        permit: permit.clone(),
        ..fake(folder.path(), &cases)
    };
    writer.lasts(false);
    let error = power(&gate, &[], true).await.unwrap_err();
    assert!(error.contains("may not act now"), "{error}");
    assert!(!folder.path().join("told").exists(), "it was run");
    let (guest, seen) = (unit(true, 0), SeenUnits::default());
    let error = fence_unit_if(permit.clone(), &guest, true, &seen).await;
    let error = error.unwrap_err();
    assert!(error.contains("may not act now"), "{error}");
    assert!(*guest.running.lock().unwrap());
    writer.lasts(true);
    power(&gate, &[], true).await.unwrap();
    assert_eq!(told(folder.path()), ["metadata", "off", "status", "on"]);
}

fn unit(running: bool, down_us: u64) -> Arc<FakeUnit> {
    Arc::new(FakeUnit {
        running: Mutex::new(running),
        down_us,
        killable: true,
        stoppable: true,
    })
}

#[tokio::test]
async fn a_unit_that_was_never_seen_active_is_not_taken_for_down() {
    let seen = SeenUnits::default();
    let error = fence_unit(&unit(false, 0), false, &seen).await.unwrap_err();
    assert!(error.contains("never seen active"), "{error}");
    // It was active, as another guest's.
    let since_us = monotonic_us();
    let error = fence_unit(&unit(false, since_us), false, &seen).await;
    let error = error.unwrap_err();
    assert!(error.contains("never seen active"), "{error}");
    // A DPE has seen it while the guest answered.
    fence_unit(&unit(false, since_us), true, &seen)
        .await
        .unwrap();
    // It is, and then it is not.
    let running = unit(true, 0);
    fence_unit(&running, false, &seen).await.unwrap();
    assert!(!running.is_running());
    fence_unit(&running, false, &seen).await.unwrap();
}

#[tokio::test]
async fn a_unit_that_was_down_while_the_guest_answered_is_not_its_unit() {
    let seen = SeenUnits::default();
    seen.heard("web1");
    let long_ago_us = monotonic_us() - 12_000_000;
    let error = fence_unit(&unit(false, long_ago_us), true, &seen).await;
    let error = error.unwrap_err();
    assert!(error.contains("while web1 still answered"), "{error}");
    // What was heard may have waited.
    let lately_us = monotonic_us() - 5_000_000;
    fence_unit(&unit(false, lately_us), true, &seen)
        .await
        .unwrap();
    // Another guest is heard.
    let seen = SeenUnits::default();
    seen.heard("web2");
    fence_unit(&unit(false, long_ago_us), true, &seen)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_unit_of_an_assembly_that_answers_is_looked_at() {
    let (unit_name, down) = ("guest@web1.service", unit(false, 0));
    let (_served, bus) = systemd(&down).await;
    assert!(!check_unit(&bus, unit_name, "web1").await);
    *down.running.lock().unwrap() = true;
    assert!(check_unit(&bus, unit_name, "web1").await);
}

#[tokio::test]
async fn a_kill_that_failed_is_told_if_the_unit_does_not_stop() {
    let stubborn = Arc::new(FakeUnit {
        running: Mutex::new(true),
        down_us: 1,
        killable: false,
        stoppable: false,
    });
    let error = fence_unit(&stubborn, true, &SeenUnits::default())
        .await
        .unwrap_err();
    assert!(
        error.contains("not done within") && error.contains("could not be killed"),
        "{error}"
    );
}

/// Lets web1 in with the fake agent, within three seconds.
async fn let_in(gate: &Gate, ends: tokio::sync::watch::Receiver<bool>) -> Result<(), String> {
    let_in_by(gate, vec![unfencing()], ends).await
}

async fn let_in_by(
    gate: &Gate,
    devices: Vec<DeviceUse>,
    ends: tokio::sync::watch::Receiver<bool>,
) -> Result<(), String> {
    let request = UnfenceRequest {
        assembly: "web1".into(),
        attempt: 1,
        devices,
        timeout_ms: 3_000,
    };
    unfence(gate, &request, ends).await
}

fn unfencing() -> DeviceUse {
    let mut used = use_of("web1", "fence_fake", &[], &BTreeSet::new());
    used.device.unfences = true;
    used
}

/// One that says for whom it is.
fn listing(port: &str) -> DeviceUse {
    let mut used = unfencing();
    used.device.id = format!("by-{port}");
    used.device.check = HostCheck::List;
    used.device.list = Command {
        action: "list".to_owned(),
        ..used.device.status.clone()
    };
    port.clone_into(&mut used.port);
    used
}

#[tokio::test]
async fn a_device_that_is_for_others_lets_in_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let gate = fake(
        folder.path(),
        &format!("{METADATA}\nlist) echo web1 ;;\non) exit 0 ;;"),
    );
    let mut letting_in = LettingIn::default();
    let both = vec![listing("other"), listing("web1")];
    let_in_by(&gate, both, letting_in.begin(1)).await.unwrap();
    let done = told(folder.path());
    let asked = done.iter().filter(|action| *action == "on");
    assert_eq!(asked.count(), 1, "only the one that is for it");
    // If all are for others, nobody has let it in.
    let none = vec![listing("other"), listing("another")];
    let error = let_in_by(&gate, none, letting_in.begin(2))
        .await
        .unwrap_err();
    assert!(
        error.contains("no device that unfences is for it (by-other: it is not for web1: it does not list \"other\"; by-another: "),
        "{error}"
    );
}

/// One that is for those of whom it knows the status.
fn knowing(port: &str) -> DeviceUse {
    let mut used = listing(port);
    used.device.check = HostCheck::Status;
    used.device.monitor = Command {
        action: "monitor".to_owned(),
        ..used.device.status.clone()
    };
    used
}

/// Knows the status of web1 and of nobody else.
const STATUS_OF_WEB1: &str = "status) case \"$input\" in *plug=web1*) exit 0 ;; esac; exit 1 ;;";

#[tokio::test]
async fn a_device_that_is_well_and_knows_no_status_of_a_guest_is_for_others() {
    let folder = tempfile::tempdir().unwrap();
    // Of the device as such it is asked, not of a guest.
    let monitor = "monitor) case \"$input\" in *plug=*) exit 1 ;; esac ;;";
    let gate = fake(
        folder.path(),
        &format!("{METADATA}\n{STATUS_OF_WEB1}\n{monitor}\non) exit 0 ;;"),
    );
    let mut letting_in = LettingIn::default();
    let both = vec![knowing("other"), knowing("web1")];
    let_in_by(&gate, both, letting_in.begin(1)).await.unwrap();
    let none = vec![knowing("other")];
    let error = let_in_by(&gate, none, letting_in.begin(2))
        .await
        .unwrap_err();
    let said = "no device that unfences is for it (by-other: it is not for web1: \"status\" ends with exit status 1";
    assert!(error.contains(said), "{error}");
}

#[tokio::test]
async fn no_guest_is_let_in_while_a_device_does_not_say_for_whom_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut letting_in = LettingIn::default();
    // Nearly every failure is exit status 1: one that cannot be reached either.
    let unreachable = format!("{STATUS_OF_WEB1}\nmonitor) echo 'no route' >&2; exit 1 ;;");
    let odd = "status) case \"$input\" in *plug=web1*) exit 0 ;; esac; exit 3 ;;".to_owned();
    let killed = "status) case \"$input\" in *plug=web1*) exit 0 ;; esac; kill -9 $$ ;;".to_owned();
    for (cases, why) in [
        (unreachable, "exit status 1, and the device is not well: "),
        (odd, "exit status 3"),
        (killed, "a signal"),
    ] {
        let gate = fake(
            folder.path(),
            &format!("{METADATA}\n{cases}\non) exit 0 ;;"),
        );
        let both = vec![knowing("other"), knowing("web1")];
        let error = let_in_by(&gate, both, letting_in.begin(1))
            .await
            .unwrap_err();
        let said =
            format!("by-other: it does not say whether it is for web1: \"status\" ends with {why}");
        assert!(error.contains(&said), "{error}");
    }
}

#[tokio::test]
async fn a_guest_is_let_in_by_the_action_on_whatever_the_status() {
    let folder = tempfile::tempdir().unwrap();
    let gate = fake(folder.path(), &format!("{METADATA}\non) exit 0 ;;"));
    let mut letting_in = LettingIn::default();
    let_in(&gate, letting_in.begin(1)).await.unwrap();
    assert_eq!(told(folder.path()), ["metadata", "on"]);
    let cases = format!("{METADATA}\non) echo 'no such port' >&2; exit 1 ;;");
    let gate = fake(folder.path(), &cases);
    let error = let_in(&gate, letting_in.begin(2)).await.unwrap_err();
    assert!(error.contains("exit status 1: no such port"), "{error}");
}

#[tokio::test]
async fn an_end_that_is_told_is_the_end_of_the_agent() {
    let folder = tempfile::tempdir().unwrap();
    let cases = format!("{METADATA}\non) touch begun; sleep 2; touch let-in ;;");
    let gate = fake(folder.path(), &cases);
    let mut letting_in = LettingIn::default();
    let ends = letting_in.begin(7);
    let begun = folder.path().join("begun");
    let attempt = tokio::spawn(async move { let_in(&gate, ends).await });
    while !begun.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    letting_in.end(7);
    let error = attempt.await.unwrap().unwrap_err();
    assert!(error.contains("it was ended"), "{error}");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!folder.path().join("let-in").exists(), "it was killed");
}

#[tokio::test]
async fn an_agent_that_hangs_is_killed_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let cases = format!("{METADATA}\non) sleep 4; touch let-in ;;");
    let gate = fake(folder.path(), &cases);
    let error = let_in(&gate, LettingIn::default().begin(1)).await;
    // Whoever could end it is gone, which ends it too.
    assert!(error.is_err());
    let mut letting_in = LettingIn::default();
    let error = let_in(&gate, letting_in.begin(1)).await.unwrap_err();
    assert!(error.contains("not done in time"), "{error}");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!folder.path().join("let-in").exists(), "it was killed");
}

#[tokio::test]
async fn an_agent_whose_on_has_to_run_in_the_guest_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = r#"metadata) echo '<resource-agent name="fence_fake"><parameters><parameter name="plug" unique="0"/></parameters><actions><action name="on" on_target="1" automatic="1"/><action name="off"/></actions></resource-agent>' ;;"#;
    let gate = fake(folder.path(), metadata);
    let mut letting_in = LettingIn::default();
    let error = let_in(&gate, letting_in.begin(1)).await.unwrap_err();
    assert!(error.contains("has to run in the guest"), "{error}");
    assert_eq!(told(folder.path()), ["metadata"]);
}
