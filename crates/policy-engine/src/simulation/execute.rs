//! Executing a graph on a CIB, every action with its expected result (scheduler-spec/06 §D.1–D.5,
//! §D.9).

use std::collections::BTreeSet;
use std::fmt;

use rustc_hash::FxHashMap;

use super::inject::{DOWN, SetAttribute};
use super::record::{Outcome, Recorder};
use crate::cib::Cib;
use crate::graph::{ActionHead, ActionKind, GraphAction, ResourceIdentity, TransitionGraph};
use crate::model::{Cluster, Text};

/// The executed part of a graph.
#[derive(Clone, Debug, Default)]
pub struct Execution {
    /// Steps in order.
    pub steps: Vec<Step>,
    /// Every synapse fired, or a requested failure kept it from that. If not, the graph is invalid:
    /// a loop, or an input that is not in it.
    pub complete: bool,
}

/// One executed action, or a remark about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A pseudo-action, which has no effect of its own.
    Pseudo {
        /// Its key.
        key: Text,
        /// The node that it is about.
        node: Option<Text>,
    },
    /// A node is fenced (`reboot`, `off`) or unfenced (`on`).
    Fencing {
        /// Name of the node.
        node: Text,
        /// `reboot`, `off` or `on`.
        operation: Text,
    },
    /// An action of the cluster itself.
    Cluster {
        /// Name of the task.
        task: Text,
        /// Id of the resource that it is about.
        resource: Option<Text>,
        /// Name of the node.
        node: Text,
    },
    /// An operation of a resource agent.
    Resource {
        /// Id of the resource.
        resource: Text,
        /// Name of the task.
        task: Text,
        /// Interval in milliseconds; 0 if the operation is not recurring.
        interval_ms: u32,
        /// Name of the node.
        node: Text,
    },
    /// A transient attribute was set because of a requested failure.
    Attribute(SetAttribute),
    /// A requested failure.
    Failure {
        /// Number of the action that fails.
        action: u32,
        /// Exit code of the resource agent.
        code: i32,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Pseudo { key, node: None } => write!(f, "Pseudo action:   {key}"),
            Step::Pseudo {
                key,
                node: Some(node),
            } => write!(f, "Pseudo action:   {key} on {node}"),
            Step::Fencing { node, operation } => write!(f, "Fencing {node} ({operation})"),
            Step::Cluster {
                task,
                resource: Some(resource),
                node,
            } => write!(f, "Cluster action:  {task} for {resource} on {node}"),
            Step::Cluster { task, node, .. } => write!(f, "Cluster action:  {task} on {node}"),
            Step::Resource {
                resource,
                task,
                interval_ms: 0,
                node,
            } => write!(f, "Resource action: {resource:<15} {task} on {node}"),
            Step::Resource {
                resource,
                task,
                interval_ms,
                node,
            } => write!(
                f,
                "Resource action: {resource:<15} {task}={interval_ms} on {node}"
            ),
            Step::Attribute(attribute) => attribute.fmt(f),
            Step::Failure { action, code } => {
                write!(f, "Pretending action {action} failed with rc={code}")
            }
        }
    }
}

/// Priority of synapses that are still executed after a failure.
const INFINITY: i32 = 1_000_000;

/// Executes `graph` on `cib`. `cluster`: the one that made the graph, for display names.
/// `failures`: `-F` specifications, `RSC_TASK_INTERVAL@NODE=RC`. `now`: real time, epoch seconds,
/// recorded as `last-rc-change`.
pub fn execute(
    cib: &mut Cib,
    cluster: &Cluster,
    graph: &TransitionGraph,
    failures: &[String],
    now: i64,
) -> Execution {
    let mut run = Run {
        cluster,
        graph,
        failures,
        recorder: Recorder::new(cib.document_mut(), now),
        steps: Vec::new(),
        failed: false,
    };
    let complete = run.fire_all();
    Execution {
        steps: run.steps,
        complete,
    }
}

struct Run<'r> {
    cluster: &'r Cluster,
    graph: &'r TransitionGraph,
    failures: &'r [String],
    recorder: Recorder<'r>,
    steps: Vec<Step>,
    /// A requested failure happened: only pseudo-actions and synapses with priority INFINITY are
    /// still executed.
    failed: bool,
}

impl Run<'_> {
    /// Fires synapses in passes over the graph (06 §D.2): what a fired synapse makes ready fires in
    /// the same pass if it comes later in the graph, else in the next one. Whether all fired, or a
    /// requested failure kept them from it.
    fn fire_all(&mut self) -> bool {
        let synapses = &self.graph.synapses;
        let mut waiting: Vec<usize> = synapses.iter().map(|s| s.inputs.len()).collect();
        let mut triggered: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        for (index, synapse) in synapses.iter().enumerate() {
            for input in &synapse.inputs {
                triggered.entry(*input).or_default().push(index);
            }
        }
        let mut pass: BTreeSet<usize> = (0..synapses.len()).filter(|i| waiting[*i] == 0).collect();
        let mut next_pass = BTreeSet::new();
        let mut fired = 0;
        loop {
            while let Some(index) = pass.pop_first() {
                let synapse = &synapses[index];
                let head = self.graph.head(synapse.action);
                let pseudo = head.is_none_or(|head| head.kind == ActionKind::Pseudo);
                if self.failed && !pseudo && synapse.priority < INFINITY {
                    continue;
                }
                let succeeded =
                    head.is_none_or(|head| self.perform(head, &self.graph.actions[index]));
                fired += 1;
                for then in triggered.get(&synapse.action).into_iter().flatten() {
                    if !succeeded && synapses[*then].priority < INFINITY {
                        continue;
                    }
                    waiting[*then] -= 1;
                    if waiting[*then] == 0 {
                        if *then > index {
                            pass.insert(*then);
                        } else {
                            next_pass.insert(*then);
                        }
                    }
                }
            }
            if next_pass.is_empty() {
                return self.failed || fired == synapses.len();
            }
            std::mem::swap(&mut pass, &mut next_pass);
        }
    }

    /// Executes one action; false if it failed as requested.
    fn perform(&mut self, head: &ActionHead, action: &GraphAction) -> bool {
        match head.kind {
            ActionKind::Pseudo => self.steps.push(Step::Pseudo {
                key: head.operation_key.clone(),
                node: head.on_node.clone(),
            }),
            ActionKind::Cluster if &*head.operation == "stonith" => self.fence(head, action),
            ActionKind::Cluster => self.steps.push(Step::Cluster {
                task: head.operation.clone(),
                resource: action.resource.as_ref().map(|resource| resource.id.clone()),
                node: node_of(head),
            }),
            ActionKind::Resource => return self.operate(head, action),
        }
        true
    }

    /// Fencing clears a node; unfencing changes nothing.
    fn fence(&mut self, head: &ActionHead, action: &GraphAction) {
        let operation: Text = action
            .attribute("CRM_meta_stonith_action")
            .unwrap_or("reboot")
            .into();
        let node = node_of(head);
        self.steps.push(Step::Fencing {
            node: node.clone(),
            operation: operation.clone(),
        });
        if &*operation != "on" {
            let state = self.recorder.state(&node, None);
            self.recorder.set_membership(state, &DOWN);
            self.recorder.forget(&node, state);
        }
    }

    fn operate(&mut self, head: &ActionHead, action: &GraphAction) -> bool {
        let (task, node) = (&*head.operation, node_of(head));
        let Some(resource) = &action.resource else {
            return true;
        };
        let only_printed = matches!(task, "delete" | "meta-data");
        let interval_ms = match action.attribute("CRM_meta_interval") {
            Some(interval) if !only_printed => interval.parse().unwrap_or(0),
            _ => 0,
        };
        let name = self.display_name(resource);
        self.steps.push(Step::Resource {
            resource: name.clone(),
            task: head.operation.clone(),
            interval_ms,
            node: node.clone(),
        });
        if only_printed {
            return true;
        }
        let meta = |name: &str| action.attribute(name).unwrap_or_default();
        let expected = action
            .attribute("CRM_meta_op_target_rc")
            .and_then(crate::scalar::integer)
            .map_or(0, |code| code.max(0));
        let notification = (task == "notify").then(|| {
            (
                meta("CRM_meta_notify_type"),
                meta("CRM_meta_notify_operation"),
            )
        });
        let migration = matches!(task, "migrate_to" | "migrate_from").then(|| {
            (
                meta("CRM_meta_migrate_source"),
                meta("CRM_meta_migrate_target"),
            )
        });
        let expected = if notification.is_some() { 0 } else { expected };
        let requested = self.requested_failure(resource, &name, task, interval_ms, &node);

        let id = match head.router_node {
            Some(_) => Some(&*node),
            None => head.on_node_uuid.as_deref(),
        };
        let state = self.recorder.state(&node, id);
        if let Some(code) = requested {
            let action = head.id;
            self.failed = true;
            self.steps.push(Step::Failure { action, code });
            let fatal = self.is_fatal(task);
            let counter = &mut self.recorder;
            let attributes = counter.count_failure(state, &resource.id, task, interval_ms, fatal);
            self.steps.extend(attributes.map(Step::Attribute));
        }
        let outcome = Outcome {
            resource,
            display_name: &name,
            task,
            interval_ms,
            expected,
            code: requested.map_or(expected, i64::from),
            exit_reason: requested.map_or("", |_| "User-injected result"),
            notification,
            migration,
            digest: Some(crate::graph::operation_digest(action)),
        };
        self.recorder.record(&node, state, &outcome);
        requested.is_none()
    }

    /// Whether one failure of a task bans the resource from the node.
    fn is_fatal(&self, task: &str) -> bool {
        let offset = match task {
            "start" => self.graph.attribute("failed-start-offset"),
            "stop" => self.graph.attribute("failed-stop-offset"),
            _ => None,
        };
        offset == Some("INFINITY")
    }

    /// The id under which people know the resource (06 §D.3).
    fn display_name(&self, resource: &ResourceIdentity) -> Text {
        let long_id = resource.long_id.as_ref();
        match long_id {
            Some(long_id)
                if self.cluster.find_resource(&resource.id).is_none()
                    && self.cluster.find_resource(long_id).is_some() =>
            {
                long_id.clone()
            }
            _ => resource.id.clone(),
        }
    }

    /// The exit code that was requested for an operation: the first specification that begins with
    /// it.
    fn requested_failure(
        &self,
        resource: &ResourceIdentity,
        display_name: &str,
        task: &str,
        interval_ms: u32,
        node: &str,
    ) -> Option<i32> {
        if self.failures.is_empty() {
            return None;
        }
        let wanted = |name: &str| format!("{name}_{task}_{interval_ms}@{node}=");
        let names = [wanted(display_name), wanted(&resource.id)];
        self.failures.iter().find_map(|text| {
            let begins = |start: &String| {
                text.get(..start.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(start))
            };
            let start = names.iter().find(|start| begins(start))?;
            text[start.len()..].parse().ok()
        })
    }
}

fn node_of(head: &ActionHead) -> Text {
    head.on_node.clone().unwrap_or_else(|| "<none>".into())
}
