//! The members of the modelled store: who leads, who reaches whom. A transaction is applied when it
//! reaches a leader that a quorum follows; what a former leader has taken may be applied late, or
//! never; and a former leader answers keepalives from memory.

use std::collections::BTreeSet;

use ownership::LeaseId;

/// One member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) down: bool,
    pub(crate) paused: bool,
    /// It takes itself for the leader: the leases that it knows.
    pub(crate) memory: Option<BTreeSet<LeaseId>>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) all: Vec<Member>,
    /// Pairs that do not reach each other.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    pub(crate) leader: Option<usize>,
    /// An election is planned.
    pub(crate) electing: bool,
}

impl Members {
    pub(crate) fn new(count: usize) -> Members {
        Members {
            all: vec![Member::default(); count],
            cut: BTreeSet::new(),
            leader: Some(0),
            electing: false,
        }
    }

    fn runs(&self, member: usize) -> bool {
        let it = &self.all[member];
        !it.down && !it.paused
    }

    pub(crate) fn reaches(&self, a: usize, b: usize) -> bool {
        a == b || !self.cut.contains(&(a.min(b), a.max(b)))
    }

    /// Whether enough members follow that one.
    pub(crate) fn has_quorum(&self, member: usize) -> bool {
        let count = self.all.len();
        let follows = |other: &usize| self.runs(*other) && self.reaches(member, *other);
        self.runs(member) && (0..count).filter(follows).count() > count / 2
    }

    /// The leader, if a quorum follows it.
    pub(crate) fn leading(&self) -> Option<usize> {
        self.leader.filter(|leader| self.has_quorum(*leader))
    }

    /// The leader that a member reaches.
    pub(crate) fn leader_for(&self, member: usize) -> Option<usize> {
        let leader = self.leading()?;
        (self.runs(member) && self.reaches(member, leader)).then_some(leader)
    }

    pub(crate) fn can_lead(&self) -> Vec<usize> {
        let all = 0..self.all.len();
        all.filter(|member| self.has_quorum(*member)).collect()
    }
}
