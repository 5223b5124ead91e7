//! Booting, commanding and ending one private system.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::document::Document;
use crate::system::{Output, System};

/// One private system. Powered off when dropped; its journal is printed if the test failed.
pub struct Lab {
    name: String,
    started: Instant,
}

/// The project's root directory.
pub fn project_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("invariant: tests/ lies in the project")
        .to_owned()
}

fn scripts() -> PathBuf {
    project_dir().join("tests/lab")
}

/// Where `make lab` puts the built roots (`roots/`) and the installed tree (`layer/`).
pub fn prepared() -> PathBuf {
    std::env::var_os("CPE_LAB").map_or_else(|| project_dir().join("target/lab"), PathBuf::from)
}

/// The installed tree that is laid over host and guests: `$CPE_LAB_LAYER`, else what `make lab`
/// installed.
pub fn layer() -> PathBuf {
    std::env::var_os("CPE_LAB_LAYER").map_or_else(|| prepared().join("layer"), PathBuf::from)
}

/// What this machine lacks to run a lab; `None` if nothing.
pub fn missing_prerequisite() -> Option<String> {
    // The effective uid is in the status file of the process.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|rest| rest.split_whitespace().nth(1));
    if uid != Some("0") {
        return Some(
            "root (namespaces and a cgroup are made): run it through `make`, which uses sudo"
                .into(),
        );
    }
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    if !mounts
        .lines()
        .any(|line| line.split(' ').nth(2) == Some("cgroup2"))
    {
        return Some("a mounted cgroup2 file system".into());
    }
    let parts = [
        prepared().join("roots/system"),
        prepared().join("roots/guest"),
        prepared().join("roots/cloud"),
        layer().join("usr/bin/cpe"),
    ];
    if let Some(part) = parts.iter().find(|part| !part.exists()) {
        return Some(format!("{}: run `make lab` first", part.display()));
    }
    None
}

/// What this machine lacks to run virtual machines in a lab; `None` if nothing.
pub fn missing_for_machines() -> Option<String> {
    let parts = [
        ("roots/vm/usr/bin/qemu-system-x86_64", "QEMU for x86-64"),
        ("vm/initrd", "a kernel and programs for virtual machines"),
    ];
    let absent = |(part, what): &(&str, &str)| {
        let path = prepared().join(part);
        (!path.exists()).then(|| format!("{what} ({}): `make lab` makes it", path.display()))
    };
    let missing = || parts.iter().find_map(absent);
    let tun = || {
        let tun = Path::new("/dev/net/tun");
        (!tun.exists()).then(|| "/dev/net/tun, for the machines' network".to_owned())
    };
    missing_prerequisite().or_else(missing).or_else(tun)
}

/// What this machine lacks to run several hosts; `None` if nothing.
pub fn missing_for_hosts() -> Option<String> {
    let part = prepared().join("etcd/etcd");
    let absent = || format!("{}: `make lab` makes it", part.display());
    missing_prerequisite().or_else(|| (!part.exists()).then(absent))
}

/// What this machine lacks to drive a browser; `None` if nothing.
pub fn missing_for_browsers() -> Option<String> {
    let part = prepared().join("browser/node_modules/playwright-core");
    let absent = || format!("{}: `make lab` makes it", part.display());
    (!part.exists()).then(absent)
}

/// Why this machine can have no virtual machines at all, as `make lab` found out.
pub fn no_machines() -> Option<String> {
    std::fs::read_to_string(prepared().join("no-machines")).ok()
}

/// A test's system is ended after this time.
const LIFETIME: Duration = Duration::from_secs(900);

impl Lab {
    /// Boots a private system with `cpe` running in it. `name`: `[a-z][a-z0-9-]*`, unique among
    /// the labs that run at once.
    #[track_caller]
    pub fn boot(name: &str) -> Lab {
        Lab::boot_for(name, LIFETIME)
    }

    /// [`Lab::boot`] of a system that is ended after `lifetime`, whatever becomes of its owner.
    #[track_caller]
    pub fn boot_for(name: &str, lifetime: Duration) -> Lab {
        Lab::boot_on(name, "system", lifetime)
    }

    /// [`Lab::boot`] of a system that has QEMU.
    #[track_caller]
    pub fn boot_with_machines(name: &str) -> Lab {
        Lab::boot_on(name, "vm", LIFETIME)
    }

    #[track_caller]
    fn boot_on(name: &str, root: &str, lifetime: Duration) -> Lab {
        let lab = Lab::boot_with(name, root, &layer().to_string_lossy(), lifetime);
        lab.sh("/srv/lab/guests.sh net && systemctl start cpe.service")
            .ok();
        lab
    }

    /// Boots a private system in which nothing of ours is installed.
    #[track_caller]
    pub fn boot_bare(name: &str) -> Lab {
        Lab::boot_with(name, "system", "", LIFETIME)
    }

    /// Boots one of several systems that are connected, in which nothing of ours runs yet. It has
    /// an id of its boot of its own. `binds`: folders of this machine that it sees, as
    /// `FOLDER:PATH`, or `FOLDER:PATH:ro`.
    #[track_caller]
    pub(crate) fn boot_connected(name: &str, binds: &str) -> Lab {
        let layer = layer();
        let env = [
            ("LAB_LAYERS", layer.to_string_lossy()),
            ("LAB_OWN_BOOT", "1".into()),
        ];
        Lab::boot_in(name, "system", LIFETIME, binds, &env)
    }

    /// `layers`: trees that are laid over the system's root, which is one of the built ones.
    #[track_caller]
    fn boot_with(name: &str, root: &str, layers: &str, lifetime: Duration) -> Lab {
        Lab::boot_in(name, root, lifetime, "", &[("LAB_LAYERS", layers.into())])
    }

    #[track_caller]
    fn boot_in(
        name: &str,
        root: &str,
        lifetime: Duration,
        binds: &str,
        more: &[(&str, Cow<'_, str>)],
    ) -> Lab {
        if let Some(missing) = missing_prerequisite() {
            panic!("the lab needs {missing}");
        }
        let lab = Lab {
            name: name.to_owned(),
            started: Instant::now(),
        };
        let prepared = prepared();
        let mut bind = format!(
            "{roots}/guest:/srv/guest:ro {roots}/cloud:/srv/cloud:ro {layer}:/srv/layer:ro {scripts}:/srv/lab:ro {project}/examples:/srv/examples:ro",
            roots = prepared.join("roots").display(),
            layer = layer().display(),
            scripts = scripts().display(),
            project = project_dir().display(),
        );
        // Kernel and programs of virtual machines; Pacemaker's alert agents.
        for folder in ["vm", "alerts"] {
            let path = prepared.join(folder);
            if path.exists() {
                bind += &format!(" {}:/srv/{folder}:ro", path.display());
            }
        }
        bind = format!("{bind} {binds}");
        let owner = std::process::id().to_string();
        let mut env = vec![("LAB_BIND", bind.as_str()), ("LAB_OWNER", &owner)];
        env.extend(more.iter().map(|(key, value)| (*key, value.as_ref())));
        let output = lab.script(
            &[
                "start",
                name,
                &prepared.join("roots").join(root).to_string_lossy(),
                &lifetime.as_secs().to_string(),
            ],
            &env,
        );
        assert_eq!(
            output.code, 0,
            "the private system did not boot: {output:#?}"
        );
        lab
    }

    pub(crate) fn script(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let output = Command::new(scripts().join("private-system.sh"))
            .args(args)
            .env("LAB", prepared())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("tests/lab/private-system.sh can be run");
        output.into()
    }

    /// Sends a document with `cpectl deploy` and waits until all its services run.
    #[track_caller]
    pub fn deploy(&self, document: &Document) -> Output {
        self.write("/srv/document.xml", &document.xml());
        let output = self.cpectl(&["deploy", "--wait", "/srv/document.xml"]);
        assert_eq!(
            output.code, 0,
            "the deployment did not come up: {output:#?}"
        );
        output
    }

    /// Writes a file in the lab's host.
    #[track_caller]
    pub fn write(&self, path: &str, content: &str) {
        let outside = format!("/proc/{}/root{path}", self.pid1());
        std::fs::write(&outside, content).unwrap_or_else(|error| panic!("{outside}: {error}"));
    }

    /// Gives fence agents a folder of the lab's host in which they may write, over many runs.
    #[track_caller]
    pub fn let_fence_agents_write(&self, folder: &str) {
        self.sh(&format!(
            "install -d -o cpe-fence {folder}; mkdir -p /etc/systemd/system/cpe-fence@.service.d
             printf '[Service]\\nReadWritePaths={folder}\\nExecStart=\\nExecStart=/usr/bin/cpe-fence --user cpe-fence --scratch /tmp --scratch {folder}\\n' \
               > /etc/systemd/system/cpe-fence@.service.d/scratch.conf; systemctl daemon-reload"
        ))
        .ok();
    }

    /// The name that it was booted with.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// PID 1 of the lab, as seen from this process.
    pub fn pid1(&self) -> u32 {
        let output = self.script(&["pid", &self.name], &[]);
        output
            .stdout
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("the lab {} is not running: {output:?}", self.name))
    }

    /// The address of the lab's system bus, usable from this process.
    pub fn bus_address(&self) -> String {
        format!(
            "unix:path=/proc/{}/root/run/dbus/system_bus_socket",
            self.pid1()
        )
    }

    /// Waits until `holds`, asking ten times a second; panics with `what` after `seconds`.
    #[track_caller]
    pub fn wait(&self, what: &str, seconds: u64, mut holds: impl FnMut() -> bool) -> Duration {
        let begin = Instant::now();
        while !holds() {
            assert!(
                begin.elapsed() < Duration::from_secs(seconds),
                "not within {seconds} s: {what}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        begin.elapsed()
    }
}

impl System for Lab {
    fn run(&self, argv: &[&str]) -> Output {
        let mut args = vec!["exec", &self.name];
        args.extend(argv);
        self.script(&args, &[])
    }

    fn systemctl(&self) -> &[&str] {
        &["systemctl"]
    }

    fn cpectl_program(&self) -> Vec<String> {
        vec!["cpectl".into()]
    }

    fn guest_unit(&self) -> &str {
        "systemd-nspawn@"
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let journal = self.run(&[
                "journalctl",
                "--no-pager",
                "-o",
                "short-precise",
                "-u",
                "cpe*",
                "-u",
                "dpe*",
                "-n",
                "200",
            ]);
            eprintln!(
                "--- journal of the lab {} (ran {:.1} s)\n{}",
                self.name,
                self.started.elapsed().as_secs_f64(),
                journal.stdout
            );
            let guests = self.sh("for m in $(machinectl list --no-legend | cut -d' ' -f1); do echo \"--- guest $m\"; timeout 5 journalctl -M $m --no-pager -o short-precise -u cpe-agent -n 60 || :; done");
            eprintln!("{}", guests.stdout);
        }
        let output = self.script(&["kill", &self.name], &[]);
        if output.code != 0 {
            eprintln!("the lab {} was not cleaned up: {output:?}", self.name);
        }
    }
}
