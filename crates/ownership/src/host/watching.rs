//! The view is kept up to date: everything is listed, then watched from there; listed again when
//! the store has forgotten what was missed.

use super::Host;
use crate::machines::pending::Purpose;
use crate::machines::view::Touched;
use crate::vocabulary::timing::{MOST_BEHIND, SOON_US};
use crate::vocabulary::{
    Effect, Entry, HostId, HostRecord, HostState, Request, RequestId, Session, WatchEvent,
};

/// The stream of changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// The stream that counts.
    current: Option<RequestId>,
    /// When to list.
    list_us: Option<u64>,
    /// When to watch.
    watch_us: Option<u64>,
    begun: bool,
    /// The revision of an earlier proof that the watch has not reached, and how many proofs ago.
    behind: (u64, u32),
}

impl Watch {
    pub(super) fn list_at(&mut self, at_us: u64) {
        (self.current, self.list_us, self.watch_us) = (None, Some(at_us), None);
    }

    fn watch_at(&mut self, at_us: u64) {
        (self.current, self.watch_us) = (None, Some(at_us));
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.list_us.into_iter().chain(self.watch_us).min()
    }
}

impl Host {
    pub(super) fn keep_watching(&mut self, now_us: u64) {
        if !self.watch.begun {
            self.watch.begun = true;
            self.watch.list_at(now_us);
        }
        if self.watch.list_us.is_some_and(|at_us| at_us <= now_us) {
            self.watch.list_us = None;
            self.send(now_us, Purpose::List, Request::List);
        }
        if self.watch.watch_us.is_some_and(|at_us| at_us <= now_us) {
            self.watch.watch_us = None;
            // Not a request that is answered: the stream lasts until it ends.
            let id = self.pending.number();
            self.watch.current = Some(id);
            let request = Request::Watch(self.view.revision() + 1);
            self.effects.push_back(Effect::Send(id, request));
        }
    }

    pub(super) fn listed(&mut self, now_us: u64, revision: u64, entries: Vec<Entry>) {
        let sessions: Vec<(HostId, Session)> = self.sessions().collect();
        self.view.listed(revision, entries);
        self.see_all(now_us);
        self.watch.watch_at(now_us);
        for (host, session) in sessions {
            if self.view.alive(&host).is_none() {
                self.is_lost(now_us, &host, session);
            }
        }
        self.count_the_missing(now_us);
        let hosts: Vec<HostId> = self.view.hosts().map(|(name, _)| name.clone()).collect();
        for host in hosts {
            self.settle(&host);
        }
        self.reconcile_all(now_us);
        self.consider_all(now_us);
        self.join(now_us);
    }

    fn sessions(&self) -> impl Iterator<Item = (HostId, Session)> {
        let alive = |name: &HostId| self.view.alive(name).map(|known| known.value);
        self.view
            .hosts()
            .filter_map(move |(name, _)| Some((name.clone(), alive(name)?)))
    }

    /// Hosts that should be there and are not: they count as gone now.
    fn count_the_missing(&mut self, now_us: u64) {
        let is_missing = |(host, record): &(&HostId, &HostRecord)| {
            record.confirmed_lost != Some(record.session)
                && self.view.alive(host).is_none()
                && self.guard.session(host).is_none()
        };
        let missing = self.view.hosts().filter(is_missing);
        let missing: Vec<(HostId, Session)> = missing
            .map(|(host, record)| (host.clone(), record.session))
            .collect();
        for (host, session) in missing {
            self.is_lost(now_us, &host, session);
        }
    }

    /// Another host that takes deployments is gone. One that drains may go, and of this one only a
    /// proof tells.
    fn is_lost(&mut self, now_us: u64, host: &HostId, session: Session) {
        let known = self.view.host(host);
        let is_active = known.is_some_and(|known| known.value.state == HostState::Active);
        if is_active && host != self.me() {
            let hosts = self.view.hosts().count();
            self.guard.lose(now_us, host, session, hosts);
        }
    }

    pub(super) fn watched(&mut self, now_us: u64, id: RequestId, event: WatchEvent) {
        if self.watch.current != Some(id) {
            return;
        }
        match event {
            WatchEvent::Changes(revision, changes) => {
                for touched in self.view.watched(revision, changes) {
                    self.touched(now_us, touched);
                }
            }
            WatchEvent::Compacted => self.watch.list_at(now_us),
            WatchEvent::Ended => self.watch.watch_at(now_us + SOON_US),
        }
    }

    /// A proof has told the store's revision. A watch that does not reach it is begun again.
    pub(super) fn watch_is_behind(&mut self, now_us: u64, revision: u64) {
        let (wanted, proofs) = &mut self.watch.behind;
        if self.view.revision() >= *wanted {
            (*wanted, *proofs) = (revision, 0);
        } else {
            *proofs += 1;
            if *proofs >= MOST_BEHIND && self.watch.current.is_some() {
                (*wanted, *proofs) = (revision, 0);
                self.watch.watch_at(now_us);
            }
        }
    }

    /// Follows what has changed.
    pub(super) fn touched(&mut self, now_us: u64, touched: Touched) {
        match touched {
            Touched::Host(host) => {
                self.see_host(now_us, &host);
                self.settle(&host);
                if host == *self.me() {
                    self.join(now_us);
                }
            }
            Touched::Alive(host, before) => {
                self.see_host(now_us, &host);
                self.host_came_or_went(now_us, &host, before);
            }
            Touched::Deployment(name) | Touched::Owner(name) => {
                self.see_owner(now_us, &name);
                self.reconcile(now_us, &name);
                self.consider(now_us, &name);
            }
        }
    }

    fn host_came_or_went(&mut self, now_us: u64, host: &HostId, before: Option<Session>) {
        let now = self.view.alive(host).map(|known| known.value);
        let is_over = before.is_some() && now != before;
        match before {
            Some(session) if now.is_none() && self.view.host(host).is_some() => {
                self.is_lost(now_us, host, session);
            }
            _ => self.settle(host),
        }
        if host == self.me() {
            if is_over {
                // Only a proof says so for certain.
                self.membership.plan(now_us);
            } else {
                self.join(now_us);
            }
        }
        if is_over {
            let names: Vec<_> = self.view.owned_by(host).cloned().collect();
            for name in names {
                self.consider(now_us, &name);
            }
        }
    }

    /// The guard does not wait for a host that is there, was taken out, or is confirmed to be lost.
    fn settle(&mut self, host: &HostId) {
        let Some(session) = self.guard.session(host) else {
            return;
        };
        let is_settled = match self.view.host(host) {
            None => true,
            Some(known) => known.value.confirmed_lost == Some(session),
        };
        if is_settled || self.view.alive(host).is_some() {
            self.guard.settle(host, self.view.hosts().count());
        }
    }
}
