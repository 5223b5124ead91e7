//! What restarts, comes back; nothing is told twice or left out meanwhile.

use cpe_gateway::identity::Peer;

use crate::double::{CpeDouble, document};
use crate::harness::{Setting, until};
use crate::streams::Reader;

#[tokio::test]
async fn a_cpe_that_is_away_is_not_ready_and_nobody_loses_an_event() {
    let mut setting = Setting::new().await;
    let mut reader = Reader::open(&setting, "admin", "?from=0", None).await;
    assert_eq!(reader.next().await.id, 1);
    assert_eq!(
        setting
            .get("owner", "/v1/deployments/shop/document")
            .send(&setting)
            .await
            .status,
        200
    );
    setting.cpe = None;
    let away = || async { setting.get("", "/readyz").send(&setting).await.status == 503 };
    until("the gateway says that cpe is away", away).await;
    let shown = setting.get("", "/v1/deployments/shop").send(&setting).await;
    let document_ = setting
        .get("owner", "/v1/deployments/shop/document")
        .send(&setting)
        .await;
    document_.is_problem(503, "unavailable");
    assert!(!document_.header("retry-after").is_empty());
    assert!([200, 503].contains(&shown.status), "{shown:?}");
    assert_eq!(setting.get("", "/healthz").send(&setting).await.status, 200);
    setting.double.note("service.failed", "shop");
    setting.cpe = Some(setting.double.serve(&setting.bus.address()).await);
    assert_eq!(reader.next().await.id, 2, "the same stream goes on");
    let back = || async { setting.get("", "/readyz").send(&setting).await.status == 200 };
    until("the gateway is ready again", back).await;
    // The new one is told again who calls.
    let read = setting
        .get("owner", "/v1/deployments/shop/document")
        .send(&setting)
        .await;
    assert_eq!(read.status, 200, "{read:?}");
    setting
        .get("viewer", "/v1/deployments/shop/document")
        .send(&setting)
        .await
        .is_problem(403, "forbidden");
}

#[tokio::test]
async fn a_bus_that_restarts_is_connected_to_again() {
    let mut setting = Setting::new().await;
    let mut reader = Reader::open(&setting, "admin", "?from=0", None).await;
    assert_eq!(reader.next().await.id, 1);
    setting.cpe = None;
    setting.bus.restart();
    setting.double.note("service.failed", "shop");
    setting.cpe = Some(setting.double.serve(&setting.bus.address()).await);
    assert_eq!(reader.next().await.id, 2);
    let read = || async {
        let read = setting
            .get("owner", "/v1/deployments/shop/document")
            .send(&setting)
            .await;
        read.status == 200
    };
    until("documents can be read again", read).await;
}

#[tokio::test]
async fn another_log_is_told_as_a_gap_and_from_its_beginning() {
    let mut setting = Setting::new().await;
    let cpe = setting.cpe.as_ref().unwrap();
    for _ in 0..4 {
        setting.double.record(cpe, "service.started", "shop").await;
    }
    let mut reader = Reader::open(&setting, "admin", "?from=0", None).await;
    for cursor in 1..=5 {
        assert_eq!(reader.next().await.id, cursor);
    }
    setting.cpe = None;
    {
        let mut known = setting.double.lock();
        known.events.clear();
        known.log = "log-2".into();
    }
    setting.double.note("deployment.created", "shop");
    setting.cpe = Some(setting.double.serve(&setting.bus.address()).await);
    let gap = reader.next().await;
    assert_eq!((gap.kind.as_str(), gap.id), ("gap", 0));
    let first = reader.next().await;
    assert_eq!((first.kind.as_str(), first.id), ("", 1));
}

#[tokio::test]
async fn without_assume_nothing_can_be_changed_and_strangers_see_nothing() {
    let double = CpeDouble::default();
    double.lock().is_old = true;
    let setting = Setting::of(double).await;
    let about = setting.get("", "/v1").send(&setting).await.json();
    assert!(
        about["remark"].as_str().unwrap().contains("Assume"),
        "{about}"
    );
    let shown = || async {
        setting
            .get("", "/v1/deployments/shop")
            .send(&setting)
            .await
            .status
            == 200
    };
    until("users of this host may look", shown).await;
    let page = setting.get("", "/v1/events").send(&setting).await;
    assert_eq!(page.json()["events"].as_array().unwrap().len(), 1);
    let ways = [
        ("DELETE", "/v1/deployments/shop"),
        ("PUT", "/v1/deployments/shop/document"),
        ("POST", "/v1/deployments/shop/rollback"),
        ("POST", "/v1/plans"),
    ];
    for (method, path) in ways {
        let asking = setting.ask("", method, path).header("x-cpe-request", "1");
        let asking = asking.header("if-match", "\"g1\"");
        let asking = match path.ends_with("rollback") {
            true => asking.json(&serde_json::json!({"generation": 1})),
            false => asking.xml(&document("shop", "x")),
        };
        asking.send(&setting).await.is_problem(403, "forbidden");
    }
    assert_eq!(setting.double.lock().documents["shop"].len(), 1);
    let certified = Peer::Remote([192, 0, 2, 9].into(), Some("urn:alice".into()));
    let list = setting
        .get("", "/v1/deployments")
        .from(certified)
        .send(&setting)
        .await;
    assert_eq!(list.json()["deployments"], serde_json::json!([]));
    let list = setting.get("admin", "/v1/deployments").send(&setting).await;
    assert_eq!(list.json()["deployments"], serde_json::json!([]));
}

#[tokio::test]
async fn a_cpe_that_refuses_to_be_told_who_calls_has_nothing_shown() {
    let double = CpeDouble::default();
    double.lock().is_wary = true;
    let setting = Setting::of(double).await;
    let about = setting.get("", "/v1").send(&setting).await.json();
    let remark = about["remark"].as_str().unwrap();
    assert!(remark.contains("delegates"), "{about}");
    let list = setting.get("", "/v1/deployments").send(&setting).await;
    assert_eq!(list.json()["deployments"], serde_json::json!([]));
    setting
        .get("", "/v1/deployments/shop")
        .send(&setting)
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn the_version_is_that_of_the_cpe_that_answers_now() {
    let mut setting = Setting::new().await;
    let is = async |setting: &Setting, version: &str| {
        let about = setting.get("", "/v1").send(setting).await;
        about.status == 200 && about.json()["cpe"] == version
    };
    until("the first has told", || is(&setting, "double")).await;
    setting.cpe = None;
    setting.double.lock().is_old = true;
    setting.cpe = Some(setting.double.serve(&setting.bus.address()).await);
    until("the second has told", || is(&setting, "old")).await;
}
