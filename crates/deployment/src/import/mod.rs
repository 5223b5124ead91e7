//! A cluster's CIB to a deployment document: its nodes become assemblies, the rest of its
//! configuration stays as it is, and comments say where a person has to decide.
//!
//! Comments of the CIB stay beside what they stood beside; with what is left out they go.
//!
//! What only Pacemaker's daemons need (the state, who may do what, alerts) is left out, each with a
//! comment. The document is read again at once, so that whoever imports sees what is refused.

mod comment;
mod kept;
mod name;
mod node;
mod remarks;
mod renames;
mod section;

use policy_engine::xml::Writer;

use crate::problem::{Problem, Problems, quote};
use crate::reader::{Outcome, read_with_warnings};
use crate::report;
use crate::tree::{self, Element};
use crate::value;
use comment::comment;
use kept::Kept;
use node::Nodes;
use section::Sections;

/// The attribute that names the schema.
const SCHEMA: &str = "validate-with";

/// What to do about a CIB that is too large.
const SMALLER: &str =
    "leave the state out: `cibadmin --query --scope configuration` prints the rest";

/// A document that was made of a CIB.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The document, with its comments.
    pub document: String,
    /// How many of its comments ask for a decision.
    pub decisions: usize,
    /// What reading it gives: it is as good as any other document, or says what is wrong.
    pub outcome: Outcome,
}

/// Makes a document of a CIB, or of its `<configuration>` alone. `name`: of the deployment;
/// otherwise what the cluster is called.
///
/// # Errors
/// What cannot be read, with places in the CIB: no XML, no CIB, nodes without a name or with the
/// same one.
pub fn import(cib: &[u8], name: Option<&str>) -> Result<Imported, Vec<Problem>> {
    let cib = cib.strip_prefix(b"\xef\xbb\xbf").unwrap_or(cib);
    let mut problems = Problems::default();
    let text = tree::decode(cib);
    let kept = text
        .as_ref()
        .map_or_else(|_| Kept::default(), |text| Kept::of(text));
    let written = match text.and_then(tree::parse) {
        Ok(root) => write(&root, &kept, name, &mut problems),
        Err(fault) => {
            // hints of the tree that are about documents
            let hint = match fault.hint {
                Some(hint) if hint.contains("split the deployable") => SMALLER.to_owned(),
                Some(hint) if !hint.contains("deploy") => hint,
                _ => "give one CIB, as `cibadmin -Q` prints it".to_owned(),
            };
            problems.error(fault.offset, fault.message, hint);
            None
        }
    };
    match written {
        Some(document) if !problems.has_errors() => Ok(Imported {
            decisions: document.matches(comment::DECIDE).count(),
            outcome: read_with_warnings(document.as_bytes()),
            document,
        }),
        _ => Err(problems.locate(cib)),
    }
}

/// The document as text; `None` if there is no configuration.
fn write(
    root: &Element<'_>,
    kept: &Kept,
    name: Option<&str>,
    problems: &mut Problems,
) -> Option<String> {
    let (configuration, schema) = configuration(root, problems)?;
    let sections = Sections::of(configuration, problems);
    let nodes = Nodes::read(sections.nodes, problems);
    let (name, is_guess) = match name {
        Some(name) => (name.to_owned(), false),
        None => name::of_deployment(configuration),
    };
    if let Err(expected) = value::name(&name) {
        let message = format!("{} is not a valid name", quote(&name));
        problems.error(root.offset, message, expected);
    }
    let mut xml = Writer::with_capacity(4096);
    xml.verbatim("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.open("deployable").attribute("name", &name);
    for remark in remarks::of(root, configuration, &nodes, is_guess) {
        comment(&mut xml, 1, &remark);
    }
    kept.write_before(root, 1, &mut xml);
    if root.offset != configuration.offset {
        kept.write_before(configuration, 1, &mut xml);
    }
    nodes.write(kept, &mut xml);
    xml.open("configuration").optional(SCHEMA, schema);
    for section in &sections.kept {
        kept.write_before(section, 2, &mut xml);
        nodes.renames().write((section, None), kept, 2, &mut xml);
    }
    kept.write_at_end(configuration, 2, &mut xml);
    xml.close();
    Some(xml.finish())
}

/// The configuration, and the schema that it follows.
fn configuration<'e, 't>(
    root: &'e Element<'t>,
    problems: &mut Problems,
) -> Option<(&'e Element<'t>, Option<&'e str>)> {
    let schema = root.value(SCHEMA);
    match root.name {
        "configuration" => return Some((root, schema)),
        "cib" => {}
        _ => {
            let message = format!("the root element is <{}>", root.name);
            let hint = "expected <cib>, as `cibadmin -Q` prints it, or its <configuration>";
            problems.error(root.offset, message, hint.to_owned());
            return None;
        }
    }
    report::text_in(root, problems);
    let mut found = None;
    for child in &root.children {
        match child.name {
            "configuration" if found.is_some() => report::second_section(root, child, problems),
            "configuration" => found = Some(child),
            "status" => {}
            _ => report::misplaced(root, child, None, problems),
        }
    }
    if found.is_none() {
        let hint = "give the whole CIB, as `cibadmin -Q` prints it".to_owned();
        problems.error(root.offset, "<cib> has no <configuration>", hint);
    }
    Some((found?, schema))
}
