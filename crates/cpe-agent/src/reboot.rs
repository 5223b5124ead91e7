//! The last resort: taking the guest down because services did not stop when the lease ended.
//!
//! The DPE is about to assume that this guest is down, so it must be down by then. The guest's
//! systemd is asked first, for the sake of file systems; but an orderly shutdown waits for the very
//! services that did not stop, so reboot(2) follows.

use std::time::Duration;

use cpe_bus::proxies::SystemdManagerProxy;
use cpe_bus::{BusSelection, connect};
use rustix::system::{RebootCommand, reboot};

/// How long the orderly way may take before reboot(2).
pub const GRACE: Duration = Duration::from_secs(5);

/// How long to wait before trying again.
const RETRY: Duration = Duration::from_secs(5);

/// Reboots the guest; does not return.
pub async fn reboot_guest(
    command: Option<String>,
    systemd_bus: BusSelection,
) -> std::convert::Infallible {
    loop {
        match &command {
            Some(command) => {
                tracing::error!(%command, "rebooting the guest by its reboot command");
                let status = tokio::process::Command::new("/bin/sh")
                    .args(["-c", command])
                    .stdin(std::process::Stdio::null())
                    .status()
                    .await;
                match status {
                    Ok(status) if status.success() => {}
                    Ok(status) => {
                        tracing::error!(%command, %status, "the reboot command failed; trying again")
                    }
                    Err(error) => {
                        tracing::error!(%command, %error, "the reboot command cannot run; trying again")
                    }
                }
            }
            None => {
                tracing::error!("rebooting the guest: asking its service manager");
                let orderly = async {
                    let connection = connect(&systemd_bus).await?;
                    SystemdManagerProxy::new(&connection)
                        .await?
                        .reboot()
                        .await?;
                    cpe_bus::Result::Ok(())
                };
                match tokio::time::timeout(GRACE, orderly).await {
                    Ok(Ok(())) => tokio::time::sleep(GRACE).await,
                    Ok(Err(error)) => {
                        tracing::error!(%error, "the service manager does not reboot the guest")
                    }
                    Err(_) => tracing::error!("the service manager does not answer"),
                }
                tracing::error!("rebooting the guest by reboot(2)");
                // Bounded: writing back may hang on the very device that made the services hang.
                let sync = tokio::task::spawn_blocking(rustix::fs::sync);
                let _ = tokio::time::timeout(Duration::from_secs(1), sync).await;
                if let Err(error) = reboot(RebootCommand::Restart) {
                    tracing::error!(%error, "reboot(2) failed; trying again");
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}
