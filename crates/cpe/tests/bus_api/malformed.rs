//! Every document of the corpus of malformed ones, over the bus: refused with its place and what
//! would be right, and nothing else happens.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use cpe_bus::names::{CPE_MANAGER, CPE_NAME, CPE_PATH};
use cpe_bus::{Error, Fields};
use zbus::message::Message;

use super::harness::{Bus, Cpe, PATIENCE};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deployment/tests/malformed")
}

/// Each document with its first error, `LINE:COLUMN: error: …`.
fn documents() -> Vec<(String, Vec<u8>, String)> {
    let expected = std::fs::read_to_string(corpus().join("expected.txt")).expect("expected.txt");
    let documents = expected.lines().map(|line| {
        let (file, error) = line.split_once(": ").expect("FILE: ERROR");
        let bytes = std::fs::read(corpus().join(file)).expect("a document");
        (file.to_owned(), bytes, error.to_owned())
    });
    documents.collect()
}

/// Documents that a string of D-Bus can carry: UTF-8 without a zero byte.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

async fn assert_nothing_happened(cpe: &Cpe) {
    let manager = cpe.manager().await;
    let deployments = manager.list_deployments().await.expect("it is alive");
    assert!(deployments.is_empty(), "{deployments:?}");
    let events = cpe.all_events().await;
    assert!(events.is_empty(), "{events:?}");
}

#[tokio::test]
async fn malformed_documents_are_refused_with_the_place_and_nothing_is_stored() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let manager = cpe.manager().await;
    let documents = documents();
    let mut sent = 0;
    for (file, bytes, expected) in &documents {
        let Some(document) = text(bytes) else {
            continue;
        };
        sent += 1;
        match manager.create_deployment(document, Fields::new()).await {
            Err(Error::InvalidDocument(text)) => {
                let first = text.lines().find(|line| line.contains(": error: "));
                assert_eq!(first, Some(expected.as_str()), "{file}");
            }
            other => panic!("{file}: {other:?}"),
        }
        let (valid, problems) = manager
            .validate_deployment(document)
            .await
            .expect("a report");
        let first = problems.iter().find(|problem| problem.severity == "error");
        let first = first.expect("an error");
        assert!(!valid, "{file}");
        assert_eq!(
            &format!("{}:{}: error: {}", first.line, first.column, first.message),
            expected,
            "{file}"
        );
    }
    assert!(sent >= 125, "{sent} of {} documents", documents.len());
    assert_nothing_happened(&cpe).await;
}

/// What D-Bus does not accept as a string never reaches the daemon: the bus cuts the caller off.
#[tokio::test]
async fn documents_that_are_not_text_get_no_further_than_the_bus() {
    let bus = Bus::start();
    let cpe = bus.cpe().await;
    let mut sent = 0;
    for (file, bytes, _) in documents() {
        if text(&bytes).is_some() {
            continue;
        }
        sent += 1;
        for method in ["CreateDeployment", "ValidateDeployment"] {
            let last = send_raw(&bus, method, &bytes);
            assert_eq!(last, Ok(()), "{file}");
        }
        assert_nothing_happened(&cpe).await;
    }
    assert!(sent >= 3, "{sent} documents");
}

/// Sends a call with bytes in place of its document; fine if the bus closes the connection without
/// an answer to it.
fn send_raw(bus: &Bus, method: &str, document: &[u8]) -> Result<(), String> {
    let hello = Message::method_call("/org/freedesktop/DBus", "Hello")
        .destination("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .build(&())
        .expect("a message");
    let placeholder = "x".repeat(document.len());
    let create = Message::method_call(CPE_PATH, method)
        .destination(CPE_NAME)
        .interface(CPE_MANAGER);
    let create = match method {
        "CreateDeployment" => create.build(&(&placeholder, Fields::new())),
        _ => create.build(&placeholder),
    };
    let mut bytes = create.expect("a message").data().to_vec();
    let at = bytes
        .windows(placeholder.len())
        .position(|window| window == placeholder.as_bytes())
        .expect("the document in its message");
    bytes[at..at + document.len()].copy_from_slice(document);

    let mut stream = UnixStream::connect(bus.directory.path().join("bus")).expect("the bus");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let uid = nix::unistd::Uid::effective().to_string();
    let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
    write!(stream, "\0AUTH EXTERNAL {hex}\r\n").expect("a handshake");
    let mut reader = BufReader::new(stream.try_clone().expect("the stream"));
    let mut answer = String::new();
    reader.read_line(&mut answer).expect("an answer");
    assert!(answer.starts_with("OK "), "{answer}");
    stream.write_all(b"BEGIN\r\n").expect("a handshake");
    stream.write_all(hello.data()).expect("Hello");
    stream.write_all(&bytes).expect("the call");
    let mut answers = Vec::new();
    reader
        .read_to_end(&mut answers)
        .map_err(|error| format!("the bus does not end the connection: {error}"))?;
    let answered = |text: &str| answers.windows(text.len()).any(|w| w == text.as_bytes());
    match answered(CPE_NAME) || answered("org.cloudpolicy") {
        true => Err("somebody answered".to_owned()),
        false => Ok(()),
    }
}
