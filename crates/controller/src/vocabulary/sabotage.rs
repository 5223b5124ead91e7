//! Deliberate mistakes, for the proof that the simulator finds them.

/// A mistake that a controller can be told to make. Never outside tests.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Take an assembly under lease as safe at once.
    SkipLeaseWait,
    /// Leave the margins out of the lease arithmetic: drift, the time that stops take, the reboot.
    NoMargins,
    /// Emit events without keeping them.
    ForgetEvents,
    /// Start work before facts are saved.
    PersistLast,
    /// Begin every action of a graph at once.
    IgnoreOrder,
    /// Begin as many actions at a time as there are.
    IgnoreLimits,
    /// Leave services running when a deployment ends that should be stopped.
    LeaveServices,
    /// Have agents forget what is cleaned up at once, whatever still runs.
    ForgetFailed,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 8] = [
        Sabotage::SkipLeaseWait,
        Sabotage::NoMargins,
        Sabotage::ForgetEvents,
        Sabotage::PersistLast,
        Sabotage::IgnoreOrder,
        Sabotage::IgnoreLimits,
        Sabotage::LeaveServices,
        Sabotage::ForgetFailed,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Sabotage::SkipLeaseWait => "skip-lease-wait",
            Sabotage::NoMargins => "no-margins",
            Sabotage::ForgetEvents => "forget-events",
            Sabotage::PersistLast => "persist-last",
            Sabotage::IgnoreOrder => "ignore-order",
            Sabotage::IgnoreLimits => "ignore-limits",
            Sabotage::LeaveServices => "leave-services",
            Sabotage::ForgetFailed => "forget-failed",
        }
    }
}
