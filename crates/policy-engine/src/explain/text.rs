//! Explanations as text for people.

use super::answer::{Explanation, NodeLine, Statement};

/// How much a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What decides.
    Reasons,
    /// Also the parts of all scores.
    Scores,
}

/// Explanations as lines of text.
pub fn to_text(explanations: &[Explanation], detail: Detail) -> String {
    let mut out = String::new();
    for (index, explanation) in explanations.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let mut told = Vec::new();
        whole(explanation, detail, 0, &mut told, &mut out);
    }
    out
}

fn line(depth: usize, text: &str, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
    out.push_str(text);
    out.push('\n');
}

/// An explanation; `told`: remedies that were given above.
fn whole(
    explanation: &Explanation,
    detail: Detail,
    depth: usize,
    told: &mut Vec<String>,
    out: &mut String,
) {
    line(depth, &first_sentence(explanation), out);
    for remark in &explanation.remarks {
        line(depth + 1, &sentence(remark), out);
    }
    nodes(explanation, detail, depth + 1, out);
    if !explanation.failures.is_empty() {
        line(depth + 1, "Failures:", out);
        for failure in &explanation.failures {
            line(depth + 2, &sentence(failure), out);
        }
    }
    if !explanation.steps.is_empty() {
        line(depth + 1, "What is done:", out);
        steps(explanation, depth + 2, out);
    }
    let remedies = explanation.remedies();
    let new = remedies.iter().map(|remedy| &remedy.remedy);
    let new: Vec<String> = new
        .filter(|remedy| !told.contains(remedy))
        .cloned()
        .collect();
    if !new.is_empty() {
        line(depth + 1, "What you can do:", out);
        new.iter().for_each(|remedy| line(depth + 2, remedy, out));
        told.extend(new);
    }
    for part in &explanation.parts {
        whole(part, detail, depth + 1, told, out);
    }
}

/// What is done, and the one reason that decides.
pub(super) fn first_sentence(explanation: &Explanation) -> String {
    let outcome = capital(&explanation.outcome);
    match &explanation.reason {
        Some(reason) => format!("{outcome}, because {}.", reason.text),
        None => format!("{outcome}."),
    }
}

/// A statement as a sentence of its own.
fn sentence(statement: &Statement) -> String {
    format!("{}.", capital(statement))
}

/// A statement with a capital at its beginning, unless that is a name, or an option with its value.
fn capital(statement: &Statement) -> String {
    let mut letters = statement.text.chars();
    let word = statement.text.split(' ').next().unwrap_or_default();
    let is_name = statement.code.sentence.starts_with('{') || word.contains('=');
    match letters.next() {
        Some(first) if !is_name => {
            format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
        }
        _ => statement.text.clone(),
    }
}

/// A line for each node; equal lines are one. What the first sentence has said is not repeated.
fn nodes(explanation: &Explanation, detail: Detail, depth: usize, out: &mut String) {
    let lines = &explanation.nodes;
    let above = explanation.reason.as_ref().map(|reason| &reason.text);
    let mut told: Vec<usize> = Vec::new();
    for (index, node) in lines.iter().enumerate() {
        if told.contains(&index) {
            continue;
        }
        let is_same = |other: &NodeLine| {
            detail == Detail::Reasons
                && other.reason.text == node.reason.text
                && other.chosen == node.chosen
        };
        let same = (index..lines.len()).filter(|at| *at == index || is_same(&lines[*at]));
        let same: Vec<usize> = same.collect();
        let names: Vec<&str> = same.iter().map(|at| lines[*at].node.as_str()).collect();
        told.extend(&same);
        let names = names.join(", ");
        let text = match (node.chosen, above == Some(&node.reason.text)) {
            (true, true) => format!("{names}: chosen."),
            (true, false) => format!("{names}: chosen: {}.", node.reason.text),
            (false, true) => format!("{names}: for this reason."),
            (false, false) => format!("{names}: {}.", node.reason.text),
        };
        line(depth, &text, out);
        if detail == Detail::Scores {
            let score = node.score.as_deref().unwrap_or("not a candidate");
            line(depth + 1, &format!("score: {score}"), out);
            for part in &node.parts {
                line(
                    depth + 1,
                    &format!("{:>11}  {}", part.change, part.cause.text),
                    out,
                );
            }
        }
    }
}

fn steps(explanation: &Explanation, depth: usize, out: &mut String) {
    for (number, step) in explanation.steps.iter().enumerate() {
        let above = explanation
            .reason
            .as_ref()
            .map(|reason| reason.text.as_str());
        let waits = step.waits.iter().map(|wait| wait.text.as_str());
        let waits = waits.filter(|wait| !step.impossible || above != Some(wait));
        let waits: Vec<&str> = waits.collect();
        let text = match (step.impossible, waits.as_slice()) {
            (true, []) => format!("{}: not possible now", step.action),
            (true, waits) => format!("{}: not possible now: {}", step.action, waits.join("; ")),
            (false, []) => format!("{}: at once", step.action),
            (false, waits) => format!("{}: after {}", step.action, waits.join("; after ")),
        };
        line(depth, &format!("{}. {text}", number + 1), out);
    }
}
