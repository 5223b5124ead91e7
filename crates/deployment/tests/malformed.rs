//! Every document of `tests/malformed/` is refused with the error that `expected.txt` has for it,
//! and nothing else happens.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use deployment::Severity;

/// `FILE: LINE:COLUMN: error: …` for each file: its first error.
#[test]
fn it_refuses_malformed_documents_with_the_place_and_what_would_be_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed");
    let mut reports = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let problems = deployment::read(&fs::read(&path).unwrap())
                .expect_err(&format!("{name} was accepted"));
            let first = problems
                .iter()
                .find(|problem| problem.severity == Severity::Error);
            reports.insert(
                name,
                first.expect("an error, not only warnings").to_string(),
            );
        }
    }
    assert!(reports.len() >= 130, "{} documents", reports.len());
    let report: String = reports
        .iter()
        .map(|(name, first)| format!("{name}: {first}\n"))
        .collect();
    let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
    for (found, expected) in report.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(report.lines().count(), expected.lines().count());
}
