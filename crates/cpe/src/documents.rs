//! Checking a document before anything is stored: size, form, meaning.

use std::sync::Arc;

use cpe_bus::records::ProblemRecord;
use cpe_bus::{Error, Result};
use deployment::{Problem, Severity};
use tokio::sync::Semaphore;

/// Reads documents one after another, away from the event loop: a large one takes its time, and two
/// at once gain nothing.
pub(crate) struct Reader {
    turn: Semaphore,
    /// In bytes.
    limit: usize,
}

/// A document that may be stored.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub name: String,
    pub uuid: Option<String>,
    pub text: Arc<str>,
}

/// Everything that there is to say about a document.
#[derive(Debug)]
pub(crate) struct Report {
    pub accepted: Option<Accepted>,
    pub problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn new(limit: usize) -> Reader {
        Reader {
            turn: Semaphore::new(1),
            limit,
        }
    }

    /// # Errors
    /// [`Error::TooLarge`]; problems of the document are in the report.
    pub(crate) async fn report(&self, document: String) -> Result<Report> {
        if document.len() > self.limit {
            return Err(Error::TooLarge(format!(
                "the document has {} bytes, at most {} are taken (limits.document in cpe.toml)",
                document.len(),
                self.limit
            )));
        }
        self.in_turn(move || {
            let outcome = deployment::read_with_warnings(document.as_bytes());
            Report {
                accepted: outcome.deployment.map(|deployment| Accepted {
                    name: deployment.name,
                    uuid: deployment.uuid,
                    text: document.into(),
                }),
                problems: outcome.problems,
            }
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

/// A problem as it crosses the bus.
pub(crate) fn record(problem: &Problem) -> ProblemRecord {
    ProblemRecord {
        severity: match problem.severity {
            Severity::Error => "error".into(),
            Severity::Warning => "warning".into(),
        },
        line: problem.line,
        column: problem.column,
        message: problem.text(),
    }
}
