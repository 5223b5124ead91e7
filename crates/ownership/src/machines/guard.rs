//! The herd guard: if very many hosts seem to be gone at once, it is more likely that something
//! else is wrong, and nothing is taken from them before a person says so or they are back.

use std::collections::{BTreeMap, BTreeSet};

use crate::vocabulary::timing::{HERD_PERCENT, HERD_US};
use crate::vocabulary::{HostId, Session};

/// Who is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Since when, and which session.
    gone: BTreeMap<HostId, (u64, Session)>,
    /// The herd that is waited for.
    herd: BTreeSet<HostId>,
    last_loss_us: Option<u64>,
}

/// Whether that many of all hosts are a herd.
fn is_herd(gone: usize, hosts: usize) -> bool {
    gone >= 2 && gone * 100 > hosts * HERD_PERCENT
}

impl Guard {
    /// A host is gone. `hosts`: how many there are.
    pub(crate) fn lose(&mut self, now_us: u64, host: &HostId, session: Session, hosts: usize) {
        self.gone.insert(host.clone(), (now_us, session));
        self.last_loss_us = Some(now_us);
        let recent = |(_, (at_us, _)): &(&HostId, &(u64, Session))| *at_us + HERD_US > now_us;
        let recent: Vec<HostId> = self
            .gone
            .iter()
            .filter(recent)
            .map(|(host, _)| host.clone())
            .collect();
        if is_herd(recent.len(), hosts) {
            self.herd.extend(recent);
        }
    }

    /// A host is back, was taken out, or is confirmed to be lost.
    pub(crate) fn settle(&mut self, host: &HostId, hosts: usize) {
        self.gone.remove(host);
        self.herd.remove(host);
        if !is_herd(self.herd.len(), hosts) {
            self.herd.clear();
        }
    }

    /// Whether nothing may be taken from hosts that are gone.
    pub(crate) fn holds(&self) -> bool {
        !self.herd.is_empty()
    }

    /// Whether it waits for that host.
    pub(crate) fn waits_for(&self, host: &HostId) -> bool {
        self.herd.contains(host)
    }

    /// The session of a host that is gone.
    pub(crate) fn session(&self, host: &HostId) -> Option<Session> {
        self.gone.get(host).map(|(_, session)| *session)
    }

    /// When a host was last seen to go.
    pub(crate) fn last_loss_us(&self) -> Option<u64> {
        self.last_loss_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lose(guard: &mut Guard, at_s: u64, host: &str, hosts: usize) {
        let session = Session { boot: 1, number: 1 };
        guard.lose(at_s * 1_000_000, &HostId::new(host), session, hosts);
    }

    #[test]
    fn one_host_is_no_herd_and_a_third_of_them_is() {
        let mut guard = Guard::default();
        lose(&mut guard, 1, "a", 3);
        assert!(!guard.holds());
        lose(&mut guard, 2, "b", 3);
        assert!(guard.holds());
        guard.settle(&HostId::new("a"), 3);
        assert!(!guard.holds());
    }

    #[test]
    fn hosts_that_go_one_after_another_are_no_herd() {
        let mut guard = Guard::default();
        lose(&mut guard, 1, "a", 4);
        lose(&mut guard, 62, "b", 4);
        assert!(!guard.holds());
        lose(&mut guard, 100, "c", 4);
        assert!(guard.holds());
    }
}
