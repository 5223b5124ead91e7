//! The controller's durable facts: rows of key and value in SQLite.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use controller::{Change, Durable};
use rusqlite::Connection;

/// Version of the schema, in `user_version`.
const SCHEMA: i64 = 1;

/// The saved state of one deployment.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens `DIRECTORY/state.sqlite`, making it if there is none. A damaged file is kept aside,
    /// and the state begins empty: the CPE gives the document again, and the agents report what
    /// runs.
    ///
    /// # Errors
    /// If the directory cannot be used, or the file was written by a newer version.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Store> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot use {} for the saved state", directory.display()))?;
        let path = directory.join("state.sqlite");
        match Store::try_open(&path) {
            Ok(store) => Ok(store),
            Err(error) if is_damage(&error) => {
                keep_aside(&path, &format!("{error:#}"))?;
                Store::try_open(&path)
            }
            Err(error) => Err(error),
        }
    }

    fn try_open(path: &Path) -> anyhow::Result<Store> {
        let connection =
            Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -256)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > SCHEMA {
            bail!(
                "{} has schema {version}, this dpe knows up to {SCHEMA}: run the newer version that wrote it",
                path.display()
            );
        }
        if version < SCHEMA {
            connection.execute_batch(&format!(
                "BEGIN; CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID; PRAGMA user_version = {SCHEMA}; COMMIT;"
            ))?;
        }
        let store = Store {
            connection,
            path: path.to_owned(),
        };
        store.rows()?;
        Ok(store)
    }

    fn rows(&self) -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = self.connection.prepare("SELECT key, value FROM facts")?;
        let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    /// What was saved. Unreadable rows count as damage too.
    ///
    /// # Errors
    /// If the database fails now.
    pub(crate) fn load(&mut self) -> anyhow::Result<Durable> {
        match Durable::from_rows(self.rows()?) {
            Ok(durable) => Ok(durable),
            Err(damaged) => {
                let path = self.path.clone();
                // The file must be closed before it is renamed, or its journal is written under the
                // old name.
                self.connection = Connection::open_in_memory()?;
                keep_aside(&path, &damaged.to_string())?;
                *self = Store::try_open(&path)?;
                Ok(Durable::default())
            }
        }
    }

    /// Makes changes durable, all or none.
    ///
    /// # Errors
    /// If the disk does not take them; nothing may follow from them then.
    pub(crate) fn write(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            )?;
            let mut delete = transaction.prepare_cached("DELETE FROM facts WHERE key = ?1")?;
            for change in changes {
                match &change.value {
                    Some(value) => put.execute((&change.key, value))?,
                    None => delete.execute((&change.key,))?,
                };
            }
        }
        transaction
            .commit()
            .with_context(|| format!("cannot save the state to {}", self.path.display()))
    }
}

/// Whether the file itself is bad, as opposed to its place or version.
fn is_damage(error: &anyhow::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
    error
        .downcast_ref::<rusqlite::Error>()
        .is_some_and(|error| {
            matches!(
                error.sqlite_error_code(),
                Some(DatabaseCorrupt | NotADatabase | Unknown)
            ) || matches!(error, rusqlite::Error::InvalidColumnType(..))
        })
}

fn keep_aside(path: &Path, problem: &str) -> anyhow::Result<()> {
    let stamp = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".damaged-{stamp}"));
    std::fs::rename(path, &aside)
        .with_context(|| format!("cannot move the damaged {} aside", path.display()))?;
    // They belong to the damaged file and would be replayed into the new one.
    for suffix in ["-wal", "-shm"] {
        let with_suffix = |name: &std::ffi::OsStr| {
            let mut name = name.to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let _ = std::fs::rename(with_suffix(path.as_os_str()), with_suffix(&aside));
    }
    tracing::error!(
        message_id = "6f1f3b0e3a6e4a2d8a5b0e7d9c2f4b18",
        "{} is damaged ({problem}); it is kept as {}, and the state begins empty",
        path.display(),
        Path::new(&aside).display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: Option<&str>) -> Change {
        Change {
            key: key.to_owned(),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn it_finds_after_a_restart_what_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path()).unwrap();
        store
            .write(&[change("a", Some("1")), change("b", Some("2"))])
            .unwrap();
        store
            .write(&[change("a", Some("3")), change("b", None)])
            .unwrap();
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.rows().unwrap(), [("a".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn it_keeps_a_damaged_file_aside_and_begins_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite");
        std::fs::write(
            &path,
            "this is not a database, but it is long enough to look at",
        )
        .unwrap();
        let store = Store::open(directory.path()).unwrap();
        assert!(store.rows().unwrap().is_empty());
        let kept = std::fs::read_dir(directory.path())
            .unwrap()
            .filter_map(Result::ok)
            .any(|file| file.file_name().to_string_lossy().contains("damaged"));
        assert!(kept);
    }

    #[test]
    fn it_keeps_unreadable_rows_aside() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path()).unwrap();
        store.write(&[change("epoch", Some("not json"))]).unwrap();
        assert_eq!(store.load().unwrap(), Durable::default());
        store.write(&[change("epoch", Some("5"))]).unwrap();
    }

    #[test]
    fn it_refuses_the_file_of_a_newer_version() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store
            .connection
            .pragma_update(None, "user_version", SCHEMA + 1)
            .unwrap();
        drop(store);
        let error = Store::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("newer version"), "{error}");
    }
}
