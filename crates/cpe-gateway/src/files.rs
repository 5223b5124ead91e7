//! Files that are read again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stamp(Option<Known>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    place: (u64, u64),
    size: u64,
    written: (i64, i64),
    /// Nobody can set it back.
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Stamp {
        let known = std::fs::metadata(path);
        Stamp(known.ok().map(|it| Known {
            place: (it.dev(), it.ino()),
            size: it.size(),
            written: (it.mtime(), it.mtime_nsec()),
            changed: (it.ctime(), it.ctime_nsec()),
        }))
    }
}
