//! What tests of several crates share: material that not every machine has, and saying so where it
//! is missing.

#![warn(missing_docs)]
#![allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it does not test"
)]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Says what is not tested on this machine, and why: also in the file that `make test` shows at its
/// end, since a test that passes shows nothing.
///
/// # Panics
/// If that file cannot be written.
pub fn not_tested_here(what: &str) {
    let said = format!("not tested here: {}\n", what.trim_end());
    eprint!("{said}");
    if let Some(path) = std::env::var_os("CPE_NOT_TESTED") {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(said.as_bytes()))
            .unwrap_or_else(|error| panic!("CPE_NOT_TESTED: {error}"));
    }
}

/// A folder of recorded cases and reports: under `CPE_SHARED`, else under a `shared` folder beside
/// the project or above it. `None`, and said: it is not on this machine.
pub fn shared(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("CPE_SHARED").map(PathBuf::from);
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let above = project.ancestors().map(|folder| folder.join("shared"));
    let mut places = named.into_iter().chain(above).map(|it| it.join(name));
    let found = places.find(|folder| folder.is_dir());
    if found.is_none() {
        not_tested_here(&format!(
            "{name}, which is not on this machine; CPE_SHARED can say where it is"
        ));
    }
    found
}
