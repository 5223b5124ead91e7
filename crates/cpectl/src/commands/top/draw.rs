//! How the view looks: its head, the rows, failures and events, and the last line.

use std::time::Instant;

use cpe_bus::Event;
use cpe_status::{
    DeploymentStatus, FailureStatus, ServiceState, TransitionState, TransitionStatus,
};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::dialogs;
use super::state::{Dialog, Row, State};
use super::theme::{Theme, Tone, of_assembly, of_deployment, of_event, of_service};
use crate::cells::time;

/// Lines of failures that are shown at most.
const MOST_FAILURES: usize = 4;
/// Cells of the bar of a transition.
const BAR: usize = 10;
/// Lines above the rows: who it is and how it is, what is going on, the heads.
const HEAD: u16 = 3;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, theme: Theme, now: Instant) {
    let failures = state.deployment().map(|own| own.failures.as_slice());
    let failures = failures.unwrap_or_default();
    let shown = failures.len().min(MOST_FAILURES);
    let area = frame.area();
    // Events get what the rows leave, and a third of it in any case.
    let middle = area.height.saturating_sub(HEAD + 2);
    let below = u16::try_from(shown).unwrap_or(0) + 2;
    let wanted = u16::try_from(state.rows().len().max(1)).unwrap_or(u16::MAX);
    let rows = wanted.min((middle * 2 / 3).max(middle.saturating_sub(below + 8)));
    let [head, body, marks, failed, told, foot] = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Length(rows),
        Constraint::Length(1),
        Constraint::Length(u16::try_from(shown).unwrap_or(0)),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(heading(state, theme, now, head)), head);
    frame.render_widget(Paragraph::new(body_lines(state, theme, body)), body);
    let mark = format!("failures {} - events, newest first", failures.len());
    frame.render_widget(rule(&mark, theme, marks.width), marks);
    let lines = failures.iter().take(shown).map(|own| failure(own, theme));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), failed);
    let events = state.events().take(told.height.into());
    let events: Vec<Line<'_>> = events.map(|own| event(own, state, theme)).collect();
    frame.render_widget(Paragraph::new(events), told);
    frame.render_widget(Paragraph::new(footing(state, theme)), foot);
    if state.stale(now).is_some() {
        let faint = Style::new().add_modifier(Modifier::DIM);
        for part in [body, failed, told] {
            frame.buffer_mut().set_style(part, faint);
        }
    }
    dialogs::draw(frame, state, theme);
}

/// The lines above the rows.
fn heading(state: &State, theme: Theme, now: Instant, area: Rect) -> Vec<Line<'static>> {
    let left = match (state.deployment(), state.open_name()) {
        (Some(status), _) => headline(status, theme),
        (None, Some(name)) => vec![theme.span(format!("{name}: not known yet"), Tone::Busy)],
        (None, None) => {
            let all = state.statuses().len();
            vec![theme.span(format!("all deployments ({all})"), Tone::Plain)]
        }
    };
    let live = match (state.stale(now), state.age(now)) {
        (Some((0, why)), _) => theme.span(format!("NOT LIVE: {why}"), Tone::Bad),
        (Some((since, _)), _) => {
            let clock = clock(since);
            theme.span(format!("NOT LIVE since {clock}"), Tone::Bad)
        }
        (None, Some(age)) => {
            let seconds = age.as_secs_f64();
            theme.span(format!("live {seconds:.1}s"), Tone::Good)
        }
        (None, None) => theme.span("asking cpe", Tone::Busy),
    };
    // How old it is has room in any case.
    let used = |left: &[Span<'_>]| left.iter().map(Span::width).sum::<usize>() + live.width();
    let mut left = left;
    while left.len() > 1 && used(&left) >= area.width.into() {
        left.pop();
    }
    let used = used(&left);
    let gap = usize::from(area.width).saturating_sub(used).max(1);
    let mut first = left;
    first.push(Span::raw(" ".repeat(gap)));
    first.push(live);
    let second = match (state.stale(now), state.deployment()) {
        (Some((since, why)), _) if since > 0 => {
            let text = format!("what is shown is of {}: {why}", time(since));
            theme.line(text, Tone::Bad)
        }
        (_, Some(status)) => Line::from(going_on(status, theme)),
        _ => Line::default(),
    };
    let heads = match state.open_name() {
        Some(_) => "  ASSEMBLY / SERVICE      STATE        AGENT, REASON",
        None => "  DEPLOYMENT              STATE        ASM    SVC    WHAT IS GOING ON",
    };
    let heads = Line::from(Span::styled(
        heads,
        Style::new().add_modifier(Modifier::BOLD),
    ));
    vec![Line::from(first), second, heads]
}

/// `shop ▲degraded gen 7  3/4 asm 4/5 svc  transition 4 ▓▓▓▓▓░░ 7/11`
fn headline(status: &DeploymentStatus, theme: Theme) -> Vec<Span<'static>> {
    let (shape, tone) = of_deployment(status.state, theme);
    let counts = counts(status);
    let mut spans = vec![
        Span::styled(
            theme.span(&status.name, Tone::Plain).content,
            Style::new().add_modifier(Modifier::BOLD),
        ),
        theme.span(format!(" {shape} {}", status.state), tone),
        theme.span(
            format!(
                "  gen {}  {} asm  {} svc",
                status.generation, counts.0, counts.1
            ),
            Tone::Plain,
        ),
    ];
    let transition = status.transition.as_ref();
    if let Some(own) = transition.filter(|own| own.state == TransitionState::Running) {
        spans.push(theme.span(bar(own, theme), Tone::Busy));
    }
    spans
}

/// `  transition 4 ▓▓▓▓▓░░ 7/11`
fn bar(transition: &TransitionStatus, theme: Theme) -> String {
    let (done, all) = (transition.done as usize, transition.actions.max(1) as usize);
    let full = (done * BAR / all).min(BAR);
    let full_cells = theme.pick("▓", "#").repeat(full);
    let rest = theme.pick("░", ".").repeat(BAR - full);
    format!(
        "  transition {} {full_cells}{rest} {}/{}",
        transition.number, transition.done, transition.actions
    )
}

/// What is wrong or being done, and whether the next loss would leave something down.
fn going_on(status: &DeploymentStatus, theme: Theme) -> Vec<Span<'static>> {
    let mut spans = vec![theme.span(&status.summary, Tone::Plain)];
    if let Some(room) = status.room.as_ref().filter(|room| !room.holds) {
        spans.push(theme.span(format!("  room for one loss: {}", room.text), Tone::Busy));
    }
    spans
}

/// How many assemblies answer and services run, of how many.
fn counts(status: &DeploymentStatus) -> (String, String) {
    let text = |(some, all): (usize, usize)| format!("{some}/{all}");
    (text(status.online()), text(status.running()))
}

/// The rows that fit, with the chosen one among them.
fn body_lines(state: &State, theme: Theme, area: Rect) -> Vec<Line<'static>> {
    let rows = state.rows();
    if rows.is_empty() {
        let text = match (state.filter.as_str(), state.open_name()) {
            ("", None) => "  no deployments; cpectl deploy FILE creates one",
            ("", Some(_)) => "  nothing is known of it yet",
            _ => "  nothing fits the filter",
        };
        return vec![theme.line(text, Tone::Faint)];
    }
    let height = usize::from(area.height).max(1);
    let first = state.chosen().saturating_sub(height - 1);
    let shown = rows.iter().enumerate().skip(first).take(height);
    let line = |(at, own): (usize, &Row<'_>)| {
        let is_chosen = at == state.chosen();
        let mark = if is_chosen {
            theme.pick("▸", ">")
        } else {
            " "
        };
        let mut spans = vec![Span::raw(mark)];
        spans.extend(row(own, theme));
        let line = Line::from(spans);
        match is_chosen {
            true => line.style(Style::new().add_modifier(Modifier::REVERSED)),
            false => line,
        }
    };
    shown.map(line).collect()
}

fn row(row: &Row<'_>, theme: Theme) -> Vec<Span<'static>> {
    match row {
        Row::Deployment(own) => {
            let (shape, tone) = of_deployment(own.state, theme);
            let (assemblies, services) = counts(own);
            vec![
                theme.span(format!(" {:<24}", cut(&own.name, 23)), Tone::Plain),
                theme.span(format!("{shape} {:<11}", own.state), tone),
                theme.span(format!("{assemblies:<7}{services:<7}"), Tone::Plain),
                theme.span(&own.summary, Tone::Plain),
            ]
        }
        Row::Assembly(own) => {
            let (shape, tone) = of_assembly(own.state, theme);
            let mut remark = own.reason.clone();
            for (is_set, word) in [
                (own.maintenance, "maintenance; "),
                (own.standby, "standby; "),
            ] {
                if is_set && own.state.as_str() != word.trim_end_matches("; ") {
                    remark.insert_str(0, word);
                }
            }
            vec![
                theme.span(format!(" {:<24}", cut(&own.name, 23)), Tone::Plain),
                theme.span(format!("{shape} {:<11}", own.state), tone),
                theme.span(remark, Tone::Plain),
            ]
        }
        Row::Nowhere => vec![theme.span(" (nowhere)", Tone::Plain)],
        Row::Service(own) => {
            let (shape, tone) = of_service(own.state, theme);
            let about = match own.reason.as_str() {
                "" => own.agent.clone(),
                reason => format!("{}  {reason}", own.agent),
            };
            vec![
                theme.span(format!("   {:<22}", cut(&own.name, 21)), Tone::Plain),
                theme.span(format!("{shape} {:<11}", own.state), tone),
                theme.span(about, Tone::Faint),
            ]
        }
    }
}

/// The beginning of a name that is too long for its column.
fn cut(name: &str, longest: usize) -> String {
    match name.chars().count() > longest {
        true => name.chars().take(longest - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}

/// A line across, with a text in it.
fn rule(text: &str, theme: Theme, width: u16) -> Line<'static> {
    let dash = theme.pick("─", "-");
    let rest = usize::from(width).saturating_sub(text.len() + 3);
    let line = format!("{dash} {text} {}", dash.repeat(rest));
    Line::from(Span::styled(line, theme.style(Tone::Faint)))
}

fn failure(own: &FailureStatus, theme: Theme) -> Line<'static> {
    let (shape, tone) = of_service(ServiceState::Failed, theme);
    let banned = if own.banned { ", banned there" } else { "" };
    Line::from(vec![
        theme.span(format!(" {shape} "), tone),
        theme.span(
            format!(
                "{} on {}: {} failed {} times{banned}: {}",
                own.service, own.assembly, own.operation, own.count, own.reason
            ),
            Tone::Plain,
        ),
    ])
}

fn event(own: &Event, state: &State, theme: Theme) -> Line<'static> {
    let mut text = String::new();
    if state.open_name().is_none() {
        text = format!("{} ", own.deployment);
    }
    let about = [own.service.as_str(), own.assembly.as_str()];
    let about = about.into_iter().filter(|name| !name.is_empty());
    let about = about.collect::<Vec<_>>().join(" on ");
    text += &about;
    if !own.reason.is_empty() {
        let colon = if about.is_empty() { "" } else { ": " };
        text += &format!("{colon}{}", own.reason);
    }
    let tone = of_event(&own.kind);
    Line::from(vec![
        theme.span(format!(" {} ", clock(own.time)), Tone::Faint),
        theme.span(format!("{:<26} ", own.kind), tone),
        theme.span(text, Tone::Plain),
    ])
}

/// `14:03:22` of microseconds since the Unix epoch, where whoever looks at it is.
pub(super) fn clock(microseconds: u64) -> String {
    let text = time(microseconds);
    let clock = text.split(' ').nth(1).map(str::to_owned);
    clock.unwrap_or(text)
}

fn footing(state: &State, theme: Theme) -> Line<'static> {
    if let Dialog::Filter = state.dialog {
        return theme.line(format!("filter: {}_", state.filter), Tone::Busy);
    }
    if !state.remark.is_empty() {
        return theme.line(&state.remark, Tone::Busy);
    }
    let act = if state.acts { "  A act" } else { "" };
    let filter = match state.filter.as_str() {
        "" => String::new(),
        text => format!("  [filter: {text}]"),
    };
    let arrows = theme.pick("↑↓", "jk");
    let keys = format!(
        "q quit  {arrows} choose  Enter open  Esc back  e explain  w what-if  f filter{act}  ? help{filter}"
    );
    theme.line(keys, Tone::Faint)
}
