//! Why the agent is asked to end: for a restart, or for good.
//!
//! It matters because of the lease. An agent that is restarted leaves services alone, and the next
//! one enforces the lease. An agent that is stopped for good must stop them first: its DPE will
//! count on them being down when the lease is over.

use std::time::Duration;

use cpe_bus::proxies::SystemdManagerProxy;
use cpe_bus::{BusSelection, connect};
use tokio::signal::unix::{Signal, SignalKind, signal};
use zbus::OwnedObjectPath;

/// How long systemd may take to answer.
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
        match tokio::time::timeout(PATIENCE, asked_by(&systemd)).await {
            Ok(Ok(ending)) => ending,
            Ok(Err(error)) => {
                tracing::warn!(%error, "systemd does not say whether this is a restart; taking it for a stop");
                Ending::ForGood
            }
            Err(_) => Ending::ForGood,
        }
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
