//! Kills, restarts and damage: nothing that was acknowledged is lost, nothing that was not stays as
//! a ghost.

use std::io::Read;
use std::process::Child;
use std::time::{Duration, Instant};

use cpe_bus::{DeploymentEntry, Error, Event, Fields};

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
    // What ends is told before the list has heard of it.
    until("it is gone", async || {
        names(&cpe).await.is_empty().then_some(())
    })
    .await;
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

/// How a database is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Loss {
    Absent,
    Corrupt,
    OtherDirectory,
}

fn lose_database(bus: &Bus, loss: Loss) {
    let state = bus.state();
    if loss == Loss::OtherDirectory {
        std::fs::rename(&state, state.with_extension("elsewhere")).unwrap();
        return;
    }
    for file in ["cpe.db", "cpe.db-wal", "cpe.db-shm"] {
        let _ = std::fs::remove_file(state.join(file));
    }
    if loss == Loss::Corrupt {
        std::fs::write(state.join("cpe.db"), b"this was a database once").unwrap();
    }
}

async fn await_generation(systemd: &FakeSystemd, deployment: &str, generation: u64) {
    until(&format!("{deployment} at {generation}"), async || {
        (systemd.dpe(deployment).generation == generation).then_some(())
    })
    .await;
}

fn assert_nothing_was_stopped(systemd: &FakeSystemd) {
    let calls = systemd.calls();
    let stopped = calls.iter().any(|call| call.starts_with("StopUnit"));
    assert!(!stopped, "{calls:?}");
}

#[tokio::test]
async fn after_any_loss_of_the_database_running_deployments_are_taken_over_and_none_is_stopped() {
    for loss in [Loss::Absent, Loss::Corrupt, Loss::OtherDirectory] {
        let bus = Bus::start();
        let systemd = FakeSystemd::start(&bus, &["shop"]).await;
        let mut cpe = bus.cpe().await;
        cpe.create("shop").await.unwrap();
        await_generation(&systemd, "shop", 1).await;
        cpe.kill();
        lose_database(&bus, loss);

        let cpe = bus.cpe().await;
        let created = cpe.await_event("deployment.created", "shop").await;
        let adopted = created.details.get("adopted").map(String::as_str);
        assert_eq!(adopted, Some("yes"), "{loss:?}");
        // Its object appears a moment after the event.
        let deployment = cpe.deployment("shop").await;
        let found = until("the object of shop", async || {
            deployment.get_document(0).await.ok()
        });
        assert_eq!(found.await, (document("shop", ""), 1), "{loss:?}");
        assert_eq!(systemd.active("shop"), "active", "{loss:?}");
        assert_eq!(systemd.dpe("shop").loads.len(), 1, "{loss:?}");
        assert_nothing_was_stopped(&systemd);
        let kept = std::fs::read_dir(bus.state()).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("cpe.db.corrupt-")
        });
        assert_eq!(kept.count(), usize::from(loss == Loss::Corrupt), "{loss:?}");
    }
}

#[tokio::test]
async fn after_a_restored_backup_what_runs_is_in_force_and_what_was_deployed_since_is_known() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop", "store"]).await;
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_generation(&systemd, "shop", 1).await;
    cpe.kill();
    let (state, backup) = (bus.state(), bus.directory.path().join("backup"));
    std::fs::rename(&state, &backup).unwrap();
    std::fs::create_dir(&state).unwrap();
    for file in ["cpe.db", "cpe.db-wal"] {
        std::fs::copy(backup.join(file), state.join(file)).unwrap();
    }
    let mut cpe = bus.cpe().await;
    let second = document("shop", "second");
    let manager = cpe.manager().await;
    let updated = manager.update_deployment("shop", 1, &second, Fields::new());
    assert_eq!(updated.await.unwrap(), 2);
    cpe.create("store").await.unwrap();
    await_generation(&systemd, "shop", 2).await;
    await_generation(&systemd, "store", 1).await;
    cpe.kill();
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&backup, &state).unwrap();

    let cpe = bus.cpe().await;
    cpe.await_event("deployment.created", "store").await;
    let modified = cpe.await_event("deployment.modified", "shop").await;
    assert!(modified.reason.contains("backup"), "{}", modified.reason);
    let found = cpe.deployment("shop").await.get_document(0).await.unwrap();
    assert_eq!(found, (second, 2));
    assert_eq!(
        systemd.dpe("shop").loads.len(),
        2,
        "nothing is loaded again"
    );
    assert_nothing_was_stopped(&systemd);
}

#[tokio::test]
async fn what_is_deployed_after_a_loss_is_the_latest_word() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_generation(&systemd, "shop", 1).await;
    cpe.kill();
    lose_database(&bus, Loss::Absent);
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let third = document("shop", "third");
    // It exists, whether the daemon has already looked or not.
    let created = manager.create_deployment(&third, Fields::new()).await;
    assert!(matches!(created, Err(Error::Exists(_))), "{created:?}");
    let updated = manager.update_deployment("shop", 1, &third, Fields::new());
    assert_eq!(updated.await.unwrap(), 2);
    await_generation(&systemd, "shop", 2).await;
    assert_eq!(systemd.dpe("shop").document, third);
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
