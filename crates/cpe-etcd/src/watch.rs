//! Changes, as they come.

use std::sync::Arc;

use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};

use crate::error::{Error, Result};
use crate::members::Members;
use crate::words::{Change, key, lease};

/// Bytes of one answer: of a watch that begins long ago, up to a thousand revisions.
const MOST_WATCHED: usize = 64 << 20;

/// Changes that were made together, or shortly one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Everything up to this revision was told, of what is watched.
    pub revision: u64,
    /// In order; those of one revision are never split.
    pub changes: Vec<Change>,
}

/// A stream of changes from one member.
pub struct Watch {
    members: Arc<Members>,
    member: usize,
    stream: WatchStream,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch at member {}", self.member)
    }
}

impl Watch {
    pub(crate) async fn open(
        client: etcd_client::Client,
        prefix: &str,
        from: u64,
    ) -> std::result::Result<WatchStream, etcd_client::Error> {
        let options = WatchOptions::new()
            .with_prefix()
            .with_start_revision(from.cast_signed());
        let mut watches = client
            .watch_client()
            .max_decoding_message_size(MOST_WATCHED);
        watches.watch(prefix, Some(options)).await
    }

    pub(crate) fn new(members: Arc<Members>, member: usize, stream: WatchStream) -> Watch {
        Watch {
            members,
            member,
            stream,
        }
    }

    /// Waits for changes.
    ///
    /// # Errors
    /// It has ended. [`Error::Compacted`]: list again; else watch again from the revision after the
    /// last one that was told.
    pub async fn next(&mut self) -> Result<Batch> {
        loop {
            let answer = match self.stream.message().await {
                Ok(Some(answer)) => answer,
                Ok(None) => return Err(self.ended("the stream has ended".to_owned())),
                Err(error) => {
                    return Err(match Error::from(error) {
                        Error::Denied(text) => Error::Denied(text),
                        other => self.ended(other.to_string()),
                    });
                }
            };
            if answer.canceled() {
                return Err(self.canceled(&answer));
            }
            if let Some(batch) = batch(&answer) {
                return Ok(batch);
            }
        }
    }

    fn canceled(&self, answer: &WatchResponse) -> Error {
        if answer.compact_revision() != 0 {
            return Error::Compacted;
        }
        match answer.cancel_reason().trim_start_matches("etcdserver: ") {
            text if text.contains("permission denied") => Error::Denied(text.to_owned()),
            text => self.ended(text.to_owned()),
        }
    }

    /// Another member is asked next.
    fn ended(&self, text: String) -> Error {
        self.members.give_up(self.member);
        Error::Unavailable(text)
    }
}

/// `None`: it only says that the watch was made.
fn batch(answer: &WatchResponse) -> Option<Batch> {
    let (mut changes, mut last) = (Vec::new(), None);
    for event in answer.events() {
        let Some(pair) = event.kv() else { continue };
        let revision = pair.mod_revision().cast_unsigned();
        last = Some(revision);
        let Some(key) = key(pair.key()) else { continue };
        let value = match event.event_type() {
            EventType::Put => Some(pair.value().to_vec()),
            EventType::Delete => None,
        };
        changes.push(Change {
            key,
            value,
            revision,
            lease: lease(pair),
        });
    }
    // The answer's own revision is that of the store: of a watch that has far to go it tells of
    // more than of what has come.
    last.map(|revision| Batch { revision, changes })
}
