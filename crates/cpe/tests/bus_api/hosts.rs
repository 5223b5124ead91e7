//! Hosts and the store, on a host that shares deployments with no other. What two hosts do is
//! tested beside `crates/cpe/src/bus/hosts.rs`, with a real etcd.

use cpe_bus::proxies::CpeHostsProxy;
use cpe_bus::{Error, json};
use cpe_status::{HostDetails, HostList, StoreStatus};
use zbus::Connection;
use zbus::connection::AuthMechanism;

use super::harness::Bus;

async fn hosts(connection: &Connection) -> CpeHostsProxy<'static> {
    CpeHostsProxy::new(connection).await.expect("a proxy")
}

#[tokio::test]
async fn the_one_host_is_shown_and_nothing_can_be_done_with_it() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("shop").await.expect("a deployment");
    let hosts = hosts(&cpe.connection).await;
    let list: HostList = json::from_json(&hosts.list().await.expect("a list")).expect("JSON");
    assert!(!list.shares && list.complete);
    let [own] = &list.hosts[..] else {
        panic!("{list:?}");
    };
    assert!(own.alive && own.answers && own.state == "active");
    assert_eq!(own.deployments, 1);
    let details = hosts.get(&own.name).await.expect("details");
    let details: HostDetails = json::from_json(&details).expect("JSON");
    assert_eq!(details.owned[0].name, "shop");
    let absent = hosts.get("other").await;
    assert!(matches!(absent, Err(Error::NotFound(_))), "{absent:?}");

    for answer in [
        hosts.drain(&own.name).await,
        hosts.activate(&own.name).await,
        hosts.remove(&own.name).await,
        hosts.confirm_lost(&own.name).await,
        hosts.move_to("shop", &own.name).await,
    ] {
        let Err(Error::Failed(text)) = answer else {
            panic!("{answer:?}");
        };
        assert!(text.contains("no [cluster]"), "{text}");
    }
    let events = cpe.all_events().await.into_iter();
    let told: Vec<(String, String, String, String)> = events
        .filter(|event| event.kind == "deployment.administered")
        .map(|event| {
            let of = |key: &str| event.details[key].clone();
            (of("action"), event.deployment, of("host"), event.state)
        })
        .collect();
    let expected = [
        ("host-drain", ""),
        ("host-activate", ""),
        ("host-remove", ""),
        ("host-confirm-lost", ""),
        ("host-move", "shop"),
    ];
    let expected: Vec<_> = expected
        .map(|(action, of)| {
            let texts = [action, of, &own.name, "refused"].map(str::to_owned);
            texts.into()
        })
        .into();
    assert_eq!(told, expected);

    let shop = cpe.deployment("shop").await;
    assert_eq!(shop.host().await.expect("a property"), "");
    assert_eq!(shop.since().await.expect("a property"), 0);
}

#[tokio::test]
async fn the_store_says_how_it_is() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let store = hosts(&cpe.connection).await.get_store().await;
    let store: StoreStatus = json::from_json(&store.expect("a store")).expect("JSON");
    let file = bus.state().join("cpe.db");
    assert_eq!(
        (store.kind.as_str(), store.trouble.as_str()),
        ("sqlite", "")
    );
    assert_eq!(store.file, file.display().to_string());
    assert!(store.size > 0 && store.free.is_some());
    assert!(store.members.is_empty() && store.revision.is_none());
    let log = cpe.events().await.log_id().await.expect("a log");
    assert_eq!(store.log, log);
}

#[tokio::test]
async fn a_backup_is_a_database_with_everything_and_only_a_new_file_is_taken() {
    let bus = Bus::start();
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.expect("a deployment");
    let hosts = hosts(&cpe.connection).await;
    let path = bus.directory.path().join("backup.db");
    let file = std::fs::File::create_new(&path).expect("a file");
    let bytes = hosts.back_up_store((&file).into()).await;
    let bytes = bytes.expect("a backup");
    assert_eq!(std::fs::metadata(&path).expect("a file").len(), bytes);
    // Nothing is written over, and nobody waits for who reads.
    let again = hosts.back_up_store((&file).into()).await;
    assert!(matches!(again, Err(Error::InvalidArgument(_))), "{again:?}");
    let (_reader, pipe) = std::io::pipe().expect("a pipe");
    let pipe = hosts.back_up_store((&pipe).into()).await;
    assert!(matches!(pipe, Err(Error::InvalidArgument(_))), "{pipe:?}");

    let is_backup = |event: &cpe_bus::Event| {
        let action = event.details.get("action");
        action.is_some_and(|it| it == "store-backup")
    };
    let events = cpe.all_events().await.into_iter().filter(is_backup);
    let states: Vec<String> = events.map(|event| event.state).collect();
    assert_eq!(states, ["done", "refused", "refused"]);

    // In the place of the database it is one.
    cpe.create("late").await.expect("a deployment");
    cpe.kill();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(bus.state().join(format!("cpe.db{end}")));
    }
    std::fs::rename(&path, bus.state().join("cpe.db")).expect("restored");
    let cpe = bus.cpe().await;
    let entries = cpe.manager().await.list_deployments().await;
    assert_eq!(entries.expect("deployments").len(), 1);
}

#[tokio::test]
async fn who_has_no_right_learns_nothing_of_hosts() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("shop").await.expect("a deployment");
    let anonymous = zbus::connection::Builder::address(bus.address().as_str())
        .auth_mechanism(AuthMechanism::Anonymous)
        .build();
    let hosts = hosts(&anonymous.await.expect("a connection")).await;
    let texts = [
        hosts.list().await,
        hosts.get("a").await,
        hosts.get_store().await,
    ];
    for denied in texts {
        assert!(matches!(denied, Err(Error::AccessDenied(_))), "{denied:?}");
    }
    for denied in [hosts.drain("a").await, hosts.move_to("shop", "a").await] {
        assert!(matches!(denied, Err(Error::AccessDenied(_))), "{denied:?}");
    }
}
