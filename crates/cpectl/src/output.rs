//! What people read: tables, colours where a terminal shows them, and messages on standard error.

use std::io::{IsTerminal, Write};

use cpe_bus::cloudevents::rfc3339;
use cpe_status::{AssemblyState, DeploymentState, ServiceState};
use serde::Serialize;

use crate::failure::Failure;
use crate::options::When;

pub(crate) struct Output {
    pub json: bool,
    colors: bool,
    error_colors: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
    Head,
}

/// One cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub text: String,
    pub color: Color,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, color: Color) -> Cell {
        Cell {
            text: text.into(),
            color,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(text, Color::Plain)
    }
}

impl Output {
    pub(crate) fn new(json: bool, when: When) -> Output {
        let wanted = |terminal: bool| match when {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Output {
            json,
            colors: wanted(std::io::stdout().is_terminal()),
            error_colors: wanted(std::io::stderr().is_terminal()),
        }
    }

    /// A line on standard output. A reader that has gone away (`| head`) ends the program quietly.
    pub(crate) fn line(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    }

    /// A text as it is, such as a document.
    pub(crate) fn raw(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        if write!(out, "{text}{end}")
            .and_then(|()| out.flush())
            .is_err()
        {
            std::process::exit(0);
        }
    }

    /// One JSON value; pretty for people who look, in one line for programs that read lines.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::failed(error.to_string()))?;
        self.line(&text);
        Ok(())
    }

    pub(crate) fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?;
        self.line(&text);
        Ok(())
    }

    /// Columns under their heads, two spaces apart; the last one is not padded.
    pub(crate) fn table(&self, heads: &[&str], rows: &[Vec<Cell>]) {
        let width = |text: &str| text.chars().count();
        let mut widths: Vec<usize> = heads.iter().map(|head| width(head)).collect();
        for row in rows {
            for (at, cell) in row.iter().enumerate().take(widths.len()) {
                widths[at] = widths[at].max(width(&cell.text));
            }
        }
        let print = |cells: &[Cell]| {
            let mut line = String::new();
            for (at, cell) in cells.iter().enumerate() {
                line.push_str(&self.paint(&cell.text, cell.color));
                if at + 1 < cells.len() {
                    let padding = widths
                        .get(at)
                        .copied()
                        .unwrap_or(0)
                        .saturating_sub(width(&cell.text))
                        + 2;
                    line.push_str(&" ".repeat(padding));
                }
            }
            self.line(line.trim_end());
        };
        let heads: Vec<Cell> = heads
            .iter()
            .map(|head| Cell::new(*head, Color::Head))
            .collect();
        print(&heads);
        for row in rows {
            print(row);
        }
    }

    pub(crate) fn paint(&self, text: &str, color: Color) -> String {
        paint(text, color, self.colors)
    }

    /// A remark on standard error, out of the way of what programs read.
    pub(crate) fn note(&self, text: &str) {
        eprintln!("{text}");
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let value =
                serde_json::json!({ "error": failure.message, "exit_status": failure.kind as u8 });
            eprintln!("{value}");
        } else {
            eprintln!(
                "{} {}",
                paint("cpectl:", Color::Bad, self.error_colors),
                failure.message
            );
        }
    }
}

fn paint(text: &str, color: Color, enabled: bool) -> String {
    let code = match color {
        Color::Plain => return text.to_owned(),
        Color::Good => "32",
        Color::Busy => "33",
        Color::Bad => "31;1",
        Color::Faint => "2",
        Color::Head => "1",
    };
    match enabled && !text.is_empty() {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// A state's name as JSON has it, and its colour.
pub(crate) fn deployment_state(state: DeploymentState) -> Cell {
    let color = match state {
        DeploymentState::Active => Color::Good,
        DeploymentState::Degraded | DeploymentState::Failed => Color::Bad,
        _ => Color::Busy,
    };
    Cell::new(word(&state), color)
}

pub(crate) fn assembly_state(state: AssemblyState) -> Cell {
    let color = match state {
        AssemblyState::Online => Color::Good,
        AssemblyState::Lost | AssemblyState::Fencing | AssemblyState::Offline => Color::Bad,
        _ => Color::Busy,
    };
    Cell::new(word(&state), color)
}

pub(crate) fn service_state(state: ServiceState) -> Cell {
    let color = match state {
        ServiceState::Started | ServiceState::Promoted => Color::Good,
        ServiceState::Failed | ServiceState::Blocked => Color::Bad,
        ServiceState::Stopped => Color::Faint,
        _ => Color::Busy,
    };
    Cell::new(word(&state), color)
}

/// The word that serde writes for an enum.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".into(),
    }
}

/// `2026-11-22 19:02:11` (UTC) of microseconds since the Unix epoch; a dash for 0.
pub(crate) fn time(microseconds: u64) -> String {
    if microseconds == 0 {
        return "-".into();
    }
    let text = rfc3339(microseconds);
    text.get(..19)
        .map_or(text.clone(), |seconds| seconds.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_words_are_short() {
        assert_eq!(time(1_700_000_000_123_456), "2023-11-14 22:13:20");
        assert_eq!(time(0), "-");
        assert_eq!(word(&DeploymentState::Degraded), "degraded");
    }

    #[test]
    fn colours_are_used_only_where_they_are_wanted() {
        assert_eq!(paint("x", Color::Bad, false), "x");
        assert_eq!(paint("x", Color::Bad, true), "\x1b[31;1mx\x1b[0m");
        assert_eq!(paint("", Color::Bad, true), "");
    }
}
