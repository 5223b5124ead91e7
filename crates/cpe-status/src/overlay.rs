//! What administrators want of single services beside the document: the entries of the *overlay*,
//! and what one more would bring.

use serde::{Deserialize, Serialize};

use crate::plan::PlanAction;
use crate::state::{OverlayEnd, OverlayKind};

/// Something that an administrator wants of a service beside the document, until it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverlayStatus {
    /// What is wanted.
    pub kind: OverlayKind,
    /// Of what: the id of a service, group, clone or bundle.
    pub service: String,
    /// The assembly that it is about; empty: none.
    pub assembly: String,
    /// The role that it is about; empty: every role.
    pub role: String,
    /// Who wants it; empty: not known.
    pub by: String,
    /// Since when.
    pub created: u64,
    /// What ends it by itself.
    pub until: OverlayEnd,
    /// When that is, if it is a time; else 0.
    pub ends: u64,
    /// Id of the location constraint by which the policy engine knows it; empty: there is none.
    pub constraint: String,
    /// All of that for people.
    pub text: String,
    /// The command that ends it.
    pub remedy: String,
}

/// What an order about a service, or upkeep, would bring: the answer of PlanService and PlanUpkeep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServicePlan {
    /// The deployment's name.
    pub deployment: String,
    /// The generation planned from.
    pub generation: u64,
    /// The order: `move`, `ban`, `clear`, `disable`, `enable`, `unmanage`, `manage`, `restart`;
    /// `cleanup`, `refresh`, `maintenance`.
    pub verb: String,
    /// What it is about: the id of a service, group, clone or bundle; of upkeep empty: all.
    pub service: String,
    /// The assembly that upkeep is about; empty: all, and of an order about a service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub assembly: String,
    /// It is so already: nothing would change.
    pub unchanged: bool,
    /// What would be wanted beside the document then, and what no longer, or what upkeep forgets,
    /// looks at and leaves alone, each in a sentence.
    pub changes: Vec<String>,
    /// What is done, in an order in which it could be.
    pub actions: Vec<PlanAction>,
    /// Why it is refused unless it is forced, each in a sentence.
    pub refused: Vec<String>,
    /// What to do instead, each in a sentence.
    pub hints: Vec<String>,
    /// Whatever else is worth a thought before doing it.
    pub warnings: Vec<String>,
    /// Tells these actions from others.
    pub fingerprint: String,
}
