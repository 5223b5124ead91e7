//! Why the agent is asked to end: for a restart, or for good.
//!
//! It matters because of the lease. An agent that is restarted leaves services alone, and the next
//! one enforces the lease. An agent that is stopped for good must stop them first: its DPE will
//! count on them being down when the lease is over.

use std::process::Stdio;
use std::time::Duration;

use cpe_bus::proxies::SystemdManagerProxy;
use cpe_bus::{BusSelection, connect};
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use zbus::OwnedObjectPath;

/// How long systemd may take to answer over the bus, and then again without it: together less than
/// half of what the unit has for its end (`TimeoutStopSec=`).
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// systemd restarts the unit.
    ToComeBack,
    /// The guest is shut down or rebooted.
    Shutdown,
    /// Anything else: the unit is stopped, or no supervisor is known that would start the agent
    /// again.
    ForGood,
}

/// Waits for SIGTERM or SIGINT. Where a signal cannot be handled, it ends the process as it does by
/// default, and the next one has the lease to enforce.
pub fn asked_to_end(systemd: BusSelection) -> impl Future<Output = Ending> {
    let terminate = listen(SignalKind::terminate());
    let interrupt = listen(SignalKind::interrupt());
    async move {
        tokio::select! {
            () = received(terminate) => {}
            () = received(interrupt) => {}
        }
        // Set by systemd for the processes of a unit.
        if std::env::var_os("INVOCATION_ID").is_none() {
            return Ending::ForGood;
        }
        let late = |_| Err(cpe_bus::Error::Failed("it does not answer".to_owned()));
        let asked = tokio::time::timeout(PATIENCE, asked_by(&systemd)).await;
        let error = match asked.unwrap_or_else(late) {
            Ok(ending) => return ending,
            Err(error) => error,
        };
        // The bus may be away, or be restarted at the same time: services must not stop for that.
        let asked = tokio::time::timeout(PATIENCE, asked_without_bus(&systemd)).await;
        if let Ok(Some(ending)) = asked {
            return ending;
        }
        tracing::warn!(%error, "systemd does not say whether this is a restart; taking it for a stop");
        Ending::ForGood
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::error!(%error, ?kind, "a signal cannot be handled"))
        .ok()
}

async fn received(signal: Option<Signal>) {
    match signal {
        Some(mut signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// What systemd is doing with our unit, or with the whole guest.
async fn asked_by(systemd: &BusSelection) -> cpe_bus::Result<Ending> {
    const SYSTEMD: &str = "org.freedesktop.systemd1";
    let connection = connect(systemd, PATIENCE).await?;
    let manager = SystemdManagerProxy::new(&connection).await?;
    let state: String = manager.inner().get_property("SystemState").await?;
    if state == "stopping" {
        return Ok(Ending::Shutdown);
    }
    let unit = manager.get_unit_by_pid(std::process::id()).await?;
    let unit =
        zbus::Proxy::new(&connection, SYSTEMD, unit, "org.freedesktop.systemd1.Unit").await?;
    let (id, job): (u32, OwnedObjectPath) = unit.get_property("Job").await?;
    if id == 0 {
        return Ok(Ending::ForGood);
    }
    let job = zbus::Proxy::new(&connection, SYSTEMD, job, "org.freedesktop.systemd1.Job").await?;
    let kind: String = job.get_property("JobType").await?;
    Ok(if kind.contains("restart") {
        Ending::ToComeBack
    } else {
        Ending::ForGood
    })
}

/// The same from `systemctl`, which reaches systemd without a bus. zbus does not: what systemd says
/// at its own socket has a sender that no bus would give it. `None`: it does not say.
async fn asked_without_bus(systemd: &BusSelection) -> Option<Ending> {
    let manager = match systemd {
        BusSelection::System => "--system",
        BusSelection::User => "--user",
        BusSelection::Address(_) => return None,
    };
    let said = async |words: &[&str]| {
        let mut command = Command::new("systemctl");
        command.arg(manager).args(words).kill_on_drop(true);
        let output = command.stdin(Stdio::null()).output().await.ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let state = said(&["is-system-running"]).await?;
    if state.trim() == "stopping" {
        return Some(Ending::Shutdown);
    }
    let group = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let unit = group.trim().rsplit('/').next()?.to_owned();
    let jobs = said(&["list-jobs", "--plain", "--no-legend", "--full"]).await?;
    Some(of_jobs(&jobs, &unit))
}

/// What a list of jobs says of a unit: `NUMBER UNIT TYPE STATE` in each line.
fn of_jobs(jobs: &str, unit: &str) -> Ending {
    let jobs = jobs.lines().map(|line| line.split_whitespace().skip(1));
    let mut types =
        jobs.filter_map(|mut words| (words.next() == Some(unit)).then(|| words.next())?);
    match types.next() {
        Some(kind) if kind.contains("restart") => Ending::ToComeBack,
        _ => Ending::ForGood,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_jobs_tells_a_restart_from_a_stop() {
        let list = |kind: &str| {
            format!("97 dbus.service start waiting\n101 cpe-agent.service {kind} running\n")
        };
        let of = |kind: &str| of_jobs(&list(kind), "cpe-agent.service");
        assert_eq!(of("restart"), Ending::ToComeBack);
        assert_eq!(of("stop"), Ending::ForGood);
        assert_eq!(of_jobs("", "cpe-agent.service"), Ending::ForGood);
    }
}
