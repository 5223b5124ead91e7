//! Events, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use cpe_bus::events::kind_matches;
use cpe_bus::{Event, Fields};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::http::{AsJson, Asked, Caller};
use crate::mirror::Logged;
use crate::problem::Problem;
use crate::rights::Rights;

/// Events of a page, if nothing else is asked for.
const USUAL: u32 = 100;
/// Most events of a page.
const MOST: u32 = 1000;
/// Events that are looked at for one page.
const LOOK_AT: usize = 10_000;

/// Which events.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only events with a higher cursor; 0 for all that are kept.
    #[serde(default)]
    #[param(required = false)]
    after: u64,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Only those of this deployment.
    deployment: Option<String>,
    /// Only those of this assembly.
    assembly: Option<String>,
    /// Only those of this service.
    service: Option<String>,
    /// Only those of this kind, in which `*` stands for any text: `service.*`.
    kind: Option<String>,
}

/// What is asked for, and may be seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub deployment: Option<String>,
    pub assembly: Option<String>,
    pub service: Option<String>,
    pub kind: Option<String>,
}

impl Filter {
    pub(super) fn fits(&self, event: &Event, rights: &Rights) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        same(&self.deployment, &event.deployment)
            && same(&self.assembly, &event.assembly)
            && same(&self.service, &event.service)
            && self
                .kind
                .as_deref()
                .is_none_or(|kind| kind_matches(kind, &event.kind))
            && rights.sees(&event.deployment)
    }
}

/// Some events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Events {
    /// CloudEvents 1.0, oldest first; `sequence` is the cursor.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// Pass it as `after` to go on. When it stays the same, there is nothing more for now.
    next: u64,
}

/// Events of the log, oldest first.
#[utoipa::path(get, path = "/v1/events", operation_id = "list_events", tag = "events", params(Page),
    responses((status = 200, description = "A page", body = Events,
            headers(("Link" = String, description = "`rel=next`: how to go on"))),
        (status = 404, description = "The cursor is of another log: read it from its beginning")))]
pub(super) async fn page(
    _: AsJson,
    Caller(who): Caller,
    Asked(asked): Asked<Page>,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    let session = app.sessions.of(&who.name).await?;
    let limit = match asked.limit {
        None => USUAL,
        Some(limit @ 1..=MOST) => limit,
        Some(_) => return Err(Problem::bad_request(format!("limit: from 1 to {MOST}"))),
    };
    let filter = Filter {
        deployment: asked.deployment.clone(),
        assembly: asked.assembly.clone(),
        service: asked.service.clone(),
        kind: asked.kind.clone(),
    };
    let (mut events, mut next, mut looked_at) = (Vec::new(), asked.after, 0);
    while events.len() < limit as usize && looked_at < LOOK_AT {
        let batch = some_after(&app, next, crate::bus::PAGE).await?;
        if batch.events.is_empty() && batch.next == next {
            break;
        }
        looked_at += batch.events.len().max(1);
        next = batch.next;
        for logged in batch.events {
            if filter.fits(&logged.event, &session.rights) {
                events.push(serde_json::from_str(&logged.json).unwrap_or(Value::Null));
                if events.len() == limit as usize {
                    next = logged.event.cursor;
                    break;
                }
            }
        }
    }
    let link = next_link(&asked, next, limit);
    let mut response = Json(Events { events, next }).into_response();
    if let (true, Ok(link)) = (next != asked.after, HeaderValue::from_str(&link)) {
        let name: HeaderName = header::LINK;
        response.headers_mut().insert(name, link);
    }
    Ok(response)
}

/// How to go on, with what was asked for.
fn next_link(asked: &Page, next: u64, limit: u32) -> String {
    let texts = [
        ("deployment", &asked.deployment),
        ("assembly", &asked.assembly),
        ("service", &asked.service),
        ("kind", &asked.kind),
    ];
    let mut link = format!("</v1/events?after={next}&limit={limit}");
    for (key, text) in texts {
        if let Some(text) = text {
            link.push_str(&format!("&{key}="));
            link.extend(text.bytes().map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                    char::from(byte).to_string()
                }
                byte => format!("%{byte:02X}"),
            }));
        }
    }
    link + ">; rel=\"next\""
}

/// Events after a cursor, whoever may see them, and the cursor to go on from.
pub(super) struct Batch {
    pub events: Vec<Arc<Logged>>,
    pub next: u64,
}

/// Out of the mirror, if they are there; else cpe is asked.
pub(super) async fn some_after(app: &App, cursor: u64, most: u32) -> Result<Batch, Problem> {
    let (known, log) = app.mirror.with_ring(|ring| {
        let events = ring.after(cursor, most as usize);
        let is_last = events
            .as_ref()
            .is_some_and(|events| events.len() < most as usize);
        let end = is_last.then(|| ring.end());
        let known = events.map(|events| {
            let last = events.last().map_or(cursor, |it| it.event.cursor);
            Batch {
                next: end.unwrap_or(last),
                events,
            }
        });
        (known, ring.log().to_owned())
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let link = app.mirror.link().filter(|_| !log.is_empty());
    let link = link.ok_or_else(|| Problem::unavailable("cpe has not told its event log yet"))?;
    let (events, next) = link.query(&log, cursor, most, Fields::new()).await?;
    let events = events
        .into_iter()
        .map(|event| Arc::new(Logged::from(event)));
    Ok(Batch {
        events: events.collect(),
        next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_of_what_was_asked_for() {
        let asked = Page {
            kind: Some("service.*".into()),
            deployment: Some("a&b".into()),
            ..Page::default()
        };
        assert_eq!(
            next_link(&asked, 7, 2),
            "</v1/events?after=7&limit=2&deployment=a%26b&kind=service.*>; rel=\"next\""
        );
    }
}
