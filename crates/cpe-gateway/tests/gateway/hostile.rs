//! Requests that nobody should make.

use axum::http::Method;
use cpe_gateway::identity::Peer;
use serde_json::json;

use crate::double::document;
use crate::harness::Setting;

fn remote() -> Peer {
    Peer::Remote([192, 0, 2, 9].into(), None)
}

#[tokio::test]
async fn nobody_unknown_gets_anywhere() {
    let setting = Setting::new().await;
    let unknown = setting.get("", "/v1").from(remote()).send(&setting).await;
    unknown.is_problem(401, "unauthorized");
    assert!(unknown.header("www-authenticate").starts_with("Bearer"));
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        let open = setting.get("", path).from(remote()).send(&setting).await;
        assert_eq!(open.status, 200, "{path}");
        assert!(!open.header("strict-transport-security").is_empty());
    }
    let certified = Peer::Remote([192, 0, 2, 9].into(), Some("urn:alice".into()));
    let about = setting
        .get("", "/v1")
        .from(certified)
        .send(&setting)
        .await
        .json();
    assert_eq!(about["principal"], "cert:urn:alice");
    let local = setting.get("", "/v1").send(&setting).await.json();
    assert_eq!(local["principal"], "user:root");
    let nameless = setting.get("", "/v1").from(Peer::User(4_000_000_000));
    nameless.send(&setting).await.is_problem(403, "forbidden");
}

#[tokio::test]
async fn wrong_tokens_are_not_tried_for_long() {
    let setting = Setting::new().await;
    let wrong = || setting.get("who", "/v1").from(remote()).send(&setting);
    for _ in 0..5 {
        wrong().await.is_problem(401, "unauthorized");
    }
    let many = wrong().await;
    many.is_problem(429, "too-many-requests");
    assert!(many.header("retry-after").parse::<u64>().unwrap() <= 12);
    let right = setting
        .get("viewer", "/v1")
        .from(remote())
        .send(&setting)
        .await;
    assert_eq!(right.status, 200, "whoever has a token is not locked out");
}

#[tokio::test]
async fn pages_of_other_sites_cannot_ask_for_anything() {
    let setting = Setting::new().await;
    let path = "/v1/deployments/shop/document";
    let put = || {
        let asking = setting.ask("", "PUT", path).header("if-match", "\"g1\"");
        asking.xml(&document("shop", "x"))
    };
    put().send(&setting).await.is_problem(403, "forbidden");
    let foreign = put()
        .header("x-cpe-request", "1")
        .header("origin", "https://evil.example");
    foreign.send(&setting).await.is_problem(403, "forbidden");
    assert_eq!(setting.double.lock().documents["shop"].len(), 1);
    let own = put()
        .header("x-cpe-request", "1")
        .header("origin", "http://localhost");
    assert_eq!(own.send(&setting).await.status, 202);
    let rebound = axum::http::Request::builder()
        .uri("/v1")
        .header("host", "evil.example");
    let mut rebound = rebound.body(axum::body::Body::empty()).unwrap();
    rebound.extensions_mut().insert(Peer::User(0));
    let answer = tower::ServiceExt::oneshot(setting.router.clone(), rebound)
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
    let headers = answer.headers();
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    assert!(headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_again() {
    let setting = Setting::new().await;
    let mut refused = 0;
    for _ in 0..100 {
        let answer = setting.get("viewer", "/v1").send(&setting).await;
        if answer.status == 429 {
            answer.is_problem(429, "too-many-requests");
            assert_eq!(answer.header("retry-after"), "1");
            refused += 1;
        }
    }
    assert!(refused > 0, "a hundred at once are more than 60");
    assert_eq!(setting.get("owner", "/v1").send(&setting).await.status, 200);
}

#[tokio::test]
async fn bodies_are_of_their_type_and_not_too_long() {
    let setting = Setting::new().await;
    let path = "/v1/deployments/shop/document";
    let put = || {
        setting
            .ask("owner", "PUT", path)
            .header("if-match", "\"g1\"")
    };
    let long = "x".repeat(9 << 20);
    put()
        .xml(&long)
        .send(&setting)
        .await
        .is_problem(413, "too-large");
    let lying = put().xml("<x/>").header("content-length", "9999999999");
    lying.send(&setting).await.is_problem(413, "too-large");
    put()
        .send(&setting)
        .await
        .is_problem(415, "unsupported-media-type");
    let other = put().header("content-type", "application/xml; charset=utf-16");
    other
        .send(&setting)
        .await
        .is_problem(415, "unsupported-media-type");
    let json = setting.ask("owner", "POST", "/v1/deployments/shop/rollback");
    let json = json
        .header("if-match", "\"g1\"")
        .header("content-type", "application/json");
    json.send(&setting).await.is_problem(400, "bad-request");
    let script = setting.ask("admin", "PUT", "/v1/deployments/x/document");
    let script = script.header("if-none-match", "*");
    let script = script.xml(&document("&lt;script>alert(1)&lt;/script>", ""));
    let answer = script.send(&setting).await;
    assert!([400, 422].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_possible_are_told_apart() {
    let setting = Setting::new().await;
    for path in [
        "/v2",
        "/v1/",
        "/v1/deployments/shop/colour",
        "/v1/deployments/%ff",
    ] {
        let answer = setting.get("admin", path).send(&setting).await;
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    for method in [Method::POST, Method::OPTIONS, Method::PATCH, Method::TRACE] {
        let answer = setting
            .ask("admin", method.as_str(), "/v1/deployments")
            .send(&setting)
            .await;
        answer.is_problem(405, "method-not-allowed");
        assert!(answer.header("allow").contains("GET"), "{answer:?}");
    }
    let page = setting.get("viewer", "/v1").header("accept", "text/html");
    page.send(&setting).await.is_problem(406, "not-acceptable");
    let stream = setting
        .get("viewer", "/v1/events/stream")
        .header("accept", "application/json");
    stream
        .send(&setting)
        .await
        .is_problem(406, "not-acceptable");
}

#[tokio::test]
async fn of_who_may_not_send_a_document_it_is_not_read() {
    let setting = Setting::new().await;
    let ways = [
        ("viewer", "PUT", "/v1/deployments/shop/document"),
        ("operator", "PUT", "/v1/deployments/shop/document"),
        ("nobody", "POST", "/v1/validations"),
        ("nobody", "POST", "/v1/plans"),
    ];
    for (who, method, path) in ways {
        // As long as that, it would be refused for its length.
        let asking = setting.ask(who, method, path).xml("<x/>");
        let asking = asking.header("if-match", "\"g1\"");
        let asking = asking.header("content-length", "9999999999");
        asking.send(&setting).await.is_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn zero_bytes_get_nowhere_near_the_bus() {
    let setting = Setting::new().await;
    let get = |path: &str| setting.get("owner", path);
    let plan = json!({"deployment": "shop", "verb": "move", "service": "web\u{0}"});
    let document = document("shop", "\0");
    for asking in [
        get("/v1/deployments/shop%00"),
        get("/v1/deployments/shop/services/%00/explain"),
        get("/v1/deployments/shop/inputs/%00"),
        get("/v1/events?kind=%00"),
        setting.ask("owner", "POST", "/v1/plans").json(&plan),
        setting.ask("owner", "POST", "/v1/plans").xml(&document),
        setting
            .ask("owner", "POST", "/v1/validations")
            .xml(&document),
    ] {
        asking.send(&setting).await.is_problem(400, "bad-request");
    }
    let inside = get("/v1/deployments/shop/document").send(&setting).await;
    assert_eq!(inside.status, 200, "its connection lives");
}
