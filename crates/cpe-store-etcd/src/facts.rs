//! Facts of DPEs, which only a deployment's owner writes.
//!
//! Each write changes the row that says who has written last, and compares it with what it was when
//! the writer looked. So writes of a deployment form a line: one that is carried out late, or
//! twice, fails when anything was written since.

use cluster_keys as keys;
use cpe_etcd::{Client, Compare, Entry, Operation, Settings, Txn};
use cpe_store::{Error, Result};

use crate::calls::{Calls, failed};

/// A change of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactChange {
    /// Which fact.
    pub key: String,
    /// What it is now; `None`: it is gone.
    pub value: Option<String>,
}

/// A write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactsOf {
    /// Whose facts.
    pub deployment: String,
    /// Revision of the record of who owns it, as the writer knows it.
    pub owner: u64,
    /// The last write that the writer knows of.
    pub after: u64,
    /// Noted as who has written.
    pub writer: String,
    /// In order.
    pub changes: Vec<FactChange>,
}

/// All facts of a DPE at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRows {
    /// By key.
    pub rows: Vec<(String, String)>,
    /// The last write; 0: there was none.
    pub at: u64,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactWrite {
    /// It is done: the last write is this one.
    Done(u64),
    /// Somebody else owns the deployment: what is not written will never be.
    NotOwner,
    /// Something was written since, and this is not, unless it was an earlier attempt of this call
    /// that was not answered.
    Overtaken {
        /// The last write.
        at: u64,
        /// Who wrote it.
        writer: String,
    },
}

/// The facts of all DPEs.
#[derive(Debug, Clone)]
pub struct Facts {
    calls: Calls,
}

fn text(entry: &Entry) -> Result<String> {
    let text = String::from_utf8(entry.value.clone());
    text.map_err(|_| Error::Refused(format!("{} in the store is no text", entry.key)))
}

impl Facts {
    /// Takes the settings. Nobody is spoken with yet.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub async fn new(settings: &Settings) -> Result<Facts> {
        let client = Client::new(settings).await.map_err(failed)?;
        let patient = client.clone();
        Ok(Facts {
            calls: Calls { client, patient },
        })
    }

    /// All facts of a DPE.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn all(&self, deployment: &str) -> Result<FactRows> {
        let prefix = keys::facts(deployment);
        let writer = keys::fact_writer(deployment);
        let mut all = FactRows {
            rows: Vec::new(),
            at: 0,
        };
        for entry in self.calls.list(&prefix).await?.entries {
            if entry.key == writer {
                all.at = entry.revision;
                continue;
            }
            let key = entry.key[prefix.len()..].to_owned();
            all.rows.push((key, text(&entry)?));
        }
        Ok(all)
    }

    /// Writes facts, all or none, while the record of who owns the deployment is the one of
    /// revision `owner`, and the last write is `after`. Also without any fact it is a write.
    ///
    /// # Errors
    /// After [`Error::Unknown`] it may be done, or be done later, but not after another write.
    pub async fn write(&self, write: &FactsOf) -> Result<FactWrite> {
        let last = keys::fact_writer(&write.deployment);
        let own = keys::owner(&write.deployment);
        let txn = Txn {
            compare: write.compares(),
            then: write.operations(),
            otherwise: vec![Operation::Get(own.clone()), Operation::Get(last.clone())],
        };
        let reply = self.calls.decide(txn).await?.reply;
        if reply.succeeded {
            return Ok(FactWrite::Done(reply.revision));
        }
        let found = |key: &str| reply.found.iter().find(|entry| entry.key == key);
        if found(&own).is_none_or(|entry| entry.revision != write.owner) {
            return Ok(FactWrite::NotOwner);
        }
        let last = found(&last);
        Ok(FactWrite::Overtaken {
            at: last.map_or(0, |entry| entry.revision),
            writer: last.map(text).transpose()?.unwrap_or_default(),
        })
    }

    /// Writes those of several deployments, one write of each, in one transaction, which is sent
    /// once. `None`: it is not known whether they are written, and each is to be sent by itself.
    pub(crate) async fn write_all(&self, all: &[&FactsOf]) -> Option<u64> {
        let txn = Txn {
            compare: all.iter().flat_map(|write| write.compares()).collect(),
            then: all.iter().flat_map(|write| write.operations()).collect(),
            otherwise: Vec::new(),
        };
        let reply = self.calls.client.txn(txn).await.ok()?;
        reply.succeeded.then_some(reply.revision)
    }
}

impl FactsOf {
    fn compares(&self) -> Vec<Compare> {
        let last = keys::fact_writer(&self.deployment);
        vec![
            Compare::Revision(keys::owner(&self.deployment), self.owner),
            match self.after {
                0 => Compare::Absent(last),
                after => Compare::Revision(last, after),
            },
        ]
    }

    fn operations(&self) -> Vec<Operation> {
        let write = |change: &FactChange| {
            let key = keys::fact(&self.deployment, &change.key);
            match &change.value {
                Some(value) => Operation::Put(key, value.as_bytes().to_vec(), None),
                None => Operation::Delete(key),
            }
        };
        let last = keys::fact_writer(&self.deployment);
        let mut all: Vec<Operation> = self.changes.iter().map(write).collect();
        all.push(Operation::Put(last, self.writer.as_bytes().to_vec(), None));
        all
    }

    /// Bytes of it, about.
    pub(crate) fn bytes(&self) -> usize {
        let of = |change: &FactChange| {
            let value = change.value.as_ref().map_or(0, String::len);
            change.key.len() + value
        };
        self.changes.iter().map(of).sum()
    }
}
