//! Who the caller is, here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{AsJson, Caller};
use crate::identity::Via;
use crate::problem::Problem;
use crate::rights::Grant;

/// Versions, and the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct About {
    /// The gateway's version.
    version: &'static str,
    /// The version of cpe; empty until it has answered.
    cpe: String,
    /// Who the caller is: `user:NAME`, `cert:NAME` or `token:ID`.
    principal: String,
    /// How that is known.
    via: Via,
    /// When that ends by itself: its token, session or certificate does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    until: Option<String>,
    /// What the caller may do.
    roles: Vec<Grant>,
    /// Why nobody may do more than look, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
}

/// Who the caller is, and what it may do.
#[utoipa::path(get, path = "/v1", operation_id = "about", tag = "gateway",
    responses((status = 200, description = "Versions, principal and roles", body = About)))]
pub(super) async fn about(
    _: AsJson,
    Caller(who): Caller,
    State(app): State<Arc<App>>,
) -> Result<Json<About>, Problem> {
    let session = app.sessions.of(&who.name).await?;
    Ok(Json(About {
        version: env!("CARGO_PKG_VERSION"),
        cpe: app.mirror.version(),
        principal: who.name,
        via: who.via,
        until: who.until.map(|until| until.to_string()),
        roles: session.rights.0.clone(),
        remark: session.remark.clone(),
    }))
}
