//! An event: something important that happened to a deployment, its DPE, an assembly or a service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{MAX_DETAIL, MAX_ENTRIES, MAX_ID, MAX_REASON};
use crate::Result;
use crate::events::EventKind;
use crate::fields::{Fields, Reader, bounded, put, put_map, put_text};

/// An entry of the event log. Texts that do not apply are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Unique; a UUID version 7. Recording the same id again changes nothing.
    pub id: String,
    /// Position in the CPE's log, from 1; 0 until it is recorded.
    #[serde(default)]
    pub cursor: u64,
    /// When it happened, in microseconds since the Unix epoch.
    pub time: u64,
    /// `subject.verb`, as `service.moved`; see [`EventKind`]. Other programs may record kinds of
    /// their own.
    pub kind: String,
    /// The deployment concerned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub deployment: String,
    /// The assembly concerned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub assembly: String,
    /// The service concerned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// The state that it led to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// More, for programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Event {
    /// A new event with a fresh id.
    pub fn new(kind: EventKind, deployment: &str, time: u64) -> Self {
        Event {
            id: Uuid::now_v7().to_string(),
            time,
            kind: kind.as_str().to_owned(),
            deployment: deployment.to_owned(),
            ..Event::default()
        }
    }

    /// With its texts cut, and its details left out, that are longer or more than
    /// [`Event::from_fields`] takes: an event that somebody wrote can always be read.
    #[must_use]
    pub fn within_limits(self) -> Self {
        let name = |text: String| bounded(&text, MAX_ID);
        Event {
            deployment: name(self.deployment),
            assembly: name(self.assembly),
            service: name(self.service),
            state: name(self.state),
            reason: bounded(&self.reason, MAX_REASON),
            details: self
                .details
                .into_iter()
                .filter(|(key, _)| key.len() <= MAX_ID)
                .take(MAX_ENTRIES)
                .map(|(key, text)| (key, bounded(&text, MAX_DETAIL)))
                .collect(),
            ..self
        }
    }

    /// As `a{sv}`, [within the limits](Self::within_limits).
    pub fn to_fields(&self) -> Fields {
        self.clone().within_limits().fields()
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        put(&mut fields, "id", self.id.as_str());
        put(&mut fields, "cursor", self.cursor);
        put(&mut fields, "time", self.time);
        put(&mut fields, "kind", self.kind.as_str());
        put_text(&mut fields, "deployment", &self.deployment);
        put_text(&mut fields, "assembly", &self.assembly);
        put_text(&mut fields, "service", &self.service);
        put_text(&mut fields, "state", &self.state);
        put_text(&mut fields, "reason", &self.reason);
        put_map(&mut fields, "details", &self.details);
        fields
    }

    /// Reads an event.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let reader = Reader::new("event", fields);
        let event = Event {
            id: reader.required_text("id", MAX_ID)?,
            cursor: reader.u64("cursor")?,
            time: reader.u64("time")?,
            kind: reader.required_text("kind", MAX_ID)?,
            deployment: reader.text("deployment", MAX_ID)?,
            assembly: reader.text("assembly", MAX_ID)?,
            service: reader.text("service", MAX_ID)?,
            state: reader.text("state", MAX_ID)?,
            reason: reader.text("reason", MAX_REASON)?,
            details: reader.map("details", MAX_ENTRIES, MAX_DETAIL)?,
        };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        if !event.kind.bytes().all(plain)
            || event.kind.starts_with('.')
            || event.kind.ends_with('.')
        {
            return Err(reader.invalid(
                "kind",
                "words of a-z, 0-9 and `-` joined by dots, as `service.moved`",
                format_args!("`{}`", event.kind),
            ));
        }
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_wrote() {
        let mut event = Event::new(EventKind::ServiceMoved, "shop", 1_700_000_000_000_000);
        event.cursor = 4;
        event.service = "db".into();
        event.assembly = "web1".into();
        event.details.insert("from".into(), "web2".into());
        assert_eq!(Event::from_fields(&event.to_fields()).unwrap(), event);
    }

    #[test]
    fn what_is_too_long_is_cut_so_that_everybody_can_read_it() {
        let mut event = Event::new(EventKind::ServiceMoved, "shop", 1);
        let endless = "ü".repeat(MAX_DETAIL);
        event.assembly.clone_from(&endless);
        event.service.clone_from(&endless);
        event.state.clone_from(&endless);
        event.reason.clone_from(&endless);
        for n in 0..=MAX_ENTRIES {
            event.details.insert(format!("detail-{n}"), endless.clone());
        }
        event.details.insert(endless.clone(), String::new());
        let read = Event::from_fields(&event.to_fields()).unwrap();
        assert_eq!(read, event.within_limits());
        assert_eq!(read.details.len(), MAX_ENTRIES);
        assert!(read.assembly.ends_with("ü […]"), "{}", read.assembly);
    }

    #[test]
    fn it_refuses_a_malformed_kind() {
        let mut event = Event::new(EventKind::ServiceMoved, "shop", 1);
        for kind in ["Service moved", ".a", "a.", "a*"] {
            event.kind = kind.into();
            assert!(Event::from_fields(&event.to_fields()).is_err(), "{kind}");
        }
    }
}
