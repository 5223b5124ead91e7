//! How soon a shell must be back if it stands still.

/// The leases that guests may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeasesHeld {
    /// There is no document, and so nothing is known.
    Unknown,
    /// No guest holds a lease in which anything of this deployment may run.
    None,
    /// The shortest one, milliseconds.
    Shortest(u32),
}
