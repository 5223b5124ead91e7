//! Orders about single services, beside the document: planned, refused, given, ended, kept; a real
//! DPE and real guest agents behind the daemon.

use cpe_bus::fields::put;
use cpe_bus::proxies::CpeDeploymentProxy;
use cpe_bus::{Error, Fields};
use cpe_status::{DeploymentStatus, OverlayKind, ServicePlan, ServiceState};

use super::explanations::{deploy, runs_in};
use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, until};

fn to(assembly: &str) -> Fields {
    let mut options = Fields::new();
    put(&mut options, "assembly", assembly.to_owned());
    options
}

fn with<'a>(mut options: Fields, key: &str, value: impl Into<zbus::Variant<'a>>) -> Fields {
    put(&mut options, key, value);
    options
}

async fn status(deployment: &CpeDeploymentProxy<'static>) -> DeploymentStatus {
    let text = deployment.get_status().await.expect("a status");
    cpe_bus::json::from_json(&text).expect("a status")
}

async fn until_nothing_is_wanted(deployment: &CpeDeploymentProxy<'static>) {
    until("no entry is left", async || {
        let text = deployment.get_status().await.ok()?;
        let status: DeploymentStatus = cpe_bus::json::from_json(&text).ok()?;
        (status.is_complete() && status.overlay.is_empty()).then_some(())
    })
    .await;
}

async fn order(deployment: &CpeDeploymentProxy<'static>, verb: &str, options: Fields) {
    let given = deployment.order_service(verb, "web", options).await;
    given.unwrap_or_else(|error| panic!("{verb}: {error:?}"));
}

#[tokio::test]
async fn of_two_orders_that_do_not_hold_together_one_is_refused() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;
    for _ in 0..5 {
        let (one, other) = tokio::join!(
            deployment.order_service("ban", "web", to("web1")),
            deployment.order_service("ban", "web", to("web2")),
        );
        let refused = match (&one, &other) {
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
            both => panic!("{both:?}"),
        };
        assert!(matches!(refused, Error::Refused(_)), "{refused:?}");
        assert_eq!(status(&deployment).await.overlay.len(), 1);
        order(&deployment, "clear", Fields::new()).await;
        until_nothing_is_wanted(&deployment).await;
    }
}

#[tokio::test]
async fn a_move_is_planned_and_refused_if_it_would_not_hold() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;
    let planned = deployment.plan_service("move", "web", to("web2")).await;
    let plan: ServicePlan = cpe_bus::json::from_json(&planned.expect("a plan")).expect("a plan");
    assert_eq!(plan.refused, ["afterwards it would go back to web1"]);
    assert_eq!(plan.actions[0].action, "move");
    let refused = deployment.order_service("move", "web", to("web2")).await;
    assert!(
        matches!(&refused, Err(Error::Refused(text)) if text.contains("--for 2h keeps it there")),
        "{refused:?}"
    );
    assert!(
        status(&deployment).await.overlay.is_empty(),
        "nothing has changed"
    );
    let other = with(
        with(to("web2"), "for_ms", 600_000_u64),
        "fingerprint",
        "7".to_owned(),
    );
    let refused = deployment.order_service("move", "web", other).await;
    assert!(
        matches!(&refused, Err(Error::Refused(text)) if text.contains("than was planned")),
        "{refused:?}"
    );
    for (verb, service, options, expected) in [
        ("move", "wbe", to("web2"), "web"),
        ("ban", "web", to("web9"), "web1, web2"),
        ("hop", "web", to("web2"), "no order"),
    ] {
        let error = deployment.order_service(verb, service, options).await;
        let text = error.expect_err("an error").message();
        assert!(text.contains(expected), "{verb} {service}: {text}");
    }
    order(&deployment, "move", with(to("web2"), "for_ms", 600_000_u64)).await;
    runs_in(&deployment, "web2").await;
    let told = deployment.explain("web", "").await.expect("reasons");
    for part in ["web is moved to web2 by ", "cpectl clear shop web"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    order(&deployment, "clear", Fields::new()).await;
    runs_in(&deployment, "web1").await;
    until_nothing_is_wanted(&deployment).await;
    let orders: Vec<(String, String)> = cpe
        .all_events()
        .await
        .into_iter()
        .filter_map(|event| Some((event.details.get("action")?.clone(), event.state)))
        .filter(|(action, _)| action == "move" || action == "clear")
        .collect();
    let states: Vec<&str> = orders.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(
        states,
        ["refused", "refused", "refused", "done", "done"],
        "{orders:?}"
    );
}

#[tokio::test]
async fn what_is_wanted_of_a_service_outlives_the_dpe_and_ends_in_time() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;
    order(&deployment, "ban", with(to("web1"), "for_ms", 4_000_u64)).await;
    let entry = status(&deployment).await.overlay.remove(0);
    assert_eq!((entry.kind, &*entry.assembly), (OverlayKind::Ban, "web1"));
    assert!(entry.text.contains(" until 2"), "{entry:?}");
    systemd.kill("shop").await;
    until_nothing_is_wanted(&deployment).await;
    runs_in(&deployment, "web1").await;
    cpe.await_event("overlay.expired", "shop").await;
    let input = deployment.get_input().await.expect("an input");
    assert!(!input.contains("cli-ban"), "{input}");

    order(&deployment, "disable", Fields::new()).await;
    let stopped = async || {
        let text = deployment.get_status().await.ok()?;
        let status: DeploymentStatus = cpe_bus::json::from_json(&text).ok()?;
        let known = status.is_complete() && status.overlay.len() == 1;
        (known && status.services[0].state == ServiceState::Stopped).then_some(())
    };
    until("web is stopped", stopped).await;
    let told = deployment.explain("web", "").await.expect("reasons");
    assert!(told.contains("cpectl enable shop web"), "{told}");
    systemd.kill("shop").await;
    until("web is stopped still", stopped).await;
    order(&deployment, "enable", Fields::new()).await;
    runs_in(&deployment, "web1").await;

    order(&deployment, "restart", Fields::new()).await;
    systemd.kill("shop").await;
    until_nothing_is_wanted(&deployment).await;
    runs_in(&deployment, "web1").await;
    until("it was started, enabled and restarted", async || {
        let all = cpe.all_events().await;
        let started = all.iter().filter(|event| event.kind == "service.started");
        (started.count() >= 3).then_some(())
    })
    .await;
}

fn about(pairs: &[(&str, &str)]) -> Fields {
    let mut options = Fields::new();
    for (key, value) in pairs {
        put(&mut options, key, (*value).to_owned());
    }
    options
}

fn is_refused(answer: Result<(), Error>, why: &str) {
    let refused = matches!(&answer, Err(Error::Refused(text)) if text.contains(why));
    assert!(refused, "{answer:?}");
}

#[tokio::test]
async fn of_two_who_empty_the_assemblies_at_once_one_is_refused() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;
    for _ in 0..3 {
        let (one, other) = tokio::join!(
            deployment.set_standby("web1", true),
            deployment.set_standby("web2", true),
        );
        let refused = match (one, other) {
            (Ok(()), refused @ Err(_)) | (refused @ Err(_), Ok(())) => refused,
            both => panic!("{both:?}"),
        };
        is_refused(refused, "web would run nowhere");
        for assembly in ["web1", "web2"] {
            deployment.set_standby(assembly, false).await.expect("done");
        }
        runs_in(&deployment, "web1").await;
    }
    // Who empties all at once knows that nothing runs then; so does who forces it.
    deployment.set_standby_of_all(true).await.expect("done");
    deployment.set_standby_of_all(false).await.expect("done");
    runs_in(&deployment, "web1").await;
    deployment.set_standby("web1", true).await.expect("done");
    let second = with(about(&[("assembly", "web2")]), "on", true);
    let refused = deployment.order_upkeep("standby", second.clone()).await;
    is_refused(refused, "web would run nowhere");
    let forced = with(second, "force", true);
    let done = deployment.order_upkeep("standby", forced).await;
    done.expect("it is forced");
    let order = r#"{"operation":"standby","assembly":"web1","on":true}"#;
    let done = deployment.give_order("0f8fad5b-d9cb-469f-a165-70867728950e", order);
    assert!(
        done.await.expect("a report").contains("\"done\""),
        "it is so already"
    );
    let forced: Vec<String> = cpe
        .all_events()
        .await
        .into_iter()
        .filter(|event| event.details.contains_key("force"))
        .map(|event| event.state)
        .collect();
    assert_eq!(forced, ["done"]);
}

#[tokio::test]
async fn upkeep_is_planned_and_done_as_it_was_planned() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start_with_real_dpes(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let deployment = deploy(&bus, &cpe).await;
    let plan = async |verb: &str, options: Fields| {
        let told = deployment.plan_upkeep(verb, options).await?;
        cpe_bus::json::from_json::<ServicePlan>(&told)
    };
    let on = with(Fields::new(), "on", true);
    deployment.set_maintenance("", true).await.expect("done");
    assert!(plan("maintenance", on).await.expect("a plan").unchanged);
    deployment.set_standby_of_all(true).await.expect("done");
    // Its end would stop what runs.
    let off = with(Fields::new(), "on", false);
    let stops = plan("maintenance", off.clone()).await.expect("a plan");
    assert_eq!(stops.refused, ["web could run nowhere then"]);
    is_refused(
        deployment.set_maintenance("", false).await,
        "web could run nowhere then",
    );
    let order = r#"{"operation":"maintenance","on":false}"#;
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let told = deployment.give_order(id, order).await.expect("a report");
    assert!(told.contains("web could run nowhere then"), "{told}");
    deployment.set_standby("web2", false).await.expect("done");
    // Something else would be done by now.
    let seen = with(off.clone(), "fingerprint", stops.fingerprint);
    is_refused(
        deployment.order_upkeep("maintenance", seen).await,
        "something else would be done now",
    );
    let moves = plan("maintenance", off.clone()).await.expect("a plan");
    assert_eq!(moves.actions[0].action, "move");
    let seen = with(off, "fingerprint", moves.fingerprint);
    let done = deployment.order_upkeep("maintenance", seen).await;
    done.expect("as it was planned");
    runs_in(&deployment, "web2").await;

    let refresh = plan("refresh", Fields::new()).await.expect("a plan");
    assert!(refresh.changes[0].contains("web1, web2"), "{refresh:?}");
    assert!(refresh.actions.is_empty() && refresh.refused.is_empty());
    assert!(
        plan("cleanup", Fields::new())
            .await
            .expect("a plan")
            .unchanged
    );
    for (verb, options, expected) in [
        ("hop", Fields::new(), "expected cleanup, refresh"),
        ("maintenance", Fields::new(), "option `on` is missing"),
        ("standby", Fields::new(), "option `on` is missing"),
        ("cleanup", about(&[("service", "")]), "or left out"),
        (
            "cleanup",
            about(&[("operation", "start")]),
            "`service` is missing",
        ),
        ("refresh", about(&[("service", "wbe")]), "web"),
    ] {
        let error = deployment.order_upkeep(verb, options).await;
        let text = error.expect_err("an error").message();
        assert!(text.contains(expected), "{verb}: {text}");
    }
}
