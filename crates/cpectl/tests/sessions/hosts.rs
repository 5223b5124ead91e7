//! Three hosts that share deployments, played: nothing here decides what real ones may do.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use cpe_bus::{Error, Result, json};
use cpe_status::{HostDetails, HostList, HostStatus, OwnedDeployment, StoreMember, StoreStatus};

/// When they were seen, microseconds since the Unix epoch.
const SEEN: u64 = 1_795_000_000_000_000;

/// See above.
#[derive(Clone)]
pub(crate) struct FakeHosts(Arc<Mutex<Played>>);

struct Played {
    list: HostList,
    /// By host; what is called `mail` has no other host that can take it.
    owned: BTreeMap<String, Vec<String>>,
}

impl Default for FakeHosts {
    fn default() -> FakeHosts {
        let host = |name: &str, alive| HostStatus {
            name: name.into(),
            address: format!("{name}.example:7400"),
            version: 1,
            state: "active".into(),
            alive,
            since: SEEN,
            capacity: 300,
            labels: vec!["zone=a".into()],
            ..HostStatus::default()
        };
        let mut hosts = ["host-1", "host-2", "host-3"].map(|name| host(name, name != "host-3"));
        (hosts[0].answers, hosts[0].since) = (true, 0);
        let names = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect();
        FakeHosts(Arc::new(Mutex::new(Played {
            list: HostList {
                hosts: hosts.into(),
                shares: true,
                complete: true,
                ..HostList::default()
            },
            owned: BTreeMap::from([
                ("host-1".to_owned(), names(&["mail", "shop", "wiki"])),
                ("host-2".to_owned(), names(&["news"])),
            ]),
        })))
    }
}

impl Played {
    fn find(&mut self, name: &str) -> Result<&mut HostStatus> {
        let count = self.owned.get(name).map_or(0, Vec::len) as u64;
        let mut hosts = self.list.hosts.iter_mut();
        let found = hosts.find(|host| host.name == name);
        let found = found.ok_or_else(|| Error::NotFound(format!("there is no host `{name}`")))?;
        found.deployments = count;
        Ok(found)
    }

    /// One that drains hands over one deployment each time that it is looked at.
    fn look(&mut self, name: &str) -> Result<HostDetails> {
        let drains = self.find(name)?.state == "draining";
        let other = if name == "host-1" { "host-2" } else { "host-1" };
        let of_it = self.owned.entry(name.to_owned()).or_default();
        let next = of_it.iter().position(|it| it != "mail");
        if let Some(next) = next.filter(|_| drains) {
            let moved = of_it.remove(next);
            self.owned.entry(other.to_owned()).or_default().push(moved);
        }
        let host = self.find(name)?.clone();
        let owned = self.owned[name].iter().map(|it| OwnedDeployment {
            name: it.clone(),
            since: SEEN,
            next: if it == "mail" { "" } else { other }.to_owned(),
        });
        Ok(HostDetails {
            host,
            owned: owned.collect(),
        })
    }
}

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Hosts")]
impl FakeHosts {
    async fn list(&self) -> Result<String> {
        let mut played = self.0.lock().unwrap();
        let names: Vec<String> = played.list.hosts.iter().map(|it| it.name.clone()).collect();
        names.iter().try_for_each(|it| played.find(it).map(drop))?;
        json::to_json(&played.list)
    }

    async fn get(&self, host: &str) -> Result<String> {
        json::to_json(&self.0.lock().unwrap().look(host)?)
    }

    async fn drain(&self, host: &str) -> Result<()> {
        let mut played = self.0.lock().unwrap();
        played.find(host)?.state = "draining".to_owned();
        Ok(())
    }

    async fn activate(&self, host: &str) -> Result<()> {
        let mut played = self.0.lock().unwrap();
        played.find(host)?.state = "active".to_owned();
        Ok(())
    }

    async fn remove(&self, host: &str) -> Result<()> {
        let mut played = self.0.lock().unwrap();
        if played.find(host)?.alive {
            return Err(Error::Refused(format!("host `{host}` is alive")));
        }
        played.list.hosts.retain(|it| it.name != host);
        Ok(())
    }

    async fn confirm_lost(&self, host: &str) -> Result<()> {
        let mut played = self.0.lock().unwrap();
        let found = played.find(host)?;
        if found.alive {
            return Err(Error::Refused(format!("host `{host}` is alive")));
        }
        found.lost = true;
        Ok(())
    }

    #[zbus(name = "Move")]
    async fn move_to(&self, deployment: &str, host: &str) -> Result<()> {
        let mut played = self.0.lock().unwrap();
        played.find(host)?;
        played
            .owned
            .values_mut()
            .for_each(|all| all.retain(|it| it != deployment));
        let of_it = played.owned.entry(host.to_owned()).or_default();
        of_it.push(deployment.to_owned());
        Ok(())
    }

    async fn back_up_store(&self, file: zbus::OwnedFd) -> Result<u64> {
        let mut file = std::fs::File::from(std::os::fd::OwnedFd::from(file));
        file.write_all(&[7; 40_960]).unwrap();
        Ok(40_960)
    }

    async fn get_store(&self) -> Result<String> {
        let member = |number: u8| StoreMember {
            endpoint: format!("https://10.0.0.1{number}:2379"),
            leads: number == 1,
            version: "3.4.23".into(),
            size: 20 << 20,
            used: 3 << 20,
            ..StoreMember::default()
        };
        let silent = StoreMember {
            endpoint: "https://10.0.0.13:2379".into(),
            error: "it is silent".into(),
            ..StoreMember::default()
        };
        json::to_json(&StoreStatus {
            kind: "etcd".into(),
            log: "b6f0".into(),
            cursor: 72_057_594_037_927_936,
            revision: Some(4711),
            file: "/var/lib/cpe/log-b6f0/cpe.db".into(),
            size: 5 << 20,
            free: Some(7 << 30),
            members: vec![member(1), member(2), silent],
            ..StoreStatus::default()
        })
    }
}
