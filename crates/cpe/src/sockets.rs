//! The sockets by which DPEs have fence agents run. systemd makes the file of one when it begins to
//! listen there, and never again. Where somebody has removed it, no guest can be fenced, and nobody
//! would hear of that before it is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpe_bus::names::dpe_unit;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use crate::host::Host;
use crate::registry::Deployment;
use crate::sync::lock;
use crate::systemd::{Result, Socket};

/// How often it is looked whether they are there.
const LOOK: Duration = Duration::from_secs(3);
/// What was done for a deployment to no avail is not done again before.
const AGAIN: Duration = Duration::from_secs(60);
/// Deployments at a time for which something is done.
const AT_ONCE: usize = 4;

/// What is known of the sockets.
#[derive(Default)]
struct Known {
    /// Where they are, as systemd says.
    paths: BTreeMap<String, PathBuf>,
    /// Deployments whose socket was gone at the last look.
    missed: BTreeSet<String>,
    /// Those of them for which something was done.
    tried: BTreeSet<String>,
    /// When something may be done for a deployment again.
    again: BTreeMap<String, Instant>,
    /// DPEs that see a folder that is gone.
    blind: BTreeSet<String>,
}

/// Has those made again that are gone.
pub(crate) async fn keep(host: Arc<Host>) {
    let known = Mutex::new(Known::default());
    loop {
        tokio::time::sleep(LOOK).await;
        let all = host.core.registry.all();
        // Without its DPE nobody needs it.
        let needed = all.iter().filter(|it| it.view().pid != 0);
        stream::iter(needed)
            .for_each_concurrent(AT_ONCE, |it| look(&host, &known, &it.name))
            .await;
    }
}

async fn look(host: &Host, known: &Mutex<Known>, name: &str) {
    let may = |known: &Known| known.again.get(name).is_none_or(|at| *at <= Instant::now());
    if !may(&lock(known)) {
        return;
    }
    if let Err(error) = repair(host, known, name).await {
        lock(known).pause(name);
        tracing::warn!(
            cpe_deployment = name,
            "the socket of fence agents of {name} cannot be made again: {error}"
        );
    }
}

async fn repair(host: &Host, known: &Mutex<Known>, name: &str) -> Result<()> {
    let unit = format!("cpe-fence@{name}.socket");
    let path = lock(known).paths.get(name).cloned();
    let path = match path {
        Some(path) => path,
        None => match host.systemd.socket(&unit).await?.path {
            Some(path) => {
                lock(known).paths.insert(name.to_owned(), path.clone());
                path
            }
            // It is not installed, or listens nowhere that has a name.
            None => {
                lock(known).pause(name);
                return Ok(());
            }
        },
    };
    if is_gone(&path).await {
        // One that is being made just now is there at the next look.
        if !lock(known).missed.insert(name.to_owned()) {
            make_again(host, known, name, &path).await?;
        }
        return Ok(());
    }
    lock(known).is_there(name);
    let is_blind = lock(known).blind.contains(name);
    if is_blind && is_still_wanted(host.core.registry.get(name).as_deref()) {
        // It goes on seeing the folder that was there when it began.
        host.systemd.restart(&dpe_unit(name)).await?;
        lock(known).blind.remove(name);
    }
    Ok(())
}

async fn make_again(host: &Host, known: &Mutex<Known>, name: &str, path: &Path) -> Result<()> {
    let unit = format!("cpe-fence@{name}.socket");
    let Socket { is_wanted, .. } = host.systemd.socket(&unit).await?;
    // Where somebody has stopped it, there is to be none.
    if !is_wanted {
        return Ok(());
    }
    lock(known).trying(name);
    if let Some(folder) = path.parent()
        && is_gone(folder).await
    {
        lock(known).blind.insert(name.to_owned());
    }
    host.systemd.restart(&unit).await?;
    if !is_gone(path).await {
        lock(known).is_there(name);
    }
    tracing::warn!(
        cpe_deployment = name,
        "somebody had removed {}, without which no fence agent is run for {name}: {unit} was restarted, which makes it again",
        path.display()
    );
    Ok(())
}

impl Known {
    fn is_there(&mut self, name: &str) {
        self.missed.remove(name);
        self.tried.remove(name);
    }

    fn trying(&mut self, name: &str) {
        if !self.tried.insert(name.to_owned()) {
            self.pause(name);
        }
    }

    fn pause(&mut self, name: &str) {
        self.again.insert(name.to_owned(), Instant::now() + AGAIN);
    }
}

fn is_still_wanted(deployment: Option<&Deployment>) -> bool {
    deployment.is_some_and(|it| it.view().pid != 0 && it.row().destroying.is_none())
}

async fn is_gone(path: &Path) -> bool {
    let found = tokio::fs::symlink_metadata(path).await;
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
