//! Every reason that an explanation can give: its stable code, its sentence, what it means, and
//! what to do about it. `docs/explanations.md` is made from this table.
//!
//! Sentences and remedies are templates: `{name}` stands for a parameter, `{NODE}` and its like for
//! the reader's word, and what stands in brackets is left out if one of its parameters is missing.

mod actions;
mod failures;
mod management;
mod nodes;
mod outcomes;
mod places;
mod promotion;

/// A reason with everything that is the same wherever it occurs.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name, which stays the same in all versions.
    pub name: &'static str,
    /// The sentence, without full stop, so that it can follow "because".
    pub sentence: &'static str,
    /// What it means, for the documentation.
    pub meaning: &'static str,
    /// What to do about it in a cluster; empty: nothing has to be done.
    pub in_cluster: &'static str,
    /// What to do about it in a deployment; empty: nothing has to be done.
    pub in_deployment: &'static str,
}

/// Defines codes as constants, and a list of them.
macro_rules! codes {
    ($($constant:ident $name:literal: $sentence:literal; $meaning:literal; $in_cluster:literal; $in_deployment:literal)*) => {
        $(#[doc = $meaning] pub static $constant: $crate::explain::codes::Code =
            $crate::explain::codes::Code {
                name: $name,
                sentence: $sentence,
                meaning: $meaning,
                in_cluster: $in_cluster,
                in_deployment: $in_deployment,
            };)*
        /// All of this file.
        pub(super) static ALL: &[&$crate::explain::codes::Code] = &[$(&$constant),*];
    };
}
use codes;

pub use actions::*;
pub use failures::*;
pub use management::*;
pub use nodes::*;
pub use outcomes::*;
pub use places::*;
pub use promotion::*;

/// All codes, in chapters.
pub static CHAPTERS: &[(&str, &[&Code])] = &[
    ("What is done", outcomes::ALL),
    ("Whether it is managed and wanted", management::ALL),
    ("Where it may run", places::ALL),
    ("Which instance is promoted", promotion::ALL),
    ("Failures", failures::ALL),
    ("What actions wait for", actions::ALL),
    ("Nodes and the whole", nodes::ALL),
];
