//! From create to destroy, with a pretended systemd and pretended DPEs.

use cpe_bus::fields::put;
use cpe_bus::proxies::CpeDeploymentProxy;
use cpe_bus::{Error, Fields};
use futures_util::StreamExt;
use zbus::Variant;
use zbus::fdo::{ObjectManagerProxy, PropertiesChangedStream, PropertiesProxy};

use super::fake_systemd::{FakeSystemd, socket_in};
use super::harness::{Bus, Cpe, PATIENCE, document, until};

async fn await_state(cpe: &Cpe, name: &str, wanted: &str) {
    let deployment = cpe.deployment(name).await;
    until(&format!("{name} to be {wanted}"), async || {
        (deployment.state().await.ok()? == wanted).then_some(())
    })
    .await;
}

fn kinds(events: &[cpe_bus::Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

async fn object_manager(cpe: &Cpe) -> ObjectManagerProxy<'static> {
    let name = "org.cloudpolicy.Cpe1";
    ObjectManagerProxy::new(&cpe.connection, name, "/org/cloudpolicy/cpe1")
        .await
        .unwrap()
}

const SHOP_PATH: &str = "/org/cloudpolicy/cpe1/deployment/shop";

#[tokio::test]
async fn a_deployment_is_started_loaded_and_changed() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let objects = object_manager(&cpe).await;
    let mut added = objects.receive_interfaces_added().await.unwrap();
    cpe.create("shop").await.unwrap();
    let signal = added.next().await.unwrap();
    assert_eq!(signal.args().unwrap().object_path().as_str(), SHOP_PATH);
    await_state(&cpe, "shop", "active").await;
    assert_eq!(systemd.dpe("shop").loads, [(1, document("shop", ""))]);
    let deployment = cpe.deployment("shop").await;
    assert_eq!(deployment.dpe_pid().await.unwrap(), std::process::id());
    assert_eq!(deployment.unit().await.unwrap(), "dpe@shop.service");

    deployment.set_standby("web1", true).await.unwrap();
    let unknown = deployment.set_standby("web9", true).await;
    assert!(
        matches!(&unknown, Err(Error::NotFound(text)) if text.contains("web9")),
        "{unknown:?}"
    );

    let second = document("shop", "second");
    let manager = cpe.manager().await;
    let updated = manager.update_deployment("shop", 1, &second, Fields::new());
    assert_eq!(updated.await.unwrap(), 2);
    until("generation 2 in the DPE", async || {
        (systemd.dpe("shop").generation == 2).then_some(())
    })
    .await;
    assert_eq!(systemd.dpe("shop").loads[1], (2, second));
}

#[tokio::test]
async fn orders_that_hang_hold_up_neither_others_nor_supervision() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop", "wiki"]).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    let deployment = cpe.deployment("shop").await;
    let mut hanging = tokio::task::JoinSet::new();
    for _ in 0..80 {
        let deployment = deployment.clone();
        hanging.spawn(async move { deployment.set_standby("never", true).await });
    }
    until("orders to hang", async || {
        let orders = systemd.dpe("shop").asked_by.len();
        (orders >= 4).then_some(())
    })
    .await;
    cpe.create("wiki").await.unwrap();
    let soon = async {
        await_state(&cpe, "wiki", "active").await;
        let wiki = cpe.deployment("wiki").await;
        wiki.set_standby("web1", true).await.unwrap();
    };
    let served = tokio::time::timeout(PATIENCE / 3, soon).await;
    served.expect("wiki served while orders about shop hang");
    // What waits is bounded: the others are refused, and may try again.
    let refused = hanging.try_join_next();
    assert!(
        matches!(&refused, Some(Ok(Err(Error::NotReady(text)))) if text.contains("wait")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn plans_that_wait_for_guests_are_bounded() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    let manager = cpe.manager().await;
    let text = document("shop", "other");
    let mut plans = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (manager, planned) = (manager.clone(), text.clone());
        plans.spawn(async move { manager.plan_deployment(&planned).await });
        tokio::task::yield_now().await;
        // One after another, so that none is refused because others are being read.
        cpe.manager()
            .await
            .validate_deployment(&text)
            .await
            .unwrap();
    }
    let refused = tokio::time::timeout(PATIENCE / 3, plans.join_next()).await;
    assert!(
        matches!(&refused, Ok(Some(Ok(Err(Error::Busy(text))))) if text.contains("16 documents")),
        "{refused:?}"
    );
    // Documents are taken all the same.
    cpe.create("wiki").await.unwrap();
}

#[tokio::test]
async fn a_destroyed_deployment_leaves_nothing_and_its_name_is_free() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let objects = object_manager(&cpe).await;
    let mut removed = objects.receive_interfaces_removed().await.unwrap();
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;

    manager.destroy_deployment("shop", true).await.unwrap();
    let state = cpe.deployment("shop").await.state().await.unwrap();
    assert_eq!(state, "destroying");
    cpe.await_event("deployment.destroyed", "shop").await;
    let signal = removed.next().await.unwrap();
    assert_eq!(signal.args().unwrap().object_path().as_str(), SHOP_PATH);
    assert!(manager.list_deployments().await.unwrap().is_empty());
    assert_eq!(
        systemd.calls(),
        [
            "Subscribe",
            "StartUnit dpe@shop.service",
            "StopUnit dpe@shop.service",
            "ResetFailedUnit dpe@shop.service",
            "CleanUnit dpe@shop.service state runtime"
        ]
    );
    assert_eq!(
        kinds(&cpe.all_events().await),
        [
            "deployment.created",
            "dpe.started",
            "deployment.administered",
            "deployment.destroyed"
        ]
    );
    // It starts from nothing.
    assert_eq!(cpe.create("shop").await.unwrap(), ("shop".into(), 1));
    await_state(&cpe, "shop", "active").await;
}

#[tokio::test]
async fn a_deployment_ends_at_the_generation_that_was_seen() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop", "ghost"]).await;
    systemd.run("ghost").await;
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    for (name, seen) in [("shop", 2), ("ghost", 1)] {
        let other = manager.destroy_deployment_at(name, seen, true).await;
        assert!(
            matches!(other, Err(Error::GenerationConflict(_))),
            "{name}: {other:?}"
        );
    }
    assert_eq!(systemd.active("ghost"), "active");
    let none = manager.destroy_deployment_at("shop", 0, true).await;
    assert!(matches!(none, Err(Error::InvalidArgument(_))), "{none:?}");
    let mail = manager.destroy_deployment_at("mail", 1, true).await;
    assert!(matches!(mail, Err(Error::NotFound(_))), "{mail:?}");
    let state = cpe.deployment("shop").await.state().await.unwrap();
    assert_eq!(state, "active", "nothing has ended");
    let ended = manager.destroy_deployment_at("shop", 1, true).await;
    ended.unwrap();
    cpe.await_event("deployment.destroyed", "shop").await;
}

#[tokio::test]
async fn a_dpe_without_state_is_told_where_services_may_run_already() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    // What became of the deployment before, and what follows.
    for (keeps_services, in_doubt) in [(None, false), (Some(true), true), (Some(false), false)] {
        if let Some(keeps_services) = keeps_services {
            let destroyed = manager.destroy_deployment("shop", !keeps_services).await;
            destroyed.unwrap();
            until("it is gone", async || {
                let left = manager.list_deployments().await.unwrap();
                left.is_empty().then_some(())
            })
            .await;
        }
        cpe.create("shop").await.unwrap();
        await_state(&cpe, "shop", "active").await;
        let told = systemd.dpe("shop").in_doubt;
        assert_eq!(told.contains("web1"), in_doubt, "{keeps_services:?}");
    }
    systemd.lose_state("shop").await;
    until(
        "the document is given again, with all in doubt",
        async || {
            let dpe = systemd.dpe("shop");
            (dpe.generation == 1 && dpe.in_doubt.contains("web1")).then_some(())
        },
    )
    .await;
}

/// Waits until the bus says that a property has changed to that.
async fn await_change(changes: &mut PropertiesChangedStream, property: &str, wanted: Variant<'_>) {
    let changed = async {
        while let Some(change) = changes.next().await {
            let change = change.args().unwrap();
            if change.changed_properties().get(property) == Some(&wanted) {
                return;
            }
        }
        panic!("the bus is gone");
    };
    let changed = tokio::time::timeout(PATIENCE, changed).await;
    changed.unwrap_or_else(|_| panic!("{property} was not announced to be {wanted:?}"));
}

#[tokio::test]
async fn changes_of_a_deployment_are_announced_also_after_it_was_created_again() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let properties = PropertiesProxy::new(
        &cpe.connection,
        "org.cloudpolicy.Cpe1",
        "/org/cloudpolicy/cpe1/deployment/shop",
    )
    .await
    .unwrap();
    let mut changes = properties.receive_properties_changed().await.unwrap();
    for _ in 0..2 {
        cpe.create("shop").await.unwrap();
        await_change(&mut changes, "State", "active".into()).await;
        manager
            .update_deployment("shop", 1, &document("shop", "second"), Fields::new())
            .await
            .unwrap();
        await_change(&mut changes, "Generation", 2u64.into()).await;
        manager.destroy_deployment("shop", true).await.unwrap();
        await_change(&mut changes, "State", "destroying".into()).await;
        until("the name to be free", async || {
            let left = manager.list_deployments().await.unwrap();
            left.is_empty().then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn services_are_left_running_if_asked() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    let seen = tokio::spawn({
        let connection = cpe.connection.clone();
        async move {
            let manager = cpe_bus::proxies::CpeManagerProxy::new(&connection)
                .await
                .unwrap();
            manager.destroy_deployment("shop", false).await.unwrap();
        }
    });
    seen.await.unwrap();
    cpe.await_event("deployment.destroyed", "shop").await;
    assert_eq!(systemd.active("shop"), "inactive");
}

#[tokio::test]
async fn a_dpe_that_was_restarted_has_not_died() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let mut cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    let restarted = async |cpe: &Cpe, times: usize| {
        until("the DPE's return", async || {
            let events = cpe.all_events().await.into_iter();
            let count = events.filter(|event| event.kind == "dpe.restarted").count();
            (count == times).then_some(())
        })
        .await;
    };
    systemd.restart("shop").await;
    restarted(&cpe, 1).await;
    systemd.die("shop").await;
    restarted(&cpe, 2).await;
    // An upgrade restarts the daemon, too.
    cpe.kill();
    systemd.restart("shop").await;
    let cpe = bus.cpe().await;
    restarted(&cpe, 3).await;
    let events = cpe.all_events().await;
    assert_eq!(
        kinds(&events),
        [
            "deployment.created",
            "dpe.started",
            "dpe.stopped",
            "dpe.restarted",
            "dpe.died",
            "dpe.restarted",
            "dpe.stopped",
            "dpe.restarted"
        ]
    );
    assert_eq!(
        (&*events[2].state, &*events[2].reason),
        ("stopped", "its unit was restarted")
    );
}

#[tokio::test]
async fn a_socket_of_fence_agents_that_somebody_has_removed_is_made_again() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let folder = bus.directory.path().join("fence");
    systemd.listen("cpe-fence@shop.socket", &folder).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    let socket = folder.join("shop/sock");
    let made_again = || {
        until("the socket to be there", async || {
            socket.exists().then_some(())
        })
    };
    let restarts = || {
        let calls = systemd.calls().into_iter();
        let restarts = calls.filter_map(|call| Some(call.strip_prefix("RestartUnit ")?.to_owned()));
        restarts.collect::<Vec<String>>()
    };
    std::fs::remove_file(&socket).unwrap();
    made_again().await;
    assert_eq!(restarts(), ["cpe-fence@shop.socket"]);
    // Its DPE would not see another folder.
    std::fs::remove_dir_all(folder.join("shop")).unwrap();
    made_again().await;
    until("its DPE to be restarted", async || {
        (restarts().len() == 3).then_some(())
    })
    .await;
    let (socket, dpe) = ("cpe-fence@shop.socket", "dpe@shop.service");
    assert_eq!(restarts(), [socket, socket, dpe]);
    await_state(&cpe, "shop", "active").await;
}

#[tokio::test]
async fn the_socket_of_the_gateway_that_somebody_has_removed_is_made_again() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &[]).await;
    let folder = bus.directory.path().join("sockets");
    let unit = "cpe-gateway.socket";
    systemd.listen(unit, &folder).await;
    let _cpe = bus.cpe().await;
    // Of the whole folder, too.
    for times in 1..=2 {
        std::fs::remove_dir_all(folder.join("cpe-gateway")).unwrap();
        until("the socket to be there", async || {
            socket_in(&folder, unit).exists().then_some(())
        })
        .await;
        let calls = systemd.calls().into_iter();
        let restarts = calls.filter(|call| call == "RestartUnit cpe-gateway.socket");
        assert_eq!(restarts.count(), times);
    }
}

#[tokio::test]
async fn a_dead_dpe_is_noticed_told_of_and_started_again_where_systemd_has_given_up() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus
        .cpe_with("[dpe]\nbackoff_initial = \"10ms\"\nbackoff_maximum = \"20ms\"\n")
        .await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    for round in 1..=3 {
        systemd.kill("shop").await;
        until("the DPE's return", async || {
            let events = cpe.all_events().await;
            (events
                .iter()
                .filter(|event| event.kind == "dpe.restarted")
                .count()
                == round)
                .then_some(())
        })
        .await;
        await_state(&cpe, "shop", "active").await;
    }
    let events = cpe.all_events().await;
    assert_eq!(
        kinds(&events),
        [
            "deployment.created",
            "dpe.started",
            "dpe.died",
            "dpe.restarted",
            "dpe.died",
            "dpe.restarted",
            "dpe.died",
            "dpe.restarted"
        ]
    );
    assert_eq!(events[2].reason, "killed by signal 9");
    assert!(
        systemd
            .calls()
            .contains(&"ResetFailedUnit dpe@shop.service".to_owned())
    );
    // It had the document already: nothing to load again.
    assert_eq!(systemd.dpe("shop").loads.len(), 1);
}

#[tokio::test]
async fn a_dpe_that_nobody_knows_runs_until_an_administrator_ends_it() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["ghost", "shop"]).await;
    systemd.run("ghost").await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    assert_eq!(systemd.active("ghost"), "active");
    let manager = cpe.manager().await;
    manager.destroy_deployment("ghost", true).await.unwrap();
    assert_eq!(systemd.active("ghost"), "inactive");
    let again = manager.destroy_deployment("ghost", true).await;
    assert!(matches!(again, Err(Error::NotFound(_))), "{again:?}");
    assert_eq!(systemd.active("shop"), "active");
}

#[tokio::test]
async fn a_document_is_given_to_the_main_process_of_the_unit_only() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    // Another process of user dpe has taken the name.
    systemd.tell_main_pid(Some(1));
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    cpe.await_event("dpe.started", "shop").await;
    let deployment = cpe.deployment("shop").await;
    let refused = deployment.set_standby("web1", true).await;
    assert!(matches!(refused, Err(Error::NotReady(_))), "{refused:?}");
    assert_eq!(systemd.dpe("shop").loads, []);
    systemd.tell_main_pid(None);
    await_state(&cpe, "shop", "active").await;
    assert_eq!(systemd.dpe("shop").loads.len(), 1);
}

/// Orders of which some are refused.
async fn order_more(deployment: &CpeDeploymentProxy<'_>) {
    let unknown = deployment.set_standby("web9", false).await;
    assert!(unknown.is_err(), "{unknown:?}");
    let mut every = Fields::new();
    put(&mut every, "interval_ms", 10_000_u64);
    let cleaned = deployment.cleanup_operation("web", "web1", "monitor", every);
    cleaned.await.unwrap();
    let refused = deployment.refresh("web", "").await;
    assert!(matches!(refused, Err(Error::NotReady(_))), "{refused:?}");
    deployment.set_standby_of_all(true).await.unwrap();
}

#[tokio::test]
async fn every_order_of_an_administrator_is_an_event_that_names_the_caller() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    await_state(&cpe, "shop", "active").await;
    let deployment = cpe.deployment("shop").await;
    deployment.set_standby("web1", true).await.unwrap();
    order_more(&deployment).await;
    // The DPE is told too: its own events say what they follow from.
    let told = systemd.dpe("shop").asked_by;
    let names_caller = |by: &String| by.ends_with(" of session-3.scope");
    assert!(told.len() == 5 && told.iter().all(names_caller), "{told:?}");
    let manager = cpe.manager().await;
    let second = document("shop", "second");
    let updated = manager.update_deployment("shop", 0, &second, Fields::new());
    updated.await.unwrap();
    manager.destroy_deployment("shop", true).await.unwrap();
    cpe.await_event("deployment.destroyed", "shop").await;

    let events = cpe.all_events().await;
    let orders: Vec<_> = events
        .iter()
        .filter(|event| event.kind == "deployment.administered")
        .map(|event| {
            let action = event.details["action"].as_str();
            (action, event.assembly.as_str(), event.state.as_str())
        })
        .collect();
    assert_eq!(
        orders,
        [
            ("standby", "web1", "done"),
            ("standby", "web9", "refused"),
            ("cleanup-operation", "web1", "done"),
            ("refresh", "", "refused"),
            ("standby-of-all", "", "done"),
            ("destroy", "", "done")
        ]
    );
    let pid = std::process::id().to_string();
    for event in &events {
        if ["dpe.started", "deployment.destroyed"].contains(&event.kind.as_str()) {
            continue;
        }
        let detail = |key: &str| event.details.get(key).map(String::as_str);
        assert_eq!(detail("caller_pid"), Some(pid.as_str()), "{event:?}");
        assert_eq!(detail("caller_unit"), Some("session-3.scope"), "{event:?}");
        for key in [
            "caller_uid",
            "caller_user",
            "caller_program",
            "caller_sender",
        ] {
            assert!(
                detail(key).is_some_and(|text| !text.is_empty()),
                "{key}: {event:?}"
            );
        }
    }
    let standby = events
        .iter()
        .find(|event| event.state == "refused")
        .unwrap();
    assert!(
        standby.reason.contains(&format!("process {pid} ")),
        "{}",
        standby.reason
    );
}
