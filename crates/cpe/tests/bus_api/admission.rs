//! Documents with which the loss of one assembly would leave services out.

use cpe_bus::fields::put;
use cpe_bus::{Error, Fields, json};
use cpe_status::{Plan, RoomReport};

use super::harness::{Bus, Cpe, document};

const REFUSE: &str = "[admission]\nroom = \"refuse\"\n";

/// Two assemblies that can both run what there is.
fn with_room(name: &str) -> String {
    document(name, "").replace(
        "</assemblies>",
        "<assembly name=\"web2\" address=\"unix:/run/cpe/guests/web2/agent.sock\"/></assemblies>",
    )
}

async fn create(cpe: &Cpe, text: &str, force: bool) -> cpe_bus::Result<(String, u64)> {
    let mut options = Fields::new();
    if force {
        put(&mut options, "force", true);
    }
    cpe.manager().await.create_deployment(text, options).await
}

async fn plan(cpe: &Cpe, text: &str) -> Plan {
    let told = cpe.manager().await.plan_deployment(text).await.unwrap();
    json::from_json(&told).unwrap()
}

#[tokio::test]
async fn it_is_said_what_would_not_fit_and_the_document_is_taken() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let tight = document("shop", "");
    let told = plan(&cpe, &tight).await;
    assert!(told.refused.is_empty(), "{told:?}");
    let of_web = |text: &String| text.starts_with("without web1, web would not run");
    assert!(told.warnings.iter().any(of_web), "{told:?}");
    let room = told.room.unwrap();
    assert!(
        !room.holds && room.planned && room.losses.len() == 1,
        "{room:?}"
    );
    assert!(!room.losses[0].remedies.is_empty(), "{room:?}");
    let manager = cpe.manager().await;
    let asked = manager.check_room(&with_room("shop"), Fields::new()).await;
    let asked: RoomReport = json::from_json(&asked.unwrap()).unwrap();
    assert!(asked.holds && asked.looked_at == 2, "{asked:?}");
    create(&cpe, &tight, false).await.unwrap();
    // Of one that exists only its DPE knows what runs, and there is none on this bus.
    let asked = manager.check_room(&with_room("shop"), Fields::new()).await;
    assert!(matches!(&asked, Err(Error::NotReady(_))), "{asked:?}");
}

#[tokio::test]
async fn a_document_without_room_is_refused_where_that_is_set_unless_it_is_forced() {
    let bus = Bus::start();
    let cpe = bus.cpe_with(REFUSE).await;
    let tight = document("shop", "");
    let told = plan(&cpe, &tight).await;
    let refused = &told.refused[0];
    assert!(
        refused.starts_with("without web1, web would not run"),
        "{refused}"
    );
    match create(&cpe, &tight, false).await {
        Err(Error::Refused(text)) => {
            assert!(text.contains(refused.as_str()), "{text}");
            assert!(text.contains("admission.room in cpe.toml"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(plan(&cpe, &with_room("mail")).await.refused.is_empty());
    create(&cpe, &with_room("mail"), false).await.unwrap();
    create(&cpe, &tight, true).await.unwrap();
    let created = cpe.await_event("deployment.created", "shop").await;
    assert_eq!(
        created.details.get("force").map(String::as_str),
        Some("true")
    );

    // What is there already is stored again without a word; what nobody can say refuses nothing.
    assert_eq!(create(&cpe, &tight, false).await.unwrap().1, 1);
    let manager = cpe.manager().await;
    let update = |text: String, options: Fields| {
        let manager = &manager;
        async move { manager.update_deployment("shop", 0, &text, options).await }
    };
    assert_eq!(update(tight, Fields::new()).await.unwrap(), 1);
    let other = document("shop", "other");
    assert_eq!(update(other.clone(), Fields::new()).await.unwrap(), 2);
    let mut wrong = Fields::new();
    put(&mut wrong, "forced", true);
    let unknown = update(other, wrong).await;
    assert!(
        matches!(&unknown, Err(Error::InvalidArgument(text)) if text.contains("`forced`")),
        "{unknown:?}"
    );
}
