//! Calls.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::GetOptions;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::members::Members;
use crate::settings::Settings;
use crate::watch::Watch;
use crate::words::{Entry, Listed, Txn, TxnReply, revision};

/// Entries that are asked for at once when all are listed.
const PAGE: i64 = 1_000;

/// Bytes of one answer: a page of records is far below it.
const MOST_ANSWERED: usize = 8 << 20;

/// A client of the store. Its copies share connections.
#[derive(Clone, Debug)]
pub struct Client {
    members: Arc<Members>,
    call: Duration,
}

/// What one member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its endpoint.
    pub endpoint: String,
    /// It leads.
    pub leads: bool,
    /// etcd's version.
    pub version: String,
    /// Bytes of its database's file.
    pub size: u64,
    /// Bytes of that which are in use.
    pub used: u64,
    /// Most bytes that the file may have. `None`: it does not say, as before etcd 3.6.
    pub quota: Option<u64>,
    /// What it complains of.
    pub alarms: Vec<String>,
}

impl Client {
    /// Takes the settings. Nobody is spoken with yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] says what is wrong with them.
    pub async fn new(settings: &Settings) -> Result<Client> {
        settings.check()?;
        Ok(Client {
            members: Arc::new(Members::new(settings).await?),
            call: settings.call,
        })
    }

    /// A transaction; linearizable, also if it only reads.
    ///
    /// # Errors
    /// After [`Error::Unknown`] it may have been done, or be done later; after every other one it
    /// is not done.
    pub async fn txn(&self, txn: Txn) -> Result<TxnReply> {
        let txn = txn.checked()?;
        let answer = self.members.ask(self.call, |client| {
            let mut kv = client.kv_client().max_decoding_message_size(MOST_ANSWERED);
            let txn = txn.clone();
            async move { kv.txn(txn).await }
        });
        TxnReply::of(&answer.await?.1)
    }

    /// All keys that begin with this, at one revision; linearizable.
    ///
    /// # Errors
    /// [`Error::Compacted`] if that took too long: try again.
    pub async fn list(&self, prefix: &str, within: Duration) -> Result<Listed> {
        // Pages are larger than other answers.
        let all = self.pages(prefix, self.call.max(within / 4), Part::All);
        in_time(prefix, within, all).await
    }

    /// The same without values.
    ///
    /// # Errors
    /// As above.
    pub async fn keys(&self, prefix: &str, within: Duration) -> Result<Listed> {
        let all = self.pages(prefix, self.call.max(within / 4), Part::Keys);
        in_time(prefix, within, all).await
    }

    /// How many keys begin with this; linearizable.
    ///
    /// # Errors
    /// As of any call.
    pub async fn count(&self, prefix: &str) -> Result<u64> {
        let options = GetOptions::new().with_prefix().with_count_only();
        let answer = self.members.ask(self.call, |client| {
            let mut kv = client.kv_client();
            let (prefix, options) = (prefix.to_owned(), options.clone());
            async move { kv.get(prefix, Some(options)).await }
        });
        Ok(answer.await?.1.count().cast_unsigned())
    }

    async fn pages(&self, prefix: &str, each: Duration, part: Part) -> Result<Listed> {
        let end = after(prefix);
        let mut from = prefix.as_bytes().to_vec();
        let mut entries: Vec<Entry> = Vec::new();
        let mut at = None;
        loop {
            let mut options = GetOptions::new().with_range(end.clone()).with_limit(PAGE);
            if part == Part::Keys {
                options = options.with_keys_only();
            }
            if let Some(revision) = at {
                options = options.with_revision(u64::cast_signed(revision));
            }
            let page = self.members.ask(each, |client| {
                let mut kv = client.kv_client().max_decoding_message_size(MOST_ANSWERED);
                let (from, options) = (from.clone(), options.clone());
                async move { kv.get(from, Some(options)).await }
            });
            let (_, page) = page.await?;
            let revision = *at.get_or_insert(revision(page.header())?);
            entries.extend(page.kvs().iter().filter_map(Entry::of));
            match page.kvs().last() {
                Some(last) if page.more() => from = [last.key(), b"\0"].concat(),
                _ => return Ok(Listed { revision, entries }),
            }
        }
    }

    /// A new lease that ends this long after its last renewal, in whole seconds.
    ///
    /// # Errors
    /// After [`Error::Unknown`] there may be one that nobody renews.
    pub async fn grant(&self, seconds: u32) -> Result<u64> {
        let answer = self.members.ask(self.call, |client| {
            let mut leases = client.lease_client();
            async move { leases.grant(i64::from(seconds), None).await }
        });
        Ok(answer.await?.1.id().cast_unsigned())
    }

    /// Renews a lease. That it is done proves nothing: a leader that is not one any more may say so
    /// too.
    ///
    /// # Errors
    /// [`Error::NoLease`] if it has ended.
    pub async fn keep_alive(&self, lease: u64) -> Result<()> {
        let answer = self.members.ask(self.call, |client| {
            let mut leases = client.lease_client();
            // That opens a stream of renewals, and renews once.
            async move { leases.keep_alive(lease.cast_signed()).await }
        });
        answer.await.map(drop)
    }

    /// Ends a lease and deletes its keys.
    ///
    /// # Errors
    /// [`Error::NoLease`] if it has ended.
    pub async fn revoke(&self, lease: u64) -> Result<()> {
        let answer = self.members.ask(self.call, |client| {
            let mut leases = client.lease_client();
            async move { leases.revoke(lease.cast_signed()).await }
        });
        answer.await.map(drop)
    }

    /// All changes of keys that begin with this, from that revision on.
    ///
    /// # Errors
    /// As of any call. [`Error::Compacted`] comes as the watch's first word.
    pub async fn watch(&self, prefix: &str, from: u64) -> Result<Watch> {
        let opened = self.members.ask(self.call, |client| {
            let prefix = prefix.to_owned();
            async move { Watch::open(client, &prefix, from).await }
        });
        let (number, stream) = opened.await?;
        Ok(Watch::new(Arc::clone(&self.members), number, stream))
    }

    /// What each member says of itself, or why it says nothing.
    pub async fn status(&self) -> Vec<(String, Result<MemberStatus>)> {
        let mut asked = JoinSet::new();
        let endpoints = self.members.iter().map(|it| it.endpoint.clone());
        let endpoints: Vec<String> = endpoints.collect();
        for (number, member) in self.members.iter().enumerate() {
            let (endpoint, call) = (member.endpoint.clone(), self.call);
            let client = member.client();
            asked.spawn(async move { (number, status_of(client, endpoint, call).await) });
        }
        let silent = || Err(Error::Unavailable("it was not asked".to_owned()));
        let mut all: Vec<_> = endpoints.into_iter().map(|it| (it, silent())).collect();
        while let Some(answered) = asked.join_next().await {
            if let Ok((number, answer)) = answered {
                all[number].1 = answer;
            }
        }
        all
    }
}

async fn status_of(
    mut client: etcd_client::Client,
    endpoint: String,
    call: Duration,
) -> Result<MemberStatus> {
    match timeout(call, client.status()).await {
        Ok(Ok(status)) => {
            let id = status.header().map(etcd_client::ResponseHeader::member_id);
            Ok(MemberStatus {
                endpoint,
                leads: status.leader() != 0 && Some(status.leader()) == id,
                version: status.version().to_owned(),
                size: status.db_size().cast_unsigned(),
                used: status.raft_used_db_size().cast_unsigned(),
                quota: u64::try_from(status.db_size_quota())
                    .ok()
                    .filter(|quota| *quota > 0),
                alarms: status.errors().to_vec(),
            })
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::Unavailable("it is silent".to_owned())),
    }
}

/// What is asked for of each key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Keys,
}

async fn in_time(
    prefix: &str,
    within: Duration,
    all: impl Future<Output = Result<Listed>>,
) -> Result<Listed> {
    let late = |_| {
        let ms = within.as_millis();
        Error::Unknown(format!("the list of {prefix} took more than {ms} ms"))
    };
    timeout(within, all).await.map_err(late)?
}

/// The first key after all that begin with this.
fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    // Every key.
    vec![0]
}
