//! Why the agent is asked to end: for a restart, or for good.
//!
//! It matters because of the lease. An agent that is restarted leaves services alone, and the next
//! one enforces the lease. An agent that is stopped for good must stop them first: its DPE will
//! count on them being down when the lease is over.

use std::time::Duration;

use cpe_bus::proxies::SystemdManagerProxy;
use cpe_bus::{BusSelection, connect};
use tokio::signal::unix::{SignalKind, signal};
use zbus::OwnedObjectPath;

/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// systemd restarts the unit.
    ToComeBack,
    /// Anything else: the unit is stopped, the guest is shut down, or no supervisor is known that
    /// would start the agent again.
    ForGood,
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// If signals cannot be handled.
pub fn asked_to_end(systemd: BusSelection) -> std::io::Result<impl Future<Output = Ending>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Set by systemd for the processes of a unit.
        if std::env::var_os("INVOCATION_ID").is_none() {
            return Ending::ForGood;
        }
        match tokio::time::timeout(PATIENCE, job_type(&systemd)).await {
            Ok(Ok(job)) if job.contains("restart") => Ending::ToComeBack,
            Ok(Ok(_)) => Ending::ForGood,
            Ok(Err(error)) => {
                tracing::warn!(%error, "systemd does not say whether this is a restart; taking it for a stop");
                Ending::ForGood
            }
            Err(_) => Ending::ForGood,
        }
    })
}

/// The type of the job that is being done with our unit: `stop`, `restart`, ….
async fn job_type(systemd: &BusSelection) -> cpe_bus::Result<String> {
    const SYSTEMD: &str = "org.freedesktop.systemd1";
    let connection = connect(systemd).await?;
    let manager = SystemdManagerProxy::new(&connection).await?;
    let unit = manager.get_unit_by_pid(std::process::id()).await?;
    let unit =
        zbus::Proxy::new(&connection, SYSTEMD, unit, "org.freedesktop.systemd1.Unit").await?;
    let (id, job): (u32, OwnedObjectPath) = unit.get_property("Job").await?;
    if id == 0 {
        return Ok(String::new());
    }
    let job = zbus::Proxy::new(&connection, SYSTEMD, job, "org.freedesktop.systemd1.Job").await?;
    Ok(job.get_property("JobType").await?)
}
