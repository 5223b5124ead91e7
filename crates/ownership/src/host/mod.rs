//! How inputs become effects.

mod changes;
mod claims;
mod handing;
mod membership;
mod orders;
mod overview;
mod running;
mod watching;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::machines::candidates::Candidates;
use crate::machines::changes::Changes;
use crate::machines::guard::Guard;
use crate::machines::holdings::{Holdings, Unit};
use crate::machines::jitter::Jitter;
use crate::machines::membership::Membership;
use crate::machines::pending::{Pending, Purpose};
use crate::machines::seen::Seen;
use crate::machines::view::View;
use crate::vocabulary::{
    DeploymentId, Effect, HostId, Input, Kept, Operation, Order, Reply, Request, RequestId,
    Session, Settings, StoreError, Txn, TxnReply,
};

pub use overview::{HostView, Overview, OwnedView, Owner};

/// One host's part in the ownership of deployments. See the [crate](crate).
#[derive(Clone, Debug)]
pub struct Host {
    settings: Settings,
    jitter: Jitter,
    view: View,
    watch: watching::Watch,
    membership: Membership,
    pending: Pending,
    holdings: Holdings,
    candidates: Candidates,
    claiming: claims::Claiming,
    handing: handing::Handing,
    guard: Guard,
    changes: Changes,
    orders: Vec<orders::Ongoing>,
    seen: Seen,
    effects: VecDeque<Effect>,
}

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its session, while it is open.
    pub session: Option<Session>,
    /// The store has answered lately: its DPEs may act.
    pub may_act: bool,
    /// Very many hosts are gone: nothing is taken from them before a person confirms.
    pub guard_holds: bool,
    /// It is too old to join.
    pub too_old: bool,
    /// It has listed everything once: what it does not know of is not there.
    pub is_synced: bool,
    /// Deployments whose units it has started under records of these revisions, and does not stop:
    /// what it is granted.
    pub granted: Arc<BTreeMap<DeploymentId, u64>>,
    /// Deployments that it has, and is about to run.
    pub waiting: usize,
    /// Deployments whose units it stops or has stopped, while it has their records.
    pub leaving: usize,
}

impl Host {
    /// The machine of a process that starts, and what an earlier one has left.
    pub fn new(settings: Settings, kept: Kept, now_us: u64) -> Host {
        let membership = Membership::new(settings.boot, kept.session, !kept.units.is_empty());
        let mut host = Host {
            jitter: Jitter::new(&settings.host, settings.entropy),
            settings,
            view: View::default(),
            watch: watching::Watch::default(),
            membership,
            pending: Pending::default(),
            holdings: Holdings::default(),
            candidates: Candidates::default(),
            claiming: claims::Claiming::default(),
            handing: handing::Handing::default(),
            guard: Guard::default(),
            changes: Changes::default(),
            orders: Vec::new(),
            seen: Seen::default(),
            effects: VecDeque::new(),
        };
        for (deployment, grant) in kept.units {
            let unit = Unit::Running(grant.revision);
            host.holdings.set_unit(&deployment, unit);
            // Another session's units end before this one's begin.
            if Some(grant.session) != kept.session || grant.session.boot != host.settings.boot {
                host.stop(&deployment, grant.revision);
            }
        }
        host.membership.plan(now_us);
        host.tick(now_us);
        host
    }

    /// Takes what has happened at that time, µs of CLOCK_BOOTTIME.
    pub fn handle(&mut self, now_us: u64, input: Input) {
        match input {
            Input::Answer(id, answer) => self.answered(now_us, id, answer),
            Input::Watched(id, event) => self.watched(now_us, id, event),
            Input::DpeEnded(deployment, revision) => self.ended(now_us, &deployment, revision),
            Input::EpochsUsedUp(deployment, revision) => {
                self.let_go_of_used_up(&deployment, revision);
            }
            Input::Order(Order::Change(change)) => self.begin_change(now_us, change),
            Input::Order(order) => self.ordered(now_us, order),
            Input::Tick => {}
        }
        self.tick(now_us);
    }

    /// The next thing to do; they are to be done in this order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When it wants a [`Input::Tick`], if nothing else happens before.
    pub fn deadline(&self) -> Option<u64> {
        let times = [
            Some(self.membership.next_us()),
            self.pending.deadline(),
            self.watch.deadline(),
            self.claims_deadline(),
            self.holdings.deadline(),
            self.handing_deadline(),
            self.changes.deadline(),
            self.orders_deadline(),
        ];
        times.into_iter().flatten().min()
    }

    /// What it says of itself.
    pub fn status(&self, now_us: u64) -> Status {
        let count = |is_it: fn(Unit) -> bool| {
            let units = self.holdings.names().filter_map(|name| self.unit(name));
            units.filter(|unit| is_it(*unit)).count()
        };
        Status {
            session: self.membership.open(),
            may_act: self.membership.may_act(now_us),
            guard_holds: self.guard.holds(),
            too_old: self.is_too_old(),
            is_synced: self.view.is_synced(),
            granted: Arc::clone(self.holdings.running()),
            waiting: count(|unit| matches!(unit, Unit::Waiting { .. })),
            leaving: count(|unit| matches!(unit, Unit::Ending(_) | Unit::LetGo { .. })),
        }
    }

    /// Deployments that have another owner than when this was asked last, or none, and the host
    /// that each of them has now.
    pub fn take_moved(&mut self) -> Vec<(DeploymentId, Option<HostId>)> {
        let moved = self.view.take_moved().into_iter();
        let with_owner = moved.map(|name| {
            let owner = self.view.owner(&name);
            let host = owner.map(|known| known.value.host.clone());
            (name, host)
        });
        with_owner.collect()
    }

    fn me(&self) -> &HostId {
        &self.settings.host
    }

    /// Does what the time asks for.
    fn tick(&mut self, now_us: u64) {
        for purpose in self.pending.expired(now_us) {
            self.unanswered(now_us, purpose);
        }
        self.keep_watching(now_us);
        self.keep_membership(now_us);
        for deployment in self.holdings.due(now_us) {
            self.reconcile(now_us, &deployment);
        }
        self.claim_what_is_due(now_us);
        self.hand_over_what_is_due(now_us);
        self.attempt_changes(now_us);
        self.attempt_orders(now_us);
    }

    fn send(&mut self, now_us: u64, purpose: Purpose, request: Request) {
        let id = self.pending.note(now_us, purpose);
        self.effects.push_back(Effect::Send(id, request));
    }

    /// An answer to a request of which it is still of interest what came of it.
    fn answered(&mut self, now_us: u64, id: RequestId, answer: Result<Reply, StoreError>) {
        let Some((purpose, sent_us)) = self.pending.take(id) else {
            return;
        };
        match (purpose, answer) {
            (Purpose::Proof { .. }, Ok(Reply::Txn(reply))) => {
                self.proof_answered(now_us, sent_us, &reply);
            }
            (Purpose::Lease, Ok(Reply::Granted(lease))) => self.leased(now_us, lease),
            (Purpose::Open(lease), Ok(Reply::Txn(reply))) => {
                self.opened(now_us, sent_us, lease, &reply);
            }
            (Purpose::Open(_), Err(StoreError::NoLease)) => self.membership.start_over(now_us),
            // The lease is gone, and with it most likely the session: only a proof tells.
            (Purpose::KeepAlive, Err(StoreError::NoLease)) => self.membership.plan(now_us),
            (Purpose::List, Ok(Reply::Listed(revision, entries))) => {
                self.listed(now_us, revision, entries);
            }
            (Purpose::Claim(names, txn), Ok(Reply::Txn(reply))) => {
                self.claimed(now_us, &names, txn, &reply);
            }
            (Purpose::HandOver(name, txn), Ok(Reply::Txn(reply))) => {
                self.handed_over(now_us, &name, txn, &reply);
            }
            (Purpose::Change(id), Ok(Reply::Txn(reply))) => {
                self.change_answered(now_us, id, &reply);
            }
            _ => {}
        }
    }

    /// Something may or may not have been done.
    fn unanswered(&mut self, now_us: u64, purpose: Purpose) {
        match purpose {
            // One proof after another, to another member, until one is answered.
            Purpose::Proof { late: false } | Purpose::Lease | Purpose::Open(_) => {
                self.membership.plan(now_us);
            }
            Purpose::List => self.watch.list_at(now_us),
            Purpose::Claim(names, _) => self.claim_unanswered(now_us, &names),
            Purpose::HandOver(name, _) => self.take_back(now_us, &name),
            Purpose::Change(id) => self.change_unanswered(now_us, id),
            Purpose::Proof { late: true }
            | Purpose::KeepAlive
            | Purpose::Join
            | Purpose::Remove
            | Purpose::Order => {}
        }
    }

    /// Takes what a transaction of this host has read, and what it has written if it was done.
    fn learn(&mut self, now_us: u64, txn: Option<Txn>, reply: &TxnReply) {
        let mut touched = Vec::new();
        if let Some(txn) = txn.filter(|_| reply.succeeded) {
            for operation in txn.then {
                if let Operation::Put(key, value, _) = operation {
                    touched.extend(self.view.learn(key, value, reply.revision));
                }
            }
        }
        for entry in &reply.found {
            let (key, value) = (entry.key.clone(), entry.value.clone());
            touched.extend(self.view.learn(key, value, entry.revision));
        }
        for what in touched {
            self.touched(now_us, what);
        }
    }

    fn unit(&self, deployment: &DeploymentId) -> Option<Unit> {
        self.holdings.get(deployment).map(|holding| holding.unit)
    }
}
