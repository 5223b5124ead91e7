//! What a host's machine wants to be done, in this order.

use super::grant::Grant;
use super::ids::{ChangeId, DeploymentId, RequestId, Session};
use super::input::Order;
use super::store::Request;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to the store, to whichever member answers.
    Send(RequestId, Request),
    /// Write the session under `/run` before anything that follows.
    Keep(Session),
    /// Write the permit, which each DPE reads immediately before everything that it sends.
    Publish(Permit),
    /// Write the grant, then start the unit.
    Start(DeploymentId, Grant),
    /// Remove the grant of this revision, stop the unit, and say when nothing of it runs.
    Stop(DeploymentId, u64),
    /// Answer the caller of a change.
    Answer(ChangeId, Answer),
    /// Answer who has given an order, if it is not a change. Each of them is answered once.
    Ordered(Order, Outcome),
}

/// What came of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store says so: of [`Order::Move`], the hand-over has begun.
    Done,
    /// There is no such host, or no such deployment.
    Missing,
    /// The host is alive: only of one that is gone it can be said that it is lost, and only that
    /// one can be removed.
    Alive,
    /// The host has deployments: who is removed has none.
    Owns,
    /// This host does not run the deployment, or lets go of it already: ask its owner.
    NotHere,
    /// The other host cannot take it: it is gone, drains, is full, or does not have what it needs.
    Unsuitable,
    /// The store does not answer, or others change the same: it may have been done, or be done
    /// later. Look, and ask again.
    Unknown,
}

/// The right to send, of all DPEs with grants of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The session.
    pub session: Session,
    /// Until then, µs of the host's CLOCK_BOOTTIME.
    pub until_us: u64,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in the store, with this generation.
    Done(u64),
    /// It is not done, and never will be under this id.
    Refused(Refusal),
    /// The store cannot be reached, nothing was sent.
    Unavailable,
    /// The store does not answer: it may have been done, or be done later. Ask again with the same
    /// id.
    Unknown,
}

/// Why a change is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is such a deployment.
    Exists,
    /// There is no such deployment.
    Missing,
    /// It has this generation, which is not the one that the caller has seen.
    Generation(u64),
    /// It is being destroyed.
    Destroying,
    /// It was refused before, under this id.
    Before,
}
