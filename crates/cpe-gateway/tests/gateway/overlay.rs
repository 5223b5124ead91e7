//! What is wanted of services beside the document: listed, and ended by who looked at it.

use cpe_status::{OverlayEnd, OverlayKind, OverlayStatus};

use crate::harness::Setting;

const OVERLAY: &str = "/v1/deployments/shop/overlay";

fn entry(kind: OverlayKind, service: &str, constraint: &str) -> OverlayStatus {
    OverlayStatus {
        kind,
        service: service.into(),
        assembly: "web1".into(),
        by: "alice".into(),
        created: 1_700_000_000_000_000,
        until: OverlayEnd::Cleared,
        constraint: constraint.into(),
        text: format!("{service} on web1"),
        remedy: format!("cpectl clear shop {service} web1"),
        ..OverlayStatus::default()
    }
}

async fn with_entries() -> Setting {
    let setting = Setting::new().await;
    setting.double.lock().overlay = vec![
        entry(OverlayKind::Ban, "web", "cli-ban-web-on-web1"),
        entry(OverlayKind::Disable, "app", ""),
        entry(OverlayKind::Restart, "db", ""),
    ];
    setting
}

async fn tag(setting: &Setting) -> String {
    let told = setting.get("viewer", OVERLAY).send(setting).await;
    told.header("etag").to_owned()
}

#[tokio::test]
async fn entries_are_listed_with_what_ends_them() {
    let setting = with_entries().await;
    let told = setting.get("viewer", OVERLAY).send(&setting).await;
    assert_eq!(told.status, 200, "{told:?}");
    let entries = told.json()["entries"].take();
    let ids: Vec<&str> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["cli-ban-web-on-web1", "disable-app", "restart-db"]);
    assert_eq!(entries[0]["created"], "2023-11-14T22:13:20Z");
    assert_eq!(entries[0]["ends"], serde_json::Value::Null);
    setting
        .get("nobody", OVERLAY)
        .send(&setting)
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn an_entry_is_ended_by_who_has_seen_the_present_ones() {
    let setting = with_entries().await;
    let path = format!("{OVERLAY}/cli-ban-web-on-web1");
    let tag = tag(&setting).await;
    let end =
        |who: &str, path: &str, tag: &str| setting.ask(who, "DELETE", path).header("if-match", tag);
    setting
        .ask("operator", "DELETE", &path)
        .send(&setting)
        .await
        .is_problem(428, "precondition-required");
    end("operator", &path, "\"g1\"")
        .send(&setting)
        .await
        .is_problem(400, "bad-request");
    end("viewer", &path, &tag)
        .send(&setting)
        .await
        .is_problem(403, "forbidden");
    let unknown = format!("{OVERLAY}/cli-ban-web-on-web9");
    end("operator", &unknown, &tag)
        .send(&setting)
        .await
        .is_problem(404, "not-found");
    let restart = format!("{OVERLAY}/restart-db");
    end("operator", &restart, &tag)
        .send(&setting)
        .await
        .is_problem(409, "refused");
    assert!(setting.double.lock().orders.is_empty());

    let done = end("operator", &path, &tag).send(&setting).await;
    assert_eq!(done.status, 202, "{done:?}");
    assert_eq!(done.json()["id"], "cli-ban-web-on-web1");
    assert_eq!(setting.double.lock().orders, ["clear web"]);
    // Those are not the present ones any more.
    let other = format!("{OVERLAY}/disable-app");
    end("operator", &other, &tag)
        .send(&setting)
        .await
        .is_problem(412, "precondition-failed");
    end("operator", &path, &tag)
        .send(&setting)
        .await
        .is_problem(404, "not-found");
    let now = self::tag(&setting).await;
    let done = end("operator", &other, &now).send(&setting).await;
    assert_eq!(done.status, 202, "{done:?}");
    assert_eq!(setting.double.lock().orders, ["clear web", "enable app"]);
}

#[tokio::test]
async fn an_end_that_nobody_answers_may_have_come() {
    let setting = with_entries().await;
    let lost = entry(OverlayKind::Ban, "lost", "cli-ban-lost-on-web1");
    setting.double.lock().overlay.push(lost);
    let path = format!("{OVERLAY}/cli-ban-lost-on-web1");
    let tag = tag(&setting).await;
    let end = setting.ask("operator", "DELETE", &path);
    let told = end.header("if-match", &tag).send(&setting).await;
    told.is_problem(409, "unknown-outcome");
    assert_eq!(setting.double.lock().orders, ["clear lost"]);
}
