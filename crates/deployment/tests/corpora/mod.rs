//! Recorded CIBs, as far as they are on this machine: beside the project or above it in
//! `shared/corpus*`, or where `CPE_SHARED` says.

use std::path::PathBuf;

/// The folders, and how many of their CIBs become valid documents.
pub(crate) const FLOORS: [(&str, usize); 4] = [
    ("corpus", 382),
    ("corpus-legacy", 127),
    ("corpus-mutated", 6),
    ("corpus-random", 478),
];

/// The CIBs of a corpus, in the order of their names; `None` if it is not here,
/// which is said.
pub(crate) fn files(corpus: &str) -> Option<Vec<PathBuf>> {
    let folder = test_kit::shared(corpus)?.join("xml");
    let entries = std::fs::read_dir(folder).expect("a folder of CIBs can be read");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "xml"))
        .collect();
    files.sort();
    Some(files)
}
