//! The page: what it shows to whom, without a browser.

use cpe_gateway::identity::Peer;

use crate::harness::{Answer, Asking, Setting, until};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const SHOP: &str = "/deployments/shop";

impl Asking {
    fn browser(self) -> Asking {
        self.header("accept", BROWSER)
    }
}

#[track_caller]
fn is_page(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    let policy = answer.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let text = &answer.text;
    assert!(text.starts_with("<!DOCTYPE html>"), "{text}");
    for inline in [
        "<script>",
        "style=\"",
        "onclick",
        "<style",
        "javascript:",
        "://",
    ] {
        assert!(!text.contains(inline), "{inline}: {text}");
    }
}

async fn shown(setting: &Setting, who: &str, path: &str) -> Answer {
    setting.get(who, path).browser().send(setting).await
}

/// With the status of shop.
async fn with_status() -> Setting {
    let setting = Setting::new().await;
    until("the status is known", || async {
        let page = shown(&setting, "viewer", SHOP).await;
        page.text.contains("data-move=\"web\"")
    })
    .await;
    setting
}

#[tokio::test]
async fn each_viewer_sees_their_deployments_and_what_they_may_do() {
    let setting = with_status().await;
    let all = shown(&setting, "admin", "/").await;
    is_page(&all, 200);
    assert!(all.text.contains("data-find=\"mail\"") && all.text.contains("href=\"/deploy\""));
    let some = shown(&setting, "viewer", "/").await;
    is_page(&some, 200);
    assert!(!some.text.contains("mail") && !some.text.contains("href=\"/deploy\""));
    for (who, acts, deploys) in [
        ("viewer", false, false),
        ("operator", true, false),
        ("owner", true, true),
    ] {
        let page = shown(&setting, who, SHOP).await;
        is_page(&page, 200);
        assert_eq!(page.text.contains("id=\"act\""), acts, "{who}");
        assert_eq!(
            page.text.contains("/deployments/shop/deploy"),
            deploys,
            "{who}"
        );
        let offers = |verb: &str| page.text.contains(&format!("data-verb=\"{verb}\""));
        assert_eq!(offers("cleanup"), acts, "{who}");
        assert_eq!(offers("confirm-fenced"), deploys, "{who}");
        assert!(
            page.text.contains("data-attempt=\"1-1\""),
            "of web2, and of no other"
        );
        assert_eq!(page.text.matches("data-attempt").count(), 1);
        let deploy = shown(&setting, who, "/deployments/shop/deploy").await;
        is_page(&deploy, if deploys { 200 } else { 403 });
    }
    for path in ["", "/what-if", "/services/web", "/deploy"] {
        let path = format!("/deployments/mail{path}");
        is_page(&shown(&setting, "viewer", &path).await, 404);
    }
    is_page(&shown(&setting, "viewer", "/nothing").await, 404);
}

#[tokio::test]
async fn it_needs_no_script_to_be_read() {
    let setting = with_status().await;
    let page = shown(&setting, "viewer", SHOP).await;
    let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>";
    assert!(page.text.contains(refresh));
    assert!(
        page.text.contains("deployment.created"),
        "the past is there"
    );
    let why = shown(&setting, "viewer", "/deployments/shop/services/web").await;
    is_page(&why, 200);
    assert!(why.text.contains("web runs on web1"));
    let none = shown(&setting, "viewer", "/deployments/shop/services/none").await;
    is_page(&none, 404);
}

#[tokio::test]
async fn what_is_hostile_is_text() {
    let setting = with_status().await;
    for path in [
        "/deployments/%3Cscript%3E",
        "/?q=%22%3E%3Cscript%3E",
        "/deployments/shop/services/%3Cscript%3E",
        "/%3Cscript%3E",
    ] {
        let page = shown(&setting, "viewer", path).await;
        is_page(&page, page.status);
    }
    // What is in an event is of guests, perhaps.
    setting.double.note("service.failed", "shop");
    let hostile = "<script>alert(1)</script>".to_owned();
    if let Some(event) = setting.double.lock().events.last_mut() {
        (event.service, event.reason) = ("<script>".to_owned(), hostile.clone());
        event.details.insert("by".to_owned(), hostile);
    }
    let cpe = setting.cpe.as_ref().unwrap();
    setting.double.record(cpe, "dpe.started", "shop").await;
    until("the event is shown", || async {
        let page = shown(&setting, "viewer", SHOP).await;
        page.text.contains("&lt;script&gt;alert(1)")
    })
    .await;
    is_page(&shown(&setting, "viewer", SHOP).await, 200);
}

#[tokio::test]
async fn a_stranger_gets_the_login_and_a_program_the_problem() {
    let setting = Setting::new().await;
    let elsewhere = || Peer::Remote("192.0.2.1".parse().unwrap(), None);
    let ask = |path: &str| setting.get("", path).from(elsewhere());
    let login = ask(SHOP).browser().send(&setting).await;
    is_page(&login, 401);
    assert!(login.text.contains("action=\"/v1/session\""));
    assert!(!login.header("strict-transport-security").is_empty());
    let program = ask(SHOP).send(&setting).await;
    program.is_problem(401, "unauthorized");
    let rest = ask("/v1").browser().send(&setting).await;
    rest.is_problem(401, "unauthorized");
    // What the login looks like is no secret.
    let at = login.text.find("/assets/").unwrap();
    let style = login.text[at..].split('"').next().unwrap();
    let style = ask(&style.replace("icon.svg", "style.css"));
    let style = style.send(&setting).await;
    assert_eq!(style.status, 200);
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    let kept = "public, max-age=31536000, immutable";
    assert_eq!(style.header("cache-control"), kept);
    for path in [
        "/assets/0000000000000000/main.js",
        "/assets/x/../../etc/passwd",
    ] {
        assert_eq!(ask(path).send(&setting).await.status, 404, "{path}");
    }
    let form = setting.ask("", "POST", "/v1/session").from(elsewhere());
    let form = form.form("token=cpe_ci_wrong").browser();
    is_page(&form.send(&setting).await, 401);
}
