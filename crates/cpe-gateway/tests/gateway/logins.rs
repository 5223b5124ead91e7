//! Login and logout of browsers.

use cpe_gateway::identity::Peer;
use cpe_tokens::Tokens;
use serde_json::json;

use crate::harness::{Answer, Asking, Setting};

fn remote() -> Peer {
    Peer::Remote([192, 0, 2, 9].into(), None)
}

async fn log_in(setting: &Setting, who: &str) -> Answer {
    let login = setting.ask("", "POST", "/v1/session").from(remote());
    let login = login.json(&json!({"token": setting.token(who)}));
    login.send(setting).await
}

/// A request of a browser that has the cookie of a login.
fn browse(setting: &Setting, login: &Answer, method: &str, path: &str) -> Asking {
    let (cookie, _) = login.header("set-cookie").split_once(';').unwrap();
    let asking = setting.ask("", method, path).from(remote());
    asking.header("cookie", cookie)
}

#[tokio::test]
async fn a_cookie_stands_for_the_token_that_it_was_given_for() {
    let setting = Setting::new().await;
    let login = log_in(&setting, "owner").await;
    assert_eq!((login.status, login.text.as_str()), (204, ""));
    let cookie = login.header("set-cookie");
    assert!(cookie.starts_with("__Host-cpe="), "{cookie}");
    for word in [
        "Path=/",
        "Secure",
        "HttpOnly",
        "SameSite=Strict",
        "Max-Age=43200",
    ] {
        assert!(cookie.split("; ").any(|it| it == word), "{word}: {cookie}");
    }
    assert!(!cookie.contains(setting.token("owner")) && !cookie.contains("Domain"));
    let about = browse(&setting, &login, "GET", "/v1")
        .send(&setting)
        .await
        .json();
    assert_eq!(
        (&about["principal"], &about["via"]),
        (&json!("token:owner"), &json!("session"))
    );
    assert!(about["until"].as_str().unwrap().ends_with('Z'), "{about}");
    let shown = setting.get("viewer", "/v1").send(&setting).await.json();
    assert_eq!(
        (&shown["via"], &shown["until"]),
        (&json!("token"), &json!(null))
    );
    // What is shown on purpose counts before what a browser adds.
    let both = browse(&setting, &login, "GET", "/v1");
    let both = both.header(
        "authorization",
        &format!("Bearer {}", setting.token("viewer")),
    );
    assert_eq!(
        both.send(&setting).await.json()["principal"],
        "token:viewer"
    );
    let wrong = browse(&setting, &login, "GET", "/v1").header("cookie", "__Host-cpe=0");
    wrong.send(&setting).await.is_problem(401, "unauthorized");
}

#[tokio::test]
async fn with_a_cookie_only_our_own_page_changes_anything() {
    let setting = Setting::new().await;
    let login = log_in(&setting, "owner").await;
    let path = "/v1/deployments/shop/rollback";
    let back = || {
        let asking = browse(&setting, &login, "POST", path).header("if-match", "\"g1\"");
        asking.json(&json!({"generation": 1}))
    };
    back().send(&setting).await.is_problem(403, "forbidden");
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let foreign = back().header("x-cpe-request", "1").header(name, value);
        foreign.send(&setting).await.is_problem(403, "forbidden");
    }
    let own = back().header("x-cpe-request", "1");
    let own = own.header("origin", "https://localhost");
    assert_eq!(own.send(&setting).await.status, 202);
}

#[tokio::test]
async fn a_form_logs_in_and_out_from_our_own_page() {
    let setting = Setting::new().await;
    let form = || {
        let login = setting.ask("", "POST", "/v1/session").from(remote());
        login.form(&format!("token={}", setting.token("viewer")))
    };
    let foreign = form().header("origin", "https://evil.example");
    foreign.send(&setting).await.is_problem(403, "forbidden");
    let login = form()
        .header("origin", "https://localhost")
        .send(&setting)
        .await;
    assert_eq!((login.status, login.header("location")), (303, "/"));
    let about = || browse(&setting, &login, "GET", "/v1").send(&setting);
    assert_eq!(about().await.status, 200);
    let end = || browse(&setting, &login, "POST", "/v1/session/end");
    let foreign = end().header("origin", "https://evil.example");
    foreign.send(&setting).await.is_problem(403, "forbidden");
    assert_eq!(about().await.status, 200, "nobody else logs it out");
    let ended = end().send(&setting).await;
    assert_eq!((ended.status, ended.header("location")), (303, "/"));
    assert!(ended.header("set-cookie").contains("Max-Age=0"));
    about().await.is_problem(401, "unauthorized");
    assert_eq!(
        end().send(&setting).await.status,
        303,
        "twice is no mistake"
    );
    let again = log_in(&setting, "viewer").await;
    let out = browse(&setting, &again, "DELETE", "/v1/session");
    out.send(&setting).await.is_problem(403, "forbidden");
    let out = browse(&setting, &again, "DELETE", "/v1/session").header("x-cpe-request", "1");
    assert_eq!(out.send(&setting).await.status, 204);
    let about = browse(&setting, &again, "GET", "/v1").send(&setting).await;
    about.is_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_login_ends_when_its_token_is_revoked_also_if_there_is_one_of_that_name_again() {
    let setting = Setting::new().await;
    let login = log_in(&setting, "viewer").await;
    let path = &setting.app.settings.tokens;
    let mut tokens = Tokens::load(path).unwrap();
    tokens.revoke("viewer");
    let new = tokens
        .add("viewer", jiff::Timestamp::now(), None, "")
        .unwrap();
    tokens.save(path, None).unwrap();
    let about = browse(&setting, &login, "GET", "/v1").send(&setting).await;
    about.is_problem(401, "unauthorized");
    let fresh = setting.get("", "/v1").from(remote());
    let fresh = fresh.header("authorization", &format!("Bearer {new}"));
    assert_eq!(fresh.send(&setting).await.status, 200);
}

#[tokio::test]
async fn wrong_logins_count_as_wrong_tokens() {
    let setting = Setting::new().await;
    for _ in 0..3 {
        log_in(&setting, "who")
            .await
            .is_problem(401, "unauthorized");
    }
    let wrong = setting.get("who", "/v1").from(remote());
    wrong.send(&setting).await.is_problem(401, "unauthorized");
    log_in(&setting, "who")
        .await
        .is_problem(401, "unauthorized");
    let sixth = log_in(&setting, "who").await;
    sixth.is_problem(429, "too-many-requests");
    assert!(!sixth.header("retry-after").is_empty());
    assert_eq!(
        log_in(&setting, "viewer").await.status,
        204,
        "who has a token is let in"
    );
    for body in ["", "token=a&colour=red", "colour=red", "token=a&token=b"] {
        let form = setting
            .ask("", "POST", "/v1/session")
            .from(remote())
            .form(body);
        form.send(&setting).await.is_problem(400, "bad-request");
    }
    let plain = setting.ask("", "POST", "/v1/session").from(remote());
    plain
        .send(&setting)
        .await
        .is_problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn at_the_unix_socket_nobody_logs_in_and_cookies_count_nothing() {
    let setting = Setting::new().await;
    let login = setting.ask("", "POST", "/v1/session");
    let login = login.json(&json!({"token": setting.token("owner")}));
    login
        .send(&setting)
        .await
        .is_problem(409, "no-session-needed");
    let login = log_in(&setting, "owner").await;
    let local = browse(&setting, &login, "GET", "/v1").from(Peer::User(0));
    let local = local.send(&setting).await.json();
    assert_eq!(
        (&local["principal"], &local["via"]),
        (&json!("user:root"), &json!("socket"))
    );
    // A cookie that stands for nobody is as none.
    let certified = Peer::Remote([192, 0, 2, 9].into(), Some("urn:alice".into()));
    let stale = setting
        .get("", "/v1")
        .from(certified)
        .header("cookie", "__Host-cpe=0");
    let stale = stale.send(&setting).await.json();
    assert_eq!(
        (&stale["principal"], &stale["via"]),
        (&json!("cert:urn:alice"), &json!("certificate"))
    );
}
