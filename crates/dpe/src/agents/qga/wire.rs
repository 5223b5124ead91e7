//! The protocol of the QEMU guest agent: one JSON object a line, one call at a time.
//!
//! Source: "QEMU Guest Agent Protocol Reference". The lines are read here and not by a library,
//! since a guest may send what it likes: a reply is bounded before memory is taken for it, and what
//! was left over of calls before this connection is thrown away up to the mark of
//! guest-sync-delimited, whatever it is.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cpe_bus::{PeerAddress, peer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::super::stream::End;

/// How long a call may take. What takes long in a guest is begun by one call and asked for by
/// others.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest reply, in bytes: the longest operation and one page of the others, in base64, are less.
const MAX_REPLY: usize = 1 << 20;
/// What may come before the answer to the synchronisation, in bytes: the agent's answers to what
/// was asked by those who were connected before.
const MAX_LEFT_OVER: usize = 32 << 20;
/// What ends everything that came before, in both directions.
const MARK: u8 = 0xff;

/// A connection to a guest agent.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    /// What has come in and was not read yet; no longer than a reply.
    buffer: Vec<u8>,
}

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// The guest agent says so.
    Refused(String),
    /// The connection is of no use any more.
    Broken(End),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> End {
        match failure {
            Failure::Refused(text) => End::because(format!("the QEMU guest agent refuses: {text}")),
            Failure::Broken(end) => end,
        }
    }
}

fn broken(text: impl Into<String>) -> Failure {
    Failure::Broken(End::because(text))
}

impl Wire {
    /// Connects, and waits until a guest agent answers.
    pub(super) async fn connect(path: &Path) -> Result<Wire, End> {
        let address = PeerAddress::QemuGa(path.to_owned());
        let attempt = async {
            let stream = peer::connect_to_socket(&address, path).await?;
            let mut wire = Wire {
                stream,
                buffer: Vec::new(),
            };
            wire.synchronise().await?;
            Ok(wire)
        };
        let late = |_| Err(End::because(silent()));
        tokio::time::timeout(CALL_TIMEOUT, attempt)
            .await
            .unwrap_or_else(late)
    }

    /// Throws away what is left over of earlier connections, on both sides.
    async fn synchronise(&mut self) -> Result<(), Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed) % 1_000_000;
        let number = u64::from(std::process::id()) * 1_000_000 + u64::from(count);
        let mut request = vec![MARK];
        let call = json!({"execute": "guest-sync-delimited", "arguments": {"id": number}});
        request.extend(call.to_string().into_bytes());
        request.push(b'\n');
        self.write(&request).await?;
        let mut left_over = 0;
        loop {
            // Up to the mark, whatever it is.
            if let Some(at) = self.buffer.iter().position(|byte| *byte == MARK) {
                self.buffer.drain(..=at);
                let answer = self.line().await?;
                let answer: Option<Value> = serde_json::from_slice(&answer).ok();
                if answer.is_some_and(|answer| answer["return"] == json!(number)) {
                    return Ok(());
                }
                continue;
            }
            left_over += self.buffer.len();
            self.buffer.clear();
            if left_over > MAX_LEFT_OVER {
                return Err(broken("its QEMU guest agent sends without end"));
            }
            self.read().await?;
        }
    }

    /// Makes a call.
    pub(super) async fn call(&mut self, name: &str, arguments: Value) -> Result<Value, Failure> {
        let mut request = json!({"execute": name, "arguments": arguments})
            .to_string()
            .into_bytes();
        request.push(b'\n');
        let call = async {
            self.write(&request).await?;
            self.line().await
        };
        let line = tokio::time::timeout(CALL_TIMEOUT, call)
            .await
            .unwrap_or_else(|_| Err(broken(silent())))?;
        let mut reply: Value = serde_json::from_slice(&line)
            .map_err(|error| broken(format!("its QEMU guest agent sent no JSON: {error}")))?;
        if let Some(text) = reply["error"]["desc"].as_str() {
            return Err(Failure::Refused(cpe_bus::fields::bounded(text, 400)));
        }
        match reply.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => Err(broken("its QEMU guest agent sent neither result nor error")),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.stream.write_all(bytes).await;
        written.map_err(|error| broken(format!("its QEMU guest agent is gone: {error}")))
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<Vec<u8>, Failure> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.buffer[seen..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(seen + at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(line);
            }
            seen = self.buffer.len();
            if seen > MAX_REPLY {
                return Err(broken(format!(
                    "its QEMU guest agent sent a reply of more than {MAX_REPLY} bytes"
                )));
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk).await {
            Ok(0) => Err(broken(
                "its QEMU guest agent, or the virtual machine, is gone",
            )),
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                Ok(())
            }
            Err(error) => Err(broken(format!("its QEMU guest agent is gone: {error}"))),
        }
    }
}

fn silent() -> String {
    format!(
        "its QEMU guest agent did not answer within {} s: it does not run, the guest is not up, or somebody else is connected to its socket",
        CALL_TIMEOUT.as_secs()
    )
}
