//! The web page: what is, as HTML, for people.
//!
//! A page is made from the mirror, as answers of `rest` are, and shows what its viewer may see. It
//! is the same with and without scripts: these only fetch it again as things happen, and show what
//! has moved. So there is one place that says how something looks.

mod assets;
mod deploy;
mod deployment;
mod events;
mod explain;
mod frame;
mod overview;
mod picture;
mod story;
mod what_if;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use crate::app::{App, no_deployment};
use crate::guard::guard;
use crate::identity::{Principal, Via};
use crate::mirror::Seen;
use crate::problem::Problem;
use frame::Viewer;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// Bytes of a problem that is shown as a page.
const LONGEST_PROBLEM: usize = 1 << 20;

/// The pages, and behind them what else is answered.
pub fn router(app: Arc<App>, rest: Router) -> Router {
    Router::new()
        .route("/", get(overview::page))
        .route("/deploy", get(deploy::new))
        .route("/deployments/{name}", get(deployment::page))
        .route("/deployments/{name}/deploy", get(deploy::existing))
        .route("/deployments/{name}/what-if", get(what_if::page))
        .route("/deployments/{name}/services/{service}", get(explain::page))
        .route("/assets/{version}/{file}", get(assets::file))
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
        .fallback_service(rest)
        .layer(from_fn(for_people))
}

/// Shows what was refused as a page, to those who look with a browser.
async fn for_people(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let is_wanted = is_for_people(&path, request.headers());
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_problem = kind.is_some_and(|kind| kind.as_bytes() == b"application/problem+json");
    match is_wanted && is_problem {
        true => as_page(response, &path).await,
        false => response,
    }
}

/// Whether a browser wants to show this. Scripts and programs ask for something else.
fn is_for_people(path: &str, headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    let accept = accept
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    // The login form is sent there.
    let is_place = !path.starts_with("/v1") || path == "/v1/session";
    is_place && accept.contains("text/html")
}

async fn as_page(response: Response, path: &str) -> Response {
    let (mut head, body) = response.into_parts();
    let bytes = to_bytes(body, LONGEST_PROBLEM).await.unwrap_or_default();
    let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    let page = frame::problem(head.status.as_u16(), &text("title"), &text("detail"), path);
    head.headers.insert(header::CONTENT_TYPE, HTML);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(page.into_string()))
}

/// Who looks.
async fn viewer(app: &App, who: &Principal) -> Result<Viewer, Problem> {
    let session = app.sessions.of(&who.name).await?;
    let health = app.mirror.health();
    let age = health.age.map_or(0, |age| {
        let age = u64::try_from(age.as_micros()).unwrap_or(0);
        words::now().saturating_sub(age)
    });
    Ok(Viewer {
        name: who.name.clone(),
        rights: session.rights.clone(),
        remark: session.remark.clone(),
        is_logged_in: who.via == Via::Session,
        is_live: health.is_ready(),
        answered: age,
    })
}

/// Who looks at a deployment that they may see, and what the mirror has of it.
async fn looked_at(app: &App, who: &Principal, name: &str) -> Result<(Viewer, Seen), Problem> {
    app.seen_by(who, name).await?;
    let seen = app.mirror.deployment(name);
    let seen = seen.ok_or_else(|| match app.mirror.is_filled() {
        true => no_deployment(name),
        false => Problem::unavailable("cpe has not said yet which deployments there are"),
    });
    Ok((viewer(app, who).await?, seen?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_shows_becomes_a_page() {
        let of = |path: &str, accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            is_for_people(path, &headers)
        };
        let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
        assert!(of("/", browser) && of("/deployments/x", browser) && of("/v1/session", browser));
        assert!(!of("/v1/deployments", browser));
        assert!(!of("/", "*/*") && !of("/", "application/json"));
        assert!(!is_for_people("/", &HeaderMap::new()));
    }
}
