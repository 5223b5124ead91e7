//! The packages: made of what is installed, checked, and used in private systems, with guests.

mod debian;
mod rpm;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

pub use debian::{debian_packages_live_and_go, lintian_has_nothing_to_say};
pub use rpm::{rpm_packages_live_and_go, rpmlint_has_nothing_to_say};

use crate::{Document, Lab, System, layer, prepared, project_dir};

/// A folder for packages, gone with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    #[track_caller]
    pub(super) fn new(name: &str) -> Folder {
        let path = prepared().join(format!("packages/{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).expect("a folder for packages can be made");
        Folder(path)
    }

    /// The files whose names end so.
    pub(super) fn files(&self, end: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).expect("the folder can be read");
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with(end))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// What a program prints, which must succeed.
#[track_caller]
pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(project_dir())
        // Hardly compressed: nobody keeps them.
        .env("COMPRESSION", "-Zxz -z0")
        .env("PAYLOAD", "w1.gzdio")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: `make packages` installs it"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// One at a time: each reads and packs some hundred MB.
static PACKING: Mutex<()> = Mutex::new(());

/// Packages of a version, made of the tree that the lab has.
#[track_caller]
pub(super) fn pack(script: &str, folder: &Folder, version: &str) {
    let _packing = PACKING.lock();
    let (tree, out) = (layer(), &folder.0);
    run(
        script,
        &[&tree.to_string_lossy(), &out.to_string_lossy(), version],
    );
}

/// The pages of programs, files and words on the host are found by `man`, that of this machine.
#[track_caller]
pub(super) fn assert_man_finds_every_page(lab: &Lab) {
    let folder = format!("/proc/{}/root/usr/share/man", lab.pid1());
    for page in [
        "1 cpectl",
        "1 policy-simulate",
        "5 cpe.toml",
        "5 cpe-access",
        "5 cpe-deployment",
        "5 cpe-gateway.toml",
        "5 cpe-sinks",
        "7 cpe-errors",
        "7 cpe-events",
        "7 cpe-rest",
        "7 cpe-states",
        "8 cpe",
        "8 cpe-fence",
        "8 cpe-gateway",
        "8 cpe-notify",
        "8 dpe",
    ] {
        let (section, name) = page.split_once(' ').unwrap();
        let found = run("man", &["-M", &folder, "-w", section, name]);
        assert!(found.trim().ends_with(".gz"), "{page}: {found}");
    }
}

/// The main processes that an upgrade restarts.
fn daemons(lab: &Lab) -> Vec<String> {
    let mut all = vec![
        lab.main_pid("cpe.service").to_string(),
        lab.main_pid("dpe@shop.service").to_string(),
    ];
    for guest in ["a", "b"] {
        let show = format!("systemctl -M {guest} show -P MainPID cpe-agent.service");
        all.push(lab.sh(&show).ok().trim().to_owned());
    }
    all
}

/// An upgrade restarts the daemons, and no service.
#[track_caller]
pub(super) fn upgrade_with_a_service(lab: &Lab, upgrade: impl FnOnce()) {
    lab.deploy(&Document::new("shop", &["a", "b"]).sleeper("db", 100_501));
    let (services, former) = (lab.sleepers(100_501), daemons(lab));
    let told = lab.events().len();
    upgrade();
    lab.wait("everything is well after the upgrade", 30, || {
        lab.status("shop").is_settled()
    });
    assert_eq!(lab.sleepers(100_501), services, "the service was restarted");
    for (now, before) in daemons(lab).iter().zip(&former) {
        assert!(
            now != before && now != "0",
            "not restarted: {former:?}, {:?}",
            daemons(lab)
        );
    }
    let bad = [
        "assembly.lost",
        "service.failed",
        "service.started",
        "service.stopped",
    ];
    let events = lab.events();
    let news: Vec<String> = events
        .iter()
        .skip(told)
        .filter(|event| bad.contains(&&*event.kind()))
        .map(|event| event.0.to_string())
        .collect();
    assert_eq!(news, Vec::<String>::new());
}
