//! systemd over its D-Bus API: start, stop and watch the units of the DPEs.
//!
//! Two traps of that API shape this file. Signals are sent only to connections that called
//! Subscribe. And a job's result comes as a signal that may arrive before the reply that tells the
//! job's path, so results wait here for whoever asks for them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cpe_bus::names::escape_label;
use cpe_bus::proxies::SystemdManagerProxy;
use tokio::sync::{Semaphore, oneshot};
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedVariant};

/// Well-known name of the service manager.
pub(crate) const NAME: &str = "org.freedesktop.systemd1";
/// Parent of all units' objects.
pub(crate) const UNITS_PATH: &str = "/org/freedesktop/systemd1/unit";

/// Longest wait for a job. Start and stop timeouts of the units themselves are shorter.
const JOB_TIMEOUT: Duration = Duration::from_secs(120);
/// How often, and with what pauses, a unit that is being cleaned is looked at: no job tells of its
/// end.
const CLEANING_LOOKS: u32 = 250;
const CLEANING_PAUSE: Duration = Duration::from_millis(20);
/// Units that are looked at simultaneously. A bus lets a connection wait for 128 replies at once,
/// and not one more.
const LOOKS: usize = 32;
/// Job results that nobody has asked for yet; only those of the moment matter.
const UNCLAIMED: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("systemd refused: {0}")]
    Refused(String),
    #[error("the job to {verb} {unit} ended with `{result}`")]
    Job {
        verb: &'static str,
        unit: String,
        result: String,
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

/// What a unit is doing, in systemd's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Active,
    /// Also reloading; and waiting for its automatic restart.
    Activating,
    Deactivating,
    /// systemd is deleting its files.
    Cleaning,
    Inactive,
    Failed,
}

/// One look at a unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    pub phase: Phase,
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// Id of the current or last run, in hexadecimal; empty before the first.
    pub invocation: String,
    /// Main process; 0 if there is none.
    pub pid: u32,
    /// How the last run ended.
    pub end: End,
}

/// How a run of a service ended, as systemd tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct End {
    /// `success`, `exit-code`, `signal`, `core-dump`, `watchdog`, `timeout`, `oom-kill`,
    /// `start-limit-hit`, …
    pub result: String,
    /// `CLD_*`: 1 exited, 2 killed, 3 dumped core; 0 none.
    pub code: i32,
    /// Exit status or signal.
    pub status: i32,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = match (self.code, self.status) {
            (1, status) => format!("exited with status {status}"),
            (2, signal) => format!("killed by signal {signal}"),
            (3, signal) => format!("killed by signal {signal}, core dumped"),
            _ => "ended".to_owned(),
        };
        match self.result.as_str() {
            "" | "success" | "exit-code" | "signal" | "core-dump" => f.write_str(&ended),
            "watchdog" => write!(f, "{ended} (it did not answer systemd's watchdog)"),
            "oom-kill" => write!(f, "{ended} (out of memory)"),
            "start-limit-hit" => write!(f, "{ended} (systemd has given up restarting it)"),
            other => write!(f, "{ended} ({other})"),
        }
    }
}

/// The manager on one connection.
pub(crate) struct Systemd {
    connection: Connection,
    manager: SystemdManagerProxy<'static>,
    jobs: Jobs,
    looks: Semaphore,
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
        })
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
    pub(crate) fn job_removed(&self, job: &str, result: &str) {
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

    /// Has systemd delete the unit's StateDirectory. The unit must be stopped. Returns when that is
    /// done, so that a unit of the same name can start anew.
    pub(crate) async fn clean_state(&self, unit: &str) -> Result<()> {
        let call = self
            .manager
            .inner()
            .call_method("CleanUnit", &(unit, &["state"][..]))
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
            if self.unit(unit).await?.phase != Phase::Cleaning {
                return Ok(());
            }
            tokio::time::sleep(CLEANING_PAUSE).await;
        }
        Err(Error::Refused("the files are still being deleted".into()))
    }

    /// The names of all loaded units that fit a pattern and run or are about to.
    pub(crate) async fn running(&self, pattern: &str) -> Result<Vec<String>> {
        let states = ["active", "reloading", "activating"];
        let rows = self
            .manager
            .list_units_by_patterns(&states, &[pattern])
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// Looks at a unit, which systemd loads for that if need be.
    pub(crate) async fn unit(&self, unit: &str) -> Result<Unit> {
        let path = unit_path(unit);
        let _look = self.looks.acquire().await;
        let get = async |interface: &str, property: &str| -> Result<OwnedVariant> {
            let reply = self
                .connection
                .call_method(
                    Some(NAME),
                    path.as_str(),
                    Some("org.freedesktop.DBus.Properties"),
                    "Get",
                    &(interface, property),
                )
                .await?;
            Ok(reply.body().deserialize::<OwnedVariant>()?)
        };
        const UNIT: &str = "org.freedesktop.systemd1.Unit";
        const SERVICE: &str = "org.freedesktop.systemd1.Service";
        let active = match text(get(UNIT, "ActiveState").await?)?.as_str() {
            "active" => Phase::Active,
            "activating" | "reloading" => Phase::Activating,
            "deactivating" => Phase::Deactivating,
            "maintenance" => Phase::Cleaning,
            "failed" => Phase::Failed,
            _ => Phase::Inactive,
        };
        let invocation = Vec::<u8>::try_from(get(UNIT, "InvocationID").await?)?;
        let load = text(get(UNIT, "LoadState").await?)?;
        let mut found = Unit {
            phase: active,
            load,
            invocation: invocation
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            pid: 0,
            end: End::default(),
        };
        // A template that is not installed has no service properties.
        if found.load == "loaded" {
            found.pid = u32::try_from(get(SERVICE, "MainPID").await?)?;
            if found.phase != Phase::Active {
                found.end = End {
                    result: text(get(SERVICE, "Result").await?)?,
                    code: i32::try_from(get(SERVICE, "ExecMainCode").await?)?,
                    status: i32::try_from(get(SERVICE, "ExecMainStatus").await?)?,
                };
            }
        }
        Ok(found)
    }

    async fn wait(&self, verb: &'static str, unit: &str, job: &str) -> Result<()> {
        match tokio::time::timeout(JOB_TIMEOUT, self.jobs.result(job)).await {
            Err(_) => Err(Error::Timeout {
                verb,
                unit: unit.to_owned(),
            }),
            Ok(result) if result == "done" => Ok(()),
            Ok(result) => Err(Error::Job {
                verb,
                unit: unit.to_owned(),
                result,
            }),
        }
    }
}

/// The object of a unit: `/org/freedesktop/systemd1/unit/dpe_40shop_2eservice`.
pub(crate) fn unit_path(unit: &str) -> String {
    format!("{UNITS_PATH}/{}", escape_label(unit))
}

fn text(value: OwnedVariant) -> zbus::Result<String> {
    String::try_from(value)
}

fn is_unknown(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::MethodError(name, ..) if name.as_str() == "org.freedesktop.systemd1.NoSuchUnit")
}

/// Results of jobs, by the job's object path.
#[derive(Default)]
struct Jobs {
    inner: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    waiting: HashMap<String, oneshot::Sender<String>>,
    unclaimed: VecDeque<(String, String)>,
}

impl Jobs {
    fn ended(&self, job: &str, result: &str) {
        let mut ledger = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match ledger.waiting.remove(job) {
            // Nobody waits any more if sending fails.
            Some(waiting) => drop(waiting.send(result.to_owned())),
            None => {
                if ledger.unclaimed.len() == UNCLAIMED {
                    ledger.unclaimed.pop_front();
                }
                ledger
                    .unclaimed
                    .push_back((job.to_owned(), result.to_owned()));
            }
        }
    }

    fn forget(&self) {
        let mut ledger = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.unclaimed.clear();
        ledger.waiting.clear();
    }

    /// `lost` if systemd was replaced meanwhile: then look at the unit.
    async fn result(&self, job: &str) -> String {
        let receiver = {
            let mut ledger = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = ledger.unclaimed.iter().position(|(path, _)| path == job) {
                return ledger
                    .unclaimed
                    .remove(at)
                    .map(|(_, result)| result)
                    .unwrap_or_default();
            }
            let (sender, receiver) = oneshot::channel();
            ledger.waiting.insert(job.to_owned(), sender);
            receiver
        };
        receiver.await.unwrap_or_else(|_| "lost".to_owned())
    }
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

    #[tokio::test]
    async fn a_jobs_result_is_found_whether_it_comes_before_or_after_the_question() {
        let jobs = Jobs::default();
        jobs.ended("/job/1", "done");
        assert_eq!(jobs.result("/job/1").await, "done");
        let (result, ()) = tokio::join!(jobs.result("/job/2"), async {
            jobs.ended("/job/2", "failed")
        });
        assert_eq!(result, "failed");
        let (result, ()) = tokio::join!(jobs.result("/job/3"), async { jobs.forget() });
        assert_eq!(result, "lost");
    }

    #[test]
    fn the_cause_of_an_end_reads_as_a_sentence() {
        let end = |result: &str, code, status| {
            End {
                result: result.into(),
                code,
                status,
            }
            .to_string()
        };
        assert_eq!(end("signal", 2, 9), "killed by signal 9");
        assert_eq!(end("exit-code", 1, 3), "exited with status 3");
        assert_eq!(
            end("watchdog", 2, 6),
            "killed by signal 6 (it did not answer systemd's watchdog)"
        );
        assert_eq!(
            end("start-limit-hit", 1, 1),
            "exited with status 1 (systemd has given up restarting it)"
        );
    }
}
