//! What the CPE must never forget: the documents of every deployment, and the event log.
//!
//! One SQLite database (`cpe.db`, write-ahead log, synced at every commit) owned by one process. A
//! change and the event that tells of it are one transaction, so neither can exist without the
//! other. Calls block for a disk write; the daemon makes them through [`Handle`], away from its
//! event loop.

mod deployments;
mod documents;
mod events;
mod open;
mod orders;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cpe_daemon::Ages;
use rusqlite::Connection;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinError;

pub(crate) use deployments::{Created, Destroying, Marked, Row, Run, Updated};
pub(crate) use documents::{CALLER_PRINCIPAL, Generation, Keep, Text};
pub(crate) use events::{Filter, Page};
pub(crate) use open::KeptAside;
pub(crate) use orders::{Ending, Given, Taken};

use crate::sync::{lock, owned_turn};

/// Why the database could not do it. Everything that a caller may have caused is an outcome of the
/// call, not an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the database holds a record that cannot be read: {0}")]
    Record(#[from] serde_json::Error),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Panicked(#[from] cpe_daemon::Panicked),
    #[error("cannot use the state directory: {0}")]
    Directory(#[from] std::io::Error),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The open database.
pub(crate) struct Store {
    /// Of the database's file.
    path: PathBuf,
    connection: Connection,
    /// Id of the event log.
    log: String,
    /// Cursor of the newest event, announced after its commit.
    head: watch::Sender<u64>,
    /// What is too old to be kept.
    ages: Ages,
    /// What was deleted may still be in the write-ahead log.
    is_log_uncut: bool,
    /// Held for the life of the process, so that two daemons cannot share a state directory.
    _lock: std::fs::File,
}

/// Shares the store between tasks and keeps its disk writes off the event loop.
#[derive(Clone)]
pub(crate) struct Handle {
    store: Arc<Mutex<Store>>,
    head: watch::Receiver<u64>,
    log: Arc<str>,
    /// For queries, so that they wait for no change and no change waits for them. Absent while the
    /// disk is full.
    reader: Option<Arc<Mutex<Connection>>>,
    /// One thread is enough for each of the two connections: the others are needed elsewhere.
    writing: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    /// Set when the database turned out to be corrupt while it was in use.
    lost: watch::Sender<Option<KeptAside>>,
}

impl Handle {
    pub(crate) fn new(store: Store) -> Handle {
        let head = store.head.subscribe();
        let reader = store.reader();
        Handle {
            log: store.log.as_str().into(),
            reader: reader.map(|reader| Arc::new(Mutex::new(reader))),
            writing: Arc::new(Semaphore::new(1)),
            reading: Arc::new(Semaphore::new(1)),
            store: Arc::new(Mutex::new(store)),
            head,
            lost: watch::Sender::new(None),
        }
    }

    /// Runs `work` on the store. What was begun is finished even if the caller goes away.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (store, lost) = (Arc::clone(&self.store), self.lost.clone());
        let turn = owned_turn(&self.writing).await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            // A panic inside `work` rolled its transaction back: the store behind a poisoned lock
            // is sound.
            cpe_daemon::confine(|| {
                let mut store = lock(&store);
                let result = work(&mut store);
                if let Err(Error::Database(error)) = &result
                    && open::is_corrupt(error)
                    && lost.borrow().is_none()
                {
                    lost.send_replace(Some(store.set_aside(error)?));
                }
                result
            })
        });
        finished(done.await)
    }

    /// At most `limit` events after the cursor, oldest first. Waits for no change.
    pub(crate) async fn query(&self, after: u64, limit: u32, filter: Filter) -> Result<Page> {
        let Some(reader) = self.reader.clone() else {
            return self
                .run(move |store| store.query(after, limit, &filter))
                .await;
        };
        let head = *self.head.borrow();
        let turn = owned_turn(&self.reading).await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            cpe_daemon::confine(|| events::query(&lock(&reader), head, after, limit, &filter))
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
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    /// Returns when the database turned out to be corrupt, and was renamed. Nothing can be stored
    /// any more then.
    pub(crate) async fn lost(&self) -> KeptAside {
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
    pub(crate) fn head(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }
}

/// The result of work that was done on another thread.
fn finished<T>(
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

/// SQLite's integers are signed; nothing that counts here reaches their end.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn damage_that_is_found_while_the_daemon_runs_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(directory.path()).unwrap();
        let text = "<deployable/>".repeat(500);
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

        let handle = Handle::new(store);
        let found = handle.run(|store| store.document("d7", 0)).await;
        assert!(matches!(found, Err(Error::Database(_))), "{found:?}");
        let kept_aside = handle.lost().await;
        assert_eq!(std::fs::read(&kept_aside.path).unwrap(), bytes);
        assert!(!path.exists());
        drop(handle);
        let (store, kept) = Store::open(directory.path()).unwrap();
        assert_eq!(kept, None, "the new one is sound");
        assert!(store.deployments().unwrap().is_empty());
    }
}
