//! What people read, and JSON for programs: lines, tables and documents on standard output,
//! messages on standard error.
//!
//! Text goes out in one place, and there nothing that came from elsewhere can drive a terminal
//! ([`cpe_terminal`]). On a terminal lines and tables wrap at its edge; elsewhere they never do, so
//! that programs can read them line by line.

use std::cell::Cell;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use cpe_terminal::{Line, Table, columns, escape_text};
use serde::Serialize;

use crate::failure::{Failure, Kind};
use crate::options::When;

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BUSY: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const HEAD: Style = Style::new().bold();

/// Blanks before the lines into which a long line is broken on a terminal.
const INDENT: usize = 4;

/// Where the program prints, and how.
#[derive(Debug)]
pub(crate) struct Output {
    pub json: bool,
    colors: ColorChoice,
    error_colors: ColorChoice,
    terminal: bool,
    error_terminal: bool,
    /// Width of the terminal; `None` if standard output is not a terminal.
    columns: Option<usize>,
    /// It ends only when nobody reads any more.
    is_endless: bool,
    /// What became of standard output.
    state: Cell<State>,
}

/// What became of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Its reader wants no more (`| head`).
    Unread,
    /// It takes nothing: its disk is full, perhaps.
    Failed,
}

impl Output {
    pub(crate) fn new(json: bool, when: When) -> Output {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        Output {
            json,
            colors: colors(when, &stdout),
            error_colors: colors(when, &stderr),
            terminal: stdout.is_terminal(),
            error_terminal: stderr.is_terminal(),
            columns: columns(&stdout),
            is_endless: false,
            state: Cell::new(State::Open),
        }
    }

    /// The same for what ends only when nobody reads any more.
    pub(crate) fn that_is_endless(self, is_endless: bool) -> Output {
        Output { is_endless, ..self }
    }

    /// Whether something could not be said, though somebody wanted it.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.get() == State::Failed
    }

    fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Without a reader all else goes on: what was ordered is done, and the exit status tells what
    /// came of it. Only what has no other end ends.
    fn written(&self, outcome: io::Result<()>) {
        let Err(error) = outcome else {
            return;
        };
        let (state, status) = match error.kind() {
            ErrorKind::BrokenPipe => (State::Unread, 0),
            _ => (State::Failed, Kind::Failed as i32),
        };
        if state == State::Failed {
            self.failure(&Failure::failed(format!("standard output: {error}")));
        }
        if self.is_endless {
            std::process::exit(status);
        }
        self.state.set(state);
    }

    /// Whether a person looks at it, and may be shown ages instead of points in time.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Width of the terminal; `None` if standard output is not a terminal.
    pub(crate) fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// Whether lines are written with their styles.
    pub(crate) fn is_colored(&self) -> bool {
        self.colors != ColorChoice::Never
    }

    /// A line.
    pub(crate) fn line(&self, line: impl Into<Line>) {
        let mut screen = Screen::new(self.columns);
        screen.line(line);
        self.lines(&screen.into_lines());
    }

    /// Columns under their heads.
    pub(crate) fn table<const N: usize>(&self, table: &Table<N>) {
        self.lines(&table.lines(self.columns));
    }

    /// Lines that fit already.
    pub(crate) fn lines(&self, lines: &[Line]) {
        if !self.is_open() {
            return;
        }
        let mut out = AutoStream::new(io::stdout().lock(), self.colors);
        let written = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
        self.written(written.and_then(|()| out.flush()));
    }

    /// A text of several lines, such as a document: byte for byte, unless it goes to a terminal.
    pub(crate) fn text(&self, text: &str) {
        if !self.is_open() {
            return;
        }
        let mut out = io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let written = match self.terminal {
            true => write!(out, "{}{end}", escape_text(text)),
            false => write!(out, "{text}{end}"),
        };
        self.written(written.and_then(|()| out.flush()));
    }

    /// One JSON value, in several lines for people who look at it.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::failed(error.to_string()))?;
        self.text(&text);
        Ok(())
    }

    /// One JSON value in one line, for programs that read lines.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?;
        self.text(&text);
        Ok(())
    }

    /// A remark on standard error, out of the way of what programs read.
    pub(crate) fn note(&self, text: &str) {
        self.error(Line::from(text));
    }

    /// Why the program ends early.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let value =
                serde_json::json!({ "error": failure.message, "exit_status": failure.kind as u8 });
            let text = value.to_string();
            let text = match self.error_terminal {
                true => escape_text(&text).into_owned(),
                false => text,
            };
            // If standard error is gone, there is nobody to say it to.
            let _ = writeln!(io::stderr(), "{text}");
            return;
        }
        let mut lines = failure.message.lines();
        let head = Line::new().styled("cpectl:", BAD).plain(" ");
        self.error(head.plain(lines.next().unwrap_or_default()));
        lines.for_each(|line| self.error(Line::from(line)));
    }

    fn error(&self, line: Line) {
        // If standard error is gone, there is nobody to say it to.
        let _ = writeln!(AutoStream::new(io::stderr(), self.error_colors), "{line}");
    }
}

/// Lines and tables that are put together before they are printed.
#[derive(Debug)]
pub(crate) struct Screen {
    columns: Option<usize>,
    lines: Vec<Line>,
}

impl Screen {
    /// `columns`: the width of the terminal; `None`: it goes elsewhere.
    pub(crate) fn new(columns: Option<usize>) -> Screen {
        Screen {
            columns,
            lines: Vec::new(),
        }
    }

    /// Whether a person looks at it, and may be shown ages instead of points in time.
    pub(crate) fn is_terminal(&self) -> bool {
        self.columns.is_some()
    }

    /// A line.
    pub(crate) fn line(&mut self, line: impl Into<Line>) {
        let line = line.into();
        match self.columns {
            Some(columns) => self.lines.extend(line.wrapped(columns, INDENT)),
            None => self.lines.push(line),
        }
    }

    /// Columns under their heads.
    pub(crate) fn table<const N: usize>(&mut self, table: &Table<N>) {
        self.lines.extend(table.lines(self.columns));
    }

    /// The same after an empty line.
    pub(crate) fn section<const N: usize>(&mut self, table: &Table<N>) {
        self.lines.push(Line::new());
        self.table(table);
    }

    /// What has come together.
    pub(crate) fn into_lines(self) -> Vec<Line> {
        self.lines
    }
}

/// By the option; `auto` is by `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM`, and whether the
/// stream goes to a terminal.
fn colors(when: When, stream: &impl RawStream) -> ColorChoice {
    match when {
        When::Always => ColorChoice::Always,
        When::Never => ColorChoice::Never,
        When::Auto => AutoStream::choice(stream),
    }
}
