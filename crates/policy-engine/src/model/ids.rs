//! Typed indices into the arenas of a [`Cluster`](super::Cluster). An id of one arena cannot be
//! used in another. There are many lists of them, so an id that may be absent takes no more room
//! than one.

use std::num::NonZeroU32;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The id of the element at `index`.
            pub fn new(index: usize) -> Self {
                let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
                Self(number.expect("invariant: an arena holds fewer than 2^32 - 1 elements"))
            }
            /// Position in the arena.
            pub fn index(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    )*};
}

ids! {
    /// A node: cluster, remote, guest or bundle node. In order of creation, *not* the sorted node
    /// list.
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
    /// An operation key that orderings speak of.
    KeyId,
}

impl ActionId {
    /// The action's number in the transition graph: from 1, in order of creation.
    pub fn number(self) -> u32 {
        self.0.get()
    }
}
