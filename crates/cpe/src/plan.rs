//! What would be done with a document, without doing it.
//!
//! For a deployment that exists its DPE answers, which knows the state of the guests. For a new one
//! the same code runs here on an empty state: no service runs, every assembly answers.

use std::sync::Arc;

use controller::{Controller, Durable, Input, Refusal, Time, Zone};
use cpe_bus::{Error, Result};
use cpe_status::{AgentCheck, Plan, Unasked};

use crate::documents::Accepted;
use crate::host::Host;

/// The plan as JSON ([`cpe_status::Plan`]).
///
/// # Errors
/// [`Error::NotReady`] if the deployment exists and its DPE does not answer: a plan from an empty
/// state would be wrong.
/// [`Error::Busy`] if `who` has too many planned at a time, or all together.
pub(crate) async fn plan(host: &Arc<Host>, who: &str, accepted: Accepted) -> Result<String> {
    let _place = host.core.documents.plan_place(who, accepted.text.len())?;
    let Some(deployment) = host.core.registry.get(&accepted.name) else {
        return host
            .core
            .documents
            .in_turn(move || from_nothing(&accepted))
            .await?;
    };
    let not_ready = |error: &dyn std::fmt::Display| {
        Error::NotReady(format!(
            "deployment `{}` exists, and its DPE, which knows its state, does not answer ({}); try again",
            accepted.name,
            match deployment.view().remark {
                remark if remark.is_empty() => error.to_string(),
                remark => remark,
            }
        ))
    };
    let pid = deployment.view().pid;
    // It asks its guests too.
    let dpe = host.dpes.asker(&accepted.name, pid).await;
    let dpe = dpe.map_err(|error| not_ready(&error))?;
    let planned = dpe.plan(&accepted.text).await;
    planned.map_err(|error| match error.is_temporary() {
        true => not_ready(&error),
        false => error,
    })
}

fn from_nothing(accepted: &Accepted) -> Result<String> {
    let now = cpe_daemon::now();
    let now = Time {
        boottime_us: now,
        wall_us: now,
    };
    let mut controller = Controller::new(&accepted.name, Durable::default(), now);
    let zone = Input::HostTimeZone(cpe_daemon::host_time_zone());
    let plan = controller
        .handle(now, zone)
        .and_then(|()| controller.plan(now, &accepted.text))
        .and_then(|question| question.answer_in(|name| cpe_daemon::time_zone(name).map(Zone::from)))
        .map_err(|refusal| match refusal {
            Refusal::InvalidDocument(text) => Error::InvalidDocument(text),
            other => Error::Failed(other.to_string()),
        })?;
    let unasked = Unasked {
        reason: "the deployment does not run yet, and only its DPE asks its guests".to_owned(),
        ..Unasked::default()
    };
    let agents = AgentCheck {
        unasked: vec![unasked],
        ..AgentCheck::default()
    };
    cpe_bus::json::to_json(&Plan { agents, ..plan })
}
