//! What is known of an assembly that its devices have let in.

use serde::{Deserialize, Serialize};

/// Digests of the devices that unfence, as the policy engine has them in its graph
/// (scheduler-spec/05 §9.3): by them it sees that a device has become another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Digests {
    pub all: String,
    pub secure: String,
}

/// All devices that unfence an assembly have let it in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Unfenced {
    /// Epoch seconds.
    pub at_s: i64,
    pub digests: Digests,
    /// The boot of its guest: after another one it counts for nothing.
    pub boot_id: String,
}

/// Node attributes that tell the policy engine of it. Nobody else sets them.
const UNFENCED: &str = "#node-unfenced";
const DIGESTS_ALL: &str = "#digests-all";
const DIGESTS_SECURE: &str = "#digests-secure";

impl Unfenced {
    /// As attributes of the node.
    pub(crate) fn attributes(&self) -> [(&'static str, String); 3] {
        [
            (UNFENCED, self.at_s.to_string()),
            (DIGESTS_ALL, self.digests.all.clone()),
            (DIGESTS_SECURE, self.digests.secure.clone()),
        ]
    }

    /// Whether an attribute is one of these.
    pub(crate) fn is_attribute(name: &str) -> bool {
        [UNFENCED, DIGESTS_ALL, DIGESTS_SECURE].contains(&name)
    }
}
