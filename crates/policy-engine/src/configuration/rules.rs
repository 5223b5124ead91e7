//! Rules (scheduler-spec/01 §5).

use crate::model::{Agent, Cluster, Table};
use crate::xml::Element;

/// What is known where a rule is evaluated (§5.2).
#[derive(Clone, Copy, Default)]
pub struct RuleContext<'a> {
    /// Node attributes.
    pub node_attributes: Option<&'a Table>,
    /// Class, provider, type.
    pub agent: Option<&'a Agent>,
    /// Operation name and interval in ms.
    pub operation: Option<(&'a str, u32)>,
    /// Resource parameters for `value-source="param"`.
    pub parameters: Option<&'a Table>,
    /// Resource meta-attributes for `value-source="meta"`.
    pub meta: Option<&'a Table>,
    /// Regular expression sub-matches of the resource id, `[0]` the whole match.
    pub submatches: Option<&'a [String]>,
}

/// Whether a `rule` passes now. Reports recheck times to the cluster (§6.6).
pub fn passes(_cluster: &Cluster, _rule: Element<'_>, _context: &RuleContext<'_>) -> bool {
    false
}
