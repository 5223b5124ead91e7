//! How the delivery of events stands: for admins.

use serde_json::Value;

use crate::harness::Setting;

#[tokio::test]
async fn sinks_are_shown_to_admins_and_to_nobody_else() {
    let setting = Setting::new().await;
    let told = setting.get("admin", "/v1/sinks").send(&setting).await;
    assert_eq!(told.status, 200, "{told:?}");
    let told = told.json();
    let pager = &told["sinks"][0];
    assert_eq!(
        (&pager["name"], &pager["lag"]),
        (&"pager".into(), &3.into())
    );
    assert_eq!(pager["last_error_time"], "2023-11-14T22:13:20Z");
    assert_eq!(pager["last_success"], Value::Null, "it never was");
    assert_eq!(told["refused"][0]["reason"], "1:1: no sink");
    for who in ["owner", "viewer", "nobody"] {
        let refused = setting.get(who, "/v1/sinks").send(&setting).await;
        refused.is_problem(403, "forbidden");
    }
    setting.double.lock().is_silent = true;
    let away = setting.get("admin", "/v1/sinks").send(&setting).await;
    away.is_problem(503, "unavailable");
    assert!(!away.header("retry-after").is_empty());
}

#[tokio::test]
async fn dead_letters_are_tried_again_for_admins() {
    let setting = Setting::new().await;
    let again = |who: &str, path: &str| setting.ask(who, "POST", path);
    for path in [
        "/v1/sinks/pager/redeliver",
        "/v1/sinks/pager/redeliver?id=event-1",
    ] {
        let done = again("admin", path).send(&setting).await;
        assert_eq!(
            (done.status, &done.json()["count"]),
            (202, &1.into()),
            "{done:?}"
        );
    }
    for path in [
        "/v1/sinks/odd/redeliver",
        "/v1/sinks/pager/redeliver?id=other",
    ] {
        again("admin", path)
            .send(&setting)
            .await
            .is_problem(404, "not-found");
    }
    let empty = again("admin", "/v1/sinks/pager/redeliver?id=")
        .send(&setting)
        .await;
    empty.is_problem(422, "unprocessable");
    let refused = again("owner", "/v1/sinks/pager/redeliver")
        .send(&setting)
        .await;
    refused.is_problem(403, "forbidden");
}

#[tokio::test]
async fn dead_letters_of_which_nobody_answers_may_be_tried_again() {
    let setting = Setting::new().await;
    let path = "/v1/sinks/pager/redeliver?id=event-2";
    let told = setting.ask("admin", "POST", path).send(&setting).await;
    told.is_problem(409, "unknown-outcome");
}
