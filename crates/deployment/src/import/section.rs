//! The sections of a cluster's configuration: the nodes, what stays, what is left out.

use crate::problem::Problems;
use crate::report;
use crate::tree::Element;

/// Sections that a document does not have, since others decide about it here.
pub(super) const LEFT_OUT: [&str; 2] = ["acls", "alerts"];

/// What a configuration consists of.
pub(super) struct Sections<'e, 't> {
    pub(super) nodes: Option<&'e Element<'t>>,
    /// Those that stay as they are.
    pub(super) kept: Vec<&'e Element<'t>>,
}

impl<'e, 't> Sections<'e, 't> {
    /// Reports text, and a second section of nodes.
    pub(super) fn of(configuration: &'e Element<'t>, problems: &mut Problems) -> Self {
        let mut sections = Sections {
            nodes: None,
            kept: Vec::new(),
        };
        report::text_in(configuration, problems);
        for child in &configuration.children {
            match child.name {
                "nodes" if sections.nodes.is_some() => {
                    report::second_section(configuration, child, problems);
                }
                "nodes" => sections.nodes = Some(child),
                name if LEFT_OUT.contains(&name) => {}
                _ => {
                    child.visit(&mut |inner| report::text_in(inner, problems));
                    sections.kept.push(child);
                }
            }
        }
        sections
    }
}
