//! Guests as plain processes: units of the user's service manager that run `cpe-agent`, with `cpe`
//! and the DPEs beside them. For machines on which no private system can be booted. They share the
//! machine's network and files, so their document has no addresses of its own. Killing a unit's
//! control group stands for cutting a guest's power.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::lab::project_dir;
use crate::system::{Output, System};

/// Only units of this template are guests.
const GUEST_UNIT: &str = "cpe-demo-guest@";
/// In `examples/three-tier-local.xml` this stands for the folder that is made for one run.
const FOLDER_IN_EXAMPLE: &str = "/run/user/1000/cpe-demo";

/// `cpe` and guests under the user's service manager. Stopped and removed when dropped.
pub struct Processes {
    /// Everything that they write: `$XDG_RUNTIME_DIR/cpe-demo`.
    folder: PathBuf,
    /// Where the built programs are.
    programs: PathBuf,
    guests: Vec<String>,
}

impl Processes {
    /// What this machine lacks to run it; `None` if nothing.
    pub fn missing_prerequisite() -> Option<String> {
        let Some(runtime) = runtime_dir() else {
            return Some(
                "a user's service manager (XDG_RUNTIME_DIR is not set: is anybody logged in?)"
                    .into(),
            );
        };
        let outer = |argv: &[&str]| command(argv).is_ok_and(|output| output.code == 0);
        if !outer(&["busctl", "--user", "status"]) {
            return Some(
                "a user's service manager with a bus (`busctl --user status` fails)".into(),
            );
        }
        if runtime.join("cpe-demo").exists()
            || outer(&["busctl", "--user", "status", "org.cloudpolicy.Cpe1"])
        {
            return Some(format!(
                "a user bus without another cpe (stop it, and remove {})",
                runtime.join("cpe-demo").display()
            ));
        }
        let programs = ["nginx", "redis-server", "python3", "curl", "pgrep"];
        programs
            .into_iter()
            .find(|name| find_program(name).is_none())
            .map(|name| format!("{name} (not in PATH)"))
    }

    /// Starts `cpe` and the guests.
    ///
    /// # Errors
    /// A unit does not start; the error has systemd's message.
    pub fn start(guests: &[&str]) -> anyhow::Result<Processes> {
        let runtime = runtime_dir().context("XDG_RUNTIME_DIR is not set")?;
        let programs = std::env::current_exe()?;
        let processes = Processes {
            folder: runtime.join("cpe-demo"),
            programs: programs
                .parent()
                .context("a program lies in a folder")?
                .to_owned(),
            guests: guests.iter().map(|&name| name.to_owned()).collect(),
        };
        processes.prepare()?;
        let mut units = vec!["cpe.service".to_owned()];
        units.extend(
            guests
                .iter()
                .map(|name| format!("{GUEST_UNIT}{name}.service")),
        );
        let mut start = vec!["start"];
        start.extend(units.iter().map(String::as_str));
        let started = processes.manage(&start);
        ensure!(
            started.code == 0,
            "the units do not start: {}",
            started.stderr
        );
        Ok(processes)
    }

    fn prepare(&self) -> anyhow::Result<()> {
        let folder = self.folder.display();
        let programs = self.programs.display();
        let example = project_dir().join("examples");
        for part in ["bin", "data", "web", "ocf/resource.d"] {
            std::fs::create_dir_all(self.folder.join(part))?;
        }
        for name in ["nginx", "redis-server"] {
            let program = find_program(name).with_context(|| format!("{name} is not installed"))?;
            std::os::unix::fs::symlink(program, self.folder.join("bin").join(name))?;
        }
        std::os::unix::fs::symlink(
            example.join("guest/usr/lib/ocf/resource.d/shop"),
            self.folder.join("ocf/resource.d/shop"),
        )?;
        std::os::unix::fs::symlink(
            example.join("guest/usr/lib/shop/app.py"),
            self.folder.join("bin/app.py"),
        )?;
        std::os::unix::fs::symlink(
            example.join("local/nginx.conf"),
            self.folder.join("web/nginx.conf"),
        )?;
        let document = std::fs::read_to_string(example.join("three-tier-local.xml"))?
            .replace(FOLDER_IN_EXAMPLE, &folder.to_string());
        let modified = document.replace("Welcome to the shop.", "Winter sale!");
        ensure!(
            document != modified,
            "the example has no greeting to change"
        );
        std::fs::write(self.folder.join("document.xml"), document)?;
        std::fs::write(self.folder.join("modified.xml"), modified)?;

        let shipped = project_dir().join("systemd/usr/lib/systemd/user");
        for (unit, command) in [
            (
                "cpe.service",
                format!("{programs}/cpe --bus user --state-dir {folder}/cpe"),
            ),
            (
                "dpe@.service",
                format!("{programs}/dpe %i --bus user --state-dir {folder}/dpe/%i"),
            ),
        ] {
            let text = std::fs::read_to_string(shipped.join(unit))?;
            self.write_unit(unit, &with_command(&text, &command))?;
        }
        self.write_unit(
            &format!("{GUEST_UNIT}.service"),
            &format!(
                "[Unit]\nDescription=Guest %i of the demonstration\n\n[Service]\nType=notify\n\
                 ExecStartPre=/bin/rm -rf {folder}/%i\n\
                 ExecStartPre=/bin/mkdir -p {folder}/%i\n\
                 ExecStartPre=/bin/cp --no-preserve=mode /proc/sys/kernel/random/uuid {folder}/%i/boot-id\n\
                 ExecStart={programs}/cpe-agent --listen unix:{folder}/%i/agent.sock --state-dir {folder}/%i/state \
                 --boot-id-file {folder}/%i/boot-id --resource-agents {folder}/ocf --resource-tmp {folder}/%i/tmp \
                 --systemd-bus user --reboot-command 'systemctl --user kill --signal=KILL {GUEST_UNIT}%i.service'\n\
                 TimeoutStopSec=10s\n"
            ),
        )?;
        let reloaded = self.manage(&["daemon-reload"]);
        ensure!(
            reloaded.code == 0,
            "systemd does not reload: {}",
            reloaded.stderr
        );
        Ok(())
    }

    fn unit_file(&self, name: &str) -> PathBuf {
        let runtime = self.folder.parent().unwrap_or(Path::new("/"));
        runtime.join("systemd/user").join(name)
    }

    fn write_unit(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = self.unit_file(name);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// A file of the folder, for `cpectl`.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

impl System for Processes {
    fn run(&self, argv: &[&str]) -> Output {
        command(argv).unwrap_or_else(|error| Output {
            code: -1,
            stdout: String::new(),
            stderr: error.to_string(),
        })
    }

    fn systemctl(&self) -> &[&str] {
        &["systemctl", "--user"]
    }

    fn cpectl_program(&self) -> Vec<String> {
        let program = self.programs.join("cpectl").to_string_lossy().into_owned();
        vec![program, "--bus".into(), "user".into()]
    }

    fn guest_unit(&self) -> &str {
        GUEST_UNIT
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        let mut stop = vec![
            "stop".to_owned(),
            "cpe.service".into(),
            "dpe@*.service".into(),
        ];
        stop.extend(
            self.guests
                .iter()
                .map(|name| format!("{GUEST_UNIT}{name}.service")),
        );
        self.manage(&stop.iter().map(String::as_str).collect::<Vec<_>>());
        self.manage(&["reset-failed", &format!("{GUEST_UNIT}*")]);
        for unit in [
            "cpe.service",
            "dpe@.service",
            &format!("{GUEST_UNIT}.service"),
        ] {
            let _ = std::fs::remove_file(self.unit_file(unit));
        }
        self.manage(&["daemon-reload"]);
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} is left over: {error}", self.folder.display());
        }
    }
}

/// A shipped unit with another command and another place for its state.
fn with_command(unit: &str, command: &str) -> String {
    let lines = unit
        .lines()
        .filter(|line| !line.starts_with("StateDirectory"));
    lines.fold(String::new(), |text, line| {
        let line = match line.split_once('=') {
            Some(("ExecStart", _)) => format!("ExecStart={command}"),
            _ => line.to_owned(),
        };
        text + &line + "\n"
    })
}

fn runtime_dir() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
}

/// A program in PATH or the administrator's folders, which users' PATHs often lack.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn command(argv: &[&str]) -> std::io::Result<Output> {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .output()?;
    Ok(output.into())
}
