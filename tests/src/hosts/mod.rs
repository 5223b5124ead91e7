//! Several hosts that share deployments through a real etcd, in a lab: three private systems, each
//! with `cpe` and a member of etcd, and a fourth one with the guests and the network between all.
//!
//! ```text
//! h1: systemd, cpe, etcd ──┐
//! h2: systemd, cpe, etcd ──┼── br0 of the cloud ──┬── a: cpe-agent, TCP with TLS
//! h3: systemd, cpe, etcd ──┘                      └── b: the same
//! ```
//!
//! What a host keeps over a power cut (its member's data, its store, certificates) is in a folder
//! of this machine. Services are witnesses (see `witness.rs`): what they wrote is believed, and
//! nothing else.

mod faults;
mod reader;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cluster_keys::{ALIVE, OWN, READ, WRITE};
use etcd_lab::{Apart, Rights};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::document::Document;
use crate::lab::{Lab, layer, prepared};
use crate::marks::{Marks, Micros, Runs, overlaps};
use crate::status::Status;
use crate::system::System;

pub use reader::Reader;
pub use steps::{STEPS, Scene, Step, Telling};

/// The hosts.
pub const NAMES: [&str; 3] = ["h1", "h2", "h3"];
/// The guests, which are the assemblies of [`NAME`].
pub const GUESTS: [&str; 2] = ["a", "b"];
/// The deployment.
pub const NAME: &str = "shop";
/// Its services, witnesses.
pub const SERVICES: [&str; 3] = ["shop-0", "shop-1", "shop-2"];
/// One more, which fails once: that counts, whichever host runs the deployment.
const FRAIL: &str = "shop-frail";
/// No service may stand still for longer.
const LONGEST_PAUSE: Micros = 1_000_000;
/// Folders that a host keeps over a power cut: name of the folder, and where the host has it.
const DISK: [(&str, &str); 5] = [
    ("etcd", "/var/lib/etcd"),
    ("cpe", "/var/lib/cpe"),
    ("dpe", "/var/lib/dpe"),
    ("pki", "/var/lib/cpe-pki"),
    ("etc", "/etc/cpe"),
];

/// One lab of hosts at a time: its systems and guests are many.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// All of it. Powered off when dropped.
pub struct Hosts {
    /// Those that have power.
    running: BTreeMap<&'static str, Lab>,
    /// Those of them that stand still: nothing that is asked there is answered.
    still: BTreeSet<&'static str>,
    cloud: Lab,
    store: Apart,
    disks: TempDir,
    name: String,
    _one: MutexGuard<'static, ()>,
}

fn number(host: &str) -> usize {
    let found = NAMES.iter().position(|it| *it == host);
    found.unwrap_or_else(|| panic!("there is no host {host}"))
}

/// Where a host is on the network.
pub fn address_of(host: &str) -> String {
    address(number(host)).to_string()
}

fn address(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 77, 0, 101 + number as u8))
}

/// Copies files with their rights and owners; `to` is a folder.
#[track_caller]
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    let mut command = Command::new("cp");
    command.arg("-a").arg(from.join(".")).arg(to);
    let copied = command.status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "{} cannot be copied to {}",
        from.display(),
        to.display()
    );
}

impl Hosts {
    /// Boots guests and hosts, with etcd, and starts `cpe` on each host. `witness`: its program.
    #[track_caller]
    pub fn boot(name: &str, witness: &Path) -> Hosts {
        let mut hosts = Hosts::boot_without_cpe(name, witness);
        hosts.start_cpe();
        hosts
    }

    /// The same until `cpe` could be started.
    #[track_caller]
    pub fn boot_without_cpe(name: &str, witness: &Path) -> Hosts {
        let one = ONE_AT_A_TIME.lock();
        let one = one.unwrap_or_else(PoisonError::into_inner);
        let cloud = Lab::boot_connected(name, "");
        cloud.sh("/srv/lab/guests.sh net").ok();
        let addresses: Vec<IpAddr> = (0..NAMES.len()).map(address).collect();
        let mut hosts = Hosts {
            running: BTreeMap::new(),
            still: BTreeSet::new(),
            cloud: cloud.with_guests(&GUESTS),
            store: Apart::new(&addresses).expect("certificates can be made"),
            disks: tempfile::tempdir().expect("a temporary folder"),
            name: name.to_owned(),
            _one: one,
        };
        for host in NAMES {
            hosts.make_disk(host);
            hosts.power_on(host);
        }
        let (store, cloud) = (&hosts.store, &hosts.cloud);
        in_network(cloud, async || {
            let rights = Rights {
                read: READ,
                write: WRITE,
                own: OWN,
            };
            store.make_users(&NAMES, &rights).await
        });
        hosts.install_witness(witness);
        hosts.make_certificates();
        hosts
    }

    fn disk(&self, host: &str, folder: &str) -> PathBuf {
        self.disks.path().join(host).join(folder)
    }

    /// A path of a system, as this process sees it.
    fn inside(lab: &Lab, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", lab.pid1()))
    }

    /// What is written once on a host's disk.
    #[track_caller]
    fn make_disk(&self, host: &str) {
        for (folder, _) in DISK {
            std::fs::create_dir_all(self.disk(host, folder)).expect("a folder can be made");
        }
        let etc = self.disk(host, "etc");
        copy(&layer().join("etc/cpe"), &etc);
        let write = |folder: &Path, name: &str, text: &str| {
            std::fs::create_dir_all(folder).expect("a folder can be made");
            std::fs::write(folder.join(name), text).expect("a file can be written");
        };
        let number = number(host);
        let member = self.store.member(number).expect("a certificate");
        let user = self.store.user(host).expect("a certificate");
        for (folder, shown) in [("etcd/certificates", &member), ("etc/etcd", &user)] {
            let folder = self.disk(host, folder);
            write(&folder, "ca.pem", self.store.authority());
            write(&folder, "member.pem", &shown.certificate);
            write(&folder, "member.key", &shown.key);
        }
        let endpoints = self.store.endpoints();
        let settings = format!(
            "[cluster]\nname = \"{host}\"\naddress = \"{}:7400\"\ncapacity = 50\n\n\
             [store]\nkind = \"etcd\"\nendpoints = {endpoints:?}\nca = \"/etc/cpe/etcd/ca.pem\"\n\
             cert = \"/etc/cpe/etcd/member.pem\"\nkey = \"/etc/cpe/etcd/member.key\"\n",
            address(number)
        );
        write(&etc, "cpe.toml", &settings);
    }

    /// Boots a host that has no power, with its member of etcd. `cpe` is not started.
    #[track_caller]
    pub fn power_on(&mut self, host: &'static str) {
        let bind =
            |(folder, path): (&str, &str)| format!("{}:{path}", self.disk(host, folder).display());
        let mut binds: Vec<String> = DISK.into_iter().map(bind).collect();
        binds.push(format!(
            "{}:/srv/etcd:ro",
            prepared().join("etcd").display()
        ));
        let lab = Lab::boot_connected(&format!("{}-{host}", self.name), &binds.join(" "));
        let number = number(host);
        let at = address(number).to_string();
        let plugged = self
            .cloud
            .script(&["cable", self.cloud.name(), lab.name(), host, &at], &[]);
        plugged.ok();
        let folder = Path::new("/var/lib/etcd");
        let arguments = self
            .store
            .arguments(number, &folder.join("certificates"), folder);
        let unit = format!(
            "[Service]\nExecStart=/srv/etcd/etcd {}\nTimeoutStopSec=5s\n",
            arguments.join(" ")
        );
        lab.write("/run/systemd/system/etcd.service", &unit);
        // What docs/scale-out.md says.
        lab.sh(
            "for unit in cpe.service dpe@.service; do mkdir -p /etc/systemd/system/$unit.d; done
             cp /usr/share/doc/cpe/80-cluster-cpe.conf /etc/systemd/system/cpe.service.d/
             cp /usr/share/doc/cpe/80-cluster-dpe.conf /etc/systemd/system/dpe@.service.d/
             chown -R cpe:cpe /etc/cpe/etcd; chmod 400 /etc/cpe/etcd/member.key; chmod 700 /var/lib/etcd
             nft add table inet fault; nft add chain inet fault out '{ type filter hook output priority 0; }'
             systemctl daemon-reload; systemctl start --no-block etcd.service",
        )
        .ok();
        self.running.insert(host, lab);
    }

    #[track_caller]
    fn start_cpe(&mut self) {
        for lab in self.running.values() {
            lab.sh("systemctl start --no-block cpe.service").ok();
        }
        for (host, lab) in &self.running {
            lab.wait(&format!("cpe runs on {host}"), 30, || {
                lab.cpectl(&["list"]).code == 0
            });
        }
    }

    #[track_caller]
    fn install_witness(&self, program: &Path) {
        let to = Hosts::inside(&self.cloud, "/srv/shared/witness-program");
        std::fs::copy(program, to).expect("the witness can be copied");
        self.cloud
            .sh("mkdir -p /srv/shared/witness; chmod 0777 /srv/shared/witness")
            .ok();
        let folder = "/usr/lib/ocf/resource.d/torture";
        for guest in GUESTS {
            let script = format!(
                "mkdir -p {folder}; install -m 755 /srv/shared/witness-program {folder}/witness"
            );
            self.cloud.in_guest(guest, &script).ok();
        }
    }

    /// One host is the authority; all show the deployment's certificate, each guest its own.
    #[track_caller]
    fn make_certificates(&self) {
        let first = self.host(NAMES[0]);
        first.cpectl(&["pki", "init"]).ok();
        for guest in GUESTS {
            let folder = format!("/srv/pki/{guest}");
            first
                .cpectl(&["pki", "issue", NAME, guest, "--output", &folder])
                .ok();
            let to = format!("/var/lib/machines/{guest}/etc/cpe/agent");
            copy(
                &Hosts::inside(first, &folder),
                &Hosts::inside(&self.cloud, &to),
            );
            let listen = "echo CPE_AGENT_LISTEN=tcp:0.0.0.0 > /etc/cpe/agent.conf
                          systemctl restart cpe-agent.service";
            self.cloud.in_guest(guest, listen).ok();
        }
        for host in &NAMES[1..] {
            let to = Hosts::inside(self.host(host), "/etc/cpe/dpe");
            copy(&Hosts::inside(first, "/etc/cpe/dpe"), &to);
        }
    }

    /// A host that has power.
    #[track_caller]
    pub fn host(&self, host: &str) -> &Lab {
        let found = self.running.get(host);
        found.unwrap_or_else(|| panic!("{host} has no power"))
    }

    /// Whether a host reaches a port of an address.
    pub fn reaches(&self, host: &str, address: &str, port: u16) -> bool {
        let connect = format!("timeout 0.5 bash -c 'exec 3<> /dev/tcp/{address}/{port}'");
        self.host(host).sh(&connect).code == 0
    }

    /// The system of guests and network.
    pub fn cloud(&self) -> &Lab {
        &self.cloud
    }

    /// The deployment: witnesses in guests that are reached over the network, with the default
    /// lease of a cluster.
    pub fn document() -> Document {
        let mut document = Document::new(NAME, &GUESTS)
            .timing(r#"heartbeat_interval="1s" heartbeat_timeout="5s" lease="30s""#);
        for (number, guest) in GUESTS.iter().enumerate() {
            document = document.address(guest, &format!("tcp:10.77.0.{}", 11 + number));
        }
        for service in SERVICES.into_iter().chain([FRAIL]) {
            document = document.service(&format!(
                r#"<service name="{service}" class="ocf" provider="torture" type="witness" monitor_interval="1s"/>"#
            ));
        }
        document
    }

    /// Hosts on which a DPE of the deployment runs, whether it may act or not.
    pub fn units(&self) -> Vec<&'static str> {
        let has = |lab: &Lab| lab.main_pid(&format!("dpe@{NAME}.service")) != 0;
        let awake = self
            .running
            .iter()
            .filter(|(host, _)| !self.still.contains(*host));
        awake
            .filter(|(_, lab)| has(lab))
            .map(|(host, _)| *host)
            .collect()
    }

    /// The host whose DPE may act, and says that everything runs and every guest is heard.
    pub fn acting(&self) -> Option<&'static str> {
        self.acting_but("")
    }

    /// The same, whatever that host says: one that was cut off says for a while what it knew.
    pub fn acting_but(&self, former: &str) -> Option<&'static str> {
        let acts = |status: &Status| {
            let online = |guest: &&str| status.assembly_state(guest) == "online";
            let silent = status.0.to_string().contains("may not act now");
            !silent && status.is_settled() && GUESTS.iter().all(online)
        };
        let mut units = self.units().into_iter().filter(|host| *host != former);
        units.find(|host| acts(&self.host(host).status(NAME)))
    }

    /// How many failures of the service that has failed once count, by the word of a host's DPE.
    pub fn failures(&self, host: &str) -> Option<u64> {
        let status = self.host(host).status(NAME);
        let failures = status.0["failures"].as_array()?;
        let of = |it: &&serde_json::Value| it["service"] == FRAIL;
        failures.iter().find(of)?["count"].as_u64()
    }

    /// The hosts with a session in the store.
    #[track_caller]
    pub fn alive(&self) -> Vec<String> {
        let listed = async || {
            for _ in 0..20 {
                // Its leader may change meanwhile.
                if let Ok(alive) = self.store.keys(ALIVE).await {
                    return Ok(alive);
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            self.store.keys(ALIVE).await
        };
        in_network(&self.cloud, listed)
    }

    /// What the services wrote.
    #[track_caller]
    pub fn runs(&self) -> Runs {
        let folder = Hosts::inside(&self.cloud, "/srv/shared/witness");
        let marks = Marks::new(&folder);
        let refused = marks.refused_locks();
        assert!(refused.is_empty(), "two at once, by the lock: {refused:?}");
        marks.runs().expect("the marks can be read")
    }

    /// What is wrong with the services, by their own marks: nothing if each runs since its first
    /// start, and never stood still.
    #[track_caller]
    pub fn touched(&self) -> Vec<String> {
        let runs = self.runs();
        let mut found = overlaps(&runs);
        for service in SERVICES {
            let list = runs.get(service).map_or(&[][..], Vec::as_slice);
            let [run] = list else {
                found.push(format!("{service} has these runs: {list:?}"));
                continue;
            };
            let pause = run.longest_pause.max(crate::marks::now_us() - run.to);
            if pause > LONGEST_PAUSE {
                found.push(format!("{service} stood still for {pause} us"));
            }
        }
        found
    }

    /// The longest time in which a service wrote nothing.
    #[track_caller]
    pub fn longest_pause(&self) -> Duration {
        let runs = self.runs();
        let longest = runs.values().flatten().map(|run| run.longest_pause).max();
        Duration::from_micros(longest.unwrap_or(0).unsigned_abs())
    }

    /// What agents have said of leases that ended.
    pub fn leases_ended(&self) -> Vec<String> {
        let said = |guest: &&str| {
            let script = format!("journalctl -M {guest} --no-pager -o cat -u cpe-agent");
            self.cloud.sh(&script).stdout
        };
        let journals: Vec<String> = GUESTS.iter().map(said).collect();
        let lines = journals.iter().flat_map(|text| text.lines());
        let ended = lines.filter(|line| line.contains("the lease has ended"));
        ended.map(str::to_owned).collect()
    }
}

/// Runs something with the network of a system.
#[track_caller]
fn in_network<T: Send>(lab: &Lab, work: impl AsyncFnOnce() -> anyhow::Result<T> + Send) -> T {
    let network = std::fs::File::open(format!("/proc/{}/ns/net", lab.pid1()));
    let network = network.expect("a network namespace");
    // Of a thread of its own: a namespace is a thread's.
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let kind = LinkNameSpaceType::Network;
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&network), Some(kind))?;
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build()?.block_on(work())
        });
        thread.join()
    });
    let done = done.unwrap_or_else(|_| panic!("a thread in the hosts' network has panicked"));
    done.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"))
}
