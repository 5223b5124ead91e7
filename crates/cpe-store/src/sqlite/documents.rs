//! Documents by generation: which are kept, who stored each, and when.

use std::collections::BTreeMap;

use cpe_daemon::now;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::handle::{Database, signed, unsigned};
use crate::error::Result;
use crate::words::{CALLER_PRINCIPAL, Document, Generation, Keep};

/// How a document came to be.
#[derive(Debug, Default)]
pub(super) struct Origin<'a> {
    /// Who asked, as details of an event.
    who: Option<&'a BTreeMap<String, String>>,
    /// Why, if nobody asked.
    remark: &'a str,
}

impl<'a> Origin<'a> {
    pub(super) fn asked(who: &'a BTreeMap<String, String>) -> Origin<'a> {
        Origin {
            who: Some(who),
            remark: "",
        }
    }

    pub(super) fn unasked(remark: &'a str) -> Origin<'a> {
        Origin { who: None, remark }
    }

    /// Whose a deployment is that came to be like that.
    fn owner(&self) -> &str {
        let principal = self.who.and_then(|who| who.get(CALLER_PRINCIPAL));
        principal.map_or("", String::as_str)
    }

    /// As it is stored.
    fn who(&self) -> Result<String> {
        Ok(match self.who {
            Some(who) if !who.is_empty() => serde_json::to_string(who)?,
            _ => String::new(),
        })
    }
}

impl Database {
    /// The document of a generation (0: the current one) and which generation that is.
    pub(super) fn document(&self, name: &str, generation: u64) -> Result<Option<(String, u64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT text, document.generation FROM document JOIN deployment USING (name)
             WHERE name = ?1 AND document.generation = CASE ?2 WHEN 0 THEN deployment.generation ELSE ?2 END",
        )?;
        let found = statement.query_row(params![name, signed(generation)], |row| {
            Ok((row.get(0)?, unsigned(row.get(1)?)))
        });
        Ok(found.optional()?)
    }

    /// The current document, if it is there and is text, its generation, and what it claims, which
    /// is empty if that is not known. `None` if there is no such deployment.
    pub(super) fn document_and_claims(
        &self,
        name: &str,
    ) -> Result<Option<(Option<String>, u64, String)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT CAST(text AS BLOB), generation, claims FROM deployment LEFT JOIN document USING (name, generation)
             WHERE name = ?1",
        )?;
        let found = statement.query_row([name], |row| {
            let text: Option<Vec<u8>> = row.get(0)?;
            let text = text.and_then(|text| String::from_utf8(text).ok());
            Ok((text, unsigned(row.get(1)?), row.get(2)?))
        });
        Ok(found.optional()?)
    }

    /// The generations that are kept, oldest first.
    pub(super) fn generations(&self, name: &str) -> Result<Vec<Generation>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT generation, accepted, octet_length(text), who, remark FROM document
             WHERE name = ?1 ORDER BY generation",
        )?;
        let rows = statement.query_map([name], |row| {
            let who: String = row.get(3)?;
            let details: BTreeMap<String, String> = serde_json::from_str(&who).unwrap_or_default();
            Ok(Generation {
                number: unsigned(row.get(0)?),
                accepted: unsigned(row.get(1)?),
                bytes: unsigned(row.get(2)?),
                // The event that told of an older one had more details than these.
                who: details
                    .into_iter()
                    .filter(|(key, _)| key.starts_with("caller_"))
                    .collect(),
                remark: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// From this version of the schema on, documents say how they came to be.
pub(super) const SCHEMA_WITH_ORIGINS: usize = 3;

/// What an older version has stored does not say it, but the event log does, as far as it goes
/// back.
pub(super) fn take_origins_from_log(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut told = transaction.prepare(
        "SELECT deployment, details, reason FROM event
         WHERE kind IN ('deployment.created', 'deployment.modified') ORDER BY cursor",
    )?;
    let mut put = transaction
        .prepare("UPDATE document SET who = ?3, remark = ?4 WHERE name = ?1 AND generation = ?2")?;
    let mut rows = told.query([])?;
    while let Some(row) = rows.next()? {
        let (name, who, remark): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let details: BTreeMap<String, String> = serde_json::from_str(&who).unwrap_or_default();
        let generation = details.get("generation").and_then(|text| text.parse().ok());
        if let Some(generation) = generation {
            put.execute(params![name, signed(generation), who, remark])?;
        }
    }
    Ok(())
}

/// Whether this is the text of the current document, which may not even be text.
pub(super) fn is_current(connection: &Connection, name: &str, text: &str) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT CAST(text AS BLOB) FROM document JOIN deployment USING (name, generation) WHERE name = ?1",
    )?;
    let found = statement.query_row([name], |row| row.get::<_, Vec<u8>>(0));
    Ok(found
        .optional()?
        .is_some_and(|found| found == text.as_bytes()))
}

/// The current document.
pub(super) fn current(connection: &Connection, name: &str) -> Result<Document> {
    let mut statement = connection.prepare_cached(
        "SELECT text, claims FROM document JOIN deployment USING (name, generation) WHERE name = ?1",
    )?;
    let found = statement.query_row([name], |row| {
        Ok(Document {
            text: row.get(0)?,
            claims: row.get(1)?,
            ..Document::default()
        })
    });
    Ok(found?)
}

/// A new deployment and its document.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    name: &str,
    uuid: &str,
    generation: u64,
    document: &Document,
    origin: &Origin<'_>,
) -> Result<()> {
    transaction.execute(
        "INSERT INTO deployment (name, uuid, generation, created, owner, claims) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            name,
            uuid,
            signed(generation),
            signed(now()),
            origin.owner(),
            document.claims
        ],
    )?;
    add(transaction, name, generation, &document.text, origin)
}

/// The next document of a deployment. Older ones are dropped beyond what is to be kept.
pub(super) fn replace(
    transaction: &Transaction<'_>,
    name: &str,
    generation: u64,
    document: &Document,
    origin: &Origin<'_>,
    keep: Keep,
) -> Result<()> {
    transaction.execute(
        "UPDATE deployment SET generation = ?2, claims = ?3 WHERE name = ?1",
        params![name, signed(generation), document.claims],
    )?;
    add(transaction, name, generation, &document.text, origin)?;
    transaction.execute(
        "DELETE FROM document WHERE name = ?1 AND generation <> ?2 AND generation IN
         (SELECT generation FROM
             (SELECT generation, row_number() OVER newest AS place, sum(octet_length(text)) OVER newest AS bytes
              FROM document WHERE name = ?1 WINDOW newest AS (ORDER BY generation DESC))
          WHERE place > ?3 OR bytes > ?4)",
        params![
            name,
            signed(generation),
            signed(keep.generations),
            signed(keep.bytes)
        ],
    )?;
    Ok(())
}

fn add(
    transaction: &Transaction<'_>,
    name: &str,
    generation: u64,
    document: &str,
    origin: &Origin<'_>,
) -> Result<()> {
    transaction.execute(
        "INSERT INTO document (name, generation, accepted, text, who, remark) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            name,
            signed(generation),
            signed(now()),
            document,
            origin.who()?,
            origin.remark
        ],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Updated;

    const ALL: Keep = Keep {
        generations: 100,
        bytes: 1 << 20,
    };

    fn store() -> (tempfile::TempDir, Database) {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Database::open(directory.path()).unwrap();
        (directory, store)
    }

    fn alice() -> BTreeMap<String, String> {
        [("caller_user".to_owned(), "alice".to_owned())].into()
    }

    fn change(store: &mut Database, text: &str, keep: Keep) -> u64 {
        let updated = store.update("shop", None, 0, &Document::from(text), keep, &alice());
        match updated.unwrap() {
            Updated::New(row) => row.generation,
            other => panic!("{other:?}"),
        }
    }

    fn numbers(store: &Database) -> Vec<u64> {
        let all = store.generations("shop").unwrap();
        all.iter().map(|generation| generation.number).collect()
    }

    #[test]
    fn a_change_that_was_not_committed_leaves_the_history_as_it_was() {
        let (directory, mut store) = store();
        store
            .create("shop", "u1", &"<a/>".into(), 10, &alice())
            .unwrap();
        change(&mut store, "<b/>", ALL);
        let one = Keep {
            generations: 1,
            ..ALL
        };
        // As when the process is killed before the commit.
        let transaction = store.connection.transaction().unwrap();
        let origin = Origin::unasked("");
        replace(&transaction, "shop", 3, &"<c/>".into(), &origin, one).unwrap();
        drop(transaction);
        drop(store);
        let (store, _) = Database::open(directory.path()).unwrap();
        assert_eq!(numbers(&store), [1, 2]);
        assert_eq!(store.document("shop", 0).unwrap(), Some(("<b/>".into(), 2)));
    }
}
