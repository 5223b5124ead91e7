//! What administrators want of single services beside the document: listed, and ended.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cpe_bus::cloudevents::rfc3339;
use cpe_bus::fields::put;
use cpe_bus::json::from_json;
use cpe_bus::{Fields, Result as BusResult};
use cpe_status::{DeploymentStatus, OverlayKind, OverlayStatus, ServicePlan};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::app::App;
use crate::bus::Session;
use crate::http::{AsJson, Caller, Place};
use crate::problem::Problem;

/// Something that somebody wants of a service beside the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "cli-ban-db-on-app1", "kind": "ban", "service": "db", "assembly": "app1", "by": "alice",
    "created": "2026-01-31T12:00:00Z", "until": "time", "ends": "2026-01-31T14:00:00Z",
    "text": "db may not run on app1, until 14:00", "remedy": "cpectl clear shop db app1"
}))]
pub(super) struct Entry {
    /// By which it is ended here: of moves and bans also that of the location constraint.
    id: String,
    /// `move`, `ban`, `disable`, `unmanage` or `restart`.
    kind: String,
    /// A service, group, clone or bundle.
    service: String,
    /// The assembly that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    assembly: Option<String>,
    /// The role that it is about; absent: every role.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// Who wants it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Since when.
    #[schema(format = DateTime)]
    created: String,
    /// What ends it: `placed` (the service is where it is wanted), `time`, `stopped` (it is, and
    /// starts again), or a person (`cleared`).
    until: String,
    /// When that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    ends: Option<String>,
    /// All of that for people.
    text: String,
    /// The command that ends it.
    remedy: String,
}

impl From<&OverlayStatus> for Entry {
    fn from(entry: &OverlayStatus) -> Entry {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Entry {
            id: id(entry),
            kind: entry.kind.as_str().to_owned(),
            service: entry.service.clone(),
            assembly: some(&entry.assembly),
            role: some(&entry.role),
            by: some(&entry.by),
            created: rfc3339(entry.created),
            until: entry.until.as_str().to_owned(),
            ends: (entry.ends > 0).then(|| rfc3339(entry.ends)),
            text: entry.text.clone(),
            remedy: entry.remedy.clone(),
        }
    }
}

/// Of a deployment there is one entry of a kind for a service, or one constraint.
fn id(entry: &OverlayStatus) -> String {
    match entry.constraint.as_str() {
        "" => format!("{}-{}", entry.kind.as_str(), entry.service),
        constraint => constraint.to_owned(),
    }
}

/// All of a deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overlay {
    /// In the order in which they were wanted.
    entries: Vec<Entry>,
}

/// The ETag of the entries.
fn tag(entries: &[Entry]) -> String {
    let text = serde_json::to_string(entries).unwrap_or_default();
    let hash = Sha256::digest(text.as_bytes());
    let hex: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"o{hex}\"")
}

async fn read(session: &Session, name: &str) -> BusResult<Vec<OverlayStatus>> {
    let told = session.deployment(name).await?.get_status().await?;
    let status: DeploymentStatus = from_json(&told)?;
    Ok(status.overlay)
}

/// What is wanted of single services beside the document: moves, bans, disabled and unmanaged
/// services, restarts.
#[utoipa::path(get, path = "/v1/deployments/{name}/overlay", operation_id = "list_overlay", tag = "operations",
    params(("name" = String, Path, description = "The deployment")),
    responses(
        (status = 200, description = "The entries", body = Overlay, headers(("ETag" = String, description = "Tells these entries from others"))),
        (status = 404, description = "There is no such deployment")))]
pub(super) async fn list(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    app.seen_by(&who, &name).await?;
    let ask = app.sessions.ask(&who.name, |session| {
        let name = name.clone();
        async move { read(&session, &name).await }
    });
    let entries: Vec<Entry> = ask.await?.iter().map(Entry::from).collect();
    let tag = [(header::ETAG, tag(&entries))];
    Ok((tag, Json(Overlay { entries })).into_response())
}

/// It is ended; what follows from that follows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ended {
    /// The deployment.
    deployment: String,
    /// The entry.
    id: String,
    /// Events after this cursor tell what follows (`/v1/events/stream?from=CURSOR`).
    cursor: u64,
}

/// Ends an entry; for operators.
///
/// Of a move or a ban all that was ordered of that service and assembly ends, as with `clear`. What
/// follows from it is what a plan of `clear`, `enable` or `manage` says (`POST /v1/plans`).
#[utoipa::path(delete, path = "/v1/deployments/{name}/overlay/{id}", operation_id = "end_overlay_entry", tag = "operations",
    params(("name" = String, Path, description = "The deployment"), ("id" = String, Path, description = "The entry", example = "cli-ban-db-on-app1"),
        ("If-Match" = String, Header, pattern = "^\"o[0-9a-f]{16}\"$", description = "The ETag of the entries that were looked at")),
    responses(
        (status = 202, description = "It is ended, and what follows is being carried out", body = Ended),
        (status = 404, description = "There is no such deployment or entry"),
        (status = 409, description = "It would not hold (`refused`), it ends by itself as soon as it is done, or nobody knows whether it was ended (`unknown-outcome`)"),
        (status = 412, description = "There are other entries now"),
        (status = 428, description = "Which entries were looked at?")))]
pub(super) async fn end(
    _: AsJson,
    Caller(who): Caller,
    Place((name, id)): Place<(String, String)>,
    headers: HeaderMap,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    app.seen_by(&who, &name).await?;
    let wanted = looked_at(&headers)?;
    let cursor = app.mirror.with_ring(crate::mirror::Ring::end);
    let ask = app.sessions.ask(&who.name, |session| {
        let (name, id, wanted) = (name.clone(), id.clone(), wanted.clone());
        async move { planned(&session, &name, &id, &wanted).await }
    });
    let (verb, service, options) = ask.await??;
    let order = app.sessions.change(&who.name, |session| {
        let (name, service, options) = (name.clone(), service.clone(), options.clone());
        async move {
            let deployment = session.deployment(&name).await?;
            deployment.order_service(verb, &service, options).await
        }
    });
    order.await?;
    app.mirror.look_again(&name);
    let ended = Ended {
        deployment: name,
        id,
        cursor,
    };
    Ok((StatusCode::ACCEPTED, Json(ended)).into_response())
}

/// An order about a service: verb, service, options.
type Order = (&'static str, String, Fields);

/// The order that ends an entry, as it is planned now.
async fn planned(
    session: &Session,
    name: &str,
    wanted: &str,
    known: &str,
) -> BusResult<Result<Order, Problem>> {
    let entries = read(session, name).await?;
    let told: Vec<Entry> = entries.iter().map(Entry::from).collect();
    let Some(entry) = entries.iter().find(|entry| id(entry) == wanted) else {
        return Ok(Err(Problem::not_found(format!(
            "nothing beside the document is called `{}` (any more)",
            cpe_bus::fields::bounded(wanted, 80)
        ))));
    };
    if tag(&told) != known {
        return Ok(Err(Problem::precondition_failed(
            "there are other entries now: look at them again; nothing was ended",
        )));
    }
    let mut options = Fields::new();
    let verb = match entry.kind {
        OverlayKind::Move | OverlayKind::Ban => {
            put(&mut options, "assembly", entry.assembly.as_str());
            "clear"
        }
        OverlayKind::Disable => "enable",
        OverlayKind::Unmanage => "manage",
        _ => {
            let status = StatusCode::CONFLICT;
            let detail = "a restart ends by itself as soon as it is done";
            return Ok(Err(Problem::new(
                status,
                "refused",
                "It would not hold",
                detail,
            )));
        }
    };
    let deployment = session.deployment(name).await?;
    let plan = deployment.plan_service(verb, &entry.service, options.clone());
    let plan: ServicePlan = from_json(&plan.await?)?;
    put(&mut options, "fingerprint", plan.fingerprint);
    Ok(Ok((verb, entry.service.clone(), options)))
}

/// The entries that the change was made from.
fn looked_at(headers: &HeaderMap) -> Result<String, Problem> {
    let mut tags = headers.get_all(header::IF_MATCH).iter();
    let Some(tag) = tags.next() else {
        return Err(Problem::precondition_required(
            "say `If-Match` with the ETag of the entries that you have looked at (GET …/overlay)",
        ));
    };
    let is_one = |tag: &str| {
        let inner = tag
            .strip_prefix("\"o")
            .and_then(|rest| rest.strip_suffix('"'));
        inner.is_some_and(|hex| {
            hex.len() == 16
                && hex
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    match tag.to_str().ok().filter(|_| tags.next().is_none()) {
        Some(tag) if is_one(tag) => Ok(tag.to_owned()),
        _ => Err(Problem::bad_request(
            "If-Match must have one ETag of entries, such as \"o0123456789abcdef\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn entries_have_names_of_their_own_and_other_ones_another_tag() {
        let ban = OverlayStatus {
            kind: OverlayKind::Ban,
            service: "db".into(),
            constraint: "cli-ban-db-on-app1".into(),
            ..OverlayStatus::default()
        };
        let disable = OverlayStatus {
            kind: OverlayKind::Disable,
            service: "db".into(),
            ..OverlayStatus::default()
        };
        assert_eq!(id(&ban), "cli-ban-db-on-app1");
        assert_eq!(id(&disable), "disable-db");
        let (ban, disable) = (Entry::from(&ban), Entry::from(&disable));
        assert_ne!(tag(std::slice::from_ref(&ban)), tag(&[ban, disable]));
        assert_ne!(tag(&[]), tag(&[Entry::from(&OverlayStatus::default())]));
    }

    #[test]
    fn a_change_says_which_entries_it_was_made_from() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_MATCH, HeaderValue::from_static(value));
            }
            looked_at(&headers).map_err(|problem| problem.status)
        };
        let good = "\"o0123456789abcdef\"";
        assert_eq!(of(&[good]).as_deref(), Ok(good));
        assert_eq!(looked_at(&HeaderMap::new()).unwrap_err().status, 428);
        assert_eq!(tag(&[]).len(), good.len());
        for wrong in ["*", "o0123456789abcdef", "\"g7\"", "\"o0123456789ABCDEF\""] {
            assert_eq!(of(&[wrong]), Err(400), "{wrong}");
        }
        assert_eq!(of(&[good, good]), Err(400));
    }
}
