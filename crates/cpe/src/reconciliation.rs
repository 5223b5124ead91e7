//! Units that run without a deployment.
//!
//! Every stored deployment has a supervisor, which sees to its unit. The other direction is here: a
//! `dpe@` unit runs, and the store has no deployment of its name. The database was lost, replaced
//! by a backup or damaged, or somebody started the unit by hand. Whichever it was, services depend
//! on that DPE: without it their leases end, and they stop. So the deployment is taken over from
//! its DPE, which holds a copy of the document, and no DPE is ever stopped without an
//! administrator's word (`cpectl destroy`).
//!
//! On a host that shares deployments there are none: without a grant no DPE acts, and membership
//! sees to the units that have one.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cpe_bus::names::{deployment_of_unit, dpe_unit, is_deployment_name};
use cpe_bus::{Error, Result, json};
use cpe_status::DeploymentStatus;
use cpe_store::{Destroying, Document};
use futures_util::{StreamExt, stream};
use uuid::Uuid;

use crate::host::Host;
use crate::systemd::{self, ActiveState};

/// MESSAGE_ID of the line that says that a DPE runs whose deployment cannot be taken over.
const NOT_TAKEN_OVER: &str = "0c1b9a3f7f6e4d52a9d8b7e31f20c6a4";
/// Pause before a DPE that could not be taken over yet is asked again.
const AGAIN: Duration = Duration::from_secs(10);
/// Pause between two looks for such units while there are none. One call to systemd each.
const PERIOD: Duration = Duration::from_secs(60);
/// DPEs that are asked at the same time: one that does not answer must not keep the others waiting,
/// and a thousand need not be asked at once.
const ASKED_AT_ONCE: usize = 16;

/// Looks for such units for as long as the connection lasts.
pub(crate) async fn run(host: Arc<Host>) {
    if host.core.config.shares_deployments() {
        // What runs without a grant, membership stops at its start. What runs with one and is not
        // stored any more was destroyed, and is about to end: to take it over would undo that.
        host.nothing_left_out.store(true, Ordering::Relaxed);
        return;
    }
    let mut reported = HashSet::new();
    loop {
        let mut left = HashSet::new();
        let mut may_hold_guests = false;
        let pause = match orphan_units(&host).await {
            Ok(orphans) => {
                let mut asked = stream::iter(orphans.into_iter().map(|unit| async {
                    let outcome = adopt(&host, &unit).await;
                    (unit, outcome)
                }))
                .buffer_unordered(ASKED_AT_ONCE);
                while let Some((unit, outcome)) = asked.next().await {
                    let Err(reason) = outcome else { continue };
                    may_hold_guests |= reason.may_hold_guests();
                    if !reported.contains(&unit) {
                        report(&unit, &reason);
                    }
                    left.insert(unit);
                }
                if left.is_empty() { PERIOD } else { AGAIN }
            }
            Err(error) => {
                tracing::warn!("the running DPEs cannot be listed: {error}");
                may_hold_guests = true;
                AGAIN
            }
        };
        reported = left;
        host.nothing_left_out
            .store(!may_hold_guests, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
    }
}

fn report(unit: &str, reason: &NotAdopted) {
    let name = deployment_of_unit(unit).unwrap_or(unit);
    tracing::warn!(
        message_id = NOT_TAKEN_OVER,
        unit,
        "{unit} runs without a stored deployment, which cannot be taken over yet: {reason}. It is left alone and asked again; \
         `cpectl destroy {name}` ends it"
    );
}

/// Running units of DPEs that belong to no deployment.
async fn orphan_units(host: &Host) -> systemd::Result<Vec<String>> {
    if host.core.config.shares_deployments() {
        return Ok(Vec::new());
    }
    let mut units = host.systemd.running("dpe@*.service").await?;
    units.retain(|unit| {
        deployment_of_unit(unit).is_none_or(|name| host.core.registry.get(name).is_none())
    });
    Ok(units)
}

/// Why a running DPE's deployment cannot be taken over yet.
#[derive(Debug, thiserror::Error)]
enum NotAdopted {
    #[error("its name is not that of a deployment")]
    Name,
    #[error("its DPE does not answer ({method}: {})", .error.message())]
    Call {
        method: &'static str,
        error: cpe_bus::Error,
    },
    #[error("its DPE has no document, so it controls no service")]
    NoDocument,
    #[error(transparent)]
    Dpe(#[from] crate::dpe::Error),
    #[error(transparent)]
    Systemd(#[from] systemd::Error),
    #[error(transparent)]
    Store(#[from] cpe_store::Error),
}

impl NotAdopted {
    /// Whether the DPE may have a document, which says what guests it has.
    fn may_hold_guests(&self) -> bool {
        !matches!(self, NotAdopted::NoDocument | NotAdopted::Name)
    }
}

/// What became of a DPE without a deployment that an administrator wants to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphan {
    /// There is none: a deployment of that name is stored (perhaps since this call), or no unit of
    /// that name runs.
    None,
    /// Its unit is stopped.
    Stopped,
}

/// A deployment is to be created: one of that name may run without being stored. Then it is taken
/// over first, and the caller learns that it exists.
///
/// # Errors
/// [`Error::NotReady`] while its DPE does not answer.
pub(crate) async fn before_create(host: &Arc<Host>, name: &str) -> Result<()> {
    if !is_orphan(host, name).await {
        return Ok(());
    }
    match adopt(host, &dpe_unit(name)).await {
        // Without a document it is as good as a new one.
        Ok(()) | Err(NotAdopted::NoDocument) => Ok(()),
        Err(reason) => Err(Error::NotReady(format!(
            "a DPE of `{name}` runs and is about to be taken over: {reason}; try again"
        ))),
    }
}

/// A document is to be taken or planned with: what runs without being stored has guests, which
/// nobody else may take. It is taken over first.
///
/// # Errors
/// [`Error::NotReady`] while a DPE of those does not answer, or systemd does not say which run.
pub(crate) async fn before_claims(host: &Arc<Host>, sees: impl Fn(&str) -> bool) -> Result<()> {
    let orphans = match host.nothing_left_out.load(Ordering::Relaxed) {
        true => Vec::new(),
        // There no DPE is started either.
        false if host.systemd.was_never_there() => Vec::new(),
        // What is taken now is started as soon as systemd answers, and so is what is taken over.
        false => orphan_units(host).await.map_err(|reason| {
            Error::NotReady(format!(
                "systemd does not say which DPEs run, so it is not known which guests they use: {reason}; try again"
            ))
        })?,
    };
    for unit in orphans {
        let reason = match adopt(host, &unit).await {
            Err(reason) if reason.may_hold_guests() => reason,
            _ => continue,
        };
        return Err(Error::NotReady(match deployment_of_unit(&unit) {
            Some(name) if sees(name) => format!(
                "a DPE of `{name}` runs and is about to be taken over, and until then it is not known which guests it uses: {reason}; \
                 try again, or end it (`cpectl destroy {name}`)"
            ),
            _ => "a DPE runs and is about to be taken over, and until then it is not known which guests it uses; try again".to_owned(),
        }));
    }
    Ok(())
}

/// A deployment is to be destroyed: one of that name may run without being stored. It is taken over
/// first, so that it ends as any other; where that is not possible its unit is stopped.
/// `is_expected`: only if it is at some generation.
///
/// # Errors
/// [`Error::NotReady`] if its services are to be stopped, and its DPE does not answer.
/// [`Error::GenerationConflict`] if it has no document, and a generation is expected.
pub(crate) async fn before_destroy(
    host: &Arc<Host>,
    name: &str,
    how: Destroying,
    is_expected: bool,
) -> Result<Orphan> {
    if !is_orphan(host, name).await {
        return Ok(Orphan::None);
    }
    let unit = dpe_unit(name);
    match adopt(host, &unit).await {
        Ok(()) => return Ok(Orphan::None),
        Err(reason) if is_expected => {
            return Err(Error::GenerationConflict(format!(
                "a DPE of `{name}` runs whose generation is not known: {reason}; look again, or end it at any generation"
            )));
        }
        Err(NotAdopted::NoDocument | NotAdopted::Name) => {}
        Err(_) if how == Destroying::LeaveServices => {}
        Err(reason) => {
            return Err(Error::NotReady(format!(
                "a DPE of `{name}` runs and is about to be taken over: {reason}; try again, or end it without stopping services \
                 in order (`cpectl destroy --keep-services {name}`)"
            )));
        }
    }
    tracing::warn!(
        unit,
        "{unit} runs without a stored deployment and is stopped, as an administrator asked"
    );
    match host.systemd.stop(&unit).await {
        Ok(()) => Ok(Orphan::Stopped),
        Err(error) => Err(Error::Failed(format!("{unit} cannot be stopped: {error}"))),
    }
}

/// Whether the unit of this name runs, and no deployment of the name is stored. Without an answer
/// of systemd it does not count as running.
async fn is_orphan(host: &Host, name: &str) -> bool {
    if host.core.config.shares_deployments() || host.core.registry.get(name).is_some() {
        return false;
    }
    let unit = host.systemd.unit(&dpe_unit(name)).await;
    unit.is_ok_and(|unit| !matches!(unit.active, ActiveState::Inactive | ActiveState::Failed))
}

/// Takes over the deployment of a running unit.
///
/// The document is stored as the DPE has it, unchecked: it was accepted once and is in force, and a
/// rule that is newer than it must not end its services.
async fn adopt(host: &Arc<Host>, unit: &str) -> std::result::Result<(), NotAdopted> {
    let name = deployment_of_unit(unit)
        .filter(|name| is_deployment_name(name))
        .ok_or(NotAdopted::Name)?
        .to_owned();
    let pid = host.systemd.unit(unit).await?.pid;
    let client = host.dpes.upkeep(&name, pid).await?;
    let found = client.get_document().await;
    let (document, generation) = found.map_err(|error| NotAdopted::Call {
        method: "GetDocument",
        error,
    })?;
    if generation == 0 {
        return Err(NotAdopted::NoDocument);
    }
    let text = client
        .get_status()
        .await
        .map_err(|error| NotAdopted::Call {
            method: "GetStatus",
            error,
        })?;
    drop(client);
    let uuid = uuid_in_use(&text);
    let document = Document {
        claims: host.core.documents.claims_of(document.clone()).await,
        text: document,
        ..Document::default()
    };
    let _changes = host.core.changes.lock().await;
    let store = &host.core.store;
    let adopted = store.adopt(&name, &uuid, generation, document).await?;
    if let Some(row) = adopted {
        tracing::warn!(
            cpe_deployment = row.name,
            "deployment {} is taken over from its running DPE",
            row.name
        );
        host.core.registry.put(row);
    }
    Ok(())
}

/// The uuid by which the DPE knows its deployment: the document's, or the one that the CPE gave it.
fn uuid_in_use(status: &str) -> String {
    let known = json::from_json::<DeploymentStatus>(status)
        .map(|status| status.uuid)
        .unwrap_or_default();
    match known.is_empty() {
        true => Uuid::new_v4().to_string(),
        false => known,
    }
}
