//! `rsc_defaults` and `op_defaults`: sets that hold for all resources of an agent, or for an
//! operation of them. Their effect is calculated once for each agent and operation
//! (scheduler-spec/01 §4, §12, §17.2).

use rustc_hash::FxHashSet;

use super::caches;
use super::nvset;
use super::rules::RuleContext;
use crate::model::{Agent, Arc, Cluster, NvSet, Table, Task, Text};

/// What defaults may depend on; nothing if none of them has a rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    /// `rsc_defaults`.
    Resource(Option<Agent>),
    /// `op_defaults`.
    Operation(Option<(Agent, Task, u32)>),
}

/// Adds the defaults of a resource to its meta-attributes.
pub(super) fn of_resource(cluster: &Cluster, agent: &Agent, table: &mut Table) {
    let sets = &cluster.resource_defaults;
    let key = Key::Resource(nvset::depends_on_context(sets).then(|| agent.clone()));
    let context = RuleContext {
        agent: Some(agent),
        ..RuleContext::default()
    };
    add(cluster, sets, key, &context, table);
}

/// Adds the defaults of an operation to its options. `interval_ms`: 0 for operations that do not
/// recur.
pub(super) fn of_operation(
    cluster: &Cluster,
    agent: &Agent,
    task: &Task,
    interval_ms: u32,
    table: &mut Table,
) {
    let sets = &cluster.operation_defaults;
    let depends = nvset::depends_on_context(sets);
    let key = Key::Operation(depends.then(|| (agent.clone(), task.clone(), interval_ms)));
    let context = RuleContext {
        agent: Some(agent),
        operation: Some((task.name(), interval_ms)),
        ..RuleContext::default()
    };
    add(cluster, sets, key, &context, table);
}

fn add(cluster: &Cluster, sets: &[NvSet], key: Key, context: &RuleContext<'_>, table: &mut Table) {
    if sets.is_empty() {
        return;
    }
    let known = caches::of(cluster).defaults.borrow().get(&key).cloned();
    let pairs = known.unwrap_or_else(|| {
        let pairs = effective(cluster, sets, context);
        let mut cache = caches::of(cluster).defaults.borrow_mut();
        cache.insert(key, pairs.clone());
        pairs
    });
    nvset::apply(&pairs, table);
}

/// The pairs of the sets that hold, without those that an earlier one makes useless.
fn effective(cluster: &Cluster, sets: &[NvSet], context: &RuleContext<'_>) -> Arc<[(Text, Text)]> {
    let sets = nvset::holding(cluster, sets, context);
    let pairs: Vec<_> = sets.flat_map(|set| &set.pairs).collect();
    let mut seen = FxHashSet::default();
    // what takes values away lets a later pair of the name count again
    let removes = pairs.iter().any(|(_, value)| nvset::removes(value));
    pairs
        .into_iter()
        .filter(|(name, _)| removes || seen.insert(name.clone()))
        .cloned()
        .collect()
}
