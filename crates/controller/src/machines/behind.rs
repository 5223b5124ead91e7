//! What an agent has done, or is doing, while the same is asked for again.
//!
//! A start is asked for, and asked for again when the world has changed. The second word hides the
//! first one. But an agent may take it back before it begins, and then what is behind it is the
//! last word: the result of the first start, or that it is under way, since it had begun before the
//! second one came.

use crate::vocabulary::{Record, RecordState};

/// Records that are kept behind another one. An agent tells of each that it takes back, so there
/// are one or two.
const MOST: usize = 8;

/// Records of one operation behind the newest one, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Behind(Vec<Record>);

impl Behind {
    /// Takes a record in. A result ends what is older.
    pub(crate) fn put(&mut self, record: Record) {
        let is_it = |known: &Record| known.operation.id == record.operation.id;
        let is_over = record.state == RecordState::Complete;
        if !is_over && self.0.iter().any(is_it) {
            return;
        }
        let later = |known: &Record| known.call_id > record.call_id;
        self.0.retain(|known| !is_over || later(known));
        let at = self.0.partition_point(|known| !later(known));
        self.0.insert(at, record);
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// The newest, which is behind nothing any more.
    pub(crate) fn pop(&mut self) -> Option<Record> {
        self.0.pop()
    }

    /// Forgets the record of an operation that is taken back.
    pub(crate) fn take_back(&mut self, id: &str) {
        self.0.retain(|known| known.operation.id != id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
