//! A model of a guest's agent: it obeys the highest epoch that it has seen, and its lease runs from
//! the stamp that came back, by its own clock.

use crate::clock::Clock;

/// One guest, of one deployment, which has one service that may run in one of its guests.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) deployment: usize,
    pub(crate) clock: Clock,
    pub(crate) epoch: u64,
    /// The DPE that it obeys, and by which of its streams.
    pub(crate) master: Option<(usize, u32)>,
    pub(crate) lease_us: u64,
    /// When its lease ends, by its own clock.
    pub(crate) end_us: u64,
    pub(crate) stamp_us: u64,
    pub(crate) running: bool,
    pub(crate) stopping: bool,
}

/// To an agent, from that stream of that DPE with that epoch.
#[derive(Clone, Debug)]
pub(crate) enum ToAgent {
    /// The first on a stream.
    Hello,
    /// A stamp comes back.
    Renew(u64),
    /// The service is to be started.
    Start,
}

/// To a DPE, over that stream.
#[derive(Clone, Debug)]
pub(crate) enum ToDpe {
    /// Hello is answered: whether the service runs.
    Welcome(bool),
    /// The agent lives, at this time of its clock.
    Heartbeat(u64),
    /// The service was started, or not.
    Started(bool),
}

impl Guest {
    /// Obeys a DPE, or does not.
    pub(crate) fn hello(&mut self, now_us: u64, dpe: usize, stream: u32, epoch: u64) -> bool {
        if epoch < self.epoch {
            return false;
        }
        self.epoch = epoch;
        self.master = Some((dpe, stream));
        // A lease that runs keeps its end.
        if self.end_us <= now_us {
            self.end_us = now_us + self.lease_us;
        }
        true
    }

    pub(crate) fn obeys(&self, dpe: usize, stream: u32, epoch: u64) -> bool {
        self.master == Some((dpe, stream)) && self.epoch == epoch
    }

    pub(crate) fn renew(&mut self, stamp_us: u64) {
        if stamp_us > self.stamp_us {
            self.stamp_us = stamp_us;
            self.end_us = stamp_us + self.lease_us;
        }
    }
}
