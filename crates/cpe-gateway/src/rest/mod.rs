//! The resources, one declaration each for routing and for the contract.

mod changes;
mod deployments;
mod diff;
mod documents;
mod events;
mod health;
mod hosts;
mod metrics;
mod openapi;
mod operations;
mod overlay;
mod plans;
mod questions;
mod room;
mod root;
mod session;
mod sinks;
mod stream;
mod transitions;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::guard::guard;
use crate::problem::Problem;

/// All resources, and what is said of them.
fn resources() -> (Router<Arc<App>>, OpenApi) {
    let router = OpenApiRouter::with_openapi(openapi::about())
        .routes(routes!(root::about))
        .routes(routes!(session::begin, session::end))
        .routes(routes!(session::end_by_form))
        .routes(routes!(deployments::list))
        .routes(routes!(deployments::one))
        .routes(routes!(changes::destroy))
        .routes(routes!(documents::read, changes::store))
        .routes(routes!(documents::generations))
        .routes(routes!(diff::differences))
        .routes(routes!(changes::rollback))
        .routes(routes!(questions::explain))
        .routes(routes!(room::check))
        .routes(routes!(transitions::list))
        .routes(routes!(questions::inputs))
        .routes(routes!(questions::input))
        .routes(routes!(questions::validate))
        .routes(routes!(operations::give))
        .routes(routes!(operations::one))
        .routes(routes!(overlay::list))
        .routes(routes!(overlay::end))
        .routes(routes!(hosts::list))
        .routes(routes!(sinks::list))
        .routes(routes!(sinks::redeliver))
        .routes(routes!(plans::make))
        .routes(routes!(plans::one))
        .routes(routes!(plans::apply))
        .routes(routes!(events::page))
        .routes(routes!(stream::follow))
        .routes(routes!(metrics::scrape))
        .routes(routes!(metrics::pacemaker))
        .routes(routes!(health::contract))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready));
    router.split_for_parts()
}

/// The contract: OpenAPI 3.1.
pub fn contract() -> String {
    let (_, mut api) = resources();
    openapi::complete(&mut api);
    let text = api.to_pretty_json();
    text.unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
}

/// What answers requests; each has a [`crate::identity::Peer`] among its extensions.
pub fn router(app: Arc<App>) -> Router {
    let (router, _) = resources();
    router
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(&app), metrics::note))
        .with_state(app)
}

async fn unknown() -> Problem {
    Problem::not_found("there is nothing here; /openapi.json says what there is")
}

async fn not_allowed(method: Method) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let detail = format!("{method} is not possible here; the header Allow says what is");
    Problem::new(status, "method-not-allowed", "Not that way", detail)
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let detail = "the gateway made a mistake, which is in its log";
    Problem::new(status, "failed", "It failed", detail).into_response()
}
