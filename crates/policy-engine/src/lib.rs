//! The scheduler: a cluster's configuration and state in, a transition graph out. Pure: no I/O, no
//! clock, no global state.
//!
//! ```text
//! xml → configuration → status → constraints → assignment → actions → ordering → graph
//!       (ch. 1)         (ch. 2)  (ch. 3, 5)    (ch. 3, 4)   (ch. 5)    (ch. 5)    (ch. 5)
//! ```
//!
//! Each stage is a folder whose first file says what it reads and writes; all of them work on one
//! [`model::Cluster`]. `simulation` executes a graph on a copy of the input, `output` renders
//! texts. The rules are those of Pacemaker 3.0.2's scheduler.

#![warn(missing_docs)]

pub mod actions;
pub mod assignment;
pub mod configuration;
pub mod explain;
pub mod graph;
pub mod lint;
pub mod model;
pub mod ordering;
pub mod output;
pub mod score;
pub mod simulation;
pub mod status;
pub mod xml;

use explain::Cause;
pub use graph::{ActionHead, ActionKind, GraphAction, ResourceIdentity, Synapse, TransitionGraph};
pub use lint::lint;
pub use model::{Cluster, Level, Message, RunOptions};
pub use score::Score;

use std::sync::Arc;

/// A cluster information base: configuration and state, as read from XML.
#[derive(Clone, Debug)]
pub struct Cib {
    document: Arc<xml::Document>,
}

/// Why a CIB cannot be scheduled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not acceptable XML.
    #[error(transparent)]
    Xml(#[from] xml::XmlError),
    /// A configuration that means more than can be decided about.
    #[error(transparent)]
    TooMuch(#[from] configuration::expansion::Excess),
    /// XML, but no CIB.
    #[error("expected a <cib> element at the top of the document, found <{found}>")]
    NotACib {
        /// Name of the root element.
        found: String,
    },
    /// Made by a newer Pacemaker than this scheduler follows.
    #[error(
        "the CIB needs feature set {found}, this scheduler has {FEATURE_SET}: use a newer scheduler"
    )]
    TooNew {
        /// Feature set of the CIB.
        found: String,
    },
}

/// The feature set of the scheduler that this one follows.
pub const FEATURE_SET: &str = "3.20.5";

impl Cib {
    /// Parses a CIB. A missing `status` section is added empty.
    ///
    /// # Errors
    /// [`Error::Xml`] and [`Error::TooMuch`] with line and column, [`Error::NotACib`],
    /// [`Error::TooNew`].
    pub fn parse(text: &str) -> Result<Cib, Error> {
        let cib = Cib::parse_accepted(text)?;
        configuration::expansion::check(&cib.document)?;
        Ok(cib)
    }

    /// The same without [`Error::TooMuch`], for a configuration that was accepted already: what is
    /// running has to be managed, also while there are more nodes than it was accepted with.
    ///
    /// # Errors
    /// [`Error::Xml`] with line and column, [`Error::NotACib`], [`Error::TooNew`].
    pub fn parse_accepted(text: &str) -> Result<Cib, Error> {
        let mut document = xml::parse(text)?;
        let root = document.root();
        if root.name() != "cib" {
            return Err(Error::NotACib {
                found: root.name().to_owned(),
            });
        }
        if let Some(found) = root.get("crm_feature_set")
            && configuration::scalar::compare_versions(found, FEATURE_SET).is_gt()
        {
            return Err(Error::TooNew {
                found: found.to_owned(),
            });
        }
        if root.child("status").is_none() {
            let root = root.id();
            document.append(root, "status");
        }
        Ok(Cib {
            document: Arc::new(document),
        })
    }

    /// The document.
    pub fn document(&self) -> &Arc<xml::Document> {
        &self.document
    }

    /// The document, to change it (copied if a cluster still uses it).
    pub fn document_mut(&mut self) -> &mut xml::Document {
        Arc::make_mut(&mut self.document)
    }

    /// `execution-date`, epoch seconds.
    pub fn execution_date(&self) -> Option<i64> {
        self.document
            .root()
            .get("execution-date")
            .and_then(configuration::scalar::integer)
    }

    /// The CIB as XML text.
    pub fn to_xml(&self) -> String {
        let mut out = String::new();
        xml::write_element(self.document.root(), 0, &mut out);
        out
    }
}

/// A scheduled cluster.
#[derive(Debug)]
pub struct Schedule {
    /// The working set after all stages: where everything is assigned, all actions with their
    /// reasons, score lines, messages.
    pub cluster: Cluster,
    /// What has to be done.
    pub graph: TransitionGraph,
    /// The transition summary: what changes, in words with [`output::summary::lines`].
    pub summary: Vec<output::summary::Change>,
}

/// Reads configuration and status (stages A1–A8), without scheduling: what runs where now. `now`:
/// epoch seconds.
pub fn load(cib: &Cib, now: i64, run: RunOptions) -> Cluster {
    let mut cluster = Cluster::new(cib.document.clone(), now, run);
    configuration::unpack(&mut cluster);
    cluster.note_all(Cause::Base);
    status::unpack(&mut cluster);
    cluster.note_all(Cause::State);
    cluster
}

/// Schedules a loaded cluster (stages B1–D7).
pub fn schedule_loaded(mut cluster: Cluster) -> Schedule {
    configuration::constraints::unpack(&mut cluster);
    assignment::apply_criteria(&mut cluster);
    ordering::internal::unpack(&mut cluster);
    cluster.note_all(Cause::Container);
    actions::definitions::check(&mut cluster);
    assignment::assign(&mut cluster);
    actions::schedule(&mut cluster);
    ordering::remote::order(&mut cluster);
    actions::nodes::schedule(&mut cluster);
    ordering::apply(&mut cluster);
    let summary = output::summary::transition(&mut cluster);
    let graph = graph::build(&mut cluster);
    Schedule {
        cluster,
        graph,
        summary,
    }
}

/// Loads and schedules a CIB. `now`: epoch seconds.
pub fn schedule(cib: &Cib, now: i64, run: RunOptions) -> Schedule {
    schedule_loaded(load(cib, now, run))
}

/// The digest that an executor records as `op-digest` with the result of an action of the graph.
pub fn operation_digest(action: &GraphAction) -> String {
    configuration::digests::of_attributes(
        action
            .attributes
            .iter()
            .map(|(name, value)| (&**name, &**value)),
    )
}

/// The digest of resource parameters: what an executor records as `op-restart-digest` of those that
/// force a restart.
pub fn parameters_digest<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    configuration::digests::of_attributes(parameters)
}
