//! Claims: who takes what nobody runs, when, and under which compares.

use super::Host;
use crate::machines::holdings::{Intent, Unit};
use crate::machines::pending::Purpose;
use crate::machines::rendezvous::Lot;
use crate::vocabulary::timing::{
    JITTER_US, MOST_CLAIMED, MOST_RANKS, RANK_US, RECLAIM_US, RETRY_US, SETTLE_US,
};
use crate::vocabulary::{
    Compare, DeploymentId, HostId, HostRecord, Key, Needs, Operation, Origin, OwnerRecord, Request,
    Session, Txn, TxnReply, Value,
};

/// How claims are made at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claiming {
    /// Deployments in one claim: half as many after a refusal that does not tell which of them have
    /// an owner by now.
    most: usize,
    /// The same for all that are found at one time: they go into one claim.
    jitter_us: u64,
    /// Before that nothing is taken that this host did not have.
    settled_us: u64,
}

impl Claiming {
    /// The host has come at that time.
    pub(super) fn settle(&mut self, now_us: u64) {
        self.settled_us = now_us + SETTLE_US;
    }
}

impl Default for Claiming {
    fn default() -> Claiming {
        Claiming {
            most: MOST_CLAIMED,
            jitter_us: 0,
            settled_us: 0,
        }
    }
}

/// Why this host may claim a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Title {
    /// It has no owner; the revision of its record `dep`.
    New(u64),
    /// This host had it in an earlier session, or let go of it.
    Mine(u64, Origin),
    /// The session that has it is over: revision of `own`, host, revision of `alive` if there is
    /// another session.
    Lost(u64, HostId, Option<u64>),
}

impl Host {
    /// Why this session may claim it, if it may.
    fn title(&self, session: Session, name: &DeploymentId) -> Option<Title> {
        let deployment = self.view.deployment(name)?;
        let Some(known) = self.view.owner(name) else {
            return Some(Title::New(deployment.revision));
        };
        let owner: &OwnerRecord = &known.value;
        if owner.host == *self.me() {
            let origin = self.mine_again(session, name, known.revision, owner)?;
            return Some(Title::Mine(known.revision, origin));
        }
        match self.view.alive(&owner.host) {
            Some(alive) if alive.value == owner.session => None,
            alive => {
                let alive = alive.map(|known| known.revision);
                Some(Title::Lost(known.revision, owner.host.clone(), alive))
            }
        }
    }

    /// With which origin this host claims a deployment again that names it. A wait that may not be
    /// over is begun again.
    fn mine_again(
        &self,
        session: Session,
        name: &DeploymentId,
        revision: u64,
        owner: &OwnerRecord,
    ) -> Option<Origin> {
        let unfinished = match &owner.origin {
            Origin::Taken(from) => Origin::Taken(from.clone()),
            _ => Origin::Again,
        };
        if owner.session == session {
            let holding = self.holdings.get(name)?;
            let is_again = holding.intent.is_none() || holding.intent == Some(Intent::Again);
            return match holding.unit {
                Unit::LetGo {
                    revision: held,
                    waited,
                } if held == revision && is_again => {
                    Some(if waited { Origin::Again } else { unfinished })
                }
                _ => None,
            };
        }
        // Units of an earlier session of this boot have ended before this session began. Of another
        // boot, they may run on another machine that has this host's name.
        let is_this_boot = owner.session.boot == session.boot;
        Some(if is_this_boot {
            unfinished
        } else {
            Origin::Taken(self.me().clone())
        })
    }

    /// Whether a host can take one more deployment that has these needs.
    pub(super) fn can_take(&self, host: &HostId, record: &HostRecord, needs: &Needs) -> bool {
        self.view.load(host) < u64::from(record.capacity) && needs.are_met_by(record)
    }

    /// How many hosts come before this one for a deployment. `None`: it cannot take it.
    fn rank(&self, name: &DeploymentId) -> Option<u64> {
        let needs = &self.view.deployment(name)?.value.needs;
        let me = self.view.takers().find(|(host, _)| *host == self.me())?;
        if !self.can_take(me.0, me.1, needs) {
            return None;
        }
        let own = Lot::draw(name, me.0, me.1.capacity);
        let others = self.view.takers().filter(|(host, record)| {
            *host != self.me()
                && Lot::draw(name, host, record.capacity).beats(&own)
                && self.can_take(host, record, needs)
        });
        Some(others.count() as u64)
    }

    /// When this host may claim a deployment, from when it was found without owner on.
    fn delay_us(&self, title: &Title, name: &DeploymentId) -> Option<u64> {
        match title {
            Title::Mine(..) => Some(0),
            Title::Lost(..) if self.guard.holds() => None,
            _ => {
                let ranks = self.rank(name)?.min(MOST_RANKS);
                Some(ranks * RANK_US + self.claiming.jitter_us)
            }
        }
    }

    pub(super) fn consider_all(&mut self, now_us: u64) {
        let names: Vec<DeploymentId> = self.view.deployments().cloned().collect();
        for name in names {
            self.consider(now_us, &name);
        }
    }

    /// Notes whether a deployment is to be claimed.
    pub(super) fn consider(&mut self, now_us: u64, name: &DeploymentId) {
        let session = self.membership.open().filter(|_| self.view.is_synced());
        let title = session.and_then(|session| self.title(session, name));
        let Some(title) = title else {
            self.candidates.remove(name);
            return;
        };
        if self.candidates.is_empty() {
            self.claiming.jitter_us = self.jitter.below(JITTER_US);
        }
        let is_known = self.candidates.since_us(name).is_some();
        if !is_known || matches!(title, Title::Mine(..)) {
            let wait_us = self.delay_us(&title, name).unwrap_or(RETRY_US);
            self.candidates.plan(now_us, name, now_us + wait_us);
        }
    }

    pub(super) fn claims_deadline(&self) -> Option<u64> {
        // While one is under way its answer, or that there is none, comes first.
        let is_busy = self.pending.any(|it| matches!(it, Purpose::Claim(..)));
        self.candidates.deadline().filter(|_| !is_busy)
    }

    /// Claims what is due, in one transaction at a time.
    pub(super) fn claim_what_is_due(&mut self, now_us: u64) {
        let Some(session) = self.membership.open() else {
            return;
        };
        if self.pending.any(|it| matches!(it, Purpose::Claim(..))) {
            return;
        }
        let capacity = u64::from(self.settings.record.capacity);
        let mut room = capacity.saturating_sub(self.view.load(self.me()));
        let mut chosen: Vec<(DeploymentId, Title)> = Vec::new();
        while chosen.len() < self.claiming.most {
            let Some(name) = self.candidates.first_due(now_us) else {
                break;
            };
            let Some(title) = self.title(session, &name) else {
                self.candidates.remove(&name);
                continue;
            };
            let since_us = self.candidates.since_us(&name).unwrap_or(now_us);
            let is_mine = matches!(title, Title::Mine(..));
            let settled_us = if is_mine { 0 } else { self.claiming.settled_us };
            let wait_us = self.delay_us(&title, &name);
            let due_us = wait_us.map(|wait_us| since_us.max(settled_us) + wait_us);
            match due_us.filter(|_| room > 0 || is_mine) {
                Some(due_us) if due_us <= now_us => {
                    room = room.saturating_sub(u64::from(!is_mine));
                    self.candidates.plan(now_us, &name, now_us + RETRY_US);
                    chosen.push((name, title));
                }
                Some(due_us) => self.candidates.plan(now_us, &name, due_us),
                None => self.candidates.plan(now_us, &name, now_us + RETRY_US),
            }
        }
        if !chosen.is_empty() {
            let txn = self.claim(session, &chosen);
            let names = chosen.into_iter().map(|(name, _)| name).collect();
            let purpose = Purpose::Claim(names, txn.clone());
            self.send(now_us, purpose, Request::Txn(txn));
        }
    }

    /// The transaction that claims all of these, or none.
    fn claim(&self, session: Session, chosen: &[(DeploymentId, Title)]) -> Txn {
        let me = self.me().clone();
        let alive = Key::Alive(me.clone());
        let mut txn = Txn {
            compare: vec![Compare::Holds(alive, Value::Alive(session))],
            ..Txn::default()
        };
        for (name, title) in chosen {
            let own = Key::Owner(name.clone());
            let (compares, origin) = match title.clone() {
                Title::New(revision) => {
                    let is_there = Compare::Revision(Key::Deployment(name.clone()), revision);
                    (vec![Compare::Absent(own.clone()), is_there], Origin::New)
                }
                Title::Mine(revision, origin) => {
                    (vec![Compare::Revision(own.clone(), revision)], origin)
                }
                Title::Lost(revision, from, alive) => {
                    let key = Key::Alive(from.clone());
                    let is_over = match alive {
                        None => Compare::Absent(key),
                        Some(revision) => Compare::Revision(key, revision),
                    };
                    let is_same = Compare::Revision(own.clone(), revision);
                    (vec![is_same, is_over], Origin::Taken(from))
                }
            };
            for compare in compares {
                if !txn.compare.contains(&compare) {
                    txn.compare.push(compare);
                }
            }
            let owner = OwnerRecord {
                host: me.clone(),
                session,
                origin,
            };
            let value = Value::Owner(owner.into());
            txn.then.push(Operation::Put(own.clone(), value, None));
            txn.otherwise.push(Operation::Get(own));
        }
        txn
    }

    pub(super) fn claimed(
        &mut self,
        now_us: u64,
        names: &[DeploymentId],
        txn: Txn,
        reply: &TxnReply,
    ) {
        self.learn(now_us, Some(txn), reply);
        let is_open = |name: &&DeploymentId| self.candidates.since_us(name).is_some();
        let open = names.iter().filter(is_open).count();
        if reply.succeeded {
            self.claiming.most = (self.claiming.most * 2).min(MOST_CLAIMED);
        } else if open == names.len() {
            self.claiming.most = (names.len() / 2).max(1);
        }
        if !reply.succeeded {
            self.claim_unanswered(now_us, names);
        }
    }

    /// It is not known who has them: they are looked at again, and by then the watch may say.
    pub(super) fn claim_unanswered(&mut self, now_us: u64, names: &[DeploymentId]) {
        let wait_us = RECLAIM_US + self.jitter.below(RECLAIM_US);
        for name in names {
            if self.candidates.since_us(name).is_some() {
                self.candidates.plan(now_us, name, now_us + wait_us);
            }
        }
    }
}
