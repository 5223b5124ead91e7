//! What is said to the store and what it says, as plain data.

use etcd_client::{CompareOp, GetOptions, KeyValue, PutOptions, TxnOp, TxnOpResponse};

use crate::error::{Error, Result};

/// Compares, or operations, in one transaction: etcd's default limit.
pub const MOST_OPERATIONS: usize = 128;

/// Bytes of keys and values in one transaction. etcd's default limit for the whole request is
/// 1.5 MiB; the rest is for what it adds.
pub(crate) const MOST_BYTES: usize = 1_400_000;

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// Of the last write.
    pub revision: u64,
    /// The lease that it ends with.
    pub lease: Option<u64>,
}

/// What has to hold when a transaction is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// There is no such key.
    Absent(String),
    /// The key was last written at this revision.
    Revision(String, u64),
    /// The key has this value.
    Holds(String, Vec<u8>),
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes, bound to a lease or not.
    Put(String, Vec<u8>, Option<u64>),
    /// Deletes.
    Delete(String),
    /// Deletes all keys that begin so.
    DeleteAll(String),
    /// Reads.
    Get(String),
}

/// A transaction: one branch, as a whole, at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All of this has to hold
    pub compare: Vec<Compare>,
    /// for this to be done;
    pub then: Vec<Operation>,
    /// else this is.
    pub otherwise: Vec<Operation>,
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnReply {
    /// The compares held.
    pub succeeded: bool,
    /// Of the store after it.
    pub revision: u64,
    /// What was read, as far as it is there.
    pub found: Vec<Entry>,
}

/// All keys that begin with something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Of the store at that moment.
    pub revision: u64,
    /// In the order of keys.
    pub entries: Vec<Entry>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub key: String,
    /// The new value; `None`: deleted.
    pub value: Option<Vec<u8>>,
    /// When.
    pub revision: u64,
    /// The lease that it ends with.
    pub lease: Option<u64>,
}

impl Txn {
    fn bytes(&self) -> usize {
        let compared = self.compare.iter().map(|compare| match compare {
            Compare::Absent(key) | Compare::Revision(key, _) => key.len(),
            Compare::Holds(key, value) => key.len() + value.len(),
        });
        let operations = self.then.iter().chain(&self.otherwise);
        let done = operations.map(|operation| match operation {
            Operation::Put(key, value, _) => key.len() + value.len(),
            Operation::Delete(key) | Operation::DeleteAll(key) | Operation::Get(key) => key.len(),
        });
        compared.chain(done).sum()
    }

    /// The same, in the library's words.
    pub(crate) fn checked(self) -> Result<etcd_client::Txn> {
        let most = self.compare.len().max(self.then.len());
        let most = most.max(self.otherwise.len());
        if most > MOST_OPERATIONS {
            return Err(Error::Invalid(format!(
                "a transaction of the store has at most {MOST_OPERATIONS} compares and \
                 {MOST_OPERATIONS} operations, this one has {most}"
            )));
        }
        let bytes = self.bytes();
        if bytes > MOST_BYTES {
            return Err(Error::Invalid(format!(
                "a transaction of the store has at most {MOST_BYTES} bytes, this one has {bytes}"
            )));
        }
        let mut txn = etcd_client::Txn::new();
        txn = txn.when(self.compare.into_iter().map(of_compare).collect::<Vec<_>>());
        txn = txn.and_then(of_operations(self.then));
        Ok(txn.or_else(of_operations(self.otherwise)))
    }
}

fn of_compare(compare: Compare) -> etcd_client::Compare {
    match compare {
        // A key that is not there was created at 0.
        Compare::Absent(key) => etcd_client::Compare::create_revision(key, CompareOp::Equal, 0),
        Compare::Revision(key, revision) => {
            let revision = revision.cast_signed();
            etcd_client::Compare::mod_revision(key, CompareOp::Equal, revision)
        }
        Compare::Holds(key, value) => etcd_client::Compare::value(key, CompareOp::Equal, value),
    }
}

fn of_operations(operations: Vec<Operation>) -> Vec<TxnOp> {
    operations.into_iter().map(of_operation).collect()
}

fn of_operation(operation: Operation) -> TxnOp {
    match operation {
        Operation::Put(key, value, lease) => {
            let bound = |id: u64| PutOptions::new().with_lease(id.cast_signed());
            TxnOp::put(key, value, lease.map(bound))
        }
        Operation::Delete(key) => TxnOp::delete(key, None),
        Operation::DeleteAll(prefix) => {
            let options = etcd_client::DeleteOptions::new().with_prefix();
            TxnOp::delete(prefix, Some(options))
        }
        Operation::Get(key) => TxnOp::get(key, None::<GetOptions>),
    }
}

impl TxnReply {
    pub(crate) fn of(reply: &etcd_client::TxnResponse) -> Result<TxnReply> {
        let mut found = Vec::new();
        for response in reply.op_responses() {
            if let TxnOpResponse::Get(got) = response {
                found.extend(got.kvs().iter().filter_map(Entry::of));
            }
        }
        Ok(TxnReply {
            succeeded: reply.succeeded(),
            revision: revision(reply.header())?,
            found,
        })
    }
}

impl Entry {
    /// `None`: its key is nothing that this project has written.
    pub(crate) fn of(pair: &KeyValue) -> Option<Entry> {
        Some(Entry {
            key: key(pair.key())?,
            value: pair.value().to_vec(),
            revision: pair.mod_revision().cast_unsigned(),
            lease: lease(pair),
        })
    }
}

/// A key as a text. `None`: it is none, and is as if it were not there. One key that somebody else
/// has written must not keep all hosts from hearing of the others.
pub(crate) fn key(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8(bytes.to_vec());
    let shown = |error: std::string::FromUtf8Error| {
        let key = error.as_bytes().escape_ascii();
        tracing::error!("the store has a key that is not UTF-8, \"{key}\": remove it");
    };
    text.map_err(shown).ok()
}

pub(crate) fn lease(pair: &KeyValue) -> Option<u64> {
    (pair.lease() != 0).then(|| pair.lease().cast_unsigned())
}

pub(crate) fn revision(header: Option<&etcd_client::ResponseHeader>) -> Result<u64> {
    let header = header.ok_or_else(|| Error::Unknown("an answer without a header".to_owned()))?;
    Ok(header.revision().cast_unsigned())
}
