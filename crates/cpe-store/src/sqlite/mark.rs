//! The newest cursor, in a file of its own beside the database: a backup that was copied over the
//! database's file is the same file with an older log.
//!
//! It is written after the commit and not synced: after a loss of power it may be behind the log,
//! and never ahead.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Where it stands, in the state directory.
const FILE: &str = "newest-cursor";

/// That file; nothing where it can be neither read nor made.
#[derive(Debug, Default)]
pub(super) struct Mark(Option<File>);

impl Mark {
    /// Opens it in the folder of the database.
    pub(super) fn beside(database: &Path) -> Mark {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let opened = database
            .parent()
            .map(|folder| options.open(folder.join(FILE)));
        Mark(opened.and_then(Result::ok))
    }

    /// The newest cursor that was ever told; 0 where that is not known.
    pub(super) fn read(&self) -> u64 {
        let mut bytes = [0; 8];
        let read = self
            .0
            .as_ref()
            .map(|file| file.read_exact_at(&mut bytes, 0));
        match read {
            Some(Ok(())) => u64::from_be_bytes(bytes),
            _ => 0,
        }
    }

    /// An event with this cursor is durable.
    pub(super) fn write(&self, cursor: u64) {
        if let Some(file) = &self.0
            && let Err(error) = file.write_all_at(&cursor.to_be_bytes(), 0)
        {
            tracing::debug!("{FILE} cannot be written: {error}");
        }
    }
}
