//! Units that run without a deployment.
//!
//! Every stored deployment has a supervisor, which sees to its unit. The other direction is here: a
//! `dpe@` unit that runs and has no stored deployment is stopped, because nothing would ever ask it
//! to end. Unless the database was lost: then what runs is what there is, and is taken over
//! instead.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cpe_bus::json;
use cpe_bus::names::deployment_of_unit;
use cpe_status::DeploymentStatus;
use uuid::Uuid;

use crate::session::Session;
use crate::store;

/// MESSAGE_ID of the line that says that a DPE without a deployment is stopped.
const ORPHAN_STOPPED: &str = "0c1b9a3f7f6e4d52a9d8b7e31f20c6a4";
/// Pause before a DPE that could not be taken over yet is asked again.
const AGAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(session: Arc<Session>) {
    loop {
        match orphan_units(&session).await {
            Ok(orphans) if !session.core.is_adopting() => {
                for unit in orphans {
                    stop(&session, &unit).await;
                }
                return;
            }
            Ok(orphans) => {
                let mut left = 0;
                for unit in orphans {
                    if let Err(reason) = adopt(&session, &unit).await {
                        tracing::warn!(
                            unit,
                            "{unit} runs, and its deployment cannot be taken over yet: {reason}; it is left alone"
                        );
                        left += 1;
                    }
                }
                if left == 0 {
                    match session.core.store.run(|store| store.stop_adopting()).await {
                        Ok(()) => session.core.adopting.store(false, Ordering::Relaxed),
                        Err(error) => tracing::error!("{error}"),
                    }
                    return;
                }
            }
            Err(error) => tracing::warn!("the running DPEs cannot be listed: {error}"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Running units of DPEs that belong to no deployment.
async fn orphan_units(session: &Session) -> Result<Vec<String>, crate::systemd::Error> {
    let mut units = session.systemd.running("dpe@*.service").await?;
    units.retain(|unit| {
        deployment_of_unit(unit).is_none_or(|name| session.core.registry.get(name).is_none())
    });
    Ok(units)
}

async fn stop(session: &Session, unit: &str) {
    // A deployment of that name may have been created since the list was made; while this is held,
    // none is.
    let _changes = session.core.changes.lock().await;
    if deployment_of_unit(unit).is_some_and(|name| session.core.registry.get(name).is_some()) {
        return;
    }
    tracing::warn!(
        message_id = ORPHAN_STOPPED,
        unit,
        "{unit} runs without a stored deployment: it is stopped"
    );
    if let Err(error) = session.systemd.stop(unit).await {
        tracing::error!(unit, "{unit} cannot be stopped: {error}");
    }
}

/// Why a running DPE's deployment cannot be taken over yet.
#[derive(Debug, thiserror::Error)]
enum NotAdopted {
    #[error("its name is not that of a deployment")]
    Name,
    #[error("{method}: {}", .error.message())]
    Call {
        method: &'static str,
        error: cpe_bus::Error,
    },
    #[error("it has no document")]
    NoDocument,
    #[error("{}", .0.message())]
    Refused(cpe_bus::Error),
    #[error("its document is that of `{0}`")]
    OtherDocument(String),
    #[error(transparent)]
    Bus(#[from] zbus::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

async fn adopt(session: &Arc<Session>, unit: &str) -> Result<(), NotAdopted> {
    let name = deployment_of_unit(unit).ok_or(NotAdopted::Name)?.to_owned();
    let (document, generation) = {
        let dpe = session.dpes.client(&name).await?;
        let found = dpe.get_document().await;
        found.map_err(|error| NotAdopted::Call {
            method: "GetDocument",
            error,
        })?
    };
    if generation == 0 {
        return Err(NotAdopted::NoDocument);
    }
    let accepted = session
        .core
        .documents
        .accept(document)
        .await
        .map_err(NotAdopted::Refused)?;
    if accepted.name != name {
        return Err(NotAdopted::OtherDocument(accepted.name));
    }
    let uuid = match accepted.uuid {
        Some(uuid) => uuid,
        None => uuid_in_use(session, &name).await?,
    };
    let _changes = session.core.changes.lock().await;
    let text = accepted.text;
    let adopted = session
        .core
        .store
        .run(move |store| store.adopt(&name, &uuid, generation, &text))
        .await?;
    if let Some(row) = adopted {
        tracing::warn!(
            cpe_deployment = row.name,
            "deployment {} is taken over from its running DPE",
            row.name
        );
        session.add(row).await?;
    }
    Ok(())
}

/// A document without a uuid got one from the CPE, and the DPE knows it.
async fn uuid_in_use(session: &Session, name: &str) -> Result<String, NotAdopted> {
    let dpe = session.dpes.client(name).await?;
    let text = dpe.get_status().await.map_err(|error| NotAdopted::Call {
        method: "GetStatus",
        error,
    })?;
    let status: DeploymentStatus = json::from_json(&text).map_err(NotAdopted::Refused)?;
    Ok(match status.uuid.is_empty() {
        true => Uuid::new_v4().to_string(),
        false => status.uuid,
    })
}
