//! Sending a document: its problems at their lines, and what it would bring, before it counts.

use std::sync::Arc;

use axum::extract::State;
use maud::{Markup, html};

use super::frame::{Page, Viewer};
use super::overview::crumbs;
use super::words::part;
use crate::app::App;
use crate::http::{Caller, Place};
use crate::problem::Problem;
use crate::rights::Role;

/// For a deployment that is to be.
pub(super) async fn new(
    Caller(who): Caller,
    State(app): State<Arc<App>>,
) -> Result<Markup, Problem> {
    let viewer = super::viewer(&app, &who).await?;
    if !viewer.may_deploy() {
        return Err(Problem::forbidden(
            "it takes role `owner` to send documents",
        ));
    }
    Ok(form(&viewer, "", 0))
}

/// For the next generation of one.
pub(super) async fn existing(
    Caller(who): Caller,
    Place(name): Place<String>,
    State(app): State<Arc<App>>,
) -> Result<Markup, Problem> {
    let (viewer, seen) = super::looked_at(&app, &who, &name).await?;
    if !viewer.may(Role::Owner, &name) {
        let takes = format!("it takes role `owner` of `{name}` to send documents");
        return Err(Problem::forbidden(takes));
    }
    Ok(form(&viewer, &name, seen.entry.generation))
}

fn form(viewer: &Viewer, name: &str, generation: u64) -> Markup {
    let source = match name {
        "" => String::new(),
        name => format!("/v1/deployments/{}/document", part(name)),
    };
    let content = html! {
        (crumbs(name))
        div.heading #subject data-deployment=(name) data-generation=(generation) {
            h1 { @if name.is_empty() { "New deployment" } @else { "Deploy " (name) } }
            p.actions {
                label.button.script for="file" { "Open a file…" }
                input #file.unseen type="file" accept=".xml,text/xml,application/xml";
                button #plan.main.script type="button" { "Plan" }
            }
        }
        noscript { p.note { "Documents are sent with JavaScript, or with " code { "cpectl deploy FILE" } "." } }
        div #editor.editor.script data-source=(source) {
            div #gutter.gutter aria-hidden="true" {}
            label.unseen for="document" { "The document, as XML" }
            textarea #document rows="24" wrap="off" spellcheck="false" autocapitalize="off" autocomplete="off" aria-describedby="verdict"
                placeholder="Paste a document, drop a file, or open one." {}
        }
        p #verdict.verdict role="status" {}
        ol #problems.problems.at-lines {}
        section #planned.planned aria-label="The plan" tabindex="-1" hidden {}
    };
    let page = Page {
        title: match name {
            "" => "New deployment".to_owned(),
            name => format!("Deploy {name}"),
        },
        about: name,
        kind: "deploy",
        is_living: false,
        is_busy: false,
        content,
    };
    page.of(viewer, "")
}
