//! The graph as XML, byte for byte as the field's tools write it (scheduler-spec/05 §16).

use super::{ActionHead, ActionKind, GraphAction, TransitionGraph};
use crate::xml::escape_attribute;

/// Writes the graph as XML: two blanks per level, one element per line, no declaration.
pub fn write(graph: &TransitionGraph) -> String {
    let mut out = Writer {
        text: String::with_capacity(graph.synapses.len() * 512),
    };
    out.open(0, "transition_graph");
    for (name, value) in &graph.attributes {
        out.attribute(name, value);
    }
    if graph.synapses.is_empty() {
        out.text.push_str("/>\n");
        return out.text;
    }
    out.text.push_str(">\n");
    for (id, synapse) in graph.synapses.iter().enumerate() {
        out.open(1, "synapse");
        out.attribute("id", &id.to_string());
        if synapse.priority > 0 {
            out.attribute("priority", &synapse.priority.to_string());
        }
        out.text.push_str(">\n");
        out.line(2, "<action_set>");
        out.action(graph, &synapse.action);
        out.line(2, "</action_set>");
        if synapse.inputs.is_empty() {
            out.line(2, "<inputs/>");
        } else {
            out.line(2, "<inputs>");
            for head in synapse.inputs.iter().filter_map(|input| graph.head(*input)) {
                out.line(3, "<trigger>");
                out.head(4, head);
                out.text.push_str("/>\n");
                out.line(3, "</trigger>");
            }
            out.line(2, "</inputs>");
        }
        out.line(1, "</synapse>");
    }
    out.line(0, "</transition_graph>");
    out.text
}

struct Writer {
    text: String,
}

impl Writer {
    fn indent(&mut self, depth: usize) {
        self.text.extend(std::iter::repeat_n("  ", depth));
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.indent(depth);
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn open(&mut self, depth: usize, name: &str) {
        self.indent(depth);
        self.text.push('<');
        self.text.push_str(name);
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push_str("=\"");
        escape_attribute(value, &mut self.text);
        self.text.push('"');
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.attribute(name, value);
        }
    }

    /// The short form of an action, not closed.
    fn head(&mut self, depth: usize, head: &ActionHead) {
        self.open(depth, element(head));
        self.optional("mode", head.mode);
        self.attribute("id", &head.id.to_string());
        self.attribute("operation", &head.operation);
        self.attribute("operation_key", &head.operation_key);
        self.optional(
            "internal_operation_key",
            head.internal_operation_key.as_deref(),
        );
        self.optional("on_node", head.on_node.as_deref());
        self.optional("on_node_uuid", head.on_node_uuid.as_deref());
        self.optional("router_node", head.router_node.as_deref());
    }

    fn action(&mut self, graph: &TransitionGraph, action: &GraphAction) {
        let Some(head) = graph.head(action.id) else {
            return;
        };
        self.head(3, head);
        if let Some(time) = action.shutdown_lock {
            self.attribute("shutdown-lock", &time.to_string());
        }
        self.text.push_str(">\n");
        if let Some(resource) = &action.resource {
            self.open(4, &resource.element);
            self.attribute("id", &resource.id);
            self.optional("long-id", resource.long_id.as_deref());
            self.optional("class", resource.class.as_deref());
            self.optional("provider", resource.provider.as_deref());
            self.optional("type", resource.kind.as_deref());
            self.text.push_str("/>\n");
        }
        self.open(4, "attributes");
        for (name, value) in &action.attributes {
            self.attribute(name, value);
        }
        if action.numbered_parameters.is_empty() {
            self.text.push_str("/>\n");
        } else {
            self.text.push_str(">\n");
            for (name, value) in &action.numbered_parameters {
                self.open(5, "param");
                self.attribute("name", name);
                self.attribute("value", value);
                self.text.push_str("/>\n");
            }
            self.line(4, "</attributes>");
        }
        if let Some(nodes) = &action.downed {
            self.line(4, "<downed>");
            for node in nodes {
                self.open(5, "node");
                self.attribute("id", node);
                self.text.push_str("/>\n");
            }
            self.line(4, "</downed>");
        }
        if !action.maintenance.is_empty() {
            self.line(4, "<maintenance>");
            for (node, state) in &action.maintenance {
                self.open(5, "node");
                self.attribute("id", node);
                self.attribute("node_in_maintenance", if *state { "1" } else { "0" });
                self.text.push_str("/>\n");
            }
            self.line(4, "</maintenance>");
        }
        self.indent(3);
        self.text.push_str("</");
        self.text.push_str(element(head));
        self.text.push_str(">\n");
    }
}

fn element(head: &ActionHead) -> &'static str {
    match head.kind {
        ActionKind::Pseudo => "pseudo_event",
        ActionKind::Resource => "rsc_op",
        ActionKind::Cluster => "crm_event",
    }
}
