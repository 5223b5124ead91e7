//! A host's session and its permit.

use crate::vocabulary::timing::{PERMIT_US, PROOF_US};
use crate::vocabulary::{LeaseId, Permit, Session};

/// Where the session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is over; its units have to end.
    Ending,
    /// A lease is needed for the next one.
    Leasing,
    /// `alive` is to be written.
    Opening(LeaseId),
    /// An earlier process has had it; whether it is still alive has to be asked.
    Resuming,
    /// It is alive, as far as is known.
    Open(LeaseId),
}

/// The session of a host.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    phase: Phase,
    session: Session,
    permit_us: u64,
    /// When something is to be sent for it again.
    next_us: u64,
    /// An earlier process has begun it: what that was about to give away is not known.
    inherited: bool,
}

impl Membership {
    /// That of a process which has found this session, if any. `has_units`: and units beside it.
    pub(crate) fn new(boot: u64, kept: Option<Session>, has_units: bool) -> Membership {
        let kept = kept.filter(|session| session.boot == boot);
        let phase = match kept {
            Some(_) => Phase::Resuming,
            None if has_units => Phase::Ending,
            None => Phase::Leasing,
        };
        Membership {
            phase,
            session: kept.unwrap_or(Session { boot, number: 0 }),
            permit_us: 0,
            next_us: 0,
            inherited: kept.is_some(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn session(&self) -> Session {
        self.session
    }

    /// The session, while it is open.
    pub(crate) fn open(&self) -> Option<Session> {
        matches!(self.phase, Phase::Open(_)).then_some(self.session)
    }

    pub(crate) fn next_us(&self) -> u64 {
        self.next_us
    }

    /// Something is to be sent at that time.
    pub(crate) fn plan(&mut self, at_us: u64) {
        self.next_us = at_us;
    }

    /// Whether DPEs of this session may act, as far as this machine knows.
    pub(crate) fn may_act(&self, now_us: u64) -> bool {
        self.open().is_some() && now_us < self.permit_us
    }

    /// A session that was never used before, with this lease. It is to be kept before it is
    /// written.
    pub(crate) fn begin(&mut self, lease: LeaseId) -> Session {
        self.session.number += 1;
        self.permit_us = 0;
        self.phase = Phase::Opening(lease);
        self.session
    }

    /// Whether an earlier process has begun it. True once.
    pub(crate) fn take_over(&mut self) -> bool {
        std::mem::take(&mut self.inherited)
    }

    /// It needs another lease, and with it another session.
    pub(crate) fn start_over(&mut self, at_us: u64) {
        self.phase = Phase::Leasing;
        self.next_us = at_us;
    }

    /// A transaction that was sent at that time has found the session alive. Gives the permit, if
    /// that moves it.
    pub(crate) fn proved(&mut self, sent_us: u64, lease: LeaseId) -> Option<Permit> {
        if !matches!(self.phase, Phase::Open(_)) {
            self.phase = Phase::Open(lease);
        }
        self.next_us = sent_us + PROOF_US;
        let until_us = sent_us + PERMIT_US;
        (until_us > self.permit_us).then(|| {
            self.permit_us = until_us;
            self.permit()
        })
    }

    /// It is over for ever. Gives the permit that says so.
    pub(crate) fn lost(&mut self) -> Permit {
        self.phase = Phase::Ending;
        self.permit_us = 0;
        self.inherited = false;
        self.permit()
    }

    fn permit(&self) -> Permit {
        Permit {
            session: self.session,
            until_us: self.permit_us,
        }
    }
}
