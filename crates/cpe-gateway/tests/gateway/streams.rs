//! Streams of events: each cursor once, whatever breaks.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt;
use serde_json::Value;

use crate::harness::{Answer, Setting};

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub id: u64,
    pub kind: String,
    pub data: Value,
}

/// A reader.
pub(crate) struct Reader {
    body: BodyDataStream,
    text: String,
}

impl Reader {
    pub(crate) async fn open(
        setting: &Setting,
        who: &str,
        query: &str,
        last: Option<u64>,
    ) -> Reader {
        let mut asking = setting.get(who, &format!("/v1/events/stream{query}"));
        if let Some(last) = last {
            asking = asking.header("last-event-id", &last.to_string());
        }
        let response = asking.begin(setting).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Reader {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The next block of lines, a comment or an event.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.body.next());
            let piece = piece.await.expect("a stream says something every 5 s")?;
            self.text
                .push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Told {
        loop {
            let block = self.block().await.expect("the stream goes on");
            let field = |name: &str| {
                let lines = block.lines();
                let mut values =
                    lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                values.next().map(str::to_owned)
            };
            if let (Some(id), Some(data)) = (field("id"), field("data")) {
                return Told {
                    id: id.parse().unwrap(),
                    kind: field("event").unwrap_or_default(),
                    data: serde_json::from_str(&data).unwrap(),
                };
            }
        }
    }
}

#[tokio::test]
async fn it_begins_now_or_after_a_cursor_and_tells_only_what_may_be_seen() {
    let setting = Setting::new().await;
    let cpe = setting.cpe.as_ref().unwrap();
    let mut now = Reader::open(&setting, "viewer", "", None).await;
    let mut all = Reader::open(&setting, "admin", "?from=0", None).await;
    let mut some = Reader::open(
        &setting,
        "admin",
        "?from=0&kind=service.*&deployment=mail",
        None,
    )
    .await;
    setting.double.record(cpe, "service.started", "mail").await;
    setting.double.record(cpe, "service.moved", "shop").await;
    let told = now.next().await;
    assert_eq!(
        (told.id, told.data["type"].as_str()),
        (3, Some("org.cloudpolicy.service.moved"))
    );
    for cursor in 1..=3 {
        assert_eq!(all.next().await.id, cursor);
    }
    assert_eq!(some.next().await.id, 2);
    let mut resumed = Reader::open(&setting, "admin", "?from=0", Some(2)).await;
    assert_eq!(resumed.next().await.id, 3, "after it, never with it");
}

#[tokio::test]
async fn a_reader_that_breaks_off_again_and_again_gets_each_cursor_once() {
    let setting = Setting::new().await;
    let double = setting.double.clone();
    let cpe = setting.cpe.clone().unwrap();
    let recording = tokio::spawn(async move {
        for n in 0..300 {
            double
                .record(&cpe, "service.started", ["shop", "mail"][n % 2])
                .await;
            // Of some nobody is told: they are read when the next one is.
            if n % 7 == 0 {
                double.note("service.stopped", "shop");
            }
        }
    });
    let mut last = 0;
    let mut seen = Vec::new();
    for round in 0..20 {
        let mut reader = Reader::open(&setting, "admin", "", Some(last)).await;
        for _ in 0..=round {
            let told = reader.next().await;
            assert_eq!(told.kind, "");
            last = told.id;
            seen.push(last);
        }
    }
    recording.await.unwrap();
    let expected: Vec<u64> = (1..=seen.len() as u64).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_retention_removed_is_a_gap() {
    let setting = Setting::new().await;
    let cpe = setting.cpe.as_ref().unwrap();
    for _ in 0..5 {
        setting.double.record(cpe, "service.started", "shop").await;
    }
    setting.double.lock().events.drain(..3);
    let mut reader = Reader::open(&setting, "viewer", "?from=0", None).await;
    let gap = reader.next().await;
    assert_eq!((gap.kind.as_str(), gap.id), ("gap", 3));
    assert_eq!(gap.data["first"], 4);
    assert_eq!(reader.next().await.id, 4);
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives() {
    let setting = Setting::new().await;
    let mut reader = Reader::open(&setting, "viewer", "", None).await;
    assert_eq!(reader.block().await.as_deref(), Some(": hello"));
    let begin = std::time::Instant::now();
    assert_eq!(reader.block().await.as_deref(), Some(": "));
    assert!(
        begin.elapsed() > Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn there_are_not_too_many_and_not_of_nonsense() {
    let setting = Setting::new().await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(Reader::open(&setting, "viewer", "", None).await);
    }
    let ninth: Answer = setting
        .get("viewer", "/v1/events/stream")
        .send(&setting)
        .await;
    ninth.is_problem(429, "too-many-requests");
    readers.clear();
    let free = || async {
        setting
            .get("viewer", "/v1/events/stream")
            .begin(&setting)
            .await
            .status()
            == 200
    };
    crate::harness::until("a place is free again", free).await;
    let nonsense = setting
        .get("owner", "/v1/events/stream?from=soon")
        .send(&setting)
        .await;
    nonsense.is_problem(400, "bad-request");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_let_go() {
    let setting = Setting::new().await;
    for _ in 0..6000 {
        setting.double.note("service.started", "shop");
    }
    let mut reader = Reader::open(&setting, "viewer", "?from=0", None).await;
    // It takes nothing for longer than a stream waits.
    tokio::time::sleep(Duration::from_secs(13)).await;
    let mut bytes = 0;
    while let Some(block) = reader.block().await {
        bytes += block.len();
    }
    assert!(bytes < 1_200_000, "{bytes} bytes waited for it");
}
