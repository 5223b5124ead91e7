//! One deployment: what runs where, what is being done, what failed and what to do about it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use cpe_status::{
    DeploymentState, DeploymentStatus, FailureStatus, FencingResult, FencingStatus,
    INFINITE_FAILURES, ServiceState, TransitionState, TransitionStatus,
};
use maud::{Markup, html};

use super::frame::{Page, Viewer, nothing, word};
use super::overview::crumbs;
use super::words::{ago, count, moment, of_deployment, of_transition, part};
use super::{events, picture, story};
use crate::app::App;
use crate::http::{Caller, Place};
use crate::mirror::Seen;
use crate::problem::Problem;
use crate::rights::Role;

/// Sentences about what is wrong that are shown at once.
const AT_ONCE: usize = 8;
/// What is looked at is not older, if cpe answers: while something is being done, and else.
const BUSY: Duration = Duration::from_millis(800);
const CALM: Duration = Duration::from_secs(8);

/// A deployment.
pub(super) async fn page(
    Caller(who): Caller,
    Place(name): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Markup, Problem> {
    let (viewer, seen) = super::looked_at(&app, &who, &name).await?;
    let unknown = DeploymentStatus::default();
    let status = seen.status.as_deref().unwrap_or(&unknown);
    let is_going = |it: &TransitionStatus| it.state == TransitionState::Running;
    let is_fencing = status.fencing.iter().any(|it| it.ended == 0);
    let is_busy = status.deciding || is_fencing || status.transition.as_ref().is_some_and(is_going);
    // Not all of it is an event: what somebody looks at is fetched more often.
    let fresh = if is_busy { BUSY } else { CALM };
    if seen.age().is_some_and(|age| age > fresh) {
        app.mirror.look_again(&name);
    }
    let content = html! {
        (crumbs(""))
        (heading(&viewer, &seen, status))
        @if seen.status.is_none() {
            p.note { "Its status is not known yet." }
        } @else {
            (picture::of(status, viewer.may(Role::Operator, &name)))
            (transition(status))
            (problems(status))
            (orders(&viewer, status))
            (failures(&viewer, status))
            (fencing(&viewer, status))
            (story::of(&app, &name))
        }
        (events::list(&app, &viewer, &name, 40))
    };
    let page = Page {
        title: format!("{name} {}", seen.entry.state.as_str()),
        about: &name,
        kind: "deployment",
        is_living: true,
        is_busy,
        content,
    };
    Ok(page.of(&viewer, ""))
}

fn heading(viewer: &Viewer, seen: &Seen, status: &DeploymentStatus) -> Markup {
    let name = &seen.entry.name;
    let role = viewer.rights.role(name);
    let place = format!("/deployments/{}", part(name));
    html! {
        div.heading #subject data-deployment=(name) data-role=(role.map_or("", word)) data-generation=(seen.entry.generation) {
            h1 { (name) " " (of_deployment(seen.entry.state).told()) }
            p.actions {
                a.button href=(format!("{place}/what-if")) { "What if…" }
                @if viewer.may(Role::Owner, name) { a.button.script href=(format!("{place}/deploy")) { "Deploy…" } }
                @if viewer.may(Role::Operator, name) {
                    button #act.main.script type="button" aria-keyshortcuts="a" { "Act…" }
                }
            }
        }
        p.lead { (status.summary) }
        ul.facts {
            li { "generation " b { (seen.entry.generation) } }
            @if status.generation > 0 && status.generation != seen.entry.generation {
                li.warn { "its DPE works by " (status.generation) }
            }
            @if !status.owner.is_empty() { li { "owner " b { (status.owner) } } }
            @if !status.group.is_empty() { li { "group " b { (status.group) } } }
            @if status.maintenance { li.warn { "in maintenance: nothing is recovered" } }
            (room(status))
            @if status.time > 0 { li { "as of " (ago(status.time)) " ago" } }
        }
    }
}

fn room(status: &DeploymentStatus) -> Markup {
    let Some(room) = &status.room else {
        return nothing();
    };
    html! {
        li.warn[!room.holds] {
            "room for one loss: " b { (room.text) }
            @if room.outdated { " (being found out again)" }
        }
    }
}

/// All that is wrong; the first is the summary already.
fn problems(status: &DeploymentStatus) -> Markup {
    let summary = status.summary.as_str();
    let is_new = |problem: &&String| !summary.starts_with(problem.as_str());
    let rest: Vec<&String> = status.problems.iter().filter(is_new).collect();
    html! {
        @if !rest.is_empty() {
            section #wrongs aria-labelledby="wrongs-title" {
                h2 #wrongs-title { "Also wrong " span.number { (rest.len()) } }
                ul.problems { @for problem in rest.iter().take(AT_ONCE) { li { (problem) } } }
                @if rest.len() > AT_ONCE {
                    details {
                        summary { (rest.len() - AT_ONCE) " more" }
                        ul.problems { @for problem in rest.iter().skip(AT_ONCE) { li { (problem) } } }
                    }
                }
            }
        }
    }
}

/// What is wanted by hand, beside the document.
fn orders(viewer: &Viewer, status: &DeploymentStatus) -> Markup {
    let may = viewer.may(Role::Operator, &status.name);
    html! {
        @if !status.overlay.is_empty() || !status.bans.is_empty() {
            section #orders aria-labelledby="orders-title" {
                h2 #orders-title { "By hand " span.number { (status.overlay.len() + status.bans.len()) } }
                ul.plain {
                    @for entry in &status.overlay {
                        li {
                            span.flag { (entry.kind.as_str()) } " " (entry.text)
                            @if !entry.by.is_empty() { ", by " (entry.by) }
                            @if entry.created > 0 { ", since " (moment(entry.created)) }
                            @if entry.ends > 0 { ", ends " (moment(entry.ends)) }
                            @if may {
                                " " button.script.small type="button" data-verb=(undo(entry.kind.as_str())) data-of=(entry.service)
                                    data-at=(entry.assembly) { (undo(entry.kind.as_str())) "…" }
                            }
                        }
                    }
                    @for ban in &status.bans {
                        li { span.flag { "constraint" } " " (ban.constraint) ": " (ban.service) " on " (ban.assembly) ", score " (ban.score)
                            @if ban.set_by_guest { ", set by a tool in a guest" } @else { ", in the document" } }
                    }
                }
            }
        }
    }
}

/// The verb that takes an order back.
fn undo(kind: &str) -> &'static str {
    match kind {
        "disable" => "enable",
        "unmanage" => "manage",
        _ => "clear",
    }
}

fn transition(status: &DeploymentStatus) -> Markup {
    let Some(transition) = &status.transition else {
        return nothing();
    };
    let is_running = transition.state == TransitionState::Running;
    html! {
        section #transition aria-labelledby="transition-title" {
            h2 #transition-title.unseen { "What is being done" }
            p.progress {
                (of_transition(transition.state).told())
                " Transition " (transition.number) ": "
                b { (transition.done) " of " (count(transition.actions as usize, "action")) }
                @if transition.failed > 0 { ", " (transition.failed) " failed" }
                " " span.quiet { (ago(if is_running { transition.started } else { transition.completed })) " ago" }
                @if status.deciding { " " span.flag { "deciding" } }
            }
            @if is_running {
                progress value=(transition.done) max=(transition.actions.max(1)) aria-label="Actions that are done" {}
                ul.running {
                    @for action in &transition.running {
                        li { b { (action.action) } " " (action.service) @if !action.assembly.is_empty() { " on " (action.assembly) }
                            " " (ago(action.since)) }
                    }
                }
            }
        }
    }
}

fn failures(viewer: &Viewer, status: &DeploymentStatus) -> Markup {
    let may = viewer.may(Role::Operator, &status.name);
    html! {
        @if !status.failures.is_empty() {
            section #failures aria-labelledby="failures-title" {
                h2 #failures-title { "Failures " span.number { (status.failures.len()) } }
                ol.failures {
                    @for failure in &status.failures {
                        li.recovered[since(status, failure).is_some()] data-failed=(failure.service) data-on=(failure.assembly) {
                            p {
                                b { (failure.service) } " on " b { (failure.assembly) }
                                span.what { (failure.operation.split('/').next().unwrap_or_default()) " failed" (times(failure)) }
                                (moment(failure.time))
                            }
                            p.cause { (failure.reason) }
                            p.remedy { (remedy(status, failure)) }
                            @if may {
                                p { button.script.small type="button" data-verb="cleanup" data-of=(failure.service) data-at=(failure.assembly) { "Clean up…" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn times(failure: &FailureStatus) -> String {
    match (failure.count, failure.threshold) {
        (0 | 1, 0) => String::new(),
        (INFINITE_FAILURES.., _) => ", and counts as for good".to_owned(),
        (number, 0) => format!(" {number} times"),
        (1, threshold) => format!(" once of {threshold} times"),
        (number, threshold) => format!(" {number} times of {threshold}"),
    }
}

/// Since when the service runs there again.
fn since(status: &DeploymentStatus, failure: &FailureStatus) -> Option<u64> {
    let runs = |state| matches!(state, ServiceState::Started | ServiceState::Promoted);
    let service = status
        .services
        .iter()
        .find(|it| it.name == failure.service)?;
    (runs(service.state) && !failure.banned && service.since >= failure.time)
        .then_some(service.since)
}

fn remedy(status: &DeploymentStatus, failure: &FailureStatus) -> Markup {
    let command = format!(
        "cpectl cleanup {} {} --assembly {}",
        status.name, failure.service, failure.assembly
    );
    html! {
        @if let Some(since) = since(status, failure) {
            "Recovered since " (moment(since)) ". "
        }
        @if failure.banned {
            "It may not run there any more: mend the cause in " (failure.assembly) ", then forget the failures with " code { (command) } ". "
        } @else if since(status, failure).is_none() {
            "See the log of " (failure.assembly) "; " code { (command) } " forgets the failures. "
        }
        @if failure.forgotten > 0 { "Forgotten by itself at " (moment(failure.forgotten)) "." }
    }
}

fn fencing(viewer: &Viewer, status: &DeploymentStatus) -> Markup {
    let may = viewer.may(Role::Owner, &status.name);
    let is_open = |it: &&FencingStatus| {
        matches!(
            it.result,
            FencingResult::Pending | FencingResult::Failed | FencingResult::Unknown
        )
    };
    let is_wanted = |it: &&FencingStatus| {
        let mut assemblies = status.assemblies.iter();
        !it.unfences && assemblies.any(|own| own.fencing_attempt == it.attempt)
    };
    let open: Vec<&FencingStatus> = status
        .fencing
        .iter()
        .filter(is_open)
        .filter(is_wanted)
        .take(10)
        .collect();
    html! {
        @if !open.is_empty() && status.state != DeploymentState::Unknown {
            section #fencing aria-labelledby="fencing-title" {
                h2 #fencing-title { "Being made safe" }
                ul.plain {
                    @for attempt in open {
                        li {
                            b { (attempt.assembly) } " by " (attempt.device) ": " (attempt.result.as_str()) ", since " (moment(attempt.began))
                            p.cause { (attempt.reason) @if !attempt.detail.is_empty() { " – " (attempt.detail) } }
                            @if may {
                                p { button.script.small type="button" data-verb="confirm-fenced" data-at=(attempt.assembly) { "Confirm that it is down…" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
