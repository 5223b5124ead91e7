//! Tells the registry where each deployment runs, as this host's part in the cluster knows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use membership::{Handle, Status};
use ownership::DeploymentId;
use tokio::select;

use crate::core::Core;
use crate::registry::Place;

/// Where deployments run, for one host.
pub(super) struct Places {
    pub(super) handle: Handle,
    /// This host.
    pub(super) host: String,
    /// Where its grants are.
    pub(super) folder: PathBuf,
}

impl Places {
    /// Follows what this host is granted, and what others have.
    pub(super) async fn follow(self, core: Arc<Core>) {
        let mut status = self.handle.watch();
        let mut registry = core.registry.watch();
        loop {
            let begun = Instant::now();
            registry.mark_unchanged();
            let now = status.borrow_and_update().clone();
            for deployment in core.registry.all() {
                let place = self.of(&deployment.name, &now, &deployment.current().place);
                core.registry.place(&deployment, place);
            }
            // With very many of them it takes time, which others need too.
            let pause = begun.elapsed();
            if pause > Duration::from_millis(5) {
                tokio::time::sleep(pause).await;
            }
            let heard = select! {
                heard = status.changed() => heard,
                heard = registry.changed() => heard,
            };
            if heard.is_err() {
                return;
            }
        }
    }

    fn of(&self, name: &str, status: &Status, before: &Place) -> Place {
        let id = DeploymentId::new(name);
        if let Some(&revision) = status.host.granted.get(&id) {
            return match before {
                Place::Here { revision: same, .. } if *same == revision => before.clone(),
                _ => Place::Here {
                    revision,
                    since: written(&self.folder.join("grant").join(name)),
                },
            };
        }
        match self.handle.host_of(&id) {
            Some(host) if host.as_str() == self.host => Place::Pending,
            Some(host) => Place::There(host.as_str().to_owned()),
            None if status.host.is_synced => Place::Nowhere,
            None => Place::Unknown,
        }
    }
}

/// When a grant was written, µs since the Unix epoch: also by an earlier process. Now, if that is
/// not known.
fn written(grant: &Path) -> u64 {
    let written = std::fs::metadata(grant).and_then(|it| it.modified()).ok();
    let since_epoch = written.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    let us = since_epoch.and_then(|it| u64::try_from(it.as_micros()).ok());
    us.unwrap_or_else(cpe_daemon::now)
}
