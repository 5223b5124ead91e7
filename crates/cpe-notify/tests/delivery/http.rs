//! Webhooks: order, repetition, what is given up, and what no server can do to the sender.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cpe_bus::EventKind;
use ring::hmac;

use crate::server::{Server, status as answer};
use crate::{Daemon, event, status, until};

const SECRET: &[u8] = b"a secret of twenty-four b";

fn sink(server: &Server, more: &str) -> String {
    format!(
        "type = \"http\"\nurl = \"{}\"\nafter = 0\n{more}",
        server.url()
    )
}

#[tokio::test]
async fn a_server_that_fails_five_times_gets_every_event_once_and_in_order() {
    // The second event fails five times, in all the ways that are tried again.
    let server = Server::start(|number| match number {
        1..=5 => answer([500, 503, 429, 408, 425][number - 1]),
        _ => answer(200),
    })
    .await;
    let daemon = Daemon::new();
    let encoded = BASE64_STANDARD.encode(SECRET);
    daemon.write("secret", &format!("whsec_{encoded}\n"));
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(daemon.path("secret"), private).unwrap();
    daemon.write("a.toml", &sink(&server, "secret_file = \"secret\"\n"));
    let sinks = daemon.start();
    let ids: Vec<String> = (0..8)
        .map(|_| daemon.log.record(event(EventKind::ServiceFailed)))
        .collect();
    until("all arrived", async || {
        status(&sinks, "a").await.delivered == 8
    })
    .await;
    let mut expected = ids.clone();
    expected.splice(1..2, std::iter::repeat_n(ids[1].clone(), 6));
    assert_eq!(server.ids(), expected);
    for seen in server.seen() {
        assert_eq!(seen.line, "POST /hook?key=1 HTTP/1.1\r\n");
        let header = |name: &str| seen.headers[name].clone();
        let signed = [
            format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes(),
            seen.body.clone(),
        ]
        .concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
        let signature = BASE64_STANDARD.encode(hmac::sign(&key, &signed));
        assert_eq!(header("webhook-signature"), format!("v1,{signature}"));
        let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(body["id"], header("webhook-id"));
    }
    let status = status(&sinks, "a").await;
    assert_eq!((status.lag, status.dead, status.attempts), (Some(0), 0, 0));
    assert_eq!(status.last_error, "HTTP status 425");
}

#[tokio::test]
async fn what_a_server_refuses_is_a_dead_letter_until_it_is_delivered_again() {
    let server = Server::start(|number| match number {
        0 | 2 => Some("HTTP/1.1 400 x\r\nContent-Length: 9\r\n\r\nno\n\tgood!".to_owned()),
        _ => answer(204),
    })
    .await;
    let daemon = Daemon::new();
    daemon.write("a.toml", &sink(&server, ""));
    let sinks = daemon.start();
    let first = daemon.log.record(event(EventKind::ServiceFailed));
    let second = daemon.log.record(event(EventKind::ServiceRecovered));
    until("both are dealt with", async || {
        status(&sinks, "a").await.delivered == 1
    })
    .await;
    let dead = sinks.dead("a").await.unwrap();
    assert_eq!((dead.letters.len(), dead.letters[0].id == first), (1, true));
    assert_eq!(dead.letters[0].error, "HTTP status 400: no good!");
    let unknown = sinks.redeliver("a", "x").await.unwrap_err().message();
    assert!(unknown.contains("no dead letter `x`"), "{unknown}");

    // It is refused once more, and stays what it is.
    assert_eq!(sinks.redeliver("a", &first).await.unwrap(), 1);
    until("it was tried again", async || {
        sinks.dead("a").await.unwrap().letters[0].attempts == 2
    })
    .await;
    assert_eq!(sinks.redeliver("a", "").await.unwrap(), 1);
    until("it arrived", async || status(&sinks, "a").await.dead == 0).await;
    let ids = [&first, &second, &first, &first].map(String::clone);
    assert_eq!(server.ids(), ids);
    assert_eq!(status(&sinks, "a").await.delivered, 2);
    let numbers = sinks.numbers().await.unwrap().sinks.remove(0);
    let counted = (numbers.delivered, numbers.failed, numbers.given_up);
    assert_eq!((counted, numbers.lag), ((2, 0, 2), Some(0)));
    assert!(numbers.last_success > 0);
}

#[tokio::test]
async fn attempts_are_counted_over_restarts_and_then_it_is_a_dead_letter() {
    let server = Server::start(|_| answer(503)).await;
    let daemon = Daemon::new();
    daemon.write(
        "a.toml",
        &sink(&server, "attempts = 5\nkinds = [\"service.*\"]\n"),
    );
    daemon.log.record(event(EventKind::TransitionStarted));
    let id = daemon.log.record(event(EventKind::ServiceFailed));
    let mut sinks = daemon.start();
    while server.seen().len() < 3 {
        let before = server.seen().len();
        until("one more", async || server.seen().len() > before).await;
        daemon.end(sinks).await;
        sinks = daemon.start();
    }
    until("given up", async || status(&sinks, "a").await.dead == 1).await;
    let letter = sinks.dead("a").await.unwrap().letters.remove(0);
    assert_eq!((letter.attempts, &letter.id), (5, &id));
    assert!(
        (5..9).contains(&server.ids().len()),
        "{}",
        server.ids().len()
    );
    assert!(server.ids().iter().all(|seen| *seen == id));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_server_cannot_hold_the_sender_up() {
    let other = Server::start(|_| answer(200)).await;
    let location = other.url();
    let server = Server::start(move |number| match number {
        0 => Some(format!(
            "HTTP/1.1 307 x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        )),
        // Silence, no HTTP, a head without an end, a refusal without an end.
        1 => None,
        2 => Some("SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        3 => Some(format!("HTTP/1.1 200 x\r\na: {}", "x".repeat(1 << 20))),
        4 => Some(format!(
            "HTTP/1.1 400 x\r\nContent-Length: 999999999\r\n\r\n{}",
            "y".repeat(1 << 20)
        )),
        _ => answer(200),
    })
    .await;
    let daemon = Daemon::new();
    daemon.write("a.toml", &sink(&server, "timeout = \"500ms\"\n"));
    let sinks = daemon.start();
    for _ in 0..3 {
        daemon.log.record(event(EventKind::ServiceFailed));
    }
    until("the last arrived", async || {
        status(&sinks, "a").await.delivered == 1
    })
    .await;
    assert_eq!(other.seen().len(), 0);
    let dead = sinks.dead("a").await.unwrap().letters;
    assert!(
        dead[0].error.contains("redirects are not followed"),
        "{dead:?}"
    );
    assert!(
        dead[1].error.starts_with("HTTP status 400: yyy"),
        "{dead:?}"
    );
    assert!(dead[1].error.len() < 600);
    assert_eq!((dead[0].attempts, dead[1].attempts), (1, 4));
}

#[tokio::test]
async fn what_the_server_asks_for_is_waited() {
    let server = Server::start(|number| match number {
        0 => Some("HTTP/1.1 503 x\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n".to_owned()),
        _ => answer(200),
    })
    .await;
    let daemon = Daemon::new();
    daemon.write("a.toml", &sink(&server, ""));
    let sinks = daemon.start();
    daemon.log.record(event(EventKind::ServiceFailed));
    until("the first attempt", async || server.seen().len() == 1).await;
    let begin = Instant::now();
    until("it arrived", async || {
        status(&sinks, "a").await.delivered == 1
    })
    .await;
    // At most as long as pauses may be.
    assert!(
        begin.elapsed() > Duration::from_millis(150),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn what_retention_has_removed_is_counted_and_the_rest_arrives() {
    let server = Server::start(|_| answer(200)).await;
    let daemon = Daemon::new();
    daemon.write("a.toml", &sink(&server, ""));
    for _ in 0..3 {
        daemon.log.record(event(EventKind::ServiceFailed));
    }
    // What was gone before the sink was there, it has not lost.
    daemon.log.retain(3);
    let sinks = daemon.start();
    until("one arrived", async || {
        status(&sinks, "a").await.delivered == 1
    })
    .await;
    assert_eq!(status(&sinks, "a").await.lost, 0);
    daemon.end(sinks).await;
    for _ in 0..7 {
        daemon.log.record(event(EventKind::ServiceFailed));
    }
    daemon.log.retain(9);
    let sinks = daemon.start();
    until("two arrived", async || {
        status(&sinks, "a").await.delivered == 3
    })
    .await;
    let status = status(&sinks, "a").await;
    assert_eq!((status.lost, status.lag, status.cursor), (5, Some(0), 10));
}

#[tokio::test]
async fn another_log_is_read_from_its_beginning_and_a_log_that_is_away_is_waited_for() {
    let server = Server::start(|_| answer(200)).await;
    let daemon = Daemon::new();
    daemon.write("a.toml", &sink(&server, ""));
    let sinks = daemon.start();
    let mut ids: Vec<String> = (0..4)
        .map(|_| daemon.log.record(event(EventKind::ServiceFailed)))
        .collect();
    until("four arrived", async || server.ids().len() == 4).await;
    daemon.log.set_away(Some("cpe is away"));
    let list = sinks.list().await.unwrap();
    assert_eq!(
        (list.log.as_str(), list.sinks[0].lag),
        ("cpe is away", None)
    );
    daemon.log.replace();
    ids.push(daemon.log.record(event(EventKind::ServiceRecovered)));
    until("the fifth arrived", async || server.ids().len() == 5).await;
    assert_eq!(server.ids(), ids);
    assert_eq!(status(&sinks, "a").await.lost, 0);
}

#[tokio::test]
async fn a_new_sink_begins_now_and_a_test_is_in_no_log() {
    let server = Server::start(|_| answer(200)).await;
    let daemon = Daemon::new();
    daemon.log.record(event(EventKind::ServiceFailed));
    let text = sink(
        &server,
        "format = \"binary\"\nkinds = [\"a.b\", \"service.*\"]\n",
    );
    daemon.write("a.toml", &text.replace("after = 0", "after = \"now\""));
    let sinks = daemon.start();
    until("it is idle", async || {
        status(&sinks, "a").await.state == "idle"
    })
    .await;
    let test = sinks.test("a").await.unwrap();
    assert!(test.delivered, "{test:?}");
    let id = daemon.log.record(event(EventKind::ServiceRecovered));
    until("it arrived", async || {
        status(&sinks, "a").await.delivered == 1
    })
    .await;
    assert_eq!(server.ids(), [test.id, id]);
    let seen = server.seen();
    assert_eq!(seen[0].headers["ce-type"], "org.cloudpolicy.sink.test");
    assert_eq!(
        seen[1].headers["ce-type"],
        "org.cloudpolicy.service.recovered"
    );
    let unknown = sinks.test("b").await.unwrap_err().message();
    assert!(unknown.contains("there are: a"), "{unknown}");
}
