//! The rules of the scheduler, one small case each.
//!
//! A case is a cluster in a few lines and what the scheduler makes of it. `tests/cases/*.txt` hold
//! the cases; `tests/fixture/mod.rs` documents their language. To record what the scheduler does
//! now, after reading the difference: `RECORD_CASES=1 cargo test -p policy-engine --test cases`.
//! With `WRITE_CIBS=DIR` each case's input is written to `DIR/NAME.xml`, so that other schedulers
//! can be asked about it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fixture;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fixture::Case;

fn case_files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory of cases can be read")
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_case_is_decided_as_recorded() {
    let record = std::env::var_os("RECORD_CASES").is_some();
    let cibs = std::env::var_os("WRITE_CIBS").map(PathBuf::from);
    let (mut wrong, mut names) = (String::new(), BTreeSet::new());
    for file in case_files() {
        let text = std::fs::read_to_string(&file).expect("a file of cases can be read");
        let (preamble, cases) = Case::read_all(&text);
        let mut recorded = preamble;
        for case in cases {
            assert!(
                names.insert(case.name.clone()),
                "two cases are called {}",
                case.name
            );
            let decided = case.decide();
            if let Some(directory) = &cibs {
                std::fs::write(directory.join(format!("{}.xml", case.name)), &decided.cib)
                    .expect("a CIB can be written");
            }
            let now = case.with_expectations(&decided.sections);
            if now != case.text {
                let file = file.file_name().unwrap_or_default().to_string_lossy();
                writeln!(
                    wrong,
                    "{file}: {}\n{}",
                    case.name,
                    difference(&case.text, &now)
                )
                .expect("writing to a string works");
            }
            recorded.push_str(&now);
        }
        if record && recorded != text {
            std::fs::write(&file, recorded).expect("a file of cases can be written");
        }
    }
    assert!(
        names.len() >= 400,
        "only {} cases were found: a file is missing",
        names.len()
    );
    assert!(
        record || wrong.is_empty(),
        "cases decided otherwise than recorded:\n{wrong}"
    );
}

/// Lines that are only in one of the texts.
fn difference(recorded: &str, now: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (recorded.lines().collect(), now.lines().collect());
    let gone = old
        .iter()
        .filter(|line| !new.contains(line))
        .map(|line| format!("  - {line}\n"));
    let come = new
        .iter()
        .filter(|line| !old.contains(line))
        .map(|line| format!("  + {line}\n"));
    gone.chain(come).collect()
}
