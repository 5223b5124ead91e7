//! What goes wrong, and what people do.

/// A fault. Those with a number at the end last that long, µs.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A host loses its power and boots again after that time; 0: never.
    KillHost(usize, u64),
    /// A host stands still; its clocks go on.
    PauseHost(usize, u64),
    /// A host's cpe hangs; its watchdog ends it.
    HangCpe(usize, u64),
    /// A host's cpe ends and is started again.
    KillCpe(usize),
    /// A newer version of everything is installed on a host, and its cpe started again.
    Upgrade(usize),
    /// A host's DPE ends and is started again.
    KillDpe(usize),
    /// A DPE has no epoch left.
    UseUp(usize),
    /// Nothing goes from a host to the store (1), from the store to it (2), or both (3).
    CutStore(usize, u8, u64),
    /// Nothing goes between a host and one guest, each way as above.
    CutGuest(usize, usize, u8, u64),
    /// Everything from and to a host takes up to that much longer, µs.
    SlowHost(usize, u64, u64),
    /// Requests and answers are lost, doubled and very late in that percentage of cases.
    Unruly(u64, u64),
    /// A member of the store dies and comes back.
    KillMember(usize, u64),
    /// It stands still.
    PauseMember(usize, u64),
    /// It reaches no other member.
    CutMember(usize, u64),
    /// Its disk is slow by that, µs.
    SlowDisk(u64, u64),
    /// No member runs.
    Outage(u64),
    /// The store ends a host's session early, as a former leader that was stuck does.
    Revoke(usize),
    /// A host's wall clock jumps by that, s.
    JumpClock(usize, i64),
    /// The store forgets its history.
    Compact,
    /// A host is to be emptied.
    Drain(usize),
    /// It is to take deployments again.
    Activate(usize),
    /// Another host joins.
    Join(u32),
    /// Another machine gets a host's name, while that one is cut off from the store.
    Replace(usize, u64),
    /// Somebody moves a deployment to a host.
    Move(usize, usize),
}

/// The end of a fault.
#[derive(Clone, Debug)]
pub(crate) enum Mended {
    /// See [`Fault::CutStore`].
    Store(usize),
    /// See [`Fault::CutGuest`].
    Guest(usize, usize),
    /// See [`Fault::SlowHost`].
    Slow(usize),
    /// See [`Fault::Unruly`].
    Unruly,
    /// A member runs.
    Member(usize),
    /// It reaches the others.
    MemberCut(usize),
    /// See [`Fault::SlowDisk`].
    Disk,
    /// See [`Fault::Outage`].
    Outage,
    /// A host runs.
    Host,
}
