//! Guests are of one deployment, whatever is known of the others.

use cpe_bus::{Error, Fields};

use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, Cpe, document, until};

/// A document of `name` that claims the guest of which [`document`] of `of` is.
fn claiming(name: &str, of: &str) -> String {
    let own = format!(r#"<deployable name="{of}">"#);
    document(of, "").replace(&own, &format!(r#"<deployable name="{name}">"#))
}

async fn create(cpe: &Cpe, text: &str) -> cpe_bus::Result<(String, u64)> {
    cpe.manager()
        .await
        .create_deployment(text, Fields::new())
        .await
}

/// The error says all of these.
fn refused<T: std::fmt::Debug>(answer: cpe_bus::Result<T>, words: &[&str]) {
    let text = match &answer {
        Err(Error::InvalidDocument(text) | Error::NotReady(text) | Error::Failed(text)) => text,
        other => panic!("{other:?}"),
    };
    for word in words {
        assert!(text.contains(word), "{text}: {word}");
    }
}

#[tokio::test]
async fn a_guest_stays_claimed_where_its_document_cannot_be_read() {
    let bus = Bus::start();
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    cpe.kill();
    // As a version reads it that does not know what another one has accepted.
    bus.tamper("UPDATE document SET text = '<from-the-future/>'");
    let mut cpe = bus.cpe().await;
    refused(
        create(&cpe, &claiming("wiki", "shop")).await,
        &["shop", "in use"],
    );
    cpe.create("mail").await.unwrap();
    cpe.kill();
    // Not even text.
    bus.tamper("UPDATE document SET text = CAST(x'fffe' AS TEXT) WHERE name = 'shop'");
    let mut cpe = bus.cpe().await;
    refused(
        create(&cpe, &claiming("wiki", "shop")).await,
        &["shop", "in use"],
    );
    cpe.kill();
    bus.tamper("DELETE FROM document WHERE name = 'shop'");
    let cpe = bus.cpe().await;
    refused(
        create(&cpe, &claiming("wiki", "shop")).await,
        &["shop", "in use"],
    );
    let plan = cpe.manager().await;
    refused(
        plan.plan_deployment(&claiming("wiki", "shop")).await,
        &["shop", "in use"],
    );
}

#[tokio::test]
async fn where_nobody_knows_what_is_claimed_nothing_new_is() {
    let bus = Bus::start();
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    cpe.create("wiki").await.unwrap();
    cpe.kill();
    // As a version of before claims were stored left it.
    bus.tamper("UPDATE document SET text = '<from-the-future/>' WHERE name = 'shop'");
    bus.tamper("UPDATE deployment SET claims = ''");
    let cpe = bus.cpe().await;
    refused(
        cpe.create("mail").await,
        &["`shop` cannot be read", "cpectl"],
    );
    // What claims nothing new goes on.
    let manager = cpe.manager().await;
    let again = document("wiki", "again");
    let updated = manager.update_deployment("wiki", 1, &again, Fields::new());
    assert_eq!(updated.await.unwrap(), 2);
    let repaired = document("shop", "repaired");
    let updated = manager.update_deployment("shop", 1, &repaired, Fields::new());
    assert_eq!(updated.await.unwrap(), 2);
    cpe.create("mail").await.unwrap();
}

#[tokio::test]
async fn a_deployment_that_was_created_again_claims_what_it_says_now() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start(&bus, &["shop", "wiki", "mail", "news"]).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    // Everything that claims is read now.
    cpe.create("wiki").await.unwrap();
    let manager = cpe.manager().await;
    manager.destroy_deployment("shop", true).await.unwrap();
    cpe.await_event("deployment.destroyed", "shop").await;
    create(&cpe, &claiming("shop", "other")).await.unwrap();
    refused(
        create(&cpe, &claiming("mail", "other")).await,
        &["shop", "in use"],
    );
    create(&cpe, &claiming("news", "shop")).await.unwrap();
}

#[tokio::test]
async fn the_guests_of_what_runs_and_is_not_stored_stay_claimed() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop", "wiki"]).await;
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    let deployment = cpe.deployment("shop").await;
    until("shop to be active", async || {
        (deployment.state().await.ok()? == "active").then_some(())
    })
    .await;
    cpe.kill();
    for file in ["cpe.db", "cpe.db-wal", "cpe.db-shm"] {
        let _ = std::fs::remove_file(bus.state().join(file));
    }
    // Its DPE cannot be asked for its document.
    systemd.tell_main_pid(Some(1));
    let cpe = bus.cpe().await;
    refused(create(&cpe, &claiming("wiki", "shop")).await, &["shop"]);
    systemd.tell_main_pid(None);
    refused(
        until("shop to be taken over", async || {
            let answer = create(&cpe, &claiming("wiki", "shop")).await;
            (!matches!(answer, Err(Error::NotReady(_)))).then_some(answer)
        })
        .await,
        &["shop", "in use"],
    );
}
