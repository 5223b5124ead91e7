//! What must not be forgotten: how far each sink is, and its dead letters. SQLite, written through
//! before anything follows from it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use cpe_bus::Event;
use cpe_daemon::{Ages, now};
use cpe_status::{DeadLetter, DeadLetterList};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// The database in the state directory.
const FILE: &str = "notify.db";
/// "NTF1" in the file's header tells our databases from others.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"NTF1");
/// Most dead letters of a sink; above it the oldest is forgotten.
pub const MAX_DEAD: u64 = 10_000;
/// How long dead letters are kept.
pub const KEEP_DEAD: Duration = Duration::from_secs(30 * 86_400);
/// Largest dead letter, in bytes. One that is larger is kept without its details.
const MAX_EVENT: usize = 256 << 10;
/// Most dead letters of one answer.
const MAX_LISTED: u64 = 1000;

/// Each entry takes the schema from its index to the next version. Never change one that was
/// released; append.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE sink (
        name            TEXT PRIMARY KEY,
        log             TEXT NOT NULL,               -- the event log that the cursor is of
        cursor          INTEGER NOT NULL,            -- everything up to here is dealt with
        delivered       INTEGER NOT NULL DEFAULT 0,
        lost            INTEGER NOT NULL DEFAULT 0,
        failing         TEXT NOT NULL DEFAULT '',    -- id of the event that is next, if it was tried
        attempts        INTEGER NOT NULL DEFAULT 0,  -- of that event
        last_success    INTEGER NOT NULL DEFAULT 0,
        last_error      TEXT NOT NULL DEFAULT '',
        last_error_time INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE dead (
        number     INTEGER PRIMARY KEY AUTOINCREMENT,
        sink       TEXT NOT NULL,
        id         TEXT NOT NULL,
        cursor     INTEGER NOT NULL,
        died       INTEGER NOT NULL,
        attempts   INTEGER NOT NULL,
        error      TEXT NOT NULL,
        event      TEXT NOT NULL,                    -- JSON
        wanted     INTEGER NOT NULL DEFAULT 0,       -- it is to be delivered again
        UNIQUE (sink, id)
    ) STRICT;
    CREATE INDEX dead_by_time ON dead (died);
"];

/// How far a sink is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// The event log that the cursor is of.
    pub log: String,
    /// Everything up to here is dealt with.
    pub cursor: u64,
    /// Events that arrived.
    pub delivered: u64,
    /// Events that retention removed before.
    pub lost: u64,
    /// The event that is next, if it was tried, and how often.
    pub failing: (String, u32),
    /// When an event arrived last.
    pub last_success: u64,
    /// Why an attempt failed last, and when.
    pub last_error: (String, u64),
}

/// An event, and how many before it are missing in the log.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The sink.
    pub sink: &'a str,
    /// The event is dealt with up to here.
    pub cursor: u64,
    /// Events between it and the one before that retention has removed.
    pub missing: u64,
}

/// The database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// What is too old to be kept.
    ages: Ages,
}

impl Store {
    /// Opens or creates the database in a directory, alone.
    ///
    /// # Errors
    /// Saying what to do: another program has it, it is of a newer version, or cannot be written.
    pub fn open(directory: &Path) -> anyhow::Result<Store> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let path = directory.join(FILE);
        let open = || -> anyhow::Result<Store> {
            let mut connection = Connection::open(&path)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            // The lock is held until the program ends: two would deliver everything twice.
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            migrate(&mut connection)?;
            let sql = "SELECT died FROM dead ORDER BY number DESC LIMIT 1";
            let newest = connection.query_row(sql, [], |row| row.get(0));
            let ages = Ages::new(newest.optional()?);
            Ok(Store { connection, ages })
        };
        open().with_context(|| {
            format!(
                "cannot open {}: is another cpe-notify running, or is the disk full or read-only? Without that file all sinks begin as \
                 new ones",
                path.display()
            )
        })
    }

    /// How far a sink is; `None`: it is new.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn position(&self, sink: &str) -> rusqlite::Result<Option<Position>> {
        let sql = "SELECT log, cursor, delivered, lost, failing, attempts, last_success, last_error, last_error_time
                   FROM sink WHERE name = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let read = |row: &Row<'_>| {
            Ok(Position {
                log: row.get(0)?,
                cursor: row.get(1)?,
                delivered: row.get(2)?,
                lost: row.get(3)?,
                failing: (row.get(4)?, row.get(5)?),
                last_success: row.get(6)?,
                last_error: (row.get(7)?, row.get(8)?),
            })
        };
        statement.query_row([sink], read).optional()
    }

    /// Has a sink begin, or begin again in another log: what is counted goes on.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn begin(&mut self, sink: &str, log: &str, cursor: u64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO sink (name, log, cursor) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name) DO UPDATE SET log = ?2, cursor = ?3, failing = '', attempts = 0";
        self.connection.execute(sql, params![sink, log, cursor])?;
        Ok(())
    }

    /// Nothing up to there is for this sink.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn pass(&mut self, step: Step<'_>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        advance(&transaction, step)?;
        transaction.commit()
    }

    /// An event arrived.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn delivered(&mut self, step: Step<'_>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        advance(&transaction, step)?;
        let sql = "UPDATE sink SET delivered = delivered + 1, last_success = ?2 WHERE name = ?1";
        transaction.execute(sql, params![step.sink, now()])?;
        transaction.commit()
    }

    /// An attempt failed, and there will be another.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn failed(
        &mut self,
        sink: &str,
        id: &str,
        attempts: u32,
        error: &str,
    ) -> rusqlite::Result<()> {
        let sql = "UPDATE sink SET failing = ?2, attempts = ?3, last_error = ?4, last_error_time = ?5 WHERE name = ?1";
        let values = params![sink, id, attempts, error, now()];
        self.connection.execute(sql, values)?;
        Ok(())
    }

    /// An event is given up: it becomes a dead letter.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn dead(
        &mut self,
        step: Step<'_>,
        event: &Event,
        attempts: u32,
        error: &str,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        advance(&transaction, step)?;
        let text = bounded(event)?;
        let sql = "INSERT INTO dead (sink, id, cursor, died, attempts, error, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                   ON CONFLICT (sink, id) DO UPDATE SET died = ?4, attempts = attempts + ?5, error = ?6, wanted = 0";
        let (sink, time) = (step.sink, now());
        let values = params![sink, event.id, event.cursor, time, attempts, error, text];
        transaction.execute(sql, values)?;
        let sql = "DELETE FROM dead WHERE sink = ?1 AND number <= (SELECT number FROM dead WHERE sink = ?1
                   ORDER BY number DESC LIMIT 1 OFFSET ?2)";
        transaction.execute(sql, params![sink, MAX_DEAD])?;
        note_error(&transaction, sink, error)?;
        transaction.commit()
    }

    /// Forgets dead letters that are older than they are kept; how many.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn forget_old(&mut self) -> rusqlite::Result<usize> {
        let Some(oldest) = self.ages.oldest(KEEP_DEAD) else {
            return Ok(0);
        };
        self.connection
            .execute("DELETE FROM dead WHERE died < ?1", [oldest])
    }

    /// How many dead letters a sink has.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn count_dead(&self, sink: &str) -> rusqlite::Result<u64> {
        let sql = "SELECT count(*) FROM dead WHERE sink = ?1";
        self.connection.query_row(sql, [sink], |row| row.get(0))
    }

    /// The dead letters of a sink.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn dead_letters(&self, sink: &str) -> rusqlite::Result<DeadLetterList> {
        let sql = "SELECT id, cursor, died, attempts, error, wanted, event FROM dead WHERE sink = ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let read = |row: &Row<'_>| {
            let event: Event = event(row, 6)?;
            Ok(DeadLetter {
                id: row.get(0)?,
                cursor: row.get(1)?,
                time: event.time,
                kind: event.kind,
                deployment: event.deployment,
                died: row.get(2)?,
                attempts: row.get(3)?,
                error: row.get(4)?,
                wanted: row.get(5)?,
            })
        };
        let letters = statement.query_map(params![sink, MAX_LISTED], read)?;
        let letters: Vec<DeadLetter> = letters.collect::<rusqlite::Result<_>>()?;
        let left_out = self.count_dead(sink)?.saturating_sub(letters.len() as u64);
        Ok(DeadLetterList {
            sink: sink.to_owned(),
            letters,
            left_out,
        })
    }

    /// Wants a dead letter delivered again, or all of them (empty); how many.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn want_again(&mut self, sink: &str, id: &str) -> rusqlite::Result<u32> {
        let sql = "UPDATE dead SET wanted = 1 WHERE sink = ?1 AND (?2 = '' OR id = ?2)";
        let wanted = self.connection.execute(sql, [sink, id])?;
        Ok(u32::try_from(wanted).unwrap_or(u32::MAX))
    }

    /// The oldest dead letter that is to be delivered again.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn wanted(&self, sink: &str) -> rusqlite::Result<Option<Event>> {
        let sql = "SELECT event FROM dead WHERE sink = ?1 AND wanted = 1 ORDER BY number LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row([sink], |row| event(row, 0)).optional()
    }

    /// A dead letter arrived after all.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn revived(&mut self, sink: &str, id: &str) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM dead WHERE sink = ?1 AND id = ?2", [sink, id])?;
        let sql = "UPDATE sink SET delivered = delivered + 1, last_success = ?2 WHERE name = ?1";
        transaction.execute(sql, params![sink, now()])?;
        transaction.commit()
    }

    /// A dead letter did not arrive this time either, and stays one.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn still_dead(&mut self, sink: &str, id: &str, error: &str) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let sql = "UPDATE dead SET wanted = 0, attempts = attempts + 1, error = ?3 WHERE sink = ?1 AND id = ?2";
        transaction.execute(sql, [sink, id, error])?;
        note_error(&transaction, sink, error)?;
        transaction.commit()
    }
}

fn advance(transaction: &Transaction<'_>, step: Step<'_>) -> rusqlite::Result<()> {
    let sql = "UPDATE sink SET cursor = max(cursor, ?2), lost = lost + ?3, failing = '', attempts = 0 WHERE name = ?1";
    let values = params![step.sink, step.cursor, step.missing];
    transaction.execute(sql, values).map(drop)
}

fn note_error(transaction: &Transaction<'_>, sink: &str, error: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE sink SET last_error = ?2, last_error_time = ?3 WHERE name = ?1";
    transaction
        .execute(sql, params![sink, error, now()])
        .map(drop)
}

/// An event as JSON; a large one without its details.
fn bounded(event: &Event) -> rusqlite::Result<String> {
    let write = |event: &Event| {
        serde_json::to_string(event)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    };
    let whole = write(event)?;
    if whole.len() <= MAX_EVENT {
        return Ok(whole);
    }
    let details = [("details_left_out".to_owned(), "true".to_owned())];
    write(&Event {
        details: details.into(),
        ..event.clone()
    })
}

fn event(row: &Row<'_>, column: usize) -> rusqlite::Result<Event> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}

fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let transaction = connection.transaction()?;
    let pragma = |name: &str| -> rusqlite::Result<i32> {
        transaction.pragma_query_value(None, name, |row| row.get(0))
    };
    let version = usize::try_from(pragma("user_version")?).unwrap_or(usize::MAX);
    if version > 0 && pragma("application_id")? != APPLICATION_ID {
        bail!("it is the database of another program");
    }
    if version > MIGRATIONS.len() {
        bail!("a newer cpe-notify wrote it (schema {version}): install that version again");
    }
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    transaction.commit()?;
    Ok(())
}

/// The database for many tasks. Its work blocks, so it is done on other threads.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Mutex<Store>>);

impl Handle {
    /// For tasks of one process.
    pub fn new(store: Store) -> Handle {
        Handle(Arc::new(Mutex::new(store)))
    }

    /// Does something with the database.
    ///
    /// # Errors
    /// What the work gives, in words.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let store = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            work(&mut store.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(result) => result.map_err(|error| format!("the database fails: {error}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
