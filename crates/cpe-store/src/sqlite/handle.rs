//! The open database, and what shares it between tasks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cpe_bus::Event;
use cpe_daemon::Ages;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::task::JoinError;

use super::events::{self, Cursors};
use super::mark::Mark;
use super::open;
use crate::error::{Error, Result};
use crate::words::{Filter, KeptAside, News, Page};

/// The open database.
#[derive(Debug)]
pub(super) struct Database {
    /// Of the database's file.
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    /// Id of the event log.
    pub(super) log: String,
    /// Cursor of the newest event, announced after its commit.
    pub(super) head: watch::Sender<u64>,
    /// The same, beside the database.
    pub(super) mark: Mark,
    /// Who gives the cursors.
    pub(super) cursors: Cursors,
    /// What is too old to be kept.
    pub(super) ages: Ages,
    /// What was deleted may still be in the write-ahead log.
    pub(super) is_log_uncut: bool,
    /// Held for the life of the process, so that two daemons cannot share a state directory.
    pub(super) _lock: std::fs::File,
}

/// The store of one host: shares the database between tasks and keeps its disk writes off the event
/// loop.
#[derive(Clone, Debug)]
pub struct Sqlite {
    database: Arc<Mutex<Database>>,
    head: watch::Receiver<u64>,
    log: Arc<str>,
    cursors: Cursors,
    /// For queries, so that they wait for no change and no change waits for them. Absent if SQLite
    /// could not share the file when it was opened.
    reader: Option<Arc<Mutex<Connection>>>,
    /// One thread is enough for each of the two connections: the others are needed elsewhere.
    writing: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    /// One copy at a time: each takes as much room as the database.
    pub(super) backing_up: Arc<Semaphore>,
    /// Set when the database turned out to be corrupt while it was in use.
    lost: watch::Sender<Option<KeptAside>>,
    /// Nobody else changes anything, so that nothing is ever told.
    news: broadcast::Sender<News>,
}

impl Sqlite {
    /// Opens or creates the database in `directory`, alone. One that cannot be trusted is kept
    /// aside.
    ///
    /// # Errors
    /// Says what stands in the way, and what to do.
    pub fn open(directory: &Path) -> Result<(Sqlite, Option<KeptAside>)> {
        let (database, kept_aside) = Database::open(directory)?;
        Ok((Sqlite::new(database), kept_aside))
    }

    /// The same for a copy of a log of events that has its cursors from elsewhere.
    ///
    /// # Errors
    /// As above.
    pub fn open_copy(directory: &Path) -> Result<(Sqlite, Option<KeptAside>)> {
        let (mut database, kept_aside) = Database::open(directory)?;
        database.cursors = Cursors::Given;
        Ok((Sqlite::new(database), kept_aside))
    }

    pub(super) fn new(database: Database) -> Sqlite {
        let head = database.head.subscribe();
        let reader = database.reader();
        Sqlite {
            log: database.log.as_str().into(),
            cursors: database.cursors,
            reader: reader.map(|reader| Arc::new(Mutex::new(reader))),
            writing: Arc::new(Semaphore::new(1)),
            reading: Arc::new(Semaphore::new(1)),
            backing_up: Arc::new(Semaphore::new(1)),
            database: Arc::new(Mutex::new(database)),
            head,
            lost: watch::Sender::new(None),
            news: broadcast::Sender::new(1),
        }
    }

    /// Adds events that have cursors to a copy of their log. Those that are there are left as they
    /// are. `position` is kept with them: what was copied.
    ///
    /// # Errors
    /// If the disk does not take them.
    pub async fn copy(&self, events: Vec<Event>, position: u64) -> Result<()> {
        self.run(move |database| database.copy(&events, position))
            .await
    }

    /// What was copied.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub async fn position(&self) -> Result<u64> {
        self.run(|database| database.position()).await
    }

    /// The event with this id.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub async fn cursor_of(&self, id: &str) -> Result<Option<u64>> {
        let id = id.to_owned();
        self.run(move |database| database.cursor_of(&id)).await
    }

    /// Ids of events after this cursor that were recorded before this time, µs since the Unix
    /// epoch, at most `limit`, with the cursor of the last one.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub async fn older(&self, than: u64, after: u64, limit: u32) -> Result<Vec<(u64, String)>> {
        self.run(move |database| database.older(than, after, limit))
            .await
    }

    /// Runs `work` on the store. What was begun is finished even if the caller goes away.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (database, lost) = (Arc::clone(&self.database), self.lost.clone());
        let turn = owned_turn(&self.writing).await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            // A panic inside `work` rolled its transaction back: the store behind a poisoned lock
            // is sound.
            cpe_daemon::confine(|| {
                let mut database = lock(&database);
                let result = work(&mut database);
                if let Err(Error::Database(error)) = &result
                    && open::is_corrupt(error)
                    && lost.borrow().is_none()
                {
                    lost.send_replace(Some(database.set_aside(error)?));
                }
                result
            })
        });
        finished(done.await)
    }

    /// At most `limit` events after the cursor, oldest first. Waits for no change.
    pub(super) async fn page(&self, after: u64, limit: u32, filter: Filter) -> Result<Page> {
        let Some(reader) = self.reader.clone() else {
            return self
                .run(move |database| database.query(after, limit, &filter))
                .await;
        };
        let (head, cursors) = (*self.head.borrow(), self.cursors);
        let turn = owned_turn(&self.reading).await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            cpe_daemon::confine(|| {
                events::query(&lock(&reader), (head, cursors), after, limit, &filter)
            })
        });
        match finished(done.await) {
            // Damage is damage, whoever finds it.
            Err(Error::Database(error)) if open::is_corrupt(&error) => {
                self.run(|_| Err(Error::Database(error))).await
            }
            result => result,
        }
    }

    /// Which log the cursors belong to: another one after the database was lost or restored.
    pub(super) fn log_id(&self) -> &str {
        &self.log
    }

    /// Returns when the database turned out to be corrupt, and was renamed. Nothing can be stored
    /// any more then.
    pub(super) async fn is_lost(&self) -> KeptAside {
        let mut lost = self.lost.subscribe();
        loop {
            if let Some(kept_aside) = &*lost.borrow_and_update() {
                return kept_aside.clone();
            }
            // The sender is a part of this value.
            let _ = lost.changed().await;
        }
    }

    /// Changes whenever events were recorded; holds the newest cursor.
    pub(super) fn newest(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    pub(super) fn told(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }
}

/// The result of work that was done on another thread.
pub(super) fn finished<T>(
    done: std::result::Result<std::result::Result<Result<T>, cpe_daemon::Panicked>, JoinError>,
) -> Result<T> {
    match done {
        Ok(Ok(result)) => result,
        Ok(Err(panicked)) => Err(panicked.into()),
        Err(error) => Err(Error::Refused(format!(
            "the daemon is shutting down ({error})"
        ))),
    }
}

/// Every critical section leaves its value whole, also one that panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a turn, which ends when the value is dropped.
pub(super) async fn owned_turn(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore)
        .acquire_owned()
        .await
        .expect("invariant: no semaphore of this program is closed")
}

/// SQLite's integers are signed; nothing that counts here reaches their end.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Document;

    #[tokio::test]
    async fn damage_that_is_found_while_the_daemon_runs_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Database::open(directory.path()).unwrap();
        let text = Document::from("<deployable/>".repeat(500).as_str());
        for n in 0..200 {
            store
                .create(&format!("d{n}"), "u", &text, 1000, &Default::default())
                .unwrap();
        }
        store
            .connection
            .pragma_update(None, "wal_checkpoint", "TRUNCATE")
            .unwrap();
        let path = directory.path().join("cpe.db");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096..].fill(0xA5);
        std::fs::write(&path, &bytes).unwrap();

        let handle = Sqlite::new(store);
        let found = handle.run(|store| store.document("d7", 0)).await;
        assert!(matches!(found, Err(Error::Database(_))), "{found:?}");
        let kept_aside = handle.is_lost().await;
        assert_eq!(std::fs::read(&kept_aside.path).unwrap(), bytes);
        assert!(!path.exists());
        drop(handle);
        let (store, kept) = Database::open(directory.path()).unwrap();
        assert_eq!(kept, None, "the new one is sound");
        assert!(store.deployments().unwrap().is_empty());
    }
}
