//! Plans: what is applied is what was seen.

use serde_json::json;

use crate::double::{Known, document};
use crate::harness::{Answer, Setting};

async fn planned(setting: &Setting, who: &str, proposal: &serde_json::Value) -> Answer {
    setting
        .ask(who, "POST", "/v1/plans")
        .json(proposal)
        .send(setting)
        .await
}

async fn apply(setting: &Setting, who: &str, plan: &Answer) -> Answer {
    let path = format!("/v1/plans/{}/apply", plan.json()["id"].as_str().unwrap());
    setting.ask(who, "POST", &path).send(setting).await
}

#[tokio::test]
async fn a_planned_document_is_stored_once() {
    let setting = Setting::new().await;
    let make = || {
        setting
            .ask("owner", "POST", "/v1/plans")
            .xml(&document("shop", "planned"))
    };
    let plan = make().send(&setting).await;
    assert_eq!(plan.status, 201, "{plan:?}");
    assert_eq!(plan.json()["generation"], 1);
    let shown = setting
        .get("owner", plan.header("location"))
        .send(&setting)
        .await;
    assert_eq!(shown.json()["id"], plan.json()["id"]);
    setting
        .get("viewer", plan.header("location"))
        .send(&setting)
        .await
        .is_problem(404, "not-found");
    let done = apply(&setting, "owner", &plan).await;
    assert_eq!((done.status, &done.json()["generation"]), (202, &json!(2)));
    let again = apply(&setting, "owner", &plan).await;
    assert_eq!((again.status, again.json()), (202, done.json()));
    assert_eq!(setting.double.lock().documents["shop"].len(), 2);
}

#[tokio::test]
async fn a_plan_that_is_not_so_any_more_is_not_applied() {
    let setting = Setting::new().await;
    let plan = setting
        .ask("owner", "POST", "/v1/plans")
        .xml(&document("shop", "planned"));
    let plan = plan.send(&setting).await;
    setting.double.lock().action = "stop".into();
    let outdated = apply(&setting, "owner", &plan).await;
    outdated.is_problem(409, "plan-outdated");
    assert_eq!(
        setting.double.lock().documents["shop"].len(),
        1,
        "nothing was stored"
    );
    let new = outdated.json()["plan"].take();
    assert_eq!(new["plan"]["actions"][0]["action"], "stop");
    let path = format!("/v1/plans/{}/apply", new["id"].as_str().unwrap());
    assert_eq!(
        setting
            .ask("owner", "POST", &path)
            .send(&setting)
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_again_by_the_same_plan() {
    let setting = Setting::new().await;
    let proposal = json!({"deployment": "shop", "verb": "restart", "service": "mute"});
    let plan = planned(&setting, "operator", &proposal).await;
    assert_eq!(plan.status, 201, "{plan:?}");
    for _ in 0..2 {
        let told = apply(&setting, "operator", &plan).await;
        told.is_problem(409, "unknown-outcome");
    }
    assert_eq!(setting.double.lock().orders, ["restart mute"]);
    let shown = setting.get("operator", plan.header("location"));
    assert_eq!(shown.send(&setting).await.json()["applied"], false);
}

#[tokio::test]
async fn orders_are_given_as_they_were_planned() {
    let setting = Setting::new().await;
    let proposal = json!({"deployment": "shop", "verb": "restart", "service": "web"});
    let plan = planned(&setting, "operator", &proposal).await;
    assert_eq!(plan.json()["fingerprint"], "of start");
    let seen = planned(&setting, "viewer", &proposal).await;
    apply(&setting, "viewer", &seen)
        .await
        .is_problem(403, "forbidden");
    assert_eq!(apply(&setting, "operator", &plan).await.status, 202);
    assert_eq!(
        apply(&setting, "operator", &plan).await.status,
        202,
        "as before"
    );
    assert_eq!(setting.double.lock().orders, ["restart web"]);
    let ban = json!({"deployment": "shop", "verb": "ban", "service": "web", "assembly": "web1"});
    let ban = planned(&setting, "operator", &ban).await;
    apply(&setting, "operator", &ban)
        .await
        .is_problem(409, "refused");
    let plan = planned(&setting, "operator", &proposal).await;
    setting.double.lock().action = "stop".into();
    let outdated = apply(&setting, "operator", &plan).await;
    outdated.is_problem(409, "plan-outdated");
    assert_eq!(outdated.json()["plan"]["fingerprint"], "of stop");
    assert_eq!(setting.double.lock().orders.len(), 1);
}

#[tokio::test]
async fn standby_is_planned_too() {
    let setting = Setting::new().await;
    let proposal = json!({"deployment": "shop", "verb": "standby", "assembly": "web1"});
    let plan = planned(&setting, "operator", &proposal).await;
    assert_eq!(apply(&setting, "operator", &plan).await.status, 202);
    assert_eq!(setting.double.lock().orders, ["standby web1 true"]);

    // What runs there has no other place.
    setting.double.lock().is_tight = Some(false);
    let plan = planned(&setting, "operator", &proposal).await;
    assert_eq!(plan.json()["plan"]["refused"][0], "web would run nowhere");
    let refused = apply(&setting, "operator", &plan).await;
    refused.is_problem(409, "refused");
    assert_eq!(setting.double.lock().orders.len(), 1);
    let forced =
        json!({"deployment": "shop", "verb": "standby", "assembly": "web1", "force": true});
    let plan = planned(&setting, "operator", &forced).await;
    assert_eq!(plan.json()["forced"], true);
    assert_eq!(apply(&setting, "operator", &plan).await.status, 202);
    assert_eq!(setting.double.lock().orders.len(), 2);
}

#[tokio::test]
async fn upkeep_is_planned_too_and_done_as_it_was_planned() {
    let setting = Setting::new().await;
    let on = json!({"deployment": "shop", "verb": "maintenance", "assembly": "web1", "on": true});
    let one = json!({"deployment": "shop", "verb": "cleanup", "service": "web", "action": "start"});
    let all = json!({"deployment": "shop", "verb": "refresh"});
    for proposal in [&on, &one, &all] {
        let plan = planned(&setting, "operator", proposal).await;
        assert_eq!(plan.json()["fingerprint"], "of start", "{plan:?}");
        let seen = planned(&setting, "viewer", proposal).await;
        apply(&setting, "viewer", &seen)
            .await
            .is_problem(403, "forbidden");
        for _ in 0..2 {
            assert_eq!(apply(&setting, "operator", &plan).await.status, 202);
        }
    }
    let given = ["maintenance web1 true", "cleanup web start", "refresh"];
    assert_eq!(setting.double.lock().orders, given);
    let plan = planned(&setting, "operator", &one).await;
    setting.double.lock().action = "stop".into();
    let outdated = apply(&setting, "operator", &plan).await;
    outdated.is_problem(409, "plan-outdated");
    assert_eq!(outdated.json()["plan"]["fingerprint"], "of stop");
    let mut tight = json!({"deployment": "shop", "verb": "cleanup", "service": "tight"});
    let plan = planned(&setting, "operator", &tight).await;
    apply(&setting, "operator", &plan)
        .await
        .is_problem(409, "refused");
    assert_eq!(setting.double.lock().orders.len(), 3);
    tight["force"] = json!(true);
    let plan = planned(&setting, "operator", &tight).await;
    assert_eq!(plan.json()["forced"], true);
    assert_eq!(apply(&setting, "operator", &plan).await.status, 202);
}

#[tokio::test]
async fn a_type_in_capitals_is_the_same_type() {
    let setting = Setting::new().await;
    // The first header of a name counts.
    let plan = setting
        .ask("operator", "POST", "/v1/plans")
        .header("content-type", "Application/JSON; charset=UTF-8")
        .json(&json!({"deployment": "shop", "verb": "standby", "assembly": "web1"}))
        .send(&setting)
        .await;
    assert_eq!(plan.status, 201, "{plan:?}");
}

#[tokio::test]
async fn what_cannot_be_planned_is_refused() {
    let setting = Setting::new().await;
    for (proposal, status, kind) in [
        (json!({}), 400, "bad-request"),
        (json!({"deployment": "shop"}), 422, "unprocessable"),
        (
            json!({"deployment": "shop", "verb": "move"}),
            422,
            "unprocessable",
        ),
        (
            json!({"deployment": "shop", "generation": 1, "verb": "move", "service": "web"}),
            422,
            "unprocessable",
        ),
        (
            json!({"deployment": "shop", "generation": 0}),
            422,
            "unprocessable",
        ),
        (
            json!({"deployment": "shop", "generation": -1}),
            400,
            "bad-request",
        ),
        (
            json!({"deployment": "shop", "colour": "red"}),
            400,
            "bad-request",
        ),
        (json!([]), 400, "bad-request"),
    ] {
        let answer = planned(&setting, "owner", &proposal).await;
        answer.is_problem(status, kind);
    }
    let hidden = json!({"deployment": "mail", "verb": "restart", "service": "web"});
    planned(&setting, "owner", &hidden)
        .await
        .is_problem(404, "not-found");
    let path = "/v1/plans/5a0c2c5e-0000-4000-8000-000000000000/apply";
    setting
        .ask("owner", "POST", path)
        .send(&setting)
        .await
        .is_problem(404, "not-found");
    setting
        .get("owner", "/v1/plans/x")
        .send(&setting)
        .await
        .is_problem(404, "not-found");
    let text = setting
        .ask("owner", "POST", "/v1/plans")
        .header("content-type", "text/plain");
    text.send(&setting)
        .await
        .is_problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn what_a_proposal_says_in_vain_is_refused() {
    let setting = Setting::new().await;
    for (said, field) in [
        (
            json!({"verb": "standby", "assembly": "web1", "on": false}),
            "on",
        ),
        (
            json!({"verb": "standby", "assembly": "web1", "service": "web"}),
            "service",
        ),
        (json!({"verb": "unstandby", "for_ms": 1}), "for_ms"),
        (
            json!({"verb": "cleanup", "service": "web", "for_ms": 1}),
            "for_ms",
        ),
        (json!({"verb": "refresh", "lifetime": "placed"}), "lifetime"),
        (
            json!({"verb": "maintenance", "on": true, "promoted": false}),
            "promoted",
        ),
        (
            json!({"verb": "move", "service": "web", "action": "start"}),
            "action",
        ),
        (
            json!({"verb": "ban", "service": "web", "interval_ms": 0}),
            "interval_ms",
        ),
        (
            json!({"verb": "restart", "service": "web", "on": true}),
            "on",
        ),
        (json!({"generation": 1, "assembly": "web1"}), "assembly"),
        (json!({"generation": 1, "service": "web"}), "service"),
        (
            json!({"verb": "restart", "service": "web", "generation": 1}),
            "generation",
        ),
        (json!({"verb": "standby", "assembly": ""}), "assembly"),
        (json!({"verb": "refresh", "service": ""}), "service"),
    ] {
        let mut proposal = said.clone();
        proposal["deployment"] = json!("shop");
        let answer = planned(&setting, "operator", &proposal).await;
        answer.is_problem(422, "unprocessable");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(&format!("`{field}`")), "{said}: {detail}");
    }
}

#[tokio::test]
async fn a_plan_is_of_the_generation_that_it_was_made_from() {
    let setting = Setting::new().await;
    setting.double.lock().planned_from = Some(1);
    // Stored while it was planned.
    let other = document("shop", "of others");
    let documents = |known: &mut Known| known.documents.get_mut("shop").unwrap().push(other);
    documents(&mut setting.double.lock());
    let plan = setting
        .ask("owner", "POST", "/v1/plans")
        .xml(&document("shop", "planned"))
        .send(&setting)
        .await;
    assert_eq!(plan.json()["generation"], 1);
    let done = apply(&setting, "owner", &plan).await;
    done.is_problem(412, "precondition-failed");
    assert_eq!(setting.double.lock().documents["shop"].len(), 2);
}
