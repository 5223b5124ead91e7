//! What was decided and done lately, as the event log tells it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cpe_bus::cloudevents::rfc3339;
use cpe_bus::fields::put;
use cpe_bus::{Event, EventKind, Fields};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{AsJson, Caller, Place};
use crate::problem::Problem;

/// Transitions that are told.
const LAST: usize = 20;
/// How far back they are looked for: as far as cpe looks in one call.
const LOOK_BACK: u64 = 50_000;
/// Events that are kept meanwhile, the last ones.
const MOST_EVENTS: usize = 2000;

/// A transition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transition {
    /// Its number; counted again from each start of the DPE.
    transition: u64,
    /// `running`, `completed`, `aborted`, or `interrupted`: its end was not seen.
    state: &'static str,
    /// When it began.
    #[schema(format = "date-time")]
    started: String,
    /// When it ended.
    #[schema(format = "date-time")]
    ended: Option<String>,
    /// Its actions.
    actions: Option<u64>,
    /// Those that failed.
    failed: Option<u64>,
    /// What it was asked for, and how it ended.
    reason: String,
}

/// The last ones.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transitions {
    /// Oldest first; at most 20.
    transitions: Vec<Transition>,
}

/// The last transitions.
#[utoipa::path(get, path = "/v1/deployments/{name}/transitions", operation_id = "list_transitions", tag = "history",
    params(("name" = String, Path, description = "The deployment")),
    responses((status = 200, description = "The last 20 at most", body = Transitions), (status = 404, description = "There is no such deployment")))]
pub(super) async fn list(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Json<Transitions>, Problem> {
    app.seen_by(&who, &name).await?;
    let link = app.mirror.link();
    let link = link.ok_or_else(|| Problem::unavailable("there is no connection to the bus"))?;
    let (log, end) = app
        .mirror
        .with_ring(|ring| (ring.log().to_owned(), ring.end()));
    let mut cursor = end.saturating_sub(LOOK_BACK);
    let mut events = Vec::new();
    while cursor < end {
        let mut filter = Fields::new();
        put(&mut filter, "deployment", name.as_str());
        put(&mut filter, "kind", "transition.*");
        let (page, next) = link.query(&log, cursor, crate::bus::PAGE, filter).await?;
        events.extend(page);
        events.drain(..events.len().saturating_sub(MOST_EVENTS));
        if next == cursor {
            break;
        }
        cursor = next;
    }
    let mut transitions = told(&events);
    let first = transitions.len().saturating_sub(LAST);
    Ok(Json(Transitions {
        transitions: transitions.split_off(first),
    }))
}

fn told(events: &[Event]) -> Vec<Transition> {
    let mut all: Vec<Transition> = Vec::new();
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events {
        let detail = |key: &str| event.details.get(key).and_then(|text| text.parse().ok());
        let Some(number) = detail("transition") else {
            continue;
        };
        let state = match event.kind.parse() {
            Ok(EventKind::TransitionStarted) => "running",
            Ok(EventKind::TransitionCompleted) => "completed",
            Ok(EventKind::TransitionAborted) => "aborted",
            _ => continue,
        };
        if state == "running" {
            // One at a time: the end of the others was not seen.
            for at in std::mem::take(&mut open).into_values() {
                all[at].state = "interrupted";
            }
            open.insert(number, all.len());
            all.push(Transition {
                transition: number,
                state,
                started: rfc3339(event.time),
                ended: None,
                actions: detail("actions"),
                failed: None,
                reason: event.reason.clone(),
            });
        } else if let Some(at) = open.remove(&number) {
            let transition = &mut all[at];
            transition.state = state;
            transition.ended = Some(rfc3339(event.time));
            transition.failed = detail("failed");
            if state == "aborted" {
                transition.reason = format!("{}; {}", transition.reason, event.reason);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, number: u64) -> Event {
        let mut event = Event::new(kind, "shop", 1);
        let number = number.to_string();
        event.details.insert("transition".into(), number);
        event
    }

    #[test]
    fn a_transition_whose_end_nobody_saw_was_interrupted() {
        let events = [
            event(EventKind::TransitionCompleted, 6),
            event(EventKind::TransitionStarted, 7),
            event(EventKind::TransitionCompleted, 7),
            event(EventKind::TransitionStarted, 8),
            event(EventKind::TransitionStarted, 1),
        ];
        let told = told(&events);
        let states: Vec<_> = told.iter().map(|it| (it.transition, it.state)).collect();
        assert_eq!(
            states,
            [(7, "completed"), (8, "interrupted"), (1, "running")]
        );
    }
}
