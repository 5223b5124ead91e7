//! `access.toml`, owners and delegates on a real bus, with real users: those that every system has.

use std::time::Duration;

use cpe_bus::names::{CPE_NAME, CPE_PATH};
use cpe_bus::proxies::{CpeEventsProxy, CpeManagerProxy};
use cpe_bus::{DeploymentEntry, Error, Event, Fields, json};
use cpe_status::DeploymentStatus;
use futures_util::StreamExt;
use zbus::Connection;
use zbus::connection::AuthMechanism;
use zbus::proxy::CacheProperties;

use super::harness::{BIN, Bus, Cpe, DAEMON, MAIL, SYS, deployment, document, until};

/// User `daemon` owns, `bin` speaks for others, `sys` is a stranger; group `mail` has operators.
const HIDDEN: &str = r#"
strangers = "hidden"
delegates = ["bin"]
[[grant]]
principal = ["user:daemon", "token:ci"]
role = "owner"
deployments = ["shop-*"]
[[grant]]
principal = "group:mail"
role = "operator"
deployments = ["*"]
"#;

async fn manager(connection: &Connection) -> CpeManagerProxy<'static> {
    CpeManagerProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .unwrap()
}

async fn create(connection: &Connection, name: &str) -> cpe_bus::Result<(String, u64)> {
    let text = document(name, "");
    let manager = manager(connection).await;
    manager.create_deployment(&text, Fields::new()).await
}

/// The names that the caller sees.
async fn list(connection: &Connection) -> Vec<String> {
    let entries = manager(connection).await.list_deployments().await.unwrap();
    let entries = entries
        .iter()
        .map(|entry| DeploymentEntry::from_fields(entry).unwrap());
    entries.map(|entry| entry.name).collect()
}

async fn events(connection: &Connection) -> Vec<Event> {
    let events = CpeEventsProxy::new(connection).await.unwrap();
    let (events, _) = events.query(0, 0, Fields::new()).await.unwrap();
    events
        .iter()
        .map(|event| Event::from_fields(event).unwrap())
        .collect()
}

/// The deployments of which the caller sees events.
async fn heard(connection: &Connection) -> Vec<String> {
    let mut names: Vec<String> = events(connection)
        .await
        .into_iter()
        .map(|event| event.deployment)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn denied<T: std::fmt::Debug>(answer: cpe_bus::Result<T>) {
    assert!(matches!(&answer, Err(Error::AccessDenied(_))), "{answer:?}");
}

fn hidden<T: std::fmt::Debug>(answer: cpe_bus::Result<T>) {
    assert!(matches!(&answer, Err(Error::NotFound(_))), "{answer:?}");
}

/// The right was there; only the DPE is not.
fn passed<T: std::fmt::Debug>(answer: cpe_bus::Result<T>) {
    assert!(matches!(&answer, Err(Error::NotReady(_))), "{answer:?}");
}

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn others_see_and_change_only_what_they_may() {
    let bus = Bus::start();
    let cpe = bus.cpe_with_access(HIDDEN).await;
    cpe.create("wiki").await.unwrap();
    let owner = bus.connect_as(DAEMON, DAEMON).await;
    assert_eq!(
        create(&owner, "shop-1").await.unwrap(),
        ("shop-1".to_owned(), 1)
    );
    denied(create(&owner, "mail").await);
    assert_eq!(list(&owner).await, ["shop-1"]);
    assert_eq!(heard(&owner).await, ["shop-1"]);
    let wiki = deployment(&owner, "wiki").await;
    hidden(wiki.get_status().await);
    hidden(wiki.get_document(0).await);
    hidden(wiki.set_standby("web1", true).await);
    assert!(wiki.state().await.is_err());
    hidden(manager(&owner).await.destroy_deployment("wiki", true).await);
    let own = deployment(&owner, "shop-1").await;
    own.get_document(0).await.unwrap();
    assert_eq!(own.state().await.unwrap(), "stored");
    denied(own.set_owner("user:daemon", Fields::new()).await);

    let operator = bus.connect_as(SYS, MAIL).await;
    assert_eq!(list(&operator).await, ["shop-1", "wiki"]);
    passed(
        deployment(&operator, "wiki")
            .await
            .set_standby("web1", true)
            .await,
    );
    denied(deployment(&operator, "wiki").await.get_document(0).await);
    denied(
        manager(&operator)
            .await
            .host_failed("h", Fields::new())
            .await,
    );

    let stranger = bus.connect_as(SYS, SYS).await;
    assert!(list(&stranger).await.is_empty() && heard(&stranger).await.is_empty());
    hidden(deployment(&stranger, "wiki").await.get_status().await);
    denied(create(&stranger, "wiki").await);
    no_objects_are_listed(&stranger).await;
}

/// Who comes and goes, `org.freedesktop.DBus.ObjectManager` would tell everybody.
async fn no_objects_are_listed(connection: &Connection) {
    let manager = zbus::fdo::ObjectManagerProxy::builder(connection)
        .destination(CPE_NAME)
        .path(CPE_PATH)
        .build()
        .await
        .unwrap();
    assert!(manager.get_managed_objects().await.is_err());
}

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn a_deployment_is_of_who_created_it_and_is_given_away() {
    let bus = Bus::start();
    let cpe = bus.cpe_with_access(HIDDEN).await;
    cpe.create("wiki").await.unwrap();
    let owned = |status: &str| {
        let status: DeploymentStatus = json::from_json(status).unwrap();
        (status.owner, status.group)
    };
    let wiki = cpe.deployment("wiki").await;
    let status = wiki.get_status().await.unwrap();
    assert_eq!(owned(&status), ("user:root".to_owned(), String::new()));
    let stranger = bus.connect_as(SYS, SYS).await;
    let member = bus.connect_as(BIN + 3, SYS).await;
    assert!(list(&stranger).await.is_empty());
    wiki.set_owner("user:sys", Fields::new()).await.unwrap();
    assert_eq!(list(&stranger).await, ["wiki"]);
    deployment(&stranger, "wiki")
        .await
        .get_document(0)
        .await
        .unwrap();
    assert!(list(&member).await.is_empty());
    let mut options = Fields::new();
    cpe_bus::fields::put(&mut options, "group", "sys");
    wiki.set_owner("token:ci", options).await.unwrap();
    denied(deployment(&member, "wiki").await.get_document(0).await);
    passed(deployment(&member, "wiki").await.cleanup("", "").await);
    let entries = cpe.manager().await.list_deployments().await.unwrap();
    let entry = DeploymentEntry::from_fields(&entries[0]).unwrap();
    assert_eq!(
        (entry.owner.as_str(), entry.group.as_str()),
        ("token:ci", "sys")
    );
    let told = events(&cpe.connection).await;
    let told = told.iter().filter(|event| {
        event
            .details
            .get("action")
            .is_some_and(|it| it == "set-owner")
    });
    let owners: Vec<&str> = told.map(|event| event.details["owner"].as_str()).collect();
    assert_eq!(owners, ["user:sys", "token:ci"]);
}

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn a_delegate_speaks_for_one_principal_by_connection() {
    let bus = Bus::start();
    let cpe = bus.cpe_with_access(HIDDEN).await;
    cpe.create("wiki").await.unwrap();
    let mirror = bus.connect_as(BIN, BIN).await;
    assert_eq!(list(&mirror).await, ["wiki"]);
    denied(deployment(&mirror, "wiki").await.get_document(0).await);
    denied(deployment(&mirror, "wiki").await.cleanup("", "").await);

    let ci = bus.connect_as(BIN, BIN).await;
    let manager = manager(&ci).await;
    let wrong = manager.assume("group:mail").await;
    assert!(
        matches!(&wrong, Err(Error::InvalidArgument(_))),
        "{wrong:?}"
    );
    let roles = vec![("owner".to_owned(), "shop-*".to_owned())];
    assert_eq!(manager.assume("token:ci").await.unwrap(), roles);
    assert!(list(&ci).await.is_empty());
    create(&ci, "shop-1").await.unwrap();
    let with_own = [roles, vec![("owner".to_owned(), "shop-1".to_owned())]].concat();
    assert_eq!(manager.assume("token:ci").await.unwrap(), with_own);
    denied(manager.assume("user:daemon").await);
    hidden(deployment(&ci, "wiki").await.get_status().await);
    let created = cpe.await_event("deployment.created", "shop-1").await;
    assert_eq!(created.details["caller_principal"], "token:ci");
    assert_eq!(created.details["caller_delegate"], "bin");
    assert_eq!(
        list(&mirror).await,
        ["shop-1", "wiki"],
        "another connection is another caller"
    );

    denied(
        self::manager(&bus.connect_as(SYS, SYS).await)
            .await
            .assume("token:ci")
            .await,
    );
    denied(cpe.manager().await.assume("token:ci").await);
    // A user's groups come with it, and the rights of those who administer do not.
    let person = bus.connect_as(BIN, BIN).await;
    assert_eq!(
        self::manager(&person)
            .await
            .assume("user:root")
            .await
            .unwrap(),
        []
    );

    bus.write_access(&HIDDEN.replace("delegates", "# delegates"));
    cpe.hang_up();
    cpe.await_event("access.changed", "").await;
    assert!(list(&ci).await.is_empty());
    hidden(deployment(&ci, "shop-1").await.get_document(0).await);
    denied(manager.assume("token:ci").await);
}

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn events_are_sent_to_those_who_may_see_them() {
    let bus = Bus::start();
    let cpe = bus.cpe_with_access(HIDDEN).await;
    let owner = bus.connect_as(DAEMON, DAEMON).await;
    let stranger = bus.connect_as(SYS, SYS).await;
    let mut streams = Vec::new();
    for connection in [&owner, &stranger] {
        let proxy = CpeEventsProxy::new(connection).await.unwrap();
        streams.push(proxy.receive_recorded().await.unwrap());
        assert!(heard(connection).await.is_empty());
    }
    cpe.create("wiki").await.unwrap();
    cpe.create("shop-1").await.unwrap();
    let event = streams[0].next().await.unwrap();
    let event = Event::from_fields(event.args().unwrap().event()).unwrap();
    assert_eq!(
        (event.kind.as_str(), event.deployment.as_str()),
        ("deployment.created", "shop-1")
    );
    let silence = tokio::time::timeout(Duration::from_millis(200), streams[1].next()).await;
    assert!(silence.is_err(), "a stranger heard {silence:?}");
    // A deployment that is gone leaves its events to who saw it.
    let manager = manager(&owner).await;
    manager.destroy_deployment("shop-1", true).await.unwrap();
    assert!(heard(&owner).await.contains(&"shop-1".to_owned()));
}

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn a_stranger_is_not_told_how_many_events_there_are() {
    let bus = Bus::start();
    let cpe = bus.cpe_with_access(HIDDEN).await;
    cpe.create("wiki").await.unwrap();
    let stranger = bus.connect_as(SYS, SYS).await;
    let events = CpeEventsProxy::new(&stranger).await.unwrap();
    for cursor in [0, 1, 1_000_000] {
        let page = events.query(cursor, 10, Fields::new()).await.unwrap();
        assert_eq!(page, (Vec::new(), cursor));
    }
    let wrong = events.query(0, 10, [("no".into(), true.into())].into());
    assert!(matches!(wrong.await, Err(Error::InvalidArgument(_))));
    let (seen, next) = cpe
        .events()
        .await
        .query(0, 10, Fields::new())
        .await
        .unwrap();
    assert!(!seen.is_empty() && next > 0);
}

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn what_is_refused_is_told_once_in_a_while() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("wiki").await.unwrap();
    let stranger = bus.connect_as(SYS, SYS).await;
    let wiki = deployment(&stranger, "wiki").await;
    for _ in 0..20 {
        denied(wiki.cleanup("", "").await);
        denied(wiki.get_document(0).await);
        denied(
            manager(&stranger)
                .await
                .destroy_deployment("wiki", true)
                .await,
        );
        wiki.get_status().await.unwrap();
    }
    let mut told = events(&cpe.connection).await;
    told.retain(|event| event.state == "denied");
    let told: Vec<(&str, &str, &str)> = told
        .iter()
        .map(|event| {
            let of = |key: &str| event.details[key].as_str();
            (
                of("action"),
                of("caller_principal"),
                event.deployment.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Cleanup", "user:sys", "wiki"),
            ("GetDocument", "user:sys", "wiki"),
            ("DestroyDeployment", "user:sys", "wiki"),
        ]
    );
}

async fn anonymous(bus: &Bus) -> Connection {
    zbus::connection::Builder::address(bus.address().as_str())
        .auth_mechanism(AuthMechanism::Anonymous)
        .build()
        .await
        .unwrap()
}

async fn kinds(cpe: &Cpe) -> Vec<String> {
    let events = cpe.all_events().await;
    events.into_iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_a_right_one_counts_at_once() {
    let bus = Bus::start();
    let cpe = bus.cpe_with_access("strangers = \"hidden\"\n").await;
    cpe.create("wiki").await.unwrap();
    let stranger = anonymous(&bus).await;
    assert!(list(&stranger).await.is_empty());
    bus.write_access("strangers = \"look\"\nstranger = 1\n");
    cpe.hang_up();
    let refused = cpe.await_event("access.refused", "").await;
    assert!(refused.reason.contains("line 2,"), "{}", refused.reason);
    assert!(list(&stranger).await.is_empty());
    bus.write_access("strangers = \"look\"\n");
    // Nobody says so: it is seen.
    cpe.await_event("access.changed", "").await;
    assert_eq!(list(&stranger).await, ["wiki"]);
    std::fs::remove_file(bus.directory.path().join("access.toml")).unwrap();
    cpe.hang_up();
    until("the file is gone", async || {
        let changes = kinds(&cpe).await;
        let changes = changes.iter().filter(|kind| *kind == "access.changed");
        (changes.count() == 2).then_some(())
    })
    .await;
    assert_eq!(list(&stranger).await, ["wiki"]);
}

#[tokio::test]
async fn a_file_that_is_wrong_at_the_start_closes_everything_but_to_root() {
    let bus = Bus::start();
    let cpe = bus.cpe_with_access("[[grant]]\nrole = \"admin\"\n").await;
    let refused = cpe.await_event("access.refused", "").await;
    assert!(refused.reason.contains("only root"), "{}", refused.reason);
    cpe.create("wiki").await.unwrap();
    let stranger = anonymous(&bus).await;
    assert!(list(&stranger).await.is_empty());
    hidden(deployment(&stranger, "wiki").await.get_status().await);
    bus.write_access("");
    cpe.hang_up();
    cpe.await_event("access.changed", "").await;
    assert_eq!(list(&stranger).await, ["wiki"]);
}
