//! Facts of DPEs, which only a deployment's owner writes.

use cluster_keys as keys;
use cpe_etcd::{Client, Compare, Operation, Settings, Txn};
use cpe_store::{Error, Result};

use crate::calls::{Calls, failed};

/// Rows that one transaction writes.
const AT_ONCE: usize = 120;

/// A change of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactChange {
    /// Which fact.
    pub key: String,
    /// What it is now; `None`: it is gone.
    pub value: Option<String>,
}

/// The facts of all DPEs.
#[derive(Debug, Clone)]
pub struct Facts {
    calls: Calls,
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

    /// All facts of a DPE, by key.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn all(&self, deployment: &str) -> Result<Vec<(String, String)>> {
        let prefix = keys::facts(deployment);
        let mut all = Vec::new();
        for entry in self.calls.list(&prefix).await?.entries {
            let key = entry.key[prefix.len()..].to_owned();
            let value = String::from_utf8(entry.value)
                .map_err(|_| Error::Refused(format!("{} in the store is no text", entry.key)))?;
            all.push((key, value));
        }
        Ok(all)
    }

    /// Writes facts, in order, while the record of who owns the deployment is the one of this
    /// revision. Up to 120 are written at once, or not at all. False: somebody else owns it, and
    /// what was not written will never be.
    ///
    /// # Errors
    /// After [`Error::Unknown`] they may be written, or be written later: the same may be asked
    /// again, as long as nothing newer was. Also after an answer, an earlier attempt that had none
    /// may be carried out late, over what is newer.
    pub async fn write(
        &self,
        deployment: &str,
        owner: u64,
        changes: &[FactChange],
    ) -> Result<bool> {
        for some in changes.chunks(AT_ONCE) {
            let write = |change: &FactChange| {
                let key = keys::fact(deployment, &change.key);
                match &change.value {
                    Some(value) => Operation::Put(key, value.as_bytes().to_vec(), None),
                    None => Operation::Delete(key),
                }
            };
            let txn = Txn {
                compare: vec![Compare::Revision(keys::owner(deployment), owner)],
                then: some.iter().map(write).collect(),
                otherwise: Vec::new(),
            };
            if !self.calls.decide(txn).await?.reply.succeeded {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
