//! Deployments go to other hosts: from one that drains, from one that has more than its share, and
//! where somebody says so. The DPE has ended before the record is given away.

use super::Host;
use crate::machines::holdings::{Intent, Unit};
use crate::machines::pending::Purpose;
use crate::machines::rendezvous::{self, Lot};
use crate::vocabulary::timing::{BALANCE_US, DRAIN_US, MOST_HANDED, QUIET_US, SHARE_PARTS};
use crate::vocabulary::{
    Compare, DeploymentId, HostId, HostRecord, HostState, Key, Operation, Origin, OwnerRecord,
    Request, Txn, TxnReply, Value,
};

/// Deployments that are looked at for one that another host should have.
const MOST_LOOKED_AT: usize = 64;

/// When the next one goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Handing {
    next_us: u64,
}

/// What each host should have.
#[derive(Clone, Copy, Debug)]
struct Shares {
    deployments: u64,
    /// Of all hosts that take deployments.
    capacity: u64,
}

impl Shares {
    /// A host's part, by its capacity.
    fn of(&self, record: &HostRecord) -> u64 {
        self.deployments * u64::from(record.capacity) / self.capacity.max(1)
    }

    /// Whether a host has less than its part.
    fn leave_room(&self, of: &Host, host: &HostId, record: &HostRecord) -> bool {
        of.view.load(host) < self.of(record)
    }
}

impl Host {
    pub(super) fn handing_deadline(&self) -> Option<u64> {
        self.membership.open().map(|_| self.handing.next_us)
    }

    /// Lets go of one deployment, if it is time to.
    pub(super) fn hand_over_what_is_due(&mut self, now_us: u64) {
        if self.membership.open().is_none() || now_us < self.handing.next_us {
            return;
        }
        let record = self.view.host(self.me()).map(|known| known.value.clone());
        let drains = record.is_some_and(|record| record.state == HostState::Draining);
        self.handing.next_us = now_us + if drains { DRAIN_US } else { BALANCE_US };
        self.join(now_us);
        if self.holdings.handed() >= MOST_HANDED || !self.membership.may_act(now_us) {
            return;
        }
        let chosen = if drains {
            self.next_to_drain()
        } else {
            self.next_to_balance(now_us)
        };
        if let Some((name, to)) = chosen {
            self.let_go_to(&name, to);
        }
    }

    /// One that goes to a host below its share, if there is one: else it would go on from there.
    fn next_to_drain(&self) -> Option<(DeploymentId, HostId)> {
        let shares = self.shares();
        let is_below = |host: &HostId, record: &HostRecord| shares.leave_room(self, host, record);
        let mut steady = self.holdings.steady();
        steady.find_map(|name| {
            let to = self
                .best(name, is_below)
                .or_else(|| self.best(name, |_, _| true))?;
            Some((name.clone(), to))
        })
    }

    fn shares(&self) -> Shares {
        let takers = self.view.takers();
        Shares {
            deployments: self.view.deployments().len() as u64,
            capacity: takers.map(|(_, it)| u64::from(it.capacity)).sum(),
        }
    }

    /// The best host for a deployment among the others that can take it and of which that holds.
    fn best(
        &self,
        name: &DeploymentId,
        suits: impl Fn(&HostId, &HostRecord) -> bool,
    ) -> Option<HostId> {
        let needs = &self.view.deployment(name)?.value.needs;
        let able = self.view.takers().filter(|(host, record)| {
            *host != self.me() && self.can_take(host, record, needs) && suits(host, record)
        });
        rendezvous::best(name, able).cloned()
    }

    /// Of what this host has above its share, one that goes to a host below its own.
    fn next_to_balance(&self, now_us: u64) -> Option<(DeploymentId, HostId)> {
        let last_us = self.guard.last_loss_us();
        if last_us.is_some_and(|last_us| now_us < last_us + QUIET_US) || self.guard.holds() {
            return None;
        }
        let shares = self.shares();
        let own = shares.of(&self.settings.record);
        let load = self.view.load(self.me());
        if load <= own + (own / SHARE_PARTS).max(1) {
            return None;
        }
        let is_below = |host: &HostId, record: &HostRecord| shares.leave_room(self, host, record);
        let capacity = self.settings.record.capacity;
        let steady: Vec<&DeploymentId> = self.holdings.steady().take(MOST_LOOKED_AT).collect();
        let is_theirs = |name: &DeploymentId, to: &HostId| {
            let record = self.view.host(to);
            let theirs = record.map(|known| Lot::draw(name, to, known.value.capacity));
            theirs.is_some_and(|theirs| theirs.beats(&Lot::draw(name, self.me(), capacity)))
        };
        let mut found: Option<(DeploymentId, HostId)> = None;
        for name in steady {
            let Some(to) = self.best(name, is_below) else {
                continue;
            };
            if is_theirs(name, &to) {
                return Some((name.clone(), to));
            }
            found.get_or_insert((name.clone(), to));
        }
        found
    }

    /// Ends the unit of a deployment that goes to another host.
    pub(super) fn let_go_to(&mut self, name: &DeploymentId, to: HostId) {
        if let Some(Unit::Running(revision)) = self.unit(name) {
            self.let_go(name, revision, Intent::HandOver(to));
        }
    }

    /// Gives the record away. The unit has ended.
    pub(super) fn hand_over(&mut self, now_us: u64, name: &DeploymentId, to: &HostId) {
        let is_busy = |it: &Purpose| matches!(it, Purpose::HandOver(other, _) if other == name);
        if self.pending.any(is_busy) {
            return;
        }
        let session = self.view.alive(to).map(|known| known.value);
        let revision = self.view.owner(name).map(|known| known.revision);
        let (Some(session), Some(revision)) = (session, revision) else {
            self.take_back(now_us, name);
            return;
        };
        let own = Key::Owner(name.clone());
        let alive = Compare::Holds(Key::Alive(to.clone()), Value::Alive(session));
        let owner = OwnerRecord {
            host: to.clone(),
            session,
            origin: Origin::Handed(self.me().clone()),
        };
        let value = Value::Owner(owner.into());
        let txn = Txn {
            compare: vec![Compare::Revision(own.clone(), revision), alive],
            then: vec![Operation::Put(own.clone(), value, None)],
            otherwise: vec![Operation::Get(own)],
        };
        let purpose = Purpose::HandOver(name.clone(), txn.clone());
        self.send(now_us, purpose, Request::Txn(txn));
    }

    pub(super) fn handed_over(
        &mut self,
        now_us: u64,
        name: &DeploymentId,
        txn: Txn,
        reply: &TxnReply,
    ) {
        self.learn(now_us, Some(txn), reply);
        if !reply.succeeded {
            self.take_back(now_us, name);
        }
    }

    /// It was not given away, or may have been. What is still this host's is claimed again: with
    /// another revision no late request can give it away behind its back.
    pub(super) fn take_back(&mut self, now_us: u64, name: &DeploymentId) {
        self.holdings.set_intent(name, Some(Intent::Again));
        self.reconcile(now_us, name);
    }

    /// Removes what is left of a deployment that is destroyed. The unit has ended.
    pub(super) fn remove_records(&mut self, now_us: u64, name: &DeploymentId) {
        let Some(known) = self.view.owner(name) else {
            return;
        };
        let own = Key::Owner(name.clone());
        let txn = Txn {
            compare: vec![Compare::Revision(own.clone(), known.revision)],
            then: vec![
                Operation::Delete(own),
                Operation::Delete(Key::Deployment(name.clone())),
            ],
            otherwise: Vec::new(),
        };
        self.send(now_us, Purpose::Remove, Request::Txn(txn));
    }
}
