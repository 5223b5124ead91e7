//! Whether the gateway works, and the contract; open to everybody who reaches it.

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::AsJson;
use crate::problem::Problem;

/// How it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// How long ago cpe answered, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
}

/// This contract.
#[utoipa::path(get, path = "/openapi.json", operation_id = "contract", tag = "open",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")))]
pub(super) async fn contract(_: AsJson) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(super::contract);
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// Whether the gateway answers.
#[utoipa::path(get, path = "/healthz", operation_id = "is_alive", tag = "open",
    responses((status = 200, description = "It does", body = Health)))]
pub(super) async fn alive(_: AsJson) -> axum::Json<Health> {
    axum::Json(Health {
        status: "ok",
        age_ms: None,
    })
}

/// Whether cpe answers, and what is known is not old.
#[utoipa::path(get, path = "/readyz", operation_id = "is_ready", tag = "open",
    responses((status = 200, description = "It does", body = Health)))]
pub(super) async fn ready(
    _: AsJson,
    State(app): State<Arc<App>>,
) -> Result<axum::Json<Health>, Problem> {
    let health = app.mirror.health();
    let age_ms = health.age.map(super::deployments::milliseconds);
    if health.is_ready() {
        return Ok(axum::Json(Health {
            status: "ok",
            age_ms,
        }));
    }
    let detail = match age_ms {
        None => "cpe has not answered yet (`systemctl status cpe`)".to_owned(),
        Some(age) => {
            format!("cpe does not answer (`systemctl status cpe`); it last did {age} ms ago")
        }
    };
    Err(Problem::unavailable(detail))
}
