//! Kills, restarts and damage: nothing that was acknowledged is lost, nothing that was not stays as
//! a ghost.

use std::io::Read;
use std::process::Child;
use std::time::{Duration, Instant};

use cpe_bus::{DeploymentEntry, Event, Fields};

use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, Cpe, PATIENCE, await_name, document, until};

/// Waits for the daemon's own end; its exit status was not 0, and this is what it said.
fn refusal(mut process: Child) -> String {
    let since = Instant::now();
    loop {
        match process.try_wait().expect("waiting") {
            Some(status) => {
                assert!(!status.success(), "it ended without an error");
                let mut text = String::new();
                process
                    .stderr
                    .take()
                    .expect("stderr")
                    .read_to_string(&mut text)
                    .expect("text");
                return text;
            }
            None if since.elapsed() > PATIENCE => {
                let _ = process.kill();
                panic!("the daemon did not refuse to start");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

async fn names(cpe: &Cpe) -> Vec<String> {
    let entries = cpe
        .manager()
        .await
        .list_deployments()
        .await
        .expect("a list");
    entries
        .iter()
        .map(|fields| DeploymentEntry::from_fields(fields).expect("an entry").name)
        .collect()
}

#[tokio::test]
async fn a_kill_at_any_moment_of_create_loses_nothing_that_was_acknowledged() {
    let bus = Bus::start();
    let mut acknowledged = Vec::new();
    let mut attempted = 0;
    for round in 0..20u64 {
        let mut cpe = bus.cpe().await;
        let manager = cpe.manager().await;
        // Somewhere within the time that a few creates take.
        let lifetime = Duration::from_micros(500 + round * 1700);
        let creating = async {
            let mut done = Vec::new();
            for n in 0..1000 {
                let name = format!("d{round}-{n}");
                attempted += 1;
                match manager
                    .create_deployment(&document(&name, ""), Fields::new())
                    .await
                {
                    Ok((name, generation)) => done.push((name, generation)),
                    Err(_) => break,
                }
            }
            done
        };
        tokio::pin!(creating);
        tokio::select! {
            _ = &mut creating => panic!("the daemon was not killed"),
            () = tokio::time::sleep(lifetime) => {}
        }
        cpe.kill();
        acknowledged.extend(creating.await);
    }
    let cpe = bus.cpe().await;
    let found = names(&cpe).await;
    for (name, generation) in &acknowledged {
        assert!(found.contains(name), "{name} was acknowledged and is lost");
        let (text, stored) = cpe.deployment(name).await.get_document(0).await.unwrap();
        assert_eq!((text, stored), (document(name, ""), *generation));
    }
    assert!(found.len() <= attempted);
    let created: Vec<String> = cpe
        .all_events()
        .await
        .into_iter()
        .map(|event| event.deployment)
        .collect();
    let mut sorted = created.clone();
    sorted.sort();
    assert_eq!(sorted, found, "a deployment and its event are one");
}

#[tokio::test]
async fn a_deployment_goes_on_where_a_killed_daemon_left_it() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    cpe.await_event("dpe.started", "shop").await;
    cpe.kill();
    systemd.kill("shop").await;
    let mut cpe = bus.cpe().await;
    // The death that nobody saw is in the log all the same.
    cpe.await_event("dpe.restarted", "shop").await;
    let kinds: Vec<String> = cpe
        .all_events()
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            "deployment.created",
            "dpe.started",
            "dpe.died",
            "dpe.restarted"
        ]
    );
    cpe.manager()
        .await
        .destroy_deployment("shop", true)
        .await
        .unwrap();
    cpe.kill();
    let cpe = bus.cpe().await;
    cpe.await_event("deployment.destroyed", "shop").await;
    assert!(names(&cpe).await.is_empty());
    assert_eq!(systemd.active("shop"), "inactive");
}

#[tokio::test]
async fn the_daemon_comes_back_after_a_restart_of_the_bus() {
    let mut bus = Bus::start();
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    for _ in 0..3 {
        bus.kill_daemon();
        bus.start_daemon();
        cpe.connection = bus.connect().await;
        await_name(&cpe.connection, "org.cloudpolicy.Cpe1").await;
    }
    assert_eq!(names(&cpe).await, ["shop"]);
    cpe.create("store").await.unwrap();
    assert_eq!(names(&cpe).await, ["shop", "store"]);
    let kinds: Vec<String> = cpe
        .all_events()
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["deployment.created", "deployment.created"]);
}

#[tokio::test]
async fn after_a_lost_database_running_deployments_are_taken_over_and_none_is_stopped() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    until("the DPE to be loaded", async || {
        (systemd.dpe("shop").generation == 1).then_some(())
    })
    .await;
    cpe.kill();
    let database = bus.state().join("cpe.db");
    for companion in ["cpe.db-wal", "cpe.db-shm"] {
        let _ = std::fs::remove_file(bus.state().join(companion));
    }
    std::fs::write(&database, b"this was a database once, and is none any more").unwrap();

    let cpe = bus.cpe().await;
    let created = cpe.await_event("deployment.created", "shop").await;
    assert_eq!(
        created.details.get("adopted").map(String::as_str),
        Some("yes")
    );
    let (text, generation) = cpe.deployment("shop").await.get_document(0).await.unwrap();
    assert_eq!((text, generation), (document("shop", ""), 1));
    assert_eq!(systemd.active("shop"), "active");
    assert!(
        !systemd
            .calls()
            .iter()
            .any(|call| call.starts_with("StopUnit")),
        "{:?}",
        systemd.calls()
    );
    let kept: Vec<String> = std::fs::read_dir(bus.state())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("cpe.db.corrupt-"))
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        std::fs::read(bus.state().join(&kept[0])).unwrap(),
        b"this was a database once, and is none any more"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let bus = Bus::start();
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    cpe.kill();
    let database = rusqlite::Connection::open(bus.state().join("cpe.db")).unwrap();
    database.pragma_update(None, "user_version", 1000).unwrap();
    drop(database);
    let text = refusal(bus.spawn_cpe(""));
    assert!(
        text.contains("schema version 1000") && text.contains("newer cpe"),
        "{text}"
    );
}

#[tokio::test]
async fn two_daemons_share_neither_a_bus_nor_a_state_directory() {
    let bus = Bus::start();
    let _cpe = bus.cpe().await;
    let text = refusal(bus.spawn_cpe(""));
    assert!(
        text.contains("another cpe uses the state directory"),
        "{text}"
    );
    let file = bus.directory.path().join("other.toml");
    std::fs::write(
        &file,
        format!(
            "state_directory = \"{}/other\"\nbus = \"{}\"\n",
            bus.directory.path().display(),
            bus.address()
        ),
    )
    .unwrap();
    let other = std::process::Command::new(env!("CARGO_BIN_EXE_cpe"))
        .arg("--config")
        .arg(&file)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let text = refusal(other);
    assert!(
        text.contains("another cpe owns org.cloudpolicy.Cpe1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_follower_with_a_cursor_misses_nothing_over_restarts_of_daemon_and_bus() {
    let mut bus = Bus::start();
    let mut seen = Vec::new();
    let mut cursor = 0;
    for round in 0..6u64 {
        let mut cpe = bus.cpe().await;
        let events = cpe.events().await;
        for n in 0..5 {
            let id = format!("{round}-{n}");
            let event = Event {
                id,
                time: 1,
                kind: "test.event".into(),
                ..Event::default()
            };
            events.record(event.to_fields()).await.unwrap();
        }
        let (page, next) = events.query(cursor, 3, Fields::new()).await.unwrap();
        seen.extend(
            page.iter()
                .map(|fields| Event::from_fields(fields).unwrap().id),
        );
        cursor = next;
        cpe.kill();
        if round % 2 == 0 {
            bus.kill_daemon();
            bus.start_daemon();
        }
    }
    let cpe = bus.cpe().await;
    loop {
        let (page, next) = cpe
            .events()
            .await
            .query(cursor, 3, Fields::new())
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(
            page.iter()
                .map(|fields| Event::from_fields(fields).unwrap().id),
        );
        cursor = next;
    }
    let expected: Vec<String> = (0..6)
        .flat_map(|round| (0..5).map(move |n| format!("{round}-{n}")))
        .collect();
    assert_eq!(seen, expected);
}
