//! Members that somebody else starts, each on a machine of its own.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cpe_etcd::{Client, MemberStatus, Settings};

use crate::certificates::{Authority, Identity};
use crate::member::{Place, arguments};
use crate::users::{self, Rights};

/// How long members may take until one of them leads.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where a member hears clients.
const CLIENTS: u16 = 2379;
/// Where it hears other members.
const PEERS: u16 = 2380;

/// What a member says of itself, after its address.
type Answer = (String, cpe_etcd::Result<MemberStatus>);

/// A store of one member at each of some addresses.
pub struct Apart {
    addresses: Vec<IpAddr>,
    authority: Authority,
}

impl Apart {
    /// Nothing runs yet.
    ///
    /// # Errors
    /// If no certificate can be made.
    pub fn new(addresses: &[IpAddr]) -> Result<Apart> {
        Ok(Apart {
            addresses: addresses.to_vec(),
            authority: Authority::new()?,
        })
    }

    fn place(address: &IpAddr) -> Place {
        Place {
            client: format!("https://{address}:{CLIENTS}"),
            peer: format!("https://{address}:{PEERS}"),
        }
    }

    /// Where clients find the members.
    pub fn endpoints(&self) -> Vec<String> {
        let client = |address| Apart::place(address).client;
        self.addresses.iter().map(client).collect()
    }

    /// The certificate of who signs all others.
    pub fn authority(&self) -> &str {
        &self.authority.certificate
    }

    /// What a member shows.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn member(&self, number: usize) -> Result<Identity> {
        self.authority.member(self.addresses[number])
    }

    /// What etcd is started with as that member. In `certificates` are `ca.pem`, `member.pem` and
    /// `member.key`; in `data` it writes.
    pub fn arguments(&self, number: usize, certificates: &Path, data: &Path) -> Vec<String> {
        let places: Vec<Place> = self.addresses.iter().map(Apart::place).collect();
        arguments(&places, number, certificates, data)
    }

    /// What a user shows: a host, or `root`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn user(&self, name: &str) -> Result<Identity> {
        self.authority.user(name)
    }

    async fn client(&self) -> Result<Client> {
        let settings = users::settings(&self.authority, users::ROOT, self.endpoints())?;
        let call = settings.call.max(Duration::from_secs(1));
        let settings = Settings { call, ..settings };
        Ok(Client::new(&settings).await?)
    }

    /// Waits until a member leads, and says which.
    ///
    /// # Errors
    /// If none does for half a minute: what each one answers.
    pub async fn leader(&self) -> Result<usize> {
        self.leader_where(|_| true).await
    }

    /// Waits until what members answer is as it should be, and one of them leads.
    async fn leader_where(&self, is_good: fn(&[Answer]) -> bool) -> Result<usize> {
        let client = self.client().await?;
        let begin = Instant::now();
        loop {
            let status = client.status().await;
            let leads = |(_, status): &Answer| status.as_ref().is_ok_and(|status| status.leads);
            let leader = status.iter().position(leads);
            if let Some(number) = leader.filter(|_| is_good(&status)) {
                return Ok(number);
            }
            if begin.elapsed() > PATIENCE {
                bail!("the store does not answer as it should: {status:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The names of all keys that begin so, without that begin.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = self.client().await?.keys(prefix, PATIENCE).await?;
        let name = |entry: cpe_etcd::Entry| entry.key.strip_prefix(prefix).map(str::to_owned);
        Ok(listed.entries.into_iter().filter_map(name).collect())
    }

    /// Makes a user for each host, beside `root`, when all members run. Once in the life of the
    /// store.
    ///
    /// # Errors
    /// If the store does not take them.
    pub async fn make_users(&self, hosts: &[&str], rights: &Rights<'_>) -> Result<()> {
        let all_answer = |status: &[Answer]| status.iter().all(|(_, status)| status.is_ok());
        self.leader_where(all_answer).await?;
        let mut root = users::connect(&self.authority, users::ROOT, &self.endpoints()).await?;
        users::make(&mut root, hosts, rights).await
    }
}
