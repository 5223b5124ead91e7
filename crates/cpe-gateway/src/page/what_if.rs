//! What would follow if assemblies were lost: looked at, nothing is changed.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use cpe_bus::Fields;
use cpe_bus::fields::put;
use cpe_status::{DeploymentStatus, RoomLoss, RoomOutcome, RoomReport};
use maud::{Markup, html};

use super::frame::{Page, nothing};
use super::overview::crumbs;
use super::words::{count, moment, of_assembly};
use crate::app::App;
use crate::http::{Caller, Place};
use crate::problem::Problem;

/// What would follow: of the loss of any one assembly, or of those that are ticked (`lose`).
pub(super) async fn page(
    Caller(who): Caller,
    Place(name): Place<String>,
    RawQuery(query): RawQuery,
    State(app): State<Arc<App>>,
) -> Result<Markup, Problem> {
    let (viewer, seen) = super::looked_at(&app, &who, &name).await?;
    let unknown = DeploymentStatus::default();
    let status = seen.status.as_deref().unwrap_or(&unknown);
    let query = query.unwrap_or_default();
    // Only names that exist: nothing has to be unescaped.
    let ticked = |name: &str| {
        query
            .split('&')
            .any(|it| it.strip_prefix("lose=") == Some(name))
    };
    let lost: Vec<String> = status
        .assemblies
        .iter()
        .filter(|it| ticked(&super::words::part(&it.name).to_string()))
        .map(|it| it.name.clone())
        .collect();
    let mut options = Fields::new();
    if !lost.is_empty() {
        put(&mut options, "assemblies", lost.clone());
    }
    let report = app.room(&who, &name, &options).await?;
    let content = html! {
        (crumbs(&name))
        div.heading #subject data-deployment=(name) { h1 { "What if this is lost?" } }
        (choice(status, &lost))
        (told(&report, &lost))
    };
    let page = Page {
        title: format!("{name}: what if"),
        about: &name,
        kind: "what-if",
        is_living: false,
        is_busy: false,
        content,
    };
    Ok(page.of(&viewer, ""))
}

fn choice(status: &DeploymentStatus, lost: &[String]) -> Markup {
    html! {
        form.choice method="get" {
            fieldset {
                legend { "Lose these at once" }
                @for assembly in &status.assemblies {
                    label {
                        input type="checkbox" name="lose" value=(assembly.name) checked[lost.contains(&assembly.name)];
                        (assembly.name) " " (of_assembly(assembly.state).told())
                    }
                }
            }
            p { button.main { "Simulate" } " " @if !lost.is_empty() { a href="?" { "Any one of them" } } }
        }
    }
}

fn told(report: &RoomReport, lost: &[String]) -> Markup {
    let is_known = report.not_looked_at == 0 || !report.holds;
    let sentence = match (report.holds, lost) {
        (true, _) if !is_known => "Nobody knows yet: not all losses were looked at.".to_owned(),
        (true, []) => "Every service would run if any one assembly were lost.".to_owned(),
        (false, []) => "Not every service would run if one assembly were lost.".to_owned(),
        (true, lost) => format!("Every service would run without {}.", lost.join(" and ")),
        (false, lost) => format!(
            "Not every service would run without {}.",
            lost.join(" and ")
        ),
    };
    html! {
        section #losses aria-label="What would follow" {
            p.lead { (verdict(is_known.then_some(report.holds))) " " (sentence) }
            p.quiet {
                (count(report.looked_at, "loss")) " simulated, from what is at " (moment(report.time)) ", generation " (report.generation) "."
                @if report.not_looked_at > 0 { " " b { (report.not_looked_at) " more were not looked at." } }
                " Nothing is changed."
            }
            @for loss in &report.losses { (one(loss)) }
            @if report.losses.is_empty() && is_known { p { "No service would run less than now." } }
            @if !report.down_already.is_empty() { p.note { "Down already: " (report.down_already.join(", ")) } }
        }
    }
}

fn verdict(holds: Option<bool>) -> Markup {
    let (shape, tone, word) = match holds {
        Some(true) => ("disc", "good", "holds"),
        Some(false) => ("cross", "bad", "does not hold"),
        None => ("what", "idle", "not known"),
    };
    super::words::Sign { shape, tone, word }.told()
}

fn one(loss: &RoomLoss) -> Markup {
    html! {
        article.loss.bad[!loss.holds] {
            h2 { "Without " (loss.assemblies.join(" and ")) " " (verdict(Some(loss.holds))) }
            ul.plain {
                @for service in &loss.services {
                    li {
                        b { (service.service) } " " (becomes(service.outcome))
                        " " span.quiet { (service.before) " → " (service.after) " running" }
                        @if !service.reason.is_empty() { p.cause { (service.reason) } }
                    }
                }
            }
            (remedies(loss))
        }
    }
}

fn becomes(outcome: RoomOutcome) -> &'static str {
    match outcome {
        RoomOutcome::Down => "would run nowhere",
        RoomOutcome::NotPromoted => "would not be promoted",
        RoomOutcome::Fewer => "would run with fewer instances",
        RoomOutcome::Unknown => "would be another way",
    }
}

fn remedies(loss: &RoomLoss) -> Markup {
    if loss.remedies.is_empty() {
        return nothing();
    }
    html! {
        h3 { "What would make it fit" }
        ul.remedies {
            @for remedy in &loss.remedies {
                li { (remedy.text) @if !remedy.complete { " (for " (remedy.services.join(", ")) ")" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_at_is_not_said_to_hold() {
        let mut report = RoomReport {
            holds: true,
            looked_at: 2,
            not_looked_at: 3,
            ..RoomReport::default()
        };
        let page = told(&report, &[]).into_string();
        for wrong in ["holds<", "Every service would run", "No service"] {
            assert!(!page.contains(wrong), "{wrong}: {page}");
        }
        assert!(page.contains("not known"), "{page}");
        report.not_looked_at = 0;
        let page = told(&report, &[]).into_string();
        assert!(page.contains("Every service would run"), "{page}");
        // What one loss is known to leave out does not hold, whatever else there is.
        (report.not_looked_at, report.holds) = (3, false);
        let page = told(&report, &[]).into_string();
        assert!(page.contains("does not hold"), "{page}");
    }
}
