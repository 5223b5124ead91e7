//! What is shown on a terminal, and what is not: colours, widths, control characters.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/pty.rs"]
mod pty;

use std::path::Path;
use std::process::Command;

use pty::on_terminal;

const ESCAPE: char = '\x1b';

/// The program with none of the variables that decide about colours.
fn cpectl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpectl"));
    command.args(arguments).env("TERM", "xterm");
    for variable in ["CPE_BUS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(variable);
    }
    command
}

/// What a command prints elsewhere: standard output and standard error.
fn elsewhere(mut command: Command) -> String {
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    String::from_utf8(printed).unwrap()
}

/// Removes the styles, and nothing else.
fn unstyled(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn validate(color: &str) -> Command {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/invalid.xml");
    cpectl(&["--color", color, "validate", file.to_str().unwrap()])
}

#[test]
fn colours_are_for_terminals_unless_the_option_or_the_environment_decides() {
    let colored = |text: String| text.contains(ESCAPE);
    assert!(colored(on_terminal(validate("auto"), 80)));
    assert!(!colored(elsewhere(validate("auto"))));
    assert!(!colored(on_terminal(validate("never"), 80)));
    assert!(colored(elsewhere(validate("always"))));
    for (name, value) in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
        let mut command = validate("auto");
        command.env(name, value);
        assert!(!colored(on_terminal(command, 80)), "{name}={value}");
        let mut command = validate("always");
        command.env(name, value);
        assert!(colored(on_terminal(command, 80)), "always, {name}={value}");
    }
    let mut command = validate("auto");
    command.env("NO_COLOR", "");
    assert!(
        colored(on_terminal(command, 80)),
        "an empty NO_COLOR is unset"
    );
}

#[test]
fn lines_wrap_on_a_terminal_only() {
    let shown = unstyled(&on_terminal(validate("auto"), 60));
    let (errors, last) = shown.trim_end().rsplit_once('\n').unwrap();
    assert!(
        last.starts_with("cpectl: the document is invalid"),
        "{last}"
    );
    for line in errors.lines() {
        assert!(line.chars().count() <= 60, "{line}");
    }
    let long = elsewhere(validate("auto"));
    assert!(long.lines().any(|line| line.len() > 60));
    let words = |text: &str| -> Vec<String> {
        let all: String = text.split_whitespace().collect();
        all.split(':').map(str::to_owned).collect()
    };
    assert_eq!(words(&shown), words(&long), "only blanks differ");
}

#[test]
fn a_text_from_elsewhere_cannot_drive_the_terminal() {
    let title = "/nowhere/\x1b]0;title\x07.xml";
    for shown in [
        on_terminal(cpectl(&["--color", "never", "validate", title]), 80),
        elsewhere(cpectl(&["validate", title])),
    ] {
        assert!(!shown.contains([ESCAPE, '\x07']), "{shown:?}");
        assert!(shown.contains(r"\u{1b}]0;title\u{7}"), "{shown:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document.xml");
    std::fs::write(&file, "<deployable name=\"a\u{9b}31mb\"/>").unwrap();
    let shown = on_terminal(
        cpectl(&["--color", "never", "validate", file.to_str().unwrap()]),
        200,
    );
    assert!(
        shown.contains(r"a\u{9b}31mb") && !shown.contains('\u{9b}'),
        "{shown:?}"
    );
    let shown = on_terminal(cpectl(&["--json", "validate", file.to_str().unwrap()]), 200);
    assert!(!shown.contains('\u{9b}'), "{shown:?}");
}
