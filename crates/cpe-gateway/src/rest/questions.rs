//! Questions that cpe and the DPEs answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cpe_bus::Fields;
use cpe_bus::cloudevents::rfc3339;
use cpe_bus::fields::put;
use cpe_bus::json::from_json;
use cpe_status::KeptInputList;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::http::{AsJson, AsXml, Asked, Caller, Document, Place};
use crate::identity::Principal;
use crate::problem::{Mistake, Problem};

/// How a service is explained.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    /// Only with regard to this assembly.
    assembly: Option<String>,
    /// With the parts of all scores.
    #[serde(default)]
    #[param(required = false)]
    scores: bool,
}

/// Why a service is where it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// The service.
    service: String,
    /// For people, a sentence a line.
    text: String,
    /// The same as data.
    #[schema(value_type = Vec<Object>)]
    explanations: Value,
}

/// Why a service is where it is and not elsewhere, and what is done about it.
#[utoipa::path(get, path = "/v1/deployments/{name}/services/{service}/explain", operation_id = "explain_service", tag = "deployments",
    params(("name" = String, Path, description = "The deployment"), ("service" = String, Path, description = "A service, an instance, or a group"), How),
    responses((status = 200, description = "The explanation", body = Explanation), (status = 404, description = "There is no such deployment, service or assembly")))]
pub(super) async fn explain(
    _: AsJson,
    Caller(who): Caller,
    Place((name, service)): Place<(String, String)>,
    Asked(how): Asked<How>,
    State(app): State<Arc<App>>,
) -> Result<Json<Explanation>, Problem> {
    app.seen_by(&who, &name).await?;
    let mut options = Fields::new();
    put(&mut options, "service", service.as_str());
    if let Some(assembly) = &how.assembly {
        put(&mut options, "assembly", assembly.as_str());
    }
    put(&mut options, "scores", how.scores);
    let mut told = app.explanation(&who, &name, &options).await?;
    let explanations = match told["explanations"].take() {
        Value::Array(all) => Value::Array(all),
        _ => Value::Array(Vec::new()),
    };
    Ok(Json(Explanation {
        service,
        text: told["text"].as_str().unwrap_or_default().to_owned(),
        explanations,
    }))
}

/// An input of the policy engine that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Input {
    /// By which it is read.
    name: String,
    /// The transition that was decided on it; absent: the decision was refused.
    transition: Option<u64>,
    /// When it was.
    #[schema(format = "date-time")]
    time: String,
    /// Its length.
    bytes: u64,
}

/// All that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inputs {
    /// Oldest first.
    inputs: Vec<Input>,
}

/// Which inputs of the policy engine are kept: of the last transitions and of refused decisions.
#[utoipa::path(get, path = "/v1/deployments/{name}/inputs", operation_id = "list_inputs", tag = "history",
    params(("name" = String, Path, description = "The deployment")),
    responses((status = 200, description = "The inputs that are kept", body = Inputs), (status = 404, description = "There is no such deployment")))]
pub(super) async fn inputs(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Json<Inputs>, Problem> {
    app.seen_by(&who, &name).await?;
    let inputs = kept(&app, &who, &name).await?;
    let inputs = inputs.inputs.into_iter().map(|input| Input {
        name: input.name,
        transition: input.transition,
        time: rfc3339(input.time),
        bytes: input.bytes,
    });
    Ok(Json(Inputs {
        inputs: inputs.collect(),
    }))
}

async fn kept(app: &App, who: &Principal, name: &str) -> Result<KeptInputList, Problem> {
    let name = name.to_owned();
    let ask = app.sessions.ask(&who.name, |session| {
        let name = name.clone();
        async move { session.deployment(&name).await?.list_inputs().await }
    });
    Ok(from_json(&ask.await?)?)
}

/// What the policy engine was given, as a CIB that policy-simulate can replay; for owners.
#[utoipa::path(get, path = "/v1/deployments/{name}/inputs/{input}", operation_id = "get_input", tag = "history",
    params(("name" = String, Path, description = "The deployment"),
        ("input" = String, Path, description = "The number of a transition, the name of a refused decision, or `current`: what it would be given now")),
    responses((status = 200, description = "The CIB", body = String, content_type = "application/xml"), (status = 404, description = "There is no such deployment, or the input is not kept")))]
pub(super) async fn input(
    _: AsXml,
    Caller(who): Caller,
    Place((name, input)): Place<(String, String)>,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    app.seen_by(&who, &name).await?;
    let ask = app.sessions.ask(&who.name, |session| {
        let (name, input) = (name.clone(), input.clone());
        async move {
            let deployment = session.deployment(&name).await?;
            match input.as_str() {
                "current" => deployment.get_input().await,
                kept => deployment.get_kept_input(kept).await,
            }
        }
    });
    let cib = ask.await?;
    let kind = [(header::CONTENT_TYPE, "application/xml; charset=utf-8")];
    Ok((kind, cib).into_response())
}

/// What is to be said of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Validation {
    /// It could be stored.
    valid: bool,
    /// Errors and warnings.
    problems: Vec<Mistake>,
}

/// Checks a document; nothing is stored.
#[utoipa::path(post, path = "/v1/validations", operation_id = "validate_document", tag = "documents",
    request_body(content = String, content_type = "application/xml", description = "The document"),
    responses((status = 200, description = "What is to be said of it", body = Validation)))]
pub(super) async fn validate(
    _: AsJson,
    Caller(who): Caller,
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<Validation>, Problem> {
    app.asked_by(&who).await?;
    let Document(text, _sent) = Document::from_request(request, &app).await?;
    let _place = app.simulation(&who)?;
    let text = Arc::<str>::from(text);
    let ask = app.sessions.ask(&who.name, |session| {
        let text = Arc::clone(&text);
        async move { session.manager().await?.validate_deployment(&text).await }
    });
    let (valid, problems) = ask.await?;
    Ok(Json(Validation {
        valid,
        problems: problems.into_iter().map(Mistake::from).collect(),
    }))
}
