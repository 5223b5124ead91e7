//! Whether the saved state is the newest one.
//!
//! A state that was restored from a backup says of assemblies that nothing runs there, when
//! something may run there since. So the newest save is named in a second place, in memory
//! (`/run`), which a backup of the state does not bring back. Where that place is gone, as after a
//! boot of the host, the state counts as the newest.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Characters of the file: it is written in one piece, over the last one.
const LENGTH: usize = 80;

/// The place; `None`: nowhere, as without systemd.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newest(Option<PathBuf>);

impl Newest {
    /// In this directory.
    pub(crate) fn in_directory(directory: Option<&Path>) -> Newest {
        Newest(directory.map(|directory| directory.join("saves")))
    }

    /// The newest save; empty if none is known.
    pub(crate) fn read(&self) -> String {
        let text = self.0.as_ref().map(std::fs::read_to_string);
        let text = text.and_then(Result::ok).unwrap_or_default();
        text.trim().to_owned()
    }

    /// Notes a save that was just made, before anything follows from it.
    pub(crate) fn note(&self, save: &str) {
        let Some(path) = &self.0 else { return };
        let written = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .and_then(|file| file.write_all_at(format!("{save:<LENGTH$}").as_bytes(), 0));
        if let Err(error) = written {
            // An older one stays: a backup of in between would be taken for the newest.
            tracing::debug!("{}: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_save_is_known_after_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let newest = Newest::in_directory(Some(folder.path()));
        assert_eq!(newest.read(), "");
        newest.note("a long name");
        newest.note("short");
        assert_eq!(Newest::in_directory(Some(folder.path())).read(), "short");
        Newest::default().note("5");
        assert_eq!(Newest::default().read(), "");
    }
}
