//! Who may do what, on a real bus: callers without the right may look, but neither change anything
//! nor read documents.

use std::process::Command;

use cpe_bus::names::{CPE_NAME, deployment_path};
use cpe_bus::proxies::{CpeDeploymentProxy, CpeEventsProxy, CpeManagerProxy};
use cpe_bus::{Error, Fields};
use zbus::connection::AuthMechanism;
use zbus::proxy::CacheProperties;

use super::harness::{Bus, Cpe, document};

/// A deployment that nobody may have touched, and the one event of its creation.
async fn assert_untouched(cpe: &Cpe) {
    let deployments = cpe.manager().await.list_deployments().await;
    assert_eq!(deployments.expect("a list").len(), 1);
    assert_eq!(cpe.all_events().await.len(), 1);
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
    let manager = CpeManagerProxy::new(&stranger).await.expect("a proxy");
    let events = CpeEventsProxy::new(&stranger).await.expect("a proxy");
    let deployment = CpeDeploymentProxy::builder(&stranger)
        .destination(CPE_NAME)
        .path(deployment_path("shop"))
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .expect("a proxy");
    let evil = document("evil", "");
    let event = cpe_bus::Event {
        id: "x".into(),
        kind: "a.b".into(),
        ..cpe_bus::Event::default()
    };
    let refused: [(&str, cpe_bus::Result<()>); 10] = [
        (
            "CreateDeployment",
            manager
                .create_deployment(&evil, Fields::new())
                .await
                .map(drop),
        ),
        (
            "UpdateDeployment",
            manager
                .update_deployment("shop", 0, &evil, Fields::new())
                .await
                .map(drop),
        ),
        (
            "DestroyDeployment",
            manager.destroy_deployment("shop", true).await,
        ),
        ("Record", events.record(event.to_fields()).await.map(drop)),
        ("GetDocument", deployment.get_document(0).await.map(drop)),
        ("GetInput", deployment.get_input().await.map(drop)),
        ("Cleanup", deployment.cleanup("", "").await),
        ("SetStandby", deployment.set_standby("web1", true).await),
        ("SetMaintenance", deployment.set_maintenance("", true).await),
        ("ConfirmFenced", deployment.confirm_fenced("web1").await),
    ];
    for (method, answer) in refused {
        assert!(
            matches!(&answer, Err(Error::AccessDenied(text)) if text.contains("does not know")),
            "{method}: {answer:?}"
        );
    }
    assert_eq!(manager.list_deployments().await.expect("a list").len(), 1);
    assert!(
        manager
            .validate_deployment(&evil)
            .await
            .expect("a report")
            .0
    );
    manager.plan_deployment(&evil).await.expect("a plan");
    events.query(0, 0, Fields::new()).await.expect("events");
    deployment.get_status().await.expect("a status");
    assert_untouched(&cpe).await;
}

/// The end-to-end tests do the same on a real system bus.
#[tokio::test]
#[ignore = "only root can call as another user: run it as root with --ignored, as `make test` does"]
async fn another_user_without_the_right_may_only_look() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    cpe.create("shop").await.unwrap();
    let address = bus.address();
    let as_nobody = |arguments: &[&str]| {
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
    };
    let manager = |method: &'static str| {
        [
            "/org/cloudpolicy/cpe1",
            "org.cloudpolicy.Cpe1.Manager",
            method,
        ]
    };
    let object = |method: &'static str| {
        [
            "/org/cloudpolicy/cpe1/deployment/shop",
            "org.cloudpolicy.Cpe1.Deployment",
            method,
        ]
    };
    let events = |method: &'static str| {
        [
            "/org/cloudpolicy/cpe1",
            "org.cloudpolicy.Cpe1.Events",
            method,
        ]
    };
    let text = document("evil", "");
    let refused: [(&str, Vec<&str>); 9] = [
        (
            "CreateDeployment",
            [&manager("CreateDeployment")[..], &["sa{sv}", &text, "0"]].concat(),
        ),
        (
            "UpdateDeployment",
            [
                &manager("UpdateDeployment")[..],
                &["stsa{sv}", "shop", "0", &text, "0"],
            ]
            .concat(),
        ),
        (
            "DestroyDeployment",
            [&manager("DestroyDeployment")[..], &["sb", "shop", "true"]].concat(),
        ),
        (
            "Record",
            [
                &events("Record")[..],
                &["a{sv}", "2", "id", "s", "x", "kind", "s", "a.b"],
            ]
            .concat(),
        ),
        (
            "GetDocument",
            [&object("GetDocument")[..], &["t", "0"]].concat(),
        ),
        ("GetInput", object("GetInput").to_vec()),
        (
            "Cleanup",
            [&object("Cleanup")[..], &["ss", "", ""]].concat(),
        ),
        (
            "SetStandby",
            [&object("SetStandby")[..], &["sb", "web1", "true"]].concat(),
        ),
        (
            "ConfirmFenced",
            [&object("ConfirmFenced")[..], &["s", "web1"]].concat(),
        ),
    ];
    for (method, arguments) in refused {
        let (done, message) = as_nobody(&arguments);
        assert!(
            !done && message.contains("group `cpe`"),
            "{method}: {message}"
        );
    }
    for arguments in [
        manager("ListDeployments").to_vec(),
        [&manager("ValidateDeployment")[..], &["s", &text]].concat(),
        [&events("Query")[..], &["tua{sv}", "0", "0", "0"]].concat(),
        object("GetStatus").to_vec(),
    ] {
        let (done, message) = as_nobody(&arguments);
        assert!(done, "{arguments:?}: {message}");
    }
    assert_untouched(&cpe).await;
}
