//! The XML and JSON formats: everything is collected into one tree, which is written at the end.
//! The XML is that of `crm_simulate --output-as=xml`; the JSON has the same names.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use policy_engine::Cluster;
use policy_engine::model::ScoreLine;
use policy_engine::output::summary::{Change, ResourceChange};
use policy_engine::simulation::{Execution, Injected, Injections, Step};
use policy_engine::xml::Writer;

use super::status::{self, Parts};
use super::tree::{Element, Shape};
use super::{Report, Sink, StatusKind, Written};
use crate::arguments::{Arguments, Format};
use crate::failure::Failure;

/// Version of the format that this writes.
const API_VERSION: &str = "2.25";

/// A report that is written at its end.
pub(super) struct Structured<'a> {
    arguments: &'a Arguments,
    sink: Sink<'a>,
    err: &'a mut dyn Write,
    root: Element,
}

impl<'a> Structured<'a> {
    /// A report into `sink`.
    pub(super) fn new(
        arguments: &'a Arguments,
        sink: Sink<'a>,
        err: &'a mut dyn Write,
    ) -> Structured<'a> {
        Structured {
            arguments,
            sink,
            err,
            root: Element::new("pacemaker-result", Shape::Object)
                .with("api-version", API_VERSION)
                .with("request", crate::arguments::NAME),
        }
    }
}

impl Report for Structured<'_> {
    fn info(&mut self, _text: &str) -> Written {
        Ok(())
    }

    fn status(&mut self, kind: StatusKind, cluster: &Cluster) -> Written {
        let name = match kind {
            StatusKind::Current => "cluster_status",
            StatusKind::Revised => "revised_cluster_status",
        };
        let parts = Parts {
            pending: kind == StatusKind::Current,
            attributes: self.arguments.operations.show_attrs,
            failures: self.arguments.operations.show_failcounts && kind == StatusKind::Current,
        };
        self.root.push(status::tree(name, cluster, parts));
        Ok(())
    }

    fn injections(&mut self, injected: &Injected) -> Written {
        for problem in &injected.problems {
            self.warn(problem);
        }
        let injections = self.arguments.events.injections();
        self.root.push(modifications(&injections, injected));
        Ok(())
    }

    fn scores(&mut self, cluster: &Cluster) -> Written {
        let operations = &self.arguments.operations;
        let name = match (operations.show_scores, operations.show_utilization) {
            (true, true) => "allocations_utilizations",
            (true, false) => "allocations",
            (false, _) => "utilizations",
        };
        let lines = cluster.score_lines.iter();
        let lines = lines.filter_map(|line| score(cluster, line));
        self.root.push(Element::list(name, lines));
        Ok(())
    }

    fn changes(&mut self, changes: &[Change]) -> Written {
        self.root
            .push(Element::list("actions", changes.iter().map(change)));
        Ok(())
    }

    fn execution(&mut self, execution: &Execution) -> Written {
        let steps = execution.steps.iter().filter_map(step);
        self.root.push(Element::list("transition", steps));
        Ok(())
    }

    fn timings(&mut self, timings: &[(PathBuf, Duration)]) -> Written {
        let timings = timings.iter().map(|(file, time)| {
            Element::new("timing", Shape::Object)
                .with("file", file.display().to_string())
                .with("duration", time.as_secs_f64())
        });
        self.root.push(Element::list("timings", timings));
        Ok(())
    }

    fn warn(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    fn finish(&mut self, code: i32) -> Written {
        let message = if code == 0 { "OK" } else { "Error occurred" };
        self.root.push(
            Element::new("status", Shape::Object)
                .with("code", code)
                .with("message", message),
        );
        let text = if self.arguments.output.output_as == Format::Json {
            format!("{:#}\n", self.root.to_json())
        } else {
            let mut xml = Writer::new();
            self.root.write_xml(&mut xml);
            xml.finish()
        };
        self.sink
            .write_all(text.as_bytes())
            .and_then(|()| self.sink.flush())
            .map_err(Failure::output)
    }
}

fn modifications(injections: &Injections, injected: &Injected) -> Element {
    let mut element = Element::new("modifications", Shape::Members("events"))
        .with_some("quorum", injections.quorum.as_ref())
        .with_some("watchdog", injections.watchdog.as_ref());
    for (nodes, action) in [
        (&injections.nodes_up, "Online"),
        (&injections.nodes_down, "Offline"),
        (&injections.nodes_failed, "Failing"),
        (&injections.nodes_standby, "Standby"),
        (&injections.nodes_unstandby, "Active"),
    ] {
        let events = nodes.iter().map(|node| {
            Element::new("modify_node", Shape::Object)
                .with("action", action)
                .with("node", &**node)
        });
        element = element.containing(events);
    }
    for (tickets, action) in [
        (&injections.tickets_granted, "Granting"),
        (&injections.tickets_revoked, "Revoking"),
        (&injections.tickets_standby, "Standby"),
        (&injections.tickets_activated, "Activating"),
    ] {
        let events = tickets.iter().map(|ticket| {
            Element::new("modify_ticket", Shape::Object)
                .with("action", action)
                .with("ticket", &**ticket)
        });
        element = element.containing(events);
    }
    let specifications = injections.operations.iter();
    let specifications =
        specifications.map(|text| Element::new("inject_spec", Shape::Object).with("spec", &**text));
    let attributes = injected.attributes.iter().map(|attribute| {
        Element::new("inject_attr", Shape::Object)
            .with("name", &*attribute.name)
            .with("value", &*attribute.value)
            .with("node_path", "/node_state")
            .with("cib_node", &*attribute.state)
    });
    element.containing(specifications).containing(attributes)
}

fn score(cluster: &Cluster, line: &ScoreLine) -> Option<Element> {
    let node_name = |node| cluster.node(node).name.clone();
    Some(match line {
        ScoreLine::Allocation {
            function,
            resource,
            node,
            score,
        } => Element::new("node_weight", Shape::Object)
            .with("function", *function)
            .with("node", &*node_name(*node))
            .with("score", score.to_string())
            .with("id", &*cluster.resource(*resource).id),
        ScoreLine::Promotion {
            resource,
            node,
            score,
        } => Element::new("promotion_score", Shape::Object)
            .with("id", &*cluster.resource(*resource).id)
            .with("score", score.to_string())
            .with_some("node", node.map(node_name)),
        ScoreLine::Utilization(text) => return utilization(text),
        ScoreLine::Info(_) => return None,
    })
}

/// `Original: NODE capacity: …` or `FUNCTION: RESOURCE utilization on NODE: …`, taken apart.
fn utilization(text: &str) -> Option<Element> {
    let (head, rest) = text.split_once(": ")?;
    let (subject, values) = rest.rsplit_once(':')?;
    if let Some(node) = subject.strip_suffix(" capacity") {
        return Some(
            Element::new("capacity", Shape::Object)
                .with("comment", head)
                .with("node", node)
                .with("values", values.trim()),
        );
    }
    let (resource, node) = subject.split_once(" utilization on ")?;
    Some(
        Element::new("utilization", Shape::Object)
            .with("function", head)
            .with("resource", resource)
            .with("node", node)
            .with("values", values.trim()),
    )
}

fn change(change: &Change) -> Element {
    match change {
        Change::Node {
            fencing,
            node,
            reason,
            ..
        } => {
            let task = match fencing {
                Some(operation) => format!("Fence ({operation})"),
                None => "Shutdown".to_owned(),
            };
            Element::new("node_action", Shape::Object)
                .with("task", task)
                .with("node", &**node)
                .with("reason", &**reason)
        }
        Change::Resource(change) => resource_change(change),
    }
}

fn resource_change(change: &ResourceChange) -> Element {
    let element = Element::new("rsc_action", Shape::Object)
        .with("action", change.verb)
        .with("resource", &*change.resource)
        .with("role", change.role.name())
        .with("next-role", change.next_role.name());
    let element = match (&change.from, &change.to) {
        (Some(from), Some(to)) if from != to => element.with("source", &**from).with("dest", &**to),
        (from, to) => element.with_some("node", from.as_ref().or(to.as_ref())),
    };
    let element = element.with_some("reason", change.reason.as_ref());
    if change.blocked {
        element.with("blocked", true)
    } else {
        element
    }
}

fn step(step: &Step) -> Option<Element> {
    Some(match step {
        Step::Pseudo { key, node } => Element::new("pseudo_action", Shape::Object)
            .with("task", &**key)
            .with_some("node", node.as_ref()),
        Step::Fencing { node, operation } => Element::new("fencing_action", Shape::Object)
            .with("op", &**operation)
            .with("target", &**node),
        Step::Cluster {
            task,
            resource,
            node,
        } => Element::new("cluster_action", Shape::Object)
            .with("task", &**task)
            .with("node", &**node)
            .with_some("id", resource.as_ref()),
        Step::Resource {
            resource,
            task,
            interval_ms,
            node,
        } => {
            let element = Element::new("rsc_action", Shape::Object)
                .with("resource", &**resource)
                .with("op", &**task)
                .with("node", &**node);
            if *interval_ms > 0 {
                element.with("interval", *interval_ms)
            } else {
                element
            }
        }
        Step::Attribute(_) | Step::Failure { .. } => return None,
    })
}
