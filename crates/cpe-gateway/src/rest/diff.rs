//! What differs between two generations of a document.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use deployment::Change;
use serde::Serialize;
use similar::TextDiff;
use utoipa::ToSchema;

use super::documents::document;
use crate::app::App;
use crate::http::{AsJson, Caller, Place};
use crate::problem::Problem;

/// A difference of texts that takes longer is told less well, with more lines than need be.
const PATIENCE: Duration = Duration::from_secs(2);

/// A value that differs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detail {
    /// What it is of.
    name: String,
    /// Before; absent: there was none, or it is secret.
    from: Option<String>,
    /// After.
    to: Option<String>,
    /// Values are not told.
    secret: bool,
}

/// Something that differs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Differing {
    /// `added`, `removed` or `changed`.
    how: String,
    /// What it is: `service`, `assembly` and so on.
    kind: String,
    /// Its name.
    name: String,
    /// Its values.
    details: Vec<Detail>,
}

/// All that differs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Differences {
    /// The generation that is compared …
    from: u64,
    /// … with this one.
    to: u64,
    /// Nothing differs.
    same: bool,
    /// By meaning; absent: this version cannot read one of them.
    changes: Option<Vec<Differing>>,
    /// As `diff -u`, if they cannot be compared by meaning.
    text: Option<String>,
}

/// What differs between two generations, by meaning; for owners.
#[utoipa::path(get, path = "/v1/deployments/{name}/generations/{from}/diff/{to}", operation_id = "compare_generations", tag = "documents",
    params(("name" = String, Path, description = "The deployment"),
        ("from" = u64, Path, description = "A generation", minimum = 1),
        ("to" = u64, Path, description = "Another one", minimum = 1)),
    responses((status = 200, description = "What differs", body = Differences), (status = 404, description = "There is no such deployment or generation")))]
pub(super) async fn differences(
    _: AsJson,
    Caller(who): Caller,
    Place((name, from, to)): Place<(String, u64, u64)>,
    State(app): State<Arc<App>>,
) -> Result<Json<Differences>, Problem> {
    app.seen_by(&who, &name).await?;
    if from == 0 || to == 0 {
        return Err(Problem::bad_request("generations are counted from 1"));
    }
    let _place = app.simulation(&who)?;
    let before = document(&app, &who, &name, from).await?.0;
    let after = document(&app, &who, &name, to).await?.0;
    let compared =
        tokio::task::spawn_blocking(move || compare(&name, (from, &before), (to, &after)));
    compared.await.map(Json).map_err(|_| {
        let error = cpe_bus::Error::Failed("the documents cannot be compared".to_owned());
        Problem::from(error)
    })
}

fn compare(name: &str, from: (u64, &str), to: (u64, &str)) -> Differences {
    let read = |text: &str| deployment::read_accepted(text.as_bytes()).deployment;
    let meaning = read(from.1)
        .zip(read(to.1))
        .map(|(from, to)| deployment::changes(&from, &to));
    let text = meaning.is_none().then(|| {
        let head = |generation: u64| format!("{name} generation {generation}");
        TextDiff::configure()
            .timeout(PATIENCE)
            .diff_lines(from.1, to.1)
            .unified_diff()
            .header(&head(from.0), &head(to.0))
            .to_string()
    });
    Differences {
        from: from.0,
        to: to.0,
        same: match &meaning {
            Some(changes) => changes.is_empty(),
            None => from.1 == to.1,
        },
        changes: meaning.map(|changes| changes.into_iter().map(differing).collect()),
        text,
    }
}

fn differing(change: Change) -> Differing {
    let details = change.details.into_iter().map(|detail| {
        let told = |value: Option<String>| value.filter(|_| !detail.secret);
        Detail {
            from: told(detail.from),
            to: told(detail.to),
            secret: detail.secret,
            name: detail.name,
        }
    });
    Differing {
        how: change.how.as_str().to_owned(),
        kind: change.kind,
        name: change.name,
        details: details.collect(),
    }
}
