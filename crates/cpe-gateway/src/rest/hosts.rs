//! The hosts that share deployments, as `cpe` knows them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cpe_bus::cloudevents::rfc3339;
use cpe_bus::json::from_json;
use cpe_status::{HostList, HostStatus};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{AsJson, Caller};
use crate::problem::Problem;

/// A host.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "name": "host-2", "address": "10.0.0.2:7400", "version": 1, "state": "active", "alive": true, "since": "2026-01-31T12:00:04Z",
    "waited_for": false, "lost": false, "capacity": 300, "deployments": 117, "labels": ["zone=a"], "answers": false
}))]
pub(super) struct Host {
    /// Its name.
    name: String,
    /// Where it is reached; absent: it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Of its programs, as a number that deployments may ask for.
    version: u32,
    /// `active` (it takes deployments), `draining` (it takes none and hands over its own) or
    /// `removed` (it was taken out, and has deployments still).
    state: String,
    /// It has shown lately that it is there.
    alive: bool,
    /// Since when it is alive, or is not; absent: before the host that answers began to look.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    since: Option<String>,
    /// It is gone, with others, and nothing is taken from it before a person says that it is lost,
    /// or it is back.
    waited_for: bool,
    /// A person has said that it is lost.
    lost: bool,
    /// Most deployments that it runs.
    capacity: u32,
    /// How many it owns.
    deployments: u64,
    /// What deployments may ask for.
    labels: Vec<String>,
    /// It is the one that answers.
    answers: bool,
}

impl From<HostStatus> for Host {
    fn from(host: HostStatus) -> Host {
        Host {
            name: host.name,
            address: (!host.address.is_empty()).then_some(host.address),
            version: host.version,
            state: host.state,
            alive: host.alive,
            since: (host.since > 0).then(|| rfc3339(host.since)),
            waited_for: host.waited_for,
            lost: host.lost,
            capacity: host.capacity,
            deployments: host.deployments,
            labels: host.labels,
            answers: host.answers,
        }
    }
}

/// All hosts, as one of them knows them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hosts {
    /// By name.
    hosts: Vec<Host>,
    /// Whether deployments are shared; false: there is one host.
    shares: bool,
    /// Whether the host that answers knows all of them yet.
    complete: bool,
    /// Very many hosts are gone: nothing is taken from them before a person says that they are
    /// lost, or they are back.
    guard_holds: bool,
    /// The programs of the host that answers are too old for the others.
    too_old: bool,
    /// Deployments that no host owns.
    unowned: u64,
    /// Why the store does not answer the host, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// The hosts that share deployments; for who has a role.
#[utoipa::path(get, path = "/v1/hosts", operation_id = "list_hosts", tag = "hosts",
    responses((status = 200, description = "The same as of `cpectl host list`", body = Hosts)))]
pub(super) async fn list(
    _: AsJson,
    Caller(who): Caller,
    State(app): State<Arc<App>>,
) -> Result<Json<Hosts>, Problem> {
    let ask = app.sessions.ask(&who.name, |session| async move {
        session.hosts().await?.list().await
    });
    let list: HostList = from_json(&ask.await?)?;
    Ok(Json(Hosts {
        hosts: list.hosts.into_iter().map(Host::from).collect(),
        shares: list.shares,
        complete: list.complete,
        guard_holds: list.guard_holds,
        too_old: list.too_old,
        unowned: list.unowned,
        trouble: (!list.trouble.is_empty()).then_some(list.trouble),
    }))
}
