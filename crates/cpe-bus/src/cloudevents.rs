//! Events in the JSON format of CloudEvents 1.0, which clouds' event brokers take in.
//!
//! The mapping: `id` is the event's id, `type` is `org.cloudpolicy.` and the kind, `source` is the
//! deployment's object path, `subject` is `assembly/NAME`, `service/NAME` or
//! `assembly/NAME/service/NAME`, `time` is RFC 3339, the cursor is the extension `sequence`, and
//! everything that is ours lies in `data`. (CloudEvents 1.0.2, "JSON Event Format".)

use serde_json::{Map, Value, json};

use crate::names::{CPE_PATH, deployment_path};
use crate::{Error, Event, Fields, Result};

/// Prefix of our kinds in `type`.
const TYPE_PREFIX: &str = "org.cloudpolicy.";

/// The event as a CloudEvents 1.0 JSON object.
pub fn to_cloudevent(event: &Event) -> Value {
    let mut object = Map::new();
    let source = if event.deployment.is_empty() {
        CPE_PATH.to_owned()
    } else {
        deployment_path(&event.deployment)
    };
    object.insert("specversion".into(), "1.0".into());
    object.insert("id".into(), event.id.as_str().into());
    object.insert("source".into(), source.into());
    object.insert("type".into(), format!("{TYPE_PREFIX}{}", event.kind).into());
    if let Some(subject) = subject(event) {
        object.insert("subject".into(), subject.into());
    }
    object.insert("time".into(), rfc3339(event.time).into());
    if event.cursor > 0 {
        // The extension "sequence" is a string that sorts: twenty digits hold any u64.
        object.insert("sequence".into(), format!("{:020}", event.cursor).into());
    }
    object.insert("datacontenttype".into(), "application/json".into());
    let mut data = Map::new();
    for (key, value) in [
        ("deployment", &event.deployment),
        ("assembly", &event.assembly),
        ("service", &event.service),
        ("state", &event.state),
        ("reason", &event.reason),
    ] {
        if !value.is_empty() {
            data.insert(key.into(), value.as_str().into());
        }
    }
    data.insert("details".into(), json!(event.details));
    object.insert("data".into(), Value::Object(data));
    Value::Object(object)
}

/// The event of a CloudEvents 1.0 JSON object, as [`to_cloudevent`] writes it; the bounds of
/// [`Event::from_fields`] hold.
///
/// # Errors
/// [`Error::InvalidArgument`] saying which attribute is missing or wrong.
pub fn from_cloudevent(value: &Value) -> Result<Event> {
    let invalid = |what: &str| Error::InvalidArgument(format!("CloudEvent: {what}"));
    if value["specversion"].as_str() != Some("1.0") {
        return Err(invalid("`specversion` must be \"1.0\""));
    }
    let text = |key: &str| {
        value[key]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| invalid(&format!("`{key}` must be a string")))
    };
    let kind = text("type")?;
    let time: jiff::Timestamp = text("time")?
        .parse()
        .map_err(|e| invalid(&format!("`time` must be RFC 3339: {e}")))?;
    let data = &value["data"];
    let of_data = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    let details = match &data["details"] {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                (
                    key.clone(),
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned),
                )
            })
            .collect(),
        _ => Default::default(),
    };
    let event = Event {
        id: text("id")?,
        cursor: value["sequence"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        time: u64::try_from(time.as_microsecond())
            .map_err(|_| invalid("`time` must not lie before 1970"))?,
        kind: kind.strip_prefix(TYPE_PREFIX).unwrap_or(&kind).to_owned(),
        deployment: of_data("deployment"),
        assembly: of_data("assembly"),
        service: of_data("service"),
        state: of_data("state"),
        reason: of_data("reason"),
        details,
    };
    let fields: Fields = event.to_fields();
    Event::from_fields(&fields)
}

fn subject(event: &Event) -> Option<String> {
    match (event.assembly.as_str(), event.service.as_str()) {
        ("", "") => None,
        (assembly, "") => Some(format!("assembly/{assembly}")),
        ("", service) => Some(format!("service/{service}")),
        (assembly, service) => Some(format!("assembly/{assembly}/service/{service}")),
    }
}

/// Microseconds since the Unix epoch as RFC 3339 in UTC; times that no calendar holds become its
/// end.
pub fn rfc3339(time: u64) -> String {
    i64::try_from(time)
        .ok()
        .and_then(|time| jiff::Timestamp::from_microsecond(time).ok())
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventKind;

    #[test]
    fn it_writes_the_required_attributes_and_reads_them_back() {
        let mut event = Event::new(EventKind::ServiceMoved, "shop-1", 1_700_000_000_123_456);
        event.cursor = 42;
        event.assembly = "web1".into();
        event.service = "db".into();
        event.reason = "web2 was lost".into();
        event.details.insert("from".into(), "web2".into());
        let json = to_cloudevent(&event);
        assert_eq!(json["specversion"], "1.0");
        assert_eq!(json["type"], "org.cloudpolicy.service.moved");
        assert_eq!(json["source"], "/org/cloudpolicy/cpe1/deployment/shop_2d1");
        assert_eq!(json["subject"], "assembly/web1/service/db");
        assert_eq!(json["time"], "2023-11-14T22:13:20.123456Z");
        assert_eq!(json["sequence"], "00000000000000000042");
        assert_eq!(from_cloudevent(&json).unwrap(), event);
    }

    #[test]
    fn it_says_what_a_cloudevent_lacks() {
        for (json, what) in [
            (json!({}), "specversion"),
            (json!({"specversion": "1.0"}), "`type`"),
            (
                json!({"specversion": "1.0", "type": "a.b", "time": "noon", "id": "1"}),
                "`time`",
            ),
            (
                json!({"specversion": "1.0", "type": "a.b", "time": "2026-01-01T00:00:00Z"}),
                "`id`",
            ),
        ] {
            let error = from_cloudevent(&json).unwrap_err().message();
            assert!(error.contains(what), "{error}");
        }
    }
}
