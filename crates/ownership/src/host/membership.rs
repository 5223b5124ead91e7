//! The session: opened, proved every second, lost, and opened again when nothing of it is left.

use super::Host;
use crate::machines::membership::Phase;
use crate::machines::pending::Purpose;
use crate::machines::view;
use crate::vocabulary::timing::{RETRY_US, TTL_US};
use crate::vocabulary::{
    Compare, Effect, HostRecord, Key, LeaseId, Operation, Request, Txn, TxnReply, Value,
};

impl Host {
    /// Whether the cluster has left this host's version behind.
    pub(super) fn is_too_old(&self) -> bool {
        let meta = self.view.meta();
        meta.is_some_and(|meta| meta.least > self.settings.record.version)
    }

    /// Sends what the session needs now.
    pub(super) fn keep_membership(&mut self, now_us: u64) {
        let phase = self.membership.phase();
        if phase == Phase::Ending && !self.holdings.has_units() {
            // Nothing of the former session is left; what was let go of belonged to it.
            self.holdings.clear();
            self.membership.start_over(now_us);
        }
        if self.membership.next_us() > now_us {
            return;
        }
        // If it is not answered, what is pending expires before this.
        self.membership.plan(now_us + RETRY_US);
        match self.membership.phase() {
            Phase::Ending => {}
            Phase::Leasing if self.is_too_old() || !self.view.is_synced() => {}
            Phase::Leasing => {
                let request = Request::LeaseGrant(TTL_US / 1_000);
                self.send(now_us, Purpose::Lease, request);
            }
            Phase::Opening(lease) => self.open(now_us, lease),
            // One at a time: on a slow way each late answer would call for another one.
            Phase::Resuming | Phase::Open(_) => {
                let is_asked = |it: &Purpose| matches!(it, Purpose::Proof { late: false });
                if !self.pending.any(is_asked) {
                    self.prove(now_us);
                }
            }
        }
    }

    /// A read that only the store as a whole can answer: whether this session is alive.
    fn prove(&mut self, now_us: u64) {
        let alive = Key::Alive(self.me().clone());
        let session = Value::Alive(self.membership.session());
        let txn = Txn {
            compare: vec![Compare::Holds(alive.clone(), session)],
            then: vec![Operation::Get(alive.clone())],
            otherwise: vec![Operation::Get(alive)],
        };
        let purpose = Purpose::Proof { late: false };
        self.send(now_us, purpose, Request::Txn(txn));
    }

    pub(super) fn proof_answered(&mut self, now_us: u64, sent_us: u64, reply: &TxnReply) {
        if !reply.succeeded {
            self.lose_session(now_us);
            return;
        }
        let is_new = self.membership.open().is_none();
        let Some((_, Some(lease))) = view::session_in(&reply.found) else {
            return;
        };
        if let Some(permit) = self.membership.proved(sent_us, lease) {
            self.effects.push_back(Effect::Publish(permit));
            // Only after a proof: a host that hears no answers must not stay alive.
            self.send(now_us, Purpose::KeepAlive, Request::LeaseKeepAlive(lease));
        }
        self.watch_is_behind(now_us, reply.revision);
        if is_new {
            self.learn(now_us, None, reply);
            self.begin_session(now_us);
        }
    }

    pub(super) fn leased(&mut self, now_us: u64, lease: LeaseId) {
        if self.membership.phase() != Phase::Leasing {
            return;
        }
        let session = self.membership.begin(lease);
        self.effects.push_back(Effect::Keep(session));
        self.membership.plan(now_us);
    }

    fn open(&mut self, now_us: u64, lease: LeaseId) {
        let alive = Key::Alive(self.me().clone());
        let session = Value::Alive(self.membership.session());
        let txn = Txn {
            compare: vec![Compare::Absent(alive.clone())],
            then: vec![Operation::Put(alive.clone(), session, Some(lease))],
            otherwise: vec![Operation::Get(alive)],
        };
        self.send(now_us, Purpose::Open(lease), Request::Txn(txn));
    }

    pub(super) fn opened(&mut self, now_us: u64, sent_us: u64, lease: LeaseId, reply: &TxnReply) {
        if self.membership.phase() != Phase::Opening(lease) {
            return;
        }
        let found = view::session_in(&reply.found).map(|(session, _)| session);
        // An attempt that was not answered has written it.
        let is_mine = found == Some(self.membership.session());
        if !reply.succeeded && !is_mine {
            // An earlier session has not ended yet. A lease of its own for each attempt.
            self.membership.start_over(now_us + RETRY_US);
            return;
        }
        if let Some(permit) = self.membership.proved(sent_us, lease) {
            self.effects.push_back(Effect::Publish(permit));
        }
        let key = Key::Alive(self.me().clone());
        let value = Value::Alive(self.membership.session());
        let revision = reply.found.first().map_or(reply.revision, |it| it.revision);
        if let Some(touched) = self.view.learn(key, value, revision) {
            self.touched(now_us, touched);
        }
        self.begin_session(now_us);
    }

    /// The session is open: what it has is run, what it had is claimed again.
    fn begin_session(&mut self, now_us: u64) {
        self.claiming.settle(now_us);
        self.reconcile_all(now_us);
        self.consider_all(now_us);
    }

    /// The session is over for ever, and others may take what it had.
    fn lose_session(&mut self, now_us: u64) {
        let permit = self.membership.lost();
        self.effects.push_back(Effect::Publish(permit));
        self.pending.forget_session();
        self.candidates.clear();
        self.reconcile_all(now_us);
        self.membership.plan(now_us);
    }

    /// Writes what this host is, if the store says otherwise. The rest is the administrators'.
    pub(super) fn join(&mut self, now_us: u64) {
        let is_busy = self.pending.any(|it| matches!(it, Purpose::Join));
        if self.membership.open().is_none() || !self.view.is_synced() || is_busy {
            return;
        }
        let key = Key::Host(self.me().clone());
        let own = HostRecord {
            session: self.membership.session(),
            ..self.settings.record.clone()
        };
        let (compare, record) = match self.view.host(self.me()) {
            None => (Compare::Absent(key.clone()), own),
            Some(known) => {
                let record = HostRecord {
                    state: known.value.state,
                    confirmed_lost: known.value.confirmed_lost,
                    ..own
                };
                if record == *known.value {
                    return;
                }
                (Compare::Revision(key.clone(), known.revision), record)
            }
        };
        let txn = Txn {
            compare: vec![compare],
            then: vec![Operation::Put(key, Value::Host(record.into()), None)],
            otherwise: Vec::new(),
        };
        self.send(now_us, Purpose::Join, Request::Txn(txn));
    }
}
