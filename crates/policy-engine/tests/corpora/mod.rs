//! Decisions to try things on: of all cases of `tests/cases`, and of the recorded cases of
//! Pacemaker's scheduler as far as they are on this machine: beside the project or above it in
//! `shared/corpus*`, or where `CPE_SHARED` says.

use std::path::{Path, PathBuf};

use policy_engine::{Cib, RunOptions, Schedule, schedule};

use crate::fixture;

const NOW: i64 = 1_700_000_000;

/// Calls `visit` with the name of each case and what is decided about it. Returns how many cases
/// there were.
pub(crate) fn for_each_decision(mut visit: impl FnMut(&str, Schedule)) -> usize {
    let mut count = 0;
    for file in files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"),
        "txt",
    ) {
        let text = std::fs::read_to_string(&file).expect("a file of cases can be read");
        for case in fixture::Case::read_all(&text).1 {
            let (_, cib, now) = case.input();
            visit(&case.name, schedule(&cib, now, RunOptions::default()));
            count += 1;
        }
    }
    for name in ["corpus", "corpus-legacy", "corpus-mutated", "corpus-random"] {
        let Some(corpus) = test_kit::shared(name) else {
            continue;
        };
        for file in files(&corpus.join("xml"), "xml") {
            let text = std::fs::read_to_string(&file).expect("a case can be read");
            let cib = Cib::parse(&text).expect("a recorded CIB can be scheduled");
            let now = cib.execution_date().unwrap_or(NOW);
            let case = file.file_stem().unwrap_or_default().to_string_lossy();
            visit(
                &format!("{name}/{case}"),
                schedule(&cib, now, RunOptions::default()),
            );
            count += 1;
        }
    }
    count
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder of cases can be read")
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| path.extension().is_some_and(|own| own == extension))
        .collect();
    files.sort();
    files
}
