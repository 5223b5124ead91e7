//! Why is a resource where it is, why not elsewhere, what is done about it, and what does that wait
//! for? In plain sentences.
//!
//! The journal of the model records the decisions as they are made, if `RunOptions::explain` is
//! set; [`resource`] puts them into words.

mod words;

pub use crate::model::{Cause, Choice, Journal};
pub use words::Terms;

use std::collections::BTreeSet;

use crate::graph::{GraphAction, Synapse};
use crate::model::{Cluster, NodeId, ResourceId, Role};
use crate::output::Item;
use crate::schedule::Schedule;

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

/// Explains a resource (all parts of a group, clone or bundle), on all nodes or on one, in the
/// words of `terms`.
///
/// # Errors
/// The resource or the node is not known, or the run kept no journal.
pub fn resource(
    schedule: &Schedule,
    name: &str,
    node: Option<&str>,
    terms: &Terms,
) -> Result<Vec<Item>, Error> {
    let cluster = &schedule.cluster;
    let journal = cluster.journal.as_deref().ok_or(Error::NoJournal)?;
    let found = named(cluster, name);
    if found.is_empty() {
        return Err(Error::Unknown {
            kind: terms.resource,
            kinds: terms.resources,
            name: name.to_owned(),
            known: list(configured(cluster)),
        });
    }
    let node = node
        .map(|name| find_node(cluster, name, terms))
        .transpose()?;
    let explainer = Explainer {
        schedule,
        cluster,
        journal,
        terms,
    };
    let parts = found.iter().flat_map(|id| cluster.leaves(*id));
    Ok(parts.map(|id| explainer.primitive(id, node)).collect())
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
        return vec![id];
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

struct Explainer<'s> {
    schedule: &'s Schedule,
    cluster: &'s Cluster,
    journal: &'s Journal,
    terms: &'s Terms,
}

impl Explainer<'_> {
    fn primitive(&self, id: ResourceId, only: Option<NodeId>) -> Item {
        let mut items = vec![Item::Line(self.outcome(id))];
        items.extend(self.restrictions(id).into_iter().map(Item::Line));
        for node in &self.cluster.node_order {
            if only.is_none_or(|only| only == *node) {
                items.push(self.on_node(id, *node));
            }
        }
        items.extend(self.promotion(id).map(Item::Line));
        let actions = self.actions(id);
        if !actions.is_empty() {
            items.push(Item::List("What is done".into(), actions));
        }
        Item::List(self.cluster.resource(id).id.to_string(), items)
    }

    /// Where it is, where it will be, and why that node was chosen.
    fn outcome(&self, id: ResourceId) -> String {
        let resource = self.cluster.resource(id);
        let name = |node: NodeId| &*self.cluster.node(node).name;
        let active: Vec<&str> = resource.active_on.iter().map(|node| name(*node)).collect();
        let now = match active.as_slice() {
            [] => "It is stopped".to_owned(),
            nodes => format!(
                "It is {} on {}",
                words::role(resource.role),
                nodes.join(" and ")
            ),
        };
        let then = match resource.assigned {
            None if active.is_empty() => "stays so".to_owned(),
            None => "will be stopped".to_owned(),
            Some(node) if active == [name(node)] && resource.next_role == resource.role => {
                "stays there".to_owned()
            }
            Some(node) if resource.next_role <= Role::Stopped => {
                format!("belongs to {}, but will not run", name(node))
            }
            Some(node) => {
                format!(
                    "will be {} on {}",
                    words::role(resource.next_role),
                    name(node)
                )
            }
        };
        let choice = self
            .journal
            .choices
            .iter()
            .rev()
            .find(|choice| choice.0 == id);
        let why = choice.map_or_else(String::new, |choice| words::choice(self.terms, choice.2));
        format!("{now} and {then}{why}.")
    }

    /// Why the cluster does not manage it, or not fully.
    fn restrictions(&self, id: ResourceId) -> Vec<String> {
        let resource = self.cluster.resource(id);
        let mut lines = Vec::new();
        if resource.removed {
            lines.push("It was removed from the configuration; only the history knows it.".into());
        }
        if resource.blocked {
            lines.push("It is blocked: a failure needs an administrator (cleanup).".into());
        }
        if resource.maintenance {
            lines.push("It is in maintenance.".into());
        } else if !resource.managed {
            lines.push("It is not managed.".into());
        }
        match self.cluster.target_role(id) {
            Some(Role::Stopped) => lines.push("Its target-role is Stopped.".into()),
            Some(_) => lines.push("Its target-role keeps it from being promoted.".into()),
            None => {}
        }
        if resource.needs_quorum && !self.cluster.options.quorate {
            lines.push(format!(
                "The {} has no quorum, which it needs.",
                self.terms.cluster
            ));
        }
        lines
    }

    /// Its score for one node, with all changes that led to it.
    fn on_node(&self, id: ResourceId, node: NodeId) -> Item {
        let entries = self.journal.entries.iter();
        let mut lines: Vec<Item> = entries
            .filter(|entry| entry.resource == id && entry.node == node)
            .filter(|entry| !(entry.before.is_none() && words::is_zero(entry.after)))
            .map(|entry| {
                let change = words::change(entry.before, entry.after);
                Item::Line(format!(
                    "{change:>9}  {}",
                    words::cause(self.terms, self.cluster, entry)
                ))
            })
            .collect();
        lines.extend(words::node_problem(self.cluster, node).map(Item::Line));
        let resource = self.cluster.resource(id);
        let score = match resource.allowed.get(node) {
            Some(entry) => entry.score.to_string(),
            None => "not a candidate".to_owned(),
        };
        let chosen = if resource.assigned == Some(node) {
            " (chosen)"
        } else {
            ""
        };
        let title = format!("{} {score}{chosen}", self.cluster.node(node).name);
        if lines.is_empty() {
            Item::Line(title)
        } else {
            Item::List(title, lines)
        }
    }

    fn promotion(&self, id: ResourceId) -> Option<String> {
        let promotions = self.journal.promotions.iter().rev();
        let mut instance = Some(id);
        while let Some(candidate) = instance {
            if let Some((_, _, priority)) = promotions.clone().find(|p| p.0 == candidate) {
                let result = if self.cluster.resource(id).next_role == Role::Promoted {
                    "it is among the best, so it is promoted"
                } else if priority.0 < 0 {
                    "a negative score is never promoted"
                } else {
                    "others have more, or no more may be promoted"
                };
                return Some(format!("Its promotion score is {priority}: {result}."));
            }
            instance = self.cluster.resource(candidate).parent;
        }
        None
    }

    /// The actions in the graph, with reasons and with what they wait for; and those that should be
    /// done but cannot.
    fn actions(&self, id: ResourceId) -> Vec<Item> {
        let mut items = Vec::new();
        for action in self.cluster.resource(id).actions.iter() {
            let action_id = *action;
            let action = self.cluster.action(action_id);
            if !action.in_graph {
                if !action.optional && !action.runnable && !action.pseudo {
                    let reason = action.reason.as_deref();
                    let reason = reason.map(|r| format!(": {r}")).unwrap_or_default();
                    let what = words::action(self.cluster, action_id);
                    items.push(Item::Line(format!(
                        "{what} is wanted but cannot be done{reason}"
                    )));
                }
                continue;
            }
            let reason = action.reason.as_deref();
            let reason = reason
                .map(|r| format!(", because of: {r}"))
                .unwrap_or_default();
            let waits = self.waits(action_id.number());
            let waits = if waits.is_empty() {
                "at once".to_owned()
            } else {
                format!("after {}", waits.join(", "))
            };
            let what = words::action(self.cluster, action_id);
            items.push(Item::Line(format!("{what}, {waits}{reason}")));
        }
        items
    }

    /// The keys of the actions that an action waits for.
    fn waits(&self, number: u32) -> Vec<String> {
        let graph = &self.schedule.graph;
        let is_it = |synapse: &&Synapse| {
            let GraphAction { id, .. } = synapse.action;
            id == number
        };
        let Some(synapse) = graph.synapses.iter().find(is_it) else {
            return Vec::new();
        };
        let heads = synapse.inputs.iter().filter_map(|input| graph.head(*input));
        heads
            .map(|head| match &head.on_node {
                Some(node) => format!("{} on {node}", head.operation_key),
                None => head.operation_key.to_string(),
            })
            .collect()
    }
}
