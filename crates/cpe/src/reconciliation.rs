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
use cpe_bus::names::{DPE_INTERFACE, DPE_PATH, deployment_of_unit, dpe_name};
use cpe_status::DeploymentStatus;
use uuid::Uuid;

use crate::session::Session;

/// MESSAGE_ID of the line that tells of a DPE without a deployment being stopped.
const GHOST_STOPPED: &str = "0c1b9a3f7f6e4d52a9d8b7e31f20c6a4";
/// Pause before a DPE that could not be taken over yet is asked again.
const AGAIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(session: Arc<Session>) {
    loop {
        match ghosts(&session).await {
            Ok(ghosts) if !session.core.is_adopting() => {
                for unit in ghosts {
                    stop(&session, &unit).await;
                }
                return;
            }
            Ok(ghosts) => {
                let mut left = 0;
                for unit in ghosts {
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
async fn ghosts(session: &Session) -> Result<Vec<String>, crate::systemd::Error> {
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
        message_id = GHOST_STOPPED,
        unit,
        "{unit} runs without a stored deployment: it is stopped"
    );
    if let Err(error) = session.systemd.stop(unit).await {
        tracing::error!(unit, "{unit} cannot be stopped: {error}");
    }
}

async fn adopt(session: &Arc<Session>, unit: &str) -> Result<(), String> {
    let name = deployment_of_unit(unit)
        .ok_or("its name is none of a deployment")?
        .to_owned();
    let bus_name = dpe_name(&name);
    let call = async |method: &'static str| {
        session
            .connection
            .call_method(
                Some(bus_name.as_str()),
                DPE_PATH,
                Some(DPE_INTERFACE),
                method,
                &(),
            )
            .await
            .map_err(|error| format!("{method}: {error}"))
    };
    let (document, generation): (String, u64) = call("GetDocument")
        .await?
        .body()
        .deserialize()
        .map_err(|error| format!("GetDocument: {error}"))?;
    if generation == 0 {
        return Err("it has no document".into());
    }
    let accepted = session
        .core
        .documents
        .accept(document)
        .await
        .map_err(|error| error.message())?;
    if accepted.name != name {
        return Err(format!("its document is that of `{}`", accepted.name));
    }
    let uuid = match accepted.uuid {
        Some(uuid) => uuid,
        // A document without a uuid got one from the CPE, which the DPE was told.
        None => {
            let text: String = call("GetStatus")
                .await?
                .body()
                .deserialize()
                .map_err(|error| format!("GetStatus: {error}"))?;
            let status: DeploymentStatus =
                json::from_json(&text).map_err(|error| error.message())?;
            if status.uuid.is_empty() {
                Uuid::new_v4().to_string()
            } else {
                status.uuid
            }
        }
    };
    let _changes = session.core.changes.lock().await;
    let text = accepted.text;
    let row = session
        .core
        .store
        .run(move |store| store.adopt(&name, &uuid, generation, &text))
        .await;
    match row {
        Ok(Some(row)) => {
            tracing::warn!(
                cpe_deployment = row.name,
                "deployment {} is taken over from its running DPE",
                row.name
            );
            session.add(row).await.map_err(|error| error.to_string())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
