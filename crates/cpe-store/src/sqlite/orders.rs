//! Orders with an id. Each is stored before anything is done, so that it is done once however often
//! it is sent, and so that nobody has to guess what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use cpe_daemon::now;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::handle::{Database, signed, unsigned};
use crate::error::Result;
use crate::outcomes;
use crate::words::orders::{LIFE, MOST, MOST_EACH};
use crate::words::{Ending, Given, OrderKey, Taken};

impl Database {
    /// Forgets orders that are older than a week. One that was given in what is the future now, by
    /// a clock that was set back since, is kept for a week from now.
    pub(super) fn prune_orders(&mut self) -> Result<()> {
        let Some(oldest) = self.ages.oldest(Duration::from_micros(LIFE)) else {
            return Ok(());
        };
        let now = signed(oldest.saturating_add(LIFE));
        self.connection
            .execute("UPDATE given_order SET begun = ?1 WHERE begun > ?1", [now])?;
        let oldest = signed(oldest);
        self.connection.execute(
            "DELETE FROM given_order WHERE begun < ?1 AND state <> 0",
            [oldest],
        )?;
        Ok(())
    }

    /// Takes an order, durably.
    pub(super) fn take_order(&mut self, wanted: Given) -> Result<Taken> {
        self.prune_orders()?;
        let cursor = *self.head.borrow();
        let transaction = self.connection.transaction()?;
        if !is_there(&transaction, &wanted)? {
            return Ok(Taken::Gone);
        }
        let wanted = match look_for(&transaction, wanted)? {
            Taken::New(wanted) => wanted,
            known => return Ok(known),
        };
        let taken = Given {
            cursor,
            begun: now(),
            ended: 0,
            ending: None,
            result: String::new(),
            ..wanted
        };
        transaction.execute(
            "INSERT OR REPLACE INTO given_order (principal, id, deployment, uuid, request, who, cursor, begun)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                taken.principal,
                taken.id,
                taken.deployment,
                taken.uuid,
                taken.request,
                serde_json::to_string(&taken.who)?,
                signed(taken.cursor),
                signed(taken.begun)
            ],
        )?;
        transaction.commit()?;
        Ok(Taken::New(taken))
    }

    /// What [`Database::take_order`] would say, without taking it.
    pub(super) fn known_order(&mut self, wanted: Given) -> Result<Taken> {
        let transaction = self.connection.transaction()?;
        let known = look_for(&transaction, wanted);
        // Nothing makes room for what is not taken.
        transaction.rollback()?;
        known
    }

    /// Notes what an order that is being done has come to.
    pub(super) fn note_order(&mut self, given: &OrderKey, result: &str) -> Result<()> {
        self.connection.execute(
            "UPDATE given_order SET result = ?5
             WHERE principal = ?1 AND id = ?2 AND uuid = ?3 AND cursor = ?4 AND state = 0",
            params![
                given.principal,
                given.id,
                given.uuid,
                signed(given.cursor),
                result
            ],
        )?;
        Ok(())
    }

    /// Says how an order ended, durably.
    pub(super) fn end_order(
        &mut self,
        given: &OrderKey,
        ending: Ending,
        result: &str,
    ) -> Result<()> {
        self.connection.execute(
            "UPDATE given_order SET state = ?5, result = ?6, ended = ?7
             WHERE principal = ?1 AND id = ?2 AND uuid = ?3 AND cursor = ?4 AND state = 0",
            params![
                given.principal,
                given.id,
                given.uuid,
                signed(given.cursor),
                number(ending),
                result,
                signed(now())
            ],
        )?;
        Ok(())
    }

    /// An order that was taken, if it is still known.
    pub(super) fn taken_order(&self, given: &OrderKey) -> Result<Option<Given>> {
        let found = find(&self.connection, &given.principal, &given.id)?;
        Ok(found.filter(|found| given.is_of(found)))
    }

    /// An order of somebody.
    pub(super) fn order(&self, principal: &str, id: &str) -> Result<Option<Given>> {
        find(&self.connection, principal, id)
    }

    /// Those that are being done, oldest first.
    pub(super) fn orders_under_way(&self) -> Result<Vec<Given>> {
        let sql = format!("{SELECT} WHERE state = 0 ORDER BY begun");
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map([], row)?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter().map(read).collect()
    }
}

const SELECT: &str = "SELECT principal, id, deployment, uuid, request, who, cursor, begun, ended, state, result FROM given_order";

fn number(ending: Ending) -> i64 {
    match ending {
        Ending::Done => 1,
        Ending::Failed => 2,
        Ending::NotNow => 3,
        Ending::Unknown => 4,
    }
}

fn ending(number: i64) -> Option<Ending> {
    match number {
        0 => None,
        1 => Some(Ending::Done),
        2 => Some(Ending::Failed),
        3 => Some(Ending::NotNow),
        _ => Some(Ending::Unknown),
    }
}

fn find(connection: &Connection, principal: &str, id: &str) -> Result<Option<Given>> {
    let sql = format!("{SELECT} WHERE principal = ?1 AND id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([principal, id], row).optional()?;
    found.map(read).transpose()
}

/// Whether the deployment is there that an order is for, and not another one of that name.
fn is_there(connection: &Connection, wanted: &Given) -> Result<bool> {
    let sql = "SELECT 1 FROM deployment WHERE name = ?1 AND uuid = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.exists([&wanted.deployment, &wanted.uuid])?)
}

/// Whether an order that somebody gives is a new one.
fn look_for(connection: &Connection, wanted: Given) -> Result<Taken> {
    let known = find(connection, &wanted.principal, &wanted.id)?;
    if known.is_none()
        && let Some(count) = too_many(connection, &wanted.principal)?
    {
        return Ok(Taken::TooMany(count));
    }
    Ok(outcomes::look_for(known, wanted))
}

/// How many are kept, if there is no room for another of that principal. Those that were not begun
/// may be given again in any case: they make room.
fn too_many(connection: &Connection, principal: &str) -> Result<Option<u64>> {
    let own = "SELECT count(*) FROM given_order WHERE principal = ?1";
    let own = unsigned(connection.query_row(own, [principal], |row| row.get(0))?);
    let not_begun = "DELETE FROM given_order WHERE (principal, id) IN (
        SELECT principal, id FROM given_order WHERE state = 3 AND principal = ?1
        ORDER BY begun LIMIT 1)";
    if own >= MOST_EACH && connection.execute(not_begun, [principal])? == 0 {
        return Ok(Some(own));
    }
    let all = "SELECT count(*) FROM given_order";
    let all = unsigned(connection.query_row(all, [], |row| row.get(0))?);
    Ok((all >= MOST).then_some(all))
}

/// A row, in which who gave it is not read yet.
fn row(row: &SqlRow<'_>) -> rusqlite::Result<(Given, String)> {
    let given = Given {
        principal: row.get(0)?,
        id: row.get(1)?,
        deployment: row.get(2)?,
        uuid: row.get(3)?,
        request: row.get(4)?,
        who: BTreeMap::new(),
        cursor: unsigned(row.get(6)?),
        begun: unsigned(row.get(7)?),
        ended: unsigned(row.get(8)?),
        ending: ending(row.get(9)?),
        result: row.get(10)?,
    };
    Ok((given, row.get(5)?))
}

fn read((given, who): (Given, String)) -> Result<Given> {
    let who = serde_json::from_str(&who)?;
    Ok(Given { who, ..given })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Destroying;

    fn wanted(principal: &str, id: &str, request: &str) -> Given {
        Given {
            principal: principal.into(),
            id: id.into(),
            deployment: "shop".into(),
            uuid: "u1".into(),
            request: request.into(),
            who: [("caller_uid".to_owned(), "7".to_owned())].into(),
            cursor: 0,
            begun: 0,
            ended: 0,
            ending: None,
            result: String::new(),
        }
    }

    /// Takes an order that is new.
    fn taken(store: &mut Database, order: Given) -> Given {
        match store.take_order(order).unwrap() {
            Taken::New(given) => given,
            other => panic!("{other:?}"),
        }
    }

    fn end(store: &mut Database, given: &Given, ending: Ending, result: &str) {
        store.end_order(&given.key(), ending, result).unwrap();
    }

    /// A store with two deployments, shop and mail.
    fn store_in(directory: &std::path::Path) -> Database {
        let (mut store, _) = Database::open(directory).unwrap();
        for (name, uuid) in [("shop", "u1"), ("mail", "u2")] {
            store
                .create(name, uuid, &"<deployable/>".into(), 9, &BTreeMap::new())
                .unwrap();
        }
        store
    }

    /// The deployment shop ends, and another one of that name begins.
    fn replace_shop(store: &mut Database, uuid: &str) {
        store.destroy("shop", 0, Destroying::StopServices).unwrap();
        store.unloaded("shop").unwrap();
        assert!(store.forget("shop", &[]).unwrap());
        store
            .create("shop", uuid, &"<deployable/>".into(), 9, &BTreeMap::new())
            .unwrap();
    }

    #[test]
    fn what_becomes_of_an_order_is_nothing_of_the_next_deployments_order_with_its_id() {
        // A document may say the uuid: then the next deployment has the same.
        for uuid in ["u3", "u1"] {
            let directory = tempfile::tempdir().unwrap();
            let mut store = store_in(directory.path());
            let first = taken(&mut store, wanted("a", "1", "x"));
            replace_shop(&mut store, uuid);
            let again = Given {
                uuid: uuid.into(),
                ..wanted("a", "1", "x")
            };
            let again = taken(&mut store, again);
            // Whoever did the first one comes to an end now.
            store.note_order(&first.key(), "{}").unwrap();
            end(&mut store, &first, Ending::Failed, "");
            assert_eq!(store.order("a", "1").unwrap(), Some(again.clone()));
            assert_eq!(store.taken_order(&first.key()).unwrap(), None);
            end(&mut store, &again, Ending::Done, "");
            let ended = store.taken_order(&again.key()).unwrap().unwrap();
            assert_eq!(ended.ending, Some(Ending::Done));
        }
    }

    #[test]
    fn one_that_was_given_before_the_clock_was_set_back_is_kept_for_a_week_from_then() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store_in(directory.path());
        let given = taken(&mut store, wanted("a", "1", "x"));
        end(&mut store, &given, Ending::Done, "");
        let years = "UPDATE given_order SET begun = begun + 100 * ?1";
        store.connection.execute(years, [signed(LIFE)]).unwrap();
        let again = store.take_order(wanted("a", "1", "x")).unwrap();
        let Taken::Known(given) = again else {
            panic!("{again:?}");
        };
        assert!(given.begun <= now());
    }

    #[test]
    fn they_are_kept_for_a_week_and_not_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store_in(directory.path());
        let old = taken(&mut store, wanted("a", "old", "x"));
        end(&mut store, &old, Ending::Done, "");
        store.take_order(wanted("a", "begun", "x")).unwrap();
        let age = "UPDATE given_order SET begun = begun - ?1";
        store
            .connection
            .execute(age, [signed(LIFE) - 60_000_000])
            .unwrap();
        store.take_order(wanted("a", "1", "x")).unwrap();
        assert!(
            store.order("a", "old").unwrap().is_some(),
            "a minute is left"
        );
        store.connection.execute(age, [60_000_000]).unwrap();
        store.take_order(wanted("a", "2", "x")).unwrap();
        assert!(store.order("a", "old").unwrap().is_none());
        assert!(
            store.order("a", "begun").unwrap().is_some(),
            "it has not ended"
        );
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO given_order (principal, id, deployment, uuid, request, who, cursor, begun)
             SELECT ?1, 'n' || i, 'shop', 'u1', 'x', '{}', 0, ?3 FROM n";
        let begun = signed(now());
        let fill = |store: &mut Database, who: &str, count: u64| {
            let values = params![who, signed(count), begun];
            store.connection.execute(many, values).unwrap();
        };
        fill(&mut store, "b", MOST_EACH);
        let full = store.take_order(wanted("b", "1", "x")).unwrap();
        assert_eq!(full, Taken::TooMany(MOST_EACH));
        store
            .connection
            .execute("UPDATE given_order SET state = 3 WHERE id = 'n2'", [])
            .unwrap();
        let roomy = store.take_order(wanted("b", "1", "x")).unwrap();
        assert!(matches!(roomy, Taken::New(_)), "{roomy:?}");
        assert!(store.order("b", "n2").unwrap().is_none(), "it made room");
        let known = store.take_order(wanted("b", "n1", "x")).unwrap();
        assert!(matches!(known, Taken::Known(_)), "{known:?}");
        let other = store.take_order(wanted("a", "3", "x")).unwrap();
        assert!(matches!(other, Taken::New(_)), "{other:?}");
        for who in ["c", "d", "e"] {
            fill(&mut store, who, MOST_EACH);
        }
        let full = store.take_order(wanted("a", "4", "x")).unwrap();
        assert!(matches!(full, Taken::TooMany(_)), "{full:?}");
    }
}
