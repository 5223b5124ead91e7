//! One member: a process that can be started again on what it has written.

use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// Where members hear clients, and each other. Each lab has an address of its own.
pub(crate) fn ports(number: usize) -> (usize, usize) {
    (20_000 + number, 21_000 + number)
}

/// Where a member hears clients, and other members.
pub(crate) struct Place {
    pub(crate) client: String,
    pub(crate) peer: String,
}

/// What the program is started with, as one of the members at these places. `certificates`: the
/// folder with its own and that of the authority; `data`: the folder in which it writes.
pub(crate) fn arguments(
    places: &[Place],
    number: usize,
    certificates: &Path,
    data: &Path,
) -> Vec<String> {
    let named = |name: &str, value: &str| format!("--{name}={value}");
    let member = |(it, place): (usize, &Place)| format!("m{it}={}", place.peer);
    let all: Vec<String> = places.iter().enumerate().map(member).collect();
    let data = data.join(format!("m{number}"));
    let Place { client, peer } = &places[number];
    let mut arguments = vec![
        named("name", &format!("m{number}")),
        named("data-dir", &data.display().to_string()),
        named("listen-client-urls", client),
        named("advertise-client-urls", client),
        named("listen-peer-urls", peer),
        named("initial-advertise-peer-urls", peer),
        named("initial-cluster", &all.join(",")),
        named("initial-cluster-token", "etcd-lab"),
        "--client-cert-auth".to_owned(),
        "--peer-client-cert-auth".to_owned(),
        "--enable-grpc-gateway=false".to_owned(),
        named("log-level", "warn"),
        named("logger", "zap"),
    ];
    let file = |name: &str| certificates.join(name).display().to_string();
    for kind in ["", "peer-"] {
        arguments.push(named(&format!("{kind}trusted-ca-file"), &file("ca.pem")));
        arguments.push(named(&format!("{kind}cert-file"), &file("member.pem")));
        arguments.push(named(&format!("{kind}key-file"), &file("member.key")));
    }
    arguments
}

pub(crate) struct Member {
    folder: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Member {
    /// This one of so many members.
    pub(crate) fn new(
        folder: &Path,
        address: IpAddr,
        (number, count): (usize, usize),
        quota: Option<u64>,
    ) -> Member {
        let place = |it: usize| {
            let (client, peer) = ports(it);
            Place {
                client: format!("https://{address}:{client}"),
                peer: format!("https://{address}:{peer}"),
            }
        };
        let places: Vec<Place> = (0..count).map(place).collect();
        let mut arguments = arguments(&places, number, folder, folder);
        arguments.extend(quota.map(|bytes| format!("--quota-backend-bytes={bytes}")));
        Member {
            folder: folder.to_owned(),
            arguments,
            child: None,
        }
    }

    pub(crate) fn start(&mut self, number: usize) -> Result<()> {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.folder.join(format!("m{number}.log")))?;
        // It ends with the thread that starts it, also if that is killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start etcd: `make lab` fetches it")?;
        self.child = Some(child);
        Ok(())
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("this member does not run")?;
        kill_process(Pid::from_child(child), signal)?;
        Ok(())
    }

    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Why it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        Some(status.to_string())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Also one that is frozen ends.
        let _ = self.kill();
    }
}

/// The one that `make lab` has fetched, or else one that is installed.
fn program() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab");
    let lab = std::env::var_os("CPE_LAB").map_or_else(built, PathBuf::from);
    let fetched = lab.join("etcd/etcd");
    if fetched.exists() {
        fetched
    } else {
        "etcd".into()
    }
}
