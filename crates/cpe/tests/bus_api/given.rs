//! Orders with an id: done once, whatever is sent again and whoever dies.

use std::time::Duration;

use cpe_bus::orders::{OrderReport, OrderState};
use cpe_bus::proxies::CpeDeploymentProxy;
use cpe_bus::{Error, Fields, Result, json};
use futures_util::future::join_all;

use super::fake_systemd::FakeSystemd;
use super::harness::{Bus, Cpe, DAEMON, MAIL, SYS, deployment, document, until};

const ONE: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const TWO: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const FENCE: &str = r#"{"operation": "fence", "assembly": "web1", "power": "off"}"#;
const FENCE_MUTE: &str = r#"{"operation": "fence", "assembly": "mute", "power": "off"}"#;
const CLEANUP_MUTE: &str = r#"{"operation": "cleanup", "service": "mute"}"#;
const STANDBY: &str = r#"{"operation": "standby", "assembly": "web1", "on": true}"#;

type Shop = CpeDeploymentProxy<'static>;

async fn give(shop: &Shop, id: &str, order: &str) -> Result<OrderReport> {
    json::from_json(&shop.give_order(id, order).await?)
}

async fn get(shop: &Shop, id: &str) -> Result<OrderReport> {
    json::from_json(&shop.get_order(id).await?)
}

async fn deployed(cpe: &Cpe) -> Shop {
    cpe.create("shop").await.unwrap();
    cpe.await_event("dpe.started", "shop").await;
    let shop = cpe.deployment("shop").await;
    until("the deployment is active", async || {
        (shop.state().await.ok()? == "active").then_some(())
    })
    .await;
    shop
}

async fn until_ended(shop: &Shop, id: &str, state: OrderState) -> OrderReport {
    until(&format!("order {id} to be {state:?}"), async || {
        let report = get(shop, id).await.ok()?;
        (report.state == state).then_some(report)
    })
    .await
}

fn count(systemd: &FakeSystemd, what: &str) -> usize {
    let done = systemd.dpe("shop").done;
    done.iter().filter(|it| *it == what).count()
}

async fn until_done(systemd: &FakeSystemd, what: &str, times: usize) {
    until(&format!("{what}, {times} times"), async || {
        (count(systemd, what) == times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_order_that_twenty_send_at_once_is_done_once() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    let sent = (0..20).map(|_| give(&shop, ONE, FENCE));
    for report in join_all(sent).await {
        let report = report.unwrap();
        assert_eq!(
            (report.id.as_str(), report.deployment.as_str()),
            (ONE, "shop")
        );
    }
    let first = get(&shop, ONE).await.unwrap();
    assert_eq!(first.state, OrderState::Done, "{first:?}");
    assert_eq!(give(&shop, ONE, FENCE).await.unwrap(), first);
    assert_eq!(count(&systemd, "fence web1"), 1);
    let orders = cpe.all_events().await.into_iter();
    let orders = orders.filter(|event| event.details.get("action").is_some_and(|it| it == "fence"));
    assert_eq!(orders.count(), 1, "the log tells of it once");
    let other = give(&shop, ONE, STANDBY).await;
    assert!(matches!(other, Err(Error::Exists(_))), "{other:?}");
    for (id, order) in [
        (ONE.to_uppercase().as_str(), FENCE),
        ("", FENCE),
        ("0f8fad5bd9cb469fa16570867728950e", FENCE),
        (TWO, r#"{"operation": "explode"}"#),
        (TWO, r#"{"operation": "cleanup", "action": "monitor"}"#),
        (TWO, r#"{"operation": "cleanup", "interval_ms": 0}"#),
    ] {
        let wrong = give(&shop, id, order).await;
        assert!(
            matches!(wrong, Err(Error::InvalidArgument(_))),
            "{id} {order}: {wrong:?}"
        );
    }
    let none = get(&shop, TWO).await;
    assert!(matches!(none, Err(Error::NotFound(_))), "{none:?}");
}

#[tokio::test]
async fn an_order_that_could_not_be_done_now_is_tried_again_and_a_wrong_one_is_not() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    // This pretended DPE is never ready to refresh.
    let refresh = r#"{"operation": "refresh"}"#;
    for times in 1..3 {
        let away = give(&shop, ONE, refresh).await.unwrap();
        assert_eq!(
            (away.state, away.may_repeat),
            (OrderState::Failed, true),
            "{away:?}"
        );
        assert_eq!(away.error.unwrap().name, "NotReady");
        assert_eq!(systemd.dpe("shop").asked_by.len(), times);
    }
    let standby = r#"{"operation": "standby", "assembly": "web9", "on": true}"#;
    for _ in 0..2 {
        let wrong = give(&shop, TWO, standby).await.unwrap();
        assert_eq!(
            (wrong.state, wrong.may_repeat),
            (OrderState::Failed, false),
            "{wrong:?}"
        );
        assert_eq!(wrong.error.unwrap().name, "NotFound");
        assert_eq!(systemd.dpe("shop").asked_by.len(), 3);
    }
}

#[tokio::test]
async fn of_what_was_under_way_at_a_kill_the_harmless_is_done_again_and_nothing_else() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let mut cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    let fence = give(&shop, ONE, FENCE_MUTE).await.unwrap();
    let cleanup = give(&shop, TWO, CLEANUP_MUTE).await.unwrap();
    assert_eq!(
        (fence.state, cleanup.state),
        (OrderState::Running, OrderState::Running)
    );
    assert_eq!(
        give(&shop, ONE, FENCE_MUTE).await.unwrap(),
        fence,
        "it goes on"
    );
    cpe.kill();
    let cpe = bus.cpe().await;
    let shop = cpe.deployment("shop").await;
    let fence = until_ended(&shop, ONE, OrderState::Unknown).await;
    let error = fence.error.clone().unwrap();
    assert_eq!(error.name, "OutcomeUnknown");
    let why = error.text;
    assert!(
        why.contains("restarted") && why.contains("another id"),
        "{why}"
    );
    until_ended(&shop, TWO, OrderState::Done).await;
    assert_eq!(give(&shop, ONE, FENCE_MUTE).await.unwrap(), fence);
    assert_eq!(
        count(&systemd, "fence mute"),
        1,
        "what is not harmless is not done twice"
    );
    assert_eq!(count(&systemd, "cleanup mute"), 2);
}

#[tokio::test]
async fn of_what_a_dpe_was_told_when_it_died_nobody_knows() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    assert_eq!(
        give(&shop, ONE, FENCE_MUTE).await.unwrap().state,
        OrderState::Running
    );
    assert_eq!(
        give(&shop, TWO, CLEANUP_MUTE).await.unwrap().state,
        OrderState::Running
    );
    until_done(&systemd, "fence mute", 1).await;
    systemd.kill("shop").await;
    until_ended(&shop, ONE, OrderState::Unknown).await;
    until_ended(&shop, TWO, OrderState::Done).await;
    assert_eq!(count(&systemd, "fence mute"), 1);
}

#[tokio::test]
async fn a_change_that_a_dpe_was_told_when_it_died_may_have_been_done() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    let (manager, document) = (cpe.manager().await, document("shop", "another"));
    let dies = async {
        until_done(&systemd, "fence mute", 1).await;
        until_done(&systemd, "cleanup mute", 1).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        systemd.kill("shop").await;
    };
    let (fence, cleanup, plan, ()) = tokio::join!(
        shop.fence("mute", "off"),
        shop.cleanup("mute", ""),
        manager.plan_deployment(&document),
        dies
    );
    for told in [fence, cleanup] {
        let told = told.unwrap_err();
        let text = told.message();
        assert!(matches!(told, Error::OutcomeUnknown(_)), "{told:?}");
        assert!(text.contains("before you try again"), "{text}");
    }
    assert!(matches!(plan, Err(Error::NotReady(_))), "{plan:?}");
    assert_eq!(count(&systemd, "fence mute"), 1);
    let events = cpe.all_events().await.into_iter();
    let orders = events.filter(|event| event.details.contains_key("action"));
    let states: Vec<String> = orders.map(|event| event.state).collect();
    assert_eq!(states, ["unknown", "unknown"]);
}

#[tokio::test]
async fn what_is_refused_when_it_is_done_again_may_have_been_done_before() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    let cleanup = r#"{"operation": "cleanup", "service": "torn"}"#;
    let torn = give(&shop, ONE, cleanup).await.unwrap();
    assert_eq!(torn.state, OrderState::Running);
    systemd.kill("shop").await;
    let torn = until_ended(&shop, ONE, OrderState::Unknown).await;
    let error = torn.error.unwrap();
    assert_eq!(error.name, "OutcomeUnknown");
    assert!(error.text.contains("no service `torn`"), "{}", error.text);
    assert_eq!(count(&systemd, "cleanup torn"), 2);
}

/// The id of an order of a crowd.
fn id(n: usize) -> String {
    format!("0f8fad5b-d9cb-469f-a165-0000000000{n:02}")
}

#[tokio::test]
async fn one_principal_has_so_many_orders_under_way_and_each_has_one_answer() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    let refresh = r#"{"operation": "refresh"}"#;
    let away = give(&shop, ONE, refresh).await.unwrap();
    assert!(away.may_repeat, "{away:?}");
    // As many as a principal may have; a DPE is told a few of them at a time.
    let ids: Vec<String> = (0..16).map(id).collect();
    let sent = ids.iter().map(|id| give(&shop, id, FENCE_MUTE));
    for report in join_all(sent).await {
        assert_eq!(report.unwrap().state, OrderState::Running);
    }
    let more = give(&shop, TWO, STANDBY).await;
    assert!(
        matches!(&more, Err(Error::Busy(text)) if text.contains("16")),
        "{more:?}"
    );
    let none = get(&shop, TWO).await;
    assert!(matches!(none, Err(Error::NotFound(_))), "{none:?}");
    // It hears of what it has given, as if there were room.
    let same = give(&shop, &ids[0], FENCE_MUTE).await.unwrap();
    assert_eq!(same.state, OrderState::Running);
    for known in [ids[0].as_str(), ONE] {
        let other = give(&shop, known, STANDBY).await;
        assert!(matches!(other, Err(Error::Exists(_))), "{known}: {other:?}");
    }
    let again = give(&shop, ONE, refresh).await;
    assert!(matches!(again, Err(Error::Busy(_))), "{again:?}");
    systemd.kill("shop").await;
    until_ended(&shop, &ids[0], OrderState::Unknown).await;
    assert_eq!(systemd.dpe("shop").asked_by.len(), 1, "refreshed once");
}

#[tokio::test]
async fn nobody_waits_for_an_agent_of_a_deployment_that_is_gone() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    let debug =
        r#"{"operation": "debug", "verb": "monitor", "service": "web", "assembly": "web1"}"#;
    // They never end, and take all places.
    let ids: Vec<String> = (0..16).map(id).collect();
    let sent = ids.iter().map(|id| give(&shop, id, debug));
    for report in join_all(sent).await {
        assert_eq!(report.unwrap().state, OrderState::Running);
    }
    let more = give(&shop, TWO, STANDBY).await;
    assert!(matches!(more, Err(Error::Busy(_))), "{more:?}");
    let manager = cpe.manager().await;
    manager.destroy_deployment("shop", true).await.unwrap();
    cpe.await_event("deployment.destroyed", "shop").await;
    let gone = get(&shop, &ids[0]).await;
    assert!(gone.is_err(), "{gone:?}");
    deployed(&cpe).await;
    let done = until("a place is free", async || {
        give(&shop, TWO, STANDBY).await.ok()
    });
    assert_eq!(done.await.state, OrderState::Done);
    assert_eq!(count(&systemd, "monitor web"), 0, "it is another DPE");
}

#[tokio::test]
async fn what_a_dpe_may_still_do_is_not_told_to_be_undone() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    let fence = r#"{"operation": "fence", "assembly": "kept", "power": "off"}"#;
    for _ in 0..2 {
        let kept = give(&shop, ONE, fence).await.unwrap();
        assert_eq!(
            (kept.state, kept.may_repeat),
            (OrderState::Unknown, false),
            "{kept:?}"
        );
        let why = kept.error.unwrap().text;
        assert!(why.contains("kept in memory"), "{why}");
    }
    assert_eq!(count(&systemd, "fence kept"), 1);
    let cleanup = r#"{"operation": "cleanup", "service": "kept"}"#;
    give(&shop, TWO, cleanup).await.unwrap();
    until_ended(&shop, TWO, OrderState::Done).await;
    assert_eq!(count(&systemd, "cleanup kept"), 2);
}

#[tokio::test]
async fn what_was_under_way_is_not_done_to_another_deployment_of_that_name() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let mut cpe = bus.cpe().await;
    let shop = deployed(&cpe).await;
    let cleanup = give(&shop, ONE, CLEANUP_MUTE).await.unwrap();
    assert_eq!(cleanup.state, OrderState::Running);
    cpe.kill();
    bus.tamper("UPDATE given_order SET uuid = 'of its forerunner'");
    let cpe = bus.cpe().await;
    let shop = cpe.deployment("shop").await;
    let cleanup = until_ended(&shop, ONE, OrderState::Unknown).await;
    let why = cleanup.error.unwrap().text;
    assert!(why.contains("no such deployment any more"), "{why}");
    assert_eq!(count(&systemd, "cleanup mute"), 1);
}

#[tokio::test]
async fn an_order_of_a_deployment_that_is_gone_does_not_end_the_one_with_its_id_of_the_next() {
    let bus = Bus::start();
    let _systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let debug =
        r#"{"operation": "debug", "verb": "monitor", "service": "web", "assembly": "web1"}"#;
    let plain = document("shop", "");
    // If the document says the uuid, the next deployment has the same.
    let uuid = r#"name="shop" uuid="0b7b6e0c-6f0c-4c3c-9f0e-5a0f3f1f9a11""#;
    let said = plain.replace(r#"name="shop""#, uuid);
    for text in [plain, said] {
        for is_next in [false, true] {
            let created = manager.create_deployment(&text, Fields::new()).await;
            created.unwrap();
            let shop = cpe.deployment("shop").await;
            until("the deployment is active", async || {
                (shop.state().await.ok()? == "active").then_some(())
            })
            .await;
            // It never ends, and is asked for again and again.
            let begun = give(&shop, ONE, debug).await.unwrap();
            assert_eq!(begun.state, OrderState::Running);
            if is_next {
                // By then whoever asked for the first one has seen that it is gone.
                tokio::time::sleep(Duration::from_secs(4)).await;
                let now = get(&shop, ONE).await.unwrap();
                assert_eq!(now.state, OrderState::Running, "{now:?}");
            }
            manager.destroy_deployment("shop", true).await.unwrap();
            until("it is gone", async || shop.state().await.err()).await;
        }
    }
}

const ACCESS: &str = r#"
[[grant]]
principal = "user:daemon"
role = "owner"
deployments = ["*"]
[[grant]]
principal = "group:mail"
role = "operator"
deployments = ["*"]
"#;

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn an_id_is_its_givers_alone_and_an_order_takes_the_right_of_what_it_does() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe_with_access(ACCESS).await;
    deployed(&cpe).await;
    let owner = deployment(&bus.connect_as(DAEMON, DAEMON).await, "shop").await;
    let operator = deployment(&bus.connect_as(SYS, MAIL).await, "shop").await;
    let stranger = deployment(&bus.connect_as(SYS, SYS).await, "shop").await;
    assert_eq!(
        give(&owner, ONE, FENCE).await.unwrap().state,
        OrderState::Done
    );
    let none = get(&operator, ONE).await;
    assert!(matches!(none, Err(Error::NotFound(_))), "{none:?}");
    let own = give(&operator, ONE, STANDBY).await.unwrap();
    assert_eq!(own.state, OrderState::Done, "{own:?}");
    assert_eq!(own.order["operation"], "standby");
    assert_eq!(get(&owner, ONE).await.unwrap().order["operation"], "fence");
    let beyond = give(&operator, TWO, FENCE).await;
    assert!(matches!(beyond, Err(Error::AccessDenied(_))), "{beyond:?}");
    for refused in [
        give(&stranger, ONE, STANDBY).await,
        get(&stranger, ONE).await,
    ] {
        assert!(
            matches!(refused, Err(Error::AccessDenied(_))),
            "{refused:?}"
        );
    }
    assert_eq!(count(&systemd, "fence web1"), 1);
    // Who is an operator no more is not told of what it had done either.
    bus.write_access(&ACCESS.replace("group:mail", "group:games"));
    cpe.hang_up();
    until("the right is gone", async || {
        matches!(get(&operator, ONE).await, Err(Error::AccessDenied(_))).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn who_loses_the_right_while_an_order_waits_has_nothing_done() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus.cpe_with_access(ACCESS).await;
    let shop = deployed(&cpe).await;
    let operator = deployment(&bus.connect_as(SYS, MAIL).await, "shop").await;
    // As many as a DPE is told at a time: more wait for some seconds.
    let busy = join_all((0..4).map(|_| shop.fence("slow", "off")));
    let withdrawn = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bus.write_access(&ACCESS.replace("group:mail", "group:games"));
        cpe.hang_up();
        until("the right is gone", async || {
            matches!(get(&operator, TWO).await, Err(Error::AccessDenied(_))).then_some(())
        })
        .await;
    };
    let waiting = async {
        until_done(&systemd, "fence slow", 4).await;
        tokio::join!(
            operator.set_standby("web1", true),
            give(&operator, ONE, STANDBY),
            withdrawn
        )
    };
    let (busy, (standby, order, ())) = tokio::join!(busy, waiting);
    for done in busy {
        done.unwrap();
    }
    assert!(
        matches!(standby, Err(Error::AccessDenied(_))),
        "{standby:?}"
    );
    assert_eq!(order.unwrap().state, OrderState::Running);
    // One that may gets its turn after those that may not.
    shop.set_standby("web1", true).await.unwrap();
    assert_eq!(systemd.dpe("shop").asked_by.len(), 1);
}

/// Orders that are given one after the other until nobody answers: what is done by each, its id,
/// and the answer.
async fn storm(shop: &Shop, round: u64) -> Vec<(String, String, Option<OrderReport>)> {
    let mut given = Vec::new();
    for n in 0..1000 {
        let id = format!("0f8fad5b-d9cb-469f-a165-{round:04}{n:08}");
        let assembly = format!("a{round}-{n}");
        let order =
            format!(r#"{{"operation": "fence", "assembly": "{assembly}", "power": "off"}}"#);
        let answer = give(shop, &id, &order).await.ok();
        let is_last = answer.is_none();
        given.push((format!("fence {assembly}"), id, answer));
        if is_last {
            break;
        }
    }
    given
}

#[tokio::test]
async fn a_kill_at_any_moment_has_an_order_done_once_at_most_and_loses_no_answer() {
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &["shop"]).await;
    let mut cpe = bus.cpe().await;
    let mut shop = deployed(&cpe).await;
    let mut given = Vec::new();
    for round in 0..15 {
        // Somewhere within the time that a few orders take.
        let lifetime = Duration::from_micros(500 + round * 1900);
        {
            let giving = storm(&shop, round);
            tokio::pin!(giving);
            tokio::select! {
                _ = &mut giving => panic!("the daemon was not killed"),
                () = tokio::time::sleep(lifetime) => {}
            }
            cpe.kill();
            given.extend(giving.await);
        }
        cpe = bus.cpe().await;
        shop = cpe.deployment("shop").await;
        until("the deployment is active", async || {
            (shop.state().await.ok()? == "active").then_some(())
        })
        .await;
    }
    let mut ends = [0; 3];
    for (what, id, answer) in given {
        let end = until(&format!("the end of {what}"), async || {
            match get(&shop, &id).await {
                Ok(report) => (report.state != OrderState::Running).then_some(Some(report)),
                Err(Error::NotFound(_)) => Some(None),
                Err(error) => panic!("{what}: {error:?}"),
            }
        })
        .await;
        let done = count(&systemd, &what);
        let state = end.as_ref().map(|report| report.state);
        match state {
            Some(OrderState::Done) => assert_eq!(done, 1, "{what}"),
            Some(OrderState::Unknown) => assert!(done <= 1, "{what}: {done}"),
            // Nothing is done before it is known that it is to be done.
            Some(_) | None => assert_eq!(done, 0, "{what}: {end:?}"),
        }
        if let Some(answer) = answer.filter(|answer| answer.state != OrderState::Running) {
            assert_eq!(Some(answer), end, "{what}");
        }
        ends[match state {
            Some(OrderState::Done) => 0,
            Some(_) => 1,
            None => 2,
        }] += 1;
    }
    assert!(ends[0] > 0, "done, open, never taken: {ends:?}");
}

#[tokio::test]
async fn a_deployment_with_the_longest_name_is_ordered_as_any_other() {
    let name = "s".repeat(63);
    let bus = Bus::start();
    let systemd = FakeSystemd::start(&bus, &[&name]).await;
    let cpe = bus.cpe().await;
    cpe.create(&name).await.unwrap();
    cpe.await_event("dpe.started", &name).await;
    let long = cpe.deployment(&name).await;
    until("it is active", async || {
        (long.state().await.ok()? == "active").then_some(())
    })
    .await;
    let report = give(&long, ONE, FENCE).await.unwrap();
    assert_eq!(
        (report.state, report.deployment),
        (OrderState::Done, name.clone())
    );
    assert_eq!(systemd.dpe(&name).done, ["fence web1"]);
    cpe.manager()
        .await
        .destroy_deployment(&name, true)
        .await
        .unwrap();
    cpe.await_event("deployment.destroyed", &name).await;
    assert!(cpe.create(&format!("{name}s")).await.is_err());
}
