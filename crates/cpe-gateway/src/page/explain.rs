//! Why a service is where it is, and not elsewhere.

use std::sync::Arc;

use axum::extract::State;
use cpe_bus::Fields;
use cpe_bus::fields::put;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{Page, lines, nothing};
use super::overview::crumbs;
use super::words::of_service;
use crate::app::App;
use crate::http::{Caller, Place};
use crate::mirror::Seen;
use crate::problem::Problem;

/// A service, explained.
pub(super) async fn page(
    Caller(who): Caller,
    Place((name, service)): Place<(String, String)>,
    State(app): State<Arc<App>>,
) -> Result<Markup, Problem> {
    let (viewer, seen) = super::looked_at(&app, &who, &name).await?;
    let mut options = Fields::new();
    put(&mut options, "service", service.as_str());
    let told = app.explanation(&who, &name, &options).await?;
    let whole = text(&told, "text");
    let content = html! {
        (crumbs(&name))
        div.heading #subject data-deployment=(name) data-service=(service) { h1 { (service) } }
        (instances(&seen, &service))
        @for one in told["explanations"].as_array().into_iter().flatten() { (explained(one, text(one, "name") != service)) }
        details.raw { summary { "The same as text" } (lines(whole)) }
    };
    let page = Page {
        title: format!("{service} of {name}"),
        about: &name,
        kind: "explain",
        is_living: true,
        is_busy: false,
        content,
    };
    Ok(page.of(&viewer, ""))
}

fn instances(seen: &Seen, service: &str) -> Markup {
    let Some(status) = &seen.status else {
        return nothing();
    };
    let own = status
        .services
        .iter()
        .filter(|it| it.service == service || it.name == service);
    html! {
        ul.facts {
            @for instance in own {
                li { (instance.name) " " (of_service(instance.state).told())
                    @if !instance.assembly.is_empty() { " on " b { (instance.assembly) } } }
            }
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn explained(one: &Value, is_part: bool) -> Markup {
    let reason = one["reason"]["text"].as_str();
    // The sentence has it, as a rule.
    let reason = reason.filter(|reason| !text(one, "sentence").contains(reason));
    let list = |key: &str| one[key].as_array().cloned().unwrap_or_default();
    let (nodes, steps, remedies) = (list("nodes"), list("steps"), list("remedies"));
    html! {
        section.explained {
            @if is_part { h2 { (text(one, "name")) } }
            p.lead { (text(one, "sentence")) }
            @if let Some(reason) = reason { p { (reason) } }
            @for remark in list("remarks").iter().chain(&list("failures")) { p.cause { (text(remark, "text")) } }
            @if !nodes.is_empty() { (places(&nodes)) }
            @if !steps.is_empty() {
                h3 { "What is done" }
                ol.steps {
                    @for step in &steps {
                        li.impossible[step["impossible"].as_bool() == Some(true)] {
                            (text(step, "action"))
                            @for wait in step["waits"].as_array().into_iter().flatten() { span.quiet { " – waits: " (text(wait, "text")) } }
                        }
                    }
                }
            }
            @if !remedies.is_empty() {
                h3 { "What can be done about it" }
                ul.remedies { @for remedy in &remedies { li { (text(remedy, "text")) } } }
            }
            @for part in list("parts") { (explained(&part, true)) }
        }
    }
}

/// The parts of a score, but for what its reason says already.
fn others(node: &Value) -> impl Iterator<Item = &Value> {
    let parts = node["parts"].as_array().into_iter().flatten();
    parts.filter(|part| text(&part["cause"], "text") != text(&node["reason"], "text"))
}

/// Where it could run.
fn places(nodes: &[Value]) -> Markup {
    html! {
        table.places {
            thead { tr { th scope="col" { "Assembly" } th.count scope="col" { "Score" } th scope="col" { "Why" } } }
            tbody {
                @for node in nodes {
                    tr.chosen[node["chosen"].as_bool() == Some(true)] {
                        th scope="row" { (text(node, "node")) @if node["chosen"].as_bool() == Some(true) { " " span.flag.good { "here" } } }
                        td.count { (node["score"].as_str().unwrap_or("–")) }
                        td {
                            (text(&node["reason"], "text"))
                            @for part in others(node) {
                                p.part { b { (text(part, "change")) } " " (text(&part["cause"], "text")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
