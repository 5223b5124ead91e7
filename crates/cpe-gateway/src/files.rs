//! Files that are read again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stamp(Option<(u64, u64, i64, i64)>);

impl Stamp {
    pub(crate) fn of(path: &Path) -> Stamp {
        let known = std::fs::metadata(path);
        Stamp(
            known
                .ok()
                .map(|it| (it.ino(), it.size(), it.mtime(), it.mtime_nsec())),
        )
    }
}
