//! What is shown of recorded statuses, and what keys do.

use std::time::{Duration, Instant};

use cpe_bus::Event;
use cpe_status::DeploymentStatus;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::draw::draw;
use super::keys::{Want, press};
use super::orders::Planned;
use super::state::{State, Told};
use super::theme::Theme;

/// A shop that has lost an assembly, with a reason of an agent that would drive a terminal.
const SHOP: &str = r#"{"name":"shop","state":"degraded","generation":7,"epoch":3,"time":1795000000000000,
"summary":"assembly web1 is being made safe: no heartbeat for 2003 ms",
"room":{"holds":false,"text":"no: db would not run without db1","time":1794999990000000},
"assemblies":[
 {"name":"web1","state":"fencing","fencing":"lease","reason":"waiting 3 s for the end of its lease"},
 {"name":"web2","state":"online","fencing":"lease"},
 {"name":"db1","state":"online","standby":true,"fencing":"lease"}],
"services":[
 {"name":"web","service":"web","agent":"ocf:shop:web","assembly":"web2","state":"starting"},
 {"name":"front-ip","service":"front-ip","agent":"ocf:heartbeat:IPaddr2","assembly":"web2","state":"started"},
 {"name":"db","service":"db","agent":"ocf:heartbeat:pgsql","assembly":"db1","state":"promoted"},
 {"name":"mail","service":"mail","agent":"systemd:mail","assembly":"","state":"blocked","reason":"no assembly may run it"}],
"transition":{"number":4,"state":"running","actions":11,"done":7},
"failures":[{"service":"mail","assembly":"web2","operation":"start","count":1,"reason":"\u001b]0;owned\u0007 \u202ereversed"}]}"#;

const LIVE: Theme = Theme {
    ascii: false,
    colored: true,
};

fn shop() -> DeploymentStatus {
    serde_json::from_str(SHOP).unwrap()
}

fn event(kind: &str, assembly: &str, reason: &str) -> Told {
    let event = Event {
        kind: kind.into(),
        deployment: "shop".into(),
        assembly: assembly.into(),
        reason: reason.into(),
        time: 1_795_000_000_000_000,
        ..Event::default()
    };
    Told::Event(Box::new(event))
}

/// A view of the shop, told at that moment.
fn view(name: Option<&str>, acts: bool, now: Instant) -> State {
    let mut state = State::new(name.map(str::to_owned), acts);
    state.take(Told::Statuses(vec![shop()]), now);
    let reason = "no heartbeat for 2003 ms";
    state.take(event("assembly.lost", "web1", reason), now);
    state.take(
        event("transition.started", "", "assembly web1 is lost"),
        now,
    );
    state
}

/// The screen, without blanks at the ends of lines.
fn screen(state: &State, theme: Theme, (width, height): (u16, u16), now: Instant) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(frame, state, theme, now))
        .unwrap();
    let buffer = terminal.backend().buffer();
    let colored = buffer.content.iter().any(|cell| cell.fg != Color::Reset);
    assert!(theme.colored || !colored, "a colour without colours");
    let rows = buffer.content.chunks(width.into());
    let line = |cells: &[ratatui::buffer::Cell]| -> String {
        cells.iter().map(ratatui::buffer::Cell::symbol).collect()
    };
    rows.map(|cells| line(cells).trim_end().to_owned() + "\n")
        .collect()
}

fn key(state: &mut State, code: KeyCode) -> Option<Want> {
    press(state, KeyEvent::new(code, KeyModifiers::NONE))
}

fn typed(state: &mut State, text: &str) {
    for character in text.chars() {
        key(state, KeyCode::Char(character));
    }
}

/// The times on a screen are those of whoever looks at it.
fn without_times(screen: &str) -> String {
    let clock = super::draw::clock(1_795_000_000_000_000);
    let full = crate::cells::time(1_795_000_000_000_000);
    screen.replace(&full, "TIME").replace(&clock, "HH:MM:SS")
}

#[test]
fn all_of_a_deployment_fits_a_small_terminal() {
    let now = Instant::now();
    let state = view(Some("shop"), false, now);
    let shown = without_times(&screen(&state, LIVE, (80, 24), now));
    insta::assert_snapshot!("small", shown);
    let large = without_times(&screen(&state, LIVE, (200, 50), now));
    for line in [
        "shop ▲ degraded  gen 7  2/3 asm  2/4 svc  transition 4 ▓▓▓▓▓▓░░░░ 7/11",
        "◆ promoted",
        "(nowhere)",
    ] {
        assert!(
            shown.contains(line) && large.contains(line),
            "{line}\n{large}"
        );
    }
    assert!(
        large.contains("room for one loss: no: db would not run without db1"),
        "{large}"
    );
    assert_eq!(large.lines().count(), 50);
}

#[test]
fn plain_characters_and_no_colours_say_the_same() {
    let now = Instant::now();
    let theme = Theme {
        ascii: true,
        colored: false,
    };
    let state = view(Some("shop"), false, now);
    let shown = screen(&state, theme, (80, 24), now);
    assert!(shown.is_ascii(), "{shown}");
    for text in [
        "! degraded",
        "P promoted",
        "# blocked",
        "X fencing",
        "######.... 7/11",
    ] {
        assert!(shown.contains(text), "{text}\n{shown}");
    }
    let mut state = view(None, false, now);
    assert!(screen(&state, theme, (80, 24), now).contains("> shop"));
    key(&mut state, KeyCode::Char('?'));
    let help = screen(&state, theme, (80, 24), now);
    assert!(
        help.is_ascii() && help.contains("any key        back"),
        "{help}"
    );
}

#[test]
fn a_text_of_a_guest_cannot_drive_the_terminal() {
    let now = Instant::now();
    let shown = screen(&view(Some("shop"), false, now), LIVE, (200, 50), now);
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown}");
    assert!(
        shown.contains(r"\u{1b}]0;owned\u{7} \u{202e}reversed"),
        "{shown}"
    );
}

#[test]
fn what_is_old_says_so_and_comes_back() {
    let now = Instant::now();
    let mut state = view(Some("shop"), false, now);
    let at = |state: &State, seconds| {
        let then = now + Duration::from_secs(seconds);
        without_times(&screen(state, LIVE, (80, 24), then))
    };
    assert!(at(&state, 3).contains("live 3.0s"));
    assert!(at(&state, 11).contains("NOT LIVE since HH:MM:SS"));
    state.take(Told::Silence("cpe does not answer on this bus".into()), now);
    let shown = at(&state, 1);
    assert!(shown.contains("NOT LIVE since HH:MM:SS"), "{shown}");
    assert!(
        shown.contains("what is shown is of TIME: cpe does not answer"),
        "{shown}"
    );
    state.take(Told::Statuses(vec![shop()]), now);
    assert!(at(&state, 1).contains("live 1.0s"));
}

#[test]
fn keys_open_choose_filter_and_quit() {
    let now = Instant::now();
    let mut state = view(None, false, now);
    assert_eq!(state.open_name(), None);
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.open_name(), Some("shop"));
    key(&mut state, KeyCode::Down);
    let want = key(&mut state, KeyCode::Char('e'));
    assert!(
        matches!(want, Some(Want::Explain(name, None, Some(assembly))) if name == "shop" && assembly == "web2")
    );
    let want = key(&mut state, KeyCode::Char('w'));
    assert!(matches!(want, Some(Want::WhatIf(_, Some(assembly))) if assembly == "web2"));
    key(&mut state, KeyCode::Char('f'));
    typed(&mut state, "mail");
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.rows().len(), 2, "the service and its head");
    key(&mut state, KeyCode::Esc);
    key(&mut state, KeyCode::Esc);
    assert_eq!(state.open_name(), None);
    assert!(matches!(
        key(&mut state, KeyCode::Char('q')),
        Some(Want::Quit)
    ));
}

#[test]
fn a_verb_is_shown_first_and_its_name_is_typed() {
    let now = Instant::now();
    let mut state = view(Some("shop"), false, now);
    key(&mut state, KeyCode::Char('A'));
    assert!(
        state.remark.contains("--act"),
        "it changes nothing by itself"
    );
    let mut state = view(Some("shop"), true, now);
    for _ in 0..2 {
        key(&mut state, KeyCode::Down);
    }
    key(&mut state, KeyCode::Char('A'));
    let Some(Want::Plan(order)) = key(&mut state, KeyCode::Char('r')) else {
        panic!("it is planned first");
    };
    assert_eq!(order.text(), "restart web of shop");
    let planned = Planned {
        lines: vec!["restart web web2".into()],
        refused: false,
        fingerprint: "f".into(),
    };
    state.take(Told::Planned(order.clone(), planned.clone()), now);
    let shown = screen(&state, LIVE, (80, 24), now);
    assert!(shown.contains("type web and Enter to do it"), "{shown}");
    typed(&mut state, "we");
    assert!(key(&mut state, KeyCode::Enter).is_none(), "not its name");
    typed(&mut state, "b");
    let given = key(&mut state, KeyCode::Enter);
    assert!(matches!(given, Some(Want::Give(given, print)) if given == order && print == "f"));
    let refused = Planned {
        refused: true,
        ..planned
    };
    state.take(Told::Planned(order, refused), now);
    typed(&mut state, "web");
    assert!(key(&mut state, KeyCode::Enter).is_none(), "it is refused");
}

#[test]
fn no_terminal_is_too_small() {
    let now = Instant::now();
    let mut state = view(Some("shop"), true, now);
    for size in [(1, 1), (10, 3), (20, 5), (79, 9)] {
        screen(&state, LIVE, size, now);
    }
    key(&mut state, KeyCode::Char('?'));
    for size in [(1, 1), (4, 4), (20, 5)] {
        screen(&state, LIVE, size, now);
    }
}
