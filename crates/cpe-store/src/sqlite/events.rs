//! The event log: append once per id, query by cursor, forget what is too old.

use std::collections::BTreeMap;
use std::time::Duration;

use cpe_bus::Event;
use cpe_daemon::now;
use rusqlite::types::Value;
use rusqlite::{
    Connection, OptionalExtension, Row as SqlRow, Transaction, params, params_from_iter,
};

use super::handle::{Database, signed, unsigned};
use crate::error::Result;
use crate::journal::to_journal;
use crate::words::{Filter, Page};

/// Texts of a page, at most, in bytes: a page crosses the bus in one message, and the bus has a
/// limit.
const PAGE_TEXT: usize = 8 << 20;
/// Cursors that one query looks at: with a filter that nothing fits, some tens of milliseconds.
const SCANNED: u64 = 50_000;

/// Who gives the cursors of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cursors {
    /// This database, one after the other.
    Counted,
    /// Somebody else, with gaps.
    Given,
}

/// What was copied of a log that is elsewhere.
const POSITION: &str = "position";

impl Database {
    /// Adds events that have cursors, and notes what was copied.
    pub(super) fn copy(&mut self, events: &[Event], position: u64) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for event in events {
            put(&transaction, event, Some(event.cursor), "OR IGNORE")?;
        }
        transaction.execute(
            "INSERT OR REPLACE INTO setting VALUES (?1, ?2)",
            params![POSITION, position.to_string()],
        )?;
        transaction.commit()?;
        let newest = events.iter().map(|event| event.cursor).max();
        self.tell(newest.unwrap_or(0));
        Ok(())
    }

    pub(super) fn position(&self) -> Result<u64> {
        let found: Option<String> = self
            .connection
            .prepare_cached("SELECT value FROM setting WHERE key = ?1")?
            .query_row([POSITION], |row| row.get(0))
            .optional()?;
        Ok(found.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    pub(super) fn cursor_of(&self, id: &str) -> Result<Option<u64>> {
        let found: Option<i64> = self
            .connection
            .prepare_cached("SELECT cursor FROM event WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        Ok(found.map(unsigned))
    }

    pub(super) fn older(&self, than: u64, after: u64, limit: u32) -> Result<Vec<(u64, String)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT cursor, id FROM event WHERE cursor > ?1 AND recorded < ?2 ORDER BY cursor LIMIT ?3",
        )?;
        let values = params![signed(after), signed(than), limit];
        let rows = statement.query_map(values, |row| Ok((unsigned(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Records an event of another program, durably. The same id again is the same event: its
    /// cursor is returned, nothing is written.
    pub(super) fn record(&mut self, event: Event) -> Result<u64> {
        if let Some(cursor) = self.cursor_of(&event.id)? {
            return Ok(cursor);
        }
        let transaction = self.connection.transaction()?;
        let event = append(&transaction, event)?;
        transaction.commit()?;
        let cursor = event.cursor;
        self.announce(event);
        Ok(cursor)
    }

    /// [`query`] on this connection.
    pub(super) fn query(&self, after: u64, limit: u32, filter: &Filter) -> Result<Page> {
        let head = *self.head.borrow();
        query(&self.connection, (head, self.cursors), after, limit, filter)
    }

    /// Drops events recorded longer than `keep_for` ago, and above `keep_count` the oldest of the
    /// deployment that has most, so that one noisy deployment does not drive out what the others
    /// have to tell. A bounded number at a time; returns how many.
    pub(super) fn prune_events(&mut self, keep_for: Duration, keep_count: u64) -> Result<usize> {
        const AT_ONCE: u64 = 10_000;
        if let Some(oldest) = self.ages.oldest(keep_for) {
            let dropped = self.connection.execute(
                "DELETE FROM event WHERE cursor IN
                 (SELECT cursor FROM event WHERE recorded < ?1 ORDER BY cursor LIMIT ?2)",
                params![signed(oldest), signed(AT_ONCE)],
            )?;
            if dropped > 0 {
                return Ok(dropped);
            }
        }
        let count: i64 = self
            .connection
            .query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
        let excess = unsigned(count).saturating_sub(keep_count).min(AT_ONCE);
        if excess == 0 {
            return Ok(0);
        }
        let mut most = self.connection.prepare_cached(
            "SELECT deployment, count(*) AS events FROM event GROUP BY deployment ORDER BY events DESC LIMIT 2",
        )?;
        let most: Vec<(String, i64)> = most
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let Some((noisiest, events)) = most.first() else {
            return Ok(0);
        };
        // Down to the next one at most, and then both in turns.
        let next = most.get(1).map_or(0, |(_, events)| *events);
        let drop = excess.min(unsigned(events - next).max(1));
        Ok(self.connection.execute(
            "DELETE FROM event WHERE cursor IN
             (SELECT cursor FROM event WHERE deployment = ?1 ORDER BY cursor LIMIT ?2)",
            params![noisiest, signed(drop)],
        )?)
    }

    /// After the commit: the journal, and whoever waits for news.
    pub(super) fn announce(&self, event: Event) {
        to_journal(&event);
        self.tell(event.cursor);
    }

    fn tell(&self, cursor: u64) {
        self.head.send_if_modified(|head| {
            let newer = cursor > *head;
            *head = cursor.max(*head);
            if newer {
                self.mark.write(cursor);
            }
            newer
        });
    }
}

/// At most `limit` events after the cursor, oldest first. Of a long log a part is looked at; the
/// page says how far.
pub(super) fn query(
    connection: &Connection,
    (head, cursors): (u64, Cursors),
    after: u64,
    limit: u32,
    filter: &Filter,
) -> Result<Page> {
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(cursor) FROM event")?
        .query_row([], |row| row.get(0))?;
    let before_oldest = oldest.map_or(head, unsigned).saturating_sub(1);
    let from = after.max(before_oldest);
    let end = match cursors {
        Cursors::Counted => from.saturating_add(SCANNED),
        Cursors::Given => nth_after(connection, from)?.unwrap_or(u64::MAX >> 1),
    };
    let (sql, values) = statement(after, end, limit, filter);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut events = Vec::new();
    let mut text = 0;
    while let Some(row) = rows.next()? {
        let event = event(row)?;
        text += weight(&event);
        events.push(event);
        if text >= PAGE_TEXT {
            break;
        }
    }
    let next = match events.last() {
        Some(last) if events.len() >= limit as usize || text >= PAGE_TEXT => last.cursor,
        // Everything that fits was found up to there: it need not be looked at again.
        _ => end.min(head).max(after),
    };
    Ok(Page { events, next })
}

/// The cursor up to which there are [`SCANNED`] events, if there are so many.
fn nth_after(connection: &Connection, cursor: u64) -> Result<Option<u64>> {
    let found: Option<i64> = connection
        .prepare_cached(
            "SELECT cursor FROM event WHERE cursor > ?1 ORDER BY cursor LIMIT 1 OFFSET ?2",
        )?
        .query_row([signed(cursor), signed(SCANNED - 1)], |row| row.get(0))
        .optional()?;
    Ok(found.map(unsigned))
}

/// The query as SQL, with its values.
fn statement(after: u64, end: u64, limit: u32, filter: &Filter) -> (String, Vec<Value>) {
    let mut sql = String::from(
        "SELECT cursor, id, time, kind, deployment, assembly, service, state, reason, details FROM event
         WHERE cursor > ?1 AND cursor <= ?2",
    );
    let mut values = vec![Value::Integer(signed(after)), Value::Integer(signed(end))];
    let mut condition = |text: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" AND {text} ?{}", values.len()));
    };
    for (column, wanted) in [
        ("deployment =", &filter.deployment),
        ("assembly =", &filter.assembly),
        ("service =", &filter.service),
        ("kind GLOB", &filter.kind),
    ] {
        if !wanted.is_empty() {
            condition(column, Value::Text(wanted.clone()));
        }
    }
    if let Some(since) = filter.since {
        condition("time >=", Value::Integer(signed(since)));
    }
    if let Some(until) = filter.until {
        condition("time <", Value::Integer(signed(until)));
    }
    sql.push_str(&format!(" ORDER BY cursor LIMIT {limit}"));
    (sql, values)
}

/// Writes an event as part of a change; returns it with its cursor, to be announced after the
/// commit.
pub(super) fn append(transaction: &Transaction<'_>, mut event: Event) -> Result<Event> {
    put(transaction, &event, None, "")?;
    event.cursor = unsigned(transaction.last_insert_rowid());
    Ok(event)
}

fn put(
    transaction: &Transaction<'_>,
    event: &Event,
    cursor: Option<u64>,
    conflict: &str,
) -> Result<()> {
    let sql = format!(
        "INSERT {conflict} INTO event (id, time, kind, deployment, assembly, service, state, reason, details, recorded, cursor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    transaction.prepare_cached(&sql)?.execute(params![
        event.id,
        signed(event.time),
        event.kind,
        event.deployment,
        event.assembly,
        event.service,
        event.state,
        event.reason,
        serde_json::to_string(&event.details)?,
        signed(now()),
        cursor.map(signed),
    ])?;
    Ok(())
}

/// Bytes of the texts that may be long.
fn weight(event: &Event) -> usize {
    let details: usize = event
        .details
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    256 + event.reason.len() + details
}

fn event(row: &SqlRow<'_>) -> Result<Event> {
    let details: String = row.get(9)?;
    let details: BTreeMap<String, String> = serde_json::from_str(&details)?;
    Ok(Event {
        cursor: unsigned(row.get(0)?),
        id: row.get(1)?,
        time: unsigned(row.get(2)?),
        kind: row.get(3)?,
        deployment: row.get(4)?,
        assembly: row.get(5)?,
        service: row.get(6)?,
        state: row.get(7)?,
        reason: row.get(8)?,
        details,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Database) {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Database::open(directory.path()).unwrap();
        (directory, store)
    }

    fn sample(id: &str, kind: &str, service: &str) -> Event {
        Event {
            id: id.into(),
            time: now(),
            kind: kind.into(),
            service: service.into(),
            ..Event::default()
        }
    }

    #[test]
    fn a_page_of_long_events_ends_early_and_leaves_nothing_out() {
        let (_directory, mut store) = store();
        for n in 0..5 {
            let mut event = sample(&format!("e{n}"), "service.failed", "db");
            event.reason = "x".repeat(PAGE_TEXT / 2);
            store.record(event).unwrap();
        }
        let mut seen = Vec::new();
        let mut after = 0;
        loop {
            let page = store.query(after, 100, &Filter::default()).unwrap();
            assert!(page.events.len() <= 2);
            if page.events.is_empty() {
                break;
            }
            seen.extend(page.events.into_iter().map(|event| event.id));
            after = page.next;
        }
        assert_eq!(seen, ["e0", "e1", "e2", "e3", "e4"]);
    }

    #[test]
    fn a_query_that_nothing_fits_looks_at_a_part_of_the_log_only() {
        let (_directory, mut store) = store();
        store.record(sample("first", "dpe.died", "")).unwrap();
        let far = signed(5 * SCANNED / 2);
        let moved = "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'event'";
        store.connection.execute(moved, [far]).unwrap();
        store.record(sample("last", "dpe.died", "")).unwrap();
        let nothing = Filter {
            service: "web".into(),
            ..Filter::default()
        };
        let mut looks = vec![0];
        loop {
            let after = looks[looks.len() - 1];
            let page = store.query(after, 10, &nothing).unwrap();
            assert_eq!(page.events, []);
            if page.next == after {
                break;
            }
            looks.push(page.next);
        }
        assert_eq!(looks, [0, SCANNED, 2 * SCANNED, 5 * SCANNED / 2 + 1]);
        // What is not there any more is not looked at.
        store.prune_events(Duration::from_secs(3600), 1).unwrap();
        let page = store.query(0, 10, &nothing).unwrap();
        assert_eq!(page.next, 5 * SCANNED / 2 + 1);
    }

    #[test]
    fn a_noisy_deployment_does_not_drive_out_the_events_of_the_others() {
        let (_directory, mut store) = store();
        for n in 0..100 {
            let mut event = sample(&format!("e{n}"), "service.failed", "");
            event.deployment = if n < 3 { "quiet" } else { "noisy" }.into();
            store.record(event).unwrap();
        }
        let year = Duration::from_secs(365 * 86400);
        while store.prune_events(year, 10).unwrap() > 0 {}
        let page = store.query(0, 100, &Filter::default()).unwrap();
        let quiet = page.events.iter().filter(|e| e.deployment == "quiet");
        assert_eq!((page.events.len(), quiet.count()), (10, 3));
    }

    #[test]
    fn a_clock_that_was_set_makes_no_event_old() {
        let (directory, mut store) = store();
        let year = Duration::from_secs(365 * 86400);
        for n in 0..3 {
            store
                .record(sample(&format!("e{n}"), "dpe.died", ""))
                .unwrap();
        }
        // As if it had been set to ten years later while the daemon did not run.
        let set = "UPDATE event SET recorded = recorded - ?1";
        let by = i64::try_from(10 * year.as_micros()).unwrap();
        store.connection.execute(set, [by]).unwrap();
        drop(store);
        let (mut store, _) = Database::open(directory.path()).unwrap();
        assert_eq!(store.prune_events(year, 100).unwrap(), 0);
        assert_eq!(
            store.prune_events(year, 2).unwrap(),
            1,
            "their number is still bounded"
        );
        store.record(sample("later", "dpe.died", "")).unwrap();
        drop(store);
        let (mut store, _) = Database::open(directory.path()).unwrap();
        assert_eq!(store.prune_events(year, 100).unwrap(), 2, "it went on");
    }

    #[test]
    fn retention_drops_the_oldest_and_cursors_are_never_used_again() {
        let (directory, mut store) = store();
        for n in 0..10 {
            store
                .record(sample(&format!("e{n}"), "dpe.died", ""))
                .unwrap();
        }
        let year = Duration::from_secs(365 * 86400);
        while store.prune_events(year, 4).unwrap() > 0 {}
        assert_eq!(
            store.query(0, 100, &Filter::default()).unwrap().events[0].cursor,
            7
        );
        assert_eq!(store.prune_events(Duration::ZERO, 4).unwrap(), 4);
        drop(store);
        let (mut store, _) = Database::open(directory.path()).unwrap();
        assert_eq!(store.record(sample("later", "dpe.died", "")).unwrap(), 11);
    }
}
