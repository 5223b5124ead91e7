//! Starts and stops fake DPEs.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use membership::{Event, Runner, grant_of};
use ownership::{DeploymentId, Grant};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::config::{Config, Result};

const LOOK: Duration = Duration::from_millis(10);

/// Looks until a process has started, or ended.
const MOST_LOOKS: usize = 1_000;

pub(crate) struct FakeRunner {
    config: Config,
    events: mpsc::Sender<Event>,
}

impl FakeRunner {
    pub(crate) fn new(config: Config, events: mpsc::Sender<Event>) -> FakeRunner {
        FakeRunner { config, events }
    }

    fn names(&self) -> Result<Vec<String>> {
        let folder = self.config.locks();
        std::fs::create_dir_all(&folder)?;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        names.retain(|name| is_held(&self.config.lock(name)));
        Ok(names)
    }

    /// Tells the end of what an earlier process has started.
    pub(crate) fn watch_what_runs(&self) -> Result<()> {
        for name in self.names()? {
            let unit = self.config.folder().join("unit").join(&name);
            if let Some(grant) = grant_of(&unit)? {
                let (lock, events) = (self.config.lock(&name), self.events.clone());
                tokio::spawn(async move {
                    while is_held(&lock) {
                        sleep(LOOK).await;
                    }
                    let event = Event::Ended(DeploymentId::new(&name), grant.revision);
                    let _ = events.send(event).await;
                });
            }
        }
        Ok(())
    }

    async fn started(&self, name: &str, grant: Grant) -> Result<()> {
        self.config.marks()?.mark("starts", name, grant.revision)?;
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .args(["dpe", &self.config.path, name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let lock = self.config.lock(name);
        let (name, events) = (DeploymentId::new(name), self.events.clone());
        let (over, mut ended) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let status = child.wait().await;
            let _ = over.send(status.map(|status| status.to_string()));
            let _ = events.send(Event::Ended(name, grant.revision)).await;
        });
        for _ in 0..MOST_LOOKS {
            if is_held(&lock) {
                return Ok(());
            }
            if let Ok(status) = ended.try_recv() {
                return Err(format!("it ended: {}", status?).into());
            }
            sleep(LOOK).await;
        }
        Err("it does not start".into())
    }

    async fn stopped(&self, name: &str) -> Result<()> {
        let lock = self.config.lock(name);
        self.config.marks()?.mark("stops", name, 0)?;
        for look in 0..MOST_LOOKS {
            if !is_held(&lock) {
                return self.config.marks()?.mark("stopped", name, 0);
            }
            if look % 100 == 0 {
                let text = std::fs::read_to_string(&lock)?;
                let pid = text.parse().ok().and_then(Pid::from_raw);
                let _ = kill_process(pid.ok_or("there is no number")?, Signal::TERM);
            }
            sleep(LOOK).await;
        }
        Err("it does not end".into())
    }
}

impl Runner for FakeRunner {
    async fn running(&self) -> std::result::Result<Vec<DeploymentId>, String> {
        let names = self.names().map_err(|error| error.to_string())?;
        Ok(names.iter().map(|name| DeploymentId::new(name)).collect())
    }

    async fn start(
        &self,
        deployment: &DeploymentId,
        grant: Grant,
    ) -> std::result::Result<(), String> {
        let started = self.started(deployment.as_str(), grant).await;
        started.map_err(|error| error.to_string())
    }

    async fn stop(&self, deployment: &DeploymentId) -> std::result::Result<(), String> {
        let stopped = self.stopped(deployment.as_str()).await;
        stopped.map_err(|error| error.to_string())
    }
}

fn is_held(lock: &Path) -> bool {
    let Ok(file) = File::open(lock) else {
        return false;
    };
    flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
}
