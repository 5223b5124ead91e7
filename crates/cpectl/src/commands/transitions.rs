//! `cpectl transitions`: what was decided and done, and which inputs of it are kept.
//!
//! When a transition began and how it ended is in the event log; what it was decided on is kept by
//! the DPE.

use std::collections::BTreeMap;

use anstyle::Style;
use cpe_bus::{Event, EventKind, json};
use cpe_status::{KeptInput, KeptInputList};
use cpe_terminal::{Cell, Table};
use serde::Serialize;

use crate::cells;
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::follow::{self, Filter};
use crate::options::{Input, Transitions};
use crate::output::{BAD, BUSY, GOOD, HEAD, Output};

/// The event of a transition and its input have times that differ by less.
const TOGETHER_US: u64 = 60_000_000;

/// A transition, or a decision that was refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Told {
    /// Absent: a refused decision.
    transition: Option<u64>,
    started: u64,
    /// 0: it has not ended, or nobody has seen it.
    ended: u64,
    /// `running`, `completed`, `aborted`, `interrupted`, `refused`; empty: the event log does not
    /// say it.
    state: &'static str,
    actions: Option<u64>,
    failed: Option<u64>,
    /// What it was asked for.
    reason: String,
    /// How it ended, if not well.
    remark: String,
    /// Name of the kept input.
    input: Option<String>,
}

pub(crate) async fn run(
    client: &Client,
    arguments: &Transitions,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let kept = match kept(client, name).await {
        Ok(kept) => kept,
        Err(failure) if failure.kind == Kind::Unreachable => {
            output.note(&format!(
                "which inputs are kept is not known: {}",
                failure.message
            ));
            Vec::new()
        }
        Err(failure) => return Err(failure),
    };
    let mut told = of_events(&events(client, name).await?);
    with_inputs(&mut told, kept);
    let first = told.len().saturating_sub(arguments.last);
    let told = told.get(first..).unwrap_or_default();
    if output.json {
        return output.json(&told);
    }
    if told.is_empty() {
        output.note(&format!("nothing was done for {name} as far as is known"));
        return Ok(());
    }
    output.table(&table(told));
    Ok(())
}

/// Prints the present input, or one that is kept.
pub(crate) async fn input(
    client: &Client,
    arguments: &Input,
    output: &Output,
) -> Result<(), Failure> {
    let name = &arguments.name;
    let proxy = client.deployment(name).await?;
    let kept = arguments.kept();
    let cib = match &kept {
        Some(kept) => proxy.get_kept_input(kept).await,
        None => proxy.get_input().await,
    };
    let cib = match cib {
        Ok(cib) => cib,
        Err(error) => return Err(client.with_deployments(error).await),
    };
    if output.json {
        return output.json(&serde_json::json!({ "name": name, "input": kept, "cib": cib }));
    }
    output.text(&cib);
    Ok(())
}

/// The inputs that the DPE has kept.
pub(crate) async fn kept(client: &Client, name: &str) -> Result<Vec<KeptInput>, Failure> {
    let text = match client.deployment(name).await?.list_inputs().await {
        Ok(text) => text,
        Err(error) => return Err(client.with_deployments(error).await),
    };
    Ok(json::from_json::<KeptInputList>(&text)?.inputs)
}

async fn events(client: &Client, name: &str) -> Result<Vec<Event>, Failure> {
    let mut all = Vec::new();
    for kind in ["transition.*", "decision.refused"] {
        let filter = Filter {
            deployment: name.to_owned(),
            kind: kind.to_owned(),
            ..Filter::default()
        };
        let keep = |event| {
            all.push(event);
            Ok(())
        };
        follow::past(client, &filter, 0, keep).await?;
    }
    all.sort_by_key(|event| event.cursor);
    Ok(all)
}

/// What the event log tells, oldest first.
fn of_events(events: &[Event]) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    // Where the transition of a number is that has not ended.
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events {
        let detail = |key: &str| event.details.get(key).and_then(|text| text.parse().ok());
        let number = detail("transition");
        match (event.kind.parse(), number) {
            (Ok(EventKind::TransitionStarted), Some(number)) => {
                // One at a time: the end of the others was not seen.
                for (_, at) in std::mem::take(&mut open) {
                    told[at].state = "interrupted";
                }
                open.insert(number, told.len());
                told.push(Told {
                    transition: Some(number),
                    started: event.time,
                    state: "running",
                    actions: detail("actions"),
                    reason: event.reason.clone(),
                    ..Told::default()
                });
            }
            (
                Ok(kind @ (EventKind::TransitionCompleted | EventKind::TransitionAborted)),
                Some(number),
            ) => {
                let Some(ended) = open.remove(&number).and_then(|at| told.get_mut(at)) else {
                    continue;
                };
                ended.ended = event.time;
                ended.failed = detail("failed");
                ended.state = "completed";
                if kind == EventKind::TransitionAborted {
                    ended.state = "aborted";
                    ended.remark.clone_from(&event.reason);
                }
            }
            (Ok(EventKind::DecisionRefused), _) => told.push(Told {
                started: event.time,
                ended: event.time,
                state: "refused",
                reason: event.reason.clone(),
                ..Told::default()
            }),
            _ => {}
        }
    }
    told
}

/// Says which of them have a kept input; inputs of which the event log does not tell are added.
fn with_inputs(told: &mut Vec<Told>, kept: Vec<KeptInput>) {
    for input in kept.into_iter().rev() {
        // Numbers begin again with each start of the DPE: the newest one has it.
        let mut newest = told.iter_mut().rev();
        let of = newest.find(|told| {
            let together = told.started.abs_diff(input.time) < TOGETHER_US;
            told.transition == input.transition && told.input.is_none() && together
        });
        match of {
            Some(of) => of.input = Some(input.name),
            None => told.push(Told {
                transition: input.transition,
                started: input.time,
                state: if input.transition.is_none() {
                    "refused"
                } else {
                    ""
                },
                input: Some(input.name),
                ..Told::default()
            }),
        }
    }
    told.sort_by_key(|told| told.started);
}

fn table(told: &[Told]) -> Table<7> {
    let rows = told.iter().map(|told| {
        let number = told.transition.map(|number| number.to_string());
        let took = match told.ended {
            0 => "-".to_owned(),
            ended => {
                let took = ended.saturating_sub(told.started);
                cells::duration(std::time::Duration::from_millis(took / 1000))
            }
        };
        let actions = match (told.actions, told.failed) {
            (Some(actions), Some(failed)) if failed > 0 => format!("{actions}, {failed} failed"),
            (Some(actions), _) => actions.to_string(),
            (None, _) => "-".to_owned(),
        };
        let reason = match told.remark.as_str() {
            "" => told.reason.clone(),
            remark => format!("{}; aborted: {remark}", told.reason),
        };
        [
            Cell::from(number.as_deref().unwrap_or("-")),
            Cell::from(cells::time(told.started)),
            Cell::from(took),
            Cell::new(
                if told.state.is_empty() {
                    "-"
                } else {
                    told.state
                },
                style(told.state),
            ),
            Cell::from(actions),
            Cell::from(told.input.as_deref().unwrap_or("-")),
            Cell::from(reason.replace('\n', " ")),
        ]
    });
    let heads = [
        "TRANSITION",
        "STARTED",
        "TOOK",
        "STATE",
        "ACTIONS",
        "INPUT",
        "REASON",
    ];
    Table::new(heads, HEAD, rows)
}

fn style(state: &str) -> Style {
    match state {
        "completed" => GOOD,
        "refused" | "interrupted" => BAD,
        _ => BUSY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, time: u64, details: &[(&str, &str)]) -> Event {
        Event {
            details: details
                .iter()
                .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
                .collect(),
            ..Event::new(kind, "shop", time)
        }
    }

    fn input(number: u64, time: u64) -> KeptInput {
        KeptInput {
            name: number.to_string(),
            transition: Some(number),
            time,
            bytes: 1,
        }
    }

    const MINUTE: u64 = TOGETHER_US;

    #[test]
    fn numbers_that_come_again_after_a_restart_are_told_apart() {
        let first = [("transition", "1"), ("actions", "3")];
        let events = [
            event(EventKind::TransitionStarted, MINUTE, &first),
            event(
                EventKind::TransitionCompleted,
                MINUTE + 7,
                &[("transition", "1"), ("failed", "1")],
            ),
            event(
                EventKind::TransitionStarted,
                2 * MINUTE,
                &[("transition", "2")],
            ),
            // Its DPE died.
            event(EventKind::TransitionStarted, 5 * MINUTE, &first),
            event(
                EventKind::TransitionCompleted,
                5 * MINUTE,
                &[("transition", "7")],
            ),
            event(EventKind::DecisionRefused, 6 * MINUTE, &[]),
        ];
        let mut told = of_events(&events);
        with_inputs(
            &mut told,
            vec![input(1, 5 * MINUTE + 9), input(3, 9 * MINUTE)],
        );
        let seen: Vec<_> = told
            .iter()
            .map(|it| (it.transition, it.state, it.failed, it.input.as_deref()))
            .collect();
        let expected = [
            (Some(1), "completed", Some(1), None),
            (Some(2), "interrupted", None, None),
            (Some(1), "running", None, Some("1")),
            (None, "refused", None, None),
            (Some(3), "", None, Some("3")),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn refusals_have_each_their_own_input() {
        let times = [2 * MINUTE, 2 * MINUTE + 30, 5 * MINUTE];
        let mut told = of_events(&times.map(|time| event(EventKind::DecisionRefused, time, &[])));
        let kept = times.iter().zip(["one", "two", "three"]);
        let kept = kept.map(|(time, name)| KeptInput {
            name: name.to_owned(),
            transition: None,
            time: time + 1,
            bytes: 1,
        });
        with_inputs(&mut told, kept.collect());
        let seen: Vec<_> = told.iter().map(|it| it.input.as_deref()).collect();
        assert_eq!(seen, [Some("one"), Some("two"), Some("three")]);
    }
}
