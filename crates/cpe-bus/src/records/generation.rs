//! One line of ListGenerations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MAX_DETAIL, MAX_ENTRIES, MAX_REASON};
use crate::Result;
use crate::fields::{Fields, Reader, put, put_map, put_text};

/// A generation of a deployment's document, without its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationEntry {
    /// Its number, from 1.
    pub generation: u64,
    /// When it was stored, in microseconds since the Unix epoch.
    pub time: u64,
    /// The document's length.
    pub bytes: u64,
    /// It is the stored document now.
    pub current: bool,
    /// Who asked for it, for a person; empty if nobody did, or nobody knows.
    pub by: String,
    /// The same as details of an event: `caller_uid`, `caller_user` and so on.
    pub caller: BTreeMap<String, String>,
    /// How it came to be if nobody asked for it.
    pub remark: String,
}

impl GenerationEntry {
    /// As `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put(&mut fields, "generation", self.generation);
        put(&mut fields, "time", self.time);
        put(&mut fields, "bytes", self.bytes);
        put(&mut fields, "current", self.current);
        put_text(&mut fields, "by", &self.by);
        put_map(&mut fields, "caller", &self.caller);
        put_text(&mut fields, "remark", &self.remark);
        fields
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("generation", fields);
        Ok(GenerationEntry {
            generation: reader.u64("generation")?,
            time: reader.u64("time")?,
            bytes: reader.u64("bytes")?,
            current: reader.boolean("current")?,
            by: reader.text("by", MAX_REASON)?,
            caller: reader.map("caller", MAX_ENTRIES, MAX_DETAIL)?,
            remark: reader.text("remark", MAX_REASON)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_wrote() {
        let entry = GenerationEntry {
            generation: 3,
            time: 7,
            bytes: 5,
            current: true,
            by: "alice (uid 1000)".into(),
            caller: [("caller_user".to_owned(), "alice".to_owned())].into(),
            remark: "taken over".into(),
        };
        let read = |entry: &GenerationEntry| GenerationEntry::from_fields(&entry.to_fields());
        assert_eq!(read(&entry).unwrap(), entry);
        assert_eq!(read(&GenerationEntry::default()).unwrap().by, "");
    }
}
