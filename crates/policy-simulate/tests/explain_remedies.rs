//! What an answer tells people to do works: done to the input, the reason is gone. It is done for
//! those codes that the module `remedy` knows; what it does for each is written there, and the text
//! of the remedy is not read.
//!
//! The inputs are recorded cases and field reports, as far as they are on this machine; of the
//! cases all with `CPE_EVERY=1`, else each twenty-fourth.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod remedy;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use policy_engine::explain::{self, Explanation, Question, Statement, Terms, Value, codes};
use policy_engine::{Cib, RunOptions, Schedule, schedule};

const NOW: i64 = 1_700_000_000;

/// The inputs of a folder: the first, and then one of so many.
fn inputs(folder: &Path, step: usize) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "xml"));
    paths.sort();
    paths.into_iter().step_by(step).collect()
}

fn decide(cib: &Cib) -> Schedule {
    let now = cib.execution_date().unwrap_or(NOW);
    let run = RunOptions {
        explain: true,
        ..RunOptions::default()
    };
    schedule(cib, now, run)
}

fn answers(schedule: &Schedule) -> Vec<Explanation> {
    let cluster = &schedule.cluster;
    let leaves = cluster
        .top_level
        .iter()
        .flat_map(|top| cluster.leaves(*top));
    leaves
        .filter_map(|leaf| answer(schedule, &cluster.resource(leaf).id))
        .collect()
}

fn answer(schedule: &Schedule, resource: &str) -> Option<Explanation> {
    let question = Question {
        resource: Some(resource),
        node: None,
    };
    let told = explain::answer(schedule, question, &Terms::CLUSTER).ok()?;
    told.into_iter().find(|told| told.name == resource)
}

/// The statements of the first sentence, with all that is behind them.
fn first_sentence(told: &Explanation) -> Vec<&Statement> {
    let mut found = Vec::new();
    let own = std::iter::once(&told.outcome).chain(&told.reason);
    own.for_each(|statement| collect(statement, &mut found));
    found
}

fn collect<'s>(statement: &'s Statement, found: &mut Vec<&'s Statement>) {
    found.push(statement);
    for (_, value) in &statement.parameters {
        match value {
            Value::Because(inner) => collect(inner, found),
            Value::All(inner) => inner.iter().for_each(|inner| collect(inner, found)),
            _ => {}
        }
    }
}

/// Whether somewhere nothing is said but that there is a reason.
fn is_empty(told: &Explanation) -> bool {
    let empty = [
        &codes::STATE,
        &codes::BUILT_IN,
        &codes::RECORDED,
        &codes::NOT_MANAGED,
        &codes::NOT_TO_RUN,
    ];
    let Some(reason) = &told.reason else {
        return true;
    };
    let mut found = Vec::new();
    collect(reason, &mut found);
    found.iter().any(|it| empty.contains(&it.code))
}

/// What was found.
#[derive(Default)]
struct Found {
    asked: usize,
    /// How many remedies of each kind were followed.
    counts: BTreeMap<&'static str, usize>,
    /// Remedies that changed nothing.
    vain: Vec<String>,
    /// Answers that give no reason.
    without_reason: Vec<String>,
}

/// Follows the remedies of one input.
fn follow(path: &Path, found: &mut Found) {
    let text = std::fs::read_to_string(path).unwrap();
    let Ok(cib) = Cib::parse(&text) else {
        return;
    };
    let before = decide(&cib);
    let mut tried: BTreeSet<String> = BTreeSet::new();
    for told in answers(&before) {
        found.asked += 1;
        if is_empty(&told) {
            let sentence = &told.outcome.text;
            found
                .without_reason
                .push(format!("{}: {sentence}\n", path.display()));
        }
        for statement in first_sentence(&told) {
            if statement.remedy.is_empty() || !tried.insert(statement.text.clone()) {
                continue;
            }
            let mut mended = cib.clone();
            if !remedy::apply(mended.document_mut(), statement) {
                continue;
            }
            *found.counts.entry(statement.code.name).or_default() += 1;
            let after = decide(&mended);
            let Some(after) = answer(&after, &told.name) else {
                continue;
            };
            let still = first_sentence(&after)
                .iter()
                .any(|it| it.code == statement.code && it.text == statement.text);
            if still {
                found.vain.push(format!(
                    "{}: {}: {}\n    {}\n",
                    path.display(),
                    told.name,
                    statement.text,
                    statement.remedy
                ));
            }
        }
    }
}

#[test]
fn each_answer_has_a_reason_and_what_people_are_told_to_do_takes_it_away() {
    let Some(reports) = test_kit::shared("field-reports") else {
        return;
    };
    let corpora = ["corpus", "corpus-legacy", "corpus-mutated", "corpus-random"];
    let corpora = corpora.into_iter().filter_map(test_kit::shared);
    let step = if std::env::var_os("CPE_EVERY").is_some() {
        1
    } else {
        24
    };
    let mut paths = inputs(&reports, 1);
    paths.extend(inputs(&reports.join("kinds"), 1));
    for corpus in corpora {
        paths.extend(inputs(&corpus.join("xml"), step));
    }
    let mut found = Found::default();
    paths.iter().for_each(|path| follow(path, &mut found));
    println!("{} answers, {:#?}", found.asked, found.counts);
    assert!(found.vain.is_empty(), "{}", found.vain.concat());
    let gaps = found.without_reason.concat();
    assert!(found.without_reason.is_empty(), "{gaps}");
    assert!(found.counts.len() > 12, "{:#?}", found.counts);
}
