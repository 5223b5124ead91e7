//! How values are written: JSON, whose unknown fields are kept.

use std::collections::{BTreeMap, BTreeSet};

use cpe_bus::Event;
use cpe_daemon::now;
use cpe_status::DeploymentState;
use cpe_store::{
    Destroying, Details, Ending, Error, Generation, Given, Needs, OrderKey, Ownership, Result, Row,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of the records. A store with a newer one is left alone.
pub(crate) const SCHEMA: u32 = 1;

/// Fields that this version does not know.
type Rest = BTreeMap<String, Value>;

/// The store as a whole, as membership makes it too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MetaText {
    pub(crate) schema: u32,
    pub(crate) cluster: String,
    pub(crate) incarnation: u8,
    pub(crate) least: u32,
    #[serde(flatten)]
    rest: Rest,
}

impl MetaText {
    /// Of a store that nobody has used yet.
    pub(crate) fn new(cluster: String) -> MetaText {
        MetaText {
            schema: SCHEMA,
            cluster,
            incarnation: 1,
            least: 0,
            rest: Rest::new(),
        }
    }
}

/// What membership knows of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordText {
    pub(crate) generation: u64,
    /// What has made it so: 32 hexadecimal digits.
    pub(crate) change: String,
    pub(crate) labels: BTreeSet<String>,
    pub(crate) version: u32,
    pub(crate) lease_ms: u32,
    pub(crate) destroying: bool,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

impl RecordText {
    pub(crate) fn new(generation: u64, needs: &Needs) -> RecordText {
        RecordText {
            generation,
            change: change(),
            labels: needs.labels.clone(),
            version: needs.version,
            lease_ms: needs.lease_ms,
            destroying: false,
            rest: Rest::new(),
        }
    }

    /// The same with other needs.
    pub(crate) fn asking(&self, needs: &Needs) -> RecordText {
        RecordText {
            rest: self.rest.clone(),
            ..RecordText::new(self.generation, needs)
        }
    }
}

/// Who runs a deployment, as membership writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OwnerText {
    pub(crate) host: String,
}

/// An id of a change.
pub(crate) fn change() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowText {
    pub(crate) uuid: String,
    pub(crate) generation: u64,
    created: u64,
    /// 0 no, 1 services are stopped, 2 services are left running, 3 they are stopped after all.
    pub(crate) destroying: u8,
    pub(crate) unloaded: bool,
    pub(crate) loaded: u64,
    pub(crate) invocation: String,
    pub(crate) alive: bool,
    /// Whose run that is.
    #[serde(default)]
    pub(crate) host: String,
    /// A word of [`DeploymentState`].
    #[serde(default)]
    pub(crate) state: String,
    owner: String,
    group: String,
    #[serde(flatten)]
    rest: Rest,
}

impl RowText {
    pub(crate) fn new(uuid: &str, generation: u64, owner: &str) -> RowText {
        RowText {
            uuid: uuid.to_owned(),
            generation,
            created: now(),
            destroying: 0,
            unloaded: false,
            loaded: 0,
            invocation: String::new(),
            alive: false,
            host: String::new(),
            state: String::new(),
            owner: owner.to_owned(),
            group: String::new(),
            rest: Rest::new(),
        }
    }

    pub(crate) fn give_to(&mut self, owned: &Ownership) {
        self.owner.clone_from(&owned.owner);
        self.group.clone_from(&owned.group);
    }

    /// As it is to be destroyed now, after what was said before.
    pub(crate) fn destroy(&mut self, how: Destroying) {
        self.destroying = match how {
            Destroying::StopServices if self.destroying >= 2 => 3,
            Destroying::StopServices => 1,
            Destroying::LeaveServices => 2,
        };
    }

    pub(crate) fn row(&self, name: &str) -> Row {
        Row {
            name: name.to_owned(),
            uuid: self.uuid.clone(),
            generation: self.generation,
            created: self.created,
            destroying: match self.destroying {
                0 => None,
                2 => Some(Destroying::LeaveServices),
                _ => Some(Destroying::StopServices),
            },
            unloaded: self.unloaded,
            loaded: self.loaded,
            invocation: self.invocation.clone(),
            alive: self.alive,
            host: self.host.clone(),
            state: DeploymentState::from_word(&self.state),
            owned: Ownership {
                owner: self.owner.clone(),
                group: self.group.clone(),
            },
        }
    }
}

/// A generation of a document, and where its text is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GenerationText {
    pub(crate) upload: String,
    pub(crate) chunks: usize,
    /// SHA-256 of the text.
    pub(crate) hash: String,
    pub(crate) bytes: u64,
    pub(crate) accepted: u64,
    pub(crate) who: Details,
    pub(crate) remark: String,
    pub(crate) claims: String,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

impl GenerationText {
    pub(crate) fn generation(&self, number: u64) -> Generation {
        let who = self.who.clone().into_iter();
        Generation {
            number,
            accepted: self.accepted,
            bytes: self.bytes,
            who: who.filter(|(key, _)| key.starts_with("caller_")).collect(),
            remark: self.remark.clone(),
        }
    }
}

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventText {
    /// `None`: it will never be recorded under this id.
    pub(crate) event: Option<Event>,
    /// Its place in the transaction.
    pub(crate) index: usize,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderText {
    pub(crate) principal: String,
    pub(crate) id: String,
    pub(crate) deployment: String,
    pub(crate) uuid: String,
    pub(crate) request: String,
    pub(crate) who: Details,
    pub(crate) cursor: u64,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    /// 0 it is being done, 1 done, 2 failed, 3 failed and may be tried again, 4 nobody knows.
    pub(crate) state: u8,
    pub(crate) result: String,
    /// Who carries it out.
    pub(crate) host: String,
    /// Of this taking of it.
    pub(crate) token: String,
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

impl OrderText {
    pub(crate) fn new(given: &Given, host: &str) -> OrderText {
        OrderText {
            principal: given.principal.clone(),
            id: given.id.clone(),
            deployment: given.deployment.clone(),
            uuid: given.uuid.clone(),
            request: given.request.clone(),
            who: given.who.clone(),
            cursor: given.cursor,
            begun: given.begun,
            ended: 0,
            state: 0,
            result: String::new(),
            host: host.to_owned(),
            token: change(),
            rest: Rest::new(),
        }
    }

    /// Whether it is that one.
    pub(crate) fn is(&self, key: &OrderKey) -> bool {
        let own = (&self.principal, &self.id, &self.uuid, self.cursor);
        own == (&key.principal, &key.id, &key.uuid, key.cursor)
    }

    pub(crate) fn end(&mut self, ending: Ending, result: &str) {
        self.state = match ending {
            Ending::Done => 1,
            Ending::Failed => 2,
            Ending::NotNow => 3,
            Ending::Unknown => 4,
        };
        self.ended = now();
        result.clone_into(&mut self.result);
    }

    pub(crate) fn given(self) -> Given {
        Given {
            principal: self.principal,
            id: self.id,
            deployment: self.deployment,
            uuid: self.uuid,
            request: self.request,
            who: self.who,
            cursor: self.cursor,
            begun: self.begun,
            ended: self.ended,
            ending: match self.state {
                0 => None,
                1 => Some(Ending::Done),
                2 => Some(Ending::Failed),
                3 => Some(Ending::NotNow),
                _ => Some(Ending::Unknown),
            },
            result: self.result,
        }
    }
}

/// As it is written.
pub(crate) fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("invariant: numbers, texts and lists are JSON")
}

/// What stands under a key.
pub(crate) fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T> {
    let broken = |error| Error::Refused(format!("{key} in the store cannot be read: {error}"));
    serde_json::from_slice(value).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_finds_its_record_as_it_writes_it_itself() {
        let needs = Needs {
            lease_ms: 30_000,
            ..Needs::default()
        };
        let record = RecordText {
            change: format!("{:032x}", 255),
            ..RecordText::new(3, &needs)
        };
        let text = r#"{"generation":3,"change":"000000000000000000000000000000ff","labels":[],"version":0,"lease_ms":30000,"destroying":false}"#;
        assert_eq!(String::from_utf8(bytes(&record)).as_deref(), Ok(text));
        let meta = r#"{"schema":1,"cluster":"x","incarnation":1,"least":0}"#;
        let written = bytes(&MetaText::new("x".to_owned()));
        assert_eq!(String::from_utf8(written).as_deref(), Ok(meta));
    }

    #[test]
    fn fields_of_a_newer_version_are_kept() {
        let text = br#"{"generation":3,"change":"0","labels":[],"version":0,"lease_ms":0,"destroying":false,"new":[1]}"#;
        let record: RecordText = read("k", text).expect("a record");
        let again = bytes(&record.asking(&Needs::default()));
        assert!(again.windows(9).any(|part| part == br#""new":[1]"#));
        let error = read::<RowText>("/k", b"{").expect_err("broken").to_string();
        assert!(
            error.starts_with("/k in the store cannot be read: "),
            "{error}"
        );
    }
}
