//! Whether the saved state is the newest one.
//!
//! A state that was restored from a backup says of assemblies that nothing runs there, when
//! something may run there since. So the newest save is named in a second place, in memory
//! (`/run`), which a backup of the state does not bring back. Where that place is gone, as after a
//! boot of the host, the state counts as the newest. Where hosts share deployments the note is of
//! one grant: another host may have saved since, and a state that comes from it is no backup.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Characters of the file: it is written in one piece, over the last one.
const LENGTH: usize = 120;

/// The place; `None`: nowhere, as without systemd.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newest {
    path: Option<PathBuf>,
    /// What begins a note, and is different for each grant.
    begin: String,
}

impl Newest {
    /// In this directory, under the grant of this revision; `None`: the host stands alone.
    pub(crate) fn in_directory(directory: Option<&Path>, grant: Option<u64>) -> Newest {
        Newest {
            path: directory.map(|directory| directory.join("saves")),
            begin: grant.map_or_else(String::new, |grant| format!("grant {grant}: ")),
        }
    }

    /// The newest save; empty if none is known.
    pub(crate) fn read(&self) -> String {
        let text = self.path.as_ref().map(std::fs::read_to_string);
        let text = text.and_then(Result::ok).unwrap_or_default();
        let save = text.strip_prefix(&self.begin);
        save.unwrap_or_default().trim().to_owned()
    }

    /// Notes a save that was just made, before anything follows from it.
    pub(crate) fn note(&self, save: &str) {
        let Some(path) = &self.path else { return };
        let text = format!("{}{save}", self.begin);
        let written = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .and_then(|file| file.write_all_at(format!("{text:<LENGTH$}").as_bytes(), 0));
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
        let newest = || Newest::in_directory(Some(folder.path()), None);
        assert_eq!(newest().read(), "");
        newest().note("a long name");
        newest().note("short");
        assert_eq!(newest().read(), "short");
        Newest::default().note("5");
        assert_eq!(Newest::default().read(), "");
    }

    #[test]
    fn what_was_noted_under_another_grant_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let under = |grant| Newest::in_directory(Some(folder.path()), Some(grant));
        under(7).note("5");
        assert_eq!(under(7).read(), "5");
        assert_eq!(under(71).read(), "");
        under(8).note("2");
        assert_eq!((under(7).read(), under(8).read()), ("".into(), "2".into()));
    }
}
