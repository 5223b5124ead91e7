//! Shapes and colours. Every state has a shape and a word: colours only repeat what is said.
//! Nothing that came from elsewhere gets onto the screen as it is
//! ([`cpe_terminal::escape_line`]).

use cpe_status::{AssemblyState, DeploymentState, EventTone, ServiceState};
use cpe_terminal::escape_line;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// With what it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    /// Only characters that every terminal has.
    pub ascii: bool,
    pub colored: bool,
}

/// What a part says beside its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
}

impl Theme {
    pub(super) fn style(self, tone: Tone) -> Style {
        let style = match tone {
            Tone::Bad => Style::new().add_modifier(Modifier::BOLD),
            Tone::Faint => Style::new().add_modifier(Modifier::DIM),
            _ => Style::new(),
        };
        let color = match tone {
            Tone::Good => Color::Green,
            Tone::Busy => Color::Yellow,
            Tone::Bad => Color::Red,
            Tone::Plain | Tone::Faint => return style,
        };
        match self.colored {
            true => style.fg(color),
            false => style,
        }
    }

    pub(super) fn span(self, text: impl AsRef<str>, tone: Tone) -> Span<'static> {
        let text = escape_line(text.as_ref());
        let text = match self.ascii {
            true => text.chars().map(plain).collect(),
            false => text.into_owned(),
        };
        Span::styled(text, self.style(tone))
    }

    pub(super) fn line(self, text: impl AsRef<str>, tone: Tone) -> Line<'static> {
        Line::from(self.span(text, tone))
    }

    pub(super) fn pick(self, shape: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { shape }
    }
}

/// A character that every terminal has instead of one that some do not have.
fn plain(character: char) -> char {
    match character {
        ' '..='~' => character,
        '…' => '.',
        '→' => '>',
        '“' | '”' => '"',
        _ => '?',
    }
}

pub(super) fn of_event(kind: &str) -> Tone {
    match EventTone::of(kind) {
        EventTone::Bad => Tone::Bad,
        EventTone::Warn => Tone::Busy,
        EventTone::Good => Tone::Good,
        EventTone::Busy | EventTone::Plain => Tone::Plain,
    }
}

pub(super) fn of_service(state: ServiceState, theme: Theme) -> (&'static str, Tone) {
    let (shape, ascii, tone) = match state {
        ServiceState::Started => ("●", "*", Tone::Good),
        ServiceState::Promoted => ("◆", "P", Tone::Good),
        ServiceState::Starting => ("◐", "+", Tone::Busy),
        ServiceState::Stopping => ("◑", "-", Tone::Busy),
        ServiceState::Stopped => ("○", "o", Tone::Plain),
        ServiceState::Failed => ("✖", "X", Tone::Bad),
        ServiceState::Blocked => ("▣", "#", Tone::Bad),
        ServiceState::Unmanaged => ("◇", "u", Tone::Busy),
        _ => ("?", "?", Tone::Busy),
    };
    (theme.pick(shape, ascii), tone)
}

pub(super) fn of_assembly(state: AssemblyState, theme: Theme) -> (&'static str, Tone) {
    let (shape, ascii, tone) = match state {
        AssemblyState::Online => ("●", "*", Tone::Good),
        AssemblyState::Standby | AssemblyState::Maintenance => ("◇", "u", Tone::Busy),
        AssemblyState::Lost | AssemblyState::Fencing => ("✖", "X", Tone::Bad),
        AssemblyState::Offline => ("○", "o", Tone::Bad),
        AssemblyState::Leaving => ("◑", "-", Tone::Busy),
        _ => ("?", "?", Tone::Busy),
    };
    (theme.pick(shape, ascii), tone)
}

pub(super) fn of_deployment(state: DeploymentState, theme: Theme) -> (&'static str, Tone) {
    let (shape, ascii, tone) = match state {
        DeploymentState::Active => ("●", "*", Tone::Good),
        DeploymentState::Degraded => ("▲", "!", Tone::Bad),
        DeploymentState::Failed => ("✖", "X", Tone::Bad),
        DeploymentState::Destroying => ("◑", "-", Tone::Busy),
        _ => ("◐", "+", Tone::Busy),
    };
    (theme.pick(shape, ascii), tone)
}
