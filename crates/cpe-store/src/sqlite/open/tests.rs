//! Old, new, damaged and foreign databases.

use super::*;
use crate::words::{Document, Keep};

fn refusal(result: Result<(Database, Option<KeptAside>)>) -> String {
    match result {
        Err(error) => error.to_string(),
        Ok(_) => panic!("the database was opened"),
    }
}

#[test]
fn it_refuses_a_newer_schema_and_leaves_it_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    drop(Database::open(directory.path()).unwrap());
    let path = directory.path().join(FILE);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection
        .pragma_update(None, "journal_mode", "DELETE")
        .unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let text = refusal(Database::open(directory.path()));
    assert!(
        text.contains("schema version 99") && text.contains("newer cpe"),
        "{text}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn it_keeps_a_corrupt_database_aside_untouched_and_starts_empty() {
    for damage in ["header", "middle"] {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Database::open(directory.path()).unwrap();
        for n in 0..50 {
            store
                .create(
                    &format!("d{n}"),
                    "u",
                    &Document::from("<deployable/>".repeat(500).as_str()),
                    1000,
                    &Default::default(),
                )
                .unwrap();
        }
        drop(store);
        let path = directory.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        let range = if damage == "header" {
            0..100
        } else {
            8192..bytes.len().min(40960)
        };
        bytes[range].fill(0xA5);
        std::fs::write(&path, &bytes).unwrap();

        let (store, kept) = Database::open(directory.path()).unwrap();
        let kept = kept.unwrap_or_else(|| panic!("damage in the {damage} went unnoticed"));
        assert_eq!(std::fs::read(&kept.path).unwrap(), bytes, "{damage}");
        assert!(store.deployments().unwrap().is_empty());
        drop(store);
        assert_eq!(Database::open(directory.path()).unwrap().1, None);
    }
}

#[test]
fn it_refuses_a_database_of_another_program() {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    connection.pragma_update(None, "application_id", 7).unwrap();
    connection.execute_batch("CREATE TABLE mine (a)").unwrap();
    drop(connection);
    assert!(refusal(Database::open(directory.path())).contains("another program"));
}

#[test]
fn what_cannot_be_changed_is_read_with_all_that_its_log_holds() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Database::open(directory.path()).unwrap();
    let create = |store: &mut Database, name: &str| {
        store.create(
            name,
            "u",
            &"<deployable/>".into(),
            1000,
            &Default::default(),
        )
    };
    create(&mut store, "shop").unwrap();
    let log = store.log.clone();
    // As a process that was killed leaves it.
    let Database {
        connection, _lock, ..
    } = store;
    std::mem::forget(connection);
    drop(_lock);
    let path = directory.path().join(FILE);
    let before = std::fs::read(&path).unwrap();

    let lock = lock_to_read(directory.path()).unwrap();
    let mut store = Database::open_to_read(path.clone(), lock).unwrap();
    assert_eq!(store.deployments().unwrap().len(), 1);
    assert_eq!(store.log, log);
    assert!(matches!(
        create(&mut store, "store"),
        Err(Error::Database(_))
    ));
    assert!(refusal(Database::open(directory.path())).contains("another cpe"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn two_daemons_cannot_share_a_state_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = Database::open(directory.path()).unwrap();
    assert!(refusal(Database::open(directory.path())).contains("another cpe"));
    drop(first);
    Database::open(directory.path()).unwrap();
}

/// As the version before generations said who stored them left it.
fn database_of_schema_2(directory: &Path) {
    let connection = Connection::open(directory.join(FILE)).unwrap();
    for migration in &MIGRATIONS[..2] {
        connection.execute_batch(migration).unwrap();
    }
    connection.pragma_update(None, "user_version", 2).unwrap();
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    connection
        .execute_batch(
            r#"INSERT INTO deployment (name, uuid, generation, created) VALUES ('shop', 'u', 3, 50);
            INSERT INTO document VALUES ('shop', 1, 51, '<a/>'), ('shop', 2, 52, '<b/>'), ('shop', 3, 53, '<c/>');
            INSERT INTO event (id, time, kind, deployment, assembly, service, state, reason, details, recorded) VALUES
                ('1', 1, 'deployment.created', 'shop', '', '', '', '', '{"generation":"1","caller_user":"before"}', 1),
                ('2', 2, 'deployment.created', 'shop', '', '', '', '', '{"generation":"1","caller_user":"alice","uuid":"u"}', 2),
                ('3', 3, 'deployment.modified', 'other', '', '', '', '', '{"generation":"2","caller_user":"bob"}', 3),
                ('4', 4, 'deployment.modified', 'shop', '', '', '', '', 'no JSON', 4),
                ('5', 5, 'deployment.modified', 'shop', '', '', '', 'taken over', '{"generation":"3"}', 5);"#,
        )
        .unwrap();
}

#[test]
fn an_older_database_is_upgraded_and_gets_from_its_event_log_who_stored_what() {
    let directory = tempfile::tempdir().unwrap();
    database_of_schema_2(directory.path());
    let (mut store, kept) = Database::open(directory.path()).unwrap();
    assert_eq!(kept, None);
    let all = store.generations("shop").unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|generation| {
            let user = generation.who.get("caller_user");
            let user = user.map_or("", String::as_str);
            (
                generation.number,
                generation.accepted,
                user,
                generation.remark.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 51, "alice", ""),
            (2, 52, "", ""),
            (3, 53, "", "taken over")
        ]
    );
    assert_eq!(all[0].who.len(), 1, "only who asked: {:?}", all[0].who);
    assert_eq!(store.document("shop", 2).unwrap(), Some(("<b/>".into(), 2)));
    // Nobody gets rights by an upgrade: whose it is an administrator says.
    let row = store.deployment("shop").unwrap().unwrap();
    assert_eq!(row.owned, crate::words::Ownership::default());
    let keep = Keep {
        generations: 10,
        bytes: 1 << 20,
    };
    store
        .update("shop", None, 3, &"<d/>".into(), keep, &Default::default())
        .unwrap();
    drop(store);
    let (store, _) = Database::open(directory.path()).unwrap();
    assert_eq!(store.generations("shop").unwrap().len(), 4);
}

#[test]
fn an_older_database_on_a_disk_that_is_read_only_is_read() {
    let directory = tempfile::tempdir().unwrap();
    database_of_schema_2(directory.path());
    let path = directory.path().join(FILE);
    let before = std::fs::read(&path).unwrap();
    drop(lock(directory.path()).unwrap());
    let lock = lock_to_read(directory.path()).unwrap();
    let store = Database::open_to_read(path.clone(), lock).unwrap();
    assert_eq!(store.generations("shop").unwrap().len(), 3);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
