//! Changes of documents. Each says what it was made from, so that repeating one does nothing twice.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cpe_bus::fields::put;
use cpe_bus::json::from_json;
use cpe_bus::{Error, Fields};
use cpe_status::RoomReport;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::documents::document;
use crate::app::App;
use crate::bus::Session;
use crate::http::{AsJson, Asked, Caller, Document, Place, Precondition, etag, precondition};
use crate::identity::Principal;
use crate::problem::Problem;

/// It is stored; the work follows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stored {
    /// The deployment.
    deployment: String,
    /// Its generation now.
    generation: u64,
    /// Events after this cursor tell what follows (`/v1/events/stream?from=CURSOR`).
    cursor: u64,
    /// Losses of one assembly that would leave services out, with what would make it fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Whether also what would be refused is done.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Force {
    /// Also a document with which the loss of one assembly would leave services out, if the host
    /// refuses those (`admission.room`).
    #[param(inline, required = false)]
    pub force: Option<bool>,
}

impl Stored {
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }
}

/// Creates a deployment (`If-None-Match: *`), or changes it from what `If-Match` says; for owners.
#[utoipa::path(put, path = "/v1/deployments/{name}/document", operation_id = "store_document", tag = "documents",
    params(("name" = String, Path, description = "The deployment"),
        ("If-Match" = Option<String>, Header, pattern = "^\"g[1-9][0-9]{0,17}\"$", description = "The ETag of the document that the change was made from"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is no such deployment yet"), Force),
    request_body(content = String, content_type = "application/xml", description = "The document"),
    responses(
        (status = 201, description = "The deployment is stored, and is being started", body = Stored),
        (status = 202, description = "The change is stored, and is being carried out", body = Stored),
        (status = 404, description = "There is no such deployment"),
        (status = 409, description = "Something excludes it now, or one loss would leave services out (`refused`)"),
        (status = 412, description = "It has changed meanwhile"),
        (status = 422, description = "The document is invalid"),
        (status = 428, description = "What was the change made from?")))]
pub(super) async fn store(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    Asked(Force { force }): Asked<Force>,
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    app.owned_by(&who, &name).await?;
    let from = precondition(request.headers())?;
    let Document(text, _sent) = Document::from_request(request, &app).await?;
    let force = force.unwrap_or(false);
    is_of(&name, &text).await?;
    let warnings = warnings(&app, &who, &name, from, &text).await;
    let stored = store_from(&app, &who, &name, from, text, force).await?;
    let stored = Stored { warnings, ..stored };
    let status = match from {
        Precondition::Absent => StatusCode::CREATED,
        Precondition::Generation(_) => StatusCode::ACCEPTED,
    };
    let tag = etag(stored.generation);
    let place = format!("/v1/deployments/{name}/document");
    let headers = [(header::ETAG, tag), (header::LOCATION, place)];
    Ok((status, headers, Json(stored)).into_response())
}

/// Stores a document that was made from something, if that is still so.
pub(super) async fn store_from(
    app: &App,
    who: &Principal,
    name: &str,
    from: Precondition,
    text: String,
    force: bool,
) -> Result<Stored, Problem> {
    // Of two who create the same at once, one is told that it exists.
    let _turn = match from {
        Precondition::Absent => Some(app.creating.lock().await),
        Precondition::Generation(_) => None,
    };
    let cursor = app.mirror.with_ring(crate::mirror::Ring::end);
    let (asked, text) = (name.to_owned(), Arc::<str>::from(text));
    let ask = app.sessions.ask(&who.name, |session| {
        let (name, text) = (asked.clone(), Arc::clone(&text));
        async move {
            let manager = session.manager().await?;
            match from {
                Precondition::Generation(generation) => {
                    let options = forced(force);
                    manager
                        .update_deployment(&name, generation, &text, options)
                        .await
                }
                Precondition::Absent => {
                    // cpe takes the same document twice; who says that there is none is wrong then.
                    if let Some(generation) = generation(&session, &name).await? {
                        return Err(Error::Exists(format!(
                            "deployment `{name}` exists, at generation {generation}"
                        )));
                    }
                    let created = manager.create_deployment(&text, forced(force)).await;
                    created.map(|(_, generation)| generation)
                }
            }
        }
    });
    let generation = ask.await?;
    app.mirror.look_again(name);
    Ok(Stored {
        deployment: name.to_owned(),
        generation,
        cursor,
        warnings: Vec::new(),
    })
}

fn forced(force: bool) -> Fields {
    let mut options = Fields::new();
    if force {
        put(&mut options, "force", true);
    }
    options
}

/// What would follow from the loss of one assembly with a document. What cannot be found out is no
/// reason to fail. It takes seconds, so nothing is simulated for what was not made from the present
/// document: cpe will refuse to store it, or has stored it already.
async fn warnings(
    app: &App,
    who: &Principal,
    name: &str,
    from: Precondition,
    text: &str,
) -> Vec<String> {
    let Ok(_place) = app.simulation(who) else {
        return Vec::new();
    };
    let text = Arc::<str>::from(text);
    let ask = app.sessions.ask(&who.name, |session| {
        let (name, text) = (name.to_owned(), Arc::clone(&text));
        async move {
            let present = match generation(&session, &name).await? {
                Some(generation) => Precondition::Generation(generation),
                None => Precondition::Absent,
            };
            if present != from {
                return Ok(None);
            }
            let manager = session.manager().await?;
            manager.check_room(&text, Fields::new()).await.map(Some)
        }
    });
    let told = ask.await.ok().flatten();
    let report = told.and_then(|told| from_json::<RoomReport>(&told).ok());
    report.map(|report| report.warnings()).unwrap_or_default()
}

/// A document has to be of the deployment that the path names.
async fn is_of(name: &str, text: &str) -> Result<(), Problem> {
    let bytes = text.as_bytes().to_vec();
    let read = tokio::task::spawn_blocking(move || deployment::read_accepted(&bytes).deployment);
    match read.await {
        Ok(Some(read)) if read.name != name => Err(Problem::bad_request(format!(
            "the document is of deployment `{}`, and the path of `{name}`",
            cpe_bus::fields::bounded(&read.name, 80)
        ))),
        // What else is wrong with it cpe says.
        _ => Ok(()),
    }
}

/// The stored generation; `None` if there is no such deployment.
pub(super) async fn generation(session: &Session, name: &str) -> cpe_bus::Result<Option<u64>> {
    match session.deployment(name).await?.generation().await {
        Ok(generation) => Ok(Some(generation)),
        Err(error) if Problem::is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How a deployment is ended.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Ending {
    /// What becomes of its services.
    #[serde(default)]
    #[param(inline, required = false)]
    services: Services,
}

/// What becomes of services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Services {
    /// They are stopped in order.
    #[default]
    Stop,
    /// They are left running.
    Keep,
}

/// Ends a deployment; for owners.
#[utoipa::path(delete, path = "/v1/deployments/{name}", operation_id = "destroy_deployment", tag = "deployments",
    params(("name" = String, Path, description = "The deployment"),
        ("If-Match" = String, Header, pattern = "^\"g[1-9][0-9]{0,17}\"$", description = "The ETag of its document"), Ending),
    responses(
        (status = 202, description = "Its end is stored; event deployment.destroyed tells when it is there", body = Stored),
        (status = 404, description = "There is no such deployment"),
        (status = 412, description = "It has changed meanwhile"),
        (status = 428, description = "Which document is its last?")))]
pub(super) async fn destroy(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    Asked(ending): Asked<Ending>,
    headers: HeaderMap,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    app.seen_by(&who, &name).await?;
    let from = from_generation(&headers)?;
    let cursor = app.mirror.with_ring(crate::mirror::Ring::end);
    let stop = ending.services == Services::Stop;
    let asked = name.clone();
    let ask = app.sessions.ask(&who.name, |session| {
        let name = asked.clone();
        async move {
            let manager = session.manager().await?;
            manager.destroy_deployment_at(&name, from, stop).await
        }
    });
    ask.await?;
    app.mirror.look_again(&name);
    let stored = Stored {
        deployment: name,
        generation: from,
        cursor,
        warnings: Vec::new(),
    };
    Ok((StatusCode::ACCEPTED, Json(stored)).into_response())
}

/// The generation that a change of something that exists was made from.
fn from_generation(headers: &HeaderMap) -> Result<u64, Problem> {
    match precondition(headers)? {
        Precondition::Generation(generation) => Ok(generation),
        Precondition::Absent => Err(Problem::bad_request(
            "If-Match must have the ETag of the document, such as \"g7\"",
        )),
    }
}

/// Where to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Back {
    /// The generation whose document becomes the next one.
    #[schema(minimum = 1)]
    generation: u64,
    /// Also if one loss would leave services out, and the host refuses that.
    #[serde(default)]
    force: bool,
}

/// Stores an older document as the next generation; for owners.
#[utoipa::path(post, path = "/v1/deployments/{name}/rollback", operation_id = "roll_back", tag = "documents",
    params(("name" = String, Path, description = "The deployment"),
        ("If-Match" = String, Header, pattern = "^\"g[1-9][0-9]{0,17}\"$", description = "The ETag of the present document")),
    request_body = Back,
    responses(
        (status = 202, description = "It is stored, and is being carried out", body = Stored),
        (status = 404, description = "There is no such deployment, or the generation is not kept"),
        (status = 409, description = "Something excludes it now, or one loss would leave services out (`refused`)"),
        (status = 412, description = "It has changed meanwhile"),
        (status = 422, description = "This version does not accept that document any more"),
        (status = 428, description = "What was the change made from?")))]
pub(super) async fn rollback(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    headers: HeaderMap,
    State(app): State<Arc<App>>,
    crate::http::Json(back): crate::http::Json<Back>,
) -> Result<Response, Problem> {
    app.seen_by(&who, &name).await?;
    let from = Precondition::Generation(from_generation(&headers)?);
    if back.generation == 0 {
        return Err(Problem::bad_request("generations are counted from 1"));
    }
    let (text, _) = document(&app, &who, &name, back.generation).await?;
    let warnings = warnings(&app, &who, &name, from, &text).await;
    let stored = store_from(&app, &who, &name, from, text, back.force).await?;
    let stored = Stored { warnings, ..stored };
    let tag = [(header::ETAG, etag(stored.generation))];
    Ok((StatusCode::ACCEPTED, tag, Json(stored)).into_response())
}
