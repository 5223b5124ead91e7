//! Requests that the store has not answered.

use std::collections::BTreeMap;

use crate::vocabulary::timing::{CALL_US, LIST_US, PERMIT_US};
use crate::vocabulary::{ChangeId, DeploymentId, LeaseId, RequestId, Txn};

/// What a request is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// To prove the session. Late: another one was sent since, but this one may still count.
    Proof {
        /// See above.
        late: bool,
    },
    /// A lease for a session.
    Lease,
    /// To write `alive`.
    Open(LeaseId),
    /// To renew the lease.
    KeepAlive,
    /// Everything.
    List,
    /// To write this host's own record.
    Join,
    /// To claim these deployments.
    Claim(Vec<DeploymentId>, Txn),
    /// To hand a deployment over.
    HandOver(DeploymentId, Txn),
    /// To remove the records of a deployment that is ended.
    Remove,
    /// A step of a change.
    Change(ChangeId),
    /// What people want of a host.
    Order,
}

impl Purpose {
    /// It means nothing to another session.
    fn is_of_the_session(&self) -> bool {
        !matches!(self, Purpose::List | Purpose::Change(_) | Purpose::Order)
    }
}

#[derive(Clone, Debug)]
struct Asked {
    purpose: Purpose,
    sent_us: u64,
    until_us: u64,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    asked: BTreeMap<RequestId, Asked>,
    last: u64,
}

impl Pending {
    /// A new request's number.
    pub(crate) fn number(&mut self) -> RequestId {
        self.last += 1;
        RequestId(self.last)
    }

    /// Notes a request that is sent now.
    pub(crate) fn note(&mut self, now_us: u64, purpose: Purpose) -> RequestId {
        let id = self.number();
        let wait_us = match purpose {
            Purpose::List => LIST_US,
            _ => CALL_US,
        };
        let asked = Asked {
            purpose,
            sent_us: now_us,
            until_us: now_us + wait_us,
        };
        self.asked.insert(id, asked);
        id
    }

    /// Takes a request that is answered, with the time of its sending. `None`: an answer that
    /// nobody waits for any more.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<(Purpose, u64)> {
        let asked = self.asked.remove(&id)?;
        Some((asked.purpose, asked.sent_us))
    }

    /// Takes those that were not answered in time. A proof is kept for as long as it could count.
    pub(crate) fn expired(&mut self, now_us: u64) -> Vec<Purpose> {
        let due = |(id, asked): (&RequestId, &Asked)| (asked.until_us <= now_us).then_some(*id);
        let ids: Vec<RequestId> = self.asked.iter().filter_map(due).collect();
        let mut found = Vec::new();
        for id in ids {
            let Some(mut asked) = self.asked.remove(&id) else {
                continue;
            };
            found.push(asked.purpose.clone());
            if matches!(asked.purpose, Purpose::Proof { late: false }) {
                asked.purpose = Purpose::Proof { late: true };
                asked.until_us = asked.sent_us + PERMIT_US;
                self.asked.insert(id, asked);
            }
        }
        found
    }

    /// Whether something of that kind is under way.
    pub(crate) fn any(&self, is_it: impl Fn(&Purpose) -> bool) -> bool {
        self.asked.values().any(|asked| is_it(&asked.purpose))
    }

    /// Drops what belongs to a session that is over.
    pub(crate) fn forget_session(&mut self) {
        self.asked
            .retain(|_, asked| !asked.purpose.is_of_the_session());
    }

    /// When the first one expires.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.asked.values().map(|asked| asked.until_us).min()
    }
}
