//! What goes wrong.

use controller::Request;

/// Something that goes wrong, or that people do at a bad time.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The DPE is killed.
    KillDpe,
    /// The DPE dies after that many more effects.
    DieAtEffect(u64),
    /// The DPE does not run for a while, and does not know (SIGSTOP, a suspended or overloaded
    /// host).
    StopDpe(u64),
    /// A guest loses power, and comes back.
    PowerCut(usize),
    /// A guest stands still (not under lease, which cannot cover that), with or without its clock.
    Pause(usize, u64, bool),
    /// An agent is killed.
    KillAgent(usize),
    /// An agent hangs.
    HangAgent(usize, u64),
    /// Nothing passes between the DPE and a guest; it arrives later.
    Stall(usize, u64),
    /// Streams to a guest end, and cannot be made again for a while.
    Cut(usize, u64),
    /// A link is slow.
    Slow(usize, u64, u64),
    /// The processes of a service die.
    KillService(usize, usize),
    /// Operations fail, hang and are slow.
    BadOperations(usize, u64),
    /// Services do not let themselves be stopped.
    RefuseStop(usize, u64),
    /// Fence devices fail or are silent.
    BadDevices(u64),
    /// The event log is away.
    LogAway(u64),
    /// The DPE's disk is slow.
    SlowDisk(u64),
    /// The document is changed.
    Modify,
    /// A clean-up, a change of the document and, perhaps, the death of the DPE at the same time.
    Muddle(bool),
    /// The deployment is ended, after stopping the services or not.
    End(bool),
    /// Administration.
    Request(Request),
}
