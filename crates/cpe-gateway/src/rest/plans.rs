//! Changes that are planned first: made, looked at, applied. What is applied is what was seen, or
//! nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cpe_bus::fields::put;
use cpe_bus::json::from_json;
use cpe_bus::{Error, Fields};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::changes::{self, Force, generation};
use super::documents::document;
use crate::app::App;
use crate::bus::Session;
use crate::http::{self, AsJson, Asked, Caller, Document, Place, Precondition};
use crate::identity::Principal;
use crate::plans::{LIFE, Order, Plan, Subject, Upkeep};
use crate::problem::Problem;

/// Bytes of a plan, at most.
const LONGEST: usize = 8 << 20;
/// A plan that is read takes so many times the bytes of its text, some of them.
const READ: usize = 4;

/// What is to be planned, if it is no new document.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposal {
    /// The deployment.
    deployment: String,
    /// Back to the document of this generation.
    #[schema(minimum = 1)]
    generation: Option<u64>,
    /// `move`, `ban`, `clear`, `disable`, `enable`, `unmanage`, `manage` or `restart` of a service;
    /// `standby` or `unstandby` of an assembly, or without one of all; `cleanup` or `refresh` of a
    /// service or of all; `maintenance` of an assembly or of the deployment, or its end.
    verb: Option<String>,
    /// The service.
    service: Option<String>,
    /// The assembly.
    assembly: Option<String>,
    /// Only the promoted role (move, ban).
    promoted: Option<bool>,
    /// `placed` or `cleared` (move, ban).
    lifetime: Option<String>,
    /// It ends after so many milliseconds (move, ban).
    for_ms: Option<u64>,
    /// Only failures of this operation of the service: `start`, `monitor` … (cleanup).
    action: Option<String>,
    /// Only of the operation with that interval; 0: of what is done once (cleanup).
    #[schema(minimum = 0, maximum = 4294967295_u64)]
    interval_ms: Option<u64>,
    /// Whether services are left alone (maintenance).
    on: Option<bool>,
    /// Also what would not hold, and a document with which one loss would leave services out.
    force: Option<bool>,
}

/// A plan.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Planned {
    /// By which it is applied.
    id: String,
    /// The deployment.
    deployment: String,
    /// The generation that it is made from; 0: a new deployment.
    generation: u64,
    /// Tells its actions from others.
    fingerprint: String,
    /// Seconds for which it is kept.
    expires_in: u64,
    /// It was applied.
    applied: bool,
    /// It is also done if `plan.refused` says that it would not hold.
    forced: bool,
    /// What would be done: the same as of `cpectl --json`.
    #[schema(value_type = Object)]
    plan: Value,
}

impl Planned {
    async fn of(plan: &Plan) -> Planned {
        Planned {
            id: plan.id.to_string(),
            deployment: plan.deployment.clone(),
            generation: plan.generation,
            fingerprint: plan.fingerprint.clone(),
            expires_in: LIFE.saturating_sub(plan.made.elapsed()).as_secs(),
            applied: matches!(*plan.applied.lock().await, Some(Ok(_))),
            forced: plan.subject.is_forced(),
            plan: plan.told.clone(),
        }
    }
}

/// Plans a document (XML), a rollback or an order (JSON); nothing is changed.
#[utoipa::path(post, path = "/v1/plans", operation_id = "make_plan", tag = "plans",
    params(Force),
    request_body(content((String = "application/xml"), (Proposal = "application/json")), description = "A document, or what else is to be planned"),
    responses(
        (status = 201, description = "The plan, kept for ten minutes", body = Planned),
        (status = 404, description = "There is no such deployment, service, assembly or generation"),
        (status = 409, description = "Something excludes it now"),
        (status = 422, description = "The document is invalid, or the order cannot be meant")))]
pub(super) async fn make(
    _: AsJson,
    Caller(who): Caller,
    Asked(Force { force }): Asked<Force>,
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    http::is_sent_as(
        request.headers(),
        &["application/xml", "text/xml", "application/json"],
    )?;
    app.asked_by(&who).await?;
    let is_json = http::is_sent_as(request.headers(), &["application/json"]).is_ok();
    let (deployment, subject) = match is_json {
        true => {
            let http::Json(mut proposal) =
                http::Json::<Proposal>::from_request(request, &app).await?;
            proposal.force = proposal.force.or(force);
            app.seen_by(&who, &proposal.deployment).await?;
            let deployment = proposal.deployment.clone();
            (deployment, proposed(&app, &who, proposal).await?)
        }
        false => {
            let Document(text, _sent) = Document::from_request(request, &app).await?;
            let force = force.unwrap_or(false);
            (String::new(), Subject::Document(text.into(), force))
        }
    };
    let plan = planned(&app, &who, &deployment, subject).await?;
    let plan = app.plans.keep(plan);
    let place = format!("/v1/plans/{}", plan.id);
    let told = Json(Planned::of(&plan).await);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], told).into_response())
}

impl Proposal {
    /// Refuses what the verb does not read, and names that are empty.
    fn check(&self) -> Result<(), Problem> {
        let read: &[&str] = match self.verb.as_deref() {
            None => &["generation"],
            Some("standby" | "unstandby") => &["assembly"],
            Some("cleanup" | "refresh" | "maintenance") => {
                &["service", "assembly", "action", "interval_ms", "on"]
            }
            Some(_) => &["service", "assembly", "promoted", "lifetime", "for_ms"],
        };
        let said = [
            ("generation", self.generation.is_some()),
            ("service", self.service.is_some()),
            ("assembly", self.assembly.is_some()),
            ("promoted", self.promoted.is_some()),
            ("lifetime", self.lifetime.is_some()),
            ("for_ms", self.for_ms.is_some()),
            ("action", self.action.is_some()),
            ("interval_ms", self.interval_ms.is_some()),
            ("on", self.on.is_some()),
        ];
        let in_vain = said.iter().find(|(name, is)| *is && !read.contains(name));
        if let Some((name, _)) = in_vain {
            let of = match self.verb.as_deref() {
                None => "nothing without a `verb`".to_owned(),
                Some(verb) => format!(
                    "nothing of the verb `{:.32}`",
                    verb.escape_debug().to_string()
                ),
            };
            let hint = match (self.verb.as_deref(), *name) {
                (None, _) => "say the verb, or leave it out",
                (Some("standby"), "on") => "leave it out; the verb `unstandby` ends it",
                _ => "leave it out",
            };
            let detail = format!("`{name}` says {of}: {hint}");
            return Err(Problem::unprocessable(detail));
        }
        for (name, text) in [("service", &self.service), ("assembly", &self.assembly)] {
            if text.as_deref() == Some("") {
                let detail = format!("`{name}` is empty: say which one, or leave it out");
                return Err(Problem::unprocessable(detail));
            }
        }
        Ok(())
    }
}

async fn proposed(app: &App, who: &Principal, proposal: Proposal) -> Result<Subject, Problem> {
    proposal.check()?;
    match (
        proposal.generation,
        proposal.verb.as_deref(),
        &proposal.service,
    ) {
        (Some(0), None, _) => Err(Problem::unprocessable("generations are counted from 1")),
        (Some(generation), None, None) => {
            let (text, _) = document(app, who, &proposal.deployment, generation).await?;
            let force = proposal.force.unwrap_or(false);
            Ok(Subject::Document(text.into(), force))
        }
        (None, Some(verb @ ("standby" | "unstandby")), None) => {
            let force = proposal.force.unwrap_or(false);
            Ok(Subject::Standby(
                proposal.assembly,
                verb == "standby",
                force,
            ))
        }
        (None, Some("cleanup" | "refresh" | "maintenance"), _) => Ok(Subject::Upkeep(Upkeep {
            verb: proposal.verb.unwrap_or_default(),
            service: proposal.service,
            assembly: proposal.assembly,
            action: proposal.action,
            interval_ms: proposal.interval_ms,
            on: proposal.on,
            force: proposal.force.unwrap_or(false),
        })),
        (None, Some(verb), Some(service)) => Ok(Subject::Order(Order {
            verb: verb.to_owned(),
            service: service.clone(),
            assembly: proposal.assembly,
            promoted: proposal.promoted.unwrap_or(false),
            lifetime: proposal.lifetime,
            for_ms: proposal.for_ms,
            force: proposal.force.unwrap_or(false),
        })),
        _ => Err(Problem::unprocessable(
            "say a `generation` to go back to; or a `verb` and a `service`; or `standby`, `unstandby`, `cleanup`, `refresh` or `maintenance` as the verb",
        )),
    }
}

/// Has cpe plan something.
async fn planned(
    app: &App,
    who: &Principal,
    deployment: &str,
    subject: Subject,
) -> Result<Plan, Problem> {
    let _place = app.simulation(who)?;
    let ask = app.sessions.ask(&who.name, |session| {
        let (deployment, subject) = (deployment.to_owned(), subject.clone());
        async move { ask(&session, &deployment, &subject).await }
    });
    let text = ask.await.map_err(Problem::of_sense)?;
    if text.len() > LONGEST {
        return Err(Problem::too_large(format!(
            "the plan has {} bytes, at most {LONGEST} are kept: make it with cpectl",
            text.len()
        )));
    }
    let told: Value = from_json(&text)?;
    let deployment = told["deployment"].as_str().unwrap_or(deployment).to_owned();
    let generation = match (told["generation"].as_u64(), &subject) {
        // Read now, it could be a later one, that the plan knows nothing of.
        (Some(generation), _) => generation,
        (None, Subject::Document(..)) => 0,
        (None, _) => {
            let from = app.sessions.ask(&who.name, |session| {
                let deployment = deployment.clone();
                async move { generation(&session, &deployment).await }
            });
            from.await?.unwrap_or(0)
        }
    };
    let fingerprint = match told["fingerprint"].as_str() {
        Some(fingerprint) => fingerprint.to_owned(),
        None => fingerprint(&told, generation),
    };
    Ok(Plan {
        id: Uuid::new_v4(),
        principal: who.name.clone(),
        deployment,
        subject,
        generation,
        fingerprint,
        told,
        told_bytes: text.len() * READ,
        made: Instant::now(),
        applied: tokio::sync::Mutex::default(),
    })
}

async fn ask(session: &Session, deployment: &str, subject: &Subject) -> cpe_bus::Result<String> {
    match subject {
        Subject::Document(text, _) => session.manager().await?.plan_deployment(text).await,
        Subject::Order(order) => {
            let deployment = session.deployment(deployment).await?;
            let (verb, service) = (&order.verb, &order.service);
            deployment.plan_service(verb, service, options(order)).await
        }
        Subject::Standby(assembly, on, _) => {
            let assembly = assembly.as_deref().unwrap_or("");
            let deployment = session.deployment(deployment).await?;
            deployment.plan_standby(assembly, *on).await
        }
        Subject::Upkeep(upkeep) => {
            let deployment = session.deployment(deployment).await?;
            deployment.plan_upkeep(&upkeep.verb, what(upkeep)).await
        }
    }
}

/// Of plans that have none of their own: what is done, and from where.
fn fingerprint(told: &Value, generation: u64) -> String {
    let text = json!([generation, told["actions"], told["blocked"]]).to_string();
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Why it would not hold.
fn refusals(told: &Value) -> Vec<&str> {
    let all = told["refused"].as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

fn options(order: &Order) -> Fields {
    let mut options = Fields::new();
    if let Some(assembly) = &order.assembly {
        put(&mut options, "assembly", assembly.as_str());
    }
    if order.promoted {
        put(&mut options, "promoted", true);
    }
    if let Some(lifetime) = &order.lifetime {
        put(&mut options, "lifetime", lifetime.as_str());
    }
    if let Some(for_ms) = order.for_ms {
        put(&mut options, "for_ms", for_ms);
    }
    options
}

/// What upkeep is about.
fn what(upkeep: &Upkeep) -> Fields {
    let mut options = Fields::new();
    let texts = [
        ("service", &upkeep.service),
        ("assembly", &upkeep.assembly),
        ("operation", &upkeep.action),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            put(&mut options, key, text.as_str());
        }
    }
    if let Some(interval_ms) = upkeep.interval_ms {
        put(&mut options, "interval_ms", interval_ms);
    }
    if let Some(on) = upkeep.on {
        put(&mut options, "on", on);
    }
    options
}

fn find(app: &App, who: &Principal, id: &str) -> Result<Arc<Plan>, Problem> {
    let plan = id.parse().ok().and_then(|id| app.plans.get(&id, &who.name));
    plan.ok_or_else(|| {
        Problem::not_found(format!(
            "there is no such plan of yours any more; plans are kept for {} minutes",
            LIFE.as_secs() / 60
        ))
    })
}

/// A plan of the caller's.
#[utoipa::path(get, path = "/v1/plans/{id}", operation_id = "get_plan", tag = "plans",
    params(("id" = String, Path, description = "The plan")),
    responses((status = 200, description = "The plan", body = Planned), (status = 404, description = "There is none")))]
pub(super) async fn one(
    _: AsJson,
    Caller(who): Caller,
    Place(id): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Json<Planned>, Problem> {
    let plan = find(&app, &who, &id)?;
    Ok(Json(Planned::of(&plan).await))
}

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Applied {
    /// The deployment.
    deployment: String,
    /// Its generation now.
    generation: u64,
    /// Events after this cursor tell what follows.
    cursor: u64,
}

/// Does what a plan says, if that is still what would be done.
///
/// A plan is applied once: a repeat is answered as before, also if nobody knows whether it was
/// done.
#[utoipa::path(post, path = "/v1/plans/{id}/apply", operation_id = "apply_plan", tag = "plans",
    params(("id" = String, Path, description = "The plan")),
    responses(
        (status = 202, description = "It is stored, and is being carried out", body = Applied),
        (status = 404, description = "There is no such plan"),
        (status = 409, description = "Something else would be done now (`plan-outdated`, with the new plan), it would not hold (`refused`), something excludes it, or nobody knows whether it was done (`unknown-outcome`)"),
        (status = 412, description = "The document has changed meanwhile"),
        (status = 422, description = "The document is invalid")))]
pub(super) async fn apply(
    _: AsJson,
    Caller(who): Caller,
    Place(id): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    let plan = find(&app, &who, &id)?;
    app.seen_by(&who, &plan.deployment).await?;
    let mut applied = plan.applied.lock().await;
    if let Some(before) = applied.clone() {
        return Ok((StatusCode::ACCEPTED, Json(before?)).into_response());
    }
    let cursor = app.mirror.with_ring(crate::mirror::Ring::end);
    let carried_out = carry_out(&app, &who, &plan).await;
    if let Err(problem) = &carried_out
        && problem.is_outcome_unknown()
    {
        *applied = Some(Err(problem.clone()));
    }
    let generation = carried_out?;
    let told = json!(Applied {
        deployment: plan.deployment.clone(),
        generation,
        cursor,
    });
    *applied = Some(Ok(told.clone()));
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

/// Does it; the generation after that.
async fn carry_out(app: &App, who: &Principal, plan: &Plan) -> Result<u64, Problem> {
    match &plan.subject {
        Subject::Order(order) => return give(app, who, plan, order).await,
        Subject::Upkeep(upkeep) => return keep_up(app, who, plan, upkeep).await,
        Subject::Document(..) | Subject::Standby(..) => {}
    }
    let now = planned(app, who, &plan.deployment, plan.subject.clone()).await?;
    if now.fingerprint != plan.fingerprint {
        return Err(outdated(app, now).await);
    }
    match &plan.subject {
        Subject::Document(text, force) => {
            let from = match plan.generation {
                0 => Precondition::Absent,
                generation => Precondition::Generation(generation),
            };
            let (name, text) = (&plan.deployment, text.to_string());
            let stored = changes::store_from(app, who, name, from, text, *force).await?;
            Ok(stored.generation())
        }
        Subject::Standby(_, _, false) if !refusals(&plan.told).is_empty() => {
            let reasons = refusals(&plan.told).join("; ");
            Err(Error::Refused(reasons).into())
        }
        Subject::Standby(assembly, on, force) => {
            let ask = app.sessions.change(&who.name, |session| {
                let (name, assembly, on) = (plan.deployment.clone(), assembly.clone(), *on);
                let upkeep = Upkeep {
                    assembly,
                    on: Some(on),
                    ..Upkeep::default()
                };
                let mut options = what(&upkeep);
                if *force {
                    put(&mut options, "force", true);
                }
                async move {
                    let deployment = session.deployment(&name).await?;
                    deployment.order_upkeep("standby", options).await
                }
            });
            ask.await.map(|()| plan.generation)
        }
        Subject::Order(_) | Subject::Upkeep(_) => Ok(plan.generation),
    }
}

/// Gives an order. The DPE compares the fingerprint in the moment in which it decides.
async fn give(app: &App, who: &Principal, plan: &Plan, order: &Order) -> Result<u64, Problem> {
    let mut options = options(order);
    put(&mut options, "fingerprint", plan.fingerprint.as_str());
    if order.force {
        put(&mut options, "force", true);
    }
    let ask = app.sessions.change(&who.name, |session| {
        let (name, options) = (plan.deployment.clone(), options.clone());
        let (verb, service) = (order.verb.clone(), order.service.clone());
        async move {
            let deployment = session.deployment(&name).await?;
            match deployment.order_service(&verb, &service, options).await {
                Err(Error::Refused(reason)) => Ok(Err(reason)),
                answer => answer.map(Ok),
            }
        }
    });
    let refused = ask.await?.map(drop);
    judged(app, who, plan, refused).await
}

/// Has upkeep done. The DPE compares the fingerprint in the moment in which it does it.
async fn keep_up(app: &App, who: &Principal, plan: &Plan, upkeep: &Upkeep) -> Result<u64, Problem> {
    let mut options = what(upkeep);
    put(&mut options, "fingerprint", plan.fingerprint.as_str());
    if upkeep.force {
        put(&mut options, "force", true);
    }
    let ask = app.sessions.change(&who.name, |session| {
        let (name, options) = (plan.deployment.clone(), options.clone());
        let verb = upkeep.verb.clone();
        async move {
            let deployment = session.deployment(&name).await?;
            match deployment.order_upkeep(&verb, options).await {
                Err(Error::Refused(reason)) => Ok(Err(reason)),
                answer => answer.map(Ok),
            }
        }
    });
    let refused = ask.await?;
    judged(app, who, plan, refused).await
}

/// What came of an order: the generation that it left, or why it was refused.
async fn judged(
    app: &App,
    who: &Principal,
    plan: &Plan,
    outcome: Result<(), String>,
) -> Result<u64, Problem> {
    let Err(reason) = outcome else {
        return Ok(plan.generation);
    };
    // Whether it is another plan now, or the same that would not hold.
    let now = planned(app, who, &plan.deployment, plan.subject.clone()).await?;
    match now.fingerprint == plan.fingerprint {
        true => Err(Error::Refused(reason).into()),
        false => Err(outdated(app, now).await),
    }
}

/// Something else would be done now.
async fn outdated(app: &App, now: Plan) -> Problem {
    let now = app.plans.keep(now);
    let title = "Something else would be done now";
    let detail = "nothing was changed; look at the new plan, and apply that";
    let problem = Problem::new(StatusCode::CONFLICT, "plan-outdated", title, detail);
    Problem {
        plan: Some(Box::new(json!(Planned::of(&now).await))),
        ..problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_actions_have_another_fingerprint() {
        let told = |action: &str| json!({"actions": [{"action": action}], "warnings": [action]});
        assert_eq!(
            fingerprint(&told("start"), 1),
            fingerprint(&told("start"), 1)
        );
        assert_ne!(
            fingerprint(&told("start"), 1),
            fingerprint(&told("stop"), 1)
        );
        assert_ne!(
            fingerprint(&told("start"), 1),
            fingerprint(&told("start"), 2)
        );
    }
}
