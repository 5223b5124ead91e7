//! What happens to hosts and to their store, and how it ends.

use super::{Hosts, NAMES, in_network};
use crate::system::System;

impl Hosts {
    /// The power of a host is cut: everything in it is gone at once.
    #[track_caller]
    pub fn cut_power(&mut self, host: &str) {
        let lab = self.running.remove(host);
        drop(lab.unwrap_or_else(|| panic!("{host} has no power")));
    }

    /// It is switched on again, with its disk.
    #[track_caller]
    pub fn switch_on(&mut self, host: &'static str) {
        self.power_on(host);
        let lab = self.host(host);
        lab.sh("systemctl start --no-block cpe.service").ok();
        lab.wait("cpe runs on the host that was switched on", 30, || {
            lab.cpectl(&["list"]).code == 0
        });
    }

    /// All of a host stands still.
    #[track_caller]
    pub fn freeze(&mut self, host: &'static str) {
        self.still.insert(host);
        let lab = self.host(host);
        lab.script(&["freeze", lab.name()], &[]).ok();
    }

    /// It goes on.
    #[track_caller]
    pub fn thaw(&mut self, host: &str) {
        let lab = self.host(host);
        lab.script(&["thaw", lab.name()], &[]).ok();
        self.still.remove(host);
    }

    /// The cable of a host: `down` or `up`. Without it nobody is reached, no guest either.
    #[track_caller]
    pub fn cable(&self, host: &str, state: &str) {
        let link = ["/srv/lab/guests.sh", "link", host, state];
        self.cloud.run(&link).ok();
    }

    /// A host's clients reach no member of etcd, also not its own; it reaches all else.
    #[track_caller]
    pub fn cut_from_store(&self, host: &str) {
        let rule = "nft add rule inet fault out tcp dport 2379 drop";
        self.host(host).sh(rule).ok();
    }

    /// They do again.
    #[track_caller]
    pub fn heal_store(&self, host: &str) {
        self.host(host).sh("nft flush chain inet fault out").ok();
    }

    /// kill -9 of a member of etcd. It stays away.
    #[track_caller]
    pub fn kill_member(&self, host: &str) {
        let kill = "systemctl kill -s KILL etcd.service";
        self.host(host).sh(kill).ok();
    }

    /// It is started again.
    #[track_caller]
    pub fn start_member(&self, host: &str) {
        let start =
            "systemctl reset-failed etcd.service || :; systemctl start --no-block etcd.service";
        self.host(host).sh(start).ok();
    }

    /// The host whose member leads etcd.
    #[track_caller]
    pub fn leader(&self) -> &'static str {
        NAMES[in_network(&self.cloud, async || self.store.leader().await)]
    }
}
