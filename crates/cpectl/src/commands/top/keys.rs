//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::orders::{self, Order};
use super::state::{Dialog, Row, State};

/// Rows that a page key goes on.
const PAGE: usize = 10;
/// Longest text that is typed, in bytes.
const LONGEST: usize = 255;

/// What the daemon has to answer.
#[derive(Debug)]
pub(super) enum Want {
    Quit,
    /// Why is it so: deployment, service, assembly.
    Explain(String, Option<String>, Option<String>),
    /// What if an assembly of a deployment (`None`: any one) is lost?
    WhatIf(String, Option<String>),
    Plan(Order),
    Give(Order, String),
}

/// Does what a key says.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Option<Want> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    state.remark.clear();
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Want::Quit);
    }
    match std::mem::take(&mut state.dialog) {
        Dialog::None => in_view(state, key.code),
        Dialog::Help => None,
        Dialog::Filter => {
            in_filter(state, key.code);
            None
        }
        Dialog::Text {
            title,
            lines,
            scroll,
        } => {
            in_text(state, (title, lines, scroll), key.code);
            None
        }
        Dialog::Verbs(orders) => in_verbs(state, orders, key.code),
        Dialog::Plan {
            order,
            planned,
            typed,
        } => {
            let mut typed = typed;
            match key.code {
                KeyCode::Esc => {
                    state.remark = "nothing was changed".into();
                    return None;
                }
                KeyCode::Enter if !planned.refused && typed == order.target => {
                    state.remark = format!("{}…", order.text());
                    return Some(Want::Give(order, planned.fingerprint));
                }
                code => edit(&mut typed, code),
            }
            state.dialog = Dialog::Plan {
                order,
                planned,
                typed,
            };
            None
        }
    }
}

fn in_view(state: &mut State, code: KeyCode) -> Option<Want> {
    match code {
        KeyCode::Char('q') => return Some(Want::Quit),
        KeyCode::Char('?') | KeyCode::Char('h') => state.dialog = Dialog::Help,
        KeyCode::Up | KeyCode::Char('k') => state.step(false, 1),
        KeyCode::Down | KeyCode::Char('j') => state.step(true, 1),
        KeyCode::PageUp => state.step(false, PAGE),
        KeyCode::PageDown => state.step(true, PAGE),
        KeyCode::Home => state.step(false, usize::MAX),
        KeyCode::End => state.step(true, usize::MAX),
        KeyCode::Enter => state.enter(),
        KeyCode::Esc if !state.filter.is_empty() => state.filter.clear(),
        KeyCode::Esc | KeyCode::Backspace => state.leave(),
        KeyCode::Char('f') | KeyCode::Char('/') => state.dialog = Dialog::Filter,
        KeyCode::Char('e') => return asked(state, explain),
        KeyCode::Char('w') => return asked(state, what_if),
        KeyCode::Char('A') => act(state),
        _ => {}
    }
    None
}

/// Asks about the chosen row, and says that it does.
fn asked(state: &mut State, want: impl Fn(&State) -> Option<Want>) -> Option<Want> {
    let want = want(state);
    if want.is_some() {
        state.remark = "asking…".into();
    }
    want
}

fn explain(state: &State) -> Option<Want> {
    let open = state.open_name().map(str::to_owned);
    Some(match state.chosen_row()? {
        Row::Deployment(status) => Want::Explain(status.name.clone(), None, None),
        Row::Assembly(own) => Want::Explain(open?, None, Some(own.name.clone())),
        Row::Service(own) => Want::Explain(open?, Some(own.name.clone()), None),
        Row::Nowhere => Want::Explain(open?, None, None),
    })
}

fn what_if(state: &State) -> Option<Want> {
    let open = state.open_name().map(str::to_owned);
    Some(match state.chosen_row()? {
        Row::Deployment(status) => Want::WhatIf(status.name.clone(), None),
        Row::Assembly(own) => Want::WhatIf(open?, Some(own.name.clone())),
        Row::Service(own) if !own.assembly.is_empty() => {
            Want::WhatIf(open?, Some(own.assembly.clone()))
        }
        Row::Service(_) | Row::Nowhere => Want::WhatIf(open?, None),
    })
}

fn act(state: &mut State) {
    if !state.acts {
        state.remark = "this view changes nothing: start it as cpectl top --act for verbs".into();
        return;
    }
    let name = state.open_name().unwrap_or_default().to_owned();
    let orders = match state.chosen_row() {
        Some(Row::Assembly(own)) => orders::of_assembly(&name, own),
        Some(Row::Service(own)) => orders::of_service(&name, own),
        _ => Vec::new(),
    };
    match orders.is_empty() {
        true => state.remark = "choose an assembly or a service first".into(),
        false => state.dialog = Dialog::Verbs(orders),
    }
}

fn in_filter(state: &mut State, code: KeyCode) {
    match code {
        KeyCode::Esc => state.filter.clear(),
        KeyCode::Enter => {}
        code => {
            edit(&mut state.filter, code);
            state.dialog = Dialog::Filter;
        }
    }
    state.stay_inside();
}

fn in_text(state: &mut State, text: (String, Vec<String>, usize), code: KeyCode) {
    let (title, lines, scroll) = text;
    let last = lines.len().saturating_sub(1);
    let scroll = match code {
        KeyCode::Up | KeyCode::Char('k') => scroll.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => (scroll + 1).min(last),
        KeyCode::PageUp => scroll.saturating_sub(PAGE),
        KeyCode::PageDown => (scroll + PAGE).min(last),
        _ => return,
    };
    state.dialog = Dialog::Text {
        title,
        lines,
        scroll,
    };
}

fn in_verbs(state: &mut State, orders: Vec<Order>, code: KeyCode) -> Option<Want> {
    let KeyCode::Char(key) = code else {
        return None;
    };
    let chosen = orders.into_iter().find(|order| order.key == key)?;
    state.remark = "planning…".into();
    Some(Want::Plan(chosen))
}

/// Types into a text.
fn edit(text: &mut String, code: KeyCode) {
    match code {
        KeyCode::Char(typed) if text.len() < LONGEST => text.push(typed),
        KeyCode::Backspace => drop(text.pop()),
        _ => {}
    }
}
