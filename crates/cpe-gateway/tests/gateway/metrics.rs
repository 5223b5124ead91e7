//! Numbers for Prometheus: who is told what, and that counters count once.

use crate::harness::{Answer, Setting, until};

async fn page(setting: &Setting, who: &str) -> Answer {
    let answer = setting.get(who, "/metrics").send(setting).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The value of a series.
fn value(page: &Answer, series: &str) -> Option<f64> {
    let mut lines = page.text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    rest.map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn a_scraper_is_told_what_its_role_shows_and_no_more() {
    let setting = Setting::new().await;
    let state =
        |name: &str| format!("cpe_deployment_state{{deployment=\"{name}\",state=\"active\"}}");
    let running = "cpe_service_running{deployment=\"shop\",service=\"web\"}";
    until("the status is there", async || {
        value(&page(&setting, "admin").await, running) == Some(1.0)
    })
    .await;
    let all = page(&setting, "admin").await;
    assert_eq!(
        all.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(value(&all, &state("shop")), Some(1.0));
    assert_eq!(value(&all, &state("mail")), Some(1.0));
    assert!(all.text.contains("cpe_events_total{"), "{}", all.text);
    // Whoever sees some deployments is told nothing that others would be counted in.
    let own = page(&setting, "viewer").await;
    assert_eq!(value(&own, &state("shop")), Some(1.0));
    assert_eq!(value(&own, &state("mail")), None);
    assert!(!own.text.contains("mail"), "{}", own.text);
    for name in ["cpe_events", "cpe_sink", "_duration_seconds"] {
        assert!(!own.text.contains(name), "{name}: {}", own.text);
    }
    let nobody = setting.get("nobody", "/metrics").send(&setting).await;
    nobody.is_problem(403, "forbidden");
    assert!(nobody.text.contains("viewer"), "{}", nobody.text);
    setting
        .get("wrong", "/metrics")
        .send(&setting)
        .await
        .is_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_scraper_gets_the_format_that_it_takes() {
    let setting = Setting::new().await;
    let asked = |accept: &'static str| {
        setting
            .get("admin", "/metrics")
            .header("accept", accept)
            .send(&setting)
    };
    let open = asked("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), kind);
    assert!(open.text.ends_with("# EOF\n"));
    asked("image/png").await.is_problem(406, "not-acceptable");
    let pacemaker = setting
        .get("viewer", "/metrics/pacemaker")
        .send(&setting)
        .await;
    let node = "ha_cluster_pacemaker_nodes{deployment=\"shop\",node=\"web1\",type=\"member\",status=\"online\"}";
    assert_eq!(value(&pacemaker, node), Some(1.0), "{pacemaker:?}");
    assert!(!pacemaker.text.contains("mail"));
}

#[tokio::test]
async fn events_are_counted_once_however_often_cpe_goes() {
    let mut setting = Setting::new().await;
    let restarts = "cpe_dpe_restarts_total{deployment=\"shop\"}";
    let events = "cpe_events_total{kind=\"dpe.restarted\"}";
    let before = page(&setting, "admin").await;
    assert_eq!(
        (value(&before, restarts), value(&before, events)),
        (Some(0.0), Some(0.0))
    );
    for round in 1..4 {
        let cpe = setting.cpe.take().unwrap();
        setting.double.record(&cpe, "dpe.restarted", "shop").await;
        drop(cpe);
        let address = setting.bus.address();
        setting.cpe = Some(setting.double.serve(&address).await);
        until("it is counted", async || {
            let page = setting.get("admin", "/metrics").send(&setting).await;
            value(&page, restarts) == Some(f64::from(round))
        })
        .await;
    }
    let after = page(&setting, "admin").await;
    assert_eq!(value(&after, events), Some(3.0));
    // It was created before the gateway was started.
    let changed = "cpe_deployment_changed_timestamp_seconds{deployment=\"shop\"}";
    assert!(
        value(&after, changed).unwrap() > 1_699_999_999.0,
        "{}",
        after.text
    );
}

#[tokio::test]
async fn a_scrape_asks_no_dpe() {
    let setting = Setting::new().await;
    until("all was looked at", async || {
        page(&setting, "admin")
            .await
            .text
            .matches("cpe_service_running{")
            .count()
            == 2
    })
    .await;
    let looks = setting.double.lock().looks;
    for _ in 0..20 {
        page(&setting, "admin").await;
    }
    assert_eq!(setting.double.lock().looks, looks);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_what_was_asked() {
    let setting = Setting::new().await;
    for name in ["shop", "mail", "nonsense"] {
        let path = format!("/v1/deployments/{name}");
        setting.get("admin", &path).send(&setting).await;
    }
    setting.get("admin", "/no/such/place").send(&setting).await;
    setting.ask("admin", "BREW", "/v1").send(&setting).await;
    let page = page(&setting, "admin").await;
    let count = |labels: &str| {
        let series = format!("cpe_gateway_http_request_duration_seconds_count{{{labels}}}");
        value(&page, &series)
    };
    let one = "route=\"/v1/deployments/{name}\",method=\"GET\"";
    assert_eq!(
        count(&format!("{one},status_class=\"2xx\"")),
        Some(2.0),
        "{}",
        page.text
    );
    assert_eq!(count(&format!("{one},status_class=\"4xx\"")), Some(1.0));
    assert_eq!(
        count("route=\"other\",method=\"GET\",status_class=\"4xx\""),
        Some(1.0)
    );
    assert_eq!(
        count("route=\"/v1\",method=\"other\",status_class=\"4xx\""),
        Some(1.0)
    );
    assert!(!page.text.contains("nonsense"), "{}", page.text);
}
