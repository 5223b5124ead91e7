//! What would follow if assemblies were lost.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cpe_bus::Fields;
use cpe_bus::fields::put;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::http::{AsJson, Asked, Caller, Place};
use crate::problem::Problem;

/// The loss of what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Loss {
    /// Assemblies that are lost at once, with commas between them. Without it: any one of all.
    lose: Option<String>,
    /// Of which kind the losses are, if none are named: `any` (the default).
    #[param(inline, required = false)]
    scope: Option<Scope>,
}

/// Each assembly, each host with all that is on it, or each pair of assemblies.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Scope {
    Any,
    AnyHost,
    Two,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Scope::Any => "any",
            Scope::AnyHost => "any-host",
            Scope::Two => "two",
        }
    }
}

/// Whether every service would run if assemblies were lost, and what would make it so.
#[utoipa::path(get, path = "/v1/deployments/{name}/room", operation_id = "check_room", tag = "deployments",
    params(("name" = String, Path, description = "The deployment"), Loss),
    responses((status = 200, description = "The same as of `cpectl check --json`", body = Object), (status = 404, description = "There is no such deployment or assembly"), (status = 422, description = "`lose` and `scope` exclude each other")))]
pub(super) async fn check(
    _: AsJson,
    Caller(who): Caller,
    Place(name): Place<String>,
    Asked(loss): Asked<Loss>,
    State(app): State<Arc<App>>,
) -> Result<Json<Value>, Problem> {
    app.seen_by(&who, &name).await?;
    if loss.lose.is_some() && loss.scope.is_some() {
        let what = "`lose` says which assemblies are lost: leave `scope` out";
        return Err(Problem::unprocessable(what));
    }
    let mut options = Fields::new();
    if let Some(lose) = &loss.lose {
        let names: Vec<String> = lose.split(',').map(str::to_owned).collect();
        put(&mut options, "assemblies", names);
    }
    if let Some(scope) = loss.scope {
        put(&mut options, "scope", scope.as_str());
    }
    let report = app.room(&who, &name, &options).await?;
    Ok(Json(json!(report)))
}
