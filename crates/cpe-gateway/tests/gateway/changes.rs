//! Changes, and what they were made from.

use serde_json::json;

use crate::double::document;
use crate::harness::Setting;

const DOCUMENT: &str = "/v1/deployments/shop/document";

#[tokio::test]
async fn a_document_is_stored_from_what_it_was_made_from_and_from_nothing_else() {
    let setting = Setting::new().await;
    let put = |tag: Option<&str>, remark: &str| {
        let asking = setting
            .ask("owner", "PUT", DOCUMENT)
            .xml(&document("shop", remark));
        match tag {
            Some(tag) => asking.header("if-match", tag),
            None => asking,
        }
    };
    put(None, "a")
        .send(&setting)
        .await
        .is_problem(428, "precondition-required");
    put(Some("\"g9\""), "a")
        .send(&setting)
        .await
        .is_problem(412, "precondition-failed");
    assert_eq!(
        setting.double.lock().documents["shop"].len(),
        1,
        "nothing was stored"
    );
    let stored = put(Some("\"g1\""), "a").send(&setting).await;
    assert_eq!((stored.status, stored.header("etag")), (202, "\"g2\""));
    assert_eq!(stored.json()["generation"], 2);
    let (one, other) = tokio::join!(
        put(Some("\"g2\""), "b").send(&setting),
        put(Some("\"g2\""), "c").send(&setting)
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 412]);
    assert_eq!(setting.double.lock().documents["shop"].len(), 3);
}

#[tokio::test]
async fn a_deployment_is_created_once() {
    let setting = Setting::new().await;
    let path = "/v1/deployments/shop-2/document";
    let put = |path: &str, name: &str| {
        let asking = setting.ask("owner", "PUT", path).xml(&document(name, "x"));
        asking.header("if-none-match", "*")
    };
    put(path, "shop-3")
        .send(&setting)
        .await
        .is_problem(400, "bad-request");
    let (one, other) = tokio::join!(
        put(path, "shop-2").send(&setting),
        put(path, "shop-2").send(&setting)
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 412]);
    // It is there at once, although no event told of it.
    let shown = setting
        .get("owner", "/v1/deployments/shop-2")
        .send(&setting)
        .await;
    assert_eq!(shown.json()["status"]["generation"], 1, "{shown:?}");
    put("/v1/deployments/mail-2/document", "mail-2")
        .send(&setting)
        .await
        .is_problem(404, "not-found");
    let viewer = setting.ask("viewer", "PUT", "/v1/deployments/shop-9/document");
    let viewer = viewer
        .xml(&document("shop-9", "x"))
        .header("if-none-match", "*");
    viewer.send(&setting).await.is_problem(403, "forbidden");
}

#[tokio::test]
async fn an_invalid_document_has_its_mistakes_with_their_places() {
    let setting = Setting::new().await;
    let text = "<deployable name=\"shop\">\n<assemblies>\n  <assembly name=\"web1\" adress=\"192.0.2.1\"/></assemblies></deployable>";
    let put = setting
        .ask("owner", "PUT", DOCUMENT)
        .header("if-match", "\"g1\"");
    let answer = put.xml(text).send(&setting).await;
    answer.is_problem(422, "invalid-document");
    let errors = answer.json()["errors"].take();
    let at_line_3 = errors.as_array().unwrap().iter().any(|it| {
        it["line"] == 3
            && it["column"].as_u64() > Some(1)
            && it["message"].as_str().unwrap().contains("adress")
    });
    assert!(at_line_3, "{errors}");
}

#[tokio::test]
async fn a_deployment_ends_at_the_generation_that_was_meant() {
    let setting = Setting::new().await;
    let path = "/v1/deployments/shop";
    let end = |who: &str, path: &str| setting.ask(who, "DELETE", path);
    end("owner", path)
        .send(&setting)
        .await
        .is_problem(428, "precondition-required");
    end("owner", path)
        .header("if-match", "\"g2\"")
        .send(&setting)
        .await
        .is_problem(412, "precondition-failed");
    end("viewer", path)
        .header("if-match", "\"g1\"")
        .send(&setting)
        .await
        .is_problem(403, "forbidden");
    let odd = end("owner", "/v1/deployments/shop?services=maybe").header("if-match", "\"g1\"");
    odd.send(&setting).await.is_problem(400, "bad-request");
    assert!(setting.double.lock().documents.contains_key("shop"));
    let ended = end("owner", "/v1/deployments/shop?services=keep").header("if-match", "\"g1\"");
    assert_eq!(ended.send(&setting).await.status, 202);
    assert!(!setting.double.lock().documents.contains_key("shop"));
}

#[tokio::test]
async fn an_older_document_is_the_next_generation() {
    let setting = Setting::new().await;
    let second = document("shop", "second");
    setting
        .double
        .lock()
        .documents
        .get_mut("shop")
        .unwrap()
        .push(second);
    let back = |tag: &str, generation: u64| {
        let asking = setting.ask("owner", "POST", "/v1/deployments/shop/rollback");
        asking
            .header("if-match", tag)
            .json(&json!({"generation": generation}))
    };
    back("\"g1\"", 1)
        .send(&setting)
        .await
        .is_problem(412, "precondition-failed");
    back("\"g2\"", 7)
        .send(&setting)
        .await
        .is_problem(404, "not-found");
    back("\"g2\"", 0)
        .send(&setting)
        .await
        .is_problem(400, "bad-request");
    let stored = back("\"g2\"", 1).send(&setting).await;
    assert_eq!((stored.status, stored.header("etag")), (202, "\"g3\""));
    let known = setting.double.lock();
    assert_eq!(known.documents["shop"][2], known.documents["shop"][0]);
}
