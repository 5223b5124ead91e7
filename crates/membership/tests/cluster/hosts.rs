//! A host: the process of its driver, and those of its fake DPEs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result};
use etcd_lab::{Lab, Ways};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) struct HostProcess {
    folder: PathBuf,
    name: String,
    boot: u64,
    pub(crate) ways: Ways,
    cpe: Option<Cpe>,
}

struct Cpe {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl HostProcess {
    pub(crate) fn new(lab: &Lab, folder: &Path, name: &str) -> Result<HostProcess> {
        Ok(HostProcess {
            folder: folder.to_owned(),
            name: name.to_owned(),
            boot: 0,
            ways: lab.ways(name)?,
            cpe: None,
        })
    }

    fn run(&self) -> PathBuf {
        self.folder.join(format!("run-{}", self.name))
    }

    fn config(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    /// The machine comes up with an empty `/run`.
    pub(crate) fn boot(&mut self, lab: &Lab) -> Result<()> {
        // Of this name and this boot.
        self.boot += 1;
        let of_name = self.name.bytes().map(u64::from).sum::<u64>();
        let tls = lab.settings(&self.name)?.tls;
        let config = serde_json::json!({
            "name": self.name,
            "boot": of_name * 1_000 + self.boot,
            "run": self.run(),
            "marks": self.folder.join("marks"),
            "endpoints": self.ways.endpoints(),
            "authority": tls.authority,
            "certificate": tls.certificate,
            "key": tls.key,
            "test": std::process::id(),
        });
        std::fs::write(self.config(), config.to_string())?;
        std::fs::create_dir_all(self.run())?;
        self.start_cpe()
    }

    pub(crate) fn start_cpe(&mut self) -> Result<()> {
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.folder.join(format!("{}.log", self.name)))?;
        // It ends with the test; its DPEs see themselves that the test has ended.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(env!("CARGO_BIN_EXE_fake-host"))
            .arg("host")
            .arg(self.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let input = child.stdin.take().context("a pipe")?;
        let output = BufReader::new(child.stdout.take().context("a pipe")?);
        self.cpe = Some(Cpe {
            child,
            input,
            output,
        });
        Ok(())
    }

    /// One line, and the answer to it.
    pub(crate) fn say(&mut self, line: &str) -> Result<String> {
        let cpe = self.cpe.as_mut().context("it does not run")?;
        writeln!(cpe.input, "{line}")?;
        let mut answer = String::new();
        cpe.output.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// Only the driver is killed.
    pub(crate) fn kill_cpe(&mut self) -> Result<()> {
        if let Some(mut cpe) = self.cpe.take() {
            cpe.child.kill()?;
            cpe.child.wait()?;
        }
        Ok(())
    }

    /// Everything is gone, and what was in `/run`.
    pub(crate) fn cut_power(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        self.kill_cpe()?;
        self.signal(Signal::KILL)?;
        std::fs::remove_dir_all(self.run())?;
        Ok(())
    }

    /// To each of its processes.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let cpe = self.cpe.as_ref().map(|cpe| Pid::from_child(&cpe.child));
        let mut pids: Vec<Pid> = cpe.into_iter().collect();
        for entry in std::fs::read_dir(self.run().join("dpe"))? {
            let text = std::fs::read_to_string(entry?.path())?;
            let pid: i32 = text.parse().unwrap_or(0);
            // Numbers are used again: it has to be one of its DPEs.
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if line.contains(&*self.config().to_string_lossy()) {
                pids.extend(Pid::from_raw(pid));
            }
        }
        for pid in pids {
            let _ = kill_process(pid, signal);
        }
        Ok(())
    }

    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join(format!("{}.log", self.name)));
        text.unwrap_or_default()
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        let _ = self.signal(Signal::KILL);
        let _ = self.kill_cpe();
    }
}
