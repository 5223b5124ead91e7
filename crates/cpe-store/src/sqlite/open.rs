//! Opening the database: schema versions, and what happens to a file that cannot be trusted.
//!
//! - A newer schema is refused: this program would not know what it breaks.
//! - A corrupt file is kept aside under another name, and the daemon starts with an empty database,
//!   saying so loudly. Running DPEs are taken over again (see `reconciliation`), as they are when
//!   the file is absent or a backup.
//! - A disk that is read-only is read, from a copy: SQLite wants to write where it reads. DPEs are
//!   kept running, and nothing can be changed.
//! - Anything else (permissions, a full disk, another daemon) refuses the start and says what to
//!   do.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cpe_daemon::{Ages, now};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use tokio::sync::watch;
use uuid::Uuid;

use super::events::Cursors;
use super::handle::{Database, unsigned};
use super::mark::Mark;
use super::{backup, documents};
use crate::error::{Error, Result};
use crate::words::KeptAside;

const FILE: &str = "cpe.db";
/// MESSAGE_ID of the line that says that the database was opened on a full disk.
const OPENED_ALONE: &str = "036de7d4fbf24d439787fb2aee46d51c";
/// MESSAGE_ID of the line that says that the database cannot be changed.
const OPENED_TO_READ: &str = "0f9f1a0f0d8e4cbb9f3c7b0a6c1d52e7";
/// "CPE1" in the file's header tells our databases from others.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"CPE1");

/// Each entry takes the schema from its index to the next version. Never change one that was
/// released; append.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE deployment (
        name       TEXT PRIMARY KEY,
        uuid       TEXT NOT NULL,
        generation INTEGER NOT NULL,
        created    INTEGER NOT NULL,
        destroying INTEGER NOT NULL DEFAULT 0,  -- 0 no, 1 services are stopped, 2 services are left running, 3 they are stopped after all
        unloaded   INTEGER NOT NULL DEFAULT 0,  -- its DPE has finished unloading
        loaded     INTEGER NOT NULL DEFAULT 0,  -- last generation that its DPE has taken
        invocation TEXT NOT NULL DEFAULT '',    -- last run of its unit that is in the event log
        alive      INTEGER NOT NULL DEFAULT 0   -- whether that run is still going as far as the log knows
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE document (
        name       TEXT NOT NULL REFERENCES deployment ON DELETE CASCADE,
        generation INTEGER NOT NULL,
        accepted   INTEGER NOT NULL,
        text       TEXT NOT NULL,
        PRIMARY KEY (name, generation)
    ) STRICT;
    CREATE TABLE event (
        cursor     INTEGER PRIMARY KEY AUTOINCREMENT,
        id         TEXT NOT NULL UNIQUE,
        time       INTEGER NOT NULL,
        kind       TEXT NOT NULL,
        deployment TEXT NOT NULL,
        assembly   TEXT NOT NULL,
        service    TEXT NOT NULL,
        state      TEXT NOT NULL,
        reason     TEXT NOT NULL,
        details    TEXT NOT NULL,               -- JSON object of strings
        recorded   INTEGER NOT NULL             -- by our clock; the time above is the reporter's
    ) STRICT;
    CREATE INDEX event_by_deployment ON event (deployment, cursor);
    CREATE TABLE setting (
        key        TEXT PRIMARY KEY,
        value      TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
", "
    CREATE TABLE left_behind (              -- where services were left running by a destroyed deployment
        address    TEXT PRIMARY KEY,
        deployment TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
", "
    ALTER TABLE document ADD COLUMN who TEXT NOT NULL DEFAULT '';   -- who asked for it: JSON object of strings, as an event's details; empty: nobody knows
    ALTER TABLE document ADD COLUMN remark TEXT NOT NULL DEFAULT ''; -- how it came to be if nobody asked for it, for people
", "
    ALTER TABLE deployment ADD COLUMN owner TEXT NOT NULL DEFAULT '';       -- a principal, as user:alice; empty: nobody's
    ALTER TABLE deployment ADD COLUMN owner_group TEXT NOT NULL DEFAULT ''; -- a group's name; empty: none's
", "
    ALTER TABLE deployment ADD COLUMN claims TEXT NOT NULL DEFAULT '';      -- what its current document claims: JSON; empty: nobody knows
", "
    CREATE TABLE given_order (              -- orders with an id, for a week
        principal  TEXT NOT NULL,           -- who gave it
        id         TEXT NOT NULL,           -- its id: a UUID of the caller's choice
        deployment TEXT NOT NULL,
        uuid       TEXT NOT NULL,           -- of the deployment
        request    TEXT NOT NULL,           -- the order: JSON
        who        TEXT NOT NULL,           -- who gave it: JSON object of strings, as an event's details
        cursor     INTEGER NOT NULL,        -- the newest event before it
        begun      INTEGER NOT NULL,
        ended      INTEGER NOT NULL DEFAULT 0,
        state      INTEGER NOT NULL DEFAULT 0,  -- 0 it is being done, 1 done, 2 failed, 3 failed and may be tried again, 4 nobody knows
        result     TEXT NOT NULL DEFAULT '',    -- JSON
        PRIMARY KEY (principal, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX given_order_by_time ON given_order (begun);
"];

impl Database {
    /// Opens or creates the database in `directory`, alone.
    pub(super) fn open(directory: &Path) -> Result<(Database, Option<KeptAside>)> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| {
                Error::Refused(format!(
                    "cannot create the state directory {}: {error}",
                    directory.display()
                ))
            })?;
        let path = directory.join(FILE);
        let lock = match lock(directory) {
            Err(Error::Directory(error)) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
                return Ok((
                    Database::open_to_read(path, lock_to_read(directory)?)?,
                    None,
                ));
            }
            lock => lock?,
        };
        backup::sweep(directory);
        let mut kept = None;
        let connection = match connect(&path) {
            Err(Error::Database(error)) if is_corrupt(&error) => {
                let aside = keep_aside(&path)?;
                kept = Some(KeptAside {
                    path: aside,
                    reason: error.to_string(),
                });
                connect(&path)?
            }
            other => other?,
        };
        Ok((Database::on(connection, path, lock)?, kept))
    }

    /// Reads a database that cannot be changed. Changes are errors, as on a full disk.
    fn open_to_read(path: PathBuf, lock: File) -> Result<Database> {
        let connection = match connect_to_copy(&std::env::temp_dir(), &path) {
            Err(Error::Directory(_)) => connect_to_copy(Path::new("/dev/shm"), &path)?,
            connection => connection?,
        };
        tracing::error!(
            message_id = OPENED_TO_READ,
            "the file system of {} is read-only: DPEs are kept running, no deployment can be created, changed or destroyed, and events \
             wait in the DPEs. Make it writable, then restart cpe",
            path.display()
        );
        let store = Database::on(connection, path, lock)?;
        store.connection.pragma_update(None, "query_only", true)?;
        Ok(store)
    }

    fn on(connection: Connection, path: PathBuf, lock: File) -> Result<Database> {
        let head: Option<i64> = connection
            .query_row(
                "SELECT seq FROM sqlite_sequence WHERE name = 'event'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        let head = unsigned(head.unwrap_or(0));
        let mark = Mark::beside(&path);
        let log = log_id(&connection, &path, mark.read() > head);
        mark.write(head);
        let (head, _) = watch::channel(head);
        let newest: Option<i64> = connection
            .query_row(
                "SELECT recorded FROM event ORDER BY cursor DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        let newest = newest.map(unsigned);
        Ok(Database {
            path,
            connection,
            log,
            head,
            mark,
            cursors: Cursors::Counted,
            ages: Ages::new(newest),
            is_log_uncut: false,
            _lock: lock,
        })
    }

    /// Whether another connection can read the file.
    pub(super) fn shares(&self) -> bool {
        let mode = self
            .connection
            .pragma_query_value(None, "locking_mode", |row| row.get::<_, String>(0));
        mode.is_ok_and(|mode| mode == "normal") && self.path.exists()
    }

    /// A second connection, which only reads. None if SQLite could not share the file.
    pub(super) fn reader(&self) -> Option<Connection> {
        let reader = || -> rusqlite::Result<Connection> {
            let mode: String = self
                .connection
                .pragma_query_value(None, "locking_mode", |row| row.get(0))?;
            if mode != "normal" {
                return Err(rusqlite::Error::InvalidQuery);
            }
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.pragma_update(None, "cache_size", -1024)?;
            Ok(connection)
        };
        reader().ok()
    }

    /// SQLite found damage while the daemon ran: the file gets another name, so that the next start
    /// begins with an empty one. This store is of no use any more.
    pub(super) fn set_aside(&mut self, reason: &rusqlite::Error) -> Result<KeptAside> {
        let nothing = Connection::open_in_memory()?;
        // Closed, it would write its log into the damaged file.
        std::mem::forget(std::mem::replace(&mut self.connection, nothing));
        Ok(KeptAside {
            path: keep_aside(&self.path)?,
            reason: reason.to_string(),
        })
    }
}

/// The id of the event log, to which its cursors belong. A database that was restored from a backup
/// is another file than the one that was opened last, or `is_older` than what was told: its log
/// goes on from an older cursor, so it is another log. On a full disk the new id lasts until the
/// next start.
fn log_id(connection: &Connection, path: &Path, is_older: bool) -> String {
    let file = std::fs::metadata(path).map_or_else(
        |_| String::new(),
        |found| format!("{}:{}", found.dev(), found.ino()),
    );
    let setting = |key: &str| -> rusqlite::Result<String> {
        connection
            .prepare_cached("SELECT value FROM setting WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
    };
    if let (Ok(log), Ok(known)) = (setting("log"), setting("file"))
        && known == file
        && !is_older
    {
        return log;
    }
    let log = Uuid::new_v4().to_string();
    let stored = connection.execute(
        "INSERT OR REPLACE INTO setting VALUES ('log', ?1), ('file', ?2)",
        [&log, &file],
    );
    if let Err(error) = stored {
        tracing::error!("the id of the event log cannot be stored: {error}");
    }
    log
}

fn lock(directory: &Path) -> Result<File> {
    let opened = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(directory.join("lock"));
    let file = opened.map_err(|error| match error.kind() {
        ErrorKind::ReadOnlyFilesystem => Error::Directory(error),
        _ => Error::Refused(format!(
            "cannot write in the state directory {}: {error}; it must belong to the user that runs cpe",
            directory.display()
        )),
    })?;
    locked(file, directory)
}

/// As [`lock`], where nothing can be written.
fn lock_to_read(directory: &Path) -> Result<File> {
    locked(File::open(directory.join("lock"))?, directory)
}

fn locked(file: File, directory: &Path) -> Result<File> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Refused(format!(
            "another cpe uses the state directory {}; stop it or choose another with --state-dir",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Opens a copy of the database, with what its log holds. The copy goes with the connection.
fn connect_to_copy(place: &Path, path: &Path) -> Result<Connection> {
    let folder = tempfile::tempdir_in(place)?;
    let copy = folder.path().join(FILE);
    std::fs::copy(path, &copy)?;
    let log = |of: &Path| PathBuf::from(format!("{}-wal", of.display()));
    match std::fs::copy(log(path), log(&copy)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    connect_in(&copy, Sharing::Nobody)
}

/// Opens the database; if the disk is full, without the memory that is shared with other readers,
/// for which SQLite would need room.
fn connect(path: &Path) -> Result<Connection> {
    match connect_in(path, Sharing::Others) {
        Err(Error::Database(error)) if is_disk(&error) => {
            let alone = connect_in(path, Sharing::Nobody);
            if alone.is_ok() {
                tracing::error!(
                    message_id = OPENED_ALONE,
                    "{}: {error}. Is the disk full? The database is read all the same; until cpe is restarted, no other program can \
                     open it",
                    path.display()
                );
            }
            alone
        }
        other => other,
    }
}

/// Who else may open the database.
#[derive(Clone, Copy, PartialEq)]
enum Sharing {
    /// A backup, and this program's own second connection.
    Others,
    Nobody,
}

fn connect_in(path: &Path, sharing: Sharing) -> Result<Connection> {
    // SQLite makes its files with 0644: made here first, nobody else can open what will hold
    // parameters of services.
    match OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    must_be_ours(path)?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    if sharing == Sharing::Nobody {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    let found: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found != APPLICATION_ID && (found != 0 || version != 0) {
        return Err(Error::Refused(format!(
            "{} is a database of another program (application id {found:#x}); move it away",
            path.display()
        )));
    }
    let known = MIGRATIONS.len();
    let version = usize::try_from(version).ok().filter(|version| *version <= known).ok_or_else(|| {
        Error::Refused(format!(
            "{} has schema version {version}, this cpe knows versions up to {known}: it was written by a newer cpe. \
             Install that version again, or restore the database from before the upgrade",
            path.display()
        ))
    })?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Documents may hold passwords: what is deleted is overwritten.
    connection.pragma_update(None, "secure_delete", true)?;
    // Bounded: a page cache of 1 MiB, a log that is cut back to 4 MiB after a burst.
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
    let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Error::Database(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error {
                code: ErrorCode::DatabaseCorrupt,
                extended_code: rusqlite::ffi::SQLITE_CORRUPT,
            },
            Some(verdict),
        )));
    }
    // Nothing is written where nothing is new: the disk may be full.
    if version == known && found == APPLICATION_ID {
        return Ok(connection);
    }
    migrate(&mut connection, version)?;
    Ok(connection)
}

/// A database that root has put back, or opened with a tool of its own, may have files of root's,
/// of which SQLite only says that it cannot open them.
fn must_be_ours(path: &Path) -> Result<()> {
    for end in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{end}", path.display()));
        // Nobody has it open in this process yet, whose locks would go with it.
        let opened = OpenOptions::new().read(true).write(true).open(&file);
        if opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
            return Err(Error::Refused(format!(
                "{} belongs to another user: give it to the user that runs cpe, as in chown --reference={} {}*",
                file.display(),
                path.with_file_name("lock").display(),
                path.display()
            )));
        }
    }
    Ok(())
}

/// Brings a database of that version of the schema to the newest one, or leaves it as it is.
fn migrate(connection: &mut Connection, version: usize) -> Result<()> {
    let transaction = connection.transaction()?;
    for (from, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        transaction.execute_batch(migration)?;
        if from + 1 == documents::SCHEMA_WITH_ORIGINS {
            documents::take_origins_from_log(&transaction)?;
        }
        transaction.pragma_update(
            None,
            "user_version",
            i64::try_from(from + 1).unwrap_or(i64::MAX),
        )?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(transaction.commit()?)
}

/// The disk is full, or does not do what it should.
fn is_disk(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen)
    )
}

pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Renames the database and its companions, all with the same suffix; their contents stay as they
/// were found.
fn keep_aside(path: &Path) -> Result<PathBuf> {
    let suffix = format!(".corrupt-{}", now());
    let renamed = |of: &Path| PathBuf::from(format!("{}{suffix}", of.display()));
    for companion in ["-wal", "-shm"] {
        let companion = PathBuf::from(format!("{}{companion}", path.display()));
        match std::fs::rename(&companion, renamed(&companion)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let aside = renamed(path);
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests;
