//! Typed indices into the arenas of a [`Cluster`](super::Cluster). An id of one arena cannot be used in another.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The id of the element at `index`.
            pub fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("invariant: an arena holds fewer than 2^32 elements"))
            }
            /// Position in the arena.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A node: cluster, remote, guest or bundle node. In order of creation, *not* the sorted node list.
    NodeId,
    /// A resource of any variant, instances and group members included. In order of creation.
    ResourceId,
    /// An action. Creation order; the number in the graph is `index() + 1` ([`ActionId::number`]).
    ActionId,
    /// A ticket.
    TicketId,
    /// A stored location entry.
    LocationId,
    /// A stored colocation.
    ColocationId,
    /// A stored ticket constraint.
    TicketConstraintId,
}

impl ActionId {
    /// The action's number in the transition graph: from 1, in order of creation.
    pub fn number(self) -> u32 {
        self.0 + 1
    }
}
