//! RPM packages: made on this machine, and installed by its `rpm` in a private system without one.

use std::path::PathBuf;
use std::process::Command;

use super::{Folder, assert_man_finds_every_page, pack, run, upgrade_with_a_service};
use crate::{Lab, Output, System, layer};

/// Four RPMs that hold every file once, without an error or a warning. Panics if not.
pub fn rpmlint_has_nothing_to_say() {
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

/// Where something is installed: the lab's host, or a guest.
struct Place {
    /// Its first process, as this machine counts.
    pid: u32,
    /// Its `rpm`'s database. SQLite takes `/proc/PID/root` for `/`, so that it is a folder of this
    /// machine, and not of the place: one of the test's own.
    database: PathBuf,
}

impl Place {
    fn host(lab: &Lab, folder: &Folder) -> Place {
        let database = folder.0.join("database/host");
        Place {
            pid: lab.pid1(),
            database,
        }
    }

    #[track_caller]
    fn guest(lab: &Lab, folder: &Folder, guest: &str) -> Place {
        let show = ["machinectl", "show", "--property=Leader", "--value", guest];
        let leader = lab.run(&show).ok();
        let space = format!("/proc/{}/root/proc/{}/ns/pid", lab.pid1(), leader.trim());
        let space = std::fs::read_link(space).expect("the guest runs");
        let processes = std::fs::read_dir("/proc").expect("/proc can be read");
        let mut pids = processes.flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_string_lossy().parse().ok()?;
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let numbers = status.lines().find(|line| line.starts_with("NSpid:"))?;
            let is_first = numbers.split_whitespace().next_back() == Some("1");
            let own = std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
            (is_first && own == space).then_some(pid)
        });
        let pid = pids.next().expect("the guest has a first process");
        let database = folder.0.join("database").join(guest);
        Place { pid, database }
    }

    /// Runs `rpm` there, in its namespaces and for its root.
    #[track_caller]
    fn rpm(&self, arguments: &[&str]) -> Output {
        std::fs::create_dir_all(&self.database).expect("a folder for a database can be made");
        let place = format!("/proc/{}", self.pid);
        let spaces =
            ["pid", "net", "ipc", "uts"].map(|space| format!("--{space}={place}/ns/{space}"));
        let output = Command::new("nsenter")
            .args(spaces)
            .args(["--", "rpm", "--root", &format!("{place}/root"), "--dbpath"])
            .arg(&self.database)
            .args(arguments)
            .output()
            .expect("nsenter can be run");
        output.into()
    }

    /// Changes what is installed. Debian's `rpm` wants to be forced, and what packages depend on
    /// was installed by dpkg.
    #[track_caller]
    fn change(&self, how: &str, packages: &[&str]) -> Output {
        self.rpm(&[&["--force-debian", "--nodeps", how], packages].concat())
    }

    /// Installs or upgrades packages of a version.
    #[track_caller]
    fn install(&self, folder: &Folder, packages: &[&str], version: &str) -> Output {
        let files = files(folder, version, packages);
        assert_eq!(files.len(), packages.len(), "{files:?}");
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        self.change("--upgrade", &files)
    }

    /// Packages that are installed, with their versions.
    #[track_caller]
    fn installed(&self) -> Vec<String> {
        let format = "%{NAME} %{VERSION}\\n";
        let listed = self.rpm(&["--query", "--all", "--queryformat", format]);
        let mut lines: Vec<String> = listed.ok().lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }
}

/// The files of some packages of a version.
fn files(folder: &Folder, version: &str, packages: &[&str]) -> Vec<String> {
    let all = folder.files(".rpm").into_iter();
    let paths = all.map(|path| path.to_string_lossy().into_owned());
    paths
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap_or_default();
            packages
                .iter()
                .any(|package| name.starts_with(&format!("{package}-{version}-")))
        })
        .collect()
}

const ON_HOSTS: [&str; 3] = ["cpectl", "cpe", "cpe-gateway"];
const IN_GUESTS: [&str; 1] = ["cpe-agent"];
const GUESTS: [&str; 2] = ["a", "b"];

/// Installed, used, upgraded with a service, refused and removed. Panics where that fails.
pub fn rpm_packages_live_and_go() {
    let folder = Folder::new("rpm-upgrade");
    pack("mk/rpm.sh", &folder, "0.0.9");
    pack("mk/rpm.sh", &folder, "0.1.0");
    let lab = Lab::boot_bare("rpms");
    lab.sh("/srv/lab/guests.sh net; touch /srv/before; sleep 0.1")
        .ok();
    let host = Place::host(&lab, &folder);
    host.install(&folder, &ON_HOSTS, "0.0.9").ok();
    assert_eq!(
        lab.sh("systemctl is-active cpe.service").stdout.trim(),
        "active"
    );
    lab.cpectl(&["list"]).ok();
    assert_man_finds_every_page(&lab);
    let lab = lab.with_guests(&GUESTS);
    let guests = GUESTS.map(|guest| Place::guest(&lab, &folder, guest));
    for guest in &guests {
        guest.install(&folder, &IN_GUESTS, "0.0.9").ok();
    }
    upgrade_with_a_service(&lab, || {
        host.install(&folder, &ON_HOSTS, "0.1.0").ok();
        for guest in &guests {
            guest.install(&folder, &IN_GUESTS, "0.1.0").ok();
        }
    });
    assert_eq!(
        host.installed(),
        ["cpe 0.1.0", "cpe-gateway 0.1.0", "cpectl 0.1.0"]
    );
    assert_eq!(guests[0].installed(), ["cpe-agent 0.1.0"]);
    let downgrade = host.install(&folder, &ON_HOSTS, "0.0.9");
    assert_ne!(downgrade.code, 0, "{downgrade:#?}");
    refused_then_removed(&lab, &host);
    guests[0].change("--erase", &IN_GUESTS).ok();
    lab.in_guest(
        "a",
        "! test -e /usr/bin/cpe-agent && ! systemctl is-active cpe-agent.service",
    )
    .ok();
}

fn refused_then_removed(lab: &Lab, host: &Place) {
    let removal = host.change("--erase", &["cpe"]);
    assert!(
        removal.code != 0 && removal.stderr.contains("cpe: there are deployments: shop"),
        "{removal:#?}"
    );
    assert!(lab.status("shop").is_settled());
    lab.cpectl(&["destroy", "--wait", "shop"]).ok();
    host.change("--erase", &ON_HOSTS).ok();
    assert_ne!(lab.sh("systemctl is-active cpe.service").code, 0);
    let left = lab.sh("find /usr /etc -newer /srv/before '(' -name '*cpe*' -o -name '*dpe*' -o -name '*cloudpolicy*' ')' ! -path '/etc/cpe*' -print; systemctl daemon-reload; systemctl list-unit-files --no-legend 'cpe*' 'dpe*' || :");
    assert_eq!(left.stdout.trim(), "", "something is left");
}
