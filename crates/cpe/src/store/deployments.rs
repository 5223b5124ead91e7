//! Deployments, and what changes their documents.

use std::collections::BTreeMap;

use cpe_bus::{Event, EventKind};
use cpe_status::DeploymentState;
use rusqlite::{OptionalExtension, Row as SqlRow, Transaction, params};

use super::documents::{Keep, Origin, Text, current, insert, is_current, replace};
use super::{Error, Result, Store, events, signed, unsigned};
use crate::events::new as event;
use crate::rights::Ownership;

/// What the store knows of one deployment; its documents are read when needed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub name: String,
    pub uuid: String,
    /// Generation of the current document.
    pub generation: u64,
    /// Microseconds since the Unix epoch.
    pub created: u64,
    pub destroying: Option<Destroying>,
    /// Its DPE has finished unloading: what is left is to stop the unit and to forget.
    pub unloaded: bool,
    /// Last generation that its DPE has taken; 0: none yet.
    pub loaded: u64,
    /// The unit's run that the event log told of last.
    pub invocation: String,
    /// Whether that run is going on as far as the event log knows.
    pub alive: bool,
    /// Whose it is: of who created it, until an administrator says otherwise.
    pub owned: Ownership,
}

/// What becomes of the services of a deployment that is being destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destroying {
    StopServices,
    LeaveServices,
}

/// Details of an event, by name.
pub(crate) type Details = BTreeMap<String, String>;

/// What came of a request to create.
#[derive(Debug, PartialEq)]
pub(crate) enum Created {
    New(Row),
    /// The same document was there already.
    Same(Row),
    /// Another document has that name; its generation.
    Other(u64),
    BeingDestroyed,
    /// The host's limit of deployments is reached.
    TooMany,
}

/// What came of a request to change.
#[derive(Debug, PartialEq)]
pub(crate) enum Updated {
    New(Row),
    /// The document is the current one already.
    Same(u64),
    /// The current generation is not the expected one.
    Conflict(u64),
    /// Its uuid is another: a different deployment under the same name.
    OtherUuid(String),
    BeingDestroyed,
    NotFound,
}

/// What came of marking a deployment as to be destroyed.
#[derive(Debug, PartialEq)]
pub(crate) enum Marked {
    Now(Row),
    /// The current generation is not the expected one.
    Conflict(u64),
    NotFound,
}

/// What systemd says of the unit, as far as the event log cares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Run {
    /// This run of the unit is going on; the process that serves it. Whether the one before was
    /// stopped by somebody, if nobody has seen it end.
    Alive {
        invocation: String,
        pid: u32,
        after_stop: bool,
    },
    /// No run is going on; why the last one ended, and whether somebody has stopped it.
    Ended { cause: String, stopped: bool },
}

impl Store {
    pub(crate) fn deployments(&self) -> Result<Vec<Row>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{SELECT} ORDER BY name"))?;
        let rows = statement.query_map([], row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(crate) fn deployment(&self, name: &str) -> Result<Option<Row>> {
        find(&self.connection, name)
    }

    /// Durable when it returns. At most `limit` deployments are kept. `by` says who asked.
    pub(crate) fn create<'a>(
        &mut self,
        name: &str,
        uuid: &str,
        document: impl Into<Text<'a>>,
        limit: usize,
        by: &Details,
    ) -> Result<Created> {
        let document = document.into();
        let transaction = self.connection.transaction()?;
        if let Some(existing) = find(&transaction, name)? {
            return Ok(if existing.destroying.is_some() {
                Created::BeingDestroyed
            } else if is_current(&transaction, name, document.text)? {
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
        let event = Event {
            state: DeploymentState::Stored.as_str().into(),
            details: [
                ("generation".to_owned(), "1".to_owned()),
                ("uuid".to_owned(), uuid.to_owned()),
            ]
            .into_iter()
            .chain(by.clone())
            .collect(),
            ..event(EventKind::DeploymentCreated, name)
        };
        let (row, event) = commit(transaction, name, event)?;
        self.announce(event);
        Ok(Created::New(row))
    }

    /// Durable when it returns. `uuid` is the document's, if it says one. `expected` 0 means
    /// whichever generation is current. Older documents are dropped
    /// beyond `keep`.
    pub(crate) fn update<'a>(
        &mut self,
        name: &str,
        uuid: Option<&str>,
        expected: u64,
        document: impl Into<Text<'a>>,
        keep: Keep,
        by: &Details,
    ) -> Result<Updated> {
        let document = document.into();
        let transaction = self.connection.transaction()?;
        let Some(existing) = find(&transaction, name)? else {
            return Ok(Updated::NotFound);
        };
        if existing.destroying.is_some() {
            return Ok(Updated::BeingDestroyed);
        }
        if uuid.is_some_and(|uuid| uuid != existing.uuid) {
            return Ok(Updated::OtherUuid(existing.uuid));
        }
        // A caller whose reply was lost asks again with the expectation that it fulfilled itself.
        let fits = expected == 0 || expected == existing.generation;
        if (fits || expected + 1 == existing.generation)
            && is_current(&transaction, name, document.text)?
        {
            return Ok(Updated::Same(existing.generation));
        }
        if !fits {
            return Ok(Updated::Conflict(existing.generation));
        }
        let generation = existing.generation + 1;
        replace(
            &transaction,
            name,
            generation,
            document,
            &Origin::asked(by),
            keep,
        )?;
        let event = Event {
            details: [
                ("generation".to_owned(), generation.to_string()),
                ("previous".to_owned(), existing.generation.to_string()),
            ]
            .into_iter()
            .chain(by.clone())
            .collect(),
            ..event(EventKind::DeploymentModified, name)
        };
        let (row, event) = commit(transaction, name, event)?;
        self.announce(event);
        Ok(Updated::New(row))
    }

    /// A DPE holds a newer generation than the one that an administrator stored last: the database
    /// was lost or replaced by a backup before that. The stored document is the latest word: it
    /// becomes the generation after the DPE's.
    pub(crate) fn renumber(&mut self, name: &str, above: u64, keep: Keep) -> Result<Option<Row>> {
        let transaction = self.connection.transaction()?;
        let Some(existing) = find(&transaction, name)? else {
            return Ok(None);
        };
        if existing.generation > above {
            return Ok(Some(existing));
        }
        let (text, claims) = current(&transaction, name)?;
        let next = above.saturating_add(1);
        let reason = format!(
            "its DPE holds generation {above}, but generation {} was stored since the database was lost or restored: the stored \
             document counts",
            existing.generation
        );
        let origin = Origin::unasked(&reason);
        let document = Text {
            text: &text,
            claims: &claims,
        };
        replace(&transaction, name, next, document, &origin, keep)?;
        let event = Event {
            reason,
            details: [
                ("generation".to_owned(), next.to_string()),
                ("previous".to_owned(), existing.generation.to_string()),
            ]
            .into(),
            ..event(EventKind::DeploymentModified, name)
        };
        let (row, event) = commit(transaction, name, event)?;
        self.announce(event);
        Ok(Some(row))
    }

    /// Takes over a deployment that a running DPE holds and the store has lost. Returns `None` if
    /// the name is known.
    pub(crate) fn adopt<'a>(
        &mut self,
        name: &str,
        uuid: &str,
        generation: u64,
        document: impl Into<Text<'a>>,
    ) -> Result<Option<Row>> {
        let transaction = self.connection.transaction()?;
        if find(&transaction, name)?.is_some() {
            return Ok(None);
        }
        let reason = "taken over from its running DPE; the database did not know it";
        let origin = Origin::unasked(reason);
        insert(
            &transaction,
            name,
            uuid,
            generation,
            document.into(),
            &origin,
        )?;
        transaction.execute(
            "UPDATE deployment SET loaded = generation WHERE name = ?1",
            [name],
        )?;
        let event = Event {
            reason: reason.into(),
            details: [
                ("generation".to_owned(), generation.to_string()),
                ("uuid".to_owned(), uuid.to_owned()),
                ("adopted".to_owned(), "yes".to_owned()),
            ]
            .into(),
            ..event(EventKind::DeploymentCreated, name)
        };
        let (row, event) = commit(transaction, name, event)?;
        self.announce(event);
        Ok(Some(row))
    }

    /// Takes over the document of a DPE that has a newer generation than the store, whose database
    /// was replaced by a backup: what runs now is in force. `None` if the name is unknown.
    pub(crate) fn take_over<'a>(
        &mut self,
        name: &str,
        uuid: &str,
        generation: u64,
        document: impl Into<Text<'a>>,
        keep: Keep,
    ) -> Result<Option<Row>> {
        let transaction = self.connection.transaction()?;
        let Some(existing) = find(&transaction, name)? else {
            return Ok(None);
        };
        if existing.generation >= generation || existing.destroying.is_some() {
            return Ok(Some(existing));
        }
        let reason = format!(
            "taken over from its running DPE, because the database is a backup that holds generation {} only",
            existing.generation
        );
        let origin = Origin::unasked(&reason);
        replace(
            &transaction,
            name,
            generation,
            document.into(),
            &origin,
            keep,
        )?;
        transaction.execute(
            "UPDATE deployment SET loaded = generation, uuid = ?2 WHERE name = ?1",
            params![name, uuid],
        )?;
        let event = Event {
            reason,
            details: [
                ("generation".to_owned(), generation.to_string()),
                ("previous".to_owned(), existing.generation.to_string()),
                ("uuid".to_owned(), uuid.to_owned()),
                ("adopted".to_owned(), "yes".to_owned()),
            ]
            .into(),
            ..event(EventKind::DeploymentModified, name)
        };
        let (row, event) = commit(transaction, name, event)?;
        self.announce(event);
        Ok(Some(row))
    }

    /// Marks a deployment as to be destroyed, durably, if it is at the expected generation (0: at
    /// any). Asked again, the later answer counts while
    /// its DPE has not finished: that is how an administrator gives up waiting for services that
    /// cannot be stopped. Who asks to stop after all may come too late, which is remembered: then
    /// services may still run.
    pub(crate) fn destroy(&mut self, name: &str, expected: u64, how: Destroying) -> Result<Marked> {
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
    pub(crate) fn set_owner(&mut self, name: &str, owned: &Ownership) -> Result<Option<Row>> {
        self.connection.execute(
            "UPDATE deployment SET owner = ?2, owner_group = ?3 WHERE name = ?1",
            params![name, owned.owner, owned.group],
        )?;
        self.deployment(name)
    }

    /// The DPE has finished unloading (or is given up).
    pub(crate) fn unloaded(&mut self, name: &str) -> Result<Option<Row>> {
        self.connection.execute(
            "UPDATE deployment SET unloaded = 1 WHERE name = ?1 AND destroying <> 0",
            [name],
        )?;
        self.deployment(name)
    }

    /// The DPE has taken this generation.
    pub(crate) fn loaded(&mut self, name: &str, generation: u64) -> Result<()> {
        self.connection.execute(
            "UPDATE deployment SET loaded = ?2 WHERE name = ?1 AND loaded <> ?2",
            params![name, signed(generation)],
        )?;
        Ok(())
    }

    /// The end of a destroyed deployment: its documents are deleted, the event says so. False if it
    /// was gone already.
    pub(crate) fn forget(&mut self, name: &str, addresses: &[String]) -> Result<bool> {
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
        // They may have values, and what resource agents said.
        transaction.execute(
            "DELETE FROM given_order WHERE uuid = ?1",
            [row.map_or_else(String::new, |row| row.uuid)],
        )?;
        let event = events::append(&transaction, event(EventKind::DeploymentDestroyed, name))?;
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
    pub(crate) fn cut_log_again(&mut self) {
        if self.is_log_uncut {
            self.cut_log_back();
        }
    }

    /// Which of these addresses are of guests in which a destroyed deployment has left its services
    /// running.
    pub(crate) fn left_behind(&self, addresses: &[String]) -> Result<Vec<String>> {
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

    /// Tells the event log how the DPE is doing: started, stopped or died, restarted, each run and
    /// each end exactly once, also those that happened while no CPE was there to see them. `time` is when it
    /// was seen, in microseconds since the Unix epoch.
    pub(crate) fn note_run(&mut self, name: &str, run: &Run, time: u64) -> Result<()> {
        let transaction = self.connection.transaction()?;
        let Some(known) = find(&transaction, name)? else {
            return Ok(());
        };
        let mut news = Vec::new();
        let event = |kind, name: &str| Event::new(kind, name, time);
        let ended = |cause: &str, stopped: bool| {
            let (kind, state) = match stopped {
                true => (EventKind::DpeStopped, "stopped"),
                false => (EventKind::DpeDied, "dead"),
            };
            Event {
                state: state.into(),
                reason: cause.into(),
                details: [("invocation".to_owned(), known.invocation.clone())].into(),
                ..event(kind, name)
            }
        };
        match run {
            Run::Alive {
                invocation,
                pid,
                after_stop,
            } if *invocation != known.invocation => {
                if known.alive {
                    let cause = match after_stop {
                        true => "its unit was restarted",
                        false => "its end was not seen; a new run was found",
                    };
                    news.push(ended(cause, *after_stop));
                }
                let kind = if known.invocation.is_empty() {
                    EventKind::DpeStarted
                } else {
                    EventKind::DpeRestarted
                };
                news.push(Event {
                    state: "running".into(),
                    details: [
                        ("invocation".to_owned(), invocation.clone()),
                        ("pid".to_owned(), pid.to_string()),
                    ]
                    .into(),
                    ..event(kind, name)
                });
                transaction.execute(
                    "UPDATE deployment SET invocation = ?2, alive = 1 WHERE name = ?1",
                    params![name, invocation],
                )?;
            }
            Run::Ended { cause, stopped } if known.alive => {
                news.push(ended(cause, *stopped));
                transaction.execute("UPDATE deployment SET alive = 0 WHERE name = ?1", [name])?;
            }
            Run::Alive { .. } | Run::Ended { .. } => return Ok(()),
        }
        let mut recorded = Vec::new();
        for event in news {
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
    use crate::store::Filter;

    const KEEP: Keep = Keep {
        generations: 10,
        bytes: 1 << 20,
    };

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let (store, kept) = Store::open(directory.path()).unwrap();
        assert_eq!(kept, None);
        (directory, store)
    }

    fn kinds(store: &Store) -> Vec<String> {
        let page = store.query(0, 1000, &Filter::default()).unwrap();
        page.events.into_iter().map(|event| event.kind).collect()
    }

    #[test]
    fn the_same_document_twice_is_one_deployment_one_generation_and_one_event() {
        let (_directory, mut store) = store();
        assert!(
            matches!(store.create("shop", "u1", "<a/>", 10, &Details::new()).unwrap(), Created::New(row) if row.generation == 1)
        );
        assert!(
            matches!(store.create("shop", "u1", "<a/>", 10, &Details::new()).unwrap(), Created::Same(row) if row.generation == 1)
        );
        assert_eq!(
            store
                .create("shop", "u1", "<b/>", 10, &Details::new())
                .unwrap(),
            Created::Other(1)
        );
        assert_eq!(store.deployments().unwrap().len(), 1);
        assert_eq!(kinds(&store), ["deployment.created"]);
    }

    #[test]
    fn a_deployment_is_of_who_created_it_until_it_is_given_away() {
        let (directory, mut store) = store();
        let alice: Details = [("caller_principal".to_owned(), "user:alice".to_owned())].into();
        let bob: Details = [("caller_principal".to_owned(), "user:bob".to_owned())].into();
        let owner = |store: &Store| store.deployment("shop").unwrap().unwrap().owned;
        store.create("shop", "u1", "<a/>", 10, &alice).unwrap();
        assert_eq!(owner(&store).owner, "user:alice");
        store.create("shop", "u1", "<a/>", 10, &bob).unwrap();
        store.update("shop", None, 0, "<b/>", KEEP, &bob).unwrap();
        assert_eq!(owner(&store).owner, "user:alice");
        let given = Ownership {
            owner: "token:ci".to_owned(),
            group: "ops".to_owned(),
        };
        let row = store.set_owner("shop", &given).unwrap().unwrap();
        assert_eq!(row.owned, given);
        assert_eq!(store.set_owner("none", &given).unwrap(), None);
        drop(store);
        let (mut store, _) = Store::open(directory.path()).unwrap();
        assert_eq!(owner(&store), given);
        // What nobody asked for is nobody's.
        let adopted = store.adopt("wiki", "u2", 7, "<c/>").unwrap().unwrap();
        assert_eq!(adopted.owned, Ownership::default());
    }

    #[test]
    fn an_update_needs_the_expected_generation_and_may_be_repeated() {
        let (_directory, mut store) = store();
        store
            .create("shop", "u1", "<a/>", 10, &Details::new())
            .unwrap();
        assert!(
            matches!(store.update("shop", Some("u1"), 1, "<b/>", KEEP, &Details::new()).unwrap(), Updated::New(row) if row.generation == 2)
        );
        // The reply was lost, the caller asks again.
        assert_eq!(
            store
                .update("shop", Some("u1"), 1, "<b/>", KEEP, &Details::new())
                .unwrap(),
            Updated::Same(2)
        );
        assert_eq!(
            store
                .update("shop", Some("u1"), 2, "<b/>", KEEP, &Details::new())
                .unwrap(),
            Updated::Same(2)
        );
        assert_eq!(
            store
                .update("shop", Some("u1"), 1, "<c/>", KEEP, &Details::new())
                .unwrap(),
            Updated::Conflict(2)
        );
        assert_eq!(
            store
                .update("shop", Some("u1"), 7, "<b/>", KEEP, &Details::new())
                .unwrap(),
            Updated::Conflict(2)
        );
        assert!(
            matches!(store.update("shop", Some("u1"), 0, "<c/>", KEEP, &Details::new()).unwrap(), Updated::New(row) if row.generation == 3)
        );
        assert_eq!(
            store
                .update("shop", Some("u2"), 0, "<c/>", KEEP, &Details::new())
                .unwrap(),
            Updated::OtherUuid("u1".into())
        );
        assert_eq!(
            store
                .update("none", None, 0, "<c/>", KEEP, &Details::new())
                .unwrap(),
            Updated::NotFound
        );
        assert_eq!(store.document("shop", 0).unwrap(), Some(("<c/>".into(), 3)));
        assert_eq!(store.document("shop", 1).unwrap(), Some(("<a/>".into(), 1)));
        assert_eq!(store.document("shop", 9).unwrap(), None);
        assert_eq!(
            kinds(&store),
            [
                "deployment.created",
                "deployment.modified",
                "deployment.modified"
            ]
        );
    }

    #[test]
    fn where_services_were_left_is_remembered_until_a_deployment_has_stopped_them() {
        let (_directory, mut store) = store();
        let guests = ["unix:/a".to_owned(), "unix:/b".to_owned()];
        let by = Details::new();
        let destroy = |store: &mut Store, loaded: u64, how, guests: &[String]| {
            store.create("shop", "u1", "<a/>", 10, &by).unwrap();
            store.loaded("shop", loaded).unwrap();
            store.destroy("shop", 0, how).unwrap();
            assert!(store.forget("shop", guests).unwrap());
        };
        destroy(&mut store, 0, Destroying::LeaveServices, &guests);
        assert!(store.left_behind(&guests).unwrap().is_empty());
        destroy(&mut store, 1, Destroying::LeaveServices, &guests);
        assert_eq!(store.left_behind(&guests).unwrap(), guests);
        destroy(&mut store, 1, Destroying::StopServices, &guests[..1]);
        assert_eq!(store.left_behind(&guests).unwrap(), guests[1..]);
        // Whoever wants them to be stopped after all may be too late.
        store.create("shop", "u1", "<a/>", 10, &by).unwrap();
        store.loaded("shop", 1).unwrap();
        store.destroy("shop", 0, Destroying::LeaveServices).unwrap();
        let marked = store.destroy("shop", 0, Destroying::StopServices).unwrap();
        let Marked::Now(row) = marked else {
            panic!("{marked:?}");
        };
        assert_eq!(row.destroying, Some(Destroying::StopServices));
        assert!(store.forget("shop", &guests).unwrap());
        assert_eq!(store.left_behind(&guests).unwrap(), guests);
    }

    #[test]
    fn nothing_is_left_on_disk_of_the_documents_of_what_was_destroyed() {
        let (directory, mut store) = store();
        let long = "canary ".repeat(2_000);
        for text in ["<canary/>", long.as_str()] {
            store
                .create("shop", "u1", text, 20_000, &Details::new())
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
            .create("shop", "u1", text.as_str(), 20_000, &Details::new())
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

    #[test]
    fn a_deployment_that_is_being_destroyed_can_be_neither_created_nor_changed_until_it_is_gone() {
        let (_directory, mut store) = store();
        store
            .create("shop", "u1", "<a/>", 10, &Details::new())
            .unwrap();
        assert!(
            !store.forget("shop", &[]).unwrap(),
            "only what was marked may be forgotten"
        );
        store.destroy("shop", 0, Destroying::StopServices).unwrap();
        assert_eq!(
            store
                .create("shop", "u1", "<a/>", 10, &Details::new())
                .unwrap(),
            Created::BeingDestroyed
        );
        assert_eq!(
            store
                .update("shop", Some("u1"), 0, "<b/>", KEEP, &Details::new())
                .unwrap(),
            Updated::BeingDestroyed
        );
        let other = store.destroy("shop", 2, Destroying::LeaveServices);
        assert_eq!(other.unwrap(), Marked::Conflict(1));
        let marked = store.destroy("shop", 1, Destroying::LeaveServices);
        let Marked::Now(row) = marked.unwrap() else {
            panic!("it is at generation 1");
        };
        assert_eq!(row.destroying, Some(Destroying::LeaveServices));
        let none = store.destroy("mail", 1, Destroying::LeaveServices);
        assert_eq!(none.unwrap(), Marked::NotFound);
        assert!(store.forget("shop", &[]).unwrap());
        assert!(!store.forget("shop", &[]).unwrap());
        assert!(
            matches!(store.create("shop", "u1", "<a/>", 10, &Details::new()).unwrap(), Created::New(row) if row.generation == 1)
        );
        assert_eq!(
            kinds(&store),
            [
                "deployment.created",
                "deployment.destroyed",
                "deployment.created"
            ]
        );
    }

    #[test]
    fn the_host_has_a_limit_of_deployments() {
        let (_directory, mut store) = store();
        store.create("a", "u1", "<a/>", 1, &Details::new()).unwrap();
        assert_eq!(
            store.create("b", "u2", "<b/>", 1, &Details::new()).unwrap(),
            Created::TooMany
        );
        assert!(matches!(
            store.create("a", "u1", "<a/>", 1, &Details::new()).unwrap(),
            Created::Same(_)
        ));
    }

    #[test]
    fn each_run_and_each_death_of_a_dpe_is_told_once_also_after_a_restart_of_the_cpe() {
        let (directory, mut store) = store();
        store
            .create("shop", "u1", "<a/>", 10, &Details::new())
            .unwrap();
        let began = |invocation: &str, after_stop| Run::Alive {
            invocation: invocation.into(),
            pid: 7,
            after_stop,
        };
        let alive = |invocation| began(invocation, false);
        let ended = Run::Ended {
            cause: "killed by signal 9".into(),
            stopped: false,
        };
        let stopped = Run::Ended {
            cause: "exited with status 0".into(),
            stopped: true,
        };
        store.note_run("shop", &ended, 7).unwrap();
        store.note_run("shop", &alive("r1"), 7).unwrap();
        store.note_run("shop", &alive("r1"), 7).unwrap();
        store.note_run("shop", &ended, 7).unwrap();
        store.note_run("shop", &ended, 7).unwrap();
        store.note_run("shop", &alive("r2"), 7).unwrap();
        drop(store);
        let (mut store, _) = Store::open(directory.path()).unwrap();
        store.note_run("shop", &alive("r2"), 7).unwrap();
        store.note_run("shop", &alive("r3"), 7).unwrap();
        store.note_run("shop", &stopped, 7).unwrap();
        // How the one before ended is known.
        store.note_run("shop", &began("r4", true), 7).unwrap();
        store.note_run("shop", &began("r5", true), 7).unwrap();
        store.note_run("shop", &ended, 7).unwrap();
        store.note_run("shop", &began("r6", true), 7).unwrap();
        assert_eq!(
            kinds(&store)[1..],
            [
                "dpe.started",
                "dpe.died",
                "dpe.restarted",
                "dpe.died",
                "dpe.restarted",
                "dpe.stopped",
                "dpe.restarted",
                "dpe.stopped",
                "dpe.restarted",
                "dpe.died",
                "dpe.restarted"
            ]
        );
    }

    #[test]
    fn what_was_stored_after_a_loss_is_numbered_above_what_the_dpe_holds() {
        let (_directory, mut store) = store();
        store
            .create("shop", "u1", "<a/>", 10, &Details::new())
            .unwrap();
        assert_eq!(
            store.renumber("shop", 7, KEEP).unwrap().unwrap().generation,
            8
        );
        assert_eq!(
            store.renumber("shop", 7, KEEP).unwrap().unwrap().generation,
            8
        );
        assert_eq!(store.document("shop", 0).unwrap(), Some(("<a/>".into(), 8)));
    }
    #[test]
    fn a_restored_backup_takes_over_what_its_dpe_holds() {
        let (_directory, mut store) = store();
        store
            .create("shop", "u1", "<a/>", 10, &Details::new())
            .unwrap();
        store.loaded("shop", 1).unwrap();
        let row = store
            .take_over("shop", "u2", 7, "<g/>", KEEP)
            .unwrap()
            .unwrap();
        assert_eq!(
            (row.generation, row.loaded, row.uuid.as_str()),
            (7, 7, "u2")
        );
        assert_eq!(store.document("shop", 0).unwrap(), Some(("<g/>".into(), 7)));
        let again = store
            .take_over("shop", "u2", 7, "<h/>", KEEP)
            .unwrap()
            .unwrap();
        assert_eq!(again.generation, 7);
        assert_eq!(store.document("shop", 0).unwrap(), Some(("<g/>".into(), 7)));
        assert_eq!(store.take_over("none", "u", 1, "<a/>", KEEP).unwrap(), None);
    }
}
