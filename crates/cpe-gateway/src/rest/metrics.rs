//! Numbers for Prometheus, of what the caller may see.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::http::Caller;
use crate::identity::Principal;
use crate::metrics::{Facts, Format, Page, page};
use crate::problem::Problem;

/// Numbers of deployments, services and assemblies; for those who see all deployments, also of this
/// host: events, durations, sinks, and the gateway itself.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "metrics",
    responses((status = 200, description = "Those of the deployments that the caller may see", content(
        (String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(super) async fn scrape(
    Caller(who): Caller,
    headers: HeaderMap,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    answer(&app, &who, &headers, Page::Own).await
}

/// The same numbers as of Pacemaker's exporter, for dashboards that are there.
#[utoipa::path(get, path = "/metrics/pacemaker", operation_id = "pacemaker_metrics", tag = "metrics",
    responses((status = 200, description = "Those of the deployments that the caller may see", content(
        (String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(super) async fn pacemaker(
    Caller(who): Caller,
    headers: HeaderMap,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    answer(&app, &who, &headers, Page::Pacemaker).await
}

async fn answer(
    app: &Arc<App>,
    who: &Principal,
    headers: &HeaderMap,
    which: Page,
) -> Result<Response, Problem> {
    let format = Format::wanted(headers).ok_or_else(|| {
        let detail = "this is answered in text/plain and application/openmetrics-text only";
        let status = StatusCode::NOT_ACCEPTABLE;
        Problem::new(status, "not-acceptable", "Not in that form", detail)
    })?;
    let session = app.sessions.of(&who.name).await?;
    if session.rights.0.is_empty() {
        let missing = "it takes role `viewer` for some deployment, by access.toml";
        let detail = session.remark.as_deref().unwrap_or(missing);
        return Err(Problem::forbidden(detail));
    }
    if !app.mirror.is_filled() {
        return Err(Problem::unavailable(
            "cpe has not said yet which deployments there are",
        ));
    }
    let _one = app.scraping.lock().await;
    let facts = Facts::gather(
        &app.mirror,
        &app.noted,
        &session.rights,
        app.settings.metrics.max_series,
    );
    // A page of many deployments takes a while: not on the event loop.
    let made = tokio::task::spawn_blocking(move || page(Arc::new(facts), which, format)).await;
    match made {
        Ok(Ok(text)) => Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response()),
        _ => Err(cpe_bus::Error::Failed("the page could not be made".to_owned()).into()),
    }
}

/// Notes each request, and how long it took until its answer began.
pub(super) async fn note(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map(MatchedPath::as_str);
    app.noted
        .note(route, &method, response.status(), begun.elapsed());
    response
}
