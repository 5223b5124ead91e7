//! Devices that are played here: fake fence agents, and a fake systemd with one unit.

use std::path::{Path, PathBuf};

use super::*;

const METADATA: &str = r#"metadata) echo '<action name="on"/><action name="off"/><action name="status"/></resource-agent>' ;;"#;

/// A fake fence agent that writes down what it is told, then does what `cases` say for the
/// action.
fn fake(folder: &Path, cases: &str) -> PathBuf {
    let program = folder.join("fence_fake");
    let written = folder.join("written");
    let script = format!(
        "#!/bin/sh\ncd {}\ninput=$(cat)\nprintf '%s\\n' \"$input\" >> told\nenv >> environment\ncase ${{input##*action=}} in\n{cases}\nesac\n",
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
    program
}

async fn power(program: PathBuf, reboot: bool) -> Result<(), String> {
    let device = device_of("fence_fake", vec![("plug".to_owned(), "web1".to_owned())]);
    let agent = Agent {
        program,
        device: &device,
        host: Vec::new(),
    };
    let trouble = Mutex::new(String::new());
    let switched = async {
        let known = agent.metadata().await?;
        agent.power(&known, reboot, &trouble).await
    };
    let powered = tokio::time::timeout(Duration::from_secs(3), switched);
    match powered.await {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(_) => Err(trouble.into_inner().unwrap()),
    }
}

fn told(folder: &Path) -> Vec<String> {
    let told = std::fs::read_to_string(folder.join("told")).unwrap();
    let actions = told.lines().filter_map(|line| line.strip_prefix("action="));
    actions.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_device_is_off_when_its_status_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let program = fake(
        folder.path(),
        &format!("{METADATA}\noff) touch is-off ;;\nstatus) test -e is-off && exit 2 ;;"),
    );
    power(program, true).await.unwrap();
    assert_eq!(told(folder.path()), ["metadata", "off", "status", "on"]);
    let told = std::fs::read_to_string(folder.path().join("told")).unwrap();
    assert!(told.starts_with("plug=web1\naction=metadata\n"), "{told}");
}

#[tokio::test]
async fn a_device_that_lies_about_its_off_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let program = fake(
        folder.path(),
        &format!("{METADATA}\noff) exit 0 ;;\nstatus) exit 0 ;;"),
    );
    let error = power(program, false).await.unwrap_err();
    assert!(error.contains("\"status\" ends with"), "{error}");
}

#[tokio::test]
async fn an_agent_that_knows_no_status_is_asked_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let program = fake(
        folder.path(),
        "metadata) echo '<action name=\"reboot\"/></resource-agent>' ;;\nreboot) ;;\n*) exit 1 ;;",
    );
    power(program.clone(), true).await.unwrap();
    assert_eq!(told(folder.path()), ["metadata", "reboot"]);
    let error = power(program, false).await.unwrap_err();
    assert!(error.contains("exit status: 1"), "{error}");
}

#[tokio::test]
async fn an_agent_that_does_not_say_what_it_can_do_is_not_believed() {
    for cases in [
        "metadata) exit 1 ;;\n*) ;;",
        "metadata) echo '<action name=\"reboot\"/>' ;;\n*) ;;",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = power(fake(folder.path(), cases), true).await.unwrap_err();
        assert!(error.contains("does not say what it can do"), "{error}");
        assert_eq!(told(folder.path()), ["metadata"]);
    }
}

#[tokio::test]
async fn an_agent_sees_nothing_of_the_daemons_environment() {
    let folder = tempfile::tempdir().unwrap();
    let cases = format!("{METADATA}\nstatus) exit 2 ;;");
    power(fake(folder.path(), &cases), false).await.unwrap();
    let environment = std::fs::read_to_string(folder.path().join("environment")).unwrap();
    assert!(environment.contains("PATH="), "{environment}");
    assert!(!environment.contains("CARGO"), "{environment}");
}

#[tokio::test]
async fn nothing_of_an_agent_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    // One that ends and leaves somebody behind, and one that is given up.
    let cases = format!(
        "metadata) (sleep 2; touch ended-later) > said 2>&1 &\n{}\n*) (sleep 5; touch given-up-later) & sleep 5 ;;",
        METADATA.trim_start_matches("metadata)")
    );
    assert!(power(fake(folder.path(), &cases), false).await.is_err());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!folder.path().join("ended-later").exists());
    assert!(!folder.path().join("given-up-later").exists());
}

#[test]
fn a_value_with_a_line_break_is_refused() {
    let password = ("password".to_owned(), "a\naction=on".to_owned());
    let device = device_of("fence_fake", vec![password]);
    let agent = Agent {
        program: PathBuf::new(),
        device: &device,
        host: Vec::new(),
    };
    assert!(agent.input("off").is_err());
}

/// A fake systemd with one unit.
struct Systemd(Arc<FakeUnit>);

struct FakeUnit {
    running: Mutex<bool>,
    entered_us: u64,
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
    fn active_enter_timestamp(&self) -> u64 {
        self.0.entered_us
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

async fn fence_unit(unit: &Arc<FakeUnit>, seen: &SeenUnits) -> Result<(), String> {
    let (_served, bus) = systemd(unit).await;
    let request = FenceRequest {
        assembly: "web1".into(),
        attempt: 1,
        device: FenceDevice::Unit {
            unit: "guest@web1.service".into(),
        },
        reboot: false,
        timeout_ms: 300,
        delay_ms: 0,
    };
    fence(&request, Some(bus), seen).await
}

fn unit(running: bool, entered_us: u64) -> Arc<FakeUnit> {
    Arc::new(FakeUnit {
        running: Mutex::new(running),
        entered_us,
        killable: true,
        stoppable: true,
    })
}

#[tokio::test]
async fn a_unit_that_was_never_seen_active_is_not_taken_for_down() {
    let seen = SeenUnits::default();
    let mistyped = unit(false, 0);
    let error = fence_unit(&mistyped, &seen).await.unwrap_err();
    assert!(error.contains("never seen active"), "{error}");
    // systemd knows that it was.
    fence_unit(&unit(false, 5), &seen).await.unwrap();
    // It is, and then it is not.
    let running = unit(true, 0);
    fence_unit(&running, &seen).await.unwrap();
    assert!(!running.is_running());
    fence_unit(&running, &seen).await.unwrap();
}

#[tokio::test]
async fn a_unit_of_an_assembly_that_answers_is_looked_at() {
    let (unit_name, down, seen) = ("guest@web1.service", unit(false, 0), SeenUnits::default());
    let (_served, bus) = systemd(&down).await;
    check_unit(&bus, unit_name, "web1", &seen).await;
    assert!(!seen.has(unit_name));
    *down.running.lock().unwrap() = true;
    check_unit(&bus, unit_name, "web1", &seen).await;
    assert!(seen.has(unit_name));
}

#[tokio::test]
async fn a_kill_that_failed_is_told_if_the_unit_does_not_stop() {
    let stubborn = Arc::new(FakeUnit {
        running: Mutex::new(true),
        entered_us: 1,
        killable: false,
        stoppable: false,
    });
    let error = fence_unit(&stubborn, &SeenUnits::default())
        .await
        .unwrap_err();
    assert!(
        error.contains("not done within") && error.contains("could not be killed"),
        "{error}"
    );
}
