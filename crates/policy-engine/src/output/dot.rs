//! The dot rendering: actions as nodes, orderings as edges (scheduler-spec/06 §C, 05 §17).
//!
//! Written from the cluster's actions, not from the graph: actions that are required but cannot be
//! done are drawn too.

use crate::model::{Action, ActionId, Cluster, OrderFlags, Task};
use crate::transition::actions::key_text;

/// Writes the dot file of a scheduled cluster. `all`: also optional and unmanaged actions. `ids`:
/// with action numbers.
pub fn write(cluster: &Cluster, all: bool, ids: bool) -> String {
    let newest_first = || (0..cluster.actions.len()).rev().map(ActionId::new);
    let names: Vec<String> = (0..cluster.actions.len())
        .map(|index| name(cluster, ActionId::new(index), ids))
        .collect();
    let mut drawn = vec![false; cluster.actions.len()];
    let mut out = String::from(" digraph \"g\" {\n");
    for id in newest_first() {
        let action = cluster.action(id);
        let unmanaged = action
            .resource
            .is_some_and(|r| !cluster.resource(r).managed);
        let font = if action.pseudo { "orange" } else { "black" };
        let (style, color, font) = if action.in_graph {
            ("bold", "green", font)
        } else if unmanaged {
            ("dashed", "red", "purple")
        } else if action.optional {
            ("dashed", "blue", font)
        } else {
            ("dashed", "red", font)
        };
        if action.in_graph || all || !(unmanaged || action.optional) {
            drawn[id.index()] = true;
            out.push_str(&format!(
                "\"{}\" [ style={style} color=\"{color}\" fontcolor=\"{font}\"]\n",
                names[id.index()]
            ));
        }
    }
    for id in newest_first() {
        for link in &cluster.action(id).before {
            let both = drawn[id.index()] && drawn[link.first.index()];
            let style = if link.graphed {
                "bold"
            } else if link.flags.is_none() {
                continue;
            } else if (both && link.flags != OrderFlags::LOAD) || all {
                "dashed"
            } else {
                continue;
            };
            out.push_str(&format!(
                "\"{}\" -> \"{}\" [ style = {style}]\n",
                names[link.first.index()],
                names[id.index()]
            ));
        }
    }
    out.push_str("}\n");
    out
}

/// The name that an action has in the drawing (06 §C.1).
fn name(cluster: &Cluster, id: ActionId, ids: bool) -> String {
    let action = cluster.action(id);
    let host = match action.node {
        Some(node) => Some(&*cluster.node(node).name),
        None if !action.pseudo => Some("<none>"),
        None => None,
    };
    let history_name = action
        .resource
        .and_then(|resource| cluster.resource(resource).history_name.as_deref());
    let (prefix, task) = match (&action.task, &action.cancelled_task) {
        (Task::Cancel, Some(cancelled)) => ("Cancel ", cancelled),
        (task, _) => ("", task),
    };
    let mut name = match (history_name, host) {
        (Some(history_name), host) => {
            let key = history_key(action, history_name, task);
            match host {
                Some(host) => format!("{prefix}{key} {host}"),
                None => format!("{prefix}{key}"),
            }
        }
        (None, host) if action.task == Task::Stonith => format!(
            "stonith '{}' {}",
            action.meta("stonith_action").unwrap_or_default(),
            host.unwrap_or_default()
        ),
        (None, Some(host)) if action.resource.is_some() => {
            format!("{prefix}{} {host}", key_text(cluster, id))
        }
        (None, Some(host)) => format!("{task} {host}"),
        (None, None) => key_text(cluster, id).to_string(),
    };
    if ids {
        name.push_str(&format!(" ({})", id.number()));
    }
    name
}

/// The key of an action of a resource that the history knows under another name.
fn history_key(action: &Action, history_name: &str, task: &Task) -> String {
    if matches!(action.task, Task::Notify | Task::Notified) {
        let part = |name| action.meta(name).unwrap_or_default();
        let (kind, operation) = (part("notify_key_type"), part("notify_key_operation"));
        return format!("{history_name}_{kind}_notify_{operation}_0");
    }
    let interval = action.meta("interval").unwrap_or("0");
    format!("{history_name}_{task}_{interval}")
}
