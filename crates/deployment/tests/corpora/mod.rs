//! Recorded CIBs, as far as they are on this machine: beside the project or above it in
//! `shared/corpus*`, or where `CPE_SHARED` says.

use std::path::{Path, PathBuf};

/// The folders, and how many of their CIBs become valid documents.
pub(crate) const FLOORS: [(&str, usize); 4] = [
    ("corpus", 382),
    ("corpus-legacy", 127),
    ("corpus-mutated", 6),
    ("corpus-random", 478),
];

/// The CIBs of a corpus, in the order of their names; `None` if it is not here.
pub(crate) fn files(corpus: &str) -> Option<Vec<PathBuf>> {
    let named = std::env::var_os("CPE_SHARED").map(PathBuf::from);
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = project.ancestors().map(|folder| folder.join("shared"));
    let places = named.into_iter().chain(beside);
    let mut places = places.map(|shared| shared.join(corpus).join("xml"));
    let folder = places.find(|folder| folder.is_dir())?;
    let entries = std::fs::read_dir(folder).expect("a folder of CIBs can be read");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "xml"))
        .collect();
    files.sort();
    Some(files)
}
