//! Documents with which one loss would leave services out: said, or refused unless it is forced.

use crate::double::document;
use crate::harness::Setting;

const DOCUMENT: &str = "/v1/deployments/shop/document";
const LOSS: &str = "without web1, web would not run";

#[tokio::test]
async fn what_would_not_fit_is_said_when_a_document_is_stored() {
    let setting = Setting::new().await;
    let store = |tag: &str, remark: &str| {
        let asking = setting
            .ask("owner", "PUT", DOCUMENT)
            .header("if-match", tag);
        asking.xml(&document("shop", remark))
    };
    let stored = store("\"g1\"", "second").send(&setting).await;
    assert_eq!(stored.status, 202, "{stored:?}");
    assert_eq!(stored.json()["warnings"], serde_json::Value::Null);
    setting.double.lock().is_tight = Some(false);
    let stored = store("\"g2\"", "third").send(&setting).await;
    assert_eq!(stored.json()["warnings"][0], LOSS, "{stored:?}");
    let back = setting.ask("owner", "POST", "/v1/deployments/shop/rollback");
    let back = back
        .header("if-match", "\"g3\"")
        .json(&serde_json::json!({"generation": 1}));
    let back = back.send(&setting).await;
    assert_eq!(
        (back.status, &back.json()["warnings"][0]),
        (202, &LOSS.into())
    );
}

#[tokio::test]
async fn what_is_refused_is_stored_by_force() {
    let setting = Setting::new().await;
    setting.double.lock().is_tight = Some(true);
    let store = |path: &str| {
        let asking = setting
            .ask("owner", "PUT", path)
            .header("if-match", "\"g1\"");
        asking.xml(&document("shop", "second"))
    };
    store(DOCUMENT)
        .send(&setting)
        .await
        .is_problem(409, "refused");
    assert_eq!(setting.double.lock().documents["shop"].len(), 1);
    let odd = store(&format!("{DOCUMENT}?force=maybe"))
        .send(&setting)
        .await;
    odd.is_problem(400, "bad-request");
    let stored = store(&format!("{DOCUMENT}?force=true"))
        .send(&setting)
        .await;
    assert_eq!(stored.status, 202, "{stored:?}");

    // The same of a plan, which says before that it would be refused.
    let plan = |path: &str| {
        setting
            .ask("owner", "POST", path)
            .xml(&document("shop", "third"))
    };
    let apply = |id: &str| {
        let path = format!("/v1/plans/{id}/apply");
        setting.ask("owner", "POST", &path)
    };
    for (path, status) in [("/v1/plans", 409), ("/v1/plans?force=true", 202)] {
        let made = plan(path).send(&setting).await.json();
        assert_eq!(made["plan"]["refused"][0], LOSS, "{made}");
        assert_eq!(made["forced"], status == 202);
        let done = apply(made["id"].as_str().unwrap()).send(&setting).await;
        assert_eq!(done.status, status, "{done:?}");
    }
    assert_eq!(setting.double.lock().documents["shop"].len(), 3);
}

#[tokio::test]
async fn nothing_is_simulated_for_what_is_not_stored() {
    let setting = Setting::new().await;
    let put = |header: &str, value: &str, name: &str| {
        let asking = setting.ask("owner", "PUT", DOCUMENT);
        asking.header(header, value).xml(&document(name, "second"))
    };
    for (header, value, name, status, problem) in [
        ("if-match", "\"g9\"", "shop", 412, "precondition-failed"),
        ("if-none-match", "*", "shop", 412, "precondition-failed"),
        ("if-match", "\"g1\"", "shop-2", 400, "bad-request"),
    ] {
        let answer = put(header, value, name).send(&setting).await;
        answer.is_problem(status, problem);
    }
    let back = setting.ask("owner", "POST", "/v1/deployments/shop/rollback");
    let back = back
        .header("if-match", "\"g9\"")
        .json(&serde_json::json!({"generation": 1}));
    back.send(&setting)
        .await
        .is_problem(412, "precondition-failed");
    assert_eq!(setting.double.lock().simulations, 0);
    let stored = put("if-match", "\"g1\"", "shop").send(&setting).await;
    assert_eq!((stored.status, setting.double.lock().simulations), (202, 1));
}
