//! Questions that administrators have asked in public: the answers hold the sentences that a
//! reviewer would accept.
//!
//! The inputs are `../shared/field-reports`; without them the cases are skipped. The expectations
//! are beside this file, in `field-reports.txt`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};

/// The cases: a question, and the lines that its answer has to hold.
const CASES: &str = include_str!("field-reports.txt");

/// `None` if they are not on this machine, which is said.
fn inputs() -> Option<PathBuf> {
    test_kit::shared("field-reports")
}

/// The answer of the program.
fn explain(folder: &Path, question: &str) -> String {
    let mut words = question.split_whitespace();
    let file = folder.join(format!("{}.xml", words.next().unwrap()));
    let mut arguments = vec!["policy-simulate".to_owned(), "explain".to_owned()];
    arguments.push(format!("--xml-file={}", file.display()));
    arguments.extend(words.map(str::to_owned));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = policy_simulate::Streams {
        out: Box::new(&mut out),
        err: Box::new(&mut err),
    };
    let code = policy_simulate::run(arguments, &mut streams);
    drop(streams);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!(code, 0, "{question}: {}", text(err));
    text(out)
}

#[test]
fn every_question_gets_the_answer_that_was_asked_for() {
    let Some(folder) = inputs() else {
        return;
    };
    let mut wrong = Vec::new();
    for case in CASES.split("=== ").skip(1) {
        let mut lines = case.lines();
        let question = lines.next().unwrap();
        let answer = explain(&folder, question);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let right = match line.strip_prefix('!') {
                Some(text) => !answer.contains(text),
                None => answer.lines().any(|told| told.trim() == line),
            };
            if !right {
                wrong.push(format!("{question}: {line}\n--- is\n{answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_question_has_its_answer_as_data_too() {
    let Some(folder) = inputs() else {
        return;
    };
    for case in CASES.split("=== ").skip(1) {
        let question = case.lines().next().unwrap();
        let answer = explain(&folder, &format!("{question} --json"));
        let told: serde_json::Value = serde_json::from_str(&answer).unwrap();
        for one in told.as_array().unwrap() {
            let code = one["outcome"]["code"].as_str().unwrap();
            assert!(!code.is_empty(), "{question}");
            let (sentence, text) = (&one["sentence"], &one["outcome"]["text"]);
            let text = text.as_str().unwrap().get(1..).unwrap();
            assert!(
                sentence.as_str().unwrap().contains(text),
                "{question}: {sentence}"
            );
        }
    }
}

#[test]
fn every_input_can_be_asked_about_everything() {
    let Some(folder) = inputs() else {
        return;
    };
    let mut asked = 0;
    for sub in ["", "kinds"] {
        for entry in std::fs::read_dir(folder.join(sub)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "xml") {
                continue;
            }
            let name = path.file_stem().unwrap().to_str().unwrap();
            let whole = explain(&folder, &Path::new(sub).join(name).display().to_string());
            assert!(!whole.contains(['{', '}', '#']), "{name}: {whole}");
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
}
