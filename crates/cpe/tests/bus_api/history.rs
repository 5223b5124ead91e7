//! The history of documents: who stored which, and the way back to an older one.

use cpe_bus::{Error, Fields, GenerationEntry};

use super::harness::{Bus, Cpe, document};

async fn history(cpe: &Cpe, name: &str) -> Vec<GenerationEntry> {
    let deployment = cpe.deployment(name).await;
    let entries = deployment.list_generations().await.expect("a history");
    let read = |fields| GenerationEntry::from_fields(fields).expect("an entry");
    entries.iter().map(read).collect()
}

fn numbers(history: &[GenerationEntry]) -> Vec<u64> {
    history.iter().map(|entry| entry.generation).collect()
}

async fn update(cpe: &Cpe, expected: u64, text: &str) -> cpe_bus::Result<u64> {
    let manager = cpe.manager().await;
    let updated = manager.update_deployment("shop", expected, text, Fields::new());
    updated.await
}

#[tokio::test]
async fn each_generation_says_who_stored_it_and_when() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    update(&cpe, 1, &document("shop", "second")).await.unwrap();
    let all = history(&cpe, "shop").await;
    assert_eq!(numbers(&all), [1, 2]);
    let uid = nix::unistd::getuid();
    for entry in &all {
        assert_eq!(entry.caller["caller_uid"], uid.to_string());
        assert_eq!(entry.caller["caller_pid"], std::process::id().to_string());
        assert!(entry.by.contains(&format!("(uid {uid})")), "{entry:?}");
        let (text, _) = cpe
            .deployment("shop")
            .await
            .get_document(entry.generation)
            .await
            .unwrap();
        assert_eq!(entry.bytes, text.len() as u64);
    }
    assert!(!all[0].current && all[1].current);
    assert!(all[0].time > 0 && all[0].time <= all[1].time);
}

#[tokio::test]
async fn what_is_not_kept_is_refused_with_what_is() {
    let bus = Bus::start();
    let limits = "[limits]\ngenerations = 3\n";
    let cpe = bus.cpe_with(limits).await;
    cpe.create("shop").await.unwrap();
    for n in 2..=5 {
        update(&cpe, 0, &document("shop", &n.to_string()))
            .await
            .unwrap();
    }
    assert_eq!(numbers(&history(&cpe, "shop").await), [3, 4, 5]);
    let deployment = cpe.deployment("shop").await;
    for absent in [2, 6, u64::MAX] {
        let refused = deployment.get_document(absent).await;
        assert!(
            matches!(&refused, Err(Error::NotFound(text)) if text.contains("from 3 to 5")),
            "{absent}: {refused:?}"
        );
    }
    // Documents that are large together push older ones out, and never the current one.
    drop(cpe);
    let limits = "[limits]\ngenerations_size = 1\n";
    let cpe = bus.cpe_with(limits).await;
    update(&cpe, 5, &document("shop", "alone")).await.unwrap();
    assert_eq!(numbers(&history(&cpe, "shop").await), [6]);
    let refused = cpe.deployment("shop").await.get_document(5).await;
    assert!(
        matches!(&refused, Err(Error::NotFound(text)) if text.contains("only 6 is")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn of_two_who_go_back_at_the_same_time_exactly_one_does() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    let first = document("shop", "");
    let second = document("shop", "second");
    update(&cpe, 1, &second).await.unwrap();
    let mut current = update(&cpe, 2, &document("shop", "third")).await.unwrap();
    for _ in 0..20 {
        let both = tokio::join!(
            update(&cpe, current, &first),
            update(&cpe, current, &second)
        );
        current += 1;
        let winner = match both {
            (Ok(generation), Err(Error::GenerationConflict(_))) => (first.clone(), generation),
            (Err(Error::GenerationConflict(_)), Ok(generation)) => (second.clone(), generation),
            both => panic!("{both:?}"),
        };
        assert_eq!(winner.1, current);
        let stored = cpe.deployment("shop").await.get_document(0).await.unwrap();
        assert_eq!(stored, winner);
        current = update(&cpe, current, &document("shop", &current.to_string()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_kill_at_any_moment_of_a_change_loses_no_generation() {
    let bus = Bus::start();
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    let mut acknowledged = 1;
    for round in 0..15u64 {
        let changing = async {
            for n in 0..1000 {
                let text = document("shop", &format!("{round}-{n}"));
                match update(&cpe, 0, &text).await {
                    Ok(generation) => acknowledged = generation,
                    Err(_) => return,
                }
            }
        };
        let lifetime = std::time::Duration::from_micros(500 + round * 1700);
        let _ = tokio::time::timeout(lifetime, changing).await;
        cpe.kill();
        drop(cpe);
        cpe = bus.cpe().await;
        let all = history(&cpe, "shop").await;
        let newest = all.last().unwrap().generation;
        assert!(newest >= acknowledged, "{newest} of {acknowledged}");
        acknowledged = newest;
        let oldest = newest.saturating_sub(99).max(1);
        assert_eq!(numbers(&all), (oldest..=newest).collect::<Vec<_>>());
        assert!(all.iter().all(|entry| !entry.by.is_empty()), "{all:?}");
        let deployment = cpe.deployment("shop").await;
        assert_eq!(deployment.generation().await.unwrap(), newest);
        for entry in &all {
            let (text, _) = deployment.get_document(entry.generation).await.unwrap();
            assert_eq!(entry.bytes, text.len() as u64);
        }
    }
    assert!(acknowledged > 1, "nothing was changed");
}
