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

/// The plan.
///
/// # Errors
/// [`Error::NotReady`] if the deployment exists and its DPE does not answer: a plan from an empty
/// state would be wrong.
/// [`Error::Busy`] if `who` has too many planned at a time, or all together.
pub(crate) async fn plan(host: &Arc<Host>, who: &str, accepted: Accepted) -> Result<Plan> {
    let _place = host.core.documents.plan_place(who, accepted.text.len())?;
    let Some(deployment) = host.core.registry.get(&accepted.name) else {
        return host
            .core
            .documents
            .in_turn(move || from_nothing(&accepted))
            .await?;
    };
    deployment.must_be_here()?;
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
    match planned {
        Ok(text) => cpe_bus::json::from_json(&text),
        Err(error) if error.is_temporary() => Err(not_ready(&error)),
        Err(error) => Err(error),
    }
}

/// A deployment that nobody runs yet: nothing is loaded, and nothing is known of its guests.
pub(crate) struct Fresh {
    pub controller: Controller,
    pub now: Time,
}

impl Fresh {
    /// # Errors
    /// [`Error::Failed`] if there is none: a mistake of the program.
    pub(crate) fn new(name: &str) -> Result<Fresh> {
        let now = cpe_daemon::now();
        let now = Time {
            boottime_us: now,
            wall_us: now,
        };
        let mut controller = Controller::new(name, Durable::default(), now);
        let zone = Input::HostTimeZone(cpe_daemon::host_time_zone());
        controller.handle(now, zone).map_err(refused)?;
        Ok(Fresh { controller, now })
    }
}

/// The rules of a time zone.
pub(crate) fn zone(name: &str) -> Option<Zone> {
    cpe_daemon::time_zone(name).map(Zone::from)
}

/// A refusal as the bus names it.
pub(crate) fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::InvalidDocument(text) => Error::InvalidDocument(text),
        other => Error::Failed(other.to_string()),
    }
}

fn from_nothing(accepted: &Accepted) -> Result<Plan> {
    let Fresh { controller, now } = Fresh::new(&accepted.name)?;
    let plan = controller.plan(now, &accepted.text);
    let plan = plan.and_then(|question| question.answer_in(zone));
    let unasked = Unasked {
        reason: "the deployment does not run yet, and only its DPE asks its guests".to_owned(),
        ..Unasked::default()
    };
    let agents = AgentCheck {
        unasked: vec![unasked],
        ..AgentCheck::default()
    };
    Ok(Plan {
        agents,
        ..plan.map_err(refused)?
    })
}
