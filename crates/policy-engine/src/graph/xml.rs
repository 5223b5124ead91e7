//! The graph as XML, byte for byte as the field's tools write it (scheduler-spec/05 §16).

use super::{ActionHead, ActionKind, GraphAction, TransitionGraph};
use crate::xml::Writer;

/// Writes the graph as XML: two blanks per level, one element per line, no declaration.
pub fn write(graph: &TransitionGraph) -> String {
    let mut xml = Writer::with_capacity(graph.synapses.len() * 512);
    xml.open("transition_graph");
    for (name, value) in &graph.attributes {
        xml.attribute(name, value);
    }
    for (id, (synapse, described)) in graph.described().enumerate() {
        xml.open("synapse").attribute("id", &id.to_string());
        if synapse.priority > 0 {
            xml.attribute("priority", &synapse.priority.to_string());
        }
        xml.open("action_set");
        if let Some(head) = graph.head(synapse.action) {
            action(head, described, &mut xml);
        }
        xml.close();
        xml.open("inputs");
        for input in synapse.inputs.iter().filter_map(|input| graph.head(*input)) {
            xml.open("trigger");
            head(input, &mut xml);
            xml.close();
            xml.close();
        }
        xml.close();
        xml.close();
    }
    xml.finish()
}

/// Opens the element of an action, with the attributes of its short form.
fn head(head: &ActionHead, xml: &mut Writer<'_>) {
    let element = match head.kind {
        ActionKind::Pseudo => "pseudo_event",
        ActionKind::Resource => "rsc_op",
        ActionKind::Cluster => "crm_event",
    };
    xml.open(element)
        .optional("mode", head.mode)
        .attribute("id", &head.id.to_string())
        .attribute("operation", &head.operation)
        .attribute("operation_key", &head.operation_key)
        .optional(
            "internal_operation_key",
            head.internal_operation_key.as_deref(),
        )
        .optional("on_node", head.on_node.as_deref())
        .optional("on_node_uuid", head.on_node_uuid.as_deref())
        .optional("router_node", head.router_node.as_deref());
}

fn action<'n>(action_head: &ActionHead, action: &'n GraphAction, xml: &mut Writer<'n>) {
    head(action_head, xml);
    if let Some(time) = action.shutdown_lock {
        xml.attribute("shutdown-lock", &time.to_string());
    }
    if let Some(resource) = &action.resource {
        xml.open(&resource.element)
            .attribute("id", &resource.id)
            .optional("long-id", resource.long_id.as_deref())
            .optional("class", resource.class.as_deref())
            .optional("provider", resource.provider.as_deref())
            .optional("type", resource.kind.as_deref())
            .close();
    }
    xml.open("attributes");
    for (name, value) in &action.attributes {
        xml.attribute(name, value);
    }
    for (name, value) in &action.numbered_parameters {
        xml.open("param")
            .attribute("name", name)
            .attribute("value", value)
            .close();
    }
    xml.close();
    if let Some(nodes) = &action.downed {
        xml.open("downed");
        for node in nodes {
            xml.open("node").attribute("id", node).close();
        }
        xml.close();
    }
    if !action.maintenance.is_empty() {
        xml.open("maintenance");
        for (node, state) in &action.maintenance {
            xml.open("node")
                .attribute("id", node)
                .attribute("node_in_maintenance", if *state { "1" } else { "0" })
                .close();
        }
        xml.close();
    }
    xml.close();
}
