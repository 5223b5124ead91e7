//! A node: what is done with it and why, what its shutdown waits for, what runs there and what does
//! not.

use super::answer::{Explanation, Statement, SubjectKind, Value};
use super::{Explainer, codes};
use crate::model::{
    Action, ActionId, LocationId, LossPolicy, NodeId, NodeKind, OnFail, ResourceId, Score, Task,
};
use crate::transition::fencing;
use crate::xml::Element;

/// Resources that an answer about a node goes through, at most.
const RESOURCES: usize = 60;

impl<'s> Explainer<'s> {
    /// Everything about a node.
    pub(super) fn node(&self, id: NodeId) -> Explanation {
        let mut told = self.node_verdict(id);
        told.remarks.extend(self.lost_without_fencing(id));
        told.remarks.extend(self.without_quorum());
        told.remarks.extend(self.levels_without_devices(id));
        let all = self.cluster.top_level.iter();
        let leaves = all
            .flat_map(|top| self.cluster.leaves(*top))
            .take(RESOURCES);
        for leaf in leaves {
            let part = self.at_node(leaf, id);
            told.parts.extend(part);
        }
        told
    }

    /// A resource as it concerns a node.
    fn at_node(&self, leaf: ResourceId, node: NodeId) -> Option<Explanation> {
        let resource = self.cluster.resource(leaf);
        let name = self.name(leaf);
        let concerned = resource.active_on.contains(&node) || resource.assigned == Some(node);
        if concerned {
            let verdict = self.verdict(leaf);
            let mut part = Explanation::new(
                SubjectKind::Resource,
                &name,
                verdict.outcome,
                verdict.reason,
            );
            part.attention = verdict.attention;
            part.failures = self.failure_list(leaf, Some(node));
            part.steps = self.steps(leaf);
            return Some(part);
        }
        let reason = self.not_there(leaf, node);
        if reason.code == &codes::NO_CANDIDATE || reason.code == &codes::ENOUGH_INSTANCES {
            return None;
        }
        let here = reason
            .text
            .starts_with(&format!("{} ", self.node_name(node)));
        let not = [
            &codes::NODE_OFFLINE,
            &codes::NODE_STANDBY,
            &codes::NODE_UNCLEAN,
        ];
        if here && not.contains(&reason.code) {
            return None;
        }
        let outcome = self.say(
            &codes::NOT_THERE,
            vec![
                ("resource", name.as_str().into()),
                ("reason", reason.into()),
            ],
        );
        Some(Explanation::new(
            SubjectKind::Resource,
            &name,
            outcome,
            None,
        ))
    }

    /// What is done with a node, and why.
    pub(super) fn node_verdict(&self, id: NodeId) -> Explanation {
        let name = self.node_name(id);
        let node = self.cluster.node(id);
        let explain = |outcome: Statement| {
            let mut told = Explanation::new(SubjectKind::Node, &name, outcome, None);
            // Somebody ordered this standby; one by a failure has another code.
            let well = [&codes::NODE_ONLINE, &codes::NODE_IDLE, &codes::NODE_STANDBY];
            told.attention = !well.contains(&told.outcome.code);
            told
        };
        if let Some(fencing) = self.node_fencing(id) {
            let mut told = explain(fencing);
            told.failures = self.failures_behind(id);
            return told;
        }
        if let Some(shutdown) = self.shutdown(id) {
            return explain(shutdown);
        }
        if let Some(problem) = self.node_problem(id) {
            let mut told = explain(problem);
            let known = [&codes::NODE_MAINTENANCE, &codes::NODE_NOT_MANAGED];
            if node.maintenance && !known.contains(&told.outcome.code) {
                told.remarks.push(self.in_maintenance(id));
            }
            return told;
        }
        if let Some(lost) = self.lost_with_host(id) {
            return explain(lost);
        }
        if let Some(unhealthy) = self.unhealthy(id) {
            return explain(unhealthy);
        }
        if let Some(coming) = self.to_be_connected(id) {
            return explain(coming);
        }
        if let Some(reason) = self.idle() {
            let parameters = vec![("node", name.as_str().into()), ("reason", reason.into())];
            return explain(self.say(&codes::NODE_IDLE, parameters));
        }
        explain(self.say(&codes::NODE_ONLINE, vec![("node", name.as_str().into())]))
    }

    /// Fencing levels for a node that name devices which do not exist.
    fn levels_without_devices(&self, id: NodeId) -> Vec<Statement> {
        let topology = self
            .cluster
            .document
            .section("fencing-topology")
            .into_iter();
        let levels = topology.flat_map(|all| all.children_named("fencing-level"));
        let name = self.node_name(id);
        let levels = levels.filter(|level| level.get("target") == Some(&name));
        let told = levels.filter_map(|level| {
            let devices = level.get("devices")?.split(',').map(str::trim);
            let unknown = devices.filter(|device| self.cluster.find_resource(device).is_none());
            let unknown: Vec<String> = unknown.map(str::to_owned).collect();
            let parameters = vec![
                ("level", Value::from(level.get("id").unwrap_or_default())),
                ("node", name.as_str().into()),
                ("devices", unknown.clone().into()),
            ];
            (!unknown.is_empty()).then(|| self.say(&codes::LEVEL_WITHOUT_DEVICE, parameters))
        });
        told.collect()
    }

    /// Why nothing is started on any node.
    fn idle(&self) -> Option<Statement> {
        let options = &self.cluster.options;
        let code = if options.fencing_enabled && !options.have_fencing_device {
            &codes::NO_FENCING_DEVICE
        } else if options.maintenance_mode {
            &codes::CLUSTER_MAINTENANCE
        } else if options.stop_all_resources {
            &codes::STOP_ALL
        } else {
            return self.starts_nothing();
        };
        Some(self.plain(code))
    }

    /// That a guest is lost with the node that runs it.
    fn lost_with_host(&self, id: NodeId) -> Option<Statement> {
        let guest = self.cluster.guest_launcher(id)?;
        let mut hosts = self.cluster.resource(guest).active_on.iter().copied();
        let host = hosts.find(|host| self.cluster.node(*host).unclean)?;
        let parameters = vec![
            ("node", Value::from(self.node_name(id))),
            ("guest", self.name(guest).into()),
            ("reason", self.node_problem(host)?.into()),
        ];
        Some(self.say(&codes::NODE_LOST_WITH_HOST, parameters))
    }

    /// That a guest or a remote node will take something once it is connected to.
    fn to_be_connected(&self, id: NodeId) -> Option<Statement> {
        let connection = self.cluster.node(id).connection?;
        let resource = self.cluster.resource(connection);
        let place = resource
            .assigned
            .filter(|_| resource.active_on.is_empty())?;
        let mut parameters = vec![
            ("node", Value::from(self.node_name(id))),
            ("place", self.node_name(place).into()),
        ];
        let Some(guest) = resource.launcher else {
            parameters.push(("connection", self.name(connection).into()));
            return Some(self.say(&codes::NODE_TO_BE_CONNECTED, parameters));
        };
        parameters.push(("guest", self.name(guest).into()));
        Some(self.say(&codes::NODE_GUEST_TO_COME, parameters))
    }

    /// That nobody knows what still runs on a node that was lost, and nobody will find out.
    fn lost_without_fencing(&self, id: NodeId) -> Option<Statement> {
        let node = self.cluster.node(id);
        let is_member = node.kind != NodeKind::Remote && !node.online && !node.unclean;
        let state = self.node_states(id).next()?;
        let expected = state.get("expected") == Some("member");
        let joins = node.pending || self.is_joining(id);
        let lost = is_member && expected && !joins && !self.cluster.options.fencing_enabled;
        let name = Value::from(self.node_name(id));
        lost.then(|| self.say(&codes::NODE_LOST_WITHOUT_FENCING, vec![("node", name)]))
    }

    /// Why a node takes no resources now; `None` if it does.
    pub(super) fn node_problem(&self, id: NodeId) -> Option<Statement> {
        let node = self.cluster.node(id);
        let name = ("node", Value::from(self.node_name(id)));
        if node.unclean {
            let mut parameters = vec![name];
            parameters.push(("reason", self.fence_reason(id, None).into()));
            parameters.extend(self.awaited(id));
            return Some(self.say(&codes::NODE_UNCLEAN, parameters));
        }
        if node.kind == NodeKind::Remote && !node.is_available() && !node.maintenance {
            return Some(self.remote_down(id, name));
        }
        let code = if node.pending || self.is_joining(id) {
            &codes::NODE_PENDING
        } else if !node.online {
            &codes::NODE_OFFLINE
        } else if node.shutdown {
            &codes::NODE_SHUTDOWN
        } else if node.fail_standby {
            return Some(self.standby_on_fail(id, name));
        } else if node.standby {
            &codes::NODE_STANDBY
        } else if node.maintenance && self.all_in_maintenance() {
            &codes::ALL_IN_MAINTENANCE
        } else if node.maintenance {
            return Some(self.in_maintenance(id));
        } else {
            return None;
        };
        let mut parameters = vec![name];
        if code == &codes::NODE_STANDBY {
            parameters.push(self.end_of_standby(id));
        }
        Some(self.say(code, parameters))
    }

    /// What ends the standby of a node: one until its next restart is another attribute.
    fn end_of_standby(&self, id: NodeId) -> (&'static str, Value) {
        let until_restart = self.node_states(id).any(|state| {
            let transient = state.child("transient_attributes").into_iter();
            let mut pairs = transient.flat_map(Element::descendants);
            pairs.any(|pair| pair.get("name") == Some("standby"))
        });
        let node = self.node_name(id);
        let order = match until_restart {
            true => format!("crm_standby --node {node} --delete --lifetime=reboot"),
            false => {
                format!("crm_standby --node {node} --delete (or: pcs node unstandby {node})")
            }
        };
        ("order", order.into())
    }

    fn remote_down(&self, id: NodeId, name: (&'static str, Value)) -> Statement {
        let node = self.cluster.node(id);
        let Some(connection) = node.connection else {
            return self.say(&codes::NODE_OFFLINE, vec![name]);
        };
        if node.fail_standby && node.online {
            return self.standby_on_fail(id, name);
        }
        if node.standby && node.online {
            let order = self.end_of_standby(id);
            return self.say(&codes::NODE_STANDBY, vec![name, order]);
        }
        let reason = self.behind(connection, || self.short_reason(connection));
        let mut parameters = vec![name, ("connection", self.name(connection).into())];
        parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
        self.say(&codes::REMOTE_DOWN, parameters)
    }

    /// Whether a node is a member that has not finished joining.
    fn is_joining(&self, id: NodeId) -> bool {
        if self.cluster.node(id).online {
            return false;
        }
        let state = self.node_states(id).next();
        state.is_some_and(|state| {
            let is = |name, yes: &[&str]| state.get(name).is_some_and(|it| yes.contains(&it));
            let member = state
                .get("in_ccm")
                .is_some_and(|it| !matches!(it, "false" | "0"));
            let online = state
                .get("crmd")
                .is_some_and(|it| !matches!(it, "offline" | "0"));
            member && online && !is("join", &["member"])
        })
    }

    fn standby_on_fail(&self, id: NodeId, name: (&'static str, Value)) -> Statement {
        let mut parameters = vec![name];
        if let Some((leaf, failure)) = self.failed_with(id, OnFail::Standby) {
            parameters.push(("failure", failure.into()));
            parameters.push(("resource", self.cleanup_name(leaf).into()));
        }
        self.say(&codes::NODE_STANDBY_ON_FAIL, parameters)
    }

    /// A failure on a node with a certain response: whose, and what failed.
    pub(super) fn failed_with(
        &self,
        node: NodeId,
        on_fail: OnFail,
    ) -> Option<(ResourceId, Statement)> {
        let tops = self.cluster.top_level.iter();
        let mut leaves = tops.flat_map(|top| self.cluster.leaves(*top));
        leaves.find_map(|leaf| {
            let failures = self.failures(leaf);
            let failure = failures
                .iter()
                .find(|it| it.node == node && it.on_fail == on_fail)?;
            let what = self.what_failed(failure);
            let name = self.name(leaf);
            let operation = what.text_of("operation").unwrap_or_default().to_owned();
            let of = format!("{name}: {operation}");
            Some((leaf, self.with(what, "operation", of)))
        })
    }

    /// The failures that make a node be fenced.
    fn failures_behind(&self, node: NodeId) -> Vec<Statement> {
        let tops = self.cluster.top_level.iter();
        let leaves = tops.flat_map(|top| self.cluster.leaves(*top));
        let connection = self.cluster.node(node).connection;
        let mut told: Vec<Statement> = Vec::new();
        for leaf in leaves {
            let is_connection = connection == Some(leaf);
            for failure in self.failures(leaf) {
                let fences = failure.node == node && failure.on_fail == OnFail::Fence;
                if !fences && !is_connection {
                    continue;
                }
                let full = self.failure_in_full(leaf, &failure);
                let full = self.with(full, "failure", self.failure_of_part(leaf, &failure));
                // Instances that are not told apart have one history.
                if !told.iter().any(|known| known.text == full.text) {
                    told.push(full);
                }
            }
        }
        told
    }

    /// The actions for a node of a kind.
    fn node_actions(&self, node: NodeId, task: Task) -> Vec<(ActionId, &'s Action)> {
        let actions = self.cluster.actions.iter().enumerate();
        let concerned = actions.filter(|(_, it)| it.task == task && it.node == Some(node));
        concerned
            .map(|(index, action)| (ActionId::new(index), action))
            .collect()
    }

    /// What its fencing device does with a node, or cannot do.
    pub(super) fn node_fencing(&self, id: NodeId) -> Option<Statement> {
        let node = self.cluster.node(id);
        let actions = self.node_actions(id, Task::Stonith);
        let planned = actions.iter().find(|(_, it)| it.in_graph);
        let name = Value::from(self.node_name(id));
        if let Some((_, action)) = planned {
            let operation = action.meta("stonith_action").unwrap_or("reboot");
            let reason = action.reason.as_deref();
            if operation == "on" {
                let reason = self.unfence_reason(reason);
                return Some(self.say(
                    &codes::NODE_UNFENCED,
                    vec![("node", name), ("reason", reason.into())],
                ));
            }
            let reason = self.fence_reason(id, reason);
            let mut parameters = vec![
                ("node", name),
                ("operation", operation.into()),
                ("reason", reason.into()),
            ];
            parameters.extend(self.awaited(id));
            return Some(self.say(&codes::NODE_FENCED, parameters));
        }
        if !node.unclean {
            return None;
        }
        let (obstacle, remedy) = self.fencing_obstacle(id);
        Some(self.say(
            &codes::NODE_CANNOT_BE_FENCED,
            vec![
                ("node", name),
                ("reason", self.fence_reason(id, None).into()),
                ("obstacle", obstacle.into()),
                ("remedy", remedy.into()),
            ],
        ))
    }

    /// The node, if a device will fence it: no device fences a guest.
    fn awaited(&self, id: NodeId) -> Option<(&'static str, Value)> {
        let actions = self.node_actions(id, Task::Stonith);
        let planned = actions.iter().any(|(_, it)| it.in_graph && !it.pseudo);
        planned.then(|| ("awaited", Value::from(self.node_name(id))))
    }

    fn fencing_obstacle(&self, id: NodeId) -> (String, String) {
        let options = &self.cluster.options;
        let whole = self.terms.cluster;
        let certain = format!(
            "if {} is certainly down: stonith_admin --confirm {}",
            self.node_name(id),
            self.node_name(id)
        );
        if !options.fencing_enabled {
            let remedy = format!("enable fencing and configure a device; {certain}");
            return ("fencing is disabled (stonith-enabled=false)".into(), remedy);
        }
        if !options.have_fencing_device {
            let remedy = format!("configure a fencing device or a watchdog; {certain}");
            return (
                "there is neither a fencing device nor a watchdog".into(),
                remedy,
            );
        }
        if !fencing::can_fence(self.cluster, id) && !options.quorate {
            let obstacle = match self.without_quorum() {
                Some(missing) => missing.text,
                None => format!("the {whole} has no quorum"),
            };
            return (obstacle, format!("bring back enough nodes; {certain}"));
        }
        let managed = self.cluster.top_level.iter();
        let any = managed
            .copied()
            .any(|top| self.cluster.any_below(top, |it| it.managed));
        match any {
            false => (
                format!(
                    "no {} is managed, so there is nothing to protect",
                    self.terms.resource
                ),
                certain,
            ),
            true => ("it is not possible now".into(), certain),
        }
    }

    fn unfence_reason(&self, reason: Option<&str>) -> Statement {
        let reason = reason.unwrap_or_default();
        let needed = reason.strip_prefix("required by ");
        if let Some((resource, task)) = needed.and_then(|it| it.rsplit_once(' ')) {
            return self.say(
                &codes::UNFENCE_FOR,
                vec![("resource", resource.into()), ("task", task.into())],
            );
        }
        self.plain(&codes::UNFENCE_CHANGED)
    }

    /// Why a node has to be fenced, as it was recorded when it was decided.
    pub(super) fn fence_reason(&self, id: NodeId, recorded: Option<&str>) -> Statement {
        let node = self.cluster.node(id);
        let actions = self.node_actions(id, Task::Stonith);
        let noted = actions.iter().find_map(|(_, action)| {
            let on = action.meta("stonith_action") == Some("on");
            action.reason.as_deref().filter(|_| !on)
        });
        let reason = recorded.or(noted).unwrap_or_default();
        if reason.ends_with(" failed there")
            && let Some((_, failure)) = self.failed_with(id, OnFail::Fence)
        {
            return self.say(&codes::FENCE_FAILURE, vec![("failure", failure.into())]);
        }
        if let Some(resource) = reason.strip_suffix(" is thought to be active there") {
            return self.say(&codes::FENCE_ACTIVE, vec![("resource", resource.into())]);
        }
        if let Some(connection) = node.connection.filter(|_| reason.contains("unrecoverable")) {
            let mut parameters = vec![("connection", Value::from(self.name(connection)))];
            let failure = self.failures(connection);
            let failure = failure.first().map(|failure| self.what_failed(failure));
            parameters.extend(failure.map(|failure| ("failure", Value::from(failure))));
            return self.say(&codes::FENCE_REMOTE, parameters);
        }
        if let Some(guest) = self.cluster.guest_launcher(id)
            && reason.starts_with("guest is unclean")
        {
            let mut parameters = vec![("guest", Value::from(self.name(guest)))];
            let reason = self.behind(guest, || self.short_reason(guest));
            parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
            return self.say(&codes::FENCE_GUEST, parameters);
        }
        if let Some((resource, _)) = reason.split_once(" is active there (") {
            return self.say(&codes::FENCE_ACTIVE, vec![("resource", resource.into())]);
        }
        let code = match reason {
            "peer has not been seen by the cluster" => &codes::FENCE_UNSEEN,
            "peer is no longer part of the cluster" | "peer is unexpectedly down" => {
                &codes::FENCE_LOST
            }
            "peer process is no longer available" => &codes::FENCE_PROCESS,
            "fencing was requested" => &codes::FENCE_REQUESTED,
            "cluster does not have quorum" => &codes::FENCE_QUORUM,
            "deadman ticket was lost" => return self.ticket_fences(id),
            "stop is unrunnable" => &codes::FENCE_STOP,
            "peer failed Pacemaker membership criteria"
            | "peer pending timed out on joining the process group"
            | "peer was in an unknown state" => {
                return self.say(&codes::FENCE_JOIN, vec![("detail", reason.into())]);
            }
            "" | "node is unclean" if !node.seen => &codes::FENCE_UNSEEN,
            "" | "node is unclean" => &codes::FENCE_LOST,
            other => return self.say(&codes::FENCE_OTHER, vec![("detail", other.into())]),
        };
        self.plain(code)
    }

    /// Which ticket was lost by what runs there, and fences the node.
    fn ticket_fences(&self, id: NodeId) -> Statement {
        let running = self.cluster.node(id).running.iter();
        let lost = running.filter_map(|leaf| {
            let lost = self.lost_ticket(*leaf, |policy| policy == LossPolicy::Fence)?;
            Some((self.cleanup_name(*leaf), lost))
        });
        let mut parameters = Vec::new();
        if let Some((resource, lost)) = lost.into_iter().next() {
            parameters.push(("resource", Value::from(resource)));
            let known = lost.parameters.into_iter();
            parameters.extend(known.filter(|(name, _)| *name != "resource"));
        }
        self.say(&codes::FENCE_TICKET, parameters)
    }

    /// That the health of a node forbids resources there, or makes it a worse place.
    fn unhealthy(&self, id: NodeId) -> Option<Statement> {
        let strategy = self.cluster.options.health_strategy.name();
        let mut all = self.cluster.locations.iter().enumerate();
        let (at, _) = all.find(|(_, location)| {
            let mut scores = location.nodes.iter();
            strategy != "none"
                && *location.id == *strategy
                && scores.any(|(node, score)| *node == id && *score < Score::ZERO)
        })?;
        Some(self.location(LocationId::new(at), id))
    }

    /// What the shutdown of a node waits for, or why it cannot be completed.
    fn shutdown(&self, id: NodeId) -> Option<Statement> {
        let node = self.cluster.node(id);
        if !node.shutdown || !node.online || node.kind == NodeKind::Remote {
            return None;
        }
        let name = ("node", Value::from(self.node_name(id)));
        let hanging = self.hanging(id);
        if !hanging.is_empty() {
            return Some(self.say(
                &codes::NODE_SHUTDOWN_HANGS,
                vec![name, ("reason", hanging.into())],
            ));
        }
        let shutdown = self.node_actions(id, Task::DoShutdown);
        let waits = shutdown.first().map(|(action, _)| self.waits(*action));
        match waits.filter(|waits| !waits.is_empty()) {
            Some(waits) => Some(self.say(
                &codes::NODE_SHUTDOWN_WAITS,
                vec![name, ("waits", waits.into())],
            )),
            None => Some(self.say(&codes::NODE_SHUTDOWN, vec![name])),
        }
    }

    /// Stops that are wanted on a node and are not possible.
    fn hanging(&self, node: NodeId) -> Vec<Statement> {
        let mut told = Vec::new();
        for leaf in self.cluster.node(node).running.iter().copied() {
            let resource = self.cluster.resource(leaf);
            let stops = resource.actions.iter().copied();
            let stop = stops
                .filter(|stop| {
                    let stop = self.cluster.action(*stop);
                    stop.task == Task::Stop && stop.node == Some(node)
                })
                .find(|stop| {
                    let stop = self.cluster.action(*stop);
                    !stop.runnable && !stop.optional
                });
            let counts = resource.managed || resource.blocked;
            let Some(stop) = stop.filter(|_| counts) else {
                continue;
            };
            let reason = self.unmanaged(leaf).or_else(|| self.impossible(stop));
            let reason = reason.unwrap_or_else(|| self.plain(&codes::STATE));
            told.push(self.say(
                &codes::STOP_IMPOSSIBLE,
                vec![
                    ("resource", self.name(leaf).into()),
                    ("reason", reason.into()),
                ],
            ));
        }
        told
    }
}
