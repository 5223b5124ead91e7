//! The life of an assembly, together with its fencing: one function for each edge of the diagram.
//!
//! The diagram is the table [`EDGES`]. A change that the table does not have is a mistake of this
//! crate, and ends the process. `docs/assembly-life.dot` is drawn from the same table.

use super::edges::{EDGES, State, Trigger};
use super::fence::Fence;

/// Where an assembly is in its life. Whether it is being fenced is apart from it: see [`Fence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Not heard since the start. Until then (boot time, µs) it may appear.
    Unknown { until_us: u64 },
    /// Its agent is heard.
    Online,
    /// Its heartbeats are late.
    Missed,
    /// Given up, not safe.
    Lost,
    /// Nothing of ours can run there.
    Safe,
}

/// How far an assembly is in its life, and in its fencing.
#[derive(Debug)]
pub(crate) struct Course {
    life: Life,
    fence: Option<Fence>,
}

impl Course {
    /// Of an assembly that may appear until then (boot time, µs).
    pub(crate) fn unknown(until_us: u64) -> Course {
        Course {
            life: Life::Unknown { until_us },
            fence: None,
        }
    }

    /// Of an assembly in which nothing of ours can run.
    pub(crate) fn safe() -> Course {
        Course {
            life: Life::Safe,
            fence: None,
        }
    }

    pub(crate) fn life(&self) -> Life {
        self.life
    }

    pub(crate) fn fence(&self) -> Option<&Fence> {
        self.fence.as_ref()
    }

    /// Its fencing, to carry it on. It begins and ends by the edges only.
    pub(crate) fn fence_mut(&mut self) -> Option<&mut Fence> {
        self.fence.as_mut()
    }

    /// Its agent is heard, though perhaps late, or about to be fenced.
    pub(crate) fn is_heard(&self) -> bool {
        matches!(self.life, Life::Online | Life::Missed)
    }

    /// Puts off the moment (boot time, µs) at which an unknown assembly is given up.
    pub(crate) fn put_off(&mut self, later: impl FnOnce(u64) -> u64) {
        if let Life::Unknown { until_us } = &mut self.life {
            *until_us = later(*until_us);
        }
    }

    /// Its agent answers Hello, and nothing fences it any longer.
    pub(crate) fn answer(&mut self) {
        self.go(Trigger::Hello, |course| {
            course.fence = None;
            course.life = Life::Online;
        });
    }

    /// Its heartbeats are late.
    pub(crate) fn miss(&mut self) {
        self.go(Trigger::Late, |course| course.life = Life::Missed);
    }

    /// Its heartbeats come again.
    pub(crate) fn resume(&mut self) {
        self.go(Trigger::Heartbeat, |course| course.life = Life::Online);
    }

    /// It is given up. That does not make it safe.
    pub(crate) fn lose(&mut self) {
        self.go(Trigger::Silence, |course| course.life = Life::Lost);
    }

    /// It has to be made safe. One of which nothing was heard yet counts as lost by that.
    pub(crate) fn demand_fence(&mut self, reboot: bool, reason: &str) {
        self.go(Trigger::Demand, |course| {
            let lost = !course.is_heard();
            if lost {
                course.life = Life::Lost;
            }
            course.fence = Some(Fence::new(lost, reboot, reason));
        });
    }

    /// Nothing of ours runs there any more.
    pub(crate) fn made_safe(&mut self) {
        self.go(Trigger::Safe, |course| {
            course.fence = None;
            course.life = Life::Safe;
        });
    }

    /// Its agent has stopped everything, has said so, and begins nothing more.
    pub(crate) fn leave(&mut self) {
        self.go(Trigger::Left, |course| course.life = Life::Safe);
    }

    /// Its fencing is given up: its agent is back and the device did nothing, or a person has
    /// cleaned up what it was for.
    pub(crate) fn give_fence_up(&mut self) {
        self.go(Trigger::GivenUp, |course| course.fence = None);
    }

    /// It lives on under another name: what fences it begins again under that name.
    pub(crate) fn rename(&mut self) {
        if self.fence.is_some() {
            self.go(Trigger::Renamed, |course| course.fence = None);
        }
    }

    /// Its name or its address still belongs to a former life: nothing can run there before that
    /// one is over.
    pub(crate) fn hold(&mut self) {
        if self.life != Life::Safe {
            self.go(Trigger::Held, |course| course.life = Life::Safe);
        }
    }

    /// Its guest belongs to somebody else, and nothing of ours is in it.
    pub(crate) fn leave_to_others(&mut self) {
        self.go(Trigger::Occupied, |course| {
            course.fence = None;
            course.life = Life::Safe;
        });
    }

    pub(super) fn state(&self) -> State {
        match (self.life, &self.fence) {
            // Who is fenced is heard or lost: see `demand_fence`.
            (Life::Unknown { .. }, _) => State::Unknown,
            (Life::Online, None) => State::Online,
            (Life::Online, Some(_)) => State::OnlineFencing,
            (Life::Missed, None) => State::Missed,
            (Life::Missed, Some(_)) => State::MissedFencing,
            (Life::Lost, None) => State::Lost,
            (Life::Lost, Some(_)) => State::LostFencing,
            (Life::Safe, _) => State::Safe,
        }
    }

    /// Goes along an edge, which the table must have.
    fn go(&mut self, trigger: Trigger, change: impl FnOnce(&mut Course)) {
        let from = self.state();
        change(self);
        let to = self.state();
        assert!(
            EDGES.contains(&(trigger, from, to)),
            "invariant: {trigger:?} does not lead from {from:?} to {to:?}"
        );
    }
}
