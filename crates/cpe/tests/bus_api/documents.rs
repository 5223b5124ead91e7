//! Storing documents: what is accepted, what is refused, and by what name.

use cpe_bus::{DeploymentEntry, Error, Fields};
use cpe_status::Plan;

use super::harness::{Bus, document};

async fn list(cpe: &super::harness::Cpe) -> Vec<DeploymentEntry> {
    let entries = cpe
        .manager()
        .await
        .list_deployments()
        .await
        .expect("a list");
    entries
        .iter()
        .map(|fields| DeploymentEntry::from_fields(fields).expect("an entry"))
        .collect()
}

#[tokio::test]
async fn the_same_document_twice_is_one_deployment_and_another_one_is_refused() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    assert_eq!(cpe.create("shop").await.unwrap(), ("shop".into(), 1));
    assert_eq!(cpe.create("shop").await.unwrap(), ("shop".into(), 1));
    let other = manager
        .create_deployment(&document("shop", "other"), Fields::new())
        .await;
    assert!(
        matches!(&other, Err(Error::Exists(text)) if text.contains("UpdateDeployment")),
        "{other:?}"
    );
    let entries = list(&cpe).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].name.as_str(), entries[0].generation),
        ("shop", 1)
    );
    assert_eq!(entries[0].path, "/org/cloudpolicy/cpe1/deployment/shop");
    assert_eq!(
        entries[0].uuid.len(),
        36,
        "a document without a uuid gets one"
    );
    let kinds: Vec<String> = cpe
        .all_events()
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["deployment.created"]);
}

#[tokio::test]
async fn an_update_from_the_wrong_generation_is_a_conflict() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    cpe.create("shop").await.unwrap();
    let second = document("shop", "second");
    let update = async |expected: u64, text: &str| {
        manager
            .update_deployment("shop", expected, text, Fields::new())
            .await
    };
    assert_eq!(update(1, &second).await.unwrap(), 2);
    assert_eq!(
        update(1, &second).await.unwrap(),
        2,
        "a repeated call is the same call"
    );
    let third = document("shop", "third");
    let conflict = update(1, &third).await;
    assert!(
        matches!(&conflict, Err(Error::GenerationConflict(text)) if text.contains("generation 2")),
        "{conflict:?}"
    );
    assert_eq!(update(0, &third).await.unwrap(), 3);
    let renamed = update(0, &document("other", "")).await;
    assert!(
        matches!(renamed, Err(Error::InvalidArgument(_))),
        "{renamed:?}"
    );
    let absent = manager
        .update_deployment("none", 0, &document("none", ""), Fields::new())
        .await;
    assert!(matches!(absent, Err(Error::NotFound(_))), "{absent:?}");
    let deployment = cpe.deployment("shop").await;
    assert_eq!(deployment.get_document(0).await.unwrap(), (third, 3));
    assert_eq!(deployment.get_document(2).await.unwrap(), (second, 2));
    assert!(matches!(
        deployment.get_document(9).await,
        Err(Error::NotFound(_))
    ));
    assert_eq!(deployment.generation().await.unwrap(), 3);
}

#[tokio::test]
async fn a_bad_document_is_reported_with_its_place_and_nothing_is_stored() {
    let bus = Bus::start();
    let cpe = bus.cpe_with("[limits]\ndocument = \"64KiB\"\n").await;
    let manager = cpe.manager().await;
    let create = async |text: &str| manager.create_deployment(text, Fields::new()).await;
    for bad in [
        "",
        "no XML",
        "<deployable",
        "<deployable/>",
        "<other name=\"shop\"/>",
        "<deployable name=\"Shop!\"/>",
    ] {
        let refused = create(bad).await;
        assert!(
            matches!(&refused, Err(Error::InvalidDocument(text)) if text.contains(':')),
            "{bad}: {refused:?}"
        );
        let (valid, problems) = manager.validate_deployment(bad).await.unwrap();
        assert!(
            !valid
                && problems
                    .iter()
                    .any(|problem| problem.severity == "error" && problem.line > 0),
            "{problems:?}"
        );
    }
    let typo = document("shop", "").replace("type=", "tpye=");
    let refused = create(&typo).await;
    assert!(
        matches!(&refused, Err(Error::InvalidDocument(text)) if text.starts_with("3:") || text.contains("\n3:")),
        "{refused:?}"
    );
    let refused = create(&document("shop", &"x".repeat(64 << 10))).await;
    assert!(
        matches!(&refused, Err(Error::TooLarge(text)) if text.contains("65536")),
        "{refused:?}"
    );
    let options: Fields = [(
        "dry-run".to_owned(),
        zbus::Variant::from(true).try_into_owned().unwrap(),
    )]
    .into();
    let refused = manager
        .create_deployment(&document("shop", ""), options)
        .await;
    assert!(
        matches!(&refused, Err(Error::InvalidArgument(text)) if text.contains("dry-run")),
        "{refused:?}"
    );
    assert!(list(&cpe).await.is_empty());
    assert!(cpe.all_events().await.is_empty());
    assert!(
        manager
            .validate_deployment(&document("shop", ""))
            .await
            .unwrap()
            .0
    );
    assert!(list(&cpe).await.is_empty(), "checking stores nothing");
}

#[tokio::test]
async fn destroying_what_does_not_exist_is_refused_by_name() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    assert!(matches!(
        manager.destroy_deployment("none", true).await,
        Err(Error::NotFound(_))
    ));
    assert!(matches!(
        manager.destroy_deployment("../etc", true).await,
        Err(Error::InvalidArgument(_))
    ));
}

#[tokio::test]
async fn a_plan_of_a_new_deployment_says_what_would_start_where_and_stores_nothing() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let text = manager
        .plan_deployment(&document("shop", ""))
        .await
        .unwrap();
    let plan: Plan = cpe_bus::json::from_json(&text).unwrap();
    assert_eq!(
        (
            plan.deployment.as_str(),
            plan.basis.as_str(),
            plan.generation
        ),
        ("shop", "empty", 0)
    );
    let starts: Vec<_> = plan
        .actions
        .iter()
        .filter(|action| action.action == "start")
        .collect();
    assert_eq!(starts.len(), 1, "{plan:?}");
    assert_eq!(
        (starts[0].service.as_str(), starts[0].to.as_str()),
        ("web", "web1")
    );
    assert!(list(&cpe).await.is_empty());
    // Of one that exists only its DPE knows what runs, and there is none on this bus.
    cpe.create("shop").await.unwrap();
    let refused = manager.plan_deployment(&document("shop", "changed")).await;
    assert!(matches!(&refused, Err(Error::NotReady(_))), "{refused:?}");
}

/// A document of one assembly with this address and fencing.
fn guest(name: &str, address: &str, fencing: &str) -> String {
    format!(
        r#"<deployable name="{name}"><assemblies><assembly name="a" address="{address}">{fencing}</assembly></assemblies></deployable>"#
    )
}

#[tokio::test]
async fn a_guest_of_another_deployment_is_refused_by_name() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let unit = r#"<fencing mode="unit" unit="vm@web1.service"/>"#;
    let ipmi = |ip: &str, password: &str| {
        format!(
            r#"<fencing mode="agent" agent="fence_ipmilan"><parameters><parameter name="ip" value="{ip}"/><parameter name="password" value="{password}"/></parameters></fencing>"#
        )
    };
    let (first, second) = ("unix:/run/1.sock", "unix:/run/2.sock");
    let create = async |text: String| manager.create_deployment(&text, Fields::new()).await;
    create(guest("shop", first, unit)).await.unwrap();
    create(guest("store", "unix:/run/3.sock", &ipmi("10.0.0.1", "a")))
        .await
        .unwrap();
    for (text, claim, owner) in [
        (
            guest("b", "unix:/run/./1.sock", ""),
            "address unix:/run/1.sock",
            "shop",
        ),
        (
            guest("b", second, unit),
            "fencing unit vm@web1.service",
            "shop",
        ),
        (
            guest("b", second, &ipmi("10.0.0.1", "b")),
            "fencing device fence_ipmilan",
            "store",
        ),
    ] {
        let planned = manager.plan_deployment(&text).await.map(drop);
        for refused in [create(text).await.map(drop), planned] {
            assert!(
                matches!(&refused, Err(Error::InvalidDocument(found))
                    if found.contains(claim) && found.contains(&format!("deployment `{owner}`"))),
                "{claim}: {refused:?}"
            );
        }
    }
    create(guest("b", second, &ipmi("10.0.0.2", "a")))
        .await
        .unwrap();
    let taken = manager
        .update_deployment("b", 0, &guest("b", first, ""), Fields::new())
        .await;
    assert!(matches!(taken, Err(Error::InvalidDocument(_))), "{taken:?}");
    let own = guest("shop", first, "");
    manager
        .update_deployment("shop", 0, &own, Fields::new())
        .await
        .unwrap();
    create(guest("c", "unix:/run/4.sock", unit)).await.unwrap();
}

#[tokio::test]
async fn a_document_that_no_dpe_could_carry_is_refused_with_the_bound() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let several = |element: &str, count: usize, more: &str| -> String {
        (0..count)
            .map(|n| format!(r#"<{element} name="{element}{n}" {more}/>"#))
            .collect()
    };
    let large = format!(
        r#"<deployable name="shop"><assemblies>{}</assemblies><services>{}</services></deployable>"#,
        several("assembly", 151, ""),
        several(
            "service",
            2000,
            r#"class="ocf" provider="heartbeat" type="Dummy""#
        )
    );
    let planned = manager.plan_deployment(&large).await.map(drop);
    let created = manager.create_deployment(&large, Fields::new()).await;
    for refused in [planned, created.map(drop)] {
        assert!(
            matches!(&refused, Err(Error::TooLarge(text))
                if text.contains("302000 placements") && text.contains("limits.placements")),
            "{refused:?}"
        );
    }
    let (valid, problems) = manager.validate_deployment(&large).await.unwrap();
    assert!(
        !valid
            && problems
                .iter()
                .any(|problem| problem.message.contains("at most 300000"))
    );
    assert!(list(&cpe).await.is_empty());
}
