//! Checking a document before anything is stored: size, form, meaning.

use std::sync::Arc;

use cpe_bus::records::ProblemRecord;
use cpe_bus::{Error, Result};
use deployment::{Problem, Severity};
use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::facts::Facts;

/// Reads documents one after another, away from the event loop: a large one takes its time, and two
/// at once gain nothing.
pub(crate) struct Reader {
    turn: Semaphore,
    /// Bounds the callers that are being answered or wait for it.
    places: Semaphore,
    limits: Limits,
}

/// Callers whose documents are read or wait to be read. Each holds a document, of 8 MiB by default:
/// a sixth of the daemon's memory limit in all.
const PLACES: usize = 32;

/// A document that may be stored.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub name: String,
    pub uuid: Option<String>,
    pub text: Arc<str>,
    pub facts: Facts,
}

/// Everything that there is to say about a document.
#[derive(Debug)]
pub(crate) struct Report {
    pub accepted: Option<Accepted>,
    pub problems: Vec<Problem>,
    /// Why it is refused although it has no errors: it is more than a DPE can carry.
    pub excess: Option<String>,
}

impl Reader {
    pub(crate) fn new(limits: &Limits) -> Reader {
        Reader {
            turn: Semaphore::new(1),
            places: Semaphore::new(PLACES),
            limits: limits.clone(),
        }
    }

    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Busy`] if too many callers wait; problems of the document are
    /// in the report.
    pub(crate) async fn report(&self, document: String) -> Result<Report> {
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| Error::Busy(format!("{PLACES} documents wait to be read; try again")))?;
        if document.len() > self.limits.document {
            return Err(Error::TooLarge(format!(
                "the document has {} bytes, at most {} are taken (limits.document in cpe.toml)",
                document.len(),
                self.limits.document
            )));
        }
        let most = self.limits.placements;
        self.in_turn(move || {
            let outcome = deployment::read_with_warnings(document.as_bytes());
            let accepted = outcome.deployment.map(|deployment| Accepted {
                facts: Facts::of(&deployment),
                name: deployment.name,
                uuid: deployment.uuid,
                text: document.into(),
            });
            let excess = accepted
                .as_ref()
                .and_then(|accepted| excess(&accepted.facts, most));
            Report {
                accepted: accepted.filter(|_| excess.is_none()),
                problems: outcome.problems,
                excess,
            }
        })
        .await
    }

    /// What a document that was accepted once says.
    ///
    /// # Errors
    /// [`Error::Failed`] if reading it panicked.
    pub(crate) async fn facts(&self, document: String) -> Result<Facts> {
        self.in_turn(move || match deployment::read(document.as_bytes()) {
            Ok(deployment) => Facts::of(&deployment),
            Err(_) => Facts::unknown(),
        })
        .await
    }

    /// Runs what may take long with a large document: off the event loop, one at a time.
    ///
    /// # Errors
    /// [`Error::Failed`] if `work` panicked.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let _turn = self
            .turn
            .acquire()
            .await
            .map_err(|error| Error::Failed(error.to_string()))?;
        let done = tokio::task::spawn_blocking(|| cpe_daemon::confine(work));
        done.await
            .map_err(|error| Error::Failed(format!("the daemon is shutting down ({error})")))?
            .map_err(|error| Error::Failed(error.to_string()))
    }

    /// The document, if it has no errors; warnings go to the log.
    ///
    /// # Errors
    /// [`Error::InvalidDocument`] with every problem on a line of its own, [`Error::TooLarge`].
    pub(crate) async fn accept(&self, document: String) -> Result<Accepted> {
        let report = self.report(document).await?;
        if let Some(excess) = report.excess {
            return Err(Error::TooLarge(excess));
        }
        match report.accepted {
            Some(accepted) => {
                for problem in &report.problems {
                    tracing::warn!(cpe_deployment = accepted.name, "document: {problem}");
                }
                Ok(accepted)
            }
            None => {
                let lines: Vec<String> = report.problems.iter().map(Problem::to_string).collect();
                Err(Error::InvalidDocument(lines.join("\n")))
            }
        }
    }
}

/// Why a document is more than a DPE can carry, if it is.
fn excess(facts: &Facts, most: u64) -> Option<String> {
    (facts.placements > most).then(|| {
        format!(
            "{} services in {} assemblies are {} placements (services × assemblies; instances of clones count more); at most {most} \
             are taken (limits.placements in cpe.toml), so that a decision fits into the memory of a DPE: make several deployments \
             of it",
            facts.services, facts.assemblies.len(), facts.placements
        )
    })
}

impl Report {
    /// Everything that there is to say, as it crosses the bus.
    pub(crate) fn records(&self) -> Vec<ProblemRecord> {
        let problems = self.problems.iter().map(|problem| ProblemRecord {
            severity: match problem.severity {
                Severity::Error => "error".into(),
                Severity::Warning => "warning".into(),
            },
            line: problem.line,
            column: problem.column,
            message: problem.text(),
        });
        let excess = self.excess.iter().map(|excess| ProblemRecord {
            severity: "error".into(),
            line: 0,
            column: 0,
            message: excess.clone(),
        });
        problems.chain(excess).collect()
    }
}
