//! Who may do what, on a real bus: callers without the right may look, but neither change anything
//! nor read documents.

use std::process::Command;

use cpe_bus::proxies::{CpeDeploymentProxy, CpeEventsProxy, CpeManagerProxy};
use cpe_bus::{Error, Fields};
use zbus::connection::AuthMechanism;

use super::harness::{Bus, Cpe, deployment, document};

/// A deployment that nobody may have touched, and the one event of its creation. What was refused
/// is told, too.
async fn assert_untouched(cpe: &Cpe) {
    let deployments = cpe.manager().await.list_deployments().await;
    assert_eq!(deployments.expect("a list").len(), 1);
    let mut events = cpe.all_events().await;
    events.retain(|event| event.state != "denied");
    assert_eq!(events.len(), 1);
}

/// What came of calls, by their methods.
type Answers = Vec<(&'static str, cpe_bus::Result<()>)>;

/// Asks for what was stored and decided before.
async fn call_history(stranger: &zbus::Connection) -> Answers {
    let deployment = shop(stranger).await;
    vec![
        (
            "ListGenerations",
            deployment.list_generations().await.map(drop),
        ),
        ("ListInputs", deployment.list_inputs().await.map(drop)),
        (
            "GetKeptInput",
            deployment.get_kept_input("1").await.map(drop),
        ),
    ]
}

/// Gives a deployment away, and speaks for others.
async fn call_ownership(stranger: &zbus::Connection) -> Answers {
    let manager = CpeManagerProxy::new(stranger).await.expect("a proxy");
    let deployment = shop(stranger).await;
    let given = deployment.set_owner("user:nobody", Fields::new());
    vec![
        ("SetOwner", given.await),
        ("Assume", manager.assume("token:a").await.map(drop)),
    ]
}

/// Gives orders about services.
async fn call_orders(stranger: &zbus::Connection) -> Answers {
    let deployment = shop(stranger).await;
    let none = Fields::new();
    let planned = deployment.plan_service("disable", "web", none.clone());
    let planned = planned.await.map(drop);
    let ordered = deployment.order_service("disable", "web", none);
    vec![
        ("PlanService", planned),
        ("OrderService", ordered.await.map(drop)),
    ]
}

/// Has a deployment tended.
async fn call_upkeep(stranger: &zbus::Connection) -> Answers {
    let deployment = shop(stranger).await;
    let cleanup = deployment.cleanup_operation("web", "", "monitor", Fields::new());
    let plan = deployment.plan_standby("", true);
    let planned = deployment.plan_upkeep("refresh", Fields::new());
    let ordered = deployment.order_upkeep("refresh", Fields::new());
    let room = deployment.check_room(Fields::new());
    vec![
        ("Cleanup", deployment.cleanup("", "").await),
        ("SetStandby", deployment.set_standby("web1", true).await),
        ("SetMaintenance", deployment.set_maintenance("", true).await),
        ("CleanupOperation", cleanup.await),
        ("Refresh", deployment.refresh("", "").await),
        ("SetStandbyOfAll", deployment.set_standby_of_all(true).await),
        ("PlanStandby", plan.await.map(drop)),
        ("PlanUpkeep", planned.await.map(drop)),
        ("OrderUpkeep", ordered.await),
        ("CheckRoom", room.await.map(drop)),
    ]
}

/// Calls everything that takes a right; what came of each.
async fn call_all(stranger: &zbus::Connection) -> Answers {
    let manager = CpeManagerProxy::new(stranger).await.expect("a proxy");
    let events = CpeEventsProxy::new(stranger).await.expect("a proxy");
    let deployment = shop(stranger).await;
    let evil = document("evil", "");
    let event = cpe_bus::Event {
        id: "x".into(),
        kind: "a.b".into(),
        ..cpe_bus::Event::default()
    };
    let create = manager.create_deployment(&evil, Fields::new());
    let failed = manager.host_failed("compute-7", Fields::new());
    let update = manager.update_deployment("shop", 0, &evil, Fields::new());
    let destroy = manager.destroy_deployment("shop", true);
    let destroy_at = manager.destroy_deployment_at("shop", 1, true);
    let mut answers = vec![
        ("CreateDeployment", create.await.map(drop)),
        ("UpdateDeployment", update.await.map(drop)),
        ("DestroyDeployment", destroy.await),
        ("DestroyDeploymentAt", destroy_at.await),
        (
            "ValidateDeployment",
            manager.validate_deployment(&evil).await.map(drop),
        ),
        (
            "PlanDeployment",
            manager.plan_deployment(&evil).await.map(drop),
        ),
        ("HostFailed", failed.await.map(drop)),
        ("Record", events.record(event.to_fields()).await.map(drop)),
        ("GetDocument", deployment.get_document(0).await.map(drop)),
        ("GetInput", deployment.get_input().await.map(drop)),
        ("Explain", deployment.explain("web", "").await.map(drop)),
        (
            "GetExplanation",
            deployment.get_explanation(Fields::new()).await.map(drop),
        ),
        ("ListAgents", deployment.list_agents("").await.map(drop)),
        (
            "DescribeAgent",
            deployment.describe_agent("lsb:a", "").await.map(drop),
        ),
        ("CheckAgents", deployment.check_agents("").await.map(drop)),
        (
            "ConfirmFenced",
            deployment.confirm_fenced("web1", "1-1").await,
        ),
        ("Fence", deployment.fence("web1", "reboot").await),
        ("GrantTicket", deployment.grant_ticket("east").await),
        ("RevokeTicket", deployment.revoke_ticket("east").await),
        (
            "SetTicketStandby",
            deployment.set_ticket_standby("east", true).await,
        ),
        (
            "SetAttribute",
            deployment.set_attribute("web1", "forever", "a", "1").await,
        ),
        (
            "DeleteAttribute",
            deployment.delete_attribute("web1", "forever", "a").await,
        ),
    ];
    answers.extend(call_history(stranger).await);
    answers.extend(call_ownership(stranger).await);
    answers.extend(call_orders(stranger).await);
    answers.extend(call_upkeep(stranger).await);
    answers
}

async fn shop(connection: &zbus::Connection) -> CpeDeploymentProxy<'static> {
    deployment(connection, "shop").await
}

/// The bus lets this caller in without knowing who it is; that takes no other user, so it runs
/// everywhere.
#[tokio::test]
async fn a_caller_for_whom_the_bus_does_not_vouch_may_only_look() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("shop").await.expect("a deployment");
    let stranger = zbus::connection::Builder::address(bus.address().as_str())
        .auth_mechanism(AuthMechanism::Anonymous)
        .build()
        .await
        .expect("a connection without a name");
    for (method, answer) in call_all(&stranger).await {
        assert!(
            matches!(&answer, Err(Error::AccessDenied(text)) if text.contains("does not know")),
            "{method}: {answer:?}"
        );
    }
    let manager = CpeManagerProxy::new(&stranger).await.expect("a proxy");
    let events = CpeEventsProxy::new(&stranger).await.expect("a proxy");
    assert_eq!(manager.list_deployments().await.expect("a list").len(), 1);
    events.query(0, 0, Fields::new()).await.expect("events");
    shop(&stranger).await.get_status().await.expect("a status");
    // Who may look may look at these, if there is a DPE.
    let operations = shop(&stranger).await.get_operations(Fields::new()).await;
    assert!(
        matches!(&operations, Err(Error::NotReady(_))),
        "{operations:?}"
    );
    assert_untouched(&cpe).await;
}

/// `busctl call`, as user nobody: whether it succeeded, and what it said.
fn as_nobody(address: &str, arguments: &[&str]) -> (bool, String) {
    use std::os::unix::process::CommandExt;
    let output = Command::new("busctl")
        .arg(format!("--address={address}"))
        .arg("call")
        .arg("org.cloudpolicy.Cpe1")
        .args(arguments)
        .uid(65534)
        .gid(65534)
        .output()
        .expect("busctl");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

const MANAGER: [&str; 2] = ["/org/cloudpolicy/cpe1", "org.cloudpolicy.Cpe1.Manager"];
const EVENTS: [&str; 2] = ["/org/cloudpolicy/cpe1", "org.cloudpolicy.Cpe1.Events"];
const SHOP: [&str; 2] = [
    "/org/cloudpolicy/cpe1/deployment/shop",
    "org.cloudpolicy.Cpe1.Deployment",
];

/// The end-to-end tests do the same on a real system bus.
#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn another_user_without_the_right_may_only_look() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    let text = document("evil", "");
    let event = ["2", "id", "s", "x", "kind", "s", "a.b"];
    let refused: [([&str; 2], &[&str]); 31] = [
        (MANAGER, &["CreateDeployment", "sa{sv}", &text, "0"]),
        (
            MANAGER,
            &["UpdateDeployment", "stsa{sv}", "shop", "0", &text, "0"],
        ),
        (MANAGER, &["DestroyDeployment", "sb", "shop", "true"]),
        (
            MANAGER,
            &["DestroyDeploymentAt", "stb", "shop", "1", "true"],
        ),
        (MANAGER, &["ValidateDeployment", "s", &text]),
        (MANAGER, &["PlanDeployment", "s", &text]),
        (EVENTS, &[&["Record", "a{sv}"][..], &event[..]].concat()),
        (SHOP, &["GetDocument", "t", "0"]),
        (SHOP, &["GetInput"]),
        (SHOP, &["Explain", "ss", "web", ""]),
        (SHOP, &["GetExplanation", "a{sv}", "0"]),
        (SHOP, &["ListAgents", "s", ""]),
        (SHOP, &["DescribeAgent", "ss", "lsb:a", ""]),
        (SHOP, &["CheckAgents", "s", ""]),
        (SHOP, &["Cleanup", "ss", "", ""]),
        (
            SHOP,
            &["CleanupOperation", "sssa{sv}", "web", "", "monitor", "0"],
        ),
        (SHOP, &["Refresh", "ss", "", ""]),
        (SHOP, &["SetStandbyOfAll", "b", "true"]),
        (SHOP, &["PlanStandby", "sb", "", "true"]),
        (SHOP, &["PlanUpkeep", "sa{sv}", "refresh", "0"]),
        (SHOP, &["OrderUpkeep", "sa{sv}", "hop", "0"]),
        (SHOP, &["CheckRoom", "a{sv}", "0"]),
        (SHOP, &["SetStandby", "sb", "web1", "true"]),
        (SHOP, &["ConfirmFenced", "ss", "web1", "1-1"]),
        (SHOP, &["Fence", "ss", "web1", "off"]),
        (MANAGER, &["HostFailed", "sa{sv}", "compute-7", "0"]),
        (SHOP, &["GrantTicket", "s", "east"]),
        (SHOP, &["RevokeTicket", "s", "east"]),
        (SHOP, &["SetTicketStandby", "sb", "east", "true"]),
        (SHOP, &["SetAttribute", "ssss", "web1", "forever", "a", "1"]),
        (SHOP, &["DeleteAttribute", "sss", "web1", "forever", "a"]),
    ];
    for (object, call) in refused {
        let (done, message) = as_nobody(&bus.address(), &[&object[..], call].concat());
        assert!(
            !done && message.contains("group `cpe`"),
            "{call:?}: {message}"
        );
    }
    let allowed: [([&str; 2], &[&str]); 3] = [
        (MANAGER, &["ListDeployments"]),
        (EVENTS, &["Query", "tua{sv}", "0", "0", "0"]),
        (SHOP, &["GetStatus"]),
    ];
    for (object, call) in allowed {
        let (done, message) = as_nobody(&bus.address(), &[&object[..], call].concat());
        assert!(done, "{call:?}: {message}");
    }
    assert_untouched(&cpe).await;
}

#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn a_dpe_records_events_of_its_own_deployment_only() {
    let bus = Bus::start();
    let _systemd = super::fake_systemd::FakeSystemd::start(&bus, &["shop"]).await;
    let cpe = bus
        .cpe_with("[access]\nrecorder_group = \"nogroup\"\n")
        .await;
    cpe.create("shop").await.unwrap();
    cpe.await_event("dpe.started", "shop").await;
    let before = cpe.all_events().await.len();
    let address = bus.address();
    // On a thread of its own, since the pretended systemd answers meanwhile.
    let asked = tokio::task::spawn_blocking(move || {
        let event = "Record a{sv} 3 id s x kind s service.failed deployment s shop";
        let words: Vec<&str> = EVENTS.into_iter().chain(event.split(' ')).collect();
        as_nobody(&address, &words)
    });
    let (done, message) = asked.await.unwrap();
    assert!(
        !done && message.contains("is not the DPE of `shop`"),
        "{message}"
    );
    let mut events = cpe.all_events().await;
    events.retain(|event| event.state != "denied");
    assert_eq!(events.len(), before);
}
