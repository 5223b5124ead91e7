//! Answers to questions about a decision: why is a resource where it is and not elsewhere, what is
//! done with it, what does that wait for; why is a node fenced or not used; what is not as it
//! should be.
//!
//! The stages write a journal of their decisions if `RunOptions::explain` is set, and leave their
//! reasons in the decided cluster. An answer is made of [`Statement`]s with stable codes
//! ([`codes`]), and is written as text or as JSON.

mod answer;
mod causes;
pub mod codes;
mod failures;
mod json;
mod limits;
mod managed;
mod nodes;
mod notes;
mod obstacles;
mod orders;
mod pages;
mod places;
mod promotion;
mod quorum;
mod relations;
mod remarks;
mod resources;
mod rules;
mod sequence;
mod several;
mod steps;
mod terms;
mod text;
mod whole;

use std::cell::RefCell;
use std::collections::BTreeSet;

pub use crate::model::{Cause, Choice, Journal};
use crate::model::{Cluster, NodeId, ResourceId};
use crate::schedule::Schedule;
pub use answer::{Explanation, NodeLine, Part, Statement, Step, SubjectKind, Value};
use codes::Code;
pub use json::to_json;
use notes::Notes;
pub use pages::documentation;
use sequence::Sequence;
pub use terms::{Temporary, Terms};
pub use text::{Detail, to_text};

/// Why an explanation is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing has that name.
    #[error("there is no {kind} \"{name}\"; the {kinds} are: {known}")]
    Unknown {
        /// The kind of thing that was looked for, in the reader's word.
        kind: &'static str,
        /// Plural of the kind.
        kinds: &'static str,
        /// The name.
        name: String,
        /// The known names.
        known: String,
    },
    /// The run kept no journal.
    #[error("the run kept no journal: schedule with RunOptions::explain")]
    NoJournal,
}

/// Names that an error lists at most.
const LISTED: usize = 40;

/// What is asked about. With neither, the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question<'q> {
    /// A resource: a primitive or instance, or a group, clone or bundle with all its parts. If only
    /// a node has that name, that is meant.
    pub resource: Option<&'q str>,
    /// A node: with a resource, only what concerns both.
    pub node: Option<&'q str>,
}

/// Answers a question in the words of `terms`: an explanation for each primitive of the resource,
/// or one for the node or for the whole.
///
/// # Errors
/// The resource or the node is not known, or the run kept no journal.
pub fn answer(
    schedule: &Schedule,
    question: Question<'_>,
    terms: &Terms,
) -> Result<Vec<Explanation>, Error> {
    let cluster = &schedule.cluster;
    let journal = cluster.journal.as_deref().ok_or(Error::NoJournal)?;
    let node = question.node;
    let node = node.map(|name| find_node(cluster, name, terms));
    let node = node.transpose()?;
    let explainer = Explainer {
        schedule,
        cluster,
        journal,
        notes: Notes::of(journal),
        terms,
        order: Sequence::of(&schedule.graph),
        asked: RefCell::default(),
    };
    let Some(name) = question.resource else {
        return Ok(vec![match node {
            Some(node) => explainer.node(node),
            None => explainer.whole(),
        }]);
    };
    let found = named(cluster, name);
    if found.is_empty() {
        if let Some(node) = cluster.find_node(name).filter(|_| node.is_none()) {
            return Ok(vec![explainer.node(node)]);
        }
        return Err(Error::Unknown {
            kind: terms.resource,
            kinds: terms.resources,
            name: name.to_owned(),
            known: list(configured(cluster)),
        });
    }
    let parts = found.iter().flat_map(|id| cluster.leaves(*id));
    Ok(parts.map(|id| explainer.resource(id, node)).collect())
}

fn find_node(cluster: &Cluster, name: &str, terms: &Terms) -> Result<NodeId, Error> {
    cluster.find_node(name).ok_or_else(|| Error::Unknown {
        kind: terms.node,
        kinds: terms.nodes,
        name: name.to_owned(),
        known: list(
            cluster
                .node_order
                .iter()
                .map(|node| &*cluster.node(*node).name),
        ),
    })
}

/// The ids of all resources as they are configured, parents before their parts, each once.
fn configured(cluster: &Cluster) -> impl Iterator<Item = &str> {
    let mut seen = BTreeSet::new();
    let all = cluster
        .top_level
        .iter()
        .flat_map(|top| cluster.subtree(*top));
    all.map(|id| &*cluster.resource(id).config_id)
        .filter(move |id| seen.insert(*id))
}

/// Names as an error lists them: not more than a reader can take in.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len().saturating_sub(LISTED) {
        0 => names.join(" "),
        more => format!("{} and {more} more", names[..LISTED].join(" ")),
    }
}

/// The resource with that id or history name; else all instances that were made from the configured
/// resource.
fn named(cluster: &Cluster, name: &str) -> Vec<ResourceId> {
    if let Some(id) = cluster.find_resource(name)
        && *cluster.resource(id).id == *name
    {
        return replica(cluster, id).unwrap_or_else(|| vec![id]);
    }
    let all = cluster
        .top_level
        .iter()
        .flat_map(|top| cluster.subtree(*top));
    let configured = all.filter(|id| *cluster.resource(*id).config_id == *name);
    let configured: Vec<ResourceId> = configured.collect();
    if configured.is_empty() {
        return cluster.find_resource(name).into_iter().collect();
    }
    configured
}

/// All parts of a bundle's replica, if a resource is its connection: a status shows the replica by
/// that name. What runs inside is what people mean, and comes first.
fn replica(cluster: &Cluster, id: ResourceId) -> Option<Vec<ResourceId>> {
    let bundle = cluster.resource(id).parent?;
    let replicas = &cluster.resource(bundle).bundle_data()?.replicas;
    let replica = replicas.iter().find(|it| it.connection == Some(id))?;
    let inside = replica.child.into_iter();
    let inside = inside.flat_map(|child| cluster.leaves(child));
    let others = [Some(replica.container), replica.connection, replica.ip];
    Some(inside.chain(others.into_iter().flatten()).collect())
}

/// How many reasons behind each other are told: a reader follows no more.
const DEPTH: usize = 5;

/// Answers questions about one decision.
struct Explainer<'s> {
    schedule: &'s Schedule,
    cluster: &'s Cluster,
    journal: &'s Journal,
    notes: Notes<'s>,
    terms: &'s Terms,
    order: Sequence,
    /// Resources whose reasons are being told, so that reasons in a circle end.
    asked: RefCell<Vec<ResourceId>>,
}

impl Explainer<'_> {
    fn say(&self, code: &'static Code, parameters: Vec<(&'static str, Value)>) -> Statement {
        Statement::new(self.terms, code, parameters)
    }

    fn plain(&self, code: &'static Code) -> Statement {
        Statement::plain(self.terms, code)
    }

    fn with(&self, statement: Statement, name: &'static str, value: impl Into<Value>) -> Statement {
        statement.with(self.terms, name, value)
    }

    /// The name of a resource, as people know it.
    fn name(&self, id: ResourceId) -> String {
        self.cluster.resource(id).id.to_string()
    }

    fn node_name(&self, id: NodeId) -> String {
        self.cluster.node(id).name.to_string()
    }

    fn node_names(&self, nodes: &[NodeId]) -> Vec<String> {
        nodes.iter().map(|node| self.node_name(*node)).collect()
    }

    /// What `tell` says about a resource, unless its reasons are being told already, or too many
    /// are.
    fn behind<T>(&self, id: ResourceId, tell: impl FnOnce() -> Option<T>) -> Option<T> {
        {
            let mut asked = self.asked.borrow_mut();
            if asked.contains(&id) || asked.len() >= DEPTH {
                return None;
            }
            asked.push(id);
        }
        let told = tell();
        self.asked.borrow_mut().pop();
        told
    }
}

/// A time as people read it.
fn time_text(seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
