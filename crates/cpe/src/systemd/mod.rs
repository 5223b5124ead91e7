//! systemd over its D-Bus API: start, stop and watch the units of the DPEs.
//!
//! Two traps of that API shape this folder. Signals are sent only to connections that called
//! Subscribe. And a job's result comes as a signal that may arrive before the reply that tells the
//! job's path (`jobs.rs`).

mod jobs;
mod states;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use cpe_bus::names::{escape_label, unescape_label};
use cpe_bus::proxies::SystemdManagerProxy;
use tokio::sync::Semaphore;
use uuid::Uuid;
use zbus::fdo::DBusProxy;
use zbus::message::Message;
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedObjectPath, OwnedVariant};

use crate::sync::{lock, turn};
use jobs::Jobs;
use states::LoadState;
pub(crate) use states::{ActiveState, End, Exit, JobResult, ServiceResult};

/// Well-known name of the service manager.
pub(crate) const NAME: &str = "org.freedesktop.systemd1";
/// Parent of all units' objects.
pub(crate) const UNITS_PATH: &str = "/org/freedesktop/systemd1/unit";

/// Longest wait for a job. Start and stop timeouts of the units themselves are shorter.
const JOB_TIMEOUT: Duration = Duration::from_secs(120);
/// How often, and with what pauses, a unit that is being cleaned is looked at: cleaning is not a
/// job whose end would be signalled.
const CLEANING_LOOKS: u32 = 250;
const CLEANING_PAUSE: Duration = Duration::from_millis(20);
/// Units that are looked at simultaneously. A bus allows a connection 128 pending replies; a
/// quarter of them is for this.
const LOOKS: usize = 32;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("systemd refused: {0}")]
    Refused(String),
    #[error("the job to {verb} {unit} ended with `{result}`")]
    Job {
        verb: &'static str,
        unit: String,
        result: JobResult,
    },
    #[error("the job to {verb} {unit} did not end within {} s", JOB_TIMEOUT.as_secs())]
    Timeout { verb: &'static str, unit: String },
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        Error::Refused(match &error {
            zbus::Error::MethodError(name, Some(text), _) => format!("{text} ({name})"),
            other => other.to_string(),
        })
    }
}

impl From<zbus::fdo::Error> for Error {
    fn from(error: zbus::fdo::Error) -> Self {
        Error::Refused(error.to_string())
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// One look at a unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    pub active: ActiveState,
    /// Id of the current or last run, in hexadecimal; empty before the first.
    pub invocation: String,
    /// Main process; 0 if there is none.
    pub pid: u32,
    /// How the last run ended.
    pub end: End,
}

/// One look at a unit of a socket.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Socket {
    /// The file at which it listens; `None`: at none, or it is not installed.
    pub path: Option<PathBuf>,
    /// It listens, or could not.
    pub is_wanted: bool,
}

/// The manager on one connection.
pub(crate) struct Systemd {
    connection: Connection,
    manager: SystemdManagerProxy<'static>,
    jobs: Jobs,
    looks: Semaphore,
    /// Unique name of the service manager on the bus, where it is known.
    owner: Mutex<Option<String>>,
}

impl Systemd {
    pub(crate) async fn new(connection: &Connection) -> zbus::Result<Systemd> {
        let manager = SystemdManagerProxy::builder(connection)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        Ok(Systemd {
            connection: connection.clone(),
            manager,
            jobs: Jobs::default(),
            looks: Semaphore::new(LOOKS),
            owner: Mutex::default(),
        })
    }

    /// Asks the bus who the service manager is. Whoever listens to its changes does so before.
    pub(crate) async fn find_owner(&self, bus: &DBusProxy<'_>) -> zbus::Result<()> {
        match bus.get_name_owner(NAME.try_into()?).await {
            Ok(owner) => {
                // What was heard meanwhile is newer.
                lock(&self.owner).get_or_insert(owner.to_string());
                Ok(())
            }
            Err(zbus::fdo::Error::NameHasNoOwner(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The bus says that somebody else is the service manager now; empty: nobody.
    pub(crate) fn owner_changed(&self, owner: &str) {
        *lock(&self.owner) = Some(owner.to_owned());
    }

    /// Whether no service manager was ever on this bus. One that has gone may come back.
    pub(crate) fn was_never_there(&self) -> bool {
        lock(&self.owner).is_none()
    }

    /// Whether the service manager has sent it. Everybody on the bus may send us signals, and one
    /// that is addressed to us passes every match rule.
    pub(crate) fn has_sent(&self, message: &Message) -> bool {
        let header = message.header();
        let owner = lock(&self.owner);
        header
            .sender()
            .is_some_and(|sender| owner.as_deref() == Some(sender.as_str()))
    }

    /// Asks for signals; needed again whenever another systemd answers (after daemon-reexec).
    pub(crate) async fn subscribe(&self) -> Result<()> {
        match self.manager.subscribe().await {
            Err(zbus::Error::MethodError(name, ..))
                if name.as_str() == "org.freedesktop.systemd1.AlreadySubscribed" =>
            {
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// A JobRemoved signal came in.
    pub(crate) fn job_removed(&self, job: &str, result: JobResult) {
        self.jobs.ended(job, result);
    }

    /// Another systemd answers: it may have finished jobs without telling us.
    pub(crate) fn forget_jobs(&self) {
        self.jobs.forget();
    }

    /// Returns when the unit has started. A unit that runs is left alone.
    pub(crate) async fn start(&self, unit: &str) -> Result<()> {
        let job = self.manager.start_unit(unit, "replace").await?;
        self.wait("start", unit, job.as_str()).await
    }

    /// Returns when the unit has stopped; also if it does not exist.
    pub(crate) async fn stop(&self, unit: &str) -> Result<()> {
        match self.manager.stop_unit(unit, "replace").await {
            Ok(job) => self.wait("stop", unit, job.as_str()).await,
            Err(error) if is_unknown(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn restart(&self, unit: &str) -> Result<()> {
        let job = self.manager.restart_unit(unit, "replace").await?;
        self.wait("restart", unit, job.as_str()).await
    }

    /// Clears the failed state, so that the unit may start again at once.
    pub(crate) async fn reset_failed(&self, unit: &str) -> Result<()> {
        match self.manager.reset_failed_unit(unit).await {
            Err(error) if is_unknown(&error) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Has systemd delete the unit's StateDirectory and RuntimeDirectory. The unit must be stopped.
    /// Returns when that is done, so that a unit of the same name can start with nothing.
    pub(crate) async fn clean_state(&self, unit: &str) -> Result<()> {
        let call = self
            .manager
            .inner()
            .call_method("CleanUnit", &(unit, &["state", "runtime"][..]))
            .await;
        match call {
            Ok(_) => {}
            Err(error) if is_unknown(&error) => return Ok(()),
            // It has no directory: nothing to delete.
            Err(zbus::Error::MethodError(name, ..))
                if name.as_str() == "org.freedesktop.systemd1.NothingToClean" =>
            {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        for _ in 0..CLEANING_LOOKS {
            if self.unit(unit).await?.active != ActiveState::Maintenance {
                return Ok(());
            }
            tokio::time::sleep(CLEANING_PAUSE).await;
        }
        Err(Error::Refused("the files are still being deleted".into()))
    }

    /// The names of all loaded units that fit a pattern and run or are about to.
    pub(crate) async fn running(&self, pattern: &str) -> Result<Vec<String>> {
        let states = ["active", "reloading", "activating"];
        self.in_states(&states, pattern).await
    }

    /// The same, and those of which something may still run.
    pub(crate) async fn present(&self, pattern: &str) -> Result<Vec<String>> {
        let states = ["active", "reloading", "activating", "deactivating"];
        self.in_states(&states, pattern).await
    }

    async fn in_states(&self, states: &[&str], pattern: &str) -> Result<Vec<String>> {
        let rows = self
            .manager
            .list_units_by_patterns(states, &[pattern])
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// The unit that a process belongs to.
    pub(crate) async fn unit_of_process(&self, pid: u32) -> Result<String> {
        let call = self.manager.inner().call_method("GetUnitByPID", &(pid));
        let path: OwnedObjectPath = call.await?.body().deserialize()?;
        path.strip_prefix(UNITS_PATH)
            .and_then(|label| unescape_label(label.strip_prefix('/')?))
            .ok_or_else(|| Error::Refused(format!("{path} is not the path of a unit")))
    }

    /// Looks at a unit, which systemd loads for that if need be.
    pub(crate) async fn unit(&self, unit: &str) -> Result<Unit> {
        const UNIT: &str = "org.freedesktop.systemd1.Unit";
        const SERVICE: &str = "org.freedesktop.systemd1.Service";
        let path = unit_path(unit);
        let _turn = turn(&self.looks).await;
        let active: String = self.property(&path, UNIT, "ActiveState").await?;
        let invocation: Vec<u8> = self.property(&path, UNIT, "InvocationID").await?;
        let load: String = self.property(&path, UNIT, "LoadState").await?;
        let mut found = Unit {
            active: ActiveState::from_word(&active),
            // Empty before the first run.
            invocation: Uuid::from_slice(&invocation)
                .map_or_else(|_| String::new(), |id| id.simple().to_string()),
            pid: 0,
            end: End::default(),
        };
        // A template that is not installed has no service properties.
        if LoadState::from_word(&load) == LoadState::Loaded {
            found.pid = self.property(&path, SERVICE, "MainPID").await?;
            if found.active != ActiveState::Active {
                let result: String = self.property(&path, SERVICE, "Result").await?;
                let code = self.property(&path, SERVICE, "ExecMainCode").await?;
                let status = self.property(&path, SERVICE, "ExecMainStatus").await?;
                found.end = End {
                    result: ServiceResult::from_word(&result),
                    exit: Exit::new(code, status),
                };
            }
        }
        Ok(found)
    }

    /// Looks at a unit of a socket.
    pub(crate) async fn socket(&self, unit: &str) -> Result<Socket> {
        const UNIT: &str = "org.freedesktop.systemd1.Unit";
        const SOCKET: &str = "org.freedesktop.systemd1.Socket";
        let path = unit_path(unit);
        let _turn = turn(&self.looks).await;
        let load: String = self.property(&path, UNIT, "LoadState").await?;
        if LoadState::from_word(&load) != LoadState::Loaded {
            return Ok(Socket::default());
        }
        let active: String = self.property(&path, UNIT, "ActiveState").await?;
        let listen: Vec<(String, String)> = self.property(&path, SOCKET, "Listen").await?;
        let file = listen.into_iter().find(|(_, at)| at.starts_with('/'));
        let active = ActiveState::from_word(&active);
        Ok(Socket {
            path: file.map(|(_, at)| at.into()),
            is_wanted: matches!(active, ActiveState::Active | ActiveState::Failed),
        })
    }

    /// How often systemd has started a service again by itself since somebody last did.
    pub(crate) async fn restarts(&self, unit: &str) -> Result<u32> {
        const SERVICE: &str = "org.freedesktop.systemd1.Service";
        let _turn = turn(&self.looks).await;
        self.property(&unit_path(unit), SERVICE, "NRestarts").await
    }

    /// What a service's environment is set to by its unit, as `NAME=VALUE`.
    pub(crate) async fn environment(&self, unit: &str) -> Result<Vec<String>> {
        const SERVICE: &str = "org.freedesktop.systemd1.Service";
        let _turn = turn(&self.looks).await;
        self.property(&unit_path(unit), SERVICE, "Environment")
            .await
    }

    async fn property<T>(&self, path: &str, interface: &str, name: &str) -> Result<T>
    where
        T: TryFrom<OwnedVariant, Error = zbus::Error>,
    {
        let reply = self
            .connection
            .call_method(
                Some(NAME),
                path,
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &(interface, name),
            )
            .await?;
        let value: OwnedVariant = reply.body().deserialize()?;
        Ok(T::try_from(value)?)
    }

    async fn wait(&self, verb: &'static str, unit: &str, job: &str) -> Result<()> {
        let unit = unit.to_owned();
        match tokio::time::timeout(JOB_TIMEOUT, self.jobs.result(job)).await {
            Ok(JobResult::Done) => Ok(()),
            Ok(result) => Err(Error::Job { verb, unit, result }),
            Err(_) => {
                self.jobs.give_up(job);
                Err(Error::Timeout { verb, unit })
            }
        }
    }
}

/// The object of a unit: `/org/freedesktop/systemd1/unit/dpe_40shop_2eservice`.
pub(crate) fn unit_path(unit: &str) -> String {
    format!("{UNITS_PATH}/{}", escape_label(unit))
}

fn is_unknown(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::MethodError(name, ..) if name.as_str() == "org.freedesktop.systemd1.NoSuchUnit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_found_under_its_escaped_path() {
        assert_eq!(
            unit_path("dpe@shop-1.service"),
            "/org/freedesktop/systemd1/unit/dpe_40shop_2d1_2eservice"
        );
    }
}
