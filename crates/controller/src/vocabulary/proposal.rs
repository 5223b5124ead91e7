//! A document that is read, before anything follows from it.

use cpe_status::Failover;
use deployment::Outcome;

use super::input::Refusal;
use super::spec::Spec;

/// A document that is read and checked, and in force nowhere. Reading a large one takes as long as
/// a decision, and needs no controller: a shell has it read beside everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub(crate) document: String,
    pub(crate) spec: Spec,
    pub(crate) failover: Vec<Failover>,
}

impl Proposal {
    /// Reads a document of the deployment of that name. Pure.
    ///
    /// # Errors
    /// [`Refusal::InvalidDocument`] with all problems.
    pub fn read(name: &str, document: String) -> Result<Proposal, Refusal> {
        let outcome = deployment::read_with_warnings(document.as_bytes());
        Proposal::of(name, document, outcome)
    }

    /// Reads a document that was saved, which an earlier version may have accepted. Pure.
    ///
    /// # Errors
    /// As of [`Proposal::read`].
    pub(crate) fn read_saved(name: &str, document: String) -> Result<Proposal, Refusal> {
        let outcome = deployment::read_accepted(document.as_bytes());
        Proposal::of(name, document, outcome)
    }

    fn of(name: &str, document: String, outcome: Outcome) -> Result<Proposal, Refusal> {
        let Some(deployment) = outcome.deployment else {
            let lines: Vec<String> = outcome.problems.iter().map(ToString::to_string).collect();
            return Err(Refusal::InvalidDocument(lines.join("\n")));
        };
        if deployment.name != name {
            return Err(Refusal::InvalidDocument(format!(
                "the document is that of deployment \"{}\", this is deployment \"{name}\"",
                deployment.name
            )));
        }
        Ok(Proposal {
            spec: Spec::new(&deployment),
            failover: deployment.failover(),
            document,
        })
    }
}
