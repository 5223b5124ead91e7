//! How values are written: JSON, whose fields are always in the same order, since some are compared
//! as a whole.

use std::collections::BTreeSet;

use ownership::{
    ChangeId, DeploymentRecord, HostId, HostRecord, HostState, Key, Meta, Needs, Origin,
    OwnerRecord, Session, Value,
};
use serde::{Deserialize, Serialize};

use crate::keys::is_name;

/// Of the records below. A store with a newer one is left alone.
pub(crate) const SCHEMA: u32 = 1;

/// Of the store as a whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MetaText {
    pub(crate) schema: u32,
    pub(crate) cluster: String,
    pub(crate) incarnation: u8,
    pub(crate) least: u32,
}

/// A session, in records and in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionText {
    pub(crate) boot: u64,
    pub(crate) number: u32,
}

#[derive(Serialize, Deserialize)]
struct HostText {
    version: u32,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    address: String,
    capacity: u32,
    labels: BTreeSet<String>,
    draining: bool,
    session: SessionText,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    confirmed_lost: Option<SessionText>,
}

#[derive(Serialize, Deserialize)]
struct DeploymentText {
    generation: u64,
    change: String,
    labels: BTreeSet<String>,
    version: u32,
    lease_ms: u32,
    destroying: bool,
}

#[derive(Serialize, Deserialize)]
struct OwnerText {
    host: String,
    session: SessionText,
    origin: OriginText,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OriginText {
    New,
    Handed(String),
    Again,
    Taken(String),
}

#[derive(Serialize, Deserialize)]
struct ChangeText {
    generation: Option<u64>,
}

impl From<Session> for SessionText {
    fn from(Session { boot, number }: Session) -> SessionText {
        SessionText { boot, number }
    }
}

impl From<SessionText> for Session {
    fn from(SessionText { boot, number }: SessionText) -> Session {
        Session { boot, number }
    }
}

/// As it is written.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = match value {
        // Only whoever makes a store writes it, with what the machine does not know.
        Value::Meta(meta) => json(&MetaText {
            schema: SCHEMA,
            cluster: String::new(),
            incarnation: meta.incarnation,
            least: meta.least,
        }),
        Value::Host(host) => json(&HostText {
            version: host.version,
            address: host.address.clone(),
            capacity: host.capacity,
            labels: host.labels.clone(),
            draining: host.state == HostState::Draining,
            session: host.session.into(),
            confirmed_lost: host.confirmed_lost.map(SessionText::from),
        }),
        Value::Alive(session) => json(&SessionText::from(*session)),
        Value::Deployment(it) => json(&DeploymentText {
            generation: it.generation,
            change: format!("{:032x}", it.change.0),
            labels: it.needs.labels.clone(),
            version: it.needs.version,
            lease_ms: it.lease_ms,
            destroying: it.destroying,
        }),
        Value::Owner(owner) => json(&OwnerText {
            host: owner.host.to_string(),
            session: owner.session.into(),
            origin: match &owner.origin {
                Origin::New => OriginText::New,
                Origin::Handed(host) => OriginText::Handed(host.to_string()),
                Origin::Again => OriginText::Again,
                Origin::Taken(host) => OriginText::Taken(host.to_string()),
            },
        }),
        Value::Change(generation) => json(&ChangeText {
            generation: *generation,
        }),
    };
    text.into_bytes()
}

pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("invariant: numbers, texts and lists are JSON")
}

/// What stands under a key.
///
/// # Errors
/// Says why it cannot be read.
pub(crate) fn value(key: &Key, bytes: &[u8]) -> Result<Value, String> {
    Ok(match key {
        Key::Meta => {
            let text: MetaText = read(bytes)?;
            let (incarnation, least) = (text.incarnation, text.least);
            Value::Meta(Meta { incarnation, least })
        }
        Key::Host(_) => Value::Host(host(read(bytes)?).into()),
        Key::Alive(_) => Value::Alive(read::<SessionText>(bytes)?.into()),
        Key::Deployment(_) => Value::Deployment(deployment(read(bytes)?)?.into()),
        Key::Owner(_) => Value::Owner(owner(read(bytes)?)?.into()),
        Key::Change(_) => Value::Change(read::<ChangeText>(bytes)?.generation),
    })
}

pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

fn host(text: HostText) -> HostRecord {
    HostRecord {
        version: text.version,
        address: text.address,
        capacity: text.capacity,
        labels: text.labels,
        state: match text.draining {
            true => HostState::Draining,
            false => HostState::Active,
        },
        session: text.session.into(),
        confirmed_lost: text.confirmed_lost.map(Session::from),
    }
}

fn deployment(text: DeploymentText) -> Result<DeploymentRecord, String> {
    let change = u128::from_str_radix(&text.change, 16);
    let change = change.map_err(|error| format!("the change “{}”: {error}", text.change))?;
    Ok(DeploymentRecord {
        generation: text.generation,
        change: ChangeId(change),
        needs: Needs {
            labels: text.labels,
            version: text.version,
        },
        lease_ms: text.lease_ms,
        destroying: text.destroying,
    })
}

fn owner(text: OwnerText) -> Result<OwnerRecord, String> {
    Ok(OwnerRecord {
        host: named(&text.host)?,
        session: text.session.into(),
        origin: match text.origin {
            OriginText::New => Origin::New,
            OriginText::Handed(host) => Origin::Handed(named(&host)?),
            OriginText::Again => Origin::Again,
            OriginText::Taken(host) => Origin::Taken(named(&host)?),
        },
    })
}

fn named(text: &str) -> Result<HostId, String> {
    match is_name(text) {
        true => Ok(HostId::new(text)),
        false => Err(format!("“{text}” is not a host's name")),
    }
}

#[cfg(test)]
mod tests {
    use ownership::DeploymentId;

    use super::*;

    fn both(key: &Key, value: &Value, text: &str) {
        assert_eq!(String::from_utf8(bytes(value)).as_deref(), Ok(text));
        assert_eq!(super::value(key, text.as_bytes()).as_ref(), Ok(value));
    }

    #[test]
    fn values_are_written_so_and_are_read() {
        let session = Session {
            boot: u64::MAX,
            number: 7,
        };
        let (h, n) = (HostId::new("h"), DeploymentId::new("n"));
        let alive = r#"{"boot":18446744073709551615,"number":7}"#;
        both(&Key::Alive(h.clone()), &Value::Alive(session), alive);
        let record = HostRecord {
            version: 1,
            address: "h.example:7400".to_owned(),
            capacity: 300,
            labels: BTreeSet::from(["ssd".to_owned()]),
            state: HostState::Draining,
            session,
            confirmed_lost: None,
        };
        let text = format!(
            r#"{{"version":1,"address":"h.example:7400","capacity":300,"labels":["ssd"],"draining":true,"session":{alive}}}"#
        );
        both(&Key::Host(h.clone()), &Value::Host(record.into()), &text);
        let record = OwnerRecord {
            host: h.clone(),
            session,
            origin: Origin::Taken(h),
        };
        let text = format!(r#"{{"host":"h","session":{alive},"origin":{{"taken":"h"}}}}"#);
        both(&Key::Owner(n.clone()), &Value::Owner(record.into()), &text);
        let record = DeploymentRecord {
            generation: 3,
            change: ChangeId(255),
            needs: Needs::default(),
            lease_ms: 30_000,
            destroying: false,
        };
        let text = r#"{"generation":3,"change":"000000000000000000000000000000ff","labels":[],"version":0,"lease_ms":30000,"destroying":false}"#;
        both(&Key::Deployment(n), &Value::Deployment(record.into()), text);
        let refused = r#"{"generation":null}"#;
        both(&Key::Change(ChangeId(1)), &Value::Change(None), refused);
    }

    #[test]
    fn what_is_not_a_record_is_said() {
        let key = Key::Owner(DeploymentId::new("n"));
        assert!(value(&key, b"").is_err());
        assert!(value(&key, b"\xff{}").is_err());
        let text = br#"{"host":"../x","session":{"boot":1,"number":1},"origin":"new"}"#;
        assert_eq!(
            value(&key, text),
            Err("“../x” is not a host's name".to_owned())
        );
    }
}
