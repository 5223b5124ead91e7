//! Why a resource is not managed, or not wanted: which setting says so, and where it is set.

use super::answer::{Statement, Value, constraint};
use super::{Explainer, codes};
use crate::model::{
    LossPolicy, MultipleActive, NodeId, NvSet, OnFail, ResourceId, Role, Ticket, TicketConstraint,
    Variant,
};
use crate::xml::Element;

/// Where a meta attribute of a resource is set.
struct Origin {
    /// In words.
    words: String,
    /// The set.
    set: String,
    /// Whose it is: the resource, or what it is part of.
    owner: String,
    /// It is set for others too, in a template or in the defaults.
    shared: bool,
}

impl Explainer<'_> {
    /// Why the cluster does not manage a resource; `None` if it does.
    pub(super) fn unmanaged(&self, id: ResourceId) -> Option<Statement> {
        let (cluster, resource) = (self.cluster, self.cluster.resource(id));
        if resource.managed {
            return None;
        }
        if resource.blocked {
            return Some(self.blocked(id));
        }
        if cluster.options.fencing_enabled && !cluster.options.have_fencing_device {
            return Some(self.plain(&codes::NO_FENCING_DEVICE));
        }
        if cluster.options.maintenance_mode {
            return Some(self.plain(&codes::CLUSTER_MAINTENANCE));
        }
        if resource.meta.is_true("maintenance") {
            return Some(self.set_by(id, &codes::MAINTENANCE, "maintenance"));
        }
        let mut nodes = resource.active_on.iter();
        let in_maintenance = nodes.find(|node| cluster.node(**node).maintenance);
        if in_maintenance.is_some() && self.all_in_maintenance() {
            return Some(self.plain(&codes::ALL_IN_MAINTENANCE));
        }
        if let Some(node) = in_maintenance {
            return Some(self.in_maintenance(*node));
        }
        if resource.removed && !cluster.options.stop_removed_resources {
            return Some(self.plain(&codes::KEPT_AFTER_REMOVAL));
        }
        if resource.meta.contains("is-managed") {
            return Some(self.set_by(id, &codes::UNMANAGED, "is-managed"));
        }
        Some(self.plain(&codes::NOT_MANAGED))
    }

    /// Why what runs on a node is left alone: its attribute says so, or it is a guest or a remote
    /// node whose connection is not managed.
    pub(super) fn in_maintenance(&self, id: NodeId) -> Statement {
        let node = self.cluster.node(id);
        let name = ("node", Value::from(self.node_name(id)));
        let connection = node.connection.filter(|connection| {
            let is_managed = self.cluster.resource(*connection).managed;
            !is_managed && !node.attributes.is_true("maintenance")
        });
        let Some(connection) = connection else {
            return self.say(&codes::NODE_MAINTENANCE, vec![name]);
        };
        let mut parameters = vec![name, ("connection", self.name(connection).into())];
        let reason = self.behind(connection, || self.unmanaged(connection));
        parameters.extend(reason.map(|reason| ("reason", Value::from(reason))));
        self.say(&codes::NODE_NOT_MANAGED, parameters)
    }

    /// Whether each of several nodes is in maintenance.
    pub(super) fn all_in_maintenance(&self) -> bool {
        let nodes = &self.cluster.node_order;
        nodes.len() > 1
            && nodes
                .iter()
                .all(|node| self.cluster.node(*node).maintenance)
    }

    /// Why a resource is blocked.
    pub(super) fn blocked(&self, id: ResourceId) -> Statement {
        let resource = self.cluster.resource(id);
        let name = self.cleanup_name(id);
        if resource.active_on.len() > 1 && resource.multiple_active == MultipleActive::Block {
            let nodes = self.node_names(&resource.active_on);
            return self.say(
                &codes::MULTIPLY_ACTIVE_BLOCK,
                vec![("nodes", nodes.into()), ("resource", name.into())],
            );
        }
        let failures = self.failures(id);
        let blocking = failures.iter().filter(|it| it.on_fail == OnFail::Block);
        // Of several the failed stop, where it may still run, needs a person most.
        let worst = blocking.max_by_key(|failure| {
            let runs = resource.active_on.contains(&failure.node);
            (failure.operation() == "stop", runs)
        });
        // A failed stop whose response is not possible blocks as well.
        let mut stops = failures.iter();
        let stop =
            stops.find(|it| it.operation() == "stop" && resource.active_on.contains(&it.node));
        if let Some(failure) = worst.or(stop) {
            let what = self.what_failed(failure);
            let operation = what.text_of("operation").unwrap_or_default().to_owned();
            let options = &self.cluster.options;
            let fencing = options.fencing_enabled && options.have_fencing_device;
            let code = match operation.as_str() {
                "stop" if fencing => &codes::BLOCKED_INSTEAD_OF_FENCED,
                "stop" => &codes::BLOCKED_BY_STOP,
                _ => &codes::BLOCKED_BY_FAILURE,
            };
            return self.say(
                code,
                vec![
                    ("operation", operation.into()),
                    ("node", self.node_name(failure.node).into()),
                    ("resource", name.into()),
                    ("failure", what.into()),
                ],
            );
        }
        if let Some(frozen) = self.lost_ticket(id, |policy| policy == LossPolicy::Freeze) {
            return frozen;
        }
        if let Some(beside) = self.blocked_beside(id) {
            return beside;
        }
        self.say(&codes::BLOCKED, vec![("resource", name.into())])
    }

    /// A ticket that a resource needs and does not have.
    pub(super) fn lost_ticket(
        &self,
        id: ResourceId,
        wanted: impl Fn(LossPolicy) -> bool,
    ) -> Option<Statement> {
        let mut holder = Some(id);
        while let Some(id) = holder {
            for known in &self.cluster.resource(id).tickets {
                let binding = &self.cluster.ticket_constraints[known.index()];
                let ticket = &self.cluster.tickets[binding.ticket.index()];
                if (ticket.granted && !ticket.standby) || !wanted(binding.loss_policy) {
                    continue;
                }
                let code = match binding.loss_policy {
                    LossPolicy::Freeze if self.cluster.resource(id).blocked => {
                        &codes::FROZEN_BY_TICKET
                    }
                    _ => &codes::TICKET_MISSING,
                };
                return Some(self.say(code, ticket_parameters(ticket, binding)));
            }
            holder = self.cluster.resource(id).parent;
        }
        None
    }

    /// The `target-role` that keeps a resource from running or from being promoted.
    pub(super) fn target_role(&self, id: ResourceId) -> Option<Statement> {
        let code = match self.cluster.target_role(id)? {
            Role::Stopped => &codes::TARGET_ROLE_STOPPED,
            _ => &codes::TARGET_ROLE_UNPROMOTED,
        };
        Some(self.set_by(id, code, "target-role"))
    }

    /// A statement about a meta attribute, with where it is set.
    fn set_by(&self, id: ResourceId, code: &'static codes::Code, name: &str) -> Statement {
        let value = self.cluster.resource(id).meta.text(name);
        let value = value.unwrap_or_default();
        let origin = self.origin(id, name, value);
        let known = self.terms.temporary.get(&format!("{}.{name}", origin.set));
        let which = if origin.shared { "override" } else { "own" };
        let mut said = self.say(
            code,
            vec![
                (which, origin.owner.as_str().into()),
                ("value", value.into()),
                ("origin", origin.words.into()),
                ("set", origin.set.into()),
                ("owner", origin.owner.into()),
            ],
        );
        if let Some(known) = known {
            said.text.clone_from(&known.text);
            said.remedy.clone_from(&known.remedy);
        }
        said
    }

    /// Where the value of a meta attribute comes from.
    fn origin(&self, id: ResourceId, name: &str, value: &str) -> Origin {
        let mut holder = Some(id);
        while let Some(at) = holder {
            let resource = self.cluster.resource(at);
            let whose = match (at == id, &resource.variant) {
                (true, _) => format!("for {}", resource.config_id),
                (_, Variant::Group(_)) => format!("for group {}", resource.config_id),
                (_, Variant::Clone(_)) => format!("for clone {}", resource.config_id),
                (_, Variant::Bundle(_)) => format!("for bundle {}", resource.config_id),
                (_, Variant::Primitive) => format!("for {}", resource.config_id),
            };
            let owner = resource.config_id.to_string();
            let own = resource.config.attributes.iter();
            if own.clone().any(|(known, _)| **known == *name) {
                let element = &*resource.config.element;
                return Origin {
                    words: format!("{whose}, as an attribute of its <{element}>"),
                    set: owner.clone(),
                    owner,
                    shared: false,
                };
            }
            if let Some((set, beaten)) = set_in(&resource.config.meta, name, value) {
                if self.terms.deployment.is_some() && set == format!("{owner}.options") {
                    return Origin {
                        words: format!("{whose} in the document"),
                        set: format!("{} {owner}", self.terms.resource),
                        owner,
                        shared: false,
                    };
                }
                let beaten = beaten + &self.rule_of(&set);
                let template = self.template_of(&set);
                let shared = template.is_some();
                let whose = template.map_or(whose, |name| format!("in template {name}"));
                return Origin {
                    words: format!("{whose} (meta_attributes {set}{beaten})"),
                    set,
                    owner,
                    shared,
                };
            }
            holder = resource.parent;
        }
        let owner = self.cleanup_name(id);
        match set_in(&self.cluster.resource_defaults, name, value) {
            Some((set, beaten)) => Origin {
                words: format!(
                    "in rsc_defaults (meta_attributes {set}{beaten}{})",
                    self.rule_of(&set)
                ),
                set,
                owner,
                shared: true,
            },
            None => Origin {
                words: "for it".to_owned(),
                set: owner.clone(),
                owner,
                shared: false,
            },
        }
    }

    /// The rule by which a set counts now.
    fn rule_of(&self, set: &str) -> String {
        let configuration = self.cluster.document.root().child("configuration");
        let mut all = configuration.into_iter().flat_map(Element::descendants);
        let found = all.find(|it| it.name() == "meta_attributes" && it.get("id") == Some(set));
        let rule = found.and_then(|set| set.child("rule"));
        let rule = rule.and_then(|rule| self.cluster.document.referenced(rule));
        let node = self.cluster.node_order.first();
        match rule.zip(node) {
            Some((rule, node)) => format!("; {}", self.one_rule(rule, *node)),
            None => String::new(),
        }
    }

    /// The template that a set is written in.
    fn template_of(&self, set: &str) -> Option<String> {
        let section = self.cluster.document.section("resources")?;
        let holds = |template: &Element<'_>| {
            let mut sets = template.children_named("meta_attributes");
            sets.any(|known| known.get("id") == Some(set))
        };
        let template = section.children_named("template").find(holds)?;
        Some(template.get("id")?.to_owned())
    }
}

/// What is to be said of a ticket that is missing, and how it is had.
pub(super) fn ticket_parameters(
    ticket: &Ticket,
    binding: &TicketConstraint,
) -> Vec<(&'static str, Value)> {
    let (state, verb) = match ticket.granted {
        true => ("in standby", "activate"),
        false => ("not granted to this site", "grant"),
    };
    let fences = binding.loss_policy == LossPolicy::Fence;
    let loss = fences.then(|| ("loss", Value::from("loss-policy=fence")));
    let known = vec![
        ("ticket", Value::from(&*ticket.id)),
        ("state", state.into()),
        ("constraint", constraint(&binding.id)),
        (
            "command",
            format!("{verb} {}", for_shell(&ticket.id)).into(),
        ),
        (
            "order",
            format!("crm_ticket --ticket {} --{verb}", quoted(&ticket.id)).into(),
        ),
    ];
    known.into_iter().chain(loss).collect()
}

/// A name as a shell takes it for one word.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-:/@%+,".contains(c);
    match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "'\\''")),
    }
}

/// The same for a program that takes it as an argument: after `--` if it looks like an option.
fn for_shell(name: &str) -> String {
    match name.starts_with('-') {
        true => format!("-- {}", quoted(name)),
        false => quoted(name),
    }
}

/// The set that gives a name its value, and which other set it beats.
fn set_in(sets: &[NvSet], name: &str, value: &str) -> Option<(String, String)> {
    let value_in = |set: &NvSet| {
        let pair = set.pairs.iter().find(|(known, _)| **known == *name);
        pair.map(|(_, value)| value.clone())
    };
    let winner = sets
        .iter()
        .position(|set| value_in(set).is_some_and(|found| *found == *value))?;
    let beaten = sets[winner + 1..].iter().find_map(|set| {
        let other = value_in(set)?;
        (*other != *value).then(|| {
            let why = match set.score < sets[winner].score {
                true => "whose score is higher than that of",
                false => "which comes after",
            };
            format!(", {why} {} with {other}, and so counts", set.id)
        })
    });
    Some((sets[winner].id.to_string(), beaten.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::for_shell;

    #[test]
    fn a_name_is_one_argument_of_a_command() {
        for (name, argument) in [
            ("site-a", "site-a"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("-x", "-- -x"),
            ("-x y", "-- '-x y'"),
        ] {
            assert_eq!(for_shell(name), argument);
        }
    }
}
