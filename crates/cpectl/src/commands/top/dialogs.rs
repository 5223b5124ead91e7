//! How what stands over the view looks: help, answers, verbs and their plans.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::symbols::border;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::orders::{Order, Planned};
use super::state::{Dialog, State};
use super::theme::{Theme, Tone};

/// What the keys do.
const HELP: [&str; 14] = [
    "q, Ctrl-C      quit",
    "up down, k j   choose a row (also Page, Home, End)",
    "Enter          look at the chosen deployment",
    "Esc            back; ends a filter",
    "e              explain: why is it so, and what to do",
    "w              what if this assembly is lost? (of all: any one)",
    "f, /           show only rows and events that contain a text",
    "A              act on the chosen assembly or service (with --act)",
    "",
    "services       started, promoted, starting, stopping, stopped,",
    "               failed, blocked, unmanaged: each with its shape",
    "NOT LIVE       cpe does not answer: all is of the time that is named",
    "",
    "any key        back",
];

/// Draws what stands over the view.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, theme: Theme) {
    match &state.dialog {
        Dialog::None | Dialog::Filter => {}
        Dialog::Help => {
            let lines = HELP.iter().map(|line| theme.line(line, Tone::Plain));
            window(frame, theme, "help", lines.collect(), 0);
        }
        Dialog::Text {
            title,
            lines,
            scroll,
        } => {
            let lines = lines.iter().map(|line| theme.line(line, Tone::Plain));
            let title = format!("{title} - arrows scroll, other keys go back");
            window(frame, theme, &title, lines.collect(), *scroll);
        }
        Dialog::Verbs(orders) => {
            let line = |own: &Order| {
                let text = format!("{}  {:<10} {}", own.key, own.verb, own.what);
                theme.line(text, Tone::Plain)
            };
            let lines = orders.iter().map(line).collect();
            let target = orders.first().map_or("", |own| own.target.as_str());
            let title = format!("{target}: which verb? It is shown first what it does");
            window(frame, theme, &title, lines, 0);
        }
        Dialog::Plan {
            order,
            planned,
            typed,
        } => plan(frame, theme, order, planned, typed),
    }
}

fn plan(frame: &mut Frame<'_>, theme: Theme, order: &Order, planned: &Planned, typed: &str) {
    let lines = planned.lines.iter();
    let mut lines: Vec<Line<'_>> = lines.map(|line| theme.line(line, Tone::Plain)).collect();
    lines.push(Line::default());
    lines.push(match planned.refused {
        true => theme.line(
            "it is refused: nothing is changed from here. Esc goes back",
            Tone::Bad,
        ),
        false => {
            let text = format!(
                "type {} and Enter to do it, Esc to leave it: {typed}_",
                order.target
            );
            theme.line(text, Tone::Busy)
        }
    });
    window(frame, theme, &order.text(), lines, 0);
}

/// A frame over the view with lines in it, which wrap.
fn window(
    frame: &mut Frame<'_>,
    theme: Theme,
    title: &str,
    lines: Vec<Line<'static>>,
    scroll: usize,
) {
    let area = frame.area();
    let [_, middle, _] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(1),
        Constraint::Length(2),
    ])
    .areas(area);
    let [_, place, _] = Layout::horizontal([
        Constraint::Length(2),
        Constraint::Min(1),
        Constraint::Length(2),
    ])
    .areas(middle);
    let block = Block::bordered().title(theme.span(format!(" {title} "), Tone::Plain));
    let block = match theme.ascii {
        true => block.border_set(border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        }),
        false => block,
    };
    let scroll = u16::try_from(scroll).unwrap_or(u16::MAX);
    let text = Paragraph::new(lines).block(block);
    frame.render_widget(Clear, place);
    let wrapped = text.wrap(Wrap { trim: false }).scroll((scroll, 0));
    frame.render_widget(wrapped, place);
}
