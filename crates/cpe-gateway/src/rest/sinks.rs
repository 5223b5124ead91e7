//! How the delivery of events stands, and what did not arrive: as `cpe` tells it to administrators,
//! who is told by `cpe-notify`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cpe_bus::cloudevents::rfc3339;
use cpe_bus::json::from_json;
use cpe_status::{SinkList, SinkStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::http::{AsJson, Asked, Caller, Place};
use crate::problem::Problem;

/// A sink. Times that never were are absent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "name": "pager", "type": "http", "target": "https://pager.example/cpe", "state": "waiting", "cursor": 4711, "lag": 3,
    "delivered": 4700, "dead": 0, "lost": 0, "attempts": 2, "next_attempt": "2026-01-31T12:00:04Z",
    "last_success": "2026-01-31T11:58:00Z", "last_error": "503 Service Unavailable", "last_error_time": "2026-01-31T12:00:00Z"
}))]
pub(super) struct Sink {
    /// Its name.
    name: String,
    /// `http` or `exec`.
    r#type: String,
    /// Where to: the address without its query, or the program.
    target: String,
    /// `idle`, `delivering`, `waiting` (for the next attempt), `starting`, or `stuck` (its state
    /// cannot be saved).
    state: String,
    /// Everything up to here in the log is dealt with.
    cursor: u64,
    /// How many events of the log it has not looked at; absent: the log cannot be read now.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<u64>,
    /// Events that arrived.
    delivered: u64,
    /// Dead letters that are kept.
    dead: u64,
    /// Events that retention removed from the log before the sink had looked at them.
    lost: u64,
    /// Failed attempts of the event that is next.
    attempts: u32,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    next_attempt: Option<String>,
    /// When an event arrived last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_success: Option<String>,
    /// Why the last attempt that failed did.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_error_time: Option<String>,
}

impl From<SinkStatus> for Sink {
    fn from(sink: SinkStatus) -> Sink {
        let time = |time: u64| (time > 0).then(|| rfc3339(time));
        Sink {
            name: sink.name,
            r#type: sink.r#type,
            target: sink.target,
            state: sink.state,
            cursor: sink.cursor,
            lag: sink.lag,
            delivered: sink.delivered,
            dead: sink.dead,
            lost: sink.lost,
            attempts: sink.attempts,
            next_attempt: time(sink.next_attempt),
            last_success: time(sink.last_success),
            last_error: (!sink.last_error.is_empty()).then_some(sink.last_error),
            last_error_time: time(sink.last_error_time),
        }
    }
}

/// A file that is not a sink.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refused {
    /// Its path.
    file: String,
    /// `LINE:COLUMN: what is wrong`, or what is wrong with the file.
    reason: String,
}

/// All sinks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sinks {
    /// Those that work, by name.
    sinks: Vec<Sink>,
    /// Files that are not sinks.
    refused: Vec<Refused>,
    /// Why the event log cannot be read now, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

/// How the delivery of events to others stands; for admins.
#[utoipa::path(get, path = "/v1/sinks", operation_id = "list_sinks", tag = "sinks",
    responses((status = 200, description = "The same as of `cpectl sinks`", body = Sinks)))]
pub(super) async fn list(
    _: AsJson,
    Caller(who): Caller,
    State(app): State<Arc<App>>,
) -> Result<Json<Sinks>, Problem> {
    let ask = app.sessions.ask(&who.name, |session| async move {
        session.manager().await?.list_sinks().await
    });
    let list: SinkList = from_json(&ask.await?)?;
    let refused = list.refused.into_iter().map(|it| Refused {
        file: it.file,
        reason: it.reason,
    });
    Ok(Json(Sinks {
        sinks: list.sinks.into_iter().map(Sink::from).collect(),
        refused: refused.collect(),
        log: (!list.log.is_empty()).then_some(list.log),
    }))
}

/// Which dead letter.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The event's id; without it, all dead letters of the sink.
    id: Option<String>,
}

/// They are tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Redelivered {
    /// The sink.
    sink: String,
    /// How many dead letters are.
    count: u32,
}

/// Has dead letters tried once more, before the events that are still to come; for admins.
#[utoipa::path(post, path = "/v1/sinks/{name}/redeliver", operation_id = "redeliver", tag = "sinks",
    params(("name" = String, Path, description = "The sink"), Which),
    responses(
        (status = 202, description = "They are tried again", body = Redelivered),
        (status = 404, description = "There is no such sink or dead letter"),
        (status = 409, description = "Nobody knows whether it was done (`unknown-outcome`)"),
        (status = 422, description = "No event is called so")))]
pub(super) async fn redeliver(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    Asked(which): Asked<Which>,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    if which.id.as_deref() == Some("") {
        return Err(Problem::unprocessable(
            "`id` names a dead letter: leave it out for all of them",
        ));
    }
    let ask = app.sessions.change(&who.name, |session| {
        let (name, id) = (name.clone(), which.id.clone().unwrap_or_default());
        async move { session.manager().await?.redeliver(&name, &id).await }
    });
    let count = ask.await.map_err(Problem::of_sense)?;
    let told = Redelivered { sink: name, count };
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}
