//! Deployments, and what changes their documents.

use cpe_bus::Event;
use cpe_status::DeploymentState;
use rusqlite::{OptionalExtension, Row as SqlRow, Transaction, params};

use super::documents::{Origin, current, insert, is_current, replace};
use super::events;
use super::handle::{Database, signed, unsigned};
use crate::error::{Error, Result};
use crate::outcomes::{self, Change};
use crate::words::{
    Created, Destroying, Details, Document, Keep, Marked, Ownership, Row, Run, Updated,
};

impl Database {
    pub(super) fn deployments(&self) -> Result<Vec<Row>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{SELECT} ORDER BY name"))?;
        let rows = statement.query_map([], row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn deployment(&self, name: &str) -> Result<Option<Row>> {
        find(&self.connection, name)
    }

    pub(super) fn create(
        &mut self,
        name: &str,
        uuid: &str,
        document: &Document,
        limit: usize,
        by: &Details,
    ) -> Result<Created> {
        let transaction = self.connection.transaction()?;
        if let Some(existing) = find(&transaction, name)? {
            return Ok(if existing.destroying.is_some() {
                Created::BeingDestroyed
            } else if is_current(&transaction, name, &document.text)? {
                Created::Same(existing)
            } else {
                Created::Other(existing.generation)
            });
        }
        let count: i64 =
            transaction.query_row("SELECT count(*) FROM deployment", [], |row| row.get(0))?;
        if unsigned(count) >= limit as u64 {
            return Ok(Created::TooMany);
        }
        insert(&transaction, name, uuid, 1, document, &Origin::asked(by))?;
        let event = outcomes::created(name, uuid, by);
        let (row, event) = commit(transaction, name, event)?;
        self.announce(event);
        Ok(Created::New(row))
    }

    pub(super) fn update(
        &mut self,
        name: &str,
        uuid: Option<&str>,
        expected: u64,
        document: &Document,
        keep: Keep,
        by: &Details,
    ) -> Result<Updated> {
        let transaction = self.connection.transaction()?;
        let Some(existing) = find(&transaction, name)? else {
            return Ok(Updated::NotFound);
        };
        let is_current = is_current(&transaction, name, &document.text)?;
        let change = match outcomes::updated(&existing, uuid, expected, is_current, by) {
            Ok(change) => change,
            Err(refusal) => return Ok(*refusal),
        };
        let origin = Origin::asked(by);
        let number = change.generation;
        replace(&transaction, name, number, document, &origin, keep)?;
        let (row, event) = commit(transaction, name, change.event)?;
        self.announce(event);
        Ok(Updated::New(row))
    }

    pub(super) fn renumber(&mut self, name: &str, above: u64, keep: Keep) -> Result<Option<Row>> {
        let transaction = self.connection.transaction()?;
        let Some(existing) = find(&transaction, name)? else {
            return Ok(None);
        };
        let Some(change) = outcomes::renumbered(&existing, above) else {
            return Ok(Some(existing));
        };
        let document = current(&transaction, name)?;
        let origin = Origin::unasked(&change.remark);
        let number = change.generation;
        replace(&transaction, name, number, &document, &origin, keep)?;
        let (row, event) = commit(transaction, name, change.event)?;
        self.announce(event);
        Ok(Some(row))
    }

    pub(super) fn adopt(
        &mut self,
        name: &str,
        uuid: &str,
        generation: u64,
        document: &Document,
    ) -> Result<Option<Row>> {
        let transaction = self.connection.transaction()?;
        if find(&transaction, name)?.is_some() {
            return Ok(None);
        }
        let Change { remark, event, .. } = outcomes::adopted(name, uuid, generation);
        let origin = Origin::unasked(&remark);
        insert(&transaction, name, uuid, generation, document, &origin)?;
        transaction.execute(
            "UPDATE deployment SET loaded = generation WHERE name = ?1",
            [name],
        )?;
        let (row, event) = commit(transaction, name, event)?;
        self.announce(event);
        Ok(Some(row))
    }

    pub(super) fn take_over(
        &mut self,
        name: &str,
        uuid: &str,
        generation: u64,
        document: &Document,
        keep: Keep,
    ) -> Result<Option<Row>> {
        let transaction = self.connection.transaction()?;
        let Some(existing) = find(&transaction, name)? else {
            return Ok(None);
        };
        let Some(change) = outcomes::taken_over(&existing, uuid, generation) else {
            return Ok(Some(existing));
        };
        let origin = Origin::unasked(&change.remark);
        replace(&transaction, name, generation, document, &origin, keep)?;
        transaction.execute(
            "UPDATE deployment SET loaded = generation, uuid = ?2 WHERE name = ?1",
            params![name, uuid],
        )?;
        let (row, event) = commit(transaction, name, change.event)?;
        self.announce(event);
        Ok(Some(row))
    }

    pub(super) fn destroy(&mut self, name: &str, expected: u64, how: Destroying) -> Result<Marked> {
        let transaction = self.connection.transaction()?;
        let Some(existing) = find(&transaction, name)? else {
            return Ok(Marked::NotFound);
        };
        if expected != 0 && expected != existing.generation {
            return Ok(Marked::Conflict(existing.generation));
        }
        let update = match how {
            Destroying::StopServices => {
                "UPDATE deployment SET destroying = CASE WHEN destroying >= 2 THEN 3 ELSE 1 END WHERE name = ?1"
            }
            Destroying::LeaveServices => "UPDATE deployment SET destroying = 2 WHERE name = ?1",
        };
        transaction.execute(update, [name])?;
        let marked = find(&transaction, name)?;
        transaction.commit()?;
        Ok(marked.map_or(Marked::NotFound, Marked::Now))
    }

    /// Gives a deployment to somebody, durably.
    pub(super) fn set_owner(&mut self, name: &str, owned: &Ownership) -> Result<Option<Row>> {
        self.connection.execute(
            "UPDATE deployment SET owner = ?2, owner_group = ?3 WHERE name = ?1",
            params![name, owned.owner, owned.group],
        )?;
        self.deployment(name)
    }

    /// The DPE has finished unloading (or is given up).
    pub(super) fn unloaded(&mut self, name: &str) -> Result<Option<Row>> {
        self.connection.execute(
            "UPDATE deployment SET unloaded = 1 WHERE name = ?1 AND destroying <> 0",
            [name],
        )?;
        self.deployment(name)
    }

    /// The DPE has taken this generation.
    pub(super) fn loaded(&mut self, name: &str, generation: u64) -> Result<()> {
        self.connection.execute(
            "UPDATE deployment SET loaded = ?2 WHERE name = ?1 AND loaded <> ?2",
            params![name, signed(generation)],
        )?;
        Ok(())
    }

    /// The end of a destroyed deployment: its documents are deleted, the event says so. False if it
    /// was gone already.
    pub(super) fn forget(&mut self, name: &str, addresses: &[String]) -> Result<bool> {
        let transaction = self.connection.transaction()?;
        let row = find(&transaction, name)?;
        let leaves = transaction
            .prepare_cached("SELECT 1 FROM deployment WHERE name = ?1 AND destroying >= 2")?
            .exists([name])?;
        // Without a document no DPE has started anything.
        if row.as_ref().is_some_and(|row| row.loaded > 0) {
            let mut put =
                transaction.prepare_cached("INSERT OR REPLACE INTO left_behind VALUES (?1, ?2)")?;
            let mut take =
                transaction.prepare_cached("DELETE FROM left_behind WHERE address = ?1")?;
            for address in addresses {
                match leaves {
                    true => put.execute((address, name))?,
                    false => take.execute([address])?,
                };
            }
        }
        let deleted = transaction.execute(
            "DELETE FROM deployment WHERE name = ?1 AND destroying <> 0",
            [name],
        )?;
        if deleted == 0 {
            return Ok(false);
        }
        // They may have values, and what resource agents said. Not by the uuid: documents may say
        // the same for several deployments.
        transaction.execute("DELETE FROM given_order WHERE deployment = ?1", [name])?;
        let event = events::append(&transaction, outcomes::forgotten(name))?;
        transaction.commit()?;
        self.announce(event);
        self.cut_log_back();
        Ok(true)
    }

    /// Empties the write-ahead log. What is deleted is overwritten in the database, and its last
    /// pages are still in the log.
    fn cut_log_back(&mut self) {
        let cut = "PRAGMA wal_checkpoint(TRUNCATE)";
        let why = match self.connection.query_row(cut, [], |row| row.get(0)) {
            Ok(0_i64) => None,
            Ok(_) => Some("somebody reads it".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = &why {
            tracing::warn!(
                "what was deleted may still be in the log of the database ({why}); it is tried again"
            );
        }
        self.is_log_uncut = why.is_some();
    }

    /// Does so now if it could not be done before.
    pub(super) fn cut_log_again(&mut self) {
        if self.is_log_uncut {
            self.cut_log_back();
        }
    }

    /// Which of these addresses are of guests in which a destroyed deployment has left its services
    /// running.
    pub(super) fn left_behind(&self, addresses: &[String]) -> Result<Vec<String>> {
        let mut found = self
            .connection
            .prepare_cached("SELECT 1 FROM left_behind WHERE address = ?1")?;
        let mut left = Vec::new();
        for address in addresses {
            if found.exists([address])? {
                left.push(address.clone());
            }
        }
        Ok(left)
    }

    pub(super) fn note_run(&mut self, name: &str, run: &Run, time: u64) -> Result<()> {
        let transaction = self.connection.transaction()?;
        let Some(known) = find(&transaction, name)? else {
            return Ok(());
        };
        let Some(news) = outcomes::runs(&known, "", run, time) else {
            return Ok(());
        };
        transaction.execute(
            "UPDATE deployment SET invocation = ?2, alive = ?3 WHERE name = ?1",
            params![name, news.invocation, news.alive],
        )?;
        let mut recorded = Vec::new();
        for event in news.events {
            recorded.push(events::append(&transaction, event)?);
        }
        transaction.commit()?;
        for event in recorded {
            self.announce(event);
        }
        Ok(())
    }
}

const SELECT: &str = "SELECT name, uuid, generation, created, destroying, unloaded, loaded, invocation, alive, owner, owner_group FROM deployment";

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        name: row.get(0)?,
        uuid: row.get(1)?,
        generation: unsigned(row.get(2)?),
        created: unsigned(row.get(3)?),
        destroying: match row.get::<_, i64>(4)? {
            0 => None,
            2 => Some(Destroying::LeaveServices),
            _ => Some(Destroying::StopServices),
        },
        unloaded: row.get(5)?,
        loaded: unsigned(row.get(6)?),
        invocation: row.get(7)?,
        alive: row.get(8)?,
        host: String::new(),
        state: DeploymentState::Unknown,
        owned: Ownership {
            owner: row.get(9)?,
            group: row.get(10)?,
        },
    })
}

/// Records the event of a change and commits both. Gives the deployment as it is then, and the
/// event as recorded, which is still to be announced.
fn commit(transaction: Transaction<'_>, name: &str, event: Event) -> Result<(Row, Event)> {
    let event = events::append(&transaction, event)?;
    let row = require(&transaction, name)?;
    transaction.commit()?;
    Ok((row, event))
}

fn find(connection: &rusqlite::Connection, name: &str) -> Result<Option<Row>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE name = ?1"))?;
    Ok(statement.query_row([name], row).optional()?)
}

fn require(connection: &rusqlite::Connection, name: &str) -> Result<Row> {
    find(connection, name)?.ok_or(Error::Database(rusqlite::Error::QueryReturnedNoRows))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn store() -> (tempfile::TempDir, Database) {
        let directory = tempfile::tempdir().unwrap();
        let (store, kept) = Database::open(directory.path()).unwrap();
        assert_eq!(kept, None);
        (directory, store)
    }

    #[test]
    fn nothing_is_left_on_disk_of_the_documents_of_what_was_destroyed() {
        let (directory, mut store) = store();
        let long = "canary ".repeat(2_000);
        for text in ["<canary/>", long.as_str()] {
            store
                .create("shop", "u1", &Document::from(text), 20_000, &Details::new())
                .unwrap();
            store.destroy("shop", 0, Destroying::StopServices).unwrap();
            assert!(store.forget("shop", &[]).unwrap());
        }
        for entry in std::fs::read_dir(directory.path()).unwrap().flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            let found = bytes.windows(6).any(|it| it == b"canary");
            assert!(!found, "{}", entry.path().display());
        }
    }

    #[test]
    fn a_log_that_somebody_reads_is_cut_back_later() {
        let (directory, mut store) = store();
        store.connection.busy_timeout(Duration::ZERO).unwrap();
        let text = "canary ".repeat(2_000);
        store
            .create(
                "shop",
                "u1",
                &Document::from(text.as_str()),
                20_000,
                &Details::new(),
            )
            .unwrap();
        let reader = store.reader().unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM deployment")
            .unwrap();
        store.destroy("shop", 0, Destroying::StopServices).unwrap();
        assert!(store.forget("shop", &[]).unwrap());
        let is_there = || {
            let log = std::fs::read(directory.path().join("cpe.db-wal")).unwrap_or_default();
            log.windows(6).any(|it| it == b"canary")
        };
        assert!(is_there(), "it is read");
        store.cut_log_again();
        assert!(is_there(), "still");
        reader.execute_batch("COMMIT").unwrap();
        store.cut_log_again();
        assert!(!is_there());
    }
}
