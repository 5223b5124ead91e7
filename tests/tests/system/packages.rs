//! The packages: made of what is installed, checked, and used in private Debian systems.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use end_to_end::{Document, Lab, System, layer, project_dir};

/// A folder for packages, gone with the test.
struct Folder(PathBuf);

impl Folder {
    #[track_caller]
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).expect("a folder for packages can be made");
        Folder(path)
    }

    /// The files whose names end so.
    fn files(&self, end: &str) -> Vec<PathBuf> {
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
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(project_dir())
        .env("COMPRESSION", "-Zxz -z0")
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
fn pack(script: &str, folder: &Folder, version: &str) {
    let _packing = PACKING.lock();
    let (tree, out) = (layer(), &folder.0);
    run(
        script,
        &[&tree.to_string_lossy(), &out.to_string_lossy(), version],
    );
}

#[test]
fn debian_packages_are_made_and_lintian_has_nothing_to_say() {
    let folder = Folder::new("lintian");
    pack("mk/deb.sh", &folder, "0.1.0");
    let changes = folder.files(".changes");
    let said = run(
        "lintian",
        &[
            "--allow-root",
            "--fail-on=error,warning",
            &changes[0].to_string_lossy(),
        ],
    );
    assert_eq!(said, "");
}

#[test]
fn rpm_packages_hold_every_file_once_and_rpmlint_has_nothing_to_say() {
    let folder = Folder::new("rpmlint");
    pack("mk/rpm.sh", &folder, "0.1.0");
    let packages = folder.files(".rpm");
    let packages: Vec<_> = packages.iter().map(|path| path.to_string_lossy()).collect();
    let names: Vec<&str> = packages.iter().map(AsRef::as_ref).collect();
    let said = run(
        "rpmlint",
        &[&["-c", "mk/packages/rpmlint.toml"], names.as_slice()].concat(),
    );
    // Warnings alone would not fail it.
    assert!(said.contains("0 errors, 0 warnings"), "{said}");

    let listed = run(
        "rpm",
        &[
            &["--dbpath", &folder.0.to_string_lossy(), "-qpl"],
            names.as_slice(),
        ]
        .concat(),
    );
    let mut packed: Vec<&str> = listed
        .lines()
        .map(|path| path.trim_end_matches(".gz"))
        .collect();
    packed.sort_unstable();
    let once = packed.len();
    packed.dedup();
    assert_eq!(packed.len(), once, "a file is in two packages");
    let tree = layer();
    let files = run("find", &[&tree.to_string_lossy(), "!", "-type", "d"]);
    for file in files.lines() {
        let path = file.strip_prefix(&*tree.to_string_lossy()).unwrap();
        assert!(
            packed.binary_search(&path).is_ok() || path == "/usr/share/doc/cpe/LICENSE",
            "no package has {path}"
        );
    }
}

/// Puts a folder's packages of a version where host and guests find them.
#[track_caller]
fn bring(lab: &Lab, folder: &Folder, version: &str) {
    lab.sh(&format!("mkdir -p /srv/shared/{version}")).ok();
    for file in folder.files(".deb") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let (package, rest) = name.split_once('_').unwrap();
        if !rest.starts_with(&format!("{version}_")) {
            continue;
        }
        let to = format!(
            "/proc/{}/root/srv/shared/{version}/{package}.deb",
            lab.pid1()
        );
        std::fs::copy(&file, &to).unwrap_or_else(|error| panic!("{to}: {error}"));
    }
}

fn install_on_host(lab: &Lab, version: &str) -> end_to_end::Output {
    lab.sh(&format!(
        "cd /srv/shared/{version} && dpkg -i cpectl.deb cpe.deb cpe-gateway.deb 2>&1"
    ))
}

/// Every page of what is installed on the host is found by `man`, that of this machine.
#[track_caller]
fn assert_man_finds_every_page(lab: &Lab) {
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

fn install_in_guests(lab: &Lab, version: &str) {
    for guest in ["a", "b"] {
        lab.in_guest(
            guest,
            &format!("dpkg -i /srv/shared/{version}/cpe-agent.deb 2>&1"),
        )
        .ok();
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

fn upgrade_with_a_service(lab: &Lab) {
    lab.deploy(&Document::new("shop", &["a", "b"]).sleeper("db", 100_501));
    let (services, former) = (lab.sleepers(100_501), daemons(lab));
    let told = lab.events().len();
    install_on_host(lab, "0.1.0").ok();
    install_in_guests(lab, "0.1.0");
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

#[test]
fn packages_are_installed_upgraded_refused_removed_and_purged() {
    let folder = Folder::new("upgrade");
    pack("mk/deb.sh", &folder, "0.0.9");
    pack("mk/deb.sh", &folder, "0.1.0");
    let lab = Lab::boot_bare("packages");
    lab.sh("/srv/lab/guests.sh net; find /usr /etc /var/lib /var/log -path /var/lib/machines -prune -o '(' -name '*cpe*' -o -name '*dpe*' ')' -print | sort > /srv/before")
        .ok();
    bring(&lab, &folder, "0.0.9");
    bring(&lab, &folder, "0.1.0");

    install_on_host(&lab, "0.0.9").ok();
    assert_eq!(
        lab.sh("systemctl is-active cpe.service").stdout.trim(),
        "active"
    );
    assert_man_finds_every_page(&lab);
    let lab = lab.with_guests(&["a", "b"]);
    install_in_guests(&lab, "0.0.9");
    upgrade_with_a_service(&lab);

    let downgrade = install_on_host(&lab, "0.0.9");
    assert!(
        downgrade.code != 0
            && downgrade
                .stdout
                .contains("0.1.0 is installed, and 0.0.9 cannot read"),
        "{downgrade:#?}"
    );
    let removal = lab.sh("dpkg -r cpe-gateway cpe 2>&1");
    assert!(
        removal.code != 0 && removal.stdout.contains("cpe: there are deployments: shop"),
        "{removal:#?}"
    );
    assert!(lab.status("shop").is_settled() && lab.sleepers(100_501).len() == 1);

    lab.cpectl(&["destroy", "--wait", "shop"]).ok();
    lab.sh("mkdir -p /etc/cpe/gateway /var/log/cpe-notify && dpkg -r cpe-gateway cpe && test -e /etc/cpe/cpe.toml && ! systemctl is-active cpe.service && dpkg -P cpe-gateway cpe cpectl")
        .ok();
    let left = lab.sh("find /usr /etc /var/lib /var/log -path /var/lib/machines -prune -o '(' -name '*cpe*' -o -name '*dpe*' ')' -print | sort | comm -13 /srv/before -; systemctl list-unit-files --no-legend 'cpe*' 'dpe*' || :");
    assert_eq!(left.stdout.trim(), "", "something is left");
    lab.in_guest(
        "a",
        "dpkg -P cpe-agent 2>&1 && ! test -e /usr/bin/cpe-agent",
    )
    .ok();
}
