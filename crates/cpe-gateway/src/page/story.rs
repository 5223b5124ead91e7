//! What happened lately, as a picture: events that follow each other closely are one episode, with
//! a line for each assembly, service and transition.

use std::collections::BTreeMap;
use std::sync::Arc;

use cpe_bus::Event;
use maud::{Markup, html};

use super::events::tone;
use super::frame::nothing;
use super::words::{SECOND, moment, span};
use crate::app::App;
use crate::mirror::Logged;

/// A longer silence ends an episode.
const SILENCE: u64 = 12 * SECOND;
/// So does a shorter one, when all was well again.
const PAUSE: u64 = SECOND;
/// Events that are looked at.
const LOOK_AT: usize = 300;
/// Episodes that are shown.
const SHOWN: usize = 3;
/// Lines of one.
const LINES: usize = 14;

/// One line.
#[derive(Debug, Default)]
struct Track {
    /// `assembly`, `service`, `transition` or `deployment`.
    kind: &'static str,
    name: String,
    /// When, and what; in order.
    dots: Vec<(u64, &'static str, String)>,
}

/// What happened at one time.
#[derive(Debug, Default)]
struct Episode {
    begin: u64,
    end: u64,
    tracks: Vec<Track>,
    first: String,
}

/// The last episodes of a deployment.
pub(super) fn of(app: &App, deployment: &str) -> Markup {
    let events = app
        .mirror
        .latest(LOOK_AT, |it| it.event.deployment == deployment);
    let episodes = episodes(&events);
    if episodes.is_empty() {
        return nothing();
    }
    html! {
        section #story aria-labelledby="story-title" {
            h2 #story-title { "What happened" }
            @for episode in episodes.iter().take(SHOWN) { (shown(episode)) }
        }
    }
}

/// From events, newest first; newest first, without those in which nothing but orders and looks
/// are.
fn episodes(events: &[Arc<Logged>]) -> Vec<Episode> {
    let mut all: Vec<Vec<&Event>> = Vec::new();
    for logged in events {
        let event = &logged.event;
        let last = all.last().and_then(|episode| episode.last());
        let most = match event.kind.as_str() {
            "deployment.recovered" | "deployment.started" => PAUSE,
            "transition.completed" => 2 * PAUSE,
            _ => SILENCE,
        };
        let goes_on = last.is_some_and(|it| it.time.saturating_sub(event.time) <= most);
        match all.last_mut() {
            Some(episode) if goes_on => episode.push(event),
            _ => all.push(vec![event]),
        }
    }
    let mut told: Vec<Episode> = all.into_iter().map(episode).collect();
    told.retain(|episode| !episode.tracks.is_empty());
    told
}

fn episode(mut events: Vec<&Event>) -> Episode {
    events.reverse();
    let mut tracks: Vec<Track> = Vec::new();
    let mut places: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    for event in &events {
        let Some((kind, name)) = subject(event) else {
            continue;
        };
        let at = *places.entry((kind, name.clone())).or_insert_with(|| {
            tracks.push(Track {
                kind,
                name,
                dots: Vec::new(),
            });
            tracks.len() - 1
        });
        tracks[at]
            .dots
            .push((event.time, dot(&event.kind), said(event)));
    }
    Episode {
        // Events are in the order of the log. Their times come from several processes, and clocks
        // are set back.
        begin: events.iter().map(|it| it.time).min().unwrap_or(0),
        end: events.iter().map(|it| it.time).max().unwrap_or(0),
        first: tracks.first().map_or(String::new(), headline),
        tracks,
    }
}

/// What an episode began with.
fn headline(track: &Track) -> String {
    let said = track.dots.first().map_or("", |dot| dot.2.as_str());
    format!("{} {said}", track.name)
}

fn subject(event: &Event) -> Option<(&'static str, String)> {
    let kind = event.kind.split('.').next().unwrap_or_default();
    match kind {
        "assembly" => Some(("assembly", event.assembly.clone())),
        "service" => Some(("service", event.service.clone())),
        "transition" => {
            let number = event.details.get("transition")?;
            Some(("transition", format!("transition {number}")))
        }
        "dpe" => Some(("deployment", "DPE".to_owned())),
        "deployment" if event.kind != "deployment.administered" => {
            Some(("deployment", event.deployment.clone()))
        }
        _ => None,
    }
}

fn said(event: &Event) -> String {
    let verb = event.kind.rsplit('.').next().unwrap_or_default();
    let verb = verb.replace('-', " ");
    let on = match event.kind.starts_with("service.") && !event.assembly.is_empty() {
        true => format!(" on {}", event.assembly),
        false => String::new(),
    };
    // Who asked for it is told by the event itself.
    let reason = event.reason.split(", asked for by ").next();
    match reason.filter(|reason| !reason.is_empty()) {
        None => format!("{verb}{on}"),
        Some(reason) => format!("{verb}{on}: {reason}"),
    }
}

/// The tone of an event's dot: what begins is busy, too.
fn dot(kind: &str) -> &'static str {
    match kind.rsplit('.').next().unwrap_or_default() {
        "started" | "created" | "modified" | "restarted" => "busy",
        _ => tone(kind).1,
    }
}

fn shown(episode: &Episode) -> Markup {
    let whole = (episode.end - episode.begin).max(SECOND / 10);
    html! {
        figure.episode id=(format!("ep{}", episode.begin)) {
            figcaption {
                (moment(episode.begin)) " " b { (episode.first) }
                span.took { "all of it in " (span(episode.end - episode.begin)) }
            }
            table.tracks aria-label="What happened, by assembly, service and transition" {
                tbody { @for track in episode.tracks.iter().take(LINES) { (line(track, episode.begin, whole)) } }
            }
            @if episode.tracks.len() > LINES { p.quiet { "and " (episode.tracks.len() - LINES) " more" } }
        }
    }
}

fn line(track: &Track, begin: u64, whole: u64) -> Markup {
    // The dots stay inside: from 1 to 99 of 100.
    let at = |time: u64| 1.0 + 98.0 * (time - begin) as f64 / whole as f64;
    let first = track.dots.first().map_or(begin, |dot| dot.0);
    let last = track.dots.last().map_or(first, |dot| dot.0);
    let text: Vec<&str> = track.dots.iter().map(|dot| dot.2.as_str()).collect();
    html! {
        tr {
            th scope="row" { small { (track.kind) } " " (track.name.trim_start_matches("transition ")) }
            td.chart {
                svg width="100%" height="18" aria-hidden="true" {
                    line.rail x1="0" x2="100%" y1="9" y2="9" {}
                    line class=(format!("bar {}", track.kind)) x1=(percent(at(first))) x2=(percent(at(last))) y1="9" y2="9" {}
                    @for (time, tone, said) in &track.dots {
                        circle class=(tone) cx=(percent(at(*time))) cy="9" r="4" { title { (span(time - begin)) " " (said) } }
                    }
                }
            }
            td.took { "+" (span(last - begin)) }
            td.said { (text.join("; ")) }
        }
    }
}

fn percent(part: f64) -> String {
    format!("{part:.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: u64, kind: &str, service: &str) -> Arc<Logged> {
        Arc::new(Logged::from(Event {
            time: time * SECOND,
            kind: kind.to_owned(),
            deployment: "shop".into(),
            service: service.to_owned(),
            ..Event::default()
        }))
    }

    #[test]
    fn an_event_may_be_told_after_a_later_one() {
        let told = episodes(&[
            event(100, "service.started", "web"),
            event(102, "service.stopped", "web"),
            event(101, "service.stopped", "db"),
        ]);
        assert_eq!((told[0].begin, told[0].end), (100 * SECOND, 102 * SECOND));
        let page = shown(&told[0]).into_string();
        assert!(page.contains("1.00%") && page.contains("99.00%"), "{page}");
    }

    #[test]
    fn what_follows_closely_is_one_episode() {
        let events = [
            event(105, "service.started", "web"),
            event(103, "service.moved", "db"),
            event(100, "service.failed", "web"),
            event(10, "service.started", "web"),
            event(1, "deployment.administered", ""),
        ];
        let told = episodes(&events);
        assert_eq!(told.len(), 2);
        assert_eq!((told[0].begin, told[0].end), (100 * SECOND, 105 * SECOND));
        assert_eq!(told[0].first, "web failed");
        let names: Vec<&str> = told[0].tracks.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["web", "db"]);
        assert_eq!(told[0].tracks[0].dots.len(), 2);
    }
}
