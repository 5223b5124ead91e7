//! All of it.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cpe_etcd::{Client, Settings};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::member::{Member, ports};
use crate::users::{self, Rights};
use crate::ways::Ways;

/// How long a lab may take until it has a leader. One member starts in tenths of a second; machines
/// that test are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running store.
pub struct Lab {
    members: Vec<Member>,
    address: IpAddr,
    authority: Authority,
    hosts: Vec<String>,
    folder: TempDir,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lab({})", self.address)
    }
}

impl Lab {
    /// Starts so many members, and makes a user for each host, beside `root`. Members end with the
    /// thread that calls this.
    ///
    /// # Errors
    /// If etcd is not installed, or does not come up; its log is shown.
    pub async fn start(members: usize, hosts: &[&str], rights: Rights<'_>) -> Result<Lab> {
        Lab::start_small(members, hosts, rights, None).await
    }

    /// The same, with so many bytes for the database of each member.
    ///
    /// # Errors
    /// As above.
    pub async fn start_small(
        members: usize,
        hosts: &[&str],
        rights: Rights<'_>,
        quota: Option<u64>,
    ) -> Result<Lab> {
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        let authority = Authority::new()?;
        let identity = authority.member(address)?;
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("ca.pem"), &authority.certificate)?;
        std::fs::write(file("member.pem"), identity.certificate)?;
        std::fs::write(file("member.key"), identity.key)?;
        let member = |number| Member::new(folder.path(), address, (number, members), quota);
        let mut lab = Lab {
            members: (0..members).map(member).collect(),
            address,
            authority,
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            folder,
        };
        for number in 0..members {
            lab.members[number].start(number)?;
        }
        lab.leader().await?;
        let mut root = lab.library_client(users::ROOT).await?;
        users::make(&mut root, hosts, &rights).await?;
        Ok(lab)
    }

    /// Where the members are.
    pub fn endpoints(&self) -> Vec<String> {
        let endpoint = |number| format!("https://{}:{}", self.address, ports(number).0);
        (0..self.members.len()).map(endpoint).collect()
    }

    /// What a client of that user is given: `root`, or a host.
    ///
    /// # Errors
    /// If a certificate cannot be made.
    pub fn settings(&self, user: &str) -> Result<Settings> {
        users::settings(&self.authority, user, self.endpoints())
    }

    /// A client of that user.
    ///
    /// # Errors
    /// As above.
    pub async fn client(&self, user: &str) -> Result<Client> {
        Ok(Client::new(&self.settings(user)?).await?)
    }

    /// Ways of a host to the members that can be cut. At most one at a time for each host.
    ///
    /// # Errors
    /// If there is no such host.
    pub fn ways(&self, host: &str) -> Result<Ways> {
        let number = self.hosts.iter().position(|it| it == host);
        let number = number.context("the lab has no such host")?;
        Ways::new(self.address, number, self.members.len())
    }

    /// Waits until there is a leader and says which member it is.
    ///
    /// # Errors
    /// If there is none for a minute, or a member has ended by itself.
    pub async fn leader(&mut self) -> Result<usize> {
        let mut settings = self.settings(users::ROOT)?;
        settings.call = Duration::from_secs(1);
        let client = Client::new(&settings).await?;
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let status = client.status().await;
            let leads = |(_, status): &(String, cpe_etcd::Result<cpe_etcd::MemberStatus>)| {
                status.as_ref().is_ok_and(|status| status.leads)
            };
            if let Some(number) = status.iter().position(leads) {
                return Ok(number);
            }
            for number in 0..self.members.len() {
                if let Some(status) = self.members[number].ended() {
                    bail!("m{number} has ended, {status}: {}", self.log(number));
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the store has no leader: {}", self.log(0));
    }

    /// Kills a member, as a power cut would.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill(&mut self, member: usize) -> Result<()> {
        self.members[member].kill()
    }

    /// Starts a member again that was killed, on what it has written.
    ///
    /// # Errors
    /// If it runs.
    pub fn restart(&mut self, member: usize) -> Result<()> {
        if self.members[member].runs() {
            bail!("m{member} runs");
        }
        self.members[member].start(member)
    }

    /// A member stands still.
    ///
    /// # Errors
    /// If it does not run.
    pub fn freeze(&self, member: usize) -> Result<()> {
        self.members[member].signal(Signal::STOP)
    }

    /// It goes on.
    ///
    /// # Errors
    /// If it does not run.
    pub fn thaw(&self, member: usize) -> Result<()> {
        self.members[member].signal(Signal::CONT)
    }

    /// Forgets what was before this revision.
    ///
    /// # Errors
    /// If the store does not do it.
    pub async fn compact(&self, revision: u64) -> Result<()> {
        let mut root = self.library_client(users::ROOT).await?;
        root.compact(i64::try_from(revision)?, None).await?;
        Ok(())
    }

    async fn library_client(&self, user: &str) -> Result<etcd_client::Client> {
        users::connect(&self.authority, user, &self.endpoints()).await
    }

    /// The last lines of a member's log.
    fn log(&self, member: usize) -> String {
        let path = self.folder.path().join(format!("m{member}.log"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// An address of the loopback network that no other lab has.
fn free_address() -> Result<IpAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        // Of the process, so that tests in several processes seldom try the same one.
        let number = NEXT.fetch_add(1, Ordering::Relaxed) * 7919 + std::process::id() * 31;
        let [_, b, c, d] = number.to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(127, 1 + b % 250, c, 1 + d % 250));
        let port = u16::try_from(ports(0).0)?;
        if TcpListener::bind((address, port)).is_ok() {
            return Ok(address);
        }
    }
    bail!("no address of the loopback network is free");
}
