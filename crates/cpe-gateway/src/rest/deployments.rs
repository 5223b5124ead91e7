//! Deployments, as the mirror has them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use cpe_bus::DeploymentEntry;
use cpe_status::DeploymentStatus;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, no_deployment};
use crate::http::{AsJson, Asked, Caller, Place};
use crate::mirror::Seen;
use crate::problem::Problem;
use crate::rights::Role;

/// Some of how many.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(super) struct Count {
    /// Assemblies that are online; services that run.
    well: usize,
    /// All of them.
    all: usize,
}

impl From<(usize, usize)> for Count {
    fn from((well, all): (usize, usize)) -> Count {
        Count { well, all }
    }
}

/// A deployment at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Summary {
    /// Its name.
    name: String,
    /// The document's uuid.
    uuid: String,
    /// `stored`, `starting`, `loading`, `active`, `degraded`, `failed` or `destroying`.
    state: String,
    /// The state in a sentence.
    summary: String,
    /// The stored generation.
    generation: u64,
    /// Those that are online: in standby and in maintenance, too.
    assemblies: Count,
    /// Those that run: promoted and unmanaged, too.
    services: Count,
    /// How old that is, in milliseconds; absent: no status is known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
}

/// All deployments that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deployments {
    /// How many are in which state, whatever was asked for.
    counts: BTreeMap<String, usize>,
    /// By name.
    deployments: Vec<Summary>,
}

/// Which are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those in this state.
    state: Option<String>,
}

/// Deployments at a glance.
#[utoipa::path(get, path = "/v1/deployments", operation_id = "list_deployments", tag = "deployments", params(Which),
    responses((status = 200, description = "Those that the caller may see", body = Deployments)))]
pub(super) async fn list(
    _: AsJson,
    Caller(who): Caller,
    Asked(which): Asked<Which>,
    State(app): State<Arc<App>>,
) -> Result<Json<Deployments>, Problem> {
    let session = app.sessions.of(&who.name).await?;
    if !app.mirror.is_filled() {
        return Err(Problem::unavailable(
            "cpe has not said yet which deployments there are",
        ));
    }
    let mut counts = BTreeMap::new();
    let mut deployments = Vec::new();
    for seen in app.mirror.snapshot() {
        if !session.rights.sees(&seen.entry.name) {
            continue;
        }
        let state = seen.entry.state.as_str();
        *counts.entry(state.to_owned()).or_default() += 1;
        if which.state.as_deref().is_none_or(|wanted| wanted == state) {
            deployments.push(summary(seen));
        }
    }
    Ok(Json(Deployments {
        counts,
        deployments,
    }))
}

fn summary(seen: Seen) -> Summary {
    let age_ms = seen.age().map(milliseconds);
    let status = seen.status.unwrap_or_default();
    let DeploymentEntry {
        name,
        uuid,
        generation,
        state,
        ..
    } = seen.entry;
    Summary {
        name,
        uuid,
        state: state.as_str().to_owned(),
        summary: status.summary.clone(),
        generation,
        assemblies: status.online().into(),
        services: status.running().into(),
        age_ms,
    }
}

/// A duration as answers have it.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deployment {
    /// The caller's role.
    role: Option<Role>,
    /// How old the status is, in milliseconds.
    age_ms: u64,
    /// cpe answered when it was asked last: the status is as new as its age says.
    is_live: bool,
    /// The status: the same as of `cpectl status --json`, without values of attributes and options.
    #[schema(value_type = Object)]
    status: Value,
}

/// A deployment: what runs where, what failed, what is done about it.
#[utoipa::path(get, path = "/v1/deployments/{name}", operation_id = "get_deployment", tag = "deployments",
    params(("name" = String, Path, description = "The deployment")),
    responses((status = 200, description = "Its status", body = Deployment), (status = 404, description = "There is none")))]
pub(super) async fn one(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Json<Deployment>, Problem> {
    let session = app.seen_by(&who, &name).await?;
    let (status, age) = status(&app, &name).await?;
    Ok(Json(Deployment {
        role: session.rights.role(&name),
        age_ms: milliseconds(age),
        is_live: app.mirror.health().is_ready(),
        status: json!(*status),
    }))
}

/// The status that is known, or if there is none yet, the one that cpe tells.
async fn status(app: &App, name: &str) -> Result<(Arc<DeploymentStatus>, Duration), Problem> {
    let seen = app.mirror.deployment(name);
    if let Some((status, age)) = seen.and_then(|seen| Some((seen.status.clone()?, seen.age()?))) {
        return Ok((status, age));
    }
    let link = app.mirror.link();
    let link = link.ok_or_else(|| Problem::unavailable("there is no connection to the bus"))?;
    match link.status(name).await.map_err(Problem::from) {
        Ok(status) => Ok((Arc::new(status), Duration::ZERO)),
        Err(problem) if problem.status == 404 => Err(no_deployment(name)),
        Err(problem) => Err(problem),
    }
}
