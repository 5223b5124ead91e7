//! A copy of the database, as it is at one moment, while it is in use.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::handle::{Sqlite, finished, owned_turn};
use crate::error::Result;

/// Of folders with copies that are being made.
const PREFIX: &str = "backup-";

impl Sqlite {
    /// Writes a copy to an empty file, and gives its bytes. It has a connection of its own: nobody
    /// waits for it.
    pub(super) async fn copy_to(&self, to: File) -> Result<u64> {
        let path = self
            .run(|database| Ok((database.path.clone(), database.shares())))
            .await?;
        match path {
            (path, true) => {
                let turn = owned_turn(&self.backing_up).await;
                let done = tokio::task::spawn_blocking(move || {
                    let _turn = turn;
                    cpe_daemon::confine(|| {
                        let flags =
                            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                        write(&Connection::open_with_flags(&path, flags)?, &path, to)
                    })
                });
                finished(done.await)
            }
            // No other connection can read it.
            (path, false) => {
                self.run(move |database| write(&database.connection, &path, to))
                    .await
            }
        }
    }
}

/// Removes copies that a process has not finished.
pub(super) fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            // It takes room, and no more.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The copy is made beside the database, and goes from there to the file, which may be anywhere.
fn write(connection: &Connection, database: &Path, mut to: File) -> Result<u64> {
    let place = database.parent().unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
    let copy = folder.path().join("cpe.db");
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    to.seek(SeekFrom::Start(0))?;
    let bytes = std::io::copy(&mut File::open(&copy)?, &mut to)?;
    to.sync_all()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::words::Document;

    #[tokio::test]
    async fn a_copy_has_everything_and_is_another_log() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Sqlite::open(directory.path()).unwrap();
        let by = Default::default();
        for name in ["shop", "wiki"] {
            let document = Document::from("<deployable/>");
            store.create(name, "u", document, 10, &by).await.unwrap();
        }
        let restored = tempfile::tempdir().unwrap();
        let file = File::create(restored.path().join("cpe.db")).unwrap();
        let bytes = store.back_up(file).await.unwrap();
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        let is_copy = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(PREFIX);
        assert!(!left.iter().flatten().any(|it| is_copy(&it.file_name())));
        // What comes after it is not in it.
        let late = store.create("late", "u", "<deployable/>".into(), 10, &by);
        late.await.unwrap();
        let copied = std::fs::metadata(restored.path().join("cpe.db")).unwrap();
        assert_eq!(copied.len(), bytes);
        let (copy, kept_aside) = Sqlite::open(restored.path()).unwrap();
        assert_eq!(kept_aside, None);
        let rows = copy.deployments().await.unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["shop", "wiki"]);
        assert_ne!(copy.log(), store.log());
    }

    #[test]
    fn what_an_earlier_process_has_begun_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let begun = directory.path().join("backup-a7c");
        std::fs::create_dir(&begun).unwrap();
        std::fs::write(begun.join("cpe.db"), "half").unwrap();
        Sqlite::open(directory.path()).unwrap();
        assert!(!begun.exists());
    }
}
