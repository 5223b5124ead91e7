//! Who may say what: epochs, deployments, superseded connections.

use std::time::{Duration, Instant};

use cpe_bus::{Error, HelloSettings};

use crate::guest::{Guest, PATIENCE, find, holds, is_stale, monitor, operation, until, with};

#[tokio::test]
async fn it_obeys_the_highest_epoch_only() {
    let guest = Guest::start();
    let mut old = guest.dpe(5).await;
    let new = guest.dpe(6).await;
    assert!(new.execute(&operation("db", "start")).await.is_ok());
    // The old connection is closed; a new one with the old epoch is refused.
    while old.heartbeat().await.is_some() {}
    let mut again = guest.connect().await;
    assert!(is_stale(&again.hello(5, HelloSettings::default()).await));
    assert!(is_stale(&again.execute(&operation("db", "stop")).await));
    assert!(is_stale(&again.agent.renew(5, 1).await));
    assert_eq!(guest.count("stop db"), 0);
}

/// What an order to connect says that is followed by others.
fn numbered(number: u64, lease_ms: u32) -> HelloSettings {
    HelloSettings {
        heartbeat_interval_ms: 50,
        lease_ms,
        grace_ms: 600,
        number,
        process: 1,
        ..HelloSettings::default()
    }
}

#[tokio::test]
async fn a_hello_that_was_on_its_way_for_longer_is_refused() {
    let guest = Guest::start();
    // Without a lease, for maintenance; that ends before the agent has read it.
    let mut earlier = guest.connect().await;
    let mut later = guest.connect().await;
    later.hello(1, numbered(3, 2000)).await.unwrap();
    later.run(&operation("db", "start")).await;
    let refused = earlier.hello(1, numbered(2, 0)).await;
    assert!(matches!(refused, Err(Error::Superseded(_))), "{refused:?}");
    // Nobody renews the lease that is in force.
    until("the service is stopped", || {
        holds(guest.service_pid("db").is_none())
    })
    .await;
    // It is taken once more, as after a cut.
    let begin = Instant::now();
    while let Err(error) = guest.connect().await.hello(1, numbered(3, 0)).await {
        assert!(begin.elapsed() < PATIENCE, "{error}");
    }
    // So is another process of the DPE. Where its disk is full it may have the same epoch.
    let next = HelloSettings {
        process: 2,
        ..numbered(1, 0)
    };
    assert!(guest.connect().await.hello(1, next).await.is_ok());
    assert!(guest.connect().await.hello(2, numbered(1, 0)).await.is_ok());
}

#[tokio::test]
async fn it_remembers_the_epoch_when_it_is_killed() {
    let mut guest = Guest::start();
    guest.dpe(7).await;
    guest.kill_agent();
    guest.start_agent();
    let mut dpe = guest.connect().await;
    assert!(is_stale(&dpe.hello(6, HelloSettings::default()).await));
    assert!(dpe.hello(7, HelloSettings::default()).await.is_ok());
}

#[tokio::test]
async fn it_listens_again_when_its_socket_file_was_removed() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let begin = Instant::now();
    std::fs::remove_file(guest.path("agent.sock")).unwrap();
    assert!(
        guest
            .connect()
            .await
            .hello(2, HelloSettings::default())
            .await
            .is_ok()
    );
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    while dpe.heartbeat().await.is_some() {}
}

#[tokio::test]
async fn it_says_the_highest_epoch_to_a_dpe_that_has_lost_its_state() {
    let guest = Guest::start();
    let _dpe = guest.dpe(7).await;
    let mut lost = guest.connect().await;
    assert!(is_stale(&lost.hello(1, HelloSettings::default()).await));
    assert_eq!(lost.describe().await.epoch, 7);
}

#[tokio::test]
async fn it_says_who_its_guest_is_over_boots() {
    let mut guest = Guest::start();
    let mut dpe = guest.connect().await;
    let first = dpe.describe().await;
    assert_eq!(first.machine_id.len(), 32);
    assert_eq!((first.deployment.as_str(), first.epoch), ("", 0));
    let hello = dpe.hello(1, HelloSettings::default()).await.unwrap();
    assert_eq!(hello.machine_id, first.machine_id);
    guest.kill_agent();
    guest.new_boot();
    guest.start_agent();
    let second = guest.connect().await.describe().await;
    assert_eq!(second.machine_id, first.machine_id);
    assert_ne!(second.boot_id, first.boot_id);
}

#[tokio::test]
async fn it_is_one_assembly_until_that_is_given_up() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&operation("db", "start")).await;
    drop(dpe);
    let mut renamed = guest.connect().await;
    let as_web2 = |dpe: &mut crate::guest::Dpe| {
        let agent = dpe.agent.clone();
        async move {
            let settings = HelloSettings::default().to_fields();
            agent.hello(2, "shop", "web2", settings).await
        }
    };
    let refused = as_web2(&mut renamed).await;
    assert!(
        matches!(&refused, Err(Error::Occupied(text)) if text.contains("web1") && text.contains("web2")),
        "{refused:?}"
    );
    let mut dpe = guest.dpe(2).await;
    dpe.run(&operation("db", "stop")).await;
    assert!(matches!(
        as_web2(&mut renamed).await,
        Err(Error::Occupied(_))
    ));
    dpe.agent.release(2, false).await.unwrap();
    drop(dpe);
    as_web2(&mut renamed).await.unwrap();
    assert_eq!(renamed.describe().await.assembly, "web2");
}

#[tokio::test]
async fn it_is_one_assembly_while_its_lease_is_in_force() {
    let guest = Guest::start();
    drop(guest.dpe_with_lease(1, 400).await);
    let renamed = guest.connect().await;
    let begin = Instant::now();
    loop {
        let settings = HelloSettings::default().to_fields();
        match renamed.agent.hello(2, "shop", "web2", settings).await {
            Ok(_) => break,
            Err(Error::Occupied(_) | Error::Busy(_)) if begin.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(begin.elapsed() > Duration::from_millis(200));
}

#[tokio::test]
async fn it_wants_a_hello_first() {
    let guest = Guest::start();
    let mut dpe = guest.connect().await;
    dpe.epoch = 1;
    let refused = dpe.execute(&operation("db", "start")).await;
    assert!(
        matches!(&refused, Err(Error::NotReady(text)) if text.contains("Hello")),
        "{refused:?}"
    );
    assert!(matches!(
        dpe.hello(0, HelloSettings::default()).await,
        Err(Error::InvalidArgument(_))
    ));
}

#[tokio::test]
async fn it_sends_heartbeats_with_rising_stamps() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    let first = dpe.heartbeat().await.unwrap();
    let second = dpe.heartbeat().await.unwrap();
    assert!(second > first);
    dpe.agent.renew(1, second).await.unwrap();
    let future = dpe.agent.renew(1, second + 3_600_000_000).await;
    assert!(
        matches!(future, Err(Error::InvalidArgument(_))),
        "{future:?}"
    );
}

#[tokio::test]
async fn it_goes_on_while_no_dpe_is_connected_and_tells_the_next_one() {
    let guest = Guest::start();
    let dpe = guest.dpe(1).await;
    dpe.execute(&with(operation("db", "start"), "delay", "0.2"))
        .await
        .unwrap();
    dpe.execute(&monitor("db", 20)).await.unwrap();
    drop(dpe);
    until("the service runs", || guest.service_pid("db")).await;
    until("it is watched", || holds(guest.count("monitor db") > 2)).await;
    let dpe = guest.dpe(2).await;
    let history = dpe.history().await;
    assert_eq!(
        find(&history, "db", "start").map(|record| record.rc),
        Some(0)
    );
    assert_eq!(
        find(&history, "db", "monitor").map(|record| record.rc),
        Some(0)
    );
}

#[tokio::test]
async fn it_belongs_to_one_deployment_until_it_is_released() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(9).await;
    dpe.run(&operation("db", "start")).await;
    let mut other = guest.connect().await;
    let refused = other.hello_as("forum", 1, HelloSettings::default()).await;
    assert!(
        matches!(&refused, Err(Error::Occupied(text)) if text.contains("shop")),
        "{refused:?}"
    );
    let known = other.describe().await;
    assert_eq!(
        (known.deployment.as_str(), known.assembly.as_str()),
        ("shop", "web1")
    );
    assert_eq!((known.epoch, known.active_services), (9, 1));

    dpe.agent.release(9, true).await.unwrap();
    assert!(
        guest.service_pid("db").is_some(),
        "services were to be kept"
    );
    other
        .hello_as("forum", 1, HelloSettings::default())
        .await
        .unwrap();
    assert_eq!(other.history().await, []);
}

#[tokio::test]
async fn it_stops_services_in_reverse_order_when_it_is_released_without_them() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    for resource in ["ip", "db", "web"] {
        dpe.run(&operation(resource, "start")).await;
    }
    dpe.agent.release(1, false).await.unwrap();
    let stops: Vec<String> = guest
        .actions()
        .into_iter()
        .filter(|line| line.starts_with("stop"))
        .collect();
    assert_eq!(stops, ["stop web", "stop db", "stop ip"]);
    assert!(guest.service_pid("db").is_none());
}

#[tokio::test]
async fn it_is_not_released_while_a_service_does_not_stop() {
    let guest = Guest::start();
    let mut dpe = guest.dpe(1).await;
    dpe.run(&with(operation("db", "start"), "stubborn", "0"))
        .await;
    let refused = dpe.agent.release(1, false).await;
    assert!(
        matches!(&refused, Err(Error::Failed(text)) if text.contains("db")),
        "{refused:?}"
    );
    assert!(find(&dpe.history().await, "db", "stop").is_some());
}
