//! Orders by POST.

use serde_json::{Value, json};

use crate::harness::{Asking, Setting};

const PATH: &str = "/v1/deployments/shop/operations";
const ONE: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn give(setting: &Setting, who: &str, order: &Value) -> Asking {
    let asking = setting.ask(who, "POST", PATH).json(order);
    asking.header("idempotency-key", ONE)
}

fn cleanup(service: &str) -> Value {
    json!({"operation": "cleanup", "service": service})
}

#[tokio::test]
async fn an_order_is_given_once_by_its_key() {
    let setting = Setting::new().await;
    let first = give(&setting, "operator", &cleanup("web"))
        .send(&setting)
        .await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.header("location"), format!("{PATH}/{ONE}"));
    let told = first.json();
    assert_eq!((&told["id"], &told["state"]), (&json!(ONE), &json!("done")));
    assert_eq!(
        (&told["cursor"], &told["order"]),
        (&json!(7), &cleanup("web"))
    );
    // Written in another way it is the same order.
    let same = json!({"service": "web", "assembly": null, "operation": "cleanup"});
    let again = give(&setting, "operator", &same).send(&setting).await;
    assert_eq!((again.status, again.json()), (200, told.clone()));
    assert_eq!(setting.double.lock().orders.len(), 1);
    let other = give(&setting, "operator", &cleanup("db"))
        .send(&setting)
        .await;
    other.is_problem(422, "key-reused");
    let place = format!("{PATH}/{ONE}");
    let look = setting.get("operator", &place).send(&setting).await;
    assert_eq!((look.status, look.json()), (200, told));
    // The key of somebody else is nobody's business.
    let look = setting.get("owner", &place).send(&setting).await;
    look.is_problem(404, "not-found");
    let own = give(&setting, "owner", &cleanup("db")).send(&setting).await;
    assert_eq!(
        (own.status, &own.json()["order"]["service"]),
        (200, &json!("db"))
    );
}

#[tokio::test]
async fn what_takes_long_is_waited_for_where_that_is_asked() {
    let setting = Setting::new().await;
    let slow = give(&setting, "operator", &cleanup("slow"))
        .send(&setting)
        .await;
    assert_eq!(
        (slow.status, &slow.json()["state"]),
        (202, &json!("running"))
    );
    let look = setting.get("operator", &format!("{}?wait=9s", slow.header("location")));
    let look = look.send(&setting).await;
    assert_eq!((look.status, &look.json()["state"]), (200, &json!("done")));
    for wrong in ["wait=31s", "wait=1", "patience=1s"] {
        let look = setting.get("operator", &format!("{PATH}/{ONE}?{wrong}"));
        look.send(&setting).await.is_problem(400, "bad-request");
    }
    for (id, status) in [
        ("1", 404),
        ("0F8FAD5B-D9CB-469F-A165-70867728950E", 404),
        ("%00", 400),
    ] {
        let look = setting
            .get("operator", &format!("{PATH}/{id}"))
            .send(&setting)
            .await;
        assert_eq!(look.status, status, "{id}: {look:?}");
    }
}

#[tokio::test]
async fn what_is_not_done_is_a_problem_and_the_same_one_again() {
    let setting = Setting::new().await;
    for _ in 0..2 {
        let wrong = give(&setting, "operator", &cleanup("wrong"))
            .send(&setting)
            .await;
        wrong.is_problem(404, "not-found");
        assert_eq!(wrong.header("location"), format!("{PATH}/{ONE}"));
        let unknown = give(&setting, "owner", &cleanup("mute"))
            .send(&setting)
            .await;
        unknown.is_problem(409, "unknown-outcome");
    }
    assert_eq!(setting.double.lock().orders.len(), 2);
    let look = setting
        .get("owner", &format!("{PATH}/{ONE}"))
        .send(&setting)
        .await
        .json();
    assert_eq!(
        (&look["state"], &look["problem"]["status"]),
        (&json!("unknown"), &json!(409))
    );
    for times in 1..3 {
        let away = give(&setting, "admin", &cleanup("away"))
            .send(&setting)
            .await;
        away.is_problem(503, "unavailable");
        assert!(!away.header("retry-after").is_empty());
        assert_eq!(setting.double.lock().orders.len(), 2 + times);
    }
}

#[tokio::test]
async fn an_order_without_a_key_or_that_is_none_says_what_is_possible() {
    let setting = Setting::new().await;
    let keyless = setting.ask("operator", "POST", PATH).json(&cleanup("web"));
    keyless
        .send(&setting)
        .await
        .is_problem(428, "precondition-required");
    let odd = setting.ask("operator", "POST", PATH).json(&cleanup("web"));
    let odd = odd.header("idempotency-key", "7");
    odd.send(&setting).await.is_problem(400, "bad-request");
    for (order, expected) in [
        (json!({"operation": "explode"}), "`confirm-fenced`"),
        (
            json!({"operation": "refresh", "colour": "red"}),
            "`assembly`",
        ),
        (json!({"operation": "fence", "power": "off"}), "`assembly`"),
        (
            json!({"operation": "fence", "assembly": "a", "power": "up"}),
            "`reboot`",
        ),
        (
            json!({"operation": "refresh", "service": ""}),
            "1 to 255 bytes",
        ),
        (
            json!({"operation": "refresh", "service": "a\u{0}"}),
            "zero byte",
        ),
        (json!({"service": "web"}), "`operation`"),
        (json!([]), "the body"),
    ] {
        let wrong = give(&setting, "operator", &order).send(&setting).await;
        wrong.is_problem(400, "bad-request");
        let detail = wrong.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(expected), "{order}: {detail}");
    }
    let long = json!({"operation": "refresh", "service": "x".repeat(70_000)});
    let long = give(&setting, "operator", &long).send(&setting).await;
    long.is_problem(413, "too-large");
    assert!(setting.double.lock().orders.is_empty());
}

#[tokio::test]
async fn cpe_decides_who_may_give_which_order() {
    let setting = Setting::new().await;
    let fence = json!({"operation": "fence", "assembly": "web1", "power": "off"});
    let beyond = give(&setting, "operator", &fence).send(&setting).await;
    beyond.is_problem(403, "forbidden");
    let viewer = give(&setting, "viewer", &cleanup("web"))
        .send(&setting)
        .await;
    viewer.is_problem(403, "forbidden");
    let nobody = give(&setting, "nobody", &cleanup("web"))
        .send(&setting)
        .await;
    nobody.is_problem(404, "not-found");
    assert!(setting.double.lock().orders.is_empty());
    assert_eq!(
        give(&setting, "owner", &fence).send(&setting).await.status,
        200
    );
}
