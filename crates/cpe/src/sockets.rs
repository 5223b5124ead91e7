//! The sockets by which DPEs have fence agents run. systemd makes the file of one when it begins to
//! listen there, and never again. Where somebody has removed it, no guest can be fenced, and nobody
//! would hear of that before it is needed.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::names::dpe_unit;

use crate::host::Host;
use crate::systemd::Result;

/// How often it is looked whether they are there.
const LOOK: Duration = Duration::from_secs(3);

/// Has those made again that are gone.
pub(crate) async fn keep(host: Arc<Host>) {
    let mut missed = BTreeSet::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let before = std::mem::take(&mut missed);
        for deployment in host.core.registry.all() {
            let name = &deployment.name;
            let folder = host.core.config.dpe.fence_sockets.join(name);
            // Without its DPE nobody needs it.
            if deployment.view().pid == 0 || !is_gone(&folder.join("sock")).await {
                continue;
            }
            // One that is being made just now is there at the next look.
            if !before.contains(name) {
                missed.insert(name.clone());
            } else if let Err(error) = make_again(&host, name, &folder).await {
                tracing::warn!(
                    cpe_deployment = name,
                    "the socket of fence agents of {name} cannot be made again: {error}"
                );
            }
        }
    }
}

async fn is_gone(path: &Path) -> bool {
    let found = tokio::fs::symlink_metadata(path).await;
    found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

async fn make_again(host: &Host, name: &str, folder: &Path) -> Result<()> {
    let unit = format!("cpe-fence@{name}.socket");
    // Where it is not installed, or somebody has stopped it, there is to be none.
    if !host.systemd.is_active(&unit).await.unwrap_or(false) {
        return Ok(());
    }
    let is_folder_gone = is_gone(folder).await;
    tracing::warn!(
        cpe_deployment = name,
        "somebody has removed {}/sock, without which no fence agent is run for {name}: {unit} is restarted, which makes it again",
        folder.display()
    );
    host.systemd.restart(&unit).await?;
    if is_folder_gone {
        // It goes on seeing the folder that was there when it began.
        host.systemd.restart(&dpe_unit(name)).await?;
    }
    Ok(())
}
