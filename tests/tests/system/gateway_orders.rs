//! Changes over the gateway, on one lab: orders that are done once, and logins. And, where that is
//! asked for, a tool that holds the running gateway against its contract.

use end_to_end::gateway::{LIMITS_FOR_TOOLS, hold_to_contract};
use end_to_end::{Document, Lab, System};
use serde_json::Value;

use crate::gateway::{ask, boot, with_tls};

const ACCESS: &str = r#"delegates = ["cpe-gateway"]
[[grant]]
principal = ["user:alice", "token:owner"]
role = "owner"
deployments = ["*"]
[[grant]]
principal = ["token:operator"]
role = "operator"
deployments = ["*"]
[[grant]]
principal = ["token:viewer"]
role = "viewer"
deployments = ["*"]
"#;
const OPERATIONS: &str = "http://localhost/v1/deployments/shop/operations";

const ONE: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const TWO: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const THREE: &str = "16fd2706-8baf-433b-82eb-8c7fada847da";
const FOUR: &str = "9a1f2e3d-4c5b-4a69-8788-96a5b4c3d2e1";
const FIVE: &str = "3b241101-e2bb-4255-8caf-4136c566a962";

/// Arguments of curl that give an order.
fn order(key: &str, order: &str) -> String {
    format!(
        "-H 'X-CPE-Request: 1' -H 'Content-Type: application/json' -H 'Idempotency-Key: {key}' -d '{order}' {OPERATIONS}"
    )
}

/// An operation as it is now; none while nobody answers.
fn operation(lab: &Lab, key: &str) -> Value {
    let (_, body) = ask(lab, &format!("'{OPERATIONS}/{key}?wait=5s'"));
    serde_json::from_str(&body).unwrap_or_default()
}

/// How often the event log tells that somebody had this done.
fn times(lab: &Lab, action: &str) -> usize {
    let events = lab.events().into_iter();
    let own = events.filter(|event| {
        event.kind() == "deployment.administered" && event.0["details"]["action"] == action
    });
    own.count()
}

#[test]
fn orders_are_done_once_and_browsers_log_in() {
    let lab = boot("gateway-orders", ACCESS);
    with_tls(&lab);
    twenty_give_the_same_order(&lab);
    orders_are_as_by_cpectl(&lab);
    what_was_under_way_at_a_kill_is_not_done_twice(&lab);
    a_browser_logs_in_and_out(&lab);
}

/// Three minutes, and a program that no package of Debian has: not one of those that CI runs.
#[test]
#[ignore = "it needs schemathesis: `make contract` fetches that, and runs it"]
fn the_gateway_keeps_its_contract() {
    let lab = boot("gateway-contract", ACCESS);
    lab.sh(&format!(
        "printf '{LIMITS_FOR_TOOLS}' >> /etc/cpe/gateway.toml"
    ))
    .ok();
    with_tls(&lab);
    schemathesis_finds_nothing(&lab);
    // It may have emptied assemblies; it has guessed no ETag, and so destroyed nothing.
    for (key, switch) in [(FOUR, "standby"), (FIVE, "maintenance")] {
        let off = format!(r#"{{"operation": "{switch}", "on": false, "force": true}}"#);
        let (status, body) = ask(&lab, &order(key, &off));
        assert_eq!(status, "200", "{body}");
    }
    lab.cpectl(&["wait", "shop", "--for", "active", "--timeout", "90s"])
        .ok();
}

#[track_caller]
fn twenty_give_the_same_order(lab: &Lab) {
    let maintain = order(ONE, r#"{"operation": "maintenance", "on": true}"#);
    let twenty = format!(
        "for n in $(seq 20); do runuser -u alice -- curl --silent --max-time 60 --unix-socket /run/cpe-gateway/http.sock \
           -o /dev/null -w '%{{http_code}}\\n' {maintain} & done; wait"
    );
    let statuses = lab.sh(&twenty).ok();
    let statuses: Vec<&str> = statuses.lines().collect();
    assert_eq!(statuses.len(), 20);
    assert!(
        statuses.iter().all(|it| ["200", "202"].contains(it)),
        "{statuses:?}"
    );
    assert_eq!(times(lab, "maintenance"), 1);
    assert_eq!(lab.status("shop").0["maintenance"], true);
    let first = operation(lab, ONE);
    assert_eq!(first["state"], "done", "{first}");
    // Neither of them has forgotten it.
    lab.sh("systemctl kill --signal=KILL cpe-gateway.service cpe.service")
        .ok();
    lab.wait("both are back, and know it", 60, || {
        operation(lab, ONE) == first
    });
    let (status, body) = ask(lab, &maintain);
    let again: Value = serde_json::from_str(&body).unwrap_or_default();
    assert_eq!((status.as_str(), &again), ("200", &first));
    let other = order(ONE, r#"{"operation": "maintenance", "on": false}"#);
    assert_eq!(ask(lab, &other).0, "422");
    let end = order(TWO, r#"{"operation": "maintenance", "on": false}"#);
    assert_eq!(ask(lab, &end).0, "200");
    assert_eq!(times(lab, "maintenance"), 2);
}

/// Each does what the command does, and is refused where that is.
#[track_caller]
fn orders_are_as_by_cpectl(lab: &Lab) {
    let key = |n: u32| format!("00000000-0000-4000-8000-{n:012}");
    let there = lab.status("shop").assembly_of("db").unwrap_or_default();
    let elsewhere = if there == "a" { "b" } else { "a" };
    let steps = [
        (r#"{"operation": "refresh"}"#.to_owned(), "200"),
        (
            format!(
                r#"{{"operation": "move", "service": "db", "assembly": "{elsewhere}", "for_ms": 3600000}}"#
            ),
            "200",
        ),
        (
            r#"{"operation": "clear", "service": "db"}"#.to_owned(),
            "200",
        ),
        (
            r#"{"operation": "set-attribute", "assembly": "a", "lifetime": "forever", "name": "rack", "value": "7"}"#
                .to_owned(),
            "200",
        ),
        (
            format!(
                r#"{{"operation": "debug", "verb": "monitor", "service": "db", "assembly": "{elsewhere}"}}"#
            ),
            "200",
        ),
        (
            r#"{"operation": "grant-ticket", "ticket": "none"}"#.to_owned(),
            "404",
        ),
        (
            r#"{"operation": "fence", "assembly": "c", "power": "off"}"#.to_owned(),
            "404",
        ),
        (
            r#"{"operation": "confirm-fenced", "assembly": "a", "attempt": "1-1"}"#.to_owned(),
            "409",
        ),
    ];
    for (n, (step, expected)) in (1..).zip(steps) {
        lab.cpectl(&["wait", "shop", "--for", "settled", "--timeout", "90s"])
            .ok();
        let (mut status, mut body) = ask(lab, &order(&key(n), &step));
        if status == "202" {
            body = operation(lab, &key(n)).to_string();
            status = "200".to_owned();
        }
        assert_eq!(status, expected, "{step}: {body}");
        let told: Value = serde_json::from_str(&body).unwrap_or_default();
        if expected == "200" {
            assert_eq!(told["state"], "done", "{step}: {told}");
        }
        if step.contains("debug") {
            assert_eq!(told["output"]["verb"], "monitor", "{told}");
        }
    }
    assert_eq!(times(lab, "move"), 1);
}

/// The DPE holds still, both daemons die, and everything goes on.
#[track_caller]
fn what_was_under_way_at_a_kill_is_not_done_twice(lab: &Lab) {
    // systemd would end a DPE that holds still.
    let pid = lab.main_pid("dpe@shop.service");
    lab.sh(&format!(
        "mkdir -p /etc/systemd/system/dpe@.service.d; printf '[Service]\\nWatchdogSec=0\\n' > /etc/systemd/system/dpe@.service.d/still.conf
         systemctl daemon-reload; kill -KILL {pid}"
    ))
    .ok();
    lab.wait("another DPE manages the deployment", 60, || {
        ![0, pid].contains(&lab.main_pid("dpe@shop.service"))
            && lab.status("shop").state() == "active"
    });
    lab.cpectl(&["wait", "shop", "--for", "settled", "--timeout", "90s"])
        .ok();
    let (before, sleepers) = (times(lab, "restart"), lab.sleepers(100_001).len());
    let restart = order(THREE, r#"{"operation": "restart", "service": "db"}"#);
    let key = "550e8400-e29b-41d4-a716-446655440000";
    let cleanup = order(key, r#"{"operation": "cleanup"}"#);
    lab.sh("systemctl kill --signal=STOP dpe@shop.service").ok();
    for given in [&restart, &cleanup] {
        let (status, body) = ask(lab, given);
        assert_eq!(status, "202", "{body}");
    }
    lab.sh("systemctl kill --signal=KILL cpe-gateway.service cpe.service; systemctl kill --signal=CONT dpe@shop.service")
        .ok();
    lab.wait("nobody knows of the one", 60, || {
        operation(lab, THREE)["state"] == "unknown"
    });
    lab.wait("the other is done", 90, || {
        operation(lab, key)["state"] == "done"
    });
    let (status, body) = ask(lab, &restart);
    assert_eq!(status, "409", "{body}");
    assert!(body.contains("unknown-outcome"), "{body}");
    lab.cpectl(&["wait", "shop", "--for", "settled", "--timeout", "90s"])
        .ok();
    assert_eq!(
        times(lab, "restart"),
        before,
        "one that was given again would be in the log"
    );
    assert_eq!(lab.sleepers(100_001).len(), sleepers);
}

#[track_caller]
fn a_browser_logs_in_and_out(lab: &Lab) {
    let token = lab.cpectl(&["token", "new", "operator"]).ok();
    let token = token.trim();
    let status = |arguments: &str| {
        let curl = "curl --silent --max-time 20 --cacert /etc/cpe/gateway/certificate.pem --cookie /srv/jar --cookie-jar /srv/jar";
        lab.sh(&format!(
            "{curl} -o /dev/null -w '%{{http_code}}' {arguments}"
        ))
        .stdout
    };
    let session = "https://localhost:7443/v1/session";
    let wrong = format!("{session} --data-urlencode token={token}0");
    assert_eq!(status(&wrong), "401");
    let foreign =
        format!("{session} -H 'Origin: https://evil.example' --data-urlencode token={token}");
    assert_eq!(status(&foreign), "403");
    let login = format!("{session} --data-urlencode token={token}");
    assert_eq!(status(&login), "303");
    assert_eq!(status("https://localhost:7443/v1"), "200");
    let cleanup = format!(
        "https://localhost:7443/v1/deployments/shop/operations -H 'Content-Type: application/json' -d '{{\"operation\": \"cleanup\"}}' -H 'Idempotency-Key: {TWO}'"
    );
    assert_eq!(
        status(&cleanup),
        "403",
        "a page of another site could ask that"
    );
    assert_eq!(status(&format!("{cleanup} -H 'X-CPE-Request: 1'")), "200");
    // The key is another caller's as well, who had something else done with it.
    assert_eq!(operation(lab, TWO)["order"]["operation"], "maintenance");
    lab.cpectl(&["token", "revoke", "operator"]).ok();
    assert_eq!(
        status("https://localhost:7443/v1"),
        "401",
        "its token is gone"
    );
}

#[track_caller]
fn schemathesis_finds_nothing(lab: &Lab) {
    // "g1" is guessed.
    for n in 0..12 {
        let document = Document::new("shop", &["a", "b"]).sleeper("db", 100_001);
        let document = document.xml().replacen('>', &format!("><!-- {n} -->"), 1);
        lab.write("/srv/document.xml", &document);
        lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    }
    for role in ["viewer", "operator", "owner"] {
        let run = hold_to_contract(lab, role);
        assert_eq!(run.code, 0, "{role}: {}\n{}", run.stdout, run.stderr);
    }
}
