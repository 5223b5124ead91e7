//! Calls that are repeated until they are answered, or for long enough.

use std::time::Duration;

use cpe_etcd::{Client, Entry, Error as Trouble, Listed, Operation, Txn, TxnReply};
use cpe_store::{Error, Result};
use tokio::time::{Instant, sleep};

/// A caller waits no longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// For a list of everything.
const LIST: Duration = Duration::from_secs(5);

/// What came of a transaction that writes.
pub(crate) struct Decided {
    pub(crate) reply: TxnReply,
    /// An earlier attempt was not answered: it may have been carried out before this one.
    pub(crate) may_be_done: bool,
}

/// The ways to the store.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    pub(crate) client: Client,
    /// For what is large, and takes longer.
    pub(crate) patient: Client,
}

impl Calls {
    /// Sends a transaction that writes, until it is answered. It has to be one that may be sent
    /// several times: what it writes breaks its own compares, or is the same when it is done twice.
    pub(crate) async fn decide(&self, txn: Txn) -> Result<Decided> {
        Self::repeat(&self.client, txn).await
    }

    /// The same, of what is large.
    pub(crate) async fn decide_patiently(&self, txn: Txn) -> Result<Decided> {
        Self::repeat(&self.patient, txn).await
    }

    async fn repeat(client: &Client, txn: Txn) -> Result<Decided> {
        let until = Instant::now() + PATIENCE;
        let mut may_be_done = false;
        loop {
            let error = match client.txn(txn.clone()).await {
                Ok(reply) => return Ok(Decided { reply, may_be_done }),
                Err(error) => error,
            };
            may_be_done |= matches!(error, Trouble::Unknown(_));
            let may_be_tried = matches!(error, Trouble::Unknown(_) | Trouble::Unavailable(_));
            if !may_be_tried || Instant::now() >= until {
                return Err(match may_be_done {
                    true => Error::Unknown(error.to_string()),
                    false => failed(error),
                });
            }
            sleep(PAUSE).await;
        }
    }

    /// Reads these keys, at one revision; linearizable.
    pub(crate) async fn read(&self, keys: Vec<String>) -> Result<TxnReply> {
        let txn = Txn {
            then: keys.into_iter().map(Operation::Get).collect(),
            ..Txn::default()
        };
        let until = Instant::now() + PATIENCE;
        let ask = || {
            let (client, txn) = (self.patient.clone(), txn.clone());
            async move { client.txn(txn).await }
        };
        again(until, ask).await
    }

    /// Reads one key.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let reply = self.read(vec![key.to_owned()]).await?;
        Ok(reply.found.into_iter().next())
    }

    /// Reads all keys that begin so.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Listed> {
        let until = Instant::now() + PATIENCE;
        let ask = || {
            let (client, prefix) = (self.patient.clone(), prefix.to_owned());
            async move { client.list(&prefix, LIST).await }
        };
        again(until, ask).await
    }

    /// The same without values.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let until = Instant::now() + PATIENCE;
        let ask = || {
            let (client, prefix) = (self.patient.clone(), prefix.to_owned());
            async move { client.keys(&prefix, LIST).await }
        };
        let listed = again(until, ask).await?;
        Ok(listed.entries.into_iter().map(|entry| entry.key).collect())
    }

    /// How many keys begin so.
    pub(crate) async fn count(&self, prefix: &str) -> Result<u64> {
        let until = Instant::now() + PATIENCE;
        let ask = || {
            let (client, prefix) = (self.patient.clone(), prefix.to_owned());
            async move { client.count(&prefix).await }
        };
        again(until, ask).await
    }
}

/// Asks for what changes nothing.
async fn again<T, F>(until: Instant, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = cpe_etcd::Result<T>>,
{
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let may_be_tried = matches!(
            error,
            Trouble::Unknown(_) | Trouble::Unavailable(_) | Trouble::Compacted
        );
        if !may_be_tried || Instant::now() >= until {
            // It was to be read only.
            return Err(match error {
                Trouble::Unknown(text) => {
                    Error::Unavailable(format!("the store has not answered: {text}"))
                }
                other => failed(other),
            });
        }
        sleep(PAUSE).await;
    }
}

/// In the words of every store.
pub(crate) fn failed(error: Trouble) -> Error {
    match error {
        Trouble::Unknown(_) => Error::Unknown(error.to_string()),
        Trouble::Unavailable(_) => Error::Unavailable(error.to_string()),
        other => Error::Refused(other.to_string()),
    }
}
