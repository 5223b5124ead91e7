//! A deployment's services as a tree: groups, clones and bundles, as its document has them; and
//! what moves have left there.

use serde::{Deserialize, Serialize};

use crate::state::ResourceKind;

/// A service, or what contains services. Where its instances run is said by the entries of
/// `services` whose `service` is its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceStatus {
    /// Its id in the configuration: `web`, `web-clone`.
    pub name: String,
    /// What it is.
    pub kind: ResourceKind,
    /// Its instances can be told apart, and are called `web:0`, `web:1`: a clone with
    /// `globally-unique`.
    #[serde(skip_serializing_if = "is_false")]
    pub unique: bool,
    /// Its instances can be promoted.
    #[serde(skip_serializing_if = "is_false")]
    pub promotable: bool,
    /// How many instances the document asks for at most; 1 if it is not cloned.
    pub instances: u32,
    /// Services: the document does not say that it is to be stopped, and a decision was made.
    #[serde(skip_serializing_if = "is_false")]
    pub enabled: bool,
    /// Services: how many instances the last decision has run.
    pub wanted: u32,
    /// Services: how many of these it has promoted.
    #[serde(skip_serializing_if = "is_zero")]
    pub promoted: u32,
    /// Services: what controls it, `ocf:heartbeat:nginx`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// What it contains, in the document's order; nothing if it is a service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ResourceStatus>,
}

impl ResourceStatus {
    /// It and all below it, parents first.
    pub fn all(&self) -> Vec<&ResourceStatus> {
        let mut all = vec![self];
        all.extend(self.members.iter().flat_map(ResourceStatus::all));
        all
    }

    /// Calls this with it and all below it, parents first.
    pub fn each_mut(&mut self, change: &mut impl FnMut(&mut ResourceStatus)) {
        change(self);
        for member in &mut self.members {
            member.each_mut(change);
        }
    }
}

/// A location constraint with an id that Pacemaker's tools give when they move or ban something
/// (`cli-ban-…`, `cli-prefer-…`): of the document, or set by a tool in a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct BanStatus {
    /// Its id.
    pub constraint: String,
    /// What it is about: the id of a service, group, clone or bundle.
    pub service: String,
    /// The assembly.
    pub assembly: String,
    /// The role that it is about; empty: every role.
    pub role: String,
    /// `-INFINITY`: it may not run there; `INFINITY`: it is held there.
    pub score: String,
    /// A tool in a guest has set it. It ends with a clean-up of the service.
    #[serde(skip_serializing_if = "is_false")]
    pub set_by_guest: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}
