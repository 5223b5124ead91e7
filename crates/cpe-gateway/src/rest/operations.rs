//! Orders that are done at once: each has an id of its giver's choice, by which it is done once
//! however often it is sent. cpe keeps them; nothing is remembered here.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cpe_bus::Error;
use cpe_bus::json::from_json;
use cpe_bus::orders::{OrderReport, OrderState, Ordered, is_order_id};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::http::{self, AsJson, Asked, Caller, Place};
use crate::identity::Principal;
use crate::problem::Problem;

const KEY: &str = "idempotency-key";
/// Longest wait for the end of an operation, in seconds.
const LONGEST: u64 = 30;
/// Pauses between two looks at it: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// An operation: an order, and what has become of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0f8fad5b-d9cb-469f-a165-70867728950e", "deployment": "shop",
    "order": {"operation": "cleanup", "service": "db"}, "state": "done",
    "begun": "2026-01-31T12:00:00Z", "ended": "2026-01-31T12:00:00.012Z", "cursor": 4711, "may_repeat": false
}))]
pub(super) struct Operation {
    /// Its id: the `Idempotency-Key` with which it was given.
    id: String,
    /// The deployment.
    deployment: String,
    /// The order.
    #[schema(value_type = Object)]
    order: Value,
    /// How far it is.
    state: OrderState,
    /// When it was taken.
    #[schema(format = DateTime)]
    begun: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// Events after this cursor tell what follows (`/v1/events/stream?from=CURSOR`).
    cursor: u64,
    /// What came of it: of `debug` its report, of an order about a service its plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    /// Why it is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
    /// The same order with the same key is tried again.
    may_repeat: bool,
}

impl From<OrderReport> for Operation {
    fn from(report: OrderReport) -> Operation {
        let problem = report.error.as_ref().map(|error| match report.state {
            OrderState::Unknown => Problem::outcome_unknown(&error.text),
            _ => Problem::from(error.error()).of_sense(),
        });
        Operation {
            id: report.id,
            deployment: report.deployment,
            order: report.order,
            state: report.state,
            begun: time(report.begun),
            ended: (report.ended > 0).then(|| time(report.ended)),
            cursor: report.cursor,
            output: report.output,
            problem,
            may_repeat: report.may_repeat,
        }
    }
}

fn time(microseconds: u64) -> String {
    let time = Timestamp::from_microsecond(i64::try_from(microseconds).unwrap_or(i64::MAX));
    time.unwrap_or_default().to_string()
}

/// Has something done, once for each key: an order about a service, an assembly or the deployment.
///
/// A repeat by the same caller within a week gets the same operation and the same answer; another
/// order with the same key is refused (422). Keys of other callers have nothing to do with it. What
/// could not be done for now (503, 409 `busy`) may be sent again with the same key. It takes the
/// role that the order takes on the bus.
#[utoipa::path(post, path = "/v1/deployments/{name}/operations", operation_id = "give_order", tag = "operations",
    params(("name" = String, Path, description = "The deployment"),
        ("Idempotency-Key" = String, Header, pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", description = "A UUID in small letters, new for each order: it is the operation's id", example = "0f8fad5b-d9cb-469f-a165-70867728950e")),
    request_body(content = Ordered, description = "What is to be done",
        examples(
            ("cleanup" = (value = json!({"operation": "cleanup", "service": "db"}))),
            ("move" = (value = json!({"operation": "move", "service": "db", "assembly": "app1", "for_ms": 7200000}))),
            ("maintenance" = (value = json!({"operation": "maintenance", "assembly": "web1", "on": true}))),
            ("fence" = (value = json!({"operation": "fence", "assembly": "web1", "power": "off"}))))),
    responses(
        (status = 200, description = "It is done", body = Operation, headers(("Location" = String, description = "The operation"))),
        (status = 202, description = "It is being done", body = Operation, headers(("Location" = String, description = "The operation"))),
        (status = 404, description = "There is no such deployment, service or assembly"),
        (status = 409, description = "It would not hold (`refused`), something excludes it (`busy`), or nobody knows whether it was done (`unknown-outcome`)"),
        (status = 422, description = "Another order was given with that key (`key-reused`), or the order cannot be meant"),
        (status = 428, description = "There is no key")))]
pub(super) async fn give(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    headers: HeaderMap,
    State(app): State<Arc<App>>,
    http::Json(order): http::Json<Ordered>,
) -> Result<Response, Problem> {
    app.seen_by(&who, &name).await?;
    let id = key(&headers)?;
    let (asked, text) = (name.clone(), order.text());
    let given = app.sessions.ask(&who.name, |session| {
        let (name, id, text) = (asked.clone(), id.clone(), text.clone());
        async move {
            match session
                .deployment(&name)
                .await?
                .give_order(&id, &text)
                .await
            {
                Err(Error::Exists(reason)) => Ok(Err(reason)),
                answer => answer.map(Ok),
            }
        }
    });
    let given = given.await.map_err(Problem::of_sense);
    let given = given.map_err(send_again)?.map_err(|reason| {
        let title = "Another order has this key";
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "key-reused",
            title,
            reason,
        )
    })?;
    let operation: Operation = from_json::<OrderReport>(&given)?.into();
    app.mirror.look_again(&name);
    let place = format!("/v1/deployments/{name}/operations/{id}");
    let status = match operation.state {
        OrderState::Running => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    let mut response = match operation.problem {
        Some(problem) => problem.into_response(),
        None => (status, Json(operation)).into_response(),
    };
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Whether it was taken is not known, and the same key asks.
fn send_again(problem: Problem) -> Problem {
    if problem.status != StatusCode::SERVICE_UNAVAILABLE.as_u16() {
        return problem;
    }
    let detail =
        "cpe does not answer now: send the same order with the same key again, it is done once";
    Problem {
        detail: detail.to_owned(),
        ..problem
    }
}

/// The key of an order.
fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else {
        return Err(Problem::precondition_required(
            "say `Idempotency-Key` with a new UUID for each order: sent again with the same one, it is done once",
        ));
    };
    let text = key.to_str().ok().filter(|_| keys.next().is_none());
    match text {
        Some(text) if is_order_id(text) => Ok(text.to_owned()),
        _ => Err(Problem::bad_request(
            "Idempotency-Key must be one UUID in small letters, as 0f8fad5b-d9cb-469f-a165-70867728950e",
        )),
    }
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Waiting {
    /// Waits so many seconds for its end, at most: `30s`.
    #[param(required = false, pattern = "^([1-9]|[12][0-9]|30)s$", example = "30s")]
    wait: Option<String>,
}

impl Waiting {
    fn time(&self) -> Result<Duration, Problem> {
        let Some(text) = &self.wait else {
            return Ok(Duration::ZERO);
        };
        let seconds = text
            .strip_suffix('s')
            .filter(|it| !it.starts_with(['0', '+']));
        let seconds = seconds.and_then(|text| text.parse::<u64>().ok());
        match seconds {
            Some(seconds) if (1..=LONGEST).contains(&seconds) => Ok(Duration::from_secs(seconds)),
            _ => Err(Problem::bad_request(format!(
                "wait must be whole seconds from `1s` to `{LONGEST}s`"
            ))),
        }
    }
}

/// What has become of an operation of the caller's.
#[utoipa::path(get, path = "/v1/deployments/{name}/operations/{id}", operation_id = "get_operation", tag = "operations",
    params(("name" = String, Path, description = "The deployment"), ("id" = String, Path, description = "The operation"), Waiting),
    responses(
        (status = 200, description = "The operation", body = Operation),
        (status = 404, description = "The caller has given none with that id within a week")))]
pub(super) async fn one(
    _: AsJson,
    Caller(who): Caller,
    Place((name, id)): Place<(String, String)>,
    Asked(waiting): Asked<Waiting>,
    State(app): State<Arc<App>>,
) -> Result<Json<Operation>, Problem> {
    app.seen_by(&who, &name).await?;
    let end = Instant::now() + waiting.time()?;
    let _place = match waiting.wait {
        None => None,
        Some(_) => Some(app.waits.enter(&who.name).ok_or_else(|| {
            Problem::too_many(
                "too many wait for operations: wait for one after another",
                1,
            )
        })?),
    };
    let mut pause = PAUSES.0;
    loop {
        let operation = look(&app, &who, &name, &id).await?;
        let left = end.saturating_duration_since(Instant::now());
        if operation.state != OrderState::Running || left.is_zero() {
            return Ok(Json(operation));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn look(app: &App, who: &Principal, name: &str, id: &str) -> Result<Operation, Problem> {
    let asked = app.sessions.ask(&who.name, |session| {
        let (name, id) = (name.to_owned(), id.to_owned());
        async move { session.deployment(&name).await?.get_order(&id).await }
    });
    Ok(from_json::<OrderReport>(&asked.await?)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_uuid_written_in_one_way() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, HeaderValue::from_static(value));
            }
            key(&headers).map_err(|problem| problem.status)
        };
        let good = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(of(&[good]).as_deref(), Ok(good));
        assert_eq!(of(&[]), Err(428));
        for wrong in [
            "",
            "1",
            "0F8FAD5B-D9CB-469F-A165-70867728950E",
            "0f8fad5bd9cb469fa16570867728950e",
            "{0f8fad5b-d9cb-469f-a165-70867728950e}",
        ] {
            assert_eq!(of(&[wrong]), Err(400), "{wrong}");
        }
        assert_eq!(of(&[good, good]), Err(400));
    }

    #[test]
    fn a_wait_is_whole_seconds_and_not_long() {
        let of = |wait: &str| {
            let wait = Some(wait.to_owned());
            Waiting { wait }.time().map_err(|problem| problem.status)
        };
        assert_eq!(of("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(of("1s"), Ok(Duration::from_secs(1)));
        for wrong in [
            "", "30", "s", "0s", "31s", "-1s", "+1s", "01s", "1.5s", "1m",
        ] {
            assert_eq!(of(wrong), Err(400), "{wrong}");
        }
    }
}
