//! All deployments at a glance: first those that need somebody.

use std::sync::Arc;

use axum::extract::State;
use cpe_status::{DeploymentState, DeploymentStatus};
use maud::{Markup, html};
use serde::Deserialize;

use super::events;
use super::frame::Page;
use super::words::{ago, count, of_deployment, part};
use crate::app::App;
use crate::http::{Asked, Caller};
use crate::mirror::Seen;
use crate::problem::Problem;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    /// Part of a name, an owner, a state or of what is said.
    #[serde(default)]
    q: String,
}

/// All deployments that the caller may see.
pub(super) async fn page(
    Caller(who): Caller,
    Asked(which): Asked<Which>,
    State(app): State<Arc<App>>,
) -> Result<Markup, Problem> {
    let viewer = super::viewer(&app, &who).await?;
    let all = app.mirror.snapshot();
    let seen = all.iter().filter(|it| viewer.rights.sees(&it.entry.name));
    let seen: Vec<&Seen> = seen.filter(|it| fits(it, &which.q)).collect();
    let needs: Vec<&Seen> = seen.iter().copied().filter(|it| needs_you(it)).collect();
    let title = match needs.len() {
        0 => "All is well".to_owned(),
        number => format!("{number} of {} need you", seen.len()),
    };
    let is_busy = seen
        .iter()
        .any(|it| it.entry.state == DeploymentState::Starting);
    let content = html! {
        div.heading {
            h1 { (headline(&seen, &needs)) }
            @if viewer.may_deploy() { p.actions { a.button.script href="/deploy" { "New deployment" } } }
        }
        @if !app.mirror.is_filled() {
            p.note { "cpe has not said yet which deployments there are." }
        } @else if seen.is_empty() {
            (nobody(&which.q))
        }
        @if !needs.is_empty() {
            section #needs aria-labelledby="needs-title" {
                h2 #needs-title { "Needs you " span.number { (needs.len()) } }
                (table(&needs, "n"))
            }
        }
        @if seen.len() > needs.len() {
            section #rest aria-labelledby="rest-title" {
                h2 #rest-title { @if needs.is_empty() { "All " } @else { "Well " } span.number { (seen.len() - needs.len()) } }
                (table(&others(&seen), "a"))
            }
        }
        p #unfound.note hidden { "No deployment fits." }
        (events::list(&app, &viewer, "", 12))
    };
    let page = Page {
        title,
        about: "",
        kind: "overview",
        is_living: true,
        is_busy,
        content,
    };
    Ok(page.of(&viewer, &which.q))
}

fn headline(seen: &[&Seen], needs: &[&Seen]) -> String {
    match (seen.len(), needs.len()) {
        (0, _) => "Deployments".to_owned(),
        (all, 0) => format!("All is well in {}", count(all, "deployment")),
        (all, 1) => format!("1 of {} needs you", count(all, "deployment")),
        (all, some) => format!("{some} of {} need you", count(all, "deployment")),
    }
}

fn nobody(looked_for: &str) -> Markup {
    html! {
        div.empty {
            @if looked_for.is_empty() {
                p { "There is no deployment that you may see." }
                p { code { "cpectl deploy FILE" } " makes one." }
            } @else {
                p { "No deployment fits “" (looked_for) "”." }
                p { a href="/" { "All deployments" } }
            }
        }
    }
}

fn others<'s>(seen: &[&'s Seen]) -> Vec<&'s Seen> {
    seen.iter().copied().filter(|it| !needs_you(it)).collect()
}

fn fits(seen: &Seen, looked_for: &str) -> bool {
    let wanted = looked_for.trim().to_lowercase();
    let entry = &seen.entry;
    let summary = seen.status.as_ref().map_or("", |it| it.summary.as_str());
    [
        entry.name.as_str(),
        &entry.owner,
        entry.state.as_str(),
        summary,
    ]
    .iter()
    .any(|text| text.to_lowercase().contains(&wanted))
}

/// Whether somebody should look.
fn needs_you(seen: &Seen) -> bool {
    let state = seen.entry.state;
    matches!(
        state,
        DeploymentState::Degraded | DeploymentState::Failed | DeploymentState::Unknown
    )
}

fn table(seen: &[&Seen], prefix: &str) -> Markup {
    html! {
        table.deployments {
            thead {
                tr {
                    th scope="col" { "Deployment" }
                    th scope="col" { "State" }
                    th.count-head scope="col" { "Assemblies" }
                    th.count-head scope="col" { "Services" }
                    th scope="col" { "What is going on" }
                    th scope="col" { "As of" }
                }
            }
            tbody { @for it in seen { (row(it, prefix)) } }
        }
    }
}

fn row(seen: &Seen, prefix: &str) -> Markup {
    let unknown = DeploymentStatus::default();
    let status = seen.status.as_deref().unwrap_or(&unknown);
    let name = &seen.entry.name;
    html! {
        tr id=(format!("{prefix}-{name}")) data-find=(name) data-state=(seen.entry.state.as_str()) {
            th scope="row" { a.row href=(format!("/deployments/{}", part(name))) { (name) } }
            td { (of_deployment(seen.entry.state).told()) }
            @if seen.status.is_some() {
                td.count data-label="assemblies" { (of(status.online())) }
                td.count data-label="services" { (of(status.running())) }
                td.going { (status.summary) (flags(status)) }
            } @else {
                td {} td {} td.going { "its status is not known yet" }
            }
            td.as-of { (ago(status.time)) }
        }
    }
}

/// How many of all, with a bar of both.
fn of((well, all): (usize, usize)) -> Markup {
    html! {
        span.of { b { (well) } "/" (all) }
        @if all > 0 {
            progress.thin.short[well < all] value=(well) max=(all) aria-hidden="true" {}
        }
    }
}

/// What is easily forgotten.
fn flags(status: &DeploymentStatus) -> Markup {
    let wanted = status.overlay.len() + status.bans.len();
    let room = status.room.as_ref().filter(|room| !room.holds);
    html! {
        @if status.maintenance { " " span.flag { "in maintenance" } }
        @if wanted > 0 { " " span.flag { (count(wanted, "order")) " by hand" } }
        @if let Some(room) = room { " " span.flag.warn { "room for one loss: " (room.text) } }
    }
}

/// The way back: to all deployments, and to one, from what belongs to it.
pub(super) fn crumbs(name: &str) -> Markup {
    html! {
        nav.crumbs aria-label="Where you are" {
            a href="/" aria-keyshortcuts="g o" { "Deployments" }
            @if !name.is_empty() {
                a href=(format!("/deployments/{}", part(name))) { (name) }
            }
        }
    }
}
