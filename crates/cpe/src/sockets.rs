//! The sockets by which DPEs have fence agents run, and that of the gateway. systemd makes the file
//! of one when it begins to listen there, and not a second time. Where somebody has removed it, no
//! fence agent can be run, and nobody would hear of that before one is needed; and nobody of this
//! host reaches the gateway.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::names::dpe_unit;
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::host::Host;
use crate::registry::Deployment;
use crate::systemd::Result;

/// The unit by which users of this host reach the gateway, if it is installed and switched on.
const GATEWAY: &str = "cpe-gateway.socket";
/// How often it is looked whether they are there.
const LOOK: Duration = Duration::from_secs(3);
/// What failed, or has not made the file twice, is not done again before.
const AGAIN: Duration = Duration::from_secs(60);
/// Deployments that are looked at at a time.
const AT_ONCE: usize = 4;

/// What is known of the socket of one deployment.
#[derive(Default)]
struct Known {
    /// Where it is, as systemd says.
    path: Option<PathBuf>,
    /// It was gone at the last look.
    is_missed: bool,
    /// Its unit was restarted since it was seen last.
    is_tried: bool,
    /// The DPE sees a folder that is gone.
    is_blind: bool,
    /// It is not looked at before.
    again: Option<Instant>,
}

/// Has those made again that are gone.
pub(crate) async fn keep(host: Arc<Host>) {
    let mut known = BTreeMap::new();
    let mut gateway = Known::default();
    loop {
        tokio::time::sleep(LOOK).await;
        gateway = look_at_gateway(&host, gateway).await;
        let mut deployments = host.core.registry.all();
        // Without its DPE nobody needs it.
        deployments.retain(|it| it.view().pid != 0);
        let looks = deployments.iter().map(|it| {
            let socket = known.remove(&it.name).unwrap_or_default();
            look(&host, &it.name, socket)
        });
        let looks: Vec<_> = looks.collect();
        let looked = stream::iter(looks).buffer_unordered(AT_ONCE);
        known.extend(looked.collect::<Vec<_>>().await);
    }
}

/// Looks at the socket of a deployment; what is known of it then.
async fn look(host: &Host, name: &str, mut socket: Known) -> (String, Known) {
    if socket.again.is_none_or(|at| at <= Instant::now())
        && let Err(error) = socket.repair(host, name).await
    {
        socket.pause();
        tracing::warn!(
            cpe_deployment = name,
            "the socket of fence agents of {name} cannot be made again: {error}"
        );
    }
    (name.to_owned(), socket)
}

/// Looks at the socket of the gateway; what is known of it then. Its service is restarted with it,
/// since it listens at the file that is gone.
async fn look_at_gateway(host: &Host, mut socket: Known) -> Known {
    if socket.again.is_some_and(|at| at > Instant::now()) {
        return socket;
    }
    match socket.restore(host, GATEWAY).await {
        Ok(Found::Made(path)) => tracing::warn!(
            "{} was gone, without which no user of this host reaches the gateway: {GATEWAY} was restarted to make it again",
            path.display()
        ),
        // Most hosts have none, and it is off until somebody switches it on.
        Ok(Found::Unwanted) => socket.pause(),
        Ok(Found::There | Found::Missed) => {}
        Err(error) => {
            socket.pause();
            tracing::warn!("the socket of the gateway cannot be made again: {error}");
        }
    }
    socket
}

/// What came of a look.
enum Found {
    There,
    /// It is gone; perhaps it is being made just now.
    Missed,
    /// It was gone, and its unit was restarted.
    Made(PathBuf),
    /// There is to be none.
    Unwanted,
}

impl Known {
    async fn repair(&mut self, host: &Host, name: &str) -> Result<()> {
        let unit = format!("cpe-fence@{name}.socket");
        match self.restore(host, &unit).await? {
            Found::There => {}
            Found::Missed => return Ok(()),
            Found::Unwanted => {
                // Until its path is known it is not installed, or listens nowhere that has a name.
                if self.path.is_none() {
                    self.pause();
                }
                return Ok(());
            }
            Found::Made(path) => {
                tracing::warn!(
                    cpe_deployment = name,
                    "{} was gone, without which no fence agent is run for {name}: {unit} was restarted to make it again",
                    path.display()
                );
                return Ok(());
            }
        }
        if self.is_blind && is_still_wanted(host.core.registry.get(name).as_deref()) {
            // It goes on seeing the folder that was there when it began.
            host.systemd.restart(&dpe_unit(name)).await?;
            self.is_blind = false;
        }
        Ok(())
    }

    /// Has a socket made again that was gone at the last look, too.
    async fn restore(&mut self, host: &Host, unit: &str) -> Result<Found> {
        if self.path.is_none() {
            self.path = host.systemd.socket(unit).await?.path;
        }
        let Some(path) = self.path.clone() else {
            return Ok(Found::Unwanted);
        };
        if !is_gone(&path).await {
            self.is_there();
            return Ok(Found::There);
        }
        // One that is being made just now is there at the next look.
        if !std::mem::replace(&mut self.is_missed, true) {
            return Ok(Found::Missed);
        }
        // Where somebody has stopped it, there is to be none; it may have got another path.
        let now = host.systemd.socket(unit).await?;
        if !now.is_wanted || now.path.as_ref() != Some(&path) {
            self.path = now.path.or(Some(path));
            return Ok(Found::Unwanted);
        }
        if std::mem::replace(&mut self.is_tried, true) {
            self.pause();
        }
        if let Some(folder) = path.parent()
            && is_gone(folder).await
        {
            self.is_blind = true;
        }
        host.systemd.restart(unit).await?;
        if !is_gone(&path).await {
            self.is_there();
        }
        Ok(Found::Made(path))
    }

    fn is_there(&mut self) {
        self.is_missed = false;
        self.is_tried = false;
    }

    fn pause(&mut self) {
        self.again = Some(Instant::now() + AGAIN);
    }
}

fn is_still_wanted(deployment: Option<&Deployment>) -> bool {
    deployment.is_some_and(|it| it.view().pid != 0 && it.row().destroying.is_none())
}

async fn is_gone(path: &Path) -> bool {
    let found = tokio::fs::symlink_metadata(path).await;
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
