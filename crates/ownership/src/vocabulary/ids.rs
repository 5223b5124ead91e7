//! Names and numbers.

use std::fmt;
use std::sync::Arc;

/// A text with its hash, which orders it: placement hashes all the time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    hash: u64,
    text: Arc<str>,
}

impl Name {
    fn new(text: &str) -> Name {
        // FNV-1a, then mixed: short names differ in few bits.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Name {
            hash: mixed(hash),
            text: text.into(),
        }
    }
}

/// What SplitMix64 adds to its state for each number.
pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bits of a number, mixed: what SplitMix64 gives next in that state.
pub(crate) fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

macro_rules! name {
    ($type:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(Name);

        impl $type {
            /// The name with this text. The order of names is that of their hashes.
            pub fn new(text: &str) -> $type {
                $type(Name::new(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0.text
            }

            pub(crate) fn hash(&self) -> u64 {
                self.0.hash
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }
    };
}

name!(HostId, "Name of a host.");
name!(DeploymentId, "Name of a deployment.");

/// A host's membership, from the moment when its key `alive` is written until that is gone. A host
/// that has lost one takes another; it never comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// Of the machine's boot, as the kernel says it: two machines never have the same.
    pub boot: u64,
    /// Number within the boot, from 1.
    pub number: u32,
}

/// An administrator's change of a document, for all attempts at it. Chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeId(pub u128);

/// A lease of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseId(pub u64);

/// One request to the store, within the life of a [`Host`](crate::Host).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);
