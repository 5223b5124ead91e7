//! What is read, and by whom.

use cpe_bus::EventKind;
use serde_json::json;

use crate::harness::{Setting, until};

#[tokio::test]
async fn callers_see_the_deployments_of_their_roles_and_no_others() {
    let setting = Setting::new().await;
    let about = setting.get("viewer", "/v1").send(&setting).await.json();
    assert_eq!(about["principal"], "token:viewer");
    assert_eq!(
        about["roles"],
        json!([{"role": "viewer", "deployments": "shop*"}])
    );
    let names = |who: &'static str| {
        let asked = setting.get(who, "/v1/deployments").send(&setting);
        async move {
            let list = asked.await.json()["deployments"].take();
            let names = list.as_array().unwrap().iter();
            let names: Vec<_> = names
                .map(|it| it["name"].as_str().unwrap().to_owned())
                .collect();
            names
        }
    };
    assert_eq!(names("viewer").await, ["shop"]);
    assert_eq!(names("admin").await, ["mail", "shop"]);
    assert!(names("nobody").await.is_empty());
    let hidden = setting
        .get("viewer", "/v1/deployments/mail")
        .send(&setting)
        .await;
    let absent = setting
        .get("viewer", "/v1/deployments/none")
        .send(&setting)
        .await;
    hidden.is_problem(404, "not-found");
    assert_eq!(hidden.text.replace("mail", "none"), absent.text);
    for path in [
        "document",
        "generations",
        "inputs",
        "transitions",
        "services/web/explain",
    ] {
        let path = format!("/v1/deployments/mail/{path}");
        let answer = setting.get("viewer", &path).send(&setting).await;
        answer.is_problem(404, "not-found");
    }
    setting
        .get("admin", "/v1/deployments/none")
        .send(&setting)
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn a_deployment_is_shown_with_its_age_and_fetched_again_on_its_events() {
    let setting = Setting::new().await;
    let known = || async {
        let shop = setting
            .get("viewer", "/v1/deployments/shop")
            .send(&setting)
            .await;
        shop.json()["status"]["generation"] == 1
    };
    until("the status is known", known).await;
    let shop = setting
        .get("viewer", "/v1/deployments/shop")
        .send(&setting)
        .await
        .json();
    assert_eq!(
        (&shop["role"], &shop["is_live"]),
        (&json!("viewer"), &json!(true))
    );
    assert_eq!(shop["status"]["assemblies"][0]["name"], "web1");
    let list = setting
        .get("viewer", "/v1/deployments")
        .send(&setting)
        .await
        .json();
    assert_eq!(list["counts"], json!({"active": 1}));
    assert_eq!(
        list["deployments"][0]["services"],
        json!({"well": 1, "all": 1})
    );
    let few = setting
        .get("viewer", "/v1/deployments?state=failed")
        .send(&setting)
        .await
        .json();
    assert_eq!(few["deployments"], json!([]));
    // Twenty looks cost the DPE nothing.
    let looks = setting.double.lock().looks;
    for _ in 0..20 {
        setting
            .get("viewer", "/v1/deployments/shop")
            .send(&setting)
            .await;
    }
    assert_eq!(setting.double.lock().looks, looks);
    setting
        .double
        .lock()
        .documents
        .get_mut("shop")
        .unwrap()
        .push("x".into());
    let cpe = setting.cpe.as_ref().unwrap();
    setting.double.record(cpe, "service.moved", "shop").await;
    let newer = || async {
        let shop = setting
            .get("viewer", "/v1/deployments/shop")
            .send(&setting)
            .await;
        shop.json()["status"]["generation"] == 2
    };
    until("the event had it fetched again", newer).await;
}

#[tokio::test]
async fn documents_are_for_owners_and_have_their_generation_as_etag() {
    let setting = Setting::new().await;
    let path = "/v1/deployments/shop/document";
    for who in ["viewer", "operator"] {
        setting
            .get(who, path)
            .send(&setting)
            .await
            .is_problem(403, "forbidden");
    }
    let read = setting.get("owner", path).send(&setting).await;
    assert_eq!((read.status, read.header("etag")), (200, "\"g1\""));
    assert!(read.header("content-type").starts_with("application/xml"));
    assert!(read.text.contains("name=\"shop\""), "{}", read.text);
    let same = setting.get("owner", path).header("if-none-match", "\"g1\"");
    assert_eq!(same.send(&setting).await.status, 304);
    for (query, status) in [
        ("?generation=1", 200),
        ("?generation=9", 404),
        ("?generation=0", 400),
        ("?generation=x", 400),
        ("?colour=1", 400),
    ] {
        let answer = setting
            .get("owner", &format!("{path}{query}"))
            .send(&setting)
            .await;
        assert_eq!(answer.status, status, "{query}");
    }
    let listed = setting
        .get("owner", "/v1/deployments/shop/generations")
        .send(&setting)
        .await;
    assert_eq!(listed.json()["generations"][0]["by"], "alice");
    assert_eq!(listed.json()["generations"][0]["current"], true);
    let other = crate::double::document("shop", "second").replace("web1", "web2");
    setting
        .double
        .lock()
        .documents
        .get_mut("shop")
        .unwrap()
        .push(other);
    let path = "/v1/deployments/shop/generations/1/diff/2";
    let diff = setting.get("owner", path).send(&setting).await.json();
    assert_eq!(diff["same"], false, "{diff}");
    assert!(diff["changes"].to_string().contains("web2"), "{diff}");
    setting
        .get("viewer", path)
        .send(&setting)
        .await
        .is_problem(403, "forbidden");
}

#[tokio::test]
async fn questions_are_passed_on_and_their_errors_come_back() {
    let setting = Setting::new().await;
    let path = "/v1/deployments/shop/services/web/explain?assembly=web1&scores=true";
    let told = setting.get("viewer", path).send(&setting).await.json();
    assert_eq!(told["text"], "web runs on web1");
    let path = "/v1/deployments/shop/services/x/explain";
    setting
        .get("viewer", path)
        .send(&setting)
        .await
        .is_problem(404, "not-found");
    let path = "/v1/deployments/shop/inputs";
    let inputs = setting.get("owner", path).send(&setting).await.json();
    assert_eq!(inputs["inputs"][0]["transition"], 7);
    for (input, status) in [("7", 200), ("current", 200), ("8", 404)] {
        let answer = setting
            .get("owner", &format!("{path}/{input}"))
            .send(&setting)
            .await;
        assert_eq!(answer.status, status, "{input}");
    }
    let good = setting.ask("viewer", "POST", "/v1/validations");
    let good = good
        .xml(&crate::double::document("new", ""))
        .send(&setting)
        .await
        .json();
    assert_eq!(good["valid"], true, "{good}");
    let bad = setting.ask("viewer", "POST", "/v1/validations").xml("<x/>");
    let bad = bad.send(&setting).await.json();
    assert_eq!(bad["valid"], false);
    assert!(!bad["problems"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn transitions_are_told_from_events() {
    let setting = Setting::new().await;
    let event = setting
        .double
        .note(EventKind::TransitionStarted.as_str(), "shop");
    {
        let mut known = setting.double.lock();
        let details = &mut known.events.last_mut().unwrap().details;
        details.insert("transition".into(), "4".into());
        details.insert("actions".into(), "11".into());
    }
    let cpe = setting.cpe.as_ref().unwrap();
    setting.double.record(cpe, "service.started", "shop").await;
    let path = "/v1/deployments/shop/transitions";
    let known = || async {
        let told = setting.get("viewer", path).send(&setting).await.json();
        told["transitions"][0]["transition"] == 4
    };
    until("the transition is told", known).await;
    let told = setting.get("viewer", path).send(&setting).await.json();
    assert_eq!(told["transitions"][0]["actions"], 11);
    assert_eq!(told["transitions"][0]["state"], "running");
    assert_eq!(event.cursor, 2);
}

#[tokio::test]
async fn pages_of_events_end_where_the_log_does_and_leave_out_what_is_hidden() {
    let setting = Setting::new().await;
    let cpe = setting.cpe.as_ref().unwrap();
    for n in 0..5 {
        setting
            .double
            .record(cpe, "service.started", ["shop", "mail"][n % 2])
            .await;
    }
    let newest = || async {
        let page = setting
            .get("viewer", "/v1/events?limit=1000")
            .send(&setting)
            .await
            .json();
        page["next"] == 6
    };
    until("all events are there", newest).await;
    let mut after = 0;
    let mut seen = Vec::new();
    loop {
        let path = format!("/v1/events?after={after}&limit=2");
        let page = setting.get("viewer", &path).send(&setting).await;
        let body = page.json();
        let events = body["events"].as_array().unwrap().clone();
        seen.extend(
            events
                .iter()
                .map(|it| it["sequence"].as_str().unwrap().parse::<u64>().unwrap()),
        );
        let next = body["next"].as_u64().unwrap();
        if next == after {
            assert!(events.is_empty() && page.header("link").is_empty());
            break;
        }
        assert!(
            page.header("link")
                .contains(&format!("after={next}&limit=2"))
        );
        after = next;
    }
    assert_eq!(seen, [1, 2, 4, 6]);
    let kinds = setting
        .get("admin", "/v1/events?kind=deployment.*")
        .send(&setting)
        .await
        .json();
    assert_eq!(kinds["events"].as_array().unwrap().len(), 1);
    for query in ["limit=0", "limit=1001", "after=x", "colour=red"] {
        let answer = setting
            .get("viewer", &format!("/v1/events?{query}"))
            .send(&setting)
            .await;
        answer.is_problem(400, "bad-request");
    }
    setting
        .get("viewer", "/v1/events?after=999")
        .send(&setting)
        .await
        .is_problem(404, "other-log");
}
