//! Login and logout, for browsers: a cookie instead of a token.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::guard::wrong_token;
use crate::http::{MAX_BODY, body, is_sent_as};
use crate::identity::{COOKIE, Peer, cookie};
use crate::problem::Problem;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A token that is shown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "cpe_ci_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}))]
pub(super) struct Shown {
    /// As `cpectl token new` has printed it.
    #[schema(max_length = 256)]
    token: String,
}

/// Logs in over TLS: gives a cookie that stands for a token, for 12 hours at most.
///
/// The cookie counts as long as the token does. With it, all requests but GET and HEAD need the
/// header `X-CPE-Request: 1`, and no `Origin` but the gateway's own.
#[utoipa::path(post, path = "/v1/session", operation_id = "log_in", tag = "gateway",
    request_body(content((Shown = "application/json"), (Shown = "application/x-www-form-urlencoded"))),
    responses(
        (status = 204, description = "The cookie is in `Set-Cookie`", headers(("Set-Cookie" = String, description = "`__Host-cpe`"))),
        (status = 303, description = "The same, for a form: to `/`", headers(("Set-Cookie" = String, description = "`__Host-cpe`"), ("Location" = String, description = "`/`"))),
        (status = 401, description = "The token is not accepted"),
        (status = 409, description = "At the Unix socket nobody needs to log in: the kernel says who it is")))]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    is_sent_as(request.headers(), &[JSON, FORM])?;
    if let Peer::User(_) = peer {
        let title = "Nobody logs in here";
        let detail = "the kernel says who calls at the Unix socket, and cookies count nothing there: ask without one";
        let status = StatusCode::CONFLICT;
        return Err(Problem::new(status, "no-session-needed", title, detail));
    }
    let is_form = is_sent_as(request.headers(), &[FORM]).is_ok();
    let bytes = body(request, MAX_BODY).await?;
    let wrong = |error: String| Problem::bad_request(format!("the body: {error}"));
    let shown: Shown = match is_form {
        true => serde_urlencoded::from_bytes(&bytes).map_err(|error| wrong(error.to_string()))?,
        false => serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?,
    };
    let token = app.tokens.check(shown.token.trim());
    let token = token.ok_or_else(|| wrong_token(&app, &peer))?;
    let id = token.id.clone();
    let begun = app.logins.begin(token).map_err(|error| {
        tracing::error!("nobody can log in: there are no random bytes: {error}");
        Problem::unavailable("the gateway can make no cookie now; its log says why")
    })?;
    tracing::info!(token = id, peer = peer.key(), "somebody logs in");
    set(&begun.secret, begun.seconds, is_form)
}

/// Logs out: ends the session of the caller's cookie, if there is one.
#[utoipa::path(delete, path = "/v1/session", operation_id = "log_out", tag = "gateway",
    responses((status = 204, description = "The cookie stands for nobody any more")))]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    leave(&app, &headers);
    set("", 0, false)
}

/// The same for a form, which needs no header: to `/`.
#[utoipa::path(post, path = "/v1/session/end", operation_id = "log_out_by_form", tag = "gateway",
    responses((status = 303, description = "The cookie stands for nobody any more: to `/`", headers(("Location" = String, description = "`/`")))))]
pub(super) async fn end_by_form(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    leave(&app, &headers);
    set("", 0, true)
}

fn leave(app: &App, headers: &HeaderMap) {
    if let Some(secret) = cookie(headers) {
        app.logins.end(secret);
    }
}

/// Sets the cookie, for so many seconds; 0: takes it away.
fn set(secret: &str, seconds: u64, is_form: bool) -> Result<Response, Problem> {
    let cookie =
        format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}");
    let cookie = HeaderValue::from_str(&cookie);
    let cookie = cookie.map_err(|error| Problem::unavailable(error.to_string()))?;
    let home = [(header::LOCATION, HeaderValue::from_static("/"))];
    let mut response = match is_form {
        true => (StatusCode::SEE_OTHER, home).into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    };
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}
