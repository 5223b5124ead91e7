//! The transition graph: which actions are in it, with which inputs (scheduler-spec/05 §15), and
//! its XML form (§16).
//!
//! Stage interface: [`build`]; for callers the typed [`TransitionGraph`] and [`write()`].

mod describe;
mod select;
mod single;
mod xml;

use crate::configuration::digests;
use crate::model::{Arc, Cluster, Text};
use crate::ordering::PropagationCache;
pub use single::{SingleOperation, single_operation};
pub use xml::write;

/// The actions to carry out, with their order. Self-contained: texts only, no ids of the cluster.
#[derive(Clone, Debug, Default)]
pub struct TransitionGraph {
    /// Attributes of the root, in output order (05 §16.2).
    pub attributes: Vec<(&'static str, Text)>,
    /// Synapses; a synapse's id is its index.
    pub synapses: Vec<Synapse>,
    /// What the action of each synapse is, in the same order. Apart from them: who follows the
    /// order of tens of thousands of actions reads little of each.
    pub actions: Vec<GraphAction>,
    /// Heads of all actions in the graph and of all inputs, ascending by id.
    pub heads: Vec<ActionHead>,
}

/// One action with its inputs: the actions that it waits for.
#[derive(Clone, Debug)]
pub struct Synapse {
    /// The number of the action; its head is `graph.head(action)`.
    pub action: u32,
    /// Priority; 0 = none given.
    pub priority: i32,
    /// Numbers of the actions that must be confirmed before, ascending.
    pub inputs: Vec<u32>,
}

/// How an action is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActionKind {
    /// `pseudo_event`: nothing to execute.
    Pseudo,
    /// `rsc_op`: an operation of a resource agent.
    Resource,
    /// `crm_event`: something that the controller does (fencing is `operation` = `stonith`).
    Cluster,
}

/// What identifies an action (the short form in triggers).
//
// In this order in memory: what `lint` reads of each of tens of thousands comes with one access.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct ActionHead {
    /// Number.
    pub id: u32,
    /// Kind.
    pub kind: ActionKind,
    /// Task name.
    pub operation: Text,
    /// Node name.
    pub on_node: Option<Text>,
    /// `mode="cib"` (`lrm_delete`).
    pub mode: Option<&'static str>,
    /// Key that goes into the history.
    pub operation_key: Text,
    /// The internal key, if it differs.
    pub internal_operation_key: Option<Text>,
    /// Node id.
    pub on_node_uuid: Option<Text>,
    /// The node that hosts the connection through which the operation goes.
    pub router_node: Option<Text>,
}

/// A resource as an action names it.
#[derive(Clone, Debug)]
pub struct ResourceIdentity {
    /// Element name (`primitive`).
    pub element: Text,
    /// Id in the history.
    pub id: Text,
    /// Internal id, if it differs.
    pub long_id: Option<Text>,
    /// Class.
    pub class: Option<Text>,
    /// Provider.
    pub provider: Option<Text>,
    /// Agent type.
    pub kind: Option<Text>,
}

/// An action in full.
#[derive(Clone, Debug, Default)]
pub struct GraphAction {
    /// `shutdown-lock`: lock time.
    pub shutdown_lock: Option<i64>,
    /// The resource; its actions share it.
    pub resource: Option<Arc<ResourceIdentity>>,
    /// `<attributes>`, sorted by name: parameters and `CRM_meta_*`.
    pub attributes: Vec<(Text, Text)>,
    /// Parameters whose names start with a digit, as `<param>` children.
    pub numbered_parameters: Vec<(Text, Text)>,
    /// Ids of nodes that this action takes down; `None`: no `<downed>` element.
    pub downed: Option<Vec<Text>>,
    /// Remote nodes whose maintenance state is recorded: (id, in maintenance).
    pub maintenance: Vec<(Text, bool)>,
}

impl TransitionGraph {
    /// The head of the action with that number.
    pub fn head(&self, id: u32) -> Option<&ActionHead> {
        let at = self.heads.binary_search_by_key(&id, |head| head.id).ok()?;
        self.heads.get(at)
    }
    /// Synapses with their actions.
    pub fn described(&self) -> impl Iterator<Item = (&Synapse, &GraphAction)> {
        self.synapses.iter().zip(&self.actions)
    }
    /// A root attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| &**value)
    }
}

impl GraphAction {
    /// An attribute (`CRM_meta_timeout`, or a parameter).
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let at = self
            .attributes
            .binary_search_by(|(own, _)| (**own).cmp(name))
            .ok()?;
        self.attributes.get(at).map(|(_, value)| &**value)
    }
}

/// P12: selects actions and inputs, creates the notify actions of clones, and describes everything
/// that was selected.
pub fn build(cluster: &mut Cluster, cache: &mut PropagationCache) -> TransitionGraph {
    let selected = select::select(cluster, cache);
    describe::describe(cluster, &selected)
}

/// The digest that an executor records as `op-digest` with the result of an action of the graph.
pub fn operation_digest(action: &GraphAction) -> String {
    digests::of_attributes(
        action
            .attributes
            .iter()
            .map(|(name, value)| (&**name, &**value)),
    )
}
