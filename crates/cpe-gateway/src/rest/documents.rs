//! Documents, as they are stored.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cpe_bus::cloudevents::rfc3339;
use cpe_bus::{Fields, GenerationEntry};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::http::{AsJson, AsXml, Asked, Caller, Place, etag};
use crate::identity::Principal;
use crate::problem::Problem;

/// Which document.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Its generation; the current one, if absent.
    #[param(minimum = 1)]
    generation: Option<u64>,
}

/// The document; for owners.
#[utoipa::path(get, path = "/v1/deployments/{name}/document", operation_id = "get_document", tag = "documents",
    params(("name" = String, Path, description = "The deployment"), Which),
    responses(
        (status = 200, description = "The document", body = String, content_type = "application/xml",
            headers(("ETag" = String, description = "Its generation, such as \"g7\": for If-Match"))),
        (status = 304, description = "It is that of If-None-Match"),
        (status = 404, description = "There is no such deployment, or the generation is not kept")))]
pub(super) async fn read(
    _: AsXml,
    Caller(who): Caller,
    Place(name): Place<String>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    app.seen_by(&who, &name).await?;
    if which.generation == Some(0) {
        return Err(Problem::bad_request("generations are counted from 1"));
    }
    let generation = which.generation.unwrap_or(0);
    let (text, found) = document(&app, &who, &name, generation).await?;
    let tag = etag(found);
    let known = headers.get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let kind = "application/xml; charset=utf-8".to_owned();
    let headers = [(header::CONTENT_TYPE, kind), (header::ETAG, tag)];
    Ok((headers, text).into_response())
}

/// A document, as the caller may have it (generation 0: the current one), and which it is.
pub(super) async fn document(
    app: &App,
    who: &Principal,
    name: &str,
    generation: u64,
) -> Result<(String, u64), Problem> {
    let name = name.to_owned();
    let ask = app.sessions.ask(&who.name, |session| {
        let name = name.clone();
        async move {
            session
                .deployment(&name)
                .await?
                .get_document(generation)
                .await
        }
    });
    ask.await
}

/// A generation of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Generation {
    /// Its number, from 1.
    generation: u64,
    /// When it was stored.
    #[schema(format = "date-time")]
    time: String,
    /// The document's length.
    bytes: u64,
    /// It is the stored document now.
    current: bool,
    /// Who asked for it; empty: nobody did, or nobody knows.
    by: String,
    /// How it came to be, if nobody asked for it.
    remark: String,
}

/// All generations that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Generations {
    /// Oldest first.
    generations: Vec<Generation>,
}

/// Who changed the document, and when; for owners.
#[utoipa::path(get, path = "/v1/deployments/{name}/generations", operation_id = "list_generations", tag = "documents",
    params(("name" = String, Path, description = "The deployment")),
    responses((status = 200, description = "The generations that are kept", body = Generations), (status = 404, description = "There is no such deployment")))]
pub(super) async fn generations(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Json<Generations>, Problem> {
    app.seen_by(&who, &name).await?;
    let ask = app.sessions.ask(&who.name, |session| {
        let name = name.clone();
        async move { session.deployment(&name).await?.list_generations().await }
    });
    let listed: Vec<Fields> = ask.await?;
    let entries: cpe_bus::Result<Vec<GenerationEntry>> =
        listed.iter().map(GenerationEntry::from_fields).collect();
    let generations = entries?.into_iter().map(|entry| Generation {
        generation: entry.generation,
        time: rfc3339(entry.time),
        bytes: entry.bytes,
        current: entry.current,
        by: entry.by,
        remark: entry.remark,
    });
    Ok(Json(Generations {
        generations: generations.collect(),
    }))
}
