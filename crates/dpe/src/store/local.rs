//! SQLite of this host.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use controller::{Change, Damaged, Durable};
use rusqlite::{Connection, ErrorCode};

use super::{FactStore, Place};
use crate::permit::NoRight;

/// Version of the schema, in `user_version`.
const SCHEMA: i64 = 1;
/// How long a DPE that is ending may still hold the file when the next one starts.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Size of a file that is given up when the disk is full, so that the last changes can be saved:
/// some hundred events. A host with a thousand deployments has 256 MiB of them.
const BALLAST: u64 = 256 << 10;

/// The saved state of one deployment.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    path: PathBuf,
    /// Device and inode of the open file.
    file: (u64, u64),
}

/// A directory of this host.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    directory: PathBuf,
}

impl Local {
    pub(crate) fn at(directory: &Path) -> Local {
        Local {
            directory: directory.to_owned(),
        }
    }

    /// The store itself, for what lies in front of another one, with its rows.
    pub(super) fn open_rows(&self) -> anyhow::Result<(Store, BTreeMap<String, String>)> {
        let (store, _) = Store::open(&self.directory)?;
        let rows = rows(&store.connection)?.into_iter().collect();
        Ok((store, rows))
    }

    /// Its rows, where it cannot be opened.
    pub(super) fn read_rows(&self) -> anyhow::Result<BTreeMap<String, String>> {
        read_copy(&self.directory.join("state.sqlite"))
    }
}

impl Place for Local {
    fn open(&self) -> anyhow::Result<(Box<dyn FactStore>, Durable)> {
        let (store, durable) = Store::open(&self.directory)?;
        Ok((Box::new(store), durable))
    }

    fn read(&self) -> anyhow::Result<Durable> {
        Ok(Durable::from_rows(self.read_rows()?)?)
    }

    fn read_late(&self) -> anyhow::Error {
        Mistake::ReadLate(self.directory.join("state.sqlite")).into()
    }
}

impl FactStore for Store {
    /// On a full disk the ballast is given up for them.
    fn write(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        let place = self.path.display();
        let there = identity(&self.path).with_context(|| format!("{place} is gone"))?;
        if there != self.file {
            bail!("{place} was replaced by another file");
        }
        let written = self.try_write(changes);
        if written.is_ok() {
            self.keep_ballast();
        }
        let full = written.as_ref().is_err_and(is_full);
        if !full || std::fs::remove_file(self.ballast()).is_err() {
            return written;
        }
        tracing::error!(
            "the disk of {} is full: the {} KiB that were kept in reserve are given up",
            self.path.display(),
            BALLAST >> 10
        );
        self.try_write(changes)
    }

    fn replace(&mut self, rows: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM facts", ())?;
        {
            let mut put = transaction.prepare("INSERT INTO facts VALUES (?1, ?2)")?;
            for row in rows {
                put.execute(row)?;
            }
        }
        transaction
            .commit()
            .with_context(|| format!("cannot save the state to {}", self.path.display()))
    }
}

/// That another host runs this deployment now.
pub(super) fn not_owner() -> anyhow::Error {
    NoRight::because("another host runs this deployment now, or this one under a later grant")
        .into()
}

/// The file is sound, but this process must not write to it.
#[derive(Debug)]
enum Mistake {
    InUse(PathBuf),
    NewerVersion(PathBuf, i64),
    ReadLate(PathBuf),
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mistake::InUse(path) => {
                write!(f, "another dpe uses {}: stop it first", path.display())
            }
            Mistake::NewerVersion(path, version) => write!(
                f,
                "{} has schema {version}, this dpe knows up to {SCHEMA}: run the newer version that wrote it",
                path.display()
            ),
            Mistake::ReadLate(path) => write!(
                f,
                "{} could not be read at the start and can be now: starting again from it",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Mistake {}

/// Whether an error is about whose file it is, rather than about the disk: then this process has to
/// end.
pub(crate) fn ends_process(error: &anyhow::Error) -> bool {
    error.is::<Mistake>() || error.is::<NoRight>()
}

/// Whether an error says that there is no room on the disk, and nothing else.
pub(crate) fn is_full(error: &anyhow::Error) -> bool {
    code(error) == Some(ErrorCode::DiskFull)
}

impl Store {
    /// Opens `DIRECTORY/state.sqlite` for changes, making it if it does not exist, and reads it.
    ///
    /// # Errors
    /// If the directory cannot be used, or the file is in use or was written by a newer version.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<(Store, Durable)> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot use {} for the saved state", directory.display()))?;
        let path = directory.join("state.sqlite");
        let (store, durable) = match Store::try_open(&path) {
            Err(error) if is_damage(&error) => {
                keep_aside(&path, &format!("{error:#}"))?;
                Store::try_open(&path)?
            }
            opened => opened?,
        };
        store.keep_ballast();
        Ok((store, durable))
    }

    fn try_open(path: &Path) -> anyhow::Result<(Store, Durable)> {
        let connection =
            Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // One process at a time. The journal's index is in memory then, and needs no room on a disk
        // that is full.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        let version = match journal(&connection) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                return Err(Mistake::InUse(path.to_owned()).into());
            }
            version => version.with_context(|| format!("cannot use {}", path.display()))?,
        };
        if version > SCHEMA {
            return Err(Mistake::NewerVersion(path.to_owned(), version).into());
        }
        if version < SCHEMA {
            connection.execute_batch(&format!(
                "BEGIN; CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID; PRAGMA user_version = {SCHEMA}; COMMIT;"
            ))?;
        }
        check(&connection)?;
        let durable = Durable::from_rows(rows(&connection)?)?;
        let store = Store {
            connection,
            path: path.to_owned(),
            file: identity(path)?,
        };
        Ok((store, durable))
    }

    fn try_write(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        let place = self.path.display().to_string();
        let saving = || format!("cannot save the state to {place}");
        let transaction = self.connection.transaction().with_context(saving)?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            )?;
            let mut delete = transaction.prepare_cached("DELETE FROM facts WHERE key = ?1")?;
            for change in changes {
                match &change.value {
                    Some(value) => put.execute((&change.key, value)).with_context(saving)?,
                    None => delete.execute((&change.key,)).with_context(saving)?,
                };
            }
        }
        transaction.commit().with_context(saving)
    }

    /// Where the ballast lies.
    fn ballast(&self) -> PathBuf {
        self.path.with_file_name("ballast")
    }

    /// Puts the ballast into its place, if it is not there and there is room for more than it.
    fn keep_ballast(&self) {
        let path = self.ballast();
        let is_there = std::fs::metadata(&path).is_ok_and(|file| file.len() >= BALLAST);
        let room = rustix::fs::statvfs(&self.path).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
        if is_there || room < 4 * BALLAST {
            return;
        }
        let kept = std::fs::File::create(&path).and_then(|file| {
            let flags = rustix::fs::FallocateFlags::empty();
            Ok(rustix::fs::fallocate(&file, flags, 0, BALLAST)?)
        });
        if let Err(error) = kept {
            tracing::debug!("no room is kept in reserve: {}: {error}", path.display());
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Has the file journaled; returns the version of its schema.
fn journal(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare("SELECT key, value FROM facts")?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// SQLite's own look at the whole file: damage is to be found before something follows from it.
fn check(connection: &Connection) -> anyhow::Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(Damaged {
        key: "state.sqlite".to_owned(),
        problem: found,
    }
    .into())
}

/// Reads a file that cannot be opened for changes: from a copy elsewhere, since SQLite locks and
/// recovers what it reads.
fn read_copy(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    if !path.try_exists()? {
        return Ok(BTreeMap::new());
    }
    let mut outcome = read_copy_in(&std::env::temp_dir(), path);
    if outcome.is_err() {
        outcome = read_copy_in(Path::new("/dev/shm"), path);
    }
    outcome
}

fn read_copy_in(place: &Path, path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let folder = tempfile::tempdir_in(place)?;
    let copy = folder.path().join("state.sqlite");
    std::fs::copy(path, &copy)?;
    let journal = with_suffix(path, "-wal");
    if journal.try_exists()? {
        std::fs::copy(journal, with_suffix(&copy, "-wal"))?;
    }
    Ok(rows(&Connection::open(&copy)?)?.into_iter().collect())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// SQLite's code of an error of its own.
fn code(error: &anyhow::Error) -> Option<ErrorCode> {
    error.downcast_ref::<rusqlite::Error>()?.sqlite_error_code()
}

/// Whether the file itself is bad, as opposed to its place or version.
pub(crate) fn is_damage(error: &anyhow::Error) -> bool {
    use ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
    let unreadable = matches!(
        error.downcast_ref::<rusqlite::Error>(),
        Some(rusqlite::Error::InvalidColumnType(..))
    );
    unreadable
        || error.downcast_ref::<Damaged>().is_some()
        || matches!(code(error), Some(DatabaseCorrupt | NotADatabase | Unknown))
}

fn keep_aside(path: &Path, problem: &str) -> anyhow::Result<()> {
    let stamp = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let aside = with_suffix(path, &format!(".damaged-{stamp}"));
    std::fs::rename(path, &aside)
        .with_context(|| format!("cannot move the damaged {} aside", path.display()))?;
    // They belong to the damaged file and would be replayed into the new one.
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix));
    }
    tracing::error!(
        message_id = "6f1f3b0e3a6e4a2d8a5b0e7d9c2f4b18",
        "{} is damaged ({problem}); it is kept as {}, and the state begins empty",
        path.display(),
        aside.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;

    fn change(key: &str, value: Option<&str>) -> Change {
        Change {
            key: key.to_owned(),
            value: value.map(str::to_owned),
        }
    }

    fn rows_of(directory: &Path) -> Vec<(String, String)> {
        let (store, _) = Store::open(directory).unwrap();
        rows(&store.connection).unwrap()
    }

    fn is_kept_aside(directory: &Path) -> bool {
        std::fs::read_dir(directory)
            .unwrap()
            .filter_map(Result::ok)
            .any(|file| file.file_name().to_string_lossy().contains("damaged"))
    }

    #[test]
    fn it_finds_after_a_restart_what_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path()).unwrap();
        store
            .write(&[change("a", Some("1")), change("b", Some("2"))])
            .unwrap();
        store
            .write(&[change("a", Some("3")), change("b", None)])
            .unwrap();
        drop(store);
        let found = rows_of(directory.path());
        assert_eq!(found, [("a".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn it_puts_everything_in_place_of_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path()).unwrap();
        store.write(&[change("a", Some("1"))]).unwrap();
        let all = BTreeMap::from([("b".to_owned(), "2".to_owned())]);
        store.replace(&all).unwrap();
        drop(store);
        assert_eq!(rows_of(directory.path()), Vec::from_iter(all));
    }

    #[test]
    fn it_keeps_a_damaged_file_aside_and_begins_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.sqlite");
        let text = "this is not a database, but it is long enough to look at";
        std::fs::write(&path, text).unwrap();
        assert!(rows_of(directory.path()).is_empty());
        assert!(is_kept_aside(directory.path()));
    }

    #[test]
    fn it_finds_damage_in_the_middle_of_a_file() {
        use std::os::unix::fs::FileExt;
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path()).unwrap();
        for number in 0..500 {
            let key = format!("service/{number}");
            store.write(&[change(&key, Some("null"))]).unwrap();
        }
        drop(store);
        let path = directory.path().join("state.sqlite");
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0xa5; 512], 4096 * 3).unwrap();
        assert!(rows_of(directory.path()).is_empty());
        assert!(is_kept_aside(directory.path()));
    }

    #[test]
    fn it_keeps_unreadable_rows_aside() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path()).unwrap();
        store.write(&[change("epoch", Some("not json"))]).unwrap();
        drop(store);
        let (mut store, durable) = Store::open(directory.path()).unwrap();
        assert_eq!(durable, Durable::default());
        assert!(is_kept_aside(directory.path()));
        store.write(&[change("epoch", Some("5"))]).unwrap();
    }

    #[test]
    fn it_refuses_the_file_of_a_newer_version_and_one_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let error = open(&Local::at(directory.path())).unwrap_err().to_string();
        assert!(error.contains("another dpe uses"), "{error}");
        store
            .connection
            .pragma_update(None, "user_version", SCHEMA + 1)
            .unwrap();
        drop(store);
        let error = open(&Local::at(directory.path())).unwrap_err().to_string();
        assert!(error.contains("newer version"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_opened_for_changes_is_read_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path()).unwrap();
        store.write(&[change("epoch", Some("7"))]).unwrap();
        // As a process that was killed leaves it: all of it is in the journal still.
        std::mem::forget(store);
        let durable = Local::at(directory.path()).read().unwrap();
        assert_eq!(durable.epoch(), 7);
    }

    #[test]
    fn a_full_disk_gives_its_reserve_up_first() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path()).unwrap();
        assert!(store.ballast().exists());
        store
            .connection
            .pragma_update(None, "max_page_count", 2)
            .unwrap();
        let error = store.write(&[change("a", Some(&"x".repeat(100_000)))]);
        assert!(is_full(&error.unwrap_err()));
        assert!(!store.ballast().exists());
        store.write(&[change("a", Some("1"))]).unwrap();
        assert!(store.ballast().exists());
    }
}
