//! Scripted sessions: an administrator's commands and what they print, recorded. The program is the
//! real one, and so are the bus and the controller; the guests and their services are simulated
//! ([`daemon`]), so that a session is the same each time.
//!
//! A session is a text file in this folder. Its lines:
//!
//! ```text
//! # why
//! > something that happens to the simulated deployment: see `Daemon::direct`
//! $ cpectl a command; what it prints follows, and its exit status if that is not 0
//! 60$ cpectl the same on a terminal of 60 columns, without colours
//! ```
//!
//! To record what is printed now, after reading the difference:
//! `RECORD_SESSIONS=1 cargo test -p cpectl --test sessions`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/bus.rs"]
mod bus;
mod daemon;
mod hosts;
#[path = "../support/pty.rs"]
mod pty;
#[path = "../support/typing.rs"]
mod typing;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use daemon::Daemon;

#[test]
fn a_service_that_dies_is_recovered() {
    check("service-dies");
}

#[test]
fn the_last_operations_are_shown_with_what_failed() {
    check("operations");
}

#[test]
fn services_of_a_lost_assembly_move() {
    check("assembly-lost");
}

#[test]
fn an_administrator_is_obeyed() {
    check("administration");
}

#[test]
fn an_operator_looks_again_forgets_one_failure_and_empties_all() {
    check("upkeep");
}

#[test]
fn an_assembly_is_emptied_if_what_runs_there_has_another_place() {
    check("emptied");
}

#[test]
fn agents_are_listed_described_and_warn_of_mistakes() {
    check("agents");
}

#[test]
fn a_document_is_changed_and_the_deployment_ended() {
    check("change-and-end");
}

#[test]
fn documents_have_a_history_and_a_way_back() {
    check("history");
}

#[test]
fn a_document_is_edited() {
    check("edit");
}

#[test]
fn nobody_is_asked_about_what_would_be_refused() {
    check("refused");
}

#[test]
fn an_edited_document_that_would_be_refused_is_kept_and_nobody_is_asked() {
    let daemon = Daemon::start();
    daemon.direct("change service1");
    daemon.direct("refuse without node1, service1 would not run");
    // On a terminal, where somebody could be asked.
    let mut edit = typing::Typing::start(command(&daemon, "edit sim"));
    edit.shows("refused unless it is forced: without node1");
    edit.shows("--force stores it all the same");
    edit.shows("your text is kept in");
    assert_eq!(edit.ends().code(), Some(5));
    let mut edit = typing::Typing::start(command(&daemon, "edit sim --force"));
    edit.shows("warning: without node1");
    edit.shows("[y/N]");
    edit.types("y\r");
    edit.shows("deployment sim changed, generation 2");
    assert_eq!(edit.ends().code(), Some(0));
}

#[test]
fn past_decisions_are_listed_and_their_inputs_shown() {
    check("transitions");
}

#[test]
fn services_are_moved_banned_stopped_and_restarted() {
    check("verbs");
}

#[test]
fn an_agent_is_run_once_and_what_it_said_is_shown() {
    check("debug");
}

#[test]
fn it_is_asked_whether_every_service_would_run_after_a_loss() {
    check("room");
}

#[test]
fn hosts_are_shown_emptied_and_taken_out() {
    check("hosts");
}

#[test]
fn a_ticket_is_granted_and_revoked() {
    check("tickets");
}

#[test]
fn attributes_and_options_are_set_and_a_ban_is_lifted() {
    check("attributes");
}

#[test]
fn clones_and_groups_are_a_tree() {
    check_with("clones", &Daemon::with_clones());
}

/// A command that goes on until it is interrupted.
#[test]
fn a_change_is_shown_as_it_happens_until_ctrl_c() {
    let daemon = Daemon::start();
    let mut command = command(&daemon, "status sim --watch");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |text: &str| {
        let found = lines
            .by_ref()
            .find(|line| line.as_ref().unwrap().contains(text));
        assert!(found.is_some(), "it says nothing of {text}");
    };
    until("3 of 3 services running");
    daemon.direct("kill service1");
    daemon.direct("run 10");
    until("monitor/4000");
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert!(child.wait().unwrap().success());
}

/// The real program, a real bus and a real terminal, driven by keys.
#[test]
fn the_live_view_shows_what_happens_answers_keys_and_leaves_the_terminal_as_it_was() {
    let daemon = Daemon::start();
    let mut top = typing::Typing::start(command(&daemon, "top --ascii --act"));
    top.shows("all deployments (1)");
    top.until("the other screen", vt100::Screen::alternate_screen);
    top.types("\r");
    top.shows("service1");
    top.shows("live");
    // What happens shows by itself.
    daemon.direct("kill service1");
    daemon.direct("run 10");
    top.shows("service1 on node1: monitor/4000");
    top.shows("service.recovered");
    top.types("w");
    top.shows("what if node1 is lost");
    top.types(" ");
    // A verb is planned first, and refused where it would not hold.
    top.types("jA");
    top.shows("which verb?");
    top.types("d");
    top.shows("refused: service2 would stop too");
    top.types("\x1b");
    top.shows("nothing was changed");
    // Else the name of what it is about is typed.
    top.types("jjjjAd");
    top.shows("type service3 and Enter");
    top.types("service3\r");
    top.shows("ordered: disable service3 of sim");
    daemon.direct("run 10");
    top.shows("(nowhere)");
    top.types("q");
    assert!(top.ends().success());
    top.until("as before", |screen| {
        !screen.alternate_screen() && !screen.hide_cursor()
    });
}

/// Nobody vouches for a loss that was not looked at.
#[test]
fn who_confirms_that_an_assembly_is_down_is_shown_which_loss_it_is_and_asked() {
    let daemon = Daemon::start();
    daemon.direct("cut node1 600");
    daemon.direct("run 4");
    let elsewhere = command(&daemon, "confirm-fenced sim node1").output();
    assert_eq!(elsewhere.unwrap().status.code(), Some(2));
    let fencing = || {
        let output = command(&daemon, "fencing sim").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = fencing();
    let attempt = shown.split("--attempt ").nth(1).unwrap();
    let attempt = attempt.split_whitespace().next().unwrap();
    for (answer, code, told) in [
        ("\r", 1, "nothing was changed, as you answered"),
        ("y\r", 0, "node1 of sim counts as powered off"),
    ] {
        assert!(fencing().contains("pending"));
        let mut asked = typing::Typing::start(command(&daemon, "confirm-fenced sim node1"));
        asked.shows(&format!(
            "attempt {attempt}: node1 of sim, being made safe since 2026-11-18 11:07:02 UTC:"
        ));
        asked.shows("its agent is not heard any more");
        asked.shows("[y/N]");
        asked.types(answer);
        asked.shows(told);
        assert_eq!(asked.ends().code(), Some(code));
    }
    assert!(!fencing().contains("pending"));
}

#[test]
fn without_a_terminal_the_live_view_is_the_status() {
    let daemon = Daemon::start();
    let shown = |arguments: &str| {
        let output = command(&daemon, arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(shown("top sim"), shown("status sim"));
}

/// Times that are given without a zone are those of whoever gives them, as those that are shown.
#[test]
fn events_are_wanted_since_a_local_time() {
    let daemon = Daemon::start();
    let events = |zone: &str, since: &str| {
        let mut command = command(&daemon, &format!("events --since {since}"));
        let output = command.env("TZ", zone).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all = events("UTC", "0");
    let first = all.lines().next().unwrap();
    let mut words = first.split_whitespace().skip(1);
    let (day, time) = (words.next().unwrap(), words.next().unwrap());
    let (hour, rest) = time.split_once(':').unwrap();
    let later: u32 = hour.parse::<u32>().unwrap() + 1;
    assert!(later < 24, "the simulation's clock: {first}");
    let here = events("UTC", &format!("{day}T{time}"));
    assert_eq!(here.lines().count(), all.lines().count());
    let east = events("CET-1", &format!("{day}T{later:02}:{rest}"));
    assert_eq!(east.lines().count(), all.lines().count());
    assert!(east.contains("CET"), "{east}");
    assert_eq!(events("UTC", &format!("{day}T{later:02}:{rest}")), "");
}

/// A file of an archive.
fn extracted(archive: &Path, name: &str) -> String {
    let mut tar = Command::new("tar");
    tar.arg("-xzOf")
        .arg(archive)
        .args(["--wildcards", &format!("*/{name}")]);
    let output = tar.output().unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_report_says_what_is_in_it_and_has_no_values_of_parameters() {
    let daemon = Daemon::start();
    daemon.direct("kill service1");
    daemon.direct("run 10");
    daemon.direct("keep-input");
    let report = |more: &str| {
        let arguments = format!(
            "report sim --since 2026-01-01T00:00:00Z --output report.tar.gz --pki-directory none{more}"
        );
        let output = command(&daemon, &arguments).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (code, manifest) = report("");
    assert_eq!(code, 0, "{manifest}");
    let archive = daemon.folder().join("report.tar.gz");
    let mode = std::os::unix::fs::PermissionsExt::mode(&archive.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let told = extracted(&archive, "MANIFEST.txt");
    assert!(manifest.contains(&told), "{manifest}");
    for missing in ["certificates.json", "inputs/present.xml"] {
        let line = format!("{missing}: MISSING: ");
        assert!(told.contains(&line), "{told}");
    }
    for file in [
        "status.json",
        "explain.txt",
        "events.jsonl",
        "history.json",
        "inputs/2.xml",
    ] {
        assert!(told.contains(&format!("\n{file}: ")), "{file}: {told}");
        assert!(!extracted(&archive, file).is_empty(), "{file}");
    }
    for file in ["documents/generation-1.xml", "inputs/2.xml"] {
        let text = extracted(&archive, file);
        assert!(
            text.contains(r#"name="setting" value="***""#),
            "{file}: {text}"
        );
        assert!(
            !text.contains(r#"name="setting" value="1""#),
            "{file}: {text}"
        );
    }
    let before = std::fs::read(&archive).unwrap();
    let (code, refused) = report("");
    assert!(code == 1 && refused.contains("--force"), "{refused}");
    assert_eq!(std::fs::read(&archive).unwrap(), before);
    let (code, told) = report(" --force --with-secrets");
    assert!(code == 0 && told.contains("PASSWORDS"), "{told}");
    let text = extracted(&archive, "documents/generation-1.xml");
    assert!(text.contains(r#"name="setting" value="1""#), "{text}");
    let files = std::fs::read_dir(daemon.folder()).unwrap();
    assert_eq!(files.count(), 1, "nothing else is left");
    let absent = command(&daemon, "report none").output().unwrap();
    assert_eq!(absent.status.code(), Some(4));
    let files = std::fs::read_dir(daemon.folder()).unwrap();
    assert_eq!(files.count(), 1, "no archive of what does not exist");
}

/// Plays a session and compares it with the record.
#[track_caller]
fn check(name: &str) {
    check_with(name, &Daemon::start());
}

#[track_caller]
fn check_with(name: &str, daemon: &Daemon) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/sessions/{name}.txt"));
    let recorded = std::fs::read_to_string(&file).unwrap();
    let played = play(&recorded, daemon);
    if std::env::var_os("RECORD_SESSIONS").is_some() {
        std::fs::write(&file, &played).unwrap();
    }
    assert!(
        played == recorded,
        "{} is:\n{recorded}\nbut now it is:\n{played}",
        file.display()
    );
}

/// The session with what its commands print now.
fn play(session: &str, daemon: &Daemon) -> String {
    let mut played = String::new();
    let is_input = |line: &&str| {
        line.starts_with(['#', '>', '$']) || line.split_once("$ ").is_some_and(|(c, _)| is_width(c))
    };
    for line in session.lines().filter(is_input) {
        played.push_str(line);
        played.push('\n');
        if let Some(direction) = line.strip_prefix("> ") {
            daemon.direct(direction);
        } else if let Some((width, command)) = line.split_once("$ cpectl ") {
            played.push_str(&run(daemon, width.parse().ok(), command));
        }
    }
    played
}

fn is_width(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// What a command prints, on a terminal of that width or elsewhere.
fn run(daemon: &Daemon, columns: Option<u16>, arguments: &str) -> String {
    let mut command = command(daemon, arguments);
    let mut printed = if let Some(columns) = columns {
        pty::on_terminal(command, columns)
    } else {
        let output = command.output().unwrap();
        let code = output.status.code().unwrap();
        let mut printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        if code != 0 {
            printed.push_str(&format!("exit status {code}\n"));
        }
        printed
    };
    if !printed.ends_with('\n') {
        printed.push('\n');
    }
    printed
}

fn command(daemon: &Daemon, arguments: &str) -> Command {
    let mut command = Command::new(program());
    command
        .env("TZ", "UTC")
        .env("EDITOR", "cp changed.xml")
        .env("XDG_RUNTIME_DIR", daemon.folder())
        .env_remove("VISUAL")
        .stdin(Stdio::null())
        .args(["--color", "never", "--bus", &daemon.address()])
        .args(arguments.split(' '))
        .current_dir(daemon.folder());
    command
}

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_cpectl").into()
}
