//! The newest events, as the mirror has them.

use cpe_status::EventTone;
use maud::{Markup, html};

use super::frame::Viewer;
use super::words::{moment, part};
use crate::app::App;
use crate::mirror::Logged;

/// How events of a kind are marked: with a shape and a tone.
pub(super) fn tone(kind: &str) -> (&'static str, &'static str) {
    match EventTone::of(kind) {
        EventTone::Bad => ("cross", "bad"),
        EventTone::Warn => ("peak", "warn"),
        EventTone::Good => ("disc", "good"),
        EventTone::Busy => ("gem", "busy"),
        EventTone::Plain => ("ring", "idle"),
    }
}

/// The newest events that somebody may see, of a deployment or (if it is empty) of all.
pub(super) fn list(app: &App, viewer: &Viewer, deployment: &str, most: usize) -> Markup {
    let fits = |logged: &Logged| {
        let of = &logged.event.deployment;
        (deployment.is_empty() || of == deployment) && viewer.rights.sees(of)
    };
    let events = app.mirror.latest(most, fits);
    html! {
        section #events aria-labelledby="events-title" {
            div.heading {
                h2 #events-title { "Events" }
                p.actions.script {
                    label.unseen for="kind" { "Kind of events" }
                    select #kind data-keep="" {
                        option value="" { "all kinds" }
                        @for kind in ["deployment", "assembly", "service", "transition", "dpe", "overlay"] {
                            option value=(kind) { (kind) }
                        }
                    }
                }
            }
            @if events.is_empty() { p.quiet { "None lately." } } @else {
                ol.events { @for logged in &events { (line(logged, deployment.is_empty())) } }
            }
        }
    }
}

fn line(logged: &Logged, with_deployment: bool) -> Markup {
    let event = &logged.event;
    let (shape, tone) = tone(&event.kind);
    html! {
        li id=(format!("e{}", event.cursor)) data-kind=(event.kind.split('.').next().unwrap_or_default()) {
            (moment(event.time))
            span.kind {
                svg class=(format!("sign {tone}")) viewBox="0 0 16 16" aria-hidden="true" { use href=(format!("#{shape}")) {} }
                (event.kind)
            }
            span.about {
                @if with_deployment && !event.deployment.is_empty() {
                    a href=(format!("/deployments/{}", part(&event.deployment))) { (event.deployment) } " "
                }
                @if !event.service.is_empty() { b { (event.service) } }
                @if !event.service.is_empty() && !event.assembly.is_empty() { " on " }
                @if !event.assembly.is_empty() { b { (event.assembly) } }
            }
            span.why { (event.reason) (details(logged)) }
        }
    }
}

/// Who asked for it, where that is told.
fn details(logged: &Logged) -> Markup {
    // The reason has it, as a rule.
    let is_new = |it: &&String| !it.is_empty() && !logged.event.reason.contains(it.as_str());
    let detail = |key: &str| logged.event.details.get(key).filter(is_new);
    html! {
        @if let Some(who) = detail("caller_principal").or_else(|| detail("by")) { " " span.by { "by " (who) } }
    }
}
